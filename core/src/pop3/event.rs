//! What a POP3 client does, as its server sees it.

use super::command::Command;

/// The right and the duty to answer one command.
#[must_use = "the client waits for the answer to this command"]
#[derive(Debug)]
pub struct Ticket {
    pub(super) answer: Answer,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    Greeting,
    User,
    /// PASS and AUTH.
    Login,
    Plain,
    Stls,
    Utf8,
    Quit,
}

/// What a client did.
pub enum Event<'i> {
    /// The connection is open; answer with the greeting.
    Connect {
        /// To be answered.
        ticket: Ticket,
    },
    /// A command that is allowed in this state.
    Command {
        /// Which.
        command: Command<'i>,
        /// To be answered.
        ticket: Ticket,
    },
    /// AUTH with a mechanism that was offered: [`Server::challenge`](super::Server::challenge), ok or err.
    Auth {
        /// The mechanism, as sent.
        mechanism: &'i str,
        /// The initial response in base64, if one was given.
        initial: Option<&'i [u8]>,
        /// To be answered.
        ticket: Ticket,
    },
    /// The response to a challenge, in base64. Answer as for AUTH.
    Response {
        /// In base64.
        response: &'i [u8],
        /// To be answered.
        ticket: Ticket,
    },
    /// The machine answered -ERR itself. An exchange of AUTH is over.
    Refused,
    /// Octets of a line that is too long, thrown away as they came.
    Dropped(usize),
}

/// Shows no secret: an event may be logged.
impl core::fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Connect { .. } => f.write_str("Connect"),
            Self::Command { command, .. } => write!(f, "{command:?}"),
            Self::Auth { mechanism, .. } => write!(f, "Auth({mechanism:?}, ..)"),
            Self::Response { .. } => f.write_str("Response(..)"),
            Self::Refused => f.write_str("Refused"),
            Self::Dropped(octets) => write!(f, "Dropped({octets} octets)"),
        }
    }
}
