//! The bodies of the fuzz targets: one function each, of any octets at all.
//!
//! A fuzz target calls its function, and so does `tests/regressions.rs`, which replays what
//! was found once. How to run, and what the input means: `README.md` beside this crate.

#![forbid(unsafe_code)]

mod drive;
mod imap;
mod imap_client;
mod pop3;
mod round_trip;
mod smtp;
mod smtp_session;
mod values;

pub use imap::{imap_command, imap_fetch, imap_server};
pub use imap_client::imap_client;
pub use pop3::{pop3_client, pop3_server};
pub use round_trip::{imap_round_trip, pop3_round_trip, smtp_round_trip};
pub use smtp::{smtp_client, smtp_deflate, smtp_server};
pub use smtp_session::smtp_session;
pub use values::{sasl, utf7, values};

/// A target by its name.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("smtp_server", smtp_server),
    ("smtp_client", smtp_client),
    ("smtp_deflate", smtp_deflate),
    ("smtp_round_trip", smtp_round_trip),
    ("smtp_session", smtp_session),
    ("pop3_server", pop3_server),
    ("pop3_client", pop3_client),
    ("pop3_round_trip", pop3_round_trip),
    ("imap_server", imap_server),
    ("imap_client", imap_client),
    ("imap_round_trip", imap_round_trip),
    ("imap_command", imap_command),
    ("imap_fetch", imap_fetch),
    ("utf7", utf7),
    ("sasl", sasl),
    ("values", values),
];
