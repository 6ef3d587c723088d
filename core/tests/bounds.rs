//! What a connection may cost: the size of a machine, and the memory of a `Conn` whose peer
//! sends more than it may.

mod common;

use std::mem::size_of;

use common::Player;
use postkern::{Close, Conn, Instant, Machine, OUTPUT_HIGH, Violation, Want, imap, pop3, smtp};

/// Octets that a connection reads at a time.
const READ: usize = 16 * 1024;

#[test]
fn machines_are_small() {
    // The configuration is in it, with all that an extension may offer.
    assert!(size_of::<smtp::Server>() <= 384, "{}", size_of::<smtp::Server>());
    assert!(size_of::<pop3::Server>() <= 288, "{}", size_of::<pop3::Server>());
    assert!(size_of::<imap::Server>() <= 288, "{}", size_of::<imap::Server>());
    // An idle connection holds no buffer, so this is all of it.
    assert!(size_of::<Conn<imap::Server>>() <= 512, "{}", size_of::<Conn<imap::Server>>());
}

/// Feeds these octets over and over, up to 8 MiB, and drains no more than is told. Gives the
/// most that the connection held of input and of output, and how it ended.
fn flood<M: Machine>(
    conn: &mut Conn<M>,
    player: &mut impl Player<M>,
    octets: &[u8],
    drains: bool,
) -> (usize, usize, Option<Close>) {
    let (mut fed, mut at, mut room, mut said) = (0, 0, 0, 0);
    while fed < 8 * 1024 * 1024 {
        match conn.poll(Instant::from_millis(0)) {
            Want::Event(frame) => {
                let (event, machine, out) = conn.event(frame);
                player.on(event, machine, out);
            }
            Want::App => {
                let (machine, out) = conn.speak();
                assert!(player.advance(machine, out), "the machine waits for the application");
            }
            Want::Read => {
                if drains {
                    conn.sent(conn.output().len());
                }
                let space = conn.space();
                room = room.max(space.len());
                let len = space.len().min(READ);
                for byte in &mut space[..len] {
                    *byte = octets[at];
                    at = (at + 1) % octets.len();
                }
                conn.filled(len);
                fed += len;
            }
            Want::Flush if drains => conn.sent(conn.output().len()),
            Want::Flush => return (room, said.max(conn.output().len()), None),
            Want::Close(close) => return (room, said, Some(close)),
            Want::Upgrade(upgrade) => panic!("{upgrade:?}"),
        }
        said = said.max(conn.output().len());
    }
    (room, said, None)
}

/// Feeds these octets once. Gives the most that the connection held of input, and how it ended.
fn feed<M: Machine>(conn: &mut Conn<M>, player: &mut impl Player<M>, mut octets: &[u8]) -> (usize, Option<Close>) {
    let mut room = 0;
    loop {
        match conn.poll(Instant::from_millis(0)) {
            Want::Event(frame) => {
                let (event, machine, out) = conn.event(frame);
                player.on(event, machine, out);
            }
            Want::Read if octets.is_empty() => return (room, None),
            Want::Read => {
                conn.sent(conn.output().len());
                let space = conn.space();
                room = room.max(space.len());
                let len = space.len().min(READ).min(octets.len());
                space[..len].copy_from_slice(&octets[..len]);
                octets = &octets[len..];
                conn.filled(len);
            }
            Want::Flush => conn.sent(conn.output().len()),
            Want::Close(close) => return (room, Some(close)),
            other => panic!("{other:?}"),
        }
    }
}

struct Plain;

impl Player<smtp::Server> for Plain {
    fn on(&mut self, event: smtp::Event<'_>, smtp: &mut smtp::Server, out: &mut Vec<u8>) {
        let (code, ticket) = match event {
            smtp::Event::Connect { ticket } => (220, ticket),
            smtp::Event::Data { ticket, .. } => (354, ticket),
            smtp::Event::Hello { ticket, .. }
            | smtp::Event::Mail { ticket, .. }
            | smtp::Event::Rcpt { ticket, .. }
            | smtp::Event::Noop { ticket }
            | smtp::Event::Message { ticket, .. } => (250, ticket),
            _ => return,
        };
        smtp.reply(ticket, &smtp::Reply::new(code, smtp::Enhanced(2, 0, 0), "ok"), out);
    }

    fn advance(&mut self, _: &mut smtp::Server, _: &mut Vec<u8>) -> bool {
        false
    }
}

impl Player<pop3::Server> for Plain {
    fn on(&mut self, event: pop3::Event<'_>, pop3: &mut pop3::Server, out: &mut Vec<u8>) {
        match event {
            pop3::Event::Connect { ticket } | pop3::Event::Command { ticket, .. } => pop3.ok(ticket, "ok", out),
            _ => {}
        }
    }

    fn advance(&mut self, _: &mut pop3::Server, _: &mut Vec<u8>) -> bool {
        false
    }
}

impl Player<imap::Server> for Plain {
    fn on(&mut self, event: imap::Event<'_>, imap: &mut imap::Server, out: &mut Vec<u8>) {
        match event {
            imap::Event::Append { ticket, .. } => imap.accept(ticket, out),
            imap::Event::Connect { ticket }
            | imap::Event::Command { ticket, .. }
            | imap::Event::Appended { ticket } => imap.finish(ticket, imap::Status::Ok, imap::Code::None, "ok", out),
            _ => {}
        }
    }

    fn advance(&mut self, _: &mut imap::Server, _: &mut Vec<u8>) -> bool {
        false
    }
}

impl Player<imap::Client> for Plain {
    fn on(&mut self, _: imap::Notice<'_>, _: &mut imap::Client, _: &mut Vec<u8>) {}

    fn advance(&mut self, _: &mut imap::Client, _: &mut Vec<u8>) -> bool {
        false
    }
}

#[test]
fn a_line_without_end_costs_one_read_and_then_the_connection() {
    let limit = |frame_max: usize| frame_max + 2 * READ;
    let ends = Some(Close::Violation(Violation::TooLong));
    let mut conn = Conn::new(smtp::Server::new(smtp::ServerConfig::default(), false));
    let (room, _, close) = flood(&mut conn, &mut Plain, b"x", true);
    assert!(room <= limit(conn.machine().frame_max()) && close == ends, "smtp {room} {close:?}");
    let mut conn = Conn::new(pop3::Server::new(pop3::ServerConfig::default(), false));
    let (room, _, close) = flood(&mut conn, &mut Plain, b"x", true);
    assert!(room <= limit(conn.machine().frame_max()) && close == ends, "pop3 {room} {close:?}");
    let mut conn = Conn::new(imap::Server::new(imap::ServerConfig::default(), false));
    let (room, _, close) = flood(&mut conn, &mut Plain, b"a NOOP (", true);
    assert!(room <= limit(conn.machine().frame_max()) && close == ends, "imap {room} {close:?}");
}

#[test]
fn a_response_without_end_costs_its_limit() {
    let mut limits = imap::ClientLimits::default();
    limits.response = 100_000;
    for flood_of in [&b"* OK hi\r\n* SEARCH 1 2 3 "[..], b"* OK hi\r\n* 1 FETCH (X (((((("] {
        let mut conn = Conn::new(imap::Client::new(limits));
        let once = [flood_of, &[b'('; 16 * 1024 * 1024]].concat();
        let (room, _, close) = flood(&mut conn, &mut Plain, &once, true);
        assert_eq!(close, Some(Close::Violation(Violation::TooLong)));
        assert!(room <= 2 * (limits.response + READ), "{room}");
    }
}

#[test]
fn a_streamed_literal_costs_one_read() {
    let mut conn = Conn::new(imap::Client::new(imap::ClientLimits::default()));
    let once = [&b"* OK hi\r\n* 1 FETCH (BODY[] {4000000000}\r\n"[..], &[b'x'; 16 * 1024 * 1024]].concat();
    let (room, _, close) = flood(&mut conn, &mut Plain, &once, true);
    assert!(room <= 2 * READ && close.is_none(), "{room} {close:?}");
    let mut config = imap::ServerConfig::default();
    config.login_in_clear = true;
    let mut conn = Conn::new(imap::Server::new(config, false));
    let once = [&b"a LOGIN a b\r\nb APPEND x {50000000+}\r\n"[..], &[b'x'; 16 * 1024 * 1024]].concat();
    let (room, _, close) = flood(&mut conn, &mut Plain, &once, true);
    assert!(room <= 2 * READ && close.is_none(), "{room} {close:?}");
    let mut conn = Conn::new(smtp::Server::new(smtp::ServerConfig::default(), false));
    let once = [
        &b"EHLO a.example\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@a.example>\r\nDATA\r\n"[..],
        &[b'x'; 16 * 1024 * 1024],
    ]
    .concat();
    let (room, _, close) = flood(&mut conn, &mut Plain, &once, true);
    assert!(room <= 2 * READ && close.is_none(), "{room} {close:?}");
}

#[test]
fn what_is_refused_is_not_read_without_end() {
    let mut config = smtp::ServerConfig::default();
    config.offers.chunking = true;
    config.limits.message = 100_000;
    let envelope = "MAIL FROM:<a@a.example>\r\nRCPT TO:<b@a.example>\r\n";
    for (before, allowed) in [
        ("BDAT 18446744073709551615\r\n".to_owned(), 0),
        (format!("{envelope}BDAT 18446744073709551615 LAST\r\n"), 0),
        (format!("{envelope}DATA\r\n"), config.limits.message),
    ] {
        let before = format!("EHLO a.example\r\n{before}").into_bytes();
        let most = before.len() as u64 + allowed + config.limits.discard;
        for (octets, is) in [(most, None), (most + 1, Some(Close::Violation(Violation::TooLong)))] {
            let mut once = before.clone();
            once.resize(octets as usize, b'x');
            let mut conn = Conn::new(smtp::Server::new(config, false));
            let (room, close) = feed(&mut conn, &mut Plain, &once);
            assert!(room <= 2 * READ && close == is, "{octets}: {room} {close:?}");
        }
    }
}

#[test]
fn a_peer_that_reads_nothing_is_no_longer_read() {
    // One answer may go past the mark.
    let most = OUTPUT_HIGH + 4096;
    let mut conn = Conn::new(smtp::Server::new(smtp::ServerConfig::default(), false));
    let (_, said, close) = flood(&mut conn, &mut Plain, b"NOOP\r\n", false);
    assert!((OUTPUT_HIGH..=most).contains(&said) && close.is_none(), "{said} {close:?}");
    let mut conn = Conn::new(imap::Server::new(imap::ServerConfig::default(), false));
    let (_, said, close) = flood(&mut conn, &mut Plain, b"a NOOP\r\n", false);
    assert!((OUTPUT_HIGH..=most).contains(&said) && close.is_none(), "{said} {close:?}");
}
