//! Reading IMAP's grammar from a whole command or response (RFC 3501 section 9). Nothing is
//! copied; what does not fit is `None`.

use alloc::borrow::Cow;

use crate::text::number;

/// What is left to read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Cursor<'i>(pub(super) &'i [u8]);

/// An atom, quoted string or literal, still as it was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Astring<'i> {
    raw: &'i [u8],
    escaped: bool,
}

impl<'i> Astring<'i> {
    /// The octets meant; copied only where a quoted string holds a backslash.
    pub fn bytes(&self) -> Cow<'i, [u8]> {
        if !self.escaped {
            return Cow::Borrowed(self.raw);
        }
        let mut escape = false;
        let plain = |&byte: &u8| {
            escape = byte == b'\\' && !escape;
            !escape
        };
        Cow::Owned(self.raw.iter().copied().filter(plain).collect())
    }

    /// The text meant; none if it is not UTF-8 or holds a control octet, which no name and
    /// no password has (RFC 3501 has NUL nowhere).
    pub fn text(&self) -> Option<Cow<'i, str>> {
        let text = match self.bytes() {
            Cow::Borrowed(bytes) => Cow::Borrowed(core::str::from_utf8(bytes).ok()?),
            Cow::Owned(bytes) => Cow::Owned(alloc::string::String::from_utf8(bytes).ok()?),
        };
        (!text.bytes().any(|byte| byte.is_ascii_control())).then_some(text)
    }
}

/// ATOM-CHAR (RFC 3501 section 9).
pub(super) fn is_atom_char(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte)
}

/// ASTRING-CHAR.
pub(super) fn is_astring_char(byte: u8) -> bool {
    is_atom_char(byte) || byte == b']'
}

impl<'i> Cursor<'i> {
    pub(super) fn is_end(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Takes this octet or nothing.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        match self.0 {
            [first, rest @ ..] if *first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    pub(super) fn need(&mut self, byte: u8) -> Option<()> {
        self.eat(byte).then_some(())
    }

    pub(super) fn sp(&mut self) -> Option<()> {
        self.need(b' ')
    }

    /// Takes octets as long as `of` holds; at least one.
    pub(super) fn run(&mut self, of: impl Fn(u8) -> bool) -> Option<&'i [u8]> {
        let end = self.0.iter().position(|&byte| !of(byte)).unwrap_or(self.0.len());
        let (run, rest) = self.0.split_at(end);
        self.0 = rest;
        (end > 0).then_some(run)
    }

    pub(super) fn atom(&mut self) -> Option<&'i [u8]> {
        self.run(is_atom_char)
    }

    /// Takes this word, in any case, if the atom here is it.
    pub(super) fn word(&mut self, word: &[u8]) -> bool {
        let mut ahead = *self;
        let is = ahead.atom().is_some_and(|atom| atom.eq_ignore_ascii_case(word));
        if is {
            *self = ahead;
        }
        is
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        number(self.run(|byte| byte.is_ascii_digit())?)
    }

    /// nz-number.
    pub(super) fn nz_number(&mut self) -> Option<u32> {
        self.number().filter(|&number| number > 0)
    }

    /// A quoted string or literal.
    pub(super) fn string(&mut self) -> Option<Astring<'i>> {
        match self.peek()? {
            b'"' => self.quoted(),
            b'{' => self.literal(),
            _ => None,
        }
    }

    pub(super) fn astring(&mut self) -> Option<Astring<'i>> {
        match self.peek()? {
            b'"' | b'{' => self.string(),
            _ => self.run(is_astring_char).map(|raw| Astring { raw, escaped: false }),
        }
    }

    /// An astring that may also hold the wildcards of LIST.
    pub(super) fn list_mailbox(&mut self) -> Option<Astring<'i>> {
        match self.peek()? {
            b'"' | b'{' => self.string(),
            _ => {
                let raw = self.run(|byte| is_astring_char(byte) || matches!(byte, b'%' | b'*'))?;
                Some(Astring { raw, escaped: false })
            }
        }
    }

    /// A string, or NIL.
    pub(super) fn nstring(&mut self) -> Option<Option<Astring<'i>>> {
        match self.peek()? {
            b'"' | b'{' => self.string().map(Some),
            _ => self.word(b"NIL").then_some(None),
        }
    }

    fn quoted(&mut self) -> Option<Astring<'i>> {
        let rest = self.0.strip_prefix(b"\"")?;
        let (mut at, mut escaped) = (0, false);
        loop {
            at += memchr::memchr2(b'"', b'\\', rest.get(at..)?)?;
            if rest[at] == b'"' {
                break;
            }
            // Only a quote and a backslash may be quoted (RFC 3501 section 9).
            matches!(rest.get(at + 1)?, b'"' | b'\\').then_some(())?;
            (at, escaped) = (at + 2, true);
        }
        let raw = &rest[..at];
        memchr::memchr3(b'\r', b'\n', 0, raw).is_none().then_some(())?;
        self.0 = &rest[at + 1..];
        Some(Astring { raw, escaped })
    }

    fn literal(&mut self) -> Option<Astring<'i>> {
        let rest = self.0.strip_prefix(b"{")?;
        let close = memchr::memchr(b'}', rest)?;
        let digits = &rest[..close];
        let octets = number(digits.strip_suffix(b"+").unwrap_or(digits))? as usize;
        let body = rest[close + 1..].strip_prefix(b"\r\n")?;
        let raw = body.get(..octets)?;
        memchr::memchr(0, raw).is_none().then_some(())?;
        self.0 = &body[octets..];
        Some(Astring { raw, escaped: false })
    }
}
