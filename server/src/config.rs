//! One file in, checked values out. All sessions of one server share the result.
//!
//! The file is TOML. Its tree is walked by hand rather than handed to serde: serde stops at
//! the first fault, and who sets a server up is better served with all of them at once, each
//! with its line. A key that is not known is a fault.

mod aliases;
mod auth;
mod example;
mod file;
mod network;
mod policy;
mod reader;
mod values;

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use aliases::EXPANSION_MAX;
pub use auth::{Auth, Oauth};
pub use example::example;
pub use file::line_of;
pub use network::Network;
pub use policy::{Greylist, HeaderFrom, Inbound, Local, Newline, Proxy, Submission};

use crate::idn;
use crate::job::Secret;
use crate::queue::Schedule;

/// All that the configuration says, checked, with its defaults filled in. Paths are absolute
/// or relative to where the process runs: those of the file are resolved against its folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// Our name in greetings, EHLO and trace lines: lower case, ASCII.
    pub hostname: String,
    /// The folder that holds the store.
    pub data: PathBuf,
    /// Domains whose mail ends here: lower case, ASCII.
    pub domains: Vec<String>,
    /// Addresses of ours that stand for others, local or elsewhere; keys lower case.
    pub aliases: BTreeMap<String, Vec<String>>,
    /// Where to listen, in the order of [`Listener::ALL`].
    pub listen: Vec<(Listener, SocketAddr)>,
    /// The server's certificate; without it no TLS is offered.
    pub tls: Option<CertificateFiles>,
    /// Let passwords come in plaintext, where anyone on the path reads them.
    pub plaintext_login: bool,
    /// How users prove who they are.
    pub auth: Auth,
    /// Name servers; empty for the system's.
    pub dns: Vec<SocketAddr>,
    /// How mail goes elsewhere.
    pub relay: Relay,
    /// What clients may cost.
    pub limits: Limits,
    /// Addresses of ours beyond accounts and aliases.
    pub local: Local,
    /// What is asked of servers that bring mail.
    pub inbound: Inbound,
    /// Whether strangers are asked to come again.
    pub greylist: Option<Greylist>,
    /// What our own users may do.
    pub submission: Submission,
    /// Who speaks for others.
    pub proxy: Proxy,
}

/// PEM files.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateFiles {
    /// The chain, our own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What is spoken on a port.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Listener {
    /// Inbound mail (RFC 5321), port 25.
    Smtp,
    /// RFC 6409 with STARTTLS, port 587.
    Submission,
    /// RFC 6409 over TLS (RFC 8314), port 465.
    Submissions,
    /// RFC 2033.
    Lmtp,
    /// RFC 1939 with STLS, port 110.
    Pop3,
    /// RFC 1939 over TLS, port 995.
    Pop3s,
    /// RFC 3501 with STARTTLS, port 143.
    Imap,
    /// RFC 3501 over TLS, port 993.
    Imaps,
}

impl Listener {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Smtp, Self::Submission, Self::Submissions, Self::Lmtp, Self::Pop3, Self::Pop3s, Self::Imap, Self::Imaps];

    /// As in `[listen]` and in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Submission => "submission",
            Self::Submissions => "submissions",
            Self::Lmtp => "lmtp",
            Self::Pop3 => "pop3",
            Self::Pop3s => "pop3s",
            Self::Imap => "imap",
            Self::Imaps => "imaps",
        }
    }

    /// Whether the connection begins with TLS.
    pub const fn is_implicit_tls(self) -> bool {
        matches!(self, Self::Submissions | Self::Pop3s | Self::Imaps)
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How mail goes elsewhere.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Relay {
    /// The port of the hosts that MX names.
    pub port: u16,
    /// Domains elsewhere for which we take mail from anybody and hand it on, as their secondary
    /// MX or in front of them: lower case, ASCII.
    pub domains: Vec<String>,
    /// Who may relay without authentication.
    pub networks: Vec<Network>,
    /// When to try again, when to give up.
    pub schedule: Schedule,
    /// Octets up to which a message that failed is returned whole, where its sender wants that
    /// (RFC 3461 section 4.3).
    pub return_whole: u64,
    /// Routes that replace MX, in the file's order.
    pub routes: Vec<StaticRoute>,
    /// Towards hosts without a route of their own.
    pub tls: RelayTls,
    /// Certificates (PEM) to trust besides the system's.
    pub ca_file: Option<PathBuf>,
}

/// A route that replaces MX.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StaticRoute {
    /// For this domain, lower case; `*` for all that have none of their own.
    pub domain: String,
    /// A host name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// LMTP instead of SMTP: the host puts the mail into mailboxes (RFC 2033).
    pub lmtp: bool,
    /// Instead of [`Relay::tls`].
    pub tls: Option<RelayTls>,
    /// TLS from the start (RFC 8314 section 3).
    pub implicit_tls: bool,
    /// As whom we log in there: under TLS only, and only with a certificate that is verified.
    pub login: Option<RouteLogin>,
}

impl StaticRoute {
    /// A route by SMTP, with the TLS that all have.
    pub fn new(domain: &str, host: &str, port: u16) -> Self {
        Self { domain: domain.into(), host: host.into(), port, ..Self::default() }
    }
}

/// Who we are to a host of a route.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RouteLogin {
    /// The account's name.
    pub name: String,
    /// The file whose first line is its password.
    pub password_file: PathBuf,
    /// The password: empty until whoever reads the configuration has read the file.
    pub password: Secret,
}

/// TLS towards the next host.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RelayTls {
    /// Never.
    None,
    /// Where it is offered, whatever the certificate says (RFC 7435); in plaintext where the
    /// handshake fails.
    #[default]
    Opportunistic,
    /// Or not at all, whatever the certificate says.
    Required,
    /// Or not at all, with a certificate of the host's name that we trust.
    Verified,
}

/// What clients may cost: keys of `[limits]`. Times and limits that are the machines' own
/// keep their defaults.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Octets of a message.
    pub message: u64,
    /// Recipients of a message (RFC 5321 section 4.5.3.1.8: 100 at least).
    pub recipients: u32,
    /// Connections in all.
    pub connections: usize,
    /// Connections from one address.
    pub connections_per_address: usize,
    /// Connections from one network: /24 of IPv4, /64 of IPv6.
    pub connections_per_network: usize,
    /// Connections from one address in a minute; zero for no limit. Of IPv6 a /64 is one
    /// address, here and below.
    pub connections_per_minute: u32,
    /// Messages from one address in a minute, not of our own users; zero for no limit.
    pub messages_per_minute: u32,
    /// Recipients from one address in a minute, likewise.
    pub recipients_per_minute: u32,
    /// Wrong passwords from one address in an hour, past which it is not let in for a while;
    /// zero for no limit.
    pub login_failures_per_hour: u32,
    /// Received lines past which a message is in a loop (RFC 5321 section 6.3: 100 at least).
    pub received: u32,
    /// Received lines of our own past which a message is in a loop.
    pub received_here: u32,
    /// Wrong passwords before a connection is closed.
    pub login_failures: u32,
    /// How long a wrong password's answer is held back.
    pub login_delay: Duration,
    /// Attempts at relaying under way at a time.
    pub relays: usize,
    /// Of them to one domain, so that a slow one does not take all.
    pub relays_per_domain: usize,
    /// From the greeting to the login, in all; not of inbound mail, which has none.
    pub login_time: Duration,
    /// Silence before SMTP says 421 (RFC 5321 section 4.5.3.2.7: five minutes at least).
    pub smtp_idle: Duration,
    /// Silence before POP3's autologout (RFC 1939 section 3: ten minutes at least).
    pub pop3_idle: Duration,
    /// Silence before IMAP's autologout (RFC 3501 section 5.4: thirty minutes at least).
    pub imap_idle: Duration,
    /// Octets a second that a message must come at, over a minute.
    pub data_rate: u32,
    /// Commands refused as mistakes before a connection is closed, before login and after.
    pub mistakes_before_login: u16,
    /// As above, after login.
    pub mistakes: u16,
    /// Recipients and the like refused over SMTP for good before a connection is closed; not over
    /// LMTP, whose clients are ours.
    pub refusals: u16,
    /// Messages over one connection of SMTP, which clients are told of (RFC 9422); zero for no
    /// limit.
    pub messages_per_connection: u32,
    /// Octets of lines that are too long before a connection is closed.
    pub excess: usize,
    /// Octets of an SMTP command line: 1259 at least, MAIL's 512 (RFC 5321 section 4.5.3.1.4)
    /// with all that its parameters may have.
    pub smtp_line: usize,
    /// Octets of an IMAP command line after login (RFC 2683 section 3.2.1.5: 8000 at least).
    pub imap_line: usize,
    /// Octets of an IMAP literal after login, APPEND's message excepted.
    pub imap_literal: usize,
    /// Literals of an IMAP command.
    pub imap_literals: u32,
    /// Octets of an IMAP command with its literals after login, APPEND's message excepted.
    pub imap_command: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: 50 * 1024 * 1024,
            recipients: 1000,
            connections: 10_000,
            connections_per_address: 50,
            connections_per_network: 500,
            connections_per_minute: 600,
            messages_per_minute: 1000,
            recipients_per_minute: 10_000,
            login_failures_per_hour: 100,
            received: 100,
            received_here: 5,
            login_failures: 5,
            login_delay: Duration::from_secs(2),
            relays: 20,
            relays_per_domain: 5,
            login_time: Duration::from_secs(60),
            smtp_idle: Duration::from_secs(300),
            pop3_idle: Duration::from_secs(600),
            imap_idle: Duration::from_secs(30 * 60),
            data_rate: 500,
            mistakes_before_login: 10,
            mistakes: 50,
            refusals: 50,
            messages_per_connection: 0,
            excess: 64 * 1024,
            smtp_line: 2048,
            imap_line: 64 * 1024,
            imap_literal: 100 * 1024,
            imap_literals: 1000,
            imap_command: 1024 * 1024,
        }
    }
}

/// What is wrong with a configuration, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError {
    /// From 1; none if no line is to blame.
    pub line: Option<usize>,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads a file's text; `folder` is where the file lies.
    ///
    /// # Errors
    /// All that is wrong with it, in the order of lines, at most a hundred.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, Vec<ConfigError>> {
        file::parse(text, folder)
    }

    /// A configuration with nothing but defaults, for tests and for the server without a
    /// file.
    pub fn new(hostname: &str, domains: &[&str], data: PathBuf) -> Self {
        Self {
            hostname: hostname.into(),
            data,
            domains: domains.iter().map(|&domain| domain.into()).collect(),
            aliases: BTreeMap::new(),
            listen: Vec::new(),
            tls: None,
            plaintext_login: false,
            auth: Auth::default(),
            dns: Vec::new(),
            relay: Relay {
                port: 25,
                domains: Vec::new(),
                networks: Vec::new(),
                schedule: Schedule::default(),
                return_whole: 1024 * 1024,
                routes: Vec::new(),
                tls: RelayTls::default(),
                ca_file: None,
            },
            limits: Limits::default(),
            local: Local::default(),
            inbound: Inbound::default(),
            greylist: None,
            submission: Submission::default(),
            proxy: Proxy::default(),
        }
    }

    /// Whether mail to this domain, in any case, as A-labels or U-labels, ends here.
    pub fn is_local(&self, domain: &str) -> bool {
        is_among(&self.domains, domain)
    }

    /// Whether mail to this domain, in any case, is taken from anybody and handed on.
    pub fn is_relayed(&self, domain: &str) -> bool {
        is_among(&self.relay.domains, domain)
    }

    /// Whether this client may send mail elsewhere without a password. One whose address is not
    /// known may not, whatever the networks.
    pub fn may_relay(&self, peer: IpAddr) -> bool {
        !peer.is_unspecified() && self.relay.networks.iter().any(|network| network.contains(peer))
    }
}

/// Whether a domain is among those, which are A-labels.
fn is_among(domains: &[String], domain: &str) -> bool {
    idn::to_ascii(domain).is_some_and(|domain| domains.iter().any(|own| own.eq_ignore_ascii_case(&domain)))
}
