//! Commands as views (RFC 3501 section 6): the grammar is checked once, nothing is copied,
//! and lists are walked anew each time they are iterated.

use super::cursor::{Astring, Cursor};
use super::date::DateTime;
use super::fetch::FetchItems;
use super::flags::Flags;
use super::search::SearchKeys;
use super::sequence::SequenceSet;

/// A command's tag, kept to be echoed.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Tag {
    len: u8,
    bytes: [u8; Self::MAX],
}

impl Tag {
    /// Longer tags are refused.
    pub const MAX: usize = 31;
    /// Stands for the greeting, which shows none.
    pub(super) const GREETING: Self = Self { len: 0, bytes: [0; Self::MAX] };

    /// Checks a tag (RFC 3501 section 9: ASTRING-CHARs but `+`).
    pub fn new(tag: &[u8]) -> Option<Self> {
        let fits = |byte: &u8| super::cursor::is_astring_char(*byte) && *byte != b'+';
        if tag.is_empty() || !tag.iter().all(fits) {
            return None;
        }
        let mut bytes = [0; Self::MAX];
        bytes.get_mut(..tag.len())?.copy_from_slice(tag);
        Some(Self { len: tag.len() as u8, bytes })
    }

    /// The tag of our own command of this number: `A1`.
    pub(super) fn numbered(number: u32) -> Self {
        let mut tag = Self { len: 1, bytes: [0; Self::MAX] };
        tag.bytes[0] = b'A';
        let digits = 1 + number.checked_ilog10().unwrap_or(0) as usize;
        let mut rest = number;
        for byte in tag.bytes[1..=digits].iter_mut().rev() {
            *byte = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        tag.len += digits as u8;
        tag
    }

    /// The number in such a tag.
    pub(super) fn number(tag: &[u8]) -> Option<u32> {
        crate::text::number(tag.strip_prefix(b"A")?)
    }

    /// The tag, as sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len.into()]
    }
}

impl core::fmt::Debug for Tag {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(core::str::from_utf8(self.as_bytes()).unwrap_or("?"))
    }
}

/// A command that concerns the application. Mailbox names are as on the wire:
/// [`decode_mailbox`](super::decode_mailbox) them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Command<'i> {
    /// CAPABILITY: answer with `Server::capability`.
    Capability,
    /// NOOP
    Noop,
    /// LOGOUT: finishing it says BYE too.
    Logout,
    /// ID (RFC 2971).
    Id(IdFields<'i>),
    /// STARTTLS: OK has the layer follow.
    StartTls,
    /// LOGIN
    Login {
        /// Who.
        user: Astring<'i>,
        /// Proves it.
        password: Astring<'i>,
    },
    /// ENABLE (RFC 5161).
    Enable(Words<'i>),
    /// SELECT, EXAMINE
    Select {
        /// Which.
        mailbox: Astring<'i>,
        /// EXAMINE.
        read_only: bool,
    },
    /// CREATE
    Create(Astring<'i>),
    /// DELETE
    Delete(Astring<'i>),
    /// RENAME
    Rename {
        /// From.
        from: Astring<'i>,
        /// To.
        to: Astring<'i>,
    },
    /// SUBSCRIBE
    Subscribe(Astring<'i>),
    /// UNSUBSCRIBE
    Unsubscribe(Astring<'i>),
    /// LIST, LSUB
    List {
        /// The name before the pattern.
        reference: Astring<'i>,
        /// With `%` and `*`.
        pattern: Astring<'i>,
        /// LSUB.
        subscribed: bool,
    },
    /// NAMESPACE (RFC 2342).
    Namespace,
    /// STATUS
    Status {
        /// Which.
        mailbox: Astring<'i>,
        /// What to tell of it.
        items: StatusItems,
    },
    /// CHECK
    Check,
    /// CLOSE: OK leaves the mailbox.
    Close,
    /// UNSELECT (RFC 3691): OK leaves the mailbox.
    Unselect,
    /// EXPUNGE, or UID EXPUNGE (RFC 4315) of some.
    Expunge(Option<SequenceSet<'i>>),
    /// SEARCH, UID SEARCH
    Search {
        /// Answer with UIDs.
        uid: bool,
        /// What the strings are in.
        charset: Option<Astring<'i>>,
        /// What for.
        keys: SearchKeys<'i>,
    },
    /// FETCH, UID FETCH
    Fetch {
        /// The set is of UIDs.
        uid: bool,
        /// Which messages.
        set: SequenceSet<'i>,
        /// What of them.
        items: FetchItems<'i>,
    },
    /// STORE, UID STORE
    Store {
        /// The set is of UIDs.
        uid: bool,
        /// Which messages.
        set: SequenceSet<'i>,
        /// FLAGS, +FLAGS or -FLAGS.
        action: StoreAction,
        /// .SILENT
        silent: bool,
        /// The flags.
        flags: Flags<'i>,
    },
    /// COPY, UID COPY, MOVE, UID MOVE (RFC 6851)
    Copy {
        /// The set is of UIDs.
        uid: bool,
        /// Which messages.
        set: SequenceSet<'i>,
        /// To.
        mailbox: Astring<'i>,
        /// MOVE.
        remove: bool,
    },
    /// IDLE (RFC 2177): `Server::idle` lets it begin.
    Idle,
}

/// What STORE does with the flags.
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StoreAction {
    /// FLAGS
    Replace,
    /// +FLAGS
    Add,
    /// -FLAGS
    Remove,
}

/// What STATUS asks for.
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct StatusItems {
    /// MESSAGES
    pub messages: bool,
    /// RECENT
    pub recent: bool,
    /// UIDNEXT
    pub uid_next: bool,
    /// UIDVALIDITY
    pub uid_validity: bool,
    /// UNSEEN
    pub unseen: bool,
}

/// Atoms, parted by a space.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Words<'i>(&'i [u8]);

impl<'i> Words<'i> {
    /// What a server names: any words but spaces and controls.
    pub(super) fn said(words: &'i [u8]) -> Self {
        Self(words.trim_ascii())
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &'i str> + use<'i> {
        let words = self.0.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
        words.filter_map(|word| core::str::from_utf8(word).ok())
    }
}

/// What ID tells; empty for NIL.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IdFields<'i>(&'i [u8]);

impl<'i> IdFields<'i> {
    /// Each field and its value.
    pub fn iter(&self) -> impl Iterator<Item = (Astring<'i>, Option<Astring<'i>>)> + use<'i> {
        let mut cursor = Cursor(self.0);
        core::iter::from_fn(move || {
            cursor.eat(b' ');
            let field = cursor.string()?;
            cursor.sp()?;
            Some((field, cursor.nstring()?))
        })
    }

    /// RFC 2971 section 3.3: thirty fields at most.
    const MAX: usize = 30;

    pub(super) fn read(cursor: &mut Cursor<'i>) -> Option<Self> {
        if cursor.word(b"NIL") {
            return Some(Self(b""));
        }
        cursor.need(b'(')?;
        let start = cursor.0;
        for count in 0..=Self::MAX {
            if cursor.peek() == Some(b')') {
                break;
            }
            if count > 0 {
                cursor.sp()?;
            }
            (count < Self::MAX).then_some(())?;
            cursor.string()?;
            cursor.sp()?;
            cursor.nstring()?;
        }
        let fields = &start[..start.len() - cursor.0.len()];
        cursor.need(b')')?;
        Some(Self(fields))
    }
}

/// A line as the machine tells commands apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Line<'i> {
    Command(Command<'i>),
    Authenticate { mechanism: &'i str, initial: Option<&'i [u8]> },
}

/// The verbs that can be longest, with their UID.
const VERB_MAX: usize = 12;

/// Parses what follows the tag and its space, without the CRLF.
pub(super) fn parse(rest: &[u8]) -> Option<Line<'_>> {
    let mut cursor = Cursor(rest);
    let mut verb = cursor.atom()?;
    let uid = verb.eq_ignore_ascii_case(b"UID");
    if uid {
        cursor.sp()?;
        verb = cursor.atom()?;
    }
    let mut upper = [0; VERB_MAX];
    upper.get_mut(..verb.len())?.copy_from_slice(verb);
    upper.make_ascii_uppercase();
    let c = &mut cursor;
    let command = match (&upper[..verb.len()], uid) {
        (b"FETCH", _) => {
            let set = spaced_set(c)?;
            c.sp()?;
            Command::Fetch { uid, set, items: FetchItems::read(c)? }
        }
        (b"STORE", _) => store(uid, c)?,
        (b"SEARCH", _) => search(uid, c)?,
        (b"COPY", _) => Command::Copy { uid, set: spaced_set(c)?, mailbox: spaced(c)?, remove: false },
        (b"MOVE", _) => Command::Copy { uid, set: spaced_set(c)?, mailbox: spaced(c)?, remove: true },
        (b"EXPUNGE", true) => Command::Expunge(Some(spaced_set(c)?)),
        (_, true) => return None,
        (b"EXPUNGE", false) => Command::Expunge(None),
        (b"NOOP", _) => Command::Noop,
        (b"IDLE", _) => Command::Idle,
        (b"SELECT", _) => Command::Select { mailbox: spaced(c)?, read_only: false },
        (b"EXAMINE", _) => Command::Select { mailbox: spaced(c)?, read_only: true },
        (b"STATUS", _) => Command::Status { mailbox: spaced(c)?, items: status_items(c)? },
        (b"LIST" | b"LSUB", _) => {
            let subscribed = upper[1] == b'S';
            let reference = spaced(c)?;
            c.sp()?;
            Command::List { reference, pattern: c.list_mailbox()?, subscribed }
        }
        (b"CAPABILITY", _) => Command::Capability,
        (b"LOGIN", _) => Command::Login { user: spaced(c)?, password: spaced(c)? },
        (b"AUTHENTICATE", _) => return authenticate(c),
        (b"LOGOUT", _) => Command::Logout,
        (b"STARTTLS", _) => Command::StartTls,
        (b"CLOSE", _) => Command::Close,
        (b"UNSELECT", _) => Command::Unselect,
        (b"CHECK", _) => Command::Check,
        (b"NAMESPACE", _) => Command::Namespace,
        (b"CREATE", _) => Command::Create(spaced(c)?),
        (b"DELETE", _) => Command::Delete(spaced(c)?),
        (b"RENAME", _) => Command::Rename { from: spaced(c)?, to: spaced(c)? },
        (b"SUBSCRIBE", _) => Command::Subscribe(spaced(c)?),
        (b"UNSUBSCRIBE", _) => Command::Unsubscribe(spaced(c)?),
        (b"ENABLE", _) => Command::Enable(words(c)?),
        (b"ID", _) => {
            c.sp()?;
            Command::Id(IdFields::read(c)?)
        }
        _ => return None,
    };
    cursor.end().map(|()| Line::Command(command))
}

fn spaced<'i>(cursor: &mut Cursor<'i>) -> Option<Astring<'i>> {
    cursor.sp()?;
    cursor.astring()
}

fn spaced_set<'i>(cursor: &mut Cursor<'i>) -> Option<SequenceSet<'i>> {
    cursor.sp()?;
    SequenceSet::read(cursor)
}

fn words<'i>(cursor: &mut Cursor<'i>) -> Option<Words<'i>> {
    cursor.sp()?;
    let start = cursor.0;
    cursor.atom()?;
    while cursor.eat(b' ') {
        // An atom may hold `=`, as in UTF8=ACCEPT.
        cursor.atom()?;
    }
    Some(Words(&start[..start.len() - cursor.0.len()]))
}

/// RFC 4959: an initial response, `=` for one without octets.
fn authenticate<'i>(cursor: &mut Cursor<'i>) -> Option<Line<'i>> {
    cursor.sp()?;
    let mechanism = core::str::from_utf8(cursor.atom()?).ok()?;
    let initial = match cursor.eat(b' ') {
        true => Some(cursor.run(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))?),
        false => None,
    };
    let initial = initial.map(|initial| if initial == b"=" { &b""[..] } else { initial });
    cursor.end().map(|()| Line::Authenticate { mechanism, initial })
}

fn status_items(cursor: &mut Cursor<'_>) -> Option<StatusItems> {
    cursor.sp()?;
    cursor.need(b'(')?;
    let mut items = StatusItems::default();
    loop {
        let name = cursor.atom()?;
        let is = |of: &[u8]| name.eq_ignore_ascii_case(of);
        let item = match name {
            _ if is(b"MESSAGES") => &mut items.messages,
            _ if is(b"RECENT") => &mut items.recent,
            _ if is(b"UIDNEXT") => &mut items.uid_next,
            _ if is(b"UIDVALIDITY") => &mut items.uid_validity,
            _ if is(b"UNSEEN") => &mut items.unseen,
            _ => return None,
        };
        *item = true;
        if !cursor.eat(b' ') {
            return cursor.need(b')').map(|()| items);
        }
    }
}

fn store<'i>(uid: bool, cursor: &mut Cursor<'i>) -> Option<Command<'i>> {
    let set = spaced_set(cursor)?;
    cursor.sp()?;
    let action = match cursor.peek()? {
        b'+' => StoreAction::Add,
        b'-' => StoreAction::Remove,
        _ => StoreAction::Replace,
    };
    if action != StoreAction::Replace {
        cursor.0 = &cursor.0[1..];
    }
    let name = cursor.atom()?;
    let silent = name.eq_ignore_ascii_case(b"FLAGS.SILENT");
    (silent || name.eq_ignore_ascii_case(b"FLAGS")).then_some(())?;
    cursor.sp()?;
    let flags = match cursor.peek()? {
        b'(' => Flags::read_list(cursor)?,
        _ => Some(Flags::read(cursor)).filter(|flags| !flags.is_empty())?,
    };
    Some(Command::Store { uid, set, action, silent, flags })
}

fn search<'i>(uid: bool, cursor: &mut Cursor<'i>) -> Option<Command<'i>> {
    cursor.sp()?;
    let charset = match cursor.word(b"CHARSET") {
        true => {
            let charset = spaced(cursor)?;
            cursor.sp()?;
            Some(charset)
        }
        false => None,
    };
    let keys = SearchKeys::read(cursor)?;
    cursor.0 = b"";
    Some(Command::Search { uid, charset, keys })
}

/// An APPEND up to its message (RFC 3501 section 6.3.11).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct AppendHead<'i> {
    pub(super) mailbox: Astring<'i>,
    pub(super) flags: Flags<'i>,
    pub(super) date: Option<DateTime>,
}

/// What a command is, as far as the octets up to a literal's announcement tell.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Append<'i> {
    /// No APPEND: its literals are arguments.
    Other,
    /// An APPEND whose mailbox is this literal.
    Mailbox,
    /// The literal is the message.
    Message(AppendHead<'i>),
    /// An APPEND that cannot be one.
    Bad,
}

impl<'i> Append<'i> {
    /// Parses what follows the tag and its space, up to the announcement with its CRLF.
    pub(super) fn parse(rest: &'i [u8]) -> Self {
        let mut cursor = Cursor(rest);
        if !cursor.word(b"APPEND") || !cursor.eat(b' ') {
            return Self::Other;
        }
        if is_announcement(cursor.0) {
            return Self::Mailbox;
        }
        Self::message(&mut cursor).map_or(Self::Bad, Self::Message)
    }

    fn message(cursor: &mut Cursor<'i>) -> Option<AppendHead<'i>> {
        let mailbox = cursor.astring()?;
        cursor.sp()?;
        let flags = match cursor.peek()? {
            b'(' => {
                let flags = Flags::read_list(cursor)?;
                cursor.sp()?;
                flags
            }
            _ => Flags::NONE,
        };
        let date = match cursor.peek()? {
            b'"' => {
                let date = DateTime::read(cursor)?;
                cursor.sp()?;
                Some(date)
            }
            _ => None,
        };
        is_announcement(cursor.0).then_some(AppendHead { mailbox, flags, date })
    }
}

/// Whether nothing is left but a literal's announcement.
fn is_announcement(rest: &[u8]) -> bool {
    let inner = rest.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}\r\n"));
    inner.is_some_and(|inner| inner.strip_suffix(b"+").unwrap_or(inner).iter().all(u8::is_ascii_digit))
}
