//! What comes back of a job.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use postkern::sasl::{Keys, NONCE};

use super::{AccountId, MailboxId, QueueId, Spool, Timestamp};
#[expect(unused_imports, reason = "for the documentation")]
use super::{Admin, Job};
use crate::digest::Digest;
use crate::mailbox::{MailboxName, Meta, SpecialUse, UidSet};
use crate::queue::{Attempt, QueueEntry};

/// What became of a job.
#[derive(Debug)]
pub enum Done {
    /// For jobs that answer nothing.
    Nothing,
    /// The account, unless login or password was wrong.
    Authenticated(Option<AccountId>),
    /// What SCRAM goes on with.
    ScramKeys(Box<ScramKeys>),
    /// The account and its name, unless the token is none that is taken, or of nobody here.
    Identified(Option<(AccountId, String)>),
    /// For each address asked for.
    Found(Vec<Option<AccountId>>),
    /// How long the client has to wait; none if its message may come in.
    Greylisted(Option<Duration>),
    /// For each account asked for; zero for those that are older than such records, or gone.
    Created(Vec<Timestamp>),
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
    /// What matches of the messages that were judged.
    Matches {
        /// UIDs that match.
        found: UidSet,
        /// Up to this UID all were judged: the last of those asked for, or, if the job ended
        /// early, one before it. What is behind it must be asked for again.
        to: u32,
    },
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
        /// something back, none if nothing waits. What a domain's limit holds back waits for
        /// a report.
        wait: Option<Duration>,
    },
    /// So many messages wait for the domain.
    Flushed(u32),
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
    /// Another session has the maildrop, or the message is being sent.
    InUse,
    /// It cannot be done to this mailbox (INBOX deleted, a name with children, too many
    /// levels): why, in words for the client.
    Cannot(&'static str),
    /// Too much of this kind is to be done already: it may be asked for again later.
    Busy,
    /// No room on the disk (ENOSPC, EDQUOT, EFBIG).
    Full,
    /// The store failed: why, in words for the log.
    Broken(String),
}

/// What is kept of an account for SCRAM.
#[derive(Debug)]
pub struct ScramKeys {
    /// Whose; none if there is no such account, or nothing is kept of it.
    pub account: Option<AccountId>,
    /// Its keys, or nobody's.
    pub keys: Keys,
    /// Random octets, for this exchange alone.
    pub nonce: [u8; NONCE],
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
    /// The mailbox's keywords: the name of each keyword bit of its messages' [`Flags`](crate::mailbox::Flags).
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
