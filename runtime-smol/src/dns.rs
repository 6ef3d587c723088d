//! Carries the questions of a [`Lookup`] to name servers.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};

use postkern_server::dns::{Errand, Lookup, Outcome, Question};
use smol::Async;
use smol::future::yield_now;
use smol::io::{AsyncReadExt, AsyncWriteExt};

use crate::Server;

/// Asks until there is an answer, or no server is left to ask.
pub(crate) async fn resolve(server: &Server, question: Question) -> Outcome {
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
                let asked = match tcp {
                    true => server.within(until, over_tcp(to, &query, &mut lookup)).await,
                    false => server.within(until, over_udp(to, &query, &mut lookup)).await,
                };
                if let Err(error) = asked {
                    lookup.failed(&error.to_string());
                }
            }
        }
    }
}

/// A socket of its own for each query: its port is as hard to guess as the query's id (RFC
/// 5452 section 9.2). Connected, it takes datagrams from that server only.
async fn over_udp(to: SocketAddr, query: &[u8], lookup: &mut Lookup) -> io::Result<()> {
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = Async::<UdpSocket>::bind((any, 0))?;
    socket.get_ref().connect(to)?;
    socket.send(query).await?;
    let mut answer = vec![0; usize::from(u16::MAX)];
    loop {
        let len = socket.recv(&mut answer).await?;
        if lookup.received(&answer[..len]) {
            return Ok(());
        }
        // It answers something else, or is forged: the true answer may still come, unless the
        // time is over, which a flood of them must not hide.
        yield_now().await;
    }
}

/// RFC 1035 section 4.2.2: each message has its length in front.
async fn over_tcp(to: SocketAddr, query: &[u8], lookup: &mut Lookup) -> io::Result<()> {
    let len = u16::try_from(query.len()).map_err(|_| io::Error::from(ErrorKind::InvalidInput))?;
    let mut socket = Async::<TcpStream>::connect(to).await?;
    socket.write_all(&[&len.to_be_bytes(), query].concat()).await?;
    let mut len = [0; 2];
    socket.read_exact(&mut len).await?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(len))];
    socket.read_exact(&mut answer).await?;
    if lookup.received(&answer) { Ok(()) } else { Err(io::Error::other("the answer is to another question")) }
}
