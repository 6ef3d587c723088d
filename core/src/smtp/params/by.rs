//! The time that delivery may take (RFC 2852).

use alloc::vec::Vec;

use super::up_to_nine;
use crate::text::{put, put_number};

/// BY.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct DeliverBy {
    /// Seconds that are left: -999999999 to 999999999.
    pub seconds: i32,
    /// What is to happen when they are over.
    pub mode: ByMode,
    /// Whether the sender wants to hear of relaying (`T`).
    pub trace: bool,
}

/// What happens to a message that is late (RFC 2852 section 4).
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ByMode {
    /// `N`: the sender is told, and delivery goes on.
    Notify,
    /// `R`: it is returned.
    Return,
}

impl DeliverBy {
    const SECONDS_MAX: i32 = 999_999_999;

    pub(super) fn parse(value: &str) -> Option<Self> {
        let (time, mode) = value.split_once(';')?;
        let (sign, digits) = match time.as_bytes().first()? {
            b'-' => (-1, &time[1..]),
            b'+' => (1, &time[1..]),
            _ => (1, time),
        };
        let seconds = sign * i32::try_from(up_to_nine(digits)?).ok()?;
        let (mode, trace) = match mode.as_bytes() {
            [mode] => (mode, false),
            [mode, b'T' | b't'] => (mode, true),
            _ => return None,
        };
        let mode = match mode {
            b'N' | b'n' => ByMode::Notify,
            b'R' | b'r' => ByMode::Return,
            _ => return None,
        };
        Some(Self { seconds, mode, trace }).filter(Self::is_valid)
    }

    fn is_valid(&self) -> bool {
        let range = -Self::SECONDS_MAX..=Self::SECONDS_MAX;
        // RFC 2852 section 4: what is late already cannot be returned if late.
        range.contains(&self.seconds) && (self.mode == ByMode::Notify || self.seconds > 0)
    }

    /// Whether less time is left than a server promises to keep to, with a return if it fails.
    pub(super) fn is_hasty(&self, least: u32) -> bool {
        self.mode == ByMode::Return && self.seconds.unsigned_abs() < least
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        self.is_valid().then_some(())?;
        if self.seconds < 0 {
            out.push(b'-');
        }
        put_number(self.seconds.unsigned_abs().into(), out);
        let mode = if self.mode == ByMode::Notify { b";N" } else { b";R" };
        put(&[mode, if self.trace { b"T" } else { b"" }], out);
        Some(())
    }
}

#[cfg(feature = "arbitrary")]
impl arbitrary::Arbitrary<'_> for DeliverBy {
    fn arbitrary(u: &mut arbitrary::Unstructured<'_>) -> arbitrary::Result<Self> {
        let mode = ByMode::arbitrary(u)?;
        let least = if mode == ByMode::Return { 1 } else { -Self::SECONDS_MAX };
        Ok(Self { seconds: u.int_in_range(least..=Self::SECONDS_MAX)?, mode, trace: u.arbitrary()? })
    }
}
