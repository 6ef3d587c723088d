//! Clients that are wrong, silent or gone: each gets its protocol's answer, leaves nothing
//! behind, and costs others nothing.

use std::thread;
use std::time::{Duration, Instant};

use postkern_server::config::Listener;

use crate::harness::{ALICE, BOB, Imap, PASSWORD, Pop3, Server, Smtp, Talk, on_both, text};

/// The server serves as ever.
#[track_caller]
fn is_well(server: &Server) {
    assert_eq!(Smtp::login(server, ALICE).send(ALICE, &["carol@example.test"], &text("x", "x")).code, 250);
    Imap::inbox(server, ALICE).expect("NOOP");
    Pop3::login(server, ALICE).expect("STAT");
}

#[test]
fn an_over_long_line_is_answered_once_and_its_tail_is_not_run() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let long = |octets: usize, tail: &str| format!("{}{tail}\r\n", "x".repeat(octets));
        let mut smtp = Smtp::hello(&server, Listener::Smtp);
        smtp.put(format!("{}NOOP\r\n", long(10_000, " QUIT")));
        assert_eq!((smtp.reply().code, smtp.reply().code), (500, 250));
        smtp.expect(250, &format!("MAIL FROM:<{}@remote.test>", "y".repeat(64)));
        let mut pop = Pop3::greet(&server);
        pop.put(format!("{}CAPA\r\n", long(10_000, " QUIT")));
        assert!(pop.line().starts_with("-ERR"));
        assert!(pop.line().starts_with("+OK"));
        pop.body();
        let mut imap = Imap::greet(&server);
        imap.put(format!("a {}b NOOP\r\n", long(20_000, " LOGOUT")));
        let refused = imap.line();
        assert!(refused.contains(" BAD "), "{refused}");
        let next = imap.line();
        assert!(next.starts_with("b OK"), "{next}");
        is_well(&server);
    });
}

/// A line that never ends is not kept, and before login not read for ever.
#[test]
fn a_line_without_end_ends_the_connection() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        for listener in [Listener::Smtp, Listener::Submission, Listener::Lmtp, Listener::Pop3, Listener::Imap] {
            let mut talk = Talk::plain(server.address(listener));
            talk.line();
            let sent = (0..4096).take_while(|_| talk.try_put([b'x'; 4096]).is_ok()).count();
            assert!(sent < 4096, "{listener}: sixteen megabytes of one line were read");
        }
        is_well(&server);
    });
}

#[test]
fn nul_in_a_command_is_refused() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let mut smtp = Smtp::hello(&server, Listener::Smtp);
        for line in ["MAIL FROM:<x\0@remote.test>", "NOOP\0", "EHLO a\0b"] {
            let reply = smtp.ask(line);
            assert!((500..600).contains(&reply.code), "{line:?}: {reply:?}");
        }
        let mut imap = Imap::secure(&server);
        imap.refused(&format!("LOGIN {ALICE}\0 \"{PASSWORD}\""));
        imap.refused(&format!("LOGIN \"{ALICE}\0\" \"{PASSWORD}\""));
        let mut pop = Pop3::secure(&server);
        pop.say(&format!("USER {ALICE}\0"));
        let user = pop.line();
        let pass = pop.ask(&format!("PASS {PASSWORD}"));
        assert!(user.starts_with("-ERR") || pass.starts_with("-ERR"), "{user} {pass}");
        pop.refused("STAT");
    });
}

#[test]
fn commands_unknown_or_out_of_order_are_refused_and_the_session_goes_on() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let mut smtp = Smtp::greet(&server, Listener::Smtp);
        for (line, code) in [
            ("MAIL FROM:<x@remote.test>", 503),
            ("FROBNICATE", 500),
            ("RCPT TO:<bob@example.test>", 503),
            ("DATA", 503),
            ("EHLO", 501),
        ] {
            smtp.expect(code, line);
        }
        smtp.expect(250, "EHLO client.test");
        smtp.expect(503, "DATA");
        smtp.expect(501, "MAIL FROM:x@remote.test extra words");
        smtp.expect(555, "MAIL FROM:<x@remote.test> FROB=1");
        smtp.expect(250, "MAIL FROM:<x@remote.test>");
        smtp.expect(503, "MAIL FROM:<x@remote.test>");
        let mut imap = Imap::secure(&server);
        for command in ["FROBNICATE", "SELECT INBOX", "FETCH 1 FLAGS", "CLOSE"] {
            assert!(imap.refused(command).starts_with("BAD"), "{command}");
        }
        imap.expect(&format!("LOGIN {ALICE} \"{PASSWORD}\""));
        for command in ["FETCH 1 FLAGS", "SEARCH ALL", "EXPUNGE", "CLOSE", &format!("LOGIN {ALICE} x")] {
            assert!(imap.refused(command).starts_with("BAD"), "{command}");
        }
        imap.expect("SELECT INBOX");
        for command in
            ["FETCH 0 FLAGS", "FETCH 4294967296 FLAGS", "FETCH 4294967297 FLAGS", "FETCH -1 FLAGS", "FETCH 1"]
        {
            assert!(imap.refused(command).starts_with("BAD"), "{command}");
        }
        let mut pop = Pop3::secure(&server);
        for command in ["STAT", "RETR 1", "FROBNICATE", "DELE 1"] {
            pop.refused(command);
        }
        pop.expect(&format!("USER {ALICE}"));
        pop.expect(&format!("PASS {PASSWORD}"));
        for command in ["RETR 1", "RETR 0", "RETR 4294967297", "RETR -1", "TOP 1", "PASS x"] {
            pop.refused(command);
        }
        pop.expect("QUIT");
    });
}

#[test]
fn too_many_mistakes_end_the_connection() {
    on_both(|runtime| {
        // What is answered by 500 ends a group of commands, so that the first would be all.
        let server = Server::start_with(runtime, |config| config.inbound.allow_pipelining = true);
        let mut smtp = Smtp::hello(&server, Listener::Smtp);
        smtp.put("FROBNICATE\r\n".repeat(100));
        let rest = smtp.rest();
        assert!(rest.lines().count() < 20 && rest.lines().last().is_some_and(|line| line.starts_with("421")), "{rest}");
        let mut imap = Imap::greet(&server);
        imap.put("a FROBNICATE\r\n".repeat(100));
        let rest = imap.rest();
        assert!(rest.lines().count() < 20 && rest.contains("* BYE"), "{rest}");
        is_well(&server);
    });
}

#[test]
fn oversized_literals_and_lists_are_refused_before_login() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        // Nothing is asked for that would not be kept.
        let mut imap = Imap::secure(&server);
        for command in ["LOGIN {100000}", "LOGIN {4294967295}", "LOGIN {99999999999999999999}"] {
            let answer = imap.ask(command);
            assert!(answer.tagged.starts_with("NO") || answer.tagged.starts_with("BAD"), "{command}: {answer:?}");
        }
        let mut imap = Imap::greet(&server);
        let refused = imap.refused(&format!("NOOP {}", "(".repeat(8000)));
        assert!(refused.starts_with("BAD"), "{refused}");
        let mut imap = Imap::inbox(&server, ALICE);
        imap.refused(&format!("SEARCH {}ALL", "NOT ".repeat(5000)));
        imap.refused(&format!("SEARCH {}ALL{}", "(".repeat(1000), ")".repeat(1000)));
        imap.expect(&format!("LIST \"\" \"{}\"", "*%".repeat(200)));
        is_well(&server);
    });
}

/// Octets that are no protocol at all: answered or not, but bounded, and nobody else notices.
#[test]
fn noise_is_survived() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut noise = |len: usize| -> Vec<u8> {
            let mut next = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state
            };
            (0..len).map(|_| if next() % 20 == 0 { b'\n' } else { next() as u8 }).collect()
        };
        for round in 0..20 {
            for listener in Listener::ALL {
                let mut talk = Talk::plain(server.address(listener));
                let _ = talk.try_put(noise(100 << (round % 8)));
                talk.finish();
                let _ = talk.rest();
            }
        }
        is_well(&server);
    });
}

/// RFC 5321 section 4.1.1.4, RFC 1939 section 6: what is not ended has not happened.
#[test]
fn a_client_that_dies_half_way_leaves_nothing_behind() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        assert_eq!(Smtp::login(&server, ALICE).send(ALICE, &[BOB], &text("kept", "body")).code, 250);
        let half: &[&str] =
            &["", "Subject: half\r\n\r\nbody", "Subject: half\r\n\r\nbody\r\n.", "Subject: half\r\n\r\nbody\r\n.\r"];
        for part in half {
            let mut smtp = Smtp::hello(&server, Listener::Smtp);
            smtp.envelope("x@remote.test", &[BOB]);
            smtp.expect(354, "DATA");
            smtp.put(part);
            smtp.finish();
            let rest = smtp.rest();
            assert!(!rest.contains("250"), "{part:?}: {rest}");
        }
        let mut imap = Imap::login(&server, BOB);
        imap.begin("APPEND INBOX {1000}");
        imap.line();
        imap.put("Subject: half\r\n\r\nbody");
        imap.finish();
        imap.rest();
        // QUIT without its line end is no QUIT: nothing is deleted.
        for end in ["", "QUIT", "QUIT\r"] {
            let mut pop = Pop3::login(&server, BOB);
            assert_eq!(pop.list("LIST").len(), 1, "before {end:?}");
            pop.expect("DELE 1");
            pop.put(end);
            pop.finish();
            pop.rest();
        }
        let mut imap = Imap::inbox(&server, BOB);
        assert_eq!(imap.expect("SEARCH ALL"), ["SEARCH 1"]);
        // And half a command is not run.
        imap.put("x STORE 1 +FLAGS (\\Deleted)");
        imap.finish();
        imap.rest();
        assert!(!Imap::inbox(&server, BOB).expect("FETCH 1 FLAGS")[0].contains("Deleted"));
    });
}

#[test]
fn connections_over_the_limit_are_turned_away_in_words() {
    on_both(|runtime| {
        let server = Server::start_with(runtime, |config| config.limits.connections_per_address = 3);
        let mut held: Vec<Smtp> = (0..3).map(|_| Smtp::hello(&server, Listener::Smtp)).collect();
        for (listener, words) in [(Listener::Smtp, "421 "), (Listener::Pop3, "-ERR"), (Listener::Imap, "* BYE")] {
            let rest = Talk::plain(server.address(listener)).rest();
            assert!(rest.starts_with(words), "{listener}: {rest:?}");
        }
        let mut last = held.pop().expect("three");
        last.expect(221, "QUIT");
        last.rest();
        crate::harness::eventually("room for another", || {
            let mut talk = Talk::plain(server.address(Listener::Smtp));
            talk.line().starts_with("220").then_some(())
        });
    });
}

/// A login is to be made within a minute, and a handshake too.
#[test]
fn a_silent_client_is_sent_away() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let start = Instant::now();
        let silent = [Listener::Pop3, Listener::Imap, Listener::Pop3s, Listener::Imaps, Listener::Submissions];
        thread::scope(|scope| {
            for listener in silent {
                let address = server.address(listener);
                scope.spawn(move || {
                    let rest = Talk::plain(address).rest();
                    match listener {
                        Listener::Imap => assert!(rest.contains("\r\n* BYE"), "{rest:?}"),
                        Listener::Pop3 => assert!(rest.starts_with("+OK"), "{rest:?}"),
                        _ => {}
                    }
                });
            }
        });
        assert!(start.elapsed() < Duration::from_secs(85), "they were sent away after {:?}", start.elapsed());
        is_well(&server);
    });
}
