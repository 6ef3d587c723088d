//! Proxies in front of us, clients that come too often, and clients that do not wait for the
//! greeting.

use std::time::Duration;

use postkern_server::config::{Config, Listener, Network};

use crate::harness::{ALICE, BOB, PASSWORD, Pop3, Server, Smtp, Talk, on_both, plain, text};

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn proxied(config: &mut Config) {
    config.proxy.networks.push(Network::parse("127.0.0.0/8").expect("a network"));
    config.proxy.listeners = vec![Listener::Smtp, Listener::Submissions, Listener::Imap];
}

fn v1(peer: &str) -> String {
    format!("PROXY TCP4 {peer} 198.51.100.1 56324 25\r\n")
}

/// For 192.0.2.7, with something behind the addresses.
fn v2() -> Vec<u8> {
    let addresses = [192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 4, 0, 25];
    [V2, &[0x21, 0x11, 0, 12 + 200], &addresses, &[7; 200]].concat()
}

fn behind(server: &Server, listener: Listener, header: impl AsRef<[u8]>) -> Talk {
    let mut talk = Talk::plain(server.address(listener));
    talk.put(header);
    talk
}

#[test]
fn who_comes_through_a_proxy_is_who_it_says() {
    on_both(|runtime| {
        let server = Server::start_with(runtime, |config| {
            proxied(config);
            config.relay.networks.push(Network::parse("192.0.2.7").expect("a network"));
        });
        for (header, may_relay) in [
            (v1("192.0.2.7").into_bytes(), true),
            (v2(), true),
            (v1("192.0.2.8").into_bytes(), false),
            (b"PROXY UNKNOWN\r\n".to_vec(), false),
            ([V2, &[0x20, 0, 0, 0]].concat(), false),
        ] {
            let mut smtp = Smtp::over(behind(&server, Listener::Smtp, &header));
            smtp.expect(250, "EHLO client.test");
            smtp.expect(250, "MAIL FROM:<x@remote.test>");
            let code = smtp.ask("RCPT TO:<y@elsewhere.test>").code;
            assert_eq!(code == 250, may_relay, "{}", header.escape_ascii());
            smtp.expect(250, "RSET");
            assert_eq!(smtp.send("x@remote.test", &[ALICE], &text("x", "x")).code, 250);
            smtp.expect(221, "QUIT");
        }
        let mut pop = Pop3::login(&server, ALICE);
        // Whom the proxy does not name is nobody, and not the proxy.
        for (message, peer) in [(1, " ([192.0.2.7])"), (2, " ([192.0.2.7])"), (3, " ([192.0.2.8])"), (4, "")] {
            pop.expect(&format!("RETR {message}"));
            let whole = pop.body();
            let whole = String::from_utf8_lossy(&whole).into_owned();
            assert!(whole.contains(&format!("from client.test{peer}\r\n")), "{message}: {whole}");
        }
    });
}

#[test]
fn tls_begins_behind_the_header() {
    on_both(|runtime| {
        let server = Server::start_with(runtime, proxied);
        for header in [v1("192.0.2.7").into_bytes(), v2()] {
            let talk = behind(&server, Listener::Submissions, header).secure(server.authority.client());
            let mut smtp = Smtp::over(talk);
            smtp.expect(250, "EHLO client.test");
            smtp.expect(235, &format!("AUTH PLAIN {}", plain(ALICE, PASSWORD)));
            assert_eq!(smtp.send(ALICE, &[BOB], &text("x", "x")).code, 250);
        }
    });
}

#[test]
fn what_is_no_header_ends_the_connection_without_a_word() {
    on_both(|runtime| {
        let server = Server::start_with(runtime, proxied);
        for octets in ["EHLO client.test\r\n", "PROXY TCP4 x y 1 2\r\n", "\r\n\r\n\0\r\nQUIX\n", "\0"] {
            assert_eq!(behind(&server, Listener::Smtp, octets).rest(), "", "{octets:?}");
        }
        let mut gone = behind(&server, Listener::Smtp, "PROXY TCP4 192.");
        gone.finish();
        assert_eq!(gone.rest(), "");
        // Nobody else's header is taken: a listener that has no proxies in front of it.
        let mut pop = Pop3::greet(&server);
        pop.refused(v1("192.0.2.7").trim_end());
    });
}

#[test]
fn limits_are_those_of_the_client_behind_the_proxy() {
    on_both(|runtime| {
        let server = Server::start_with(runtime, |config| {
            proxied(config);
            config.limits.connections_per_address = 2;
            config.limits.connections_per_minute = 3;
        });
        let first = Smtp::over(behind(&server, Listener::Smtp, v1("192.0.2.7")));
        let second = Smtp::over(behind(&server, Listener::Smtp, v1("192.0.2.7")));
        let refused = behind(&server, Listener::Smtp, v1("192.0.2.7")).rest();
        assert_eq!(refused, "421 4.7.0 too many connections, try again later\r\n");
        let refused = behind(&server, Listener::Imap, v1("192.0.2.7")).rest();
        assert_eq!(refused, "* BYE [UNAVAILABLE] too many connections, try again later\r\n");
        let mut others: Vec<Smtp> =
            (10..15).map(|n| Smtp::over(behind(&server, Listener::Smtp, v1(&format!("192.0.2.{n}"))))).collect();
        others[0].expect(221, "QUIT");
        for mut smtp in [first, second] {
            smtp.expect(221, "QUIT");
            smtp.rest();
        }
        // Those that have left count in the minute.
        let mut refused = String::new();
        for _ in 0..4 {
            let mut talk = behind(&server, Listener::Smtp, v1("192.0.2.7"));
            refused = talk.line();
            if refused.starts_with("421 4.7.1") {
                break;
            }
            talk.say("QUIT");
            talk.rest();
        }
        assert_eq!(refused, "421 4.7.1 you connect too often, try again later");
    });
}

#[test]
fn who_talks_before_the_greeting_is_refused() {
    on_both(|runtime| {
        let server = Server::start_with(runtime, |config| config.inbound.greet_pause = Duration::from_millis(500));
        let mut early = Talk::plain(server.address(Listener::Smtp));
        early.say("EHLO client.test");
        let said = early.rest();
        assert!(said.starts_with("554 ") && said.matches("\r\n").count() == 1, "{said:?}");
        let mut patient = Smtp::greet(&server, Listener::Smtp);
        patient.expect(250, "EHLO client.test");
        assert_eq!(patient.send("x@remote.test", &[ALICE], &text("x", "x")).code, 250);
        // A pipeline where there may be one.
        patient.put(format!("MAIL FROM:<x@remote.test>\r\nRCPT TO:<{BOB}>\r\nRCPT TO:<{ALICE}>\r\n"));
        for _ in 0..3 {
            assert_eq!(patient.reply().code, 250);
        }
        // And where there may be none.
        patient.put("DATA\r\nSubject: x\r\n\r\n.\r\n");
        let said = patient.rest();
        assert!(said.starts_with("554 ") || said.starts_with("354 "), "{said:?}");
    });
}
