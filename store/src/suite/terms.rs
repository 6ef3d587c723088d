//! What senders ask: order, time, and reports.

use std::time::Duration;

use postkern::smtp::{ByMode, DeliverBy, Hold, Notify, Priority, Ret};
use postkern_server::job::{AccountId, Commit, Done, Job, Local, QueueId, Reporter, Timestamp};
use postkern_server::queue::{Attempt, Outcome, RecipientTerms, Remote, Terms};

use super::bench::{Bench, commit, message, unexpected};
use super::queue::{deferred, delivered, failed, nothing_due, only, tell};
use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case("what the sender asked is kept", terms_are_kept),
    case("what has priority goes first", priority_goes_first),
    case("one domain takes its share only", domains_take_their_share),
    case("what is held waits, here and elsewhere", held_waits),
    case("a held message for an account that is gone fails", held_for_nobody),
    case("a domain is flushed, but for what is held", flushed),
    case("delivery here is reported where asked for", delivery_is_reported),
    case("an alias of several is reported where asked for", expansion_is_reported),
    case("relaying is reported where asked for", relaying_is_reported),
    case("a delay is told once", delay_is_told_once),
    case("failures are told only to those who want it", failures_unwanted),
    case("a failed message is returned whole where asked for", whole_is_returned),
    case("a report keeps the priority and the TLS of its message", report_keeps_terms),
];

fn asking(notify: Notify) -> RecipientTerms {
    RecipientTerms { notify: Some(notify), ..RecipientTerms::default() }
}

fn to(address: &str, notify: Notify) -> Remote {
    Remote { address: address.into(), terms: asking(notify) }
}

/// Reports go to this address elsewhere.
fn reporter(address: &str) -> Reporter {
    let remote = vec![address.to_owned()];
    Reporter { hostname: "mx.home.example".into(), local: Vec::new(), remote, otherwise: None, whole: 200_000 }
}

/// From elsewhere, so that its reports are queued.
fn asked(terms: Terms, remote: Vec<Remote>, octets: &[u8]) -> Commit {
    let reporter = reporter("sender@else.example");
    Commit { terms, remote, reporter, ..commit(octets) }
}

fn send(bench: &Bench, terms: Terms, address: &str) -> QueueId {
    bench.commit(asked(terms, vec![Remote::new(address)], b"1"))
}

/// The report in the queue, its text.
fn report(bench: &Bench) -> String {
    let queue = bench.queue();
    let reports: Vec<_> = queue.iter().filter(|entry| entry.sender.is_empty()).collect();
    assert_eq!(reports.len(), 1, "{queue:?}");
    assert_eq!(reports[0].recipient, "sender@else.example");
    String::from_utf8(bench.whole_queued(reports[0].id)).expect("a report is ASCII here")
}

fn due(bench: &Bench, limit: usize, per_domain: usize) -> (Vec<Attempt>, Option<Duration>) {
    match bench.run(Job::Due { limit, per_domain }) {
        Done::Due { attempts, wait } => (attempts, wait),
        other => unexpected(&other),
    }
}

fn terms_are_kept(bench: &Bench) {
    let terms = Terms {
        smtp_utf8: true,
        binary: true,
        require_tls: true,
        tls_optional: true,
        ret: Some(Ret::Full),
        envid: Some("QQ+20314".into()),
        hold: None,
        by: Some(DeliverBy { seconds: 900, mode: ByMode::Return, trace: true }),
        priority: Priority::new(3),
    };
    let recipient = RecipientTerms {
        notify: Some(Notify::of(true, false, true)),
        orcpt: Some("utf-8;b\u{f6}b@b.example".into()),
        rrvs: None,
    };
    let remote = Remote { address: "b\u{f6}b@one.example".into(), terms: recipient.clone() };
    bench.commit(asked(terms.clone(), vec![remote.clone()], b"1"));
    let entry = bench.queue().remove(0);
    assert_eq!((entry.terms, entry.recipient_terms), (terms.clone(), recipient));
    let attempt = only(bench);
    assert_eq!((attempt.terms, attempt.recipients, attempt.leased), (terms, vec![remote], bench.now()));
}

fn priority_goes_first(bench: &Bench) {
    let of = |priority| Terms { priority: Priority::new(priority), ..Terms::default() };
    let mut sent = Vec::new();
    for priority in [0, -4, 9, 0, 4] {
        sent.push(send(bench, of(priority), "x@one.example"));
        bench.pass(Duration::from_secs(1));
    }
    sent.push(send(bench, Terms::default(), "x@one.example"));
    let ids: Vec<QueueId> = bench.due(10).0.iter().map(|attempt| attempt.id).collect();
    assert_eq!(ids, [sent[2], sent[4], sent[0], sent[3], sent[5], sent[1]]);
}

fn domains_take_their_share(bench: &Bench) {
    let slow: Vec<QueueId> = (0..4).map(|_| send(bench, Terms::default(), "x@slow.example")).collect();
    bench.pass(Duration::from_secs(1));
    let fast = send(bench, Terms::default(), "x@fast.example");
    let (attempts, wait) = due(bench, 10, 2);
    let ids: Vec<QueueId> = attempts.iter().map(|attempt| attempt.id).collect();
    assert_eq!(ids, [slow[0], slow[1], fast]);
    // What is held back waits for a report, and must not make anybody ask in a loop.
    assert_eq!(wait, Some(postkern_server::queue::LEASE));
    assert!(due(bench, 10, 2).0.is_empty());
    tell(bench, attempts[0].clone(), &[deferred()]);
    let (next, _) = due(bench, 10, 2);
    assert_eq!(next.iter().map(|attempt| attempt.id).collect::<Vec<_>>(), [slow[2]]);
    // A lease that is over counts no more.
    bench.pass(postkern_server::queue::LEASE);
    assert_eq!(due(bench, 10, 2).0.iter().filter(|of| of.domain == "slow.example").count(), 2);
}

fn held_waits(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    let hold = Terms { hold: Some(Hold::For(3600)), ..Terms::default() };
    let local = vec![Local {
        account: bob,
        recipient: "Bob@home.example".into(),
        terms: asking(Notify::of(true, false, false)),
    }];
    bench.commit(Commit { local, ..asked(hold, vec![Remote::new("x@one.example")], &message(70_000)) });
    assert_eq!(nothing_due(bench), Some(Duration::from_secs(3600)));
    assert!(bench.select(bob, "INBOX").uids.is_empty());
    assert_eq!(bench.queue().len(), 2);
    bench.pass(Duration::from_secs(3600));
    let (attempts, _) = bench.due(10);
    let accounts: Vec<Option<AccountId>> = attempts.iter().map(|attempt| attempt.account).collect();
    assert_eq!(accounts, [Some(bob), None]);
    assert_eq!((attempts[0].domain.as_str(), attempts[0].recipients[0].address.as_str()), ("", "Bob@home.example"));
    let done = Outcome::Delivered(postkern_server::queue::Handover { is_final: true, ..Default::default() });
    let job = |attempt: Attempt| postkern_server::job::Report {
        attempt,
        outcomes: vec![done.clone()],
        schedule: postkern_server::queue::Schedule::default(),
        reporter: reporter("sender@else.example"),
    };
    bench.run(Job::Report(Box::new(job(attempts[0].clone()))));
    let inbox = bench.select(bob, "INBOX");
    assert_eq!(inbox.uids, [1]);
    assert!(bench.whole(inbox.mailbox, 1).ends_with(&message(70_000)));
    assert!(report(bench).contains("Action: delivered\r\n"));
    // Once more, late: it is there already.
    bench.run(Job::Report(Box::new(job(attempts[0].clone()))));
    assert_eq!(bench.select(bob, "INBOX").uids, [1]);
}

fn held_for_nobody(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    let hold = Terms { hold: Some(Hold::Until(bench.now().0 as u32 + 60)), ..Terms::default() };
    let local = vec![Local::new(bob, "bob@home.example")];
    bench.commit(Commit { local, ..asked(hold, Vec::new(), b"1") });
    bench.run(Job::Admin(postkern_server::job::Admin::RemoveAccount { name: "bob@home.example".into() }));
    bench.pass(Duration::from_secs(60));
    tell(bench, only(bench), &[delivered()]);
    let text = report(bench);
    assert!(text.contains("Action: failed\r\nStatus: 5.1.1\r\n"), "{text}");
}

fn flushed(bench: &Bench) {
    let flush = |domain: &str, subdomains| match bench.run(Job::Flush { domain: domain.into(), subdomains }) {
        Done::Flushed(count) => count,
        other => unexpected(&other),
    };
    let hold = Terms { hold: Some(Hold::For(60)), ..Terms::default() };
    send(bench, hold, "x@one.example");
    let waiting = send(bench, Terms::default(), "x@one.example");
    let below = send(bench, Terms::default(), "x@sub.one.example");
    let out = send(bench, Terms::default(), "x@stone.example");
    for attempt in bench.due(10).0 {
        tell(bench, attempt, &[deferred()]);
    }
    assert_eq!(flush("two.example", true), 0);
    assert_eq!((flush("one.example", false), only(bench).id), (1, waiting));
    assert_eq!((flush("one.example", true), only(bench).id), (2, below));
    // Those that are out stay out.
    assert_eq!(flush("one.example", true), 2);
    nothing_due(bench);
    assert_eq!((flush("stone.example", false), only(bench).id), (1, out));
}

fn delivery_is_reported(bench: &Bench) {
    let (bob, eve) = (bench.account("bob@home.example"), bench.account("eve@home.example"));
    let local =
        |account, recipient: &str, notify| Local { account, recipient: recipient.into(), terms: asking(notify) };
    let wanted = Notify::of(true, true, false);
    let all = vec![
        local(bob, "bob@home.example", wanted),
        local(eve, "eve@home.example", Notify::of(false, true, true)),
        local(bob, "postmaster@home.example", wanted),
    ];
    bench.commit(Commit { local: all.clone(), ..asked(Terms::default(), Vec::new(), b"A: b\r\n\r\nc") });
    let text = report(bench);
    assert_eq!(text.matches("Action: delivered\r\nStatus: 2.0.0\r\n").count(), 2, "{text}");
    assert!(text.contains("bob@home") && text.contains("postmaster@home") && !text.contains("eve@home"), "{text}");
    assert!(text.contains("\r\nA: b\r\n") && !text.contains("\r\nc\r\n"), "{text}");
    assert_eq!(bench.select(bob, "INBOX").uids, [1]);
    // Never to the null reverse-path.
    bench.commit(Commit { local: all, reverse_path: String::new(), ..asked(Terms::default(), Vec::new(), b"1") });
    assert_eq!(bench.queue().len(), 1);
}

fn expansion_is_reported(bench: &Bench) {
    let expanded = vec![to("team@home.example", Notify::of(true, false, false))];
    let members = vec![to("x@one.example", Notify::NEVER), to("y@one.example", Notify::NEVER)];
    bench.commit(Commit { expanded, ..asked(Terms::default(), members, b"1") });
    let text = report(bench);
    assert!(text.contains("Final-Recipient: rfc822; team@home.example\r\nAction: expanded\r\n"), "{text}");
    assert!(!text.contains("one.example"), "{text}");
}

fn relaying_is_reported(bench: &Bench) {
    let success = Notify::of(true, false, false);
    let recipients =
        vec![to("x@one.example", success), to("y@one.example", Notify::NEVER), Remote::new("z@one.example")];
    bench.commit(asked(Terms::default(), recipients, b"1"));
    tell(bench, only(bench), &[delivered(), delivered(), delivered()]);
    let text = report(bench);
    assert_eq!(text.matches("Action: ").count(), 1, "{text}");
    assert!(text.contains("x@one.example\r\nAction: relayed\r\n"), "{text}");
    assert!(text.contains("Remote-MTA: dns; mx.else.example\r\n"), "{text}");
    assert_eq!(bench.queue().len(), 1);
}

fn delay_is_told_once(bench: &Bench) {
    bench.commit(asked(Terms::default(), vec![Remote::new("x@one.example")], b"1"));
    let told = |bench: &Bench| bench.queue().iter().filter(|entry| entry.sender.is_empty()).count();
    let start = bench.now();
    let mut seen = Vec::new();
    while bench.now() < start.after(24 * 60 * 60) {
        let (attempts, wait) = bench.due(10);
        for attempt in attempts.into_iter().filter(|attempt| !attempt.sender.is_empty()) {
            tell(bench, attempt, &[deferred()]);
            seen.push((bench.now().0 - start.0, told(bench)));
        }
        bench.pass(wait.expect("something waits").min(Duration::from_secs(300)));
    }
    let before = seen.iter().filter(|(age, told)| *age < 4 * 3600 && *told == 0).count();
    let after = seen.iter().filter(|(age, told)| *age >= 4 * 3600 && *told == 1).count();
    assert!(before > 3 && after > 3 && before + after == seen.len(), "{seen:?}");
    let text = report(bench);
    let until = postkern_server::trace::date(Timestamp(start.0 + 5 * 24 * 60 * 60));
    assert!(text.contains("Action: delayed\r\nStatus: 4.2.0\r\n"), "{text}");
    assert!(text.contains(&format!("Will-Retry-Until: {until}\r\n")), "{text}");
}

fn failures_unwanted(bench: &Bench) {
    let recipients = vec![to("x@one.example", Notify::NEVER), to("y@one.example", Notify::of(true, false, true))];
    bench.commit(asked(Terms::default(), recipients, b"1"));
    tell(bench, only(bench), &[failed(), failed()]);
    assert!(bench.queue().is_empty());
}

fn whole_is_returned(bench: &Bench) {
    let full = Terms { ret: Some(Ret::Full), ..Terms::default() };
    let tls = Terms { require_tls: true, ..full.clone() };
    let long = [b"X: y\r\n\r\n", &b"0123456789abcdef\r\n".repeat(3000)[..]].concat();
    let too_long = long.repeat(2);
    for (terms, octets, whole) in [
        (&full, &b"X: y\r\n\r\nshort\r\n"[..], true),
        (&full, &long, true),
        (&full, b"", true),
        (&full, &too_long, false),
        (&full, b"X: y\r\n\r\nbare\nlines\r\n", false),
        (&tls, &long, false),
        (&Terms::default(), &long, false),
    ] {
        bench.commit(asked(terms.clone(), vec![Remote::new("x@one.example")], octets));
        let attempt = bench.due(10).0.remove(0);
        tell(bench, attempt, &[failed()]);
        let text = report(bench);
        let (_, third) = text.rsplit_once("Content-Type: ").expect("three parts");
        match whole {
            true => {
                let (kind, rest) = third.split_once("\r\n\r\n").expect("a content");
                assert_eq!(kind, "message/rfc822");
                assert!(rest.as_bytes().starts_with(octets) && rest.len() < octets.len() + 80, "{rest:.200}");
            }
            false => assert!(third.starts_with("text/rfc822-headers") && third.len() < 1000, "{third:.200}"),
        }
        let id = bench.queue().iter().find(|entry| entry.sender.is_empty()).expect("the report").id;
        bench.run(Job::Admin(postkern_server::job::Admin::QueueRemove(id)));
    }
}

fn report_keeps_terms(bench: &Bench) {
    let terms = Terms {
        require_tls: true,
        priority: Priority::new(5),
        ret: Some(Ret::Headers),
        envid: Some("a".into()),
        ..Terms::default()
    };
    bench.commit(asked(terms, vec![Remote::new("x@one.example")], b"1"));
    tell(bench, only(bench), &[failed()]);
    let report = only(bench);
    let kept = Terms { require_tls: true, priority: Priority::new(5), ..Terms::default() };
    assert_eq!((report.sender.as_str(), report.terms), ("", kept));
}
