//! xtext (RFC 3461 section 4).

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

/// Text with `+` and its octets beyond printable ASCII written as `+XX` (RFC 3461 section 4),
/// as it stands on the line.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Xtext<'i>(&'i str);

impl<'i> Xtext<'i> {
    /// `<>`, which AUTH= has for one that is not known (RFC 4954 section 5).
    pub const NULL: Xtext<'static> = Xtext("<>");

    /// Text that is encoded already; none if it is no xtext, or nothing.
    pub fn parse(text: &'i str) -> Option<Self> {
        (!text.is_empty() && whole(text.as_bytes()) == text.len()).then_some(Self(text))
    }

    /// As it stands on the line.
    pub const fn as_str(self) -> &'i str {
        self.0
    }

    /// What it says.
    pub fn decode(self) -> Cow<'i, [u8]> {
        if !self.0.contains('+') {
            return Cow::Borrowed(self.0.as_bytes());
        }
        Cow::Owned(self.octets().collect::<Vec<u8>>())
    }

    /// What it says, if that is UTF-8 and fits into `buffer`: without an allocation.
    pub(super) fn text(self, buffer: &mut [u8]) -> Option<&str> {
        let mut octets = self.octets();
        let mut len = 0;
        for (slot, octet) in buffer.iter_mut().zip(&mut octets) {
            *slot = octet;
            len += 1;
        }
        octets.next().is_none().then_some(())?;
        core::str::from_utf8(&buffer[..len]).ok()
    }

    /// Whether all that it says is graphic ASCII and white space, as DSNs can show.
    pub(super) fn is_printable(self) -> bool {
        self.octets().all(|octet| matches!(octet, b' '..=b'~' | b'\t'))
    }

    fn octets(self) -> impl Iterator<Item = u8> + use<'i> {
        let mut bytes = self.0.bytes();
        core::iter::from_fn(move || {
            let byte = bytes.next()?;
            if byte != b'+' {
                return Some(byte);
            }
            Some(nibble(bytes.next()?)? << 4 | nibble(bytes.next()?)?)
        })
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Xtext<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let text = <&str>::arbitrary(u)?;
        Ok(Self::parse(&text[..whole(text.as_bytes())]).unwrap_or(Self::NULL))
    }
}

/// Encodes octets: those that need it, and no other.
pub fn xtext(octets: &[u8]) -> String {
    encoded(octets).map(char::from).collect()
}

/// As [`xtext`], octet by octet.
pub(in crate::smtp) fn encoded(octets: &[u8]) -> impl Iterator<Item = u8> {
    let digit = |half: u8| b"0123456789ABCDEF"[usize::from(half)];
    octets.iter().flat_map(move |&octet| {
        let three = [b'+', digit(octet >> 4), digit(octet & 15)];
        let (plain, escaped) = if is_xchar(octet) { (Some(octet), None) } else { (None, Some(three)) };
        plain.into_iter().chain(escaped.into_iter().flatten())
    })
}

/// Octets at the front that are xtext.
fn whole(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        match &bytes[at..] {
            [b'+', high, low, ..] if nibble(*high).is_some() && nibble(*low).is_some() => at += 3,
            [byte, ..] if is_xchar(*byte) => at += 1,
            _ => return at,
        }
    }
}

fn is_xchar(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~') && byte != b'+' && byte != b'='
}

/// RFC 3461 section 4: upper case.
fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xtext_is_read_whole_or_not_at_all() {
        for (text, says) in [
            ("a@b", Some(&b"a@b"[..])),
            ("e+3Dmc2@x", Some(b"e=mc2@x")),
            ("+2B+20+00", Some(b"+ \0")),
            ("<>", Some(b"<>")),
            ("", None),
            ("a=b", None),
            ("a b", None),
            ("+3d", None),
            ("+3", None),
            ("+", None),
            ("a+2+3D", None),
            ("ä", None),
            ("a\r", None),
        ] {
            assert_eq!(Xtext::parse(text).map(|x| x.decode().into_owned()).as_deref(), says, "{text}");
        }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let all: Vec<u8> = (0..=255).collect();
        let text = xtext(&all);
        assert_eq!(&*Xtext::parse(&text).unwrap().decode(), &*all);
        assert_eq!(xtext(b"a+b=c d"), "a+2Bb+3Dc+20d");
    }

    #[test]
    fn text_fits_or_is_none() {
        for (text, room, says) in [
            ("a+2Bb", 3, Some("a+b")),
            ("a+2Bb", 4, Some("a+b")),
            ("a+2Bb", 2, None),
            ("+C3+A4", 2, Some("ä")),
            ("+C3", 2, None),
        ] {
            assert_eq!(Xtext::parse(text).unwrap().text(&mut [0; 4][..room]), says, "{text} in {room}");
        }
    }
}
