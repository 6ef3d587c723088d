//! Lookups against servers that answer, refuse, lie, truncate or say nothing.

use std::net::{IpAddr, SocketAddr};

use domain::base::iana::{Class, Rcode};
use domain::base::message_builder::AnswerBuilder;
use domain::base::{Message, MessageBuilder, Name, Rtype};
use domain::rdata::{A, Aaaa, Cname, Mx};
use postkern_server::dns::{CNAMES_MAX, Errand, Kind, Lookup, Outcome, Question, RECORDS_MAX, servers_of};

const SERVERS: [&str; 2] = ["192.0.2.1:53", "[2001:db8::2]:53"];

fn servers() -> Vec<SocketAddr> {
    SERVERS.map(|server| server.parse().unwrap()).to_vec()
}

fn lookup(name: &str, kind: Kind) -> Lookup {
    Lookup::new(Question { name: name.into(), kind }, &servers(), 0x1234)
}

fn name(text: &str) -> Name<Vec<u8>> {
    text.parse().unwrap()
}

/// The query in hand: server, over TCP, octets, seconds.
fn ask(lookup: &mut Lookup) -> (SocketAddr, bool, Vec<u8>, u64) {
    match lookup.next() {
        Errand::Ask { server, tcp, query, wait } => (server, tcp, query, wait.as_secs()),
        Errand::Over(outcome) => panic!("over: {outcome:?}"),
    }
}

fn over(lookup: &mut Lookup) -> Outcome {
    match lookup.next() {
        Errand::Over(outcome) => outcome,
        Errand::Ask { server, .. } => panic!("asks {server}"),
    }
}

/// What is asked for: name, EDNS.
fn asked(query: &[u8]) -> (String, bool) {
    let message = Message::from_octets(query).unwrap();
    assert!(message.header().rd() && !message.header().qr());
    let question = message.sole_question().unwrap();
    assert_eq!(question.qclass(), Class::IN);
    (question.qname().to_string(), message.opt().is_some())
}

/// An answer to the query of a server that looks names up.
fn answer(query: &[u8], rcode: Rcode, records: impl FnOnce(&mut AnswerBuilder<Vec<u8>>)) -> Vec<u8> {
    let query = Message::from_octets(query).unwrap();
    let mut builder = MessageBuilder::new_vec().start_answer(&query, rcode).unwrap();
    builder.header_mut().set_ra(true);
    records(&mut builder);
    builder.finish()
}

fn mx(builder: &mut AnswerBuilder<Vec<u8>>, owner: &str, preference: u16, host: &str) {
    builder.push((name(owner), 60, Mx::new(preference, name(host)))).unwrap();
}

fn cname(builder: &mut AnswerBuilder<Vec<u8>>, owner: &str, target: &str) {
    builder.push((name(owner), 60, Cname::new(name(target)))).unwrap();
}

fn a(builder: &mut AnswerBuilder<Vec<u8>>, owner: &str, address: [u8; 4]) {
    builder.push((name(owner), 60, A::new(address.into()))).unwrap();
}

fn addresses(list: &[&str]) -> Outcome {
    Outcome::Addresses(list.iter().map(|address| address.parse::<IpAddr>().unwrap()).collect())
}

/// What one answer comes to.
fn outcome(kind: Kind, rcode: Rcode, records: impl FnOnce(&mut AnswerBuilder<Vec<u8>>)) -> Outcome {
    let mut lookup = lookup("a.test", kind);
    let (_, _, query, _) = ask(&mut lookup);
    assert!(lookup.received(&answer(&query, rcode, records)));
    over(&mut lookup)
}

#[test]
fn answers_are_read() {
    let none = |_: &mut AnswerBuilder<Vec<u8>>| {};
    assert_eq!(
        outcome(Kind::Mx, Rcode::NOERROR, |builder| {
            mx(builder, "A.Test", 10, "One.Test");
            mx(builder, "a.test", 20, "two.test");
            mx(builder, "other.test", 1, "evil.test");
            a(builder, "one.test", [192, 0, 2, 9]);
        }),
        Outcome::Mx(vec![(10, "one.test".into()), (20, "two.test".into())])
    );
    assert_eq!(
        outcome(Kind::Mx, Rcode::NOERROR, |builder| mx(builder, "a.test", 0, ".")),
        Outcome::Mx(vec![(0, String::new())])
    );
    assert_eq!(
        outcome(Kind::A, Rcode::NOERROR, |builder| {
            a(builder, "a.test", [192, 0, 2, 9]);
            a(builder, "a.test", [192, 0, 2, 8]);
        }),
        addresses(&["192.0.2.9", "192.0.2.8"])
    );
    assert_eq!(
        outcome(Kind::Aaaa, Rcode::NOERROR, |builder| {
            let six: Aaaa = Aaaa::new("2001:db8::9".parse().unwrap());
            builder.push((name("a.test"), 60, six)).unwrap();
        }),
        addresses(&["2001:db8::9"])
    );
    assert_eq!(outcome(Kind::Mx, Rcode::NOERROR, none), Outcome::None);
    assert_eq!(outcome(Kind::A, Rcode::NOERROR, |builder| mx(builder, "a.test", 0, "b.test")), Outcome::None);
    assert_eq!(outcome(Kind::Mx, Rcode::NXDOMAIN, none), Outcome::NoSuchName);
    assert_eq!(
        outcome(Kind::Mx, Rcode::NXDOMAIN, |builder| cname(builder, "a.test", "gone.test")),
        Outcome::NoSuchName
    );
}

#[test]
fn an_answer_is_bounded() {
    let many = outcome(Kind::A, Rcode::NOERROR, |builder| {
        (0..250).for_each(|number| a(builder, "a.test", [192, 0, 2, number]));
    });
    let Outcome::Addresses(list) = many else { panic!("{many:?}") };
    assert_eq!(list.len(), RECORDS_MAX);
}

#[test]
fn cnames_are_followed_within_an_answer_and_beyond_it() {
    assert_eq!(
        outcome(Kind::A, Rcode::NOERROR, |builder| {
            a(builder, "c.test", [192, 0, 2, 9]);
            cname(builder, "b.test", "C.test");
            cname(builder, "a.test", "b.test");
        }),
        addresses(&["192.0.2.9"])
    );
    let mut lookup = lookup("a.test", Kind::A);
    lookup.failed("no answer");
    let (server, _, query, _) = ask(&mut lookup);
    assert!(lookup.received(&answer(&query, Rcode::NOERROR, |builder| cname(builder, "a.test", "b.test"))));
    // The same server is asked for what the name stands for.
    let (again, _, second, _) = ask(&mut lookup);
    assert_eq!((again, asked(&second).0.as_str()), (server, "b.test"));
    assert_ne!(second[..2], query[..2]);
    // An answer to the first query, late or forged, counts no more.
    assert!(!lookup.received(&answer(&query, Rcode::NXDOMAIN, |_| {})));
    assert!(lookup.received(&answer(&second, Rcode::NOERROR, |builder| a(builder, "b.test", [192, 0, 2, 9]))));
    assert_eq!(over(&mut lookup), addresses(&["192.0.2.9"]));
}

#[test]
fn cnames_without_end_are_given_up() {
    let looped = outcome(Kind::A, Rcode::NOERROR, |builder| {
        cname(builder, "a.test", "b.test");
        cname(builder, "b.test", "a.test");
    });
    assert!(matches!(looped, Outcome::Failed(_)), "{looped:?}");
    let mut lookup = lookup("n0.test", Kind::A);
    for number in 0..CNAMES_MAX {
        let (_, _, query, _) = ask(&mut lookup);
        let (owner, target) = (format!("n{number}.test"), format!("n{}.test", number + 1));
        assert!(lookup.received(&answer(&query, Rcode::NOERROR, |builder| cname(builder, &owner, &target))));
    }
    let (_, _, query, _) = ask(&mut lookup);
    let owner = format!("n{CNAMES_MAX}.test");
    assert!(lookup.received(&answer(&query, Rcode::NOERROR, |builder| cname(builder, &owner, "end.test"))));
    assert!(matches!(over(&mut lookup), Outcome::Failed(_)));
}

#[test]
fn what_answers_another_query_does_not_end_the_wait() {
    let mut lookup = lookup("a.test", Kind::Mx);
    let (_, _, query, _) = ask(&mut lookup);
    let right = answer(&query, Rcode::NOERROR, |builder| mx(builder, "a.test", 10, "one.test"));
    let changed = |at: usize, bits: u8| {
        let mut wrong = right.clone();
        wrong[at] ^= bits;
        wrong
    };
    let no_question = {
        let mut builder = MessageBuilder::new_vec();
        builder.header_mut().set_id(0x1234);
        builder.header_mut().set_qr(true);
        builder.finish()
    };
    for (wrong, what) in [
        (Vec::new(), "nothing"),
        (right[..11].to_vec(), "no header"),
        (right[..14].to_vec(), "half a question"),
        (changed(0, 1), "another id"),
        (changed(1, 0x80), "another id"),
        (changed(2, 0x80), "a query"),
        (changed(2, 0x08), "another opcode"),
        (changed(5, 1), "no question"),
        (changed(5, 3), "two questions"),
        (changed(13, 1), "another name"),
        (changed(21, 1), "another type"),
        (changed(23, 2), "another class"),
        (no_question, "no question, no error"),
    ] {
        assert!(!lookup.received(&wrong), "{what}");
        assert_eq!(ask(&mut lookup).2, query, "{what}");
    }
    // The case of the name is the server's choice.
    assert!(lookup.received(&changed(13, 0x20)));
    assert_eq!(over(&mut lookup), Outcome::Mx(vec![(10, "one.test".into())]));
    assert!(!lookup.received(&right));
}

#[test]
fn each_server_is_asked_twice() {
    let mut lookup = lookup("a.test", Kind::Mx);
    let mut ids = Vec::new();
    for (server, wait) in [(0, 3), (1, 3), (0, 6), (1, 6)] {
        let (to, tcp, query, seconds) = ask(&mut lookup);
        assert_eq!((to, tcp, seconds), (servers()[server], false, wait));
        assert_eq!(asked(&query), ("a.test".into(), true));
        ids.push(u16::from_be_bytes([query[0], query[1]]));
        match server {
            0 => lookup.failed("no answer in time"),
            _ => assert!(lookup.received(&answer(&query, Rcode::SERVFAIL, |_| {}))),
        }
    }
    assert_eq!(over(&mut lookup), Outcome::Failed(format!("{}: it failed (SERVFAIL)", SERVERS[1])));
    assert_eq!(ids[0], 0x1234);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[test]
fn what_is_of_no_use_leads_to_the_next_server() {
    for rcode in [Rcode::SERVFAIL, Rcode::REFUSED, Rcode::NOTAUTH] {
        let mut lookup = lookup("a.test", Kind::Mx);
        let (_, _, query, _) = ask(&mut lookup);
        assert!(lookup.received(&answer(&query, rcode, |_| {})));
        assert_eq!(ask(&mut lookup).0, servers()[1], "{rcode}");
    }
    // An error without a question, as of servers that do not understand the query.
    let mut bare = lookup("a.test", Kind::Mx);
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(0x1234);
    builder.header_mut().set_qr(true);
    builder.header_mut().set_rcode(Rcode::REFUSED);
    assert!(bare.received(&builder.finish()));
    assert_eq!(ask(&mut bare).0, servers()[1]);
    // A server that knows only its own names.
    let mut lame = lookup("a.test", Kind::Mx);
    let (_, _, query, _) = ask(&mut lame);
    let mut referral = answer(&query, Rcode::NOERROR, |_| {});
    referral[3] &= 0x7f;
    assert!(lame.received(&referral));
    assert_eq!(ask(&mut lame).0, servers()[1]);
}

#[test]
fn a_truncated_answer_is_asked_for_over_tcp() {
    let mut lookup = lookup("a.test", Kind::A);
    let (_, _, query, _) = ask(&mut lookup);
    let truncated = |query: &[u8]| answer(query, Rcode::NOERROR, |builder| builder.header_mut().set_tc(true));
    assert!(lookup.received(&truncated(&query)));
    let (server, tcp, query, wait) = ask(&mut lookup);
    assert_eq!((server, tcp, wait), (servers()[0], true, 10));
    // Truncated over TCP as well: the next server, over UDP.
    assert!(lookup.received(&truncated(&query)));
    let (server, tcp, query, _) = ask(&mut lookup);
    assert_eq!((server, tcp), (servers()[1], false));
    assert!(lookup.received(&truncated(&query)));
    lookup.failed("connection refused");
    let (server, tcp, query, wait) = ask(&mut lookup);
    assert_eq!((server, tcp, wait), (servers()[0], false, 6));
    assert!(lookup.received(&truncated(&query)));
    let (_, tcp, query, _) = ask(&mut lookup);
    assert!(tcp);
    assert!(lookup.received(&answer(&query, Rcode::NOERROR, |builder| a(builder, "a.test", [192, 0, 2, 9]))));
    assert_eq!(over(&mut lookup), addresses(&["192.0.2.9"]));
}

#[test]
fn a_server_without_edns_is_asked_without() {
    let mut lookup = lookup("a.test", Kind::A);
    let (_, _, query, _) = ask(&mut lookup);
    assert!(lookup.received(&answer(&query, Rcode::FORMERR, |_| {})));
    let (server, _, plain, _) = ask(&mut lookup);
    assert_eq!((server, asked(&plain).1), (servers()[0], false));
    assert!(lookup.received(&answer(&plain, Rcode::FORMERR, |_| {})));
    let (server, _, query, _) = ask(&mut lookup);
    assert_eq!((server, asked(&query).1), (servers()[1], true));
}

#[test]
fn garbage_never_panics_and_never_answers() {
    let answers = |query: &[u8]| {
        answer(query, Rcode::NOERROR, |builder| {
            cname(builder, "a.test", "b.test");
            mx(builder, "b.test", 10, "one.test");
            mx(builder, "b.test", 20, "two.test");
        })
    };
    let (_, _, query, _) = ask(&mut lookup("a.test", Kind::Mx));
    let whole = answers(&query);
    for len in 0..whole.len() {
        let mut lookup = lookup("a.test", Kind::Mx);
        let read = lookup.received(&whole[..len]);
        // With the question whole it is our answer, and of no use.
        assert_eq!(read, len >= query.len() - 11, "cut at {len}");
        assert_eq!(ask(&mut lookup).0, servers()[usize::from(read)], "cut at {len}");
    }
    // Every octet changed, among them the pointers of compressed names.
    for at in 0..whole.len() {
        for value in 0..=255 {
            let mut wrong = whole.clone();
            wrong[at] = value;
            let mut lookup = lookup("a.test", Kind::Mx);
            lookup.received(&wrong);
            lookup.next();
        }
    }
    // Names that point at themselves and at each other.
    let question = query.len() - 11;
    for pointers in [[0xc0, question as u8, 0xc0, question as u8], [0xc0, question as u8 + 2, 0xc0, question as u8]] {
        let mut looped = query[..question].to_vec();
        looped[2] |= 0x80;
        looped[7] = 2;
        looped[11] = 0;
        looped.extend(pointers);
        looped.extend([0; 32]);
        let mut lookup = lookup("a.test", Kind::Mx);
        assert!(lookup.received(&looped));
        assert_eq!(ask(&mut lookup).0, servers()[1]);
    }
}

#[test]
fn names_that_cannot_exist_are_not_asked_for() {
    let long = format!("{}.test", "a".repeat(64));
    let longer = vec!["a".repeat(60); 5].join(".");
    for name in ["", ".", "a..test", ".test", &long, &longer] {
        assert_eq!(over(&mut lookup(name, Kind::Mx)), Outcome::NoSuchName, "{name}");
    }
    let mut nobody = Lookup::new(Question { name: "a.test".into(), kind: Kind::A }, &[], 1);
    assert_eq!(over(&mut nobody), Outcome::Failed("there are no name servers".into()));
    nobody.failed("late");
    assert!(!nobody.received(b""));
}

#[test]
fn queries_are_plain() {
    for (kind, rtype) in [(Kind::Mx, Rtype::MX), (Kind::A, Rtype::A), (Kind::Aaaa, Rtype::AAAA)] {
        let (_, _, query, _) = ask(&mut lookup("a.test", kind));
        let message = Message::from_octets(query.as_slice()).unwrap();
        assert_eq!(message.sole_question().unwrap().qtype(), rtype);
        assert_eq!(message.opt().unwrap().udp_payload_size(), 1232);
        assert_eq!(query.len(), 12 + 8 + 4 + 11);
    }
}

#[test]
fn name_servers_of_a_resolv_conf() {
    for (text, is) in [
        ("nameserver 192.0.2.1\nnameserver 2001:db8::1\n", &["192.0.2.1:53", "[2001:db8::1]:53"][..]),
        (
            "# nameserver 192.0.2.9\n;nameserver 192.0.2.9\nsearch a.test\n\tnameserver\t192.0.2.1 # x",
            &["192.0.2.1:53"],
        ),
        ("nameserver fe80::1%2\nnameserver fe80::1%eth0", &["[fe80::1%2]:53"]),
        ("nameserver\nnameserver dns.test\nnameservers 192.0.2.1\noptions edns0", &["127.0.0.1:53"]),
        ("", &["127.0.0.1:53"]),
    ] {
        let servers: Vec<String> = servers_of(text).iter().map(ToString::to_string).collect();
        assert_eq!(servers, is, "{text}");
    }
    assert_eq!(servers_of(&"nameserver 192.0.2.1\n".repeat(1000)).len(), 8);
}
