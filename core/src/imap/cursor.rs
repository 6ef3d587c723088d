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
        if let Some(plain) = self.plain() {
            return Cow::Borrowed(plain);
        }
        let mut escape = false;
        let plain = |&byte: &u8| {
            escape = byte == b'\\' && !escape;
            !escape
        };
        Cow::Owned(self.raw.iter().copied().filter(plain).collect())
    }

    /// The octets meant, where they stand as they are meant: always, but in a quoted string
    /// that holds a backslash.
    pub fn plain(&self) -> Option<&'i [u8]> {
        (!self.escaped).then_some(self.raw)
    }

    /// Whether these octets are meant, in any case of letters; copies nothing.
    pub fn is(&self, octets: &[u8]) -> bool {
        match self.plain() {
            Some(plain) => plain.eq_ignore_ascii_case(octets),
            None => self.bytes().eq_ignore_ascii_case(octets),
        }
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

impl<'i> From<&'i str> for Astring<'i> {
    /// The text itself, whatever it holds; how it is written is seen to when it is.
    fn from(text: &'i str) -> Self {
        Self { raw: text.as_bytes(), escaped: false }
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
            _ => self.nil().map(|()| None),
        }
    }

    /// A string as a server says it: a literal may hold NUL, as stored messages do.
    pub(super) fn said_string(&mut self) -> Option<Astring<'i>> {
        match self.peek()? {
            b'"' => self.quoted(),
            b'{' => self.octets(),
            _ => None,
        }
    }

    /// Such a string, or NIL.
    pub(super) fn said_nstring(&mut self) -> Option<Option<Astring<'i>>> {
        match self.peek()? {
            b'"' => self.quoted().map(Some),
            b'{' => self.octets().map(Some),
            _ => self.nil().map(|()| None),
        }
    }

    /// Takes NIL. What follows it is for the caller's grammar to see.
    pub(super) fn nil(&mut self) -> Option<()> {
        self.0 = crate::text::strip_prefix(self.0, b"NIL")?;
        Some(())
    }

    /// Any value, as it was written: a string, a list with all that is in it, or whatever
    /// stands up to a space. Without recursion, so that depth costs nothing.
    pub(super) fn value(&mut self) -> Option<&'i [u8]> {
        let start = self.0;
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'(' => (self.0, depth) = (&self.0[1..], depth + 1),
                b')' => (self.0, depth) = (&self.0[1..], depth.checked_sub(1)?),
                b' ' if depth > 0 => self.0 = &self.0[1..],
                b'"' | b'{' => {
                    self.said_string()?;
                }
                _ => {
                    self.run(|byte| !matches!(byte, b' ' | b'(' | b')' | b'"' | b'{' | b'\r' | b'\n'))?;
                }
            }
            if depth == 0 {
                return Some(&start[..start.len() - self.0.len()]);
            }
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
        let literal = self.octets()?;
        memchr::memchr(0, literal.raw).is_none().then_some(literal)
    }

    /// A literal of any octets.
    fn octets(&mut self) -> Option<Astring<'i>> {
        let rest = self.0.strip_prefix(b"{")?;
        let close = memchr::memchr(b'}', rest)?;
        let digits = &rest[..close];
        let octets = number(digits.strip_suffix(b"+").unwrap_or(digits))? as usize;
        let body = rest[close + 1..].strip_prefix(b"\r\n")?;
        let raw = body.get(..octets)?;
        self.0 = &body[octets..];
        Some(Astring { raw, escaped: false })
    }
}
