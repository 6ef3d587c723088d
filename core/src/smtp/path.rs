//! Paths and mailboxes (RFC 5321 section 4.1.2).

use alloc::borrow::Cow;
use alloc::string::String;
use core::net::{Ipv4Addr, Ipv6Addr};

use crate::text::strip_prefix;

/// A reverse-path or forward-path: what stood between the angle brackets, without its source
/// route, checked.
///
/// It may hold UTF-8 (RFC 6531 section 3.3): [`is_ascii`](Self::is_ascii) tells. The lengths are
/// counted in octets then too.
///
/// What it holds is exactly a null path, `Postmaster`, or `local-part@domain`: nothing in it
/// is a route, and nothing but the last `@` outside quotes parts the two (so that `a%b@c` and
/// `"a@b"@c` are mailboxes at `c` and nothing else).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Path<'i> {
    mailbox: &'i str,
    /// Octets of the local part.
    local: usize,
}

/// Octets of a path with its brackets (RFC 5321 section 4.5.3.1.3).
pub(super) const PATH_MAX: usize = 256;
/// Octets of a local part (RFC 5321 section 4.5.3.1.1).
const LOCAL_MAX: usize = 64;
/// Octets of a domain (RFC 5321 section 4.5.3.1.2).
const DOMAIN_MAX: usize = 255;

impl<'i> Path<'i> {
    /// Parses a path that stands at the start of `text`; gives what follows it.
    pub(super) fn parse(text: &'i str) -> Option<(Self, &'i str)> {
        let inner = text.strip_prefix('<')?;
        let inner = source_route(inner)?;
        if let Some(rest) = inner.strip_prefix('>') {
            // A route to nowhere is no null path.
            return text.starts_with("<>").then_some((Self { mailbox: "", local: 0 }, rest));
        }
        let local = local_part(inner)?;
        let (domain, rest) = match inner[local..].strip_prefix('@') {
            Some(after) => {
                let end = domain_len(after)?;
                (end + 1, &after[end..])
            }
            // RFC 5321 section 4.1.1.3: postmaster alone may do without a domain.
            None => (0, &inner[local..]),
        };
        let rest = rest.strip_prefix('>')?;
        let mailbox = &inner[..local + domain];
        if !is_clean(mailbox) {
            return None;
        }
        if domain == 0 && !mailbox.eq_ignore_ascii_case("postmaster") || mailbox.len() + 2 > PATH_MAX {
            return None;
        }
        Some((Self { mailbox, local }, rest))
    }

    /// The mailbox as sent; empty for the null path.
    pub fn as_str(&self) -> &'i str {
        self.mailbox
    }

    /// Whether this is the null reverse-path `<>`.
    pub fn is_null(&self) -> bool {
        self.mailbox.is_empty()
    }

    /// Whether it may be named where SMTPUTF8 is not.
    pub fn is_ascii(&self) -> bool {
        self.mailbox.is_ascii()
    }

    /// The domain or address literal; none for the null path and for `Postmaster`.
    pub fn domain(&self) -> Option<&'i str> {
        self.mailbox.get(self.local + 1..)
    }

    /// The local part that is meant: quotes and backslashes are taken away, so that
    /// `"bob"@x` and `bob@x` are the same (RFC 5321 section 4.1.2).
    pub fn local_part(&self) -> Cow<'i, str> {
        let raw = &self.mailbox[..self.local];
        let Some(inner) = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')) else {
            return Cow::Borrowed(raw);
        };
        if !inner.contains('\\') {
            return Cow::Borrowed(inner);
        }
        let mut escaped = false;
        Cow::Owned(
            inner
                .chars()
                .filter(|&c| {
                    escaped = c == '\\' && !escaped;
                    !escaped
                })
                .collect::<String>(),
        )
    }
}

/// Whether this is a mailbox in ASCII, `local-part@domain`, that any command may name.
pub fn is_mailbox(text: &str) -> bool {
    text.is_ascii() && is_mailbox_utf8(text)
}

/// Whether this is a mailbox, in UTF-8 perhaps, that a command may name where SMTPUTF8 is said
/// (RFC 6531 section 3.3).
pub fn is_mailbox_utf8(text: &str) -> bool {
    if !is_clean(text) {
        return false;
    }
    let Some(local) = local_part(text) else { return false };
    let Some(domain) = text[local..].strip_prefix('@') else { return false };
    domain_len(domain) == Some(domain.len()) && text.len() + 2 <= PATH_MAX
}

/// Whether this is a domain in ASCII or an address literal.
pub fn is_domain(text: &str) -> bool {
    text.is_ascii() && domain_len(text) == Some(text.len())
}

/// Whether no character beyond ASCII is a control, or in the domain one that is drawn as
/// nothing, as space or as a dot.
///
/// Which labels are U-labels is IDNA's to say (RFC 5890 section 2.3.2.1), with tables that are
/// not here; but none of these is in one, and a name that looks like another is not to pass.
fn is_clean(mailbox: &str) -> bool {
    if mailbox.is_ascii() {
        return true;
    }
    let domain = mailbox.rfind('@').map_or(mailbox.len(), |at| at + 1);
    let unseen = |c: char| {
        matches!(c, '\u{ad}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3002}' | '\u{feff}' | '\u{ff0e}' | '\u{ff61}' | '\u{fff9}'..='\u{ffff}')
    };
    !mailbox.chars().any(char::is_control) && !mailbox[domain..].chars().any(|c| c.is_whitespace() || unseen(c))
}

/// Whether this is a dot-string (RFC 5321 section 4.1.2).
pub(super) fn is_dot_string(text: &str) -> bool {
    dot_string(text.as_bytes()) == Some(text.len())
}

/// Skips `@one,@two:`, which is accepted and ignored (RFC 5321 appendix C).
fn source_route(text: &str) -> Option<&str> {
    if !text.starts_with('@') {
        return Some(text);
    }
    let (route, rest) = text.split_once(':')?;
    let hop = |hop: &str| hop.strip_prefix('@').is_some_and(is_domain);
    route.split(',').all(hop).then_some(rest)
}

/// Octets of the local part at the start of `text`: a dot-string or a quoted string.
fn local_part(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let len = if bytes.first() == Some(&b'"') {
        let mut at = 1;
        loop {
            match bytes.get(at)? {
                b'"' => break at + 1,
                b'\\' if matches!(bytes.get(at + 1)?, b' '..=b'~') => at += 2,
                b' ' | b'!' | b'#'..=b'[' | b']'..=b'~' | 0x80.. => at += 1,
                _ => return None,
            }
        }
    } else {
        dot_string(bytes)?
    };
    // A quoted string that holds nothing names nobody.
    (len <= LOCAL_MAX && &text[..len] != "\"\"").then_some(len)
}

/// Octets of the dot-string at the start: no dot stands first, last or beside another.
fn dot_string(bytes: &[u8]) -> Option<usize> {
    let mut after_atom = false;
    let mut len = 0;
    for &byte in bytes {
        match byte {
            b'.' if after_atom => after_atom = false,
            b'.' => return None,
            _ if is(byte, ATEXT) => after_atom = true,
            _ => break,
        }
        len += 1;
    }
    after_atom.then_some(len)
}

const ATEXT: u8 = 1;
/// Of a domain, with its dots.
const DOMAIN: u8 = 2;

/// What an octet may be.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' => ATEXT | DOMAIN,
            // No octet of a label: tolerated, `Tolerated::underscore`.
            b'_' => ATEXT | DOMAIN,
            b'.' => DOMAIN,
            b'!' | b'#'..=b'\'' | b'*' | b'+' | b'/' | b'=' | b'?' | b'^' | b'`' | b'{'..=b'~' => ATEXT,
            // RFC 6531 section 3.3; `is_ascii` and `is_clean` see to what is left.
            0x80.. => ATEXT | DOMAIN,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// Octets of the domain or address literal at the start of `text`.
fn domain_len(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let len = if bytes.first() == Some(&b'[') {
        let close = memchr::memchr(b']', bytes)?;
        // RFC 5321 section 4.1.3. No tag but IPv6 is registered, and what an unknown one
        // allows (`<`, `>`) must not reach a server that reads it another way.
        let inner = &text[1..close];
        let known = match strip_prefix(inner.as_bytes(), b"IPv6:") {
            Some(_) => inner["IPv6:".len()..].parse::<Ipv6Addr>().is_ok(),
            None => inner.parse::<Ipv4Addr>().is_ok(),
        };
        if !known {
            return None;
        }
        close + 1
    } else {
        let end = bytes.iter().position(|&byte| !is(byte, DOMAIN)).unwrap_or(bytes.len());
        // A label's 63 octets (RFC 1035 section 2.3.4) are those of its A-label.
        let long = |label: &[u8]| label.len() > 63 && label.is_ascii();
        let fits =
            |label: &[u8]| !label.is_empty() && !long(label) && !label.starts_with(b"-") && !label.ends_with(b"-");
        if !bytes[..end].split(|&byte| byte == b'.').all(fits) {
            return None;
        }
        end
    };
    (len <= DOMAIN_MAX).then_some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_whole_or_not_at_all() {
        for (text, is) in [
            ("<>", Some(("", ""))),
            ("<a@b>", Some(("a@b", ""))),
            ("<a@b> SIZE=1", Some(("a@b", " SIZE=1"))),
            ("<Postmaster>", Some(("Postmaster", ""))),
            ("<@x,@y.z:a@b>", Some(("a@b", ""))),
            ("<a@b_c.d>", Some(("a@b_c.d", ""))),
            ("<a.b+c@d-e.f>", Some(("a.b+c@d-e.f", ""))),
            ("<\"a b\"@c>", Some(("\"a b\"@c", ""))),
            ("<\"a\\\"b>@x\"@c>", Some(("\"a\\\"b>@x\"@c", ""))),
            ("<a@[127.0.0.1]>", Some(("a@[127.0.0.1]", ""))),
            ("<a@[IPv6:::1]>", Some(("a@[IPv6:::1]", ""))),
            ("<a%b@c>", Some(("a%b@c", ""))),
            ("a@b", None),
            ("<a@b", None),
            ("<a>", None),
            ("<@b>", None),
            ("<@b:>", None),
            ("<a@>", None),
            ("<a@b@c>", None),
            ("<a@b.>", None),
            ("<a@b..c>", None),
            ("<a@-b>", None),
            ("<.a@b>", None),
            ("<a.@b>", None),
            ("<a..b@c>", None),
            ("<a b@c>", None),
            ("<\"\"@c>", None),
            ("<\"a\"b@c>", None),
            ("<;id;>", None),
            ("<a@b;id>", None),
            ("<a@[]>", None),
            ("<a@[b>c]>", None),
            ("<a@[127.0.0.256]>", None),
            ("<a@[x:y]>", None),
            ("<a@[IPv6:x]>", None),
            ("<ä@b>", Some(("ä@b", ""))),
            ("<\"ä\\\"b\"@c>", Some(("\"ä\\\"b\"@c", ""))),
            ("<a@bücher.example>", Some(("a@bücher.example", ""))),
            ("<@ä.x:a@b>", None),
            ("<a@ä..b>", None),
            ("<a@-ä>", None),
            ("<\"a\\ä\"@b>", None),
            ("<a\u{85}@b>", None),
            ("<\"a\u{9f}\"@b>", None),
            ("<a@b\u{2028}c>", None),
            ("<a@b\u{3002}c>", None),
            ("<a@b\u{200b}>", None),
            ("<a@[ä]>", None),
            ("<<a@b>>", None),
        ] {
            assert_eq!(Path::parse(text).map(|(path, rest)| (path.as_str(), rest)), is, "{text}");
        }
    }

    #[test]
    fn limits_of_paths() {
        let local = |len| alloc::format!("<{}@b>", "a".repeat(len));
        assert!(Path::parse(&local(LOCAL_MAX)).is_some());
        assert!(Path::parse(&local(LOCAL_MAX + 1)).is_none());
        let label = "b".repeat(60);
        let long = alloc::format!("<a@{}>", [label.as_str(); 4].join("."));
        assert!(Path::parse(&long).is_some());
        let longer = alloc::format!("<a@{}.bbbbbbbbbb>", [label.as_str(); 4].join("."));
        assert!(Path::parse(&longer).is_none());
    }

    #[test]
    fn lengths_of_utf8_are_octets() {
        let local = |len: usize| alloc::format!("{}@b", "ä".repeat(len / 2));
        assert!(is_mailbox_utf8(&local(LOCAL_MAX)) && !is_mailbox_utf8(&local(LOCAL_MAX + 2)));
        assert!(!is_mailbox(&local(2)) && !is_domain("ä") && is_mailbox("a@b"));
        let domain = |len: usize| alloc::format!("a@{}", "ä".repeat(len / 2));
        assert!(is_mailbox_utf8(&domain(200)) && !is_mailbox_utf8(&domain(DOMAIN_MAX + 1)));
        let (path, _) = Path::parse("<\"jörg x\"@bücher.example>").unwrap();
        assert!(!path.is_ascii());
        assert_eq!((&*path.local_part(), path.domain()), ("jörg x", Some("bücher.example")));
    }

    #[test]
    fn a_quoted_local_part_means_what_it_quotes() {
        for (text, means) in [("<\"bob\"@x>", "bob"), ("<bob@x>", "bob"), ("<\"b\\ob\\\\ \"@x>", "bob\\ ")] {
            let (path, _) = Path::parse(text).unwrap();
            assert_eq!(path.local_part(), means);
            assert_eq!(path.domain(), Some("x"));
        }
    }
}
