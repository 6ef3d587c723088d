//! BODY and BODYSTRUCTURE (RFC 3501 section 7.4.2), as a server says them.
//!
//! The whole tree is checked once, without recursion; each level is then read when it is
//! looked at. Where the parts of a multipart end is kept from the reading before.

use super::cursor::{Astring, Cursor};
use super::envelope::Envelope;

/// Parts within parts, the most; a deeper structure is told as it was written.
pub const STRUCTURE_DEPTH: usize = 100;

/// The structure of a message or of a part, checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BodyStructure<'i> {
    octets: &'i [u8],
    /// Octets of its parts, behind its parenthesis; 0 where it has none.
    parts: usize,
}

/// One level of a structure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a view is looked at where it is made")]
pub enum Body<'i> {
    /// A part that has no parts, or is a message.
    Part(Part<'i>),
    /// Parts in order.
    Multipart(Multipart<'i>),
}

/// A part that is no multipart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Part<'i> {
    /// `text`
    pub media_type: Astring<'i>,
    /// `plain`
    pub subtype: Astring<'i>,
    /// `charset`, `name`, ...
    pub parameters: Parameters<'i>,
    /// Content-ID:
    pub id: Option<Astring<'i>>,
    /// Content-Description:
    pub description: Option<Astring<'i>>,
    /// Content-Transfer-Encoding:; some servers say NIL for 7bit.
    pub encoding: Option<Astring<'i>>,
    /// Octets of its body in that encoding.
    pub octets: u32,
    /// Lines of its body, for text and messages.
    pub lines: Option<u32>,
    /// For message/rfc822: its envelope and its body.
    pub message: Option<(Envelope<'i>, BodyStructure<'i>)>,
    /// Content-MD5:
    pub md5: Option<Astring<'i>>,
    /// What BODYSTRUCTURE has over BODY.
    pub extension: Extension<'i>,
}

/// Parts in order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Multipart<'i> {
    parts: &'i [u8],
    /// `mixed`
    pub subtype: Astring<'i>,
    /// `boundary`, ...
    pub parameters: Parameters<'i>,
    /// What BODYSTRUCTURE has over BODY.
    pub extension: Extension<'i>,
}

/// What BODYSTRUCTURE has over BODY, as far as the server says it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Extension<'i> {
    /// Content-Disposition: and its parameters.
    pub disposition: Option<(Astring<'i>, Parameters<'i>)>,
    /// Content-Language:, a string or a list as it was written.
    languages: &'i [u8],
    /// Content-Location:
    pub location: Option<Astring<'i>>,
}

/// Attributes and values, checked; empty for NIL.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Parameters<'i>(&'i [u8]);

impl<'i> BodyStructure<'i> {
    /// The level at the top. To visit all of a tree costs its octets times its depth, as its
    /// parts are told apart at each level.
    pub fn body(&self) -> Body<'i> {
        self.level().expect("a structure is checked when it is read")
    }

    /// Checks all levels, and takes them as they stand.
    pub(super) fn read(cursor: &mut Cursor<'i>) -> Option<Self> {
        let start = cursor.0;
        let mut open = [Open::Multipart; STRUCTURE_DEPTH];
        let (mut depth, mut parts) = (0, 0);
        loop {
            cursor.need(b'(')?;
            let opened = match cursor.peek()? {
                b'(' => Some(Open::Multipart),
                _ => leaf(cursor)?.then_some(Open::Message),
            };
            if let Some(opened) = opened {
                *open.get_mut(depth)? = opened;
                depth += 1;
                continue;
            }
            part_extension(cursor)?;
            // A body is whole: so may those be that it ends.
            loop {
                let Some(top) = depth.checked_sub(1) else {
                    return Some(Self { octets: &start[..start.len() - cursor.0.len()], parts });
                };
                match open[top] {
                    Open::Multipart if cursor.peek()? == b'(' => break,
                    Open::Multipart => {
                        if top == 0 {
                            parts = start.len() - cursor.0.len() - 1;
                        }
                        multipart_end(cursor)?;
                    }
                    Open::Message => {
                        cursor.sp()?;
                        cursor.number()?;
                        part_extension(cursor)?;
                    }
                }
                depth = top;
            }
        }
    }

    /// Takes a body that is checked.
    fn take(cursor: &mut Cursor<'i>) -> Option<Self> {
        let start = cursor.0;
        if !start.starts_with(b"((") {
            return Some(Self { octets: cursor.value()?, parts: 0 });
        }
        cursor.0 = &start[1..];
        while cursor.peek()? == b'(' {
            cursor.value()?;
        }
        let parts = start.len() - cursor.0.len() - 1;
        while !cursor.eat(b')') {
            cursor.sp()?;
            cursor.value()?;
        }
        Some(Self { octets: &start[..start.len() - cursor.0.len()], parts })
    }

    fn level(&self) -> Option<Body<'i>> {
        let cursor = &mut Cursor(self.octets);
        cursor.need(b'(')?;
        if self.parts > 0 {
            let (parts, rest) = cursor.0.split_at(self.parts);
            cursor.0 = rest;
            let (subtype, parameters, extension) = multipart_end(cursor)?;
            return Some(Body::Multipart(Multipart { parts, subtype, parameters, extension }));
        }
        let basic = Basic::read(cursor)?;
        let message = if basic.is_message() {
            cursor.sp()?;
            let envelope = Envelope::read(cursor)?;
            cursor.sp()?;
            Some((envelope, Self::take(cursor)?))
        } else {
            None
        };
        let lines = if message.is_some() || basic.is_text() {
            cursor.sp()?;
            Some(cursor.number()?)
        } else {
            None
        };
        let (md5, extension) = part_extension(cursor)?;
        let Basic { media_type, subtype, parameters, id, description, encoding, octets } = basic;
        Some(Body::Part(Part {
            media_type,
            subtype,
            parameters,
            id,
            description,
            encoding,
            octets,
            lines,
            message,
            md5,
            extension,
        }))
    }
}

#[derive(Clone, Copy)]
enum Open {
    Multipart,
    Message,
}

/// The fields that all parts have.
struct Basic<'i> {
    media_type: Astring<'i>,
    subtype: Astring<'i>,
    parameters: Parameters<'i>,
    id: Option<Astring<'i>>,
    description: Option<Astring<'i>>,
    encoding: Option<Astring<'i>>,
    octets: u32,
}

impl<'i> Basic<'i> {
    fn read(cursor: &mut Cursor<'i>) -> Option<Self> {
        let media_type = cursor.said_string()?;
        cursor.sp()?;
        let subtype = cursor.said_string()?;
        let parameters = Parameters::read(cursor)?;
        let (id, description, encoding) = (spaced(cursor)?, spaced(cursor)?, spaced(cursor)?);
        cursor.sp()?;
        Some(Self { media_type, subtype, parameters, id, description, encoding, octets: cursor.number()? })
    }

    fn is_text(&self) -> bool {
        self.media_type.is(b"TEXT")
    }

    fn is_message(&self) -> bool {
        self.media_type.is(b"MESSAGE") && self.subtype.is(b"RFC822")
    }
}

/// A part up to its extension, or a message up to its body; tells which.
fn leaf(cursor: &mut Cursor<'_>) -> Option<bool> {
    let basic = Basic::read(cursor)?;
    if basic.is_message() {
        cursor.sp()?;
        Envelope::read(cursor)?;
        cursor.sp()?;
        return Some(true);
    }
    if basic.is_text() {
        cursor.sp()?;
        cursor.number()?;
    }
    Some(false)
}

/// `body-ext-1part` and the closing parenthesis.
fn part_extension<'i>(cursor: &mut Cursor<'i>) -> Option<(Option<Astring<'i>>, Extension<'i>)> {
    if cursor.eat(b')') {
        return Some((None, Extension::default()));
    }
    let md5 = spaced(cursor)?;
    Some((md5, Extension::read(cursor)?))
}

/// Behind the parts: the subtype, `body-ext-mpart` and the closing parenthesis.
fn multipart_end<'i>(cursor: &mut Cursor<'i>) -> Option<(Astring<'i>, Parameters<'i>, Extension<'i>)> {
    cursor.sp()?;
    let subtype = cursor.said_string()?;
    if cursor.eat(b')') {
        return Some((subtype, Parameters::default(), Extension::default()));
    }
    let parameters = Parameters::read(cursor)?;
    Some((subtype, parameters, Extension::read(cursor)?))
}

impl<'i> Multipart<'i> {
    /// Each part.
    pub fn parts(&self) -> impl Iterator<Item = BodyStructure<'i>> + use<'i> {
        let mut cursor = Cursor(self.parts);
        core::iter::from_fn(move || BodyStructure::take(&mut cursor))
    }
}

impl<'i> Extension<'i> {
    /// The tags of Content-Language:.
    pub fn languages(&self) -> impl Iterator<Item = Astring<'i>> + use<'i> {
        let mut cursor = Cursor(self.languages);
        cursor.eat(b'(');
        core::iter::from_fn(move || {
            cursor.eat(b' ');
            cursor.said_string()
        })
    }

    /// Up to the closing parenthesis; what future extensions say is passed over.
    fn read(cursor: &mut Cursor<'i>) -> Option<Self> {
        let mut extension = Self::default();
        if cursor.eat(b')') {
            return Some(extension);
        }
        cursor.sp()?;
        extension.disposition = match cursor.eat(b'(') {
            true => {
                let kind = cursor.said_string()?;
                let parameters = Parameters::read(cursor)?;
                cursor.need(b')')?;
                Some((kind, parameters))
            }
            false => cursor.nil().map(|()| None)?,
        };
        if cursor.eat(b')') {
            return Some(extension);
        }
        cursor.sp()?;
        extension.languages = cursor.value()?;
        if cursor.eat(b')') {
            return Some(extension);
        }
        extension.location = spaced(cursor)?;
        while cursor.eat(b' ') {
            cursor.value()?;
        }
        cursor.need(b')')?;
        Some(extension)
    }
}

impl<'i> Parameters<'i> {
    /// Each attribute and its value.
    pub fn iter(&self) -> impl Iterator<Item = (Astring<'i>, Astring<'i>)> + use<'i> {
        let mut cursor = Cursor(self.0);
        core::iter::from_fn(move || {
            cursor.eat(b' ');
            pair(&mut cursor)
        })
    }

    /// The value of an attribute, whose name is of any case.
    pub fn value(&self, attribute: &str) -> Option<Astring<'i>> {
        self.iter().find(|(name, _)| name.is(attribute.as_bytes())).map(|(_, value)| value)
    }

    /// Behind its space.
    fn read(cursor: &mut Cursor<'i>) -> Option<Self> {
        cursor.sp()?;
        if !cursor.eat(b'(') {
            return cursor.nil().map(|()| Self(b""));
        }
        let start = cursor.0;
        if !cursor.eat(b')') {
            pair(cursor)?;
            while !cursor.eat(b')') {
                cursor.sp()?;
                pair(cursor)?;
            }
        }
        Some(Self(&start[..start.len() - cursor.0.len() - 1]))
    }
}

fn pair<'i>(cursor: &mut Cursor<'i>) -> Option<(Astring<'i>, Astring<'i>)> {
    let attribute = cursor.said_string()?;
    cursor.sp()?;
    Some((attribute, cursor.said_string()?))
}

fn spaced<'i>(cursor: &mut Cursor<'i>) -> Option<Option<Astring<'i>>> {
    cursor.sp()?;
    cursor.said_nstring()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;

    fn read(text: &str) -> Option<BodyStructure<'_>> {
        let mut cursor = Cursor(text.as_bytes());
        let body = BodyStructure::read(&mut cursor)?;
        cursor.end().map(|()| body)
    }

    fn text(string: Astring<'_>) -> String {
        string.text().unwrap().to_lowercase()
    }

    /// `mixed[text/plain message/rfc822[text/html]]`
    fn shape(body: BodyStructure<'_>) -> String {
        match body.body() {
            Body::Multipart(multipart) => {
                let parts: Vec<_> = multipart.parts().map(shape).collect();
                alloc::format!("{}[{}]", text(multipart.subtype), parts.join(" "))
            }
            Body::Part(part) => {
                let within = part.message.map(|(_, body)| alloc::format!("[{}]", shape(body))).unwrap_or_default();
                alloc::format!("{}/{}{within}", text(part.media_type), text(part.subtype))
            }
        }
    }

    const PLAIN: &str = r#"("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 1152 23)"#;
    const NILS: &str = "NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL";

    #[test]
    fn structures_are_read_level_by_level() {
        let message = alloc::format!(r#"("message" "rfc822" NIL NIL NIL "7bit" 9 ({NILS}) {PLAIN} 8)"#);
        let long = r#"("image" "png" ("name" "a b.png") "<i>" "d" "base64" 9 NIL ("attachment" ("filename" "x")) ("de" "en") "l" (1 ("x" 2)) NIL)"#;
        for (body, is) in [
            (PLAIN.into(), "text/plain"),
            (alloc::format!(r#"({PLAIN}{PLAIN} "MIXED")"#), "mixed[text/plain text/plain]"),
            (
                alloc::format!(r#"(({PLAIN} "alternative" ("boundary" "b") NIL NIL){message}{long} "mixed")"#),
                "mixed[alternative[text/plain] message/rfc822[text/plain] image/png]",
            ),
        ] {
            assert_eq!(read(&body).map(shape).as_deref(), Some(is), "{body}");
        }
        let Body::Part(part) = read(long).unwrap().body() else { panic!("a part") };
        assert_eq!(part.parameters.value("NAME").map(text).as_deref(), Some("a b.png"));
        let (kind, parameters) = part.extension.disposition.unwrap();
        assert!(kind.is(b"attachment") && parameters.value("filename").is_some());
        assert_eq!(part.extension.languages().map(text).collect::<Vec<_>>(), ["de", "en"]);
        assert!(part.extension.location.unwrap().is(b"l"));
    }

    #[test]
    fn what_is_no_structure_is_refused() {
        for body in [
            "()",
            "NIL",
            r#"("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1)"#,
            r#"("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1 -1)"#,
            r#"("TEXT" "PLAIN" ("a") NIL NIL "7BIT" 1 1)"#,
            r#"("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1 1"#,
            r#"(("a" "b" NIL NIL NIL "7BIT" 1))"#,
            r#"("message" "rfc822" NIL NIL NIL "7bit" 9 NIL NIL 8)"#,
        ] {
            assert_eq!(read(body), None, "{body}");
        }
    }

    #[test]
    fn depth_has_a_limit_and_no_recursion() {
        let nested = |depth: usize| alloc::format!("{}{PLAIN}{}", "(".repeat(depth), r#" "mixed")"#.repeat(depth));
        assert!(read(&nested(STRUCTURE_DEPTH)).is_some());
        assert!(read(&nested(STRUCTURE_DEPTH + 1)).is_none());
        assert!(read(&"(".repeat(1_000_000)).is_none());
    }
}
