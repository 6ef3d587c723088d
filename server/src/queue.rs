//! The queue's rows, and what becomes of them: retries, giving up, bounces.

mod terms;

use std::time::Duration;

pub use self::terms::{RecipientTerms, Remote, Terms};
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
    /// Where to: the domain of all recipients here, lower case, ASCII.
    pub domain: String,
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

impl Diagnostic {
    /// The status of a recipient that was given up for its age: delivery time expired (RFC
    /// 3463 section 3.5, X.4.7).
    pub const EXPIRED: &'static str = "4.4.7";

    /// Our own words.
    pub fn ours(status: &str, text: impl Into<String>) -> Self {
        Self { status: status.into(), remote: None, text: text.into(), smtp: false }
    }

    /// Whether the recipient was given up for its age. `text` is then what the last attempt
    /// met.
    pub fn is_expired(&self) -> bool {
        self.status == Self::EXPIRED
    }
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
///
/// A recipient that is deferred once more at the age of `schedule.expire` is given up with
/// the status [`Diagnostic::EXPIRED`] and the text of its last diagnostic (RFC 5321 section
/// 4.5.4.1). The last attempt falls on that age, not a whole wait behind it. A clock that was
/// set back makes a message young again, never due in the past.
pub fn settle(outcome: &Outcome, attempts: u32, queued: Timestamp, now: Timestamp, schedule: &Schedule) -> Settled {
    let why = match outcome {
        Outcome::Delivered => return Settled::Gone,
        Outcome::Failed(why) => return Settled::Bounce(why.clone()),
        Outcome::Deferred(why) => why,
    };
    let expiry = after(queued, schedule.expire);
    if now >= expiry {
        return Settled::Bounce(Diagnostic { status: Diagnostic::EXPIRED.into(), ..why.clone() });
    }
    let step = (attempts.max(1) - 1) as usize;
    let wait = schedule.retry.get(step).or(schedule.retry.last()).copied().unwrap_or(schedule.expire);
    // A second at least: a wait of none would have the queue spin.
    let next = after(now, wait.max(Duration::from_secs(1)));
    Settled::Again(next.min(expiry))
}

fn after(at: Timestamp, wait: Duration) -> Timestamp {
    Timestamp(at.0.saturating_add(i64::try_from(wait.as_secs()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60;
    const DAY: i64 = 24 * 60 * MINUTE;

    fn reply(status: &str, text: &str) -> Diagnostic {
        Diagnostic { status: status.into(), remote: Some("mx.test".into()), text: text.into(), smtp: true }
    }

    #[test]
    fn an_attempt_ends_the_wait_or_begins_the_next() {
        let queued = 1_000_000;
        let deferred = Outcome::Deferred(reply("4.2.2", "452 4.2.2 full"));
        let failed = Outcome::Failed(reply("5.1.1", "550 5.1.1 nobody"));
        let expired = Settled::Bounce(reply("4.4.7", "452 4.2.2 full"));
        let again = |at| Settled::Again(Timestamp(at));
        for (outcome, attempts, age, is) in [
            (&Outcome::Delivered, 1, 0, Settled::Gone),
            (&Outcome::Delivered, 99, 99 * DAY, Settled::Gone),
            (&failed, 1, 0, Settled::Bounce(reply("5.1.1", "550 5.1.1 nobody"))),
            (&failed, 40, 6 * DAY, Settled::Bounce(reply("5.1.1", "550 5.1.1 nobody"))),
            (&deferred, 0, 0, again(queued + 15 * MINUTE)),
            (&deferred, 1, 0, again(queued + 15 * MINUTE)),
            (&deferred, 2, 15 * MINUTE, again(queued + 45 * MINUTE)),
            (&deferred, 3, DAY, again(queued + DAY + 60 * MINUTE)),
            (&deferred, 5, DAY, again(queued + DAY + 240 * MINUTE)),
            (&deferred, 6, DAY, again(queued + DAY + 240 * MINUTE)),
            (&deferred, u32::MAX, DAY, again(queued + DAY + 240 * MINUTE)),
            // The last attempt falls on the expiry.
            (&deferred, 30, 5 * DAY - 1, again(queued + 5 * DAY)),
            (&deferred, 30, 5 * DAY, expired.clone()),
            (&deferred, 1, 50 * DAY, expired.clone()),
            // The clock was set back.
            (&deferred, 1, -DAY, again(queued - DAY + 15 * MINUTE)),
        ] {
            let now = Timestamp(queued + age);
            let settled = settle(outcome, attempts, Timestamp(queued), now, &Schedule::default());
            assert_eq!(settled, is, "{outcome:?} {attempts} {age}");
        }
    }

    #[test]
    fn odd_schedules_neither_spin_nor_overflow() {
        let deferred = Outcome::Deferred(Diagnostic::ours("4.4.1", "no answer"));
        let settled = |retry: &[u64], expire, queued, now| {
            let schedule = Schedule {
                retry: retry.iter().map(|&seconds| Duration::from_secs(seconds)).collect(),
                expire: Duration::from_secs(expire),
            };
            settle(&deferred, 1, Timestamp(queued), Timestamp(now), &schedule)
        };
        assert_eq!(settled(&[0], 100, 0, 0), Settled::Again(Timestamp(1)));
        assert_eq!(settled(&[], 100, 0, 10), Settled::Again(Timestamp(100)));
        assert_eq!(settled(&[u64::MAX], u64::MAX, 5, 10), Settled::Again(Timestamp(i64::MAX)));
        assert_eq!(settled(&[1], 0, 0, 0), Settled::Bounce(Diagnostic::ours("4.4.7", "no answer")));
    }
}
