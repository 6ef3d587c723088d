//! Addresses that share a prefix.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses that share a prefix: `192.0.2.0/24`, `::1`.
///
/// IPv4 that is mapped into IPv6 (RFC 4291 section 2.5.5.2) counts as IPv4, here and in the
/// addresses that are asked for: a socket of IPv6 sees clients of IPv4 that way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `address` or `address/prefix`; none if it is not that, or has bits behind the
    /// prefix.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(decimal(prefix)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits = bits(address);
        let prefix = prefix.unwrap_or(bits);
        if prefix > bits {
            return None;
        }
        let network = match (address, address.to_canonical()) {
            // The first 96 bits say only that it is mapped.
            (IpAddr::V6(_), canonical @ IpAddr::V4(_)) => Self { address: canonical, prefix: prefix.checked_sub(96)? },
            (_, canonical) => Self { address: canonical, prefix },
        };
        (first(network.address, network.prefix) == network.address).then_some(network)
    }

    /// The network of this length that the address is in. A length beyond the address's own
    /// counts as that.
    pub fn of(address: IpAddr, prefix: u8) -> Self {
        let address = address.to_canonical();
        let prefix = prefix.min(bits(address));
        Self { address: first(address, prefix), prefix }
    }

    /// Whether the address is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && first(address, self.prefix) == self.address
    }

    /// The first address and the prefix's length.
    pub fn parts(&self) -> (IpAddr, u8) {
        (self.address, self.prefix)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address with all bits behind the prefix cleared.
fn first(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

/// Digits only: `u8::from_str` would take a sign.
fn decimal(text: &str) -> Option<u8> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_whole_or_not_at_all() {
        for (text, is) in [
            ("192.0.2.0/24", Some("192.0.2.0/24")),
            ("192.0.2.1", Some("192.0.2.1/32")),
            ("0.0.0.0/0", Some("0.0.0.0/0")),
            ("::/0", Some("::/0")),
            ("::1", Some("::1/128")),
            ("2001:db8::/32", Some("2001:db8::/32")),
            ("::ffff:192.0.2.0/120", Some("192.0.2.0/24")),
            ("::ffff:192.0.2.1", Some("192.0.2.1/32")),
            ("192.0.2.1/24", None),
            ("192.0.2.0/33", None),
            ("192.0.2.0/+24", None),
            ("192.0.2.0/", None),
            ("192.0.2.0/-1", None),
            ("192.0.2.0/24/24", None),
            ("2001:db8::/129", None),
            ("2001:db8::1/64", None),
            ("::ffff:192.0.2.0/64", None),
            ("192.0.2", None),
            ("localhost", None),
            ("", None),
        ] {
            assert_eq!(Network::parse(text).map(|network| network.to_string()).as_deref(), is, "{text}");
        }
    }

    #[test]
    fn networks_contain_their_addresses_and_no_others() {
        for (network, address, is) in [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.0/24", "::ffff:192.0.2.7", true),
            ("192.0.2.0/24", "::192.0.2.7", false),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "::1", true),
            ("::/0", "127.0.0.1", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
        ] {
            let contains = Network::parse(network).unwrap().contains(address.parse().unwrap());
            assert_eq!(contains, is, "{network} {address}");
        }
    }

    #[test]
    fn an_address_is_in_the_network_of_its_own() {
        for (address, prefix, is) in [
            ("192.0.2.77", 24, "192.0.2.0/24"),
            ("::ffff:192.0.2.77", 24, "192.0.2.0/24"),
            ("2001:db8::1:2:3:4", 64, "2001:db8::/64"),
            ("192.0.2.77", 64, "192.0.2.77/32"),
            ("192.0.2.77", 0, "0.0.0.0/0"),
        ] {
            assert_eq!(Network::of(address.parse().unwrap(), prefix).to_string(), is);
        }
    }
}
