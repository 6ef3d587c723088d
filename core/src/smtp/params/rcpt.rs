//! The parameters of RCPT.

use alloc::vec::Vec;

use super::{BadParam, DATE_MAX, DATE_MIN, KEYWORD_MAX, Notify, OriginalRecipient, date, offered, once, params};
use crate::smtp::config::Offers;
use crate::smtp::extensions::Extensions;
use crate::text::put;

/// The parameters of RCPT, checked.
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RcptParams<'i> {
    /// NOTIFY: of what the sender wants reports (RFC 3461 section 4.1).
    pub notify: Option<Notify>,
    /// ORCPT: the address that the sender gave first (RFC 3461 section 4.2).
    pub orcpt: Option<OriginalRecipient<'i>>,
    /// RRVS: only if the mailbox has had the same owner since (RFC 7293).
    pub rrvs: Option<ValidSince>,
}

impl<'i> RcptParams<'i> {
    /// Parses what stands behind the path.
    pub(in crate::smtp) fn parse(text: &'i str, offers: &Offers) -> Result<Self, BadParam> {
        let mut parsed = Self::default();
        for param in params(text) {
            let value = param.value();
            match param.upper(&mut [0; KEYWORD_MAX]) {
                b"NOTIFY" => {
                    offered(offers.dsn)?;
                    once(&mut parsed.notify, Notify::parse(value?).ok_or(BadParam::Value)?)?;
                }
                b"ORCPT" => {
                    offered(offers.dsn)?;
                    // RFC 6533 section 3: raw UTF-8 is for servers that offer SMTPUTF8.
                    let orcpt = OriginalRecipient::parse(value?).filter(|orcpt| offers.smtp_utf8 || orcpt.is_ascii());
                    once(&mut parsed.orcpt, orcpt.ok_or(BadParam::Value)?)?;
                }
                b"RRVS" => {
                    offered(offers.rrvs)?;
                    once(&mut parsed.rrvs, ValidSince::parse(value?).ok_or(BadParam::Value)?)?;
                }
                _ => return Err(BadParam::Unknown),
            }
        }
        Ok(parsed)
    }

    /// Appends each parameter whose extension the server offered, behind a space; none if a
    /// value is not of the grammar.
    pub(in crate::smtp) fn write(&self, server: &Extensions, out: &mut Vec<u8>) -> Option<()> {
        if let (Some(notify), true) = (self.notify, server.dsn) {
            put(&[b" NOTIFY="], out);
            notify.write(out);
        }
        if let (Some(orcpt), true) = (self.orcpt, server.dsn) {
            put(&[b" ORCPT="], out);
            orcpt.write(server.smtp_utf8, out)?;
        }
        if let (Some(rrvs), true) = (self.rrvs, server.rrvs) {
            put(&[b" RRVS="], out);
            date::write(rrvs.since, out)?;
            put(&[if rrvs.action == RrvsAction::Reject { b";R" } else { b"" }], out);
        }
        Some(())
    }
}

/// RRVS.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ValidSince {
    /// Seconds after 1970-01-01T00:00:00Z, from [`DATE_MIN`] to [`DATE_MAX`].
    pub since: i64,
    /// What a server does that hands on to one without RRVS (RFC 7293 section 5.2).
    pub action: RrvsAction,
}

/// The last letter of RRVS.
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum RrvsAction {
    /// `C`, or none: go on without it.
    #[default]
    Continue,
    /// `R`: reject.
    Reject,
}

impl ValidSince {
    /// A date of RFC 3339, and `;C` or `;R` (RFC 7293 section 3.1).
    fn parse(value: &str) -> Option<Self> {
        let (moment, action) = match value.split_once(';') {
            None => (value, RrvsAction::Continue),
            Some((moment, "C" | "c")) => (moment, RrvsAction::Continue),
            Some((moment, "R" | "r")) => (moment, RrvsAction::Reject),
            Some(_) => return None,
        };
        let since = date::parse(moment)?;
        debug_assert!((DATE_MIN..=DATE_MAX).contains(&since), "a date of four digits");
        Some(Self { since, action })
    }
}

#[cfg(feature = "arbitrary")]
impl arbitrary::Arbitrary<'_> for ValidSince {
    fn arbitrary(u: &mut arbitrary::Unstructured<'_>) -> arbitrary::Result<Self> {
        Ok(Self { since: u.int_in_range(DATE_MIN..=DATE_MAX)?, action: u.arbitrary()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Extensions {
        let mut all = Extensions::default();
        (all.dsn, all.rrvs, all.smtp_utf8) = (true, true, true);
        all
    }

    #[test]
    fn what_is_read_is_written() {
        for (text, is) in [
            (" NOTIFY=NEVER", Ok(())),
            (" NOTIFY=SUCCESS,DELAY ORCPT=rfc822;bob+2Bx@x", Ok(())),
            (" ORCPT=utf-8;jörg@x RRVS=2014-04-03T23:01:00Z;R", Ok(())),
            (" RRVS=0000-01-01T00:00:00Z", Ok(())),
            (" NOTIFY=NEVER NOTIFY=NEVER", Err(BadParam::Value)),
            (" NOTIFY=NEVER,DELAY", Err(BadParam::Value)),
            (" NOTIFY=", Err(BadParam::Value)),
            (" ORCPT=rfc822;a ORCPT=rfc822;a", Err(BadParam::Value)),
            (" ORCPT=bob", Err(BadParam::Value)),
            (" ORCPT", Err(BadParam::Value)),
            (" RRVS=yesterday", Err(BadParam::Value)),
            (" RRVS=2014-04-03T23:01:00Z;X", Err(BadParam::Value)),
            (" SIZE=1", Err(BadParam::Unknown)),
        ] {
            let parsed = RcptParams::parse(text, &Offers::ALL);
            assert_eq!(parsed.map(|_| ()), is, "{text}");
            if let Ok(params) = parsed {
                let mut out = Vec::new();
                assert_eq!(params.write(&all(), &mut out), Some(()));
                assert_eq!(out, text.as_bytes());
            }
        }
        let c = RcptParams::parse("RRVS=2014-04-03T23:01:00Z;c", &Offers::ALL).unwrap().rrvs.unwrap();
        assert_eq!((c.since, c.action), (1_396_566_060, RrvsAction::Continue));
    }

    #[test]
    fn only_what_is_offered_is_known() {
        for text in ["NOTIFY=NEVER", "ORCPT=rfc822;a", "RRVS=2014-04-03T23:01:00Z"] {
            assert_eq!(RcptParams::parse(text, &Offers::default()), Err(BadParam::Unknown), "{text}");
        }
        let ascii = Offers { smtp_utf8: false, ..Offers::ALL };
        assert_eq!(RcptParams::parse("ORCPT=utf-8;jörg@x", &ascii), Err(BadParam::Value));
        let rrvs = Some(ValidSince { since: DATE_MAX + 1, action: RrvsAction::Continue });
        assert_eq!(RcptParams { rrvs, ..RcptParams::default() }.write(&all(), &mut Vec::new()), None);
    }
}
