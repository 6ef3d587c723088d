//! A mail server's decisions, without IO.

pub mod account;
pub mod bounce;
pub mod digest;
pub mod job;
pub mod mailbox;
pub mod queue;
pub mod search;
pub mod service;
pub mod trace;
