//! A database in a folder, and short words for what the tests ask of it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use postkern_server::job::{
    AccountId, Admin, Backend, Commit, Done, Job, Local, MailboxId, QueueId, READ_MAX, Selected, Spool,
};
use postkern_server::mailbox::{MailboxName, UidSet};
use postkern_server::queue::{Attempt, QueueEntry, Remote};
use postkern_store::sqlite::Sqlite;

pub(crate) struct Mail(Sqlite);

impl Mail {
    /// As the server does.
    pub(crate) fn open(folder: &Path) -> Self {
        Self(Sqlite::open_serving(folder).unwrap())
    }

    pub(crate) fn of(sqlite: Sqlite) -> Self {
        Self(sqlite)
    }

    pub(crate) fn backend(&self) -> &dyn Backend {
        &self.0
    }

    pub(crate) fn run(&self, job: Job) -> Done {
        match self.0.run(job) {
            Done::Failed(failure) => panic!("{failure:?}"),
            done => done,
        }
    }

    pub(crate) fn account(&self, name: &str) -> AccountId {
        match self.run(Job::Admin(Admin::AddAccount { name: name.into(), verifier: "none".into() })) {
            Done::Account(account) => account,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn lookup(&self, name: &str) -> Option<AccountId> {
        match self.run(Job::Lookup { addresses: vec![name.into()] }) {
            Done::Found(found) => found[0],
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn deliver(&self, to: &[AccountId], remote: &[&str], octets: &[u8]) -> QueueId {
        let local = to.iter().map(|account| Local::new(*account, "r@home.example"));
        let remote = remote.iter().map(|to| Remote::new(*to));
        let message = Spool { tail: octets.to_vec(), file: None };
        let commit = Commit {
            reverse_path: "s@else.example".into(),
            ..Commit::ours(local.collect(), remote.collect(), message)
        };
        match self.run(Job::Commit(Box::new(commit))) {
            Done::Committed(committed) => committed.id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn spool(&self, spool: Spool) -> Spool {
        match self.run(Job::Spool(spool)) {
            Done::Spooled(spool) => spool,
            other => panic!("{other:?}"),
        }
    }

    /// The account's INBOX.
    pub(crate) fn select(&self, account: &str) -> Selected {
        let account = self.lookup(account).unwrap();
        match self.run(Job::Select { account, mailbox: MailboxName::inbox(), read_only: true }) {
            Done::Selected(selected) => *selected,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn remove(&self, account: &str, uid: u32) {
        let mailbox = self.select(account).mailbox;
        self.run(Job::Remove { mailbox, uids: UidSet::range(uid, uid) });
    }

    pub(crate) fn whole(&self, mailbox: MailboxId, uid: u32) -> Vec<u8> {
        match self.run(Job::Read { mailbox, uid, range: 0..READ_MAX }) {
            Done::Octets(octets) => octets,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn whole_queued(&self, id: QueueId) -> Vec<u8> {
        match self.run(Job::ReadQueued { id, range: 0..READ_MAX }) {
            Done::Octets(octets) => octets,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn queue(&self) -> Vec<QueueEntry> {
        match self.run(Job::Admin(Admin::Queue)) {
            Done::Queue(queue) => queue,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn due(&self) -> (Vec<Attempt>, Option<Duration>) {
        match self.run(Job::Due { limit: 10, per_domain: 10 }) {
            Done::Due { attempts, wait } => (attempts, wait),
            other => panic!("{other:?}"),
        }
    }

    /// How often a child has been at work here: each marks its messages with its number.
    pub(crate) fn rounds(&self) -> usize {
        let entries = self.queue();
        let marks = entries.iter().map(|entry| String::from_utf8_lossy(&self.whole_queued(entry.id)).into_owned());
        let rounds = marks.filter_map(|text| {
            let mark = text.lines().find_map(|line| line.strip_prefix("X-Mark: "))?;
            mark.split(' ').next()?.parse::<usize>().ok()
        });
        rounds.max().map_or(0, |round| round + 1)
    }
}

/// Files in one of the data folder's folders that are named as ours are.
pub(crate) fn files(folder: &Path, within: &str) -> usize {
    let entries = fs::read_dir(folder.join(within)).unwrap();
    entries.filter(|entry| entry.as_ref().unwrap().file_name().len() == 32).count()
}

/// A message of so many octets, every part of it unlike the next.
pub(crate) fn message(octets: usize) -> Vec<u8> {
    let mut message = b"Subject: test\r\n\r\n".to_vec();
    for line in 0.. {
        if message.len() >= octets {
            break;
        }
        message.extend_from_slice(format!("line {line}\r\n").as_bytes());
    }
    message.truncate(octets);
    message
}
