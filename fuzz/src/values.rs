//! Parsers that stand alone.

use postkern::imap::{Date, DateTime, SequenceSet, Tag, decode_mailbox, encode_mailbox};
use postkern::sasl::{Exchange, Keys, Mechanism, NONCE, Step, TokenRefusal, decode, encode, plain_response};
use postkern::smtp::{is_domain, is_mailbox};

/// Modified UTF-7 has one form for each name.
pub fn utf7(data: &[u8]) {
    if let Some(name) = decode_mailbox(data) {
        let mut again = Vec::new();
        encode_mailbox(&name, &mut again);
        assert_eq!(again, data, "{name:?} has two forms");
    }
    if let Ok(name) = std::str::from_utf8(data) {
        let mut wire = Vec::new();
        encode_mailbox(name, &mut wire);
        assert!(wire.iter().all(|octet| matches!(octet, b' '..=b'~')));
        assert_eq!(decode_mailbox(&wire).as_deref(), Some(name));
    }
}

/// Exchanges of SASL: lines of messages; the first octet tells the mechanism.
pub fn sasl(data: &[u8]) {
    let (mechanism, data) = match data {
        [b'L', rest @ ..] => (Mechanism::Login, rest),
        [b'S', rest @ ..] => (Mechanism::ScramSha256, rest),
        [b'B', rest @ ..] => (Mechanism::OauthBearer, rest),
        [b'X', rest @ ..] => (Mechanism::Xoauth2, rest),
        [b'E', rest @ ..] => (Mechanism::External, rest),
        [_, rest @ ..] => (Mechanism::Plain, rest),
        [] => return,
    };
    let mut messages = data.split(|&octet| octet == b'\n');
    let first = messages.next().filter(|message| !message.is_empty());
    let (mut exchange, mut step) = Exchange::begin(mechanism, first);
    for message in messages {
        check(&step);
        step = match step {
            Step::Challenge(_) => exchange.respond(message),
            Step::Lookup { hash, .. } => exchange.keys(Keys::decoy(hash, b"salt", 4096), &[1; NONCE]),
            Step::Token(_) => exchange.refuse_token(TokenRefusal::default()),
            _ => break,
        };
    }
    check(&step);
    if let Some(octets) = decode(data) {
        assert_eq!(encode(&octets).as_bytes(), data, "base64 has one form");
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Some((login, password)) = text.split_once('\n')
        && let Some(response) = plain_response(login, password)
    {
        let (_, step) = Exchange::begin(Mechanism::Plain, Some(response.as_bytes()));
        let Step::Claimed(claim) = step else { panic!("{step:?}: our client's message is not understood") };
        assert_eq!((claim.login.as_str(), claim.password.as_slice()), (login, password.as_bytes()));
    }
}

fn check(step: &Step) {
    match step {
        Step::Challenge(challenge) => assert!(decode(challenge.as_bytes()).is_some()),
        Step::Claimed(claim) => {
            assert!(!claim.login.is_empty() && !claim.login.chars().any(char::is_control));
            assert!(!claim.password.is_empty() && !claim.password.contains(&0));
            assert!(!format!("{claim:?}").contains("password"), "a secret is shown");
        }
        Step::Lookup { login, .. } => assert!(!login.is_empty() && !login.chars().any(char::is_control)),
        Step::Token(token) => {
            assert!(!token.token.is_empty() && token.token.bytes().all(|octet| octet.is_ascii_graphic()));
            assert!(!token.authorization.chars().any(char::is_control));
        }
        Step::External { authorization } => assert!(!authorization.chars().any(char::is_control)),
        Step::Proven { .. } => panic!("a proof for the keys of nobody"),
        Step::Wrong | Step::Malformed => {}
    }
}

/// Sequence sets, tags, domains, mailboxes and days.
pub fn values(data: &[u8]) {
    if let Some(set) = SequenceSet::parse(data) {
        assert_eq!(set.as_bytes(), data);
        crate::imap::check_set(set);
    }
    if let Some(tag) = Tag::new(data) {
        assert_eq!(tag.as_bytes(), data);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let line = |text: &str| text.bytes().all(|octet| matches!(octet, b' '..=b'~'));
        if is_domain(text) {
            assert!(line(text) && !text.contains(' ') && text.len() <= 255);
            // dcontent may be an angle bracket (RFC 5321 section 4.1.3), a name may not.
            assert!(!text.contains('>') || text.starts_with('['));
        }
        if is_mailbox(text) {
            let domain = text.rsplit_once('@').expect("a mailbox has a domain").1;
            assert!(line(text) && text.len() <= 254 && (is_domain(domain) || text.contains('[')));
        }
    }
    if let Some(&days) = data.first_chunk::<8>() {
        let days = i64::from_le_bytes(days);
        // Days near us are worth more than those that no calendar has.
        for days in [days, days % 4_000_000] {
            if let Some(date) = Date::from_days(days) {
                assert_eq!(date.days(), days);
                assert_eq!(Date::new(date.year, date.month, date.day), Some(date));
            }
            if let Some(time) = DateTime::from_unix(days) {
                assert_eq!(time.unix(), days);
            }
        }
    }
}
