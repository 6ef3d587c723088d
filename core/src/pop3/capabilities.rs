//! What a server says in CAPA (RFC 2449), as a client reads it.

use crate::sasl::{Mechanism, Mechanisms};
use crate::text::{number, word};

/// What a server said in CAPA.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Capabilities {
    /// USER and PASS.
    pub user: bool,
    /// TOP.
    pub top: bool,
    /// UIDL.
    pub uidl: bool,
    /// STLS (RFC 2595).
    pub stls: bool,
    /// PIPELINING.
    pub pipelining: bool,
    /// RESP-CODES.
    pub resp_codes: bool,
    /// AUTH-RESP-CODE (RFC 3206).
    pub auth_resp_code: bool,
    /// UTF8 (RFC 6856).
    pub utf8: bool,
    /// UTF8 USER: names and passwords may hold UTF-8.
    pub utf8_user: bool,
    /// LANG (RFC 6856).
    pub lang: bool,
    /// SASL, as far as the mechanisms are known here (RFC 5034).
    pub sasl: Mechanisms,
    /// EXPIRE: how long messages are kept.
    pub expire: Option<Expire>,
    /// LOGIN-DELAY: seconds that the server wants between two logins.
    pub login_delay: Option<u32>,
}

/// How long a server keeps messages (RFC 2449 section 6.7).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expire {
    /// NEVER.
    Never,
    /// So many days at least; 0 if they go when they were fetched.
    Days(u32),
}

impl Capabilities {
    /// Takes one line.
    pub(super) fn learn(&mut self, line: &[u8]) {
        let (keyword, rest) = word(line);
        let words = || rest.split(|&byte| byte == b' ').filter_map(|word| core::str::from_utf8(word).ok());
        let flag = match &keyword.to_ascii_uppercase()[..] {
            b"USER" => &mut self.user,
            b"TOP" => &mut self.top,
            b"UIDL" => &mut self.uidl,
            b"STLS" => &mut self.stls,
            b"PIPELINING" => &mut self.pipelining,
            b"RESP-CODES" => &mut self.resp_codes,
            b"AUTH-RESP-CODE" => &mut self.auth_resp_code,
            b"LANG" => &mut self.lang,
            b"UTF8" => {
                self.utf8_user |= words().any(|word| word.eq_ignore_ascii_case("USER"));
                &mut self.utf8
            }
            b"SASL" => {
                self.sasl = words().filter_map(Mechanism::parse).fold(self.sasl, Mechanisms::with);
                return;
            }
            b"EXPIRE" => {
                let (when, _) = word(rest);
                let never = when.eq_ignore_ascii_case(b"NEVER");
                self.expire = if never { Some(Expire::Never) } else { number(when).map(Expire::Days) };
                return;
            }
            b"LOGIN-DELAY" => {
                self.login_delay = number(word(rest).0);
                return;
            }
            _ => return,
        };
        *flag = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_capa() {
        let mut known = Capabilities::default();
        for line in [
            &b"TOP"[..],
            b"user",
            b"SASL PLAIN X-OWN scram-sha-256",
            b"EXPIRE 60 USER",
            b"LOGIN-DELAY 900",
            b"UTF8 USER",
            b"IMPLEMENTATION Shlemazle-Plotz-v302",
            b"UIDLX",
            b"",
        ] {
            known.learn(line);
        }
        let sasl = Mechanisms::of(&[Mechanism::Plain, Mechanism::ScramSha256]);
        let (expire, login_delay) = (Some(Expire::Days(60)), Some(900));
        let is = Capabilities {
            top: true,
            user: true,
            utf8: true,
            utf8_user: true,
            sasl,
            expire,
            login_delay,
            ..Capabilities::default()
        };
        assert_eq!(known, is);
        known.learn(b"EXPIRE NEVER");
        assert_eq!(known.expire, Some(Expire::Never));
    }
}
