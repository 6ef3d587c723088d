//! The third part: the message's header, or the message.

use memchr::memmem;

use super::{Dsn, LINE_MAX};
use crate::downgrade::{Base64, QuotedPrintable};

/// Octets of the original's header that a report returns.
pub const HEADER_MAX: usize = 64 * 1024;

/// The kind of the third part, and how its content is encoded.
#[derive(Debug)]
pub(super) struct Returned {
    pub(super) kind: &'static str,
    pub(super) encoding: Option<&'static str>,
}

impl Returned {
    /// Appends the header, encoded if it needs that.
    pub(super) fn header(dsn: &Dsn<'_>, header: &[u8], out: &mut Vec<u8>) -> Self {
        // RFC 6533 section 4.3.
        let global = dsn.terms.smtp_utf8 && !header.is_ascii();
        let kind = if global { "message/global-headers" } else { "text/rfc822-headers" };
        let eight_bit = global && dsn.is_utf8() && std::str::from_utf8(header).is_ok();
        if !is_plain(header, eight_bit) {
            // RFC 6522 section 4: for headers that are no legal 7-bit content.
            let mut encoder = QuotedPrintable::default();
            encoder.feed(header, out);
            encoder.end(out);
            if !header.ends_with(b"\r\n") {
                out.extend_from_slice(b"\r\n");
            }
            return Self { kind, encoding: Some("quoted-printable") };
        }
        out.extend_from_slice(header);
        if !header.is_empty() && !header.ends_with(b"\r\n") {
            out.extend_from_slice(b"\r\n");
        }
        Self { kind, encoding: eight_bit.then_some("8bit") }
    }

    /// How the whole message stands in the report, and what its octets go through. None if it
    /// cannot: it is not in lines, or holds what our boundary begins with.
    pub(super) fn whole(dsn: &Dsn<'_>, survey: &Survey) -> Option<(Self, Encoder)> {
        if survey.has_stem || survey.is_torn() {
            return None;
        }
        let eight_bit = survey.eight_bit;
        Some(match dsn.terms.smtp_utf8 && eight_bit {
            // RFC 6533 section 4.5: 7 bits, unless the return path takes UTF-8.
            true if !dsn.is_utf8() => {
                let returned = Self { kind: "message/global", encoding: Some("base64") };
                (returned, Encoder { base64: Some(Base64::default()), ..Encoder::default() })
            }
            true => (Self { kind: "message/global", encoding: Some("8bit") }, Encoder::default()),
            // RFC 2046 section 5.2.1: no encoding but these.
            false => (Self { kind: "message/rfc822", encoding: eight_bit.then_some("8bit") }, Encoder::default()),
        })
    }
}

/// What must be known of a message before a report can be built around it. It is fed with the
/// message in pieces, cut anywhere.
#[derive(Clone, Debug)]
pub struct Survey {
    stem: Vec<u8>,
    /// The last octets of the pieces before, too few to hold the stem.
    carry: Vec<u8>,
    has_stem: bool,
    eight_bit: bool,
    /// Octets of the line so far, and whether the last was CR.
    line: usize,
    cr: bool,
    torn: bool,
}

impl Survey {
    /// For this report.
    pub fn new(dsn: &Dsn<'_>) -> Self {
        let stem = dsn.stem().into_bytes();
        Self { stem, carry: Vec::new(), has_stem: false, eight_bit: false, line: 0, cr: false, torn: false }
    }

    /// Takes the next piece.
    pub fn feed(&mut self, piece: &[u8]) {
        self.eight_bit |= !piece.is_ascii();
        self.has_stem |= memmem::find(piece, &self.stem).is_some();
        // Across the border.
        let most = self.stem.len() - 1;
        self.carry.extend_from_slice(&piece[..piece.len().min(most)]);
        self.has_stem |= memmem::find(&self.carry, &self.stem).is_some();
        if piece.len() >= most {
            self.carry.clear();
            self.carry.extend_from_slice(&piece[piece.len() - most..]);
        } else {
            let extra = self.carry.len().saturating_sub(most);
            self.carry.drain(..extra);
        }
        for &byte in piece {
            match byte {
                b'\n' if self.cr => (self.line, self.cr) = (0, false),
                b'\n' | b'\0' => self.torn = true,
                b'\r' => {
                    self.torn |= self.cr;
                    self.cr = true;
                }
                _ => {
                    self.torn |= self.cr;
                    self.line += 1;
                }
            }
            self.torn |= self.line > LINE_MAX;
        }
    }

    /// Whether it is no lines with CRLF of a legal length.
    fn is_torn(&self) -> bool {
        self.torn || self.cr
    }
}

/// What a returned message's octets go through.
#[derive(Debug, Default)]
pub struct Encoder {
    base64: Option<Base64>,
    /// Whether the last line has ended.
    ended: bool,
}

impl Encoder {
    /// Appends a piece.
    pub fn write(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        match &mut self.base64 {
            Some(base64) => base64.feed(piece, out),
            None => {
                self.ended = if piece.is_empty() { self.ended } else { piece.ends_with(b"\n") };
                out.extend_from_slice(piece);
            }
        }
    }

    /// Ends it, at the start of a line.
    pub fn end(self, out: &mut Vec<u8>) {
        if let Some(mut base64) = self.base64 {
            base64.end(out);
        }
        if !self.ended {
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// The header, to [`HEADER_MAX`] octets and to the end of a line.
pub(super) fn cut(header: &[u8]) -> &[u8] {
    match header.get(..HEADER_MAX) {
        Some(start) if header.len() > HEADER_MAX => match memmem::rfind(start, b"\r\n") {
            Some(end) => &start[..end + 2],
            None => start,
        },
        Some(_) | None => header,
    }
}

/// Whether it can stand as it is: whole lines, none too long, of 7-bit octets unless it may
/// have others.
fn is_plain(header: &[u8], eight_bit: bool) -> bool {
    let lines = header.strip_suffix(b"\r\n").unwrap_or(header);
    let plain = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~') || eight_bit && *byte >= 0x80;
    let line = |line: &[u8]| line.len() <= LINE_MAX && line.iter().all(plain);
    // Split at LF, so that a CR is left on each line but the last.
    let mut pieces = lines.split(|&byte| byte == b'\n').peekable();
    while let Some(piece) = pieces.next() {
        let piece = match pieces.peek() {
            Some(_) => piece.strip_suffix(b"\r"),
            None => Some(piece),
        };
        if !piece.is_some_and(line) {
            return false;
        }
    }
    true
}
