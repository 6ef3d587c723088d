//! A message read over IMAP, with TLS first or by STARTTLS.

use std::ops::ControlFlow;

use postkern::Tap;
use postkern::imap::{
    Client, ClientLimits, FetchItems, FetchValue, FetchValues, Notice, Request, Response, SequenceSet, Status, Verb,
};
use postkern::sasl::plain_response;

use super::client::{ClientError, Link, Peer};

/// Reads the first message of INBOX, and changes nothing about it.
pub(super) fn fetch(peer: &Peer, login: &str, password: &str, tap: Box<dyn Tap>) -> Result<Vec<u8>, ClientError> {
    let Some(initial) = plain_response(login, password) else { return Err(ClientError::Stuck) };
    let mut link = Link::open(peer, Client::new(ClientLimits::default()), tap)?;
    let mut fetch = Fetch { initial, secured: peer.implicit, message: None };
    link.run(|notice: Notice<'_>, client: &mut Client, out: &mut Vec<u8>| fetch.on(notice, client, out))??;
    link.finish();
    fetch.message.ok_or_else(|| ClientError::Refused("the mailbox is empty".into()))
}

struct Fetch {
    initial: String,
    secured: bool,
    message: Option<Vec<u8>>,
}

impl Fetch {
    /// What follows from what the server said. Breaks once LOGOUT is said.
    fn on(
        &mut self,
        notice: Notice<'_>,
        client: &mut Client,
        out: &mut Vec<u8>,
    ) -> ControlFlow<Result<(), ClientError>> {
        let request = match notice {
            Notice::Greeting { .. } if !self.secured => Request::StartTls,
            Notice::Greeting { .. } => self.authenticate(),
            Notice::Secured => {
                self.secured = true;
                self.authenticate()
            }
            Notice::Completed { status: Status::No | Status::Bad, text, .. }
            | Notice::Response(Response::Bye { text, .. }) => {
                return ControlFlow::Break(Err(ClientError::Refused(String::from_utf8_lossy(text).into_owned())));
            }
            Notice::Completed { verb: Verb::Authenticate, .. } => Request::Examine("INBOX"),
            Notice::Completed { verb: Verb::Examine, .. } => {
                let (Some(set), Some(items)) = (SequenceSet::parse(b"1"), FetchItems::parse(b"BODY.PEEK[]")) else {
                    return ControlFlow::Break(Err(ClientError::Stuck));
                };
                Request::Fetch { uid: false, set, items }
            }
            Notice::Completed { verb: Verb::Fetch, .. } => Request::Logout,
            // A long message comes in pieces, a short one within its response.
            Notice::Literal { .. } => {
                self.message = Some(Vec::new());
                return ControlFlow::Continue(());
            }
            Notice::Chunk { octets, .. } => {
                self.message.get_or_insert_default().extend_from_slice(octets);
                return ControlFlow::Continue(());
            }
            Notice::Response(Response::Fetch { values, .. }) => {
                self.message = text(values).or(self.message.take());
                return ControlFlow::Continue(());
            }
            Notice::Completed { .. } | Notice::Response(_) | Notice::Continued => return ControlFlow::Continue(()),
            Notice::Challenge { .. } | Notice::Proceed { .. } | Notice::Idling | Notice::Odd(_) => {
                return ControlFlow::Break(Err(ClientError::Stuck));
            }
        };
        let logout = matches!(request, Request::Logout);
        match client.send(request, out) {
            Ok(_) if logout => ControlFlow::Break(Ok(())),
            Ok(_) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(Err(ClientError::Stuck)),
        }
    }

    fn authenticate(&self) -> Request<'_> {
        Request::Authenticate { mechanism: "PLAIN", initial: Some(&self.initial) }
    }
}

/// The message, if it stands in these values.
fn text(values: FetchValues<'_>) -> Option<Vec<u8>> {
    values.iter().find_map(|value| match value {
        FetchValue::Text { octets: Some(octets), .. } => Some(octets.bytes().into_owned()),
        _ => None,
    })
}
