//! A graceful stop: clients are told, what was begun is ended, nothing accepted is lost.

use std::time::Instant;

use postkern_server::config::Listener;
use postkern_store::runtime::GRACE;

use crate::harness::{ALICE, BOB, Imap, Pop3, Server, Smtp, arrived, on_both, stuffed, text};

#[test]
fn clients_are_told_that_the_server_stops() {
    on_both(|runtime| {
        let mut server = Server::start(runtime);
        let mut smtp = Smtp::hello(&server, Listener::Smtp);
        let mut secure = Smtp::login(&server, ALICE);
        let mut waiting = Imap::greet(&server);
        let mut imap = Imap::inbox(&server, BOB);
        let mut idle = Imap::inbox(&server, BOB);
        idle.begin("IDLE");
        idle.line();
        let mut pop = Pop3::login(&server, BOB);
        let start = Instant::now();
        server.ask_to_stop();
        for smtp in [&mut smtp, &mut secure] {
            let rest = smtp.rest();
            assert!(rest.starts_with("421 "), "RFC 5321 section 3.8: {rest:?}");
        }
        for imap in [&mut waiting, &mut imap, &mut idle] {
            let rest = imap.rest();
            assert!(rest.contains("* BYE"), "RFC 3501 section 7.1.5: {rest:?}");
        }
        pop.rest();
        server.join();
        assert!(start.elapsed() < GRACE, "it took {:?}", start.elapsed());
        assert!(std::net::TcpStream::connect(server.address(Listener::Smtp)).is_err(), "nobody listens any more");
    });
}

#[test]
fn a_message_on_its_way_is_taken_or_refused_and_never_half() {
    on_both(|runtime| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut server = Server::start_in(runtime, folder.path(), |_| {});
        let message = text("in flight", &"a line\r\n".repeat(1000));
        let mut smtp = Smtp::hello(&server, Listener::Smtp);
        smtp.envelope("x@remote.test", &[BOB]);
        smtp.expect(354, "DATA");
        let wire = stuffed(&message);
        let (first, rest) = wire.split_at(wire.len() / 2);
        smtp.put(first);
        let mut imap = Imap::login(&server, BOB);
        let tag = imap.begin(&format!("APPEND INBOX {{{}}}", message.len()));
        imap.line();
        imap.put(&message[..1000]);
        server.ask_to_stop();
        // The client does not know of it, and goes on.
        let _ = smtp.try_put(rest);
        let taken = smtp.rest();
        let _ = imap.try_put(&message[1000..]);
        let _ = imap.try_put("\r\n");
        let appended = imap.rest();
        server.join();
        drop(server);
        let server = Server::start_in(runtime, folder.path(), |_| {});
        let promised = usize::from(taken.contains("250 ")) + usize::from(appended.contains(&format!("{tag} OK")));
        let all = Pop3::login(&server, BOB).all();
        assert_eq!(all.len(), promised, "{taken:?} {appended:?}");
        for got in &all {
            assert!(got.ends_with(&message));
        }
        assert!(taken.contains("250 "), "a command in flight finishes: {taken:?}");
    });
}

#[test]
fn what_was_accepted_is_there_after_a_restart() {
    on_both(|runtime| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let server = Server::start_in(runtime, folder.path(), |_| {});
        assert_eq!(Smtp::login(&server, ALICE).send(ALICE, &[BOB], &text("kept", "body")).code, 250);
        let state = |server: &Server| {
            let mut imap = Imap::inbox(server, BOB);
            let mut state = imap.expect("STATUS INBOX (UIDVALIDITY UIDNEXT MESSAGES)");
            state.extend(imap.expect("FETCH 1 (UID RFC822.SIZE INTERNALDATE)"));
            state
        };
        let (before, unique) = (state(&server), Pop3::login(&server, BOB).list("UIDL"));
        drop(server);
        let server = Server::start_in(runtime, folder.path(), |_| {});
        assert_eq!(state(&server), before);
        let mut pop = Pop3::login(&server, BOB);
        assert_eq!(pop.list("UIDL"), unique);
        arrived("after a restart", &pop.retr(1), &text("kept", "body"));
    });
}
