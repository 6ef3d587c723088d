//! A DNS server: a table of answers, over UDP and TCP on one port.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use domain::base::iana::Rcode;
use domain::base::{Message, MessageBuilder, Name, Rtype, Ttl};
use domain::rdata::{A, Aaaa, Cname, Mx};

/// One record's data.
#[derive(Clone, Debug)]
pub(crate) enum Record {
    /// Preference and host; `.` is the null MX (RFC 7505).
    Mx(u16, &'static str),
    /// An address.
    Address(IpAddr),
    /// Another name.
    Alias(&'static str),
}

/// What is answered to a question.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// These records.
    Records(Vec<Record>),
    /// The name is there, this kind of record is not.
    NoData,
    /// The server failed.
    ServFail,
    /// Truncated over UDP, whole over TCP.
    Truncated(Vec<Record>),
    /// Nothing at all.
    Silence,
}

/// Answers by name and type: what is not listed does not exist, but a name that is listed with
/// one type has no data of the others.
type Table = HashMap<(String, Rtype), Answer>;

/// Questions that were asked: name, type, over TCP.
type Asked = Arc<Mutex<Vec<(String, Rtype, bool)>>>;

/// A running DNS server. Its threads end with the process.
pub(crate) struct Dns {
    /// Where it answers.
    pub(crate) address: SocketAddr,
    table: Arc<Mutex<Table>>,
    asked: Asked,
}

impl Dns {
    /// With a table.
    pub(crate) fn start(table: &[(&str, Rtype, Answer)]) -> Self {
        let (udp, tcp) = sockets();
        let address = tcp.local_addr().expect("bound");
        let table = table.iter().map(|(name, kind, answer)| (((*name).to_owned(), *kind), answer.clone())).collect();
        let (table, asked) = (Arc::new(Mutex::new(table)), Asked::default());
        let (over_udp, over_tcp) = ((table.clone(), asked.clone()), (table.clone(), asked.clone()));
        thread::spawn(move || serve_udp(&udp, &over_udp.0, &over_udp.1));
        thread::spawn(move || {
            for stream in tcp.incoming().flatten() {
                // One that gives up half-way is no concern of the others.
                let _ = serve_tcp(stream, &over_tcp.0, &over_tcp.1);
            }
        });
        Self { address, table, asked }
    }

    /// A domain whose mail goes to one host at 127.0.0.1.
    pub(crate) fn for_domain(domain: &str, host: &'static str) -> Self {
        let local = Answer::Records(vec![Record::Address(Ipv4Addr::LOCALHOST.into())]);
        Self::start(&[(domain, Rtype::MX, Answer::Records(vec![Record::Mx(10, host)])), (host, Rtype::A, local)])
    }

    /// Changes an answer.
    pub(crate) fn set(&self, name: &str, kind: Rtype, answer: Answer) {
        self.table.lock().expect("no panic").insert((name.to_owned(), kind), answer);
    }

    /// What was asked so far: name, type, over TCP.
    pub(crate) fn asked(&self) -> Vec<(String, Rtype, bool)> {
        self.asked.lock().expect("no panic").clone()
    }
}

/// Both on the same port.
fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        // The port may be taken by another's UDP: then another port.
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().expect("bound")) {
            return (udp, tcp);
        }
    }
}

fn serve_udp(socket: &UdpSocket, table: &Mutex<Table>, asked: &Mutex<Vec<(String, Rtype, bool)>>) {
    let mut buffer = [0; 4096];
    loop {
        // An ICMP error of a client that is gone comes back here.
        let Ok((len, peer)) = socket.recv_from(&mut buffer) else { continue };
        if let Some(answer) = answer(&buffer[..len], false, table, asked) {
            let _ = socket.send_to(&answer, peer);
        }
    }
}

fn serve_tcp(mut stream: TcpStream, table: &Mutex<Table>, asked: &Mutex<Vec<(String, Rtype, bool)>>) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut len = [0; 2];
    stream.read_exact(&mut len)?;
    let mut query = vec![0; u16::from_be_bytes(len).into()];
    stream.read_exact(&mut query)?;
    if let Some(answer) = answer(&query, true, table, asked) {
        let len = u16::try_from(answer.len()).map_err(io::Error::other)?;
        stream.write_all(&len.to_be_bytes())?;
        stream.write_all(&answer)?;
    }
    Ok(())
}

fn answer(query: &[u8], tcp: bool, table: &Mutex<Table>, asked: &Mutex<Vec<(String, Rtype, bool)>>) -> Option<Vec<u8>> {
    let query = Message::from_octets(query).ok()?;
    let question = query.sole_question().ok()?;
    let name = question.qname().to_string().trim_end_matches('.').to_ascii_lowercase();
    let kind = question.qtype();
    asked.lock().expect("no panic").push((name.clone(), kind, tcp));
    let (code, records, truncated) = {
        let table = table.lock().expect("no panic");
        match table.get(&(name.clone(), kind)) {
            Some(Answer::Silence) => return None,
            Some(Answer::Records(records)) => (Rcode::NOERROR, records.clone(), false),
            Some(Answer::Truncated(_)) if !tcp => (Rcode::NOERROR, Vec::new(), true),
            Some(Answer::Truncated(records)) => (Rcode::NOERROR, records.clone(), false),
            Some(Answer::NoData) => (Rcode::NOERROR, Vec::new(), false),
            Some(Answer::ServFail) => (Rcode::SERVFAIL, Vec::new(), false),
            None if table.keys().any(|(listed, _)| *listed == name) => (Rcode::NOERROR, Vec::new(), false),
            None => (Rcode::NXDOMAIN, Vec::new(), false),
        }
    };
    let mut builder = MessageBuilder::new_vec().start_answer(&query, code).ok()?;
    builder.header_mut().set_ra(true);
    builder.header_mut().set_tc(truncated);
    let (mut owner, ttl) = (host_name(&name), Ttl::from_secs(60));
    for record in records {
        let pushed = match record {
            Record::Mx(preference, host) => builder.push((&owner, ttl, Mx::new(preference, host_name(host)))),
            Record::Address(IpAddr::V4(address)) => builder.push((&owner, ttl, A::new(address))),
            Record::Address(IpAddr::V6(address)) => builder.push((&owner, ttl, Aaaa::new(address))),
            Record::Alias(host) => {
                let pushed = builder.push((&owner, ttl, Cname::new(host_name(host))));
                // What follows is of the name that this one stands for.
                owner = host_name(host);
                pushed
            }
        };
        pushed.ok()?;
    }
    Some(builder.finish())
}

fn host_name(host: &str) -> Name<Vec<u8>> {
    host.parse().expect("a domain name")
}
