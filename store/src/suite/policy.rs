//! What is kept for the policy towards clients: rates, triplets, the age of accounts.

use std::time::Duration;

use postkern_server::config::Greylist;
use postkern_server::greylist::Question;
use postkern_server::job::{AccountId, Done, Failure, Job, Report, Reporter, Timestamp};
use postkern_server::rates::Act;

use super::bench::{Bench, unexpected};
use super::queue::{failed, only, report};
use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case("what somebody does is counted", acts_are_counted),
    case("a stranger comes again and is known then", strangers_come_again),
    case("the first to expire of too many triplets is forgotten", triplets_are_bounded),
    case("a report goes to the catch-all if the sender is nobody", reports_to_the_catch_all),
    case("accounts know when they were made", accounts_have_an_age),
];

fn acts_are_counted(bench: &Bench) {
    let act = Act::Message("192.0.2.1".parse().unwrap());
    let count = |asked| bench.backend().run(Job::Count { act, limit: 2, asked });
    for _ in 0..2 {
        assert!(matches!(count(true), Done::Nothing));
        assert!(matches!(count(false), Done::Nothing));
    }
    for asked in [true, false] {
        assert!(matches!(count(asked), Done::Failed(Failure::Busy)));
    }
    assert!(matches!(bench.run(Job::Count { act, limit: 0, asked: false }), Done::Nothing));
    bench.pass(Duration::from_secs(30));
    assert!(matches!(count(false), Done::Nothing));
    assert!(matches!(count(false), Done::Failed(Failure::Busy)));
}

fn ask(bench: &Bench, network: &str, sender: &str, entries: u32) -> Option<Duration> {
    let seconds = Duration::from_secs;
    let policy = Greylist { delay: seconds(300), window: seconds(3600), lifetime: seconds(86_400), entries };
    let (network, sender) = (network.to_owned(), sender.to_owned());
    let question = Question { network, sender, recipient: "bob@home.example".into(), policy };
    match bench.run(Job::Greylist(Box::new(question))) {
        Done::Greylisted(wait) => wait,
        other => unexpected(&other),
    }
}

fn strangers_come_again(bench: &Bench) {
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    let ask = |network, sender| ask(bench, network, sender, 1000);
    assert_eq!(ask("192.0.2.0/24", "a@b"), seconds(300));
    bench.pass(Duration::from_secs(100));
    assert_eq!(ask("192.0.2.0/24", "a@b"), seconds(200));
    assert_eq!(ask("192.0.3.0/24", "a@b"), seconds(300));
    assert_eq!(ask("192.0.2.0/24", "c@b"), seconds(300));
    bench.pass(Duration::from_secs(200));
    assert_eq!(ask("192.0.2.0/24", "a@b"), None);
    // Each message is its lifetime's new beginning.
    for _ in 0..3 {
        bench.pass(Duration::from_secs(80_000));
        assert_eq!(ask("192.0.2.0/24", "a@b"), None);
    }
    bench.pass(Duration::from_secs(86_400));
    assert_eq!(ask("192.0.2.0/24", "a@b"), seconds(300));
    bench.pass(Duration::from_secs(3600));
    assert_eq!(ask("192.0.2.0/24", "a@b"), seconds(300));
}

fn triplets_are_bounded(bench: &Bench) {
    for sender in ["known@b", "1@b", "2@b", "3@b"] {
        assert!(ask(bench, "n", sender, 3).is_some());
        bench.pass(Duration::from_secs(300));
        if sender == "known@b" {
            assert!(ask(bench, "n", sender, 3).is_none());
        }
    }
    // It would be let in by now, but is forgotten.
    assert!(ask(bench, "n", "1@b", 4).is_some());
    assert!(ask(bench, "n", "known@b", 4).is_none());
    assert!(ask(bench, "n", "2@b", 4).is_none());
}

fn reports_to_the_catch_all(bench: &Bench) {
    let (bob, eve) = (bench.account("bob@home.example"), bench.account("eve@home.example"));
    let to = |name: &str| Reporter { local: vec![name.into()], ..Reporter::default() };
    for (sender, of_bob, of_eve) in [("nobody@home.example", 1, 0), ("eve@home.example", 1, 1)] {
        bench.send(sender, &["x@one.example"], b"A: b\r\n\r\nc\r\n");
        let reporter = Reporter { otherwise: Some(Box::new(to("bob@home.example"))), ..to(sender) };
        let report = Report { reporter, ..report(only(bench), &[failed()]) };
        bench.run(Job::Report(Box::new(report)));
        let count = |account| bench.select(account, "INBOX").uids.len();
        assert_eq!((count(bob), count(eve)), (of_bob, of_eve), "{sender}");
    }
}

fn accounts_have_an_age(bench: &Bench) {
    let first = bench.account("bob@home.example");
    let at = bench.now();
    bench.pass(Duration::from_secs(60));
    let second = bench.account("eve@home.example");
    let accounts = vec![second, first, AccountId(99)];
    let Done::Created(created) = bench.run(Job::Created { accounts }) else { panic!("no ages") };
    assert_eq!(created, [Timestamp(at.0 + 60), at, Timestamp(0)]);
}
