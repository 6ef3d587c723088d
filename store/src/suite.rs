//! What every backend must do, as cases that any engine can be put to.
//!
//! ```text
//! #[test]
//! fn the_engine_does_what_every_backend_must() {
//!     suite::run_all(&|clock| Arc::new(Engine::with_clock(clock)));
//! }
//! ```
//! Each case gets a backend of its own, empty, whose only clock is the one handed in. No case
//! sleeps: a case that needs a day to pass moves the clock.

mod accounts;
mod bench;
mod flags;
mod mailboxes;
mod messages;
mod passage;
mod policy;
mod queue;
mod terms;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use postkern_server::job::Backend;

pub use self::bench::Bench;
use crate::rules::Clock;

/// Makes an empty backend by a clock.
pub type Make<'a> = &'a dyn Fn(Clock) -> Arc<dyn Backend>;

/// One thing that a backend must do; the name is the claim.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The claim.
    pub name: &'static str,
    /// Panics if it is not so.
    pub run: fn(&Bench),
}

/// All cases.
pub fn cases() -> Vec<Case> {
    [
        accounts::CASES,
        mailboxes::CASES,
        messages::CASES,
        flags::CASES,
        passage::CASES,
        policy::CASES,
        queue::CASES,
        terms::CASES,
    ]
    .concat()
}

/// Runs all cases, each over a backend of its own.
///
/// # Panics
/// If any case fails, with the names of all that did.
pub fn run_all(make: Make<'_>) {
    let mut failed = Vec::new();
    for case in cases() {
        // The panic has told its message; what follows is another backend.
        if catch_unwind(AssertUnwindSafe(|| (case.run)(&Bench::new(make)))).is_err() {
            failed.push(case.name);
        }
    }
    assert!(failed.is_empty(), "not so: {failed:#?}");
}

/// Makes the list of cases from functions, each claim being its function's name in words.
const fn case(name: &'static str, run: fn(&Bench)) -> Case {
    Case { name, run }
}
