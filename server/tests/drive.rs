//! What a runtime is told to do for a connection, over sockets made up here.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

use postkern::{Close, Instant, Layer, Upgrade};
use postkern_server::drive::{DRAIN, Drive, End, Need, PARTING, QUIET, STALL, Wait};
use postkern_server::job::{Done, MailboxId};
use postkern_server::service::{Endpoint, Pause};

/// An endpoint that says what the test says, and notes what it is told.
struct Script {
    pauses: VecDeque<Pause>,
    space: [u8; 8],
    output: Vec<u8>,
    told: Vec<String>,
    deadline: Option<Instant>,
}

impl Script {
    /// Reads once the pauses are over.
    fn new(output: &[u8], pauses: impl IntoIterator<Item = Pause>) -> Self {
        let pauses = pauses.into_iter().collect();
        Self { pauses, space: [0; 8], output: output.into(), told: Vec::new(), deadline: None }
    }

    fn note(&mut self, what: impl Into<String>) {
        self.told.push(what.into());
    }
}

impl Endpoint for Script {
    fn run(&mut self, _: Instant) -> Pause {
        self.pauses.pop_front().unwrap_or(Pause::Read)
    }
    fn done(&mut self, done: Done) {
        self.note(format!("{done:?}"));
    }
    fn nudge(&mut self) {
        assert!(!self.told.iter().any(|told| told == "panic"), "as the test wants it");
        self.note("nudge");
    }
    fn shut_down(&mut self) {
        self.note("shut_down");
    }
    fn fail(&mut self) {
        self.output.extend_from_slice(b"sorry");
        self.pauses = [Pause::Closed(Close::Done)].into();
    }
    fn watching(&self) -> Option<MailboxId> {
        Some(MailboxId(7))
    }
    fn upgrade(&mut self, _: Upgrade, _: Box<dyn Layer>) {}
    fn io(&mut self) -> (&mut [u8], &[u8]) {
        (&mut self.space, &self.output)
    }
    fn filled(&mut self, len: usize) {
        if len == 0 {
            self.pauses.push_back(Pause::Closed(Close::Eof));
        }
        self.note(format!("filled {len}"));
    }
    fn sent(&mut self, len: usize) {
        self.output.drain(..len);
    }
    fn unsendable(&mut self) {
        self.output.clear();
    }
    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
    fn shrink(&mut self) {
        self.note("shrink");
    }
}

/// A socket: what reads give, and how many octets writes take; both fail once that is over.
struct Socket {
    reads: VecDeque<&'static [u8]>,
    room: usize,
    failure: ErrorKind,
}

impl Socket {
    fn new(reads: impl IntoIterator<Item = &'static [u8]>, room: usize) -> Self {
        Self { reads: reads.into_iter().collect(), room, failure: ErrorKind::WouldBlock }
    }
}

impl Read for &mut Socket {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let Some(octets) = self.reads.pop_front() else { return Err(ErrorKind::WouldBlock.into()) };
        space[..octets.len()].copy_from_slice(octets);
        Ok(octets.len())
    }
}

impl Write for &mut Socket {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let len = octets.len().min(self.room);
        self.room -= len;
        if len == 0 { Err(self.failure.into()) } else { Ok(len) }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn at(time: Duration) -> Instant {
    Instant::default() + time
}

/// Does what is needed until it is to wait or over.
fn settle(drive: &mut Drive<'_>, socket: &mut Socket, now: Duration, stop: Option<Duration>) -> Need {
    loop {
        match drive.next(at(now), stop.map(at)) {
            Need::Send => drive.send(&mut *socket),
            Need::Receive => drive.receive(&mut *socket),
            Need::Shut => {}
            need => return need,
        }
    }
}

fn wait(need: Need) -> Wait {
    let Need::Wait(wait) = need else { panic!("{need:?} and not a wait") };
    wait
}

fn end(need: Need) -> End {
    let Need::Over(end) = need else { panic!("{need:?} and not the end") };
    end
}

#[test]
fn output_that_finds_no_room_is_waited_for_beside_input() {
    let mut script = Script::new(b"220 hello", []);
    let mut drive = Drive::new(&mut script);
    let mut socket = Socket::new([], 4);
    let need = wait(settle(&mut drive, &mut socket, Duration::ZERO, None));
    assert_eq!(need, Wait { read: true, write: true, until: Some(at(QUIET)), watch: Some(MailboxId(7)) });
    socket.room = 100;
    drive.ready();
    let need = wait(settle(&mut drive, &mut socket, Duration::from_secs(1), None));
    assert_eq!((need.read, need.write), (true, false));
}

#[test]
fn a_peer_that_takes_no_output_is_left() {
    for flush in [false, true] {
        let pauses = (0..9).map(|_| if flush { Pause::Flush } else { Pause::Read });
        let mut script = Script::new(b"220 hello", pauses);
        let mut drive = Drive::new(&mut script);
        let mut socket = Socket::new([], 0);
        let first = wait(settle(&mut drive, &mut socket, Duration::ZERO, None));
        assert_eq!((first.read, first.write), (!flush, true));
        let until = wait(settle(&mut drive, &mut socket, QUIET, None)).until;
        assert_eq!(until, Some(at(STALL)));
        let end = end(settle(&mut drive, &mut socket, STALL, None));
        assert_eq!((end.close, end.trouble.as_deref()), (None, Some("the peer takes no output")));
    }
}

#[test]
fn what_had_come_before_a_write_failed_is_still_read() {
    let mut script = Script::new(b"MAIL FROM:<>", []);
    let mut drive = Drive::new(&mut script);
    let mut socket = Socket::new([&b"554 full"[..], b"ok"], 0);
    socket.failure = ErrorKind::BrokenPipe;
    let end = end(settle(&mut drive, &mut socket, Duration::ZERO, None));
    assert_eq!((end.close, end.trouble.as_deref()), (Some(Close::Eof), Some("broken pipe")));
    assert_eq!(script.told, ["filled 8", "filled 2", "filled 0"]);
}

#[test]
fn after_the_last_words_what_comes_is_dropped() {
    let mut script = Script::new(b"221 bye", [Pause::Closed(Close::Done)]);
    let mut drive = Drive::new(&mut script);
    let mut socket = Socket::new([], 7);
    let need = wait(settle(&mut drive, &mut socket, Duration::ZERO, None));
    assert_eq!(need, Wait { read: true, write: false, until: Some(at(DRAIN)), watch: None });
    socket.reads.extend([&b"NOOP\r\n"[..], b""]);
    drive.ready();
    drive.receive(&mut socket);
    drive.receive(&mut socket);
    let over = settle(&mut drive, &mut socket, Duration::ZERO, None);
    assert_eq!(end(over), End { close: Some(Close::Done), trouble: None });
    assert_eq!(script.told, [""; 0]);
}

#[test]
fn the_last_words_are_waited_for_so_long_only() {
    let mut script = Script::new(b"221 bye", [Pause::Closed(Close::Done)]);
    let mut drive = Drive::new(&mut script);
    let mut socket = Socket::new([], 3);
    assert_eq!(wait(settle(&mut drive, &mut socket, Duration::ZERO, None)).until, Some(at(PARTING)));
    let end = end(settle(&mut drive, &mut socket, PARTING, None));
    assert_eq!((end.close, end.trouble.is_some()), (Some(Close::Done), true));
}

#[test]
fn the_stop_is_told_once_and_cuts_off_in_the_end() {
    let grace = Duration::from_secs(15);
    let mut script = Script::new(b"", []);
    let mut drive = Drive::new(&mut script);
    let mut socket = Socket::new([], 0);
    for now in [10, 14] {
        let until = wait(settle(&mut drive, &mut socket, Duration::from_secs(now), Some(grace))).until;
        assert!(until <= Some(at(grace)), "{until:?}");
    }
    let end = end(settle(&mut drive, &mut socket, grace, Some(grace)));
    assert_eq!(end.close, None);
    assert_eq!(script.told.iter().filter(|what| *what == "shut_down").count(), 1);
}

#[test]
fn a_pause_ends_at_its_time_or_at_the_stop() {
    let second = Duration::from_secs(1);
    for stop in [None, Some(second * 10)] {
        let mut script = Script::new(b"-ERR", [Pause::Wait(second * 2)]);
        let mut drive = Drive::new(&mut script);
        let mut socket = Socket::new([], 100);
        let need = wait(settle(&mut drive, &mut socket, Duration::ZERO, None));
        assert_eq!(need, Wait { read: false, write: false, until: Some(at(second * 2)), watch: None });
        assert!(!wait(settle(&mut drive, &mut socket, second, None)).read);
        let now = if stop.is_some() { second } else { second * 2 };
        assert!(wait(settle(&mut drive, &mut socket, now, stop)).read);
        assert_eq!(script.told.last().map(String::as_str), Some("Waited"));
    }
}

/// Nothing is read while a session lets time pass, but what has come is there when it is over.
#[test]
fn what_came_in_a_pause_is_read_at_its_end() {
    let second = Duration::from_secs(1);
    for (octets, told) in [(&b"EHLO"[..], &["filled 4", "Waited"][..]), (b"", &["filled 0", "Waited"])] {
        let mut script = Script::new(b"", [Pause::Wait(second)]);
        let mut drive = Drive::new(&mut script);
        let mut socket = Socket::new([octets, b"more"], 0);
        settle(&mut drive, &mut socket, Duration::ZERO, None);
        assert_eq!(socket.reads.len(), 2);
        let _ = drive.next(at(second), None);
        drive.receive(&mut socket);
        let _ = drive.next(at(second), None);
        assert_eq!(script.told, told);
    }
}

#[test]
fn a_quiet_connection_gives_its_buffers_back_and_sleeps_until_its_deadline() {
    let deadline = Some(at(Duration::from_secs(300)));
    let mut script = Script::new(b"", []);
    script.deadline = deadline;
    let mut drive = Drive::new(&mut script);
    let mut socket = Socket::new([], 0);
    assert_eq!(wait(settle(&mut drive, &mut socket, Duration::ZERO, None)).until, Some(at(QUIET)));
    assert_eq!(wait(settle(&mut drive, &mut socket, QUIET, None)).until, deadline);
    assert_eq!(script.told, ["shrink"]);
}

#[test]
fn a_panic_of_the_session_is_told_to_its_peer() {
    let mut script = Script::new(b"", []);
    script.note("panic");
    let mut drive = Drive::new(&mut script);
    let mut socket = Socket::new([], 1000);
    let _ = settle(&mut drive, &mut socket, Duration::ZERO, None);
    drive.nudge();
    let need = settle(&mut drive, &mut socket, Duration::ZERO, None);
    assert!(!matches!(need, Need::Job(_)), "{need:?}");
    assert_eq!(1000 - socket.room, "sorry".len());
}
