//! The two queues of octets around a machine.

use alloc::vec::Vec;

/// Octets appended at the back, shown contiguous, consumed at the front.
#[derive(Debug, Default)]
pub struct Buf {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buf {
    /// The octets not yet consumed.
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Whether all octets are consumed.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Drops `len` octets from the front; frees nothing.
    ///
    /// # Panics
    /// In debug builds, if fewer are held.
    pub fn consume(&mut self, len: usize) {
        debug_assert!(len <= self.end - self.start, "consumed more than was shown");
        self.start = self.end.min(self.start + len);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Room of `min` octets or more to read into; tell with [`fill`](Self::fill) how much
    /// was read.
    pub fn space(&mut self, min: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < min {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.bytes.len() - self.end < min {
                self.bytes.resize(self.end + min, 0);
            }
        }
        &mut self.bytes[self.end..]
    }

    /// `len` octets of the space hold data now.
    ///
    /// # Panics
    /// In debug builds, if the space was smaller.
    pub fn fill(&mut self, len: usize) {
        debug_assert!(len <= self.bytes.len() - self.end, "filled more than the space");
        self.end = self.bytes.len().min(self.end + len);
    }

    /// Appends a copy of `bytes`.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.space(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.fill(bytes.len());
    }

    /// Gives the memory back while nothing is held, as an idle connection should.
    pub fn shrink(&mut self) {
        if self.start == self.end {
            *self = Self::default();
        }
    }
}

/// Octets that a machine appends as to any `Vec`, sent from the front: nothing is copied
/// between what was said and what is sent.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    start: usize,
}

impl Outbox {
    /// Consumed octets past which those still held are moved to the front. A move is paid
    /// for by as many octets sent before it, so the work stays linear.
    const SLACK: usize = 64 * 1024;

    pub(crate) fn unsent(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Where to append.
    pub(crate) fn back(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(crate) fn consume(&mut self, len: usize) {
        debug_assert!(len <= self.bytes.len() - self.start, "sent more than was shown");
        self.start = self.bytes.len().min(self.start + len);
        if self.start == self.bytes.len() {
            self.clear();
        } else if self.start >= Self::SLACK && self.start >= self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.start = 0;
    }

    pub(crate) fn shrink(&mut self) {
        if self.start == self.bytes.len() {
            *self = Self::default();
        }
    }
}
