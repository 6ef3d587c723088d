//! Recipients, limits of a message, and when an envelope is forgotten.

use std::fs;
use std::path::Path;

use postkern_server::config::Listener;

use crate::harness::{ALICE, BOB, CAROL, Pop3, Server, Smtp, arrived, on_both, stuffed, text};

/// How many messages an account has.
fn count(server: &Server, account: &str) -> usize {
    Pop3::login(server, account).list("LIST").len()
}

fn octets_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => octets_below(&entry.path()),
            Ok(meta) => meta.len(),
            // Gone since: a file of SQLite's.
            Err(_) => 0,
        })
        .sum()
}

#[test]
fn one_message_to_a_hundred_accounts_is_kept_once_and_read_by_all() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let accounts: Vec<String> = (0..100).map(|number| format!("user{number}@example.test")).collect();
        for account in &accounts {
            server.add_account(account);
        }
        let message = text("to all", &"a line of the message\r\n".repeat(50_000));
        let to: Vec<&str> = accounts.iter().map(String::as_str).collect();
        let before = octets_below(&server.config.data);
        let reply = Smtp::hello(&server, Listener::Smtp).send("x@remote.test", &to, &message);
        assert_eq!(reply.code, 250, "{reply:?}");
        let grown = octets_below(&server.config.data) - before;
        assert!(grown < 4 * message.len() as u64, "{grown} octets for one message of {}", message.len());
        for account in &accounts {
            let mut pop = Pop3::login(&server, account);
            assert_eq!(pop.list("LIST").len(), 1, "{account}");
            arrived(account, &pop.retr(1), &message);
        }
    });
}

#[test]
fn an_account_named_twice_gets_one_copy() {
    on_both(|runtime| {
        let server = Server::start_with(runtime, |config| {
            config.aliases.insert("team@example.test".into(), vec![BOB.into(), CAROL.into()]);
            config.aliases.insert("loop@example.test".into(), vec!["loop@example.test".into(), CAROL.into()]);
        });
        let mut smtp = Smtp::hello(&server, Listener::Smtp);
        let reply = smtp.send("x@remote.test", &[BOB, BOB, "team@example.test", "Team@Example.Test"], &text("x", "x"));
        assert_eq!(reply.code, 250, "{reply:?}");
        assert_eq!((count(&server, BOB), count(&server, CAROL), count(&server, ALICE)), (1, 1, 0));
    });
}

#[test]
fn one_bad_recipient_costs_the_others_nothing() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let mut smtp = Smtp::hello(&server, Listener::Smtp);
        smtp.expect(250, "MAIL FROM:<>");
        smtp.expect(250, &format!("RCPT TO:<{BOB}>"));
        smtp.expect(550, "RCPT TO:<nobody@example.test>");
        smtp.expect(250, &format!("RCPT TO:<{CAROL}>"));
        smtp.expect(354, "DATA");
        smtp.put(stuffed(&text("x", "x")));
        assert_eq!(smtp.reply().code, 250);
        assert_eq!((count(&server, BOB), count(&server, CAROL)), (1, 1));
        let got = Pop3::login(&server, BOB).retr(1);
        assert!(got.starts_with(b"Return-Path: <>\r\n"), "RFC 5321 section 4.4: {}", String::from_utf8_lossy(&got));
        assert!(!String::from_utf8_lossy(&got).contains("carol"), "who else has it is not told");
    });
}

/// RFC 5321 section 4.5.3.1.10.
#[test]
fn recipients_over_the_limit_are_put_off_and_the_rest_delivered() {
    on_both(|runtime| {
        let server = Server::start_with(runtime, |config| config.limits.recipients = 100);
        let mut smtp = Smtp::hello(&server, Listener::Smtp);
        smtp.expect(250, "MAIL FROM:<x@remote.test>");
        for _ in 0..100 {
            smtp.expect(250, &format!("RCPT TO:<{BOB}>"));
        }
        assert!(smtp.expect(452, &format!("RCPT TO:<{CAROL}>")).starts_with("4.5.3"));
        smtp.expect(354, "DATA");
        smtp.put(stuffed(&text("x", "x")));
        assert_eq!(smtp.reply().code, 250);
        assert_eq!((count(&server, BOB), count(&server, CAROL)), (1, 0));
    });
}

/// RFC 1870 section 6.
#[test]
fn a_message_over_the_size_is_refused_and_leaves_nothing() {
    on_both(|runtime| {
        let server = Server::start_with(runtime, |config| config.limits.message = 100_000);
        let before = octets_below(&server.config.data);
        let mut smtp = Smtp::greet(&server, Listener::Smtp);
        assert!(smtp.expect(250, "EHLO client.test").lines().any(|line| line == "SIZE 100000"));
        smtp.expect(552, "MAIL FROM:<x@remote.test> SIZE=100001");
        smtp.expect(250, "MAIL FROM:<x@remote.test> SIZE=100000");
        smtp.expect(250, "RSET");
        // More than a mebibyte past the limit would end the connection.
        for octets in [200_000, 1_100_000] {
            let reply =
                smtp.send("x@remote.test", &[BOB], &text("too big", &"0123456789abcdef\r\n".repeat(octets / 18)));
            assert!(reply.code == 552 && reply.text.starts_with("5.3.4"), "{reply:?}");
            // The envelope went with it.
            smtp.expect(503, "DATA");
        }
        assert_eq!(smtp.send("x@remote.test", &[BOB], &text("small", "enough")).code, 250);
        assert_eq!(count(&server, BOB), 1);
        let grown = octets_below(&server.config.data) - before;
        assert!(grown < 3_000_000, "{grown} octets are left");
    });
}

/// RFC 5321 sections 4.1.1.5 and 4.1.4.
#[test]
fn an_envelope_ends_with_rset_with_ehlo_and_with_its_message() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let mut smtp = Smtp::hello(&server, Listener::Smtp);
        for end in ["RSET", "EHLO client.test"] {
            smtp.envelope("x@remote.test", &[BOB]);
            smtp.expect(250, end);
            smtp.expect(503, "DATA");
        }
        smtp.envelope("x@remote.test", &[BOB]);
        for harmless in ["NOOP", "HELP", "VRFY bob"] {
            assert!(smtp.ask(harmless).code < 503, "{harmless}");
        }
        smtp.expect(354, "DATA");
        smtp.put(stuffed(&text("x", "x")));
        assert_eq!(smtp.reply().code, 250);
        smtp.expect(503, "DATA");
        smtp.expect(503, &format!("RCPT TO:<{BOB}>"));
        assert_eq!(count(&server, BOB), 1);
    });
}

/// RFC 5321 section 6.3.
#[test]
fn a_message_that_goes_in_circles_is_refused() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let around = |hops: usize| {
            let trace = "Received: from a.test by b.test; Mon, 2 Nov 2026 10:00:00 +0000\r\n".repeat(hops);
            [trace.as_bytes(), &text("round", "and round")].concat()
        };
        let mut smtp = Smtp::hello(&server, Listener::Smtp);
        assert_eq!(smtp.send("x@remote.test", &[BOB], &around(99)).code, 250);
        let reply = smtp.send("x@remote.test", &[BOB], &around(101));
        assert!(reply.code == 554 && reply.text.starts_with("5.4.6"), "{reply:?}");
        assert_eq!(count(&server, BOB), 1);
    });
}

/// RFC 2033 section 4.2: a reply a recipient, in order.
#[test]
fn lmtp_answers_for_each_recipient() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let mut lmtp = Smtp::hello(&server, Listener::Lmtp);
        lmtp.expect(250, "MAIL FROM:<x@remote.test>");
        lmtp.expect(250, &format!("RCPT TO:<{BOB}>"));
        lmtp.expect(550, "RCPT TO:<nobody@example.test>");
        lmtp.expect(550, "RCPT TO:<x@remote.test>");
        lmtp.expect(250, &format!("RCPT TO:<{CAROL}>"));
        lmtp.expect(354, "DATA");
        lmtp.put(stuffed(&text("by lmtp", "body")));
        assert_eq!((lmtp.reply().code, lmtp.reply().code), (250, 250));
        lmtp.expect(250, "NOOP");
        arrived("by LMTP", &Pop3::login(&server, BOB).retr(1), &text("by lmtp", "body"));
        assert_eq!(count(&server, CAROL), 1);
    });
}
