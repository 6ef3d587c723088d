//! What the command line gives to a runtime, and what it asks of one.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use postkern::deflate::Deflate;
use postkern::tls::Tls;
use postkern::{Layer, Upgrade};
use postkern_server::config::{Config, Listener};
use postkern_server::job::Backend;
pub use postkern_server::relay::TapFactory;
use rustls::pki_types::ServerName;

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
    /// Listens to the dialogues with other servers.
    pub tap: Option<TapFactory>,
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

/// Which side of a connection we are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Side {
    /// A client came.
    Server(Listener),
    /// We went to another server.
    Client {
        /// Its name, for SNI and certificates.
        host: String,
        /// Where it is.
        address: SocketAddr,
        /// Whether its certificate must be of that name and trusted.
        verify: bool,
    },
}

impl Setup {
    /// A layer for this side of a connection.
    ///
    /// # Errors
    /// There is no certificate of ours, or none can be of the host's name: why, in words for
    /// the log.
    pub fn layer(&self, side: &Side, upgrade: Upgrade) -> Result<Box<dyn Layer>, String> {
        if upgrade == Upgrade::Deflate {
            return Ok(Box::new(Deflate::default()));
        }
        let tls = match side {
            Side::Server(listener) => {
                let tls = self.tls.as_ref().ok_or("no certificate is configured")?;
                Tls::server(tls.of(*listener)).map(|layer| layer.with_end_point(tls.end_point()))
            }
            Side::Client { host, address, verify } => {
                let config = if *verify { &self.clients.verified } else { &self.clients.any };
                let name = match ServerName::try_from(host.clone()) {
                    Ok(name) => name,
                    Err(_) if *verify => return Err(format!("no certificate can be of the name {host:?}")),
                    // Any certificate will do, and an address is not sent as a name (RFC 6066
                    // section 3).
                    Err(_) => address.ip().into(),
                };
                Tls::client(Arc::clone(config), name)
            }
        };
        Ok(Box::new(tls.map_err(|error| error.to_string())?))
    }
}
