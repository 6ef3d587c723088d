//! Why a command failed, in words for the one who typed it.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use postkern_server::job::{Done, Failure};
use thiserror::Error;

use crate::sqlite::OpenError;
use crate::tls::TlsError;

/// EX_CONFIG of sysexits.h: trying again does not help before the configuration is mended.
const EX_CONFIG: u8 = 78;

/// Why a command failed.
#[derive(Debug, Error)]
pub(super) enum CliError {
    /// All that is wrong with a configuration, each with its file and line.
    #[error("{}", .0.join("\n"))]
    Config(Vec<String>),
    /// The system refuses.
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    /// The store cannot be opened.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// Certificates.
    #[error("{0}")]
    Tls(#[from] TlsError),
    /// A certificate could not be made.
    #[error("no certificate could be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The store did not do it.
    #[error("{0}")]
    Store(String),
    /// What was asked for cannot be done, why, and what to do.
    #[error("{0}")]
    Refused(String),
    /// The runtime ended by itself.
    #[error("the server stopped: {0}")]
    Serve(io::Error),
}

impl CliError {
    /// For what was done to a file.
    pub(super) fn io(doing: &str, file: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what: format!("{doing} {}", file.display()), source }
    }

    /// For a job's answer that is not the one its name promises.
    pub(super) fn unexpected(done: Done) -> Self {
        Self::Store(match done {
            Done::Failed(Failure::Full) => "no room on the disk".into(),
            Done::Failed(Failure::Broken(why)) => format!("the store failed: {why}"),
            other => format!("the store did not do it: {other:?}"),
        })
    }

    pub(super) fn code(&self) -> ExitCode {
        match self {
            Self::Config(_) => ExitCode::from(EX_CONFIG),
            _ => ExitCode::FAILURE,
        }
    }
}
