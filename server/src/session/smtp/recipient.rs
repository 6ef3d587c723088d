//! Who is a recipient here (RFC 5321 section 3.3), and who may be one elsewhere.
//!
//! RCPT is answered after, in this order: the rate of recipients; who has the mail for the
//! address ([`Resolution`]); whether they had it when the sender last knew (RRVS); whether the
//! sender is a stranger (greylisting). Each may take a job.

use postkern::smtp::{Enhanced, Path, Reply, Server, Ticket};

use super::{BROKEN, Pending, Smtp, is_submission, refusal};
use crate::config::Listener;
use crate::greylist::Question;
use crate::idn;
use crate::job::{AccountId, Done, Failure, Job, Local, Timestamp};
use crate::queue::{RecipientTerms, Remote};
use crate::rates::Act;
use crate::resolve::Resolution;
use crate::service::Step;

/// Mailboxes that one message may be delivered to, aliases expanded.
const TARGETS_MAX: usize = 10_000;

const ACCEPTED: Reply<'static> = Reply::new(250, Enhanced(2, 1, 5), "ok");
const UNKNOWN: Reply<'static> = Reply::new(550, Enhanced(5, 1, 1), "no such mailbox here");
const NO_RELAY: Reply<'static> = Reply::new(550, Enhanced(5, 7, 1), "relaying denied");
const NO_DOMAIN: Reply<'static> = Reply::new(550, Enhanced(5, 1, 2), "that domain has no form in DNS");
/// RFC 6409 section 4.2: who submits names domains in full.
const NOT_FULL: Reply<'static> = Reply::new(501, Enhanced(5, 1, 3), "the domain must be written in full");
const TOO_MANY: Reply<'static> = Reply::new(452, Enhanced(4, 5, 3), "too many recipients");
const TOO_OFTEN: Reply<'static> =
    Reply::new(450, Enhanced(4, 7, 1), "too many recipients from your address, try again later");
const NOBODY_YET: Reply<'static> = Reply::new(450, Enhanced(4, 2, 1), "no account here yet, try again later");
/// RFC 7293 section 14.
const NEW_OWNER: Reply<'static> = Reply::new(550, Enhanced(5, 7, 17), "the mailbox has changed hands since");

/// A recipient under way.
pub(super) struct Recipient {
    ticket: Ticket,
    /// As given, for the trace lines.
    address: String,
    /// What the sender asked for it.
    terms: RecipientTerms,
    resolution: Resolution,
    stage: Stage,
}

/// What is being found out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Rate,
    Lookup,
    /// Any account at all, to be the postmaster.
    Postmaster,
    Age,
    Greylist,
}

impl Smtp {
    /// RCPT. The domain after the last unquoted `@` is compared as it is: no percent, bang,
    /// route or trailing dot means anything, so that no form of address opens a relay.
    pub(super) fn rcpt(
        &mut self,
        to: Path<'_>,
        terms: RecipientTerms,
        ticket: Ticket,
        machine: &mut Server,
        out: &mut Vec<u8>,
    ) -> Step {
        // RFC 5321 section 4.5.1: postmaster without a domain is ours.
        let ours = to.domain().is_none_or(|domain| self.config.is_local(domain));
        let relayed = to.domain().is_some_and(|domain| self.config.is_relayed(domain));
        if !ours && !relayed && !self.may_relay() {
            tracing::info!(peer = %self.peer, "relaying denied");
            machine.reply(ticket, &NO_RELAY, out);
            return Step::Go;
        }
        if !ours && !relayed && is_submission(self.listener) && to.domain().is_some_and(is_one_label) {
            machine.reply(ticket, &NOT_FULL, out);
            return Step::Go;
        }
        let address = to.as_str();
        let resolution = match (ours, idn::with_ascii_domain(address)) {
            (true, _) => Resolution::new(&self.config, address),
            (false, Some(ascii)) => Resolution::elsewhere(&ascii),
            (false, None) => {
                machine.reply(ticket, &NO_DOMAIN, out);
                return Step::Go;
            }
        };
        let recipient = Recipient { ticket, address: address.into(), terms, resolution, stage: Stage::Rate };
        let limit = self.config.limits.recipients_per_minute;
        if self.is_rated() && limit > 0 {
            return self.wait_for(recipient, Job::Count { act: Act::Recipient(self.peer), limit, asked: false });
        }
        self.look_up(recipient, machine, out)
    }

    /// Whether recipients elsewhere are taken.
    pub(super) fn may_relay(&self) -> bool {
        self.account.is_some() || self.listener == Listener::Smtp && self.config.may_relay(self.peer)
    }

    /// Whether it is counted how much this client does: not of our own users.
    pub(super) fn is_rated(&self) -> bool {
        self.listener == Listener::Smtp && self.account.is_none() && self.config.is_rated(self.peer)
    }

    /// The job of a recipient's stage is done.
    pub(super) fn rcpt_done(
        &mut self,
        mut recipient: Recipient,
        done: Done,
        machine: &mut Server,
        out: &mut Vec<u8>,
    ) -> Step {
        let reply = match (recipient.stage, done) {
            (Stage::Rate, Done::Nothing) => return self.look_up(recipient, machine, out),
            (Stage::Rate, Done::Failed(Failure::Busy)) => {
                tracing::info!(peer = %self.peer, "too many recipients in a minute");
                TOO_OFTEN
            }
            (Stage::Lookup, Done::Found(found)) => {
                recipient.resolution.answered(&self.config, &found);
                return self.look_up(recipient, machine, out);
            }
            (Stage::Postmaster, Done::Accounts(names)) => match names.first() {
                Some(name) => {
                    recipient.resolution = Resolution::new(&self.config, name);
                    return self.look_up(recipient, machine, out);
                }
                None => NOBODY_YET,
            },
            (Stage::Age, Done::Created(created)) => {
                if has_changed_hands(&recipient.terms, &created) {
                    tracing::info!(peer = %self.peer, "a mailbox has changed hands");
                    NEW_OWNER
                } else {
                    return self.ask_greylist(recipient, machine, out);
                }
            }
            (Stage::Greylist, Done::Greylisted(None)) => return self.accept(recipient, machine, out),
            (Stage::Greylist, Done::Greylisted(Some(wait))) => {
                tracing::info!(peer = %self.peer, wait = wait.as_secs(), "greylisted");
                let text = format!("greylisted, try again in {} seconds", wait.as_secs().max(1));
                machine.reply(recipient.ticket, &Reply::new(450, Enhanced(4, 7, 1), &text), out);
                return Step::Go;
            }
            (_, Done::Failed(failure)) => refusal(&failure),
            _ => BROKEN,
        };
        machine.reply(recipient.ticket, &reply, out);
        Step::Go
    }

    fn wait_for(&mut self, recipient: Recipient, job: Job) -> Step {
        self.pending = Pending::Recipient(Box::new(recipient));
        Step::Job(job)
    }

    fn look_up(&mut self, mut recipient: Recipient, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        if let Some(addresses) = recipient.resolution.ask() {
            recipient.stage = Stage::Lookup;
            return self.wait_for(recipient, Job::Lookup { addresses });
        }
        if recipient.resolution.is_nobody() {
            // RFC 5321 section 4.5.1: never refused. The first account is it, if the
            // configuration names no other.
            if recipient.stage != Stage::Postmaster && self.config.is_postmaster(&recipient.address) {
                recipient.stage = Stage::Postmaster;
                return self.wait_for(recipient, Job::FirstAccount);
            }
            tracing::info!(peer = %self.peer, "unknown recipient");
            machine.reply(recipient.ticket, &UNKNOWN, out);
            return Step::Go;
        }
        if recipient.terms.rrvs.is_some() && !recipient.resolution.accounts().is_empty() {
            recipient.stage = Stage::Age;
            let accounts = recipient.resolution.accounts().to_vec();
            return self.wait_for(recipient, Job::Created { accounts });
        }
        self.ask_greylist(recipient, machine, out)
    }

    /// Strangers that come to port 25 are asked to come again. A null sender is not: a bounce
    /// comes from a server, and one that verifies our users' addresses by a null sender, whom
    /// they write to, would refuse their mail.
    fn ask_greylist(&mut self, mut recipient: Recipient, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        let applies = self.is_rated() && !self.transaction.reverse_path.is_empty();
        let Some(policy) = self.config.greylist.as_ref().filter(|_| applies) else {
            return self.accept(recipient, machine, out);
        };
        let question = Question::new(self.peer, &self.transaction.reverse_path, &recipient.address, policy);
        recipient.stage = Stage::Greylist;
        self.wait_for(recipient, Job::Greylist(Box::new(question)))
    }

    fn accept(&mut self, recipient: Recipient, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        let Recipient { ticket, address, terms, resolution, .. } = recipient;
        let (accounts, remote) = resolution.finish();
        let reply = self.add(address, terms, accounts, remote);
        machine.reply(ticket, &reply, out);
        Step::Go
    }

    fn add(
        &mut self,
        recipient: String,
        terms: RecipientTerms,
        accounts: Vec<AccountId>,
        remote: Vec<String>,
    ) -> Reply<'static> {
        let transaction = &mut self.transaction;
        let targets = transaction.local.len() + transaction.remote.len() + accounts.len() + remote.len();
        if targets > TARGETS_MAX {
            return TOO_MANY;
        }
        let (terms, expanded) = terms.handed_on(&recipient, accounts.len() + remote.len());
        let local = |account| Local { account, recipient: recipient.clone(), terms: terms.clone() };
        transaction.local.extend(accounts.into_iter().map(local));
        transaction.remote.extend(remote.into_iter().map(|address| Remote { address, terms: terms.clone() }));
        transaction.expanded.extend(expanded);
        transaction.recipients += 1;
        transaction.recipient = (transaction.recipients == 1).then_some(recipient);
        ACCEPTED
    }
}

/// Whether a domain is neither a literal nor of several labels, whichever dot parts them (RFC 3490
/// section 3.1).
fn is_one_label(domain: &str) -> bool {
    !domain.contains(['.', ':', '\u{3002}', '\u{ff0e}', '\u{ff61}'])
}

/// Whether any of the accounts was made after the sender knew its owner (RFC 7293 section 5.1).
fn has_changed_hands(terms: &RecipientTerms, created: &[Timestamp]) -> bool {
    terms.rrvs.is_some_and(|rrvs| created.iter().any(|created| created.0 > rrvs.since))
}
