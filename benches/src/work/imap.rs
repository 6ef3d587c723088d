//! IMAP at the server: commands, and the literal of APPEND.

use std::hint::black_box;

use imap_codec::CommandCodec;
use imap_codec::decode::Decoder;
use postkern::imap::{Code, Command, Event, Server, ServerConfig, Status};

use super::{Goal, Run, Work, drive, line_scan};
use crate::input::{IMAP_COMMANDS, Kind, message};

/// Octets of the message appended.
const APPENDED: usize = 100 * 1024;

pub(crate) fn works() -> Vec<Work> {
    vec![
        Work::ours("imap/command", Goal::Op(1200.0), commands),
        Work::peer("imap/command", "imap-codec", commands_peer),
        Work::limit("imap/command", "memchr", || line_scan(IMAP_COMMANDS.repeat(4).into_bytes())),
        Work::ours("imap/append", Goal::Octet(0.05), append),
        Work::peer("imap/append", "imap-codec", append_peer),
    ]
}

pub(crate) fn answer(event: Event<'_>, server: &mut Server, out: &mut Vec<u8>) {
    match event {
        Event::Connect { ticket } => server.finish(ticket, Status::Ok, Code::Capability, "ready", out),
        Event::Command { command, ticket } => {
            black_box(&command);
            debug_assert!(!matches!(command, Command::Idle));
            server.finish(ticket, Status::Ok, Code::None, "done", out);
        }
        Event::Append { mailbox, flags, date, ticket, .. } => {
            black_box((mailbox, flags, date));
            server.accept(ticket, out);
        }
        Event::Chunk(octets) => {
            black_box(octets);
        }
        Event::Appended { ticket } => server.finish(ticket, Status::Ok, Code::None, "done", out),
        other => panic!("{other:?} is not of the input"),
    }
}

/// A server in the selected state.
pub(crate) fn server(out: &mut Vec<u8>) -> Server {
    let mut config = ServerConfig::default();
    config.login_in_clear = true;
    let mut server = Server::new(config, false);
    let login = b"a1 LOGIN bob secret\r\na2 SELECT INBOX\r\n";
    assert_eq!(drive(&mut server, login, out, answer), login.len());
    server
}

fn commands() -> Run {
    let input = IMAP_COMMANDS.repeat(4);
    let mut out = Vec::new();
    let mut server = server(&mut out);
    Run::new(input.lines().count(), input.len(), move || {
        out.clear();
        assert_eq!(drive(&mut server, black_box(input.as_bytes()), &mut out, answer), input.len());
        black_box(&out);
    })
}

fn commands_peer() -> Run {
    let input = IMAP_COMMANDS.repeat(4);
    Run::new(input.lines().count(), input.len(), move || peer_decodes(black_box(input.as_bytes())))
}

fn peer_decodes(mut input: &[u8]) {
    let codec = CommandCodec::default();
    while !input.is_empty() {
        let (rest, command) = codec.decode(input).expect("the input is of its grammar");
        black_box(command);
        input = rest;
    }
}

fn append_command() -> Vec<u8> {
    let message = message(Kind::Base64, APPENDED);
    let head = format!("a1 APPEND Drafts (\\Seen \\Draft) \" 2-Nov-2026 08:15:04 +0100\" {{{}}}\r\n", message.len());
    [head.as_bytes(), &message, b"\r\n"].concat()
}

fn append() -> Run {
    let input = append_command();
    let mut out = Vec::new();
    let mut server = server(&mut out);
    Run::new(1, input.len(), move || {
        out.clear();
        assert_eq!(drive(&mut server, black_box(&input), &mut out, answer), input.len());
        black_box(&out);
    })
}

fn append_peer() -> Run {
    let input = append_command();
    Run::new(1, input.len(), move || peer_decodes(black_box(&input)))
}
