//! Clients that speak before it is their turn (RFC 2920 section 3.1): what is found of them
//! depends on what came when, so it is no dialogue that holds under every cut.

mod common;

use common::{Player, Rest, drive};
use postkern::smtp::{Enhanced, Event, Offers, Reply, Server, ServerConfig, Ticket};
use postkern::{Close, Conn, Violation};

const EARLY: Rest = Rest::Close(Close::Violation(Violation::Pipelining));

/// Answers all at once, but for what it is to keep.
#[derive(Default)]
struct Answers {
    keeps: bool,
    kept: Option<Ticket>,
    messages: usize,
}

impl Player<Server> for Answers {
    fn on(&mut self, event: Event<'_>, server: &mut Server, out: &mut Vec<u8>) {
        let (code, ticket) = match event {
            Event::Connect { ticket } if self.keeps => {
                self.kept = Some(ticket);
                return;
            }
            Event::Connect { ticket } => (220, ticket),
            Event::Data { ticket, .. } => (354, ticket),
            Event::Message { ticket, .. } => {
                self.messages += 1;
                (250, ticket)
            }
            Event::Auth { ticket, .. } => (334, ticket),
            Event::Response { ticket, .. } => (235, ticket),
            Event::Hello { ticket, .. }
            | Event::Mail { ticket, .. }
            | Event::Rcpt { ticket, .. }
            | Event::Rset { ticket }
            | Event::Etrn { ticket, .. }
            | Event::Vrfy { ticket, .. }
            | Event::Expn { ticket, .. }
            | Event::Help { ticket, .. }
            | Event::Noop { ticket } => (250, ticket),
            Event::Xclient { ticket, .. } => (220, ticket),
            Event::Quit { ticket } => (221, ticket),
            Event::StartTls { ticket } => (454, ticket),
            Event::Chunk(_) | Event::Dropped(_) | Event::Refused { .. } | Event::Rejected { .. } => return,
        };
        server.reply(ticket, &Reply::new(code, Enhanced((code / 100) as u8, 0, 0), "ok"), out);
    }

    fn advance(&mut self, _: &mut Server, _: &mut Vec<u8>) -> bool {
        false
    }
}

fn server(forbid: bool) -> Conn<Server> {
    let mut config = ServerConfig::default();
    config.forbid_early_pipelining = forbid;
    config.tls = true;
    config.auth_in_clear = true;
    config.auth = postkern::sasl::Mechanisms::PASSWORD;
    config.offers = Offers::ALL;
    Conn::new(Server::new(config, false))
}

/// Shows octets, and gives what is said to them.
fn show(conn: &mut Conn<Server>, player: &mut Answers, octets: &[u8]) -> (Rest, String) {
    conn.space()[..octets.len()].copy_from_slice(octets);
    conn.filled(octets.len());
    let rest = drive(conn, player);
    let said = String::from_utf8_lossy(conn.output()).into_owned();
    conn.sent(said.len());
    (rest, said)
}

/// Shows pieces, each once the one before is answered. Gives the last answer.
fn dialogue(forbid: bool, pieces: &[&str]) -> (Rest, String) {
    let (mut conn, mut player) = (server(forbid), Answers::default());
    assert_eq!(drive(&mut conn, &mut player), Rest::Read);
    conn.sent(conn.output().len());
    let mut last = (Rest::Read, String::new());
    for piece in pieces {
        assert_eq!(last.0, Rest::Read, "closed before {piece}: {}", last.1);
        last = show(&mut conn, &mut player, piece.as_bytes());
    }
    last
}

const HELLO: &str = "EHLO client.example\r\n";
const ENVELOPE: &str = "MAIL FROM:<a@client.example>\r\nRCPT TO:<b@mx.example>\r\n";

#[test]
fn what_comes_behind_the_last_of_a_group_is_refused() {
    for behind in [
        "EHLO client.example\r\n",
        "NOOP\r\n",
        "VRFY x\r\n",
        "EXPN x\r\n",
        "HELP\r\n",
        "ETRN client.example\r\n",
        "XCLIENT NAME=x\r\n",
        "AUTH PLAIN\r\n",
        "AUTH CRAM-MD5\r\n",
        "STARTTLS\r\n",
        "GET / HTTP/1.0\r\n",
        "DATA\r\n",
        "MAIL FROM:<a@client.example>\r\nDATA\r\n",
    ] {
        let text = format!("{behind}M");
        let (rest, said) = dialogue(true, &[HELLO, &text]);
        assert_eq!(rest, EARLY, "{behind}");
        assert!(said.contains("554 ") && said.ends_with("you spoke before it was your turn: closing\r\n"), "{said}");
        // Without the rule it goes on; waiting, too.
        assert_eq!(dialogue(false, &[HELLO, &text]).0, Rest::Read, "{behind}");
        assert_eq!(dialogue(true, &[HELLO, behind, "M"]).0, Rest::Read, "{behind}");
    }
}

#[test]
fn a_message_before_its_354_is_none() {
    let text = format!("{ENVELOPE}DATA\r\na\r\n.\r\n");
    assert_eq!(dialogue(true, &[HELLO, &text]).0, EARLY);
    assert_eq!(dialogue(true, &[HELLO, &format!("{ENVELOPE}DATA\r\n"), "a\r\n.\r\nRSET\r\n"]).0, Rest::Read);
    assert_eq!(dialogue(true, &[HELLO, "AUTH LOGIN\r\n", "Ym9i\r\nM"]).0, EARLY);
}

#[test]
fn who_did_not_say_ehlo_may_not_pipeline() {
    for pieces in [
        &["RSET\r\nRSET\r\n"][..],
        &["HELO client.example\r\n", "RSET\r\nRSET\r\n"],
        &["HELO client.example\r\n", ENVELOPE],
        &["HELO client.example\r\nMAIL FROM:<a@client.example>\r\n"],
    ] {
        assert_eq!(dialogue(true, pieces).0, EARLY, "{pieces:?}");
        assert_eq!(dialogue(false, pieces).0, Rest::Read, "{pieces:?}");
    }
    assert_eq!(
        dialogue(
            true,
            &[
                "HELO client.example\r\n",
                "MAIL FROM:<a@client.example>\r\n",
                "RCPT TO:<b@mx.example>\r\n",
                "DATA\r\n",
                "a\r\n.\r\n",
                "QUIT\r\n"
            ]
        )
        .0,
        Rest::Close(Close::Done)
    );
}

#[test]
fn groups_and_chunks_may_be_pipelined() {
    let text = format!("RSET\r\n{ENVELOPE}BDAT 2\r\na\nBDAT 1\r\nbBDAT 0 LAST\r\nRSET\r\n{ENVELOPE}");
    assert_eq!(dialogue(true, &[HELLO, &text, "DATA\r\n", &format!("x\r\n.\r\n{ENVELOPE}NOOP\r\n")]).0, Rest::Read);
}

#[test]
fn who_speaks_before_the_greeting_is_told_so_instead() {
    for (forbid, said) in [(true, "554 you spoke before it was your turn: closing\r\n"), (false, "220 ok\r\n")] {
        let (mut conn, mut player) = (server(forbid), Answers { keeps: true, ..Answers::default() });
        assert_eq!(drive(&mut conn, &mut player), Rest::App);
        assert!(!conn.machine().early_talker());
        // The session lets time pass, and the driver reads meanwhile.
        assert_eq!(show(&mut conn, &mut player, b"EH"), (Rest::App, String::new()));
        assert!(conn.machine().early_talker());
        let ticket = player.kept.take().unwrap();
        let (server, out) = conn.speak();
        server.reply(ticket, &Reply::plain(220, "ok"), out);
        let rest = drive(&mut conn, &mut player);
        assert_eq!(std::str::from_utf8(conn.output()).unwrap(), said);
        assert_eq!(rest, if forbid { EARLY } else { Rest::Read });
    }
}

#[test]
fn a_greeting_that_was_given_already_is_taken_back() {
    let (mut conn, mut player) = (server(true), Answers::default());
    let (rest, said) = show(&mut conn, &mut player, b"EHLO x\r\n");
    assert_eq!((rest, &*said), (EARLY, "554 you spoke before it was your turn: closing\r\n"));
}
