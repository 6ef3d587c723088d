//! Where a response ends, and which of its literals are streamed (RFC 3501 section 4.3).

use super::super::fetched::{FetchValues, TextName};
use super::super::frame::Found;
use super::super::notice::Notice;
use super::Client;
use crate::machine::{Frame, Kind, Violation};
use crate::text::{number, strip_prefix, word};

impl Client {
    /// The next response, piece of one, or octets of a streamed literal.
    pub(super) fn frame(&mut self, input: &[u8]) -> Result<Option<Frame>, Violation> {
        if self.left > 0 {
            let len = input.len().min(self.left as usize);
            return Ok((len > 0).then(|| Frame::new(Kind::Chunk, len)));
        }
        loop {
            let found = self.scan.poll(input);
            let (head, octets) = match found {
                None if input.len() > self.limits.response => return Err(Violation::TooLong),
                None => return Ok(None),
                Some(Found::Whole { len }) => (len, None),
                Some(Found::Literal { head, octets, .. }) => (head, Some(octets)),
            };
            if head > self.limits.response {
                return Err(Violation::TooLong);
            }
            let is_first = self.scan.reserved() == 0;
            let Some(octets) = octets.filter(|_| !is_first || self.message.is_some() || has_literals(&input[..head]))
            else {
                self.scan.cut();
                self.inline = false;
                return Ok(Some(Frame::new(Kind::Line, head)));
            };
            // No message is longer than 4 GiB.
            let octets = u32::try_from(octets).map_err(|_| Violation::TooLong)?;
            if octets > self.limits.literal && !self.inline {
                // Looked at once: if this literal is within something, so may others be.
                self.inline = before_literal(self.message, &input[..head]).is_none();
                if !self.inline {
                    self.scan.cut();
                    return Ok(Some(Frame::new(Kind::Head, head)));
                }
            }
            if head as u64 + u64::from(octets) > self.limits.response as u64 {
                return Err(Violation::TooLong);
            }
            self.scan.inline(head, octets as usize);
        }
    }

    /// A response up to a literal that is streamed.
    pub(super) fn head<'i>(&mut self, bytes: &'i [u8]) -> Notice<'i> {
        let Some((message, values, name, octets)) = before_literal(self.message, bytes) else {
            return self.against(Violation::Syntax, bytes);
        };
        self.message = Some(message);
        self.left = octets;
        Notice::Literal { message, values, name, octets }
    }
}

/// A FETCH response, or the rest of one, up to a literal that is a message's text.
fn before_literal(message: Option<u32>, head: &[u8]) -> Option<(u32, FetchValues<'_>, TextName<'_>, u32)> {
    let announced = head.strip_suffix(b"}\r\n")?;
    let open = memchr::memrchr(b'{', announced)?;
    let octets = number(&announced[open + 1..])?;
    let (message, items) = match message {
        Some(message) => (message, &head[..open]),
        None => {
            let (digits, rest) = word(head[..open].strip_prefix(b"* ")?);
            (number(digits).filter(|&number| number > 0)?, strip_prefix(rest, b"FETCH (")?)
        }
    };
    let (values, name) = FetchValues::before_literal(items)?;
    Some((message, values, name, octets))
}

/// Whether this response may have literals. The text of a status response, of a completion or
/// of a continuation is for humans, and means nothing even if it ends in `{5}`.
fn has_literals(response: &[u8]) -> bool {
    let Some(rest) = response.strip_prefix(b"* ") else { return false };
    let name = word(rest).0;
    ![&b"OK"[..], b"NO", b"BAD", b"BYE", b"PREAUTH"].iter().any(|status| name.eq_ignore_ascii_case(status))
}
