//! A next hop that answers as it is told: it refuses, defers, breaks off.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What a hop answers to a command: the replies in order, the last one again and again.
/// Commands that are not listed are taken.
type Script = Vec<(&'static str, Vec<&'static str>)>;

/// A running hop. Its threads end with the process.
pub(crate) struct Hop {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Hop {
    /// With a script: `("RCPT", vec!["451 4.3.0 later", "250 ok"])`. The verb `.` stands for the
    /// end of the message, the reply `!` for closing the connection.
    pub(crate) fn start(script: &[(&'static str, &[&'static str])]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("bound");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let script: Script = script.iter().map(|(verb, replies)| (*verb, replies.to_vec())).collect();
        let (script, lines) = (Arc::new(Mutex::new(script)), heard.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, lines) = (script.clone(), lines.clone());
                // A client that breaks off is part of the play.
                thread::spawn(move || drop(serve(stream, &script, &lines)));
            }
        });
        Self { address, heard }
    }

    /// Command lines and lines of messages so far.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("no panic").clone()
    }

    /// How many lines began so.
    pub(crate) fn count(&self, verb: &str) -> usize {
        self.heard().iter().filter(|line| line.starts_with(verb)).count()
    }
}

fn serve(stream: TcpStream, script: &Mutex<Script>, heard: &Mutex<Vec<String>>) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    let mut say = |verb: &str, usual: &'static str| -> io::Result<&'static str> {
        let reply = next(&mut script.lock().expect("no panic"), verb).unwrap_or(usual);
        if reply == "!" {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        stream.write_all(format!("{reply}\r\n").as_bytes())?;
        Ok(reply)
    };
    say("greeting", "220 hop.test ready")?;
    let mut in_message = false;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end_matches("\r\n").to_owned();
        heard.lock().expect("no panic").push(line.clone());
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            _ if in_message && line != "." => {}
            _ if in_message => {
                in_message = false;
                say(".", "250 2.0.0 taken")?;
            }
            "EHLO" => drop(say("EHLO", "250-hop.test\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 PIPELINING")?),
            "DATA" => in_message = say("DATA", "354 go on")?.starts_with("354"),
            "QUIT" => return say("QUIT", "221 2.0.0 bye").map(drop),
            verb => drop(say(verb, "250 2.0.0 ok")?),
        }
    }
}

/// The next reply to a verb; the last one stays.
fn next(script: &mut Script, verb: &str) -> Option<&'static str> {
    let (_, replies) = script.iter_mut().find(|(one, _)| *one == verb)?;
    match replies.len() {
        0 => None,
        1 => Some(replies[0]),
        _ => Some(replies.remove(0)),
    }
}
