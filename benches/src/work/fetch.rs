//! FETCH responses: written by the server, read by the client.

use std::hint::black_box;

use imap_codec::ResponseCodec;
use imap_codec::decode::Decoder;
use imap_codec::encode::Encoder;
use imap_codec::imap_types::IntoStatic;
use imap_codec::imap_types::response::Response;
use postkern::imap::data::{Fetch, put_nstring, put_string};
use postkern::imap::{Body, BodyStructure, Client, ClientLimits, Date, DateTime, FetchValue, Notice, Response as Told};

use super::{Goal, Run, Work, drive};
use crate::input::{BODYSTRUCTURE, ENVELOPE, Kind, LARGE, fetch_flags, fetch_full, message};

/// Lines of FETCH (UID FLAGS).
const LINES: u32 = 100;

pub(crate) fn works() -> Vec<Work> {
    vec![
        Work::ours("fetch/flags/written", Goal::Op(350.0), flags_written),
        Work::peer("fetch/flags/written", "imap-codec", || written_peer((1..=LINES).map(fetch_flags).collect())),
        Work::limit("fetch/flags/written", "copy", || copied((1..=LINES).map(fetch_flags).collect())),
        Work::ours("fetch/full/written", Goal::Op(4000.0), full_written),
        Work::plain("fetch/full/written-from-stored", full_from_stored),
        Work::peer("fetch/full/written", "imap-codec", || written_peer(vec![fetch_full()])),
        Work::limit("fetch/full/written", "copy", || copied(vec![fetch_full()])),
        Work::ours("fetch/flags/read", Goal::Op(900.0), || read((1..=LINES).map(fetch_flags).collect())),
        Work::peer("fetch/flags/read", "imap-proto", || read_proto((1..=LINES).map(fetch_flags).collect())),
        Work::peer("fetch/flags/read", "imap-codec", || read_codec((1..=LINES).map(fetch_flags).collect())),
        Work::limit("fetch/flags/read", "memchr", || {
            super::line_scan((1..=LINES).map(fetch_flags).collect::<String>().into_bytes())
        }),
        Work::ours("fetch/full/read", Goal::Op(9000.0), || read(vec![fetch_full()])),
        Work::peer("fetch/full/read", "imap-proto", || read_proto(vec![fetch_full()])),
        Work::peer("fetch/full/read", "imap-codec", || read_codec(vec![fetch_full()])),
        Work::limit("fetch/full/read", "memchr", || super::line_scan(fetch_full().into_bytes())),
        Work::ours("fetch/body/read", Goal::Op(6500.0), || read(vec![fetch_body()])),
        Work::peer("fetch/body/read", "imap-proto", || read_proto(vec![fetch_body()])),
    ]
}

/// A FETCH response with a message of a megabyte.
pub(crate) fn fetch_body() -> String {
    let message = String::from_utf8(message(Kind::ShortLines, LARGE)).expect("the message is text");
    format!("* 12 FETCH (UID 4722 BODY[] {{{}}}\r\n{message})\r\n", message.len())
}

fn flags_written() -> Run {
    let mut out = Vec::new();
    let octets = (1..=LINES).map(|message| fetch_flags(message).len()).sum();
    Run::new(LINES as usize, octets, move || {
        out.clear();
        for message in 1..=LINES {
            let flags: &[&str] = match message % 4 {
                0 => &[],
                1 => &["\\Seen"],
                2 => &["\\Answered", "\\Seen"],
                _ => &["\\Flagged", "\\Seen", "$Forwarded"],
            };
            let mut fetch = Fetch::begin(black_box(message), &mut out);
            fetch.number("UID", u64::from(message + 4710), &mut out);
            fetch.flags(black_box(flags), &mut out);
            fetch.end(&mut out);
        }
        assert_eq!(black_box(&out).len(), octets);
    })
}

/// The items before ENVELOPE.
fn small_items(out: &mut Vec<u8>) -> Fetch {
    let date = Date::new(2026, 11, 2).expect("there is such a day");
    let mut fetch = Fetch::begin(black_box(12), out);
    fetch.number("UID", 4722, out);
    fetch.flags(&["\\Seen"], out);
    fetch.internal_date(DateTime { date, seconds: 8 * 3600 + 904, zone: 60 }, out);
    fetch.number("RFC822.SIZE", 193_911, out);
    fetch
}

/// ENVELOPE and BODYSTRUCTURE out of their parts, as a server does that has no cache.
fn full_written() -> Run {
    let (mut out, mut value) = (Vec::new(), Vec::new());
    let whole = fetch_full();
    Run::new(1, whole.len(), move || {
        out.clear();
        let mut fetch = small_items(&mut out);
        value.clear();
        envelope(&mut value);
        fetch.raw("ENVELOPE", &value, &mut out);
        value.clear();
        structure(&mut value);
        fetch.raw("BODYSTRUCTURE", &value, &mut out);
        fetch.end(&mut out);
        assert_eq!(black_box(&out), whole.as_bytes());
    })
}

/// The same, where ENVELOPE and BODYSTRUCTURE are kept as they are sent.
fn full_from_stored() -> Run {
    let mut out = Vec::new();
    let whole = fetch_full();
    Run::new(1, whole.len(), move || {
        out.clear();
        let mut fetch = small_items(&mut out);
        fetch.raw("ENVELOPE", black_box(ENVELOPE.as_bytes()), &mut out);
        fetch.raw("BODYSTRUCTURE", black_box(BODYSTRUCTURE.as_bytes()), &mut out);
        fetch.end(&mut out);
        assert_eq!(black_box(&out), whole.as_bytes());
    })
}

fn envelope(out: &mut Vec<u8>) {
    type Address<'a> = (Option<&'a str>, &'a str, &'a str);
    let alice: &[Address<'_>] = &[(Some("Alice"), "alice", "client.example")];
    let to: &[Address<'_>] = &[(Some("Bob"), "bob", "mx.example"), (None, "carol.of-accounts", "lists.mx.example")];
    let cc: &[Address<'_>] = &[(Some("Dave of the Mill"), "dave", "mill.example")];
    out.push(b'(');
    put_string(b"Mon, 2 Nov 2026 08:15:00 +0100", out);
    out.push(b' ');
    put_string(b"harvest of the north orchard", out);
    for list in black_box([alice, alice, alice, to, cc]) {
        out.extend_from_slice(b" (");
        for &(name, mailbox, host) in list {
            out.push(b'(');
            put_nstring(name.map(str::as_bytes), out);
            out.extend_from_slice(b" NIL ");
            put_string(mailbox.as_bytes(), out);
            out.push(b' ');
            put_string(host.as_bytes(), out);
            out.push(b')');
        }
        out.push(b')');
    }
    out.extend_from_slice(b" NIL ");
    put_nstring(Some(b"<spring-plan@mx.example>"), out);
    out.push(b' ');
    put_nstring(Some(b"<n0rth-orchard@client.example>"), out);
    out.push(b')');
}

fn structure(out: &mut Vec<u8>) {
    let strings = |strings: &[&str], out: &mut Vec<u8>| {
        let mut before: &[u8] = b"(";
        for string in strings {
            out.extend_from_slice(before);
            put_string(string.as_bytes(), out);
            before = b" ";
        }
        out.push(b')');
    };
    let text = |subtype: &str, size: &str, out: &mut Vec<u8>| {
        out.push(b'(');
        put_string(b"text", out);
        out.push(b' ');
        put_string(subtype.as_bytes(), out);
        out.push(b' ');
        strings(&["charset", "utf-8"], out);
        out.extend_from_slice(b" NIL NIL ");
        put_string(b"quoted-printable", out);
        out.extend_from_slice(size.as_bytes());
        out.extend_from_slice(b" NIL NIL NIL NIL)");
    };
    let multipart = |subtype: &str, boundary: &str, out: &mut Vec<u8>| {
        out.push(b' ');
        put_string(subtype.as_bytes(), out);
        out.push(b' ');
        strings(&["boundary", boundary], out);
        out.extend_from_slice(b" NIL NIL NIL)");
    };
    out.extend_from_slice(b"((");
    text(black_box("plain"), " 2318 57", out);
    text(black_box("html"), " 7212 120", out);
    multipart("alternative", black_box("inner-5b1f"), out);
    out.push(b'(');
    put_string(b"application", out);
    out.push(b' ');
    put_string(b"pdf", out);
    out.push(b' ');
    strings(&["name", black_box("map of the rows.pdf")], out);
    out.extend_from_slice(b" NIL NIL ");
    put_string(b"base64", out);
    out.extend_from_slice(b" 183422 NIL (");
    put_string(b"attachment", out);
    out.push(b' ');
    strings(&["filename", black_box("map of the rows.pdf")], out);
    out.extend_from_slice(b") NIL NIL)");
    multipart("mixed", black_box("outer-91c2"), out);
}

fn written_peer(lines: Vec<String>) -> Run {
    let octets = lines.iter().map(String::len).sum();
    let codec = ResponseCodec::default();
    let responses: Vec<Response<'static>> = lines
        .iter()
        .map(|line| codec.decode(line.as_bytes()).expect("the line is of its grammar").1.into_static())
        .collect();
    Run::new(lines.len(), octets, move || {
        for response in black_box(&responses) {
            black_box(codec.encode(response).dump());
        }
    })
}

fn copied(lines: Vec<String>) -> Run {
    let octets = lines.iter().map(String::len).sum();
    let mut out = Vec::with_capacity(octets);
    Run::new(lines.len(), octets, move || {
        out.clear();
        for line in black_box(&lines) {
            out.extend_from_slice(line.as_bytes());
        }
        black_box(&out);
    })
}

/// Responses as a client reads them: each item is walked to its end.
fn read(lines: Vec<String>) -> Run {
    let input = lines.concat();
    let mut out = Vec::new();
    let mut client = Client::new(ClientLimits::default());
    drive(&mut client, b"* PREAUTH ready\r\n", &mut out, notice);
    Run::new(lines.len(), input.len(), move || {
        assert_eq!(drive(&mut client, black_box(input.as_bytes()), &mut out, notice), input.len());
    })
}

fn notice(notice: Notice<'_>, _: &mut Client, _: &mut Vec<u8>) {
    match notice {
        Notice::Response(Told::Fetch { message, values }) => {
            black_box(message);
            values.iter().for_each(look);
        }
        Notice::Literal { values, name, octets, .. } => {
            black_box((name, octets));
            values.iter().for_each(look);
        }
        Notice::Chunk { octets, left } => {
            black_box((octets, left));
        }
        Notice::Greeting { .. } => {}
        other => panic!("{other:?} is not of the input"),
    }
}

fn look(value: FetchValue<'_>) {
    match value {
        FetchValue::Flags(flags) => flags.iter().for_each(|flag| {
            black_box(flag);
        }),
        FetchValue::Envelope(envelope) => {
            black_box((envelope.date, envelope.subject, envelope.in_reply_to, envelope.message_id));
            let lists = [envelope.from, envelope.sender, envelope.reply_to, envelope.to, envelope.cc, envelope.bcc];
            for address in lists.iter().flat_map(|addresses| addresses.iter()) {
                black_box(address);
            }
        }
        FetchValue::BodyStructure(structure) => walk(structure),
        FetchValue::Other { .. } | FetchValue::Odd(_) => panic!("{value:?} is not of the input"),
        other => {
            black_box(other);
        }
    }
}

fn walk(structure: BodyStructure<'_>) {
    match structure.body() {
        Body::Multipart(multipart) => {
            black_box(multipart.subtype);
            multipart.parts().for_each(walk);
        }
        Body::Part(part) => {
            part.parameters.iter().for_each(|parameter| {
                black_box(parameter);
            });
            black_box(part);
        }
    }
}

fn read_proto(lines: Vec<String>) -> Run {
    let octets = lines.iter().map(String::len).sum();
    Run::new(lines.len(), octets, move || {
        for line in black_box(&lines) {
            let (rest, response) = imap_proto::parser::parse_response(line.as_bytes()).expect("it is of its grammar");
            assert!(rest.is_empty());
            black_box(response);
        }
    })
}

fn read_codec(lines: Vec<String>) -> Run {
    let octets = lines.iter().map(String::len).sum();
    let codec = ResponseCodec::default();
    Run::new(lines.len(), octets, move || {
        for line in black_box(&lines) {
            black_box(codec.decode(line.as_bytes()).expect("it is of its grammar"));
        }
    })
}
