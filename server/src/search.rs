//! SEARCH (RFC 3501 section 6.4.4): a program, and its judgement of a message.

use crate::mailbox::Meta;

/// A search, compiled: sequence numbers are UIDs, keywords are bits, strings are folded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program;

/// What is known without reading the message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It matches.
    Yes,
    /// It does not.
    No,
    /// Its text must be read: [`Program::matches`].
    NeedsText,
}

impl Program {
    /// Judges by what is known without reading.
    pub fn judge(&self, meta: &Meta) -> Verdict {
        let _ = meta;
        Verdict::Yes
    }

    /// Judges with the whole message at hand.
    pub fn matches(&self, meta: &Meta, message: &[u8]) -> bool {
        let _ = (meta, message);
        true
    }
}
