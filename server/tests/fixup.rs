//! Repairs of submitted messages: what becomes of a header, however it is cut.

use postkern::smtp::Enhanced;
use postkern_server::config::{HeaderFrom, Submission};
use postkern_server::fixup::{FIELD_MAX, Fixup, Refusal, Submitter};
use postkern_server::trace::Added;
use proptest::prelude::*;

const ME: &str = "me@d.example";

fn owns(address: &str) -> bool {
    ["me@d.example", "alias@d.example"].iter().any(|own| own.eq_ignore_ascii_case(address))
}

/// What is stored, in front of which the added fields are shown.
fn run(rules: Submission, pieces: &[&[u8]]) -> Result<Vec<u8>, Refusal> {
    let submitter = Submitter { account: ME, owns: &owns };
    let mut fixup = Fixup::new(rules, ME);
    let mut out = Vec::new();
    for piece in pieces {
        fixup.feed(piece, submitter, &mut out);
    }
    let Added { date, message_id, fields } = fixup.finish("alias@d.example", submitter, &mut out)?;
    let mut shown = fields;
    shown.extend_from_slice(if date { b"+D" } else { b"" });
    shown.extend_from_slice(if message_id { b"+M" } else { b"" });
    shown.push(b'|');
    shown.extend_from_slice(&out);
    Ok(shown)
}

/// The result, which must be the same however the message is cut.
fn fix(rules: Submission, message: &str) -> Result<String, Refusal> {
    let message = message.as_bytes();
    let is = run(rules, &[message]);
    for cut in 0..=message.len() {
        let (one, two) = message.split_at(cut);
        assert_eq!(run(rules, &[one, two]), is, "cut at {cut}");
    }
    let octets: Vec<&[u8]> = message.chunks(1).collect();
    assert_eq!(run(rules, &octets), is, "octet by octet");
    is.map(|is| String::from_utf8(is).unwrap())
}

fn rules() -> Submission {
    Submission::default()
}

#[test]
fn what_is_missing_is_added() {
    for (message, is) in [
        ("\r\nbody\r\n", "From: <alias@d.example>\r\n+D+M|\r\nbody\r\n"),
        ("", "From: <alias@d.example>\r\n+D+M|"),
        ("From: me@d.example\r\n\r\n", "+D+M|From: me@d.example\r\n\r\n"),
        ("From: me@d.example\r\nDate: x\r\n\r\n", "+M|From: me@d.example\r\nDate: x\r\n\r\n"),
        (
            "message-id : <x>\r\nFROM:\r\n Me <ME@d.example>\r\ndate: x\r\n\r\nb",
            "|message-id : <x>\r\nFROM:\r\n Me <ME@d.example>\r\ndate: x\r\n\r\nb",
        ),
        ("Dated: x\r\nFrom: me@d.example", "+D+M|Dated: x\r\nFrom: me@d.example"),
        (
            "X: y\r\n\r\nFrom: a@b\r\nDate: x\r\n",
            "From: <alias@d.example>\r\n+D+M|X: y\r\n\r\nFrom: a@b\r\nDate: x\r\n",
        ),
    ] {
        assert_eq!(fix(rules(), message), Ok(is.into()), "{message:?}");
    }
    let submitter = Submitter { account: ME, owns: &owns };
    let added = Fixup::new(rules(), ME).finish("", submitter, &mut Vec::new()).unwrap();
    assert_eq!(added.fields, b"From: <me@d.example>\r\n", "the null reverse-path is no author");
    // RFC 6531 section 3.7.1.
    for (sender, is) in [("j\u{f6}rg@d.example", "From: <j\u{f6}rg@d.example>\r\n"), ("\u{f6}\n>", "From: <???>\r\n")] {
        let added = Fixup::new(rules(), ME).finish(sender, submitter, &mut Vec::new()).unwrap();
        assert!(added.fields.starts_with(is.as_bytes()), "{:?}", String::from_utf8_lossy(&added.fields));
    }
}

#[test]
fn bcc_is_taken_out() {
    let rest = "From: me@d.example\r\nDate: x\r\nMessage-ID: <x>\r\n";
    for (message, is) in [
        ("Bcc: a@b\r\n{}\r\nBcc: in the body\r\n", "|{}\r\nBcc: in the body\r\n"),
        ("{}bcc:\r\n a@b,\r\n\tc@d\r\nX: y\r\n\r\n", "|{}X: y\r\n\r\n"),
        ("{}BCC : a@b\r\nResent-Bcc: c@d\r\nBcc: e@f\r\n\r\n", "|{}\r\n"),
        ("{}Bccs: a@b\r\nX-Bcc: c\r\nBcc: unended", "|{}Bccs: a@b\r\nX-Bcc: c\r\n"),
    ] {
        let (message, is) = (message.replace("{}", rest), is.replace("{}", rest));
        assert_eq!(fix(rules(), &message), Ok(is), "{message:?}");
    }
    let kept = Submission { remove_bcc: false, ..rules() };
    assert_eq!(fix(kept, &format!("{rest}Bcc: a@b\r\n\r\n")), Ok(format!("|{rest}Bcc: a@b\r\n\r\n")));
    let long = format!("{rest}Bcc: {}\r\nX: y\r\n\r\n", "a@b,\r\n ".repeat(FIELD_MAX));
    assert_eq!(run(rules(), &[long.as_bytes()]), Ok(format!("|{rest}X: y\r\n\r\n").into_bytes()), "however long");
}

#[test]
fn sender_says_who_sent_it() {
    use HeaderFrom::{Any, Check, Sender};
    let sender = "Sender: <me@d.example>\r\n";
    for (header_from, fields, is) in [
        (Check, "From: me@d.example\r\n", Ok("|From: me@d.example\r\n")),
        (Check, "From: Alias <ALIAS@d.example>\r\n", Ok("|From: Alias <ALIAS@d.example>\r\n")),
        (Check, "From: a@b\r\n", Err(Refusal::NotYours)),
        (Check, "From: a@b\r\nSender: me@d.example\r\n", Err(Refusal::NotYours)),
        (Check, "From: a@b, me@d.example\r\n", Ok("{}|From: a@b, me@d.example\r\n")),
        (Check, "From: a@b, me\r\nSender: alias\r\n", Ok("|From: a@b, me@d.example\r\nSender: alias@d.example\r\n")),
        (Check, "From: me@d.example\r\nSender: boss@d.example\r\n", Ok("|From: me@d.example\r\n")),
        (Check, "From: me@d.example\r\nSender: me@d.example, x@y\r\n", Ok("|From: me@d.example\r\n")),
        (Check, "Sender: a@b\r\nFrom: a@b, me@d.example\r\n", Ok("{}|From: a@b, me@d.example\r\n")),
        (Check, "From: me@d.example\r\nSender: not an address\r\n", Ok("|From: me@d.example\r\n")),
        (Check, "From: \"me@d.example\" <a@b>\r\n", Err(Refusal::NotYours)),
        (Check, "From: a@b (me@d.example)\r\n", Err(Refusal::NotYours)),
        (Check, "From: Me Myself\r\n", Err(Refusal::NoAuthor)),
        (Check, "From: a@b <me@d.example>\r\n", Err(Refusal::NoAuthor)),
        (Check, "From:\r\n", Err(Refusal::NoAuthor)),
        (Check, "From: nobody:;\r\n", Err(Refusal::NoAuthor)),
        (Sender, "From: a@b\r\n", Ok("{}|From: a@b\r\n")),
        (Sender, "From: a@b\r\nSender: <alias@d.example>\r\n", Ok("|From: a@b\r\nSender: <alias@d.example>\r\n")),
        (Sender, "From: a@b\r\nSender: c@d\r\n", Ok("{}|From: a@b\r\n")),
        (Sender, "From: me@d.example\r\n", Ok("|From: me@d.example\r\n")),
        (Sender, "From: Me Myself\r\n", Err(Refusal::NoAuthor)),
        (Any, "From: a@b\r\nSender: c@d\r\n", Ok("|From: a@b\r\nSender: c@d\r\n")),
        (Any, "From: a@b\r\n", Ok("|From: a@b\r\n")),
        (Any, "From: a@b, c@d\r\n", Ok("{}|From: a@b, c@d\r\n")),
        (Any, "From: Me Myself\r\n", Ok("|From: Me Myself\r\n")),
    ] {
        let message = format!("Date: x\r\nMessage-ID: <x>\r\n{fields}\r\n");
        let is = is.map(|is| is.replace("{}", sender).replace('|', "|Date: x\r\nMessage-ID: <x>\r\n") + "\r\n");
        assert_eq!(fix(Submission { header_from, ..rules() }, &message), is, "{header_from:?} {fields:?}");
    }
}

#[test]
fn of_some_fields_there_is_one_at_most() {
    for (message, is) in [
        ("From: me@d.example\r\nFrom: me@d.example\r\n\r\n", Refusal::TwoFrom),
        ("Sender: a@b\r\nsender: a@b\r\n\r\n", Refusal::TwoSender),
        ("Date: x\r\nX: y\r\nDate : z\r\n\r\n", Refusal::TwoDate),
        ("Message-ID: x\r\nmessage-id: x\r\n\r\n", Refusal::TwoMessageId),
    ] {
        assert_eq!(fix(rules(), message), Err(is), "{message:?}");
        let reply = is.reply();
        assert_eq!((reply.code, reply.enhanced), (554, Some(Enhanced(5, 6, 0))));
    }
}

#[test]
fn addresses_without_a_domain_get_the_accounts() {
    let from = "From: me@d.example\r\nDate: x\r\nMessage-ID: <x>\r\n";
    for (fields, is) in [
        ("To: bob, \"A, B\" <al>,\r\n c@d\r\n", "To: bob@d.example, \"A, B\" <al@d.example>,\r\n c@d\r\n"),
        ("cc : bob\r\nReply-To: x\r\n", "cc : bob@d.example\r\nReply-To: x@d.example\r\n"),
        ("Resent-To: bob\r\n", "Resent-To: bob@d.example\r\n"),
        ("To: bob, not an address\r\n", "To: bob, not an address\r\n"),
        ("X-To: bob\r\nSubject: bob\r\n", "X-To: bob\r\nSubject: bob\r\n"),
    ] {
        let (message, is) = (format!("{from}{fields}\r\n"), format!("|{from}{is}\r\n"));
        assert_eq!(fix(rules(), &message), Ok(is), "{fields:?}");
        let off = Submission { complete_addresses: false, ..rules() };
        assert_eq!(fix(off, &message), Ok(format!("|{message}")), "{fields:?}");
    }
    assert_eq!(
        fix(rules(), "Date: x\r\nMessage-ID: <x>\r\nFrom: me\r\n\r\n"),
        Ok("|Date: x\r\nMessage-ID: <x>\r\nFrom: me@d.example\r\n\r\n".into())
    );
}

#[test]
fn a_body_without_a_header_is_parted_from_it() {
    for (message, is) in [
        ("Hello\r\nFrom: x\r\n", "+D+M|\r\nHello\r\nFrom: x\r\n"),
        (" x\r\n", "+D+M|\r\n x\r\n"),
        ("X: y\r\nHello there\r\n", "+D+M|X: y\r\n\r\nHello there\r\n"),
        ("Bcc: y\r\nHello", "+D+M|\r\nHello"),
        (": x\r\n", "+D+M|\r\n: x\r\n"),
    ] {
        assert_eq!(fix(rules(), message), Ok(format!("From: <alias@d.example>\r\n{is}")), "{message:?}");
    }
}

#[test]
fn fields_too_long_to_hold_pass_as_they_are() {
    let rest = "Date: x\r\nMessage-ID: <x>\r\n";
    let long = format!("To: bob,\r\n {}\r\n", "a@b,\r\n ".repeat(FIELD_MAX / 7));
    let from = "From: me@d.example\r\n";
    let message = format!("{rest}{from}{long}Cc: bob\r\n\r\n");
    let is = format!("|{rest}{from}{long}Cc: bob@d.example\r\n\r\n");
    for size in [1, 7, 1000, message.len()] {
        let pieces: Vec<&[u8]> = message.as_bytes().chunks(size).collect();
        assert_eq!(run(rules(), &pieces), Ok(is.clone().into_bytes()), "{size}");
        let name = format!("{}: x\r\n{message}", "X".repeat(2000));
        assert!(run(rules(), &name.as_bytes().chunks(size).collect::<Vec<_>>()).is_ok(), "{size}");
    }
    let author = format!("{rest}From: {}me@d.example\r\n\r\n", "(x)\r\n ".repeat(FIELD_MAX / 5));
    assert_eq!(run(rules(), &[author.as_bytes()]), Err(Refusal::NoAuthor));
    let any = Submission { header_from: HeaderFrom::Any, ..rules() };
    assert_eq!(run(any, &[author.as_bytes()]), Ok(format!("|{author}").into_bytes()));
    let sender = format!("{rest}{from}Sender: {}me@d.example\r\n\r\n", "(x)\r\n ".repeat(FIELD_MAX / 5));
    assert_eq!(run(rules(), &[sender.as_bytes()]), Ok(format!("|{rest}{from}\r\n").into_bytes()));
}

/// Lines of headers, good and bad.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("From: me@d.example".to_string()),
        Just("Bcc: x".to_string()),
        "(To|Cc|X|Sender|Date): [ a-z@<>,\"():;\\\\]{0,20}",
        "[ \t][a-z,]{0,9}",
        "[ -~]{0,12}",
        Just(String::new()),
    ]
}

proptest! {
    #[test]
    fn cuts_make_no_difference_and_the_rest_is_kept(lines in prop::collection::vec(line(), 0..12), cuts in prop::collection::vec(1_usize..40, 1..20)) {
        let message: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let whole = run(rules(), &[message.as_bytes()]);
        let mut rest = message.as_bytes();
        let mut pieces = Vec::new();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        prop_assert_eq!(&run(rules(), &pieces), &whole);
        // With nothing to do, all but an empty line passes.
        let none = Submission {
            remove_bcc: false,
            header_from: HeaderFrom::Any,
            complete_addresses: false,
            ..rules()
        };
        if let Ok(out) = run(none, &[message.as_bytes()]) {
            let out = String::from_utf8(out).unwrap();
            let (_, out) = out.split_once('|').unwrap();
            let same = out == message || (0..=message.len()).any(|at| {
                message.is_char_boundary(at) && format!("{}\r\n{}", &message[..at], &message[at..]) == out
            });
            prop_assert!(same, "{:?} became {:?}", message, out);
        }
    }
}
