//! Mailbox names on the wire: modified UTF-7 (RFC 3501 section 5.1.3).

use alloc::string::String;
use alloc::vec::Vec;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/// The name in Unicode; none if it is no modified UTF-7 in its one right form (no printable
/// ASCII in base64, no loose bits, no half surrogates, two shifts never in a row).
pub fn decode_mailbox(name: &[u8]) -> Option<String> {
    let mut decoded = String::with_capacity(name.len());
    let mut rest = name;
    let mut after_shift = false;
    while let [first, tail @ ..] = rest {
        match first {
            b'&' => {
                let end = memchr::memchr(b'-', tail)?;
                if end == 0 {
                    decoded.push('&');
                    after_shift = false;
                } else if after_shift {
                    return None;
                } else {
                    shifted(&tail[..end], &mut decoded)?;
                    after_shift = true;
                }
                rest = &tail[end + 1..];
            }
            b' '..=b'~' => {
                decoded.push(char::from(*first));
                after_shift = false;
                rest = tail;
            }
            _ => return None,
        }
    }
    Some(decoded)
}

/// Appends the name in modified UTF-7.
pub fn encode_mailbox(name: &str, out: &mut Vec<u8>) {
    let mut bits = Bits::default();
    for c in name.chars() {
        match c {
            '&' => {
                bits.close(out);
                out.extend_from_slice(b"&-");
            }
            ' '..='~' => {
                bits.close(out);
                out.push(c as u8);
            }
            _ => {
                bits.open(out);
                let mut units = [0; 2];
                c.encode_utf16(&mut units).iter().for_each(|&unit| bits.unit(unit, out));
            }
        }
    }
    bits.close(out);
}

/// Octets between & and -.
fn shifted(base64: &[u8], decoded: &mut String) -> Option<()> {
    let mut units = Vec::with_capacity(base64.len() * 6 / 16);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for &byte in base64 {
        let value = ALPHABET.iter().position(|&of| of == byte)?;
        (bits, held) = (bits << 6 | value as u32, held + 6);
        if held >= 16 {
            held -= 16;
            units.push((bits >> held) as u16);
            bits &= (1 << held) - 1;
        }
    }
    // What is left over is less than an octet of base64, and zero.
    (held < 6 && bits == 0).then_some(())?;
    for c in char::decode_utf16(units) {
        let c = c.ok()?;
        (!matches!(c, ' '..='~')).then_some(())?;
        decoded.push(c);
    }
    Some(())
}

/// UTF-16 on its way into base64.
#[derive(Default)]
struct Bits {
    open: bool,
    bits: u32,
    held: u32,
}

impl Bits {
    fn open(&mut self, out: &mut Vec<u8>) {
        if !core::mem::replace(&mut self.open, true) {
            out.push(b'&');
        }
    }

    fn unit(&mut self, unit: u16, out: &mut Vec<u8>) {
        self.bits = self.bits << 16 | u32::from(unit);
        self.held += 16;
        while self.held >= 6 {
            self.held -= 6;
            out.push(ALPHABET[(self.bits >> self.held) as usize & 63]);
            self.bits &= (1 << self.held) - 1;
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if !core::mem::take(&mut self.open) {
            return;
        }
        if self.held > 0 {
            out.push(ALPHABET[(self.bits << (6 - self.held)) as usize & 63]);
        }
        out.push(b'-');
        (self.bits, self.held) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for (wire, name) in [
            ("INBOX", "INBOX"),
            ("a&-b", "a&b"),
            ("&-&-", "&&"),
            ("~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),
            ("Entw&APw-rfe", "Entwürfe"),
            ("&2D3eAA-", "😀"),
            ("&AOk-&-", "é&"),
        ] {
            assert_eq!(decode_mailbox(wire.as_bytes()).as_deref(), Some(name), "{wire}");
            let mut out = Vec::new();
            encode_mailbox(name, &mut out);
            assert_eq!(out, wire.as_bytes());
        }
    }

    #[test]
    fn what_has_another_form_is_refused() {
        for wire in ["&", "&U", "&U,BTFw", "&AGE-", "&U,BTF-", "&2D0-", "&AOk-&AOk-", "a\u{e9}", "&*-", "&A-", "a\tb"] {
            assert_eq!(decode_mailbox(wire.as_bytes()), None, "{wire}");
        }
    }
}
