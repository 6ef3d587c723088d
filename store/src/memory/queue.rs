//! Accepting messages, and the queue of those that go elsewhere.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use postkern_server::bounce::{self, Bounce, HEADER_MAX};
use postkern_server::job::{Commit, Committed, Done, Failure, Local, MailboxId, QueueId, Report, Timestamp};
use postkern_server::mailbox::MailboxName;
use postkern_server::queue::{
    self, ATTEMPT_RECIPIENTS, Attempt, Diagnostic, LEASE, QueueEntry, Remote, Settled, Terms,
};
use postkern_server::trace;

use super::messages::cut;
use super::state::{Message, State};
use super::whole;
use crate::rules;
use crate::watchers::Effects;

/// A message that waits.
pub(super) struct Queued {
    sender: String,
    terms: Terms,
    body: Arc<Vec<u8>>,
    eight_bit: bool,
    queued: Timestamp,
    /// Never empty.
    recipients: Vec<Waiting>,
}

/// One recipient of it.
struct Waiting {
    recipient: Remote,
    domain: String,
    attempts: u32,
    next: Timestamp,
    lease: Option<Timestamp>,
    last_error: Option<String>,
}

impl Waiting {
    /// When it may be handed out.
    fn due(&self) -> Timestamp {
        self.lease.unwrap_or(self.next)
    }
}

impl State {
    pub(super) fn commit(
        &mut self,
        commit: Commit,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Committed, Failure> {
        let targets = self.targets(&commit.reverse_path, rules::each_once(commit.local))?;
        let id = self.next_queue();
        let head = commit.trace.map(|trace| trace::head(&trace, id, now)).unwrap_or_default();
        let body = whole(head, commit.message)?;
        self.deliver(&body, targets, now, effects)?;
        self.enqueue(id, body, commit.reverse_path, commit.terms, commit.remote, now, effects);
        Ok(Committed { id })
    }

    /// The INBOXes that are to have a message, which all have room, and what is put in front
    /// of it there.
    fn targets(&self, reverse_path: &str, local: Vec<Local>) -> Result<Vec<(MailboxId, Vec<u8>)>, Failure> {
        let mut targets = Vec::with_capacity(local.len());
        for local in local {
            let id = self.find(local.account, &MailboxName::inbox()).map_err(|_| Failure::NoSuchAccount)?;
            rules::uid_after(self.mailbox(id)?.uid_next, 1)?;
            targets.push((id, trace::delivered(reverse_path, &local.recipient)));
        }
        Ok(targets)
    }

    fn deliver(
        &mut self,
        body: &Arc<Vec<u8>>,
        targets: Vec<(MailboxId, Vec<u8>)>,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<(), Failure> {
        for (id, prefix) in targets {
            self.mailbox_mut(id)?.add(Message { internal_date: now, ..Self::message(prefix, body) });
            effects.mailboxes.insert(id);
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a queued message")]
    fn enqueue(
        &mut self,
        id: QueueId,
        body: Arc<Vec<u8>>,
        sender: String,
        terms: Terms,
        remote: Vec<Remote>,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let waiting =
            |(recipient, domain)| Waiting { recipient, domain, attempts: 0, next: now, lease: None, last_error: None };
        let recipients: Vec<Waiting> = rules::with_domains(remote).into_iter().map(waiting).collect();
        if !recipients.is_empty() {
            let eight_bit = !body.is_ascii();
            self.queue.insert(id, Queued { sender, terms, body, eight_bit, queued: now, recipients });
            effects.queue = true;
        }
    }

    pub(super) fn due(&mut self, limit: usize, now: Timestamp) -> Done {
        let mut groups = BTreeSet::new();
        for (id, message) in &self.queue {
            for waiting in message.recipients.iter().filter(|waiting| waiting.due() <= now) {
                groups.insert((waiting.due(), *id, waiting.domain.clone(), waiting.attempts));
            }
        }
        let until = Timestamp(now.0.saturating_add(LEASE.as_secs() as i64));
        let mut attempts = Vec::new();
        'groups: for (_, id, domain, tries) in groups {
            let Some(message) = self.queue.get_mut(&id) else { continue };
            loop {
                let is_one = |w: &&mut Waiting| w.due() <= now && w.domain == domain && w.attempts == tries;
                let mut recipients = Vec::new();
                if attempts.len() < limit {
                    for waiting in message.recipients.iter_mut().filter(is_one).take(ATTEMPT_RECIPIENTS) {
                        waiting.lease = Some(until);
                        recipients.push(waiting.recipient.clone());
                    }
                }
                if recipients.is_empty() {
                    continue 'groups;
                }
                attempts.push(Attempt {
                    id,
                    domain: domain.clone(),
                    sender: message.sender.clone(),
                    terms: message.terms.clone(),
                    recipients,
                    size: message.body.len() as u64,
                    eight_bit: message.eight_bit,
                    queued: message.queued,
                    attempts: tries,
                });
            }
        }
        let next = self.queue.values().flat_map(|message| &message.recipients).map(Waiting::due).min();
        let wait = next.map(|next| Duration::from_secs(u64::try_from(next.0.saturating_sub(now.0)).unwrap_or(0)));
        Done::Due { attempts, wait }
    }

    pub(super) fn read_queued(&self, id: QueueId, range: Range<u64>) -> Result<Vec<u8>, Failure> {
        let message = self.queue.get(&id).ok_or(Failure::NoSuchMessage)?;
        Ok(cut(&[&message.body], range))
    }

    pub(super) fn report(&mut self, report: &Report, now: Timestamp, effects: &mut Effects) {
        let Report { attempt, outcomes, schedule, .. } = report;
        // Removed by hand in the meantime: there is nothing left to be done.
        let Some(message) = self.queue.get_mut(&attempt.id) else { return };
        let attempts = attempt.attempts.saturating_add(1);
        let mut failed = Vec::new();
        for (recipient, outcome) in attempt.recipients.iter().zip(outcomes) {
            let is_it = |waiting: &Waiting| waiting.recipient.address == recipient.address;
            let Some(at) = message.recipients.iter().position(is_it) else { continue };
            let settled = queue::settle(outcome, attempts, message.queued, now, schedule);
            // Another attempt was reported in the meantime: this one tells only that it is there.
            if settled != Settled::Gone && message.recipients[at].attempts != attempt.attempts {
                continue;
            }
            match settled {
                Settled::Gone => drop(message.recipients.remove(at)),
                Settled::Bounce(diagnostic) => {
                    failed.push((message.recipients.remove(at).recipient.address, diagnostic))
                }
                Settled::Again(next) => {
                    let waiting = &mut message.recipients[at];
                    (waiting.attempts, waiting.next, waiting.lease) = (attempts, next, None);
                    waiting.last_error = rules::diagnostic(outcome).map(rules::last_error);
                    effects.queue = true;
                }
            }
        }
        let (sender, body, queued) = (message.sender.clone(), message.body.clone(), message.queued);
        if message.recipients.is_empty() {
            self.queue.remove(&attempt.id);
        }
        if !failed.is_empty() {
            self.bounce(report, &sender, &body, queued, &failed, now, effects);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a bounce")]
    fn bounce(
        &mut self,
        report: &Report,
        sender: &str,
        body: &[u8],
        queued: Timestamp,
        failed: &[(String, Diagnostic)],
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let (hostname, id) = (report.reporter.hostname.as_str(), report.attempt.id);
        let accounts = report.reporter.local.iter().filter_map(|name| self.account_named(name));
        let local: Vec<Local> = accounts.map(|account| Local::new(account, sender)).collect();
        // Never bounce a bounce (RFC 5321 section 6.1).
        if sender.is_empty() || local.is_empty() && report.reporter.remote.is_empty() {
            tracing::warn!(queue_id = id.0, failed = failed.len(), "a bounce has no one to go to and is dropped");
            return;
        }
        let own_id = self.next_queue();
        let header = rules::bounce_header(body);
        debug_assert!(header.len() <= HEADER_MAX);
        let message = bounce::build(&Bounce { hostname, id, own_id, sender, failed, queued, now, header });
        let message = Arc::new(message);
        if !report.reporter.remote.is_empty() {
            let remote = report.reporter.remote.iter().map(Remote::new).collect();
            self.enqueue(own_id, message.clone(), String::new(), Terms::default(), remote, now, effects);
        }
        let delivered = self.targets("", local).and_then(|targets| self.deliver(&message, targets, now, effects));
        if let Err(why) = delivered {
            tracing::warn!(queue_id = id.0, ?why, "a bounce cannot be delivered and is dropped");
        }
    }

    pub(super) fn retry(&mut self, id: QueueId, now: Timestamp, effects: &mut Effects) -> Result<(), Failure> {
        let message = self.queue.get_mut(&id).ok_or(Failure::NoSuchMessage)?;
        let mut is_waiting = false;
        for waiting in message.recipients.iter_mut().filter(|waiting| waiting.lease.is_none_or(|until| until <= now)) {
            waiting.next = waiting.next.min(now);
            is_waiting = true;
        }
        if !is_waiting {
            return Err(Failure::InUse);
        }
        effects.queue = true;
        Ok(())
    }

    pub(super) fn queue_entries(&self) -> Vec<QueueEntry> {
        let mut entries = Vec::new();
        for (id, message) in &self.queue {
            entries.extend(message.recipients.iter().map(|waiting| QueueEntry {
                id: *id,
                sender: message.sender.clone(),
                recipient: waiting.recipient.address.clone(),
                terms: message.terms.clone(),
                recipient_terms: waiting.recipient.terms.clone(),
                size: message.body.len() as u64,
                queued: message.queued,
                attempts: waiting.attempts,
                next: waiting.next,
                last_error: waiting.last_error.clone(),
            }));
        }
        entries
    }
}
