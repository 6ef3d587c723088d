//! One machine with its buffers and the layers below it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use crate::buf::{Buf, Outbox};
use crate::machine::{Close, Frame, Instant, Machine, Upgrade, Violation, Want};
use crate::sasl::TlsFacts;

/// A byte transform between the wire and a machine: TLS or DEFLATE. Does no IO.
pub trait Layer: Send {
    /// Takes octets of `wire` until it is empty or `plain` holds `limit` octets, appends
    /// what they meant to `plain`, and appends to `reply` what the layer itself must send.
    ///
    /// # Errors
    /// The peer's octets are not of this layer; the connection ends. What the peer is to be
    /// told of it is in `reply`.
    fn decode(&mut self, wire: &mut Buf, plain: &mut Buf, limit: usize, reply: &mut Vec<u8>)
    -> Result<(), LayerFailed>;

    /// Appends the wire form of all of `plain` to `wire`.
    ///
    /// # Errors
    /// The layer is closed or broken; the connection ends.
    fn encode(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), LayerFailed>;

    /// Whether no plaintext can be encoded yet.
    fn handshaking(&self) -> bool;

    /// Appends the layer's farewell, if it has one (TLS close_notify).
    fn close(&mut self, wire: &mut Vec<u8>);

    /// What the layer knows of the channel and the peer, once its handshake is over: nothing if
    /// it is not TLS.
    fn facts(&self) -> TlsFacts {
        TlsFacts::default()
    }
}

/// Hears the dialogue of a connection in plaintext, whatever layers are below: for logs,
/// traces and tests.
pub trait Tap: Send {
    /// Octets that the machine took in (`by_peer`), or that it said.
    ///
    /// Each octet comes once. Those of one side come in order; what the peer said comes
    /// when it is consumed, before what answers it. How they are parted means nothing.
    /// What a machine never took in, after a close or behind STARTTLS, is not told.
    ///
    /// Passwords and messages are among them: keep them as secret as the mail itself.
    fn said(&mut self, by_peer: bool, octets: &[u8]);
}

/// The layer cannot go on; what it had to tell the peer is in its output already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LayerFailed;

/// Octets of output past which nothing more is taken in or asked of the application.
pub const OUTPUT_HIGH: usize = 64 * 1024;
/// Octets read from the wire at a time.
const READ: usize = 16 * 1024;
/// The time a layer's handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(60);

/// A machine, its input and output, and the layers between them and the wire.
///
/// Drives the contract of [`Machine`]: feed it from the socket with [`space`](Self::space)
/// and [`filled`](Self::filled), drain [`output`](Self::output) into the socket, and do what
/// [`poll`](Self::poll) wants until it wants to read.
///
/// Holds at most [`Machine::frame_max`] and one read of input, and `OUTPUT_HIGH` and one
/// answer of output; none of either while idle, after [`shrink`](Self::shrink).
pub struct Conn<M> {
    machine: M,
    input: Buf,
    /// What the machine said: what is sent, unless a layer encodes it first.
    out: Outbox,
    /// Octets of the event handed out last, consumed by the next poll.
    spent: usize,
    broken: Option<Close>,
    /// We end the session: no handshake is waited for.
    stopping: bool,
    layers: Option<Box<Layers>>,
    tap: Option<Box<Tapped>>,
}

/// A tap, and how much of what the machine said it has heard.
struct Tapped {
    tap: Box<dyn Tap>,
    /// Octets at the front of the output that were told.
    told: usize,
}

/// TLS below, DEFLATE above, and what lies between them and around them.
#[derive(Default)]
struct Layers {
    tls: Option<Box<dyn Layer>>,
    deflate: Option<Box<dyn Layer>>,
    /// From the wire, not yet decoded.
    wire: Buf,
    /// Between TLS and DEFLATE.
    middle: Buf,
    sending: Outbox,
    scratch: Vec<u8>,
    handshake: Handshake,
    /// A handshake of TLS is over, and nobody has asked for its facts.
    secured: bool,
    closed: bool,
}

#[derive(Clone, Copy, Default)]
enum Handshake {
    #[default]
    Over,
    /// Under way; the machine is told of the upgrade, if it asked for it.
    Under { upgrade: Option<Upgrade>, deadline: Option<Instant> },
}

impl<M: Machine> Conn<M> {
    /// A connection in plaintext.
    pub fn new(machine: M) -> Self {
        Self {
            machine,
            input: Buf::default(),
            out: Outbox::default(),
            spent: 0,
            broken: None,
            stopping: false,
            layers: None,
            tap: None,
        }
    }

    /// A connection that begins with a layer (implicit TLS, RFC 8314 section 3). The machine
    /// sees nothing until the handshake is over.
    pub fn with_tls(machine: M, layer: Box<dyn Layer>) -> Self {
        let mut conn = Self::new(machine);
        conn.put(None, layer);
        conn
    }

    /// Puts the layer in place that [`Want::Upgrade`] asked for.
    pub fn upgrade(&mut self, upgrade: Upgrade, layer: Box<dyn Layer>) {
        debug_assert!(self.output().is_empty(), "an upgrade before all output is sent");
        self.put(Some(upgrade), layer);
    }

    /// From now on this tap hears what is said, and the one before does not. What was said
    /// and is not yet sent counts as said before.
    pub fn set_tap(&mut self, tap: Box<dyn Tap>) {
        self.tap = Some(Box::new(Tapped { tap, told: self.out.unsent().len() }));
    }

    /// Where to read octets from the peer into.
    pub fn space(&mut self) -> &mut [u8] {
        self.io().0
    }

    /// `len` octets were read into the space; zero is the end of the stream, as for
    /// [`read`](https://doc.rust-lang.org/std/io/trait.Read.html#tymethod.read).
    pub fn filled(&mut self, len: usize) {
        if len == 0 {
            self.machine.eof();
            if self.handshaking() {
                self.broken.get_or_insert(Close::Eof);
            }
            return;
        }
        match &mut self.layers {
            None => self.input.fill(len),
            Some(layers) => {
                layers.wire.fill(len);
                self.decode();
            }
        }
    }

    /// What to do next. Consumes the event handed out last.
    pub fn poll(&mut self, now: Instant) -> Want {
        self.settle();
        loop {
            if let Some(close) = self.broken {
                return Want::Close(close);
            }
            if let Some(want) = self.poll_handshake(now) {
                return want;
            }
            if self.output().len() >= OUTPUT_HIGH {
                return Want::Flush;
            }
            let want = self.machine.poll(now, self.input.unread(), self.out.back());
            self.tell();
            self.encode(matches!(want, Want::Close(_)));
            return match want {
                Want::Read if self.decode() => continue,
                // Whatever the peer sent before the layer was up is not to be trusted.
                Want::Upgrade(_) if self.holds_input() => {
                    self.broken = Some(Close::Violation(Violation::Injection));
                    continue;
                }
                Want::Upgrade(_) if !self.output().is_empty() => Want::Flush,
                want => want,
            };
        }
    }

    /// The event that [`poll`](Self::poll) found, with the machine and the output to answer
    /// it: three disjoint borrows.
    pub fn event(&mut self, frame: Frame) -> (M::Event<'_>, &mut M, &mut Vec<u8>) {
        self.spent = frame.len();
        let out = self.out.back();
        let event = self.machine.event(frame, self.input.unread(), out);
        (event, &mut self.machine, out)
    }

    /// The machine and the output, to say something later or unasked. Poll afterwards.
    pub fn speak(&mut self) -> (&mut M, &mut Vec<u8>) {
        (&mut self.machine, self.out.back())
    }

    /// Ends the session from our side, as [`Machine::shut_down`] does. A layer's handshake that
    /// is under way, or that would come next, is given up at once, since nothing can be said
    /// before it is over: the close is [`Close::Done`]. Poll afterwards.
    pub fn shut_down(&mut self) {
        self.stopping = true;
        let (machine, out) = self.speak();
        machine.shut_down(out);
    }

    /// Ends the session for a mistake of ours, whatever is owed: these last words are sent, if
    /// anything can be, and the connection closes. The machine is asked nothing more.
    pub fn fail(&mut self, last_words: &[u8]) {
        if !self.handshaking() {
            self.out.back().extend_from_slice(last_words);
            self.encode(true);
        }
        self.broken.get_or_insert(Close::Done);
    }

    /// What TLS has established, once for each handshake of it: for a session that must know
    /// before it answers what comes next. Ask after each poll.
    pub fn take_secured(&mut self) -> Option<TlsFacts> {
        let layers = self.layers.as_deref_mut()?;
        core::mem::take(&mut layers.secured).then(|| layers.facts())
    }

    /// The space and the output at once, for drivers that read and write concurrently.
    pub fn io(&mut self) -> (&mut [u8], &[u8]) {
        match &mut self.layers {
            None => (self.input.space(READ), self.out.unsent()),
            Some(layers) => (layers.wire.space(READ), layers.sending.unsent()),
        }
    }

    /// `len` octets of the output were sent.
    pub fn sent(&mut self, len: usize) {
        if self.tap.is_some() {
            self.settle();
        }
        match &mut self.layers {
            None => {
                self.out.consume(len);
                if let Some(tapped) = &mut self.tap {
                    tapped.told -= len.min(tapped.told);
                }
            }
            Some(layers) => layers.sending.consume(len),
        }
    }

    /// Drops all output: for a driver whose peer no longer reads. Keep polling what was
    /// received, a reply in it may say why, then [`filled`](Self::filled) with zero.
    pub fn unsendable(&mut self) {
        self.settle();
        self.out.clear();
        if let Some(tapped) = &mut self.tap {
            tapped.told = 0;
        }
        if let Some(layers) = &mut self.layers {
            layers.sending.clear();
        }
    }

    /// Gives back the memory of empty buffers. Call it when a connection goes idle.
    pub fn shrink(&mut self) {
        self.input.shrink();
        self.out.shrink();
        if let Some(layers) = &mut self.layers {
            layers.wire.shrink();
            layers.middle.shrink();
            layers.sending.shrink();
            layers.scratch = Vec::new();
        }
    }

    /// Octets to send to the peer.
    pub fn output(&self) -> &[u8] {
        match &self.layers {
            None => self.out.unsent(),
            Some(layers) => layers.sending.unsent(),
        }
    }

    /// When to poll though nothing happened.
    pub fn deadline(&self) -> Option<Instant> {
        match self.layers.as_ref().map(|layers| layers.handshake) {
            Some(Handshake::Under { deadline, .. }) => deadline,
            _ => self.machine.deadline(),
        }
    }

    /// What TLS has established; nothing without it, or before its handshake is over.
    pub fn tls_facts(&self) -> TlsFacts {
        let layers = self.layers.as_deref().filter(|_| !self.handshaking());
        layers.map(Layers::facts).unwrap_or_default()
    }

    /// The machine, to look at.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// Consumes the event handed out last.
    fn settle(&mut self) {
        let spent = core::mem::take(&mut self.spent);
        if let Some(tapped) = &mut self.tap
            && let Some(octets) = self.input.unread().get(..spent)
            && spent > 0
        {
            tapped.tap.said(true, octets);
        }
        self.input.consume(spent);
        self.tell();
    }

    /// Tells the tap what the machine has said since.
    fn tell(&mut self) {
        let Some(tapped) = &mut self.tap else { return };
        let said = self.out.unsent();
        if let Some(fresh) = said.get(tapped.told..)
            && !fresh.is_empty()
        {
            tapped.tap.said(false, fresh);
            tapped.told = said.len();
        }
    }

    fn put(&mut self, upgrade: Option<Upgrade>, layer: Box<dyn Layer>) {
        let layers = self.layers.get_or_insert_default();
        layers.handshake = Handshake::Under { upgrade, deadline: None };
        match upgrade {
            Some(Upgrade::Deflate) => layers.deflate = Some(layer),
            Some(Upgrade::Tls) | None => layers.tls = Some(layer),
        }
        // A client speaks first; a layer without a handshake is in place at once.
        self.decode();
    }

    fn handshaking(&self) -> bool {
        self.layers.as_ref().is_some_and(|layers| matches!(layers.handshake, Handshake::Under { .. }))
    }

    fn poll_handshake(&mut self, now: Instant) -> Option<Want> {
        let Handshake::Under { deadline, .. } = &mut self.layers.as_mut()?.handshake else {
            return None;
        };
        let late = now >= *deadline.get_or_insert(now + HANDSHAKE);
        self.broken = match () {
            () if self.stopping => Some(Close::Done),
            () if late => Some(Close::Timeout),
            () => None,
        };
        Some(self.broken.map_or(Want::Read, Want::Close))
    }

    fn holds_input(&self) -> bool {
        let wire = self.layers.as_ref().is_some_and(|layers| !layers.wire.is_empty() || !layers.middle.is_empty());
        wire || !self.input.is_empty()
    }

    /// Decodes what the wire holds, as far as there is room. Tells whether input was gained.
    fn decode(&mut self) -> bool {
        let Some(layers) = self.layers.as_deref_mut() else { return false };
        let before = self.input.unread().len();
        let limit = self.machine.frame_max() + READ;
        if layers.decode(&mut self.input, limit).is_err() {
            self.broken = Some(Close::Violation(Violation::Layer));
            return true;
        }
        if let Handshake::Under { upgrade, .. } = layers.handshake
            && !layers.handshaking()
        {
            layers.handshake = Handshake::Over;
            layers.secured |= upgrade != Some(Upgrade::Deflate);
            if let Some(upgrade) = upgrade {
                self.machine.upgraded(upgrade);
            }
        }
        self.input.unread().len() > before
    }

    fn encode(&mut self, closing: bool) {
        let Some(layers) = self.layers.as_deref_mut() else { return };
        if layers.encode(&mut self.out, closing).is_err() {
            self.broken = Some(Close::Violation(Violation::Layer));
        }
        // What the layers took over is sent by them: nothing of it is left to count.
        if let Some(tapped) = &mut self.tap {
            tapped.told = self.out.unsent().len();
        }
    }
}

impl Layers {
    fn facts(&self) -> TlsFacts {
        self.tls.as_ref().map(|tls| tls.facts()).unwrap_or_default()
    }

    fn handshaking(&self) -> bool {
        [&self.tls, &self.deflate].into_iter().flatten().any(|layer| layer.handshaking())
    }

    fn decode(&mut self, input: &mut Buf, limit: usize) -> Result<(), LayerFailed> {
        let reply = self.sending.back();
        match (&mut self.tls, &mut self.deflate) {
            (Some(tls), None) => tls.decode(&mut self.wire, input, limit, reply),
            (None, Some(deflate)) => deflate.decode(&mut self.wire, input, limit, reply),
            (Some(tls), Some(deflate)) => {
                tls.decode(&mut self.wire, &mut self.middle, limit, reply)?;
                deflate.decode(&mut self.middle, input, limit, reply)
            }
            (None, None) => Ok(()),
        }
    }

    fn encode(&mut self, out: &mut Outbox, closing: bool) -> Result<(), LayerFailed> {
        let plain = out.unsent();
        if !plain.is_empty() {
            let wire = self.sending.back();
            match (&mut self.tls, &mut self.deflate) {
                (Some(layer), None) | (None, Some(layer)) => layer.encode(plain, wire)?,
                (Some(tls), Some(deflate)) => {
                    self.scratch.clear();
                    deflate.encode(plain, &mut self.scratch)?;
                    tls.encode(&self.scratch, wire)?;
                }
                (None, None) => wire.extend_from_slice(plain),
            }
            out.clear();
        }
        if closing
            && !core::mem::replace(&mut self.closed, true)
            && let Some(tls) = &mut self.tls
        {
            tls.close(self.sending.back());
        }
        Ok(())
    }
}
