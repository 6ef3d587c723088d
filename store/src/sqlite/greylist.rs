//! Triplets of greylisting. A restart does not forget them, or all strangers would be asked
//! once more.

use std::time::Duration;

use postkern_server::greylist::{self, Question, Triplet, Verdict};
use postkern_server::job::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Outcome;
use super::writer::Change;

/// Expired triplets that one new one takes away: more than it adds.
const STEP: i64 = 4;

/// What is answered now, and whether something is to be kept of it.
pub(super) fn judge(db: &Connection, question: &Question, now: Timestamp) -> Outcome<Verdict> {
    let sql = "SELECT first, passed, expires FROM greylist WHERE network = ?1 AND sender = ?2 AND recipient = ?3";
    let mut statement = db.prepare_cached(sql)?;
    let key = params![question.network, question.sender, question.recipient];
    let known = statement.query_row(key, |row| {
        Ok(Triplet { first: Timestamp(row.get(0)?), passed: row.get(1)?, expires: Timestamp(row.get(2)?) })
    });
    Ok(greylist::judge(&question.policy, known.optional()?, now))
}

/// Judges, and keeps what is new.
pub(super) fn ask(change: &Change<'_>, question: &Question) -> Outcome<Option<Duration>> {
    // Others may have been at it since it was judged first.
    let verdict = judge(change.db, question, change.now)?;
    if let Some(keep) = verdict.keep {
        let sql = "INSERT INTO greylist (network, sender, recipient, first, passed, expires)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            ON CONFLICT DO UPDATE SET first = ?4, passed = ?5, expires = ?6";
        let Question { network, sender, recipient, .. } = question;
        let row = params![network, sender, recipient, keep.first.0, keep.passed, keep.expires.0];
        change.db.prepare_cached(sql)?.execute(row)?;
        let count: i64 = change
            .db
            .prepare_cached("SELECT value FROM counter WHERE name = 'greylist'")?
            .query_row([], |row| row.get(0))?;
        let excess = count - i64::from(question.policy.entries);
        let sql = "DELETE FROM greylist WHERE (network, sender, recipient) IN (
            SELECT network, sender, recipient FROM greylist WHERE expires <= ?1 ORDER BY expires LIMIT ?2)";
        change.db.prepare_cached(sql)?.execute(params![change.now.0, STEP])?;
        if excess > 0 {
            let sql = "DELETE FROM greylist WHERE (network, sender, recipient) IN (
                SELECT network, sender, recipient FROM greylist ORDER BY expires LIMIT ?1)";
            change.db.prepare_cached(sql)?.execute([excess.min(STEP)])?;
        }
    }
    Ok(verdict.wait)
}
