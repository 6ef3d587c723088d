//! Accounts.

use postkern::sasl::{Hash, Keys};
use postkern_server::job::{AccountId, Failure, MailboxId, Timestamp};
use postkern_server::mailbox::MailboxName;
use rusqlite::{Connection, OptionalExtension, params};

use super::fault::{OpenError, Outcome};
use super::mailboxes;
use super::writer::Change;
use crate::rules;
use crate::scram;

/// The next number of a kind, never given before.
pub(super) fn next(db: &Connection, counter: &str) -> Outcome<i64> {
    let mut statement = db.prepare_cached("UPDATE counter SET value = value + 1 WHERE name = ?1 RETURNING value")?;
    Ok(statement.query_row([counter], |row| row.get(0))?)
}

pub(super) fn named(db: &Connection, name: &str) -> Outcome<Option<AccountId>> {
    let mut statement = db.prepare_cached("SELECT id FROM account WHERE name = ?1")?;
    Ok(statement.query_row([rules::account_name(name)], |row| row.get(0).map(AccountId)).optional()?)
}

pub(super) fn verifier(db: &Connection, login: &str) -> Outcome<Option<(AccountId, String)>> {
    let mut statement = db.prepare_cached("SELECT id, verifier FROM account WHERE name = ?1")?;
    let found = statement.query_row([rules::account_name(login)], |row| Ok((AccountId(row.get(0)?), row.get(1)?)));
    Ok(found.optional()?)
}

/// What is kept of an account's password for SCRAM.
pub(super) fn scram(db: &Connection, login: &str, hash: Hash) -> Outcome<Option<(AccountId, Keys)>> {
    let mut statement = db.prepare_cached(
        "SELECT account, salt, iterations, stored_key, server_key FROM scram JOIN account ON id = account
         WHERE name = ?1 AND hash = ?2",
    )?;
    let found = statement.query_row(params![rules::account_name(login), hash_name(hash)], |row| {
        let octets = |at| row.get::<_, Vec<u8>>(at);
        let keys = Keys::restore(hash, &octets(1)?, row.get(2)?, &octets(3)?, &octets(4)?);
        Ok((AccountId(row.get(0)?), keys))
    });
    let Some((account, keys)) = found.optional()? else { return Ok(None) };
    if keys.is_none() {
        tracing::error!(account = account.0, "what is kept for SCRAM is damaged: set the password anew");
    }
    Ok(keys.map(|keys| (account, keys)))
}

/// By which hashes something is kept of an account's password.
pub(super) fn scram_hashes(db: &Connection, account: AccountId) -> Outcome<Vec<Hash>> {
    let mut statement = db.prepare_cached("SELECT hash FROM scram WHERE account = ?1")?;
    let names = statement.query_map([account.0], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    Ok([Hash::Sha1, Hash::Sha256]
        .into_iter()
        .filter(|&hash| names.iter().any(|name| name == hash_name(hash)))
        .collect())
}

/// Keeps it, if the account's password is still that of `verifier`.
pub(super) fn set_scram(db: &Connection, name: &str, verifier: &str, keys: &[Keys]) -> Outcome<()> {
    let (id, current) = self::verifier(db, name)?.ok_or(Failure::NoSuchAccount)?;
    if current != verifier {
        return Ok(());
    }
    let mut statement = db.prepare_cached("INSERT OR REPLACE INTO scram VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    for keys in keys {
        let (hash, iterations) = (hash_name(keys.hash()), keys.iterations());
        statement.execute(params![id.0, hash, iterations, keys.salt(), keys.stored_key(), keys.server_key()])?;
    }
    Ok(())
}

const fn hash_name(hash: Hash) -> &'static str {
    match hash {
        Hash::Sha1 => "SHA-1",
        Hash::Sha256 => "SHA-256",
    }
}

/// The octets that salts of nobody are made of, made now if there are none.
pub(super) fn secret(db: &Connection) -> Result<[u8; 32], OpenError> {
    let random: [u8; 32] = match scram::random() {
        Ok(random) => random,
        Err(failure) => return Err(OpenError::Random(format!("{failure:?}"))),
    };
    db.execute("INSERT OR IGNORE INTO secret VALUES ('scram', ?1)", [&random[..]])?;
    Ok(db.query_row("SELECT octets FROM secret WHERE name = 'scram'", [], |row| row.get(0))?)
}

pub(super) fn lookup(db: &Connection, addresses: &[String]) -> Outcome<Vec<Option<AccountId>>> {
    addresses.iter().map(|address| named(db, address)).collect()
}

/// When each was made; zero if that is not known.
pub(super) fn created(db: &Connection, accounts: &[AccountId]) -> Outcome<Vec<Timestamp>> {
    let mut statement = db.prepare_cached("SELECT created FROM account WHERE id = ?1")?;
    let mut created = |account: &AccountId| {
        let found = statement.query_row([account.0], |row| row.get(0)).optional()?;
        Ok(Timestamp(found.unwrap_or_default()))
    };
    accounts.iter().map(&mut created).collect()
}

/// The first by name, if there is any.
pub(super) fn first(db: &Connection) -> Outcome<Vec<String>> {
    let mut statement = db.prepare_cached("SELECT name FROM account ORDER BY name LIMIT 1")?;
    Ok(statement.query_row([], |row| row.get(0)).optional()?.into_iter().collect())
}

pub(super) fn names(db: &Connection) -> Outcome<Vec<String>> {
    let mut statement = db.prepare_cached("SELECT name FROM account ORDER BY name")?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Whether the account is there.
pub(super) fn check(db: &Connection, account: AccountId) -> Outcome<()> {
    let mut statement = db.prepare_cached("SELECT 1 FROM account WHERE id = ?1")?;
    Ok(statement.query_row([account.0], |_| Ok(())).optional()?.ok_or(Failure::NoSuchAccount)?)
}

pub(super) fn add(change: &mut Change<'_>, name: &str, verifier: &str) -> Outcome<AccountId> {
    if named(change.db, name)?.is_some() {
        return Err(Failure::Exists.into());
    }
    let id = AccountId(next(change.db, "account")?);
    let name = rules::account_name(name);
    let sql = "INSERT INTO account (id, name, verifier, created) VALUES (?1, ?2, ?3, ?4)";
    change.db.execute(sql, params![id.0, name, verifier, change.now.0])?;
    let others = rules::FIRST_MAILBOXES.map(|(name, special_use)| (name, Some(special_use)));
    for (name, special_use) in [("INBOX", None)].into_iter().chain(others) {
        let name = MailboxName::new(name).map_err(Failure::Cannot)?;
        mailboxes::create(change, id, &name, special_use)?;
        mailboxes::subscribe(change.db, id, &name, true)?;
    }
    Ok(id)
}

pub(super) fn set_verifier(db: &Connection, name: &str, verifier: &str) -> Outcome<()> {
    let sql = "UPDATE account SET verifier = ?2 WHERE name = ?1";
    let name = rules::account_name(name);
    if db.execute(sql, params![name, verifier])? == 0 {
        return Err(Failure::NoSuchAccount.into());
    }
    db.execute("DELETE FROM scram WHERE account = (SELECT id FROM account WHERE name = ?1)", [name])?;
    Ok(())
}

/// With all its mail: what hangs on the account goes with it, and the triggers let the bodies go.
pub(super) fn remove(change: &mut Change<'_>, name: &str) -> Outcome<()> {
    let id = named(change.db, name)?.ok_or(Failure::NoSuchAccount)?;
    let mut statement = change.db.prepare_cached("SELECT id FROM mailbox WHERE account = ?1")?;
    for mailbox in statement.query_map([id.0], |row| row.get(0).map(MailboxId))? {
        change.effects.mailboxes.insert(mailbox?);
    }
    change.db.execute("DELETE FROM account WHERE id = ?1", [id.0])?;
    Ok(())
}
