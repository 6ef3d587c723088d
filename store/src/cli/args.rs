//! The arguments.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::logging::Format;

/// A mail server: SMTP, POP3 and IMAP, in one program and one file of configuration.
///
/// Without a command: a ready-made server on 127.0.0.1, to try it. It keeps its data in
/// ./postkern-data, makes two accounts and a certificate, and prints lines to paste.
#[derive(Debug, Parser)]
#[command(version)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) ready_made: ReadyMade,
    /// How to write the log on standard error; RUST_LOG chooses what (info)
    #[arg(long, value_name = "FORMAT", value_enum, global = true, default_value_t)]
    pub(super) log_format: Format,
}

/// The ready-made server's own.
#[derive(Debug, Args)]
pub(super) struct ReadyMade {
    /// Where the ready-made server keeps its data [default: postkern-data]
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// Write the addresses as JSON to this file once the ready-made server listens
    #[arg(long, value_name = "FILE")]
    pub(super) ready_file: Option<PathBuf>,
}

impl ReadyMade {
    /// Whether any of it was given.
    pub(super) fn is_given(&self) -> bool {
        self.data.is_some() || self.ready_file.is_some()
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show a message on its way: submission, relay, POP3 and IMAP, between two servers
    Tour,
    /// Make a folder with a configuration, a certificate and an empty store
    Init(Init),
    /// Run the server
    Serve(Serve),
    /// Look at a configuration
    #[command(subcommand)]
    Config(Config),
    /// Add, list and remove accounts, also while the server runs
    #[command(subcommand)]
    Account(Account),
    /// See and change what waits to be relayed, also while the server runs
    #[command(subcommand)]
    Queue(Queue),
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(super) struct Init {
    /// The folder; it is made if it is not there
    #[arg(value_name = "DIR")]
    pub(super) folder: PathBuf,
    /// The domain to take mail for
    #[arg(long, value_name = "DOMAIN")]
    pub(super) domain: String,
    /// The server's own name, as the DNS has it
    #[arg(long, value_name = "HOST")]
    pub(super) hostname: String,
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub(super) struct ConfigFile {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    pub(super) file: ConfigFile,
    /// Write the addresses as JSON to this file once all listen
    #[arg(long, value_name = "FILE")]
    pub(super) ready_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Check a configuration and all files that it names; starts nothing
    Check(ConfigFile),
}

#[derive(Debug, Subcommand)]
pub(super) enum Account {
    /// Add an account; asks for its password
    Add(Named),
    /// List all accounts
    List(Listed),
    /// Change an account's password
    Passwd(Named),
    /// Remove an account with all its mail
    Remove(Removed),
}

#[derive(Debug, Args)]
pub(super) struct Named {
    #[command(flatten)]
    pub(super) file: ConfigFile,
    /// Read the password from standard input, one line, instead of asking for it twice
    #[arg(long)]
    pub(super) password_stdin: bool,
    /// The address, in a domain of the configuration
    pub(super) name: String,
}

#[derive(Debug, Args)]
pub(super) struct Listed {
    #[command(flatten)]
    pub(super) file: ConfigFile,
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Removed {
    #[command(flatten)]
    pub(super) file: ConfigFile,
    /// Do not ask; needed where nobody can be asked
    #[arg(long)]
    pub(super) yes: bool,
    /// The address
    pub(super) name: String,
}

#[derive(Debug, Subcommand)]
pub(super) enum Queue {
    /// List what waits, oldest first
    List(Listed),
    /// Show a message's recipients, what they met, and its header
    Show(Message),
    /// Try a message again now, or all of them
    Retry(Retried),
    /// Remove a message from the queue; its sender is told nothing
    Remove(RemovedMessage),
}

#[derive(Debug, Args)]
pub(super) struct Message {
    #[command(flatten)]
    pub(super) file: ConfigFile,
    /// The message's number, as in the list
    pub(super) id: i64,
}

#[derive(Debug, Args)]
pub(super) struct Retried {
    #[command(flatten)]
    pub(super) file: ConfigFile,
    /// The message's number, as in the list
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub(super) id: Option<i64>,
    /// All messages
    #[arg(long)]
    pub(super) all: bool,
}

#[derive(Debug, Args)]
pub(super) struct RemovedMessage {
    #[command(flatten)]
    pub(super) file: ConfigFile,
    /// Do not ask; needed where nobody can be asked
    #[arg(long)]
    pub(super) yes: bool,
    /// The message's number, as in the list
    pub(super) id: i64,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_form_of_the_log_can_be_said_in_front_and_behind() {
        for line in ["p --log-format json tour", "p tour --log-format json"] {
            let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(arguments.log_format, Format::Json, "{line}");
        }
    }
}
