//! One connection's socket, driven as [`Drive`] says.

use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use postkern_server::drive::{Drive, End, Need, Wait};
use postkern_server::job::{Guard, MailboxId};
use postkern_server::service::Endpoint;
use postkern_store::runtime::Side;
use smol::Async;
use smol::channel::{Receiver, bounded};
use smol::future::{FutureExt, pending, yield_now};

use crate::Server;

/// Drives the endpoint over the socket to its end.
pub(crate) async fn drive(server: &Server, endpoint: &mut dyn Endpoint, socket: &Async<TcpStream>, side: &Side) -> End {
    let mut drive = Drive::new(endpoint);
    let mut watch = None;
    loop {
        match drive.next(server.now(), server.stopped()) {
            Need::Send => drive.send(socket.get_ref()),
            Need::Receive => {
                drive.receive(socket.get_ref());
                // A peer that sends without end takes turns with the others.
                yield_now().await;
            }
            Need::Wait(wait) => rest(server, &mut drive, socket, wait, &mut watch).await,
            Need::Job(job) => drive.done(server.job(job).await),
            Need::Layer(upgrade) => match server.setup.layer(side, upgrade) {
                Ok(layer) => drive.layer(upgrade, layer),
                Err(why) => drive.lost(why),
            },
            Need::Shut => {
                // It fails where the peer is gone, which the next read tells.
                let _ = socket.get_ref().shutdown(Shutdown::Write);
            }
            Need::Over(end) => return end,
        }
    }
}

enum Woke {
    Ready,
    News,
    Late,
}

async fn rest(
    server: &Server,
    drive: &mut Drive<'_>,
    socket: &Async<TcpStream>,
    wait: Wait,
    watch: &mut Option<Watch>,
) {
    if watch.as_ref().map(|watch| watch.mailbox) != wait.watch {
        *watch = wait.watch.map(|mailbox| Watch::new(server, mailbox));
        if watch.is_some() {
            drive.nudge();
            return;
        }
    }
    // Where waiting itself fails, the read or write that follows says why.
    let readable = async {
        match wait.read {
            true => drop(socket.readable().await),
            false => pending().await,
        }
        Woke::Ready
    };
    let writable = async {
        match wait.write {
            true => drop(socket.writable().await),
            false => pending().await,
        }
        Woke::Ready
    };
    let news = async {
        match watch {
            Some(watch) => drop(watch.news.recv().await),
            None => pending().await,
        }
        Woke::News
    };
    let late = async {
        match server.stopped() {
            Some(_) => server.time(wait.until).await,
            None => server.time(wait.until).or(server.stopping()).await,
        }
        Woke::Late
    };
    match readable.or(writable).or(news).or(late).await {
        Woke::Ready => drive.ready(),
        Woke::News => drive.nudge(),
        Woke::Late => {}
    }
}

/// A mailbox being watched.
struct Watch {
    mailbox: MailboxId,
    news: Receiver<()>,
    _guard: Guard,
}

impl Watch {
    fn new(server: &Server, mailbox: MailboxId) -> Self {
        // Room for one: many wakes are one piece of news.
        let (bell, news) = bounded(1);
        let wake = move || {
            let _ = bell.try_send(());
        };
        let guard = server.setup.backend.watch(mailbox, Arc::new(wake));
        Self { mailbox, news, _guard: guard }
    }
}
