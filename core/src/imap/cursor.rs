//! Reading IMAP's grammar from a whole command or response (RFC 3501 section 9). Nothing is
//! copied; what does not fit is `None`.

use alloc::borrow::Cow;

use crate::text::number;

/// What is left to read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Cursor<'i>(pub(super) &'i [u8]);

/// An atom, quoted string or literal, still as it was written.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Astring<'i> {
    raw: &'i [u8],
    escaped: bool,
}

/// Shows how long it is and no more: it may be a password.
impl core::fmt::Debug for Astring<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Astring({} octets)", self.raw.len())
    }
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

/// What an octet may be. One look-up an octet: most of a parser's time goes into these
/// questions.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let graphic = byte > 0x20 && byte < 0x7f;
        classes[byte] = match byte as u8 {
            b'(' | b')' => OTHER_STOP,
            b'"' => QUOTED_STOP | OTHER_STOP,
            b'\\' => QUOTED_STOP,
            0 => QUOTED_STOP | UNQUOTED,
            b'\r' | b'\n' => QUOTED_STOP | OTHER_STOP | UNQUOTED,
            b'\t' => 0,
            b' ' | b'{' => OTHER_STOP,
            b'%' | b'*' => 0,
            b']' => ASTRING,
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'.' | b'-' | b'_' => ATOM | ASTRING | NAME,
            _ if graphic => ATOM | ASTRING,
            _ => UNQUOTED,
        };
        byte += 1;
    }
    classes
};
const ATOM: u8 = 1;
const ASTRING: u8 = 2;
/// Ends the plain octets of a quoted string, for good or ill.
const QUOTED_STOP: u8 = 4;
/// Is better not quoted, but put into a literal: controls and what is no ASCII.
const UNQUOTED: u8 = 32;
/// Ends what is neither string nor list.
const OTHER_STOP: u8 = 8;
/// Of the name of a FETCH item.
const NAME: u8 = 16;

fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// ATOM-CHAR (RFC 3501 section 9).
pub(super) fn is_atom_char(byte: u8) -> bool {
    is(byte, ATOM)
}

/// ASTRING-CHAR.
pub(super) fn is_astring_char(byte: u8) -> bool {
    is(byte, ASTRING)
}

/// Of the name of a FETCH item.
pub(super) fn is_name_char(byte: u8) -> bool {
    is(byte, NAME)
}

/// How a quoted string has these octets: as they are, with backslashes, or not at all.
pub(super) fn quoting(octets: &[u8]) -> Quoting {
    let seen = octets.iter().fold(0, |seen, &byte| seen | CLASSES[usize::from(byte)]);
    match (seen & UNQUOTED, seen & QUOTED_STOP) {
        (0, 0) => Quoting::Plain,
        (0, _) => Quoting::Escaped,
        _ => Quoting::Never,
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Quoting {
    Plain,
    Escaped,
    Never,
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
        let [b'N' | b'n', b'I' | b'i', b'L' | b'l', rest @ ..] = self.0 else { return None };
        self.0 = rest;
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
                    self.run(|byte| !is(byte, OTHER_STOP))?;
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
            at += rest.get(at..)?.iter().position(|&byte| is(byte, QUOTED_STOP))?;
            match rest[at] {
                b'"' => break,
                // Only a quote and a backslash may be quoted (RFC 3501 section 9).
                b'\\' if matches!(rest.get(at + 1)?, b'"' | b'\\') => (at, escaped) = (at + 2, true),
                // CR, LF and NUL are in no quoted string.
                _ => return None,
            }
        }
        let raw = &rest[..at];
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_what_the_grammar_says() {
        for byte in 0..=255_u8 {
            let atom = byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte);
            assert_eq!(is_atom_char(byte), atom, "{byte:#x}");
            assert_eq!(is_astring_char(byte), atom || byte == b']', "{byte:#x}");
            assert_eq!(is(byte, QUOTED_STOP), b"\"\\\r\n\0".contains(&byte), "{byte:#x}");
            assert_eq!(is(byte, OTHER_STOP), b" ()\"{\r\n".contains(&byte), "{byte:#x}");
            let quoting = match byte {
                b'"' | b'\\' => Quoting::Escaped,
                b' '..=b'~' | b'\t' => Quoting::Plain,
                _ => Quoting::Never,
            };
            assert_eq!(super::quoting(&[b'a', byte]), quoting, "{byte:#x}");
            assert_eq!(is_name_char(byte), byte.is_ascii_alphanumeric() || b".-_".contains(&byte), "{byte:#x}");
        }
    }
}
