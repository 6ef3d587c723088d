//! A delivery, and a server that answers as a test wants.

use postkern::smtp::{BodyType, Client, Delivery, Envelope, Notice, Options, Progress, Verdict};
use postkern::{Conn, Instant, Want};

/// A message from a@client.example to so many.
pub(crate) fn envelope(recipients: usize) -> Envelope {
    let mut envelope = Envelope::new("a@client.example", 7);
    envelope.recipients = (0..recipients).map(|at| format!("user{at}@mx.example").into()).collect();
    envelope
}

/// So many octets in lines, some of which begin with dots.
pub(crate) fn lines(octets: usize) -> Vec<u8> {
    let mut lines = b".a line\r\n..and one more\r\nplain\r\n".repeat(octets / 32 + 1);
    lines.truncate(octets.saturating_sub(2));
    if lines.last() == Some(&b'\r') {
        lines.pop();
        lines.push(b'x');
    }
    lines.extend_from_slice(b"\r\n");
    lines
}

/// A server.
#[derive(Default)]
pub(crate) struct Peer {
    pub(crate) offers: Vec<String>,
    /// The code for commands that begin so; `greeting`, `message`, and in LMTP `message ADDRESS`.
    pub(crate) answers: Vec<(&'static str, u16)>,
    /// Codes for the commands in order, over and over; none for what is usual.
    pub(crate) random: Vec<Option<u16>>,
    /// It takes so many recipients in a transaction, and says this to others.
    pub(crate) full: Option<(usize, String)>,
    /// What the owner makes of the message if it is asked to re-encode it.
    pub(crate) converted: Option<Vec<u8>>,
    pub(crate) asked_to_convert: Option<BodyType>,
    /// Octets that the owner writes at a time.
    pub(crate) piece: usize,
    /// Commands, in order.
    pub(crate) said: Vec<String>,
    /// What came between two waits of the client.
    pub(crate) writes: Vec<String>,
    /// Whom it took a message for.
    pub(crate) taken: Vec<(String, Vec<u8>)>,
    /// BDATs that stood in one write.
    pub(crate) most_unanswered: usize,
    wire: Vec<u8>,
    replies: Vec<u8>,
    accepted: Vec<String>,
    message: Vec<u8>,
    state: State,
    turn: usize,
    closed: bool,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum State {
    #[default]
    Commands,
    Data,
    Bdat {
        left: usize,
        last: bool,
    },
}

impl Peer {
    pub(crate) fn offering(offers: &[&str]) -> Self {
        Self { offers: offers.iter().map(ToString::to_string).collect(), piece: 1000, ..Self::default() }
    }

    pub(crate) fn answering(answers: &[(&'static str, u16)]) -> Self {
        Self { answers: answers.to_vec(), ..Self::offering(&["PIPELINING"]) }
    }

    /// The answer to what the client wrote.
    fn hear(&mut self, octets: &[u8]) -> Vec<u8> {
        if !octets.is_empty() {
            self.writes.push(String::from_utf8_lossy(octets).into_owned());
        }
        self.wire.extend_from_slice(octets);
        let chunks = self.said.len();
        while !self.closed && self.step() {}
        let chunks = self.said[chunks..].iter().filter(|line| line.starts_with("BDAT")).count();
        self.most_unanswered = self.most_unanswered.max(chunks);
        std::mem::take(&mut self.replies)
    }

    fn step(&mut self) -> bool {
        match self.state {
            State::Commands => {
                let Some(end) = find(&self.wire, b"\r\n") else { return false };
                let line = String::from_utf8(self.wire.drain(..end + 2).collect()).unwrap();
                self.command(line.trim_end());
            }
            State::Data => {
                let end = if self.wire.starts_with(b".\r\n") {
                    0
                } else {
                    let Some(at) = find(&self.wire, b"\r\n.\r\n") else { return false };
                    at + 2
                };
                let stuffed: Vec<u8> = self.wire.drain(..end + 3).take(end).collect();
                self.message = unstuffed(&stuffed);
                self.state = State::Commands;
                self.end(false);
            }
            State::Bdat { left, last } => {
                if self.wire.len() < left {
                    return false;
                }
                self.message.extend(self.wire.drain(..left));
                self.state = State::Commands;
                match last {
                    true => self.end(true),
                    false => {
                        self.answer("BDAT", if self.accepted.is_empty() { 503 } else { 250 });
                    }
                }
            }
        }
        true
    }

    fn command(&mut self, line: &str) {
        self.said.push(line.to_owned());
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "EHLO" | "LHLO" => {
                let mut offers = String::new();
                self.offers.iter().for_each(|offer| offers.push_str(&format!("250-{offer}\r\n")));
                let (code, text) = self.choose(line, 250);
                let lines = if code == 250 { format!("250-mx.example\r\n{offers}") } else { String::new() };
                self.replies.extend_from_slice(format!("{lines}{code} {text}\r\n").as_bytes());
            }
            "MAIL" => {
                self.accepted.clear();
                self.message.clear();
                self.answer(line, 250);
            }
            "RCPT" => {
                let to = &rest["TO:<".len()..rest.find('>').unwrap()];
                if let Some((_, full)) = self.full.clone().filter(|(most, _)| self.accepted.len() >= *most) {
                    self.replies.extend_from_slice(format!("{full}\r\n").as_bytes());
                } else if self.answer(line, 250) {
                    self.accepted.push(to.to_owned());
                }
            }
            "DATA" => {
                self.answer(line, if self.accepted.is_empty() { 503 } else { 354 });
                if self.replies.ends_with(b"354 ok\r\n") {
                    self.state = State::Data;
                }
            }
            "BDAT" => {
                assert!(self.offers.iter().any(|offer| offer == "CHUNKING"), "BDAT to one that knows it not");
                let (left, last) = rest.split_once(' ').unwrap_or((rest, ""));
                assert!(last.is_empty() || last == "LAST", "{line}");
                self.state = State::Bdat { left: left.parse().unwrap(), last: !last.is_empty() };
            }
            "RSET" => {
                self.accepted.clear();
                self.message.clear();
                self.answer(line, 250);
            }
            "STARTTLS" => {
                self.answer(line, 454);
            }
            "QUIT" => {
                self.answer(line, 221);
                self.closed = true;
            }
            "AUTH" => {
                self.answer(line, 235);
            }
            "HELO" => {
                self.answer(line, 250);
            }
            _ => {
                self.answer(line, 501);
            }
        }
    }

    /// The message is whole.
    fn end(&mut self, chunked: bool) {
        let accepted = std::mem::take(&mut self.accepted);
        let lmtp = self.said.iter().any(|line| line.starts_with("LHLO"));
        if accepted.is_empty() {
            // RFC 2033 section 4.3.
            if !(lmtp && chunked) {
                self.answer("message", 503);
            }
        } else if lmtp {
            for to in accepted {
                if self.answer(&format!("message {to}"), 250) {
                    self.taken.push((to, self.message.clone()));
                }
            }
        } else if self.answer("message", 250) {
            self.taken.extend(accepted.into_iter().map(|to| (to, self.message.clone())));
        }
        self.message.clear();
    }

    /// Tells whether it was positive.
    fn answer(&mut self, command: &str, usual: u16) -> bool {
        if self.closed {
            return false;
        }
        let (code, text) = self.choose(command, usual);
        self.replies.extend_from_slice(format!("{code} {text}\r\n").as_bytes());
        code / 100 == 2
    }

    fn choose(&mut self, command: &str, usual: u16) -> (u16, &'static str) {
        let random = self.random.get(self.turn % self.random.len().max(1)).copied().flatten();
        self.turn += 1;
        let told = self.answers.iter().find(|(of, _)| command.starts_with(of)).map(|(_, code)| *code);
        let code = told.or(random.filter(|_| command != "QUIT")).unwrap_or(usual);
        self.closed |= code == 421;
        (code, "ok")
    }
}

fn find(octets: &[u8], what: &[u8]) -> Option<usize> {
    octets.windows(what.len()).position(|window| window == what)
}

fn unstuffed(stuffed: &[u8]) -> Vec<u8> {
    let lines = stuffed.split_inclusive(|&octet| octet == b'\n');
    lines.flat_map(|line| line.strip_prefix(b".").unwrap_or(line)).copied().collect()
}

/// A delivery in plaintext, driven to its end.
pub(crate) fn deliver(envelope: Envelope, options: Options, peer: &mut Peer, message: &[u8]) -> Delivery {
    over(envelope, options, false, peer, message)
}

pub(crate) fn over(envelope: Envelope, options: Options, secured: bool, peer: &mut Peer, message: &[u8]) -> Delivery {
    let mut delivery = Delivery::new(envelope, options, secured);
    drive(&mut delivery, peer, message);
    delivery
}

/// Until the connection is over; what is undecided then is deferred.
pub(crate) fn drive(delivery: &mut Delivery, peer: &mut Peer, message: &[u8]) {
    let mut conn = Conn::new(Client::new());
    let mut message = message.to_vec();
    peer.answer("greeting", 220);
    let mut replies = std::mem::take(&mut peer.replies);
    loop {
        match conn.poll(Instant::from_millis(0)) {
            Want::Event(frame) => {
                let (notice, client, out) = conn.event(frame);
                if let Notice::Secured = notice {
                    panic!("there is no TLS here");
                }
                let progress = delivery.on(notice, client, out);
                if let Progress::Convert(most) = progress {
                    peer.asked_to_convert = Some(most);
                    match peer.converted.clone() {
                        Some(converted) => {
                            message = converted;
                            delivery.convert(message.len() as u64, most, client, out);
                        }
                        None => delivery.refuse(client, out),
                    }
                }
                write(delivery, client, out, &message, peer.piece);
            }
            Want::App => {
                let (client, out) = conn.speak();
                assert!(write(delivery, client, out, &message, peer.piece), "stuck: {delivery:?} {client:?}");
            }
            want @ (Want::Read | Want::Flush) => {
                let output = conn.output().to_vec();
                conn.sent(output.len());
                replies.extend(peer.hear(&output));
                if want == Want::Flush {
                    continue;
                }
                if replies.is_empty() {
                    // Nothing is said that the other waits for: the connection is over.
                    break;
                }
                let len = conn.space().len().min(replies.len()).min(50);
                conn.space()[..len].copy_from_slice(&replies[..len]);
                replies.drain(..len);
                conn.filled(len);
            }
            Want::Close(_) | Want::Upgrade(_) => break,
        }
    }
    let output = conn.output().to_vec();
    peer.hear(&output);
    delivery.closed("the connection is over");
}

/// The first letters of the verdicts: Delivered, deferred (`l` for later), Failed, Postponed.
pub(crate) fn letters(delivery: &Delivery) -> String {
    let letter = |verdict: &Option<Verdict>| match verdict {
        Some(Verdict::Delivered { .. }) => 'D',
        Some(Verdict::Deferred(_)) => 'l',
        Some(Verdict::Failed(_)) => 'F',
        Some(Verdict::Postponed) => 'P',
        None => '?',
    };
    delivery.verdicts().iter().map(letter).collect()
}

/// As much as the delivery has room for. Tells whether there was anything to do.
fn write(delivery: &mut Delivery, client: &mut Client, out: &mut Vec<u8>, message: &[u8], piece: usize) -> bool {
    let mut moved = false;
    while delivery.progress() == Progress::Message {
        moved = true;
        let at = delivery.written() as usize;
        if at == message.len() {
            delivery.end(client, out);
        } else {
            delivery.write(&message[at..message.len().min(at + piece)], client, out);
        }
        if out.len() > 2 * postkern::OUTPUT_HIGH {
            // The connection is to be driven before more is written.
            break;
        }
    }
    moved
}
