//! POP3 (RFC 1939) with CAPA (RFC 2449), STLS (RFC 2595) and AUTH (RFC 5034), both sides.
//!
//! A server's dialogue, and the events it makes:
//!
//! ```text
//! S: +OK ready                        Event::Connect, answered
//! C: USER bob                         Command::User
//! S: +OK
//! C: PASS secret                      Command::Pass: +OK opens the transaction state
//! S: +OK
//! C: RETR 1                           Command::Retr: begin, write ..., end
//! S: +OK 120 octets
//! S: ...
//! S: .
//! C: QUIT                             Command::Quit: remove what was deleted, then answer
//! S: +OK bye
//! ```

mod capabilities;
mod client;
mod command;
mod config;
mod event;
mod request;
mod server;

pub use capabilities::{Capabilities, Expire};
pub use client::{Client, Notice, apop_timestamp, drop_listing};
pub use command::Command;
pub use config::{Limits, ServerConfig, Utf8};
pub use event::{Event, Ticket};
pub use request::{Request, SendError, Verb};
pub use server::Server;
