//! Repairs of a submitted message's header as it comes (RFC 6409 section 8): what RFC 5322
//! section 3.6 asks of a message and a client left out or must not say.
//!
//! | field | what is done |
//! | --- | --- |
//! | Date, Message-ID | added where missing (RFC 6409 sections 8.2 and 8.3), by the store, which has clock and number ([`Added`]) |
//! | From | added where missing, with the envelope's sender, or the account's address if that is null. RFC 5322 section 3.6 wants the field; the client has said from whom it is, and the address is the account's own, so there is one clear remedy, as RFC 6409 section 8 asks for |
//! | Sender | added where From has not the account's address alone (RFC 6409 section 8.1), or has several (RFC 5322 section 3.6.2); taken out where it is not the account's |
//! | Bcc, Resent-Bcc | taken out (RFC 5322 section 3.6.3) |
//! | addresses without a domain | get the account's (RFC 6409 section 4.2) |
//! | a second From, Sender, Date or Message-ID | the message is refused: which of the two counts, each reader would decide for itself |
//! | a first line that is no field, a line among the fields that is none | an empty line is put in front: the body begins there |
//!
//! All else passes, octet for octet, in its order. Memory is bounded: a field that is to be
//! looked at is held, up to [`FIELD_MAX`] octets; a longer one passes as it is.
//!
//! RFC 6409 is cited from knowledge of it; sections 8 and 8.1 to 8.4 were compared with RFC
//! 4409, whose words they have.
//!
//! # Deviation
//! RFC 6409 section 8 wants an address verified before a domain is added. It is not: whoever
//! answers to the address would add a domain of theirs, which is wrong for sure.
//!
//! # Known limits
//! A message that is sent again (RFC 5322 section 3.6.6) has its author in From: `check`
//! refuses it, though Resent-From be the account's.

mod address;

use postkern::smtp::{Enhanced, Reply};

use self::address::Addresses;
use crate::config::{HeaderFrom, Submission};
use crate::trace::{Added, mailbox_utf8};

/// Octets of a field that is looked at. Some eight hundred addresses.
pub const FIELD_MAX: usize = 32 * 1024;
/// Octets of a line that may yet turn out to be no field.
const NAME_MAX: usize = 998;
/// Authors of a message whose ownership is asked about.
const AUTHORS_MAX: usize = 100;

/// A submitted message on its way through.
#[derive(Debug)]
pub struct Fixup {
    rules: Submission,
    /// For addresses that lack one; empty for none.
    domain: String,
    at: At,
    treat: Treat,
    /// The field in hand, as far as it is held: at most `FIELD_MAX` octets.
    held: Vec<u8>,
    /// Octets of its name with its colon.
    name: usize,
    /// Of From, Sender, Date, Message-ID: there is one.
    seen: [bool; UNIQUE.len()],
    /// Addresses of From, at most `AUTHORS_MAX`.
    authors: Vec<String>,
    /// There is a Sender that may stay.
    sender: bool,
    refusal: Option<Refusal>,
}

/// Who submits.
#[derive(Clone, Copy)]
pub struct Submitter<'c> {
    /// The account's address.
    pub account: &'c str,
    /// Whether an address is the account's own.
    pub owns: &'c dyn Fn(&str) -> bool,
}

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// Two From fields.
    TwoFrom,
    /// Two Sender fields.
    TwoSender,
    /// Two Date fields.
    TwoDate,
    /// Two Message-ID fields.
    TwoMessageId,
    /// From is there, and no address is understood in it.
    NoAuthor,
    /// No address in From is the account's.
    NotYours,
}

/// Fields of which there is one at most (RFC 5322 section 3.6), and what is said of two.
const UNIQUE: [(&str, Refusal); 4] = [
    ("from", Refusal::TwoFrom),
    ("sender", Refusal::TwoSender),
    ("date", Refusal::TwoDate),
    ("message-id", Refusal::TwoMessageId),
];
const FROM: usize = 0;
const SENDER: usize = 1;
const DATE: usize = 2;
const MESSAGE_ID: usize = 3;

/// Other fields with addresses; RFC 5322 sections 3.6.2, 3.6.3 and 3.6.6.
const ADDRESSED: [&str; 7] = ["to", "cc", "reply-to", "resent-from", "resent-sender", "resent-to", "resent-cc"];
const BLIND: [&str; 2] = ["bcc", "resent-bcc"];

/// Where the next octet stands; as in [`HeaderScan`](crate::trace::HeaderScan).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum At {
    /// At the start of the first line, which continues no field.
    First,
    /// At the start of another line.
    Start,
    /// Behind a CR at the start of a line.
    Cr,
    /// In the name of a field.
    Name,
    /// Between the name and its colon.
    Blanks,
    /// Behind the colon.
    Text,
    /// The header is over.
    Body,
}

/// What becomes of the field in hand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Treat {
    /// It passes.
    Pass,
    /// It is taken out.
    Remove,
    /// Held: From.
    Author,
    /// Held: Sender.
    Sender,
    /// Held: another field with addresses.
    Complete,
}

impl Refusal {
    /// What the client is told.
    pub const fn reply(self) -> Reply<'static> {
        match self {
            Self::TwoFrom => Reply::new(554, Enhanced(5, 6, 0), "the message has more than one From field"),
            Self::TwoSender => Reply::new(554, Enhanced(5, 6, 0), "the message has more than one Sender field"),
            Self::TwoDate => Reply::new(554, Enhanced(5, 6, 0), "the message has more than one Date field"),
            Self::TwoMessageId => Reply::new(554, Enhanced(5, 6, 0), "the message has more than one Message-ID field"),
            Self::NoAuthor => Reply::new(554, Enhanced(5, 6, 0), "the From field holds no address that is understood"),
            // RFC 6409 section 6.1: 550 where the sender may not say so.
            Self::NotYours => Reply::new(550, Enhanced(5, 7, 1), "the From field holds no address of yours"),
        }
    }
}

impl Fixup {
    /// For a message of this account: its domain completes addresses.
    pub fn new(rules: Submission, account: &str) -> Self {
        let domain = account.rsplit_once('@').map_or("", |(_, domain)| domain);
        Self {
            rules,
            domain: if rules.complete_addresses { domain.into() } else { String::new() },
            at: At::First,
            treat: Treat::Pass,
            held: Vec::new(),
            name: 0,
            seen: [false; UNIQUE.len()],
            authors: Vec::new(),
            sender: false,
            refusal: None,
        }
    }

    /// Takes the message's next piece, and appends what becomes of it. Behind the header all
    /// passes.
    pub fn feed(&mut self, mut piece: &[u8], submitter: Submitter<'_>, out: &mut Vec<u8>) {
        while let Some((&byte, rest)) = piece.split_first() {
            match self.at {
                At::Body => return out.extend_from_slice(piece),
                At::Text => {
                    let end = memchr::memchr(b'\n', piece);
                    let (text, rest) = piece.split_at(end.map_or(piece.len(), |end| end + 1));
                    self.text(text, out);
                    piece = rest;
                    if end.is_some() {
                        self.at = At::Start;
                    }
                }
                _ => {
                    self.octet(byte, submitter, out);
                    piece = rest;
                }
            }
        }
    }

    /// The message is over: what is to stand in front of it.
    ///
    /// # Errors
    /// It is not to be taken.
    pub fn finish(mut self, reverse_path: &str, submitter: Submitter<'_>, out: &mut Vec<u8>) -> Result<Added, Refusal> {
        match self.at {
            At::First | At::Start | At::Text => self.close(submitter, out),
            At::Cr => out.push(b'\r'),
            At::Name | At::Blanks => self.broken(out),
            At::Body => {}
        }
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        let mut fields = Vec::new();
        if !self.seen[FROM] {
            let author = if reverse_path.is_empty() { submitter.account } else { reverse_path };
            self.authors.push(author.into());
            put(&mut fields, "From", author);
        }
        let own = |author: &String| (submitter.owns)(author);
        let checks = self.rules.header_from == HeaderFrom::Check && self.seen[FROM];
        if checks && !self.authors.iter().any(own) {
            return Err(Refusal::NotYours);
        }
        // RFC 5322 section 3.6.2: of several authors one has sent it.
        let told = matches!(&self.authors[..], [author] if self.rules.header_from == HeaderFrom::Any || own(author));
        let untold = self.authors.is_empty() && self.rules.header_from == HeaderFrom::Any;
        if !told && !untold && !self.sender {
            put(&mut fields, "Sender", submitter.account);
        }
        Ok(Added { date: !self.seen[DATE], message_id: !self.seen[MESSAGE_ID], fields })
    }

    /// An octet at or near the start of a line.
    fn octet(&mut self, byte: u8, submitter: Submitter<'_>, out: &mut Vec<u8>) {
        let blank = matches!(byte, b' ' | b'\t');
        if self.at == At::Start && !blank {
            self.close(submitter, out);
        }
        match (self.at, byte) {
            (At::First | At::Start, b'\r') => {
                self.held.push(byte);
                self.at = At::Cr;
            }
            (At::First | At::Start | At::Cr, b'\n') => {
                self.held.push(byte);
                self.body(out);
            }
            (At::Start, b' ' | b'\t') => {
                self.at = At::Text;
                self.text(&[byte], out);
            }
            (At::First | At::Start | At::Name, b'!'..=b'9' | b';'..=b'~') => {
                self.held.push(byte);
                self.at = At::Name;
                self.long_name(out);
            }
            (At::Name | At::Blanks, b' ' | b'\t') => {
                self.held.push(byte);
                self.at = At::Blanks;
                self.long_name(out);
            }
            (At::Name | At::Blanks, b':') => {
                self.held.push(byte);
                self.begin(out);
            }
            _ => {
                self.held.push(byte);
                self.broken(out);
            }
        }
    }

    /// A line so long that it is no field that matters.
    fn long_name(&mut self, out: &mut Vec<u8>) {
        if self.held.len() > NAME_MAX {
            self.at = At::Text;
            self.pass(out);
        }
    }

    /// The colon has come: which field it is.
    fn begin(&mut self, out: &mut Vec<u8>) {
        self.at = At::Text;
        self.name = self.held.len();
        let name = self.held[..self.name - 1].trim_ascii_end();
        let is = |of: &str| name.eq_ignore_ascii_case(of.as_bytes());
        let unique = UNIQUE.iter().position(|(of, _)| is(of));
        self.treat = match unique {
            Some(FROM) => Treat::Author,
            Some(SENDER) => Treat::Sender,
            Some(_) => Treat::Pass,
            None if self.rules.remove_bcc && BLIND.into_iter().any(is) => Treat::Remove,
            None if !self.domain.is_empty() && ADDRESSED.into_iter().any(is) => Treat::Complete,
            None => Treat::Pass,
        };
        if let Some(unique) = unique
            && std::mem::replace(&mut self.seen[unique], true)
        {
            self.refusal.get_or_insert(UNIQUE[unique].1);
        }
        match self.treat {
            Treat::Pass => self.pass(out),
            Treat::Remove => self.held.clear(),
            Treat::Author | Treat::Sender | Treat::Complete => {}
        }
    }

    /// Text of the field in hand.
    fn text(&mut self, text: &[u8], out: &mut Vec<u8>) {
        match self.treat {
            Treat::Pass => out.extend_from_slice(text),
            Treat::Remove => {}
            Treat::Author | Treat::Sender | Treat::Complete if self.held.len() + text.len() <= FIELD_MAX => {
                self.held.extend_from_slice(text);
            }
            Treat::Author => {
                self.unread();
                self.pass(out);
                out.extend_from_slice(text);
            }
            // Nobody's address is so long.
            Treat::Sender if self.rules.header_from != HeaderFrom::Any => {
                self.held.clear();
                self.treat = Treat::Remove;
            }
            Treat::Sender | Treat::Complete => {
                self.sender |= self.treat == Treat::Sender;
                self.pass(out);
                out.extend_from_slice(text);
            }
        }
    }

    /// The field in hand is over, if there is one.
    fn close(&mut self, submitter: Submitter<'_>, out: &mut Vec<u8>) {
        let treat = std::mem::replace(&mut self.treat, Treat::Pass);
        if self.held.is_empty() {
            return;
        }
        let (name, value) = self.held.split_at(self.name);
        let addresses = Addresses::read(value, &self.domain);
        let start = out.len();
        out.extend_from_slice(name);
        let addresses = addresses.filter(|addresses| addresses.complete(value, &self.domain, out));
        if addresses.is_none() {
            out.extend_from_slice(value);
        }
        match (treat, addresses) {
            (Treat::Pass | Treat::Remove | Treat::Complete, _) => {}
            (Treat::Author, Some(addresses)) if !addresses.all.is_empty() => {
                self.authors = addresses.all;
                self.authors.truncate(AUTHORS_MAX);
            }
            (Treat::Author, _) => self.unread(),
            (Treat::Sender, addresses) => {
                let own = |addresses: Addresses| matches!(&addresses.all[..], [one] if (submitter.owns)(one));
                self.sender = self.rules.header_from == HeaderFrom::Any || addresses.is_some_and(own);
                if !self.sender {
                    out.truncate(start);
                }
            }
        }
        self.held.clear();
    }

    /// From is not understood. That matters unless any may stand there.
    fn unread(&mut self) {
        if self.rules.header_from != HeaderFrom::Any {
            self.refusal.get_or_insert(Refusal::NoAuthor);
        }
    }

    /// What is held passes as it is, and what follows of the field.
    fn pass(&mut self, out: &mut Vec<u8>) {
        self.treat = Treat::Pass;
        out.append(&mut self.held);
    }

    /// A line has come that is no field: the body begins with it.
    fn broken(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\r\n");
        self.body(out);
    }

    fn body(&mut self, out: &mut Vec<u8>) {
        self.pass(out);
        self.held = Vec::new();
        self.at = At::Body;
    }
}

/// Appends a field with one address.
fn put(fields: &mut Vec<u8>, name: &str, address: &str) {
    fields.extend_from_slice(format!("{name}: <{}>\r\n", mailbox_utf8(address)).as_bytes());
}
