//! Messages in a mailbox: reading, flags, copies, removal.

use std::ops::Range;
use std::sync::Arc;

use postkern_server::digest::Digest;
use postkern_server::job::{
    AccountId, Append, Appended, Copied, FETCH_BATCH, Failure, Fetched, FlagAction, FlagChange, MailboxId, READ_MAX,
    Stored, Timestamp,
};
use postkern_server::mailbox::{Flags, MailboxName, Meta, UidSet};
use postkern_server::search::{Program, Verdict};

use super::state::{Mailbox, Message, State};
use super::whole;
use crate::rules;
use crate::watchers::Effects;

impl State {
    pub(super) fn append(
        &mut self,
        append: Append,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Appended, Failure> {
        let id = self.find(append.account, &append.mailbox)?;
        let body = whole(Vec::new(), append.message)?;
        let mailbox = self.mailbox_mut(id)?;
        rules::uid_after(mailbox.uid_next, 1)?;
        let (keywords, _) = rules::keyword_bits(&mut mailbox.keywords, &append.keywords, true);
        let flags = Flags(append.flags.0 & Flags::SYSTEM.0).with(keywords);
        let internal_date = append.internal_date.unwrap_or(now);
        let uid = mailbox.add(Message { flags, internal_date, ..Self::message(Vec::new(), &body) });
        effects.mailboxes.insert(id);
        Ok(Appended { uid_validity: mailbox.uid_validity, uid })
    }

    pub(super) fn metas(&self, mailbox: MailboxId, uids: &UidSet) -> Result<Vec<Meta>, Failure> {
        Ok(among(self.mailbox(mailbox)?, uids).map(|(uid, message)| message.meta(uid)).collect())
    }

    pub(super) fn fetch(
        &mut self,
        mailbox: MailboxId,
        uids: &UidSet,
        digest: bool,
        header: bool,
    ) -> Result<Vec<Fetched>, Failure> {
        let mailbox = self.mailbox_mut(mailbox)?;
        let (mut all, mut octets) = (Vec::new(), 0);
        for uid in present(mailbox, uids) {
            let Some(message) = mailbox.messages.get_mut(&uid) else { continue };
            let digest = digest.then(|| message.digest());
            let header = header.then(|| {
                let mut octets = message.octets();
                octets.truncate(rules::header_len(&octets));
                octets
            });
            octets += size_of::<Fetched>()
                + digest.as_ref().map_or(0, |(_, octets)| *octets)
                + header.as_ref().map_or(0, Vec::len);
            if octets > FETCH_BATCH && !all.is_empty() {
                break;
            }
            all.push(Fetched { meta: message.meta(uid), digest: digest.map(|(digest, _)| digest), header });
        }
        Ok(all)
    }

    pub(super) fn read(&self, mailbox: MailboxId, uid: u32, range: Range<u64>) -> Result<Vec<u8>, Failure> {
        let mailbox = self.mailbox(mailbox).map_err(|_| Failure::NoSuchMessage)?;
        let message = mailbox.messages.get(&uid).ok_or(Failure::NoSuchMessage)?;
        Ok(cut(&[&message.prefix, &message.body], range))
    }

    pub(super) fn search(&self, mailbox: MailboxId, uids: &UidSet, program: &Program) -> Result<UidSet, Failure> {
        let mut matches = UidSet::default();
        for (uid, message) in among(self.mailbox(mailbox)?, uids) {
            let meta = message.meta(uid);
            let is_match = match program.judge(&meta) {
                Verdict::Yes => true,
                Verdict::No => false,
                Verdict::NeedsText => program.matches(&meta, &message.octets()),
            };
            if is_match {
                matches.push(uid);
            }
        }
        Ok(matches)
    }

    pub(super) fn store(
        &mut self,
        id: MailboxId,
        uids: &UidSet,
        change: &FlagChange,
        effects: &mut Effects,
    ) -> Result<Stored, Failure> {
        let mailbox = self.mailbox_mut(id)?;
        let unchanged_since = change.unchanged_since.unwrap_or(u64::MAX);
        let mut stored = Stored::default();
        let mut targets = Vec::new();
        for uid in present(mailbox, uids) {
            stored.before.push(mailbox.messages[&uid].modseq);
            match mailbox.messages[&uid].modseq > unchanged_since {
                true => stored.modified.push(uid),
                false => targets.push(uid),
            }
        }
        let create = change.action != FlagAction::Remove && !targets.is_empty();
        let known = mailbox.keywords.len();
        let (keywords, refused) = rules::keyword_bits(&mut mailbox.keywords, &change.keywords, create);
        let modseq = mailbox.modseq + 1;
        let mut has_changed = mailbox.keywords.len() > known;
        for uid in targets {
            let Some(message) = mailbox.messages.get_mut(&uid) else { continue };
            let flags = rules::changed(message.flags, change, keywords);
            if flags != message.flags {
                (message.flags, message.modseq) = (flags, modseq);
                mailbox.modseq = modseq;
                has_changed = true;
            }
        }
        if has_changed {
            effects.mailboxes.insert(id);
        }
        stored.messages = among(mailbox, uids).map(|(uid, message)| message.meta(uid)).collect();
        (stored.refused, stored.keywords) = (refused, mailbox.keywords.clone());
        Ok(stored)
    }

    pub(super) fn copy(
        &mut self,
        from: MailboxId,
        uids: &UidSet,
        account: AccountId,
        to: &MailboxName,
        remove: bool,
        effects: &mut Effects,
    ) -> Result<Copied, Failure> {
        let to = self.find(account, to)?;
        let source = self.mailbox(from)?;
        let uids = present(source, uids);
        let messages: Vec<Message> = uids.iter().map(|uid| source.messages[uid].clone()).collect();
        let keywords = source.keywords.clone();
        let target = self.mailbox_mut(to)?;
        rules::uid_after(target.uid_next, messages.len())?;
        let mut copied = Copied { uid_validity: target.uid_validity, ..Copied::default() };
        if messages.is_empty() {
            return Ok(copied);
        }
        target.modseq += 1;
        for mut message in messages {
            if from != to {
                message.flags = rules::translate(message.flags, &keywords, &mut target.keywords);
            }
            copied.to.push(target.add_in_change(message));
        }
        copied.from = uids.iter().copied().collect();
        effects.mailboxes.insert(to);
        if remove {
            self.mailbox_mut(from)?.take(&uids);
            effects.mailboxes.insert(from);
        }
        Ok(copied)
    }

    pub(super) fn expunge(
        &mut self,
        id: MailboxId,
        uids: Option<&UidSet>,
        effects: &mut Effects,
    ) -> Result<UidSet, Failure> {
        let mailbox = self.mailbox(id)?;
        let all = UidSet::range(1, u32::MAX);
        let is_deleted = |(_, message): &(u32, &Message)| message.flags.has(Flags::DELETED);
        let gone: UidSet = among(mailbox, uids.unwrap_or(&all)).filter(is_deleted).map(|(uid, _)| uid).collect();
        self.remove(id, &gone, effects)
    }

    pub(super) fn remove(&mut self, id: MailboxId, uids: &UidSet, effects: &mut Effects) -> Result<UidSet, Failure> {
        let mailbox = self.mailbox_mut(id)?;
        let gone = present(mailbox, uids);
        mailbox.take(&gone);
        if !gone.is_empty() {
            effects.mailboxes.insert(id);
        }
        Ok(gone.into_iter().collect())
    }
}

impl Message {
    fn octets(&self) -> Vec<u8> {
        [&self.prefix[..], &self.body[..]].concat()
    }

    /// Made at the first time it is asked for.
    fn digest(&mut self) -> (Arc<Digest>, usize) {
        if self.digest.is_none() {
            let digest = Digest::of(&self.octets());
            let octets = digest.to_bytes().len();
            self.digest = Some((Arc::new(digest), octets));
        }
        self.digest.clone().expect("it was just made")
    }
}

/// The messages of the set that are there, ascending.
fn among<'a>(mailbox: &'a Mailbox, uids: &'a UidSet) -> impl Iterator<Item = (u32, &'a Message)> {
    let range = |&(from, to): &(u32, u32)| mailbox.messages.range(from..=to);
    uids.ranges().iter().flat_map(range).map(|(uid, message)| (*uid, message))
}

fn present(mailbox: &Mailbox, uids: &UidSet) -> Vec<u32> {
    among(mailbox, uids).map(|(uid, _)| uid).collect()
}

/// A range of parts that follow one another, as much of it as there is and as may be read.
pub(super) fn cut(parts: &[&[u8]], range: Range<u64>) -> Vec<u8> {
    let (mut start, mut left) = (range.start, range.end.saturating_sub(range.start).min(READ_MAX));
    let mut octets = Vec::new();
    for part in parts {
        let len = part.len() as u64;
        let from = start.min(len);
        let to = from.saturating_add(left).min(len);
        octets.extend_from_slice(&part[from as usize..to as usize]);
        (start, left) = (start - from, left - (to - from));
    }
    octets
}
