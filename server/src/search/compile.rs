//! From keys in prefix order to steps (RFC 3501 section 6.4.4), without recursion: the keys
//! become a tree in an arena, the tree becomes steps from the last to the first, so that where
//! a step goes on is known when it is written.

use postkern::imap::{Astring, Date, SearchKey, SearchKeys, SearchToken, SequenceSet};

use super::text::fold;
use super::{Context, Error, Key, Needs, Order, Program, STRINGS_MAX, Step, Target};
use crate::mailbox::{Flags, UidSet};

pub(super) fn compile(keys: SearchKeys<'_>, context: &Context<'_>) -> Result<Program, Error> {
    let mut strings = Strings { utf8: is_utf8(context.charset)?, left: STRINGS_MAX };
    let mut tree = Tree::default();
    for token in keys.iter() {
        match token {
            SearchToken::Open => tree.open.push(Open { kind: Kind::All, children: Vec::new() }),
            SearchToken::Not => tree.open.push(Open { kind: Kind::Not, children: Vec::new() }),
            SearchToken::Or => tree.open.push(Open { kind: Kind::Any, children: Vec::new() }),
            SearchToken::Close => tree.close(),
            SearchToken::Key(key) => key_nodes(key, context, &mut strings, &mut tree)?,
        }
    }
    let root = tree.finish();
    Ok(emit(tree.nodes, root))
}

/// Whether strings are in UTF-8 or in US-ASCII.
fn is_utf8(charset: Option<&[u8]>) -> Result<bool, Error> {
    match charset {
        None => Ok(false),
        Some(charset) if charset.eq_ignore_ascii_case(b"US-ASCII") => Ok(false),
        Some(charset) if charset.eq_ignore_ascii_case(b"UTF-8") => Ok(true),
        Some(_) => Err(Error::Charset),
    }
}

/// Strings of the search, checked and folded.
struct Strings {
    utf8: bool,
    left: usize,
}

impl Strings {
    fn take(&mut self, string: Astring<'_>) -> Result<String, Error> {
        self.left = self.left.checked_sub(1).ok_or(Error::Strings)?;
        let bytes = string.bytes();
        let text = str::from_utf8(&bytes).ok().filter(|text| self.utf8 || text.is_ascii());
        text.map(fold).ok_or(Error::Text)
    }
}

/// What is said so far.
struct Tree {
    nodes: Vec<Node>,
    /// What lacks keys, outermost first; the first is the search itself.
    open: Vec<Open>,
}

/// Keys that stand for one.
struct Open {
    kind: Kind,
    children: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Parentheses, and the search itself.
    All,
    /// OR, of two.
    Any,
    /// NOT, of one.
    Not,
}

struct Node {
    /// What must be read to know it, at most.
    needs: Needs,
    is: Is,
}

enum Is {
    Key(Key),
    Of(Kind, Vec<usize>),
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: Vec::new(), open: vec![Open { kind: Kind::All, children: Vec::new() }] }
    }
}

impl Tree {
    /// A key, negated or not.
    fn key(&mut self, key: Key, holds: bool) {
        if !holds {
            self.open.push(Open { kind: Kind::Not, children: Vec::new() });
        }
        let needs = key.needs();
        self.nodes.push(Node { needs, is: Is::Key(key) });
        self.whole(self.nodes.len() - 1);
    }

    /// `)`
    fn close(&mut self) {
        if let Some(open) = self.open.pop() {
            let node = self.node(open);
            self.whole(node);
        }
    }

    /// A key is whole: so is each NOT and OR that waited for nothing else.
    fn whole(&mut self, mut node: usize) {
        while let Some(open) = self.open.last_mut() {
            open.children.push(node);
            let lacks = match open.kind {
                Kind::All => return,
                Kind::Any => open.children.len() < 2,
                Kind::Not => false,
            };
            if lacks {
                return;
            }
            let Some(open) = self.open.pop() else { return };
            node = self.node(open);
        }
    }

    /// The node of what is whole. What is cheap comes first in it.
    fn node(&mut self, mut open: Open) -> usize {
        open.children.sort_by_key(|&child| self.nodes[child].needs);
        let needs = open.children.last().map_or(Needs::Nothing, |&last| self.nodes[last].needs);
        self.nodes.push(Node { needs, is: Is::Of(open.kind, open.children) });
        self.nodes.len() - 1
    }

    /// The node of the search itself. Keys were checked, so that nothing else is open.
    fn finish(&mut self) -> usize {
        debug_assert_eq!(self.open.len(), 1, "keys that were checked are whole");
        self.open.truncate(1);
        let root = self.open.pop().unwrap_or(Open { kind: Kind::All, children: Vec::new() });
        self.node(root)
    }
}

/// A node being written, from its last child to its first.
struct Frame {
    kind: Kind,
    children: Vec<usize>,
    yes: Target,
    no: Target,
    /// Where the child written last begins.
    entry: Target,
}

fn emit(mut nodes: Vec<Node>, root: usize) -> Program {
    let mut steps = Vec::new();
    // What the root ends in. The frame below it has no end of its own.
    let mut open = vec![Frame::new(Kind::All, vec![root], Target::Yes, Target::No)];
    loop {
        let Some(frame) = open.last_mut() else { break Program::default() };
        let Some(child) = frame.children.pop() else {
            let entry = frame.entry;
            open.pop();
            match open.last_mut() {
                Some(parent) => parent.entry = entry,
                None => break Program { steps, start: entry },
            }
            continue;
        };
        // If one of them does not hold, none behind it is asked; with OR, if one holds.
        let (yes, no) = match frame.kind {
            Kind::All => (frame.entry, frame.no),
            Kind::Any => (frame.yes, frame.entry),
            Kind::Not => (frame.no, frame.yes),
        };
        match std::mem::replace(&mut nodes[child].is, Is::Of(Kind::All, Vec::new())) {
            Is::Key(Key::Always(always)) => frame.entry = if always { yes } else { no },
            Is::Key(key) => {
                frame.entry = Target::Step(steps.len() as u32);
                steps.push(Step { key, yes, no });
            }
            Is::Of(kind, children) => open.push(Frame::new(kind, children, yes, no)),
        }
    }
}

impl Frame {
    fn new(kind: Kind, children: Vec<usize>, yes: Target, no: Target) -> Self {
        let entry = match kind {
            Kind::All | Kind::Not => yes,
            Kind::Any => no,
        };
        Self { kind, children, yes, no, entry }
    }
}

/// Adds what a key stands for.
fn key_nodes(key: SearchKey<'_>, context: &Context<'_>, strings: &mut Strings, tree: &mut Tree) -> Result<(), Error> {
    let mut field = |name: &[u8], holds| Ok(Key::Header(name.to_vec(), strings.take(holds)?));
    let days = |date: Date| date.days();
    let recent = Key::Recent(context.recent_from);
    let (key, holds) = match key {
        SearchKey::All => (Key::Always(true), true),
        SearchKey::Answered => (Key::Flags(Flags::ANSWERED), true),
        SearchKey::Deleted => (Key::Flags(Flags::DELETED), true),
        SearchKey::Draft => (Key::Flags(Flags::DRAFT), true),
        SearchKey::Flagged => (Key::Flags(Flags::FLAGGED), true),
        SearchKey::Seen => (Key::Flags(Flags::SEEN), true),
        SearchKey::Unanswered => (Key::Flags(Flags::ANSWERED), false),
        SearchKey::Undeleted => (Key::Flags(Flags::DELETED), false),
        SearchKey::Undraft => (Key::Flags(Flags::DRAFT), false),
        SearchKey::Unflagged => (Key::Flags(Flags::FLAGGED), false),
        SearchKey::Unseen => (Key::Flags(Flags::SEEN), false),
        SearchKey::New => {
            tree.open.push(Open { kind: Kind::All, children: Vec::new() });
            tree.key(recent, true);
            tree.key(Key::Flags(Flags::SEEN), false);
            tree.close();
            return Ok(());
        }
        SearchKey::Old => (recent, false),
        SearchKey::Recent => (recent, true),
        SearchKey::Keyword(name) => (keyword(name, context.keywords), true),
        SearchKey::Unkeyword(name) => (keyword(name, context.keywords), false),
        SearchKey::Bcc(holds) => (field(b"bcc", holds)?, true),
        SearchKey::Cc(holds) => (field(b"cc", holds)?, true),
        SearchKey::From(holds) => (field(b"from", holds)?, true),
        SearchKey::Subject(holds) => (field(b"subject", holds)?, true),
        SearchKey::To(holds) => (field(b"to", holds)?, true),
        SearchKey::Header(name, holds) => (field(&name.bytes().to_ascii_lowercase(), holds)?, true),
        SearchKey::Body(holds) => (Key::Body(strings.take(holds)?), true),
        SearchKey::Text(holds) => (Key::Text(strings.take(holds)?), true),
        SearchKey::Before(date) => (Key::Received(Order::Before, days(date)), true),
        SearchKey::On(date) => (Key::Received(Order::On, days(date)), true),
        SearchKey::Since(date) => (Key::Received(Order::Since, days(date)), true),
        SearchKey::SentBefore(date) => (Key::Sent(Order::Before, days(date)), true),
        SearchKey::SentOn(date) => (Key::Sent(Order::On, days(date)), true),
        SearchKey::SentSince(date) => (Key::Sent(Order::Since, days(date)), true),
        SearchKey::Larger(size) => (Key::Larger(size.into()), true),
        SearchKey::Smaller(size) => (Key::Smaller(size.into()), true),
        SearchKey::Uid(set) => (uids(set, context.uids), true),
        SearchKey::Sequence(set) => (sequence(set, context.uids), true),
    };
    // An empty string is in every text.
    let key = match key {
        Key::Body(holds) | Key::Text(holds) if holds.is_empty() => Key::Always(true),
        key => key,
    };
    tree.key(key, holds);
    Ok(())
}

/// The bits of a keyword, compared without regard to case as all flags are (RFC 3501 section
/// 9). Should a mailbox have two that differ by case alone, either will do.
fn keyword(name: &str, keywords: &[String]) -> Key {
    let bits = keywords.iter().take(Flags::KEYWORDS_MAX).enumerate();
    let bits = bits.filter(|(_, keyword)| keyword.eq_ignore_ascii_case(name));
    let flags = bits.fold(Flags::default(), |flags, (index, _)| flags.with(Flags::keyword(index)));
    if flags == Flags::default() { Key::Always(false) } else { Key::Flags(flags) }
}

/// UIDs as they are; `*` is the last one's.
fn uids(set: SequenceSet<'_>, uids: &[u32]) -> Key {
    let star = uids.last().copied().unwrap_or_default();
    Key::Uids(UidSet::from_ranges(set.ranges(star).collect()))
}

/// UIDs of sequence numbers. Between the UIDs of neighbours there are none, so that a range of
/// numbers is a range of UIDs.
fn sequence(set: SequenceSet<'_>, uids: &[u32]) -> Key {
    let count = uids.len() as u32;
    let range = |(first, last): (u32, u32)| {
        let uid = |message: u32| uids.get(message.checked_sub(1)? as usize).copied();
        Some((uid(first)?, uid(last.min(count))?))
    };
    Key::Uids(UidSet::from_ranges(set.ranges(count).filter_map(range).collect()))
}
