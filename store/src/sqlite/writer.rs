//! The one thread that writes: what has gathered is committed together.
//!
//! While one commit waits for the disk the next jobs gather, so that the more there is to do
//! the less each costs. A job that fails is rolled back alone; the others of its transaction
//! stand. Nobody is answered before the commit has returned.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::{fmt, io};

use postkern_server::job::{Failure, Timestamp};
use rusqlite::Connection;

use super::fault::{Fault, Outcome};
use super::folder::Folder;
use super::spool::{self, BodyFile};
use crate::rules::Clock;
use crate::watchers::{Effects, Watchers};

/// Jobs that wait; a caller more waits for room.
const QUEUE: usize = 1024;
/// Jobs of one transaction: with small bodies up to [`spool::INLINE_MAX`] some megabytes.
const BATCH: usize = 256;

/// Jobs offered that may wait: each may hold as much as one fetch has read.
const OFFERS: usize = 16;

/// See the module. Dropping it ends the thread once all that was asked is done.
pub(super) struct Writer {
    requests: Option<SyncSender<Box<dyn Work>>>,
    offers: Arc<()>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread works with.
pub(super) struct Shared {
    pub(super) folder: Folder,
    pub(super) watchers: Watchers,
    pub(super) clock: Clock,
}

/// A job's hold on the database, and what follows from it once it is committed.
pub(super) struct Change<'a> {
    pub(super) db: &'a Connection,
    pub(super) folder: &'a Folder,
    pub(super) now: Timestamp,
    pub(super) effects: Effects,
    /// Files that rows name now.
    pub(super) files: Vec<BodyFile>,
}

impl Writer {
    pub(super) fn start(db: Connection, shared: Arc<Shared>) -> io::Result<Self> {
        let (requests, gathered) = sync_channel(QUEUE);
        let thread = thread::Builder::new().name("writer".into()).spawn(move || run(&db, &gathered, &shared))?;
        Ok(Self { requests: Some(requests), offers: Arc::default(), thread: Some(thread) })
    }

    /// Runs `work` in a transaction and waits until that is committed. `work` may be run with
    /// others before and after it in the same transaction.
    pub(super) fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Change<'_>) -> Outcome<T> + Send + 'static,
    ) -> Outcome<T> {
        let (answer, answered) = sync_channel(1);
        let call = Call { work: Some(work), value: None, answer };
        let ended = || Fault::Failure(Failure::Broken("the writer has ended".into()));
        self.requests.as_ref().ok_or_else(ended)?.send(Box::new(call)).map_err(|_| ended())?;
        answered.recv().map_err(|_| ended())?.map_err(Fault::Failure)
    }

    /// Runs `work` some time, unless there is much else to do. Nobody waits.
    pub(super) fn offer(&self, work: impl FnOnce(&mut Change<'_>) -> Outcome<()> + Send + 'static) {
        // Each that waits holds one of these; a few too many at the same time do no harm.
        let waits = self.offers.clone();
        if Arc::strong_count(&waits) > OFFERS + 1 {
            return;
        }
        let work = move |change: &mut Change<'_>| {
            let _waits = waits;
            work(change)
        };
        let (answer, _) = sync_channel(1);
        if let Some(requests) = &self.requests {
            // What is offered can be done again another time.
            let _ = requests.try_send(Box::new(Call { work: Some(work), value: None, answer }));
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // The thread catches what its jobs panic with; there is nothing else to be told.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

/// A job whose caller waits.
trait Work: Send {
    fn run(&mut self, change: &mut Change<'_>) -> Outcome<()>;
    fn answer(self: Box<Self>, done: Result<(), Failure>);
}

struct Call<F, T> {
    work: Option<F>,
    value: Option<T>,
    answer: SyncSender<Result<T, Failure>>,
}

impl<T: Send, F: FnOnce(&mut Change<'_>) -> Outcome<T> + Send> Work for Call<F, T> {
    fn run(&mut self, change: &mut Change<'_>) -> Outcome<()> {
        let work = self.work.take().ok_or_else(|| Failure::Broken("run twice".into()))?;
        self.value = Some(work(change)?);
        Ok(())
    }

    fn answer(self: Box<Self>, done: Result<(), Failure>) {
        let Self { value, answer, .. } = *self;
        let lost = || Failure::Broken("a job has left no value".into());
        // Nobody waits for what was offered.
        let _ = answer.send(done.and_then(|()| value.ok_or_else(lost)));
    }
}

fn run(db: &Connection, gathered: &Receiver<Box<dyn Work>>, shared: &Shared) {
    while let Ok(first) = gathered.recv() {
        let mut batch = Batch { db, shared, ran: Vec::new(), effects: Effects::default(), files: Vec::new() };
        let started = db.execute_batch("BEGIN IMMEDIATE").map_err(|error| failure("begin", error.into()));
        for work in std::iter::once(first).chain(gathered.try_iter()).take(BATCH) {
            if let Err(failure) = &started {
                batch.ran.push((work, Err(failure.clone())));
                break;
            }
            if !batch.run(work) {
                break;
            }
        }
        batch.end();
    }
}

/// One transaction.
struct Batch<'a> {
    db: &'a Connection,
    shared: &'a Shared,
    ran: Vec<(Box<dyn Work>, Result<(), Failure>)>,
    effects: Effects,
    files: Vec<BodyFile>,
}

impl Batch<'_> {
    /// Runs one job, and undoes it if it fails. False if the transaction is over.
    fn run(&mut self, mut work: Box<dyn Work>) -> bool {
        let now = (self.shared.clock)();
        let folder = &self.shared.folder;
        let mut change = Change { db: self.db, folder, now, effects: Effects::default(), files: Vec::new() };
        let done = catch_unwind(AssertUnwindSafe(|| {
            savepoint(self.db, "SAVEPOINT job")?;
            work.run(&mut change)?;
            savepoint(self.db, "RELEASE job")
        }));
        let done = done.unwrap_or_else(|_| Err(Failure::Broken("a job has panicked".into()).into()));
        let Err(fault) = done else {
            self.effects.merge(change.effects);
            self.files.append(&mut change.files);
            self.ran.push((work, Ok(())));
            return true;
        };
        let failure = failure("job", fault);
        let undone = savepoint(self.db, "ROLLBACK TO job").and_then(|()| savepoint(self.db, "RELEASE job"));
        self.ran.push((work, Err(failure.clone())));
        // Some failures of the disk undo the whole transaction.
        if undone.is_err() || self.db.is_autocommit() {
            self.undo(&failure);
            return false;
        }
        true
    }

    /// Commits what was done, then tells everybody.
    fn end(mut self) {
        let mut loose = Vec::new();
        if !self.db.is_autocommit() {
            let committed = collect(self.db).and_then(|files| {
                self.db.execute_batch("COMMIT")?;
                Ok(files)
            });
            match committed {
                Ok(files) => loose = files,
                Err(fault) => {
                    // It may be committed all the same: its files stay, for the next start to
                    // look at.
                    self.files.drain(..).for_each(BodyFile::keep);
                    self.undo(&failure("commit", fault));
                }
            }
        }
        self.files.drain(..).for_each(BodyFile::keep);
        self.shared.watchers.wake(&self.effects);
        for (work, done) in self.ran {
            work.answer(done);
        }
        for file in loose {
            spool::remove(&self.shared.folder.bodies().join(file));
        }
    }

    /// Nothing of this transaction stands.
    fn undo(&mut self, failure: &Failure) {
        if !self.db.is_autocommit() {
            // If this fails, so does the next BEGIN, and is told.
            let _ = self.db.execute_batch("ROLLBACK");
        }
        for (_, done) in &mut self.ran {
            if done.is_ok() {
                *done = Err(failure.clone());
            }
        }
        self.effects = Effects::default();
        self.files.clear();
    }
}

/// Deletes the bodies that nobody has any more; answers their files.
fn collect(db: &Connection) -> Outcome<Vec<String>> {
    let mut statement = db.prepare_cached("DELETE FROM body WHERE refs = 0 RETURNING file")?;
    let files = statement.query_map([], |row| row.get::<_, Option<String>>(0))?.collect::<Result<Vec<_>, _>>()?;
    Ok(files.into_iter().flatten().collect())
}

fn savepoint(db: &Connection, sql: &str) -> Outcome<()> {
    Ok(db.prepare_cached(sql)?.execute([]).map(drop)?)
}

fn failure(what: &str, fault: Fault) -> Failure {
    let detail = match &fault {
        Fault::Failure(_) => None,
        Fault::Sql(error) => Some(error.to_string()),
        Fault::Io(error) => Some(error.to_string()),
    };
    if let Some(error) = detail {
        tracing::error!(what, %error, "writing failed");
    }
    fault.into()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::rules::wall_clock;
    use crate::sqlite::{pool, schema};

    /// Adds an account of this name, nothing else.
    fn add(change: &mut Change<'_>, name: &str) -> Outcome<()> {
        change.db.execute("INSERT INTO account (name, verifier) VALUES (?1, '')", [name])?;
        Ok(())
    }

    #[test]
    fn a_job_that_fails_or_panics_fails_alone() {
        let root = tempfile::TempDir::new().unwrap();
        let folder = Folder::open(root.path(), false).unwrap();
        let mut db = pool::connect(&folder.database(), true).unwrap();
        schema::migrate(&mut db).unwrap();
        let shared = Arc::new(Shared { folder, watchers: Watchers::default(), clock: wall_clock() });
        let writer = Writer::start(db, shared).unwrap();
        let (go, wait) = sync_channel::<()>(0);
        let (begun, is_begun) = sync_channel::<()>(0);
        thread::scope(|scope| {
            // The first holds the transaction open until the others have gathered behind it.
            scope.spawn(|| {
                let held = writer.call(move |change| {
                    begun.send(()).unwrap();
                    wait.recv().unwrap();
                    add(change, "first")
                });
                held.unwrap();
            });
            is_begun.recv().unwrap();
            writer.offer(|change| add(change, "second"));
            writer.offer(|change| {
                add(change, "failed")?;
                Err(Failure::Exists.into())
            });
            writer.offer(|change| {
                add(change, "panicked")?;
                panic!("as this test wants it")
            });
            writer.offer(|change| add(change, "first"));
            writer.offer(|change| add(change, "last"));
            go.send(()).unwrap();
        });
        let names = writer.call(|change| {
            let mut statement = change.db.prepare("SELECT name FROM account ORDER BY id")?;
            Ok(statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?)
        });
        assert_eq!(names.unwrap(), ["first", "second", "last"]);
    }
}
