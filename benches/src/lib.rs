//! What is measured: each machine, beside a peer and beside the limit of reading the octets.
//!
//! [`works`] is the one list. `benches/machines.rs` times it with criterion, `bin/counts.rs`
//! counts its instructions and allocations under valgrind. How to run both, and what came
//! out: `README.md` beside this crate.

#![forbid(unsafe_code)]

pub mod input;
pub mod work;

use work::{Work, fetch, framing, imap, message, pop3, session, smtp};

/// Everything that is measured, rows of one name together.
pub fn works() -> Vec<Work> {
    [smtp::works(), message::works(), pop3::works(), imap::works(), fetch::works(), framing::works(), session::works()]
        .concat()
}
