//! The IMAP client machine.

use postkern::Conn;
use postkern::imap::{
    Addresses, Astring, Body, BodyStructure, Client, ClientLimits, Envelope, FetchItems, FetchValue, FetchValues,
    Notice, Parameters, Request, Response, SequenceSet, StatusItems,
};

use crate::drive::{App, Input, Log, any_cut};

/// A client that says all it can, and a server that says anything. Variant: 0 AUTHENTICATE
/// and not LOGIN, 1 STARTTLS first, 2 cancels the exchange, 3 small limits.
pub fn imap_client(data: &[u8]) {
    let input = Input::new(data);
    let mut limits = ClientLimits::default();
    // A literal is held up to here and streamed above.
    limits.literal = 64;
    if input.has(3) {
        limits.response = 256;
        limits.literal = 4;
        limits.command = 128;
        limits.outstanding = 2;
    }
    let variant = input.variant;
    any_cut(&input, |_| (Conn::new(Client::new(limits)), Reader { next: 0, variant, left: None }));
}

struct Reader {
    next: usize,
    variant: u8,
    /// Octets that the streamed literal lacks.
    left: Option<u32>,
}

impl App<Client> for Reader {
    fn on(&mut self, notice: Notice<'_>, client: &mut Client, out: &mut Vec<u8>, log: &mut Log) {
        match &notice {
            Notice::Chunk { octets, left } => {
                let before = self.left.expect("octets of no literal");
                assert_eq!(before as usize, octets.len() + *left as usize);
                self.left = (*left > 0).then_some(*left);
                log.octets(octets);
            }
            Notice::Literal { octets, values, .. } => {
                assert_eq!(self.left, None, "a literal within a literal");
                self.left = (*octets > 0).then_some(*octets);
                log.event(&notice);
                walk_values(*values);
            }
            Notice::Response(Response::Fetch { values, .. }) => {
                log.event(&notice);
                walk_values(*values);
            }
            Notice::Response(response) => {
                log.event(&notice);
                walk(response);
            }
            other => log.event(other),
        }
        match notice {
            Notice::Challenge { .. } => {
                let response = (self.variant & 4 == 0).then_some("AGJvYgBwdw==");
                client.respond(response, out).expect("a challenge is open");
            }
            Notice::Proceed { mut message } => {
                while message.lacks() > 0 {
                    let len = message.lacks().min(5) as usize;
                    client.write(&mut message, &b"Hi.\r\n"[..len], out);
                }
                client.end(message, out);
            }
            Notice::Idling => client.done(out).expect("IDLE has begun"),
            _ => {}
        }
        self.go_on(client, out);
    }
}

impl Reader {
    fn go_on(&mut self, client: &mut Client, out: &mut Vec<u8>) {
        let set = SequenceSet::parse(b"1:*").expect("it is a set");
        let items = FetchItems::parse(b"(UID FLAGS ENVELOPE BODYSTRUCTURE BODY[])").expect("they are items");
        let mut status = StatusItems::default();
        status.messages = true;
        let login = match self.variant & 1 {
            0 => Request::Login { user: "bob", password: "p\"w" },
            _ => Request::Authenticate { mechanism: "PLAIN", initial: Some("AGJvYgBwdw==") },
        };
        let requests = [
            if self.variant & 2 == 0 { Request::Capability } else { Request::StartTls },
            login,
            Request::Id(&[("name", Some("fuzz")), ("version", None)]),
            Request::Enable(&["UTF8=ACCEPT"]),
            Request::Namespace,
            Request::List { reference: "", pattern: "%", subscribed: false },
            Request::Status { mailbox: "Entwürfe", items: status },
            Request::Select("INBOX"),
            Request::Append { mailbox: "a\\b", flags: &[], date: None, octets: 12 },
            Request::Fetch { uid: true, set, items },
            Request::Idle,
            Request::Expunge(None),
            Request::Noop,
            Request::Logout,
        ];
        while client.may_send()
            && let Some(request) = requests.get(self.next)
        {
            match client.send(*request, out) {
                Ok(_) => self.next += 1,
                Err(postkern::imap::SendError::NotNow) => return,
                // LOGINDISABLED, or over the small limits.
                Err(_) => self.next += 1,
            }
        }
    }
}

fn walk(response: &Response<'_>) {
    match response {
        Response::Capability(words) | Response::Enabled(words) => assert!(words.iter().all(|word| !word.is_empty())),
        Response::Flags(flags) => assert!(flags.iter().count() < 1 << 20),
        Response::List { mailbox, .. } => look(Some(*mailbox)),
        Response::Mailbox(status) => look(Some(status.mailbox)),
        Response::Search(numbers) => assert!(numbers.iter().count() < 1 << 20),
        Response::Namespace { personal, others, shared } => {
            for (prefix, _) in personal.iter().chain(others.iter()).chain(shared.iter()) {
                look(Some(prefix));
            }
        }
        Response::Id(fields) => fields.iter().for_each(|(field, value)| {
            look(Some(field));
            look(value);
        }),
        _ => {}
    }
}

fn walk_values(values: FetchValues<'_>) {
    for value in values.iter() {
        match value {
            FetchValue::Envelope(envelope) => walk_envelope(&envelope),
            FetchValue::Body(structure) | FetchValue::BodyStructure(structure) => walk_structure(structure),
            FetchValue::Flags(flags) => assert!(flags.iter().count() < 1 << 20),
            FetchValue::Text { octets, .. } => look(octets),
            FetchValue::InternalDate(date) => {
                date.unix();
            }
            FetchValue::Uid(_) | FetchValue::Rfc822Size(_) | FetchValue::Other { .. } | FetchValue::Odd(_) => {}
        }
    }
}

fn walk_envelope(envelope: &Envelope<'_>) {
    [envelope.date, envelope.subject, envelope.in_reply_to, envelope.message_id].into_iter().for_each(look);
    let lists = [envelope.from, envelope.sender, envelope.reply_to, envelope.to, envelope.cc, envelope.bcc];
    for addresses in lists {
        assert_eq!(addresses.is_empty(), Addresses::iter(&addresses).next().is_none());
        for address in addresses.iter() {
            [address.name, address.route, address.mailbox, address.host].into_iter().for_each(look);
        }
    }
}

/// Without recursion, as a reader of a stranger's tree does.
fn walk_structure(structure: BodyStructure<'_>) {
    let mut open = vec![structure];
    let mut seen = 0;
    while let Some(structure) = open.pop() {
        seen += 1;
        assert!(seen < 1 << 16, "a structure has more parts than octets");
        match structure.body() {
            Body::Multipart(parts) => {
                walk_parameters(parts.parameters);
                parts.extension.languages().for_each(|language| look(Some(language)));
                open.extend(parts.parts());
            }
            Body::Part(part) => {
                walk_parameters(part.parameters);
                [part.id, part.description, part.encoding, part.md5].into_iter().for_each(look);
                if let Some((envelope, body)) = part.message {
                    walk_envelope(&envelope);
                    open.push(body);
                }
            }
        }
    }
}

fn walk_parameters(parameters: Parameters<'_>) {
    for (name, value) in parameters.iter() {
        look(Some(name));
        look(Some(value));
        if let Some(name) = name.text() {
            assert!(parameters.value(&name).is_some());
        }
    }
}

/// A string's octets and its text agree.
fn look(string: Option<Astring<'_>>) {
    if let Some(string) = string
        && let Some(text) = string.text()
    {
        assert_eq!(text.as_bytes(), &*string.bytes());
    }
}
