//! What is allowed when, and what finishing it will mean (RFC 3501 section 3).

use alloc::vec::Vec;

use super::super::command::{self, Command, Line, Tag};
use super::super::data::Code;
use super::super::event::{Answer, Event, Status};
use super::{Server, Session, split};

impl Server {
    /// What is allowed when (RFC 3501 section 3).
    pub(super) fn command<'i>(&mut self, bytes: &'i [u8], out: &mut Vec<u8>) -> Event<'i> {
        let (tag, rest) = split(bytes);
        let line = bytes.strip_suffix(b"\r\n").and(rest.strip_suffix(b"\r\n"));
        let Some((tag, line)) = tag.zip(line) else {
            return self.bad(tag, "a command is a tag, a space, a verb, and ends in CRLF", out);
        };
        let (needs, answer) = match command::parse(line) {
            None => return self.bad(Some(tag), "unknown command or bad arguments", out),
            Some(Line::Authenticate { mechanism, initial }) => {
                return self.authenticate(tag, mechanism, initial, out);
            }
            Some(Line::Command(command)) => {
                let (needs, answer) = rights(&command);
                let before_login = matches!(command, Command::Login { .. } | Command::StartTls);
                let allowed = match before_login {
                    true => self.session == Session::NotAuthenticated,
                    false => self.session >= needs,
                };
                if !allowed {
                    return self.bad(Some(tag), "not in this state", out);
                }
                match command {
                    Command::StartTls if self.secure || !self.config.tls => {
                        return self.bad(Some(tag), "STARTTLS is not offered here", out);
                    }
                    Command::Login { .. } if !self.may_login() => return self.refuse_clear(tag, out),
                    _ => (command, answer),
                }
            }
        };
        Event::Command { command: needs, ticket: self.ticket(tag, answer) }
    }

    fn authenticate<'i>(
        &mut self,
        tag: Tag,
        mechanism: &'i str,
        initial: Option<&'i [u8]>,
        out: &mut Vec<u8>,
    ) -> Event<'i> {
        let offered = self.config.sasl.has(mechanism);
        match () {
            () if self.session != Session::NotAuthenticated => self.bad(Some(tag), "not in this state", out),
            () if !self.may_login() => self.refuse_clear(tag, out),
            () if !offered => self.refuse(Some(tag), Status::No, Code::Atom("CANNOT"), "unknown mechanism", out),
            () => Event::Authenticate { mechanism, initial, ticket: self.ticket(tag, Answer::Login) },
        }
    }

    /// RFC 3501 section 6.2.3, RFC 5530 section 3: no password in clear.
    fn refuse_clear<'i>(&mut self, tag: Tag, out: &mut Vec<u8>) -> Event<'i> {
        self.refuse(Some(tag), Status::No, Code::Atom("PRIVACYREQUIRED"), "encryption is required", out)
    }
}

/// The session that a command needs, and what finishing it decides.
fn rights(command: &Command<'_>) -> (Session, Answer) {
    match command {
        Command::Capability | Command::Noop | Command::Id(_) => (Session::NotAuthenticated, Answer::Plain),
        Command::Logout => (Session::NotAuthenticated, Answer::Logout),
        Command::StartTls => (Session::NotAuthenticated, Answer::StartTls),
        Command::Login { .. } => (Session::NotAuthenticated, Answer::Login),
        Command::Select { .. } => (Session::Authenticated, Answer::Select),
        Command::Idle => (Session::Authenticated, Answer::Idle),
        Command::Enable(_)
        | Command::Create(_)
        | Command::Delete(_)
        | Command::Rename { .. }
        | Command::Subscribe(_)
        | Command::Unsubscribe(_)
        | Command::List { .. }
        | Command::Namespace
        | Command::Status { .. } => (Session::Authenticated, Answer::Plain),
        Command::Close | Command::Unselect => (Session::Selected, Answer::Deselect),
        Command::Check
        | Command::Expunge(_)
        | Command::Search { .. }
        | Command::Fetch { .. }
        | Command::Store { .. }
        | Command::Copy { .. } => (Session::Selected, Answer::Plain),
    }
}
