//! What the loops around connections decide, the same in every runtime: when to accept again,
//! when to look into the queue again, what is said of a panic.

use std::any::Any;
use std::io::{self, ErrorKind};
use std::time::Duration;

use crate::job::Done;
use crate::queue::Attempt;

/// How long nothing is accepted after the process ran out of descriptors, memory or threads:
/// connections that end in that time give some back.
pub const BREATH: Duration = Duration::from_millis(100);
/// How long connecting to a host may take.
pub const CONNECT: Duration = Duration::from_secs(30);
/// The queue is looked at this often at least: other processes change it without a wake.
pub const LOOK: Duration = Duration::from_secs(5);

/// Whether accept(2) failed for that one connection only, or for nothing: it goes on at once.
/// Else it waits for a [`BREATH`], since it would fail again.
pub fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted | ErrorKind::WouldBlock)
}

/// From the answer to [`Job::Due`](crate::job::Job::Due), what to start, and when to ask
/// again if nothing is heard before.
pub fn due(done: Done) -> (Vec<Attempt>, Duration) {
    match done {
        Done::Due { attempts, wait } => {
            // Something that is said to be due and not handed out must not make us spin.
            let least = if attempts.is_empty() { BREATH } else { Duration::ZERO };
            (attempts, wait.unwrap_or(LOOK).clamp(least, LOOK))
        }
        done => {
            tracing::error!("the queue cannot be read: {done:?}");
            (Vec::new(), LOOK)
        }
    }
}

/// What a panic said.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without words")
}
