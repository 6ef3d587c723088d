//! SMTP: commands at the server, replies at the client.

use std::hint::black_box;

use postkern::smtp::{Client, Command, Event, MailParams, Notice, RcptParams, Reply, Server, ServerConfig};
use smtp_proto::request::receiver::RequestReceiver;
use smtp_proto::{EhloResponse, response::parser::ResponseReceiver};

use super::{Goal, Run, Work, drive, line_scan};
use crate::input::{EHLO_REPLY, SMTP_COMMANDS, SMTP_REPLIES};

/// Recipients that fit the client's window of unanswered commands.
const RECIPIENTS: usize = 100;

pub(crate) fn works() -> Vec<Work> {
    vec![
        Work::ours("smtp/command", Goal::Op(450.0), commands),
        Work::peer("smtp/command", "smtp-proto", commands_peer),
        Work::limit("smtp/command", "memchr", || line_scan(SMTP_COMMANDS.repeat(8).into_bytes())),
        Work::plain("smtp/dialogue", dialogue),
        Work::plain("smtp/send", || client_run(false)),
        Work::ours("smtp/reply", Goal::Op(350.0), || client_run(true)).less("smtp/send"),
        Work::peer("smtp/reply", "smtp-proto", replies_peer),
        Work::limit("smtp/reply", "memchr", || line_scan(replies())),
        Work::plain("smtp/greet", || ehlo_run(false)),
        Work::ours("smtp/ehlo-reply", Goal::Op(2000.0), || ehlo_run(true)).less("smtp/greet"),
        Work::peer("smtp/ehlo-reply", "smtp-proto", ehlo_peer),
        Work::limit("smtp/ehlo-reply", "memchr", || Run { ops: 1, ..line_scan(EHLO_REPLY.into()) }),
    ]
}

/// What a server says to each command; nothing is kept.
pub(crate) fn answer(event: Event<'_>, server: &mut Server, out: &mut Vec<u8>) {
    match event {
        Event::Connect { ticket } => server.reply(ticket, &Reply::plain(220, "mx.example ESMTP"), out),
        Event::Hello { ticket, .. } => server.reply(ticket, &Reply::plain(250, "mx.example"), out),
        Event::Mail { from, params, ticket } => {
            black_box((from, params));
            server.reply(ticket, &Reply::OK, out);
        }
        Event::Rcpt { to, ticket, .. } => {
            black_box(to);
            server.reply(ticket, &Reply::OK, out);
        }
        Event::Data { ticket, .. } => server.reply(ticket, &Reply::START, out),
        Event::Chunk(octets) => {
            black_box(octets);
        }
        Event::Message { ticket, .. } | Event::Rset { ticket } | Event::Noop { ticket } => {
            server.reply(ticket, &Reply::OK, out);
        }
        Event::Quit { ticket } => server.reply(ticket, &Reply::BYE, out),
        other => panic!("{other:?} is not of the input"),
    }
}

/// A server that has heard EHLO.
pub(crate) fn server(out: &mut Vec<u8>) -> Server {
    let mut server = Server::new(ServerConfig::default(), false);
    let hello = b"EHLO client.example\r\n";
    assert_eq!(drive(&mut server, hello, out, answer), hello.len());
    server
}

fn commands() -> Run {
    let input = SMTP_COMMANDS.repeat(8);
    let mut out = Vec::new();
    let mut server = server(&mut out);
    Run::new(input.lines().count(), input.len(), move || {
        out.clear();
        let taken = drive(&mut server, black_box(input.as_bytes()), &mut out, answer);
        assert_eq!(taken, input.len());
        black_box(&out);
    })
}

fn commands_peer() -> Run {
    let input = SMTP_COMMANDS.repeat(8);
    let mut receiver = RequestReceiver::default();
    Run::new(input.lines().count(), input.len(), move || {
        let mut rest = black_box(input.as_bytes()).iter();
        while !rest.as_slice().is_empty() {
            black_box(receiver.ingest(&mut rest).expect("the input is of its grammar"));
        }
    })
}

/// A whole connection of a short message, from its opening to QUIT.
fn dialogue() -> Run {
    let input = "EHLO client.example\r\nMAIL FROM:<alice@client.example> SIZE=31\r\nRCPT TO:<bob@mx.example>\r\n\
        DATA\r\nSubject: hello\r\n\r\nHello Bob.\r\n.\r\nQUIT\r\n";
    let mut out = Vec::new();
    Run::new(1, input.len(), move || {
        out.clear();
        let mut server = Server::new(ServerConfig::default(), false);
        assert_eq!(drive(&mut server, black_box(input.as_bytes()), &mut out, answer), input.len());
        black_box(&out);
    })
}

fn notice(notice: Notice<'_>, _: &mut Client, _: &mut Vec<u8>) {
    match notice {
        Notice::Reply { reply, .. } => {
            black_box((reply.code, reply.enhanced(), reply.text()));
        }
        other => panic!("{other:?} is not of the input"),
    }
}

/// A client that was greeted and has said EHLO.
fn greeted(out: &mut Vec<u8>) -> Client {
    let mut client = Client::new();
    drive(&mut client, b"220 mx.example ESMTP ready\r\n", out, notice);
    client.send(Command::Ehlo("client.example"), out).expect("it was greeted");
    client
}

fn replies() -> Vec<u8> {
    let replies = SMTP_REPLIES.iter().cycle().take(RECIPIENTS).copied().collect::<String>();
    ["250 2.1.0 sender ok\r\n", &replies].concat().into_bytes()
}

/// An envelope sent in one go, and, if `answered`, all its replies.
fn client_run(answered: bool) -> Run {
    let replies = replies();
    let mut out = Vec::new();
    Run::new(RECIPIENTS + 1, replies.len(), move || {
        out.clear();
        let mut client = greeted(&mut out);
        drive(&mut client, EHLO_REPLY.as_bytes(), &mut out, notice);
        let mail = Command::Mail { from: "alice@client.example", params: MailParams::default() };
        client.send(mail, &mut out).expect("nothing is unanswered");
        for _ in 0..RECIPIENTS {
            client
                .send(Command::Rcpt { to: "bob@mx.example", params: RcptParams::default() }, &mut out)
                .expect("PIPELINING is offered");
        }
        if answered {
            assert_eq!(drive(&mut client, black_box(&replies), &mut out, notice), replies.len());
        }
        black_box((&out, client));
    })
}

fn replies_peer() -> Run {
    let replies = replies();
    Run::new(RECIPIENTS + 1, replies.len(), move || {
        let mut rest = black_box(&replies).iter();
        let mut receiver = ResponseReceiver::default();
        while !rest.as_slice().is_empty() {
            black_box(receiver.parse(&mut rest).expect("the input is of its grammar"));
            receiver.reset();
        }
    })
}

fn ehlo_run(answered: bool) -> Run {
    let mut out = Vec::new();
    Run::new(1, EHLO_REPLY.len(), move || {
        out.clear();
        let mut client = greeted(&mut out);
        if answered {
            let taken = drive(&mut client, black_box(EHLO_REPLY.as_bytes()), &mut out, notice);
            assert_eq!(taken, EHLO_REPLY.len());
        }
        black_box(client.extensions());
    })
}

fn ehlo_peer() -> Run {
    Run::new(1, EHLO_REPLY.len(), || {
        let mut rest = black_box(EHLO_REPLY.as_bytes()).iter();
        black_box(EhloResponse::<String>::parse(&mut rest).expect("the input is of its grammar"));
    })
}
