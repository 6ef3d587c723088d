//! Reports to the sender about what became of recipients (RFC 3461 section 6, RFC 3464).
//!
//! A multipart/report of three parts (RFC 6522): words for people, fields for programs, and
//! the message or its header. It needs no extension on its way unless the sender's own address
//! does (RFC 6533): then it is UTF-8 as that is, else pure ASCII but for a whole message of
//! 8BITMIME, which stays as it is. What remote servers said stands in it on indented lines of
//! printable ASCII, where it can be neither field nor boundary.
//!
//! A whole message is never held: the store surveys it ([`Survey`]), writes what is before it
//! ([`Around`]), hands its octets through the [`Encoder`], and writes what is behind it.

mod address;
mod fields;
mod returned;
mod words;

use memchr::memmem;
use postkern::smtp::Ret;

pub use self::returned::{Encoder, HEADER_MAX, Survey};
use self::returned::{Returned, cut};
use crate::job::{QueueId, Timestamp};
use crate::queue::{Action, Remote, Terms};
use crate::trace::{date, name};

/// What a report tells.
#[derive(Clone, Copy, Debug)]
pub struct Dsn<'a> {
    /// Our host name.
    pub hostname: &'a str,
    /// Of the message that it tells of.
    pub id: QueueId,
    /// Of the report itself: makes its Message-ID and boundary.
    pub own_id: QueueId,
    /// The reverse-path of the message, where the report goes. Never null: nothing is reported
    /// of a message from the null reverse-path (RFC 3461 section 5.2).
    pub sender: &'a str,
    /// What the sender asked for the message.
    pub terms: &'a Terms,
    /// Of whom it tells, and what.
    pub news: &'a [News],
    /// When the message was accepted.
    pub queued: Timestamp,
    /// The date of the report.
    pub now: Timestamp,
}

/// What is told of one recipient.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct News {
    /// As it was when the message was accepted here.
    pub recipient: Remote,
    /// What became of it.
    pub action: Action,
}

/// A report but for the message that it returns.
#[derive(Debug)]
pub struct Around {
    /// What stands before the message.
    pub before: Vec<u8>,
    /// What its octets go through.
    pub encoder: Encoder,
    /// What stands behind it.
    pub behind: Vec<u8>,
}

/// Octets of a line that are aimed at.
const LINE: usize = 76;
/// Octets of a line that there may be, without CRLF (RFC 5322 section 2.1.1).
const LINE_MAX: usize = 998;

impl Dsn<'_> {
    /// Whether the whole message is to be returned: the sender wants it, something failed, and
    /// it is no longer than `most` (RFC 3461 sections 4.3 and 6.2). Never one that requires
    /// TLS (RFC 8689 section 5).
    pub fn returns_whole(&self, size: u64, most: u64) -> bool {
        let failed = self.news.iter().any(|news| matches!(news.action, Action::Failed(_)));
        self.terms.ret == Some(Ret::Full) && failed && !self.terms.require_tls && size <= most
    }

    /// What is asked for the report as a message. RET, ENVID and the rest are the message's own
    /// (RFC 3461 section 6.1); its TLS is kept (RFC 8689 section 5), and its priority (RFC 6710
    /// section 4.6).
    pub fn own_terms(&self) -> Terms {
        let Terms { require_tls, priority, .. } = *self.terms;
        Terms { smtp_utf8: self.is_utf8(), require_tls, priority, ..Terms::default() }
    }

    /// The report with the message's header, which is given without its empty line, and is cut
    /// to [`HEADER_MAX`].
    pub fn with_header(&self, header: &[u8]) -> Vec<u8> {
        let mut third = Vec::new();
        let returned = Returned::header(self, cut(header), &mut third);
        let (people, programs) = self.parts();
        let boundary = self.free_boundary([&people, &programs, &third]);
        let mut out = self.before(&people, &programs, &returned, &boundary);
        out.extend_from_slice(&third);
        out.extend_from_slice(&behind(&boundary));
        out
    }

    /// The report around the message, which was surveyed for it. None if it cannot stand in a
    /// report: then its header does.
    pub fn around(&self, survey: &Survey) -> Option<Around> {
        let (returned, encoder) = Returned::whole(self, survey)?;
        let (people, programs) = self.parts();
        let boundary = self.free_boundary([&people, &programs, b""]);
        let before = self.before(&people, &programs, &returned, &boundary);
        Some(Around { before, encoder, behind: behind(&boundary) })
    }

    /// Whether the report may be UTF-8: the way to its recipient takes that, or there is none.
    fn is_utf8(&self) -> bool {
        !self.sender.is_ascii()
    }

    fn parts(&self) -> (Vec<u8>, Vec<u8>) {
        let (host, mut people, mut programs) = (name(self.hostname), Vec::new(), Vec::new());
        words::write(self, &host, &mut people);
        fields::write(self, &host, &mut programs);
        (people, programs)
    }

    /// All up to the content of the third part.
    fn before(&self, people: &[u8], programs: &[u8], returned: &Returned, boundary: &str) -> Vec<u8> {
        let host = name(self.hostname);
        let mut out = Vec::with_capacity(2048 + people.len() + programs.len());
        let (people_8bit, programs_8bit) = (!people.is_ascii(), !programs.is_ascii());
        for line in [
            &format!("Date: {}", date(self.now)),
            &format!("From: Mail Delivery System <MAILER-DAEMON@{host}>"),
            &format!("To: {}", address::header(self.sender)),
            &format!("Subject: {}", words::subject(self.news)),
            &format!("Message-ID: <report.{}.{}@{host}>", self.own_id.0, self.now.0),
            // RFC 3834 section 5: an answer to a message, made by no person.
            "Auto-Submitted: auto-replied",
            "MIME-Version: 1.0",
            "Content-Type: multipart/report; report-type=delivery-status;",
            &format!("\tboundary=\"{boundary}\""),
        ] {
            put(&mut out, line);
        }
        let returned_8bit = returned.encoding == Some("8bit");
        if people_8bit || programs_8bit || returned_8bit {
            put(&mut out, "Content-Transfer-Encoding: 8bit");
        }
        let eight_bit = |is: bool| is.then_some("8bit");
        let text = if people_8bit { "text/plain; charset=utf-8" } else { "text/plain; charset=us-ascii" };
        // RFC 6533 section 4.1.
        let status = if programs_8bit { "message/global-delivery-status" } else { "message/delivery-status" };
        for (kind, encoding, part) in [
            (text, eight_bit(people_8bit), people),
            (status, eight_bit(programs_8bit), programs),
            (returned.kind, returned.encoding, &[]),
        ] {
            put(&mut out, "");
            put(&mut out, &format!("--{boundary}"));
            put(&mut out, &format!("Content-Type: {kind}"));
            if let Some(encoding) = encoding {
                put(&mut out, &format!("Content-Transfer-Encoding: {encoding}"));
            }
            put(&mut out, "");
            out.extend_from_slice(part);
        }
        out
    }

    /// What all boundaries of this report begin with.
    fn stem(&self) -> String {
        format!("postkern-{}-{}-", self.own_id.0, self.now.0)
    }

    /// A boundary that is nowhere in the parts: some programs look for it within lines too.
    fn free_boundary(&self, parts: [&[u8]; 3]) -> String {
        let named = |number: usize| format!("{}{number}", self.stem());
        // Each number that is taken costs the parts its octets, so that a free one comes soon.
        let most = parts.iter().map(|part| part.len()).sum();
        let is_free = |name: &str| parts.iter().all(|part| memmem::find(part, name.as_bytes()).is_none());
        (0..=most).map(named).find(|name| is_free(name)).unwrap_or_else(|| named(most))
    }
}

/// All behind the content of the third part.
fn behind(boundary: &str) -> Vec<u8> {
    format!("\r\n--{boundary}--\r\n").into_bytes()
}

fn put(out: &mut Vec<u8>, line: &str) {
    out.extend_from_slice(line.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Words on lines, each of which begins with `first` or, but for the first, `next`.
fn flow(first: &str, next: &str, words: &str, out: &mut Vec<u8>) {
    let mut line = String::from(first);
    let mut empty = true;
    for word in words.split_ascii_whitespace() {
        if !empty && line.len() + 1 + word.len() > LINE {
            put(out, &line);
            line = next.into();
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    put(out, line.trim_end());
}
