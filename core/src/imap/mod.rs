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

mod command;
mod config;
mod cursor;
pub mod data;
mod date;
mod event;
mod fetch;
mod flags;
mod frame;
mod search;
mod sequence;
mod server;
mod utf7;

pub use command::{Command, IdFields, StatusItems, StoreAction, Tag, Words};
pub use config::{Limits, ServerConfig};
pub use cursor::Astring;
pub use data::{Code, Fetch};
pub use date::{Date, DateTime};
pub use event::{Event, Status, Ticket};
pub use fetch::{FetchItem, FetchItems, FieldNames, Section, SectionText};
pub use flags::{Flag, Flags};
pub use search::{SEARCH_DEPTH, SEARCH_KEYS, SearchKey, SearchKeys, SearchToken};
pub use sequence::SequenceSet;
pub use server::Server;
pub use utf7::{decode_mailbox, encode_mailbox};
