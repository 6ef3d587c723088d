//! Accepting messages, and the queue of those that go elsewhere.

use std::time::Duration;

use postkern_server::bounce::{self, Bounce, HEADER_MAX};
use postkern_server::job::{Commit, Committed, Done, Failure, Local, QueueId, Report, Spool, Timestamp};
use postkern_server::mailbox::{Flags, MailboxName};
use postkern_server::queue::{
    self, ATTEMPT_RECIPIENTS, Attempt, Diagnostic, LEASE, QueueEntry, RecipientTerms, Remote, Settled, Terms,
};
use postkern_server::trace;
use rusqlite::{Connection, OptionalExtension, params};

use super::accounts;
use super::fault::{Fault, Outcome};
use super::mailboxes::Mailbox;
use super::messages::{Body, New, add, add_body};
use super::reading::Source;
use super::spool::Incoming;
use super::writer::Change;
use crate::rules;

pub(super) fn commit(change: &mut Change<'_>, commit: Commit, message: Incoming) -> Outcome<Committed> {
    let id = QueueId(accounts::next(change.db, "queue")?);
    let head = commit.trace.map(|trace| trace::head(&trace, id, change.now)).unwrap_or_default();
    let body = add_body(change, &head, message)?;
    deliver(change, body, &commit.reverse_path, rules::each_once(commit.local))?;
    enqueue(change, id, body, &commit.reverse_path, &commit.terms, commit.remote)?;
    Ok(Committed { id })
}

fn deliver(change: &mut Change<'_>, body: Body, reverse_path: &str, local: Vec<Local>) -> Outcome<()> {
    for local in local {
        let inbox = Mailbox::by_name(change.db, local.account, &MailboxName::inbox());
        let mut inbox = inbox.map_err(|fault| match fault {
            Fault::Failure(Failure::NoSuchMailbox) => Failure::NoSuchAccount.into(),
            other => other,
        })?;
        let prefix = trace::delivered(reverse_path, &local.recipient);
        let new = New { flags: Flags::default(), internal_date: change.now, prefix: &prefix };
        add(change, &mut inbox, body, &new)?;
    }
    Ok(())
}

fn enqueue(
    change: &mut Change<'_>,
    id: QueueId,
    body: Body,
    sender: &str,
    terms: &Terms,
    remote: Vec<Remote>,
) -> Outcome<()> {
    if remote.is_empty() {
        return Ok(());
    }
    let _ = terms;
    let sql = "INSERT INTO queued (id, sender, body, queued) VALUES (?1, ?2, ?3, ?4)";
    change.db.prepare_cached(sql)?.execute(params![id.0, sender, body.id, change.now.0])?;
    let sql = "INSERT INTO recipient (message, n, recipient, domain, next) VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut statement = change.db.prepare_cached(sql)?;
    for (n, (recipient, domain)) in rules::with_domains(remote).into_iter().enumerate() {
        statement.execute(params![id.0, n as i64, recipient.address, domain, change.now.0])?;
    }
    change.effects.queue = true;
    Ok(())
}

/// Until something is due: zero if it is, none if nothing waits.
pub(super) fn wait(db: &Connection, now: Timestamp) -> Outcome<Option<Duration>> {
    let mut statement = db.prepare_cached("SELECT min(coalesce(lease, next)) FROM recipient")?;
    let next: Option<i64> = statement.query_row([], |row| row.get(0))?;
    Ok(next.map(|next| Duration::from_secs(u64::try_from(next.saturating_sub(now.0)).unwrap_or(0))))
}

pub(super) fn due(change: &mut Change<'_>, limit: usize) -> Outcome<Done> {
    let mut attempts = Vec::new();
    while attempts.len() < limit {
        let Some(attempt) = lease_next(change)? else { break };
        attempts.push(attempt);
    }
    let wait = wait(change.db, change.now)?;
    Ok(Done::Due { attempts, wait })
}

/// Leases the recipients of one attempt: those of one message and domain that have been tried
/// as often.
fn lease_next(change: &Change<'_>) -> Outcome<Option<Attempt>> {
    let (db, now) = (change.db, change.now.0);
    let mut first = db.prepare_cached(
        "SELECT message, domain, attempts FROM recipient WHERE coalesce(lease, next) <= ?1
         ORDER BY coalesce(lease, next), message, domain, attempts LIMIT 1",
    )?;
    let first = first.query_row([now], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
    let Some((id, domain, attempts)) = first else { return Ok(None) };
    let (id, domain, attempts): (i64, String, u32) = (id, domain, attempts);
    let mut statement = db.prepare_cached(
        "SELECT n, recipient FROM recipient
         WHERE message = ?1 AND domain = ?2 AND attempts = ?3 AND coalesce(lease, next) <= ?4 ORDER BY n LIMIT ?5",
    )?;
    let mut rows = statement.query(params![id, domain, attempts, now, ATTEMPT_RECIPIENTS as i64])?;
    let mut update = db.prepare_cached("UPDATE recipient SET lease = ?3 WHERE message = ?1 AND n = ?2")?;
    let until = now.saturating_add(LEASE.as_secs() as i64);
    let (mut numbers, mut recipients) = (Vec::<i64>::new(), Vec::new());
    while let Some(row) = rows.next()? {
        numbers.push(row.get(0)?);
        recipients.push(Remote::new(row.get::<_, String>(1)?));
    }
    for n in numbers {
        update.execute(params![id, n, until])?;
    }
    let mut statement = db.prepare_cached(
        "SELECT sender, size, eight_bit, queued FROM queued JOIN body ON body.id = queued.body WHERE queued.id = ?1",
    )?;
    let attempt = statement.query_row([id], |row| {
        Ok(Attempt {
            id: QueueId(id),
            domain,
            sender: row.get(0)?,
            terms: Terms::default(),
            recipients,
            size: row.get::<_, i64>(1)? as u64,
            eight_bit: row.get(2)?,
            queued: Timestamp(row.get(3)?),
            attempts,
        })
    })?;
    Ok(Some(attempt))
}

pub(super) fn report(change: &mut Change<'_>, report: &Report) -> Outcome<()> {
    let (db, now, attempt) = (change.db, change.now, &report.attempt);
    let mut statement = db.prepare_cached("SELECT sender, body, queued FROM queued WHERE id = ?1")?;
    let message = statement.query_row([attempt.id.0], |row| Ok((row.get(0)?, row.get(1)?, Timestamp(row.get(2)?))));
    // Removed by hand in the meantime: there is nothing left to be done.
    let Some((sender, body, queued)) = message.optional()? else { return Ok(()) };
    let (sender, body): (String, i64) = (sender, body);
    let attempts = attempt.attempts.saturating_add(1);
    let mut gone = db.prepare_cached("DELETE FROM recipient WHERE message = ?1 AND recipient = ?2")?;
    let mut delete =
        db.prepare_cached("DELETE FROM recipient WHERE message = ?1 AND recipient = ?2 AND attempts = ?3")?;
    let mut again = db.prepare_cached(
        "UPDATE recipient SET attempts = ?4, next = ?5, lease = NULL, last_error = ?6
         WHERE message = ?1 AND recipient = ?2 AND attempts = ?3",
    )?;
    let mut failed = Vec::new();
    for (recipient, outcome) in attempt.recipients.iter().zip(&report.outcomes) {
        let recipient = recipient.address.as_str();
        let settled = queue::settle(outcome, attempts, queued, now, &report.schedule);
        match settled {
            // Also if another attempt was reported in the meantime: it is there.
            Settled::Gone => drop(gone.execute(params![attempt.id.0, recipient])?),
            Settled::Bounce(diagnostic) => {
                // Else another attempt was reported in the meantime.
                if delete.execute(params![attempt.id.0, recipient, attempt.attempts])? > 0 {
                    failed.push((recipient.to_owned(), diagnostic));
                }
            }
            Settled::Again(next) => {
                let error = rules::diagnostic(outcome).map(rules::last_error);
                let row = params![attempt.id.0, recipient, attempt.attempts, attempts, next.0, error];
                change.effects.queue |= again.execute(row)? > 0;
            }
        }
    }
    if !failed.is_empty() {
        bounce(change, report, &sender, body, queued, &failed)?;
    }
    let sql = "DELETE FROM queued WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM recipient WHERE message = ?1)";
    db.prepare_cached(sql)?.execute([attempt.id.0])?;
    Ok(())
}

fn bounce(
    change: &mut Change<'_>,
    report: &Report,
    sender: &str,
    body: i64,
    queued: Timestamp,
    failed: &[(String, Diagnostic)],
) -> Outcome<()> {
    let (hostname, id, now) = (report.reporter.hostname.as_str(), report.attempt.id, change.now);
    let mut local = Vec::new();
    for name in &report.reporter.local {
        let account = accounts::named(change.db, name)?;
        local.extend(account.map(|account| Local::new(account, sender)));
    }
    // Never bounce a bounce (RFC 5321 section 6.1).
    if sender.is_empty() || local.is_empty() && report.reporter.remote.is_empty() {
        tracing::warn!(queue_id = id.0, failed = failed.len(), "a bounce has no one to go to and is dropped");
        return Ok(());
    }
    let original = Source::body(change.db, body, Vec::new())?;
    let start = original.octets(change.folder, 0..HEADER_MAX as u64 + 1)?;
    let header = rules::bounce_header(&start);
    let own_id = QueueId(accounts::next(change.db, "queue")?);
    let message = bounce::build(&Bounce { hostname, id, own_id, sender, failed, queued, now, header });
    let incoming = Incoming::take(change.folder, Spool { tail: message, file: None })?;
    let body = add_body(change, b"", incoming)?;
    let remote = report.reporter.remote.iter().map(Remote::new).collect();
    enqueue(change, own_id, body, "", &Terms::default(), remote)?;
    match deliver(change, body, "", local) {
        // Else those that were delivered in this attempt would be tried again.
        Err(Fault::Failure(Failure::Cannot(why))) => {
            tracing::warn!(queue_id = id.0, why, "a bounce cannot be delivered and is dropped");
            Ok(())
        }
        done => done,
    }
}

pub(super) fn retry(change: &mut Change<'_>, id: QueueId) -> Outcome<()> {
    let sql = "UPDATE recipient SET next = min(next, ?2) WHERE message = ?1 AND coalesce(lease, 0) <= ?2";
    if change.db.prepare_cached(sql)?.execute(params![id.0, change.now.0])? > 0 {
        change.effects.queue = true;
        return Ok(());
    }
    let mut statement = change.db.prepare_cached("SELECT 1 FROM recipient WHERE message = ?1")?;
    match statement.exists([id.0])? {
        true => Err(Failure::InUse.into()),
        false => Err(Failure::NoSuchMessage.into()),
    }
}

pub(super) fn remove(db: &Connection, id: QueueId) -> Outcome<()> {
    match db.prepare_cached("DELETE FROM queued WHERE id = ?1")?.execute([id.0])? {
        0 => Err(Failure::NoSuchMessage.into()),
        _ => Ok(()),
    }
}

pub(super) fn entries(db: &Connection) -> Outcome<Vec<QueueEntry>> {
    let mut statement = db.prepare_cached(
        "SELECT queued.id, sender, recipient, size, queued, attempts, next, last_error FROM queued
         JOIN recipient ON message = queued.id JOIN body ON body.id = queued.body ORDER BY message, n",
    )?;
    let entries = statement.query_map([], |row| {
        Ok(QueueEntry {
            id: QueueId(row.get(0)?),
            sender: row.get(1)?,
            recipient: row.get(2)?,
            terms: Terms::default(),
            recipient_terms: RecipientTerms::default(),
            size: row.get::<_, i64>(3)? as u64,
            queued: Timestamp(row.get(4)?),
            attempts: row.get(5)?,
            next: Timestamp(row.get(6)?),
            last_error: row.get(7)?,
        })
    })?;
    Ok(entries.collect::<Result<_, _>>()?)
}
