//! POP3: commands at the server, listings at the client.

use std::hint::black_box;

use postkern::pop3::{Client, Command, Event, Notice, Request, Server, ServerConfig};

use super::{Goal, Run, Work, drive, line_scan};
use crate::input::{POP3_COMMANDS, pop3_list, pop3_uidl};

/// Messages of a listing.
const LINES: u32 = 1000;

pub(crate) fn works() -> Vec<Work> {
    vec![
        Work::ours("pop3/command", Goal::Op(200.0), commands),
        Work::peer("pop3/command", "pop3-codec", commands_peer),
        Work::limit("pop3/command", "memchr", || line_scan(POP3_COMMANDS.repeat(10).into_bytes())),
        Work::ours("pop3/list-line", Goal::Op(150.0), || lines(Request::ListAll, pop3_list(LINES))),
        Work::peer("pop3/list-line", "pop3-codec", list_peer),
        Work::limit("pop3/list-line", "memchr", || line_scan(pop3_list(LINES))),
        Work::ours("pop3/uidl-line", Goal::Op(200.0), || lines(Request::UidlAll, pop3_uidl(LINES))),
        Work::peer("pop3/uidl-line", "pop3-codec", uidl_peer),
        Work::limit("pop3/uidl-line", "memchr", || line_scan(pop3_uidl(LINES))),
    ]
}

fn answer(event: Event<'_>, server: &mut Server, out: &mut Vec<u8>) {
    match event {
        Event::Connect { ticket } => server.ok(ticket, "mx.example", out),
        Event::Command { command, ticket } => {
            let text = match command {
                Command::Stat => "12 40321",
                Command::List(Some(_)) => "3 811",
                Command::Uidl(Some(_)) => "3 00000003671",
                _ => "",
            };
            server.ok(ticket, text, out);
        }
        other => panic!("{other:?} is not of the input"),
    }
}

/// A server that a user has logged in to.
pub(crate) fn server(out: &mut Vec<u8>) -> Server {
    let mut config = ServerConfig::default();
    config.login_in_clear = true;
    let mut server = Server::new(config, false);
    let login = b"USER bob\r\nPASS secret\r\n";
    assert_eq!(drive(&mut server, login, out, answer), login.len());
    server
}

/// A client that was greeted.
pub(crate) fn client(out: &mut Vec<u8>) -> Client {
    let mut client = Client::new();
    drive(&mut client, b"+OK mx.example\r\n", out, notice);
    client
}

pub(crate) fn notice(notice: Notice<'_>, _: &mut Client, _: &mut Vec<u8>) {
    assert!(!matches!(notice, Notice::Odd(_)), "{notice:?} is not of the input");
    black_box(notice);
}

fn commands() -> Run {
    let input = POP3_COMMANDS.repeat(10);
    let mut out = Vec::new();
    let mut server = server(&mut out);
    Run::new(input.lines().count(), input.len(), move || {
        out.clear();
        assert_eq!(drive(&mut server, black_box(input.as_bytes()), &mut out, answer), input.len());
        black_box(&out);
    })
}

fn commands_peer() -> Run {
    let input = POP3_COMMANDS.repeat(10);
    Run::new(input.lines().count(), input.len(), move || {
        let mut rest = black_box(input.as_bytes());
        while !rest.is_empty() {
            let (after, command) = pop3_codec::parse::command(rest).expect("the input is of its grammar");
            black_box(command);
            rest = after;
        }
    })
}

fn lines(request: Request<'static>, input: Vec<u8>) -> Run {
    let mut out = Vec::new();
    let mut client = client(&mut out);
    Run::new(LINES as usize, input.len(), move || {
        out.clear();
        client.send(request, &mut out).expect("nothing is unanswered");
        assert_eq!(drive(&mut client, black_box(&input), &mut out, notice), input.len());
    })
}

fn list_peer() -> Run {
    let input = pop3_list(LINES);
    Run::new(LINES as usize, input.len(), move || {
        black_box(pop3_codec::parse::response_list_all(black_box(&input)).expect("it is of its grammar"));
    })
}

fn uidl_peer() -> Run {
    let input = pop3_uidl(LINES);
    Run::new(LINES as usize, input.len(), move || {
        black_box(pop3_codec::parse::response_uidl_all(black_box(&input)).expect("it is of its grammar"));
    })
}
