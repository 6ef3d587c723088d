//! The backend over SQLite: one database in the data folder, large bodies as files beside it.
//!
//! One thread writes, committing together what has gathered; what only reads
//! runs on the caller's thread over one of a few connections, each job over one snapshot. A job
//! that changes something is answered once its commit has returned, with `synchronous=FULL`.
//!
//! # Known limits
//! - Other processes (the command line) may work on the same folder at the same time. What they
//!   change is there at once for every job, but wakes no watcher of this process: the queue's
//!   runner must ask for what is due every few seconds anyway, and sessions read changes when
//!   they are next asked for some.
//! - One process only may serve a folder: maildrop locks, watches and the release of the
//!   queue's leases are of a process.
//! - Removing an account, or copying a whole large mailbox, is one transaction, and other
//!   changes wait for it.

mod accounts;
mod due;
mod fault;
mod folder;
mod greylist;
mod mailboxes;
mod messages;
mod pool;
mod queue;
mod reading;
mod schema;
mod spool;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use postkern::sasl::Hash;
use postkern_server::job::{AccountId, Admin, Backend, Done, Failure, Guard, Job, MailboxId, Maildrop};
use postkern_server::rates::Rates;
use rusqlite::Connection;

pub use self::fault::OpenError;
use self::fault::Outcome;
use self::folder::Folder;
use self::pool::Pool;
pub use self::spool::INLINE_MAX;
use self::writer::{Shared, Writer};
use crate::logins::Logins;
use crate::rules::{self, Clock};
use crate::scram;
use crate::tokens::Tokens;
use crate::watchers::{Maildrops, Wake, Watchers};

/// See the module.
pub struct Sqlite {
    // Dropped in this order: the connection that writes is the last to close, and takes the
    // log in.
    pool: Pool,
    writer: Writer,
    shared: Arc<Shared>,
    maildrops: Maildrops,
    logins: Logins,
    tokens: Tokens,
    /// What salts of nobody are made of.
    secret: [u8; 32],
    rates: Mutex<Rates>,
}

impl Sqlite {
    /// Opens a data folder, for the command line beside a server that runs or not. Makes what
    /// is not there, and brings an older database up to date.
    ///
    /// # Errors
    /// As [`OpenError`] tells them.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        Self::open_with(folder, false, rules::wall_clock())
    }

    /// Opens a data folder to serve it: leases of an earlier process are over, so that what it
    /// was about to deliver is due at once.
    ///
    /// # Errors
    /// As [`OpenError`] tells them; [`OpenError::Serving`] if another process does so.
    pub fn open_serving(folder: &Path) -> Result<Self, OpenError> {
        Self::open_with(folder, true, rules::wall_clock())
    }

    /// As [`Self::open`] or, if `serving`, [`Self::open_serving`], by another clock.
    ///
    /// # Errors
    /// As they do.
    pub fn open_with(path: &Path, serving: bool, clock: Clock) -> Result<Self, OpenError> {
        let mut folder = Folder::open(path, serving)?;
        let mut db = pool::connect(&folder.database(), true)?;
        schema::migrate(&mut db)?;
        folder::sync(path).map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
        folder.tidy(&db)?;
        if serving {
            db.execute("UPDATE recipient SET lease = NULL, leads = 0 WHERE lease IS NOT NULL", [])?;
        }
        let secret = accounts::secret(&db)?;
        let pool = Pool::new(folder.database());
        let shared = Arc::new(Shared { folder, watchers: Watchers::default(), clock });
        let writer = Writer::start(db, shared.clone());
        let writer = writer.map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
        Ok(Self {
            pool,
            writer,
            shared,
            maildrops: Maildrops::default(),
            logins: Logins::default(),
            tokens: Tokens::default(),
            secret,
            rates: Mutex::default(),
        })
    }

    fn try_run(&self, job: Job) -> Outcome<Done> {
        match job {
            Job::Authenticate { login, password, scram } => {
                let found = self.pool.read(|db| accounts::verifier(db, &login))?;
                // Long and costly on purpose: on the caller's thread, with no connection held.
                let verifier = found.as_ref().map(|(_, verifier)| verifier.as_str());
                let right = self.logins.verify(&password.0, verifier)?;
                let found = found.filter(|_| right);
                if let Some((account, verifier)) = &found {
                    self.make_up_for_scram(*account, (&login, verifier), &password.0, scram);
                }
                Ok(Done::Authenticated(found.map(|(account, _)| account)))
            }
            Job::ScramKeys { login, hash } => {
                let found = self.pool.read(|db| accounts::scram(db, &login, hash))?;
                Ok(scram::answer(&self.secret, &login, hash, found)?)
            }
            Job::CheckToken { token, oauth } => {
                let Some(login) = self.tokens.login(&token.0, &oauth)? else { return Ok(Done::Identified(None)) };
                let account = self.pool.read(|db| accounts::named(db, &login))?;
                Ok(Done::Identified(account.map(|account| (account, rules::account_name(&login)))))
            }
            Job::FirstAccount => self.pool.read(accounts::first).map(Done::Accounts),
            Job::Lookup { addresses } => self.pool.read(|db| accounts::lookup(db, &addresses)).map(Done::Found),
            Job::Count { act, limit, asked } => {
                Ok(rules::count(&self.rates, act, limit, (self.shared.clock)(), asked)?)
            }
            Job::Greylist(question) => {
                // Whom we know costs no commit.
                let now = (self.shared.clock)();
                let verdict = self.pool.read(|db| greylist::judge(db, &question, now))?;
                let wait = match verdict.keep {
                    Some(_) => self.writer.call(move |change| greylist::ask(change, &question))?,
                    None => verdict.wait,
                };
                Ok(Done::Greylisted(wait))
            }
            Job::Created { accounts } => self.pool.read(|db| accounts::created(db, &accounts)).map(Done::Created),
            Job::Spool(spool) => spool::put_away(&self.shared.folder, spool).map(Done::Spooled),
            Job::Room { octets } => self.shared.folder.check_room(octets).map(|()| Done::Nothing),
            Job::OpenMaildrop { account } => {
                let lock = self.maildrops.take(account)?;
                let (mailbox, uid_validity, messages) = self.pool.read(|db| reading::maildrop(db, account))?;
                Ok(Done::Maildrop(Maildrop { mailbox, uid_validity, messages, lock }))
            }
            Job::Commit(_) | Job::Append(_) | Job::Due { .. } | Job::Flush { .. } | Job::Report(_) => self.pass(job),
            Job::Admin(admin) => self.administer(admin),
            Job::Mailboxes { account } => self.pool.read(|db| mailboxes::list(db, account)).map(Done::Mailboxes),
            Job::Status { account, mailbox } => {
                self.pool.read(|db| mailboxes::status(db, account, &mailbox)).map(Done::Status)
            }
            Job::Select { account, mailbox, read_only } => {
                let mut selected = self.pool.read(|db| mailboxes::select(db, account, &mailbox))?;
                let (id, next) = (selected.mailbox, selected.status.uid_next);
                self.claim(id, read_only, next, &mut selected.recent_from)?;
                Ok(Done::Selected(Box::new(selected)))
            }
            Job::Changes { mailbox, since, read_only } => {
                let mut changes = self.pool.read(|db| mailboxes::changes(db, mailbox, since))?;
                let next = changes.uid_next;
                self.claim(mailbox, read_only, next, &mut changes.recent_from)?;
                Ok(Done::Changes(Box::new(changes)))
            }
            Job::Metas { mailbox, uids } => self.pool.read(|db| reading::metas(db, mailbox, &uids)).map(Done::Metas),
            Job::Fetch { mailbox, uids, digest, header } => {
                let want = reading::Want { digest, header };
                let fetch = |db: &Connection| reading::fetch(db, &self.shared.folder, mailbox, &uids, want);
                let (fetched, made) = match digest || header {
                    true => self.pool.read_long(fetch)?,
                    false => self.pool.read(fetch)?,
                };
                if !made.is_empty() {
                    self.writer.offer(move |change| reading::keep_digests(change, mailbox, &made));
                }
                Ok(Done::Fetched(fetched))
            }
            Job::Read { mailbox, uid, range } => {
                let source = self.pool.read(|db| reading::message(db, mailbox, uid))?;
                source.cut(&self.shared.folder, range).map(Done::Octets)
            }
            Job::ReadQueued { id, range } => {
                let source = self.pool.read(|db| reading::queued(db, id))?;
                source.cut(&self.shared.folder, range).map(Done::Octets)
            }
            Job::Search { mailbox, uids, program } => {
                let candidates = self.pool.read_long(|db| reading::candidates(db, mailbox, &uids, &program))?;
                // Read from files, decoded and judged with no connection held.
                let (found, to) = candidates.judge(&self.shared.folder, &program)?;
                Ok(Done::Matches { found, to })
            }
            Job::Create { account, mailbox, special_use } => {
                self.nothing(move |change| mailboxes::create(change, account, &mailbox, special_use))
            }
            Job::Delete { account, mailbox } => {
                self.nothing(move |change| mailboxes::delete(change, account, &mailbox))
            }
            Job::Rename { account, from, to } => {
                self.nothing(move |change| mailboxes::rename(change, account, &from, &to))
            }
            Job::Subscribe { account, mailbox, on } => {
                self.nothing(move |change| mailboxes::subscribe(change.db, account, &mailbox, on))
            }
            Job::Store { mailbox, uids, change: how } => {
                self.writer.call(move |change| messages::store(change, mailbox, &uids, &how)).map(Done::Stored)
            }
            Job::Copy { mailbox, uids, account, to, remove } => self
                .writer
                .call(move |change| messages::copy(change, mailbox, &uids, account, &to, remove))
                .map(Done::Copied),
            Job::Expunge { mailbox, uids } => self
                .writer
                .call(move |change| messages::expunge(change, mailbox, uids.as_ref(), true))
                .map(Done::Expunged),
            Job::Remove { mailbox, uids } => self
                .writer
                .call(move |change| messages::expunge(change, mailbox, Some(&uids), false))
                .map(Done::Expunged),
        }
    }

    /// Jobs of messages on their way.
    fn pass(&self, job: Job) -> Outcome<Done> {
        let folder = &self.shared.folder;
        match job {
            Job::Commit(mut commit) => {
                let message = spool::Incoming::take(folder, std::mem::take(&mut commit.message))?;
                self.writer.call(move |change| queue::commit(change, *commit, message)).map(Done::Committed)
            }
            Job::Append(mut append) => {
                let message = spool::Incoming::take(folder, std::mem::take(&mut append.message))?;
                self.writer.call(move |change| messages::append(change, *append, message)).map(Done::Appended)
            }
            Job::Due { limit, per_domain } => {
                // Mostly nothing is due, and nothing need be written.
                let now = (self.shared.clock)();
                let wait = self.pool.read(|db| due::wait(db, now, i64::MIN))?;
                if wait.is_none_or(|wait| !wait.is_zero()) {
                    return Ok(Done::Due { attempts: Vec::new(), wait });
                }
                self.writer.call(move |change| due::due(change, limit, per_domain))
            }
            Job::Flush { domain, subdomains } => {
                self.writer.call(move |change| due::flush(change, &domain, subdomains)).map(Done::Flushed)
            }
            Job::Report(report) => self.nothing(move |change| queue::report(change, &report)),
            other => Err(Failure::Broken(format!("no job of this kind: {other:?}")).into()),
        }
    }

    /// Keeps of a password that was right what is not kept of it yet. That it cannot be is no
    /// reason to refuse the login.
    fn make_up_for_scram(
        &self,
        account: AccountId,
        (login, verifier): (&str, &str),
        password: &[u8],
        mut hashes: Vec<Hash>,
    ) {
        let mut kept = || -> Outcome<()> {
            let kept = self.pool.read(|db| accounts::scram_hashes(db, account))?;
            hashes.retain(|hash| !kept.contains(hash));
            let keys = scram::make(password, &hashes)?;
            if keys.is_empty() {
                return Ok(());
            }
            let (login, verifier) = (login.to_owned(), verifier.to_owned());
            self.writer.call(move |change| accounts::set_scram(change.db, &login, &verifier, &keys))
        };
        if let Err(fault) = kept() {
            tracing::warn!(failure = ?Failure::from(fault), "nothing is kept of a password for SCRAM");
        }
    }

    fn administer(&self, admin: Admin) -> Outcome<Done> {
        match admin {
            Admin::AddAccount { name, verifier } => {
                self.writer.call(move |change| accounts::add(change, &name, &verifier)).map(Done::Account)
            }
            Admin::SetVerifier { name, verifier } => {
                self.nothing(move |change| accounts::set_verifier(change.db, &name, &verifier))
            }
            Admin::SetScram { name, verifier, keys } => {
                self.nothing(move |change| accounts::set_scram(change.db, &name, &verifier, &keys))
            }
            Admin::RemoveAccount { name } => self.nothing(move |change| accounts::remove(change, &name)),
            Admin::Accounts => self.pool.read(accounts::names).map(Done::Accounts),
            Admin::Queue => self.pool.read(queue::entries).map(Done::Queue),
            Admin::QueueRetry(id) => self.nothing(move |change| queue::retry(change, id)),
            Admin::QueueRemove(id) => self.nothing(move |change| queue::remove(change.db, id)),
        }
    }

    /// Makes what is new \Recent for this session and for no other: UIDs from `recent_from` up
    /// to `next`, unless another session was quicker with some of them.
    fn claim(&self, mailbox: MailboxId, read_only: bool, next: u32, recent_from: &mut u32) -> Outcome<()> {
        if !read_only && *recent_from < next {
            *recent_from = self.writer.call(move |change| mailboxes::claim(change.db, mailbox, next))?;
        }
        Ok(())
    }

    fn nothing(&self, work: impl FnOnce(&mut writer::Change<'_>) -> Outcome<()> + Send + 'static) -> Outcome<Done> {
        self.writer.call(work).map(|()| Done::Nothing)
    }
}

impl Backend for Sqlite {
    fn run(&self, job: Job) -> Done {
        self.try_run(job).unwrap_or_else(|fault| Done::Failed(fault.into()))
    }

    /// `wake` runs on the thread that writes: it must be short, and must not run a job itself.
    fn watch(&self, mailbox: MailboxId, wake: Wake) -> Guard {
        self.shared.watchers.watch(mailbox, wake)
    }

    /// As for [`Self::watch`].
    fn watch_queue(&self, wake: Wake) -> Guard {
        self.shared.watchers.watch_queue(wake)
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("folder", &self.shared.folder).finish_non_exhaustive()
    }
}
