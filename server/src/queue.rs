//! The queue's rows, and what becomes of them: retries, giving up, bounces.

mod settle;
mod terms;

use std::time::Duration;

pub use self::settle::{Action, Settled, Told, Waiting, settle};
pub use self::terms::{RecipientTerms, Remote, Terms};
use crate::job::{AccountId, QueueId, Timestamp};

/// When to try again, and when to give up (RFC 5321 section 4.5.4.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Schedule {
    /// Waits after the first, second, ... attempt; the last repeats.
    pub retry: Vec<Duration>,
    /// Age at which a recipient is given up.
    pub expire: Duration,
    /// Age from which the sender is told of a delay, once (RFC 3461 section 5.2.5).
    pub warn: Option<Duration>,
}

impl Default for Schedule {
    /// After 15 and 30 minutes, an hour, two, then every four hours, for five days (RFC 5321
    /// section 4.5.4.1: thirty minutes at least as a rule, four to five days in all).
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        let retry = [15, 30, 60, 120, 240].map(minutes).to_vec();
        Self { retry, expire: minutes(5 * 24 * 60), warn: Some(minutes(4 * 60)) }
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
    /// What the sender asked for the message.
    pub terms: Terms,
    /// And for this recipient.
    pub recipient_terms: RecipientTerms,
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
    /// Where to: the domain of all recipients here, lower case. Empty for an account here.
    pub domain: String,
    /// The account here that gets a message whose hold is over (RFC 4865): the one recipient.
    /// It is carried nowhere; the report puts it into the mailbox.
    pub account: Option<AccountId>,
    /// The reverse-path without brackets; empty for null.
    pub sender: String,
    /// What the sender asked for the message.
    pub terms: Terms,
    /// At most [`ATTEMPT_RECIPIENTS`].
    pub recipients: Vec<Remote>,
    /// Octets of the message.
    pub size: u64,
    /// Whether any octet of it has the high bit set (RFC 6152).
    pub eight_bit: bool,
    /// When it was accepted.
    pub queued: Timestamp,
    /// When the attempt was handed out.
    pub leased: Timestamp,
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
    Delivered(Handover),
    /// Try again: a 4yz, or nobody was reached.
    Deferred(Diagnostic),
    /// Never: a 5yz, or there is no such place.
    Failed(Diagnostic),
}

/// To whom a recipient was handed on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Handover {
    /// The host that took it.
    pub remote: Option<String>,
    /// It was told what the sender asked, and sends the reports from here on (RFC 3461 section
    /// 5.2.1).
    pub dsn: bool,
    /// It was told until when the message is to be delivered (RFC 2852).
    pub deliver_by: bool,
    /// It has put the message into the mailbox: it was spoken to by LMTP.
    pub is_final: bool,
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

impl Diagnostic {
    /// The status of a recipient that was given up for its age: delivery time expired (RFC
    /// 3463 section 3.5, X.4.7).
    pub const EXPIRED: &'static str = "4.4.7";
    /// The status of a recipient that was given up since its time was over (RFC 2852 section
    /// 4.1, RFC 3463 section 3.5).
    pub const LATE: &'static str = "5.4.7";
    /// No way is known on which the TLS is sure that the message requires (RFC 8689 section
    /// 4.2.1).
    pub const REQUIRE_TLS: &'static str = "5.7.30";
    /// The TLS that the message requires could not be had.
    pub const NO_TLS: &'static str = "5.7.10";

    /// Our own words.
    pub fn ours(status: &str, text: impl Into<String>) -> Self {
        Self { status: status.into(), remote: None, text: text.into(), smtp: false }
    }

    /// Whether the recipient was given up for its age, or for its time. `text` is then what the
    /// last attempt met.
    pub fn is_expired(&self) -> bool {
        self.status == Self::EXPIRED || self.status == Self::LATE
    }
}
