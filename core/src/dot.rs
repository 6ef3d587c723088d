//! The dot-terminated message of SMTP DATA (RFC 5321 section 4.5.2) and of POP3
//! multi-line responses (RFC 1939 section 3), both ways.

use alloc::vec::Vec;

use memchr::memmem;

use crate::machine::{Frame, Kind};

/// Frames dot-stuffed input: chunks without their stuffing, then an end.
///
/// Only CRLF ends a line. A dot after a bare LF or CR is content, so no other sequence than
/// CRLF "." CRLF can end the message (CVE-2023-51764 and its kin). No chunk parts a CR from its
/// LF.
#[derive(Debug)]
pub(crate) struct Unstuff {
    line_start: bool,
}

impl Unstuff {
    pub(crate) fn new() -> Self {
        Self { line_start: true }
    }

    /// The next chunk or the end. A CR at the end of the input, and a dot at the start of a
    /// line, wait for what follows them.
    pub(crate) fn poll(&mut self, input: &[u8]) -> Option<Frame> {
        let skip = match input {
            [b'.', b'\r', b'\n', ..] if self.line_start => return Some(Frame::new(Kind::End, 3)),
            [b'.'] | [b'.', b'\r'] if self.line_start => return None,
            [b'.', ..] if self.line_start => 1,
            _ => 0,
        };
        let end = match skip {
            0 => memmem::find(input, b"\r\n.").map(|at| at + 2),
            // One stuffed line often follows another: to begin a search for the next would
            // cost more than to read this one to its end.
            _ => memchr::memchr(b'\n', input).map(|at| at + 1),
        };
        let len = end.unwrap_or(input.strip_suffix(b"\r").unwrap_or(input).len());
        if len <= skip {
            return None;
        }
        self.line_start = input[..len].ends_with(b"\r\n");
        Some(Frame { len, skip, kind: Kind::Chunk })
    }
}

/// Whether each CR stands before an LF and each LF behind a CR, the chunk being whole in
/// this respect. Every pair is looked at, flawed or not: a loop that may stop early does not
/// become vector code, and this one does.
pub(crate) fn newlines_are_whole(chunk: &[u8]) -> bool {
    let [first, rest @ ..] = chunk else { return true };
    let flawed = chunk
        .iter()
        .zip(rest)
        .fold(0, |flawed, (&byte, &next)| flawed | (u8::from(byte == b'\r') ^ u8::from(next == b'\n')));
    flawed == 0 && *first != b'\n' && !chunk.ends_with(b"\r")
}

/// A message being sent, dot-stuffed piece by piece. Spend it to end the message.
///
/// Pieces may be cut anywhere. What is sent has no bare CR and no bare LF: each becomes a
/// CRLF, so that no message of ours can be read in two ways (CVE-2023-51764). The end adds a
/// CRLF if the last line lacks it. So more octets may be sent than were written, even after
/// the stuffing is removed.
///
/// In POP3 too, though LIST counts the octets as stored: a client that takes a bare LF for
/// the end of a line would take LF "." LF for the end of the message, and what the message
/// says next for our status. Stuffing such a dot would put it into the message of every
/// client that does as RFC 1939 section 3 says.
#[must_use = "the message is not ended until this is spent"]
#[derive(Debug, Eq, PartialEq)]
pub struct Body {
    /// At the start of a line, where a dot is doubled.
    line_start: bool,
    /// The last octet was a CR whose line end is not yet written.
    cr: bool,
    /// Lines are made whole and no dot is doubled.
    plain: bool,
}

impl Body {
    pub(crate) fn new() -> Self {
        Self { line_start: true, cr: false, plain: false }
    }

    /// One that only makes lines whole: for a message whose length is told beforehand.
    pub(crate) fn plain() -> Self {
        Self { plain: true, ..Self::new() }
    }

    pub(crate) fn write(&mut self, mut piece: &[u8], out: &mut Vec<u8>) {
        if piece.is_empty() {
            return;
        }
        if core::mem::take(&mut self.cr) {
            out.extend_from_slice(b"\r\n");
            self.line_start = true;
            piece = piece.strip_prefix(b"\n").unwrap_or(piece);
        }
        if let [whole @ .., b'\r'] = piece {
            self.cr = true;
            piece = whole;
        }
        if newlines_are_whole(piece) {
            self.stuff(piece, out);
        } else {
            self.normalise(piece, out);
        }
    }

    pub(crate) fn end(mut self, out: &mut Vec<u8>) {
        if core::mem::take(&mut self.cr) || !(self.line_start || self.plain) {
            out.extend_from_slice(b"\r\n");
        }
        if !self.plain {
            out.extend_from_slice(b".\r\n");
        }
    }

    /// Copies up to each dot that starts a line, and doubles it.
    fn stuff(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        if piece.is_empty() {
            return;
        }
        if self.plain {
            return out.extend_from_slice(piece);
        }
        if self.line_start && piece[0] == b'.' {
            out.push(b'.');
        }
        let mut copied = 0;
        for at in memmem::find_iter(piece, b"\r\n.") {
            out.extend_from_slice(&piece[copied..at + 3]);
            out.push(b'.');
            copied = at + 3;
        }
        out.extend_from_slice(&piece[copied..]);
        self.line_start = match piece {
            [b'\n'] => false,
            _ => piece.ends_with(b"\r\n"),
        };
    }

    /// The slow road, line by line, for pieces that hold bare newlines.
    fn normalise(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut rest = piece;
        while let Some(at) = memchr::memchr2(b'\r', b'\n', rest) {
            self.stuff(&rest[..at], out);
            out.extend_from_slice(b"\r\n");
            self.line_start = true;
            rest = if rest[at..].starts_with(b"\r\n") { &rest[at + 2..] } else { &rest[at + 1..] };
        }
        self.stuff(rest, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is framed out of `input` shown in pieces of `piece`: message, ended, whether it
    /// had a bare newline.
    fn unstuffed(input: &[u8], piece: usize) -> (Vec<u8>, bool, bool) {
        let (mut unstuff, mut message, mut eaten, mut shown) = (Unstuff::new(), Vec::new(), 0, 0);
        let mut bare = false;
        loop {
            match unstuff.poll(&input[eaten..shown]) {
                Some(frame) if frame.kind == Kind::End => return (message, true, bare),
                Some(frame) => {
                    let chunk = frame.of(&input[eaten..shown]);
                    bare |= !newlines_are_whole(chunk);
                    message.extend_from_slice(chunk);
                    eaten += frame.len();
                }
                None if shown == input.len() => return (message, false, bare),
                None => shown = input.len().min(shown + piece),
            }
        }
    }

    #[test]
    fn only_crlf_dot_crlf_ends_a_message() {
        for (input, message, ended, bare) in [
            (&b".\r\n"[..], &b""[..], true, false),
            (b"a\r\n.\r\n", b"a\r\n", true, false),
            (b"..a\r\n...\r\n.\r\n", b".a\r\n..\r\n", true, false),
            (b".a\r\n.\r\n", b"a\r\n", true, false),
            (b"a\n.\n\r\n.\r\n", b"a\n.\n\r\n", true, true),
            (b"a\n.\r\nb\r\n.\r\n", b"a\n.\r\nb\r\n", true, true),
            (b"a\r.\rb\r\n.\r\n", b"a\r.\rb\r\n", true, true),
            (b"a\r\n.\rb\r\n.\r\n", b"a\r\n\rb\r\n", true, true),
            (b"a\r\n.\nb\r\n.\r\n", b"a\r\n\nb\r\n", true, true),
            (b"a\r\n.\r\r\nb\r\n.\r\n", b"a\r\n\r\r\nb\r\n", true, true),
            (b"a\r\r\n.\r\r\n\r\n.\r\n", b"a\r\r\n\r\r\n\r\n", true, true),
            (b"a\r\n.", b"a\r\n", false, false),
            (b"a\r\n.\r", b"a\r\n", false, false),
        ] {
            for piece in 1..=input.len() {
                assert_eq!(unstuffed(input, piece), (message.to_vec(), ended, bare), "{input:?} by {piece}");
            }
        }
    }

    #[test]
    fn what_is_sent_is_read_back_and_has_no_bare_newline() {
        for (message, sent) in [
            (&b""[..], &b".\r\n"[..]),
            (b"a", b"a\r\n.\r\n"),
            (b".", b"..\r\n.\r\n"),
            (b"a\r\n.b\r\n..\r\n", b"a\r\n..b\r\n...\r\n.\r\n"),
            (b"a\n.b\rc\r", b"a\r\n..b\r\nc\r\n.\r\n"),
            (b"\r\n\r\n", b"\r\n\r\n.\r\n"),
            (b"\r\r\n\n.", b"\r\n\r\n\r\n..\r\n.\r\n"),
        ] {
            for piece in 1..=message.len().max(1) {
                let (mut body, mut out) = (Body::new(), Vec::new());
                message.chunks(piece).for_each(|chunk| body.write(chunk, &mut out));
                body.end(&mut out);
                assert_eq!(out, sent, "{message:?} by {piece}");
                assert!(!unstuffed(&out, 1).2);
            }
        }
    }

    #[test]
    fn a_plain_body_makes_lines_whole_and_adds_nothing_else() {
        for (message, sent) in [
            (&b""[..], &b""[..]),
            (b"a", b"a"),
            (b".\r\n", b".\r\n"),
            (b"a\n.\nb\r.\rc\r", b"a\r\n.\r\nb\r\n.\r\nc\r\n"),
            (b"\r\r\n\n.", b"\r\n\r\n\r\n."),
        ] {
            for piece in 1..=message.len().max(1) {
                let (mut body, mut out) = (Body::plain(), Vec::new());
                message.chunks(piece).for_each(|chunk| body.write(chunk, &mut out));
                body.end(&mut out);
                assert_eq!(out, sent, "{message:?} by {piece}");
            }
        }
    }

    #[test]
    fn a_bare_newline_is_seen_wherever_it_stands() {
        assert!(newlines_are_whole(b""));
        for at in 0..100 {
            let mut chunk = alloc::vec![b'x'; 99];
            chunk.splice(at..at, *b"\r\n");
            assert!(newlines_are_whole(&chunk), "{at}");
            chunk.remove(at);
            assert!(!newlines_are_whole(&chunk), "bare LF at {at}");
            chunk[at] = b'\r';
            assert!(!newlines_are_whole(&chunk), "bare CR at {at}");
        }
    }
}
