//! The `postkern-smol` program.

use std::process::ExitCode;

use postkern_smol::Smol;

fn main() -> ExitCode {
    postkern_store::cli::main(&Smol)
}
