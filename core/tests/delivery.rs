//! What a delivery makes of servers that refuse, that limit, that lack, that say anything.

mod deliver;

use deliver::{Peer, deliver, envelope, letters, lines};
use postkern::sasl::{Authenticate, Mechanism, Mechanisms};
use postkern::smtp::{
    BodyType, ByMode, CHUNK, CHUNKS_MAX, DeliverBy, Delivery, Enhanced, Notify, Options, Priority, Recipient, Ret,
    RrvsAction, Said, TlsPolicy, ValidSince, Verdict,
};
use proptest::prelude::*;

fn options() -> Options {
    Options::new("client.example")
}

fn lmtp() -> Options {
    Options { lmtp: true, ..options() }
}

fn failed(delivery: &Delivery) -> Vec<Option<(u16, String)>> {
    let of = |verdict: &Option<Verdict>| match verdict {
        Some(Verdict::Failed(said)) => Some((said.code, said.status.to_string())),
        _ => None,
    };
    delivery.verdicts().iter().map(of).collect()
}

fn deferred(delivery: &Delivery) -> Option<(u16, String)> {
    match delivery.verdicts() {
        [Some(Verdict::Deferred(said)), ..] => Some((said.code, said.status.to_string())),
        _ => None,
    }
}

fn delivered(delivery: &Delivery) -> Vec<bool> {
    delivery.verdicts().iter().map(|verdict| matches!(verdict, Some(Verdict::Delivered { .. }))).collect()
}

#[test]
fn a_host_that_refuses_us_says_nothing_of_the_message() {
    for (answers, options) in [
        (&[("greeting", 554)][..], options()),
        (&[("greeting", 521)], options()),
        (&[("EHLO", 500), ("HELO", 550)], options()),
        (&[("LHLO", 550)], lmtp()),
    ] {
        let mut peer = Peer::answering(answers);
        let delivery = deliver(envelope(1), options, &mut peer, b"x");
        assert!(delivery.refused_us() && failed(&delivery)[0].is_some(), "{answers:?}: {delivery:?}");
        assert!(peer.said.last().is_some_and(|line| line == "QUIT"), "{:?}", peer.said);
    }
}

#[test]
fn a_host_that_greets_us_speaks_of_the_message() {
    for answers in [
        &[("MAIL", 550)][..],
        &[("EHLO", 502), ("MAIL", 550)],
        &[("RCPT", 550)],
        &[("DATA", 550)],
        &[("message", 550)],
        &[("EHLO", 500), ("message", 550)],
    ] {
        let mut peer = Peer::answering(answers);
        let delivery = deliver(envelope(1), options(), &mut peer, b"x");
        assert!(!delivery.refused_us(), "{answers:?}");
        assert_eq!(failed(&delivery), [Some((550, "5.0.0".to_owned()))], "{answers:?}");
        assert_eq!(peer.said.last().map(String::as_str), Some("QUIT"), "{answers:?}");
    }
}

#[test]
fn a_host_that_is_busy_defers_whatever_it_was_asked() {
    for command in ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "message"] {
        for code in [421, 451] {
            let mut peer = Peer::answering(&[(command, code)]);
            let delivery = deliver(envelope(1), options(), &mut peer, b"x");
            assert_eq!(deferred(&delivery), Some((code, "4.0.0".to_owned())), "{command} {code}");
        }
    }
}

#[test]
fn the_whole_delivery_is_one_write_where_chunking_and_pipelining_are_offered() {
    let mut peer = Peer::offering(&["PIPELINING", "CHUNKING", "SIZE"]);
    let delivery = deliver(envelope(2), options(), &mut peer, b"a\r\n.\r\nb");
    assert_eq!(delivered(&delivery), [true, true]);
    let whole = "MAIL FROM:<a@client.example> SIZE=7\r\nRCPT TO:<user0@mx.example>\r\n\
        RCPT TO:<user1@mx.example>\r\nBDAT 7 LAST\r\na\r\n.\r\nb";
    assert_eq!(peer.writes, ["EHLO client.example\r\n", whole, "QUIT\r\n"]);
}

#[test]
fn bare_newlines_are_made_whole_in_chunks_too_but_not_in_binary() {
    let message = b"a\n.\nb\r.\rc\r\n\xff";
    for (binary, arrives) in [(false, &b"a\r\n.\r\nb\r\n.\r\nc\r\n\xff"[..]), (true, message)] {
        let mut peer = Peer::offering(&["PIPELINING", "CHUNKING", "BINARYMIME", "8BITMIME"]);
        let mut envelope = envelope(1);
        envelope.body = if binary { BodyType::BinaryMime } else { BodyType::EightBitMime };
        assert_eq!(delivered(&deliver(envelope, options(), &mut peer, message)), [true]);
        assert_eq!(peer.taken[0].1, arrives);
        let body = if binary { "BODY=BINARYMIME" } else { "BODY=8BITMIME" };
        assert!(peer.said[1].ends_with(body), "{}", peer.said[1]);
    }
}

#[test]
fn a_long_message_goes_in_chunks_of_a_stated_size_of_which_few_are_unanswered() {
    let message = lines(CHUNK * 40 + 5);
    for (offers, chunks) in [(&["PIPELINING", "CHUNKING"][..], 41), (&["CHUNKING"], 0), (&["PIPELINING"], 0)] {
        let mut peer = Peer::offering(offers);
        let mut envelope = envelope(1);
        envelope.size = message.len() as u64;
        assert_eq!(delivered(&deliver(envelope, options(), &mut peer, &message)), [true], "{offers:?}");
        assert_eq!(peer.taken[0].1, message);
        let of = |verb: &str| peer.said.iter().filter(|line| line.starts_with(verb)).count();
        // Without PIPELINING each chunk would cost a round trip.
        assert_eq!((of("BDAT"), of("DATA")), (chunks, usize::from(chunks == 0)), "{offers:?}");
        assert!(peer.most_unanswered <= CHUNKS_MAX, "{}", peer.most_unanswered);
    }
    let exact = lines(CHUNK);
    let mut peer = Peer::offering(&["PIPELINING", "CHUNKING"]);
    assert_eq!(delivered(&deliver(envelope(1), options(), &mut peer, &exact)), [true]);
    assert!(peer.said.contains(&format!("BDAT {CHUNK} LAST")), "{:?}", peer.said);
}

#[test]
fn a_chunk_that_is_refused_is_the_last() {
    let message = lines(CHUNK * 40);
    for options in [options(), lmtp()] {
        let mut peer = Peer::offering(&["PIPELINING", "CHUNKING"]);
        peer.answers = vec![("BDAT", 552)];
        let delivery = deliver(envelope(2), options.clone(), &mut peer, &message);
        assert!(failed(&delivery).iter().all(|failed| failed == &Some((552, "5.0.0".into()))), "{delivery:?}");
        let chunks = peer.said.iter().filter(|line| line.starts_with("BDAT")).count();
        assert!(chunks <= CHUNKS_MAX && peer.taken.is_empty(), "{chunks}");
        assert!(options.lmtp || peer.said.last().is_some_and(|line| line == "QUIT"), "{:?}", peer.said);
    }
}

#[test]
fn what_the_server_lacks_is_an_honest_error() {
    let by = DeliverBy { seconds: 60, mode: ByMode::Return, trace: false };
    type Change = fn(&mut postkern::smtp::Envelope);
    for (needs, offers, status) in [
        ((|it| it.size = 1001) as Change, &["SIZE 1000"][..], Some("5.3.4")),
        (|it| it.size = 1000, &["SIZE 1000"], None),
        (|it| it.smtp_utf8 = true, &["8BITMIME"], Some("5.6.9")),
        (|it| it.sender = "\u{e4}@client.example".into(), &["8BITMIME"], Some("5.6.7")),
        (|it| it.recipients[0].address = "\u{e4}@mx.example".into(), &["8BITMIME"], Some("5.6.7")),
        (|it| it.smtp_utf8 = true, &["8BITMIME", "SMTPUTF8"], None),
        (|it| it.body = BodyType::EightBitMime, &["SMTPUTF8"], Some("5.6.3")),
        (|it| it.body = BodyType::EightBitMime, &["8BITMIME"], None),
        (|it| it.body = BodyType::BinaryMime, &["8BITMIME", "CHUNKING"], Some("5.6.3")),
        (|it| it.body = BodyType::BinaryMime, &["8BITMIME", "BINARYMIME"], Some("5.6.3")),
        (|it| it.require_tls = true, &["REQUIRETLS"], Some("5.7.10")),
        (|it| it.recipients[0].address = "no address".into(), &[], Some("5.1.3")),
        (|it| it.sender = "no address".into(), &[], Some("5.1.7")),
        (|it| it.recipients[0].orcpt = Some("rfc822".into()), &["DSN"], Some("5.1.3")),
    ] {
        let mut peer = Peer::offering(offers);
        let mut envelope = envelope(1);
        needs(&mut envelope);
        let delivery = deliver(envelope, options(), &mut peer, b"x");
        let wanted = status.map(|status| (0, status.to_owned()));
        assert_eq!(failed(&delivery), [wanted], "{offers:?} {status:?}");
        assert_eq!(delivered(&delivery), [status.is_none()], "{offers:?}");
    }
    for (by, offers, letter) in [
        (by, &[][..], "F"),
        (by, &["DELIVERBY 61"], "F"),
        (by, &["DELIVERBY 60"], "D"),
        (DeliverBy { mode: ByMode::Notify, ..by }, &[], "D"),
    ] {
        let mut envelope = envelope(1);
        envelope.by = Some(by);
        assert_eq!(letters(&deliver(envelope, options(), &mut Peer::offering(offers), b"x")), letter, "{by:?}");
    }
    for (action, offers, letter) in
        [(RrvsAction::Reject, &[][..], "FD"), (RrvsAction::Reject, &["RRVS"], "DD"), (RrvsAction::Continue, &[], "DD")]
    {
        let mut envelope = envelope(2);
        envelope.recipients[0].rrvs = Some(ValidSince { since: 0, action });
        assert_eq!(letters(&deliver(envelope, options(), &mut Peer::offering(offers), b"x")), letter, "{action:?}");
    }
}

#[test]
fn tls_is_required_of_the_server_and_of_its_certificate() {
    for (verifies, sender, offers, status) in [
        (true, "a@client.example", &["REQUIRETLS"][..], None),
        (false, "a@client.example", &["REQUIRETLS"], Some("5.7.10")),
        (true, "a@client.example", &[], Some("5.7.30")),
        (false, "", &[], None),
    ] {
        let mut peer = Peer::offering(offers);
        let mut envelope = envelope(1);
        (envelope.require_tls, envelope.sender) = (true, sender.into());
        let delivery = deliver::over(envelope, Options { verifies, ..options() }, true, &mut peer, b"x");
        assert_eq!(failed(&delivery), [status.map(|status| (0, status.to_owned()))]);
        let said = peer.said.iter().any(|line| line.starts_with("MAIL") && line.ends_with("REQUIRETLS"));
        assert_eq!(said, status.is_none() && !offers.is_empty());
        assert_eq!(delivery.refused_us(), status.is_some());
    }
}

#[test]
fn a_message_is_re_encoded_by_its_owner_and_goes_as_what_it_is_then() {
    for (body, offers, most) in [
        (BodyType::EightBitMime, &["SIZE"][..], BodyType::SevenBit),
        (BodyType::BinaryMime, &["SIZE", "CHUNKING"], BodyType::SevenBit),
        (BodyType::BinaryMime, &["SIZE", "8BITMIME"], BodyType::EightBitMime),
    ] {
        let mut peer = Peer::offering(offers);
        peer.converted = Some(b"=FF\r\n".to_vec());
        let mut envelope = envelope(1);
        envelope.body = body;
        let delivery = deliver(envelope, options(), &mut peer, b"\xff");
        assert_eq!((delivered(&delivery), peer.asked_to_convert), (vec![true], Some(most)));
        assert_eq!(peer.taken[0].1, b"=FF\r\n");
        assert_eq!(
            peer.said[1],
            format!(
                "MAIL FROM:<a@client.example> SIZE=5{}",
                match most {
                    BodyType::EightBitMime => " BODY=8BITMIME",
                    _ => "",
                }
            )
        );
    }
}

#[test]
fn what_the_sender_asked_is_said_where_it_is_offered_and_nowhere_else() {
    let whole = || {
        let mut envelope = envelope(0);
        envelope.recipients.push(Recipient {
            address: "bob@mx.example".into(),
            notify: Some(Notify::of(true, false, true)),
            orcpt: Some("rfc822;Bob+2Bx@mx.example".into()),
            rrvs: Some(ValidSince { since: 0, action: RrvsAction::Continue }),
        });
        (envelope.ret, envelope.envid) = (Some(Ret::Headers), Some("QQ+2B314159".into()));
        envelope.by = Some(DeliverBy { seconds: 120, mode: ByMode::Notify, trace: true });
        (envelope.priority, envelope.auth) = (Priority::new(-2), Some("<>".into()));
        envelope
    };
    let mut peer = Peer::offering(&["DSN", "DELIVERBY", "MT-PRIORITY", "RRVS", "AUTH PLAIN"]);
    let delivery = deliver(whole(), options(), &mut peer, b"x");
    assert_eq!(
        peer.said[1],
        "MAIL FROM:<a@client.example> AUTH=<> RET=HDRS ENVID=QQ+2B314159 BY=120;NT MT-PRIORITY=-2"
    );
    let rcpt =
        "RCPT TO:<bob@mx.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2Bx@mx.example RRVS=1970-01-01T00:00:00Z";
    assert_eq!(peer.said[2], rcpt);
    let said = Said { code: 250, status: Enhanced(2, 0, 0), text: "ok".into() };
    assert_eq!(delivery.verdicts(), [Some(Verdict::Delivered { said: said.clone(), dsn: true, deliver_by: true })]);

    let mut peer = Peer::offering(&[]);
    let delivery = deliver(whole(), options(), &mut peer, b"x");
    assert_eq!(peer.said[1..3], ["MAIL FROM:<a@client.example>", "RCPT TO:<bob@mx.example>"]);
    assert_eq!(delivery.verdicts(), [Some(Verdict::Delivered { said, dsn: false, deliver_by: false })]);
}

#[test]
fn no_policy_is_undercut_by_a_server_that_hides_or_refuses_starttls() {
    for (policy, offers, answers, letter) in [
        (TlsPolicy::Required, &[][..], &[][..], "l"),
        (TlsPolicy::Required, &["STARTTLS"], &[("STARTTLS", 454)], "l"),
        (TlsPolicy::Required, &["STARTTLS"], &[("STARTTLS", 502)], "l"),
        (TlsPolicy::Required, &["STARTTLS"], &[("STARTTLS", 250)], "l"),
        (TlsPolicy::Required, &["STARTTLS"], &[("EHLO", 502)], "l"),
        (TlsPolicy::Opportunistic, &["STARTTLS"], &[("STARTTLS", 454)], "D"),
        (TlsPolicy::Opportunistic, &["STARTTLS"], &[("STARTTLS", 221)], "D"),
        (TlsPolicy::Opportunistic, &[], &[], "D"),
    ] {
        let mut peer = Peer::offering(offers);
        peer.answers = answers.to_vec();
        let delivery = deliver(envelope(1), Options { tls: policy, ..options() }, &mut peer, b"x");
        assert_eq!(letters(&delivery), letter, "{policy:?} {answers:?}");
        if letter == "l" {
            assert_eq!(deferred(&delivery).unwrap().1, "4.7.10");
        }
    }
}

/// Says what it is told to.
struct Exchange {
    initial: Option<&'static str>,
    responses: Vec<&'static str>,
    satisfied: bool,
}

impl Authenticate for Exchange {
    fn begin(&mut self, offered: Mechanisms, _: bool) -> Option<(Mechanism, Option<String>)> {
        offered.contains(Mechanism::Login).then(|| (Mechanism::Login, self.initial.map(Into::into)))
    }

    fn respond(&mut self, _: &[u8]) -> Option<String> {
        (!self.responses.is_empty()).then(|| self.responses.remove(0).into())
    }

    fn finish(&mut self, _: Option<&[u8]>) -> bool {
        self.satisfied
    }
}

#[test]
fn a_delivery_logs_in_and_believes_no_server_that_proves_nothing() {
    for (offer, tls, answers, satisfied, status, said) in [
        ("AUTH LOGIN", TlsPolicy::None, &[("AUTH", 334), ("Ym9i", 334), ("cHc=", 235)][..], true, None, "cHc="),
        ("AUTH LOGIN", TlsPolicy::None, &[("AUTH", 235)], false, Some((0, "4.7.0")), "AUTH LOGIN"),
        ("AUTH LOGIN", TlsPolicy::None, &[("AUTH", 334), ("Ym9i", 334), ("cHc=", 334)], true, Some((0, "4.7.0")), "*"),
        ("AUTH LOGIN", TlsPolicy::None, &[("AUTH", 454)], true, Some((454, "4.0.0")), "AUTH LOGIN"),
        ("AUTH PLAIN", TlsPolicy::None, &[], true, Some((0, "4.7.0")), "EHLO client.example"),
        ("AUTH LOGIN", TlsPolicy::Opportunistic, &[], true, Some((0, "4.7.11")), "EHLO client.example"),
    ] {
        let mut peer = Peer::offering(&[offer]);
        peer.answers = answers.to_vec();
        let mut delivery = Delivery::new(envelope(1), Options { tls, ..options() }, false);
        let exchange = Exchange { initial: None, responses: vec!["Ym9i", "cHc="], satisfied };
        delivery.log_in(Box::new(exchange));
        deliver::drive(&mut delivery, &mut peer, b"x");
        assert_eq!(deferred(&delivery), status.map(|(code, status)| (code, status.to_owned())), "{answers:?}");
        assert!(peer.said.iter().any(|line| line == said), "{said}: {:?}", peer.said);
        assert!(status.is_none() || !peer.said.iter().any(|line| line.starts_with("MAIL")), "{:?}", peer.said);
    }
    // A response that is no base64 cancels.
    let mut peer = Peer::answering(&[("AUTH", 334), ("*", 501)]);
    peer.offers = vec!["AUTH LOGIN".into()];
    let mut delivery = Delivery::new(envelope(1), options(), false);
    delivery.log_in(Box::new(Exchange { initial: None, responses: vec!["no base64"], satisfied: true }));
    deliver::drive(&mut delivery, &mut peer, b"x");
    assert_eq!(peer.said[2..], ["*", "QUIT"]);
    let mut peer = Peer::answering(&[("AUTH", 535)]);
    peer.offers = vec!["AUTH LOGIN".into()];
    let mut delivery = Delivery::new(envelope(1), options(), false);
    delivery.log_in(Box::new(Exchange { initial: Some("Ym9i"), responses: vec![], satisfied: true }));
    deliver::drive(&mut delivery, &mut peer, b"x");
    assert!(delivery.refused_us() && failed(&delivery)[0].is_some() && peer.said[1] == "AUTH LOGIN Ym9i");
}

#[test]
fn lmtp_has_a_verdict_for_each_recipient_however_the_message_goes() {
    for offers in [&["PIPELINING", "CHUNKING"][..], &["PIPELINING"], &["CHUNKING"], &[]] {
        let mut peer = Peer::offering(offers);
        peer.answers = vec![("RCPT TO:<user1@", 550), ("message user2@", 452), ("message user3@", 554)];
        let delivery = deliver(envelope(5), lmtp(), &mut peer, b"x\r\n");
        assert_eq!(letters(&delivery), "DFlFD", "{offers:?}");
        assert_eq!(peer.taken.len(), 2);
        let mut peer = Peer::offering(offers);
        peer.answers = vec![("RCPT", 550)];
        assert_eq!(letters(&deliver(envelope(2), lmtp(), &mut peer, b"x\r\n")), "FF", "{offers:?}");
    }
}

/// RFC 5321 section 4.1.2.
#[test]
fn a_name_of_ours_that_is_no_domain_is_not_said() {
    for name in ["under_score.example", "", "a b"] {
        let mut peer = Peer::offering(&[]);
        let delivery = deliver(envelope(1), Options::new(name), &mut peer, b"x");
        assert_eq!((deferred(&delivery), &peer.said[..]), (Some((0, "4.3.5".into())), &["QUIT".to_owned()][..]));
    }
}

const OFFERS: [&str; 12] = [
    "PIPELINING",
    "CHUNKING",
    "BINARYMIME",
    "8BITMIME",
    "SMTPUTF8",
    "DSN",
    "SIZE 300000",
    "LIMITS RCPTMAX=2",
    "LIMITS MAILMAX=2 RCPTMAX=1",
    "LIMITS RCPTDOMAINMAX=1",
    "STARTTLS",
    "RRVS",
];
const CODES: [u16; 14] = [200, 211, 251, 354, 334, 421, 450, 452, 500, 503, 535, 550, 552, 554];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever a server offers and answers, each recipient gets one verdict, and none is
    /// delivered whom the server has not taken, and nobody is sent the message twice.
    #[test]
    fn every_recipient_gets_one_verdict_and_none_is_delivered_without_2yz(
        offers in proptest::collection::vec(0..OFFERS.len(), 0..8),
        answers in proptest::collection::vec(proptest::option::weighted(0.15, 0..CODES.len()), 1..60),
        recipients in 1..7_usize,
        is_lmtp: bool,
        body in 0..3_u8,
        long: bool,
        piece in 1..200_000_usize,
    ) {
        let offers: Vec<&str> = offers.into_iter().map(|at| OFFERS[at]).collect();
        let mut peer = Peer::offering(&offers);
        peer.random = answers.into_iter().map(|code| code.map(|at| CODES[at])).collect();
        peer.piece = piece;
        let message = if long { lines(CHUNK * 3 + 100) } else { lines(100) };
        let mut envelope = envelope(recipients);
        envelope.size = message.len() as u64;
        envelope.body = [BodyType::SevenBit, BodyType::EightBitMime, BodyType::BinaryMime][usize::from(body)];
        let options = if is_lmtp { lmtp() } else { options() };
        let delivery = deliver(envelope, options, &mut peer, &message);
        prop_assert!(!letters(&delivery).contains('?'), "{:?}", delivery);
        for (index, verdict) in delivery.verdicts().iter().enumerate() {
            let address = &delivery.envelope().recipients[index].address;
            let taken: Vec<_> = peer.taken.iter().filter(|(to, _)| to == address).collect();
            prop_assert!(taken.len() <= 1, "{} was sent twice: {:?}", address, peer.said);
            if matches!(verdict, Some(Verdict::Delivered { .. })) {
                prop_assert!(taken.len() == 1 && taken[0].1 == message, "{}: {:?}", address, peer.said);
            }
        }
        prop_assert!(peer.most_unanswered <= CHUNKS_MAX);
    }
}
