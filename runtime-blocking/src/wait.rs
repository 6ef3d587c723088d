//! Waiting for descriptors, the time and the server's stop at once.

use std::io;
use std::os::fd::AsFd;

use postkern::Instant;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::Server;

impl Server {
    /// Waits until one of the descriptors is ready, the time is come, or the server begins to
    /// stop; which of them, `fds`, the clock and [`Server::stopped`] tell. May wake for
    /// nothing.
    ///
    /// # Errors
    /// The process is out of memory, or over its limit of descriptors.
    pub(crate) fn wait<'a>(&'a self, fds: &mut Vec<PollFd<'a>>, until: Option<Instant>) -> io::Result<()> {
        let running = self.stopped().is_none();
        if running {
            fds.push(PollFd::new(&self.setup.stop, PollFlags::IN));
        }
        let time = until.map(|until| {
            let time = until.since(self.now());
            Timespec { tv_sec: time.as_secs() as _, tv_nsec: time.subsec_nanos() as _ }
        });
        let polled = poll(fds, time.as_ref());
        if running && fds.pop().is_some_and(|stop| !stop.revents().is_empty()) {
            self.stop_now();
        }
        match polled {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Lets the time pass, less if the server stops.
    pub(crate) fn rest(&self, time: std::time::Duration) {
        let until = self.now() + time;
        while self.stopped().is_none() && self.now() < until && self.wait(&mut Vec::new(), Some(until)).is_ok() {}
    }

    /// Waits until the descriptor is ready.
    ///
    /// # Errors
    /// `until` came first, or the server's stop, or poll failed.
    pub(crate) fn ready(&self, fd: &impl AsFd, flags: PollFlags, until: Instant) -> io::Result<()> {
        loop {
            if self.stopped().is_some() {
                return Err(io::Error::other("the server stops"));
            }
            if self.now() >= until {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let mut fds = Vec::from([PollFd::from_borrowed_fd(fd.as_fd(), flags)]);
            // The shorter lifetime of the two.
            self.wait(&mut fds, Some(until))?;
            if !fds[0].revents().is_empty() {
                return Ok(());
            }
        }
    }
}
