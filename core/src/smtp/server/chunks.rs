//! Messages in chunks: BDAT (RFC 3030).
//!
//! The first BDAT of a transaction asks the application as DATA does. All octets of a chunk are
//! read whatever becomes of it, up to [`Limits::discard`](crate::smtp::Limits::discard) of what is
//! refused, and it is answered when they are here. A chunk that fails ends
//! the message: what the client had pipelined behind it is read, dropped and answered 503.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Event, Hello, Server, State, say};
use crate::machine::{Close, Frame, Kind, Violation};
use crate::smtp::command::Verb;
use crate::smtp::config::{BareNewline, Protocol};
use crate::smtp::reply::{Enhanced, Reply};

/// How far a message in chunks has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Chunking {
    /// No BDAT in this transaction.
    None,
    /// The application takes the message.
    Open,
    /// A chunk failed: what follows is dropped up to RSET, EHLO or MAIL.
    Failed,
}

/// What a chunk is answered with when it is over.
#[derive(Debug)]
pub(super) enum Held {
    /// 250.
    Nothing,
    Own(&'static Reply<'static>),
    /// The application's refusal.
    Said(Box<Refusal>),
}

#[derive(Debug)]
pub(super) struct Refusal {
    code: u16,
    enhanced: Option<Enhanced>,
    text: String,
}

impl Held {
    pub(super) fn said(reply: &Reply<'_>) -> Self {
        let Reply { code, enhanced, text } = *reply;
        Self::Said(Box::new(Refusal { code, enhanced, text: text.to_owned() }))
    }
}

impl Server {
    /// BDAT: its octets follow, whatever is said of them.
    ///
    /// So they do where CHUNKING is not offered: a client that says BDAT all the same means them
    /// for a message, and as commands they would be an attacker's (RFC 3030 section 2, the note
    /// on clients that do).
    pub(super) fn bdat<'i>(&mut self, size: u64, last: bool) -> Event<'i> {
        self.state = State::Chunk(size, last);
        let refused = match () {
            () if !self.config.offers.chunking => &say::NOT_HERE,
            () if self.hello != Hello::Ehlo => &say::HELLO_FIRST,
            () if !self.mail || self.recipients == 0 || self.chunking == Chunking::Failed => &say::SEQUENCE,
            () if self.size.saturating_add(size) > self.config.limits.message => &say::TOO_BIG,
            () if self.chunking == Chunking::Open => return Event::Chunk(b""),
            () => return Event::Data { chunked: true, ticket: self.ticket(Verb::Bdat) },
        };
        self.held = Held::Own(refused);
        Event::Dropped(0)
    }

    /// The next octets of a chunk.
    pub(super) fn chunk_frame(&mut self, input: &[u8], left: u64) -> Option<Frame> {
        if left == 0 {
            return Some(Frame::new(Kind::End, 0));
        }
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        if here == 0 {
            return None;
        }
        if !matches!(self.held, Held::Nothing) {
            return Some(Frame::new(Kind::Excess, here));
        }
        if self.binary || self.config.bare_newline == BareNewline::Refuse {
            return Some(Frame::new(Kind::Chunk, here));
        }
        self.content.piece(&input[..here], here as u64 == left)
    }

    /// Whether a chunk came to its end that no event tells of: it is not the last, and went well.
    pub(super) fn chunk_is_over(&self) -> bool {
        matches!((self.state, &self.held), (State::Chunk(0, false), Held::Nothing))
    }

    /// RFC 3030 section 2: a 250 for each chunk.
    pub(super) fn answer_chunk(&mut self, out: &mut Vec<u8>) {
        self.state = State::Commands;
        Reply::new(250, Enhanced(2, 0, 0), "go on").write(self.hello == Hello::Ehlo, true, out);
    }

    /// The end of the last chunk, or of one that failed.
    pub(super) fn end_of_chunk<'i>(&mut self, last: bool, out: &mut Vec<u8>) -> Event<'i> {
        self.state = State::Commands;
        let (code, own) = match core::mem::replace(&mut self.held, Held::Nothing) {
            Held::Nothing => {
                self.chunking = Chunking::None;
                return self.message(out);
            }
            Held::Own(reply) => (self.fail_chunk(reply, last, out), true),
            Held::Said(refusal) => {
                let Refusal { code, enhanced, ref text } = *refusal;
                (self.fail_chunk(&Reply { code, enhanced, text }, last, out), false)
            }
        };
        let begun = core::mem::replace(&mut self.chunking, Chunking::Failed) == Chunking::Open;
        if last {
            self.clear();
        }
        if own {
            self.mistake(out);
        } else if code / 100 == 5 {
            self.refused(out);
        }
        if begun { Event::Rejected { code } } else { Event::Refused { code } }
    }

    /// RFC 2033 section 4.3: behind LMTP the last chunk has a reply for each recipient, and none
    /// without recipients.
    fn fail_chunk(&mut self, reply: &Reply<'_>, last: bool, out: &mut Vec<u8>) -> u16 {
        let each = last && self.config.protocol == Protocol::Lmtp;
        for _ in 0..if each { self.recipients } else { 1 } {
            reply.write(self.hello == Hello::Ehlo, true, out);
        }
        reply.code
    }

    /// A BDAT that is not of the grammar: where its octets end is not known, so that nothing of
    /// what follows can be taken for a command.
    pub(super) fn bad_chunk<'i>(&mut self, out: &mut Vec<u8>) -> Event<'i> {
        let _ = self.last_words(&say::CHUNK, Close::Violation(Violation::Syntax), out);
        Event::Refused { code: say::CHUNK.code }
    }
}
