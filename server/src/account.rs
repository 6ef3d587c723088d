//! Accounts: names and password verifiers.
//!
//! A verifier is a PHC string of argon2id (RFC 9106). One made with other parameters than
//! today's, or by another program, is checked with the parameters it states, so that the
//! constants below can be raised without locking anyone out.

use core::fmt;
use core::hint::black_box;
use std::borrow::Cow;

use argon2::password_hash::phc::Output;
use argon2::{Algorithm, Argon2, Block, Params, PasswordHash, PasswordHasher, Version};
use postkern::sasl::{Hash, Keys};
use postkern::smtp;

use crate::idn;

/// KiB of memory that a new verifier costs.
///
/// This and the two that follow are the OWASP Password Storage Cheat Sheet's minimum for
/// argon2id: 19 MiB, two passes, one lane.
pub const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over that memory.
pub const PASSES: u32 = 2;
/// Lanes, and so threads that could share the work.
pub const LANES: u32 = 1;

/// KiB of memory past which a verifier is not run: a damaged or foreign one must not cost the
/// server its memory. A gibibyte.
pub const MEMORY_KIB_MAX: u32 = 1024 * 1024;
/// KiB times passes past which a verifier is not run, so that a login ends: about a hundred
/// times the work of our own.
pub const WORK_KIB_MAX: u64 = 4 * 1024 * 1024;

/// Octets of a password. Long enough for any passphrase, short enough for a line of AUTH
/// (12288 octets, RFC 4954 section 4) and for IMAP's LOGIN.
pub const PASSWORD_MAX: usize = 1024;

/// What an unknown account's password is checked against: made like a new verifier, but of
/// arbitrary octets that are no password's hash.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm8gYWNjb3VudCBoZXJlIQ$bm8gcGFzc3dvcmQgaXMgaGFzaGVkIGludG8gdGhpcyE";

/// Why a password cannot be an account's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum BadPassword {
    /// It is empty, which no client can send with PLAIN (RFC 4616 section 2).
    Empty,
    /// It is longer than [`PASSWORD_MAX`].
    TooLong,
    /// It has a NUL, CR or LF, which not every login command can carry.
    Control,
}

impl fmt::Display for BadPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a password must not be empty"),
            Self::TooLong => write!(f, "a password has at most {PASSWORD_MAX} octets"),
            Self::Control => f.write_str("a password must not hold NUL, CR or LF"),
        }
    }
}

impl std::error::Error for BadPassword {}

/// Whether a password may be set.
///
/// Octets are taken as they are: there is no preparation of Unicode (RFC 8265), so that what
/// matches is what was typed.
///
/// # Errors
/// Why it may not.
pub fn check_password(password: &[u8]) -> Result<(), BadPassword> {
    if password.is_empty() {
        return Err(BadPassword::Empty);
    }
    if password.len() > PASSWORD_MAX {
        return Err(BadPassword::TooLong);
    }
    match password.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
        true => Err(BadPassword::Control),
        false => Ok(()),
    }
}

/// Makes a verifier (a PHC string, argon2id) of a password. The salt is random, and another
/// for each verifier.
pub fn hash(password: &[u8], salt: [u8; 16]) -> String {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the constants are within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(password, &salt)
        .expect("a password in memory and a salt of 16 octets are within argon2's bounds")
        .to_string()
}

/// Iterations of PBKDF2 of new SCRAM keys.
///
/// RFC 7677 section 4 wants as many as take a modern machine a tenth of a second. These take
/// about half of that, and are the most that Cyrus SASL (2.1.28, in mbsync, mutt, Evolution)
/// goes on with. The server spends them when a password is set, the client at each login. Who
/// steals the keys guesses faster than against argon2; that is the price of SCRAM.
pub const SCRAM_ITERATIONS: u32 = 65_536;

/// What is kept of a password for SCRAM (RFC 5802 section 3). Costly on purpose.
///
/// None for a password that SASLprep (RFC 4013) does not allow, such as one that is not UTF-8:
/// with PLAIN it can be used all the same.
pub fn scram_keys(hash: Hash, password: &[u8], salt: [u8; 16]) -> Option<Keys> {
    let password = core::str::from_utf8(password).ok()?;
    let prepared = stringprep::saslprep(password).ok().filter(|prepared| !prepared.is_empty())?;
    Some(Keys::derive(hash, prepared.as_bytes(), &salt, SCRAM_ITERATIONS))
}

/// A name as SCRAM's client gives it, in the form by which accounts are stored (RFC 5802
/// section 5.1: prepared by SASLprep). What cannot be prepared is nobody's name.
pub fn prepared(name: &str) -> String {
    stringprep::saslprep(name).map(|name| normalize(&name)).unwrap_or_default()
}

/// The memory that checks work in, kept from one to the next.
///
/// Asked of the allocator for each login, its 19 MiB leave holes that small things fill: glibc
/// was seen to grow to 10 GB in 1,200 logins.
#[derive(Default)]
pub struct Scratch(Vec<Block>);

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scratch({} KiB ..)", self.0.len())
    }
}

/// Whether the password is the one the verifier was made of. Constant in time with regard to
/// where they differ. With no verifier (an unknown account) the same work is done, and the
/// answer is no; so it is for a verifier that cannot be read or costs too much
/// ([`MEMORY_KIB_MAX`], [`WORK_KIB_MAX`]).
pub fn verify(password: &[u8], verifier: Option<&str>, scratch: &mut Scratch) -> bool {
    let own = verifier.and_then(Usable::read);
    let known = own.is_some();
    let used = own.unwrap_or_else(|| Usable::read(NOBODY).expect("the constant is a verifier"));
    // Without the black box the compiler might see that the answer is no anyway.
    let matches = black_box(used.matches(password, scratch));
    matches & known
}

/// A verifier that is affordable.
struct Usable {
    argon2: Argon2<'static>,
    salt: Vec<u8>,
    output: Output,
}

impl Usable {
    fn read(verifier: &str) -> Option<Self> {
        let hash = PasswordHash::new(verifier).ok()?;
        let params = Params::try_from(&hash).ok()?;
        let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
        let fits = params.m_cost() <= MEMORY_KIB_MAX && work <= WORK_KIB_MAX;
        let algorithm = Algorithm::new(hash.algorithm.as_str()).ok()?;
        let version = hash.version.map_or(Some(Version::default()), |version| Version::try_from(version).ok())?;
        let argon2 = Argon2::new(algorithm, version, params);
        // Without salt or output there is nothing to compare with.
        let (salt, output) = (hash.salt?.as_ref().to_vec(), hash.hash?);
        fits.then_some(Self { argon2, salt, output })
    }

    fn matches(&self, password: &[u8], scratch: &mut Scratch) -> bool {
        let blocks = self.argon2.params().block_count();
        if scratch.0.len() < blocks {
            scratch.0.resize(blocks, Block::new());
        }
        let mut made = vec![0; self.output.as_ref().len()];
        let memory = &mut scratch.0[..blocks];
        let done = self.argon2.hash_password_into_with_memory(password, &self.salt, &mut made, memory);
        // A foreign verifier's memory is not kept.
        scratch.0.truncate(MEMORY_KIB as usize);
        // `Output` compares in constant time.
        done.is_ok() && Output::new(&made).is_ok_and(|made| made == self.output)
    }
}

/// The form of an address by which accounts are stored and found: lower case, without quotes
/// that the local part does not need, and with its domain as A-labels, so that
/// `"Bob"@Example.org` is `bob@example.org`.
///
/// # Deviation
/// RFC 5321 section 2.4 lets the case of a local part matter. Here it does not: nobody is
/// served by `Bob@` and `bob@` being two people, and the section itself advises against it.
/// Only ASCII has its case changed; what is no mailbox at all is given back in lower case.
pub fn normalize(address: &str) -> String {
    let lower = idn::with_ascii_domain(address).unwrap_or(Cow::Borrowed(address)).to_ascii_lowercase();
    if !lower.starts_with('"') || !smtp::is_mailbox_utf8(&lower) {
        return lower;
    }
    let Some((local, domain)) = lower.rsplit_once("\"@") else { return lower };
    let mut meant = String::with_capacity(local.len());
    let mut characters = local[1..].chars();
    while let Some(character) = characters.next() {
        // RFC 5321 section 4.1.2: a backslash quotes the next character, whichever it is.
        meant.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    let plain = format!("{meant}@{domain}");
    if !meant.starts_with('"') && smtp::is_mailbox_utf8(&plain) {
        return plain;
    }
    let mut quoted = String::with_capacity(lower.len());
    quoted.push('"');
    for character in meant.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push_str("\"@");
    quoted.push_str(domain);
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_matches_its_own_verifier_only() {
        let verifier = hash(b"correct horse", *b"sixteen octets!!");
        assert!(verifier.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{verifier}");
        assert!(verify(b"correct horse", Some(&verifier), &mut Scratch::default()));
        for wrong in [&b"correct hors"[..], b"correct horse ", b"Correct horse", b"", b"correct horse\0"] {
            assert!(!verify(wrong, Some(&verifier), &mut Scratch::default()), "{wrong:?}");
        }
        let other = hash(b"correct horse", *b"another 16 octet");
        assert_ne!(other, verifier);
        assert!(verify(b"correct horse", Some(&other), &mut Scratch::default()));
    }

    #[test]
    fn a_verifier_is_checked_with_its_own_parameters() {
        let of = |algorithm, params| {
            Argon2::new(algorithm, Version::V0x13, params)
                .hash_password_with_salt(b"secret", b"some other salt")
                .unwrap()
                .to_string()
        };
        for verifier in [
            of(Algorithm::Argon2id, Params::new(64, 3, 2, Some(24)).unwrap()),
            of(Algorithm::Argon2i, Params::new(64, 3, 1, None).unwrap()),
        ] {
            assert!(verify(b"secret", Some(&verifier), &mut Scratch::default()), "{verifier}");
            assert!(!verify(b"Secret", Some(&verifier), &mut Scratch::default()), "{verifier}");
        }
    }

    #[test]
    fn what_is_no_verifier_lets_nobody_in() {
        assert!(!verify(b"", None, &mut Scratch::default()));
        for broken in [
            "",
            "secret",
            "$2b$12$abcdefghijklmnopqrstuv",
            "$argon2id$v=19$m=19456,t=2,p=1",
            "$argon2id$v=19$m=19456,t=2,p=1$bm8gYWNjb3VudCBoZXJlIQ",
            "$argon2id$v=19$m=4294967295,t=1,p=1$bm8gYWNjb3VudCBoZXJlIQ$bm8gcGFzc3dvcmQgaXMgaGFzaGVk",
            "$argon2id$v=19$m=64,t=4294967295,p=1$bm8gYWNjb3VudCBoZXJlIQ$bm8gcGFzc3dvcmQgaXMgaGFzaGVk",
        ] {
            assert!(Usable::read(broken).is_none(), "{broken}");
        }
        assert!(!verify(b"secret", Some("secret"), &mut Scratch::default()));
    }

    #[test]
    fn nobody_costs_what_an_account_costs() {
        let of = |verifier: &str| {
            let hash = PasswordHash::new(verifier).unwrap();
            let params = Params::try_from(&hash).unwrap();
            (hash.algorithm, hash.version, params.m_cost(), params.t_cost(), params.p_cost(), params.output_len())
        };
        assert_eq!(of(NOBODY), of(&hash(b"x", [7; 16])));
    }

    #[test]
    fn scram_keys_are_of_the_prepared_password() {
        let keys = |password: &[u8]| scram_keys(Hash::Sha256, password, [1; 16]);
        let same = |one: &[u8], other: &[u8]| keys(one).unwrap().stored_key() == keys(other).unwrap().stored_key();
        // RFC 4013 section 3, and one that composes.
        assert!(same("I\u{ad}X".as_bytes(), b"IX"));
        assert!(same("\u{aa}".as_bytes(), b"a"));
        assert!(same("e\u{301}".as_bytes(), "\u{e9}".as_bytes()));
        assert!(!same(b"IX", b"ix"));
        for bad in [&b"\xff"[..], b"a\x07", "\u{627}1".as_bytes(), b""] {
            assert!(keys(bad).is_none(), "{bad:?}");
        }
        assert_eq!(keys(b"x").unwrap().iterations(), SCRAM_ITERATIONS);
        assert_eq!(prepared("\u{aa}\u{ad}Bob@A.test"), "abob@a.test");
        assert_eq!(prepared("\u{7}"), "");
    }

    #[test]
    fn passwords_that_may_be_set() {
        for (password, is) in [
            (&b"x"[..], Ok(())),
            ("pässwörd \t!".as_bytes(), Ok(())),
            (&[b'x'; PASSWORD_MAX], Ok(())),
            (b"", Err(BadPassword::Empty)),
            (&[b'x'; PASSWORD_MAX + 1], Err(BadPassword::TooLong)),
            (b"a\0b", Err(BadPassword::Control)),
            (b"a\rb", Err(BadPassword::Control)),
            (b"a\n", Err(BadPassword::Control)),
        ] {
            assert_eq!(check_password(password), is);
        }
    }

    #[test]
    fn addresses_have_one_form() {
        for (address, is) in [
            ("Bob@Example.ORG", "bob@example.org"),
            ("\"Bob\"@example.org", "bob@example.org"),
            ("\"b\\ob\"@example.org", "bob@example.org"),
            ("\"b ob\"@Example.org", "\"b ob\"@example.org"),
            ("\"b\\ ob\"@Example.org", "\"b ob\"@example.org"),
            ("\"a\\\"@b\"@c", "\"a\\\"@b\"@c"),
            ("\"a\\\\\"@c", "\"a\\\\\"@c"),
            ("\".a\"@c", "\".a\"@c"),
            ("postmaster", "postmaster"),
            ("\"unended@c", "\"unended@c"),
            ("BÖB@c", "bÖb@c"),
            ("\"BÖB\"@c", "bÖb@c"),
            ("\"b öb\"@c", "\"b öb\"@c"),
            ("Bob@BÜCHER.example", "bob@xn--bcher-kva.example"),
            ("", ""),
        ] {
            assert_eq!(normalize(address), is, "{address}");
            assert_eq!(normalize(is), is);
        }
    }
}
