//! XCLIENT: a trusted peer says who its client is (Postfix's XCLIENT_README).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::params::{Xtext, encoded_xtext};
use crate::text::{cut, put};

/// The attributes of an XCLIENT command, checked: at least one, each known, each value xtext.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Xclient<'i>(&'i str);

/// What an attribute is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum XclientAttribute {
    /// The client's host name.
    Name,
    /// Its address.
    Addr,
    /// Its port.
    Port,
    /// SMTP or ESMTP.
    Proto,
    /// What it said in EHLO or HELO.
    Helo,
    /// Whom it authenticated as.
    Login,
    /// The address that it connected to.
    DestAddr,
    /// The port that it connected to.
    DestPort,
}

/// What is said of an attribute.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum XclientValue<'i> {
    /// A value.
    Is(Xtext<'i>),
    /// `[UNAVAILABLE]`: there is none.
    Unavailable,
    /// `[TEMPUNAVAIL]`: it is not known at present.
    Unknown,
}

impl XclientAttribute {
    /// All of them, in the order of the answer to EHLO.
    pub const ALL: [Self; 8] =
        [Self::Name, Self::Addr, Self::Port, Self::Proto, Self::Helo, Self::Login, Self::DestAddr, Self::DestPort];

    /// As on the line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Name => "NAME",
            Self::Addr => "ADDR",
            Self::Port => "PORT",
            Self::Proto => "PROTO",
            Self::Helo => "HELO",
            Self::Login => "LOGIN",
            Self::DestAddr => "DESTADDR",
            Self::DestPort => "DESTPORT",
        }
    }
}

impl<'i> Xclient<'i> {
    pub(super) fn parse(text: &'i str) -> Option<Self> {
        let mut words = words(text).peekable();
        words.peek()?;
        words.all(|word| attribute(word).is_some()).then_some(Self(text))
    }

    /// Each attribute, in the order of the line. One that stands twice counts as it stands last.
    pub fn attributes(self) -> impl Iterator<Item = (XclientAttribute, XclientValue<'i>)> + use<'i> {
        words(self.0).filter_map(attribute)
    }

    /// What was said of one attribute; none if nothing was.
    pub fn get(self, name: XclientAttribute) -> Option<XclientValue<'i>> {
        self.attributes().filter(|(own, _)| *own == name).last().map(|(_, value)| value)
    }

    /// The client's address: IPv4, or IPv6 behind `IPV6:`. None without one, and if it is none.
    pub fn address(self) -> Option<IpAddr> {
        let XclientValue::Is(value) = self.get(XclientAttribute::Addr)? else { return None };
        let text = value.as_str();
        match text.get(..5) {
            Some(tag) if tag.eq_ignore_ascii_case("IPV6:") => text[5..].parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|word| !word.is_empty())
}

fn attribute(word: &str) -> Option<(XclientAttribute, XclientValue<'_>)> {
    let (name, value) = cut(word, b'=');
    let name = XclientAttribute::ALL.into_iter().find(|own| own.name().eq_ignore_ascii_case(name))?;
    let value = match value {
        _ if value.eq_ignore_ascii_case("[UNAVAILABLE]") => XclientValue::Unavailable,
        _ if value.eq_ignore_ascii_case("[TEMPUNAVAIL]") => XclientValue::Unknown,
        _ => XclientValue::Is(Xtext::parse(value)?),
    };
    Some((name, value))
}

/// Attributes that a server takes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct XclientAttributes(u8);

impl XclientAttributes {
    /// The names of a line, in any case.
    pub(super) fn parse(names: &[u8]) -> Self {
        let known = |name: &[u8]| {
            XclientAttribute::ALL.into_iter().find(|own| name.eq_ignore_ascii_case(own.name().as_bytes()))
        };
        let bits = names.split(u8::is_ascii_whitespace).filter_map(known).fold(0, |bits, one| bits | 1 << one as u8);
        Self(bits)
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this is among them.
    pub const fn contains(self, attribute: XclientAttribute) -> bool {
        self.0 & 1 << attribute as u8 != 0
    }
}

/// Appends attributes as ` NAME=value`, the values in xtext; without a value
/// `[UNAVAILABLE]`. None if one is not offered, or there are none.
pub(super) fn write(
    attributes: &[(XclientAttribute, Option<&str>)],
    offered: XclientAttributes,
    out: &mut Vec<u8>,
) -> Option<()> {
    (!attributes.is_empty()).then_some(())?;
    for &(attribute, value) in attributes {
        offered.contains(attribute).then_some(())?;
        put(&[b" ", attribute.name().as_bytes(), b"="], out);
        match value {
            None => put(&[b"[UNAVAILABLE]"], out),
            Some("") => return None,
            // RFC 1891 section 5, which XCLIENT names, is what RFC 3461 section 4 has.
            Some(value) => out.extend(encoded_xtext(value.as_bytes())),
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::XclientAttribute::{Addr, Helo, Login, Name};
    use super::*;

    #[test]
    fn only_what_is_offered_is_told_and_nothing_ends_the_line() {
        let offered = XclientAttributes::parse(b"name ADDR LOGIN UNKNOWN");
        for (attributes, is) in [
            (&[(Name, Some("mx.example")), (Addr, None)][..], Some(" NAME=mx.example ADDR=[UNAVAILABLE]")),
            (&[(Login, Some("a b\r\n+=\u{e4}"))], Some(" LOGIN=a+20b+0D+0A+2B+3D+C3+A4")),
            (&[(Helo, Some("x"))], None),
            (&[(Name, Some(""))], None),
            (&[], None),
        ] {
            let mut out = Vec::new();
            let written = write(attributes, offered, &mut out);
            assert_eq!(written.map(|()| core::str::from_utf8(&out).unwrap()), is);
            let read = is.and_then(|text| Xclient::parse(&text[1..]));
            assert_eq!(read.map(|read| read.attributes().count()), is.map(|_| attributes.len()));
        }
    }

    #[test]
    fn attributes_are_all_known_or_none_is_taken() {
        for (text, count) in [
            ("NAME=spike.example ADDR=168.100.189.2", Some(2)),
            ("name=[unavailable]  PORT=[TEMPUNAVAIL]", Some(2)),
            ("HELO=a+20b PROTO=ESMTP LOGIN=x DESTADDR=10.0.0.1 DESTPORT=25", Some(5)),
            ("", None),
            ("NAME", None),
            ("NAME=", None),
            ("NAME=a=b", None),
            ("NAME=a COLOUR=red", None),
        ] {
            assert_eq!(Xclient::parse(text).map(|x| x.attributes().count()), count, "{text}");
        }
    }

    #[test]
    fn addresses_are_read() {
        for (text, is) in [
            ("ADDR=168.100.189.2", Some("168.100.189.2")),
            ("ADDR=IPV6:2001:db8::1", Some("2001:db8::1")),
            ("ADDR=1.2.3.4 ADDR=5.6.7.8", Some("5.6.7.8")),
            ("ADDR=[UNAVAILABLE]", None),
            ("ADDR=2001:db8::1", None),
            ("ADDR=x", None),
            ("NAME=x", None),
        ] {
            let address = Xclient::parse(text).and_then(Xclient::address);
            assert_eq!(address, is.map(|is| is.parse().unwrap()), "{text}");
        }
    }
}
