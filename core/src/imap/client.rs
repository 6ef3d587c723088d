//! The client side of IMAP.
//!
//! All changes of state stand in [`Client::send`] and its like (what we say), in
//! `answers` (what the server's answers mean), and in the [`Machine`] methods (framing).

mod answers;
mod framing;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use super::capabilities::Capabilities;
use super::command::Tag;
use super::config::ClientLimits;
use super::frame::{Found, Scan};
use super::notice::{MessageLiteral, Notice};
use super::request::{Request, SendError, Verb};
use super::writer::Writer;
use crate::machine::{Close, Frame, Instant, Kind, Machine, Patience, Upgrade, Violation, Want};
use crate::text::{is_base64, put};

/// How long an IDLE may last before it is to be ended with [`Client::done`] and said anew:
/// 29 minutes, as servers log out who is silent for 30 (RFC 2177 section 3).
pub const IDLE_RENEW: Duration = Duration::from_secs(29 * 60);

/// The client side of one connection.
pub struct Client {
    limits: ClientLimits,
    state: State,
    /// Commands not yet complete: at most `limits.outstanding`.
    sent: VecDeque<Sent>,
    /// Octets of them.
    unanswered: usize,
    /// The number in the tag of the last command.
    last: u32,
    /// What is not yet said of the last command: at most `limits.command` octets, which
    /// begin with the literal or the response that the server is to ask for.
    held: Vec<u8>,
    /// Octets of the literal at their front.
    literal: usize,
    capabilities: Capabilities,
    /// The capabilities were told while a login was under way, and so hold after it.
    told_in_login: bool,
    scan: Scan,
    /// The literals of the response that is coming are not to be streamed.
    inline: bool,
    /// The message of the FETCH response of which a literal is or was streamed.
    message: Option<u32>,
    /// Octets that this literal lacks.
    left: u32,
    patience: Patience,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    number: u32,
    verb: Verb,
    octets: u32,
    keeps_numbers: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Greeting,
    Open,
    /// The server is to ask for what the last command owes.
    Owing(Owed),
    /// The message of an APPEND need not be asked for.
    MessageDue {
        octets: u32,
    },
    Message,
    Challenged,
    Idling,
    /// BYE was said in answer to LOGOUT.
    Leaving,
    Tls,
    Secured,
    Closed(Close),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Owed {
    /// The literal at the front of what is held.
    Literal,
    Message {
        octets: u32,
    },
    Response,
    Idle,
}

/// Shows nothing of what is held: a password may be among it.
impl core::fmt::Debug for Client {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Client").field("state", &self.state).field("sent", &self.sent).finish_non_exhaustive()
    }
}

/// Octets of commands that may be unanswered, as for SMTP: less than any socket buffer, so
/// that two blocking sides never wait for each other to read.
const WINDOW: usize = 4096;

impl Client {
    /// A connection just made: the greeting is the first notice.
    pub fn new(limits: ClientLimits) -> Self {
        Self {
            limits,
            state: State::Greeting,
            sent: VecDeque::new(),
            unanswered: 0,
            last: 0,
            held: Vec::new(),
            literal: 0,
            capabilities: Capabilities::default(),
            told_in_login: false,
            scan: Scan::default(),
            inline: false,
            message: None,
            left: 0,
            patience: Patience::default(),
        }
    }

    /// Whether some command may be sent now: not while the last one is still being said, nor
    /// behind one that changes what can be said (STARTTLS, AUTHENTICATE, LOGIN, LOGOUT, an
    /// IDLE); others within the limits and a window of 4096 octets.
    ///
    /// A command with sequence numbers waits, besides, for all that may shift them (RFC 3501
    /// section 5.5); [`send`](Self::send) tells.
    pub fn may_send(&self) -> bool {
        let ends = |sent: &Sent| {
            matches!(sent.verb, Verb::StartTls | Verb::Authenticate | Verb::Login | Verb::Logout | Verb::Idle)
        };
        let room = self.sent.len() < self.limits.outstanding && self.unanswered < WINDOW;
        self.state == State::Open && room && !self.sent.back().is_some_and(ends)
    }

    /// What the server said that it can do.
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// Appends a command, and says which tag its completion will bear. Of a command whose
    /// literals the server must ask for, the rest is said when it does.
    ///
    /// # Errors
    /// It may not be sent now, or an argument does not fit; nothing is written.
    pub fn send(&mut self, request: Request<'_>, out: &mut Vec<u8>) -> Result<Tag, SendError> {
        // What is still to be answered would be answered in the clear.
        let alone = request.verb() != Verb::StartTls || self.sent.is_empty();
        let shifted = request.has_numbers() && !self.sent.iter().all(|sent| sent.keeps_numbers);
        if !self.may_send() || !alone || shifted {
            return Err(SendError::NotNow);
        }
        if request.verb() == Verb::Login && self.capabilities.login_disabled {
            return Err(SendError::LoginDisabled);
        }
        let start = out.len();
        let number = self.last + 1;
        let tag = Tag::numbered(number);
        put(&[tag.as_bytes(), b" "], out);
        let mut writer = Writer { out, unasked: self.capabilities.unasked_literals() };
        let fits = writer.request(request);
        self.initial_response(request, out);
        put(&[b"\r\n"], out);
        let octets = out.len() - start;
        if fits.is_none() || octets > self.limits.command {
            out.truncate(start);
            self.held.clear();
            return Err(if fits.is_none() { SendError::Argument } else { SendError::TooLong });
        }
        self.last = number;
        self.unanswered += octets;
        let sent = Sent { number, verb: request.verb(), octets: octets as u32, keeps_numbers: request.keeps_numbers() };
        self.sent.push_back(sent);
        self.patience.reset();
        if matches!(sent.verb, Verb::Login | Verb::Authenticate) {
            self.told_in_login = false;
        }
        match sent.verb {
            Verb::Idle => self.state = State::Owing(Owed::Idle),
            Verb::Authenticate => self.state = State::Owing(Owed::Response),
            _ => {
                let sayable = self.sayable(start, 0, out);
                self.held.extend_from_slice(&out[sayable..]);
                out.truncate(sayable);
            }
        }
        Ok(tag)
    }

    /// Answers a challenge of AUTHENTICATE; in base64. `None` cancels the exchange (RFC 3501
    /// section 6.2.2).
    ///
    /// # Errors
    /// No challenge is open, or the response is no base64.
    pub fn respond(&mut self, response: Option<&str>, out: &mut Vec<u8>) -> Result<(), SendError> {
        if self.state != State::Challenged {
            return Err(SendError::NotNow);
        }
        let response = response.unwrap_or("*");
        if response != "*" && !is_base64(response) {
            return Err(SendError::Argument);
        }
        put(&[response.as_bytes(), b"\r\n"], out);
        self.state = State::Owing(Owed::Response);
        self.patience.reset();
        Ok(())
    }

    /// Appends a piece of APPEND's message, and says how many octets it still lacks. More
    /// than it lacks are not written. Watch the output's length: a piece at a time keeps
    /// memory bounded.
    pub fn write(&mut self, message: &mut MessageLiteral, piece: &[u8], out: &mut Vec<u8>) -> u32 {
        debug_assert!(piece.len() <= message.left as usize, "more octets than were announced");
        let len = piece.len().min(message.left as usize);
        out.extend_from_slice(&piece[..len]);
        message.left -= len as u32;
        self.patience.reset();
        message.left
    }

    /// Ends the message, of which all octets were written. One that lacks some is given up,
    /// and the connection with it: what follows would be taken for the message.
    pub fn end(&mut self, message: MessageLiteral, out: &mut Vec<u8>) {
        debug_assert_eq!(message.left, 0, "octets of the message are missing");
        if message.left > 0 {
            return self.abandon(message);
        }
        put(&[b"\r\n"], out);
        if self.state == State::Message {
            self.state = State::Open;
        }
        self.patience.reset();
    }

    /// Gives the message up in the middle: the connection closes at once.
    pub fn abandon(&mut self, message: MessageLiteral) {
        drop(message);
        self.state = State::Closed(Close::Done);
    }

    /// Ends the IDLE (DONE); its completion follows.
    ///
    /// # Errors
    /// None has begun: the server must let it first (RFC 2177 section 3).
    pub fn done(&mut self, out: &mut Vec<u8>) -> Result<(), SendError> {
        if self.state != State::Idling {
            return Err(SendError::NotNow);
        }
        put(&[b"DONE\r\n"], out);
        self.state = State::Open;
        self.patience.reset();
        Ok(())
    }

    /// Whether an IDLE has begun and is not ended.
    pub fn is_idling(&self) -> bool {
        self.state == State::Idling
    }

    /// RFC 4959 section 3: an initial response stands in the command where SASL-IR is
    /// offered. Elsewhere it is the answer to an empty challenge, and is held for it.
    fn initial_response(&mut self, request: Request<'_>, out: &mut Vec<u8>) {
        let Request::Authenticate { initial: Some(initial), .. } = request else { return };
        match (self.capabilities.sasl_ir, initial) {
            (true, "") => put(&[b" ="], out),
            (true, initial) => put(&[b" ", initial.as_bytes()], out),
            (false, initial) => put(&[initial.as_bytes(), b"\r\n"], &mut self.held),
        }
    }

    /// Where the command that begins at `start` has to stop until the server asks for more,
    /// and the state that this is; its end if it need not. `literal` octets at its front are
    /// not looked into.
    fn sayable(&mut self, start: usize, literal: usize, command: &[u8]) -> usize {
        let command = &command[start..];
        let mut scan = Scan::default();
        scan.inline(0, literal);
        while let Some(Found::Literal { head, octets, sync }) = scan.poll(command) {
            let octets = u32::try_from(octets).unwrap_or(u32::MAX);
            let is_message = head == command.len();
            self.state = match (sync, is_message) {
                (true, true) => State::Owing(Owed::Message { octets }),
                (false, true) => State::MessageDue { octets },
                (true, false) => State::Owing(Owed::Literal),
                (false, false) => {
                    scan.inline(head, octets as usize);
                    continue;
                }
            };
            self.literal = octets as usize;
            return start + head;
        }
        self.state = State::Open;
        start + command.len()
    }

    fn against<'i>(&mut self, violation: Violation, line: &'i [u8]) -> Notice<'i> {
        self.state = State::Closed(Close::Violation(violation));
        Notice::Odd(line)
    }

    /// How long to wait for what is awaited; none if nothing is.
    fn limit(&self) -> Option<Duration> {
        match self.state {
            // The server may have nothing to say for as long as we let it.
            State::Idling => Some(IDLE_RENEW + self.limits.wait),
            State::Open if self.sent.is_empty() && self.message.is_none() => None,
            _ => Some(self.limits.wait),
        }
    }

    fn close(&mut self, close: Close) -> Want {
        self.state = State::Closed(close);
        Want::Close(close)
    }
}

impl Machine for Client {
    type Event<'i> = Notice<'i>;

    fn poll(&mut self, now: Instant, input: &[u8], _: &mut Vec<u8>) -> Want {
        let frame = match self.state {
            State::Closed(close) => return Want::Close(close),
            State::Tls => return Want::Upgrade(Upgrade::Tls),
            State::Challenged => return Want::App,
            State::Secured | State::MessageDue { .. } => Ok(Some(Frame::new(Kind::Open, 0))),
            _ => self.frame(input),
        };
        match frame {
            Err(violation) => self.close(Close::Violation(violation)),
            Ok(Some(frame)) => {
                self.patience.reset();
                Want::Event(frame)
            }
            Ok(None) if self.state == State::Message => Want::App,
            Ok(None) => match self.limit() {
                Some(limit) if self.patience.expired(now, limit) => self.close(Close::Timeout),
                _ => Want::Read,
            },
        }
    }

    fn event<'i>(&mut self, frame: Frame, input: &'i [u8], out: &mut Vec<u8>) -> Notice<'i> {
        let bytes = frame.of(input);
        match (frame.kind, self.state) {
            (Kind::Open, State::MessageDue { octets }) => {
                self.state = State::Message;
                Notice::Proceed { message: MessageLiteral { left: octets } }
            }
            (Kind::Open, _) => {
                self.state = State::Open;
                Notice::Secured
            }
            (Kind::Chunk, _) => {
                self.left -= bytes.len() as u32;
                Notice::Chunk { octets: bytes, left: self.left }
            }
            (Kind::Head, _) => self.head(bytes),
            _ => self.line(bytes.strip_suffix(b"\r\n").unwrap_or(bytes), out),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.patience.deadline()
    }

    fn upgraded(&mut self, _: Upgrade) {
        // RFC 3501 section 6.2.1: what was learnt in plaintext is forgotten.
        self.state = State::Secured;
        self.capabilities = Capabilities::default();
        self.told_in_login = false;
    }

    fn eof(&mut self) {
        self.state = match self.state {
            State::Closed(close) => State::Closed(close),
            State::Leaving => State::Closed(Close::Done),
            _ => State::Closed(Close::Eof),
        };
    }

    fn frame_max(&self) -> usize {
        self.limits.response
    }

    fn shut_down(&mut self, out: &mut Vec<u8>) {
        if self.send(Request::Logout, out).is_err() {
            self.eof();
        }
    }
}
