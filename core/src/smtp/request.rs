//! Commands as a client says them (RFC 5321 section 4.1.1, RFC 2033, RFC 3207, RFC 4954).

use super::params::{MailParams, RcptParams};

/// A command to send. Arguments are checked: no octet in them can end the line.
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Command<'a> {
    /// EHLO with our name: a domain or an address literal.
    Ehlo(&'a str),
    /// HELO, for servers that know no EHLO.
    Helo(&'a str),
    /// LHLO (RFC 2033).
    Lhlo(&'a str),
    /// MAIL FROM with the reverse-path without brackets; empty for null.
    Mail {
        /// The reverse-path.
        from: &'a str,
        /// What to say of the message, as far as it was offered.
        params: MailParams<'a>,
    },
    /// RCPT TO.
    Rcpt {
        /// The forward-path without brackets.
        to: &'a str,
        /// What to say of the recipient, as far as it was offered.
        params: RcptParams<'a>,
    },
    /// DATA.
    Data,
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// VRFY with a string.
    Vrfy(&'a str),
    /// HELP.
    Help,
    /// AUTH; the initial response is base64, and empty is sent as `=`.
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
            Self::Noop => f.write_str("Noop"),
            Self::Vrfy(string) => write!(f, "Vrfy({string:?})"),
            Self::Help => f.write_str("Help"),
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
