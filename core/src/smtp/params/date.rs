//! Dates of RFC 3339, to the second.

use alloc::vec::Vec;

use crate::text::{number, put_number};

/// 0000-01-01T00:00:00Z in seconds after 1970.
pub const DATE_MIN: i64 = -62_167_219_200;
/// 9999-12-31T23:59:59Z in seconds after 1970.
pub const DATE_MAX: i64 = 253_402_300_799;

/// Reads `2026-11-25T02:43:50Z`, also with a fraction, which is dropped, and with an offset
/// (RFC 3339 section 5.6). In seconds after 1970.
pub(in crate::smtp) fn parse(text: &str) -> Option<i64> {
    let text = text.as_bytes();
    let (date, rest) = text.split_at_checked(19)?;
    let [_, _, _, _, b'-', _, _, b'-', _, _, b'T' | b't', _, _, b':', _, _, b':', _, _] = date else { return None };
    let field = |from: usize, to: usize| number(&date[from..to]).map(i64::from);
    let (year, month, day) = (field(0, 4)?, field(5, 7)?, field(8, 10)?);
    let (hour, minute, second) = (field(11, 13)?, field(14, 16)?, field(17, 19)?);
    let days = [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let last = *days.get(usize::try_from(month - 1).ok()?)?;
    // RFC 3339 section 5.7: a leap second is the 60th.
    if !(1..=last).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    let moment = seconds - offset(fraction(rest)?)?;
    (DATE_MIN..=DATE_MAX).contains(&moment).then_some(moment)
}

/// What follows a fraction, if there is one.
fn fraction(text: &[u8]) -> Option<&[u8]> {
    let [b'.', rest @ ..] = text else { return Some(text) };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (digits > 0).then(|| &rest[digits..])
}

/// Seconds that a zone is before UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    let (sign, hour, minute) = match zone {
        b"Z" | b"z" => return Some(0),
        [b'+', a, b, b':', c, d] => (1, number(&[*a, *b])?, number(&[*c, *d])?),
        [b'-', a, b, b':', c, d] => (-1, number(&[*a, *b])?, number(&[*c, *d])?),
        _ => return None,
    };
    (hour <= 23 && minute <= 59).then_some(sign * (i64::from(hour) * 3600 + i64::from(minute) * 60))
}

/// Appends a moment in UTC; none if its year has not four digits.
pub(in crate::smtp) fn write(moment: i64, out: &mut Vec<u8>) -> Option<()> {
    (DATE_MIN..=DATE_MAX).contains(&moment).then_some(())?;
    let (year, month, day) = civil_from_days(moment.div_euclid(86_400));
    let second = moment.rem_euclid(86_400);
    for (value, width, after) in [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        (second / 3600, 2, b':'),
        (second / 60 % 60, 2, b':'),
        (second % 60, 2, b'Z'),
    ] {
        let len = (1..width).filter(|&digits| value < 10_i64.pow(digits)).count();
        out.extend(core::iter::repeat_n(b'0', len));
        put_number(value as u64, out);
        out.push(after);
    }
    Some(())
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days after 1970-01-01, in years that begin in March: their last day is the leap day.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let in_year = (153 * month + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + in_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let in_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let in_year = day - (365 * in_era + in_era / 4 - in_era / 100);
    let month = (5 * in_year + 2) / 153;
    let day = in_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + in_era;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read() {
        for (text, is) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-11-25T02:43:50Z", Some(1_795_574_630)),
            ("2026-11-25t03:43:50.123+01:00", Some(1_795_574_630)),
            ("2026-11-24T21:13:50-05:30", Some(1_795_574_630)),
            ("2000-02-29T00:00:00Z", Some(951_782_400)),
            ("2016-12-31T23:59:60Z", Some(1_483_228_800)),
            ("0000-01-01T00:00:00Z", Some(DATE_MIN)),
            ("9999-12-31T23:59:59Z", Some(DATE_MAX)),
            ("9999-12-31T23:59:59-00:01", None),
            ("0000-01-01T00:00:00+00:01", None),
            ("2026-02-29T00:00:00Z", None),
            ("2026-00-10T00:00:00Z", None),
            ("2026-13-10T00:00:00Z", None),
            ("2026-01-00T00:00:00Z", None),
            ("2026-01-01T24:00:00Z", None),
            ("2026-01-01T00:60:00Z", None),
            ("2026-01-01T00:00:61Z", None),
            ("2026-01-01T00:00:00", None),
            ("2026-01-01T00:00:00.Z", None),
            ("2026-01-01T00:00:00+0100", None),
            ("2026-01-01T00:00:00+24:00", None),
            ("2026-01-01 00:00:00Z", None),
            ("+026-01-01T00:00:00Z", None),
            ("2026-01-01", None),
            ("", None),
        ] {
            assert_eq!(parse(text), is, "{text}");
        }
    }

    #[test]
    fn dates_lead_back() {
        let written = |moment| {
            let mut out = Vec::new();
            write(moment, &mut out).map(|()| alloc::string::String::from_utf8(out).unwrap())
        };
        for moment in (DATE_MIN..=DATE_MAX).step_by(86_399 * 997).chain([DATE_MIN, -1, 0, 951_782_399, DATE_MAX]) {
            let text = written(moment).unwrap();
            assert_eq!((text.len(), parse(&text)), (20, Some(moment)), "{text}");
        }
        assert_eq!(written(1_795_574_630).as_deref(), Some("2026-11-25T02:43:50Z"));
        assert_eq!((written(DATE_MIN - 1), written(DATE_MAX + 1)), (None, None));
    }
}
