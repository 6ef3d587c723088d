//! The server side of SMTP, submission and LMTP.
//!
//! All changes of state stand in [`Server::reply`] (what our answers mean), in
//! [`Server::command`] (which commands are in sequence) and in the [`Machine`] methods
//! (framing). The answer decides: what the client is told and what the machine believes are
//! one act.

use alloc::vec::Vec;

use super::command::{self, Bad, Knows, Line, Loose, Verb};
use super::config::{Protocol, ServerConfig};
use super::event::{Event, Ticket, Tolerated};
use super::refusals as say;
use super::reply::{Enhanced, Reply};
use crate::dot::Unstuff;
use crate::line::{Lines, strict};
use crate::machine::{Close, Frame, Instant, Kind, Machine, Pace, Patience, Upgrade, Violation, Want};
use crate::text::{put, put_number, strip_prefix};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Opening,
    Commands,
    /// 354 was said: the message comes.
    Message,
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
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    state: State,
    lines: Lines,
    unstuff: Unstuff,
    patience: Patience,
    pace: Pace,
    /// When AUTH must have succeeded.
    login: Option<Instant>,
    /// Octets of the message so far.
    size: u64,
    /// Octets of lines that were too long.
    excess: usize,
    /// Recipients accepted in this transaction.
    recipients: u32,
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
    /// The greeting was no 220: only QUIT is carried out.
    refusing: bool,
    /// Say 421 as soon as nothing is owed.
    stopping: bool,
}

impl Server {
    /// A connection just accepted; `secure` if TLS is in place already.
    pub fn new(config: ServerConfig, secure: bool) -> Self {
        Self {
            config,
            state: State::Opening,
            lines: Lines::default(),
            unstuff: Unstuff::new(),
            patience: Patience::default(),
            pace: Pace::default(),
            login: None,
            size: 0,
            excess: 0,
            recipients: 0,
            mistakes: 0,
            refusals: 0,
            tolerated: Tolerated::default(),
            hello: Hello::None,
            owed: false,
            secure,
            authenticated: false,
            mail: false,
            refusing: false,
            stopping: false,
        }
    }

    /// Answers a command, and thereby decides it: a 2yz to MAIL opens the transaction, to
    /// RCPT adds the recipient; 354 to DATA takes the message in; 334 to AUTH asks for a
    /// response, 235 authenticates; 220 to STARTTLS asks for the layer; 421 to anything and
    /// any answer to QUIT close. At the end of an LMTP message it is the reply for every
    /// recipient.
    ///
    /// A 5yz too many ([`Limits::refusals`](super::Limits::refusals)) is followed by a 421,
    /// and closes.
    pub fn reply(&mut self, ticket: Ticket, reply: &Reply<'_>, out: &mut Vec<u8>) {
        for _ in 0..ticket.replies {
            self.say(&ticket, reply, out);
        }
        let verb = ticket.verb;
        self.decide(verb, reply);
        if reply.code / 100 == 5 && !matches!(verb, Verb::Connect | Verb::Quit) {
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

    /// The lines of the answer to EHLO after the first (RFC 5321 section 4.1.1.1).
    fn extensions(&self, out: &mut Vec<u8>) {
        put(&[b"250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE "], out);
        put_number(self.config.limits.message, out);
        put(&[b"\r\n"], out);
        if self.config.tls && !self.secure {
            put(&[b"250-STARTTLS\r\n"], out);
        }
        if self.offers_auth() {
            put(&[b"250-AUTH"], out);
            self.config.auth.write(b" ", out);
            put(&[b"\r\n"], out);
        }
        put(&[b"250 ENHANCEDSTATUSCODES\r\n"], out);
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
            Verb::Mail if positive => self.mail = true,
            Verb::Rcpt if positive => self.recipients += 1,
            Verb::Data if reply.code == 354 => {
                self.state = State::Message;
                (self.unstuff, self.pace, self.size) = (Unstuff::new(), Pace::default(), 0);
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
            Verb::Rset | Verb::StartTls | Verb::Other => {}
        }
        if reply.code == 421 {
            self.state = State::Closed(Close::Done);
        }
    }

    fn clear(&mut self) {
        (self.mail, self.recipients, self.size) = (false, 0, 0);
    }

    fn ticket(&mut self, verb: Verb) -> Ticket {
        self.owed = true;
        let lmtp = self.config.protocol == Protocol::Lmtp && verb == Verb::Message;
        Ticket { verb, replies: if lmtp { self.recipients } else { 1 } }
    }

    /// Answers for the application what it need not be asked about.
    fn refuse<'i>(&mut self, reply: &Reply<'_>, out: &mut Vec<u8>) -> Event<'i> {
        self.mistakes += 1;
        reply.write(self.hello == Hello::Ehlo, true, out);
        let (before, after) = self.config.limits.mistakes;
        if self.mistakes >= if self.authenticated { after } else { before } {
            self.too_many("too many errors", out);
        }
        Event::Refused { code: reply.code }
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

    /// Which commands are in sequence (RFC 5321 section 4.1.4).
    fn command<'i>(&mut self, line: &'i [u8], out: &mut Vec<u8>) -> Event<'i> {
        let Some(line) = strict(line) else {
            return self.refuse(&say::BAD_LINE, out);
        };
        let knows = Knows { offers: self.config.offers, auth: !self.config.auth.is_empty() };
        let parsed = command::parse(line, &knows);
        if self.refusing && !matches!(parsed, Ok((Line::Quit, _))) {
            return self.refuse(&say::SEQUENCE, out);
        }
        let line = match parsed {
            Ok((line, loose)) => {
                self.note(loose);
                line
            }
            Err(bad) => {
                let reply = match bad {
                    Bad::Unknown => say::UNKNOWN,
                    Bad::Syntax => say::SYNTAX,
                    Bad::Address => say::ADDRESS,
                    Bad::Param => say::PARAM,
                };
                return self.refuse(&reply, out);
            }
        };
        let lmtp = self.config.protocol == Protocol::Lmtp;
        match line {
            Line::Ehlo(_) | Line::Helo(_) if lmtp => self.refuse(&say::UNKNOWN, out),
            Line::Lhlo(_) if !lmtp => self.refuse(&say::UNKNOWN, out),
            Line::Ehlo(name) | Line::Lhlo(name) => {
                Event::Hello { name, extended: true, ticket: self.ticket(Verb::Ehlo) }
            }
            Line::Helo(name) => Event::Hello { name, extended: false, ticket: self.ticket(Verb::Helo) },
            Line::Noop => Event::Noop { ticket: self.ticket(Verb::Other) },
            Line::Vrfy(argument) => Event::Vrfy { argument, ticket: self.ticket(Verb::Other) },
            Line::Expn(argument) => Event::Expn { argument, ticket: self.ticket(Verb::Other) },
            Line::Help(topic) => Event::Help { topic, ticket: self.ticket(Verb::Other) },
            Line::Rset => Event::Rset { ticket: self.ticket(Verb::Rset) },
            Line::Quit => Event::Quit { ticket: self.ticket(Verb::Quit) },
            Line::StartTls if self.secure || !self.config.tls => self.refuse(&say::NOT_HERE, out),
            Line::StartTls if self.mail => self.refuse(&say::SEQUENCE, out),
            Line::StartTls => Event::StartTls { ticket: self.ticket(Verb::StartTls) },
            Line::Mail(..) | Line::Rcpt(..) | Line::Data | Line::Auth(..) if self.hello == Hello::None => {
                self.refuse(&say::HELLO_FIRST, out)
            }
            Line::Mail(..) if self.mail => self.refuse(&say::SEQUENCE, out),
            Line::Mail(_, params) if params.size.is_some_and(|size| size > self.config.limits.message) => {
                self.refuse(&say::TOO_BIG, out)
            }
            Line::Mail(from, params) => Event::Mail { from, params, ticket: self.ticket(Verb::Mail) },
            Line::Rcpt(..) if !self.mail => self.refuse(&say::SEQUENCE, out),
            Line::Rcpt(..) if self.recipients >= self.config.limits.recipients => {
                // RFC 5321 section 4.5.3.1.10: the client sends the rest in another message.
                Reply::new(452, Enhanced(4, 5, 3), "too many recipients").write(self.hello == Hello::Ehlo, true, out);
                Event::Refused { code: 452 }
            }
            Line::Rcpt(to, params) => Event::Rcpt { to, params, ticket: self.ticket(Verb::Rcpt) },
            Line::Data if !self.mail => self.refuse(&say::SEQUENCE, out),
            // RFC 2033 section 4.2: 503 to DATA without a recipient.
            Line::Data if self.recipients == 0 && lmtp => self.refuse(&say::SEQUENCE, out),
            Line::Data if self.recipients == 0 => self.refuse(&say::NO_RECIPIENTS, out),
            Line::Data => Event::Data { ticket: self.ticket(Verb::Data) },
            Line::Auth(mechanism, initial) => self.auth(mechanism, initial, out),
        }
    }

    fn auth<'i>(&mut self, mechanism: &'i str, initial: Option<&'i [u8]>, out: &mut Vec<u8>) -> Event<'i> {
        let offered = self.config.auth.has(mechanism);
        match () {
            () if self.config.auth.is_empty() => self.refuse(&say::NOT_HERE, out),
            // RFC 4954 section 4: once a session, not within a transaction, after EHLO.
            () if self.authenticated || self.mail || self.hello != Hello::Ehlo => self.refuse(&say::SEQUENCE, out),
            () if !self.secure && !self.config.auth_in_clear => self.refuse(&say::ENCRYPT, out),
            () if !offered => self.refuse(&say::MECHANISM, out),
            () => Event::Auth { mechanism, initial, ticket: self.ticket(Verb::Auth) },
        }
    }

    fn response<'i>(&mut self, line: &'i [u8], out: &mut Vec<u8>) -> Event<'i> {
        self.state = State::Commands;
        match strict(line) {
            None => self.refuse(&say::BAD_LINE, out),
            // RFC 4954 section 4: a lone "*" cancels.
            Some(b"*") => self.refuse(&say::CANCELLED, out),
            Some(response) => Event::Response { response, ticket: self.ticket(Verb::Auth) },
        }
    }

    /// The end of a message: refused here if it cannot be what RFC 5322 wants.
    fn message<'i>(&mut self, out: &mut Vec<u8>) -> Event<'i> {
        self.state = State::Commands;
        let flaws = self.unstuff.flaws();
        let refused = if self.size > self.config.limits.message {
            say::TOO_BIG
        } else if flaws.bare_newline {
            // RFC 5321 section 2.3.8; CVE-2023-51764: a weaker server behind us would read two
            // messages where we read one.
            say::BARE_NEWLINE
        } else if flaws.nul {
            say::NUL
        } else {
            return Event::Message { size: self.size, ticket: self.ticket(Verb::Message) };
        };
        let ticket = self.ticket(Verb::Message);
        self.reply(ticket, &refused, out);
        Event::Rejected { code: refused.code }
    }

    /// Octets of a line that is too long. The line is answered once, at its end.
    fn too_long<'i>(&mut self, kind: Kind, octets: usize, out: &mut Vec<u8>) -> Event<'i> {
        self.excess = self.excess.saturating_add(octets);
        if self.excess > self.config.limits.excess {
            let _ = self.last_words(&say::FAR, Close::Violation(Violation::TooLong), out);
            return Event::Dropped(octets);
        }
        if kind == Kind::Excess {
            return Event::Dropped(octets);
        }
        self.state = State::Commands;
        self.refuse(&Reply::new(500, Enhanced(5, 5, 6), "line too long"), out)
    }

    fn note(&mut self, loose: Loose) {
        self.tolerated.space_after_colon |= loose.space_after_colon;
        self.tolerated.trailing_space |= loose.trailing_space;
    }

    fn last_words(&mut self, reply: &Reply<'_>, close: Close, out: &mut Vec<u8>) -> Want {
        reply.write(self.hello == Hello::Ehlo, true, out);
        self.state = State::Closed(close);
        Want::Close(close)
    }

    /// A wait for the client: tells whether it has taken too long.
    fn timed_out(&mut self, now: Instant) -> bool {
        let limits = &self.config.limits;
        let slow = self.state == State::Message && self.pace.too_slow(now, limits.data_rate);
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
            return Want::App;
        }
        self.pace.woke(now);
        let frame = match self.state {
            State::TlsAccepted => return Want::Upgrade(Upgrade::Tls),
            State::Commands | State::AuthResponse if self.stopping => {
                return self.last_words(&say::STOPPING, Close::Done, out);
            }
            State::Opening => Some(Frame::new(Kind::Open, 0)),
            State::Message => self.unstuff.poll(input),
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
        match (frame.kind, self.state) {
            (Kind::Open, _) => Event::Connect { ticket: self.ticket(Verb::Connect) },
            (Kind::Chunk, _) => {
                self.size = self.size.saturating_add(bytes.len() as u64);
                self.pace.came(bytes.len());
                if self.size > self.config.limits.message {
                    return Event::Dropped(bytes.len());
                }
                self.unstuff.inspect(bytes);
                Event::Chunk(bytes)
            }
            (Kind::End, _) => self.message(out),
            (Kind::Excess | Kind::ExcessEnd, _) => self.too_long(frame.kind, bytes.len(), out),
            (Kind::Line, State::AuthResponse) => self.response(bytes, out),
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
