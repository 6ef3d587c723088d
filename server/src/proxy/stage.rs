//! The first stage of a connection through a proxy: its header, then the service for whom it
//! names.

use core::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use postkern::{Close, Instant, Layer, Upgrade, Violation};

use super::{HELD_MAX, Header, read};
use crate::job::{Done, MailboxId};
use crate::service::{Endpoint, Pause};

/// How long a header may take: a proxy sends it at once.
const TIME: Duration = Duration::from_secs(5);

/// Lets the client in and makes its service, or gives the words to turn it away with.
pub type Admit<'a> = Box<dyn FnOnce(IpAddr) -> Result<Box<dyn Endpoint>, &'static [u8]> + Send + 'a>;

/// A connection whose client is not known before the header has been read.
///
/// No octet behind the header is read here: it may be of a layer that is yet to be made.
pub struct Proxied<'a> {
    proxy: IpAddr,
    state: State<'a>,
    deadline: Option<Instant>,
    buffer: [u8; HELD_MAX],
}

enum State<'a> {
    Header {
        len: usize,
        admit: Admit<'a>,
    },
    /// The rest of the header, which says nothing to us.
    Skip {
        left: usize,
        source: IpAddr,
        admit: Admit<'a>,
    },
    Service(Box<dyn Endpoint>),
    /// These are the last words.
    Closed {
        close: Close,
        words: &'static [u8],
    },
}

impl<'a> Proxied<'a> {
    /// A connection that this proxy has just made.
    pub fn new(proxy: IpAddr, admit: Admit<'a>) -> Self {
        Self { proxy, state: State::Header { len: 0, admit }, deadline: None, buffer: [0; HELD_MAX] }
    }

    fn close(&mut self, close: Close) {
        self.state = State::Closed { close, words: b"" };
    }

    /// Goes on as far as the octets in hand allow.
    fn go_on(&mut self) {
        // A placeholder while what is moved out of it changes.
        let state = std::mem::replace(&mut self.state, State::Closed { close: Close::Done, words: b"" });
        self.state = match state {
            State::Header { len, admit } => match read(&self.buffer[..len]) {
                Header::More(_) => State::Header { len, admit },
                Header::Whole { source, skip } => {
                    // UNKNOWN and LOCAL: the proxy's own rights are not those of whoever is behind
                    // it. The specification has LOCAL be the proxy itself, which asks whether we
                    // are there, and needs none.
                    let source = source.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
                    State::Skip { left: skip, source, admit }
                }
                Header::Bad => {
                    tracing::warn!(proxy = %self.proxy, "no header of the PROXY protocol");
                    State::Closed { close: Close::Violation(Violation::Syntax), words: b"" }
                }
            },
            state => state,
        };
        if matches!(self.state, State::Skip { left: 0, .. })
            && let State::Skip { source, admit, .. } =
                std::mem::replace(&mut self.state, State::Closed { close: Close::Done, words: b"" })
        {
            // As for a client over a socket: IPv4 stays IPv4.
            let source = source.to_canonical();
            tracing::info!(peer = %source, proxy = %self.proxy, "proxied");
            match admit(source) {
                Ok(service) => self.state = State::Service(service),
                Err(words) => self.state = State::Closed { close: Close::Done, words },
            }
        }
    }

    fn service(&mut self) -> Option<&mut dyn Endpoint> {
        match &mut self.state {
            State::Service(service) => Some(&mut **service),
            State::Header { .. } | State::Skip { .. } | State::Closed { .. } => None,
        }
    }
}

impl Endpoint for Proxied<'_> {
    fn run(&mut self, now: Instant) -> Pause {
        if self.deadline.is_none_or(|deadline| now >= deadline) {
            match (self.deadline, &self.state) {
                (None, _) => self.deadline = Some(now + TIME),
                (_, State::Header { .. } | State::Skip { .. }) => self.close(Close::Timeout),
                (_, State::Service(_) | State::Closed { .. }) => {}
            }
        }
        match &mut self.state {
            State::Header { .. } | State::Skip { .. } => Pause::Read,
            State::Service(service) => service.run(now),
            State::Closed { close, .. } => Pause::Closed(*close),
        }
    }

    fn done(&mut self, done: Done) {
        if let Some(service) = self.service() {
            service.done(done);
        }
    }

    fn nudge(&mut self) {
        if let Some(service) = self.service() {
            service.nudge();
        }
    }

    fn shut_down(&mut self) {
        match self.service() {
            Some(service) => service.shut_down(),
            None => self.close(Close::Done),
        }
    }

    fn fail(&mut self) {
        match self.service() {
            Some(service) => service.fail(),
            None => self.close(Close::Done),
        }
    }

    fn watching(&self) -> Option<MailboxId> {
        if let State::Service(service) = &self.state { service.watching() } else { None }
    }

    fn upgrade(&mut self, upgrade: Upgrade, layer: Box<dyn Layer>) {
        if let Some(service) = self.service() {
            service.upgrade(upgrade, layer);
        }
    }

    fn io(&mut self) -> (&mut [u8], &[u8]) {
        match &mut self.state {
            State::Header { len, .. } => {
                let most = match read(&self.buffer[..*len]) {
                    Header::More(most) => most,
                    Header::Whole { .. } | Header::Bad => 0,
                };
                let end = (*len + most).min(HELD_MAX);
                (&mut self.buffer[*len..end], &[])
            }
            State::Skip { left, .. } => {
                let most = (*left).min(HELD_MAX);
                (&mut self.buffer[..most], &[])
            }
            State::Service(service) => service.io(),
            // What still comes is dropped.
            State::Closed { words, .. } => (&mut self.buffer, words),
        }
    }

    fn filled(&mut self, count: usize) {
        match &mut self.state {
            State::Service(service) => return service.filled(count),
            State::Closed { .. } => return,
            State::Header { .. } | State::Skip { .. } if count == 0 => return self.close(Close::Eof),
            State::Header { len, .. } => *len += count,
            State::Skip { left, .. } => *left -= count.min(*left),
        }
        self.go_on();
    }

    fn sent(&mut self, len: usize) {
        match &mut self.state {
            State::Service(service) => service.sent(len),
            State::Closed { words, .. } => *words = words.get(len..).unwrap_or_default(),
            State::Header { .. } | State::Skip { .. } => {}
        }
    }

    fn unsendable(&mut self) {
        match &mut self.state {
            State::Service(service) => service.unsendable(),
            State::Closed { words, .. } => *words = b"",
            State::Header { .. } | State::Skip { .. } => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Service(service) => service.deadline(),
            State::Header { .. } | State::Skip { .. } | State::Closed { .. } => self.deadline,
        }
    }

    fn shrink(&mut self) {
        if let Some(service) = self.service() {
            service.shrink();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use super::*;
    use crate::accept;
    use crate::config::{Config, Listener};

    const HEADER: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\n";

    fn service(peer: IpAddr) -> Box<dyn Endpoint> {
        let config = Arc::new(Config::new("mx.test", &["test"], "data".into()));
        accept::endpoint(&config, Listener::Lmtp, peer, None)
    }

    /// Gives octets as far as they are wanted; those that are left.
    fn give<'o>(stage: &mut Proxied<'_>, mut octets: &'o [u8], now: Instant) -> &'o [u8] {
        while matches!(stage.run(now), Pause::Read) && !octets.is_empty() {
            let (space, _) = stage.io();
            let len = space.len().min(octets.len()).min(3);
            space[..len].copy_from_slice(&octets[..len]);
            stage.filled(len);
            octets = &octets[len..];
            if matches!(stage.state, State::Service(_)) {
                break;
            }
        }
        octets
    }

    #[test]
    fn the_service_begins_behind_the_header() {
        let now = Instant::from_millis(7);
        let addresses = [192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 4, 0, 25];
        let v2 = [b"\r\n\r\n\0\r\nQUIT\n", &[0x21, 0x11, 2, 12][..], &addresses, &[9; 512]].concat();
        for header in [HEADER, &v2] {
            let (admitted, peers) = mpsc::channel();
            let admit: Admit<'_> = Box::new(move |peer| {
                admitted.send(peer).unwrap();
                Ok(service(peer))
            });
            let mut stage = Proxied::new("10.0.0.1".parse().unwrap(), admit);
            let octets = [header, b"LHLO x\r\n"].concat();
            let left = give(&mut stage, &octets, now);
            assert_eq!(left, b"LHLO x\r\n");
            assert_eq!(peers.try_recv(), Ok("192.0.2.7".parse::<IpAddr>().unwrap()));
            assert!(peers.try_recv().is_err(), "it is admitted once");
            assert!(matches!(stage.run(now), Pause::Read));
            assert!(stage.io().1.starts_with(b"220 mx.test LMTP"));
        }
    }

    #[test]
    fn whom_a_header_does_not_name_has_not_the_rights_of_the_proxy() {
        let mut config = Config::new("mx.test", &["test"], "data".into());
        config.relay.networks.extend(crate::config::Network::parse("10.0.0.0/8"));
        config.inbound.xclient_from.clone_from(&config.relay.networks);
        for header in [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
            let (admitted, peers) = mpsc::channel();
            let admit: Admit<'_> = Box::new(move |peer| {
                admitted.send(peer).unwrap();
                Ok(service(peer))
            });
            let mut stage = Proxied::new("10.0.0.1".parse().unwrap(), admit);
            give(&mut stage, header, Instant::from_millis(0));
            let peer = peers.try_recv().unwrap();
            assert_eq!(peer, IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            assert!(!config.may_relay(peer) && !config.may_xclient(peer) && config.is_rated(peer));
        }
    }

    #[test]
    fn a_header_that_is_none_late_or_cut_ends_the_connection() {
        for (octets, close) in [
            (&b"EHLO x\r\nxxxxxxxxxx"[..], Close::Violation(Violation::Syntax)),
            (&HEADER[..20], Close::Timeout),
            (b"", Close::Timeout),
        ] {
            let admit: Admit<'_> = Box::new(|_| panic!("nobody is admitted"));
            let mut stage = Proxied::new("10.0.0.1".parse().unwrap(), admit);
            give(&mut stage, octets, Instant::from_millis(0));
            assert_eq!(stage.deadline(), Some(Instant::from_millis(5000)));
            let Pause::Closed(is) = stage.run(Instant::from_millis(5000)) else { panic!("not closed") };
            assert_eq!(is, close);
            assert_eq!(stage.io().1, b"");
        }
        let mut stage = Proxied::new("10.0.0.1".parse().unwrap(), Box::new(|_| panic!("nobody is admitted")));
        give(&mut stage, &HEADER[..20], Instant::from_millis(0));
        stage.filled(0);
        assert!(matches!(stage.run(Instant::from_millis(1)), Pause::Closed(Close::Eof)));
    }

    #[test]
    fn who_is_not_admitted_is_told_so() {
        let admit: Admit<'_> = Box::new(|_| Err(b"421 no\r\n"));
        let mut stage = Proxied::new("10.0.0.1".parse().unwrap(), admit);
        give(&mut stage, HEADER, Instant::from_millis(0));
        assert!(matches!(stage.run(Instant::from_millis(0)), Pause::Closed(Close::Done)));
        assert_eq!(stage.io().1, b"421 no\r\n");
        stage.sent(4);
        assert_eq!(stage.io().1, b"no\r\n");
        // What still comes is dropped.
        stage.filled(10);
        stage.sent(4);
        assert_eq!(stage.io().1, b"");
    }
}
