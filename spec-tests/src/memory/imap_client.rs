//! The application in front of an IMAP client: says what the C lines show, in the machine's
//! own requests and under its own tags, A1 and so on.
//!
//! | event | is |
//! | --- | --- |
//! | `greeting OK TEXT`, `greeting PREAUTH TEXT` | the greeting |
//! | `* ...` | untagged data, each kind in one form (`render`) |
//! | `literal N ITEMS NAME OCTETS`, `text "OCTETS"` | a long text of message N, and its octets |
//! | `A1 OK VERB [CODE] TEXT` | a command is complete |
//! | `+ challenge X`, `+ proceed`, `+ idling`, `+ continued` | a continuation |
//! | `secured`, `odd X`, `error TEXT` | TLS; what ends the connection; what was not sent |
//!
//! `A: offer X` gives it C lines to say, as soon as they may be said; `A: try X` says as much
//! of these C lines as may be said now, and forgets the rest. `A: login NAME PASSWORD`, `A:
//! select NAME`, `A: list PATTERN`, `A: id FIELD VALUE`, `A: subject TEXT` (a SEARCH), `A:
//! keyword FLAG` (a STORE) and `A: auth MECHANISM INITIAL` send arguments that have escapes;
//! `A: capabilities` logs what is known of them.

mod render;
mod request;
mod tags;

use postkern::imap::{
    Astring, Client, ClientLimits, Flag, MessageLiteral, Notice, Request, SearchKey, SearchToken, SendError,
    SequenceSet, StoreAction,
};

use super::bench::{App, Bench};
use crate::pattern::{Pattern, first_line};
use crate::play::{Subject, event_prefix};
use crate::transcript::{Transcript, escaped, unescape};
pub(super) use tags::with_our_tags;

/// A client; its header has the limits `response=`, `literal=`, `command=`, `outstanding=`.
/// Of a server's dialogue that begins logged in, it is logged in too.
pub(super) fn client(transcript: &Transcript) -> Result<Box<dyn Subject>, String> {
    let header = &transcript.header;
    let mut limits = ClientLimits::default();
    if header.role == "imap-client" {
        header.only(&["response", "literal", "command", "outstanding"])?;
        header.only_lines(&[])?;
        for (key, limit) in [
            ("response", &mut limits.response),
            ("command", &mut limits.command),
            ("outstanding", &mut limits.outstanding),
        ] {
            *limit = header.number(key)?.map_or(*limit, |number| number as usize);
        }
        limits.literal = header.number("literal")?.map_or(limits.literal, |number| number as u32);
    }
    let mut bench = Bench::new(Client::new(limits), Sayer::default());
    if let Some(state) = header.key("in").filter(|_| header.role == "imap-server") {
        bench.show(b"* OK ready\r\n");
        bench.say(b"A1 LOGIN bob secret\r\n")?;
        bench.show(b"A1 OK done\r\n");
        if state == "selected" {
            bench.say(b"A2 SELECT INBOX\r\n")?;
            bench.show(b"A2 OK done\r\n");
        }
        bench.output();
        bench.app().log.clear();
    }
    Ok(Box::new(bench))
}

/// What is to be seen of a server's octets: each completion, by its tag and status.
pub(super) fn notices(said: &[u8]) -> Vec<Pattern> {
    let (mut notices, mut rest) = (Vec::new(), said);
    while let Some((line, after)) = first_line(rest) {
        rest = after;
        let text = String::from_utf8_lossy(line);
        let words: Vec<&str> = text.splitn(3, ' ').collect();
        if let [tag, status @ ("OK" | "NO" | "BAD"), _] = words[..]
            && tag.strip_prefix('A').is_some_and(|number| number.parse::<u32>().is_ok())
        {
            notices.push(event_prefix(&format!("{tag} {status} ")));
        }
    }
    notices
}

#[derive(Default)]
struct Sayer {
    /// To be said, as soon as the machine lets us.
    script: Vec<u8>,
    challenged: bool,
    message: Option<MessageLiteral>,
    /// Of the text that is coming.
    chunks: Vec<u8>,
    log: Vec<String>,
}

impl Sayer {
    /// Says as much of the script as may be said now. Tells whether anything was.
    fn pump(&mut self, machine: &mut Client, out: &mut Vec<u8>) -> Result<bool, String> {
        let mut moved = false;
        loop {
            if let Some(message) = &self.message {
                let octets = message.lacks() as usize;
                if self.script.len() < octets + 2 {
                    return Ok(moved);
                }
                let mut message = self.message.take().expect("it was there");
                machine.write(&mut message, &self.script[..octets], out);
                machine.end(message, out);
                self.script.drain(..octets + 2);
                moved = true;
                continue;
            }
            let Some((line, _)) = first_line(&self.script) else { return Ok(moved) };
            let line = String::from_utf8(line.to_vec()).map_err(|_| cannot("octets that are no text"))?;
            let said = if self.challenged {
                self.challenged = false;
                machine.respond((line != "*").then_some(&line), out)
            } else if machine.is_idling() && line == "DONE" {
                machine.done(out)
            } else if machine.may_send() {
                let (_, command) = line.split_once(' ').ok_or_else(|| cannot(&line))?;
                request::send(command, machine, out).ok_or_else(|| cannot(&line))?
            } else {
                return Ok(moved);
            };
            match said {
                Err(SendError::NotNow) => return Ok(moved),
                said => said.map_err(|error| cannot(&format!("{line}: {error}")))?,
            }
            self.script.drain(..line.len() + 2);
            moved = true;
        }
    }

    fn send(&mut self, words: &str, machine: &mut Client, out: &mut Vec<u8>) -> Result<(), String> {
        let (verb, rest) = words.split_once(' ').unwrap_or((words, ""));
        if verb == "offer" {
            self.script.extend_from_slice(&unescape(rest)?);
            return self.pump(machine, out).map(|_| ());
        }
        if verb == "try" {
            self.script = unescape(rest)?;
            if let Err(error) = self.pump(machine, out) {
                self.log.push(error);
            }
            self.script.clear();
            return Ok(());
        }
        if verb == "capabilities" {
            self.log.push(render::capabilities(machine.capabilities()));
            return Ok(());
        }
        let text = |word: &str| String::from_utf8(unescape(word)?).map_err(|_| "A: no text".to_owned());
        let words: Vec<String> = rest.split(' ').map(text).collect::<Result<_, _>>()?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let one = SequenceSet::parse(b"1").expect("a set");
        let sent = match (verb, &words[..]) {
            ("login", [user, password]) => machine.send(Request::Login { user, password }, out),
            ("select", [mailbox]) => machine.send(Request::Select(mailbox), out),
            ("list", [pattern]) => machine.send(Request::List { reference: "", pattern, subscribed: false }, out),
            ("id", [field, value]) => machine.send(Request::Id(&[(field, Some(value))]), out),
            ("auth", [mechanism, initial]) => {
                machine.send(Request::Authenticate { mechanism, initial: Some(initial) }, out)
            }
            ("subject", [subject]) => {
                let keys = [SearchToken::Key(SearchKey::Subject(Astring::from(*subject)))];
                machine.send(Request::Search { uid: true, keys: &keys }, out)
            }
            ("keyword", [flag]) => {
                let (set, flags) = (one, &[Flag::Keyword(flag)]);
                machine.send(Request::Store { uid: true, set, action: StoreAction::Add, silent: true, flags }, out)
            }
            _ => return Err(format!("A: a client knows no {words:?} of {verb}")),
        };
        if let Err(error) = sent {
            self.log.push(format!("error {error}"));
        }
        Ok(())
    }
}

fn cannot(what: &str) -> String {
    format!("our client cannot say {what}; if it never should, the dialogue is @ server-only")
}

impl App<Client> for Sayer {
    fn on(&mut self, event: Notice<'_>, _: &mut Client, _: &mut Vec<u8>) {
        self.log.push(match event {
            Notice::Greeting { preauth, code, text } => {
                format!("greeting {} {}", if preauth { "PREAUTH" } else { "OK" }, render::text(code, text))
            }
            Notice::Response(response) => render::response(&response),
            Notice::Literal { message, values, name, octets } => {
                format!("literal {message}{} {} {octets}", render::values(values), render::name(&name))
            }
            Notice::Chunk { octets, left } => {
                self.chunks.extend_from_slice(octets);
                if left > 0 {
                    return;
                }
                format!("text \"{}\"", escaped(&std::mem::take(&mut self.chunks)))
            }
            Notice::Completed { tag, verb, status, code, text } => {
                let (status, verb) = (format!("{status:?}"), format!("{verb:?}"));
                let (status, verb) = (status.to_ascii_uppercase(), verb.to_ascii_lowercase());
                format!("{tag:?} {status} {verb} {}", render::text(code, text))
            }
            Notice::Challenge { challenge } => {
                self.challenged = true;
                format!("+ challenge {}", escaped(challenge))
            }
            Notice::Proceed { message } => {
                self.message = Some(message);
                "+ proceed".to_owned()
            }
            Notice::Idling => "+ idling".to_owned(),
            Notice::Continued => "+ continued".to_owned(),
            Notice::Secured => "secured".to_owned(),
            Notice::Odd(line) => format!("odd {}", escaped(line)),
        });
    }

    fn advance(&mut self, machine: &mut Client, out: &mut Vec<u8>) -> bool {
        self.pump(machine, out).unwrap_or_else(|error| {
            self.script.clear();
            self.log.push(error);
            false
        })
    }

    fn act(&mut self, words: &str, machine: &mut Client, out: &mut Vec<u8>) -> Result<(), String> {
        self.send(words, machine, out)
    }

    fn say(&mut self, octets: &[u8], machine: &mut Client, out: &mut Vec<u8>) -> Result<(), String> {
        self.script.extend_from_slice(octets);
        self.pump(machine, out).map(|_| ())
    }

    fn log(&self) -> &[String] {
        &self.log
    }
}
