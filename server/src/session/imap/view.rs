//! What one session knows of its selected mailbox: which message has which number, and how
//! far it has been told.
//!
//! Numbers change only in [`View::remove`], which says the EXPUNGEs; new messages are added
//! only in [`View::add`], so that a UID set of the client's never reaches a message that has
//! no number yet.

use std::collections::BTreeMap;

use postkern::imap::{SequenceSet, data};

use crate::job::{MailboxId, Selected};
use crate::mailbox::{Flags, Meta, UidSet};

/// See the module.
pub(super) struct View {
    mailbox: MailboxId,
    pub(super) read_only: bool,
    /// UIDs by sequence number, ascending.
    uids: Vec<u32>,
    recent_from: u32,
    /// Up to which all changes are known.
    pub(super) modseq: u64,
    /// The mailbox's keywords, as far as the client knows them.
    pub(super) keywords: Vec<String>,
    /// Changes past `modseq` that the client knows already, because it made them. Bounded by
    /// the messages it has changed since the last synchronisation.
    told: BTreeMap<u32, u64>,
    /// The client is in IDLE.
    pub(super) idling: bool,
}

impl View {
    pub(super) fn new(selected: &Selected, read_only: bool) -> Self {
        Self {
            mailbox: selected.mailbox,
            read_only,
            uids: selected.uids.clone(),
            recent_from: selected.recent_from,
            modseq: selected.status.modseq,
            keywords: selected.keywords.clone(),
            told: BTreeMap::new(),
            idling: false,
        }
    }

    pub(super) fn mailbox(&self) -> MailboxId {
        self.mailbox
    }

    pub(super) fn uids(&self) -> &[u32] {
        &self.uids
    }

    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.uids.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn recent_from(&self) -> u32 {
        self.recent_from
    }

    /// Messages that are \Recent in this session.
    pub(super) fn recent(&self) -> u32 {
        let before = self.uids.partition_point(|&uid| uid < self.recent_from);
        u32::try_from(self.uids.len() - before).unwrap_or(u32::MAX)
    }

    /// The sequence number of a message.
    pub(super) fn number(&self, uid: u32) -> Option<u32> {
        self.uids.binary_search(&uid).ok().map(|index| index as u32 + 1)
    }

    /// The messages that a set means. None if it names a sequence number that no message has
    /// by a range that has none at all (RFC 3501 section 9: it must be there); a range that
    /// goes past the end is cut, since clients ask for `1:500` of fewer.
    pub(super) fn resolve(&self, set: SequenceSet<'_>, by_uid: bool) -> Option<UidSet> {
        let mut ranges = Vec::new();
        if by_uid {
            let star = self.uids.last().copied().unwrap_or(0);
            for (from, to) in set.ranges(star) {
                let first = self.uids.partition_point(|&uid| uid < from);
                let end = self.uids.partition_point(|&uid| uid <= to);
                if let Some(of) = self.uids.get(first..end).filter(|of| !of.is_empty()) {
                    ranges.push((of[0], of[of.len() - 1]));
                }
            }
        } else {
            for (from, to) in set.ranges(self.len()) {
                let first = self.uids.get(from.max(1) as usize - 1);
                let last = self.uids.get(..(to as usize).min(self.uids.len())).and_then(<[u32]>::last);
                match (first, last) {
                    (Some(&first), Some(&last)) if first <= last => ranges.push((first, last)),
                    _ if self.uids.is_empty() => {}
                    _ => return None,
                }
            }
        }
        Some(UidSet::from_ranges(ranges))
    }

    /// Takes the first `count` messages of a set out of it.
    pub(super) fn take(&self, set: &mut UidSet, count: usize) -> UidSet {
        let mut taken = UidSet::default();
        let mut rest = UidSet::default();
        let mut left = count;
        for &(from, to) in set.ranges() {
            let first = self.uids.partition_point(|&uid| uid < from);
            let end = self.uids.partition_point(|&uid| uid <= to);
            let cut = end.min(first + left);
            left -= cut - first;
            if cut > first {
                taken.push_range(from, self.uids[cut - 1]);
            }
            if end > cut {
                rest.push_range(self.uids[cut], to);
            }
        }
        *set = rest;
        taken
    }

    /// The names of a message's flags, \Recent included, for a response.
    pub(super) fn flags<'a>(&'a self, meta: &Meta) -> Vec<&'a str> {
        let recent = meta.uid >= self.recent_from;
        let recent = recent.then_some("\\Recent");
        names(meta.flags, &self.keywords).chain(recent).collect()
    }

    /// Adds messages that are new to the client; says EXISTS and RECENT if there are any.
    pub(super) fn add(&mut self, new: impl Iterator<Item = u32>, out: &mut Vec<u8>) {
        let before = self.uids.len();
        let last = self.uids.last().copied().unwrap_or(0);
        self.uids.extend(new.filter(|&uid| uid > last));
        if self.uids.len() > before {
            data::exists(self.len(), out);
            data::recent(self.recent(), out);
        }
    }

    /// Removes messages, and says so.
    pub(super) fn remove(&mut self, gone: &UidSet, out: &mut Vec<u8>) {
        let mut kept = 0;
        self.uids.retain(|&uid| {
            let stays = !gone.contains(uid);
            match stays {
                true => kept += 1,
                false => data::expunge(kept + 1, out),
            }
            stays
        });
        self.told.retain(|&uid, _| !gone.contains(uid));
    }

    /// New messages from here on are \Recent in this session, if none was before.
    pub(super) fn recent_since(&mut self, uid: u32) {
        if self.recent() == 0 {
            self.recent_from = uid;
        }
    }

    /// The client is told of the message as it is now, with all its flags.
    pub(super) fn tell(&mut self, meta: &Meta) {
        if meta.modseq > self.modseq {
            self.told.insert(meta.uid, meta.modseq);
        }
    }

    /// Whether the client knows the message as it was at this modification sequence.
    pub(super) fn knows(&self, uid: u32, modseq: u64) -> bool {
        modseq <= self.modseq || self.told.get(&uid).is_some_and(|&told| told >= modseq)
    }

    /// Whether the client does not know of this change yet.
    pub(super) fn is_news(&self, meta: &Meta) -> bool {
        self.told.get(&meta.uid).is_none_or(|&told| told < meta.modseq)
    }

    /// All changes up to here are known.
    pub(super) fn known_to(&mut self, modseq: u64) {
        self.modseq = self.modseq.max(modseq);
        let modseq = self.modseq;
        self.told.retain(|_, &mut told| told > modseq);
    }

    /// Says FLAGS and PERMANENTFLAGS again if the mailbox has keywords that are new.
    pub(super) fn learn(&mut self, keywords: Vec<String>, out: &mut Vec<u8>) {
        if keywords.len() > self.keywords.len() {
            self.keywords = keywords;
            self.say_flags(out);
        }
    }

    /// `* FLAGS` and PERMANENTFLAGS (RFC 3501 section 7.2.6).
    pub(super) fn say_flags(&self, out: &mut Vec<u8>) {
        let all: Vec<&str> =
            SYSTEM.iter().map(|&(_, name)| name).chain(self.keywords.iter().map(String::as_str)).collect();
        data::flags(&all, out);
        let permanent: Vec<&str> = match self.read_only {
            true => Vec::new(),
            false => all.into_iter().chain(["\\*"]).collect(),
        };
        data::ok(postkern::imap::Code::PermanentFlags(&permanent), "flags", out);
    }
}

/// The system flags, by name.
pub(super) const SYSTEM: [(Flags, &str); 5] = [
    (Flags::ANSWERED, "\\Answered"),
    (Flags::FLAGGED, "\\Flagged"),
    (Flags::DELETED, "\\Deleted"),
    (Flags::SEEN, "\\Seen"),
    (Flags::DRAFT, "\\Draft"),
];

fn names(flags: Flags, keywords: &[String]) -> impl Iterator<Item = &str> {
    let system = SYSTEM.iter().filter(move |(flag, _)| flags.has(*flag)).map(|&(_, name)| name);
    let keywords = keywords.iter().take(Flags::KEYWORDS_MAX).enumerate();
    system.chain(keywords.filter(move |(index, _)| flags.has(Flags::keyword(*index))).map(|(_, name)| name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::MailboxStatus;

    fn view(uids: &[u32]) -> View {
        let selected = Selected {
            mailbox: MailboxId(1),
            status: MailboxStatus::default(),
            uids: uids.to_vec(),
            recent_from: 9,
            first_unseen: None,
            keywords: Vec::new(),
        };
        View::new(&selected, false)
    }

    #[test]
    fn sets_mean_messages_of_the_view() {
        let full = view(&[2, 3, 5, 8, 9]);
        for (set, by_uid, is) in [
            ("1", false, Some("2")),
            ("*", false, Some("9")),
            ("2:4", false, Some("3:8")),
            ("4:*", false, Some("8:9")),
            ("3:500", false, Some("5:9")),
            ("6", false, None),
            ("1:*", true, Some("2:9")),
            ("4:7", true, Some("5")),
            ("100:*", true, Some("9")),
            ("6:7", true, Some("")),
        ] {
            let set = SequenceSet::parse(set.as_bytes()).unwrap();
            let got = full.resolve(set, by_uid).map(|set| set.to_string());
            assert_eq!(got.as_deref(), is, "{set:?} {by_uid}");
        }
        let empty = view(&[]);
        for by_uid in [false, true] {
            let all = SequenceSet::parse(b"1:*").unwrap();
            assert_eq!(empty.resolve(all, by_uid), Some(UidSet::default()));
        }
    }

    #[test]
    fn sets_are_taken_in_parts() {
        let view = view(&[2, 3, 5, 8, 9]);
        let mut set = UidSet::from_ranges(vec![(1, 5), (8, 20)]);
        assert_eq!(view.take(&mut set, 2).to_string(), "1:3");
        assert_eq!(set.to_string(), "5,8:20");
        assert_eq!(view.take(&mut set, 9).to_string(), "5,8:9");
        assert!(set.is_empty());
    }

    #[test]
    fn expunges_shift_the_numbers_behind_them() {
        let mut view = view(&[2, 3, 5, 8, 9]);
        let mut out = Vec::new();
        view.remove(&UidSet::from_ranges(vec![(3, 5), (9, 9)]), &mut out);
        assert_eq!(String::from_utf8_lossy(&out), "* 2 EXPUNGE\r\n* 2 EXPUNGE\r\n* 3 EXPUNGE\r\n");
        assert_eq!(view.uids(), [2, 8]);
    }
}
