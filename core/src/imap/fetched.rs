//! What a server tells of a message in FETCH (RFC 3501 section 7.4.2). Nothing is copied,
//! and an item is read when the iterator comes to it, once.

use super::cursor::{Astring, Cursor, is_name_char};
use super::date::DateTime;
use super::envelope::Envelope;
use super::fetch::Section;
use super::flags::Flags;
use super::structure::BodyStructure;
use crate::text::number64;

/// The items of one FETCH response, or of a part of one around a streamed literal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FetchValues<'i>(&'i [u8]);

/// One item and its value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FetchValue<'i> {
    /// UID
    Uid(u32),
    /// FLAGS
    Flags(Flags<'i>),
    /// INTERNALDATE
    InternalDate(DateTime),
    /// RFC822.SIZE; some servers have messages of more than 32 bits.
    Rfc822Size(u64),
    /// ENVELOPE
    Envelope(Envelope<'i>),
    /// BODY without a section: a structure without extension data.
    Body(BodyStructure<'i>),
    /// BODYSTRUCTURE
    BodyStructure(BodyStructure<'i>),
    /// Octets of the message; none where there are none such (NIL).
    Text {
        /// What of the message.
        name: TextName<'i>,
        /// The octets.
        octets: Option<Astring<'i>>,
    },
    /// An item that is unknown, or whose value is not of its grammar, as they were written.
    Other {
        /// Its name, with what stands in brackets.
        name: &'i [u8],
        /// Its value.
        value: &'i [u8],
    },
    /// What is not even items and values, up to the end of the response.
    Odd(&'i [u8]),
}

/// What of a message some octets are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TextName<'i> {
    /// `BODY[section]<origin>`
    Section {
        /// Which part.
        section: Section<'i>,
        /// The first octet, if a partial one was asked for.
        origin: Option<u32>,
    },
    /// RFC822
    Rfc822,
    /// RFC822.HEADER
    Rfc822Header,
    /// RFC822.TEXT
    Rfc822Text,
}

impl<'i> FetchValues<'i> {
    /// Each item.
    pub fn iter(&self) -> impl Iterator<Item = FetchValue<'i>> + use<'i> {
        let mut cursor = Cursor(self.0);
        core::iter::from_fn(move || {
            cursor.eat(b' ');
            if cursor.is_end() {
                return None;
            }
            let rest = cursor.0;
            // The value is large: it is handed on as it is, and not taken apart between.
            let value = FetchValue::read(&mut cursor);
            if value.is_some() {
                return value;
            }
            cursor.0 = b"";
            Some(FetchValue::Odd(rest))
        })
    }

    /// Of the octets between the parentheses.
    pub(super) fn new(items: &'i [u8]) -> Self {
        Self(items)
    }

    /// What stands before a literal that is to be streamed, and what it is: none if the
    /// literal is within something else.
    pub(super) fn before_literal(items: &'i [u8]) -> Option<(Self, TextName<'i>)> {
        let mut cursor = Cursor(items);
        loop {
            cursor.eat(b' ');
            let whole = items.len() - cursor.0.len();
            let mut ahead = cursor;
            if let Some(name) = TextName::read(&mut ahead)
                && ahead.0 == b" "
            {
                return Some((Self(&items[..whole]), name));
            }
            FetchValue::read(&mut cursor)?;
        }
    }
}

impl<'i> FetchValue<'i> {
    fn read(cursor: &mut Cursor<'i>) -> Option<Self> {
        let start = *cursor;
        let known = Self::known(cursor);
        if known.is_some() && matches!(cursor.peek(), None | Some(b' ')) {
            return known;
        }
        *cursor = start;
        Self::other(cursor)
    }

    fn known(cursor: &mut Cursor<'i>) -> Option<Self> {
        let mut ahead = *cursor;
        let name = item_name(&mut ahead)?;
        let mut upper = [0; 13];
        let upper = upper.get_mut(..name.len())?;
        upper.copy_from_slice(name);
        upper.make_ascii_uppercase();
        let of_text = match &*upper {
            b"BODY" => ahead.peek() == Some(b'['),
            b"RFC822" | b"RFC822.HEADER" | b"RFC822.TEXT" => true,
            _ => false,
        };
        if of_text {
            let name = TextName::read(cursor)?;
            cursor.sp()?;
            return Some(Self::Text { name, octets: cursor.said_nstring()? });
        }
        *cursor = ahead;
        cursor.sp()?;
        Some(match &*upper {
            b"UID" => Self::Uid(cursor.nz_number()?),
            b"FLAGS" => Self::Flags(Flags::read_list(cursor)?),
            b"INTERNALDATE" => Self::InternalDate(DateTime::read(cursor)?),
            b"RFC822.SIZE" => Self::Rfc822Size(number64(cursor.run(|byte| byte.is_ascii_digit())?)?),
            b"ENVELOPE" => Self::Envelope(Envelope::read(cursor)?),
            b"BODY" => Self::Body(BodyStructure::read(cursor)?),
            b"BODYSTRUCTURE" => Self::BodyStructure(BodyStructure::read(cursor)?),
            _ => return None,
        })
    }

    fn other(cursor: &mut Cursor<'i>) -> Option<Self> {
        let start = cursor.0;
        item_name(cursor)?;
        if cursor.peek() == Some(b'[') {
            cursor.0 = &cursor.0[memchr::memchr(b']', cursor.0)? + 1..];
            if cursor.eat(b'<') {
                cursor.number()?;
                cursor.need(b'>')?;
            }
        }
        let name = &start[..start.len() - cursor.0.len()];
        cursor.sp()?;
        let value = cursor.value()?;
        matches!(cursor.peek(), None | Some(b' ')).then_some(Self::Other { name, value })
    }
}

impl<'i> TextName<'i> {
    fn read(cursor: &mut Cursor<'i>) -> Option<Self> {
        let name = item_name(cursor)?;
        let is = |of: &[u8]| name.eq_ignore_ascii_case(of);
        if is(b"BODY") {
            cursor.need(b'[')?;
            let section = Section::read(cursor)?;
            cursor.need(b']')?;
            let origin = match cursor.eat(b'<') {
                true => {
                    let origin = cursor.number()?;
                    cursor.need(b'>')?;
                    Some(origin)
                }
                false => None,
            };
            return Some(Self::Section { section, origin });
        }
        Some(match name {
            _ if is(b"RFC822") => Self::Rfc822,
            _ if is(b"RFC822.HEADER") => Self::Rfc822Header,
            _ if is(b"RFC822.TEXT") => Self::Rfc822Text,
            _ => return None,
        })
    }
}

fn item_name<'i>(cursor: &mut Cursor<'i>) -> Option<&'i [u8]> {
    cursor.run(is_name_char)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn read(items: &[u8]) -> String {
        FetchValues::new(items).iter().map(|value| alloc::format!("{} ", one(value))).collect()
    }

    fn one(value: FetchValue<'_>) -> String {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        match value {
            FetchValue::Uid(uid) => alloc::format!("uid={uid}"),
            FetchValue::Flags(flags) => alloc::format!("flags={}", flags.iter().count()),
            FetchValue::InternalDate(date) => alloc::format!("date={}", date.unix()),
            FetchValue::Rfc822Size(octets) => alloc::format!("size={octets}"),
            FetchValue::Envelope(_) => "envelope".into(),
            FetchValue::Body(_) => "body".into(),
            FetchValue::BodyStructure(_) => "structure".into(),
            FetchValue::Text { octets, .. } => {
                octets.map_or("NIL".into(), |octets| alloc::format!("text={}", text(&octets.bytes())))
            }
            FetchValue::Other { name, value } => alloc::format!("{}={}", text(name), text(value)),
            FetchValue::Odd(rest) => alloc::format!("odd={}", text(rest)),
        }
    }

    #[test]
    fn items_are_told_and_the_unknown_as_it_stands() {
        for (items, is) in [
            (&b"UID 4 FLAGS (\\Seen a) RFC822.SIZE 4294967296"[..], "uid=4 flags=2 size=4294967296 "),
            (b"INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" uid 1", "date=837596665 uid=1 "),
            (b"BODY[1.2]<5> \"a\\\"b\" BODY[] NIL RFC822 {3}\r\na\0b", "text=a\"b NIL text=a\0b "),
            (b"BODY[HEADER.FIELDS (FROM \"To\")] {2}\r\n\r\n", "text=\r\n "),
            (b"MODSEQ (12) X-GM-LABELS (\"a)\" {1}\r\n() UID 1", "MODSEQ=(12) X-GM-LABELS=(\"a)\" {1}\r\n() uid=1 "),
            (
                b"ENVELOPE NIL BODYSTRUCTURE NIL UID 0 BINARY[1]<0> \"x\"",
                "ENVELOPE=NIL BODYSTRUCTURE=NIL UID=0 BINARY[1]<0>=\"x\" ",
            ),
            (b"UID 4) FETCH", "odd=UID 4) FETCH "),
            (b"UID", "odd=UID "),
            (b"UID 4 BODY[] {9}\r\nabc", "uid=4 odd=BODY[] {9}\r\nabc "),
            (b"", ""),
        ] {
            assert_eq!(read(items), is, "{items:?}");
        }
    }

    #[test]
    fn a_literal_is_streamed_only_where_it_is_the_messages() {
        let before = |items| FetchValues::before_literal(items).map(|(values, name)| (values.iter().count(), name));
        let whole = TextName::Section { section: Section::WHOLE, origin: None };
        assert_eq!(before(b"BODY[] "), Some((0, whole)));
        assert_eq!(before(b" UID 4 FLAGS () BODY[] "), Some((2, whole)));
        assert_eq!(before(b"RFC822.TEXT "), Some((0, TextName::Rfc822Text)));
        for other in [&b"ENVELOPE (NIL "[..], b"X (BODY[] ", b"BODY[HEADER.FIELDS (", b"UID ", b"BODY[]", b"BODY[] ("] {
            assert_eq!(before(other), None, "{other:?}");
        }
    }
}
