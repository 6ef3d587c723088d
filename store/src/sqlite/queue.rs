//! Accepting messages, and the queue of those that go elsewhere or are held.

use postkern_server::dsn::{Around, Dsn, HEADER_MAX, News, Survey};
use postkern_server::job::{AccountId, Commit, Committed, Failure, Local, QueueId, Report, Reporter, Spool, Timestamp};
use postkern_server::mailbox::{Flags, MailboxName};
use postkern_server::queue::{self, Outcome as Became, QueueEntry, RecipientTerms, Remote, Terms, Told, Waiting};
use postkern_server::trace;
use rusqlite::{Connection, OptionalExtension, params};

use super::accounts;
use super::fault::{Fault, Outcome};
use super::mailboxes::Mailbox;
use super::messages::{Body, New, add, add_body};
use super::reading::Source;
use super::spool::{Incoming, put_away};
use super::writer::Change;
use crate::rules;

/// Octets of a message that are read at a time, to be returned in a report.
const PIECE: u64 = 64 * 1024;

pub(super) fn commit(change: &mut Change<'_>, commit: Commit, message: Incoming) -> Outcome<Committed> {
    let id = QueueId(accounts::next(change.db, "queue")?);
    let head = commit.trace.map(|trace| trace::head(&trace, id, change.now)).unwrap_or_default();
    let Commit { reverse_path: sender, terms, .. } = commit;
    let body = add_body(change, &head, message)?;
    let is_held = terms.held_until(change.now) > change.now;
    let mut waiting: Vec<Queued> = rules::with_domains(commit.remote).into_iter().map(Queued::elsewhere).collect();
    let mut news = rules::news_of_commit(if is_held { &[] } else { &commit.local }, &commit.expanded);
    let local = rules::each_once(commit.local);
    match is_held {
        true => waiting.extend(local.into_iter().map(Queued::here)),
        false => deliver(change, body, &sender, local)?,
    }
    enqueue(change, id, body, &sender, &terms, waiting)?;
    if !sender.is_empty() && !news.is_empty() {
        let news = std::mem::take(&mut news);
        tell(change, &commit.reporter, &Letter { id, sender, terms, body: body.id, queued: change.now, news })?;
    }
    Ok(Committed { id })
}

fn deliver(change: &mut Change<'_>, body: Body, reverse_path: &str, local: Vec<Local>) -> Outcome<()> {
    for local in local {
        deliver_one(change, body, reverse_path, local.account, &local.recipient)?;
    }
    Ok(())
}

fn deliver_one(
    change: &mut Change<'_>,
    body: Body,
    reverse_path: &str,
    account: AccountId,
    recipient: &str,
) -> Outcome<()> {
    let inbox = Mailbox::by_name(change.db, account, &MailboxName::inbox());
    let mut inbox = inbox.map_err(|fault| match fault {
        Fault::Failure(Failure::NoSuchMailbox) => Failure::NoSuchAccount.into(),
        other => other,
    })?;
    let prefix = trace::delivered(reverse_path, recipient);
    let new = New { flags: Flags::default(), internal_date: change.now, prefix: &prefix };
    add(change, &mut inbox, body, &new).map(drop)
}

/// A recipient that is to wait.
struct Queued {
    recipient: Remote,
    domain: String,
    /// 0 for one elsewhere.
    account: i64,
}

impl Queued {
    fn elsewhere((recipient, domain): (Remote, String)) -> Self {
        Self { recipient, domain, account: 0 }
    }

    fn here(local: Local) -> Self {
        let recipient = Remote { address: local.recipient, terms: local.terms };
        Self { recipient, domain: String::new(), account: local.account.0 }
    }
}

fn enqueue(
    change: &mut Change<'_>,
    id: QueueId,
    body: Body,
    sender: &str,
    terms: &Terms,
    waiting: Vec<Queued>,
) -> Outcome<()> {
    if waiting.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO queued (id, sender, body, queued, terms) VALUES (?1, ?2, ?3, ?4, ?5)";
    change.db.prepare_cached(sql)?.execute(params![id.0, sender, body.id, change.now.0, terms.to_text()])?;
    let sql = "INSERT INTO recipient (message, n, recipient, account, domain, terms, priority, next)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let mut statement = change.db.prepare_cached(sql)?;
    let (next, priority) = (terms.held_until(change.now).0, terms.priority.unwrap_or_default().get());
    for (n, Queued { recipient: Remote { address, terms }, domain, account }) in waiting.into_iter().enumerate() {
        statement.execute(params![id.0, n as i64, address, account, domain, terms.to_text(), priority, next])?;
    }
    change.effects.queue = true;
    Ok(())
}

pub(super) fn report(change: &mut Change<'_>, report: &Report) -> Outcome<()> {
    let (db, now, attempt) = (change.db, change.now, &report.attempt);
    let mut statement = db.prepare_cached("SELECT sender, body, queued, terms FROM queued WHERE id = ?1")?;
    let message = statement.query_row([attempt.id.0], |row| {
        let terms = Terms::from_text(&row.get::<_, String>(3)?);
        let (sender, body, queued) = (row.get(0)?, row.get(1)?, Timestamp(row.get(2)?));
        Ok(Letter { id: attempt.id, sender, terms, body, queued, news: Vec::new() })
    });
    // Removed by hand in the meantime: there is nothing left to be done.
    let Some(mut letter) = message.optional()? else { return Ok(()) };
    let mut find = db.prepare_cached(
        "SELECT n, attempts, told FROM recipient WHERE message = ?1 AND recipient = ?2 AND account = ?3",
    )?;
    let mut delete = db.prepare_cached("DELETE FROM recipient WHERE message = ?1 AND n = ?2")?;
    let mut again = db.prepare_cached(
        "UPDATE recipient SET attempts = ?3, next = ?4, lease = NULL, leads = 0, told = ?5, last_error = ?6
         WHERE message = ?1 AND n = ?2",
    )?;
    let account = attempt.account.map_or(0, |account| account.0);
    for (recipient, outcome) in attempt.recipients.iter().zip(&report.outcomes) {
        let row = find.query_row(params![attempt.id.0, recipient.address, account], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, u32>(1)?, Told::from_bits(row.get(2)?)))
        });
        let Some((n, attempts, told)) = row.optional()? else { continue };
        // Another attempt was reported in the meantime: this one tells only that it is there.
        if attempts != attempt.attempts && !matches!(outcome, Became::Delivered(_)) {
            continue;
        }
        let here = attempt.account.map(|account| put_here(change, &letter, account, recipient, outcome));
        let outcome = &here.transpose()?.unwrap_or_else(|| outcome.clone());
        let attempts = attempt.attempts.saturating_add(1);
        let waiting =
            Waiting { queued: letter.queued, terms: &letter.terms, recipient: &recipient.terms, attempts, told };
        let settled = queue::settle(outcome, &waiting, now, &report.schedule);
        match settled.again {
            None => drop(delete.execute([attempt.id.0, n])?),
            Some(next) => {
                let error = rules::diagnostic(outcome).map(rules::last_error);
                again.execute(params![attempt.id.0, n, attempts, next.0, settled.told.to_bits(), error])?;
                change.effects.queue = true;
            }
        }
        letter.news.extend(settled.tell.map(|action| News { recipient: recipient.clone(), action }));
    }
    if !letter.news.is_empty() {
        tell(change, &report.reporter, &letter)?;
    }
    let sql = "DELETE FROM queued WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM recipient WHERE message = ?1)";
    db.prepare_cached(sql)?.execute([attempt.id.0])?;
    Ok(())
}

/// Puts a message whose hold is over into its mailbox; what became of that.
fn put_here(
    change: &mut Change<'_>,
    letter: &Letter,
    account: AccountId,
    recipient: &Remote,
    outcome: &Became,
) -> Outcome<Became> {
    let Became::Delivered(_) = outcome else { return Ok(outcome.clone()) };
    let mut statement = change.db.prepare_cached("SELECT size FROM body WHERE id = ?1")?;
    let size = statement.query_row([letter.body], |row| row.get::<_, i64>(0))? as u64;
    let body = Body { id: letter.body, size };
    match deliver_one(change, body, &letter.sender, account, &recipient.address) {
        Ok(()) => Ok(outcome.clone()),
        Err(Fault::Failure(failure @ (Failure::NoSuchAccount | Failure::Cannot(_)))) => {
            Ok(rules::not_delivered(&failure))
        }
        Err(fault) => Err(fault),
    }
}

/// A message, and what its sender is to be told of it.
struct Letter {
    id: QueueId,
    sender: String,
    terms: Terms,
    body: i64,
    queued: Timestamp,
    news: Vec<News>,
}

/// Reports to the sender.
fn tell(change: &mut Change<'_>, reporter: &Reporter, letter: &Letter) -> Outcome<()> {
    let mut local = Vec::new();
    for name in &reporter.local {
        let account = accounts::named(change.db, name)?;
        local.extend(account.map(|account| Local::new(account, letter.sender.as_str())));
    }
    if let (true, true, Some(others)) = (local.is_empty(), reporter.remote.is_empty(), &reporter.otherwise) {
        return tell(change, others, letter);
    }
    // Nothing is reported of a report (RFC 3461 section 5.2).
    if letter.sender.is_empty() || local.is_empty() && reporter.remote.is_empty() {
        tracing::warn!(queue_id = letter.id.0, of = letter.news.len(), "a report has no one to go to and is dropped");
        return Ok(());
    }
    let own_id = QueueId(accounts::next(change.db, "queue")?);
    let dsn = Dsn {
        hostname: &reporter.hostname,
        id: letter.id,
        own_id,
        sender: &letter.sender,
        terms: &letter.terms,
        news: &letter.news,
        queued: letter.queued,
        now: change.now,
    };
    let original = Source::body(change.db, letter.body, Vec::new())?;
    let message = write(change, &dsn, &original, reporter.whole)?;
    let body = add_body(change, b"", Incoming::take(change.folder, message)?)?;
    let remote = reporter.remote.iter().map(Remote::new).collect();
    let waiting = rules::with_domains(remote).into_iter().map(Queued::elsewhere).collect();
    enqueue(change, own_id, body, "", &dsn.own_terms(), waiting)?;
    match deliver(change, body, "", local) {
        // Else those that were delivered in this attempt would be tried again.
        Err(Fault::Failure(Failure::Cannot(why))) => {
            tracing::warn!(queue_id = letter.id.0, why, "a report cannot be delivered and is dropped");
            Ok(())
        }
        done => done,
    }
}

/// The report, a returned message read twice in pieces: it may be long.
fn write(change: &Change<'_>, dsn: &Dsn<'_>, original: &Source, whole: u64) -> Outcome<Spool> {
    let size = original.size();
    let pieces = (0..size).step_by(PIECE as usize).map(|at| original.octets(change.folder, at..at + PIECE));
    if dsn.returns_whole(size, whole) {
        let mut survey = Survey::new(dsn);
        for piece in pieces.clone() {
            survey.feed(&piece?);
        }
        if let Some(Around { before, mut encoder, behind }) = dsn.around(&survey) {
            let mut spool = Spool { tail: before, file: None };
            for piece in pieces {
                encoder.write(&piece?, &mut spool.tail);
                if spool.is_ripe() {
                    spool = put_away(change.folder, spool)?;
                }
            }
            encoder.end(&mut spool.tail);
            spool.tail.extend_from_slice(&behind);
            return Ok(spool);
        }
    }
    let start = original.octets(change.folder, 0..HEADER_MAX as u64 + 1)?;
    Ok(Spool { tail: dsn.with_header(rules::returned_header(&start)), file: None })
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
        "SELECT queued.id, sender, recipient, size, queued, attempts, next, last_error, queued.terms, recipient.terms
         FROM queued
         JOIN recipient ON message = queued.id JOIN body ON body.id = queued.body ORDER BY message, n",
    )?;
    let entries = statement.query_map([], |row| {
        Ok(QueueEntry {
            id: QueueId(row.get(0)?),
            sender: row.get(1)?,
            recipient: row.get(2)?,
            terms: Terms::from_text(&row.get::<_, String>(8)?),
            recipient_terms: RecipientTerms::from_text(&row.get::<_, String>(9)?),
            size: row.get::<_, i64>(3)? as u64,
            queued: Timestamp(row.get(4)?),
            attempts: row.get(5)?,
            next: Timestamp(row.get(6)?),
            last_error: row.get(7)?,
        })
    })?;
    Ok(entries.collect::<Result<_, _>>()?)
}
