//! Trace lines: Received and Return-Path (RFC 5321 section 4.4), and what the header of a
//! message tells while it comes in.
//!
//! What a client says ends up in these lines, so all of it is made harmless here: whatever
//! the fields of a [`Trace`] hold, the result is one header field of printable ASCII, or UTF-8
//! in addresses that are such (RFC 6531 section 3.7.3), whose comments and quotes are ours.

mod header;

use core::net::IpAddr;

use postkern::imap::{Date, DateTime};
use postkern::smtp;

pub use self::header::{Fields, HeaderScan};
use crate::job::{QueueId, Timestamp};

/// What a Received line tells of how a message came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trace {
    /// What the client said in EHLO.
    pub hello: String,
    /// Where from.
    pub peer: Option<IpAddr>,
    /// Our host name.
    pub by: String,
    /// SMTP, ESMTP, ESMTPS, ESMTPSA, LMTP, ... (RFC 3848).
    pub with: &'static str,
    /// The recipient, if there is one only: more would tell one of another.
    pub recipient: Option<String>,
    /// Hide where a message that was submitted here came from.
    pub conceal_peer: bool,
    /// Fields that a message which was submitted here lacks.
    pub added: Added,
}

/// Fields that stand behind the Received line, in front of the message
/// ([`Fixup`](crate::fixup::Fixup)).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Added {
    /// Date, of when the message was taken.
    pub date: bool,
    /// Message-ID, of the second when the message was taken, its number in the queue and our
    /// name. The store gives no number twice, and a store that is made anew does so at another
    /// time, so that no two messages get the same one.
    pub message_id: bool,
    /// Others, as they stand, each with its CRLF.
    pub fields: Vec<u8>,
}

/// Octets of a line, its CRLF not counted, where it can be folded (RFC 5322 section 2.1.1).
const LINE: usize = 78;
/// Octets of a name that are kept. All else in a line is ours and short, so that none comes
/// near 998 octets, the most there may be (RFC 5322 section 2.1.1).
const NAME_MAX: usize = 255;
/// In place of a client that is concealed: the FROM clause must be there (RFC 5321 section
/// 4.4), and this name is nobody's (RFC 6761 section 6.4).
const CONCEALED: &str = "concealed.invalid";

/// What a message that is accepted gets in front: the Received line and the fields that were
/// added.
pub fn head(trace: &Trace, id: QueueId, at: Timestamp) -> Vec<u8> {
    let mut head = received(trace, id, at);
    let Added { date: dated, message_id, fields } = &trace.added;
    head.extend_from_slice(fields);
    if *dated {
        head.extend_from_slice(format!("Date: {}\r\n", date(at)).as_bytes());
    }
    if *message_id {
        head.extend_from_slice(format!("Message-ID: <{:x}.{id}@{}>\r\n", at.0, name(&trace.by)).as_bytes());
    }
    head
}

/// The Received line, folded, with its CRLF.
fn received(trace: &Trace, id: QueueId, at: Timestamp) -> Vec<u8> {
    let mut from = vec![match trace.conceal_peer {
        true => format!("from {CONCEALED}"),
        false => format!("from {}", name(&trace.hello)),
    }];
    if let (Some(peer), false) = (trace.peer, trace.conceal_peer) {
        from.push(format!("({})", literal(peer)));
    }
    let mut by = vec![format!("by {}", name(&trace.by)), format!("with {}", name(trace.with)), format!("id {}", id.0)];
    let mut last = Vec::new();
    match trace.recipient.as_deref().filter(|recipient| smtp::is_mailbox_utf8(recipient)) {
        Some(recipient) => last.push(format!("for <{recipient}>;")),
        None => by[2].push(';'),
    }
    last.push(date(at));
    let mut line = String::from("Received:");
    let mut width = line.len();
    for (row, clauses) in [from, by, last].iter().enumerate() {
        for (place, clause) in clauses.iter().enumerate() {
            // Each row is a line of its own, and folded further where it is long.
            let fold = row > 0 && place == 0 || width + 1 + clause.len() > LINE;
            line.push_str(if fold { "\r\n\t" } else { " " });
            width = if fold { 1 } else { width + 1 } + clause.len();
            line.push_str(clause);
        }
    }
    line.push_str("\r\n");
    line.into_bytes()
}

/// What final delivery puts in front: Return-Path, Delivered-To (RFC 5321 section 4.4).
///
/// A reverse-path that is no mailbox, which no session lets in, is made harmless rather than
/// left out: the message's own Return-Path, if it has one, must not be the first.
pub fn delivered(reverse_path: &str, recipient: &str) -> Vec<u8> {
    let (from, to) = (mailbox_utf8(reverse_path), mailbox_utf8(recipient));
    format!("Return-Path: <{from}>\r\nDelivered-To: {to}\r\n").into_bytes()
}

/// As [`mailbox`], where UTF-8 may stand: a message whose envelope is not ASCII has a header that
/// may not be (RFC 6531 section 3.7.1).
pub(crate) fn mailbox_utf8(address: &str) -> String {
    if smtp::is_mailbox_utf8(address) { address.into() } else { mailbox(address) }
}

/// A date-time in UTC (RFC 5322 section 3.3), as in `Thu, 1 Jan 1970 00:00:00 +0000`. Times
/// outside the years 1900 to 9999, which the format does not have, are moved to the nearest.
pub fn date(at: Timestamp) -> String {
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    /// The first second of 1900 and the last of 9999.
    const RANGE: (i64, i64) = (-2_208_988_800, 253_402_300_799);
    let at = DateTime::from_unix(at.0.clamp(RANGE.0, RANGE.1)).expect("years 1900 to 9999 are within 0 to 9999");
    let Date { year, month, day } = at.date;
    // 1970-01-01 was a Thursday.
    let weekday = DAYS[(at.date.days() + 4).rem_euclid(7) as usize];
    let month = MONTHS[usize::from(month - 1) % 12];
    let (hour, minute, second) = (at.seconds / 3600, at.seconds / 60 % 60, at.seconds % 60);
    format!("{weekday}, {day} {month} {year:04} {hour:02}:{minute:02}:{second:02} +0000")
}

/// An address as a literal (RFC 5321 section 4.1.3). IPv4 stays IPv4 where the socket is of
/// IPv6.
pub fn literal(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    }
}

/// A host's name or literal as it was said, what could break a header replaced: only what
/// stands in domains and literals is left, brackets only around a whole.
pub(crate) fn name(said: &str) -> String {
    let literal = said.starts_with('[') && said.ends_with(']') && said.len() > 2 && said.len() <= NAME_MAX;
    let inner = if literal { &said[1..said.len() - 1] } else { said };
    let plain = inner.chars().take(NAME_MAX).map(|character| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' | '_' => character,
        ':' if literal => character,
        _ => '?',
    });
    match (literal, inner.is_empty()) {
        (_, true) => "unknown".into(),
        (true, false) => format!("[{}]", plain.collect::<String>()),
        (false, false) => plain.collect(),
    }
}

/// A mailbox as it is if it is one, else with what could break a header replaced.
pub(crate) fn mailbox(address: &str) -> String {
    if smtp::is_mailbox(address) {
        return address.into();
    }
    let harmless = |character: char| character.is_ascii_graphic() && !"<>()\"\\,;:".contains(character);
    address.chars().take(NAME_MAX).map(|character| if harmless(character) { character } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace() -> Trace {
        Trace {
            hello: "client.example".into(),
            peer: Some("192.0.2.1".parse().unwrap()),
            by: "mx.example".into(),
            with: "ESMTPS",
            recipient: None,
            conceal_peer: false,
            added: Added::default(),
        }
    }

    fn text(trace: &Trace) -> String {
        String::from_utf8(received(trace, QueueId(77), Timestamp(1_700_000_000))).unwrap()
    }

    #[test]
    fn received_lines() {
        let date = "Tue, 14 Nov 2023 22:13:20 +0000\r\n";
        assert_eq!(
            text(&trace()),
            format!("Received: from client.example ([192.0.2.1])\r\n\tby mx.example with ESMTPS id 77;\r\n\t{date}")
        );
        let one = Trace { recipient: Some("bob@mx.example".into()), peer: None, ..trace() };
        assert_eq!(
            text(&one),
            format!(
                "Received: from client.example\r\n\tby mx.example with ESMTPS id 77\r\n\tfor <bob@mx.example>; {date}"
            )
        );
        let hidden = Trace { conceal_peer: true, ..trace() };
        assert_eq!(
            text(&hidden),
            format!("Received: from concealed.invalid\r\n\tby mx.example with ESMTPS id 77;\r\n\t{date}")
        );
        let mapped = Trace { peer: Some("::ffff:192.0.2.1".parse().unwrap()), ..trace() };
        assert_eq!(text(&mapped), text(&trace()));
        let six = Trace { peer: Some("2001:db8::1".parse().unwrap()), hello: "[IPv6:2001:db8::1]".into(), ..trace() };
        assert!(text(&six).starts_with("Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n"));
    }

    #[test]
    fn nothing_that_a_client_says_breaks_a_received_line() {
        let long = "x".repeat(2000);
        for said in [
            "a\r\nBcc: x@y",
            "a\0b",
            "a(b",
            "a)b",
            "\"a",
            "a\\",
            "a;b",
            "a b",
            "[a(b]",
            "[",
            "[]",
            "[a",
            "ä.example",
            "",
            "\r\n\r\n",
            &long,
            "a@b",
            "<a@b>",
            "\"a(b;\\\"\"@c",
        ] {
            let trace = Trace { hello: said.into(), by: said.into(), recipient: Some(said.into()), ..trace() };
            let line = text(&trace);
            let body = line.strip_prefix("Received:").unwrap().strip_suffix("\r\n").unwrap();
            assert!(line.split("\r\n").all(|line| line.len() <= 998), "{line}");
            assert!(body.split("\r\n").skip(1).all(|line| line.starts_with('\t')), "{line}");
            assert!(body.replace("\r\n\t", " ").bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
            if !said.ends_with("@c") {
                assert_eq!(line.matches(['(', ')']).count(), 2, "{line}");
                assert_eq!(line.matches(['"', '\\']).count(), 0, "{line}");
                assert_eq!(line.matches(';').count(), 1, "{line}");
            }
        }
    }

    #[test]
    fn lines_are_folded_where_they_can_be() {
        let name = "a".repeat(60);
        let trace = Trace {
            hello: format!("{name}.example"),
            by: format!("{name}.example"),
            recipient: Some(format!("{name}@mx")),
            ..trace()
        };
        let line = text(&trace);
        assert!(line.split("\r\n").all(|line| line.len() <= LINE), "{line}");
    }

    #[test]
    fn final_delivery_says_from_whom_and_to_whom() {
        for (from, to, is) in [
            ("a@b", "c@d", "Return-Path: <a@b>\r\nDelivered-To: c@d\r\n"),
            ("", "c@d", "Return-Path: <>\r\nDelivered-To: c@d\r\n"),
            ("\"a>b\"@c", "\"x y\"@d", "Return-Path: <\"a>b\"@c>\r\nDelivered-To: \"x y\"@d\r\n"),
            ("\u{e4}@b", "\u{f6}@d", "Return-Path: <\u{e4}@b>\r\nDelivered-To: \u{f6}@d\r\n"),
            ("a\r\nb", "c\0>d", "Return-Path: <a??b>\r\nDelivered-To: c??d\r\n"),
        ] {
            assert_eq!(String::from_utf8(delivered(from, to)).unwrap(), is);
        }
    }

    #[test]
    fn dates() {
        for (at, is) in [
            (0, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (-1, "Wed, 31 Dec 1969 23:59:59 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (1_700_000_000, "Tue, 14 Nov 2023 22:13:20 +0000"),
            (i64::MAX, "Fri, 31 Dec 9999 23:59:59 +0000"),
            (i64::MIN, "Mon, 1 Jan 1900 00:00:00 +0000"),
        ] {
            assert_eq!(date(Timestamp(at)), is);
        }
    }
}
