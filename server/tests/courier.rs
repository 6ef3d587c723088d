//! The courier's decisions that need no host: what is put into mailboxes here, what is late,
//! whom a message that requires TLS may meet, and how long a report is tried.

use std::sync::Arc;
use std::time::Duration;

use postkern::Instant;
use postkern::smtp::{ByMode, DeliverBy};
use postkern_server::config::{Config, RelayTls, StaticRoute};
use postkern_server::dns;
use postkern_server::job::{AccountId, Done, Failure, Job, QueueId, Report, Timestamp};
use postkern_server::queue::{Attempt, LEASE, Outcome, Remote, Terms};
use postkern_server::relay::{ATTEMPT_MAX, Courier, Errand};
use postkern_server::service::{Endpoint, Pause};

fn attempt(terms: Terms) -> Attempt {
    Attempt {
        id: QueueId(7),
        domain: "far.test".into(),
        account: None,
        sender: "ann@a.test".into(),
        terms,
        recipients: vec![Remote::new("x@far.test"), Remote::new("y@far.test")],
        size: 100,
        eight_bit: false,
        queued: Timestamp(1000),
        leased: Timestamp(1600),
        attempts: 0,
    }
}

fn config(routes: &[StaticRoute], tls: RelayTls) -> Arc<Config> {
    let mut config = Config::new("mail.a.test", &["a.test"], "data".into());
    (config.relay.routes, config.relay.tls) = (routes.to_vec(), tls);
    Arc::new(config)
}

fn courier(attempt: Attempt) -> Courier {
    Courier::new(config(&[], RelayTls::Opportunistic), attempt, None, None)
}

/// The report that is next.
#[track_caller]
fn report(courier: &mut Courier) -> Box<Report> {
    match courier.next_errand() {
        Errand::Job(Job::Report(report)) => report,
        other => panic!("no report: {other:?}"),
    }
}

/// The status that all recipients have.
#[track_caller]
fn failed(courier: &mut Courier) -> String {
    let report = report(courier);
    let Outcome::Failed(why) = &report.outcomes[0] else { panic!("{:?}", report.outcomes) };
    assert!(report.outcomes.iter().all(|outcome| *outcome == report.outcomes[0]));
    why.status.clone()
}

#[test]
fn what_was_held_for_an_account_here_meets_no_host() {
    let recipients = vec![Remote::new("bob@a.test")];
    let held = Attempt { domain: String::new(), account: Some(AccountId(3)), recipients, ..attempt(Terms::default()) };
    let report = report(&mut courier(held));
    assert!(matches!(&report.outcomes[..], [Outcome::Delivered(handover)] if handover.is_final));
}

/// RFC 2852 section 4.1.
#[test]
fn what_is_late_and_to_be_returned_meets_no_host() {
    let by = |seconds, mode| attempt(Terms { by: Some(DeliverBy { seconds, mode, trace: false }), ..Terms::default() });
    assert_eq!(failed(&mut courier(by(600, ByMode::Return))), "5.4.7");
    for attempt in [by(601, ByMode::Return), by(600, ByMode::Notify)] {
        assert!(matches!(courier(attempt).next_errand(), Errand::Resolve(_)));
    }
}

/// RFC 8689 section 4.2.
#[test]
fn tls_is_as_the_sender_the_route_and_the_configuration_have_it() {
    let plain = StaticRoute::new("far.test", "relay.test", 25);
    let route = |tls| StaticRoute { tls, ..plain.clone() };
    let implicit = StaticRoute { implicit_tls: true, tls: Some(RelayTls::Verified), ..plain.clone() };
    let required = Terms { require_tls: true, ..Terms::default() };
    let optional = Terms { tls_optional: true, ..Terms::default() };
    for (terms, route, tls, is) in [
        (Terms::default(), plain.clone(), RelayTls::Opportunistic, (false, false)),
        (Terms::default(), plain.clone(), RelayTls::Verified, (true, false)),
        (Terms::default(), route(Some(RelayTls::Verified)), RelayTls::None, (true, false)),
        (Terms::default(), route(Some(RelayTls::None)), RelayTls::Verified, (false, false)),
        (Terms::default(), implicit.clone(), RelayTls::None, (true, true)),
        (required.clone(), plain.clone(), RelayTls::None, (true, false)),
        (required.clone(), route(Some(RelayTls::None)), RelayTls::None, (true, false)),
        (optional.clone(), plain.clone(), RelayTls::Verified, (false, false)),
        (optional.clone(), implicit.clone(), RelayTls::None, (true, true)),
        // RFC 8689 section 4.1: REQUIRETLS counts.
        (Terms { tls_optional: true, ..required.clone() }, plain.clone(), RelayTls::None, (true, false)),
    ] {
        let mut courier = Courier::new(config(&[route], tls), attempt(terms.clone()), None, None);
        let Errand::Resolve(_) = courier.next_errand() else { panic!("the host has a name") };
        courier.resolved(dns::Outcome::Addresses(vec!["192.0.2.1".parse().unwrap()]));
        let Errand::Resolve(_) = courier.next_errand() else { panic!("AAAA") };
        courier.resolved(dns::Outcome::None);
        let Errand::Connect { verify, tls, .. } = courier.next_errand() else { panic!("it has an address") };
        assert_eq!((verify, tls), is, "{terms:?}");
    }
    // Hosts out of DNS.
    let mx = dns::Outcome::Mx(vec![(10, "mx.far.test".into())]);
    let mut first = courier(attempt(required.clone()));
    let Errand::Resolve(_) = first.next_errand() else { panic!("MX") };
    first.resolved(mx.clone());
    assert_eq!(failed(&mut first), "5.7.30");
    // RFC 8689 section 5: a report goes out all the same.
    let mut second = courier(Attempt { sender: String::new(), ..attempt(required) });
    let Errand::Resolve(_) = second.next_errand() else { panic!("MX") };
    second.resolved(mx);
    assert!(matches!(second.next_errand(), Errand::Resolve(_)));
}

/// RFC 8689 section 4.2.1.
#[test]
fn a_host_without_tls_for_a_message_that_requires_it_is_no_host() {
    let required = Terms { require_tls: true, ..Terms::default() };
    let config = config(&[StaticRoute::new("far.test", "192.0.2.1", 25)], RelayTls::Opportunistic);
    let offers: &[u8] = b"250-x\r\n250 STARTTLS\r\n";
    for (terms, replies, is) in [
        (required.clone(), [&b"220 x\r\n"[..], &b"250 x\r\n"[..], &b"221 x\r\n"[..]], Some("5.7.10")),
        (required.clone(), [b"220 x\r\n", offers, b"454 x\r\n"], Some("5.7.10")),
        (required.clone(), [b"220 x\r\n", b"421 x\r\n", b"221 x\r\n"], None),
        (required.clone(), [b"421 x\r\n", b"", b""], None),
        (Terms { require_tls: false, ..required }, [b"220 x\r\n", offers, b"421 x\r\n"], None),
    ] {
        let mut courier = Courier::new(config.clone(), attempt(terms), None, None);
        let Errand::Connect { .. } = courier.next_errand() else { panic!("the host is an address") };
        courier.connected(None);
        let mut replies = replies.into_iter();
        let close = loop {
            match courier.run(Instant::from_millis(0)) {
                Pause::Closed(close) => break close,
                Pause::Read => {
                    let (space, out) = courier.io();
                    let (reply, said) = (replies.next().unwrap_or_default(), out.len());
                    space[..reply.len()].copy_from_slice(reply);
                    courier.sent(said);
                    courier.filled(reply.len());
                }
                Pause::Flush => {
                    let said = courier.io().1.len();
                    courier.sent(said);
                }
                other => panic!("{other:?}"),
            }
        };
        courier.disconnected(Some(close), "");
        match is {
            Some(status) => assert_eq!(failed(&mut courier), status),
            None => assert!(matches!(report(&mut courier).outcomes[..], [Outcome::Deferred(_), ..])),
        }
    }
}

#[test]
fn a_report_is_tried_while_the_lease_lasts() {
    let held = Attempt { account: Some(AccountId(3)), ..attempt(Terms::default()) };
    let (mut patient, mut rested, mut tries) = (courier(held.clone()), Duration::ZERO, 0);
    loop {
        match patient.next_errand() {
            Errand::Job(_) => {
                tries += 1;
                patient.reported(Done::Failed(Failure::Full));
            }
            Errand::Rest(time) => {
                rested += time;
                patient.rested(false);
            }
            Errand::Over => break,
            other => panic!("{other:?}"),
        }
    }
    assert!((30..100).contains(&tries) && rested + ATTEMPT_MAX < LEASE, "{tries} tries in {rested:?}");
    // A server that stops has one more.
    let mut hurried = courier(held);
    report(&mut hurried);
    hurried.reported(Done::Failed(Failure::Full));
    assert!(matches!(hurried.next_errand(), Errand::Rest(time) if time < Duration::from_secs(5)));
    hurried.rested(true);
    report(&mut hurried);
    hurried.reported(Done::Failed(Failure::Full));
    assert!(matches!(hurried.next_errand(), Errand::Over));
}

/// Answers what the courier says until it closes, and returns its commands.
fn converse(courier: &mut Courier, answer: impl Fn(&str) -> &'static str) -> Vec<String> {
    let (mut said, mut commands, mut replies) = (Vec::new(), Vec::new(), b"220 far.test\r\n".to_vec());
    loop {
        let pause = courier.run(Instant::from_millis(0));
        let output = courier.io().1.to_vec();
        courier.sent(output.len());
        said.extend_from_slice(&output);
        while let Some(end) = said.windows(2).position(|end| end == b"\r\n") {
            let line = String::from_utf8(said.drain(..end + 2).take(end).collect()).unwrap();
            replies.extend_from_slice(answer(&line).as_bytes());
            commands.push(line);
        }
        match pause {
            Pause::Read => {
                assert!(!replies.is_empty(), "nothing to say behind {commands:?}");
                let len = courier.io().0.len().min(replies.len());
                courier.io().0[..len].copy_from_slice(&replies[..len]);
                replies.drain(..len);
                courier.filled(len);
            }
            Pause::Flush => {}
            Pause::Job(Job::ReadQueued { .. }) => courier.done(Done::Octets(vec![b'x'; 100])),
            Pause::Closed(close) => {
                courier.disconnected(Some(close), "");
                return commands;
            }
            other => panic!("{other:?}"),
        }
    }
}

/// RFC 9422: another connection is for whom the first had no room, and not for whom it deferred.
#[test]
fn whom_a_host_defers_is_not_sent_again_at_once_with_whom_it_postpones() {
    let plain = StaticRoute { tls: Some(RelayTls::None), ..StaticRoute::new("far.test", "192.0.2.1", 25) };
    let recipients = ["x@far.test", "y@far.test", "z@far.test"].map(Remote::new).to_vec();
    let attempt = Attempt { recipients, ..attempt(Terms::default()) };
    let mut courier = Courier::new(config(&[plain], RelayTls::None), attempt, None, None);
    let mut asked = Vec::new();
    for _ in 0..2 {
        let Errand::Connect { .. } = courier.next_errand() else { panic!("a host with an address") };
        courier.connected(None);
        let commands = converse(&mut courier, |line| match line.split([' ', ':']).next() {
            Some("EHLO") => "250-far.test\r\n250 LIMITS MAILMAX=1 RCPTMAX=2\r\n",
            Some("RCPT") if line.contains("<y@") => "450 4.7.1 greylisted\r\n",
            Some("DATA") => "354 go on\r\n",
            Some("MAIL" | "RCPT" | "." | "QUIT") => "250 ok\r\n",
            _ => "",
        });
        asked.push(commands.into_iter().filter(|line| line.starts_with("RCPT")).collect::<Vec<_>>());
    }
    let rcpt = |name| format!("RCPT TO:<{name}@far.test>");
    assert_eq!(asked, [vec![rcpt("x"), rcpt("y")], vec![rcpt("z")]]);
    let outcomes = report(&mut courier).outcomes;
    assert!(
        matches!(&outcomes[..], [Outcome::Delivered(_), Outcome::Deferred(why), Outcome::Delivered(_)] if why.status == "4.7.1"),
        "{outcomes:?}"
    );
}
