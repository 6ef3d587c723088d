//! Greylisting: strangers are asked to come again, which servers do and most programs that
//! send spam do not (RFC 6647).
//!
//! What is remembered is a triplet: the client's network, the sender, the recipient (RFC 6647
//! section 2.3). By network, since large senders try again from another address of theirs.

use core::net::IpAddr;
use std::time::Duration;

use crate::account::normalize;
use crate::config::{self, Network};
use crate::job::Timestamp;

/// Whether a message may come in already.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    /// Of the client, as in `192.0.2.0/24`.
    pub network: String,
    /// The reverse-path, lower case; empty for null.
    pub sender: String,
    /// The forward-path, lower case.
    pub recipient: String,
    /// How long things take.
    pub policy: config::Greylist,
}

impl Question {
    /// For a message by this client: of IPv4 its /24, of IPv6 its /64.
    pub fn new(peer: IpAddr, sender: &str, recipient: &str, policy: &config::Greylist) -> Self {
        let bits = if peer.to_canonical().is_ipv4() { 24 } else { 64 };
        Self {
            network: Network::of(peer, bits).to_string(),
            sender: normalize(sender),
            recipient: normalize(recipient),
            policy: policy.clone(),
        }
    }
}

/// What is known of a triplet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Triplet {
    /// When it came first.
    pub first: Timestamp,
    /// Whether it has come again.
    pub passed: bool,
    /// When it is forgotten.
    pub expires: Timestamp,
}

/// What is to be answered, and what is to be kept of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// How long the client has to wait; none if the message may come in.
    pub wait: Option<Duration>,
    /// The triplet as it is now, if that is new.
    pub keep: Option<Triplet>,
}

/// Judges a message by what is known of its triplet.
///
/// A clock that is set back makes nobody wait longer than the delay.
pub fn judge(policy: &config::Greylist, known: Option<Triplet>, now: Timestamp) -> Verdict {
    let after = |time: Duration| Timestamp(now.0.saturating_add(i64::try_from(time.as_secs()).unwrap_or(i64::MAX)));
    let Some(known) = known.filter(|known| known.expires > now && (known.passed || known.first <= now)) else {
        let keep = Triplet { first: now, passed: false, expires: after(policy.window) };
        return Verdict { wait: Some(policy.delay), keep: Some(keep) };
    };
    let age = Duration::from_secs(now.0.saturating_sub(known.first.0).max(0) as u64);
    if !known.passed && age < policy.delay {
        return Verdict { wait: Some(policy.delay - age), keep: None };
    }
    let expires = after(policy.lifetime);
    // Who writes every minute costs no commit every minute: a day more or less is nothing, and
    // with short lifetimes it is a tenth of them.
    let step = (policy.lifetime / 10).min(Duration::from_secs(24 * 60 * 60));
    let is_news = !known.passed || expires.0.saturating_sub(known.expires.0) >= step.as_secs() as i64;
    Verdict { wait: None, keep: is_news.then_some(Triplet { passed: true, expires, ..known }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_stranger_comes_again_and_is_known_then() {
        let policy =
            config::Greylist { delay: seconds(300), window: seconds(7200), lifetime: seconds(1_000_000), entries: 1 };
        let mut known = None;
        for (now, wait, keeps) in [
            (0, Some(300), true),
            (100, Some(200), false),
            (299, Some(1), false),
            (300, None, true),
            (301, None, false),
            (86_000, None, false),
            (87_000, None, true),
            (1_086_999, None, true),
            // Its lifetime is over.
            (3_000_000, Some(300), true),
            // It comes too late.
            (3_007_200, Some(300), true),
            // The clock is set back.
            (2_000_000, Some(300), true),
            (2_000_300, None, true),
            (1_000_000, None, false),
        ] {
            let verdict = judge(&policy, known, Timestamp(now));
            assert_eq!((verdict.wait, verdict.keep.is_some()), (wait.map(seconds), keeps), "{now}");
            known = verdict.keep.or(known);
        }
    }

    #[test]
    fn triplets_go_by_network_and_in_lower_case() {
        let policy = config::Greylist { delay: seconds(1), window: seconds(2), lifetime: seconds(3), entries: 1 };
        for (peer, is) in [("192.0.2.77", "192.0.2.0/24"), ("2001:db8::1", "2001:db8::/64")] {
            let question = Question::new(peer.parse().unwrap(), "A@B.test", "\"C\"@D.test", &policy);
            assert_eq!(question.network, is);
            assert_eq!((question.sender.as_str(), question.recipient.as_str()), ("a@b.test", "c@d.test"));
        }
    }
}
