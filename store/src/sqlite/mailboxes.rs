//! Mailboxes as wholes (RFC 3501 sections 6.3.1 to 6.3.10).

use std::collections::BTreeSet;

use postkern_server::job::{AccountId, Changes, Failure, MailboxId, MailboxInfo, MailboxStatus, Selected};
use postkern_server::mailbox::{MailboxName, SpecialUse, UidSet};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::accounts;
use super::fault::Outcome;
use super::messages;
use super::reading;
use super::writer::Change;
use crate::rules;

/// A mailbox's row. What is changed in it is written by [`Mailbox::save`].
#[derive(Clone, Debug)]
pub(super) struct Mailbox {
    pub(super) account: i64,
    pub(super) id: MailboxId,
    pub(super) uid_validity: u32,
    pub(super) uid_next: u32,
    pub(super) modseq: u64,
    pub(super) recent_from: u32,
    pub(super) forgotten: u64,
}

const COLUMNS: &str = "account, id, uid_validity, uid_next, modseq, recent_from, forgotten";

impl Mailbox {
    pub(super) fn by_id(db: &Connection, id: MailboxId) -> Outcome<Self> {
        let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM mailbox WHERE id = ?1"))?;
        Ok(statement.query_row([id.0], Self::of).optional()?.ok_or(Failure::NoSuchMailbox)?)
    }

    pub(super) fn by_name(db: &Connection, account: AccountId, name: &MailboxName) -> Outcome<Self> {
        let sql = format!("SELECT {COLUMNS} FROM mailbox WHERE account = ?1 AND name = ?2");
        let mut statement = db.prepare_cached(&sql)?;
        let found = statement.query_row(params![account.0, name.as_str()], Self::of).optional()?;
        Ok(found.ok_or(Failure::NoSuchMailbox)?)
    }

    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            account: row.get(0)?,
            id: MailboxId(row.get(1)?),
            uid_validity: row.get(2)?,
            uid_next: row.get(3)?,
            modseq: row.get::<_, i64>(4)? as u64,
            recent_from: row.get(5)?,
            forgotten: row.get::<_, i64>(6)? as u64,
        })
    }

    pub(super) fn save(&self, db: &Connection) -> Outcome<()> {
        let mut statement = db.prepare_cached(
            "UPDATE mailbox SET uid_next = ?3, modseq = ?4, forgotten = ?5 WHERE account = ?1 AND id = ?2",
        )?;
        let (modseq, forgotten) = (self.modseq as i64, self.forgotten as i64);
        statement.execute(params![self.account, self.id.0, self.uid_next, modseq, forgotten])?;
        Ok(())
    }

    /// The names of the keyword bits, in order.
    pub(super) fn keywords(&self, db: &Connection) -> Outcome<Vec<String>> {
        let sql = "SELECT name FROM keyword WHERE account = ?1 AND mailbox = ?2 ORDER BY position";
        let mut statement = db.prepare_cached(sql)?;
        let names = statement.query_map(params![self.account, self.id.0], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }

    /// Keeps those after the first `known`, which are kept already.
    pub(super) fn save_keywords(&self, db: &Connection, known: usize, keywords: &[String]) -> Outcome<()> {
        let sql = "INSERT INTO keyword (account, mailbox, position, name) VALUES (?1, ?2, ?3, ?4)";
        let mut statement = db.prepare_cached(sql)?;
        for (position, name) in keywords.iter().enumerate().skip(known) {
            statement.execute(params![self.account, self.id.0, position as i64, name])?;
        }
        Ok(())
    }

    fn status(&self, db: &Connection) -> Outcome<MailboxStatus> {
        let sql = "SELECT messages, unseen, deleted, size FROM mailbox WHERE account = ?1 AND id = ?2";
        let mut statement = db.prepare_cached(sql)?;
        let (messages, unseen, deleted, size) = statement.query_row(params![self.account, self.id.0], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, i64>(3)? as u64))
        })?;
        let sql = "SELECT count(*) FROM message WHERE account = ?1 AND mailbox = ?2 AND uid >= ?3";
        let mut statement = db.prepare_cached(sql)?;
        let recent = statement.query_row(params![self.account, self.id.0, self.recent_from], |row| row.get(0))?;
        let Self { uid_next, uid_validity, modseq, .. } = *self;
        Ok(MailboxStatus { messages, recent, uid_next, uid_validity, unseen, deleted, size, modseq })
    }

    pub(super) fn uids(&self, db: &Connection) -> Outcome<Vec<u32>> {
        let sql = "SELECT uid FROM message WHERE account = ?1 AND mailbox = ?2 ORDER BY uid";
        let mut statement = db.prepare_cached(sql)?;
        let uids = statement.query_map(params![self.account, self.id.0], |row| row.get(0))?;
        Ok(uids.collect::<Result<_, _>>()?)
    }
}

/// An account's mailboxes by name.
fn names(db: &Connection, account: AccountId) -> Outcome<Vec<(MailboxName, i64, Option<SpecialUse>)>> {
    let sql = "SELECT name, id, special_use FROM mailbox WHERE account = ?1 ORDER BY name";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([account.0])?;
    let mut names = Vec::new();
    while let Some(row) = rows.next()? {
        let special_use: Option<String> = row.get(2)?;
        let special_use = special_use.as_deref().and_then(SpecialUse::parse);
        names.push((name(&row.get::<_, String>(0)?)?, row.get(1)?, special_use));
    }
    Ok(names)
}

/// A name that was checked when it was written.
fn name(text: &str) -> Outcome<MailboxName> {
    Ok(MailboxName::new(text).map_err(|why| Failure::Broken(format!("mailbox name {text:?}: {why}")))?)
}

pub(super) fn list(db: &Connection, account: AccountId) -> Outcome<Vec<MailboxInfo>> {
    accounts::check(db, account)?;
    let mut statement = db.prepare_cached("SELECT name FROM subscription WHERE account = ?1")?;
    let mut rows = statement.query([account.0])?;
    let mut subscribed = BTreeSet::new();
    while let Some(row) = rows.next()? {
        subscribed.insert(name(&row.get::<_, String>(0)?)?);
    }
    let each = names(db, account)?.into_iter().map(|(name, _, special_use)| (name, special_use));
    Ok(rules::list(each, &subscribed))
}

pub(super) fn create(
    change: &Change<'_>,
    account: AccountId,
    name: &MailboxName,
    special_use: Option<SpecialUse>,
) -> Outcome<()> {
    accounts::check(change.db, account)?;
    if exists(change.db, account, name)? {
        return Err(Failure::Exists.into());
    }
    create_all(change.db, account, name, special_use)
}

fn exists(db: &Connection, account: AccountId, name: &MailboxName) -> Outcome<bool> {
    let mut statement = db.prepare_cached("SELECT 1 FROM mailbox WHERE account = ?1 AND name = ?2")?;
    Ok(statement.query_row(params![account.0, name.as_str()], |_| Ok(())).optional()?.is_some())
}

/// Creates a mailbox and its parents, as far as they are not there.
fn create_all(db: &Connection, account: AccountId, name: &MailboxName, special_use: Option<SpecialUse>) -> Outcome<()> {
    let mut insert = db.prepare_cached(
        "INSERT INTO mailbox (account, id, name, special_use, uid_validity) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for new in rules::with_parents(name) {
        if exists(db, account, &new)? {
            continue;
        }
        let uid_validity = u32::try_from(accounts::next(db, "uid_validity")?);
        let uid_validity = uid_validity.map_err(|_| Failure::Cannot("no UIDVALIDITY is left"))?;
        let special_use = special_use.filter(|_| new == *name).map(SpecialUse::as_str);
        let id = accounts::next(db, "mailbox")?;
        insert.execute(params![account.0, id, new.as_str(), special_use, uid_validity])?;
    }
    check_count(db, "SELECT count(*), coalesce(sum(octet_length(name)), 0) FROM mailbox WHERE account = ?1", account)
}

pub(super) fn delete(change: &mut Change<'_>, account: AccountId, name: &MailboxName) -> Outcome<()> {
    accounts::check(change.db, account)?;
    if name.is_inbox() {
        return Err(Failure::Cannot("INBOX cannot be deleted").into());
    }
    let sql = "DELETE FROM mailbox WHERE account = ?1 AND name = ?2 RETURNING id";
    let mut statement = change.db.prepare_cached(sql)?;
    // All rows must be asked for, else the statement is not run to its end.
    let gone = statement.query_map(params![account.0, name.as_str()], |row| row.get(0).map(MailboxId))?;
    let gone = gone.collect::<Result<Vec<_>, _>>()?;
    if gone.is_empty() {
        // RFC 3501 section 6.3.4: it has inferior names and is \Noselect already.
        let names = names(change.db, account)?;
        return Err(match rules::has_children(names.iter().map(|(name, ..)| name), name) {
            true => Failure::Cannot("the mailbox has children and is not there itself").into(),
            false => Failure::NoSuchMailbox.into(),
        });
    }
    change.effects.mailboxes.extend(gone);
    Ok(())
}

pub(super) fn rename(change: &mut Change<'_>, account: AccountId, from: &MailboxName, to: &MailboxName) -> Outcome<()> {
    accounts::check(change.db, account)?;
    if from.is_inbox() {
        return rename_inbox(change, account, to);
    }
    let names = names(change.db, account)?;
    let moves = rules::renames(names.iter().map(|(name, ..)| name), from, to)?;
    if let Some(parent) = to.parent() {
        create_all(change.db, account, &parent, None)?;
    }
    let mut statement = change.db.prepare_cached("UPDATE mailbox SET name = ?3 WHERE account = ?1 AND name = ?2")?;
    for (old, new) in moves {
        statement.execute(params![account.0, old.as_str(), new.as_str()])?;
    }
    Ok(())
}

/// RFC 3501 section 6.3.5: all messages go to a new mailbox; INBOX stays, as do the names
/// below it.
fn rename_inbox(change: &mut Change<'_>, account: AccountId, to: &MailboxName) -> Outcome<()> {
    create(change, account, to, None)?;
    let inbox = Mailbox::by_name(change.db, account, &MailboxName::inbox())?;
    messages::copy(change, inbox.id, &UidSet::range(1, u32::MAX), account, to, true)?;
    Ok(())
}

pub(super) fn subscribe(db: &Connection, account: AccountId, name: &MailboxName, on: bool) -> Outcome<()> {
    accounts::check(db, account)?;
    let sql = match on {
        true => "INSERT OR IGNORE INTO subscription (account, name) VALUES (?1, ?2)",
        false => "DELETE FROM subscription WHERE account = ?1 AND name = ?2",
    };
    db.prepare_cached(sql)?.execute(params![account.0, name.as_str()])?;
    check_count(
        db,
        "SELECT count(*), coalesce(sum(octet_length(name)), 0) FROM subscription WHERE account = ?1",
        account,
    )
}

pub(super) fn status(db: &Connection, account: AccountId, name: &MailboxName) -> Outcome<MailboxStatus> {
    Mailbox::by_name(db, account, name)?.status(db)
}

pub(super) fn select(db: &Connection, account: AccountId, name: &MailboxName) -> Outcome<Selected> {
    let mailbox = Mailbox::by_name(db, account, name)?;
    let sql = "SELECT min(uid) FROM message WHERE account = ?1 AND mailbox = ?2 AND (flags & 8) = 0";
    let mut statement = db.prepare_cached(sql)?;
    let first_unseen = statement.query_row(params![mailbox.account, mailbox.id.0], |row| row.get(0))?;
    Ok(Selected {
        mailbox: mailbox.id,
        status: mailbox.status(db)?,
        uids: mailbox.uids(db)?,
        recent_from: mailbox.recent_from,
        first_unseen,
        keywords: mailbox.keywords(db)?,
    })
}

/// Moves the mark below which nothing is \Recent any more up to `next`. Answers where it was.
pub(super) fn claim(db: &Connection, mailbox: MailboxId, next: u32) -> Outcome<u32> {
    let mailbox = Mailbox::by_id(db, mailbox)?;
    if mailbox.recent_from < next {
        let mut statement = db.prepare_cached("UPDATE mailbox SET recent_from = ?3 WHERE account = ?1 AND id = ?2")?;
        statement.execute(params![mailbox.account, mailbox.id.0, next])?;
    }
    Ok(mailbox.recent_from)
}

pub(super) fn changes(db: &Connection, mailbox: MailboxId, since: u64) -> Outcome<Changes> {
    let mailbox = Mailbox::by_id(db, mailbox)?;
    let since_sql = i64::try_from(since).unwrap_or(i64::MAX);
    let gone: UidSet = match since < mailbox.forgotten {
        true => rules::missing(mailbox.uids(db)?.into_iter(), mailbox.uid_next),
        false => {
            let sql = "SELECT uid FROM tombstone WHERE account = ?1 AND mailbox = ?2 AND modseq > ?3";
            let mut statement = db.prepare_cached(sql)?;
            let uids = statement.query_map(params![mailbox.account, mailbox.id.0, since_sql], |row| row.get(0))?;
            uids.collect::<Result<_, _>>()?
        }
    };
    Ok(Changes {
        modseq: mailbox.modseq,
        changed: reading::changed(db, &mailbox, since_sql)?,
        gone,
        uid_next: mailbox.uid_next,
        recent_from: mailbox.recent_from,
        keywords: mailbox.keywords(db)?,
    })
}

fn check_count(db: &Connection, sql: &str, account: AccountId) -> Outcome<()> {
    let (count, octets) = db
        .prepare_cached(sql)?
        .query_row([account.0], |row| Ok((row.get::<_, i64>(0)? as usize, row.get::<_, i64>(1)? as usize)))?;
    Ok(rules::check_count(count, octets)?)
}
