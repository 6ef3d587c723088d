//! IMAP commands in one form, as the log has them: verbs in lower case, `uid ` before those
//! of UIDs, strings quoted with escapes, dates as days or seconds since 1970.

use postkern::imap::{
    Astring, Command, FetchItem, FetchItems, Flag, Flags, SearchKey, SearchKeys, SearchToken, SequenceSet, StoreAction,
};

use crate::transcript::escaped;

/// A command with its arguments.
pub(super) fn command(command: &Command<'_>) -> String {
    let by_uid = |uid: bool| if uid { "uid " } else { "" };
    match command {
        Command::Capability => "capability".to_owned(),
        Command::Noop => "noop".to_owned(),
        Command::Logout => "logout".to_owned(),
        Command::StartTls => "starttls".to_owned(),
        Command::Namespace => "namespace".to_owned(),
        Command::Check => "check".to_owned(),
        Command::Close => "close".to_owned(),
        Command::Unselect => "unselect".to_owned(),
        Command::Idle => "idle".to_owned(),
        // The password is for nobody's eyes, but its being there is.
        Command::Login { user, .. } => format!("try {}", string(user)),
        Command::Id(fields) => {
            let field = |(name, value): (Astring<'_>, Option<Astring<'_>>)| {
                format!(" {} {}", string(&name), value.map_or("NIL".to_owned(), |value| string(&value)))
            };
            format!("id{}", fields.iter().map(field).collect::<String>())
        }
        Command::Enable(words) => format!("enable {}", words.iter().collect::<Vec<_>>().join(" ")),
        Command::Select { mailbox, read_only: false } => format!("select {}", string(mailbox)),
        Command::Select { mailbox, read_only: true } => format!("examine {}", string(mailbox)),
        Command::Create(mailbox) => format!("create {}", string(mailbox)),
        Command::Delete(mailbox) => format!("delete {}", string(mailbox)),
        Command::Subscribe(mailbox) => format!("subscribe {}", string(mailbox)),
        Command::Unsubscribe(mailbox) => format!("unsubscribe {}", string(mailbox)),
        Command::Rename { from, to } => format!("rename {} {}", string(from), string(to)),
        Command::List { reference, pattern, subscribed } => {
            let verb = if *subscribed { "lsub" } else { "list" };
            format!("{verb} {} {}", string(reference), string(pattern))
        }
        Command::Status { mailbox, items } => {
            let asked = [
                (items.messages, " MESSAGES"),
                (items.recent, " RECENT"),
                (items.uid_next, " UIDNEXT"),
                (items.uid_validity, " UIDVALIDITY"),
                (items.unseen, " UNSEEN"),
            ];
            let items = asked.iter().filter(|(asked, _)| *asked).map(|(_, name)| *name);
            format!("status {}{}", string(mailbox), items.collect::<String>())
        }
        Command::Expunge(None) => "expunge".to_owned(),
        Command::Expunge(Some(set)) => format!("uid expunge {}", numbers(set)),
        Command::Search { uid, charset, keys } => {
            let charset = charset.map(|charset| format!(" charset {}", string(&charset))).unwrap_or_default();
            format!("{}search{charset}{}", by_uid(*uid), search(keys))
        }
        Command::Fetch { uid, set, items } => format!("{}fetch {} ({})", by_uid(*uid), numbers(set), fetch(items)),
        Command::Store { uid, set, action, silent, flags: list } => {
            let sign = match action {
                StoreAction::Replace => "",
                StoreAction::Add => "+",
                StoreAction::Remove => "-",
            };
            let silent = if *silent { " silent" } else { "" };
            format!("{}store {} {sign}{}{silent}", by_uid(*uid), numbers(set), flags(list))
        }
        Command::Copy { uid, set, mailbox, remove } => {
            let verb = if *remove { "move" } else { "copy" };
            format!("{}{verb} {} {}", by_uid(*uid), numbers(set), string(mailbox))
        }
    }
}

/// A string as it is meant, quoted.
pub(in crate::memory) fn string(string: &Astring<'_>) -> String {
    format!("\"{}\"", escaped(&string.bytes()))
}

/// Flags in parentheses.
pub(in crate::memory) fn flags(flags: &Flags<'_>) -> String {
    let name = |flag: Flag<'_>| match flag {
        Flag::Answered => "\\Answered".to_owned(),
        Flag::Flagged => "\\Flagged".to_owned(),
        Flag::Deleted => "\\Deleted".to_owned(),
        Flag::Seen => "\\Seen".to_owned(),
        Flag::Draft => "\\Draft".to_owned(),
        Flag::Recent => "\\Recent".to_owned(),
        Flag::Any => "\\*".to_owned(),
        Flag::Extension(name) => format!("\\{name}"),
        Flag::Keyword(name) => name.to_owned(),
    };
    format!("({})", flags.iter().map(name).collect::<Vec<_>>().join(" "))
}

fn numbers(set: &SequenceSet<'_>) -> String {
    escaped(set.as_bytes())
}

fn fetch(items: &FetchItems<'_>) -> String {
    let item = |item: FetchItem<'_>| match item {
        FetchItem::Section { peek, section, partial } => {
            let mut name = Vec::new();
            section.write(&mut name);
            let partial = partial.map(|(from, octets)| format!("<{from}.{octets}>")).unwrap_or_default();
            format!("BODY{}[{}]{partial}", if peek { ".PEEK" } else { "" }, escaped(&name))
        }
        FetchItem::Envelope => "ENVELOPE".to_owned(),
        FetchItem::Flags => "FLAGS".to_owned(),
        FetchItem::InternalDate => "INTERNALDATE".to_owned(),
        FetchItem::Rfc822 => "RFC822".to_owned(),
        FetchItem::Rfc822Header => "RFC822.HEADER".to_owned(),
        FetchItem::Rfc822Size => "RFC822.SIZE".to_owned(),
        FetchItem::Rfc822Text => "RFC822.TEXT".to_owned(),
        FetchItem::Body => "BODY".to_owned(),
        FetchItem::BodyStructure => "BODYSTRUCTURE".to_owned(),
        FetchItem::Uid => "UID".to_owned(),
    };
    items.iter().map(item).collect::<Vec<_>>().join(" ")
}

fn search(keys: &SearchKeys<'_>) -> String {
    let token = |token: SearchToken<'_>| match token {
        SearchToken::Open => " (".to_owned(),
        SearchToken::Close => " )".to_owned(),
        SearchToken::Not => " NOT".to_owned(),
        SearchToken::Or => " OR".to_owned(),
        SearchToken::Key(key) => format!(" {}", search_key(&key)),
    };
    keys.iter().map(token).collect()
}

fn search_key(key: &SearchKey<'_>) -> String {
    // The variant's own name, without what it holds.
    let name = format!("{key:?}");
    let name = name.split('(').next().unwrap_or_default().to_ascii_uppercase();
    match key {
        SearchKey::Keyword(word) | SearchKey::Unkeyword(word) => format!("{name} {word}"),
        SearchKey::Bcc(text)
        | SearchKey::Body(text)
        | SearchKey::Cc(text)
        | SearchKey::From(text)
        | SearchKey::Subject(text)
        | SearchKey::Text(text)
        | SearchKey::To(text) => format!("{name} {}", string(text)),
        SearchKey::Header(field, text) => format!("{name} {} {}", string(field), string(text)),
        SearchKey::Before(date)
        | SearchKey::On(date)
        | SearchKey::Since(date)
        | SearchKey::SentBefore(date)
        | SearchKey::SentOn(date)
        | SearchKey::SentSince(date) => format!("{name} {}", date.days()),
        SearchKey::Larger(octets) | SearchKey::Smaller(octets) => format!("{name} {octets}"),
        SearchKey::Uid(set) => format!("{name} {}", numbers(set)),
        SearchKey::Sequence(set) => numbers(set),
        _ => name,
    }
}
