//! A mail server's decisions, without IO.

pub mod accept;
pub mod account;
pub mod config;
pub mod digest;
pub mod dns;
pub mod drive;
pub mod dsn;
pub mod job;
pub mod mailbox;
pub mod peers;
pub mod queue;
pub mod relay;
pub mod route;
pub mod runner;
pub mod search;
pub mod service;
pub mod session;
pub mod trace;
