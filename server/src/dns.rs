//! Questions to name servers and their answers, without IO (RFC 1035, RFC 6891).
//!
//! A [`Lookup`] is driven by its owner: send what [`Lookup::next`] says, tell it what came.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

/// A question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    /// A domain name without a dot at its end, lower case ASCII.
    pub name: String,
    /// What of it.
    pub kind: Kind,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Mail exchangers.
    Mx,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
}

/// What came of a question. CNAMEs are followed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Preference and host of each exchanger, as answered; an empty host is the null MX (RFC
    /// 7505).
    Mx(Vec<(u16, String)>),
    /// Addresses.
    Addresses(Vec<IpAddr>),
    /// The name exists and has none of these (NODATA).
    None,
    /// The name does not exist (NXDOMAIN).
    NoSuchName,
    /// No server gave a usable answer: why, in words for the log. Try again later.
    Failed(String),
}

/// One question on its way to the servers, one after the other, over UDP and, where an answer
/// is truncated, over TCP.
#[derive(Debug)]
pub struct Lookup {
    question: Question,
}

/// What a lookup wants next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Errand {
    /// Send the query, wait for an answer.
    Ask {
        /// To.
        server: SocketAddr,
        /// Over TCP, with two octets of length in front that the transport adds and takes off
        /// (RFC 1035 section 4.2.2); else over UDP.
        tcp: bool,
        /// The query.
        query: Vec<u8>,
        /// How long.
        wait: Duration,
    },
    /// It is over.
    Over(Outcome),
}

impl Lookup {
    /// A question to these servers. `id` is random and not used before, so that an answer
    /// cannot be forged blindly (RFC 5452 section 9.2).
    pub fn new(question: Question, servers: &[SocketAddr], id: u16) -> Self {
        let _ = (servers, id);
        Self { question }
    }

    /// What to do now.
    pub fn next(&mut self) -> Errand {
        Errand::Over(Outcome::Failed(format!("{}: not built", self.question.name)))
    }

    /// A datagram or message came. Tells whether it answers the query; if not, wait on.
    pub fn received(&mut self, answer: &[u8]) -> bool {
        let _ = answer;
        false
    }

    /// Nothing came in time, or the server could not be reached.
    pub fn failed(&mut self, why: &str) {
        let _ = why;
    }
}
