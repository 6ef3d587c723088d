//! What is known of a mailbox and its messages without reading them.

use std::fmt;

use crate::job::Timestamp;

/// A mailbox's name in Unicode, levels parted by `/`, checked. INBOX is always `INBOX`.
///
/// The store never makes a path of it: it is data.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MailboxName(String);

/// Parts the levels of a name.
pub const SEPARATOR: char = '/';
/// Octets of UTF-8 of one level.
pub const LEVEL_MAX: usize = 255;
/// Levels of a name.
pub const LEVELS_MAX: usize = 32;

impl MailboxName {
    /// Every account's first mailbox.
    pub fn inbox() -> Self {
        Self("INBOX".into())
    }

    /// Checks a name: no control characters, no empty level, no level `.` or `..`, no
    /// wildcard, within the limits. Any case of INBOX is INBOX (RFC 3501 section 5.1), also
    /// as the first of several levels.
    ///
    /// # Errors
    /// Why not, in words for the client.
    pub fn new(name: &str) -> Result<Self, &'static str> {
        if name.split(SEPARATOR).count() > LEVELS_MAX {
            return Err("too many levels in the mailbox name");
        }
        for level in name.split(SEPARATOR) {
            match level {
                "" => return Err("empty level in the mailbox name"),
                "." | ".." => return Err("a level of a mailbox name may not be . or .."),
                _ if level.len() > LEVEL_MAX => return Err("a level of the mailbox name is too long"),
                _ if level.chars().any(|c| c.is_control() || matches!(c, '%' | '*' | '\u{2028}' | '\u{2029}')) => {
                    return Err("character not allowed in a mailbox name");
                }
                _ => {}
            }
        }
        let first = name.split(SEPARATOR).next().unwrap_or_default();
        if first.eq_ignore_ascii_case("INBOX") {
            return Ok(Self(format!("INBOX{}", &name[first.len()..])));
        }
        Ok(Self(name.into()))
    }

    /// The name, in Unicode.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is INBOX itself.
    pub fn is_inbox(&self) -> bool {
        self.0 == "INBOX"
    }

    /// The name one level up.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once(SEPARATOR).map(|(parent, _)| Self(parent.into()))
    }

    /// Whether this lies below `other`.
    pub fn is_below(&self, other: &Self) -> bool {
        self.0.strip_prefix(&other.0).is_some_and(|rest| rest.starts_with(SEPARATOR))
    }
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a mailbox is for (RFC 6154).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SpecialUse {
    /// \All
    All,
    /// \Archive
    Archive,
    /// \Drafts
    Drafts,
    /// \Flagged
    Flagged,
    /// \Junk
    Junk,
    /// \Sent
    Sent,
    /// \Trash
    Trash,
}

impl SpecialUse {
    /// All of them.
    pub const EACH: [Self; 7] =
        [Self::All, Self::Archive, Self::Drafts, Self::Flagged, Self::Junk, Self::Sent, Self::Trash];

    /// As LIST shows it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "\\All",
            Self::Archive => "\\Archive",
            Self::Drafts => "\\Drafts",
            Self::Flagged => "\\Flagged",
            Self::Junk => "\\Junk",
            Self::Sent => "\\Sent",
            Self::Trash => "\\Trash",
        }
    }

    /// From what LIST shows, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::EACH.into_iter().find(|of| of.as_str().eq_ignore_ascii_case(text))
    }
}

/// A message's flags: the system flags in the low bits, then a bit for each keyword of the
/// mailbox, in the order of its list of keywords.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Flags(pub u64);

impl Flags {
    /// \Answered
    pub const ANSWERED: Self = Self(1);
    /// \Flagged
    pub const FLAGGED: Self = Self(1 << 1);
    /// \Deleted
    pub const DELETED: Self = Self(1 << 2);
    /// \Seen
    pub const SEEN: Self = Self(1 << 3);
    /// \Draft
    pub const DRAFT: Self = Self(1 << 4);
    /// The system flags that are kept; \Recent is of the session and stands nowhere.
    pub const SYSTEM: Self = Self(0b1_1111);
    /// The first keyword's bit.
    pub const KEYWORD_BASE: u32 = 8;
    /// Keywords that a mailbox may have. Bits 8 to 62, so that the value fits SQLite's signed
    /// integer.
    pub const KEYWORDS_MAX: usize = 55;

    /// The bit of the mailbox's keyword with this index.
    pub const fn keyword(index: usize) -> Self {
        debug_assert!(index < Self::KEYWORDS_MAX);
        Self(1 << (Self::KEYWORD_BASE + index as u32))
    }

    /// Whether all of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These and those.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These but not those.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// What is known of a message without reading it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Meta {
    /// Its number in the mailbox, for ever.
    pub uid: u32,
    /// As they are now.
    pub flags: Flags,
    /// Octets, as BODY[] has them.
    pub size: u64,
    /// INTERNALDATE.
    pub internal_date: Timestamp,
    /// Of its last change (RFC 7162).
    pub modseq: u64,
}

/// UIDs as ranges: ascending, apart from one another, none empty.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct UidSet(Vec<(u32, u32)>);

impl UidSet {
    /// A range, both ends included, in either order.
    pub fn range(from: u32, to: u32) -> Self {
        Self(vec![(from.min(to), from.max(to))])
    }

    /// From ranges in any order, which may overlap.
    pub fn from_ranges(mut ranges: Vec<(u32, u32)>) -> Self {
        ranges.sort_unstable();
        let mut set = Self::default();
        for (from, to) in ranges {
            set.push_range(from, to);
        }
        set
    }

    /// Adds a UID that is no less than any in the set.
    pub fn push(&mut self, uid: u32) {
        self.push_range(uid, uid);
    }

    /// Adds a range that begins no lower than the last one does.
    pub fn push_range(&mut self, from: u32, to: u32) {
        match self.0.last_mut() {
            Some((first, last)) if from <= last.saturating_add(1) => {
                debug_assert!(from >= *first, "pushed out of order");
                *last = (*last).max(to);
            }
            _ => self.0.push((from, to)),
        }
    }

    /// Removes all up to this one and itself.
    pub fn remove_to(&mut self, uid: u32) {
        self.0.retain_mut(|(from, to)| {
            *from = (*from).max(uid.saturating_add(1));
            from <= to && uid < u32::MAX
        });
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.0
    }

    /// Each UID, ascending. A set from a client may name four billion: ask the mailbox.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().flat_map(|&(from, to)| from..=to)
    }

    /// How many.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|&(from, to)| u64::from(to - from) + 1).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is one of them.
    pub fn contains(&self, uid: u32) -> bool {
        let at = self.0.partition_point(|&(_, to)| to < uid);
        self.0.get(at).is_some_and(|&(from, _)| from <= uid)
    }
}

impl FromIterator<u32> for UidSet {
    fn from_iter<I: IntoIterator<Item = u32>>(uids: I) -> Self {
        Self::from_ranges(uids.into_iter().map(|uid| (uid, uid)).collect())
    }
}

/// As in COPYUID and VANISHED: `1:3,7`.
impl fmt::Display for UidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, &(from, to)) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            match from == to {
                true => write!(f, "{comma}{from}")?,
                false => write!(f, "{comma}{from}:{to}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for (name, is) in [
            ("inbox", Some("INBOX")),
            ("iNbOx/a", Some("INBOX/a")),
            ("INBOXES", Some("INBOXES")),
            ("Entwürfe/日本", Some("Entwürfe/日本")),
            ("", None),
            ("/a", None),
            ("a/", None),
            ("a//b", None),
            ("a/../b", None),
            (".", None),
            ("a\r\nb", None),
            ("a\0b", None),
            ("a*", None),
        ] {
            assert_eq!(MailboxName::new(name).ok().as_ref().map(MailboxName::as_str), is, "{name:?}");
        }
        assert!(MailboxName::new(&"x".repeat(LEVEL_MAX)).is_ok());
        assert!(MailboxName::new(&"x".repeat(LEVEL_MAX + 1)).is_err());
        assert!(MailboxName::new(&vec!["x"; LEVELS_MAX].join("/")).is_ok());
        assert!(MailboxName::new(&vec!["x"; LEVELS_MAX + 1].join("/")).is_err());
    }

    #[test]
    fn uid_sets_are_ranges() {
        let set = UidSet::from_ranges(vec![(7, 9), (1, 2), (3, 3), (8, 12), (20, 20)]);
        assert_eq!(set.to_string(), "1:3,7:12,20");
        assert_eq!(set.len(), 10);
        assert!(set.contains(12) && !set.contains(13) && !set.contains(6));
        assert_eq!(set.iter().take(4).collect::<Vec<_>>(), [1, 2, 3, 7]);
        assert_eq!(UidSet::range(u32::MAX, u32::MAX).len(), 1);
        let mut rest = set.clone();
        rest.remove_to(8);
        assert_eq!(rest.to_string(), "9:12,20");
        rest.remove_to(u32::MAX);
        assert!(rest.is_empty());
    }
}
