//! What logins need besides passwords, the same each time: keys and nonces of SCRAM, tokens,
//! and what TLS knows.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use postkern::sasl::{EndPoint, Hash, Keys, Mechanism, Mechanisms, NONCE, TlsFacts};
use postkern::{Buf, Layer, LayerFailed};
use postkern_server::config::{Auth, Oauth};
use postkern_server::job::{AccountId, Done, ScramKeys};

use crate::memory::bench::Null;

/// Our half of each nonce: `CQkJCQkJCQkJCQkJCQkJCQkJ`.
const OURS: [u8; NONCE] = [9; NONCE];
/// The salt and the iterations of RFC 7677 section 3.
const SALT: [u8; 16] = [0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81];
const ITERATIONS: u32 = 4096;

/// Keys that were made already: a dialogue is played thousands of times.
static MADE: Mutex<BTreeMap<(Hash, String), Keys>> = Mutex::new(BTreeMap::new());

/// The answer to a lookup of an account that has this password, or of none.
pub(super) fn scram_keys(hash: Hash, found: Option<(AccountId, &str)>) -> Done {
    let (account, keys) = match found {
        None => (None, Keys::decoy(hash, &SALT, ITERATIONS)),
        Some((account, password)) => {
            let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
            let keys = made
                .entry((hash, password.to_owned()))
                .or_insert_with(|| Keys::derive(hash, password.as_bytes(), &SALT, ITERATIONS));
            (Some(account), keys.clone())
        }
    };
    Done::ScramKeys(Box::new(ScramKeys { account, keys, nonce: OURS }))
}

/// A word of the header that is about logins; none if it is another's.
pub(super) fn key(auth: &mut Auth, facts: &mut TlsFacts, key: &str, value: &str) -> Option<Result<(), String>> {
    match key {
        "binding" => {
            facts.exporter = Some([7; 32]);
            facts.end_point = EndPoint::new(&[8; 32]);
        }
        "certificate" => facts.peer_certificate = Some(certificate(value)),
        "oauth" => {
            auth.oauth = Some(Arc::new(Oauth {
                issuer: "https://login.example.test".into(),
                audience: "mail".into(),
                keys: PathBuf::from("/nowhere"),
                login: "email".into(),
                scope: value.into(),
            }));
        }
        "mechanisms" => {
            auth.mechanisms = Mechanisms::NONE;
            for name in value.split(',') {
                match Mechanism::parse(name) {
                    Some(mechanism) => auth.mechanisms = auth.mechanisms.with(mechanism),
                    None => return Some(Err(format!("no mechanism {name}"))),
                }
            }
        }
        _ => return None,
    }
    Some(Ok(()))
}

/// As much of a certificate as tells an address.
fn certificate(address: &str) -> Vec<u8> {
    let element = |tag: u8, value: &[u8]| [&[tag, value.len() as u8], value].concat();
    let names = element(0x30, &element(0x81, address.as_bytes()));
    let extension = [element(0x06, &[0x55, 0x1d, 0x11]), element(0x04, &names)].concat();
    let extensions = element(0xa3, &element(0x30, &element(0x30, &extension)));
    element(0x30, &element(0x30, &extensions))
}

/// No encryption, and what TLS would know.
pub(super) struct Channel(pub(super) TlsFacts);

impl Layer for Channel {
    fn decode(
        &mut self,
        wire: &mut Buf,
        plain: &mut Buf,
        limit: usize,
        reply: &mut Vec<u8>,
    ) -> Result<(), LayerFailed> {
        Null.decode(wire, plain, limit, reply)
    }

    fn encode(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), LayerFailed> {
        Null.encode(plain, wire)
    }

    fn handshaking(&self) -> bool {
        false
    }

    fn close(&mut self, _: &mut Vec<u8>) {}

    fn facts(&self) -> TlsFacts {
        self.0.clone()
    }
}
