//! Carries the questions of a [`Lookup`] to name servers.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};

use postkern::Instant;
use postkern_server::dns::{Errand, Lookup, Outcome, Question};
use rustix::event::PollFlags;

use crate::Server;
use crate::relay::connect;

/// Asks until there is an answer, or no server is left to ask.
pub(crate) fn resolve(server: &Server, question: Question) -> Outcome {
    let id = match getrandom::u32() {
        Ok(random) => random as u16,
        Err(error) => return Outcome::Failed(format!("no randomness for a query: {error}")),
    };
    let mut lookup = Lookup::new(question, &server.setup.dns, id);
    loop {
        match lookup.next() {
            Errand::Over(outcome) => return outcome,
            Errand::Ask { .. } if server.stopped().is_some() => return Outcome::Failed("the server stops".into()),
            Errand::Ask { server: to, tcp, query, wait } => {
                let until = server.now() + wait;
                let ask = if tcp { over_tcp } else { over_udp };
                if let Err(error) = ask(server, to, until, &query, &mut lookup) {
                    lookup.failed(&error.to_string());
                }
            }
        }
    }
}

/// A socket of its own for each query: its port is as hard to guess as the query's id (RFC
/// 5452 section 9.2). Connected, it takes datagrams from that server only.
fn over_udp(server: &Server, to: SocketAddr, until: Instant, query: &[u8], lookup: &mut Lookup) -> io::Result<()> {
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.set_nonblocking(true)?;
    socket.connect(to)?;
    socket.send(query)?;
    let mut answer = vec![0; usize::from(u16::MAX)];
    loop {
        server.ready(&socket, PollFlags::IN, until)?;
        match socket.recv(&mut answer) {
            Ok(len) if lookup.received(&answer[..len]) => return Ok(()),
            // It answers something else, or is forged: the true answer may still come.
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
}

/// RFC 1035 section 4.2.2: each message has its length in front.
fn over_tcp(server: &Server, to: SocketAddr, until: Instant, query: &[u8], lookup: &mut Lookup) -> io::Result<()> {
    let len = u16::try_from(query.len()).map_err(|_| io::Error::from(ErrorKind::InvalidInput))?;
    let socket = connect(server, to, until)?;
    let mut patient = Patient { server, socket: &socket, until };
    patient.write_all(&[&len.to_be_bytes(), query].concat())?;
    let mut len = [0; 2];
    patient.read_exact(&mut len)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(len))];
    patient.read_exact(&mut answer)?;
    if lookup.received(&answer) { Ok(()) } else { Err(io::Error::other("the answer is to another question")) }
}

/// A socket that waits before each octet moves, but only until a certain time in all.
struct Patient<'s> {
    server: &'s Server,
    socket: &'s TcpStream,
    until: Instant,
}

impl Read for Patient<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.server.ready(self.socket, PollFlags::IN, self.until)?;
        self.socket.read(space)
    }
}

impl Write for Patient<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.server.ready(self.socket, PollFlags::OUT, self.until)?;
        self.socket.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
