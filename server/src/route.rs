//! Where mail for a domain goes: static routes, then MX (RFC 5321 section 5, RFC 7505).

use core::net::IpAddr;

use crate::config::Config;
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
}

/// The route that needs no DNS: an address literal's, or one of the configuration.
pub fn fixed(domain: &str, config: &Config) -> Option<Route> {
    let _ = (domain, config);
    None
}

/// The route out of the answer to the question for MX. `random` orders hosts of the same
/// preference (RFC 5321 section 5.1).
pub fn by_mx(domain: &str, answer: &Outcome, config: &Config, random: u64) -> Route {
    let _ = (domain, answer, config, random);
    Route::Hosts(Vec::new())
}
