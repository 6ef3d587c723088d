//! Blocking work as data: what a session asks of the world, and what comes back.
//!
//! A [`Job`] is the only way out of a session, a [`Done`] the only way back. A [`Backend`]
//! runs jobs: on the connection's own thread, on a pool, or in a simulation. Jobs that change
//! something are done when their `Done` says so: what they wrote is on stable storage.

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::digest::Digest;
use crate::mailbox::{Flags, MailboxName, Meta, SpecialUse, UidSet};
use crate::queue::{Attempt, Outcome, QueueEntry, Schedule};
use crate::search::Program;
use crate::trace::Trace;

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
    /// wrong password, after the same work.
    Authenticate {
        /// The account's address, as the client gave it.
        login: String,
        /// The password, as the client gave it.
        password: Secret,
    },
    /// Which of these local addresses are accounts. [`Done::Found`], in the same order.
    Lookup {
        /// Addresses in any case.
        addresses: Vec<String>,
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
    /// Which of these messages match. [`Done::Matches`], ascending by UID.
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
    /// Take from the queue what is due, leased so that no other takes it. [`Done::Due`].
    Due {
        /// At most so many.
        limit: usize,
    },
    /// Octets of a queued message; fewer only at its end. [`Done::Octets`].
    ReadQueued {
        /// Which.
        id: QueueId,
        /// From and to, octets; at most [`READ_MAX`] of them.
        range: Range<u64>,
    },
    /// What became of an attempt: recipients done with leave the queue, others wait, and the
    /// bounce for those that failed is committed, all in one transaction. [`Done::Nothing`].
    Report(Box<Report>),
    /// Work of the command line. Each answers what its name says.
    Admin(Admin),
}

/// Octets of one [`Job::Fetch`]'s answer past which no further message is added.
pub const FETCH_BATCH: usize = 256 * 1024;
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

/// A message accepted, and who is to have it.
#[derive(Debug)]
pub struct Commit {
    /// What the Received line tells; the backend adds the id and the date. None for a
    /// message that was made here.
    pub trace: Option<Trace>,
    /// The reverse-path without brackets; empty for null.
    pub reverse_path: String,
    /// Deliveries to mailboxes here. An account that stands twice gets one copy.
    pub local: Vec<Local>,
    /// Recipients elsewhere, with the domain in ASCII.
    pub remote: Vec<String>,
    /// The message as received.
    pub message: Spool,
}

/// One delivery to an account here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Local {
    /// To whose INBOX.
    pub account: AccountId,
    /// The address that was asked for, for the trace.
    pub recipient: String,
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
    /// Who we are, for the bounce.
    pub hostname: String,
    /// Whom the sender's address stands for here: accounts that get the bounce. Names that are
    /// none are passed over.
    pub bounce_local: Vec<String>,
    /// And elsewhere: the bounce is queued for them.
    pub bounce_remote: Vec<String>,
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
    /// [`Done::Nothing`], or `NoSuchAccount`.
    SetVerifier {
        /// The address.
        name: String,
        /// As for AddAccount.
        verifier: String,
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
    /// Makes it due now. [`Done::Nothing`], or `NoSuchMessage`.
    QueueRetry(QueueId),
    /// Removes it without a bounce. [`Done::Nothing`], or `NoSuchMessage`.
    QueueRemove(QueueId),
}

/// What became of a job.
#[derive(Debug)]
pub enum Done {
    /// For jobs that answer nothing.
    Nothing,
    /// The account, unless login or password was wrong.
    Authenticated(Option<AccountId>),
    /// For each address asked for.
    Found(Vec<Option<AccountId>>),
    /// The message, its octets put away.
    Spooled(Spool),
    /// It is on stable storage.
    Committed(Committed),
    /// Where it went.
    Appended(Appended),
    /// All of them.
    Mailboxes(Vec<MailboxInfo>),
    /// As it is now.
    Status(MailboxStatus),
    /// The mailbox as it is now.
    Selected(Box<Selected>),
    /// The maildrop, locked.
    Maildrop(Maildrop),
    /// What is new.
    Changes(Box<Changes>),
    /// Ascending by UID.
    Metas(Vec<Meta>),
    /// Ascending by UID.
    Fetched(Vec<Fetched>),
    /// As many as there were.
    Octets(Vec<u8>),
    /// UIDs that match.
    Matches(UidSet),
    /// What STORE changed.
    Stored(Stored),
    /// Where COPY or MOVE put them.
    Copied(Copied),
    /// What is gone.
    Expunged(UidSet),
    /// What to try now.
    Due {
        /// At most as many as were asked for.
        attempts: Vec<Attempt>,
        /// Until something more is due, as far as is known now; zero if the limit held
        /// something back, none if nothing waits.
        wait: Option<Duration>,
    },
    /// The new account.
    Account(AccountId),
    /// Names in order.
    Accounts(Vec<String>),
    /// The queue.
    Queue(Vec<QueueEntry>),
    /// The wait that a session asked for is over.
    Waited,
    /// It was not done, and nothing was changed.
    Failed(Failure),
}

/// Why a job was not done.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Failure {
    /// The mailbox is not there.
    NoSuchMailbox,
    /// The message is not there any more.
    NoSuchMessage,
    /// The account is not there.
    NoSuchAccount,
    /// What was to be made is there already.
    Exists,
    /// Another session has the maildrop.
    InUse,
    /// It cannot be done to this mailbox (INBOX deleted, a name with children, too many
    /// levels): why, in words for the client.
    Cannot(&'static str),
    /// No room on the disk (ENOSPC, EDQUOT, EFBIG).
    Full,
    /// The store failed: why, in words for the log.
    Broken(String),
}

/// An accepted message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Committed {
    /// Shown to the client and in the log.
    pub id: QueueId,
}

/// Where a message went (RFC 4315).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Appended {
    /// Of the mailbox.
    pub uid_validity: u32,
    /// Of the message.
    pub uid: u32,
}

/// One mailbox in a list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MailboxInfo {
    /// Its name.
    pub name: MailboxName,
    /// False for a name that is only subscribed, or that only has children.
    pub exists: bool,
    /// LSUB.
    pub subscribed: bool,
    /// RFC 6154.
    pub special_use: Option<SpecialUse>,
}

/// What STATUS tells (RFC 3501 section 6.3.10, RFC 7162, RFC 8438).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct MailboxStatus {
    /// Messages in it.
    pub messages: u32,
    /// Of them \Recent.
    pub recent: u32,
    /// The next message's UID.
    pub uid_next: u32,
    /// Constant while the mailbox lives.
    pub uid_validity: u32,
    /// Of them without \Seen.
    pub unseen: u32,
    /// Of them \Deleted.
    pub deleted: u32,
    /// Octets of all messages.
    pub size: u64,
    /// The highest modification sequence.
    pub modseq: u64,
}

/// A mailbox just opened.
#[derive(Clone, Debug)]
pub struct Selected {
    /// Which.
    pub mailbox: MailboxId,
    /// As STATUS tells it.
    pub status: MailboxStatus,
    /// UIDs of all messages, ascending.
    pub uids: Vec<u32>,
    /// UIDs from here on are \Recent in this session.
    pub recent_from: u32,
    /// The first message without \Seen, its UID.
    pub first_unseen: Option<u32>,
    /// The mailbox's keywords: the name of each keyword bit of its messages' [`Flags`].
    pub keywords: Vec<String>,
}

/// INBOX as POP3 sees it.
#[derive(Debug)]
pub struct Maildrop {
    /// Which.
    pub mailbox: MailboxId,
    /// With the UIDs it makes the unique-ids.
    pub uid_validity: u32,
    /// UID and octets of each message, ascending by UID.
    pub messages: Vec<(u32, u64)>,
    /// Held while the session lasts.
    pub lock: Guard,
}

/// Something given back by being dropped: a lock, a watch.
pub struct Guard(pub Box<dyn Any + Send>);

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}

/// What has changed in a mailbox since a modification sequence.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Up to which this tells all.
    pub modseq: u64,
    /// New messages and messages with other flags, ascending by UID.
    pub changed: Vec<Meta>,
    /// UIDs of messages gone.
    pub gone: UidSet,
    /// The next message's UID.
    pub uid_next: u32,
    /// New messages from here on are \Recent in this session.
    pub recent_from: u32,
    /// All keywords of the mailbox.
    pub keywords: Vec<String>,
}

/// One message of a [`Job::Fetch`].
#[derive(Clone, Debug)]
pub struct Fetched {
    /// What is known without reading.
    pub meta: Meta,
    /// If it was asked for.
    pub digest: Option<Arc<Digest>>,
    /// The header with its empty line, if it was asked for.
    pub header: Option<Vec<u8>>,
}

/// What a [`Job::Store`] did.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// Messages as they are now, changed or not, ascending by UID.
    pub messages: Vec<Meta>,
    /// For each of them, its modification sequence before.
    pub before: Vec<u64>,
    /// Those that had changed before (RFC 7162) and were left alone.
    pub modified: UidSet,
    /// Keywords that found no room, the mailbox having its full number.
    pub refused: bool,
    /// All keywords of the mailbox.
    pub keywords: Vec<String>,
}

/// What a [`Job::Copy`] did (RFC 4315 COPYUID).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Copied {
    /// Of the destination.
    pub uid_validity: u32,
    /// UIDs here, ascending: those that were still there.
    pub from: UidSet,
    /// UIDs there, in the same order.
    pub to: UidSet,
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
