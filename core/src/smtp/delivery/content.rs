//! A message on its way: by DATA as it is written, or by BDAT a chunk at a time.

use alloc::vec::Vec;

use crate::dot::Body;
use crate::smtp::client::{Chunks, Client};

/// Octets of a chunk. A message of no more is one chunk, in one write with the envelope.
pub const CHUNK: usize = 64 * 1024;

/// How far the message of a transaction is.
#[derive(Debug, Default)]
pub(super) enum Content {
    /// Not begun.
    #[default]
    None,
    /// DATA is sent.
    Asked,
    Stuffed(Body),
    Chunked(Chunked),
    /// All is sent.
    Ended,
    /// It is given up, and answers are still out: nothing is said before they have come.
    Spoilt,
}

impl Content {
    /// Gives up a message that goes by BDAT and has not ended. Tells whether it was one.
    pub(super) fn abandon_chunks(&mut self, client: &mut Client) -> bool {
        match core::mem::take(self) {
            Self::Chunked(chunked) => {
                client.abandon_chunks(chunked.chunks);
                *self = Self::Spoilt;
                true
            }
            other => {
                *self = other;
                false
            }
        }
    }
}

/// What is written and not yet sent: at most a chunk and what the owner writes at once.
#[derive(Debug)]
pub(super) struct Chunked {
    chunks: Chunks,
    /// Makes lines whole, unless the message is BINARYMIME.
    lines: Option<Body>,
    octets: Vec<u8>,
    /// Of these so many are sent.
    at: usize,
    ended: bool,
}

impl Chunked {
    pub(super) fn new(chunks: Chunks, binary: bool) -> Self {
        let lines = (!binary).then(Body::plain);
        Self { chunks, lines, octets: Vec::new(), at: 0, ended: false }
    }

    pub(super) fn write(&mut self, piece: &[u8]) {
        match &mut self.lines {
            Some(lines) => lines.write(piece, &mut self.octets),
            None => self.octets.extend_from_slice(piece),
        }
    }

    pub(super) fn end(&mut self) {
        if let Some(lines) = self.lines.take() {
            lines.end(&mut self.octets);
        }
        self.ended = true;
    }

    /// Whether more is to be written.
    pub(super) fn has_room(&self) -> bool {
        !self.ended && self.octets.len() - self.at <= CHUNK
    }

    /// Sends all chunks that are whole and may be sent now, and the last if it is known.
    pub(super) fn flush(mut self, client: &mut Client, out: &mut Vec<u8>) -> Content {
        loop {
            let rest = &self.octets[self.at..];
            if rest.len() > CHUNK {
                if client.chunk(&mut self.chunks, &rest[..CHUNK], out).is_err() {
                    break;
                }
                self.at += CHUNK;
            } else if self.ended {
                return match client.end_chunks(self.chunks, rest, out) {
                    Ok(_) => Content::Ended,
                    Err(chunks) => Content::Chunked(Self { chunks, ..self }),
                };
            } else {
                break;
            }
        }
        if self.at >= self.octets.len() / 2 {
            self.octets.drain(..self.at);
            self.at = 0;
        }
        Content::Chunked(self)
    }
}
