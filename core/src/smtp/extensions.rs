//! What a server offers in its answer to EHLO, as a client reads it.

use core::num::NonZeroU32;

use super::config::FutureRelease;
use super::params::parse_date;
use super::reply::ReplyLines;
use super::xclient::XclientAttributes;
use crate::sasl::{Mechanism, Mechanisms};
use crate::text::{number, number64, strip_prefix, word};

/// Extensions that a server offered.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Extensions {
    /// RFC 2920.
    pub pipelining: bool,
    /// RFC 6152.
    pub eight_bit_mime: bool,
    /// RFC 6531.
    pub smtp_utf8: bool,
    /// RFC 2034.
    pub enhanced_status_codes: bool,
    /// RFC 3207.
    pub start_tls: bool,
    /// RFC 1870: the most octets of a message; none without the extension, 0 without a limit.
    pub size: Option<u64>,
    /// RFC 4954: those that this crate knows.
    pub auth: Mechanisms,
    /// AUTH was offered in the form of a draft of RFC 2554 alone, `AUTH=PLAIN`: it is not of the
    /// grammar, and is taken for AUTH because servers of that age offer nothing else.
    pub auth_with_equals: bool,
    /// RFC 3030: BDAT.
    pub chunking: bool,
    /// RFC 3030 section 3; never without `chunking`, which it needs.
    pub binary_mime: bool,
    /// RFC 3461.
    pub dsn: bool,
    /// RFC 8689; of no meaning outside TLS.
    pub require_tls: bool,
    /// RFC 9422.
    pub limits: SessionLimits,
    /// RFC 4865: how far in the future a message may be held.
    pub future_release: Option<FutureRelease>,
    /// RFC 2852: the fewest seconds that `BY=n;R` may ask for, 0 without a limit; none without
    /// the extension.
    pub deliver_by: Option<u32>,
    /// RFC 6710.
    pub mt_priority: bool,
    /// RFC 1985.
    pub etrn: bool,
    /// RFC 7293.
    pub rrvs: bool,
    /// Postfix's XCLIENT: what may be told; nothing without the extension.
    pub xclient: XclientAttributes,
}

/// What a server takes over one connection (RFC 9422 section 4). None is no limit that it told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct SessionLimits {
    /// MAILMAX: commands MAIL, those that fail among them.
    pub mails: Option<NonZeroU32>,
    /// RCPTMAX: commands RCPT in one transaction, those that fail among them.
    pub recipients: Option<NonZeroU32>,
    /// RCPTDOMAINMAX: domains of recipients, over all transactions.
    pub domains: Option<NonZeroU32>,
}

impl Extensions {
    pub(super) fn parse(reply: ReplyLines<'_>) -> Self {
        let mut offers = Self::default();
        // The first line is the server's name (RFC 5321 section 4.1.1.1).
        for line in reply.lines().skip(1) {
            let (keyword, rest) = word(line);
            offers.note(keyword, rest);
        }
        offers.binary_mime &= offers.chunking;
        offers
    }

    fn note(&mut self, keyword: &[u8], rest: &[u8]) {
        let is = |name: &str| keyword.eq_ignore_ascii_case(name.as_bytes());
        match keyword.len() {
            3 if is("DSN") => self.dsn = true,
            4 if is("SIZE") => self.size = Some(number64(rest.trim_ascii()).unwrap_or(0)),
            4 if is("AUTH") => {
                self.auth = self.auth | mechanisms(rest);
                self.auth_with_equals = false;
            }
            4 if is("ETRN") => self.etrn = true,
            4 if is("RRVS") => self.rrvs = true,
            6 if is("LIMITS") => self.limits = SessionLimits::parse(rest),
            7 if is("XCLIENT") => self.xclient = XclientAttributes::parse(rest),
            8 if is("8BITMIME") => self.eight_bit_mime = true,
            8 if is("SMTPUTF8") => self.smtp_utf8 = true,
            8 if is("STARTTLS") => self.start_tls = true,
            8 if is("CHUNKING") => self.chunking = true,
            9 if is("DELIVERBY") => self.deliver_by = Some(number(rest.trim_ascii()).unwrap_or(0)),
            10 if is("PIPELINING") => self.pipelining = true,
            10 if is("BINARYMIME") => self.binary_mime = true,
            10 if is("REQUIRETLS") => self.require_tls = true,
            11 if is("MT-PRIORITY") => self.mt_priority = true,
            13 if is("FUTURERELEASE") => self.future_release = future_release(rest),
            19 if is("ENHANCEDSTATUSCODES") => self.enhanced_status_codes = true,
            _ => {
                if let Some(first) = strip_prefix(keyword, b"AUTH=") {
                    self.auth_with_equals = self.auth.is_empty();
                    self.auth = self.auth | mechanisms(first) | mechanisms(rest);
                }
            }
        }
    }
}

/// Seconds and a date; the extension is not offered without both (RFC 4865 section 3).
fn future_release(params: &[u8]) -> Option<FutureRelease> {
    let (seconds, until) = word(params);
    let until = parse_date(core::str::from_utf8(until.trim_ascii()).ok()?)?;
    Some(FutureRelease { seconds: number(seconds)?, until: u32::try_from(until.max(0)).unwrap_or(u32::MAX) })
}

/// Those of the names that this crate knows.
fn mechanisms(names: &[u8]) -> Mechanisms {
    let known = |name: &[u8]| core::str::from_utf8(name).ok().and_then(Mechanism::parse);
    names.split(u8::is_ascii_whitespace).filter_map(known).fold(Mechanisms::NONE, Mechanisms::with)
}

impl SessionLimits {
    /// Limits that nobody here knows, and values that are none, are as if they were not there
    /// (RFC 9422 section 3.7).
    fn parse(params: &[u8]) -> Self {
        let mut limits = Self::default();
        for limit in params.split(u8::is_ascii_whitespace) {
            for (name, slot) in [
                (&b"MAILMAX="[..], &mut limits.mails),
                (b"RCPTMAX=", &mut limits.recipients),
                (b"RCPTDOMAINMAX=", &mut limits.domains),
            ] {
                // One to six digits, and not 0 (RFC 9422 section 4).
                let value = strip_prefix(limit, name).filter(|value| value.len() <= 6).and_then(number);
                *slot = value.and_then(NonZeroU32::new).or(*slot);
            }
        }
        limits
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    fn of(lines: &[&str]) -> Extensions {
        let mut raw = String::from("250-mx.example\r\n");
        for line in lines {
            raw.extend(["250-", line, "\r\n"]);
        }
        Extensions::parse(ReplyLines { code: 250, raw: raw.as_bytes() })
    }

    #[test]
    fn every_extension_is_read_in_any_case() {
        let all = of(&[
            "PIPELINING",
            "8bitmime",
            "SmtpUtf8",
            "ENHANCEDSTATUSCODES",
            "STARTTLS",
            "SIZE 1000",
            "AUTH PLAIN login",
            "CHUNKING",
            "BINARYMIME",
            "DSN",
            "REQUIRETLS",
            "LIMITS RCPTMAX=20",
            "FUTURERELEASE 86400 2026-12-01T00:00:00Z",
            "DELIVERBY 240",
            "MT-PRIORITY MIXER",
            "ETRN",
            "RRVS",
            "XCLIENT NAME ADDR",
        ]);
        assert!(all.pipelining && all.eight_bit_mime && all.smtp_utf8 && all.enhanced_status_codes && all.start_tls);
        assert!(
            all.chunking && all.binary_mime && all.dsn && all.require_tls && all.mt_priority && all.etrn && all.rrvs
        );
        assert_eq!((all.size, all.auth), (Some(1000), Mechanisms::PASSWORD));
        let most = FutureRelease { seconds: 86400, until: 1_796_083_200 };
        assert_eq!((all.future_release, all.deliver_by), (Some(most), Some(240)));
        assert_eq!(all.limits.recipients, NonZeroU32::new(20));
        assert!(!all.xclient.is_empty() && !all.auth_with_equals);
    }

    #[test]
    fn what_is_not_there_is_not_offered() {
        assert_eq!(of(&[]), Extensions::default());
        for line in ["XPIPELINING", "SIZES 1", "AUTHENTICATE PLAIN", "DSN2", "", "BINARYMIME", "FUTURERELEASE"] {
            assert_eq!(of(&[line]), Extensions::default(), "{line}");
        }
        let size = |line| of(&[line]).size;
        assert_eq!((size("SIZE"), size("SIZE 0"), size("SIZE x")), (Some(0), Some(0), Some(0)));
        assert_eq!((of(&["DELIVERBY"]).deliver_by, of(&["DELIVERBY 5"]).deliver_by), (Some(0), Some(5)));
    }

    #[test]
    fn the_old_form_of_auth_is_a_tolerance_with_a_name() {
        let old = of(&["AUTH=PLAIN LOGIN"]);
        assert_eq!((old.auth, old.auth_with_equals), (Mechanisms::PASSWORD, true));
        for both in [["AUTH=LOGIN", "AUTH PLAIN"], ["AUTH PLAIN", "AUTH=LOGIN"]] {
            let both = of(&both);
            assert_eq!((both.auth, both.auth_with_equals), (Mechanisms::PASSWORD, false));
        }
        assert_eq!(of(&["AUTH CRAM-MD5 scram-sha-256"]).auth, Mechanism::ScramSha256.into());
    }

    #[test]
    fn limits_that_are_none_are_ignored() {
        for (params, mails, recipients, domains) in [
            ("MAILMAX=10 RCPTMAX=20 RCPTDOMAINMAX=1", 10, 20, 1),
            ("mailmax=999999 X=1 NEW RCPTMAX=1", 999_999, 1, 0),
            ("MAILMAX=0 RCPTMAX=1000000 RCPTDOMAINMAX=x", 0, 0, 0),
            ("MAILMAX RCPTMAX= RCPTDOMAINMAX=-1", 0, 0, 0),
            ("MAILMAX=5 MAILMAX=0", 5, 0, 0),
            ("", 0, 0, 0),
        ] {
            let limits = SessionLimits::parse(params.as_bytes());
            let wanted = [mails, recipients, domains].map(NonZeroU32::new);
            assert_eq!([limits.mails, limits.recipients, limits.domains], wanted, "{params}");
        }
    }
}
