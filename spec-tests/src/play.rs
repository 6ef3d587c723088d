//! Plays a dialogue: in step first, then under every cut of the input.
//!
//! In step, each turn's answer is matched against the dialogue's lines. Then the same octets
//! are shown as early as a client may show them, and in pieces: all at once, one by one, cut
//! at every single place, and at random. Output, events and the close must be the same each
//! time. A client waits of itself only where `U:`, `T:`, `A:`, `L:` or `W:` stand.

pub(crate) mod turns;

use std::time::Duration;

use postkern::{Close, Upgrade, Violation};

use crate::pattern::{Pattern, check, first_line};
use crate::transcript::{Place, Transcript, shown};
pub use turns::{Act, Turn};

/// What a dialogue is played with: a machine or a service and all around it.
pub trait Subject {
    /// Octets come from the wire.
    fn show(&mut self, octets: &[u8]);
    /// The stream ends.
    fn lose(&mut self);
    /// Time passes, from deadline to deadline.
    fn pass(&mut self, time: Duration);
    /// Puts a layer in place.
    ///
    /// # Errors
    /// None was asked for, or another.
    fn upgrade(&mut self, upgrade: Upgrade) -> Result<(), String>;
    /// The application acts, as an `A:` line says.
    ///
    /// # Errors
    /// The words mean nothing, or nothing now.
    fn act(&mut self, words: &str) -> Result<(), String>;
    /// A client says what a turn's C lines show.
    ///
    /// # Errors
    /// It cannot, or this is no client.
    fn say(&mut self, octets: &[u8]) -> Result<(), String>;
    /// What was sent since this was asked last.
    fn output(&mut self) -> Vec<u8>;
    /// What the application saw.
    fn log(&self) -> &[String];
    /// Octets that the connection holds room for, and the most that it may.
    fn memory(&mut self) -> (usize, usize);
    /// Whether and why it closed.
    fn closed(&self) -> Option<Close>;
}

/// Makes a subject; told whether its application answers late.
pub type Maker<'a> = dyn Fn(bool) -> Result<Box<dyn Subject>, String> + 'a;

/// How much is tried.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Single cuts; more places than these are sampled.
    pub cuts: usize,
    /// Random cuttings.
    pub random: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Self { cuts: 1500, random: 64 }
    }
}

/// What went wrong.
#[derive(Debug)]
pub struct Failure {
    /// The dialogue.
    pub id: String,
    /// The line.
    pub place: Place,
    /// `server`, `client`, and how the input was cut.
    pub how: String,
    /// What.
    pub message: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {} ({}): {}", self.id, self.place, self.how, self.message)
    }
}

/// How the input is cut.
#[derive(Clone, Copy, Debug)]
enum Cutting {
    Whole,
    Each,
    At(usize),
    Random(u64),
}

/// What came of a run.
#[derive(Default)]
struct Outcome {
    output: Vec<u8>,
    log: Vec<String>,
    closed: Option<Close>,
}

/// Plays the turns in all ways. Gives back the output of each turn as said in step.
///
/// # Errors
/// The first difference.
pub fn play(
    transcript: &Transcript,
    role: &str,
    turns: &[Turn],
    maker: &Maker<'_>,
    effort: Effort,
) -> Result<Vec<Vec<u8>>, Failure> {
    let fails = |line: usize, how: &str, message: String| Failure {
        id: transcript.id.clone(),
        place: transcript.at(line),
        how: format!("{role}, {how}"),
        message,
    };
    let (outcome, said) =
        in_step(turns, maker, transcript.place.line).map_err(|(line, message)| fails(line, "in step", message))?;
    let total = turns.iter().flat_map(|turn| &turn.acts).map(|(_, act)| act.octets().len()).sum();
    let all = [Cutting::Whole, Cutting::Each]
        .into_iter()
        .chain(cuts(total, effort.cuts).map(Cutting::At))
        .chain((0..effort.random).map(|seed| Cutting::Random(seed + 1)));
    for (count, cutting) in all.enumerate() {
        for late in [false, true] {
            // Each way is tried with answers at once, some with answers that come late.
            if late && count > 1 && count % 8 != 0 {
                continue;
            }
            let how = format!("{cutting:?}{}", if late { ", answered late" } else { "" });
            let cut = cut_up(turns, maker, cutting, late).map_err(|(line, message)| fails(line, &how, message))?;
            same(&outcome, &cut).map_err(|message| fails(transcript.place.line, &how, message))?;
            reasons(turns, cut.closed).map_err(|(line, message)| fails(line, &how, message))?;
        }
    }
    Ok(said)
}

/// Plays turns of which nothing is expected but to come out the same however they are cut.
///
/// # Errors
/// The first difference.
pub fn steady(turns: &[Turn], maker: &Maker<'_>, random: u64) -> Result<(), String> {
    let run = |cutting, late| cut_up(turns, maker, cutting, late).map_err(|(_, message)| message);
    let whole = run(Cutting::Whole, false)?;
    for cutting in std::iter::once(Cutting::Each).chain((1..=random).map(Cutting::Random)) {
        for late in [false, true] {
            same(&whole, &run(cutting, late)?).map_err(|message| format!("{cutting:?}: {message}"))?;
        }
    }
    Ok(())
}

type At<T> = Result<T, (usize, String)>;

fn in_step(turns: &[Turn], maker: &Maker<'_>, first: usize) -> At<(Outcome, Vec<Vec<u8>>)> {
    let mut subject = maker(false).map_err(|message| (first, message))?;
    let (mut outcome, mut said) = (Outcome::default(), Vec::new());
    let (mut seen, mut met) = (0, Vec::new());
    for turn in turns {
        for (line, act) in &turn.acts {
            perform(&mut *subject, act).map_err(|message| (*line, message))?;
        }
        let output = subject.output();
        let expected: Vec<_> = turn.said.iter().map(|(_, said)| said).collect();
        check(&expected, &output).map_err(|mismatch| {
            let line = turn.said.get(mismatch.index).map_or(turn.last, |(line, _)| *line);
            (line, format!("{}; all that came: \"{}\"", mismatch.message, shown(&output)))
        })?;
        for (line, pattern) in &turn.not {
            let mut rest = &output[..];
            while let Some((one, after)) = first_line(rest) {
                if pattern.fits(one) {
                    return Err((*line, format!("wanted no line {pattern}, got \"{}\"", shown(one))));
                }
                rest = after;
            }
        }
        for (line, event) in &turn.events {
            let log = &subject.log()[seen..];
            let Some(at) = log.iter().position(|entry| event.fits(entry.as_bytes())) else {
                return Err((*line, format!("wanted E: {event}, the application saw {log:?}")));
            };
            met.push(seen + at);
            seen += at + 1;
        }
        for (line, pattern) in &turn.never {
            if let Some(entry) = subject.log().iter().find(|entry| pattern.fits(entry.as_bytes())) {
                return Err((*line, format!("the application is not to see {pattern}, it saw {entry}")));
            }
        }
        match (turn.close, subject.closed()) {
            (Some(line), None) => return Err((line, "wanted the connection closed, it is open".into())),
            (None, Some(close)) => return Err((turn.last, format!("the connection is closed: {close:?}"))),
            _ => {}
        }
        outcome.output.extend_from_slice(&output);
        said.push(output);
    }
    outcome.log = subject.log().to_vec();
    outcome.closed = subject.closed();
    reasons(turns, outcome.closed)?;
    // A message that nobody expected is a failure, however good the replies look.
    let unmet = |(at, entry): &(usize, &String)| is_message(entry) && !met.contains(at);
    if let Some((_, entry)) = outcome.log.iter().enumerate().find(unmet) {
        return Err((first, format!("the application got what no E: line names: {entry}")));
    }
    Ok((outcome, said))
}

fn is_message(entry: &str) -> bool {
    ["message ", "appended "].iter().any(|kind| entry.starts_with(kind))
}

/// Whether the reason of the close is the one named.
fn reasons(turns: &[Turn], closed: Option<Close>) -> At<()> {
    let Some((line, wanted)) = turns.iter().rev().find_map(|turn| turn.reason.as_ref()) else { return Ok(()) };
    let Some(close) = closed else { return Ok(()) };
    let is = match close {
        Close::Done => "done",
        Close::Eof => "eof",
        Close::Timeout => "timeout",
        Close::Violation(Violation::Injection) => "injection",
        Close::Violation(Violation::TooLong) => "too-long",
        Close::Violation(Violation::Syntax) => "syntax",
        Close::Violation(Violation::Mistakes) => "mistakes",
        Close::Violation(Violation::Unsolicited) => "unsolicited",
        Close::Violation(Violation::Layer) => "layer",
        Close::Violation(Violation::Pipelining) => "pipelining",
    };
    if wanted == is { Ok(()) } else { Err((*line, format!("closed for the reason {is}, not {wanted}"))) }
}

fn perform(subject: &mut dyn Subject, act: &Act) -> Result<(), String> {
    match act {
        Act::Octets(octets) => subject.show(octets),
        Act::Time(time) => subject.pass(*time),
        Act::Upgrade(upgrade) => return subject.upgrade(*upgrade),
        Act::App(words) => return subject.act(words),
        Act::Say(octets) => return subject.say(octets),
        Act::Lost => subject.lose(),
        Act::Wait => {}
    }
    Ok(())
}

fn cut_up(turns: &[Turn], maker: &Maker<'_>, cutting: Cutting, late: bool) -> At<Outcome> {
    let acts: Vec<_> = turns.iter().flat_map(|turn| &turn.acts).collect();
    let mut subject = maker(late).map_err(|message| (acts.first().map_or(0, |(line, _)| *line), message))?;
    let (mut shown, mut random) = (0, Xorshift::new(if let Cutting::Random(seed) = cutting { seed } else { 1 }));
    let mut held = Vec::new();
    for (at, (line, act)) in acts.iter().enumerate() {
        held.extend_from_slice(act.octets());
        let goes_on = acts.get(at + 1).is_some_and(|(_, act)| matches!(act, Act::Octets(_)));
        if matches!(act, Act::Octets(_)) && goes_on {
            continue;
        }
        let mut rest = &held[..];
        while !rest.is_empty() {
            let len = match cutting {
                Cutting::Whole => rest.len(),
                Cutting::Each => 1,
                Cutting::At(at) if at > shown => at - shown,
                Cutting::At(_) => rest.len(),
                Cutting::Random(_) => random.piece(),
            };
            let (piece, after) = rest.split_at(len.min(rest.len()));
            subject.show(piece);
            let (holds, may) = subject.memory();
            if holds > may {
                return Err((*line, format!("the connection holds {holds} octets, it may hold {may}")));
            }
            shown += piece.len();
            rest = after;
        }
        held.clear();
        if !matches!(act, Act::Octets(_)) {
            perform(&mut *subject, act).map_err(|message| (*line, message))?;
        }
    }
    Ok(Outcome { output: subject.output(), log: subject.log().to_vec(), closed: subject.closed() })
}

fn same(step: &Outcome, cut: &Outcome) -> Result<(), String> {
    if step.output != cut.output {
        let at = step.output.iter().zip(&cut.output).take_while(|(a, b)| a == b).count();
        let from = step.output[..at].iter().rposition(|&octet| octet == b'\n').map_or(0, |end| end + 1);
        let show = |output: &[u8]| shown(&output[from..output.len().min(at + 80)]);
        return Err(format!(
            "the output differs from that in step at octet {at}: \"{}\" is now \"{}\"",
            show(&step.output),
            show(&cut.output)
        ));
    }
    if step.log != cut.log {
        let at = step.log.iter().zip(&cut.log).take_while(|(a, b)| a == b).count();
        return Err(format!("event {at} was {:?} in step and is now {:?}", step.log.get(at), cut.log.get(at)));
    }
    if step.closed.is_some() != cut.closed.is_some() {
        return Err(format!("closed was {:?} in step and is now {:?}", step.closed, cut.closed));
    }
    Ok(())
}

/// Places to cut `total` octets at: all, or a sample of `most`.
fn cuts(total: usize, most: usize) -> impl Iterator<Item = usize> {
    let stride = total.div_ceil(most.max(1)).max(1);
    // A stride of one is every place; a greater one is made odd, lest it beat with a repeat.
    (1..total).step_by(if stride > 1 { stride | 1 } else { 1 })
}

/// Marsaglia's generator: small, and the same on every machine.
pub struct Xorshift(u64);

impl Xorshift {
    /// Of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next number.
    pub fn next_number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below a limit, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next_number() % limit.max(1) as u64) as usize
    }

    /// How long a piece is: often some octets, now and then thousands.
    pub fn piece(&mut self) -> usize {
        let scale = 1 << (1 + self.below(12));
        1 + self.below(scale)
    }
}

/// A pattern of an event: this text and whatever follows.
pub(crate) fn event_prefix(text: &str) -> Pattern {
    Pattern::line(&format!("{text}*"))
}
