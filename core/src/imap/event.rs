//! What an IMAP client does, as its server sees it.

use super::command::{Command, Tag};
use super::cursor::Astring;
use super::date::DateTime;
use super::flags::Flags;

/// How a command ends.
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// Carried out.
    Ok,
    /// Not carried out.
    No,
    /// Not understood.
    Bad,
}

/// The right and the duty to complete one command.
#[must_use = "the client waits for the completion of this command"]
#[derive(Debug)]
pub struct Ticket {
    pub(super) tag: Tag,
    pub(super) answer: Answer,
}

impl Ticket {
    /// The tag of the command.
    pub fn tag(&self) -> Tag {
        self.tag
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    Greeting,
    Plain,
    Login,
    Select,
    /// CLOSE and UNSELECT.
    Deselect,
    StartTls,
    Logout,
    Idle,
    /// An APPEND before its message was let in.
    Append {
        octets: u32,
        sync: bool,
    },
}

/// What a client did.
pub enum Event<'i> {
    /// The connection is open; finish it with the greeting.
    Connect {
        /// To be finished: OK greets, anything else refuses.
        ticket: Ticket,
    },
    /// A command that is allowed in this state.
    Command {
        /// Which.
        command: Command<'i>,
        /// To be finished.
        ticket: Ticket,
    },
    /// AUTHENTICATE with a mechanism that was offered: [`Server::challenge`](super::Server::challenge) or finish.
    Authenticate {
        /// The mechanism, as sent.
        mechanism: &'i str,
        /// The initial response in base64, if one was given (RFC 4959).
        initial: Option<&'i [u8]>,
        /// To be finished.
        ticket: Ticket,
    },
    /// The response to a challenge, in base64.
    Response {
        /// In base64.
        response: &'i [u8],
        /// To be finished, or challenged again.
        ticket: Ticket,
    },
    /// APPEND up to its message: [`Server::accept`](super::Server::accept) it, or finish it with NO.
    Append {
        /// To where.
        mailbox: Astring<'i>,
        /// Its flags.
        flags: Flags<'i>,
        /// Its INTERNALDATE.
        date: Option<DateTime>,
        /// How long it is.
        octets: u32,
        /// To be accepted or finished.
        ticket: Ticket,
    },
    /// Octets of the message.
    Chunk(&'i [u8]),
    /// The message is whole.
    Appended {
        /// To be finished.
        ticket: Ticket,
    },
    /// DONE ended the IDLE.
    Done {
        /// To be finished.
        ticket: Ticket,
    },
    /// The machine answered BAD or NO itself. An APPEND, an AUTHENTICATE or an IDLE that was
    /// under way is over: throw away what belongs to it.
    Refused,
    /// Octets thrown away without an answer, as they came: of a literal that was not let in.
    Dropped(usize),
}

/// Shows neither what was said in AUTHENTICATE nor what a message holds: an event may be
/// logged.
impl core::fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Connect { .. } => f.write_str("Connect"),
            Self::Command { command, ticket } => write!(f, "{:?} {command:?}", ticket.tag),
            Self::Authenticate { mechanism, ticket, .. } => {
                write!(f, "{:?} Authenticate({mechanism:?}, ..)", ticket.tag)
            }
            Self::Response { ticket, .. } => write!(f, "{:?} Response(..)", ticket.tag),
            Self::Append { octets, ticket, .. } => write!(f, "{:?} Append({octets} octets)", ticket.tag),
            Self::Chunk(octets) => write!(f, "Chunk({} octets)", octets.len()),
            Self::Appended { ticket } => write!(f, "{:?} Appended", ticket.tag),
            Self::Done { ticket } => write!(f, "{:?} Done", ticket.tag),
            Self::Refused => f.write_str("Refused"),
            Self::Dropped(octets) => write!(f, "Dropped({octets} octets)"),
        }
    }
}
