//! Addresses of ENVELOPE (RFC 3501 section 7.4.2), read from a field as RFC 5322 sections 3.4
//! and 4.4 write it, and as broken mail does.
//!
//! - A group is `(NIL NIL name NIL)`, its addresses, `(NIL NIL NIL NIL)`; one that is not
//!   closed ends with the field.
//! - Only those markers may have NIL for a mailbox or a host. An address that lacks its local
//!   part or its domain has an empty string there: no invented domain that a client would
//!   show or answer to.
//! - Names are as they were sent, without quotes; encoded words stay. Without a name the
//!   comment behind the address is one, as RFC 822 had it.
//! - A semicolon outside of a group parts addresses, as some clients write them.

use super::render::{put_nonempty, put_text};
use super::words::{Word, Words, unescape};

/// Appends the addresses of a field, or NIL if it has none. Takes each from what is left of
/// the limit.
pub(super) fn put_addresses(field: &[u8], left: &mut usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.push(b'(');
    let mut words = Words::new(field);
    let mut draft = Draft::default();
    let mut in_group = false;
    while let Some(word) = words.next()
        && *left > 0
    {
        match word {
            Word::Special(b',') if draft.place != Place::Route => draft.end(left, out),
            Word::Special(b';') => {
                draft.end(left, out);
                if std::mem::take(&mut in_group) {
                    out.extend_from_slice(GROUP_END);
                }
            }
            Word::Special(b':') if draft.place == Place::Phrase => {
                if std::mem::replace(&mut in_group, true) {
                    out.extend_from_slice(GROUP_END);
                }
                *left -= 1;
                out.extend_from_slice(b"(NIL NIL ");
                put_text(&draft.phrase, out);
                out.extend_from_slice(b" NIL)");
                draft.clear();
            }
            word => draft.take(word, words.gap),
        }
    }
    draft.end(left, out);
    if in_group {
        out.extend_from_slice(GROUP_END);
    }
    if out.len() == start + 1 {
        out.truncate(start);
        return out.extend_from_slice(b"NIL");
    }
    out.push(b')');
}

const GROUP_END: &[u8] = b"(NIL NIL NIL NIL)";

/// An address being read.
#[derive(Debug, Default)]
struct Draft {
    place: Place,
    /// All that stood before the angle bracket.
    phrase: Vec<u8>,
    /// Source route (RFC 5322 section 4.4), with its at signs.
    route: Vec<u8>,
    local: Vec<u8>,
    domain: Vec<u8>,
    comment: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Place {
    /// Before an at sign or angle bracket.
    #[default]
    Phrase,
    /// Behind an at sign without an angle bracket.
    Domain,
    /// Behind `<`.
    AngleLocal,
    /// Behind `<@`.
    Route,
    /// Behind `<local@`.
    AngleDomain,
    /// Behind `>`.
    Behind,
}

impl Draft {
    fn take(&mut self, word: Word<'_>, gap: bool) {
        match (word, self.place) {
            (Word::Comment(text), _) => {
                self.comment.clear();
                unescape(text.trim_ascii(), &mut self.comment);
            }
            (_, Place::Behind) => {}
            (Word::Special(b'<'), Place::Phrase | Place::Domain) => {
                self.local.clear();
                self.domain.clear();
                self.place = Place::AngleLocal;
            }
            (Word::Special(b'>'), Place::AngleLocal | Place::AngleDomain | Place::Route) => self.place = Place::Behind,
            (Word::Special(b'@'), Place::Phrase) => {
                self.phrase.push(b'@');
                self.place = Place::Domain;
            }
            (Word::Special(b'@'), Place::AngleLocal) if self.local.is_empty() => {
                self.route.push(b'@');
                self.place = Place::Route;
            }
            (Word::Special(b'@'), Place::AngleLocal) => self.place = Place::AngleDomain,
            // A second at sign: the last one parts the domain off.
            (Word::Special(b'@'), place @ (Place::Domain | Place::AngleDomain)) => {
                if place == Place::Domain {
                    self.phrase.push(b'@');
                }
                self.local.push(b'@');
                self.local.append(&mut self.domain);
            }
            (Word::Special(b':'), Place::Route) => self.place = Place::AngleLocal,
            (Word::Special(b'<' | b'>'), _) => {}
            (Word::Special(special), place) => self.text(&[special], false, false, place),
            (Word::Quoted(text), place) => {
                let mut plain = Vec::with_capacity(text.len());
                unescape(text, &mut plain);
                self.text(&plain, gap, true, place);
            }
            (Word::Run(text) | Word::Literal(text), place) => self.text(text, gap, false, place),
        }
    }

    fn text(&mut self, text: &[u8], gap: bool, quoted: bool, place: Place) {
        match place {
            Place::Phrase => {
                join(&mut self.phrase, text, gap);
                join_dotted(&mut self.local, text, gap && !quoted);
            }
            Place::Domain => {
                join(&mut self.phrase, text, gap);
                join_dotted(&mut self.domain, text, gap);
            }
            Place::AngleLocal => join_dotted(&mut self.local, text, gap && !quoted),
            Place::AngleDomain => join_dotted(&mut self.domain, text, gap),
            Place::Route => self.route.extend_from_slice(text),
            Place::Behind => {}
        }
    }

    /// Appends the address, if there is one, and begins anew.
    fn end(&mut self, left: &mut usize, out: &mut Vec<u8>) {
        // `<@domain>` is an address without a local part, not a route without one.
        if self.local.is_empty() && self.domain.is_empty() && !self.route.is_empty() {
            self.domain.extend_from_slice(&self.route[1..]);
            self.route.clear();
        }
        let bare = matches!(self.place, Place::Phrase | Place::Domain);
        let empty = self.local.is_empty() && self.domain.is_empty() && (bare || self.phrase.is_empty());
        if !empty && *left > 0 {
            *left -= 1;
            let name = if bare || self.phrase.is_empty() { &self.comment } else { &self.phrase };
            out.push(b'(');
            put_nonempty(name, out);
            out.push(b' ');
            put_nonempty(&self.route, out);
            out.push(b' ');
            put_text(&self.local, out);
            out.push(b' ');
            put_text(&self.domain, out);
            out.push(b')');
        }
        self.clear();
    }

    /// Begins anew with the memory there is.
    fn clear(&mut self) {
        self.place = Place::Phrase;
        for text in [&mut self.phrase, &mut self.route, &mut self.local, &mut self.domain, &mut self.comment] {
            text.clear();
        }
    }
}

/// Adds a word to a phrase, one space where there was white space.
fn join(phrase: &mut Vec<u8>, text: &[u8], gap: bool) {
    if gap && !phrase.is_empty() {
        phrase.push(b' ');
    }
    phrase.extend_from_slice(text);
}

/// Adds a word to a local part or domain; around a dot white space is obsolete and means
/// nothing (RFC 5322 section 4.4).
fn join_dotted(name: &mut Vec<u8>, text: &[u8], gap: bool) {
    let dotted = name.last() == Some(&b'.') || text.first() == Some(&b'.');
    join(name, text, gap && !dotted);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(field: &str) -> String {
        let (mut out, mut left) = (Vec::new(), 5);
        put_addresses(field.as_bytes(), &mut left, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn addresses_are_read() {
        for (field, is) in [
            ("a@b.c", r#"((NIL NIL "a" "b.c"))"#),
            ("Al B. See <a@b.c>", r#"(("Al B. See" NIL "a" "b.c"))"#),
            (r#""See, \"Al\"" <a@b.c>, d@e"#, r#"(("See, \"Al\"" NIL "a" "b.c")(NIL NIL "d" "e"))"#),
            ("a@b.c (Al (the) See)", r#"(("Al (the) See" NIL "a" "b.c"))"#),
            ("Al <a@b.c> (not Al)", r#"(("Al" NIL "a" "b.c"))"#),
            ("=?utf-8?q?=C3=84?= <a@b>", r#"(("=?utf-8?q?=C3=84?=" NIL "a" "b"))"#),
            (r#""a b"@c, <"d\\e"@f>"#, r#"((NIL NIL "a b" "c")(NIL NIL "d\\e" "f"))"#),
            ("a . b @ c . d", r#"((NIL NIL "a.b" "c.d"))"#),
            ("a@[192.0.2.1]", r#"((NIL NIL "a" "[192.0.2.1]"))"#),
            ("Al <@r1,@r2:a@b>", r#"(("Al" "@r1,@r2" "a" "b"))"#),
            ("<@b>", r#"((NIL NIL "" "b"))"#),
            ("a", r#"((NIL NIL "a" ""))"#),
            ("Al See", r#"((NIL NIL "Al See" ""))"#),
            ("Al <>", r#"(("Al" NIL "" ""))"#),
            ("a@b <c@d>", r#"(("a@b" NIL "c" "d"))"#),
            ("<a@b@c>", r#"((NIL NIL "a@b" "c"))"#),
            ("<a@b", r#"((NIL NIL "a" "b"))"#),
            ("a@b; c@d", r#"((NIL NIL "a" "b")(NIL NIL "c" "d"))"#),
            (
                "G: a@b, C <c@d>;, e@f",
                r#"((NIL NIL "G" NIL)(NIL NIL "a" "b")("C" NIL "c" "d")(NIL NIL NIL NIL)(NIL NIL "e" "f"))"#,
            ),
            ("undisclosed-recipients:;", r#"((NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL))"#),
            ("\"a b\" c:", r#"((NIL NIL "a b c" NIL)(NIL NIL NIL NIL))"#),
            ("a: b: c@d", r#"((NIL NIL "a" NIL)(NIL NIL NIL NIL)(NIL NIL "b" NIL)(NIL NIL "c" "d")(NIL NIL NIL NIL))"#),
            ("", "NIL"),
            (" , ,; <> ,(comment)", "NIL"),
            ("(unclosed\\", "NIL"),
            ("\"unclosed\\", r#"((NIL NIL "unclosed" ""))"#),
        ] {
            assert_eq!(read(field), is, "{field:?}");
        }
    }

    #[test]
    fn addresses_have_a_limit() {
        assert_eq!(read(&"a@b,".repeat(9)), format!("({})", r#"(NIL NIL "a" "b")"#.repeat(5)));
        assert_eq!(
            read(&"g:a@b,".repeat(9)).matches("NIL NIL NIL NIL").count(),
            3,
            "three groups begun within the limit, each ended"
        );
    }
}
