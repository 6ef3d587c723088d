//! Listening sockets, who is let in, and the thread of each connection.

use std::io::{self, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::sync::{MutexGuard, PoisonError};
use std::thread::{Builder, Scope};

use postkern::Upgrade;
use postkern_server::accept;
use postkern_server::config::Listener;
use postkern_server::drive::End;
use postkern_server::peers::{Peers, Refused};
use postkern_server::proxy::Proxied;
use postkern_server::runner::{BREATH, is_passing};
use postkern_store::rules;
use postkern_store::runtime::{Setup, Side};
use rustix::event::{PollFd, PollFlags};

use crate::drive::drive;
use crate::{STACK, Server, guarded};

/// Accepts until the server stops; the listeners are closed then.
///
/// # Errors
/// A listener cannot be made not to block, or poll fails.
pub(crate) fn accept<'s>(
    server: &'s Server,
    scope: &'s Scope<'s, '_>,
    listeners: Vec<(Listener, TcpListener)>,
) -> io::Result<()> {
    for (_, socket) in &listeners {
        socket.set_nonblocking(true)?;
    }
    let (mut id, mut short) = (0, false);
    while server.stopped().is_none() {
        let was_short = std::mem::take(&mut short);
        let mut fds = listeners.iter().map(|(_, socket)| PollFd::new(socket, PollFlags::IN)).collect();
        server.wait(&mut fds, None)?;
        for ((listener, socket), fd) in listeners.iter().zip(&fds) {
            if fd.revents().is_empty() {
                continue;
            }
            id += 1;
            match accept_one(server, scope, *listener, socket, id) {
                Ok(()) => {}
                // The client is gone already, or another process was faster.
                Err(error) if is_passing(&error) => {}
                Err(error) => {
                    if !was_short {
                        tracing::error!(%listener, "not accepting for a moment: {error}");
                    }
                    short = true;
                }
            }
        }
        if short {
            server.wait(&mut Vec::new(), Some(server.now() + BREATH))?;
        }
    }
    Ok(())
}

/// Lets one connection in and gives it a thread, or turns it away before anything is
/// allocated for it.
fn accept_one<'s>(
    server: &'s Server,
    scope: &'s Scope<'s, '_>,
    listener: Listener,
    socket: &TcpListener,
    id: u64,
) -> io::Result<()> {
    let (socket, peer) = socket.accept()?;
    // A client over IPv4 on a listener for both is counted and logged as such.
    let peer = peer.ip().to_canonical();
    let mut seat = match Seat::take(server, listener, peer) {
        Ok(seat) => seat,
        Err(refused) => {
            tracing::info!(%listener, %peer, "turned away: {refused:?}");
            turn_away(listener, refused, &socket);
            return Ok(());
        }
    };
    Builder::new().name(format!("{listener} {id}")).stack_size(STACK).spawn_scoped(scope, move || {
        let _span = tracing::info_span!("connection", id, %listener, %peer).entered();
        // What panics has said so.
        match guarded(|| converse(server, listener, &socket, peer, &mut seat)) {
            Some(Ok(end)) => tracing::info!("closed: {end}"),
            Some(Err(why)) => tracing::warn!("closed: {why}"),
            None => {}
        }
        drop((socket, seat));
    })?;
    Ok(())
}

fn converse(
    server: &Server,
    listener: Listener,
    socket: &TcpStream,
    peer: IpAddr,
    seat: &mut Seat<'_>,
) -> Result<End, String> {
    let failed = |error: io::Error| error.to_string();
    socket.set_nonblocking(true).map_err(failed)?;
    socket.set_nodelay(true).map_err(failed)?;
    tracing::debug!("opened");
    let side = Side::Server(listener);
    let config = &server.setup.config;
    let at = Some(rules::wall_clock()());
    let tls = listener.is_implicit_tls().then(|| server.setup.layer(&side, Upgrade::Tls)).transpose()?;
    if seat.peer.is_some() {
        return Ok(drive(server, &mut *accept::endpoint_at(config, listener, peer, tls, at), socket, &side));
    }
    let admit = move |peer| {
        seat.identify(listener, peer).map_err(|refused| accept::refusal(listener, refused))?;
        Ok(accept::endpoint_at(config, listener, peer, tls, at))
    };
    Ok(drive(server, &mut Proxied::new(peer, Box::new(admit)), socket, &side))
}

fn turn_away(listener: Listener, refused: Refused, mut socket: &TcpStream) {
    // The buffer of a new socket takes it whole. Should it not, or the peer be gone already,
    // then nobody is told.
    let _ = socket.set_nonblocking(true);
    let _ = socket.write(accept::refusal(listener, refused));
    let _ = socket.shutdown(Shutdown::Write);
}

/// One connection's place among [`Peers`], given back when it ends, however it does.
struct Seat<'s> {
    server: &'s Server,
    /// None until a proxy has told.
    peer: Option<IpAddr>,
}

impl<'s> Seat<'s> {
    fn take(server: &'s Server, listener: Listener, peer: IpAddr) -> Result<Self, Refused> {
        let Setup { config, backend, .. } = &server.setup;
        let peer = (!config.is_proxied(listener, peer)).then_some(peer);
        peers(server).admit(peer, &config.limits)?;
        let seat = Self { server, peer };
        peer.map_or(Ok(()), |peer| accept::welcome(config, &**backend, listener, peer))?;
        Ok(seat)
    }

    fn identify(&mut self, listener: Listener, peer: IpAddr) -> Result<(), Refused> {
        let Setup { config, backend, .. } = &self.server.setup;
        peers(self.server).identify(peer, &config.limits)?;
        self.peer = Some(peer);
        accept::welcome(config, &**backend, listener, peer)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        peers(self.server).leave(self.peer);
    }
}

fn peers(server: &Server) -> MutexGuard<'_, Peers> {
    server.peers.lock().unwrap_or_else(PoisonError::into_inner)
}
