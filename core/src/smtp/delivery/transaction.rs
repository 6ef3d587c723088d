//! One transaction of a delivery: MAIL, RCPT for as many as the server takes, the message.

use alloc::vec::Vec;

use super::content::{CHUNK, Chunked, Content};
use super::lack::lack_for;
use super::{Delivery, Said, Stage, Verdict};
use crate::dot::Body;
use crate::smtp::client::Client;
use crate::smtp::extensions::{Extensions, SessionLimits};
use crate::smtp::params::{BodyType, MailParams, OriginalRecipient, RcptParams, Xtext};
use crate::smtp::reply::{Enhanced, ReplyLines};
use crate::smtp::request::{Command, SendError};

/// Transactions over one connection.
pub const TRANSACTIONS_MAX: u32 = 100;

/// How far a transaction is. Numbers are places of recipients in the envelope.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// RSET comes first.
    reset: bool,
    mail_sent: bool,
    mail_accepted: bool,
    /// Whose RCPTs belong to it, and how many of them were looked at.
    members: Vec<usize>,
    next: usize,
    /// Whose RCPTs were sent, and how many of them are answered.
    asked: Vec<usize>,
    answered: usize,
    /// In order: whom the LMTP replies are for.
    accepted: Vec<usize>,
    /// Replies to the message seen.
    replied: usize,
    pub(super) content: Content,
    /// Octets of the message written.
    pub(super) written: u64,
}

impl Transaction {
    fn is_answered(&self) -> bool {
        self.mail_accepted && self.next == self.members.len() && self.answered == self.asked.len()
    }
}

impl Delivery {
    /// Begins a transaction for those who are left; without any it is time to leave.
    pub(super) fn begin(&mut self, reset: bool, client: &mut Client, out: &mut Vec<u8>) {
        let members = self.plan(client.extensions().limits);
        if members.is_empty() {
            return self.quit(client, out);
        }
        self.stage = Stage::Transaction;
        self.transaction = Transaction { reset, members, ..Transaction::default() };
        self.send_more(client, out);
    }

    /// Whose turn it is, within the server's limits. Whom it takes over no transaction of this
    /// connection is postponed.
    fn plan(&mut self, limits: SessionLimits) -> Vec<usize> {
        let mails = limits.mails.map_or(TRANSACTIONS_MAX, |most| most.get().min(TRANSACTIONS_MAX));
        let most = limits.recipients.map_or(usize::MAX, |most| most.get() as usize);
        let mut members = Vec::new();
        for index in 0..self.verdicts.len() {
            if self.verdicts[index].is_some() {
                continue;
            }
            if self.mails >= mails || !self.has_room_for_domain(index, limits) {
                self.verdicts[index] = Some(Verdict::Postponed);
            } else if members.len() < most {
                self.note_domain(index, limits);
                members.push(index);
            }
        }
        members
    }

    /// RFC 9422 section 4: RCPTDOMAINMAX counts over the whole session.
    fn has_room_for_domain(&self, index: usize, limits: SessionLimits) -> bool {
        let Some(most) = limits.domains else { return true };
        self.domains.len() < most.get() as usize || self.knows_domain(index)
    }

    fn note_domain(&mut self, index: usize, limits: SessionLimits) {
        if limits.domains.is_some() && !self.knows_domain(index) {
            self.domains.push(index);
        }
    }

    fn knows_domain(&self, index: usize) -> bool {
        let domain = |index: usize| self.envelope.recipients[index].address.rsplit_once('@').unwrap_or_default().1;
        self.domains.iter().any(|&known| domain(known).eq_ignore_ascii_case(domain(index)))
    }

    /// Sends as much of the envelope as may be sent now.
    pub(super) fn send_more(&mut self, client: &mut Client, out: &mut Vec<u8>) {
        if self.stage != Stage::Transaction {
            return;
        }
        if self.transaction.reset {
            if client.send(Command::Rset, out).is_err() {
                return;
            }
            self.transaction.reset = false;
        }
        if !self.transaction.mail_sent {
            if !client.may_send() {
                return;
            }
            self.mails += 1;
            self.transaction.mail_sent = true;
            if self.send_mail(client, out).is_err() {
                self.refuse_all(&Said::ours(Enhanced(5, 1, 7), "the sender's address is not valid"), true);
                return self.quit(client, out);
            }
        }
        while client.may_send()
            && let Some(&index) = self.transaction.members.get(self.transaction.next)
        {
            self.transaction.next += 1;
            match self.send_rcpt(index, client, out) {
                Ok(()) => self.transaction.asked.push(index),
                Err(said) => self.verdicts[index] = Some(Verdict::Failed(said)),
            }
        }
        self.send_content(client, out);
        // The window may have room again for chunks that are waiting.
        self.flush(client, out);
    }

    fn send_mail(&self, client: &mut Client, out: &mut Vec<u8>) -> Result<(), SendError> {
        let envelope = &self.envelope;
        let body = (envelope.body != BodyType::SevenBit).then_some(envelope.body);
        let mut params = MailParams::new(Some(envelope.size), body);
        let all_ascii = |index: &usize| envelope.recipients[*index].address.is_ascii();
        // RFC 6531 section 3.4: said if something needs it, and else not.
        params.smtp_utf8 =
            envelope.smtp_utf8 || !envelope.sender.is_ascii() || !self.transaction.members.iter().all(all_ascii);
        // RFC 4954 section 5: who has logged in speaks for itself, and not for the sender.
        let nobody = self.login.is_done.then_some("<>");
        params.auth = xtext(envelope.auth.as_deref().or(nobody))?;
        params.ret = envelope.ret;
        params.envid = xtext(envelope.envid.as_deref())?;
        // RFC 8689 section 2: of no meaning outside TLS.
        params.require_tls = envelope.require_tls && self.secured;
        params.by = envelope.by;
        params.priority = envelope.priority;
        client.send(Command::Mail { from: &envelope.sender, params }, out).map(|_| ())
    }

    fn send_rcpt(&self, index: usize, client: &mut Client, out: &mut Vec<u8>) -> Result<(), Said> {
        let recipient = &self.envelope.recipients[index];
        if let Some(said) = lack_for(recipient, &client.extensions()) {
            return Err(said);
        }
        let orcpt = match recipient.orcpt.as_deref().map(OriginalRecipient::parse) {
            Some(None) => return Err(Said::ours(Enhanced(5, 1, 3), "the original recipient is not valid")),
            parsed => parsed.flatten(),
        };
        let params = RcptParams { notify: recipient.notify, orcpt, rrvs: recipient.rrvs };
        match client.send(Command::Rcpt { to: &recipient.address, params }, out) {
            Ok(_) => Ok(()),
            Err(_) => Err(Said::ours(Enhanced(5, 1, 3), "the recipient's address is not valid")),
        }
    }

    /// Begins the message, as soon as it may be and somebody may want it.
    fn send_content(&mut self, client: &mut Client, out: &mut Vec<u8>) {
        let transaction = &self.transaction;
        if transaction.next < transaction.members.len() || !matches!(transaction.content, Content::None) {
            return;
        }
        let answered = transaction.is_answered();
        if answered && transaction.accepted.is_empty() {
            return self.begin(true, client, out);
        }
        if !transaction.asked.iter().any(|&index| self.verdicts[index].is_none()) {
            return;
        }
        if !self.goes_by_chunks(&client.extensions()) {
            // With PIPELINING, DATA goes before the answers to RCPT are known.
            if client.send(Command::Data, out).is_ok() {
                self.transaction.content = Content::Asked;
            }
            return;
        }
        // # Deviation
        // RFC 3030 section 2 has the answers to MAIL and RCPT collected first. One chunk that is
        // the whole message goes with them, as RFC 2920 section 3.1 allows for DATA: a server
        // that offers PIPELINING must drop it if it fails, and the delivery takes one round trip.
        // Not so in LMTP: how often the last chunk is answered where no recipient was taken, not
        // at all (RFC 2033 section 4.3) or once as DATA, is better not found out.
        let early = client.extensions().pipelining && !self.options.lmtp && self.envelope.size <= CHUNK as u64;
        if (early || answered)
            && let Ok(chunks) = client.begin_chunks()
        {
            let binary = self.envelope.body == BodyType::BinaryMime;
            self.transaction.content = Content::Chunked(Chunked::new(chunks, binary));
        }
    }

    /// Without PIPELINING each chunk costs a round trip, and DATA two in all.
    fn goes_by_chunks(&self, offers: &Extensions) -> bool {
        let binary = self.envelope.body == BodyType::BinaryMime;
        offers.chunking && (binary || offers.pipelining || self.envelope.size <= CHUNK as u64)
    }

    /// MAIL was accepted.
    pub(super) fn mailed(&mut self, client: &mut Client, out: &mut Vec<u8>) {
        self.transaction.mail_accepted = true;
        self.send_more(client, out);
    }

    /// A RCPT was answered; they are in order.
    pub(super) fn recipient(&mut self, reply: ReplyLines<'_>, client: &mut Client, out: &mut Vec<u8>) {
        let transaction = &mut self.transaction;
        let Some(&index) = transaction.asked.get(transaction.answered) else { return };
        transaction.answered += 1;
        if reply.is_positive() {
            transaction.accepted.push(index);
        } else if transaction.accepted.is_empty() || !is_full(reply) {
            self.verdicts[index] = Some(Verdict::refusal(reply));
        }
        let transaction = &mut self.transaction;
        let unwanted = transaction.is_answered() && transaction.accepted.is_empty();
        if unwanted && transaction.content.abandon_chunks(client) {
            return self.settle(client, out);
        }
        self.send_more(client, out);
    }

    /// DATA was refused: that is of those who were accepted. Whoever is left was not asked about.
    pub(super) fn unwanted(&mut self, reply: ReplyLines<'_>, client: &mut Client, out: &mut Vec<u8>) {
        let accepted = core::mem::take(&mut self.transaction.accepted);
        self.decide(&accepted, &Verdict::refusal(reply));
        self.begin(true, client, out);
    }

    /// 354.
    pub(super) fn proceed(&mut self, body: Body, client: &mut Client, out: &mut Vec<u8>) {
        if self.transaction.accepted.is_empty() {
            // RFC 2920 section 3.1: DATA went with the RCPTs, all were refused, and the server
            // wants a message all the same: an empty one.
            client.end(body, out);
            self.transaction.content = Content::Ended;
        } else if self.stage == Stage::Transaction {
            self.transaction.content = Content::Stuffed(body);
        } else {
            client.abandon(body);
        }
    }

    /// A chunk that is not the last was answered.
    pub(super) fn chunked(&mut self, reply: ReplyLines<'_>, client: &mut Client, out: &mut Vec<u8>) {
        if matches!(self.transaction.content, Content::Spoilt) {
            return self.settle(client, out);
        }
        if reply.is_positive() {
            return self.flush(client, out);
        }
        // RFC 3030 section 2: the transaction has failed, and no further chunk is sent.
        let accepted = core::mem::take(&mut self.transaction.accepted);
        self.decide(&accepted, &Verdict::refusal(reply));
        self.transaction.content = Content::Spoilt;
        if self.options.lmtp && !client.is_settled() {
            // How often the last chunk would be answered now no RFC says.
            self.refuse_all(&Said::of(reply), false);
            return client.shut_down_now();
        }
        self.settle(client, out);
    }

    /// The message was answered.
    pub(super) fn message(&mut self, reply: ReplyLines<'_>, client: &mut Client, out: &mut Vec<u8>) {
        if matches!(self.transaction.content, Content::Spoilt) {
            return self.settle(client, out);
        }
        let verdict = match reply.is_positive() {
            true => {
                let offers = client.extensions();
                let deliver_by = self.envelope.by.is_some() && offers.deliver_by.is_some();
                Verdict::Delivered { said: Said::of(reply), dsn: offers.dsn, deliver_by }
            }
            false => Verdict::refusal(reply),
        };
        let replied = self.transaction.replied;
        self.transaction.replied += 1;
        let accepted = core::mem::take(&mut self.transaction.accepted);
        match self.options.lmtp {
            true => self.decide(accepted.get(replied..=replied).unwrap_or_default(), &verdict),
            false => self.decide(&accepted, &verdict),
        }
        if !self.options.lmtp || self.transaction.replied >= accepted.len() {
            return self.begin(!reply.is_positive(), client, out);
        }
        self.transaction.accepted = accepted;
    }

    /// Goes on once nothing of a transaction that failed is unanswered.
    fn settle(&mut self, client: &mut Client, out: &mut Vec<u8>) {
        if client.is_settled() {
            self.begin(true, client, out);
        }
    }

    /// Sends what of the message may be sent now.
    pub(super) fn flush(&mut self, client: &mut Client, out: &mut Vec<u8>) {
        self.transaction.content = match core::mem::take(&mut self.transaction.content) {
            Content::Chunked(chunked) => chunked.flush(client, out),
            other => other,
        };
    }

    fn decide(&mut self, whose: &[usize], verdict: &Verdict) {
        for &index in whose {
            self.verdicts[index] = Some(verdict.clone());
        }
    }
}

/// What the owner has kept as it stood on a line.
fn xtext(text: Option<&str>) -> Result<Option<Xtext<'_>>, SendError> {
    match text.map(Xtext::parse) {
        Some(None) => Err(SendError::Argument),
        parsed => Ok(parsed.flatten()),
    }
}

/// Whether a server has as many recipients as it takes in one transaction: the rest are for
/// another (RFC 5321 section 4.5.3.1.10, where 552 is meant as 452).
fn is_full(reply: ReplyLines<'_>) -> bool {
    let status = reply.enhanced().is_none_or(|Enhanced(_, subject, detail)| (subject, detail) == (5, 3));
    matches!(reply.code, 452 | 552) && status
}
