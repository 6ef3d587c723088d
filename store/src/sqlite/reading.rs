//! Messages read: what is known of them, and their octets.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use postkern_server::digest::Digest;
use postkern_server::job::{
    AccountId, FETCH_BATCH, Failure, Fetched, MailboxId, QueueId, READ_MAX, SEARCH_BATCH, Timestamp,
};
use postkern_server::mailbox::{Flags, MailboxName, Meta, UidSet};
use postkern_server::search::{Needs, Program, Verdict};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::fault::{Fault, Outcome};
use super::folder::Folder;
use super::mailboxes::Mailbox;
use super::writer::Change;
use crate::rules;

/// Octets in which a header is looked for first; twice as many each time it does not end.
const HEADER_STEP: u64 = 64 * 1024;
/// Columns of [`meta`].
const META: &str = "uid, flags, size, internal_date, modseq";

/// Where a message's octets are: parts that follow one another, then a file if there is one.
#[derive(Debug)]
pub(super) struct Source {
    prefix: Vec<u8>,
    head: Vec<u8>,
    inline: Vec<u8>,
    file: Option<String>,
    size: u64,
}

impl Source {
    /// A body's octets behind `prefix`.
    pub(super) fn body(db: &Connection, body: i64, prefix: Vec<u8>) -> Outcome<Self> {
        let sql = "SELECT head, file, size, octets FROM body LEFT JOIN octets ON body = id WHERE id = ?1";
        let mut statement = db.prepare_cached(sql)?;
        let source = statement.query_row([body], |row| {
            let size = row.get::<_, i64>(2)? as u64 + prefix.len() as u64;
            let inline = row.get::<_, Option<Vec<u8>>>(3)?.unwrap_or_default();
            Ok(Self { prefix, head: row.get(0)?, file: row.get(1)?, size, inline })
        });
        Ok(source.optional()?.ok_or_else(|| Failure::Broken(format!("body {body} is missing")))?)
    }

    /// A range as a session may read it: as much as there is, [`READ_MAX`] at most.
    pub(super) fn cut(&self, folder: &Folder, range: Range<u64>) -> Outcome<Vec<u8>> {
        let end = range.end.min(range.start.saturating_add(READ_MAX));
        self.octets(folder, range.start..end)
    }

    /// A range, as much of it as there is.
    pub(super) fn octets(&self, folder: &Folder, range: Range<u64>) -> Outcome<Vec<u8>> {
        let range = range.start.min(self.size)..range.end.min(self.size);
        let mut octets = Vec::with_capacity(range.end.saturating_sub(range.start) as usize);
        let mut start = 0;
        for part in [&self.prefix, &self.head, &self.inline] {
            let of = |at: u64| at.saturating_sub(start).min(part.len() as u64) as usize;
            octets.extend_from_slice(part.get(of(range.start)..of(range.end)).unwrap_or_default());
            start += part.len() as u64;
        }
        if let Some(file) = self.file.as_deref().filter(|_| range.end > start) {
            let from = range.start.max(start);
            let read = octets.len();
            octets.resize(read + range.end.saturating_sub(from) as usize, 0);
            let file = File::open(folder.bodies().join(file)).map_err(|error| match error.kind() {
                // Expunged since the row was read.
                io::ErrorKind::NotFound => Failure::NoSuchMessage.into(),
                _ => Fault::Io(error),
            })?;
            file.read_exact_at(&mut octets[read..], from - start)?;
        }
        Ok(octets)
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn whole(&self, folder: &Folder) -> Outcome<Vec<u8>> {
        self.octets(folder, 0..self.size)
    }

    /// The header with its empty line.
    fn header(&self, folder: &Folder) -> Outcome<Vec<u8>> {
        let mut len = HEADER_STEP;
        loop {
            let mut octets = self.octets(folder, 0..len)?;
            let end = rules::header_end(&octets).map(|(_, end)| end);
            if end.is_some() || len >= self.size {
                octets.truncate(end.unwrap_or(octets.len()));
                return Ok(octets);
            }
            len = len.saturating_mul(2);
        }
    }
}

fn meta(row: &Row<'_>) -> rusqlite::Result<Meta> {
    Ok(Meta {
        uid: row.get(0)?,
        flags: Flags(row.get::<_, i64>(1)? as u64),
        size: row.get::<_, i64>(2)? as u64,
        internal_date: Timestamp(row.get(3)?),
        modseq: row.get::<_, i64>(4)? as u64,
    })
}

/// Those of the set that are there, ascending.
pub(super) fn among(db: &Connection, mailbox: &Mailbox, uids: &UidSet) -> Outcome<Vec<Meta>> {
    first_among(db, mailbox, uids, usize::MAX)
}

/// The first of them, `limit` at most.
fn first_among(db: &Connection, mailbox: &Mailbox, uids: &UidSet, limit: usize) -> Outcome<Vec<Meta>> {
    let sql = format!("SELECT {META} FROM message WHERE account = ?1 AND mailbox = ?2 AND uid BETWEEN ?3 AND ?4");
    let mut statement = db.prepare_cached(&(sql + " ORDER BY uid"))?;
    let mut metas = Vec::new();
    for &(from, to) in uids.ranges() {
        for found in statement.query_map(params![mailbox.account, mailbox.id.0, from, to], meta)? {
            metas.push(found?);
            if metas.len() >= limit {
                return Ok(metas);
            }
        }
    }
    Ok(metas)
}

/// Those that have changed, ascending by UID.
pub(super) fn changed(db: &Connection, mailbox: &Mailbox, since: i64) -> Outcome<Vec<Meta>> {
    let sql = format!("SELECT {META} FROM message WHERE account = ?1 AND mailbox = ?2 AND modseq > ?3 ORDER BY uid");
    let mut statement = db.prepare_cached(&sql)?;
    let metas = statement.query_map(params![mailbox.account, mailbox.id.0, since], meta)?;
    Ok(metas.collect::<Result<_, _>>()?)
}

pub(super) fn metas(db: &Connection, mailbox: MailboxId, uids: &UidSet) -> Outcome<Vec<Meta>> {
    among(db, &Mailbox::by_id(db, mailbox)?, uids)
}

fn source(db: &Connection, mailbox: &Mailbox, uid: u32) -> Outcome<Source> {
    let sql = "SELECT body, prefix FROM message WHERE account = ?1 AND mailbox = ?2 AND uid = ?3";
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_row(params![mailbox.account, mailbox.id.0, uid], |row| Ok((row.get(0)?, row.get(1)?)));
    let (body, prefix) = found.optional()?.ok_or(Failure::NoSuchMessage)?;
    Source::body(db, body, prefix)
}

pub(super) fn message(db: &Connection, mailbox: MailboxId, uid: u32) -> Outcome<Source> {
    let mailbox = Mailbox::by_id(db, mailbox).map_err(|fault| match fault {
        Fault::Failure(Failure::NoSuchMailbox) => Failure::NoSuchMessage.into(),
        other => other,
    })?;
    source(db, &mailbox, uid)
}

pub(super) fn queued(db: &Connection, id: QueueId) -> Outcome<Source> {
    let mut statement = db.prepare_cached("SELECT body FROM queued WHERE id = ?1")?;
    let body = statement.query_row([id.0], |row| row.get(0)).optional()?.ok_or(Failure::NoSuchMessage)?;
    Source::body(db, body, Vec::new())
}

#[expect(clippy::type_complexity, reason = "the parts of a Maildrop but for its lock")]
pub(super) fn maildrop(db: &Connection, account: AccountId) -> Outcome<(MailboxId, u32, Vec<(u32, u64)>)> {
    let mailbox = Mailbox::by_name(db, account, &MailboxName::inbox())?;
    let sql = "SELECT uid, size FROM message WHERE account = ?1 AND mailbox = ?2 ORDER BY uid";
    let mut statement = db.prepare_cached(sql)?;
    let messages = statement
        .query_map(params![mailbox.account, mailbox.id.0], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
    Ok((mailbox.id, mailbox.uid_validity, messages.collect::<Result<_, _>>()?))
}

/// What a fetch reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Want {
    pub(super) digest: bool,
    pub(super) header: bool,
}

/// Digests that had to be made, by UID.
pub(super) type Made = Vec<(u32, Vec<u8>)>;

pub(super) fn fetch(
    db: &Connection,
    folder: &Folder,
    mailbox: MailboxId,
    uids: &UidSet,
    want: Want,
) -> Outcome<(Vec<Fetched>, Made)> {
    let mailbox = Mailbox::by_id(db, mailbox)?;
    let (mut all, mut made, mut octets) = (Vec::new(), Vec::new(), 0);
    for meta in first_among(db, &mailbox, uids, FETCH_BATCH / size_of::<Fetched>() + 1)? {
        let read = read(db, folder, &mailbox, meta.uid, want);
        let read = match read {
            // Expunged while we read: its file is gone, as it will be.
            Err(Fault::Failure(Failure::NoSuchMessage)) => continue,
            read => read?,
        };
        octets += size_of::<Fetched>() + read.header.as_ref().map_or(0, Vec::len) + read.digest_octets;
        if octets > FETCH_BATCH && !all.is_empty() {
            break;
        }
        made.extend(read.made.map(|octets| (meta.uid, octets)));
        all.push(Fetched { meta, digest: read.digest.map(Arc::new), header: read.header });
    }
    Ok((all, made))
}

/// What was read of one message.
#[derive(Default)]
struct Read {
    header: Option<Vec<u8>>,
    digest: Option<Digest>,
    digest_octets: usize,
    made: Option<Vec<u8>>,
}

fn read(db: &Connection, folder: &Folder, mailbox: &Mailbox, uid: u32, want: Want) -> Outcome<Read> {
    let mut read = Read::default();
    if want.digest
        && let Some(octets) = kept_digest(db, mailbox, uid)?
    {
        (read.digest, read.digest_octets) = (Digest::from_bytes(&octets), octets.len());
    }
    if want.digest && read.digest.is_none() {
        let message = source(db, mailbox, uid)?.whole(folder)?;
        let digest = Digest::of(&message);
        let octets = digest.to_bytes();
        read.digest_octets = octets.len();
        (read.digest, read.made) = (Some(digest), Some(octets));
        if want.header {
            read.header = Some(message[..rules::header_len(&message)].to_vec());
        }
    } else if want.header {
        read.header = Some(source(db, mailbox, uid)?.header(folder)?);
    }
    Ok(read)
}

fn kept_digest(db: &Connection, mailbox: &Mailbox, uid: u32) -> Outcome<Option<Vec<u8>>> {
    let sql = "SELECT octets FROM digest WHERE account = ?1 AND mailbox = ?2 AND uid = ?3";
    let mut statement = db.prepare_cached(sql)?;
    Ok(statement.query_row(params![mailbox.account, mailbox.id.0, uid], |row| row.get(0)).optional()?)
}

/// Keeps digests of messages that are still there.
pub(super) fn keep_digests(change: &mut Change<'_>, mailbox: MailboxId, made: &Made) -> Outcome<()> {
    let mailbox = Mailbox::by_id(change.db, mailbox)?;
    let mut statement = change.db.prepare_cached(
        "INSERT OR REPLACE INTO digest (account, mailbox, uid, octets)
         SELECT account, mailbox, uid, ?4 FROM message WHERE account = ?1 AND mailbox = ?2 AND uid = ?3",
    )?;
    for (uid, octets) in made {
        statement.execute(params![mailbox.account, mailbox.id.0, uid, octets])?;
    }
    Ok(())
}

/// What a search looks at, read from the database: some of it may still be in files.
pub(super) struct Candidates {
    /// Ascending by UID, with what the search must look into, if the rest does not decide.
    messages: Vec<(Meta, Option<Source>)>,
    /// All of those asked for are among the messages up to here.
    to: u32,
}

/// Those of the set that match or may match, up to [`SEARCH_BATCH`] octets.
pub(super) fn candidates(db: &Connection, mailbox: MailboxId, uids: &UidSet, program: &Program) -> Outcome<Candidates> {
    let mailbox = Mailbox::by_id(db, mailbox)?;
    let (mut messages, mut octets) = (Vec::new(), 0);
    for meta in among(db, &mailbox, uids)? {
        match program.judge(&meta) {
            Verdict::No => continue,
            Verdict::Yes => messages.push((meta, None)),
            Verdict::NeedsText => {
                let source = source(db, &mailbox, meta.uid)?;
                octets += match program.needs() {
                    Needs::Nothing | Needs::Header => source.size.min(HEADER_STEP),
                    Needs::Message => source.size,
                };
                messages.push((meta, Some(source)));
            }
        }
        if octets >= SEARCH_BATCH {
            return Ok(Candidates { messages, to: meta.uid });
        }
    }
    Ok(Candidates { messages, to: rules::last(uids) })
}

impl Candidates {
    /// Those that match, and up to which UID all were judged.
    pub(super) fn judge(self, folder: &Folder, program: &Program) -> Outcome<(UidSet, u32)> {
        let (mut found, mut octets) = (UidSet::default(), 0);
        for (meta, source) in self.messages {
            let Some(source) = source else {
                found.push(meta.uid);
                continue;
            };
            let text = match program.needs() {
                Needs::Nothing | Needs::Header => source.header(folder),
                Needs::Message => source.whole(folder),
            };
            match text {
                Ok(text) => {
                    if program.matches(&meta, &text) {
                        found.push(meta.uid);
                    }
                    octets += text.len() as u64;
                }
                // Expunged since the row was read: its file is gone.
                Err(Fault::Failure(Failure::NoSuchMessage)) => {}
                Err(fault) => return Err(fault),
            }
            // Headers may be longer than was thought.
            if octets >= SEARCH_BATCH {
                return Ok((found, self.to.min(meta.uid)));
            }
        }
        Ok((found, self.to))
    }
}
