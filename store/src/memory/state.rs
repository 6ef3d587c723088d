//! The maps, accounts, and the jobs that change something.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use postkern::sasl::{Hash, Keys};
use postkern_server::digest::Digest;
use postkern_server::job::{AccountId, Admin, Done, Failure, Job, MailboxId, QueueId, Timestamp};
use postkern_server::mailbox::{Flags, MailboxName, Meta, SpecialUse};

use super::greylist::Greylist;
use super::queue::Queued;
use crate::rules;
use crate::watchers::Effects;

/// All there is.
#[derive(Default)]
pub(super) struct State {
    pub(super) accounts: BTreeMap<AccountId, Account>,
    pub(super) names: BTreeMap<String, AccountId>,
    pub(super) mailboxes: HashMap<MailboxId, Mailbox>,
    pub(super) queue: BTreeMap<QueueId, Queued>,
    greylist: Greylist,
    last: Counters,
}

/// The numbers given last; none is given twice.
#[derive(Default)]
struct Counters {
    account: i64,
    mailbox: i64,
    uid_validity: u32,
    queue: i64,
}

pub(super) struct Account {
    verifier: String,
    scram: BTreeMap<Hash, Keys>,
    created: Timestamp,
    pub(super) mailboxes: BTreeMap<MailboxName, MailboxId>,
    pub(super) subscribed: BTreeSet<MailboxName>,
}

pub(super) struct Mailbox {
    pub(super) special_use: Option<SpecialUse>,
    pub(super) uid_validity: u32,
    pub(super) uid_next: u32,
    /// Of the last change; 1 before the first.
    pub(super) modseq: u64,
    /// UIDs from here on have been shown to no session as \Recent.
    pub(super) recent_from: u32,
    pub(super) keywords: Vec<String>,
    pub(super) messages: BTreeMap<u32, Message>,
    /// Modification sequence and UID of what was expunged, oldest first.
    pub(super) tombstones: VecDeque<(u64, u32)>,
    /// The highest modification sequence of a tombstone that was dropped.
    pub(super) forgotten: u64,
}

#[derive(Clone)]
pub(super) struct Message {
    pub(super) flags: Flags,
    pub(super) internal_date: Timestamp,
    pub(super) modseq: u64,
    /// What final delivery put in front of the body.
    pub(super) prefix: Arc<Vec<u8>>,
    pub(super) body: Arc<Vec<u8>>,
    /// And the octets it would take.
    pub(super) digest: Option<(Arc<Digest>, usize)>,
}

impl State {
    /// Runs a job that changes something.
    pub(super) fn change(&mut self, job: Job, now: Timestamp, effects: &mut Effects) -> Result<Done, Failure> {
        match job {
            Job::Commit(commit) => self.commit(*commit, now, effects).map(Done::Committed),
            Job::Append(append) => self.append(*append, now, effects).map(Done::Appended),
            Job::Create { account, mailbox, special_use } => nothing(self.create(account, &mailbox, special_use)),
            Job::Delete { account, mailbox } => nothing(self.delete(account, &mailbox, effects)),
            Job::Rename { account, from, to } => nothing(self.rename(account, &from, &to, effects)),
            Job::Subscribe { account, mailbox, on } => nothing(self.subscribe(account, mailbox, on)),
            Job::Select { account, mailbox, read_only } => {
                self.select(account, &mailbox, read_only).map(|selected| Done::Selected(Box::new(selected)))
            }
            Job::Changes { mailbox, since, read_only } => {
                self.changes(mailbox, since, read_only).map(|changes| Done::Changes(Box::new(changes)))
            }
            Job::Store { mailbox, uids, change } => self.store(mailbox, &uids, &change, effects).map(Done::Stored),
            Job::Copy { mailbox, uids, account, to, remove } => {
                self.copy(mailbox, &uids, account, &to, remove, effects).map(Done::Copied)
            }
            Job::Expunge { mailbox, uids } => self.expunge(mailbox, uids.as_ref(), effects).map(Done::Expunged),
            Job::Remove { mailbox, uids } => self.remove(mailbox, &uids, effects).map(Done::Expunged),
            Job::Greylist(question) => Ok(Done::Greylisted(self.greylist.ask(*question, now))),
            Job::Due { limit, per_domain } => Ok(self.due(limit, per_domain, now)),
            Job::Flush { domain, subdomains } => Ok(Done::Flushed(self.flush(&domain, subdomains, now, effects))),
            Job::Report(report) => {
                self.report(&report, now, effects);
                Ok(Done::Nothing)
            }
            Job::Admin(admin) => self.administer(admin, now, effects),
            Job::Authenticate { .. }
            | Job::ScramKeys { .. }
            | Job::CheckToken { .. }
            | Job::Lookup { .. }
            | Job::FirstAccount
            | Job::Count { .. }
            | Job::Created { .. }
            | Job::Spool(_)
            | Job::Mailboxes { .. }
            | Job::Status { .. }
            | Job::OpenMaildrop { .. }
            | Job::Metas { .. }
            | Job::Fetch { .. }
            | Job::Read { .. }
            | Job::Search { .. }
            | Job::Room { .. }
            | Job::ReadQueued { .. } => unreachable!("run without changing anything"),
        }
    }

    fn administer(&mut self, admin: Admin, now: Timestamp, effects: &mut Effects) -> Result<Done, Failure> {
        match admin {
            Admin::AddAccount { name, verifier } => self.add_account(&name, verifier, now).map(Done::Account),
            Admin::SetVerifier { name, verifier } => {
                let account = self.account_named(&name).ok_or(Failure::NoSuchAccount)?;
                let account = self.account(account)?;
                account.verifier = verifier;
                account.scram.clear();
                Ok(Done::Nothing)
            }
            Admin::SetScram { name, verifier, keys } => nothing(self.set_scram(&name, &verifier, keys)),
            Admin::RemoveAccount { name } => nothing(self.remove_account(&name, effects)),
            Admin::Accounts => Ok(Done::Accounts(self.account_names())),
            Admin::Queue => Ok(Done::Queue(self.queue_entries())),
            Admin::QueueRetry(id) => nothing(self.retry(id, now, effects)),
            Admin::QueueRemove(id) => nothing(self.queue.remove(&id).map(drop).ok_or(Failure::NoSuchMessage)),
        }
    }

    fn add_account(&mut self, name: &str, verifier: String, now: Timestamp) -> Result<AccountId, Failure> {
        let name = rules::account_name(name);
        if self.names.contains_key(&name) {
            return Err(Failure::Exists);
        }
        self.last.account += 1;
        let id = AccountId(self.last.account);
        self.names.insert(name, id);
        self.accounts.insert(
            id,
            Account {
                verifier,
                scram: BTreeMap::new(),
                created: now,
                mailboxes: BTreeMap::new(),
                subscribed: BTreeSet::new(),
            },
        );
        let others = rules::FIRST_MAILBOXES.map(|(name, special_use)| (name, Some(special_use)));
        for (name, special_use) in [("INBOX", None)].into_iter().chain(others) {
            let name = MailboxName::new(name).map_err(Failure::Cannot)?;
            self.create(id, &name, special_use)?;
            self.subscribe(id, name, true)?;
        }
        Ok(id)
    }

    fn remove_account(&mut self, name: &str, effects: &mut Effects) -> Result<(), Failure> {
        let id = self.names.remove(&rules::account_name(name)).ok_or(Failure::NoSuchAccount)?;
        let account = self.accounts.remove(&id).ok_or(Failure::NoSuchAccount)?;
        for mailbox in account.mailboxes.into_values() {
            self.mailboxes.remove(&mailbox);
            effects.mailboxes.insert(mailbox);
        }
        Ok(())
    }

    pub(super) fn next_mailbox(&mut self) -> Result<(MailboxId, u32), Failure> {
        let used_up = Failure::Cannot("no UIDVALIDITY is left");
        self.last.uid_validity = self.last.uid_validity.checked_add(1).ok_or(used_up)?;
        self.last.mailbox += 1;
        Ok((MailboxId(self.last.mailbox), self.last.uid_validity))
    }

    pub(super) fn next_queue(&mut self) -> QueueId {
        self.last.queue += 1;
        QueueId(self.last.queue)
    }

    pub(super) fn account(&mut self, id: AccountId) -> Result<&mut Account, Failure> {
        self.accounts.get_mut(&id).ok_or(Failure::NoSuchAccount)
    }

    pub(super) fn account_named(&self, name: &str) -> Option<AccountId> {
        self.names.get(&rules::account_name(name)).copied()
    }

    pub(super) fn first_account(&self) -> Vec<String> {
        self.names.keys().next().cloned().into_iter().collect()
    }

    pub(super) fn account_names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    pub(super) fn verifier(&self, login: &str) -> Option<(AccountId, String)> {
        let id = self.account_named(login)?;
        self.accounts.get(&id).map(|account| (id, account.verifier.clone()))
    }

    pub(super) fn scram(&self, account: AccountId, hash: Hash) -> Option<Keys> {
        self.accounts.get(&account)?.scram.get(&hash).cloned()
    }

    /// Keeps keys of a password, if it is still that of `verifier`.
    pub(super) fn set_scram(&mut self, name: &str, verifier: &str, keys: Vec<Keys>) -> Result<(), Failure> {
        let account = self.account_named(name).ok_or(Failure::NoSuchAccount)?;
        let account = self.account(account)?;
        if account.verifier == verifier {
            account.scram.extend(keys.into_iter().map(|keys| (keys.hash(), keys)));
        }
        Ok(())
    }

    pub(super) fn lookup(&self, addresses: &[String]) -> Vec<Option<AccountId>> {
        addresses.iter().map(|address| self.account_named(address)).collect()
    }

    pub(super) fn created(&self, accounts: &[AccountId]) -> Vec<Timestamp> {
        let created = |account| self.accounts.get(account).map(|account| account.created).unwrap_or_default();
        accounts.iter().map(created).collect()
    }

    /// The mailbox of this name.
    pub(super) fn find(&self, account: AccountId, name: &MailboxName) -> Result<MailboxId, Failure> {
        let mailboxes = self.accounts.get(&account).map(|account| &account.mailboxes);
        mailboxes.and_then(|mailboxes| mailboxes.get(name)).copied().ok_or(Failure::NoSuchMailbox)
    }

    pub(super) fn mailbox(&self, id: MailboxId) -> Result<&Mailbox, Failure> {
        self.mailboxes.get(&id).ok_or(Failure::NoSuchMailbox)
    }

    pub(super) fn mailbox_mut(&mut self, id: MailboxId) -> Result<&mut Mailbox, Failure> {
        self.mailboxes.get_mut(&id).ok_or(Failure::NoSuchMailbox)
    }
}

impl Mailbox {
    pub(super) fn new(uid_validity: u32, special_use: Option<SpecialUse>) -> Self {
        Self {
            special_use,
            uid_validity,
            uid_next: 1,
            modseq: 1,
            recent_from: 1,
            keywords: Vec::new(),
            messages: BTreeMap::new(),
            tombstones: VecDeque::new(),
            forgotten: 0,
        }
    }

    /// Adds a message as a change of its own. [`rules::uid_after`] must have been asked.
    pub(super) fn add(&mut self, message: Message) -> u32 {
        self.modseq += 1;
        self.add_in_change(message)
    }

    /// Adds a message in the change that has just begun.
    pub(super) fn add_in_change(&mut self, mut message: Message) -> u32 {
        let uid = self.uid_next;
        message.modseq = self.modseq;
        self.messages.insert(uid, message);
        self.uid_next += 1;
        uid
    }

    /// Takes messages out, all in one change.
    pub(super) fn take(&mut self, uids: &[u32]) {
        if uids.is_empty() {
            return;
        }
        self.modseq += 1;
        for uid in uids {
            self.messages.remove(uid);
            self.tombstones.push_back((self.modseq, *uid));
        }
        while self.tombstones.len() > rules::TOMBSTONES_MAX {
            self.forgotten = self.tombstones.pop_front().map_or(self.forgotten, |(modseq, _)| modseq);
        }
    }
}

impl Message {
    pub(super) fn size(&self) -> u64 {
        (self.prefix.len() + self.body.len()) as u64
    }

    pub(super) fn meta(&self, uid: u32) -> Meta {
        let Self { flags, internal_date, modseq, .. } = *self;
        Meta { uid, flags, size: self.size(), internal_date, modseq }
    }
}

fn nothing(done: Result<(), Failure>) -> Result<Done, Failure> {
    done.map(|()| Done::Nothing)
}
