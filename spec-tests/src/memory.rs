//! Runs dialogues against a machine alone, in memory.
//!
//! The application behind a server is scripted by the header's keys, listed at the head of
//! each protocol's module; the one in front of a client says what the C lines show.

pub mod imap;
pub mod imap_client;
pub mod pop3;
pub mod pop3_client;
pub mod smtp;
pub mod smtp_client;
pub mod smtp_delivery;

pub(crate) mod bench;

use crate::pattern::Pattern;
use crate::play::{Effort, Failure, Subject, play, turns};
use crate::transcript::{Header, Transcript};

/// How many roles a dialogue was played in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Played {
    /// Against a server.
    pub server: bool,
    /// Against a client.
    pub client: bool,
}

/// Plays a dialogue with the machine that its header names, in both roles if it can be.
///
/// # Errors
/// The first difference, or a header that is not understood.
pub fn run(transcript: &Transcript, effort: Effort) -> Result<Played, Failure> {
    match transcript.header.role.as_str() {
        "smtp-server" | "lmtp-server" => both(transcript, effort, Some(smtp_client::notices)),
        "pop3-server" => both(transcript, effort, Some(pop3_client::notices)),
        "imap-server" => both(transcript, effort, Some(imap_client::notices)),
        "smtp-client" | "smtp-delivery" | "pop3-client" | "imap-client" => alone(transcript, effort),
        role => Err(bad(transcript, transcript.place.line, format!("there is no role {role}"))),
    }
}

/// A server alone, as a header describes it.
///
/// # Errors
/// The header is not understood.
pub fn server(header: &Header, late: bool) -> Result<Box<dyn Subject>, String> {
    match header.role.as_str() {
        "smtp-server" | "lmtp-server" => smtp::server(header, late),
        "pop3-server" => pop3::server(header, late),
        "imap-server" => imap::server(header, late),
        role => Err(format!("there is no server {role}")),
    }
}

/// A client alone, of the protocol that the dialogue's role begins with.
///
/// # Errors
/// There is none.
pub fn client(transcript: &Transcript) -> Result<Box<dyn Subject>, String> {
    match transcript.header.role.split('-').next() {
        Some("smtp") if transcript.header.role == "smtp-delivery" => smtp_delivery::delivery(&transcript.header),
        Some("smtp" | "lmtp") => smtp_client::client(transcript),
        Some("pop3") => pop3_client::client(transcript),
        Some("imap") => imap_client::client(transcript),
        _ => Err(format!("there is no client for {}", transcript.header.role)),
    }
}

/// What a client's application is to see of a server's octets.
type Notices = fn(&[u8]) -> Vec<Pattern>;

fn both(transcript: &Transcript, effort: Effort, notices: Option<Notices>) -> Result<Played, Failure> {
    let turns = turns::of_server(transcript);
    let said = play(transcript, "server", &turns, &|late| server(&transcript.header, late), effort)?;
    let (None, Some(notices)) = (&transcript.header.server_only, notices) else {
        return Ok(Played { server: true, client: false });
    };
    let (turns, said) = match transcript.header.role.as_str() {
        "imap-server" => imap_client::with_our_tags(&transcript.header, turns, said),
        _ => (turns, said),
    };
    let mirrored = turns::mirrored(&turns, &said, notices);
    play(transcript, "client", &mirrored, &|_| client(transcript), effort)?;
    Ok(Played { server: true, client: true })
}

fn alone(transcript: &Transcript, effort: Effort) -> Result<Played, Failure> {
    let turns = turns::of_client(transcript).map_err(|(line, message)| bad(transcript, line, message))?;
    play(transcript, "client", &turns, &|_| client(transcript), effort)?;
    Ok(Played { server: false, client: true })
}

fn bad(transcript: &Transcript, line: usize, message: String) -> Failure {
    Failure { id: transcript.id.clone(), place: transcript.at(line), how: "header".to_owned(), message }
}
