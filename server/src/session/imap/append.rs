//! APPEND (RFC 3501 section 6.3.11): the message's octets go to the store as they come.

use postkern::imap::{Code, DateTime, Flags as FlagList, Server, Status, Ticket};

use super::messages::{NO_SUCH_FLAG, flags_of};
use super::{Finish, Imap, Kept, Pending, UNAVAILABLE, broken};
use crate::job::{Append, Done, Failure, Job, Spool, Timestamp};
use crate::mailbox::{Flags, MailboxName};
use crate::service::Step;

/// An APPEND under way.
pub(super) struct Appending {
    mailbox: MailboxName,
    flags: Flags,
    keywords: Vec<String>,
    internal_date: Option<Timestamp>,
    octets: u64,
    spool: Spool,
    /// The store could not take its octets.
    failed: Option<Failure>,
}

impl Imap {
    #[expect(clippy::too_many_arguments, reason = "the parts of one command")]
    pub(super) fn append(
        &mut self,
        mailbox: &[u8],
        flags: FlagList<'_>,
        date: Option<DateTime>,
        octets: u32,
        ticket: Ticket,
        machine: &mut Server,
        out: &mut Vec<u8>,
    ) -> Step {
        let Some(account) = self.account else {
            debug_assert!(false, "APPEND before login");
            machine.finish(ticket, Status::Bad, Code::None, "not in this state", out);
            return Step::Go;
        };
        let mailbox = match self.name(mailbox) {
            Ok(mailbox) => mailbox,
            Err(why) => {
                machine.finish(ticket, Status::No, Code::Atom("CANNOT"), why, out);
                return Step::Go;
            }
        };
        let Some((flags, keywords)) = flags_of(flags) else {
            machine.finish(ticket, Status::Bad, Code::None, NO_SUCH_FLAG, out);
            return Step::Go;
        };
        let job = Job::Status { account, mailbox: mailbox.clone() };
        self.appending = Some(Appending {
            mailbox,
            flags,
            keywords,
            internal_date: date.map(|date| Timestamp(date.unix())),
            octets: octets.into(),
            spool: Spool::default(),
            failed: None,
        });
        self.pending = Pending::AppendTo(ticket);
        Step::Job(job)
    }

    /// The mailbox is there; is there room?
    pub(super) fn append_room(&mut self, ticket: Ticket, done: &Done, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        match (done, &self.appending) {
            (Done::Status(_), Some(appending)) => {
                self.pending = Pending::AppendRoom(ticket);
                return Step::Job(Job::Room { octets: appending.octets });
            }
            (Done::Failed(failure), _) => self.append_refuse(ticket, failure, machine, out),
            _ => {
                self.appending = None;
                machine.finish(ticket, Status::No, UNAVAILABLE.0, UNAVAILABLE.1, out);
            }
        }
        Step::Go
    }

    pub(super) fn append_accept(&mut self, ticket: Ticket, done: &Done, machine: &mut Server, out: &mut Vec<u8>) {
        match done {
            Done::Failed(failure) => self.append_refuse(ticket, failure, machine, out),
            _ => machine.accept(ticket, out),
        }
    }

    pub(super) fn append_chunk(&mut self, octets: &[u8]) -> Step {
        let Some(appending) = self.appending.as_mut().filter(|appending| appending.failed.is_none()) else {
            return Step::Go;
        };
        appending.spool.tail.extend_from_slice(octets);
        if !appending.spool.is_ripe() {
            return Step::Go;
        }
        self.pending = Pending::AppendSpool;
        Step::Job(Job::Spool(std::mem::take(&mut appending.spool)))
    }

    pub(super) fn append_spooled(&mut self, done: Done) {
        let Some(appending) = &mut self.appending else { return };
        match done {
            Done::Spooled(spool) => appending.spool = spool,
            Done::Failed(failure) => appending.failed = Some(failure),
            _ => appending.failed = Some(Failure::Broken("not an answer to Spool".into())),
        }
    }

    /// The message is whole.
    pub(super) fn appended(&mut self, ticket: Ticket, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        let (Some(account), Some(appending)) = (self.account, self.appending.take()) else {
            machine.finish(ticket, Status::No, UNAVAILABLE.0, UNAVAILABLE.1, out);
            return Step::Go;
        };
        if let Some(failure) = &appending.failed {
            self.append_refuse(ticket, failure, machine, out);
            return Step::Go;
        }
        self.pending = Pending::Append(ticket);
        Step::Job(Job::Append(Box::new(Append {
            account,
            mailbox: appending.mailbox,
            flags: appending.flags,
            keywords: appending.keywords,
            internal_date: appending.internal_date,
            message: appending.spool,
        })))
    }

    pub(super) fn append_done(&mut self, ticket: Ticket, done: &Done, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        match done {
            Done::Appended(appended) => {
                let code = Kept::AppendUid { validity: appended.uid_validity, uid: appended.uid };
                return self.sync(Some(Finish::ok(ticket, code)), machine, out);
            }
            Done::Failed(failure) => self.append_refuse(ticket, failure, machine, out),
            _ => machine.finish(ticket, Status::No, UNAVAILABLE.0, UNAVAILABLE.1, out),
        }
        Step::Go
    }

    fn append_refuse(&mut self, ticket: Ticket, failure: &Failure, machine: &mut Server, out: &mut Vec<u8>) {
        self.appending = None;
        match failure {
            Failure::NoSuchMailbox => {
                broken(failure);
                machine.finish(ticket, Status::No, Code::Atom("TRYCREATE"), "no such mailbox", out);
            }
            failure => self.fail(ticket, failure, machine, out),
        }
    }
}
