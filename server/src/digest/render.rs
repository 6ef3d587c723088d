//! ENVELOPE, BODY and BODYSTRUCTURE in the grammar of RFC 3501 section 9.
//!
//! Text is the field's own, unfolded and not decoded. What cannot stand between quotes goes
//! out as a literal, and NUL, which no string may hold, as `?`.

use std::io::Write as _;

use postkern::imap::data::put_string;

use super::ADDRESSES_MAX;
use super::address::put_addresses;
use super::header::unfold;
use super::media::{MediaType, Parameters, token_field};
use super::scan::{ContentField, Entity, Envelope, EnvelopeField, Kind, Scan};

/// The three of them.
pub(super) struct Rendered {
    pub(super) envelope: Vec<u8>,
    pub(super) body: Vec<u8>,
    pub(super) body_structure: Vec<u8>,
}

/// Languages of one Content-Language.
const LANGUAGES_MAX: usize = 100;

pub(super) fn render(scan: &Scan<'_>) -> Rendered {
    let mut envelopes = Envelopes::default();
    let mut envelope = Vec::with_capacity(256);
    envelopes.put(scan.entities.first(), &mut envelope);
    let body = structure(scan, false, &mut envelopes.clone());
    Rendered { envelope, body, body_structure: structure(scan, true, &mut envelopes) }
}

/// Writes one part after the other; what is open waits on a stack no deeper than the tree.
fn structure(scan: &Scan<'_>, extended: bool, envelopes: &mut Envelopes) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    let mut open: Vec<&Entity<'_>> = Vec::new();
    for (index, entity) in scan.entities.iter().enumerate() {
        while let Some(ended) = open.pop_if(|entity| entity.skip <= index) {
            put_end(ended, extended, &mut out);
        }
        out.push(b'(');
        match entity.kind {
            Kind::Leaf | Kind::Opaque => {
                put_basic(entity, &mut out);
                put_end(entity, extended, &mut out);
            }
            Kind::Multipart => open.push(entity),
            Kind::Message => {
                put_basic(entity, &mut out);
                out.push(b' ');
                envelopes.put(scan.entities.get(index + 1), &mut out);
                out.push(b' ');
                open.push(entity);
            }
        }
    }
    while let Some(ended) = open.pop() {
        put_end(ended, extended, &mut out);
    }
    out
}

/// Type, subtype and body-fields.
fn put_basic(entity: &Entity<'_>, out: &mut Vec<u8>) {
    let MediaType { kind, subtype, parameters } = entity.media;
    // A multipart or message that is not taken apart must not be called so: the grammar has
    // no such leaf.
    let (kind, subtype) = match entity.kind {
        Kind::Opaque => (&b"application"[..], &b"octet-stream"[..]),
        Kind::Leaf | Kind::Multipart | Kind::Message => (kind, subtype),
    };
    put_text(kind, out);
    out.push(b' ');
    put_text(subtype, out);
    out.push(b' ');
    put_parameters(parameters, out);
    for field in [ContentField::Id, ContentField::Description] {
        out.push(b' ');
        put_field(entity.content.get(field), out);
    }
    out.push(b' ');
    let encoding = entity.encoding();
    put_text(if encoding.is_empty() { b"7BIT" } else { encoding }, out);
    put_number(entity.end - entity.body, out);
}

/// What follows a part's contents, and its closing parenthesis.
fn put_end(entity: &Entity<'_>, extended: bool, out: &mut Vec<u8>) {
    match entity.kind {
        Kind::Multipart => {
            out.push(b' ');
            put_text(entity.media.subtype, out);
            if extended {
                out.push(b' ');
                put_parameters(entity.media.parameters, out);
            }
        }
        Kind::Leaf | Kind::Message | Kind::Opaque => {
            if entity.counts_lines() {
                put_number(entity.lines, out);
            }
            if extended {
                out.push(b' ');
                put_field(entity.content.get(ContentField::Md5), out);
            }
        }
    }
    if extended {
        out.push(b' ');
        put_disposition(entity.content.get(ContentField::Disposition), out);
        out.push(b' ');
        put_languages(entity.content.get(ContentField::Language), out);
        out.push(b' ');
        put_field(entity.content.get(ContentField::Location), out);
    }
    out.push(b')');
}

fn put_parameters(parameters: Parameters<'_>, out: &mut Vec<u8>) {
    let mut before = b'(';
    for (name, value) in parameters {
        out.push(before);
        put_text(name, out);
        out.push(b' ');
        put_text(&value, out);
        before = b' ';
    }
    out.extend_from_slice(if before == b'(' { b"NIL" } else { b")" });
}

fn put_disposition(field: Option<&[u8]>, out: &mut Vec<u8>) {
    let (disposition, parameters) = token_field(field.unwrap_or_default());
    if disposition.is_empty() {
        return out.extend_from_slice(b"NIL");
    }
    out.push(b'(');
    put_text(disposition, out);
    out.push(b' ');
    put_parameters(parameters, out);
    out.push(b')');
}

fn put_languages(field: Option<&[u8]>, out: &mut Vec<u8>) {
    let text = unfold(field.unwrap_or_default());
    let languages = text.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|language| !language.is_empty());
    let mut before = b'(';
    for language in languages.take(LANGUAGES_MAX) {
        out.push(before);
        put_text(language, out);
        before = b' ';
    }
    out.extend_from_slice(if before == b'(' { b"NIL" } else { b")" });
}

/// Envelopes of one message and of those inside it, which share a limit.
#[derive(Clone)]
struct Envelopes {
    addresses_left: usize,
}

impl Default for Envelopes {
    fn default() -> Self {
        Self { addresses_left: ADDRESSES_MAX }
    }
}

impl Envelopes {
    /// Appends the envelope of the message whose root this is.
    fn put(&mut self, root: Option<&Entity<'_>>, out: &mut Vec<u8>) {
        use EnvelopeField::{Bcc, Cc, Date, From, InReplyTo, MessageId, ReplyTo, Sender, Subject, To};
        let none = Envelope::default();
        let fields = root.and_then(|root| root.envelope.as_deref()).unwrap_or(&none);
        out.push(b'(');
        put_field(fields.get(Date), out);
        out.push(b' ');
        put_field(fields.get(Subject), out);
        let from = self.put_addresses(fields.get(From), None, out);
        // RFC 3501 section 7.4.2: where they are absent or empty, From stands for them.
        for field in [Sender, ReplyTo] {
            self.put_addresses(fields.get(field), Some(&from), out);
        }
        for field in [To, Cc, Bcc] {
            self.put_addresses(fields.get(field), None, out);
        }
        for field in [InReplyTo, MessageId] {
            out.push(b' ');
            put_field(fields.get(field), out);
        }
        out.push(b')');
    }

    /// Appends a list of addresses, or `default` in place of none; tells where it lies.
    fn put_addresses(
        &mut self,
        field: Option<&[u8]>,
        default: Option<&std::ops::Range<usize>>,
        out: &mut Vec<u8>,
    ) -> std::ops::Range<usize> {
        out.push(b' ');
        let start = out.len();
        put_addresses(field.unwrap_or_default(), &mut self.addresses_left, out);
        if let Some(default) = default
            && &out[start..] == b"NIL"
        {
            out.truncate(start);
            out.extend_from_within(default.clone());
        }
        start..out.len()
    }
}

/// Appends a field's text, or NIL without a field; a field without text is an empty string.
fn put_field(value: Option<&[u8]>, out: &mut Vec<u8>) {
    match value {
        Some(value) => put_text(&unfold(value), out),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// Appends text as a string, or NIL if there is none.
pub(super) fn put_nonempty(text: &[u8], out: &mut Vec<u8>) {
    match text {
        b"" => out.extend_from_slice(b"NIL"),
        text => put_text(text, out),
    }
}

/// Appends text as a string.
pub(super) fn put_text(text: &[u8], out: &mut Vec<u8>) {
    if memchr::memchr(0, text).is_none() {
        return put_string(text, out);
    }
    let text: Vec<u8> = text.iter().map(|&byte| if byte == 0 { b'?' } else { byte }).collect();
    put_string(&text, out);
}

/// Appends a space and a number, which the grammar limits to 32 bits.
fn put_number(number: usize, out: &mut Vec<u8>) {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    // A Vec takes all that is written.
    let _ = write!(out, " {number}");
}
