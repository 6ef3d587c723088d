//! What every engine decides in the same way: names, flags, and who is to have a message.
//!
//! Pure functions over plain values. An engine that decided one of these by itself would sooner
//! or later decide it otherwise.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use postkern_server::account;
use postkern_server::dsn::{HEADER_MAX, News};
use postkern_server::job::{AccountId, Done, Failure, FlagAction, FlagChange, Local, MailboxInfo, Timestamp};
use postkern_server::mailbox::{Flags, MailboxName, SpecialUse, UidSet};
use postkern_server::queue::{Action, Diagnostic, Outcome, Remote};
use postkern_server::rates::{Act, Rates};

/// What tells an engine the time: the wall clock, or a simulation's.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The machine's clock.
pub fn wall_clock() -> Clock {
    Arc::new(|| {
        let seconds = |of: Result<std::time::Duration, _>| of.map_or(0, |of| of.as_secs());
        Timestamp(i64::try_from(seconds(SystemTime::now().duration_since(UNIX_EPOCH))).unwrap_or(i64::MAX))
    })
}

/// Runs a [`Job::Count`](postkern_server::job::Job::Count).
///
/// # Errors
/// Busy, over the limit.
pub(crate) fn count(rates: &Mutex<Rates>, act: Act, limit: u32, now: Timestamp, asked: bool) -> Result<Done, Failure> {
    let mut rates = rates.lock().unwrap_or_else(PoisonError::into_inner);
    if rates.admit(act, limit, now, asked) { Ok(Done::Nothing) } else { Err(Failure::Busy) }
}

/// What every account begins with besides INBOX (RFC 6154 section 2), subscribed.
pub const FIRST_MAILBOXES: [(&str, SpecialUse); 5] = [
    ("Archive", SpecialUse::Archive),
    ("Drafts", SpecialUse::Drafts),
    ("Junk", SpecialUse::Junk),
    ("Sent", SpecialUse::Sent),
    ("Trash", SpecialUse::Trash),
];
/// Mailboxes of one account; also names it may be subscribed to.
pub const MAILBOXES_MAX: usize = 10_000;
/// UIDs of expunged messages that a mailbox remembers with their modification sequence
/// (RFC 7162 section 3.2.7). What happened before is told as "all that is not there".
pub const TOMBSTONES_MAX: usize = 10_000;

/// Octets of the names of an account's mailboxes, or of its subscriptions, together: what LIST
/// may have to hold.
pub const NAMES_MAX: usize = 1024 * 1024;

const TOO_MANY: Failure = Failure::Cannot("too many mailboxes, or too long names of them");

/// Refuses more mailboxes, or subscriptions, than [`MAILBOXES_MAX`], or longer names in all
/// than [`NAMES_MAX`].
pub(crate) fn check_count(count: usize, octets: usize) -> Result<(), Failure> {
    if count > MAILBOXES_MAX || octets > NAMES_MAX { Err(TOO_MANY) } else { Ok(()) }
}

/// The last UID of a set; 0 if it is empty.
pub(crate) fn last(uids: &UidSet) -> u32 {
    uids.ranges().last().map_or(0, |&(_, last)| last)
}

/// The UID after the next `count` messages.
///
/// # Errors
/// The mailbox has used up its UIDs, which are never given twice (RFC 3501 section 2.3.1.1).
pub(crate) fn uid_after(uid_next: u32, count: usize) -> Result<u32, Failure> {
    let after = u64::from(uid_next) + count as u64;
    u32::try_from(after).map_err(|_| Failure::Cannot("the mailbox has used up its message numbers"))
}

/// The names to be made so that `name` is there: it and its parents, the top one first
/// (RFC 3501 section 6.3.3). Those that exist are still among them.
pub(crate) fn with_parents(name: &MailboxName) -> Vec<MailboxName> {
    let mut names = vec![name.clone()];
    while let Some(parent) = names.last().and_then(MailboxName::parent) {
        names.push(parent);
    }
    names.reverse();
    names
}

/// Old and new name of each mailbox that moves in a RENAME (RFC 3501 section 6.3.5), in an order
/// in which each finds its place free; not for INBOX itself, which does not move.
///
/// # Errors
/// As [`postkern_server::job::Job::Rename`] tells them.
pub(crate) fn renames<'a>(
    existing: impl Iterator<Item = &'a MailboxName> + Clone,
    from: &MailboxName,
    to: &MailboxName,
) -> Result<Vec<(MailboxName, MailboxName)>, Failure> {
    let names: HashSet<&MailboxName> = existing.clone().collect();
    if to.is_inbox() || names.contains(to) {
        return Err(Failure::Exists);
    }
    if to == from || to.is_below(from) {
        return Err(Failure::Cannot("a mailbox cannot be moved below itself"));
    }
    let mut moves = Vec::new();
    for name in existing.filter(|name| *name == from || name.is_below(from)) {
        let rest = &name.as_str()[from.as_str().len()..];
        let moved = MailboxName::new(&format!("{to}{rest}")).map_err(Failure::Cannot)?;
        let makes_room = moved == *from || moved.is_below(from);
        if names.contains(&moved) && !makes_room {
            return Err(Failure::Exists);
        }
        moves.push((name.clone(), moved));
    }
    // Where a name goes to one that moves away itself (a/b to a, with a/b/b), that one is shorter.
    moves.sort_by_key(|(name, _)| name.as_str().len());
    if moves.is_empty() { Err(Failure::NoSuchMailbox) } else { Ok(moves) }
}

/// All names of an account that LIST or LSUB may show, in order: its mailboxes, the names that
/// only have children, the names that are only subscribed.
pub(crate) fn list(
    mailboxes: impl Iterator<Item = (MailboxName, Option<SpecialUse>)>,
    subscribed: &BTreeSet<MailboxName>,
) -> Vec<MailboxInfo> {
    let mut all = BTreeMap::<MailboxName, (bool, Option<SpecialUse>)>::new();
    for (name, special_use) in mailboxes {
        let mut parent = name.parent();
        while let Some(name) = parent {
            parent = name.parent();
            all.entry(name).or_default();
        }
        all.insert(name, (true, special_use));
    }
    for name in subscribed {
        all.entry(name.clone()).or_default();
    }
    let info = |(name, (exists, special_use))| {
        let subscribed = subscribed.contains(&name);
        MailboxInfo { name, exists, subscribed, special_use }
    };
    all.into_iter().map(info).collect()
}

/// Whether any of `names` lies below `name`.
pub(crate) fn has_children<'a>(mut names: impl Iterator<Item = &'a MailboxName>, name: &MailboxName) -> bool {
    names.any(|other| other.is_below(name))
}

/// The bits of keywords, in a mailbox with these; with `create` those that are new are added
/// while there is room. Also whether one found no room. Compared without case, as atoms of the
/// grammar are (RFC 3501 section 9).
pub(crate) fn keyword_bits(known: &mut Vec<String>, wanted: &[String], create: bool) -> (Flags, bool) {
    let (mut bits, mut refused) = (Flags::default(), false);
    for name in wanted {
        let at = match known.iter().position(|known| known.eq_ignore_ascii_case(name)) {
            Some(at) => at,
            None if !create => continue,
            None if known.len() >= Flags::KEYWORDS_MAX => {
                refused = true;
                continue;
            }
            None => {
                known.push(name.clone());
                known.len() - 1
            }
        };
        bits = bits.with(Flags::keyword(at));
    }
    (bits, refused)
}

/// A message's flags in another mailbox: the same keywords by name, as far as there is room.
pub(crate) fn translate(flags: Flags, from: &[String], to: &mut Vec<String>) -> Flags {
    let set = |(at, _): &(usize, &String)| flags.has(Flags::keyword(*at));
    let names: Vec<String> = from.iter().enumerate().filter(set).map(|(_, name)| name.clone()).collect();
    let (bits, _) = keyword_bits(to, &names, true);
    Flags(flags.0 & Flags::SYSTEM.0).with(bits)
}

/// A message's flags after a change whose keywords have these bits.
pub(crate) fn changed(flags: Flags, change: &FlagChange, keywords: Flags) -> Flags {
    let these = Flags(change.flags.0 & Flags::SYSTEM.0).with(keywords);
    match change.action {
        FlagAction::Replace => these,
        FlagAction::Add => flags.with(these),
        FlagAction::Remove => flags.without(these),
    }
}

/// The UIDs below `uid_next` that are not among `uids`, which ascend.
pub(crate) fn missing(uids: impl Iterator<Item = u32>, uid_next: u32) -> UidSet {
    let (mut set, mut next) = (UidSet::default(), 1);
    for uid in uids {
        if uid > next {
            set.push_range(next, uid - 1);
        }
        next = uid.saturating_add(1);
    }
    if uid_next > next {
        set.push_range(next, uid_next - 1);
    }
    set
}

/// Octets of the header with its empty line; all of a message that has no empty line.
pub(crate) fn header_len(message: &[u8]) -> usize {
    header_end(message).map_or(message.len(), |(_, end)| end)
}

/// Where the header's last line ends, and where the empty line does. A bare LF ends a line
/// here, since a message that was appended may have such.
pub(crate) fn header_end(message: &[u8]) -> Option<(usize, usize)> {
    let mut start = 0;
    while let Some(len) = message[start..].iter().position(|octet| *octet == b'\n') {
        let end = start + len + 1;
        if matches!(&message[start..end], b"\n" | b"\r\n") {
            return Some((start, end));
        }
        start = end;
    }
    None
}

/// One delivery for each account, the first that names it.
pub(crate) fn each_once(local: Vec<Local>) -> Vec<Local> {
    let mut seen = HashSet::<AccountId>::new();
    local.into_iter().filter(|local| seen.insert(local.account)).collect()
}

/// Recipients elsewhere, each once, with its domain in lower case.
pub(crate) fn with_domains(remote: Vec<Remote>) -> Vec<(Remote, String)> {
    let mut seen = HashSet::new();
    let split = |Remote { address, terms }: Remote| {
        let (local, domain) = address.rsplit_once('@').unwrap_or((&address, ""));
        let domain = domain.to_ascii_lowercase();
        let address = if domain.is_empty() { local.to_owned() } else { format!("{local}@{domain}") };
        (Remote { address, terms }, domain)
    };
    remote.into_iter().map(split).filter(|(remote, _)| seen.insert(remote.address.clone())).collect()
}

/// An account's name as it is kept and compared.
pub(crate) fn account_name(name: &str) -> String {
    account::normalize(name)
}

/// What an attempt that did not deliver met.
pub(crate) fn diagnostic(outcome: &Outcome) -> Option<&Diagnostic> {
    match outcome {
        Outcome::Delivered(_) => None,
        Outcome::Deferred(diagnostic) | Outcome::Failed(diagnostic) => Some(diagnostic),
    }
}

/// What the sender of a message just accepted is told at once: who has it, who stood for
/// several (RFC 3461 sections 5.2.3 and 5.2.7.3).
pub(crate) fn news_of_commit(local: &[Local], expanded: &[Remote]) -> Vec<News> {
    let mut seen = HashSet::new();
    let delivered = local.iter().filter(|local| local.terms.wants().success()).map(|local| News {
        recipient: Remote { address: local.recipient.clone(), terms: local.terms.clone() },
        action: Action::Delivered { remote: None },
    });
    let expanded = expanded.iter().map(|alias| News { recipient: alias.clone(), action: Action::Expanded });
    delivered.chain(expanded).filter(|news| seen.insert(news.recipient.address.clone())).collect()
}

/// The header as a report returns it, out of at least the first [`HEADER_MAX`] octets of the
/// message: without its empty line, and without the line that would be cut.
pub(crate) fn returned_header(message: &[u8]) -> &[u8] {
    let start = &message[..message.len().min(HEADER_MAX)];
    if let Some((end, _)) = header_end(start) {
        return &start[..end];
    }
    let lines = start.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
    if start.len() < message.len() { &start[..lines] } else { start }
}

/// What became of a recipient here whose mailbox takes no message.
pub(crate) fn not_delivered(failure: &Failure) -> Outcome {
    Outcome::Failed(match failure {
        Failure::NoSuchAccount => Diagnostic::ours("5.1.1", "the mailbox is no longer there"),
        _ => Diagnostic::ours("5.2.0", "the mailbox takes no more messages"),
    })
}

/// What the queue's listing shows of a failed attempt.
pub(crate) fn last_error(diagnostic: &Diagnostic) -> String {
    match &diagnostic.remote {
        Some(remote) => format!("{} {} ({remote})", diagnostic.status, diagnostic.text),
        None => format!("{} {}", diagnostic.status, diagnostic.text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<MailboxName> {
        names.iter().map(|name| MailboxName::new(name).unwrap()).collect()
    }

    #[test]
    fn a_rename_takes_the_children_along() {
        let existing = names(&["INBOX", "a", "a/b", "a/b/c", "ab", "x"]);
        let rename = |from: &str, to: &str| {
            let (from, to) = (MailboxName::new(from).unwrap(), MailboxName::new(to).unwrap());
            renames(existing.iter(), &from, &to)
                .map(|moves| moves.iter().map(|(_, to)| to.to_string()).collect::<Vec<_>>())
        };
        assert_eq!(rename("a", "n/a"), Ok(vec!["n/a".into(), "n/a/b".into(), "n/a/b/c".into()]));
        assert_eq!(rename("a/b", "y"), Ok(vec!["y".into(), "y/c".into()]));
        assert_eq!(rename("a", "x"), Err(Failure::Exists));
        assert_eq!(rename("a", "INBOX"), Err(Failure::Exists));
        assert_eq!(rename("no", "y"), Err(Failure::NoSuchMailbox));
        assert!(matches!(rename("a", "a/z"), Err(Failure::Cannot(_))));
        let existing = names(&["a/b", "a/b/b", "a/b/z", "a/b/b/z"]);
        let (from, to) = (MailboxName::new("a/b").unwrap(), MailboxName::new("a").unwrap());
        let moves = renames(existing.iter(), &from, &to).unwrap();
        assert_eq!(moves.iter().map(|(_, to)| to.as_str()).collect::<Vec<_>>(), ["a", "a/b", "a/z", "a/b/z"]);
        let deep = vec!["d"; 31].join("/");
        assert!(matches!(rename("a", &deep), Err(Failure::Cannot(_))));
    }

    #[test]
    fn keywords_are_compared_without_case_and_have_an_end() {
        let mut known = vec!["$Junk".to_owned()];
        assert_eq!(keyword_bits(&mut known, &["$JUNK".into()], true), (Flags(1 << 8), false));
        assert_eq!(keyword_bits(&mut known, &["new".into()], false), (Flags(0), false));
        let many: Vec<String> = (0..60).map(|n| format!("k{n}")).collect();
        let (bits, refused) = keyword_bits(&mut known, &many, true);
        assert!(refused && known.len() == Flags::KEYWORDS_MAX);
        assert_eq!(bits.0, (1 << 63) - (1 << 9));
        assert_eq!(translate(Flags(1 << 8 | 8 | 1 << 7), &known, &mut vec!["x".into()]), Flags(1 << 9 | 8));
    }

    #[test]
    fn headers_end_at_the_first_empty_line() {
        for (message, end) in [
            ("", None),
            ("A: b\r\n", None),
            ("A: b\r\n\r\nc", Some((6, 8))),
            ("\r\nc", Some((0, 2))),
            ("A: b\n\nc\r\n\r\n", Some((5, 6))),
            ("A: b\n\r\n", Some((5, 7))),
            ("A: b\r\n\r", None),
        ] {
            assert_eq!(header_end(message.as_bytes()), end, "{message:?}");
        }
    }

    #[test]
    fn what_is_missing_is_told_as_ranges() {
        assert_eq!(missing([2, 3, 7].into_iter(), 10).to_string(), "1,4:6,8:9");
        assert!(missing([1, 2].into_iter(), 3).is_empty());
        assert_eq!(missing([].into_iter(), 3).to_string(), "1:2");
    }

    #[test]
    fn recipients_are_taken_once() {
        let of = with_domains(["A@B.example", "A@b.EXAMPLE", "a@b.example"].map(Remote::new).to_vec());
        assert_eq!(of, ["A@b.example", "a@b.example"].map(|address| (Remote::new(address), "b.example".into())));
    }
}
