//! A session that we end closes soon, whatever it waits for.

mod common;

use common::Keys;
use postkern::smtp::{Enhanced, Event, Reply, Server, ServerConfig};
use postkern::tls::Tls;
use postkern::{Close, Conn, Instant, Upgrade, Want};

fn server() -> Server {
    let mut config = ServerConfig::default();
    config.tls = true;
    Server::new(config, false)
}

fn tls() -> Box<Tls> {
    Box::new(Tls::server(Keys::new().server).unwrap())
}

/// Polls and answers until the client is waited for, or the end; all output is sent.
fn drive(conn: &mut Conn<Server>) -> Want {
    loop {
        match conn.poll(Instant::from_millis(0)) {
            Want::Event(frame) => {
                let (event, smtp, out) = conn.event(frame);
                let (code, ticket) = match event {
                    Event::Connect { ticket } | Event::StartTls { ticket } => (220, ticket),
                    Event::Hello { ticket, .. } => (250, ticket),
                    other => panic!("{other:?}"),
                };
                smtp.reply(ticket, &Reply::new(code, Enhanced(2, 0, 0), "ok"), out);
            }
            Want::Flush => conn.sent(conn.output().len()),
            want => return want,
        }
    }
}

fn hear(conn: &mut Conn<Server>, said: &[u8]) {
    conn.sent(conn.output().len());
    conn.space()[..said.len()].copy_from_slice(said);
    conn.filled(said.len());
}

#[test]
fn a_session_in_plaintext_ends_with_a_farewell() {
    let mut conn = Conn::new(server());
    assert_eq!(drive(&mut conn), Want::Read);
    conn.sent(conn.output().len());
    conn.shut_down();
    assert_eq!(drive(&mut conn), Want::Close(Close::Done));
    assert!(conn.output().starts_with(b"421 "));
}

#[test]
fn a_handshake_that_opens_the_connection_is_given_up() {
    for begun in [&b""[..], b"\x16\x03\x01"] {
        let mut conn = Conn::with_tls(Server::new(ServerConfig::default(), true), tls());
        assert_eq!(drive(&mut conn), Want::Read);
        if !begun.is_empty() {
            hear(&mut conn, begun);
        }
        assert_eq!(drive(&mut conn), Want::Read);
        conn.shut_down();
        assert_eq!(drive(&mut conn), Want::Close(Close::Done));
        assert!(conn.output().is_empty(), "nothing is said in the clear");
    }
}

#[test]
fn a_handshake_after_starttls_is_given_up_before_it_begins_and_after() {
    for before in [true, false] {
        let mut conn = Conn::new(server());
        assert_eq!(drive(&mut conn), Want::Read);
        hear(&mut conn, b"EHLO client.example\r\nSTARTTLS\r\n");
        assert_eq!(drive(&mut conn), Want::Upgrade(Upgrade::Tls));
        if before {
            conn.shut_down();
            assert_eq!(drive(&mut conn), Want::Upgrade(Upgrade::Tls));
        }
        conn.upgrade(Upgrade::Tls, tls());
        if !before {
            assert_eq!(drive(&mut conn), Want::Read);
            conn.shut_down();
        }
        assert_eq!(drive(&mut conn), Want::Close(Close::Done), "asked before: {before}");
        assert!(conn.output().is_empty(), "nothing is said in the clear");
    }
}
