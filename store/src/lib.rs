//! Where mail is kept, and what starts a server: SQLite and memory, certificates, the command
//! line.

pub mod logging;
pub mod runtime;
pub mod tls;
