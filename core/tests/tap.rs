//! A tap hears each octet of the dialogue once and in order, whatever is below.

mod common;

use common::{Cut, Keys, Player, Recorder, Rest, converse};
use postkern::smtp::{Client, Command, Enhanced, Event, Notice, Reply, Server, ServerConfig};
use postkern::{Close, Conn};

struct Greets;

impl Player<Server> for Greets {
    fn on(&mut self, event: Event<'_>, smtp: &mut Server, out: &mut Vec<u8>) {
        let (code, ticket) = match event {
            Event::Connect { ticket } | Event::StartTls { ticket } => (220, ticket),
            Event::Hello { ticket, .. } => (250, ticket),
            Event::Quit { ticket } => (221, ticket),
            other => panic!("{other:?}"),
        };
        smtp.reply(ticket, &Reply::new(code, Enhanced(2, 0, 0), "ok"), out);
    }

    fn advance(&mut self, _: &mut Server, _: &mut Vec<u8>) -> bool {
        false
    }
}

/// Says one command after the other.
struct Says(Vec<Command<'static>>);

impl Player<Client> for Says {
    fn on(&mut self, _: Notice<'_>, _: &mut Client, _: &mut Vec<u8>) {}

    fn advance(&mut self, smtp: &mut Client, out: &mut Vec<u8>) -> bool {
        if !smtp.may_send() || self.0.is_empty() {
            return false;
        }
        smtp.send(self.0.remove(0), out).unwrap();
        true
    }
}

fn taps(commands: &[Command<'static>], piece: usize, keys: &Keys) -> (Recorder, Recorder) {
    let mut config = ServerConfig::default();
    config.tls = true;
    let (mut client, mut server) = (Conn::new(Client::new()), Conn::new(Server::new(config, false)));
    let (one, other) = (Recorder::of(&mut client), Recorder::of(&mut server));
    let cut = Cut::Each(piece);
    let (rest, _) =
        converse((&mut client, &mut Says(commands.to_vec())), (&mut server, &mut Greets), (cut, cut), Some(keys));
    assert_eq!(rest, (Rest::Close(Close::Done), Rest::Close(Close::Done)), "pieces of {piece}");
    (one, other)
}

#[test]
fn a_dialogue_is_heard_on_both_sides_in_plaintext_and_through_tls() {
    let keys = Keys::new();
    let plain = "250-ok\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 52428800\r\n250 ENHANCEDSTATUSCODES\r\n";
    let offers = plain.replace("250 ENH", "250-STARTTLS\r\n250 ENH");
    let ehlo = Command::Ehlo("client.example");
    for piece in [1, 2, 7, 100, 100_000] {
        let (mut client, mut server) = taps(&[ehlo, Command::StartTls, ehlo, Command::Quit], piece, &keys);
        let said: Vec<(bool, &str)> = vec![
            (false, "220 ok\r\n"),
            (true, "EHLO client.example\r\n"),
            (false, &offers),
            (true, "STARTTLS\r\n"),
            (false, "220 2.0.0 ok\r\n"),
            (true, "EHLO client.example\r\n"),
            (false, plain),
            (true, "QUIT\r\n"),
            (false, "221 2.0.0 ok\r\n"),
        ];
        assert_eq!(
            server.heard().iter().map(|(side, text)| (*side, text.as_str())).collect::<Vec<_>>(),
            said,
            "{piece}"
        );
        for by_client in [true, false] {
            assert_eq!(server.side(by_client), client.side(!by_client), "pieces of {piece}");
        }
    }
}

#[test]
fn a_tap_set_late_hears_what_follows_only() {
    let mut server = Conn::new(Server::new(ServerConfig::default(), false));
    common::drive(&mut server, &mut Greets);
    let mut tap = Recorder::of(&mut server);
    let line = b"EHLO client.example\r\nQUIT\r\nNOOP\r\n";
    server.space()[..line.len()].copy_from_slice(line);
    server.filled(line.len());
    assert_eq!(common::drive(&mut server, &mut Greets), Rest::Close(Close::Done));
    assert_eq!(tap.side(true), "EHLO client.example\r\nQUIT\r\n", "what is behind QUIT is never taken in");
    assert!(tap.side(false).starts_with("250-ok\r\n") && tap.side(false).ends_with("221 2.0.0 ok\r\n"));
}
