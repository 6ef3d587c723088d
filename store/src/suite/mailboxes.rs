//! Mailboxes as wholes (RFC 3501 sections 6.3.1 to 6.3.10).

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use postkern_server::job::{Failure, Job, Timestamp};
use postkern_server::mailbox::{Flags, SpecialUse};

use super::bench::{Bench, all, message, name};
use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case("CREATE makes parents and refuses what is there", create_makes_parents),
    case("a created mailbox keeps its special use", create_special_use),
    case("DELETE leaves a name that has children", delete_leaves_children),
    case("UIDVALIDITY is unique over DELETE and CREATE and clock jumps", uid_validity_is_unique),
    case("RENAME takes the children along and keeps ids", rename_takes_children),
    case("RENAME refuses what is there, and below itself", rename_refuses),
    case("RENAME of INBOX moves its messages", rename_inbox),
    case("subscriptions outlive their mailboxes", subscriptions),
    case("an unknown mailbox is no mailbox", unknown_mailbox),
    case("a deleted mailbox wakes its watchers and fails their jobs", deleted_mailbox_wakes),
    case("STATUS counts", status_counts),
    case("\\Recent is of one session", recent_is_of_one_session),
];

fn create_makes_parents(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    bench.create(bob, "a/b/c");
    assert_eq!(bench.own(bob), ["a", "a/b", "a/b/c"]);
    let create = |mailbox: &str| Job::Create { account: bob, mailbox: name(mailbox), special_use: None };
    assert_eq!(bench.fail(create("a/b")), Failure::Exists);
    assert_eq!(bench.fail(create("inbox")), Failure::Exists);
    bench.create(bob, "INBOX/x");
    bench.create(bob, "ä/日本");
    assert_eq!(bench.own(bob), ["INBOX/x", "a", "a/b", "a/b/c", "ä", "ä/日本"]);
    bench.create(bench.account("eve@home.example"), "a");
}

fn create_special_use(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    bench.run(Job::Create { account: bob, mailbox: name("p/old"), special_use: Some(SpecialUse::Archive) });
    let list = bench.list(bob);
    let of = |mailbox: &str| list.iter().find(|info| info.name == name(mailbox)).and_then(|info| info.special_use);
    assert_eq!((of("p"), of("p/old")), (None, Some(SpecialUse::Archive)));
    bench.rename(bob, "p/old", "older");
    let list = bench.list(bob);
    assert!(list.iter().any(|info| info.name == name("older") && info.special_use == Some(SpecialUse::Archive)));
}

fn delete_leaves_children(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    let delete = |mailbox: &str| Job::Delete { account: bob, mailbox: name(mailbox) };
    bench.create(bob, "a/b/c");
    bench.append(bob, "a", b"A: b\r\n\r\n");
    bench.delete(bob, "a");
    let list = bench.list(bob);
    let a = list.iter().find(|info| info.name == name("a")).expect("its children are there");
    assert!(!a.exists && !a.subscribed);
    assert!(matches!(bench.fail(delete("a")), Failure::Cannot(_)));
    assert!(matches!(bench.fail(delete("INBOX")), Failure::Cannot(_)));
    assert_eq!(bench.fail(delete("no")), Failure::NoSuchMailbox);
    bench.create(bob, "a");
    assert_eq!(bench.status(bob, "a").messages, 0);
    for mailbox in ["a/b/c", "a/b", "a"] {
        bench.delete(bob, mailbox);
    }
    assert!(bench.own(bob).is_empty());
    assert!(!bench.list(bob).iter().any(|info| info.name.as_str().starts_with('a')));
}

fn uid_validity_is_unique(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    let mut seen = HashSet::new();
    let mut ids = HashSet::new();
    for round in 0..20 {
        // Within one second, with the clock set back, and far in the future.
        bench.set_clock(Timestamp(if round % 3 == 0 { 1_000 } else { 1_700_000_000 + round / 5 }));
        bench.create(bob, "a");
        assert_eq!(bench.append(bob, "a", b"A: b\r\n\r\n").uid, 1);
        let selected = bench.select(bob, "a");
        assert!(selected.status.uid_validity > 0);
        assert!(seen.insert(selected.status.uid_validity), "in round {round}");
        assert!(ids.insert(selected.mailbox), "in round {round}");
        bench.delete(bob, "a");
    }
}

fn rename_takes_children(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    bench.create(bob, "a/b/c");
    bench.create(bob, "ab");
    bench.append(bob, "a/b", b"A: b\r\n\r\n");
    let before = bench.select(bob, "a/b");
    bench.rename(bob, "a", "n/a");
    assert_eq!(bench.own(bob), ["ab", "n", "n/a", "n/a/b", "n/a/b/c"]);
    let after = bench.select(bob, "n/a/b");
    assert_eq!(after.mailbox, before.mailbox);
    assert_eq!((after.status.uid_validity, after.uids), (before.status.uid_validity, before.uids));
    // A name that only has children has them taken along, too; and one may take its parent's.
    bench.delete(bob, "n/a");
    bench.rename(bob, "n/a", "x");
    assert_eq!(bench.own(bob), ["ab", "n", "x/b", "x/b/c"]);
    bench.create(bob, "x/b/b");
    bench.delete(bob, "x");
    bench.rename(bob, "x/b", "x");
    assert_eq!(bench.own(bob), ["ab", "n", "x", "x/b", "x/c"]);
    assert_eq!(bench.select(bob, "x").mailbox, before.mailbox);
}

fn rename_refuses(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    let rename = |from: &str, to: &str| Job::Rename { account: bob, from: name(from), to: name(to) };
    bench.create(bob, "a/b");
    bench.create(bob, "c");
    assert_eq!(bench.fail(rename("a", "c")), Failure::Exists);
    assert_eq!(bench.fail(rename("a", "INBOX")), Failure::Exists);
    assert_eq!(bench.fail(rename("INBOX", "c")), Failure::Exists);
    assert_eq!(bench.fail(rename("no", "d")), Failure::NoSuchMailbox);
    assert!(matches!(bench.fail(rename("a", "a/c")), Failure::Cannot(_)));
    let deep = vec!["d"; 32].join("/");
    assert!(matches!(bench.fail(rename("a", &deep)), Failure::Cannot(_)));
    assert_eq!(bench.own(bob), ["a", "a/b", "c"]);
}

fn rename_inbox(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    bench.create(bob, "INBOX/below");
    for n in 1..=3 {
        bench.append_with(bob, "INBOX", &message(20 + n), Flags::FLAGGED, &["$Label1"]);
    }
    let inbox = bench.select(bob, "INBOX");
    let (wakes, _guard) = bench.watch(inbox.mailbox);
    bench.rename(bob, "INBOX", "old/mail");
    assert_eq!(bench.own(bob), ["INBOX/below", "old", "old/mail"]);
    let (after, moved) = (bench.select(bob, "INBOX"), bench.select(bob, "old/mail"));
    assert_eq!((after.mailbox, after.uids.len()), (inbox.mailbox, 0));
    assert_eq!(after.status.uid_next, 4);
    assert_eq!((moved.uids.len(), moved.keywords), (3, vec!["$Label1".to_owned()]));
    assert!(bench.metas(moved.mailbox).iter().all(|meta| meta.flags == Flags::FLAGGED.with(Flags::keyword(0))));
    assert_eq!(bench.whole(moved.mailbox, moved.uids[2]), message(23));
    assert_eq!(bench.changes(inbox.mailbox, inbox.status.modseq).gone.to_string(), "1:3");
    assert!(wakes.load(Ordering::SeqCst) > 0);
    // With nothing in it, too.
    bench.rename(bob, "INBOX", "empty");
    assert_eq!(bench.status(bob, "empty").messages, 0);
}

fn subscriptions(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    let subscribe = |mailbox: &str, on| bench.run(Job::Subscribe { account: bob, mailbox: name(mailbox), on });
    let shown = |mailbox: &str| {
        let list = bench.list(bob);
        list.iter().find(|info| info.name == name(mailbox)).map(|info| (info.exists, info.subscribed))
    };
    bench.create(bob, "a");
    assert_eq!(shown("a"), Some((true, false)));
    subscribe("a", true);
    subscribe("a", true);
    subscribe("never", true);
    assert_eq!((shown("a"), shown("never")), (Some((true, true)), Some((false, true))));
    bench.delete(bob, "a");
    assert_eq!(shown("a"), Some((false, true)));
    for mailbox in ["a", "never", "unheard"] {
        subscribe(mailbox, false);
        assert_eq!(shown(mailbox), None);
    }
}

fn unknown_mailbox(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    let (account, mailbox) = (bob, name("no"));
    assert_eq!(bench.fail(Job::Status { account, mailbox: mailbox.clone() }), Failure::NoSuchMailbox);
    assert_eq!(bench.fail(Job::Select { account, mailbox: mailbox.clone(), read_only: true }), Failure::NoSuchMailbox);
    bench.append(bob, "INBOX", b"A: b\r\n\r\n");
    let inbox = bench.select(bob, "INBOX").mailbox;
    let copy = Job::Copy { mailbox: inbox, uids: all(), account, to: mailbox, remove: true };
    assert_eq!(bench.fail(copy), Failure::NoSuchMailbox);
    assert_eq!(bench.metas(inbox).len(), 1);
}

fn deleted_mailbox_wakes(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    bench.create(bob, "a");
    bench.append(bob, "a", b"A: b\r\n\r\n");
    let mailbox = bench.select(bob, "a").mailbox;
    let (wakes, _guard) = bench.watch(mailbox);
    bench.delete(bob, "a");
    assert!(wakes.load(Ordering::SeqCst) > 0);
    let changes = Job::Changes { mailbox, since: 0, read_only: true };
    assert_eq!(bench.fail(changes), Failure::NoSuchMailbox);
    assert_eq!(bench.fail(Job::Metas { mailbox, uids: all() }), Failure::NoSuchMailbox);
    assert_eq!(bench.fail(Job::Expunge { mailbox, uids: None }), Failure::NoSuchMailbox);
    assert_eq!(bench.fail(Job::Read { mailbox, uid: 1, range: 0..1 }), Failure::NoSuchMessage);
}

fn status_counts(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    bench.create(bob, "a");
    let empty = bench.status(bob, "a");
    assert_eq!((empty.messages, empty.uid_next, empty.size), (0, 1, 0));
    assert!(empty.modseq > 0);
    bench.append_with(bob, "a", &message(100), Flags::SEEN, &[]);
    bench.append_with(bob, "a", &message(200), Flags::DELETED, &[]);
    bench.append_with(bob, "a", &message(300), Flags::SEEN.with(Flags::DELETED), &[]);
    let full = bench.status(bob, "a");
    assert_eq!((full.messages, full.recent, full.unseen, full.deleted, full.size), (3, 3, 1, 2, 600));
    assert_eq!((full.uid_next, full.uid_validity), (4, empty.uid_validity));
    assert!(full.modseq > empty.modseq);
    let selected = bench.select(bob, "a");
    assert_eq!((selected.uids, selected.first_unseen), (vec![1, 2, 3], Some(2)));
    assert_eq!(selected.status, full);
    bench.expunge(selected.mailbox, None);
    let left = bench.status(bob, "a");
    assert_eq!((left.messages, left.recent, left.unseen, left.deleted, left.size), (1, 0, 0, 0, 100));
    assert_eq!(bench.select(bob, "a").first_unseen, None);
}

fn recent_is_of_one_session(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    bench.deliver(&[bob], b"A: b\r\n\r\n");
    assert_eq!(bench.examine(bob, "INBOX").recent_from, 1);
    let first = bench.select(bob, "INBOX");
    assert_eq!((first.recent_from, first.status.recent), (1, 1));
    assert_eq!(bench.select(bob, "INBOX").recent_from, 2);
    bench.deliver(&[bob], b"A: b\r\n\r\n");
    let changes = bench.changes(first.mailbox, first.status.modseq);
    assert_eq!((changes.recent_from, changes.uid_next), (2, 3));
    assert_eq!(bench.changes(first.mailbox, first.status.modseq).recent_from, 3);
    assert_eq!(bench.status(bob, "INBOX").recent, 0);
}
