//! The server side of POP3.

use alloc::vec::Vec;

use super::command::{self, Bad, Command, Line};
use super::config::{ServerConfig, Utf8};
use super::event::{Answer, Event, Ticket};
use crate::dot::Body;
use crate::line::{Lines, strict};
use crate::machine::{Close, Frame, Instant, Kind, Machine, Patience, Upgrade, Violation, Want};
use crate::sasl::Mechanisms;
use crate::text::{put, put_text, strip_prefix};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Opening,
    /// RFC 1939 section 4; whether USER was taken, so that PASS may follow.
    Authorization {
        user: bool,
    },
    AuthResponse,
    /// RFC 1939 section 5.
    Transaction,
    TlsAccepted,
    Closed(Close),
}

/// The server side of one connection.
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    state: State,
    lines: Lines,
    patience: Patience,
    /// When the login must be done.
    login: Option<Instant>,
    excess: usize,
    mistakes: u16,
    owed: bool,
    secure: bool,
    /// UTF8 was said and taken.
    utf8: bool,
    stopping: bool,
}

impl Server {
    /// A connection just accepted; `secure` if TLS is in place already.
    pub fn new(config: ServerConfig, secure: bool) -> Self {
        Self {
            config,
            state: State::Opening,
            lines: Lines::default(),
            patience: Patience::default(),
            login: None,
            excess: 0,
            mistakes: 0,
            owed: false,
            secure,
            utf8: false,
            stopping: false,
        }
    }

    /// Answers +OK in one line, and thereby decides: to USER that PASS may follow, to PASS
    /// and AUTH that the transaction state begins, to STLS that the layer follows, to QUIT
    /// that the connection closes.
    pub fn ok(&mut self, ticket: Ticket, text: &str, out: &mut Vec<u8>) {
        line("+OK", text, out);
        self.decide(&ticket, true);
    }

    /// Answers -ERR. `text` may start with a response code (RFC 2449 section 8).
    pub fn err(&mut self, ticket: Ticket, text: &str, out: &mut Vec<u8>) {
        line("-ERR", text, out);
        self.decide(&ticket, false);
    }

    /// Answers AUTH with a challenge in base64; the response is an event of its own.
    pub fn challenge(&mut self, ticket: Ticket, challenge: &str, out: &mut Vec<u8>) {
        debug_assert_eq!(ticket.answer, Answer::Login, "only AUTH has challenges");
        put(&[b"+ "], out);
        put_text(challenge, out);
        put(&[b"\r\n"], out);
        self.state = State::AuthResponse;
        self.settled();
    }

    /// Answers CAPA: what the machine knows, then `more`, a capability each.
    pub fn capabilities(&mut self, ticket: Ticket, more: &[&str], out: &mut Vec<u8>) {
        line("+OK", "capabilities follow", out);
        put(&[b"TOP\r\nUIDL\r\nPIPELINING\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n"], out);
        if self.config.tls && !self.secure {
            put(&[b"STLS\r\n"], out);
        }
        if self.may_login() {
            put(&[b"USER\r\n"], out);
            if !self.config.sasl.is_empty() {
                put(&[b"SASL"], out);
                self.config.sasl.write(b" ", out);
                put(&[b"\r\n"], out);
            }
        }
        match self.config.utf8 {
            Utf8::No => {}
            Utf8::Messages => put(&[b"UTF8\r\n"], out),
            Utf8::Names => put(&[b"UTF8 USER\r\n"], out),
        }
        if self.config.lang {
            put(&[b"LANG\r\n"], out);
        }
        for capability in more {
            put_text(capability, out);
            put(&[b"\r\n"], out);
        }
        put(&[b".\r\n"], out);
        self.decide(&ticket, true);
    }

    /// Answers +OK and opens a multi-line response; write it, then end it.
    pub fn begin(&mut self, _: Ticket, text: &str, out: &mut Vec<u8>) -> Body {
        line("+OK", text, out);
        Body::new()
    }

    /// Appends a piece of a multi-line response, dot-stuffed, a bare CR or LF in it as CRLF
    /// (RFC 1939 section 3: lines end in CRLF). LIST and STAT count the octets of a message as
    /// it is stored, which then are fewer than are sent.
    pub fn write(&mut self, body: &mut Body, piece: &[u8], out: &mut Vec<u8>) {
        body.write(piece, out);
    }

    /// Ends a multi-line response.
    pub fn end(&mut self, body: Body, out: &mut Vec<u8>) {
        body.end(out);
        self.settled();
    }

    /// Gives a multi-line response up in the middle: the connection closes, since nothing
    /// else can tell the client that it is not whole.
    pub fn abandon(&mut self, body: Body) {
        drop(body);
        self.state = State::Closed(Close::Done);
        self.settled();
    }

    /// Offers other mechanisms from now on: those that this connection allows, once TLS has told
    /// what it is.
    pub fn set_mechanisms(&mut self, mechanisms: Mechanisms) {
        self.config.sasl = mechanisms;
    }

    /// Whether TLS is in place.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether the client can take UTF-8 in messages: it said UTF8, and was told +OK.
    pub fn is_utf8(&self) -> bool {
        self.utf8
    }

    fn may_login(&self) -> bool {
        self.secure || self.config.login_in_clear
    }

    fn settled(&mut self) {
        self.owed = false;
        self.patience.reset();
    }

    /// What our answer to a command changes.
    fn decide(&mut self, ticket: &Ticket, ok: bool) {
        self.settled();
        self.state = match (ticket.answer, ok) {
            (Answer::Greeting, true) => State::Authorization { user: false },
            (Answer::Greeting, false) | (Answer::Quit, _) => State::Closed(Close::Done),
            (Answer::User, user) => State::Authorization { user },
            (Answer::Login, true) => State::Transaction,
            (Answer::Login, false) => State::Authorization { user: false },
            (Answer::Stls, true) => State::TlsAccepted,
            (Answer::Stls, false) | (Answer::Plain | Answer::Utf8, _) => self.state,
        };
        self.utf8 |= ticket.answer == Answer::Utf8 && ok;
    }

    fn ticket(&mut self, answer: Answer) -> Ticket {
        self.owed = true;
        Ticket { answer }
    }

    fn refuse<'i>(&mut self, text: &str, out: &mut Vec<u8>) -> Event<'i> {
        self.mistakes += 1;
        line("-ERR", text, out);
        let (before, after) = self.config.limits.mistakes;
        let most = if self.state == State::Transaction { after } else { before };
        if self.mistakes >= most {
            self.state = State::Closed(Close::Violation(Violation::Mistakes));
        }
        Event::Refused
    }

    /// Which commands are in order (RFC 1939 sections 4 to 6).
    fn command<'i>(&mut self, bytes: &'i [u8], out: &mut Vec<u8>) -> Event<'i> {
        let Some(bytes) = strict(bytes) else {
            return self.refuse("a line ends in CRLF and holds no other CR, LF or NUL", out);
        };
        let command = match command::parse(bytes) {
            Ok(Line::Command(command)) => command,
            Ok(Line::Auth(mechanism, initial)) => return self.auth(mechanism, initial, out),
            Ok(Line::Mechanisms) => return self.mechanisms(out),
            Err(Bad::Unknown) => return self.refuse("unknown command", out),
            Err(Bad::Arguments) => return self.refuse("bad arguments", out),
            Err(Bad::Number) => return self.refuse("no such message", out),
        };
        let transaction = self.state == State::Transaction;
        let answer = match command {
            Command::Capa => Answer::Plain,
            Command::Quit => Answer::Quit,
            Command::Lang(_) if !self.config.lang => return self.refuse("LANG is not offered here", out),
            Command::Lang(_) => Answer::Plain,
            Command::Utf8 if self.config.utf8 == Utf8::No => return self.refuse("UTF8 is not offered here", out),
            // RFC 6856 section 2: in the authorization state only.
            Command::Utf8 if !transaction => Answer::Utf8,
            Command::Apop { .. } if !self.config.apop => return self.refuse("APOP is not offered here", out),
            Command::User(_) | Command::Pass(_) | Command::Stls | Command::Apop { .. } | Command::Utf8
                if transaction =>
            {
                return self.refuse("you are logged in already", out);
            }
            Command::User(_) | Command::Pass(_) | Command::Apop { .. } if !self.may_login() => {
                return self.refuse_clear(out);
            }
            Command::User(_) => Answer::User,
            Command::Pass(_) if self.state != (State::Authorization { user: true }) => {
                return self.refuse("say USER first", out);
            }
            Command::Pass(_) => Answer::Login,
            Command::Apop { .. } => Answer::Login,
            // RFC 6856 section 2.1: not behind UTF8.
            Command::Stls if self.utf8 => return self.refuse("STLS goes before UTF8", out),
            Command::Stls if self.secure || !self.config.tls => return self.refuse("STLS is not offered here", out),
            Command::Stls => Answer::Stls,
            _ if !transaction => return self.refuse("log in first", out),
            _ => Answer::Plain,
        };
        // PASS is good for the USER just before it, and for no other.
        if !transaction && !matches!(command, Command::Pass(_)) {
            self.state = State::Authorization { user: false };
        }
        Event::Command { command, ticket: self.ticket(answer) }
    }

    fn auth<'i>(&mut self, mechanism: &'i str, initial: Option<&'i [u8]>, out: &mut Vec<u8>) -> Event<'i> {
        let offered = self.config.sasl.has(mechanism);
        match () {
            () if self.state == State::Transaction => self.refuse("you are logged in already", out),
            () if !self.may_login() => self.refuse_clear(out),
            () if self.config.sasl.is_empty() || !offered => self.refuse("unknown mechanism", out),
            () => Event::Auth { mechanism, initial, ticket: self.ticket(Answer::Login) },
        }
    }

    fn mechanisms<'i>(&mut self, out: &mut Vec<u8>) -> Event<'i> {
        if !self.may_login() || self.config.sasl.is_empty() {
            return self.refuse("no mechanisms offered now", out);
        }
        line("+OK", "mechanisms follow", out);
        for name in self.config.sasl.names() {
            put(&[name.as_bytes(), b"\r\n"], out);
        }
        put(&[b".\r\n"], out);
        Event::Refused
    }

    /// RFC 2595 section 2.2: no password in clear.
    fn refuse_clear<'i>(&mut self, out: &mut Vec<u8>) -> Event<'i> {
        let text = if self.config.tls { "encryption is required: STLS first" } else { "encryption is required" };
        self.refuse(text, out)
    }

    fn response<'i>(&mut self, bytes: &'i [u8], out: &mut Vec<u8>) -> Event<'i> {
        self.state = State::Authorization { user: false };
        match strict(bytes) {
            None => self.refuse("a line ends in CRLF and holds no other CR, LF or NUL", out),
            // RFC 5034 section 4: a lone "*" cancels.
            Some(b"*") => self.refuse("authentication was cancelled", out),
            Some(response) => Event::Response { response, ticket: self.ticket(Answer::Login) },
        }
    }

    fn close(&mut self, close: Close) -> Want {
        self.state = State::Closed(close);
        Want::Close(close)
    }

    /// RFC 1939 section 3: autologout closes without a response and without UPDATE.
    fn timed_out(&mut self, now: Instant) -> bool {
        let before_login = self.state != State::Transaction;
        if before_login && now >= *self.login.get_or_insert(now + self.config.limits.login) {
            return true;
        }
        self.patience.expired(now, self.config.limits.idle)
    }
}

impl Machine for Server {
    type Event<'i> = Event<'i>;

    fn poll(&mut self, now: Instant, input: &[u8], _: &mut Vec<u8>) -> Want {
        if let State::Closed(close) = self.state {
            return Want::Close(close);
        }
        if self.owed {
            return Want::App;
        }
        let frame = match self.state {
            State::Closed(close) => return Want::Close(close),
            State::TlsAccepted => return Want::Upgrade(Upgrade::Tls),
            State::Opening => Some(Frame::new(Kind::Open, 0)),
            _ if self.stopping => return self.close(Close::Done),
            State::Authorization { .. } | State::AuthResponse | State::Transaction => {
                let auth = self.state == State::AuthResponse || strip_prefix(input, b"AUTH ").is_some();
                let limits = &self.config.limits;
                self.lines.poll(input, if auth { limits.auth_line } else { limits.line })
            }
        };
        match frame {
            Some(frame) => {
                self.patience.reset();
                Want::Event(frame)
            }
            None if self.timed_out(now) => self.close(Close::Timeout),
            None => Want::Read,
        }
    }

    fn event<'i>(&mut self, frame: Frame, input: &'i [u8], out: &mut Vec<u8>) -> Event<'i> {
        let bytes = frame.of(input);
        match frame.kind {
            Kind::Open => Event::Connect { ticket: self.ticket(Answer::Greeting) },
            Kind::Excess | Kind::ExcessEnd => {
                self.excess = self.excess.saturating_add(bytes.len());
                if self.excess > self.config.limits.excess {
                    line("-ERR", "line far too long", out);
                    self.state = State::Closed(Close::Violation(Violation::TooLong));
                    return Event::Dropped(bytes.len());
                }
                if frame.kind == Kind::Excess {
                    return Event::Dropped(bytes.len());
                }
                if self.state == State::AuthResponse {
                    self.state = State::Authorization { user: false };
                }
                self.refuse("line too long", out)
            }
            Kind::Line if self.state == State::AuthResponse => self.response(bytes, out),
            Kind::Line | Kind::Chunk | Kind::End | Kind::Newline | Kind::Head => self.command(bytes, out),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let login = self.login.filter(|_| self.state != State::Transaction);
        match (self.patience.deadline(), login) {
            (Some(patience), Some(login)) => Some(patience.min(login)),
            (patience, _) => patience,
        }
    }

    fn upgraded(&mut self, _: Upgrade) {
        // RFC 2595 section 4: what was learnt in plaintext is forgotten. The time for the
        // login goes on.
        let fresh = Self::new(self.config, true);
        *self =
            Self { state: State::Authorization { user: false }, stopping: self.stopping, login: self.login, ..fresh };
    }

    fn eof(&mut self) {
        if !matches!(self.state, State::Closed(_)) {
            self.state = State::Closed(Close::Eof);
        }
    }

    fn frame_max(&self) -> usize {
        self.config.limits.auth_line.max(self.config.limits.line)
    }

    fn shut_down(&mut self, _: &mut Vec<u8>) {
        // POP3 has no unasked response: nothing is said, and nothing is deleted.
        self.stopping = true;
    }
}

fn line(status: &str, text: &str, out: &mut Vec<u8>) {
    put(&[status.as_bytes()], out);
    if !text.is_empty() {
        put(&[b" "], out);
        put_text(text, out);
    }
    put(&[b"\r\n"], out);
}
