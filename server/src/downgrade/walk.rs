//! Walks the parts of a message that comes in pieces (RFC 2045, RFC 2046), without keeping it.
//!
//! The parts are those that [`digest`](crate::digest) finds, with two differences. Lines end in
//! CRLF alone: in binary content an LF is an octet. And a line past [`LINE_MAX`] is no boundary
//! line. Both are of no matter to a message of lines.
//!
//! What is held is a field of a header, and a line that may be a boundary line with the line
//! end in front of it, which then belongs to it.

use super::labels::{Encoding, Media};
use super::{BOUNDARY_MAX, FIELD_MAX, NESTING_MAX, PARTS_MAX};

/// Octets of a boundary line with both line ends (RFC 5322 section 2.1.1).
const LINE_MAX: usize = 1002;

/// What a walk tells.
pub(super) trait Visit {
    /// A field of the header of this entity, with its CRLF; of a long one some octets.
    fn field(&mut self, entity: usize, field: Field, octets: &[u8]);
    /// The header is over; its empty line, if it has one.
    fn header(&mut self, head: &Head, empty_line: &[u8]);
    /// Octets of the body of a leaf or of what is not taken apart.
    fn body(&mut self, octets: &[u8]);
    /// That body is over.
    fn body_end(&mut self);
    /// Octets of this multipart that are of no part.
    fn outside(&mut self, of: &Open, octets: &[u8]);
    /// They are over.
    fn outside_end(&mut self);
    /// A boundary line, with the line end in front of it if that belongs to it.
    fn delimiter(&mut self, octets: &[u8]);
}

/// Which field it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Field {
    /// Content-Transfer-Encoding, and what it says.
    Encoding(Encoding),
    Type,
    Version,
    Other,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// Text.
    Text,
    /// Any other leaf.
    Octets,
    /// Its parts follow.
    Multipart,
    /// Its message follows.
    Message,
    /// A multipart or message that is not taken apart, and must not be encoded (RFC 2045
    /// section 6.4).
    Opaque,
}

/// What a header said.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// In the order in which they begin, from 0.
    pub(super) entity: usize,
    /// What it is a part of, if it is not the message.
    pub(super) parent: Option<usize>,
    pub(super) kind: Kind,
    pub(super) encoding: Option<Encoding>,
    /// It has a Content-Type.
    pub(super) typed: bool,
    /// It is a message's header, and has no MIME-Version.
    pub(super) unversioned: bool,
    /// It is covered by a signature (RFC 1847 section 2.1).
    pub(super) signed: bool,
}

/// A multipart or message that is not over.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) entity: usize,
    /// It is covered by a signature.
    pub(super) signed: bool,
    /// multipart/signed: what is in it is covered.
    signs: bool,
    /// Empty for a message, and behind the last part.
    boundary: Vec<u8>,
    digest: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Walk {
    /// At most `NESTING_MAX`, with boundaries of at most `BOUNDARY_MAX` octets.
    open: Vec<Open>,
    /// Entities that have begun.
    begun: usize,
    at: At,
    /// In a header: the field, at most `FIELD_MAX` octets and what came with the last. In a
    /// body: at most `LINE_MAX`, likewise.
    held: Vec<u8>,
    draft: Draft,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum At {
    /// In a header.
    Header(Place),
    /// In a body or outside of parts.
    Body(Line),
    /// As above, between parts.
    Outside(Line),
}

/// Where in a header the next octet stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// At the start of a line.
    Start,
    /// In the first line of a field.
    First,
    /// In another line of it.
    More,
}

/// Where in a line that may be a boundary line the next octet stands; what of it has come is
/// held.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Line {
    /// It is none.
    Not,
    /// Behind a CR, which may begin a line end.
    Cr,
    Start,
    Dash,
    /// Behind two dashes.
    Dashes,
}

/// What a header said so far.
#[derive(Debug, Default)]
struct Draft {
    /// It is a message's.
    root: bool,
    /// Its Content-Type.
    media: Option<Media>,
    encoding: Option<Encoding>,
    versioned: bool,
    /// The field in hand was passed on in part.
    passing: bool,
    /// A field that matters was too long.
    unread: bool,
}

impl Walk {
    pub(super) fn new() -> Self {
        let draft = Draft { root: true, ..Draft::default() };
        Self { open: Vec::new(), begun: 1, at: At::Header(Place::Start), held: Vec::new(), draft }
    }

    pub(super) fn feed(&mut self, mut piece: &[u8], visit: &mut impl Visit) {
        while !piece.is_empty() {
            piece = match self.at {
                At::Header(place) => self.in_header(place, piece, visit),
                At::Body(line) | At::Outside(line) => self.in_body(line, piece, visit),
            };
        }
    }

    pub(super) fn finish(&mut self, visit: &mut impl Visit) {
        if let At::Header(_) = self.at {
            self.end_field(visit);
            self.end_headers(visit);
        }
        self.release(self.held.len(), visit);
        self.end_body(visit);
    }

    /// Takes octets of a header; gives those that are left.
    fn in_header<'p>(&mut self, mut place: Place, piece: &'p [u8], visit: &mut impl Visit) -> &'p [u8] {
        if place == Place::Start {
            place = if matches!(piece[0], b' ' | b'\t') && self.in_field() { Place::More } else { Place::First };
            if place == Place::First {
                self.end_field(visit);
            }
        }
        // To the end of the line, or of the piece.
        let ends = |end: usize| if end > 0 { piece[end - 1] == b'\r' } else { self.held.ends_with(b"\r") };
        let end = memchr::memchr_iter(b'\n', piece).find(|&end| ends(end));
        let (text, rest) = piece.split_at(end.map_or(piece.len(), |end| end + 1));
        self.held.extend_from_slice(text);
        self.at = At::Header(if end.is_some() { Place::Start } else { place });
        if end.is_some() && place == Place::First && !self.draft.passing {
            if self.held == b"\r\n" {
                self.held.clear();
                self.end_header(b"\r\n", visit);
                return rest;
            }
            let found = self.held.starts_with(b"--").then(|| self.delimits(&self.held[..self.held.len() - 2]));
            if let Some((level, closes)) = found.flatten() {
                let line = std::mem::take(&mut self.held);
                self.end_headers(visit);
                self.end_body(visit);
                self.delimiter(&line, level, closes, visit);
                return rest;
            }
        }
        if self.held.len() > FIELD_MAX {
            self.pass_field(visit);
        }
        rest
    }

    /// Whether a line with a blank in front would continue a field.
    fn in_field(&self) -> bool {
        !self.held.is_empty() || self.draft.passing
    }

    /// Passes on what is held of a field that is too long.
    fn pass_field(&mut self, visit: &mut impl Visit) {
        if !self.draft.passing {
            let (field, _) = self.named();
            self.draft.unread |= matches!(field, Field::Type | Field::Encoding(_));
        }
        self.draft.passing = true;
        // Whether a line ends here is told by the octet in front.
        let len = self.held.len() - usize::from(self.held.ends_with(b"\r"));
        visit.field(self.begun - 1, Field::Other, &self.held[..len]);
        self.held.drain(..len);
    }

    /// The field in hand is over, if there is one.
    fn end_field(&mut self, visit: &mut impl Visit) {
        if !self.in_field() {
            return;
        }
        let entity = self.begun - 1;
        if std::mem::take(&mut self.draft.passing) {
            visit.field(entity, Field::Other, &self.held);
        } else {
            let (field, value) = self.named();
            let media = (field == Field::Type && self.draft.media.is_none()).then(|| Media::of(value));
            visit.field(entity, field, &self.held);
            match field {
                Field::Type => self.draft.media = media.or(self.draft.media.take()),
                Field::Encoding(encoding) => {
                    self.draft.encoding.get_or_insert(encoding);
                }
                Field::Version => self.draft.versioned = true,
                Field::Other => {}
            }
        }
        self.held.clear();
    }

    /// Which field is held, and its value.
    fn named(&self) -> (Field, &[u8]) {
        let colon = memchr::memchr(b':', &self.held).unwrap_or(0);
        let name = self.held[..colon].trim_ascii_end();
        let value = self.held.get(colon + 1..).unwrap_or_default();
        let is = |of: &str| name.eq_ignore_ascii_case(of.as_bytes());
        let field = match () {
            () if is("Content-Type") => Field::Type,
            () if is("Content-Transfer-Encoding") => Field::Encoding(Encoding::of(value)),
            () if is("MIME-Version") => Field::Version,
            () => Field::Other,
        };
        (field, value)
    }

    /// The header is over: what follows is what it said.
    fn end_header(&mut self, empty_line: &[u8], visit: &mut impl Visit) {
        let draft = std::mem::take(&mut self.draft);
        let parent = self.open.last();
        let nests = self.open.len() < NESTING_MAX && self.begun < PARTS_MAX && !draft.unread;
        let plain = draft.encoding != Some(Encoding::Other);
        let typed = draft.media.is_some();
        let media = draft.media.unwrap_or(match parent {
            Some(parent) if parent.digest && !draft.root => Media::Rfc822,
            _ => Media::Text,
        });
        let signed = parent.is_some_and(|parent| parent.signed || parent.signs);
        let entity = self.begun - 1;
        let (kind, boundary, digest, signs) = match media {
            Media::Multipart { boundary, digest, signed }
                if nests && plain && (1..=BOUNDARY_MAX).contains(&boundary.len()) =>
            {
                (Kind::Multipart, boundary, digest, signed)
            }
            Media::Rfc822 if nests && plain => (Kind::Message, Vec::new(), false, false),
            Media::Multipart { .. } | Media::Rfc822 | Media::Message => (Kind::Opaque, Vec::new(), false, false),
            Media::Text | Media::Octets if draft.unread => (Kind::Opaque, Vec::new(), false, false),
            Media::Text => (Kind::Text, Vec::new(), false, false),
            Media::Octets => (Kind::Octets, Vec::new(), false, false),
        };
        let head = Head {
            entity,
            parent: parent.map(|parent| parent.entity),
            kind,
            encoding: draft.encoding,
            typed,
            unversioned: draft.root && !draft.versioned,
            signed,
        };
        visit.header(&head, empty_line);
        if matches!(kind, Kind::Multipart | Kind::Message) {
            self.open.push(Open { entity, signed, signs, boundary, digest });
        }
        self.at = match kind {
            Kind::Multipart => At::Outside(Line::Start),
            Kind::Message => {
                self.begun += 1;
                self.draft.root = true;
                At::Header(Place::Start)
            }
            Kind::Text | Kind::Octets | Kind::Opaque => At::Body(Line::Start),
        };
    }

    /// A header is over without its empty line, and with it that of a message which it may have
    /// begun: a header without fields, which begins nothing more.
    fn end_headers(&mut self, visit: &mut impl Visit) {
        while let At::Header(_) = self.at {
            self.end_header(b"", visit);
        }
    }

    /// Takes octets of a body, or from between parts; gives those that are left.
    fn in_body<'p>(&mut self, line: Line, piece: &'p [u8], visit: &mut impl Visit) -> &'p [u8] {
        if self.open.iter().all(|open| open.boundary.is_empty()) {
            self.emit(piece, visit);
            return b"";
        }
        let (next, taken) = match (line, piece[0]) {
            (Line::Not, _) => {
                let end = memchr::memchr(b'\r', piece);
                self.emit(&piece[..end.unwrap_or(piece.len())], visit);
                self.held.extend_from_slice(end.map_or(b"", |_| b"\r"));
                end.map_or((Line::Not, piece.len()), |end| (Line::Cr, end + 1))
            }
            (Line::Cr, b'\n') => (Line::Start, self.hold(b"\n")),
            (Line::Start, b'-') => (Line::Dash, self.hold(b"-")),
            (Line::Dash, b'-') => (Line::Dashes, self.hold(b"-")),
            (Line::Cr | Line::Start | Line::Dash, _) => {
                self.release(self.held.len(), visit);
                (Line::Not, 0)
            }
            (Line::Dashes, _) => {
                let end = memchr::memchr(b'\n', piece).map_or(piece.len(), |end| end + 1);
                let taken = self.hold(&piece[..end.min(LINE_MAX + 1 - self.held.len())]);
                if let Some((level, closes)) = self.boundary_line() {
                    let line = std::mem::take(&mut self.held);
                    self.end_body(visit);
                    self.delimiter(&line, level, closes, visit);
                    return &piece[taken..];
                }
                (self.no_boundary_line(visit), taken)
            }
        };
        self.at = match self.at {
            At::Outside(_) => At::Outside(next),
            At::Body(_) | At::Header(_) => At::Body(next),
        };
        &piece[taken..]
    }

    fn hold(&mut self, octets: &[u8]) -> usize {
        self.held.extend_from_slice(octets);
        octets.len()
    }

    /// Octets of the line end in front of the line that is held.
    fn line_end(&self) -> usize {
        if self.held.starts_with(b"\r\n") { 2 } else { 0 }
    }

    /// Whose boundary line is held, if it is whole and one.
    fn boundary_line(&self) -> Option<(usize, bool)> {
        let line = self.held[self.line_end()..].strip_suffix(b"\r\n")?;
        self.delimits(line)
    }

    /// Passes on what is held and is no boundary line after all.
    fn no_boundary_line(&mut self, visit: &mut impl Visit) -> Line {
        let (keep, next) = match () {
            () if self.held[self.line_end()..].ends_with(b"\r\n") => (2, Line::Start),
            () if self.held.len() <= LINE_MAX => return Line::Dashes,
            () if self.held.ends_with(b"\r") => (1, Line::Cr),
            () => (0, Line::Not),
        };
        self.release(self.held.len() - keep, visit);
        next
    }

    /// Passes on the first octets that are held.
    fn release(&mut self, len: usize, visit: &mut impl Visit) {
        let held = std::mem::take(&mut self.held);
        self.emit(&held[..len], visit);
        self.held = held;
        self.held.drain(..len);
    }

    fn emit(&mut self, octets: &[u8], visit: &mut impl Visit) {
        match (self.at, self.open.last()) {
            _ if octets.is_empty() => {}
            (At::Outside(_), Some(open)) => visit.outside(open, octets),
            _ => visit.body(octets),
        }
    }

    fn end_body(&mut self, visit: &mut impl Visit) {
        match self.at {
            At::Body(_) => visit.body_end(),
            At::Outside(_) => visit.outside_end(),
            At::Header(_) => {}
        }
    }

    /// A boundary line has come: what is further in is over.
    fn delimiter(&mut self, line: &[u8], level: usize, closes: bool, visit: &mut impl Visit) {
        visit.delimiter(line);
        self.open.truncate(level + 1);
        self.draft = Draft::default();
        if closes {
            self.open[level].boundary = Vec::new();
            self.at = At::Outside(Line::Start);
            return;
        }
        self.begun += 1;
        self.at = At::Header(Place::Start);
        if self.begun > PARTS_MAX {
            // All that is left of the message is one part without a header.
            self.draft.unread = true;
            self.end_header(b"", visit);
            self.open.clear();
        }
    }

    /// Whose boundary a line that begins with `--` is, and whether it closes: the innermost
    /// whose boundary it is alone, or else the longest that it begins with (RFC 2046 section
    /// 5.1.1).
    fn delimits(&self, line: &[u8]) -> Option<(usize, bool)> {
        let text = line.get(2..)?.trim_ascii_end();
        let mut longest: Option<(usize, bool)> = None;
        for (level, open) in self.open.iter().enumerate().rev().filter(|(_, open)| !open.boundary.is_empty()) {
            let Some(rest) = text.strip_prefix(&*open.boundary) else { continue };
            match rest {
                b"" => return Some((level, false)),
                b"--" => return Some((level, true)),
                _ if longest.is_none_or(|(level, _)| self.open[level].boundary.len() < open.boundary.len()) => {
                    longest = Some((level, rest.starts_with(b"--")));
                }
                _ => {}
            }
        }
        longest
    }
}
