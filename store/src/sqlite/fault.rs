//! What goes wrong here, and what a session is told of it.

use std::io;
use std::path::PathBuf;

use postkern_server::job::Failure;
use rusqlite::{ErrorCode, ffi};

/// Why a data folder could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A file or folder could not be made, read or locked.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database could not be opened or changed.
    #[error("the database cannot be opened: {0}")]
    Database(#[from] rusqlite::Error),
    /// A newer version of the program has been at work here.
    #[error("the database has version {found}, but this program knows versions up to {known} only")]
    Newer {
        /// Of the database.
        found: i64,
        /// Of this program.
        known: i64,
    },
    /// The system gives no random octets.
    #[error("{0}")]
    Random(String),
    /// Another process serves this data folder.
    #[error("{0}: another process serves this data folder")]
    Serving(PathBuf),
}

/// What ends a job early.
#[derive(Debug)]
pub(super) enum Fault {
    /// Said to the session as it is.
    Failure(Failure),
    /// The database failed.
    Sql(rusqlite::Error),
    /// A file did.
    Io(io::Error),
}

pub(super) type Outcome<T> = Result<T, Fault>;

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Failure(failure) => failure,
            Fault::Sql(error) if is_full_sql(&error) => Self::Full,
            Fault::Sql(error) => Self::Broken(format!("database: {error}")),
            Fault::Io(error) if is_full_io(&error) => Self::Full,
            Fault::Io(error) => Self::Broken(format!("file: {error}")),
        }
    }
}

/// ENOSPC, EDQUOT, EFBIG.
fn is_full_io(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// SQLite says SQLITE_FULL for ENOSPC; EDQUOT and EFBIG are a failed write to it, and no room
/// for the WAL's index a failed change of its size.
fn is_full_sql(error: &rusqlite::Error) -> bool {
    let Some(error) = error.sqlite_error() else { return false };
    error.code == ErrorCode::DiskFull
        || matches!(error.extended_code, ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_SHMSIZE)
}
