//! The command grammar of the server side (RFC 1939 sections 3 to 7).

use crate::text::{number, word};

/// The commands that concern the application. Message numbers start at 1.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Command<'i> {
    /// USER.
    User(&'i str),
    /// PASS; the password may hold spaces (RFC 1939 section 7).
    Pass(&'i str),
    /// STAT.
    Stat,
    /// LIST, of one message or of all.
    List(Option<u32>),
    /// UIDL, of one message or of all.
    Uidl(Option<u32>),
    /// RETR.
    Retr(u32),
    /// TOP with the number of body lines.
    Top(u32, u32),
    /// DELE.
    Dele(u32),
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// CAPA (RFC 2449 section 5): answer with `Server::capabilities`.
    Capa,
    /// STLS (RFC 2595 section 4): +OK has the layer follow.
    Stls,
    /// APOP (RFC 1939 section 7): +OK logs in.
    Apop {
        /// The mailbox's name.
        name: &'i str,
        /// MD5 of the greeting's timestamp, in its angle brackets, and the shared secret.
        digest: [u8; 16],
    },
    /// UTF8 (RFC 6856 section 2.1): +OK begins the UTF-8 mode.
    Utf8,
    /// LANG (RFC 6856 section 3). Without a language range a list of languages is asked for:
    /// `Server::begin`; else +OK with the tag chosen and a word in that language.
    Lang(Option<&'i str>),
    /// QUIT: from the transaction state, remove what was deleted, then answer.
    Quit,
}

/// Shows no password.
impl core::fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::User(name) => write!(f, "User({name:?})"),
            Self::Pass(_) => f.write_str("Pass(..)"),
            Self::Stat => f.write_str("Stat"),
            Self::List(message) => write!(f, "List({message:?})"),
            Self::Uidl(message) => write!(f, "Uidl({message:?})"),
            Self::Retr(message) => write!(f, "Retr({message})"),
            Self::Top(message, lines) => write!(f, "Top({message}, {lines})"),
            Self::Dele(message) => write!(f, "Dele({message})"),
            Self::Rset => f.write_str("Rset"),
            Self::Noop => f.write_str("Noop"),
            Self::Capa => f.write_str("Capa"),
            Self::Stls => f.write_str("Stls"),
            Self::Apop { name, .. } => write!(f, "Apop({name:?}, ..)"),
            Self::Utf8 => f.write_str("Utf8"),
            Self::Lang(range) => write!(f, "Lang({range:?})"),
            Self::Quit => f.write_str("Quit"),
        }
    }
}

/// Why a line is no command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Bad {
    Unknown,
    Arguments,
    /// A message number that is none: 0, a sign, more than 32 bits.
    Number,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Line<'i> {
    Command(Command<'i>),
    Auth(&'i str, Option<&'i [u8]>),
    /// AUTH alone asks for the mechanisms (an old habit of Outlook and fetchmail).
    Mechanisms,
}

/// Parses a line without its CRLF.
pub(super) fn parse(line: &[u8]) -> Result<Line<'_>, Bad> {
    let (verb, rest) = word(line);
    let mut upper = [0; 4];
    upper.get_mut(..verb.len()).ok_or(Bad::Unknown)?.copy_from_slice(verb);
    upper.make_ascii_uppercase();
    // RFC 2449 section 4 allows no spaces at the end, but nothing can be meant by them.
    let trimmed = rest.trim_ascii_end();
    let message = |digits: &[u8]| number(digits).filter(|&n| n > 0).ok_or(Bad::Number);
    let one = || if trimmed.is_empty() { Ok(None) } else { message(trimmed).map(Some) };
    let text = |bytes: &'_ [u8]| match core::str::from_utf8(bytes) {
        Ok(text) if !bytes.is_empty() && !bytes.iter().any(u8::is_ascii_control) => Ok(text.len()),
        _ => Err(Bad::Arguments),
    };
    let alone = |command| if trimmed.is_empty() { Ok(Line::Command(command)) } else { Err(Bad::Arguments) };
    let string = |bytes| core::str::from_utf8(bytes).map_err(|_| Bad::Arguments);
    Ok(Line::Command(match &upper {
        b"USER" => {
            text(trimmed)?;
            Command::User(string(trimmed)?)
        }
        b"PASS" => {
            text(rest)?;
            Command::Pass(string(rest)?)
        }
        b"STAT" => return alone(Command::Stat),
        b"LIST" => Command::List(one()?),
        b"UIDL" => Command::Uidl(one()?),
        b"RETR" => Command::Retr(message(trimmed)?),
        b"TOP\0" => {
            let (which, lines) = word(trimmed);
            Command::Top(message(which)?, number(lines).ok_or(Bad::Arguments)?)
        }
        b"DELE" => Command::Dele(message(trimmed)?),
        b"RSET" => return alone(Command::Rset),
        b"NOOP" => return alone(Command::Noop),
        b"CAPA" => return alone(Command::Capa),
        b"STLS" => return alone(Command::Stls),
        b"QUIT" => return alone(Command::Quit),
        b"UTF8" => return alone(Command::Utf8),
        b"LANG" if trimmed.is_empty() => Command::Lang(None),
        b"LANG" => {
            Command::Lang(Some(string(trimmed).ok().filter(|range| is_language_range(range)).ok_or(Bad::Arguments)?))
        }
        b"APOP" => {
            // The digest has no spaces, so that a name may.
            let at = trimmed.iter().rposition(|&byte| byte == b' ').ok_or(Bad::Arguments)?;
            let (name, digest) = (&trimmed[..at], &trimmed[at + 1..]);
            text(name)?;
            Command::Apop { name: string(name)?, digest: digest_of(digest).ok_or(Bad::Arguments)? }
        }
        b"AUTH" if trimmed.is_empty() => return Ok(Line::Mechanisms),
        b"AUTH" => {
            let (mechanism, initial) = word(trimmed);
            let mechanism = string(mechanism)?;
            // RFC 5034 section 4: a lone "=" is an initial response without octets.
            let initial = match initial {
                b"" => None,
                b"=" => Some(&b""[..]),
                initial => Some(initial),
            };
            return Ok(Line::Auth(mechanism, initial));
        }
        _ => return Err(Bad::Unknown),
    }))
}

/// RFC 4647 section 2.1, or `*`.
fn is_language_range(range: &str) -> bool {
    let subtag = |tag: &str| (1..=8).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    range == "*" || range.split('-').all(subtag)
}

/// Sixteen octets in hexadecimal; RFC 1939 section 7 has lower case.
fn digest_of(hex: &[u8]) -> Option<[u8; 16]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut digest = [0; 16];
    if hex.len() != 2 * digest.len() {
        return None;
    }
    for (octet, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
        *octet = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(digest)
}
