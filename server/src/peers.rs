//! Who is connected: how many from one address, one network, in all.

use core::net::IpAddr;
use std::collections::BTreeMap;

use crate::config::{Limits, Network};

/// Bits of a network of IPv4, and of one of IPv6: what one customer of a provider has.
const NETWORK: (u8, u8) = (24, 64);

/// Counts of connections. Bounded by the connections admitted: who is not connected has no
/// entry. IPv4 mapped into IPv6 counts as IPv4.
#[derive(Debug, Default)]
pub struct Peers {
    addresses: BTreeMap<IpAddr, usize>,
    /// By their first address.
    networks: BTreeMap<IpAddr, usize>,
    total: usize,
}

/// Why a connection is not let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// The server is full.
    Full,
    /// Too many from this address.
    Address,
    /// Too many from this network.
    Network,
    /// It connects too often.
    Rate,
    /// Too many wrong passwords have come from there.
    Logins,
}

impl Peers {
    /// Counts a connection in, before anything is allocated for it: by its peer, or, if a proxy
    /// is yet to tell of whom it is, in the total alone. Each that is let in must be told of
    /// with [`leave`](Self::leave).
    ///
    /// # Errors
    /// Which limit it is over.
    pub fn admit(&mut self, peer: Option<IpAddr>, limits: &Limits) -> Result<(), Refused> {
        if self.total >= limits.connections {
            return Err(Refused::Full);
        }
        if let Some(peer) = peer {
            self.identify(peer, limits)?;
        }
        self.total += 1;
        Ok(())
    }

    /// Says whose connection one is that was counted in without its peer; it is counted by it
    /// from now on.
    ///
    /// # Errors
    /// Which limit it is over. It stays without a peer.
    pub fn identify(&mut self, peer: IpAddr, limits: &Limits) -> Result<(), Refused> {
        let (address, network) = (peer.to_canonical(), network(peer));
        let count = |counts: &BTreeMap<IpAddr, usize>, key| counts.get(&key).copied().unwrap_or_default();
        if count(&self.addresses, address) >= limits.connections_per_address {
            return Err(Refused::Address);
        }
        if count(&self.networks, network) >= limits.connections_per_network {
            return Err(Refused::Network);
        }
        *self.addresses.entry(address).or_default() += 1;
        *self.networks.entry(network).or_default() += 1;
        Ok(())
    }

    /// Counts it out, by its peer if that was known. What was never counted in changes
    /// nothing.
    pub fn leave(&mut self, peer: Option<IpAddr>) {
        let counted = peer.is_none_or(|peer| {
            let counted = release(&mut self.addresses, peer.to_canonical());
            if counted {
                release(&mut self.networks, network(peer));
            }
            counted
        });
        debug_assert!(counted && self.total > 0, "a connection is counted out that was not counted in");
        if counted {
            self.total = self.total.saturating_sub(1);
        }
    }

    /// Connections now.
    pub fn len(&self) -> usize {
        self.total
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The first address of the peer's network.
fn network(peer: IpAddr) -> IpAddr {
    let bits = if peer.to_canonical().is_ipv4() { NETWORK.0 } else { NETWORK.1 };
    Network::of(peer, bits).parts().0
}

/// Counts one down, and forgets it at none. Whether it was there.
fn release(counts: &mut BTreeMap<IpAddr, usize>, key: IpAddr) -> bool {
    let Some(count) = counts.get_mut(&key) else { return false };
    *count -= 1;
    if *count == 0 {
        counts.remove(&key);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(total: usize, address: usize, network: usize) -> Limits {
        Limits {
            connections: total,
            connections_per_address: address,
            connections_per_network: network,
            ..Limits::default()
        }
    }

    #[test]
    fn each_limit_holds() {
        let limits = limits(6, 2, 3);
        let mut peers = Peers::default();
        for (peer, is) in [
            ("192.0.2.1", Ok(())),
            ("::ffff:192.0.2.1", Ok(())),
            ("192.0.2.1", Err(Refused::Address)),
            ("192.0.2.2", Ok(())),
            ("192.0.2.3", Err(Refused::Network)),
            ("192.0.3.3", Ok(())),
            ("2001:db8::1", Ok(())),
            ("2001:db8::1", Ok(())),
            ("2001:db8::1", Err(Refused::Full)),
            ("203.0.113.1", Err(Refused::Full)),
        ] {
            assert_eq!(peers.admit(Some(peer.parse().unwrap()), &limits), is, "{peer}");
        }
        assert_eq!(peers.len(), 6);
        peers.leave(Some("192.0.2.1".parse().unwrap()));
        for (peer, is) in
            [("2001:db8::1", Err(Refused::Address)), ("192.0.2.3", Ok(())), ("192.0.2.4", Err(Refused::Full))]
        {
            assert_eq!(peers.admit(Some(peer.parse().unwrap()), &limits), is, "{peer}");
        }
    }

    #[test]
    fn who_comes_through_a_proxy_is_counted_when_it_is_known() {
        let limits = limits(3, 1, 9);
        let (mut peers, one, two) = (Peers::default(), "192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for _ in 0..3 {
            peers.admit(None, &limits).unwrap();
        }
        assert_eq!(peers.admit(None, &limits), Err(Refused::Full));
        assert_eq!(peers.identify(one, &limits), Ok(()));
        assert_eq!(peers.identify(one, &limits), Err(Refused::Address));
        peers.leave(None);
        assert_eq!(peers.admit(Some(one), &limits), Err(Refused::Address));
        assert_eq!(peers.admit(Some(two), &limits), Ok(()));
        for peer in [Some(one), None, Some(two)] {
            peers.leave(peer);
        }
        assert!(peers.is_empty() && peers.addresses.is_empty() && peers.networks.is_empty());
    }

    #[test]
    fn networks_of_ipv6_are_of_64_bits() {
        let limits = limits(100, 100, 2);
        let mut peers = Peers::default();
        for (peer, is) in [
            ("2001:db8:0:1::1", Ok(())),
            ("2001:db8:0:1:ffff::", Ok(())),
            ("2001:db8:0:1::2", Err(Refused::Network)),
            ("2001:db8:0:2::1", Ok(())),
        ] {
            assert_eq!(peers.admit(Some(peer.parse().unwrap()), &limits), is, "{peer}");
        }
    }

    #[test]
    fn who_has_left_leaves_nothing_behind() {
        let limits = limits(10_000, 10, 1000);
        let mut peers = Peers::default();
        let all: Vec<IpAddr> = (0..5000_u32).map(|n| IpAddr::from((0xc000_0200 + n / 2).to_be_bytes())).collect();
        for &peer in &all {
            peers.admit(Some(peer), &limits).unwrap();
        }
        assert_eq!((peers.len(), peers.addresses.len(), peers.networks.len()), (5000, 2500, 10));
        for &peer in all.iter().rev() {
            peers.leave(Some(peer));
        }
        assert!(peers.is_empty() && peers.addresses.is_empty() && peers.networks.is_empty());
    }
}
