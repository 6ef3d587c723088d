//! A mail server's decisions, without IO.

pub mod accept;
pub mod account;
pub mod config;
pub mod digest;
pub mod dns;
pub mod downgrade;
pub mod drive;
pub mod dsn;
pub mod fixup;
pub mod greylist;
pub mod idn;
pub mod job;
pub mod mailbox;
pub mod peers;
pub mod proxy;
pub mod queue;
pub mod rates;
pub mod relay;
pub mod resolve;
pub mod route;
pub mod runner;
pub mod search;
pub mod service;
pub mod session;
pub mod trace;
