//! The command line, the same for every runtime.
//!
//! [`main`] is the whole of a binary: it reads the arguments, checks all that can be checked,
//! and hands a finished [`Setup`](crate::runtime::Setup) to the [`Runtime`] it was given.
//!
//! | file | what |
//! | --- | --- |
//! | `args` | the arguments, as clap has them |
//! | `check` | a configuration file, checked together with all that it names |
//! | `serve`, `signals`, `listen`, `descriptors` | a server by such a file |
//! | `ready_made`, `paste` | a server without one, and lines to try it with |
//! | `tour`, `site`, `client`, `pop3`, `imap` | two servers and a message's way between them |
//! | `screen`, `dialogue`, `secrets` | what is shown of it |
//! | `init` | a first configuration |
//! | `account`, `queue` | work on the store |
//!
//! # Exit codes
//! 0: done. 1: it failed. 2: the arguments are wrong. 78 (EX_CONFIG): the configuration is.
//! Errors go to standard error, and say what is wrong, where, and what to do.
//!
//! [`Runtime`]: crate::runtime::Runtime

mod account;
mod args;
mod check;
mod client;
mod descriptors;
mod dialogue;
mod error;
mod files;
mod imap;
mod init;
mod listen;
mod main;
mod paste;
mod pop3;
mod queue;
mod ready_made;
mod screen;
mod secrets;
mod serve;
mod signals;
mod site;
mod tour;

pub use main::main;
