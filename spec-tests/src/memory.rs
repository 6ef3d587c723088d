//! Runs dialogues against a machine alone, in memory.
//!
//! The application behind a server is scripted by the header's keys ([`smtp`] lists them);
//! the one in front of a client says what the C lines show.

mod bench;
mod imap;
mod pop3;
mod pop3_client;
mod smtp;
mod smtp_client;

use crate::pattern::Pattern;
use crate::play::{Effort, Failure, Maker, Subject, Turn, play, turns};
use crate::transcript::Transcript;

/// How many roles a dialogue was played in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Played {
    /// Against a server.
    pub server: bool,
    /// Against a client.
    pub client: bool,
}

type ClientMaker = dyn Fn(&Transcript) -> Result<Box<dyn Subject>, String>;

/// Plays a dialogue with the machine that its header names, in both roles if it can be.
///
/// # Errors
/// The first difference, or a header that is not understood.
pub fn run(transcript: &Transcript, effort: Effort) -> Result<Played, Failure> {
    match transcript.header.role.as_str() {
        "smtp-server" | "lmtp-server" => both(
            transcript,
            effort,
            &|late| smtp::server(&transcript.header, late),
            &smtp_client::client,
            smtp_client::notices,
        ),
        "pop3-server" => both(
            transcript,
            effort,
            &|late| pop3::server(&transcript.header, late),
            &pop3_client::client,
            pop3_client::notices,
        ),
        "imap-server" => {
            let turns = turns::of_server(transcript);
            play(transcript, "server", &turns, &|late| imap::server(&transcript.header, late), effort)?;
            Ok(Played { server: true, client: false })
        }
        "pop3-client" => client(transcript, effort, &pop3_client::client),
        "smtp-client" => client(transcript, effort, &smtp_client::client),
        role => Err(bad(transcript, transcript.place.line, format!("there is no role {role}"))),
    }
}

fn both(
    transcript: &Transcript,
    effort: Effort,
    server: &Maker<'_>,
    client: &ClientMaker,
    notices: fn(&[u8]) -> Vec<Pattern>,
) -> Result<Played, Failure> {
    let turns = turns::of_server(transcript);
    let said = play(transcript, "server", &turns, server, effort)?;
    if transcript.header.server_only.is_some() {
        return Ok(Played { server: true, client: false });
    }
    let mirrored = turns::mirrored(&turns, &said, notices);
    play(transcript, "client", &mirrored, &|_| client(transcript), effort)?;
    Ok(Played { server: true, client: true })
}

fn client(transcript: &Transcript, effort: Effort, client: &ClientMaker) -> Result<Played, Failure> {
    let turns: Vec<Turn> = turns::of_client(transcript).map_err(|(line, message)| bad(transcript, line, message))?;
    play(transcript, "client", &turns, &|_| client(transcript), effort)?;
    Ok(Played { server: false, client: true })
}

fn bad(transcript: &Transcript, line: usize, message: String) -> Failure {
    Failure { id: transcript.id.clone(), place: transcript.at(line), how: "header".to_owned(), message }
}
