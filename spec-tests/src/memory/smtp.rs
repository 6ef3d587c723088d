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
//! | `greeting= hello= mail= data= bdat= message= starttls= help=` | the code answered instead of the usual one |
//! | `offers=CHUNKING,DELIVERBY:60,...` | extensions, as the answer to EHLO names them; `FUTURERELEASE:SECONDS:UNTIL` |
//! | `bare=normalise`, `early=refuse` | what becomes of bare newlines, and of clients that speak too early |
//! | `hold=mail,...` | these commands are answered by `A: answer` or `A: answer CODE` only |
//! | `line= auth_line= excess= message_max= discard= recipients= messages= mistakes= refusals= login= command= rate=` | limits |
//!
//! Events: `hello NAME`, `helo NAME`, `mail <PATH> size=N body=8BITMIME auth=X ...`,
//! `rcpt <PATH> notify=X ...`, `data`, `bdat`, `message "OCTETS"`, `rejected CODE`,
//! `auth MECHANISM`, `user NAME`, `starttls`, `rset`, `noop`, `vrfy X`, `expn X`, `help X`,
//! `etrn X`, `xclient NAME=VALUE ...`, `quit`, `refused CODE`, `tolerated X`.

use std::time::Duration;

use postkern::sasl::{Exchange, Mechanism, Step};
use postkern::smtp::{
    BareNewline, BodyType, Enhanced, Event, FutureRelease, Hold, MailParams, Offers, Protocol, RcptParams, Reply,
    RrvsAction, Server, ServerConfig, Ticket, XclientValue,
};

use super::bench::{App, Bench};
use crate::play::Subject;
use crate::transcript::{Header, escaped};

const KEYS: [&str; 32] = [
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
    "messages",
    "offers",
    "bare",
    "early",
    "bdat",
    "discard",
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
    config.offers = offers(&header.list("offers"))?;
    config.bare_newline = match header.key("bare") {
        None => BareNewline::Refuse,
        Some("normalise") => BareNewline::Normalise,
        Some(other) => return Err(format!("bare={other}")),
    };
    config.forbid_early_pipelining = header.key("early") == Some("refuse");
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
    if let Some(octets) = number("discard")? {
        limits.discard = octets;
    }
    if let Some(count) = number("recipients")? {
        limits.recipients = count as u32;
    }
    limits.messages = number("messages")?.map(|count| count as u32);
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
    for key in ["greeting", "hello", "mail", "data", "bdat", "message", "starttls", "help"] {
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

/// Extensions by the names that EHLO lists them by.
fn offers(names: &[String]) -> Result<Offers, String> {
    let mut offers = Offers::NONE;
    for name in names {
        let (name, rest) = name.split_once(':').unwrap_or((name, ""));
        let number = |text: &str| text.parse().map_err(|_| format!("offers={name}:{text} is no number"));
        match name {
            "SMTPUTF8" => offers.smtp_utf8 = true,
            "CHUNKING" => offers.chunking = true,
            "BINARYMIME" => offers.binary_mime = true,
            "DSN" => offers.dsn = true,
            "REQUIRETLS" => offers.require_tls = true,
            "MT-PRIORITY" => offers.mt_priority = true,
            "ETRN" => offers.etrn = true,
            "RRVS" => offers.rrvs = true,
            "XCLIENT" => offers.xclient = true,
            "LIMITS" => offers.limits = true,
            "DELIVERBY" if rest.is_empty() => offers.deliver_by = Some(0),
            "DELIVERBY" => offers.deliver_by = Some(number(rest)?),
            "FUTURERELEASE" => {
                let (seconds, until) = rest.split_once(':').ok_or("FUTURERELEASE:SECONDS:UNTIL")?;
                offers.future_release = Some(FutureRelease { seconds: number(seconds)?, until: number(until)? });
            }
            _ => return Err(format!("offers={name}")),
        }
    }
    Ok(offers)
}

fn said_of_mail(params: &MailParams<'_>) -> String {
    let mut said = String::new();
    said.extend(params.size.map(|size| format!(" size={size}")));
    said.extend(params.body.map(|body| match body {
        BodyType::SevenBit => " body=7BIT",
        BodyType::EightBitMime => " body=8BITMIME",
        BodyType::BinaryMime => " body=BINARYMIME",
    }));
    said.extend(params.smtp_utf8.then_some(" smtputf8"));
    said.extend(params.auth.map(|auth| format!(" auth={}", auth.as_str())));
    said.extend(params.ret.map(|ret| format!(" ret={}", ret.as_str())));
    said.extend(params.envid.map(|envid| format!(" envid={}", String::from_utf8_lossy(&envid.decode()))));
    said.extend(params.require_tls.then_some(" requiretls"));
    said.extend(params.hold.map(|hold| match hold {
        Hold::For(seconds) => format!(" holdfor={seconds}"),
        Hold::Until(moment) => format!(" holduntil={moment}"),
    }));
    said.extend(
        params.by.map(|by| format!(" by={} {:?}{}", by.seconds, by.mode, if by.trace { " trace" } else { "" })),
    );
    said.extend(params.priority.map(|priority| format!(" priority={}", priority.get())));
    said
}

fn said_of_recipient(params: &RcptParams<'_>) -> String {
    let mut said = String::new();
    said.extend(params.notify.map(|notify| format!(" notify={notify}")));
    said.extend(params.orcpt.map(|orcpt| format!(" orcpt={} {}", orcpt.address_type(), orcpt.decode())));
    said.extend(
        params.rrvs.map(|rrvs| {
            format!(" rrvs={}{}", rrvs.since, if rrvs.action == RrvsAction::Reject { " reject" } else { "" })
        }),
    );
    said
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
            // Mechanisms that need more than a list of users: the service runner has them.
            _ => answer(535, 7, 8, "not offered here"),
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
                self.message.clear();
                ("hello", ticket, self.scripted("hello", plain(250, &self.host)))
            }
            Event::Mail { from, params, ticket } => {
                log.push(format!("mail <{}>{}", from.as_str(), said_of_mail(&params)));
                self.recipients.clear();
                ("mail", ticket, self.scripted("mail", answer(250, 1, 0, "sender ok")))
            }
            Event::Rcpt { to, params, ticket } => {
                log.push(format!("rcpt <{}>{}", to.as_str(), said_of_recipient(&params)));
                ("rcpt", ticket, self.rcpt(to.as_str()))
            }
            Event::Data { chunked, ticket } => {
                let name = if chunked { "bdat" } else { "data" };
                log.push(name.to_owned());
                (name, ticket, self.scripted(name, plain(354, "send it, end with .")))
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
                self.message.clear();
                ("rset", ticket, vec![answer(250, 0, 0, "flushed")])
            }
            Event::Noop { ticket } => {
                log.push("noop".to_owned());
                ("noop", ticket, vec![answer(250, 0, 0, "ok")])
            }
            Event::Vrfy { argument, utf8, ticket } => {
                log.push(format!("vrfy {argument}{}", if utf8 { " utf8" } else { "" }));
                ("vrfy", ticket, vec![answer(252, 0, 0, "send it and see")])
            }
            Event::Expn { argument, utf8, ticket } => {
                log.push(format!("expn {argument}{}", if utf8 { " utf8" } else { "" }));
                ("expn", ticket, vec![answer(502, 5, 1, "no lists are shown")])
            }
            Event::Help { topic, ticket } => {
                log.push(format!("help {topic}").trim_end().to_owned());
                ("help", ticket, self.scripted("help", answer(214, 0, 0, "see RFC 5321")))
            }
            Event::Etrn { argument, ticket } => {
                log.push(format!("etrn {argument}"));
                ("etrn", ticket, vec![answer(250, 0, 0, "queuing started")])
            }
            Event::Xclient { attributes, ticket } => {
                let each = attributes.attributes().map(|(attribute, value)| match value {
                    XclientValue::Is(value) => {
                        format!(" {}={}", attribute.name(), String::from_utf8_lossy(&value.decode()))
                    }
                    other => format!(" {}={other:?}", attribute.name()),
                });
                log.push(format!("xclient{}", each.collect::<String>()));
                self.recipients.clear();
                ("xclient", ticket, self.scripted("greeting", plain(220, &format!("{} ESMTP", self.host))))
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
        let tolerated = machine.tolerated();
        for (is, name) in [(tolerated.bare_newline, "bare newline"), (tolerated.underscore, "underscore")] {
            if is {
                self.log.push(format!("tolerated {name}"));
            }
        }
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
