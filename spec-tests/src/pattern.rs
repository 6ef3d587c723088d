//! Lines with gaps, and whether an output is made of them.

use std::fmt;

use crate::transcript::{Said, shown, unescape};

/// A line in which parts are left open.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pattern {
    pieces: Vec<Piece>,
    text: String,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Octets(Vec<u8>),
    /// `{...}`, and `*` at the end.
    Any,
    /// `{.}`.
    One,
}

impl Pattern {
    /// Of a line that a server says.
    pub(crate) fn line(text: &str) -> Self {
        let (body, open) = text.strip_suffix('*').map_or((text, false), |body| (body, true));
        let mut pieces = Vec::new();
        let octets = |text: &str, pieces: &mut Vec<Piece>| {
            if !text.is_empty() {
                pieces.push(Piece::Octets(text.as_bytes().to_vec()));
            }
        };
        let mut rest = body;
        loop {
            let gaps = [("{...}", Piece::Any), ("{.}", Piece::One)];
            let next = gaps.into_iter().filter_map(|(mark, gap)| Some((rest.find(mark)?, mark.len(), gap)));
            let Some((at, len, gap)) = next.min_by_key(|(at, ..)| *at) else { break };
            octets(&rest[..at], &mut pieces);
            pieces.push(gap);
            rest = &rest[at + len..];
        }
        octets(rest, &mut pieces);
        pieces.extend(open.then_some(Piece::Any));
        Self { pieces, text: text.to_owned() }
    }

    /// Of what an application saw: as a line, with repeats spelt out. Its escapes stay, as
    /// the log has them too.
    pub(crate) fn event(text: &str) -> Result<Self, String> {
        // Escapes are kept apart from repeats by doubling them first.
        let expanded = unescape(&text.replace('\\', "\\\\"))?;
        let expanded = String::from_utf8(expanded).map_err(|_| "an event is text")?;
        Ok(Self { text: text.to_owned(), ..Self::line(&expanded) })
    }

    /// As a client is to hear it, with gaps filled; none if they cannot be.
    pub(crate) fn spoken(&self) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        for (at, piece) in self.pieces.iter().enumerate() {
            match piece {
                Piece::Octets(octets) => line.extend_from_slice(octets),
                Piece::Any if at + 1 == self.pieces.len() => line.extend_from_slice(b"ok"),
                Piece::Any | Piece::One => return None,
            }
        }
        Some(line)
    }

    /// Whether a line without its end is so.
    pub(crate) fn fits(&self, line: &[u8]) -> bool {
        fits(&self.pieces, line)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn fits(pieces: &[Piece], line: &[u8]) -> bool {
    match pieces {
        [] => line.is_empty(),
        [Piece::Any] => true,
        [Piece::Octets(octets), rest @ ..] => line.strip_prefix(&octets[..]).is_some_and(|line| fits(rest, line)),
        [Piece::One, rest @ ..] => !line.is_empty() && fits(rest, &line[1..]),
        [Piece::Any, rest @ ..] => (0..=line.len()).any(|skip| fits(rest, &line[skip..])),
    }
}

/// Where an output stops being what was expected.
#[derive(Debug)]
pub(crate) struct Mismatch {
    /// Which of the expected; as many as there are if all were met and more came.
    pub(crate) index: usize,
    pub(crate) message: String,
}

/// Whether the output is what is expected, all of it.
pub(crate) fn check(expected: &[&Said], output: &[u8]) -> Result<(), Mismatch> {
    let mut furthest = (0, output);
    if go(expected, 0, output, &mut Vec::new(), &mut furthest) {
        return Ok(());
    }
    let (index, rest) = furthest;
    let got = match rest.iter().position(|&octet| octet == b'\n') {
        None if rest.is_empty() => "nothing".to_owned(),
        end => format!("\"{}\"", shown(&rest[..end.map_or(rest.len(), |end| end + 1)])),
    };
    let wanted = expected.get(index).map_or("nothing more".to_owned(), |said| describe(said));
    Err(Mismatch { index, message: format!("wanted {wanted}, got {got}") })
}

/// `used` are the lines of the current any-order group that have come.
fn go<'o>(
    expected: &[&Said],
    index: usize,
    output: &'o [u8],
    used: &mut Vec<usize>,
    furthest: &mut (usize, &'o [u8]),
) -> bool {
    if index > furthest.0 || output.len() < furthest.1.len() {
        *furthest = (index.max(furthest.0), output);
    }
    let Some(said) = expected.get(index) else { return output.is_empty() };
    let line = first_line(output);
    match said {
        Said::Octets(octets) => {
            output.strip_prefix(&octets[..]).is_some_and(|rest| go(expected, index + 1, rest, used, furthest))
        }
        Said::Line(pattern) => {
            line.is_some_and(|(line, rest)| pattern.fits(line) && go(expected, index + 1, rest, used, furthest))
        }
        Said::Lines(pattern) => line.is_some_and(|(line, rest)| {
            pattern.fits(line)
                && (go(expected, index, rest, used, furthest) || go(expected, index + 1, rest, used, furthest))
        }),
        Said::Skip => {
            go(expected, index + 1, output, used, furthest)
                || line.is_some_and(|(_, rest)| go(expected, index, rest, used, furthest))
        }
        Said::AnyOrder(_) => {
            let group = expected[index..].iter().take_while(|said| matches!(said, Said::AnyOrder(_))).count();
            if used.len() == group {
                let mut fresh = Vec::new();
                return go(expected, index + group, output, &mut fresh, furthest);
            }
            let Some((line, rest)) = line else { return false };
            for at in index..index + group {
                let Said::AnyOrder(pattern) = expected[at] else { continue };
                if !used.contains(&at) && pattern.fits(line) {
                    used.push(at);
                    if go(expected, index, rest, used, furthest) {
                        return true;
                    }
                    used.pop();
                }
            }
            false
        }
    }
}

/// The first line without its CRLF, and the rest; none if there is no whole line or it ends
/// in a bare LF.
pub(crate) fn first_line(output: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = output.iter().position(|&octet| octet == b'\n')?;
    Some((output[..end].strip_suffix(b"\r")?, &output[end + 1..]))
}

fn describe(said: &Said) -> String {
    match said {
        Said::Line(pattern) => format!("S: {pattern}"),
        Said::Lines(pattern) => format!("one or more S: {pattern}"),
        Said::AnyOrder(pattern) => format!("S~ {pattern} (in any order)"),
        Said::Skip => "any lines".to_owned(),
        Said::Octets(octets) => format!("\"{}\"", shown(octets)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps() {
        for (pattern, line, fit) in [
            ("250 *", "250 ok", true),
            ("250 *", "250 ", true),
            ("250 *", "250-ok", false),
            ("* OK *", "* OK done", true),
            ("* OK *", "a OK done", false),
            ("* FLAGS (\\*)", "* FLAGS (\\*)", true),
            ("250{.}SIZE {...}", "250-SIZE 10", true),
            ("* CAPABILITY {...} MOVE*", "* CAPABILITY A MOVE B", true),
            ("* CAPABILITY {...} MOVE*", "* CAPABILITY A B", false),
            ("x", "x ", false),
        ] {
            assert_eq!(Pattern::line(pattern).fits(line.as_bytes()), fit, "{pattern} {line}");
        }
    }

    #[test]
    fn blocks() {
        let line = |text: &str| Said::Line(Pattern::line(text));
        let many = Said::Lines(Pattern::line("250-*"));
        let any = |text: &str| Said::AnyOrder(Pattern::line(text));
        let ehlo = b"250-a\r\n250-b\r\n250 c\r\n";
        assert!(check(&[&many, &line("250 *")], ehlo).is_ok());
        assert!(check(&[&Said::Skip, &line("250{.}b"), &Said::Skip], ehlo).is_ok());
        assert!(check(&[&any("250 c"), &any("250-a"), &any("250-*")], ehlo).is_ok());
        assert!(check(&[&any("250 c"), &any("250-a")], ehlo).is_err());
        assert_eq!(check(&[&many], ehlo).unwrap_err().index, 1);
        assert!(check(&[&line("a")], b"a\n").is_err(), "a bare LF ends no line");
        assert!(check(&[&line("* 1 {3}"), &Said::Octets(b"abc)\r\n".to_vec())], b"* 1 {3}\r\nabc)\r\n").is_ok());
    }
}
