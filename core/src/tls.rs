//! TLS as a [`Layer`], by rustls.

extern crate std;

use alloc::sync::Arc;
use alloc::vec::Vec;
use std::io::{Read, Write};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, Error, ProtocolVersion, ServerConfig, ServerConnection};

use crate::buf::Buf;
use crate::conn::{Layer, LayerFailed};
use crate::sasl::{EndPoint, TlsFacts};

/// One TLS session, either side.
#[derive(Debug)]
pub struct Tls(Connection, Option<EndPoint>);

impl Tls {
    /// The server side.
    ///
    /// # Errors
    /// The configuration does not fit, as rustls says.
    pub fn server(config: Arc<ServerConfig>) -> Result<Self, Error> {
        Ok(Self(ServerConnection::new(config)?.into(), None))
    }

    /// The client side, which expects the server to prove that it is `name`.
    ///
    /// # Errors
    /// The configuration does not fit, as rustls says.
    pub fn client(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, Error> {
        Ok(Self(ClientConnection::new(config, name)?.into(), None))
    }

    /// On the server side: what its certificate is bound by
    /// ([`end_point`](crate::sasl::end_point)), which rustls does not tell. A client finds it
    /// out by itself, with the feature `scram`.
    #[must_use]
    pub fn with_end_point(mut self, end_point: Option<EndPoint>) -> Self {
        self.1 = end_point;
        self
    }

    /// The rustls session: protocol version, certificates, exporters.
    pub fn connection(&self) -> &Connection {
        &self.0
    }

    fn flush(&mut self, wire: &mut Vec<u8>) {
        while self.0.wants_write() {
            // Writing to memory does not fail.
            if self.0.write_tls(wire).is_err() {
                return;
            }
        }
    }

    /// Moves decrypted octets to `plain`.
    fn take(&mut self, len: usize, plain: &mut Buf) -> Result<(), LayerFailed> {
        let space = &mut plain.space(len)[..len];
        self.0.reader().read_exact(space).map_err(|_| LayerFailed)?;
        plain.fill(len);
        Ok(())
    }
}

impl Layer for Tls {
    fn decode(
        &mut self,
        wire: &mut Buf,
        plain: &mut Buf,
        limit: usize,
        reply: &mut Vec<u8>,
    ) -> Result<(), LayerFailed> {
        let mut state = Ok(());
        while !wire.is_empty() && plain.unread().len() < limit && state.is_ok() {
            let mut rest = wire.unread();
            let taken = self.0.read_tls(&mut rest).map_err(|_| LayerFailed)?;
            if taken == 0 {
                // After close_notify rustls takes no more: the rest is not ours to read.
                let len = wire.unread().len();
                wire.consume(len);
                break;
            }
            wire.consume(taken);
            state = match self.0.process_new_packets() {
                Ok(io) => self.take(io.plaintext_bytes_to_read(), plain),
                Err(_) => Err(LayerFailed),
            };
        }
        // An alert that tells the peer of a failure is sent even so.
        self.flush(reply);
        state
    }

    fn encode(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), LayerFailed> {
        for piece in plain.chunks(16 * 1024) {
            self.0.writer().write_all(piece).map_err(|_| LayerFailed)?;
            self.flush(wire);
        }
        Ok(())
    }

    fn handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    fn close(&mut self, wire: &mut Vec<u8>) {
        self.0.send_close_notify();
        self.flush(wire);
    }

    fn facts(&self) -> TlsFacts {
        // Whether TLS 1.2 had the extended master secret, rustls does not tell (RFC 9266
        // section 4.1).
        let unique = self.0.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        let exported = unique.then(|| self.0.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")));
        let certificate = self.0.peer_certificates().and_then(|chain| chain.first());
        #[cfg(feature = "scram")]
        let server = certificate.filter(|_| matches!(self.0, Connection::Client(_)));
        #[cfg(feature = "scram")]
        let end_point = self.1.or_else(|| crate::sasl::end_point(server?));
        #[cfg(not(feature = "scram"))]
        let end_point = self.1;
        TlsFacts {
            exporter: exported.and_then(Result::ok),
            end_point,
            peer_certificate: certificate.map(|certificate| certificate.to_vec()),
        }
    }
}
