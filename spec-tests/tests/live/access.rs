//! Who may do what: passwords, TLS before them, relaying, whose address one may send from.

use lettre::transport::smtp::authentication::Mechanism;
use postkern_server::config::Listener;

use crate::harness::{
    ALICE, BOB, Imap, PASSWORD, Pop3, Server, Smtp, base64, mailer, on_both, plain, session, submit, text,
};

#[test]
fn a_wrong_password_is_refused_and_the_right_one_taken_after_it() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let mut smtp = Smtp::hello(&server, Listener::Submissions);
        smtp.expect(535, &format!("AUTH PLAIN {}", plain(ALICE, "wrong")));
        smtp.expect(334, "AUTH LOGIN");
        smtp.expect(334, &base64(ALICE.as_bytes()));
        smtp.expect(535, &base64(b"wrong"));
        smtp.expect(530, &format!("MAIL FROM:<{ALICE}>"));
        smtp.expect(235, &format!("AUTH PLAIN {}", plain(ALICE, PASSWORD)));
        let mut imap = Imap::secure(&server);
        assert!(imap.refused(&format!("LOGIN {ALICE} wrong")).starts_with("NO"));
        assert!(imap.refused(&format!("AUTHENTICATE PLAIN {}", plain(ALICE, "wrong"))).starts_with("NO"));
        imap.refused("SELECT INBOX");
        imap.expect(&format!("AUTHENTICATE PLAIN {}", plain(ALICE, PASSWORD)));
        let mut pop = Pop3::secure(&server);
        pop.expect(&format!("USER {ALICE}"));
        pop.refused("PASS wrong");
        pop.refused("STAT");
        pop.expect(&format!("USER {ALICE}"));
        pop.expect(&format!("PASS {PASSWORD}"));
        // lettre says so too.
        for mechanism in [Mechanism::Plain, Mechanism::Login] {
            let wrong = mailer(&server, Listener::Submission, ALICE, "wrong", mechanism);
            let refused = submit(&wrong, ALICE, &[BOB], &text("x", "x")).expect_err("a wrong password");
            assert_eq!(refused.status().map(u16::from), Some(535), "{refused}");
        }
    });
}

/// Neither by words nor by count can one tell whether an account exists.
#[test]
fn an_unknown_account_is_refused_as_a_wrong_password_is() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let mut smtp = Smtp::hello(&server, Listener::Submissions);
        let wrong = smtp.ask(&format!("AUTH PLAIN {}", plain(ALICE, "wrong")));
        assert_eq!(smtp.ask(&format!("AUTH PLAIN {}", plain("nobody@example.test", "wrong"))), wrong);
        let mut imap = Imap::secure(&server);
        let wrong = imap.refused(&format!("LOGIN {ALICE} wrong"));
        assert_eq!(imap.refused("LOGIN nobody@example.test wrong"), wrong);
        let mut pop = Pop3::secure(&server);
        let known = pop.ask(&format!("USER {ALICE}"));
        let wrong = pop.ask("PASS wrong");
        assert_eq!((pop.ask("USER nobody@example.test"), pop.ask("PASS wrong")), (known, wrong));
    });
}

#[test]
fn five_wrong_passwords_end_the_connection() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let mut smtp = Smtp::hello(&server, Listener::Submissions);
        let mut imap = Imap::secure(&server);
        let mut pop = Pop3::secure(&server);
        for _ in 0..4 {
            smtp.expect(535, &format!("AUTH PLAIN {}", plain(ALICE, "wrong")));
            assert!(imap.refused(&format!("LOGIN {ALICE} wrong")).starts_with("NO"));
            pop.expect(&format!("USER {ALICE}"));
            pop.refused("PASS wrong");
        }
        smtp.say(&format!("AUTH PLAIN {}", plain(ALICE, "wrong")));
        imap.say(&format!("last LOGIN {ALICE} wrong"));
        pop.put(format!("USER {ALICE}\r\nPASS wrong\r\n"));
        for rest in [smtp.rest(), imap.rest(), pop.rest()] {
            assert!(!rest.is_empty(), "the last attempt is answered before the end");
        }
        assert_eq!(Smtp::login(&server, ALICE).send(ALICE, &[BOB], &text("x", "x")).code, 250, "others go on");
    });
}

#[test]
fn no_password_is_taken_in_plaintext() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        for listener in [Listener::Smtp, Listener::Submission] {
            let mut smtp = Smtp::greet(&server, listener);
            let offers = smtp.expect(250, "EHLO client.test");
            assert!(!offers.contains("AUTH"), "{listener}: {offers}");
            assert!(offers.contains("STARTTLS"), "{listener}: {offers}");
            let refused = smtp.ask(&format!("AUTH PLAIN {}", plain(ALICE, PASSWORD)));
            assert!(refused.code >= 500, "{listener}: {refused:?}");
        }
        Smtp::hello(&server, Listener::Submission).expect(530, &format!("MAIL FROM:<{ALICE}>"));
        let mut imap = Imap::greet(&server);
        let capabilities = imap.expect("CAPABILITY").join(" ");
        assert!(capabilities.contains("LOGINDISABLED") && capabilities.contains("STARTTLS"), "{capabilities}");
        assert!(!capabilities.contains("AUTH="), "{capabilities}");
        imap.refused(&format!("LOGIN {ALICE} \"{PASSWORD}\""));
        imap.refused(&format!("AUTHENTICATE PLAIN {}", plain(ALICE, PASSWORD)));
        imap.refused("SELECT INBOX");
        let mut pop = Pop3::greet(&server);
        let capabilities = pop.list("CAPA");
        assert!(capabilities.contains(&"STLS".into()), "{capabilities:?}");
        assert!(!capabilities.iter().any(|one| one.starts_with("USER") || one.starts_with("SASL")), "{capabilities:?}");
        pop.ask(&format!("USER {ALICE}"));
        pop.refused(&format!("PASS {PASSWORD}"));
        pop.refused("STAT");
    });
}

#[test]
fn the_configuration_may_let_passwords_come_in_plaintext() {
    on_both(|runtime| {
        let server = Server::start_with(runtime, |config| config.plaintext_login = true);
        let mut smtp = Smtp::greet(&server, Listener::Submission);
        assert!(smtp.expect(250, "EHLO client.test").contains("AUTH SCRAM-SHA-256 PLAIN LOGIN"));
        smtp.expect(235, &format!("AUTH PLAIN {}", plain(ALICE, PASSWORD)));
        Imap::greet(&server).expect(&format!("LOGIN {ALICE} \"{PASSWORD}\""));
        let mut pop = Pop3::greet(&server);
        pop.expect(&format!("USER {ALICE}"));
        pop.expect(&format!("PASS {PASSWORD}"));
    });
}

/// RFC 4954 section 4, RFC 4616 section 2.
#[test]
fn malformed_authentications_are_refused_and_disturb_nothing() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let mut smtp = Smtp::hello(&server, Listener::Submissions);
        smtp.expect(334, "AUTH PLAIN");
        smtp.expect(501, "*");
        let mut smtp = Smtp::hello(&server, Listener::Submissions);
        smtp.expect(504, "AUTH NONSENSE");
        for response in ["!!!!", "AAAA=", "=", "AA=="] {
            let refused = smtp.ask(&format!("AUTH PLAIN {response}"));
            assert!((500..600).contains(&refused.code), "{response}: {refused:?}");
        }
        let mut smtp = Smtp::hello(&server, Listener::Submissions);
        for fields in [
            format!("{ALICE}\0{PASSWORD}"),
            format!("\0{ALICE}\0"),
            format!("\0\0{PASSWORD}"),
            format!("\0{ALICE}\0{PASSWORD}\0"),
        ] {
            let refused = smtp.ask(&format!("AUTH PLAIN {}", base64(fields.as_bytes())));
            assert!((500..600).contains(&refused.code), "{fields:?}: {refused:?}");
        }
        // To act for another is nobody's right.
        let mut smtp = Smtp::hello(&server, Listener::Submissions);
        let other = base64(format!("{BOB}\0{ALICE}\0{PASSWORD}").as_bytes());
        assert!((500..600).contains(&smtp.ask(&format!("AUTH PLAIN {other}")).code));
        smtp.expect(235, &format!("AUTH PLAIN {}", base64(format!("{ALICE}\0{ALICE}\0{PASSWORD}").as_bytes())));
        smtp.expect(503, &format!("AUTH PLAIN {}", plain(ALICE, PASSWORD)));
    });
}

/// The forms by which servers were made open relays, and some more.
const FOREIGN: &[&str] = &[
    "<x@remote.test>",
    "<x%remote.test@example.test>",
    "<remote.test!x@example.test>",
    "<@example.test:x@remote.test>",
    "<@example.test,@localhost:x@remote.test>",
    "<\"x@remote.test\"@example.test>",
    "<x@remote.test@example.test>",
    "<x%remote.test>",
    "<remote.test!x>",
    "<x@[127.0.0.1]>",
    "<x@[192.0.2.1]>",
    "<x@localhost>",
    "<bob@example.test.>",
    "<bob@sub.example.test>",
    "<bob@example.test.remote.test>",
    "<bob@xexample.test>",
    "<\"bob@example.test\"@remote.test>",
    "<bob>",
    "<>",
];

#[test]
fn strangers_do_not_relay_in_any_form() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        for form in FOREIGN {
            let mut smtp = Smtp::hello(&server, Listener::Smtp);
            for sender in ["x@remote.test", ALICE, ""] {
                smtp.expect(250, &format!("MAIL FROM:<{sender}>"));
                let refused = smtp.ask(&format!("RCPT TO:{form}"));
                assert!((500..600).contains(&refused.code), "{form} from <{sender}>: {refused:?}");
                let refused = smtp.ask("DATA");
                assert!(matches!(refused.code, 503 | 554), "DATA with no recipient: {refused:?}");
                smtp.expect(250, "RSET");
            }
        }
    });
}

#[test]
fn the_exchanger_takes_mail_for_its_own_and_tells_at_rcpt() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let mut smtp = Smtp::hello(&server, Listener::Smtp);
        smtp.expect(250, "MAIL FROM:<x@remote.test>");
        let unknown = smtp.ask("RCPT TO:<nobody@example.test>");
        assert!(unknown.code == 550 && unknown.text.starts_with("5.1.1"), "{unknown:?}");
        for own in [BOB, "BOB@EXAMPLE.TEST", "\"bob\"@example.test"] {
            smtp.expect(250, &format!("RCPT TO:<{own}>"));
        }
        // Who exists is not told to those who only ask.
        let (known, unknown) = (smtp.ask("VRFY bob"), smtp.ask("VRFY nobody"));
        assert_eq!(known, unknown);
        assert!(matches!(known.code, 252 | 502), "{known:?}");
    });
}

/// RFC 5321 section 4.5.1.
#[test]
fn postmaster_is_always_there() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        for postmaster in ["postmaster", "Postmaster@example.test", "POSTMASTER@EXAMPLE.TEST"] {
            let mut smtp = Smtp::hello(&server, Listener::Smtp);
            let reply = smtp.send("x@remote.test", &[postmaster], &text("to the postmaster", "body"));
            assert_eq!(reply.code, 250, "{postmaster}: {reply:?}");
        }
    });
}

#[test]
fn one_submits_from_ones_own_addresses_alone() {
    on_both(|runtime| {
        let server = Server::start_with(runtime, |config| {
            config.aliases.insert("sales@example.test".into(), vec![ALICE.into()]);
        });
        let mut smtp = Smtp::login(&server, ALICE);
        for stranger in [BOB, "alice@remote.test", "nobody@example.test", "alice@example.test.remote.test"] {
            let refused = smtp.ask(&format!("MAIL FROM:<{stranger}>"));
            assert!((500..600).contains(&refused.code), "{stranger}: {refused:?}");
        }
        for own in [ALICE, "Alice@Example.TEST", "sales@example.test"] {
            smtp.expect(250, &format!("MAIL FROM:<{own}>"));
            smtp.expect(250, "RSET");
        }
    });
}

/// One account's mailboxes are not another's.
#[test]
fn mailboxes_of_others_are_out_of_reach() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let mut alice = session(&server, ALICE);
        alice.create("secret").expect("CREATE");
        alice.append("secret", &text("secret", "body")).finish().expect("APPEND");
        let mut bob = Imap::login(&server, BOB);
        for command in [
            "SELECT secret",
            "EXAMINE secret",
            "STATUS secret (MESSAGES)",
            "DELETE secret",
            "RENAME secret mine",
            "SELECT \"../alice@example.test/secret\"",
            "SELECT \"/alice@example.test/secret\"",
            "SELECT \"alice@example.test/secret\"",
            "SELECT \"~alice/secret\"",
        ] {
            assert!(bob.refused(command).starts_with("NO"), "{command}");
        }
        assert_eq!(
            bob.expect("LIST \"\" *").len(),
            bob.expect("LIST \"\" *").iter().filter(|line| !line.contains("secret")).count()
        );
        alice.select("secret").expect("it is there still");
    });
}
