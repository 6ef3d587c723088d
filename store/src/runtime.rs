//! What the command line gives to a runtime, and what it asks of one.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use postkern_server::config::{Config, Listener};
use postkern_server::job::Backend;

use crate::tls::ServerTls;

/// All that a server needs to run.
pub struct Setup {
    /// What it decides by.
    pub config: Arc<Config>,
    /// What it keeps mail in.
    pub backend: Arc<dyn Backend>,
    /// Bound and listening.
    pub listeners: Vec<(Listener, TcpListener)>,
    /// Our certificate, with a configuration for each service.
    pub tls: Option<ServerTls>,
    /// For connections to other servers.
    pub clients: ClientTls,
    /// Name servers: one at least.
    pub dns: Vec<SocketAddr>,
    /// The server stops gracefully once an octet, or the end, can be read here.
    pub stop: UnixStream,
}

/// How we meet other servers.
#[derive(Clone, Debug)]
pub struct ClientTls {
    /// Takes a certificate only if it is trusted and of the host's name.
    pub verified: Arc<rustls::ClientConfig>,
    /// Takes any certificate (RFC 7435).
    pub any: Arc<rustls::ClientConfig>,
}

/// Something that drives servers over sockets.
pub trait Runtime: Sync {
    /// The name of the program that is built on it.
    fn program(&self) -> &'static str;

    /// Serves until the setup's stop is readable, then tells clients (421, BYE), lets commands
    /// in flight finish for [`GRACE`] at most, and returns with all threads ended.
    ///
    /// # Errors
    /// The listeners or the machine's clock, threads or pollers fail as a whole. What befalls
    /// one connection is logged.
    fn serve(&self, setup: Setup) -> io::Result<()>;
}

/// How long a stop may take.
pub const GRACE: std::time::Duration = std::time::Duration::from_secs(15);
