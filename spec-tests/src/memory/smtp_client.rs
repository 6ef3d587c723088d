//! The application in front of an SMTP client: says what the C lines show, in the machine's
//! own commands.
//!
//! Events: `CODE VERB TEXT` for a reply, `334 challenge X`, `354 proceed`, `secured`,
//! `421 closing TEXT`, `error TEXT` for an argument that the machine refused to send.
//! `A: offer X` gives it these C lines to say, as soon as they may be said.
//! `A: try X` says as much of these C lines as may be said now, and forgets the rest.
//! `A: body X` sends a message as it stands; `A: mail X`, `A: rcpt X`, `A: ehlo X`, `A: vrfy X`,
//! `A: expn X`, `A: noop X`, `A: help X`, `A: etrn X` send a command whose argument has escapes.
//! A line BDAT takes as many octets behind it as it says.

mod line;

pub(super) use line::{body, by, ret, rrvs};

use line::{Line, line};
use postkern::smtp::{Chunks, Client, Command, MailParams, Notice, RcptParams, Verb};

use super::bench::{App, Bench};
use crate::pattern::{Pattern, first_line};
use crate::play::{Subject, event_prefix};
use crate::transcript::{Transcript, escaped, unescape};

/// A client; its header has no keys.
pub(super) fn client(transcript: &Transcript) -> Result<Box<dyn Subject>, String> {
    if transcript.header.role == "smtp-client" {
        transcript.header.only(&[])?;
        transcript.header.only_lines(&[])?;
    }
    Ok(Box::new(Bench::new(Client::new(), Sayer::default())))
}

/// What is to be seen of a server's octets: each reply, by its code.
pub(super) fn notices(said: &[u8]) -> Vec<Pattern> {
    let (mut notices, mut rest) = (Vec::new(), said);
    while let Some((line, after)) = first_line(rest) {
        rest = after;
        if line.get(3) != Some(&b'-') {
            notices.push(event_prefix(&format!("{} ", String::from_utf8_lossy(&line[..line.len().min(3)]))));
        }
    }
    notices
}

#[derive(Default)]
struct Sayer {
    /// To be said, as soon as the machine lets us.
    script: Vec<u8>,
    body: Option<postkern::Body>,
    chunks: Option<Chunks>,
    challenged: bool,
    log: Vec<String>,
}

impl Sayer {
    /// Says as much of the script as may be said now. Tells whether anything was.
    fn pump(&mut self, machine: &mut Client, out: &mut Vec<u8>) -> Result<bool, String> {
        let mut moved = false;
        loop {
            if self.body.is_some() {
                let Some((message, len)) = unstuffed(&self.script) else { return Ok(moved) };
                if let Some(mut body) = self.body.take() {
                    machine.write(&mut body, &message, out);
                    machine.end(body, out);
                }
                self.script.drain(..len);
            } else if !self.say_line(machine, out)? {
                return Ok(moved);
            }
            moved = true;
        }
    }

    /// Says the next line of the script, if there is one and it may be said now.
    fn say_line(&mut self, machine: &mut Client, out: &mut Vec<u8>) -> Result<bool, String> {
        let Some((first, rest)) = first_line(&self.script) else { return Ok(false) };
        let text = String::from_utf8(first.to_vec()).map_err(|_| cannot("octets that are no text"))?;
        let error = |error| cannot(&format!("{text}: {error}"));
        let mut len = text.len() + 2;
        if self.challenged {
            let response = (text != "*").then_some(&text[..]);
            machine.respond(response, out).map_err(error)?;
            self.challenged = false;
        } else {
            match line(&text).ok_or_else(|| cannot(&text))? {
                Line::Chunk { octets, last } => {
                    if rest.len() < octets || !(machine.may_send() || machine.may_chunk()) {
                        return Ok(false);
                    }
                    let mut chunks = match self.chunks.take() {
                        Some(chunks) => chunks,
                        None => machine.begin_chunks().map_err(error)?,
                    };
                    match last {
                        true => {
                            machine.end_chunks(chunks, &rest[..octets], out).map_err(|_| cannot(&text))?;
                        }
                        false => {
                            machine.chunk(&mut chunks, &rest[..octets], out).map_err(error)?;
                            self.chunks = Some(chunks);
                        }
                    }
                    len += octets;
                }
                Line::Command(leave @ (Command::Rset | Command::Quit)) => {
                    if machine.send(leave, out).is_err() {
                        return Ok(false);
                    }
                    self.chunks = None;
                }
                _ if !machine.may_send() => return Ok(false),
                Line::Xclient(attributes) => {
                    machine.send(Command::Xclient(&attributes), out).map_err(error)?;
                }
                Line::Command(command) => {
                    machine.send(command, out).map_err(error)?;
                }
            }
        }
        self.script.drain(..len);
        Ok(true)
    }

    fn send(&mut self, words: &str, machine: &mut Client, out: &mut Vec<u8>) -> Result<(), String> {
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
        if verb == "body" {
            let mut body = self.body.take().ok_or("A: no message is asked for")?;
            machine.write(&mut body, &unescape(argument)?, out);
            machine.end(body, out);
            return Ok(());
        }
        let argument = String::from_utf8(unescape(argument)?).map_err(|_| "A: no text")?;
        let command = match verb {
            "ehlo" => Command::Ehlo(&argument),
            "mail" => Command::Mail { from: &argument, params: MailParams::default() },
            "rcpt" => Command::Rcpt { to: &argument, params: RcptParams::default() },
            "vrfy" => Command::Vrfy(&argument),
            "expn" => Command::Expn(&argument),
            "noop" => Command::Noop(&argument),
            "help" => Command::Help(&argument),
            "etrn" => Command::Etrn(&argument),
            _ => return Err(format!("A: a client knows no {verb}")),
        };
        if let Err(error) = machine.send(command, out) {
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
            Notice::Reply { verb, reply, .. } => {
                let verb = match verb {
                    Verb::StartTls => "starttls".to_owned(),
                    verb => format!("{verb:?}").to_ascii_lowercase(),
                };
                format!("{} {verb} {}", reply.code, escaped(reply.text()))
            }
            Notice::Challenge { challenge } => {
                self.challenged = true;
                format!("334 challenge {}", escaped(challenge))
            }
            Notice::Proceed { body } => {
                self.body = Some(body);
                "354 proceed".to_owned()
            }
            Notice::Secured => "secured".to_owned(),
            Notice::Closing { reply } => format!("{} closing {}", reply.code, escaped(reply.text())),
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

/// The message that a dialogue shows dot-stuffed, and the octets it takes up there.
fn unstuffed(script: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut message, mut rest) = (Vec::new(), script);
    loop {
        let (line, after) = first_line(rest)?;
        if line == b"." {
            return Some((message, script.len() - after.len()));
        }
        message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        message.extend_from_slice(b"\r\n");
        rest = after;
    }
}
