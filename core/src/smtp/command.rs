//! The command grammar of the server side (RFC 5321 section 4.1.1, RFC 3030 section 2, RFC 1985,
//! RFC 6531 section 3.7).

use super::config::Offers;
use super::params::{BadParam, MailParams, RcptParams};
use super::path::{Path, is_domain};
use super::xclient::Xclient;
use crate::text::{cut, number64};

/// The commands, as far as pairing and transitions need to tell them apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verb {
    /// The opening of the connection, answered by the greeting.
    Connect,
    /// HELO.
    Helo,
    /// EHLO, LHLO.
    Ehlo,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// The end of the message, answered as a command is.
    Message,
    /// RSET.
    Rset,
    /// BDAT (RFC 3030): for a server the first of a message, for a client each but the last,
    /// which is `Message`.
    Bdat,
    /// VRFY, EXPN, HELP, NOOP and ETRN: answered, without effect on the session.
    Other,
    /// AUTH and each response to its challenges (RFC 4954).
    Auth,
    /// STARTTLS (RFC 3207).
    StartTls,
    /// XCLIENT.
    Xclient,
    /// QUIT.
    Quit,
}

/// Why a command line is not understood.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Bad {
    /// 500
    Unknown,
    /// 501
    Syntax,
    /// 501: the recipient's address is none.
    Address,
    /// 501: the sender's address is none.
    Sender,
    /// 555: a parameter that we do not know.
    Param,
    /// 501, and the connection closes: how many octets follow is not known.
    Chunk,
}

impl From<BadParam> for Bad {
    fn from(bad: BadParam) -> Self {
        match bad {
            BadParam::Unknown => Self::Param,
            BadParam::Value => Self::Syntax,
        }
    }
}

/// What is offered, as far as the grammar depends on it.
pub(super) struct Knows {
    pub(super) offers: Offers,
    pub(super) auth: bool,
}

/// A command line, parsed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Line<'i> {
    Ehlo(&'i str),
    Helo(&'i str),
    Lhlo(&'i str),
    Mail(Path<'i>, MailParams<'i>),
    Rcpt(Path<'i>, RcptParams<'i>),
    Data,
    Rset,
    Noop,
    /// A string, and whether UTF-8 may come back.
    Vrfy(&'i str, bool),
    Expn(&'i str, bool),
    Help(&'i str),
    /// Octets, and whether they are the last.
    Bdat(u64, bool),
    Etrn(&'i str),
    Xclient(Xclient<'i>),
    StartTls,
    Auth(&'i str, Option<&'i [u8]>),
    Quit,
}

/// What was let pass though it is not of the grammar.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Loose {
    pub(super) space_after_colon: bool,
    pub(super) trailing_space: bool,
    pub(super) underscore: bool,
}

/// Parses a line without its CRLF.
pub(super) fn parse<'i>(line: &'i [u8], knows: &Knows) -> Result<(Line<'i>, Loose), Bad> {
    let mut loose = Loose::default();
    let Some(text) = text(line) else {
        return Err(match verb(line) {
            0 => Bad::Unknown,
            BDAT => Bad::Chunk,
            _ => Bad::Syntax,
        });
    };
    let trimmed = text.trim_end_matches([' ', '\t']);
    loose.trailing_space = trimmed.len() < text.len();
    let (first, rest) = cut(trimmed, b' ');
    let argument = |rest: &'_ str| if rest.is_empty() { Err(Bad::Syntax) } else { Ok(()) };
    let alone = |line| if rest.is_empty() { Ok(line) } else { Err(Bad::Syntax) };
    let utf8 = !text.is_ascii();
    let parsed = match (verb(first.as_bytes()), first.len()) {
        (0, _) if utf8 => Err(Bad::Unknown),
        // Without SMTPUTF8 a command is ASCII (RFC 5321 section 2.4).
        _ if utf8 && !knows.offers.smtp_utf8 => Err(Bad::Syntax),
        (MAIL, 4) => {
            let (path, params) = path(rest, "FROM:", Bad::Sender, &mut loose)?;
            // RFC 5321 section 4.1.1.2: Postmaster without a domain is for RCPT alone.
            if !path.is_null() && path.domain().is_none() {
                return Err(Bad::Sender);
            }
            Ok(Line::Mail(path, MailParams::parse(params, &knows.offers, knows.auth)?))
        }
        (RCPT, 4) => {
            let (path, params) = path(rest, "TO:", Bad::Address, &mut loose)?;
            if path.is_null() {
                return Err(Bad::Address);
            }
            Ok(Line::Rcpt(path, RcptParams::parse(params, &knows.offers)?))
        }
        (VRFY, 4) => string(rest, knows).map(|(string, utf8)| Line::Vrfy(string, utf8)),
        (EXPN, 4) => string(rest, knows).map(|(string, utf8)| Line::Expn(string, utf8)),
        (BDAT, 4) => chunk(rest),
        // All others are ASCII with SMTPUTF8 too (RFC 6531 section 3.7.1).
        _ if utf8 => Err(Bad::Syntax),
        (EHLO, 4) => argument(rest).map(|()| Line::Ehlo(rest)),
        (HELO, 4) => argument(rest).map(|()| Line::Helo(rest)),
        (LHLO, 4) => argument(rest).map(|()| Line::Lhlo(rest)),
        (DATA, 4) => alone(Line::Data),
        (RSET, 4) => alone(Line::Rset),
        (NOOP, 4) => Ok(Line::Noop),
        (HELP, 4) => Ok(Line::Help(rest)),
        (QUIT, 4) => alone(Line::Quit),
        (AUTH, 4) => {
            let (mechanism, initial) = cut(rest, b' ');
            let initial = initial.trim_start_matches(' ');
            // RFC 4954 section 4: a lone "=" is an initial response without octets.
            let initial = match initial {
                "" => None,
                "=" => Some(&b""[..]),
                initial => Some(initial.as_bytes()),
            };
            argument(mechanism).map(|()| Line::Auth(mechanism, initial))
        }
        (ETRN, 4) => {
            if is_node(rest) {
                Ok(Line::Etrn(rest))
            } else {
                Err(Bad::Syntax)
            }
        }
        (_, 7) if first.eq_ignore_ascii_case("XCLIENT") => Xclient::parse(rest).map(Line::Xclient).ok_or(Bad::Syntax),
        (_, 8) if first.eq_ignore_ascii_case("STARTTLS") => alone(Line::StartTls),
        _ => Err(Bad::Unknown),
    };
    parsed.map(|parsed| (parsed, loose))
}

/// The line, if it is UTF-8 without controls other than TAB.
fn text(line: &[u8]) -> Option<&str> {
    // Nearly every line is ASCII, and found to be so without a branch per octet.
    let (printable, ascii) = line.iter().fold((true, true), |(printable, ascii), byte| {
        (printable & matches!(byte, b' '..=b'~' | b'\t' | 0x80..), ascii & byte.is_ascii())
    });
    let text = core::str::from_utf8(line).ok().filter(|_| printable)?;
    (ascii || !text.chars().any(|c| c.is_control() && c != '\t')).then_some(text)
}

/// The string of VRFY or EXPN, and whether SMTPUTF8 stands behind it (RFC 6531
/// section 3.7.4.2).
fn string<'i>(rest: &'i str, knows: &Knows) -> Result<(&'i str, bool), Bad> {
    let (string, utf8) = match rest.rsplit_once(' ') {
        Some((string, param)) if knows.offers.smtp_utf8 && param.eq_ignore_ascii_case("SMTPUTF8") => {
            (string.trim_end_matches(' '), true)
        }
        _ => (rest, false),
    };
    if string.is_empty() {
        return Err(Bad::Syntax);
    }
    Ok((string, utf8))
}

/// BDAT's size, and LAST (RFC 3030 section 2). A number beyond 64 bits could not be counted
/// down, and is none.
fn chunk(rest: &str) -> Result<Line<'static>, Bad> {
    let (size, last) = cut(rest, b' ');
    let size = number64(size.as_bytes()).ok_or(Bad::Chunk)?;
    match last.trim_start_matches(' ') {
        "" => Ok(Line::Bdat(size, false)),
        last if last.eq_ignore_ascii_case("LAST") => Ok(Line::Bdat(size, true)),
        _ => Err(Bad::Chunk),
    }
}

/// What ETRN names: a domain, `@` and a domain for all below it too, or `#` and a queue
/// (RFC 1985 section 5).
fn is_node(text: &str) -> bool {
    match text.strip_prefix('#') {
        Some(queue) => !queue.is_empty() && queue.bytes().all(|byte| byte.is_ascii_graphic()),
        None => {
            let name = text.strip_prefix('@').unwrap_or(text);
            is_domain(name) && !name.starts_with('[')
        }
    }
}

const EHLO: u32 = u32::from_be_bytes(*b"EHLO");
const HELO: u32 = u32::from_be_bytes(*b"HELO");
const LHLO: u32 = u32::from_be_bytes(*b"LHLO");
const MAIL: u32 = u32::from_be_bytes(*b"MAIL");
const RCPT: u32 = u32::from_be_bytes(*b"RCPT");
const DATA: u32 = u32::from_be_bytes(*b"DATA");
const RSET: u32 = u32::from_be_bytes(*b"RSET");
const NOOP: u32 = u32::from_be_bytes(*b"NOOP");
const VRFY: u32 = u32::from_be_bytes(*b"VRFY");
const EXPN: u32 = u32::from_be_bytes(*b"EXPN");
const HELP: u32 = u32::from_be_bytes(*b"HELP");
const QUIT: u32 = u32::from_be_bytes(*b"QUIT");
const AUTH: u32 = u32::from_be_bytes(*b"AUTH");
const BDAT: u32 = u32::from_be_bytes(*b"BDAT");
const ETRN: u32 = u32::from_be_bytes(*b"ETRN");

/// Whether a line means to be a BDAT.
pub(super) fn is_bdat(line: &[u8]) -> bool {
    verb(line) == BDAT && matches!(line.get(4), None | Some(b' ' | b'\t' | b'\r' | b'\n'))
}

/// Whether a client that pipelines may say more behind this command before it is answered
/// (RFC 2920 section 3.1).
pub(super) fn may_be_followed(line: &[u8]) -> bool {
    matches!(verb(line), MAIL | RCPT | RSET | BDAT)
}

/// The first four octets as upper case letters; 0 if they are not letters.
fn verb(word: &[u8]) -> u32 {
    match word {
        [a, b, c, d, ..] if [a, b, c, d].iter().all(|byte| byte.is_ascii_alphabetic()) => {
            u32::from_be_bytes([*a, *b, *c, *d]) & 0xDFDF_DFDF
        }
        _ => 0,
    }
}

/// The path after FROM: or TO:, and the parameters behind it; `bad` if it is none.
fn path<'i>(rest: &'i str, keyword: &str, bad: Bad, loose: &mut Loose) -> Result<(Path<'i>, &'i str), Bad> {
    let (name, rest) = rest.split_at_checked(keyword.len()).ok_or(Bad::Syntax)?;
    name.eq_ignore_ascii_case(keyword).then_some(()).ok_or(Bad::Syntax)?;
    let text = rest.trim_start_matches(' ');
    loose.space_after_colon = text.len() < rest.len();
    let (path, rest) = Path::parse(text).ok_or(bad)?;
    loose.underscore = path.domain().is_some_and(|domain| memchr::memchr(b'_', domain.as_bytes()).is_some());
    match rest.strip_prefix(' ') {
        Some(params) => Ok((path, params)),
        None if rest.is_empty() => Ok((path, "")),
        None => Err(Bad::Syntax),
    }
}
