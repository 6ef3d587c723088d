//! What became of a recipient, and what was said of it.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use crate::smtp::reply::{Enhanced, ReplyLines};
use crate::text::put_printable;

/// What became of one recipient.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The server is responsible now.
    Delivered {
        /// What it said, often with its own name for the message.
        said: Said,
        /// It offers DSN, so the reports that the recipient's NOTIFY asks for are its duty now.
        /// If not, and NOTIFY has SUCCESS, a report "relayed" is due (RFC 3461 section 5.2.2).
        dsn: bool,
        /// It was told BY, and keeps it. If not, and the message has BY, a report "relayed" is
        /// due (RFC 2852 section 4).
        deliver_by: bool,
    },
    /// Try again later: a 4yz, or there was no answer.
    Deferred(Said),
    /// Never: a 5yz, or the server lacks what the message needs.
    Failed(Said),
    /// Not tried, since the server takes no more over this connection: MAILMAX or RCPTDOMAINMAX
    /// (RFC 9422) is reached, or [`TRANSACTIONS_MAX`](super::TRANSACTIONS_MAX). Another
    /// connection to it may be made at once.
    Postponed,
}

/// Why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Said {
    /// The reply's code; 0 if the words are our own.
    pub code: u16,
    /// The enhanced status code, made from the reply's class if it gave none.
    pub status: Enhanced,
    /// The reply, its lines parted by a space, printable ASCII; at most [`SAID_MAX`] octets.
    pub text: String,
}

/// Octets of a reply that are kept.
pub const SAID_MAX: usize = 512;

impl Said {
    /// A reply, kept for the log and the bounce.
    pub(super) fn of(reply: ReplyLines<'_>) -> Self {
        let mut text = Vec::new();
        for (index, line) in reply.lines().enumerate() {
            if index > 0 {
                text.push(b' ');
            }
            let room = SAID_MAX.saturating_sub(text.len());
            put_printable(&line[..line.len().min(room)], &mut text);
            if text.len() >= SAID_MAX {
                break;
            }
        }
        let class = (reply.code / 100) as u8;
        let status = reply.enhanced().unwrap_or(Enhanced(class, 0, 0));
        Self { code: reply.code, status, text: String::from_utf8(text).unwrap_or_default() }
    }

    pub(super) fn ours(status: Enhanced, text: &str) -> Self {
        Self { code: 0, status, text: text.to_owned() }
    }
}

impl Verdict {
    pub(super) fn refused(said: Said, forever: bool) -> Self {
        if forever { Self::Failed(said) } else { Self::Deferred(said) }
    }

    /// Of a reply that is not positive.
    pub(super) fn refusal(reply: ReplyLines<'_>) -> Self {
        Self::refused(Said::of(reply), reply.code / 100 == 5)
    }
}
