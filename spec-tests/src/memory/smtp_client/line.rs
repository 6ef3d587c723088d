//! C lines as the client machine's own commands. Parameters are read here anew, and not by the
//! code under test.

use postkern::smtp::{
    BodyType, ByMode, Command, DeliverBy, Hold, MailParams, Notify, OriginalRecipient, Priority, RcptParams, Ret,
    RrvsAction, ValidSince, XclientAttribute, Xtext, is_domain,
};

/// What a line says, XCLIENT with its attributes apart.
pub(super) enum Line<'i> {
    Command(Command<'i>),
    Xclient(Vec<(XclientAttribute, Option<&'i str>)>),
    /// BDAT: octets follow.
    Chunk {
        octets: usize,
        last: bool,
    },
}

/// None if our client has no command for it.
pub(super) fn line(line: &str) -> Option<Line<'_>> {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    Some(Line::Command(match verb {
        "EHLO" if is_domain(rest) => Command::Ehlo(rest),
        "HELO" if is_domain(rest) => Command::Helo(rest),
        "LHLO" if is_domain(rest) => Command::Lhlo(rest),
        "MAIL" => {
            let (from, params) = path(rest.strip_prefix("FROM:<")?)?;
            Command::Mail { from, params: mail(params)? }
        }
        "RCPT" => {
            let (to, params) = path(rest.strip_prefix("TO:<")?)?;
            Command::Rcpt { to, params: rcpt(params)? }
        }
        "BDAT" => {
            let (octets, last) = match rest.strip_suffix(" LAST") {
                Some(octets) => (octets, true),
                None => (rest, false),
            };
            return Some(Line::Chunk { octets: octets.parse().ok()?, last });
        }
        "VRFY" => Command::Vrfy(rest.strip_suffix(" SMTPUTF8").unwrap_or(rest)),
        "EXPN" => Command::Expn(rest.strip_suffix(" SMTPUTF8").unwrap_or(rest)),
        "ETRN" => Command::Etrn(rest),
        "XCLIENT" => {
            let mut attributes = Vec::new();
            for word in rest.split_ascii_whitespace() {
                let (name, value) = word.split_once('=')?;
                let name = XclientAttribute::ALL.into_iter().find(|own| own.name() == name)?;
                attributes.push((name, (value != "[UNAVAILABLE]").then_some(value)));
            }
            return Some(Line::Xclient(attributes));
        }
        "AUTH" => match rest.split_once(' ') {
            Some((mechanism, "=")) => Command::Auth { mechanism, initial: Some("") },
            Some((mechanism, initial)) => Command::Auth { mechanism, initial: Some(initial) },
            None => Command::Auth { mechanism: rest, initial: None },
        },
        "DATA" => Command::Data,
        "RSET" => Command::Rset,
        "NOOP" => Command::Noop(rest),
        "HELP" => Command::Help(rest),
        "STARTTLS" => Command::StartTls,
        "QUIT" => Command::Quit,
        _ => return None,
    }))
}

/// The path, which may hold `>` in quotes, and the parameters behind it.
fn path(rest: &str) -> Option<(&str, &str)> {
    rest.split_once("> ").or_else(|| Some((rest.strip_suffix('>')?, "")))
}

fn mail(text: &str) -> Option<MailParams<'_>> {
    let mut params = MailParams::default();
    for param in text.split_ascii_whitespace() {
        match param.split_once('=').unwrap_or((param, "")) {
            ("SIZE", size) => params.size = Some(size.parse().ok()?),
            ("BODY", body) => params.body = Some(self::body(body)?),
            ("SMTPUTF8", "") => params.smtp_utf8 = true,
            ("AUTH", auth) => params.auth = Some(Xtext::parse(auth)?),
            ("RET", ret) => params.ret = Some(self::ret(ret)?),
            ("ENVID", envid) => params.envid = Some(Xtext::parse(envid)?),
            ("REQUIRETLS", "") => params.require_tls = true,
            ("HOLDFOR", seconds) => params.hold = Some(Hold::For(seconds.parse().ok()?)),
            ("BY", by) => params.by = Some(self::by(by)?),
            ("MT-PRIORITY", priority) => params.priority = Some(Priority::new(priority.parse().ok()?)?),
            _ => return None,
        }
    }
    Some(params)
}

fn rcpt(text: &str) -> Option<RcptParams<'_>> {
    let mut params = RcptParams::default();
    for param in text.split_ascii_whitespace() {
        match param.split_once('=')? {
            ("NOTIFY", notify) => params.notify = Some(Notify::parse(notify)?),
            ("ORCPT", orcpt) => params.orcpt = Some(OriginalRecipient::parse(orcpt)?),
            ("RRVS", rrvs) => params.rrvs = Some(self::rrvs(rrvs)?),
            _ => return None,
        }
    }
    Some(params)
}

pub(in crate::memory) fn body(text: &str) -> Option<BodyType> {
    match text {
        "7BIT" => Some(BodyType::SevenBit),
        "8BITMIME" => Some(BodyType::EightBitMime),
        "BINARYMIME" => Some(BodyType::BinaryMime),
        _ => None,
    }
}

pub(in crate::memory) fn ret(text: &str) -> Option<Ret> {
    [Ret::Full, Ret::Headers].into_iter().find(|ret| ret.as_str() == text)
}

pub(in crate::memory) fn by(text: &str) -> Option<DeliverBy> {
    let (seconds, mode) = text.split_once(';')?;
    let (mode, trace) = match mode {
        "N" => (ByMode::Notify, false),
        "NT" => (ByMode::Notify, true),
        "R" => (ByMode::Return, false),
        "RT" => (ByMode::Return, true),
        _ => return None,
    };
    Some(DeliverBy { seconds: seconds.parse().ok()?, mode, trace })
}

/// The moment is always the first of 1970: dates have their tests elsewhere.
pub(in crate::memory) fn rrvs(text: &str) -> Option<ValidSince> {
    let action = match text.strip_prefix("1970-01-01T00:00:00Z")? {
        "" => RrvsAction::Continue,
        ";R" => RrvsAction::Reject,
        _ => return None,
    };
    Some(ValidSince { since: 0, action })
}
