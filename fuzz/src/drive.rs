//! Shows the same octets to a machine in several ways, and asks for the same behaviour.

use std::fmt::Debug;
use std::time::Duration;

use postkern::{Close, Conn, Instant, Machine, OUTPUT_HIGH, Violation, Want};

/// Octets that a connection reads at a time.
const READ: usize = 16 * 1024;
const NOW: Instant = Instant::from_millis(1_000_000);

/// An input: octets for the machine, and behind them how to show them.
///
/// The last octet's low half tells how many octets before it are lengths of pieces; its high
/// half is for the target, which takes its configuration from it.
pub(crate) struct Input<'d> {
    pub(crate) octets: &'d [u8],
    pub(crate) variant: u8,
    pub(crate) pieces: &'d [u8],
}

impl<'d> Input<'d> {
    pub(crate) fn new(data: &'d [u8]) -> Self {
        let Some((&last, data)) = data.split_last() else {
            return Self { octets: data, variant: 0, pieces: data };
        };
        let (octets, pieces) = data.split_at(data.len() - data.len().min((last & 0x0f).into()));
        Self { octets, variant: last >> 4, pieces }
    }

    pub(crate) fn has(&self, bit: u8) -> bool {
        self.variant >> bit & 1 == 1
    }

    /// The octets in pieces of the lengths given, over and over.
    pub(crate) fn cut(&self) -> impl Iterator<Item = &'d [u8]> + use<'d> {
        let (mut rest, mut lengths) = (self.octets, self.pieces.iter().cycle());
        std::iter::from_fn(move || {
            let len = match lengths.next() {
                // Small ones matter most; a few are larger than a line.
                Some(&length @ 0..128) => usize::from(length) + 1,
                Some(&length) => (usize::from(length) - 127) * 64,
                None => 1,
            };
            let (piece, after) = rest.split_at(len.min(rest.len()));
            rest = after;
            (!piece.is_empty()).then_some(piece)
        })
    }
}

/// What an application saw. Octets of a message are joined, since a cut parts them; what was
/// thrown away without an answer is left out.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Log(Vec<Entry>);

#[derive(Debug, Eq, PartialEq)]
enum Entry {
    Event(String),
    Octets(Vec<u8>),
}

impl Log {
    pub(crate) fn event(&mut self, event: &impl Debug) {
        self.0.push(Entry::Event(format!("{event:?}")));
    }

    pub(crate) fn octets(&mut self, octets: &[u8]) {
        match self.0.last_mut() {
            Some(Entry::Octets(before)) => before.extend_from_slice(octets),
            Some(Entry::Event(_)) | None => self.0.push(Entry::Octets(octets.to_vec())),
        }
    }

    /// The octets that came last are thrown away: how many of a refused message an
    /// application sees depends on the cut.
    pub(crate) fn forget_octets(&mut self) {
        if let Some(Entry::Octets(_)) = self.0.last() {
            self.0.pop();
        }
    }
}

/// A scripted application, which says the same to the same.
pub(crate) trait App<M: Machine> {
    /// The peer did something.
    fn on(&mut self, event: M::Event<'_>, machine: &mut M, out: &mut Vec<u8>, log: &mut Log);
    /// The machine waits for an answer that was held back. Tells whether there was one.
    fn advance(&mut self, machine: &mut M, out: &mut Vec<u8>) -> bool {
        let _ = (machine, out);
        false
    }
    /// All is said and done.
    fn end(&mut self, log: &mut Log) {
        let _ = log;
    }
}

#[derive(Debug, Default, Eq, PartialEq)]
struct Outcome {
    log: Log,
    output: Vec<u8>,
    rest: Rest,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Rest {
    #[default]
    Open,
    /// A layer is asked for. What the peer sent behind that is an injection if it came at
    /// once, and the handshake's to refuse if not: here the dialogue ends.
    Upgrade,
    Closed(Close),
}

/// Shows an input all at once, octet by octet, and in the pieces that it asks for, the last
/// with answers that come late. All must come out the same.
pub(crate) fn any_cut<M: Machine, A: App<M>>(input: &Input<'_>, make: impl Fn(bool) -> (Conn<M>, A)) {
    each_cut(input, make, |whole, cut, how| assert_eq!(whole, cut, "{how}"));
}

/// As [`any_cut`], below a layer: its output differs with the batches, and what stood before
/// octets that are not of the layer is seen only if it came in an earlier piece.
pub(crate) fn any_cut_in_layer<M: Machine, A: App<M>>(input: &Input<'_>, make: impl Fn(bool) -> (Conn<M>, A)) {
    const BROKEN: Rest = Rest::Closed(Close::Violation(Violation::Layer));
    each_cut(input, make, |whole, cut, how| {
        if whole.rest != BROKEN && cut.rest != BROKEN {
            assert_eq!((&whole.log, whole.rest), (&cut.log, cut.rest), "{how}");
        }
    });
}

fn each_cut<M: Machine, A: App<M>>(
    input: &Input<'_>,
    make: impl Fn(bool) -> (Conn<M>, A),
    same: impl Fn(&Outcome, &Outcome, &str),
) {
    let whole = run(make(false), std::iter::once(input.octets));
    same(&whole, &run(make(false), input.octets.chunks(1)), "octet by octet");
    same(&whole, &run(make(true), input.octets.chunks(1)), "octet by octet, answered late");
    if !input.pieces.is_empty() {
        same(&whole, &run(make(true), input.cut()), "in pieces, answered late");
    }
}

fn run<'i, M: Machine>((mut conn, mut app): (Conn<M>, impl App<M>), pieces: impl Iterator<Item = &'i [u8]>) -> Outcome {
    let mut outcome = Outcome::default();
    turn(&mut conn, &mut app, NOW, &mut outcome);
    for piece in pieces {
        let mut rest = piece;
        while !rest.is_empty() && outcome.rest == Rest::Open {
            let space = conn.space();
            let len = space.len().min(rest.len());
            space[..len].copy_from_slice(&rest[..len]);
            conn.filled(len);
            rest = &rest[len..];
            turn(&mut conn, &mut app, NOW, &mut outcome);
        }
        let may = conn.machine().frame_max() + 2 * READ + 2 * OUTPUT_HIGH;
        let holds = conn.space().len() + conn.output().len();
        assert!(holds <= may, "the connection holds {holds} octets, it may hold {may}");
    }
    app.end(&mut outcome.log);
    // Whatever was left undone, the connection ends once all time is over.
    let mut after = Outcome::default();
    turn(&mut conn, &mut app, NOW + Duration::from_secs(7200), &mut after);
    conn.filled(0);
    turn(&mut conn, &mut app, NOW + Duration::from_secs(7200), &mut after);
    assert_ne!(after.rest, Rest::Open, "a connection without a peer stays open");
    outcome
}

/// Drives a connection until it wants octets.
fn turn<M: Machine>(conn: &mut Conn<M>, app: &mut impl App<M>, now: Instant, outcome: &mut Outcome) {
    loop {
        let want = conn.poll(now);
        if let Want::Event(frame) = want {
            let (event, machine, out) = conn.event(frame);
            app.on(event, machine, out, &mut outcome.log);
            continue;
        }
        outcome.output.extend_from_slice(conn.output());
        let sent = conn.output().len();
        conn.sent(sent);
        outcome.rest = match want {
            Want::App => {
                let (machine, out) = conn.speak();
                assert!(app.advance(machine, out), "the machine waits for an answer that was given");
                continue;
            }
            Want::Flush => {
                assert!(sent > 0, "the machine waits for output to be sent, and there is none");
                continue;
            }
            Want::Upgrade(_) | Want::Close(Close::Violation(Violation::Injection)) => Rest::Upgrade,
            Want::Close(close) => Rest::Closed(close),
            Want::Event(_) | Want::Read => Rest::Open,
        };
        return;
    }
}
