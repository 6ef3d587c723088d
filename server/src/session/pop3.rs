//! POP3 (RFC 1939): INBOX of one account, for one session at a time.
//!
//! The messages are those that were there at the login; what is marked deleted goes at QUIT
//! and at nothing else.

mod send;

use core::net::IpAddr;
use std::sync::Arc;

use postkern::pop3::{Command, Event, Server, ServerConfig, Ticket, Utf8};
use postkern::sasl::TlsFacts;

use self::send::Sending;
use super::login::{Login, Next, broken};
use crate::config::Config;
use crate::job::{AccountId, Done, Failure, Job, Maildrop};
use crate::mailbox::UidSet;
use crate::service::{Session, Step};

/// A POP3 session.
pub struct Pop3 {
    config: Arc<Config>,
    login: Login,
    /// USER's argument.
    user: String,
    maildrop: Option<Open>,
    pending: Pending,
    sending: Option<Sending>,
}

/// The maildrop and what was done to it.
struct Open {
    maildrop: Maildrop,
    /// For each message, whether it is marked deleted.
    deleted: Vec<bool>,
}

#[derive(Default)]
enum Pending {
    #[default]
    Nothing,
    Check(Ticket),
    Penance(Ticket, bool),
    Open(Ticket),
    /// The first octets of a message, so that a failure is still an answer.
    First(Ticket, Sending),
    /// More of the message that is being sent.
    More,
    Remove(Ticket),
}

const WRONG: &str = "[AUTH] wrong login or password";
const BROKEN: &str = "[SYS/TEMP] local error, try again later";
const NONE_SUCH: &str = "no such message";

impl Pop3 {
    /// A session for this client.
    pub fn new(config: Arc<Config>, peer: IpAddr) -> Self {
        Self {
            login: Login::new(config.clone(), peer),
            config,
            user: String::new(),
            maildrop: None,
            pending: Pending::Nothing,
            sending: None,
        }
    }

    /// How its machine is to be made.
    pub fn machine(config: &Config) -> ServerConfig {
        let mut machine = ServerConfig::default();
        machine.tls = config.tls.is_some();
        machine.sasl = config.auth.offers(None);
        (machine.utf8, machine.lang) = (Utf8::Names, true);
        machine.login_in_clear = config.plaintext_login;
        let limits = &config.limits;
        machine.limits.mistakes = (limits.mistakes_before_login, limits.mistakes);
        (machine.limits.login, machine.limits.idle) = (limits.login_time, limits.pop3_idle);
        machine.limits.excess = limits.excess;
        machine
    }

    fn follow(&mut self, next: Next, ticket: Ticket, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        match next {
            Next::Challenge(challenge) => machine.challenge(ticket, &challenge, out),
            Next::Malformed => machine.err(ticket, "that is no response of this mechanism", out),
            Next::Check(job) => {
                self.pending = Pending::Check(ticket);
                return Step::Job(job);
            }
            Next::Is(account, _) => return self.open(account, ticket),
            Next::Wrong { wait, last } => {
                self.pending = Pending::Penance(ticket, last);
                return Step::Wait(wait);
            }
            Next::Broken => machine.err(ticket, BROKEN, out),
        }
        Step::Go
    }

    fn open(&mut self, account: AccountId, ticket: Ticket) -> Step {
        self.pending = Pending::Open(ticket);
        Step::Job(Job::OpenMaildrop { account })
    }

    fn opened(&mut self, ticket: Ticket, done: Done, machine: &mut Server, out: &mut Vec<u8>) {
        match done {
            Done::Maildrop(maildrop) => {
                let deleted = vec![false; maildrop.messages.len()];
                let text = format!("{} messages", deleted.len());
                self.maildrop = Some(Open { maildrop, deleted });
                machine.ok(ticket, &text, out);
            }
            // RFC 2449 section 8.1.2.
            Done::Failed(Failure::InUse) => machine.err(ticket, "[IN-USE] the maildrop is in use", out),
            Done::Failed(failure) => {
                broken(&failure);
                machine.err(ticket, BROKEN, out);
            }
            _ => machine.err(ticket, BROKEN, out),
        }
    }

    fn command(&mut self, command: Command<'_>, ticket: Ticket, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        match command {
            Command::User(user) => {
                self.user = user.into();
                machine.ok(ticket, "send PASS", out);
            }
            Command::Pass(password) => {
                let user = std::mem::take(&mut self.user);
                let next = self.login.password(&user, password.into());
                return self.follow(next, ticket, machine, out);
            }
            Command::Capa => {
                machine.capabilities(ticket, &["EXPIRE NEVER", "IMPLEMENTATION Postkern"], out);
            }
            Command::Stls => {
                // RFC 2595 section 4: what was said in plaintext does not count.
                self.user.clear();
                machine.ok(ticket, "start TLS", out);
            }
            Command::Utf8 => machine.ok(ticket, "UTF-8 from now on", out),
            // RFC 6856 section 3: English is what there is.
            Command::Lang(None) => {
                let mut body = machine.begin(ticket, "languages follow", out);
                machine.write(&mut body, b"en English\r\n", out);
                machine.end(body, out);
            }
            Command::Lang(Some(range)) if range == "*" || range.eq_ignore_ascii_case("en") => {
                machine.ok(ticket, "en English it is", out);
            }
            Command::Lang(Some(_)) => machine.err(ticket, "no such language here", out),
            Command::Noop => machine.ok(ticket, "ok", out),
            Command::Quit => return self.quit(ticket, machine, out),
            _ => return self.transaction(command, ticket, machine, out),
        }
        Step::Go
    }

    /// RFC 1939 section 5: the commands on messages.
    fn transaction(&mut self, command: Command<'_>, ticket: Ticket, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        let Some(open) = &mut self.maildrop else {
            debug_assert!(false, "the transaction state without a maildrop");
            machine.err(ticket, BROKEN, out);
            return Step::Go;
        };
        match command {
            Command::Stat => {
                let (count, octets) = open.total();
                machine.ok(ticket, &format!("{count} {octets}"), out);
            }
            Command::List(Some(number)) => match open.message(number) {
                Some((_, size)) => machine.ok(ticket, &format!("{number} {size}"), out),
                None => machine.err(ticket, NONE_SUCH, out),
            },
            Command::Uidl(Some(number)) => match open.message(number) {
                Some((uid, _)) => machine.ok(ticket, &format!("{number} {}", open.unique_id(uid)), out),
                None => machine.err(ticket, NONE_SUCH, out),
            },
            Command::List(None) => {
                let (count, octets) = open.total();
                let text = format!("{count} messages ({octets} octets)");
                self.sending = Some(Sending::list(machine.begin(ticket, &text, out), false));
            }
            Command::Uidl(None) => {
                self.sending = Some(Sending::list(machine.begin(ticket, "unique-ids follow", out), true));
            }
            Command::Retr(number) => return self.send(number, None, ticket, machine, out),
            Command::Top(number, lines) => return self.send(number, Some(lines), ticket, machine, out),
            Command::Dele(number) => match open.message(number) {
                Some(_) => {
                    open.deleted[number as usize - 1] = true;
                    machine.ok(ticket, "marked for deletion", out);
                }
                None => machine.err(ticket, NONE_SUCH, out),
            },
            Command::Rset => {
                open.deleted.fill(false);
                machine.ok(ticket, "ok", out);
            }
            // APOP is not offered: it would need the password itself.
            Command::User(_) | Command::Pass(_) | Command::Apop { .. } | Command::Capa | Command::Stls => {
                debug_assert!(false, "answered by `command`");
                machine.err(ticket, BROKEN, out);
            }
            Command::Utf8 | Command::Lang(_) | Command::Noop | Command::Quit => {
                debug_assert!(false, "answered by `command`");
                machine.err(ticket, BROKEN, out);
            }
        }
        Step::Go
    }

    /// RFC 1939 section 6: UPDATE. The maildrop is released before the reply, so that a client
    /// which connects again at once finds it free.
    fn quit(&mut self, ticket: Ticket, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        let gone = self.maildrop.as_ref().map(|open| (open.maildrop.mailbox, open.marked()));
        match gone {
            Some((mailbox, uids)) if !uids.is_empty() => {
                self.pending = Pending::Remove(ticket);
                Step::Job(Job::Remove { mailbox, uids })
            }
            _ => {
                self.maildrop = None;
                machine.ok(ticket, "bye", out);
                Step::Go
            }
        }
    }

    fn removed(&mut self, ticket: Ticket, done: &Done, machine: &mut Server, out: &mut Vec<u8>) {
        self.maildrop = None;
        match done {
            Done::Expunged(_) => machine.ok(ticket, "bye", out),
            other => {
                if let Done::Failed(failure) = other {
                    broken(failure);
                }
                machine.err(ticket, "[SYS/TEMP] the messages were not removed", out);
            }
        }
    }
}

impl Open {
    /// UID and octets of a message that is not marked deleted, by its number.
    fn message(&self, number: u32) -> Option<(u32, u64)> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let deleted = *self.deleted.get(index)?;
        self.maildrop.messages.get(index).filter(|_| !deleted).copied()
    }

    /// Messages that are not marked deleted, and their octets.
    fn total(&self) -> (usize, u64) {
        let live = self.maildrop.messages.iter().zip(&self.deleted).filter(|&(_, &deleted)| !deleted);
        live.fold((0, 0), |(count, octets), (&(_, size), _)| (count + 1, octets + size))
    }

    fn marked(&self) -> UidSet {
        let marked = self.maildrop.messages.iter().zip(&self.deleted).filter(|&(_, &deleted)| deleted);
        marked.map(|(&(uid, _), _)| uid).collect()
    }

    /// RFC 1939 section 7: unique for ever within the maildrop, 1 to 70 printable octets.
    fn unique_id(&self, uid: u32) -> String {
        format!("{:08x}{uid:08x}", self.maildrop.uid_validity)
    }
}

impl Session<Server> for Pop3 {
    fn apology(&self) -> &'static [u8] {
        b"-ERR [SYS/TEMP] internal error, try again later\r\n"
    }

    fn secured(&mut self, facts: TlsFacts, machine: &mut Server) {
        machine.set_mechanisms(self.login.secured(facts));
    }

    fn on(&mut self, event: Event<'_>, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        match event {
            Event::Connect { ticket } => {
                let text = format!("{} Postkern ready", self.config.hostname);
                machine.ok(ticket, &text, out);
            }
            Event::Command { command, ticket } => return self.command(command, ticket, machine, out),
            Event::Auth { mechanism, initial, ticket } => {
                let next = self.login.begin(mechanism, initial);
                return self.follow(next, ticket, machine, out);
            }
            Event::Response { response, ticket } => {
                let next = self.login.respond(response);
                return self.follow(next, ticket, machine, out);
            }
            Event::Refused | Event::Dropped(_) => {}
        }
        Step::Go
    }

    fn advance(&mut self, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        self.go_on_sending(machine, out)
    }

    fn done(&mut self, done: Done, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        match std::mem::take(&mut self.pending) {
            Pending::Nothing => debug_assert!(false, "done without a job"),
            Pending::Check(ticket) => {
                let next = self.login.checked(done);
                return self.follow(next, ticket, machine, out);
            }
            Pending::Penance(ticket, last) => {
                machine.err(ticket, WRONG, out);
                if last {
                    postkern::Machine::shut_down(machine, out);
                }
            }
            Pending::Open(ticket) => self.opened(ticket, done, machine, out),
            Pending::First(ticket, sending) => self.first(ticket, sending, done, machine, out),
            Pending::More => self.more(done, machine, out),
            Pending::Remove(ticket) => self.removed(ticket, &done, machine, out),
        }
        Step::Go
    }
}
