//! Recipients of whom a server takes few at once, in one transaction or within the window.

mod deliver;

use deliver::{Peer, deliver, envelope, letters, lines};
use postkern::smtp::{CHUNK, Options, TRANSACTIONS_MAX, Verdict};

fn options() -> Options {
    Options::new("client.example")
}

/// The window is full of RCPTs when the message is whole: what of it waits goes with the answers.
#[test]
fn chunks_that_wait_for_the_window_go_on_with_the_answers_to_rcpt() {
    // Without its final CRLF it is two chunks.
    let message = &lines(CHUNK + 2)[..CHUNK];
    for recipients in 100..200 {
        let mut peer = Peer::offering(&["PIPELINING", "CHUNKING"]);
        let mut envelope = envelope(recipients);
        envelope.size = message.len() as u64;
        let delivery = deliver(envelope, options(), &mut peer, message);
        assert_eq!(letters(&delivery), "D".repeat(recipients), "{recipients}");
    }
}

#[test]
fn nobody_fails_who_was_not_asked_about() {
    let data = |code| vec![("RCPT TO:<user0@", 550), ("RCPT TO:<user1@", 550), ("DATA", code)];
    for (answers, wanted) in [
        // Nobody is left of the first transaction, and its DATA is not asked about others.
        (vec![("RCPT TO:<user0@", 550), ("RCPT TO:<user1@", 550)], "FFDDD"),
        (data(503), "FFFFF"),
        (data(451), "FFlll"),
        (vec![("DATA", 421)], "lllll"),
    ] {
        let mut peer = Peer::answering(&answers);
        peer.offers.push("LIMITS RCPTMAX=2".into());
        assert_eq!(letters(&deliver(envelope(5), options(), &mut peer, b"x")), wanted, "{answers:?}");
        assert!(wanted.starts_with('l') || peer.said.contains(&"RCPT TO:<user4@mx.example>".into()), "{:?}", peer.said);
    }
    // By their places: EHLO, MAIL, RCPT, DATA, the message, RSET where it is said, MAIL.
    for (offers, random, wanted) in [
        (&["LIMITS RCPTMAX=1"][..], &[None, None, None, None, None, None, Some(550)][..], "Dl"),
        (&["LIMITS RCPTMAX=1"], &[None, None, None, Some(550), Some(502)], "Fl"),
    ] {
        let mut peer = Peer::offering(offers);
        peer.random = random.iter().copied().chain([None; 20]).collect();
        let delivery = deliver(envelope(2), options(), &mut peer, b"x");
        assert_eq!(letters(&delivery), wanted, "{:?}", peer.said);
        let Some(Verdict::Deferred(said)) = &delivery.verdicts()[1] else { panic!("{delivery:?}") };
        assert_eq!(said.status.0, 4);
    }
}

#[test]
fn limits_that_the_server_tells_part_the_recipients() {
    for (limits, mails, wanted) in [
        ("RCPTMAX=2", 3, "DDDDD"),
        ("RCPTMAX=2 MAILMAX=2", 2, "DDDDP"),
        ("MAILMAX=1", 1, "DDDDD"),
        ("RCPTMAX=1 MAILMAX=1", 1, "DPPPP"),
        ("RCPTDOMAINMAX=1", 1, "DPDPD"),
        ("RCPTDOMAINMAX=1 RCPTMAX=2", 2, "DPDPD"),
        ("RCPTDOMAINMAX=2", 1, "DDDDD"),
    ] {
        for offers in [&["PIPELINING", "CHUNKING"][..], &["PIPELINING"], &[]] {
            let limits = format!("LIMITS {limits}");
            let mut peer = Peer::offering(&[offers, &[limits.as_str()]].concat());
            let mut envelope = envelope(5);
            envelope.recipients[1].address = "user1@other.example".into();
            envelope.recipients[3].address = "user3@OTHER.example".into();
            let delivery = deliver(envelope, options(), &mut peer, b"x\r\n");
            assert_eq!(letters(&delivery), wanted, "{limits} {offers:?}");
            assert_eq!(peer.taken.len(), wanted.matches('D').count());
            assert!(peer.taken.iter().all(|(_, message)| message == b"x\r\n"));
            assert_eq!(peer.said.iter().filter(|line| line.starts_with("MAIL")).count(), mails, "{limits}");
        }
    }
}

#[test]
fn a_server_that_is_full_gets_the_rest_in_another_transaction() {
    for (code, mails, wanted) in [
        ("452 4.5.3 too many", 3, "DDDDD"),
        ("552 5.5.3 too many", 3, "DDDDD"),
        ("452 too many", 3, "DDDDD"),
        ("452 4.3.1 disk full", 1, "DDlll"),
        ("450 4.5.3 not now", 1, "DDlll"),
        ("550 5.5.3 no", 1, "DDFFF"),
    ] {
        for offers in [&["PIPELINING", "CHUNKING"][..], &["PIPELINING"], &[]] {
            let mut peer = Peer::offering(offers);
            peer.full = Some((2, code.to_owned()));
            let delivery = deliver(envelope(5), options(), &mut peer, b"x\r\n");
            assert_eq!(letters(&delivery), wanted, "{code} {offers:?}");
            assert_eq!(peer.said.iter().filter(|line| line.starts_with("MAIL")).count(), mails, "{code}");
        }
    }
    // One that is full before the first has no room for anybody.
    let mut peer = Peer::offering(&["PIPELINING"]);
    peer.full = Some((0, "452 4.5.3 too many".into()));
    assert_eq!(letters(&deliver(envelope(3), options(), &mut peer, b"x")), "lll");
}

#[test]
fn transactions_are_limited_though_the_server_does_not() {
    let mut peer = Peer::offering(&["PIPELINING", "LIMITS RCPTMAX=1"]);
    let most = TRANSACTIONS_MAX as usize;
    let delivery = deliver(envelope(most + 3), options(), &mut peer, b"x");
    assert_eq!(letters(&delivery), format!("{}PPP", "D".repeat(most)));
}
