//! SELECT, STATUS and the commands that change which mailboxes there are (RFC 3501 section
//! 6.3).

use std::borrow::Cow;

use postkern::imap::{Code, Command, Server, Status, StatusItems, Ticket, data};

use super::view::View;
use super::{Imap, Pending};
use crate::job::{AccountId, Done, Job};
use crate::mailbox::{MailboxName, SEPARATOR};
use crate::service::Step;

impl Imap {
    /// The commands that name a mailbox and ask for one job.
    pub(super) fn mailbox_command(
        &mut self,
        account: AccountId,
        command: Command<'_>,
        ticket: Ticket,
        machine: &mut Server,
        out: &mut Vec<u8>,
    ) -> Step {
        // RFC 3501 section 6.3.1: SELECT deselects first, whatever comes of it.
        if matches!(command, Command::Select { .. }) {
            self.view = None;
        }
        let (pending, job) = match self.mailbox_job(account, command) {
            Ok(found) => found,
            Err(why) => {
                machine.finish(ticket, Status::No, Code::Atom("CANNOT"), why, out);
                return Step::Go;
            }
        };
        self.pending = pending(ticket);
        Step::Job(job)
    }

    #[expect(clippy::type_complexity, reason = "what waits for the job, and the job")]
    fn mailbox_job(
        &self,
        account: AccountId,
        command: Command<'_>,
    ) -> Result<(Box<dyn FnOnce(Ticket) -> Pending>, Job), &'static str> {
        let change = |job| Ok((Box::new(Pending::Change) as Box<dyn FnOnce(Ticket) -> Pending>, job));
        match command {
            Command::Select { mailbox, read_only } => {
                let mailbox = self.name(&mailbox.bytes())?;
                let pending = Box::new(move |ticket| Pending::Select { ticket, read_only });
                Ok((pending, Job::Select { account, mailbox, read_only }))
            }
            Command::Status { mailbox, items } => {
                let mailbox = self.name(&mailbox.bytes())?;
                let name = mailbox.clone();
                let pending = Box::new(move |ticket| Pending::Status(ticket, name, items));
                Ok((pending, Job::Status { account, mailbox }))
            }
            Command::Create(mailbox) => {
                let octets = mailbox.bytes();
                // RFC 3501 section 6.3.3: a separator at the end says that names will follow
                // below it.
                let octets = octets.strip_suffix(&[SEPARATOR as u8]).map_or(octets.clone(), Cow::from);
                change(Job::Create { account, mailbox: self.name(&octets)?, special_use: None })
            }
            Command::Delete(mailbox) => change(Job::Delete { account, mailbox: self.name(&mailbox.bytes())? }),
            Command::Rename { from, to } => {
                let (from, to) = (self.name(&from.bytes())?, self.name(&to.bytes())?);
                change(Job::Rename { account, from, to })
            }
            Command::Subscribe(mailbox) => {
                change(Job::Subscribe { account, mailbox: self.name(&mailbox.bytes())?, on: true })
            }
            Command::Unsubscribe(mailbox) => {
                change(Job::Subscribe { account, mailbox: self.name(&mailbox.bytes())?, on: false })
            }
            _ => Err("not a command on mailboxes"),
        }
    }

    pub(super) fn selected_mailbox(
        &mut self,
        ticket: Ticket,
        read_only: bool,
        done: Done,
        machine: &mut Server,
        out: &mut Vec<u8>,
    ) {
        let selected = match done {
            Done::Selected(selected) => selected,
            Done::Failed(failure) => return self.fail(ticket, &failure, machine, out),
            _ => return debug_assert!(false, "not an answer to Select"),
        };
        let view = View::new(&selected, read_only);
        view.say_flags(out);
        data::exists(view.len(), out);
        data::recent(view.recent(), out);
        if let Some(unseen) = selected.first_unseen.and_then(|uid| view.number(uid)) {
            data::ok(Code::Unseen(unseen), "first unseen", out);
        }
        data::ok(Code::UidValidity(selected.status.uid_validity), "UIDs valid", out);
        data::ok(Code::UidNext(selected.status.uid_next), "next UID", out);
        self.view = Some(view);
        let code = Code::Atom(if read_only { "READ-ONLY" } else { "READ-WRITE" });
        machine.finish(ticket, Status::Ok, code, "done", out);
    }

    pub(super) fn status(
        &mut self,
        ticket: Ticket,
        name: &MailboxName,
        items: StatusItems,
        done: &Done,
        machine: &mut Server,
        out: &mut Vec<u8>,
    ) {
        if let Done::Status(status) = done {
            let numbers = data::StatusNumbers {
                messages: status.messages,
                recent: status.recent,
                uid_next: status.uid_next,
                uid_validity: status.uid_validity,
                unseen: status.unseen,
            };
            data::status(name.as_str(), items, &numbers, out);
        }
        self.finish_plain(ticket, done, machine, out);
    }
}
