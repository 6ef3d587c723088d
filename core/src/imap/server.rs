//! The server side of IMAP.
//!
//! All changes of state stand in [`Server::finish`] and its like (what our answers mean), in
//! [`Server::command`] (what is allowed when) and in the [`Machine`] methods (framing).

mod commands;
mod literals;

use alloc::vec::Vec;

use super::command::Tag;
use super::config::ServerConfig;
use super::data::Code;
use super::event::{Answer, Event, Status, Ticket};
use super::frame::Scan;
use crate::line::strict;
use crate::machine::{Close, Frame, Instant, Kind, Machine, Patience, Upgrade, Violation, Want};
use crate::sasl::Mechanisms;
use crate::text::{put, put_text, word};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Opening,
    Commands,
    /// The message of an APPEND.
    Message {
        tag: Tag,
        left: u32,
    },
    /// The line end after the message.
    AfterMessage {
        tag: Tag,
    },
    /// Octets of a literal that was not let in, then the rest of its command, which is no
    /// command of its own.
    Skip {
        left: u64,
    },
    AfterSkip,
    /// The rest of a line that is too long.
    LongLine {
        tag: Option<Tag>,
    },
    AuthResponse {
        tag: Tag,
    },
    Idle {
        tag: Tag,
    },
    TlsAccepted,
    Closed(Close),
}

/// RFC 3501 section 3.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Session {
    NotAuthenticated,
    Authenticated,
    Selected,
}

/// The server side of one connection.
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    state: State,
    session: Session,
    scan: Scan,
    patience: Patience,
    /// When the login must be done.
    login: Option<Instant>,
    /// The literal of the Head or Excess frame that poll found.
    literal: (u64, bool),
    /// Literals of the command at the front of the input.
    literals: u32,
    /// Octets of lines that were too long.
    excess: usize,
    mistakes: u16,
    owed: bool,
    secure: bool,
    stopping: bool,
}

impl Server {
    /// A connection just accepted; `secure` if TLS is in place already.
    pub fn new(config: ServerConfig, secure: bool) -> Self {
        Self {
            config,
            state: State::Opening,
            session: Session::NotAuthenticated,
            scan: Scan::default(),
            patience: Patience::default(),
            login: None,
            literal: (0, false),
            literals: 0,
            excess: 0,
            mistakes: 0,
            owed: false,
            secure,
            stopping: false,
        }
    }

    /// Completes a command, and thereby decides it: OK to the greeting lets commands in, to
    /// LOGIN authenticates, to SELECT selects (and anything else deselects, RFC 3501 section
    /// 6.3.1), to CLOSE and UNSELECT deselects, to STARTTLS asks for the layer. NO to APPEND
    /// refuses its message. LOGOUT says BYE first.
    pub fn finish(&mut self, ticket: Ticket, status: Status, code: Code<'_>, text: &str, out: &mut Vec<u8>) {
        if ticket.answer == Answer::Logout {
            put(&[b"* BYE logging out\r\n"], out);
        }
        let ok = status == Status::Ok;
        // The state first: a CAPABILITY code tells what holds after the command.
        self.decide(ticket.answer, ok);
        match ticket.answer {
            Answer::Greeting => put(&[if ok { b"* OK " } else { b"* BYE " }], out),
            _ => {
                let word: &[u8] = match status {
                    Status::Ok => b" OK ",
                    Status::No => b" NO ",
                    Status::Bad => b" BAD ",
                };
                put(&[ticket.tag.as_bytes(), word], out);
            }
        }
        code.write(|out| self.capabilities(out), out);
        put_text(text, out);
        put(&[b"\r\n"], out);
    }

    /// Answers CAPABILITY.
    pub fn capability(&mut self, ticket: Ticket, out: &mut Vec<u8>) {
        put(&[b"* CAPABILITY"], out);
        self.capabilities(out);
        put(&[b"\r\n"], out);
        self.finish(ticket, Status::Ok, Code::None, "done", out);
    }

    /// Lets APPEND's message in: its octets are events, then [`Event::Appended`].
    pub fn accept(&mut self, ticket: Ticket, out: &mut Vec<u8>) {
        let Answer::Append { octets, sync } = ticket.answer else {
            debug_assert!(false, "accept is for APPEND");
            return self.finish(ticket, Status::No, Code::None, "not accepted", out);
        };
        if sync {
            put(&[b"+ go ahead\r\n"], out);
        }
        self.state = State::Message { tag: ticket.tag, left: octets };
        self.settled();
    }

    /// Answers AUTHENTICATE with a challenge in base64; the response is an event of its own.
    pub fn challenge(&mut self, ticket: Ticket, challenge: &str, out: &mut Vec<u8>) {
        debug_assert_eq!(ticket.answer, Answer::Login, "only AUTHENTICATE has challenges");
        put(&[b"+ "], out);
        put_text(challenge, out);
        put(&[b"\r\n"], out);
        self.state = State::AuthResponse { tag: ticket.tag };
        self.settled();
    }

    /// Lets IDLE begin: until [`Event::Done`] untagged data may be written unasked.
    pub fn idle(&mut self, ticket: Ticket, out: &mut Vec<u8>) {
        debug_assert_eq!(ticket.answer, Answer::Idle, "idle is for IDLE");
        put(&[b"+ idling\r\n"], out);
        self.state = State::Idle { tag: ticket.tag };
        self.settled();
    }

    /// Whether the client is in IDLE, so that data may be written unasked.
    pub fn is_idling(&self) -> bool {
        matches!(self.state, State::Idle { .. })
    }

    /// Says BYE and closes, whatever is under way.
    pub fn bye(&mut self, code: Code<'_>, text: &str, out: &mut Vec<u8>) {
        put(&[b"* BYE "], out);
        code.write(|out| self.capabilities(out), out);
        put_text(text, out);
        put(&[b"\r\n"], out);
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

    fn may_login(&self) -> bool {
        self.secure || self.config.login_in_clear
    }

    /// Appends each capability with a space before it.
    fn capabilities(&self, out: &mut Vec<u8>) {
        put(&[b" IMAP4rev1 SASL-IR ID ENABLE"], out);
        if self.session > Session::NotAuthenticated {
            put(&[b" LITERAL+ IDLE NAMESPACE CHILDREN SPECIAL-USE UIDPLUS MOVE UNSELECT"], out);
            return;
        }
        // RFC 7888 section 5: only small literals may come unasked before login.
        put(&[b" LITERAL-"], out);
        if self.config.tls && !self.secure {
            put(&[b" STARTTLS"], out);
        }
        if !self.may_login() {
            put(&[b" LOGINDISABLED"], out);
        } else {
            self.config.sasl.write(b" AUTH=", out);
        }
    }

    /// What our answer to a command changes.
    fn decide(&mut self, answer: Answer, ok: bool) {
        self.settled();
        match answer {
            Answer::Greeting if ok => self.state = State::Commands,
            Answer::Greeting | Answer::Logout => self.state = State::Closed(Close::Done),
            Answer::Login if ok => self.session = Session::Authenticated,
            Answer::Select if ok => self.session = Session::Selected,
            Answer::Select => self.session = Session::Authenticated,
            Answer::Deselect if ok => self.session = Session::Authenticated,
            Answer::StartTls if ok => self.state = State::TlsAccepted,
            // RFC 7888 section 4: the octets come though nobody wants them.
            Answer::Append { octets, sync: false } => self.state = State::Skip { left: octets.into() },
            Answer::Append { .. } | Answer::Login | Answer::Deselect | Answer::StartTls => {}
            Answer::Plain | Answer::Idle => {}
        }
    }

    fn settled(&mut self) {
        self.owed = false;
        self.patience.reset();
    }

    fn ticket(&mut self, tag: Tag, answer: Answer) -> Ticket {
        self.owed = true;
        Ticket { tag, answer }
    }

    fn side<T>(&self, (before, after): (T, T)) -> T {
        if self.session == Session::NotAuthenticated { before } else { after }
    }

    fn bad<'i>(&mut self, tag: Option<Tag>, text: &str, out: &mut Vec<u8>) -> Event<'i> {
        self.refuse(tag, Status::Bad, Code::None, text, out)
    }

    /// Answers for the application what it need not be asked about.
    fn refuse<'i>(
        &mut self,
        tag: Option<Tag>,
        status: Status,
        code: Code<'_>,
        text: &str,
        out: &mut Vec<u8>,
    ) -> Event<'i> {
        let tag = tag.as_ref().map_or(&b"*"[..], Tag::as_bytes);
        put(&[tag, if status == Status::No { b" NO " } else { b" BAD " }], out);
        code.write(|out| self.capabilities(out), out);
        put_text(text, out);
        put(&[b"\r\n"], out);
        self.mistakes += 1;
        if self.mistakes >= self.side(self.config.limits.mistakes) {
            self.last_words("too many bad commands", Close::Violation(Violation::Mistakes), out);
        }
        Event::Refused
    }

    fn last_words(&mut self, text: &str, close: Close, out: &mut Vec<u8>) {
        put(&[b"* BYE "], out);
        put_text(text, out);
        put(&[b"\r\n"], out);
        self.state = State::Closed(close);
    }

    fn timed_out(&mut self, now: Instant) -> bool {
        let late = self.session == Session::NotAuthenticated
            && now >= *self.login.get_or_insert(now + self.config.limits.login);
        late || self.patience.expired(now, self.config.limits.idle)
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
        match self.state {
            State::Message { left: 0, tag } => self.state = State::AfterMessage { tag },
            State::Skip { left: 0 } => self.state = State::AfterSkip,
            _ => {}
        }
        let frame = match self.state {
            State::Closed(close) => return Want::Close(close),
            State::TlsAccepted => return Want::Upgrade(Upgrade::Tls),
            State::Opening => Some(Frame::new(Kind::Open, 0)),
            State::Commands | State::Idle { .. } | State::AuthResponse { .. } if self.stopping => {
                self.last_words("shutting down", Close::Done, out);
                return Want::Close(Close::Done);
            }
            State::Message { left, .. } => chunk(input, left.into()),
            State::Skip { left } => chunk(input, left),
            State::LongLine { .. } => self.poll_long_line(input),
            State::Commands
            | State::AfterSkip
            | State::AfterMessage { .. }
            | State::AuthResponse { .. }
            | State::Idle { .. } => self.poll_command(input, out),
        };
        if let Some(frame) = frame {
            self.patience.reset();
            return Want::Event(frame);
        }
        if let State::Closed(close) = self.state {
            return Want::Close(close);
        }
        if self.timed_out(now) {
            self.last_words("autologout", Close::Timeout, out);
            return Want::Close(Close::Timeout);
        }
        Want::Read
    }

    fn event<'i>(&mut self, frame: Frame, input: &'i [u8], out: &mut Vec<u8>) -> Event<'i> {
        let bytes = frame.of(input);
        match (frame.kind, self.state) {
            (Kind::Open, _) => Event::Connect { ticket: self.ticket(Tag::GREETING, Answer::Greeting) },
            (Kind::Chunk, State::Message { tag, left }) => {
                self.state = State::Message { tag, left: left - bytes.len() as u32 };
                Event::Chunk(bytes)
            }
            (Kind::Chunk, State::Skip { left }) => {
                self.state = State::Skip { left: left - bytes.len() as u64 };
                Event::Dropped(bytes.len())
            }
            (Kind::ExcessEnd, _) => self.long_line_ended(bytes, out),
            (Kind::Excess, State::LongLine { .. }) => self.long_line_goes_on(bytes.len(), out),
            (Kind::Head, State::Commands) => self.append(bytes, out),
            (Kind::Excess, State::Commands) => self.excess(bytes, out),
            (_, State::AfterMessage { tag }) => {
                self.state = State::Commands;
                match bytes {
                    b"\r\n" => Event::Appended { ticket: self.ticket(tag, Answer::Plain) },
                    _ => self.after(frame.kind, tag, "a line end is due after the message", out),
                }
            }
            (_, State::AfterSkip) => {
                self.state = State::Commands;
                self.skip_on(frame.kind);
                Event::Dropped(bytes.len())
            }
            (_, State::Idle { tag }) => {
                self.state = State::Commands;
                match strict(bytes) {
                    Some(done) if done.eq_ignore_ascii_case(b"DONE") => {
                        Event::Done { ticket: self.ticket(tag, Answer::Plain) }
                    }
                    _ => self.after(frame.kind, tag, "IDLE ends with DONE", out),
                }
            }
            (_, State::AuthResponse { tag }) => {
                self.state = State::Commands;
                match strict(bytes) {
                    // RFC 3501 section 6.2.2: a lone "*" cancels.
                    Some(b"*") => self.bad(Some(tag), "authentication was cancelled", out),
                    Some(response) => Event::Response { response, ticket: self.ticket(tag, Answer::Login) },
                    None => self.after(frame.kind, tag, "a response is a line of base64", out),
                }
            }
            _ => self.command(bytes, out),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let login = self.login.filter(|_| self.session == Session::NotAuthenticated);
        match (self.patience.deadline(), login) {
            (Some(patience), Some(login)) => Some(patience.min(login)),
            (patience, _) => patience,
        }
    }

    fn upgraded(&mut self, upgrade: Upgrade) {
        match upgrade {
            // RFC 3501 section 6.2.1: what was learnt in plaintext is forgotten. The time for
            // the login goes on.
            Upgrade::Tls => {
                let fresh = Self::new(self.config, true);
                *self = Self { state: State::Commands, stopping: self.stopping, login: self.login, ..fresh };
            }
            Upgrade::Deflate => self.state = State::Commands,
        }
    }

    fn eof(&mut self) {
        if !matches!(self.state, State::Closed(_)) {
            self.state = State::Closed(Close::Eof);
        }
    }

    fn frame_max(&self) -> usize {
        let limits = &self.config.limits;
        self.side(limits.command).max(self.side(limits.line))
    }

    fn shut_down(&mut self, out: &mut Vec<u8>) {
        self.stopping = true;
        if !self.owed && matches!(self.state, State::Commands | State::Idle { .. } | State::AuthResponse { .. }) {
            self.last_words("shutting down", Close::Done, out);
        }
    }
}

/// A command's tag and what follows its space.
fn split(line: &[u8]) -> (Option<Tag>, &[u8]) {
    let (tag, rest) = word(line);
    (Tag::new(tag), rest)
}

fn chunk(input: &[u8], left: u64) -> Option<Frame> {
    let len = left.min(input.len() as u64) as usize;
    (len > 0).then(|| Frame::new(Kind::Chunk, len))
}
