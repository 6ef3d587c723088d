//! Who is a recipient here (RFC 5321 section 3.3), and who may be one elsewhere.

use postkern::smtp::{Enhanced, Path, Reply, Server, Ticket};

use super::{Asked, BROKEN, Pending, Smtp, is_submission, refusal};
use crate::config::Listener;
use crate::job::{AccountId, Admin, Done, Job, Local};
use crate::queue::{RecipientTerms, Remote};
use crate::service::Step;

/// Mailboxes that one message may be delivered to, aliases expanded.
const TARGETS_MAX: usize = 10_000;

const ACCEPTED: Reply<'static> = Reply::new(250, Enhanced(2, 1, 5), "ok");
const UNKNOWN: Reply<'static> = Reply::new(550, Enhanced(5, 1, 1), "no such mailbox here");
const NO_RELAY: Reply<'static> = Reply::new(550, Enhanced(5, 7, 1), "relaying denied");
const TOO_MANY: Reply<'static> = Reply::new(452, Enhanced(4, 5, 3), "too many recipients");

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
        if to.domain().is_some_and(|domain| !self.config.is_local(domain)) {
            let reply = self.elsewhere(to, terms);
            machine.reply(ticket, &reply, out);
            return Step::Go;
        }
        let (local, remote) = self.config.expand(to.as_str()).into_iter().partition(|target| {
            let domain = target.rsplit_once('@').map_or("", |(_, domain)| domain);
            self.config.is_local(domain)
        });
        let asked = Asked { recipient: to.as_str().into(), terms, local, remote };
        let job = Job::Lookup { addresses: asked.local.clone() };
        self.pending = Pending::Lookup { ticket, asked };
        Step::Job(job)
    }

    /// A recipient elsewhere: for those who may relay.
    fn elsewhere(&mut self, to: Path<'_>, terms: RecipientTerms) -> Reply<'static> {
        let may = is_submission(self.listener) && self.account.is_some()
            || self.listener == Listener::Smtp && self.config.may_relay(self.peer);
        if !may {
            tracing::info!(peer = %self.peer, "relaying denied");
            return NO_RELAY;
        }
        self.add(to.as_str(), terms, Vec::new(), vec![to.as_str().into()])
    }

    /// Which targets are accounts is known.
    pub(super) fn looked_up(
        &mut self,
        ticket: Ticket,
        asked: Asked,
        done: Done,
        machine: &mut Server,
        out: &mut Vec<u8>,
    ) -> Step {
        let accounts: Vec<AccountId> = match done {
            Done::Found(found) => found.into_iter().flatten().collect(),
            Done::Failed(failure) => {
                machine.reply(ticket, &refusal(&failure), out);
                return Step::Go;
            }
            _ => Vec::new(),
        };
        if accounts.is_empty() && asked.remote.is_empty() {
            if asked.local.iter().any(|target| target.starts_with("postmaster@")) {
                // RFC 5321 section 4.5.1: never refused. The first account is it, if the
                // configuration names no other.
                self.pending = Pending::Postmaster { ticket, asked };
                return Step::Job(Job::Admin(Admin::Accounts));
            }
            tracing::info!(peer = %self.peer, "unknown recipient");
            machine.reply(ticket, &UNKNOWN, out);
            return Step::Go;
        }
        let reply = self.add(&asked.recipient, asked.terms, accounts, asked.remote);
        machine.reply(ticket, &reply, out);
        Step::Go
    }

    /// The accounts that could be the postmaster.
    pub(super) fn postmaster(
        &mut self,
        ticket: Ticket,
        mut asked: Asked,
        done: Done,
        machine: &mut Server,
        out: &mut Vec<u8>,
    ) -> Step {
        let reply = match done {
            Done::Accounts(names) if !names.is_empty() => {
                asked.local = names.into_iter().take(1).collect();
                let job = Job::Lookup { addresses: asked.local.clone() };
                self.pending = Pending::Lookup { ticket, asked };
                return Step::Job(job);
            }
            Done::Accounts(_) => Reply::new(450, Enhanced(4, 2, 1), "no account here yet, try again later"),
            Done::Failed(failure) => refusal(&failure),
            _ => BROKEN,
        };
        machine.reply(ticket, &reply, out);
        Step::Go
    }

    fn add(
        &mut self,
        recipient: &str,
        terms: RecipientTerms,
        accounts: Vec<AccountId>,
        remote: Vec<String>,
    ) -> Reply<'static> {
        let transaction = &mut self.transaction;
        let targets = transaction.local.len() + transaction.remote.len() + accounts.len() + remote.len();
        if targets > TARGETS_MAX {
            return TOO_MANY;
        }
        let (terms, expanded) = terms.handed_on(recipient, accounts.len() + remote.len());
        let local = accounts.into_iter();
        transaction.local.extend(local.map(|account| Local {
            account,
            recipient: recipient.into(),
            terms: terms.clone(),
        }));
        transaction.remote.extend(remote.into_iter().map(|address| Remote { address, terms: terms.clone() }));
        transaction.expanded.extend(expanded);
        transaction.recipients += 1;
        transaction.recipient = (transaction.recipients == 1).then(|| recipient.into());
        ACCEPTED
    }
}
