//! SEARCH (RFC 3501 section 6.4.4): a program, and its judgement of a message.
//!
//! A search is compiled once and then run over many messages: sequence numbers have become
//! UIDs, keywords bits, strings are folded. The program is a list of steps, each a key and
//! where to go on if it holds and if it does not, always forwards: running it takes no stack
//! and no more time than it has keys. What is cheap to know is asked first.
//!
//! # What matches
//! - Strings match as substrings, without regard to case in all of Unicode (character by
//!   character, without normalization), in text decoded from its charset.
//! - BCC, CC, FROM, SUBJECT, TO and HEADER look into the message's own fields of that name,
//!   unfolded, encoded words decoded (RFC 2047), the text of addresses as it is written. An
//!   empty string asks that the field is there.
//! - BODY looks into the text of all parts of type text and message, attached messages
//!   included, transfer encoding undone, and into multiparts that cannot be taken apart as
//!   they stand. HTML is searched as its source. TEXT looks there and into the headers of the
//!   message, of its parts and of the messages in it. Parameters of RFC 2231 are not decoded.
//!   [`TEXT_MAX`] octets of a message are looked into.
//! - SENTBEFORE, SENTON and SENTSINCE compare the day that the Date field names, whatever its
//!   zone; without a day none of them matches. BEFORE, ON and SINCE compare the day of the
//!   internal date in UTC.
//! - Sequence numbers past the mailbox match nothing. RFC 3501 section 9 would let us answer
//!   BAD; but a client that has not yet been told of an EXPUNGE may name them.
//! - A keyword that the mailbox does not have matches nothing.

mod compile;
mod date;
mod decode;
mod text;

use std::fmt;

use postkern::imap::SearchKeys;

use crate::mailbox::{Flags, Meta, UidSet};
use text::Text;

/// Strings of one SEARCH: each is looked for in all of the text.
pub const STRINGS_MAX: usize = 256;
/// Octets of text of one message that are looked into, as they stand before decoding.
pub const TEXT_MAX: usize = 16 * 1024 * 1024;

/// A search, compiled: sequence numbers are UIDs, keywords are bits, strings are folded.
///
/// The default matches every message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// Each goes on at one with a lower index, or ends.
    steps: Vec<Step>,
    start: Target,
}

/// What is known without reading the message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It matches.
    Yes,
    /// It does not.
    No,
    /// Its text must be read: [`Program::matches`].
    NeedsText,
}

/// What of a message a program must read at most.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Needs {
    /// Nothing: [`Program::judge`] never says [`Verdict::NeedsText`].
    #[default]
    Nothing,
    /// Its header; more does no harm.
    Header,
    /// All of it.
    Message,
}

/// Of what the keys of a SEARCH speak.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// UIDs by sequence number, as the session knows them: ascending.
    pub uids: &'a [u32],
    /// UIDs from here on are \Recent in the session.
    pub recent_from: u32,
    /// The mailbox's keywords, by the index of their bits.
    pub keywords: &'a [String],
    /// CHARSET of the strings; US-ASCII if the client did not say.
    pub charset: Option<&'a [u8]>,
}

/// Why a search cannot be run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The charset is not one of [`CHARSETS`]: NO with BADCHARSET.
    Charset,
    /// A string is not of the charset: BAD.
    Text,
    /// More than [`STRINGS_MAX`] strings: NO.
    Strings,
}

/// Charsets of a search's strings, as BADCHARSET lists them.
pub const CHARSETS: &str = "US-ASCII UTF-8";

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Charset => "unknown charset",
            Self::Text => "a string is not of its charset",
            Self::Strings => "too many strings to search for",
        })
    }
}

impl std::error::Error for Error {}

/// Compiles the keys of a SEARCH.
///
/// # Errors
/// What to tell the client.
pub fn compile(keys: SearchKeys<'_>, context: &Context<'_>) -> Result<Program, Error> {
    compile::compile(keys, context)
}

impl Program {
    /// Judges by what is known without reading. `Yes` and `No` are final.
    pub fn judge(&self, meta: &Meta) -> Verdict {
        let mut at = self.start;
        loop {
            match at {
                Target::Yes => return Verdict::Yes,
                Target::No => return Verdict::No,
                Target::Step(index) => match self.steps[index as usize].key.judge(meta) {
                    Some(holds) => at = self.steps[index as usize].target(holds),
                    None => return self.judge_both_ways(index as usize, meta),
                },
            }
        }
    }

    /// Judges with the message at hand, or with its header if [`needs`](Self::needs) says that
    /// it does.
    pub fn matches(&self, meta: &Meta, message: &[u8]) -> bool {
        let mut text = Text::new(message);
        let mut at = self.start;
        loop {
            match at {
                Target::Yes => return true,
                Target::No => return false,
                Target::Step(index) => {
                    let step = &self.steps[index as usize];
                    at = step.target(step.key.judge(meta).unwrap_or_else(|| step.key.matches(&mut text)));
                }
            }
        }
    }

    /// What of a message must be read where [`judge`](Self::judge) does not know.
    pub fn needs(&self) -> Needs {
        self.steps.iter().map(|step| step.key.needs()).max().unwrap_or_default()
    }

    /// Goes on from a step whose key is not known, as if it held and as if it did not: where
    /// both come to the same end, it need not be known.
    fn judge_both_ways(&self, from: usize, meta: &Meta) -> Verdict {
        let mut reached = vec![false; from + 1];
        reached[from] = true;
        let (mut yes, mut no) = (false, false);
        for index in (0..=from).rev() {
            if !reached[index] {
                continue;
            }
            let step = &self.steps[index];
            let known = step.key.judge(meta);
            for holds in [true, false] {
                if known.is_some_and(|known| known != holds) {
                    continue;
                }
                match step.target(holds) {
                    Target::Yes => yes = true,
                    Target::No => no = true,
                    Target::Step(next) => reached[next as usize] = true,
                }
            }
        }
        match (yes, no) {
            (true, false) => Verdict::Yes,
            (false, _) => Verdict::No,
            (true, true) => Verdict::NeedsText,
        }
    }
}

/// A key, and where to go on.
#[derive(Clone, Debug, PartialEq)]
struct Step {
    key: Key,
    yes: Target,
    no: Target,
}

impl Step {
    fn target(&self, holds: bool) -> Target {
        if holds { self.yes } else { self.no }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Target {
    /// The message matches.
    #[default]
    Yes,
    /// It does not.
    No,
    /// Another key decides.
    Step(u32),
}

/// A key that stands for nothing but itself.
#[derive(Clone, Debug, PartialEq)]
enum Key {
    /// ALL, or a keyword that is not there.
    Always(bool),
    /// Any of these is set.
    Flags(Flags),
    /// \Recent: from this UID on.
    Recent(u32),
    Uids(UidSet),
    Larger(u64),
    Smaller(u64),
    /// Internal date, in days since 1970-01-01.
    Received(Order, i64),
    /// Date field, likewise.
    Sent(Order, i64),
    /// A field's name in lower case, and what it holds.
    Header(Vec<u8>, String),
    Body(String),
    Text(String),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Before,
    On,
    Since,
}

impl Order {
    fn holds(self, is: i64, than: i64) -> bool {
        match self {
            Self::Before => is < than,
            Self::On => is == than,
            Self::Since => is >= than,
        }
    }
}

impl Key {
    fn needs(&self) -> Needs {
        match self {
            Self::Always(_) | Self::Flags(_) | Self::Recent(_) | Self::Uids(_) => Needs::Nothing,
            Self::Larger(_) | Self::Smaller(_) | Self::Received(..) => Needs::Nothing,
            Self::Sent(..) | Self::Header(..) => Needs::Header,
            Self::Body(_) | Self::Text(_) => Needs::Message,
        }
    }

    /// Whether it holds, as far as that is known without reading.
    fn judge(&self, meta: &Meta) -> Option<bool> {
        Some(match self {
            Self::Always(always) => *always,
            Self::Flags(flags) => meta.flags.0 & flags.0 != 0,
            Self::Recent(from) => meta.uid >= *from,
            Self::Uids(uids) => uids.contains(meta.uid),
            Self::Larger(size) => meta.size > *size,
            Self::Smaller(size) => meta.size < *size,
            Self::Received(order, day) => order.holds(meta.internal_date.0.div_euclid(86_400), *day),
            Self::Sent(..) | Self::Header(..) | Self::Body(_) | Self::Text(_) => return None,
        })
    }

    /// Whether the text has it; for keys that [`judge`](Self::judge) does not know.
    fn matches(&self, text: &mut Text<'_>) -> bool {
        match self {
            Self::Sent(order, day) => text.sent_day().is_some_and(|sent| order.holds(sent, *day)),
            Self::Header(name, holds) => text.field_holds(name, holds),
            Self::Body(holds) => text.body_holds(holds),
            Self::Text(holds) => text.headers_hold(holds) || text.body_holds(holds),
            Self::Always(_) | Self::Flags(_) | Self::Recent(_) | Self::Uids(_) => false,
            Self::Larger(_) | Self::Smaller(_) | Self::Received(..) => false,
        }
    }
}
