//! The command grammar of the server side (RFC 5321 section 4.1.1).

use super::config::Offers;
use super::params::{BadParam, MailParams, RcptParams};
use super::path::Path;
use crate::text::cut;

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
    /// VRFY, EXPN, HELP and NOOP: answered, without effect on the session.
    Other,
    /// AUTH and each response to its challenges (RFC 4954).
    Auth,
    /// STARTTLS (RFC 3207).
    StartTls,
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
    /// 501: the address in it is none.
    Address,
    /// 555: a parameter that we do not know.
    Param,
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
    Vrfy(&'i str),
    Expn(&'i str),
    Help(&'i str),
    StartTls,
    Auth(&'i str, Option<&'i [u8]>),
    Quit,
}

/// What was let pass though it is not of the grammar.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Loose {
    pub(super) space_after_colon: bool,
    pub(super) trailing_space: bool,
}

/// Parses a line without its CRLF.
pub(super) fn parse<'i>(line: &'i [u8], knows: &Knows) -> Result<(Line<'i>, Loose), Bad> {
    let mut loose = Loose::default();
    // Without SMTPUTF8 a command is ASCII (RFC 5321 section 2.4); controls have no place.
    let printable = line.iter().fold(true, |so_far, byte| so_far & matches!(byte, b' '..=b'~' | b'\t'));
    let Some(text) = core::str::from_utf8(line).ok().filter(|_| printable) else {
        return Err(if verb(line) == 0 { Bad::Unknown } else { Bad::Syntax });
    };
    let trimmed = text.trim_end_matches([' ', '\t']);
    loose.trailing_space = trimmed.len() < text.len();
    let (first, rest) = cut(trimmed, b' ');
    let argument = |rest: &'_ str| if rest.is_empty() { Err(Bad::Syntax) } else { Ok(()) };
    let alone = |line| if rest.is_empty() { Ok(line) } else { Err(Bad::Syntax) };
    let parsed = match (verb(first.as_bytes()), first.len()) {
        (EHLO, 4) => argument(rest).map(|()| Line::Ehlo(rest)),
        (HELO, 4) => argument(rest).map(|()| Line::Helo(rest)),
        (LHLO, 4) => argument(rest).map(|()| Line::Lhlo(rest)),
        (MAIL, 4) => {
            let (path, params) = path(rest, "FROM:", &mut loose)?;
            Ok(Line::Mail(path, MailParams::parse(params, &knows.offers, knows.auth)?))
        }
        (RCPT, 4) => {
            let (path, params) = path(rest, "TO:", &mut loose)?;
            if path.is_null() {
                return Err(Bad::Address);
            }
            Ok(Line::Rcpt(path, RcptParams::parse(params, &knows.offers)?))
        }
        (DATA, 4) => alone(Line::Data),
        (RSET, 4) => alone(Line::Rset),
        (NOOP, 4) => Ok(Line::Noop),
        (VRFY, 4) => argument(rest).map(|()| Line::Vrfy(rest)),
        (EXPN, 4) => argument(rest).map(|()| Line::Expn(rest)),
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
        (_, 8) if first.eq_ignore_ascii_case("STARTTLS") => alone(Line::StartTls),
        _ => Err(Bad::Unknown),
    };
    parsed.map(|parsed| (parsed, loose))
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

/// The first four octets as upper case letters; 0 if they are not letters.
fn verb(word: &[u8]) -> u32 {
    match word {
        [a, b, c, d, ..] if [a, b, c, d].iter().all(|byte| byte.is_ascii_alphabetic()) => {
            u32::from_be_bytes([*a, *b, *c, *d]) & 0xDFDF_DFDF
        }
        _ => 0,
    }
}

/// The path after FROM: or TO:, and the parameters behind it.
fn path<'i>(rest: &'i str, keyword: &str, loose: &mut Loose) -> Result<(Path<'i>, &'i str), Bad> {
    let (name, rest) = rest.split_at_checked(keyword.len()).ok_or(Bad::Syntax)?;
    name.eq_ignore_ascii_case(keyword).then_some(()).ok_or(Bad::Syntax)?;
    let text = rest.trim_start_matches(' ');
    loose.space_after_colon = text.len() < rest.len();
    let (path, rest) = Path::parse(text).ok_or(Bad::Address)?;
    match rest.strip_prefix(' ') {
        Some(params) => Ok((path, params)),
        None if rest.is_empty() => Ok((path, "")),
        None => Err(Bad::Syntax),
    }
}
