//! How many messages a second are accepted, each on stable storage before it is acknowledged:
//! `cargo run --release -p postkern-store --example commit_bench [FOLDER]`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use postkern_server::job::{AccountId, Admin, Backend, Commit, Done, Job, Local, Spool};
use postkern_store::sqlite::Sqlite;

const TIME: Duration = Duration::from_secs(3);

fn main() {
    let root = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    for octets in [4 * 1024, 100 * 1024] {
        for threads in [1, 10, 100] {
            let folder = root.join(format!("commit-bench-{}-{octets}-{threads}", std::process::id()));
            let store = Sqlite::open_serving(&folder).expect("the folder can be opened");
            let accounts: Vec<AccountId> = (0..threads).map(|n| account(&store, n)).collect();
            let (count, begin) = (AtomicUsize::new(0), Instant::now());
            thread::scope(|scope| {
                for account in &accounts {
                    scope.spawn(|| {
                        while begin.elapsed() < TIME {
                            deliver(&store, *account, octets);
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
            });
            let rate = count.into_inner() as f64 / begin.elapsed().as_secs_f64();
            println!("{octets:7} octets, {threads:3} threads: {rate:8.0} messages/s");
            drop(store);
            if let Err(error) = std::fs::remove_dir_all(&folder) {
                eprintln!("{}: {error}", folder.display());
            }
        }
    }
}

fn account(store: &Sqlite, n: usize) -> AccountId {
    let add = Admin::AddAccount { name: format!("user{n}@bench.example"), verifier: String::new() };
    match store.run(Job::Admin(add)) {
        Done::Account(account) => account,
        other => panic!("no account: {other:?}"),
    }
}

fn deliver(store: &Sqlite, account: AccountId, octets: usize) {
    let message = Spool { tail: vec![b'x'; octets], file: None };
    let local = vec![Local::new(account, "user@bench.example")];
    let commit = Commit { reverse_path: "sender@bench.example".into(), ..Commit::ours(local, Vec::new(), message) };
    let done = store.run(Job::Commit(Box::new(commit)));
    assert!(matches!(done, Done::Committed(_)), "{done:?}");
}
