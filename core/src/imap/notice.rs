//! What an IMAP server does, as its client sees it.

use super::command::Tag;
use super::event::Status;
use super::fetched::{FetchValues, TextName};
use super::request::Verb;
use super::response::{Response, ResponseCode};

/// What the server did.
#[derive(Debug)]
pub enum Notice<'i> {
    /// The connection is open and commands may be said. A server that refuses says
    /// [`Response::Bye`] instead.
    Greeting {
        /// PREAUTH: we are logged in already. Then STARTTLS can no longer be said: who
        /// wants TLS closes (an attacker may have put this word there).
        preauth: bool,
        /// In brackets before the text.
        code: Option<ResponseCode<'i>>,
        /// For humans.
        text: &'i [u8],
    },
    /// Untagged data, which may come at any time, asked for or not.
    Response(Response<'i>),
    /// A FETCH response up to a literal too long to be held: its octets follow as
    /// [`Notice::Chunk`]s. Behind them comes another such notice, or a
    /// [`Response::Fetch`] with what is left, each with the same number.
    Literal {
        /// The message's sequence number.
        message: u32,
        /// Items that stood before.
        values: FetchValues<'i>,
        /// What the octets are.
        name: TextName<'i>,
        /// How many they are.
        octets: u32,
    },
    /// Octets of that literal.
    Chunk {
        /// Some of them.
        octets: &'i [u8],
        /// How many are yet to come; at 0 the literal is whole.
        left: u32,
    },
    /// The command is complete.
    Completed {
        /// As [`Client::send`](super::Client::send) returned it.
        tag: Tag,
        /// What the command was.
        verb: Verb,
        /// How it ended.
        status: Status,
        /// In brackets before the text.
        code: Option<ResponseCode<'i>>,
        /// For humans.
        text: &'i [u8],
    },
    /// AUTHENTICATE goes on: give the response to this challenge to
    /// [`Client::respond`](super::Client::respond).
    Challenge {
        /// In base64.
        challenge: &'i [u8],
    },
    /// APPEND was let in: write the message, then end it.
    Proceed {
        /// The message's token.
        message: MessageLiteral,
    },
    /// IDLE has begun: end it with [`Client::done`](super::Client::done), after
    /// [`IDLE_RENEW`](super::IDLE_RENEW) at the latest.
    Idling,
    /// The server let the next string of a command in, and it was said. Nothing is to be
    /// done.
    Continued,
    /// TLS is in place, and all that was learnt before is forgotten.
    Secured,
    /// A line against the protocol, for which the connection closes now.
    Odd(&'i [u8]),
}

/// The message of an APPEND being sent: as many octets as were announced. Spent by
/// [`Client::end`](super::Client::end).
#[must_use = "the APPEND is not ended until this is spent"]
#[derive(Debug)]
pub struct MessageLiteral {
    pub(super) left: u32,
}

impl MessageLiteral {
    /// Octets that are yet to be written.
    pub fn lacks(&self) -> u32 {
        self.left
    }
}
