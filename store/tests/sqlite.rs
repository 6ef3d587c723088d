//! What only a database in a folder must do: outlive its process, however that ends.

mod common;

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, thread};

use common::{Mail, files, message};
use postkern_server::config::Greylist;
use postkern_server::greylist::Question;
use postkern_server::job::{Admin, Commit, Done, Failure, Job, Local, Spool, Timestamp};
use postkern_server::queue::LEASE;
use postkern_store::sqlite::{OpenError, Sqlite};
use tempfile::TempDir;

/// Set for a child: the folder it is to work in.
const FOLDER: &str = "POSTKERN_TEST_FOLDER";
/// Threads of a child, each committing one message after the other.
const THREADS: usize = 8;

#[test]
fn what_was_committed_is_there_after_a_reopen() {
    let folder = TempDir::new().unwrap();
    let validity;
    {
        let mail = Mail::open(folder.path());
        let bob = mail.account("bob@home.example");
        for octets in [10, 40_000, 200_000] {
            mail.deliver(&[bob], &["x@else.example"], &message(octets));
        }
        mail.remove("bob@home.example", 2);
        validity = mail.select("bob@home.example").status.uid_validity;
        assert_eq!(files(folder.path(), "bodies"), 2, "the queue still has what was expunged");
    }
    let mail = Mail::open(folder.path());
    let inbox = mail.select("bob@home.example");
    assert_eq!((inbox.uids.as_slice(), inbox.status.uid_next), (&[1, 3][..], 4));
    assert_eq!(inbox.status.uid_validity, validity);
    assert!(mail.whole(inbox.mailbox, 3).ends_with(&message(200_000)));
    assert_eq!(mail.queue().len(), 3);
    let bob = mail.lookup("bob@home.example").unwrap();
    mail.deliver(&[bob], &[], b"new");
    assert_eq!(mail.select("bob@home.example").uids, [1, 3, 4]);
}

#[test]
fn strangers_are_known_after_a_reopen() {
    let folder = TempDir::new().unwrap();
    let seconds = std::time::Duration::from_secs;
    let policy = Greylist { delay: seconds(600), window: seconds(6000), lifetime: seconds(60_000), entries: 1000 };
    let ask = |mail: &Mail| {
        let question = Question::new("192.0.2.1".parse().unwrap(), "a@b.test", "c@d.test", &policy);
        match mail.run(Job::Greylist(Box::new(question))) {
            Done::Greylisted(wait) => wait,
            other => panic!("{other:?}"),
        }
    };
    let clock = |at| Arc::new(move || Timestamp(at));
    let open = |at| Mail::of(Sqlite::open_with(folder.path(), true, clock(at)).unwrap());
    assert_eq!(ask(&open(1_000_000)), Some(seconds(600)));
    assert_eq!(ask(&open(1_000_100)), Some(seconds(500)));
    assert_eq!(ask(&open(1_000_600)), None);
    assert_eq!(ask(&open(1_050_000)), None);
}

#[test]
fn bodies_go_with_the_last_that_has_them() {
    let folder = TempDir::new().unwrap();
    {
        let mail = Mail::open(folder.path());
        let (bob, eve) = (mail.account("bob@home.example"), mail.account("eve@home.example"));
        let id = mail.deliver(&[bob, eve], &["x@else.example"], &message(100_000));
        mail.deliver(&[bob], &[], &message(50_000));
        assert_eq!((files(folder.path(), "bodies"), files(folder.path(), "spool")), (2, 0));
        mail.run(Job::Admin(Admin::RemoveAccount { name: "bob@home.example".into() }));
        mail.run(Job::Admin(Admin::QueueRemove(id)));
    }
    assert_eq!(files(folder.path(), "bodies"), 1);
    {
        let mail = Mail::open(folder.path());
        let inbox = mail.select("eve@home.example");
        assert!(mail.whole(inbox.mailbox, 1).ends_with(&message(100_000)));
        mail.remove("eve@home.example", 1);
    }
    assert_eq!(files(folder.path(), "bodies"), 0);
}

#[test]
fn a_dropped_spool_leaves_no_file() {
    let folder = TempDir::new().unwrap();
    let mail = Mail::open(folder.path());
    let spool = mail.spool(Spool { tail: message(1000), file: None });
    assert_eq!(files(folder.path(), "spool"), 1);
    drop(spool);
    assert_eq!(files(folder.path(), "spool"), 0);
    // Nor does a commit that fails.
    let message = mail.spool(Spool { tail: message(100_000), file: None });
    let nobody = Local::new(postkern_server::job::AccountId(99), "x");
    let commit = Commit::ours(vec![nobody], Vec::new(), message);
    let done = mail.backend().run(Job::Commit(Box::new(commit)));
    assert!(matches!(done, Done::Failed(Failure::NoSuchAccount)), "{done:?}");
    assert_eq!((files(folder.path(), "spool"), files(folder.path(), "bodies")), (0, 0));
}

#[test]
fn what_an_earlier_process_left_is_removed_but_nothing_of_one_that_lives() {
    let folder = TempDir::new().unwrap();
    let lost = "0123456789abcdef0123456789abcdef";
    let serving = Mail::open(folder.path());
    let spool = serving.spool(Spool { tail: message(10), file: None });
    fs::write(folder.path().join("bodies").join(lost), "").unwrap();
    // As the command line does beside a server.
    drop(Sqlite::open(folder.path()).unwrap());
    assert_eq!((files(folder.path(), "spool"), files(folder.path(), "bodies")), (1, 1));
    drop((spool, serving));
    fs::write(folder.path().join("spool").join(lost), "").unwrap();
    let readme = folder.path().join("bodies").join("README");
    fs::write(&readme, "").unwrap();
    drop(Sqlite::open(folder.path()).unwrap());
    assert_eq!((files(folder.path(), "spool"), files(folder.path(), "bodies")), (0, 0));
    assert!(readme.exists(), "what has another name is not ours");
}

#[test]
fn one_process_serves_a_folder_and_others_may_work_on_it() {
    let folder = TempDir::new().unwrap();
    let serving = Sqlite::open_serving(folder.path()).unwrap();
    assert!(matches!(Sqlite::open_serving(folder.path()), Err(OpenError::Serving(_))));
    let _beside = Sqlite::open(folder.path()).unwrap();
    drop(serving);
    Sqlite::open_serving(folder.path()).unwrap();
}

#[test]
fn a_newer_database_is_refused() {
    let folder = TempDir::new().unwrap();
    drop(Sqlite::open(folder.path()).unwrap());
    let db = rusqlite::Connection::open(folder.path().join("postkern.db")).unwrap();
    db.pragma_update(None, "user_version", 1000).unwrap();
    drop(db);
    let error = Sqlite::open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 1000, .. }), "{error}");
    assert!(error.to_string().contains("1000"), "{error}");
}

#[test]
fn leases_end_with_the_serving_process() {
    let folder = TempDir::new().unwrap();
    let mail = Mail::open(folder.path());
    mail.deliver(&[], &["x@else.example"], b"1");
    assert_eq!(mail.due().0.len(), 1);
    // The command line lets them be.
    let beside = Mail::of(Sqlite::open(folder.path()).unwrap());
    let (due, wait) = beside.due();
    // The wall clock may have gone on meanwhile.
    assert!(due.is_empty() && wait.is_some_and(|wait| wait <= LEASE && wait > LEASE / 2), "{due:?} {wait:?}");
    drop((mail, beside));
    assert_eq!(Mail::open(folder.path()).due().0.len(), 1);
}

#[test]
fn what_another_process_does_is_seen() {
    let folder = TempDir::new().unwrap();
    let mail = Mail::open(folder.path());
    mail.account("bob@home.example");
    // It adds an account, and ends.
    let mut child = child("child_adds_an_account", folder.path(), false);
    assert!(child.wait().unwrap().success());
    let eve = mail.lookup("eve@home.example").expect("added by the child");
    mail.deliver(&[eve], &[], b"1");
    assert_eq!(mail.select("eve@home.example").uids, [1]);
}

#[test]
fn child_adds_an_account() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    Mail::of(Sqlite::open(Path::new(&folder)).unwrap()).account("eve@home.example");
}

#[test]
fn a_killed_process_loses_nothing_it_has_acknowledged() {
    let folder = TempDir::new().unwrap();
    {
        let mail = Mail::open(folder.path());
        mail.account("bob@home.example");
        mail.account("eve@home.example");
    }
    let mut acknowledged = HashSet::new();
    for (round, acks) in [1, 40, 150].into_iter().enumerate() {
        let mut child = child("child_commits_until_killed", folder.path(), false);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for (count, mark) in lines.filter_map(ack).enumerate() {
            assert!(acknowledged.insert(format!("{round} {mark}")));
            if count + 1 == acks {
                child.kill().unwrap();
            }
        }
        assert!(!child.wait().unwrap().success());
        check_marks(folder.path(), &acknowledged, round);
    }
}

/// Each message that was acknowledged is there once in each place, no other more than once or
/// in one place only.
fn check_marks(folder: &Path, acknowledged: &HashSet<String>, round: usize) {
    let mail = Mail::open(folder);
    let mut places = Vec::new();
    for account in ["bob@home.example", "eve@home.example"] {
        let inbox = mail.select(account);
        assert!(inbox.uids.is_sorted());
        places.push(inbox.uids.iter().map(|uid| mark_of(&mail.whole(inbox.mailbox, *uid))).collect::<Vec<_>>());
    }
    places.push(mail.queue().iter().map(|entry| mark_of(&mail.whole_queued(entry.id))).collect());
    let large = places[0].iter().filter(|mark| mark.ends_with('0')).count();
    assert_eq!((files(folder, "bodies"), files(folder, "spool")), (large, 0));
    for place in places {
        let unique: HashSet<String> = place.iter().cloned().collect();
        assert_eq!(unique.len(), place.len(), "something is there twice after round {round}");
        let lost: Vec<_> = acknowledged.difference(&unique).collect();
        assert!(lost.is_empty(), "{lost:?} after round {round}");
        let unknown = unique.difference(acknowledged).count();
        // Those in the middle of which the process was killed: one a thread, in each round.
        assert!(unknown <= THREADS * (round + 1), "{unknown} unknown after round {round}");
    }
}

#[test]
fn child_commits_until_killed() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let mail = Mail::open(Path::new(&folder));
    let (bob, eve) = (mail.lookup("bob@home.example").unwrap(), mail.lookup("eve@home.example").unwrap());
    let round = mail.rounds();
    let next = AtomicUsize::new(1);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::SeqCst);
                    // Every tenth is a file.
                    let octets = if n.is_multiple_of(10) { 50_000 } else { 500 };
                    let text = format!("X-Mark: {round} {n}\r\n\r\n{}", String::from_utf8(message(octets)).unwrap());
                    mail.deliver(&[bob, eve], &["x@else.example"], text.as_bytes());
                    say(&format!("ack {n}"));
                }
            });
        }
    });
}

#[test]
fn a_full_disk_is_said_and_survived() {
    let folder = TempDir::new().unwrap();
    Mail::open(folder.path()).account("bob@home.example");
    // No file may grow beyond some kilobytes: writes fail with EFBIG.
    let mut child = child("child_commits_until_full", folder.path(), true);
    let lines: Vec<String> = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap).collect();
    assert!(child.wait().unwrap().success(), "{lines:#?}");
    let acks = lines.iter().filter(|line| line.starts_with("ack ")).count();
    assert!(acks > 0);
    let mail = Mail::open(folder.path());
    assert_eq!(mail.select("bob@home.example").uids.len(), acks);
    assert_eq!((files(folder.path(), "bodies"), files(folder.path(), "spool")), (0, 0));
}

#[test]
fn child_commits_until_full() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let mail = Mail::open(Path::new(&folder));
    let bob = mail.lookup("bob@home.example").unwrap();
    let commit = |octets| {
        let local = vec![Local::new(bob, "bob@home.example")];
        let message = Spool { tail: message(octets), file: None };
        let commit = Commit::ours(local, Vec::new(), message);
        mail.backend().run(Job::Commit(Box::new(commit)))
    };
    let full = |done: &Done| matches!(done, Done::Failed(Failure::Full));
    // A large body is a file that finds no room at once.
    assert!(full(&commit(8_000_000)));
    assert!(full(&mail.backend().run(Job::Spool(Spool { tail: message(8_000_000), file: None }))));
    for n in 0.. {
        let done = commit(30_000);
        match &done {
            Done::Committed(_) => say(&format!("ack {n}")),
            done if full(done) => break,
            other => panic!("{other:?}"),
        }
    }
    // Reading goes on, and so does the process.
    assert!(full(&commit(30_000)));
    let inbox = mail.select("bob@home.example");
    assert!(mail.whole(inbox.mailbox, 1).ends_with(&message(30_000)));
}

/// This very program again, running one of its tests only.
fn child(test: &str, folder: &Path, bounded: bool) -> Child {
    let program = env::current_exe().unwrap();
    let mut command = match bounded {
        false => Command::new(program),
        true => {
            // In blocks of 512 octets. A signal that is ignored here stays ignored.
            let mut shell = Command::new("sh");
            shell.args(["-c", "trap '' XFSZ; ulimit -f 4000; exec \"$0\" \"$@\""]).arg(program);
            shell
        }
    };
    command.args([test, "--exact", "--nocapture"]).env(FOLDER, folder).stdout(Stdio::piped());
    command.spawn().unwrap()
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // On a line of its own, whatever the test harness has begun; and the reader may be gone.
    let _ = writeln!(out, "\n{line}").and_then(|()| out.flush());
}

fn ack(line: std::io::Result<String>) -> Option<String> {
    line.ok()?.strip_prefix("ack ").map(str::to_owned)
}

fn mark_of(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("X-Mark: "));
    line.expect("each message has its mark").to_owned()
}

#[test]
fn many_threads_share_what_is_committed_together() {
    let folder = TempDir::new().unwrap();
    let mail = Arc::new(Mail::open(folder.path()));
    let bob = mail.account("bob@home.example");
    thread::scope(|scope| {
        for thread in 0..16 {
            let mail = mail.clone();
            scope.spawn(move || {
                for _ in 0..20 {
                    // Every second one fails alone, in whatever transaction it is.
                    let nobody = postkern_server::job::AccountId(99);
                    let account = if thread % 2 == 0 { bob } else { nobody };
                    let local = vec![Local::new(account, "x")];
                    let message = Spool { tail: message(100), file: None };
                    let commit = Commit::ours(local, Vec::new(), message);
                    let done = mail.backend().run(Job::Commit(Box::new(commit)));
                    assert_eq!(matches!(done, Done::Committed(_)), account == bob, "{done:?}");
                }
            });
        }
    });
    assert_eq!(mail.select("bob@home.example").uids.len(), 160);
}
