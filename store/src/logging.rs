//! Logs: events of `tracing`, one a line on standard error, as text or as JSON.
//!
//! `RUST_LOG` chooses what is told, by level (`debug`) or by module
//! (`postkern_server=debug,info`).

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::time::SystemTime;

/// The form of a line.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One object a line, for collectors.
    Json,
}

/// Sends events to standard error from here on, those of `level` and above unless `RUST_LOG`
/// says otherwise. A second call changes nothing.
pub fn start(format: Format, level: LevelFilter) {
    let filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_timer(SystemTime)
        .with_target(false)
        .with_ansi(is_coloured(&io::stderr()))
        .with_writer(io::stderr);
    // It fails only if a subscriber is there already, as in tests: then that one stays.
    let _ = match format {
        Format::Text => lines.try_init(),
        Format::Json => lines.json().flatten_event(true).with_target(true).try_init(),
    };
}

/// Whether to write colours to it: to a terminal, unless `NO_COLOR` is set to anything
/// (no-color.org).
pub(crate) fn is_coloured(to: &impl IsTerminal) -> bool {
    to.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
