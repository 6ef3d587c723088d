//! Signals: how a server is stopped, and which must not kill it.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGPIPE, SIGTERM, SIGXFSZ};
use signal_hook::{flag, low_level};

/// Takes the process's signals over.
///
/// An octet can be read from the stream once SIGTERM or SIGINT has come; a second one ends the
/// process at once, with 128 and the signal's number as a shell would say it.
///
/// SIGXFSZ and SIGPIPE do nothing from here on: a file over its limit and a closed connection
/// are errors of one write, not the end of the server.
pub(super) fn stop() -> io::Result<UnixStream> {
    let (read, write) = UnixStream::pair()?;
    let stopping = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // In this order: the first signal finds the flag down, and raises it.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stopping))?;
        flag::register(signal, Arc::clone(&stopping))?;
        low_level::pipe::register(signal, write.try_clone()?)?;
    }
    let ignored = Arc::new(AtomicBool::new(false));
    for signal in [SIGXFSZ, SIGPIPE] {
        flag::register(signal, Arc::clone(&ignored))?;
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_signal_can_be_read() {
        let mut stop = stop().unwrap();
        low_level::raise(SIGXFSZ).unwrap();
        low_level::raise(SIGTERM).unwrap();
        let mut octet = [0; 2];
        assert_eq!(stop.read(&mut octet).unwrap(), 1);
    }
}
