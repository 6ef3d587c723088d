//! Messages on their way in, and large bodies: files that are removed unless they are kept.
//!
//! A body's file is on stable storage, and so is its name, before the transaction begins whose
//! row names it.

use std::any::Any;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use postkern_server::job::{Failure, Spool, SpoolFile};

use super::fault::Outcome;
use super::folder::{self, Folder};

/// Octets of a body up to which it stands in the database. Below this one fsync of the WAL is
/// cheaper than one of a file and one of its folder.
pub const INLINE_MAX: usize = 32 * 1024;

/// A body that is yet to be named by a row.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) size: u64,
    pub(super) eight_bit: bool,
    pub(super) rest: Rest,
}

/// Where its octets are.
#[derive(Debug)]
pub(super) enum Rest {
    Inline(Vec<u8>),
    File(BodyFile),
}

impl Incoming {
    /// Takes a message in: on stable storage, if it is large.
    pub(super) fn take(folder: &Folder, spool: Spool) -> Outcome<Self> {
        let Spool { tail, file } = spool;
        let mut file = match file {
            None if tail.len() <= INLINE_MAX => {
                return Ok(Self { size: tail.len() as u64, eight_bit: !tail.is_ascii(), rest: Rest::Inline(tail) });
            }
            None => DiskFile::create(folder)?,
            Some(file) => own(file)?,
        };
        file.append(&tail)?;
        let (size, eight_bit) = (file.size, file.eight_bit);
        Ok(Self { size, eight_bit, rest: Rest::File(file.publish(folder)?) })
    }
}

/// Puts the octets in hand away.
pub(super) fn put_away(folder: &Folder, spool: Spool) -> Outcome<Spool> {
    let Spool { mut tail, file } = spool;
    let mut file = match file {
        None => DiskFile::create(folder)?,
        Some(file) => own(file)?,
    };
    file.append(&tail)?;
    tail.clear();
    Ok(Spool { tail, file: Some(Box::new(file)) })
}

/// A file in `spool/`, removed when it is dropped.
#[derive(Debug)]
struct DiskFile {
    file: File,
    name: String,
    path: Removed,
    size: u64,
    eight_bit: bool,
}

impl DiskFile {
    fn create(folder: &Folder) -> Outcome<Self> {
        let name = key()?;
        let path = folder.spool().join(&name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { file, name, path: Removed(Some(path)), size: 0, eight_bit: false })
    }

    fn append(&mut self, octets: &[u8]) -> Outcome<()> {
        self.file.write_all(octets)?;
        self.size += octets.len() as u64;
        self.eight_bit |= !octets.is_ascii();
        Ok(())
    }

    fn publish(mut self, folder: &Folder) -> Outcome<BodyFile> {
        self.file.sync_all()?;
        let path = folder.bodies().join(&self.name);
        if let Some(from) = self.path.0.as_deref() {
            fs::rename(from, &path)?;
        }
        self.path.0 = None;
        let file = BodyFile { name: self.name, path: Removed(Some(path)) };
        // The old name needs no such care: what a crash leaves in spool/ is removed.
        folder::sync(folder.bodies())?;
        Ok(file)
    }
}

impl SpoolFile for DiskFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

/// A file in `bodies/` that no committed row names yet; removed when it is dropped.
#[derive(Debug)]
pub(super) struct BodyFile {
    pub(super) name: String,
    path: Removed,
}

impl BodyFile {
    /// A row names it now, or may do so.
    pub(super) fn keep(mut self) {
        self.path.0 = None;
    }
}

/// A path removed by being dropped.
#[derive(Debug)]
struct Removed(Option<PathBuf>);

impl Drop for Removed {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            remove(path);
        }
    }
}

/// Removes a file. If that fails it stays until the next start.
pub(super) fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(file = %path.display(), %error, "a file could not be removed");
    }
}

/// A file's name: 128 random bits, so that two processes never take the same.
fn key() -> Outcome<String> {
    let mut octets = [0; 16];
    getrandom::fill(&mut octets).map_err(|error| Failure::Broken(format!("random numbers: {error}")))?;
    let mut name = String::with_capacity(32);
    for octet in octets {
        write!(name, "{octet:02x}").expect("a string takes all");
    }
    Ok(name)
}

/// Whether a file has a name such as ours.
pub(super) fn is_key(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'))
}

fn own(file: Box<dyn SpoolFile>) -> Outcome<DiskFile> {
    let file = file.into_any().downcast::<DiskFile>();
    file.map(|file| *file).map_err(|_| Failure::Broken("a spool file of another backend".into()).into())
}
