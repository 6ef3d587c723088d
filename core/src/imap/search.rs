//! What SEARCH asks for (RFC 3501 section 6.4.4): keys in prefix order, walked without
//! recursion.

use super::cursor::{Astring, Cursor};
use super::date::Date;
use super::sequence::SequenceSet;

/// The keys of a SEARCH, checked. All of them must hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SearchKeys<'i>(&'i [u8]);

/// A step of the walk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SearchToken<'i> {
    /// `(`: all keys up to its `)` must hold, and stand for one key.
    Open,
    /// `)`
    Close,
    /// The next key must not hold.
    Not,
    /// One of the next two keys must hold.
    Or,
    /// A key.
    Key(SearchKey<'i>),
}

/// One key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SearchKey<'i> {
    /// ALL
    All,
    /// ANSWERED
    Answered,
    /// DELETED
    Deleted,
    /// DRAFT
    Draft,
    /// FLAGGED
    Flagged,
    /// NEW: RECENT UNSEEN
    New,
    /// OLD: NOT RECENT
    Old,
    /// RECENT
    Recent,
    /// SEEN
    Seen,
    /// UNANSWERED
    Unanswered,
    /// UNDELETED
    Undeleted,
    /// UNDRAFT
    Undraft,
    /// UNFLAGGED
    Unflagged,
    /// UNSEEN
    Unseen,
    /// KEYWORD
    Keyword(&'i str),
    /// UNKEYWORD
    Unkeyword(&'i str),
    /// BCC
    Bcc(Astring<'i>),
    /// BODY
    Body(Astring<'i>),
    /// CC
    Cc(Astring<'i>),
    /// FROM
    From(Astring<'i>),
    /// SUBJECT
    Subject(Astring<'i>),
    /// TEXT
    Text(Astring<'i>),
    /// TO
    To(Astring<'i>),
    /// HEADER: a field's name and what it holds; empty asks that the field is there.
    Header(Astring<'i>, Astring<'i>),
    /// BEFORE
    Before(Date),
    /// ON
    On(Date),
    /// SINCE
    Since(Date),
    /// SENTBEFORE
    SentBefore(Date),
    /// SENTON
    SentOn(Date),
    /// SENTSINCE
    SentSince(Date),
    /// LARGER
    Larger(u32),
    /// SMALLER
    Smaller(u32),
    /// UID
    Uid(SequenceSet<'i>),
    /// A sequence set.
    Sequence(SequenceSet<'i>),
}

impl SearchKey<'_> {
    /// Its name, as it is written.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::All => "ALL",
            Self::Answered => "ANSWERED",
            Self::Deleted => "DELETED",
            Self::Draft => "DRAFT",
            Self::Flagged => "FLAGGED",
            Self::New => "NEW",
            Self::Old => "OLD",
            Self::Recent => "RECENT",
            Self::Seen => "SEEN",
            Self::Unanswered => "UNANSWERED",
            Self::Undeleted => "UNDELETED",
            Self::Undraft => "UNDRAFT",
            Self::Unflagged => "UNFLAGGED",
            Self::Unseen => "UNSEEN",
            Self::Keyword(_) => "KEYWORD",
            Self::Unkeyword(_) => "UNKEYWORD",
            Self::Bcc(_) => "BCC",
            Self::Body(_) => "BODY",
            Self::Cc(_) => "CC",
            Self::From(_) => "FROM",
            Self::Subject(_) => "SUBJECT",
            Self::Text(_) => "TEXT",
            Self::To(_) => "TO",
            Self::Header(..) => "HEADER",
            Self::Before(_) => "BEFORE",
            Self::On(_) => "ON",
            Self::Since(_) => "SINCE",
            Self::SentBefore(_) => "SENTBEFORE",
            Self::SentOn(_) => "SENTON",
            Self::SentSince(_) => "SENTSINCE",
            Self::Larger(_) => "LARGER",
            Self::Smaller(_) => "SMALLER",
            Self::Uid(_) => "UID",
            Self::Sequence(_) => "",
        }
    }
}

/// Keys nested in one another, the most.
pub const SEARCH_DEPTH: usize = 64;
/// Keys of one SEARCH, the most.
pub const SEARCH_KEYS: usize = 10_000;

impl<'i> SearchKeys<'i> {
    /// Checks keys as they stand behind SEARCH and its charset.
    pub fn parse(keys: &'i [u8]) -> Option<Self> {
        Self::read(&mut Cursor(keys))
    }

    /// Each step, in the order of writing.
    pub fn iter(&self) -> impl Iterator<Item = SearchToken<'i>> + use<'i> {
        let mut cursor = Cursor(self.0);
        core::iter::from_fn(move || {
            cursor.eat(b' ');
            token(&mut cursor)
        })
    }

    pub(super) fn read(cursor: &mut Cursor<'i>) -> Option<Self> {
        let start = cursor.0;
        let mut open = Nesting::default();
        for _ in 0..SEARCH_KEYS {
            open.take(token(cursor)?)?;
            if cursor.is_end() {
                return open.is_closed().then_some(Self(start));
            }
            // Between keys, but not behind "(" and not before ")".
            if cursor.peek() != Some(b')') && !open.just_opened {
                cursor.sp()?;
                (cursor.peek() != Some(b')')).then_some(())?;
            }
        }
        None
    }
}

/// Whether these steps, in this order, are keys that a SEARCH may have.
pub(super) fn are_whole(tokens: &[SearchToken<'_>]) -> bool {
    let mut open = Nesting::default();
    let fits = tokens.len() <= SEARCH_KEYS && !tokens.is_empty();
    fits && tokens.iter().all(|token| open.take(*token).is_some()) && open.is_closed()
}

/// What is still open: for each level, the keys it lacks; `LIST` for parentheses, which take
/// any number.
struct Nesting {
    levels: [u8; SEARCH_DEPTH],
    depth: usize,
    just_opened: bool,
}

impl Default for Nesting {
    fn default() -> Self {
        Self { levels: [0; SEARCH_DEPTH], depth: 0, just_opened: false }
    }
}

impl Nesting {
    const LIST: u8 = u8::MAX;

    fn take(&mut self, token: SearchToken<'_>) -> Option<()> {
        let after_open = core::mem::replace(&mut self.just_opened, token == SearchToken::Open);
        match token {
            SearchToken::Open => self.push(Self::LIST)?,
            SearchToken::Not => self.push(1)?,
            SearchToken::Or => self.push(2)?,
            SearchToken::Close => {
                let top = self.depth.checked_sub(1)?;
                (self.levels[top] == Self::LIST && !after_open).then_some(())?;
                self.depth = top;
                self.one_done();
            }
            SearchToken::Key(_) => self.one_done(),
        }
        Some(())
    }

    fn push(&mut self, lacks: u8) -> Option<()> {
        *self.levels.get_mut(self.depth)? = lacks;
        self.depth += 1;
        Some(())
    }

    /// A key is whole: so is each NOT and OR that waited for nothing else.
    fn one_done(&mut self) {
        while let Some(top) = self.depth.checked_sub(1)
            && self.levels[top] != Self::LIST
        {
            self.levels[top] -= 1;
            if self.levels[top] > 0 {
                return;
            }
            self.depth = top;
        }
    }

    fn is_closed(&self) -> bool {
        self.depth == 0
    }
}

fn token<'i>(cursor: &mut Cursor<'i>) -> Option<SearchToken<'i>> {
    if cursor.eat(b'(') {
        return Some(SearchToken::Open);
    }
    if cursor.eat(b')') {
        return Some(SearchToken::Close);
    }
    if matches!(cursor.peek()?, b'0'..=b'9' | b'*') {
        return SequenceSet::read(cursor).map(|set| SearchToken::Key(SearchKey::Sequence(set)));
    }
    let name = cursor.run(|byte| byte.is_ascii_alphabetic())?;
    let mut upper = [0; 10];
    upper.get_mut(..name.len())?.copy_from_slice(name);
    upper.make_ascii_uppercase();
    let name = &upper[..name.len()];
    let string = |cursor: &mut Cursor<'i>| {
        cursor.sp()?;
        cursor.astring()
    };
    let date = |cursor: &mut Cursor<'i>| {
        cursor.sp()?;
        Date::read(cursor)
    };
    let keyword = |cursor: &mut Cursor<'i>| {
        cursor.sp()?;
        core::str::from_utf8(cursor.atom()?).ok()
    };
    let number = |cursor: &mut Cursor<'i>| {
        cursor.sp()?;
        cursor.number()
    };
    Some(SearchToken::Key(match name {
        b"NOT" => return Some(SearchToken::Not),
        b"OR" => return Some(SearchToken::Or),
        b"ALL" => SearchKey::All,
        b"ANSWERED" => SearchKey::Answered,
        b"DELETED" => SearchKey::Deleted,
        b"DRAFT" => SearchKey::Draft,
        b"FLAGGED" => SearchKey::Flagged,
        b"NEW" => SearchKey::New,
        b"OLD" => SearchKey::Old,
        b"RECENT" => SearchKey::Recent,
        b"SEEN" => SearchKey::Seen,
        b"UNANSWERED" => SearchKey::Unanswered,
        b"UNDELETED" => SearchKey::Undeleted,
        b"UNDRAFT" => SearchKey::Undraft,
        b"UNFLAGGED" => SearchKey::Unflagged,
        b"UNSEEN" => SearchKey::Unseen,
        b"KEYWORD" => SearchKey::Keyword(keyword(cursor)?),
        b"UNKEYWORD" => SearchKey::Unkeyword(keyword(cursor)?),
        b"BCC" => SearchKey::Bcc(string(cursor)?),
        b"BODY" => SearchKey::Body(string(cursor)?),
        b"CC" => SearchKey::Cc(string(cursor)?),
        b"FROM" => SearchKey::From(string(cursor)?),
        b"SUBJECT" => SearchKey::Subject(string(cursor)?),
        b"TEXT" => SearchKey::Text(string(cursor)?),
        b"TO" => SearchKey::To(string(cursor)?),
        b"HEADER" => SearchKey::Header(string(cursor)?, string(cursor)?),
        b"BEFORE" => SearchKey::Before(date(cursor)?),
        b"ON" => SearchKey::On(date(cursor)?),
        b"SINCE" => SearchKey::Since(date(cursor)?),
        b"SENTBEFORE" => SearchKey::SentBefore(date(cursor)?),
        b"SENTON" => SearchKey::SentOn(date(cursor)?),
        b"SENTSINCE" => SearchKey::SentSince(date(cursor)?),
        b"LARGER" => SearchKey::Larger(number(cursor)?),
        b"SMALLER" => SearchKey::Smaller(number(cursor)?),
        b"UID" => {
            cursor.sp()?;
            SearchKey::Uid(SequenceSet::read(cursor)?)
        }
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn shape(keys: &str) -> Option<String> {
        let keys = SearchKeys::read(&mut Cursor(keys.as_bytes()))?;
        Some(
            keys.iter()
                .map(|token| match token {
                    SearchToken::Open => '(',
                    SearchToken::Close => ')',
                    SearchToken::Not => '!',
                    SearchToken::Or => '|',
                    SearchToken::Key(_) => 'k',
                })
                .collect(),
        )
    }

    #[test]
    fn keys_nest() {
        for (keys, is) in [
            ("ALL", Some("k")),
            ("1:3 UNSEEN", Some("kk")),
            ("NOT SEEN", Some("!k")),
            ("OR SEEN NOT (FROM a TO b) DELETED", Some("|k!(kk)k")),
            ("OR OR 1 2 3", Some("||kkk")),
            ("(ALL)", Some("(k)")),
            ("((ALL) SEEN)", Some("((k)k)")),
            ("HEADER X \"\"", Some("k")),
            ("BEFORE 1-Feb-1994 SINCE \"1-Feb-1994\"", Some("kk")),
            ("", None),
            ("NOT", None),
            ("NOT ", None),
            ("OR SEEN", None),
            ("()", None),
            ("(ALL", None),
            ("ALL)", None),
            ("(NOT)", None),
            ("ALL ", None),
            ("ALL  SEEN", None),
            ("( ALL)", None),
            ("(ALL )", None),
            ("(ALL)SEEN", None),
            ("ALLSEEN", None),
            ("LARGER 4294967296", None),
            ("BEFORE 30-Feb-1994", None),
            ("BOGUS", None),
        ] {
            assert_eq!(shape(keys).as_deref(), is, "{keys:?}");
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |depth: usize| alloc::format!("{}ALL{}", "(".repeat(depth), ")".repeat(depth));
        assert!(shape(&nested(SEARCH_DEPTH)).is_some());
        assert!(shape(&nested(SEARCH_DEPTH + 1)).is_none());
        assert!(shape(&nested(10_000)).is_none());
        let nots = |depth: usize| alloc::format!("{}ALL", "NOT ".repeat(depth));
        assert!(shape(&nots(SEARCH_DEPTH)).is_some());
        assert!(shape(&nots(SEARCH_DEPTH + 1)).is_none());
        let many = |count: usize| alloc::vec!["ALL"; count].join(" ");
        assert!(shape(&many(SEARCH_KEYS)).is_some());
        assert!(shape(&many(SEARCH_KEYS + 1)).is_none());
    }
}
