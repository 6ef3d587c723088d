//! What a server says, in one form, as the log has it.

use postkern::imap::{
    Address, Addresses, Astring, Body, BodyStructure, Capabilities, Envelope, FetchValue, FetchValues, MailboxStatus,
    Namespaces, Parameters, Response, ResponseCode, SequenceSet, TextName, Words,
};

use super::super::imap::render::{flags, string};
use crate::transcript::escaped;

/// `[CODE] text`
pub(super) fn text(code: Option<ResponseCode<'_>>, text: &[u8]) -> String {
    let code = code.map(|code| format!("[{}] ", self::code(&code))).unwrap_or_default();
    format!("{code}{}", escaped(text))
}

fn code(code: &ResponseCode<'_>) -> String {
    let set = |set: &SequenceSet<'_>| escaped(set.as_bytes());
    match code {
        ResponseCode::Capability(names) => format!("CAPABILITY {}", words(names)),
        ResponseCode::PermanentFlags(list) => format!("PERMANENTFLAGS {}", flags(list)),
        ResponseCode::UidNext(uid) => format!("UIDNEXT {uid}"),
        ResponseCode::UidValidity(validity) => format!("UIDVALIDITY {validity}"),
        ResponseCode::Unseen(message) => format!("UNSEEN {message}"),
        ResponseCode::AppendUid { validity, uids } => format!("APPENDUID {validity} {}", set(uids)),
        ResponseCode::CopyUid { validity, from, to } => format!("COPYUID {validity} {} {}", set(from), set(to)),
        ResponseCode::Other { name, value } => format!("other {} {}", escaped(name), escaped(value)),
        ResponseCode::Alert => "ALERT".to_owned(),
        ResponseCode::Parse => "PARSE".to_owned(),
        ResponseCode::ReadOnly => "READ-ONLY".to_owned(),
        ResponseCode::ReadWrite => "READ-WRITE".to_owned(),
        ResponseCode::TryCreate => "TRYCREATE".to_owned(),
        ResponseCode::UidNotSticky => "UIDNOTSTICKY".to_owned(),
    }
}

/// An untagged response.
pub(super) fn response(response: &Response<'_>) -> String {
    let separator = |octet: Option<u8>| octet.map_or("NIL".to_owned(), |octet| escaped(&[octet]));
    match response {
        Response::Status { status, code, text } => {
            format!("* {} {}", format!("{status:?}").to_ascii_uppercase(), self::text(*code, text))
        }
        Response::Bye { code, text } => format!("* BYE {}", self::text(*code, text)),
        Response::Capability(names) => format!("* CAPABILITY {}", words(names)),
        Response::Enabled(names) => format!("* ENABLED {}", words(names)),
        Response::Flags(list) => format!("* FLAGS {}", flags(list)),
        Response::List { subscribed, attributes, separator: octet, mailbox } => {
            let name = if *subscribed { "LSUB" } else { "LIST" };
            format!("* {name} {} {} {}", flags(attributes), separator(*octet), string(mailbox))
        }
        Response::Mailbox(status) => mailbox(status),
        Response::Search(numbers) => {
            format!("* SEARCH{}", numbers.iter().map(|number| format!(" {number}")).collect::<String>())
        }
        Response::Exists(messages) => format!("* {messages} EXISTS"),
        Response::Recent(messages) => format!("* {messages} RECENT"),
        Response::Expunge(message) => format!("* {message} EXPUNGE"),
        Response::Fetch { message, values: items } => format!("* {message} FETCH{}", values(*items)),
        Response::Namespace { personal, others, shared } => {
            let one = |names: &Namespaces<'_>| {
                let each = names.iter().map(|(prefix, octet)| format!("{} {}", string(&prefix), separator(octet)));
                format!(" ({})", each.collect::<Vec<_>>().join(") ("))
            };
            format!("* NAMESPACE{}{}{}", one(personal), one(others), one(shared))
        }
        Response::Id(fields) => {
            let each = fields.iter().map(|(field, value)| format!(" {} {}", string(&field), nstring(value)));
            format!("* ID{}", each.collect::<String>())
        }
        Response::Other(line) => format!("* other {}", escaped(line)),
    }
}

fn mailbox(status: &MailboxStatus<'_>) -> String {
    let told = [
        ("MESSAGES", status.messages),
        ("RECENT", status.recent),
        ("UIDNEXT", status.uid_next),
        ("UIDVALIDITY", status.uid_validity),
        ("UNSEEN", status.unseen),
    ];
    let told = told.into_iter().filter_map(|(name, number)| Some(format!(" {name} {}", number?)));
    format!("* STATUS {}{}", string(&status.mailbox), told.collect::<String>())
}

/// Each item with a space before it.
pub(super) fn values(values: FetchValues<'_>) -> String {
    values.iter().map(|value| format!(" {}", self::value(value))).collect()
}

fn value(value: FetchValue<'_>) -> String {
    match value {
        FetchValue::Uid(uid) => format!("UID {uid}"),
        FetchValue::Flags(list) => format!("FLAGS {}", flags(&list)),
        FetchValue::InternalDate(date) => format!("INTERNALDATE @{}", date.unix()),
        FetchValue::Rfc822Size(octets) => format!("RFC822.SIZE {octets}"),
        FetchValue::Envelope(envelope) => format!("ENVELOPE {}", self::envelope(&envelope)),
        FetchValue::Body(body) => format!("BODY {}", structure(body)),
        FetchValue::BodyStructure(body) => format!("BODYSTRUCTURE {}", structure(body)),
        FetchValue::Text { name, octets } => format!("{} {}", self::name(&name), nstring(octets)),
        FetchValue::Other { name, value } => format!("other {} {}", escaped(name), escaped(value)),
        FetchValue::Odd(rest) => format!("odd {}", escaped(rest)),
    }
}

/// `BODY[1]<0>`
pub(super) fn name(name: &TextName<'_>) -> String {
    match name {
        TextName::Section { section, origin } => {
            let mut text = Vec::new();
            section.write(&mut text);
            let origin = origin.map(|origin| format!("<{origin}>")).unwrap_or_default();
            format!("BODY[{}]{origin}", escaped(&text))
        }
        TextName::Rfc822 => "RFC822".to_owned(),
        TextName::Rfc822Header => "RFC822.HEADER".to_owned(),
        TextName::Rfc822Text => "RFC822.TEXT".to_owned(),
    }
}

fn envelope(envelope: &Envelope<'_>) -> String {
    let lists = [envelope.from, envelope.sender, envelope.reply_to, envelope.to, envelope.cc, envelope.bcc];
    let lists = lists.iter().map(addresses).collect::<Vec<_>>().join(" ");
    let (date, subject) = (nstring(envelope.date), nstring(envelope.subject));
    format!("{date} {subject} {lists} {} {}", nstring(envelope.in_reply_to), nstring(envelope.message_id))
}

fn addresses(list: &Addresses<'_>) -> String {
    let one = |address: Address<'_>| {
        let part = |part: Option<Astring<'_>>| part.map(|part| escaped(&part.bytes())).unwrap_or_default();
        format!("{}<{}@{}>", part(address.name), part(address.mailbox), part(address.host))
    };
    format!("[{}]", list.iter().map(one).collect::<Vec<_>>().join(","))
}

fn structure(body: BodyStructure<'_>) -> String {
    match body.body() {
        Body::Multipart(multipart) => {
            let parts: Vec<_> = multipart.parts().map(structure).collect();
            let (kind, parameters) = (string(&multipart.subtype), pairs(&multipart.parameters));
            format!("multipart/{kind}{parameters} [{}]", parts.join(", "))
        }
        Body::Part(part) => {
            let kind = format!("{}/{}{}", string(&part.media_type), string(&part.subtype), pairs(&part.parameters));
            let lines = part.lines.map(|lines| format!(" {lines}")).unwrap_or_default();
            let disposition = part
                .extension
                .disposition
                .map(|(kind, parameters)| format!(" {}{}", string(&kind), pairs(&parameters)));
            let within = part.message.map(|(head, body)| format!(" ({}) ({})", envelope(&head), structure(body)));
            let (disposition, within) = (disposition.unwrap_or_default(), within.unwrap_or_default());
            format!("{kind} {} {}{lines}{disposition}{within}", nstring(part.encoding), part.octets)
        }
    }
}

fn pairs(parameters: &Parameters<'_>) -> String {
    let pair = |(name, value): (Astring<'_>, Astring<'_>)| format!(";{}={}", string(&name), string(&value));
    parameters.iter().map(pair).collect()
}

fn nstring(text: Option<Astring<'_>>) -> String {
    text.map_or("NIL".to_owned(), |text| string(&text))
}

fn words(words: &Words<'_>) -> String {
    words.iter().collect::<Vec<_>>().join(" ")
}

/// `capabilities IDLE MOVE`, of some that matter here.
pub(super) fn capabilities(known: Capabilities) -> String {
    let names = [
        (known.starttls, " STARTTLS"),
        (known.sasl_ir, " SASL-IR"),
        (known.literal_plus, " LITERAL+"),
        (known.literal_minus, " LITERAL-"),
        (known.idle, " IDLE"),
        (known.moves, " MOVE"),
    ];
    let names: String = names.iter().filter(|(has, _)| *has).map(|(_, name)| *name).collect();
    format!("capabilities{}", if known.known { names } else { " unknown".to_owned() })
}
