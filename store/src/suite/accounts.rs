//! Accounts, and the maildrop's lock.

use postkern::sasl::{Hash, Keys};
use postkern_server::account;
use postkern_server::config::Oauth;
use postkern_server::job::{Admin, Done, Failure, Job, ScramKeys, Secret};

use super::bench::{Bench, message, name, unexpected};
use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case("an account begins with its mailboxes", begins_with_mailboxes),
    case("account names are compared without case", names_without_case),
    case("account numbers are never reused", numbers_never_reused),
    case("a removed account takes its mail along", removal_takes_mail),
    case("a password is checked by its verifier", password_is_checked),
    case("SCRAM keys are those of the password", scram_keys_follow_the_password),
    case("SCRAM keys are made at a login without them", scram_keys_are_made_up_for),
    case("a login without SCRAM keys looks as others do", decoys_are_steady),
    case("a token names an account", tokens_name_accounts),
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
    let first = || match bench.run(Job::FirstAccount) {
        Done::Accounts(names) => names,
        other => panic!("{other:?}"),
    };
    assert_eq!(first(), ["bob@home.example"]);
    let again = Admin::AddAccount { name: "BOB@home.example".into(), verifier: String::new() };
    assert_eq!(bench.fail(Job::Admin(again)), Failure::Exists);
    bench.account("alice@home.example");
    let Done::Accounts(names) = bench.run(Job::Admin(Admin::Accounts)) else { panic!("no accounts") };
    assert_eq!(names, ["alice@home.example", "bob@home.example"]);
    assert_eq!(first(), ["alice@home.example"]);
    for name in names {
        bench.run(Job::Admin(Admin::RemoveAccount { name }));
    }
    assert!(first().is_empty());
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
        match bench.run(Job::Authenticate { login: login.into(), password, scram: Vec::new() }) {
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

fn keys(bench: &Bench, login: &str, hash: Hash) -> ScramKeys {
    match bench.run(Job::ScramKeys { login: login.into(), hash }) {
        Done::ScramKeys(keys) => *keys,
        other => unexpected(&other),
    }
}

fn scram_keys_follow_the_password(bench: &Bench) {
    let bob = bench.account("bob@home.example");
    let (old, new) = ("none".to_owned(), account::hash(b"new", [2; 16]));
    let set = |verifier: &str, keys: Vec<Keys>| {
        let set = Admin::SetScram { name: "BOB@home.example".into(), verifier: verifier.into(), keys };
        bench.run(Job::Admin(set));
    };
    let made = |hash, password: &[u8]| Keys::derive(hash, password, b"sixteen octets!!", 4096);
    let both = [Hash::Sha256, Hash::Sha1];
    set(&old, both.map(|hash| made(hash, b"old")).into());
    for hash in both {
        let (found, is) = (keys(bench, "Bob@home.example", hash), made(hash, b"old"));
        assert_eq!(found.account, Some(bob));
        assert_eq!((found.keys.salt(), found.keys.iterations()), (is.salt(), is.iterations()));
        assert_eq!((found.keys.stored_key(), found.keys.server_key()), (is.stored_key(), is.server_key()));
        assert_ne!(found.nonce, keys(bench, "bob@home.example", hash).nonce);
    }
    // A new password ends the old one in every form.
    bench.run(Job::Admin(Admin::SetVerifier { name: "bob@home.example".into(), verifier: new.clone() }));
    assert!(both.iter().all(|&hash| keys(bench, "bob@home.example", hash).account.is_none()));
    // What was made of the old one and comes late is not kept.
    set(&old, vec![made(Hash::Sha256, b"old")]);
    assert_eq!(keys(bench, "bob@home.example", Hash::Sha256).account, None);
    set(&new, vec![made(Hash::Sha256, b"new")]);
    assert_eq!(keys(bench, "bob@home.example", Hash::Sha256).account, Some(bob));
    bench.run(Job::Admin(Admin::RemoveAccount { name: "bob@home.example".into() }));
    assert_eq!(keys(bench, "bob@home.example", Hash::Sha256).account, None);
    let set = Admin::SetScram { name: "bob@home.example".into(), verifier: new, keys: Vec::new() };
    assert_eq!(bench.fail(Job::Admin(set)), Failure::NoSuchAccount);
}

fn scram_keys_are_made_up_for(bench: &Bench) {
    let verifier = account::hash(b"secret", [1; 16]);
    bench.run(Job::Admin(Admin::AddAccount { name: "bob@home.example".into(), verifier }));
    let login = |password: &str| {
        let (login, password) = ("bob@home.example".into(), Secret(password.into()));
        match bench.run(Job::Authenticate { login, password, scram: vec![Hash::Sha256] }) {
            Done::Authenticated(account) => account,
            other => unexpected(&other),
        }
    };
    assert_eq!(login("wrong"), None);
    assert_eq!(keys(bench, "bob@home.example", Hash::Sha256).account, None);
    let bob = login("secret");
    let made = keys(bench, "bob@home.example", Hash::Sha256);
    assert!(bob.is_some() && made.account == bob);
    let salt: [u8; 16] = made.keys.salt().try_into().expect("as long as nobody's");
    let same = account::scram_keys(Hash::Sha256, b"secret", salt).expect("ASCII");
    assert_eq!(made.keys.stored_key(), same.stored_key());
    assert_eq!(keys(bench, "bob@home.example", Hash::Sha1).account, None, "it was not asked for");
    assert_eq!(login("secret"), bob);
    assert_eq!(keys(bench, "bob@home.example", Hash::Sha256).keys.salt(), salt, "made once");
}

fn decoys_are_steady(bench: &Bench) {
    bench.account("bob@home.example");
    let shape = |login: &str| {
        let found = keys(bench, login, Hash::Sha256);
        assert_eq!(found.account, None);
        (found.keys.salt().to_vec(), found.keys.iterations())
    };
    let nobody = shape("eve@home.example");
    assert_eq!((nobody.0.len(), nobody.1), (16, account::SCRAM_ITERATIONS));
    assert_eq!(shape("EVE@home.example"), nobody);
    assert_ne!(shape("bob@home.example").0, nobody.0);
    assert_eq!(shape("bob@home.example"), shape("bob@home.example"));
}

fn tokens_name_accounts(bench: &Bench) {
    let oauth = std::sync::Arc::new(Oauth {
        issuer: "https://login.home.example".into(),
        audience: "mail".into(),
        keys: "/nowhere/jwks.json".into(),
        login: "email".into(),
        scope: String::new(),
    });
    let check = Job::CheckToken { token: Secret(b"a.b.c".to_vec()), oauth };
    assert!(matches!(bench.fail(check), Failure::Broken(why) if why.contains("/nowhere/jwks.json")));
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
