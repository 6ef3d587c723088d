//! The message itself: its octets go to the store, and its end commits it.

use postkern::smtp::{Enhanced, Reply, Server, Ticket};

use super::{BROKEN, Pending, Smtp, Transaction, is_submission, refusal};
use crate::config::Listener;
use crate::downgrade::Cannot;
use crate::fixup::{Fixup, Submitter};
use crate::job::{Commit, Done, Job, Local, Reporter};
use crate::queue::RecipientTerms;
use crate::service::Step;
use crate::trace::{Added, Trace};

impl Smtp {
    pub(super) fn chunk(&mut self, octets: &[u8]) -> Step {
        if self.transaction.failed.is_some() {
            return Step::Go;
        }
        self.transaction.header.feed(octets);
        let mut lines = Vec::new();
        match &mut self.transaction.downgrade {
            Some(downgrade) => match downgrade.feed(octets, &mut lines) {
                Ok(()) => self.take(&lines),
                Err(cannot) => self.transaction.failed = Some(unconverted(cannot)),
            },
            None => self.take(octets),
        }
        if !self.transaction.spool.is_ripe() {
            return Step::Go;
        }
        self.pending = Pending::Spool;
        Step::Job(Job::Spool(std::mem::take(&mut self.transaction.spool)))
    }

    /// Takes lines into the spool, repaired if they are submitted.
    fn take(&mut self, octets: &[u8]) {
        let Some(mut fixup) = self.fixup() else {
            return self.transaction.spool.tail.extend_from_slice(octets);
        };
        let mut tail = std::mem::take(&mut self.transaction.spool.tail);
        self.submitted(|submitter| fixup.feed(octets, submitter, &mut tail));
        (self.transaction.fixup, self.transaction.spool.tail) = (Some(fixup), tail);
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
        if let Some(downgrade) = self.transaction.downgrade.take() {
            let mut lines = Vec::new();
            match downgrade.finish(&mut lines) {
                Ok(()) => self.take(&lines),
                Err(cannot) => self.transaction.failed = self.transaction.failed.or(Some(unconverted(cannot))),
            }
        }
        let with = self.with(machine);
        let fixup = self.fixup();
        let mut transaction = std::mem::take(&mut self.transaction);
        let looping =
            self.looping(&transaction).inspect(|reply| tracing::warn!(peer = %self.peer, reply.text, "a loop"));
        if let Some(reply) = transaction.failed.or(looping) {
            machine.reply(ticket, &reply, out);
            return Step::Go;
        }
        let (reverse_path, tail) = (&transaction.reverse_path, &mut transaction.spool.tail);
        let added = fixup.map(|fixup| self.submitted(|submitter| fixup.finish(reverse_path, submitter, tail)));
        let added = match added.transpose() {
            Ok(added) => added.unwrap_or_default(),
            Err(refusal) => {
                tracing::info!(peer = %self.peer, ?refusal, "message refused");
                machine.reply(ticket, &refusal.reply(), out);
                return Step::Go;
            }
        };
        self.pending = Pending::Commit(ticket);
        Step::Job(Job::Commit(Box::new(self.commit(transaction, with, added))))
    }

    /// What a message is refused with that goes in circles (RFC 5321 section 6.3).
    ///
    /// One that was delivered to a recipient is refused for all of them: nothing is lost, and
    /// who sends it hears of it. Who submits one may send again what was delivered before.
    fn looping(&self, transaction: &Transaction) -> Option<Reply<'static>> {
        const LOOP: Reply<'static> = Reply::new(554, Enhanced(5, 4, 6), "too many Received fields: mail loop");
        const HERE: Reply<'static> = Reply::new(554, Enhanced(5, 4, 6), "this has been here too often: mail loop");
        const DELIVERED: Reply<'static> =
            Reply::new(554, Enhanced(5, 4, 6), "this was delivered to that address before: mail loop");
        let limits = &self.config.limits;
        let to_same = |local: &Local| transaction.header.was_delivered_to(&local.recipient);
        match () {
            () if transaction.header.received() > limits.received => Some(LOOP),
            () if transaction.header.passed(&self.config.hostname) > limits.received_here => Some(HERE),
            () if self.account.is_none() && transaction.local.iter().any(to_same) => Some(DELIVERED),
            () => None,
        }
    }

    /// What repairs the message that is coming in, if it is submitted (RFC 6409 section 8).
    fn fixup(&mut self) -> Option<Box<Fixup>> {
        let (_, login) = self.account.as_ref().filter(|_| is_submission(self.listener))?;
        let fixup = self.transaction.fixup.take();
        Some(fixup.unwrap_or_else(|| Box::new(Fixup::new(self.config.submission, login))))
    }

    /// Calls with who submits.
    fn submitted<T>(&self, call: impl FnOnce(Submitter<'_>) -> T) -> T {
        let account = self.account.as_ref().map_or("", |(_, login)| login);
        call(Submitter { account, owns: &|address| self.owns(address) })
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

    fn commit(&self, mut transaction: Transaction, with: &'static str, added: Added) -> Commit {
        // It has lines by now.
        transaction.terms.binary = false;
        // What needs SMTPUTF8 further on is what holds UTF-8 (RFC 6531 section 3.5), whatever was
        // said of it here.
        transaction.terms.smtp_utf8 &= !added.fields.is_ascii() || is_beyond_ascii(&transaction);
        // RFC 8689 section 4.1: REQUIRETLS is stronger than the field.
        transaction.terms.tls_optional = transaction.header.fields().tls_optional && !transaction.terms.require_tls;
        let trace = Trace {
            hello: self.behind.as_ref().unwrap_or(&self.hello).clone(),
            peer: Some(self.peer).filter(|peer| !peer.is_unspecified()),
            by: self.config.hostname.clone(),
            with,
            recipient: transaction.recipient,
            conceal_peer: is_submission(self.listener),
            added,
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

    /// How the message came: RFC 3848, and RFC 6531 section 3.7.3 for what may hold UTF-8.
    fn with(&self, machine: &Server) -> &'static str {
        let lmtp = self.listener == Listener::Lmtp;
        match (self.transaction.terms.smtp_utf8, machine.is_secure(), self.account.is_some()) {
            (false, false, _) if lmtp => "LMTP",
            (false, true, _) if lmtp => "LMTPS",
            (true, false, _) if lmtp => "UTF8LMTP",
            (true, true, _) if lmtp => "UTF8LMTPS",
            (true, true, true) => "UTF8SMTPSA",
            (true, true, false) => "UTF8SMTPS",
            (true, false, true) => "UTF8SMTPA",
            (true, false, false) => "UTF8SMTP",
            (false, true, true) => "ESMTPSA",
            (false, true, false) => "ESMTPS",
            (false, false, true) => "ESMTPA",
            (false, false, false) if machine.is_extended() => "ESMTP",
            (false, false, false) => "SMTP",
        }
    }
}

/// Whether the header or the envelope is such that SMTPUTF8 is needed.
///
/// # Known limits
/// UTF-8 in the header of a part of the body is not seen: it goes out as 8-bit text does.
fn is_beyond_ascii(transaction: &Transaction) -> bool {
    let local = transaction.local.iter().map(|to| (&to.recipient, &to.terms));
    let remote = transaction.remote.iter().map(|to| (&to.address, &to.terms));
    let recipient = |(address, terms): (&String, &RecipientTerms)| {
        !address.is_ascii() || terms.orcpt.as_ref().is_some_and(|original| !original.is_ascii())
    };
    let header = transaction.header.is_eight_bit();
    header || !transaction.reverse_path.is_ascii() || local.chain(remote).any(recipient)
}

/// We keep lines; what cannot become such is refused (RFC 3030 section 3).
fn unconverted(cannot: Cannot) -> Reply<'static> {
    Reply::new(554, cannot.status(), cannot.text())
}
