//! Our own client machines over a blocking socket, as the tour needs them.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use postkern::tls::Tls;
use postkern::{Close, Conn, Instant, Machine, Tap, Upgrade, Want};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use thiserror::Error;

/// The longest silence, and the longest way to a connection: all is on this machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why a dialogue did not come to its end.
#[derive(Debug, Error)]
pub(super) enum ClientError {
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the connection closed early: {0:?}")]
    Closed(Close),
    #[error("the server asks for what this client does not do")]
    Stuck,
    #[error("{0}")]
    Refused(String),
}

/// A server to connect to.
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// What TLS trusts.
    pub(super) tls: Arc<ClientConfig>,
    /// Whether TLS comes first.
    pub(super) implicit: bool,
}

/// One connection of a client.
pub(super) struct Link<M> {
    conn: Conn<M>,
    socket: TcpStream,
    tls: Arc<ClientConfig>,
    name: ServerName<'static>,
    began: Clock,
}

impl<M: Machine> Link<M> {
    /// Connects.
    pub(super) fn open(peer: &Peer, machine: M, tap: Box<dyn Tap>) -> Result<Self, ClientError> {
        let socket = TcpStream::connect_timeout(&peer.address, PATIENCE).map_err(ClientError::Connect)?;
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let (tls, name) = (Arc::clone(&peer.tls), ServerName::from(peer.address.ip()));
        let mut conn = match peer.implicit {
            true => Conn::with_tls(machine, Box::new(Tls::client(Arc::clone(&tls), name.clone())?)),
            false => Conn::new(machine),
        };
        conn.set_tap(tap);
        Ok(Self { conn, socket, tls, name, began: Clock::now() })
    }

    /// Hands each event to `on`, until it breaks with a result or the connection is over.
    pub(super) fn run<T>(
        &mut self,
        mut on: impl for<'i> FnMut(M::Event<'i>, &mut M, &mut Vec<u8>) -> ControlFlow<T>,
    ) -> Result<T, ClientError> {
        loop {
            match self.conn.poll(self.now()) {
                Want::Event(frame) => {
                    let (event, machine, out) = self.conn.event(frame);
                    if let ControlFlow::Break(result) = on(event, machine, out) {
                        return Ok(result);
                    }
                }
                Want::Read => {
                    self.flush()?;
                    self.read()?;
                }
                Want::Flush => self.flush()?,
                Want::Upgrade(Upgrade::Tls) => {
                    let layer = Tls::client(Arc::clone(&self.tls), self.name.clone())?;
                    self.conn.upgrade(Upgrade::Tls, Box::new(layer));
                }
                Want::Close(close) => {
                    self.flush()?;
                    return Err(ClientError::Closed(close));
                }
                // Whatever the application has to say it says in answer to events.
                Want::App | Want::Upgrade(Upgrade::Deflate) => return Err(ClientError::Stuck),
            }
        }
    }

    /// Drives the farewell to its end; how the server closes is its own affair.
    pub(super) fn finish(mut self) {
        let _ = self.run(|_, _, _| ControlFlow::<()>::Continue(()));
    }

    fn now(&self) -> Instant {
        Instant::from_millis(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn flush(&mut self) -> Result<(), ClientError> {
        let len = self.conn.output().len();
        self.socket.write_all(self.conn.output())?;
        self.conn.sent(len);
        Ok(())
    }

    fn read(&mut self) -> Result<(), ClientError> {
        self.socket.set_read_timeout(Some(PATIENCE))?;
        let len = self.socket.read(self.conn.space())?;
        self.conn.filled(len);
        Ok(())
    }
}
