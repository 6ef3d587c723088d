//! Questions to name servers and their answers, without IO (RFC 1035, RFC 6891).
//!
//! A [`Lookup`] is driven by its owner: send what [`Lookup::next`] says, tell it what came.
//! Each server is asked in turn, and all of them a second time. An answer counts only if it
//! has the query's number and question; that it comes from the server's address, to a port
//! chosen at random, is the owner's to see to (RFC 5452 section 9).

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

use domain::base::iana::{Class, Opcode, OptRcode};
use domain::base::{Message, MessageBuilder, Name, ParsedName, Rtype, ToName};
use domain::rdata::{A, Aaaa, Cname, Mx};

/// A question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    /// A domain name without a dot at its end, lower case ASCII.
    pub name: String,
    /// What of it.
    pub kind: Kind,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Mail exchangers.
    Mx,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
}

/// What came of a question. CNAMEs are followed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Preference and host of each exchanger, as answered; an empty host is the null MX (RFC
    /// 7505).
    Mx(Vec<(u16, String)>),
    /// Addresses.
    Addresses(Vec<IpAddr>),
    /// The name exists and has none of these (NODATA).
    None,
    /// The name does not exist (NXDOMAIN).
    NoSuchName,
    /// No server gave a usable answer: why, in words for the log. Try again later.
    Failed(String),
}

/// How long an answer over UDP is waited for, in the first round over the servers and in the
/// second.
pub const UDP_WAITS: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(6)];
/// How long one over TCP is waited for, the connection included.
pub const TCP_WAIT: Duration = Duration::from_secs(10);
/// Servers that are asked; more are left out.
pub const SERVERS_MAX: usize = 8;
/// CNAMEs that are followed, in one answer and from one to the next.
pub const CNAMES_MAX: usize = 8;
/// Records of an answer that are looked at.
pub const RECORDS_MAX: usize = 100;
/// Octets of an answer over UDP: what crosses the Internet in one piece (the value that DNS
/// Flag Day 2020 recommends for RFC 6891 section 6.2.5).
pub const UDP_SIZE: u16 = 1232;
/// The port of name servers.
const PORT: u16 = 53;

/// One question on its way to the servers, one after the other, over UDP and, where an answer
/// is truncated, over TCP.
#[derive(Debug)]
pub struct Lookup {
    question: Question,
    /// The name that is asked for now: the question's, or the one that CNAMEs led to.
    name: Name<Vec<u8>>,
    servers: Vec<SocketAddr>,
    /// The server asked first: the one that gave the CNAME, once there is one.
    first: usize,
    /// Queries for this name that came to nothing.
    tries: usize,
    tcp: bool,
    edns: bool,
    /// Followed so far.
    cnames: usize,
    /// The first number, and how many have been used.
    ids: (u16, u16),
    /// The query in hand, with the number in use.
    query: Vec<u8>,
    /// What the last server did wrong.
    why: String,
    over: Option<Outcome>,
}

/// What a lookup wants next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Errand {
    /// Send the query, wait for an answer.
    Ask {
        /// To.
        server: SocketAddr,
        /// Over TCP, with two octets of length in front that the transport adds and takes off
        /// (RFC 1035 section 4.2.2); else over UDP.
        tcp: bool,
        /// The query.
        query: Vec<u8>,
        /// How long.
        wait: Duration,
    },
    /// It is over.
    Over(Outcome),
}

impl Lookup {
    /// A question to these servers. `id` is random and not used before, so that an answer
    /// cannot be forged blindly (RFC 5452 section 9.2).
    ///
    /// The numbers of further queries are the first's, a fixed odd step apart each: all
    /// different, and as hard to guess for who has not seen the first. Who has seen it sees
    /// the queries, and need not guess.
    pub fn new(question: Question, servers: &[SocketAddr], id: u16) -> Self {
        let name = Name::vec_from_str(&question.name).ok().filter(|name| !name.is_root());
        let mut lookup = Self {
            // What is no name in the DNS does not exist there.
            over: name.is_none().then_some(Outcome::NoSuchName),
            name: name.unwrap_or_else(Name::root_vec),
            question,
            servers: servers.iter().take(SERVERS_MAX).copied().collect(),
            first: 0,
            tries: 0,
            tcp: false,
            edns: true,
            cnames: 0,
            ids: (id, 0),
            query: Vec::new(),
            why: "there are no name servers".into(),
        };
        lookup.prepare();
        lookup
    }

    /// What to do now. The same until [`received`](Self::received) says yes or
    /// [`failed`](Self::failed) is called.
    #[expect(clippy::should_implement_trait, reason = "a lookup is no sequence of items")]
    pub fn next(&mut self) -> Errand {
        if let Some(outcome) = &self.over {
            return Errand::Over(outcome.clone());
        }
        let server = self.server();
        // Below two rounds, or it would be over.
        let round = (self.tries / self.servers.len()).min(UDP_WAITS.len() - 1);
        let wait = if self.tcp { TCP_WAIT } else { UDP_WAITS[round] };
        Errand::Ask { server, tcp: self.tcp, query: self.query.clone(), wait }
    }

    /// A datagram or message came. Tells whether it answers the query; if not, wait on.
    pub fn received(&mut self, answer: &[u8]) -> bool {
        if self.over.is_some() {
            return false;
        }
        match self.read(answer) {
            Answer::Other => return false,
            Answer::Truncated => self.tcp = true,
            Answer::NoEdns => self.edns = false,
            Answer::Useless(why) => self.turn(why),
            Answer::Cname(name, steps) => {
                self.cnames += steps;
                self.first = (self.first + self.tries) % self.servers.len();
                (self.name, self.tries, self.tcp, self.edns) = (name, 0, false, true);
            }
            Answer::Over(outcome) => self.over = Some(outcome),
        }
        self.prepare();
        true
    }

    /// Nothing came in time, or the server could not be reached.
    pub fn failed(&mut self, why: &str) {
        if self.over.is_none() {
            self.turn(why);
            self.prepare();
        }
    }

    /// To the next server.
    fn turn(&mut self, why: &str) {
        self.why = format!("{}: {why}", self.server());
        self.tries += 1;
        (self.tcp, self.edns) = (false, true);
    }

    fn server(&self) -> SocketAddr {
        self.servers[(self.first + self.tries) % self.servers.len()]
    }

    /// Puts the next query in hand, or ends it.
    fn prepare(&mut self) {
        if self.over.is_some() {
            return;
        }
        if self.tries >= UDP_WAITS.len() * self.servers.len() {
            self.over = Some(Outcome::Failed(core::mem::take(&mut self.why)));
            return;
        }
        // The golden ratio's share of 2^16: odd, so that no number comes twice in 65536.
        let id = self.ids.0.wrapping_add(self.ids.1.wrapping_mul(0x9e37));
        self.ids.1 = self.ids.1.wrapping_add(1);
        self.query = query(id, &self.name, self.question.kind, self.edns);
    }

    /// What an answer means, if it is one.
    fn read(&self, answer: &[u8]) -> Answer {
        let Ok(message) = Message::from_octets(answer) else { return Answer::Other };
        let header = message.header();
        let ours = self.query.first_chunk() == Some(&header.id().to_be_bytes());
        if !ours || !header.qr() || header.opcode() != Opcode::QUERY {
            return Answer::Other;
        }
        let rcode = message.opt_rcode();
        let refused = rcode != OptRcode::NOERROR && rcode != OptRcode::NXDOMAIN;
        match message.sole_question() {
            Ok(asked) => {
                let same = asked.qtype() == rtype(self.question.kind) && asked.qclass() == Class::IN;
                if !same || *asked.qname() != self.name {
                    return Answer::Other;
                }
            }
            // A server that does not understand the query may not repeat it.
            Err(_) if refused && message.header_counts().qdcount() == 0 => {}
            Err(_) => return Answer::Other,
        }
        if refused {
            let simpler = matches!(rcode, OptRcode::FORMERR | OptRcode::NOTIMP | OptRcode::BADVERS);
            return match rcode {
                // RFC 6891 section 7: it may know nothing of EDNS.
                _ if simpler && self.edns => Answer::NoEdns,
                OptRcode::SERVFAIL => Answer::Useless("it failed (SERVFAIL)"),
                OptRcode::REFUSED => Answer::Useless("it refused to answer (REFUSED)"),
                _ => Answer::Useless("it answered with an error"),
            };
        }
        if header.tc() {
            return if self.tcp { Answer::Useless("its answer is truncated over TCP") } else { Answer::Truncated };
        }
        // RFC 6604 section 3: of the last name, where there are CNAMEs.
        if rcode == OptRcode::NXDOMAIN {
            return Answer::Over(Outcome::NoSuchName);
        }
        let Some(records) = records(&message, self.question.kind) else {
            return Answer::Useless("its answer is garbled");
        };
        let recursive = header.ra() || header.aa();
        self.follow(&records, recursive)
    }

    /// From the name along CNAMEs to what was asked for.
    fn follow(&self, records: &[(Name<Vec<u8>>, Data<'_>)], recursive: bool) -> Answer {
        let mut name = self.name.clone();
        let mut steps = 0;
        loop {
            let own = || records.iter().filter(|(owner, _)| *owner == name).map(|(_, data)| data);
            if let Some(outcome) = collect(own(), self.question.kind) {
                return Answer::Over(outcome);
            }
            let Some(target) = own().find_map(Data::cname) else { break };
            let target = target.to_vec();
            steps += 1;
            if self.cnames + steps > CNAMES_MAX {
                return Answer::Over(Outcome::Failed("the name is a CNAME of a CNAME, too many times".into()));
            }
            name = target;
        }
        match (steps, recursive) {
            (0, true) => Answer::Over(Outcome::None),
            (0, false) => Answer::Useless("it does not look names up for others"),
            _ => Answer::Cname(name, steps),
        }
    }
}

/// The name servers of a resolv.conf, at most [`SERVERS_MAX`]; this host's own if it names
/// none (resolv.conf(5)). A zone of an IPv6 address must be a number: a name's number is known
/// to the system alone.
pub fn servers_of(resolv_conf: &str) -> Vec<SocketAddr> {
    let servers = resolv_conf.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let address = (words.next() == Some("nameserver")).then(|| words.next())??;
        let plain = address.parse().ok().map(|address: IpAddr| SocketAddr::new(address, PORT));
        plain.or_else(|| format!("[{address}]:{PORT}").parse().ok())
    });
    let servers: Vec<SocketAddr> = servers.take(SERVERS_MAX).collect();
    if servers.is_empty() { vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT)] } else { servers }
}

/// What an answer means.
enum Answer {
    /// It is none to our query.
    Other,
    /// Ask over TCP.
    Truncated,
    /// Ask without EDNS.
    NoEdns,
    /// Ask another server.
    Useless(&'static str),
    /// Ask for that name: the answer ends with it, so many CNAMEs on.
    Cname(Name<Vec<u8>>, usize),
    Over(Outcome),
}

/// What a record says, of those that matter.
enum Data<'a> {
    Cname(ParsedName<&'a [u8]>),
    Mx(u16, ParsedName<&'a [u8]>),
    Address(IpAddr),
}

impl<'a> Data<'a> {
    fn cname(&self) -> Option<&ParsedName<&'a [u8]>> {
        match self {
            Self::Cname(target) => Some(target),
            Self::Mx(..) | Self::Address(_) => None,
        }
    }
}

/// The answer's records that matter; none if one of them cannot be read.
fn records<'a>(message: &Message<&'a [u8]>, kind: Kind) -> Option<Vec<(Name<Vec<u8>>, Data<'a>)>> {
    let mut records = Vec::new();
    for record in message.answer().ok()?.take(RECORDS_MAX) {
        let record = record.ok()?;
        let wanted = record.class() == Class::IN && [Rtype::CNAME, rtype(kind)].contains(&record.rtype());
        if !wanted {
            continue;
        }
        let data = match record.rtype() {
            Rtype::CNAME => Data::Cname(record.to_record::<Cname<_>>().ok()??.into_data().into_cname()),
            Rtype::MX => {
                let data = record.to_record::<Mx<ParsedName<&[u8]>>>().ok()??.into_data();
                Data::Mx(data.preference(), *data.exchange())
            }
            Rtype::A => Data::Address(record.to_record::<A>().ok()??.data().addr().into()),
            _ => Data::Address(record.to_record::<Aaaa>().ok()??.data().addr().into()),
        };
        records.push((record.owner().to_vec(), data));
    }
    Some(records)
}

/// What was asked for, if it is among these.
fn collect<'r, 'a: 'r>(data: impl Iterator<Item = &'r Data<'a>>, kind: Kind) -> Option<Outcome> {
    let (mut exchangers, mut addresses) = (Vec::new(), Vec::new());
    for data in data {
        match data {
            Data::Cname(_) => {}
            Data::Mx(preference, host) if host.is_root() => exchangers.push((*preference, String::new())),
            Data::Mx(preference, host) => exchangers.push((*preference, host.to_string().to_ascii_lowercase())),
            Data::Address(address) => addresses.push(*address),
        }
    }
    match kind {
        Kind::Mx => (!exchangers.is_empty()).then_some(Outcome::Mx(exchangers)),
        Kind::A | Kind::Aaaa => (!addresses.is_empty()).then_some(Outcome::Addresses(addresses)),
    }
}

fn query(id: u16, name: &Name<Vec<u8>>, kind: Kind, edns: bool) -> Vec<u8> {
    const FITS: &str = "a question and its options fit into a message";
    let mut message = MessageBuilder::new_vec();
    message.header_mut().set_id(id);
    message.header_mut().set_rd(true);
    let mut question = message.question();
    question.push((name, rtype(kind))).expect(FITS);
    let mut additional = question.additional();
    if edns {
        let size = |options: &mut domain::base::message_builder::OptBuilder<'_, Vec<u8>>| {
            options.set_udp_payload_size(UDP_SIZE);
            Ok(())
        };
        additional.opt(size).expect(FITS);
    }
    additional.finish()
}

fn rtype(kind: Kind) -> Rtype {
    match kind {
        Kind::Mx => Rtype::MX,
        Kind::A => Rtype::A,
        Kind::Aaaa => Rtype::AAAA,
    }
}
