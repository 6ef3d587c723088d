//! Dates of IMAP (RFC 3501 section 9: `date`, `date-time`).

use alloc::vec::Vec;

use super::cursor::Cursor;
use crate::text::put_number;

/// A day.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Date {
    /// 0 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

/// A day, a time of day and a zone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DateTime {
    /// The day there.
    pub date: Date,
    /// Seconds of the day there; 86400 in a leap second.
    pub seconds: u32,
    /// Minutes that the zone is ahead of UTC.
    pub zone: i16,
}

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

impl Date {
    /// A day that exists in the Gregorian calendar.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
        let days = match month {
            2 => 28 + u8::from(leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        (year <= 9999 && (1..=days).contains(&day)).then_some(Self { year, month, day })
    }

    /// Days since 1970-01-01, negative before.
    pub fn days(self) -> i64 {
        // Counts from March, so that a leap day is the last of its year.
        let early = self.month <= 2;
        let year = i64::from(self.year) - i64::from(early);
        let month = i64::from(if early { self.month + 9 } else { self.month - 3 });
        let era = year.div_euclid(400);
        let of_era = year.rem_euclid(400);
        let of_year = (153 * month + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
    }

    /// The day so many days after 1970-01-01; none outside the years 0 to 9999.
    pub fn from_days(days: i64) -> Option<Self> {
        let days = days.checked_add(719_468)?;
        let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self::new(u16::try_from(year).ok()?, month as u8, day as u8)
    }

    /// Appends `1-Feb-1994`.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        put_number(self.day.into(), out);
        out.push(b'-');
        out.extend_from_slice(MONTHS[usize::from(self.month - 1) % 12]);
        out.push(b'-');
        let year = self.year;
        out.extend([year / 1000, year / 100 % 10, year / 10 % 10, year % 10].map(|digit| b'0' + digit as u8));
    }

    /// `1-Feb-1994`, in quotes or not.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        let quoted = cursor.eat(b'"');
        let day = cursor.run(|byte| byte.is_ascii_digit()).filter(|digits| digits.len() <= 2)?;
        let date = Self::read_rest(day, cursor)?;
        if quoted {
            cursor.need(b'"')?;
        }
        Some(date)
    }

    fn read_rest(day: &[u8], cursor: &mut Cursor<'_>) -> Option<Self> {
        cursor.need(b'-')?;
        let month = cursor.run(|byte| byte.is_ascii_alphabetic())?;
        let month = MONTHS.iter().position(|name| month.eq_ignore_ascii_case(*name))? + 1;
        cursor.need(b'-')?;
        let year = cursor.run(|byte| byte.is_ascii_digit()).filter(|digits| digits.len() == 4)?;
        let small = |digits| crate::text::number(digits).and_then(|number| u16::try_from(number).ok());
        Self::new(small(year)?, month as u8, small(day)? as u8)
    }
}

impl DateTime {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub fn unix(self) -> i64 {
        self.date.days() * 86_400 + i64::from(self.seconds) - i64::from(self.zone) * 60
    }

    /// In UTC; none outside the years 0 to 9999.
    pub fn from_unix(seconds: i64) -> Option<Self> {
        let date = Date::from_days(seconds.div_euclid(86_400))?;
        Some(Self { date, seconds: seconds.rem_euclid(86_400) as u32, zone: 0 })
    }

    /// Checks one that stands alone: `"17-Jul-1996 02:44:25 -0700"`, with its quotes.
    pub fn parse(date: &[u8]) -> Option<Self> {
        let mut cursor = Cursor(date);
        let date = Self::read(&mut cursor)?;
        cursor.end().map(|()| date)
    }

    /// Appends `"17-Jul-1996 02:44:25 -0700"`, with its quotes.
    pub fn write(self, out: &mut Vec<u8>) {
        let two = |number: u32, out: &mut Vec<u8>| {
            out.push(b'0' + (number / 10 % 10) as u8);
            out.push(b'0' + (number % 10) as u8);
        };
        out.push(b'"');
        if self.date.day < 10 {
            out.push(b' ');
        }
        self.date.write(out);
        for (number, before) in [(self.seconds / 3600, b' '), (self.seconds / 60 % 60, b':'), (self.seconds % 60, b':')]
        {
            out.push(before);
            two(number, out);
        }
        let zone = u32::from(self.zone.unsigned_abs());
        out.extend_from_slice(if self.zone < 0 { b" -" } else { b" +" });
        two(zone / 60, out);
        two(zone % 60, out);
        out.push(b'"');
    }

    /// In quotes; the day is of two characters, the first of which may be a space.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        cursor.need(b'"')?;
        let fixed = !cursor.eat(b' ');
        let day = cursor.run(|byte| byte.is_ascii_digit())?;
        if day.len() > 2 || !fixed && day.len() != 1 {
            return None;
        }
        let date = Date::read_rest(day, cursor)?;
        cursor.sp()?;
        let two = |cursor: &mut Cursor<'_>| {
            let digits = cursor.run(|byte| byte.is_ascii_digit())?;
            (digits.len() == 2).then(|| crate::text::number(digits)).flatten()
        };
        let hour = two(cursor).filter(|&hour| hour < 24)?;
        cursor.need(b':')?;
        let minute = two(cursor).filter(|&minute| minute < 60)?;
        cursor.need(b':')?;
        let second = two(cursor).filter(|&second| second <= 60)?;
        cursor.sp()?;
        let sign = match cursor.peek()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        cursor.0 = &cursor.0[1..];
        let zone = cursor.run(|byte| byte.is_ascii_digit()).filter(|digits| digits.len() == 4)?;
        let zone = crate::text::number(zone).filter(|zone| zone % 100 < 60)?;
        cursor.need(b'"')?;
        let minutes = (zone / 100 * 60 + zone % 100) as i16;
        Some(Self { date, seconds: hour * 3600 + minute * 60 + second, zone: sign * minutes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_both_ways() {
        for (days, year, month, day) in [
            (0, 1970, 1, 1),
            (-1, 1969, 12, 31),
            (11_016, 2000, 2, 29),
            (11_017, 2000, 3, 1),
            (20_000, 2024, 10, 4),
            (-719_528, 0, 1, 1),
            (2_932_896, 9999, 12, 31),
        ] {
            let date = Date::new(year, month, day).unwrap();
            assert_eq!(date.days(), days);
            assert_eq!(Date::from_days(days), Some(date));
        }
        assert_eq!(Date::from_days(2_932_897), None);
        assert_eq!(Date::new(2023, 2, 29), None);
        assert_eq!(Date::new(1900, 2, 29), None);
    }

    #[test]
    fn date_times_are_read_and_written() {
        for (text, unix) in [
            ("\"17-Jul-1996 02:44:25 -0700\"", Some(837_596_665)),
            ("\" 1-Jan-1970 00:00:00 +0000\"", Some(0)),
            ("\"31-Dec-9999 23:59:59 +0000\"", Some(253_402_300_799)),
            ("\"32-Jan-1970 00:00:00 +0000\"", None),
            ("\"01-Jan-1970 24:00:00 +0000\"", None),
            ("\"01-Jan-1970 0:00:00 +0000\"", None),
            ("\"01-Jan-1970 00:00:00\"", None),
            ("\"01-Jan-1970 00:00:00 0000\"", None),
            ("\"01-Jan-70 00:00:00 +0000\"", None),
        ] {
            let mut cursor = Cursor(text.as_bytes());
            let read = DateTime::read(&mut cursor).filter(|_| cursor.is_end());
            assert_eq!(read.map(DateTime::unix), unix, "{text}");
            if let Some(read) = read {
                let mut out = Vec::new();
                read.write(&mut out);
                assert_eq!(core::str::from_utf8(&out).unwrap(), text);
            }
        }
    }
}
