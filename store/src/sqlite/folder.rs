//! The data folder: its locks, its files, its free space.
//!
//! ```text
//! postkern.db      and -wal, -shm: the database
//! bodies/          large bodies, immutable, named by random keys; a row names each
//! spool/           messages on their way in; a process's own until renamed into bodies/
//! processes.lock   locked shared by each process that has the folder open
//! serving.lock     locked by the process that serves it
//! ```
//! A process that gets `processes.lock` for itself alone knows that nobody else is here, so
//! that what lies in `spool/`, and what in `bodies/` no row names, is nobody's: it is removed.
//! With another process here nothing is removed; the next start that is alone does it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use postkern_server::job::Failure;
use rusqlite::{Connection, OptionalExtension};

use super::fault::{OpenError, Outcome};

/// Octets that stay free on the disk for what is already under way: the WAL's growth above all.
const RESERVE: u64 = 4 * 1024 * 1024;
/// Octets taken for a message whose size was not announced.
const UNKNOWN_SIZE: u64 = 64 * 1024 * 1024;

/// A data folder, open.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    bodies: PathBuf,
    spool: PathBuf,
    processes: File,
    _serving: Option<File>,
    is_alone: bool,
}

impl Folder {
    /// Makes the folder if it is not there, readable for its owner only, and locks it. Files
    /// are their owner's alone in a folder that others may read, too.
    pub(super) fn open(root: &Path, serving: bool) -> Result<Self, OpenError> {
        let (bodies, spool) = (root.join("bodies"), root.join("spool"));
        for folder in [root, &bodies, &spool].into_iter().filter(|folder| !folder.exists()) {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.and_then(|()| sync(folder.parent().unwrap_or(folder))).map_err(|source| at(folder, source))?;
        }
        let serving = serving.then(|| serve(root)).transpose()?;
        let path = root.join("processes.lock");
        let processes = own_file(&path)?;
        let is_alone = match processes.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => {
                // Waits only for one that has just come and tidies up.
                processes.lock_shared().map_err(|source| at(&path, source))?;
                false
            }
            Err(TryLockError::Error(source)) => return Err(at(&path, source)),
        };
        let folder = Self { root: root.to_owned(), bodies, spool, processes, _serving: serving, is_alone };
        // SQLite makes its other files with the rights of this one.
        own_file(&folder.database())?;
        Ok(folder)
    }

    /// Removes what nobody owns, if nobody else is here, and lets others in.
    pub(super) fn tidy(&mut self, db: &Connection) -> Result<(), OpenError> {
        if !self.is_alone {
            return Ok(());
        }
        let spool = self.spool.clone();
        remove_files(&spool, |_| Ok(true))?;
        remove_files(&self.bodies, |name| {
            let mut statement = db.prepare_cached("SELECT 1 FROM body WHERE file = ?1")?;
            Ok(statement.query_row([name], |_| Ok(())).optional()?.is_none())
        })?;
        // flock(2) turns the lock into a shared one. Somebody may come in between and tidy up:
        // nothing of ours is there yet.
        self.processes.lock_shared().map_err(|source| at(&self.root, source))?;
        self.is_alone = false;
        Ok(())
    }

    pub(super) fn database(&self) -> PathBuf {
        self.root.join("postkern.db")
    }

    pub(super) fn bodies(&self) -> &Path {
        &self.bodies
    }

    pub(super) fn spool(&self) -> &Path {
        &self.spool
    }

    /// Whether there is room for a message of so many octets: twice of it, since it is spooled
    /// while others are committed, and [`RESERVE`]; 0 stands for [`UNKNOWN_SIZE`].
    pub(super) fn check_room(&self, octets: u64) -> Outcome<()> {
        let stat = rustix::fs::statvfs(&self.root).map_err(io::Error::from)?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        let octets = if octets == 0 { UNKNOWN_SIZE } else { octets };
        match free < octets.saturating_mul(2).saturating_add(RESERVE) {
            true => Err(Failure::Full.into()),
            false => Ok(()),
        }
    }
}

/// Makes a folder's entries lasting.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

fn serve(root: &Path) -> Result<File, OpenError> {
    let path = root.join("serving.lock");
    let file = own_file(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Serving(root.to_owned())),
        Err(TryLockError::Error(source)) => Err(at(&path, source)),
    }
}

/// Opens a file, made for its owner only if it is not there.
fn own_file(path: &Path) -> Result<File, OpenError> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    options.open(path).map_err(|source| at(path, source))
}

fn remove_files(folder: &Path, is_loose: impl Fn(&str) -> Result<bool, OpenError>) -> Result<(), OpenError> {
    for entry in fs::read_dir(folder).map_err(|source| at(folder, source))? {
        let entry = entry.map_err(|source| at(folder, source))?;
        // What has another name is none of ours.
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| super::spool::is_key(name)) else { continue };
        if is_loose(name)? {
            fs::remove_file(entry.path()).map_err(|source| at(&entry.path(), source))?;
            tracing::info!(file = %entry.path().display(), "removed what an earlier process left behind");
        }
    }
    Ok(())
}

fn at(path: &Path, source: io::Error) -> OpenError {
    OpenError::Io { path: path.to_owned(), source }
}
