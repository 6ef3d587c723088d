//! DEFLATE as a [`Layer`] (RFC 4978), by flate2.

use alloc::vec::Vec;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::buf::Buf;
use crate::conn::{Layer, LayerFailed};

/// One compressed connection, either side: raw DEFLATE, flushed at the end of each batch of
/// output, so that the peer never waits for octets that we hold back.
///
/// What a small input may expand to is bounded by the caller's limit: inflating stops there
/// and goes on when the machine has consumed what it was given.
#[derive(Debug)]
pub struct Deflate {
    deflate: Compress,
    inflate: Decompress,
    /// The last call of inflate filled all its room, so it may hold more.
    pending: bool,
}

/// Octets inflated or deflated at a time.
const STEP: usize = 4 * 1024;

impl Default for Deflate {
    fn default() -> Self {
        Self { deflate: Compress::new(Compression::default(), false), inflate: Decompress::new(false), pending: false }
    }
}

impl Layer for Deflate {
    fn decode(&mut self, wire: &mut Buf, plain: &mut Buf, limit: usize, _: &mut Vec<u8>) -> Result<(), LayerFailed> {
        while (!wire.is_empty() || self.pending) && plain.unread().len() < limit {
            let space = plain.space(STEP);
            let room = space.len();
            let (taken, made) = (self.inflate.total_in(), self.inflate.total_out());
            let status =
                self.inflate.decompress(wire.unread(), space, FlushDecompress::Sync).map_err(|_| LayerFailed)?;
            let taken = (self.inflate.total_in() - taken) as usize;
            let made = (self.inflate.total_out() - made) as usize;
            wire.consume(taken);
            plain.fill(made);
            self.pending = made == room;
            match status {
                // The stream of one direction lasts as long as the connection.
                Status::StreamEnd => return Err(LayerFailed),
                Status::BufError | Status::Ok if taken == 0 && made == 0 => break,
                Status::BufError | Status::Ok => {}
            }
        }
        Ok(())
    }

    fn encode(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), LayerFailed> {
        let mut rest = plain;
        loop {
            wire.reserve(STEP);
            let before = self.deflate.total_in();
            let flush = if rest.is_empty() { FlushCompress::Sync } else { FlushCompress::None };
            self.deflate.compress_vec(rest, wire, flush).map_err(|_| LayerFailed)?;
            rest = &rest[(self.deflate.total_in() - before) as usize..];
            // A flush that leaves room has said everything.
            if rest.is_empty() && matches!(flush, FlushCompress::Sync) && wire.len() < wire.capacity() {
                return Ok(());
            }
        }
    }

    fn handshaking(&self) -> bool {
        false
    }

    fn close(&mut self, _: &mut Vec<u8>) {}
}
