//! Blocking work as data: what a session asks of the world, and what comes back.
//!
//! A [`Job`] is the only way out of a session, a [`Done`] the only way back. A [`Backend`]
//! runs jobs: on the connection's own thread, on a pool, or in a simulation. Jobs that change
//! something are done when their `Done` says so: what they wrote is on stable storage.

mod commit;
mod done;

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use postkern::sasl::{Hash, Keys};

pub use self::commit::{Commit, Local, Reporter};
pub use self::done::{
    Appended, Changes, Committed, Copied, Done, Failure, Fetched, Guard, MailboxInfo, MailboxStatus, Maildrop,
    ScramKeys, Selected, Stored,
};
use crate::config::Oauth;
use crate::greylist::Question;
use crate::mailbox::{Flags, MailboxName, SpecialUse, UidSet};
use crate::queue::{Attempt, Outcome, Schedule};
use crate::rates::Act;
use crate::search::Program;

/// An account, for as long as the store lives; never reused.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AccountId(pub i64);

/// A mailbox, for as long as the store lives; never reused, and kept when it is renamed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MailboxId(pub i64);

/// A message in the queue, one number for all its recipients; shown as the queue id.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct QueueId(pub i64);

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Seconds since 1970-01-01T00:00:00Z, of the wall clock.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// So many seconds later.
    #[must_use]
    pub const fn after(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}

/// Octets that must reach no log and no reply.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(pub Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Work that may block. Carried out whole or not at all.
#[derive(Debug)]
pub enum Job {
    /// Check a password. [`Done::Authenticated`], with none for an unknown account as for a
    /// wrong password, after the same work; or `Busy`.
    Authenticate {
        /// The account's address, as the client gave it.
        login: String,
        /// The password, as the client gave it.
        password: Secret,
        /// If it is right and nothing is kept of it for SCRAM by these hashes yet, that is made
        /// up for: so it is with accounts that are older than SCRAM here.
        scram: Vec<Hash>,
    },
    /// What is kept of an account's password for SCRAM, and a nonce. [`Done::ScramKeys`], for a
    /// login without any with such as cannot be told from others.
    ScramKeys {
        /// The account's address, as the client gave it.
        login: String,
        /// By which hash.
        hash: Hash,
    },
    /// Whose a token is. [`Done::Identified`].
    CheckToken {
        /// The token, as the client gave it.
        token: Secret,
        /// Who must have issued it, for whom.
        oauth: Arc<Oauth>,
    },
    /// Which of these local addresses are accounts. [`Done::Found`], in the same order.
    Lookup {
        /// Addresses in any case.
        addresses: Vec<String>,
    },
    /// The first account by its name, which is the postmaster where nobody else is.
    /// [`Done::Accounts`], of one or none.
    FirstAccount,
    /// Count what somebody does, or only ask. Kept in memory: it is brief and never blocks.
    /// [`Done::Nothing`], or `Busy` if that is over the limit.
    Count {
        /// What, and who.
        act: Act,
        /// How often in [`Act::period`]; zero for no limit.
        limit: u32,
        /// Do not count it.
        asked: bool,
    },
    /// Whether a stranger's message may come in already. [`Done::Greylisted`].
    Greylist(Box<Question>),
    /// When accounts were made. [`Done::Created`], in the same order.
    Created {
        /// Which.
        accounts: Vec<AccountId>,
    },
    /// Append the octets in hand to the message's file. [`Done::Spooled`].
    Spool(Spool),
    /// Accept a message: deliver it locally and queue it for elsewhere, in one transaction.
    /// [`Done::Committed`].
    Commit(Box<Commit>),
    /// Put a message into a mailbox. [`Done::Appended`].
    Append(Box<Append>),
    /// The account's mailboxes. [`Done::Mailboxes`].
    Mailboxes {
        /// Whose.
        account: AccountId,
    },
    /// What STATUS tells. [`Done::Status`].
    Status {
        /// Whose.
        account: AccountId,
        /// Which.
        mailbox: MailboxName,
    },
    /// Create a mailbox, its parents included. [`Done::Nothing`], or `Exists`, `Cannot`.
    Create {
        /// Whose.
        account: AccountId,
        /// Which.
        mailbox: MailboxName,
        /// RFC 6154.
        special_use: Option<SpecialUse>,
    },
    /// Delete a mailbox. [`Done::Nothing`], or `NoSuchMailbox`, `Cannot`.
    Delete {
        /// Whose.
        account: AccountId,
        /// Which.
        mailbox: MailboxName,
    },
    /// Rename a mailbox with all below it; INBOX instead gives its messages to a new mailbox
    /// (RFC 3501 section 6.3.5). [`Done::Nothing`], or `NoSuchMailbox`, `Exists`, `Cannot`.
    Rename {
        /// Whose.
        account: AccountId,
        /// From.
        from: MailboxName,
        /// To.
        to: MailboxName,
    },
    /// Subscribe, or end it. Names need not exist (RFC 3501 section 6.3.9). [`Done::Nothing`].
    Subscribe {
        /// Whose.
        account: AccountId,
        /// Which.
        mailbox: MailboxName,
        /// Or unsubscribe.
        on: bool,
    },
    /// Open a mailbox. [`Done::Selected`], or `NoSuchMailbox`.
    Select {
        /// Whose.
        account: AccountId,
        /// Which.
        mailbox: MailboxName,
        /// EXAMINE: \Recent stays for the next session.
        read_only: bool,
    },
    /// Open INBOX for POP3, for this session alone. [`Done::Maildrop`], or `InUse`.
    OpenMaildrop {
        /// Whose.
        account: AccountId,
    },
    /// What has changed in a mailbox. [`Done::Changes`].
    Changes {
        /// Which.
        mailbox: MailboxId,
        /// Modification sequence up to which all is known.
        since: u64,
        /// As for [`Job::Select`].
        read_only: bool,
    },
    /// What is known of messages without reading them. Those that are gone are left out.
    /// [`Done::Metas`], ascending by UID.
    Metas {
        /// Which.
        mailbox: MailboxId,
        /// Whose.
        uids: UidSet,
    },
    /// As [`Job::Metas`], with what must be read. [`Done::Fetched`], ascending by UID: at
    /// least one message, then as many as fit into [`FETCH_BATCH`] octets.
    Fetch {
        /// Which.
        mailbox: MailboxId,
        /// Whose.
        uids: UidSet,
        /// The structure, computed if it is not kept yet.
        digest: bool,
        /// The header, whole.
        header: bool,
    },
    /// Octets of a message; fewer only at its end. [`Done::Octets`], or `NoSuchMessage`.
    Read {
        /// Which.
        mailbox: MailboxId,
        /// Whose.
        uid: u32,
        /// From and to, octets; at most [`READ_MAX`] of them.
        range: Range<u64>,
    },
    /// Which of these messages match. [`Done::Matches`], ascending by UID. It may end before all
    /// are judged, though not before the first: once [`SEARCH_BATCH`] octets were read.
    Search {
        /// Which.
        mailbox: MailboxId,
        /// Candidates: the caller cuts long lists, so that one job stays short.
        uids: UidSet,
        /// What for.
        program: Arc<Program>,
    },
    /// Change flags. [`Done::Stored`].
    Store {
        /// Which.
        mailbox: MailboxId,
        /// Whose.
        uids: UidSet,
        /// How.
        change: FlagChange,
    },
    /// Copy messages, or move them, to another mailbox. [`Done::Copied`], or `NoSuchMailbox`.
    Copy {
        /// From.
        mailbox: MailboxId,
        /// Whose.
        uids: UidSet,
        /// Whose mailbox.
        account: AccountId,
        /// To.
        to: MailboxName,
        /// And remove them here (RFC 6851).
        remove: bool,
    },
    /// Remove messages that are \Deleted. [`Done::Expunged`].
    Expunge {
        /// Which.
        mailbox: MailboxId,
        /// Only among these (RFC 4315), or all.
        uids: Option<UidSet>,
    },
    /// Remove these messages whatever their flags, as POP3's UPDATE does. [`Done::Expunged`].
    Remove {
        /// Which.
        mailbox: MailboxId,
        /// Whose.
        uids: UidSet,
    },
    /// Is there room for a message of so many octets, asked before it is let in.
    /// [`Done::Nothing`], or `Full`.
    Room {
        /// As the client announced; 0 if it did not.
        octets: u64,
    },
    /// Take from the queue what is due, leased so that no other takes it: the highest priority
    /// first, then what has been due for longest. [`Done::Due`].
    Due {
        /// At most so many.
        limit: usize,
        /// So many at most to one domain, with those that are out.
        per_domain: usize,
    },
    /// Make what waits for a domain due now, but for what is held or being tried (RFC 1985).
    /// [`Done::Flushed`].
    Flush {
        /// Lower case.
        domain: String,
        /// And its subdomains.
        subdomains: bool,
    },
    /// Octets of a queued message; fewer only at its end. [`Done::Octets`].
    ReadQueued {
        /// Which.
        id: QueueId,
        /// From and to, octets; at most [`READ_MAX`] of them.
        range: Range<u64>,
    },
    /// What became of an attempt: recipients done with leave the queue, others wait, and the
    /// sender's report of them is committed, all in one transaction. [`Done::Nothing`].
    Report(Box<Report>),
    /// Work of the command line. Each answers what its name says.
    Admin(Admin),
}

impl Job {
    /// Whether it is done at once, without anything that may block.
    pub const fn is_brief(&self) -> bool {
        matches!(self, Self::Count { .. })
    }
}

/// Octets of one [`Job::Fetch`]'s answer past which no further message is added.
pub const FETCH_BATCH: usize = 256 * 1024;
/// Octets of messages past which one [`Job::Search`] reads no further message.
pub const SEARCH_BATCH: u64 = 4 * 1024 * 1024;
/// The most octets of one [`Job::Read`].
pub const READ_MAX: u64 = 256 * 1024;

/// Changes to flags (RFC 3501 section 6.4.6).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FlagChange {
    /// What to do with them.
    pub action: FlagAction,
    /// System flags.
    pub flags: Flags,
    /// Keywords by name.
    pub keywords: Vec<String>,
    /// Only where the message has not changed since (RFC 7162).
    pub unchanged_since: Option<u64>,
}

/// FLAGS, +FLAGS, -FLAGS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FlagAction {
    /// These and no others.
    Replace,
    /// These too.
    Add,
    /// Not these.
    Remove,
}

/// A message on its way in: what is in hand, behind what was put into a file before.
///
/// Dropping it removes the file.
#[derive(Debug, Default)]
pub struct Spool {
    /// Octets in hand, not yet in the file.
    pub tail: Vec<u8>,
    /// The file, once there is one: the backend's own.
    pub file: Option<Box<dyn SpoolFile>>,
}

impl Spool {
    /// Octets in hand past which a session asks for [`Job::Spool`].
    pub const STEP: usize = 64 * 1024;

    /// Octets of the message so far.
    pub fn size(&self) -> u64 {
        self.file.as_ref().map_or(0, |file| file.size()) + self.tail.len() as u64
    }

    /// Whether enough is in hand to be put away.
    pub fn is_ripe(&self) -> bool {
        self.tail.len() >= Self::STEP
    }
}

/// The backend's file behind a [`Spool`].
pub trait SpoolFile: Any + Send + fmt::Debug {
    /// Octets in it.
    fn size(&self) -> u64;
    /// For the backend to know its own again.
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;
}

/// A message for one mailbox.
#[derive(Debug)]
pub struct Append {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub mailbox: MailboxName,
    /// System flags.
    pub flags: Flags,
    /// Keywords.
    pub keywords: Vec<String>,
    /// Or now.
    pub internal_date: Option<Timestamp>,
    /// The message.
    pub message: Spool,
}

/// What became of one attempt.
#[derive(Debug)]
pub struct Report {
    /// The attempt as it was handed out.
    pub attempt: Attempt,
    /// For each recipient of the attempt, in its order.
    pub outcomes: Vec<Outcome>,
    /// When the next attempts are, and when to give up.
    pub schedule: Schedule,
    /// Who tells the sender.
    pub reporter: Reporter,
}

/// What only the command line does.
#[derive(Debug)]
pub enum Admin {
    /// [`Done::Account`], or `Exists`.
    AddAccount {
        /// The address.
        name: String,
        /// PHC string of the password ([`crate::account::hash`]).
        verifier: String,
    },
    /// Also drops what was kept of the password before for SCRAM. [`Done::Nothing`], or
    /// `NoSuchAccount`.
    SetVerifier {
        /// The address.
        name: String,
        /// As for AddAccount.
        verifier: String,
    },
    /// Keeps this of an account's password for SCRAM, besides the verifier of the same
    /// password: nothing is changed if that is another by now. [`Done::Nothing`], or
    /// `NoSuchAccount`.
    SetScram {
        /// The address.
        name: String,
        /// The verifier that was made of the same password.
        verifier: String,
        /// One for each hash.
        keys: Vec<Keys>,
    },
    /// Removes the account with all its mail. [`Done::Nothing`], or `NoSuchAccount`.
    RemoveAccount {
        /// The address.
        name: String,
    },
    /// [`Done::Accounts`], in order.
    Accounts,
    /// [`Done::Queue`], oldest first.
    Queue,
    /// Makes it due now, but for recipients that are being tried. [`Done::Nothing`], or
    /// `NoSuchMessage`, or `InUse` if all of them are.
    QueueRetry(QueueId),
    /// Removes it without a bounce. [`Done::Nothing`], or `NoSuchMessage`.
    QueueRemove(QueueId),
}

/// What can block: memory, a disk, a database, or a simulation's disk that fails.
pub trait Backend: Send + Sync {
    /// Runs one job to its end.
    fn run(&self, job: Job) -> Done;

    /// Calls `wake` after each change to the mailbox until the guard is dropped. A wake is a
    /// hint: the truth is read with [`Job::Changes`].
    fn watch(&self, mailbox: MailboxId, wake: Arc<dyn Fn() + Send + Sync>) -> Guard;

    /// Calls `wake` after each commit that leaves something in the queue.
    fn watch_queue(&self, wake: Arc<dyn Fn() + Send + Sync>) -> Guard;
}
