//! The server's side of SCRAM.

use alloc::format;
use alloc::string::String;
use core::fmt;

use super::super::TlsFacts;
use super::super::message::{Flag, Gs2, decode, encode, unescape};
use super::{Hash, Keys, NAME_MAX, NONCE, SCRAM_MESSAGE_MAX, are_extensions, is_nonce, nonce_text};

/// One exchange.
pub(crate) struct ScramServer {
    hash: Hash,
    plus: bool,
    /// The -PLUS of this mechanism was offered on this connection.
    offered_plus: bool,
    state: State,
}

enum State {
    Begun,
    /// The account's keys are being looked up.
    Asked(First),
    /// The challenge is out.
    Challenged {
        first: First,
        keys: Keys,
        server_first: String,
    },
    /// Our signature is out; the client has the last word.
    Signed {
        login: String,
        authorization: String,
    },
    Over,
}

/// What the client-first-message says, as far as it is needed later.
struct First {
    login: String,
    authorization: String,
    /// client-first-message-bare.
    bare: String,
    nonce: String,
    /// The value that `c=` must have (RFC 5802 section 5.1).
    binding: String,
}

/// What follows from a client's message.
#[derive(Debug)]
pub(crate) enum Said {
    Lookup { login: String },
    Challenge(String),
    Proven { login: String, authorization: String },
    Wrong,
    Malformed,
}

impl ScramServer {
    pub(crate) fn new(hash: Hash, plus: bool, offered_plus: bool) -> Self {
        Self { hash, plus, offered_plus, state: State::Begun }
    }

    pub(crate) fn hash(&self) -> Hash {
        self.hash
    }

    /// The client's next message.
    pub(crate) fn respond(&mut self, message: &[u8], facts: &TlsFacts) -> Said {
        let state = core::mem::replace(&mut self.state, State::Over);
        if message.len() > SCRAM_MESSAGE_MAX {
            return Said::Malformed;
        }
        let Ok(message) = core::str::from_utf8(message) else { return Said::Malformed };
        match state {
            State::Begun => self.first(message, facts),
            State::Challenged { first, keys, server_first } => self.last(message, first, &keys, &server_first),
            State::Signed { login, authorization } if message.is_empty() => Said::Proven { login, authorization },
            State::Signed { .. } | State::Asked(_) | State::Over => Said::Malformed,
        }
    }

    /// What the application keeps for the login that it was asked for.
    pub(crate) fn keys(&mut self, keys: Keys, random: &[u8; NONCE]) -> Said {
        self.keys_with(keys, &nonce_text(random))
    }

    pub(super) fn keys_with(&mut self, keys: Keys, nonce: &str) -> Said {
        let State::Asked(mut first) = core::mem::replace(&mut self.state, State::Over) else {
            return Said::Malformed;
        };
        if keys.hash() != self.hash {
            debug_assert!(false, "keys of another hash than was asked for");
            return Said::Wrong;
        }
        first.nonce.push_str(nonce);
        let server_first = format!("r={},s={},i={}", first.nonce, encode(keys.salt()), keys.iterations());
        let challenge = encode(server_first.as_bytes());
        self.state = State::Challenged { first, keys, server_first };
        Said::Challenge(challenge)
    }

    /// RFC 5802 section 7: client-first-message.
    fn first(&mut self, message: &str, facts: &TlsFacts) -> Said {
        let Some((header, bare)) = Gs2::parse(message) else { return Said::Malformed };
        let mut attributes = bare.split(',');
        let login = attributes.next().and_then(|name| name.strip_prefix("n=")).and_then(unescape);
        let nonce = attributes.next().and_then(|nonce| nonce.strip_prefix("r=")).filter(|nonce| is_nonce(nonce));
        let (Some(login), Some(nonce)) = (login, nonce) else { return Said::Malformed };
        if login.len() > NAME_MAX || header.authorization.len() > NAME_MAX || !are_extensions(attributes) {
            return Said::Malformed;
        }
        let data = match (header.flag, self.plus) {
            (Flag::No, false) => &[][..],
            // RFC 5802 section 6: it believes that we cannot, and we offered to. Someone has
            // taken the offer out on its way.
            (Flag::Yes, false) if self.offered_plus => return Said::Wrong,
            (Flag::Yes, false) => &[],
            (Flag::Bound(name), true) => match facts.binding(name) {
                Some(data) => data,
                None => return Said::Wrong,
            },
            (Flag::Bound(_), false) | (Flag::No | Flag::Yes, true) => return Said::Malformed,
        };
        let binding = encode(&[header.octets.as_bytes(), data].concat());
        self.state = State::Asked(First {
            login: login.clone(),
            authorization: header.authorization,
            bare: bare.into(),
            nonce: nonce.into(),
            binding,
        });
        Said::Lookup { login }
    }

    /// RFC 5802 section 7: client-final-message.
    fn last(&mut self, message: &str, first: First, keys: &Keys, server_first: &str) -> Said {
        let Some((unproven, proof)) = message.rsplit_once(",p=") else { return Said::Malformed };
        let mut attributes = unproven.split(',');
        let binding = attributes.next().and_then(|binding| binding.strip_prefix("c="));
        let nonce = attributes.next().and_then(|nonce| nonce.strip_prefix("r="));
        let (Some(binding), Some(nonce), Some(proof)) = (binding, nonce, decode(proof.as_bytes())) else {
            return Said::Malformed;
        };
        if !are_extensions(attributes) {
            return Said::Malformed;
        }
        let auth_message = format!("{},{server_first},{unproven}", first.bare);
        // All are looked at, whichever is wrong.
        let proven = keys.is_proven(&proof, &auth_message);
        let bound = binding == first.binding;
        if !(proven & bound & (nonce == first.nonce)) {
            return Said::Wrong;
        }
        let signature = keys.server_signature(&auth_message);
        self.state = State::Signed { login: first.login, authorization: first.authorization };
        Said::Challenge(encode(format!("v={}", encode(signature.as_slice())).as_bytes()))
    }
}

impl fmt::Debug for ScramServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScramServer({:?} ..)", self.hash)
    }
}
