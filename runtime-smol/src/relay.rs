//! Relaying: takes what is due from the queue and carries each attempt as a task of its own.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use postkern::Upgrade;
use postkern_server::job::Job;
use postkern_server::queue::Attempt;
use postkern_server::relay::{Courier, Errand, Random};
use postkern_server::runner::{CONNECT, LOOK, due};
use postkern_store::runtime::Side;
use smol::Async;
use smol::channel::{Sender, bounded};
use smol::future::FutureExt;
use tracing::Instrument;

use crate::drive::drive;
use crate::{Alive, Server, dns, guarded};

/// Hands out what is due, until the server stops.
pub(crate) async fn run(server: Arc<Server>, alive: Alive) {
    // Room for one: many wakes are one.
    let (bell, news) = bounded(1);
    let wake = bell.clone();
    let wake = move || {
        let _ = wake.try_send(());
    };
    let _watch = server.setup.backend.watch_queue(Arc::new(wake));
    while server.stopped().is_none() {
        let free = server.setup.config.limits.relays.saturating_sub(server.relays.load(Ordering::Acquire));
        let wait = if free > 0 { look(&server, &bell, &alive, free).await } else { LOOK };
        let woken = async {
            let _ = news.recv().await;
        };
        woken.or(server.time(Some(server.now() + wait))).or(server.stopping()).await;
    }
}

/// Starts what is due, and tells when to look again.
async fn look(server: &Arc<Server>, bell: &Sender<()>, alive: &Alive, limit: usize) -> Duration {
    let per_domain = server.setup.config.limits.relays_per_domain;
    // What panics has said so.
    let Some(done) = guarded(server.job(Job::Due { limit, per_domain })).await else { return LOOK };
    let (attempts, wait) = due(done);
    for attempt in attempts {
        let slot = Slot::take(server, bell, alive);
        server.executor.spawn(carry(slot, attempt)).detach();
    }
    wait
}

async fn carry(slot: Slot, attempt: Attempt) {
    let span = tracing::info_span!("relay", id = attempt.id.0, domain = attempt.domain);
    // What panics has said so; its lease runs out.
    let _ = guarded(run_errands(&slot.server, attempt)).instrument(span).await;
}

async fn run_errands(server: &Server, attempt: Attempt) {
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
            Errand::Job(job) => courier.reported(server.job(job).await),
            // Nobody was told anything: the lease gives it back at the next start.
            Errand::Resolve(_) | Errand::Connect { .. } if !met && server.stopped().is_some() => return,
            Errand::Resolve(question) => courier.resolved(dns::resolve(server, question).await),
            Errand::Rest(time) => {
                server.time(Some(server.now() + time)).or(server.stopping()).await;
                courier.rested(server.stopped().is_some());
            }
            Errand::Connect { address, host, verify, tls } => {
                let until = server.now() + CONNECT;
                match server.within(until, Async::<TcpStream>::connect(address)).await {
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
                        // Without it only the last packet of a dialogue is late.
                        let _ = socket.get_ref().set_nodelay(true);
                        let end = drive(server, &mut courier, &socket, &side).await;
                        tracing::debug!(%address, "closed: {end}");
                        courier.disconnected(end.close, end.trouble.as_deref().unwrap_or("the connection closed"));
                    }
                    Err(error) => courier.unreachable(&error.to_string()),
                }
            }
        }
    }
}

/// One of `limits.relays`.
struct Slot {
    server: Arc<Server>,
    bell: Sender<()>,
    _alive: Alive,
}

impl Slot {
    fn take(server: &Arc<Server>, bell: &Sender<()>, alive: &Alive) -> Self {
        server.relays.fetch_add(1, Ordering::AcqRel);
        Self { server: Arc::clone(server), bell: bell.clone(), _alive: alive.clone() }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.server.relays.fetch_sub(1, Ordering::AcqRel);
        let _ = self.bell.try_send(());
    }
}
