//! Finds the parts of a message (RFC 2045, RFC 2046): their headers and bodies to the octet.
//!
//! One walk from the first octet to the last. What is open is a stack of at most
//! [`NESTING_MAX`] entries and a leaf; entities are kept in the order in which they begin. The
//! rules are told in [`super`].

use std::borrow::Cow;

use memchr::memmem::Finder;

use super::header::{Fields, is_empty_line, split_line};
use super::media::{MediaType, token_field};
use super::{BOUNDARY_MAX, FIELD_MAX, FIELDS_MAX, NESTING_MAX, PARTS_MAX};

/// A message, scanned.
pub(crate) struct Scan<'m> {
    /// Each before what is inside it; the first is the message itself. Never empty.
    pub(crate) entities: Vec<Entity<'m>>,
}

/// A message or a part of one.
pub(crate) struct Entity<'m> {
    pub(crate) kind: Kind,
    /// Where its header begins.
    pub(crate) header: usize,
    /// Where its body begins.
    pub(crate) body: usize,
    /// Where its body ends.
    pub(crate) end: usize,
    /// Index of the first entity behind it that is not inside it.
    pub(crate) skip: usize,
    /// Line ends in its body, if [`counts_lines`](Self::counts_lines).
    pub(crate) lines: usize,
    pub(crate) media: MediaType<'m>,
    pub(crate) content: Content<'m>,
    /// The fields of an envelope, of what is a message.
    pub(crate) envelope: Option<Box<Envelope<'m>>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// As its type says.
    Leaf,
    /// A multipart or message that is not taken apart.
    Opaque,
    /// Its parts follow: one at least.
    Multipart,
    /// Its message follows.
    Message,
}

/// Values of the fields that begin with `Content-`; of each the first.
pub(crate) type Content<'m> = Values<'m, { CONTENT_NAMES.len() }>;
/// Values of the fields of an envelope; of each the first.
pub(crate) type Envelope<'m> = Values<'m, { ENVELOPE_NAMES.len() }>;

/// Values of fields, as they stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values<'m, const N: usize>([Option<&'m [u8]>; N]);

/// Index into [`Content`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum ContentField {
    Type,
    Encoding,
    Id,
    Description,
    Md5,
    Disposition,
    Language,
    Location,
}

const CONTENT_NAMES: [&str; 8] = [
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-ID",
    "Content-Description",
    "Content-MD5",
    "Content-Disposition",
    "Content-Language",
    "Content-Location",
];

/// Index into [`Envelope`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum EnvelopeField {
    Date,
    Subject,
    From,
    Sender,
    ReplyTo,
    To,
    Cc,
    Bcc,
    InReplyTo,
    MessageId,
}

const ENVELOPE_NAMES: [&str; 10] =
    ["Date", "Subject", "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "In-Reply-To", "Message-ID"];

impl<const N: usize> Default for Values<'_, N> {
    fn default() -> Self {
        Self([None; N])
    }
}

impl<'m, const N: usize> Values<'m, N> {
    /// Keeps the value if it is of one of these fields and the first; tells whether it did.
    fn keep(&mut self, names: &[&str; N], name: &[u8], value: &'m [u8]) -> bool {
        let field = names.iter().position(|of| of.as_bytes().eq_ignore_ascii_case(name));
        let empty = field.and_then(|field| self.0.get_mut(field)).filter(|kept| kept.is_none());
        empty.map(|kept| *kept = Some(value)).is_some()
    }
}

impl<'m> Content<'m> {
    pub(crate) fn get(&self, field: ContentField) -> Option<&'m [u8]> {
        self.0[field as usize]
    }
}

impl<'m> Envelope<'m> {
    pub(crate) fn get(&self, field: EnvelopeField) -> Option<&'m [u8]> {
        self.0[field as usize]
    }
}

impl<'m> Entity<'m> {
    /// Content-Transfer-Encoding, as written; empty if there is none.
    pub(crate) fn encoding(&self) -> &'m [u8] {
        token_field(self.content.get(ContentField::Encoding).unwrap_or_default()).0
    }

    /// Whether BODYSTRUCTURE tells its lines.
    pub(crate) fn counts_lines(&self) -> bool {
        match self.kind {
            Kind::Leaf => self.media.is("text"),
            Kind::Message => true,
            Kind::Multipart | Kind::Opaque => false,
        }
    }
}

impl<'m> Scan<'m> {
    pub(crate) fn of(message: &'m [u8]) -> Self {
        let mut scanner = Scanner {
            message,
            entities: Vec::with_capacity(4),
            open: Vec::with_capacity(4),
            lines: LineCount { message, at: 0, lines: 0 },
            fields_left: FIELDS_MAX,
            dashes: Finder::new(b"\n--"),
        };
        scanner.run();
        Self { entities: scanner.entities }
    }
}

struct Scanner<'m> {
    message: &'m [u8],
    entities: Vec<Entity<'m>>,
    /// What has begun and not ended, outermost first.
    open: Vec<Open<'m>>,
    lines: LineCount<'m>,
    /// Octets of fields that may still be kept.
    fields_left: usize,
    dashes: Finder<'static>,
}

/// An entity that has not ended.
struct Open<'m> {
    entity: usize,
    /// Of a multipart that takes more parts; empty otherwise.
    boundary: Cow<'m, [u8]>,
    /// Line ends before its body.
    lines: usize,
    /// multipart/digest
    digest: bool,
    /// Its last part, begun already, takes all that is left of it.
    full: bool,
}

/// An entity about to begin.
#[derive(Clone, Copy, PartialEq)]
enum Begins {
    Message,
    Part {
        digest: bool,
    },
    /// The rest of a multipart, past the limit of parts.
    Rest,
}

/// A boundary line.
struct Delimiter {
    start: usize,
    next: usize,
    /// Whose, among what is open.
    level: usize,
    close: bool,
}

impl<'m> Scanner<'m> {
    fn run(&mut self) {
        let mut begins = Begins::Message;
        let mut at = 0;
        loop {
            at = self.begin(begins, at);
            let inner = self.open.last().map(|open| self.entities[open.entity].kind);
            if inner == Some(Kind::Message) {
                begins = Begins::Message;
                continue;
            }
            let Some(next) = self.next_part(&mut at) else { break };
            begins = next;
        }
        self.close(0, self.message.len());
    }

    /// Looks for the next part from `at` on, and ends what ends before it.
    fn next_part(&mut self, at: &mut usize) -> Option<Begins> {
        loop {
            let found = self.find_delimiter(*at)?;
            *at = found.next;
            if !found.close && self.open[found.level].full {
                continue;
            }
            self.close(found.level + 1, before_line(self.message, found.start));
            let open = &mut self.open[found.level];
            if found.close {
                // What follows is no part, until a boundary further out (RFC 2046 section
                // 5.1.1: epilogue).
                open.boundary = Cow::Borrowed(b"");
                continue;
            }
            if self.entities.len() >= PARTS_MAX {
                open.full = true;
                return Some(Begins::Rest);
            }
            return Some(Begins::Part { digest: open.digest });
        }
    }

    /// Begins an entity; tells where its body begins.
    fn begin(&mut self, begins: Begins, at: usize) -> usize {
        let (fields_end, body) = if begins == Begins::Rest { (at, at) } else { self.header(at) };
        let mut content = Content::default();
        let mut envelope = (begins == Begins::Message).then(Box::<Envelope<'m>>::default);
        for field in Fields::new(&self.message[at..fields_end]) {
            if field.value.len() > FIELD_MAX.min(self.fields_left) {
                continue;
            }
            let kept = content.keep(&CONTENT_NAMES, field.name, field.value)
                || envelope.as_mut().is_some_and(|of| of.keep(&ENVELOPE_NAMES, field.name, field.value));
            if kept {
                self.fields_left -= field.value.len();
            }
        }
        let media = match content.get(ContentField::Type) {
            Some(value) => MediaType::parse(value).unwrap_or(MediaType::TEXT),
            None if begins == (Begins::Part { digest: true }) => MediaType::MESSAGE,
            None => MediaType::TEXT,
        };
        let index = self.entities.len();
        let mut entity = Entity {
            kind: Kind::Leaf,
            header: at,
            body,
            end: body,
            skip: index + 1,
            lines: 0,
            media,
            content,
            envelope,
        };
        let (kind, boundary) = match begins {
            Begins::Rest => (Kind::Opaque, None),
            Begins::Message | Begins::Part { .. } => self.kind(&entity),
        };
        entity.kind = kind;
        self.open.push(Open {
            entity: index,
            boundary: boundary.unwrap_or_default(),
            lines: if entity.counts_lines() { self.lines.up_to(body) } else { 0 },
            digest: media.is_subtype("digest"),
            full: false,
        });
        self.entities.push(entity);
        body
    }

    /// What an entity is, and the boundary of a multipart.
    fn kind(&self, entity: &Entity<'m>) -> (Kind, Option<Cow<'m, [u8]>>) {
        let nests = self.open.len() < NESTING_MAX && self.entities.len() + 1 < PARTS_MAX;
        if entity.media.is("multipart") {
            let boundary = entity.media.parameter("boundary").map(trim_end);
            let boundary = boundary.filter(|of| nests && (1..=BOUNDARY_MAX).contains(&of.len()));
            return (if boundary.is_some() { Kind::Multipart } else { Kind::Opaque }, boundary);
        }
        if entity.media.is("message") && entity.media.is_subtype("rfc822") {
            let encoding = entity.encoding();
            let plain = ["", "7bit", "8bit", "binary"].iter().any(|of| encoding.eq_ignore_ascii_case(of.as_bytes()));
            return (if nests && plain { Kind::Message } else { Kind::Opaque }, None);
        }
        (Kind::Leaf, None)
    }

    /// Where the fields of a header end, and where the body behind it begins.
    fn header(&self, at: usize) -> (usize, usize) {
        let bounded = self.is_bounded();
        let mut line = at;
        loop {
            let (text, rest) = split_line(&self.message[line..]);
            if text.is_empty() {
                return (line, line);
            }
            let next = self.message.len() - rest.len();
            if is_empty_line(text) {
                return (line, next);
            }
            if bounded && text.starts_with(b"--") && self.delimits(text).is_some() {
                return (line, line);
            }
            line = next;
        }
    }

    /// Ends all that is open from this level inwards.
    fn close(&mut self, level: usize, end: usize) {
        let mut end = end;
        while self.open.len() > level
            && let Some(open) = self.open.pop()
        {
            let entities = self.entities.len();
            let entity = &mut self.entities[open.entity];
            // A header may run up to the boundary line, past the line end that belongs to it.
            end = end.max(entity.body);
            entity.end = end;
            entity.skip = entities;
            if entity.kind == Kind::Multipart && entity.skip == open.entity + 1 {
                entity.kind = Kind::Opaque;
            }
            if entity.counts_lines() {
                entity.lines = self.lines.up_to(end) - open.lines;
            }
        }
    }

    /// Whether a boundary is open.
    fn is_bounded(&self) -> bool {
        self.open.iter().any(|open| !open.boundary.is_empty())
    }

    /// The first boundary line from `at` on, which is the start of a line.
    fn find_delimiter(&self, at: usize) -> Option<Delimiter> {
        if !self.is_bounded() {
            return None;
        }
        let mut at = at;
        loop {
            let rest = &self.message[at..];
            let start = if rest.starts_with(b"--") { at } else { at + self.dashes.find(rest)? + 1 };
            let (line, _) = split_line(&self.message[start..]);
            let next = start + line.len();
            if let Some((level, close)) = self.delimits(line) {
                return Some(Delimiter { start, next, level, close });
            }
            at = next;
        }
    }

    /// Whose boundary a line that begins with `--` is, and whether it closes.
    fn delimits(&self, line: &[u8]) -> Option<(usize, bool)> {
        let text = line[2..].trim_ascii_end();
        let mut longest: Option<(usize, bool)> = None;
        for (level, open) in self.open.iter().enumerate().rev() {
            let Some(rest) = text.strip_prefix(&*open.boundary).filter(|_| !open.boundary.is_empty()) else { continue };
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

/// Counts line ends on the way through a message; each octet is looked at once.
struct LineCount<'m> {
    message: &'m [u8],
    at: usize,
    lines: usize,
}

impl LineCount<'_> {
    /// Line ends before an offset that is no less than the one asked for last.
    fn up_to(&mut self, offset: usize) -> usize {
        debug_assert!(offset >= self.at, "lines are counted forwards");
        self.lines += memchr::memchr_iter(b'\n', self.message.get(self.at..offset).unwrap_or_default()).count();
        self.at = offset;
        self.lines
    }
}

/// Where the line before this one ends, without its line end.
fn before_line(message: &[u8], start: usize) -> usize {
    let before = &message[..start];
    let before = before.strip_suffix(b"\n").unwrap_or(before);
    before.strip_suffix(b"\r").unwrap_or(before).len()
}

/// A boundary does not end in white space (RFC 2046 section 5.1.1).
fn trim_end(boundary: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    match boundary {
        Cow::Borrowed(of) => Cow::Borrowed(of.trim_ascii_end()),
        Cow::Owned(of) => Cow::Owned(of.trim_ascii_end().to_vec()),
    }
}
