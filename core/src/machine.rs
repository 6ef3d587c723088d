//! The interface that all six machines share.

use alloc::vec::Vec;
use core::ops::Add;
use core::time::Duration;

/// A protocol state machine for one side of one connection.
///
/// The contract, which [`Conn`](crate::Conn) keeps for you:
///
/// 1. Call [`poll`](Self::poll) with every octet received and not yet consumed.
/// 2. On [`Want::Event`], call [`event`](Self::event) with the same octets, use the
///    event, then consume as many octets as the frame is long.
/// 3. Before waiting for the peer, send what was appended to `out`.
/// 4. Call `poll` again after input, after output drained, after the application
///    answered, and when [`deadline`](Self::deadline) has passed.
pub trait Machine {
    /// What the peer said; borrows from the input, never from the machine.
    type Event<'i>;

    /// Frames the input and says what is wanted next.
    ///
    /// Finds where the next unit ends: nothing is parsed, and octets that were looked at
    /// before are not looked at again. Appends to `out` what the protocol itself owes (a
    /// literal's continuation, a timeout's farewell).
    fn poll(&mut self, now: Instant, input: &[u8], out: &mut Vec<u8>) -> Want;

    /// Parses the frame that `poll` found at the start of `input`.
    ///
    /// Never fails: what the peer got wrong is itself an event, already answered.
    fn event<'i>(&mut self, frame: Frame, input: &'i [u8], out: &mut Vec<u8>) -> Self::Event<'i>;

    /// When to poll again though nothing happened; armed when `poll` wants to read.
    fn deadline(&self) -> Option<Instant>;

    /// The layer asked for with [`Want::Upgrade`] is in place.
    fn upgraded(&mut self, upgrade: Upgrade);

    /// The peer will send no more octets.
    fn eof(&mut self);

    /// The most octets that `poll` must see at once.
    fn frame_max(&self) -> usize;

    /// Ends the session from our side: says the protocol's farewell (421, BYE) as soon as
    /// no answer is owed, then closes. A machine that is closed already stays as it is.
    fn shut_down(&mut self, out: &mut Vec<u8>);
}

/// What a machine wants next. There is no error: a machine that cannot go on closes.
#[must_use]
#[derive(Debug, Eq, PartialEq)]
pub enum Want {
    /// An event is ready; hand the frame to [`Machine::event`].
    Event(Frame),
    /// The application's move, an answer or more of a message: nothing is taken in until
    /// then.
    App,
    /// More octets from the peer.
    Read,
    /// Room in the output: nothing is taken in until some of it is sent.
    Flush,
    /// Send all output, drop unread input, then put this layer in place.
    Upgrade(Upgrade),
    /// Send all output, then close. Said on every later poll too.
    Close(Close),
}

/// Where the next event lies in the input. Made by `poll`, spent by `event`.
#[must_use]
#[derive(Debug, Eq, PartialEq)]
pub struct Frame {
    /// Octets to consume once the event is done with.
    pub(crate) len: usize,
    /// Octets at the front that belong to the framing and not to the event.
    pub(crate) skip: usize,
    pub(crate) kind: Kind,
}

impl Frame {
    pub(crate) const fn new(kind: Kind, len: usize) -> Self {
        Self { len, skip: 0, kind }
    }

    /// Octets to consume once the event is done with.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the event takes no input, as the opening of a connection does.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The octets of the event within the input it was found in.
    ///
    /// A shorter input than the one `poll` saw is the caller's mistake: loud in debug
    /// builds, an empty frame otherwise.
    pub(crate) fn of<'i>(&self, input: &'i [u8]) -> &'i [u8] {
        debug_assert!(self.len <= input.len(), "event was given another input than poll");
        input.get(self.skip..self.len).unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// The connection is open; no octets.
    Open,
    /// A whole line or command, with its line end.
    Line,
    /// Some octets of a message or literal.
    Chunk,
    /// The end of a message or literal.
    End,
    /// Octets of a line that is over its limit, with more to come.
    Excess,
    /// The last octets of a line that is over its limit.
    ExcessEnd,
    /// The start of a command whose literal is streamed.
    Head,
    /// An octet of a message that stands for a CRLF.
    Newline,
}

/// A layer that a machine asks to have put between itself and the wire.
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Upgrade {
    /// RFC 3207, RFC 2595, RFC 3501 section 6.2.1.
    Tls,
    /// RFC 4978.
    Deflate,
}

/// Why a machine is done.
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Close {
    /// Both sides agreed (QUIT, LOGOUT), or the application closed.
    Done,
    /// The peer closed in the middle of something.
    Eof,
    /// The peer was silent past the deadline, or too slow for the limits.
    Timeout,
    /// The peer broke the protocol past repair.
    Violation(Violation),
}

/// A breach of protocol that ends the connection.
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Violation {
    /// Plaintext followed STARTTLS in the same segment (RFC 3207 section 4.2).
    Injection,
    /// A frame outgrew its limit where it cannot be skipped.
    TooLong,
    /// The peer's octets are not of the grammar, and it is owed no answer.
    Syntax,
    /// More mistakes than the limits allow.
    Mistakes,
    /// A reply or continuation that answers no command.
    Unsolicited,
    /// The layer below failed.
    Layer,
    /// The peer spoke before it was its turn (RFC 2920 section 3.1).
    Pipelining,
}

/// Milliseconds since an epoch of the driver's choosing; only differences count.
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Instant(u64);

impl Instant {
    /// `millis` after the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The time from `earlier` to this, or none if it is past.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Milliseconds after the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// The timer of one machine: armed on the first wait after progress.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    deadline: Option<Instant>,
}

impl Patience {
    /// Progress was made: the next wait starts anew.
    pub(crate) fn reset(&mut self) {
        self.deadline = None;
    }

    /// A wait for the peer: arms if unarmed, and tells whether time is up.
    pub(crate) fn expired(&mut self, now: Instant, limit: Duration) -> bool {
        now >= *self.deadline.get_or_insert(now + limit)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

/// Whether a peer that streams sends fast enough: counts only the time that we wait for it,
/// so that a slow disk of ours is never held against it.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    waiting_since: Option<Instant>,
    waited: Duration,
    octets: u64,
}

impl Pace {
    /// The window over which the rate is taken.
    const WINDOW: Duration = Duration::from_secs(60);

    pub(crate) fn came(&mut self, octets: usize) {
        self.octets = self.octets.saturating_add(octets as u64);
    }

    /// Adds the wait that has just ended, if one has.
    pub(crate) fn woke(&mut self, now: Instant) {
        if let Some(since) = self.waiting_since.take() {
            self.waited += now.since(since);
        }
    }

    /// A wait begins; tells whether the last window's octets were too few.
    pub(crate) fn too_slow(&mut self, now: Instant, octets_per_second: u32) -> bool {
        self.waiting_since = Some(now);
        if self.waited < Self::WINDOW {
            return false;
        }
        let least = u64::from(octets_per_second) * Self::WINDOW.as_secs();
        let slow = self.octets < least;
        (self.waited, self.octets) = (Duration::ZERO, 0);
        slow
    }

    /// When the window ends if nothing comes before.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.waiting_since.map(|since| since + Self::WINDOW.saturating_sub(self.waited))
    }
}
