//! The application behind an IMAP server, scripted: enough of one to show what the machine
//! understood. What mailboxes do is for the service.
//!
//! | key | is |
//! | --- | --- |
//! | `users=name:password,...` | who may log in |
//! | `tls=yes`, `secure=yes` | STARTTLS is offered; TLS is in place already |
//! | `sasl=PLAIN,LOGIN`, `clear=yes` | mechanisms; also, and LOGIN too, without TLS |
//! | `in=yes` | bob has logged in (and selected INBOX, if `in=selected`) before the dialogue |
//! | `mailboxes=INBOX,...` | which exist; only INBOX by default |
//! | `greeting=bye` | the greeting refuses |
//! | `hold=noop,...` | these commands are finished by `A: finish` only |
//! | `line= literal= literals= command= excess= append= mistakes= login= idle=` | limits |
//! | `@ message OCTETS` | a message of each mailbox, with escapes |
//!
//! Events are commands in lower case with their arguments in one form (`render`), and
//! `login NAME`, `appended MAILBOX (FLAGS) "OCTETS"`, `done`, `refused`.
//!
//! `A: exists N`, `A: expunge N` say so unasked; `A: bye`; `A: finish`.

pub(super) mod render;

use std::time::Duration;

use postkern::imap::{Astring, Code, Command, Event, Fetch, FetchItem, Server, ServerConfig, Status, Ticket, data};
use postkern::sasl::{Exchange, Mechanism, Step};

use super::bench::{App, Bench};
use crate::play::Subject;
use crate::transcript::{Header, escaped, unescape};

const KEYS: [&str; 19] = [
    "users",
    "tls",
    "secure",
    "sasl",
    "clear",
    "in",
    "mailboxes",
    "greeting",
    "hold",
    "line",
    "literal",
    "literals",
    "command",
    "excess",
    "append",
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
    let logged_in = header.key("in");
    config.tls = header.is("tls");
    config.login_in_clear = header.is("clear") || logged_in.is_some();
    config.sasl = header.mechanisms("sasl")?;
    let limits = &mut config.limits;
    for (key, limit) in [("line", &mut limits.line), ("literal", &mut limits.literal), ("command", &mut limits.command)]
    {
        if let Some(octets) = header.number(key)? {
            *limit = (octets as usize, octets as usize);
        }
    }
    if let Some(count) = header.number("literals")? {
        limits.literals = count as u32;
    }
    if let Some(octets) = header.number("excess")? {
        limits.excess = octets as usize;
    }
    if let Some(octets) = header.number("append")? {
        limits.append = octets as u32;
    }
    if let Some(count) = header.number("mistakes")? {
        limits.mistakes = (count as u16, count as u16);
    }
    for (key, limit) in [("login", &mut limits.login), ("idle", &mut limits.idle)] {
        if let Some(seconds) = header.number(key)? {
            *limit = Duration::from_secs(seconds);
        }
    }
    let messages: Result<Vec<_>, String> = header.more.iter().map(|(_, _, octets)| unescape(octets)).collect();
    let mut users = header.list("users");
    users.extend(logged_in.map(|_| "bob:secret".to_owned()));
    let app = Scripted {
        users,
        mailboxes: if header.key("mailboxes").is_some() { header.list("mailboxes") } else { vec!["INBOX".to_owned()] },
        messages: messages?,
        refuses: header.key("greeting") == Some("bye"),
        hold: header.list("hold"),
        late,
        ..Scripted::default()
    };
    let mut bench = Bench::new(Server::new(config, header.is("secure")), app);
    // What every dialogue would begin with alike.
    if logged_in.is_some() {
        bench.show(b"0 LOGIN bob secret\r\n");
    }
    if logged_in == Some("selected") {
        bench.show(b"0 SELECT INBOX\r\n");
    }
    if logged_in.is_some() {
        bench.output();
        bench.app().log.clear();
    }
    Ok(Box::new(bench))
}

#[derive(Default)]
struct Scripted {
    users: Vec<String>,
    mailboxes: Vec<String>,
    messages: Vec<Vec<u8>>,
    refuses: bool,
    hold: Vec<String>,
    late: bool,
    held: Option<(Ticket, Answer, bool)>,
    exchange: Option<Exchange>,
    /// The mailbox and flags of the message that comes, and its octets.
    appending: Option<(String, Vec<u8>)>,
    log: Vec<String>,
}

/// Untagged data, and how the command ends.
struct Answer {
    data: Vec<u8>,
    end: End,
}

enum End {
    Finish(Status, Code<'static>, &'static str),
    Capability,
    Challenge(String),
    Accept,
    Idle,
}

fn finish(status: Status, code: Code<'static>, text: &'static str) -> Answer {
    Answer { data: Vec::new(), end: End::Finish(status, code, text) }
}

fn ok() -> Answer {
    finish(Status::Ok, Code::None, "done")
}

fn with(data: impl FnOnce(&mut Vec<u8>)) -> Answer {
    let mut answer = ok();
    data(&mut answer.data);
    answer
}

impl Scripted {
    fn login(&mut self, user: &str, password: &str) -> Answer {
        if !self.users.contains(&format!("{user}:{password}")) {
            return finish(Status::No, Code::Atom("AUTHENTICATIONFAILED"), "no such account or wrong password");
        }
        self.log.push(format!("login {user}"));
        finish(Status::Ok, Code::Capability, "logged in")
    }

    fn step(&mut self, step: Step) -> Answer {
        match step {
            Step::Challenge(challenge) => Answer { data: Vec::new(), end: End::Challenge(challenge) },
            Step::Malformed => finish(Status::Bad, Code::None, "that is not of the mechanism"),
            Step::Claimed(claim) => {
                let password = String::from_utf8_lossy(&claim.password).into_owned();
                self.login(&claim.login, &password)
            }
            // Mechanisms that need more than a list of users: the service runner has them.
            _ => finish(Status::No, Code::None, "not offered here"),
        }
    }

    fn has(&self, mailbox: &Astring<'_>) -> bool {
        let name = mailbox.bytes();
        self.mailboxes.iter().any(|known| known.as_bytes() == &name[..])
            || name.eq_ignore_ascii_case(b"INBOX") && self.mailboxes.iter().any(|known| known == "INBOX")
    }

    fn count(&self) -> u32 {
        self.messages.len() as u32
    }

    fn select(&self, mailbox: &Astring<'_>, read_only: bool) -> Answer {
        if !self.has(mailbox) {
            return finish(Status::No, Code::Atom("NONEXISTENT"), "no such mailbox");
        }
        let flags = ["\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft"];
        let mut answer = with(|out| {
            data::flags(&flags, out);
            data::exists(self.count(), out);
            data::recent(0, out);
            data::ok(Code::UidValidity(1), "", out);
            data::ok(Code::UidNext(self.count() + 1), "", out);
            data::ok(Code::PermanentFlags(if read_only { &[] } else { &flags }), "", out);
        });
        let code = Code::Atom(if read_only { "READ-ONLY" } else { "READ-WRITE" });
        answer.end = End::Finish(Status::Ok, code, "selected");
        answer
    }

    fn fetch(&self, command: &Command<'_>) -> Answer {
        let Command::Fetch { set, items, .. } = command else { return ok() };
        let wanted = |message: u32| set.ranges(self.count()).any(|(from, to)| (from..=to).contains(&message));
        let piece = if self.late { 3 } else { 64 * 1024 };
        with(|out| {
            for (message, octets) in (1..).zip(&self.messages).filter(|(message, _)| wanted(*message)) {
                let mut fetch = Fetch::begin(message, out);
                for item in items.iter() {
                    match item {
                        FetchItem::Uid => fetch.number("UID", message.into(), out),
                        FetchItem::Flags => fetch.flags(&[], out),
                        FetchItem::Rfc822Size => fetch.number("RFC822.SIZE", octets.len() as u64, out),
                        FetchItem::Section { section, partial, .. } => {
                            let range = partial.map_or(0..octets.len(), |(from, many)| {
                                let from = octets.len().min(from as usize);
                                from..octets.len().min(from + many as usize)
                            });
                            fetch.section(&section, partial.map(|(from, _)| from), out);
                            fetch.literal(range.len() as u64, out);
                            octets[range].chunks(piece).for_each(|piece| {
                                fetch.octets(piece, out);
                            });
                        }
                        _ => {}
                    }
                }
                fetch.end(out);
            }
        })
    }

    fn command(&mut self, command: &Command<'_>) -> Answer {
        match command {
            Command::Capability => Answer { data: Vec::new(), end: End::Capability },
            Command::Login { user, password } => {
                let text = |string: &Astring<'_>| string.text().map(|text| text.into_owned());
                match (text(user), text(password)) {
                    (Some(user), Some(password)) => self.login(&user, &password),
                    _ => finish(Status::Bad, Code::None, "control octets in name or password"),
                }
            }
            Command::Select { mailbox, read_only } => self.select(mailbox, *read_only),
            Command::List { subscribed, .. } => with(|out| {
                self.mailboxes.iter().for_each(|name| data::list(*subscribed, &[], Some(b'/'), name, out));
            }),
            Command::Namespace => with(|out| data::namespace(b'/', out)),
            Command::Enable(_) => with(|out| data::enabled(&[], out)),
            Command::Id(_) => with(|out| data::id(&[("name", "scripted")], out)),
            Command::Search { .. } => with(|out| data::search([], out)),
            Command::Status { mailbox, items } => {
                let numbers = data::StatusNumbers { messages: self.count(), ..data::StatusNumbers::default() };
                let name = String::from_utf8_lossy(&mailbox.bytes()).into_owned();
                with(|out| data::status(&name, *items, &numbers, out))
            }
            Command::Fetch { .. } => self.fetch(command),
            Command::Copy { mailbox, .. } if !self.has(mailbox) => {
                finish(Status::No, Code::Atom("TRYCREATE"), "no such mailbox")
            }
            Command::Idle => Answer { data: Vec::new(), end: End::Idle },
            _ => ok(),
        }
    }

    fn give(machine: &mut Server, ticket: Ticket, answer: Answer, out: &mut Vec<u8>) {
        out.extend_from_slice(&answer.data);
        match answer.end {
            End::Finish(status, code, text) => machine.finish(ticket, status, code, text, out),
            End::Capability => machine.capability(ticket, out),
            End::Challenge(challenge) => machine.challenge(ticket, &challenge, out),
            End::Accept => machine.accept(ticket, out),
            End::Idle => machine.idle(ticket, out),
        }
    }

    fn event(&mut self, event: Event<'_>) -> Option<(Ticket, Answer)> {
        Some(match event {
            Event::Connect { ticket } => {
                let status = if self.refuses { Status::No } else { Status::Ok };
                (ticket, finish(status, Code::Capability, "scripted IMAP"))
            }
            Event::Command { command, ticket } => {
                self.log.push(render::command(&command));
                (ticket, self.command(&command))
            }
            Event::Authenticate { mechanism, initial, ticket } => {
                self.log.push(format!("authenticate {mechanism}"));
                let mechanism = Mechanism::parse(mechanism).expect("only what was offered comes");
                let (exchange, step) = Exchange::begin(mechanism, initial);
                self.exchange = Some(exchange);
                (ticket, self.step(step))
            }
            Event::Response { response, ticket } => {
                let step = self.exchange.as_mut().expect("a response follows AUTHENTICATE").respond(response);
                (ticket, self.step(step))
            }
            Event::Append { mailbox, flags, date, octets, ticket } => {
                let mut entry = format!("{} {}", render::string(&mailbox), render::flags(&flags));
                entry.extend(date.map(|date| format!(" @{}", date.unix())));
                self.log.push(format!("append {entry} {octets}"));
                if !self.has(&mailbox) {
                    return Some((ticket, finish(Status::No, Code::Atom("TRYCREATE"), "no such mailbox")));
                }
                self.appending = Some((entry, Vec::new()));
                (ticket, Answer { data: Vec::new(), end: End::Accept })
            }
            Event::Chunk(octets) => {
                self.appending.as_mut().expect("chunks follow APPEND").1.extend_from_slice(octets);
                return None;
            }
            Event::Appended { ticket } => {
                let (entry, octets) = self.appending.take().expect("the end follows APPEND");
                self.log.push(format!("appended {entry} \"{}\"", escaped(&octets)));
                (ticket, finish(Status::Ok, Code::AppendUid { validity: 1, uid: 9 }, "done"))
            }
            Event::Done { ticket } => {
                self.log.push("done".to_owned());
                (ticket, ok())
            }
            Event::Refused => {
                self.log.push("refused".to_owned());
                (self.exchange, self.appending) = (None, None);
                return None;
            }
            // How it is parted depends on how it came.
            Event::Dropped(_) => return None,
        })
    }
}

impl App<Server> for Scripted {
    fn on(&mut self, event: Event<'_>, machine: &mut Server, out: &mut Vec<u8>) {
        let Some((ticket, answer)) = self.event(event) else { return };
        let last = self.log.last().map(String::as_str).unwrap_or_default();
        let long = self.hold.iter().any(|held| last.split(' ').next() == Some(held));
        if long || self.late {
            self.held = Some((ticket, answer, long));
        } else {
            Self::give(machine, ticket, answer, out);
        }
    }

    fn advance(&mut self, machine: &mut Server, out: &mut Vec<u8>) -> bool {
        let Some((ticket, answer, _)) = self.held.take_if(|held| !held.2) else { return false };
        Self::give(machine, ticket, answer, out);
        true
    }

    fn act(&mut self, words: &str, machine: &mut Server, out: &mut Vec<u8>) -> Result<(), String> {
        let (verb, rest) = words.split_once(' ').unwrap_or((words, ""));
        let number = || rest.parse().map_err(|_| format!("A: {verb} wants a number"));
        match verb {
            "exists" => data::exists(number()?, out),
            "expunge" => data::expunge(number()?, out),
            "bye" => machine.bye(Code::None, "go away", out),
            "finish" => {
                let (ticket, answer, _) = self.held.take().ok_or("A: nothing is held")?;
                Self::give(machine, ticket, answer, out);
            }
            _ => return Err(format!("A: this application does not {words}")),
        }
        Ok(())
    }

    fn log(&self) -> &[String] {
        &self.log
    }
}
