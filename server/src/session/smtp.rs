//! SMTP for mail that comes in (RFC 5321), that is submitted (RFC 6409), and LMTP (RFC 2033).
//!
//! - Inbound: for domains of ours only, or from networks that may relay; recipients are known
//!   at RCPT, so that nothing is accepted and bounced after (RFC 5321 section 6.2).
//! - Submission: after a login only, from addresses of the account's own, to anywhere.
//! - LMTP: for domains of ours only.
//!
//! The message's octets go to the store as they come; its 250 is said when the store has
//! committed it.

mod message;
mod offers;
mod recipient;
mod sender;
mod turn;
mod verify;

use core::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use postkern::sasl::TlsFacts;
use postkern::smtp::{Enhanced, Event, Reply, Server, Ticket, Xclient, XclientAttribute, XclientValue};

use crate::config::{Config, Listener};
use crate::downgrade::Downgrade;
use crate::fixup::Fixup;
use crate::job::{AccountId, Done, Job, Local, Spool};
use crate::queue::{RecipientTerms, Remote, Terms};
use crate::service::{Session, Step};
use crate::trace::HeaderScan;

use self::recipient::Recipient;
use self::sender::Sender;
use self::verify::Verify;
use super::login::{Login, Next, broken};

/// A session of SMTP, submission or LMTP.
pub struct Smtp {
    config: Arc<Config>,
    listener: Listener,
    /// The client: who connected, or for whom that one speaks (XCLIENT).
    peer: IpAddr,
    connected: IpAddr,
    /// What the client calls itself.
    hello: String,
    /// What the client behind it calls itself (XCLIENT HELO), which counts instead.
    behind: Option<String>,
    login: Login,
    /// Who submits.
    account: Option<(AccountId, String)>,
    transaction: Transaction,
    pending: Pending,
}

/// What belongs to one message.
#[derive(Default)]
struct Transaction {
    reverse_path: String,
    /// What the sender asked for.
    terms: Terms,
    /// Octets that MAIL announced.
    announced: u64,
    /// The recipient, if there is one only, for the trace line.
    recipient: Option<String>,
    recipients: u32,
    local: Vec<Local>,
    remote: Vec<Remote>,
    expanded: Vec<Remote>,
    header: HeaderScan,
    spool: Spool,
    /// What repairs one that is submitted.
    fixup: Option<Box<Fixup>>,
    /// Makes lines of a message that has none (BINARYMIME).
    downgrade: Option<Box<Downgrade>>,
    /// The store could not take its octets: what its end is answered with.
    failed: Option<Reply<'static>>,
}

/// What the session waits for.
#[derive(Default)]
enum Pending {
    #[default]
    Nothing,
    /// The time before the greeting; and then that the machine has seen who talked in it.
    Greeting(Ticket),
    Check(Ticket),
    /// The time that a wrong password costs; whether the connection ends then.
    Penance(Ticket, bool),
    Sender(Box<Sender>),
    Recipient(Box<Recipient>),
    Verify(Box<Verify>),
    Turn(Ticket),
    Room(Ticket),
    Spool,
    Commit(Ticket),
}

/// A client of whom nothing is known: no network has it.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

const AUTHENTICATED: Reply<'static> = Reply::new(235, Enhanced(2, 7, 0), "authenticated");
const WRONG: Reply<'static> = Reply::new(535, Enhanced(5, 7, 8), "authentication credentials invalid");
const WRONG_LAST: Reply<'static> = Reply::new(421, Enhanced(4, 7, 0), "too many failed logins");
const MALFORMED: Reply<'static> = Reply::new(501, Enhanced(5, 5, 2), "that is no response of this mechanism");
const LOGIN_BROKEN: Reply<'static> = Reply::new(454, Enhanced(4, 7, 0), "temporary authentication failure");
/// RFC 5321 section 4.1.1.8.
const HELP: Reply<'static> = Reply::new(
    214,
    Enhanced(2, 0, 0),
    "this is Postkern, which speaks SMTP as RFC 5321 has it\nsend mail about it to postmaster",
);
const BROKEN: Reply<'static> = Reply::new(451, Enhanced(4, 3, 0), "local error, try again later");
const FULL: Reply<'static> = Reply::new(452, Enhanced(4, 3, 1), "insufficient storage, try again later");

impl Smtp {
    /// A session on this listener, for this client.
    pub fn new(config: Arc<Config>, listener: Listener, peer: IpAddr) -> Self {
        Self {
            login: Login::new(config.clone(), peer),
            config,
            listener,
            peer,
            connected: peer,
            hello: String::new(),
            behind: None,
            account: None,
            transaction: Transaction::default(),
            pending: Pending::Nothing,
        }
    }

    /// Strangers are greeted after a pause, short as it may be: who talks in it is no mail
    /// server (RFC 5321 section 3.1), and the machine says so.
    fn connect(&mut self, ticket: Ticket, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        if self.listener == Listener::Smtp && !self.config.may_relay(self.peer) {
            self.pending = Pending::Greeting(ticket);
            return Step::Wait(self.config.inbound.greet_pause);
        }
        self.greet(ticket, machine, out);
        Step::Go
    }

    /// What was said does not count any more.
    fn forget(&mut self) {
        let fresh = Self::new(self.config.clone(), self.listener, self.connected);
        *self = Self { peer: self.peer, behind: self.behind.take(), ..fresh };
        self.login.set_peer(self.peer);
    }

    /// XCLIENT: a filter in front of us says whom it speaks for. Its LOGIN does not count: who
    /// submits logs in here.
    ///
    /// Whoever it speaks for has not the filter's own rights: without an address that is one, it
    /// is [`NOBODY`], even if the filter goes on where it is refused.
    fn xclient(&mut self, attributes: Xclient<'_>) -> Reply<'static> {
        if !self.config.may_xclient(self.connected) {
            return Reply::new(550, Enhanced(5, 7, 0), "not for you");
        }
        let said = attributes.get(XclientAttribute::Addr);
        let (peer, is_right) = match (said, attributes.address()) {
            (Some(XclientValue::Is(_)), None) => (NOBODY, false),
            (Some(_), None) => (NOBODY, true),
            (_, Some(address)) => (address.to_canonical(), true),
            // What is told may come in several commands.
            (None, None) if self.peer != self.connected => (self.peer, true),
            (None, None) => (NOBODY, true),
        };
        tracing::info!(%peer, by = %self.connected, "speaks for another (XCLIENT)");
        self.behind = match attributes.get(XclientAttribute::Helo) {
            Some(XclientValue::Is(name)) => Some(String::from_utf8_lossy(&name.decode()).into_owned()),
            Some(_) => Some(String::new()),
            None if said.is_none() => self.behind.take(),
            None => None,
        };
        (self.peer, self.account, self.hello) = (peer, None, String::new());
        self.transaction = Transaction::default();
        // TLS stays as it was.
        self.login.set_peer(peer);
        if !is_right {
            return Reply::new(501, Enhanced(5, 5, 4), "ADDR is no address");
        }
        Reply::new(220, Enhanced(2, 0, 0), "ok")
    }

    fn greet(&mut self, ticket: Ticket, machine: &mut Server, out: &mut Vec<u8>) {
        let kind = if self.listener == Listener::Lmtp { "LMTP" } else { "ESMTP" };
        let text = format!("{} {kind} Postkern", self.config.hostname);
        machine.reply(ticket, &Reply::plain(220, &text), out);
    }

    fn follow(&mut self, next: Next, ticket: Ticket, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        match next {
            Next::Challenge(challenge) => machine.reply(ticket, &Reply::plain(334, &challenge), out),
            Next::Malformed => machine.reply(ticket, &MALFORMED, out),
            Next::Check(job) => {
                self.pending = Pending::Check(ticket);
                return Step::Job(job);
            }
            Next::Is(account, login) => {
                self.account = Some((account, login));
                machine.reply(ticket, &AUTHENTICATED, out);
            }
            Next::Wrong { wait, last } => {
                self.pending = Pending::Penance(ticket, last);
                return Step::Wait(wait);
            }
            Next::Broken => machine.reply(ticket, &LOGIN_BROKEN, out),
        }
        Step::Go
    }

    fn tolerations(&self, machine: &mut Server) {
        let tolerated = machine.tolerated();
        if tolerated.any() {
            tracing::debug!(peer = %self.peer, ?tolerated, "tolerated");
        }
    }
}

fn is_submission(listener: Listener) -> bool {
    matches!(listener, Listener::Submission | Listener::Submissions)
}

impl Session<Server> for Smtp {
    fn apology(&self) -> &'static [u8] {
        b"421 4.3.0 internal error, try again later\r\n"
    }

    fn secured(&mut self, facts: TlsFacts, machine: &mut Server) {
        let mechanisms = self.login.secured(facts);
        if is_submission(self.listener) {
            machine.set_mechanisms(mechanisms);
        }
    }

    fn on(&mut self, event: Event<'_>, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        let (ticket, reply) = match event {
            Event::Connect { ticket } => return self.connect(ticket, machine, out),
            Event::Hello { name, ticket, .. } => {
                self.hello = name.into();
                self.transaction = Transaction::default();
                let text = format!("{} greets you", self.config.hostname);
                machine.reply(ticket, &Reply::plain(250, &text), out);
                return Step::Go;
            }
            Event::Auth { mechanism, initial, ticket } => {
                let next = self.login.begin(mechanism, initial);
                return self.follow(next, ticket, machine, out);
            }
            Event::Response { response, ticket } => {
                let next = self.login.respond(response);
                return self.follow(next, ticket, machine, out);
            }
            Event::Mail { from, params, ticket } => {
                self.tolerations(machine);
                return self.mail(from, &params, ticket, machine, out);
            }
            Event::Rcpt { to, params, ticket } => {
                self.tolerations(machine);
                return self.rcpt(to, RecipientTerms::of(&params), ticket, machine, out);
            }
            Event::Data { ticket, .. } => {
                self.pending = Pending::Room(ticket);
                return Step::Job(Job::Room { octets: self.transaction.announced });
            }
            Event::Chunk(octets) => return self.chunk(octets),
            Event::Message { ticket, .. } => {
                self.tolerations(machine);
                return self.message(ticket, machine, out);
            }
            Event::Rejected { code } => {
                tracing::info!(peer = %self.peer, code, "message refused");
                self.transaction = Transaction::default();
                return Step::Go;
            }
            Event::StartTls { ticket } => {
                // RFC 3207 section 4.2: what was said in plaintext does not count.
                self.forget();
                (ticket, Reply::START_TLS)
            }
            Event::Rset { ticket } => {
                self.transaction = Transaction::default();
                (ticket, Reply::OK)
            }
            Event::Noop { ticket } => (ticket, Reply::OK),
            Event::Vrfy { argument, ticket, .. } => return self.vrfy(argument, ticket, machine, out),
            Event::Expn { ticket, .. } => (ticket, Reply::new(502, Enhanced(5, 5, 1), "not offered here")),
            Event::Etrn { argument, ticket } => return self.etrn(argument, ticket, machine, out),
            Event::Xclient { attributes, ticket } => {
                let reply = self.xclient(attributes);
                if is_submission(self.listener) {
                    machine.set_mechanisms(self.login.offers());
                }
                (ticket, reply)
            }
            Event::Help { ticket, .. } => (ticket, HELP),
            Event::Quit { ticket } => (ticket, Reply::BYE),
            Event::Refused { code } => {
                tracing::debug!(peer = %self.peer, code, "command refused");
                return Step::Go;
            }
            Event::Dropped(_) => return Step::Go,
        };
        machine.reply(ticket, &reply, out);
        Step::Go
    }

    fn advance(&mut self, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        // Every other ticket is answered in `on` or `done`.
        match std::mem::take(&mut self.pending) {
            Pending::Greeting(ticket) => {
                if machine.early_talker() {
                    tracing::info!(peer = %self.peer, "talked before it was greeted");
                }
                self.greet(ticket, machine, out);
            }
            other => self.pending = other,
        }
        Step::Go
    }

    fn done(&mut self, done: Done, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        match std::mem::take(&mut self.pending) {
            Pending::Nothing => debug_assert!(false, "done without a job"),
            Pending::Greeting(ticket) => self.pending = Pending::Greeting(ticket),
            Pending::Check(ticket) => {
                let next = self.login.checked(done);
                return self.follow(next, ticket, machine, out);
            }
            Pending::Penance(ticket, last) => machine.reply(ticket, if last { &WRONG_LAST } else { &WRONG }, out),
            Pending::Sender(sender) => return self.mail_done(*sender, done, machine, out),
            Pending::Recipient(recipient) => return self.rcpt_done(*recipient, done, machine, out),
            Pending::Verify(verify) => return self.vrfy_done(*verify, done, machine, out),
            Pending::Turn(ticket) => self.turned(ticket, &done, machine, out),
            Pending::Room(ticket) => {
                let reply = match &done {
                    Done::Failed(failure) => refusal(failure),
                    _ => Reply::START,
                };
                machine.reply(ticket, &reply, out);
            }
            Pending::Spool => self.spooled(done),
            Pending::Commit(ticket) => self.committed(ticket, &done, machine, out),
        }
        Step::Go
    }
}

/// What a client is told of a failure of the store.
fn refusal(failure: &crate::job::Failure) -> Reply<'static> {
    broken(failure);
    match failure {
        crate::job::Failure::Full => FULL,
        _ => BROKEN,
    }
}
