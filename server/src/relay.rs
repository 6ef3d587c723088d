//! One attempt at relaying: finds the hosts, speaks to them, reports what became of each
//! recipient (RFC 5321 section 5). Without IO: its owner resolves, connects and drives.

mod convert;
mod endpoint;
mod manner;
mod session;

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

use postkern::sasl::NONCE;
use postkern::smtp::{ByMode, Client, Said, Verdict};
use postkern::{Close, Conn, Instant, Layer, Tap, Violation};

use self::manner::{Manner, envelope};
use self::session::RelaySession;
use crate::config::{Config, RelayTls};
use crate::dns::{Kind, Outcome as Answer, Question};
use crate::job::{Done, Job, Report, Reporter};
use crate::queue::{Attempt, Diagnostic, Handover, LEASE, Outcome};
use crate::route::{self, Host, Route};
use crate::service::Service;

/// Carries one [`Attempt`] to its end.
///
/// Do what [`next_errand`](Self::next_errand) says until it is over. While connected it is an
/// [`Endpoint`](crate::service::Endpoint), driven as any other.
pub struct Courier {
    config: Arc<Config>,
    attempt: Attempt,
    random: Option<Random>,
    tap: Option<TapFactory>,
    stage: Stage,
    /// Hosts not yet tried.
    hosts: VecDeque<Host>,
    /// The host being tried, and its addresses not yet tried.
    host: Option<Host>,
    addresses: VecDeque<IpAddr>,
    /// A question for its addresses had no answer.
    unknown: bool,
    /// A host that has no address, for certain, or wants nothing of us: the verdict where no
    /// host says anything better.
    hopeless: Option<Diagnostic>,
    connections: usize,
    /// Where the connection goes, to go there again without TLS.
    address: Option<IpAddr>,
    /// How the host is met.
    manner: Option<Manner>,
    /// The handshake with this address failed, and TLS is not required.
    in_clear: bool,
    service: Option<Service<Client, RelaySession>>,
    /// When the last recipient was decided: the server's farewell is not waited for long.
    finished: Option<Instant>,
    /// For each recipient of the attempt: what is settled, or what to say if nothing better
    /// comes.
    outcomes: Vec<Option<Outcome>>,
    /// Whom the next connection is for; none for all that remain.
    postponed: Vec<usize>,
    /// Reports that failed, and how long was waited between them.
    reports: u32,
    rested: Duration,
    /// When the first connection was made, and the time since then.
    began: Option<Instant>,
    now: Option<Instant>,
}

/// Random octets, for one courier alone.
pub type Random = [u8; 32];

/// Makes what listens to the dialogue with a host of this name.
pub type TapFactory = Arc<dyn Fn(&str) -> Box<dyn Tap> + Send + Sync>;

/// What a courier wants next.
#[derive(Debug)]
pub enum Errand {
    /// Ask, then [`Courier::resolved`].
    Resolve(Question),
    /// Connect, then [`Courier::connected`], drive it, [`Courier::disconnected`]; or
    /// [`Courier::unreachable`].
    Connect {
        /// Where to.
        address: SocketAddr,
        /// The host's name, for SNI and certificates.
        host: String,
        /// Whether its certificate must be of that name and trusted.
        verify: bool,
        /// Whether the connection begins with TLS.
        tls: bool,
    },
    /// Run it, then [`Courier::reported`].
    Job(Job),
    /// Let so much time pass, less if the server stops, then [`Courier::rested`].
    Rest(Duration),
    /// Nothing more.
    Over,
}

/// Connections made in one attempt.
pub const CONNECTIONS_MAX: usize = 5;
/// Addresses tried of one host, of each kind.
const ADDRESSES_MAX: usize = 4;
/// How long the connections of one attempt may take together: well below the lease
/// ([`LEASE`]), past which the attempt would be made a second time.
pub const ATTEMPT_MAX: Duration = Duration::from_secs(60 * 60);
/// The longest rest between tries of a report.
const REST_MAX: Duration = Duration::from_secs(60);
/// How long a report is tried in all: what was delivered would go out again when the lease
/// runs out.
const REPORTING_MAX: Duration = Duration::from_secs(LEASE.as_secs() - ATTEMPT_MAX.as_secs() - 10 * 60);
/// How long the answer to QUIT is waited for.
const FAREWELL: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Begin,
    AwaitMx,
    /// A host of `hosts` is next.
    NextHost,
    /// These of its addresses are to be asked for, or are awaited.
    Ask(Kind),
    Await(Kind),
    /// An address of `addresses` is next.
    NextAddress,
    Connecting,
    Connected,
    Report,
    Rest,
    Over,
}

impl Courier {
    /// `random` orders hosts of the same preference, and lets it log in by SCRAM. `tap` listens
    /// to the dialogues.
    pub fn new(config: Arc<Config>, attempt: Attempt, random: Option<Random>, tap: Option<TapFactory>) -> Self {
        let outcomes = vec![None; attempt.recipients.len()];
        Self {
            config,
            attempt,
            random,
            tap,
            stage: Stage::Begin,
            hosts: VecDeque::new(),
            host: None,
            addresses: VecDeque::new(),
            unknown: false,
            hopeless: None,
            connections: 0,
            address: None,
            manner: None,
            in_clear: false,
            service: None,
            finished: None,
            outcomes,
            postponed: Vec::new(),
            reports: 0,
            rested: Duration::ZERO,
            began: None,
            now: None,
        }
    }

    /// The attempt.
    pub fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    /// What to do now.
    pub fn next_errand(&mut self) -> Errand {
        loop {
            match self.stage {
                Stage::Begin if self.attempt.account.is_some() => {
                    // The report puts it into the mailbox.
                    self.decide(&Outcome::Delivered(Handover { is_final: true, ..Handover::default() }));
                    self.stage = Stage::Report;
                }
                Stage::Begin if self.is_late() => {
                    let late = Diagnostic::ours(Diagnostic::LATE, "the time that the sender gave is over (RFC 2852)");
                    self.decide(&Outcome::Failed(late));
                    self.stage = Stage::Report;
                }
                Stage::Begin => match route::fixed(&self.attempt.domain, &self.config) {
                    Some(route) => self.take(route),
                    None => {
                        self.stage = Stage::AwaitMx;
                        return self.ask(Kind::Mx);
                    }
                },
                Stage::NextHost => match self.hosts.pop_front() {
                    Some(host) if self.connections < CONNECTIONS_MAX && self.undecided() => {
                        match Manner::of(&self.attempt, &host, &self.config) {
                            Ok(manner) => self.manner = Some(manner),
                            Err(why) => {
                                self.hopeless = Some(why);
                                continue;
                            }
                        }
                        self.addresses = host.address.into_iter().collect();
                        self.unknown = false;
                        self.stage = if host.address.is_some() { Stage::NextAddress } else { Stage::Ask(Kind::A) };
                        self.host = Some(host);
                    }
                    _ => self.stage = Stage::Report,
                },
                Stage::Ask(kind) => {
                    self.stage = Stage::Await(kind);
                    return self.ask(kind);
                }
                Stage::NextAddress => {
                    let Some(host) = &self.host else {
                        self.stage = Stage::NextHost;
                        continue;
                    };
                    match self.addresses.pop_front() {
                        Some(address) if self.connections < CONNECTIONS_MAX && self.undecided() => {
                            self.connections += 1;
                            self.stage = Stage::Connecting;
                            self.address = Some(address);
                            return Errand::Connect {
                                address: SocketAddr::new(address, host.port),
                                host: host.name.clone(),
                                verify: self.manner.is_some_and(Manner::verifies),
                                tls: self.manner.is_some_and(|manner| manner.implicit),
                            };
                        }
                        _ => (self.stage, self.postponed) = (Stage::NextHost, Vec::new()),
                    }
                }
                Stage::Report => return Errand::Job(self.report()),
                Stage::Rest => {
                    let rest = Duration::from_secs(1 << self.reports.min(6)).min(REST_MAX);
                    self.rested += rest;
                    return Errand::Rest(rest);
                }
                Stage::Over => return Errand::Over,
                Stage::AwaitMx | Stage::Await(_) | Stage::Connecting | Stage::Connected => {
                    debug_assert!(false, "asked for more before the last errand was done");
                    self.stage = Stage::Report;
                }
            }
        }
    }

    /// The answer to [`Errand::Resolve`].
    pub fn resolved(&mut self, answer: Answer) {
        match self.stage {
            Stage::AwaitMx => {
                let random = self.random.map_or(0, |random| u64::from_be_bytes(*random.first_chunk().expect("of 32")));
                let route = route::by_mx(&self.attempt.domain, &answer, &self.config, random);
                self.take(route);
            }
            Stage::Await(kind) => {
                match answer {
                    Answer::Addresses(addresses) => self.addresses.extend(addresses.into_iter().take(ADDRESSES_MAX)),
                    Answer::Failed(why) => {
                        self.unknown = true;
                        self.note("4.4.3", &why);
                    }
                    Answer::None | Answer::NoSuchName | Answer::Mx(_) => {}
                }
                self.stage = if kind == Kind::A { Stage::Ask(Kind::Aaaa) } else { Stage::NextAddress };
                if kind == Kind::Aaaa && self.addresses.is_empty() && !self.unknown {
                    self.hopeless = Some(self.diagnostic("5.4.4", "the host has no address"));
                }
            }
            _ => debug_assert!(false, "an answer that was not asked for"),
        }
    }

    /// The connection is made: drive it. `tls` is the layer that it begins with, where
    /// [`Errand::Connect`] wants one.
    pub fn connected(&mut self, tls: Option<Box<dyn Layer>>) {
        let Some(manner) = self.manner else { return debug_assert!(false, "no host was to be met") };
        let recipients = self.members().into_iter().map(|index| &self.attempt.recipients[index]);
        let envelope = envelope(&self.attempt, recipients, self.began, self.now);
        let options = manner.options(&self.config.hostname, self.in_clear);
        let secured = tls.is_some();
        let mut conn = match tls {
            Some(layer) => Conn::with_tls(Client::new(), layer),
            None => Conn::new(Client::new()),
        };
        if let (Some(tap), Some(host)) = (&self.tap, &self.host) {
            conn.set_tap(tap(&host.name));
        }
        let route = self.host.as_ref().and_then(|host| host.route.as_ref());
        let login = route.and_then(|route| route.login.clone()).map(|login| (login, self.nonce()));
        let session = RelaySession::new(self.attempt.id, envelope, options, secured, login);
        self.service = Some(Service::new(conn, session));
        self.finished = None;
        self.stage = Stage::Connected;
    }

    /// For the login of this connection.
    fn nonce(&self) -> Option<[u8; NONCE]> {
        let mut nonce: [u8; NONCE] = *self.random.as_ref()?.last_chunk().expect("of 32");
        nonce[0] ^= self.connections as u8;
        Some(nonce)
    }

    /// No connection could be made: why, in words for the log.
    pub fn unreachable(&mut self, why: &str) {
        self.note("4.4.1", why);
        self.postponed.clear();
        self.in_clear = false;
        self.stage = Stage::NextAddress;
    }

    /// The connection is over: as [`Pause::Closed`](crate::service::Pause::Closed) said, or
    /// because the socket failed.
    pub fn disconnected(&mut self, close: Option<Close>, why: &str) {
        let Some(service) = self.service.take() else { return };
        self.stage = Stage::NextAddress;
        let session = service.session();
        let handshake = !session.is_secured() && session.asked_tls();
        let tls_failed = close == Some(Close::Violation(Violation::Layer)) || handshake;
        let opportunistic = self.manner.is_some_and(|manner| manner.tls == RelayTls::Opportunistic);
        if tls_failed && opportunistic && !self.in_clear && !session.is_secured() {
            // RFC 7435: better in clear than not at all.
            tracing::info!(id = %self.attempt.id, "the TLS handshake failed: trying in clear");
            self.in_clear = true;
            self.addresses.extend(self.address);
            self.addresses.rotate_right(1);
            self.note("4.7.5", "the TLS handshake failed");
            return;
        }
        self.in_clear = false;
        let text = if why.is_empty() { "the connection was lost" } else { why };
        let lost = self.diagnostic("4.4.2", text);
        let requires_tls = self.attempt.terms.require_tls && !self.attempt.sender.is_empty();
        if tls_failed && requires_tls && !session.has_sent_message() {
            // RFC 8689 section 4.2.1: the next host, or a report; that it may be mended later is no
            // reason to wait.
            let text = format!("the message requires verified TLS (RFC 8689), and the handshake failed: {why}");
            self.hopeless = Some(self.diagnostic(Diagnostic::NO_TLS, &text));
            return;
        }
        let mut unknown = false;
        let members = self.members();
        self.postponed.clear();
        for (slot, verdict) in members.into_iter().zip(session.verdicts()) {
            self.outcomes[slot] = Some(match verdict {
                Some(Verdict::Delivered { dsn, deliver_by, .. }) => Outcome::Delivered(Handover {
                    remote: lost.remote.clone(),
                    dsn: *dsn,
                    deliver_by: *deliver_by,
                    is_final: self.manner.is_some_and(|manner| manner.lmtp),
                }),
                Some(Verdict::Failed(said)) if session.login_refused() => {
                    // Our own mistake, or the host's: no message is to be lost by it.
                    tracing::error!(id = %self.attempt.id, host = lost.remote, said = said.text, "our login was refused");
                    Outcome::Deferred(Diagnostic { status: "4.7.8".into(), ..self.said(said) })
                }
                Some(Verdict::Failed(said)) if session.refused_us() => {
                    // Of this host, not of the message: another may take it.
                    self.hopeless = Some(self.said(said));
                    continue;
                }
                Some(Verdict::Failed(said)) => Outcome::Failed(self.said(said)),
                Some(Verdict::Deferred(said)) => Outcome::Deferred(self.said(said)),
                Some(Verdict::Postponed) => {
                    self.postponed.push(slot);
                    Outcome::Deferred(self.diagnostic("4.5.3", "the host takes no more over one connection"))
                }
                None => {
                    unknown = true;
                    Outcome::Deferred(lost.clone())
                }
            });
        }
        self.postponed.retain(|_| !unknown);
        if !self.postponed.is_empty() {
            // RFC 9422: the same host, once more, and not for whom it has deferred.
            self.addresses.extend(self.address);
            self.addresses.rotate_right(1);
        } else if session.has_sent_message() {
            // The server may have taken the message though its answer was lost: going on to
            // the next host now would make a second copy likely.
            self.stage = Stage::Report;
        }
    }

    /// The job of [`Errand::Job`] is done.
    pub fn reported(&mut self, done: Done) {
        self.stage = Stage::Over;
        if let Done::Failed(failure) = done {
            self.reports += 1;
            tracing::error!(id = %self.attempt.id, ?failure, "the attempt could not be reported");
            // What was delivered would go out again when the lease runs out: it is worth other
            // tries, while that lasts.
            if self.rested < REPORTING_MAX {
                self.stage = Stage::Rest;
            }
        }
    }

    /// The time of [`Errand::Rest`] is over; `stops` if the server stops, so that the next try is
    /// the last.
    pub fn rested(&mut self, stops: bool) {
        self.stage = Stage::Report;
        if stops {
            self.rested = REPORTING_MAX;
        }
    }

    /// Whether what is to be returned when it is late (RFC 2852) is so.
    fn is_late(&self) -> bool {
        let Attempt { terms, queued, leased, .. } = &self.attempt;
        let returned = terms.by.is_some_and(|by| by.mode == ByMode::Return);
        returned && terms.late_at(*queued).is_some_and(|late| *leased >= late)
    }

    fn take(&mut self, route: Route) {
        self.stage = Stage::NextHost;
        match route {
            Route::Hosts(hosts) => self.hosts = hosts.into(),
            Route::Failed(diagnostic) => self.decide(&Outcome::Failed(diagnostic)),
            Route::Deferred(diagnostic) => self.decide(&Outcome::Deferred(diagnostic)),
        }
    }

    fn ask(&self, kind: Kind) -> Errand {
        let name = match (&self.host, kind) {
            (Some(host), Kind::A | Kind::Aaaa) => host.name.clone(),
            _ => self.attempt.domain.clone(),
        };
        Errand::Resolve(Question { name, kind })
    }

    /// Recipients for which something better than what is known may come.
    fn remaining(&self) -> Vec<usize> {
        let open = |outcome: &Option<Outcome>| matches!(outcome, None | Some(Outcome::Deferred(_)));
        self.outcomes.iter().enumerate().filter(|(_, outcome)| open(outcome)).map(|(index, _)| index).collect()
    }

    /// Those whom the connection that is next, or is there, is for.
    fn members(&self) -> Vec<usize> {
        if self.postponed.is_empty() { self.remaining() } else { self.postponed.clone() }
    }

    fn undecided(&self) -> bool {
        !self.remaining().is_empty()
    }

    fn decide(&mut self, outcome: &Outcome) {
        for index in self.members() {
            self.outcomes[index] = Some(outcome.clone());
        }
    }

    /// What to say of those whom a connection was for if nothing better comes.
    fn note(&mut self, status: &str, why: &str) {
        let diagnostic = self.diagnostic(status, why);
        tracing::info!(id = %self.attempt.id, host = diagnostic.remote, why, "relaying failed");
        self.decide(&Outcome::Deferred(diagnostic));
    }

    fn diagnostic(&self, status: &str, text: &str) -> Diagnostic {
        let remote = self.host.as_ref().map(|host| host.name.clone());
        Diagnostic { status: status.into(), remote, text: text.into(), smtp: false }
    }

    fn said(&self, said: &Said) -> Diagnostic {
        let own = self.diagnostic(&said.status.to_string(), &said.text);
        match said.code {
            0 => own,
            code => Diagnostic { text: format!("{code} {}", said.text), smtp: true, ..own },
        }
    }

    fn report(&self) -> Job {
        // RFC 5321 section 5.1: hosts that are named and none of which is there, or takes mail,
        // are an error, not a reason to wait.
        let nothing = match self.hopeless.clone() {
            Some(hopeless) => Outcome::Failed(hopeless),
            None => Outcome::Deferred(self.diagnostic("4.4.1", "no host could be reached")),
        };
        let outcomes: Vec<Outcome> =
            self.outcomes.iter().map(|outcome| outcome.clone().unwrap_or_else(|| nothing.clone())).collect();
        for (recipient, outcome) in self.attempt.recipients.iter().zip(&outcomes) {
            let recipient = recipient.address.as_str();
            match outcome {
                Outcome::Delivered(_) => tracing::info!(id = %self.attempt.id, recipient, "relayed"),
                Outcome::Deferred(why) => tracing::info!(id = %self.attempt.id, recipient, why = why.text, "deferred"),
                Outcome::Failed(why) => tracing::info!(id = %self.attempt.id, recipient, why = why.text, "failed"),
            }
        }
        Job::Report(Box::new(Report {
            attempt: self.attempt.clone(),
            outcomes,
            schedule: self.config.relay.schedule.clone(),
            reporter: Reporter::of(&self.config, &self.attempt.sender),
        }))
    }
}
