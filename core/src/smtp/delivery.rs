//! One message to one server: an envelope in, a verdict for each recipient out.
//!
//! A pure machine above [`Client`], fed with its notices. It says EHLO (and HELO where that
//! is not known), secures the connection as its policy asks, sends the envelope in as few
//! round trips as PIPELINING allows, asks for the message's octets, and knows at any moment
//! what is decided: a connection that breaks leaves the rest undecided, and nothing is
//! called delivered that the server did not take.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::client::{Client, Notice};
use super::command::Verb;
use super::params::{BodyType, MailParams, RcptParams};
use super::reply::{Enhanced, ReplyLines};
use super::request::{Command, SendError};
use crate::dot::Body;
use crate::text::put_printable;

/// What is to be delivered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Envelope {
    /// The reverse-path without brackets; empty for null.
    pub sender: String,
    /// Forward-paths without brackets.
    pub recipients: Vec<String>,
    /// Octets of the message.
    pub size: u64,
    /// Whether an octet of it has its high bit set: then it goes to no server that lacks
    /// 8BITMIME (RFC 6152 section 3).
    pub eight_bit: bool,
}

/// How to speak to the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Options {
    /// Our name for EHLO.
    pub hello: String,
    /// LHLO, and a verdict per recipient (RFC 2033).
    pub lmtp: bool,
    /// STARTTLS.
    pub tls: TlsPolicy,
    /// AUTH, once secured as `tls` asks.
    pub auth: Option<Auth>,
}

/// When to say STARTTLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TlsPolicy {
    /// Never: it is in place already, or not wanted.
    None,
    /// If it is offered (RFC 7435).
    Opportunistic,
    /// Or not at all: what is not offered defers the message.
    Required,
}

/// An authentication whose mechanism sends all it has first (PLAIN).
#[derive(Clone, Eq, PartialEq)]
pub struct Auth {
    /// The mechanism.
    pub mechanism: &'static str,
    /// The initial response in base64.
    pub initial: String,
}

impl core::fmt::Debug for Auth {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Auth({} ..)", self.mechanism)
    }
}

/// What became of one recipient.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The server is responsible now.
    Delivered,
    /// Try again later: a 4yz, or there was no answer.
    Deferred(Said),
    /// Never: a 5yz, or the server lacks what the message needs.
    Failed(Said),
}

/// Why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Said {
    /// The reply's code; 0 if the words are our own.
    pub code: u16,
    /// The enhanced status code, made from the reply's class if it gave none.
    pub status: Enhanced,
    /// The reply, its lines parted by a space, printable ASCII; at most [`SAID_MAX`] octets.
    pub text: String,
}

/// Octets of a reply that are kept.
pub const SAID_MAX: usize = 512;

/// What a delivery wants of its owner.
#[must_use]
#[derive(Debug, Eq, PartialEq)]
pub enum Progress {
    /// Nothing: it waits for the server.
    Go,
    /// The message: [`Delivery::write`] its octets, then [`Delivery::end`].
    Message,
    /// Nothing more: all verdicts are in. QUIT is said; the connection may be driven to its
    /// end or dropped.
    Finished,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Greeting,
    Hello {
        helo: bool,
    },
    StartTls,
    Auth,
    /// MAIL, RCPT and DATA are being sent and answered.
    Envelope,
    Message,
    /// The dot is sent.
    Ended,
    Finished,
}

/// See the module.
#[derive(Debug)]
pub struct Delivery {
    envelope: Envelope,
    options: Options,
    stage: Stage,
    secured: bool,
    verdicts: Vec<Option<Verdict>>,
    /// Commands of the envelope sent so far: 0 none, 1 MAIL, then one per recipient.
    sent: usize,
    /// RCPTs answered.
    answered: usize,
    data_sent: bool,
    /// Recipients accepted, in order: whom the LMTP replies are for.
    accepted: Vec<usize>,
    /// LMTP replies seen.
    replied: usize,
    body: Option<Body>,
    /// The greeting, EHLO or HELO was refused.
    refused_us: bool,
}

impl Delivery {
    /// A delivery over a connection just made. `secured` if TLS is in place already.
    pub fn new(envelope: Envelope, options: Options, secured: bool) -> Self {
        let verdicts = alloc::vec![None; envelope.recipients.len()];
        Self {
            envelope,
            options,
            stage: Stage::Greeting,
            secured,
            verdicts,
            sent: 0,
            answered: 0,
            data_sent: false,
            accepted: Vec::new(),
            replied: 0,
            body: None,
            refused_us: false,
        }
    }

    /// Takes what the client machine noticed, and says what follows from it.
    pub fn on(&mut self, notice: Notice<'_>, client: &mut Client, out: &mut Vec<u8>) -> Progress {
        match notice {
            Notice::Reply { verb, reply, .. } => self.reply(verb, reply, client, out),
            Notice::Proceed { body } => self.proceed(body, client, out),
            Notice::Secured => {
                self.secured = true;
                self.hello(false, client, out);
            }
            Notice::Challenge { .. } => {
                // PLAIN has no challenges: this server does not speak it.
                self.refuse_all(&ours(Enhanced(5, 7, 0), "unexpected challenge"), true);
                client.shut_down_now();
            }
            Notice::Closing { reply } => self.refuse_all(&said(reply), false),
        }
        self.progress()
    }

    /// Appends a piece of the message.
    pub fn write(&mut self, piece: &[u8], client: &mut Client, out: &mut Vec<u8>) {
        if let Some(body) = &mut self.body {
            client.write(body, piece, out);
        }
    }

    /// Ends the message.
    pub fn end(&mut self, client: &mut Client, out: &mut Vec<u8>) {
        if let Some(body) = self.body.take() {
            client.end(body, out);
            self.stage = Stage::Ended;
        }
    }

    /// Gives up: the message cannot be read, or time is up. What is undecided is deferred.
    pub fn abandon(&mut self, why: &str, client: &mut Client) {
        if let Some(body) = self.body.take() {
            client.abandon(body);
        }
        self.closed(why);
    }

    /// The connection is over. What is undecided is deferred.
    pub fn closed(&mut self, why: &str) {
        self.refuse_all(&ours(Enhanced(4, 4, 2), why), false);
    }

    /// The verdict for each recipient of the envelope, in its order; none while undecided.
    pub fn verdicts(&self) -> &[Option<Verdict>] {
        &self.verdicts
    }

    /// Whether the server refused us and not the message: its greeting, or its answer to EHLO,
    /// HELO or LHLO, was negative. A [`Verdict::Failed`] then holds for this host alone, and
    /// another host of the domain may take the message (RFC 5321 section 5.1: each is tried in
    /// order); it is final where no other host is left.
    pub fn refused_us(&self) -> bool {
        self.refused_us
    }

    /// The envelope.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    fn progress(&self) -> Progress {
        match self.stage {
            Stage::Message => Progress::Message,
            Stage::Finished => Progress::Finished,
            _ => Progress::Go,
        }
    }

    /// All changes of stage that a reply makes.
    fn reply(&mut self, verb: Verb, reply: ReplyLines<'_>, client: &mut Client, out: &mut Vec<u8>) {
        let positive = reply.is_positive();
        match (verb, self.stage) {
            (Verb::Connect, Stage::Greeting) if positive => self.hello(false, client, out),
            (Verb::Ehlo | Verb::Helo, Stage::Hello { .. }) if positive => self.greeted(client, out),
            // RFC 5321 section 3.2: a server of old knows HELO only.
            (Verb::Ehlo, Stage::Hello { helo: false }) if reply.code / 100 == 5 && !self.options.lmtp => {
                self.hello(true, client, out);
            }
            // The layer follows; then Secured.
            (Verb::StartTls, Stage::StartTls) if positive => {}
            (Verb::StartTls, Stage::StartTls) if self.options.tls == TlsPolicy::Opportunistic => {
                self.options.tls = TlsPolicy::None;
                self.greeted(client, out);
            }
            (Verb::StartTls, Stage::StartTls) => {
                // Required: a refusal today may be a fault that is mended tomorrow.
                self.refuse_all(&Said { status: Enhanced(4, 7, 10), ..said(reply) }, false);
                self.quit(client, out);
            }
            (Verb::Auth, Stage::Auth) if positive => self.begin(client, out),
            (Verb::Mail, Stage::Envelope) if positive => self.send_more(client, out),
            (Verb::Rcpt, Stage::Envelope) => self.recipient(reply, client, out),
            (Verb::Data, Stage::Envelope) => {
                // The server refused DATA: for a lack of recipients, or for all of them.
                self.refuse_all(&said(reply), reply.code / 100 == 5);
                self.quit(client, out);
            }
            (Verb::Message, Stage::Ended) => self.message(reply, client, out),
            (Verb::Quit, _) => self.stage = Stage::Finished,
            (_, Stage::Finished) => {}
            _ => {
                // Greeting, EHLO, AUTH or MAIL was refused: that is the verdict for all.
                self.refused_us = matches!(self.stage, Stage::Greeting | Stage::Hello { .. });
                self.refuse_all(&said(reply), reply.code / 100 == 5);
                self.quit(client, out);
            }
        }
    }

    fn hello(&mut self, helo: bool, client: &mut Client, out: &mut Vec<u8>) {
        self.stage = Stage::Hello { helo };
        let name = self.options.hello.as_str();
        let command = match (self.options.lmtp, helo) {
            (true, _) => Command::Lhlo(name),
            (false, true) => Command::Helo(name),
            (false, false) => Command::Ehlo(name),
        };
        let sent = client.send(command, out);
        self.check(sent, "our host name is no domain");
    }

    /// EHLO was answered: secure the connection first, if that is the policy.
    fn greeted(&mut self, client: &mut Client, out: &mut Vec<u8>) {
        let offered = client.extensions().start_tls;
        match self.options.tls {
            _ if self.secured => {}
            TlsPolicy::None => {}
            TlsPolicy::Opportunistic if !offered => {}
            TlsPolicy::Required if !offered => {
                self.refuse_all(&ours(Enhanced(4, 7, 10), "the server offers no STARTTLS, and TLS is required"), false);
                return self.quit(client, out);
            }
            TlsPolicy::Opportunistic | TlsPolicy::Required => {
                self.stage = Stage::StartTls;
                let sent = client.send(Command::StartTls, out);
                return self.check(sent, "STARTTLS could not be sent");
            }
        }
        let Some(auth) = &self.options.auth else {
            return self.begin(client, out);
        };
        self.stage = Stage::Auth;
        let sent = client.send(Command::Auth { mechanism: auth.mechanism, initial: Some(&auth.initial) }, out);
        self.check(sent, "AUTH could not be sent");
    }

    /// Begins the envelope, unless the server cannot take the message.
    fn begin(&mut self, client: &mut Client, out: &mut Vec<u8>) {
        let offers = client.extensions();
        if offers.size.is_some_and(|most| most > 0 && self.envelope.size > most) {
            self.refuse_all(&ours(Enhanced(5, 3, 4), "the message is over the server's size limit"), true);
            return self.quit(client, out);
        }
        if self.envelope.eight_bit && !offers.eight_bit_mime {
            self.refuse_all(&ours(Enhanced(5, 6, 3), "the message has 8-bit octets and the server no 8BITMIME"), true);
            return self.quit(client, out);
        }
        self.stage = Stage::Envelope;
        let body = if self.envelope.eight_bit { Some(BodyType::EightBitMime) } else { None };
        let params = MailParams::new(Some(self.envelope.size), body);
        let sent = client.send(Command::Mail { from: &self.envelope.sender, params }, out);
        self.sent = 1;
        match sent {
            Err(SendError::Argument) => {
                self.refuse_all(&ours(Enhanced(5, 1, 7), "the sender's address is not valid"), true);
                self.quit(client, out);
            }
            _ => self.send_more(client, out),
        }
    }

    /// Sends as much of the envelope as may be sent now.
    fn send_more(&mut self, client: &mut Client, out: &mut Vec<u8>) {
        while client.may_send() && self.stage == Stage::Envelope {
            let index = self.sent - 1;
            if let Some(recipient) = self.envelope.recipients.get(index) {
                self.sent += 1;
                if client.send(Command::Rcpt { to: recipient, params: RcptParams::default() }, out).is_err() {
                    let said = ours(Enhanced(5, 1, 3), "the recipient's address is not valid");
                    self.verdicts[index] = Some(Verdict::Failed(said));
                }
                continue;
            }
            if self.data_sent {
                return;
            }
            let undecided = self.verdicts.iter().any(Option::is_none);
            if !undecided {
                return self.quit(client, out);
            }
            // With PIPELINING, DATA goes before the answers to RCPT are known.
            self.data_sent = client.send(Command::Data, out).is_ok();
            return;
        }
    }

    fn recipient(&mut self, reply: ReplyLines<'_>, client: &mut Client, out: &mut Vec<u8>) {
        // RCPTs are answered in order; those that were never sent are decided already.
        while self.verdicts.get(self.answered).is_some_and(Option::is_some) {
            self.answered += 1;
        }
        let index = self.answered;
        self.answered += 1;
        match reply.code / 100 {
            2 => self.accepted.push(index),
            class => {
                if let Some(verdict) = self.verdicts.get_mut(index) {
                    *verdict = Some(refused(said(reply), class == 5));
                }
            }
        }
        self.send_more(client, out);
    }

    fn proceed(&mut self, body: Body, client: &mut Client, out: &mut Vec<u8>) {
        if self.accepted.is_empty() {
            // RFC 2920 section 3.1: DATA went with the RCPTs, all were refused, and the server
            // wants a message all the same: an empty one.
            client.end(body, out);
            self.stage = Stage::Ended;
            return;
        }
        self.body = Some(body);
        self.stage = Stage::Message;
    }

    fn message(&mut self, reply: ReplyLines<'_>, client: &mut Client, out: &mut Vec<u8>) {
        let verdict = match reply.is_positive() {
            true => Verdict::Delivered,
            false => refused(said(reply), reply.code / 100 == 5),
        };
        let whose = match self.options.lmtp {
            true => self.accepted.get(self.replied..=self.replied).unwrap_or_default(),
            false => &self.accepted[..],
        };
        for &index in whose {
            self.verdicts[index] = Some(verdict.clone());
        }
        self.replied += 1;
        if !self.options.lmtp || self.replied >= self.accepted.len() {
            self.quit(client, out);
        }
    }

    fn quit(&mut self, client: &mut Client, out: &mut Vec<u8>) {
        self.stage = Stage::Finished;
        // With answers still out it may not be sent; then the connection is just closed.
        let _ = client.send(Command::Quit, out);
    }

    /// Decides whatever is undecided.
    fn refuse_all(&mut self, said: &Said, forever: bool) {
        for verdict in self.verdicts.iter_mut().filter(|verdict| verdict.is_none()) {
            *verdict = Some(refused(said.clone(), forever));
        }
        self.stage = Stage::Finished;
    }

    fn check<T>(&mut self, sent: Result<T, SendError>, why: &str) {
        if sent.is_err() {
            self.refuse_all(&ours(Enhanced(4, 3, 5), why), false);
        }
    }
}

fn refused(said: Said, forever: bool) -> Verdict {
    if forever { Verdict::Failed(said) } else { Verdict::Deferred(said) }
}

fn ours(status: Enhanced, text: &str) -> Said {
    Said { code: 0, status, text: text.to_owned() }
}

/// A reply, kept for the log and the bounce.
fn said(reply: ReplyLines<'_>) -> Said {
    let mut text = Vec::new();
    for (index, line) in reply.lines().enumerate() {
        if index > 0 {
            text.push(b' ');
        }
        let room = SAID_MAX.saturating_sub(text.len());
        put_printable(&line[..line.len().min(room)], &mut text);
        if text.len() >= SAID_MAX {
            break;
        }
    }
    let class = (reply.code / 100) as u8;
    let status = reply.enhanced().unwrap_or(Enhanced(class, 0, 0));
    Said { code: reply.code, status, text: String::from_utf8(text).unwrap_or_default() }
}
