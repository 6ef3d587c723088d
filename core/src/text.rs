//! Small helpers over octets: words, numbers, decimal output.

use alloc::vec::Vec;

/// Splits off the word before the first space. Words are short: a loop is through one before
/// a search has begun.
pub(crate) fn word(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|&byte| byte == b' ') {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, b""),
    }
}

/// What stands before and behind the first `separator`, an octet of ASCII; all of it and
/// nothing without one. For short parts, as [`word`].
pub(crate) fn cut(text: &str, separator: u8) -> (&str, &str) {
    match text.bytes().position(|byte| byte == separator) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    }
}

/// The line without its CRLF or LF.
pub(crate) fn chomp(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Decimal digits and nothing else, at most `u32::MAX`.
pub(crate) fn number(digits: &[u8]) -> Option<u32> {
    u32::try_from(number64(digits)?).ok()
}

/// Decimal digits and nothing else, at most `u64::MAX`.
pub(crate) fn number64(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, digit| {
        let value = digit.wrapping_sub(b'0');
        if value > 9 {
            return None;
        }
        sum.checked_mul(10)?.checked_add(value.into())
    })
}

/// What follows `prefix`, compared without regard to case.
pub(crate) fn strip_prefix<'i>(line: &'i [u8], prefix: &[u8]) -> Option<&'i [u8]> {
    let head = line.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &line[prefix.len()..])
}

/// Whether these are octets of base64, as far as a line is concerned.
pub(crate) fn is_base64(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
}

/// Appends `number` in decimal.
pub(crate) fn put_number(number: u64, out: &mut Vec<u8>) {
    // Most numbers of a reply's code are this short.
    if number < 10 {
        return out.push(b'0' + number as u8);
    }
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends each part.
pub(crate) fn put(parts: &[&[u8]], out: &mut Vec<u8>) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// Octets that came from elsewhere and are only of use on a line: printable ASCII stays,
/// the rest becomes `?`. No answer of ours can be split or coloured by what a peer said.
pub(crate) fn put_printable(text: &[u8], out: &mut Vec<u8>) {
    out.extend(text.iter().map(|&byte| if matches!(byte, b' '..=b'~') { byte } else { b'?' }));
}

/// Appends a line of our own text; line ends, NUL and other controls in it become `?`.
pub(crate) fn put_text(text: &str, out: &mut Vec<u8>) {
    // Each octet is looked at: a loop that may stop early does not become vector code.
    if text.bytes().fold(true, |so_far, byte| so_far & (byte >= b' ') & (byte != 0x7f)) {
        out.extend_from_slice(text.as_bytes());
    } else {
        debug_assert!(false, "control octets in a reply's text: {text:?}");
        put_printable(text.as_bytes(), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_checked() {
        for (digits, is) in [
            (&b"0"[..], Some(0)),
            (b"4294967295", Some(u32::MAX)),
            (b"4294967296", None),
            (b"4294967297", None),
            (b"18446744073709551617", None),
            (b"", None),
            (b"+1", None),
            (b"-1", None),
            (b" 1", None),
            (b"1 ", None),
            (b"0x1", None),
        ] {
            assert_eq!(number(digits), is, "{digits:?}");
        }
    }

    #[test]
    fn numbers_are_written_whole() {
        let mut out = Vec::new();
        for number in [0, 7, 10, 4_294_967_296, u64::MAX] {
            put_number(number, &mut out);
            out.push(b' ');
        }
        assert_eq!(out, b"0 7 10 4294967296 18446744073709551615 ");
    }
}
