//! What a server's answers mean, and what they change (RFC 3501 section 7).

use alloc::vec::Vec;

use super::super::capabilities::Capabilities;
use super::super::command::Tag;
use super::super::event::Status;
use super::super::fetched::FetchValues;
use super::super::notice::{MessageLiteral, Notice};
use super::super::request::Verb;
use super::super::response::{Response, ResponseCode};
use super::{Client, Owed, State};
use crate::machine::{Close, Violation};
use crate::text::{put, word};

impl Client {
    /// A whole response.
    pub(super) fn line<'i>(&mut self, line: &'i [u8], out: &mut Vec<u8>) -> Notice<'i> {
        if let Some(message) = self.message.take() {
            // Behind a streamed literal. What ends without its parenthesis is told as it is.
            let values = FetchValues::new(line.strip_suffix(b")").unwrap_or(line));
            return Notice::Response(Response::Fetch { message, values });
        }
        let (first, rest) = word(line);
        match (self.state, first) {
            (State::Greeting, b"*") => self.greeting(rest),
            (State::Greeting, _) => self.against(Violation::Syntax, line),
            (_, b"*") => self.response(Response::parse(rest)),
            (_, b"+") => self.proceed(rest, out),
            (_, tag) => match self.completed(tag, rest) {
                Some(notice) => notice,
                None if Tag::new(tag).is_some() => self.against(Violation::Unsolicited, line),
                None => self.against(Violation::Syntax, line),
            },
        }
    }

    /// What a continuation request lets us say (RFC 3501 section 7.5).
    fn proceed<'i>(&mut self, text: &'i [u8], out: &mut Vec<u8>) -> Notice<'i> {
        match self.state {
            State::Owing(Owed::Literal) => {
                let held = core::mem::take(&mut self.held);
                let sayable = self.sayable(0, self.literal, &held);
                put(&[&held[..sayable]], out);
                self.held = held;
                self.held.drain(..sayable);
                Notice::Continued
            }
            State::Owing(Owed::Message { octets }) => {
                self.state = State::Message;
                Notice::Proceed { message: MessageLiteral { left: octets } }
            }
            State::Owing(Owed::Response) if !self.held.is_empty() => {
                put(&[&self.held], out);
                self.held.clear();
                Notice::Continued
            }
            State::Owing(Owed::Response) => {
                self.state = State::Challenged;
                Notice::Challenge { challenge: text.trim_ascii() }
            }
            State::Owing(Owed::Idle) => {
                self.state = State::Idling;
                Notice::Idling
            }
            _ => self.against(Violation::Unsolicited, text),
        }
    }

    /// What the completion of a command changes.
    fn completed<'i>(&mut self, tag: &'i [u8], rest: &'i [u8]) -> Option<Notice<'i>> {
        let number = Tag::number(tag)?;
        let at = self.sent.iter().position(|sent| sent.number == number)?;
        let (status, text) = word(rest);
        let status = Status::parse(status)?;
        let (code, text) = ResponseCode::split(text);
        let sent = self.sent.remove(at)?;
        self.unanswered -= sent.octets as usize;
        // A command that was not let in to its end is over all the same. A message that is
        // on its way stays so: its octets were announced.
        let is_last = number == self.last;
        if is_last && matches!(self.state, State::Owing(_) | State::Challenged | State::Idling) {
            self.state = State::Open;
            self.held.clear();
        }
        let ok = status == Status::Ok;
        match sent.verb {
            // RFC 3501 section 6.2.2: what was told before the login holds no longer.
            Verb::Login | Verb::Authenticate if ok && !self.told_in_login => {
                self.capabilities = Capabilities::default();
            }
            Verb::StartTls if ok => self.state = State::Tls,
            Verb::Logout => self.state = State::Closed(Close::Done),
            _ => {}
        }
        self.learn(code);
        Some(Notice::Completed { tag: Tag::numbered(number), verb: sent.verb, status, code, text })
    }

    /// What untagged data change.
    fn response<'i>(&mut self, response: Response<'i>) -> Notice<'i> {
        match response {
            Response::Capability(words) => self.learn(Some(ResponseCode::Capability(words))),
            Response::Status { code, .. } => self.learn(code),
            Response::Bye { .. } if self.sent.iter().any(|sent| sent.verb == Verb::Logout) => {
                self.state = State::Leaving;
            }
            Response::Bye { .. } => self.state = State::Closed(Close::Done),
            _ => {}
        }
        Notice::Response(response)
    }

    fn learn(&mut self, code: Option<ResponseCode<'_>>) {
        if let Some(ResponseCode::Capability(words)) = code {
            self.capabilities = Capabilities::of(words);
            self.told_in_login = true;
        }
    }

    fn greeting<'i>(&mut self, line: &'i [u8]) -> Notice<'i> {
        let (name, rest) = word(line);
        let preauth = name.eq_ignore_ascii_case(b"PREAUTH");
        if preauth || name.eq_ignore_ascii_case(b"OK") {
            self.state = State::Open;
            let (code, text) = ResponseCode::split(rest);
            self.learn(code);
            return Notice::Greeting { preauth, code, text };
        }
        match Response::parse(line) {
            bye @ Response::Bye { .. } => self.response(bye),
            _ => self.against(Violation::Syntax, line),
        }
    }
}
