//! What a server offers in its answer to EHLO, as a client reads it.

use super::reply::ReplyLines;
use crate::sasl::{Mechanism, Mechanisms};
use crate::text::{number64, word};

/// Extensions that a server offered.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Extensions {
    /// RFC 2920.
    pub pipelining: bool,
    /// RFC 6152.
    pub eight_bit_mime: bool,
    /// RFC 2034.
    pub enhanced_status_codes: bool,
    /// RFC 3207.
    pub start_tls: bool,
    /// RFC 1870: the most octets of a message; none without the extension, 0 without a limit.
    pub size: Option<u64>,
    /// AUTH (RFC 4954): those that we know of the mechanisms that it lists.
    pub auth: Mechanisms,
    /// RFC 6531.
    pub smtp_utf8: bool,
    /// RFC 3030: BDAT.
    pub chunking: bool,
    /// RFC 3030 section 3.
    pub binary_mime: bool,
    /// RFC 3461.
    pub dsn: bool,
    /// RFC 8689.
    pub require_tls: bool,
    /// RFC 4865: the most seconds of HOLDFOR, and the latest HOLDUNTIL in seconds after 1970.
    pub future_release: Option<(u32, u32)>,
    /// RFC 2852: the least seconds of BY with a return; 0 for any.
    pub deliver_by: Option<u32>,
    /// RFC 6710.
    pub mt_priority: bool,
    /// RFC 7293.
    pub rrvs: bool,
    /// RFC 1985.
    pub etrn: bool,
    /// RFC 9422.
    pub limits: SaidLimits,
}

/// What a server says of its limits (RFC 9422 section 4).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SaidLimits {
    /// MAILMAX: transactions in one connection.
    pub mail_max: Option<u32>,
    /// RCPTMAX: recipients in one transaction.
    pub rcpt_max: Option<u32>,
    /// RCPTDOMAINMAX: domains of recipients in one transaction.
    pub rcpt_domain_max: Option<u32>,
}

impl Extensions {
    pub(super) fn parse(reply: ReplyLines<'_>) -> Self {
        let mut offers = Self::default();
        // The first line is the server's name (RFC 5321 section 4.1.1.1).
        for line in reply.lines().skip(1) {
            let (keyword, rest) = word(line);
            let is = |name: &[u8]| keyword.eq_ignore_ascii_case(name);
            if is(b"PIPELINING") {
                offers.pipelining = true;
            } else if is(b"8BITMIME") {
                offers.eight_bit_mime = true;
            } else if is(b"ENHANCEDSTATUSCODES") {
                offers.enhanced_status_codes = true;
            } else if is(b"STARTTLS") {
                offers.start_tls = true;
            } else if is(b"SIZE") {
                offers.size = Some(number64(rest.trim_ascii()).unwrap_or(0));
            } else if is(b"AUTH") {
                let names = rest.split(|&byte| byte == b' ').filter_map(|name| core::str::from_utf8(name).ok());
                offers.auth = names.filter_map(Mechanism::parse).fold(Mechanisms::NONE, Mechanisms::with);
            }
        }
        offers
    }
}
