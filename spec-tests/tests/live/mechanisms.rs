//! Logins by all mechanisms, of our client's exchange against the whole server over real TLS.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use postkern::sasl::{Authenticate, ClientExchange, EndPoint, Identity, Mechanism, Mechanisms, TlsFacts};
use postkern_server::account;
use postkern_server::config::{Config, Listener, Oauth};
use postkern_server::job::{Admin, Done};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::harness::{ALICE, BOB, Imap, PASSWORD, Pop3, Server, Smtp, Talk, on_both, plain};

/// What is said over one connection to log in, by its protocol.
enum Dialogue {
    Smtp(Smtp),
    Pop3(Pop3),
    Imap(Imap),
}

impl Dialogue {
    /// Over TLS from the start, greeted.
    fn all(server: &Server, config: &Arc<ClientConfig>) -> [Self; 3] {
        [
            Self::Smtp(Smtp::hello_as(server, Listener::Submissions, config)),
            Self::Pop3(Pop3::secure_as(server, config)),
            Self::Imap(Imap::secure_as(server, config)),
        ]
    }

    fn offers(&mut self) -> Mechanisms {
        let text = match self {
            Self::Smtp(smtp) => smtp.expect(250, "EHLO client.test"),
            Self::Pop3(pop3) => pop3.list("CAPA").join("\n"),
            Self::Imap(imap) => imap.expect("CAPABILITY").join(" "),
        };
        let words = text.split([' ', '\n']).map(|word| word.strip_prefix("AUTH=").unwrap_or(word));
        words.filter_map(Mechanism::parse).fold(Mechanisms::NONE, Mechanisms::with)
    }

    fn facts(&self) -> TlsFacts {
        let talk = match self {
            Self::Smtp(smtp) => smtp,
            Self::Pop3(pop3) => &**pop3,
            Self::Imap(imap) => &**imap,
        };
        talk.facts()
    }

    /// Plays the client's exchange to its end: whether both sides say that it is logged in.
    fn login(&mut self, client: &mut ClientExchange, offers: Mechanisms) -> Option<Mechanism> {
        let (mechanism, initial) = client.begin(offers, true)?;
        let initial = initial.map(|text| if text.is_empty() { "=".into() } else { text });
        let initial = initial.map_or(String::new(), |text| format!(" {text}"));
        let (verb, name) = (if matches!(self, Self::Imap(_)) { "x AUTHENTICATE" } else { "AUTH" }, mechanism.name());
        self.say(&format!("{verb} {name}{initial}"));
        loop {
            let line = self.line();
            let challenge = match self {
                Self::Smtp(_) => line.strip_prefix("334 "),
                Self::Pop3(_) | Self::Imap(_) => line.strip_prefix("+ "),
            };
            let Some(challenge) = challenge else {
                let is_in = ["235 ", "+OK", "x OK"].iter().any(|ok| line.starts_with(ok));
                assert!(is_in || ["535 ", "-ERR [AUTH]", "x NO [AUTH"].iter().any(|no| line.starts_with(no)), "{line}");
                return (is_in && client.finish(None)).then_some(mechanism);
            };
            match client.respond(challenge.as_bytes()) {
                Some(response) => self.say(&response),
                None => self.say("*"),
            }
        }
    }

    fn say(&mut self, line: &str) {
        match self {
            Self::Smtp(smtp) => smtp.say(line),
            Self::Pop3(pop3) => pop3.say(line),
            Self::Imap(imap) => imap.say(line),
        }
    }

    fn line(&mut self) -> String {
        match self {
            Self::Smtp(smtp) => smtp.line(),
            Self::Pop3(pop3) => pop3.line(),
            Self::Imap(imap) => loop {
                let line = imap.line();
                if !line.starts_with("* ") {
                    return line;
                }
            },
        }
    }
}

fn by_password(password: &str) -> ClientExchange {
    let identity = Identity::Password { login: ALICE.into(), password: password.into() };
    ClientExchange::new(identity).with_nonce([5; 18])
}

fn logins(server: &Server, client: impl Fn(TlsFacts) -> ClientExchange) -> [Option<Mechanism>; 3] {
    logins_as(server, &server.authority.client(), client)
}

fn logins_as(
    server: &Server,
    config: &Arc<ClientConfig>,
    client: impl Fn(TlsFacts) -> ClientExchange,
) -> [Option<Mechanism>; 3] {
    Dialogue::all(server, config).map(|mut dialogue| {
        let offers = dialogue.offers();
        let facts = dialogue.facts();
        dialogue.login(&mut client(facts), offers)
    })
}

/// The harness makes accounts with verifiers alone, as an older version did: a login by PLAIN
/// gives them what SCRAM needs.
fn seen(server: &Server) {
    Smtp::login(server, ALICE);
}

#[test]
fn scram_logs_in_with_and_without_binding() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let unbound = |_| by_password(PASSWORD);
        assert_eq!(logins(&server, unbound), [None; 3], "nothing is kept for SCRAM yet");
        seen(&server);
        assert_eq!(logins(&server, unbound), [Some(Mechanism::ScramSha256); 3]);
        let bound = |facts: TlsFacts| by_password(PASSWORD).over(facts).bound_only();
        assert_eq!(logins(&server, bound), [Some(Mechanism::ScramSha256Plus); 3]);
        assert_eq!(logins(&server, |facts| by_password("wrong").over(facts)), [None; 3]);
        // A new password, as the command line sets it: the old one is over in every form.
        let verifier = account::hash(b"another", [3; 16]);
        let set = Admin::SetVerifier { name: ALICE.into(), verifier: verifier.clone() };
        assert!(matches!(server.admin(set), Done::Nothing));
        assert_eq!(logins(&server, unbound), [None; 3]);
        let keys = vec![account::scram_keys(postkern::sasl::Hash::Sha256, b"another", [4; 16]).unwrap()];
        assert!(matches!(server.admin(Admin::SetScram { name: ALICE.into(), verifier, keys }), Done::Nothing));
        assert_eq!(logins(&server, |_| by_password("another")), [Some(Mechanism::ScramSha256); 3]);
    });
}

#[test]
fn both_kinds_of_binding_hold_and_another_channel_does_not() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        seen(&server);
        let end_point = |facts: TlsFacts| {
            assert!(facts.exporter.is_some() && facts.end_point.is_some());
            by_password(PASSWORD).over(TlsFacts { exporter: None, ..facts }).bound_only()
        };
        assert_eq!(logins(&server, end_point), [Some(Mechanism::ScramSha256Plus); 3]);
        for facts in [
            TlsFacts { exporter: Some([1; 32]), ..TlsFacts::default() },
            TlsFacts { end_point: EndPoint::new(&[1; 32]), ..TlsFacts::default() },
        ] {
            assert_eq!(logins(&server, |_| by_password(PASSWORD).over(facts.clone()).bound_only()), [None; 3]);
        }
        // Someone has taken -PLUS out of the offer.
        for mut dialogue in Dialogue::all(&server, &server.authority.client()) {
            let offers = dialogue.offers().without(Mechanism::ScramSha256Plus);
            let mut client = by_password(PASSWORD).over(dialogue.facts());
            assert_eq!(dialogue.login(&mut client, offers), None);
        }
    });
}

/// With TLS 1.2 there is no telling whether an exporter is unique: the certificate alone binds.
#[test]
fn tls_1_2_binds_by_the_certificate() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        seen(&server);
        let old = server.authority.client_of(&[&rustls::version::TLS12]);
        let client = |facts: TlsFacts| {
            assert!(facts.exporter.is_none() && facts.end_point.is_some());
            by_password(PASSWORD).over(facts).bound_only()
        };
        assert_eq!(logins_as(&server, &old, client), [Some(Mechanism::ScramSha256Plus); 3]);
    });
}

#[test]
fn sha_1_is_offered_only_if_it_is_named() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        for mut dialogue in Dialogue::all(&server, &server.authority.client()) {
            assert!(!dialogue.offers().contains(Mechanism::ScramSha1));
        }
        let only = Mechanisms::of(&[Mechanism::ScramSha1, Mechanism::ScramSha1Plus, Mechanism::Plain]);
        let server = Server::start_with(runtime, |config| config.auth.mechanisms = only);
        seen(&server);
        assert_eq!(logins(&server, |_| by_password(PASSWORD)), [Some(Mechanism::ScramSha1); 3]);
        let bound = |facts: TlsFacts| by_password(PASSWORD).over(facts);
        assert_eq!(logins(&server, bound), [Some(Mechanism::ScramSha1Plus); 3]);
    });
}

/// A proof that is wrong costs what a wrong password costs, and ends the connection as often.
#[test]
fn wrong_proofs_end_the_connection() {
    on_both(|runtime| {
        let server = Server::start_with(runtime, |config| config.limits.login_failures = 2);
        seen(&server);
        for mut dialogue in Dialogue::all(&server, &server.authority.client()) {
            let offers = dialogue.offers();
            assert_eq!(dialogue.login(&mut by_password("wrong"), offers), None);
            let mut client = by_password("wrong");
            let (_, first) = client.begin(Mechanism::ScramSha256.into(), true).unwrap();
            let verb = if matches!(dialogue, Dialogue::Imap(_)) { "y AUTHENTICATE" } else { "AUTH" };
            dialogue.say(&format!("{verb} SCRAM-SHA-256 {}", first.unwrap()));
            let line = dialogue.line();
            let challenge = line.split_once(' ').unwrap().1;
            dialogue.say(&client.respond(challenge.as_bytes()).unwrap());
            let rest = match &mut dialogue {
                Dialogue::Smtp(smtp) => smtp.rest(),
                Dialogue::Pop3(pop3) => pop3.rest(),
                Dialogue::Imap(imap) => imap.rest(),
            };
            assert!(["421 ", "-ERR ", "y NO "].iter().any(|last| rest.starts_with(last)), "{rest:?}");
        }
    });
}

/// Failures are counted for the address, over all its connections.
#[test]
fn too_many_failures_of_one_address_end_its_connections_at_once() {
    on_both(|runtime| {
        let server = Server::start_with(runtime, |config| config.limits.login_failures_per_hour = 2);
        let mut connected = [(); 3].map(|()| Smtp::hello(&server, Listener::Submissions));
        for (smtp, code) in connected.iter_mut().zip([535, 535, 421]) {
            smtp.expect(code, &format!("AUTH PLAIN {}", plain(ALICE, "x")));
        }
        let config = server.authority.client();
        assert!(Talk::try_tls(server.address(Listener::Submissions), config).is_err(), "it is not let in again");
    });
}

/// An authority, and a certificate of this address by it.
fn certified(folder: &Path, address: &str) -> (PathBuf, Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let file = folder.join("ca.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.subject_alt_names = vec![SanType::Rfc822Name(address.try_into().unwrap())];
    let certificate = params.signed_by(&key, &issuer).unwrap();
    (file, vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
}

#[test]
fn a_certificate_logs_in_its_address() {
    on_both(|runtime| {
        let folder = tempfile::tempdir().unwrap();
        let (file, chain, key) = certified(folder.path(), "Alice@Example.test");
        let server = Server::start_with(runtime, |config| config.auth.client_ca = Some(file));
        let showing = server.authority.client_showing(chain, key);
        let client = |_| ClientExchange::new(Identity::Certificate);
        assert_eq!(logins_as(&server, &showing, client), [Some(Mechanism::External); 3]);
        let named = |_| ClientExchange::new(Identity::Certificate).acting_as(ALICE);
        assert_eq!(logins_as(&server, &showing, named), [Some(Mechanism::External); 3]);
        let other = |_| ClientExchange::new(Identity::Certificate).acting_as(BOB);
        assert_eq!(logins_as(&server, &showing, other), [None; 3]);
        // Who shows none is asked for none, and logs in otherwise.
        assert_eq!(logins(&server, client), [None; 3]);
        assert!(logins(&server, |_| by_password(PASSWORD).only(Mechanisms::PASSWORD)).iter().all(Option::is_some));
    });
}

#[test]
fn a_certificate_by_another_authority_is_no_certificate() {
    on_both(|runtime| {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (file, ..) = certified(folder.path(), ALICE);
        let (_, chain, key) = certified(other.path(), ALICE);
        let server = Server::start_with(runtime, |config| config.auth.client_ca = Some(file));
        let showing = server.authority.client_showing(chain, key);
        // With TLS 1.3 the client learns of it behind its own handshake.
        let talk = Talk::try_tls(server.address(Listener::Imaps), showing);
        assert!(talk.map_or(true, |mut talk| talk.is_refused()), "the handshake fails");
    });
}

#[test]
fn a_token_logs_in_its_account() {
    on_both(|runtime| {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("jwks.json");
        let pair = KeyPair::generate().unwrap();
        let (x, y) = pair.public_key_raw()[1..].split_at(32);
        let jwk = format!(
            "{{\"keys\":[{{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"1\",\"x\":\"{}\",\"y\":\"{}\"}}]}}",
            base64url(x),
            base64url(y)
        );
        std::fs::write(&keys, jwk).unwrap();
        let oauth = Oauth {
            issuer: "https://login.example.test".into(),
            audience: "mail".into(),
            keys,
            login: "email".into(),
            scope: "mail".into(),
        };
        let edit = |config: &mut Config| config.auth.oauth = Some(Arc::new(oauth));
        let server = Server::start_with(runtime, edit);
        let token = |email: &str, expires: i64| sign(&pair, email, expires);
        let client = |token: String, mechanism: Mechanism| {
            move |_: TlsFacts| {
                let (login, host) = (ALICE.into(), "localhost".into());
                let identity = Identity::Token { login, token: token.clone(), host, port: 465 };
                ClientExchange::new(identity).only(mechanism.into())
            }
        };
        for mechanism in [Mechanism::OauthBearer, Mechanism::Xoauth2] {
            assert_eq!(logins(&server, client(token(ALICE, 600), mechanism)), [Some(mechanism); 3]);
            for bad in [token(ALICE, -600), token(BOB, 600), token("nobody@example.test", 600), "x.y.z".into()] {
                assert_eq!(logins(&server, client(bad, mechanism)), [None; 3]);
            }
        }
    });
}

fn base64url(octets: &[u8]) -> String {
    postkern::sasl::encode(octets).replace('+', "-").replace('/', "_").trim_end_matches('=').to_owned()
}

/// A token by ES256 (RFC 7518 section 3.4).
fn sign(pair: &KeyPair, email: &str, expires: i64) -> String {
    use rcgen::SigningKey;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let claims = format!(
        "{{\"iss\":\"https://login.example.test\",\"aud\":\"mail\",\"exp\":{},\"email\":\"{email}\"}}",
        i64::try_from(now).unwrap() + expires
    );
    let body = format!("{}.{}", base64url(b"{\"alg\":\"ES256\",\"kid\":\"1\"}"), base64url(claims.as_bytes()));
    let der = pair.sign(body.as_bytes()).unwrap();
    // SEQUENCE of two INTEGERs; a JWS has them one behind the other, 32 octets each.
    let (mut fixed, mut rest) = (Vec::new(), &der[2..]);
    for _ in 0..2 {
        let (number, behind) = rest[2..].split_at(usize::from(rest[1]));
        let number = if number.len() > 32 { &number[number.len() - 32..] } else { number };
        fixed.extend(std::iter::repeat_n(0, 32 - number.len()).chain(number.iter().copied()));
        rest = behind;
    }
    format!("{body}.{}", base64url(&fixed))
}
