//! Lines of real dialogues, mixed with each other and with garbage: whatever comes, a machine
//! says the same however it is cut, does not panic, and holds no more memory than it may.

use postkern_spec::memory;
use postkern_spec::play::{Act, Turn, Xorshift, steady};
use postkern_spec::transcript::{self, Said, Step, Transcript};

const SEEDS: u64 = 200;

/// A soup of `parts` lines, some cut short, doubled, or with octets changed.
fn soup(lines: &[Vec<u8>], parts: usize, random: &mut Xorshift) -> Vec<u8> {
    let mut soup = Vec::new();
    for _ in 0..parts {
        let mut line = lines[random.below(lines.len())].clone();
        match random.below(12) {
            0 => line.truncate(random.below(line.len() + 1)),
            1 if !line.is_empty() => {
                let at = random.below(line.len());
                line[at] = [0, b'\r', b'\n', b'.', b'{', b'"', b'(', b'}', b' ', 0xff][random.below(10)];
            }
            2 => line = line.repeat(2),
            3 => {
                let len = random.below(40);
                line.extend((0..len).map(|_| random.next_number() as u8));
            }
            4 => line.extend(vec![b'x'; random.below(30_000)]),
            _ => {}
        }
        soup.extend(line);
    }
    soup
}

/// Distinct lines of at most 4 KiB, so that the soup is one of many lines.
fn distinct(lines: impl Iterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let mut lines: Vec<_> = lines.filter(|line| line.len() <= 4096).collect();
    lines.sort();
    lines.dedup();
    lines
}

fn turn(act: Act) -> Turn {
    let mut turn = Turn::default();
    turn.acts.push((0, act));
    turn
}

fn servers_stand(protocol: &str, role: &str) {
    let all = transcript::load(&transcript::folder()).unwrap_or_else(|error| panic!("{error}"));
    let of: Vec<&Transcript> = all.iter().filter(|one| one.header.role == role).collect();
    let said = |(_, step): &(usize, Step)| if let Step::Client(octets) = step { Some(octets.clone()) } else { None };
    let kin = all.iter().filter(|one| one.header.role.starts_with(protocol));
    let lines = distinct(kin.flat_map(|one| one.steps.iter().filter_map(said)));
    assert!(lines.len() > 20, "{protocol} has dialogues");
    for seed in 1..=SEEDS {
        let mut random = Xorshift::new(seed);
        let header = &of[random.below(of.len())].header;
        let parts = 1 + random.below(60);
        let turns = [turn(Act::Octets(soup(&lines, parts, &mut random))), turn(Act::Lost)];
        steady(&turns, &|late| memory::server(header, late), 6)
            .unwrap_or_else(|error| panic!("{protocol}, seed {seed}: {error}"));
    }
}

fn clients_stand(protocol: &str) {
    let all = transcript::load(&transcript::folder()).unwrap_or_else(|error| panic!("{error}"));
    let of: Vec<&Transcript> = all.iter().filter(|one| one.header.role == format!("{protocol}-client")).collect();
    let heard = |(_, step): &(usize, Step)| match step {
        Step::Server(Said::Octets(octets)) => Some(octets.clone()),
        Step::Server(Said::Line(pattern)) => {
            Some(format!("{}\r\n", pattern.to_string().replace('*', "ok")).into_bytes())
        }
        _ => None,
    };
    let lines = distinct(of.iter().flat_map(|one| one.steps.iter().filter_map(heard)));
    let both = all.iter().filter(|one| {
        one.header.role.starts_with(protocol)
            && one.header.server_only.is_none()
            && !one.header.role.ends_with("client")
    });
    let both: Vec<&Transcript> = both.collect();
    for seed in 1..=SEEDS {
        let mut random = Xorshift::new(seed);
        let script = both[random.below(both.len())];
        // What the client would say, where the soup lets it.
        let mut turns = Vec::new();
        for (_, step) in &script.steps {
            let parts = random.below(3);
            turns.push(turn(Act::Octets(soup(&lines, parts, &mut random))));
            if let Step::Client(octets) = step {
                turns.push(turn(Act::App(format!("try {}", transcript::escaped(octets)))));
            }
        }
        turns.push(turn(Act::Octets(soup(&lines, 5, &mut random))));
        turns.push(turn(Act::Lost));
        steady(&turns, &|_| memory::client(script), 6)
            .unwrap_or_else(|error| panic!("{protocol} client, seed {seed}, {}: {error}", script.id));
    }
}

#[test]
fn smtp_servers_stand_any_soup() {
    servers_stand("smtp", "smtp-server");
}

#[test]
fn lmtp_servers_stand_any_soup() {
    servers_stand("smtp", "lmtp-server");
}

#[test]
fn pop3_servers_stand_any_soup() {
    servers_stand("pop3", "pop3-server");
}

#[test]
fn imap_servers_stand_any_soup() {
    servers_stand("imap", "imap-server");
}

#[test]
fn smtp_clients_stand_any_soup() {
    clients_stand("smtp");
}

#[test]
fn pop3_clients_stand_any_soup() {
    clients_stand("pop3");
}
