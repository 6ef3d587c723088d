//! The way from a client's claim to an account, the same for every protocol.
//!
//! What a client learns is the same, and as late, for an unknown account as for a wrong
//! password; what it sent reaches no log.

use core::net::IpAddr;
use core::time::Duration;

use postkern::sasl::{Credentials, Exchange, Mechanism, Step};

use crate::account::normalize;
use crate::config::Limits;
use crate::job::{AccountId, Done, Failure, Job, Secret};

/// The tries of one connection.
#[derive(Debug)]
pub(crate) struct Login {
    peer: IpAddr,
    exchange: Option<Exchange>,
    /// Whom the password under check is said to belong to.
    claimed: String,
    failures: u32,
}

/// What to do after a client's message.
pub(crate) enum Next {
    /// Send this, in base64.
    Challenge(String),
    /// Have it checked.
    Check(Job),
    /// The message is none of the mechanism.
    Malformed,
}

/// What came of a check.
pub(crate) enum Checked {
    /// Who it is: the account, and its address as it logged in, in lower case.
    Is(AccountId, String),
    /// Refuse after so much time; `last` if the connection ends then.
    Wrong { wait: Duration, last: bool },
    /// It could not be checked.
    Broken,
}

impl Login {
    pub(crate) fn new(peer: IpAddr) -> Self {
        Self { peer, exchange: None, claimed: String::new(), failures: 0 }
    }

    /// A mechanism begins.
    pub(crate) fn begin(&mut self, mechanism: &str, initial: Option<&[u8]>) -> Next {
        let Some(mechanism) = Mechanism::parse(mechanism) else { return Next::Malformed };
        let (exchange, step) = Exchange::begin(mechanism, initial);
        self.exchange = Some(exchange);
        self.go_on(step)
    }

    /// The client's next message.
    pub(crate) fn respond(&mut self, response: &[u8]) -> Next {
        let Some(exchange) = &mut self.exchange else { return Next::Malformed };
        let step = exchange.respond(response);
        self.go_on(step)
    }

    /// A login and a password in plain commands (USER and PASS, LOGIN).
    pub(crate) fn password(&mut self, login: &str, password: Vec<u8>) -> Job {
        self.claimed = normalize(login);
        Job::Authenticate { login: self.claimed.clone(), password: Secret(password) }
    }

    /// What came of the job.
    pub(crate) fn checked(&mut self, done: &Done, limits: &Limits) -> Checked {
        let claimed = std::mem::take(&mut self.claimed);
        match done {
            Done::Authenticated(Some(account)) => {
                tracing::info!(peer = %self.peer, login = claimed, "logged in");
                Checked::Is(*account, claimed)
            }
            Done::Authenticated(None) => {
                self.failures += 1;
                tracing::warn!(peer = %self.peer, login = claimed.escape_debug().to_string(), "login refused");
                Checked::Wrong { wait: limits.login_delay, last: self.failures >= limits.login_failures }
            }
            Done::Failed(failure) => {
                broken(failure);
                Checked::Broken
            }
            other => {
                debug_assert!(false, "not an answer to a login: {other:?}");
                Checked::Broken
            }
        }
    }

    fn go_on(&mut self, step: Step) -> Next {
        match step {
            Step::Challenge(challenge) => Next::Challenge(challenge),
            Step::Claimed(Credentials { authorization, login, password }) => {
                self.exchange = None;
                // Nobody acts for another here; the refusal is the one for a wrong password.
                let own = authorization.is_empty() || authorization.eq_ignore_ascii_case(&login);
                let login = if own { login } else { String::new() };
                Next::Check(self.password(&login, password))
            }
            Step::Malformed => {
                self.exchange = None;
                Next::Malformed
            }
        }
    }
}

/// Notes a failure of the store in the log; the client is told no more than that there was
/// one.
pub(crate) fn broken(failure: &Failure) {
    if let Failure::Broken(why) = failure {
        tracing::error!(why, "the store failed");
    }
}
