//! What a server says untagged (RFC 3501 section 7), as views: the grammar is checked once,
//! nothing is copied.
//!
//! Servers say much that no RFC has. What is not of the grammar is told as it was written,
//! and is no reason to hang up.

use super::command::{IdFields, Words};
use super::cursor::{Astring, Cursor};
use super::event::Status;
use super::fetched::FetchValues;
use super::flags::Flags;
use super::sequence::SequenceSet;
use crate::text::{number, word};

/// An untagged response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Response<'i> {
    /// OK, NO or BAD: of no command, or a warning on the way of one.
    Status {
        /// Which.
        status: Status,
        /// In brackets before the text.
        code: Option<ResponseCode<'i>>,
        /// For humans. A code ALERT means that they must see it (RFC 3501 section 7.1).
        text: &'i [u8],
    },
    /// BYE: the server closes.
    Bye {
        /// In brackets before the text.
        code: Option<ResponseCode<'i>>,
        /// For humans.
        text: &'i [u8],
    },
    /// CAPABILITY, which [`Client::capabilities`](super::Client::capabilities) knows too.
    Capability(Words<'i>),
    /// ENABLED (RFC 5161).
    Enabled(Words<'i>),
    /// FLAGS
    Flags(Flags<'i>),
    /// LIST, LSUB
    List {
        /// LSUB.
        subscribed: bool,
        /// `\Noselect`, ...
        attributes: Flags<'i>,
        /// Between the levels of the name; none in a flat one.
        separator: Option<u8>,
        /// As on the wire: [`decode_mailbox`](super::decode_mailbox) it.
        mailbox: Astring<'i>,
    },
    /// STATUS
    Mailbox(MailboxStatus<'i>),
    /// SEARCH
    Search(Numbers<'i>),
    /// EXISTS
    Exists(u32),
    /// RECENT
    Recent(u32),
    /// EXPUNGE: this message is gone, and those behind it move up.
    Expunge(u32),
    /// FETCH, asked for or not. Where a literal of it was streamed, the items behind it.
    Fetch {
        /// Its sequence number.
        message: u32,
        /// What is told of it.
        values: FetchValues<'i>,
    },
    /// NAMESPACE (RFC 2342).
    Namespace {
        /// Of the user.
        personal: Namespaces<'i>,
        /// Of other users.
        others: Namespaces<'i>,
        /// Of all.
        shared: Namespaces<'i>,
    },
    /// ID (RFC 2971).
    Id(IdFields<'i>),
    /// Any other, or one that is not of its grammar, as it was written.
    Other(&'i [u8]),
}

/// A response code (RFC 3501 section 7.1, RFC 4315 section 3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ResponseCode<'i> {
    /// ALERT: the text must be shown to the user.
    Alert,
    /// CAPABILITY
    Capability(Words<'i>),
    /// PARSE
    Parse,
    /// PERMANENTFLAGS
    PermanentFlags(Flags<'i>),
    /// READ-ONLY
    ReadOnly,
    /// READ-WRITE
    ReadWrite,
    /// TRYCREATE
    TryCreate,
    /// UIDNEXT
    UidNext(u32),
    /// UIDVALIDITY
    UidValidity(u32),
    /// UNSEEN, a sequence number.
    Unseen(u32),
    /// UIDNOTSTICKY
    UidNotSticky,
    /// APPENDUID
    AppendUid {
        /// Of the mailbox.
        validity: u32,
        /// Of the message.
        uids: SequenceSet<'i>,
    },
    /// COPYUID
    CopyUid {
        /// Of the destination.
        validity: u32,
        /// UIDs here.
        from: SequenceSet<'i>,
        /// UIDs there, in the same order.
        to: SequenceSet<'i>,
    },
    /// Any other (RFC 5530 has many), or one that is not of its grammar.
    Other {
        /// Its name, of any case.
        name: &'i [u8],
        /// What follows it.
        value: &'i [u8],
    },
}

/// A STATUS response; what was not told is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct MailboxStatus<'i> {
    /// As on the wire: [`decode_mailbox`](super::decode_mailbox) it.
    pub mailbox: Astring<'i>,
    /// MESSAGES
    pub messages: Option<u32>,
    /// RECENT
    pub recent: Option<u32>,
    /// UIDNEXT
    pub uid_next: Option<u32>,
    /// UIDVALIDITY
    pub uid_validity: Option<u32>,
    /// UNSEEN
    pub unseen: Option<u32>,
}

/// Numbers parted by a space, checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Numbers<'i>(&'i [u8]);

/// Namespaces of one kind, checked; empty for NIL.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Namespaces<'i>(&'i [u8]);

impl<'i> Response<'i> {
    /// Of what follows `* `, without the line's end.
    pub(super) fn parse(line: &'i [u8]) -> Self {
        let read = match line.first() {
            Some(b'0'..=b'9') => Self::numbered(line),
            _ => Self::named(line),
        };
        read.unwrap_or(Self::Other(line))
    }

    /// `12 EXISTS`
    fn numbered(line: &'i [u8]) -> Option<Self> {
        let (digits, rest) = word(line);
        let number = number(digits)?;
        let (name, items) = word(rest);
        let is = |of: &[u8]| name.eq_ignore_ascii_case(of);
        Some(match name {
            _ if is(b"FETCH") => {
                let values = FetchValues::new(items.strip_prefix(b"(")?.strip_suffix(b")")?);
                Self::Fetch { message: Some(number).filter(|&number| number > 0)?, values }
            }
            _ if !items.is_empty() => return None,
            _ if is(b"EXISTS") => Self::Exists(number),
            _ if is(b"RECENT") => Self::Recent(number),
            _ if is(b"EXPUNGE") && number > 0 => Self::Expunge(number),
            _ => return None,
        })
    }

    fn named(line: &'i [u8]) -> Option<Self> {
        let (name, rest) = word(line);
        if let Some(status) = Status::parse(name) {
            let (code, text) = ResponseCode::split(rest);
            return Some(Self::Status { status, code, text });
        }
        let mut upper = [0; 10];
        let upper = upper.get_mut(..name.len())?;
        upper.copy_from_slice(name);
        upper.make_ascii_uppercase();
        let mut cursor = Cursor(rest);
        let c = &mut cursor;
        let response = match &*upper {
            b"BYE" => {
                let (code, text) = ResponseCode::split(rest);
                return Some(Self::Bye { code, text });
            }
            b"CAPABILITY" => return Some(Self::Capability(Words::said(rest))),
            b"ENABLED" => return Some(Self::Enabled(Words::said(rest))),
            b"SEARCH" => return Numbers::read(rest).map(Self::Search),
            b"LIST" => return Self::list(false, rest),
            b"LSUB" => return Self::list(true, rest),
            b"FLAGS" => Self::Flags(Flags::read_list(c)?),
            b"STATUS" => Self::Mailbox(MailboxStatus::read(c)?),
            b"NAMESPACE" => {
                let personal = Namespaces::read(c)?;
                c.sp()?;
                let others = Namespaces::read(c)?;
                c.sp()?;
                Self::Namespace { personal, others, shared: Namespaces::read(c)? }
            }
            b"ID" => Self::Id(IdFields::read(c)?),
            _ => return None,
        };
        cursor.end().map(|()| response)
    }

    fn list(subscribed: bool, rest: &'i [u8]) -> Option<Self> {
        let mut cursor = Cursor(rest);
        let attributes = Flags::read_list(&mut cursor)?;
        cursor.sp()?;
        let separator = separator(&mut cursor)?;
        cursor.sp()?;
        let mailbox = cursor.astring()?;
        // RFC 5258 section 6 has more behind the name; nobody was asked for it.
        matches!(cursor.peek(), None | Some(b' ')).then_some(Self::List { subscribed, attributes, separator, mailbox })
    }
}

impl Status {
    pub(super) fn parse(word: &[u8]) -> Option<Self> {
        Some(match word {
            _ if word.eq_ignore_ascii_case(b"OK") => Self::Ok,
            _ if word.eq_ignore_ascii_case(b"NO") => Self::No,
            _ if word.eq_ignore_ascii_case(b"BAD") => Self::Bad,
            _ => return None,
        })
    }
}

impl<'i> ResponseCode<'i> {
    /// `[code] text`
    pub(super) fn split(text: &'i [u8]) -> (Option<Self>, &'i [u8]) {
        let Some(inner) = text.strip_prefix(b"[") else { return (None, text) };
        let Some(end) = memchr::memchr(b']', inner) else { return (None, text) };
        let (code, rest) = (&inner[..end], &inner[end + 1..]);
        (Some(Self::parse(code)), rest.strip_prefix(b" ").unwrap_or(rest))
    }

    fn parse(code: &'i [u8]) -> Self {
        let (name, value) = word(code);
        Self::read(name, value).unwrap_or(Self::Other { name, value })
    }

    fn read(name: &[u8], value: &'i [u8]) -> Option<Self> {
        let is = |of: &[u8]| name.eq_ignore_ascii_case(of);
        let positive = || number(value).filter(|&number| number > 0);
        let code = match name {
            _ if is(b"CAPABILITY") => Self::Capability(Words::said(value)),
            _ if is(b"UIDNEXT") => Self::UidNext(positive()?),
            _ if is(b"UIDVALIDITY") => Self::UidValidity(positive()?),
            _ if is(b"UNSEEN") => Self::Unseen(positive()?),
            _ if is(b"PERMANENTFLAGS") => {
                let mut cursor = Cursor(value);
                let flags = Flags::read_list(&mut cursor)?;
                cursor.end().map(|()| Self::PermanentFlags(flags))?
            }
            _ if is(b"APPENDUID") => {
                let (validity, uids) = word(value);
                Self::AppendUid { validity: number(validity)?, uids: SequenceSet::parse(uids)? }
            }
            _ if is(b"COPYUID") => {
                let (validity, sets) = word(value);
                let (from, to) = word(sets);
                let (from, to) = (SequenceSet::parse(from)?, SequenceSet::parse(to)?);
                Self::CopyUid { validity: number(validity)?, from, to }
            }
            _ if !value.is_empty() => return None,
            _ if is(b"ALERT") => Self::Alert,
            _ if is(b"PARSE") => Self::Parse,
            _ if is(b"READ-ONLY") => Self::ReadOnly,
            _ if is(b"READ-WRITE") => Self::ReadWrite,
            _ if is(b"TRYCREATE") => Self::TryCreate,
            _ if is(b"UIDNOTSTICKY") => Self::UidNotSticky,
            _ => return None,
        };
        Some(code)
    }
}

impl<'i> MailboxStatus<'i> {
    fn read(cursor: &mut Cursor<'i>) -> Option<Self> {
        let mailbox = cursor.astring()?;
        let mut status =
            Self { mailbox, messages: None, recent: None, uid_next: None, uid_validity: None, unseen: None };
        cursor.sp()?;
        cursor.need(b'(')?;
        while !cursor.eat(b')') {
            cursor.eat(b' ');
            let name = cursor.atom()?;
            cursor.sp()?;
            let value = number(cursor.value()?);
            let is = |of: &[u8]| name.eq_ignore_ascii_case(of);
            match name {
                _ if is(b"MESSAGES") => status.messages = value,
                _ if is(b"RECENT") => status.recent = value,
                _ if is(b"UIDNEXT") => status.uid_next = value,
                _ if is(b"UIDVALIDITY") => status.uid_validity = value,
                _ if is(b"UNSEEN") => status.unseen = value,
                // What was not asked for is no mistake.
                _ => {}
            }
        }
        Some(status)
    }
}

impl<'i> Numbers<'i> {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = u32> + use<'i> {
        self.0.split(|&byte| byte == b' ').filter_map(number)
    }

    /// Some servers end the list with a space, which the grammar has not.
    fn read(rest: &'i [u8]) -> Option<Self> {
        let rest = rest.trim_ascii_end();
        (rest.is_empty() || rest.split(|&byte| byte == b' ').all(|word| number(word).is_some())).then_some(Self(rest))
    }
}

impl<'i> Namespaces<'i> {
    /// The prefix of each, and what stands between its levels.
    pub fn iter(&self) -> impl Iterator<Item = (Astring<'i>, Option<u8>)> + use<'i> {
        let mut cursor = Cursor(self.0);
        core::iter::from_fn(move || namespace(&mut cursor))
    }

    fn read(cursor: &mut Cursor<'i>) -> Option<Self> {
        if !cursor.eat(b'(') {
            return cursor.nil().map(|()| Self(b""));
        }
        let start = cursor.0;
        while !cursor.eat(b')') {
            namespace(cursor)?;
        }
        Some(Self(&start[..start.len() - cursor.0.len() - 1]))
    }
}

/// `("" "/")`, and extensions behind it.
fn namespace<'i>(cursor: &mut Cursor<'i>) -> Option<(Astring<'i>, Option<u8>)> {
    cursor.need(b'(')?;
    let prefix = cursor.string()?;
    cursor.sp()?;
    let separator = separator(cursor)?;
    while cursor.eat(b' ') {
        cursor.value()?;
    }
    cursor.need(b')')?;
    Some((prefix, separator))
}

/// One quoted octet, or NIL.
fn separator(cursor: &mut Cursor<'_>) -> Option<Option<u8>> {
    let (separator, rest) = match cursor.0 {
        [b'"', b'\\', byte @ (b'\\' | b'"'), b'"', rest @ ..] => (Some(*byte), rest),
        [b'"', byte, b'"', rest @ ..] if byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"') => {
            (Some(*byte), rest)
        }
        _ => return cursor.nil().map(|()| None),
    };
    cursor.0 = rest;
    Some(separator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn responses_are_told_apart() {
        assert_eq!(Response::parse(b"23 EXISTS"), Response::Exists(23));
        assert_eq!(Response::parse(b"0 recent"), Response::Recent(0));
        assert_eq!(Response::parse(b"44 Expunge"), Response::Expunge(44));
        let Response::Search(numbers) = Response::parse(b"SEARCH 2 84 882") else { panic!() };
        assert_eq!(numbers.iter().collect::<Vec<_>>(), [2, 84, 882]);
        let Response::Search(numbers) = Response::parse(b"SEARCH") else { panic!() };
        assert_eq!(numbers.iter().count(), 0);
        let Response::List { subscribed: true, separator: Some(b'.'), mailbox, .. } =
            Response::parse(b"LSUB () \".\" #news.comp")
        else {
            panic!()
        };
        assert!(mailbox.is(b"#news.comp"));
        let Response::Mailbox(status) = Response::parse(b"STATUS \"a b\" (MESSAGES 231 X (1) UIDNEXT 44292)") else {
            panic!()
        };
        assert_eq!((status.messages, status.uid_next, status.unseen), (Some(231), Some(44292), None));
        let Response::Namespace { personal, others, shared } =
            Response::parse(b"NAMESPACE ((\"\" \"/\")(\"#mh/\" \"\\\\\" \"X\" (\"a\"))) NIL ((\"p.\" NIL))")
        else {
            panic!()
        };
        let separators = |names: Namespaces<'_>| names.iter().map(|(_, separator)| separator).collect::<Vec<_>>();
        assert_eq!(separators(personal), [Some(b'/'), Some(b'\\')]);
        assert_eq!((separators(others), separators(shared)), (Vec::new(), alloc::vec![None]));
    }

    #[test]
    fn what_is_of_no_grammar_is_told_as_it_stands() {
        for line in [
            &b""[..],
            b"FLAGS",
            b"FLAGS (",
            b"4294967296 EXISTS",
            b"1 EXISTS 2",
            b"0 EXPUNGE",
            b"0 FETCH (UID 1)",
            b"1 FETCH UID 1",
            b"SEARCH 1 x",
            b"LIST () \"//\" a",
            b"LIST () \"\r\" a",
            b"STATUS a (MESSAGES)",
            b"NAMESPACE NIL NIL",
            b"XLIST () \"/\" a",
        ] {
            assert_eq!(Response::parse(line), Response::Other(line), "{line:?}");
        }
    }

    #[test]
    fn codes_are_split_from_the_text() {
        let status = |line| match Response::parse(line) {
            Response::Status { code, text, .. } => (code, text),
            other => panic!("{other:?}"),
        };
        assert_eq!(status(b"OK"), (None, &b""[..]));
        assert_eq!(status(b"OK [ALERT] look"), (Some(ResponseCode::Alert), &b"look"[..]));
        assert_eq!(status(b"ok [UNSEEN 12]"), (Some(ResponseCode::Unseen(12)), &b""[..]));
        assert_eq!(status(b"OK [UIDNEXT 0] x").0, Some(ResponseCode::Other { name: b"UIDNEXT", value: b"0" }));
        assert_eq!(status(b"NO [open"), (None, &b"[open"[..]));
        let (Some(ResponseCode::CopyUid { validity: 38505, from, to }), b"Done") =
            status(b"OK [COPYUID 38505 304,319:320 3956:3958] Done")
        else {
            panic!()
        };
        assert_eq!((from.as_bytes(), to.as_bytes()), (&b"304,319:320"[..], &b"3956:3958"[..]));
        let Some(ResponseCode::PermanentFlags(flags)) = status(b"OK [PERMANENTFLAGS (\\Deleted \\*)] x").0 else {
            panic!()
        };
        assert_eq!(flags.iter().count(), 2);
    }
}
