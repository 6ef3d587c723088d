//! Messages that are easily damaged on the way, and the proof that they were not.

use super::smtp::base64;

/// A message and what is special about it.
pub(crate) struct Sample {
    /// What is special.
    pub(crate) name: &'static str,
    /// The message.
    pub(crate) octets: Vec<u8>,
}

impl Sample {
    /// As it is after a protocol that knows only whole lines: SMTP ends the last one (RFC 5321
    /// section 2.3.8).
    pub(crate) fn in_lines(&self) -> Vec<u8> {
        let mut octets = self.octets.clone();
        if !octets.ends_with(b"\r\n") {
            octets.extend_from_slice(b"\r\n");
        }
        octets
    }
}

/// Header fields that every sample has, so that a submission server has nothing to add (RFC
/// 6409 section 8).
const HEADER: &str = "From: Alice <alice@example.test>\r\nTo: Bob <bob@example.test>\r\n\
     Date: Mon, 2 Nov 2026 10:00:00 +0000\r\nMessage-ID: <sample@example.test>\r\n";

/// A plain message with this subject and text.
pub(crate) fn text(subject: &str, body: &str) -> Vec<u8> {
    format!("{HEADER}Subject: {subject}\r\n\r\n{body}\r\n").into_bytes()
}

/// All samples.
pub(crate) fn samples() -> Vec<Sample> {
    let sample = |name, rest: &str| Sample { name, octets: format!("{HEADER}{rest}").into_bytes() };
    vec![
        sample("an empty body", "Subject: nothing\r\n\r\n"),
        sample("no body at all", "Subject: a header alone\r\n"),
        sample("dots", "Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.x\r\n. \r\n\r\n.\r\n\r\n..end.\r\n.\r\n"),
        sample("no line end at the end", "Subject: open end\r\n\r\nthe last line is not ended"),
        sample("a dot and no line end", "Subject: open end\r\n\r\nx\r\n."),
        sample(
            "8-bit UTF-8",
            "Subject: gr\u{fc}n\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\u{fc}\u{df}e aus K\u{f6}ln, \u{3b1}\u{3b2}\u{3b3} \u{1f40c}\r\n",
        ),
        sample(
            "lines that look like protocol",
            "Subject: lines\r\n\r\nFrom the start\r\n>From\r\n* BYE\r\na1 OK\r\n+OK\r\n250 ok\r\nQUIT\r\n)\r\n* 1 FETCH (BODY[] {3}\r\n",
        ),
        sample("trailing blanks and tabs", "Subject: blanks\r\n\r\n \r\n\t\r\nends in a blank \r\n\r\n\r\n\r\n"),
        Sample { name: "octets above 127", octets: high() },
        Sample {
            name: "long lines",
            octets: format!("{HEADER}Subject: long\r\n\r\n{}\r\n", "x".repeat(998)).into_bytes(),
        },
        Sample { name: "10 MB of base64", octets: large() },
        Sample { name: "a message within a message", octets: nested() },
    ]
}

/// Every octet that 8BITMIME lets through (RFC 6152: no NUL, CR and LF only together).
fn high() -> Vec<u8> {
    let mut octets = format!("{HEADER}Subject: octets\r\nContent-Transfer-Encoding: 8bit\r\n\r\n").into_bytes();
    for octet in (1..=255u8).filter(|octet| !matches!(octet, b'\r' | b'\n')) {
        octets.extend_from_slice(&[octet, octet, b'\r', b'\n']);
    }
    octets
}

/// An attachment of ten million octets, in lines of 76.
fn large() -> Vec<u8> {
    let line = |number: u32| {
        let octets: Vec<u8> = (0..57u32).map(|at| (number.wrapping_mul(2_654_435_761) >> (at % 24)) as u8).collect();
        base64(&octets) + "\r\n"
    };
    let body: String = (0..10_000_000 / 78 + 1).map(line).collect();
    format!("{HEADER}Subject: large\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n{body}").into_bytes()
}

/// multipart/mixed with multipart/alternative and message/rfc822 that is multipart again.
fn nested() -> Vec<u8> {
    const BODY: &str = "Subject: nested\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"outer\"\r\n\r\n\
preamble\r\n--outer\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n\
--inner\r\nContent-Type: text/plain\r\n\r\nplain\r\n--inner\r\nContent-Type: text/html\r\n\r\n<p>html</p>\r\n--inner--\r\n\
--outer\r\nContent-Type: message/rfc822\r\n\r\n\
Received: from old (old [192.0.2.1]) by older; Sun, 1 Nov 2026 09:00:00 +0000\r\nReturn-Path: <x@y.test>\r\n\
From: c@d.test\r\nSubject: within\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=third\r\n\r\n\
--third\r\n\r\none\r\n.\r\n--third\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n--third--\r\n\
--outer--\r\nepilogue\r\n";
    format!("{HEADER}{BODY}").into_bytes()
}

/// What arrived without the trace lines in front (RFC 5321 section 4.4).
pub(crate) fn without_trace(message: &[u8]) -> &[u8] {
    let mut rest = message;
    let mut in_trace = false;
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        let line = &rest[..end];
        let folded = line.starts_with(b" ") || line.starts_with(b"\t");
        let trace = [&b"Received:"[..], b"Return-Path:", b"Delivered-To:"].iter().any(|name| line.starts_with(name));
        if !(trace || folded && in_trace) {
            break;
        }
        in_trace = true;
        rest = &rest[end + 2..];
    }
    rest
}

/// Asserts that a message arrived octet for octet behind trace lines, of which there are some.
#[track_caller]
pub(crate) fn arrived(what: &str, got: &[u8], sent: &[u8]) {
    let rest = without_trace(got);
    assert!(rest.len() < got.len(), "{what}: no trace lines in front");
    same(what, rest, sent);
}

/// Asserts that two messages are the same, and shows where they part.
#[track_caller]
pub(crate) fn same(what: &str, got: &[u8], sent: &[u8]) {
    if got == sent {
        return;
    }
    let at = got.iter().zip(sent).take_while(|(got, sent)| got == sent).count();
    let around = |octets: &[u8]| {
        let (from, to) = (at.saturating_sub(40).min(octets.len()), (at + 40).min(octets.len()));
        String::from_utf8_lossy(&octets[from..to]).into_owned()
    };
    panic!(
        "{what}: {} octets sent, {} came, they part at {at}: sent {:?}, came {:?}",
        sent.len(),
        got.len(),
        around(sent),
        around(got)
    );
}
