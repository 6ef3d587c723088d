//! What an SMTP client does, as its server sees it.

use super::command::Verb;
use super::params::{MailParams, RcptParams};
use super::path::Path;
use super::xclient::Xclient;

/// The right and the duty to answer one command. Spent by
/// [`Server::reply`](super::Server::reply).
///
/// Not `Clone`: a command is answered once. May be kept while the answer is worked out; the
/// machine takes in no further command until then.
#[must_use = "the client waits for the answer to this command"]
#[derive(Debug)]
pub struct Ticket {
    pub(super) verb: Verb,
    /// Replies due: more than one at the end of an LMTP message only.
    pub(super) replies: u32,
}

/// What a client did.
pub enum Event<'i> {
    /// The connection is open. Answer 220 with our host name, or refuse with 554.
    Connect {
        /// To be answered.
        ticket: Ticket,
    },
    /// HELO, EHLO or LHLO; the machine adds the extensions to a positive answer. Whatever
    /// transaction there was is over (RFC 5321 section 4.1.4).
    Hello {
        /// What the client calls itself: printable ASCII, unverified.
        name: &'i str,
        /// EHLO or LHLO.
        extended: bool,
        /// To be answered.
        ticket: Ticket,
    },
    /// MAIL FROM. A 2yz opens the transaction.
    Mail {
        /// The reverse-path.
        from: Path<'i>,
        /// What was said of the message.
        params: MailParams<'i>,
        /// To be answered.
        ticket: Ticket,
    },
    /// RCPT TO. A 2yz adds the recipient.
    Rcpt {
        /// The forward-path.
        to: Path<'i>,
        /// What was said of the recipient.
        params: RcptParams<'i>,
        /// To be answered.
        ticket: Ticket,
    },
    /// DATA, or the first BDAT. Answer 354 to have the message. Behind BDAT any other answer ends
    /// the transaction.
    Data {
        /// BDAT (RFC 3030): the 354 is not said, and the message may be given up by RSET or EHLO
        /// before its end.
        chunked: bool,
        /// To be answered.
        ticket: Ticket,
    },
    /// Octets of the message, without dot-stuffing; perhaps none. No answer is due.
    Chunk(&'i [u8]),
    /// The message is whole, and is as RFC 5322 wants its octets. A 2yz takes responsibility
    /// for it. Whatever the answer, the transaction is over.
    Message {
        /// Octets of all its chunks.
        size: u64,
        /// To be answered; in LMTP with as many replies as there are recipients.
        ticket: Ticket,
    },
    /// The message, or a chunk of it, came to its end and the machine refused it: throw its octets
    /// away. The transaction is over.
    Rejected {
        /// What the client was told.
        code: u16,
    },
    /// AUTH with a mechanism that was offered. Answer 334 with a challenge in base64, 235 or
    /// 5yz.
    Auth {
        /// The mechanism, as sent.
        mechanism: &'i str,
        /// The initial response in base64, if one was given.
        initial: Option<&'i [u8]>,
        /// To be answered.
        ticket: Ticket,
    },
    /// The response to a challenge, in base64. Answer as for AUTH.
    Response {
        /// In base64.
        response: &'i [u8],
        /// To be answered.
        ticket: Ticket,
    },
    /// STARTTLS. Answer 220 to have [`Want::Upgrade`](crate::Want::Upgrade) follow.
    StartTls {
        /// To be answered.
        ticket: Ticket,
    },
    /// RSET. A 2yz ends the transaction.
    Rset {
        /// To be answered.
        ticket: Ticket,
    },
    /// NOOP.
    Noop {
        /// To be answered.
        ticket: Ticket,
    },
    /// VRFY. Answer 252 unless you mean to tell who has a mailbox here; a mailbox beyond ASCII
    /// only if `utf8`, else 252 or 550 with x.6.8 (RFC 6531 section 3.7.4.2).
    Vrfy {
        /// The argument.
        argument: &'i str,
        /// SMTPUTF8 was said: UTF-8 may stand in the reply.
        utf8: bool,
        /// To be answered.
        ticket: Ticket,
    },
    /// EXPN; else as VRFY.
    Expn {
        /// The argument.
        argument: &'i str,
        /// SMTPUTF8 was said: UTF-8 may stand in the reply.
        utf8: bool,
        /// To be answered.
        ticket: Ticket,
    },
    /// HELP.
    Help {
        /// The argument; empty without one.
        topic: &'i str,
        /// To be answered.
        ticket: Ticket,
    },
    /// ETRN: send what is queued for a node (RFC 1985). Answer 250 to 253, 458 or 459.
    Etrn {
        /// A domain, `@` and a domain, or `#` and the name of a queue.
        argument: &'i str,
        /// To be answered.
        ticket: Ticket,
    },
    /// XCLIENT: who the client behind this peer is. A 220 has all begin anew, without another
    /// greeting; answer 550 if the peer may not say so.
    Xclient {
        /// What it says.
        attributes: Xclient<'i>,
        /// To be answered.
        ticket: Ticket,
    },
    /// QUIT. Answer 221; the connection closes.
    Quit {
        /// To be answered.
        ticket: Ticket,
    },
    /// The machine answered this itself: bad syntax, bad sequence, an exchange of AUTH given
    /// up; or it said what was held until the octets of a BDAT had come. Nothing has changed, but
    /// that an exchange of AUTH, and a message in chunks, is over.
    Refused {
        /// What the client was told.
        code: u16,
    },
    /// Octets thrown away without an answer, as they came: of a line or a message that is too
    /// long, or of a BDAT that is refused.
    Dropped(usize),
}

/// Shows neither what was said in AUTH nor what a message holds: an event may be logged.
impl core::fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Connect { .. } => f.write_str("Connect"),
            Self::Hello { name, extended, .. } => write!(f, "Hello({name:?}, extended: {extended})"),
            Self::Mail { from, params, .. } => write!(f, "Mail({from:?}, {params:?})"),
            Self::Rcpt { to, params, .. } => write!(f, "Rcpt({to:?}, {params:?})"),
            Self::Data { chunked, .. } => write!(f, "Data(chunked: {chunked})"),
            Self::Chunk(octets) => write!(f, "Chunk({} octets)", octets.len()),
            Self::Message { size, .. } => write!(f, "Message({size} octets)"),
            Self::Rejected { code } => write!(f, "Rejected({code})"),
            Self::Auth { mechanism, .. } => write!(f, "Auth({mechanism:?}, ..)"),
            Self::Response { .. } => f.write_str("Response(..)"),
            Self::StartTls { .. } => f.write_str("StartTls"),
            Self::Rset { .. } => f.write_str("Rset"),
            Self::Noop { .. } => f.write_str("Noop"),
            Self::Vrfy { argument, .. } => write!(f, "Vrfy({argument:?})"),
            Self::Expn { argument, .. } => write!(f, "Expn({argument:?})"),
            Self::Etrn { argument, .. } => write!(f, "Etrn({argument:?})"),
            Self::Xclient { attributes, .. } => write!(f, "Xclient({attributes:?})"),
            Self::Help { topic, .. } => write!(f, "Help({topic:?})"),
            Self::Quit { .. } => f.write_str("Quit"),
            Self::Refused { code } => write!(f, "Refused({code})"),
            Self::Dropped(octets) => write!(f, "Dropped({octets} octets)"),
        }
    }
}

/// What was let pass though the RFC does not have it. Each has a reason; log them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Tolerated {
    /// `MAIL FROM: <a@b>`: Outlook and many scripts write the space.
    pub space_after_colon: bool,
    /// `NOOP `: RFC 5321 section 4.1.1 asks for it ("SHOULD tolerate trailing white space").
    pub trailing_space: bool,
    /// A CR or LF alone in a message became CRLF
    /// ([`BareNewline::Normalise`](super::BareNewline::Normalise)): Exchange and many scripts
    /// send such.
    pub bare_newline: bool,
    /// `<a@under_score.example>` in MAIL or RCPT: RFC 5321 section 4.1.2 has letters, digits and
    /// hyphens alone, but DNS has hosts and mail domains with `_`, and people write from them and
    /// to them. Such an address is relayed as it came, so our client says it too. What EHLO says
    /// is looked at no further than for controls.
    pub underscore: bool,
}

impl Tolerated {
    /// Whether it was anything.
    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}
