//! The structure of messages, whole and broken: what ENVELOPE, BODYSTRUCTURE and sections say.

mod grammar;

use std::ops::Range;

use grammar::{Value, parse, reads_as};
use postkern_server::digest::{Digest, FIELD_MAX, NESTING_MAX, PARTS_MAX, Part, fields};
use proptest::prelude::*;

fn of(message: &str) -> Digest {
    Digest::of(message.as_bytes())
}

/// Lines of a message, each to be ended with CRLF.
fn crlf(message: &str) -> String {
    message.replace('\n', "\r\n")
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

fn slice(message: &[u8], range: Range<u64>) -> &[u8] {
    &message[range.start as usize..range.end as usize]
}

/// `1.2.MIME` of a message.
fn section<'m>(message: &'m str, section: &str) -> Option<&'m str> {
    let (mut numbers, mut what) = (Vec::new(), Part::Whole);
    for word in section.split('.').filter(|word| !word.is_empty()) {
        match word {
            "HEADER" => what = Part::Header,
            "TEXT" => what = Part::Text,
            "MIME" => what = Part::Mime,
            number => numbers.push(number.parse().unwrap()),
        }
    }
    let range = of(message).section(numbers.into_iter(), what)?;
    Some(text(slice(message.as_bytes(), range)))
}

#[test]
fn a_plain_message_is_one_part() {
    let message = crlf("Subject: hi\nFrom: Al <a@b>\n\none\ntwo\n");
    let digest = of(&message);
    assert_eq!(text(digest.body()), r#"("text" "plain" ("charset" "us-ascii") NIL NIL "7BIT" 10 2)"#);
    assert_eq!(
        text(digest.body_structure()),
        r#"("text" "plain" ("charset" "us-ascii") NIL NIL "7BIT" 10 2 NIL NIL NIL NIL)"#
    );
    let al = r#"(("Al" NIL "a" "b"))"#;
    assert_eq!(text(digest.envelope()), format!(r#"(NIL "hi" {al} {al} {al} NIL NIL NIL NIL NIL)"#));
    assert_eq!(digest.header_len(), 31);
    assert_eq!(digest.size(), message.len() as u64);
    for (name, is) in [
        ("", Some(message.as_str())),
        ("HEADER", Some(&message[..31])),
        ("TEXT", Some("one\r\ntwo\r\n")),
        ("1", Some("one\r\ntwo\r\n")),
        ("1.MIME", Some(&message[..31])),
        ("2", None),
        ("1.1", None),
        ("1.HEADER", None),
        ("1.TEXT", None),
    ] {
        assert_eq!(section(&message, name), is, "{name}");
    }
}

#[test]
fn an_envelope_has_raw_text() {
    let message = crlf(concat!(
        "date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)\nDate: second\n",
        "SUBJECT : =?utf-8?q?x?=\n  folded\n\tagain  \n",
        "From: Al <al@x>\nSender: \nReply-To: bob@x\nTo:\nCc: g: c@x;, d@x (D)\n",
        "In-Reply-To: <1@x>\n <2@x>\nMessage-ID: \nX-From: no\n\n"
    ));
    assert_eq!(
        text(of(&message).envelope()),
        concat!(
            "(\"Mon, 7 Feb 1994 21:52:25 -0800 (PST)\" \"=?utf-8?q?x?=  folded\tagain\" ",
            r#"(("Al" NIL "al" "x")) (("Al" NIL "al" "x")) ((NIL NIL "bob" "x")) NIL "#,
            r#"((NIL NIL "g" NIL)(NIL NIL "c" "x")(NIL NIL NIL NIL)("D" NIL "d" "x")) NIL "#,
            r#""<1@x> <2@x>" "")"#
        )
    );
}

#[test]
fn text_that_cannot_be_quoted_is_a_literal() {
    let digest = Digest::of(b"Subject: \xe4\0\xf6\r\nFrom: \"a\0\" <b@c>\r\n\r\n");
    let from = br#"(("a?" NIL "b" "c"))"#;
    let is = [&b"(NIL {3}\r\n\xe4?\xf6 "[..], from, b" ", from, b" ", from, b" NIL NIL NIL NIL NIL)"].concat();
    assert_eq!(digest.envelope(), is);
    let long = format!("Subject: {}\n\n", "x".repeat(FIELD_MAX - 1));
    assert!(of(&long).envelope().starts_with(format!("(NIL {{{}}}\r\nxxx", FIELD_MAX - 1).as_bytes()));
    let longer = format!("Subject: {}\n\n", "x".repeat(FIELD_MAX));
    assert!(of(&longer).envelope().starts_with(b"(NIL NIL NIL"));
}

/// A message with text, an attached message, and a picture.
const MIXED: &str = concat!(
    "From: a@b\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"out\"\n\n",
    "preamble\n--out\n\none\ntwo\n--out  \nContent-Type: message/rfc822\nContent-Description: fwd\n\n",
    "Subject: in\nContent-Type: multipart/alternative; boundary=out-in\n\n",
    "--out-in\nContent-Type: text/plain; charset=utf-8\n\nplain\n\n--out-in\nContent-Type: TEXT/HTML\n\n<p>\n--out-in--\nepilogue\n",
    "--out\nContent-Type: image/png; name*=utf-8''%41\nContent-Transfer-Encoding: base64\nContent-ID: <i@x>\n",
    "Content-MD5: Q2h=\nContent-Disposition: attachment; filename=\"a b.png\"\nContent-Language: en, de\n",
    "Content-Location: http://x/\n\nAAAA\n--out--\nepilogue\n--out\nno part\n"
);

#[test]
fn parts_are_described() {
    let message = crlf(MIXED);
    let envelope = r#"(NIL "in" NIL NIL NIL NIL NIL NIL NIL NIL)"#;
    assert_eq!(
        text(of(&message).body_structure()),
        [
            r#"(("text" "plain" ("charset" "us-ascii") NIL NIL "7BIT" 8 1 NIL NIL NIL NIL)"#,
            r#"("message" "rfc822" NIL NIL "fwd" "7BIT" 193 "#,
            envelope,
            r#" (("text" "plain" ("charset" "utf-8") NIL NIL "7BIT" 7 1 NIL NIL NIL NIL)"#,
            r#"("TEXT" "HTML" NIL NIL NIL "7BIT" 3 0 NIL NIL NIL NIL)"#,
            r#" "alternative" ("boundary" "out-in") NIL NIL NIL) 13 NIL NIL NIL NIL)"#,
            r#"("image" "png" ("name*" "utf-8''%41") "<i@x>" NIL "base64" 4 "#,
            r#""Q2h=" ("attachment" ("filename" "a b.png")) ("en" "de") "http://x/")"#,
            r#" "mixed" ("boundary" "out") NIL NIL NIL)"#
        ]
        .concat()
    );
    assert_eq!(
        text(of(&message).body()),
        [
            r#"(("text" "plain" ("charset" "us-ascii") NIL NIL "7BIT" 8 1)"#,
            r#"("message" "rfc822" NIL NIL "fwd" "7BIT" 193 "#,
            envelope,
            r#" (("text" "plain" ("charset" "utf-8") NIL NIL "7BIT" 7 1)"#,
            r#"("TEXT" "HTML" NIL NIL NIL "7BIT" 3 0) "alternative") 13)"#,
            r#"("image" "png" ("name*" "utf-8''%41") "<i@x>" NIL "base64" 4) "mixed")"#
        ]
        .concat()
    );
}

#[test]
fn parts_are_found() {
    for message in [crlf(MIXED), MIXED.to_string()] {
        let end = if message.contains('\r') { "\r\n" } else { "\n" };
        let lines = |lines: &[&str]| lines.join(end);
        for (name, is) in [
            ("1", Some(lines(&["one", "two"]))),
            ("1.MIME", Some(end.into())),
            ("1.1", None),
            ("2.MIME", Some(lines(&["Content-Type: message/rfc822", "Content-Description: fwd", "", ""]))),
            ("2.HEADER", Some(lines(&["Subject: in", "Content-Type: multipart/alternative; boundary=out-in", "", ""]))),
            ("2.1", Some(lines(&["plain", ""]))),
            ("2.1.MIME", Some(lines(&["Content-Type: text/plain; charset=utf-8", "", ""]))),
            ("2.1.HEADER", None),
            ("2.2", Some("<p>".into())),
            ("2.3", None),
            ("3", Some("AAAA".into())),
            ("3.TEXT", None),
            ("4", None),
            ("0", None),
            ("4294967295", None),
        ] {
            assert_eq!(section(&message, name), is.as_deref(), "{name}");
        }
        let inner = [section(&message, "2.HEADER").unwrap(), section(&message, "2.TEXT").unwrap()].concat();
        assert_eq!(section(&message, "2"), Some(inner.as_str()));
        assert!(inner.ends_with("epilogue"));
    }
}

/// What becomes of broken messages: the parts' shapes, and a section or two.
#[test]
fn broken_messages_have_a_structure() {
    let mixed = |boundary: &str, rest: &str| format!("Content-Type: multipart/mixed; boundary={boundary}\n\n{rest}");
    let inner = "Content-Type: multipart/mixed; boundary=in\n\n";
    for (claim, message, shape, sections) in [
        ("no octets", String::new(), "text", &[("HEADER", ""), ("1", "")][..]),
        ("a header alone", "A: b\nC: d".into(), "text", &[("HEADER", "A: b\nC: d"), ("TEXT", "")]),
        ("a body alone", "\nbody".into(), "text", &[("HEADER", "\n"), ("1", "body")]),
        ("a folded empty line", "A: b\n \n\nbody".into(), "text", &[("1", "body")]),
        ("not closed", mixed("b", "--b\n\none\n--b\n\ntwo\n"), "(text text)", &[("1", "one"), ("2", "two\n")]),
        ("cut in a header", mixed("b", "--b\nContent-Type: text/html"), "(text)", &[("1", "")]),
        ("cut in a boundary", mixed("b", "--b\n\none\n--"), "(text)", &[("1", "one\n--")]),
        ("part without header", mixed("b", "--b\none\n--b--"), "(text)", &[("1.MIME", "one\n"), ("1", "")]),
        (
            "parts without lines",
            mixed("b", "--b\n--b\n\n--b--"),
            "(text text)",
            &[("1", ""), ("2", ""), ("2.MIME", "\n")],
        ),
        ("no part", mixed("b", "text\n"), "opaque", &[("1", "text\n")]),
        ("only closed", mixed("b", "text\n--b--\n"), "opaque", &[("1", "text\n--b--\n")]),
        ("no boundary", "Content-Type: multipart/mixed\n\n--\n".into(), "opaque", &[("1", "--\n")]),
        ("empty boundary", mixed("\"\"", "--\n\none\n"), "opaque", &[]),
        ("long boundary", mixed(&"b".repeat(2049), &format!("--{}\n\none\n", "b".repeat(2049))), "opaque", &[]),
        ("longest boundary", mixed(&"b".repeat(2048), &format!("--{}\n\none\n", "b".repeat(2048))), "(text)", &[]),
        (
            "inner one not closed",
            mixed("out", &format!("--out\n{inner}--in\n\none\n--out\n\ntwo\n--out--\n")),
            "((text)text)",
            &[("1.1", "one"), ("2", "two")],
        ),
        (
            "a prefix of the inner boundary",
            mixed("i", &format!("--i\n{inner}--in\n\none\n--in\n\ntwo\n--in--\n--i\n\nthree\n--i--\n")),
            "((text text)text)",
            &[("1.1", "one"), ("1.2", "two"), ("2", "three")],
        ),
        (
            "text behind the boundary",
            mixed("b", "--b junk\n\none\n--b--junk\nepilogue\n"),
            "(text)",
            &[("1", "one"), ("1.MIME", "\n")],
        ),
        (
            "the same boundary inside",
            mixed("in", &format!("--in\n{inner}--in\n\none\n--in--\n--in\n\ntwo\n--in--\n")),
            "((text)text)",
            &[("1.1", "one"), ("2", "two")],
        ),
        (
            "a message in base64",
            "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nQTogYgo=\n".into(),
            "opaque",
            &[("1", "QTogYgo=\n")],
        ),
        (
            "a message that is a message",
            "Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\nA: b\n\ntext".into(),
            "<<text>>",
            &[("1.1.1", "text"), ("1.1.HEADER", "A: b\n\n"), ("1.1.MIME", "Content-Type: message/rfc822\n\n")],
        ),
        (
            "a message cut off by a boundary",
            mixed("b", "--b\nContent-Type: message/rfc822\n\nA: b\n--b--\n"),
            "(<text>)",
            &[("1", "A: b\n"), ("1.HEADER", "A: b\n"), ("1.TEXT", "")],
        ),
        (
            "a digest",
            "Content-Type: multipart/digest; boundary=b\n\n--b\n\nA: b\n\none\n--b\nContent-Type: x\n\ntwo\n--b--"
                .into(),
            "(<text>text)",
            &[("1.1", "one"), ("1.HEADER", "A: b\n\n"), ("2", "two")],
        ),
        ("a boundary that is open at the end", mixed("b", "--b\n\n--b"), "(text text)", &[("2", "")]),
        ("a bare CR", mixed("b", "--b\n\none\r--b\n"), "(text)", &[("1", "one\r--b\n")]),
    ] {
        let digest = of(&message);
        assert_eq!(grammar::shape(digest.body()), shape, "{claim}");
        for (name, is) in sections {
            assert_eq!(section(&message, name), Some(*is), "{claim}: {name}");
        }
        check(message.as_bytes());
    }
}

#[test]
fn limits_leave_an_opaque_leaf() {
    // Each level: its header, its boundary.
    let nested = |depth: usize| {
        let level = |n| format!("Content-Type: multipart/mixed; boundary=b{n:04}\n\n--b{n:04}\n");
        (0..depth).map(level).collect::<String>() + "\nend\n"
    };
    let fits = of(&nested(NESTING_MAX));
    assert_eq!(grammar::shape(fits.body()), format!("{}text{}", "(".repeat(NESTING_MAX), ")".repeat(NESTING_MAX)));
    let deep = nested(5_000);
    let digest = of(&deep);
    assert_eq!(grammar::shape(digest.body()), format!("{}opaque{}", "(".repeat(NESTING_MAX), ")".repeat(NESTING_MAX)));
    assert!(digest.section([1; NESTING_MAX].into_iter(), Part::Whole).is_some());
    check(deep.as_bytes());
    let messages = "Content-Type: message/rfc822\n\n".repeat(5_000) + "\nend\n";
    assert_eq!(
        grammar::shape(of(&messages).body()),
        format!("{}opaque{}", "<".repeat(NESTING_MAX), ">".repeat(NESTING_MAX))
    );
    check(messages.as_bytes());
}

#[test]
fn parts_past_the_limit_are_one_leaf_each() {
    let part = "--b\n\nx\n";
    let message = |count: usize, last: &str| {
        format!("Content-Type: multipart/mixed; boundary=b\n\n{}{last}--b--\n", part.repeat(count))
    };
    let full = message(PARTS_MAX - 1, "");
    assert!(grammar::shape(of(&full).body()).ends_with("text text)"));
    let over = message(50_000, "");
    assert!(grammar::shape(of(&over).body()).ends_with("text text opaque)"));
    let rest = section(&over, &PARTS_MAX.to_string()).unwrap();
    assert!(rest.starts_with("\nx\n--b\n") && rest.ends_with("--b\n\nx"));
    assert_eq!(section(&over, &(PARTS_MAX + 1).to_string()), None);
    check(over.as_bytes());
    // CVE-2020-25275: the last part within the limit is a message.
    let last = message(PARTS_MAX - 2, "--b\nContent-Type: message/rfc822\n\nA: b\n\nx\n");
    assert!(grammar::shape(of(&last).body()).ends_with("text opaque)"));
    // Each multipart still open keeps its rest.
    let inner = format!("Content-Type: multipart/mixed; boundary=i\n\n{}", "--i\n\nx\n".repeat(PARTS_MAX));
    let two =
        format!("Content-Type: multipart/mixed; boundary=b\n\n--b\n{inner}--i--\n--b\n\none\n--b\n\ntwo\n--b--\n");
    assert!(grammar::shape(of(&two).body()).ends_with("text opaque)opaque)"));
    assert_eq!(section(&two, "2"), Some("\none\n--b\n\ntwo"));
    check(two.as_bytes());
}

#[test]
fn header_fields_are_chosen() {
    let header = "From mbox line\r\nSubject: a\r\n b\r\nX-A: 1\r\nsubject : c\r\nTo:\r\n\r\n";
    let choose = |names: &[&str], not| String::from_utf8(fields(header.as_bytes(), names, not)).unwrap();
    assert_eq!(choose(&["SUBJECT"], false), "Subject: a\r\n b\r\nsubject : c\r\n\r\n");
    assert_eq!(choose(&["to", "x-a"], false), "X-A: 1\r\nTo:\r\n\r\n");
    assert_eq!(choose(&["Subject", "To"], true), "From mbox line\r\nX-A: 1\r\n\r\n");
    assert_eq!(choose(&["None"], false), "\r\n");
    assert_eq!(fields(b"A: b\nC: d", &["c"], false), b"C: d");
    assert_eq!(fields(b"A: b\n\nA: body", &["a"], false), b"A: b\n\n");
}

#[test]
fn what_was_kept_is_checked() {
    let digest = of(&crlf(MIXED));
    let bytes = digest.to_bytes();
    assert_eq!(Digest::from_bytes(&bytes), Some(digest));
    for at in 0..bytes.len() {
        assert_eq!(Digest::from_bytes(&bytes[..at]), None, "cut at {at}");
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            assert_eq!(Digest::from_bytes(&damaged), None, "bit {bit} of {at}");
        }
    }
    assert_eq!(Digest::from_bytes(&[&bytes[..], b"x"].concat()), None);
}

/// What holds for any octets.
fn check(message: &[u8]) {
    let digest = Digest::of(message);
    let envelope = parse(digest.envelope());
    assert!(matches!(envelope, Some(Value::List(fields)) if fields.len() == 10));
    let plain = parse(digest.body()).expect("BODY is of the grammar");
    let extended = parse(digest.body_structure()).expect("BODYSTRUCTURE is of the grammar");
    assert!(reads_as(&plain, false), "{}", String::from_utf8_lossy(digest.body()));
    assert!(reads_as(&extended, true), "{}", String::from_utf8_lossy(digest.body_structure()));
    assert_eq!(Digest::from_bytes(&digest.to_bytes()).as_ref(), Some(&digest));

    let whole = digest.section([].into_iter(), Part::Whole).unwrap();
    assert_eq!(whole, 0..message.len() as u64);
    let header = digest.section([].into_iter(), Part::Header).unwrap();
    let body = digest.section([].into_iter(), Part::Text).unwrap();
    assert_eq!((header.start, header.end, body.end), (0, body.start, whole.end));
    assert_eq!(fields(slice(message, header.clone()), &["none"], true), slice(message, header));
    check_sections(&digest, &mut Vec::new(), body, &plain);
}

/// Parts lie inside of their parent, in order, as big as BODY says, and no others are found.
fn check_sections(digest: &Digest, path: &mut Vec<u32>, parent: Range<u64>, body: &Value) {
    if path.len() > 12 {
        return;
    }
    let find = |path: &[u32], what| digest.section(path.iter().copied(), what);
    let Value::List(items) = body else { panic!("a body is a list") };
    let parts: Vec<&Value> = items.iter().take_while(|item| matches!(item, Value::List(_))).collect();
    let parts = if parts.is_empty() { vec![body] } else { parts };
    let mut at = parent.start;
    for (index, part) in parts.iter().enumerate() {
        path.push(index as u32 + 1);
        let (own, mime) = (find(path, Part::Whole).unwrap(), find(path, Part::Mime).unwrap());
        assert!(parts.len() == 1 || mime.start >= at, "{path:?}");
        assert!(mime.end == own.start && own.end <= parent.end, "{path:?}");
        at = own.end;
        let Value::List(items) = part else { panic!("a part is a list") };
        if !matches!(items[0], Value::List(_)) {
            assert_eq!(items[6], Value::Number(own.end - own.start), "{path:?}");
        }
        match (&items[0], &items[1]) {
            (Value::List(_), _) => check_sections(digest, path, own, part),
            (Value::Text(kind), Value::Text(subtype)) if grammar::is_message(kind, subtype) => {
                let (header, text) = (find(path, Part::Header).unwrap(), find(path, Part::Text).unwrap());
                assert_eq!((header.start, header.end, text.end), (own.start, text.start, own.end), "{path:?}");
                check_sections(digest, path, text, &items[8]);
            }
            _ => assert_eq!((find(path, Part::Header), find(path, Part::Text)), (None, None), "{path:?}"),
        }
        path.pop();
    }
    path.push(parts.len() as u32 + 1);
    assert_eq!(find(path, Part::Whole), None, "{path:?}");
    path.pop();
}

/// Pieces that messages are made of, so that random ones have a structure.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "\n",
        "\r\n",
        "\n\n",
        "\r",
        "--a",
        "--b",
        "--aa",
        "--",
        "\n--a\n",
        "\n--b\n\n",
        "\n--a--\n",
        "\n--b--\r\n",
        "Content-Type: multipart/mixed; boundary=a\n",
        "Content-Type: multipart/digest; boundary=\"b\"\n\n",
        "Content-Type: multipart/x; boundary=aa\n\n--aa\n",
        "Content-Type: message/rfc822\n\n",
        "Content-Type: text/html",
        "Content-Type: a/b; c=\"d",
        "Content-Transfer-Encoding: base64\n",
        "Content-Disposition: inline; filename=\"\\",
        "Content-Language: a, b,,",
        "Subject: s\n t\n",
        "From: a <b@c>, \"d\" <@e:f@g>\n",
        "To: g: a@b",
        ";",
        ",",
        ":",
        "<",
        ">",
        "@",
        "(",
        ")",
        "\\",
        "\"",
        "[",
        "=",
        "\0",
        "\u{e4}",
        " ",
        "\t",
        "word",
        "Cc: (((a) b@c",
    ]);
    prop::collection::vec(words, 0..60).prop_map(|words| words.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_octets_are_a_message(message in prop::collection::vec(any::<u8>(), 0..400)) {
        check(&message);
    }

    #[test]
    fn any_pieces_are_a_message(message in pieces()) {
        check(&message);
    }

    #[test]
    fn a_damaged_message_is_a_message(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_usize), 1..8),
        crlfs in any::<bool>(),
    ) {
        let mut message = if crlfs { crlf(MIXED) } else { MIXED.to_string() }.into_bytes();
        for (at, byte, what) in changes {
            let at = at.index(message.len());
            match what {
                0 => message[at] = byte,
                1 => drop(message.drain(at..(at + usize::from(byte)).min(message.len() - 1).max(at))),
                _ => message.insert(at, byte),
            }
        }
        check(&message);
    }

    #[test]
    fn what_was_not_kept_is_none(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(Digest::from_bytes(&bytes), None);
    }

    /// Damage that the check sum does not see, since it is made anew.
    #[test]
    fn a_forged_digest_does_no_harm(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = of(MIXED).to_bytes();
        let content = bytes.len() - 8;
        bytes[2 + at.index(content - 2)] = byte;
        let sum = bytes[..content].iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, &byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        bytes[content..].copy_from_slice(&sum.to_le_bytes());
        if let Some(digest) = Digest::from_bytes(&bytes) {
            for path in [&[][..], &[1], &[2], &[2, 1], &[2, 2, 1], &[3], &[u32::MAX]] {
                for what in [Part::Whole, Part::Header, Part::Text, Part::Mime] {
                    let range = digest.section(path.iter().copied(), what);
                    prop_assert!(range.is_none_or(|range| range.start <= range.end && range.end <= digest.size()));
                }
            }
        }
    }
}
