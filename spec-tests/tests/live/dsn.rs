//! What the sender asked for: reports, time, TLS, and the way.

use std::time::{Duration, Instant};

use domain::base::Rtype;
use postkern_server::config::{Config, Listener, RelayTls, RouteLogin, StaticRoute};
use postkern_server::job::Secret;
use postkern_store::runtime::Runtime;

use crate::harness::{Answer, Dns, Hop, PASSWORD, Record, Server, Smtp, arrived, eventually, on_both, stuffed, text};
use crate::relay::{first, mail_of, second};
use crate::relay_failures::{queue, through, through_with};

const ALICE: &str = "alice@a.test";
/// A hop's answer to EHLO that offers all that it may be asked for.
const ALL: &str = "250-hop.test\r\n250-8BITMIME\r\n250-PIPELINING\r\n250-DSN\r\n250-MT-PRIORITY\r\n250-DELIVERBY\r\n\
                   250 RRVS";

/// Submits one message with parameters.
#[track_caller]
fn submit(server: &Server, mail: &str, to: &[&str], message: &[u8]) {
    let mut smtp = Smtp::login(server, ALICE);
    smtp.expect(250, &format!("MAIL FROM:<{ALICE}> {mail}"));
    for to in to {
        smtp.expect(250, &format!("RCPT TO:{to}"));
    }
    smtp.expect(354, "DATA");
    smtp.put(stuffed(message));
    let reply = smtp.reply();
    assert_eq!(reply.code, 250, "{reply:?}");
}

/// The one message that Alice has.
#[track_caller]
fn told(server: &Server) -> String {
    let all = mail_of(server, ALICE, 1);
    assert_eq!(all.len(), 1, "one report");
    String::from_utf8_lossy(&all[0]).into_owned()
}

#[track_caller]
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

#[track_caller]
fn emptied(server: &Server) {
    eventually("an empty queue", || queue(server).is_empty().then_some(()));
}

/// RFC 3461 section 5.2.3.
#[test]
fn delivery_here_is_reported_where_asked_for() {
    on_both(|runtime| {
        let a = Server::start_with(runtime, |config| config.domains = vec!["a.test".into()]);
        let to = ["<bob@a.test> NOTIFY=SUCCESS ORCPT=rfc822;old+2Bbob@a.test", "<carol@a.test> NOTIFY=FAILURE"];
        submit(&a, "ENVID=QQ+20314 RET=FULL", &to, &text("delivered", "body"));
        let report = told(&a);
        has(
            &report,
            &[
                "Return-Path: <>\r\n",
                "Subject: Delivered mail\r\n",
                "Original-Envelope-Id: QQ 314\r\n",
                "Original-Recipient: rfc822; old+bob@a.test\r\nFinal-Recipient: rfc822; bob@a.test\r\n\
                 Action: delivered\r\nStatus: 2.0.0\r\n",
                "Subject: delivered\r\n",
            ],
        );
        assert!(!report.contains("carol@a.test\r\nAction") && !report.contains("\r\nbody\r\n"), "{report}");
        assert_eq!(mail_of(&a, "bob@a.test", 1).len(), 1);
    });
}

/// RFC 3461 sections 5.2.1 and 5.2.2.
#[test]
fn who_takes_dsn_reports_and_for_others_we_do() {
    on_both(|runtime| {
        let hop = Hop::start(&[]);
        let (_dns, a) = through(runtime, &hop);
        submit(
            &a,
            "ENVID=x RET=HDRS",
            &["<x@c.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x@c.test"],
            &text("relayed", "b"),
        );
        has(&told(&a), &["Action: relayed\r\n", "Original-Envelope-Id: x\r\n", "Remote-MTA: dns; 127.0.0.1\r\n"]);
        assert_eq!(hop.count("MAIL FROM:<alice@a.test>"), 1);
        assert!(!hop.heard().iter().any(|line| line.contains("NOTIFY") || line.contains("ENVID")), "{:?}", hop.heard());
        let hop = Hop::start(&[("EHLO", &[ALL])]);
        let (_dns, a) = through(runtime, &hop);
        let to = ["<x@c.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;X+40c.test", "<y@c.test> NOTIFY=NEVER", "<z@c.test>"];
        submit(&a, "ENVID=x RET=HDRS MT-PRIORITY=-3 BY=600;N", &to, &text("handed on", "b"));
        emptied(&a);
        let heard = hop.heard();
        let mail = heard.iter().find(|line| line.starts_with("MAIL")).expect("said");
        has(mail, &[" ENVID=x", " RET=HDRS", " MT-PRIORITY=-3", " BY="]);
        for rcpt in [
            "RCPT TO:<x@c.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;X+40c.test",
            "RCPT TO:<y@c.test> NOTIFY=NEVER",
            "RCPT TO:<z@c.test>",
        ] {
            assert!(heard.iter().any(|line| line == rcpt), "no {rcpt} in {heard:?}");
        }
        assert!(crate::harness::Pop3::login(&a, ALICE).list("LIST").is_empty(), "the hop reports");
    });
}

/// RFC 3461 sections 4.3 and 5.2.6.
#[test]
fn failures_are_told_as_asked_for() {
    on_both(|runtime| {
        let hop = Hop::start(&[("RCPT", &["550 5.1.1 who?"])]);
        let (_dns, a) = through(runtime, &hop);
        submit(&a, "", &["<x@c.test> NOTIFY=NEVER", "<y@c.test> NOTIFY=SUCCESS,DELAY"], &text("unwanted", "b"));
        emptied(&a);
        let long = "a line of the message\r\n".repeat(5000);
        submit(&a, "RET=FULL", &["<x@c.test> NOTIFY=FAILURE"], &text("wanted", &long));
        let report = told(&a);
        has(
            &report,
            &["Action: failed\r\nStatus: 5.1.1\r\n", "Content-Type: message/rfc822\r\n", "Subject: wanted\r\n"],
        );
        assert_eq!(report.matches("a line of the message\r\n").count(), 5000);
    });
}

/// RFC 3461 section 5.2.5.
#[test]
fn a_delay_is_told_once() {
    on_both(|runtime| {
        let hop = Hop::start(&[("RCPT", &["450 4.2.1 busy"])]);
        let (_dns, a) = through_with(runtime, &hop, |config| config.relay.schedule.warn = Some(Duration::from_secs(1)));
        submit(&a, "", &["<x@c.test>"], &text("slow", "b"));
        has(&told(&a), &["Subject: Delayed mail\r\n", "Action: delayed\r\nStatus: 4.2.1\r\n", "Will-Retry-Until: "]);
        let tried = hop.count("RCPT");
        eventually("two more attempts", || (hop.count("RCPT") >= tried + 2).then_some(()));
        assert_eq!(mail_of(&a, ALICE, 1).len(), 1, "told once");
        assert_eq!(queue(&a).len(), 1);
    });
}

/// RFC 4865.
#[test]
fn what_is_held_is_sent_on_when_its_time_has_come() {
    on_both(|runtime| {
        let hop = Hop::start(&[]);
        let (_dns, a) = through(runtime, &hop);
        let began = Instant::now();
        submit(&a, "HOLDFOR=3", &["<bob@a.test>", "<x@c.test>"], &text("later", "b"));
        assert_eq!(queue(&a).len(), 2);
        arrived("here", &mail_of(&a, "bob@a.test", 1)[0], &text("later", "b"));
        eventually("there", || (hop.count("Subject: later") == 1).then_some(()));
        // The store's clock has seconds: the first may be over almost at once.
        assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
        emptied(&a);
    });
}

/// RFC 2852.
#[test]
fn what_is_late_comes_back() {
    on_both(|runtime| {
        let hop = Hop::start(&[("EHLO", &[ALL]), ("RCPT", &["450 4.2.1 busy"])]);
        let (_dns, a) = through(runtime, &hop);
        submit(&a, "BY=2;R", &["<x@c.test>"], &text("late", "b"));
        has(&told(&a), &["Action: failed\r\nStatus: 5.4.7\r\n"]);
        emptied(&a);
    });
}

/// RFC 8689 section 4.2.1.
#[test]
fn mail_that_requires_tls_goes_where_that_is_sure_or_comes_back() {
    on_both(|runtime| {
        // What DNS names is not sure.
        let b = second(runtime);
        let dns = Dns::for_domain("b.test", "mx.b.test");
        let a = first(runtime, &dns, b.address(Listener::Smtp).port(), |_| {});
        submit(&a, "REQUIRETLS RET=FULL", &["<bob@b.test>"], &text("by dns", "the body"));
        let report = told(&a);
        has(&report, &["Status: 5.7.30\r\n"]);
        // RFC 8689 section 5: as if RET=HDRS was asked for.
        assert!(!report.contains("the body"), "{report}");
        // A host without TLS, one whose certificate nobody knows, and one without the extension.
        let hop = Hop::start(&[]);
        let (_dns, a) = through(runtime, &hop);
        submit(&a, "REQUIRETLS", &["<x@c.test>"], &text("no tls", "b"));
        has(&told(&a), &["Status: 5.7.10\r\n"]);
        assert_eq!(hop.count("MAIL"), 0, "{:?}", hop.heard());
        let a = to_second(runtime, &b, |config| config.relay.ca_file = None);
        submit(&a, "REQUIRETLS", &["<bob@b.test>"], &text("unknown", "b"));
        has(&told(&a), &["Status: 5.7.10\r\n"]);
    });
}

/// A server of `a.test` that hands mail for `b.test` to that server, by a route.
fn to_second(runtime: &'static dyn Runtime, b: &Server, edit: impl FnOnce(&mut Config)) -> Server {
    let dns = Dns::start(&[]);
    first(runtime, &dns, 1, |config| {
        config.relay.routes = vec![StaticRoute::new("b.test", "127.0.0.1", b.address(Listener::Smtp).port())];
        edit(config);
    })
}

/// RFC 8689 section 4.2.2.
#[test]
fn mail_that_does_without_tls_goes_where_there_is_none() {
    on_both(|runtime| {
        let hop = Hop::start(&[]);
        let (_dns, a) = through_with(runtime, &hop, |config| config.relay.tls = RelayTls::Required);
        submit(&a, "", &["<x@c.test>"], &[b"TLS-Required: No\r\n".as_slice(), &text("optional", "b")].concat());
        eventually("in plaintext", || (hop.count("Subject: optional") == 1).then_some(()));
        submit(&a, "", &["<x@c.test>"], &text("required", "b"));
        eventually("an attempt", || queue(&a).iter().any(|entry| entry.attempts > 0).then_some(()));
        assert_eq!(hop.count("Subject: required"), 0);
    });
}

/// RFC 6152 section 3.
#[test]
fn eight_bit_mail_is_re_encoded_for_a_host_without_8bitmime() {
    on_both(|runtime| {
        let hop = Hop::start(&[("EHLO", &["250-hop.test\r\n250-SIZE 1000000\r\n250 PIPELINING"])]);
        let (_dns, a) = through(runtime, &hop);
        let body = "gr\u{fc}n\r\n".repeat(20_000);
        let message = format!(
            "Subject: eight\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: 8bit\r\n\r\n{body}"
        );
        submit(&a, "BODY=8BITMIME", &["<x@c.test>"], message.as_bytes());
        emptied(&a);
        let heard = hop.heard();
        assert!(heard.iter().all(|line| line.is_ascii()), "no octet over 127");
        assert_eq!(heard.iter().filter(|line| *line == "gr=C3=BCn").count(), 20_000);
        assert!(heard.iter().any(|line| line == "Content-Transfer-Encoding: quoted-printable"));
        // The size that was announced is what came.
        let start = heard.iter().position(|line| line == "DATA").expect("DATA") + 1;
        let end = heard.iter().position(|line| line == ".").expect("its end");
        let octets: usize = heard[start..end].iter().map(|line| line.len() + 2).sum();
        assert!(heard.iter().any(|line| line.ends_with(&format!(" SIZE={octets}"))), "{octets}: {:?}", &heard[..4]);
    });
}

/// RFC 9422.
#[test]
fn a_host_is_given_no_more_recipients_than_it_takes() {
    on_both(|runtime| {
        let hop = Hop::start(&[("EHLO", &["250-hop.test\r\n250-PIPELINING\r\n250 LIMITS RCPTMAX=2 MAILMAX=2"])]);
        let (_dns, a) = through(runtime, &hop);
        let to: Vec<String> = (0..7).map(|number| format!("<u{number}@c.test>")).collect();
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        submit(&a, "", &to, &text("limits", "b"));
        emptied(&a);
        let heard = hop.heard();
        let count = |what: &str| heard.iter().filter(|line| line.starts_with(what)).count();
        assert_eq!((count("EHLO"), count("MAIL"), count("RCPT"), count("Subject: limits")), (2, 4, 7, 4), "{heard:?}");
        let most = heard
            .split(|line| line.starts_with("MAIL"))
            .map(|part| part.iter().filter(|line| line.starts_with("RCPT")).count());
        assert_eq!(most.max(), Some(2));
    });
}

/// RFC 2033, and mail of domains that we hand on.
#[test]
fn a_domain_is_handed_on_by_lmtp_for_anyone() {
    on_both(|runtime| {
        let b = second(runtime);
        let a = to_second(runtime, &b, |config| {
            let route = StaticRoute::new("b.test", "127.0.0.1", b.address(Listener::Lmtp).port());
            config.relay.routes = vec![StaticRoute { lmtp: true, ..route }];
            config.relay.domains = vec!["b.test".into()];
        });
        let mut smtp = Smtp::hello(&a, Listener::Smtp);
        let reply = smtp.send("x@remote.test", &["bob@b.test", "carol@B.Test"], &text("by lmtp", "b"));
        assert_eq!(reply.code, 250, "{reply:?}");
        for account in ["bob@b.test", "carol@b.test"] {
            arrived(account, &mail_of(&b, account, 1)[0], &text("by lmtp", "b"));
        }
        let mut smtp = Smtp::hello(&a, Listener::Smtp);
        smtp.expect(250, "MAIL FROM:<x@remote.test>");
        smtp.expect(550, "RCPT TO:<x@c.test>");
        emptied(&a);
    });
}

/// RFC 4954, RFC 8314: a smarthost that wants to know us.
#[test]
fn we_log_in_where_a_route_says_so() {
    on_both(|runtime| {
        let b = Server::start_with(runtime, |config| {
            config.domains = vec!["b.test".into()];
            config.aliases.insert(ALICE.into(), vec!["alice@b.test".into()]);
        });
        // What SCRAM needs is made when the password is first seen.
        drop(Smtp::login(&b, "alice@b.test"));
        for (listener, implicit_tls) in [(Listener::Submissions, true), (Listener::Submission, false)] {
            let a = trusting(runtime, &b, |config| {
                config.relay.routes = vec![StaticRoute {
                    tls: Some(RelayTls::Verified),
                    implicit_tls,
                    login: Some(RouteLogin {
                        name: "alice@b.test".into(),
                        password_file: "unread".into(),
                        password: Secret(PASSWORD.into()),
                    }),
                    ..StaticRoute::new("*", "127.0.0.1", b.address(listener).port())
                }];
            });
            submit(&a, "", &["<bob@b.test>"], &text("logged in", "b"));
            emptied(&a);
        }
        assert_eq!(mail_of(&b, "bob@b.test", 2).len(), 2);
        // A password that is wrong loses no mail.
        let a = trusting(runtime, &b, |config| {
            let password = Secret(b"wrong".to_vec());
            let login = RouteLogin { name: "alice@b.test".into(), password_file: "unread".into(), password };
            config.relay.routes = vec![StaticRoute {
                tls: Some(RelayTls::Verified),
                implicit_tls: true,
                login: Some(login),
                ..StaticRoute::new("*", "127.0.0.1", b.address(Listener::Submissions).port())
            }];
        });
        submit(&a, "", &["<bob@b.test>"], &text("refused", "b"));
        let waits = || queue(&a).into_iter().find(|entry| entry.attempts > 0);
        let error = eventually("an attempt", waits).last_error.expect("it failed");
        assert!(error.starts_with("4.7.8 535 "), "{error}");
    });
}

/// A server of `a.test` that trusts the other's certificate: both have the same.
fn trusting(runtime: &'static dyn Runtime, b: &Server, edit: impl FnOnce(&mut Config)) -> Server {
    let folder = tempfile::tempdir().expect("a temporary folder").keep();
    Server::start_as(runtime, &folder, b.authority.clone(), |config| {
        config.domains = vec!["a.test".into()];
        config.hostname = "mx.a.test".into();
        edit(config);
    })
}

/// RFC 8689 section 4.2.1, all of it.
#[test]
fn mail_that_requires_tls_goes_by_a_route_that_is_sure() {
    on_both(|runtime| {
        let b = second(runtime);
        let a = trusting(runtime, &b, |config| {
            config.relay.routes = vec![StaticRoute::new("b.test", "127.0.0.1", b.address(Listener::Smtp).port())];
        });
        submit(&a, "REQUIRETLS", &["<bob@b.test>"], &text("sure", "b"));
        arrived("over verified TLS", &mail_of(&b, "bob@b.test", 1)[0], &text("sure", "b"));
        emptied(&a);
    });
}

#[test]
fn one_slow_domain_does_not_take_all_relays() {
    on_both(|runtime| {
        // It answers nothing: each attempt holds its relay.
        let slow = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let hop = Hop::start(&[]);
        let dns = Dns::start(&[("c.test", Rtype::MX, Answer::Records(vec![Record::Mx(10, ".")]))]);
        let a = first(runtime, &dns, 1, |config| {
            let route = |domain, port| StaticRoute::new(domain, "127.0.0.1", port);
            config.relay.routes =
                vec![route("slow.test", slow.local_addr().expect("bound").port()), route("*", hop.address.port())];
            (config.limits.relays, config.limits.relays_per_domain) = (3, 2);
        });
        for number in 0..5 {
            submit(&a, "", &[&format!("<u{number}@slow.test>")], &text("slow", "b"));
        }
        submit(&a, "", &["<x@c.test>"], &text("quick", "b"));
        eventually("the other's mail", || (hop.count("Subject: quick") == 1).then_some(()));
        eventually("the slow one's alone in the queue", || (queue(&a).len() == 5).then_some(()));
    });
}
