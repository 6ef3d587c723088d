//! Bounces: that programs and people can read them, and that nothing breaks them.

use mail_parser::{MessageParser, MimeHeaders};
use postkern_server::bounce::{Bounce, HEADER_MAX, build};
use postkern_server::job::{QueueId, Timestamp};
use postkern_server::queue::Diagnostic;

const HEADER: &[u8] = b"From: Ann <ann@a.test>\r\nTo: bob@far.test\r\nSubject: lunch\r\n";

fn said(status: &str, text: &str) -> Diagnostic {
    Diagnostic { status: status.into(), remote: Some("mx.far.test".into()), text: text.into(), smtp: true }
}

fn bounce(sender: &str, failed: &[(String, Diagnostic)], header: &[u8]) -> String {
    let octets = build(&Bounce {
        hostname: "mail.a.test",
        id: QueueId(77),
        own_id: QueueId(78),
        sender,
        failed,
        queued: Timestamp(1_700_000_000),
        now: Timestamp(1_700_000_000 + 5 * 24 * 60 * 60),
        header,
    });
    let text = String::from_utf8(octets).unwrap();
    assert!(text.ends_with("\r\n"));
    assert!(text.is_ascii() && !text.replace("\r\n", "").contains(['\r', '\n', '\0']));
    assert!(text.split("\r\n").all(|line| line.len() <= 998));
    text
}

#[test]
fn a_bounce_in_full() {
    let failed = [
        ("bob@far.test".into(), said("5.1.1", "550 5.1.1 no such user")),
        ("Eve@slow.test".into(), said("4.4.7", "452 4.2.2 mailbox full")),
        ("joe@no.test".into(), Diagnostic::ours("5.1.2", "there is no such domain")),
    ];
    let text = bounce("ann@a.test", &failed, HEADER);
    let expected = r#"Date: Sun, 19 Nov 2023 22:13:20 +0000
From: Mail Delivery System <MAILER-DAEMON@mail.a.test>
To: ann@a.test
Subject: Undelivered mail
Message-ID: <bounce.78.1700432000@mail.a.test>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
	boundary="postkern-78-1700432000-0"

--postkern-78-1700432000-0
Content-Type: text/plain; charset=us-ascii

This is the mail server mail.a.test.

Your message, accepted here on Tue, 14 Nov 2023 22:13:20 +0000, could not be
delivered to the recipients below. It will not be tried again.

<bob@far.test>:
    The server mx.far.test refused it:
    550 5.1.1 no such user

<Eve@slow.test>:
    Given up after 5 days; the last attempt met this answer, of mx.far.test:
    452 4.2.2 mailbox full

<joe@no.test>:
    It cannot be sent there:
    there is no such domain

What follows is a report for programs, and the header of your message. If
you ask your postmaster for help, name the queue id 77.

--postkern-78-1700432000-0
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.a.test
X-Postkern-Queue-ID: 77
Arrival-Date: Tue, 14 Nov 2023 22:13:20 +0000

Final-Recipient: rfc822; bob@far.test
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.far.test
Diagnostic-Code: smtp; 550 5.1.1 no such user
Last-Attempt-Date: Sun, 19 Nov 2023 22:13:20 +0000

Final-Recipient: rfc822; Eve@slow.test
Action: failed
Status: 4.4.7
Remote-MTA: dns; mx.far.test
Diagnostic-Code: smtp; 452 4.2.2 mailbox full
Last-Attempt-Date: Sun, 19 Nov 2023 22:13:20 +0000

Final-Recipient: rfc822; joe@no.test
Action: failed
Status: 5.1.2
Diagnostic-Code: X-Postkern; there is no such domain
Last-Attempt-Date: Sun, 19 Nov 2023 22:13:20 +0000

--postkern-78-1700432000-0
Content-Type: text/rfc822-headers

From: Ann <ann@a.test>
To: bob@far.test
Subject: lunch

--postkern-78-1700432000-0--
"#;
    assert_eq!(text.replace("\r\n", "\n"), expected);
}

#[test]
fn programs_read_it() {
    let failed = [("bob@far.test".into(), said("5.1.1", "550 5.1.1 no such user"))];
    for header in [HEADER, "Subject: grün\r\nX: =?= \r\n".as_bytes()] {
        let text = bounce("ann@a.test", &failed, header);
        let message = MessageParser::new().parse(&text).unwrap();
        let kind = message.content_type().unwrap();
        assert_eq!((kind.ctype(), kind.subtype()), ("multipart", Some("report")));
        assert_eq!(kind.attribute("report-type"), Some("delivery-status"));
        assert_eq!(message.parts.len(), 4);
        let parts: Vec<&str> =
            message.parts[1..].iter().map(|part| part.content_type().unwrap().c_subtype.as_deref().unwrap()).collect();
        assert_eq!(parts, ["plain", "delivery-status", "rfc822-headers"]);
        assert_eq!(message.parts[3].contents().trim_ascii_end(), header.trim_ascii_end());
    }
}

#[test]
fn nothing_breaks_it() {
    let long = "x".repeat(100_000);
    let words = "word ".repeat(10_000);
    for nasty in [
        "",
        "\r\n\r\n--postkern-78-1700432000-0--\r\n",
        "--postkern-78-1700432000-0",
        "a\r\nAction: delivered",
        "a\nb",
        "\0",
        "grün",
        " ",
        &long,
        &words,
    ] {
        let why = Diagnostic { status: nasty.into(), remote: Some(nasty.into()), text: nasty.into(), smtp: true };
        for header in [HEADER, nasty.as_bytes()] {
            let text = bounce(nasty, &[(nasty.into(), why.clone())], header);
            let message = MessageParser::new().parse(&text).unwrap();
            assert_eq!(message.parts.len(), 4, "{nasty:?}");
            let (ours, _) = text.split_once("text/rfc822-headers").unwrap();
            assert_eq!(ours.matches("\r\nAction: ").count(), 1, "{nasty:?}");
            assert_eq!(ours.matches("\r\nStatus: 5.0.0\r\n").count(), 1, "{nasty:?}");
            assert!(text.len() < 6 * HEADER_MAX, "{nasty:?}");
        }
    }
}

#[test]
fn headers_of_any_octets_are_returned() {
    for header in [
        &b""[..],
        b"A: b",
        b"A: b\r\n",
        b"A: b\nC: d\n",
        b"A: \rb\r\n",
        b"A: \xff\0\r\n",
        b"A: b \r\n\r\n",
        &[b"A: ".as_slice(), &[b'x'; 2000], b"\r\n"].concat(),
        &[b"A: ".as_slice(), &[b'='; 2000], b"\r\nB: c\r\n"].concat(),
    ] {
        let text = bounce("ann@a.test", &[], header);
        let message = MessageParser::new().parse(&text).unwrap();
        let returned = message.parts[3].contents();
        // The foreign parser makes text of it.
        let header = String::from_utf8_lossy(header);
        assert_eq!(returned.trim_ascii_end(), header.as_bytes().trim_ascii_end(), "{header:?}");
    }
    let long = b"Received: from somewhere\r\n".repeat(HEADER_MAX);
    let text = bounce("ann@a.test", &[], &long);
    assert!(text.len() < HEADER_MAX + 4096 && text.contains("somewhere\r\n\r\n--postkern"));
}
