//! Who has mail here, and what is asked of those who bring some: the sections `[local]`,
//! `[inbound]`, `[greylist]`, `[submission]` and `[proxy]`.

mod read;

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

pub(super) use self::read::{SECTIONS, sections};
use super::{Config, Listener, Network};

/// Addresses of ours beyond accounts and aliases: `[local]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Local {
    /// What parts an address from its detail (RFC 5233): mail for `user+detail` is for `user`,
    /// unless somebody is called that. None if nothing does.
    pub subaddress: Option<char>,
    /// Whom mail is for that is for nobody of a domain: by domain, in lower case.
    pub catch_all: BTreeMap<String, Vec<String>>,
}

impl Default for Local {
    fn default() -> Self {
        Self { subaddress: Some('+'), catch_all: BTreeMap::new() }
    }
}

/// What is asked of servers that bring mail: `[inbound]`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Inbound {
    /// How long the greeting is held back. Who talks before it is no mail server (RFC 5321
    /// section 4.3.1) and is refused. Zero: only what has come with the connection counts.
    pub greet_pause: Duration,
    /// Take commands behind those that must be waited for (RFC 2920 section 3.1).
    pub allow_pipelining: bool,
    /// What CR or LF alone does in a message.
    pub bare_newline: Newline,
    /// Tell those who may relay who has a mailbox here (VRFY).
    pub vrfy: bool,
    /// Who may say in whose name it speaks (XCLIENT).
    pub xclient_from: Vec<Network>,
}

/// What CR or LF alone does in a message.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Newline {
    /// The message is refused (RFC 5321 section 2.3.8).
    #[default]
    Refuse,
    /// It becomes CRLF, for clients that are older than the rule. It never ends a message.
    Normalise,
}

/// Strangers are asked to come again: `[greylist]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Greylist {
    /// How long after its first attempt a message may come in.
    pub delay: Duration,
    /// How long after its first attempt the second must have come.
    pub window: Duration,
    /// How long who has come again is known, from its last message.
    pub lifetime: Duration,
    /// Triplets that are remembered: when there are more, those that are the first to expire
    /// are forgotten.
    pub entries: u32,
}

/// What our own users may do beside `[limits]`, and what is done to what they send:
/// `[submission]`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Submission {
    /// Take out Bcc fields, which tell each recipient of the others (RFC 5322 section 3.6.3).
    pub remove_bcc: bool,
    /// Who may stand in the From field.
    pub header_from: HeaderFrom,
    /// Give addresses without a domain, in fields of the header, the account's domain.
    pub complete_addresses: bool,
    /// Recipients of a message; none for the same as others.
    pub recipients: Option<u32>,
    /// Octets of a message; none for the same as others.
    pub message: Option<u64>,
    /// Messages of one account in an hour; zero for no limit.
    pub messages_per_hour: u32,
    /// How long a message may be held back (RFC 4865); zero if not at all.
    pub hold: Duration,
}

impl Default for Submission {
    fn default() -> Self {
        let hold = Duration::from_secs(7 * 24 * 60 * 60);
        Self {
            remove_bcc: true,
            header_from: HeaderFrom::default(),
            complete_addresses: true,
            recipients: None,
            message: None,
            messages_per_hour: 1000,
            hold,
        }
    }
}

/// Who may stand in the From field of a message that is submitted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum HeaderFrom {
    /// The account itself, among others or not; else the message is refused (RFC 6409 section
    /// 6.1). The default: readers see this field and not the envelope, so that with less any
    /// user could write in the name of any other.
    #[default]
    Check,
    /// Anybody, but then Sender names the account (RFC 6409 section 8.1).
    Sender,
    /// Anybody.
    Any,
}

/// Who speaks for others by the PROXY protocol: `[proxy]`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Proxy {
    /// Proxies. What they connect to must begin with their header, and nobody else's may.
    pub networks: Vec<Network>,
    /// On these listeners.
    pub listeners: Vec<Listener>,
}

impl Config {
    /// Whether what this client connects to begins with a header of the PROXY protocol.
    pub fn is_proxied(&self, listener: Listener, peer: IpAddr) -> bool {
        self.proxy.listeners.contains(&listener) && contains(&self.proxy.networks, peer)
    }

    /// Whether this client may say in whose name it speaks (XCLIENT).
    pub fn may_xclient(&self, peer: IpAddr) -> bool {
        !peer.is_unspecified() && contains(&self.inbound.xclient_from, peer)
    }

    /// Whether how often this client comes is counted: not who may relay, and not this host,
    /// whose programs and proxies are ours.
    pub fn is_rated(&self, peer: IpAddr) -> bool {
        !peer.to_canonical().is_loopback() && !self.may_relay(peer)
    }
}

fn contains(networks: &[Network], peer: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(peer))
}
