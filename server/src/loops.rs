//! Whether a message has been here before (RFC 5321 section 6.3): what its Received and
//! Delivered-To fields tell while it comes in.
//!
//! The count of Received lines ([`HeaderScan`](crate::trace::HeaderScan)) ends every loop at
//! last; this ends those through us sooner. A message may pass us more than once rightly: out
//! to a list and back, or to an address elsewhere that is forwarded to us.

use crate::account::normalize;

/// Octets of a field that are looked at: a clause that begins behind them is not seen.
const FIELD_MAX: usize = 1024;
/// Delivered-To fields that are looked at.
const DELIVERED_MAX: usize = 100;

/// Reads a header as it comes, in pieces cut anywhere. Holds at most one field's
/// [`FIELD_MAX`] octets, and [`DELIVERED_MAX`] addresses as long as that.
#[derive(Clone, Debug, Default)]
pub struct Loops {
    /// The field so far, unfolded, or the part of it that is looked at.
    field: Vec<u8>,
    /// A line has begun and not ended.
    in_line: bool,
    ended: bool,
    here: u32,
    delivered: Vec<String>,
}

impl Loops {
    /// Takes the message's next piece; `hostname` is ours. What is behind the header is not
    /// looked at.
    pub fn feed(&mut self, mut piece: &[u8], hostname: &str) {
        while !self.ended && !piece.is_empty() {
            if !self.in_line && !matches!(piece[0], b' ' | b'\t') {
                self.finish(hostname);
                // An empty line, and what is no field's name, end the header.
                if !matches!(piece[0], b'!'..=b'9' | b';'..=b'~') {
                    self.ended = true;
                    return;
                }
            }
            let end = memchr::memchr(b'\n', piece).map_or(piece.len(), |end| end + 1);
            let (line, rest) = piece.split_at(end);
            let room = FIELD_MAX - self.field.len();
            self.field.extend_from_slice(&line[..line.len().min(room)]);
            self.in_line = !line.ends_with(b"\n");
            piece = rest;
        }
    }

    /// How often we stand in Received fields as who took the message.
    pub fn here(&self) -> u32 {
        self.here
    }

    /// Whether the message was delivered to this address.
    pub fn was_delivered(&self, address: &str) -> bool {
        let address = normalize(address);
        self.delivered.contains(&address)
    }

    fn finish(&mut self, hostname: &str) {
        let field = String::from_utf8_lossy(&self.field);
        if let Some((name, value)) = field.split_once(':') {
            let name = name.trim_end();
            if name.eq_ignore_ascii_case("received") {
                self.here += u32::from(is_by(value, hostname));
            } else if name.eq_ignore_ascii_case("delivered-to") && self.delivered.len() < DELIVERED_MAX {
                self.delivered.push(normalize(value.trim()));
            }
        }
        self.field.clear();
    }
}

/// Whether a Received field has a clause `by HOSTNAME`, outside of comments.
fn is_by(value: &str, hostname: &str) -> bool {
    let mut depth = 0_u32;
    let mut after_by = false;
    for word in value.split_ascii_whitespace() {
        // Comments nest, and may stand beside a word.
        let opens = word.matches('(').count() as u32;
        let closes = word.matches(')').count() as u32;
        let bare = word.split('(').next().unwrap_or_default();
        if depth == 0 && !bare.is_empty() {
            if after_by {
                return bare.trim_end_matches([';', '.']).eq_ignore_ascii_case(hostname);
            }
            after_by = bare.eq_ignore_ascii_case("by");
        }
        depth = (depth + opens).saturating_sub(closes);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "Received: from a.test (by mx.test) by b.test with SMTP id 1; x\r\n\
        Received: from mx.test\r\n\tby MX.test(ours) with ESMTP id 2;\r\n\tx\r\n\
        RECEIVED : by mx.test.; x\r\n\
        X-Received: by mx.test; x\r\n\
        Received: from x ((y) by mx.test) by mx.test.example; x\r\n\
        Delivered-To: Bob@Mx.test\r\n\
        delivered-to:\r\n \"b c\"@mx.test\r\n\
        \r\n\
        Received: by mx.test; x\r\nDelivered-To: eve@mx.test\r\n";

    fn check(loops: &Loops) {
        assert_eq!(loops.here(), 2);
        for (address, was) in
            [("bob@mx.test", true), ("BOB@mx.test", true), ("\"b c\"@MX.test", true), ("eve@mx.test", false)]
        {
            assert_eq!(loops.was_delivered(address), was, "{address}");
        }
    }

    #[test]
    fn a_header_tells_the_same_however_it_is_cut() {
        for len in 1..HEADER.len() {
            let mut loops = Loops::default();
            HEADER.as_bytes().chunks(len).for_each(|piece| loops.feed(piece, "mx.test"));
            check(&loops);
        }
    }

    #[test]
    fn a_header_that_is_none_ends() {
        for text in ["\r\nReceived: by mx.test;\r\n\r\n", "X: y\r\n\rReceived: by mx.test;\r\n\r\n", ": x\r\n\r\n"] {
            let mut loops = Loops::default();
            loops.feed(text.as_bytes(), "mx.test");
            assert!(loops.ended && loops.here() == 0, "{text:?}");
        }
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut loops = Loops::default();
        loops.feed(b"Received: ", "mx.test");
        for _ in 0..1000 {
            loops.feed(&[b'x'; 100], "mx.test");
        }
        assert!(loops.field.len() <= FIELD_MAX);
        for n in 0..1000 {
            loops.feed(format!("\r\nDelivered-To: {n}@x").as_bytes(), "mx.test");
        }
        assert_eq!(loops.delivered.len(), DELIVERED_MAX);
    }
}
