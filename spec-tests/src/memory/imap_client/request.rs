//! C lines as requests of the machine's.

use postkern::imap::{
    Client, DateTime, FetchItems, Flag, Request, SearchKeys, SearchToken, SendError, SequenceSet, StatusItems,
    StoreAction,
};

/// Sends what a line says behind its tag; none if the machine has no such request.
pub(super) fn send(command: &str, machine: &mut Client, out: &mut Vec<u8>) -> Option<Result<(), SendError>> {
    let (uid, command) = match command.strip_prefix("UID ") {
        Some(command) => (true, command),
        None => (false, command),
    };
    let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
    let words = words(rest)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let set = || SequenceSet::parse(words.first()?.as_bytes());
    // What follows the first word, as it stands.
    let tail = rest.split_once(' ').map_or("", |(_, tail)| tail);
    let (flags, keys);
    let request = match (verb, &words[..]) {
        ("CAPABILITY", []) => Request::Capability,
        ("NOOP", []) => Request::Noop,
        ("LOGOUT", []) => Request::Logout,
        ("ID", ["NIL"]) => Request::Id(&[]),
        ("STARTTLS", []) => Request::StartTls,
        ("AUTHENTICATE", [mechanism]) => Request::Authenticate { mechanism, initial: None },
        ("AUTHENTICATE", [mechanism, initial]) => Request::Authenticate { mechanism, initial: Some(initial) },
        ("LOGIN", [user, password]) => Request::Login { user, password },
        ("ENABLE", names) => Request::Enable(names),
        ("SELECT", [mailbox]) => Request::Select(mailbox),
        ("EXAMINE", [mailbox]) => Request::Examine(mailbox),
        ("CREATE", [mailbox]) => Request::Create(mailbox),
        ("DELETE", [mailbox]) => Request::Delete(mailbox),
        ("RENAME", [from, to]) => Request::Rename { from, to },
        ("SUBSCRIBE", [mailbox]) => Request::Subscribe(mailbox),
        ("UNSUBSCRIBE", [mailbox]) => Request::Unsubscribe(mailbox),
        ("LIST", [reference, pattern]) => Request::List { reference, pattern, subscribed: false },
        ("LSUB", [reference, pattern]) => Request::List { reference, pattern, subscribed: true },
        ("NAMESPACE", []) => Request::Namespace,
        ("STATUS", [mailbox, ..]) => Request::Status { mailbox, items: status_items(tail)? },
        ("APPEND", [mailbox, ..]) => {
            let (before, octets) = tail.strip_suffix('}')?.rsplit_once('{')?;
            let (list, date) = match before.trim_end() {
                date if date.starts_with('"') => ("()", date),
                "" => ("()", ""),
                both => both.split_once(") ").unwrap_or((both, "")),
            };
            flags = flag_list(list.trim_start_matches('(').trim_end_matches(')'))?;
            let date = if date.is_empty() { None } else { Some(DateTime::parse(date.as_bytes())?) };
            let octets = octets.trim_end_matches('+').parse().ok()?;
            Request::Append { mailbox, flags: &flags, date, octets }
        }
        ("IDLE", []) => Request::Idle,
        ("CHECK", []) => Request::Check,
        ("CLOSE", []) => Request::Close,
        ("UNSELECT", []) => Request::Unselect,
        ("EXPUNGE", []) => Request::Expunge(None),
        ("EXPUNGE", [_]) if uid => Request::Expunge(Some(set()?)),
        ("SEARCH", _) => {
            keys = SearchKeys::parse(rest.as_bytes())?.iter().collect::<Vec<SearchToken<'_>>>();
            Request::Search { uid, keys: &keys }
        }
        ("FETCH", _) => Request::Fetch { uid, set: set()?, items: FetchItems::parse(tail.as_bytes())? },
        ("STORE", _) => {
            let (action, list) = tail.split_once(' ')?;
            flags = flag_list(list.strip_prefix('(')?.strip_suffix(')')?)?;
            let (action, item) = match action.split_at(1) {
                ("+", item) => (StoreAction::Add, item),
                ("-", item) => (StoreAction::Remove, item),
                _ => (StoreAction::Replace, action),
            };
            let silent = item == "FLAGS.SILENT";
            Request::Store { uid, set: set()?, action, silent, flags: &flags }
        }
        ("COPY", [_, mailbox]) => Request::Copy { uid, set: set()?, mailbox, remove: false },
        ("MOVE", [_, mailbox]) => Request::Copy { uid, set: set()?, mailbox, remove: true },
        _ => return None,
    };
    Some(machine.send(request, out).map(|_| ()))
}

/// Words and quoted strings, parted by spaces.
fn words(text: &str) -> Option<Vec<String>> {
    let (mut words, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => rest.split_at(rest.find(' ').unwrap_or(rest.len())),
        };
        words.push(word.to_owned());
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
    Some(words)
}

fn status_items(list: &str) -> Option<StatusItems> {
    let mut items = StatusItems::default();
    for name in list.strip_prefix('(')?.strip_suffix(')')?.split(' ') {
        match name {
            "MESSAGES" => items.messages = true,
            "RECENT" => items.recent = true,
            "UIDNEXT" => items.uid_next = true,
            "UIDVALIDITY" => items.uid_validity = true,
            "UNSEEN" => items.unseen = true,
            _ => return None,
        }
    }
    Some(items)
}

fn flag_list(list: &str) -> Option<Vec<Flag<'_>>> {
    let names = list.split(' ').filter(|name| !name.is_empty());
    Some(
        names
            .map(|name| match name {
                "\\Answered" => Flag::Answered,
                "\\Flagged" => Flag::Flagged,
                "\\Deleted" => Flag::Deleted,
                "\\Seen" => Flag::Seen,
                "\\Draft" => Flag::Draft,
                _ => name.strip_prefix('\\').map_or(Flag::Keyword(name), Flag::Extension),
            })
            .collect(),
    )
}
