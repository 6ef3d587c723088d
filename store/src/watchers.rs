//! Who wants to know of changes, and who has a maildrop to himself. All within this process.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use postkern_server::job::{AccountId, Failure, Guard, MailboxId};

/// What a watcher is called through.
pub(crate) type Wake = Arc<dyn Fn() + Send + Sync>;

/// What jobs have changed, to be told once it is on stable storage.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Mailboxes that are not what they were.
    pub(crate) mailboxes: HashSet<MailboxId>,
    /// Something waits in the queue.
    pub(crate) queue: bool,
}

impl Effects {
    /// These and those.
    pub(crate) fn merge(&mut self, other: Self) {
        self.mailboxes.extend(other.mailboxes);
        self.queue |= other.queue;
    }
}

/// Wakers by what they watch.
#[derive(Default)]
pub(crate) struct Watchers(Arc<Mutex<Registry>>);

#[derive(Default)]
struct Registry {
    next: u64,
    mailboxes: HashMap<MailboxId, HashMap<u64, Wake>>,
    queue: HashMap<u64, Wake>,
}

impl Watchers {
    /// Calls `wake` for each change to the mailbox until the guard is dropped.
    pub(crate) fn watch(&self, mailbox: MailboxId, wake: Wake) -> Guard {
        let mut registry = lock(&self.0);
        let key = registry.key();
        registry.mailboxes.entry(mailbox).or_default().insert(key, wake);
        Guard(Box::new(Watch { registry: self.0.clone(), mailbox: Some(mailbox), key }))
    }

    /// Calls `wake` when something was put into the queue, until the guard is dropped.
    pub(crate) fn watch_queue(&self, wake: Wake) -> Guard {
        let mut registry = lock(&self.0);
        let key = registry.key();
        registry.queue.insert(key, wake);
        Guard(Box::new(Watch { registry: self.0.clone(), mailbox: None, key }))
    }

    /// Tells those whom it concerns. They are called without a lock held, so that they may
    /// watch, or stop to.
    pub(crate) fn wake(&self, effects: &Effects) {
        let mut wakes = Vec::new();
        {
            let registry = lock(&self.0);
            for mailbox in &effects.mailboxes {
                wakes.extend(registry.mailboxes.get(mailbox).into_iter().flat_map(HashMap::values).cloned());
            }
            if effects.queue {
                wakes.extend(registry.queue.values().cloned());
            }
        }
        for wake in wakes {
            wake();
        }
    }
}

impl fmt::Debug for Watchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watchers")
    }
}

impl Registry {
    fn key(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// Takes the waker out again.
struct Watch {
    registry: Arc<Mutex<Registry>>,
    mailbox: Option<MailboxId>,
    key: u64,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut registry = lock(&self.registry);
        let Some(mailbox) = self.mailbox else {
            registry.queue.remove(&self.key);
            return;
        };
        if let Some(wakes) = registry.mailboxes.get_mut(&mailbox) {
            wakes.remove(&self.key);
            if wakes.is_empty() {
                registry.mailboxes.remove(&mailbox);
            }
        }
    }
}

/// Maildrops that a POP3 session has to itself (RFC 1939 section 4).
///
/// # Known limits
/// Known to this process only, which is why one process alone may serve a data folder.
#[derive(Debug, Default)]
pub(crate) struct Maildrops(Arc<Mutex<HashSet<AccountId>>>);

impl Maildrops {
    /// Takes it until the guard is dropped.
    ///
    /// # Errors
    /// Another session has it.
    pub(crate) fn take(&self, account: AccountId) -> Result<Guard, Failure> {
        if !lock(&self.0).insert(account) {
            return Err(Failure::InUse);
        }
        Ok(Guard(Box::new(Taken { of: self.0.clone(), account })))
    }
}

struct Taken {
    of: Arc<Mutex<HashSet<AccountId>>>,
    account: AccountId,
}

impl Drop for Taken {
    fn drop(&mut self) {
        lock(&self.of).remove(&self.account);
    }
}

/// No panic leaves these half-changed, so what a panicking thread had locked is still good.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
