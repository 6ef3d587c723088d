//! IMAP by hand, and the foreign client's session.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use postkern_server::config::Listener;
use rustls::ClientConfig;

use super::server::{PASSWORD, Server};
use super::talk::Talk;
use super::wire::Wire;

/// A session of the `imap` crate over IMAPS, logged in.
#[track_caller]
pub(crate) fn session(server: &Server, account: &str) -> imap::Session<Wire> {
    let wire = Wire::connect(server.address(Listener::Imaps)).secure(server.authority.client()).expect("a handshake");
    let mut client = imap::Client::new(wire);
    client.read_greeting().expect("a greeting");
    client.login(account, PASSWORD).map_err(|(error, _)| error).expect("a login")
}

/// A dialogue of IMAP.
pub(crate) struct Imap {
    talk: Talk,
    tag: u32,
}

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Untagged responses, each with its literals, without the `* ` and the last CRLF.
    pub(crate) untagged: Vec<String>,
    /// The tagged response without its tag.
    pub(crate) tagged: String,
}

impl Deref for Imap {
    type Target = Talk;
    fn deref(&self) -> &Talk {
        &self.talk
    }
}

impl DerefMut for Imap {
    fn deref_mut(&mut self) -> &mut Talk {
        &mut self.talk
    }
}

impl Imap {
    /// Connects in plaintext, and has the greeting behind it.
    #[track_caller]
    pub(crate) fn greet(server: &Server) -> Self {
        Self::greeted(Talk::plain(server.address(Listener::Imap)))
    }

    /// Over IMAPS, greeted and not logged in.
    #[track_caller]
    pub(crate) fn secure(server: &Server) -> Self {
        Self::secure_as(server, &server.authority.client())
    }

    /// The same, with a client's own TLS.
    #[track_caller]
    pub(crate) fn secure_as(server: &Server, config: &Arc<ClientConfig>) -> Self {
        Self::greeted(Talk::tls(server.address(Listener::Imaps), Arc::clone(config)))
    }

    /// Over IMAPS, logged in.
    #[track_caller]
    pub(crate) fn login(server: &Server, account: &str) -> Self {
        let mut imap = Self::secure(server);
        imap.expect(&format!("LOGIN {account} \"{PASSWORD}\""));
        imap
    }

    /// Over IMAPS, logged in, INBOX selected.
    #[track_caller]
    pub(crate) fn inbox(server: &Server, account: &str) -> Self {
        let mut imap = Self::login(server, account);
        imap.expect("SELECT INBOX");
        imap
    }

    /// STARTTLS and the handshake.
    #[track_caller]
    pub(crate) fn start_tls(mut self, server: &Server) -> Self {
        self.expect("STARTTLS");
        Self { talk: self.talk.secure(server.authority.client()), tag: 0 }
    }

    #[track_caller]
    fn greeted(mut talk: Talk) -> Self {
        let greeting = talk.line();
        assert!(greeting.starts_with("* OK"), "the greeting: {greeting:?}");
        Self { talk, tag: 0 }
    }

    /// The dialogue below.
    pub(crate) fn into_inner(self) -> Talk {
        self.talk
    }

    /// One response with its literals, without its last CRLF. Octets that are not ASCII become
    /// characters of the same number, so that a character is an octet.
    #[track_caller]
    pub(crate) fn response(&mut self) -> String {
        let mut response = Vec::new();
        loop {
            let line = self.try_line().expect("a response, and no end");
            response.extend_from_slice(&line[..line.len() - 2]);
            let Some(octets) = literal(&line) else { break };
            response.extend_from_slice(b"\r\n");
            let literal = self.octets(octets);
            response.extend_from_slice(&literal);
        }
        response.into_iter().map(char::from).collect()
    }

    /// Says a command and gives what came of it.
    #[track_caller]
    pub(crate) fn ask(&mut self, command: &str) -> Answer {
        let tag = self.begin(command);
        self.answer(&tag)
    }

    /// Says a command; its tag.
    #[track_caller]
    pub(crate) fn begin(&mut self, command: &str) -> String {
        self.tag += 1;
        let tag = format!("t{}", self.tag);
        self.say(&format!("{tag} {command}"));
        tag
    }

    /// What came of a command said before.
    #[track_caller]
    pub(crate) fn answer(&mut self, tag: &str) -> Answer {
        let mut untagged = Vec::new();
        loop {
            let response = self.response();
            if let Some(tagged) = response.strip_prefix(tag).and_then(|rest| rest.strip_prefix(' ')) {
                return Answer { untagged, tagged: tagged.to_owned() };
            }
            let rest = response.strip_prefix("* ").unwrap_or_else(|| panic!("neither * nor {tag}: {response:?}"));
            untagged.push(rest.to_owned());
        }
    }

    /// Says a command that is to be answered OK; its untagged responses.
    #[track_caller]
    pub(crate) fn expect(&mut self, command: &str) -> Vec<String> {
        let answer = self.ask(command);
        assert!(answer.tagged.starts_with("OK"), "{command:?} was answered {answer:?}");
        answer.untagged
    }

    /// Says a command that is to be answered NO or BAD.
    #[track_caller]
    pub(crate) fn refused(&mut self, command: &str) -> String {
        let answer = self.ask(command);
        assert!(!answer.tagged.starts_with("OK"), "{command:?} was answered {answer:?}");
        answer.tagged
    }
}

/// Octets of the literal that a line announces (RFC 3501 section 4.3).
fn literal(line: &[u8]) -> Option<usize> {
    let digits = line.strip_suffix(b"}\r\n")?;
    let open = digits.iter().rposition(|&octet| octet == b'{')?;
    str::from_utf8(&digits[open + 1..]).ok()?.parse().ok()
}
