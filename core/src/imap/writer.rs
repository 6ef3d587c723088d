//! Writes a client's commands (RFC 3501 section 9).
//!
//! No argument can end a line or begin another: CR, LF and NUL are refused everywhere, and
//! each string is written as an atom, quoted, or as a literal, whatever it takes.

use alloc::vec::Vec;

use super::command::{StatusItems, StoreAction};
use super::cursor::{Astring, is_astring_char, is_atom_char};
use super::date::DateTime;
use super::flags::Flag;
use super::request::Request;
use super::search::{SearchKey, SearchToken, are_whole};
use super::sequence::SequenceSet;
use super::utf7::encode_mailbox;
use crate::text::{is_base64, put, put_number};

/// Writes commands.
pub(super) struct Writer<'o> {
    pub(super) out: &'o mut Vec<u8>,
    /// Short literals need not be asked for (RFC 7888).
    pub(super) unasked: bool,
}

/// Octets of a literal that is said unasked: LITERAL- allows as many (RFC 7888 section 5).
/// Past them an answer is worth waiting for, as a refusal spares the octets.
const UNASKED_MAX: usize = 4096;
/// Octets of a string that is quoted. Longer ones are literals.
const QUOTED_MAX: usize = 1000;
/// RFC 2971 section 3.3.
const ID_FIELDS: usize = 30;

impl Writer<'_> {
    /// Appends what follows the tag, but for the line end and an initial response; none if
    /// an argument does not fit.
    pub(super) fn request(&mut self, request: Request<'_>) -> Option<()> {
        match request {
            Request::Capability => self.raw("CAPABILITY"),
            Request::Noop => self.raw("NOOP"),
            Request::Logout => self.raw("LOGOUT"),
            Request::Id(fields) => return self.id(fields),
            Request::StartTls => self.raw("STARTTLS"),
            Request::Authenticate { mechanism, initial } => {
                self.word("AUTHENTICATE ", mechanism)?;
                return initial.is_none_or(is_base64).then_some(());
            }
            Request::Login { user, password } => {
                self.astring("LOGIN ", user)?;
                return self.astring(" ", password);
            }
            Request::Enable(names) => {
                self.raw("ENABLE");
                (!names.is_empty()).then_some(())?;
                return names.iter().try_for_each(|name| self.word(" ", name));
            }
            Request::Select(mailbox) => return self.mailbox("SELECT ", mailbox),
            Request::Examine(mailbox) => return self.mailbox("EXAMINE ", mailbox),
            Request::Create(mailbox) => return self.mailbox("CREATE ", mailbox),
            Request::Delete(mailbox) => return self.mailbox("DELETE ", mailbox),
            Request::Rename { from, to } => {
                self.mailbox("RENAME ", from)?;
                return self.mailbox(" ", to);
            }
            Request::Subscribe(mailbox) => return self.mailbox("SUBSCRIBE ", mailbox),
            Request::Unsubscribe(mailbox) => return self.mailbox("UNSUBSCRIBE ", mailbox),
            Request::List { reference, pattern, subscribed } => {
                self.mailbox(if subscribed { "LSUB " } else { "LIST " }, reference)?;
                return self.mailbox(" ", pattern);
            }
            Request::Namespace => self.raw("NAMESPACE"),
            Request::Status { mailbox, items } => return self.status(mailbox, items),
            Request::Append { mailbox, flags, date, octets } => return self.append(mailbox, flags, date, octets),
            Request::Idle => self.raw("IDLE"),
            Request::Check => self.raw("CHECK"),
            Request::Close => self.raw("CLOSE"),
            Request::Unselect => self.raw("UNSELECT"),
            Request::Expunge(None) => self.raw("EXPUNGE"),
            Request::Expunge(Some(set)) => self.with_set(true, "EXPUNGE ", set),
            Request::Search { uid, keys } => return self.search(uid, keys),
            Request::Fetch { uid, set, items } => {
                self.with_set(uid, "FETCH ", set);
                // A field's name may be a literal there: it is of the peer's kind.
                memchr::memchr(b'\r', items.as_bytes()).is_none().then_some(())?;
                put(&[b" ", items.as_bytes()], self.out);
            }
            Request::Store { uid, set, action, silent, flags } => {
                self.with_set(uid, "STORE ", set);
                self.raw(match action {
                    StoreAction::Replace => " ",
                    StoreAction::Add => " +",
                    StoreAction::Remove => " -",
                });
                self.raw(if silent { "FLAGS.SILENT " } else { "FLAGS " });
                return self.flags(flags);
            }
            Request::Copy { uid, set, mailbox, remove } => {
                self.with_set(uid, if remove { "MOVE " } else { "COPY " }, set);
                return self.mailbox(" ", mailbox);
            }
        }
        Some(())
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn with_set(&mut self, uid: bool, verb: &str, set: SequenceSet<'_>) {
        self.raw(if uid { "UID " } else { "" });
        self.raw(verb);
        put(&[set.as_bytes()], self.out);
    }

    /// An atom.
    fn word(&mut self, before: &str, word: &str) -> Option<()> {
        (!word.is_empty() && word.bytes().all(is_atom_char)).then_some(())?;
        put(&[before.as_bytes(), word.as_bytes()], self.out);
        Some(())
    }

    /// An atom where it can be one, else a string. NIL is quoted.
    fn astring(&mut self, before: &str, text: &str) -> Option<()> {
        self.raw(before);
        let atom = !text.is_empty() && text.bytes().all(is_astring_char) && !text.eq_ignore_ascii_case("NIL");
        if atom && text.len() <= QUOTED_MAX {
            self.raw(text);
            return Some(());
        }
        self.string(text)
    }

    fn string(&mut self, text: &str) -> Option<()> {
        memchr::memchr3(b'\r', b'\n', 0, text.as_bytes()).is_none().then_some(())?;
        if text.len() > QUOTED_MAX || !text.is_ascii() {
            return self.literal(text);
        }
        self.out.push(b'"');
        for byte in text.bytes() {
            if matches!(byte, b'"' | b'\\') {
                self.out.push(b'\\');
            }
            self.out.push(byte);
        }
        self.out.push(b'"');
        Some(())
    }

    fn literal(&mut self, text: &str) -> Option<()> {
        self.announce(u32::try_from(text.len()).ok()?);
        self.raw("\r\n");
        self.raw(text);
        Some(())
    }

    /// `{5}` or `{5+}`
    fn announce(&mut self, octets: u32) {
        self.out.push(b'{');
        put_number(octets.into(), self.out);
        let unasked = self.unasked && octets as usize <= UNASKED_MAX;
        self.raw(if unasked { "+}" } else { "}" });
    }

    /// A name or a pattern, in modified UTF-7. No mailbox has control characters.
    fn mailbox(&mut self, before: &str, name: &str) -> Option<()> {
        (!name.chars().any(char::is_control)).then_some(())?;
        let mut encoded = Vec::with_capacity(name.len());
        encode_mailbox(name, &mut encoded);
        self.astring(before, core::str::from_utf8(&encoded).ok()?)
    }

    fn flags(&mut self, flags: &[Flag<'_>]) -> Option<()> {
        let mut before = "(";
        for flag in flags {
            match *flag {
                Flag::Answered => put(&[before.as_bytes(), b"\\Answered"], self.out),
                Flag::Flagged => put(&[before.as_bytes(), b"\\Flagged"], self.out),
                Flag::Deleted => put(&[before.as_bytes(), b"\\Deleted"], self.out),
                Flag::Seen => put(&[before.as_bytes(), b"\\Seen"], self.out),
                Flag::Draft => put(&[before.as_bytes(), b"\\Draft"], self.out),
                Flag::Keyword(name) => self.word(before, name)?,
                Flag::Extension(name) => {
                    self.raw(before);
                    self.word("\\", name)?;
                }
                // RFC 3501 section 2.3.2: not for clients to set.
                Flag::Recent | Flag::Any => return None,
            }
            before = " ";
        }
        self.raw(if flags.is_empty() { "()" } else { ")" });
        Some(())
    }

    fn id(&mut self, fields: &[(&str, Option<&str>)]) -> Option<()> {
        (fields.len() <= ID_FIELDS).then_some(())?;
        if fields.is_empty() {
            self.raw("ID NIL");
            return Some(());
        }
        let mut before = "ID (";
        for (field, value) in fields {
            self.raw(before);
            self.string(field)?;
            self.raw(" ");
            match value {
                Some(value) => self.string(value)?,
                None => self.raw("NIL"),
            }
            before = " ";
        }
        self.raw(")");
        Some(())
    }

    fn status(&mut self, mailbox: &str, items: StatusItems) -> Option<()> {
        self.mailbox("STATUS ", mailbox)?;
        let mut before = " (";
        for (asked, name) in [
            (items.messages, "MESSAGES"),
            (items.recent, "RECENT"),
            (items.uid_next, "UIDNEXT"),
            (items.uid_validity, "UIDVALIDITY"),
            (items.unseen, "UNSEEN"),
        ] {
            if asked {
                put(&[before.as_bytes(), name.as_bytes()], self.out);
                before = " ";
            }
        }
        self.raw(")");
        (items != StatusItems::default()).then_some(())
    }

    fn append(&mut self, mailbox: &str, flags: &[Flag<'_>], date: Option<DateTime>, octets: u32) -> Option<()> {
        self.mailbox("APPEND ", mailbox)?;
        self.raw(" ");
        if !flags.is_empty() {
            self.flags(flags)?;
            self.raw(" ");
        }
        if let Some(date) = date {
            date.write(self.out);
            self.raw(" ");
        }
        self.announce(octets);
        Some(())
    }

    fn search(&mut self, uid: bool, keys: &[SearchToken<'_>]) -> Option<()> {
        are_whole(keys).then_some(())?;
        self.raw(if uid { "UID SEARCH" } else { "SEARCH" });
        if keys.iter().any(|key| strings(key).into_iter().flatten().any(|string| !string.bytes().is_ascii())) {
            self.raw(" CHARSET UTF-8");
        }
        let mut before = " ";
        for token in keys {
            let close = *token == SearchToken::Close;
            self.raw(if close { "" } else { before });
            before = if *token == SearchToken::Open { "" } else { " " };
            match token {
                SearchToken::Open => self.raw("("),
                SearchToken::Close => self.raw(")"),
                SearchToken::Not => self.raw("NOT"),
                SearchToken::Or => self.raw("OR"),
                SearchToken::Key(key) => self.key(key)?,
            }
        }
        Some(())
    }

    fn key(&mut self, key: &SearchKey<'_>) -> Option<()> {
        self.raw(key.name());
        match key {
            SearchKey::Sequence(set) => put(&[set.as_bytes()], self.out),
            SearchKey::Keyword(word) | SearchKey::Unkeyword(word) => return self.word(" ", word),
            SearchKey::Before(date)
            | SearchKey::On(date)
            | SearchKey::Since(date)
            | SearchKey::SentBefore(date)
            | SearchKey::SentOn(date)
            | SearchKey::SentSince(date) => {
                self.raw(" ");
                date.write(self.out);
            }
            SearchKey::Larger(octets) | SearchKey::Smaller(octets) => {
                self.raw(" ");
                put_number((*octets).into(), self.out);
            }
            SearchKey::Uid(set) => put(&[b" ", set.as_bytes()], self.out),
            _ => {
                for string in strings(&SearchToken::Key(*key)).into_iter().flatten() {
                    self.astring(" ", core::str::from_utf8(&string.bytes()).ok()?)?;
                }
            }
        }
        Some(())
    }
}

/// The strings of a key, in order.
fn strings<'i>(token: &SearchToken<'i>) -> [Option<Astring<'i>>; 2] {
    match token {
        SearchToken::Key(
            SearchKey::Bcc(text)
            | SearchKey::Body(text)
            | SearchKey::Cc(text)
            | SearchKey::From(text)
            | SearchKey::Subject(text)
            | SearchKey::Text(text)
            | SearchKey::To(text),
        ) => [Some(*text), None],
        SearchToken::Key(SearchKey::Header(field, text)) => [Some(*field), Some(*text)],
        _ => [None, None],
    }
}
