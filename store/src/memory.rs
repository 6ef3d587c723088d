//! A backend in memory: for tests, for simulations, and as the model the others are held to.
//!
//! One lock over plain maps; each job checks first and changes then, so that a job that fails
//! has changed nothing. Nothing outlives the process.

mod greylist;
mod mailboxes;
mod messages;
mod queue;
mod state;

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use postkern_server::job::{Admin, Backend, Done, Failure, Guard, Job, MailboxId, Maildrop, Spool, SpoolFile};
use postkern_server::rates::Rates;

use self::state::State;
use crate::logins::Logins;
use crate::rules::{self, Clock};
use crate::scram;
use crate::tokens::Tokens;
use crate::watchers::{Effects, Maildrops, Wake, Watchers};

/// Octets that a message is told there is no room for.
const CAPACITY: u64 = 1 << 40;

/// See the module.
pub struct Memory {
    clock: Clock,
    state: Mutex<State>,
    watchers: Watchers,
    maildrops: Maildrops,
    logins: Logins,
    tokens: Tokens,
    /// What salts of nobody are made of: constant, since nothing here outlives a test.
    secret: [u8; 32],
    rates: Mutex<Rates>,
    full: AtomicBool,
}

impl Memory {
    /// An empty one, by the machine's clock.
    pub fn new() -> Self {
        Self::with_clock(rules::wall_clock())
    }

    /// An empty one, by another clock.
    pub fn with_clock(clock: Clock) -> Self {
        Self {
            clock,
            state: Mutex::default(),
            watchers: Watchers::default(),
            maildrops: Maildrops::default(),
            logins: Logins::default(),
            tokens: Tokens::default(),
            secret: [0; 32],
            rates: Mutex::default(),
            full: AtomicBool::new(false),
        }
    }

    /// Behaves as a full disk does, or no longer: what would add octets of messages is
    /// [`Failure::Full`].
    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    fn try_run(&self, job: Job) -> Result<Done, Failure> {
        match job {
            Job::Authenticate { login, password, scram: mut hashes } => {
                let found = self.state().verifier(&login);
                let verifier = found.as_ref().map(|(_, verifier)| verifier.as_str());
                let right = self.logins.verify(&password.0, verifier)?;
                let found = found.filter(|_| right);
                if let Some((account, verifier)) = &found {
                    hashes.retain(|&hash| self.state().scram(*account, hash).is_none());
                    let keys = scram::make(&password.0, &hashes)?;
                    self.state().set_scram(&login, verifier, keys)?;
                }
                Ok(Done::Authenticated(found.map(|(account, _)| account)))
            }
            Job::ScramKeys { login, hash } => {
                let found = {
                    let state = self.state();
                    state.account_named(&login).and_then(|account| Some((account, state.scram(account, hash)?)))
                };
                scram::answer(&self.secret, &login, hash, found)
            }
            Job::CheckToken { token, oauth } => {
                let login = self.tokens.login(&token.0, &oauth)?;
                let found = login.and_then(|login| {
                    let account = self.state().account_named(&login)?;
                    Some((account, rules::account_name(&login)))
                });
                Ok(Done::Identified(found))
            }
            Job::FirstAccount => Ok(Done::Accounts(self.state().first_account())),
            Job::Lookup { addresses } => Ok(Done::Found(self.state().lookup(&addresses))),
            Job::Count { act, limit, asked } => rules::count(&self.rates, act, limit, (self.clock)(), asked),
            Job::Created { accounts } => Ok(Done::Created(self.state().created(&accounts))),
            Job::Spool(spool) => self.spool(spool),
            Job::Room { octets } => match self.is_full() || octets > CAPACITY {
                true => Err(Failure::Full),
                false => Ok(Done::Nothing),
            },
            Job::OpenMaildrop { account } => {
                let lock = self.maildrops.take(account)?;
                let (mailbox, uid_validity, messages) = self.state().maildrop(account)?;
                Ok(Done::Maildrop(Maildrop { mailbox, uid_validity, messages, lock }))
            }
            Job::Mailboxes { account } => self.state().mailboxes(account).map(Done::Mailboxes),
            Job::Status { account, mailbox } => self.state().status(account, &mailbox).map(Done::Status),
            Job::Metas { mailbox, uids } => self.state().metas(mailbox, &uids).map(Done::Metas),
            Job::Fetch { mailbox, uids, digest, header } => {
                self.state().fetch(mailbox, &uids, digest, header).map(Done::Fetched)
            }
            Job::Read { mailbox, uid, range } => self.state().read(mailbox, uid, range).map(Done::Octets),
            Job::Search { mailbox, uids, program } => self.state().search(mailbox, &uids, &program),
            Job::ReadQueued { id, range } => self.state().read_queued(id, range).map(Done::Octets),
            Job::Admin(Admin::Accounts) => Ok(Done::Accounts(self.state().account_names())),
            Job::Admin(Admin::Queue) => Ok(Done::Queue(self.state().queue_entries())),
            job => self.change(job),
        }
    }

    /// Runs a job that changes something, and tells the watchers.
    fn change(&self, job: Job) -> Result<Done, Failure> {
        if self.is_full() && matches!(job, Job::Commit(_) | Job::Append(_)) {
            return Err(Failure::Full);
        }
        let now = (self.clock)();
        let mut effects = Effects::default();
        let done = self.state().change(job, now, &mut effects)?;
        self.watchers.wake(&effects);
        Ok(done)
    }

    fn spool(&self, mut spool: Spool) -> Result<Done, Failure> {
        if self.is_full() {
            return Err(Failure::Full);
        }
        let mut file = match spool.file.take() {
            Some(file) => own(file)?,
            None => Box::default(),
        };
        file.octets.append(&mut spool.tail);
        spool.file = Some(file);
        Ok(Done::Spooled(spool))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A job that panics is a bug of ours, but it must not end every session.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }
}

impl Backend for Memory {
    fn run(&self, job: Job) -> Done {
        self.try_run(job).unwrap_or_else(Done::Failed)
    }

    fn watch(&self, mailbox: MailboxId, wake: Wake) -> Guard {
        self.watchers.watch(mailbox, wake)
    }

    fn watch_queue(&self, wake: Wake) -> Guard {
        self.watchers.watch_queue(wake)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

/// What stands for a file here.
#[derive(Default)]
struct MemoryFile {
    octets: Vec<u8>,
}

impl SpoolFile for MemoryFile {
    fn size(&self) -> u64 {
        self.octets.len() as u64
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

impl fmt::Debug for MemoryFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryFile({})", self.octets.len())
    }
}

fn own(file: Box<dyn SpoolFile>) -> Result<Box<MemoryFile>, Failure> {
    file.into_any().downcast().map_err(|_| Failure::Broken("a spool file of another backend".into()))
}

/// The whole message behind `head`.
fn whole(mut head: Vec<u8>, message: Spool) -> Result<Arc<Vec<u8>>, Failure> {
    if let Some(file) = message.file {
        head.extend_from_slice(&own(file)?.octets);
    }
    head.extend_from_slice(&message.tail);
    Ok(Arc::new(head))
}
