//! The text of a message as SEARCH sees it: decoded, folded, each part of it only when a key
//! asks for it and then kept for the next key.

use std::borrow::Cow;

use super::decode::{decode, unencode, words};
use super::{TEXT_MAX, date};
use crate::digest::FIELDS_MAX;
use crate::digest::header::{Fields, header_len, unfold};
use crate::digest::scan::{Entity, Kind, Scan};

/// A message being searched.
pub(super) struct Text<'m> {
    message: &'m [u8],
    scan: Option<Scan<'m>>,
    fields: Option<Vec<Field<'m>>>,
    headers: Option<String>,
    body: Option<String>,
}

/// A field of the message's own header.
struct Field<'m> {
    name: &'m [u8],
    value: &'m [u8],
    text: Option<String>,
}

impl<'m> Text<'m> {
    pub(super) fn new(message: &'m [u8]) -> Self {
        Self { message, scan: None, fields: None, headers: None, body: None }
    }

    /// The day of the Date field.
    pub(super) fn sent_day(&mut self) -> Option<i64> {
        let field = self.fields().iter().find(|field| field.name.eq_ignore_ascii_case(b"date"))?;
        date::day(&unfold(field.value))
    }

    /// Whether one of the fields of this name holds this folded text.
    pub(super) fn field_holds(&mut self, name: &[u8], holds: &str) -> bool {
        let mut named = self.fields().iter_mut().filter(|field| field.name.eq_ignore_ascii_case(name));
        named.any(|field| {
            holds.is_empty() || has(field.text.get_or_insert_with(|| fold(&words(&unfold(field.value)))), holds)
        })
    }

    /// Whether the header of the message or of anything in it holds this folded text.
    pub(super) fn headers_hold(&mut self, holds: &str) -> bool {
        if self.headers.is_none() {
            let scan = scan(&mut self.scan, self.message);
            self.headers = Some(headers(self.message, &scan.entities));
        }
        self.headers.as_deref().is_some_and(|text| has(text, holds))
    }

    /// Whether the text of the body holds this folded text.
    pub(super) fn body_holds(&mut self, holds: &str) -> bool {
        if self.body.is_none() {
            let scan = scan(&mut self.scan, self.message);
            self.body = Some(body(self.message, &scan.entities));
        }
        self.body.as_deref().is_some_and(|text| has(text, holds))
    }

    fn fields(&mut self) -> &mut [Field<'m>] {
        let message = self.message;
        self.fields.get_or_insert_with(|| {
            let header = &message[..header_len(message).min(FIELDS_MAX)];
            Fields::new(header).map(|field| Field { name: field.name, value: field.value, text: None }).collect()
        })
    }
}

fn scan<'s, 'm>(scan: &'s mut Option<Scan<'m>>, message: &'m [u8]) -> &'s Scan<'m> {
    scan.get_or_insert_with(|| Scan::of(message))
}

/// All fields, a line each.
fn headers(message: &[u8], entities: &[Entity<'_>]) -> String {
    let mut text = String::new();
    let mut left = FIELDS_MAX;
    for entity in entities {
        let header = &message[entity.header..entity.body];
        let header = &header[..header.len().min(left)];
        left -= header.len();
        for field in Fields::new(header) {
            if field.name.is_empty() {
                text.push_str(&fold(&words(&unfold(field.whole))));
            } else {
                text.push_str(&fold(&String::from_utf8_lossy(field.name)));
                text.push_str(": ");
                text.push_str(&fold(&words(&unfold(field.value))));
            }
            text.push('\n');
        }
    }
    text
}

/// The text of all parts that have some.
fn body(message: &[u8], entities: &[Entity<'_>]) -> String {
    let mut text = String::new();
    let mut left = TEXT_MAX;
    for entity in entities {
        let is_text = match entity.kind {
            Kind::Leaf => entity.media.is("text") || entity.media.is("message"),
            Kind::Opaque => true,
            Kind::Multipart | Kind::Message => false,
        };
        if !is_text || left == 0 {
            continue;
        }
        let body = &message[entity.body..entity.end];
        let body = &body[..body.len().min(left)];
        left -= body.len();
        let charset = match entity.kind {
            Kind::Leaf => entity.media.parameter("charset").unwrap_or_default(),
            Kind::Opaque | Kind::Multipart | Kind::Message => Cow::Borrowed(&b""[..]),
        };
        text.push_str(&fold(&decode(&charset, &unencode(entity.encoding(), body))));
        // No string has a NUL, so that none is found across two parts.
        text.push('\0');
    }
    text
}

fn has(text: &str, holds: &str) -> bool {
    memchr::memmem::find(text.as_bytes(), holds.as_bytes()).is_some()
}

/// Text without regard to case: each character in lower case, a final sigma as any other.
pub(super) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().flat_map(char::to_lowercase).map(|lower| if lower == 'ς' { 'σ' } else { lower }).collect()
}
