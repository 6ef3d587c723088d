//! Who is connected: how many from one address, one network, in all.

use core::net::IpAddr;

use crate::config::Limits;

/// Counts of connections. Bounded by the connections admitted.
#[derive(Debug, Default)]
pub struct Peers {}

/// Why a connection is not let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// The server is full.
    Full,
    /// Too many from this address.
    Address,
    /// Too many from this network.
    Network,
}

impl Peers {
    /// Counts a connection in, before anything is allocated for it. Each that is let in must
    /// be told of with [`leave`](Self::leave).
    ///
    /// # Errors
    /// Which limit it is over.
    pub fn admit(&mut self, peer: IpAddr, limits: &Limits) -> Result<(), Refused> {
        let _ = (peer, limits);
        Ok(())
    }

    /// Counts it out.
    pub fn leave(&mut self, peer: IpAddr) {
        let _ = peer;
    }

    /// Connections now.
    pub fn len(&self) -> usize {
        0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
