use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::*;
use crate::sasl::message::decode;
use crate::sasl::{EndPoint, TlsFacts};

/// A whole exchange of an RFC.
struct Example {
    hash: Hash,
    nonces: (&'static str, &'static str),
    salt: &'static str,
    messages: [&'static str; 4],
}

/// RFC 5802 section 5 and RFC 7677 section 3; in both the user is `user`, and the password
/// `pencil`.
const EXAMPLES: [Example; 2] = [
    Example {
        hash: Hash::Sha1,
        nonces: ("fyko+d2lbbFgONRv9qkxdawL", "3rfcNHYJY1ZVvWVs7j"),
        salt: "QSXCR+Q6sek8bf92",
        messages: [
            "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
            "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
            "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        ],
    },
    Example {
        hash: Hash::Sha256,
        nonces: ("rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"),
        salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
        messages: [
            "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        ],
    },
];

fn keys(example: &Example) -> Keys {
    Keys::derive(example.hash, b"pencil", &decode(example.salt.as_bytes()).unwrap(), 4096)
}

fn challenge(said: Said) -> String {
    match said {
        Said::Challenge(challenge) => String::from_utf8(decode(challenge.as_bytes()).unwrap()).unwrap(),
        said => panic!("{said:?}"),
    }
}

#[test]
fn the_examples_of_the_rfcs_from_both_sides() {
    for example in &EXAMPLES {
        let [first, server_first, last, server_last] = example.messages;
        let (mut client, said) =
            ScramClient::begin(example.hash, ("user", b"pencil"), "", ("n", b""), example.nonces.0.into());
        assert_eq!(said, first);
        assert_eq!(client.respond(server_first.as_bytes()).as_deref(), Some(last));
        assert!(!client.is_verified());
        assert_eq!(client.respond(server_last.as_bytes()).as_deref(), Some(""));
        assert!(client.is_verified());

        let facts = TlsFacts::default();
        let mut server = ScramServer::new(example.hash, false, false);
        assert!(matches!(server.respond(first.as_bytes(), &facts), Said::Lookup { login } if login == "user"));
        assert_eq!(challenge(server.keys_with(keys(example), example.nonces.1)), server_first);
        assert_eq!(challenge(server.respond(last.as_bytes(), &facts)), server_last);
        let proven = server.respond(b"", &facts);
        assert!(matches!(proven, Said::Proven { login, authorization } if login == "user" && authorization.is_empty()));
        assert!(matches!(server.respond(b"", &facts), Said::Malformed), "it is over");
    }
}

#[test]
fn keys_are_kept_and_restored() {
    for example in &EXAMPLES {
        let made = keys(example);
        let restore = |salt: &[u8], iterations, stored: &[u8], server: &[u8]| {
            Keys::restore(made.hash(), salt, iterations, stored, server)
        };
        let (salt, stored, server) = (made.salt(), made.stored_key(), made.server_key());
        assert!(restore(salt, 4096, stored, server).is_some_and(|kept| kept.stored_key() == stored));
        assert!(restore(b"", 4096, stored, server).is_none());
        assert!(restore(&[0; SALT_MAX + 1], 4096, stored, server).is_none());
        assert!(restore(salt, 0, stored, server).is_none());
        assert!(restore(salt, 4096, &stored[1..], server).is_none());
        assert!(restore(salt, 4096, stored, b"").is_none());
    }
}

#[test]
fn first_messages_that_are_refused() {
    let facts = TlsFacts { end_point: EndPoint::new(b"hash"), ..TlsFacts::default() };
    let long = format!("n,,n=user,r={}", "x".repeat(NONCE_MAX + 1));
    let name = format!("n,,n={},r=x", "x".repeat(NAME_MAX + 1));
    let message = format!("n,,n=user,r=x,e={}", "x".repeat(SCRAM_MESSAGE_MAX));
    for (plus, offered, message, wanted) in [
        (false, false, "n,,n=user,r=x", "lookup"),
        (false, true, "n,,n=user,r=x", "lookup"),
        (false, false, "n,a=other,n=us=2Cer,r=x,z=ext,y=more", "lookup"),
        (false, false, "y,,n=user,r=x", "lookup"),
        // Its list of mechanisms was tampered with.
        (false, true, "y,,n=user,r=x", "wrong"),
        (true, true, "y,,n=user,r=x", "malformed"),
        (true, true, "n,,n=user,r=x", "malformed"),
        (true, true, "p=tls-server-end-point,,n=user,r=x", "lookup"),
        (true, true, "p=tls-exporter,,n=user,r=x", "wrong"),
        (true, true, "p=tls-unique,,n=user,r=x", "wrong"),
        (false, true, "p=tls-server-end-point,,n=user,r=x", "malformed"),
        (false, false, "n,,m=ext,n=user,r=x", "malformed"),
        (false, false, "n,,n=user,r=x,m=ext", "malformed"),
        (false, false, "n,,n=user,r=x,z", "malformed"),
        (false, false, "n,,n=user,r=x,zz=y", "malformed"),
        (false, false, "n,,n=user,r=x,", "malformed"),
        (false, false, "n,,n=,r=x", "malformed"),
        (false, false, "n,,n=us=er,r=x", "malformed"),
        (false, false, "n,,n=us\0er,r=x", "malformed"),
        (false, false, "n,,n=user,r=", "malformed"),
        (false, false, "n,,n=user,r=x y", "malformed"),
        (false, false, "n,,n=user,r=\u{e4}", "malformed"),
        (false, false, "n,,r=x,n=user", "malformed"),
        (false, false, "n,,n=user", "malformed"),
        (false, false, "n=user,r=x", "malformed"),
        (false, false, "", "malformed"),
        (false, false, &long, "malformed"),
        (false, false, &name, "malformed"),
        (false, false, &message, "malformed"),
    ] {
        let said = ScramServer::new(Hash::Sha256, plus, offered).respond(message.as_bytes(), &facts);
        let said = match said {
            Said::Lookup { .. } => "lookup",
            Said::Wrong => "wrong",
            Said::Malformed => "malformed",
            said => panic!("{said:?}"),
        };
        assert_eq!(said, wanted, "{message}");
    }
}

#[test]
fn last_messages_that_are_refused() {
    let example = &EXAMPLES[1];
    let [first, _, last, _] = example.messages;
    let facts = TlsFacts::default();
    let answer = |keys: Keys, last: &str| {
        let mut server = ScramServer::new(example.hash, false, false);
        let _ = server.respond(first.as_bytes(), &facts);
        let _ = server.keys_with(keys, example.nonces.1);
        server.respond(last.as_bytes(), &facts)
    };
    for (from, to, wrong) in [
        ("c=biws", "c=eSws", true),
        ("k0,p=", "k1,p=", true),
        ("p=dH", "p=dI", true),
        ("p=dHzb", "p=", true),
        ("p=dHzb", "p=dH", false),
        ("c=biws,", "", false),
        (",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "", false),
        ("k0,p", "k0,m=x,p", false),
        // An extension is part of what is signed.
        ("k0,p", "k0,z=x,p", true),
    ] {
        let said = answer(keys(example), &last.replace(from, to));
        assert_eq!(matches!(said, Said::Wrong), wrong, "{to}: {said:?}");
        assert!(matches!(said, Said::Wrong | Said::Malformed), "{to}: {said:?}");
    }
    let decoy = Keys::decoy(example.hash, &decode(example.salt.as_bytes()).unwrap(), 4096);
    assert!(matches!(answer(decoy, last), Said::Wrong));
    let other = Keys::derive(example.hash, b"pencils", &decode(example.salt.as_bytes()).unwrap(), 4096);
    assert!(matches!(answer(other, last), Said::Wrong));
}

#[test]
fn a_proof_that_makes_zero_keys_does_not_open_nobodys() {
    // ClientKey is proof XOR HMAC(StoredKey, AuthMessage): with a StoredKey that is known, an
    // attacker chooses ClientKey freely, and only needs one whose hash is StoredKey.
    let decoy = Keys::decoy(Hash::Sha256, b"salt", 4096);
    let zero = Value::zero(32);
    assert!(!decoy.is_proven(zero.as_slice(), "message"));
    assert!(!decoy.is_proven(b"", "message"));
}

#[test]
fn servers_that_a_client_does_not_go_on_with() {
    let example = &EXAMPLES[1];
    let begin = || ScramClient::begin(example.hash, ("user", b"pencil"), "", ("n", b""), example.nonces.0.into()).0;
    let server_first = example.messages[1];
    let salt = format!("s={},", encode(&[1; SALT_MAX + 1]));
    let nonce = format!("r=rOprNGfwEbeRWgbNEkqO{}", "x".repeat(NONCE_MAX + 1));
    for (from, to) in [
        ("i=4096", "i=4095"),
        ("i=4096", "i=1000001"),
        ("i=4096", "i=99999999999999999999"),
        ("i=4096", "i=04096"),
        ("i=4096", "i=+4096"),
        ("i=4096", "i="),
        ("i=4096", "i=4096,m=x"),
        // Not our nonce, or nothing added to it.
        ("r=rOpr", "r=xOpr"),
        ("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", ""),
        ("s=W22ZaJ0SNY7soEsUEjb6gQ==,", "s=,"),
        ("s=W22ZaJ0SNY7soEsUEjb6gQ==,", "s=!,"),
        ("s=W22ZaJ0SNY7soEsUEjb6gQ==,", ""),
        ("s=W22ZaJ0SNY7soEsUEjb6gQ==,", &salt),
        ("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", &nonce),
        ("r=", "m=x,r="),
    ] {
        assert_eq!(begin().respond(server_first.replace(from, to).as_bytes()), None, "{to}");
    }
    assert_eq!(begin().respond(&[b'r'; SCRAM_MESSAGE_MAX + 1]), None);
    assert_eq!(begin().respond(b"\xff"), None);
    for last in ["v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=", "v=", "e=other-error", "v=6rriTRBi", ""] {
        let mut client = begin();
        assert!(client.respond(server_first.as_bytes()).is_some());
        assert_eq!(client.respond(last.as_bytes()), None, "{last}");
        assert!(!client.is_verified());
        assert_eq!(client.respond(example.messages[3].as_bytes()), None, "it is over");
    }
}

#[test]
fn salts_of_nobody_are_steady_and_differ() {
    let secret = [7; 32];
    let salts: Vec<_> = [
        (&secret, Hash::Sha256, "bob"),
        (&secret, Hash::Sha256, "alice"),
        (&secret, Hash::Sha1, "bob"),
        (&[8; 32], Hash::Sha256, "bob"),
    ]
    .map(|(secret, hash, login)| decoy_salt(secret, hash, login))
    .into();
    assert_eq!(salts[0], decoy_salt(&secret, Hash::Sha256, "bob"));
    for at in 1..salts.len() {
        assert!(!salts[..at].contains(&salts[at]));
    }
}

#[test]
fn nothing_secret_is_printed() {
    let printed = format!("{:?} {:?}", keys(&EXAMPLES[1]), {
        ScramClient::begin(Hash::Sha1, ("user", b"pencil"), "", ("n", b""), "x".into()).0
    });
    assert_eq!(printed, "Keys(Sha256 4096 ..) ScramClient(Sha1 ..)");
}
