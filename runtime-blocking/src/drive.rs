//! One connection's socket, driven as [`Drive`] says.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use postkern_server::drive::{Drive, End, Need, Wait};
use postkern_server::job::{Guard, MailboxId};
use postkern_server::service::Endpoint;
use postkern_store::runtime::Side;
use rustix::event::{PollFd, PollFlags};

use crate::Server;

/// Drives the endpoint over the socket, which must not block, to its end.
pub(crate) fn drive(server: &Server, endpoint: &mut dyn Endpoint, socket: &TcpStream, side: &Side) -> End {
    let mut drive = Drive::new(endpoint);
    let mut watch = None;
    loop {
        match drive.next(server.now(), server.stopped()) {
            Need::Send => drive.send(socket),
            Need::Receive => drive.receive(socket),
            Need::Wait(wait) => {
                if let Err(error) = rest(server, &mut drive, socket, wait, &mut watch) {
                    drive.lost(error.to_string());
                }
            }
            Need::Job(job) => drive.done(server.setup.backend.run(job)),
            Need::Layer(upgrade) => match server.setup.layer(side, upgrade) {
                Ok(layer) => drive.layer(upgrade, layer),
                Err(why) => drive.lost(why),
            },
            Need::Shut => {
                // It fails where the peer is gone, which the next read tells.
                let _ = socket.shutdown(Shutdown::Write);
            }
            Need::Over(end) => return end,
        }
    }
}

fn rest(
    server: &Server,
    drive: &mut Drive<'_>,
    socket: &TcpStream,
    wait: Wait,
    watch: &mut Option<Watch>,
) -> io::Result<()> {
    if watch.as_ref().map(|watch| watch.mailbox) != wait.watch {
        *watch = wait.watch.map(|mailbox| Watch::new(server, mailbox)).transpose()?;
        if watch.is_some() {
            drive.nudge();
            return Ok(());
        }
    }
    let mut fds = Vec::with_capacity(3);
    if wait.read || wait.write {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, wait.read);
        flags.set(PollFlags::OUT, wait.write);
        fds.push(PollFd::new(socket, flags));
    }
    if let Some(watch) = watch {
        fds.push(PollFd::new(&watch.news, PollFlags::IN));
    }
    server.wait(&mut fds, wait.until)?;
    if (wait.read || wait.write) && !fds[0].revents().is_empty() {
        drive.ready();
    }
    if watch.as_ref().is_some_and(Watch::heard) {
        drive.nudge();
    }
    Ok(())
}

/// A mailbox being watched: its changes come as octets, which poll(2) can wait for. Two
/// descriptors, for as long as the client idles.
struct Watch {
    mailbox: MailboxId,
    news: UnixStream,
    _guard: Guard,
}

impl Watch {
    fn new(server: &Server, mailbox: MailboxId) -> io::Result<Self> {
        let (news, bell) = UnixStream::pair()?;
        news.set_nonblocking(true)?;
        bell.set_nonblocking(true)?;
        let wake = move || {
            // If it is full of wakes, one more says nothing new.
            let _ = (&bell).write(&[0]);
        };
        let guard = server.setup.backend.watch(mailbox, Arc::new(wake));
        Ok(Self { mailbox, news, _guard: guard })
    }

    /// Takes what has come: many wakes are one piece of news.
    fn heard(&self) -> bool {
        let mut heard = false;
        while matches!((&self.news).read(&mut [0; 64]), Ok(1..)) {
            heard = true;
        }
        heard
    }
}
