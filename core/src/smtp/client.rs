//! The client side of SMTP and LMTP.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use super::command::Verb;
use super::extensions::Extensions;
use super::reply::ReplyLines;
use super::request::{Command, SendError};
use crate::dot::Body;
use crate::machine::{Close, Frame, Instant, Kind, Machine, Patience, Upgrade, Violation, Want};
use crate::text::{is_base64, put_number};

/// Which command a reply answers: they are numbered from 0, the greeting, upwards.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Id(pub u32);

/// What the server did.
#[derive(Debug)]
pub enum Notice<'i> {
    /// The answer to a command, in the order of sending. In LMTP the end of a message is
    /// answered as many times as recipients were accepted, with one id.
    Reply {
        /// Which command.
        id: Id,
        /// What it was.
        verb: Verb,
        /// The answer.
        reply: ReplyLines<'i>,
    },
    /// AUTH goes on: give the response to this challenge, in base64, to
    /// [`Client::respond`].
    Challenge {
        /// In base64.
        challenge: &'i [u8],
    },
    /// DATA was taken: write the message, then end it.
    Proceed {
        /// The message's token.
        body: Body,
    },
    /// TLS is in place, and all that was learnt before is forgotten: say EHLO again.
    Secured,
    /// The server closes unasked (421, RFC 5321 section 3.8).
    Closing {
        /// Why.
        reply: ReplyLines<'i>,
    },
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    verb: Verb,
    /// Of the command's line.
    octets: u16,
    id: Id,
    /// BDAT.
    chunk: bool,
}

/// The client side of one connection.
#[derive(Debug)]
pub struct Client {
    state: State,
    /// What is not yet answered: at most [`WINDOW`] octets of commands.
    sent: VecDeque<Sent>,
    unanswered: usize,
    next: u32,
    extensions: Extensions,
    /// Octets at the front of the input that hold whole lines of an unfinished reply.
    settled: usize,
    /// Octets behind them known to hold no line end.
    scanned: usize,
    lmtp: bool,
    /// The greeting that was said last is LHLO.
    lhlo: bool,
    /// The transaction is one of SMTPUTF8.
    utf8: bool,
    chunking: Chunking,
    /// BDAT unanswered.
    chunks: usize,
    /// Recipients accepted, and replies to the message seen, for LMTP.
    accepted: u32,
    replied: u32,
    /// QUIT is due once no message is unanswered.
    leaving: bool,
    patience: Patience,
}

/// A message that goes by BDAT. Spent by its last chunk.
#[must_use = "the message is not ended until this is spent"]
#[derive(Debug, Eq, PartialEq)]
pub struct Chunks(());

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Chunking {
    No,
    /// Chunks may be sent, and the last is not.
    Open,
    /// One was refused.
    Failed,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Open,
    Body,
    Challenged,
    Tls,
    Secured,
    Closed(Close),
}

/// Octets of commands that may be unanswered: less than any socket buffer, so that two
/// blocking sides never wait for each other to read (as Postfix has it).
const WINDOW: usize = 4096;
/// Chunks that may be unanswered. Their octets are no part of the window: the server reads each
/// chunk before it answers, and these answers are few enough for any socket buffer.
pub const CHUNKS_MAX: usize = 16;
/// Octets of one reply with all its lines.
const REPLY_MAX: usize = 64 * 1024;

impl Client {
    /// A connection just made; the greeting is the first reply.
    #[expect(clippy::new_without_default, reason = "a connection has no default")]
    pub fn new() -> Self {
        Self {
            state: State::Open,
            sent: VecDeque::from([Sent { verb: Verb::Connect, octets: 0, id: Id(0), chunk: false }]),
            unanswered: 0,
            next: 1,
            extensions: Extensions::default(),
            settled: 0,
            scanned: 0,
            lmtp: false,
            lhlo: false,
            utf8: false,
            chunking: Chunking::No,
            chunks: 0,
            accepted: 0,
            replied: 0,
            leaving: false,
            patience: Patience::default(),
        }
    }

    /// Whether a command may be sent before the replies still out: always if there are none;
    /// else where PIPELINING was offered and the last command sent does not end its group
    /// (RFC 2920 section 3.1), within a window of 4096 octets.
    ///
    /// While a message goes by BDAT, and once a chunk of it was refused, only RSET and QUIT.
    pub fn may_send(&self) -> bool {
        self.chunking == Chunking::No && !self.leaving && self.may_follow()
    }

    /// Whether a chunk may be sent now: as [`may_send`](Self::may_send) between
    /// [`begin_chunks`](Self::begin_chunks) and the last chunk, with at most [`CHUNKS_MAX`]
    /// unanswered.
    pub fn may_chunk(&self) -> bool {
        self.chunking == Chunking::Open && !self.leaving && self.may_follow() && self.chunks < CHUNKS_MAX
    }

    /// Whether every command was answered.
    pub fn is_settled(&self) -> bool {
        self.sent.is_empty()
    }

    /// RFC 2920 section 3.1: the end of a message may stand first in a group, and the commands
    /// named here anywhere but last. RFC 3030 section 4.2 has BDAT among them.
    fn may_follow(&self) -> bool {
        let goes_on =
            |sent: &Sent| matches!(sent.verb, Verb::Mail | Verb::Rcpt | Verb::Rset | Verb::Bdat | Verb::Message);
        let room = self.extensions.pipelining && self.unanswered < WINDOW;
        self.state == State::Open && (self.sent.is_empty() || room && self.sent.back().is_some_and(goes_on))
    }

    /// What the server offered in its last answer to EHLO.
    pub fn extensions(&self) -> Extensions {
        self.extensions
    }

    /// Appends a command, and says which number its reply will bear.
    ///
    /// # Errors
    /// It may not be sent now, or an argument does not fit; nothing is written.
    pub fn send(&mut self, command: Command<'_>, out: &mut Vec<u8>) -> Result<Id, SendError> {
        // RFC 3030 section 2: RSET clears the chunks that were sent, and must follow one that
        // failed.
        let leaves = matches!(command, Command::Rset | Command::Quit);
        if !(self.may_send() || leaves && self.may_follow()) {
            return Err(SendError::NotNow);
        }
        let start = out.len();
        let verb = command.write(&self.extensions, self.utf8, out).inspect_err(|_| out.truncate(start))?;
        out.extend_from_slice(b"\r\n");
        match command {
            Command::Ehlo(_) | Command::Helo(_) => self.lhlo = false,
            Command::Lhlo(_) => self.lhlo = true,
            Command::Mail { params, .. } => self.utf8 = params.smtp_utf8 && self.extensions.smtp_utf8,
            Command::Rset => self.chunking = Chunking::No,
            _ => {}
        }
        Ok(self.expect(verb, out.len() - start))
    }

    /// Answers a challenge of AUTH; in base64. `None` cancels the exchange (RFC 4954
    /// section 4).
    ///
    /// # Errors
    /// No challenge is open, or the response is no base64.
    pub fn respond(&mut self, response: Option<&str>, out: &mut Vec<u8>) -> Result<Id, SendError> {
        if self.state != State::Challenged {
            return Err(SendError::NotNow);
        }
        let response = response.unwrap_or("*");
        if response != "*" && !is_base64(response) {
            return Err(SendError::Argument);
        }
        out.extend_from_slice(response.as_bytes());
        out.extend_from_slice(b"\r\n");
        self.state = State::Open;
        Ok(self.expect(Verb::Auth, response.len()))
    }

    /// Appends a piece of the message, dot-stuffed. Watch the output's length: a piece at a
    /// time keeps memory bounded.
    pub fn write(&mut self, body: &mut Body, piece: &[u8], out: &mut Vec<u8>) {
        body.write(piece, out);
        self.patience.reset();
    }

    /// Ends the message; its reply is what decides the delivery.
    pub fn end(&mut self, body: Body, out: &mut Vec<u8>) -> Id {
        body.end(out);
        self.state = State::Open;
        self.expect(Verb::Message, 0)
    }

    /// Begins a message that goes by BDAT (RFC 3030), instead of DATA.
    ///
    /// # Errors
    /// CHUNKING is not offered, or no command may be sent now.
    pub fn begin_chunks(&mut self) -> Result<Chunks, SendError> {
        if !self.extensions.chunking {
            return Err(SendError::NotOffered);
        }
        if !self.may_send() {
            return Err(SendError::NotNow);
        }
        self.chunking = Chunking::Open;
        Ok(Chunks(()))
    }

    /// Appends BDAT and right behind it the octets, which go as they are. Its reply has the verb
    /// [`Verb::Bdat`]. After one that is not positive no further chunk may be sent.
    ///
    /// # Errors
    /// It may not be sent now: see [`may_chunk`](Self::may_chunk).
    pub fn chunk(&mut self, _: &mut Chunks, octets: &[u8], out: &mut Vec<u8>) -> Result<Id, SendError> {
        if self.may_chunk() { Ok(self.bdat(octets, Verb::Bdat, out)) } else { Err(SendError::NotNow) }
    }

    /// The same with `LAST`: ends the message, as [`end`](Self::end) does. There may be no
    /// octets. In LMTP no reply comes if no recipient was accepted (RFC 2033 section 4.3).
    ///
    /// # Errors
    /// It may not be sent now: gives the token back.
    pub fn end_chunks(&mut self, chunks: Chunks, octets: &[u8], out: &mut Vec<u8>) -> Result<Id, Chunks> {
        if !self.may_chunk() {
            return Err(chunks);
        }
        self.chunking = Chunking::No;
        Ok(self.bdat(octets, Verb::Message, out))
    }

    /// Gives the message up between its chunks: what the server has of it counts for nothing
    /// without the last. Only RSET and QUIT may be sent next.
    pub fn abandon_chunks(&mut self, chunks: Chunks) {
        drop(chunks);
        self.chunking = Chunking::Failed;
    }

    fn bdat(&mut self, octets: &[u8], verb: Verb, out: &mut Vec<u8>) -> Id {
        let start = out.len();
        out.extend_from_slice(b"BDAT ");
        put_number(octets.len() as u64, out);
        out.extend_from_slice(if verb == Verb::Message { b" LAST\r\n" } else { b"\r\n" });
        let line = out.len() - start;
        out.extend_from_slice(octets);
        self.chunks += 1;
        let id = self.expect(verb, line);
        if let Some(sent) = self.sent.back_mut() {
            sent.chunk = true;
        }
        self.await_no_reply();
        id
    }

    /// Gives the message up in the middle: the connection closes at once, so that what was
    /// sent of it can never count as whole.
    pub fn abandon(&mut self, body: Body) {
        drop(body);
        self.shut_down_now();
    }

    /// Closes without a word more.
    pub fn shut_down_now(&mut self) {
        self.state = State::Closed(Close::Done);
    }

    fn expect(&mut self, verb: Verb, octets: usize) -> Id {
        let octets = u16::try_from(octets).unwrap_or(u16::MAX);
        let id = Id(self.next);
        self.next += 1;
        self.unanswered += usize::from(octets);
        self.sent.push_back(Sent { verb, octets, id, chunk: false });
        self.patience.reset();
        id
    }

    /// How long to wait for what is awaited (RFC 5321 section 4.5.3.2). Nothing at all may be:
    /// then for longer than a server waits for us (RFC 5321 section 4.5.3.2.7), so that its 421
    /// comes first.
    fn limit(&self) -> Duration {
        Duration::from_secs(match self.sent.front().map(|sent| sent.verb) {
            Some(Verb::Data) => 120,
            Some(Verb::Message) | None => 600,
            _ => 300,
        })
    }

    /// RFC 2033 section 4.3: the last chunk of a message for nobody is not answered.
    fn await_no_reply(&mut self) {
        let unanswered = |sent: &Sent| sent.verb == Verb::Message && sent.chunk;
        while self.lmtp && self.accepted == 0 && self.sent.front().is_some_and(unanswered) {
            self.answered();
        }
    }

    /// The oldest command has all its answers.
    fn answered(&mut self) {
        let Some(sent) = self.sent.pop_front() else { return };
        self.unanswered -= usize::from(sent.octets);
        self.chunks -= usize::from(sent.chunk);
        if sent.verb == Verb::Message {
            (self.accepted, self.replied) = (0, 0);
        }
    }

    /// Says QUIT as soon as what became of each message is known: one that is cut off before its
    /// answer goes out a second time. Without one it closes where QUIT may not be said.
    fn leave(&mut self, out: &mut Vec<u8>) {
        let unknown = self.state == State::Body || self.sent.iter().any(|sent| sent.verb == Verb::Message);
        if self.send(Command::Quit, out).is_err() && !unknown {
            self.eof();
        }
    }

    fn close(&mut self, close: Close) -> Want {
        self.state = State::Closed(close);
        Want::Close(close)
    }

    /// Whether a line fits the reply it stands in: three digits of one code, then a space, a
    /// hyphen or the end (RFC 5321 section 4.2).
    fn fits(&self, reply: &[u8], line: &[u8]) -> bool {
        code(line).is_some() && code(line) == code(reply) && matches!(line.get(3), Some(b' ' | b'-' | b'\r' | b'\n'))
    }

    /// What a reply changes.
    fn decide<'i>(&mut self, sent: Sent, reply: ReplyLines<'i>) -> Notice<'i> {
        match (sent.verb, reply.code) {
            // It ends a transaction too (RFC 5321 section 4.1.4).
            (Verb::Ehlo | Verb::Helo, 250) => {
                let extended = sent.verb == Verb::Ehlo;
                self.extensions = if extended { Extensions::parse(reply) } else { Extensions::default() };
                (self.lmtp, self.accepted, self.replied) = (self.lhlo, 0, 0);
            }
            (Verb::StartTls, 220) => self.state = State::Tls,
            (Verb::Quit, _) | (_, 421) => self.state = State::Closed(Close::Done),
            (Verb::Xclient, 220) => self.extensions = Extensions::default(),
            // A MAIL that is refused leaves a transaction as it is (RFC 5321 section 4.1.4).
            (Verb::Mail | Verb::Rset, 200..=299) => (self.accepted, self.replied) = (0, 0),
            (Verb::Rcpt, 200..=299) => self.accepted += 1,
            (Verb::Data, 354) => {
                self.state = State::Body;
                return Notice::Proceed { body: Body::new() };
            }
            (Verb::Auth, 334) => {
                self.state = State::Challenged;
                return Notice::Challenge { challenge: reply.text() };
            }
            _ => {}
        }
        Notice::Reply { id: sent.id, verb: sent.verb, reply }
    }
}

impl Machine for Client {
    type Event<'i> = Notice<'i>;

    fn poll(&mut self, now: Instant, input: &[u8], _: &mut Vec<u8>) -> Want {
        match self.state {
            State::Closed(close) => return Want::Close(close),
            State::Tls => return Want::Upgrade(Upgrade::Tls),
            State::Secured => return Want::Event(Frame::new(Kind::Open, 0)),
            _ => {}
        }
        while let Some(at) = memchr::memchr(b'\n', &input[self.scanned..]) {
            let end = self.scanned + at + 1;
            let line = &input[self.settled..end];
            // The first line of a reply begins the input; the others must repeat its code.
            if !self.fits(input, line) {
                return self.close(Close::Violation(Violation::Syntax));
            }
            if self.sent.is_empty() && !line.starts_with(b"421") {
                return self.close(Close::Violation(Violation::Unsolicited));
            }
            self.scanned = end;
            if line.get(3) != Some(&b'-') {
                (self.settled, self.scanned) = (0, 0);
                self.patience.reset();
                return Want::Event(Frame::new(Kind::Line, end));
            }
            self.settled = end;
        }
        self.scanned = input.len();
        if input.len() >= REPLY_MAX {
            return self.close(Close::Violation(Violation::TooLong));
        }
        if matches!(self.state, State::Body | State::Challenged) || self.may_chunk() {
            return Want::App;
        }
        if self.patience.expired(now, self.limit()) {
            return self.close(Close::Timeout);
        }
        Want::Read
    }

    fn event<'i>(&mut self, frame: Frame, input: &'i [u8], out: &mut Vec<u8>) -> Notice<'i> {
        if frame.kind == Kind::Open {
            self.state = State::Open;
            return Notice::Secured;
        }
        let raw = frame.of(input);
        let reply = ReplyLines { code: code(raw).unwrap_or_default(), raw };
        let Some(&sent) = self.sent.front() else {
            self.state = State::Closed(Close::Done);
            return Notice::Closing { reply };
        };
        if sent.verb == Verb::Message {
            self.replied += 1;
        }
        // RFC 2033 section 4.2: one for each recipient; one if there is none.
        if sent.verb != Verb::Message || !self.lmtp || self.replied >= self.accepted {
            self.answered();
        }
        if sent.chunk && !reply.is_positive() {
            self.chunking = Chunking::Failed;
        }
        let notice = self.decide(sent, reply);
        self.await_no_reply();
        if self.leaving && self.sent.back().is_none_or(|sent| sent.verb != Verb::Quit) {
            self.leave(out);
        }
        notice
    }

    fn deadline(&self) -> Option<Instant> {
        self.patience.deadline()
    }

    fn upgraded(&mut self, _: Upgrade) {
        // RFC 3207 section 4.2: what was learnt in plaintext is forgotten.
        self.state = State::Secured;
        self.extensions = Extensions::default();
        (self.utf8, self.chunking) = (false, Chunking::No);
    }

    fn eof(&mut self) {
        let State::Closed(_) = self.state else { return self.state = State::Closed(Close::Eof) };
    }

    fn frame_max(&self) -> usize {
        REPLY_MAX
    }

    fn shut_down(&mut self, out: &mut Vec<u8>) {
        self.leaving = true;
        self.leave(out);
    }
}

/// The code that a line of a reply begins with: 200 to 599.
fn code(line: &[u8]) -> Option<u16> {
    let &[a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', ..] = line else { return None };
    let value = |digit: u8| u16::from(digit - b'0');
    Some(value(a) * 100 + value(b) * 10 + value(c))
}
