//! Replies (RFC 5321 section 4.2) and enhanced status codes (RFC 3463).

use alloc::vec::Vec;

use crate::text::{chomp, put_text};

/// A status code such as 5.1.1: class, subject, detail (RFC 3463 section 2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Enhanced(pub u8, pub u16, pub u16);

impl Enhanced {
    /// Reads the code that a line's text begins with (RFC 2034 section 4), up to a space or
    /// the line's end.
    fn parse(text: &[u8]) -> Option<Self> {
        let [class @ (b'2' | b'4' | b'5'), b'.', rest @ ..] = text else { return None };
        let (subject, rest) = Self::part(rest)?;
        let (detail, rest) = Self::part(rest.strip_prefix(b".")?)?;
        matches!(rest, [] | [b' ' | b'\n', ..] | [b'\r', b'\n', ..]).then_some(Self(class - b'0', subject, detail))
    }

    /// A number of one to three digits (RFC 3463 section 2), and what follows it.
    fn part(text: &[u8]) -> Option<(u16, &[u8])> {
        let len = text.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = text.split_at(len);
        let value = digits.iter().fold(0, |value, digit| value * 10 + u16::from(digit - b'0'));
        (len > 0).then_some((value, rest))
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
        let (mut head, len) = self.head(enhanced);
        let mut line = |text: &str, last: bool| {
            head[SEPARATOR] = if last { b' ' } else { b'-' };
            out.extend_from_slice(&head[..len]);
            put_text(text, out);
            out.extend_from_slice(b"\r\n");
        };
        let mut text = self.text;
        while let Some(end) = text.bytes().position(|byte| byte == b'\n') {
            line(&text[..end], false);
            text = &text[end + 1..];
        }
        line(text, last);
    }

    /// What each line begins with, and its length.
    fn head(&self, enhanced: bool) -> ([u8; HEAD_MAX], usize) {
        let mut head = [0; HEAD_MAX];
        let mut len = 0;
        let mut push = |byte: u8| {
            head[len] = byte;
            len += 1;
        };
        let digit = |of: u16| b'0' + (of % 10) as u8;
        [self.code / 100, self.code / 10, self.code].map(digit).into_iter().for_each(&mut push);
        push(b' ');
        if let (true, Some(Enhanced(class, subject, detail))) = (enhanced, self.enhanced) {
            debug_assert!(subject < 1000 && detail < 1000, "a part of a status code has three digits at most");
            for (number, end) in [(class.into(), b'.'), (subject, b'.'), (detail, b' ')] {
                if number > 99 {
                    push(digit(number / 100));
                }
                if number > 9 {
                    push(digit(number / 10));
                }
                push(digit(number));
                push(end);
            }
        }
        (head, len)
    }
}

/// Where a space or a hyphen stands in a line of a reply.
const SEPARATOR: usize = 3;
/// Octets of `250 5.123.123 `.
const HEAD_MAX: usize = 16;

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
        let mut rest = self.raw;
        core::iter::from_fn(move || {
            let len = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let (line, after) = rest.split_at(len);
            rest = after;
            (len > 0).then(|| chomp(line).get(4..).unwrap_or_default())
        })
    }

    /// The text of the first line.
    pub fn text(&self) -> &'i [u8] {
        self.lines().next().unwrap_or_default()
    }

    /// The enhanced status code, if the reply begins with one of its own class.
    pub fn enhanced(&self) -> Option<Enhanced> {
        Enhanced::parse(self.raw.get(4..)?).filter(|enhanced| u16::from(enhanced.0) == self.code / 100)
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
