//! Multi-line answers, written a piece at a time: lists, and messages read from the store as
//! the client takes them.

use postkern::Body;
use postkern::pop3::{Server, Ticket};

use super::{BROKEN, NONE_SUCH, Open, Pending, Pop3, broken};
use crate::job::{Done, Failure, Job, READ_MAX};
use crate::service::Step;

/// Entries of a list that are written per move.
const ENTRIES: usize = 512;

/// A multi-line answer under way.
pub(super) struct Sending {
    /// None until the first octets are there.
    body: Option<Body>,
    what: What,
}

enum What {
    /// LIST or UIDL: the index of the next message.
    List { uidl: bool, next: usize },
    /// RETR or TOP.
    Message { uid: u32, at: u64, size: u64, top: Option<Top> },
}

impl Sending {
    pub(super) fn list(body: Body, uidl: bool) -> Self {
        Self { body: Some(body), what: What::List { uidl, next: 0 } }
    }
}

/// Finds where TOP ends in a message that comes in pieces: after the header, its empty line
/// and so many lines more (RFC 1939 section 7).
struct Top {
    lines: u32,
    header: bool,
    /// No octet of the current line was seen yet.
    line_start: bool,
    /// The current line holds a CR so far and nothing else.
    cr: bool,
}

impl Top {
    fn new(lines: u32) -> Self {
        Self { lines, header: true, line_start: true, cr: false }
    }

    /// Octets of the piece that are wanted; fewer than all if TOP ends in it.
    fn wanted(&mut self, piece: &[u8]) -> usize {
        if !self.header && self.lines == 0 {
            return 0;
        }
        for (index, &byte) in piece.iter().enumerate() {
            if byte != b'\n' {
                self.cr = self.line_start && byte == b'\r';
                self.line_start = false;
                continue;
            }
            let empty = self.line_start || self.cr;
            (self.line_start, self.cr) = (true, false);
            match self.header {
                true => self.header = !empty,
                false => self.lines -= 1,
            }
            if !self.header && self.lines == 0 {
                return index + 1;
            }
        }
        piece.len()
    }
}

impl Pop3 {
    /// RETR, or TOP with its lines: reads the first octets before anything is promised.
    pub(super) fn send(
        &mut self,
        number: u32,
        lines: Option<u32>,
        ticket: Ticket,
        machine: &mut Server,
        out: &mut Vec<u8>,
    ) -> Step {
        let found = self.maildrop.as_ref().and_then(|open| open.message(number).map(|of| (open, of)));
        let Some((open, (uid, size))) = found else {
            machine.err(ticket, NONE_SUCH, out);
            return Step::Go;
        };
        let job = read(open, uid, 0, size);
        let what = What::Message { uid, at: 0, size, top: lines.map(Top::new) };
        self.pending = Pending::First(ticket, Sending { body: None, what });
        Step::Job(job)
    }

    pub(super) fn first(
        &mut self,
        ticket: Ticket,
        mut sending: Sending,
        done: Done,
        machine: &mut Server,
        out: &mut Vec<u8>,
    ) {
        match done {
            Done::Octets(octets) => {
                let size = match &sending.what {
                    What::Message { size, .. } => *size,
                    What::List { .. } => 0,
                };
                sending.body = Some(machine.begin(ticket, &format!("{size} octets"), out));
                self.write(sending, &octets, machine, out);
            }
            // An IMAP session removed it since the login.
            Done::Failed(Failure::NoSuchMessage) => machine.err(ticket, NONE_SUCH, out),
            Done::Failed(failure) => {
                broken(&failure);
                machine.err(ticket, BROKEN, out);
            }
            _ => machine.err(ticket, BROKEN, out),
        }
    }

    pub(super) fn more(&mut self, done: Done, machine: &mut Server, out: &mut Vec<u8>) {
        let Some(mut sending) = self.sending.take() else { return };
        match done {
            Done::Octets(octets) if !octets.is_empty() => self.write(sending, &octets, machine, out),
            other => {
                if let Done::Failed(failure) = &other {
                    broken(failure);
                }
                // +OK is said: only the end of the connection tells that this is not all.
                if let Some(body) = sending.body.take() {
                    machine.abandon(body);
                }
            }
        }
    }

    /// The next move of the answer under way.
    pub(super) fn go_on_sending(&mut self, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        let (Some(Sending { body: Some(body), what }), Some(open)) = (&mut self.sending, &self.maildrop) else {
            return Step::Go;
        };
        match what {
            What::List { uidl, next } => {
                let count = open.deleted.len();
                for index in *next..count.min(*next + ENTRIES) {
                    let number = index as u32 + 1;
                    let Some((uid, size)) = open.message(number) else { continue };
                    let line = match *uidl {
                        true => format!("{number} {}\r\n", open.unique_id(uid)),
                        false => format!("{number} {size}\r\n"),
                    };
                    machine.write(body, line.as_bytes(), out);
                }
                *next += ENTRIES;
                if *next >= count {
                    self.end(machine, out);
                }
                Step::Go
            }
            What::Message { uid, at, size, .. } => {
                self.pending = Pending::More;
                Step::Job(read(open, *uid, *at, *size))
            }
        }
    }

    fn write(&mut self, mut sending: Sending, octets: &[u8], machine: &mut Server, out: &mut Vec<u8>) {
        let (Some(body), What::Message { at, size, top, .. }) = (&mut sending.body, &mut sending.what) else {
            debug_assert!(false, "octets for a list");
            return;
        };
        let wanted = top.as_mut().map_or(octets.len(), |top| top.wanted(octets));
        machine.write(body, &octets[..wanted], out);
        *at += octets.len() as u64;
        let over =
            wanted < octets.len() || *at >= *size || top.as_ref().is_some_and(|top| !top.header && top.lines == 0);
        self.sending = Some(sending);
        if over {
            self.end(machine, out);
        }
    }

    fn end(&mut self, machine: &mut Server, out: &mut Vec<u8>) {
        if let Some(body) = self.sending.take().and_then(|sending| sending.body) {
            machine.end(body, out);
        }
    }
}

fn read(open: &Open, uid: u32, at: u64, size: u64) -> Job {
    Job::Read { mailbox: open.maildrop.mailbox, uid, range: at..size.min(at + READ_MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn top_ends_after_the_header_and_so_many_lines_however_cut() {
        for (message, lines, is) in [
            (&b"A: b\r\n\r\none\r\ntwo\r\n"[..], 0, &b"A: b\r\n\r\n"[..]),
            (b"A: b\r\n\r\none\r\ntwo\r\n", 1, b"A: b\r\n\r\none\r\n"),
            (b"A: b\r\n\r\none\r\ntwo\r\n", 9, b"A: b\r\n\r\none\r\ntwo\r\n"),
            (b"A: b\n\none\ntwo", 2, b"A: b\n\none\ntwo"),
            (b"\r\nbody\r\n", 0, b"\r\n"),
            (b"A: b\r\n", 3, b"A: b\r\n"),
        ] {
            for cut in 0..=message.len() {
                let mut top = Top::new(lines);
                let (first, second) = message.split_at(cut);
                let mut got = first[..top.wanted(first)].to_vec();
                if got.len() == first.len() {
                    got.extend_from_slice(&second[..top.wanted(second)]);
                }
                assert_eq!(got, is, "{message:?} {lines} {cut}");
            }
        }
    }
}
