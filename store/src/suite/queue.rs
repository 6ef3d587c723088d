//! The queue: leases, reports, bounces.

use std::sync::atomic::Ordering;
use std::time::Duration;

use postkern_server::job::{AccountId, Admin, Commit, Failure, Job, QueueId, Report, Reporter, Timestamp};
use postkern_server::queue::{
    ATTEMPT_RECIPIENTS, Attempt, Diagnostic, Handover, LEASE, Outcome, RecipientTerms, Remote, Schedule, Terms, Told,
    Waiting, settle,
};

use super::bench::{Bench, commit, counter, message};
use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case("attempts are by message and domain, and leased", attempts_are_leased),
    case("a lease that is not reported ends", lease_ends),
    case("attempts are bounded", attempts_are_bounded),
    case("what was delivered leaves the queue", delivered_leaves),
    case("what was deferred waits, then is tried again", deferred_waits),
    case("what is deferred for too long is bounced", expired_is_bounced),
    case("a failure is bounced into the queue", bounce_is_queued),
    case("a failure is bounced to an account here", bounce_is_delivered),
    case("a bounce is never bounced", bounce_of_a_bounce),
    case("an unknown sender here is sent no bounce", bounce_to_nobody),
    case("a late report tells only of what was delivered", late_report),
    case("the queue is listed, retried and cleared by hand", by_hand),
    case("queued octets are read in ranges", queued_octets),
    case("the queue's watchers wake", queue_watchers),
];

pub(super) fn report(attempt: Attempt, outcomes: &[Outcome]) -> Report {
    let ours = attempt.sender.to_ascii_lowercase().ends_with("@home.example");
    let senders: Vec<String> = Some(attempt.sender.clone()).filter(|sender| !sender.is_empty()).into_iter().collect();
    let (local, remote) = if ours { (senders, Vec::new()) } else { (Vec::new(), senders) };
    Report {
        attempt,
        outcomes: outcomes.to_vec(),
        schedule: Schedule::default(),
        reporter: Reporter { hostname: "mx.home.example".into(), local, remote, otherwise: None, whole: 100_000 },
    }
}

pub(super) fn tell(bench: &Bench, attempt: Attempt, outcomes: &[Outcome]) {
    bench.run(Job::Report(Box::new(report(attempt, outcomes))));
}

fn diagnostic(status: &str) -> Diagnostic {
    Diagnostic { status: status.into(), remote: Some("mx.else.example".into()), text: "so it is".into(), smtp: true }
}

pub(super) fn failed() -> Outcome {
    Outcome::Failed(diagnostic("5.1.1"))
}

pub(super) fn delivered() -> Outcome {
    Outcome::Delivered(Handover { remote: Some("mx.else.example".into()), ..Handover::default() })
}

pub(super) fn deferred() -> Outcome {
    Outcome::Deferred(diagnostic("4.2.0"))
}

fn addresses(attempt: &Attempt) -> String {
    attempt.recipients.iter().map(|remote| remote.address.as_str()).collect::<Vec<_>>().join(" ")
}

/// The one attempt that is due.
pub(super) fn only(bench: &Bench) -> Attempt {
    let (mut attempts, _) = bench.due(10);
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    attempts.remove(0)
}

pub(super) fn nothing_due(bench: &Bench) -> Option<Duration> {
    let (attempts, wait) = bench.due(10);
    assert!(attempts.is_empty(), "{attempts:?}");
    wait
}

fn attempts_are_leased(bench: &Bench) {
    assert_eq!(nothing_due(bench), None);
    let one = bench.send("a@home.example", &["x@one.example", "y@TWO.example", "z@one.Example", "x@one.example"], b"1");
    let two = bench.send("", &["x@one.example"], b"\xe4\xf6");
    let (attempts, wait) = bench.due(10);
    let got: Vec<_> = attempts.iter().map(|of| (of.id, of.domain.as_str(), addresses(of))).collect();
    let expected = [
        (one, "one.example", "x@one.example z@one.example".to_owned()),
        (one, "two.example", "y@two.example".to_owned()),
        (two, "one.example", "x@one.example".to_owned()),
    ];
    assert_eq!(got, expected);
    assert_eq!((attempts[0].sender.as_str(), attempts[2].sender.as_str()), ("a@home.example", ""));
    assert_eq!((attempts[0].eight_bit, attempts[2].eight_bit), (false, true));
    assert_eq!((attempts[2].size, attempts[2].queued, attempts[2].attempts), (2, bench.now(), 0));
    assert_eq!(wait, Some(LEASE));
    assert_eq!(nothing_due(bench), Some(LEASE));
}

fn lease_ends(bench: &Bench) {
    bench.send("a@home.example", &["x@one.example"], b"1");
    let first = only(bench);
    bench.pass(LEASE - Duration::from_secs(1));
    assert_eq!(nothing_due(bench), Some(Duration::from_secs(1)));
    bench.pass(Duration::from_secs(1));
    assert_eq!(only(bench), Attempt { leased: bench.now(), ..first });
}

fn attempts_are_bounded(bench: &Bench) {
    let many: Vec<String> = (0..ATTEMPT_RECIPIENTS * 2 + 1).map(|n| format!("u{n}@one.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    bench.send("a@home.example", &many, b"1");
    bench.send("a@home.example", &["x@two.example"], b"2");
    assert_eq!(bench.due(0).1, Some(Duration::ZERO));
    let (first, wait) = bench.due(2);
    assert_eq!(first.iter().map(|of| of.recipients.len()).collect::<Vec<_>>(), [ATTEMPT_RECIPIENTS; 2]);
    assert_eq!(wait, Some(Duration::ZERO));
    let (rest, wait) = bench.due(9);
    assert_eq!(rest.iter().map(|of| of.recipients.len()).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(wait, Some(LEASE));
}

fn delivered_leaves(bench: &Bench) {
    let id = bench.send("a@home.example", &["x@one.example", "y@one.example"], &message(80_000));
    let attempt = only(bench);
    tell(bench, attempt, &[delivered(), delivered()]);
    assert!(bench.queue().is_empty());
    assert_eq!(nothing_due(bench), None);
    assert_eq!(bench.fail(Job::ReadQueued { id, range: 0..1 }), Failure::NoSuchMessage);
}

fn deferred_waits(bench: &Bench) {
    let next = next_after(bench);
    let id = bench.send("a@home.example", &["x@one.example", "y@one.example"], b"1");
    tell(bench, only(bench), &[delivered(), deferred()]);
    let queue = bench.queue();
    assert_eq!(queue.len(), 1);
    assert_eq!((queue[0].id, queue[0].recipient.as_str(), queue[0].attempts), (id, "y@one.example", 1));
    assert_eq!(queue[0].next, next);
    let error = queue[0].last_error.as_deref().expect("kept");
    assert!(error.contains("4.2.0") && error.contains("so it is") && error.contains("mx.else.example"));
    let wait = Duration::from_secs((next.0 - bench.now().0) as u64);
    assert_eq!(nothing_due(bench), Some(wait));
    bench.pass(wait);
    let again = only(bench);
    assert_eq!((again.attempts, again.recipients.as_slice()), (1, &[Remote::new("y@one.example")][..]));
}

/// When a recipient that is deferred now, for the first time, is due again.
fn next_after(bench: &Bench) -> Timestamp {
    let (terms, recipient) = (Terms::default(), RecipientTerms::default());
    let waiting =
        Waiting { queued: bench.now(), terms: &terms, recipient: &recipient, attempts: 1, told: Told::default() };
    let settled = settle(&deferred(), &waiting, bench.now(), &Schedule::default());
    settled.again.expect("to be tried again")
}

fn expired_is_bounced(bench: &Bench) {
    bench.account("a@home.example");
    bench.send("a@home.example", &["x@one.example"], b"1");
    for _ in 0..1000 {
        let (attempts, wait) = bench.due(1);
        for attempt in attempts {
            tell(bench, attempt, &[deferred()]);
        }
        let Some(wait) = wait else { break };
        bench.pass(wait);
    }
    assert!(bench.queue().is_empty());
    let account = bench.lookup("a@home.example").expect("added");
    // It was told of the delay, then of the failure.
    assert_eq!(bench.status(account, "INBOX").messages, 2);
}

fn bounce_is_queued(bench: &Bench) {
    let id = bench.send("a@else.example", &["x@one.example", "y@one.example"], &message(100_000));
    tell(bench, only(bench), &[failed(), delivered()]);
    let queue = bench.queue();
    assert_eq!(queue.len(), 1);
    assert_eq!((queue[0].sender.as_str(), queue[0].recipient.as_str()), ("", "a@else.example"));
    assert_ne!(queue[0].id, id);
    let text = String::from_utf8(bench.whole_queued(queue[0].id)).expect("a bounce is ASCII here");
    assert!(text.contains("x@one.example") && !text.contains("y@one.example"), "{text}");
    assert!(text.contains("Subject: test") && !text.contains("line 1\r\n"), "{text}");
}

fn bounce_is_delivered(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    bench.send("Bob@HOME.example", &["x@one.example"], b"A: b\r\n\r\nc\r\n");
    let inbox = bench.select(bob, "INBOX").mailbox;
    let (wakes, _guard) = bench.watch(inbox);
    tell(bench, only(bench), &[failed()]);
    assert!(bench.queue().is_empty());
    assert_eq!(bench.select(bob, "INBOX").uids, [1]);
    assert!(wakes.load(Ordering::SeqCst) > 0);
    let whole = bench.whole(inbox, 1);
    assert!(whole.starts_with(&postkern_server::trace::delivered("", "Bob@HOME.example")));
}

fn bounce_of_a_bounce(bench: &Bench) {
    bench.send("", &["x@one.example"], b"1");
    tell(bench, only(bench), &[failed()]);
    assert!(bench.queue().is_empty());
    bench.send("a@else.example", &["x@one.example"], b"1");
    tell(bench, only(bench), &[failed()]);
    let bounce = only(bench);
    assert_eq!((bounce.sender.as_str(), bounce.recipients.as_slice()), ("", &[Remote::new("a@else.example")][..]));
    tell(bench, bounce, &[failed()]);
    assert!(bench.queue().is_empty());
}

fn bounce_to_nobody(bench: &Bench) {
    bench.send("alias@home.example", &["x@one.example"], b"1");
    tell(bench, only(bench), &[failed()]);
    assert!(bench.queue().is_empty());
}

fn late_report(bench: &Bench) {
    bench.send("a@else.example", &["x@one.example"], b"1");
    let late = only(bench);
    bench.pass(LEASE);
    tell(bench, only(bench), &[deferred()]);
    let before = bench.queue();
    tell(bench, late.clone(), &[failed()]);
    assert_eq!(bench.queue(), before);
    tell(bench, late.clone(), &[delivered()]);
    assert!(bench.queue().is_empty());
    tell(bench, late, &[failed()]);
    assert!(bench.queue().is_empty());
}

fn by_hand(bench: &Bench) {
    let one = bench.send("a@home.example", &["x@one.example", "x@two.example"], &message(70_000));
    bench.pass(Duration::from_secs(5));
    let two = bench.send("b@home.example", &["y@one.example"], b"2");
    let queue = bench.queue();
    let listed: Vec<_> = queue.iter().map(|of| (of.id, of.recipient.as_str(), of.size)).collect();
    assert_eq!(listed, [(one, "x@one.example", 70_000), (one, "x@two.example", 70_000), (two, "y@one.example", 1)]);
    assert_eq!((queue[0].queued, queue[2].next), (Timestamp(bench.now().0 - 5), bench.now()));
    let (attempts, _) = bench.due(9);
    // While all are being tried, there is nothing to hasten.
    assert_eq!(bench.fail(Job::Admin(Admin::QueueRetry(one))), Failure::InUse);
    for attempt in attempts {
        let outcomes = vec![deferred(); attempt.recipients.len()];
        tell(bench, attempt, &outcomes);
    }
    nothing_due(bench);
    bench.run(Job::Admin(Admin::QueueRetry(two)));
    assert_eq!(only(bench).id, two);
    assert_eq!(bench.fail(Job::Admin(Admin::QueueRetry(two))), Failure::InUse);
    // A lease that is over holds nothing.
    bench.pass(LEASE);
    bench.run(Job::Admin(Admin::QueueRetry(two)));
    bench.run(Job::Admin(Admin::QueueRemove(one)));
    assert!(bench.queue().iter().all(|of| of.id == two));
    for id in [one, QueueId(999)] {
        assert_eq!(bench.fail(Job::Admin(Admin::QueueRemove(id))), Failure::NoSuchMessage);
        assert_eq!(bench.fail(Job::Admin(Admin::QueueRetry(id))), Failure::NoSuchMessage);
    }
}

fn queued_octets(bench: &Bench) {
    for octets in [100, 90_000] {
        let id = bench.send("a@home.example", &["x@one.example"], &message(octets));
        assert_eq!(bench.whole_queued(id), message(octets));
        assert_eq!(bench.read_queued(id, 20..40), message(octets)[20..40]);
        assert!(bench.read_queued(id, octets as u64..octets as u64 + 5).is_empty());
    }
    assert_eq!(bench.fail(Job::ReadQueued { id: QueueId(999), range: 0..1 }), Failure::NoSuchMessage);
}

fn queue_watchers(bench: &Bench) {
    let (wakes, wake) = counter();
    let guard = bench.backend().watch_queue(wake);
    let bob: AccountId = bench.account("bob@home.example");
    bench.deliver(&[bob], b"1");
    assert_eq!(wakes.load(Ordering::SeqCst), 0);
    let id = bench.send("a@home.example", &["x@one.example"], b"1");
    assert_eq!(wakes.load(Ordering::SeqCst), 1);
    bench.run(Job::Admin(Admin::QueueRetry(id)));
    assert_eq!(wakes.load(Ordering::SeqCst), 2);
    drop(guard);
    bench.commit(Commit { remote: vec![Remote::new("x@one.example")], ..commit(b"1") });
    assert_eq!(wakes.load(Ordering::SeqCst), 2);
}
