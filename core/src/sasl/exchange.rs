//! The server's side of the exchanges, in base64.
//!
//! What needs the application stands between two messages: a password to check, keys to look
//! up, a token to judge. The exchange asks for it with a [`Step`] and goes on with the answer.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::message::{decode, encode, is_password, text};
use super::oauth::{self, Token, TokenRefusal};
#[cfg(feature = "scram")]
use super::scram::{Hash, Keys, NONCE, Said, ScramServer};
use super::{Mechanism, Mechanisms, TlsFacts};

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
    /// PLAIN, LOGIN: all is said. Check the password.
    Claimed(Credentials),
    /// SCRAM: look up what is kept for this login, then say [`Exchange::keys`]; for a login
    /// that is not there too, with keys of nobody.
    #[cfg(feature = "scram")]
    Lookup {
        /// By which hash.
        hash: Hash,
        /// Whose.
        login: String,
    },
    /// SCRAM: both sides have proven themselves. The client is this login.
    Proven {
        /// Who it is.
        login: String,
        /// Whom it wants to act as; empty for itself.
        authorization: String,
    },
    /// OAUTHBEARER, XOAUTH2: judge the token. If it is refused, say
    /// [`Exchange::refuse_token`].
    Token(Token),
    /// EXTERNAL: see whether the layer below says so.
    External {
        /// Whom the client wants to act as; empty for whom the layer below says it is.
        authorization: String,
    },
    /// The client is not who it claims to be: refuse it as for a wrong password.
    Wrong,
    /// The message is none of this mechanism (501, BAD).
    Malformed,
}

/// The server side of one exchange.
#[derive(Debug)]
pub struct Exchange {
    state: State,
    #[cfg_attr(not(feature = "scram"), expect(dead_code, reason = "SCRAM alone binds to a channel"))]
    facts: TlsFacts,
}

#[derive(Debug)]
enum State {
    Plain,
    Login(Option<String>),
    External,
    Oauth {
        mechanism: Mechanism,
        refused: bool,
    },
    #[cfg(feature = "scram")]
    Scram(alloc::boxed::Box<ScramServer>),
    /// A mechanism that is not spoken here, or one that is over.
    None,
}

impl Exchange {
    /// Begins one, with the initial response in base64 if the client sent one. Nothing is bound
    /// to the channel: the mechanisms with -PLUS fail.
    pub fn begin(mechanism: Mechanism, initial: Option<&[u8]>) -> (Self, Step) {
        Self::begin_over(mechanism, initial, Mechanisms::NONE, TlsFacts::default())
    }

    /// Begins one over a channel of which these are the facts, on a connection where these
    /// mechanisms are offered.
    pub fn begin_over(
        mechanism: Mechanism,
        initial: Option<&[u8]>,
        offered: Mechanisms,
        facts: TlsFacts,
    ) -> (Self, Step) {
        let mut exchange = Self { state: State::of(mechanism, offered), facts };
        let step = match (initial, &exchange.state) {
            (_, State::None) => Step::Malformed,
            (Some(initial), _) => exchange.respond(initial),
            (None, State::Login(_)) => Step::Challenge(encode(b"Username:")),
            // The client speaks first: an empty challenge asks it to (RFC 4422 section 3.3).
            (None, _) => Step::Challenge(String::new()),
        };
        (exchange, step)
    }

    /// Takes the client's next message, in base64.
    pub fn respond(&mut self, response: &[u8]) -> Step {
        let state = core::mem::replace(&mut self.state, State::None);
        let Some(message) = decode(response) else { return Step::Malformed };
        match state {
            State::Plain => plain(&message).map_or(Step::Malformed, Step::Claimed),
            State::Login(None) => match text(&message) {
                Some(login) => {
                    self.state = State::Login(Some(login));
                    Step::Challenge(encode(b"Password:"))
                }
                None => Step::Malformed,
            },
            State::Login(Some(login)) if is_password(&message) => {
                Step::Claimed(Credentials { authorization: String::new(), login, password: message })
            }
            State::Login(Some(_)) => Step::Malformed,
            // RFC 4422 appendix A: an authorization identity, or nothing.
            State::External => match text(&message) {
                Some(authorization) => Step::External { authorization },
                None if message.is_empty() => Step::External { authorization: String::new() },
                None => Step::Malformed,
            },
            State::Oauth { refused: true, .. } => Step::Wrong,
            State::Oauth { mechanism, .. } => self.token(mechanism, &message),
            #[cfg(feature = "scram")]
            State::Scram(mut scram) => {
                let said = scram.respond(&message, &self.facts);
                self.scram(scram, said)
            }
            State::None => Step::Malformed,
        }
    }

    /// Goes on with what is kept for the login that [`Step::Lookup`] asked for. `random` is
    /// our half of the nonce: other octets each time, from a source that cannot be guessed.
    #[cfg(feature = "scram")]
    pub fn keys(&mut self, keys: Keys, random: &[u8; NONCE]) -> Step {
        match core::mem::replace(&mut self.state, State::None) {
            State::Scram(mut scram) => {
                let said = scram.keys(keys, random);
                self.scram(scram, said)
            }
            _ => Step::Malformed,
        }
    }

    /// The token is refused: a challenge that says so, whose answer is [`Step::Wrong`]
    /// (RFC 7628 section 3.2.3).
    pub fn refuse_token(&mut self, refusal: TokenRefusal<'_>) -> Step {
        match &mut self.state {
            State::Oauth { mechanism, refused } => {
                *refused = true;
                Step::Challenge(match mechanism {
                    Mechanism::Xoauth2 => encode(refusal.of_xoauth2().as_bytes()),
                    _ => encode(refusal.of_oauth_bearer().as_bytes()),
                })
            }
            _ => Step::Wrong,
        }
    }

    fn token(&mut self, mechanism: Mechanism, message: &[u8]) -> Step {
        let message = core::str::from_utf8(message).ok();
        let parse = if mechanism == Mechanism::Xoauth2 { oauth::parse_xoauth2 } else { oauth::parse_oauth_bearer };
        match message.and_then(parse) {
            Some(token) => {
                self.state = State::Oauth { mechanism, refused: false };
                Step::Token(token)
            }
            None => Step::Malformed,
        }
    }

    #[cfg(feature = "scram")]
    fn scram(&mut self, scram: alloc::boxed::Box<ScramServer>, said: Said) -> Step {
        let hash = scram.hash();
        let step = match said {
            Said::Lookup { login } => Step::Lookup { hash, login },
            Said::Challenge(challenge) => Step::Challenge(challenge),
            Said::Proven { login, authorization } => return Step::Proven { login, authorization },
            Said::Wrong => return Step::Wrong,
            Said::Malformed => return Step::Malformed,
        };
        self.state = State::Scram(scram);
        step
    }
}

impl State {
    fn of(mechanism: Mechanism, offered: Mechanisms) -> Self {
        #[cfg(feature = "scram")]
        if let Some((hash, plus)) = Hash::of(mechanism) {
            let offered_plus = offered.contains(hash.mechanism(true));
            return Self::Scram(alloc::boxed::Box::new(ScramServer::new(hash, plus, offered_plus)));
        }
        #[cfg(not(feature = "scram"))]
        let _ = offered;
        match mechanism {
            Mechanism::Plain => Self::Plain,
            Mechanism::Login => Self::Login(None),
            Mechanism::External => Self::External,
            Mechanism::OauthBearer | Mechanism::Xoauth2 => Self::Oauth { mechanism, refused: false },
            Mechanism::ScramSha256Plus | Mechanism::ScramSha256 | Mechanism::ScramSha1Plus | Mechanism::ScramSha1 => {
                Self::None
            }
        }
    }
}

/// The one message of PLAIN's client, in base64.
///
/// None if the login or the password is empty or holds NUL, CR or LF.
pub fn plain_response(login: &str, password: &str) -> Option<String> {
    plain_message("", login, password.as_bytes()).map(|message| encode(&message))
}

/// RFC 4616 section 2, decoded.
pub(super) fn plain_message(authorization: &str, login: &str, password: &[u8]) -> Option<Vec<u8>> {
    let message = [authorization.as_bytes(), b"\0", login.as_bytes(), b"\0", password].concat();
    plain(&message).map(|_| message)
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
    fn login_asks_twice() {
        let (mut exchange, step) = Exchange::begin(Mechanism::Login, None);
        assert_eq!(step, Step::Challenge("VXNlcm5hbWU6".into()));
        assert_eq!(exchange.respond(b"Ym9i"), Step::Challenge("UGFzc3dvcmQ6".into()));
        assert_eq!(claimed(exchange.respond(b"cHc=")), Some(("".into(), "bob".into(), b"pw".to_vec())));
        assert_eq!(exchange.respond(b"cHc="), Step::Malformed, "it is over");
    }

    #[test]
    fn what_our_client_says_our_server_understands() {
        let response = plain_response("bob", "p w").unwrap();
        let (_, step) = Exchange::begin(Mechanism::Plain, Some(response.as_bytes()));
        assert_eq!(claimed(step), Some(("".into(), "bob".into(), b"p w".to_vec())));
        assert_eq!(plain_response("bob", "p\0w"), None);
        assert_eq!(plain_response("", "pw"), None);
    }

    #[test]
    fn external_may_name_whom_to_act_as() {
        let external = |authorization: &str| Step::External { authorization: authorization.into() };
        let begin = |initial: &[u8]| Exchange::begin(Mechanism::External, Some(initial)).1;
        assert_eq!(begin(b""), external(""));
        assert_eq!(begin(encode(b"bob@a.test").as_bytes()), external("bob@a.test"));
        assert_eq!(begin(encode(b"bob\0alice").as_bytes()), Step::Malformed);
        let (mut exchange, step) = Exchange::begin(Mechanism::External, None);
        assert_eq!(step, Step::Challenge(String::new()));
        assert_eq!(exchange.respond(b""), external(""));
    }

    #[test]
    fn a_token_that_is_refused_is_refused_after_one_more_message() {
        for (mechanism, message, json) in [
            (
                Mechanism::OauthBearer,
                "n,a=bob,\x01auth=Bearer t\x01\x01",
                "{\"status\":\"invalid_token\",\"scope\":\"mail\"}",
            ),
            (
                Mechanism::Xoauth2,
                "user=bob\x01auth=Bearer t\x01\x01",
                "{\"status\":\"401\",\"schemes\":\"bearer\",\"scope\":\"mail\"}",
            ),
        ] {
            let (mut exchange, step) = Exchange::begin(mechanism, Some(encode(message.as_bytes()).as_bytes()));
            assert_eq!(step, Step::Token(Token { authorization: "bob".into(), token: "t".into() }));
            let refusal = TokenRefusal { scope: "mail", ..TokenRefusal::default() };
            assert_eq!(exchange.refuse_token(refusal), Step::Challenge(encode(json.as_bytes())));
            assert_eq!(exchange.respond(b"AQ=="), Step::Wrong);
            assert_eq!(exchange.respond(b"AQ=="), Step::Malformed, "it is over");
        }
        // RFC 7628 section 3.1: the dummy response is none of the first.
        assert_eq!(Exchange::begin(Mechanism::OauthBearer, Some(b"AQ==")).1, Step::Malformed);
    }
}
