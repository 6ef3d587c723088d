//! What a runtime does for one connection, decided without IO: when to send, to read, to
//! wait, to close.
//!
//! Both runtimes drive their sockets by this, servers' and clients' alike, and keep only what
//! differs between them: how one waits for a socket. Sockets do not block; what
//! [`Drive::next`] needs is done, then asked for again, until it is over.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use postkern::{Close, Instant, Layer, Upgrade};

use crate::job::{Done, Job, MailboxId};
use crate::runner::panic_text;
use crate::service::{Endpoint, Pause};

/// How long a peer may take nothing of what is held for it.
pub const STALL: Duration = Duration::from_secs(5 * 60);
/// How long the last words may take.
pub const PARTING: Duration = Duration::from_secs(5);
/// How long what still comes is read and dropped after the last words: closing a socket that
/// holds unread octets resets the connection, and the peer may lose what it was told.
pub const DRAIN: Duration = Duration::from_secs(2);
/// Octets dropped in that time at most.
pub const DRAIN_OCTETS: usize = 1024 * 1024;
/// Without octets and news for so long, a connection gives its buffers back.
pub const QUIET: Duration = Duration::from_secs(5);

/// One connection being driven.
pub struct Drive<'e> {
    endpoint: &'e mut dyn Endpoint,
    phase: Phase,
    now: Instant,
    /// There may be something to read: not known to be empty.
    may_read: bool,
    /// There may be room to write: not known to be full.
    may_write: bool,
    /// A write failed: the peer is told nothing more.
    mute: bool,
    /// The endpoint knows that nothing more comes.
    ended: bool,
    /// The endpoint knows that the server stops.
    stopping: bool,
    /// When the peer must have taken something; none while nothing is held back.
    stalled: Option<Instant>,
    /// When the connection counts as idle; none before it waits.
    quiet: Option<Instant>,
    trouble: Option<String>,
}

#[derive(Clone, Copy)]
enum Phase {
    Running,
    /// The session asked for time.
    Pausing {
        until: Instant,
        /// What has come in that time was read, as far as there is room: a session may want to
        /// know who does not wait.
        looked: bool,
    },
    /// The last words are being sent.
    Parting {
        close: Close,
        until: Instant,
    },
    /// They are; what still comes is dropped.
    Draining {
        close: Close,
        until: Instant,
        octets: usize,
    },
    Over {
        close: Option<Close>,
    },
}

/// What a connection needs next.
#[derive(Debug)]
pub enum Need {
    /// [`Drive::send`].
    Send,
    /// [`Drive::receive`].
    Receive,
    /// Wait.
    Wait(Wait),
    /// Run it, then [`Drive::done`].
    Job(Job),
    /// Make the layer, then [`Drive::layer`]; if it cannot be made, [`Drive::lost`].
    Layer(Upgrade),
    /// Shut down the socket's writing side.
    Shut,
    /// Close the socket.
    Over(End),
}

/// What to wait for, whichever comes first. The server's stop always ends a wait, unless the
/// connection was told of it already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Wait {
    /// Input, or the end of it: then [`Drive::ready`].
    pub read: bool,
    /// Room to write: then [`Drive::ready`].
    pub write: bool,
    /// The time: nothing is to be called.
    pub until: Option<Instant>,
    /// A change in this mailbox, then [`Drive::nudge`]. Say that once, too, when a watch
    /// begins: for what came before.
    pub watch: Option<MailboxId>,
}

/// How a connection ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct End {
    /// As the machine said; none if it was not asked.
    pub close: Option<Close>,
    /// What befell the socket, in words for the log.
    pub trouble: Option<String>,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.close, &self.trouble) {
            (Some(close), Some(trouble)) => write!(f, "{close:?} ({trouble})"),
            (Some(close), None) => write!(f, "{close:?}"),
            (None, Some(trouble)) => f.write_str(trouble),
            (None, None) => f.write_str("closed"),
        }
    }
}

impl<'e> Drive<'e> {
    /// A connection just made.
    pub fn new(endpoint: &'e mut dyn Endpoint) -> Self {
        Self {
            endpoint,
            phase: Phase::Running,
            now: Instant::default(),
            may_read: false,
            may_write: true,
            mute: false,
            ended: false,
            stopping: false,
            stalled: None,
            quiet: None,
            trouble: None,
        }
    }

    /// What to do now. Once the server stops, `stop` is when the connection is cut off.
    pub fn next(&mut self, now: Instant, stop: Option<Instant>) -> Need {
        self.now = now;
        if let Some(until) = stop {
            self.heed(until);
        }
        loop {
            let need = match self.phase {
                Phase::Running => self.run(),
                Phase::Pausing { until, looked } => self.pause(until, looked),
                Phase::Parting { close, until } => self.part(close, until),
                Phase::Draining { close, until, octets } => self.drain(close, until, octets),
                Phase::Over { close } => Some(Need::Over(End { close, trouble: self.trouble.clone() })),
            };
            match need {
                Some(Need::Wait(wait)) => return Need::Wait(Wait { until: earliest(wait.until, stop), ..wait }),
                Some(need) => return need,
                None => {}
            }
        }
    }

    /// Writes once, as much as goes.
    pub fn send(&mut self, mut to: impl Write) {
        let (_, output) = self.endpoint.io();
        match to.write(output) {
            Ok(0) => self.fall_mute("the socket takes nothing".into()),
            Ok(len) => {
                self.endpoint.sent(len);
                (self.stalled, self.quiet) = (None, None);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.may_write = false;
                self.stalled.get_or_insert(self.now + STALL);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => self.fall_mute(error.to_string()),
        }
    }

    /// Reads once.
    pub fn receive(&mut self, mut from: impl Read) {
        let (space, _) = self.endpoint.io();
        let room = space.len();
        match from.read(space) {
            Ok(0) => self.hang_up(),
            Ok(len) => {
                // A read that fills its room may have left more behind.
                self.may_read = len == room;
                self.quiet = None;
                match &mut self.phase {
                    Phase::Draining { octets, .. } => *octets += len,
                    _ => self.endpoint.filled(len),
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.may_read = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                self.trouble.get_or_insert(error.to_string());
                self.hang_up();
            }
        }
    }

    /// The socket may be read or written again.
    pub fn ready(&mut self) {
        (self.may_read, self.may_write) = (!self.ended, true);
    }

    /// The watched mailbox has changed.
    pub fn nudge(&mut self) {
        self.quiet = None;
        let _ = self.guarded(|endpoint| endpoint.nudge());
    }

    /// The job of [`Need::Job`] is done.
    pub fn done(&mut self, done: Done) {
        self.quiet = None;
        let _ = self.guarded(|endpoint| endpoint.done(done));
    }

    /// The layer of [`Need::Layer`] is made.
    pub fn layer(&mut self, upgrade: Upgrade, layer: Box<dyn Layer>) {
        self.endpoint.upgrade(upgrade, layer);
    }

    /// The connection cannot go on: why, in words for the log.
    pub fn lost(&mut self, why: String) {
        let close = match self.phase {
            Phase::Running | Phase::Pausing { .. } => None,
            Phase::Parting { close, .. } | Phase::Draining { close, .. } => Some(close),
            Phase::Over { close } => close,
        };
        self.trouble.get_or_insert(why);
        self.phase = Phase::Over { close };
    }

    /// Catches a panic of the session's: a mistake of ours costs one connection, whose peer is
    /// told.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut dyn Endpoint) -> T) -> Option<T> {
        let endpoint = &mut *self.endpoint;
        match catch_unwind(AssertUnwindSafe(|| work(endpoint))) {
            Ok(value) => Some(value),
            Err(panic) => {
                tracing::error!("a session panicked: {}", panic_text(&*panic));
                self.endpoint.fail();
                None
            }
        }
    }

    /// The server stops: the endpoint is told once, and cut off at `until`.
    fn heed(&mut self, until: Instant) {
        if !std::mem::replace(&mut self.stopping, true) {
            self.endpoint.shut_down();
        }
        if self.now >= until && !matches!(self.phase, Phase::Over { .. }) {
            self.lost("cut off, the server stopped".into());
        }
    }

    fn run(&mut self) -> Option<Need> {
        if self.stalled.is_some_and(|at| self.now >= at) {
            self.lost("the peer takes no output".into());
            return None;
        }
        let now = self.now;
        match self.guarded(|endpoint| endpoint.run(now))? {
            Pause::Read => self.read(),
            Pause::Flush => {
                let wait = Wait { read: false, write: true, until: self.stalled, watch: None };
                self.sending().then_some(if self.may_write { Need::Send } else { Need::Wait(wait) })
            }
            Pause::Job(job) => Some(Need::Job(job)),
            Pause::Wait(time) => {
                self.phase = Phase::Pausing { until: self.now + time, looked: false };
                None
            }
            Pause::Upgrade(upgrade) => Some(Need::Layer(upgrade)),
            Pause::Closed(close) => {
                self.phase = Phase::Parting { close, until: self.now + PARTING };
                None
            }
        }
    }

    /// Output and input at once: a client that pipelines without reading must not lock both
    /// sides. The output stays bounded, since over its high-water mark nothing is taken in.
    fn read(&mut self) -> Option<Need> {
        let write = self.sending();
        if write && self.may_write {
            return Some(Need::Send);
        }
        if self.ended {
            // What should have closed waits: nothing can come.
            self.phase = Phase::Parting { close: Close::Eof, until: self.now + PARTING };
            return None;
        }
        if self.may_read {
            return Some(Need::Receive);
        }
        if self.mute {
            // All that had come before the write failed is read: it may have said why.
            self.hang_up();
            return None;
        }
        let mut until = earliest(self.endpoint.deadline(), self.stalled);
        let quiet = *self.quiet.get_or_insert(self.now + QUIET);
        if self.now < quiet {
            until = earliest(until, Some(quiet));
        } else {
            self.endpoint.shrink();
        }
        Some(Need::Wait(Wait { read: true, write, until, watch: self.endpoint.watching() }))
    }

    fn pause(&mut self, until: Instant, looked: bool) -> Option<Need> {
        let is_over = self.now >= until || self.stopping;
        if is_over && !looked && !self.ended {
            self.phase = Phase::Pausing { until, looked: true };
            if !self.endpoint.io().0.is_empty() {
                return Some(Need::Receive);
            }
        }
        if is_over {
            self.phase = Phase::Running;
            self.done(Done::Waited);
            return None;
        }
        let write = self.sending();
        if write && self.may_write {
            return Some(Need::Send);
        }
        Some(Need::Wait(Wait { read: false, write, until: Some(until), watch: None }))
    }

    fn part(&mut self, close: Close, until: Instant) -> Option<Need> {
        if self.sending() {
            if self.now >= until {
                self.lost("the peer does not take the last words".into());
                return None;
            }
            let wait = Wait { read: false, write: true, until: Some(until), watch: None };
            return Some(if self.may_write { Need::Send } else { Need::Wait(wait) });
        }
        if self.ended || self.mute {
            self.phase = Phase::Over { close: Some(close) };
            return None;
        }
        self.phase = Phase::Draining { close, until: self.now + DRAIN, octets: 0 };
        Some(Need::Shut)
    }

    fn drain(&mut self, close: Close, until: Instant, octets: usize) -> Option<Need> {
        if self.ended || self.now >= until || octets >= DRAIN_OCTETS {
            self.phase = Phase::Over { close: Some(close) };
            return None;
        }
        let wait = Wait { read: true, write: false, until: Some(until), watch: None };
        Some(if self.may_read { Need::Receive } else { Need::Wait(wait) })
    }

    /// Whether there is output and someone to send it to.
    fn sending(&mut self) -> bool {
        if self.mute {
            self.endpoint.unsendable();
        }
        !self.endpoint.io().1.is_empty()
    }

    fn fall_mute(&mut self, why: String) {
        self.trouble.get_or_insert(why);
        self.mute = true;
        self.stalled = None;
        self.endpoint.unsendable();
        self.ready();
    }

    fn hang_up(&mut self) {
        (self.ended, self.may_read) = (true, false);
        if !matches!(self.phase, Phase::Draining { .. }) {
            self.endpoint.filled(0);
        }
    }
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}
