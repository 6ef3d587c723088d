//! What a message's octets may be: seen as they come, and mended if that is wanted.

use alloc::vec::Vec;

use super::{Event, Server, State, say};
use crate::dot::newlines_are_whole;
use crate::machine::{Close, Frame, Kind, Violation};
use crate::smtp::command::Verb;
use crate::smtp::config::BareNewline;

/// What was seen in a message that RFC 5321 section 2.3.8 and RFC 5322 section 2.3 forbid.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Flaws {
    /// CR without LF or LF without CR.
    pub(super) bare_newline: bool,
    pub(super) nul: bool,
}

/// The state of looking through a message that comes in pieces cut anywhere.
#[derive(Debug, Default)]
pub(super) struct Content {
    flaws: Flaws,
    /// The octet before was a CR: an LF belongs to it.
    cr: bool,
    /// Octets ahead that DATA's framing has found to be of the message.
    framed: usize,
    /// Octets ahead that are known to hold a bare newline.
    flawed: usize,
}

impl Content {
    /// Once the message has come.
    pub(super) fn flaws(&self) -> Flaws {
        Flaws { bare_newline: self.flaws.bare_newline || self.cr, ..self.flaws }
    }

    /// Looks through a piece that is handed on as it is.
    fn inspect(&mut self, piece: &[u8]) {
        self.flaws.nul = self.flaws.nul || memchr::memchr(0, piece).is_some();
        let mut rest = piece;
        if let ([first, after @ ..], true) = (piece, self.cr) {
            self.cr = false;
            match first {
                b'\n' => rest = after,
                _ => self.flaws.bare_newline = true,
            }
        }
        if let [whole @ .., b'\r'] = rest {
            self.cr = true;
            rest = whole;
        }
        self.flaws.bare_newline = self.flaws.bare_newline || !newlines_are_whole(rest);
    }

    /// The next octets to hand on so that each newline is CRLF: some that are well as they are,
    /// or one that becomes a CRLF (`Kind::Newline`). A CR at the end waits for what follows it,
    /// unless nothing can (`ends`): then it becomes a CRLF, and an LF that comes after all, in
    /// the next chunk, is of it.
    ///
    /// Linear, whatever the input: octets that are known to be flawed are gone through one
    /// newline at a time, and never to their end each time.
    pub(super) fn piece(&mut self, octets: &[u8], ends: bool) -> Option<Frame> {
        let skip = usize::from(self.cr && octets.starts_with(b"\n"));
        self.flaws.bare_newline |= self.cr && skip == 0 && !octets.is_empty();
        let rest = &octets[skip..];
        let whole = rest.strip_suffix(b"\r").unwrap_or(rest);
        if whole.is_empty() {
            return match (skip, rest.is_empty()) {
                (0, true) => None,
                (0, false) => ends.then_some(Frame::new(Kind::Newline, 1)),
                _ => Some(Frame { len: skip, skip, kind: Kind::Chunk }),
            };
        }
        if self.flawed == 0 {
            if newlines_are_whole(whole) {
                return Some(Frame { len: skip + whole.len(), skip, kind: Kind::Chunk });
            }
            self.flawed = whole.len();
        }
        let known = &whole[..self.flawed.min(whole.len())];
        Some(match first_flaw(known) {
            Some(0) if skip == 0 => Frame::new(Kind::Newline, 1),
            Some(0) => Frame { len: skip, skip, kind: Kind::Chunk },
            at => Frame { len: skip + at.unwrap_or(known.len()), skip, kind: Kind::Chunk },
        })
    }

    /// A frame of `piece` was handed on.
    fn passed(&mut self, frame: &Frame, first: Option<&u8>) {
        self.framed = self.framed.saturating_sub(frame.len);
        self.flawed = self.flawed.saturating_sub(frame.len - frame.skip);
        self.cr = frame.kind == Kind::Newline && first == Some(&b'\r');
        self.flaws.bare_newline |= frame.kind == Kind::Newline && !self.cr;
    }
}

/// Where the first CR without LF or LF without CR stands.
fn first_flaw(octets: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'\r', b'\n', &octets[from..])?;
        if !octets[at..].starts_with(b"\r\n") {
            return Some(at);
        }
        from = at + 2;
    }
}

impl Server {
    /// The next octets of a message that DATA began, or its end.
    pub(super) fn message_frame(&mut self, input: &[u8]) -> Option<Frame> {
        if self.config.bare_newline == BareNewline::Refuse {
            return self.unstuff.poll(input);
        }
        let mut skip = 0;
        if self.content.framed == 0 {
            let frame = self.unstuff.poll(input)?;
            if frame.kind == Kind::End {
                return Some(frame);
            }
            (self.content.framed, skip) = (frame.len, frame.skip);
        }
        // What the framing gives does not part a CR from its LF, so a CR at its end is bare.
        let mut frame = self.content.piece(&input[skip..self.content.framed.min(input.len())], true)?;
        if skip > 0 {
            // The dot that the client added, which is no more of the message than what `piece`
            // left out.
            (frame.len, frame.skip) = (frame.len + skip, frame.skip + skip);
        }
        Some(frame)
    }

    /// Octets of a message, however they were framed.
    pub(super) fn octets<'i>(&mut self, frame: &Frame, bytes: &'i [u8], out: &mut Vec<u8>) -> Event<'i> {
        if let State::Chunk(left, last) = self.state {
            self.state = State::Chunk(left - frame.len as u64, last);
        }
        self.pace.came(frame.len);
        let refuses = self.config.bare_newline == BareNewline::Refuse;
        let octets = if frame.kind == Kind::Newline { b"\r\n" } else { bytes };
        self.size = self.size.saturating_add(octets.len() as u64);
        if !refuses && !self.binary {
            self.content.passed(frame, bytes.first());
            self.content.flaws.nul = self.content.flaws.nul || memchr::memchr(0, octets).is_some();
        }
        let over = self.size.saturating_sub(self.config.limits.message);
        if over > 0 {
            self.discard(octets.len().min(usize::try_from(over).unwrap_or(usize::MAX)), out);
            return Event::Dropped(octets.len());
        }
        if refuses && !self.binary {
            self.content.inspect(octets);
        }
        Event::Chunk(octets)
    }

    /// Octets come of a message that is refused: not without end.
    pub(super) fn discard(&mut self, octets: usize, out: &mut Vec<u8>) {
        self.discarded = self.discarded.saturating_add(octets as u64);
        if self.discarded > self.config.limits.discard {
            let _ = self.last_words(&say::DISCARDED, Close::Violation(Violation::TooLong), out);
        }
    }

    /// The end of a message: refused here if it cannot be what RFC 5322 wants.
    pub(super) fn message<'i>(&mut self, out: &mut Vec<u8>) -> Event<'i> {
        self.state = State::Commands;
        let flaws = self.content.flaws();
        let normalised = self.config.bare_newline == BareNewline::Normalise;
        self.tolerated.bare_newline |= flaws.bare_newline && normalised && !self.binary;
        let refused = if self.size > self.config.limits.message {
            say::TOO_BIG
        } else if flaws.bare_newline && !normalised && !self.binary {
            // RFC 5321 section 2.3.8; CVE-2023-51764: a weaker server behind us would read two
            // messages where we read one.
            say::BARE_NEWLINE
        } else if flaws.nul && !self.binary {
            say::NUL
        } else {
            return Event::Message { size: self.size, ticket: self.ticket(Verb::Message) };
        };
        let ticket = self.ticket(Verb::Message);
        self.reply(ticket, &refused, out);
        Event::Rejected { code: refused.code }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `input` becomes, in chunks of `chunk` octets that come `piece` at a time.
    fn mended(input: &[u8], chunk: usize, piece: usize) -> (Vec<u8>, Flaws) {
        let (mut content, mut out) = (Content::default(), Vec::new());
        for chunk in input.chunks(chunk) {
            let (mut eaten, mut shown) = (0, 0);
            while eaten < chunk.len() {
                let here = &chunk[eaten..shown];
                let Some(frame) = content.piece(here, shown == chunk.len()).filter(|_| !here.is_empty()) else {
                    shown = chunk.len().min(shown + piece);
                    continue;
                };
                let bytes = frame.of(here);
                out.extend_from_slice(if frame.kind == Kind::Newline { b"\r\n" } else { bytes });
                eaten += frame.len;
                content.passed(&frame, bytes.first());
            }
        }
        (out, content.flaws())
    }

    #[test]
    fn bare_newlines_become_crlf_however_they_are_cut() {
        for (input, is, bare) in [
            (&b"a\r\nb\r\n"[..], &b"a\r\nb\r\n"[..], false),
            (b"a\nb\rc", b"a\r\nb\r\nc", true),
            (b"\n\n\r\r", b"\r\n\r\n\r\n\r\n", true),
            (b"\r\r\n\n", b"\r\n\r\n\r\n", true),
            (b"a\r\r\nb\n\rc\r", b"a\r\n\r\nb\r\n\r\nc\r\n", true),
            (b"\r", b"\r\n", true),
            (b"a\r\n\n", b"a\r\n\r\n", true),
            (b"", b"", false),
        ] {
            for chunk in 1..=input.len().max(1) {
                for piece in 1..=chunk {
                    let (out, flaws) = mended(input, chunk, piece);
                    assert_eq!((&*out, flaws.bare_newline), (is, bare), "{input:?} in {chunk} by {piece}");
                }
            }
        }
    }

    #[test]
    fn a_message_of_bare_newlines_is_mended_in_linear_time() {
        // Looked through anew for each newline, these would be a million million octets.
        let (out, flaws) = mended(&[b'\n'; 1_000_000], 1_000_000, 1_000_000);
        assert!(flaws.bare_newline && out.len() == 2_000_000);
    }

    #[test]
    fn a_flaw_is_seen_across_pieces() {
        for (input, bare, nul) in [
            (&b"a\r\nb\r\n"[..], false, false),
            (b"a\nb", true, false),
            (b"a\rb", true, false),
            (b"a\r", true, false),
            (b"\n", true, false),
            (b"a\r\n\n", true, false),
            (b"a\r\r\n", true, false),
            (b"a\0", false, true),
        ] {
            for piece in 1..=input.len() {
                let mut content = Content::default();
                input.chunks(piece).for_each(|piece| content.inspect(piece));
                content.inspect(b"");
                assert_eq!(content.flaws(), Flaws { bare_newline: bare, nul }, "{input:?} by {piece}");
            }
        }
    }
}
