//! The application behind an SMTP or LMTP server, scripted.
//!
//! | key | is |
//! | --- | --- |
//! | `host=` | our name; `mx.example` |
//! | `known=a@b,...` | recipients; without it all are known |
//! | `full=a@b,...` | recipients known, whose mailbox is full when the message has come (LMTP) |
//! | `users=name:password,...` | who may authenticate |
//! | `tls=yes`, `secure=yes` | STARTTLS is offered; TLS is in place already |
//! | `auth=PLAIN,LOGIN`, `clear=yes` | mechanisms; also without TLS |
//! | `greeting= hello= mail= data= message= starttls= help=` | the code answered instead of the usual one |
//! | `hold=mail,...` | these commands are answered by `A: answer` or `A: answer CODE` only |
//! | `line= auth_line= excess= message_max= recipients= mistakes= refusals= login= command= rate=` | limits |
//!
//! Events: `hello NAME`, `helo NAME`, `mail <PATH> size=N body=8BITMIME auth=X`, `rcpt <PATH>`,
//! `data`, `message "OCTETS"`, `rejected CODE`, `auth MECHANISM`, `user NAME`, `starttls`,
//! `rset`, `noop`, `vrfy X`, `expn X`, `help X`, `quit`, `refused CODE`.

use std::time::Duration;

use postkern::sasl::{Exchange, Mechanism, Step};
use postkern::smtp::{BodyType, Enhanced, Event, Protocol, Reply, Server, ServerConfig, Ticket};

use super::bench::{App, Bench};
use crate::play::Subject;
use crate::transcript::{Header, escaped};

const KEYS: [&str; 26] = [
    "host",
    "known",
    "full",
    "users",
    "tls",
    "secure",
    "auth",
    "clear",
    "greeting",
    "hello",
    "mail",
    "data",
    "message",
    "starttls",
    "help",
    "hold",
    "line",
    "auth_line",
    "excess",
    "message_max",
    "recipients",
    "mistakes",
    "refusals",
    "login",
    "command",
    "rate",
];

/// A server as the header has it.
pub(super) fn server(header: &Header, late: bool) -> Result<Box<dyn Subject>, String> {
    header.only(&KEYS)?;
    header.only_lines(&[])?;
    let mut config = ServerConfig::default();
    config.protocol = if header.role == "lmtp-server" { Protocol::Lmtp } else { Protocol::Smtp };
    config.tls = header.is("tls");
    config.auth_in_clear = header.is("clear");
    config.auth = header.mechanisms("auth")?;
    let limits = &mut config.limits;
    let number = |key: &str| header.number(key);
    if let Some(octets) = number("line")? {
        limits.line = octets as usize;
    }
    if let Some(octets) = number("auth_line")? {
        limits.auth_line = octets as usize;
    }
    if let Some(octets) = number("excess")? {
        limits.excess = octets as usize;
    }
    if let Some(octets) = number("message_max")? {
        limits.message = octets;
    }
    if let Some(count) = number("recipients")? {
        limits.recipients = count as u32;
    }
    if let Some(count) = number("mistakes")? {
        limits.mistakes = (count as u16, count as u16);
    }
    if let Some(count) = number("refusals")? {
        limits.refusals = count as u16;
    }
    limits.login = number("login")?.map(Duration::from_secs);
    if let Some(seconds) = number("command")? {
        limits.command = Duration::from_secs(seconds);
    }
    if let Some(octets) = number("rate")? {
        limits.data_rate = octets as u32;
    }
    let mut codes = Vec::new();
    for key in ["greeting", "hello", "mail", "data", "message", "starttls", "help"] {
        codes.extend(number(key)?.map(|code| (key, code as u16)));
    }
    let app = Scripted {
        lmtp: config.protocol == Protocol::Lmtp,
        host: header.key("host").unwrap_or("mx.example").to_owned(),
        known: header.key("known").map(|_| header.list("known")),
        full: header.list("full"),
        users: header.list("users"),
        codes,
        hold: header.list("hold"),
        late,
        held: None,
        message: Vec::new(),
        recipients: Vec::new(),
        exchange: None,
        log: Vec::new(),
    };
    Ok(Box::new(Bench::new(Server::new(config, header.is("secure")), app)))
}

struct Scripted {
    lmtp: bool,
    host: String,
    known: Option<Vec<String>>,
    full: Vec<String>,
    users: Vec<String>,
    codes: Vec<(&'static str, u16)>,
    hold: Vec<String>,
    late: bool,
    held: Option<Held>,
    message: Vec<u8>,
    recipients: Vec<String>,
    exchange: Option<Exchange>,
    log: Vec<String>,
}

/// An answer not yet given.
struct Held {
    ticket: Ticket,
    answers: Vec<Answer>,
    /// Until an `A:` line, and not only until the machine asks.
    long: bool,
}

struct Answer {
    code: u16,
    enhanced: Option<Enhanced>,
    text: String,
}

fn answer(code: u16, subject: u16, detail: u16, text: &str) -> Answer {
    Answer { code, enhanced: Some(Enhanced((code / 100) as u8, subject, detail)), text: text.to_owned() }
}

fn plain(code: u16, text: &str) -> Answer {
    Answer { code, enhanced: None, text: text.to_owned() }
}

impl Scripted {
    /// The usual answer, or the code that the header has instead.
    fn scripted(&self, key: &str, usual: Answer) -> Vec<Answer> {
        let code = self.codes.iter().find(|(name, _)| *name == key);
        vec![code.map_or(usual, |(_, code)| answer(*code, 3, 0, "as scripted"))]
    }

    fn rcpt(&mut self, path: &str) -> Vec<Answer> {
        let (local, domain) = path.rsplit_once('@').unwrap_or((path, ""));
        let is = |known: &String| {
            let (name, host) = known.rsplit_once('@').unwrap_or((known, ""));
            name == local && host.eq_ignore_ascii_case(domain)
        };
        let postmaster = path.eq_ignore_ascii_case("postmaster");
        if !postmaster && self.known.as_ref().is_some_and(|known| !known.iter().any(is)) {
            return vec![answer(550, 1, 1, "no such mailbox here")];
        }
        self.recipients.push(path.to_owned());
        vec![answer(250, 1, 5, "recipient ok")]
    }

    /// One answer; behind LMTP one for each recipient.
    fn message(&mut self) -> Vec<Answer> {
        self.log.push(format!("message \"{}\"", escaped(&self.message)));
        self.message.clear();
        let recipients = std::mem::take(&mut self.recipients);
        if !self.lmtp {
            return self.scripted("message", answer(250, 0, 0, "accepted"));
        }
        let each = |name: &String| match self.full.contains(name) {
            true => answer(452, 2, 2, "mailbox full"),
            false => answer(250, 1, 5, "delivered"),
        };
        recipients.iter().map(each).collect()
    }

    fn step(&mut self, step: Step) -> Vec<Answer> {
        vec![match step {
            Step::Challenge(challenge) => plain(334, &challenge),
            Step::Malformed => answer(501, 5, 2, "that is not of the mechanism"),
            Step::Claimed(claim) => {
                let password = String::from_utf8_lossy(&claim.password);
                if self.users.contains(&format!("{}:{password}", claim.login)) {
                    self.log.push(format!("user {}", claim.login));
                    answer(235, 7, 0, "authenticated")
                } else {
                    answer(535, 7, 8, "no such account or wrong password")
                }
            }
        }]
    }

    fn give(&self, machine: &mut Server, ticket: Ticket, answers: &[Answer], out: &mut Vec<u8>) {
        let mut replies = answers.iter().map(|answer| match answer.enhanced {
            Some(enhanced) => Reply::new(answer.code, enhanced, &answer.text),
            None => Reply::plain(answer.code, &answer.text),
        });
        match (self.lmtp, answers.len()) {
            (false, _) | (true, 1) => machine.reply(ticket, &replies.next().expect("one at least"), out),
            (true, _) => machine.replies(ticket, replies, out),
        }
    }

    fn event(&mut self, event: Event<'_>) -> Option<(&'static str, Ticket, Vec<Answer>)> {
        let log = &mut self.log;
        Some(match event {
            Event::Connect { ticket } => {
                let greeting = plain(220, &format!("{} ESMTP", self.host));
                ("connect", ticket, self.scripted("greeting", greeting))
            }
            Event::Hello { name, extended, ticket } => {
                log.push(format!("{} {name}", if extended { "hello" } else { "helo" }));
                self.recipients.clear();
                ("hello", ticket, self.scripted("hello", plain(250, &self.host)))
            }
            Event::Mail { from, params, ticket } => {
                let mut entry = format!("mail <{}>", from.as_str());
                entry.extend(params.size.map(|size| format!(" size={size}")));
                entry.extend(params.body.map(|body| match body {
                    BodyType::SevenBit => " body=7BIT",
                    BodyType::EightBitMime => " body=8BITMIME",
                    BodyType::BinaryMime => " body=BINARYMIME",
                }));
                entry.extend(params.auth.map(|auth| format!(" auth={}", auth.as_str())));
                log.push(entry);
                self.recipients.clear();
                ("mail", ticket, self.scripted("mail", answer(250, 1, 0, "sender ok")))
            }
            Event::Rcpt { to, ticket, .. } => {
                log.push(format!("rcpt <{}>", to.as_str()));
                ("rcpt", ticket, self.rcpt(to.as_str()))
            }
            Event::Data { ticket } => {
                log.push("data".to_owned());
                ("data", ticket, self.scripted("data", plain(354, "send it, end with .")))
            }
            Event::Chunk(octets) => {
                self.message.extend_from_slice(octets);
                return None;
            }
            Event::Message { size, ticket } => {
                assert_eq!(size, self.message.len() as u64, "the size told is not that of the chunks");
                ("message", ticket, self.message())
            }
            Event::Rejected { code } => {
                log.push(format!("rejected {code}"));
                self.message.clear();
                self.recipients.clear();
                return None;
            }
            Event::Auth { mechanism, initial, ticket } => {
                log.push(format!("auth {mechanism}"));
                let mechanism = Mechanism::parse(mechanism).expect("only what was offered comes");
                let (exchange, step) = Exchange::begin(mechanism, initial);
                self.exchange = Some(exchange);
                ("auth", ticket, self.step(step))
            }
            Event::Response { response, ticket } => {
                let step = self.exchange.as_mut().expect("a response follows AUTH").respond(response);
                ("auth", ticket, self.step(step))
            }
            Event::StartTls { ticket } => {
                log.push("starttls".to_owned());
                ("starttls", ticket, self.scripted("starttls", answer(220, 0, 0, "go on")))
            }
            Event::Rset { ticket } => {
                log.push("rset".to_owned());
                self.recipients.clear();
                ("rset", ticket, vec![answer(250, 0, 0, "flushed")])
            }
            Event::Noop { ticket } => {
                log.push("noop".to_owned());
                ("noop", ticket, vec![answer(250, 0, 0, "ok")])
            }
            Event::Vrfy { argument, ticket } => {
                log.push(format!("vrfy {argument}"));
                ("vrfy", ticket, vec![answer(252, 0, 0, "send it and see")])
            }
            Event::Expn { argument, ticket } => {
                log.push(format!("expn {argument}"));
                ("expn", ticket, vec![answer(502, 5, 1, "no lists are shown")])
            }
            Event::Help { topic, ticket } => {
                log.push(format!("help {topic}").trim_end().to_owned());
                ("help", ticket, self.scripted("help", answer(214, 0, 0, "see RFC 5321")))
            }
            Event::Quit { ticket } => {
                log.push("quit".to_owned());
                ("quit", ticket, vec![answer(221, 0, 0, "bye")])
            }
            Event::Refused { code } => {
                log.push(format!("refused {code}"));
                self.exchange = None;
                return None;
            }
            // How it is parted depends on how it came.
            Event::Dropped(_) => return None,
        })
    }
}

impl App<Server> for Scripted {
    fn on(&mut self, event: Event<'_>, machine: &mut Server, out: &mut Vec<u8>) {
        let Some((name, ticket, answers)) = self.event(event) else { return };
        let long = self.hold.iter().any(|held| held == name);
        if long || self.late {
            self.held = Some(Held { ticket, answers, long });
        } else {
            self.give(machine, ticket, &answers, out);
        }
    }

    fn advance(&mut self, machine: &mut Server, out: &mut Vec<u8>) -> bool {
        let Some(held) = self.held.take_if(|held| !held.long) else { return false };
        self.give(machine, held.ticket, &held.answers, out);
        true
    }

    fn act(&mut self, words: &str, machine: &mut Server, out: &mut Vec<u8>) -> Result<(), String> {
        let code = words.strip_prefix("answer").ok_or_else(|| format!("A: answer, not {words}"))?.trim();
        let mut held = self.held.take().ok_or("A: nothing is held")?;
        if !code.is_empty() {
            let code = code.parse().map_err(|_| format!("A: {code} is no code"))?;
            held.answers = vec![answer(code, 3, 0, "as scripted")];
        }
        self.give(machine, held.ticket, &held.answers, out);
        Ok(())
    }

    fn log(&self) -> &[String] {
        &self.log
    }
}
