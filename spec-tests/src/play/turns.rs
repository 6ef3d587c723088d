//! A dialogue as turns: what happens, then what is to be seen of it.

use std::time::Duration;

use postkern::Upgrade;

use crate::pattern::Pattern;
use crate::transcript::{Said, Step, Transcript};

/// What happens to a subject.
#[derive(Clone, Debug)]
pub enum Act {
    /// The peer's octets come.
    Octets(Vec<u8>),
    /// Time passes.
    Time(Duration),
    /// The layer asked for is put in place.
    Upgrade(Upgrade),
    /// The application acts.
    App(String),
    /// The application of a client says these commands.
    Say(Vec<u8>),
    /// The stream ends.
    Lost,
    /// Nothing; what was shown is worked off first.
    Wait,
}

impl Act {
    /// The octets that it brings.
    pub fn octets(&self) -> &[u8] {
        if let Self::Octets(octets) = self { octets } else { &[] }
    }
}

/// What happens, and what is to come of it.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    /// What happens, with line numbers.
    pub acts: Vec<(usize, Act)>,
    pub(super) said: Vec<(usize, Said)>,
    pub(super) not: Vec<(usize, Pattern)>,
    pub(super) events: Vec<(usize, Pattern)>,
    pub(super) never: Vec<(usize, Pattern)>,
    pub(super) close: Option<usize>,
    pub(super) reason: Option<(usize, String)>,
    /// The last line of it.
    pub(super) last: usize,
}

/// The turns as a server sees them: C lines come, S lines are said.
pub(crate) fn of_server(transcript: &Transcript) -> Vec<Turn> {
    split(transcript, |step| match step {
        Step::Client(octets) => Part::Act(Act::Octets(octets.clone())),
        Step::Server(said) => Part::Said(said.clone()),
        other => common(other),
    })
}

/// The turns of a dialogue with a client alone: S lines come, C lines are said.
pub(crate) fn of_client(transcript: &Transcript) -> Result<Vec<Turn>, (usize, String)> {
    let mut heard = Vec::new();
    for (line, step) in &transcript.steps {
        heard.push(match step {
            Step::Server(Said::Octets(octets)) => Some(octets.clone()),
            Step::Server(Said::Line(pattern)) => {
                let spoken = pattern.spoken().ok_or((*line, "a client must be told what it hears".to_owned()))?;
                Some([&spoken[..], b"\r\n"].concat())
            }
            Step::Server(_) | Step::ServerNot(_) => return Err((*line, "a client must be told what it hears".into())),
            _ => None,
        });
    }
    let mut heard = heard.into_iter();
    Ok(split(transcript, |step| match (heard.next().flatten(), step) {
        (Some(octets), _) => Part::Act(Act::Octets(octets)),
        (None, Step::Client(octets)) => Part::Speech(octets.clone()),
        (None, other) => common(other),
    }))
}

/// The same dialogue from the other side: what the server said, turn by turn, comes to a
/// client that says the C lines. `notices` tells what the client's application sees of it.
pub(crate) fn mirrored(server: &[Turn], said: &[Vec<u8>], notices: fn(&[u8]) -> Vec<Pattern>) -> Vec<Turn> {
    let mut turns = Vec::new();
    for (turn, said) in server.iter().zip(said) {
        let mut mine = Turn { last: turn.last, ..Turn::default() };
        for (line, act) in &turn.acts {
            match act {
                Act::Octets(octets) => speech(*line, octets, &mut mine),
                Act::Time(time) => mine.acts.push((*line, Act::Time(*time))),
                Act::Upgrade(upgrade) => mine.acts.push((*line, Act::Upgrade(*upgrade))),
                Act::App(_) | Act::Wait | Act::Say(_) | Act::Lost => {}
            }
        }
        turns.push(mine);
        let line = turn.said.first().map_or(turn.last, |(line, _)| *line);
        let mut theirs = Turn { acts: vec![(line, Act::Octets(said.clone()))], last: turn.last, ..Turn::default() };
        theirs.events = notices(said).into_iter().map(|notice| (line, notice)).collect();
        if let Some(line) = turn.close {
            theirs.acts.push((line, Act::Lost));
            theirs.close = Some(line);
        }
        turns.push(theirs);
    }
    turns
}

/// Adds to a turn that a client says this. What is said in one go is one act.
fn speech(line: usize, octets: &[u8], turn: &mut Turn) {
    match turn.acts.last_mut() {
        // What the application was told to do by an A: line says it already.
        Some((_, Act::App(_))) => {}
        Some((_, Act::Say(before))) => before.extend_from_slice(octets),
        _ => turn.acts.push((line, Act::Say(octets.to_vec()))),
    }
    turn.said.push((line, Said::Octets(octets.to_vec())));
}

enum Part {
    Act(Act),
    Said(Said),
    /// A client says it.
    Speech(Vec<u8>),
    /// A client says it of itself.
    OwnSpeech(Vec<u8>),
    Not(Pattern),
    Event(Pattern),
    Never(Pattern),
    Close(String),
}

fn common(step: &Step) -> Part {
    match step {
        Step::Client(octets) => Part::Act(Act::Octets(octets.clone())),
        Step::ClientSays(octets) => Part::OwnSpeech(octets.clone()),
        Step::Server(said) => Part::Said(said.clone()),
        Step::ServerNot(pattern) => Part::Not(pattern.clone()),
        Step::Event(pattern) => Part::Event(pattern.clone()),
        Step::Never(pattern) => Part::Never(pattern.clone()),
        Step::Time(time) => Part::Act(Act::Time(*time)),
        Step::Upgrade(upgrade) => Part::Act(Act::Upgrade(*upgrade)),
        Step::App(words) => Part::Act(Act::App(words.clone())),
        Step::Lost => Part::Act(Act::Lost),
        Step::Wait => Part::Act(Act::Wait),
        Step::Close(reason) => Part::Close(reason.clone()),
    }
}

/// A turn ends where something happens after something was to be seen.
fn split(transcript: &Transcript, mut part: impl FnMut(&Step) -> Part) -> Vec<Turn> {
    let mut turns = vec![Turn { last: transcript.place.line, ..Turn::default() }];
    let (mut looking, mut speaking) = (false, false);
    for &(line, ref step) in &transcript.steps {
        let part = part(step);
        let acts = matches!(part, Part::Act(_)) || matches!(part, Part::Speech(_)) && !speaking;
        if acts && looking {
            turns.push(Turn::default());
        }
        looking = !matches!(part, Part::Act(_));
        speaking = matches!(part, Part::Speech(_));
        let turn = turns.last_mut().expect("there is one from the start");
        turn.last = line;
        match part {
            Part::Act(act) => turn.acts.push((line, act)),
            Part::Speech(octets) => speech(line, &octets, turn),
            Part::OwnSpeech(octets) => {
                // What answers it comes later.
                turn.acts.push((line, Act::Wait));
                turn.said.push((line, Said::Octets(octets)));
            }
            Part::Said(said) => turn.said.push((line, said)),
            Part::Not(pattern) => turn.not.push((line, pattern)),
            Part::Event(pattern) => turn.events.push((line, pattern)),
            Part::Never(pattern) => turn.never.push((line, pattern)),
            Part::Close(reason) => {
                turn.close = Some(line);
                if !reason.is_empty() {
                    turn.reason = Some((line, reason));
                }
            }
        }
    }
    turns
}
