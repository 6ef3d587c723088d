//! Every engine, put to the same suite.

use std::sync::Arc;

use postkern_server::job::{Backend, Done, Guard, Job, MailboxId};
use postkern_store::memory::Memory;
use postkern_store::rules::Clock;
use postkern_store::sqlite::Sqlite;
use postkern_store::suite;
use tempfile::TempDir;

#[test]
fn memory_does_what_every_backend_must() {
    suite::run_all(&|clock| Arc::new(Memory::with_clock(clock)));
}

#[test]
fn sqlite_does_what_every_backend_must() {
    suite::run_all(&|clock| Arc::new(InFolder::new(clock)));
}

/// A database and the folder that goes with it.
struct InFolder {
    sqlite: Sqlite,
    _folder: TempDir,
}

impl InFolder {
    fn new(clock: Clock) -> Self {
        let folder = TempDir::new().unwrap();
        Self { sqlite: Sqlite::open_with(folder.path(), true, clock).unwrap(), _folder: folder }
    }
}

impl Backend for InFolder {
    fn run(&self, job: Job) -> Done {
        self.sqlite.run(job)
    }

    fn watch(&self, mailbox: MailboxId, wake: Arc<dyn Fn() + Send + Sync>) -> Guard {
        self.sqlite.watch(mailbox, wake)
    }

    fn watch_queue(&self, wake: Arc<dyn Fn() + Send + Sync>) -> Guard {
        self.sqlite.watch_queue(wake)
    }
}
