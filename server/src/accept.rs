//! From a listener to its session.

use core::net::IpAddr;
use std::sync::Arc;

use postkern::{Conn, Layer, Machine, imap, pop3, smtp};

use crate::config::{Config, Listener};
use crate::job::{Backend, Done, Failure, Job, Timestamp};
use crate::peers::Refused;
use crate::rates::Act;
use crate::service::{Endpoint, Service, Session};
use crate::session::imap::Imap;
use crate::session::pop3::Pop3;
use crate::session::smtp::Smtp;

/// The session for a connection just accepted. `tls` stands first where the listener begins
/// with it ([`Listener::is_implicit_tls`]), and is none elsewhere.
///
/// FUTURERELEASE is not offered, for want of the time: see [`endpoint_at`].
pub fn endpoint(
    config: &Arc<Config>,
    listener: Listener,
    peer: IpAddr,
    tls: Option<Box<dyn Layer>>,
) -> Box<dyn Endpoint> {
    endpoint_at(config, listener, peer, tls, None)
}

/// As [`endpoint`], for a connection accepted at this time.
pub fn endpoint_at(
    config: &Arc<Config>,
    listener: Listener,
    peer: IpAddr,
    tls: Option<Box<dyn Layer>>,
    at: Option<Timestamp>,
) -> Box<dyn Endpoint> {
    let secure = tls.is_some();
    let shared = Arc::clone(config);
    match listener {
        Listener::Smtp | Listener::Submission | Listener::Submissions | Listener::Lmtp => {
            let machine = smtp::Server::new(Smtp::machine(config, listener, peer, at), secure);
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

/// Whether this client may come in as often as it does: to be asked for each connection, once
/// its peer is known. The jobs are [brief](Job::is_brief).
///
/// # Errors
/// Which limit it is over.
pub fn welcome(config: &Config, backend: &dyn Backend, listener: Listener, peer: IpAddr) -> Result<(), Refused> {
    let over = |act, limit, asked| {
        let job = Job::Count { act, limit, asked };
        limit > 0 && matches!(backend.run(job), Done::Failed(Failure::Busy))
    };
    // Where nobody logs in no password is guessed, and mail must come in.
    let logs_in = !matches!(listener, Listener::Smtp | Listener::Lmtp);
    if logs_in && over(Act::LoginFailure(peer), config.limits.login_failures_per_hour, true) {
        return Err(Refused::Logins);
    }
    if config.is_rated(peer) && over(Act::Connect(peer), config.limits.connections_per_minute, false) {
        return Err(Refused::Rate);
    }
    Ok(())
}

/// What a client is told that is turned away before it has a session: a whole line of its
/// protocol. Nothing is said where it would have to be said over TLS.
pub fn refusal(listener: Listener, refused: Refused) -> &'static [u8] {
    match (listener, refused) {
        (Listener::Submissions | Listener::Pop3s | Listener::Imaps, _) => b"",
        (Listener::Smtp | Listener::Submission | Listener::Lmtp, Refused::Rate) => {
            b"421 4.7.1 you connect too often, try again later\r\n"
        }
        (Listener::Smtp | Listener::Submission | Listener::Lmtp, Refused::Logins) => {
            b"421 4.7.1 too many failed logins from your address, try again later\r\n"
        }
        (Listener::Smtp | Listener::Submission | Listener::Lmtp, _) => {
            b"421 4.7.0 too many connections, try again later\r\n"
        }
        (Listener::Pop3, Refused::Rate) => b"-ERR [SYS/TEMP] you connect too often, try again later\r\n",
        (Listener::Pop3, Refused::Logins) => {
            b"-ERR [SYS/TEMP] too many failed logins from your address, try again later\r\n"
        }
        (Listener::Pop3, _) => b"-ERR [SYS/TEMP] too many connections, try again later\r\n",
        (Listener::Imap, Refused::Rate) => b"* BYE [UNAVAILABLE] you connect too often, try again later\r\n",
        (Listener::Imap, Refused::Logins) => {
            b"* BYE [UNAVAILABLE] too many failed logins from your address, try again later\r\n"
        }
        (Listener::Imap, _) => b"* BYE [UNAVAILABLE] too many connections, try again later\r\n",
    }
}
