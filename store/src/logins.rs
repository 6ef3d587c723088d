//! How many passwords are checked at a time, and the memory they are checked in.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use postkern_server::account::{self, Scratch};
use postkern_server::job::Failure;

/// Places for checks, each with 19 MiB that it keeps: as many as there are processors, since
/// more would not be faster. Who comes when all are taken waits, or is refused if too many do.
#[derive(Debug)]
pub(crate) struct Logins {
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    free: Vec<Scratch>,
    /// Who waits for one; never above [`WAITING`].
    waiting: usize,
}

/// Places at most.
const PLACES: usize = 8;
/// Checks that may wait. Each holds a thread of the runtime, which other jobs need too (smol's
/// pool has 500). A check takes tens of milliseconds, so that the last of them waits a few
/// seconds; many more would be guesses rather than users.
const WAITING: usize = 64;

impl Default for Logins {
    fn default() -> Self {
        let places = thread::available_parallelism().map_or(1, usize::from).min(PLACES);
        Self::with_places(places)
    }
}

impl Logins {
    fn with_places(places: usize) -> Self {
        let free = (0..places).map(|_| Scratch::default()).collect();
        Self { state: Mutex::new(State { free, waiting: 0 }), freed: Condvar::new() }
    }

    /// See [`account::verify`].
    ///
    /// # Errors
    /// [`Failure::Busy`] at once, whatever the password, if [`WAITING`] others wait already.
    pub(crate) fn verify(&self, password: &[u8], verifier: Option<&str>) -> Result<bool, Failure> {
        // Given back whatever happens.
        let mut place = Place { logins: self, scratch: self.take()? };
        Ok(account::verify(password, verifier, &mut place.scratch))
    }

    fn take(&self) -> Result<Scratch, Failure> {
        let mut state = self.state();
        if let Some(scratch) = state.free.pop() {
            return Ok(scratch);
        }
        if state.waiting >= WAITING {
            tracing::warn!(waiting = WAITING, "a login is refused: too many passwords wait for their check");
            return Err(Failure::Busy);
        }
        state.waiting += 1;
        loop {
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
            if let Some(scratch) = state.free.pop() {
                state.waiting -= 1;
                return Ok(scratch);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Place<'a> {
    logins: &'a Logins,
    scratch: Scratch,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.logins.state().free.push(std::mem::take(&mut self.scratch));
        self.logins.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn some_wait_and_the_rest_are_refused() {
        let logins = Logins::with_places(1);
        let place = Place { logins: &logins, scratch: logins.take().unwrap() };
        thread::scope(|scope| {
            let waiters: Vec<_> = (0..WAITING)
                .map(|_| scope.spawn(|| logins.take().map(|scratch| drop(Place { logins: &logins, scratch }))))
                .collect();
            while logins.state().waiting < WAITING {
                thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(logins.verify(b"secret", None), Err(Failure::Busy));
            drop(place);
            for waiter in waiters {
                assert!(waiter.join().unwrap().is_ok());
            }
        });
        assert_eq!(logins.state().waiting, 0);
        assert_eq!(logins.verify(b"secret", None), Ok(false));
    }
}
