//! What an IMAP server offers, and what one side may cost the other.

use core::time::Duration;

use crate::sasl::Mechanisms;

/// What a client may cost. Pairs are before login and after.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Octets of a line between literals with its CRLF (RFC 2683 section 3.2.1.5 asks for
    /// 8000 at least).
    pub line: (usize, usize),
    /// Octets of one literal, APPEND's message excepted.
    pub literal: (usize, usize),
    /// Literals of one command.
    pub literals: u32,
    /// Octets of a command with its literals, APPEND's message excepted.
    pub command: (usize, usize),
    /// Octets of lines that are too long before the connection is closed.
    pub excess: usize,
    /// Octets of an APPEND's message (RFC 7889).
    pub append: u32,
    /// Commands answered BAD before the connection is closed.
    pub mistakes: (u16, u16),
    /// From the greeting to the login, in all.
    pub login: Duration,
    /// Silence before autologout (RFC 3501 section 5.4: thirty minutes at least).
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line: (8192, 64 * 1024),
            literal: (4 * 1024, 100 * 1024),
            literals: 1000,
            command: (16 * 1024, 1024 * 1024),
            excess: 64 * 1024,
            append: 50 * 1024 * 1024,
            mistakes: (10, 50),
            login: Duration::from_secs(60),
            idle: Duration::from_secs(30 * 60),
        }
    }
}

/// What a server offers.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Offer STARTTLS while in plaintext.
    pub tls: bool,
    /// SASL mechanisms; with none, none is offered.
    pub sasl: Mechanisms,
    /// Offer LOGIN and AUTHENTICATE in plaintext too, where anyone on the path reads the
    /// password.
    pub login_in_clear: bool,
    /// What a client may cost.
    pub limits: Limits,
}

/// What a server may cost, and how far we go ahead of it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ClientLimits {
    /// Octets of a response with its literals, streamed ones excepted. A longer one ends the
    /// connection.
    pub response: usize,
    /// Octets of a literal that stands among its response; a longer one is streamed where it
    /// is a message's text.
    pub literal: u32,
    /// Octets of a command with its literals, APPEND's message excepted.
    pub command: usize,
    /// Commands unanswered at a time.
    pub outstanding: usize,
    /// Silence while anything is awaited. RFC 3501 names none for clients: five minutes, as
    /// RFC 5321 section 4.5.3.2 has for most of SMTP.
    pub wait: Duration,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            response: 4 * 1024 * 1024,
            literal: 4096,
            command: 64 * 1024,
            outstanding: 64,
            wait: Duration::from_secs(300),
        }
    }
}
