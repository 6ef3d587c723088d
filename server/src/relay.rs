//! One attempt at relaying: finds the hosts, speaks to them, reports what became of each
//! recipient. Without IO: its owner resolves, connects and drives.

use core::net::SocketAddr;
use std::sync::Arc;

use postkern::{Close, Instant, Layer, Upgrade};

use crate::config::Config;
use crate::dns::{Outcome, Question};
use crate::job::{Done, Job, MailboxId};
use crate::queue::Attempt;
use crate::service::{Endpoint, Pause};

/// Carries one [`Attempt`] to its end.
///
/// Do what [`next`](Self::next) says until it is over. While connected it is an
/// [`Endpoint`], driven as any other.
pub struct Courier {
    attempt: Attempt,
    config: Arc<Config>,
}

/// What a courier wants next.
#[derive(Debug)]
pub enum Errand {
    /// Ask, then [`Courier::resolved`].
    Resolve(Question),
    /// Connect, then [`Courier::connected`], drive it, [`Courier::disconnected`]; or
    /// [`Courier::unreachable`].
    Connect {
        /// Where to.
        address: SocketAddr,
        /// The host's name, for SNI and certificates.
        host: String,
        /// Whether its certificate must be of that name and trusted.
        verify: bool,
    },
    /// Run it, then [`Courier::reported`].
    Job(Job),
    /// Nothing more.
    Over,
}

impl Courier {
    /// `random` orders hosts of the same preference.
    pub fn new(config: Arc<Config>, attempt: Attempt, random: u64) -> Self {
        let _ = random;
        Self { attempt, config }
    }

    /// What to do now.
    pub fn next(&mut self) -> Errand {
        let _ = (&self.attempt, &self.config);
        Errand::Over
    }

    /// The answer to [`Errand::Resolve`].
    pub fn resolved(&mut self, outcome: Outcome) {
        let _ = outcome;
    }

    /// The connection is made: drive it.
    pub fn connected(&mut self) {}

    /// No connection could be made: why, in words for the log.
    pub fn unreachable(&mut self, why: &str) {
        let _ = why;
    }

    /// The connection is over: as [`Pause::Closed`] said, or because the socket failed.
    pub fn disconnected(&mut self, close: Option<Close>, why: &str) {
        let _ = (close, why);
    }

    /// The job of [`Errand::Job`] is done.
    pub fn reported(&mut self, done: Done) {
        let _ = done;
    }
}

impl Endpoint for Courier {
    fn run(&mut self, _: Instant) -> Pause {
        Pause::Closed(Close::Done)
    }
    fn done(&mut self, _: Done) {}
    fn nudge(&mut self) {}
    fn shut_down(&mut self) {}
    fn watching(&self) -> Option<MailboxId> {
        None
    }
    fn upgrade(&mut self, _: Upgrade, _: Box<dyn Layer>) {}
    fn io(&mut self) -> (&mut [u8], &[u8]) {
        (&mut [], &[])
    }
    fn filled(&mut self, _: usize) {}
    fn sent(&mut self, _: usize) {}
    fn unsendable(&mut self) {}
    fn deadline(&self) -> Option<Instant> {
        None
    }
    fn shrink(&mut self) {}
}
