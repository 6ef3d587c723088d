//! What follows from an attempt: who waits, who leaves the queue, and what the sender is told.

use std::time::Duration;

use postkern::smtp::ByMode;

use super::{Diagnostic, Handover, Outcome, RecipientTerms, Schedule, Terms};
use crate::job::Timestamp;

/// A recipient at the end of an attempt.
#[derive(Clone, Copy, Debug)]
pub struct Waiting<'a> {
    /// When its message was accepted.
    pub queued: Timestamp,
    /// What the sender asked for the message.
    pub terms: &'a Terms,
    /// And for the recipient.
    pub recipient: &'a RecipientTerms,
    /// Attempts with this one.
    pub attempts: u32,
    /// What the sender has been told of it.
    pub told: Told,
}

/// Which reports of delay were sent: each is sent once.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Told {
    /// That it takes long ([`Schedule::warn`]).
    pub delayed: bool,
    /// That the time of BY is over.
    pub late: bool,
}

impl Told {
    /// As a store keeps it.
    pub const fn to_bits(self) -> u8 {
        self.delayed as u8 | (self.late as u8) << 1
    }

    /// What [`to_bits`](Self::to_bits) made.
    pub const fn from_bits(bits: u8) -> Self {
        Self { delayed: bits & 1 != 0, late: bits & 2 != 0 }
    }
}

/// What happens to a recipient after an attempt.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settled {
    /// When it is tried again; none if it leaves the queue.
    pub again: Option<Timestamp>,
    /// What the sender is told, unless the reverse-path is null.
    pub tell: Option<Action>,
    /// What the sender has been told then.
    pub told: Told,
}

/// What a report tells of a recipient (RFC 3464 section 2.3.3).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// It is given up.
    Failed(Diagnostic),
    /// It is still tried.
    Delayed {
        /// What the last attempt met.
        why: Diagnostic,
        /// Until when.
        until: Timestamp,
    },
    /// The message is in the mailbox.
    Delivered {
        /// The host that put it there, if not we.
        remote: Option<String>,
    },
    /// A host took it that reports nothing.
    Relayed {
        /// Which.
        remote: Option<String>,
    },
    /// It stood for several addresses.
    Expanded,
}

/// Decides what follows from an outcome.
///
/// A recipient that is deferred once more at the age of `schedule.expire` is given up with
/// the status [`Diagnostic::EXPIRED`] and the text of its last diagnostic (RFC 5321 section
/// 4.5.4.1). The last attempt falls on that age, not a whole wait behind it. A message that was
/// held (RFC 4865) ages from its release. Where BY names a time, an attempt falls on that, and
/// by its mode the recipient is given up there with the status [`Diagnostic::LATE`], or the
/// sender told (RFC 2852 section 4.1). A clock that was set back makes a message young again,
/// never due in the past.
pub fn settle(outcome: &Outcome, waiting: &Waiting<'_>, now: Timestamp, schedule: &Schedule) -> Settled {
    let (wants, told) = (waiting.recipient.wants(), waiting.told);
    let gone = |tell| Settled { again: None, tell, told };
    let failed = |why| gone(wants.failure().then_some(Action::Failed(why)));
    let why = match outcome {
        Outcome::Delivered(handover) => return gone(handed_over(handover, waiting)),
        Outcome::Failed(why) => return failed(why.clone()),
        Outcome::Deferred(why) => why,
    };
    let since = waiting.terms.held_until(waiting.queued);
    let expiry = after(since, schedule.expire);
    let late = waiting.terms.late_at(waiting.queued);
    let is_late = late.is_some_and(|late| now >= late);
    let returned = is_late && waiting.terms.by.is_some_and(|by| by.mode == ByMode::Return);
    if returned || now >= expiry {
        let status = if returned { Diagnostic::LATE } else { Diagnostic::EXPIRED };
        return failed(Diagnostic { status: status.into(), ..why.clone() });
    }
    let step = (waiting.attempts.max(1) - 1) as usize;
    let wait = schedule.retry.get(step).or(schedule.retry.last()).copied().unwrap_or(schedule.expire);
    // A second at least: a wait of none would have the queue spin.
    let next = after(now, wait.max(Duration::from_secs(1))).min(expiry);
    let next = late.filter(|_| !is_late).map_or(next, |late| next.min(late));
    let is_old = schedule.warn.is_some_and(|warn| now >= after(since, warn));
    let delayed = Told { delayed: told.delayed || is_old || is_late, late: told.late || is_late };
    if delayed == told || !wants.delay() {
        return Settled { again: Some(next), tell: None, told };
    }
    let status = if delayed.late && !told.late { Diagnostic::EXPIRED } else { &why.status };
    let why = Diagnostic { status: status.into(), ..why.clone() };
    Settled { again: Some(next), tell: Some(Action::Delayed { why, until: expiry }), told: delayed }
}

/// What the sender is told of a recipient that a host took.
fn handed_over(handover: &Handover, waiting: &Waiting<'_>) -> Option<Action> {
    let remote = || handover.remote.clone();
    let wants = waiting.recipient.wants();
    match waiting.terms.by {
        // RFC 3461 section 5.2.2 (b); LMTP has delivered it.
        _ if wants.success() && !handover.dsn && handover.is_final => Some(Action::Delivered { remote: remote() }),
        _ if wants.success() && !handover.dsn => Some(Action::Relayed { remote: remote() }),
        // RFC 2852 section 4.1: each relaying is told where `T` asks for it, and in any case
        // the last at which the time is kept.
        Some(by) if !wants.is_never() && !handover.is_final && (by.trace || !handover.deliver_by) => {
            Some(Action::Relayed { remote: remote() })
        }
        Some(_) | None => None,
    }
}

fn after(at: Timestamp, wait: Duration) -> Timestamp {
    at.after(i64::try_from(wait.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use postkern::smtp::{DeliverBy, Hold, Notify};

    use super::*;

    const MINUTE: i64 = 60;
    const DAY: i64 = 24 * 60 * MINUTE;

    fn reply(status: &str, text: &str) -> Diagnostic {
        Diagnostic { status: status.into(), remote: Some("mx.test".into()), text: text.into(), smtp: true }
    }

    fn after_attempts(attempts: u32) -> Waiting<'static> {
        static TERMS: Terms = Terms {
            smtp_utf8: false,
            binary: false,
            require_tls: false,
            tls_optional: false,
            ret: None,
            envid: None,
            hold: None,
            by: None,
            priority: None,
        };
        static RECIPIENT: RecipientTerms = RecipientTerms { notify: None, orcpt: None, rrvs: None };
        let queued = Timestamp(QUEUED);
        Waiting { queued, terms: &TERMS, recipient: &RECIPIENT, attempts, told: Told::default() }
    }

    const QUEUED: i64 = 1_000_000;

    /// When it is tried again, after the acceptance; and what is told, with its status.
    fn show(settled: &Settled) -> (Option<i64>, String) {
        let tell = match &settled.tell {
            None => String::new(),
            Some(Action::Failed(why)) => format!("failed {}", why.status),
            Some(Action::Delayed { why, until }) => format!("delayed {} {}", why.status, until.0 - QUEUED),
            Some(Action::Delivered { .. }) => "delivered".into(),
            Some(Action::Relayed { .. }) => "relayed".into(),
            Some(Action::Expanded) => "expanded".into(),
        };
        (settled.again.map(|at| at.0 - QUEUED), tell)
    }

    fn deferred() -> Outcome {
        Outcome::Deferred(reply("4.2.2", "452 4.2.2 full"))
    }

    #[test]
    fn an_attempt_ends_the_wait_or_begins_the_next() {
        let (deferred, delivered) = (deferred(), Outcome::Delivered(Handover::default()));
        let failed = Outcome::Failed(reply("5.1.1", "550 5.1.1 nobody"));
        let schedule = Schedule { warn: None, ..Schedule::default() };
        for (outcome, attempts, age, again, tell) in [
            (&delivered, 1, 0, None, ""),
            (&delivered, 99, 99 * DAY, None, ""),
            (&failed, 1, 0, None, "failed 5.1.1"),
            (&failed, 40, 6 * DAY, None, "failed 5.1.1"),
            (&deferred, 0, 0, Some(15 * MINUTE), ""),
            (&deferred, 1, 0, Some(15 * MINUTE), ""),
            (&deferred, 2, 15 * MINUTE, Some(45 * MINUTE), ""),
            (&deferred, 3, DAY, Some(DAY + 60 * MINUTE), ""),
            (&deferred, 5, DAY, Some(DAY + 240 * MINUTE), ""),
            (&deferred, 6, DAY, Some(DAY + 240 * MINUTE), ""),
            (&deferred, u32::MAX, DAY, Some(DAY + 240 * MINUTE), ""),
            // The last attempt falls on the expiry.
            (&deferred, 30, 5 * DAY - 1, Some(5 * DAY), ""),
            (&deferred, 30, 5 * DAY, None, "failed 4.4.7"),
            (&deferred, 1, 50 * DAY, None, "failed 4.4.7"),
            // The clock was set back.
            (&deferred, 1, -DAY, Some(-DAY + 15 * MINUTE), ""),
        ] {
            let settled = settle(outcome, &after_attempts(attempts), Timestamp(QUEUED + age), &schedule);
            assert_eq!(show(&settled), (again, tell.to_owned()), "{outcome:?} {attempts} {age}");
        }
        let settled = settle(&deferred, &after_attempts(1), Timestamp(QUEUED + 9 * DAY), &schedule);
        assert_eq!(settled.tell, Some(Action::Failed(reply("4.4.7", "452 4.2.2 full"))));
    }

    #[test]
    fn the_sender_is_told_once_of_a_delay() {
        const HOUR: i64 = 60 * MINUTE;
        let schedule = Schedule::default();
        let mut waiting = after_attempts(5);
        let at = |waiting: &Waiting<'_>, age| settle(&deferred(), waiting, Timestamp(QUEUED + age), &schedule);
        assert_eq!(show(&at(&waiting, 4 * HOUR - 1)), (Some(8 * HOUR - 1), String::new()));
        let told = at(&waiting, 4 * HOUR);
        assert_eq!(show(&told), (Some(8 * HOUR), format!("delayed 4.2.2 {}", 5 * DAY)));
        waiting.told = told.told;
        assert_eq!(show(&at(&waiting, 8 * HOUR)), (Some(12 * HOUR), String::new()));
        for (notify, tell) in
            [(Notify::NEVER, ""), (Notify::of(true, true, false), ""), (Notify::of(false, false, true), "delayed")]
        {
            let recipient = RecipientTerms { notify: Some(notify), ..RecipientTerms::default() };
            let waiting = Waiting { recipient: &recipient, ..after_attempts(5) };
            assert!(show(&at(&waiting, 4 * HOUR)).1.starts_with(tell), "{notify:?}");
            assert_eq!(at(&waiting, 4 * HOUR).tell.is_some(), !tell.is_empty(), "{notify:?}");
        }
    }

    /// RFC 3461 sections 5.2.1, 5.2.2 and 5.2.6.
    #[test]
    fn reports_are_sent_as_notify_asks() {
        let host = |dsn, is_final| Outcome::Delivered(Handover { dsn, is_final, ..Handover::default() });
        let failed = Outcome::Failed(reply("5.1.1", "550 5.1.1 nobody"));
        let success = Some(Notify::of(true, false, false));
        for (outcome, notify, tell) in [
            (&host(false, false), None, ""),
            (&host(false, false), success, "relayed"),
            (&host(true, false), success, ""),
            (&host(false, true), success, "delivered"),
            (&host(true, true), success, ""),
            (&host(false, false), Some(Notify::NEVER), ""),
            (&host(false, false), Some(Notify::of(false, true, true)), ""),
            (&failed, None, "failed 5.1.1"),
            (&failed, success, ""),
            (&failed, Some(Notify::NEVER), ""),
            (&failed, Some(Notify::of(true, true, false)), "failed 5.1.1"),
        ] {
            let recipient = RecipientTerms { notify, ..RecipientTerms::default() };
            let waiting = Waiting { recipient: &recipient, ..after_attempts(1) };
            let settled = settle(outcome, &waiting, Timestamp(QUEUED), &Schedule::default());
            assert_eq!(show(&settled), (None, tell.to_owned()), "{outcome:?} {notify:?}");
        }
    }

    /// RFC 2852 section 4.1.
    #[test]
    fn what_is_late_is_returned_or_told() {
        let (trace, host) = (true, |deliver_by| Outcome::Delivered(Handover { deliver_by, ..Handover::default() }));
        for (mode, trace, notify, outcome, age, again, tell) in [
            (ByMode::Return, false, None, &deferred(), 0, Some(10 * MINUTE), ""),
            (ByMode::Return, false, None, &deferred(), 10 * MINUTE, None, "failed 5.4.7"),
            (ByMode::Return, false, Some(Notify::NEVER), &deferred(), 10 * MINUTE, None, ""),
            (ByMode::Notify, false, None, &deferred(), 0, Some(10 * MINUTE), ""),
            (ByMode::Notify, false, None, &deferred(), 10 * MINUTE, Some(25 * MINUTE), "delayed 4.4.7 432000"),
            (ByMode::Notify, false, Some(Notify::NEVER), &deferred(), 10 * MINUTE, Some(25 * MINUTE), ""),
            (ByMode::Notify, false, None, &host(true), 0, None, ""),
            (ByMode::Notify, false, None, &host(false), 0, None, "relayed"),
            (ByMode::Notify, trace, None, &host(true), 0, None, "relayed"),
            (ByMode::Notify, trace, Some(Notify::NEVER), &host(true), 0, None, ""),
        ] {
            let terms = Terms { by: Some(DeliverBy { seconds: 600, mode, trace }), ..Terms::default() };
            let recipient = RecipientTerms { notify, ..RecipientTerms::default() };
            let mut waiting = Waiting { terms: &terms, recipient: &recipient, ..after_attempts(1) };
            let settled = settle(outcome, &waiting, Timestamp(QUEUED + age), &Schedule::default());
            assert_eq!(show(&settled), (again, tell.to_owned()), "{mode:?} {notify:?} {outcome:?} {age}");
            waiting.told = settled.told;
            let once_more = settle(&deferred(), &waiting, Timestamp(QUEUED + 11 * MINUTE), &Schedule::default());
            assert!(!tell.starts_with("delayed") || once_more.tell.is_none());
        }
    }

    #[test]
    fn what_was_held_ages_from_its_release() {
        let terms = Terms { hold: Some(Hold::For(100 * DAY as u32)), ..Terms::default() };
        let waiting = Waiting { terms: &terms, ..after_attempts(1) };
        let settled = settle(&deferred(), &waiting, Timestamp(QUEUED + 100 * DAY), &Schedule::default());
        assert_eq!(show(&settled), (Some(100 * DAY + 15 * MINUTE), String::new()));
    }

    #[test]
    fn odd_schedules_neither_spin_nor_overflow() {
        let settled = |retry: &[u64], expire, queued, now| {
            let schedule = Schedule {
                retry: retry.iter().map(|&seconds| Duration::from_secs(seconds)).collect(),
                expire: Duration::from_secs(expire),
                warn: None,
            };
            let waiting = Waiting { queued: Timestamp(queued), ..after_attempts(1) };
            let settled = settle(&deferred(), &waiting, Timestamp(now), &schedule);
            (settled.again.map(|at| at.0), show(&settled).1)
        };
        assert_eq!(settled(&[0], 100, 0, 0).0, Some(1));
        assert_eq!(settled(&[], 100, 0, 10).0, Some(100));
        assert_eq!(settled(&[u64::MAX], u64::MAX, 5, 10).0, Some(i64::MAX));
        assert_eq!(settled(&[1], 0, 0, 0), (None, "failed 4.4.7".into()));
    }
}
