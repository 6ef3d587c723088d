//! `[auth]` of the configuration, and what is offered on a connection.

use std::path::Path;

use postkern::sasl::{EndPoint, Hash, Mechanism, Mechanisms, TlsFacts};
use postkern_server::config::{Auth, Config};

const OAUTH: &str = "[auth.oauth]\nissuer = \"https://login.a.test\"\naudience = \"mail\"\nkeys = \"jwks.json\"\n";

fn with(rest: &str) -> Result<Config, Vec<String>> {
    let text = format!("hostname = \"mail.a.test\"\ndata = \"d\"\ndomains = \"a.test\"\n{rest}");
    let errors = |errors: Vec<_>| errors.iter().map(ToString::to_string).collect();
    Config::parse(&text, Path::new("/etc/postkern")).map_err(errors)
}

#[test]
fn what_can_be_configured() {
    let tls = "[tls]\ncertificate = \"c\"\nkey = \"k\"\nclient_ca = \"ca.pem\"\n";
    let auth = "[auth]\nplaintext = true\nmechanisms = [\"scram-sha-1\", \"PLAIN\", \"EXTERNAL\", \"OAUTHBEARER\"]\n";
    let config = with(&format!("{tls}{auth}{OAUTH}login = \"sub\"\nscope = \"mail.read\"\n")).unwrap();
    assert!(config.plaintext_login);
    let wanted = [Mechanism::ScramSha1, Mechanism::Plain, Mechanism::External, Mechanism::OauthBearer];
    assert_eq!(config.auth.mechanisms, Mechanisms::of(&wanted));
    assert_eq!(config.auth.hashes(), [Hash::Sha1]);
    assert_eq!(config.auth.client_ca.as_deref(), Some(Path::new("/etc/postkern/ca.pem")));
    let oauth = config.auth.oauth.unwrap();
    assert_eq!((oauth.issuer.as_str(), oauth.audience.as_str()), ("https://login.a.test", "mail"));
    assert_eq!((oauth.login.as_str(), oauth.scope.as_str()), ("sub", "mail.read"));
    assert_eq!(oauth.keys, Path::new("/etc/postkern/jwks.json"));
    assert_eq!(oauth.openid_configuration(), "https://login.a.test/.well-known/openid-configuration");
    assert_eq!(with("").unwrap().auth, Auth::default());
    assert_eq!(Auth::default().hashes(), [Hash::Sha256]);
    assert_eq!(with(OAUTH).unwrap().auth.oauth.unwrap().login, "email");
}

#[test]
fn faults_are_told_with_their_line() {
    for (rest, line, what) in [
        ("[auth]\nplaintext = 1", 5, "must be true or false"),
        ("[auth]\nmechanism = \"PLAIN\"", 5, "there is no key \"mechanism\""),
        ("[auth]\nmechanisms = \"CRAM-MD5\"", 5, "is no mechanism that is known here"),
        ("[auth]\nmechanisms = []", 5, "nobody could log in"),
        ("[auth]\nmechanisms = [\"PLAIN\",\n\"OAUTHBEARER\"]", 6, "write [auth.oauth]"),
        ("[auth]\nmechanisms = \"EXTERNAL\"", 5, "needs client_ca"),
        ("[auth]\noauth = 1", 5, "write [auth.oauth] above its keys"),
        ("[auth.oauth]\naudience = \"m\"\nkeys = \"k\"", 4, "auth.oauth.issuer is missing"),
        ("[auth.oauth]\nissuer = \"https://a.test\"\nkeys = \"k\"", 4, "auth.oauth.audience is missing"),
        ("[auth.oauth]\nissuer = \"https://a.test\"\naudience = \"m\"", 4, "auth.oauth.keys is missing"),
        ("[auth.oauth]\nissuer = \"http://a.test\"\naudience = \"m\"\nkeys = \"k\"", 5, "begins with https://"),
        ("[auth.oauth]\nissuer = \"https://a.test\"\naudience = \"m \"\nkeys = \"k\"", 6, "visible ASCII"),
        ("[auth.oauth]\nissuer = \"https://a.test\"\naudience = \"m\"\nkeys = \"\"", 7, "must be a path"),
        ("[tls]\ncertificate = \"c\"\nkey = \"k\"\nclient_ca = \"\"", 7, "must be a path"),
    ] {
        let errors = with(rest).expect_err(rest);
        assert_eq!(errors.len(), 1, "{rest}: {errors:?}");
        assert!(errors[0].starts_with(&format!("line {line}: ")) && errors[0].contains(what), "{rest}: {errors:?}");
    }
}

#[test]
fn what_a_connection_cannot_do_is_not_offered() {
    let auth = |rest: &str| with(rest).unwrap().auth;
    let plain = auth("");
    let base = Mechanisms::PASSWORD.with(Mechanism::ScramSha256);
    assert_eq!(plain.offers(None), base);
    let none = TlsFacts::default();
    assert_eq!(plain.offers(Some(&none)), base);
    let bound = TlsFacts { end_point: EndPoint::new(b"hash"), ..TlsFacts::default() };
    assert_eq!(plain.offers(Some(&bound)), base.with(Mechanism::ScramSha256Plus));
    let tokens = auth(OAUTH);
    assert_eq!(tokens.offers(None), base, "a token is not said in plaintext");
    let with_tokens = base.with(Mechanism::OauthBearer).with(Mechanism::Xoauth2);
    assert_eq!(tokens.offers(Some(&none)), with_tokens);
    // A certificate that names nobody.
    let certified = TlsFacts { peer_certificate: Some(vec![0x30, 0]), ..TlsFacts::default() };
    assert_eq!(plain.offers(Some(&certified)), base);
}
