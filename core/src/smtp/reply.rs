//! Replies (RFC 5321 section 4.2) and enhanced status codes (RFC 3463).

use alloc::vec::Vec;

use crate::text::{chomp, number, put_number, put_text};

/// A status code such as 5.1.1: class, subject, detail (RFC 3463 section 2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Enhanced(pub u8, pub u16, pub u16);

impl Enhanced {
    /// Reads the code that a reply's text begins with (RFC 2034 section 4).
    fn parse(text: &[u8]) -> Option<Self> {
        let end = text.iter().position(|&byte| byte == b' ').unwrap_or(text.len());
        let mut parts = text[..end].split(|&byte| byte == b'.');
        let mut part = || parts.next().and_then(number);
        let (class, subject, detail) = (part()?, part()?, part()?);
        let fits = matches!(class, 2 | 4 | 5) && subject <= 999 && detail <= 999 && part().is_none();
        fits.then_some(Self(class as u8, subject as u16, detail as u16))
    }
}

impl core::fmt::Display for Enhanced {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// A reply to send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reply<'a> {
    /// 200 to 599.
    pub code: u16,
    /// Written only where RFC 2034 section 3 has it: not in the greeting, not in the answer to
    /// EHLO, and to no client that said HELO.
    pub enhanced: Option<Enhanced>,
    /// Printable ASCII; LF parts lines.
    pub text: &'a str,
}

impl<'a> Reply<'a> {
    /// 250 2.0.0.
    pub const OK: Reply<'static> = Reply::new(250, Enhanced(2, 0, 0), "ok");
    /// 354: send the message.
    pub const START: Reply<'static> = Reply { code: 354, enhanced: None, text: "send the message, end with ." };
    /// 220 for STARTTLS.
    pub const START_TLS: Reply<'static> = Reply::new(220, Enhanced(2, 0, 0), "start TLS");
    /// 221 for QUIT.
    pub const BYE: Reply<'static> = Reply::new(221, Enhanced(2, 0, 0), "bye");

    /// A reply with an enhanced status code.
    pub const fn new(code: u16, enhanced: Enhanced, text: &'a str) -> Self {
        Self { code, enhanced: Some(enhanced), text }
    }

    /// A reply without one: the greeting, the answer to EHLO, 354, 334.
    pub const fn plain(code: u16, text: &'a str) -> Self {
        Self { code, enhanced: None, text }
    }

    /// Whether the command was carried out (2yz).
    pub const fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// Appends the reply; unless `last`, more lines of the same reply follow.
    pub(super) fn write(&self, enhanced: bool, last: bool, out: &mut Vec<u8>) {
        debug_assert!((200..600).contains(&self.code), "reply code {}", self.code);
        let mut lines = self.text.split('\n').peekable();
        while let Some(line) = lines.next() {
            put_number(self.code.into(), out);
            out.push(if last && lines.peek().is_none() { b' ' } else { b'-' });
            if let (true, Some(Enhanced(class, subject, detail))) = (enhanced, self.enhanced) {
                for (number, end) in [(class.into(), b'.'), (subject, b'.'), (detail, b' ')] {
                    put_number(number.into(), out);
                    out.push(end);
                }
            }
            put_text(line, out);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// A reply received: one code, one or more lines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReplyLines<'i> {
    /// 200 to 599.
    pub code: u16,
    pub(super) raw: &'i [u8],
}

impl<'i> ReplyLines<'i> {
    /// The text of each line, without code, separator and line end.
    pub fn lines(&self) -> impl Iterator<Item = &'i [u8]> + use<'i> {
        self.raw.split_inclusive(|&byte| byte == b'\n').map(|line| chomp(line).get(4..).unwrap_or_default())
    }

    /// The text of the first line.
    pub fn text(&self) -> &'i [u8] {
        self.lines().next().unwrap_or_default()
    }

    /// The enhanced status code, if the reply begins with one of its own class.
    pub fn enhanced(&self) -> Option<Enhanced> {
        Enhanced::parse(self.text()).filter(|enhanced| u16::from(enhanced.0) == self.code / 100)
    }

    /// Whether the command was carried out (2yz).
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// Whether trying again later may help (4yz).
    pub fn is_transient(&self) -> bool {
        self.code / 100 == 4
    }
}
