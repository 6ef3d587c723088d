//! FETCH (RFC 3501 sections 6.4.5 and 7.4.2): a message at a time, a piece at a time.
//!
//! Messages are asked for in batches. What is known without reading (flags, dates, sizes),
//! what was computed when the message was first read (envelope, structure) and headers come
//! with the batch; other octets are read as they are written, so that no message is held
//! whole. The first octets of a section are read before its length is promised: a message
//! that another session has removed meanwhile is NIL, not a broken connection.

use std::collections::VecDeque;
use std::ops::Range;

use postkern::imap::{
    Code, DateTime, Fetch, FetchItem, FetchItems, Section, SectionText, SequenceSet, Server, Status, Ticket,
};

use super::{Imap, Pending, broken};
use crate::digest::{self, Digest, Part};
use crate::job::{Done, Failure, Fetched, FlagAction, FlagChange, Job, MailboxId, READ_MAX, Stored};
use crate::mailbox::{Flags, UidSet};
use crate::service::Step;

/// Messages of which the metadata are asked for at a time.
const BATCH: usize = 4096;
/// Octets written in one move before the output is looked at.
const MOVE: usize = 32 * 1024;
/// Octets of a part's header that is read to pick fields from.
const PART_HEADER_MAX: u64 = 1024 * 1024;

/// A FETCH under way.
pub(super) struct Fetching {
    ticket: Ticket,
    /// The items as the client wrote them, parsed anew for each message.
    items: Vec<u8>,
    plan: Plan,
    left: UidSet,
    ready: VecDeque<Fetched>,
    /// Messages of the batch that this FETCH has set \Seen on.
    seen: UidSet,
    current: Option<Writing>,
}

/// What the items need.
#[derive(Clone, Copy, Default)]
struct Plan {
    /// UID FETCH.
    uid: bool,
    uid_item: bool,
    flags_item: bool,
    digest: bool,
    header: bool,
    sets_seen: bool,
}

/// The response for one message, being written.
struct Writing {
    fetch: Fetch,
    message: Fetched,
    /// Items already written.
    written: usize,
    /// Octets of the open literal that are still to be read.
    literal: Range<u64>,
}

/// The job that a FETCH waits for.
pub(super) enum Awaited {
    Batch,
    Seen,
    /// The first octets of an item whose octets are these.
    First(Range<u64>),
    /// The header of a part, to pick fields from.
    Fields,
    More,
}

/// What an item of octets is answered from.
enum Source {
    Nil,
    /// Here already: a slice of the message's header.
    Header(Vec<u8>),
    /// To be read.
    Octets(Range<u64>),
    /// A part's header, to be read and picked from.
    Fields(Range<u64>),
}

impl Imap {
    pub(super) fn fetch(
        &mut self,
        uid: bool,
        set: SequenceSet<'_>,
        items: FetchItems<'_>,
        ticket: Ticket,
        machine: &mut Server,
        out: &mut Vec<u8>,
    ) -> Step {
        let (Some(view), Some(left)) = (&self.view, self.resolve(set, uid)) else {
            let text = "the set names a message that is not there";
            machine.finish(ticket, Status::Bad, Code::None, text, out);
            return Step::Go;
        };
        self.fetching = Some(Fetching {
            ticket,
            items: items.as_bytes().to_vec(),
            plan: Plan::of(items, uid, view.read_only),
            left,
            ready: VecDeque::new(),
            seen: UidSet::default(),
            current: None,
        });
        self.fetch_more(machine, out)
    }

    /// Writes on, until something must be awaited or enough is written for a move.
    pub(super) fn fetch_more(&mut self, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        let start = out.len();
        while out.len().saturating_sub(start) < MOVE {
            let (Some(fetching), Some(view)) = (&mut self.fetching, &self.view) else { return Step::Go };
            if fetching.current.is_none() {
                let Some(message) = fetching.ready.pop_front() else { return self.next_batch(machine, out) };
                let Some(number) = view.number(message.meta.uid) else { continue };
                let fetch = Fetch::begin(number, out);
                fetching.current = Some(Writing { fetch, message, written: 0, literal: 0..0 });
            }
            let names = fetching.current.as_ref().map(|writing| view.flags(&writing.message.meta)).unwrap_or_default();
            if let Some((awaited, job)) = fetching.write_items(view.mailbox(), &names, out) {
                self.pending = Pending::Fetch(awaited);
                return Step::Job(job);
            }
        }
        Step::Go
    }

    pub(super) fn fetched(&mut self, awaited: Awaited, done: Done, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        match (awaited, done) {
            (Awaited::Batch, Done::Metas(metas)) => {
                return self
                    .batch(metas.into_iter().map(|meta| Fetched { meta, digest: None, header: None }).collect());
            }
            (Awaited::Batch, Done::Fetched(messages)) => return self.batch(messages),
            (Awaited::Seen, Done::Stored(stored)) => self.seen(stored, out),
            (Awaited::First(range), Done::Octets(octets)) => self.first(range, &octets, out),
            (Awaited::First(_) | Awaited::Fields, Done::Failed(Failure::NoSuchMessage)) => self.gone(out),
            (Awaited::Fields, Done::Octets(octets)) => self.fields(&octets, out),
            (Awaited::More, Done::Octets(octets)) if !octets.is_empty() => self.more(&octets, out),
            (Awaited::More, done) => {
                // The literal is promised: only the end of the connection tells that it is
                // not whole.
                if let Done::Failed(failure) = &done {
                    broken(failure);
                }
                self.fetching = None;
                machine.bye(Code::Atom("UNAVAILABLE"), "the message cannot be read", out);
            }
            (_, Done::Failed(failure)) => self.stop(&failure, machine, out),
            (_, _) => self.stop(&Failure::Broken("not an answer to this job".into()), machine, out),
        }
        Step::Go
    }

    fn next_batch(&mut self, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        let Some(mut fetching) = self.fetching.take() else { return Step::Go };
        let Some(view) = self.view.as_ref().filter(|_| !fetching.left.is_empty()) else {
            machine.finish(fetching.ticket, Status::Ok, Code::None, "done", out);
            return Step::Go;
        };
        let mailbox = view.mailbox();
        let plan = fetching.plan;
        let uids = match plan.digest || plan.header {
            // The answer's size decides where such a batch ends.
            true => fetching.left.clone(),
            false => view.take(&mut fetching.left, BATCH),
        };
        fetching.seen = UidSet::default();
        self.fetching = Some(fetching);
        self.pending = Pending::Fetch(Awaited::Batch);
        Step::Job(match plan.digest || plan.header {
            true => Job::Fetch { mailbox, uids, digest: plan.digest, header: plan.header },
            false => Job::Metas { mailbox, uids },
        })
    }

    /// A batch is here: what of it must be set \Seen first?
    fn batch(&mut self, messages: Vec<Fetched>) -> Step {
        let (Some(fetching), Some(view)) = (&mut self.fetching, &self.view) else { return Step::Go };
        if fetching.plan.digest || fetching.plan.header {
            match messages.last() {
                Some(last) => fetching.left.remove_to(last.meta.uid),
                None => fetching.left = UidSet::default(),
            }
        }
        let unseen: UidSet = messages
            .iter()
            .filter(|message| fetching.plan.sets_seen && !message.meta.flags.has(Flags::SEEN))
            .map(|message| message.meta.uid)
            .collect();
        fetching.ready = messages.into();
        if unseen.is_empty() {
            return Step::Go;
        }
        fetching.seen = unseen.clone();
        let change =
            FlagChange { action: FlagAction::Add, flags: Flags::SEEN, keywords: Vec::new(), unchanged_since: None };
        self.pending = Pending::Fetch(Awaited::Seen);
        Step::Job(Job::Store { mailbox: view.mailbox(), uids: unseen, change })
    }

    fn seen(&mut self, stored: Stored, out: &mut Vec<u8>) {
        let (Some(fetching), Some(view)) = (&mut self.fetching, &mut self.view) else { return };
        view.learn(stored.keywords, out);
        let metas = stored.messages;
        for message in &mut fetching.ready {
            if let Ok(index) = metas.binary_search_by_key(&message.meta.uid, |meta| meta.uid) {
                message.meta = metas[index];
                view.tell(&message.meta);
            }
        }
    }

    fn first(&mut self, range: Range<u64>, octets: &[u8], out: &mut Vec<u8>) {
        let Some(writing) = self.fetching.as_mut().and_then(|fetching| fetching.current.as_mut()) else { return };
        writing.fetch.literal(range.end - range.start, out);
        writing.fetch.octets(octets, out);
        writing.literal = range.start + octets.len() as u64..range.end;
    }

    fn more(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        let Some(writing) = self.fetching.as_mut().and_then(|fetching| fetching.current.as_mut()) else { return };
        writing.fetch.octets(octets, out);
        writing.literal.start += octets.len() as u64;
    }

    /// The header of a part was read: picks the fields that its item names.
    fn fields(&mut self, header: &[u8], out: &mut Vec<u8>) {
        let Some(fetching) = &mut self.fetching else { return };
        let Some(writing) = &mut fetching.current else { return };
        // `write_items` has counted the item already.
        let item = FetchItems::parse(&fetching.items).and_then(|items| items.iter().nth(writing.written - 1));
        let Some(FetchItem::Section { section, partial, .. }) = item else {
            debug_assert!(false, "fields of an item that has none");
            return writing.fetch.nil(out);
        };
        let SectionText::Fields { not, names } = section.text else { return writing.fetch.nil(out) };
        let names: Vec<_> = names.iter().map(|name| name.bytes()).collect();
        let picked = digest::fields(header, &names, not);
        let cut = cut(&(0..picked.len() as u64), partial);
        writing.string(&picked[cut.start as usize..cut.end as usize], out);
    }

    /// The message was removed while it was being written.
    fn gone(&mut self, out: &mut Vec<u8>) {
        if let Some(writing) = self.fetching.as_mut().and_then(|fetching| fetching.current.as_mut()) {
            writing.fetch.nil(out);
        }
    }

    /// Ends the FETCH with a failure; a response that has begun is ended first.
    fn stop(&mut self, failure: &Failure, machine: &mut Server, out: &mut Vec<u8>) {
        let Some(fetching) = self.fetching.take() else { return };
        if let Some(mut writing) = fetching.current {
            writing.fetch.nil(out);
            writing.fetch.end(out);
        }
        self.fail(fetching.ticket, failure, machine, out);
    }
}

impl Fetching {
    /// Writes the current message's items, until one needs a job.
    fn write_items(&mut self, mailbox: MailboxId, flags: &[&str], out: &mut Vec<u8>) -> Option<(Awaited, Job)> {
        let writing = self.current.as_mut()?;
        let uid = writing.message.meta.uid;
        let read =
            |range: &Range<u64>| Job::Read { mailbox, uid, range: range.start..range.end.min(range.start + READ_MAX) };
        if !writing.literal.is_empty() {
            return Some((Awaited::More, read(&writing.literal)));
        }
        let items = FetchItems::parse(&self.items)?;
        if writing.written == 0 && self.plan.uid && !self.plan.uid_item {
            // RFC 3501 section 6.4.8: UID is told though it was not asked for.
            writing.fetch.number("UID", uid.into(), out);
        }
        for item in items.iter().skip(writing.written) {
            writing.written += 1;
            let Some(source) = writing.item(item, flags, out) else { continue };
            match source {
                Source::Nil => writing.fetch.nil(out),
                Source::Header(octets) => writing.string(&octets, out),
                Source::Octets(range) if range.is_empty() => writing.string(b"", out),
                Source::Octets(range) => {
                    let job = read(&range);
                    return Some((Awaited::First(range), job));
                }
                Source::Fields(range) => {
                    let range = range.start..range.end.min(range.start + PART_HEADER_MAX);
                    return Some((Awaited::Fields, Job::Read { mailbox, uid, range }));
                }
            }
        }
        if self.seen.contains(uid) && !self.plan.flags_item {
            writing.fetch.flags(flags, out);
        }
        if let Some(writing) = self.current.take() {
            writing.fetch.end(out);
        }
        None
    }
}

impl Writing {
    /// Writes an item, or its name and where its octets come from.
    fn item(&mut self, item: FetchItem<'_>, flags: &[&str], out: &mut Vec<u8>) -> Option<Source> {
        let Self { fetch, message, .. } = self;
        let meta = message.meta;
        let rendered = |of: fn(&Digest) -> &[u8]| message.digest.as_deref().map_or(&b"NIL"[..], of);
        match item {
            FetchItem::Uid => fetch.number("UID", meta.uid.into(), out),
            FetchItem::Flags => fetch.flags(flags, out),
            FetchItem::Rfc822Size => fetch.number("RFC822.SIZE", meta.size, out),
            FetchItem::InternalDate => {
                let date = DateTime::from_unix(meta.internal_date.0).or_else(|| DateTime::from_unix(0));
                if let Some(date) = date {
                    fetch.internal_date(date, out);
                }
            }
            FetchItem::Envelope => fetch.raw("ENVELOPE", rendered(Digest::envelope), out),
            FetchItem::Body => fetch.raw("BODY", rendered(Digest::body), out),
            FetchItem::BodyStructure => fetch.raw("BODYSTRUCTURE", rendered(Digest::body_structure), out),
            FetchItem::Rfc822 => {
                fetch.named("RFC822", out);
                return Some(Source::Octets(0..meta.size));
            }
            FetchItem::Rfc822Header => {
                fetch.named("RFC822.HEADER", out);
                return Some(Source::Header(message.header.clone().unwrap_or_default()));
            }
            FetchItem::Rfc822Text => {
                fetch.named("RFC822.TEXT", out);
                return Some(self.source(SectionText::Text, &[], None));
            }
            FetchItem::Section { section, partial, .. } => {
                fetch.section(&section, partial.map(|(from, _)| from), out);
                let part: Vec<u32> = section.part().collect();
                return Some(self.source(section.text, &part, partial));
            }
        }
        None
    }

    fn source(&self, text: SectionText<'_>, part: &[u32], partial: Option<(u32, u32)>) -> Source {
        let meta = &self.message.meta;
        let header = || self.message.header.as_deref().unwrap_or_default();
        let here = |octets: &[u8]| {
            let cut = cut(&(0..octets.len() as u64), partial);
            Source::Header(octets[cut.start as usize..cut.end as usize].to_vec())
        };
        let what = match text {
            SectionText::Whole if part.is_empty() => return Source::Octets(cut(&(0..meta.size), partial)),
            SectionText::Header if part.is_empty() => return here(header()),
            SectionText::Fields { not, names } if part.is_empty() => {
                let names: Vec<_> = names.iter().map(|name| name.bytes()).collect();
                return here(&digest::fields(header(), &names, not));
            }
            SectionText::Whole => Part::Whole,
            SectionText::Header | SectionText::Fields { .. } => Part::Header,
            SectionText::Text => Part::Text,
            SectionText::Mime => Part::Mime,
        };
        let range = self.message.digest.as_ref().and_then(|digest| digest.section(part.iter().copied(), what));
        match (range, text) {
            (None, _) => Source::Nil,
            (Some(range), SectionText::Fields { .. }) => Source::Fields(range),
            (Some(range), _) => Source::Octets(cut(&range, partial)),
        }
    }

    fn string(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        self.fetch.literal(octets.len() as u64, out);
        self.fetch.octets(octets, out);
    }
}

impl Plan {
    fn of(items: FetchItems<'_>, uid: bool, read_only: bool) -> Self {
        let mut plan = Self { uid, ..Self::default() };
        let reads = |plan: &mut Self, section: Section<'_>| match (section.text, section.part().next()) {
            (SectionText::Whole, None) => {}
            (SectionText::Header | SectionText::Fields { .. }, None) => plan.header = true,
            _ => plan.digest = true,
        };
        for item in items.iter() {
            match item {
                FetchItem::Uid => plan.uid_item = true,
                FetchItem::Flags => plan.flags_item = true,
                FetchItem::Envelope | FetchItem::Body | FetchItem::BodyStructure => plan.digest = true,
                FetchItem::InternalDate | FetchItem::Rfc822Size => {}
                FetchItem::Rfc822 => plan.sets_seen = true,
                FetchItem::Rfc822Header => plan.header = true,
                FetchItem::Rfc822Text => (plan.digest, plan.sets_seen) = (true, true),
                FetchItem::Section { peek, section, .. } => {
                    reads(&mut plan, section);
                    plan.sets_seen |= !peek;
                }
            }
        }
        plan.sets_seen &= !read_only;
        plan
    }
}

/// The octets of a section that a partial asks for: none past its end.
fn cut(section: &Range<u64>, partial: Option<(u32, u32)>) -> Range<u64> {
    let Some((from, count)) = partial else { return section.clone() };
    let start = section.end.min(section.start + u64::from(from));
    start..section.end.min(start + u64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partials_are_cut_to_the_section() {
        for (section, partial, is) in [
            (10..20, None, 10..20),
            (10..20, Some((0, 4)), 10..14),
            (10..20, Some((8, 4)), 18..20),
            (10..20, Some((10, 4)), 20..20),
            (10..20, Some((u32::MAX, u32::MAX)), 20..20),
            (0..0, Some((0, 1)), 0..0),
        ] {
            assert_eq!(cut(&section, partial), is);
        }
    }
}
