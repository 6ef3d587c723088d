//! Messages: UIDs, reading, copies, removal.

use postkern::imap::SearchKeys;
use postkern_server::job::{Done, FETCH_BATCH, Failure, Job, READ_MAX, SEARCH_BATCH};
use postkern_server::mailbox::{Flags, UidSet};
use postkern_server::search::{Context, Program, compile};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::bench::{Bench, all, message, name, one, unexpected};
use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case("UIDs ascend and are never reused", uids_ascend),
    case("UIDs ascend under concurrent appends, each its own", uids_under_concurrency),
    case("reads cut anywhere across the message's parts", reads_cut_anywhere),
    case("FETCH gives headers and digests in batches", fetch_in_batches),
    case("a header of any length is given whole", header_whole),
    case("a header ends where the digest says it does", header_of_digest),
    case("SEARCH judges the candidates that are there", search_judges),
    case("SEARCH reads what it must", search_reads),
    case("SEARCH ends early over large messages, and goes on", search_in_batches),
    case("COPY keeps flags, dates and the order", copy_keeps),
    case("COPY into the same mailbox makes new messages", copy_into_same),
    case("MOVE removes here what it made there", move_removes),
    case("EXPUNGE takes \\Deleted only, and of the set only", expunge_takes),
    case("Remove takes whatever the flags", remove_takes),
    case("a body lives as long as anyone has it", body_lives),
    case("watchers wake after each change until they go", watchers_wake),
];

fn uids_ascend(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    let inbox = bench.select(bob, "INBOX").mailbox;
    let mut last = 0;
    for _ in 0..5 {
        for _ in 0..3 {
            let uid = bench.append(bob, "INBOX", b"A: b\r\n\r\n").uid;
            assert!(uid > last);
            last = uid;
        }
        bench.remove(inbox, UidSet::range(last - 1, last));
    }
    assert_eq!(bench.select(bob, "INBOX").uids, [1, 4, 7, 10, 13]);
    assert_eq!(bench.status(bob, "INBOX").uid_next, 16);
}

fn uids_under_concurrency(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    let append = || (0..25).map(|_| bench.append(bob, "INBOX", b"A: b\r\n\r\n").uid).collect::<Vec<_>>();
    let each: Vec<Vec<u32>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(append)).collect();
        threads.into_iter().map(|thread| thread.join().expect("appends do not panic")).collect()
    });
    assert!(each.iter().all(|uids| uids.is_sorted()), "{each:?}");
    let unique: HashSet<u32> = each.iter().flatten().copied().collect();
    assert_eq!(unique.len(), 200);
    let selected = bench.select(bob, "INBOX");
    assert_eq!(selected.uids.len(), 200);
    assert!(selected.uids.is_sorted());
}

fn reads_cut_anywhere(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    // In the database, in a file: both with a prefix from final delivery.
    for octets in [0, 1, 5_000, 100_000] {
        bench.deliver(&[bob], &message(octets));
        let selected = bench.select(bob, "INBOX");
        let (inbox, uid) = (selected.mailbox, *selected.uids.last().expect("delivered"));
        let whole = bench.whole(inbox, uid);
        assert!(whole.ends_with(&message(octets)));
        let meta = *bench.metas(inbox).last().expect("delivered");
        assert_eq!(meta.size, whole.len() as u64);
        let head = (whole.len() - octets) as u64;
        let len = whole.len() as u64;
        let cuts =
            [0, 1, head / 2, head.saturating_sub(1), head, head + 1, len / 2, len.saturating_sub(1), len, len + 9];
        for start in cuts {
            for end in cuts {
                let expected = whole.get(start.min(len) as usize..end.min(len) as usize).unwrap_or_default();
                assert_eq!(bench.read(inbox, uid, start..end), expected, "{start}..{end} of {len}");
            }
        }
        assert!(bench.read(inbox, uid, u64::MAX - 1..u64::MAX).is_empty());
    }
    bench.append(bob, "INBOX", &message(READ_MAX as usize + 10));
    let inbox = bench.select(bob, "INBOX");
    let uid = inbox.uids[4];
    assert_eq!(bench.read(inbox.mailbox, uid, 0..u64::MAX).len() as u64, READ_MAX);
    assert_eq!(bench.fail(Job::Read { mailbox: inbox.mailbox, uid: 99, range: 0..1 }), Failure::NoSuchMessage);
}

fn fetch_in_batches(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    let header = format!("Subject: {}\r\n\r\n", "x".repeat(FETCH_BATCH / 3));
    for _ in 0..4 {
        bench.append(bob, "INBOX", format!("{header}body\r\n").as_bytes());
    }
    bench.append(bob, "INBOX", b"no header at all");
    let inbox = bench.select(bob, "INBOX").mailbox;
    let mut uids = Vec::new();
    while uids.len() < 5 {
        let next = uids.last().map_or(1, |uid| uid + 1);
        let batch = bench.fetch(inbox, UidSet::range(next, u32::MAX), true, true);
        assert!(!batch.is_empty() && batch.len() < 4);
        for fetched in batch {
            assert!(fetched.digest.is_some());
            let expected = if fetched.meta.uid == 5 { "no header at all" } else { &header };
            assert_eq!(fetched.header.as_deref(), Some(expected.as_bytes()));
            uids.push(fetched.meta.uid);
        }
    }
    assert_eq!(uids, [1, 2, 3, 4, 5]);
    // Kept now; the same again, and none where none was asked for.
    let digests = |uids| bench.fetch(inbox, uids, true, false).into_iter().map(|fetched| fetched.digest);
    assert_eq!(digests(all()).next(), digests(one(1)).next());
    let plain = bench.fetch(inbox, all(), false, false);
    assert_eq!(plain.len(), 5);
    assert!(plain.iter().all(|fetched| fetched.digest.is_none() && fetched.header.is_none()));
    // More than the batch on its own is still given.
    let long = format!("Subject: {}\r\n\r\n", "y".repeat(FETCH_BATCH * 2));
    let uid = bench.append(bob, "INBOX", long.as_bytes()).uid;
    assert_eq!(bench.fetch(inbox, one(uid), false, true)[0].header.as_deref(), Some(long.as_bytes()));
}

fn header_whole(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    let inbox = bench.select(bob, "INBOX").mailbox;
    for len in [0, 10, 65_530, 65_536, 65_540, 200_000] {
        let header = format!("Subject: {}\r\n\r\n", "x".repeat(len));
        let uid = bench.append(bob, "INBOX", format!("{header}{}", "body\r\n\r\n".repeat(20_000)).as_bytes()).uid;
        let fetched = bench.fetch(inbox, one(uid), false, true);
        assert!(fetched[0].header.as_deref() == Some(header.as_bytes()), "of {len}");
    }
}

/// Else HEADER and TEXT would not make up the message.
fn header_of_digest(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    let inbox = bench.select(bob, "INBOX").mailbox;
    for text in [
        "",
        "\r\n",
        "\n",
        "A: b",
        "A: b\r\n",
        "A: b\n\nc\r\n\r\n",
        "A: b\r\n\nc",
        "A: b\r\n \r\nc\r\n\r\n",
        "no\rheader\r\n\r\n",
        "\r\r\n\r\nb",
    ] {
        let uid = bench.append(bob, "INBOX", text.as_bytes()).uid;
        let fetched = bench.fetch(inbox, one(uid), true, true).remove(0);
        let (digest, header) = (fetched.digest.expect("asked for"), fetched.header.expect("asked for"));
        assert_eq!(header.len() as u64, digest.header_len(), "{text:?}");
        assert_eq!(digest.size(), text.len() as u64, "{text:?}");
        let alone = bench.fetch(inbox, one(uid), false, true).remove(0);
        assert_eq!(alone.header, Some(header), "{text:?}");
    }
}

fn search_reads(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    let long = "line\r\n".repeat(20_000);
    bench.append(bob, "INBOX", format!("Subject: apples\r\n\r\n{long}pears\r\n").as_bytes());
    bench.append(bob, "INBOX", b"Subject: pears\r\n\r\napples\r\n");
    bench.append_with(bob, "INBOX", b"Subject: plums\r\n\r\nplums\r\n", Flags::SEEN, &[]);
    let mailbox = bench.select(bob, "INBOX").mailbox;
    for (keys, found) in [
        ("SUBJECT apples", "1"),
        ("BODY apples", "2"),
        ("BODY pears", "1"),
        ("OR TEXT plums SUBJECT pears", "2:3"),
        ("SEEN", "3"),
        ("LARGER 100000", "1"),
        ("UNSEEN TEXT plums", ""),
    ] {
        let context = Context { uids: &[1, 2, 3], recent_from: 9, keywords: &[], charset: None };
        let parsed = SearchKeys::parse(keys.as_bytes()).expect("the cases' keys are good");
        let program = Arc::new(compile(parsed, &context).expect("and so are their programs"));
        match bench.run(Job::Search { mailbox, uids: all(), program }) {
            Done::Matches { found: matches, to: u32::MAX } => assert_eq!(matches.to_string(), found, "{keys}"),
            other => unexpected(&other),
        }
    }
}

fn search_in_batches(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    let long = "line\r\n".repeat(SEARCH_BATCH as usize / 3 / 6 + 1);
    for n in 1..=7 {
        let fruit = if n % 2 == 0 { "pears" } else { "apples" };
        bench.append(bob, "INBOX", format!("Subject: {fruit}\r\n\r\n{long}{fruit}\r\n").as_bytes());
    }
    let mailbox = bench.select(bob, "INBOX").mailbox;
    // For each key: how far each job gets, and what it finds.
    for (keys, jobs) in [
        ("BODY pears", &[("2", 3), ("4,6", 6), ("", 9)][..]),
        // What is not read does not count.
        ("SMALLER 9 BODY pears", &[("", 9)]),
        ("SUBJECT pears", &[("2,4,6", 9)]),
    ] {
        let context = Context { uids: &[1, 2, 3, 4, 5, 6, 7], recent_from: 9, keywords: &[], charset: None };
        let parsed = SearchKeys::parse(keys.as_bytes()).expect("the cases' keys are good");
        let program = Arc::new(compile(parsed, &context).expect("and so are their programs"));
        let mut left = UidSet::range(1, 9);
        for &(right, judged) in jobs {
            match bench.run(Job::Search { mailbox, uids: left.clone(), program: program.clone() }) {
                Done::Matches { found, to } => assert_eq!((found.to_string().as_str(), to), (right, judged), "{keys}"),
                other => unexpected(&other),
            }
            left.remove_to(judged);
        }
        assert!(left.is_empty());
    }
}

fn search_judges(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    for _ in 0..5 {
        bench.append(bob, "INBOX", b"A: b\r\n\r\n");
    }
    let mailbox = bench.select(bob, "INBOX").mailbox;
    bench.remove(mailbox, one(3));
    let uids = UidSet::from_ranges(vec![(2, 4), (9, 12)]);
    // The empty program: everything matches.
    let program = Arc::<Program>::default();
    match bench.run(Job::Search { mailbox, uids, program }) {
        Done::Matches { found, to: 12 } => assert_eq!(found.to_string(), "2,4"),
        other => unexpected(&other),
    }
}

fn copy_keeps(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    for n in 1..=4 {
        bench.append_with(bob, "INBOX", &message(50 + n), Flags::ANSWERED, &["one", "two"]);
    }
    bench.append_with(bob, "Archive", b"A: b\r\n\r\n", Flags::default(), &["zero", "TWO"]);
    let (inbox, archive) = (bench.select(bob, "INBOX"), bench.select(bob, "Archive"));
    bench.pass(std::time::Duration::from_secs(100));
    let uids = UidSet::from_ranges(vec![(4, 4), (1, 2), (40, 50)]);
    let copied = bench.copy(inbox.mailbox, uids, bob, "Archive", false);
    assert_eq!(copied.uid_validity, archive.status.uid_validity);
    assert_eq!((copied.from.to_string(), copied.to.to_string()), ("1:2,4".into(), "2:4".into()));
    let metas = bench.metas(archive.mailbox);
    let before = bench.metas(inbox.mailbox);
    assert_eq!((metas.len(), before.len()), (4, 4));
    // zero, TWO, one: bits 0, 1, 2.
    let flags = Flags::ANSWERED.with(Flags::keyword(1)).with(Flags::keyword(2));
    for (meta, size) in metas[1..].iter().zip([51, 52, 54]) {
        assert_eq!((meta.flags, meta.size, meta.internal_date), (flags, size, before[0].internal_date));
        assert_eq!(bench.whole(archive.mailbox, meta.uid), message(size as usize));
    }
    assert_eq!(bench.select(bob, "Archive").keywords, ["zero", "TWO", "one"]);
    let nothing = bench.copy(inbox.mailbox, one(77), bob, "Archive", true);
    assert!(nothing.from.is_empty() && nothing.to.is_empty());
}

fn copy_into_same(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    bench.append_with(bob, "INBOX", &message(40), Flags::SEEN, &["k"]);
    let inbox = bench.select(bob, "INBOX");
    let copied = bench.copy(inbox.mailbox, all(), bob, "INBOX", false);
    assert_eq!((copied.from.to_string(), copied.to.to_string()), ("1".into(), "2".into()));
    let moved = bench.copy(inbox.mailbox, one(1), bob, "INBOX", true);
    assert_eq!(moved.to.to_string(), "3");
    assert_eq!(bench.select(bob, "INBOX").uids, [2, 3]);
    assert!(bench.metas(inbox.mailbox).iter().all(|meta| meta.flags == Flags::SEEN.with(Flags::keyword(0))));
    let changes = bench.changes(inbox.mailbox, inbox.status.modseq);
    assert_eq!((changes.changed.len(), changes.gone.to_string()), (2, "1".into()));
}

fn move_removes(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    for n in 1..=3 {
        bench.append(bob, "INBOX", &message(50 + n));
    }
    let (inbox, trash) = (bench.select(bob, "INBOX"), bench.select(bob, "Trash"));
    let (here, _here) = bench.watch(inbox.mailbox);
    let (there, _there) = bench.watch(trash.mailbox);
    let moved = bench.copy(inbox.mailbox, UidSet::range(2, 9), bob, "Trash", true);
    assert_eq!((moved.from.to_string(), moved.to.to_string()), ("2:3".into(), "1:2".into()));
    assert_eq!(bench.select(bob, "INBOX").uids, [1]);
    assert_eq!(bench.whole(trash.mailbox, 2), message(53));
    assert_eq!(bench.changes(inbox.mailbox, inbox.status.modseq).gone.to_string(), "2:3");
    assert!(here.load(Ordering::SeqCst) > 0 && there.load(Ordering::SeqCst) > 0);
}

fn expunge_takes(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    for n in 0..6 {
        let flags = if n % 2 == 0 { Flags::DELETED } else { Flags::SEEN };
        bench.append_with(bob, "INBOX", b"A: b\r\n\r\n", flags, &[]);
    }
    let inbox = bench.select(bob, "INBOX").mailbox;
    assert_eq!(bench.expunge(inbox, Some(UidSet::range(2, 3))).to_string(), "3");
    assert_eq!(bench.expunge(inbox, None).to_string(), "1,5");
    assert!(bench.expunge(inbox, None).is_empty());
    assert_eq!(bench.select(bob, "INBOX").uids, [2, 4, 6]);
}

fn remove_takes(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    for _ in 0..4 {
        bench.append(bob, "INBOX", b"A: b\r\n\r\n");
    }
    let inbox = bench.select(bob, "INBOX").mailbox;
    let gone = bench.remove(inbox, UidSet::from_ranges(vec![(1, 1), (4, 9)]));
    assert_eq!(gone.to_string(), "1,4");
    assert_eq!(bench.select(bob, "INBOX").uids, [2, 3]);
}

fn body_lives(bench: &Bench) {
    let (bob, eve) = (bench.account("bob@home.example"), bench.account("eve@home.example"));
    bench.deliver(&[bob, eve], &message(90_000));
    let (his, hers) = (bench.select(bob, "INBOX").mailbox, bench.select(eve, "INBOX").mailbox);
    bench.copy(his, all(), bob, "Archive", false);
    bench.remove(his, all());
    bench.remove(hers, all());
    let archive = bench.select(bob, "Archive");
    assert!(bench.whole(archive.mailbox, archive.uids[0]).ends_with(&message(90_000)));
    let to = Job::Copy { mailbox: archive.mailbox, uids: all(), account: eve, to: name("Trash"), remove: true };
    bench.run(to);
    let trash = bench.select(eve, "Trash").mailbox;
    assert!(bench.whole(trash, 1).ends_with(&message(90_000)));
}

fn watchers_wake(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    let inbox = bench.select(bob, "INBOX").mailbox;
    let (wakes, guard) = bench.watch(inbox);
    let (others, _guard) = bench.watch(bench.select(bob, "Trash").mailbox);
    let mut last = 0;
    let mut woken = || {
        let before = std::mem::replace(&mut last, wakes.load(Ordering::SeqCst));
        last > before
    };
    bench.deliver(&[bob], b"A: b\r\n\r\n");
    assert!(woken());
    bench.append(bob, "INBOX", b"A: b\r\n\r\n");
    assert!(woken());
    let seen = super::bench::change(postkern_server::job::FlagAction::Add, Flags::SEEN, &[]);
    bench.store(inbox, one(1), seen.clone());
    assert!(woken());
    bench.store(inbox, one(1), seen);
    assert!(!woken(), "nothing was changed");
    bench.remove(inbox, one(1));
    assert!(woken());
    bench.whole(inbox, 2);
    assert!(!woken());
    drop(guard);
    bench.remove(inbox, one(2));
    assert!(!woken());
    assert_eq!(others.load(Ordering::SeqCst), 0);
}
