//! IDLE: told at once what the others do (RFC 2177).

use std::thread;
use std::time::{Duration, Instant};

use imap::extensions::idle::WaitOutcome;
use imap::types::UnsolicitedResponse;

use crate::harness::{ALICE, BOB, Imap, Pop3, Server, Smtp, on_both, session, text};

/// What a user takes for at once.
const SOON: Duration = Duration::from_secs(3);

fn idling(server: &Server) -> Imap {
    let mut imap = Imap::inbox(server, BOB);
    imap.begin("IDLE");
    let prompt = imap.line();
    assert!(prompt.starts_with('+'), "{prompt}");
    imap
}

#[test]
fn news_comes_while_idling() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let mut imap = idling(&server);
        let start = Instant::now();
        assert_eq!(Smtp::login(&server, ALICE).send(ALICE, &[BOB], &text("news", "body")).code, 250);
        let mut line = imap.line();
        // RFC 3501 section 7.3.2: RECENT comes along, in whichever order.
        while line.ends_with("RECENT") {
            line = imap.line();
        }
        assert_eq!(line, "* 1 EXISTS");
        assert!(start.elapsed() < SOON + Duration::from_secs(2), "it took {:?}", start.elapsed());
        let mut other = Imap::inbox(&server, BOB);
        let start = Instant::now();
        other.expect("STORE 1 +FLAGS (\\Flagged)");
        while !line.contains("FETCH") {
            line = imap.line();
        }
        assert!(line.contains("\\Flagged"), "{line}");
        other.expect("STORE 1 +FLAGS.SILENT (\\Deleted)");
        other.expect("EXPUNGE");
        while !line.contains("EXPUNGE") {
            line = imap.line();
        }
        assert_eq!(line, "* 1 EXPUNGE");
        assert!(start.elapsed() < 2 * SOON, "it took {:?}", start.elapsed());
        imap.say("DONE");
        let end = imap.line();
        assert!(end.starts_with("t3 OK"), "{end}");
        imap.expect("NOOP");
    });
}

#[test]
fn done_ends_it_at_once_and_nothing_else_does() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let mut imap = Imap::inbox(&server, BOB);
        imap.put("i IDLE\r\nDONE\r\n");
        assert!(imap.line().starts_with('+'));
        let end = imap.line();
        assert!(end.starts_with("i OK"), "{end}");
        let start = Instant::now();
        for _ in 0..20 {
            imap.put("i IDLE\r\n");
            assert!(imap.line().starts_with('+'));
            imap.put("DONE\r\n");
            assert!(imap.line().starts_with("i OK"));
        }
        assert!(start.elapsed() < Duration::from_secs(10), "twenty took {:?}", start.elapsed());
        imap.put("i IDLE\r\n");
        assert!(imap.line().starts_with('+'));
        imap.put("NOOP\r\n");
        let refused = imap.line();
        assert!(refused.contains("BAD"), "{refused}");
    });
}

#[test]
fn the_imap_crate_idles() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let mut session = session(&server, BOB);
        session.select("INBOX").expect("SELECT");
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut smtp = Smtp::login(&server, ALICE);
                assert_eq!(smtp.send(ALICE, &[BOB], &text("news", "body")).code, 250);
            });
            let mut seen = None;
            let mut idle = session.idle();
            idle.timeout(Duration::from_secs(30)).keepalive(false);
            let outcome = idle
                .wait_while(|response| match response {
                    UnsolicitedResponse::Exists(count) => {
                        seen = Some(count);
                        false
                    }
                    _ => true,
                })
                .expect("IDLE");
            assert_eq!((outcome, seen), (WaitOutcome::MailboxChanged, Some(1)));
        });
        assert_eq!(session.search("ALL").expect("SEARCH").len(), 1);
    });
}

/// What POP3 deletes, an idling session is told.
#[test]
fn a_deletion_by_pop3_is_told() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        assert_eq!(Smtp::login(&server, ALICE).send(ALICE, &[BOB], &text("x", "x")).code, 250);
        let mut imap = idling(&server);
        let mut pop = Pop3::login(&server, BOB);
        pop.expect("DELE 1");
        pop.expect("QUIT");
        let mut line = imap.line();
        while !line.contains("EXPUNGE") {
            line = imap.line();
        }
        assert_eq!(line, "* 1 EXPUNGE");
    });
}
