//! `serve`: a server by a configuration. Nothing starts before all is checked.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use postkern_server::config::Listener;

use super::args::Serve;
use super::check::{self, Checked};
use super::error::CliError;
use super::files::{PUBLIC, make_folder, replace};
use super::{descriptors, signals};
use crate::runtime::{Runtime, Setup};
use crate::sqlite::Sqlite;

pub(super) fn run(runtime: &dyn Runtime, args: &Serve) -> Result<(), CliError> {
    let Checked { config, tls, clients, dns, listeners, unbound, notes } = check::examine(&args.file.config)?;
    if !unbound.is_empty() {
        // No fault of the file: the same may work in a minute.
        let lines: Vec<_> = unbound.iter().map(|unbound| unbound.explain()).collect();
        return Err(CliError::Refused(lines.join("\n")));
    }
    for note in notes.into_iter().chain(descriptors::raise(&config.limits)) {
        tracing::warn!("{note}");
    }
    let stop =
        signals::stop().map_err(|source| CliError::Io { what: "signals cannot be taken over".into(), source })?;
    make_folder(&config.data)?;
    let backend = Arc::new(Sqlite::open_serving(&config.data)?);
    announce(&listeners, args.ready_file.as_deref())?;
    let setup = Setup { config: Arc::new(config), backend, listeners, tls, clients, dns, stop, tap: None };
    until_stopped(runtime, setup)
}

/// Serves until a signal comes.
pub(super) fn until_stopped(runtime: &dyn Runtime, setup: Setup) -> Result<(), CliError> {
    runtime.serve(setup).map_err(CliError::Serve)?;
    tracing::info!("stopped");
    Ok(())
}

/// Tells where the server listens: in the log, and as JSON in a file for programs, an object
/// of names and addresses, the first of each name. From here on connections are taken; they wait until it serves.
pub(super) fn announce(listeners: &[(Listener, TcpListener)], ready_file: Option<&Path>) -> Result<(), CliError> {
    let mut addresses = BTreeMap::new();
    for (listener, socket) in listeners {
        let address =
            socket.local_addr().map_err(|source| CliError::Io { what: format!("{listener}: no address"), source })?;
        tracing::info!(%listener, %address, "listening");
        addresses.entry(listener.name()).or_insert_with(|| address.to_string());
    }
    match ready_file {
        Some(file) => replace(file, PUBLIC, &format!("{}\n", serde_json::json!(addresses))),
        None => Ok(()),
    }
}
