//! The client side of POP3.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use super::capabilities::Capabilities;
use super::request::{Lined, Request, SendError, Verb, write_request};
use crate::dot::Unstuff;
use crate::line::{Lines, strict};
use crate::machine::{Close, Frame, Instant, Kind, Machine, Patience, Upgrade, Violation, Want};
use crate::text::{chomp, is_base64, number, number64, put, strip_prefix, word};

/// What the server did.
#[derive(Debug)]
pub enum Notice<'i> {
    /// A status line.
    Status {
        /// Which command it answers.
        verb: Verb,
        /// +OK.
        ok: bool,
        /// What follows the status indicator.
        text: &'i [u8],
        /// Whether lines follow.
        more: bool,
    },
    /// AUTH goes on: give the response to this challenge to [`Client::respond`].
    Challenge {
        /// In base64.
        challenge: &'i [u8],
    },
    /// A line of LIST.
    Listing {
        /// Its number.
        message: u32,
        /// Its size.
        octets: u64,
    },
    /// A line of UIDL.
    UniqueId {
        /// Its number.
        message: u32,
        /// 1 to 70 octets, 0x21 to 0x7E.
        id: &'i [u8],
    },
    /// A line of CAPA.
    Capability(&'i [u8]),
    /// A line of LANG: a language's tag and, behind a space, its name in itself.
    Language(&'i [u8]),
    /// A line of LIST or UIDL that is none.
    Odd(&'i [u8]),
    /// Octets of a message, without dot-stuffing.
    Chunk(&'i [u8]),
    /// The multi-line response is whole.
    End,
    /// TLS is in place, and all that was learnt before is forgotten.
    Secured,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    verb: Verb,
    lined: Lined,
    octets: u16,
}

#[derive(Debug)]
enum State {
    Status,
    /// Lines of this shape follow.
    Lines(Lined),
    Message(Unstuff),
    Challenged,
    Tls,
    Secured,
    Closed(Close),
}

/// Octets of commands that may be unanswered, as for SMTP.
const WINDOW: usize = 4096;
/// Octets of a line of a response that is no message; RFC 2449 section 4 has 512.
const LINE_MAX: usize = 8 * 1024;
/// RFC 1939 has none; as for SMTP.
const WAIT: Duration = Duration::from_secs(300);

/// The client side of one connection.
#[derive(Debug)]
pub struct Client {
    state: State,
    sent: VecDeque<Sent>,
    unanswered: usize,
    lines: Lines,
    capabilities: Capabilities,
    patience: Patience,
}

impl Client {
    /// A connection just made; the greeting is the first status.
    #[expect(clippy::new_without_default, reason = "a connection has no default")]
    pub fn new() -> Self {
        Self {
            state: State::Status,
            sent: VecDeque::from([Sent { verb: Verb::Connect, lined: Lined::No, octets: 0 }]),
            unanswered: 0,
            lines: Lines::default(),
            capabilities: Capabilities::default(),
            patience: Patience::default(),
        }
    }

    /// Whether a command may be sent now: always if nothing is unanswered; else where the
    /// server said PIPELINING (RFC 2449 section 6.6) and the last command changes nothing
    /// that the next depends on, within a window of 4096 octets.
    pub fn may_send(&self) -> bool {
        let ends = |sent: &Sent| {
            matches!(
                sent.verb,
                Verb::Connect
                    | Verb::Pass
                    | Verb::Apop
                    | Verb::Auth
                    | Verb::Stls
                    | Verb::Utf8
                    | Verb::Quit
                    | Verb::User
            )
        };
        let open = matches!(self.state, State::Status | State::Lines(_) | State::Message(_));
        let idle = self.sent.is_empty() && matches!(self.state, State::Status);
        let room = self.capabilities.pipelining && self.unanswered < WINDOW;
        idle || open && room && !self.sent.back().is_some_and(ends)
    }

    /// What the server said in its last CAPA.
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// Appends a command.
    ///
    /// # Errors
    /// It may not be sent now, or an argument does not fit; nothing is written.
    pub fn send(&mut self, request: Request<'_>, out: &mut Vec<u8>) -> Result<(), SendError> {
        if !self.may_send() {
            return Err(SendError::NotNow);
        }
        let start = out.len();
        let Some((verb, lined)) = write_request(request, out) else {
            out.truncate(start);
            return Err(SendError::Argument);
        };
        put(&[b"\r\n"], out);
        self.expect(verb, lined, out.len() - start);
        Ok(())
    }

    /// Answers a challenge of AUTH; in base64. `None` cancels the exchange.
    ///
    /// # Errors
    /// No challenge is open, or the response is no base64.
    pub fn respond(&mut self, response: Option<&str>, out: &mut Vec<u8>) -> Result<(), SendError> {
        if !matches!(self.state, State::Challenged) {
            return Err(SendError::NotNow);
        }
        let response = response.unwrap_or("*");
        if response != "*" && !is_base64(response) {
            return Err(SendError::Argument);
        }
        put(&[response.as_bytes(), b"\r\n"], out);
        self.state = State::Status;
        self.expect(Verb::Auth, Lined::No, response.len());
        Ok(())
    }

    fn expect(&mut self, verb: Verb, lined: Lined, octets: usize) {
        let octets = u16::try_from(octets).unwrap_or(u16::MAX);
        self.unanswered += usize::from(octets);
        self.sent.push_back(Sent { verb, lined, octets });
        self.patience.reset();
    }

    fn close(&mut self, close: Close) -> Want {
        self.state = State::Closed(close);
        Want::Close(close)
    }

    /// A status line, and what it changes.
    fn status<'i>(&mut self, line: &'i [u8]) -> Notice<'i> {
        let Some(sent) = self.sent.pop_front() else {
            self.state = State::Closed(Close::Violation(Violation::Unsolicited));
            return Notice::Odd(line);
        };
        self.unanswered -= usize::from(sent.octets);
        let indicator = |word: &[u8]| strip_prefix(line, word).filter(|rest| matches!(rest.first(), None | Some(b' ')));
        if let (Verb::Auth, Some(challenge)) = (sent.verb, indicator(b"+")) {
            self.state = State::Challenged;
            return Notice::Challenge { challenge: challenge.trim_ascii() };
        }
        let (ok, text) = match (indicator(b"+OK"), indicator(b"-ERR")) {
            (Some(text), _) => (true, text),
            (_, Some(text)) => (false, text),
            (None, None) => {
                self.state = State::Closed(Close::Violation(Violation::Syntax));
                return Notice::Odd(line);
            }
        };
        let more = ok && sent.lined != Lined::No;
        self.state = match (sent.verb, sent.lined) {
            (Verb::Quit, _) => State::Closed(Close::Done),
            (Verb::Stls, _) if ok => State::Tls,
            (_, Lined::No) => State::Status,
            _ if !ok => State::Status,
            (_, Lined::Message) => State::Message(Unstuff::new()),
            (_, lined) => State::Lines(lined),
        };
        if more && sent.lined == Lined::Capabilities {
            self.capabilities = Capabilities::default();
        }
        Notice::Status { verb: sent.verb, ok, text: text.trim_ascii_start(), more }
    }

    /// A line of a multi-line response that is no message.
    fn line<'i>(&mut self, lined: Lined, line: &'i [u8]) -> Notice<'i> {
        if line == b"." {
            self.state = State::Status;
            return Notice::End;
        }
        let line = line.strip_prefix(b".").unwrap_or(line);
        let (first, rest) = word(line);
        match (lined, number(first)) {
            (Lined::Languages, _) => Notice::Language(line),
            (Lined::Capabilities, _) => {
                self.capabilities.learn(line);
                Notice::Capability(line)
            }
            (Lined::Listing, Some(message)) => match number64(word(rest).0) {
                Some(octets) => Notice::Listing { message, octets },
                None => Notice::Odd(line),
            },
            (Lined::UniqueIds, Some(message)) if is_unique_id(rest) => Notice::UniqueId { message, id: rest },
            _ => Notice::Odd(line),
        }
    }
}

impl Machine for Client {
    type Event<'i> = Notice<'i>;

    fn poll(&mut self, now: Instant, input: &[u8], _: &mut Vec<u8>) -> Want {
        let frame = match &mut self.state {
            State::Closed(close) => return Want::Close(*close),
            State::Tls => return Want::Upgrade(Upgrade::Tls),
            State::Challenged => return Want::App,
            State::Secured => Some(Frame::new(Kind::Open, 0)),
            State::Message(unstuff) => unstuff.poll(input),
            State::Status | State::Lines(_) => self.lines.poll(input, LINE_MAX),
        };
        match frame {
            Some(frame) if matches!(frame.kind, Kind::Excess | Kind::ExcessEnd) => {
                self.close(Close::Violation(Violation::TooLong))
            }
            Some(frame) => {
                self.patience.reset();
                Want::Event(frame)
            }
            None if self.sent.is_empty() && matches!(self.state, State::Status) => Want::Read,
            None if self.patience.expired(now, WAIT) => self.close(Close::Timeout),
            None => Want::Read,
        }
    }

    fn event<'i>(&mut self, frame: Frame, input: &'i [u8], _: &mut Vec<u8>) -> Notice<'i> {
        let bytes = frame.of(input);
        match (frame.kind, &self.state) {
            (Kind::Open, _) => {
                self.state = State::Status;
                Notice::Secured
            }
            (Kind::End, _) => {
                self.state = State::Status;
                Notice::End
            }
            (Kind::Chunk, _) => Notice::Chunk(bytes),
            (_, &State::Lines(lined)) => self.line(lined, chomp(bytes)),
            _ => match strict(bytes) {
                Some(line) => self.status(line),
                None => {
                    self.state = State::Closed(Close::Violation(Violation::Syntax));
                    Notice::Odd(bytes)
                }
            },
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.patience.deadline()
    }

    fn upgraded(&mut self, _: Upgrade) {
        self.state = State::Secured;
        self.capabilities = Capabilities::default();
    }

    fn eof(&mut self) {
        if !matches!(self.state, State::Closed(_)) {
            self.state = State::Closed(Close::Eof);
        }
    }

    fn frame_max(&self) -> usize {
        LINE_MAX
    }

    fn shut_down(&mut self, out: &mut Vec<u8>) {
        if self.send(Request::Quit, out).is_err() {
            self.eof();
        }
    }
}

/// The two numbers of a drop listing in a status text: of STAT, messages and octets (RFC 1939
/// section 5); of LIST with a message, its number and octets.
pub fn drop_listing(text: &[u8]) -> Option<(u32, u64)> {
    let (first, rest) = word(text);
    Some((number(first)?, number64(word(rest).0)?))
}

/// The timestamp in a greeting's text that says that the server takes APOP (RFC 1939 section 7):
/// with its angle brackets, as it goes into the digest. The last word of the text that is one.
///
/// It must be a msg-id as RFC 5322 section 3.6.4 has it, of printable ASCII: whoever could
/// choose other octets for it could find out the password from MD5's collisions
/// (CVE-2007-1558).
pub fn apop_timestamp(greeting: &[u8]) -> Option<&str> {
    let is_atom = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    let dot_atom = |text: &str| text.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atom));
    let literal = |text: &str| {
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        inner.is_some_and(|inner| inner.bytes().all(|byte| byte.is_ascii_graphic() && !b"[]\\".contains(&byte)))
    };
    let is_timestamp = |word: &&str| {
        let inner = word.strip_prefix('<').and_then(|word| word.strip_suffix('>'));
        let parts = inner.and_then(|inner| inner.split_once('@'));
        parts.is_some_and(|(left, right)| dot_atom(left) && (dot_atom(right) || literal(right)))
    };
    core::str::from_utf8(greeting).ok()?.split(' ').rev().find(is_timestamp)
}

/// RFC 1939 section 7.
fn is_unique_id(id: &[u8]) -> bool {
    (1..=70).contains(&id.len()) && id.iter().all(|byte| matches!(byte, b'!'..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_a_message_id_and_nothing_else() {
        for (text, is) in [
            (&b"POP3 server ready <1896.697170952@dbc.mtview.ca.us>"[..], Some("<1896.697170952@dbc.mtview.ca.us>")),
            (b"<a@[192.0.2.1]> ready", Some("<a@[192.0.2.1]>")),
            (b"<a@b> and <c@d>", Some("<c@d>")),
            (b"ready", None),
            (b"<>", None),
            (b"<a>", None),
            (b"<@b>", None),
            (b"<a@>", None),
            (b"<a@b", None),
            (b"<a..b@c>", None),
            (b"<a@b@c>", None),
            (b"<a b@c>", None),
            (b"<a\x80@c>", None),
            (b"<a\x01@c>", None),
            (b"x<a@b>", None),
        ] {
            assert_eq!(apop_timestamp(text), is, "{}", text.escape_ascii());
        }
    }
}
