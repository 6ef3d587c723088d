//! The parameters of MAIL and RCPT, the same values on both sides: what a client writes is
//! what a server reads.
//!
//! Nothing here allocates but the decoding of what was encoded. A value that is built by hand
//! and is not of the grammar is not written: the writers then give `None`.
//!
//! The longest lines that can come of these: MAIL has 512 octets without parameters (RFC 5321
//! section 4.5.3.1.4), and with its space each of SIZE at most 26 (RFC 1870 section 3), BODY 16
//! (RFC 3030 section 3), SMTPUTF8 10 (RFC 6531 section 3.1), AUTH 500 (RFC 4954 section 3), RET 9
//! and ENVID 107 (RFC 3461 section 4.4), REQUIRETLS 11 (RFC 8689 section 2), HOLDUNTIL 36, BY 17,
//! MT-PRIORITY 15 (RFC 6710 section 3): 1259. RCPT has 512, NOTIFY 30, ORCPT 501 (RFC 3461
//! section 4.2) and RRVS 33: 1076. [`Limits::line`](super::Limits::line) is 2048.

mod by;
mod date;
mod dsn;
mod mail;
mod rcpt;
mod xtext;

pub use by::{ByMode, DeliverBy};
pub use date::{DATE_MAX, DATE_MIN};
pub(super) use date::{parse as parse_date, write as put_date};
pub use dsn::{Notify, OriginalRecipient, Ret, unitext};
pub use mail::{BodyType, Hold, MailParams, Priority};
pub use rcpt::{RcptParams, RrvsAction, ValidSince};
pub(super) use xtext::encoded as encoded_xtext;
pub use xtext::{Xtext, xtext};

use crate::text::{cut, number};

/// Why a parameter is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum BadParam {
    /// 555: nobody here knows it, or its extension is not offered.
    Unknown,
    /// 501: it came twice, or its value is none.
    Value,
}

/// Octets of the longest keyword that is known: `MT-PRIORITY`.
const KEYWORD_MAX: usize = 11;

/// A parameter as it stands on the line.
#[derive(Clone, Copy)]
struct Param<'i> {
    keyword: &'i str,
    /// None without `=`.
    value: Option<&'i str>,
}

impl<'i> Param<'i> {
    /// The keyword in upper case; nothing if it is longer than any that is known.
    fn upper(self, room: &mut [u8; KEYWORD_MAX]) -> &[u8] {
        let Some(upper) = room.get_mut(..self.keyword.len()) else { return b"" };
        for (upper, own) in upper.iter_mut().zip(self.keyword.bytes()) {
            *upper = own.to_ascii_uppercase();
        }
        upper
    }

    /// The value that there must be; empty is none (RFC 5321 section 4.1.2, `esmtp-value`).
    fn value(self) -> Result<&'i str, BadParam> {
        self.value.filter(|value| !value.is_empty()).ok_or(BadParam::Value)
    }

    /// Nothing: for keywords that take no value.
    fn alone(self) -> Result<(), BadParam> {
        if self.value.is_none() { Ok(()) } else { Err(BadParam::Value) }
    }
}

/// The parameters that a line's rest holds, parted by spaces.
fn params(text: &str) -> impl Iterator<Item = Param<'_>> {
    let mut rest = text;
    core::iter::from_fn(move || {
        rest = rest.trim_start_matches(' ');
        if rest.is_empty() {
            return None;
        }
        let (param, after) = cut(rest, b' ');
        rest = after;
        Some(match param.bytes().position(|byte| byte == b'=') {
            Some(at) => Param { keyword: &param[..at], value: Some(&param[at + 1..]) },
            None => Param { keyword: param, value: None },
        })
    })
}

/// Sets what may be set once.
fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), BadParam> {
    if slot.replace(value).is_some() { Err(BadParam::Value) } else { Ok(()) }
}

/// A number of one to nine digits.
fn up_to_nine(digits: &str) -> Option<u32> {
    if digits.len() <= 9 { number(digits.as_bytes()) } else { None }
}

/// A keyword counts only where its extension is offered.
fn offered(is: bool) -> Result<(), BadParam> {
    if is { Ok(()) } else { Err(BadParam::Unknown) }
}

#[cfg(all(test, feature = "arbitrary"))]
mod tests {
    use alloc::vec::Vec;

    use arbitrary::{Arbitrary, Unstructured};

    use super::*;
    use crate::smtp::{Extensions, Offers};

    fn all() -> Extensions {
        let mut all = Extensions::default();
        (all.size, all.eight_bit_mime, all.smtp_utf8, all.binary_mime) = (Some(0), true, true, true);
        (all.dsn, all.require_tls, all.mt_priority, all.rrvs) = (true, true, true, true);
        (all.future_release, all.deliver_by) = (Some(crate::smtp::FutureRelease { seconds: 1, until: 1 }), Some(0));
        all.auth = crate::sasl::Mechanisms::PASSWORD;
        all
    }

    #[test]
    fn any_value_that_may_be_made_is_read_back() {
        let mut state = 1_u64;
        let mut octet = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // Mostly ASCII, so that text is long.
            (state >> 24) as u8 & if state >> 40 & 7 == 0 { 0xff } else { 0x7f }
        };
        for _ in 0..20_000 {
            let octets: Vec<u8> = (0..200).map(|_| octet()).collect();
            let mut u = Unstructured::new(&octets);
            let mail = MailParams::arbitrary(&mut u).unwrap();
            let rcpt = RcptParams::arbitrary(&mut u).unwrap();
            let mut out = Vec::new();
            assert_eq!(mail.write(&all(), &mut out), Some(()), "{mail:?}");
            assert_eq!(MailParams::parse(core::str::from_utf8(&out).unwrap(), &Offers::ALL, true), Ok(mail));
            out.clear();
            assert_eq!(rcpt.write(&all(), &mut out), Some(()), "{rcpt:?}");
            assert_eq!(RcptParams::parse(core::str::from_utf8(&out).unwrap(), &Offers::ALL), Ok(rcpt));
        }
    }
}
