//! Where a command ends: lines, literals, and those that are too long (RFC 3501 section 4.3,
//! RFC 7888).

use alloc::vec::Vec;

use super::super::command::{Append, Tag};
use super::super::data::Code;
use super::super::event::{Answer, Event, Status};
use super::super::frame::{Found, announcement};
use super::{Server, Session, State, split};
use crate::machine::{Close, Frame, Kind, Violation};
use crate::text::{put, word};

/// Octets of the longest `{n+}` with its CRLF that can be a number of 64 bits, and more.
const ANNOUNCEMENT_MAX: usize = 32;

impl Server {
    /// Looks for a command's end, and deals with the literals on the way.
    pub(super) fn poll_command(&mut self, input: &[u8], out: &mut Vec<u8>) -> Option<Frame> {
        let limits = self.config.limits;
        loop {
            let start = self.scan.reserved();
            let found = self.scan.poll(input);
            let end = match found {
                Some(Found::Whole { len } | Found::Literal { head: len, .. }) => len,
                None => input.len(),
            };
            if end.saturating_sub(start) > self.side(limits.line) || end > self.side(limits.command) {
                self.literals = 0;
                self.scan.cut();
                return Some(self.long_line(found.map(|_| end), start, input));
            }
            match found? {
                Found::Whole { len } => {
                    self.literals = 0;
                    return Some(Frame::new(Kind::Line, len));
                }
                Found::Literal { head, octets, sync } => {
                    self.literals += 1;
                    let after_tag = word(&input[..head]).1;
                    // Only the first two literals of a command can be APPEND's.
                    let append = if self.literals <= 2 { Append::parse(after_tag) } else { Append::Other };
                    let fits = octets <= self.side(limits.literal) as u64
                        && self.scan.reserved().max(head) as u64 + octets <= self.side(limits.command) as u64
                        && self.literals <= limits.literals;
                    let kind = match append {
                        Append::Message(_) => Kind::Head,
                        Append::Other | Append::Mailbox if fits => {
                            if sync {
                                put(&[b"+ go ahead\r\n"], out);
                            }
                            self.scan.inline(head, octets as usize);
                            continue;
                        }
                        Append::Other | Append::Mailbox | Append::Bad => Kind::Excess,
                    };
                    self.literal = (octets, sync);
                    self.literals = 0;
                    self.scan.cut();
                    return Some(Frame::new(kind, head));
                }
            }
        }
    }

    /// Throws away a line that is too long as it comes, but for the octets at its end that
    /// may announce a literal. `end` is where it ends, if it does; `start` is where it
    /// begins, behind the command's literals: nothing of those is kept, lest it be read.
    pub(super) fn long_line(&mut self, end: Option<usize>, start: usize, input: &[u8]) -> Frame {
        match end {
            Some(end) => Frame::new(Kind::ExcessEnd, end),
            None => {
                self.state = State::LongLine { tag: self.tag_of(input) };
                Frame::new(Kind::Excess, input.len().saturating_sub(ANNOUNCEMENT_MAX).max(start))
            }
        }
    }

    pub(super) fn poll_long_line(&mut self, input: &[u8]) -> Option<Frame> {
        // The octets kept may be looked at twice: they are few.
        let end = memchr::memmem::find(input, b"\r\n").map(|at| at + 2);
        (end.is_some() || input.len() > ANNOUNCEMENT_MAX).then(|| self.long_line(end, 0, input))
    }

    /// The tag of the command that is being received: of the exchange under way, or at the
    /// start of the input.
    pub(super) fn tag_of(&self, input: &[u8]) -> Option<Tag> {
        match self.state {
            State::LongLine { tag } => tag,
            State::AfterMessage { tag } | State::Idle { tag } | State::AuthResponse { tag } => Some(tag),
            _ => split(input).0,
        }
    }

    /// Octets of a line that is too long. Far too many end the connection.
    pub(super) fn long_line_goes_on<'i>(&mut self, octets: usize, out: &mut Vec<u8>) -> Event<'i> {
        self.excess = self.excess.saturating_add(octets);
        if self.excess > self.config.limits.excess {
            self.last_words("line far too long", Close::Violation(Violation::TooLong), out);
        }
        Event::Dropped(octets)
    }

    /// The end of a line that is too long: one answer.
    pub(super) fn long_line_ended<'i>(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Event<'i> {
        let dropped = self.long_line_goes_on(bytes.len(), out);
        if matches!(self.state, State::Closed(_)) {
            return dropped;
        }
        let tag = self.tag_of(bytes);
        self.state = match announcement(bytes) {
            Some((octets, false)) => State::Skip { left: octets },
            _ => State::Commands,
        };
        self.refuse(tag, Status::Bad, Code::Atom("TOOBIG"), "line too long", out)
    }

    pub(super) fn append<'i>(&mut self, bytes: &'i [u8], out: &mut Vec<u8>) -> Event<'i> {
        let (octets, sync) = self.literal;
        let (Some(tag), rest) = split(bytes) else {
            return self.excess(bytes, out);
        };
        let Append::Message(head) = Append::parse(rest) else {
            return self.excess(bytes, out);
        };
        let refused = if self.session == Session::NotAuthenticated {
            Some((Status::Bad, Code::None, "not in this state"))
        } else if octets > u64::from(self.config.limits.append) {
            // RFC 7889 section 4; refused before the octets are asked for.
            Some((Status::No, Code::Atom("TOOBIG"), "the message is over the size limit"))
        } else {
            None
        };
        if let Some((status, code, text)) = refused {
            if !sync {
                self.state = State::Skip { left: octets };
            }
            return self.refuse(Some(tag), status, code, text, out);
        }
        let answer = Answer::Append { octets: u32::try_from(octets).unwrap_or(u32::MAX), sync };
        let ticket = self.ticket(tag, answer);
        Event::Append {
            mailbox: head.mailbox,
            flags: head.flags,
            date: head.date,
            octets: u32::try_from(octets).unwrap_or(u32::MAX),
            ticket,
        }
    }

    /// A command with a literal that is not let in.
    pub(super) fn excess<'i>(&mut self, bytes: &'i [u8], out: &mut Vec<u8>) -> Event<'i> {
        let (octets, sync) = self.literal;
        let (tag, rest) = split(bytes);
        if !sync {
            if octets > self.side(self.config.limits.command) as u64 && !matches!(Append::parse(rest), Append::Bad) {
                self.last_words("literal too long", Close::Violation(Violation::TooLong), out);
                return Event::Refused;
            }
            self.state = State::Skip { left: octets };
        }
        match Append::parse(rest) {
            Append::Bad => self.bad(tag, "unknown command or bad arguments", out),
            _ => self.refuse(tag, Status::Bad, Code::Atom("TOOBIG"), "literal too long", out),
        }
    }

    /// Refuses what is no end of an exchange. A literal that it announces unasked is skipped.
    pub(super) fn after<'i>(&mut self, kind: Kind, tag: Tag, text: &str, out: &mut Vec<u8>) -> Event<'i> {
        self.skip_on(kind);
        self.bad(Some(tag), text, out)
    }

    pub(super) fn skip_on(&mut self, kind: Kind) {
        let (octets, sync) = self.literal;
        if matches!(kind, Kind::Head | Kind::Excess) && !sync {
            self.state = State::Skip { left: octets };
        }
    }
}
