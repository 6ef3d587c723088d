//! Waiting for what the server does behind a client's back.

use std::thread;
use std::time::{Duration, Instant};

/// Past this a wait is a failure.
const LIMIT: Duration = Duration::from_secs(60);
/// Between two looks.
const STEP: Duration = Duration::from_millis(50);

/// Looks until there is something to see.
///
/// # Panics
/// After a minute, with the name of what did not come.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(start.elapsed() < LIMIT, "{what}: nothing within {LIMIT:?}");
        thread::sleep(STEP);
    }
}
