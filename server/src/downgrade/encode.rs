//! Octets into lines: quoted-printable and base64 (RFC 2045 sections 6.7 and 6.8), and what
//! stands outside of parts. Each takes pieces cut anywhere and holds a few octets.

use super::Target;

/// Octets of an encoded line without its CRLF (RFC 2045 section 6.7 rule 5 and section 6.8).
const ENCODED_MAX: usize = 76;
/// Octets of any line without its CRLF (RFC 5322 section 2.1.1).
const LINE_MAX: usize = 998;

/// Quoted-printable of text: CRLF is a line end and stays one, all else that is not plain is
/// escaped, CR and LF alone too.
#[derive(Debug, Default)]
pub(crate) struct QuotedPrintable {
    /// Octets of the line so far.
    width: usize,
    /// A blank or CR whose form depends on what follows.
    last: Option<u8>,
}

impl QuotedPrintable {
    pub(crate) fn feed(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        for &byte in octets {
            match (self.last.take(), byte) {
                (Some(b'\r'), b'\n') => {
                    out.extend_from_slice(b"\r\n");
                    self.width = 0;
                    continue;
                }
                (Some(b'\r'), _) => self.escape(b'\r', out),
                // Blanks at the end of a line are lost on the way (section 6.7 rule 3).
                (Some(blank), b'\r') => self.blank(blank, out),
                (Some(blank), _) => self.plain(blank, out),
                (None, _) => {}
            }
            match byte {
                b' ' | b'\t' | b'\r' => self.last = Some(byte),
                b'!'..=b'<' | b'>'..=b'~' => self.plain(byte, out),
                _ => self.escape(byte, out),
            }
        }
    }

    pub(crate) fn end(&mut self, out: &mut Vec<u8>) {
        if let Some(last) = self.last.take() {
            self.escape(last, out);
        }
        self.width = 0;
    }

    /// A blank before a CR, which may begin a line end.
    fn blank(&mut self, blank: u8, out: &mut Vec<u8>) {
        self.escape(blank, out);
    }

    fn plain(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.room(1, out);
        out.push(byte);
    }

    fn escape(&mut self, byte: u8, out: &mut Vec<u8>) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        self.room(3, out);
        out.extend_from_slice(&[b'=', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }

    /// Begins a line where the next octets would leave no room for a soft line break.
    fn room(&mut self, octets: usize, out: &mut Vec<u8>) {
        if self.width + octets >= ENCODED_MAX {
            out.extend_from_slice(b"=\r\n");
            self.width = 0;
        }
        self.width += octets;
    }
}

/// Base64 of anything.
#[derive(Debug, Default)]
pub(crate) struct Base64 {
    width: usize,
    /// Octets short of three.
    held: [u8; 2],
    len: usize,
}

impl Base64 {
    pub(crate) fn feed(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        for &byte in octets {
            if let Some(place) = self.held.get_mut(self.len) {
                *place = byte;
                self.len += 1;
            } else {
                let [one, two] = self.held;
                self.group([one, two, byte], 4, out);
                self.len = 0;
            }
        }
    }

    pub(crate) fn end(&mut self, out: &mut Vec<u8>) {
        match (std::mem::take(&mut self.len), self.held) {
            (1, [one, _]) => self.group([one, 0, 0], 2, out),
            (2, [one, two]) => self.group([one, two, 0], 3, out),
            _ => {}
        }
        self.width = 0;
    }

    /// Three octets as four digits, those past `digits` as padding.
    fn group(&mut self, [one, two, three]: [u8; 3], digits: usize, out: &mut Vec<u8>) {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        if self.width >= ENCODED_MAX {
            out.extend_from_slice(b"\r\n");
            self.width = 0;
        }
        self.width += 4;
        let bits = u32::from_be_bytes([0, one, two, three]);
        let digit = |place: u32| DIGITS[(bits >> (18 - 6 * place)) as usize & 63];
        let mut group = [digit(0), digit(1), digit(2), digit(3)];
        group[digits..].fill(b'=');
        out.extend_from_slice(&group);
    }
}

/// Watches for what the next host does not take: octets that are not ASCII where it takes
/// those alone, NUL, CR and LF alone, lines longer than 998 octets.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    target: Target,
    /// Lines may be of any length.
    any_length: bool,
    cr: bool,
    width: usize,
}

impl Watch {
    pub(super) fn new(target: Target) -> Self {
        Self { target, any_length: false, cr: false, width: 0 }
    }

    /// Of a header, whose lines nobody can break.
    pub(super) fn of_header(target: Target) -> Self {
        Self { any_length: true, ..Self::new(target) }
    }

    /// Whether these octets hold such.
    pub(super) fn offends(&mut self, octets: &[u8]) -> bool {
        if self.target == Target::SevenBit && !octets.is_ascii() || memchr::memchr(0, octets).is_some() {
            return true;
        }
        let mut rest = octets;
        while let Some((&first, after)) = rest.split_first() {
            if std::mem::take(&mut self.cr) {
                if first != b'\n' {
                    return true;
                }
                self.width = 0;
                rest = after;
                continue;
            }
            let end = memchr::memchr2(b'\r', b'\n', rest);
            self.width += end.unwrap_or(rest.len());
            if self.width > LINE_MAX && !self.any_length || end.is_some_and(|end| rest[end] == b'\n') {
                return true;
            }
            self.cr = end.is_some();
            rest = end.map_or(&[], |end| &rest[end + 1..]);
        }
        false
    }

    /// Whether the end makes it so: a CR that stands alone.
    pub(super) fn ends_badly(&self) -> bool {
        self.cr
    }
}

/// Takes what offends out of text that nobody reads: in front of the first part and behind the
/// last (RFC 2046 section 5.1.1: to be ignored).
#[derive(Debug, Default)]
pub(super) struct Scrub {
    cr: bool,
    width: usize,
}

impl Scrub {
    pub(super) fn feed(&mut self, target: Target, octets: &[u8], out: &mut Vec<u8>) {
        for &byte in octets {
            if std::mem::take(&mut self.cr) {
                if byte == b'\n' {
                    out.extend_from_slice(b"\r\n");
                    self.width = 0;
                    continue;
                }
                self.put(b'?', out);
            }
            match byte {
                b'\r' => self.cr = true,
                b'\n' | 0 => self.put(b'?', out),
                128.. if target == Target::SevenBit => self.put(b'?', out),
                _ => self.put(byte, out),
            }
        }
    }

    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        if self.cr {
            self.put(b'?', out);
        }
        *self = Self::default();
    }

    fn put(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.width == LINE_MAX {
            out.extend_from_slice(b"\r\n");
            self.width = 0;
        }
        self.width += 1;
        out.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each_cut(text: &[u8], run: impl Fn(&[&[u8]]) -> String) -> String {
        let is = run(&[text]);
        for cut in 0..=text.len() {
            assert_eq!(run(&[&text[..cut], &text[cut..]]), is, "cut at {cut}");
        }
        is
    }

    #[test]
    fn quoted_printable() {
        let long = "x".repeat(80);
        let split = format!("{}=\r\n{}", "x".repeat(75), "x".repeat(5));
        for (text, is) in [
            (&b""[..], ""),
            (b"caf\xc3\xa9\r\n", "caf=C3=A9\r\n"),
            (b"a=b", "a=3Db"),
            (b"a \r\nb\t\r\n  c ", "a=20\r\nb=09\r\n  c=20"),
            (b"\r\n\r\n.\r\n", "\r\n\r\n.\r\n"),
            (b"a\rb\nc\r\r\n\r", "a=0Db=0Ac=0D\r\n=0D"),
            (b" \r \n", "=20=0D =0A"),
            (b"\0\x7f", "=00=7F"),
            (long.as_bytes(), &split),
        ] {
            let encoded = each_cut(text, |pieces| {
                let (mut encoder, mut out) = (QuotedPrintable::default(), Vec::new());
                pieces.iter().for_each(|piece| encoder.feed(piece, &mut out));
                encoder.end(&mut out);
                String::from_utf8(out).unwrap()
            });
            assert_eq!(encoded, is, "{}", text.escape_ascii());
        }
        let (mut encoder, mut out) = (QuotedPrintable::default(), Vec::new());
        encoder.feed(&[0xff; 200], &mut out);
        assert!(out.split(|&byte| byte == b'\n').all(|line| line.trim_ascii_end().len() <= ENCODED_MAX));
    }

    #[test]
    fn base64() {
        let long = [0_u8; 60];
        let split = format!("{}\r\nAAAA", "A".repeat(76));
        for (text, is) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foobar", "Zm9vYmFy"),
            (&[0xfb, 0xff], "+/8="),
            (&long, &split),
            (&long[..57], &split[..76]),
        ] {
            let encoded = each_cut(text, |pieces| {
                let (mut encoder, mut out) = (Base64::default(), Vec::new());
                pieces.iter().for_each(|piece| encoder.feed(piece, &mut out));
                encoder.end(&mut out);
                String::from_utf8(out).unwrap()
            });
            assert_eq!(encoded, is);
        }
    }

    #[test]
    fn what_offends_is_seen_and_scrubbed() {
        let (long, split) = ("x".repeat(LINE_MAX + 1), format!("{}\r\nx", "x".repeat(LINE_MAX)));
        for (text, seven, lines, scrubbed) in [
            (&b"plain\r\n\r\ntext"[..], false, false, "plain\r\n\r\ntext"),
            (b"caf\xe9", true, false, "caf?"),
            (b"a\0b", true, true, "a?b"),
            (b"a\rb", true, true, "a?b"),
            (b"a\nb", true, true, "a?b"),
            (b"a\r\r\n", true, true, "a?\r\n"),
            (b"a\r", true, true, "a?"),
            (long.as_bytes(), true, true, &split),
            (&long.as_bytes()[1..], false, false, &long[1..]),
        ] {
            for (target, is) in [(Target::SevenBit, seven), (Target::Lines, lines)] {
                each_cut(text, |pieces| {
                    let mut watch = Watch::new(target);
                    let offends = pieces.iter().any(|piece| watch.offends(piece));
                    assert_eq!(offends || watch.ends_badly(), is, "{} {target:?}", text.escape_ascii());
                    String::new()
                });
            }
            let clean = each_cut(text, |pieces| {
                let (mut scrub, mut out) = (Scrub::default(), Vec::new());
                pieces.iter().for_each(|piece| scrub.feed(Target::SevenBit, piece, &mut out));
                scrub.end(&mut out);
                String::from_utf8(out).unwrap()
            });
            assert_eq!(clean, scrubbed);
        }
    }
}
