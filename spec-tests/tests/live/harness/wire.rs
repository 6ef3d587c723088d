//! A client's connection, plain or over TLS, that never waits for ever.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use postkern::sasl::{TlsFacts, end_point};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, StreamOwned};

/// A read or write that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(90);

/// A connection.
pub(crate) enum Wire {
    /// As it is.
    Plain(TcpStream),
    /// Over TLS.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    /// Connects.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("the server listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        socket.set_write_timeout(Some(PATIENCE)).expect("a socket");
        socket.set_nodelay(true).expect("a socket");
        Self::Plain(socket)
    }

    /// Shakes hands with the host `localhost`.
    pub(crate) fn secure(self, config: Arc<ClientConfig>) -> io::Result<Self> {
        let Self::Plain(socket) = self else { panic!("TLS within TLS") };
        let name = ServerName::try_from("localhost").expect("a name");
        let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self::Tls(Box::new(stream)))
    }

    /// What TLS knows, by rustls itself: what a client that is not ours would bind to.
    pub(crate) fn facts(&self) -> TlsFacts {
        let Self::Tls(stream) = self else { return TlsFacts::default() };
        let certificate = stream.conn.peer_certificates().and_then(|chain| chain.first());
        let exporter = stream.conn.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", None);
        TlsFacts {
            exporter: exporter.ok().filter(|_| stream.conn.protocol_version() == Some(ProtocolVersion::TLSv1_3)),
            end_point: certificate.and_then(|certificate| end_point(certificate)),
            peer_certificate: None,
        }
    }

    /// The socket below.
    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        }
    }
}

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(into),
            Self::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(octets),
            Self::Tls(stream) => stream.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

impl imap::extensions::idle::SetReadTimeout for Wire {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> imap::Result<()> {
        Ok(self.socket().set_read_timeout(timeout.or(Some(PATIENCE)))?)
    }
}
