//! One session for each protocol: what our server decides about what a client asks.
//!
//! A [`Session`](crate::service::Session) is between a machine and the store: events come up,
//! answers and jobs go down. It keeps what the protocol's machine does not know (who is
//! logged in, which messages the client has been told of), holds no octets but those of the
//! command in hand, and never waits.

pub mod imap;
mod login;
pub mod pop3;
pub mod smtp;
