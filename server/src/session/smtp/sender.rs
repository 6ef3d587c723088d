//! Who may send, what, and how often: MAIL.

use postkern::smtp::{Enhanced, MailParams, Path, Priority, Reply, Server, Ticket};

use super::{BROKEN, Pending, Smtp, Transaction, is_submission, refusal};
use crate::downgrade::{Downgrade, Rules, Target};
use crate::job::{Done, Failure, Job};
use crate::queue::Terms;
use crate::rates::Act;
use crate::service::Step;

const LOGIN_FIRST: Reply<'static> = Reply::new(530, Enhanced(5, 7, 0), "authentication required");
const NOT_YOURS: Reply<'static> = Reply::new(550, Enhanced(5, 7, 1), "you may not send as this sender");
const ACCEPTED: Reply<'static> = Reply::new(250, Enhanced(2, 1, 0), "ok");
/// RFC 6710 section 4.1.
const LOWERED: Reply<'static> = Reply::new(250, Enhanced(2, 3, 6), "0 is the message's priority");
const TOO_OFTEN: Reply<'static> =
    Reply::new(450, Enhanced(4, 7, 1), "too many messages from your address, try again later");
const TOO_MANY: Reply<'static> =
    Reply::new(450, Enhanced(4, 7, 1), "your account has sent too many messages, try again later");

/// A sender under way: its rate is being asked for.
pub(super) struct Sender {
    ticket: Ticket,
    reverse_path: String,
    announced: u64,
    terms: Terms,
}

impl Smtp {
    /// MAIL. AUTH (RFC 4954 section 5) is taken and not handed on: nobody is trusted to say
    /// who somebody else is, as if it were `<>`.
    pub(super) fn mail(
        &mut self,
        from: Path<'_>,
        params: &MailParams<'_>,
        ticket: Ticket,
        machine: &mut Server,
        out: &mut Vec<u8>,
    ) -> Step {
        let reverse_path = from.as_str();
        let refused = match (is_submission(self.listener), &self.account) {
            (true, None) => Some(LOGIN_FIRST),
            (true, Some(_)) if !reverse_path.is_empty() && !self.owns(reverse_path) => Some(NOT_YOURS),
            _ => None,
        };
        if let Some(reply) = refused {
            machine.reply(ticket, &reply, out);
            return Step::Go;
        }
        let sender = Sender {
            ticket,
            reverse_path: reverse_path.into(),
            announced: params.size.unwrap_or_default(),
            terms: Terms::of(params),
        };
        let (act, limit) = match &self.account {
            Some((account, _)) => (Act::Submission(*account), self.config.submission.messages_per_hour),
            None if self.is_rated() => (Act::Message(self.peer), self.config.limits.messages_per_minute),
            None => (Act::Message(self.peer), 0),
        };
        if limit == 0 {
            return self.begin(sender, machine, out);
        }
        self.pending = Pending::Sender(Box::new(sender));
        Step::Job(Job::Count { act, limit, asked: false })
    }

    /// The rate is known.
    pub(super) fn mail_done(&mut self, sender: Sender, done: Done, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        let reply = match done {
            Done::Nothing => return self.begin(sender, machine, out),
            Done::Failed(Failure::Busy) => {
                let account = self.account.as_ref().map(|(_, login)| login);
                tracing::warn!(peer = %self.peer, account, "too many messages");
                if account.is_some() { TOO_MANY } else { TOO_OFTEN }
            }
            Done::Failed(failure) => refusal(&failure),
            _ => BROKEN,
        };
        machine.reply(sender.ticket, &reply, out);
        Step::Go
    }

    fn begin(&mut self, sender: Sender, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        let Sender { ticket, reverse_path, announced, mut terms } = sender;
        // RFC 6710 section 4.1: strangers may lower a priority, and not raise it.
        let raised = terms.priority.is_some_and(|priority| priority.get() > 0);
        let lowered = raised && !self.may_relay();
        if lowered {
            terms.priority = Priority::new(0);
        }
        // By its labels: it comes once, and is not kept before.
        let rules = Rules { target: Target::Lines, break_signatures: false };
        let downgrade = terms.binary.then(|| Box::new(Downgrade::by_labels(rules)));
        self.transaction = Transaction { reverse_path, announced, terms, downgrade, ..Transaction::default() };
        machine.reply(ticket, if lowered { &LOWERED } else { &ACCEPTED }, out);
        Step::Go
    }

    /// Whether an address is the account's own.
    pub(super) fn owns(&self, address: &str) -> bool {
        self.account.as_ref().is_some_and(|(_, login)| self.config.owns(login, address))
    }
}
