//! The session above the client machine that carries a message to one server.

use postkern::sasl::{ClientExchange, Identity, NONCE, TlsFacts};
use postkern::smtp::{Client, Delivery, Envelope, Notice, Options, Progress, Verb, Verdict};

use super::convert::{Convert, Read};
use crate::config::RouteLogin;
use crate::downgrade::{Cannot, Downgrade, Plan};
use crate::job::{Done, Job, QueueId};
use crate::service::{Session, Step};

/// Octets of a message read at a time: they stand in memory up to four times at once, as read, as
/// said, and encrypted on their way to the socket.
const PIECE: u64 = 64 * 1024;

/// Feeds a [`Delivery`] with notices, and with the message out of the queue.
pub(super) struct RelaySession {
    id: QueueId,
    delivery: Delivery,
    progress: Progress,
    /// Octets of the message in the queue.
    size: u64,
    /// Of them read in this transaction, and what that made for the server.
    at: u64,
    handed: u64,
    /// The message is being read to be re-encoded.
    convert: Option<Convert>,
    /// It is re-encoded so.
    plan: Option<Plan>,
    downgrade: Option<Downgrade>,
    login: Option<(RouteLogin, Option<[u8; NONCE]>)>,
    asked_tls: bool,
    secured: bool,
    /// The server did not let us log in.
    login_refused: bool,
    /// The message was begun, so that the server may have taken it.
    sent_message: bool,
}

impl RelaySession {
    /// `secured` if the connection begins with TLS. Random octets for a login, for this
    /// connection alone.
    pub(super) fn new(
        id: QueueId,
        envelope: Envelope,
        options: Options,
        secured: bool,
        login: Option<(RouteLogin, Option<[u8; NONCE]>)>,
    ) -> Self {
        let size = envelope.size;
        Self {
            id,
            delivery: Delivery::new(envelope, options, secured),
            progress: Progress::Go,
            size,
            at: 0,
            handed: 0,
            convert: None,
            plan: None,
            downgrade: None,
            login,
            asked_tls: false,
            secured,
            login_refused: false,
            sent_message: false,
        }
    }

    pub(super) fn verdicts(&self) -> &[Option<Verdict>] {
        self.delivery.verdicts()
    }

    pub(super) fn refused_us(&self) -> bool {
        self.delivery.refused_us()
    }

    pub(super) fn is_finished(&self) -> bool {
        self.progress == Progress::Finished
    }

    /// The server agreed to TLS, so that a failure from here on may be the handshake's.
    pub(super) fn asked_tls(&self) -> bool {
        self.asked_tls
    }

    pub(super) fn is_secured(&self) -> bool {
        self.secured
    }

    pub(super) fn login_refused(&self) -> bool {
        self.login_refused
    }

    pub(super) fn has_sent_message(&self) -> bool {
        self.sent_message
    }

    fn read(&self, at: u64) -> Step {
        Step::Job(Job::ReadQueued { id: self.id, range: at..self.size.min(at + PIECE) })
    }

    /// The next piece, re-encoded where that is to be.
    fn hand(&mut self, piece: &[u8], machine: &mut Client, out: &mut Vec<u8>) -> Result<(), Cannot> {
        self.at += piece.len() as u64;
        let mut made = Vec::new();
        let piece = match &mut self.downgrade {
            Some(downgrade) => {
                downgrade.feed(piece, &mut made)?;
                &made
            }
            None => piece,
        };
        self.write(piece, machine, out);
        Ok(())
    }

    fn write(&mut self, piece: &[u8], machine: &mut Client, out: &mut Vec<u8>) {
        self.handed += piece.len() as u64;
        self.delivery.write(piece, machine, out);
    }

    fn end(&mut self, machine: &mut Client, out: &mut Vec<u8>) -> Result<(), Cannot> {
        if let Some(downgrade) = self.downgrade.take() {
            let mut made = Vec::new();
            downgrade.finish(&mut made)?;
            self.write(&made, machine, out);
        }
        self.delivery.end(machine, out);
        self.progress = self.delivery.progress();
        Ok(())
    }

    /// A piece was read to be re-encoded.
    fn converted(
        &mut self,
        mut convert: Convert,
        piece: &[u8],
        machine: &mut Client,
        out: &mut Vec<u8>,
    ) -> Result<Step, Cannot> {
        convert.feed(piece)?;
        if convert.at >= self.size {
            match convert.end()? {
                Read::Again => {}
                Read::Done { octets, plan } => {
                    tracing::info!(id = %self.id, octets, is_changed = plan.is_some(), "re-encoded for the host");
                    self.plan = plan;
                    self.delivery.convert(octets, convert.most(), machine, out);
                    self.progress = self.delivery.progress();
                    return Ok(Step::Go);
                }
            }
        }
        let step = self.read(convert.at);
        self.convert = Some(convert);
        Ok(step)
    }

    fn fail(&mut self, why: &str, machine: &mut Client) {
        tracing::error!(id = %self.id, why, "a queued message cannot be sent");
        self.progress = Progress::Finished;
        self.delivery.abandon(why, machine);
    }
}

impl Session<Client> for RelaySession {
    fn secured(&mut self, facts: TlsFacts, _: &mut Client) {
        if let Some((RouteLogin { name, password, .. }, nonce)) = self.login.take() {
            let exchange = ClientExchange::new(Identity::Password { login: name, password: password.0 }).over(facts);
            let exchange = match nonce {
                Some(nonce) => exchange.with_nonce(nonce),
                None => exchange,
            };
            self.delivery.log_in(Box::new(exchange));
        }
    }

    fn on(&mut self, notice: Notice<'_>, machine: &mut Client, out: &mut Vec<u8>) -> Step {
        match &notice {
            Notice::Secured => self.secured = true,
            Notice::Reply { verb: Verb::StartTls, reply, .. } => self.asked_tls = reply.code == 220,
            Notice::Reply { verb: Verb::Auth, reply, .. } => self.login_refused = !reply.is_positive(),
            _ => {}
        }
        self.progress = self.delivery.on(notice, machine, out);
        if let Progress::Convert(most) = self.progress {
            self.convert = Some(Convert::new(most));
            return self.read(0);
        }
        Step::Go
    }

    fn advance(&mut self, machine: &mut Client, out: &mut Vec<u8>) -> Step {
        if self.progress != Progress::Message {
            return Step::Go;
        }
        self.sent_message = true;
        // Another transaction begins with the message's first octet.
        if self.delivery.written() != self.handed {
            (self.at, self.handed) = (0, 0);
        }
        if self.at == 0 {
            self.downgrade = self.plan.clone().map(Downgrade::new);
        }
        if self.at < self.size {
            return self.read(self.at);
        }
        if self.end(machine, out).is_err() {
            self.fail("the message cannot be re-encoded as it was", machine);
        }
        Step::Go
    }

    fn done(&mut self, done: Done, machine: &mut Client, out: &mut Vec<u8>) -> Step {
        let octets = match done {
            Done::Octets(octets) if !octets.is_empty() => octets,
            other => {
                tracing::error!(id = %self.id, ?other, "a queued message cannot be read");
                self.fail("the message cannot be read", machine);
                return Step::Go;
            }
        };
        if let Some(convert) = self.convert.take() {
            return self.converted(convert, &octets, machine, out).unwrap_or_else(|cannot| {
                tracing::info!(id = %self.id, %cannot, "the message cannot be re-encoded for the host");
                self.delivery.refuse(machine, out);
                self.progress = self.delivery.progress();
                Step::Go
            });
        }
        match self.hand(&octets, machine, out) {
            Ok(()) => self.progress = self.delivery.progress(),
            Err(_) => self.fail("the message cannot be re-encoded as it was", machine),
        }
        Step::Go
    }
}
