//! The application in front of a POP3 client: says what the C lines show, in the machine's
//! own commands.
//!
//! Events: `+OK VERB TEXT`, `-ERR VERB TEXT`, `+ CHALLENGE`, `listing N OCTETS`, `uid N ID`,
//! `capability X`, `retrieved "OCTETS"`, `odd X`, `secured`, `error TEXT`. `A: user X` and
//! `A: pass X` send an argument that has escapes; `A: offer X` gives it C
//! lines to say, as soon as they may be said; `A: try X` says as much of these C lines as
//! may be said now, and forgets the rest.

use postkern::pop3::{Client, Notice, Request};

use super::bench::{App, Bench};
use crate::pattern::{Pattern, first_line};
use crate::play::{Subject, event_prefix};
use crate::transcript::{Transcript, escaped, unescape};

/// A client; its header has no keys.
pub(super) fn client(transcript: &Transcript) -> Result<Box<dyn Subject>, String> {
    if transcript.header.role == "pop3-client" {
        transcript.header.only(&[])?;
        transcript.header.only_lines(&[])?;
    }
    Ok(Box::new(Bench::new(Client::new(), Sayer::default())))
}

/// What is to be seen of a server's octets: the status they begin with.
pub(super) fn notices(said: &[u8]) -> Vec<Pattern> {
    let status = |(line, _): (&[u8], _)| String::from_utf8_lossy(line).split(' ').next().unwrap_or("").to_owned();
    first_line(said).map(status).map(|status| event_prefix(&status)).into_iter().collect()
}

#[derive(Default)]
struct Sayer {
    /// To be said, as soon as the machine lets us.
    script: Vec<u8>,
    challenged: bool,
    /// Of the message that is coming.
    chunks: Option<Vec<u8>>,
    log: Vec<String>,
}

impl Sayer {
    fn pump(&mut self, machine: &mut Client, out: &mut Vec<u8>) -> Result<bool, String> {
        let mut moved = false;
        while (self.challenged || machine.may_send())
            && let Some((line, _)) = first_line(&self.script)
        {
            let line = String::from_utf8(line.to_vec()).map_err(|_| cannot("octets that are no text"))?;
            self.script.drain(..line.len() + 2);
            if std::mem::take(&mut self.challenged) {
                let response = (line != "*").then_some(&line[..]);
                machine.respond(response, out).map_err(|error| cannot(&format!("{line}: {error}")))?;
            } else {
                let request = request(&line).ok_or_else(|| cannot(&line))?;
                machine.send(request, out).map_err(|error| cannot(&format!("{line}: {error}")))?;
            }
            moved = true;
        }
        Ok(moved)
    }
}

fn cannot(what: &str) -> String {
    format!("our client cannot say {what}; if it never should, the dialogue is @ server-only")
}

impl App<Client> for Sayer {
    fn on(&mut self, event: Notice<'_>, _: &mut Client, _: &mut Vec<u8>) {
        self.log.push(match event {
            Notice::Status { verb, ok, text, .. } => {
                let verb = format!("{verb:?}").to_ascii_lowercase();
                format!("{} {verb} {}", if ok { "+OK" } else { "-ERR" }, escaped(text))
            }
            Notice::Challenge { challenge } => {
                self.challenged = true;
                format!("+ {}", escaped(challenge))
            }
            Notice::Listing { message, octets } => format!("listing {message} {octets}"),
            Notice::UniqueId { message, id } => format!("uid {message} {}", escaped(id)),
            Notice::Capability(line) => format!("capability {}", escaped(line)),
            Notice::Language(line) => format!("language {}", escaped(line)),
            Notice::Odd(line) => format!("odd {}", escaped(line)),
            Notice::Chunk(octets) => {
                self.chunks.get_or_insert_default().extend_from_slice(octets);
                return;
            }
            Notice::End => match self.chunks.take() {
                Some(octets) => format!("retrieved \"{}\"", escaped(&octets)),
                None => "end".to_owned(),
            },
            Notice::Secured => "secured".to_owned(),
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
        let (verb, argument) = words.split_once(' ').unwrap_or((words, ""));
        if verb == "offer" {
            self.script.extend_from_slice(&unescape(argument)?);
            return self.pump(machine, out).map(|_| ());
        }
        if verb == "try" {
            self.script = unescape(argument)?;
            if let Err(error) = self.pump(machine, out) {
                self.log.push(error);
            }
            self.script.clear();
            return Ok(());
        }
        let argument = String::from_utf8(unescape(argument)?).map_err(|_| "A: no text")?;
        let request = match verb {
            "user" => Request::User(&argument),
            "pass" => Request::Pass(&argument),
            _ => return Err(format!("A: a client knows no {verb}")),
        };
        if let Err(error) = machine.send(request, out) {
            self.log.push(format!("error {error}"));
        }
        Ok(())
    }

    fn say(&mut self, octets: &[u8], machine: &mut Client, out: &mut Vec<u8>) -> Result<(), String> {
        self.script.extend_from_slice(octets);
        self.pump(machine, out).map(|_| ())
    }

    fn log(&self) -> &[String] {
        &self.log
    }
}

/// A C line as a request of the machine's; none if it has none such.
fn request(line: &str) -> Option<Request<'_>> {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let number = || rest.parse().ok();
    Some(match verb {
        "USER" => Request::User(rest),
        "PASS" => Request::Pass(rest),
        "STAT" => Request::Stat,
        "LIST" if rest.is_empty() => Request::ListAll,
        "LIST" => Request::List(number()?),
        "UIDL" if rest.is_empty() => Request::UidlAll,
        "UIDL" => Request::Uidl(number()?),
        "RETR" => Request::Retr(number()?),
        "TOP" => {
            let (message, lines) = rest.split_once(' ')?;
            Request::Top(message.parse().ok()?, lines.parse().ok()?)
        }
        "DELE" => Request::Dele(number()?),
        "RSET" => Request::Rset,
        "NOOP" => Request::Noop,
        "CAPA" => Request::Capa,
        "AUTH" => match rest.split_once(' ') {
            Some((mechanism, "=")) => Request::Auth { mechanism, initial: Some("") },
            Some((mechanism, initial)) => Request::Auth { mechanism, initial: Some(initial) },
            None => Request::Auth { mechanism: rest, initial: None },
        },
        "STLS" => Request::Stls,
        "UTF8" => Request::Utf8,
        "LANG" if rest.is_empty() => Request::Languages,
        "LANG" => Request::Lang(rest),
        "APOP" => {
            let (name, hex) = rest.rsplit_once(' ')?;
            let mut digest = [0; 16];
            for (at, octet) in digest.iter_mut().enumerate() {
                *octet = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
            }
            (hex.len() == 32).then_some(Request::Apop { name, digest })?
        }
        "QUIT" => Request::Quit,
        _ => return None,
    })
}
