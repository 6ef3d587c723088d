//! One machine in its `Conn`, with a scripted application and a wire of memory.

use std::time::Duration;

use postkern::{Buf, Close, Conn, Instant, Layer, LayerFailed, Machine, OUTPUT_HIGH, Upgrade, Want};

use crate::play::Subject;

/// Octets that a connection reads at a time.
const READ: usize = 16 * 1024;

/// A scripted application.
pub(crate) trait App<M: Machine> {
    /// The peer did something.
    fn on(&mut self, event: M::Event<'_>, machine: &mut M, out: &mut Vec<u8>);
    /// The machine waits for us. Tells whether anything was done.
    fn advance(&mut self, machine: &mut M, out: &mut Vec<u8>) -> bool;
    /// An `A:` line.
    ///
    /// # Errors
    /// It means nothing.
    fn act(&mut self, words: &str, machine: &mut M, out: &mut Vec<u8>) -> Result<(), String>;
    /// A client's C lines.
    ///
    /// # Errors
    /// They cannot be said.
    fn say(&mut self, octets: &[u8], machine: &mut M, out: &mut Vec<u8>) -> Result<(), String> {
        let _ = (octets, machine, out);
        Err("this is no client".to_owned())
    }
    /// What was seen.
    fn log(&self) -> &[String];
}

/// A machine at work.
pub(crate) struct Bench<M: Machine, A> {
    conn: Conn<M>,
    app: A,
    now: Instant,
    /// On the wire, not yet read.
    wire: Vec<u8>,
    lost: bool,
    output: Vec<u8>,
    rest: Rest,
}

/// Where the driver has come to rest.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rest {
    Read,
    /// The application holds an answer back.
    App,
    Upgrade(Upgrade),
    Closed(Close),
}

impl<M: Machine, A: App<M>> Bench<M, A> {
    /// Starts; a server greets, a client waits.
    pub(crate) fn new(machine: M, app: A) -> Self {
        let mut bench = Self {
            conn: Conn::new(machine),
            app,
            now: Instant::from_millis(1_000_000),
            wire: Vec::new(),
            lost: false,
            output: Vec::new(),
            rest: Rest::Read,
        };
        bench.drive();
        bench
    }

    /// The application, to set it up.
    pub(crate) fn app(&mut self) -> &mut A {
        &mut self.app
    }

    fn drive(&mut self) {
        loop {
            let want = self.conn.poll(self.now);
            self.rest = match want {
                Want::Event(frame) => {
                    let (event, machine, out) = self.conn.event(frame);
                    self.app.on(event, machine, out);
                    continue;
                }
                Want::App => {
                    let (machine, out) = self.conn.speak();
                    if self.app.advance(machine, out) {
                        continue;
                    }
                    self.send();
                    Rest::App
                }
                Want::Flush => {
                    self.send();
                    continue;
                }
                Want::Read => {
                    self.send();
                    let (machine, out) = self.conn.speak();
                    // A client goes on with what it has to say.
                    if self.app.advance(machine, out) {
                        continue;
                    }
                    Rest::Read
                }
                Want::Upgrade(upgrade) => {
                    self.send();
                    Rest::Upgrade(upgrade)
                }
                Want::Close(close) => {
                    self.send();
                    Rest::Closed(close)
                }
            };
            return;
        }
    }

    fn send(&mut self) {
        self.output.extend_from_slice(self.conn.output());
        self.conn.sent(self.conn.output().len());
    }

    /// Reads from the wire as long as the machine wants to.
    fn pump(&mut self) {
        while !self.wire.is_empty() {
            match self.rest {
                Rest::Read => {}
                // Octets in the clear where the layer's are due: the handshake fails on them.
                Rest::Upgrade(upgrade) => {
                    self.conn.upgrade(upgrade, Box::new(Refusing));
                    self.drive();
                    continue;
                }
                Rest::App | Rest::Closed(_) => return,
            }
            let space = self.conn.space();
            let len = space.len().min(self.wire.len());
            space[..len].copy_from_slice(&self.wire[..len]);
            self.wire.drain(..len);
            self.conn.filled(len);
            self.drive();
        }
        if self.lost && self.rest == Rest::Read {
            self.lost = false;
            self.conn.filled(0);
            self.drive();
        }
    }
}

impl<M: Machine, A: App<M>> Subject for Bench<M, A> {
    fn show(&mut self, octets: &[u8]) {
        self.wire.extend_from_slice(octets);
        self.pump();
    }

    fn lose(&mut self) {
        self.lost = true;
        self.pump();
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.conn.deadline().filter(|at| *at > self.now && *at <= until) {
            self.now = at;
            self.drive();
        }
        self.now = until;
        self.drive();
        self.pump();
    }

    fn upgrade(&mut self, upgrade: Upgrade) -> Result<(), String> {
        if self.rest != Rest::Upgrade(upgrade) {
            return Err(format!("U: the machine asked for no such layer, it is at {:?}", self.rest));
        }
        self.conn.upgrade(upgrade, Box::new(Null));
        self.drive();
        self.pump();
        Ok(())
    }

    fn act(&mut self, words: &str) -> Result<(), String> {
        let (machine, out) = self.conn.speak();
        if words == "shut down" {
            machine.shut_down(out);
        } else {
            self.app.act(words, machine, out)?;
        }
        self.drive();
        self.pump();
        Ok(())
    }

    fn say(&mut self, octets: &[u8]) -> Result<(), String> {
        let (machine, out) = self.conn.speak();
        self.app.say(octets, machine, out)?;
        self.drive();
        self.pump();
        Ok(())
    }

    fn output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    fn log(&self) -> &[String] {
        self.app.log()
    }

    fn memory(&mut self) -> (usize, usize) {
        // A frame and two reads of input; output past its mark by one answer.
        let may = self.conn.machine().frame_max() + 2 * READ + 2 * OUTPUT_HIGH;
        (self.conn.space().len() + self.conn.output().len(), may)
    }

    fn closed(&self) -> Option<Close> {
        if let Rest::Closed(close) = self.rest { Some(close) } else { None }
    }
}

/// A layer that changes nothing.
pub(crate) struct Null;

impl Layer for Null {
    fn decode(&mut self, wire: &mut Buf, plain: &mut Buf, limit: usize, _: &mut Vec<u8>) -> Result<(), LayerFailed> {
        let room = limit.saturating_sub(plain.unread().len());
        let len = room.min(wire.unread().len());
        plain.extend(&wire.unread()[..len]);
        wire.consume(len);
        Ok(())
    }

    fn encode(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), LayerFailed> {
        wire.extend_from_slice(plain);
        Ok(())
    }

    fn handshaking(&self) -> bool {
        false
    }

    fn close(&mut self, _: &mut Vec<u8>) {}
}

/// A handshake that nothing fits: what TLS makes of plaintext.
pub(crate) struct Refusing;

impl Layer for Refusing {
    fn decode(&mut self, wire: &mut Buf, _: &mut Buf, _: usize, _: &mut Vec<u8>) -> Result<(), LayerFailed> {
        if wire.is_empty() { Ok(()) } else { Err(LayerFailed) }
    }

    fn encode(&mut self, _: &[u8], _: &mut Vec<u8>) -> Result<(), LayerFailed> {
        Err(LayerFailed)
    }

    fn handshaking(&self) -> bool {
        true
    }

    fn close(&mut self, _: &mut Vec<u8>) {}
}
