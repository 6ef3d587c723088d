//! A dialogue as people read it: `C:` and `S:`, secrets blanked, long runs cut in the middle.

use std::collections::VecDeque;
use std::fmt::Write;

use super::secrets::Secrets;

/// Lines of one side in a row that are shown at once.
const HEAD: usize = 14;
/// Lines at the end of a longer row that are shown when it is over.
const TAIL: usize = 4;
/// Octets of a line that are shown.
const LINE: usize = 160;
/// Octets of a line that are kept.
const LINE_MAX: usize = 16 * 1024;

/// Who speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    Client,
    Server,
}

impl Side {
    const fn mark(self) -> &'static str {
        match self {
            Self::Client => "C:",
            Self::Server => "S:",
        }
    }

    /// Cyan and green.
    const fn colour(self) -> &'static str {
        match self {
            Self::Client => "\x1b[36m",
            Self::Server => "\x1b[32m",
        }
    }
}

const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// One connection's dialogue, on its way to the screen.
#[derive(Debug)]
pub(super) struct Dialogue {
    coloured: bool,
    secrets: Secrets,
    /// The beginnings of lines whose ends have not come: client's and server's.
    begun: [Vec<u8>; 2],
    speaker: Side,
    /// Lines of the speaker so far.
    row: usize,
    /// The last of them that are not shown yet.
    held: VecDeque<String>,
    cut: usize,
}

impl Dialogue {
    pub(super) fn new(coloured: bool) -> Self {
        Self {
            coloured,
            secrets: Secrets::default(),
            begun: [Vec::new(), Vec::new()],
            speaker: Side::Server,
            row: 0,
            held: VecDeque::new(),
            cut: 0,
        }
    }

    /// Octets that a side has said; appends what is to be shown now.
    pub(super) fn said(&mut self, by: Side, octets: &[u8], show: &mut String) {
        for piece in octets.split_inclusive(|&octet| octet == b'\n') {
            let begun = &mut self.begun[by as usize];
            let room = LINE_MAX.saturating_sub(begun.len());
            begun.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(begun);
                self.line(by, &line, show);
            }
        }
    }

    /// The connection is over; appends what was held back.
    pub(super) fn end(&mut self, show: &mut String) {
        for side in [Side::Client, Side::Server] {
            let line = std::mem::take(&mut self.begun[side as usize]);
            if !line.is_empty() {
                self.line(side, &line, show);
            }
        }
        self.release(show);
    }

    fn line(&mut self, by: Side, line: &[u8], show: &mut String) {
        if by != self.speaker {
            self.release(show);
            self.speaker = by;
        }
        let text = String::from_utf8_lossy(line.trim_ascii_end());
        let (text, secured) = match by {
            Side::Client => (self.secrets.client(&text), false),
            Side::Server => (text.to_string(), self.secrets.server(&text)),
        };
        self.row += 1;
        let line = paint(self.coloured, by.colour(), by.mark(), &printable(&text));
        if self.row <= HEAD {
            show.push_str(&line);
        } else {
            self.held.push_back(line);
            if self.held.len() > TAIL {
                self.held.pop_front();
                self.cut += 1;
            }
        }
        if secured {
            self.release(show);
            show.push_str(&note(self.coloured, "TLS from here on"));
        }
    }

    /// Shows what was held back of the speaker's row, and begins a new one.
    fn release(&mut self, show: &mut String) {
        if self.cut > 0 {
            show.push_str(&note(self.coloured, &format!("{} more lines", self.cut)));
        }
        show.extend(self.held.drain(..));
        (self.row, self.cut) = (0, 0);
    }
}

/// A heading above a dialogue.
pub(super) fn heading(coloured: bool, text: &str) -> String {
    if coloured { format!("\n{BOLD}--- {text}{PLAIN}\n") } else { format!("\n--- {text}\n") }
}

/// Words of ours within one.
fn note(coloured: bool, text: &str) -> String {
    if coloured { format!("{DIM}   ({text}){PLAIN}\n") } else { format!("   ({text})\n") }
}

fn paint(coloured: bool, colour: &str, mark: &str, text: &str) -> String {
    let space = if text.is_empty() { "" } else { " " };
    if coloured { format!("{colour}{mark}{PLAIN}{space}{text}\n") } else { format!("{mark}{space}{text}\n") }
}

/// The text without what a terminal would take for an order, and not longer than [`LINE`].
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if shown.len() >= LINE {
            shown.push_str(" ...");
            break;
        }
        match character {
            '\t' => shown.push(' '),
            control if control.is_control() => {
                let _ = write!(shown, "\\x{:02x}", u32::from(control));
            }
            other => shown.push(other),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cut into pieces of every size the result is the same.
    fn shown(coloured: bool, dialogue: &[(Side, &str)]) -> String {
        let show = |size: usize| {
            let (mut all, mut show) = (Dialogue::new(coloured), String::new());
            for (side, text) in dialogue {
                text.as_bytes().chunks(size).for_each(|piece| all.said(*side, piece, &mut show));
            }
            all.end(&mut show);
            show
        };
        let whole = show(usize::MAX);
        (1..20).for_each(|size| assert_eq!(show(size), whole, "pieces of {size}"));
        whole
    }

    #[test]
    fn each_line_bears_its_speaker_and_no_secret() {
        let shown = shown(
            false,
            &[
                (Side::Server, "220 a.test\r\n"),
                (Side::Client, "STARTTLS\r\n"),
                (Side::Server, "220 go\r\n"),
                (Side::Client, "AUTH PLAIN AGJvYgBwdw==\r\n"),
                (Side::Server, "235 \x1b[2Jok\r\n\r\n"),
                (Side::Client, "QUI"),
            ],
        );
        let right = "S: 220 a.test\nC: STARTTLS\nS: 220 go\n   (TLS from here on)\nC: AUTH PLAIN ****\n\
                     S: 235 \\x1b[2Jok\nS:\nC: QUI\n";
        assert_eq!(shown, right);
    }

    #[test]
    fn a_long_row_is_cut_in_its_middle() {
        let rows = |rows: usize| (0..rows).map(|row| format!("{row}\r\n")).collect::<String>();
        let lines =
            |rows: String| shown(false, &[(Side::Server, "354\r\n"), (Side::Client, &rows), (Side::Server, "250\r\n")]);
        let short = lines(rows(HEAD + TAIL));
        assert_eq!(short.lines().count(), HEAD + TAIL + 2);
        let long = lines(rows(100));
        let shown: Vec<_> = long.lines().collect();
        assert_eq!(shown.len(), HEAD + TAIL + 3);
        assert_eq!(shown[HEAD], "C: 13");
        assert_eq!(shown[HEAD + 1], "   (82 more lines)");
        assert_eq!(shown[HEAD + 2..], ["C: 96", "C: 97", "C: 98", "C: 99", "S: 250"]);
    }

    #[test]
    fn colours_only_where_they_are_wanted() {
        let dialogue = [(Side::Server, "220 a\r\n"), (Side::Client, "QUIT\r\n")];
        assert!(!shown(false, &dialogue).contains('\x1b'));
        assert_eq!(shown(true, &dialogue), "\x1b[32mS:\x1b[0m 220 a\n\x1b[36mC:\x1b[0m QUIT\n");
    }
}
