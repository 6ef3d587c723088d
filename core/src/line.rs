//! Framing of lines: resumable, linear, limited.

use crate::machine::{Frame, Kind};

/// Finds line ends without looking at an octet twice.
///
/// Only CRLF ends a line (RFC 5321 section 2.3.8): what stands behind a bare LF is of the
/// same line, is refused with it by [`strict`], and can never be a second command.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// Octets at the front of the input known to hold no line end.
    scanned: usize,
    /// The current line is over its limit: its octets are thrown away as they come.
    excess: bool,
}

impl Lines {
    /// The next line, or the next part of a line that is over `max` octets.
    pub(crate) fn poll(&mut self, input: &[u8], max: usize) -> Option<Frame> {
        let end = memchr::memchr_iter(b'\n', &input[self.scanned..])
            .map(|at| self.scanned + at)
            .find(|&at| at > 0 && input[at - 1] == b'\r')
            .map(|at| at + 1);
        let len = end.unwrap_or(input.len());
        if self.excess || len > max {
            // A CR at the end waits for the LF that may make it a line's end.
            let len = if end.is_none() && input.ends_with(b"\r") { len - 1 } else { len };
            if len == 0 {
                return None;
            }
            self.scanned = 0;
            self.excess = end.is_none();
            // The last part is a line's end: it is what gets answered.
            let kind = if end.is_some() { Kind::ExcessEnd } else { Kind::Excess };
            return Some(Frame::new(kind, len));
        }
        self.scanned = if end.is_some() { 0 } else { len };
        end.map(|len| Frame::new(Kind::Line, len))
    }
}

/// A whole line without its CRLF; none if it ends otherwise or has NUL, CR or LF within.
///
/// RFC 5321 section 2.3.8, RFC 1939 section 3: a line ends in CRLF and nothing else. NUL is
/// refused because libraries below have taken it for an end (`USER alice<NUL>`).
pub(crate) fn strict(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_suffix(b"\r\n")?;
    memchr::memchr3(b'\r', b'\n', 0, line).is_none().then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_crlf_ends_a_line_and_nothing_hides_in_it() {
        for (line, is) in [
            (&b"NOOP\r\n"[..], Some(&b"NOOP"[..])),
            (b"\r\n", Some(b"")),
            (b"NOOP\n", None),
            (b"NO\rOP\r\n", None),
            (b"NO\0OP\r\n", None),
            (b"NOOP\r\r\n", None),
        ] {
            assert_eq!(strict(line), is, "{line:?}");
        }
    }

    #[test]
    fn an_excessive_line_is_dropped_in_parts_and_answered_once() {
        let mut lines = Lines::default();
        assert_eq!(lines.poll(b"123456", 4), Some(Frame::new(Kind::Excess, 6)));
        assert_eq!(lines.poll(b"", 4), None);
        assert_eq!(lines.poll(b"7\r\nab\r\n", 4), Some(Frame::new(Kind::ExcessEnd, 3)));
        assert_eq!(lines.poll(b"ab\r\n", 4), Some(Frame::new(Kind::Line, 4)));
        // Neither half of a CRLF ends one alone.
        assert_eq!(lines.poll(b"12345\n\r", 4), Some(Frame::new(Kind::Excess, 6)));
        assert_eq!(lines.poll(b"\r", 4), None);
        assert_eq!(lines.poll(b"\r\na", 4), Some(Frame::new(Kind::ExcessEnd, 2)));
        assert_eq!(lines.poll(b"a\n", 4), None);
        assert_eq!(lines.poll(b"a\nb\r\n", 5), Some(Frame::new(Kind::Line, 5)));
    }
}
