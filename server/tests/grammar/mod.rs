//! Reads rendered structures by the grammar of RFC 3501 section 9, and no more than that.

/// What a rendered form is made of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Value {
    /// NIL
    Nil,
    /// A quoted string or a literal.
    Text(Vec<u8>),
    /// Digits.
    Number(u64),
    /// In parentheses. Where one item follows another without a space, both are lists.
    List(Vec<Value>),
}

/// Reads one value and nothing behind it. Does not recurse: structures are 100 deep.
pub(crate) fn parse(form: &[u8]) -> Option<Value> {
    let mut open: Vec<Vec<Value>> = Vec::new();
    let mut rest = form;
    let mut spaced = true;
    loop {
        let value = match *rest.first()? {
            b'(' => {
                let follows_list = matches!(open.last().and_then(|list| list.last()), Some(Value::List(_)));
                (spaced || follows_list).then_some(())?;
                open.push(Vec::new());
                (rest, spaced) = (&rest[1..], true);
                continue;
            }
            b' ' => {
                (!spaced && rest.len() > 1 && rest[1] != b' ' && rest[1] != b')').then_some(())?;
                (rest, spaced) = (&rest[1..], true);
                continue;
            }
            b')' => {
                rest = &rest[1..];
                let list = open.pop()?;
                (!list.is_empty()).then_some(())?;
                Value::List(list)
            }
            _ => {
                spaced.then_some(())?;
                atom(&mut rest)?
            }
        };
        spaced = false;
        match open.last_mut() {
            Some(list) => list.push(value),
            None => return rest.is_empty().then_some(value),
        }
    }
}

fn atom(rest: &mut &[u8]) -> Option<Value> {
    let (value, after) = match *rest.first()? {
        b'"' => {
            let (mut text, mut at) = (Vec::new(), 1);
            loop {
                match *rest.get(at)? {
                    b'"' => break,
                    b'\\' => {
                        at += 1;
                        let escaped = *rest.get(at)?;
                        matches!(escaped, b'"' | b'\\').then_some(())?;
                        text.push(escaped);
                    }
                    byte => {
                        (byte.is_ascii() && !matches!(byte, 0 | b'\r' | b'\n')).then_some(())?;
                        text.push(byte);
                    }
                }
                at += 1;
            }
            (Value::Text(text), &rest[at + 1..])
        }
        b'{' => {
            let close = rest.iter().position(|&byte| byte == b'}')?;
            let octets: usize = str::from_utf8(&rest[1..close]).ok()?.parse().ok()?;
            let (text, after) = rest[close + 1..].strip_prefix(b"\r\n")?.split_at_checked(octets)?;
            (!text.contains(&0)).then_some(())?;
            (Value::Text(text.to_vec()), after)
        }
        b'N' => (Value::Nil, rest.strip_prefix(b"NIL")?),
        _ => {
            let end = rest.iter().position(|byte| !byte.is_ascii_digit())?;
            let number: u32 = str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
            (Value::Number(number.into()), &rest[end..])
        }
    };
    *rest = after;
    Some(value)
}

/// Whether a type is MESSAGE/RFC822.
pub(crate) fn is_message(kind: &[u8], subtype: &[u8]) -> bool {
    kind.eq_ignore_ascii_case(b"message") && subtype.eq_ignore_ascii_case(b"rfc822")
}

/// Whether this is a `body`, with its extension data or without.
pub(crate) fn reads_as(body: &Value, extended: bool) -> bool {
    use Value::{List, Nil, Number, Text};
    let nstring = |value: &Value| matches!(value, Nil | Text(_));
    let parameters = |value: &Value| match value {
        Nil => true,
        List(items) => items.len() % 2 == 0 && items.iter().all(|item| matches!(item, Text(_))),
        _ => false,
    };
    // body-fld-dsp, body-fld-lang, body-fld-loc
    let extension = |items: &[Value]| match items {
        [disposition, language, location] => {
            (match disposition {
                Nil => true,
                List(of) => matches!(&of[..], [Text(_), of] if parameters(of)),
                _ => false,
            }) && (match language {
                List(of) => of.iter().all(|of| matches!(of, Text(_))),
                of => nstring(of),
            }) && nstring(location)
        }
        _ => false,
    };
    let mut todo = vec![body];
    while let Some(body) = todo.pop() {
        let List(items) = body else { return false };
        let parts = items.iter().take_while(|item| matches!(item, List(_))).count();
        todo.extend(&items[..parts]);
        let fits = match &items[parts..] {
            [Text(_)] => parts > 0 && !extended,
            [Text(_), of, rest @ ..] if parts > 0 => extended && parameters(of) && extension(rest),
            [Text(kind), Text(subtype), of, id, description, Text(_), Number(_), rest @ ..] => {
                let rest = if is_message(kind, subtype) {
                    let [envelope, body, Number(_), rest @ ..] = rest else { return false };
                    todo.push(body);
                    if !is_envelope(envelope) {
                        return false;
                    }
                    rest
                } else if kind.eq_ignore_ascii_case(b"text") {
                    let [Number(_), rest @ ..] = rest else { return false };
                    rest
                } else {
                    rest
                };
                let ends = match rest {
                    [] => !extended,
                    [md5, rest @ ..] => extended && nstring(md5) && extension(rest),
                };
                parts == 0 && parameters(of) && nstring(id) && nstring(description) && ends
            }
            _ => false,
        };
        if !fits {
            return false;
        }
    }
    true
}

/// Whether this is an `envelope`; addresses and groups included.
pub(crate) fn is_envelope(envelope: &Value) -> bool {
    use Value::{List, Nil, Text};
    let List(fields) = envelope else { return false };
    let nstring = |value: &Value| matches!(value, Nil | Text(_));
    let address = |value: &Value| match value {
        List(of) => {
            matches!(&of[..], [name, route, mailbox, host] if [name, route, mailbox, host].into_iter().all(nstring))
        }
        _ => false,
    };
    let addresses = |value: &Value| match value {
        Nil => true,
        List(of) => of.iter().all(address),
        _ => false,
    };
    fields.len() == 10
        && fields[..2].iter().all(nstring)
        && fields[2..8].iter().all(addresses)
        && fields[8..].iter().all(nstring)
}

/// The parts of a BODY in short: `(text <opaque>)` is a multipart with text and a message.
/// Other types than text and application/octet-stream are `leaf`.
pub(crate) fn shape(body: &[u8]) -> String {
    enum Step<'v> {
        Body(&'v Value),
        Say(&'static str),
    }
    let body = parse(body).expect("BODY is of the grammar");
    let mut todo = vec![Step::Body(&body)];
    let mut out = String::new();
    while let Some(step) = todo.pop() {
        let items = match step {
            Step::Body(Value::List(items)) => items,
            Step::Body(_) => panic!("a body is a list"),
            Step::Say(word) => {
                out += word;
                continue;
            }
        };
        match &items[..] {
            [Value::Text(kind), Value::Text(subtype), ..] => {
                if out.ends_with(|last: char| last.is_alphabetic()) {
                    out.push(' ');
                }
                if is_message(kind, subtype) {
                    out.push('<');
                    todo.push(Step::Say(">"));
                    todo.push(Step::Body(&items[8]));
                } else if kind.eq_ignore_ascii_case(b"text") {
                    out += "text";
                } else if subtype.eq_ignore_ascii_case(b"octet-stream") {
                    out += "opaque";
                } else {
                    out += "leaf";
                }
            }
            _ => {
                out.push('(');
                todo.push(Step::Say(")"));
                let parts = items.iter().filter(|item| matches!(item, Value::List(_)));
                todo.extend(parts.rev().map(Step::Body));
            }
        }
    }
    out
}
