//! What an SMTP server offers, and what a client may cost it.

use core::time::Duration;

use crate::sasl::Mechanisms;

/// What a client may cost. All counts are per connection unless said otherwise.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Octets of a command line with its CRLF (RFC 5321 section 4.5.3.1.4 asks for 512 at
    /// least). A longer line is dropped as it comes and answered 500 5.5.6.
    pub line: usize,
    /// Octets of a line of AUTH and of a response to its challenges with CRLF (RFC 4954
    /// section 4 asks for 12288).
    pub auth_line: usize,
    /// Octets of lines that are too long before the connection is closed.
    pub excess: usize,
    /// Octets of a message (RFC 1870); more is read, dropped and refused 552 5.3.4.
    pub message: u64,
    /// Octets that are read and dropped in one transaction, or without one: of DATA those past
    /// `message`, of BDAT those of chunks that are refused. With more the machine says 421 4.7.0
    /// and closes.
    pub discard: u64,
    /// Recipients of one message; more are refused 452 4.5.3 (RFC 5321 section 4.5.3.1.8 asks
    /// for 100 at least).
    pub recipients: u32,
    /// Messages of one connection; MAIL after as many is refused 452 4.5.3 (RFC 9422
    /// section 4.1). None for any number.
    pub messages: Option<u32>,
    /// Commands refused by the machine itself before it says 421 and closes, before AUTH
    /// succeeded and after.
    pub mistakes: (u16, u16),
    /// Commands refused with 5yz by the application before the machine says 421 and closes, so
    /// that nobody lists mailboxes by thousands of RCPTs. A 4yz does not count, nor do the
    /// replies to single recipients at the end of an LMTP message.
    pub refusals: u16,
    /// From the greeting to the success of AUTH, in all and through STARTTLS: for submission,
    /// where nothing else is allowed before. None where clients need not log in (MX, LMTP).
    pub login: Option<Duration>,
    /// Silence before a command is whole (RFC 5321 section 4.5.3.2.7: five minutes).
    pub command: Duration,
    /// Octets a second that a message must come at, over a minute.
    pub data_rate: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line: 2048,
            auth_line: 12288 + 2,
            excess: 64 * 1024,
            message: 50 * 1024 * 1024,
            discard: 1024 * 1024,
            recipients: 1000,
            messages: None,
            mistakes: (10, 50),
            refusals: 50,
            login: None,
            command: Duration::from_secs(300),
            data_rate: 500,
        }
    }
}

/// What becomes of a CR or LF that stands alone in a message (RFC 5321 section 2.3.8).
///
/// Whichever: only CRLF "." CRLF ends a message. Neither holds for BODY=BINARYMIME, whose octets
/// are any.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum BareNewline {
    /// The message is refused 550 5.6.11 at its end.
    #[default]
    Refuse,
    /// It becomes a CRLF in the chunks that the application gets, so that no server behind us
    /// can read two messages in one (CVE-2023-51764). For clients that know no better, as
    /// Exchange in BDAT. Noted in [`Tolerated`](super::Tolerated).
    Normalise,
}

/// Which of the protocols a server speaks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Protocol {
    /// RFC 5321 and RFC 6409.
    #[default]
    Smtp,
    /// RFC 2033: LHLO, and a reply for each recipient at the end of a message.
    Lmtp,
}

/// Which of the extensions that one need not offer a server offers. A parameter of one that is
/// not offered is answered 555.
///
/// PIPELINING, 8BITMIME, SIZE and ENHANCEDSTATUSCODES always are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Offers {
    /// SMTPUTF8 (RFC 6531).
    pub smtp_utf8: bool,
    /// CHUNKING (RFC 3030): BDAT.
    pub chunking: bool,
    /// BINARYMIME (RFC 3030 section 3); only with `chunking`.
    pub binary_mime: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// REQUIRETLS (RFC 8689), announced under TLS only.
    pub require_tls: bool,
    /// FUTURERELEASE (RFC 4865), and how far in the future.
    pub future_release: Option<FutureRelease>,
    /// DELIVERBY (RFC 2852), and the least time that may be asked for with a return; 0 for any.
    pub deliver_by: Option<u32>,
    /// MT-PRIORITY (RFC 6710).
    pub mt_priority: bool,
    /// ETRN (RFC 1985).
    pub etrn: bool,
    /// RRVS (RFC 7293).
    pub rrvs: bool,
    /// XCLIENT (Postfix's XCLIENT_README): for peers that may say who their client is.
    pub xclient: bool,
    /// LIMITS (RFC 9422) of recipients and of messages.
    pub limits: bool,
}

/// How far in the future a message may be held.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FutureRelease {
    /// Seconds, for HOLDFOR.
    pub seconds: u32,
    /// Seconds after 1970-01-01T00:00:00Z, for HOLDUNTIL.
    pub until: u32,
}

impl Offers {
    /// None of them.
    pub const NONE: Self = Self {
        smtp_utf8: false,
        chunking: false,
        binary_mime: false,
        dsn: false,
        require_tls: false,
        future_release: None,
        deliver_by: None,
        mt_priority: false,
        etrn: false,
        rrvs: false,
        xclient: false,
        limits: false,
    };

    /// All of them, without bounds.
    pub const ALL: Self = Self {
        smtp_utf8: true,
        chunking: true,
        binary_mime: true,
        dsn: true,
        require_tls: true,
        future_release: Some(FutureRelease { seconds: 999_999_999, until: u32::MAX }),
        deliver_by: Some(0),
        mt_priority: true,
        etrn: true,
        rrvs: true,
        xclient: true,
        limits: true,
    };
}

/// What a server offers.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ServerConfig {
    /// SMTP or LMTP.
    pub protocol: Protocol,
    /// Offer STARTTLS while in plaintext.
    pub tls: bool,
    /// AUTH mechanisms; with none AUTH is not offered.
    pub auth: Mechanisms,
    /// Offer AUTH in plaintext too, where anyone on the path reads the password.
    pub auth_in_clear: bool,
    /// What becomes of a CR or LF that stands alone in a message.
    pub bare_newline: BareNewline,
    /// Refuse a client that speaks before it may: 554 5.5.0, and the connection closes with
    /// [`Violation::Pipelining`](crate::Violation::Pipelining). See
    /// [`Server`](super::Server).
    pub forbid_early_pipelining: bool,
    /// Extensions that one need not offer.
    pub offers: Offers,
    /// What a client may cost.
    pub limits: Limits,
}
