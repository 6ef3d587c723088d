//! What the sender is told of recipients that were given up (RFC 3464).

use crate::job::{QueueId, Timestamp};
use crate::queue::Diagnostic;

/// What a bounce tells.
#[derive(Debug)]
pub struct Bounce<'a> {
    /// Our host name.
    pub hostname: &'a str,
    /// Of the message that was not delivered.
    pub id: QueueId,
    /// Of the bounce itself: makes its Message-ID and boundary.
    pub own_id: QueueId,
    /// The reverse-path of the message, where the bounce goes. Never null: a message from
    /// the null reverse-path is never bounced (RFC 5321 section 6.1).
    pub sender: &'a str,
    /// Who, and why.
    pub failed: &'a [(String, Diagnostic)],
    /// When the message was accepted.
    pub queued: Timestamp,
    /// The date of the bounce.
    pub now: Timestamp,
    /// The message's header, up to and without its empty line, cut to [`HEADER_MAX`].
    pub header: &'a [u8],
}

/// Octets of the original's header that a bounce returns.
pub const HEADER_MAX: usize = 64 * 1024;

/// The bounce as a message.
pub fn build(bounce: &Bounce<'_>) -> Vec<u8> {
    let _ = bounce;
    Vec::new()
}
