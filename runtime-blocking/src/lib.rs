//! Postkern over blocking threads: one for each connection, each blocked in poll(2).
//!
//! What is decided of a connection is in [`postkern_server::drive`]; here are the sockets, the
//! threads and the clock. A thread waits for its socket and for the server's stop at once, so
//! that nothing polls by time: a stop, a change in a mailbox, a deadline wake exactly whom
//! they concern.
#![forbid(unsafe_code)]

mod dns;
mod drive;
mod listen;
mod relay;
mod wait;

use std::io;
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, OnceLock};
use std::thread;

use postkern::Instant;
use postkern_server::peers::Peers;
use postkern_server::runner::panic_text;
use postkern_store::runtime::{GRACE, Runtime, Setup};

/// Octets of a thread's stack: address space, of which is used what is touched.
const STACK: usize = 512 * 1024;

/// Serves with a thread for each connection, as many as `limits.connections`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Blocking;

impl Runtime for Blocking {
    fn program(&self) -> &'static str {
        "postkern"
    }

    fn serve(&self, mut setup: Setup) -> io::Result<()> {
        let listeners = std::mem::take(&mut setup.listeners);
        let server = Server {
            setup,
            start: std::time::Instant::now(),
            stopped: OnceLock::new(),
            peers: Mutex::default(),
            relays: AtomicUsize::new(0),
        };
        let server = &server;
        thread::scope(|scope| {
            let runner = thread::Builder::new()
                .name("relays".into())
                .stack_size(STACK)
                .spawn_scoped(scope, move || guarded(|| relay::run(server, scope)))?;
            let served = guarded(|| listen::accept(server, scope, listeners));
            server.stop_now();
            runner.thread().unpark();
            served.unwrap_or_else(|| Err(io::Error::other("the accepting thread panicked")))
        })
    }
}

/// What all threads share.
struct Server {
    setup: Setup,
    start: std::time::Instant,
    /// Once the server stops: when what still runs is cut off.
    stopped: OnceLock<Instant>,
    peers: Mutex<Peers>,
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

    /// Wakes all that wait: they see the stop themselves, as readable.
    fn stop_now(&self) {
        self.stopped.get_or_init(|| self.now() + GRACE);
        // Where nobody asked for it and we end for a failure of our own.
        let _ = self.setup.stop.shutdown(Shutdown::Read);
    }
}

/// Runs it and catches its panic, so that a mistake of ours costs one connection only.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).inspect_err(|panic| tracing::error!("panicked: {}", panic_text(&**panic))).ok()
}
