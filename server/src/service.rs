//! The loop that both runtimes, the spec tests and the simulation share.

use std::time::Duration;

use postkern::sasl::TlsFacts;
use postkern::{Close, Conn, Instant, Layer, Machine, Upgrade, Want};

use crate::job::{Done, Job, MailboxId};

/// The application's side of one connection: no IO, no clock, no lock held across calls.
///
/// Each method may ask for one [`Step`] out of the loop; nothing else is called before that
/// is answered by [`done`](Self::done).
pub trait Session<M: Machine>: Send {
    /// The peer did something.
    fn on(&mut self, event: M::Event<'_>, machine: &mut M, out: &mut Vec<u8>) -> Step;

    /// The application's move ([`Want::App`]): answer, write some more, or ask for a job.
    fn advance(&mut self, machine: &mut M, out: &mut Vec<u8>) -> Step;

    /// What was asked for is done.
    fn done(&mut self, done: Done, machine: &mut M, out: &mut Vec<u8>) -> Step;

    /// TLS is in place, and this is what it knows: said once, before the first event under it.
    fn secured(&mut self, facts: TlsFacts, machine: &mut M) {
        let _ = (facts, machine);
    }

    /// The mailbox being watched has changed.
    fn nudge(&mut self, machine: &mut M, out: &mut Vec<u8>) -> Step {
        let _ = (machine, out);
        Step::Go
    }

    /// What the peer is told if this session fails by a mistake of ours: a line of its
    /// protocol, whole, or nothing.
    fn apology(&self) -> &'static [u8] {
        b""
    }

    /// A mailbox whose changes this session waits for (IDLE).
    fn watching(&self) -> Option<MailboxId> {
        None
    }
}

/// What a session asks of its loop.
#[derive(Debug)]
pub enum Step {
    /// Go on.
    Go,
    /// Run this first; [`Session::done`] gets the result.
    Job(Job),
    /// Let so much time pass first; [`Session::done`] gets [`Done::Waited`].
    Wait(Duration),
}

/// Why a service stopped running.
#[derive(Debug)]
pub enum Pause {
    /// Send the output, then read.
    Read,
    /// Send output: nothing goes on before.
    Flush,
    /// Run the job, then say [`Endpoint::done`].
    Job(Job),
    /// Send the output, let the time pass, then say [`Done::Waited`].
    Wait(Duration),
    /// Make the layer, then [`Endpoint::upgrade`].
    Upgrade(Upgrade),
    /// Send the output, then close.
    Closed(Close),
}

/// What a runtime sees of a connection, whatever its protocol.
pub trait Endpoint: Send {
    /// Runs until something outside is needed.
    fn run(&mut self, now: Instant) -> Pause;
    /// What [`Pause::Job`] or [`Pause::Wait`] asked for is done.
    fn done(&mut self, done: Done);
    /// The watched mailbox has changed.
    fn nudge(&mut self);
    /// The server stops: says so as soon as the command in progress is answered.
    fn shut_down(&mut self);
    /// A mistake of ours was caught: says so ([`Session::apology`]), and closes at the next
    /// run. The session is asked nothing more.
    fn fail(&mut self);
    /// See [`Session::watching`].
    fn watching(&self) -> Option<MailboxId>;
    /// See [`Conn::upgrade`].
    fn upgrade(&mut self, upgrade: Upgrade, layer: Box<dyn Layer>);
    /// See [`Conn::io`].
    fn io(&mut self) -> (&mut [u8], &[u8]);
    /// See [`Conn::filled`].
    fn filled(&mut self, len: usize);
    /// See [`Conn::sent`].
    fn sent(&mut self, len: usize);
    /// See [`Conn::unsendable`].
    fn unsendable(&mut self);
    /// See [`Conn::deadline`].
    fn deadline(&self) -> Option<Instant>;
    /// See [`Conn::shrink`].
    fn shrink(&mut self);
}

/// A connection and its session.
pub struct Service<M: Machine, S> {
    conn: Conn<M>,
    session: S,
    step: Step,
    busy: bool,
    /// The watched mailbox changed while the session was busy.
    nudged: bool,
    /// Moves of the application in a row that said nothing and asked for nothing.
    idle_moves: u8,
}

/// Such moves past which the session is stuck by a mistake of ours.
const IDLE_MOVES: u8 = 3;

impl<M: Machine, S: Session<M>> Service<M, S> {
    /// A session over a connection.
    pub fn new(conn: Conn<M>, session: S) -> Self {
        Self { conn, session, step: Step::Go, busy: false, nudged: false, idle_moves: 0 }
    }

    /// The session, to look at.
    pub fn session(&self) -> &S {
        &self.session
    }

    /// The connection, to look at.
    pub fn conn(&self) -> &Conn<M> {
        &self.conn
    }

    fn advance(&mut self) {
        let (machine, out) = self.conn.speak();
        let before = out.len();
        self.step = self.session.advance(machine, out);
        let moved = out.len() != before || !matches!(self.step, Step::Go);
        self.idle_moves = if moved { 0 } else { self.idle_moves + 1 };
        if self.idle_moves >= IDLE_MOVES {
            tracing::error!("a session owes an answer and does nothing: closing");
            debug_assert!(false, "a session owes an answer and does nothing");
            machine.shut_down(out);
        }
    }
}

impl<M: Machine, S: Session<M>> Endpoint for Service<M, S>
where
    M: Send,
{
    fn run(&mut self, now: Instant) -> Pause {
        loop {
            match std::mem::replace(&mut self.step, Step::Go) {
                Step::Go => {}
                Step::Job(job) => {
                    self.busy = true;
                    return Pause::Job(job);
                }
                Step::Wait(time) => {
                    self.busy = true;
                    return Pause::Wait(time);
                }
            }
            debug_assert!(!self.busy, "run before the job is done");
            if std::mem::take(&mut self.nudged) {
                let (machine, out) = self.conn.speak();
                self.step = self.session.nudge(machine, out);
                continue;
            }
            let want = self.conn.poll(now);
            if let Some(facts) = self.conn.take_secured() {
                let (machine, _) = self.conn.speak();
                self.session.secured(facts, machine);
            }
            match want {
                Want::Event(frame) => {
                    let (event, machine, out) = self.conn.event(frame);
                    self.step = self.session.on(event, machine, out);
                    self.idle_moves = 0;
                }
                Want::App if self.idle_moves >= IDLE_MOVES => return Pause::Closed(Close::Done),
                Want::App => self.advance(),
                Want::Read => return Pause::Read,
                Want::Flush => return Pause::Flush,
                Want::Upgrade(upgrade) => return Pause::Upgrade(upgrade),
                Want::Close(close) => return Pause::Closed(close),
            }
        }
    }

    fn done(&mut self, done: Done) {
        debug_assert!(self.busy, "done without a job");
        self.busy = false;
        let (machine, out) = self.conn.speak();
        self.step = self.session.done(done, machine, out);
    }

    fn nudge(&mut self) {
        self.nudged = true;
    }

    fn shut_down(&mut self) {
        self.conn.shut_down();
    }

    fn fail(&mut self) {
        (self.step, self.busy, self.nudged) = (Step::Go, false, false);
        self.conn.fail(self.session.apology());
    }

    fn watching(&self) -> Option<MailboxId> {
        self.session.watching()
    }

    fn upgrade(&mut self, upgrade: Upgrade, layer: Box<dyn Layer>) {
        self.conn.upgrade(upgrade, layer);
    }

    fn io(&mut self) -> (&mut [u8], &[u8]) {
        self.conn.io()
    }

    fn filled(&mut self, len: usize) {
        self.conn.filled(len);
    }

    fn sent(&mut self, len: usize) {
        self.conn.sent(len);
    }

    fn unsendable(&mut self) {
        self.conn.unsendable();
    }

    fn deadline(&self) -> Option<Instant> {
        self.conn.deadline()
    }

    fn shrink(&mut self) {
        self.conn.shrink();
    }
}
