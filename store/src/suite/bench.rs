//! A backend on the bench, and short words for what the cases ask of it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use postkern_server::job::{
    AccountId, Admin, Append, Appended, Backend, Changes, Commit, Copied, Done, Failure, Fetched, FlagAction,
    FlagChange, Job, Local, MailboxId, MailboxInfo, MailboxStatus, QueueId, READ_MAX, Selected, Spool, Stored,
    Timestamp,
};
use postkern_server::mailbox::{Flags, MailboxName, Meta, UidSet};
use postkern_server::queue::{Attempt, QueueEntry, Remote};

use super::Make;

/// When the cases begin.
const START: i64 = 1_700_000_000;

/// See the module.
pub struct Bench {
    backend: Arc<dyn Backend>,
    clock: Arc<AtomicI64>,
}

impl fmt::Debug for Bench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bench")
    }
}

impl Bench {
    /// With an empty backend.
    pub fn new(make: Make<'_>) -> Self {
        let clock = Arc::new(AtomicI64::new(START));
        let time = clock.clone();
        let backend = make(Arc::new(move || Timestamp(time.load(Ordering::SeqCst))));
        Self { backend, clock }
    }

    pub(super) fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp(self.clock.load(Ordering::SeqCst))
    }

    pub(super) fn pass(&self, time: Duration) {
        self.clock.fetch_add(time.as_secs() as i64, Ordering::SeqCst);
    }

    /// A clock that is set back, too.
    pub(super) fn set_clock(&self, at: Timestamp) {
        self.clock.store(at.0, Ordering::SeqCst);
    }

    /// A job that must not fail.
    pub(super) fn run(&self, job: Job) -> Done {
        let said = format!("{job:?}");
        match self.backend.run(job) {
            Done::Failed(failure) => panic!("{failure:?} to {said:.300}"),
            done => done,
        }
    }

    /// A job that must fail.
    pub(super) fn fail(&self, job: Job) -> Failure {
        match self.backend.run(job) {
            Done::Failed(failure) => failure,
            done => panic!("it did not fail: {done:?}"),
        }
    }

    pub(super) fn account(&self, name: &str) -> AccountId {
        match self.run(Job::Admin(Admin::AddAccount { name: name.into(), verifier: "none".into() })) {
            Done::Account(account) => account,
            other => unexpected(&other),
        }
    }

    pub(super) fn lookup(&self, address: &str) -> Option<AccountId> {
        match self.run(Job::Lookup { addresses: vec![address.into()] }) {
            Done::Found(found) => found[0],
            other => unexpected(&other),
        }
    }

    /// Delivers to these accounts' INBOXes.
    pub(super) fn deliver(&self, to: &[AccountId], octets: &[u8]) -> QueueId {
        self.commit(Commit { local: local(to), ..commit(octets) })
    }

    pub(super) fn commit(&self, commit: Commit) -> QueueId {
        match self.run(Job::Commit(Box::new(commit))) {
            Done::Committed(committed) => committed.id,
            other => unexpected(&other),
        }
    }

    /// Queues a message for elsewhere.
    pub(super) fn send(&self, from: &str, to: &[&str], octets: &[u8]) -> QueueId {
        let remote = to.iter().map(|to| Remote::new(*to)).collect();
        self.commit(Commit { reverse_path: from.into(), remote, ..commit(octets) })
    }

    pub(super) fn spool(&self, spool: Spool) -> Spool {
        match self.run(Job::Spool(spool)) {
            Done::Spooled(spool) => spool,
            other => unexpected(&other),
        }
    }

    pub(super) fn append(&self, account: AccountId, mailbox: &str, octets: &[u8]) -> Appended {
        self.append_with(account, mailbox, octets, Flags::default(), &[])
    }

    pub(super) fn append_with(
        &self,
        account: AccountId,
        mailbox: &str,
        octets: &[u8],
        flags: Flags,
        keywords: &[&str],
    ) -> Appended {
        let keywords = keywords.iter().map(|keyword| (*keyword).to_owned()).collect();
        let message = in_hand(octets);
        let append = Append { account, mailbox: name(mailbox), flags, keywords, internal_date: None, message };
        match self.run(Job::Append(Box::new(append))) {
            Done::Appended(appended) => appended,
            other => unexpected(&other),
        }
    }

    pub(super) fn create(&self, account: AccountId, mailbox: &str) {
        self.run(Job::Create { account, mailbox: name(mailbox), special_use: None });
    }

    pub(super) fn delete(&self, account: AccountId, mailbox: &str) {
        self.run(Job::Delete { account, mailbox: name(mailbox) });
    }

    pub(super) fn rename(&self, account: AccountId, from: &str, to: &str) {
        self.run(Job::Rename { account, from: name(from), to: name(to) });
    }

    pub(super) fn list(&self, account: AccountId) -> Vec<MailboxInfo> {
        match self.run(Job::Mailboxes { account }) {
            Done::Mailboxes(mailboxes) => mailboxes,
            other => unexpected(&other),
        }
    }

    /// Names of mailboxes that exist, beside those that every account has.
    pub(super) fn own(&self, account: AccountId) -> Vec<String> {
        let first = |name: &str| name == "INBOX" || crate::rules::FIRST_MAILBOXES.iter().any(|(of, _)| *of == name);
        let names = self.list(account).into_iter().filter(|info| info.exists).map(|info| info.name.to_string());
        names.filter(|name| !first(name)).collect()
    }

    pub(super) fn status(&self, account: AccountId, mailbox: &str) -> MailboxStatus {
        match self.run(Job::Status { account, mailbox: name(mailbox) }) {
            Done::Status(status) => status,
            other => unexpected(&other),
        }
    }

    pub(super) fn select(&self, account: AccountId, mailbox: &str) -> Selected {
        self.open(account, mailbox, false)
    }

    pub(super) fn examine(&self, account: AccountId, mailbox: &str) -> Selected {
        self.open(account, mailbox, true)
    }

    fn open(&self, account: AccountId, mailbox: &str, read_only: bool) -> Selected {
        match self.run(Job::Select { account, mailbox: name(mailbox), read_only }) {
            Done::Selected(selected) => *selected,
            other => unexpected(&other),
        }
    }

    pub(super) fn changes(&self, mailbox: MailboxId, since: u64) -> Changes {
        match self.run(Job::Changes { mailbox, since, read_only: false }) {
            Done::Changes(changes) => *changes,
            other => unexpected(&other),
        }
    }

    pub(super) fn metas(&self, mailbox: MailboxId) -> Vec<Meta> {
        match self.run(Job::Metas { mailbox, uids: all() }) {
            Done::Metas(metas) => metas,
            other => unexpected(&other),
        }
    }

    pub(super) fn fetch(&self, mailbox: MailboxId, uids: UidSet, digest: bool, header: bool) -> Vec<Fetched> {
        match self.run(Job::Fetch { mailbox, uids, digest, header }) {
            Done::Fetched(fetched) => fetched,
            other => unexpected(&other),
        }
    }

    pub(super) fn read(&self, mailbox: MailboxId, uid: u32, range: Range<u64>) -> Vec<u8> {
        match self.run(Job::Read { mailbox, uid, range }) {
            Done::Octets(octets) => octets,
            other => unexpected(&other),
        }
    }

    /// The whole message, as a session reads it.
    pub(super) fn whole(&self, mailbox: MailboxId, uid: u32) -> Vec<u8> {
        in_steps(|range| self.read(mailbox, uid, range))
    }

    pub(super) fn read_queued(&self, id: QueueId, range: Range<u64>) -> Vec<u8> {
        match self.run(Job::ReadQueued { id, range }) {
            Done::Octets(octets) => octets,
            other => unexpected(&other),
        }
    }

    pub(super) fn whole_queued(&self, id: QueueId) -> Vec<u8> {
        in_steps(|range| self.read_queued(id, range))
    }

    pub(super) fn store(&self, mailbox: MailboxId, uids: UidSet, change: FlagChange) -> Stored {
        match self.run(Job::Store { mailbox, uids, change }) {
            Done::Stored(stored) => stored,
            other => unexpected(&other),
        }
    }

    pub(super) fn copy(&self, mailbox: MailboxId, uids: UidSet, account: AccountId, to: &str, remove: bool) -> Copied {
        match self.run(Job::Copy { mailbox, uids, account, to: name(to), remove }) {
            Done::Copied(copied) => copied,
            other => unexpected(&other),
        }
    }

    pub(super) fn expunge(&self, mailbox: MailboxId, uids: Option<UidSet>) -> UidSet {
        match self.run(Job::Expunge { mailbox, uids }) {
            Done::Expunged(gone) => gone,
            other => unexpected(&other),
        }
    }

    pub(super) fn remove(&self, mailbox: MailboxId, uids: UidSet) -> UidSet {
        match self.run(Job::Remove { mailbox, uids }) {
            Done::Expunged(gone) => gone,
            other => unexpected(&other),
        }
    }

    pub(super) fn due(&self, limit: usize) -> (Vec<Attempt>, Option<Duration>) {
        match self.run(Job::Due { limit, per_domain: usize::MAX }) {
            Done::Due { attempts, wait } => (attempts, wait),
            other => unexpected(&other),
        }
    }

    pub(super) fn queue(&self) -> Vec<QueueEntry> {
        match self.run(Job::Admin(Admin::Queue)) {
            Done::Queue(queue) => queue,
            other => unexpected(&other),
        }
    }

    /// Counts the wakes of a watched mailbox while the guard lives.
    pub(super) fn watch(&self, mailbox: MailboxId) -> (Arc<AtomicUsize>, postkern_server::job::Guard) {
        let (count, wake) = counter();
        (count, self.backend.watch(mailbox, wake))
    }
}

/// A count, and what adds one to it.
pub(super) fn counter() -> (Arc<AtomicUsize>, Arc<dyn Fn() + Send + Sync>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let wake = move || {
        counted.fetch_add(1, Ordering::SeqCst);
    };
    (count, Arc::new(wake))
}

/// A message for nobody yet.
pub(super) fn commit(octets: &[u8]) -> Commit {
    Commit { reverse_path: "sender@else.example".into(), ..Commit::ours(Vec::new(), Vec::new(), in_hand(octets)) }
}

pub(super) fn local(to: &[AccountId]) -> Vec<Local> {
    to.iter().map(|account| Local::new(*account, format!("{}@home.example", account.0))).collect()
}

pub(super) fn in_hand(octets: &[u8]) -> Spool {
    Spool { tail: octets.to_vec(), file: None }
}

pub(super) fn name(name: &str) -> MailboxName {
    MailboxName::new(name).expect("the cases name mailboxes well")
}

pub(super) fn all() -> UidSet {
    UidSet::range(1, u32::MAX)
}

pub(super) fn one(uid: u32) -> UidSet {
    UidSet::range(uid, uid)
}

pub(super) fn change(action: FlagAction, flags: Flags, keywords: &[&str]) -> FlagChange {
    let keywords = keywords.iter().map(|keyword| (*keyword).to_owned()).collect();
    FlagChange { action, flags, keywords, unchanged_since: None }
}

/// A message of so many octets, every part of it unlike the next.
pub(super) fn message(octets: usize) -> Vec<u8> {
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

/// A job was answered with what it is not answered with.
pub(super) fn unexpected(done: &Done) -> ! {
    panic!("not what this job answers: {done:?}")
}

fn in_steps(read: impl Fn(Range<u64>) -> Vec<u8>) -> Vec<u8> {
    let mut octets = Vec::new();
    loop {
        let start = octets.len() as u64;
        let more = read(start..start + READ_MAX);
        octets.extend_from_slice(&more);
        if (more.len() as u64) < READ_MAX {
            return octets;
        }
    }
}
