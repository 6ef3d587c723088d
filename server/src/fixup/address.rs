//! Addresses in a field of a header (RFC 5322 section 3.4), to know whose they are and to
//! complete those that lack a domain.
//!
//! Read strictly: a field that is not understood whole is left as it is, since a change of a
//! thing half understood makes it worse. Not understood are the obsolete forms (routes, blanks
//! around dots), a phrase without an address, and what is not closed.

/// Octets of a line without its CRLF (RFC 5322 section 2.1.1).
const LINE_MAX: usize = 998;
/// Words of one address with its name.
const WORDS_MAX: usize = 100;

/// The addresses of a field.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Addresses {
    /// Without names and comments, with the domain that was completed.
    pub(super) all: Vec<String>,
    /// Where a domain is missing, in octets of the value.
    gaps: Vec<usize>,
}

impl Addresses {
    /// Reads the value of an address field; none if it is not understood. An address without
    /// a domain gets this one; if it is empty, the address is left so.
    pub(super) fn read(value: &[u8], domain: &str) -> Option<Self> {
        let mut addresses = Self::default();
        let mut item = Vec::new();
        let (mut in_angle, mut in_group) = (false, false);
        let mut at = 0;
        while let Some(token) = next(value, &mut at)? {
            match token.kind {
                Kind::Special(b',') if !in_angle => addresses.end(value, &mut item, domain)?,
                Kind::Special(b';') if !in_angle && in_group => {
                    addresses.end(value, &mut item, domain)?;
                    in_group = false;
                }
                Kind::Special(b':') if !in_angle && !in_group => {
                    let named = !item.is_empty() && item.iter().all(Token::is_word);
                    named.then_some(())?;
                    item.clear();
                    in_group = true;
                }
                Kind::Special(special) => {
                    in_angle = (special == b'<' || in_angle) && special != b'>';
                    item.push(token);
                }
                Kind::Atom | Kind::Quoted | Kind::Literal => item.push(token),
            }
            (item.len() <= WORDS_MAX).then_some(())?;
        }
        addresses.end(value, &mut item, domain)?;
        (!in_group).then_some(addresses)
    }

    /// Ends an address. None may be there: lists have had empty places (RFC 5322 section 4.4).
    fn end(&mut self, value: &[u8], item: &mut Vec<Token>, domain: &str) -> Option<()> {
        let tokens = std::mem::take(item);
        if tokens.is_empty() {
            return Some(());
        }
        let open = tokens.iter().position(|token| token.kind == Kind::Special(b'<'));
        let spec = match open {
            Some(open) if tokens[..open].iter().all(Token::is_word) => {
                let (last, inside) = tokens[open + 1..].split_last()?;
                (last.kind == Kind::Special(b'>')).then_some(inside)?
            }
            Some(_) => return None,
            None => &tokens[..],
        };
        let text = |token: &Token| str::from_utf8(&value[token.start..token.end]).ok();
        let address = match spec {
            [local, at, of]
                if local.is_word()
                    && at.kind == Kind::Special(b'@')
                    && matches!(of.kind, Kind::Atom | Kind::Literal) =>
            {
                format!("{}@{}", text(local)?, text(of)?)
            }
            // Between quotes, or an encoded word (RFC 2047): a name whose address is missing.
            [local] if open.is_none() && (local.kind == Kind::Quoted || text(local)?.starts_with("=?")) => return None,
            [local] if local.is_word() && domain.is_empty() => text(local)?.into(),
            [local] if local.is_word() => {
                self.gaps.push(local.end);
                format!("{}@{domain}", text(local)?)
            }
            _ => return None,
        };
        self.all.push(address);
        Some(())
    }

    /// Appends the value, completed. False, and nothing is appended, if a line would become
    /// too long.
    pub(super) fn complete(&self, value: &[u8], domain: &str, out: &mut Vec<u8>) -> bool {
        let (start, mut from) = (out.len(), 0);
        for &gap in &self.gaps {
            out.extend_from_slice(&value[from..gap]);
            out.push(b'@');
            out.extend_from_slice(domain.as_bytes());
            from = gap;
        }
        out.extend_from_slice(&value[from..]);
        // The field's name stands in front; none that has addresses is longer than this.
        let name = "Resent-Reply-To: ".len();
        let fits =
            self.gaps.is_empty() || out[start..].split(|&byte| byte == b'\n').all(|line| line.len() + name <= LINE_MAX);
        if !fits {
            out.truncate(start);
        }
        fits
    }
}

#[derive(Clone, Copy, Debug)]
struct Token {
    kind: Kind,
    start: usize,
    end: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// An atom, or several with dots.
    Atom,
    /// With its quotes.
    Quoted,
    /// A domain literal with its brackets.
    Literal,
    Special(u8),
}

impl Token {
    fn is_word(&self) -> bool {
        matches!(self.kind, Kind::Atom | Kind::Quoted)
    }
}

/// The next token from `at` on, white space and comments passed over; none inside is the end,
/// none outside what is no token.
fn next(value: &[u8], at: &mut usize) -> Option<Option<Token>> {
    let mut depth = 0_usize;
    loop {
        let Some(&byte) = value.get(*at) else { return (depth == 0).then_some(None) };
        match byte {
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            b'\\' if depth > 0 => *at += 1,
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ if depth > 0 => {}
            _ => break,
        }
        *at += 1;
    }
    let start = *at;
    let rest = &value[start..];
    let (kind, len) = match rest[0] {
        special @ (b'<' | b'>' | b'@' | b',' | b';' | b':') => (Kind::Special(special), 1),
        b'"' => (Kind::Quoted, quoted_len(rest)?),
        b'[' => (Kind::Literal, memchr::memchr3(b']', b'\\', b'\n', rest).filter(|&end| rest[end] == b']')? + 1),
        _ => (Kind::Atom, rest.iter().position(|&byte| !is_atext(byte)).unwrap_or(rest.len())),
    };
    *at += len;
    (len > 0).then_some(Some(Token { kind, start, end: *at }))
}

/// Octets of the quoted string at the start, if it is closed.
fn quoted_len(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// What atoms are made of (RFC 5322 section 3.2.3, RFC 6532 section 3.2), and the dot.
fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 128 || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<(String, String)> {
        let addresses = Addresses::read(value.as_bytes(), "d.example")?;
        let mut out = Vec::new();
        assert!(addresses.complete(value.as_bytes(), "d.example", &mut out));
        Some((addresses.all.join(" "), String::from_utf8(out).unwrap()))
    }

    #[test]
    fn addresses_are_read_and_completed() {
        for (value, all, completed) in [
            ("a@b", "a@b", "a@b"),
            (" a@b ,\r\n c@d\r\n", "a@b c@d", " a@b ,\r\n c@d\r\n"),
            ("bob", "bob@d.example", "bob@d.example"),
            (
                " bob (Bob), <al> (x), \"C D\" <c>\r\n",
                "bob@d.example al@d.example c@d.example",
                " bob@d.example (Bob), <al@d.example> (x), \"C D\" <c@d.example>\r\n",
            ),
            ("Bob Q. Smith <bob>", "bob@d.example", "Bob Q. Smith <bob@d.example>"),
            ("<\"b b\">", "\"b b\"@d.example", "<\"b b\"@d.example>"),
            (
                "\"a,b\\\"\" <a@b>, (c <x>, y) c@[192.0.2.1]",
                "a@b c@[192.0.2.1]",
                "\"a,b\\\"\" <a@b>, (c <x>, y) c@[192.0.2.1]",
            ),
            (
                "Team: al, Bob <bob>;, e@f",
                "al@d.example bob@d.example e@f",
                "Team: al@d.example, Bob <bob@d.example>;, e@f",
            ),
            ("undisclosed-recipients:;", "", "undisclosed-recipients:;"),
            ("", "", ""),
            (",, a@b,", "a@b", ",, a@b,"),
            ("a@sales", "a@sales", "a@sales"),
            ("=?utf-8?q?B?= <b>", "b@d.example", "=?utf-8?q?B?= <b@d.example>"),
            ("bücher <b@bücher.example>", "b@bücher.example", "bücher <b@bücher.example>"),
            ("(a (nested \\) bob) comment)bob(x)", "bob@d.example", "(a (nested \\) bob) comment)bob@d.example(x)"),
        ] {
            assert_eq!(read(value), Some((all.into(), completed.into())), "{value:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_not_touched() {
        for value in [
            "Bob Smith",
            "\"Bob\"",
            "=?utf-8?q?Bob?=",
            "<>",
            "<",
            "a@",
            "@b",
            "a@b@c",
            "a b@c",
            "a . b@c",
            "<@r:a@b>",
            "<a@b",
            "a@b>",
            "a <b> c",
            "<a> <b>",
            "(open",
            "\"open",
            "a@[open",
            "a;b",
            "g: h: i;",
            "g: a@b",
            ":;",
            "a)b",
            "a\\b",
            "a@b c",
            "a\0b",
            "\u{1}",
            "<a,b>",
            "\"\\",
            "(\\",
        ] {
            assert_eq!(read(value), None, "{value:?}");
        }
        assert_eq!(Addresses::read(b"a <\xff@b>", ""), None);
        assert_eq!(read(&format!("{} <a@b>", "x ".repeat(WORDS_MAX))), None);
    }

    #[test]
    fn no_line_becomes_too_long() {
        let value = "a,".repeat(300);
        let addresses = Addresses::read(value.as_bytes(), "d.example").unwrap();
        let mut out = b"To:".to_vec();
        assert!(!addresses.complete(value.as_bytes(), "d.example", &mut out));
        assert_eq!(out, b"To:");
    }

    #[test]
    fn without_a_domain_nothing_is_completed() {
        let addresses = Addresses::read(b"bob", "").unwrap();
        assert_eq!((addresses.all, addresses.gaps), (vec!["bob".into()], vec![]));
    }
}
