//! What an idle IMAP connection costs a server: opens many, and looks at the server's memory
//! before and after.
//!
//! ```text
//! idle ADDRESS COUNT PID [LOGIN PASSWORD]
//! ```
//!
//! Without a login the connections wait behind the greeting. With one, each selects INBOX and
//! says IDLE, and a message is then appended over one more connection, to see how long the
//! others take to hear of it. Memory is VmRSS in `/proc/PID/status`: the whole process, and
//! what its allocator keeps. Mind `ulimit -n` on both sides.
#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Long enough for any answer that will come at all.
const PATIENCE: Duration = Duration::from_secs(20);
/// Time for the server to come to rest, and to give memory back: it does for a connection that
/// was quiet for some seconds.
const REST: Duration = Duration::from_secs(15);

type Done<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [address, count, pid] => measure(address, count, pid, None),
        [address, count, pid, login, password] => measure(address, count, pid, Some((login, password))),
        _ => Err("usage: idle ADDRESS COUNT PID [LOGIN PASSWORD]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("idle: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(address: &str, count: &str, pid: &str, login: Option<(&str, &str)>) -> Done<()> {
    let count: u32 = count.parse()?;
    // The first costs what is set up once: a mailbox opened, a thread started.
    let first = Idler::open(address, login)?;
    std::thread::sleep(REST);
    let before = resident(pid)?;
    let opening = Instant::now();
    let mut idlers = (0..count).map(|_| Idler::open(address, login)).collect::<Done<Vec<_>>>()?;
    let opened = opening.elapsed();
    std::thread::sleep(REST);
    let after = resident(pid)?;
    println!("{count} connections opened in {:.1} s", opened.as_secs_f64());
    println!("resident before {before} KiB, after {after} KiB");
    println!("per connection {:.0} octets", (after as f64 - before as f64) * 1024.0 / f64::from(count));
    if let Some((login, password)) = login {
        push(address, login, password, &mut idlers)?;
    }
    drop((first, idlers));
    std::thread::sleep(REST);
    println!("resident once all are closed {} KiB", resident(pid)?);
    Ok(())
}

/// Appends a message, and waits until the first and the last that idle are told.
fn push(address: &str, login: &str, password: &str, idlers: &mut [Idler]) -> Done<()> {
    const MESSAGE: &str = "Subject: news\r\n\r\nIt rains.\r\n";
    let mut writer = Idler::connect(address)?;
    writer.say(&format!("a LOGIN {login} {password}\r\n"), "a OK")?;
    writer.say(&format!("b APPEND INBOX {{{}}}\r\n", MESSAGE.len()), "+ ")?;
    let sent = Instant::now();
    writer.say(&format!("{MESSAGE}\r\n"), "b OK")?;
    let stored = sent.elapsed();
    let last = idlers.len().saturating_sub(1);
    for at in [0, last] {
        if let Some(idler) = idlers.get_mut(at) {
            idler.hear("* ")?;
            println!("connection {at} was told {:.1} ms after the message was sent", ms(sent.elapsed()));
        }
    }
    println!("the message was stored {:.1} ms after it was sent", ms(stored));
    Ok(())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// A client that waits.
struct Idler(BufReader<TcpStream>);

impl Idler {
    fn open(address: &str, login: Option<(&str, &str)>) -> Done<Self> {
        let mut idler = Self::connect(address)?;
        if let Some((login, password)) = login {
            idler.say(&format!("a LOGIN {login} {password}\r\n"), "a OK")?;
            idler.say("b SELECT INBOX\r\n", "b OK")?;
            idler.say("c IDLE\r\n", "+ ")?;
        }
        Ok(idler)
    }

    fn connect(address: &str) -> Done<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        // A small buffer: ten thousand of these are open at once.
        let mut idler = Self(BufReader::with_capacity(256, stream));
        idler.hear("* OK")?;
        Ok(idler)
    }

    fn say(&mut self, command: &str, answer: &str) -> Done<()> {
        self.0.get_mut().write_all(command.as_bytes())?;
        self.hear(answer)
    }

    /// Reads lines up to one that begins so.
    fn hear(&mut self, beginning: &str) -> Done<()> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.0.read_line(&mut line)? == 0 {
                return Err(format!("the server closed, where {beginning:?} was awaited").into());
            }
            if line.starts_with(beginning) {
                return Ok(());
            }
            if line.contains(" BAD ") || line.contains(" NO ") || line.starts_with("* BYE") {
                return Err(format!("{beginning:?} was awaited, the server said {line:?}").into());
            }
        }
    }
}

/// KiB of a process that are in memory.
fn resident(pid: &str) -> Done<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("there is no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
