//! Sequence sets (RFC 3501 section 9, `sequence-set`).

use super::cursor::Cursor;

/// A sequence set such as `1:4,7,9:*`, checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SequenceSet<'i>(&'i [u8]);

impl<'i> SequenceSet<'i> {
    /// Checks one that stands alone.
    pub fn parse(set: &'i [u8]) -> Option<Self> {
        let mut cursor = Cursor(set);
        let set = Self::read(&mut cursor)?;
        cursor.end().map(|()| set)
    }

    /// As it was written.
    pub fn as_bytes(&self) -> &'i [u8] {
        self.0
    }

    /// Lowest and highest of each range, given what `*` stands for: the number of messages
    /// for sequence numbers, the highest UID for UIDs. Ranges are in the order of writing and
    /// may overlap; reversed ones are turned round.
    pub fn ranges(&self, star: u32) -> impl Iterator<Item = (u32, u32)> + use<'i> {
        let bound = move |of: &[u8]| crate::text::number(of).unwrap_or(star);
        self.0.split(|&byte| byte == b',').map(move |range| {
            let mut ends = range.split(|&byte| byte == b':').map(bound);
            let first = ends.next().unwrap_or(star);
            let last = ends.next().unwrap_or(first);
            (first.min(last), first.max(last))
        })
    }

    pub(super) fn read(cursor: &mut Cursor<'i>) -> Option<Self> {
        let start = cursor.0;
        let bound = |cursor: &mut Cursor<'_>| cursor.eat(b'*') || cursor.nz_number().is_some();
        loop {
            bound(cursor).then_some(())?;
            if cursor.eat(b':') {
                bound(cursor).then_some(())?;
            }
            if !cursor.eat(b',') {
                break;
            }
        }
        Some(Self(&start[..start.len() - cursor.0.len()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn sets_are_checked() {
        for (set, is) in [
            (&b"1"[..], Some(&[(1, 1)][..])),
            (b"1:3,5,7:*", Some(&[(1, 3), (5, 5), (7, 9)])),
            (b"*", Some(&[(9, 9)])),
            (b"*:4", Some(&[(4, 9)])),
            (b"12:*", Some(&[(9, 12)])),
            (b"4:2", Some(&[(2, 4)])),
            (b"4294967295", Some(&[(u32::MAX, u32::MAX)])),
            (b"4294967296", None),
            (b"4294967297", None),
            (b"0", None),
            (b"1:0", None),
            (b"", None),
            (b"1,", None),
            (b",1", None),
            (b"1:", None),
            (b"1:2:3", None),
            (b"-1", None),
            (b"+1", None),
            (b"1 ", None),
        ] {
            let ranges = SequenceSet::parse(set).map(|set| set.ranges(9).collect::<Vec<_>>());
            assert_eq!(ranges.as_deref(), is, "{set:?}");
        }
    }
}
