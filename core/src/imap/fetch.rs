//! What FETCH asks for (RFC 3501 section 6.4.5).

use alloc::vec::Vec;

use super::cursor::{Astring, Cursor};
use crate::text::put_number;

/// The items of a FETCH, checked: a macro, one item, or a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FetchItems<'i>(&'i [u8]);

/// One item. Macros are told as what they stand for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FetchItem<'i> {
    /// ENVELOPE
    Envelope,
    /// FLAGS
    Flags,
    /// INTERNALDATE
    InternalDate,
    /// RFC822: as BODY[], by another name.
    Rfc822,
    /// RFC822.HEADER: as `BODY.PEEK[HEADER]`, by another name.
    Rfc822Header,
    /// RFC822.SIZE
    Rfc822Size,
    /// RFC822.TEXT: as `BODY[TEXT]`, by another name.
    Rfc822Text,
    /// BODY without a section: BODYSTRUCTURE without extension data.
    Body,
    /// BODYSTRUCTURE
    BodyStructure,
    /// UID
    Uid,
    /// `BODY[section]<partial>`
    Section {
        /// BODY.PEEK: leaves \Seen alone.
        peek: bool,
        /// Which part.
        section: Section<'i>,
        /// First octet and how many.
        partial: Option<(u32, u32)>,
    },
}

/// A part of a message: `1.2.HEADER.FIELDS (SUBJECT)`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Section<'i> {
    /// Part numbers with their dots; empty for the message itself.
    part: &'i [u8],
    /// What of it.
    pub text: SectionText<'i>,
}

/// What of a part.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SectionText<'i> {
    /// All of its body; of the message itself, all of it.
    Whole,
    /// The header of a message.
    Header,
    /// Some of its fields.
    Fields {
        /// HEADER.FIELDS.NOT: all but these.
        not: bool,
        /// Their names.
        names: FieldNames<'i>,
    },
    /// The body of a message.
    Text,
    /// The MIME header of the part.
    Mime,
}

/// Names of header fields, checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FieldNames<'i>(&'i [u8]);

/// Items of one FETCH, the most.
const ITEMS_MAX: usize = 1000;
/// Part numbers of one section, the most: as deep as messages are parsed.
const PARTS_MAX: usize = 100;

impl<'i> FetchItems<'i> {
    /// Checks items as they stand behind the sequence set.
    pub fn parse(items: &'i [u8]) -> Option<Self> {
        let mut cursor = Cursor(items);
        let items = Self::read(&mut cursor)?;
        cursor.end().map(|()| items)
    }

    /// As they were written: to be kept and parsed again.
    pub fn as_bytes(&self) -> &'i [u8] {
        self.0
    }

    /// Each item.
    pub fn iter(&self) -> impl Iterator<Item = FetchItem<'i>> + use<'i> {
        let expanded: &'static [FetchItem<'static>] = macro_items(self.0).unwrap_or_default();
        let mut cursor = Cursor(self.0);
        cursor.eat(b'(');
        let listed = core::iter::from_fn(move || {
            if !expanded.is_empty() {
                return None;
            }
            cursor.eat(b' ');
            item(&mut cursor)
        });
        expanded.iter().copied().chain(listed)
    }

    pub(super) fn read(cursor: &mut Cursor<'i>) -> Option<Self> {
        let start = cursor.0;
        let mut ahead = *cursor;
        if let Some(name) = ahead.atom()
            && macro_items(name).is_some()
        {
            *cursor = ahead;
        } else if cursor.eat(b'(') {
            let mut items = 1;
            item(cursor)?;
            while cursor.eat(b' ') {
                item(cursor)?;
                items += 1;
                (items <= ITEMS_MAX).then_some(())?;
            }
            cursor.need(b')')?;
        } else {
            item(cursor)?;
        }
        Some(Self(&start[..start.len() - cursor.0.len()]))
    }
}

fn macro_items(name: &[u8]) -> Option<&'static [FetchItem<'static>]> {
    use FetchItem::{Body, Envelope, Flags, InternalDate, Rfc822Size};
    match name {
        _ if name.eq_ignore_ascii_case(b"ALL") => Some(&[Flags, InternalDate, Rfc822Size, Envelope]),
        _ if name.eq_ignore_ascii_case(b"FAST") => Some(&[Flags, InternalDate, Rfc822Size]),
        _ if name.eq_ignore_ascii_case(b"FULL") => Some(&[Flags, InternalDate, Rfc822Size, Envelope, Body]),
        _ => None,
    }
}

fn item<'i>(cursor: &mut Cursor<'i>) -> Option<FetchItem<'i>> {
    let name = cursor.run(|byte| byte.is_ascii_alphanumeric() || byte == b'.')?;
    let is = |of: &[u8]| name.eq_ignore_ascii_case(of);
    Some(match name {
        _ if is(b"BODY") || is(b"BODY.PEEK") => {
            let peek = name.len() > 4;
            match cursor.peek() {
                Some(b'[') => {
                    cursor.need(b'[')?;
                    let section = Section::read(cursor)?;
                    cursor.need(b']')?;
                    let partial = if cursor.peek() == Some(b'<') { Some(partial(cursor)?) } else { None };
                    FetchItem::Section { peek, section, partial }
                }
                _ if peek => return None,
                _ => FetchItem::Body,
            }
        }
        _ if is(b"FLAGS") => FetchItem::Flags,
        _ if is(b"UID") => FetchItem::Uid,
        _ if is(b"ENVELOPE") => FetchItem::Envelope,
        _ if is(b"INTERNALDATE") => FetchItem::InternalDate,
        _ if is(b"BODYSTRUCTURE") => FetchItem::BodyStructure,
        _ if is(b"RFC822") => FetchItem::Rfc822,
        _ if is(b"RFC822.SIZE") => FetchItem::Rfc822Size,
        _ if is(b"RFC822.HEADER") => FetchItem::Rfc822Header,
        _ if is(b"RFC822.TEXT") => FetchItem::Rfc822Text,
        _ => return None,
    })
}

/// `<0.2048>`; of no octets is against the grammar.
fn partial(cursor: &mut Cursor<'_>) -> Option<(u32, u32)> {
    cursor.need(b'<')?;
    let from = cursor.number()?;
    cursor.need(b'.')?;
    let octets = cursor.nz_number()?;
    cursor.need(b'>')?;
    Some((from, octets))
}

impl<'i> Section<'i> {
    /// All of the message.
    pub const WHOLE: Section<'static> = Section { part: b"", text: SectionText::Whole };

    /// The part's numbers; none for the message itself.
    pub fn part(&self) -> impl Iterator<Item = u32> + use<'i> {
        self.part.split(|&byte| byte == b'.').filter_map(crate::text::number)
    }

    /// Appends it as the response names it, field names in upper case as clients expect.
    pub fn write(&self, out: &mut Vec<u8>) {
        for (index, number) in self.part().enumerate() {
            if index > 0 {
                out.push(b'.');
            }
            put_number(number.into(), out);
        }
        let mut text = |text: &[u8]| {
            if !self.part.is_empty() && !text.is_empty() {
                out.push(b'.');
            }
            out.extend_from_slice(text);
        };
        match self.text {
            SectionText::Whole => text(b""),
            SectionText::Header => text(b"HEADER"),
            SectionText::Text => text(b"TEXT"),
            SectionText::Mime => text(b"MIME"),
            SectionText::Fields { not, names } => {
                text(if not { b"HEADER.FIELDS.NOT (" } else { b"HEADER.FIELDS (" });
                for (index, name) in names.iter().enumerate() {
                    if index > 0 {
                        out.push(b' ');
                    }
                    super::data::put_astring(&name.bytes(), out);
                }
                out.push(b')');
            }
        }
    }

    pub(super) fn read(cursor: &mut Cursor<'i>) -> Option<Self> {
        let start = cursor.0;
        let mut part = &start[..0];
        let mut count = 0;
        while cursor.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            cursor.nz_number()?;
            part = &start[..start.len() - cursor.0.len()];
            count += 1;
            (count <= PARTS_MAX).then_some(())?;
            if !cursor.eat(b'.') {
                return Some(Self { part, text: SectionText::Whole });
            }
        }
        let name = match cursor.run(|byte| byte.is_ascii_alphabetic() || byte == b'.') {
            Some(name) => name,
            None if part.is_empty() => return Some(Self { part, text: SectionText::Whole }),
            None => return None,
        };
        let is = |of: &[u8]| name.eq_ignore_ascii_case(of);
        let text = match name {
            _ if is(b"HEADER") => SectionText::Header,
            _ if is(b"TEXT") => SectionText::Text,
            _ if is(b"MIME") && !part.is_empty() => SectionText::Mime,
            _ if is(b"HEADER.FIELDS") || is(b"HEADER.FIELDS.NOT") => {
                cursor.sp()?;
                SectionText::Fields { not: is(b"HEADER.FIELDS.NOT"), names: FieldNames::read(cursor)? }
            }
            _ => return None,
        };
        Some(Self { part, text })
    }
}

impl<'i> FieldNames<'i> {
    /// Each name.
    pub fn iter(&self) -> impl Iterator<Item = Astring<'i>> + use<'i> {
        let mut cursor = Cursor(self.0);
        core::iter::from_fn(move || {
            cursor.eat(b' ');
            cursor.astring()
        })
    }

    fn read(cursor: &mut Cursor<'i>) -> Option<Self> {
        cursor.need(b'(')?;
        let start = cursor.0;
        loop {
            // RFC 5322 section 2.2: printable and no colon.
            let name = cursor.astring()?;
            let fits = |byte: &u8| byte.is_ascii_graphic() && *byte != b':';
            (!name.bytes().is_empty() && name.bytes().iter().all(fits)).then_some(())?;
            if !cursor.eat(b' ') {
                break;
            }
        }
        let names = &start[..start.len() - cursor.0.len()];
        cursor.need(b')')?;
        Some(Self(names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    /// Items, each as it would be named again.
    fn read(items: &str) -> Option<String> {
        let items = FetchItems::parse(items.as_bytes())?;
        let mut out = Vec::new();
        for item in items.iter() {
            match item {
                FetchItem::Section { peek, section, partial } => {
                    out.extend_from_slice(if peek { b"PEEK[" } else { b"[" });
                    section.write(&mut out);
                    out.push(b']');
                    if let Some((from, octets)) = partial {
                        out.extend_from_slice(alloc::format!("<{from}.{octets}>").as_bytes());
                    }
                }
                plain => out.extend_from_slice(alloc::format!("{plain:?}").as_bytes()),
            }
            out.push(b' ');
        }
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn items_are_checked() {
        for (items, is) in [
            ("FLAGS", Some("Flags ")),
            ("fast", Some("Flags InternalDate Rfc822Size ")),
            ("(UID BODY.PEEK[])", Some("Uid PEEK[] ")),
            ("BODY[1.2.MIME]<0.10>", Some("[1.2.MIME]<0.10> ")),
            ("(BODY BODY[TEXT] BODYSTRUCTURE)", Some("Body [TEXT] BodyStructure ")),
            ("BODY[2.HEADER.FIELDS.NOT (a \"b\")]", Some("[2.HEADER.FIELDS.NOT (a b)] ")),
            ("BODY[4294967296]", None),
            ("BODY[0]", None),
            ("BODY[1.]", None),
            ("BODY[MIME]", None),
            ("BODY[]<0.0>", None),
            ("BODY[]<4294967296.1>", None),
            ("BODY.PEEK", None),
            ("(FAST)", None),
            ("()", None),
            ("(FLAGS", None),
            ("FLAGS UID", None),
            ("BODY[HEADER.FIELDS ()]", None),
            ("BODY[HEADER.FIELDS (a:b)]", None),
        ] {
            assert_eq!(read(items).as_deref(), is, "{items}");
        }
    }

    #[test]
    fn parts_have_a_limit() {
        let part = |depth| alloc::format!("BODY[{}]", alloc::vec!["1"; depth].join("."));
        assert!(read(&part(PARTS_MAX)).is_some());
        assert!(read(&part(PARTS_MAX + 1)).is_none());
        let items = |count| alloc::format!("({})", alloc::vec!["UID"; count].join(" "));
        assert!(read(&items(ITEMS_MAX)).is_some());
        assert!(read(&items(ITEMS_MAX + 1)).is_none());
    }
}
