//! Messages of a megabyte: received by SMTP's DATA and by POP3's RETR, and sent by both.

use std::hint::black_box;

use memchr::memmem;
use postkern::{Body, pop3, smtp};
use smtp_proto::request::receiver::DataReceiver;

use super::smtp::{answer, server};
use super::{Goal, Run, Work, drive};
use crate::input::{Kind, LARGE, READ, message, on_the_wire};

pub(crate) fn works() -> Vec<Work> {
    vec![
        Work::ours("data/received/short-lines", Goal::Octet(1.2), || received(Kind::ShortLines)),
        Work::peer("data/received/short-lines", "smtp-proto", || received_peer(Kind::ShortLines)),
        Work::limit("data/received/short-lines", "memmem CRLF-dot", || search(Kind::ShortLines)),
        Work::ours("data/received/base64", Goal::Octet(1.2), || received(Kind::Base64)),
        Work::peer("data/received/base64", "smtp-proto", || received_peer(Kind::Base64)),
        Work::limit("data/received/base64", "memmem CRLF-dot", || search(Kind::Base64)),
        Work::ours("data/received/long-lines", Goal::Octet(1.2), || received(Kind::LongLines)),
        Work::peer("data/received/long-lines", "smtp-proto", || received_peer(Kind::LongLines)),
        Work::limit("data/received/long-lines", "memmem CRLF-dot", || search(Kind::LongLines)),
        Work::ours("data/received/dots", Goal::Octet(5.0), || received(Kind::Dots)),
        Work::peer("data/received/dots", "smtp-proto", || received_peer(Kind::Dots)),
        Work::limit("data/received/dots", "memmem CRLF-dot", || search(Kind::Dots)),
        Work::ours("data/sent/short-lines", Goal::Octet(1.5), || sent(Kind::ShortLines)),
        Work::limit("data/sent/short-lines", "memmem and copy", || search_and_copy(Kind::ShortLines)),
        Work::ours("data/sent/base64", Goal::Octet(1.5), || sent(Kind::Base64)),
        Work::limit("data/sent/base64", "memmem and copy", || search_and_copy(Kind::Base64)),
        Work::ours("data/sent/long-lines", Goal::Octet(1.5), || sent(Kind::LongLines)),
        Work::plain("data/sent/dots", || sent(Kind::Dots)),
        Work::ours("pop3/retr/received", Goal::Octet(0.6), retr_received),
        Work::peer("pop3/retr/received", "pop3-codec", retr_peer),
        Work::limit("pop3/retr/received", "memmem CRLF-dot", || search(Kind::ShortLines)),
        Work::ours("pop3/retr/sent", Goal::Octet(0.6), retr_sent),
        Work::limit("pop3/retr/sent", "memmem and copy", || search_and_copy(Kind::ShortLines)),
    ]
}

fn received(kind: Kind) -> Run {
    let wire = on_the_wire(&message(kind, LARGE));
    let mut input = b"MAIL FROM:<alice@client.example>\r\nRCPT TO:<bob@mx.example>\r\nDATA\r\n".to_vec();
    input.extend_from_slice(&wire);
    let mut out = Vec::new();
    let mut server = server(&mut out);
    Run::new(1, wire.len(), move || {
        out.clear();
        assert_eq!(drive(&mut server, black_box(&input), &mut out, answer), input.len());
    })
}

fn received_peer(kind: Kind) -> Run {
    let wire = on_the_wire(&message(kind, LARGE));
    let mut message = Vec::with_capacity(wire.len());
    Run::new(1, wire.len(), move || {
        message.clear();
        let mut receiver = DataReceiver::new();
        let mut ended = false;
        for piece in black_box(&wire).chunks(READ) {
            ended = receiver.ingest(&mut piece.iter(), &mut message);
        }
        assert!(ended);
        black_box(&message);
    })
}

/// Each place where a line begins with a dot: without it no end can be found.
fn search(kind: Kind) -> Run {
    let wire = on_the_wire(&message(kind, LARGE));
    Run::new(1, wire.len(), move || {
        for piece in black_box(&wire).chunks(READ) {
            let mut rest = piece;
            while let Some(at) = memmem::find(rest, b"\r\n.") {
                rest = black_box(&rest[at + 3..]);
            }
        }
    })
}

fn search_and_copy(kind: Kind) -> Run {
    let message = message(kind, LARGE);
    let mut out = Vec::with_capacity(READ * 2);
    Run::new(1, message.len(), move || {
        for piece in black_box(&message).chunks(READ) {
            out.clear();
            black_box(memmem::find(piece, b"\r\n."));
            out.extend_from_slice(piece);
            black_box(&out);
        }
    })
}

fn sent(kind: Kind) -> Run {
    let message = message(kind, LARGE);
    let mut out = Vec::with_capacity(READ * 2);
    let mut client = smtp::Client::new();
    let open = "220 mx.example\r\n";
    drive(&mut client, open.as_bytes(), &mut out, |_: smtp::Notice<'_>, _: &mut smtp::Client, _: &mut Vec<u8>| {});
    Run::new(1, message.len(), move || {
        let mut body = proceed(&mut client, &mut out);
        for piece in black_box(&message).chunks(READ) {
            out.clear();
            client.write(&mut body, piece, &mut out);
            black_box(&out);
        }
        client.end(body, &mut out);
        say(&mut client, "250 2.0.0 kept\r\n", &mut out);
    })
}

/// An envelope, up to the server's leave to send the message.
fn proceed(client: &mut smtp::Client, out: &mut Vec<u8>) -> Body {
    let mail = smtp::Command::Mail { from: "alice@client.example", params: smtp::MailParams::default() };
    for (command, reply) in [
        (mail, "250 ok\r\n"),
        (smtp::Command::Rcpt { to: "bob@mx.example", params: smtp::RcptParams::default() }, "250 ok\r\n"),
        (smtp::Command::Data, "354 go\r\n"),
    ] {
        client.send(command, out).expect("the last one is answered");
        if let Some(body) = say(client, reply, out) {
            return body;
        }
    }
    unreachable!("354 has the message sent")
}

fn say(client: &mut smtp::Client, reply: &str, out: &mut Vec<u8>) -> Option<Body> {
    let mut body = None;
    drive(client, reply.as_bytes(), out, |notice: smtp::Notice<'_>, _: &mut smtp::Client, _: &mut Vec<u8>| {
        if let smtp::Notice::Proceed { body: token } = notice {
            body = Some(token);
        }
    });
    body
}

fn retr_received() -> Run {
    let wire = on_the_wire(&message(Kind::ShortLines, LARGE));
    let input = [&b"+OK 1048600 octets\r\n"[..], &wire].concat();
    let mut out = Vec::new();
    let mut client = super::pop3::client(&mut out);
    Run::new(1, wire.len(), move || {
        out.clear();
        client.send(pop3::Request::Retr(1), &mut out).expect("nothing is unanswered");
        let taken = drive(&mut client, black_box(&input), &mut out, super::pop3::notice);
        assert_eq!(taken, input.len());
    })
}

fn retr_peer() -> Run {
    let wire = on_the_wire(&message(Kind::ShortLines, LARGE));
    let input = [&b"+OK 1048600 octets\r\n"[..], &wire].concat();
    Run::new(1, wire.len(), move || {
        let (rest, message) = pop3_codec::parse::response_retr(black_box(&input)).expect("it is of its grammar");
        assert!(rest.is_empty());
        black_box(message);
    })
}

fn retr_sent() -> Run {
    let message = message(Kind::ShortLines, LARGE);
    let mut out = Vec::with_capacity(READ * 2);
    let mut server = super::pop3::server(&mut out);
    Run::new(1, message.len(), move || {
        drive(
            &mut server,
            b"RETR 1\r\n",
            &mut out,
            |event: pop3::Event<'_>, server: &mut pop3::Server, out: &mut Vec<u8>| {
                let pop3::Event::Command { ticket, .. } = event else { panic!("{event:?} is no RETR") };
                let mut body = server.begin(ticket, "", out);
                for piece in black_box(&message).chunks(READ) {
                    out.clear();
                    server.write(&mut body, piece, out);
                    black_box(&*out);
                }
                server.end(body, out);
            },
        );
    })
}
