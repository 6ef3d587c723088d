//! What a server offers in its answer to EHLO, as a client reads it.

use super::reply::ReplyLines;
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
    /// AUTH PLAIN (RFC 4954, RFC 4616).
    pub auth_plain: bool,
    /// AUTH LOGIN.
    pub auth_login: bool,
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
                let mut mechanisms = rest.split(|&byte| byte == b' ');
                offers.auth_plain = mechanisms.clone().any(|name| name.eq_ignore_ascii_case(b"PLAIN"));
                offers.auth_login = mechanisms.any(|name| name.eq_ignore_ascii_case(b"LOGIN"));
            }
        }
        offers
    }
}
