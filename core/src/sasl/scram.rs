//! SCRAM (RFC 5802) by SHA-256 (RFC 7677) and SHA-1: what both sides have in common.
//!
//! ```text
//! C: n,,n=user,r=rOprNGfwEbeRWgbNEkqO
//! S: r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096
//! C: c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=
//! S: v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=
//! ```
//!
//! # Known limits
//! SASLprep (RFC 4013) changes nothing in printable ASCII. The crates that have its tables need
//! std: names and passwords with other characters are to be prepared by the application, on
//! both sides, before they come here.

mod client;
mod server;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::hint::black_box;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

pub(super) use self::client::ScramClient;
pub(super) use self::server::{Said, ScramServer};
use super::Mechanism;
use super::message::encode;

/// The fewest iterations that a client of ours goes on with (RFC 7677 section 4, RFC 5802
/// section 5.1): a server that asks for fewer wants the password cheap to guess.
pub const ITERATIONS_MIN: u32 = 4096;
/// The most, so that a server cannot burn the client's time: about half a second.
pub const ITERATIONS_MAX: u32 = 1_000_000;
/// Random octets of a nonce of ours; it is 24 characters long.
pub const NONCE: usize = 18;
/// Characters of the peer's part of the nonce.
pub const NONCE_MAX: usize = 256;
/// Octets of a name.
pub const NAME_MAX: usize = 512;
/// Octets of a salt.
pub const SALT_MAX: usize = 256;
/// Octets of a message, decoded.
pub const SCRAM_MESSAGE_MAX: usize = 4096;

/// The hash of a SCRAM mechanism.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Hash {
    /// SCRAM-SHA-1 (RFC 5802).
    Sha1,
    /// SCRAM-SHA-256 (RFC 7677).
    Sha256,
}

impl Hash {
    /// Octets of a hash.
    pub const fn octets(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// The mechanism by it, with or without channel binding.
    pub const fn mechanism(self, plus: bool) -> Mechanism {
        match (self, plus) {
            (Self::Sha1, false) => Mechanism::ScramSha1,
            (Self::Sha1, true) => Mechanism::ScramSha1Plus,
            (Self::Sha256, false) => Mechanism::ScramSha256,
            (Self::Sha256, true) => Mechanism::ScramSha256Plus,
        }
    }

    /// Of a mechanism, and whether it binds to the channel; none if it is no SCRAM.
    pub const fn of(mechanism: Mechanism) -> Option<(Self, bool)> {
        match mechanism {
            Mechanism::ScramSha1 => Some((Self::Sha1, false)),
            Mechanism::ScramSha1Plus => Some((Self::Sha1, true)),
            Mechanism::ScramSha256 => Some((Self::Sha256, false)),
            Mechanism::ScramSha256Plus => Some((Self::Sha256, true)),
            _ => None,
        }
    }

    fn digest(self, octets: &[u8]) -> Value {
        match self {
            Self::Sha1 => Value::new(&Sha1::digest(octets)),
            Self::Sha256 => Value::new(&Sha256::digest(octets)),
        }
    }

    fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Value {
        fn of<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Value {
            let mut mac = <M as KeyInit>::new_from_slice(key).expect("a key of HMAC has any length");
            for part in parts {
                mac.update(part);
            }
            Value::new(&mac.finalize().into_bytes())
        }
        match self {
            Self::Sha1 => of::<Hmac<Sha1>>(key, parts),
            Self::Sha256 => of::<Hmac<Sha256>>(key, parts),
        }
    }

    /// SaltedPassword of RFC 5802 section 3: PBKDF2.
    fn salted(self, password: &[u8], salt: &[u8], iterations: u32) -> Value {
        let mut value = Value::zero(self.octets());
        match self {
            Self::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, iterations, value.as_mut_slice()),
            Self::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, value.as_mut_slice()),
        }
        value
    }
}

/// What a server keeps of a password (RFC 5802 section 3): enough to check a proof, not enough
/// to make one. It is to be kept as secret as a password's hash: it can be guessed against.
#[derive(Clone)]
pub struct Keys {
    hash: Hash,
    iterations: u32,
    salt: Vec<u8>,
    stored: Value,
    server: Value,
}

impl Keys {
    /// Makes them of a password, by as many iterations of PBKDF2: costly on purpose.
    ///
    /// A password that is not of printable ASCII is to be prepared first (SASLprep, RFC 4013).
    pub fn derive(hash: Hash, password: &[u8], salt: &[u8], iterations: u32) -> Self {
        let salted = hash.salted(password, salt, iterations);
        let client = hash.hmac(salted.as_slice(), &[b"Client Key"]);
        Self {
            hash,
            iterations,
            salt: salt.into(),
            stored: hash.digest(client.as_slice()),
            server: hash.hmac(salted.as_slice(), &[b"Server Key"]),
        }
    }

    /// Out of what was kept; none if a part has a length that it cannot have.
    pub fn restore(hash: Hash, salt: &[u8], iterations: u32, stored: &[u8], server: &[u8]) -> Option<Self> {
        let fits = stored.len() == hash.octets() && server.len() == hash.octets();
        let fits = fits && (1..=SALT_MAX).contains(&salt.len()) && iterations > 0;
        let (stored, server) = fits.then(|| (Value::new(stored), Value::new(server)))?;
        Some(Self { hash, iterations, salt: salt.into(), stored, server })
    }

    /// Those of nobody, which no proof fits, with a salt that looks like any other
    /// ([`decoy_salt`]).
    pub fn decoy(hash: Hash, salt: &[u8], iterations: u32) -> Self {
        let zero = Value::zero(hash.octets());
        Self { hash, iterations, salt: salt.into(), stored: zero, server: zero }
    }

    /// By which hash.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Iterations of PBKDF2.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// The salt.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// StoredKey: the hash of the client's key.
    pub fn stored_key(&self) -> &[u8] {
        self.stored.as_slice()
    }

    /// ServerKey: with it a server proves that it knows the password's keys.
    pub fn server_key(&self) -> &[u8] {
        self.server.as_slice()
    }

    /// Whether a proof is that of the password (RFC 5802 section 3); constant in time with
    /// regard to where they differ.
    fn is_proven(&self, proof: &[u8], auth_message: &str) -> bool {
        if proof.len() != self.hash.octets() {
            return false;
        }
        let signature = self.hash.hmac(self.stored.as_slice(), &[auth_message.as_bytes()]);
        let client_key = signature.xor(proof);
        // Zero is what nobody's keys are, and no hash: none is left to chance.
        let nobody = is_equal(self.stored.as_slice(), Value::zero(self.hash.octets()).as_slice());
        is_equal(self.hash.digest(client_key.as_slice()).as_slice(), self.stored.as_slice()) & !nobody
    }

    fn server_signature(&self, auth_message: &str) -> Value {
        self.hash.hmac(self.server.as_slice(), &[auth_message.as_bytes()])
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({:?} {} ..)", self.hash, self.iterations)
    }
}

/// The salt of an account that does not exist, the same each time, so that its login cannot be
/// told from one with a wrong password (RFC 5802 section 9 leaves that to the server).
///
/// `secret` is the server's, kept as long as its accounts; `login` is in the form that
/// accounts are compared in. Sixteen octets: those of accounts must be as long.
pub fn decoy_salt(secret: &[u8; 32], hash: Hash, login: &str) -> [u8; 16] {
    let name = hash.mechanism(false).name();
    let value = Hash::Sha256.hmac(secret, &[name.as_bytes(), &[0], login.as_bytes()]);
    let mut salt = [0; 16];
    salt.copy_from_slice(&value.as_slice()[..16]);
    salt
}

/// The value of a hash.
#[derive(Clone, Copy)]
struct Value {
    octets: [u8; 32],
    len: u8,
}

impl Value {
    fn new(octets: &[u8]) -> Self {
        let mut value = Self::zero(octets.len());
        value.as_mut_slice().copy_from_slice(octets);
        value
    }

    /// `len` is that of a [`Hash`].
    fn zero(len: usize) -> Self {
        debug_assert!(len <= 32, "no such hash");
        Self { octets: [0; 32], len: len.min(32) as u8 }
    }

    fn xor(mut self, other: &[u8]) -> Self {
        for (octet, other) in self.as_mut_slice().iter_mut().zip(other) {
            *octet ^= other;
        }
        self
    }

    fn as_slice(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }

    fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.octets[..usize::from(self.len)]
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(..)")
    }
}

/// Whether two values are the same, in a time that tells nothing of where they differ.
fn is_equal(one: &[u8], other: &[u8]) -> bool {
    let differ = one.iter().zip(other).fold(0, |differ, (one, other)| black_box(differ | (one ^ other)));
    one.len() == other.len() && black_box(differ) == 0
}

/// A nonce in the characters that may stand there: base64 has no comma.
fn nonce_text(random: &[u8; NONCE]) -> String {
    encode(random)
}

/// RFC 5802 section 7, printable: visible ASCII without the comma.
fn is_nonce(nonce: &str) -> bool {
    (1..=NONCE_MAX).contains(&nonce.len()) && nonce.bytes().all(|byte| matches!(byte, b'!'..=b'+' | b'-'..=b'~'))
}

/// Extensions behind a message's own attributes: well formed, and ignored (RFC 5802 section
/// 5.1), but for `m`, which must be understood.
fn are_extensions<'m>(mut attributes: impl Iterator<Item = &'m str>) -> bool {
    attributes.all(|attribute| {
        let name = attribute.split_once('=').filter(|(_, value)| !value.is_empty()).map(|(name, _)| name.as_bytes());
        matches!(name, Some([letter]) if letter.is_ascii_alphabetic() && *letter != b'm')
    })
}

#[cfg(test)]
mod tests;
