//! Whose a token is (RFC 7519), by the issuer's public keys in a file (RFC 7517). No network:
//! a login must not wait for another host, and whoever can answer in the issuer's place could
//! log in as anyone.

use std::fs::{self, Metadata};
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use postkern_server::config::Oauth;
use postkern_server::job::Failure;
use serde_json::{Map, Value};

/// Octets of the file of keys.
pub(crate) const KEYS_MAX: u64 = 1024 * 1024;
/// Keys that one token is tried against.
const TRIES: usize = 8;
/// Seconds by which the issuer's clock and ours may differ.
const LEEWAY: u64 = 60;

/// Signatures that are taken: by public keys alone. A key that both sides share (HS256 and the
/// like) has no place in the file, nor has a token without signature.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// The keys of the file that was read last.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    read: Mutex<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    oauth: Arc<Oauth>,
    stamp: Stamp,
    keys: Arc<JwkSet>,
}

/// What of a file changes when it is written.
#[derive(Debug, Eq, PartialEq)]
struct Stamp {
    len: u64,
    modified: Option<SystemTime>,
}

impl Tokens {
    /// The name of the account that a token is for; none if it is not to be taken.
    ///
    /// # Errors
    /// The keys cannot be read.
    pub(crate) fn login(&self, token: &[u8], oauth: &Arc<Oauth>) -> Result<Option<String>, Failure> {
        let keys = self.keys(oauth)?;
        match login(token, oauth, &keys) {
            Ok(login) => Ok(Some(login)),
            Err(why) => {
                tracing::info!(why, "a token is refused");
                Ok(None)
            }
        }
    }

    fn keys(&self, oauth: &Arc<Oauth>) -> Result<Arc<JwkSet>, Failure> {
        let broken = |what: String| Failure::Broken(format!("{}: {what}", oauth.keys.display()));
        let metadata = fs::metadata(&oauth.keys).map_err(|error| broken(error.to_string()))?;
        let stamp = Stamp::of(&metadata);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(read) = read.as_ref().filter(|read| read.oauth == *oauth && read.stamp == stamp) {
            return Ok(Arc::clone(&read.keys));
        }
        let keys = Arc::new(read_keys(&oauth.keys).map_err(broken)?);
        *read = Some(Known { oauth: Arc::clone(oauth), stamp, keys: Arc::clone(&keys) });
        Ok(keys)
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { len: metadata.len(), modified: metadata.modified().ok() }
    }
}

/// Reads a file of keys.
///
/// # Errors
/// It cannot be read, is too large, or is no set of keys of which one could be used: in words.
pub(crate) fn read_keys(file: &Path) -> Result<JwkSet, String> {
    let mut text = String::new();
    let opened = fs::File::open(file).map_err(|error| error.to_string())?;
    opened.take(KEYS_MAX + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > KEYS_MAX {
        return Err("too large for a set of keys".into());
    }
    let set: JwkSet = serde_json::from_str(&text).map_err(|error| format!("no JSON Web Key Set: {error}"))?;
    if !set.keys.iter().any(is_usable) {
        return Err("no public key in it that could sign a token".into());
    }
    Ok(set)
}

fn is_usable(key: &Jwk) -> bool {
    let public = matches!(
        key.algorithm,
        AlgorithmParameters::RSA(_) | AlgorithmParameters::EllipticCurve(_) | AlgorithmParameters::OctetKeyPair(_)
    );
    public && !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption))
}

/// The login that a token proves, or why it proves none.
fn login(token: &[u8], oauth: &Oauth, keys: &JwkSet) -> Result<String, String> {
    let header = decode_header(token).map_err(|error| error.to_string())?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err("an algorithm that is not taken".into());
    }
    let mut validation = Validation::new(header.alg);
    validation.leeway = LEEWAY;
    validation.validate_nbf = true;
    validation.set_audience(&[&oauth.audience]);
    validation.set_issuer(&[&oauth.issuer]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    let named = |key: &&Jwk| match &header.kid {
        Some(wanted) => key.common.key_id.as_ref() == Some(wanted),
        None => true,
    };
    let mut why = String::from("no key of that name");
    for key in keys.keys.iter().filter(|key| is_usable(key)).filter(named).take(TRIES) {
        let decoded = DecodingKey::from_jwk(key).and_then(|key| decode::<Map<String, Value>>(token, &key, &validation));
        match decoded {
            Ok(token) => return named_account(&token.claims, &oauth.login),
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}

fn named_account(claims: &Map<String, Value>, claim: &str) -> Result<String, String> {
    // OpenID Connect Core section 5.1: an address that anyone may have claimed.
    let verified = |value: &Value| value == &Value::Bool(true) || value.as_str() == Some("true");
    if claim == "email" && claims.get("email_verified").is_some_and(|value| !verified(value)) {
        return Err("its address is not verified".into());
    }
    match claims.get(claim) {
        Some(Value::String(login)) if !login.is_empty() => Ok(login.clone()),
        _ => Err("it does not name an account".into()),
    }
}

#[cfg(test)]
mod tests;
