use std::time::UNIX_EPOCH;

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

use super::*;

/// A key of the issuer's: PKCS #8, and its public half as a JSON Web Key.
struct Key {
    private: EncodingKey,
    public: Value,
}

fn key(id: &str) -> Key {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let point = pair.public_key_raw();
    let (x, y) = point[1..].split_at(32);
    let public = json!({
        "kty": "EC", "crv": "P-256", "use": "sig", "kid": id, "x": base64url(x), "y": base64url(y),
    });
    Key { private: EncodingKey::from_ec_der(&pair.serialize_der()), public }
}

fn base64url(octets: &[u8]) -> String {
    postkern::sasl::encode(octets).replace('+', "-").replace('/', "_").trim_end_matches('=').to_owned()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims() -> Value {
    json!({
        "iss": "https://login.a.test", "aud": "mail", "exp": now() + 600, "sub": "1", "email": "Bob@a.test",
        "email_verified": true,
    })
}

struct Issuer {
    _folder: tempfile::TempDir,
    oauth: Arc<Oauth>,
    key: Key,
    tokens: Tokens,
}

fn issuer() -> Issuer {
    let folder = tempfile::tempdir().unwrap();
    let oauth = Arc::new(Oauth {
        issuer: "https://login.a.test".into(),
        audience: "mail".into(),
        keys: folder.path().join("jwks.json"),
        login: "email".into(),
        scope: String::new(),
    });
    let key = key("one");
    fs::write(&oauth.keys, json!({ "keys": [{ "kty": "oct", "k": "AAAA" }, key.public] }).to_string()).unwrap();
    Issuer { _folder: folder, oauth, key, tokens: Tokens::default() }
}

impl Issuer {
    fn sign(&self, kid: Option<&str>, claims: &Value) -> String {
        let header = Header { kid: kid.map(Into::into), ..Header::new(Algorithm::ES256) };
        encode(&header, claims, &self.key.private).unwrap()
    }

    fn login(&self, token: &str) -> Option<String> {
        self.tokens.login(token.as_bytes(), &self.oauth).unwrap()
    }
}

#[test]
fn a_token_names_its_account() {
    let issuer = issuer();
    let bob = Some("Bob@a.test".to_owned());
    assert_eq!(issuer.login(&issuer.sign(Some("one"), &claims())), bob);
    assert_eq!(issuer.login(&issuer.sign(None, &claims())), bob);
    let mut several = claims();
    several["aud"] = json!(["other", "mail"]);
    assert_eq!(issuer.login(&issuer.sign(None, &several)), bob);
}

#[test]
fn tokens_that_are_not_taken() {
    let issuer = issuer();
    for (claim, value) in [
        ("iss", json!("https://login.b.test")),
        ("iss", Value::Null),
        ("aud", json!("calendar")),
        ("aud", json!([])),
        ("exp", json!(now() - 600)),
        ("exp", Value::Null),
        ("nbf", json!(now() + 600)),
        ("email", Value::Null),
        ("email", json!("")),
        ("email", json!(["bob@a.test"])),
        ("email_verified", json!(false)),
        ("email_verified", json!("false")),
        ("email_verified", json!(1)),
    ] {
        let mut claims = claims();
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(claim)),
            value => claims[claim] = value,
        }
        assert_eq!(issuer.login(&issuer.sign(Some("one"), &claims)), None, "{claim}: {claims}");
    }
    let good = issuer.sign(Some("one"), &claims());
    assert_eq!(issuer.login(&issuer.sign(Some("two"), &claims())), None, "a key of another name");
    let (body, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = body.split_once('.').unwrap();
    let forged = [
        String::new(),
        "x".into(),
        "..".into(),
        format!("{body}."),
        format!("{body}.{}", signature.chars().rev().collect::<String>()),
        format!("{header}.{}.{signature}", base64url(claims().to_string().replace("Bob", "Eve").as_bytes())),
        // Without signature (RFC 7519 section 6).
        format!("{}.{payload}.", base64url(b"{\"alg\":\"none\"}")),
        format!("{}.{payload}.{signature}", base64url(b"{\"alg\":\"none\",\"kid\":\"one\"}")),
        // By a shared key: the public one, or the one that has no place in the file.
        encode(
            &Header { kid: Some("one".into()), ..Header::new(Algorithm::HS256) },
            &claims(),
            &EncodingKey::from_secret(issuer.key.public["x"].as_str().unwrap().as_bytes()),
        )
        .unwrap(),
        encode(&Header::new(Algorithm::HS256), &claims(), &EncodingKey::from_secret(&[0, 0, 0])).unwrap(),
        {
            let other = key("one");
            encode(&Header { kid: Some("one".into()), ..Header::new(Algorithm::ES256) }, &claims(), &other.private)
                .unwrap()
        },
    ];
    for token in forged {
        assert_eq!(issuer.login(&token), None, "{token}");
    }
    assert_eq!(issuer.login(&good), Some("Bob@a.test".into()));
}

#[test]
fn keys_are_read_anew_when_they_change() {
    let mut issuer = issuer();
    let old = issuer.sign(None, &claims());
    assert!(issuer.login(&old).is_some());
    issuer.key = key("another");
    fs::write(&issuer.oauth.keys, json!({ "keys": [issuer.key.public] }).to_string()).unwrap();
    assert_eq!(issuer.login(&old), None);
    assert!(issuer.login(&issuer.sign(None, &claims())).is_some());
    for broken in ["", "{}", "{\"keys\":[]}", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}"] {
        fs::write(&issuer.oauth.keys, broken).unwrap();
        let failed = issuer.tokens.login(old.as_bytes(), &issuer.oauth);
        assert!(matches!(&failed, Err(Failure::Broken(why)) if why.contains("jwks.json")), "{failed:?}");
    }
    fs::write(&issuer.oauth.keys, " ".repeat(KEYS_MAX as usize + 1)).unwrap();
    assert!(issuer.tokens.login(old.as_bytes(), &issuer.oauth).is_err());
    fs::remove_file(&issuer.oauth.keys).unwrap();
    assert!(issuer.tokens.login(old.as_bytes(), &issuer.oauth).is_err());
}
