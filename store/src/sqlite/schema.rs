//! The database's tables, and how an older database becomes one of today.

use rusqlite::{Connection, TransactionBehavior};

use super::fault::OpenError;

/// What makes each version out of the one before; `PRAGMA user_version` says how many were
/// run. A step that has been released is never changed.
const MIGRATIONS: [&str; 2] = [include_str!("schema.sql"), include_str!("policy.sql")];

/// Brings the database up to date.
///
/// # Errors
/// The database was written by a newer version, or cannot be changed.
pub(super) fn migrate(db: &mut Connection) -> Result<(), OpenError> {
    // A writer's lock first: another process may be at it.
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(OpenError::Newer { found, known });
    }
    let done = usize::try_from(found).unwrap_or(0);
    for migration in &MIGRATIONS[done..] {
        transaction.execute_batch(migration)?;
    }
    if found != known {
        transaction.pragma_update(None, "user_version", known)?;
    }
    transaction.commit()?;
    Ok(())
}
