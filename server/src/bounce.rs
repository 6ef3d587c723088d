//! What the sender is told of recipients that were given up (RFC 3464).
//!
//! A multipart/report of three parts (RFC 6522): words for people, fields for programs, and
//! the header of the message. It is pure ASCII with short lines whatever came in, so that it
//! needs no extension on its way. What remote servers said stands in it on indented lines of
//! printable ASCII, where it can be neither field nor boundary.

use memchr::memmem;
use postkern::smtp;

use crate::job::{QueueId, Timestamp};
use crate::queue::Diagnostic;
use crate::trace::{date, mailbox, name};

/// What a bounce tells.
#[derive(Debug)]
pub struct Bounce<'a> {
    /// Our host name.
    pub hostname: &'a str,
    /// Of the message that was not delivered.
    pub id: QueueId,
    /// Of the bounce itself: makes its Message-ID and boundary.
    pub own_id: QueueId,
    /// The reverse-path of the message, where the bounce goes. Never null: a message from
    /// the null reverse-path is never bounced (RFC 5321 section 6.1).
    pub sender: &'a str,
    /// Who, and why.
    pub failed: &'a [(String, Diagnostic)],
    /// When the message was accepted.
    pub queued: Timestamp,
    /// The date of the bounce.
    pub now: Timestamp,
    /// The message's header, up to and without its empty line, cut to [`HEADER_MAX`].
    pub header: &'a [u8],
}

/// Octets of the original's header that a bounce returns.
pub const HEADER_MAX: usize = 64 * 1024;

/// Octets of a line that are aimed at.
const LINE: usize = 76;
/// Octets of a line that there may be, without CRLF (RFC 5322 section 2.1.1).
const LINE_MAX: usize = 998;

/// The bounce as a message.
pub fn build(bounce: &Bounce<'_>) -> Vec<u8> {
    let host = name(bounce.hostname);
    let (mut people, mut programs, mut header) = (Vec::new(), Vec::new(), Vec::new());
    words(bounce, &host, &mut people);
    fields(bounce, &host, &mut programs);
    let encoding = returned(cut(bounce.header), &mut header);
    let boundary = boundary(bounce, [&people, &programs, &header]);
    let mut out = Vec::with_capacity(1024 + people.len() + programs.len() + header.len());
    for line in [
        &format!("Date: {}", date(bounce.now)),
        &format!("From: Mail Delivery System <MAILER-DAEMON@{host}>"),
        &format!("To: {}", mailbox(bounce.sender)),
        "Subject: Undelivered mail",
        &format!("Message-ID: <bounce.{}.{}@{host}>", bounce.own_id.0, bounce.now.0),
        // RFC 3834 section 5: an answer to a message, made by no person.
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        "Content-Type: multipart/report; report-type=delivery-status;",
        &format!("\tboundary=\"{boundary}\""),
    ] {
        put(&mut out, line);
    }
    for (kind, encoding, part) in [
        ("text/plain; charset=us-ascii", None, people),
        ("message/delivery-status", None, programs),
        ("text/rfc822-headers", encoding, header),
    ] {
        put(&mut out, "");
        put(&mut out, &format!("--{boundary}"));
        put(&mut out, &format!("Content-Type: {kind}"));
        if let Some(encoding) = encoding {
            put(&mut out, &format!("Content-Transfer-Encoding: {encoding}"));
        }
        put(&mut out, "");
        out.extend_from_slice(&part);
    }
    put(&mut out, "");
    put(&mut out, &format!("--{boundary}--"));
    out
}

/// The part for people.
fn words(bounce: &Bounce<'_>, host: &str, out: &mut Vec<u8>) {
    put(out, &format!("This is the mail server {host}."));
    put(out, "");
    let recipients = if bounce.failed.len() == 1 { "recipient" } else { "recipients" };
    let what = format!(
        "Your message, accepted here on {}, could not be delivered to the {recipients} below. \
         It will not be tried again.",
        date(bounce.queued)
    );
    flow("", "", &what, out);
    for (recipient, why) in bounce.failed {
        put(out, "");
        put(out, &format!("<{}>:", printable(recipient)));
        let remote = why.remote.as_deref().map(printable);
        let said = match (&remote, why.is_expired()) {
            (Some(remote), true) => format!("{}, of {remote}:", given_up(bounce)),
            (None, true) => format!("{}:", given_up(bounce)),
            (Some(remote), false) => format!("The server {remote} refused it:"),
            (None, false) => "It cannot be sent there:".into(),
        };
        flow("    ", "    ", &said, out);
        flow("    ", "    ", &printable(&why.text), out);
    }
    put(out, "");
    let rest = format!(
        "What follows is a report for programs, and the header of your message. If you ask \
         your postmaster for help, name the queue id {}.",
        bounce.id.0
    );
    flow("", "", &rest, out);
}

fn given_up(bounce: &Bounce<'_>) -> String {
    let minutes = bounce.now.0.saturating_sub(bounce.queued.0).max(0) / 60;
    let (count, unit) = match minutes {
        0..120 => (minutes, "minute"),
        120..2880 => (minutes / 60, "hour"),
        _ => (minutes / 60 / 24, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("Given up after {count} {unit}{plural}; the last attempt met this answer")
}

/// The part for programs (RFC 3464 section 2).
fn fields(bounce: &Bounce<'_>, host: &str, out: &mut Vec<u8>) {
    put(out, &format!("Reporting-MTA: dns; {host}"));
    put(out, &format!("X-Postkern-Queue-ID: {}", bounce.id.0));
    put(out, &format!("Arrival-Date: {}", date(bounce.queued)));
    for (recipient, why) in bounce.failed {
        put(out, "");
        put(out, &format!("Final-Recipient: rfc822; {}", printable(recipient)));
        put(out, "Action: failed");
        put(out, &format!("Status: {}", status(&why.status)));
        if let Some(remote) = &why.remote {
            put(out, &format!("Remote-MTA: dns; {}", printable(remote)));
        }
        // Our own words have no registered type; "X-" is for such.
        let kind = if why.smtp { "Diagnostic-Code: smtp; " } else { "Diagnostic-Code: X-Postkern; " };
        flow(kind, "\t", &printable(&why.text), out);
        put(out, &format!("Last-Attempt-Date: {}", date(bounce.now)));
    }
}

/// The part that gives the header back, and its encoding if it needs one.
fn returned(header: &[u8], out: &mut Vec<u8>) -> Option<&'static str> {
    if !is_plain(header) {
        // RFC 6522 section 4: for headers that are no legal 7-bit content.
        quoted_printable(header, out);
        return Some("quoted-printable");
    }
    out.extend_from_slice(header);
    if !header.is_empty() && !header.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    None
}

/// A boundary that is nowhere in the parts: some programs look for it within lines too.
fn boundary(bounce: &Bounce<'_>, parts: [&[u8]; 3]) -> String {
    let named = |number: usize| format!("postkern-{}-{}-{number}", bounce.own_id.0, bounce.now.0);
    // Each number that is taken costs the parts its octets, so that a free one comes soon.
    let most = parts.iter().map(|part| part.len()).sum();
    let is_free = |name: &str| parts.iter().all(|part| memmem::find(part, name.as_bytes()).is_none());
    (0..=most).map(named).find(|name| is_free(name)).unwrap_or_else(|| named(most))
}

/// The header, to [`HEADER_MAX`] octets and to the end of a line.
fn cut(header: &[u8]) -> &[u8] {
    match header.get(..HEADER_MAX) {
        Some(start) if header.len() > HEADER_MAX => match memmem::rfind(start, b"\r\n") {
            Some(end) => &start[..end + 2],
            None => start,
        },
        Some(_) | None => header,
    }
}

/// Whether it can stand as it is: whole lines of 7-bit octets, none too long.
fn is_plain(header: &[u8]) -> bool {
    let lines = header.strip_suffix(b"\r\n").unwrap_or(header);
    let line = |line: &[u8]| line.len() <= LINE_MAX && line.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    // Split at LF, so that a CR is left on each line but the last.
    let mut pieces = lines.split(|&byte| byte == b'\n').peekable();
    while let Some(piece) = pieces.next() {
        let piece = match pieces.peek() {
            Some(_) => piece.strip_suffix(b"\r"),
            None => Some(piece),
        };
        if !piece.is_some_and(line) {
            return false;
        }
    }
    true
}

/// RFC 2045 section 6.7. Line ends are CRLF; another CR or LF is an octet like others.
fn quoted_printable(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut width = 0;
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        if rest.starts_with(b"\r\n") {
            out.extend_from_slice(b"\r\n");
            (rest, width) = (&rest[2..], 0);
            continue;
        }
        rest = after;
        let blank_at_end = matches!(byte, b' ' | b'\t') && (rest.is_empty() || rest.starts_with(b"\r\n"));
        let plain = matches!(byte, b'\t' | b' '..=b'<' | b'>'..=b'~') && !blank_at_end;
        let len = if plain { 1 } else { 3 };
        // One octet is left for the "=" of a soft line break.
        if width + len > LINE - 1 {
            out.extend_from_slice(b"=\r\n");
            width = 0;
        }
        match plain {
            true => out.push(byte),
            false => out.extend([b'=', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        }
        width += len;
    }
    if width > 0 {
        out.extend_from_slice(b"\r\n");
    }
}

/// A status that is none is a failure of an unknown kind (RFC 3463 section 3.1).
fn status(status: &str) -> &str {
    let mut parts = status.split('.');
    let number = |part: &str| {
        (1..=3).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    let class = parts.next().is_some_and(|class| matches!(class, "4" | "5"));
    match class && parts.next().is_some_and(number) && parts.next().is_some_and(number) && parts.next().is_none() {
        true => status,
        false => "5.0.0",
    }
}

/// Printable ASCII, at most as much as is kept of a reply.
fn printable(text: &str) -> String {
    text.chars().take(smtp::SAID_MAX).map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect()
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

fn put(out: &mut Vec<u8>, line: &str) {
    out.extend_from_slice(line.as_bytes());
    out.extend_from_slice(b"\r\n");
}
