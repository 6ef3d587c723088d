//! The IMAP machines.

use postkern::Conn;
use postkern::imap::data::{Fetch, put_astring};
use postkern::imap::{
    Code, Command, DateTime, Event, FetchItem, FetchItems, SearchKey, SearchKeys, SearchToken, SequenceSet, Server,
    ServerConfig, Status, Ticket, decode_mailbox,
};
use postkern::sasl::{Exchange, Mechanism, Mechanisms, Step};

use crate::drive::{App, Input, Log, any_cut};

/// A server. Variant: 0 in the selected state from the start, 1 in TLS, 2 login in clear, 3
/// small limits.
pub fn imap_server(data: &[u8]) {
    let input = Input::new(data);
    let config = config(&input);
    let octets = [if input.has(0) { LOGIN } else { b"" }, input.octets].concat();
    let input = Input { octets: &octets, ..input };
    any_cut(&input, |late| (Conn::new(Server::new(config, input.has(1))), Application { late, ..Default::default() }));
}

/// One command in the selected state: the octets are all between its tag and its CRLF.
pub fn imap_command(data: &[u8]) {
    let octets = [LOGIN, b"a3 ", data, b"\r\n"].concat();
    let input = Input { octets: &octets, ..Input::new(&[1]) };
    let config = config(&input);
    any_cut(&input, |late| (Conn::new(Server::new(config, false)), Application { late, ..Default::default() }));
}

/// The items of a FETCH alone: what is read is walked, and its sections are written back.
pub fn imap_fetch(data: &[u8]) {
    if let Some(items) = FetchItems::parse(data) {
        assert_eq!(items.as_bytes(), data);
        walk_items(items);
    }
}

const LOGIN: &[u8] = b"a1 LOGIN bob pw\r\na2 SELECT INBOX\r\n";

fn config(input: &Input<'_>) -> ServerConfig {
    let mut config = ServerConfig::default();
    config.tls = !input.has(1);
    config.sasl = Mechanisms::PASSWORD;
    config.login_in_clear = input.has(2) || input.has(0) || input.octets.starts_with(LOGIN);
    if input.has(3) {
        config.limits.line = (64, 128);
        config.limits.literal = (16, 32);
        config.limits.literals = 3;
        config.limits.command = (128, 256);
        config.limits.excess = 128;
        config.limits.append = 64;
        config.limits.mistakes = (3, 5);
    }
    config
}

#[derive(Default)]
struct Application {
    late: bool,
    held: Option<(Ticket, Answer)>,
    sasl: Option<Exchange>,
}

enum Answer {
    Status(Status),
    Capability,
    Challenge(String),
    Accept,
    Idle,
    Fetch(Vec<u8>),
}

impl Application {
    fn step(&mut self, (exchange, step): (Exchange, Step)) -> Answer {
        match step {
            Step::Challenge(challenge) => {
                self.sasl = Some(exchange);
                Answer::Challenge(challenge)
            }
            Step::Claimed(claim) if claim.login == "bob" => Answer::Status(Status::Ok),
            Step::Claimed(_) => Answer::Status(Status::No),
            _ => Answer::Status(Status::Bad),
        }
    }
}

impl App<Server> for Application {
    fn on(&mut self, event: Event<'_>, server: &mut Server, out: &mut Vec<u8>, log: &mut Log) {
        match &event {
            Event::Chunk(octets) => log.octets(octets),
            Event::Dropped(_) => {}
            other => log.event(other),
        }
        let (ticket, answer) = match event {
            Event::Chunk(_) | Event::Dropped(_) | Event::Refused => return,
            Event::Connect { ticket } => (ticket, Answer::Status(Status::Ok)),
            Event::Authenticate { mechanism, initial, ticket } => match Mechanism::parse(mechanism) {
                Some(mechanism) => {
                    let step = Exchange::begin(mechanism, initial);
                    (ticket, self.step(step))
                }
                None => (ticket, Answer::Status(Status::No)),
            },
            Event::Response { response, ticket } => match self.sasl.take() {
                Some(mut exchange) => {
                    let step = exchange.respond(response);
                    (ticket, self.step((exchange, step)))
                }
                None => (ticket, Answer::Status(Status::Bad)),
            },
            Event::Append { mailbox, flags, date, ticket, .. } => {
                flags.iter().for_each(|flag| log.event(&flag));
                date.into_iter().for_each(check_date);
                let refused = mailbox.bytes() == &b"no"[..];
                (ticket, if refused { Answer::Status(Status::No) } else { Answer::Accept })
            }
            Event::Appended { ticket } | Event::Done { ticket } => (ticket, Answer::Status(Status::Ok)),
            Event::Command { command, ticket } => (ticket, walk(command, log)),
        };
        self.held = Some((ticket, answer));
        if !self.late {
            self.advance(server, out);
        }
    }

    fn advance(&mut self, server: &mut Server, out: &mut Vec<u8>) -> bool {
        let Some((ticket, answer)) = self.held.take() else { return false };
        match answer {
            Answer::Status(status) => server.finish(ticket, status, Code::None, "done", out),
            Answer::Capability => server.capability(ticket, out),
            Answer::Challenge(challenge) => server.challenge(ticket, &challenge, out),
            Answer::Accept => server.accept(ticket, out),
            Answer::Idle => server.idle(ticket, out),
            Answer::Fetch(response) => {
                out.extend_from_slice(&response);
                server.finish(ticket, Status::Ok, Code::None, "done", out);
            }
        }
        assert!(out.is_empty() || out.ends_with(b"\r\n"));
        true
    }
}

/// Looks at all that a command holds, as an application does.
fn walk(command: Command<'_>, log: &mut Log) -> Answer {
    match command {
        Command::Capability => return Answer::Capability,
        Command::Idle => return Answer::Idle,
        Command::Login { user, password } => {
            let wrong = user.text().as_deref() != Some("bob") || password.bytes() != &b"pw"[..];
            return Answer::Status(if wrong { Status::No } else { Status::Ok });
        }
        Command::Id(fields) => {
            for (field, value) in fields.iter() {
                log.event(&(field.text(), value.map(|value| value.bytes())));
            }
        }
        Command::Enable(words) => words.iter().for_each(|word| log.event(&word)),
        Command::Select { mailbox, .. } | Command::Status { mailbox, .. } => {
            log.event(&decode_mailbox(&mailbox.bytes()))
        }
        Command::Create(mailbox)
        | Command::Delete(mailbox)
        | Command::Subscribe(mailbox)
        | Command::Unsubscribe(mailbox) => {
            let mut written = Vec::new();
            put_astring(&mailbox.bytes(), &mut written);
            assert!(!written.is_empty());
        }
        Command::Rename { from, to } => log.event(&(from.text(), to.text())),
        Command::List { reference, pattern, .. } => log.event(&(reference.bytes(), pattern.bytes())),
        Command::Search { charset, keys, .. } => {
            log.event(&charset.map(|charset| charset.bytes()));
            walk_keys(keys, log);
        }
        Command::Fetch { set, items, .. } => {
            check_set(set);
            return Answer::Fetch(walk_items(items));
        }
        Command::Store { set, flags, .. } => {
            check_set(set);
            flags.iter().for_each(|flag| log.event(&flag));
        }
        Command::Copy { set, mailbox, .. } => {
            check_set(set);
            log.event(&mailbox.text());
        }
        Command::Expunge(set) => set.into_iter().for_each(check_set),
        Command::Noop
        | Command::Logout
        | Command::StartTls
        | Command::Namespace
        | Command::Check
        | Command::Close
        | Command::Unselect => {}
    }
    Answer::Status(Status::Ok)
}

/// Keys come out of a checked list in such an order that a stack can evaluate them.
fn walk_keys(keys: SearchKeys<'_>, log: &mut Log) {
    let mut open = 0_usize;
    for token in keys.iter() {
        match token {
            SearchToken::Open => open += 1,
            SearchToken::Close => open = open.checked_sub(1).expect("a parenthesis closes what none opened"),
            SearchToken::Key(SearchKey::Sequence(set) | SearchKey::Uid(set)) => check_set(set),
            token => log.event(&token),
        }
    }
    assert_eq!(open, 0, "a parenthesis is left open");
}

/// A set's ranges are never reversed, and the set reads the same again.
pub(crate) fn check_set(set: SequenceSet<'_>) {
    assert_eq!(SequenceSet::parse(set.as_bytes()), Some(set));
    for star in [1, 7, u32::MAX] {
        assert!(set.ranges(star).all(|(low, high)| 0 < low && low <= high));
    }
}

/// A date that was read is written in a form that means the same.
fn check_date(date: DateTime) {
    let mut written = Vec::new();
    date.write(&mut written);
    assert_eq!(written.len(), 28, "{}", String::from_utf8_lossy(&written));
    let again = DateTime::from_unix(date.unix()).expect("it is a day of the calendar");
    assert_eq!(again.unix(), date.unix());
}

/// Writes a response to each item; its section, read again, is the same.
fn walk_items(items: FetchItems<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut fetch = Fetch::begin(1, &mut out);
    for item in items.iter() {
        let FetchItem::Section { section, partial, .. } = item else {
            fetch.number("UID", 1, &mut out);
            continue;
        };
        assert!(section.part().all(|part| part > 0));
        let mut again = b"BODY[".to_vec();
        section.write(&mut again);
        again.push(b']');
        let read = FetchItems::parse(&again).expect("a section that was written can be read");
        let mut rewritten = b"BODY[".to_vec();
        match read.iter().next() {
            Some(FetchItem::Section { section, .. }) => section.write(&mut rewritten),
            other => panic!("{other:?} is no section"),
        }
        rewritten.push(b']');
        assert_eq!(again, rewritten);
        fetch.section(&section, partial.map(|(from, _)| from), &mut out);
        fetch.literal(3, &mut out);
        fetch.octets(b"a\r", &mut out);
        fetch.octets(b"\n", &mut out);
    }
    fetch.end(&mut out);
    out
}
