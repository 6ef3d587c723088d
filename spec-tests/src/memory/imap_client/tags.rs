//! A server's dialogue under our client's tags.

use std::collections::HashMap;

use crate::pattern::first_line;
use crate::play::turns::{Act, Turn};
use crate::transcript::Header;

/// The same turns and answers, each tag replaced by the one that our client would take.
pub(in crate::memory) fn with_our_tags(
    header: &Header,
    mut turns: Vec<Turn>,
    mut said: Vec<Vec<u8>>,
) -> (Vec<Turn>, Vec<Vec<u8>>) {
    let last = match header.key("in") {
        None => 0,
        Some("selected") => 2,
        Some(_) => 1,
    };
    let mut tags = Tags { known: HashMap::new(), last, literal: 0, announced: 0 };
    for (turn, said) in turns.iter_mut().zip(&mut said) {
        for (_, act) in &mut turn.acts {
            if let Act::Octets(octets) = act {
                *octets = tags.commands(octets);
            }
        }
        // The server lets the literal in, or it does not come.
        let lets_in = first_line(said).is_some_and(|(line, _)| line.starts_with(b"+"));
        let announced = std::mem::take(&mut tags.announced);
        if lets_in {
            tags.literal = announced;
        }
        *said = tags.completions(said);
    }
    (turns, said)
}

struct Tags {
    known: HashMap<Vec<u8>, Vec<u8>>,
    last: u32,
    /// Octets of a literal that come first.
    literal: usize,
    /// Octets of a literal that is to be let in.
    announced: usize,
}

impl Tags {
    fn commands(&mut self, octets: &[u8]) -> Vec<u8> {
        let (mut ours, mut rest, mut inside) = (Vec::new(), octets, self.literal > 0);
        while !rest.is_empty() {
            let (literal, after) = rest.split_at(self.literal.min(rest.len()));
            ours.extend_from_slice(literal);
            self.literal -= literal.len();
            let Some((line, after)) = first_line(after) else {
                ours.extend_from_slice(after);
                break;
            };
            let tag = line.split(|&octet| octet == b' ').next().unwrap_or_default();
            let is_command = !inside && tag.len() < line.len();
            ours.extend_from_slice(if is_command { self.ours(tag) } else { tag });
            ours.extend_from_slice(&line[tag.len()..]);
            ours.extend_from_slice(b"\r\n");
            rest = after;
            let (octets, unasked) = announcement(line).unwrap_or_default();
            (self.literal, self.announced) = if unasked { (octets, 0) } else { (0, octets) };
            inside = unasked;
        }
        ours
    }

    fn ours(&mut self, tag: &[u8]) -> &[u8] {
        let last = &mut self.last;
        self.known.entry(tag.to_vec()).or_insert_with(|| {
            *last += 1;
            format!("A{last}").into_bytes()
        })
    }

    fn completions(&self, said: &[u8]) -> Vec<u8> {
        let (mut ours, mut rest) = (Vec::new(), said);
        while let Some((line, after)) = first_line(rest) {
            let tag = line.split(|&octet| octet == b' ').next().unwrap_or_default();
            ours.extend_from_slice(self.known.get(tag).map_or(tag, |ours| ours));
            ours.extend_from_slice(&line[tag.len()..]);
            ours.extend_from_slice(b"\r\n");
            rest = after;
        }
        ours.extend_from_slice(rest);
        ours
    }
}

/// The octets of the literal that a line announces, and whether they come unasked.
fn announcement(line: &[u8]) -> Option<(usize, bool)> {
    let text = std::str::from_utf8(line).ok()?;
    let (_, digits) = text.strip_suffix('}')?.rsplit_once('{')?;
    let (digits, unasked) = digits.strip_suffix('+').map_or((digits, false), |digits| (digits, true));
    Some((digits.parse().ok()?, unasked))
}
