//! Two machines and the wire between them, in memory.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use postkern::tls::Tls;
use postkern::{Close, Conn, Instant, Machine, Tap, Upgrade, Want};

/// The application of one side.
pub(crate) trait Player<M: Machine> {
    fn on(&mut self, event: M::Event<'_>, machine: &mut M, out: &mut Vec<u8>);
    /// The machine has nothing to do before the peer or we do something. Tells whether we did.
    fn advance(&mut self, machine: &mut M, out: &mut Vec<u8>) -> bool;
}

/// Where a side has come to rest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Rest {
    Read,
    App,
    Upgrade(Upgrade),
    Close(Close),
}

/// Polls until the peer is awaited.
pub(crate) fn drive<M: Machine>(conn: &mut Conn<M>, player: &mut impl Player<M>) -> Rest {
    loop {
        return match conn.poll(Instant::from_millis(0)) {
            Want::Event(frame) => {
                let (event, machine, out) = conn.event(frame);
                player.on(event, machine, out);
                continue;
            }
            want @ (Want::App | Want::Read) => {
                let (machine, out) = conn.speak();
                if player.advance(machine, out) {
                    continue;
                }
                if want == Want::App { Rest::App } else { Rest::Read }
            }
            Want::Flush => Rest::Read,
            Want::Upgrade(upgrade) => Rest::Upgrade(upgrade),
            Want::Close(close) => Rest::Close(close),
        };
    }
}

/// How octets are cut on their way.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// Into pieces of so many.
    Each(usize),
    /// Once, behind so many.
    At(usize),
}

/// One direction of the wire.
pub(crate) struct Link {
    cut: Cut,
    pub(crate) passed: usize,
}

impl Link {
    pub(crate) fn new(cut: Cut) -> Self {
        Self { cut, passed: 0 }
    }

    /// Passes one piece on. Tells whether there was any.
    pub(crate) fn pass<A: Machine, B: Machine>(&mut self, from: &mut Conn<A>, to: &mut Conn<B>) -> bool {
        let most = match self.cut {
            Cut::Each(octets) => octets,
            Cut::At(at) if at > self.passed => at - self.passed,
            Cut::At(_) => usize::MAX,
        };
        let (output, space) = (from.output(), to.space());
        let len = output.len().min(space.len()).min(most);
        space[..len].copy_from_slice(&output[..len]);
        from.sent(len);
        if len > 0 {
            to.filled(len);
        }
        self.passed += len;
        len > 0
    }
}

/// Lets two sides speak until nothing moves any more. Tells how each came to rest, and how
/// many octets went to and fro.
pub(crate) fn converse<A: Machine, B: Machine>(
    (client, one): (&mut Conn<A>, &mut impl Player<A>),
    (server, other): (&mut Conn<B>, &mut impl Player<B>),
    cuts: (Cut, Cut),
    keys: Option<&Keys>,
) -> ((Rest, Rest), (usize, usize)) {
    let (mut there, mut back) = (Link::new(cuts.0), Link::new(cuts.1));
    loop {
        let (mut left, mut right) = (drive(client, one), drive(server, other));
        if let (Rest::Upgrade(upgrade), Some(keys)) = (right, keys)
            && server.output().is_empty()
        {
            server.upgrade(upgrade, Box::new(Tls::server(keys.server.clone()).unwrap()));
            right = drive(server, other);
        }
        if let (Rest::Upgrade(upgrade), Some(keys)) = (left, keys)
            && client.output().is_empty()
        {
            let name = "mx.example".try_into().unwrap();
            client.upgrade(upgrade, Box::new(Tls::client(keys.client.clone(), name).unwrap()));
            left = drive(client, one);
        }
        let moved = there.pass(client, server) | back.pass(server, client);
        if !moved {
            return ((left, right), (there.passed, back.passed));
        }
    }
}

/// What TLS needs on both sides.
pub(crate) struct Keys {
    pub(crate) server: Arc<rustls::ServerConfig>,
    client: Arc<rustls::ClientConfig>,
}

impl Keys {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["mx.example".to_owned()]).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = made.signing_key.serialize_der().try_into().unwrap();
        let server = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { server: Arc::new(server), client: Arc::new(client) }
    }
}

/// What a tap heard; runs of one side are joined.
pub(crate) struct Recorder {
    from: Receiver<(bool, Vec<u8>)>,
    heard: Vec<(bool, String)>,
}

impl Recorder {
    /// Sets the tap of a connection.
    pub(crate) fn of<M: Machine>(conn: &mut Conn<M>) -> Self {
        let (to, from) = channel();
        conn.set_tap(Box::new(Listener(to)));
        Self { from, heard: Vec::new() }
    }

    pub(crate) fn heard(&mut self) -> &[(bool, String)] {
        for (by_peer, octets) in self.from.try_iter() {
            let text = String::from_utf8(octets).unwrap();
            match self.heard.last_mut() {
                Some((side, before)) if *side == by_peer => before.push_str(&text),
                _ => self.heard.push((by_peer, text)),
            }
        }
        &self.heard
    }

    /// All of one side.
    pub(crate) fn side(&mut self, by_peer: bool) -> String {
        self.heard().iter().filter(|(side, _)| *side == by_peer).map(|(_, text)| text.as_str()).collect()
    }
}

struct Listener(Sender<(bool, Vec<u8>)>);

impl Tap for Listener {
    fn said(&mut self, by_peer: bool, octets: &[u8]) {
        assert!(!octets.is_empty(), "a tap is told of nothing");
        let _ = self.0.send((by_peer, octets.to_vec()));
    }
}
