//! The way from a client's claim to an account, the same for every protocol.
//!
//! What a client learns is the same, and as late, for an unknown account as for a wrong
//! password; what it sent reaches no log.

use core::net::IpAddr;
use core::time::Duration;
use std::sync::Arc;

use postkern::sasl::{Credentials, Exchange, Hash, Mechanism, Mechanisms, Step, TlsFacts, Token, TokenRefusal};

use crate::account::{normalize, prepared};
use crate::config::Config;
use crate::job::{AccountId, Done, Failure, Job, Secret};
use crate::rates::Act;

/// The tries of one connection.
pub(crate) struct Login {
    config: Arc<Config>,
    peer: IpAddr,
    /// What TLS knows; none without it.
    facts: Option<Box<TlsFacts>>,
    exchange: Option<Box<Exchange>>,
    /// What the mechanism under way is called in the log.
    mechanism: &'static str,
    asked: Asked,
    /// SCRAM: whose keys the client must prove to have.
    known: Option<AccountId>,
    failures: u32,
    /// The failure of the exchange under way has been noted: whether the peer is barred by it.
    noted: Option<bool>,
}

/// What the job under way was asked for.
#[derive(Default)]
enum Asked {
    #[default]
    Nothing,
    /// Whether the password is that of this login.
    Password(String),
    /// The keys of this login.
    Keys,
    /// Whose a token is; it must be this account's, if it is not empty.
    Token(String),
    /// Which of these are accounts.
    Certificate(Vec<String>),
    /// Whether the peer may try at all; and what is to be done then.
    Bar(Box<(Asked, Job)>),
    /// To note a failure.
    Note,
    /// To note that a token is refused: the client may well cancel rather than hear of it.
    NoteToken,
}

/// What to do next.
pub(crate) enum Next {
    /// Send this, in base64.
    Challenge(String),
    /// Have it done, and say [`Login::checked`].
    Check(Job),
    /// Who it is: the account, and its address as it logged in, in lower case.
    Is(AccountId, String),
    /// Refuse after so much time; `last` if the connection ends then.
    Wrong { wait: Duration, last: bool },
    /// It could not be checked.
    Broken,
    /// The message is none of the mechanism.
    Malformed,
}

impl Login {
    pub(crate) fn new(config: Arc<Config>, peer: IpAddr) -> Self {
        Self {
            config,
            peer,
            facts: None,
            exchange: None,
            mechanism: "",
            asked: Asked::Nothing,
            known: None,
            failures: 0,
            noted: None,
        }
    }

    /// Another is spoken for from now on (XCLIENT); what the connection has cost still counts.
    /// Whether TLS is in place is known still; its bindings and its certificate are those of
    /// who speaks.
    pub(crate) fn set_peer(&mut self, peer: IpAddr) {
        (self.peer, self.exchange, self.known) = (peer, None, None);
        self.facts = self.facts.take().map(|_| Box::default());
    }

    /// TLS is in place: what can be offered now.
    pub(crate) fn secured(&mut self, facts: TlsFacts) -> Mechanisms {
        self.facts = Some(Box::new(facts));
        self.offers()
    }

    /// A mechanism begins.
    pub(crate) fn begin(&mut self, mechanism: &str, initial: Option<&[u8]>) -> Next {
        let offers = self.offers();
        let known = Mechanism::parse(mechanism).filter(|&mechanism| offers.contains(mechanism));
        // The machine has looked.
        let Some(mechanism) = known else { return Next::Malformed };
        self.mechanism = mechanism.name();
        self.noted = None;
        let facts = self.facts.as_deref().cloned().unwrap_or_default();
        let (exchange, step) = Exchange::begin_over(mechanism, initial, offers, facts);
        self.exchange = Some(Box::new(exchange));
        self.go_on(step)
    }

    /// The client's next message.
    pub(crate) fn respond(&mut self, response: &[u8]) -> Next {
        let Some(exchange) = &mut self.exchange else { return Next::Malformed };
        let step = exchange.respond(response);
        self.go_on(step)
    }

    /// A login and a password in plain commands (USER and PASS, LOGIN): refused where neither
    /// PLAIN nor LOGIN may be used.
    pub(crate) fn password(&mut self, login: &str, password: Vec<u8>) -> Next {
        self.mechanism = "command";
        self.noted = None;
        match (self.offers() & Mechanisms::PASSWORD).is_empty() {
            true => self.wrong(login),
            false => self.check_password(login, password),
        }
    }

    /// What came of the job.
    pub(crate) fn checked(&mut self, done: Done) -> Next {
        match (std::mem::take(&mut self.asked), done) {
            (Asked::Bar(then), Done::Nothing) => {
                let (asked, job) = *then;
                self.asked = asked;
                Next::Check(job)
            }
            (Asked::Bar(_), Done::Failed(Failure::Busy)) => {
                tracing::warn!(peer = %self.peer, mechanism = self.mechanism, "login refused unseen: too many failed");
                self.exchange = None;
                self.penance(true)
            }
            (Asked::Note, Done::Failed(Failure::Busy)) => self.penance(true),
            (Asked::NoteToken, Done::Failed(Failure::Busy)) => self.refuse_token(true),
            (Asked::NoteToken, Done::Nothing) => self.refuse_token(false),
            (_, Done::Failed(failure)) => {
                broken(&failure);
                self.exchange = None;
                Next::Broken
            }
            (Asked::Password(login), Done::Authenticated(Some(account))) => self.is(account, login),
            (Asked::Password(login), Done::Authenticated(None)) => self.wrong(&login),
            (Asked::Keys, Done::ScramKeys(found)) => {
                self.known = found.account;
                let Some(exchange) = &mut self.exchange else { return Next::Broken };
                let step = exchange.keys(found.keys, &found.nonce);
                self.go_on(step)
            }
            (Asked::Token(wanted), Done::Identified(found)) => match found {
                Some((account, name)) if wanted.is_empty() || wanted == name => self.is(account, name),
                _ => self.note(Asked::NoteToken),
            },
            (Asked::Certificate(names), Done::Found(found)) => {
                let account = names.iter().zip(found).find_map(|(name, found)| Some((found?, name.clone())));
                match account {
                    Some((account, name)) => self.is(account, name),
                    None => self.wrong(names.first().map_or("", String::as_str)),
                }
            }
            (Asked::Note, Done::Nothing) => self.penance(false),
            (_, other) => {
                debug_assert!(false, "not an answer to a login: {other:?}");
                Next::Broken
            }
        }
    }

    fn go_on(&mut self, step: Step) -> Next {
        match step {
            Step::Challenge(challenge) => Next::Challenge(challenge),
            Step::Claimed(Credentials { authorization, login, password }) => {
                // Nobody acts for another here; the refusal is the one for a wrong password.
                let own = authorization.is_empty() || normalize(&authorization) == normalize(&login);
                self.check_password(if own { &login } else { "" }, password)
            }
            Step::Lookup { hash, login } => self.look_up(hash, &login),
            Step::Proven { login, authorization } => {
                let login = prepared(&login);
                let own = authorization.is_empty() || prepared(&authorization) == login;
                match self.known.take() {
                    Some(account) if own => self.is(account, login),
                    _ => self.wrong(&login),
                }
            }
            Step::Token(Token { authorization, token }) => {
                let Some(oauth) = self.config.auth.oauth.clone() else { return Next::Malformed };
                let job = Job::CheckToken { token: Secret(token.into_bytes()), oauth };
                self.check(Asked::Token(normalize(&authorization)), job)
            }
            Step::External { authorization } => self.look_up_certificate(&authorization),
            Step::Wrong => self.wrong(""),
            Step::Malformed => {
                self.exchange = None;
                Next::Malformed
            }
        }
    }

    /// Has a claim checked, if the peer has not failed too often: connections that are open
    /// already and clients that others speak for come past no other question.
    fn check(&mut self, asked: Asked, job: Job) -> Next {
        let limits = &self.config.limits;
        if self.failures >= limits.login_failures {
            self.exchange = None;
            return self.penance(true);
        }
        if limits.login_failures_per_hour == 0 {
            self.asked = asked;
            return Next::Check(job);
        }
        self.asked = Asked::Bar(Box::new((asked, job)));
        self.count(true)
    }

    fn check_password(&mut self, login: &str, password: Vec<u8>) -> Next {
        self.exchange = None;
        let login = normalize(login);
        let scram = self.config.auth.hashes();
        let job = Job::Authenticate { login: login.clone(), password: Secret(password), scram };
        self.check(Asked::Password(login), job)
    }

    fn look_up(&mut self, hash: Hash, login: &str) -> Next {
        self.check(Asked::Keys, Job::ScramKeys { login: prepared(login), hash })
    }

    /// Who the certificate is for: the one that the client names, if it is among them.
    fn look_up_certificate(&mut self, wanted: &str) -> Next {
        let certificate = self.facts.as_deref().and_then(|facts| facts.peer_certificate.as_deref());
        let addresses = certificate.map(postkern::sasl::addresses).unwrap_or_default();
        let wanted = normalize(wanted);
        let names = addresses.into_iter().map(normalize).filter(|name| wanted.is_empty() || *name == wanted);
        let names: Vec<String> = names.collect();
        if names.is_empty() {
            return self.wrong(&wanted);
        }
        self.check(Asked::Certificate(names.clone()), Job::Lookup { addresses: names })
    }

    /// RFC 7628 section 3.2.3: the refusal is a challenge first. It has been noted, and whether
    /// the peer is barred by it.
    fn refuse_token(&mut self, barred: bool) -> Next {
        self.noted = Some(barred);
        let Some(exchange) = &mut self.exchange else { return Next::Broken };
        let oauth = self.config.auth.oauth.as_deref();
        let openid_configuration = oauth.map(crate::config::Oauth::openid_configuration).unwrap_or_default();
        let scope = oauth.map_or("", |oauth| &oauth.scope);
        let step = exchange.refuse_token(TokenRefusal { scope, openid_configuration: &openid_configuration });
        self.go_on(step)
    }

    fn is(&mut self, account: AccountId, login: String) -> Next {
        self.exchange = None;
        tracing::info!(peer = %self.peer, login, mechanism = self.mechanism, "logged in");
        Next::Is(account, login)
    }

    /// The failure is noted for all connections of this peer, then for this one.
    fn wrong(&mut self, login: &str) -> Next {
        self.exchange = None;
        let login = login.escape_debug().to_string();
        tracing::warn!(peer = %self.peer, login, mechanism = self.mechanism, "login refused");
        match self.noted.take() {
            Some(barred) => self.penance(barred),
            None => self.note(Asked::Note),
        }
    }

    fn note(&mut self, asked: Asked) -> Next {
        self.failures += 1;
        self.asked = asked;
        self.count(false)
    }

    /// Asks whether the peer has failed too often, or counts that it has.
    fn count(&self, asked: bool) -> Next {
        let limit = self.config.limits.login_failures_per_hour;
        Next::Check(Job::Count { act: Act::LoginFailure(self.peer), limit, asked })
    }

    fn penance(&mut self, barred: bool) -> Next {
        let limits = &self.config.limits;
        Next::Wrong { wait: limits.login_delay, last: barred || self.failures >= limits.login_failures }
    }

    /// What can be offered.
    pub(crate) fn offers(&self) -> Mechanisms {
        self.config.auth.offers(self.facts.as_deref())
    }
}

/// Notes a failure of the store in the log; the client is told no more than that there was
/// one.
pub(crate) fn broken(failure: &Failure) {
    if let Failure::Broken(why) = failure {
        tracing::error!(why, "the store failed");
    }
}
