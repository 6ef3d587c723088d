//! A session that we end closes soon, whatever it waits for; a client's not before it knows what
//! became of a message.

mod common;

use common::Keys;
use postkern::smtp::{
    Client, Command, Enhanced, Event, MailParams, Notice, RcptParams, Reply, Server, ServerConfig, Verb,
};
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

struct Heard {
    want: Want,
    said: String,
    verbs: Vec<Verb>,
}

/// The replies are heard, and what is said meanwhile is returned.
fn client_hears(conn: &mut Conn<Client>, replies: &str) -> Heard {
    let (mut said, mut verbs) = (String::new(), Vec::new());
    if !replies.is_empty() {
        conn.space()[..replies.len()].copy_from_slice(replies.as_bytes());
        conn.filled(replies.len());
    }
    loop {
        let want = conn.poll(Instant::from_millis(0));
        said.push_str(std::str::from_utf8(conn.output()).unwrap());
        conn.sent(conn.output().len());
        match want {
            Want::Event(frame) => match conn.event(frame) {
                (Notice::Reply { verb, .. }, ..) => verbs.push(verb),
                (Notice::Proceed { mut body }, client, out) => {
                    client.write(&mut body, b"x\r\n", out);
                    client.end(body, out);
                }
                (other, ..) => panic!("{other:?}"),
            },
            Want::Flush => {}
            want => return Heard { want, said, verbs },
        }
    }
}

fn say(conn: &mut Conn<Client>, commands: &[Command<'_>]) {
    let (client, out) = conn.speak();
    for command in commands {
        client.send(*command, out).unwrap();
    }
}

/// What was cut off here would be sent again.
#[test]
fn a_client_waits_for_the_answer_to_its_message_before_it_leaves() {
    let mail = Command::Mail { from: "a@client.example", params: MailParams::default() };
    let rcpt = Command::Rcpt { to: "bob@mx.example", params: RcptParams::default() };
    for pipelining in [false, true] {
        for next in [false, true] {
            let mut conn = Conn::new(Client::new());
            let offer = if pipelining { "250 PIPELINING" } else { "250 SIZE" };
            client_hears(&mut conn, "220 mx.example\r\n");
            say(&mut conn, &[Command::Ehlo("client.example")]);
            client_hears(&mut conn, &format!("250-mx.example\r\n{offer}\r\n"));
            for (command, reply) in [(mail, "250 ok\r\n"), (rcpt, "250 ok\r\n"), (Command::Data, "354 go on\r\n")] {
                say(&mut conn, &[command]);
                client_hears(&mut conn, reply);
            }
            if next && pipelining {
                // Behind DATA no QUIT may be said.
                say(&mut conn, &[mail, rcpt, Command::Data]);
            }
            conn.shut_down();
            let Heard { want, said: before, .. } = client_hears(&mut conn, "");
            assert_eq!(want, Want::Read, "the message may be taken, or not");
            assert!(conn.speak().0.send(mail, &mut Vec::new()).is_err(), "nothing new is begun");
            let Heard { want, said: behind, verbs } = client_hears(&mut conn, "250 2.0.0 queued\r\n");
            assert_eq!(verbs, [Verb::Message]);
            if next && pipelining {
                assert_eq!(want, Want::Close(Close::Eof), "that of which nothing is sent is not waited for");
                continue;
            }
            assert_eq!((want, &*(before + &behind)), (Want::Read, "QUIT\r\n"));
            assert_eq!(client_hears(&mut conn, "221 bye\r\n").want, Want::Close(Close::Done));
        }
    }
}

#[test]
fn a_client_in_the_middle_of_a_message_says_it_to_its_end() {
    let mut conn = Conn::new(Client::new());
    client_hears(&mut conn, "220 mx.example\r\n");
    say(&mut conn, &[Command::Data]);
    conn.sent(conn.output().len());
    conn.space()[..8].copy_from_slice(b"354 go\r\n");
    conn.filled(8);
    let Want::Event(frame) = conn.poll(Instant::from_millis(0)) else { panic!("354") };
    let (Notice::Proceed { mut body }, client, out) = conn.event(frame) else { panic!("354") };
    client.write(&mut body, b"x\r\n", out);
    conn.shut_down();
    assert_eq!(client_hears(&mut conn, "").want, Want::App);
    let (client, out) = conn.speak();
    client.end(body, out);
    assert_eq!(client_hears(&mut conn, "250 queued\r\n").said, ".\r\nQUIT\r\n");
}

#[test]
fn a_client_leaves_at_once_what_was_not_begun() {
    let mut conn = Conn::new(Client::new());
    client_hears(&mut conn, "220 mx.example\r\n");
    say(&mut conn, &[Command::Data]);
    conn.shut_down();
    assert_eq!(client_hears(&mut conn, "").want, Want::Close(Close::Eof));
}

/// RFC 2033 section 4.3.
#[test]
fn the_last_chunk_of_a_message_for_nobody_has_no_answer_in_lmtp() {
    for (early, lhlo) in [(false, true), (true, true), (true, false)] {
        let mut conn = Conn::new(Client::new());
        client_hears(&mut conn, "220 mx.example\r\n");
        say(&mut conn, &[if lhlo { Command::Lhlo("client.example") } else { Command::Ehlo("client.example") }]);
        client_hears(&mut conn, "250-mx.example\r\n250-CHUNKING\r\n250 PIPELINING\r\n");
        let mail = Command::Mail { from: "a@client.example", params: MailParams::default() };
        say(&mut conn, &[mail, Command::Rcpt { to: "bob@mx.example", params: RcptParams::default() }]);
        if !early {
            client_hears(&mut conn, "250 ok\r\n550 no\r\n");
        }
        let (client, out) = conn.speak();
        let chunks = client.begin_chunks().unwrap();
        client.end_chunks(chunks, b"x\r\n", out).unwrap();
        if early {
            assert!(!client.is_settled());
            client_hears(&mut conn, "250 ok\r\n550 no\r\n");
        }
        let (client, _) = conn.speak();
        assert_eq!(client.is_settled(), lhlo, "early: {early}");
    }
}
