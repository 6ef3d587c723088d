//! What is to be delivered, and how.

use alloc::string::String;
use alloc::vec::Vec;

use crate::smtp::params::{BodyType, DeliverBy, Notify, Priority, Ret, ValidSince};

/// What is to be delivered.
///
/// What the sender asked of delivery is passed on where the server offers its extension. What
/// may not be left away where it does not, is an honest failure: see [`Delivery`](super::Delivery).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Envelope {
    /// The reverse-path without brackets; empty for null.
    pub sender: String,
    /// Whom it is for.
    pub recipients: Vec<Recipient>,
    /// Octets of the message.
    pub size: u64,
    /// What its octets are.
    pub body: BodyType,
    /// Its header holds UTF-8 (RFC 6531). Addresses that do are seen without this.
    pub smtp_utf8: bool,
    /// REQUIRETLS: over verified TLS to a server that promises the same, or not at all
    /// (RFC 8689 section 4.2.1). With a null sender it is said where it is offered, and hinders
    /// nothing (RFC 8689 section 5).
    pub require_tls: bool,
    /// RET (RFC 3461 section 4.3).
    pub ret: Option<Ret>,
    /// ENVID as it stood on the line (RFC 3461 section 4.4).
    pub envid: Option<String>,
    /// BY, with the seconds that are left now (RFC 2852).
    pub by: Option<DeliverBy>,
    /// MT-PRIORITY (RFC 6710).
    pub priority: Option<Priority>,
    /// AUTH= as it stands on the line (RFC 4954 section 5).
    pub auth: Option<String>,
}

impl Envelope {
    /// A message of 7-bit lines of which nothing else is known.
    pub fn new(sender: impl Into<String>, size: u64) -> Self {
        Self {
            sender: sender.into(),
            recipients: Vec::new(),
            size,
            body: BodyType::SevenBit,
            smtp_utf8: false,
            require_tls: false,
            ret: None,
            envid: None,
            by: None,
            priority: None,
            auth: None,
        }
    }

    /// Whether it must go by verified TLS or not at all: a report goes out all the same (RFC 8689
    /// section 5).
    pub(super) fn requires_tls(&self) -> bool {
        self.require_tls && !self.sender.is_empty()
    }

    /// And for this recipient.
    #[must_use]
    pub fn to(mut self, recipient: impl Into<Recipient>) -> Self {
        self.recipients.push(recipient.into());
        self
    }
}

/// One of those whom a message is for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Recipient {
    /// The forward-path without brackets.
    pub address: String,
    /// NOTIFY (RFC 3461 section 4.1).
    pub notify: Option<Notify>,
    /// ORCPT as it stood on the line, `type;address` (RFC 3461 section 4.2).
    pub orcpt: Option<String>,
    /// RRVS (RFC 7293).
    pub rrvs: Option<ValidSince>,
}

impl<T: Into<String>> From<T> for Recipient {
    fn from(address: T) -> Self {
        Self { address: address.into(), ..Self::default() }
    }
}

/// How to speak to the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Options {
    /// Our name for EHLO.
    pub hello: String,
    /// LHLO, and a verdict per recipient (RFC 2033).
    pub lmtp: bool,
    /// STARTTLS.
    pub tls: TlsPolicy,
    /// The layer that the owner puts in place lets no handshake succeed unless the server's
    /// certificate is trusted and of the server's name: what REQUIRETLS needs.
    pub verifies: bool,
}

impl Options {
    /// SMTP in plaintext under this name.
    pub fn new(hello: impl Into<String>) -> Self {
        Self { hello: hello.into(), lmtp: false, tls: TlsPolicy::None, verifies: false }
    }
}

/// When to say STARTTLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TlsPolicy {
    /// Never: it is in place already, or not wanted.
    None,
    /// If it is offered (RFC 7435).
    Opportunistic,
    /// Or not at all: what is not offered, or is refused, defers the message.
    Required,
}
