//! Flags (RFC 3501 section 2.3.2).

use super::cursor::Cursor;

/// A flag as a client names it.
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flag<'i> {
    /// \Answered
    Answered,
    /// \Flagged
    Flagged,
    /// \Deleted
    Deleted,
    /// \Seen
    Seen,
    /// \Draft
    Draft,
    /// \Recent, which a client may not set, and a server may send.
    Recent,
    /// `\*`, in PERMANENTFLAGS only.
    Any,
    /// Any other that begins with a backslash; without it.
    Extension(&'i str),
    /// A keyword.
    Keyword(&'i str),
}

/// A list of flags, checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Flags<'i>(&'i [u8]);

impl<'i> Flags<'i> {
    /// No flags.
    pub const NONE: Flags<'static> = Flags(b"");

    /// Each flag, as often as it was named.
    pub fn iter(&self) -> impl Iterator<Item = Flag<'i>> + use<'i> {
        let mut cursor = Cursor(self.0);
        core::iter::from_fn(move || {
            cursor.eat(b' ');
            flag(&mut cursor)
        })
    }

    /// `(\Seen work)`
    pub(super) fn read_list(cursor: &mut Cursor<'i>) -> Option<Self> {
        cursor.need(b'(')?;
        let flags = Self::read(cursor);
        cursor.need(b')')?;
        Some(flags)
    }

    /// `\Seen work`, which STORE takes without parentheses too.
    pub(super) fn read(cursor: &mut Cursor<'i>) -> Self {
        let start = cursor.0;
        let mut ahead = *cursor;
        while skip(&mut ahead).is_some() {
            *cursor = ahead;
            if !ahead.eat(b' ') {
                break;
            }
        }
        Self(&start[..start.len() - cursor.0.len()])
    }

    /// Whether no flag is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Passes over a flag that [`flag`] reads later.
fn skip(cursor: &mut Cursor<'_>) -> Option<()> {
    let backslash = cursor.eat(b'\\');
    if backslash && cursor.eat(b'*') {
        return Some(());
    }
    cursor.atom().map(|_| ())
}

fn flag<'i>(cursor: &mut Cursor<'i>) -> Option<Flag<'i>> {
    let backslash = cursor.eat(b'\\');
    if backslash && cursor.eat(b'*') {
        return Some(Flag::Any);
    }
    let name = cursor.atom()?;
    let text = || core::str::from_utf8(name).ok();
    let is = |of: &[u8]| name.eq_ignore_ascii_case(of);
    Some(match name {
        _ if !backslash => Flag::Keyword(text()?),
        _ if is(b"Answered") => Flag::Answered,
        _ if is(b"Flagged") => Flag::Flagged,
        _ if is(b"Deleted") => Flag::Deleted,
        _ if is(b"Seen") => Flag::Seen,
        _ if is(b"Draft") => Flag::Draft,
        _ if is(b"Recent") => Flag::Recent,
        _ => Flag::Extension(text()?),
    })
}
