//! Runs dialogues against a whole service: machine, session and the store in memory.
//!
//! ```text
//! @ service imap login=alice in=tls
//! @ account alice@example.test secret
//! @ alias sales@example.test alice@example.test
//! @ message alice@example.test Subject: one\r\n\r\none\r\n
//! ```
//!
//! | word | means |
//! | --- | --- |
//! | `service LISTENER` | which listener of the configuration |
//! | `plaintext=yes` | passwords may come in plaintext |
//! | `tls=no` | there is no certificate |
//! | `networks=A` | who may relay |
//! | `failures=N`, `message=N`, `received=N`, `here=N` | limits |
//! | `messages=N`, `recipients=N`, `hourly=N` | how often: of a peer in a minute, of an account in an hour |
//! | `refusals=N`, `carried=N` | recipients refused, messages taken over one connection |
//! | `guesses=N` | wrong passwords of a peer in an hour |
//! | `greylist=N` | strangers come again after so many seconds |
//! | `subaddress=C` | what parts a detail; `none` |
//! | `vrfy=yes` | VRFY tells those who may relay |
//! | `relays=D` | a domain elsewhere whose mail is taken |
//! | `xclient=A` | who may say in whose name it speaks |
//! | `early=refuse` | clients that speak too early are refused, which most dialogues would be under some cut |
//! | `newline=normalise` | CR or LF alone become CRLF |
//! | `trace=yes` | before each commit `with KEYWORD PEER` is noted, and `SMTPUTF8` if it needs that |
//! | `peer=A` | the client's address, 192.0.2.1 without it |
//! | `@ catch_all DOMAIN TARGET` | whom mail is for that is for nobody |
//! | `mechanisms=A,B`, `oauth=SCOPE` | how one may log in |
//! | `binding=yes`, `certificate=ADDRESS` | what TLS knows |
//! | `@ token TOKEN NAME` | whose a token is |
//! | `header_from=WORD` | who may stand in From of what is submitted |
//! | `@ account NAME PASSWORD` | an account; alice and bob are there if none is named |
//! | `@ alias NAME TARGET` | an alias |
//! | `@ message NAME OCTETS` | a message in its INBOX |
//!
//! What the application saw is what the store was given: `commit FROM LOCAL REMOTE OCTETS`, and
//! before it, if fields were added, `added FIELDS`, with `Date` and `Message-ID` for those that
//! the store makes.
//! `A: deliver NAME OCTETS`, `A: flag NAME UID FLAG`, `A: remove NAME UID`, `A: drop NAME
//! MAILBOX` is what another session does meanwhile.

mod login;
mod mailroom;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use postkern::sasl::TlsFacts;
use postkern::{Close, Instant, Upgrade};
use postkern_server::accept;
use postkern_server::config::{CertificateFiles, Config, Greylist, HeaderFrom, Listener, Network, Newline};
use postkern_server::job::{Backend, Commit, Done, FlagAction, FlagChange, Guard, Job, Local, MailboxId, Spool};
use postkern_server::mailbox::{Flags, MailboxName, UidSet};
use postkern_server::service::{Endpoint, Pause};

use self::login::Channel;
use self::mailroom::Mailroom;
use crate::memory::bench::Refusing;
use crate::play::{Effort, Failure, Subject, play, turns};
use crate::transcript::{Header, Transcript, unescape};

/// Plays a dialogue with the service that its header names.
///
/// # Errors
/// The first difference, or a header that is not understood.
pub fn run(transcript: &Transcript, effort: Effort) -> Result<(), Failure> {
    let turns = turns::of_server(transcript);
    play(transcript, "service", &turns, &|_| subject(&transcript.header), effort).map(drop)
}

/// A service as a header describes it.
///
/// # Errors
/// The header is not understood.
pub fn subject(header: &Header) -> Result<Box<dyn Subject>, String> {
    let name = header.words.first().map(String::as_str).unwrap_or_default();
    let listener = Listener::ALL.into_iter().find(|of| of.name() == name).ok_or(format!("no listener {name}"))?;
    let mut config = Config::new("mail.example.test", &["example.test"], PathBuf::from("/nowhere"));
    config.tls = Some(CertificateFiles { certificate: "c".into(), key: "k".into() });
    config.limits.login_delay = Duration::from_secs(2);
    config.inbound.allow_pipelining = true;
    let clock = Arc::new(AtomicI64::new(0));
    let mut room = Mailroom::new(&clock);
    let mut peer = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let mut facts = TlsFacts::default();
    for (key, value) in &header.keys {
        let number = || value.parse::<u32>().map_err(|_| format!("{key}={value} is no number"));
        match key.as_str() {
            "plaintext" => config.plaintext_login = value == "yes",
            "tls" if value == "no" => config.tls = None,
            "networks" => config.relay.networks.push(Network::parse(value).ok_or("no network")?),
            "failures" => config.limits.login_failures = number()?,
            "refusals" => config.limits.refusals = number()?.try_into().unwrap_or(u16::MAX),
            "carried" => config.limits.messages_per_connection = number()?,
            "guesses" => config.limits.login_failures_per_hour = number()?,
            "received" => config.limits.received = number()?,
            "here" => config.limits.received_here = number()?,
            "messages" => config.limits.messages_per_minute = number()?,
            "recipients" => config.limits.recipients_per_minute = number()?,
            "hourly" => config.submission.messages_per_hour = number()?,
            "greylist" => {
                let day = Duration::from_secs(24 * 60 * 60);
                let delay = Duration::from_secs(number()?.into());
                config.greylist = Some(Greylist { delay, window: day, lifetime: day, entries: 1000 });
            }
            "subaddress" => config.local.subaddress = value.chars().next().filter(|_| value != "none"),
            "vrfy" => config.inbound.vrfy = value == "yes",
            "early" => config.inbound.allow_pipelining = value != "refuse",
            "relays" => config.relay.domains.push(value.clone()),
            "xclient" => config.inbound.xclient_from.push(Network::parse(value).ok_or("no network")?),
            "newline" if value == "normalise" => config.inbound.bare_newline = Newline::Normalise,
            "trace" => room.traces = value == "yes",
            "peer" => peer = value.parse().map_err(|_| format!("peer={value} is no address"))?,
            "message" => config.limits.message = number()?.into(),
            "header_from" => {
                config.submission.header_from = match value.as_str() {
                    "check" => HeaderFrom::Check,
                    "sender" => HeaderFrom::Sender,
                    "any" => HeaderFrom::Any,
                    _ => return Err(format!("unknown {key}={value}")),
                }
            }
            _ => match login::key(&mut config.auth, &mut facts, key, value) {
                Some(read) => read?,
                None => return Err(format!("unknown key {key}={value}")),
            },
        }
    }
    let named = header.more.iter().any(|(_, word, _)| word == "account");
    for name in if named { &[][..] } else { &["alice@example.test", "bob@example.test"] } {
        room.account(name, "secret");
    }
    for (_, word, rest) in &header.more {
        let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
        match word.as_str() {
            "account" => room.account(first, second),
            "token" => room.tokens.push((first.into(), second.into())),
            "alias" => {
                config.aliases.entry(first.into()).or_default().push(second.into());
            }
            "catch_all" => config.local.catch_all.entry(first.into()).or_default().push(second.into()),
            "message" => room.append(first, &unescape(second)?)?,
            word => return Err(format!("unknown word @ {word}")),
        }
    }
    Ok(Box::new(Rig::new(config, listener, peer, room, clock, facts)))
}

/// When the dialogues begin: 2023-11-14T22:13:20Z.
const EPOCH: i64 = 1_700_000_000;

/// The machine's time then.
const START: Instant = Instant::from_millis(1_000_000);

/// A service at work.
struct Rig {
    endpoint: Box<dyn Endpoint>,
    room: Mailroom,
    /// Seconds that have passed, for the store.
    clock: Arc<AtomicI64>,
    now: Instant,
    facts: TlsFacts,
    wire: Vec<u8>,
    lost: bool,
    output: Vec<u8>,
    log: Vec<String>,
    rest: Rest,
    watch: Option<(MailboxId, Guard)>,
    woken: Arc<AtomicBool>,
}

#[derive(Clone, Copy, PartialEq)]
enum Rest {
    Read,
    Upgrade(Upgrade),
    Closed(Close),
}

impl Rig {
    fn new(
        config: Config,
        listener: Listener,
        peer: IpAddr,
        room: Mailroom,
        clock: Arc<AtomicI64>,
        facts: TlsFacts,
    ) -> Self {
        let tls = listener.is_implicit_tls().then(|| Box::new(Channel(facts.clone())) as Box<dyn postkern::Layer>);
        let mut rig = Self {
            endpoint: accept::endpoint(&Arc::new(config), listener, peer, tls),
            room,
            clock,
            now: START,
            facts,
            wire: Vec::new(),
            lost: false,
            output: Vec::new(),
            log: Vec::new(),
            rest: Rest::Read,
            watch: None,
            woken: Arc::default(),
        };
        rig.drive();
        rig
    }

    fn drive(&mut self) {
        loop {
            let passed = self.now.since(START).as_secs();
            self.clock.store(i64::try_from(passed).unwrap_or(i64::MAX), Ordering::Relaxed);
            let pause = self.endpoint.run(self.now);
            match pause {
                Pause::Job(job) => {
                    let done = self.room.run(job);
                    self.endpoint.done(done);
                    continue;
                }
                Pause::Wait(time) => {
                    self.send();
                    self.now = self.now + time;
                    self.endpoint.done(Done::Waited);
                    continue;
                }
                Pause::Flush => {
                    self.send();
                    continue;
                }
                Pause::Read => {
                    self.send();
                    self.rest = Rest::Read;
                }
                Pause::Upgrade(upgrade) => {
                    self.send();
                    self.rest = Rest::Upgrade(upgrade);
                }
                Pause::Closed(close) => {
                    self.send();
                    self.rest = Rest::Closed(close);
                }
            }
            self.rewatch();
            if self.rest == Rest::Read && self.woken.swap(false, Ordering::Relaxed) {
                self.endpoint.nudge();
                continue;
            }
            break;
        }
        self.log = self.room.log.lock().unwrap_or_else(PoisonError::into_inner).clone();
    }

    fn rewatch(&mut self) {
        let wanted = self.endpoint.watching();
        if self.watch.as_ref().map(|(mailbox, _)| *mailbox) == wanted {
            return;
        }
        self.watch = wanted.map(|mailbox| {
            let woken = Arc::clone(&self.woken);
            (mailbox, self.room.watch(mailbox, Arc::new(move || woken.store(true, Ordering::Relaxed))))
        });
    }

    fn send(&mut self) {
        let (_, output) = self.endpoint.io();
        let len = output.len();
        self.output.extend_from_slice(output);
        self.endpoint.sent(len);
    }

    fn pump(&mut self) {
        while !self.wire.is_empty() {
            match self.rest {
                Rest::Read => {}
                // Octets in the clear where the handshake is due.
                Rest::Upgrade(upgrade) => {
                    self.endpoint.upgrade(upgrade, Box::new(Refusing));
                    self.drive();
                    continue;
                }
                Rest::Closed(_) => return,
            }
            let (space, _) = self.endpoint.io();
            let len = space.len().min(self.wire.len());
            space[..len].copy_from_slice(&self.wire[..len]);
            self.wire.drain(..len);
            self.endpoint.filled(len);
            self.drive();
        }
        if self.lost && self.rest == Rest::Read {
            self.lost = false;
            self.endpoint.filled(0);
            self.drive();
        }
    }
}

impl Subject for Rig {
    fn show(&mut self, octets: &[u8]) {
        self.wire.extend_from_slice(octets);
        self.pump();
    }

    fn lose(&mut self) {
        self.lost = true;
        self.pump();
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.endpoint.deadline().filter(|at| *at > self.now && *at <= until) {
            self.now = at;
            self.drive();
        }
        self.now = self.now.max(until);
        self.drive();
        self.pump();
    }

    fn upgrade(&mut self, upgrade: Upgrade) -> Result<(), String> {
        if self.rest != Rest::Upgrade(upgrade) {
            return Err("U: the machine asked for no such layer".into());
        }
        let facts = if upgrade == Upgrade::Tls { self.facts.clone() } else { TlsFacts::default() };
        self.endpoint.upgrade(upgrade, Box::new(Channel(facts)));
        self.drive();
        self.pump();
        Ok(())
    }

    fn act(&mut self, words: &str) -> Result<(), String> {
        let mut parts = words.splitn(3, ' ');
        let (verb, name, rest) =
            (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        match verb {
            "shut" => self.endpoint.shut_down(),
            "deliver" => {
                let local = vec![Local::new(self.room.id(name)?, name)];
                let message = Spool { tail: unescape(rest)?, file: None };
                let commit = Commit::ours(local, Vec::new(), message);
                self.room.store.run(Job::Commit(Box::new(commit)));
            }
            "flag" => {
                let (uid, flag) = rest.split_once(' ').ok_or("A: flag NAME UID FLAG")?;
                let flags = match flag {
                    "\\Seen" => Flags::SEEN,
                    "\\Deleted" => Flags::DELETED,
                    "\\Flagged" => Flags::FLAGGED,
                    _ => return Err(format!("unknown flag {flag}")),
                };
                let uid: u32 = uid.parse().map_err(|_| "no UID")?;
                let change = FlagChange { action: FlagAction::Add, flags, keywords: Vec::new(), unchanged_since: None };
                let mailbox = self.room.inbox(name)?;
                self.room.store.run(Job::Store { mailbox, uids: UidSet::range(uid, uid), change });
            }
            "drop" => {
                let mailbox = MailboxName::new(rest)?;
                self.room.store.run(Job::Delete { account: self.room.id(name)?, mailbox });
            }
            "remove" => {
                let uid: u32 = rest.parse().map_err(|_| "no UID")?;
                let mailbox = self.room.inbox(name)?;
                self.room.store.run(Job::Remove { mailbox, uids: UidSet::range(uid, uid) });
            }
            _ => return Err(format!("A: {words} means nothing to a service")),
        }
        if self.rest == Rest::Read {
            self.drive();
        }
        self.pump();
        Ok(())
    }

    fn say(&mut self, _: &[u8]) -> Result<(), String> {
        Err("this is no client".into())
    }

    fn output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    fn log(&self) -> &[String] {
        &self.log
    }

    fn memory(&mut self) -> (usize, usize) {
        let (space, output) = self.endpoint.io();
        (space.len() + output.len(), 4 * 1024 * 1024)
    }

    fn closed(&self) -> Option<Close> {
        if let Rest::Closed(close) = self.rest { Some(close) } else { None }
    }
}
