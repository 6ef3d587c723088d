//! A message fetched over POP3 with STLS (RFC 2595).

use std::ops::ControlFlow;

use postkern::Tap;
use postkern::pop3::{Client, Notice, Request, Verb, drop_listing};
use postkern::sasl::plain_response;

use super::client::{ClientError, Link, Peer};

/// Fetches the first message; it stays in the maildrop.
pub(super) fn fetch(peer: &Peer, login: &str, password: &str, tap: Box<dyn Tap>) -> Result<Vec<u8>, ClientError> {
    let Some(initial) = plain_response(login, password) else { return Err(ClientError::Stuck) };
    let mut link = Link::open(peer, Client::new(), tap)?;
    let mut fetch = Fetch { initial, secured: peer.implicit, message: Vec::new() };
    link.run(|notice: Notice<'_>, client: &mut Client, out: &mut Vec<u8>| fetch.on(notice, client, out))??;
    link.finish();
    Ok(fetch.message)
}

struct Fetch {
    initial: String,
    secured: bool,
    message: Vec<u8>,
}

impl Fetch {
    /// What follows from what the server said. Breaks once QUIT is said.
    fn on(
        &mut self,
        notice: Notice<'_>,
        client: &mut Client,
        out: &mut Vec<u8>,
    ) -> ControlFlow<Result<(), ClientError>> {
        let request = match notice {
            Notice::Status { ok: false, text, .. } => {
                return ControlFlow::Break(Err(ClientError::Refused(String::from_utf8_lossy(text).into_owned())));
            }
            Notice::Status { verb: Verb::Connect, .. } if self.secured => self.authenticate(),
            Notice::Status { verb: Verb::Connect, .. } => Request::Stls,
            Notice::Secured => {
                self.secured = true;
                self.authenticate()
            }
            Notice::Status { verb: Verb::Auth, .. } => Request::Stat,
            Notice::Status { verb: Verb::Stat, text, .. } => match drop_listing(text) {
                Some((1.., _)) => Request::Retr(1),
                _ => return ControlFlow::Break(Err(ClientError::Refused("the maildrop is empty".into()))),
            },
            Notice::Chunk(octets) => {
                self.message.extend_from_slice(octets);
                return ControlFlow::Continue(());
            }
            Notice::End => Request::Quit,
            Notice::Status { .. } => return ControlFlow::Continue(()),
            Notice::Challenge { .. }
            | Notice::Listing { .. }
            | Notice::UniqueId { .. }
            | Notice::Capability(_)
            | Notice::Language(_)
            | Notice::Odd(_) => return ControlFlow::Break(Err(ClientError::Stuck)),
        };
        let quit = matches!(request, Request::Quit);
        match client.send(request, out) {
            Ok(()) if quit => ControlFlow::Break(Ok(())),
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(Err(ClientError::Stuck)),
        }
    }

    fn authenticate(&self) -> Request<'_> {
        Request::Auth { mechanism: "PLAIN", initial: Some(&self.initial) }
    }
}
