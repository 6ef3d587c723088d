//! What is told to the sender, and what is tried again.

use std::time::Duration;

use domain::base::Rtype;
use postkern_server::config::{Config, Listener, Network, RelayTls, StaticRoute};
use postkern_server::job::{Admin, Done};
use postkern_server::queue::QueueEntry;
use postkern_store::runtime::Runtime;

use crate::harness::{Answer, Dns, Hop, Record, Server, Smtp, eventually, on_both, text};
use crate::relay::{first, mail_of, second, submit_to};

const ALICE: &str = "alice@a.test";

/// What waits.
pub(crate) fn queue(server: &Server) -> Vec<QueueEntry> {
    match server.admin(Admin::Queue) {
        Done::Queue(queue) => queue,
        other => panic!("{other:?}"),
    }
}

/// The one bounce in Alice's mailbox, checked for what all bounces have.
#[track_caller]
fn bounce(server: &Server) -> String {
    let all = mail_of(server, ALICE, 1);
    assert_eq!(all.len(), 1, "one bounce for one message");
    let bounce = String::from_utf8_lossy(&all[0]).into_owned();
    // RFC 3464 section 2, RFC 3834 section 5, RFC 5321 section 4.5.5.
    for part in [
        "Return-Path: <>\r\n",
        "Auto-Submitted: auto-replied",
        "multipart/report",
        "report-type=delivery-status",
        "message/delivery-status",
        "Reporting-MTA: dns; mx.a.test",
        "Action: failed",
        "<sample@example.test>",
    ] {
        let (bounce, part) = (bounce.to_ascii_lowercase().replace("dns;mx", "dns; mx"), part.to_ascii_lowercase());
        assert!(bounce.contains(&part), "no {part:?} in:\n{bounce}");
    }
    bounce
}

#[track_caller]
fn tells(bounce: &str, what: &[&str]) {
    for part in what {
        assert!(bounce.contains(part), "no {part:?} in:\n{bounce}");
    }
}

/// What a hop says to a verb if all is well.
fn usual(verb: &str) -> &'static str {
    match verb {
        "greeting" => "220 hop.test",
        "DATA" => "354 go on",
        _ => "250 ok",
    }
}

/// A server of `a.test` whose mail for all others goes to a hop.
pub(crate) fn through(runtime: &'static dyn Runtime, hop: &Hop) -> (Dns, Server) {
    through_with(runtime, hop, |_| {})
}

pub(crate) fn through_with(runtime: &'static dyn Runtime, hop: &Hop, edit: impl FnOnce(&mut Config)) -> (Dns, Server) {
    let dns = Dns::start(&[]);
    let server = first(runtime, &dns, 1, |config| {
        let port = hop.address.port();
        config.relay.routes = vec![StaticRoute::new("*", "127.0.0.1", port)];
        edit(config);
    });
    (dns, server)
}

#[test]
fn a_recipient_that_the_next_server_refuses_bounces_to_the_sender() {
    on_both(|runtime| {
        let b = second(runtime);
        let dns = Dns::for_domain("b.test", "mx.b.test");
        let a = first(runtime, &dns, b.address(Listener::Smtp).port(), |_| {});
        submit_to(&a, &["nobody@b.test", "bob@b.test", "nemo@b.test"], &text("bounce", "body"));
        assert_eq!(mail_of(&b, "bob@b.test", 1).len(), 1, "the good recipient has it");
        let bounce = bounce(&a);
        tells(&bounce, &["nobody@b.test", "nemo@b.test", "Status: 5.1.1", "Subject: bounce"]);
        assert!(!bounce.contains("bob@b.test\r\nAction"), "nothing failed for bob:\n{bounce}");
        eventually("an empty queue", || queue(&a).is_empty().then_some(()));
    });
}

#[test]
fn what_is_deferred_is_tried_again_and_arrives_once() {
    on_both(|runtime| {
        for verb in ["greeting", "MAIL", "RCPT", "DATA", "."] {
            let hop = Hop::start(&[(verb, &["451 4.3.0 later", usual(verb)])]);
            let (_dns, a) = through(runtime, &hop);
            submit_to(&a, &["x@c.test"], &text("later", "body"));
            eventually(&format!("an empty queue after 451 to {verb}"), || queue(&a).is_empty().then_some(()));
            let whole = if verb == "." { 2 } else { 1 };
            assert_eq!(hop.count("Subject: later"), whole, "451 to {verb}: {:?}", hop.heard());
        }
    });
}

#[test]
fn a_connection_that_breaks_before_the_reply_is_tried_again() {
    on_both(|runtime| {
        for verb in ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "."] {
            let hop = Hop::start(&[(verb, &["!", usual(verb)])]);
            let (_dns, a) = through(runtime, &hop);
            submit_to(&a, &["x@c.test"], &text("broken", "body"));
            eventually(&format!("an empty queue after a break at {verb}"), || queue(&a).is_empty().then_some(()));
            assert!(hop.count("Subject: broken") >= 1, "{verb}: {:?}", hop.heard());
        }
    });
}

#[test]
fn what_is_too_old_bounces() {
    on_both(|runtime| {
        let hop = Hop::start(&[("RCPT", &["450 4.2.1 mailbox busy"])]);
        let (_dns, a) = through_with(runtime, &hop, |config| config.relay.schedule.expire = Duration::from_secs(2));
        submit_to(&a, &["x@c.test"], &text("too old", "body"));
        let bounce = bounce(&a);
        tells(&bounce, &["x@c.test", "450 4.2.1 mailbox busy"]);
        assert!(queue(&a).is_empty());
        assert!(hop.count("RCPT") >= 2, "it was tried more than once: {:?}", hop.heard());
    });
}

#[test]
fn one_recipient_refused_and_one_taken_make_one_copy_and_one_bounce() {
    on_both(|runtime| {
        let hop = Hop::start(&[("RCPT", &["550 5.1.1 who?", "250 2.1.5 ok"])]);
        let (_dns, a) = through(runtime, &hop);
        submit_to(&a, &["gone@c.test", "here@c.test"], &text("half", "body"));
        let bounce = bounce(&a);
        tells(&bounce, &["gone@c.test", "550 5.1.1 who?", "Status: 5.1.1"]);
        assert_eq!(hop.count("Subject: half"), 1, "{:?}", hop.heard());
    });
}

#[test]
fn domains_that_take_no_mail_bounce_at_once() {
    on_both(|runtime| {
        let dns = Dns::start(&[
            ("null.test", Rtype::MX, Answer::Records(vec![Record::Mx(0, ".")])),
            ("empty.test", Rtype::MX, Answer::NoData),
            ("loop.test", Rtype::MX, Answer::Records(vec![Record::Mx(10, "mx.a.test"), Record::Mx(20, "other.test")])),
            ("other.test", Rtype::A, Answer::Records(vec![Record::Address([127, 0, 0, 1].into())])),
            ("mx.a.test", Rtype::A, Answer::Records(vec![Record::Address([127, 0, 0, 1].into())])),
        ]);
        // RFC 7505 section 4.1 (null MX), RFC 5321 section 5.1 (no such domain; ourselves).
        for (domain, status) in
            [("null.test", "5.1.10"), ("empty.test", "5."), ("missing.test", "5.1.2"), ("loop.test", "5.4.6")]
        {
            let a = first(runtime, &dns, 1, |_| {});
            let to = format!("x@{domain}");
            submit_to(&a, &[&to], &text("nowhere", "body"));
            tells(&bounce(&a), &[&to, &format!("Status: {status}")]);
            assert!(queue(&a).is_empty(), "{domain}");
        }
    });
}

/// RFC 5321 section 4.5.5, RFC 3464 section 2: a bounce that fails is not bounced.
#[test]
fn nothing_is_told_to_the_null_sender() {
    on_both(|runtime| {
        let hop = Hop::start(&[("RCPT", &["550 5.1.1 who?"])]);
        let (_dns, a) = through_with(runtime, &hop, |config| {
            config.relay.networks = vec![Network::parse("127.0.0.1").expect("an address")];
        });
        let reply = Smtp::hello(&a, Listener::Smtp).send("", &["x@c.test"], &text("null", "body"));
        assert_eq!(reply.code, 250, "{reply:?}");
        eventually("an empty queue", || queue(&a).is_empty().then_some(()));
        assert_eq!(hop.count("RCPT"), 1, "tried once, and nothing else was sent: {:?}", hop.heard());
    });
}

/// RFC 6152 section 3.
#[test]
fn eight_bit_mail_goes_to_no_host_that_lacks_8bitmime() {
    on_both(|runtime| {
        let hop = Hop::start(&[("EHLO", &["250-hop.test\r\n250 ENHANCEDSTATUSCODES"])]);
        let (_dns, a) = through(runtime, &hop);
        submit_to(&a, &["x@c.test"], &text("gr\u{fc}n", "\u{fc}"));
        tells(&bounce(&a), &["Status: 5.6."]);
        assert_eq!(hop.count("DATA"), 0, "{:?}", hop.heard());
        submit_to(&a, &["x@c.test"], &text("seven", "bits"));
        eventually("plain ASCII", || (hop.count("Subject: seven") == 1).then_some(()));
    });
}

/// RFC 7435: encryption where it can be had, mail in any case; but not where it is required.
#[test]
fn tls_that_fails_costs_no_mail_unless_it_is_required() {
    on_both(|runtime| {
        for reply in ["454 4.7.0 not now", "220 go ahead and meet garbage"] {
            let script: &[(&str, &[&str])] =
                &[("EHLO", &["250-hop.test\r\n250-8BITMIME\r\n250 STARTTLS"]), ("STARTTLS", &[reply])];
            let hop = Hop::start(script);
            let (_dns, a) = through(runtime, &hop);
            submit_to(&a, &["x@c.test"], &text("opportunistic", "body"));
            eventually("mail in plaintext", || (hop.count("Subject: opportunistic") == 1).then_some(()));
            let hop = Hop::start(script);
            let (_dns, a) = through_with(runtime, &hop, |config| config.relay.tls = RelayTls::Required);
            submit_to(&a, &["x@c.test"], &text("required", "body"));
            eventually("a first attempt", || queue(&a).iter().any(|entry| entry.attempts > 0).then_some(()));
            assert_eq!(hop.count("MAIL"), 0, "{:?}", hop.heard());
        }
    });
}

#[test]
fn the_queue_is_managed_while_the_server_runs() {
    on_both(|runtime| {
        let hop = Hop::start(&[("RCPT", &["450 4.2.1 busy", "250 2.1.5 ok"])]);
        let (_dns, a) = through_with(runtime, &hop, |config| {
            config.relay.schedule.retry = vec![Duration::from_secs(3600)];
        });
        submit_to(&a, &["x@c.test"], &text("managed", "body"));
        let entry = eventually("a first attempt", || queue(&a).into_iter().find(|entry| entry.attempts > 0));
        assert_eq!((entry.sender.as_str(), entry.recipient.as_str()), (ALICE, "x@c.test"));
        assert!(entry.last_error.as_deref().is_some_and(|error| error.contains("450 4.2.1 busy")), "{entry:?}");
        assert!(matches!(a.admin(Admin::QueueRetry(entry.id)), Done::Nothing));
        eventually("the second attempt", || (hop.count("Subject: managed") == 1).then_some(()));
        eventually("an empty queue", || queue(&a).is_empty().then_some(()));
    });
}
