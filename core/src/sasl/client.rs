//! The client's side of the exchanges.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::exchange::plain_message;
use super::message::{decode, encode, is_name, is_password};
use super::oauth;
#[cfg(feature = "scram")]
use super::scram::{Hash, NAME_MAX, NONCE, ScramClient};
use super::{Authenticate, Mechanism, Mechanisms, TlsFacts};

/// Octets that are kept of what a server said of a refused token.
const PROBLEM_MAX: usize = 512;

/// Who a client is, and what it proves that with.
#[derive(Clone, Eq, PartialEq)]
pub enum Identity {
    /// SCRAM, PLAIN, LOGIN.
    Password {
        /// The account's name.
        login: String,
        /// Its password. For SCRAM, one that is not of printable ASCII is to be prepared
        /// first (SASLprep, RFC 4013).
        password: Vec<u8>,
    },
    /// OAUTHBEARER, XOAUTH2.
    Token {
        /// The account's name.
        login: String,
        /// An access token.
        token: String,
        /// The server's name as we connected to it; empty to leave it out.
        host: String,
        /// Its port; 0 to leave it out.
        port: u16,
    },
    /// EXTERNAL: the client's certificate, which TLS shows.
    Certificate,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { login, .. } => write!(f, "Password({login} ..)"),
            Self::Token { login, .. } => write!(f, "Token({login} ..)"),
            Self::Certificate => f.write_str("Certificate"),
        }
    }
}

/// The client side of one exchange: uses the strongest mechanism that is offered and that the
/// identity allows.
///
/// It never says a password or a token in plaintext, unless told to
/// ([`in_clear`](Self::in_clear)), and never tries a second mechanism after the first.
#[derive(Debug)]
pub struct ClientExchange {
    identity: Identity,
    authorization: String,
    allowed: Mechanisms,
    in_clear: bool,
    must_bind: bool,
    facts: TlsFacts,
    #[cfg(feature = "scram")]
    random: Option<[u8; NONCE]>,
    state: State,
    problem: Option<String>,
}

#[derive(Debug)]
enum State {
    None,
    /// What is said next, decoded; the rest is said.
    Says(Said),
    #[cfg(feature = "scram")]
    Scram(alloc::boxed::Box<ScramClient>),
    /// The token is out: a challenge is a refusal.
    Token {
        dummy: &'static [u8],
    },
    /// All is said, and the server need not prove anything.
    Done,
    Failed,
}

/// Messages that wait for their challenge.
struct Said {
    next: Vec<u8>,
    then: Option<Vec<u8>>,
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Said(..)")
    }
}

impl ClientExchange {
    /// For this identity, by any of its mechanisms, without channel binding.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            authorization: String::new(),
            allowed: Mechanisms::of(&Mechanism::ALL),
            in_clear: false,
            must_bind: false,
            facts: TlsFacts::default(),
            #[cfg(feature = "scram")]
            random: None,
            state: State::None,
            problem: None,
        }
    }

    /// Enables SCRAM: these are random octets for its nonce, for this exchange alone.
    #[cfg(feature = "scram")]
    #[must_use]
    pub fn with_nonce(mut self, random: [u8; NONCE]) -> Self {
        self.random = Some(random);
        self
    }

    /// Binds to the channel below where the server can.
    #[must_use]
    pub fn over(mut self, facts: TlsFacts) -> Self {
        self.facts = facts;
        self
    }

    /// Uses no mechanism that is not bound to the channel.
    #[must_use]
    pub fn bound_only(mut self) -> Self {
        self.must_bind = true;
        self
    }

    /// Acts as another, if the server lets it.
    #[must_use]
    pub fn acting_as(mut self, authorization: &str) -> Self {
        self.authorization = authorization.into();
        self
    }

    /// Uses these mechanisms alone.
    #[must_use]
    pub fn only(mut self, allowed: Mechanisms) -> Self {
        self.allowed = allowed;
        self
    }

    /// Lets a password or a token be said without TLS.
    #[must_use]
    pub fn in_clear(mut self) -> Self {
        self.in_clear = true;
        self
    }

    /// What the server said of a token that it refused: JSON, cut short, for the log. Control
    /// characters are taken out.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// The mechanisms that could be used over this channel.
    fn usable(&self, secure: bool) -> Mechanisms {
        let clear = secure || self.in_clear;
        let none = Mechanisms::NONE;
        let usable = match &self.identity {
            Identity::Password { .. } => self.scram() | if clear { Mechanisms::PASSWORD } else { none },
            Identity::Token { .. } if clear => Mechanisms::of(&[Mechanism::OauthBearer, Mechanism::Xoauth2]),
            // A certificate is only shown in TLS.
            Identity::Certificate if secure => Mechanism::External.into(),
            Identity::Token { .. } | Identity::Certificate => none,
        };
        let bound = Mechanisms::of(&[Mechanism::ScramSha256Plus, Mechanism::ScramSha1Plus]);
        let usable = usable & self.allowed;
        if self.must_bind { usable & bound } else { usable }
    }

    #[cfg(feature = "scram")]
    fn scram(&self) -> Mechanisms {
        if self.random.is_none() {
            return Mechanisms::NONE;
        }
        let plain = Mechanisms::of(&[Mechanism::ScramSha256, Mechanism::ScramSha1]);
        match self.facts.may_bind() {
            true => plain.with(Mechanism::ScramSha256Plus).with(Mechanism::ScramSha1Plus),
            false => plain,
        }
    }

    #[cfg(not(feature = "scram"))]
    fn scram(&self) -> Mechanisms {
        Mechanisms::NONE
    }

    /// The initial response, decoded, and what comes after it. None if the identity does not
    /// fit into the mechanism's messages.
    fn start(&mut self, mechanism: Mechanism, offered: Mechanisms) -> Option<(State, Option<Vec<u8>>)> {
        #[cfg(feature = "scram")]
        if let Some((hash, plus)) = Hash::of(mechanism) {
            return self.start_scram(hash, plus, offered);
        }
        #[cfg(not(feature = "scram"))]
        let _ = offered;
        match (&self.identity, mechanism) {
            (Identity::Password { login, password }, Mechanism::Plain) => {
                let message = plain_message(&self.authorization, login, password)?;
                Some((State::Done, Some(message)))
            }
            // It cannot say whom to act as.
            (Identity::Password { login, password }, Mechanism::Login) => {
                let fits = is_name(login) && is_password(password) && self.authorization.is_empty();
                let said = Said { next: login.as_bytes().into(), then: Some(password.clone()) };
                fits.then_some((State::Says(said), None))
            }
            (Identity::Token { login, token, host, port }, Mechanism::OauthBearer) => {
                let name = if self.authorization.is_empty() { login } else { &self.authorization };
                let host_fits = host.bytes().all(|byte| byte.is_ascii_graphic());
                let fits = (name.is_empty() || is_name(name)) && oauth::is_token(token) && host_fits;
                let message = oauth::oauth_bearer(name, host, *port, token);
                fits.then(|| (State::Token { dummy: b"\x01" }, Some(message.into_bytes())))
            }
            (Identity::Token { login, token, .. }, Mechanism::Xoauth2) => {
                let fits = is_name(login) && oauth::is_token(token);
                fits.then(|| (State::Token { dummy: b"" }, Some(oauth::xoauth2(login, token).into_bytes())))
            }
            (Identity::Certificate, Mechanism::External) => {
                let name = &self.authorization;
                let fits = name.is_empty() || is_name(name);
                fits.then(|| (State::Done, Some(name.as_bytes().into())))
            }
            _ => None,
        }
    }

    #[cfg(feature = "scram")]
    fn start_scram(&mut self, hash: Hash, plus: bool, offered: Mechanisms) -> Option<(State, Option<Vec<u8>>)> {
        let random = self.random.take()?;
        let Identity::Password { login, password } = &self.identity else { return None };
        let names = [login, &self.authorization];
        let fits = names.iter().all(|name| name.len() <= NAME_MAX && !name.chars().any(char::is_control));
        if !fits || login.is_empty() || !is_password(password) {
            return None;
        }
        let bound = self.facts.strongest_binding();
        let binding = match (plus, bound) {
            (true, Some((name, data))) => (alloc::format!("p={name}"), data),
            (true, None) => return None,
            // RFC 5802 section 6: we could, and the server seems not to.
            (false, Some(_)) if !offered.contains(hash.mechanism(true)) => (String::from("y"), &[][..]),
            (false, _) => (String::from("n"), &[][..]),
        };
        let (scram, first) = ScramClient::begin(
            hash,
            (login, password),
            &self.authorization,
            (&binding.0, binding.1),
            super::encode(&random),
        );
        Some((State::Scram(alloc::boxed::Box::new(scram)), Some(first.into_bytes())))
    }

    fn note_problem(&mut self, challenge: &[u8]) {
        let text = String::from_utf8_lossy(challenge);
        let mut problem: String = text.chars().filter(|c| !c.is_control()).collect();
        let end = (0..=PROBLEM_MAX).rev().find(|&at| problem.is_char_boundary(at));
        problem.truncate(end.unwrap_or_default());
        self.problem = Some(problem);
    }
}

impl Authenticate for ClientExchange {
    fn begin(&mut self, offered: Mechanisms, secure: bool) -> Option<(Mechanism, Option<String>)> {
        let mechanism = (offered & self.usable(secure)).strongest()?;
        let (state, initial) = self.start(mechanism, offered)?;
        self.state = state;
        Some((mechanism, initial.map(|message| encode(&message))))
    }

    fn respond(&mut self, challenge: &[u8]) -> Option<String> {
        let state = core::mem::replace(&mut self.state, State::Failed);
        let challenge = decode(challenge)?;
        match state {
            State::Says(Said { next, then }) => {
                self.state = match then {
                    Some(next) => State::Says(Said { next, then: None }),
                    None => State::Done,
                };
                Some(encode(&next))
            }
            #[cfg(feature = "scram")]
            State::Scram(mut scram) => {
                let response = scram.respond(&challenge)?;
                self.state = State::Scram(scram);
                Some(encode(response.as_bytes()))
            }
            State::Token { dummy } => {
                self.note_problem(&challenge);
                Some(encode(dummy))
            }
            State::None | State::Done | State::Failed => None,
        }
    }

    fn finish(&mut self, last: Option<&[u8]>) -> bool {
        if let Some(last) = last
            && !last.is_empty()
            && self.respond(last).is_none()
        {
            return false;
        }
        match &self.state {
            #[cfg(feature = "scram")]
            State::Scram(scram) => scram.is_verified(),
            State::Token { .. } | State::Done => true,
            State::None | State::Says(_) | State::Failed => false,
        }
    }
}

#[cfg(test)]
mod tests;
