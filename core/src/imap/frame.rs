//! Framing of IMAP commands and responses: lines glued together by literals (RFC 3501
//! section 2.2, RFC 7888).

use crate::text::number;

/// Finds the end of a command whose literals stand among its lines. Linear: an octet is
/// looked at once, and the octets of a literal never.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Octets at the front of the input that are settled; may lie past its end while a
    /// literal is still coming.
    settled: usize,
    /// Octets behind them known to hold no line end.
    scanned: usize,
}

/// What was found at the front of the input.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Found {
    /// A command or response of `len` octets is whole.
    Whole { len: usize },
    /// The octets up to `head` end in a literal's announcement.
    Literal { head: usize, octets: u64, sync: bool },
}

impl Scan {
    pub(super) fn poll(&mut self, input: &[u8]) -> Option<Found> {
        let from = self.settled.max(self.scanned);
        // Only CRLF ends a line: behind a bare LF no command and no response begins.
        let end = memchr::memchr_iter(b'\n', input.get(from..)?)
            .map(|at| from + at)
            .find(|&at| at > self.settled && input[at - 1] == b'\r');
        let Some(end) = end else {
            self.scanned = input.len();
            return None;
        };
        let head = end + 1;
        self.scanned = head;
        match announcement(&input[self.settled..head]) {
            None => {
                self.cut();
                Some(Found::Whole { len: head })
            }
            Some((octets, sync)) => Some(Found::Literal { head, octets, sync }),
        }
    }

    /// The literal found last is to stand among its command: wait for it.
    pub(super) fn inline(&mut self, head: usize, octets: usize) {
        self.settled = head + octets;
    }

    /// What was found last is taken as a frame of its own.
    pub(super) fn cut(&mut self) {
        *self = Self::default();
    }

    /// Octets that the unfinished command has or will have.
    pub(super) fn reserved(&self) -> usize {
        self.settled
    }
}

/// The size in `{n}` or `{n+}` before the line end. A number that no message can have is
/// still an announcement, so that it is refused and not read as a command's end.
pub(super) fn announcement(line: &[u8]) -> Option<(u64, bool)> {
    let line = line.strip_suffix(b"}\r\n")?;
    let open = memchr::memrchr(b'{', line)?;
    let (digits, sync) = match line[open + 1..].strip_suffix(b"+") {
        Some(digits) => (digits, false),
        None => (&line[open + 1..], true),
    };
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| (number(digits).map_or(u64::MAX, u64::from), sync))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements() {
        for (line, is) in [
            (&b"a LOGIN {3}\r\n"[..], Some((3, true))),
            (b"a LOGIN {3+}\r\n", Some((3, false))),
            (b"a LOGIN {0}\r\n", Some((0, true))),
            (b"a LOGIN {4294967295}\r\n", Some((4_294_967_295, true))),
            (b"a LOGIN {4294967296}\r\n", Some((u64::MAX, true))),
            (b"a LOGIN {}\r\n", None),
            (b"a LOGIN {-1}\r\n", None),
            (b"a LOGIN {3}\n", None),
            (b"a LOGIN {3} \r\n", None),
            (b"a LOGIN \"{3}\"\r\n", None),
        ] {
            assert_eq!(announcement(line), is, "{line:?}");
        }
    }

    #[test]
    fn a_literals_octets_are_not_looked_at() {
        let mut scan = Scan::default();
        let input = b"a X {5}\r\n\r\n{9 y\r\nb";
        assert_eq!(scan.poll(&input[..8]), None);
        assert_eq!(scan.poll(&input[..9]), Some(Found::Literal { head: 9, octets: 5, sync: true }));
        scan.inline(9, 5);
        assert_eq!(scan.poll(&input[..12]), None);
        assert_eq!(scan.poll(input), Some(Found::Whole { len: 17 }));
        // The LF behind a literal that ends in CR ends nothing.
        let mut scan = Scan::default();
        scan.inline(0, 1);
        assert_eq!(scan.poll(b"\r\na\nb\r"), None);
        assert_eq!(scan.poll(b"\r\na\nb\r\n"), Some(Found::Whole { len: 7 }));
    }
}
