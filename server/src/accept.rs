//! From a listener to its session.

use core::net::IpAddr;
use std::sync::Arc;

use postkern::{Conn, Layer, Machine, imap, pop3, smtp};

use crate::config::{Config, Listener};
use crate::service::{Endpoint, Service, Session};
use crate::session::imap::Imap;
use crate::session::pop3::Pop3;
use crate::session::smtp::Smtp;

/// The session for a connection just accepted. `tls` stands first where the listener begins
/// with it ([`Listener::is_implicit_tls`]), and is none elsewhere.
pub fn endpoint(
    config: &Arc<Config>,
    listener: Listener,
    peer: IpAddr,
    tls: Option<Box<dyn Layer>>,
) -> Box<dyn Endpoint> {
    let secure = tls.is_some();
    let shared = Arc::clone(config);
    match listener {
        Listener::Smtp | Listener::Submission | Listener::Submissions | Listener::Lmtp => {
            let machine = smtp::Server::new(Smtp::machine(config, listener), secure);
            serve(machine, Smtp::new(shared, listener, peer), tls)
        }
        Listener::Pop3 | Listener::Pop3s => {
            let machine = pop3::Server::new(Pop3::machine(config), secure);
            serve(machine, Pop3::new(shared, peer), tls)
        }
        Listener::Imap | Listener::Imaps => {
            let machine = imap::Server::new(Imap::machine(config), secure);
            serve(machine, Imap::new(shared, peer), tls)
        }
    }
}

fn serve<M, S>(machine: M, session: S, tls: Option<Box<dyn Layer>>) -> Box<dyn Endpoint>
where
    M: Machine + Send + 'static,
    S: Session<M> + 'static,
{
    let conn = match tls {
        Some(layer) => Conn::with_tls(machine, layer),
        None => Conn::new(machine),
    };
    Box::new(Service::new(conn, session))
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
