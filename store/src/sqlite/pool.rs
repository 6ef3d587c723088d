//! Connections that read, a bounded number of them.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::fault::Outcome;

/// Readers at one time; a job more waits. Each has a page cache of 2 MiB at most.
const READERS: usize = 8;
/// How long one waits for another process's lock.
const BUSY: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(super) struct Pool {
    database: PathBuf,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Connection>,
    out: usize,
}

impl Pool {
    pub(super) fn new(database: PathBuf) -> Self {
        Self { database, state: Mutex::default(), freed: Condvar::new() }
    }

    /// Runs `read` over one state of the database. Waits for a connection if all are out.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> Outcome<T>) -> Outcome<T> {
        let mut lent = Lent { pool: self, db: None };
        let idle = {
            let mut state = self.state();
            while state.out >= READERS {
                state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.out += 1;
            state.idle.pop()
        };
        // Counted from here on: `lent` gives it back, whatever happens.
        let fresh = idle.map_or_else(|| connect(&self.database, false), Ok);
        let db = match fresh {
            Ok(db) => lent.db.insert(db),
            Err(error) => return Err(error.into()),
        };
        // One snapshot for all that one job reads; the drop ends it.
        let snapshot = db.unchecked_transaction()?;
        let value = read(&snapshot);
        drop(snapshot);
        value
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place taken, and the connection in it.
struct Lent<'a> {
    pool: &'a Pool,
    db: Option<Connection>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.state();
        state.out -= 1;
        state.idle.extend(self.db.take());
        drop(state);
        self.pool.freed.notify_one();
    }
}

/// Opens the database with what each connection needs.
pub(super) fn connect(database: &Path, writes: bool) -> Result<Connection, rusqlite::Error> {
    if writes && !database.exists() {
        // Mail is for its owner's eyes; the log beside it takes its mode.
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(database)
            .map_err(|_| rusqlite::Error::InvalidPath(database.to_owned()))?;
    }
    let access = match writes {
        true => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        false => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    let db = Connection::open_with_flags(database, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(BUSY)?;
    db.set_prepared_statement_cache_capacity(128);
    if writes {
        db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        // The log is cut back to this after a checkpoint.
        db.pragma_update_and_check(None, "journal_size_limit", 64 * 1024 * 1024, |_| Ok(()))?;
    } else {
        db.pragma_update(None, "query_only", true)?;
    }
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "trusted_schema", false)?;
    Ok(db)
}
