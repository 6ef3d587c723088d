//! Relaying: takes what is due from the queue and carries each attempt on a thread of its own.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, Builder, Scope, Thread};
use std::time::Duration;

use postkern::{Instant, Upgrade};
use postkern_server::job::Job;
use postkern_server::queue::Attempt;
use postkern_server::relay::{Courier, Errand, Random};
use postkern_server::runner::{CONNECT, LOOK, due};
use postkern_store::runtime::Side;
use rustix::event::PollFlags;
use rustix::io::Errno;
use socket2::{Domain, Socket, Type};

use crate::drive::drive;
use crate::{STACK, Server, dns, guarded};

/// Hands out what is due, until the server stops. The thread is woken by unparking it.
pub(crate) fn run<'s>(server: &'s Server, scope: &'s Scope<'s, '_>) {
    let runner = thread::current();
    let wake = runner.clone();
    let _watch = server.setup.backend.watch_queue(Arc::new(move || wake.unpark()));
    while server.stopped().is_none() {
        let free = server.setup.config.limits.relays.saturating_sub(server.relays.load(Ordering::Acquire));
        let wait = if free > 0 { look(server, scope, &runner, free) } else { LOOK };
        thread::park_timeout(wait);
    }
}

/// Starts what is due, and tells when to look again.
fn look<'s>(server: &'s Server, scope: &'s Scope<'s, '_>, runner: &Thread, limit: usize) -> Duration {
    let per_domain = server.setup.config.limits.relays_per_domain;
    // What panics has said so.
    let Some(done) = guarded(|| server.setup.backend.run(Job::Due { limit, per_domain })) else { return LOOK };
    let (attempts, wait) = due(done);
    for attempt in attempts {
        start(server, scope, runner, attempt);
    }
    wait
}

fn start<'s>(server: &'s Server, scope: &'s Scope<'s, '_>, runner: &Thread, attempt: Attempt) {
    let slot = Slot::take(server, runner);
    let spare = attempt.clone();
    let work = move || {
        let _slot = slot;
        carry(server, attempt);
    };
    if let Err(error) = Builder::new().name("relay".into()).stack_size(STACK).spawn_scoped(scope, work) {
        // Its lease is taken: better slowly than in two hours.
        tracing::error!("no thread for a relay, the runner carries it itself: {error}");
        carry(server, spare);
    }
}

fn carry(server: &Server, attempt: Attempt) {
    let _span = tracing::info_span!("relay", id = attempt.id.0, domain = attempt.domain).entered();
    // What panics has said so; its lease runs out.
    let _ = guarded(|| run_errands(server, attempt));
}

fn run_errands(server: &Server, attempt: Attempt) {
    // Should there be no randomness, hosts of one preference keep their order, and SCRAM is
    // not used.
    let mut random = Random::default();
    let random = getrandom::fill(&mut random).is_ok().then_some(random);
    let mut courier = Courier::new(Arc::clone(&server.setup.config), attempt, random, server.setup.tap.clone());
    let mut met = false;
    loop {
        match courier.next_errand() {
            Errand::Over => return,
            // A report is written even when the server stops: what is delivered must not go
            // out a second time.
            Errand::Job(job) => courier.reported(server.setup.backend.run(job)),
            // Nobody was told anything: the lease gives it back at the next start.
            Errand::Resolve(_) | Errand::Connect { .. } if !met && server.stopped().is_some() => return,
            Errand::Resolve(question) => courier.resolved(dns::resolve(server, question)),
            Errand::Rest(time) => {
                server.rest(time);
                courier.rested(server.stopped().is_some());
            }
            Errand::Connect { address, host, verify, tls } => match connect(server, address, server.now() + CONNECT) {
                Ok(socket) => {
                    let side = Side::Client { host, address, verify };
                    let layer = match tls.then(|| server.setup.layer(&side, Upgrade::Tls)).transpose() {
                        Ok(layer) => layer,
                        Err(why) => {
                            courier.unreachable(&why);
                            continue;
                        }
                    };
                    met = true;
                    courier.connected(layer);
                    let end = drive(server, &mut courier, &socket, &side);
                    tracing::debug!(%address, "closed: {end}");
                    courier.disconnected(end.close, end.trouble.as_deref().unwrap_or("the connection closed"));
                }
                Err(error) => courier.unreachable(&error.to_string()),
            },
        }
    }
}

/// A connection whose socket does not block.
pub(crate) fn connect(server: &Server, to: SocketAddr, until: Instant) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    match socket.connect(&to.into()) {
        Err(error) if Errno::from_io_error(&error) != Some(Errno::INPROGRESS) => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let socket = TcpStream::from(socket);
    server.ready(&socket, PollFlags::OUT, until)?;
    match socket.take_error()? {
        Some(error) => Err(error),
        None => Ok(socket),
    }
}

/// One of `limits.relays`.
struct Slot<'s> {
    server: &'s Server,
    runner: Thread,
}

impl<'s> Slot<'s> {
    fn take(server: &'s Server, runner: &Thread) -> Self {
        server.relays.fetch_add(1, Ordering::AcqRel);
        Self { server, runner: runner.clone() }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.server.relays.fetch_sub(1, Ordering::AcqRel);
        self.runner.unpark();
    }
}
