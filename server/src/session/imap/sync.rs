//! Telling the client what others did to its mailbox (RFC 3501 section 7).
//!
//! Happens at the end of the commands where numbers may change, and in IDLE: never in FETCH,
//! STORE and SEARCH (RFC 3501 section 7.4.1).

use postkern::imap::{Code, Fetch, Server};

use super::{Finish, Imap, Pending, broken};
use crate::job::{Changes, Done, Failure, Job};
use crate::service::Step;

impl Imap {
    /// Asks what has changed, then ends the command, if one is to be ended.
    pub(super) fn sync(&mut self, finish: Option<Finish>, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        let Some(view) = &mut self.view else {
            if let Some(finish) = finish {
                self.finish(finish, machine, out);
            }
            return Step::Go;
        };
        view.idling = finish.is_none();
        let job = Job::Changes { mailbox: view.mailbox(), since: view.modseq, read_only: view.read_only };
        self.pending = Pending::Sync(finish);
        Step::Job(job)
    }

    pub(super) fn synced(&mut self, finish: Option<Finish>, done: Done, machine: &mut Server, out: &mut Vec<u8>) {
        match done {
            Done::Changes(changes) => self.tell(*changes, out),
            // Deleted by another session: there is nothing more to be told, by any command.
            Done::Failed(Failure::NoSuchMailbox) => {
                machine.bye(Code::None, "the mailbox was deleted", out);
                return;
            }
            // The changes are told another time.
            Done::Failed(failure) => broken(&failure),
            _ => debug_assert!(false, "not an answer to Changes"),
        }
        if let Some(finish) = finish {
            self.finish(finish, machine, out);
        }
    }

    fn tell(&mut self, changes: Changes, out: &mut Vec<u8>) {
        let Some(view) = &mut self.view else { return };
        view.learn(changes.keywords, out);
        view.remove(&changes.gone, out);
        view.recent_since(changes.recent_from);
        let last = view.uids().last().copied().unwrap_or(0);
        for meta in changes.changed.iter().filter(|meta| meta.uid <= last) {
            if let Some(number) = view.number(meta.uid).filter(|_| view.is_news(meta)) {
                let mut fetch = Fetch::begin(number, out);
                fetch.flags(&view.flags(meta), out);
                fetch.end(out);
            }
        }
        view.add(changes.changed.iter().map(|meta| meta.uid).filter(|uid| !changes.gone.contains(*uid)), out);
        view.known_to(changes.modseq);
    }
}
