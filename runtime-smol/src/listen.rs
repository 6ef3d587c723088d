//! Listening sockets, who is let in, and the task of each connection.

use std::io::{self, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use postkern::Upgrade;
use postkern_server::accept;
use postkern_server::config::Listener;
use postkern_server::drive::End;
use postkern_server::peers::{Peers, Refused};
use postkern_server::proxy::Proxied;
use postkern_server::runner::{BREATH, is_passing};
use postkern_store::rules;
use postkern_store::runtime::{Setup, Side};
use smol::Async;
use smol::future::FutureExt;
use tracing::Instrument;

use crate::drive::drive;
use crate::{Alive, Server, guarded};

/// Accepts until the server stops; the listener is closed then.
pub(crate) async fn accept(server: Arc<Server>, listener: Listener, socket: Async<TcpListener>, alive: Alive) {
    let mut short = false;
    while server.stopped().is_none() {
        let was_short = std::mem::take(&mut short);
        let accepted = async { Some(socket.accept().await) };
        let stopped = async {
            server.stopping().await;
            None
        };
        match accepted.or(stopped).await {
            Some(Ok((socket, peer))) => welcome(&server, listener, socket, peer.ip(), &alive),
            None => return,
            // The client is gone already.
            Some(Err(error)) if is_passing(&error) => {}
            Some(Err(error)) => {
                if !was_short {
                    tracing::error!(%listener, "not accepting for a moment: {error}");
                }
                short = true;
                server.time(Some(server.now() + BREATH)).or(server.stopping()).await;
            }
        }
    }
}

/// Lets a connection in and gives it a task, or turns it away before anything is allocated
/// for it.
fn welcome(server: &Arc<Server>, listener: Listener, socket: Async<TcpStream>, peer: IpAddr, alive: &Alive) {
    // A client over IPv4 on a listener for both is counted and logged as such.
    let peer = peer.to_canonical();
    let mut seat = match Seat::take(server, listener, peer, alive) {
        Ok(seat) => seat,
        Err(refused) => {
            tracing::info!(%listener, %peer, "turned away: {refused:?}");
            turn_away(listener, refused, socket.get_ref());
            return;
        }
    };
    let id = server.connections.fetch_add(1, Ordering::Relaxed);
    let connection = async move {
        // What panics has said so.
        match guarded(converse(listener, &socket, peer, &mut seat)).await {
            Some(Ok(end)) => tracing::info!("closed: {end}"),
            Some(Err(why)) => tracing::warn!("closed: {why}"),
            None => {}
        }
        drop((socket, seat));
    };
    let span = tracing::info_span!("connection", id, %listener, %peer);
    server.executor.spawn(connection.instrument(span)).detach();
}

async fn converse(listener: Listener, socket: &Async<TcpStream>, peer: IpAddr, seat: &mut Seat) -> Result<End, String> {
    socket.get_ref().set_nodelay(true).map_err(|error: io::Error| error.to_string())?;
    tracing::debug!("opened");
    let side = Side::Server(listener);
    let server = &*Arc::clone(&seat.server);
    let config = &server.setup.config;
    let at = Some(rules::wall_clock()());
    let tls = listener.is_implicit_tls().then(|| server.setup.layer(&side, Upgrade::Tls)).transpose()?;
    if seat.peer.is_some() {
        return Ok(drive(server, &mut *accept::endpoint_at(config, listener, peer, tls, at), socket, &side).await);
    }
    let admit = move |peer| {
        seat.identify(listener, peer).map_err(|refused| accept::refusal(listener, refused))?;
        Ok(accept::endpoint_at(config, listener, peer, tls, at))
    };
    Ok(drive(server, &mut Proxied::new(peer, Box::new(admit)), socket, &side).await)
}

fn turn_away(listener: Listener, refused: Refused, mut socket: &TcpStream) {
    // The buffer of a new socket takes it whole. Should it not, or the peer be gone already,
    // then nobody is told.
    let _ = socket.write(accept::refusal(listener, refused));
    let _ = socket.shutdown(Shutdown::Write);
}

/// One connection's place among [`Peers`], given back when it ends, however it does.
struct Seat {
    server: Arc<Server>,
    /// None until a proxy has told.
    peer: Option<IpAddr>,
    _alive: Alive,
}

impl Seat {
    fn take(server: &Arc<Server>, listener: Listener, peer: IpAddr, alive: &Alive) -> Result<Self, Refused> {
        let Setup { config, backend, .. } = &server.setup;
        let peer = (!config.is_proxied(listener, peer)).then_some(peer);
        peers(server).admit(peer, &config.limits)?;
        let seat = Self { server: Arc::clone(server), peer, _alive: alive.clone() };
        peer.map_or(Ok(()), |peer| accept::welcome(config, &**backend, listener, peer))?;
        Ok(seat)
    }

    fn identify(&mut self, listener: Listener, peer: IpAddr) -> Result<(), Refused> {
        let Setup { config, backend, .. } = &self.server.setup;
        peers(&self.server).identify(peer, &config.limits)?;
        self.peer = Some(peer);
        accept::welcome(config, &**backend, listener, peer)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        peers(&self.server).leave(self.peer);
    }
}

fn peers(server: &Server) -> MutexGuard<'_, Peers> {
    server.peers.lock().unwrap_or_else(PoisonError::into_inner)
}
