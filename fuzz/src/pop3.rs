//! The POP3 machines.

use postkern::Conn;
use postkern::pop3::{Client, Command, Event, Notice, Request, Server, ServerConfig, Ticket};
use postkern::sasl::{Exchange, Mechanism, Mechanisms, Step};

use crate::drive::{App, Input, Log, any_cut};

/// A server. Variant: 0 logged in first, 1 in TLS, 2 login in clear, 3 small limits.
pub fn pop3_server(data: &[u8]) {
    let input = Input::new(data);
    let mut config = ServerConfig::default();
    config.tls = !input.has(1);
    config.sasl = Mechanisms::PASSWORD;
    config.login_in_clear = input.has(2) || input.has(0);
    if input.has(3) {
        config.limits.line = 64;
        config.limits.auth_line = 96;
        config.limits.excess = 128;
        config.limits.mistakes = (3, 5);
    }
    let login: &[u8] = if input.has(0) { b"USER bob\r\nPASS pw\r\n" } else { b"" };
    let octets = [login, input.octets].concat();
    let input = Input { octets: &octets, ..input };
    any_cut(&input, |late| (Conn::new(Server::new(config, input.has(1))), Application { late, ..Default::default() }));
}

#[derive(Default)]
struct Application {
    late: bool,
    held: Option<(Ticket, Answer)>,
    sasl: Option<Exchange>,
}

enum Answer {
    Ok(&'static str),
    Err(&'static str),
    Challenge(String),
    Capabilities,
    Lines(&'static [&'static str]),
}

impl Application {
    fn step(&mut self, (exchange, step): (Exchange, Step)) -> Answer {
        match step {
            Step::Challenge(challenge) => {
                self.sasl = Some(exchange);
                Answer::Challenge(challenge)
            }
            Step::Claimed(claim) if claim.login == "bob" => Answer::Ok("welcome"),
            Step::Claimed(_) => Answer::Err("[AUTH] wrong"),
            _ => Answer::Err("no such message"),
        }
    }
}

impl App<Server> for Application {
    fn on(&mut self, event: Event<'_>, server: &mut Server, out: &mut Vec<u8>, log: &mut Log) {
        if !matches!(event, Event::Dropped(_)) {
            log.event(&event);
        }
        let (ticket, answer) = match event {
            Event::Refused | Event::Dropped(_) => return,
            Event::Connect { ticket } => (ticket, Answer::Ok("mx.example")),
            Event::Auth { mechanism, initial, ticket } => match Mechanism::parse(mechanism) {
                Some(mechanism) => {
                    let step = Exchange::begin(mechanism, initial);
                    (ticket, self.step(step))
                }
                None => (ticket, Answer::Err("no such mechanism")),
            },
            Event::Response { response, ticket } => match self.sasl.take() {
                Some(mut exchange) => {
                    let step = exchange.respond(response);
                    (ticket, self.step((exchange, step)))
                }
                None => (ticket, Answer::Err("no exchange")),
            },
            Event::Command { command, ticket } => {
                let answer = match command {
                    Command::Pass(password) if password != "pw" => Answer::Err("[AUTH] wrong"),
                    Command::Retr(1) | Command::Top(1, _) => {
                        Answer::Lines(&["Subject: x\r\n\r", "\n.\r\n", "..\n.x\r"])
                    }
                    Command::Retr(_) | Command::Top(..) | Command::Dele(2..) => Answer::Err("no such message"),
                    Command::List(None) => Answer::Lines(&["1 20\r\n"]),
                    Command::Uidl(None) => Answer::Lines(&["1 a\r\n", "2 b"]),
                    Command::Capa => Answer::Capabilities,
                    _ => Answer::Ok("1 20"),
                };
                (ticket, answer)
            }
        };
        self.held = Some((ticket, answer));
        if !self.late {
            self.advance(server, out);
        }
    }

    fn advance(&mut self, server: &mut Server, out: &mut Vec<u8>) -> bool {
        let Some((ticket, answer)) = self.held.take() else { return false };
        match answer {
            Answer::Ok(text) => server.ok(ticket, text, out),
            Answer::Err(text) => server.err(ticket, text, out),
            Answer::Challenge(challenge) => server.challenge(ticket, &challenge, out),
            Answer::Capabilities => server.capabilities(ticket, &["EXPIRE NEVER"], out),
            Answer::Lines(lines) => {
                let mut body = server.begin(ticket, "", out);
                for line in lines {
                    server.write(&mut body, line.as_bytes(), out);
                }
                server.end(body, out);
            }
        }
        assert!(out.ends_with(b"\r\n"));
        true
    }
}

/// A client that says all it can, and a server that says anything.
pub fn pop3_client(data: &[u8]) {
    let input = Input::new(data);
    let variant = input.variant;
    any_cut(&input, |_| (Conn::new(Client::new()), Reader { next: 0, variant }));
}

struct Reader {
    next: usize,
    variant: u8,
}

impl App<Client> for Reader {
    fn on(&mut self, notice: Notice<'_>, client: &mut Client, out: &mut Vec<u8>, log: &mut Log) {
        match &notice {
            Notice::Chunk(octets) => log.octets(octets),
            Notice::UniqueId { id, .. } => assert!((1..=70).contains(&id.len())),
            other => log.event(other),
        }
        let challenged = matches!(notice, Notice::Challenge { .. });
        if challenged {
            let response = (self.variant & 1 == 0).then_some("cHc=");
            client.respond(response, out).expect("a challenge is open");
        }
        let login = if self.variant & 2 == 0 {
            [Request::User("bob"), Request::Pass("pw")]
        } else {
            [Request::Auth { mechanism: "LOGIN", initial: None }, Request::Noop]
        };
        let requests = [
            Request::Capa,
            login[0],
            login[1],
            Request::Stat,
            Request::ListAll,
            Request::UidlAll,
            Request::Uidl(1),
            Request::Retr(1),
            Request::Top(1, 2),
            Request::Dele(1),
            Request::Rset,
            if self.variant & 4 == 0 { Request::Noop } else { Request::Stls },
            Request::Quit,
        ];
        while client.may_send()
            && let Some(request) = requests.get(self.next)
        {
            client.send(*request, out).expect("it may be sent");
            self.next += 1;
        }
    }
}
