//! Postkern over smol: a task for each connection, a few threads for all.
//!
//! What is decided of a connection is in [`postkern_server::drive`]; here are the sockets, the
//! tasks and the clock. Jobs, which may block, run on smol's pool of threads for that. That
//! pool and the thread that waits for sockets are the process's own: they outlive
//! [`Runtime::serve`], asleep.
#![forbid(unsafe_code)]

mod dns;
mod drive;
mod listen;
mod relay;

use std::convert::Infallible;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use postkern::Instant;
use postkern_server::job::{Done, Job};
use postkern_server::peers::Peers;
use postkern_server::runner::panic_text;
use postkern_store::runtime::{GRACE, Runtime, Setup};
use smol::channel::{Receiver, Sender, bounded};
use smol::future::{FutureExt, pending};
use smol::{Async, Executor, Timer, unblock};

/// Serves with a task for each connection, on as many threads as there are processors.
#[derive(Clone, Copy, Debug, Default)]
pub struct Smol;

impl Runtime for Smol {
    fn program(&self) -> &'static str {
        "postkern-smol"
    }

    fn serve(&self, setup: Setup) -> io::Result<()> {
        let executor = Arc::new(Executor::new());
        let threads = thread::available_parallelism().map_or(2, usize::from);
        thread::scope(|scope| {
            // The other threads end when this goes, however we leave.
            let (_running, ended) = bounded::<Infallible>(1);
            for number in 1..threads {
                let (executor, ended) = (Arc::clone(&executor), ended.clone());
                thread::Builder::new().name(format!("tasks {number}")).spawn_scoped(scope, move || {
                    let _ = smol::block_on(executor.run(ended.recv()));
                })?;
            }
            smol::block_on(executor.run(serve(Arc::clone(&executor), setup)))
        })
    }
}

async fn serve(executor: Arc<Executor<'static>>, mut setup: Setup) -> io::Result<()> {
    let listeners = std::mem::take(&mut setup.listeners)
        .into_iter()
        .map(|(listener, socket)| Ok((listener, Async::new(socket)?)))
        .collect::<io::Result<Vec<_>>>()?;
    let stop = Async::new(setup.stop.try_clone()?)?;
    let server = Arc::new(Server {
        setup,
        executor,
        start: std::time::Instant::now(),
        stopped: OnceLock::new(),
        stopping: bounded(1),
        peers: Mutex::default(),
        connections: AtomicU64::new(0),
        relays: AtomicUsize::new(0),
    });
    let (alive, all_ended) = bounded(1);
    let mut parts = vec![server.spawn_part(relay::run(Arc::clone(&server), alive.clone()))];
    for (listener, socket) in listeners {
        parts.push(server.spawn_part(listen::accept(Arc::clone(&server), listener, socket, alive.clone())));
    }
    drop(alive);
    let asked = async {
        let _ = stop.readable().await;
    };
    asked.or(server.stopping()).await;
    server.stop_now();
    let mut served = Ok(());
    for part in parts {
        if part.await.is_none() {
            served = Err(io::Error::other("a part of the server panicked"));
        }
    }
    // Nothing is ever sent: it closes when the last task has dropped its end.
    let _ = all_ended.recv().await;
    served
}

/// Held by every task; [`Runtime::serve`] waits until all are dropped.
type Alive = Sender<Infallible>;

/// What all tasks share.
struct Server {
    setup: Setup,
    executor: Arc<Executor<'static>>,
    start: std::time::Instant,
    /// Once the server stops: when what still runs is cut off.
    stopped: OnceLock<Instant>,
    /// Nothing is ever sent: it is closed when the server stops.
    stopping: (Sender<Infallible>, Receiver<Infallible>),
    peers: Mutex<Peers>,
    /// Connections accepted so far.
    connections: AtomicU64,
    /// Attempts at relaying under way.
    relays: AtomicUsize,
}

impl Server {
    fn now(&self) -> Instant {
        Instant::from_millis(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Once the server stops: when what still runs is cut off.
    fn stopped(&self) -> Option<Instant> {
        self.stopped.get().copied()
    }

    fn stop_now(&self) {
        self.stopped.get_or_init(|| self.now() + GRACE);
        self.stopping.0.close();
    }

    /// Waits for the server to stop.
    async fn stopping(&self) {
        let _ = self.stopping.1.recv().await;
    }

    /// Waits for the time; for ever if there is none.
    async fn time(&self, until: Option<Instant>) {
        match until {
            Some(until) => {
                Timer::after(until.since(self.now())).await;
            }
            None => pending().await,
        }
    }

    async fn job(&self, job: Job) -> Done {
        let backend = Arc::clone(&self.setup.backend);
        if job.is_brief() {
            return backend.run(job);
        }
        unblock(move || backend.run(job)).await
    }

    /// The work's result, unless the time or the server's stop come first.
    async fn within<T>(&self, until: Instant, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let late = async {
            self.time(Some(until)).await;
            Err(io::ErrorKind::TimedOut.into())
        };
        let stopped = async {
            self.stopping().await;
            Err(io::Error::other("the server stops"))
        };
        work.or(late).or(stopped).await
    }

    /// Starts a part of the server that ends by itself when the server stops. If it panics,
    /// the server stops, and its task gives none.
    fn spawn_part(self: &Arc<Self>, part: impl Future<Output = ()> + Send + 'static) -> smol::Task<Option<()>> {
        let server = Arc::clone(self);
        self.executor.spawn(async move {
            let ended = guarded(part).await;
            if ended.is_none() {
                server.stop_now();
            }
            ended
        })
    }
}

/// Runs it and catches its panic, so that a mistake of ours costs one connection only.
async fn guarded<T>(work: impl Future<Output = T>) -> Option<T> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    done.inspect_err(|panic| tracing::error!("panicked: {}", panic_text(&**panic))).ok()
}
