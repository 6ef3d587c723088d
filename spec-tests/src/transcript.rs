//! The format of a dialogue.
//!
//! A file holds dialogues parted by a line `---`. Each begins with a comment that cites what
//! obliges us, and a header that says what is spoken to:
//!
//! ```text
//! # RFC 5321 section 4.5.2, MUST: a leading dot that the client added is removed.
//! @ smtp-server known=bob@mx.example
//! S: 220 *
//! C: EHLO client.example
//! S: 250-*
//! S: 250 *
//! ```
//!
//! | line | is |
//! | --- | --- |
//! | `@ ROLE key=value ...` | what is spoken to, and its configuration; further `@` lines as the role has them |
//! | `@ server-only REASON` | the C lines are none that our client would say |
//! | `C: text`, `S: text` | a line with CRLF |
//! | `C> octets`, `S> octets` | octets with `\r \n \t \0 \\ \xNN`; `{x*3000}` repeats |
//! | `C= text` | a line that a client says of itself, of what `A: offer` gave it to say |
//! | `C~ octets` | octets that it says so |
//! | `S: text *` | `*` at the end is the rest of the line; `{...}` is any octets, `{.}` any one |
//! | `S: 250-*` | one or more such lines |
//! | `S: ...` | any number of lines, or none |
//! | `S~ text` | as `S:`; such lines standing together come in any order |
//! | `S! text` | no line of this answer is so |
//! | `E: text` | the application saw this, after what the last `E:` named |
//! | `E: never text` | the application has seen nothing like it up to here |
//! | `T: +301s` | time passes |
//! | `U: tls`, `U: deflate` | the layer asked for is put in place |
//! | `A: words` | the application acts: what the words mean is its own |
//! | `L:` | the peer sends no more: the end of the stream |
//! | `W:` | the peer waits here for all that stands before |
//! | `X:`, `X: reason` | our side closes |
//!
//! An id is path, section and ordinal: `smtp/5321/4.5.2/1`. Files of one section are counted
//! through in the order of their names.

mod octets;
mod parse;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use octets::{escaped, shown, unescape};

use postkern::sasl::{Mechanism, Mechanisms};

use crate::pattern::Pattern;

/// One dialogue.
#[derive(Debug)]
pub struct Transcript {
    /// `smtp/5321/4.5.2/1`.
    pub id: String,
    /// Where it begins.
    pub place: Place,
    /// The comment at its head.
    pub claim: String,
    /// What is spoken to.
    pub header: Header,
    /// What is said and done, in order.
    pub steps: Vec<(usize, Step)>,
}

/// What a dialogue is with.
#[derive(Debug, Default)]
pub struct Header {
    /// `smtp-server`, `service`, ...
    pub role: String,
    /// A word behind the role that is no pair: the protocol of a service.
    pub words: Vec<String>,
    /// `key=value`.
    pub keys: Vec<(String, String)>,
    /// Further `@` lines: line number, first word, rest.
    pub more: Vec<(usize, String, String)>,
    /// Why our client would not say this.
    pub server_only: Option<String>,
}

/// One line of a dialogue.
#[derive(Clone, Debug)]
pub enum Step {
    /// `C:`, `C>`: what the client says.
    Client(Vec<u8>),
    /// `C=`: what a client says of itself.
    ClientSays(Vec<u8>),
    /// `S:`, `S>`, `S~`: what the server says.
    Server(Said),
    /// `S!`: what the server does not say.
    ServerNot(Pattern),
    /// `E:`.
    Event(Pattern),
    /// `E: never`.
    Never(Pattern),
    /// `T:`.
    Time(Duration),
    /// `U:`.
    Upgrade(postkern::Upgrade),
    /// `A:`.
    App(String),
    /// `L:`.
    Lost,
    /// `W:`.
    Wait,
    /// `X:`, with a reason in small letters, or empty.
    Close(String),
}

/// What a server's line looks like.
#[derive(Clone, Debug)]
pub enum Said {
    /// One line.
    Line(Pattern),
    /// One or more lines.
    Lines(Pattern),
    /// One line among its neighbours, in any order.
    AnyOrder(Pattern),
    /// Any number of lines.
    Skip,
    /// Just these octets.
    Octets(Vec<u8>),
}

/// A line of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// Below `transcripts/`, or as given.
    pub file: String,
    /// From 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What is wrong with a file.
#[derive(Debug)]
pub struct BadTranscript {
    /// Where.
    pub place: Place,
    /// What.
    pub message: String,
}

impl fmt::Display for BadTranscript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl std::error::Error for BadTranscript {}

impl Transcript {
    /// The place of a line of this dialogue.
    pub fn at(&self, line: usize) -> Place {
        Place { file: self.place.file.clone(), line }
    }

    /// All that the client says, for fuzzers and benches.
    pub fn client_octets(&self) -> Vec<u8> {
        let said = |(_, step): &(usize, Step)| if let Step::Client(octets) = step { octets.clone() } else { vec![] };
        self.steps.iter().flat_map(said).collect()
    }
}

impl Header {
    /// The value of a key, the last one given.
    pub fn key(&self, key: &str) -> Option<&str> {
        self.keys.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Whether a key is `yes`.
    pub fn is(&self, key: &str) -> bool {
        self.key(key) == Some("yes")
    }

    /// The words of a key's value, parted by commas; escapes in them are read.
    pub fn list(&self, key: &str) -> Vec<String> {
        let word = |word: &str| match unescape(word) {
            Ok(octets) => String::from_utf8_lossy(&octets).into_owned(),
            Err(_) => word.to_owned(),
        };
        self.key(key).map(|list| list.split(',').map(word).collect()).unwrap_or_default()
    }

    /// A key that is a number.
    ///
    /// # Errors
    /// It is none.
    pub fn number(&self, key: &str) -> Result<Option<u64>, String> {
        let Some(value) = self.key(key) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| format!("{key}={value} is no number"))
    }

    /// The SASL mechanisms of a key; without it none.
    ///
    /// # Errors
    /// One is not known.
    pub fn mechanisms(&self, key: &str) -> Result<Mechanisms, String> {
        self.list(key).iter().try_fold(Mechanisms::NONE, |set, name| match Mechanism::parse(name) {
            Some(mechanism) => Ok(set.with(mechanism)),
            None => Err(format!("{key}={name}: no mechanism that is known here")),
        })
    }

    /// Whether all keys are among these.
    ///
    /// # Errors
    /// The first that is not.
    pub fn only(&self, known: &[&str]) -> Result<(), String> {
        match self.keys.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            Some((key, _)) => Err(format!("@ {} knows no key {key}; it knows {}", self.role, known.join(" "))),
            None => Ok(()),
        }
    }

    /// Whether the further lines begin with one of these words.
    ///
    /// # Errors
    /// The first that does not.
    pub fn only_lines(&self, known: &[&str]) -> Result<(), String> {
        match self.more.iter().find(|(_, word, _)| !known.contains(&word.as_str())) {
            Some((line, word, _)) => Err(format!("line {line}: @ {} knows no line {word}", self.role)),
            None => Ok(()),
        }
    }
}

/// The folder of this crate's own dialogues.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts")
}

/// Reads all dialogues below a folder, in order of their paths.
///
/// # Errors
/// The first file that cannot be read or is not of the format.
pub fn load(folder: &Path) -> Result<Vec<Transcript>, BadTranscript> {
    let mut files = Vec::new();
    find(folder, &mut files)?;
    files.sort();
    let (mut all, mut ordinals) = (Vec::new(), BTreeMap::new());
    for path in files {
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
        for mut transcript in parse::file(&name, &text)? {
            let section = transcript.id.rsplit_once('/').map_or("", |(section, _)| section);
            let ordinal = ordinals.entry(section.to_owned()).or_insert(0);
            *ordinal += 1;
            transcript.id = format!("{section}/{ordinal}");
            all.push(transcript);
        }
    }
    Ok(all)
}

/// Reads the dialogues of one text, as if it stood in a file of this name below
/// `transcripts/`.
///
/// # Errors
/// The first line that is not of the format.
pub fn parse(name: &str, text: &str) -> Result<Vec<Transcript>, BadTranscript> {
    parse::file(name, text)
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), BadTranscript> {
    for entry in std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "txt") {
            files.push(path);
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> BadTranscript {
    BadTranscript { place: Place { file: path.display().to_string(), line: 0 }, message: error.to_string() }
}
