//! The message itself: its octets go to the store, and its end commits it.

use postkern::smtp::{Enhanced, Reply, Server, Ticket};

use super::{BROKEN, Pending, Smtp, Transaction, is_submission, refusal};
use crate::config::Listener;
use crate::job::{Commit, Done, Job, Reporter};
use crate::service::Step;
use crate::trace::Trace;

impl Smtp {
    pub(super) fn chunk(&mut self, octets: &[u8]) -> Step {
        let transaction = &mut self.transaction;
        if transaction.failed.is_some() {
            return Step::Go;
        }
        transaction.header.feed(octets);
        transaction.spool.tail.extend_from_slice(octets);
        if !transaction.spool.is_ripe() {
            return Step::Go;
        }
        self.pending = Pending::Spool;
        Step::Job(Job::Spool(std::mem::take(&mut transaction.spool)))
    }

    pub(super) fn spooled(&mut self, done: Done) {
        match done {
            Done::Spooled(spool) => self.transaction.spool = spool,
            Done::Failed(failure) => self.transaction.failed = Some(refusal(&failure)),
            _ => self.transaction.failed = Some(BROKEN),
        }
    }

    /// The end of the message. Whatever comes of it, the transaction is over.
    pub(super) fn message(&mut self, ticket: Ticket, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        const LOOP: Reply<'static> = Reply::new(554, Enhanced(5, 4, 6), "too many Received fields: mail loop");
        let with = self.with(machine);
        let transaction = std::mem::take(&mut self.transaction);
        // RFC 5321 section 6.3.
        let looping = transaction.header.received() > self.config.limits.received;
        if let Some(reply) = transaction.failed.or(looping.then_some(LOOP)) {
            machine.reply(ticket, &reply, out);
            return Step::Go;
        }
        self.pending = Pending::Commit(ticket);
        Step::Job(Job::Commit(Box::new(self.commit(transaction, with))))
    }

    pub(super) fn committed(&mut self, ticket: Ticket, done: &Done, machine: &mut Server, out: &mut Vec<u8>) {
        match done {
            Done::Committed(committed) => {
                let text = format!("ok, queued as {}", committed.id);
                tracing::info!(peer = %self.peer, listener = %self.listener, id = %committed.id, "message accepted");
                machine.reply(ticket, &Reply::new(250, Enhanced(2, 0, 0), &text), out);
            }
            Done::Failed(failure) => machine.reply(ticket, &refusal(failure), out),
            _ => machine.reply(ticket, &BROKEN, out),
        }
    }

    fn commit(&self, transaction: Transaction, with: &'static str) -> Commit {
        let trace = Trace {
            hello: self.hello.clone(),
            peer: Some(self.peer),
            by: self.config.hostname.clone(),
            with,
            recipient: transaction.recipient,
            conceal_peer: is_submission(self.listener),
        };
        Commit {
            trace: Some(trace),
            reporter: Reporter::of(&self.config, &transaction.reverse_path),
            reverse_path: transaction.reverse_path,
            terms: transaction.terms,
            local: transaction.local,
            remote: transaction.remote,
            expanded: transaction.expanded,
            message: transaction.spool,
        }
    }

    /// RFC 3848: how the message came.
    fn with(&self, machine: &Server) -> &'static str {
        let lmtp = self.listener == Listener::Lmtp;
        match (machine.is_secure(), self.account.is_some()) {
            (false, _) if lmtp => "LMTP",
            (true, _) if lmtp => "LMTPS",
            (true, true) => "ESMTPSA",
            (true, false) => "ESMTPS",
            (false, true) => "ESMTPA",
            (false, false) if machine.is_extended() => "ESMTP",
            (false, false) => "SMTP",
        }
    }
}
