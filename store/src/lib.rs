//! Where mail is kept, and what starts a server: SQLite and memory, certificates, the command
//! line.

pub mod memory;
pub mod rules;
pub mod runtime;

mod watchers;
