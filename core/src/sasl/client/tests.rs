use alloc::format;
use alloc::string::ToString;

use super::*;
use crate::sasl::{Exchange, Step, Token};

fn password() -> Identity {
    Identity::Password { login: "bob@a.test".into(), password: b"secret".to_vec() }
}

fn token() -> Identity {
    Identity::Token { login: "bob@a.test".into(), token: "tok.en==".into(), host: "mail.a.test".into(), port: 993 }
}

fn bound() -> TlsFacts {
    TlsFacts { exporter: Some([3; 32]), ..TlsFacts::default() }
}

#[test]
fn the_strongest_that_is_offered_is_used() {
    let all = Mechanisms::of(&Mechanism::ALL);
    let scram = Mechanisms::of(&[Mechanism::ScramSha1, Mechanism::Plain]);
    let with_nonce = || ClientExchange::new(password()).with_nonce([1; NONCE]);
    for (mut client, offered, secure, wanted) in [
        (with_nonce().over(bound()), all, true, Some(Mechanism::ScramSha256Plus)),
        (with_nonce(), all, true, Some(Mechanism::ScramSha256)),
        (with_nonce(), all, false, Some(Mechanism::ScramSha256)),
        (with_nonce(), scram, true, Some(Mechanism::ScramSha1)),
        (with_nonce().only(Mechanisms::PASSWORD), all, true, Some(Mechanism::Plain)),
        (with_nonce().over(bound()).bound_only(), scram, true, None),
        (with_nonce().bound_only(), all, true, None),
        (ClientExchange::new(password()), all, true, Some(Mechanism::Plain)),
        (ClientExchange::new(password()), Mechanism::Login.into(), true, Some(Mechanism::Login)),
        (ClientExchange::new(password()), Mechanisms::PASSWORD, false, None),
        (ClientExchange::new(password()).in_clear(), Mechanisms::PASSWORD, false, Some(Mechanism::Plain)),
        (ClientExchange::new(token()), all, true, Some(Mechanism::OauthBearer)),
        (ClientExchange::new(token()), Mechanism::Xoauth2.into(), true, Some(Mechanism::Xoauth2)),
        (ClientExchange::new(token()), all, false, None),
        (ClientExchange::new(token()), Mechanisms::PASSWORD, true, None),
        (ClientExchange::new(Identity::Certificate), all, true, Some(Mechanism::External)),
        (ClientExchange::new(Identity::Certificate), all, false, None),
        (ClientExchange::new(Identity::Certificate), Mechanisms::NONE.with_other("GSSAPI"), true, None),
    ] {
        let began = client.begin(offered, secure).map(|(mechanism, _)| mechanism);
        assert_eq!(began, wanted, "{client:?} {offered:?}");
    }
}

#[test]
fn identities_that_fit_no_message_are_not_sent() {
    for (login, password) in [("", "x"), ("bob\r\n", "x"), ("bob", ""), ("bob", "x\0y"), ("bob", "x\ny")] {
        for mechanism in [Mechanism::Plain, Mechanism::Login, Mechanism::ScramSha256] {
            let identity = Identity::Password { login: login.into(), password: password.into() };
            let mut client = ClientExchange::new(identity).with_nonce([1; NONCE]);
            assert_eq!(client.begin(mechanism.into(), true), None, "{login:?} {password:?} {mechanism:?}");
        }
    }
    for (login, token, host) in [("bob\x01", "t", "h"), ("bob", "t\x01", "h"), ("bob", "", "h"), ("bob", "t", "h\x01")]
    {
        let identity = Identity::Token { login: login.into(), token: token.into(), host: host.into(), port: 1 };
        assert_eq!(ClientExchange::new(identity).begin(Mechanism::OauthBearer.into(), true), None);
    }
}

/// Plays both sides against each other; what the server came to.
fn play(mut client: ClientExchange, offered: Mechanisms, facts: &TlsFacts, password: &[u8]) -> (Step, bool) {
    let (mechanism, initial) = client.begin(offered, true).unwrap();
    let initial = initial.map(String::into_bytes);
    let (mut server, mut step) = Exchange::begin_over(mechanism, initial.as_deref(), offered, facts.clone());
    for _ in 0..5 {
        step = match step {
            Step::Challenge(challenge) => match client.respond(challenge.as_bytes()) {
                Some(response) => server.respond(response.as_bytes()),
                None => return (Step::Malformed, false),
            },
            Step::Lookup { hash, login } => {
                assert_eq!(login, "bob@a.test");
                server.keys(crate::sasl::Keys::derive(hash, password, b"salt", 4096), &[9; NONCE])
            }
            step => {
                let finished = client.finish(None);
                return (step, finished);
            }
        };
    }
    panic!("no end");
}

#[test]
fn what_our_client_says_our_server_understands() {
    let scram = [Mechanism::ScramSha256Plus, Mechanism::ScramSha256, Mechanism::ScramSha1Plus, Mechanism::ScramSha1];
    for mechanism in scram {
        let client = ClientExchange::new(password()).with_nonce([1; NONCE]).over(bound()).acting_as("o,t=her");
        let (step, finished) = play(client, mechanism.into(), &bound(), b"secret");
        let proven = Step::Proven { login: "bob@a.test".into(), authorization: "o,t=her".into() };
        assert_eq!((step, finished), (proven, true), "{mechanism:?}");
        let client = ClientExchange::new(password()).with_nonce([1; NONCE]).over(bound());
        assert_eq!(play(client, mechanism.into(), &bound(), b"Secret"), (Step::Wrong, false), "{mechanism:?}");
    }
    for mechanism in [Mechanism::Plain, Mechanism::Login] {
        let (step, finished) = play(ClientExchange::new(password()), mechanism.into(), &bound(), b"");
        assert!(matches!(step, Step::Claimed(claim) if claim.login == "bob@a.test" && claim.password == b"secret"));
        assert!(finished);
    }
    for mechanism in [Mechanism::OauthBearer, Mechanism::Xoauth2] {
        let (step, finished) = play(ClientExchange::new(token()), mechanism.into(), &bound(), b"");
        let token = Token { authorization: "bob@a.test".into(), token: "tok.en==".into() };
        assert_eq!((step, finished), (Step::Token(token), true));
    }
    let client = ClientExchange::new(Identity::Certificate).acting_as("bob@a.test");
    let (step, finished) = play(client, Mechanism::External.into(), &bound(), b"");
    assert_eq!((step, finished), (Step::External { authorization: "bob@a.test".into() }, true));
}

/// Two channels: the man in the middle has one to each side, and no password.
#[test]
fn a_channel_that_is_not_the_same_is_noticed() {
    let offered = Mechanisms::of(&[Mechanism::ScramSha256Plus, Mechanism::ScramSha256]);
    let other = TlsFacts { exporter: Some([4; 32]), ..TlsFacts::default() };
    let client = || ClientExchange::new(password()).with_nonce([1; NONCE]).over(bound());
    assert_eq!(play(client(), offered, &other, b"secret").0, Step::Wrong);
    // He takes -PLUS out of the offer: the client says `y`.
    let (mechanism, initial) = client().begin(Mechanism::ScramSha256.into(), true).unwrap();
    let (_, step) = Exchange::begin_over(mechanism, initial.as_deref().map(str::as_bytes), offered, other.clone());
    assert_eq!(step, Step::Wrong);
    // And puts `n` in the place of `y`: the client has signed what it said.
    let (mechanism, first) = {
        let mut client = client();
        let (mechanism, first) = client.begin(Mechanism::ScramSha256.into(), true).unwrap();
        let first = decode(first.unwrap().as_bytes()).unwrap();
        let (mut server, step) = {
            let forged = [b"n", &first[1..]].concat();
            Exchange::begin_over(mechanism, Some(encode(&forged).as_bytes()), offered, other)
        };
        let Step::Lookup { hash, .. } = step else { panic!("{step:?}") };
        let keys = crate::sasl::Keys::derive(hash, b"secret", b"salt", 4096);
        let Step::Challenge(challenge) = server.keys(keys, &[9; NONCE]) else { panic!("no challenge") };
        let response = client.respond(challenge.as_bytes()).unwrap();
        assert_eq!(server.respond(response.as_bytes()), Step::Wrong);
        (mechanism, first)
    };
    assert_eq!((mechanism, first[0]), (Mechanism::ScramSha256, b'y'));
}

#[test]
fn a_server_that_proves_nothing_is_not_believed() {
    let client = || ClientExchange::new(password()).with_nonce([1; NONCE]);
    let mut early = client();
    let _ = early.begin(Mechanism::ScramSha256.into(), true).unwrap();
    assert!(!early.finish(None), "before its proof");
    let mut asked = client();
    let (_, first) = asked.begin(Mechanism::ScramSha256.into(), true).unwrap();
    let first = decode(first.unwrap().as_bytes()).unwrap();
    let nonce = core::str::from_utf8(&first).unwrap().rsplit_once("r=").unwrap().1.to_string();
    let server_first = format!("r={nonce}x,s=c2FsdA==,i=4096");
    assert!(asked.respond(encode(server_first.as_bytes()).as_bytes()).is_some());
    assert!(!asked.finish(None), "without its signature");
    assert!(!asked.finish(Some(encode(b"v=AAAA").as_bytes())), "with another");
    let mut login = ClientExchange::new(password());
    let _ = login.begin(Mechanism::Login.into(), true).unwrap();
    assert!(!login.finish(None), "before it asked for the password");
}

#[test]
fn a_refused_token_is_answered_and_told() {
    for (mechanism, dummy) in [(Mechanism::OauthBearer, "AQ=="), (Mechanism::Xoauth2, "")] {
        let mut client = ClientExchange::new(token());
        let _ = client.begin(mechanism.into(), true).unwrap();
        let json = format!("{{\"status\":\"invalid_token\"}}\r\n{}", "\u{e4}".repeat(PROBLEM_MAX));
        assert_eq!(client.respond(encode(json.as_bytes()).as_bytes()).as_deref(), Some(dummy));
        let problem = client.problem().unwrap();
        assert!(problem.starts_with("{\"status\":\"invalid_token\"}\u{e4}") && problem.len() <= PROBLEM_MAX);
        assert!(!client.finish(None));
        assert_eq!(client.respond(b""), None);
    }
}
