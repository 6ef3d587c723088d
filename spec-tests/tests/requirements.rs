//! Checks `requirements/`: its syntax, that what it names exists, and that nothing is left out.
//!
//! The format is described in `requirements/README.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use postkern_spec::transcript;

/// Words that make a demand that counts.
const STRONG: [&str; 5] = ["MUST NOT", "MUST", "SHALL NOT", "SHALL", "REQUIRED"];
/// Words that make another.
const WEAK: [&str; 6] = ["SHOULD NOT", "SHOULD", "RECOMMENDED", "MAY", "must not", "must"];
/// Who may be obliged.
const WHO: [&str; 9] = ["server", "client", "both", "relay", "delivery", "submission", "gateway", "sender", "nobody"];

/// Dialogues that are known to fail.
const PENDING: &str = include_str!("../pending.txt");

/// One file of `requirements/`.
struct List {
    /// `smtp/5321`.
    name: String,
    /// Keywords in the text of each section, as recorded.
    counts: BTreeMap<String, usize>,
    /// Why the keywords are not counted.
    uncounted: Option<String>,
    entries: Vec<Entry>,
}

struct Entry {
    line: usize,
    /// The section of an RFC, or all of the tag.
    section: String,
    /// How many keywords of the section it accounts for.
    weight: usize,
    covers: Vec<Cover>,
}

enum Cover {
    Dialogue(String),
    Test { file: String, name: String },
    See { list: String, section: String },
    Not,
    Open(String),
}

#[test]
fn every_requirement_is_shown_or_has_its_reason() {
    let lists = load();
    let dialogues = transcript::load(&transcript::folder()).unwrap_or_else(|error| panic!("{error}"));
    let ids: BTreeSet<&str> = dialogues.iter().map(|dialogue| dialogue.id.as_str()).collect();
    let pending: BTreeSet<&str> = PENDING.lines().filter_map(|line| line.split(' ').next()).collect();
    let mut sources = BTreeMap::new();
    let mut faults = Vec::new();
    let mut summary = String::new();
    for list in &lists {
        let mut totals = [0; 4];
        for entry in &list.entries {
            let place = format!("{}:{}", list.name, entry.line);
            if entry.covers.is_empty() {
                faults.push(format!("{place}: nothing covers it, and no reason stands below"));
            }
            let is_open = entry.covers.iter().any(|cover| matches!(cover, Cover::Open(_)));
            for cover in &entry.covers {
                let fault = match cover {
                    Cover::Dialogue(id) if !ids.contains(id.as_str()) => Some(format!("there is no dialogue {id}")),
                    Cover::Dialogue(id) if pending.contains(id.as_str()) && !is_open => {
                        Some(format!("{id} stands in pending.txt: the entry is open"))
                    }
                    Cover::Test { file, name } => missing_test(&mut sources, file, name),
                    Cover::See { list, section } => missing_entry(&lists, list, section),
                    Cover::Open(reason) => {
                        writeln!(summary, "open: {place} {}: {reason}", entry.section).expect("a String");
                        None
                    }
                    Cover::Dialogue(_) | Cover::Not => None,
                };
                faults.extend(fault.map(|fault| format!("{place}: {fault}")));
            }
            let shown = |cover: &Cover| matches!(cover, Cover::Dialogue(_) | Cover::Test { .. } | Cover::See { .. });
            totals[0] += 1;
            totals[1] += usize::from(entry.covers.iter().any(shown));
            totals[2] += usize::from(entry.covers.iter().all(|cover| matches!(cover, Cover::Not)));
            totals[3] += usize::from(is_open);
        }
        let [all, shown, not, open] = totals;
        writeln!(summary, "{}: {all} entries, {shown} shown, {not} with a reason why not, {open} open", list.name)
            .expect("a String");
        match &list.uncounted {
            Some(reason) => writeln!(summary, "{}: keywords are not counted: {reason}", list.name).expect("a String"),
            None => faults.extend(uneven(list)),
        }
    }
    println!("{summary}");
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn counts_are_those_of_the_texts() {
    let Some(folder) = std::env::var_os("RFC_DIR").map(PathBuf::from) else {
        println!("skipped: RFC_DIR names no folder with the texts of the RFCs");
        return;
    };
    let mut faults = Vec::new();
    for list in load().iter().filter(|list| !list.counts.is_empty()) {
        let number = list.name.rsplit('/').next().unwrap_or_default();
        let path = folder.join(format!("rfc{number}.txt"));
        let Ok(text) = std::fs::read(&path) else {
            println!("skipped: there is no {}", path.display());
            continue;
        };
        let found = keywords(&String::from_utf8_lossy(&text));
        let sections: BTreeSet<&String> = found.keys().chain(list.counts.keys()).collect();
        for section in sections {
            let (is, said) = (found.get(section).unwrap_or(&0), list.counts.get(section).unwrap_or(&0));
            if is != said {
                faults
                    .push(format!("{} section {section}: the text has {is} keywords, the list says {said}", list.name));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn lists_are_checked() {
    for (text, fault) in [
        ("4.5 server MUST: x.\n    smtp/1/2/3\n", None),
        ("4.5 server MUST NOT x3: x: y.\n    not: because\n", None),
        ("4.5 server SHALL x2: x.\n    test: a/b.rs::c\n", None),
        ("tag of any kind: x.\n    open: soon\n", Some("who is tag?")),
        ("4.5 server CAN: x.\n    not: y\n", Some("what is CAN?")),
        ("4.5 server MUST x0: x.\n", Some("no weight")),
        ("    not: y\n", Some("no entry above")),
        ("4.5 server MUST: x.\n    not: \n", Some("no reason")),
        ("4.5 server MUST: x.\n    test: a\n", Some("FILE::NAME")),
        ("4.5 server MUST: x.\n    word\n", Some("no dialogue")),
        ("4.5 server MUST:\n", Some("a text")),
        ("4.5 server MUST: x\n", Some("full stop")),
        ("count 4.5\n", Some("count")),
    ] {
        match (parse("smtp/1", text), fault) {
            (Ok(_), None) => {}
            (Err(error), Some(fault)) => assert!(error.contains(fault), "{text}: {error}"),
            (Ok(_), Some(fault)) => panic!("{text}: wanted {fault}"),
            (Err(error), None) => panic!("{text}: {error}"),
        }
    }
    let found = keywords(
        "Intro MUST\n\n1.  One\n   MUST NOT, SHALL\n   1.1.  no heading\n1.1 Two\n   musts MUSTARD REQUIRED\n",
    );
    let expected = [("0", 1), ("1", 2), ("1.1", 1)];
    assert_eq!(found, expected.into_iter().map(|(section, count)| (section.to_owned(), count)).collect());
}

/// Sections whose entries do not add up to what the text has.
fn uneven(list: &List) -> Vec<String> {
    let mut sums: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in &list.entries {
        *sums.entry(&entry.section).or_default() += entry.weight;
    }
    let sections: BTreeSet<&str> = sums.keys().copied().chain(list.counts.keys().map(String::as_str)).collect();
    let uneven = sections.into_iter().filter_map(|section| {
        let (sum, count) = (sums.get(section).unwrap_or(&0), list.counts.get(section).unwrap_or(&0));
        (sum != count)
            .then(|| format!("{}: section {section} has {count} keywords, its entries account for {sum}", list.name))
    });
    uneven.collect()
}

fn missing_test(sources: &mut BTreeMap<String, String>, file: &str, name: &str) -> Option<String> {
    let source = sources.entry(file.to_owned()).or_insert_with(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        std::fs::read_to_string(root.join(file)).unwrap_or_default()
    });
    if source.is_empty() {
        return Some(format!("there is no file {file}"));
    }
    let mark = if file.ends_with(".py") { format!("def {name}(") } else { format!("fn {name}(") };
    (!source.contains(&mark)).then(|| format!("{file} has no test {name}"))
}

fn missing_entry(lists: &[List], name: &str, section: &str) -> Option<String> {
    let list = lists.iter().find(|list| list.name == name);
    let found = list.is_some_and(|list| list.entries.iter().any(|entry| entry.section == section));
    (!found).then(|| format!("{name} has no entry {section}"))
}

fn load() -> Vec<List> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("requirements");
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("an entry can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "txt") {
                files.push(path);
            }
        }
    }
    files.sort();
    let list = |path: PathBuf| {
        let name = path.with_extension("");
        let name = name.strip_prefix(&root).expect("it is below").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("a list is text");
        parse(&name, &text).unwrap_or_else(|error| panic!("{name}:{error}"))
    };
    files.into_iter().map(list).collect()
}

/// Reads a list; an error begins with its line.
fn parse(name: &str, text: &str) -> Result<List, String> {
    let of_rfc = name.contains('/');
    let mut list = List { name: name.to_owned(), counts: BTreeMap::new(), uncounted: None, entries: Vec::new() };
    for (at, line) in text.lines().enumerate() {
        let line_number = at + 1;
        let fault = |fault: &str| format!("{line_number}: {fault}");
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(below) = line.strip_prefix("    ") {
            let entry = list.entries.last_mut().ok_or_else(|| fault("there is no entry above"))?;
            entry.covers.extend(covers(below).map_err(|error| fault(&error))?);
        } else if let Some(reason) = line.strip_prefix("uncounted: ") {
            list.uncounted = Some(reason.to_owned());
        } else if let Some(count) = line.strip_prefix("count ") {
            let (section, number) = count.split_once(' ').ok_or_else(|| fault("count SECTION NUMBER"))?;
            let number = number.trim().parse().map_err(|_| fault("count SECTION NUMBER"))?;
            list.counts.insert(section.to_owned(), number);
        } else {
            let (section, weight) = if of_rfc {
                let (head, text) = line.split_once(": ").ok_or_else(|| fault("an entry has a colon and a text"))?;
                text.trim().strip_suffix('.').ok_or_else(|| fault("the text has no full stop"))?;
                heading(head).map_err(|error| fault(&error))?
            } else {
                (line.strip_suffix(':').ok_or_else(|| fault("an entry of a list ends in a colon"))?, 0)
            };
            list.entries.push(Entry { line: line_number, section: section.to_owned(), weight, covers: Vec::new() });
        }
    }
    Ok(list)
}

/// `4.5.2 server MUST NOT x2` as a section, and how many keywords it accounts for.
fn heading(head: &str) -> Result<(&str, usize), String> {
    let mut words = head.splitn(3, ' ');
    let (section, who, how) =
        (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if !section.starts_with(|first: char| first.is_ascii_digit() || first.is_ascii_uppercase()) {
        return Err(format!("who is {section}? An entry is SECTION WHO KEYWORD: TEXT"));
    }
    if !WHO.contains(&who) {
        return Err(format!("who is {who}?"));
    }
    let (keyword, weight) = match how.rsplit_once(" x") {
        Some((keyword, weight)) => (keyword, weight.parse().map_err(|_| format!("{weight} is no weight"))?),
        None => (how, 1),
    };
    match () {
        () if weight == 0 => Err("0 is no weight".to_owned()),
        () if STRONG.contains(&keyword) => Ok((section, weight)),
        () if WEAK.contains(&keyword) => Ok((section, 0)),
        () => Err(format!("what is {keyword}?")),
    }
}

fn covers(line: &str) -> Result<Vec<Cover>, String> {
    let reason = |text: &str| match text.trim() {
        "" => Err("there is no reason".to_owned()),
        text => Ok(text.to_owned()),
    };
    if let Some(text) = line.strip_prefix("not:") {
        return reason(text).map(|_| vec![Cover::Not]);
    }
    if let Some(text) = line.strip_prefix("open:") {
        return reason(text).map(|text| vec![Cover::Open(text)]);
    }
    if let Some(text) = line.strip_prefix("test:") {
        let (file, name) = text.trim().split_once("::").ok_or("a test is FILE::NAME")?;
        return Ok(vec![Cover::Test { file: file.to_owned(), name: name.to_owned() }]);
    }
    if let Some(text) = line.strip_prefix("see:") {
        let (list, section) = text.trim().split_once(' ').ok_or("see: LIST SECTION")?;
        return Ok(vec![Cover::See { list: list.to_owned(), section: section.to_owned() }]);
    }
    let dialogue = |word: &str| match word.contains('/') {
        true => Ok(Cover::Dialogue(word.to_owned())),
        false => Err(format!("{word} is no dialogue")),
    };
    line.split_whitespace().map(dialogue).collect()
}

/// How many keywords that count each section of an RFC's text has; `0` is what stands before
/// the first.
fn keywords(text: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let mut section = "0";
    for line in text.split(['\n', '\x0c']) {
        section = section_of(line).unwrap_or(section);
        let words = line.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let count = words.filter(|word| matches!(*word, "MUST" | "SHALL" | "REQUIRED")).count();
        if count > 0 {
            *counts.entry(section.to_owned()).or_default() += count;
        }
    }
    counts
}

/// The section that a heading begins: `4.5.2.  Transparency`, `Appendix F.  Deprecated`,
/// `F.1.  TURN`. Headings stand at the margin.
fn section_of(line: &str) -> Option<&str> {
    let (rest, appendix) = line.strip_prefix("Appendix ").map_or((line, false), |rest| (rest, true));
    let (number, title) = rest.split_once(' ')?;
    let title = title.trim_start();
    let dotted = number.contains('.');
    let number = number.trim_end_matches('.');
    let first = number.split('.').next()?;
    let parts =
        number.split('.').skip(1).all(|part| !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit()));
    let numbered = !first.is_empty() && first.bytes().all(|digit| digit.is_ascii_digit());
    let lettered = first.len() == 1 && first.bytes().all(|letter| letter.is_ascii_uppercase()) && (appendix || dotted);
    let titled = title.starts_with(|letter: char| letter.is_ascii_uppercase() || "\"<8-#".contains(letter));
    (parts && titled && (numbered || lettered)).then_some(number)
}
