//! Plays every dialogue with a whole service: machine, session, and the store in memory.

use postkern_spec::play::Effort;
use postkern_spec::{service, transcript};

#[test]
fn every_dialogue_with_a_service_holds_under_every_cut() {
    let all = transcript::load(&transcript::folder()).unwrap_or_else(|error| panic!("{error}"));
    let only = std::env::var("SPEC").unwrap_or_default();
    let mut failures = Vec::new();
    let mut count = 0;
    for one in all.iter().filter(|one| one.id.contains(&only) && one.header.role == "service") {
        count += 1;
        if let Err(failure) = service::run(one, Effort::default()) {
            failures.push(failure.to_string());
        }
    }
    println!("{count} dialogues with a service");
    assert!(failures.is_empty(), "{} dialogues fail:\n{}", failures.len(), failures.join("\n"));
}
