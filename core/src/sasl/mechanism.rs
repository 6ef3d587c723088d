//! The mechanisms by name, and sets of them, as servers offer them.

use alloc::vec::Vec;
use core::ops::{BitAnd, BitOr};

/// A SASL mechanism that this crate knows.
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Mechanism {
    /// RFC 7677 with channel binding.
    ScramSha256Plus,
    /// RFC 7677.
    ScramSha256,
    /// RFC 5802 with channel binding.
    ScramSha1Plus,
    /// RFC 5802.
    ScramSha1,
    /// RFC 4422 appendix A: who the client is, the layer below knows.
    External,
    /// RFC 7628.
    OauthBearer,
    /// Google's and Microsoft's forerunner of OAUTHBEARER.
    Xoauth2,
    /// RFC 4616.
    Plain,
    /// Two questions, two answers; it has no RFC.
    Login,
}

impl Mechanism {
    /// All of them, the strongest first: the order in which a server lists them and a client
    /// chooses.
    pub const ALL: [Self; 9] = [
        Self::ScramSha256Plus,
        Self::ScramSha256,
        Self::ScramSha1Plus,
        Self::ScramSha1,
        Self::External,
        Self::OauthBearer,
        Self::Xoauth2,
        Self::Plain,
        Self::Login,
    ];

    /// Its registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha1Plus => "SCRAM-SHA-1-PLUS",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::External => "EXTERNAL",
            Self::OauthBearer => "OAUTHBEARER",
            Self::Xoauth2 => "XOAUTH2",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }

    /// By its name in any case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }
}

/// Mechanisms that are offered.
///
/// An application that has mechanisms of its own names them with
/// [`with_other`](Self::with_other).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Mechanisms {
    /// A bit for each of [`Mechanism::ALL`].
    known: u16,
    other: &'static str,
}

impl Mechanisms {
    /// None: AUTH is not offered.
    pub const NONE: Self = Self { known: 0, other: "" };
    /// PLAIN and LOGIN.
    pub const PASSWORD: Self = Self::of(&[Mechanism::Plain, Mechanism::Login]);

    /// These.
    pub const fn of(mechanisms: &[Mechanism]) -> Self {
        let (mut known, mut at) = (0, 0);
        while at < mechanisms.len() {
            known |= 1 << mechanisms[at] as u16;
            at += 1;
        }
        Self { known, other: "" }
    }

    /// And these besides, which this crate does not know: upper case, parted by single spaces.
    #[must_use]
    pub const fn with_other(self, names: &'static str) -> Self {
        Self { known: self.known, other: names }
    }

    /// And this.
    #[must_use]
    pub const fn with(self, mechanism: Mechanism) -> Self {
        Self { known: self.known | 1 << mechanism as u16, other: self.other }
    }

    /// Without this.
    #[must_use]
    pub const fn without(self, mechanism: Mechanism) -> Self {
        Self { known: self.known & !(1 << mechanism as u16), other: self.other }
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.known == 0 && self.other.is_empty()
    }

    /// Whether this is among them.
    pub const fn contains(self, mechanism: Mechanism) -> bool {
        self.known & 1 << mechanism as u16 != 0
    }

    /// Whether one of this name, in any case, is among them.
    pub fn has(self, name: &str) -> bool {
        self.names().any(|own| own.eq_ignore_ascii_case(name))
    }

    /// The strongest of those that this crate knows.
    pub fn strongest(self) -> Option<Mechanism> {
        Mechanism::ALL.into_iter().find(|&mechanism| self.contains(mechanism))
    }

    /// Their names, the strongest first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let known = Mechanism::ALL.into_iter().filter(move |&mechanism| self.contains(mechanism)).map(Mechanism::name);
        known.chain(self.other.split(' ').filter(|name| !name.is_empty()))
    }

    /// Appends each behind `before`.
    pub(crate) fn write(self, before: &[u8], out: &mut Vec<u8>) {
        for name in self.names() {
            out.extend_from_slice(before);
            out.extend_from_slice(name.as_bytes());
        }
    }
}

impl BitOr for Mechanisms {
    type Output = Self;

    /// Both; of the others, those of the left side if it has any.
    fn bitor(self, more: Self) -> Self {
        let other = if self.other.is_empty() { more.other } else { self.other };
        Self { known: self.known | more.known, other }
    }
}

impl BitAnd for Mechanisms {
    type Output = Self;

    /// Those that stand in both, of those that this crate knows.
    fn bitand(self, other: Self) -> Self {
        Self { known: self.known & other.known, other: "" }
    }
}

impl From<Mechanism> for Mechanisms {
    fn from(mechanism: Mechanism) -> Self {
        Self::NONE.with(mechanism)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_written_strongest_first_with_the_others_behind() {
        let set = (Mechanisms::PASSWORD | Mechanism::ScramSha256.into()).with_other("CRAM-MD5 GSSAPI");
        let mut out = Vec::new();
        set.write(b" ", &mut out);
        assert_eq!(out, b" SCRAM-SHA-256 PLAIN LOGIN CRAM-MD5 GSSAPI");
        assert!(set.has("scram-sha-256") && set.has("gssapi") && !set.has("SCRAM-SHA-1") && !set.has(""));
        assert!(Mechanisms::NONE.is_empty() && Mechanisms::from(Mechanism::Plain).without(Mechanism::Plain).is_empty());
    }

    #[test]
    fn names_lead_back() {
        for mechanism in Mechanism::ALL {
            assert_eq!(Mechanism::parse(&mechanism.name().to_ascii_lowercase()), Some(mechanism));
            assert!(Mechanisms::from(mechanism).contains(mechanism));
        }
    }
}
