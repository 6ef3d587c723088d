//! Commands as a client says them (RFC 5321 section 4.1.1, RFC 1985, RFC 2033, RFC 3207,
//! RFC 4954).

use alloc::vec::Vec;

use super::command::Verb;
use super::extensions::Extensions;
use super::params::{MailParams, RcptParams};
use super::path::{is_domain, is_mailbox, is_mailbox_utf8};
use super::xclient::{self, XclientAttribute};
use crate::text::{is_base64, put};

/// A command to send. Arguments are checked: no octet in them can end the line.
///
/// A message goes by [`Client::write`](super::Client::write) behind DATA, or by
/// [`Client::chunk`](super::Client::chunk), which says BDAT.
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Command<'a> {
    /// EHLO with our name: a domain of letters, digits and hyphens (RFC 5321 section 4.1.2) or
    /// an address literal.
    Ehlo(&'a str),
    /// HELO, for servers that know no EHLO.
    Helo(&'a str),
    /// LHLO (RFC 2033).
    Lhlo(&'a str),
    /// MAIL FROM.
    Mail {
        /// The reverse-path without brackets; empty for null. UTF-8 only where `params` say so
        /// and SMTPUTF8 is offered (RFC 6531 section 3.2).
        from: &'a str,
        /// What to say of the message, as far as it was offered.
        params: MailParams<'a>,
    },
    /// RCPT TO.
    Rcpt {
        /// The forward-path without brackets. UTF-8 only behind a MAIL with SMTPUTF8.
        to: &'a str,
        /// What to say of the recipient, as far as it was offered.
        params: RcptParams<'a>,
    },
    /// DATA.
    Data,
    /// RSET.
    Rset,
    /// NOOP with an argument that means nothing; empty for none.
    Noop(&'a str),
    /// VRFY with a string. With UTF-8 in it SMTPUTF8 must be offered, and is said (RFC 6531
    /// section 3.7.4.2).
    Vrfy(&'a str),
    /// EXPN with a string, as VRFY.
    Expn(&'a str),
    /// HELP with a topic; empty for none.
    Help(&'a str),
    /// ETRN, where it is offered: a domain, `@` and a domain, or `#` and a queue (RFC 1985
    /// section 5).
    Etrn(&'a str),
    /// XCLIENT, where it is offered: what the server is to believe of its client; without a
    /// value it is not known. At 220 the session begins anew: say EHLO.
    Xclient(#[cfg_attr(feature = "arbitrary", arbitrary(default))] &'a [(XclientAttribute, Option<&'a str>)]),
    /// AUTH; the initial response is base64, and empty is sent as `=`. One that makes the line
    /// longer than 512 octets with its CRLF is to be left out here, and given to
    /// [`Client::respond`](super::Client::respond) at the empty challenge that follows (RFC 4954
    /// section 4): this is not checked here, and [`Delivery`](super::Delivery) sees to it.
    Auth {
        /// PLAIN, LOGIN, ...
        mechanism: &'a str,
        /// If the mechanism sends first.
        initial: Option<&'a str>,
    },
    /// STARTTLS.
    StartTls,
    /// QUIT.
    Quit,
}

impl Command<'_> {
    /// Appends the line without CRLF. On an error what was appended is to be thrown away.
    ///
    /// `utf8` if the transaction is one of SMTPUTF8.
    pub(super) fn write(self, offers: &Extensions, utf8: bool, out: &mut Vec<u8>) -> Result<Verb, SendError> {
        let mut line = |parts: &[&str]| parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
        Ok(match self {
            Self::Ehlo(name) | Self::Helo(name) | Self::Lhlo(name) => {
                let (word, verb) = match self {
                    Self::Helo(_) => ("HELO ", Verb::Helo),
                    Self::Lhlo(_) => ("LHLO ", Verb::Ehlo),
                    _ => ("EHLO ", Verb::Ehlo),
                };
                check(is_domain(name) && (name.starts_with('[') || !name.contains('_')))?;
                line(&[word, name]);
                verb
            }
            Self::Mail { from, params } => {
                if !from.is_empty() {
                    check_mailbox(from, params.smtp_utf8 && offers.smtp_utf8)?;
                }
                line(&["MAIL FROM:<", from, ">"]);
                params.write(offers, out).ok_or(SendError::Argument)?;
                Verb::Mail
            }
            Self::Rcpt { to, params } => {
                if !to.eq_ignore_ascii_case("postmaster") {
                    check_mailbox(to, utf8)?;
                }
                line(&["RCPT TO:<", to, ">"]);
                params.write(offers, out).ok_or(SendError::Argument)?;
                Verb::Rcpt
            }
            Self::Data => (line(&["DATA"]), Verb::Data).1,
            Self::Rset => (line(&["RSET"]), Verb::Rset).1,
            Self::Quit => (line(&["QUIT"]), Verb::Quit).1,
            Self::StartTls => (line(&["STARTTLS"]), Verb::StartTls).1,
            Self::Noop("") => (line(&["NOOP"]), Verb::Other).1,
            Self::Help("") => (line(&["HELP"]), Verb::Other).1,
            Self::Noop(text) | Self::Help(text) => {
                check(text.bytes().all(is_printable))?;
                let word = if matches!(self, Self::Help(_)) { "HELP " } else { "NOOP " };
                line(&[word, text]);
                Verb::Other
            }
            Self::Vrfy(string) | Self::Expn(string) => {
                check(!string.is_empty() && string.bytes().all(|byte| is_printable(byte) || byte > 0x7f))?;
                let word = if matches!(self, Self::Expn(_)) { "EXPN " } else { "VRFY " };
                let utf8 = !string.is_ascii();
                offered(!utf8 || offers.smtp_utf8)?;
                line(&[word, string, if utf8 { " SMTPUTF8" } else { "" }]);
                Verb::Other
            }
            Self::Etrn(node) => {
                offered(offers.etrn)?;
                let graphic = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
                check(match node.strip_prefix('#') {
                    Some(queue) => graphic(queue),
                    None => is_domain(node.strip_prefix('@').unwrap_or(node)),
                })?;
                line(&["ETRN ", node]);
                Verb::Other
            }
            Self::Xclient(attributes) => {
                offered(!offers.xclient.is_empty())?;
                line(&["XCLIENT"]);
                xclient::write(attributes, offers.xclient, out).ok_or(SendError::Argument)?;
                Verb::Xclient
            }
            Self::Auth { mechanism, initial } => {
                let name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
                check(!mechanism.is_empty() && mechanism.bytes().all(name))?;
                line(&["AUTH ", mechanism]);
                match initial {
                    Some("") => put(&[b" ="], out),
                    Some(initial) => {
                        check(is_base64(initial))?;
                        put(&[b" ", initial.as_bytes()], out);
                    }
                    None => {}
                }
                Verb::Auth
            }
        })
    }
}

fn check(fits: bool) -> Result<(), SendError> {
    if fits { Ok(()) } else { Err(SendError::Argument) }
}

fn offered(is: bool) -> Result<(), SendError> {
    if is { Ok(()) } else { Err(SendError::NotOffered) }
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

fn check_mailbox(address: &str, utf8: bool) -> Result<(), SendError> {
    offered(utf8 || address.is_ascii())?;
    check(if utf8 { is_mailbox_utf8(address) } else { is_mailbox(address) })
}

/// Shows no secret.
impl core::fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Ehlo(name) => write!(f, "Ehlo({name:?})"),
            Self::Helo(name) => write!(f, "Helo({name:?})"),
            Self::Lhlo(name) => write!(f, "Lhlo({name:?})"),
            Self::Mail { from, params } => write!(f, "Mail({from:?}, {params:?})"),
            Self::Rcpt { to, params } => write!(f, "Rcpt({to:?}, {params:?})"),
            Self::Data => f.write_str("Data"),
            Self::Rset => f.write_str("Rset"),
            Self::Noop(argument) => write!(f, "Noop({argument:?})"),
            Self::Vrfy(string) => write!(f, "Vrfy({string:?})"),
            Self::Expn(string) => write!(f, "Expn({string:?})"),
            Self::Help(topic) => write!(f, "Help({topic:?})"),
            Self::Etrn(node) => write!(f, "Etrn({node:?})"),
            Self::Xclient(attributes) => write!(f, "Xclient({attributes:?})"),
            Self::Auth { mechanism, .. } => write!(f, "Auth({mechanism:?}, ..)"),
            Self::StartTls => f.write_str("StartTls"),
            Self::Quit => f.write_str("Quit"),
        }
    }
}

/// Why a command was not sent. Nothing was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SendError {
    /// Answers are awaited first: see [`Client::may_send`](super::Client::may_send).
    NotNow,
    /// The argument is not what the grammar has in this place.
    Argument,
    /// The server did not offer what the command needs.
    NotOffered,
}

impl core::fmt::Display for SendError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotNow => "answers are awaited before this command may be sent",
            Self::Argument => "the argument is not of the command's grammar",
            Self::NotOffered => "the server does not offer what this command needs",
        })
    }
}

impl core::error::Error for SendError {}
