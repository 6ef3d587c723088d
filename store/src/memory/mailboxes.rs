//! Mailboxes as wholes (RFC 3501 sections 6.3.1 to 6.3.10).

use std::sync::Arc;

use postkern_server::job::{AccountId, Changes, Failure, MailboxId, MailboxInfo, MailboxStatus, Selected};
use postkern_server::mailbox::{Flags, MailboxName, SpecialUse, UidSet};

use super::state::{Mailbox, Message, State};
use crate::rules;
use crate::watchers::Effects;

impl State {
    pub(super) fn mailboxes(&self, account: AccountId) -> Result<Vec<MailboxInfo>, Failure> {
        let account = self.accounts.get(&account).ok_or(Failure::NoSuchAccount)?;
        let special_use = |id| self.mailboxes.get(id).and_then(|mailbox: &Mailbox| mailbox.special_use);
        let each = account.mailboxes.iter().map(|(name, id)| (name.clone(), special_use(id)));
        Ok(rules::list(each, &account.subscribed))
    }

    pub(super) fn create(
        &mut self,
        account: AccountId,
        name: &MailboxName,
        special_use: Option<SpecialUse>,
    ) -> Result<(), Failure> {
        if self.account(account)?.mailboxes.contains_key(name) {
            return Err(Failure::Exists);
        }
        self.create_all(account, name, special_use)?;
        Ok(())
    }

    /// Creates a mailbox and its parents, as far as they are not there. `Exists` if all are.
    fn create_all(
        &mut self,
        account: AccountId,
        name: &MailboxName,
        special_use: Option<SpecialUse>,
    ) -> Result<MailboxId, Failure> {
        let existing = &self.account(account)?.mailboxes;
        let mut names = rules::with_parents(name);
        names.retain(|name| !existing.contains_key(name));
        let octets = existing.keys().chain(&names).map(|name| name.as_str().len()).sum();
        rules::check_count(existing.len() + names.len(), octets)?;
        let mut last = Err(Failure::Exists);
        for new in names {
            let (id, uid_validity) = self.next_mailbox()?;
            let special_use = special_use.filter(|_| new == *name);
            self.mailboxes.insert(id, Mailbox::new(uid_validity, special_use));
            self.account(account)?.mailboxes.insert(new, id);
            last = Ok(id);
        }
        last
    }

    pub(super) fn delete(
        &mut self,
        account: AccountId,
        name: &MailboxName,
        effects: &mut Effects,
    ) -> Result<(), Failure> {
        let mailboxes = &mut self.account(account)?.mailboxes;
        if name.is_inbox() {
            return Err(Failure::Cannot("INBOX cannot be deleted"));
        }
        let Some(id) = mailboxes.remove(name) else {
            // RFC 3501 section 6.3.4: it has inferior names and is \Noselect already.
            return Err(match rules::has_children(mailboxes.keys(), name) {
                true => Failure::Cannot("the mailbox has children and is not there itself"),
                false => Failure::NoSuchMailbox,
            });
        };
        self.mailboxes.remove(&id);
        effects.mailboxes.insert(id);
        Ok(())
    }

    pub(super) fn rename(
        &mut self,
        account: AccountId,
        from: &MailboxName,
        to: &MailboxName,
        effects: &mut Effects,
    ) -> Result<(), Failure> {
        let mailboxes = &self.account(account)?.mailboxes;
        if from.is_inbox() {
            return self.rename_inbox(account, to, effects);
        }
        let moves = rules::renames(mailboxes.keys(), from, to)?;
        if let Some(parent) = to.parent() {
            match self.create_all(account, &parent, None) {
                Ok(_) | Err(Failure::Exists) => {}
                Err(failure) => return Err(failure),
            }
        }
        let mailboxes = &mut self.account(account)?.mailboxes;
        for (old, new) in moves {
            if let Some(id) = mailboxes.remove(&old) {
                mailboxes.insert(new, id);
            }
        }
        Ok(())
    }

    /// RFC 3501 section 6.3.5: all messages go to a new mailbox; INBOX stays, as do the names
    /// below it.
    fn rename_inbox(&mut self, account: AccountId, to: &MailboxName, effects: &mut Effects) -> Result<(), Failure> {
        let inbox = self.find(account, &MailboxName::inbox())?;
        if self.account(account)?.mailboxes.contains_key(to) {
            return Err(Failure::Exists);
        }
        self.create_all(account, to, None)?;
        self.copy(inbox, &UidSet::range(1, u32::MAX), account, to, true, effects)?;
        Ok(())
    }

    pub(super) fn subscribe(&mut self, account: AccountId, name: MailboxName, on: bool) -> Result<(), Failure> {
        let subscribed = &mut self.account(account)?.subscribed;
        if !on {
            subscribed.remove(&name);
        } else if !subscribed.contains(&name) {
            let octets = subscribed.iter().chain([&name]).map(|name| name.as_str().len()).sum();
            rules::check_count(subscribed.len() + 1, octets)?;
            subscribed.insert(name);
        }
        Ok(())
    }

    pub(super) fn status(&self, account: AccountId, name: &MailboxName) -> Result<MailboxStatus, Failure> {
        Ok(status(self.mailbox(self.find(account, name)?)?))
    }

    pub(super) fn select(
        &mut self,
        account: AccountId,
        name: &MailboxName,
        read_only: bool,
    ) -> Result<Selected, Failure> {
        let id = self.find(account, name)?;
        let mailbox = self.mailbox_mut(id)?;
        let unseen = |(_, message): &(&u32, &Message)| !message.flags.has(Flags::SEEN);
        let selected = Selected {
            mailbox: id,
            status: status(mailbox),
            uids: mailbox.messages.keys().copied().collect(),
            recent_from: mailbox.recent_from,
            first_unseen: mailbox.messages.iter().find(unseen).map(|(uid, _)| *uid),
            keywords: mailbox.keywords.clone(),
        };
        if !read_only {
            mailbox.recent_from = mailbox.uid_next;
        }
        Ok(selected)
    }

    #[expect(clippy::type_complexity, reason = "the parts of a Maildrop but for its lock")]
    pub(super) fn maildrop(&self, account: AccountId) -> Result<(MailboxId, u32, Vec<(u32, u64)>), Failure> {
        let id = self.find(account, &MailboxName::inbox())?;
        let mailbox = self.mailbox(id)?;
        let messages = mailbox.messages.iter().map(|(uid, message)| (*uid, message.size())).collect();
        Ok((id, mailbox.uid_validity, messages))
    }

    pub(super) fn changes(&mut self, id: MailboxId, since: u64, read_only: bool) -> Result<Changes, Failure> {
        let mailbox = self.mailbox_mut(id)?;
        let changed = |(_, message): &(&u32, &Message)| message.modseq > since;
        let gone: UidSet = match since < mailbox.forgotten {
            true => rules::missing(mailbox.messages.keys().copied(), mailbox.uid_next),
            false => mailbox.tombstones.iter().filter(|(at, _)| *at > since).map(|(_, uid)| *uid).collect(),
        };
        let changes = Changes {
            modseq: mailbox.modseq,
            changed: mailbox.messages.iter().filter(changed).map(|(uid, message)| message.meta(*uid)).collect(),
            gone,
            uid_next: mailbox.uid_next,
            recent_from: mailbox.recent_from,
            keywords: mailbox.keywords.clone(),
        };
        if !read_only {
            mailbox.recent_from = mailbox.uid_next;
        }
        Ok(changes)
    }

    /// A new body for everybody who is to have it.
    pub(super) fn message(prefix: Vec<u8>, body: &Arc<Vec<u8>>) -> Message {
        Message {
            flags: Flags::default(),
            internal_date: postkern_server::job::Timestamp::default(),
            modseq: 0,
            prefix: Arc::new(prefix),
            body: body.clone(),
            digest: None,
        }
    }
}

fn status(mailbox: &Mailbox) -> MailboxStatus {
    let count = |of: &dyn Fn(&Message) -> bool| mailbox.messages.values().filter(|message| of(message)).count() as u32;
    MailboxStatus {
        messages: mailbox.messages.len() as u32,
        recent: mailbox.messages.range(mailbox.recent_from..).count() as u32,
        uid_next: mailbox.uid_next,
        uid_validity: mailbox.uid_validity,
        unseen: count(&|message| !message.flags.has(Flags::SEEN)),
        deleted: count(&|message| message.flags.has(Flags::DELETED)),
        size: mailbox.messages.values().map(Message::size).sum(),
        modseq: mailbox.modseq,
    }
}
