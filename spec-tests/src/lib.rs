//! Dialogues as data, and what plays them.
//!
//! [`transcript`] is the format, [`play`] runs one under every cut of the input, against a
//! machine alone ([`memory`]) or against the whole service ([`service`]). The dialogues stand
//! in `transcripts/`, by protocol, RFC and section.

pub mod memory;
mod pattern;
pub mod play;
pub mod service;
pub mod transcript;
