//! From a listener to its session.

use core::net::IpAddr;
use std::sync::Arc;

use postkern::Layer;

use crate::config::{Config, Listener};
use crate::service::Endpoint;

/// The session for a connection just accepted. `tls` stands first where the listener begins
/// with it ([`Listener::is_implicit_tls`]), and is none elsewhere.
pub fn endpoint(
    config: &Arc<Config>,
    listener: Listener,
    peer: IpAddr,
    tls: Option<Box<dyn Layer>>,
) -> Box<dyn Endpoint> {
    let _ = (config, listener, peer, tls);
    unreachable!("to be built")
}

/// What a client is told that is turned away before it has a session: a whole line of its
/// protocol. Nothing is said where it would have to be said over TLS.
pub fn refusal(listener: Listener) -> &'static [u8] {
    match listener {
        Listener::Smtp | Listener::Submission | Listener::Lmtp => {
            b"421 4.7.0 too many connections, try again later\r\n"
        }
        Listener::Pop3 => b"-ERR [SYS/TEMP] too many connections, try again later\r\n",
        Listener::Imap => b"* BYE [UNAVAILABLE] too many connections, try again later\r\n",
        Listener::Submissions | Listener::Pop3s | Listener::Imaps => b"",
    }
}
