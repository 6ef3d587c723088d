//! Triplets of greylisting.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use postkern_server::greylist::{self, Question, Triplet};
use postkern_server::job::Timestamp;

type Key = (String, String, String);

/// What is known, bounded by [`postkern_server::config::Greylist::entries`].
#[derive(Default)]
pub(super) struct Greylist {
    triplets: BTreeMap<Key, Triplet>,
    order: BTreeSet<(Timestamp, Key)>,
}

impl Greylist {
    pub(super) fn ask(&mut self, question: Question, now: Timestamp) -> Option<Duration> {
        let Question { network, sender, recipient, policy } = question;
        let key = (network, sender, recipient);
        let known = self.triplets.get(&key).copied();
        let verdict = greylist::judge(&policy, known, now);
        if let Some(keep) = verdict.keep {
            if let Some(known) = known {
                self.order.remove(&(known.expires, key.clone()));
            }
            self.order.insert((keep.expires, key.clone()));
            self.triplets.insert(key, keep);
            while let Some((expires, _)) = self.order.first()
                && (*expires <= now || self.triplets.len() > policy.entries as usize)
                && let Some((_, key)) = self.order.pop_first()
            {
                self.triplets.remove(&key);
            }
        }
        verdict.wait
    }
}
