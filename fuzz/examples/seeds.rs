//! Writes a seed corpus out of the dialogues of `spec-tests/transcripts`.
//!
//! ```text
//! cargo run --manifest-path fuzz/Cargo.toml --example seeds
//! ```
//!
//! Each dialogue becomes one file for the server's target, of what its client says, and one
//! for the client's, of what its server says; a client's lines alone feed the parsers. The
//! full reader of dialogues is in `spec-tests`, which would bring a server and a database
//! into this workspace: here two kinds of lines are enough.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    find(&root.join("../spec-tests/transcripts"), &mut files)?;
    files.sort();
    let mut seeds = Seeds { corpus: root.join("corpus"), written: 0 };
    for file in &files {
        let protocol = file.components().rev().nth(2).map(|part| part.as_os_str().to_string_lossy().into_owned());
        for dialogue in fs::read_to_string(file)?.split("\n---") {
            seeds.dialogue(protocol.as_deref().unwrap_or_default(), dialogue)?;
        }
    }
    println!("{} seeds in {}", seeds.written, seeds.corpus.display());
    Ok(())
}

struct Seeds {
    corpus: PathBuf,
    written: usize,
}

impl Seeds {
    fn dialogue(&mut self, protocol: &str, dialogue: &str) -> Result<(), Box<dyn Error>> {
        let (mut client, mut server) = (Vec::new(), Vec::new());
        for line in dialogue.lines() {
            match line.split_at_checked(2) {
                Some(("C:", text)) => said(&mut client, text),
                Some(("C>", text)) => unescape(text.trim_start(), &mut client),
                Some(("S:" | "S~", text)) if !text.contains("...") => said(&mut server, &text.replace('*', "x")),
                Some(("S>", text)) => unescape(text.trim_start(), &mut server),
                _ => {}
            }
        }
        // Pieces of 1, 7 and 64 octets, and two configurations.
        for variant in [0x03, 0x53] {
            let tail = [0, 6, 63, variant];
            self.seed(&format!("{protocol}_server"), &client, &tail)?;
            self.seed(&format!("{protocol}_client"), &server, &tail)?;
        }
        if protocol == "imap" {
            let strings = ["Entwürfe\nb\"ob\n".as_bytes(), &client[..]].concat();
            self.seed("imap_round_trip", &strings, &[0, 6, 63, 0x03])?;
            for command in client.split(|&octet| octet == b'\n').filter(|command| !command.is_empty()) {
                let command = command.trim_ascii_end();
                let rest = command.splitn(2, |&octet| octet == b' ').nth(1).unwrap_or_default();
                self.seed("imap_command", rest, b"")?;
                let items = rest.splitn(3, |&octet| octet == b' ').nth(2).unwrap_or_default();
                self.seed("imap_fetch", items, b"")?;
            }
        }
        if protocol == "smtp" {
            let message = [b"alice@client.example\nbob@mx.example\n", &client[..]].concat();
            self.seed("smtp_round_trip", &message, &[0, 6, 63, 0x03])?;
            self.seed("smtp_deflate", &stored(&client), &[0, 6, 63, 0x03])?;
        }
        if protocol == "pop3" {
            self.seed("pop3_round_trip", &server, &[0, 6, 63, 0x03])?;
        }
        Ok(())
    }

    fn seed(&mut self, target: &str, octets: &[u8], tail: &[u8]) -> Result<(), Box<dyn Error>> {
        if octets.is_empty() || octets.len() > 16 * 1024 {
            return Ok(());
        }
        let folder = self.corpus.join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("seed-{:04}", self.written)), [octets, tail].concat())?;
        self.written += 1;
        Ok(())
    }
}

/// A stored block of DEFLATE (RFC 1951 section 3.2.4).
fn stored(octets: &[u8]) -> Vec<u8> {
    let len = u16::try_from(octets.len()).unwrap_or(0);
    [&[0][..], &len.to_le_bytes(), &(!len).to_le_bytes(), octets].concat()
}

fn said(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.strip_prefix(' ').unwrap_or(text).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// `\r \n \t \0 \\ \xNN`; a repeat stays as it is written, which is a seed too.
fn unescape(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digit = |digit: u8| char::from(digit).to_digit(16).unwrap_or(0) as u8;
                out.push(digit(*high) << 4 | digit(*low));
                rest = after;
            }
            (b'\\', [escaped, after @ ..]) => {
                out.push(match escaped {
                    b'r' => b'\r',
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'0' => 0,
                    other => *other,
                });
                rest = after;
            }
            (octet, _) => out.push(*octet),
        }
    }
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "txt") {
            files.push(path);
        }
    }
    Ok(())
}
