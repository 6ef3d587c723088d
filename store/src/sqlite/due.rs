//! What is due in the queue, and what is being tried.

use std::collections::HashMap;
use std::time::Duration;

use postkern_server::job::{AccountId, Done, QueueId, Timestamp};
use postkern_server::queue::{ATTEMPT_RECIPIENTS, Attempt, LEASE, RecipientTerms, Remote, Terms};
use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Outcome;
use super::writer::Change;

/// Recipients that go out together.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Group {
    message: i64,
    domain: String,
    attempts: u32,
    account: i64,
}

pub(super) fn due(change: &mut Change<'_>, limit: usize, per_domain: usize) -> Outcome<Done> {
    let (db, now) = (change.db, change.now);
    let mut choice = Choice { limit, per_domain, out: attempts_out(db, now)?, ..Choice::default() };
    for priority in priorities(db)? {
        choose(db, now, priority, &mut choice)?;
    }
    let mut attempts = Vec::with_capacity(choice.chosen.len());
    for group in choice.chosen {
        attempts.extend(lease(change, group)?);
    }
    // What a domain's limit holds back is due, and waits for a report.
    let after = if attempts.len() < limit { now.0 } else { i64::MIN };
    let wait = wait(db, now, after)?;
    Ok(Done::Due { attempts, wait })
}

/// Until something is due that is so after `after`: zero if it is, none if nothing waits.
pub(super) fn wait(db: &Connection, now: Timestamp, after: i64) -> Outcome<Option<Duration>> {
    let mut statement = db.prepare_cached(
        "SELECT coalesce(lease, next) FROM recipient WHERE priority = ?1 AND coalesce(lease, next) > ?2
         ORDER BY coalesce(lease, next) LIMIT 1",
    )?;
    let mut first: Option<i64> = None;
    for priority in priorities(db)? {
        let next = statement.query_row([priority, after], |row| row.get::<_, i64>(0)).optional()?;
        first = first.into_iter().chain(next).min();
    }
    Ok(first.map(|next| Duration::from_secs(u64::try_from(next.saturating_sub(now.0)).unwrap_or(0))))
}

/// The priorities that there are, the highest first: at most nineteen.
fn priorities(db: &Connection) -> Outcome<Vec<i64>> {
    let mut statement = db.prepare_cached("SELECT max(priority) FROM recipient WHERE priority < ?1")?;
    let (mut found, mut below) = (Vec::new(), i64::MAX);
    while let Some(priority) = statement.query_row([below], |row| row.get::<_, Option<i64>>(0))? {
        found.push(priority);
        below = priority;
    }
    Ok(found)
}

/// Attempts that are out, by their domain.
fn attempts_out(db: &Connection, now: Timestamp) -> Outcome<HashMap<String, usize>> {
    let sql = "SELECT domain, count(*) FROM recipient WHERE leads = 1 AND lease > ?1 GROUP BY domain";
    let mut statement = db.prepare_cached(sql)?;
    let out = statement.query_map([now.0], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as usize)))?;
    Ok(out.collect::<Result<_, _>>()?)
}

/// What goes out now.
#[derive(Default)]
struct Choice {
    limit: usize,
    per_domain: usize,
    /// With those chosen.
    out: HashMap<String, usize>,
    /// Each as often as it needs attempts.
    chosen: Vec<Group>,
    /// Recipients of each.
    recipients: HashMap<Group, usize>,
}

/// Chooses among what is due of one priority. Looks at each recipient that is due, until there
/// are enough: those of a domain that has its number are passed over.
fn choose(db: &Connection, now: Timestamp, priority: i64, choice: &mut Choice) -> Outcome<()> {
    let mut statement = db.prepare_cached(
        "SELECT message, domain, attempts, account FROM recipient
         WHERE priority = ?1 AND coalesce(lease, next) <= ?2
         ORDER BY coalesce(lease, next), message, domain, attempts, account",
    )?;
    let mut rows = statement.query([priority, now.0])?;
    while choice.chosen.len() < choice.limit
        && let Some(row) = rows.next()?
    {
        let group = Group { message: row.get(0)?, domain: row.get(1)?, attempts: row.get(2)?, account: row.get(3)? };
        let count = choice.recipients.get(&group).copied().unwrap_or(0);
        if count.is_multiple_of(ATTEMPT_RECIPIENTS) {
            let out = choice.out.entry(group.domain.clone()).or_default();
            // What stays here goes to no host.
            if group.account == 0 && *out >= choice.per_domain {
                continue;
            }
            *out += 1;
            choice.chosen.push(group.clone());
        }
        choice.recipients.insert(group, count + 1);
    }
    Ok(())
}

/// Leases the recipients of one attempt.
fn lease(change: &Change<'_>, group: Group) -> Outcome<Option<Attempt>> {
    let (db, now) = (change.db, change.now.0);
    let Group { message, domain, attempts, account } = group;
    let mut statement = db.prepare_cached(
        "SELECT n, recipient, terms FROM recipient
         WHERE message = ?1 AND domain = ?2 AND attempts = ?3 AND account = ?4 AND coalesce(lease, next) <= ?5
         ORDER BY n LIMIT ?6",
    )?;
    let row = params![message, domain, attempts, account, now, ATTEMPT_RECIPIENTS as i64];
    let rows = statement.query_map(row, |row| {
        let terms = RecipientTerms::from_text(&row.get::<_, String>(2)?);
        Ok((row.get::<_, i64>(0)?, Remote { address: row.get(1)?, terms }))
    })?;
    let (numbers, recipients): (Vec<i64>, Vec<Remote>) = rows.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    let mut update = db.prepare_cached("UPDATE recipient SET lease = ?3, leads = ?4 WHERE message = ?1 AND n = ?2")?;
    let until = now.saturating_add(LEASE.as_secs() as i64);
    for (at, n) in numbers.into_iter().enumerate() {
        update.execute(params![message, n, until, at == 0])?;
    }
    let mut statement = db.prepare_cached(
        "SELECT sender, size, eight_bit, queued, terms FROM queued JOIN body ON body.id = queued.body
         WHERE queued.id = ?1",
    )?;
    let attempt = statement.query_row([message], |row| {
        Ok(Attempt {
            id: QueueId(message),
            domain,
            account: (account != 0).then_some(AccountId(account)),
            sender: row.get(0)?,
            terms: Terms::from_text(&row.get::<_, String>(4)?),
            recipients,
            size: row.get::<_, i64>(1)? as u64,
            eight_bit: row.get(2)?,
            queued: Timestamp(row.get(3)?),
            leased: change.now,
            attempts,
        })
    })?;
    Ok(Some(attempt).filter(|attempt| !attempt.recipients.is_empty()))
}

/// What was never tried and is not due is held.
pub(super) fn flush(change: &mut Change<'_>, domain: &str, subdomains: bool) -> Outcome<u32> {
    const OF: &str =
        "account = 0 AND (attempts > 0 OR next <= ?1) AND (domain = ?2 OR ?3 AND domain LIKE ?4 ESCAPE '\\')";
    // A domain of our grammar holds neither of the two, but may be of a literal.
    let below = format!("%.{}", domain.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"));
    let row = params![change.now.0, domain, subdomains, below];
    let sql = format!("UPDATE recipient SET next = ?1 WHERE {OF} AND next > ?1 AND coalesce(lease, 0) <= ?1");
    change.effects.queue |= change.db.prepare_cached(&sql)?.execute(row)? > 0;
    let mut statement =
        change.db.prepare_cached(&format!("SELECT count(DISTINCT message) FROM recipient WHERE {OF}"))?;
    Ok(statement.query_row(row, |row| row.get(0))?)
}
