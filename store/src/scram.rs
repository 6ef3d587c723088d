//! What every engine does for SCRAM (RFC 5802): keys of passwords, and such for logins that
//! have none.

use postkern::sasl::{Hash, Keys, NONCE, decoy_salt};
use postkern_server::account::{SCRAM_ITERATIONS, scram_keys};
use postkern_server::job::{AccountId, Done, Failure, ScramKeys};

use crate::rules;

/// Random octets of the system.
///
/// # Errors
/// It has none to give.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut octets = [0; N];
    getrandom::fill(&mut octets).map_err(|error| Failure::Broken(format!("no random octets: {error}")))?;
    Ok(octets)
}

/// Keys of a password by these hashes, as far as there can be any. Costly on purpose: never on
/// a thread that others wait for.
///
/// # Errors
/// No random octets.
pub(crate) fn make(password: &[u8], hashes: &[Hash]) -> Result<Vec<Keys>, Failure> {
    let mut made = Vec::new();
    for &hash in hashes {
        made.extend(scram_keys(hash, password, random()?));
    }
    Ok(made)
}

/// The answer to [`Job::ScramKeys`](postkern_server::job::Job::ScramKeys): what was found, or
/// what cannot be told from it.
pub(crate) fn answer(
    secret: &[u8; 32],
    login: &str,
    hash: Hash,
    found: Option<(AccountId, Keys)>,
) -> Result<Done, Failure> {
    // Made in any case, so that the time tells nothing.
    let decoy = Keys::decoy(hash, &decoy_salt(secret, hash, &rules::account_name(login)), SCRAM_ITERATIONS);
    let nonce: [u8; NONCE] = random()?;
    let (account, keys) = found.map_or((None, decoy), |(account, keys)| (Some(account), keys));
    Ok(Done::ScramKeys(Box::new(ScramKeys { account, keys, nonce })))
}
