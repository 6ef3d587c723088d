//! The exchanges of the mechanisms, in base64.
//!
//! What a mechanism learns is a claim: whether the password is right is for the application.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use base64ct::{Base64, Encoding};

use super::Mechanism;

/// Octets of one decoded message.
pub const MESSAGE_MAX: usize = 12288 / 4 * 3;

/// Who a client claims to be, and its proof.
#[derive(Clone, Eq, PartialEq)]
pub struct Credentials {
    /// Whom it wants to act as; empty for itself.
    pub authorization: String,
    /// Who it is.
    pub login: String,
    /// Its password.
    pub password: Vec<u8>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({} ..)", self.login)
    }
}

/// What the server side of an exchange says next.
#[must_use]
#[derive(Debug, Eq, PartialEq)]
pub enum Step {
    /// Send this, in base64.
    Challenge(String),
    /// All is said: check it.
    Claimed(Credentials),
    /// The message is none of this mechanism (501, BAD).
    Malformed,
}

/// The server side of one exchange.
#[derive(Debug)]
pub struct Exchange {
    mechanism: Mechanism,
    login: Option<String>,
}

impl Exchange {
    /// Begins one, with the initial response in base64 if the client sent one.
    pub fn begin(mechanism: Mechanism, initial: Option<&[u8]>) -> (Self, Step) {
        let mut exchange = Self { mechanism, login: None };
        let step = match (initial, mechanism) {
            (Some(initial), _) => exchange.respond(initial),
            (None, Mechanism::Plain) => Step::Challenge(String::new()),
            (None, Mechanism::Login) => Step::Challenge(encode(b"Username:")),
            (None, _) => Step::Malformed,
        };
        (exchange, step)
    }

    /// Takes the client's next message, in base64.
    pub fn respond(&mut self, response: &[u8]) -> Step {
        let Some(message) = decode(response) else { return Step::Malformed };
        match (self.mechanism, self.login.take()) {
            (Mechanism::Plain, _) => plain(&message).map_or(Step::Malformed, Step::Claimed),
            (Mechanism::Login, None) => match text(&message) {
                Some(login) => {
                    self.login = Some(login);
                    Step::Challenge(encode(b"Password:"))
                }
                None => Step::Malformed,
            },
            (Mechanism::Login, Some(login)) if is_password(&message) => {
                Step::Claimed(Credentials { authorization: String::new(), login, password: message })
            }
            _ => Step::Malformed,
        }
    }
}

/// The one message of PLAIN's client, in base64.
///
/// None if the login or the password is empty or holds NUL, CR or LF.
pub fn plain_response(login: &str, password: &str) -> Option<String> {
    let message = alloc::format!("\0{login}\0{password}");
    plain(message.as_bytes()).map(|_| encode(message.as_bytes()))
}

/// Octets in base64.
pub fn encode(octets: &[u8]) -> String {
    Base64::encode_string(octets)
}

/// Octets from base64 without line ends; none if it is none, or over [`MESSAGE_MAX`].
pub fn decode(base64: &[u8]) -> Option<Vec<u8>> {
    let base64 = core::str::from_utf8(base64).ok().filter(|text| text.len() <= MESSAGE_MAX / 3 * 4)?;
    Base64::decode_vec(base64).ok()
}

/// RFC 4616 section 2: authzid NUL authcid NUL password, each without NUL, the last two not
/// empty.
fn plain(message: &[u8]) -> Option<Credentials> {
    let mut parts = message.split(|&byte| byte == 0);
    let (authorization, login, password) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || !is_password(password) {
        return None;
    }
    let authorization = if authorization.is_empty() { String::new() } else { text(authorization)? };
    Some(Credentials { authorization, login: text(login)?, password: password.into() })
}

fn text(octets: &[u8]) -> Option<String> {
    let text = core::str::from_utf8(octets).ok()?;
    (!text.is_empty() && !text.chars().any(char::is_control)).then(|| text.into())
}

fn is_password(octets: &[u8]) -> bool {
    !octets.is_empty() && memchr::memchr3(0, b'\r', b'\n', octets).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimed(step: Step) -> Option<(String, String, Vec<u8>)> {
        match step {
            Step::Claimed(claim) => Some((claim.authorization, claim.login, claim.password)),
            _ => None,
        }
    }

    #[test]
    fn plain_has_exactly_two_nuls_and_no_empty_part() {
        for (message, is) in [
            (&b"\0bob\0pw"[..], Some(("", "bob", &b"pw"[..]))),
            (b"al\0bob\0p w\xc3\xa4", Some(("al", "bob", b"p w\xc3\xa4"))),
            (b"\0bob\0", None),
            (b"\0\0pw", None),
            (b"bob\0pw", None),
            (b"\0bob\0pw\0", None),
            (b"\0bo\nb\0pw", None),
            (b"\0bob\0p\r\nw", None),
            (b"\0b\xff\0pw", None),
            (b"", None),
        ] {
            let (_, step) = Exchange::begin(Mechanism::Plain, Some(encode(message).as_bytes()));
            let is = is.map(|(a, l, p)| (a.into(), l.into(), p.into()));
            assert_eq!(claimed(step), is, "{message:?}");
        }
    }

    #[test]
    fn base64_is_strict_and_limited() {
        for bad in [&b"AGJvYgBwdw"[..], b"AGJvYgBwdw== ", b"AGJv*", b"=", b"\xff"] {
            let (_, step) = Exchange::begin(Mechanism::Plain, Some(bad));
            assert_eq!(step, Step::Malformed, "{bad:?}");
        }
        assert!(decode(&alloc::vec![b'A'; 12288]).is_some());
        assert!(decode(&alloc::vec![b'A'; 12292]).is_none());
    }

    #[test]
    fn login_asks_twice() {
        let (mut exchange, step) = Exchange::begin(Mechanism::Login, None);
        assert_eq!(step, Step::Challenge("VXNlcm5hbWU6".into()));
        assert_eq!(exchange.respond(b"Ym9i"), Step::Challenge("UGFzc3dvcmQ6".into()));
        assert_eq!(claimed(exchange.respond(b"cHc=")), Some(("".into(), "bob".into(), b"pw".to_vec())));
    }

    #[test]
    fn what_our_client_says_our_server_understands() {
        let response = plain_response("bob", "p w").unwrap();
        let (_, step) = Exchange::begin(Mechanism::Plain, Some(response.as_bytes()));
        assert_eq!(claimed(step), Some(("".into(), "bob".into(), b"p w".to_vec())));
        assert_eq!(plain_response("bob", "p\0w"), None);
        assert_eq!(plain_response("", "pw"), None);
    }
}
