//! What the messages of all mechanisms have in common: base64, names, passwords.

use alloc::string::String;
use alloc::vec::Vec;

use base64ct::{Base64, Encoding};

/// Octets of one decoded message.
pub const MESSAGE_MAX: usize = 12288 / 4 * 3;

/// Octets in base64.
pub fn encode(octets: &[u8]) -> String {
    Base64::encode_string(octets)
}

/// Octets from base64 without line ends; none if it is none, or over [`MESSAGE_MAX`].
pub fn decode(base64: &[u8]) -> Option<Vec<u8>> {
    let base64 = core::str::from_utf8(base64).ok().filter(|text| text.len() <= MESSAGE_MAX / 3 * 4)?;
    Base64::decode_vec(base64).ok()
}

/// A name: UTF-8, not empty, without control characters.
pub(super) fn text(octets: &[u8]) -> Option<String> {
    let text = core::str::from_utf8(octets).ok()?;
    is_name(text).then(|| text.into())
}

pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

pub(super) fn is_password(octets: &[u8]) -> bool {
    !octets.is_empty() && memchr::memchr3(0, b'\r', b'\n', octets).is_none()
}

/// What a header of GS2 (RFC 5801 section 4) says.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Gs2<'m> {
    pub(super) flag: Flag<'m>,
    /// Empty if there is none.
    pub(super) authorization: String,
    /// The header's octets, with its last comma.
    pub(super) octets: &'m str,
}

/// What a client says of channel bindings (RFC 5802 section 7, gs2-cbind-flag).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Flag<'m> {
    /// It cannot.
    No,
    /// It could, and believes that the server cannot.
    Yes,
    /// It does, with this kind.
    Bound(&'m str),
}

impl<'m> Gs2<'m> {
    /// The header, and what is behind it. RFC 5802 section 7: gs2-header.
    pub(super) fn parse(message: &'m str) -> Option<(Self, &'m str)> {
        let (flag, rest) = message.split_once(',')?;
        let (authorization, rest) = rest.split_once(',')?;
        let flag = match (flag, flag.strip_prefix("p=")) {
            ("n", _) => Flag::No,
            ("y", _) => Flag::Yes,
            (_, Some(name)) if is_binding_name(name) => Flag::Bound(name),
            _ => return None,
        };
        let authorization = match authorization {
            "" => String::new(),
            given => unescape(given.strip_prefix("a=")?)?,
        };
        let octets = &message[..message.len() - rest.len()];
        Some((Self { flag, authorization, octets }, rest))
    }
}

fn is_binding_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}

/// A saslname without its quoting (RFC 5802 section 5.1): `=2C` is a comma, `=3D` an equals
/// sign, and no other `=` may stand there.
pub(super) fn unescape(name: &str) -> Option<String> {
    let mut pieces = name.split('=');
    let mut plain = String::from(pieces.next()?);
    for piece in pieces {
        let (octet, rest) = match (piece.strip_prefix("2C"), piece.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return None,
        };
        plain.push(octet);
        plain.push_str(rest);
    }
    is_name(&plain).then_some(plain)
}

/// The other way.
pub(super) fn escape(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_strict_and_limited() {
        for bad in [&b"AGJvYgBwdw"[..], b"AGJvYgBwdw== ", b"AGJv*", b"=", b"\xff", b"AB==", b"A\r\nGJv"] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
        assert!(decode(&alloc::vec![b'A'; 12288]).is_some());
        assert!(decode(&alloc::vec![b'A'; 12292]).is_none());
    }

    #[test]
    fn names_are_quoted_and_back() {
        for (quoted, plain) in [
            ("bob", Some("bob")),
            ("b=2Co=3Db", Some("b,o=b")),
            ("=3D2C", Some("=2C")),
            ("b=2cb", None),
            ("b=", None),
            ("=4A", None),
            ("", None),
            ("b\nb", None),
        ] {
            assert_eq!(unescape(quoted).as_deref(), plain, "{quoted}");
            if let Some(plain) = plain {
                assert_eq!(escape(plain), quoted);
            }
        }
    }

    #[test]
    fn headers_of_gs2() {
        for (message, is) in [
            ("n,,n=x", Some((Flag::No, "", "n,,", "n=x"))),
            ("y,a=b=2C,rest", Some((Flag::Yes, "b,", "y,a=b=2C,", "rest"))),
            ("p=tls-exporter,,", Some((Flag::Bound("tls-exporter"), "", "p=tls-exporter,,", ""))),
            ("p=,,", None),
            ("p=a b,,", None),
            ("p,,", None),
            ("x,,", None),
            ("N,,", None),
            ("n,a=,", None),
            ("n,b=c,", None),
            ("n,", None),
            ("", None),
        ] {
            let parsed = Gs2::parse(message);
            let is = is.map(|(flag, name, octets, rest)| (Gs2 { flag, authorization: name.into(), octets }, rest));
            assert_eq!(parsed, is, "{message}");
        }
    }
}
