//! OAUTHBEARER (RFC 7628) and XOAUTH2, its forerunner by Google, which Microsoft speaks too.
//!
//! ```text
//! OAUTHBEARER  n,a=bob@example.org,^Ahost=mail.example.org^Aport=993^Aauth=Bearer TOKEN^A^A
//! XOAUTH2      user=bob@example.org^Aauth=Bearer TOKEN^A^A
//! ```
//!
//! A refusal is said in a challenge, which the client must answer before it is told that it is
//! not logged in (RFC 7628 section 3.2.3).

use alloc::format;
use alloc::string::String;
use core::fmt;

use super::message::{Flag, Gs2, escape, is_name};

/// Between key/value pairs: `kvsep` of RFC 7628 section 3.1.
const SEPARATOR: char = '\x01';

/// A bearer token (RFC 6750), and for whom it is said to be.
#[derive(Clone, Eq, PartialEq)]
pub struct Token {
    /// Whom the client wants to act as; empty for whom the token names.
    pub authorization: String,
    /// The token: ASCII, of the characters of RFC 6750 section 2.1 (b64token).
    pub token: String,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({} ..)", self.authorization)
    }
}

/// What a client whose token is refused is told besides, so that it can find a better one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TokenRefusal<'a> {
    /// A scope that would do; empty if none is wanted.
    pub scope: &'a str,
    /// Where the issuer describes itself (OpenID Connect Discovery); empty if nowhere.
    pub openid_configuration: &'a str,
}

impl TokenRefusal<'_> {
    /// RFC 7628 section 3.2.2.
    pub(super) fn of_oauth_bearer(&self) -> String {
        let mut json = String::from("{\"status\":\"invalid_token\"");
        for (name, value) in [("scope", self.scope), ("openid-configuration", self.openid_configuration)] {
            if !value.is_empty() {
                json.push_str(&format!(",\"{name}\":\"{}\"", json_string(value)));
            }
        }
        json.push('}');
        json
    }

    /// As Google's servers write it.
    pub(super) fn of_xoauth2(&self) -> String {
        format!("{{\"status\":\"401\",\"schemes\":\"bearer\",\"scope\":\"{}\"}}", json_string(self.scope))
    }
}

/// What may stand in a string of JSON without being escaped (RFC 8259 section 7); the rest has
/// no place in a scope or an address and is left out.
fn json_string(text: &str) -> String {
    text.chars().filter(|&c| !c.is_control() && !matches!(c, '"' | '\\')).collect()
}

/// The message of an OAUTHBEARER client: RFC 7628 section 3.1, client-resp.
pub(super) fn parse_oauth_bearer(message: &str) -> Option<Token> {
    let (header, rest) = Gs2::parse(message)?;
    // There is no -PLUS of this mechanism: a binding cannot be checked.
    if matches!(header.flag, Flag::Bound(_)) {
        return None;
    }
    let token = pairs(rest.strip_prefix(SEPARATOR)?, "auth")?;
    Some(Token { authorization: header.authorization, token: bearer(token)? })
}

/// The message of an XOAUTH2 client.
pub(super) fn parse_xoauth2(message: &str) -> Option<Token> {
    let user = message.strip_prefix("user=")?;
    let (user, rest) = user.split_once(SEPARATOR)?;
    if !is_name(user) {
        return None;
    }
    let token = pairs(rest, "auth")?;
    Some(Token { authorization: user.into(), token: bearer(token)? })
}

/// `*kvpair kvsep`; the value of the one key that is wanted, which may stand there once. Others
/// are ignored (RFC 7628 section 3.1).
fn pairs<'m>(message: &'m str, wanted: &str) -> Option<&'m str> {
    let mut found = None;
    let mut rest = message;
    while rest != "\x01" {
        let (pair, behind) = rest.split_once(SEPARATOR)?;
        let (key, value) = pair.split_once('=')?;
        let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphabetic());
        let is_value = value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n'));
        if !is_key || !is_value || (key == wanted && found.replace(value).is_some()) {
            return None;
        }
        rest = behind;
    }
    found
}

/// The token behind `Bearer`, in any case (RFC 7628 section 4).
fn bearer(authorization: &str) -> Option<String> {
    let (scheme, token) = authorization.split_once(' ')?;
    let token = token.trim_start_matches(' ');
    (scheme.eq_ignore_ascii_case("Bearer") && is_token(token)).then(|| token.into())
}

/// RFC 6750 section 2.1: b64token.
pub(super) fn is_token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    let is_octet = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !body.is_empty() && body.bytes().all(is_octet)
}

/// The message of an OAUTHBEARER client. `host` and `port` are left out where they are not
/// known.
pub(super) fn oauth_bearer(login: &str, host: &str, port: u16, token: &str) -> String {
    let mut message = match login {
        "" => String::from("n,,"),
        login => format!("n,a={},", escape(login)),
    };
    message.push(SEPARATOR);
    if !host.is_empty() {
        message.push_str(&format!("host={host}{SEPARATOR}"));
    }
    if port != 0 {
        message.push_str(&format!("port={port}{SEPARATOR}"));
    }
    message.push_str(&format!("auth=Bearer {token}{SEPARATOR}{SEPARATOR}"));
    message
}

/// The message of an XOAUTH2 client.
pub(super) fn xoauth2(login: &str, token: &str) -> String {
    format!("user={login}{SEPARATOR}auth=Bearer {token}{SEPARATOR}{SEPARATOR}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(token: Option<Token>) -> Option<(String, String)> {
        token.map(|token| (token.authorization, token.token))
    }

    #[test]
    fn messages_of_oauth_bearer() {
        // RFC 7628 section 4.1.
        const TOKEN: &str = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";
        let example =
            format!("n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer {TOKEN}\x01\x01");
        assert_eq!(parsed(parse_oauth_bearer(&example)), Some(("user@example.com".into(), TOKEN.into())));
        assert_eq!(oauth_bearer("user@example.com", "server.example.com", 143, TOKEN), example);
        for (message, is) in [
            ("n,,\x01auth=bEARER t\x01\x01", Some(("", "t"))),
            ("y,a=b=3Dc,\x01unknown=x\x01auth=Bearer  t\x01\x01", Some(("b=c", "t"))),
            ("n,,\x01auth=Bearer t\x01", None),
            ("n,,\x01auth=Bearer t", None),
            ("n,,auth=Bearer t\x01\x01", None),
            ("n,,\x01auth=Bearer t\x01\x01\x01", None),
            ("n,,\x01auth=Bearer t\x01auth=Bearer u\x01\x01", None),
            ("n,,\x01auth=Bearer \x01\x01", None),
            ("n,,\x01auth=Bearer a b\x01\x01", None),
            ("n,,\x01auth=Basic t\x01\x01", None),
            ("n,,\x01host=h\x01\x01", None),
            ("n,,\x01\x01", None),
            ("p=tls-exporter,,\x01auth=Bearer t\x01\x01", None),
            ("n,a=,\x01auth=Bearer t\x01\x01", None),
            ("n,,\x01a1=x\x01auth=Bearer t\x01\x01", None),
            ("\x01", None),
            ("", None),
        ] {
            let is = is.map(|(name, token)| (name.into(), token.into()));
            assert_eq!(parsed(parse_oauth_bearer(message)), is, "{message:?}");
        }
    }

    #[test]
    fn messages_of_xoauth2() {
        // As Google documents it.
        let example = "user=someuser@example.com\x01auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\x01\x01";
        let token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg";
        assert_eq!(parsed(parse_xoauth2(example)), Some(("someuser@example.com".into(), token.into())));
        assert_eq!(xoauth2("someuser@example.com", token), example);
        for bad in [
            "user=\x01auth=Bearer t\x01\x01",
            "auth=Bearer t\x01\x01",
            "user=a\x01auth=Bearer t\x01",
            "user=a\x01auth=Bearer t\x01\x01 ",
            "user=a\nb\x01auth=Bearer t\x01\x01",
            "",
        ] {
            assert_eq!(parse_xoauth2(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn refusals_are_json_whatever_is_configured() {
        let refusal = TokenRefusal { scope: "ma\"il\\", openid_configuration: "https://a.test/.well-known\n" };
        let bearer =
            "{\"status\":\"invalid_token\",\"scope\":\"mail\",\"openid-configuration\":\"https://a.test/.well-known\"}";
        assert_eq!(refusal.of_oauth_bearer(), bearer);
        assert_eq!(TokenRefusal::default().of_oauth_bearer(), "{\"status\":\"invalid_token\"}");
        assert_eq!(refusal.of_xoauth2(), "{\"status\":\"401\",\"schemes\":\"bearer\",\"scope\":\"mail\"}");
    }
}
