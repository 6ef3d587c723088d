//! Commands as a POP3 client says them (RFC 1939 sections 5 to 7, RFC 2449, RFC 2595, RFC
//! 5034).

use alloc::vec::Vec;

use crate::text::{is_base64, put, put_number};

/// A command to send. Arguments are checked: no octet in them can end the line.
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Request<'a> {
    /// USER.
    User(&'a str),
    /// PASS.
    Pass(&'a str),
    /// STAT: its numbers are in the status text, see [`drop_listing`](super::drop_listing).
    Stat,
    /// LIST of one message: a drop listing in the status text.
    List(u32),
    /// LIST of all: [`Notice::Listing`](super::Notice::Listing) each.
    ListAll,
    /// UIDL of all: [`Notice::UniqueId`](super::Notice::UniqueId) each.
    UidlAll,
    /// UIDL of one message: in the status text.
    Uidl(u32),
    /// RETR: [`Notice::Chunk`](super::Notice::Chunk)s, then [`Notice::End`](super::Notice::End).
    Retr(u32),
    /// TOP with the number of body lines.
    Top(u32, u32),
    /// DELE.
    Dele(u32),
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// CAPA: read into [`Client::capabilities`](super::Client::capabilities), and [`Notice::Capability`](super::Notice::Capability) each.
    Capa,
    /// AUTH; the initial response is base64, and empty is sent as `=`.
    Auth {
        /// PLAIN, LOGIN, ...
        mechanism: &'a str,
        /// If the mechanism sends first.
        initial: Option<&'a str>,
    },
    /// STLS.
    Stls,
    /// APOP (RFC 1939 section 7), where the greeting has a
    /// [timestamp](super::apop_timestamp).
    Apop {
        /// The mailbox's name.
        name: &'a str,
        /// MD5 of the timestamp and the password.
        digest: [u8; 16],
    },
    /// UTF8 (RFC 6856): the UTF-8 mode; before login, and behind STLS.
    Utf8,
    /// LANG with a language range, or `*` for the server's own choice.
    Lang(&'a str),
    /// LANG: a [`Notice::Language`](super::Notice::Language) each.
    Languages,
    /// QUIT.
    Quit,
}

/// Which command a status answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verb {
    /// The opening, answered by the greeting.
    Connect,
    /// USER.
    User,
    /// PASS.
    Pass,
    /// STAT.
    Stat,
    /// LIST.
    List,
    /// UIDL.
    Uidl,
    /// RETR.
    Retr,
    /// TOP.
    Top,
    /// DELE.
    Dele,
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// CAPA.
    Capa,
    /// AUTH and each response to its challenges.
    Auth,
    /// STLS.
    Stls,
    /// APOP.
    Apop,
    /// UTF8.
    Utf8,
    /// LANG.
    Lang,
    /// QUIT.
    Quit,
}

/// Why a command was not sent. Nothing was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SendError {
    /// Answers are awaited first: see [`Client::may_send`](super::Client::may_send).
    NotNow,
    /// The argument is not what the grammar has in this place.
    Argument,
}

impl core::fmt::Display for SendError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotNow => "answers are awaited before this command may be sent",
            Self::Argument => "the argument is not of the command's grammar",
        })
    }
}

impl core::error::Error for SendError {}

/// Shows no argument: a password may be among them.
impl core::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::User(_) => "User(..)",
            Self::Pass(_) => "Pass(..)",
            Self::Stat => "Stat",
            Self::List(_) => "List(..)",
            Self::ListAll => "ListAll",
            Self::UidlAll => "UidlAll",
            Self::Uidl(_) => "Uidl(..)",
            Self::Retr(_) => "Retr(..)",
            Self::Top(..) => "Top(..)",
            Self::Dele(_) => "Dele(..)",
            Self::Rset => "Rset",
            Self::Noop => "Noop",
            Self::Capa => "Capa",
            Self::Auth { .. } => "Auth(..)",
            Self::Stls => "Stls",
            Self::Apop { .. } => "Apop(..)",
            Self::Utf8 => "Utf8",
            Self::Lang(_) => "Lang(..)",
            Self::Languages => "Languages",
            Self::Quit => "Quit",
        })
    }
}

/// The shape of a multi-line response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lined {
    No,
    Listing,
    UniqueIds,
    Capabilities,
    Languages,
    Message,
}

/// Appends the line without CRLF; none if an argument does not fit.
pub(super) fn write_request(request: Request<'_>, out: &mut Vec<u8>) -> Option<(Verb, Lined)> {
    let mut with = |verb: &[u8], numbers: &[u32]| {
        put(&[verb], out);
        for &number in numbers {
            out.push(b' ');
            put_number(number.into(), out);
        }
    };
    Some(match request {
        Request::Stat => (with(b"STAT", &[]), (Verb::Stat, Lined::No)).1,
        Request::List(message) => (with(b"LIST", &[message]), (Verb::List, Lined::No)).1,
        Request::ListAll => (with(b"LIST", &[]), (Verb::List, Lined::Listing)).1,
        Request::Uidl(message) => (with(b"UIDL", &[message]), (Verb::Uidl, Lined::No)).1,
        Request::UidlAll => (with(b"UIDL", &[]), (Verb::Uidl, Lined::UniqueIds)).1,
        Request::Retr(message) => (with(b"RETR", &[message]), (Verb::Retr, Lined::Message)).1,
        Request::Top(message, lines) => (with(b"TOP", &[message, lines]), (Verb::Top, Lined::Message)).1,
        Request::Dele(message) => (with(b"DELE", &[message]), (Verb::Dele, Lined::No)).1,
        Request::Rset => (with(b"RSET", &[]), (Verb::Rset, Lined::No)).1,
        Request::Noop => (with(b"NOOP", &[]), (Verb::Noop, Lined::No)).1,
        Request::Capa => (with(b"CAPA", &[]), (Verb::Capa, Lined::Capabilities)).1,
        Request::Stls => (with(b"STLS", &[]), (Verb::Stls, Lined::No)).1,
        Request::Quit => (with(b"QUIT", &[]), (Verb::Quit, Lined::No)).1,
        Request::Utf8 => (with(b"UTF8", &[]), (Verb::Utf8, Lined::No)).1,
        Request::Languages => (with(b"LANG", &[]), (Verb::Lang, Lined::Languages)).1,
        Request::Lang(range) => {
            range.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-*".contains(&byte)).then_some(())?;
            (argument(b"LANG ", range, out)?, (Verb::Lang, Lined::No)).1
        }
        Request::Apop { name, digest } => {
            argument(b"APOP ", name, out)?;
            out.push(b' ');
            for octet in digest {
                out.extend([octet >> 4, octet & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]));
            }
            (Verb::Apop, Lined::No)
        }
        Request::User(name) => (argument(b"USER ", name, out)?, (Verb::User, Lined::No)).1,
        Request::Pass(password) => (argument(b"PASS ", password, out)?, (Verb::Pass, Lined::No)).1,
        Request::Auth { mechanism, initial } => {
            let name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            mechanism.bytes().all(name).then_some(())?;
            argument(b"AUTH ", mechanism, out)?;
            match initial {
                Some("") => put(&[b" ="], out),
                Some(initial) if is_base64(initial) => put(&[b" ", initial.as_bytes()], out),
                Some(_) => return None,
                None => {}
            }
            (Verb::Auth, Lined::No)
        }
    })
}

fn argument(verb: &[u8], argument: &str, out: &mut Vec<u8>) -> Option<()> {
    let clean = !argument.is_empty() && !argument.bytes().any(|byte| byte.is_ascii_control());
    clean.then(|| put(&[verb, argument.as_bytes()], out))
}
