//! The server side of SMTP, submission and LMTP.
//!
//! All changes of state stand in [`Server::reply`] (what our answers mean), in
//! [`Server::command`] (which commands are in sequence), in [`Server::bdat`] and what follows it
//! (a message in chunks) and in the [`Machine`] methods (framing). The answer decides: what the
//! client is told and what the machine believes are one act.

mod chunks;
mod commands;
mod content;
mod offers;

use alloc::vec::Vec;

use super::command::{self, Loose, Verb};
use super::config::{Protocol, ServerConfig};
use super::event::{Event, Ticket, Tolerated};
use super::refusals as say;
use super::reply::{Enhanced, Reply};
use crate::dot::Unstuff;
use crate::line::Lines;
use crate::machine::{Close, Frame, Instant, Kind, Machine, Pace, Patience, Upgrade, Violation, Want};
use crate::sasl::Mechanisms;
use crate::text::strip_prefix;
use chunks::{Chunking, Held};
use content::Content;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Opening,
    Commands,
    /// 354 was said: the message comes.
    Message,
    /// A chunk of BDAT comes: so many octets more, and whether it is the last.
    Chunk(u64, bool),
    /// 334 was said: the response to a challenge comes.
    AuthResponse,
    TlsAccepted,
    Closed(Close),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Hello {
    None,
    Helo,
    Ehlo,
}

/// The server side of one connection.
///
/// # Pipelining out of turn
/// With [`ServerConfig::forbid_early_pipelining`] a client that speaks before it may is told 554
/// and cut off (RFC 2920 section 3.1). It is seen by octets that are here already when the
/// answer to something is given that ends a group: the greeting, EHLO, DATA, AUTH and each
/// response to it, NOOP, VRFY, EXPN, HELP, ETRN, XCLIENT, an unknown command, and before EHLO (or
/// behind HELO) any command and any end of a message. Behind STARTTLS they close without a word.
///
/// So what is found depends on what the driver has read by then: how octets are cut on their way
/// can hide an early one, but can make no patient client look early. A driver that waits before
/// the greeting shows what comes meanwhile ([`early_talker`](Self::early_talker)).
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    state: State,
    lines: Lines,
    unstuff: Unstuff,
    content: Content,
    /// What a chunk is answered with once its octets are here.
    held: Held,
    chunking: Chunking,
    patience: Patience,
    pace: Pace,
    /// When AUTH must have succeeded.
    login: Option<Instant>,
    /// Octets of the message so far.
    size: u64,
    /// Octets of what is refused, in this transaction.
    discarded: u64,
    /// Octets of lines that were too long.
    excess: usize,
    /// Within such a line.
    in_excess: bool,
    /// Recipients accepted in this transaction.
    recipients: u32,
    /// Messages begun on this connection.
    messages: u32,
    /// Commands that the machine refused.
    mistakes: u16,
    /// Commands that the application refused for good.
    refusals: u16,
    tolerated: Tolerated,
    hello: Hello,
    /// A ticket is out.
    owed: bool,
    secure: bool,
    authenticated: bool,
    /// A transaction is open.
    mail: bool,
    /// It is one with SMTPUTF8.
    utf8: bool,
    /// It is one with BODY=BINARYMIME.
    binary: bool,
    /// What is answered now ends a group of commands: nothing may have come yet.
    last_of_group: bool,
    /// The client spoke before it was greeted.
    early: bool,
    /// The greeting was no 220: only QUIT is carried out.
    refusing: bool,
    /// Say 421 as soon as nothing is owed.
    stopping: bool,
}

impl Server {
    /// A connection just accepted; `secure` if TLS is in place already.
    pub fn new(mut config: ServerConfig, secure: bool) -> Self {
        // RFC 3030 section 3: BINARYMIME can only be used with CHUNKING.
        config.offers.binary_mime &= config.offers.chunking;
        Self {
            config,
            state: State::Opening,
            lines: Lines::default(),
            unstuff: Unstuff::new(),
            content: Content::default(),
            held: Held::Nothing,
            chunking: Chunking::None,
            patience: Patience::default(),
            pace: Pace::default(),
            login: None,
            size: 0,
            discarded: 0,
            excess: 0,
            in_excess: false,
            recipients: 0,
            messages: 0,
            mistakes: 0,
            refusals: 0,
            tolerated: Tolerated::default(),
            hello: Hello::None,
            owed: false,
            secure,
            authenticated: false,
            mail: false,
            utf8: false,
            binary: false,
            last_of_group: false,
            early: false,
            refusing: false,
            stopping: false,
        }
    }

    /// Answers a command, and thereby decides it: a 2yz to MAIL opens the transaction, to
    /// RCPT adds the recipient; 354 to DATA or to the first BDAT takes the message in; 334 to AUTH asks for a
    /// response, 235 authenticates; 220 to STARTTLS asks for the layer; 421 to anything and
    /// any answer to QUIT close; 220 to XCLIENT begins anew. At the end of an LMTP message it is the reply for every
    /// recipient.
    ///
    /// A refusal of the first BDAT is said when its octets have come and were dropped (RFC 3030
    /// section 2); 354 to it is not said at all.
    ///
    /// A 5yz too many ([`Limits::refusals`](super::Limits::refusals)) is followed by a 421,
    /// and closes.
    pub fn reply(&mut self, ticket: Ticket, reply: &Reply<'_>, out: &mut Vec<u8>) {
        let verb = ticket.verb;
        if verb == Verb::Connect && reply.is_positive() && self.early && self.config.forbid_early_pipelining {
            self.owed = false;
            let _ = self.last_words(&say::EARLY, Close::Violation(Violation::Pipelining), out);
            return;
        }
        let silent = verb == Verb::Bdat && reply.code != 421;
        for _ in 0..if silent { 0 } else { ticket.replies } {
            self.say(&ticket, reply, out);
        }
        self.decide(verb, reply);
        if reply.code / 100 == 5 && !matches!(verb, Verb::Connect | Verb::Quit | Verb::Bdat) {
            self.refused(out);
        }
    }

    /// Answers the end of an LMTP message, each recipient by its own reply in the order of
    /// acceptance (RFC 2033 section 4.2).
    ///
    /// # Panics
    /// In debug builds, if there are not as many replies as recipients; else those that lack
    /// are answered 451.
    pub fn replies<'a>(&mut self, ticket: Ticket, replies: impl IntoIterator<Item = Reply<'a>>, out: &mut Vec<u8>) {
        let mut replies = replies.into_iter();
        for _ in 0..ticket.replies {
            let reply = replies.next();
            debug_assert!(reply.is_some(), "a recipient without a reply");
            self.say(&ticket, &reply.unwrap_or(say::LACKING), out);
        }
        debug_assert!(replies.next().is_none(), "a reply without a recipient");
        self.decide(ticket.verb, &Reply::OK);
    }

    /// Offers these mechanisms from now on: before the client says EHLO, or after STARTTLS, when
    /// more is known of it.
    pub fn set_mechanisms(&mut self, mechanisms: Mechanisms) {
        self.config.auth = mechanisms;
    }

    /// Whether the client spoke before it was greeted, as far as the driver has shown it: ask
    /// while the ticket of [`Event::Connect`] is out.
    pub fn early_talker(&self) -> bool {
        self.early
    }

    /// What was tolerated since this was asked last.
    pub fn tolerated(&mut self) -> Tolerated {
        core::mem::take(&mut self.tolerated)
    }

    /// Whether TLS is in place.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether the client said EHLO or LHLO and not HELO.
    pub fn is_extended(&self) -> bool {
        self.hello == Hello::Ehlo
    }

    /// Recipients accepted in this transaction.
    pub fn recipients(&self) -> u32 {
        self.recipients
    }

    fn say(&self, ticket: &Ticket, reply: &Reply<'_>, out: &mut Vec<u8>) {
        let greeting = matches!(ticket.verb, Verb::Connect | Verb::Ehlo | Verb::Helo);
        // RFC 2034 section 3: neither in the greeting nor in the answer to EHLO.
        let enhanced = self.hello == Hello::Ehlo && (!greeting || !reply.is_positive());
        let extends = ticket.verb == Verb::Ehlo && reply.is_positive();
        reply.write(enhanced, !extends, out);
        if extends {
            self.extensions(out);
        }
    }

    fn offers_auth(&self) -> bool {
        !self.config.auth.is_empty() && (self.secure || self.config.auth_in_clear) && !self.authenticated
    }

    /// What our answer to a command changes: one of the places where state is changed.
    fn decide(&mut self, verb: Verb, reply: &Reply<'_>) {
        let positive = reply.is_positive();
        self.owed = false;
        self.patience.reset();
        match verb {
            // RFC 5321 section 3.1: after 554 the client may only say QUIT.
            Verb::Connect => (self.state, self.refusing) = (State::Commands, !positive),
            Verb::Quit => self.state = State::Closed(Close::Done),
            Verb::Helo | Verb::Ehlo if positive => {
                self.hello = if verb == Verb::Ehlo { Hello::Ehlo } else { Hello::Helo };
                self.clear();
            }
            Verb::Mail if positive => {
                self.mail = true;
                self.messages = self.messages.saturating_add(1);
            }
            Verb::Rcpt if positive => self.recipients += 1,
            Verb::Data if reply.code == 354 => {
                self.state = State::Message;
                (self.unstuff, self.content, self.pace) = (Unstuff::new(), Content::default(), Pace::default());
                self.size = 0;
            }
            Verb::Bdat if reply.code == 354 => {
                self.chunking = Chunking::Open;
                (self.content, self.pace, self.size) = (Content::default(), Pace::default(), 0);
            }
            Verb::Bdat => self.held = Held::said(reply),
            // As if the client had just connected, but that it is not greeted again.
            Verb::Xclient if positive => {
                self.hello = Hello::None;
                self.authenticated = false;
                self.clear();
            }
            // After any end of a message its envelope is gone.
            Verb::Message => self.clear(),
            Verb::Rset if positive => self.clear(),
            Verb::Auth if reply.code == 334 => self.state = State::AuthResponse,
            Verb::Auth => {
                self.state = State::Commands;
                self.authenticated = positive;
            }
            Verb::StartTls if positive => self.state = State::TlsAccepted,
            Verb::Helo | Verb::Ehlo | Verb::Mail | Verb::Rcpt | Verb::Data => {}
            Verb::Rset | Verb::StartTls | Verb::Xclient | Verb::Other => {}
        }
        if reply.code == 421 {
            self.state = State::Closed(Close::Done);
        }
    }

    fn clear(&mut self) {
        (self.mail, self.recipients, self.size, self.discarded) = (false, 0, 0, 0);
        (self.chunking, self.utf8, self.binary) = (Chunking::None, false, false);
    }

    fn ticket(&mut self, verb: Verb) -> Ticket {
        self.owed = true;
        let lmtp = self.config.protocol == Protocol::Lmtp && verb == Verb::Message;
        Ticket { verb, replies: if lmtp { self.recipients } else { 1 } }
    }

    /// Answers for the application what it need not be asked about.
    fn refuse<'i>(&mut self, reply: &Reply<'_>, out: &mut Vec<u8>) -> Event<'i> {
        reply.write(self.hello == Hello::Ehlo, true, out);
        self.mistake(out);
        Event::Refused { code: reply.code }
    }

    /// Counts what the machine refused.
    fn mistake(&mut self, out: &mut Vec<u8>) {
        self.mistakes += 1;
        let (before, after) = self.config.limits.mistakes;
        if self.mistakes >= if self.authenticated { after } else { before } {
            self.too_many("too many errors", out);
        }
    }

    /// Counts what the application refused.
    fn refused(&mut self, out: &mut Vec<u8>) {
        self.refusals += 1;
        if self.refusals >= self.config.limits.refusals {
            self.too_many("too many refusals", out);
        }
    }

    fn too_many(&mut self, text: &str, out: &mut Vec<u8>) {
        let farewell = Reply::new(421, Enhanced(4, 7, 0), text);
        let _ = self.last_words(&farewell, Close::Violation(Violation::Mistakes), out);
    }

    /// Octets of a line that is too long. The line is answered once, at its end.
    fn too_long<'i>(&mut self, kind: Kind, part: &[u8], out: &mut Vec<u8>) -> Event<'i> {
        self.excess = self.excess.saturating_add(part.len());
        let first = !core::mem::replace(&mut self.in_excess, kind == Kind::Excess);
        if first && self.state == State::Commands && command::is_bdat(part) {
            return self.bad_chunk(out);
        }
        if self.excess > self.config.limits.excess {
            let _ = self.last_words(&say::FAR, Close::Violation(Violation::TooLong), out);
            return Event::Dropped(part.len());
        }
        if kind == Kind::Excess {
            return Event::Dropped(part.len());
        }
        self.state = State::Commands;
        self.refuse(&Reply::new(500, Enhanced(5, 5, 6), "line too long"), out)
    }

    /// Nothing may follow what is being answered, before it is answered.
    fn ends_group(&mut self, ends: bool) {
        self.last_of_group = ends && self.config.forbid_early_pipelining;
    }

    fn note(&mut self, loose: Loose) {
        self.tolerated.space_after_colon |= loose.space_after_colon;
        self.tolerated.trailing_space |= loose.trailing_space;
        self.tolerated.underscore |= loose.underscore;
    }

    fn last_words(&mut self, reply: &Reply<'_>, close: Close, out: &mut Vec<u8>) -> Want {
        reply.write(self.hello == Hello::Ehlo, true, out);
        self.state = State::Closed(close);
        Want::Close(close)
    }

    /// A wait for the client: tells whether it has taken too long.
    fn timed_out(&mut self, now: Instant) -> bool {
        let limits = &self.config.limits;
        let streams = matches!(self.state, State::Message | State::Chunk(..));
        let slow = streams && self.pace.too_slow(now, limits.data_rate);
        let late = match limits.login {
            Some(limit) if !self.authenticated => now >= *self.login.get_or_insert(now + limit),
            _ => false,
        };
        slow || late || self.patience.expired(now, limits.command)
    }

    /// Octets that the line at the start of the input may have.
    fn line_max(&self, input: &[u8]) -> usize {
        let auth = self.state == State::AuthResponse || strip_prefix(input, b"AUTH ").is_some();
        if auth { self.config.limits.auth_line } else { self.config.limits.line }
    }
}

impl Machine for Server {
    type Event<'i> = Event<'i>;

    fn poll(&mut self, now: Instant, input: &[u8], out: &mut Vec<u8>) -> Want {
        if let State::Closed(close) = self.state {
            return Want::Close(close);
        }
        if self.owed {
            self.early |= self.state == State::Opening && !input.is_empty();
            return Want::App;
        }
        if core::mem::take(&mut self.last_of_group) && !input.is_empty() && self.state != State::TlsAccepted {
            return self.last_words(&say::EARLY, Close::Violation(Violation::Pipelining), out);
        }
        self.pace.woke(now);
        if self.chunk_is_over() {
            self.answer_chunk(out);
        }
        let frame = match self.state {
            State::TlsAccepted => return Want::Upgrade(Upgrade::Tls),
            State::Commands | State::AuthResponse if self.stopping => {
                return self.last_words(&say::STOPPING, Close::Done, out);
            }
            State::Opening => {
                self.early = !input.is_empty();
                Some(Frame::new(Kind::Open, 0))
            }
            State::Message => self.message_frame(input),
            State::Chunk(left, _) => self.chunk_frame(input, left),
            State::Commands | State::AuthResponse => {
                let max = self.line_max(input);
                self.lines.poll(input, max)
            }
            State::Closed(close) => return Want::Close(close),
        };
        if let Some(frame) = frame {
            self.patience.reset();
            return Want::Event(frame);
        }
        if self.timed_out(now) {
            return self.last_words(&Reply::new(421, Enhanced(4, 4, 2), "timeout"), Close::Timeout, out);
        }
        Want::Read
    }

    fn event<'i>(&mut self, frame: Frame, input: &'i [u8], out: &mut Vec<u8>) -> Event<'i> {
        let bytes = frame.of(input);
        self.last_of_group = false;
        match (frame.kind, self.state) {
            (Kind::Open, _) => {
                self.ends_group(true);
                Event::Connect { ticket: self.ticket(Verb::Connect) }
            }
            (Kind::Chunk | Kind::Newline, _) => self.octets(&frame, bytes, out),
            (Kind::Excess, State::Chunk(left, last)) => {
                self.state = State::Chunk(left - frame.len as u64, last);
                self.pace.came(bytes.len());
                self.discard(bytes.len(), out);
                Event::Dropped(bytes.len())
            }
            (Kind::End, State::Chunk(_, last)) => self.end_of_chunk(last, out),
            (Kind::End, _) => {
                self.ends_group(self.hello != Hello::Ehlo);
                self.message(out)
            }
            (Kind::Excess | Kind::ExcessEnd, _) => self.too_long(frame.kind, bytes, out),
            (Kind::Line, State::AuthResponse) => {
                self.ends_group(true);
                self.response(bytes, out)
            }
            (Kind::Line | Kind::Head, _) => self.command(bytes, out),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let login = self.login.filter(|_| !self.authenticated);
        [self.patience.deadline(), self.pace.deadline(), login].into_iter().flatten().min()
    }

    fn upgraded(&mut self, _: Upgrade) {
        // RFC 3207 section 4.2: what was learnt in plaintext is forgotten, but not what the
        // client has cost. The time for the login goes on.
        *self = Self {
            state: State::Commands,
            stopping: self.stopping,
            excess: self.excess,
            messages: self.messages,
            mistakes: self.mistakes,
            refusals: self.refusals,
            login: self.login,
            ..Self::new(self.config, true)
        };
    }

    fn eof(&mut self) {
        if !matches!(self.state, State::Closed(_)) {
            self.state = State::Closed(Close::Eof);
        }
    }

    fn frame_max(&self) -> usize {
        self.config.limits.auth_line.max(self.config.limits.line)
    }

    fn shut_down(&mut self, out: &mut Vec<u8>) {
        self.stopping = true;
        if !self.owed && matches!(self.state, State::Commands | State::AuthResponse) {
            let _ = self.last_words(&say::STOPPING, Close::Done, out);
        }
    }
}
