//! SQLite against the plain maps of the memory backend: the same jobs, by chance, must be
//! answered the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use postkern::smtp::{ByMode, DeliverBy, Hold, Notify, Priority, Ret};
use postkern_server::job::{
    AccountId, Admin, Append, Backend, Commit, Done, FlagAction, FlagChange, Job, Local, MailboxId, QueueId, Report,
    Reporter, Spool, Timestamp,
};
use postkern_server::mailbox::{Flags, MailboxName, UidSet};
use postkern_server::queue::{Attempt, Diagnostic, Handover, Outcome, RecipientTerms, Remote, Schedule, Terms};
use postkern_store::memory::Memory;
use postkern_store::rules::Clock;
use postkern_store::sqlite::Sqlite;
use tempfile::TempDir;

const NAMES: [&str; 10] = ["INBOX", "INBOX/a", "Trash", "a", "a/b", "a/b/b", "Sent", "b", "c/d", "Archive"];
const KEYWORDS: [&str; 5] = ["$Junk", "$junk", "one", "two", "three"];
const ACCOUNTS: [&str; 2] = ["a@home.example", "b@home.example"];
/// Of one round.
const JOBS: usize = 500;

#[test]
fn the_database_answers_as_the_model_does() {
    for seed in 1..=8 {
        play(seed);
    }
}

fn play(seed: u64) {
    let time = Arc::new(AtomicI64::new(1_700_000_000));
    let clock = || -> Clock {
        let time = time.clone();
        Arc::new(move || Timestamp(time.load(Ordering::SeqCst)))
    };
    let folder = TempDir::new().unwrap();
    let model = Memory::with_clock(clock());
    let mut sqlite = Sqlite::open_with(folder.path(), false, clock()).unwrap();
    let mut chance = Chance(seed);
    let mut attempts = Vec::new();
    for name in ACCOUNTS {
        let add = || Job::Admin(Admin::AddAccount { name: name.into(), verifier: String::new() });
        model.run(add());
        sqlite.run(add());
    }
    for step in 0..JOBS {
        time.fetch_add(chance.below(2000) as i64, Ordering::SeqCst);
        if chance.below(60) == 0 {
            drop(sqlite);
            sqlite = Sqlite::open_with(folder.path(), false, clock()).unwrap();
        }
        let from = chance.0;
        let make = |attempts: &[Attempt]| {
            let mut chance = Chance(from);
            job(&mut chance, attempts)
        };
        let said = format!("{:?}", make(&attempts));
        let (expected, found) = (model.run(make(&attempts)), sqlite.run(make(&attempts)));
        chance.next();
        assert_eq!(format!("{found:?}"), format!("{expected:?}"), "seed {seed}, step {step}: {said}");
        if let Done::Due { attempts: due, .. } = found {
            attempts.extend(due);
        }
    }
    for mailbox in 0..100 {
        let metas = || Job::Metas { mailbox: MailboxId(mailbox), uids: UidSet::range(1, u32::MAX) };
        let (expected, found) = (model.run(metas()), sqlite.run(metas()));
        assert_eq!(format!("{found:?}"), format!("{expected:?}"), "seed {seed}, mailbox {mailbox}");
    }
}

/// A xorshift: the same jobs from the same seed.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit
    }

    fn one_of<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }

    fn account(&mut self) -> AccountId {
        // Mostly those of the beginning; now and then one that is there later, if ever.
        AccountId(1 + self.below(20) as i64 % if self.below(10) == 0 { 5 } else { 2 })
    }

    /// The accounts' first mailboxes are among these: six each.
    fn mailbox(&mut self) -> MailboxId {
        // The accounts' first INBOXes half of the time.
        MailboxId([1, 7, 1 + self.below(24) as i64, 1 + self.below(12) as i64][self.below(4) as usize])
    }

    fn name(&mut self) -> MailboxName {
        MailboxName::new(self.one_of(&NAMES)).unwrap()
    }

    fn uids(&mut self) -> UidSet {
        let range = |chance: &mut Self| (1 + chance.below(12) as u32, 1 + chance.below(12) as u32);
        let ranges = [range(self), range(self)].map(|(a, b)| (a.min(b), a.max(b)));
        UidSet::from_ranges(ranges.to_vec())
    }

    fn flags(&mut self) -> Flags {
        Flags(self.below(32))
    }

    fn keywords(&mut self) -> Vec<String> {
        (0..self.below(3)).map(|_| self.one_of(&KEYWORDS).to_owned()).collect()
    }

    fn terms(&mut self) -> Terms {
        if self.below(2) == 0 {
            return Terms::default();
        }
        let modes = [ByMode::Notify, ByMode::Return];
        Terms {
            smtp_utf8: self.below(4) == 0,
            require_tls: self.below(4) == 0,
            ret: [None, Some(Ret::Full), Some(Ret::Headers)][self.below(3) as usize],
            envid: (self.below(3) == 0).then(|| "a+20b".into()),
            hold: (self.below(4) == 0).then(|| Hold::For(self.below(5000) as u32)),
            by: (self.below(4) == 0).then(|| DeliverBy {
                seconds: self.below(9000) as i32,
                mode: modes[self.below(2) as usize],
                trace: self.below(2) == 0,
            }),
            priority: Priority::new(self.below(5) as i8 - 2),
            ..Terms::default()
        }
    }

    fn remote(&mut self, address: &str) -> Remote {
        let mut bit = || self.below(2) == 0;
        let terms = RecipientTerms {
            notify: bit().then(|| Notify::of(bit(), bit(), bit())),
            orcpt: bit().then(|| "rfc822;old+40else.example".into()),
            rrvs: None,
        };
        Remote { address: address.into(), terms }
    }

    fn message(&mut self) -> Spool {
        let octets = [0, 30, 500, 40_000][self.below(4) as usize];
        let mut tail = format!("Subject: {}\r\n\r\n", self.below(1000)).into_bytes();
        tail.resize(tail.len() + octets, if self.below(2) == 0 { b'x' } else { 0xe4 });
        Spool { tail, file: None }
    }
}

fn job(chance: &mut Chance, attempts: &[Attempt]) -> Job {
    let (account, mailbox, uids) = (chance.account(), chance.mailbox(), chance.uids());
    match chance.below(26) {
        0..=2 => Job::Admin(admin(chance)),
        3..=5 => Job::Commit(Box::new(commit(chance))),
        6..=8 => Job::Append(Box::new(Append {
            account,
            mailbox: chance.name(),
            flags: chance.flags(),
            keywords: chance.keywords(),
            internal_date: None,
            message: chance.message(),
        })),
        9 => Job::Mailboxes { account },
        10 => Job::Status { account, mailbox: chance.name() },
        11 => Job::Create { account, mailbox: chance.name(), special_use: None },
        12 => Job::Delete { account, mailbox: chance.name() },
        13 => Job::Rename { account, from: chance.name(), to: chance.name() },
        14 => Job::Subscribe { account, mailbox: chance.name(), on: chance.below(2) == 0 },
        15 => Job::Select { account, mailbox: chance.name(), read_only: chance.below(2) == 0 },
        16 => Job::Changes { mailbox, since: chance.below(20), read_only: chance.below(2) == 0 },
        17 => Job::Fetch { mailbox, uids, digest: chance.below(2) == 0, header: chance.below(2) == 0 },
        18 => {
            let start = chance.below(200);
            Job::Read { mailbox, uid: 1 + chance.below(5) as u32, range: start..start + chance.below(50_000) }
        }
        19 => Job::Store { mailbox, uids, change: change(chance) },
        20 => Job::Copy { mailbox, uids, account, to: chance.name(), remove: chance.below(2) == 0 },
        21 => Job::Expunge { mailbox, uids: (chance.below(2) == 0).then_some(uids) },
        22 => Job::Remove { mailbox, uids: UidSet::range(1, 1 + chance.below(4) as u32) },
        23 => Job::Due { limit: chance.below(4) as usize, per_domain: 1 + chance.below(3) as usize },
        24 if chance.below(6) == 0 => {
            Job::Flush { domain: chance.one_of(&["one.example", "example"]).into(), subdomains: chance.below(2) == 0 }
        }
        24 if !attempts.is_empty() => Job::Report(Box::new(report(chance, attempts))),
        _ => Job::Search { mailbox, uids, program: Arc::default() },
    }
}

fn admin(chance: &mut Chance) -> Admin {
    let name = chance.one_of(&ACCOUNTS).to_owned();
    let id = QueueId(1 + chance.below(20) as i64);
    match chance.below(48) {
        0..=5 => Admin::AddAccount { name, verifier: String::new() },
        6 if chance.below(8) == 0 => Admin::RemoveAccount { name },
        6 | 7 => Admin::Accounts,
        8..40 => Admin::Queue,
        40..45 => Admin::QueueRetry(id),
        _ => Admin::QueueRemove(id),
    }
}

fn commit(chance: &mut Chance) -> Commit {
    let domains = ["x@one.example", "y@one.example", "x@TWO.example", "a@home.example"];
    let sender = chance.one_of(&["", "a@home.example", "no@home.example", "s@else.example"]);
    let remote = (0..chance.below(4))
        .map(|_| {
            let address = chance.one_of(&domains);
            chance.remote(address)
        })
        .collect();
    let local = (0..chance.below(3)).map(|_| Local {
        account: chance.account(),
        recipient: "r@home.example".into(),
        terms: chance.remote("").terms,
    });
    let local = local.collect();
    Commit {
        trace: None,
        reverse_path: sender.into(),
        terms: chance.terms(),
        local,
        remote,
        expanded: if chance.below(8) == 0 { vec![chance.remote("team@home.example")] } else { Vec::new() },
        reporter: reporter(sender),
        message: chance.message(),
    }
}

fn change(chance: &mut Chance) -> FlagChange {
    FlagChange {
        action: [FlagAction::Replace, FlagAction::Add, FlagAction::Remove][chance.below(3) as usize],
        flags: chance.flags(),
        keywords: chance.keywords(),
        unchanged_since: (chance.below(3) == 0).then(|| chance.below(20)),
    }
}

fn report(chance: &mut Chance, attempts: &[Attempt]) -> Report {
    let attempt = attempts[chance.below(attempts.len() as u64) as usize].clone();
    let outcome = |chance: &mut Chance| match chance.below(3) {
        0 => Outcome::Delivered(Handover {
            remote: Some("mx.else.example".into()),
            dsn: chance.below(2) == 0,
            is_final: chance.below(4) == 0,
            deliver_by: chance.below(2) == 0,
        }),
        1 => Outcome::Deferred(Diagnostic::ours("4.4.1", "no answer")),
        _ => Outcome::Failed(Diagnostic::ours("5.1.1", "nobody there")),
    };
    let outcomes = attempt.recipients.iter().map(|_| outcome(chance)).collect();
    let reporter = reporter(&attempt.sender);
    Report { attempt, outcomes, schedule: Schedule::default(), reporter }
}

fn reporter(sender: &str) -> Reporter {
    let ours = sender.to_ascii_lowercase().ends_with("@home.example");
    let senders: Vec<String> = Some(sender.to_owned()).filter(|sender| !sender.is_empty()).into_iter().collect();
    let (local, remote) = if ours { (senders, Vec::new()) } else { (Vec::new(), senders) };
    Reporter { hostname: "mx.home.example".into(), local, remote, otherwise: None, whole: 50_000 }
}
