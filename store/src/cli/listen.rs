//! Binding sockets, and saying why it cannot be done.

use std::io;
use std::net::{SocketAddr, TcpListener};

use postkern_server::config::Listener;

/// Ports that are tried behind one that is taken.
const NEAR: u16 = 100;

/// A socket that cannot be had.
#[derive(Debug)]
pub(super) struct Unbound {
    pub(super) listener: Listener,
    pub(super) address: SocketAddr,
    pub(super) error: io::Error,
}

impl Unbound {
    /// Whether somebody else listens there: for a check, perhaps the server itself.
    pub(super) fn is_in_use(&self) -> bool {
        self.error.kind() == io::ErrorKind::AddrInUse
    }

    /// What is wrong, and what to do.
    pub(super) fn explain(&self) -> String {
        let Self { listener, address, error } = self;
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => "another program listens there: stop it, or choose another port",
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 need the right to them (AmbientCapabilities=CAP_NET_BIND_SERVICE in a unit of \
                 systemd, or setcap cap_net_bind_service=+ep on the program)"
            }
            io::ErrorKind::AddrNotAvailable => "this machine has no such address",
            _ => "choose another address",
        };
        format!("{listener}: cannot listen on {address}: {error}: {advice}")
    }
}

/// Binds each, as far as it can be done.
pub(super) fn bind(wanted: &[(Listener, SocketAddr)]) -> (Vec<(Listener, TcpListener)>, Vec<Unbound>) {
    let (mut bound, mut unbound) = (Vec::new(), Vec::new());
    for &(listener, address) in wanted {
        match TcpListener::bind(address) {
            Ok(socket) => bound.push((listener, socket)),
            Err(error) => unbound.push(Unbound { listener, address, error }),
        }
    }
    (bound, unbound)
}

/// Binds the address, or if its port is taken the next one that is free.
pub(super) fn bind_near(listener: Listener, address: SocketAddr) -> Result<TcpListener, Unbound> {
    let last = address.port().saturating_add(NEAR);
    for port in address.port()..last {
        match TcpListener::bind(SocketAddr::new(address.ip(), port)) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(Unbound { listener, address, error }),
            Ok(socket) => return Ok(socket),
        }
    }
    Err(Unbound { listener, address, error: io::ErrorKind::AddrInUse.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_gives_way_to_the_next() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let near = bind_near(Listener::Smtp, address).unwrap().local_addr().unwrap();
        assert!(near.port() > address.port() && near.port() < address.port() + NEAR, "{near}");
        assert_eq!(near.ip(), address.ip());
    }

    #[test]
    fn what_cannot_be_bound_is_said_and_the_rest_is_bound() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = (Listener::Smtp, taken.local_addr().unwrap(), taken);
        let free = (Listener::Imap, "127.0.0.1:0".parse().unwrap());
        let (bound, unbound) = bind(&[(taken.0, taken.1), free]);
        assert_eq!(bound.len(), 1);
        assert!(unbound[0].is_in_use());
        let said = unbound[0].explain();
        assert!(said.starts_with(&format!("smtp: cannot listen on {}: ", taken.1)), "{said}");
    }
}
