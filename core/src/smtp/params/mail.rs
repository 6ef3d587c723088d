//! The parameters of MAIL.

use alloc::vec::Vec;

use super::xtext::Xtext;
use super::{BadParam, DeliverBy, KEYWORD_MAX, Param, Ret, date, offered, once, params, up_to_nine};
use crate::smtp::config::Offers;
use crate::smtp::extensions::Extensions;
use crate::smtp::path::{PATH_MAX, is_mailbox_utf8};
use crate::text::{number64, put, put_number};

/// The parameters of MAIL, checked.
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct MailParams<'i> {
    /// Octets that the client means to send (RFC 1870).
    pub size: Option<u64>,
    /// BODY (RFC 6152, RFC 3030).
    pub body: Option<BodyType>,
    /// SMTPUTF8: addresses or header hold UTF-8 (RFC 6531).
    pub smtp_utf8: bool,
    /// AUTH: who submitted it first, a mailbox once decoded (RFC 4954 section 5);
    /// [`Xtext::NULL`] if that is not known.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = arbitrary_auth))]
    pub auth: Option<Xtext<'i>>,
    /// RET: how much of the message a failure report returns (RFC 3461 section 4.3).
    pub ret: Option<Ret>,
    /// ENVID: the sender's name for this transaction (RFC 3461 section 4.4): at most 100 octets
    /// as encoded, and printable once decoded.
    #[cfg_attr(feature = "arbitrary", arbitrary(with = arbitrary_envid))]
    pub envid: Option<Xtext<'i>>,
    /// REQUIRETLS: on no hop without verified TLS (RFC 8689).
    pub require_tls: bool,
    /// HOLDFOR, HOLDUNTIL: not to be sent on before (RFC 4865).
    pub hold: Option<Hold>,
    /// BY: the time that delivery may take (RFC 2852).
    pub by: Option<DeliverBy>,
    /// MT-PRIORITY: -9 to 9, what is above 0 before the rest (RFC 6710).
    pub priority: Option<Priority>,
}

/// Octets of ENVID's value (RFC 3461 section 4.4).
const ENVID_MAX: usize = 100;

impl<'i> MailParams<'i> {
    /// What SIZE and BODY say, which most messages have.
    pub const fn new(size: Option<u64>, body: Option<BodyType>) -> Self {
        Self {
            size,
            body,
            smtp_utf8: false,
            auth: None,
            ret: None,
            envid: None,
            require_tls: false,
            hold: None,
            by: None,
            priority: None,
        }
    }

    /// Parses what stands behind the path; `auth` if AUTH is offered.
    pub(in crate::smtp) fn parse(text: &'i str, offers: &Offers, auth: bool) -> Result<Self, BadParam> {
        let mut parsed = Self::default();
        for param in params(text) {
            parsed.take(param, offers, auth)?;
        }
        Ok(parsed)
    }

    fn take(&mut self, param: Param<'i>, offers: &Offers, auth: bool) -> Result<(), BadParam> {
        let value = param.value();
        match param.upper(&mut [0; KEYWORD_MAX]) {
            b"SIZE" => once(&mut self.size, valid(number64(value?.as_bytes()))?),
            b"BODY" => once(&mut self.body, valid(BodyType::parse(value?, offers.binary_mime))?),
            b"SMTPUTF8" => flag(&mut self.smtp_utf8, param, offers.smtp_utf8),
            b"RET" => {
                offered(offers.dsn)?;
                once(&mut self.ret, valid(Ret::parse(value?))?)
            }
            b"ENVID" => {
                offered(offers.dsn)?;
                once(&mut self.envid, valid(Xtext::parse(value?).filter(|&envid| is_envid(envid)))?)
            }
            b"AUTH" => {
                offered(auth)?;
                once(&mut self.auth, valid(Xtext::parse(value?).filter(|&auth| is_submitter(auth)))?)
            }
            b"REQUIRETLS" => flag(&mut self.require_tls, param, offers.require_tls),
            b"HOLDFOR" => {
                let most = offers.future_release.ok_or(BadParam::Unknown)?.seconds;
                let seconds = valid(up_to_nine(value?).filter(|seconds| (1..=most).contains(seconds)))?;
                once(&mut self.hold, Hold::For(seconds))
            }
            b"HOLDUNTIL" => {
                let most = offers.future_release.ok_or(BadParam::Unknown)?.until;
                let until = date::parse(value?).and_then(|until| u32::try_from(until).ok());
                once(&mut self.hold, Hold::Until(valid(until.filter(|&until| until <= most))?))
            }
            b"BY" => {
                let least = offers.deliver_by.ok_or(BadParam::Unknown)?;
                let by = DeliverBy::parse(value?).filter(|by| !by.is_hasty(least));
                once(&mut self.by, valid(by)?)
            }
            b"MT-PRIORITY" => {
                offered(offers.mt_priority)?;
                once(&mut self.priority, valid(Priority::parse(value?))?)
            }
            _ => Err(BadParam::Unknown),
        }
    }

    /// Appends each parameter whose extension the server offered, behind a space; none if a
    /// value is not of the grammar.
    pub(in crate::smtp) fn write(&self, server: &Extensions, out: &mut Vec<u8>) -> Option<()> {
        if let (Some(size), Some(_)) = (self.size, server.size) {
            put(&[b" SIZE="], out);
            put_number(size, out);
        }
        match self.body {
            Some(BodyType::BinaryMime) if server.binary_mime => put(&[b" BODY=BINARYMIME"], out),
            Some(BodyType::EightBitMime) if server.eight_bit_mime => put(&[b" BODY=8BITMIME"], out),
            Some(BodyType::SevenBit) if server.eight_bit_mime => put(&[b" BODY=7BIT"], out),
            _ => {}
        }
        if self.smtp_utf8 && server.smtp_utf8 {
            put(&[b" SMTPUTF8"], out);
        }
        if let (Some(auth), false) = (self.auth, server.auth.is_empty()) {
            is_submitter(auth).then_some(())?;
            put(&[b" AUTH=", auth.as_str().as_bytes()], out);
        }
        if let (Some(ret), true) = (self.ret, server.dsn) {
            put(&[b" RET=", ret.as_str().as_bytes()], out);
        }
        if let (Some(envid), true) = (self.envid, server.dsn) {
            is_envid(envid).then_some(())?;
            put(&[b" ENVID=", envid.as_str().as_bytes()], out);
        }
        if self.require_tls && server.require_tls {
            put(&[b" REQUIRETLS"], out);
        }
        match self.hold.filter(|_| server.future_release.is_some()) {
            Some(Hold::For(seconds @ 1..=999_999_999)) => {
                put(&[b" HOLDFOR="], out);
                put_number(seconds.into(), out);
            }
            Some(Hold::For(_)) => return None,
            Some(Hold::Until(until)) => {
                put(&[b" HOLDUNTIL="], out);
                date::write(until.into(), out)?;
            }
            None => {}
        }
        if let (Some(by), true) = (self.by, server.deliver_by.is_some()) {
            put(&[b" BY="], out);
            by.write(out)?;
        }
        if let (Some(priority), true) = (self.priority, server.mt_priority) {
            put(&[b" MT-PRIORITY=", if priority.0 < 0 { b"-" } else { b"" }], out);
            put_number(priority.0.unsigned_abs().into(), out);
        }
        Some(())
    }
}

fn valid<T>(value: Option<T>) -> Result<T, BadParam> {
    value.ok_or(BadParam::Value)
}

/// A keyword without a value, once.
fn flag(slot: &mut bool, param: Param<'_>, is_offered: bool) -> Result<(), BadParam> {
    offered(is_offered)?;
    param.alone()?;
    if core::mem::replace(slot, true) { Err(BadParam::Value) } else { Ok(()) }
}

/// RFC 4954 section 5: `<>` or a mailbox, of UTF-8 perhaps, which xtext makes ASCII on the line.
fn is_submitter(auth: Xtext<'_>) -> bool {
    auth == Xtext::NULL || auth.text(&mut [0; PATH_MAX]).is_some_and(is_mailbox_utf8)
}

fn is_envid(envid: Xtext<'_>) -> bool {
    envid.as_str().len() <= ENVID_MAX && envid.is_printable()
}

/// What a message's body may hold.
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum BodyType {
    /// Octets below 128, in lines.
    SevenBit,
    /// All octets, in lines (RFC 6152).
    EightBitMime,
    /// All octets, in lines or not: by BDAT only (RFC 3030 section 3).
    BinaryMime,
}

impl BodyType {
    fn parse(value: &str, binary: bool) -> Option<Self> {
        match value {
            _ if value.eq_ignore_ascii_case("7BIT") => Some(Self::SevenBit),
            _ if value.eq_ignore_ascii_case("8BITMIME") => Some(Self::EightBitMime),
            _ if binary && value.eq_ignore_ascii_case("BINARYMIME") => Some(Self::BinaryMime),
            _ => None,
        }
    }
}

/// HOLDFOR or HOLDUNTIL (RFC 4865 section 4).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Hold {
    /// So many seconds: 1 to 999999999.
    For(u32),
    /// Until so many seconds after 1970-01-01T00:00:00Z.
    Until(u32),
}

/// MT-PRIORITY: -9 to 9.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Priority(i8);

impl Priority {
    /// None outside of -9 to 9.
    pub const fn new(value: i8) -> Option<Self> {
        if -9 <= value && value <= 9 { Some(Self(value)) } else { None }
    }

    /// -9 to 9.
    pub const fn get(self) -> i8 {
        self.0
    }

    /// RFC 6710 section 7: one digit, and `-` before all but 0.
    fn parse(value: &str) -> Option<Self> {
        match value.as_bytes() {
            [digit @ b'0'..=b'9'] => Self::new((digit - b'0') as i8),
            [b'-', digit @ b'1'..=b'9'] => Self::new(-((digit - b'0') as i8)),
            _ => None,
        }
    }
}

#[cfg(feature = "arbitrary")]
mod arbitrary_values {
    use arbitrary::{Arbitrary, Result, Unstructured};

    use super::{Hold, Priority, Xtext, is_envid, is_submitter};

    pub(super) fn arbitrary_auth<'a>(u: &mut Unstructured<'a>) -> Result<Option<Xtext<'a>>> {
        Ok(Option::<Xtext<'a>>::arbitrary(u)?.map(|auth| if is_submitter(auth) { auth } else { Xtext::NULL }))
    }

    pub(super) fn arbitrary_envid<'a>(u: &mut Unstructured<'a>) -> Result<Option<Xtext<'a>>> {
        Ok(Option::<Xtext<'a>>::arbitrary(u)?.filter(|&envid| is_envid(envid)))
    }

    impl Arbitrary<'_> for Hold {
        fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
            Ok(if bool::arbitrary(u)? {
                Self::For(u.int_in_range(1..=999_999_999)?)
            } else {
                Self::Until(u.arbitrary()?)
            })
        }
    }

    impl Arbitrary<'_> for Priority {
        fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
            Ok(Self(u.int_in_range(-9..=9)?))
        }
    }
}
#[cfg(feature = "arbitrary")]
use arbitrary_values::{arbitrary_auth, arbitrary_envid};

#[cfg(test)]
mod tests {
    use super::super::ByMode;
    use super::*;
    use alloc::format;
    use alloc::string::{String, ToString};

    /// All that a server may offer, read by a client.
    fn all() -> Extensions {
        let mut all = Extensions::default();
        (all.size, all.eight_bit_mime, all.smtp_utf8, all.binary_mime) = (Some(0), true, true, true);
        (all.dsn, all.require_tls, all.mt_priority) = (true, true, true);
        (all.future_release, all.deliver_by) = (Some(crate::smtp::FutureRelease { seconds: 1, until: 1 }), Some(0));
        all.auth = crate::sasl::Mechanisms::PASSWORD;
        all
    }

    fn written(params: &MailParams<'_>) -> Option<String> {
        let mut out = Vec::new();
        params.write(&all(), &mut out)?;
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn what_is_read_is_written() {
        let offers = Offers::ALL;
        for (text, is) in [
            (" SIZE=1", Ok(())),
            (" SIZE=18446744073709551615 BODY=8BITMIME", Ok(())),
            (" BODY=7BIT", Ok(())),
            (" BODY=BINARYMIME SMTPUTF8 AUTH=<>", Ok(())),
            (" AUTH=+22a+20b+22@x", Ok(())),
            (" AUTH=j+C3+B6rg@x", Ok(())),
            (" AUTH=e+3Dmc2@x RET=FULL ENVID=QQ314159", Ok(())),
            (" RET=HDRS REQUIRETLS HOLDFOR=86400 BY=120;R MT-PRIORITY=-9", Ok(())),
            (" HOLDUNTIL=2026-11-25T02:43:50Z BY=-120;NT MT-PRIORITY=0", Ok(())),
            (" BY=999999999;RT MT-PRIORITY=9", Ok(())),
            (" SIZE=18446744073709551616", Err(BadParam::Value)),
            (" SIZE=", Err(BadParam::Value)),
            (" SIZE", Err(BadParam::Value)),
            (" SIZE=1 SIZE=1", Err(BadParam::Value)),
            (" BODY=9BIT", Err(BadParam::Value)),
            (" SMTPUTF8=", Err(BadParam::Value)),
            (" SMTPUTF8 SMTPUTF8", Err(BadParam::Value)),
            (" AUTH=", Err(BadParam::Value)),
            (" AUTH=a=b", Err(BadParam::Value)),
            (" AUTH=nobody", Err(BadParam::Value)),
            (" AUTH=a+0D+0Ab@x", Err(BadParam::Value)),
            (" AUTH=+FF@x", Err(BadParam::Value)),
            (" AUTH=<a@x>", Err(BadParam::Value)),
            (" RET=ALL", Err(BadParam::Value)),
            (" RET=FULL RET=HDRS", Err(BadParam::Value)),
            (" ENVID=a+0A", Err(BadParam::Value)),
            (" ENVID=a ENVID=a", Err(BadParam::Value)),
            (" REQUIRETLS=YES", Err(BadParam::Value)),
            (" HOLDFOR=0", Err(BadParam::Value)),
            (" HOLDFOR=1000000000", Err(BadParam::Value)),
            (" HOLDFOR=1 HOLDUNTIL=2026-11-25T02:43:50Z", Err(BadParam::Value)),
            (" HOLDUNTIL=1969-12-31T23:59:59Z", Err(BadParam::Value)),
            (" HOLDUNTIL=tomorrow", Err(BadParam::Value)),
            (" BY=0;R", Err(BadParam::Value)),
            (" BY=-1;R", Err(BadParam::Value)),
            (" BY=1", Err(BadParam::Value)),
            (" BY=1;", Err(BadParam::Value)),
            (" BY=1;X", Err(BadParam::Value)),
            (" BY=1;RX", Err(BadParam::Value)),
            (" BY=;N", Err(BadParam::Value)),
            (" BY=-;N", Err(BadParam::Value)),
            (" BY=1000000000;N", Err(BadParam::Value)),
            (" MT-PRIORITY=10", Err(BadParam::Value)),
            (" MT-PRIORITY=+1", Err(BadParam::Value)),
            (" MT-PRIORITY=-0", Err(BadParam::Value)),
            (" XYZZY", Err(BadParam::Unknown)),
            (" XYZZY=1", Err(BadParam::Unknown)),
            (" =1", Err(BadParam::Unknown)),
            (" NOTIFY=NEVER", Err(BadParam::Unknown)),
        ] {
            let parsed = MailParams::parse(text, &offers, true);
            assert_eq!(parsed.map(|_| ()), is, "{text}");
            if let Ok(params) = parsed {
                assert_eq!(written(&params).as_deref(), Some(text));
                // Keywords are of any case; the digits of xtext are not.
                let small = text.to_lowercase().replace("+3d", "+3D").replace("+c3+b6", "+C3+B6");
                assert!(MailParams::parse(&small, &offers, true).is_ok(), "{small}");
            }
        }
        let envid = |len: usize| format!("ENVID={}", "a".repeat(len));
        assert!(MailParams::parse(&envid(ENVID_MAX), &offers, true).is_ok());
        assert!(MailParams::parse(&envid(ENVID_MAX + 1), &offers, true).is_err());
        assert_eq!(MailParams::parse("BY=+5;N", &offers, true).unwrap().by.unwrap().seconds, 5);
    }

    #[test]
    fn only_what_is_offered_is_known() {
        for text in [
            "SMTPUTF8",
            "RET=FULL",
            "ENVID=x",
            "AUTH=<>",
            "REQUIRETLS",
            "HOLDFOR=1",
            "HOLDUNTIL=2026-01-01T00:00:00Z",
            "BY=1;N",
            "MT-PRIORITY=1",
        ] {
            assert_eq!(MailParams::parse(text, &Offers::default(), false), Err(BadParam::Unknown), "{text}");
        }
        assert_eq!(MailParams::parse("BODY=BINARYMIME", &Offers::default(), false), Err(BadParam::Value));
        let all = MailParams::parse("BODY=8BITMIME SIZE=1 RET=FULL SMTPUTF8", &Offers::ALL, true).unwrap();
        let mut out = Vec::new();
        assert_eq!(all.write(&Extensions::default(), &mut out), Some(()));
        assert_eq!(out, b"");
    }

    #[test]
    fn limits_that_were_announced_are_kept() {
        let mut offers = Offers::ALL;
        offers.future_release = Some(crate::smtp::FutureRelease { seconds: 60, until: 1_795_574_630 });
        offers.deliver_by = Some(30);
        for (text, is) in [
            ("HOLDFOR=60", true),
            ("HOLDFOR=61", false),
            ("HOLDUNTIL=2026-11-25T02:43:50Z", true),
            ("HOLDUNTIL=2026-11-25T02:43:51Z", false),
            ("BY=30;R", true),
            ("BY=29;R", false),
            ("BY=29;N", true),
        ] {
            assert_eq!(MailParams::parse(text, &offers, true).is_ok(), is, "{text}");
        }
    }

    #[test]
    fn what_is_not_of_the_grammar_is_not_written() {
        let by = |seconds, mode| Some(DeliverBy { seconds, mode, trace: false });
        let text = "a".repeat(ENVID_MAX + 1);
        for params in [
            MailParams { hold: Some(Hold::For(0)), ..MailParams::default() },
            MailParams { hold: Some(Hold::For(1_000_000_000)), ..MailParams::default() },
            MailParams { by: by(0, ByMode::Return), ..MailParams::default() },
            MailParams { by: by(i32::MIN, ByMode::Notify), ..MailParams::default() },
            MailParams { auth: Xtext::parse("nobody"), ..MailParams::default() },
            MailParams { auth: Xtext::parse("+0D+0A@x"), ..MailParams::default() },
            MailParams { envid: Xtext::parse("+0D+0A"), ..MailParams::default() },
            MailParams { envid: Xtext::parse(&text), ..MailParams::default() },
        ] {
            assert_eq!(written(&params), None, "{params:?}");
        }
        assert_eq!(Priority::new(10), None);
        assert_eq!(format!("{:?}", Priority::new(-9).map(Priority::get)), "Some(-9)".to_string());
    }
}
