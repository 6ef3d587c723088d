//! The store behind a service.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use postkern_server::job::{AccountId, Admin, Append, Backend, Done, Guard, Job, MailboxId, Spool, Timestamp};
use postkern_server::mailbox::{Flags, MailboxName};
use postkern_server::trace::{Added, Trace};
use postkern_store::memory::Memory;

use super::EPOCH;
use crate::transcript::shown;

/// The store, with passwords that cost nothing to check, and a record of what was committed.
pub(super) struct Mailroom {
    pub(super) store: Memory,
    pub(super) passwords: Vec<(String, String)>,
    /// Notes how messages came.
    pub(super) traces: bool,
    pub(super) tokens: Vec<(String, String)>,
    pub(super) log: Mutex<Vec<String>>,
}

impl Mailroom {
    /// By a clock of seconds.
    pub(super) fn new(clock: &Arc<AtomicI64>) -> Self {
        let clock = Arc::clone(clock);
        let store = Memory::with_clock(Arc::new(move || Timestamp(EPOCH + clock.load(Ordering::Relaxed))));
        Self { store, passwords: Vec::new(), tokens: Vec::new(), traces: false, log: Mutex::default() }
    }

    pub(super) fn account(&mut self, name: &str, password: &str) {
        self.store.run(Job::Admin(Admin::AddAccount { name: name.into(), verifier: String::new() }));
        self.passwords.push((name.into(), password.into()));
    }

    pub(super) fn id(&self, name: &str) -> Result<AccountId, String> {
        match self.store.run(Job::Lookup { addresses: vec![name.into()] }) {
            Done::Found(found) => found.first().copied().flatten().ok_or(format!("no account {name}")),
            other => Err(format!("{other:?}")),
        }
    }

    pub(super) fn append(&self, name: &str, octets: &[u8]) -> Result<(), String> {
        let append = Append {
            account: self.id(name)?,
            mailbox: MailboxName::inbox(),
            flags: Flags::default(),
            keywords: Vec::new(),
            internal_date: None,
            message: Spool { tail: octets.to_vec(), file: None },
        };
        match self.store.run(Job::Append(Box::new(append))) {
            Done::Appended(_) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }

    pub(super) fn inbox(&self, name: &str) -> Result<MailboxId, String> {
        let select = Job::Select { account: self.id(name)?, mailbox: MailboxName::inbox(), read_only: true };
        match self.store.run(select) {
            Done::Selected(selected) => Ok(selected.mailbox),
            other => Err(format!("{other:?}")),
        }
    }
}

impl Backend for Mailroom {
    fn run(&self, job: Job) -> Done {
        match &job {
            Job::Authenticate { login, password, .. } => {
                let known = self.passwords.iter().any(|(name, is)| name == login && is.as_bytes() == password.0);
                let id = known.then(|| self.id(login).ok()).flatten();
                return Done::Authenticated(id);
            }
            Job::ScramKeys { login, hash } => {
                let found = self.passwords.iter().find(|(name, _)| name == login);
                let found = found.and_then(|(name, password)| Some((self.id(name).ok()?, password.as_str())));
                return super::login::scram_keys(*hash, found);
            }
            Job::CheckToken { token, .. } => {
                let found = self.tokens.iter().find(|(known, _)| known.as_bytes() == token.0);
                return Done::Identified(found.and_then(|(_, name)| Some((self.id(name).ok()?, name.clone()))));
            }
            Job::Commit(commit) => {
                let remote: Vec<&str> = commit.remote.iter().map(|remote| remote.address.as_str()).collect();
                let local: Vec<&str> = commit.local.iter().map(|local| local.recipient.as_str()).collect();
                let entry = format!(
                    "commit <{}> [{}] [{}] {}",
                    commit.reverse_path,
                    local.join(" "),
                    remote.join(" "),
                    shown(&commit.message.tail)
                );
                let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
                log.extend(commit.trace.as_ref().and_then(|trace| added(&trace.added)));
                log.extend(commit.trace.as_ref().filter(|_| self.traces).map(came));
                log.extend((self.traces && commit.terms.smtp_utf8).then(|| "SMTPUTF8".into()));
                log.push(entry);
            }
            _ => {}
        }
        self.store.run(job)
    }

    fn watch(&self, mailbox: MailboxId, wake: Arc<dyn Fn() + Send + Sync>) -> Guard {
        self.store.watch(mailbox, wake)
    }

    fn watch_queue(&self, wake: Arc<dyn Fn() + Send + Sync>) -> Guard {
        self.store.watch_queue(wake)
    }
}

/// How a message came, as an entry of the log.
fn came(trace: &Trace) -> String {
    let peer = trace.peer.map(|peer| peer.to_string()).unwrap_or_default();
    format!("with {} {peer} {}", trace.with, trace.hello)
}

/// Fields that stand in front of a message, as an entry of the log.
fn added(added: &Added) -> Option<String> {
    let Added { date, message_id, fields } = added;
    let words = [(*date, "Date"), (*message_id, "Message-ID")].into_iter().filter(|(is, _)| *is).map(|(_, word)| word);
    let fields = Some(shown(fields)).filter(|fields| !fields.is_empty());
    let all: Vec<String> = fields.into_iter().chain(words.map(String::from)).collect();
    (!all.is_empty()).then(|| format!("added {}", all.join(" ")))
}
