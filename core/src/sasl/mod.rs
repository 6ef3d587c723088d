//! SASL (RFC 4422): the mechanisms by name, and with the feature `sasl` their exchanges of
//! messages in base64, both sides: PLAIN (RFC 4616) and LOGIN, which has no RFC and is what
//! many programs still speak.

#[cfg(feature = "sasl")]
mod exchange;
mod mechanism;

#[cfg(feature = "sasl")]
pub use exchange::{Credentials, Exchange, MESSAGE_MAX, Step, decode, encode, plain_response};
pub use mechanism::{Mechanism, Mechanisms};
