//! XCLIENT: what a proxy tells a server of the client in front of it. It has no RFC; Postfix
//! defined it.

use alloc::vec::Vec;

use crate::text::put;

/// What may be told of a client.
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum XclientAttribute {
    /// Its host name.
    Name,
    /// Its address; of IPv6 with `IPV6:` in front.
    Addr,
    /// Its port.
    Port,
    /// `SMTP` or `ESMTP`.
    Proto,
    /// The name it gave with EHLO.
    Helo,
    /// The account it logged in to.
    Login,
    /// The address that it connected to.
    DestAddr,
    /// The port that it connected to.
    DestPort,
}

impl XclientAttribute {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Name, Self::Addr, Self::Port, Self::Proto, Self::Helo, Self::Login, Self::DestAddr, Self::DestPort];

    /// As it stands on the line.
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
            Some(value) => value.bytes().for_each(|octet| put_xtext(octet, out)),
        }
    }
    Some(())
}

/// RFC 1891 section 5, which XCLIENT names: what RFC 3461 section 4 has.
fn put_xtext(octet: u8, out: &mut Vec<u8>) {
    let digit = |half: u8| b"0123456789ABCDEF"[usize::from(half & 15)];
    match octet {
        b'!'..=b'~' if octet != b'+' && octet != b'=' => out.push(octet),
        _ => put(&[&[b'+', digit(octet >> 4), digit(octet)]], out),
    }
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
        }
    }
}
