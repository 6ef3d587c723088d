//! From arguments to an exit code.

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};
use tracing_subscriber::filter::LevelFilter;

use super::args::{Account, Arguments, Command, Config, Queue};
use super::error::CliError;
use super::files::print;
use super::{account, check, init, queue, ready_made, serve, tour};
use crate::logging;
use crate::runtime::Runtime;

/// Does what the arguments of the process say, on this runtime. The whole of a binary's
/// `main`.
pub fn main(runtime: &'static dyn Runtime) -> ExitCode {
    let arguments = match parse(runtime.program()) {
        Ok(arguments) => arguments,
        Err(error) => {
            // To standard output for --help and --version.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    logging::start(arguments.log_format, level(arguments.command.as_ref()));
    match run(runtime, &arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(runtime.program(), &error);
            error.code()
        }
    }
}

fn parse(program: &'static str) -> Result<Arguments, clap::Error> {
    let mut command = command(program);
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    let arguments = Arguments::from_arg_matches(&matches)?;
    if arguments.command.is_some() && arguments.ready_made.is_given() {
        let what = "in front of a command, --data and --ready-file have no meaning: they are the ready-made server's";
        return Err(command.error(ErrorKind::ArgumentConflict, what));
    }
    Ok(arguments)
}

/// What is wrong with a file begins with its name and line, where editors look for them.
fn tell(program: &str, error: &CliError) {
    for line in error.to_string().lines() {
        match error {
            CliError::Config(_) => eprintln!("{line}"),
            _ => eprintln!("{program}: {line}"),
        }
    }
}

fn command(program: &'static str) -> clap::Command {
    Arguments::command().name(program).bin_name(program)
}

/// Servers tell of their work; commands only of trouble.
fn level(command: Option<&Command>) -> LevelFilter {
    match command {
        None | Some(Command::Serve(_)) => LevelFilter::INFO,
        Some(_) => LevelFilter::WARN,
    }
}

fn run(runtime: &'static dyn Runtime, arguments: &Arguments) -> Result<(), CliError> {
    match &arguments.command {
        None => ready_made::run(runtime, &arguments.ready_made),
        Some(Command::Tour) => tour::run(runtime),
        Some(Command::Init(args)) => init::run(runtime, args),
        Some(Command::Serve(args)) => serve::run(runtime, args),
        Some(Command::Config(Config::Check(args))) => check::run(args),
        Some(Command::Account(command)) => match command {
            Account::Add(args) => account::add(args),
            Account::List(args) => account::list(args),
            Account::Passwd(args) => account::passwd(args),
            Account::Remove(args) => account::remove(args),
        },
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut command(runtime.program()), runtime.program(), &mut script);
            print(&String::from_utf8_lossy(&script))
        }
        Some(Command::Queue(command)) => match command {
            Queue::List(args) => queue::list(args),
            Queue::Show(args) => queue::show(args),
            Queue::Retry(args) => queue::retry(args),
            Queue::Remove(args) => queue::remove(args),
        },
    }
}
