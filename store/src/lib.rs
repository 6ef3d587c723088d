//! Where mail is kept, and what starts a server: SQLite and memory, certificates, the command
//! line.

pub mod cli;
pub mod logging;
pub mod memory;
pub mod rules;
pub mod runtime;
pub mod sqlite;
pub mod suite;
pub mod tls;

mod logins;
mod scram;
mod tokens;
mod watchers;
