//! The `postkern` program.

use std::process::ExitCode;

use postkern_blocking::Blocking;

fn main() -> ExitCode {
    postkern_store::cli::main(&Blocking)
}
