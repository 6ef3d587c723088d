//! Accounts.

use postkern_server::job::{AccountId, Failure, MailboxId, Timestamp};
use postkern_server::mailbox::MailboxName;
use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Outcome;
use super::mailboxes;
use super::writer::Change;
use crate::rules;

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
    match db.execute(sql, params![rules::account_name(name), verifier])? {
        0 => Err(Failure::NoSuchAccount.into()),
        _ => Ok(()),
    }
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
