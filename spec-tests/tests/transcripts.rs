//! Plays every dialogue in `transcripts/` with the machines alone.

use std::collections::BTreeSet;

use postkern_spec::play::Effort;
use postkern_spec::{memory, transcript};

/// Dialogues that are known to fail, an id and the reason a line. One that holds again is to be
/// taken out.
const PENDING: &str = include_str!("../pending.txt");

#[test]
fn every_dialogue_holds_under_every_cut() {
    let all = transcript::load(&transcript::folder()).unwrap_or_else(|error| panic!("{error}"));
    let only = std::env::var("SPEC").unwrap_or_default();
    let pending: BTreeSet<&str> = PENDING.lines().filter_map(|line| line.split(' ').next()).collect();
    let (mut servers, mut clients, mut failures) = (0, 0, Vec::new());
    for one in all.iter().filter(|one| one.id.contains(&only) && one.header.role != "service") {
        match (memory::run(one, Effort::default()), pending.contains(one.id.as_str())) {
            (Ok(played), false) => {
                servers += usize::from(played.server);
                clients += usize::from(played.client);
            }
            (Err(failure), false) => failures.push(failure.to_string()),
            (Ok(_), true) => failures.push(format!("{} holds and still stands in pending.txt", one.id)),
            (Err(failure), true) => println!("pending: {failure}"),
        }
    }
    println!("{} dialogues: {servers} with a server, {clients} with a client", all.len());
    assert!(failures.is_empty(), "{} dialogues fail:\n{}", failures.len(), failures.join("\n"));
}
