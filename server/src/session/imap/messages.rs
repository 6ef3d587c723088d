//! Commands on the messages of the selected mailbox, but FETCH (RFC 3501 section 6.4).

use std::sync::Arc;

use postkern::imap::{
    Code, Command, Fetch, Flag, Flags as FlagList, SearchKeys, SequenceSet, Server, Status, StoreAction, Ticket, data,
};

use super::{Finish, Imap, Kept, Pending, UNAVAILABLE};
use crate::job::{AccountId, Done, Failure, FlagAction, FlagChange, Job};
use crate::mailbox::{Flags, UidSet};
use crate::search::{self, Context, Program};
use crate::service::Step;

/// Messages that one job of a SEARCH looks at.
const SEARCH_STEP: usize = 1000;
/// Octets of a keyword.
const KEYWORD_MAX: usize = 128;

pub(super) const NO_SUCH_FLAG: &str = "there is no such flag, or its name is too long";
const NO_SUCH_MESSAGE: &str = "the set names a message that is not there";
const READ_ONLY: &str = "the mailbox was opened with EXAMINE";

/// A SEARCH under way.
pub(super) struct Searching {
    ticket: Ticket,
    uid: bool,
    program: Arc<Program>,
    left: UidSet,
    found: UidSet,
}

impl Imap {
    pub(super) fn selected(
        &mut self,
        account: AccountId,
        command: Command<'_>,
        ticket: Ticket,
        machine: &mut Server,
        out: &mut Vec<u8>,
    ) -> Step {
        let Some(read_only) = self.view.as_ref().map(|view| view.read_only) else {
            debug_assert!(false, "a selected state without a mailbox");
            machine.finish(ticket, Status::Bad, Code::None, "no mailbox is selected", out);
            return Step::Go;
        };
        match command {
            Command::Noop | Command::Check => return self.sync(Some(Finish::ok(ticket, Kept::None)), machine, out),
            Command::Unselect => {
                self.view = None;
                machine.finish(ticket, Status::Ok, Code::None, "done", out);
            }
            Command::Close if read_only => {
                self.view = None;
                machine.finish(ticket, Status::Ok, Code::None, "done", out);
            }
            Command::Close => return self.expunge(None, Pending::Close(ticket)),
            Command::Store { .. } | Command::Expunge(_) | Command::Copy { remove: true, .. } if read_only => {
                machine.finish(ticket, Status::No, Code::None, READ_ONLY, out);
            }
            Command::Expunge(None) => return self.expunge(None, Pending::Expunge(ticket)),
            Command::Expunge(Some(set)) => {
                let Some(uids) = self.resolve(set, true) else {
                    machine.finish(ticket, Status::Bad, Code::None, NO_SUCH_MESSAGE, out);
                    return Step::Go;
                };
                return self.expunge(Some(uids), Pending::Expunge(ticket));
            }
            Command::Search { uid, charset, keys } => {
                let charset = charset.map(|charset| charset.bytes().into_owned());
                return self.search(uid, charset.as_deref(), keys, ticket, machine, out);
            }
            Command::Fetch { uid, set, items } => return self.fetch(uid, set, items, ticket, machine, out),
            Command::Store { uid, set, action, silent, flags } => {
                return self.store(uid, set, action, silent, flags, ticket, machine, out);
            }
            Command::Copy { uid, set, mailbox, remove } => {
                return self.copy(account, uid, set, &mailbox.bytes(), remove, ticket, machine, out);
            }
            _ => {
                debug_assert!(false, "a command that nobody answers");
                machine.finish(ticket, Status::Bad, Code::None, "not in this state", out);
            }
        }
        Step::Go
    }

    pub(super) fn resolve(&self, set: SequenceSet<'_>, by_uid: bool) -> Option<UidSet> {
        self.view.as_ref()?.resolve(set, by_uid)
    }

    fn expunge(&mut self, uids: Option<UidSet>, pending: Pending) -> Step {
        let Some(mailbox) = self.view.as_ref().map(|view| view.mailbox()) else { return Step::Go };
        self.pending = pending;
        Step::Job(Job::Expunge { mailbox, uids })
    }

    pub(super) fn expunged(&mut self, ticket: Ticket, done: Done, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        match done {
            Done::Expunged(gone) => {
                if let Some(view) = &mut self.view {
                    view.remove(&gone, out);
                }
                return self.sync(Some(Finish::ok(ticket, Kept::None)), machine, out);
            }
            done => self.finish_plain(ticket, &done, machine, out),
        }
        Step::Go
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one command")]
    fn store(
        &mut self,
        uid: bool,
        set: SequenceSet<'_>,
        action: StoreAction,
        silent: bool,
        flags: FlagList<'_>,
        ticket: Ticket,
        machine: &mut Server,
        out: &mut Vec<u8>,
    ) -> Step {
        let Some((flags, keywords)) = flags_of(flags) else {
            machine.finish(ticket, Status::Bad, Code::None, NO_SUCH_FLAG, out);
            return Step::Go;
        };
        let (Some(view), Some(uids)) = (&self.view, self.resolve(set, uid)) else {
            machine.finish(ticket, Status::Bad, Code::None, NO_SUCH_MESSAGE, out);
            return Step::Go;
        };
        let action = match action {
            StoreAction::Replace => FlagAction::Replace,
            StoreAction::Add => FlagAction::Add,
            StoreAction::Remove => FlagAction::Remove,
        };
        let change = FlagChange { action, flags, keywords, unchanged_since: None };
        let job = Job::Store { mailbox: view.mailbox(), uids, change };
        self.pending = Pending::Store { ticket, uid, silent };
        Step::Job(job)
    }

    pub(super) fn stored(
        &mut self,
        ticket: Ticket,
        uid: bool,
        silent: bool,
        done: Done,
        machine: &mut Server,
        out: &mut Vec<u8>,
    ) {
        let Done::Stored(stored) = done else { return self.finish_plain(ticket, &done, machine, out) };
        let Some(view) = &mut self.view else { return };
        view.learn(stored.keywords, out);
        for (meta, before) in stored.messages.iter().zip(stored.before) {
            // RFC 3501 section 6.4.6: .SILENT holds back what the client can work out itself.
            // If another session changed the message meanwhile, it cannot.
            let known = view.knows(meta.uid, before);
            if silent && !known {
                continue;
            }
            view.tell(meta);
            let Some(number) = view.number(meta.uid).filter(|_| !silent) else { continue };
            let mut fetch = Fetch::begin(number, out);
            if uid {
                // RFC 3501 section 6.4.8.
                fetch.number("UID", meta.uid.into(), out);
            }
            fetch.flags(&view.flags(meta), out);
            fetch.end(out);
        }
        match stored.refused {
            true => {
                let text = "the mailbox has no room for more keywords";
                machine.finish(ticket, Status::No, Code::Atom("LIMIT"), text, out);
            }
            false => machine.finish(ticket, Status::Ok, Code::None, "done", out),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one command")]
    fn copy(
        &mut self,
        account: AccountId,
        uid: bool,
        set: SequenceSet<'_>,
        to: &[u8],
        remove: bool,
        ticket: Ticket,
        machine: &mut Server,
        out: &mut Vec<u8>,
    ) -> Step {
        let to = match self.name(to) {
            Ok(to) => to,
            Err(why) => {
                machine.finish(ticket, Status::No, Code::Atom("CANNOT"), why, out);
                return Step::Go;
            }
        };
        let (Some(view), Some(uids)) = (&self.view, self.resolve(set, uid)) else {
            machine.finish(ticket, Status::Bad, Code::None, NO_SUCH_MESSAGE, out);
            return Step::Go;
        };
        let job = Job::Copy { mailbox: view.mailbox(), uids, account, to, remove };
        self.pending = Pending::Copy { ticket, remove };
        Step::Job(job)
    }

    pub(super) fn copied(
        &mut self,
        ticket: Ticket,
        remove: bool,
        done: Done,
        machine: &mut Server,
        out: &mut Vec<u8>,
    ) -> Step {
        let copied = match done {
            Done::Copied(copied) => copied,
            Done::Failed(Failure::NoSuchMailbox) => {
                machine.finish(ticket, Status::No, Code::Atom("TRYCREATE"), "no such mailbox", out);
                return Step::Go;
            }
            done => {
                self.finish_plain(ticket, &done, machine, out);
                return Step::Go;
            }
        };
        let (from, to) = (copied.from.to_string(), copied.to.to_string());
        let mut code = Kept::None;
        if !copied.from.is_empty() && remove {
            // RFC 6851 section 4.3: before the EXPUNGEs, so that the client knows what they
            // are of.
            let told = Code::CopyUid { validity: copied.uid_validity, from: &from, to: &to };
            data::ok(told, "moved", out);
        } else if !copied.from.is_empty() {
            code = Kept::CopyUid { validity: copied.uid_validity, from, to };
        }
        if let Some(view) = self.view.as_mut().filter(|_| remove) {
            view.remove(&copied.from, out);
        }
        self.sync(Some(Finish::ok(ticket, code)), machine, out)
    }

    fn search(
        &mut self,
        uid: bool,
        charset: Option<&[u8]>,
        keys: SearchKeys<'_>,
        ticket: Ticket,
        machine: &mut Server,
        out: &mut Vec<u8>,
    ) -> Step {
        let Some(view) = &self.view else { return Step::Go };
        let context = Context { uids: view.uids(), recent_from: view.recent_from(), keywords: &view.keywords, charset };
        let program = match search::compile(keys, &context) {
            Ok(program) => Arc::new(program),
            Err(search::Error::Charset) => {
                let code = Code::BadCharset("US-ASCII UTF-8");
                machine.finish(ticket, Status::No, code, "unknown charset", out);
                return Step::Go;
            }
            Err(search::Error::Strings) => {
                machine.finish(ticket, Status::No, Code::Atom("LIMIT"), "too many strings to search for", out);
                return Step::Go;
            }
            Err(search::Error::Text) => {
                machine.finish(ticket, Status::Bad, Code::None, "a string is not of the charset", out);
                return Step::Go;
            }
        };
        let left = match (view.uids().first(), view.uids().last()) {
            (Some(&first), Some(&last)) => UidSet::range(first, last),
            _ => UidSet::default(),
        };
        let searching = Searching { ticket, uid, program, left, found: UidSet::default() };
        self.search_on(Box::new(searching), machine, out)
    }

    pub(super) fn searched(
        &mut self,
        mut searching: Box<Searching>,
        done: Done,
        machine: &mut Server,
        out: &mut Vec<u8>,
    ) -> Step {
        match done {
            Done::Matches(found) => {
                found.ranges().iter().for_each(|&(from, to)| searching.found.push_range(from, to));
                self.search_on(searching, machine, out)
            }
            Done::Failed(failure) => {
                self.fail(searching.ticket, &failure, machine, out);
                Step::Go
            }
            _ => {
                machine.finish(searching.ticket, Status::No, UNAVAILABLE.0, UNAVAILABLE.1, out);
                Step::Go
            }
        }
    }

    fn search_on(&mut self, mut searching: Box<Searching>, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        let Some(view) = &self.view else { return Step::Go };
        let uids = view.take(&mut searching.left, SEARCH_STEP);
        if !uids.is_empty() {
            let job = Job::Search { mailbox: view.mailbox(), uids, program: searching.program.clone() };
            self.pending = Pending::Search(searching);
            return Step::Job(job);
        }
        let found = view.uids().iter().zip(1..).filter(|&(&uid, _)| searching.found.contains(uid));
        let by_uid = searching.uid;
        data::search(found.map(|(&uid, number)| if by_uid { uid } else { number }), out);
        machine.finish(searching.ticket, Status::Ok, Code::None, "done", out);
        Step::Go
    }
}

/// The flags that a client names; none if one of them is nobody's. \Recent is no one's to set
/// and is left out (RFC 3501 section 2.3.2).
pub(super) fn flags_of(list: FlagList<'_>) -> Option<(Flags, Vec<String>)> {
    let mut flags = Flags::default();
    let mut keywords: Vec<String> = Vec::new();
    for flag in list.iter() {
        let flag = match flag {
            Flag::Answered => Flags::ANSWERED,
            Flag::Flagged => Flags::FLAGGED,
            Flag::Deleted => Flags::DELETED,
            Flag::Seen => Flags::SEEN,
            Flag::Draft => Flags::DRAFT,
            Flag::Recent => continue,
            Flag::Keyword(name) if name.len() <= KEYWORD_MAX => {
                if !keywords.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                    keywords.push(name.into());
                }
                // More than a mailbox holds: the store refuses, but need not be given them.
                if keywords.len() > Flags::KEYWORDS_MAX {
                    return None;
                }
                continue;
            }
            Flag::Keyword(_) | Flag::Any | Flag::Extension(_) => return None,
        };
        flags = flags.with(flag);
    }
    Some((flags, keywords))
}
