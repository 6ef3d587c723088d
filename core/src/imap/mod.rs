//! IMAP4rev1 (RFC 3501) with IDLE (RFC 2177), NAMESPACE (RFC 2342), ID (RFC 2971), UNSELECT
//! (RFC 3691), UIDPLUS (RFC 4315), SASL-IR (RFC 4959), ENABLE (RFC 5161), SPECIAL-USE (RFC
//! 6154), MOVE (RFC 6851) and LITERAL+/- (RFC 7888), both sides.
//!
//! A server's dialogue, and the events it makes:
//!
//! ```text
//! S: * OK ready                       Event::Connect, finished
//! C: a LOGIN bob secret               Command::Login: OK authenticates
//! S: a OK done
//! C: b APPEND INBOX {12}              Event::Append: accepted
//! S: + go ahead
//! C: Hello world.                     Event::Chunk ..., Event::Appended
//! S: b OK [APPENDUID 1 4] done
//! C: c FETCH 4 BODY[]                 Command::Fetch: data::Fetch writes the response
//! S: * 4 FETCH (BODY[] {12}
//! S: Hello world.)
//! S: c OK done
//! ```
//!
//! A client's, and the notices it is given:
//!
//! ```text
//! S: * OK [CAPABILITY IMAP4rev1] hi   Notice::Greeting
//! C: A1 SELECT INBOX                  Client::send
//! S: * 12 EXISTS                      Notice::Response, at any time
//! S: A1 OK [READ-WRITE] done          Notice::Completed
//! C: A2 FETCH 12 (UID BODY[])
//! S: * 12 FETCH (UID 7 BODY[] {90000} Notice::Literal
//! S: ...                              Notice::Chunk ...
//! S:  FLAGS (\Seen))                  Notice::Response, of what is left
//! S: A2 OK done
//! ```

mod capabilities;
mod client;
mod command;
mod config;
mod cursor;
pub mod data;
mod date;
mod envelope;
mod event;
mod fetch;
mod fetched;
mod flags;
mod frame;
mod notice;
mod request;
mod response;
mod search;
mod sequence;
mod server;
mod structure;
mod utf7;
mod writer;

pub use capabilities::Capabilities;
pub use client::{Client, IDLE_RENEW};

pub use command::{Command, IdFields, StatusItems, StoreAction, Tag, Words};
pub use config::{ClientLimits, Limits, ServerConfig};
pub use cursor::Astring;
pub use data::{Code, Fetch};
pub use date::{Date, DateTime};
pub use envelope::{Address, Addresses, Envelope};
pub use event::{Event, Status, Ticket};
pub use fetch::{FetchItem, FetchItems, FieldNames, Section, SectionText};
pub use fetched::{FetchValue, FetchValues, TextName};
pub use flags::{Flag, Flags};
pub use notice::{MessageLiteral, Notice};
pub use request::{Request, SendError, Verb};
pub use response::{MailboxStatus, Namespaces, Numbers, Response, ResponseCode};
pub use search::{SEARCH_DEPTH, SEARCH_KEYS, SearchKey, SearchKeys, SearchToken};
pub use sequence::SequenceSet;
pub use server::Server;
pub use structure::{Body, BodyStructure, Extension, Multipart, Parameters, Part, STRUCTURE_DEPTH};
pub use utf7::{decode_mailbox, encode_mailbox};
