//! Accounts, and the maildrop's lock.

use postkern_server::account;
use postkern_server::job::{Admin, Done, Failure, Job, Secret};

use super::bench::{Bench, message, name, unexpected};
use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case("an account begins with its mailboxes", begins_with_mailboxes),
    case("account names are compared without case", names_without_case),
    case("account numbers are never reused", numbers_never_reused),
    case("a removed account takes its mail along", removal_takes_mail),
    case("a password is checked by its verifier", password_is_checked),
    case("jobs of an account that is gone fail", gone_account_fails),
    case("a maildrop is one session's alone", maildrop_is_exclusive),
];

fn begins_with_mailboxes(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    let list: Vec<_> = bench
        .list(bob)
        .into_iter()
        .map(|info| {
            assert!(info.exists && info.subscribed);
            (info.name.to_string(), info.special_use.map(|of| of.as_str()))
        })
        .collect();
    let expected = [
        ("Archive", Some("\\Archive")),
        ("Drafts", Some("\\Drafts")),
        ("INBOX", None),
        ("Junk", Some("\\Junk")),
        ("Sent", Some("\\Sent")),
        ("Trash", Some("\\Trash")),
    ];
    assert_eq!(list, expected.map(|(name, of)| (name.to_owned(), of)));
}

fn names_without_case(bench: &Bench) {
    let bob = bench.account("Bob@Home.example");
    assert_eq!(bench.lookup("bOB@home.EXAMPLE"), Some(bob));
    assert_eq!(bench.lookup("bo@home.example"), None);
    let again = Admin::AddAccount { name: "BOB@home.example".into(), verifier: String::new() };
    assert_eq!(bench.fail(Job::Admin(again)), Failure::Exists);
    bench.account("alice@home.example");
    let Done::Accounts(names) = bench.run(Job::Admin(Admin::Accounts)) else { panic!("no accounts") };
    assert_eq!(names, ["alice@home.example", "bob@home.example"]);
}

fn numbers_never_reused(bench: &Bench) {
    let first = bench.account("bob@home.example");
    let inbox = bench.select(first, "INBOX");
    bench.run(Job::Admin(Admin::RemoveAccount { name: "BOB@home.example".into() }));
    let second = bench.account("bob@home.example");
    assert_ne!(first, second);
    let new = bench.select(second, "INBOX");
    assert_ne!(new.mailbox, inbox.mailbox);
    assert_ne!(new.status.uid_validity, inbox.status.uid_validity);
}

fn removal_takes_mail(bench: &Bench) {
    let (bob, eve) = (bench.account("bob@home.example"), bench.account("eve@home.example"));
    bench.deliver(&[bob, eve], &message(100_000));
    let (inbox, hers) = (bench.select(bob, "INBOX").mailbox, bench.select(eve, "INBOX").mailbox);
    let (wakes, _guard) = bench.watch(inbox);
    bench.run(Job::Admin(Admin::RemoveAccount { name: "bob@home.example".into() }));
    assert!(wakes.load(std::sync::atomic::Ordering::SeqCst) > 0);
    assert_eq!(bench.lookup("bob@home.example"), None);
    assert_eq!(bench.fail(Job::Read { mailbox: inbox, uid: 1, range: 0..9 }), Failure::NoSuchMessage);
    assert!(bench.whole(hers, 1).ends_with(&message(100_000)));
    let remove = Admin::RemoveAccount { name: "bob@home.example".into() };
    assert_eq!(bench.fail(Job::Admin(remove)), Failure::NoSuchAccount);
}

fn password_is_checked(bench: &Bench) {
    let (old, new) = (account::hash(b"old", [1; 16]), account::hash(b"new", [2; 16]));
    let add = Admin::AddAccount { name: "bob@home.example".into(), verifier: old };
    let Done::Account(bob) = bench.run(Job::Admin(add)) else { panic!("no account") };
    let login = |login: &str, password: &str| {
        let password = Secret(password.into());
        match bench.run(Job::Authenticate { login: login.into(), password }) {
            Done::Authenticated(account) => account,
            other => unexpected(&other),
        }
    };
    assert_eq!(login("BOB@home.example", "old"), Some(bob));
    assert_eq!(login("bob@home.example", "new"), None);
    assert_eq!(login("eve@home.example", "old"), None);
    bench.run(Job::Admin(Admin::SetVerifier { name: "Bob@home.example".into(), verifier: new.clone() }));
    assert_eq!(login("bob@home.example", "new"), Some(bob));
    assert_eq!(login("bob@home.example", "old"), None);
    let nobody = Admin::SetVerifier { name: "eve@home.example".into(), verifier: new };
    assert_eq!(bench.fail(Job::Admin(nobody)), Failure::NoSuchAccount);
}

fn gone_account_fails(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    bench.run(Job::Admin(Admin::RemoveAccount { name: "bob@home.example".into() }));
    assert_eq!(bench.fail(Job::Mailboxes { account: bob }), Failure::NoSuchAccount);
    let create = Job::Create { account: bob, mailbox: name("a"), special_use: None };
    assert_eq!(bench.fail(create), Failure::NoSuchAccount);
    let select = Job::Select { account: bob, mailbox: name("INBOX"), read_only: false };
    assert_eq!(bench.fail(select), Failure::NoSuchMailbox);
    let subscribe = Job::Subscribe { account: bob, mailbox: name("a"), on: true };
    assert_eq!(bench.fail(subscribe), Failure::NoSuchAccount);
}

fn maildrop_is_exclusive(bench: &Bench) {
    let (bob, eve) = (bench.account("bob@home.example"), bench.account("eve@home.example"));
    bench.deliver(&[bob], b"A: b\r\n\r\nc\r\n");
    let open = |account| bench.backend().run(Job::OpenMaildrop { account });
    let Done::Maildrop(drop_of_bob) = open(bob) else { panic!("not opened") };
    let inbox = bench.select(bob, "INBOX");
    assert_eq!(drop_of_bob.mailbox, inbox.mailbox);
    assert_eq!(drop_of_bob.uid_validity, inbox.status.uid_validity);
    assert_eq!(drop_of_bob.messages, [(1, inbox.status.size)]);
    assert_eq!(bench.fail(Job::OpenMaildrop { account: bob }), Failure::InUse);
    assert!(matches!(open(eve), Done::Maildrop(_)));
    drop(drop_of_bob);
    assert!(matches!(open(bob), Done::Maildrop(_)));
}
