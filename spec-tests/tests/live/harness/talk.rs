//! Lines to and fro, for what no foreign client would say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;

use postkern::sasl::TlsFacts;
use rustls::ClientConfig;

use super::wire::Wire;

/// A dialogue of lines.
pub(crate) struct Talk {
    wire: BufReader<Wire>,
}

impl Talk {
    /// In plaintext.
    pub(crate) fn plain(address: SocketAddr) -> Self {
        Self { wire: BufReader::new(Wire::connect(address)) }
    }

    /// Over TLS from the start.
    pub(crate) fn tls(address: SocketAddr, config: Arc<ClientConfig>) -> Self {
        Self::try_tls(address, config).expect("a handshake")
    }

    /// Over TLS from the start, with a server that may not want to.
    pub(crate) fn try_tls(address: SocketAddr, config: Arc<ClientConfig>) -> std::io::Result<Self> {
        let wire = Wire::connect(address).secure(config)?;
        Ok(Self { wire: BufReader::new(wire) })
    }

    /// What TLS knows on the client's side.
    pub(crate) fn facts(&self) -> TlsFacts {
        self.wire.get_ref().facts()
    }

    /// Goes on over TLS.
    pub(crate) fn secure(self, config: Arc<ClientConfig>) -> Self {
        assert!(self.wire.buffer().is_empty(), "octets before the handshake");
        let wire = self.wire.into_inner().secure(config).expect("a handshake");
        Self { wire: BufReader::new(wire) }
    }

    /// Sends octets as they are.
    #[track_caller]
    pub(crate) fn put(&mut self, octets: impl AsRef<[u8]>) {
        self.try_put(octets).expect("the server reads");
    }

    /// Sends octets to a server that may have had enough.
    pub(crate) fn try_put(&mut self, octets: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.wire.get_mut().write_all(octets.as_ref())?;
        self.wire.get_mut().flush()
    }

    /// Sends a line.
    #[track_caller]
    pub(crate) fn say(&mut self, line: &str) {
        self.put(format!("{line}\r\n"));
    }

    /// The next line with its CRLF; none if the server closes instead.
    #[track_caller]
    pub(crate) fn try_line(&mut self) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        match self.wire.read_until(b'\n', &mut line) {
            Ok(0) => None,
            // A server that closes on unread input resets, and a TLS one may not say goodbye.
            Err(error) if closes(&error) => None,
            Err(error) => panic!("no line: {error}"),
            Ok(_) if line.ends_with(b"\r\n") => Some(line),
            Ok(_) => panic!("half a line: {:?}", String::from_utf8_lossy(&line)),
        }
    }

    /// The next line, without its CRLF.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let line = self.try_line().expect("a line, and no end");
        String::from_utf8_lossy(&line[..line.len() - 2]).into_owned()
    }

    /// So many octets.
    #[track_caller]
    pub(crate) fn octets(&mut self, count: usize) -> Vec<u8> {
        let mut octets = vec![0; count];
        self.wire.read_exact(&mut octets).expect("octets, and no end");
        octets
    }

    /// Sends no more, as a client that dies.
    pub(crate) fn finish(&mut self) {
        let _ = self.wire.get_ref().socket().shutdown(Shutdown::Write);
    }

    /// Whether the server ends TLS by an alert, without a word.
    pub(crate) fn is_refused(&mut self) -> bool {
        let mut rest = Vec::new();
        let end = self.wire.read_to_end(&mut rest);
        rest.is_empty() && end.is_err_and(|error| error.kind() == std::io::ErrorKind::InvalidData)
    }

    /// Reads to the end, and gives what came before it.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        if let Err(error) = self.wire.read_to_end(&mut rest) {
            assert!(closes(&error), "no end: {error}");
        }
        String::from_utf8_lossy(&rest).into_owned()
    }
}

fn closes(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), ConnectionReset | UnexpectedEof | BrokenPipe | ConnectionAborted)
}
