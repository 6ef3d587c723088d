//! SASL (RFC 4422): the mechanisms by name, and with features their exchanges of messages in
//! base64, both sides.
//!
//! | mechanism | is | feature |
//! | --- | --- | --- |
//! | PLAIN, LOGIN | RFC 4616; two questions, which have no RFC and which many still speak | `sasl` |
//! | EXTERNAL | RFC 4422 appendix A | `sasl` |
//! | OAUTHBEARER, XOAUTH2 | RFC 7628, and Google's forerunner of it | `sasl` |
//! | SCRAM-SHA-256, SCRAM-SHA-1, each with -PLUS | RFC 7677, RFC 5802 | `scram` |
//!
//! [`Exchange`] is the server's side, [`ClientExchange`] the client's. Neither reads a clock, a
//! random number or a file: nonces, channel bindings and what is known of an account are
//! arguments. What a mechanism learns is a claim, or a proof of it; who may log in is for the
//! application.

mod certificate;
#[cfg(feature = "sasl")]
mod client;
#[cfg(feature = "sasl")]
mod exchange;
mod mechanism;
#[cfg(feature = "sasl")]
mod message;
#[cfg(feature = "sasl")]
mod oauth;
#[cfg(feature = "scram")]
mod scram;
mod tls;

pub use certificate::{CertificateHash, addresses, signature_hash};
#[cfg(feature = "sasl")]
pub use client::{ClientExchange, Identity};
#[cfg(feature = "sasl")]
pub use exchange::{Credentials, Exchange, Step, plain_response};
pub use mechanism::{Mechanism, Mechanisms};
#[cfg(feature = "sasl")]
pub use message::{MESSAGE_MAX, decode, encode};
#[cfg(feature = "sasl")]
pub use oauth::{Token, TokenRefusal};
#[cfg(feature = "scram")]
pub use scram::{
    Hash, ITERATIONS_MAX, ITERATIONS_MIN, Keys, NAME_MAX, NONCE, NONCE_MAX, SALT_MAX, SCRAM_MESSAGE_MAX, decoy_salt,
};
#[cfg(feature = "scram")]
pub use tls::end_point;
pub use tls::{EndPoint, TlsFacts};

use alloc::string::String;

/// The client's side of an exchange, as an SMTP, POP3 or IMAP client uses it. All messages are
/// in base64.
///
/// [`ClientExchange`] is one; an application with a mechanism of its own writes another.
pub trait Authenticate {
    /// Chooses among what the server offers; `secure` if TLS is in place. The initial response,
    /// if the mechanism has one: empty for one that is there and has no octets, which SMTP and
    /// IMAP send as `=`.
    ///
    /// None if nothing that is offered may be used: then nothing is sent.
    fn begin(&mut self, offered: Mechanisms, secure: bool) -> Option<(Mechanism, Option<String>)>;

    /// The answer to a challenge; none to cancel the exchange (`*`).
    fn respond(&mut self, challenge: &[u8]) -> Option<String>;

    /// The server says that the client is logged in, with more of the mechanism where the
    /// protocol can carry it. Whether that is so by the mechanism: if not, the server has not
    /// proven that it knows the client, and the connection is to be closed.
    #[must_use = "a server that has not proven itself is not to be trusted"]
    fn finish(&mut self, last: Option<&[u8]>) -> bool;
}
