//! What the answer to EHLO lists (RFC 5321 section 4.1.1.1): here and nowhere else.

use alloc::vec::Vec;

use super::Server;
use crate::smtp::config::FutureRelease;
use crate::smtp::params::put_date;
use crate::smtp::xclient::XclientAttribute;
use crate::text::{put, put_number};

impl Server {
    /// The lines after the first. LMTP has the same: RFC 2033 section 5 asks for PIPELINING and
    /// ENHANCEDSTATUSCODES, and for 8BITMIME besides.
    pub(super) fn extensions(&self, out: &mut Vec<u8>) {
        let (offers, limits) = (&self.config.offers, &self.config.limits);
        put(&[b"250-PIPELINING\r\n250-8BITMIME\r\n"], out);
        numbered("SIZE", Some(limits.message), out);
        for (keyword, offered) in [
            ("SMTPUTF8", offers.smtp_utf8),
            ("CHUNKING", offers.chunking),
            ("BINARYMIME", offers.binary_mime),
            ("DSN", offers.dsn),
            ("RRVS", offers.rrvs),
            ("ETRN", offers.etrn),
            // RFC 6710 section 3: without the name of a policy, which we do not tell.
            ("MT-PRIORITY", offers.mt_priority),
            // RFC 8689 section 2: under TLS only.
            ("REQUIRETLS", offers.require_tls && self.secure),
            ("STARTTLS", self.config.tls && !self.secure),
        ] {
            if offered {
                put(&[b"250-", keyword.as_bytes(), b"\r\n"], out);
            }
        }
        if let Some(FutureRelease { seconds, until }) = offers.future_release {
            // RFC 4865 section 3.
            put(&[b"250-FUTURERELEASE "], out);
            put_number(seconds.into(), out);
            put(&[b" "], out);
            put_date(until.into(), out);
            put(&[b"\r\n"], out);
        }
        if let Some(least) = offers.deliver_by {
            // RFC 2852 section 2: without a number there is no least.
            numbered("DELIVERBY", Some(u64::from(least)).filter(|&least| least > 0), out);
        }
        if offers.limits {
            // RFC 9422 section 3.
            put(&[b"250-LIMITS RCPTMAX="], out);
            put_number(limits.recipients.into(), out);
            if let Some(messages) = limits.messages {
                put(&[b" MAILMAX="], out);
                put_number(messages.into(), out);
            }
            put(&[b"\r\n"], out);
        }
        if offers.xclient {
            put(&[b"250-XCLIENT"], out);
            for attribute in XclientAttribute::ALL {
                put(&[b" ", attribute.name().as_bytes()], out);
            }
            put(&[b"\r\n"], out);
        }
        if self.offers_auth() {
            put(&[b"250-AUTH"], out);
            self.config.auth.write(b" ", out);
            put(&[b"\r\n"], out);
        }
        put(&[b"250 ENHANCEDSTATUSCODES\r\n"], out);
    }
}

fn numbered(keyword: &str, value: Option<u64>, out: &mut Vec<u8>) {
    put(&[b"250-", keyword.as_bytes()], out);
    if let Some(value) = value {
        out.push(b' ');
        put_number(value, out);
    }
    put(&[b"\r\n"], out);
}
