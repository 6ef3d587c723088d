//! A whole session: a delivery's client against a server, over their [`Conn`]s, in memory.

use std::hint::black_box;

use postkern::smtp::{Client, Delivery, Envelope, Options, Progress, Server, ServerConfig};
use postkern::{Conn, Want};

use super::{NOW, Run, Work, smtp};
use crate::input::{Kind, message};

pub(crate) fn works() -> Vec<Work> {
    vec![
        Work::plain("session/1-KB", || deliveries(1024)),
        Work::plain("session/100-KB", || deliveries(100 * 1024)),
        Work::limit("session/100-KB", "copy twice", || copied(100 * 1024)),
    ]
}

/// The two ends of one connection.
struct Pair {
    client: Conn<Client>,
    server: Conn<Server>,
    delivery: Delivery,
    finished: bool,
}

fn deliveries(octets: usize) -> Run {
    let message = message(Kind::ShortLines, octets);
    let envelope = Envelope::new("alice@client.example", message.len() as u64).to("bob@mx.example");
    let options = Options::new("client.example");
    Run::new(1, message.len(), move || {
        let mut pair = Pair {
            client: Conn::new(Client::new()),
            server: Conn::new(Server::new(ServerConfig::default(), false)),
            delivery: Delivery::new(envelope.clone(), options.clone(), false),
            finished: false,
        };
        while !pair.finished {
            pair.serve();
            pair.deliver(black_box(&message));
        }
    })
}

impl Pair {
    /// The server's move, up to its next read.
    fn serve(&mut self) {
        loop {
            match self.server.poll(NOW) {
                Want::Event(frame) => {
                    let (event, server, out) = self.server.event(frame);
                    smtp::answer(event, server, out);
                }
                Want::Read | Want::Close(_) | Want::Flush => break,
                want => panic!("{want:?} is not of this session"),
            }
        }
        pass(&mut self.server, &mut self.client);
    }

    /// The client's move.
    fn deliver(&mut self, message: &[u8]) {
        loop {
            match self.client.poll(NOW) {
                Want::Event(frame) => {
                    let (notice, client, out) = self.client.event(frame);
                    match self.delivery.on(notice, client, out) {
                        Progress::Go | Progress::Convert(_) => {}
                        Progress::Message => {
                            self.delivery.write(message, client, out);
                            self.delivery.end(client, out);
                        }
                        Progress::Finished => self.finished = true,
                    }
                }
                Want::Read | Want::Close(_) | Want::Flush => break,
                want => panic!("{want:?} is not of this session"),
            }
        }
        pass(&mut self.client, &mut self.server);
    }
}

/// Moves what one end has to send to the other, as a wire does.
fn pass<A: postkern::Machine, B: postkern::Machine>(from: &mut Conn<A>, to: &mut Conn<B>) {
    while !from.output().is_empty() {
        let space = to.space();
        let len = space.len().min(from.output().len());
        space[..len].copy_from_slice(&from.output()[..len]);
        from.sent(len);
        to.filled(len);
    }
}

fn copied(octets: usize) -> Run {
    let message = message(Kind::ShortLines, octets);
    let (mut once, mut twice) = (Vec::new(), Vec::new());
    Run::new(1, message.len(), move || {
        once.clear();
        once.extend_from_slice(black_box(&message));
        twice.clear();
        twice.extend_from_slice(black_box(&once));
        black_box(&twice);
    })
}
