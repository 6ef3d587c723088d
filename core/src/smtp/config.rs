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
    /// Recipients of one message; more are refused 452 4.5.3 (RFC 5321 section 4.5.3.1.8 asks
    /// for 100 at least).
    pub recipients: u32,
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
            recipients: 1000,
            mistakes: (10, 50),
            refusals: 50,
            login: None,
            command: Duration::from_secs(300),
            data_rate: 500,
        }
    }
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
    /// What a client may cost.
    pub limits: Limits,
}
