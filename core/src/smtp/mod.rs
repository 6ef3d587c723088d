//! SMTP (RFC 5321), submission (RFC 6409) and LMTP (RFC 2033), both sides.
//!
//! [`Server`] and [`Client`] are the machines. [`Delivery`] stands above the client: an
//! envelope in, a verdict for each recipient out.
//!
//! A server's dialogue, and the events it makes:
//!
//! ```text
//! S: 220 mx.example ESMTP             Event::Connect, answered
//! C: EHLO client.example              Event::Hello
//! S: 250-mx.example                   (the machine adds what it offers)
//! S: 250 PIPELINING
//! C: MAIL FROM:<a@client.example>     Event::Mail: 250 opens the transaction
//! C: RCPT TO:<b@mx.example>           Event::Rcpt: 250 adds the recipient
//! C: DATA                             Event::Data: 354 has the message sent
//! C: Hello.
//! C: .                                Event::Chunk ..., Event::Message
//! S: 250 2.0.0 ok                     the server is responsible now
//! ```
//!
//! In chunks (RFC 3030), where [`Offers`] has them offered:
//!
//! ```text
//! C: BDAT 7                           Event::Data { chunked: true }: 354 takes it, unsaid
//! C: Hello.                           Event::Chunk ...
//! S: 250 2.0.0 go on                  (the machine says it)
//! C: BDAT 0 LAST                      Event::Message
//! S: 250 2.0.0 ok                     the server is responsible now
//! ```

mod client;
mod command;
mod config;
mod delivery;
mod event;
mod extensions;
mod params;
mod path;
mod refusals;
mod reply;
mod request;
mod server;
mod xclient;

pub use client::{CHUNKS_MAX, Chunks, Client, Id, Notice};
pub use command::Verb;
pub use config::{BareNewline, FutureRelease, Limits, Offers, Protocol, ServerConfig};
pub use delivery::{
    CHUNK, Delivery, Envelope, Options, Progress, Recipient, SAID_MAX, Said, TRANSACTIONS_MAX, TlsPolicy, Verdict,
};
pub use event::{Event, Ticket, Tolerated};
pub use extensions::{Extensions, SessionLimits};
pub use params::{
    BodyType, ByMode, DATE_MAX, DATE_MIN, DeliverBy, Hold, MailParams, Notify, OriginalRecipient, Priority, RcptParams,
    Ret, RrvsAction, ValidSince, Xtext, unitext, xtext,
};
pub use path::{Path, is_domain, is_mailbox, is_mailbox_utf8};
pub use reply::{Enhanced, Reply, ReplyLines};
pub use request::{Command, SendError};
pub use server::Server;
pub use xclient::{Xclient, XclientAttribute, XclientAttributes, XclientValue};
