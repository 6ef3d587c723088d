//! What is printed for logs holds no secret.

mod common;

use common::{Player, drive};
use postkern::sasl::{
    Authenticate, ClientExchange, Exchange, Identity, Keys, Mechanism, Mechanisms, NONCE, Step, TlsFacts,
};
use postkern::{Conn, Instant, Machine, Want, imap, pop3, smtp};

/// Base64 of `\0bob\0secret`.
const PLAIN: &str = "AGJvYgBzZWNyZXQ=";

/// Prints all events, and answers some.
#[derive(Default)]
struct Prints(String);

impl Prints {
    fn note(&mut self, event: &impl std::fmt::Debug) {
        self.0.push_str(&format!("{event:?}\n"));
    }

    fn is_clean(&self, sees: &str) {
        // Octets are printed as numbers, too.
        for secret in ["secret", "c2VjcmV0", PLAIN, "115, 101, 99", "65, 71, 74"] {
            assert!(!self.0.contains(secret), "{secret} in {}", self.0);
        }
        assert!(self.0.contains(sees), "{}", self.0);
    }
}

impl Player<smtp::Server> for Prints {
    fn on(&mut self, event: smtp::Event<'_>, smtp: &mut smtp::Server, out: &mut Vec<u8>) {
        self.note(&event);
        let (code, ticket) = match event {
            smtp::Event::Connect { ticket } => (220, ticket),
            smtp::Event::Hello { ticket, .. } => (250, ticket),
            smtp::Event::Auth { ticket, initial: None, .. } => (334, ticket),
            smtp::Event::Auth { ticket, .. } | smtp::Event::Response { ticket, .. } => (535, ticket),
            _ => return,
        };
        smtp.reply(ticket, &smtp::Reply::new(code, smtp::Enhanced(2, 0, 0), "x"), out);
    }

    fn advance(&mut self, _: &mut smtp::Server, _: &mut Vec<u8>) -> bool {
        false
    }
}

impl Player<pop3::Server> for Prints {
    fn on(&mut self, event: pop3::Event<'_>, pop3: &mut pop3::Server, out: &mut Vec<u8>) {
        self.note(&event);
        match event {
            pop3::Event::Auth { ticket, initial: None, .. } => pop3.challenge(ticket, "", out),
            pop3::Event::Command { command: pop3::Command::Pass(_), ticket }
            | pop3::Event::Auth { ticket, .. }
            | pop3::Event::Response { ticket, .. } => pop3.err(ticket, "no", out),
            pop3::Event::Connect { ticket } | pop3::Event::Command { ticket, .. } => pop3.ok(ticket, "ok", out),
            pop3::Event::Refused | pop3::Event::Dropped(_) => {}
        }
    }

    fn advance(&mut self, _: &mut pop3::Server, _: &mut Vec<u8>) -> bool {
        false
    }
}

impl Player<imap::Server> for Prints {
    fn on(&mut self, event: imap::Event<'_>, imap: &mut imap::Server, out: &mut Vec<u8>) {
        self.note(&event);
        match event {
            imap::Event::Connect { ticket } => imap.finish(ticket, imap::Status::Ok, imap::Code::None, "ok", out),
            imap::Event::Authenticate { ticket, initial: None, .. } => imap.challenge(ticket, "", out),
            imap::Event::Command { ticket, .. }
            | imap::Event::Authenticate { ticket, .. }
            | imap::Event::Response { ticket, .. } => {
                imap.finish(ticket, imap::Status::No, imap::Code::None, "no", out);
            }
            _ => {}
        }
    }

    fn advance(&mut self, _: &mut imap::Server, _: &mut Vec<u8>) -> bool {
        false
    }
}

fn printed<M: Machine>(machine: M, octets: &str) -> Prints
where
    Prints: Player<M>,
{
    let (mut prints, mut conn) = (Prints::default(), Conn::new(machine));
    drive(&mut conn, &mut prints);
    conn.space()[..octets.len()].copy_from_slice(octets.as_bytes());
    conn.filled(octets.len());
    drive(&mut conn, &mut prints);
    prints
}

#[test]
fn events_are_printed_without_passwords() {
    let mut config = smtp::ServerConfig::default();
    (config.auth, config.auth_in_clear) = (Mechanism::Plain.into(), true);
    let said = format!("EHLO a.example\r\nAUTH PLAIN {PLAIN}\r\nAUTH PLAIN\r\n{PLAIN}\r\n");
    printed(smtp::Server::new(config, false), &said).is_clean("Response(..)");
    let mut config = pop3::ServerConfig::default();
    (config.sasl, config.login_in_clear) = (Mechanism::Plain.into(), true);
    let said = format!("USER bob\r\nPASS secret\r\nAUTH PLAIN {PLAIN}\r\nAUTH PLAIN\r\n{PLAIN}\r\n");
    printed(pop3::Server::new(config, false), &said).is_clean("Pass(..)");
    let mut config = imap::ServerConfig::default();
    (config.sasl, config.login_in_clear) = (Mechanism::Plain.into(), true);
    let said = format!("a LOGIN bob secret\r\nb AUTHENTICATE PLAIN {PLAIN}\r\nc AUTHENTICATE PLAIN\r\n{PLAIN}\r\n");
    printed(imap::Server::new(config, false), &said).is_clean("c Response(..)");
}

#[test]
fn commands_are_printed_without_passwords() {
    let mut prints = Prints::default();
    prints.note(&smtp::Command::Auth { mechanism: "PLAIN", initial: Some(PLAIN) });
    prints.note(&pop3::Request::Pass("secret"));
    prints.note(&pop3::Request::Auth { mechanism: "PLAIN", initial: Some(PLAIN) });
    prints.note(&imap::Request::Login { user: "bob", password: "secret" });
    prints.note(&imap::Request::Authenticate { mechanism: "PLAIN", initial: Some(PLAIN) });
    // What is held until the server asks for it is not shown either.
    let mut conn = Conn::new(imap::Client::new(imap::ClientLimits::default()));
    conn.space()[..9].copy_from_slice(b"* OK hi\r\n");
    conn.filled(9);
    let Want::Event(frame) = conn.poll(Instant::from_millis(0)) else { panic!("the greeting") };
    let _ = conn.event(frame);
    let (client, out) = conn.speak();
    client.send(imap::Request::Authenticate { mechanism: "PLAIN", initial: Some(PLAIN) }, out).unwrap();
    prints.note(&client);
    prints.is_clean("Login(..)");
}

/// Whatever is in hand of a login, on either side.
#[test]
fn exchanges_are_printed_without_secrets() {
    let mut prints = Prints::default();
    let facts = TlsFacts { exporter: Some(*b"secret channel, secret channel, "), ..TlsFacts::default() };
    let offered = Mechanisms::of(&Mechanism::ALL);
    let password = Identity::Password { login: "bob".into(), password: b"secret".to_vec() };
    let token = Identity::Token { login: "bob".into(), token: "secret".into(), host: String::new(), port: 0 };
    for (identity, mechanism) in [
        (&password, Mechanism::ScramSha256Plus),
        (&password, Mechanism::ScramSha256),
        (&password, Mechanism::Plain),
        (&password, Mechanism::Login),
        (&token, Mechanism::OauthBearer),
        (&token, Mechanism::Xoauth2),
    ] {
        prints.note(identity);
        let client = ClientExchange::new(identity.clone()).with_nonce([1; NONCE]).over(facts.clone());
        let mut client = client.only(mechanism.into());
        let (_, initial) = client.begin(offered, true).unwrap();
        let initial = initial.map(String::into_bytes);
        let (mut server, mut step) = Exchange::begin_over(mechanism, initial.as_deref(), offered, facts.clone());
        loop {
            prints.note(&client);
            prints.note(&server);
            step = match step {
                Step::Challenge(challenge) => server.respond(client.respond(challenge.as_bytes()).unwrap().as_bytes()),
                Step::Lookup { hash, .. } => {
                    let keys = Keys::derive(hash, b"secret", b"salt", 4096);
                    prints.note(&keys);
                    server.keys(keys, &[2; NONCE])
                }
                step => {
                    prints.note(&step);
                    break;
                }
            };
        }
    }
    prints.is_clean("Token(bob ..)");
}
