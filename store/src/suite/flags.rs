//! Flags, keywords, modification sequences.

use postkern_server::job::FlagAction::{Add, Remove, Replace};
use postkern_server::job::FlagChange;
use postkern_server::mailbox::{Flags, UidSet};

use super::bench::{Bench, all, change, one};
use super::{Case, case};
use crate::rules::TOMBSTONES_MAX;

pub(super) const CASES: &[Case] = &[
    case("flags are replaced, added and removed", flags_change),
    case("keywords have bits until there is no room", keywords_to_the_limit),
    case("only kept flags are kept", kept_flags),
    case("modification sequences tell what has changed", modseq_tells),
    case("UNCHANGEDSINCE leaves what has changed alone", unchanged_since),
    case("forgotten tombstones are told as all that is missing", tombstones_are_bounded),
];

fn flags_change(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    for _ in 0..3 {
        bench.append_with(bob, "INBOX", b"A: b\r\n\r\n", Flags::SEEN, &["$Junk"]);
    }
    let inbox = bench.select(bob, "INBOX").mailbox;
    let junk = Flags::keyword(0);
    let flags = |of: FlagChange, uids: UidSet| {
        let stored = bench.store(inbox, uids, of);
        stored.messages.iter().map(|meta| meta.flags).collect::<Vec<_>>()
    };
    let two = UidSet::range(1, 2);
    assert_eq!(flags(change(Add, Flags::FLAGGED, &[]), two), [Flags::SEEN.with(Flags::FLAGGED).with(junk); 2]);
    assert_eq!(flags(change(Remove, Flags::SEEN, &["$JUNK", "$New"]), one(1)), [Flags::FLAGGED]);
    assert_eq!(flags(change(Replace, Flags::DRAFT, &["$New"]), one(2)), [Flags::DRAFT.with(Flags::keyword(1))]);
    assert_eq!(flags(change(Replace, Flags::default(), &[]), UidSet::range(3, 99)), [Flags::default()]);
    assert!(flags(change(Replace, Flags::SEEN, &[]), UidSet::range(4, 99)).is_empty());
    assert_eq!(bench.select(bob, "INBOX").keywords, ["$Junk", "$New"]);
    let metas = bench.metas(inbox);
    assert_eq!(metas[1].flags, Flags::DRAFT.with(Flags::keyword(1)));
    assert_eq!(bench.status(bob, "INBOX").unseen, 3);
}

fn keywords_to_the_limit(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    bench.append(bob, "INBOX", b"A: b\r\n\r\n");
    let inbox = bench.select(bob, "INBOX").mailbox;
    let names: Vec<String> = (0..Flags::KEYWORDS_MAX).map(|n| format!("k{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let stored = bench.store(inbox, all(), change(Add, Flags::default(), &names));
    assert!(!stored.refused);
    assert_eq!(stored.keywords, names);
    // Bits 8 to 62.
    assert_eq!(stored.messages[0].flags, Flags((1 << 63) - (1 << 8)));
    assert_eq!(bench.metas(inbox)[0].flags, stored.messages[0].flags);
    let stored = bench.store(inbox, all(), change(Replace, Flags::SEEN, &["K54", "more"]));
    assert!(stored.refused);
    assert_eq!(stored.keywords.len(), Flags::KEYWORDS_MAX);
    assert_eq!(stored.messages[0].flags, Flags::SEEN.with(Flags::keyword(54)));
    // What is appended or copied there loses what finds no room, and nothing else.
    bench.append_with(bob, "INBOX", b"A: b\r\n\r\n", Flags::SEEN, &["k0", "another"]);
    assert_eq!(bench.metas(inbox)[1].flags, Flags::SEEN.with(Flags::keyword(0)));
    bench.append_with(bob, "Trash", b"A: b\r\n\r\n", Flags::SEEN, &["yet another", "k3"]);
    bench.copy(bench.select(bob, "Trash").mailbox, all(), bob, "INBOX", false);
    assert_eq!(bench.metas(inbox)[2].flags, Flags::SEEN.with(Flags::keyword(3)));
}

fn kept_flags(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    bench.append_with(bob, "INBOX", b"A: b\r\n\r\n", Flags(u64::MAX), &[]);
    let inbox = bench.select(bob, "INBOX").mailbox;
    assert_eq!(bench.metas(inbox)[0].flags, Flags::SYSTEM);
    let stored = bench.store(inbox, all(), change(Replace, Flags(u64::MAX), &[]));
    assert_eq!(stored.messages[0].flags, Flags::SYSTEM);
}

fn modseq_tells(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    for _ in 0..4 {
        bench.append(bob, "INBOX", b"A: b\r\n\r\n");
    }
    let opened = bench.select(bob, "INBOX");
    let (inbox, since) = (opened.mailbox, opened.status.modseq);
    let changes = bench.changes(inbox, since);
    assert!(changes.changed.is_empty() && changes.gone.is_empty());
    assert_eq!((changes.modseq, changes.uid_next), (since, 5));
    let stored = bench.store(inbox, UidSet::range(2, 3), change(Add, Flags::SEEN, &["k"]));
    assert!(stored.messages.iter().all(|meta| meta.modseq > since));
    bench.store(inbox, UidSet::range(1, 4), change(Remove, Flags::FLAGGED, &[]));
    bench.remove(inbox, one(4));
    bench.append(bob, "INBOX", b"A: b\r\n\r\n");
    let changes = bench.changes(inbox, since);
    assert_eq!(changes.changed.iter().map(|meta| meta.uid).collect::<Vec<_>>(), [2, 3, 5]);
    assert_eq!((changes.gone.to_string(), changes.keywords), ("4".into(), vec!["k".to_owned()]));
    assert_eq!(changes.modseq, bench.status(bob, "INBOX").modseq);
    assert!(changes.changed.iter().all(|meta| meta.modseq <= changes.modseq));
    let all = bench.changes(inbox, 0);
    assert_eq!(all.changed.len(), 4);
    assert!(bench.changes(inbox, changes.modseq).changed.is_empty());
    assert!(bench.changes(inbox, u64::MAX).changed.is_empty());
}

fn unchanged_since(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    for _ in 0..3 {
        bench.append(bob, "INBOX", b"A: b\r\n\r\n");
    }
    let opened = bench.select(bob, "INBOX");
    bench.store(opened.mailbox, one(2), change(Add, Flags::FLAGGED, &[]));
    let how = FlagChange { unchanged_since: Some(opened.status.modseq), ..change(Add, Flags::SEEN, &["new"]) };
    let stored = bench.store(opened.mailbox, all(), how);
    assert_eq!(stored.modified.to_string(), "2");
    let seen = Flags::SEEN.with(Flags::keyword(0));
    assert_eq!(stored.messages.iter().map(|meta| meta.flags).collect::<Vec<_>>(), [seen, Flags::FLAGGED, seen]);
    // Where nothing may be changed, no keyword is made either.
    let how = FlagChange { unchanged_since: Some(0), ..change(Add, Flags::SEEN, &["newer"]) };
    let stored = bench.store(opened.mailbox, all(), how);
    assert_eq!((stored.modified.to_string(), stored.keywords), ("1:3".into(), vec!["new".to_owned()]));
}

fn tombstones_are_bounded(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    bench.append(bob, "INBOX", b"A: b\r\n\r\n");
    let inbox = bench.select(bob, "INBOX").mailbox;
    // Doubled until there are more than are remembered.
    while bench.status(bob, "INBOX").messages as usize <= TOMBSTONES_MAX + 10 {
        bench.copy(inbox, all(), bob, "INBOX", false);
    }
    let before = bench.status(bob, "INBOX");
    bench.remove(inbox, UidSet::range(1, 5));
    let middle = bench.status(bob, "INBOX").modseq;
    bench.remove(inbox, UidSet::range(6, before.uid_next - 3));
    let last = bench.status(bob, "INBOX").modseq;
    bench.remove(inbox, one(before.uid_next - 1));
    let gone = |since| bench.changes(inbox, since).gone.to_string();
    let missing = format!("1:{},{}", before.uid_next - 3, before.uid_next - 1);
    assert_eq!(gone(0), missing);
    // More than happened since, but never less: some of it is forgotten.
    assert_eq!(gone(middle), missing);
    assert_eq!(gone(last), (before.uid_next - 1).to_string());
}
