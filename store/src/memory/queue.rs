//! Accepting messages, and the queue of those that go elsewhere or are held.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use postkern_server::dsn::{Around, Dsn, News, Survey};
use postkern_server::job::{
    AccountId, Commit, Committed, Done, Failure, Local, MailboxId, QueueId, Report, Reporter, Timestamp,
};
use postkern_server::mailbox::MailboxName;
use postkern_server::queue::{self, ATTEMPT_RECIPIENTS, Attempt, LEASE, Outcome, QueueEntry, Remote, Terms, Told};
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
    /// The account here that gets it when its hold is over.
    account: Option<AccountId>,
    domain: String,
    attempts: u32,
    next: Timestamp,
    lease: Option<Timestamp>,
    /// The first of those that are out together, while they are.
    leads: bool,
    told: Told,
    last_error: Option<String>,
}

impl Waiting {
    fn new(recipient: Remote, account: Option<AccountId>, domain: String, next: Timestamp) -> Self {
        let (lease, last_error, told) = (None, None, Told::default());
        Self { recipient, account, domain, attempts: 0, next, lease, leads: false, told, last_error }
    }

    /// When it may be handed out.
    fn due(&self) -> Timestamp {
        self.lease.unwrap_or(self.next)
    }
}

/// A message, and what its sender is to be told of it.
struct Letter {
    id: QueueId,
    sender: String,
    terms: Terms,
    body: Arc<Vec<u8>>,
    queued: Timestamp,
    news: Vec<News>,
}

impl State {
    pub(super) fn commit(
        &mut self,
        commit: Commit,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Committed, Failure> {
        let Commit { reverse_path: sender, terms, reporter, .. } = commit;
        let next = terms.held_until(now);
        let is_held = next > now;
        let news = rules::news_of_commit(if is_held { &[] } else { &commit.local }, &commit.expanded);
        let elsewhere = |(recipient, domain)| Waiting::new(recipient, None, domain, next);
        let mut waiting: Vec<Waiting> = rules::with_domains(commit.remote).into_iter().map(elsewhere).collect();
        let mut local = rules::each_once(commit.local);
        if is_held {
            waiting.extend(local.drain(..).map(|Local { account, recipient, terms }| {
                Waiting::new(Remote { address: recipient, terms }, Some(account), String::new(), next)
            }));
        }
        let targets = self.targets(&sender, local)?;
        let id = self.next_queue();
        let head = commit.trace.map(|trace| trace::head(&trace, id, now)).unwrap_or_default();
        let body = whole(head, commit.message)?;
        self.deliver(&body, targets, now, effects)?;
        self.enqueue(id, Queued::new(&sender, &terms, &body, now, waiting), effects);
        if !sender.is_empty() && !news.is_empty() {
            let letter = Letter { id, sender, terms, body, queued: now, news };
            self.tell(&reporter, &letter, now, effects);
        }
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

    fn enqueue(&mut self, id: QueueId, queued: Queued, effects: &mut Effects) {
        if !queued.recipients.is_empty() {
            self.queue.insert(id, queued);
            effects.queue = true;
        }
    }

    pub(super) fn due(&mut self, limit: usize, per_domain: usize, now: Timestamp) -> Done {
        let mut rows = BTreeSet::new();
        let mut out = HashMap::<String, usize>::new();
        for (id, message) in &self.queue {
            let priority = Reverse(message.terms.priority.unwrap_or_default());
            for (n, waiting) in message.recipients.iter().enumerate() {
                if waiting.due() <= now {
                    let group = (*id, waiting.domain.clone(), waiting.attempts, waiting.account);
                    rows.insert((priority, waiting.due(), group, n));
                } else if waiting.leads {
                    *out.entry(waiting.domain.clone()).or_default() += 1;
                }
            }
        }
        let (mut chosen, mut counts) = (Vec::new(), HashMap::new());
        for (.., group, _) in rows {
            if chosen.len() >= limit {
                break;
            }
            let count: &mut usize = counts.entry(group.clone()).or_default();
            if count.is_multiple_of(ATTEMPT_RECIPIENTS) {
                let out = out.entry(group.1.clone()).or_default();
                if group.3.is_none() && *out >= per_domain {
                    continue;
                }
                *out += 1;
                chosen.push(group);
            }
            *count += 1;
        }
        let attempts: Vec<Attempt> = chosen.into_iter().filter_map(|group| self.lease(group, now)).collect();
        let held_back = attempts.len() >= limit;
        let dues = self.queue.values().flat_map(|message| &message.recipients).map(Waiting::due);
        // What a domain's limit holds back is due, and waits for a report.
        let next = dues.filter(|due| held_back || *due > now).min();
        let wait = next.map(|next| Duration::from_secs(u64::try_from(next.0.saturating_sub(now.0)).unwrap_or(0)));
        Done::Due { attempts, wait }
    }

    fn lease(
        &mut self,
        (id, domain, attempts, account): (QueueId, String, u32, Option<AccountId>),
        now: Timestamp,
    ) -> Option<Attempt> {
        let message = self.queue.get_mut(&id)?;
        let is_one = |of: &&mut Waiting| {
            of.due() <= now && of.domain == domain && of.attempts == attempts && of.account == account
        };
        let mut recipients = Vec::new();
        for waiting in message.recipients.iter_mut().filter(is_one).take(ATTEMPT_RECIPIENTS) {
            waiting.lease = Some(now.after(LEASE.as_secs() as i64));
            waiting.leads = recipients.is_empty();
            recipients.push(waiting.recipient.clone());
        }
        (!recipients.is_empty()).then(|| Attempt {
            id,
            domain,
            account,
            sender: message.sender.clone(),
            terms: message.terms.clone(),
            recipients,
            size: message.body.len() as u64,
            eight_bit: message.eight_bit,
            queued: message.queued,
            leased: now,
            attempts,
        })
    }

    pub(super) fn flush(&mut self, domain: &str, subdomains: bool, now: Timestamp, effects: &mut Effects) -> u32 {
        let below = format!(".{domain}");
        let mut messages = 0;
        for message in self.queue.values_mut() {
            let of = |waiting: &&mut Waiting| {
                // What was never tried and is not due is held.
                waiting.account.is_none()
                    && (waiting.attempts > 0 || waiting.next <= now)
                    && (waiting.domain == domain || subdomains && waiting.domain.ends_with(&below))
            };
            let mut any = false;
            for waiting in message.recipients.iter_mut().filter(of) {
                any = true;
                if waiting.next > now && waiting.lease.is_none_or(|until| until <= now) {
                    waiting.next = now;
                    effects.queue = true;
                }
            }
            messages += u32::from(any);
        }
        messages
    }

    pub(super) fn read_queued(&self, id: QueueId, range: Range<u64>) -> Result<Vec<u8>, Failure> {
        let message = self.queue.get(&id).ok_or(Failure::NoSuchMessage)?;
        Ok(cut(&[&message.body], range))
    }

    pub(super) fn report(&mut self, report: &Report, now: Timestamp, effects: &mut Effects) {
        let Report { attempt, outcomes, schedule, reporter } = report;
        // Removed by hand in the meantime: there is nothing left to be done.
        let Some(mut message) = self.queue.remove(&attempt.id) else { return };
        let attempts = attempt.attempts.saturating_add(1);
        let (sender, terms, body) = (message.sender.clone(), message.terms.clone(), message.body.clone());
        let mut letter = Letter { id: attempt.id, sender, terms, body, queued: message.queued, news: Vec::new() };
        for (recipient, outcome) in attempt.recipients.iter().zip(outcomes) {
            let is_it = |waiting: &Waiting| {
                waiting.recipient.address == recipient.address && waiting.account == attempt.account
            };
            let Some(at) = message.recipients.iter().position(is_it) else { continue };
            // Another attempt was reported in the meantime: this one tells only that it is there.
            if message.recipients[at].attempts != attempt.attempts && !matches!(outcome, Outcome::Delivered(_)) {
                continue;
            }
            let outcome = match attempt.account {
                Some(account) => &self.put_here(&letter, account, recipient, outcome, now, effects),
                None => outcome,
            };
            let (queued, told) = (message.queued, message.recipients[at].told);
            let waiting = queue::Waiting { queued, terms: &letter.terms, recipient: &recipient.terms, attempts, told };
            let settled = queue::settle(outcome, &waiting, now, schedule);
            match settled.again {
                None => drop(message.recipients.remove(at)),
                Some(next) => {
                    let waiting = &mut message.recipients[at];
                    (waiting.attempts, waiting.next, waiting.lease) = (attempts, next, None);
                    (waiting.leads, waiting.told) = (false, settled.told);
                    waiting.last_error = rules::diagnostic(outcome).map(rules::last_error);
                    effects.queue = true;
                }
            }
            letter.news.extend(settled.tell.map(|action| News { recipient: recipient.clone(), action }));
        }
        if !message.recipients.is_empty() {
            self.queue.insert(attempt.id, message);
        }
        if !letter.news.is_empty() {
            self.tell(reporter, &letter, now, effects);
        }
    }

    /// Puts a message whose hold is over into its mailbox; what became of that.
    fn put_here(
        &mut self,
        letter: &Letter,
        account: AccountId,
        recipient: &Remote,
        outcome: &Outcome,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Outcome {
        let Outcome::Delivered(_) = outcome else { return outcome.clone() };
        let local = vec![Local::new(account, recipient.address.as_str())];
        let targets = self.targets(&letter.sender, local);
        match targets.and_then(|targets| self.deliver(&letter.body, targets, now, effects)) {
            Ok(()) => outcome.clone(),
            Err(failure) => rules::not_delivered(&failure),
        }
    }

    /// Reports to the sender.
    fn tell(&mut self, reporter: &Reporter, letter: &Letter, now: Timestamp, effects: &mut Effects) {
        let Letter { id, sender, terms, body, queued, news } = letter;
        let accounts = reporter.local.iter().filter_map(|name| self.account_named(name));
        let local: Vec<Local> = accounts.map(|account| Local::new(account, sender.as_str())).collect();
        if let (true, true, Some(others)) = (local.is_empty(), reporter.remote.is_empty(), &reporter.otherwise) {
            return self.tell(others, letter, now, effects);
        }
        // Nothing is reported of a report (RFC 3461 section 5.2).
        if sender.is_empty() || local.is_empty() && reporter.remote.is_empty() {
            tracing::warn!(queue_id = id.0, of = news.len(), "a report has no one to go to and is dropped");
            return;
        }
        let own_id = self.next_queue();
        let hostname = reporter.hostname.as_str();
        let dsn = Dsn { hostname, id: *id, own_id, sender, terms, news, queued: *queued, now };
        let message = Arc::new(write(&dsn, body, reporter.whole));
        let remote = rules::with_domains(reporter.remote.iter().map(Remote::new).collect());
        let waiting = remote.into_iter().map(|(recipient, domain)| Waiting::new(recipient, None, domain, now));
        self.enqueue(own_id, Queued::new("", &dsn.own_terms(), &message, now, waiting.collect()), effects);
        let delivered = self.targets("", local).and_then(|targets| self.deliver(&message, targets, now, effects));
        if let Err(why) = delivered {
            tracing::warn!(queue_id = id.0, ?why, "a report cannot be delivered and is dropped");
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

impl Queued {
    fn new(sender: &str, terms: &Terms, body: &Arc<Vec<u8>>, queued: Timestamp, recipients: Vec<Waiting>) -> Self {
        let (sender, terms, body) = (sender.to_owned(), terms.clone(), body.clone());
        Self { sender, terms, eight_bit: !body.is_ascii(), body, queued, recipients }
    }
}

/// The report.
fn write(dsn: &Dsn<'_>, original: &[u8], whole: u64) -> Vec<u8> {
    if dsn.returns_whole(original.len() as u64, whole) {
        let mut survey = Survey::new(dsn);
        survey.feed(original);
        if let Some(Around { before: mut out, mut encoder, behind }) = dsn.around(&survey) {
            encoder.write(original, &mut out);
            encoder.end(&mut out);
            out.extend_from_slice(&behind);
            return out;
        }
    }
    dsn.with_header(rules::returned_header(original))
}
