//! The client's side of SCRAM.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::super::message::{decode, encode, escape};
use super::{
    Hash, ITERATIONS_MAX, ITERATIONS_MIN, NONCE_MAX, SALT_MAX, SCRAM_MESSAGE_MAX, Value, are_extensions, is_equal,
    is_nonce,
};

/// One exchange.
pub(crate) struct ScramClient {
    hash: Hash,
    password: Vec<u8>,
    /// The header of GS2 with the data of the channel binding, in base64.
    binding: String,
    /// client-first-message-bare.
    bare: String,
    nonce: String,
    state: State,
}

enum State {
    /// The first message is out.
    Begun,
    /// The proof is out: this is what the server must prove itself with.
    Proven(Value),
    /// It has.
    Verified,
    Failed,
}

impl ScramClient {
    /// Begins; the first message, decoded. `flag` is the gs2-cbind-flag, `data` of the binding
    /// if it is one.
    pub(crate) fn begin(
        hash: Hash,
        (login, password): (&str, &[u8]),
        authorization: &str,
        (flag, data): (&str, &[u8]),
        nonce: String,
    ) -> (Self, String) {
        let authorization = match authorization {
            "" => String::new(),
            name => format!("a={}", escape(name)),
        };
        let header = format!("{flag},{authorization},");
        let bare = format!("n={},r={nonce}", escape(login));
        let first = format!("{header}{bare}");
        let binding = encode(&[header.as_bytes(), data].concat());
        (Self { hash, password: password.into(), binding, bare, nonce, state: State::Begun }, first)
    }

    /// The answer to a challenge, decoded; none if the server is not to be gone on with.
    pub(crate) fn respond(&mut self, challenge: &[u8]) -> Option<String> {
        let message = core::str::from_utf8(challenge).ok().filter(|text| text.len() <= SCRAM_MESSAGE_MAX);
        let state = core::mem::replace(&mut self.state, State::Failed);
        match (state, message?) {
            (State::Begun, message) => self.prove(message),
            (State::Proven(signature), message) => {
                let given = verifier(message)?;
                if !is_equal(&given, signature.as_slice()) {
                    return None;
                }
                self.state = State::Verified;
                Some(String::new())
            }
            (State::Verified | State::Failed, _) => None,
        }
    }

    /// Whether the server has proven that it knows the keys of the password.
    pub(crate) fn is_verified(&self) -> bool {
        matches!(self.state, State::Verified)
    }

    /// RFC 5802 section 7: server-first-message in, client-final-message out.
    fn prove(&mut self, message: &str) -> Option<String> {
        let mut attributes = message.split(',');
        let nonce = attributes.next()?.strip_prefix("r=")?;
        let salt = decode(attributes.next()?.strip_prefix("s=")?.as_bytes())?;
        let iterations = attributes.next()?.strip_prefix("i=")?;
        // RFC 5802 section 5.1: ours, and more behind it.
        let theirs = nonce.strip_prefix(&*self.nonce)?;
        if !is_nonce(theirs) || theirs.len() > NONCE_MAX || !(1..=SALT_MAX).contains(&salt.len()) {
            return None;
        }
        let iterations = positive(iterations).filter(|count| (ITERATIONS_MIN..=ITERATIONS_MAX).contains(count))?;
        if !are_extensions(attributes) {
            return None;
        }
        let hash = self.hash;
        let salted = hash.salted(&core::mem::take(&mut self.password), &salt, iterations);
        let client_key = hash.hmac(salted.as_slice(), &[b"Client Key"]);
        let stored_key = hash.digest(client_key.as_slice());
        let server_key = hash.hmac(salted.as_slice(), &[b"Server Key"]);
        let unproven = format!("c={},r={nonce}", self.binding);
        let auth_message = format!("{},{message},{unproven}", self.bare);
        let signature = hash.hmac(stored_key.as_slice(), &[auth_message.as_bytes()]);
        let proof = client_key.xor(signature.as_slice());
        self.state = State::Proven(hash.hmac(server_key.as_slice(), &[auth_message.as_bytes()]));
        Some(format!("{unproven},p={}", encode(proof.as_slice())))
    }
}

/// RFC 5802 section 7: posit-number.
fn positive(number: &str) -> Option<u32> {
    let digits = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    digits.then(|| number.parse().ok()).flatten()
}

/// `v=` of server-final-message; none if it is an error.
fn verifier(message: &str) -> Option<Vec<u8>> {
    let mut attributes = message.split(',');
    let given = decode(attributes.next()?.strip_prefix("v=")?.as_bytes())?;
    are_extensions(attributes).then_some(given)
}

impl fmt::Debug for ScramClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScramClient({:?} ..)", self.hash)
    }
}
