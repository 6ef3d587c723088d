//! SEARCH: what matches, what need not be read, and what cannot be asked.

use postkern::imap::SearchKeys;
use postkern_server::job::Timestamp;
use postkern_server::mailbox::{Flags, Meta};
use postkern_server::search::{Context, Error, Needs, Program, STRINGS_MAX, Verdict, compile};
use proptest::prelude::*;

const UIDS: &[u32] = &[3, 5, 8, 13];

fn program(keys: &str, charset: Option<&str>) -> Result<Program, Error> {
    let keywords = ["work".to_string(), "Home".to_string()];
    let charset = charset.map(str::as_bytes);
    let context = Context { uids: UIDS, recent_from: 8, keywords: &keywords, charset };
    compile(SearchKeys::parse(keys.as_bytes()).unwrap_or_else(|| panic!("{keys}")), &context)
}

/// Message 3 of 4: seen, flagged, with the keyword `work`, of 1000 octets.
const META: Meta = Meta {
    uid: 8,
    flags: Flags::SEEN.with(Flags::FLAGGED).with(Flags::keyword(0)),
    size: 1000,
    // 1994-02-07T23:30:00Z
    internal_date: Timestamp(760_663_800),
    modseq: 1,
};

fn judge(keys: &str) -> Verdict {
    program(keys, None).unwrap().judge(&META)
}

#[test]
fn keys_without_text_are_judged() {
    for (keys, matches) in [
        ("ALL", true),
        ("SEEN FLAGGED", true),
        ("SEEN ANSWERED", false),
        ("UNSEEN", false),
        ("UNANSWERED UNDELETED UNDRAFT", true),
        ("UNFLAGGED", false),
        ("RECENT", true),
        ("NEW", false),
        ("OLD", false),
        ("NOT NEW", true),
        ("KEYWORD work", true),
        ("KEYWORD WORK", true),
        ("KEYWORD home", false),
        ("KEYWORD none", false),
        ("UNKEYWORD none", true),
        ("UNKEYWORD work", false),
        ("3", true),
        ("1:2,4", false),
        ("2:*", true),
        ("*", false),
        ("4:3", true),
        ("5:9", false),
        ("1:4294967295", true),
        ("UID 8", true),
        ("UID 3", false),
        ("UID 99:*", false),
        ("UID *:1", true),
        ("LARGER 999", true),
        ("LARGER 1000", false),
        ("SMALLER 1001", true),
        ("SMALLER 1000", false),
        ("ON 7-Feb-1994", true),
        ("BEFORE 7-Feb-1994", false),
        ("BEFORE 8-Feb-1994", true),
        ("SINCE 7-Feb-1994", true),
        ("SINCE 8-Feb-1994", false),
        ("NOT (SEEN UNFLAGGED)", true),
        ("OR UNSEEN FLAGGED", true),
        ("OR UNSEEN UNFLAGGED", false),
        ("OR OR UNSEEN UNFLAGGED NOT NOT SEEN", true),
        ("NOT OR SEEN UNSEEN", false),
        ("((ALL (SEEN)) FLAGGED)", true),
    ] {
        assert_eq!(judge(keys), if matches { Verdict::Yes } else { Verdict::No }, "{keys}");
        let program = program(keys, None).unwrap();
        assert_eq!(program.needs(), Needs::Nothing, "{keys}");
        assert_eq!(program.matches(&META, b""), matches, "{keys}");
    }
}

#[test]
fn an_empty_mailbox_has_no_numbers() {
    let keys = |keys: &str| {
        let context = Context { uids: &[], recent_from: 1, keywords: &[], charset: None };
        compile(SearchKeys::parse(keys.as_bytes()).unwrap(), &context).unwrap().judge(&META)
    };
    for set in ["*", "1:*", "1", "UID *"] {
        assert_eq!(keys(set), Verdict::No, "{set}");
    }
}

#[test]
fn text_is_read_only_where_it_decides() {
    for (keys, verdict, needs) in [
        ("TEXT x", Verdict::NeedsText, Needs::Message),
        ("TEXT x UNSEEN", Verdict::No, Needs::Message),
        ("OR TEXT x SEEN", Verdict::Yes, Needs::Message),
        ("OR BODY x UNSEEN", Verdict::NeedsText, Needs::Message),
        ("NOT (BODY x SEEN)", Verdict::NeedsText, Needs::Message),
        ("NOT (BODY x UNSEEN)", Verdict::Yes, Needs::Message),
        ("SUBJECT x", Verdict::NeedsText, Needs::Header),
        ("SENTON 1-Jan-2000 FROM x", Verdict::NeedsText, Needs::Header),
        ("BODY \"\"", Verdict::Yes, Needs::Nothing),
        ("TEXT \"\" UNSEEN", Verdict::No, Needs::Nothing),
    ] {
        assert_eq!(judge(keys), verdict, "{keys}");
        assert_eq!(program(keys, None).unwrap().needs(), needs, "{keys}");
    }
}

const MESSAGE: &str = concat!(
    "Date: Mon, 7 Feb 1994 23:30:00 -0800\r\nFrom: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>\r\n",
    "To: a@x, b@x\r\nTo: c@x\r\nSubject: =?utf-8?b?R3LDnMOf?= =?utf-8?q?e?= from\r\n the MOON\r\nX-Empty:\r\n",
    "Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n",
    "--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
    "Stra=DFe und so=\r\nfort\r\n",
    "--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n",
    "PGI+zpTOmc6azpHOo86kzpfOoTwvYj4gzp/OlM6fzqM=\r\n",
    "--b\r\nContent-Type: application/pdf; name=report.pdf\r\n\r\nbinary\r\n",
    "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: attached\r\n\r\ninner text\r\n",
    "--b--\r\nepilogue\r\n"
);

#[test]
fn text_is_decoded() {
    for (keys, matches) in [
        ("SUBJECT \"grü\"", true),
        ("SUBJECT \"GRÜ\"", true),
        ("SUBJECT \"ße from the moon\"", true),
        ("SUBJECT utf-8", false),
        ("FROM \"jörg\"", true),
        ("FROM JOERG@EXAMPLE", true),
        ("FROM \"jörg <joerg\"", true),
        ("TO c@x", true),
        ("TO a@x TO b@x", true),
        ("CC a@x", false),
        ("HEADER X-Empty \"\"", true),
        ("HEADER x-empty a", false),
        ("HEADER X-None \"\"", false),
        ("CC \"\"", false),
        ("TO \"\"", true),
        ("HEADER To b@x", true),
        ("BODY \"straße\"", true),
        ("BODY sofort", true),
        ("BODY \"ΔΙΚΑΣΤΗΡ\"", true),
        ("BODY \"δικαστηρ\"", true),
        ("BODY \"οδοσ\"", true),
        ("BODY \"οδος\"", true),
        ("BODY \"<b>\"", true),
        ("BODY \"inner text\"", true),
        ("BODY binary", false),
        ("BODY preamble", false),
        ("BODY PGI", false),
        ("BODY attached", false),
        ("BODY moon", false),
        ("TEXT attached", true),
        ("TEXT report.pdf", true),
        ("TEXT \"subject: grüße\"", true),
        ("TEXT sofort", true),
        ("TEXT nowhere", false),
        ("NOT TEXT nowhere", true),
        ("BODY \"fort<b>\"", false),
        ("OR BODY nowhere (SUBJECT moon SEEN)", true),
        ("SENTON 7-Feb-1994", true),
        ("SENTBEFORE 8-Feb-1994", true),
        ("SENTSINCE 8-Feb-1994", false),
    ] {
        let program = program(keys, Some("utf-8")).unwrap();
        assert_eq!(program.matches(&META, MESSAGE.as_bytes()), matches, "{keys}");
        if program.needs() == Needs::Header {
            let header = &MESSAGE[..MESSAGE.find("preamble").unwrap()];
            assert_eq!(program.matches(&META, header.as_bytes()), matches, "{keys}");
        }
    }
}

#[test]
fn a_message_without_a_day_was_not_sent() {
    for date in ["", "Date: soon\r\n", "Date: 31 Feb 1994\r\n"] {
        let message = format!("{date}\r\n");
        for keys in ["SENTBEFORE 1-Jan-2099", "SENTON 1-Jan-1970", "SENTSINCE 1-Jan-1900"] {
            assert!(!program(keys, None).unwrap().matches(&META, message.as_bytes()), "{keys}");
        }
    }
}

#[test]
fn strings_are_of_their_charset() {
    assert_eq!(program("TEXT a", Some("US-ascii")).map(|_| ()), Ok(()));
    assert_eq!(program("ALL", Some("KOI8-R")), Err(Error::Charset));
    assert_eq!(program("TEXT \"ä\"", None), Err(Error::Text));
    assert_eq!(program("TEXT \"ä\"", Some("us-ascii")), Err(Error::Text));
    let context = Context { uids: &[], recent_from: 1, keywords: &[], charset: Some(b"UTF-8") };
    let keys = SearchKeys::parse(b"TEXT {1}\r\n\xe4").unwrap();
    assert_eq!(compile(keys, &context), Err(Error::Text));
    let many = |count: usize| vec!["BODY a"; count].join(" ");
    assert!(program(&many(STRINGS_MAX), None).is_ok());
    assert_eq!(program(&many(STRINGS_MAX + 1), None), Err(Error::Strings));
}

#[test]
fn nesting_takes_no_stack() {
    let deep = format!("{}ALL{}", "(".repeat(64), ")".repeat(64));
    assert_eq!(judge(&deep), Verdict::Yes);
    assert_eq!(judge(&format!("{}SEEN", "NOT ".repeat(63))), Verdict::No);
    let many = vec!["OR UNSEEN SEEN"; 3_000].join(" ");
    assert_eq!(judge(&many), Verdict::Yes);
}

/// What the grammar says, by recursion.
#[derive(Clone, Debug)]
enum Expression {
    /// A key, whether it holds, whether that is known without reading.
    Key(&'static str, bool, bool),
    Not(Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    And(Vec<Expression>),
}

impl Expression {
    fn write(&self) -> String {
        match self {
            Self::Key(key, ..) => key.to_string(),
            Self::Not(of) => format!("NOT {}", of.write()),
            Self::Or(a, b) => format!("OR {} {}", a.write(), b.write()),
            Self::And(all) => format!("({})", all.iter().map(Self::write).collect::<Vec<_>>().join(" ")),
        }
    }

    fn holds(&self) -> bool {
        match self {
            Self::Key(_, holds, _) => *holds,
            Self::Not(of) => !of.holds(),
            Self::Or(a, b) => a.holds() || b.holds(),
            Self::And(all) => all.iter().all(Self::holds),
        }
    }

    /// Three-valued: none is not known.
    fn known(&self) -> Option<bool> {
        match self {
            Self::Key(_, holds, known) => known.then_some(*holds),
            Self::Not(of) => of.known().map(|holds| !holds),
            Self::Or(a, b) => match (a.known(), b.known()) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Self::And(all) => {
                let known: Vec<_> = all.iter().map(Self::known).collect();
                if known.contains(&Some(false)) {
                    return Some(false);
                }
                known.iter().all(Option::is_some).then_some(true)
            }
        }
    }
}

fn expressions() -> impl Strategy<Value = Expression> {
    let keys = vec![
        Expression::Key("SEEN", true, true),
        Expression::Key("UNSEEN", false, true),
        Expression::Key("NEW", false, true),
        Expression::Key("ALL", true, true),
        Expression::Key("KEYWORD none", false, true),
        Expression::Key("SUBJECT moon", true, false),
        Expression::Key("SUBJECT sun", false, false),
        Expression::Key("BODY sofort", true, false),
        Expression::Key("TEXT nowhere", false, false),
    ];
    prop::sample::select(keys).prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|of| Expression::Not(Box::new(of))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Expression::Or(Box::new(a), Box::new(b))),
            prop::collection::vec(inner, 1..4).prop_map(Expression::And),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_program_means_what_its_keys_mean(expression in expressions()) {
        let keys = expression.write();
        let program = program(&keys, None).unwrap();
        prop_assert_eq!(program.matches(&META, MESSAGE.as_bytes()), expression.holds(), "{}", keys);
        let verdict = match expression.known() {
            Some(true) => Verdict::Yes,
            Some(false) => Verdict::No,
            None => Verdict::NeedsText,
        };
        prop_assert_eq!(program.judge(&META), verdict, "{}", keys);
    }

    #[test]
    fn any_octets_can_be_searched(message in prop::collection::vec(any::<u8>(), 0..300)) {
        let program = program("OR TEXT nowhere OR BODY nowhere OR SUBJECT nowhere SENTON 1-Jan-1970", None).unwrap();
        program.matches(&META, &message);
    }

    #[test]
    fn damaged_messages_can_be_searched(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut message = MESSAGE.as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(message.len());
            message[at] = byte;
        }
        program("OR TEXT nowhere BODY nowhere", None).unwrap().matches(&META, &message);
    }
}
