//! POP3 by hand.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use postkern_server::config::Listener;
use rustls::ClientConfig;

use super::server::{PASSWORD, Server};
use super::talk::Talk;

/// A dialogue of POP3.
pub(crate) struct Pop3(Talk);

impl Deref for Pop3 {
    type Target = Talk;
    fn deref(&self) -> &Talk {
        &self.0
    }
}

impl DerefMut for Pop3 {
    fn deref_mut(&mut self) -> &mut Talk {
        &mut self.0
    }
}

impl Pop3 {
    /// Connects in plaintext, and has the greeting behind it.
    #[track_caller]
    pub(crate) fn greet(server: &Server) -> Self {
        let mut pop = Self(Talk::plain(server.address(Listener::Pop3)));
        pop.ok();
        pop
    }

    /// Over POP3S, greeted and not logged in.
    #[track_caller]
    pub(crate) fn secure(server: &Server) -> Self {
        Self::secure_as(server, &server.authority.client())
    }

    /// The same, with a client's own TLS.
    #[track_caller]
    pub(crate) fn secure_as(server: &Server, config: &Arc<ClientConfig>) -> Self {
        let mut pop = Self(Talk::tls(server.address(Listener::Pop3s), Arc::clone(config)));
        pop.ok();
        pop
    }

    /// Over POP3S, logged in.
    #[track_caller]
    pub(crate) fn login(server: &Server, account: &str) -> Self {
        let mut pop = Self::secure(server);
        pop.expect(&format!("USER {account}"));
        pop.expect(&format!("PASS {PASSWORD}"));
        pop
    }

    /// STLS and the handshake.
    #[track_caller]
    pub(crate) fn start_tls(mut self, server: &Server) -> Self {
        self.expect("STLS");
        Self(self.0.secure(server.authority.client()))
    }

    /// The next line, which is to be +OK; what stands behind that.
    #[track_caller]
    fn ok(&mut self) -> String {
        let line = self.line();
        assert!(line.starts_with("+OK"), "not +OK: {line:?}");
        line["+OK".len()..].trim_start().to_owned()
    }

    /// Says a line and gives the first line of the answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.line()
    }

    /// Says a line that is to be answered +OK.
    #[track_caller]
    pub(crate) fn expect(&mut self, line: &str) -> String {
        let answer = self.ask(line);
        assert!(answer.starts_with("+OK"), "{line:?} was answered {answer:?}");
        answer["+OK".len()..].trim_start().to_owned()
    }

    /// Says a line that is to be refused.
    #[track_caller]
    pub(crate) fn refused(&mut self, line: &str) {
        let answer = self.ask(line);
        assert!(answer.starts_with("-ERR"), "{line:?} was answered {answer:?}");
    }

    /// Octets up to the end of a multi-line answer, unstuffed (RFC 1939 section 3).
    #[track_caller]
    pub(crate) fn body(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = self.try_line().expect("the end of the answer, not of the connection");
            match line.strip_prefix(b".") {
                Some(b"\r\n") => return body,
                Some(unstuffed) => body.extend_from_slice(unstuffed),
                None => body.extend_from_slice(&line),
            }
        }
    }

    /// A whole message.
    #[track_caller]
    pub(crate) fn retr(&mut self, message: usize) -> Vec<u8> {
        self.expect(&format!("RETR {message}"));
        self.body()
    }

    /// A list (LIST, UIDL, CAPA): its lines.
    #[track_caller]
    pub(crate) fn list(&mut self, command: &str) -> Vec<String> {
        self.expect(command);
        String::from_utf8(self.body()).expect("a list is ASCII").lines().map(str::to_owned).collect()
    }

    /// All messages in the maildrop.
    #[track_caller]
    pub(crate) fn all(&mut self) -> Vec<Vec<u8>> {
        let count = self.list("LIST").len();
        (1..=count).map(|message| self.retr(message)).collect()
    }
}
