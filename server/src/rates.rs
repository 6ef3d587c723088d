//! How often something may happen: a bounded table of who has done how much lately.
//!
//! Each key has one number, the time at which all that it did will be paid off: each act adds
//! the period divided by the limit, and a key whose debt is longer than the period has to wait
//! (the generic cell rate algorithm). So a client may do all that a period allows at once,
//! and then as much as it has waited for.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::config::Network;
use crate::job::{AccountId, Timestamp};

/// Keys that are remembered. When there are more, the one that owes least is forgotten: who
/// floods the table with addresses forgets its own.
pub const KEYS_MAX: usize = 65_536;

/// Something that is done, and by whom.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Act {
    /// A connection, in a minute.
    Connect(IpAddr),
    /// MAIL by a client that did not log in, in a minute.
    Message(IpAddr),
    /// RCPT, likewise.
    Recipient(IpAddr),
    /// A wrong password, in an hour.
    LoginFailure(IpAddr),
    /// MAIL by an account, in an hour.
    Submission(AccountId),
}

impl Act {
    /// The time in which the limit may be used up.
    pub fn period(self) -> Duration {
        let minutes = match self {
            Self::Connect(_) | Self::Message(_) | Self::Recipient(_) => 1,
            Self::LoginFailure(_) | Self::Submission(_) => 60,
        };
        Duration::from_secs(minutes * 60)
    }

    /// With the peer's network in the peer's place: what one customer of a provider has.
    fn key(self) -> Self {
        let network = |peer: IpAddr| Network::of(peer, if peer.to_canonical().is_ipv4() { 32 } else { 64 }).parts().0;
        match self {
            Self::Connect(peer) => Self::Connect(network(peer)),
            Self::Message(peer) => Self::Message(network(peer)),
            Self::Recipient(peer) => Self::Recipient(network(peer)),
            Self::LoginFailure(peer) => Self::LoginFailure(network(peer)),
            Self::Submission(account) => Self::Submission(account),
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Rates {
    /// When each key has paid off, in milliseconds.
    debts: BTreeMap<Act, i64>,
    /// The same, the first to be forgotten first.
    order: BTreeSet<(i64, Act)>,
}

impl Rates {
    /// Whether the act is within its limit; if so, and unless only `asked`, it is counted. A
    /// limit of zero is none.
    ///
    /// A debt that cannot be, since the clock was set back, is forgiven.
    pub fn admit(&mut self, act: Act, limit: u32, now: Timestamp, asked: bool) -> bool {
        if limit == 0 {
            return true;
        }
        let act = act.key();
        let now = now.0.saturating_mul(1000);
        self.forget(now);
        let period = act.period().as_millis() as i64;
        // At least a millisecond, so that no limit is none.
        let cost = (period / i64::from(limit)).max(1);
        // Not the period: what the division cut off would let in more than the limit.
        let most = now.saturating_add(cost.saturating_mul(limit.into()));
        let debt = self.debts.get(&act).copied();
        let due = debt.filter(|debt| (now..=most).contains(debt)).unwrap_or(now).saturating_add(cost);
        if due > most {
            return false;
        }
        if !asked {
            if let Some(debt) = debt {
                self.order.remove(&(debt, act));
            }
            self.debts.insert(act, due);
            self.order.insert((due, act));
            if self.debts.len() > KEYS_MAX {
                self.forget_first();
            }
        }
        true
    }

    /// Forgets a few keys that owe nothing: more than one act adds.
    fn forget(&mut self, now: i64) {
        const STEP: usize = 4;
        for _ in 0..STEP {
            match self.order.first() {
                Some(&(due, _)) if due <= now => self.forget_first(),
                _ => return,
            }
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, act)) = self.order.pop_first() {
            self.debts.remove(&act);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(1_700_000_000 + seconds)
    }

    fn peer(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_limit_may_be_used_up_at_once_and_comes_back_with_time() {
        let mut rates = Rates::default();
        let act = Act::Message(peer("192.0.2.1"));
        for n in 0..7 {
            assert!(rates.admit(act, 7, at(0), true));
            assert!(rates.admit(act, 7, at(0), false), "{n}");
        }
        assert!(!rates.admit(act, 7, at(0), false));
        assert!(!rates.admit(act, 7, at(0), true));
        assert!(rates.admit(act, 0, at(0), false));
        assert!(rates.admit(Act::Recipient(peer("192.0.2.1")), 7, at(0), false));
        assert!(rates.admit(Act::Message(peer("192.0.2.2")), 7, at(0), false));
        assert!(!rates.admit(act, 7, at(8), false));
        assert!(rates.admit(act, 7, at(9), false));
        assert!(!rates.admit(act, 7, at(9), false));
        assert!(rates.admit(act, 7, at(-3600), false));
    }

    #[test]
    fn no_limit_is_too_high_or_too_low() {
        for limit in [1, 3, 59, 60_000, 60_001, u32::MAX] {
            let mut rates = Rates::default();
            let act = Act::Connect(peer("192.0.2.1"));
            let count = (0..100).filter(|_| rates.admit(act, limit, at(0), false)).count();
            assert_eq!(count, 100.min(limit as usize), "{limit}");
        }
    }

    #[test]
    fn ipv6_is_counted_by_its_network() {
        let mut rates = Rates::default();
        let of = |text| Act::LoginFailure(peer(text));
        assert!(rates.admit(of("2001:db8:0:1::1"), 1, at(0), false));
        assert!(!rates.admit(of("2001:db8:0:1:ffff::2"), 1, at(0), false));
        assert!(rates.admit(of("2001:db8:0:2::1"), 1, at(0), false));
        assert!(rates.admit(of("192.0.2.1"), 1, at(0), false));
        assert!(!rates.admit(of("::ffff:192.0.2.1"), 1, at(0), false));
        assert!(!rates.admit(of("192.0.2.1"), 1, at(3599), true));
        assert!(rates.admit(of("192.0.2.1"), 1, at(3600), false));
    }

    #[test]
    fn the_table_is_bounded_and_who_owes_most_stays() {
        let mut rates = Rates::default();
        let worst = Act::Submission(AccountId(-1));
        for _ in 0..10 {
            assert!(rates.admit(worst, 10, at(0), false));
        }
        for n in 0..KEYS_MAX as i64 + 1000 {
            assert!(rates.admit(Act::Submission(AccountId(n)), 10, at(0), false));
        }
        assert_eq!((rates.debts.len(), rates.order.len()), (KEYS_MAX, KEYS_MAX));
        assert!(!rates.admit(worst, 10, at(0), false));
        for n in 0..KEYS_MAX as i64 {
            rates.admit(Act::Connect(peer("192.0.2.1")), u32::MAX, at(7200 + n), false);
        }
        assert!(rates.debts.len() < 4, "{}", rates.debts.len());
    }
}
