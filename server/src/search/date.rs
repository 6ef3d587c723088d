//! The day of a Date field (RFC 5322 sections 3.3 and 4.3).

use postkern::imap::Date;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Days since 1970-01-01 of the day that a date names, in its own zone; none if it names none
/// that exists. The day of the week and all behind the year are not looked at.
pub(super) fn day(value: &[u8]) -> Option<i64> {
    let parts = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b'-');
    let mut words = value.split(parts).filter(|word| !word.is_empty());
    let first = words.next()?;
    let day = if first[0].is_ascii_digit() { first } else { words.next()? };
    let day = number(day).filter(|&day| day <= 31)?;
    let month = words.next()?.get(..3)?;
    let month = MONTHS.iter().position(|of| of.as_bytes().eq_ignore_ascii_case(month))? + 1;
    let written = words.next()?;
    // RFC 5322 section 4.3: years of two and three digits.
    let year = match (written.len(), number(written)?) {
        (2, year @ 0..50) => year + 2000,
        (2 | 3, year) => year + 1900,
        (4, year) => year,
        _ => return None,
    };
    Some(Date::new(year, month as u8, day as u8)?.days())
}

/// One to four digits.
fn number(digits: &[u8]) -> Option<u16> {
    (digits.len() <= 4 && digits.iter().all(u8::is_ascii_digit)).then(|| str::from_utf8(digits).ok()?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read() {
        for (value, is) in [
            ("Mon, 7 Feb 1994 21:52:25 -0800 (PST)", Some((1994, 2, 7))),
            ("07 feb 1994 23:59 +1400", Some((1994, 2, 7))),
            ("Mon,\r\n 7 Feb 94", Some((1994, 2, 7))),
            ("7 Feb 04", Some((2004, 2, 7))),
            ("7 Feb 104", Some((2004, 2, 7))),
            ("7-Feb-1994 00:00:00", Some((1994, 2, 7))),
            ("Mon 7 February 1994", Some((1994, 2, 7))),
            ("30 Feb 1994", None),
            ("32 Jan 1994", None),
            ("7 Fe 1994", None),
            ("7 Feb 1", None),
            ("7 Feb 19940", None),
            ("Mon", None),
            ("", None),
        ] {
            let is = is.map(|(year, month, day)| Date::new(year, month, day).unwrap().days());
            assert_eq!(day(value.as_bytes()), is, "{value:?}");
        }
    }
}
