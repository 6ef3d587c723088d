//! Words of structured fields (RFC 5322 section 3.2): quoted strings, comments, and the runs
//! of octets between them. Whatever is not closed ends with the text. Comments are counted,
//! not recursed into.

/// A piece of a structured field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Word<'m> {
    /// Octets that are neither white space nor special.
    Run(&'m [u8]),
    /// What stands between quotes, still escaped.
    Quoted(&'m [u8]),
    /// What stands between parentheses, still escaped, with the comments inside it.
    Comment(&'m [u8]),
    /// A domain literal with its brackets.
    Literal(&'m [u8]),
    /// One of the specials that part words.
    Special(u8),
}

/// Walks the words of an address field.
#[derive(Clone, Debug)]
pub(super) struct Words<'m> {
    rest: &'m [u8],
    /// Whether white space stood before the word that was taken last.
    pub(super) gap: bool,
}

impl<'m> Words<'m> {
    pub(super) fn new(text: &'m [u8]) -> Self {
        Self { rest: text, gap: false }
    }
}

impl<'m> Iterator for Words<'m> {
    type Item = Word<'m>;

    fn next(&mut self) -> Option<Word<'m>> {
        let trimmed = self.rest.trim_ascii_start();
        self.gap = trimmed.len() < self.rest.len();
        let (word, rest) = match *trimmed.first()? {
            b'"' => {
                let (inside, rest) = quoted(trimmed);
                (Word::Quoted(inside), rest)
            }
            b'(' => {
                let (inside, rest) = comment(trimmed);
                (Word::Comment(inside), rest)
            }
            b'[' => {
                let end = memchr::memchr(b']', trimmed).map_or(trimmed.len(), |at| at + 1);
                (Word::Literal(&trimmed[..end]), &trimmed[end..])
            }
            special if is_special(special) => (Word::Special(special), &trimmed[1..]),
            _ => {
                let of_run = |&byte: &u8| !byte.is_ascii_whitespace() && !b"\"([".contains(&byte) && !is_special(byte);
                let end = trimmed.iter().position(|byte| !of_run(byte)).unwrap_or(trimmed.len());
                (Word::Run(&trimmed[..end]), &trimmed[end..])
            }
        };
        self.rest = rest;
        Some(word)
    }
}

/// What parts words in an address; the dot does not, nor do brackets and parentheses that
/// close nothing.
fn is_special(byte: u8) -> bool {
    b"<>:;@,".contains(&byte)
}

/// Splits a quoted string at the start of the text into what stands between its quotes and
/// what follows.
pub(super) fn quoted(text: &[u8]) -> (&[u8], &[u8]) {
    let inside = &text[1..];
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b'"', b'\\', inside.get(at..).unwrap_or_default()) {
        at += found;
        if inside[at] == b'"' {
            return (&inside[..at], &inside[at + 1..]);
        }
        // The octet behind a backslash is skipped; there may be none.
        at += 2;
    }
    (inside, b"")
}

/// As [`quoted`], for a comment.
pub(super) fn comment(text: &[u8]) -> (&[u8], &[u8]) {
    let inside = &text[1..];
    let (mut at, mut depth) = (0, 1_usize);
    while let Some(found) = memchr::memchr3(b'(', b')', b'\\', inside.get(at..).unwrap_or_default()) {
        at += found;
        match inside[at] {
            b'\\' => at += 1,
            b'(' => depth += 1,
            _ => depth -= 1,
        }
        if depth == 0 {
            return (&inside[..at], &inside[at + 1..]);
        }
        at += 1;
    }
    (inside, b"")
}

/// Text without leading white space and comments.
pub(super) fn skip_comments(mut text: &[u8]) -> &[u8] {
    loop {
        text = text.trim_ascii_start();
        if text.first() != Some(&b'(') {
            return text;
        }
        text = comment(text).1;
    }
}

/// Appends what an escaped text means: without backslashes and folds.
pub(super) fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'\\', b'\n', rest) {
        let (plain, after) = rest.split_at(at);
        let fold = after[0] == b'\n';
        out.extend_from_slice(if fold { plain.strip_suffix(b"\r").unwrap_or(plain) } else { plain });
        rest = &after[1..];
        if !fold && let Some((escaped, after)) = rest.split_first() {
            out.push(*escaped);
            rest = after;
        }
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split() {
        use Word::{Comment, Literal, Quoted, Run, Special};
        for (text, are) in [
            (&b" a.b c"[..], &[Run(b"a.b"), Run(b"c")][..]),
            (b"\"a\\\"b\"<c", &[Quoted(b"a\\\"b"), Special(b'<'), Run(b"c")]),
            (b"(a(b)\\)c)d", &[Comment(b"a(b)\\)c"), Run(b"d")]),
            (b"a@[1.2] )]", &[Run(b"a"), Special(b'@'), Literal(b"[1.2]"), Run(b")]")]),
            (b"\"open", &[Quoted(b"open")]),
            (b"\"open\\", &[Quoted(b"open\\")]),
            (b"(open\\", &[Comment(b"open\\")]),
            (b"((((", &[Comment(b"(((")]),
            (b"[open", &[Literal(b"[open")]),
            (b"", &[]),
        ] {
            assert_eq!(Words::new(text).collect::<Vec<_>>(), are, "{text:?}");
        }
    }

    #[test]
    fn escapes_are_undone() {
        for (text, is) in [
            (&b"plain"[..], &b"plain"[..]),
            (b"a\\\"b\\\\c", b"a\"b\\c"),
            (b"a\r\n b\n\tc", b"a b\tc"),
            (b"end\\", b"end"),
            (b"\\\r\n x", b"\r x"),
        ] {
            let mut out = Vec::new();
            unescape(text, &mut out);
            assert_eq!(out, is, "{text:?}");
        }
    }
}
