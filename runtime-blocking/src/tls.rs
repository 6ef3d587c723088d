//! The layers of a connection, by which side of it we are.

use std::net::SocketAddr;
use std::sync::Arc;

use postkern::deflate::Deflate;
use postkern::tls::Tls;
use postkern::{Layer, Upgrade};
use postkern_store::runtime::Setup;
use rustls::pki_types::ServerName;

/// Which side of a connection we are.
pub(crate) enum Side {
    Server,
    Client {
        host: String,
        address: SocketAddr,
        /// The certificate must be trusted and of the host's name.
        verify: bool,
    },
}

impl Side {
    /// The layer that was asked for; or why there is none.
    pub(crate) fn layer(&self, setup: &Setup, upgrade: Upgrade) -> Result<Box<dyn Layer>, String> {
        if upgrade == Upgrade::Deflate {
            return Ok(Box::new(Deflate::default()));
        }
        let tls = match self {
            Self::Server => {
                let config = setup.tls.as_ref().ok_or("no certificate is configured")?;
                Tls::server(Arc::clone(config))
            }
            Self::Client { host, address, verify } => {
                let config = if *verify { &setup.clients.verified } else { &setup.clients.any };
                let name = match ServerName::try_from(host.clone()) {
                    Ok(name) => name,
                    Err(_) if *verify => return Err(format!("no certificate can be of the name {host:?}")),
                    // Any certificate will do: an address is not sent as a name (RFC 6066
                    // section 3).
                    Err(_) => address.ip().into(),
                };
                Tls::client(Arc::clone(config), name)
            }
        };
        Ok(Box::new(tls.map_err(|error| error.to_string())?))
    }
}
