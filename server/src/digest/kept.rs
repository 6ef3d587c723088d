//! A digest as it is kept: a version, the rendered forms, the parts, and a check sum.
//!
//! ```text
//! magic  'D' VERSION
//! 3 x    length, octets                       ENVELOPE, BODY, BODYSTRUCTURE
//! number of parts
//! each   shape, header, body - header, end - body, skip - index
//! sum    8 octets, FNV-1a of all before
//! ```
//!
//! Numbers are little groups of seven bits, the last without its high bit. Whatever is read
//! is checked: a damaged row must be made anew, never served.

use super::{Digest, Place, Shape};

/// To be raised with each change to what a digest says or how it is kept.
const VERSION: u8 = 1;
const MAGIC: [u8; 2] = [b'D', VERSION];
const SUM_LEN: usize = 8;

pub(super) fn write(digest: &Digest) -> Vec<u8> {
    let forms = [&digest.envelope, &digest.body, &digest.body_structure];
    let mut out = Vec::with_capacity(32 + forms.iter().map(|form| form.len()).sum::<usize>() + 16 * digest.parts.len());
    out.extend_from_slice(&MAGIC);
    for form in forms {
        put_number(form.len() as u64, &mut out);
        out.extend_from_slice(form);
    }
    put_number(digest.parts.len() as u64, &mut out);
    for (index, place) in digest.parts.iter().enumerate() {
        out.push(match place.shape {
            Shape::Leaf => 0,
            Shape::Multipart => 1,
            Shape::Message => 2,
        });
        put_number(place.header, &mut out);
        put_number(place.body - place.header, &mut out);
        put_number(place.end - place.body, &mut out);
        put_number(u64::from(place.skip) - index as u64, &mut out);
    }
    let sum = sum(&out);
    out.extend_from_slice(&sum.to_le_bytes());
    out
}

pub(super) fn read(bytes: &[u8]) -> Option<Digest> {
    let (content, kept_sum) = bytes.split_at_checked(bytes.len().checked_sub(SUM_LEN)?)?;
    let mut rest = content.strip_prefix(&MAGIC)?;
    (sum(content).to_le_bytes() == kept_sum).then_some(())?;
    let envelope = form(&mut rest)?;
    let body = form(&mut rest)?;
    let body_structure = form(&mut rest)?;
    let count = usize::try_from(number(&mut rest)?).ok()?;
    // A part takes five octets at least.
    (count <= rest.len() / 5).then_some(())?;
    let mut parts = Vec::with_capacity(count);
    for index in 0..count {
        parts.push(place(index, &mut rest)?);
    }
    (rest.is_empty() && is_tree(&parts)).then_some(Digest { envelope, body, body_structure, parts })
}

fn form(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let len = usize::try_from(number(rest)?).ok()?;
    let (form, after) = rest.split_at_checked(len)?;
    *rest = after;
    (form.starts_with(b"(") && form.ends_with(b")")).then(|| form.to_vec())
}

fn place(index: usize, rest: &mut &[u8]) -> Option<Place> {
    let (shape, after) = rest.split_first()?;
    *rest = after;
    let shape = match shape {
        0 => Shape::Leaf,
        1 => Shape::Multipart,
        2 => Shape::Message,
        _ => return None,
    };
    let header = number(rest)?;
    let body = header.checked_add(number(rest)?)?;
    let end = body.checked_add(number(rest)?)?;
    let skip = u32::try_from((index as u64).checked_add(number(rest)?)?).ok()?;
    Some(Place { shape, header, body, end, skip })
}

/// Whether each part holds what its shape says, inside of its parent, in order.
fn is_tree(parts: &[Place]) -> bool {
    let Some(message) = parts.first() else { return false };
    let mut open: Vec<&Place> = Vec::new();
    let whole = message.header == 0 && message.skip as usize == parts.len();
    whole
        && parts.iter().enumerate().all(|(index, place)| {
            let (next, skip) = (index + 1, place.skip as usize);
            while open.pop_if(|open| open.skip as usize <= index).is_some() {}
            let fits =
                open.last().is_none_or(|of| place.skip <= of.skip && place.header >= of.body && place.end <= of.end);
            let holds = match place.shape {
                Shape::Leaf => skip == next,
                Shape::Multipart => skip > next,
                Shape::Message => skip > next && parts.get(next).is_some_and(|inner| inner.skip == place.skip),
            };
            open.push(place);
            fits && holds
        })
}

fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        let bits = u64::from(byte & 0x7f);
        number |= bits << shift;
        // The tenth octet has room for one bit.
        ((number >> shift) & 0x7f == bits).then_some(())?;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// FNV-1a: finds damage, not malice; the store is trusted.
fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
