//! A client machine that says anything it can, and a server machine that answers anything it
//! may: each side understands of the other what was meant.

use std::collections::VecDeque;
use std::fmt::Debug;

use libfuzzer_sys::arbitrary::{Arbitrary, Result, Unstructured};
use postkern::sasl::Mechanisms;
use postkern::smtp::{
    BodyType, Client, Command, Enhanced, Event, Extensions, MailParams, Notice, Offers, Protocol, RcptParams, Reply,
    Server, ServerConfig, Ticket, Verb,
};
use postkern::{Conn, Instant, Want};

use crate::round_trip::{normalised, pass};

const NOW: Instant = Instant::from_millis(0);
/// Moves of the client in one session.
const MOVES: usize = 64;
/// Texts of replies; LF parts lines.
const TEXTS: [&str; 5] = ["ok", "", "two\nlines", "5.1.1 is no code here", "a\n\n b"];

/// Structure comes from `arbitrary`: what is offered, the client's moves, the server's answers.
pub fn smtp_session(data: &[u8]) {
    // Data that is used up ends the session.
    let _ = session(&mut Unstructured::new(data));
}

struct Play<'d, 'u> {
    u: &'u mut Unstructured<'d>,
    /// Commands that were sent and not yet seen, as text.
    said: VecDeque<String>,
    /// The server's answers that were not yet seen.
    answers: VecDeque<Answer>,
    /// Codes that ended a message.
    ended: VecDeque<u16>,
    /// The message as it must arrive.
    body: Vec<u8>,
    /// And as it has arrived.
    received: Vec<u8>,
    /// Chunks are out: they are no commands of `said`.
    chunking: bool,
    extended: bool,
    /// Recipients taken, where each is answered for at the end (LMTP); else none.
    recipients: usize,
    lmtp: bool,
}

/// What is to be seen of a reply.
#[derive(Debug, Eq, PartialEq)]
struct Answer {
    code: u16,
    enhanced: Option<Enhanced>,
    /// None if the words are the machine's own.
    text: Option<&'static str>,
}

fn session(u: &mut Unstructured<'_>) -> Result<()> {
    let mut config = ServerConfig::default();
    config.protocol = if u.arbitrary()? { Protocol::Lmtp } else { Protocol::Smtp };
    config.offers = offers(u)?;
    config.auth = if u.arbitrary()? { Mechanisms::PASSWORD } else { Mechanisms::NONE };
    config.auth_in_clear = true;
    config.tls = u.arbitrary()?;
    (config.limits.mistakes, config.limits.refusals) = ((u16::MAX, u16::MAX), u16::MAX);
    let lmtp = config.protocol == Protocol::Lmtp;
    let mut server = Conn::new(Server::new(config, u.arbitrary()?));
    let mut client = Conn::new(Client::new());
    let mut play = Play {
        u,
        said: VecDeque::new(),
        answers: VecDeque::new(),
        ended: VecDeque::new(),
        body: Vec::new(),
        received: Vec::new(),
        chunking: false,
        extended: false,
        recipients: 0,
        lmtp,
    };
    let hello = if lmtp { Command::Lhlo("client.example") } else { Command::Ehlo("client.example") };
    for number in 0..MOVES {
        while let Want::Event(frame) = server.poll(NOW) {
            let (event, machine, out) = server.event(frame);
            play.serve(event, machine, out)?;
        }
        pass(&mut server, &mut client);
        while let Want::Event(frame) = client.poll(NOW) {
            let (notice, machine, out) = client.event(frame);
            play.notice(notice, machine, out)?;
        }
        if client.machine().is_settled() {
            play.chunking = false;
        }
        let (machine, out) = client.speak();
        match number {
            0 => play.send(hello, machine, out),
            _ => play.go_on(machine, out)?,
        }
        pass(&mut client, &mut server);
        if matches!(server.poll(NOW), Want::Close(_)) {
            break;
        }
    }
    Ok(())
}

fn offers(u: &mut Unstructured<'_>) -> Result<Offers> {
    let mut offers = if u.arbitrary()? { Offers::ALL } else { Offers::NONE };
    // Layers that are not there in memory.
    offers.xclient = false;
    for flag in [
        &mut offers.smtp_utf8,
        &mut offers.chunking,
        &mut offers.binary_mime,
        &mut offers.dsn,
        &mut offers.require_tls,
        &mut offers.mt_priority,
        &mut offers.etrn,
        &mut offers.rrvs,
        &mut offers.limits,
    ] {
        *flag ^= u.ratio(1, 8)?;
    }
    offers.binary_mime &= offers.chunking;
    Ok(offers)
}

impl Play<'_, '_> {
    /// The client's next move.
    fn go_on(&mut self, client: &mut Client, out: &mut Vec<u8>) -> Result<()> {
        // Chunks are answered before anything else is said, so that answers can be told apart.
        if self.chunking || !client.may_send() && !client.is_settled() {
            return Ok(());
        }
        if client.is_settled() && self.u.ratio(1, 4)? {
            return self.chunks(client, out);
        }
        let command = match self.u.int_in_range(0..=7)? {
            0 => Command::Mail { from: "alice@client.example", params: MailParams::arbitrary(self.u)? },
            1 => Command::Rcpt { to: "bob@mx.example", params: RcptParams::arbitrary(self.u)? },
            2 => Command::Data,
            3 => Command::Mail { from: "alice@client.example", params: MailParams::default() },
            4 => Command::Rcpt { to: "bob@mx.example", params: RcptParams::default() },
            5 => Command::Rset,
            _ => Command::arbitrary(self.u)?,
        };
        // No layer can be put in place here.
        if !matches!(command, Command::StartTls) {
            self.send(command, client, out);
        }
        Ok(())
    }

    fn send(&mut self, command: Command<'_>, client: &mut Client, out: &mut Vec<u8>) {
        let offers = client.extensions();
        let before = out.len();
        match client.send(command, out) {
            Ok(_) => self.said.push_back(meant(command, &offers)),
            Err(_) => assert_eq!(out.len(), before, "{command:?} is refused and written"),
        }
    }

    /// A message by BDAT, in chunks.
    fn chunks(&mut self, client: &mut Client, out: &mut Vec<u8>) -> Result<()> {
        let Ok(mut chunks) = client.begin_chunks() else { return Ok(()) };
        self.chunking = true;
        self.body.clear();
        for _ in 0..self.u.int_in_range(0..=3)? {
            let octets = message(self.u)?;
            if client.chunk(&mut chunks, octets, out).is_ok() {
                self.body.extend_from_slice(octets);
            }
        }
        let last = message(self.u)?;
        match client.end_chunks(chunks, last, out) {
            Ok(_) => self.body.extend_from_slice(last),
            Err(chunks) => client.abandon_chunks(chunks),
        }
        Ok(())
    }

    /// What the client noticed is what the server said.
    fn notice(&mut self, notice: Notice<'_>, client: &mut Client, out: &mut Vec<u8>) -> Result<()> {
        match notice {
            Notice::Reply { verb: Verb::Bdat, .. } => {}
            Notice::Reply { verb: Verb::Message, reply, .. } => {
                let code = self.ended.pop_front();
                // A chunk that was refused before the message was one has no end.
                // Behind a chunk that was refused the machine itself ends the message.
                assert!(self.chunking || code == Some(reply.code), "{code:?} was said, and {} heard", reply.code);
            }
            Notice::Reply { reply, .. } | Notice::Closing { reply } => {
                let answer = self.answers.pop_front().expect("what is heard was said");
                assert_eq!(reply.code, answer.code, "{answer:?}");
                if let Some(text) = answer.text {
                    let wanted: Vec<&[u8]> = text.split('\n').map(str::as_bytes).collect();
                    let prefix = answer.enhanced.map(|code| format!("{code} ")).unwrap_or_default();
                    let lines: Vec<&[u8]> = reply.lines().take(wanted.len()).collect();
                    let lines: Vec<&[u8]> =
                        lines.iter().map(|line| line.strip_prefix(prefix.as_bytes()).unwrap_or(line)).collect();
                    assert_eq!(lines, wanted, "{answer:?}");
                    assert!(answer.enhanced.is_none() || reply.enhanced() == answer.enhanced, "{answer:?}");
                }
            }
            Notice::Challenge { .. } => {
                self.answers.pop_front();
                let response = if self.u.arbitrary()? { Some("Ym9i") } else { None };
                client.respond(response, out).expect("a challenge is open");
                self.said.push_back(response.map_or("cancelled", |_| "response").to_owned());
            }
            Notice::Proceed { mut body } => {
                self.answers.pop_front();
                let octets = message(self.u)?;
                octets.chunks(7).for_each(|piece| client.write(&mut body, piece, out));
                client.end(body, out);
                self.body = normalised(octets);
            }
            Notice::Secured => panic!("no TLS was asked for"),
        }
        Ok(())
    }

    /// What the server saw is what the client said; and an answer to it.
    fn serve(&mut self, event: Event<'_>, server: &mut Server, out: &mut Vec<u8>) -> Result<()> {
        let (ticket, verb, seen) = match event {
            Event::Chunk(octets) => {
                self.received.extend_from_slice(octets);
                return Ok(());
            }
            Event::Dropped(_) => return Ok(()),
            Event::Rejected { code } => {
                self.received.clear();
                if !self.chunking {
                    self.ended.extend((0..self.recipients.max(1)).map(|_| code));
                }
                return Ok(());
            }
            Event::Refused { code } => {
                if !self.chunking {
                    self.said.pop_front();
                    self.answers.push_back(Answer { code, enhanced: None, text: None });
                }
                return Ok(());
            }
            Event::Connect { ticket } => {
                self.answer(ticket, Verb::Connect, server, &[220], out)?;
                return Ok(());
            }
            Event::Message { ticket, size } => {
                assert_eq!(size, self.received.len() as u64);
                assert_eq!(self.received, self.body, "the message");
                self.received.clear();
                let code = *self.u.choose(&[250, 451, 554])?;
                self.ended.extend((0..self.recipients.max(1)).map(|_| code));
                server.reply(ticket, &Reply::new(code, Enhanced((code / 100) as u8, 0, 0), "done"), out);
                return Ok(());
            }
            Event::Data { ticket, chunked: true } => {
                self.received.clear();
                let code = *self.u.choose(&[354, 354, 354, 554])?;
                server.reply(ticket, &Reply::plain(code, "go on"), out);
                return Ok(());
            }
            Event::Data { ticket, .. } => {
                self.received.clear();
                (ticket, Verb::Data, "data".to_owned())
            }
            Event::Hello { name, ticket, .. } => (ticket, Verb::Ehlo, format!("hello {name}")),
            Event::Mail { from, params, ticket } => (ticket, Verb::Mail, format!("mail {} {params:?}", from.as_str())),
            Event::Rcpt { to, params, ticket } => (ticket, Verb::Rcpt, recipient(to.as_str(), params)),
            Event::Rset { ticket } => (ticket, Verb::Rset, "rset".to_owned()),
            Event::Noop { ticket } => (ticket, Verb::Other, "noop".to_owned()),
            Event::Vrfy { argument, ticket, .. } => (ticket, Verb::Other, format!("vrfy {}", argument.trim())),
            Event::Expn { argument, ticket, .. } => (ticket, Verb::Other, format!("expn {}", argument.trim())),
            Event::Help { topic, ticket } => (ticket, Verb::Other, format!("help {}", topic.trim())),
            Event::Etrn { argument, ticket } => (ticket, Verb::Other, format!("etrn {argument}")),
            Event::Auth { mechanism, initial, ticket } => (
                ticket,
                Verb::Auth,
                format!("auth {mechanism} {:?}", initial.map(<[u8]>::escape_ascii).map(|of| of.to_string())),
            ),
            Event::Response { ticket, .. } => (ticket, Verb::Auth, "response".to_owned()),
            Event::Quit { ticket } => (ticket, Verb::Quit, "quit".to_owned()),
            other @ (Event::StartTls { .. } | Event::Xclient { .. }) => panic!("{other:?} was never said"),
        };
        let said = self.said.pop_front();
        assert_eq!(said.as_deref(), Some(seen.as_str()), "said, and seen");
        let codes: &[u16] = match verb {
            Verb::Ehlo => &[250, 250, 250, 550],
            Verb::Mail => &[250, 250, 250, 250, 451, 550],
            Verb::Rcpt => &[250, 251, 250, 452, 550],
            Verb::Data => &[354, 354, 451],
            Verb::Auth => &[334, 235, 535],
            Verb::Quit => &[221],
            Verb::Rset => &[250],
            _ => &[250, 252, 502, 421],
        };
        let answered = self.answer(ticket, verb, server, codes, out)?;
        match (verb, answered / 100) {
            (Verb::Rcpt, 2) if self.lmtp => self.recipients += 1,
            (Verb::Mail | Verb::Ehlo | Verb::Rset, 2) => self.recipients = 0,
            _ => {}
        }
        if verb == Verb::Ehlo && answered == 250 {
            self.extended = !said.is_some_and(|said| said.is_empty()) && server.is_extended();
        }
        Ok(())
    }

    fn answer(
        &mut self,
        ticket: Ticket,
        verb: Verb,
        server: &mut Server,
        codes: &[u16],
        out: &mut Vec<u8>,
    ) -> Result<u16> {
        let code = *self.u.choose(codes)?;
        let text = *self.u.choose(&TEXTS)?;
        let status = match code {
            334 | 354 => None,
            _ => Some(Enhanced((code / 100) as u8, self.u.int_in_range(0..=999)?, self.u.int_in_range(0..=999)?)),
        };
        let text = if code == 334 { "" } else { text };
        // RFC 2034 section 3: not in a positive answer to EHLO.
        let shown = self.extended && !(verb == Verb::Ehlo && code == 250);
        let seen = status.filter(|_| shown);
        // A challenge is one line of base64; a refusal of 421 ends the session.
        self.answers.push_back(Answer { code, enhanced: seen, text: Some(text) });
        server.reply(ticket, &Reply { code, enhanced: status, text }, out);
        Ok(code)
    }
}

/// A message, with what is special in it more often than chance has it.
fn message<'d>(u: &mut Unstructured<'d>) -> Result<&'d [u8]> {
    const SPECIAL: [&[u8]; 6] =
        [b"a\r\n.\r\nb\r\n", b".\r\n", b"..\r\n.a\r\n", b"x\n.\ny", b"x\r.\ry\r", b"no line end"];
    match u.arbitrary()? {
        true => Ok(*u.choose(&SPECIAL)?),
        false => {
            let len = u.arbitrary_len::<u8>()?.min(64);
            u.bytes(len)
        }
    }
}

/// What the server is to see of a command.
fn meant(command: Command<'_>, offers: &Extensions) -> String {
    let initial = |initial: Option<&str>| initial.map(|octets| octets.as_bytes().escape_ascii().to_string());
    match command {
        Command::Ehlo(name) | Command::Helo(name) | Command::Lhlo(name) => format!("hello {name}"),
        Command::Mail { from, params } => format!("mail {from} {:?}", offered(params, offers)),
        Command::Rcpt { to, mut params } => {
            keep(&mut params.notify, offers.dsn);
            keep(&mut params.orcpt, offers.dsn);
            keep(&mut params.rrvs, offers.rrvs);
            recipient(to, params)
        }
        Command::Data => "data".to_owned(),
        Command::Rset => "rset".to_owned(),
        Command::Noop(_) => "noop".to_owned(),
        Command::Vrfy(argument) => format!("vrfy {}", argument.trim()),
        Command::Expn(argument) => format!("expn {}", argument.trim()),
        Command::Help(topic) => format!("help {}", topic.trim()),
        Command::Etrn(argument) => format!("etrn {argument}"),
        Command::Auth { mechanism, initial: octets } => format!("auth {mechanism} {:?}", initial(octets)),
        Command::Quit => "quit".to_owned(),
        other => format!("{other:?}"),
    }
}

/// ORCPT by the address that is meant: UTF-8 stands as it is or encoded, as the transaction has it.
fn recipient(to: &str, params: RcptParams<'_>) -> String {
    let orcpt = params.orcpt.map(|of| (of.address_type(), of.decode()));
    format!("rcpt {to} {:?} {orcpt:?} {:?}", params.notify, params.rrvs)
}

/// What is said of a message where so much is offered.
fn offered<'a>(mut params: MailParams<'a>, offers: &Extensions) -> MailParams<'a> {
    keep(&mut params.size, offers.size.is_some());
    let binary = params.body == Some(BodyType::BinaryMime);
    keep(&mut params.body, if binary { offers.binary_mime } else { offers.eight_bit_mime });
    params.smtp_utf8 &= offers.smtp_utf8;
    keep(&mut params.auth, !offers.auth.is_empty());
    keep(&mut params.ret, offers.dsn);
    keep(&mut params.envid, offers.dsn);
    params.require_tls &= offers.require_tls;
    keep(&mut params.hold, offers.future_release.is_some());
    keep(&mut params.by, offers.deliver_by.is_some());
    keep(&mut params.priority, offers.mt_priority);
    params
}

fn keep<T: Debug>(value: &mut Option<T>, offered: bool) {
    if !offered {
        *value = None;
    }
}
