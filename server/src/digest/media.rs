//! Content-Type and its like: a value and parameters (RFC 2045 section 5.1, RFC 2183).
//!
//! Read leniently, as mail is written: values without quotes may hold white space and what
//! RFC 2045 calls tspecials. Parameters of RFC 2231 stay as they were sent; clients join and
//! decode them.

use std::borrow::Cow;

use super::PARAMETERS_MAX;
use super::words::{comment, quoted, skip_comments, unescape};

/// A media type, as written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MediaType<'m> {
    /// `text`
    pub(crate) kind: &'m [u8],
    /// `plain`
    pub(crate) subtype: &'m [u8],
    /// What follows.
    pub(crate) parameters: Parameters<'m>,
}

/// Parameters still to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameters<'m> {
    rest: &'m [u8],
    left: usize,
}

impl MediaType<'static> {
    /// What a part is if it does not say (RFC 2045 section 5.2).
    pub(crate) const TEXT: Self =
        Self { kind: b"text", subtype: b"plain", parameters: Parameters::new(b";charset=us-ascii") };
    /// The same in a multipart/digest (RFC 2046 section 5.1.5).
    pub(crate) const MESSAGE: Self = Self { kind: b"message", subtype: b"rfc822", parameters: Parameters::new(b"") };
}

impl<'m> MediaType<'m> {
    /// Reads a Content-Type; none if it is not of the form `type/subtype`.
    pub(crate) fn parse(value: &'m [u8]) -> Option<Self> {
        let (kind, rest) = token(skip_comments(value));
        let rest = skip_comments(rest).strip_prefix(b"/")?;
        let (subtype, rest) = token(skip_comments(rest));
        let parameters = Parameters::new(rest);
        (!kind.is_empty() && !subtype.is_empty()).then_some(Self { kind, subtype, parameters })
    }

    pub(crate) fn is(&self, kind: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind.as_bytes())
    }

    pub(crate) fn is_subtype(&self, subtype: &str) -> bool {
        self.subtype.eq_ignore_ascii_case(subtype.as_bytes())
    }

    /// The first parameter of this name.
    pub(crate) fn parameter(&self, name: &str) -> Option<Cow<'m, [u8]>> {
        let mut parameters = self.parameters;
        parameters.find(|(of, _)| of.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }
}

/// A token at the start of the field, and its parameters: Content-Disposition,
/// Content-Transfer-Encoding.
pub(crate) fn token_field(value: &[u8]) -> (&[u8], Parameters<'_>) {
    let (token, rest) = token(skip_comments(value));
    (token, Parameters::new(rest))
}

impl<'m> Parameters<'m> {
    const fn new(rest: &'m [u8]) -> Self {
        Self { rest, left: PARAMETERS_MAX }
    }

    /// A value behind its equals sign, and what follows it.
    fn value(text: &'m [u8]) -> (Cow<'m, [u8]>, &'m [u8]) {
        if text.first() == Some(&b'"') {
            let (inside, rest) = quoted(text);
            if memchr::memchr2(b'\\', b'\n', inside).is_none() {
                return (Cow::Borrowed(inside), rest);
            }
            let mut value = Vec::with_capacity(inside.len());
            unescape(inside, &mut value);
            return (Cow::Owned(value), rest);
        }
        // Up to the semicolon, or to a comment behind white space.
        let mut end = memchr::memchr(b';', text).unwrap_or(text.len());
        let comment = memchr::memchr_iter(b'(', &text[..end]).find(|&at| at > 0 && text[at - 1].is_ascii_whitespace());
        end = comment.unwrap_or(end);
        let value = text[..end].trim_ascii();
        (super::header::unfold(value), &text[end..])
    }
}

impl<'m> Iterator for Parameters<'m> {
    type Item = (&'m [u8], Cow<'m, [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        loop {
            self.rest = after_semicolon(self.rest)?;
            let (name, rest) = token(skip_comments(self.rest));
            self.rest = rest;
            // Without a name or a value it is no parameter.
            if let Some(value) = skip_comments(rest).strip_prefix(b"=").filter(|_| !name.is_empty()) {
                let (value, rest) = Self::value(skip_comments(value));
                self.rest = rest;
                return Some((name, value));
            }
        }
    }
}

/// What follows the next semicolon that is not in a comment or between quotes.
fn after_semicolon(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    loop {
        let at = memchr::memchr3(b';', b'(', b'"', rest)?;
        rest = match rest[at] {
            b'(' => comment(&rest[at..]).1,
            b'"' => quoted(&rest[at..]).1,
            _ => return Some(&rest[at + 1..]),
        };
    }
}

/// Octets up to white space or one of those that part tokens; the rest.
fn token(text: &[u8]) -> (&[u8], &[u8]) {
    let parts = |byte: &u8| byte.is_ascii_whitespace() || b"()/;=\",".contains(byte);
    text.split_at(text.iter().position(parts).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<String> {
        let media = MediaType::parse(value.as_bytes())?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let mut out = format!("{}|{}", text(media.kind), text(media.subtype));
        for (name, value) in media.parameters {
            out += &format!("|{}={}", text(name), text(&value));
        }
        Some(out)
    }

    #[test]
    fn types_are_read() {
        for (value, is) in [
            (" text/plain", Some("text|plain")),
            (" text/plain; charset=us-ascii (Plain text)", Some("text|plain|charset=us-ascii")),
            (" (c) Text (c) / (c) HTML (c) ; (c) A = (c) \"b\" (c)", Some("Text|HTML|A=b")),
            ("multipart/mixed;boundary=--=_a/b?c", Some("multipart|mixed|boundary=--=_a/b?c")),
            ("multipart/mixed;\r\n\tboundary=\"a\r\n b\"", Some("multipart|mixed|boundary=a b")),
            ("a/b; name=my file(1).pdf ; x=y", Some("a|b|name=my file(1).pdf|x=y")),
            ("a/b; name=\"\\\"q\\\";\"; x=", Some("a|b|name=\"q\";|x=")),
            ("a/b; name*0*=utf-8''%41; name*1=b", Some("a|b|name*0*=utf-8''%41|name*1=b")),
            ("a/b;;;novalue; =x; c=d;", Some("a|b|c=d")),
            ("a/b junk; c=d \"; e\" f; g=h", Some("a|b|c=d \"")),
            ("a/b; c=\"open; d=e", Some("a|b|c=open; d=e")),
            ("text", None),
            ("text/", None),
            ("/plain", None),
            ("", None),
        ] {
            assert_eq!(read(value).as_deref(), is, "{value:?}");
        }
    }

    #[test]
    fn parameters_have_a_limit() {
        let many = format!("a/b{}", "; n=v".repeat(PARAMETERS_MAX + 50));
        let media = MediaType::parse(many.as_bytes()).unwrap();
        assert_eq!(media.parameters.count(), PARAMETERS_MAX);
    }
}
