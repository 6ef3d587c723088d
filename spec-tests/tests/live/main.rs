//! The whole server, from outside: over sockets, through programs that nobody here wrote, on
//! both runtimes.
//!
//! Each test is one function of a runtime and runs on both ([`harness::on_both`]). Dialogues
//! of one command and its answer are no business of this suite: they stand in `transcripts/`.

mod access;
mod crash;
mod dsn;
mod envelope;
mod harness;
mod hostile;
mod idle;
mod load;
mod mailboxes;
mod mechanisms;
mod proxy;
mod relay;
mod relay_failures;
mod smuggling;
mod stop;
mod tls;
mod whole_way;
