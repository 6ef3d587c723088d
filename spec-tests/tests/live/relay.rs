//! From one server to the next, found by MX in a DNS server of the test's.

use std::net::{IpAddr, Ipv4Addr};

use domain::base::Rtype;
use postkern_server::config::{Config, Listener, Network, RelayTls, StaticRoute};
use postkern_store::runtime::Runtime;

use crate::harness::{
    Answer, Dns, Hop, Imap, Pop3, RUNTIMES, Record, Server, Smtp, arrived, eventually, on_both, samples, text,
};

const LOCAL: Record = Record::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));
/// Nobody listens there.
const DEAD: Record = Record::Address(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)));

/// A server of the domain `b.test`.
pub(crate) fn second(runtime: &'static dyn Runtime) -> Server {
    Server::start_with(runtime, |config| {
        config.domains = vec!["b.test".into()];
        config.hostname = "mx.b.test".into();
    })
}

/// A server of the domain `a.test` whose mail goes to hosts at this port.
pub(crate) fn first(runtime: &'static dyn Runtime, dns: &Dns, port: u16, edit: impl FnOnce(&mut Config)) -> Server {
    Server::start_with(runtime, |config| {
        config.domains = vec!["a.test".into()];
        config.hostname = "mx.a.test".into();
        config.dns = vec![dns.address];
        config.relay.port = port;
        edit(config);
    })
}

/// Submits one message of Alice's at `a.test`, which is to be taken.
#[track_caller]
pub(crate) fn submit_to(server: &Server, to: &[&str], message: &[u8]) {
    let reply = Smtp::login(server, "alice@a.test").send("alice@a.test", to, message);
    assert_eq!(reply.code, 250, "{reply:?}");
}

/// All messages of an account, as soon as there are so many.
pub(crate) fn mail_of(server: &Server, account: &str, count: usize) -> Vec<Vec<u8>> {
    eventually(&format!("{count} messages for {account}"), || {
        let mut pop = Pop3::login(server, account);
        let all = (pop.list("LIST").len() >= count).then(|| pop.all());
        pop.expect("QUIT");
        all
    })
}

#[test]
fn what_is_submitted_at_one_server_arrives_at_another_octet_for_octet() {
    let pairs = RUNTIMES.iter().flat_map(|&from| RUNTIMES.iter().map(move |&to| (from, to)));
    for (from, to) in pairs {
        let b = second(to);
        let dns = Dns::for_domain("b.test", "mx.b.test");
        let a = first(from, &dns, b.address(Listener::Smtp).port(), |_| {});
        for (number, sample) in (1..).zip(samples()) {
            let what = format!("{} from {} to {}", sample.name, from.program(), to.program());
            submit_to(&a, &["bob@b.test"], &sample.octets);
            let all = mail_of(&b, "bob@b.test", number);
            assert_eq!(all.len(), number, "{what}");
            let got = all.last().expect("one at least");
            arrived(&what, got, &sample.in_lines());
            let head = String::from_utf8_lossy(&got[..got.len() - sample.in_lines().len()]).into_owned();
            assert_eq!(head.matches("Received:").count(), 2, "{what}: one trace line a hop: {head}");
            assert!(head.contains("ESMTPS"), "{what}: RFC 3848: over TLS, since it was offered: {head}");
        }
    }
}

#[test]
fn exchangers_are_tried_by_preference_until_one_is_reached() {
    on_both(|runtime| {
        let b = second(runtime);
        let dns = Dns::start(&[
            ("b.test", Rtype::MX, Answer::Records(vec![Record::Mx(20, "good.b.test"), Record::Mx(10, "dead.b.test")])),
            ("good.b.test", Rtype::A, Answer::Records(vec![LOCAL])),
            ("dead.b.test", Rtype::A, Answer::Records(vec![DEAD])),
        ]);
        let a = first(runtime, &dns, b.address(Listener::Smtp).port(), |_| {});
        submit_to(&a, &["bob@b.test"], &text("preference", "body"));
        arrived("by the second exchanger", &mail_of(&b, "bob@b.test", 1)[0], &text("preference", "body"));
        let hosts: Vec<String> =
            dns.asked().into_iter().filter(|(_, kind, _)| *kind == Rtype::A).map(|(name, ..)| name).collect();
        assert_eq!(hosts.first().map(String::as_str), Some("dead.b.test"), "the lower preference first: {hosts:?}");
    });
}

/// RFC 5321 section 5.1: without MX the domain itself is the host; an alias is followed.
#[test]
fn a_domain_without_mx_is_its_own_exchanger() {
    on_both(|runtime| {
        let b = second(runtime);
        let dns = Dns::start(&[
            ("b.test", Rtype::MX, Answer::NoData),
            ("b.test", Rtype::A, Answer::Records(vec![Record::Alias("host.b.test"), LOCAL])),
        ]);
        let a = first(runtime, &dns, b.address(Listener::Smtp).port(), |_| {});
        submit_to(&a, &["bob@b.test"], &text("no mx", "body"));
        arrived("without MX", &mail_of(&b, "bob@b.test", 1)[0], &text("no mx", "body"));
    });
}

/// RFC 1035 section 4.2.1, RFC 7766 section 5.
#[test]
fn a_truncated_answer_is_asked_for_over_tcp() {
    on_both(|runtime| {
        let b = second(runtime);
        let mut many = vec![Record::Mx(10, "mx.b.test")];
        many.extend([Record::Mx(50, "x1.b.test"), Record::Mx(50, "x2.b.test"), Record::Mx(50, "x3.b.test")]);
        let dns = Dns::start(&[
            ("b.test", Rtype::MX, Answer::Truncated(many)),
            ("mx.b.test", Rtype::A, Answer::Records(vec![LOCAL])),
        ]);
        let a = first(runtime, &dns, b.address(Listener::Smtp).port(), |_| {});
        submit_to(&a, &["bob@b.test"], &text("truncated", "body"));
        arrived("found over TCP", &mail_of(&b, "bob@b.test", 1)[0], &text("truncated", "body"));
        assert!(dns.asked().iter().any(|(_, _, tcp)| *tcp), "asked over TCP");
    });
}

#[test]
fn a_name_server_that_fails_is_asked_again_later() {
    on_both(|runtime| {
        for failure in [Answer::ServFail, Answer::Silence] {
            let b = second(runtime);
            let dns = Dns::for_domain("b.test", "mx.b.test");
            dns.set("b.test", Rtype::MX, failure);
            let a = first(runtime, &dns, b.address(Listener::Smtp).port(), |_| {});
            submit_to(&a, &["bob@b.test"], &text("servfail", "body"));
            eventually("a question", || (!dns.asked().is_empty()).then_some(()));
            dns.set("b.test", Rtype::MX, Answer::Records(vec![Record::Mx(10, "mx.b.test")]));
            arrived("in the end", &mail_of(&b, "bob@b.test", 1)[0], &text("servfail", "body"));
        }
    });
}

#[test]
fn a_static_route_and_a_smarthost_replace_mx() {
    on_both(|runtime| {
        let (b, smarthost) = (second(runtime), Hop::start(&[]));
        let dns = Dns::start(&[]);
        let route = |domain: &str, port| StaticRoute::new(domain, "127.0.0.1", port);
        let a = first(runtime, &dns, 1, |config| {
            config.relay.routes =
                vec![route("*", smarthost.address.port()), route("b.test", b.address(Listener::Smtp).port())];
        });
        submit_to(&a, &["bob@b.test", "x@c.test"], &text("routes", "body"));
        arrived("by the static route", &mail_of(&b, "bob@b.test", 1)[0], &text("routes", "body"));
        eventually("by the smarthost", || (smarthost.count("RCPT TO:<x@c.test>") == 1).then_some(()));
        assert!(dns.asked().is_empty(), "no MX was needed: {:?}", dns.asked());
    });
}

#[test]
fn an_alias_leads_elsewhere() {
    on_both(|runtime| {
        let b = second(runtime);
        let dns = Dns::for_domain("b.test", "mx.b.test");
        let a = first(runtime, &dns, b.address(Listener::Smtp).port(), |config| {
            config.aliases.insert("both@a.test".into(), vec!["bob@a.test".into(), "bob@b.test".into()]);
        });
        let reply = Smtp::hello(&a, Listener::Smtp).send("x@c.test", &["both@a.test"], &text("alias", "body"));
        assert_eq!(reply.code, 250, "{reply:?}");
        arrived("here", &mail_of(&a, "bob@a.test", 1)[0], &text("alias", "body"));
        arrived("there", &mail_of(&b, "bob@b.test", 1)[0], &text("alias", "body"));
    });
}

#[test]
fn networks_of_the_configuration_relay_without_authentication() {
    on_both(|runtime| {
        let b = second(runtime);
        let dns = Dns::for_domain("b.test", "mx.b.test");
        let a = first(runtime, &dns, b.address(Listener::Smtp).port(), |config| {
            config.relay.networks = vec![Network::parse("127.0.0.0/8").expect("a network")];
        });
        let reply = Smtp::hello(&a, Listener::Smtp).send("x@c.test", &["bob@b.test"], &text("network", "body"));
        assert_eq!(reply.code, 250, "{reply:?}");
        arrived("relayed", &mail_of(&b, "bob@b.test", 1)[0], &text("network", "body"));
    });
}

/// The configuration's `verified`: only with a certificate that is trusted and of the host's
/// name.
#[test]
fn with_verified_tls_nothing_is_sent_to_a_host_of_another_name() {
    on_both(|runtime| {
        let b = second(runtime);
        let dns = Dns::for_domain("b.test", "mx.b.test");
        let a = first(runtime, &dns, b.address(Listener::Smtp).port(), |config| config.relay.tls = RelayTls::Verified);
        submit_to(&a, &["bob@b.test"], &text("verified", "body"));
        let queued = eventually("a first attempt", || {
            let queue = super::relay_failures::queue(&a);
            queue.into_iter().find(|entry| entry.attempts > 0)
        });
        assert!(queued.last_error.is_some(), "{queued:?}");
        assert!(Imap::login(&b, "bob@b.test").expect("STATUS INBOX (MESSAGES)")[0].ends_with("(MESSAGES 0)"));
    });
}
