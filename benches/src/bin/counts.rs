//! Counts instructions and allocations of each piece of work, under valgrind, and prints them
//! as a table.
//!
//! ```text
//! cargo run --release -p postkern-benches --bin counts [PREFIX ...]
//! ```
//!
//! The program runs itself under `valgrind --tool=callgrind` and under memcheck, twice each
//! with different numbers of repetitions: the difference is the work alone, without start and
//! preparation, and is the same on every run.
#![forbid(unsafe_code)]

use std::error::Error;
use std::process::{Command, ExitCode};

use postkern_benches::work::{Goal, Of, Work};
use postkern_benches::works;

/// Repetitions of the shorter and of the longer run.
const TIMES: (u32, u32) = (2, 12);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--run", name, of, times] => repeat(name, of, times),
        _ => table(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("counts: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The counted side: one row's work, so many times.
fn repeat(name: &str, of: &str, times: &str) -> Result<(), Box<dyn Error>> {
    let works = works();
    let work = works.iter().find(|work| work.name == name && work.of.label() == of).ok_or("there is no such row")?;
    let mut run = (work.start)();
    for _ in 0..times.parse::<u32>()? {
        (run.once)();
    }
    Ok(())
}

/// What one repetition costs.
#[derive(Clone, Copy, Default)]
struct Cost {
    instructions: f64,
    allocations: f64,
}

fn table(prefixes: &[String]) -> Result<(), Box<dyn Error>> {
    println!("| work | who | instructions/op | per octet | allocations/op | goal | |");
    println!("|---|---|---:|---:|---:|---:|---|");
    let all = works();
    let wanted = |work: &&Work| prefixes.is_empty() || prefixes.iter().any(|prefix| work.name.starts_with(prefix));
    for work in all.iter().filter(wanted) {
        let mut cost = measure(work)?;
        if let Some(before) = work.less {
            let before = all.iter().find(|other| other.name == before).ok_or("there is no such row to take off")?;
            let before = measure(before)?;
            cost.instructions -= before.instructions;
            cost.allocations -= before.allocations;
        }
        row(work, cost);
    }
    Ok(())
}

fn row(work: &Work, cost: Cost) {
    let run = (work.start)();
    let (ops, octets) = (run.ops as f64, run.octets as f64);
    let (per_op, per_octet) = (cost.instructions / ops, cost.instructions / octets);
    let allocations = cost.allocations / ops;
    let (goal, met) = match work.goal {
        None => (String::new(), ""),
        Some(Goal::Op(most)) => (format!("{most}/op, 0"), verdict(per_op <= most && allocations < 0.005)),
        Some(Goal::Octet(most)) => (format!("{most}/octet, 0"), verdict(per_octet <= most && allocations < 0.005)),
    };
    let who = match work.of {
        Of::Ours => format!("**{}**", work.of.label()),
        Of::Peer(_) | Of::Limit(_) => work.of.label().to_owned(),
    };
    println!("| {} | {who} | {per_op:.0} | {per_octet:.3} | {allocations:.2} | {goal} | {met} |", work.name);
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "**missed**" }
}

fn measure(work: &Work) -> Result<Cost, Box<dyn Error>> {
    let difference = |tool: &[&str], label: &str| -> Result<f64, Box<dyn Error>> {
        let (fewer, more) = (count(work, tool, label, TIMES.0)?, count(work, tool, label, TIMES.1)?);
        Ok((more as f64 - fewer as f64) / f64::from(TIMES.1 - TIMES.0))
    };
    let callgrind = ["--tool=callgrind", "--callgrind-out-file=/dev/null"];
    let memcheck = ["--tool=memcheck", "--leak-check=no", "--undef-value-errors=no"];
    Ok(Cost {
        instructions: difference(&callgrind, "Collected : ")?,
        allocations: difference(&memcheck, "total heap usage: ")?,
    })
}

/// Runs one row under a tool of valgrind, and reads the number behind `label` in what it says.
fn count(work: &Work, tool: &[&str], label: &str, times: u32) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(tool)
        .arg(std::env::current_exe()?)
        .args(["--run", work.name, work.of.label(), &times.to_string()])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{} by {}: {said}", work.name, work.of.label()).into());
    }
    let number = said.split(label).nth(1).and_then(|rest| rest.split_whitespace().next());
    Ok(number.ok_or("valgrind did not say the number")?.replace(',', "").parse()?)
}
