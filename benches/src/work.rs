//! What a piece of work is, and how machines are driven without IO.

pub mod fetch;
pub mod framing;
pub mod imap;
pub mod message;
pub mod pop3;
pub mod session;
pub mod smtp;

use std::hint::black_box;

use postkern::{Instant, Machine, Want};

use crate::input::READ;

/// One row of the tables.
#[derive(Clone)]
pub struct Work {
    /// `smtp/command`: rows of one name do the same.
    pub name: &'static str,
    /// Who does it.
    pub of: Of,
    /// What PERFORMANCE asks of ours.
    pub goal: Option<Goal>,
    /// The row of ours whose count is taken off this one's: what has to be done before, and
    /// is not what is measured.
    pub less: Option<&'static str>,
    /// Gets everything ready.
    pub start: fn() -> Run,
}

/// Who does the work.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Of {
    /// Postkern.
    Ours,
    /// Another crate.
    Peer(&'static str),
    /// The least that anyone must do who reads the octets.
    Limit(&'static str),
}

impl Of {
    /// For a table.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ours => "postkern",
            Self::Peer(name) | Self::Limit(name) => name,
        }
    }
}

/// The most instructions that ours may take; allocations are to be none.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// Per operation.
    Op(f64),
    /// Per octet.
    Octet(f64),
}

/// Work that is ready to be done, again and again.
pub struct Run {
    /// Operations each time: commands, lines, messages.
    pub ops: u64,
    /// Octets each time.
    pub octets: u64,
    /// Does it once.
    pub once: Box<dyn FnMut()>,
}

impl Run {
    pub(crate) fn new(ops: usize, octets: usize, once: impl FnMut() + 'static) -> Self {
        Self { ops: ops as u64, octets: octets as u64, once: Box::new(once) }
    }
}

impl Work {
    pub(crate) const fn ours(name: &'static str, goal: Goal, start: fn() -> Run) -> Self {
        Self { name, of: Of::Ours, goal: Some(goal), less: None, start }
    }

    pub(crate) const fn plain(name: &'static str, start: fn() -> Run) -> Self {
        Self { name, of: Of::Ours, goal: None, less: None, start }
    }

    pub(crate) const fn peer(name: &'static str, peer: &'static str, start: fn() -> Run) -> Self {
        Self { name, of: Of::Peer(peer), goal: None, less: None, start }
    }

    pub(crate) const fn limit(name: &'static str, how: &'static str, start: fn() -> Run) -> Self {
        Self { name, of: Of::Limit(how), goal: None, less: None, start }
    }

    pub(crate) const fn less(mut self, name: &'static str) -> Self {
        self.less = Some(name);
        self
    }
}

/// No time passes in a measurement.
pub(crate) const NOW: Instant = Instant::from_millis(0);

/// Shows `input` to a machine as a driver does, in reads of [`READ`] octets, until it is used
/// up or the machine wants something else than input. Gives the octets that were taken.
pub(crate) fn drive<M: Machine>(
    machine: &mut M,
    input: &[u8],
    out: &mut Vec<u8>,
    on: impl FnMut(M::Event<'_>, &mut M, &mut Vec<u8>),
) -> usize {
    drive_by(READ, machine, input, out, on)
}

/// As [`drive`], with reads of another size.
pub(crate) fn drive_by<M: Machine>(
    read: usize,
    machine: &mut M,
    input: &[u8],
    out: &mut Vec<u8>,
    mut on: impl FnMut(M::Event<'_>, &mut M, &mut Vec<u8>),
) -> usize {
    let (mut eaten, mut shown) = (0, input.len().min(read));
    loop {
        match machine.poll(NOW, &input[eaten..shown], out) {
            Want::Event(frame) => {
                let len = frame.len();
                let event = machine.event(frame, &input[eaten..shown], out);
                on(event, machine, out);
                eaten += len;
            }
            Want::Read if shown < input.len() => shown = input.len().min(shown + read),
            Want::Read | Want::App | Want::Flush | Want::Upgrade(_) | Want::Close(_) => return eaten,
        }
    }
}

/// The limit of anything made of lines: one search for each line's end, counted as an
/// operation.
pub(crate) fn line_scan(octets: Vec<u8>) -> Run {
    let lines = memchr::memchr_iter(b'\n', &octets).count();
    Run::new(lines, octets.len(), move || {
        // One search after another, as a machine does that answers each line.
        let mut rest = black_box(&octets[..]);
        while let Some(at) = memchr::memchr(b'\n', rest) {
            rest = black_box(&rest[at + 1..]);
        }
    })
}
