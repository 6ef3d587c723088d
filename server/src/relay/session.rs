//! The session above the client machine that carries a message to one server.

use postkern::smtp::{Client, Delivery, Envelope, Notice, Options, Progress, TlsPolicy, Verdict};

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
    size: u64,
    asked_tls: bool,
    secured: bool,
    /// The message was begun, so that the server may have taken it.
    sent_message: bool,
}

impl RelaySession {
    pub(super) fn new(id: QueueId, envelope: Envelope, hello: String, tls: TlsPolicy) -> Self {
        let size = envelope.size;
        let options = Options { tls, ..Options::new(hello) };
        let delivery = Delivery::new(envelope, options, false);
        let asked_tls = false;
        Self { id, delivery, progress: Progress::Go, size, asked_tls, secured: false, sent_message: false }
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

    pub(super) fn has_sent_message(&self) -> bool {
        self.sent_message
    }

    fn read(&self) -> Step {
        let at = self.delivery.written();
        let range = at..self.size.min(at + PIECE);
        Step::Job(Job::ReadQueued { id: self.id, range })
    }
}

impl Session<Client> for RelaySession {
    fn on(&mut self, notice: Notice<'_>, machine: &mut Client, out: &mut Vec<u8>) -> Step {
        match &notice {
            Notice::Secured => self.secured = true,
            Notice::Reply { verb: postkern::smtp::Verb::StartTls, reply, .. } => self.asked_tls = reply.is_positive(),
            _ => {}
        }
        self.progress = self.delivery.on(notice, machine, out);
        if let Progress::Convert(_) = self.progress {
            self.delivery.refuse(machine, out);
            self.progress = self.delivery.progress();
        }
        Step::Go
    }

    fn advance(&mut self, machine: &mut Client, out: &mut Vec<u8>) -> Step {
        if self.progress != Progress::Message {
            return Step::Go;
        }
        self.sent_message = true;
        if self.delivery.written() < self.size {
            return self.read();
        }
        self.delivery.end(machine, out);
        self.progress = self.delivery.progress();
        Step::Go
    }

    fn done(&mut self, done: Done, machine: &mut Client, out: &mut Vec<u8>) -> Step {
        match done {
            Done::Octets(octets) if !octets.is_empty() => {
                self.delivery.write(&octets, machine, out);
                self.progress = self.delivery.progress();
            }
            other => {
                tracing::error!(id = %self.id, ?other, "a queued message cannot be read");
                self.progress = Progress::Finished;
                self.delivery.abandon("the message cannot be read", machine);
            }
        }
        Step::Go
    }
}
