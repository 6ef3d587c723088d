//! `tour`: two servers on this machine, and one message's way from a user of the first to a
//! user of the second, each dialogue shown as it happens.

use std::io;
use std::ops::ControlFlow;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use postkern::sasl::{ClientExchange, Identity};
use postkern::smtp::{BodyType, Client, Delivery, Envelope, Notice, Options, Progress, TlsPolicy, Verdict};
use postkern_server::config::Listener;
use postkern_server::job::Timestamp;
use postkern_server::queue::QueueEntry;
use postkern_server::trace::date;

use super::client::{ClientError, Link, Peer};
use super::error::CliError;
use super::files::print;
use super::screen::{Relayed, Screen, relay_taps};
use super::site::{Site, Sockets};
use super::{imap, pop3, queue};
use crate::logging::is_coloured;
use crate::runtime::Runtime;
use crate::tls::trusting;

const ALICE: &str = "alice@a.test";
const BOB: &str = "bob@b.test";
/// How long the relay may take.
const RELAY: Duration = Duration::from_secs(30);
/// Between two looks at the queue.
const GLANCE: Duration = Duration::from_millis(20);

/// Why the tour failed.
#[derive(Debug, thiserror::Error)]
enum TourError {
    #[error("submission: {0}")]
    Submission(ClientError),
    #[error("relay: the message did not get from a.test to b.test{0}")]
    Relay(String),
    #[error("POP3: {0}")]
    Pop3(ClientError),
    #[error("IMAP: {0}")]
    Imap(ClientError),
    #[error("what arrived over {0} is not what was sent: {1}")]
    Differs(&'static str, &'static str),
}

impl From<TourError> for CliError {
    fn from(error: TourError) -> Self {
        Self::Refused(format!("the tour ended early: {error}"))
    }
}

pub(super) fn run(runtime: &'static dyn Runtime) -> Result<(), CliError> {
    let screen = Arc::new(Mutex::new(Screen::new(is_coloured(&io::stdout()))));
    let (tap, relayed) = relay_taps();
    let (a, b) = sites(runtime, tap)?;
    print(&format!(
        "Two mail servers run in this process now, each with a folder of its own:\n\n  \
         a.test  submission {}\n  b.test  smtp {}, pop3 {}, imaps {}\n\n\
         alice@a.test writes to bob@b.test. C: is what the client of a connection says, S: the server.\n",
        a.address(Listener::Submission),
        b.address(Listener::Smtp),
        b.address(Listener::Pop3),
        b.address(Listener::Imaps),
    ))?;
    let sent = message(queue::now());
    heading(&screen, "submission: alice hands her message to a.test (SMTP, STARTTLS, AUTH)");
    submit(&a, &sent, &screen).map_err(TourError::Submission)?;
    heading(&screen, "relay: a.test carries it to b.test (SMTP, STARTTLS)");
    relay(&a, &relayed, &screen)?;

    let trusted = trusting(&b.certificate)?;
    let peer = |listener: Listener| Peer {
        address: b.address(listener),
        tls: Arc::clone(&trusted),
        implicit: listener.is_implicit_tls(),
    };
    heading(&screen, "POP3: bob fetches it from b.test (STLS, AUTH)");
    let tap = Screen::tap(&screen);
    let fetched = pop3::fetch(&peer(Listener::Pop3), BOB, &b.password, tap).map_err(TourError::Pop3)?;
    let trace = compare("POP3", &sent, &fetched)?;
    heading(&screen, "IMAP: bob reads it at b.test (over TLS)");
    let tap = Screen::tap(&screen);
    let fetched = imap::fetch(&peer(Listener::Imaps), BOB, &b.password, tap).map_err(TourError::Imap)?;
    compare("IMAP", &sent, &fetched)?;

    a.stop()?;
    b.stop()?;
    print(&format!(
        "\nWhat bob got is what alice sent, octet for octet ({}), behind the trace lines of its way: {}.\n",
        sent.len(),
        trace.join(", ")
    ))
}

/// Both servers, running, each with the other as the route to the other's domain.
fn sites(runtime: &'static dyn Runtime, tap: crate::runtime::TapFactory) -> Result<(Site, Site), CliError> {
    let sockets_a = Sockets::bind(&[Listener::Smtp, Listener::Submission])?;
    let sockets_b = Sockets::bind(&[Listener::Smtp, Listener::Pop3, Listener::Imaps])?;
    let (to_a, to_b) = (sockets_a.address(Listener::Smtp), sockets_b.address(Listener::Smtp));
    let a = Site::start(runtime, "a.test", ALICE, sockets_a, ("b.test", to_b), Some(tap))?;
    let b = Site::start(runtime, "b.test", BOB, sockets_b, ("a.test", to_a), None)?;
    Ok((a, b))
}

/// Hands the message to the first server, as a mail program does.
fn submit(site: &Site, message: &[u8], screen: &Arc<Mutex<Screen>>) -> Result<(), ClientError> {
    let identity = Identity::Password { login: ALICE.into(), password: site.password.clone().into_bytes() };
    let mut envelope = Envelope::new(ALICE, message.len() as u64).to(BOB);
    envelope.body = if message.is_ascii() { BodyType::SevenBit } else { BodyType::EightBitMime };
    let options = Options { tls: TlsPolicy::Required, ..Options::new("laptop.a.test") };
    let tls = trusting(&site.certificate).map_err(|error| ClientError::Refused(error.to_string()))?;
    let peer = Peer { address: site.address(Listener::Submission), tls, implicit: false };
    let mut delivery = Delivery::new(envelope, options, false);
    delivery.log_in(Box::new(ClientExchange::new(identity)));
    let mut link = Link::open(&peer, Client::new(), Screen::tap(screen))?;
    link.run(|notice: Notice<'_>, client: &mut Client, out: &mut Vec<u8>| match delivery.on(notice, client, out) {
        // A server of ours takes 8 bits.
        Progress::Go | Progress::Convert(_) => ControlFlow::Continue(()),
        Progress::Message => {
            delivery.write(message, client, out);
            delivery.end(client, out);
            ControlFlow::Continue(())
        }
        Progress::Finished => ControlFlow::Break(()),
    })?;
    link.finish();
    match delivery.verdicts() {
        [Some(Verdict::Delivered { .. })] => Ok(()),
        [Some(Verdict::Deferred(said) | Verdict::Failed(said))] => {
            Err(ClientError::Refused(format!("{} {}", said.code, said.text)))
        }
        _ => Err(ClientError::Refused("no verdict".into())),
    }
}

/// Shows what the first server says to the second, until it has written down what became of
/// the message: that is behind the end of their connection, and there may be none at all.
fn relay(site: &Site, relayed: &Receiver<Relayed>, screen: &Arc<Mutex<Screen>>) -> Result<(), CliError> {
    let until = Instant::now() + RELAY;
    let mut over = false;
    loop {
        match relayed.recv_timeout(GLANCE) {
            Ok(Relayed::Said(side, octets)) => lock(screen).said(side, &octets),
            Ok(Relayed::Over) => {
                over = true;
                lock(screen).end();
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => std::thread::sleep(GLANCE),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        let waiting = queue::entries(&*site.backend)?;
        match waiting.first() {
            None if over => return Ok(()),
            Some(entry) if entry.last_error.is_some() => {
                lock(screen).end();
                return Err(TourError::Relay(why(waiting.first())).into());
            }
            entry if Instant::now() >= until => return Err(TourError::Relay(why(entry)).into()),
            _ => {}
        }
    }
}

/// What the queue says of it.
fn why(entry: Option<&QueueEntry>) -> String {
    match entry {
        None => ": it has left the queue, and nobody was spoken to".into(),
        Some(entry) => format!(": {}", entry.last_error.as_deref().unwrap_or("it still waits")),
    }
}

/// Checks that what arrived is the message behind trace lines; the names of these.
fn compare(over: &'static str, sent: &[u8], arrived: &[u8]) -> Result<Vec<String>, TourError> {
    let differs = |what| TourError::Differs(over, what);
    let Some(front) = arrived.strip_suffix(sent) else {
        return Err(differs("it does not end with the message"));
    };
    let mut names = Vec::new();
    for line in front.split_inclusive(|&octet| octet == b'\n') {
        if matches!(line.first(), Some(b' ' | b'\t')) && !names.is_empty() {
            continue;
        }
        let name = line.split(|&octet| octet == b':').next().unwrap_or_default();
        if !matches!(name, b"Return-Path" | b"Delivered-To" | b"Received") || !line.ends_with(b"\r\n") {
            return Err(differs("there is something in front that is no trace line"));
        }
        names.push(String::from_utf8_lossy(name).into_owned());
    }
    match names.is_empty() {
        true => Err(differs("there are no trace lines in front")),
        false => Ok(names),
    }
}

/// The message: with dots that need stuffing, octets over 127, and a line of the length limit.
fn message(now: Timestamp) -> Vec<u8> {
    let mut text = format!(
        "From: Alice <alice@a.test>\r\n\
         To: Bob <bob@b.test>\r\n\
         Subject: The grand tour\r\n\
         Date: {}\r\n\
         Message-ID: <tour@a.test>\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\
         \r\n\
         Dear Bob,\r\n\
         \r\n\
         the next line is a dot alone, which must not end the message:\r\n\
         .\r\n\
         ..and this one begins with two. Größe: 8 bits an octet.\r\n\
         \r\n",
        date(now)
    );
    for verse in 1..=20 {
        text.push_str(&format!("{verse:>2}. What was sent is what arrives, whatever lies between.\r\n"));
    }
    text.push_str(&"x".repeat(998));
    text.push_str("\r\n\r\nYours, Alice\r\n");
    text.into_bytes()
}

fn heading(screen: &Mutex<Screen>, text: &str) {
    lock(screen).heading(text);
}

/// A screen is as good after a panic elsewhere as before.
fn lock(screen: &Mutex<Screen>) -> std::sync::MutexGuard<'_, Screen> {
    screen.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trace_lines_may_stand_in_front() {
        let sent = b"Subject: x\r\n\r\nbody\r\n";
        let arrived = |front: &str| [front.as_bytes(), sent].concat();
        let front = "Return-Path: <a@a.test>\r\nReceived: from x\r\n\tby y\r\n";
        assert_eq!(compare("POP3", sent, &arrived(front)).unwrap(), ["Return-Path", "Received"]);
        for bad in ["", "X-Spam: no\r\n", "Received: x\n", "\tby y\r\n", "Received: x\r\n\r\n"] {
            assert!(compare("POP3", sent, &arrived(bad)).is_err(), "{bad:?}");
        }
        assert!(compare("POP3", sent, &arrived(front)[..40]).is_err());
    }

    #[test]
    fn the_message_keeps_the_limits_of_lines() {
        let message = message(Timestamp(0));
        assert!(message.split(|&octet| octet == b'\n').all(|line| line.len() <= 999));
        assert!(message.windows(5).any(|octets| octets == b"\r\n.\r\n"));
        assert!(!message.is_ascii());
    }
}
