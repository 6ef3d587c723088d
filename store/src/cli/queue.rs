//! `queue`: what waits to be relayed.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use postkern_server::job::{Admin, Backend, Done, Failure, Job, QueueId, Timestamp};
use postkern_server::queue::QueueEntry;

use super::args::{Listed, Message, RemovedMessage, Retried};
use super::check;
use super::dialogue::printable;
use super::error::CliError;
use super::files::{confirm, open, print};

/// Octets of a message in which the end of its header is looked for.
const HEADER: u64 = 64 * 1024;

pub(super) fn list(args: &Listed) -> Result<(), CliError> {
    let config = check::read(&args.file.config)?;
    let entries = entries(&*open(&config.data)?)?;
    if args.json {
        let entries: Vec<_> = entries.iter().map(json).collect();
        return print(&format!("{}\n", serde_json::Value::from(entries)));
    }
    print(&table(&entries, now()))
}

pub(super) fn show(args: &Message) -> Result<(), CliError> {
    let config = check::read(&args.file.config)?;
    let backend = open(&config.data)?;
    let id = QueueId(args.id);
    let entries: Vec<_> = entries(&*backend)?.into_iter().filter(|entry| entry.id == id).collect();
    if entries.is_empty() {
        return Err(absent(Done::Failed(Failure::NoSuchMessage), args.id));
    }
    let mut shown = table(&entries, now());
    let octets = match backend.run(Job::ReadQueued { id, range: 0..HEADER }) {
        Done::Octets(octets) => octets,
        other => return Err(absent(other, args.id)),
    };
    shown.push('\n');
    let lines = octets.split(|&octet| octet == b'\n').map(|line| line.trim_ascii_end());
    for line in lines.take_while(|line| !line.is_empty()) {
        let _ = writeln!(shown, "{}", printable(&String::from_utf8_lossy(line)));
    }
    print(&shown)
}

pub(super) fn retry(args: &Retried) -> Result<(), CliError> {
    let config = check::read(&args.file.config)?;
    let backend = open(&config.data)?;
    let mut ids = match args.id {
        Some(id) => vec![id],
        None => entries(&*backend)?.iter().map(|entry| entry.id.0).collect(),
    };
    ids.sort_unstable();
    ids.dedup();
    let (mut due, mut trying) = (0, 0);
    for &id in &ids {
        match backend.run(Job::Admin(Admin::QueueRetry(QueueId(id)))) {
            Done::Nothing => due += 1,
            Done::Failed(Failure::InUse) => trying += 1,
            // Delivered since the list was read.
            Done::Failed(Failure::NoSuchMessage) if args.all => {}
            other => return Err(absent(other, id)),
        }
    }
    print(&retried(due, trying))
}

/// What became of the messages that were to be tried again.
fn retried(due: usize, trying: usize) -> String {
    let are = |count| if count == 1 { "message is" } else { "messages are" };
    match (due, trying) {
        (due, 0) => format!("{due} {} due now\n", are(due)),
        (0, trying) => format!("{trying} {} being tried now\n", are(trying)),
        (due, trying) => format!("{due} {} due now, {trying} {} being tried\n", are(due), are(trying)),
    }
}

pub(super) fn remove(args: &RemovedMessage) -> Result<(), CliError> {
    let config = check::read(&args.file.config)?;
    let backend = open(&config.data)?;
    confirm(&format!("Remove message {} from the queue, and tell its sender nothing?", args.id), args.yes)?;
    match backend.run(Job::Admin(Admin::QueueRemove(QueueId(args.id)))) {
        Done::Nothing => print(&format!("message {} is gone\n", args.id)),
        other => Err(absent(other, args.id)),
    }
}

/// What waits, oldest first.
pub(super) fn entries(backend: &dyn Backend) -> Result<Vec<QueueEntry>, CliError> {
    match backend.run(Job::Admin(Admin::Queue)) {
        Done::Queue(entries) => Ok(entries),
        other => Err(CliError::unexpected(other)),
    }
}

fn absent(done: Done, id: i64) -> CliError {
    match done {
        Done::Failed(Failure::NoSuchMessage) => {
            CliError::Refused(format!("no message {id} waits: it was delivered, or queue list has another number"))
        }
        other => CliError::unexpected(other),
    }
}

pub(super) fn now() -> Timestamp {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Timestamp(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// A line for each recipient, and one for what it met last.
fn table(entries: &[QueueEntry], now: Timestamp) -> String {
    if entries.is_empty() {
        return "nothing waits\n".into();
    }
    let mut table = format!("{:>8} {:>6} {:>7} {:>5} {:>7}  FROM, TO\n", "ID", "AGE", "OCTETS", "TRIES", "NEXT");
    for entry in entries {
        let sender = if entry.sender.is_empty() { "<>" } else { &entry.sender };
        let next = if entry.next <= now { "now".into() } else { format!("in {}", span(entry.next.0 - now.0)) };
        let _ = writeln!(
            table,
            "{:>8} {:>6} {:>7} {:>5} {:>7}  {}, {}",
            entry.id.0,
            span(now.0 - entry.queued.0),
            entry.size,
            entry.attempts,
            next,
            printable(sender),
            printable(&entry.recipient)
        );
        if let Some(error) = &entry.last_error {
            let _ = writeln!(table, "{:>9}{}", "", printable(error));
        }
    }
    table
}

fn json(entry: &QueueEntry) -> serde_json::Value {
    serde_json::json!({
        "id": entry.id.0,
        "sender": entry.sender,
        "recipient": entry.recipient,
        "octets": entry.size,
        "queued": entry.queued.0,
        "attempts": entry.attempts,
        "next": entry.next.0,
        "last_error": entry.last_error,
    })
}

/// A time in its largest unit, cut.
fn span(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ ..60 => format!("{seconds}s"),
        seconds @ ..3600 => format!("{}m", seconds / 60),
        seconds @ ..86_400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use postkern_server::queue::{RecipientTerms, Terms};

    use super::*;

    fn entry() -> QueueEntry {
        QueueEntry {
            id: QueueId(12),
            sender: String::new(),
            recipient: "bob@b.test".into(),
            terms: Terms::default(),
            recipient_terms: RecipientTerms::default(),
            size: 4096,
            queued: Timestamp(1000),
            attempts: 3,
            next: Timestamp(9000),
            last_error: Some("connection refused".into()),
        }
    }

    #[test]
    fn a_recipient_takes_two_lines() {
        let table = table(&[entry()], Timestamp(8280));
        let right = "      ID    AGE  OCTETS TRIES    NEXT  FROM, TO\n      12     2h    4096     3  in 12m  <>, bob@b.test\n         connection refused\n";
        assert_eq!(table, right);
        assert_eq!(super::table(&[], Timestamp(0)), "nothing waits\n");
    }

    #[test]
    fn json_has_seconds_since_the_epoch() {
        let right = r#"{"attempts":3,"id":12,"last_error":"connection refused","next":9000,"octets":4096,"queued":1000,"recipient":"bob@b.test","sender":""}"#;
        assert_eq!(json(&entry()).to_string(), right);
    }

    #[test]
    fn what_is_being_tried_is_not_called_due() {
        for (due, trying, said) in [
            (0, 0, "0 messages are due now\n"),
            (1, 0, "1 message is due now\n"),
            (0, 1, "1 message is being tried now\n"),
            (2, 1, "2 messages are due now, 1 message is being tried\n"),
        ] {
            assert_eq!(retried(due, trying), said);
        }
    }

    #[test]
    fn spans_are_short() {
        for (seconds, said) in [(-5, "0s"), (59, "59s"), (60, "1m"), (7199, "1h"), (90_000, "1d")] {
            assert_eq!(span(seconds), said);
        }
    }
}
