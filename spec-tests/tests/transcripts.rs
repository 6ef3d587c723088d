//! Plays every dialogue in `transcripts/` with the machines alone.

use postkern_spec::play::Effort;
use postkern_spec::{memory, transcript};

#[test]
fn every_dialogue_holds_under_every_cut() {
    let all = transcript::load(&transcript::folder()).unwrap_or_else(|error| panic!("{error}"));
    let only = std::env::var("SPEC").unwrap_or_default();
    let (mut servers, mut clients, mut failures) = (0, 0, Vec::new());
    for one in all.iter().filter(|one| one.id.contains(&only) && one.header.role != "service") {
        match memory::run(one, Effort::default()) {
            Ok(played) => {
                servers += usize::from(played.server);
                clients += usize::from(played.client);
            }
            Err(failure) => failures.push(failure.to_string()),
        }
    }
    println!("{} dialogues: {servers} with a server, {clients} with a client", all.len());
    assert!(failures.is_empty(), "{} dialogues fail:\n{}", failures.len(), failures.join("\n"));
}
