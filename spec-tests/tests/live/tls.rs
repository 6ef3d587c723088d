//! STARTTLS and STLS: nothing of the plaintext outlives them.

use postkern_server::config::Listener;

use crate::harness::{ALICE, BOB, Imap, PASSWORD, Pop3, Server, Smtp, Talk, on_both, text};

/// CVE-2011-0411 and its many successors: what stands behind STARTTLS in the same segment is
/// neither run nor answered, and no handshake begins (RFC 3207 section 4.2).
#[test]
fn plaintext_behind_starttls_is_never_run() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        for listener in [Listener::Smtp, Listener::Submission] {
            let mut smtp = Smtp::hello(&server, listener);
            smtp.put("STARTTLS\r\nEHLO injected.test\r\nMAIL FROM:<x@remote.test>\r\n");
            let rest = smtp.rest();
            assert!(rest.lines().count() <= 1 && !rest.contains("250"), "{listener}: {rest:?}");
        }
        let mut imap = Imap::greet(&server);
        imap.put(format!("a STARTTLS\r\nb LOGIN {ALICE} \"{PASSWORD}\"\r\n"));
        let rest = imap.rest();
        assert!(!rest.contains("b "), "{rest:?}");
        let mut pop = Pop3::greet(&server);
        pop.put(format!("STLS\r\nUSER {ALICE}\r\nPASS {PASSWORD}\r\n"));
        let rest = pop.rest();
        assert!(rest.lines().count() <= 1, "{rest:?}");
    });
}

#[test]
fn after_starttls_the_session_begins_anew() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let mut smtp = Smtp::hello(&server, Listener::Smtp);
        smtp.expect(220, "STARTTLS");
        let mut smtp = smtp.secured(&server);
        smtp.expect(503, "MAIL FROM:<x@remote.test>");
        let offers = smtp.expect(250, "EHLO client.test");
        assert!(!offers.contains("STARTTLS"), "{offers}");
        assert!((500..600).contains(&smtp.ask("STARTTLS").code));
        assert_eq!(smtp.send("x@remote.test", &[BOB], &text("x", "x")).code, 250);
        let mut imap = Imap::greet(&server).start_tls(&server);
        let capabilities = imap.expect("CAPABILITY").join(" ");
        assert!(!capabilities.contains("STARTTLS") && !capabilities.contains("LOGINDISABLED"), "{capabilities}");
        imap.refused("STARTTLS");
        let mut pop = Pop3::greet(&server).start_tls(&server);
        let capabilities = pop.list("CAPA");
        assert!(!capabilities.contains(&"STLS".into()), "{capabilities:?}");
        pop.refused("STLS");
    });
}

#[test]
fn starttls_is_refused_where_it_cannot_be() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let mut smtp = Smtp::hello(&server, Listener::Smtp);
        smtp.expect(501, "STARTTLS now");
        smtp.expect(250, "MAIL FROM:<x@remote.test>");
        smtp.expect(503, "STARTTLS");
        let server = Server::start_with(runtime, |config| config.tls = None);
        let mut smtp = Smtp::greet(&server, Listener::Smtp);
        assert!(!smtp.expect(250, "EHLO client.test").contains("STARTTLS"));
        assert!((500..600).contains(&smtp.ask("STARTTLS").code));
        let mut imap = Imap::greet(&server);
        assert!(!imap.expect("CAPABILITY").join(" ").contains("STARTTLS"));
        imap.refused("STARTTLS");
        let mut pop = Pop3::greet(&server);
        assert!(!pop.list("CAPA").contains(&"STLS".into()));
        pop.refused("STLS");
    });
}

#[test]
fn garbage_where_tls_should_be_ends_that_connection_alone() {
    const GARBAGE: &[&[u8]] = &[
        b"EHLO client.test\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        &[0; 600],
        &[0xff; 70_000],
        b"\x16\x03\x01\xff\xff\x01\x00",
        b"\x80\x2e\x01\x00\x02",
    ];
    on_both(|runtime| {
        let server = Server::start(runtime);
        for listener in [Listener::Submissions, Listener::Pop3s, Listener::Imaps] {
            for garbage in GARBAGE {
                let mut talk = Talk::plain(server.address(listener));
                // The server may have closed before all of it is written.
                let _ = talk.try_put(garbage);
                talk.finish();
                let _ = talk.rest();
            }
        }
        // And behind STARTTLS.
        for garbage in GARBAGE {
            let mut smtp = Smtp::hello(&server, Listener::Smtp);
            smtp.expect(220, "STARTTLS");
            let _ = smtp.try_put(garbage);
            smtp.finish();
            let rest = smtp.rest();
            assert!(!rest.contains("250"), "{rest:?}");
        }
        assert_eq!(Smtp::login(&server, ALICE).send(ALICE, &[BOB], &text("x", "x")).code, 250, "others go on");
    });
}
