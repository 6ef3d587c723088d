//! Messages on their way in: spools of every size, delivery to many.

use std::sync::Arc;

use postkern_server::job::{AccountId, Commit, Failure, Job, Local, Spool, SpoolFile};
use postkern_server::queue::Remote;
use postkern_server::trace::{Added, Trace};

use super::bench::{Bench, commit, in_hand, local, message};
use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case("a message for many reaches each once", many_recipients),
    case("an account that stands twice gets one copy", twice_is_once),
    case("a delivery to an account that is gone delivers to nobody", all_or_none),
    case("spools of every size arrive whole", every_size),
    case("a spool is put away in steps", in_steps),
    case("a spool of another backend is refused", foreign_spool),
    case("the trace stands before the message, once", trace_stands_first),
    case("there is room for little and none for too much", room),
    case("concurrent deliveries arrive exactly once", exactly_once),
];

fn many_recipients(bench: &Bench) {
    let accounts: Vec<AccountId> = (0..50).map(|n| bench.account(&format!("u{n}@home.example"))).collect();
    for octets in [500, 70_000] {
        bench.deliver(&accounts, &message(octets));
    }
    for account in accounts {
        let inbox = bench.select(account, "INBOX");
        assert_eq!(inbox.uids, [1, 2]);
        assert!(bench.whole(inbox.mailbox, 1).ends_with(&message(500)));
        assert!(bench.whole(inbox.mailbox, 2).ends_with(&message(70_000)));
        assert_eq!(bench.metas(inbox.mailbox)[0].internal_date, bench.now());
    }
}

fn twice_is_once(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    let to = |recipient: &str| Local::new(bob, recipient);
    bench.commit(Commit { local: vec![to("bob@home.example"), to("postmaster@home.example")], ..commit(b"x") });
    assert_eq!(bench.select(bob, "INBOX").uids, [1]);
}

fn all_or_none(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    let to = local(&[bob, AccountId(999)]);
    let job = Commit { local: to, remote: vec![Remote::new("x@else.example")], ..commit(&message(80_000)) };
    assert_eq!(bench.fail(Job::Commit(Box::new(job))), Failure::NoSuchAccount);
    assert!(bench.select(bob, "INBOX").uids.is_empty());
    assert!(bench.queue().is_empty());
}

fn every_size(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    let inbox = bench.select(bob, "INBOX").mailbox;
    let edges = [crate::sqlite::INLINE_MAX, Spool::STEP, 2 * Spool::STEP];
    let near = edges.into_iter().flat_map(|edge| [edge - 1, edge, edge + 1]);
    for octets in [0, 1, 17].into_iter().chain(near) {
        for step in [octets.max(1), Spool::STEP, 1000] {
            let mut spool = Spool::default();
            for piece in message(octets).chunks(step) {
                spool.tail.extend_from_slice(piece);
                if step != octets && (step == 1000 || spool.is_ripe()) && octets < 200_000 {
                    spool = bench.spool(spool);
                }
            }
            assert_eq!(spool.size(), octets as u64);
            bench.commit(Commit { local: local(&[bob]), message: spool, ..commit(b"") });
            let uid = *bench.select(bob, "INBOX").uids.last().expect("delivered");
            let whole = bench.whole(inbox, uid);
            assert!(whole.ends_with(&message(octets)), "{octets} octets in steps of {step}");
            assert_eq!(bench.metas(inbox).last().expect("delivered").size, whole.len() as u64);
        }
    }
}

fn in_steps(bench: &Bench) {
    let spool = bench.spool(in_hand(b"one"));
    assert_eq!((spool.size(), spool.tail.len()), (3, 0));
    let spool = bench.spool(Spool { tail: b"two".to_vec(), ..spool });
    assert_eq!(spool.size(), 6);
    let spool = bench.spool(spool);
    let bob = bench.account("bob@home.example");
    let message = Spool { tail: b"\xe4".to_vec(), ..spool };
    let queued = bench.commit(Commit {
        local: local(&[bob]),
        remote: vec![Remote::new("x@else.example")],
        message,
        ..commit(b"")
    });
    assert_eq!(bench.whole_queued(queued), b"onetwo\xe4");
    assert!(bench.due(9).0[0].eight_bit);
}

#[derive(Debug)]
struct Foreign;

impl SpoolFile for Foreign {
    fn size(&self) -> u64 {
        0
    }

    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any + Send> {
        self
    }
}

fn foreign_spool(bench: &Bench) {
    let foreign = || Spool { tail: b"x".to_vec(), file: Some(Box::new(Foreign)) };
    assert!(matches!(bench.fail(Job::Spool(foreign())), Failure::Broken(_)));
    let bob = bench.account("bob@home.example");
    let job = Commit { local: local(&[bob]), message: foreign(), ..commit(b"") };
    assert!(matches!(bench.fail(Job::Commit(Box::new(job))), Failure::Broken(_)));
    assert!(bench.select(bob, "INBOX").uids.is_empty());
}

fn trace_stands_first(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    let trace = Trace {
        hello: "client.example".into(),
        peer: None,
        by: "mx.home.example".into(),
        with: "ESMTP",
        recipient: None,
        conceal_peer: false,
        added: Added { date: true, message_id: true, fields: b"From: <a@b>\r\n".to_vec() },
    };
    let (body, now) = (message(100), bench.now());
    let id = bench.commit(Commit {
        trace: Some(trace.clone()),
        local: local(&[bob]),
        remote: vec![Remote::new("x@else.example")],
        ..commit(&body)
    });
    let head = postkern_server::trace::head(&trace, id, now);
    let prefix = postkern_server::trace::delivered("sender@else.example", &local(&[bob])[0].recipient);
    let inbox = bench.select(bob, "INBOX").mailbox;
    assert_eq!(bench.whole(inbox, 1), [&prefix[..], &head, &body].concat());
    assert_eq!(bench.whole_queued(id), [&head[..], &body].concat());
    assert_eq!(bench.queue()[0].size, (head.len() + body.len()) as u64);
    let header = bench.fetch(inbox, super::bench::one(1), false, true).remove(0).header;
    assert_eq!(header, Some([&prefix[..], &head, b"Subject: test\r\n\r\n"].concat()));
}

fn room(bench: &Bench) {
    bench.run(Job::Room { octets: 1 });
    assert_eq!(bench.fail(Job::Room { octets: u64::MAX }), Failure::Full);
    assert_eq!(bench.fail(Job::Room { octets: 1 << 60 }), Failure::Full);
}

fn exactly_once(bench: &Bench) {
    let accounts = Arc::new([bench.account("a@home.example"), bench.account("b@home.example")]);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let accounts = accounts.clone();
            scope.spawn(move || {
                for n in 0..20 {
                    let filler = if n % 5 == 0 { 50_000 } else { 10 };
                    let octets = format!("X: {thread}-{n}\r\n\r\n{}", "x".repeat(filler));
                    bench.deliver(&accounts[..], octets.as_bytes());
                }
            });
        }
    });
    for account in &accounts[..] {
        let inbox = bench.select(*account, "INBOX");
        let text = |uid: &u32| String::from_utf8_lossy(&bench.whole(inbox.mailbox, *uid)).into_owned();
        let mark = |text: String| text.lines().find(|line| line.starts_with("X: ")).map(str::to_owned);
        let mut marks: Vec<String> = inbox.uids.iter().filter_map(|uid| mark(text(uid))).collect();
        assert_eq!(marks.len(), 160);
        marks.sort();
        marks.dedup();
        assert_eq!(marks.len(), 160);
    }
}
