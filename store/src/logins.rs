//! How many passwords are checked at a time, and the memory they are checked in.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use postkern_server::account::{self, Scratch};

/// Places for checks, each with 19 MiB that it keeps: as many as there are processors, since
/// more would not be faster. Who comes when all are taken waits.
#[derive(Debug)]
pub(crate) struct Logins {
    free: Mutex<Vec<Scratch>>,
    freed: Condvar,
}

/// Places at most.
const PLACES: usize = 8;

impl Default for Logins {
    fn default() -> Self {
        let places = thread::available_parallelism().map_or(1, usize::from).min(PLACES);
        Self { free: Mutex::new((0..places).map(|_| Scratch::default()).collect()), freed: Condvar::new() }
    }
}

impl Logins {
    /// See [`account::verify`].
    pub(crate) fn verify(&self, password: &[u8], verifier: Option<&str>) -> bool {
        let mut free = self.free();
        let scratch = loop {
            match free.pop() {
                Some(scratch) => break scratch,
                None => free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(free);
        // Given back whatever happens.
        let mut place = Place { logins: self, scratch };
        account::verify(password, verifier, &mut place.scratch)
    }

    fn free(&self) -> MutexGuard<'_, Vec<Scratch>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Place<'a> {
    logins: &'a Logins,
    scratch: Scratch,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.logins.free().push(std::mem::take(&mut self.scratch));
        self.logins.freed.notify_one();
    }
}
