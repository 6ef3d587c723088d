//! SMTP by hand.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use postkern_server::config::Listener;
use rustls::ClientConfig;

use super::server::{PASSWORD, Server};
use super::talk::Talk;

/// A whole reply.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Reply {
    /// Three digits.
    pub(crate) code: u16,
    /// All lines without their codes, parted by a line feed.
    pub(crate) text: String,
}

/// A dialogue of SMTP.
pub(crate) struct Smtp(Talk);

impl Deref for Smtp {
    type Target = Talk;
    fn deref(&self) -> &Talk {
        &self.0
    }
}

impl DerefMut for Smtp {
    fn deref_mut(&mut self) -> &mut Talk {
        &mut self.0
    }
}

impl Smtp {
    /// Connects, and has the greeting and the answer to EHLO (or LHLO) behind it.
    #[track_caller]
    pub(crate) fn hello(server: &Server, listener: Listener) -> Self {
        Self::hello_as(server, listener, &server.authority.client())
    }

    /// The same, with a client's own TLS where the listener begins with it.
    #[track_caller]
    pub(crate) fn hello_as(server: &Server, listener: Listener, config: &Arc<ClientConfig>) -> Self {
        let address = server.address(listener);
        let mut smtp = if listener.is_implicit_tls() {
            Self(Talk::tls(address, Arc::clone(config)))
        } else {
            Self(Talk::plain(address))
        };
        smtp.greeted();
        let verb = if listener == Listener::Lmtp { "LHLO" } else { "EHLO" };
        smtp.expect(250, &format!("{verb} client.test"));
        smtp
    }

    /// Connects, and has the greeting behind it, in plaintext.
    #[track_caller]
    pub(crate) fn greet(server: &Server, listener: Listener) -> Self {
        let mut smtp = Self(Talk::plain(server.address(listener)));
        smtp.greeted();
        smtp
    }

    /// Takes a dialogue over that stands before its greeting.
    #[track_caller]
    pub(crate) fn over(talk: Talk) -> Self {
        let mut smtp = Self(talk);
        smtp.greeted();
        smtp
    }

    /// Over submissions, authenticated.
    #[track_caller]
    pub(crate) fn login(server: &Server, account: &str) -> Self {
        let mut smtp = Self::hello(server, Listener::Submissions);
        smtp.expect(235, &format!("AUTH PLAIN {}", plain(account, PASSWORD)));
        smtp
    }

    /// The handshake after STARTTLS, and no EHLO yet.
    #[track_caller]
    pub(crate) fn secured(self, server: &Server) -> Self {
        Self(self.0.secure(server.authority.client()))
    }

    /// Takes a dialogue over that stands behind its greeting.
    #[track_caller]
    fn greeted(&mut self) {
        let reply = self.reply();
        assert_eq!(reply.code, 220, "the greeting: {}", reply.text);
    }

    /// The dialogue below.
    pub(crate) fn into_inner(self) -> Talk {
        self.0
    }

    /// The next reply.
    #[track_caller]
    pub(crate) fn reply(&mut self) -> Reply {
        let mut text = Vec::new();
        loop {
            let line = self.line();
            let code = line.get(..3).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no reply: {line:?}"));
            text.push(line.get(4..).unwrap_or_default().to_owned());
            match line.as_bytes().get(3) {
                Some(b'-') => {}
                Some(b' ') | None => return Reply { code, text: text.join("\n") },
                Some(_) => panic!("no reply: {line:?}"),
            }
        }
    }

    /// Says a line and gives the reply to it.
    #[track_caller]
    pub(crate) fn ask(&mut self, line: &str) -> Reply {
        self.say(line);
        self.reply()
    }

    /// Says a line that is to be answered by this code.
    #[track_caller]
    pub(crate) fn expect(&mut self, code: u16, line: &str) -> String {
        let reply = self.ask(line);
        assert_eq!(reply.code, code, "{line:?} was answered {reply:?}");
        reply.text
    }

    /// MAIL and RCPT, all taken.
    #[track_caller]
    pub(crate) fn envelope(&mut self, from: &str, to: &[&str]) {
        self.expect(250, &format!("MAIL FROM:<{from}>"));
        for to in to {
            self.expect(250, &format!("RCPT TO:<{to}>"));
        }
    }

    /// A whole transaction; the reply to the message.
    #[track_caller]
    pub(crate) fn send(&mut self, from: &str, to: &[&str], message: &[u8]) -> Reply {
        self.envelope(from, to);
        self.expect(354, "DATA");
        self.put(stuffed(message));
        self.reply()
    }
}

/// The message as it goes over the wire: dots doubled, its end behind it (RFC 5321 section
/// 4.5.2). A message that does not end a line has its last line ended.
pub(crate) fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(message.len() + 64);
    let mut at_start = true;
    for &octet in message {
        if at_start && octet == b'.' {
            wire.push(b'.');
        }
        wire.push(octet);
        at_start = wire.ends_with(b"\r\n");
    }
    wire.extend_from_slice(if at_start { b".\r\n" } else { b"\r\n.\r\n" });
    wire
}

/// The initial response of PLAIN (RFC 4616), in base64.
pub(crate) fn plain(login: &str, password: &str) -> String {
    base64(format!("\0{login}\0{password}").as_bytes())
}

/// RFC 4648 section 4.
pub(crate) fn base64(octets: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in octets.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, &octet| bits << 8 | u32::from(octet)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= group.len() { digit as char } else { '=' });
        }
    }
    text
}
