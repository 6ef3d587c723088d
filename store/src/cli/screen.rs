//! The tour's screen, and the taps that bring dialogues to it.

use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use postkern::Tap;

use super::dialogue::{self, Dialogue, Side};
use crate::runtime::TapFactory;

/// Standard output, with the dialogue that is being shown.
pub(super) struct Screen {
    coloured: bool,
    dialogue: Dialogue,
}

impl Screen {
    pub(super) fn new(coloured: bool) -> Self {
        Self { coloured, dialogue: Dialogue::new(coloured) }
    }

    /// Ends one dialogue, and begins another.
    pub(super) fn heading(&mut self, text: &str) {
        self.end();
        show(&dialogue::heading(self.coloured, text));
    }

    pub(super) fn said(&mut self, by: Side, octets: &[u8]) {
        let mut lines = String::new();
        self.dialogue.said(by, octets, &mut lines);
        show(&lines);
    }

    pub(super) fn end(&mut self) {
        let mut lines = String::new();
        std::mem::replace(&mut self.dialogue, Dialogue::new(self.coloured)).end(&mut lines);
        show(&lines);
    }

    /// A tap for a client of ours.
    pub(super) fn tap(screen: &Arc<Mutex<Self>>) -> Box<dyn Tap> {
        Box::new(OnScreen(Arc::clone(screen)))
    }
}

/// A screen that nobody looks at any more (`| head`) changes nothing about the tour.
fn show(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Whoever connects is the client.
fn side(by_peer: bool) -> Side {
    if by_peer { Side::Server } else { Side::Client }
}

/// Shows at once.
struct OnScreen(Arc<Mutex<Screen>>);

impl Tap for OnScreen {
    fn said(&mut self, by_peer: bool, octets: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).said(side(by_peer), octets);
    }
}

/// What a relaying connection does. It runs beside the submission, and is shown behind it.
pub(super) enum Relayed {
    Said(Side, Vec<u8>),
    /// The connection is over.
    Over,
}

/// Taps for a server's connections to others, and where to hear them.
pub(super) fn relay_taps() -> (TapFactory, Receiver<Relayed>) {
    let (sender, receiver) = mpsc::channel();
    // A sender may be used by one thread at a time only; each tap gets its own.
    let sender = Mutex::new(sender);
    let factory = move |_: &str| -> Box<dyn Tap> {
        let sender = sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::new(Heard(sender))
    };
    (Arc::new(factory), receiver)
}

struct Heard(Sender<Relayed>);

impl Tap for Heard {
    fn said(&mut self, by_peer: bool, octets: &[u8]) {
        // After the tour's end nobody hears it.
        let _ = self.0.send(Relayed::Said(side(by_peer), octets.to_vec()));
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        let _ = self.0.send(Relayed::Over);
    }
}
