//! A server that is killed loses nothing that it answered 250 for, and makes nothing twice.
//!
//! The server to kill is this test program itself, started again for the one test [`child`].

use std::collections::HashMap;
use std::env;
use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Condvar, Mutex};
use std::thread;

use postkern_server::config::{Config, Listener};
use postkern_store::runtime::Runtime;

use crate::harness::{BOB, Imap, Pop3, RUNTIMES, Server, Talk, eventually, on_both, stuffed, text, without_trace};

/// Tells the child what to be: the runtime's program and the folder.
const ROLE: &str = "POSTKERN_CRASH_CHILD";
/// Clients that deliver at the same time.
const CLIENTS: usize = 200;
/// Messages answered 250 after which the server is killed.
const ENOUGH: usize = 300;

fn wide(config: &mut Config) {
    config.limits.connections_per_address = 2 * CLIENTS;
    config.limits.connections_per_network = 2 * CLIENTS;
    // These clients say HELO, and send their envelope in one go all the same.
    config.inbound.allow_pipelining = true;
}

/// Not a test: the server that the others kill. It ends with its parent.
#[test]
#[ignore = "the process that the crash tests start and kill"]
fn child() {
    let Ok(role) = env::var(ROLE) else { return };
    let (program, folder) = role.split_once(' ').expect("a program and a folder");
    let runtime = RUNTIMES.into_iter().find(|one| one.program() == program).expect("a runtime");
    let folder = Path::new(folder);
    let server = Server::start_in(runtime, folder, wide);
    fs::write(folder.join("address.new"), server.address(Listener::Smtp).to_string()).expect("the folder");
    fs::rename(folder.join("address.new"), folder.join("address")).expect("the folder");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn start(runtime: &dyn Runtime, folder: &Path) -> (Child, SocketAddr) {
    let _ = fs::remove_file(folder.join("address"));
    let child = Command::new(env::current_exe().expect("a program"))
        .args(["--exact", "crash::child", "--ignored", "--nocapture"])
        .env(ROLE, format!("{} {}", runtime.program(), folder.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("a child");
    let address = eventually("the child's address", || fs::read_to_string(folder.join("address")).ok());
    (child, address.parse().expect("an address"))
}

/// Small ones that are kept in the database and large ones that are files.
fn message(client: usize, number: usize) -> Vec<u8> {
    let lines = if (client + number).is_multiple_of(10) { 20_000 } else { 5 };
    text(&format!("{client}/{number}"), &format!("line of {client}/{number}\r\n").repeat(lines))
}

/// Delivers until the connection breaks; tells each message that got its 250, and how many were
/// sent whole.
fn deliver(address: SocketAddr, client: usize, all: &Barrier, acknowledged: &dyn Fn()) -> (usize, usize) {
    let mut talk = Talk::plain(address);
    let mut sent = 0;
    let mut taken = 0;
    let mut ask = |octets: &[u8], replies: usize, last: &str| {
        talk.try_put(octets).ok()?;
        for left in (0..replies).rev() {
            let line = talk.try_line()?;
            if left == 0 {
                assert!(line.starts_with(last.as_bytes()), "{:?}", String::from_utf8_lossy(&line));
            }
        }
        Some(())
    };
    // The greeting.
    let greeted = ask(b"", 1, "220").and_then(|()| ask(b"HELO client.test\r\n", 1, "250"));
    greeted.expect("all are served before anything is delivered");
    all.wait();
    loop {
        let envelope = format!("MAIL FROM:<x@remote.test>\r\nRCPT TO:<{BOB}>\r\nDATA\r\n");
        if ask(envelope.as_bytes(), 3, "354").is_none() {
            return (taken, sent);
        }
        sent += 1;
        if ask(&stuffed(&message(client, sent)), 1, "250").is_none() {
            return (taken, sent);
        }
        taken += 1;
        acknowledged();
    }
}

#[test]
fn each_message_answered_250_is_there_once_after_kill_9() {
    on_both(|runtime| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut all: HashMap<(usize, usize), bool> = HashMap::new();
        // The second round begins where the first was cut.
        for round in 0..2 {
            let (mut child, address) = start(runtime, folder.path());
            let count = AtomicUsize::new(0);
            let (reached, signal, all_there) = (Mutex::new(false), Condvar::new(), Barrier::new(CLIENTS));
            let results: Vec<(usize, usize)> = thread::scope(|scope| {
                let threads: Vec<_> = (0..CLIENTS)
                    .map(|client| {
                        let (count, reached, signal, all_there) = (&count, &reached, &signal, &all_there);
                        scope.spawn(move || {
                            let enough = || {
                                *reached.lock().expect("no panic") = true;
                                signal.notify_all();
                            };
                            let result = deliver(address, round * CLIENTS + client, all_there, &|| {
                                if count.fetch_add(1, Ordering::Relaxed) + 1 == ENOUGH {
                                    enough();
                                }
                            });
                            // Whoever is sent away before is not to be waited for.
                            enough();
                            result
                        })
                    })
                    .collect();
                let guard = reached.lock().expect("no panic");
                drop(signal.wait_while(guard, |reached| !*reached).expect("no panic"));
                // SIGKILL, while two hundred clients are in the middle of something.
                child.kill().expect("it runs");
                child.wait().expect("it ends");
                threads.into_iter().map(|thread| thread.join().expect("a client")).collect()
            });
            assert!(count.into_inner() >= ENOUGH, "clients were sent away");
            for (client, (taken, sent)) in results.into_iter().enumerate() {
                let client = round * CLIENTS + client;
                all.extend((1..=sent).map(|number| ((client, number), number <= taken)));
            }
        }
        let server = Server::start_in(runtime, folder.path(), wide);
        let mut found: HashMap<Vec<u8>, usize> = HashMap::new();
        for got in Pop3::login(&server, BOB).all() {
            *found.entry(without_trace(&got).to_vec()).or_default() += 1;
        }
        for ((client, number), taken) in all {
            let copies = found.remove(&message(client, number)).unwrap_or(0);
            let most = 1;
            let least = usize::from(taken);
            assert!((least..=most).contains(&copies), "{client}/{number}: {copies} copies, 250: {taken}");
        }
        assert!(found.is_empty(), "{} messages that nobody sent whole", found.len());
        let mut imap = Imap::inbox(&server, BOB);
        let mut uids: Vec<u32> =
            imap.expect("UID SEARCH ALL")[0].split(' ').skip(1).map(|uid| uid.parse().expect("a UID")).collect();
        let count = uids.len();
        uids.dedup();
        assert!(uids.len() == count && uids.is_sorted(), "UIDs ascend and are used once");
    });
}
