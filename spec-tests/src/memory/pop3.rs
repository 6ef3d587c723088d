//! The application behind a POP3 server, scripted.
//!
//! | key | is |
//! | --- | --- |
//! | `users=name:password,...` | who may log in |
//! | `tls=yes`, `secure=yes` | STLS is offered; TLS is in place already |
//! | `sasl=PLAIN,LOGIN`, `clear=yes` | mechanisms; also, and USER too, without TLS |
//! | `locked=yes` | the maildrop is in use elsewhere |
//! | `greeting=err` | the greeting is -ERR |
//! | `apop=name:digest` | APOP is taken, with this digest; the greeting has the RFC's timestamp |
//! | `utf8=yes`, `utf8=user`, `lang=en,de` | UTF8, UTF8 USER, LANG with these languages |
//! | `line= auth_line= excess= mistakes= login= idle=` | limits |
//! | `@ message OCTETS` | a message of the maildrop, with escapes |
//!
//! Events: `user NAME`, `login NAME`, `stat`, `list N`, `uidl N`, `retr N`, `top N LINES`,
//! `dele N`, `rset`, `noop`, `capa`, `stls`, `quit`, `removed N,...`, `auth MECHANISM`,
//! `refused`, `apop NAME`, `utf8`, `lang RANGE`.

use std::time::Duration;

use postkern::pop3::{Command, Event, Server, ServerConfig, Ticket, Utf8};
use postkern::sasl::{Exchange, Mechanism, Step};

use super::bench::{App, Bench};
use crate::play::Subject;
use crate::transcript::{Header, unescape};

const KEYS: [&str; 17] = [
    "apop",
    "utf8",
    "lang",
    "users",
    "tls",
    "secure",
    "sasl",
    "clear",
    "locked",
    "greeting",
    "line",
    "auth_line",
    "excess",
    "mistakes",
    "login",
    "idle",
    "service",
];

/// A server as the header has it.
pub(super) fn server(header: &Header, late: bool) -> Result<Box<dyn Subject>, String> {
    header.only(&KEYS)?;
    header.only_lines(&["message"])?;
    let mut config = ServerConfig::default();
    config.tls = header.is("tls");
    config.login_in_clear = header.is("clear");
    config.sasl = header.mechanisms("sasl")?;
    config.apop = header.key("apop").is_some();
    config.lang = header.key("lang").is_some();
    config.utf8 = match header.key("utf8") {
        None => Utf8::No,
        Some("yes") => Utf8::Messages,
        Some("user") => Utf8::Names,
        Some(other) => return Err(format!("utf8={other}: yes or user")),
    };
    let limits = &mut config.limits;
    for (key, limit) in
        [("line", &mut limits.line), ("auth_line", &mut limits.auth_line), ("excess", &mut limits.excess)]
    {
        if let Some(octets) = header.number(key)? {
            *limit = octets as usize;
        }
    }
    for (key, limit) in [("login", &mut limits.login), ("idle", &mut limits.idle)] {
        if let Some(seconds) = header.number(key)? {
            *limit = Duration::from_secs(seconds);
        }
    }
    if let Some(count) = header.number("mistakes")? {
        limits.mistakes = (count as u16, count as u16);
    }
    let messages: Result<Vec<_>, String> = header.more.iter().map(|(_, _, octets)| unescape(octets)).collect();
    let messages = messages?;
    let app = Scripted {
        users: header.list("users"),
        apop: header.key("apop").map(str::to_owned),
        languages: header.list("lang"),
        locked: header.is("locked"),
        refuses: header.key("greeting") == Some("err"),
        deleted: vec![false; messages.len()],
        messages,
        late,
        held: None,
        user: None,
        logged_in: false,
        exchange: None,
        log: Vec::new(),
    };
    Ok(Box::new(Bench::new(Server::new(config, header.is("secure")), app)))
}

struct Scripted {
    users: Vec<String>,
    apop: Option<String>,
    languages: Vec<String>,
    locked: bool,
    refuses: bool,
    messages: Vec<Vec<u8>>,
    deleted: Vec<bool>,
    late: bool,
    held: Option<(Ticket, Answer)>,
    user: Option<String>,
    logged_in: bool,
    exchange: Option<Exchange>,
    log: Vec<String>,
}

enum Answer {
    Ok(String),
    Err(String),
    Challenge(String),
    Capabilities,
    Lines(String, Vec<u8>),
}

fn ok(text: impl Into<String>) -> Answer {
    Answer::Ok(text.into())
}

fn err(text: &str) -> Answer {
    Answer::Err(text.to_owned())
}

impl Scripted {
    fn login(&mut self, name: &str, password: &str) -> Answer {
        if !self.users.contains(&format!("{name}:{password}")) {
            return err("[AUTH] no such account or wrong password");
        }
        if self.locked {
            return err("[IN-USE] the maildrop is open elsewhere");
        }
        self.log.push(format!("login {name}"));
        self.logged_in = true;
        ok("logged in")
    }

    fn step(&mut self, step: Step) -> Answer {
        match step {
            Step::Challenge(challenge) => Answer::Challenge(challenge),
            Step::Malformed => err("that is not of the mechanism"),
            Step::Claimed(claim) => {
                let password = String::from_utf8_lossy(&claim.password).into_owned();
                self.login(&claim.login, &password)
            }
            // Mechanisms that need more than a list of users: the service runner has them.
            _ => err("not offered here"),
        }
    }

    /// A message that exists and is not marked as deleted (RFC 1939 section 5).
    fn message(&self, message: u32) -> Option<&Vec<u8>> {
        let at = message as usize - 1;
        if *self.deleted.get(at)? { None } else { self.messages.get(at) }
    }

    fn present(&self) -> impl Iterator<Item = (u32, &Vec<u8>)> {
        (1..).zip(&self.messages).filter(|(message, _)| self.message(*message).is_some())
    }

    /// One line for one message, or for each: `of` says what of it.
    fn listing(&self, one: Option<u32>, of: impl Fn(u32, &Vec<u8>) -> String) -> Answer {
        let line = |(message, octets)| format!("{message} {}", of(message, octets));
        match one {
            Some(message) => match self.message(message) {
                Some(octets) => ok(line((message, octets))),
                None => err("no such message"),
            },
            None => {
                let lines = self.present().map(|each| line(each) + "\r\n").collect::<String>();
                Answer::Lines("they follow".to_owned(), lines.into_bytes())
            }
        }
    }

    fn command(&mut self, command: Command<'_>) -> Answer {
        let number = |message: Option<u32>| message.map(|message| format!(" {message}")).unwrap_or_default();
        self.log.push(match command {
            Command::User(name) => format!("user {name}"),
            Command::Pass(_) => "pass".to_owned(),
            Command::List(message) => format!("list{}", number(message)),
            Command::Uidl(message) => format!("uidl{}", number(message)),
            Command::Retr(message) => format!("retr {message}"),
            Command::Top(message, lines) => format!("top {message} {lines}"),
            Command::Dele(message) => format!("dele {message}"),
            Command::Apop { name, .. } => format!("apop {name}"),
            Command::Lang(range) => format!("lang {}", range.unwrap_or_default()),
            other => format!("{other:?}").to_ascii_lowercase(),
        });
        match command {
            Command::Apop { name, digest } => {
                let digest: String = digest.iter().map(|octet| format!("{octet:02x}")).collect();
                match self.apop.as_deref() == Some(&format!("{name}:{digest}")) {
                    true => {
                        self.log.push(format!("login {name}"));
                        self.logged_in = true;
                        ok("logged in")
                    }
                    false => err("[AUTH] wrong digest"),
                }
            }
            Command::Utf8 => ok("UTF-8 from now on"),
            Command::Lang(None) => {
                let lines = self.languages.iter().map(|tag| format!("{tag} x\r\n")).collect::<String>();
                Answer::Lines("languages follow".to_owned(), lines.into_bytes())
            }
            Command::Lang(Some(range)) => {
                let own = self.languages.iter().find(|tag| range == "*" || tag.eq_ignore_ascii_case(range));
                own.map_or_else(|| err("no such language"), |tag| ok(format!("{tag} chosen")))
            }
            Command::User(name) => {
                self.user = Some(name.to_owned());
                ok("the password, please")
            }
            Command::Pass(password) => {
                let user = self.user.take().unwrap_or_default();
                self.login(&user, password)
            }
            Command::Stat => {
                let octets: usize = self.present().map(|(_, message)| message.len()).sum();
                ok(format!("{} {octets}", self.present().count()))
            }
            Command::List(one) => self.listing(one, |_, octets| octets.len().to_string()),
            Command::Uidl(one) => self.listing(one, |message, _| format!("uid.{message}")),
            Command::Retr(message) => match self.message(message) {
                Some(octets) => Answer::Lines(format!("{} octets", octets.len()), octets.clone()),
                None => err("no such message"),
            },
            Command::Top(message, lines) => match self.message(message) {
                Some(octets) => Answer::Lines(String::new(), top(octets, lines)),
                None => err("no such message"),
            },
            Command::Dele(message) if self.message(message).is_some() => {
                self.deleted[message as usize - 1] = true;
                ok("marked")
            }
            Command::Dele(_) => err("no such message"),
            Command::Rset => {
                self.deleted.fill(false);
                ok("")
            }
            Command::Noop | Command::Stls => ok(""),
            Command::Capa => Answer::Capabilities,
            Command::Quit => {
                if self.logged_in {
                    let removed = (1..).zip(&self.deleted).filter(|(_, deleted)| **deleted);
                    let removed: Vec<String> = removed.map(|(message, _): (u32, _)| message.to_string()).collect();
                    self.log.push(format!("removed {}", removed.join(",")));
                }
                ok("bye")
            }
        }
    }

    fn give(&self, machine: &mut Server, ticket: Ticket, answer: Answer, out: &mut Vec<u8>) {
        match answer {
            Answer::Ok(text) => machine.ok(ticket, &text, out),
            Answer::Err(text) => machine.err(ticket, &text, out),
            Answer::Challenge(challenge) => machine.challenge(ticket, &challenge, out),
            Answer::Capabilities => machine.capabilities(ticket, &["IMPLEMENTATION scripted"], out),
            Answer::Lines(text, octets) => {
                let mut body = machine.begin(ticket, &text, out);
                // In small pieces when late, so that dots and line ends are met apart.
                let piece = if self.late { 3 } else { 64 * 1024 };
                octets.chunks(piece).for_each(|piece| machine.write(&mut body, piece, out));
                machine.end(body, out);
            }
        }
    }
}

impl App<Server> for Scripted {
    fn on(&mut self, event: Event<'_>, machine: &mut Server, out: &mut Vec<u8>) {
        let (ticket, answer) = match event {
            Event::Connect { ticket } if self.refuses => (ticket, err("no service now")),
            Event::Connect { ticket } if self.apop.is_some() => {
                (ticket, ok("scripted POP3 <1896.697170952@dbc.mtview.ca.us>"))
            }
            Event::Connect { ticket } => (ticket, ok("scripted POP3")),
            Event::Command { command, ticket } => (ticket, self.command(command)),
            Event::Auth { mechanism, initial, ticket } => {
                self.log.push(format!("auth {mechanism}"));
                let mechanism = Mechanism::parse(mechanism).expect("only what was offered comes");
                let (exchange, step) = Exchange::begin(mechanism, initial);
                self.exchange = Some(exchange);
                (ticket, self.step(step))
            }
            Event::Response { response, ticket } => {
                let step = self.exchange.as_mut().expect("a response follows AUTH").respond(response);
                (ticket, self.step(step))
            }
            Event::Refused => {
                self.log.push("refused".to_owned());
                self.exchange = None;
                return;
            }
            // How it is parted depends on how it came.
            Event::Dropped(_) => return,
        };
        if self.late {
            self.held = Some((ticket, answer));
        } else {
            self.give(machine, ticket, answer, out);
        }
    }

    fn advance(&mut self, machine: &mut Server, out: &mut Vec<u8>) -> bool {
        let Some((ticket, answer)) = self.held.take() else { return false };
        self.give(machine, ticket, answer, out);
        true
    }

    fn act(&mut self, words: &str, _: &mut Server, _: &mut Vec<u8>) -> Result<(), String> {
        Err(format!("A: this application does not {words}"))
    }

    fn log(&self) -> &[String] {
        &self.log
    }
}

/// The header, the empty line, and so many lines of the body (RFC 1939 section 7).
fn top(message: &[u8], lines: u32) -> Vec<u8> {
    let body = message.windows(4).position(|four| four == b"\r\n\r\n").map_or(message.len(), |at| at + 4);
    let rest = message[body..].split_inclusive(|&octet| octet == b'\n').take(lines as usize);
    [&message[..body], &rest.flatten().copied().collect::<Vec<u8>>()].concat()
}
