//! A message's structure, computed once and kept: what ENVELOPE, BODY, BODYSTRUCTURE and
//! sections are answered from (RFC 3501 sections 6.4.5 and 7.4.2).
//!
//! The structure is found by a scan of our own (`scan`), not by mail-parser. The protocol
//! needs what a reader of mail does not: the octets of every header and body, to the octet,
//! also in messages that are broken. mail-parser drops a part that has no header, sees an
//! inner part run on past an outer boundary when the inner one is never closed, keeps
//! no limit on nesting (its tree is also freed by recursion), gives offsets of 32 bits, and
//! has decoded the header text that ENVELOPE wants raw. It decodes text for SEARCH.
//!
//! # What a part is
//! - A boundary line is `--` and the boundary, alone on its line but for white space; if no
//!   open boundary fits so, then the longest that the line begins with (RFC 2046 section
//!   5.1.1 asks for no more). Lines end in CRLF or LF.
//! - An open boundary ends all that was begun inside, closed or not.
//! - A part's body ends before the line end in front of the boundary line; its header runs to
//!   the empty line, or to a boundary line, or to the end.
//! - What cannot be taken apart is one opaque leaf, APPLICATION/OCTET-STREAM: a multipart
//!   without parts, without a boundary or with one longer than [`BOUNDARY_MAX`]; a
//!   message/rfc822 in base64 or quoted-printable, which RFC 2046 section 5.2.1 forbids; what is
//!   nested deeper than [`NESTING_MAX`]; and, past [`PARTS_MAX`] parts, the rest of each
//!   multipart still open.

mod address;
pub(crate) mod header;
mod kept;
pub(crate) mod media;
mod render;
pub(crate) mod scan;
mod words;

use std::ops::Range;

use scan::{Entity, Kind, Scan};

/// Parts inside of one another, messages counted as parts.
pub const NESTING_MAX: usize = 100;
/// Parts of one message, the messages in it and theirs included.
pub const PARTS_MAX: usize = 10_000;
/// Octets of a boundary; RFC 2046 section 5.1.1 allows 70.
pub const BOUNDARY_MAX: usize = 2048;
/// Parameters of one field; those beyond are left out.
pub const PARAMETERS_MAX: usize = 100;
/// Addresses and groups in the envelopes of one message; those beyond are left out.
pub const ADDRESSES_MAX: usize = 10_000;
/// Octets of one field; a longer one counts as absent from ENVELOPE and BODYSTRUCTURE.
pub const FIELD_MAX: usize = 1024 * 1024;
/// Octets of all such fields of one message; those beyond count as absent.
pub const FIELDS_MAX: usize = 10 * FIELD_MAX;

/// See the module.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Digest {
    envelope: Vec<u8>,
    body: Vec<u8>,
    body_structure: Vec<u8>,
    /// In the order of writing, each before what is inside it; the first is the message.
    parts: Vec<Place>,
}

/// What of a part (RFC 3501 section 6.4.5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// The part's body; of the message itself, all of it.
    Whole,
    /// HEADER, and that which HEADER.FIELDS chooses from: a message's header with its empty
    /// line.
    Header,
    /// TEXT: a message's body.
    Text,
    /// MIME: the part's own header with its empty line.
    Mime,
}

/// Where a part lies, in octets of the message, and in the tree.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Place {
    shape: Shape,
    header: u64,
    body: u64,
    end: u64,
    /// Index of the first part behind it that is not inside it.
    skip: u32,
}

/// What is inside a part.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Shape {
    /// Nothing.
    Leaf,
    /// One or more parts.
    Multipart,
    /// A message: the next part.
    Message,
}

impl Digest {
    /// Of a whole message. Takes time linear in its length, and never fails: any octets are
    /// a message.
    pub fn of(message: &[u8]) -> Self {
        let scan = Scan::of(message);
        let rendered = render::render(&scan);
        Self {
            envelope: rendered.envelope,
            body: rendered.body,
            body_structure: rendered.body_structure,
            parts: scan.entities.iter().map(Place::of).collect(),
        }
    }

    /// To be kept. Linear in the number of parts, apart from the rendered forms.
    pub fn to_bytes(&self) -> Vec<u8> {
        kept::write(self)
    }

    /// From what was kept; none if another version kept it or it is damaged: make it anew.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        kept::read(bytes)
    }

    /// The value of ENVELOPE, with its parentheses.
    pub fn envelope(&self) -> &[u8] {
        &self.envelope
    }

    /// The value of BODY: the structure without extension data.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The value of BODYSTRUCTURE.
    pub fn body_structure(&self) -> &[u8] {
        &self.body_structure
    }

    /// Octets of the message's header with its empty line.
    pub fn header_len(&self) -> u64 {
        self.parts.first().map_or(0, |message| message.body)
    }

    /// Octets of the message.
    pub fn size(&self) -> u64 {
        self.parts.first().map_or(0, |message| message.end)
    }

    /// Where a section lies in the message; none if there is no such part, or it is no message
    /// and HEADER or TEXT is asked of it. No numbers ask for the message itself.
    ///
    /// A message that is no multipart has one part, its text, and that part's MIME header is
    /// the message's header. A part that is a message is numbered into as a message is.
    pub fn section(&self, part: impl Iterator<Item = u32>, what: Part) -> Option<Range<u64>> {
        let mut found = None;
        for number in part {
            found = Some(self.child(found, number)?);
        }
        let (own, message) = match found {
            None => (None, Some(self.parts.first()?)),
            Some(index) => {
                let own = self.parts.get(index)?;
                let inner = matches!(own.shape, Shape::Message).then(|| self.parts.get(index + 1)).flatten();
                (Some(own), inner)
            }
        };
        Some(match (what, own, message) {
            (Part::Whole, Some(own), _) => own.body..own.end,
            (Part::Whole, None, message) => 0..message?.end,
            (Part::Mime, own, _) => own?.header..own?.body,
            (Part::Header, _, message) => message?.header..message?.body,
            (Part::Text, _, message) => message?.body..message?.end,
        })
    }

    /// The part with this number inside a part, or inside the message.
    fn child(&self, of: Option<usize>, number: u32) -> Option<usize> {
        let (inside, is_message) = match of {
            None => (0, true),
            Some(of) => match self.parts.get(of)?.shape {
                Shape::Leaf => return None,
                Shape::Multipart => (of, false),
                Shape::Message => (of + 1, true),
            },
        };
        let parent = self.parts.get(inside)?;
        if parent.shape != Shape::Multipart {
            return (is_message && number == 1).then_some(inside);
        }
        let mut child = inside + 1;
        for _ in 1..number {
            child = self.parts.get(child)?.skip as usize;
            (child < parent.skip as usize).then_some(())?;
        }
        (number > 0).then_some(child)
    }
}

/// Of a message without octets.
impl Default for Digest {
    fn default() -> Self {
        Self::of(b"")
    }
}

impl Place {
    fn of(entity: &Entity<'_>) -> Self {
        let shape = match entity.kind {
            Kind::Leaf | Kind::Opaque => Shape::Leaf,
            Kind::Multipart => Shape::Multipart,
            Kind::Message => Shape::Message,
        };
        let (header, body, end) = (entity.header as u64, entity.body as u64, entity.end as u64);
        Self { shape, header, body, end, skip: entity.skip as u32 }
    }
}

/// HEADER.FIELDS and HEADER.FIELDS.NOT: those fields of a header, as they stand, in their
/// order, and the empty line if the header has one (RFC 3501 section 6.4.5).
///
/// Names are compared without regard to case. Lines that are no field have no name: only
/// `not` keeps them.
pub fn fields(header: &[u8], names: &[impl AsRef<[u8]>], not: bool) -> Vec<u8> {
    // Sorted, so that many names in a long header do not multiply.
    let mut sorted: Vec<Vec<u8>> = names.iter().map(|name| name.as_ref().to_ascii_lowercase()).collect();
    sorted.sort_unstable();
    let named = |field: &[u8]| {
        let lower = || field.iter().map(u8::to_ascii_lowercase);
        sorted.binary_search_by(|name| name.iter().copied().cmp(lower())).is_ok()
    };
    let mut out = Vec::new();
    let mut rest = header::Fields::new(header);
    for field in rest.by_ref() {
        if (!field.name.is_empty() && named(field.name)) != not {
            out.extend_from_slice(field.whole);
        }
    }
    out.extend_from_slice(rest.empty_line());
    out
}
