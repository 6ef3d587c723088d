//! IMAP4rev1 (RFC 3501) with the extensions that [`postkern::imap`] names: one account's
//! mailboxes.
//!
//! A command is answered in `on`, or asks for jobs and is answered in `done`, or, if its
//! answer is long, is written a piece at a time in `advance`. What the client has been told
//! of its selected mailbox is the `View`; it changes only where RFC 3501 section 7.4.1 lets
//! it.

mod append;
mod fetch;
mod list;
mod mailboxes;
mod messages;
mod sync;
mod view;

use core::net::IpAddr;
use std::sync::Arc;

use postkern::imap::{Code, Command, Event, Server, ServerConfig, Status, Ticket, data, decode_mailbox};
use postkern::sasl::TlsFacts;

use self::append::Appending;
use self::fetch::Fetching;
use self::list::Listing;
use self::messages::Searching;
use self::view::View;
use super::login::{Login, Next, broken};
use crate::config::Config;
use crate::job::{AccountId, Done, Failure, MailboxId};
use crate::mailbox::MailboxName;
use crate::service::{Session, Step};

/// An IMAP session.
pub struct Imap {
    config: Arc<Config>,
    login: Login,
    account: Option<AccountId>,
    view: Option<View>,
    pending: Pending,
    fetching: Option<Fetching>,
    appending: Option<Appending>,
    listing: Option<Listing>,
}

/// What the session waits for.
#[derive(Default)]
enum Pending {
    #[default]
    Nothing,
    Check(Ticket),
    Penance(Ticket, bool),
    Select {
        ticket: Ticket,
        read_only: bool,
    },
    /// CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE.
    Change(Ticket),
    List(Ticket, list::Wanted),
    Status(Ticket, MailboxName, postkern::imap::StatusItems),
    /// Changes to the selected mailbox, then the end of the command; without one in IDLE.
    Sync(Option<Finish>),
    /// Whether APPEND's mailbox is there, then whether there is room.
    AppendTo(Ticket),
    AppendRoom(Ticket),
    AppendSpool,
    Append(Ticket),
    Fetch(fetch::Awaited),
    Store {
        ticket: Ticket,
        uid: bool,
        silent: bool,
    },
    Copy {
        ticket: Ticket,
        remove: bool,
    },
    Expunge(Ticket),
    /// The expunge that CLOSE does in silence.
    Close(Ticket),
    Search(Box<Searching>),
}

/// How a command is to end, kept until the client is told what has changed.
struct Finish {
    ticket: Ticket,
    status: Status,
    code: Kept,
    text: &'static str,
}

/// A response code that owns what it tells.
enum Kept {
    None,
    AppendUid { validity: u32, uid: u32 },
    CopyUid { validity: u32, from: String, to: String },
}

const UNAVAILABLE: (Code<'static>, &str) = (Code::Atom("UNAVAILABLE"), "local error, try again later");

impl Imap {
    /// A session for this client.
    pub fn new(config: Arc<Config>, peer: IpAddr) -> Self {
        Self {
            login: Login::new(config.clone(), peer),
            config,
            account: None,
            view: None,
            pending: Pending::Nothing,
            fetching: None,
            appending: None,
            listing: None,
        }
    }

    /// How its machine is to be made.
    pub fn machine(config: &Config) -> ServerConfig {
        let mut machine = ServerConfig::default();
        machine.tls = config.tls.is_some();
        machine.sasl = config.auth.offers(None);
        machine.login_in_clear = config.plaintext_login;
        let limits = &config.limits;
        machine.limits.append = u32::try_from(limits.message).unwrap_or(u32::MAX);
        machine.limits.mistakes = (limits.mistakes_before_login, limits.mistakes);
        (machine.limits.login, machine.limits.idle) = (limits.login_time, limits.imap_idle);
        machine.limits.excess = limits.excess;
        machine.limits.line.1 = limits.imap_line;
        (machine.limits.literal.1, machine.limits.literals) = (limits.imap_literal, limits.imap_literals);
        machine.limits.command.1 = limits.imap_command;
        machine
    }

    fn follow(&mut self, next: Next, ticket: Ticket, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        match next {
            Next::Challenge(challenge) => machine.challenge(ticket, &challenge, out),
            Next::Malformed => {
                machine.finish(ticket, Status::Bad, Code::None, "that is no response of this mechanism", out);
            }
            Next::Check(job) => {
                self.pending = Pending::Check(ticket);
                return Step::Job(job);
            }
            Next::Is(account, _) => {
                self.account = Some(account);
                machine.finish(ticket, Status::Ok, Code::Capability, "logged in", out);
            }
            Next::Wrong { wait, last } => {
                self.pending = Pending::Penance(ticket, last);
                return Step::Wait(wait);
            }
            Next::Broken => machine.finish(ticket, Status::No, UNAVAILABLE.0, UNAVAILABLE.1, out),
        }
        Step::Go
    }

    /// Commands that need no login, and the login itself.
    fn command(&mut self, command: Command<'_>, ticket: Ticket, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        match command {
            Command::Capability => machine.capability(ticket, out),
            Command::Id(_) => {
                data::id(&[("name", "Postkern")], out);
                machine.finish(ticket, Status::Ok, Code::None, "done", out);
            }
            Command::StartTls => machine.finish(ticket, Status::Ok, Code::None, "begin TLS now", out),
            Command::Logout => machine.finish(ticket, Status::Ok, Code::None, "done", out),
            Command::Noop if self.view.is_none() => machine.finish(ticket, Status::Ok, Code::None, "done", out),
            Command::Login { user, password } => {
                let Some(user) = user.text() else {
                    machine.finish(ticket, Status::No, Code::Atom("AUTHENTICATIONFAILED"), WRONG, out);
                    return Step::Go;
                };
                let next = self.login.password(&user, password.bytes().into_owned());
                return self.follow(next, ticket, machine, out);
            }
            command => match self.account {
                Some(account) => return self.authenticated(account, command, ticket, machine, out),
                None => {
                    debug_assert!(false, "a command before login");
                    machine.finish(ticket, Status::Bad, Code::None, "not in this state", out);
                }
            },
        }
        Step::Go
    }

    /// Commands on mailboxes (RFC 3501 section 6.3).
    fn authenticated(
        &mut self,
        account: AccountId,
        command: Command<'_>,
        ticket: Ticket,
        machine: &mut Server,
        out: &mut Vec<u8>,
    ) -> Step {
        match command {
            Command::Enable(_) => {
                data::enabled(&[], out);
                machine.finish(ticket, Status::Ok, Code::None, "done", out);
                Step::Go
            }
            Command::Namespace => {
                data::namespace(crate::mailbox::SEPARATOR as u8, out);
                machine.finish(ticket, Status::Ok, Code::None, "done", out);
                Step::Go
            }
            Command::Idle => {
                machine.idle(ticket, out);
                self.sync(None, machine, out)
            }
            Command::List { reference, pattern, subscribed } => {
                self.list(account, &reference.bytes(), &pattern.bytes(), subscribed, ticket, machine, out)
            }
            Command::Select { .. }
            | Command::Create(_)
            | Command::Delete(_)
            | Command::Rename { .. }
            | Command::Subscribe(_)
            | Command::Unsubscribe(_)
            | Command::Status { .. } => self.mailbox_command(account, command, ticket, machine, out),
            command => self.selected(account, command, ticket, machine, out),
        }
    }

    /// A name from the wire; answers for itself if it is none.
    fn name(&self, octets: &[u8]) -> Result<MailboxName, &'static str> {
        let name = decode_mailbox(octets).ok_or("the mailbox name is not in modified UTF-7")?;
        MailboxName::new(&name)
    }

    /// Ends a command that a failure ended.
    fn fail(&mut self, ticket: Ticket, failure: &Failure, machine: &mut Server, out: &mut Vec<u8>) {
        broken(failure);
        let (code, text) = match failure {
            Failure::NoSuchMailbox => (Code::Atom("NONEXISTENT"), "no such mailbox"),
            Failure::Exists => (Code::Atom("ALREADYEXISTS"), "there is such a mailbox already"),
            Failure::Cannot(why) => (Code::Atom("CANNOT"), *why),
            Failure::InUse => (Code::Atom("INUSE"), "the mailbox is in use"),
            Failure::Full => (Code::Atom("OVERQUOTA"), "no room on the server"),
            Failure::NoSuchMessage => (Code::Atom("EXPUNGEISSUED"), "the message is gone"),
            Failure::Busy | Failure::NoSuchAccount | Failure::Broken(_) => UNAVAILABLE,
        };
        machine.finish(ticket, Status::No, code, text, out);
    }

    /// Ends a command with what a job said, if that was no more than done or not done.
    fn finish_plain(&mut self, ticket: Ticket, done: &Done, machine: &mut Server, out: &mut Vec<u8>) {
        match done {
            Done::Failed(failure) => self.fail(ticket, failure, machine, out),
            _ => machine.finish(ticket, Status::Ok, Code::None, "done", out),
        }
    }

    fn finish(&self, finish: Finish, machine: &mut Server, out: &mut Vec<u8>) {
        let code = match &finish.code {
            Kept::None => Code::None,
            Kept::AppendUid { validity, uid } => Code::AppendUid { validity: *validity, uid: *uid },
            Kept::CopyUid { validity, from, to } => Code::CopyUid { validity: *validity, from, to },
        };
        machine.finish(finish.ticket, finish.status, code, finish.text, out);
    }
}

const WRONG: &str = "wrong login or password";

impl Finish {
    fn ok(ticket: Ticket, code: Kept) -> Self {
        Self { ticket, status: Status::Ok, code, text: "done" }
    }
}

impl Session<Server> for Imap {
    fn apology(&self) -> &'static [u8] {
        b"* BYE [SERVERBUG] internal error, try again later\r\n"
    }

    fn secured(&mut self, facts: TlsFacts, machine: &mut Server) {
        machine.set_mechanisms(self.login.secured(facts));
    }

    fn on(&mut self, event: Event<'_>, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        match event {
            Event::Connect { ticket } => {
                let text = format!("{} Postkern ready", self.config.hostname);
                machine.finish(ticket, Status::Ok, Code::Capability, &text, out);
            }
            Event::Command { command, ticket } => return self.command(command, ticket, machine, out),
            Event::Authenticate { mechanism, initial, ticket } => {
                let next = self.login.begin(mechanism, initial);
                return self.follow(next, ticket, machine, out);
            }
            Event::Response { response, ticket } => {
                let next = self.login.respond(response);
                return self.follow(next, ticket, machine, out);
            }
            Event::Append { mailbox, flags, date, octets, ticket } => {
                return self.append(&mailbox.bytes(), flags, date, octets, ticket, machine, out);
            }
            Event::Chunk(octets) => return self.append_chunk(octets),
            Event::Appended { ticket } => return self.appended(ticket, machine, out),
            Event::Done { ticket } => return self.sync(Some(Finish::ok(ticket, Kept::None)), machine, out),
            Event::Refused => {
                self.appending = None;
                if let Some(view) = &mut self.view {
                    view.idling = false;
                }
            }
            Event::Dropped(_) => {}
        }
        Step::Go
    }

    fn advance(&mut self, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        match self.list_more(machine, out) {
            true => Step::Go,
            false => self.fetch_more(machine, out),
        }
    }

    fn done(&mut self, done: Done, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        match std::mem::take(&mut self.pending) {
            Pending::Nothing => debug_assert!(false, "done without a job"),
            Pending::Check(ticket) => {
                let next = self.login.checked(done);
                return self.follow(next, ticket, machine, out);
            }
            Pending::Penance(ticket, last) => {
                machine.finish(ticket, Status::No, Code::Atom("AUTHENTICATIONFAILED"), WRONG, out);
                if last {
                    machine.bye(Code::None, "too many failed logins", out);
                }
            }
            Pending::Select { ticket, read_only } => self.selected_mailbox(ticket, read_only, done, machine, out),
            Pending::Change(ticket) => self.finish_plain(ticket, &done, machine, out),
            Pending::List(ticket, wanted) => self.listed(ticket, &wanted, done, machine, out),
            Pending::Status(ticket, name, items) => self.status(ticket, &name, items, &done, machine, out),
            Pending::Sync(finish) => self.synced(finish, done, machine, out),
            Pending::AppendTo(ticket) => return self.append_room(ticket, &done, machine, out),
            Pending::AppendRoom(ticket) => self.append_accept(ticket, &done, machine, out),
            Pending::AppendSpool => self.append_spooled(done),
            Pending::Append(ticket) => return self.append_done(ticket, &done, machine, out),
            Pending::Fetch(awaited) => return self.fetched(awaited, done, machine, out),
            Pending::Store { ticket, uid, silent } => self.stored(ticket, uid, silent, done, machine, out),
            Pending::Copy { ticket, remove } => return self.copied(ticket, remove, done, machine, out),
            Pending::Expunge(ticket) => return self.expunged(ticket, done, machine, out),
            Pending::Close(ticket) => match done {
                // Not done, and still selected: the machine takes it so too.
                Done::Failed(failure) if failure != Failure::NoSuchMailbox => {
                    self.fail(ticket, &failure, machine, out);
                }
                _ => {
                    self.view = None;
                    machine.finish(ticket, Status::Ok, Code::None, "done", out);
                }
            },
            Pending::Search(searching) => return self.searched(searching, done, machine, out),
        }
        Step::Go
    }

    fn nudge(&mut self, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        match machine.is_idling() {
            true => self.sync(None, machine, out),
            false => Step::Go,
        }
    }

    fn watching(&self) -> Option<MailboxId> {
        self.view.as_ref().filter(|view| view.idling).map(View::mailbox)
    }
}
