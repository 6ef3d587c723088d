//! The values of delivery status notifications (RFC 3461 section 4, RFC 6533 section 3).

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use super::xtext::Xtext;
use crate::smtp::path::is_dot_string;
use crate::text::put;

/// RET: how much of a message its failure report returns.
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Ret {
    /// FULL.
    Full,
    /// HDRS.
    Headers,
}

impl Ret {
    pub(super) fn parse(value: &str) -> Option<Self> {
        match value {
            _ if value.eq_ignore_ascii_case("FULL") => Some(Self::Full),
            _ if value.eq_ignore_ascii_case("HDRS") => Some(Self::Headers),
            _ => None,
        }
    }

    /// FULL or HDRS.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Headers => "HDRS",
        }
    }
}

/// NOTIFY: never, or at least one of three.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Notify(u8);

const SUCCESS: u8 = 1;
const FAILURE: u8 = 2;
const DELAY: u8 = 4;
const NAMES: [(&str, u8); 3] = [("SUCCESS", SUCCESS), ("FAILURE", FAILURE), ("DELAY", DELAY)];

impl Notify {
    /// No report, whatever happens.
    pub const NEVER: Self = Self(0);
    /// Of delivery.
    pub const SUCCESS: Self = Self(SUCCESS);
    /// Of failure.
    pub const FAILURE: Self = Self(FAILURE);
    /// Of delay.
    pub const DELAY: Self = Self(DELAY);

    /// Of all that either is of.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Of none that the other is of.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether it is of something that the other is of.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Of these; none of them is [`NEVER`](Self::NEVER).
    pub fn of(success: bool, failure: bool, delay: bool) -> Self {
        let bit = |wanted, bit| if wanted { bit } else { 0 };
        Self(bit(success, SUCCESS) | bit(failure, FAILURE) | bit(delay, DELAY))
    }

    /// `NEVER`, or names parted by commas, in any case.
    pub fn parse(value: &str) -> Option<Self> {
        if value.eq_ignore_ascii_case("NEVER") {
            return Some(Self::NEVER);
        }
        value.split(',').try_fold(Self::NEVER, |so_far, name| {
            let (_, bit) = NAMES.iter().find(|(own, _)| own.eq_ignore_ascii_case(name))?;
            Some(Self(so_far.0 | bit))
        })
    }

    /// Whether no report is wanted at all.
    pub const fn is_never(self) -> bool {
        self.0 == 0
    }

    /// Whether delivery is to be reported.
    pub const fn success(self) -> bool {
        self.0 & SUCCESS != 0
    }

    /// Whether failure is to be reported.
    pub const fn failure(self) -> bool {
        self.0 & FAILURE != 0
    }

    /// Whether delay is to be reported.
    pub const fn delay(self) -> bool {
        self.0 & DELAY != 0
    }

    pub(super) fn write(self, out: &mut Vec<u8>) {
        if self.is_never() {
            return out.extend_from_slice(b"NEVER");
        }
        let names = NAMES.iter().filter(|(_, bit)| self.0 & bit != 0);
        for (at, (name, _)) in names.enumerate() {
            put(&[if at > 0 { b"," } else { b"" }, name.as_bytes()], out);
        }
    }
}

impl core::fmt::Display for Notify {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut out = Vec::new();
        self.write(&mut out);
        f.write_str(core::str::from_utf8(&out).unwrap_or_default())
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Notify {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self(u.int_in_range(0..=7)?))
    }
}

/// ORCPT: an address type and an address, encoded.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct OriginalRecipient<'i> {
    address_type: &'i str,
    address: &'i str,
}

/// Octets of ORCPT with its keyword (RFC 3461 section 4.2).
const ORCPT_MAX: usize = 500;

impl<'i> OriginalRecipient<'i> {
    /// `rfc822;xtext`, or another type; for `utf-8` what RFC 6533 section 3 has instead of
    /// xtext. At most 500 octets with the keyword.
    ///
    /// An address of no octets, which RFC 3461 section 4.2 would allow, names nobody and is
    /// none.
    pub fn parse(value: &'i str) -> Option<Self> {
        let (address_type, address) = value.split_once(';')?;
        Self::new(address_type, address)
    }

    /// The same of its two parts, the address encoded already: see [`xtext`](super::xtext)
    /// and [`unitext`].
    pub fn new(address_type: &'i str, address: &'i str) -> Option<Self> {
        let this = Self { address_type, address };
        let len = "ORCPT=;".len() + address_type.len() + address.len();
        let encoded = if this.is_utf8() { is_unitext(address) } else { Xtext::parse(address)?.is_printable() };
        (len <= ORCPT_MAX && is_atom(address_type) && encoded).then_some(this)
    }

    /// `rfc822`, `utf-8`, or another of the registered types, in any case.
    pub const fn address_type(self) -> &'i str {
        self.address_type
    }

    /// As it stands on the line.
    pub const fn address(self) -> &'i str {
        self.address
    }

    /// Whether the type is `utf-8`.
    pub const fn is_utf8(self) -> bool {
        self.address_type.eq_ignore_ascii_case("utf-8")
    }

    /// Whether it is all ASCII on the line, so that a server without SMTPUTF8 may see it as it
    /// is.
    pub const fn is_ascii(self) -> bool {
        self.address.is_ascii()
    }

    /// The address that is meant.
    pub fn decode(self) -> Cow<'i, str> {
        if !self.is_utf8() {
            return match Xtext::parse(self.address).map(Xtext::decode) {
                Some(Cow::Owned(octets)) => Cow::Owned(String::from_utf8(octets).unwrap_or_default()),
                _ => Cow::Borrowed(self.address),
            };
        }
        if !self.address.contains('\\') {
            return Cow::Borrowed(self.address);
        }
        let mut rest = self.address;
        let mut address = String::with_capacity(rest.len());
        while let Some((c, after)) = next(rest) {
            address.push(c);
            rest = after;
        }
        Cow::Owned(address)
    }

    /// Appends the value; what is not ASCII becomes `\x{...}` unless the server offered
    /// SMTPUTF8 (RFC 6533 section 3). None if that makes it too long.
    pub(super) fn write(self, utf8: bool, out: &mut Vec<u8>) -> Option<()> {
        put(&[self.address_type.as_bytes(), b";"], out);
        if utf8 || self.is_ascii() {
            put(&[self.address.as_bytes()], out);
            return Some(());
        }
        let start = out.len();
        for c in self.address.chars() {
            if c.is_ascii() { out.push(c as u8) } else { embed(c, out) }
        }
        let len = "ORCPT=;".len() + self.address_type.len() + out.len() - start;
        (len <= ORCPT_MAX).then_some(())
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for OriginalRecipient<'a> {
    /// The longest front of some text that is an address of the type.
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let address_type = *u.choose(&["rfc822", "utf-8", "x400", "UTF-8"])?;
        // A raw character takes at most three times its octets once it is embedded.
        let text = <&str>::arbitrary(u)?;
        let ends = text.char_indices().map(|(at, c)| at + c.len_utf8()).filter(|&end| end <= 150);
        let longest = ends.take_while(|&end| end < 6 || Self::new(address_type, &text[..end]).is_some()).last();
        let whole = longest.and_then(|end| Self::new(address_type, &text[..end]));
        Ok(whole.unwrap_or(Self { address_type, address: "a@b" }))
    }
}

/// Encodes an address for the type `utf-8` (RFC 6533 section 3); with `ascii`, for a server
/// that does not offer SMTPUTF8.
pub fn unitext(address: &str, ascii: bool) -> String {
    let mut out = Vec::with_capacity(address.len());
    for c in address.chars() {
        match c {
            '\0'..=' ' | '\\' | '+' | '=' | '\x7f' => embed(c, &mut out),
            c if ascii && !c.is_ascii() => embed(c, &mut out),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    String::from_utf8(out).unwrap_or_default()
}

/// `\x{HEXPOINT}`.
fn embed(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\x{");
    let point = u32::from(c);
    let digits = (8 - point.leading_zeros() / 4).max(2);
    for digit in (0..digits).rev() {
        out.push(b"0123456789ABCDEF"[(point >> (digit * 4) & 15) as usize]);
    }
    out.push(b'}');
}

/// Whether this is QUCHARs and EmbeddedUnicodeChars, and a `+`, which a mailbox written as
/// itself (`utf-8-address`) may hold. What it means holds no control character.
fn is_unitext(text: &str) -> bool {
    let mut rest = text;
    while let Some((c, after)) = next(rest) {
        if c.is_control() || c == ' ' && rest.starts_with(' ') || c == '=' && rest.starts_with('=') {
            return false;
        }
        rest = after;
    }
    rest.is_empty() && !text.is_empty()
}

/// The first character that is meant, and what follows it; none at the end, and where a
/// backslash begins no EmbeddedUnicodeChar.
fn next(text: &str) -> Option<(char, &str)> {
    let first = text.chars().next()?;
    if first != '\\' {
        return Some((first, &text[first.len_utf8()..]));
    }
    let (hex, rest) = text.strip_prefix("\\x{")?.split_once('}')?;
    let upper = hex.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F'));
    let short = hex.len() == 2 || !hex.starts_with('0');
    if !upper || !short || !(2..=6).contains(&hex.len()) {
        return None;
    }
    let c = char::from_u32(u32::from_str_radix(hex, 16).ok()?)?;
    // RFC 6533 section 3: of ASCII only what may not stand as itself.
    (!c.is_ascii() || matches!(c, '\0'..=' ' | '\\' | '+' | '=' | '\x7f')).then_some((c, rest))
}

fn is_atom(text: &str) -> bool {
    is_dot_string(text) && !text.contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn original_recipients_are_read_whole_or_not_at_all() {
        for (value, says) in [
            ("rfc822;bob@x", Some("bob@x")),
            ("RFC822;bob+2Bx@x", Some("bob+x@x")),
            ("rfc822;a+20b", Some("a b")),
            ("x400;/C=+3D", None),
            ("x400;/C+3Dde", Some("/C=de")),
            ("rfc822;", None),
            ("rfc822", None),
            (";bob@x", None),
            ("rfc 822;bob@x", None),
            ("rfc.822;bob@x", None),
            ("rfc822;a+0Ab", None),
            ("rfc822;a+C3+A4", None),
            ("rfc822;ä@x", None),
            ("utf-8;ä@x", Some("ä@x")),
            ("UTF-8;\\x{E4}@x", Some("ä@x")),
            ("utf-8;\\x{10FFFF}\\x{5C}\\x{2B}\\x{3D}\\x{20}", Some("\u{10FFFF}\\+= ")),
            ("utf-8;a+b@x", Some("a+b@x")),
            ("utf-8;\\x{41}", None),
            ("utf-8;\\x{e4}", None),
            ("utf-8;\\x{0E4}", None),
            ("utf-8;\\x{D800}", None),
            ("utf-8;\\x{110000}", None),
            ("utf-8;\\x{1000000}", None),
            ("utf-8;\\x{E4", None),
            ("utf-8;\\xE4", None),
            ("utf-8;\\", None),
            ("utf-8;\\x{0D}", None),
            ("utf-8;\\x{7F}", None),
            ("utf-8;\\x{85}", None),
            ("utf-8;\u{85}", None),
            ("utf-8;a=b", None),
            ("utf-8;", None),
        ] {
            let parsed = OriginalRecipient::parse(value).map(OriginalRecipient::decode);
            assert_eq!(parsed.as_deref(), says, "{value}");
        }
        let long = |len| alloc::format!("rfc822;{}", "a".repeat(len - "ORCPT=rfc822;".len()));
        assert!(OriginalRecipient::parse(&long(ORCPT_MAX)).is_some());
        assert!(OriginalRecipient::parse(&long(ORCPT_MAX + 1)).is_none());
    }

    #[test]
    fn what_is_embedded_is_read_back() {
        for c in ['\\', '+', '=', ' ', 'a', '\u{a0}', 'ä', '\u{fff}', '\u{1000}', '\u{ffff}', '\u{10000}', '\u{10ffff}']
        {
            for ascii in [false, true] {
                let text = unitext(&String::from(c), ascii);
                assert!(text.is_ascii() || !ascii);
                assert_eq!(OriginalRecipient::new("utf-8", &text).unwrap().decode(), String::from(c), "{text}");
            }
        }
    }

    #[test]
    fn a_server_without_smtputf8_sees_ascii() {
        let mut out = Vec::new();
        let orcpt = OriginalRecipient::parse("utf-8;jörg@x").unwrap();
        assert_eq!(orcpt.write(false, &mut out), Some(()));
        assert_eq!(out, b"utf-8;j\\x{F6}rg@x");
        let long = alloc::format!("utf-8;{}", "ä".repeat(200));
        assert_eq!(OriginalRecipient::parse(&long).unwrap().write(false, &mut out), None);
    }

    #[test]
    fn notify_is_never_or_a_set() {
        for (value, is, written) in [
            ("NEVER", Some(Notify::NEVER), "NEVER"),
            ("success,Delay", Some(Notify::of(true, false, true)), "SUCCESS,DELAY"),
            ("FAILURE,FAILURE", Some(Notify::of(false, true, false)), "FAILURE"),
            ("DELAY,FAILURE,SUCCESS", Some(Notify::of(true, true, true)), "SUCCESS,FAILURE,DELAY"),
            ("NEVER,SUCCESS", None, ""),
            ("SUCCESS,", None, ""),
            ("", None, ""),
            ("ALWAYS", None, ""),
        ] {
            assert_eq!(Notify::parse(value), is, "{value}");
            assert_eq!(is.map(|notify| alloc::format!("{notify}")).unwrap_or_default(), written);
        }
    }
}
