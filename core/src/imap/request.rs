//! Commands as a client says them (RFC 3501 section 6).

use super::command::{StatusItems, StoreAction};
use super::date::DateTime;
use super::fetch::FetchItems;
use super::flags::Flag;
use super::search::{SearchKey, SearchToken};
use super::sequence::SequenceSet;

/// A command to send. Mailbox names are in Unicode.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Request<'a> {
    /// CAPABILITY: read into [`Client::capabilities`](super::Client::capabilities).
    Capability,
    /// NOOP
    Noop,
    /// LOGOUT
    Logout,
    /// ID (RFC 2971), of thirty fields at most; none is NIL.
    Id(&'a [(&'a str, Option<&'a str>)]),
    /// STARTTLS
    StartTls,
    /// AUTHENTICATE
    Authenticate {
        /// PLAIN, LOGIN, ...
        mechanism: &'a str,
        /// If the mechanism sends first, in base64. Said at once where SASL-IR is offered
        /// (RFC 4959), else when the server asks.
        initial: Option<&'a str>,
    },
    /// LOGIN
    Login {
        /// Who.
        user: &'a str,
        /// Proves it.
        password: &'a str,
    },
    /// ENABLE (RFC 5161)
    Enable(&'a [&'a str]),
    /// SELECT
    Select(&'a str),
    /// EXAMINE
    Examine(&'a str),
    /// CREATE
    Create(&'a str),
    /// DELETE
    Delete(&'a str),
    /// RENAME
    Rename {
        /// From.
        from: &'a str,
        /// To.
        to: &'a str,
    },
    /// SUBSCRIBE
    Subscribe(&'a str),
    /// UNSUBSCRIBE
    Unsubscribe(&'a str),
    /// LIST, LSUB
    List {
        /// The name before the pattern.
        reference: &'a str,
        /// With `%` and `*`.
        pattern: &'a str,
        /// LSUB.
        subscribed: bool,
    },
    /// NAMESPACE (RFC 2342)
    Namespace,
    /// STATUS
    Status {
        /// Which.
        mailbox: &'a str,
        /// What to tell of it: at least one.
        items: StatusItems,
    },
    /// APPEND of a message; [`Notice::Proceed`](super::Notice::Proceed) asks for it.
    Append {
        /// To where.
        mailbox: &'a str,
        /// Its flags.
        flags: &'a [Flag<'a>],
        /// Its INTERNALDATE.
        date: Option<DateTime>,
        /// How long it is.
        octets: u32,
    },
    /// IDLE (RFC 2177)
    Idle,
    /// CHECK
    Check,
    /// CLOSE
    Close,
    /// UNSELECT (RFC 3691)
    Unselect,
    /// EXPUNGE; with a set, UID EXPUNGE (RFC 4315).
    Expunge(Option<SequenceSet<'a>>),
    /// SEARCH, UID SEARCH. `CHARSET UTF-8` is said where a string needs it.
    Search {
        /// Answer with UIDs.
        uid: bool,
        /// What for, in prefix order: [`SearchKeys`](super::SearchKeys) makes them of text.
        keys: &'a [SearchToken<'a>],
    },
    /// FETCH, UID FETCH
    Fetch {
        /// The set is of UIDs.
        uid: bool,
        /// Which messages.
        set: SequenceSet<'a>,
        /// What of them.
        items: FetchItems<'a>,
    },
    /// STORE, UID STORE
    Store {
        /// The set is of UIDs.
        uid: bool,
        /// Which messages.
        set: SequenceSet<'a>,
        /// FLAGS, +FLAGS or -FLAGS.
        action: StoreAction,
        /// .SILENT
        silent: bool,
        /// The flags.
        flags: &'a [Flag<'a>],
    },
    /// COPY, UID COPY, MOVE, UID MOVE (RFC 6851)
    Copy {
        /// The set is of UIDs.
        uid: bool,
        /// Which messages.
        set: SequenceSet<'a>,
        /// To.
        mailbox: &'a str,
        /// MOVE.
        remove: bool,
    },
}

/// What a command is, as its completion tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each is the command of its name")]
pub enum Verb {
    Capability,
    Noop,
    Logout,
    Id,
    StartTls,
    Authenticate,
    Login,
    Enable,
    Select,
    Examine,
    Create,
    Delete,
    Rename,
    Subscribe,
    Unsubscribe,
    List,
    Lsub,
    Namespace,
    Status,
    Append,
    Idle,
    Check,
    Close,
    Unselect,
    Expunge,
    Search,
    Fetch,
    Store,
    Copy,
    Move,
}

/// Why a command was not sent. Nothing was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SendError {
    /// Answers are awaited first: see [`Client::may_send`](super::Client::may_send).
    NotNow,
    /// An argument is not what the grammar has in this place, or holds CR, LF or NUL.
    Argument,
    /// The command is longer than the limits let it be.
    TooLong,
    /// The server said LOGINDISABLED (RFC 3501 section 6.2.3).
    LoginDisabled,
}

impl core::fmt::Display for SendError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotNow => "answers are awaited before this command may be sent",
            Self::Argument => "the argument is not of the command's grammar",
            Self::TooLong => "the command is too long",
            Self::LoginDisabled => "the server lets nobody log in like this",
        })
    }
}

impl core::error::Error for SendError {}

/// Shows no argument: a password may be among them.
impl core::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?}(..)", self.verb())
    }
}

impl Request<'_> {
    /// What it is.
    pub fn verb(&self) -> Verb {
        match self {
            Self::Capability => Verb::Capability,
            Self::Noop => Verb::Noop,
            Self::Logout => Verb::Logout,
            Self::Id(_) => Verb::Id,
            Self::StartTls => Verb::StartTls,
            Self::Authenticate { .. } => Verb::Authenticate,
            Self::Login { .. } => Verb::Login,
            Self::Enable(_) => Verb::Enable,
            Self::Select(_) => Verb::Select,
            Self::Examine(_) => Verb::Examine,
            Self::Create(_) => Verb::Create,
            Self::Delete(_) => Verb::Delete,
            Self::Rename { .. } => Verb::Rename,
            Self::Subscribe(_) => Verb::Subscribe,
            Self::Unsubscribe(_) => Verb::Unsubscribe,
            Self::List { subscribed: false, .. } => Verb::List,
            Self::List { subscribed: true, .. } => Verb::Lsub,
            Self::Namespace => Verb::Namespace,
            Self::Status { .. } => Verb::Status,
            Self::Append { .. } => Verb::Append,
            Self::Idle => Verb::Idle,
            Self::Check => Verb::Check,
            Self::Close => Verb::Close,
            Self::Unselect => Verb::Unselect,
            Self::Expunge(_) => Verb::Expunge,
            Self::Search { .. } => Verb::Search,
            Self::Fetch { .. } => Verb::Fetch,
            Self::Store { .. } => Verb::Store,
            Self::Copy { remove: false, .. } => Verb::Copy,
            Self::Copy { remove: true, .. } => Verb::Move,
        }
    }

    /// Whether it names messages by sequence numbers, which an EXPUNGE on the way would
    /// shift.
    pub(super) fn has_numbers(&self) -> bool {
        match self {
            Self::Search { uid, keys } => {
                let numbers = |token: &SearchToken<'_>| matches!(token, SearchToken::Key(SearchKey::Sequence(_)));
                !uid || keys.iter().any(numbers)
            }
            Self::Fetch { uid, .. } | Self::Store { uid, .. } | Self::Copy { uid, .. } => !uid,
            _ => false,
        }
    }

    /// Whether no EXPUNGE can come while it is carried out (RFC 3501 section 7.4.1).
    pub(super) fn keeps_numbers(&self) -> bool {
        matches!(
            self,
            Self::Search { uid: false, .. } | Self::Fetch { uid: false, .. } | Self::Store { uid: false, .. }
        )
    }
}
