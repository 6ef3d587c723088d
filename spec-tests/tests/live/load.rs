//! Many at a time, everything at once, an octet at a time.

use std::thread;
use std::time::{Duration, Instant};

use postkern_server::config::Listener;

use crate::harness::{ALICE, BOB, Imap, PASSWORD, Pop3, Server, Smtp, Talk, arrived, on_both, plain, text};

/// Connections that do next to nothing, beside which a client is served as if alone.
const SLOW: usize = 100;

#[test]
fn slow_clients_cost_others_nothing() {
    on_both(|runtime| {
        let server = Server::start_with(runtime, |config| config.limits.connections_per_address = 1000);
        let mut held = Vec::new();
        for number in 0..SLOW {
            let listener = Listener::ALL[number % Listener::ALL.len()];
            let mut talk = Talk::plain(server.address(listener));
            talk.put("N");
            held.push(talk);
        }
        // Some in the middle of a message, and some that ask for much and read nothing.
        for _ in 0..5 {
            let mut smtp = Smtp::hello(&server, Listener::Smtp);
            smtp.envelope("x@remote.test", &[BOB]);
            smtp.expect(354, "DATA");
            smtp.put("Subject: slow\r\n\r\n");
            held.push(smtp.into_inner());
        }
        let large = text("large", &"0123456789abcdef\r\n".repeat(100_000));
        assert_eq!(Smtp::login(&server, ALICE).send(ALICE, &[ALICE], &large).code, 250);
        for _ in 0..5 {
            let mut imap = Imap::inbox(&server, ALICE);
            imap.put("x FETCH 1 BODY.PEEK[]\r\n".repeat(20));
            held.push(imap.into_inner());
        }
        let start = Instant::now();
        assert_eq!(Smtp::login(&server, ALICE).send(ALICE, &[BOB], &text("quick", "body")).code, 250);
        arrived("beside slow clients", &Pop3::login(&server, BOB).retr(1), &text("quick", "body"));
        Imap::inbox(&server, BOB).expect("FETCH 1 (FLAGS ENVELOPE)");
        // Two logins and two handshakes at a time on whatever machine this is.
        assert!(start.elapsed() < Duration::from_secs(5), "it took {:?}", start.elapsed());
        drop(held);
    });
}

#[test]
fn clients_at_the_same_time_lose_nothing() {
    const CLIENTS: usize = 20;
    const EACH: usize = 10;
    on_both(|runtime| {
        let server = Server::start(runtime);
        let name = |client: usize, number: usize| text(&format!("{client}/{number}"), "body");
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let server = &server;
                scope.spawn(move || {
                    let mut smtp = Smtp::hello(server, Listener::Smtp);
                    for number in 0..EACH {
                        let reply = smtp.send("x@remote.test", &[BOB], &name(client, number));
                        assert_eq!(reply.code, 250, "{client}/{number}: {reply:?}");
                    }
                });
            }
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut imap = Imap::inbox(&server, BOB);
                    let mut seen = 0;
                    while seen < CLIENTS * EACH {
                        imap.expect("NOOP");
                        let found = imap.expect("UID SEARCH ALL")[0].split(' ').count() - 1;
                        assert!(found >= seen, "{found} after {seen}");
                        seen = found;
                        imap.expect("FETCH 1:* (FLAGS UID)");
                    }
                });
            }
        });
        let all = Pop3::login(&server, BOB).all();
        assert_eq!(all.len(), CLIENTS * EACH);
        for (client, number) in (0..CLIENTS).flat_map(|client| (0..EACH).map(move |number| (client, number))) {
            let sent = name(client, number);
            assert_eq!(all.iter().filter(|got| got.ends_with(&sent)).count(), 1, "{client}/{number}");
        }
    });
}

/// A whole session of submission, from AUTH to QUIT.
fn submission() -> String {
    format!(
        "EHLO client.test\r\nAUTH PLAIN {}\r\nMAIL FROM:<{ALICE}>\r\nRCPT TO:<{BOB}>\r\nRCPT TO:<nobody@example.test>\r\n\
         DATA\r\nSubject: pipelined\r\n\r\n..dot\r\n.\r\nNOOP\r\nMAIL FROM:<{ALICE}>\r\nRSET\r\nFROB\r\nQUIT\r\n",
        plain(ALICE, PASSWORD)
    )
}

/// One of IMAP, with literals that wait for no prompt (RFC 7888).
fn reading() -> String {
    let (login, password) = (ALICE.len(), PASSWORD.len());
    format!(
        "a LOGIN {{{login}+}}\r\n{ALICE} {{{password}+}}\r\n{PASSWORD}\r\nb CREATE {{3+}}\r\nbox\r\n\
         c APPEND box (\\Seen) {{10+}}\r\n0123456789\r\nd SELECT box\r\ne FETCH 1 (FLAGS BODY.PEEK[] RFC822.SIZE)\r\n\
         f STORE 1 +FLAGS.SILENT (\\Deleted)\r\ng SEARCH DELETED\r\nh EXPUNGE\r\ni FROB\r\nj CLOSE\r\n\
         k DELETE box\r\nl LOGOUT\r\n"
    )
}

/// One of POP3, in a mailbox that stays as it is.
fn fetching() -> String {
    format!(
        "CAPA\r\nUSER {ALICE}\r\nPASS {PASSWORD}\r\nSTAT\r\nLIST\r\nRETR 1\r\nFROB\r\nNOOP\r\nDELE 1\r\nRSET\r\nQUIT\r\n"
    )
}

/// The octets that come back, without what differs from one run to the next: ids and times.
fn replies(address: std::net::SocketAddr, script: &str, pieces: &[usize]) -> Vec<String> {
    let mut talk = Talk::plain(address);
    let mut script = script.as_bytes();
    // The greeting first, as RFC 5321 section 3.1 wants it.
    let mut lines = vec![talk.line()];
    let mut sizes = pieces.iter().cycle();
    while !script.is_empty() {
        let size = (*sizes.next().expect("a size")).min(script.len());
        let (piece, rest) = script.split_at(size);
        talk.put(piece);
        script = rest;
    }
    lines.extend(talk.rest().lines().map(str::to_owned));
    lines.iter().map(|line| line.split(' ').map(alike).collect::<Vec<_>>().join(" ")).collect()
}

/// A word, or `#` for what is another each time: ids, sizes of trace lines, times.
fn alike(word: &str) -> &str {
    let is_code = word.len() == 3 && word.bytes().all(|octet| octet.is_ascii_digit());
    if word.bytes().any(|octet| octet.is_ascii_digit()) && !is_code { "#" } else { word }
}

#[test]
fn pipelined_sessions_are_answered_alike_however_they_are_cut() {
    on_both(|runtime| {
        let server = Server::start_with(runtime, |config| config.plaintext_login = true);
        assert_eq!(Smtp::login(&server, BOB).send(BOB, &[ALICE], &text("to read", "body")).code, 250);
        for (listener, script, ends) in [
            (Listener::Submission, submission(), "221"),
            (Listener::Imap, reading(), "l OK"),
            (Listener::Pop3, fetching(), "+OK"),
        ] {
            let address = server.address(listener);
            let at_once = replies(address, &script, &[script.len()]);
            assert!(at_once.last().is_some_and(|last| last.starts_with(ends)), "{listener}: {at_once:#?}");
            for pieces in [&[1][..], &[2], &[7, 1, 13], &[64, 3], &[script.len() / 2]] {
                assert_eq!(replies(address, &script, pieces), at_once, "{listener} in pieces of {pieces:?}");
            }
        }
        // Each of the six runs delivered its message, once.
        assert_eq!(Pop3::login(&server, BOB).list("LIST").len(), 6);
    });
}
