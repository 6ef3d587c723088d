//! What a server says, untagged (RFC 3501 section 7), written straight into the output.
//!
//! Nothing here changes a machine's state; what does is on [`Server`](super::Server).

use alloc::vec::Vec;

use super::command::StatusItems;
use super::cursor::{Quoting, is_astring_char, quoting};
use super::utf7::encode_mailbox;
use crate::text::{put, put_number, put_printable, put_text};

/// A response code (RFC 3501 section 7.1, RFC 4315, RFC 5530).
#[derive(Clone, Copy, Debug)]
pub enum Code<'a> {
    /// None.
    None,
    /// One without arguments: `TRYCREATE`, `READ-ONLY`, `AUTHENTICATIONFAILED`, ...
    Atom(&'static str),
    /// CAPABILITY: the machine fills in what it offers now.
    Capability,
    /// BADCHARSET with what there is.
    BadCharset(&'static str),
    /// UIDNEXT
    UidNext(u32),
    /// UIDVALIDITY
    UidValidity(u32),
    /// UNSEEN, a sequence number.
    Unseen(u32),
    /// PERMANENTFLAGS, as [`flags`] has them.
    PermanentFlags(&'a [&'a str]),
    /// APPENDUID
    AppendUid {
        /// Of the mailbox.
        validity: u32,
        /// Of the message.
        uid: u32,
    },
    /// COPYUID
    CopyUid {
        /// Of the destination.
        validity: u32,
        /// UIDs here, as a sequence set.
        from: &'a str,
        /// UIDs there, in the same order.
        to: &'a str,
    },
}

impl Code<'_> {
    /// Appends `[code] `; `capability` writes the list of capabilities.
    pub(super) fn write(&self, capability: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
        let number = |name: &[u8], number: u32, out: &mut Vec<u8>| {
            put(&[name], out);
            put_number(number.into(), out);
        };
        if matches!(self, Self::None) {
            return;
        }
        out.push(b'[');
        match *self {
            Self::None => {}
            Self::Atom(atom) => put(&[atom.as_bytes()], out),
            Self::Capability => {
                put(&[b"CAPABILITY"], out);
                capability(out);
            }
            Self::BadCharset(charsets) => put(&[b"BADCHARSET (", charsets.as_bytes(), b")"], out),
            Self::UidNext(uid) => number(b"UIDNEXT ", uid, out),
            Self::UidValidity(validity) => number(b"UIDVALIDITY ", validity, out),
            Self::Unseen(message) => number(b"UNSEEN ", message, out),
            Self::PermanentFlags(flags) => {
                put(&[b"PERMANENTFLAGS "], out);
                put_flags(flags, out);
            }
            Self::AppendUid { validity, uid } => {
                number(b"APPENDUID ", validity, out);
                number(b" ", uid, out);
            }
            Self::CopyUid { validity, from, to } => {
                number(b"COPYUID ", validity, out);
                for set in [from, to] {
                    out.push(b' ');
                    put_printable(set.as_bytes(), out);
                }
            }
        }
        put(&[b"] "], out);
    }
}

/// `* OK [code] text`
pub fn ok(code: Code<'_>, text: &str, out: &mut Vec<u8>) {
    debug_assert!(!matches!(code, Code::Capability), "only the machine knows its capabilities");
    put(&[b"* OK "], out);
    code.write(|_| {}, out);
    put_text(text, out);
    put(&[b"\r\n"], out);
}

/// `* 3 EXISTS`
pub fn exists(messages: u32, out: &mut Vec<u8>) {
    numbered(messages, b" EXISTS\r\n", out);
}

/// `* 3 RECENT`
pub fn recent(messages: u32, out: &mut Vec<u8>) {
    numbered(messages, b" RECENT\r\n", out);
}

/// `* 3 EXPUNGE`
pub fn expunge(message: u32, out: &mut Vec<u8>) {
    numbered(message, b" EXPUNGE\r\n", out);
}

/// `* FLAGS (\Seen work)`; each flag an atom, with its backslash if it is a system flag.
pub fn flags(flags: &[&str], out: &mut Vec<u8>) {
    put(&[b"* FLAGS "], out);
    put_flags(flags, out);
    put(&[b"\r\n"], out);
}

/// `* LIST (\HasNoChildren) "/" name`, or LSUB; the name in Unicode, one octet of separator
/// or NIL.
pub fn list(subscribed: bool, attributes: &[&str], separator: Option<u8>, name: &str, out: &mut Vec<u8>) {
    put(&[if subscribed { b"* LSUB " } else { b"* LIST " }], out);
    put_flags(attributes, out);
    match separator {
        Some(separator) => put(&[b" \"", &[separator], b"\" "], out),
        None => put(&[b" NIL "], out),
    }
    put_mailbox(name, out);
    put(&[b"\r\n"], out);
}

/// The numbers of a STATUS response.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct StatusNumbers {
    /// MESSAGES
    pub messages: u32,
    /// RECENT
    pub recent: u32,
    /// UIDNEXT
    pub uid_next: u32,
    /// UIDVALIDITY
    pub uid_validity: u32,
    /// UNSEEN
    pub unseen: u32,
}

/// `* STATUS name (MESSAGES 3)`
pub fn status(name: &str, items: StatusItems, numbers: &StatusNumbers, out: &mut Vec<u8>) {
    put(&[b"* STATUS "], out);
    put_mailbox(name, out);
    let mut before: &[u8] = b" (";
    for (asked, item, number) in [
        (items.messages, &b"MESSAGES "[..], numbers.messages),
        (items.recent, b"RECENT ", numbers.recent),
        (items.uid_next, b"UIDNEXT ", numbers.uid_next),
        (items.uid_validity, b"UIDVALIDITY ", numbers.uid_validity),
        (items.unseen, b"UNSEEN ", numbers.unseen),
    ] {
        if asked {
            put(&[before, item], out);
            put_number(number.into(), out);
            before = b" ";
        }
    }
    put(&[b")\r\n"], out);
}

/// `* SEARCH 2 84 882`; also without any number.
pub fn search(numbers: impl IntoIterator<Item = u32>, out: &mut Vec<u8>) {
    put(&[b"* SEARCH"], out);
    for number in numbers {
        out.push(b' ');
        put_number(number.into(), out);
    }
    put(&[b"\r\n"], out);
}

/// `* NAMESPACE (("" "/")) NIL NIL`: one personal namespace, nothing shared (RFC 2342).
pub fn namespace(separator: u8, out: &mut Vec<u8>) {
    put(&[b"* NAMESPACE ((\"\" \"", &[separator], b"\")) NIL NIL\r\n"], out);
}

/// `* ENABLED`, and what was (RFC 5161).
pub fn enabled(capabilities: &[&str], out: &mut Vec<u8>) {
    put(&[b"* ENABLED"], out);
    for capability in capabilities {
        out.push(b' ');
        put_printable(capability.as_bytes(), out);
    }
    put(&[b"\r\n"], out);
}

/// `* ID ("name" "Postkern")` (RFC 2971).
pub fn id(fields: &[(&str, &str)], out: &mut Vec<u8>) {
    put(&[b"* ID ("], out);
    for (index, (field, value)) in fields.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        put_string(field.as_bytes(), out);
        out.push(b' ');
        put_string(value.as_bytes(), out);
    }
    put(&[b")\r\n"], out);
}

/// A FETCH response being written (RFC 3501 section 7.4.2). Spent by [`end`](Self::end).
///
/// Its literals are streamed: say how long one is, then give its octets piece by piece, over
/// as many moves of the application as it takes.
#[must_use = "the response is not ended until this is spent"]
#[derive(Debug)]
pub struct Fetch {
    first: bool,
    /// Octets that the open literal still lacks.
    left: u64,
}

impl Fetch {
    /// `* 12 FETCH (`
    pub fn begin(message: u32, out: &mut Vec<u8>) -> Self {
        put(&[b"* "], out);
        put_number(message.into(), out);
        put(&[b" FETCH ("], out);
        Self { first: true, left: 0 }
    }

    /// An item's name and its value, which is of the grammar already (ENVELOPE,
    /// BODYSTRUCTURE).
    pub fn raw(&mut self, name: &str, value: &[u8], out: &mut Vec<u8>) {
        self.name(name, out);
        put(&[b" ", value], out);
    }

    /// `UID 4` and its like.
    pub fn number(&mut self, name: &str, number: u64, out: &mut Vec<u8>) {
        self.name(name, out);
        out.push(b' ');
        put_number(number, out);
    }

    /// `FLAGS (\Seen)`
    pub fn flags(&mut self, flags: &[&str], out: &mut Vec<u8>) {
        self.name("FLAGS", out);
        out.push(b' ');
        put_flags(flags, out);
    }

    /// `INTERNALDATE "17-Jul-1996 02:44:25 -0700"`
    pub fn internal_date(&mut self, date: super::DateTime, out: &mut Vec<u8>) {
        self.name("INTERNALDATE", out);
        out.push(b' ');
        date.write(out);
    }

    /// `BODY[1.TEXT]<0> ` without its value; `from` is the first octet of a partial.
    pub fn section(&mut self, section: &super::Section<'_>, from: Option<u32>, out: &mut Vec<u8>) {
        self.name("BODY[", out);
        section.write(out);
        out.push(b']');
        if let Some(from) = from {
            out.push(b'<');
            put_number(from.into(), out);
            out.push(b'>');
        }
        out.push(b' ');
    }

    /// An item's name before a literal or NIL: `RFC822.TEXT `.
    pub fn named(&mut self, name: &str, out: &mut Vec<u8>) {
        self.name(name, out);
        out.push(b' ');
    }

    /// NIL, for a section that is not there.
    pub fn nil(&mut self, out: &mut Vec<u8>) {
        put(&[b"NIL"], out);
    }

    /// Opens a literal of so many octets.
    pub fn literal(&mut self, octets: u64, out: &mut Vec<u8>) {
        debug_assert_eq!(self.left, 0, "octets of a literal are missing");
        out.push(b'{');
        put_number(octets, out);
        put(&[b"}\r\n"], out);
        self.left = octets;
    }

    /// Octets of the open literal; tells how many it still lacks. More than it lacks are not
    /// written.
    pub fn octets(&mut self, piece: &[u8], out: &mut Vec<u8>) -> u64 {
        debug_assert!(piece.len() as u64 <= self.left, "more octets than the literal has");
        let len = self.left.min(piece.len() as u64);
        out.extend_from_slice(&piece[..len as usize]);
        self.left -= len;
        self.left
    }

    /// Octets that the open literal still lacks.
    pub fn lacks(&self) -> u64 {
        self.left
    }

    /// `)`
    pub fn end(self, out: &mut Vec<u8>) {
        debug_assert_eq!(self.left, 0, "octets of a literal are missing");
        put(&[b")\r\n"], out);
    }

    fn name(&mut self, name: &str, out: &mut Vec<u8>) {
        debug_assert_eq!(self.left, 0, "octets of a literal are missing");
        if !core::mem::take(&mut self.first) {
            out.push(b' ');
        }
        put(&[name.as_bytes()], out);
    }
}

/// Appends a quoted string, or a literal where octets cannot be quoted.
pub fn put_string(octets: &[u8], out: &mut Vec<u8>) {
    // Long strings are read faster, and by more clients, as literals.
    let quoting = if octets.len() > 1000 { Quoting::Never } else { quoting(octets) };
    match quoting {
        Quoting::Plain => put(&[b"\"", octets, b"\""], out),
        Quoting::Escaped => {
            out.push(b'"');
            for &byte in octets {
                if matches!(byte, b'"' | b'\\') {
                    out.push(b'\\');
                }
                out.push(byte);
            }
            out.push(b'"');
        }
        Quoting::Never => {
            out.push(b'{');
            put_number(octets.len() as u64, out);
            put(&[b"}\r\n", octets], out);
        }
    }
}

/// Appends a string, or NIL.
pub fn put_nstring(octets: Option<&[u8]>, out: &mut Vec<u8>) {
    match octets {
        Some(octets) => put_string(octets, out),
        None => put(&[b"NIL"], out),
    }
}

/// Appends an atom where it can be one, else a string. NIL is quoted.
pub fn put_astring(octets: &[u8], out: &mut Vec<u8>) {
    let atom = !octets.is_empty() && octets.iter().all(|&byte| is_astring_char(byte));
    match atom && !octets.eq_ignore_ascii_case(b"NIL") {
        true => put(&[octets], out),
        false => put_string(octets, out),
    }
}

/// Appends a mailbox name, given in Unicode, in modified UTF-7.
pub fn put_mailbox(name: &str, out: &mut Vec<u8>) {
    let mut encoded = Vec::with_capacity(name.len());
    encode_mailbox(name, &mut encoded);
    put_astring(&encoded, out);
}

fn put_flags(flags: &[&str], out: &mut Vec<u8>) {
    let mut before = b'(';
    for flag in flags {
        debug_assert!(
            flag.bytes().all(|byte| byte == b'\\' || byte == b'*' || is_astring_char(byte)),
            "{flag} is no flag"
        );
        out.push(before);
        // What a store gives back was an atom once; a line it must never become.
        put_printable(flag.as_bytes(), out);
        before = b' ';
    }
    if before == b'(' {
        out.push(b'(');
    }
    out.push(b')');
}

fn numbered(number: u32, word: &[u8], out: &mut Vec<u8>) {
    put(&[b"* "], out);
    put_number(number.into(), out);
    put(&[word], out);
}
