//! Reports: that programs and people can read them, and that nothing breaks them.

use mail_parser::{MessageParser, MimeHeaders};
use postkern::smtp::{Notify, Ret};
use postkern_server::dsn::{Around, Dsn, HEADER_MAX, News, Survey};
use postkern_server::job::{QueueId, Timestamp};
use postkern_server::queue::{Action, Diagnostic, RecipientTerms, Remote, Terms};

const HEADER: &[u8] = b"From: Ann <ann@a.test>\r\nTo: bob@far.test\r\nSubject: lunch\r\n";

fn said(status: &str, text: &str) -> Diagnostic {
    Diagnostic { status: status.into(), remote: Some("mx.far.test".into()), text: text.into(), smtp: true }
}

const QUEUED: Timestamp = Timestamp(1_700_000_000);

fn dsn<'a>(sender: &'a str, terms: &'a Terms, news: &'a [News]) -> Dsn<'a> {
    let now = QUEUED.after(5 * 24 * 60 * 60);
    Dsn { hostname: "mail.a.test", id: QueueId(77), own_id: QueueId(78), sender, terms, news, queued: QUEUED, now }
}

fn failed(failed: &[(String, Diagnostic)]) -> Vec<News> {
    let news = |(address, why): &(String, Diagnostic)| News {
        recipient: Remote::new(address.as_str()),
        action: Action::Failed(why.clone()),
    };
    failed.iter().map(news).collect()
}

fn bounce(sender: &str, why: &[(String, Diagnostic)], header: &[u8]) -> String {
    let octets = dsn(sender, &Terms::default(), &failed(why)).with_header(header);
    let text = String::from_utf8(octets).unwrap();
    assert!(text.ends_with("\r\n"));
    assert!((text.is_ascii() || !sender.is_ascii()) && !text.replace("\r\n", "").contains(['\r', '\n', '\0']));
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
Message-ID: <report.78.1700432000@mail.a.test>
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

What follows is a report for programs, and the header of your message or all
of it. If you ask your postmaster for help, name the queue id 77.

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

#[test]
fn each_action_in_full() {
    let recipient = |address: &str, orcpt: Option<&str>| Remote {
        address: address.into(),
        terms: RecipientTerms {
            notify: Some(Notify::of(true, true, true)),
            orcpt: orcpt.map(String::from),
            rrvs: None,
        },
    };
    let remote = || Some("mx.far.test".into());
    let until = QUEUED.after(6 * 24 * 60 * 60);
    let why = said("4.2.0", "450 4.2.0 busy");
    let news = [
        News {
            recipient: recipient("a@far.test", Some("rfc822;A+2Bb@old.test")),
            action: Action::Delayed { why, until },
        },
        News { recipient: recipient("b@far.test", None), action: Action::Relayed { remote: remote() } },
        News { recipient: recipient("c@a.test", Some("x400;/c+3Dde")), action: Action::Delivered { remote: None } },
        News { recipient: recipient("d@far.test", None), action: Action::Delivered { remote: remote() } },
        News { recipient: recipient("e@a.test", None), action: Action::Expanded },
    ];
    let terms = Terms { envid: Some("QQ+20314+3D".into()), ..Terms::default() };
    let text = String::from_utf8(dsn("ann@a.test", &terms, &news).with_header(HEADER)).unwrap();
    let (_, rest) = text.split_once("Subject: ").unwrap();
    assert!(rest.starts_with("Delayed mail\r\n"), "{text}");
    let parts: Vec<&str> = rest.split("--postkern-78-1700432000-0\r\n").collect();
    let people = r"Content-Type: text/plain; charset=us-ascii

This is the mail server mail.a.test.

Your message, accepted here on Tue, 14 Nov 2023 22:13:20 +0000, could not
yet be delivered to the recipient below. It will be tried again until Mon,
20 Nov 2023 22:13:20 +0000; you need not send it again.

<a@far.test>:
    The last attempt met this answer, of mx.far.test:
    450 4.2.0 busy

Your message, accepted here on Tue, 14 Nov 2023 22:13:20 +0000, was handed
on for the recipient below, to a server that may send no report of its
delivery.

<b@far.test>:
    The server mx.far.test took it.

Your message, accepted here on Tue, 14 Nov 2023 22:13:20 +0000, was
delivered to the recipient below, and from there to several others.

<e@a.test>

Your message, accepted here on Tue, 14 Nov 2023 22:13:20 +0000, was
delivered to the recipients below.

<c@a.test>

<d@far.test>:
    The server mx.far.test took it.

What follows is a report for programs, and the header of your message or all
of it. If you ask your postmaster for help, name the queue id 77.

";
    assert_eq!(parts[1].replace("\r\n", "\n"), people);
    let programs = r"Content-Type: message/delivery-status

Original-Envelope-Id: QQ 314=
Reporting-MTA: dns; mail.a.test
X-Postkern-Queue-ID: 77
Arrival-Date: Tue, 14 Nov 2023 22:13:20 +0000

Original-Recipient: rfc822; A+b@old.test
Final-Recipient: rfc822; a@far.test
Action: delayed
Status: 4.2.0
Remote-MTA: dns; mx.far.test
Diagnostic-Code: smtp; 450 4.2.0 busy
Last-Attempt-Date: Sun, 19 Nov 2023 22:13:20 +0000
Will-Retry-Until: Mon, 20 Nov 2023 22:13:20 +0000

Final-Recipient: rfc822; b@far.test
Action: relayed
Status: 2.0.0
Remote-MTA: dns; mx.far.test
Last-Attempt-Date: Sun, 19 Nov 2023 22:13:20 +0000

Original-Recipient: x400; /c=de
Final-Recipient: rfc822; c@a.test
Action: delivered
Status: 2.0.0
Last-Attempt-Date: Sun, 19 Nov 2023 22:13:20 +0000

Final-Recipient: rfc822; d@far.test
Action: delivered
Status: 2.0.0
Remote-MTA: dns; mx.far.test
Last-Attempt-Date: Sun, 19 Nov 2023 22:13:20 +0000

Final-Recipient: rfc822; e@a.test
Action: expanded
Status: 2.0.0
Last-Attempt-Date: Sun, 19 Nov 2023 22:13:20 +0000

";
    assert_eq!(parts[2].replace("\r\n", "\n"), programs);
}

/// RFC 6533: UTF-8 where the way back takes it, else the forms of 7 bits.
#[test]
fn reports_of_international_mail() {
    let terms = Terms { smtp_utf8: true, ret: Some(Ret::Full), ..Terms::default() };
    let address = "jos\u{e9}@far.test";
    let why = said("5.1.1", "550 5.1.1 no such user");
    let mut news = failed(&[(address.into(), why)]);
    news[0].recipient.terms.orcpt = Some("utf-8;j\\x{F6}s@far.test".into());
    let header = "Subject: gr\u{fc}n\r\n".as_bytes();
    for (sender, kinds, encoding, has) in [
        (
            "ann@a.test",
            ["delivery-status", "global-headers", "global"],
            ["quoted-printable", "base64"],
            [
                "Final-Recipient: utf-8; jos\\x{E9}@far.test",
                "Original-Recipient: utf-8; j\\x{F6}s@far.test",
                "<jos\\x{E9}@far.test>:",
            ],
        ),
        (
            "\u{e4}nn@a.test",
            ["global-delivery-status", "global-headers", "global"],
            ["8bit", "8bit"],
            [
                "Final-Recipient: utf-8; jos\u{e9}@far.test",
                "Original-Recipient: utf-8; j\u{f6}s@far.test",
                "<jos\u{e9}@far.test>:",
            ],
        ),
    ] {
        let dsn = dsn(sender, &terms, &news);
        assert_eq!(dsn.own_terms().smtp_utf8, !sender.is_ascii());
        let whole = ["Subject: gr\u{fc}n\r\n\r\n", &"\u{fc}ber\r\n".repeat(100)].concat();
        for (text, kind, encoding, original) in [
            (String::from_utf8(dsn.with_header(header)).unwrap(), kinds[1], encoding[0], header),
            (around(&dsn, whole.as_bytes()), kinds[2], encoding[1], whole.as_bytes()),
        ] {
            assert_eq!(text.is_ascii(), sender.is_ascii());
            assert!(text.contains(&format!("\r\nContent-Type: message/{}\r\n", kinds[0])), "{text}");
            let third = format!("\r\nContent-Type: message/{kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n");
            assert!(text.contains(&third), "{text}");
            let message = MessageParser::new().parse(&text).unwrap();
            let top = message.headers_raw().any(|(name, _)| name == "Content-Transfer-Encoding");
            assert_eq!(top, !sender.is_ascii());
            assert!(has.iter().all(|line| text.contains(line)), "{text}");
            if encoding == "base64" {
                let encoded = text.split_once(&third).unwrap().1.split_once("\r\n--").unwrap().0;
                assert!(encoded.split("\r\n").all(|line| line.len() <= 76));
                assert_eq!(decoded(encoded), original);
            } else if encoding == "8bit" {
                let content = text.split_once(&third).unwrap().1;
                assert!(content.as_bytes().starts_with(original));
            }
        }
    }
}

/// The report around a message that is fed in pieces.
fn around(dsn: &Dsn<'_>, whole: &[u8]) -> String {
    let mut texts = Vec::new();
    for piece in [1, 7, 57, 1000, whole.len().max(1)] {
        let mut survey = Survey::new(dsn);
        whole.chunks(piece).for_each(|piece| survey.feed(piece));
        let Around { before: mut out, mut encoder, behind } = dsn.around(&survey).expect("it can stand there");
        whole.chunks(piece).for_each(|piece| encoder.write(piece, &mut out));
        encoder.end(&mut out);
        out.extend_from_slice(&behind);
        texts.push(String::from_utf8(out).unwrap());
    }
    assert!(texts.windows(2).all(|pair| pair[0] == pair[1]), "the same however it is cut");
    texts.remove(0)
}

fn decoded(base64: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in base64.bytes().filter(|byte| !b"\r\n=".contains(byte)) {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        (bits, count) = (bits << 6 | u32::from(digit), count + 6);
        if count >= 8 {
            count -= 8;
            octets.push((bits >> count) as u8);
        }
    }
    octets
}

#[test]
fn a_message_stands_whole_in_its_report_if_it_can() {
    let terms = Terms { ret: Some(Ret::Full), ..Terms::default() };
    let news = failed(&[("bob@far.test".into(), said("5.1.1", "550 5.1.1 no such user"))]);
    let dsn = dsn("ann@a.test", &terms, &news);
    let long = format!("A: b\r\n\r\n{}\r\n", "x".repeat(998));
    for (whole, encoding) in [
        ("A: b\r\n\r\nc\r\n", ""),
        ("", ""),
        ("A: b\r\n\r\nno end", ""),
        ("A: b\r\n\r\n\u{fc}\r\n", "Content-Transfer-Encoding: 8bit\r\n"),
        ("A: b\r\n\r\n--postkern-78-1700432000\r\n", ""),
        (&long, ""),
    ] {
        let text = around(&dsn, whole.as_bytes());
        let third = format!("\r\nContent-Type: message/rfc822\r\n{encoding}\r\n");
        let (_, content) = text.split_once(&third).unwrap();
        let end = if whole.ends_with("\r\n") { "" } else { "\r\n" };
        assert_eq!(content, format!("{whole}{end}\r\n--postkern-78-1700432000-0--\r\n"));
    }
    let too_long = format!("A: b\r\n\r\n{}\r\n", "x".repeat(999));
    for whole in ["a\nb\r\n", "a\rb\r\n", "a\r", "a\0b\r\n", "x\r\npostkern-78-1700432000-9\r\n", &too_long] {
        for piece in [1, 2, 5, 1000] {
            let mut survey = Survey::new(&dsn);
            whole.as_bytes().chunks(piece).for_each(|piece| survey.feed(piece));
            assert!(dsn.around(&survey).is_none(), "{whole:?}");
        }
    }
}

#[test]
fn the_whole_is_returned_of_failures_only() {
    let delayed = Action::Delayed { why: said("4.2.0", "busy"), until: QUEUED };
    let of = |action| [News { recipient: Remote::new("a@b"), action }];
    let full = Terms { ret: Some(Ret::Full), ..Terms::default() };
    for (terms, news, size, whole) in [
        (&full, of(Action::Failed(said("5.1.1", "no"))), 100, true),
        (&full, of(Action::Failed(said("5.1.1", "no"))), 101, false),
        (&full, of(delayed), 1, false),
        (&full, of(Action::Expanded), 1, false),
        (&Terms { require_tls: true, ..full.clone() }, of(Action::Failed(said("5.1.1", "no"))), 1, false),
        (&Terms { ret: Some(Ret::Headers), ..full.clone() }, of(Action::Failed(said("5.1.1", "no"))), 1, false),
        (&Terms::default(), of(Action::Failed(said("5.1.1", "no"))), 1, false),
    ] {
        assert_eq!(dsn("ann@a.test", terms, &news).returns_whole(size, 100), whole, "{terms:?} {size}");
    }
}
