//! One test, every runtime.

use std::panic::resume_unwind;
use std::thread;

use postkern_blocking::Blocking;
use postkern_smol::Smol;
use postkern_store::runtime::Runtime;

/// All there are.
pub(crate) const RUNTIMES: [&dyn Runtime; 2] = [&Blocking, &Smol];

/// Runs the test on each runtime, side by side: a test that holds on one alone fails, and the
/// thread's name tells on which.
pub(crate) fn on_both(test: impl Fn(&'static dyn Runtime) + Sync) {
    let test = &test;
    thread::scope(|scope| {
        let threads = RUNTIMES.map(|runtime| {
            thread::Builder::new()
                .name(format!("on {}", runtime.program()))
                .spawn_scoped(scope, move || test(runtime))
                .expect("a thread")
        });
        let results = threads.map(|thread| thread.join());
        if let Some(panic) = results.into_iter().find_map(Result::err) {
            resume_unwind(panic);
        }
    });
}
