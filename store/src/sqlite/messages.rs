//! Messages in a mailbox: added, flagged, copied, removed.

use postkern_server::job::{
    AccountId, Append, Appended, Copied, Failure, FlagAction, FlagChange, MailboxId, Stored, Timestamp,
};
use postkern_server::mailbox::{Flags, MailboxName, Meta, UidSet};
use rusqlite::params;

use super::fault::Outcome;
use super::mailboxes::Mailbox;
use super::reading::among;
use super::spool::{Incoming, Rest};
use super::writer::Change;
use crate::rules;

/// A body in the database.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    pub(super) id: i64,
    pub(super) size: u64,
}

/// Keeps a body, `head` before what came in. It goes with the transaction unless something
/// comes to have it.
pub(super) fn add_body(change: &mut Change<'_>, head: &[u8], incoming: Incoming) -> Outcome<Body> {
    let size = head.len() as u64 + incoming.size;
    let eight_bit = incoming.eight_bit || !head.is_ascii();
    let (octets, file) = match incoming.rest {
        Rest::Inline(octets) => (Some(octets), None),
        Rest::File(file) => (None, Some(file)),
    };
    let sql = "INSERT INTO body (size, eight_bit, head, file) VALUES (?1, ?2, ?3, ?4)";
    let mut statement = change.db.prepare_cached(sql)?;
    let name = file.as_ref().map(|file| &file.name);
    let id = statement.insert(params![size as i64, eight_bit, head, name])?;
    if let Some(octets) = octets {
        let mut statement = change.db.prepare_cached("INSERT INTO octets (body, octets) VALUES (?1, ?2)")?;
        statement.execute(params![id, octets])?;
    }
    change.files.extend(file);
    Ok(Body { id, size })
}

/// What a new message has besides its body.
pub(super) struct New<'a> {
    pub(super) flags: Flags,
    pub(super) internal_date: Timestamp,
    pub(super) prefix: &'a [u8],
}

/// Puts a message into a mailbox as a change of its own.
pub(super) fn add(change: &mut Change<'_>, mailbox: &mut Mailbox, body: Body, new: &New<'_>) -> Outcome<u32> {
    let uid = mailbox.uid_next;
    mailbox.uid_next = rules::uid_after(uid, 1)?;
    mailbox.modseq += 1;
    let mut statement = change.db.prepare_cached(
        "INSERT INTO message (account, mailbox, uid, flags, size, internal_date, modseq, body, prefix)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    let size = (new.prefix.len() as u64 + body.size) as i64;
    let (flags, date, modseq) = (new.flags.0 as i64, new.internal_date.0, mailbox.modseq as i64);
    let row = params![mailbox.account, mailbox.id.0, uid, flags, size, date, modseq, body.id, new.prefix];
    statement.execute(row)?;
    mailbox.save(change.db)?;
    change.effects.mailboxes.insert(mailbox.id);
    Ok(uid)
}

pub(super) fn append(change: &mut Change<'_>, append: Append, message: Incoming) -> Outcome<Appended> {
    let mut mailbox = Mailbox::by_name(change.db, append.account, &append.mailbox)?;
    let body = add_body(change, b"", message)?;
    let keywords = keyword_bits(change, &mailbox, &append.keywords)?;
    let flags = Flags(append.flags.0 & Flags::SYSTEM.0).with(keywords);
    let internal_date = append.internal_date.unwrap_or(change.now);
    let uid = add(change, &mut mailbox, body, &New { flags, internal_date, prefix: b"" })?;
    Ok(Appended { uid_validity: mailbox.uid_validity, uid })
}

fn keyword_bits(change: &Change<'_>, mailbox: &Mailbox, wanted: &[String]) -> Outcome<Flags> {
    if wanted.is_empty() {
        return Ok(Flags::default());
    }
    let mut keywords = mailbox.keywords(change.db)?;
    let known = keywords.len();
    let (bits, _) = rules::keyword_bits(&mut keywords, wanted, true);
    mailbox.save_keywords(change.db, known, &keywords)?;
    Ok(bits)
}

pub(super) fn store(change: &mut Change<'_>, id: MailboxId, uids: &UidSet, how: &FlagChange) -> Outcome<Stored> {
    let db = change.db;
    let mut mailbox = Mailbox::by_id(db, id)?;
    let mut stored =
        Stored { messages: among(db, &mailbox, uids)?, keywords: mailbox.keywords(db)?, ..Stored::default() };
    stored.before = stored.messages.iter().map(|meta| meta.modseq).collect();
    let unchanged_since = how.unchanged_since.unwrap_or(u64::MAX);
    let is_target = |meta: &Meta| meta.modseq <= unchanged_since;
    let create = how.action != FlagAction::Remove && stored.messages.iter().any(is_target);
    let known = stored.keywords.len();
    let (keywords, refused) = rules::keyword_bits(&mut stored.keywords, &how.keywords, create);
    stored.refused = refused;
    mailbox.save_keywords(db, known, &stored.keywords)?;
    let mut has_changed = stored.keywords.len() > known;
    let modseq = mailbox.modseq + 1;
    let mut update = db.prepare_cached(
        "UPDATE message SET flags = ?4, modseq = ?5 WHERE account = ?1 AND mailbox = ?2 AND uid = ?3",
    )?;
    for meta in &mut stored.messages {
        if !is_target(meta) {
            stored.modified.push(meta.uid);
            continue;
        }
        let flags = rules::changed(meta.flags, how, keywords);
        if flags != meta.flags {
            (meta.flags, meta.modseq) = (flags, modseq);
            update.execute(params![mailbox.account, id.0, meta.uid, flags.0 as i64, modseq as i64])?;
            (mailbox.modseq, has_changed) = (modseq, true);
        }
    }
    if has_changed {
        mailbox.save(db)?;
        change.effects.mailboxes.insert(id);
    }
    Ok(stored)
}

pub(super) fn copy(
    change: &mut Change<'_>,
    from: MailboxId,
    uids: &UidSet,
    account: AccountId,
    to: &MailboxName,
    remove: bool,
) -> Outcome<Copied> {
    let db = change.db;
    let mut target = Mailbox::by_name(db, account, to)?;
    let source = Mailbox::by_id(db, from)?;
    let metas = among(db, &source, uids)?;
    let mut copied = Copied { uid_validity: target.uid_validity, ..Copied::default() };
    if metas.is_empty() {
        return Ok(copied);
    }
    rules::uid_after(target.uid_next, metas.len())?;
    let (theirs, mut ours) = (source.keywords(db)?, target.keywords(db)?);
    let known = ours.len();
    target.modseq += 1;
    let mut message = db.prepare_cached(
        "INSERT INTO message (account, mailbox, uid, flags, size, internal_date, modseq, body, prefix)
         SELECT ?4, ?5, ?6, ?7, size, internal_date, ?8, body, prefix FROM message
         WHERE account = ?1 AND mailbox = ?2 AND uid = ?3",
    )?;
    let mut digest = db.prepare_cached(
        "INSERT INTO digest (account, mailbox, uid, octets) SELECT ?4, ?5, ?6, octets FROM digest
         WHERE account = ?1 AND mailbox = ?2 AND uid = ?3",
    )?;
    for meta in metas {
        let flags = match from == target.id {
            true => meta.flags,
            false => rules::translate(meta.flags, &theirs, &mut ours),
        };
        let (uid, modseq) = (target.uid_next, target.modseq as i64);
        let (s, t) = (&source, &target);
        let flags = flags.0 as i64;
        message.execute(params![s.account, s.id.0, meta.uid, t.account, t.id.0, uid, flags, modseq])?;
        digest.execute(params![s.account, s.id.0, meta.uid, t.account, t.id.0, uid])?;
        target.uid_next += 1;
        copied.from.push(meta.uid);
        copied.to.push(uid);
    }
    target.save_keywords(db, known, &ours)?;
    target.save(db)?;
    change.effects.mailboxes.insert(target.id);
    if remove {
        take(change, from, &copied.from)?;
    }
    Ok(copied)
}

/// Removes those that are there and, if `deleted_only`, \Deleted.
pub(super) fn expunge(
    change: &mut Change<'_>,
    id: MailboxId,
    uids: Option<&UidSet>,
    deleted_only: bool,
) -> Outcome<UidSet> {
    let mailbox = Mailbox::by_id(change.db, id)?;
    let gone: UidSet = match uids {
        Some(uids) => {
            let mut metas = among(change.db, &mailbox, uids)?;
            metas.retain(|meta| !deleted_only || meta.flags.has(Flags::DELETED));
            metas.iter().map(|meta| meta.uid).collect()
        }
        None => {
            let sql = "SELECT uid FROM message WHERE account = ?1 AND mailbox = ?2 AND (flags & 4) <> 0";
            let mut statement = change.db.prepare_cached(sql)?;
            let uids = statement.query_map(params![mailbox.account, id.0], |row| row.get(0))?;
            uids.collect::<Result<_, _>>()?
        }
    };
    take(change, id, &gone)?;
    Ok(gone)
}

/// Takes messages out, which are all there, in one change, and remembers them as gone.
fn take(change: &mut Change<'_>, id: MailboxId, gone: &UidSet) -> Outcome<()> {
    if gone.is_empty() {
        return Ok(());
    }
    let db = change.db;
    let mut mailbox = Mailbox::by_id(db, id)?;
    mailbox.modseq += 1;
    let sql = "DELETE FROM message WHERE account = ?1 AND mailbox = ?2 AND uid = ?3";
    let mut delete = db.prepare_cached(sql)?;
    let sql = "INSERT INTO tombstone (account, mailbox, modseq, uid) VALUES (?1, ?2, ?3, ?4)";
    let mut remember = db.prepare_cached(sql)?;
    for uid in gone.iter() {
        if delete.execute(params![mailbox.account, id.0, uid])? == 0 {
            return Err(Failure::Broken(format!("message {uid} of mailbox {} is missing", id.0)).into());
        }
        remember.execute(params![mailbox.account, id.0, mailbox.modseq as i64, uid])?;
    }
    forget(change, &mut mailbox)?;
    mailbox.save(db)?;
    change.effects.mailboxes.insert(id);
    Ok(())
}

/// Drops the oldest tombstones over [`rules::TOMBSTONES_MAX`].
fn forget(change: &Change<'_>, mailbox: &mut Mailbox) -> Outcome<()> {
    let sql = "SELECT count(*) FROM tombstone WHERE account = ?1 AND mailbox = ?2";
    let mut count = change.db.prepare_cached(sql)?;
    let count: i64 = count.query_row(params![mailbox.account, mailbox.id.0], |row| row.get(0))?;
    let too_many = count - rules::TOMBSTONES_MAX as i64;
    if too_many <= 0 {
        return Ok(());
    }
    let sql = "DELETE FROM tombstone WHERE (account, mailbox, modseq, uid) IN (
            SELECT account, mailbox, modseq, uid FROM tombstone WHERE account = ?1 AND mailbox = ?2
            ORDER BY modseq, uid LIMIT ?3)
        RETURNING modseq";
    let mut delete = change.db.prepare_cached(sql)?;
    let gone = delete.query_map(params![mailbox.account, mailbox.id.0, too_many], |row| row.get::<_, i64>(0))?;
    for modseq in gone {
        mailbox.forgotten = mailbox.forgotten.max(modseq? as u64);
    }
    Ok(())
}
