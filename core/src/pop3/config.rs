//! What a POP3 server offers, and what a client may cost it.

use core::time::Duration;

use crate::sasl::Mechanisms;

/// What a client may cost.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Octets of a command line with its CRLF (RFC 2449 section 4 asks for 255).
    pub line: usize,
    /// Octets of a line of AUTH and of a response to its challenges with CRLF (RFC 5034
    /// section 4 asks for 12288).
    pub auth_line: usize,
    /// Octets of lines that are too long before the connection is closed.
    pub excess: usize,
    /// Commands refused by the machine itself before it closes, before login and after.
    pub mistakes: (u16, u16),
    /// From the greeting to the login, in all.
    pub login: Duration,
    /// Silence before autologout (RFC 1939 section 3: ten minutes at least).
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line: 512,
            auth_line: 12288 + 2,
            excess: 64 * 1024,
            mistakes: (10, 50),
            login: Duration::from_secs(60),
            idle: Duration::from_secs(600),
        }
    }
}

/// What a server offers.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Offer STLS while in plaintext.
    pub tls: bool,
    /// SASL mechanisms; with none, none is offered.
    pub sasl: Mechanisms,
    /// Offer USER and AUTH in plaintext too, where anyone on the path reads the password.
    pub login_in_clear: bool,
    /// Take APOP (RFC 1939 section 7). The greeting must then hold a timestamp, another each
    /// time: [`Server::ok`](super::Server::ok) with a text that has `<octets@host>`. APOP is no encryption: an MD5
    /// of the password can be guessed by whoever listens.
    pub apop: bool,
    /// Offer UTF8 (RFC 6856 section 2).
    pub utf8: Utf8,
    /// Offer LANG (RFC 6856 section 3).
    pub lang: bool,
    /// What a client may cost.
    pub limits: Limits,
}

/// Where UTF-8 may stand (RFC 6856 section 2).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Utf8 {
    /// Not offered.
    #[default]
    No,
    /// In messages, once the client said UTF8.
    Messages,
    /// And in names and passwords, without that: `UTF8 USER`.
    Names,
}
