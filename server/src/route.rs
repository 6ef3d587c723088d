//! Where mail for a domain goes: static routes, then MX (RFC 5321 section 5, RFC 7505).

use core::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use postkern::smtp;

use crate::config::{Config, StaticRoute};
use crate::dns::Outcome;
use crate::queue::Diagnostic;

/// The next hosts for a domain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Route {
    /// Try these in order; at most [`HOSTS_MAX`].
    Hosts(Vec<Host>),
    /// Never: no such domain, it takes no mail, or we are its best host and do not know it.
    Failed(Diagnostic),
    /// Not now.
    Deferred(Diagnostic),
}

/// Hosts that are tried for one message.
pub const HOSTS_MAX: usize = 10;

/// One host to try.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Host {
    /// Its name; an address in text for a literal.
    pub name: String,
    /// Its address, if the name is one.
    pub address: Option<IpAddr>,
    /// Its port.
    pub port: u16,
    /// The route that names it, where it was not found in DNS.
    pub route: Option<Arc<StaticRoute>>,
}

impl Host {
    fn new(name: &str, port: u16) -> Self {
        Self { name: name.into(), address: name.parse().ok(), port, route: None }
    }
}

/// The route that needs no DNS: one of the configuration, or an address literal's.
///
/// The route for `*` is for literals too: who has all mail go through one host means all.
pub fn fixed(domain: &str, config: &Config) -> Option<Route> {
    let of = |wanted: &str| config.relay.routes.iter().find(|route| route.domain.eq_ignore_ascii_case(wanted));
    if let Some(route) = of(domain).or_else(|| of("*")) {
        let host = Host::new(&route.host, route.port);
        return Some(Route::Hosts(vec![Host { route: Some(Arc::new(route.clone())), ..host }]));
    }
    if !domain.starts_with('[') {
        return None;
    }
    Some(match literal(domain) {
        Some(address) => Route::Hosts(vec![Host::new(&address.to_string(), config.relay.port)]),
        None => failed("5.1.2", format!("{domain} is no address that mail could go to")),
    })
}

/// The route out of the answer to the question for MX. `random` orders hosts of the same
/// preference (RFC 5321 section 5.1).
///
/// # Leniencies
/// An exchanger that is an address instead of a name, or no host name at all, is left out as
/// if it were not there (RFC 5321 section 5.1 has names only), and so is a null MX that is not
/// alone, which RFC 7505 section 3 forbids.
pub fn by_mx(domain: &str, answer: &Outcome, config: &Config, random: u64) -> Route {
    let exchangers = match answer {
        Outcome::Mx(exchangers) if !exchangers.is_empty() => exchangers.as_slice(),
        // RFC 5321 section 5.1: the implicit MX.
        Outcome::Mx(_) | Outcome::None | Outcome::Addresses(_) => &[(0, domain.into())],
        Outcome::NoSuchName => return failed("5.1.2", format!("the domain {domain} does not exist")),
        Outcome::Failed(why) => {
            let text = format!("the mail servers of {domain} cannot be looked up: {why}");
            return Route::Deferred(Diagnostic::ours("4.4.3", text));
        }
    };
    if exchangers.iter().all(|(_, host)| host.is_empty()) {
        // RFC 7505 section 4.
        return failed("5.1.10", format!("the domain {domain} accepts no mail (null MX)"));
    }
    let own = |host: &str| host.eq_ignore_ascii_case(&config.hostname);
    let own = exchangers.iter().filter(|(_, host)| own(host)).map(|&(preference, _)| preference).min();
    let mut hosts: Vec<&(u16, String)> = exchangers.iter().filter(|(_, host)| is_host(host)).collect();
    if let Some(own) = own {
        // RFC 5321 section 5.1: ourselves, and all that are no nearer than we are.
        hosts.retain(|(preference, _)| *preference < own);
        if hosts.is_empty() {
            return failed("5.4.6", format!("mail for {domain} loops back to us: we are its best mail server"));
        }
    }
    if hosts.is_empty() {
        // RFC 5321 section 5.1: never its addresses, once there are MX.
        return failed("5.4.4", format!("none of the mail servers of {domain} is a host name"));
    }
    shuffle(&mut hosts, random);
    hosts.sort_by_key(|(preference, _)| *preference);
    let mut names: Vec<Host> = Vec::new();
    for (_, host) in hosts {
        if names.len() < HOSTS_MAX && !names.iter().any(|known| known.name == *host) {
            names.push(Host { name: host.clone(), address: None, port: config.relay.port, route: None });
        }
    }
    Route::Hosts(names)
}

/// Whether a name can be a host's.
fn is_host(name: &str) -> bool {
    smtp::is_domain(name) && !name.starts_with('[') && name.parse::<IpAddr>().is_err()
}

/// The address of a literal (RFC 5321 section 4.1.3), if it is one host's.
fn literal(domain: &str) -> Option<IpAddr> {
    let inner = domain.strip_prefix('[')?.strip_suffix(']')?;
    let address = match inner.get(..5).filter(|tag| tag.eq_ignore_ascii_case("IPv6:")) {
        Some(_) => inner[5..].parse::<Ipv6Addr>().ok()?.into(),
        None => IpAddr::V4(inner.parse().ok()?),
    };
    let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    (!address.is_unspecified() && !address.is_multicast() && !broadcast).then_some(address.to_canonical())
}

/// Fisher and Yates, with numbers of Marsaglia's xorshift: good enough to spread load.
fn shuffle<T>(items: &mut [T], random: u64) {
    let mut state = random | 1;
    for last in (1..items.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        items.swap(last, (state >> 32) as usize % (last + 1));
    }
}

fn failed(status: &str, text: String) -> Route {
    Route::Failed(Diagnostic::ours(status, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let mut config = Config::new("mail.a.test", &["a.test"], "data".into());
        config.relay.port = 2525;
        config
    }

    fn with(routes: &[(&str, &str)]) -> Config {
        let mut config = config();
        config.relay.routes = routes.iter().map(|&(domain, host)| StaticRoute::new(domain, host, 26)).collect();
        config
    }

    /// `host:port ...`, or the status and what became of it.
    fn show(route: &Route) -> String {
        match route {
            Route::Hosts(hosts) => {
                let show = |host: &Host| format!("{}:{}", host.name, host.port);
                hosts.iter().map(show).collect::<Vec<_>>().join(" ")
            }
            Route::Failed(why) => format!("failed {}", why.status),
            Route::Deferred(why) => format!("deferred {}", why.status),
        }
    }

    #[test]
    fn literals_and_static_routes_need_no_dns() {
        let one = with(&[("far.test", "relay.test"), ("near.test", "192.0.2.9")]);
        let all = with(&[("far.test", "relay.test"), ("*", "::1")]);
        for (config, domain, is) in [
            (&one, "far.test", Some("relay.test:26")),
            (&one, "Far.Test", Some("relay.test:26")),
            (&one, "near.test", Some("192.0.2.9:26")),
            (&one, "else.test", None),
            (&one, "sub.far.test", None),
            (&one, "[192.0.2.1]", Some("192.0.2.1:2525")),
            (&one, "[IPv6:2001:db8::1]", Some("2001:db8::1:2525")),
            (&one, "[ipv6:2001:db8::1]", Some("2001:db8::1:2525")),
            (&one, "[IPv6:::ffff:192.0.2.1]", Some("192.0.2.1:2525")),
            (&one, "[2001:db8::1]", Some("failed 5.1.2")),
            (&one, "[IPv6:192.0.2.1]", Some("failed 5.1.2")),
            (&one, "[x400:abc]", Some("failed 5.1.2")),
            (&one, "[0.0.0.0]", Some("failed 5.1.2")),
            (&one, "[224.0.0.1]", Some("failed 5.1.2")),
            (&one, "[255.255.255.255]", Some("failed 5.1.2")),
            (&one, "[192.0.2.1", Some("failed 5.1.2")),
            (&all, "far.test", Some("relay.test:26")),
            (&all, "else.test", Some("::1:26")),
            (&all, "[192.0.2.1]", Some("::1:26")),
        ] {
            assert_eq!(fixed(domain, config).as_ref().map(show).as_deref(), is, "{domain}");
        }
        let Some(Route::Hosts(hosts)) = fixed("[192.0.2.1]", &config()) else { panic!() };
        assert_eq!(hosts[0].address, "192.0.2.1".parse().ok());
    }

    #[test]
    fn mx_rules() {
        let mx = |list: &[(u16, &str)]| Outcome::Mx(list.iter().map(|&(order, host)| (order, host.into())).collect());
        for (answer, is) in [
            (mx(&[(10, "one.test")]), "one.test:2525"),
            (mx(&[(20, "two.test"), (10, "one.test")]), "one.test:2525 two.test:2525"),
            (mx(&[(10, "one.test"), (20, "one.test")]), "one.test:2525"),
            // The null MX.
            (mx(&[(0, "")]), "failed 5.1.10"),
            (mx(&[(0, ""), (10, "one.test")]), "one.test:2525"),
            // Ourselves.
            (mx(&[(10, "mail.a.test")]), "failed 5.4.6"),
            (mx(&[(10, "Mail.A.test"), (20, "two.test")]), "failed 5.4.6"),
            (mx(&[(10, "mail.a.test"), (10, "two.test")]), "failed 5.4.6"),
            (mx(&[(20, "mail.a.test"), (10, "one.test"), (20, "two.test"), (30, "three.test")]), "one.test:2525"),
            (mx(&[(20, "mail.a.test"), (5, "mail.a.test"), (10, "one.test")]), "failed 5.4.6"),
            // What is no host name.
            (mx(&[(10, "192.0.2.1"), (20, "two.test")]), "two.test:2525"),
            (mx(&[(10, "192.0.2.1")]), "failed 5.4.4"),
            (mx(&[(10, "a\\.b.test"), (10, "[192.0.2.1]"), (10, "a b")]), "failed 5.4.4"),
            // The implicit MX.
            (Outcome::None, "far.test:2525"),
            (mx(&[]), "far.test:2525"),
            (Outcome::NoSuchName, "failed 5.1.2"),
            (Outcome::Failed("no answer".into()), "deferred 4.4.3"),
        ] {
            assert_eq!(show(&by_mx("far.test", &answer, &config(), 7)), is, "{answer:?}");
        }
        assert_eq!(show(&by_mx("mail.a.test", &Outcome::None, &config(), 7)), "failed 5.4.6");
    }

    #[test]
    fn equal_preferences_share_the_load() {
        let answer = Outcome::Mx(
            [(10, "a.far"), (10, "b.far"), (10, "c.far"), (5, "first.far"), (20, "last.far")]
                .map(|(order, host)| (order, host.to_string()))
                .to_vec(),
        );
        let mut seconds = std::collections::BTreeMap::new();
        for random in 0..3000_u64 {
            // As random numbers come: all 64 bits of them.
            let random = random.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let Route::Hosts(hosts) = by_mx("far", &answer, &config(), random) else { panic!() };
            assert_eq!((hosts.len(), hosts[0].name.as_str(), hosts[4].name.as_str()), (5, "first.far", "last.far"));
            *seconds.entry(hosts[1].name.clone()).or_insert(0) += 1;
        }
        assert!(seconds.len() == 3 && seconds.values().all(|&count| (800..1200).contains(&count)), "{seconds:?}");
    }

    #[test]
    fn hosts_are_bounded() {
        let many = (0..100).map(|number| (number, format!("mx{number}.test"))).collect();
        let Route::Hosts(hosts) = by_mx("far.test", &Outcome::Mx(many), &config(), 1) else { panic!() };
        assert_eq!(hosts.len(), HOSTS_MAX);
        assert_eq!(hosts[9].name, "mx9.test");
    }
}
