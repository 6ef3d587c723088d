//! The IMAP client and the IMAP server speak with each other, however the wire cuts them.

mod common;

use common::{Cut, Player, Rest, converse};
use postkern::imap::{
    Client, ClientLimits, Code, Command, DateTime, Event, Fetch, FetchItem, FetchItems, FetchValue, Flag,
    MessageLiteral, Notice, Request, Response, SearchKey, SearchToken, Section, SequenceSet, Server, ServerConfig,
    Status, data, decode_mailbox,
};
use postkern::{Close, Conn};

/// What looks like IMAP to whom reads it as such.
const MESSAGE: &[u8] = b"Subject: x\r\n\r\nA7 OK done\r\n* BYE {3}\r\n)\r\n* 9 EXISTS\r\n.\r\n\0\xff";

/// One mailbox with one message.
#[derive(Default)]
struct Mailbox {
    message: Vec<u8>,
    names: Vec<String>,
}

impl Player<Server> for Mailbox {
    fn on(&mut self, event: Event<'_>, imap: &mut Server, out: &mut Vec<u8>) {
        let (ticket, code) = match event {
            Event::Connect { ticket } => (ticket, Code::Capability),
            Event::Append { octets, ticket, .. } => {
                assert_eq!(octets as usize, MESSAGE.len());
                return imap.accept(ticket, out);
            }
            Event::Chunk(octets) => return self.message.extend_from_slice(octets),
            Event::Appended { ticket } => (ticket, Code::AppendUid { validity: 3, uid: 7 }),
            Event::Done { ticket } => (ticket, Code::None),
            Event::Command { command, ticket } => match command {
                Command::Login { user, password } => {
                    assert_eq!(user.text().unwrap(), "böb");
                    assert_eq!(password.text().unwrap(), "a \"b\\c\"");
                    (ticket, Code::Capability)
                }
                Command::Select { mailbox, .. } | Command::Create(mailbox) => {
                    self.names.push(decode_mailbox(&mailbox.bytes()).unwrap());
                    (ticket, Code::Atom("READ-WRITE"))
                }
                Command::Search { .. } => {
                    data::search([7], out);
                    (ticket, Code::None)
                }
                Command::Fetch { items, .. } => {
                    fetch(&items, &self.message, out);
                    (ticket, Code::None)
                }
                Command::Idle => {
                    imap.idle(ticket, out);
                    return data::exists(2, out);
                }
                _ => (ticket, Code::None),
            },
            other => panic!("{other:?}"),
        };
        imap.finish(ticket, Status::Ok, code, "done", out);
    }

    fn advance(&mut self, _: &mut Server, _: &mut Vec<u8>) -> bool {
        false
    }
}

fn fetch(items: &FetchItems<'_>, message: &[u8], out: &mut Vec<u8>) {
    let mut fetch = Fetch::begin(1, out);
    for item in items.iter() {
        match item {
            FetchItem::Uid => fetch.number("UID", 7, out),
            FetchItem::Flags => fetch.flags(&["\\Seen", "work"], out),
            FetchItem::InternalDate => fetch.internal_date(DateTime::from_unix(837_596_665).unwrap(), out),
            FetchItem::Section { section, .. } => {
                fetch.section(&section, None, out);
                fetch.literal(message.len() as u64, out);
                fetch.octets(message, out);
            }
            other => panic!("{other:?}"),
        }
    }
    fetch.end(out);
}

/// Says all that there is to say, and keeps what comes of it.
#[derive(Default)]
struct Reader {
    said: usize,
    message: Option<MessageLiteral>,
    text: Vec<u8>,
    log: Vec<String>,
}

impl Player<Client> for Reader {
    fn on(&mut self, notice: Notice<'_>, _: &mut Client, _: &mut Vec<u8>) {
        self.log.push(match notice {
            Notice::Proceed { message } => {
                self.message = Some(message);
                return;
            }
            Notice::Chunk { octets, left } => {
                self.text.extend_from_slice(octets);
                if left > 0 {
                    return;
                }
                "text".to_owned()
            }
            Notice::Response(Response::Fetch { message, values }) => {
                let one = |value| match value {
                    FetchValue::Text { octets, .. } => {
                        self.text.extend_from_slice(&octets.unwrap().bytes());
                        "text".to_owned()
                    }
                    value => format!("{value:?}"),
                };
                format!("{message} {}", values.iter().map(one).collect::<Vec<_>>().join(" "))
            }
            notice => format!("{notice:?}"),
        });
    }

    fn advance(&mut self, imap: &mut Client, out: &mut Vec<u8>) -> bool {
        if let Some(mut message) = self.message.take() {
            // A piece at a time, as the octets of a file would come.
            let done = MESSAGE.len() - message.lacks() as usize;
            let piece = &MESSAGE[done..MESSAGE.len().min(done + 7)];
            if imap.write(&mut message, piece, out) > 0 {
                self.message = Some(message);
            } else {
                imap.end(message, out);
            }
            return true;
        }
        if imap.is_idling() {
            // Not before the news has come.
            return self.log.iter().any(|entry| entry.contains("Exists(2)")) && imap.done(out).is_ok();
        }
        if !imap.may_send() {
            return false;
        }
        let set = SequenceSet::parse(b"1:*").unwrap();
        let items = FetchItems::parse(b"(UID FLAGS BODY.PEEK[] INTERNALDATE)").unwrap();
        let date = DateTime::from_unix(0);
        let subject = SearchToken::Key(SearchKey::Subject("grüße".into()));
        let request = match self.said {
            0 => Request::Login { user: "böb", password: "a \"b\\c\"" },
            1 => Request::Create("Entwürfe & \"mehr\""),
            2 => Request::Select("INBOX"),
            3 => Request::Append {
                mailbox: "INBOX",
                flags: &[Flag::Seen, Flag::Keyword("work")],
                date,
                octets: MESSAGE.len() as u32,
            },
            4 => Request::Search { uid: true, keys: &[SearchToken::Not, subject] },
            5 => Request::Fetch { uid: true, set, items },
            6 => Request::Idle,
            7 => Request::Logout,
            _ => return false,
        };
        if imap.send(request, out).is_err() {
            return false;
        }
        self.said += 1;
        true
    }
}

/// A whole session; what the client saw, and the octets that went to and fro.
fn session(literal: u32, cuts: (Cut, Cut)) -> (Vec<String>, (usize, usize)) {
    let (mut config, mut limits) = (ServerConfig::default(), ClientLimits::default());
    config.login_in_clear = true;
    limits.literal = literal;
    let (mut reader, mut mailbox) = (Reader::default(), Mailbox::default());
    let (mut client, mut server) = (Conn::new(Client::new(limits)), Conn::new(Server::new(config, false)));
    let (rest, octets) = converse((&mut client, &mut reader), (&mut server, &mut mailbox), cuts, None);
    assert_eq!(rest, (Rest::Close(Close::Done), Rest::Close(Close::Done)), "{cuts:?} {:?}", reader.log);
    assert_eq!(mailbox.names, ["Entwürfe & \"mehr\"", "INBOX"], "{cuts:?}");
    assert_eq!(mailbox.message, MESSAGE, "{cuts:?}");
    assert_eq!(reader.text, MESSAGE, "{cuts:?}");
    (reader.log, octets)
}

#[test]
fn a_session_is_the_same_however_it_is_cut() {
    let whole = Cut::Each(usize::MAX);
    // The message's text stands among its response, or is streamed.
    for literal in [4096, 10] {
        let (log, (there, back)) = session(literal, (whole, whole));
        assert_eq!(log.iter().any(|entry| entry.starts_with("Literal")), literal == 10);
        assert!(log.iter().any(|entry| entry.contains("Search")), "{log:?}");
        for piece in [1, 2, 3, 5, 7, 11, 64] {
            let cut = Cut::Each(piece);
            assert_eq!(session(literal, (cut, cut)).0, log, "pieces of {piece}");
        }
        for at in 1..there {
            assert_eq!(session(literal, (Cut::At(at), whole)).0, log, "the client cut at {at}");
        }
        for at in 1..back {
            assert_eq!(session(literal, (whole, Cut::At(at))).0, log, "the server cut at {at}");
        }
    }
}

#[test]
fn the_whole_text_has_a_name() {
    // `Section::WHOLE` is what BODY[] is told as.
    let mut client = Conn::new(Client::new(ClientLimits::default()));
    let said = b"* OK hi\r\n* 1 FETCH (BODY[] {5000}\r\n";
    client.space()[..said.len()].copy_from_slice(said);
    client.filled(said.len());
    struct Names(bool);
    impl Player<Client> for Names {
        fn on(&mut self, notice: Notice<'_>, _: &mut Client, _: &mut Vec<u8>) {
            if let Notice::Literal { name, message: 1, octets: 5000, .. } = notice {
                let whole = postkern::imap::TextName::Section { section: Section::WHOLE, origin: None };
                self.0 = name == whole;
            }
        }
        fn advance(&mut self, _: &mut Client, _: &mut Vec<u8>) -> bool {
            false
        }
    }
    let mut names = Names(false);
    assert_eq!(common::drive(&mut client, &mut names), Rest::Read);
    assert!(names.0);
}
