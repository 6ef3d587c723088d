//! The first stage of a connection through a proxy: its header, then the service for whom it
//! names.

use core::net::IpAddr;
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
                    State::Skip { left: skip, source: source.unwrap_or(self.proxy), admit }
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
