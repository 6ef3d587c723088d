//! Reads a file of dialogues.

use std::time::Duration;

use postkern::Upgrade;

use super::octets::unescape;
use super::{BadTranscript, Header, Place, Said, Step, Transcript};
use crate::pattern::Pattern;

/// The words that a claim may have behind its citation (RFC 2119).
const LEVELS: [&str; 5] = ["MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY"];
/// What `X:` may say.
const REASONS: [&str; 11] =
    ["", "done", "eof", "timeout", "injection", "too-long", "syntax", "mistakes", "unsolicited", "layer", "pipelining"];

/// The dialogues of a file; `name` is its path below `transcripts/`.
pub(super) fn file(name: &str, text: &str) -> Result<Vec<Transcript>, BadTranscript> {
    let mut dialogues = Vec::new();
    let mut lines = Vec::new();
    let mut all = text.lines().enumerate().map(|(at, line)| (at + 1, line)).peekable();
    while let Some((number, line)) = all.next() {
        if line != "---" {
            lines.push((number, line));
        }
        if line == "---" || all.peek().is_none() {
            let first = lines.iter().find(|(_, line)| !line.trim().is_empty()).map_or(number, |(number, _)| *number);
            let at = |line, message| BadTranscript { place: Place { file: name.to_owned(), line }, message };
            let id = id(name, dialogues.len() + 1).map_err(|message| at(first, message))?;
            dialogues.push(dialogue(name, id, first, &lines).map_err(|(line, message)| at(line, message))?);
            lines.clear();
        }
    }
    Ok(dialogues)
}

/// `smtp/5321/4.5.2-transparency.txt` and 1 make `smtp/5321/4.5.2/1`.
fn id(name: &str, ordinal: usize) -> Result<String, String> {
    let stem = name.strip_suffix(".txt").ok_or("a file of dialogues ends in .txt")?;
    let (folder, file) = stem.rsplit_once('/').ok_or("a file stands in PROTOCOL/RFC/SECTION-name.txt")?;
    let section = file.split('-').next().unwrap_or(file);
    Ok(format!("{folder}/{section}/{ordinal}"))
}

type At<T> = Result<T, (usize, String)>;

fn dialogue(name: &str, id: String, first: usize, lines: &[(usize, &str)]) -> At<Transcript> {
    let mut header = Header::default();
    let (mut claim, mut steps) = (String::new(), Vec::new());
    for &(number, line) in lines {
        let fails = |message: String| (number, message);
        if let Some(comment) = line.strip_prefix('#') {
            if steps.is_empty() {
                claim.push_str(if claim.is_empty() { "" } else { " " });
                claim.push_str(comment.trim());
            }
        } else if let Some(line) = line.strip_prefix("@ ") {
            if !steps.is_empty() {
                return Err(fails("a header line after the dialogue has begun; --- parts dialogues".into()));
            }
            head(number, line, &mut header).map_err(fails)?;
        } else if !line.trim().is_empty() {
            steps.push((number, step(line).map_err(fails)?));
        }
    }
    let fails = |message: String| (first, message);
    cites(name, &claim).map_err(fails)?;
    if header.role.is_empty() {
        return Err(fails("a dialogue needs a header line: @ smtp-server ...".into()));
    }
    let place = Place { file: name.to_owned(), line: first };
    Ok(Transcript { id, place, claim, header, steps })
}

/// The claim must cite the section that the file stands under, or one below it.
fn cites(name: &str, claim: &str) -> Result<(), String> {
    let wants = || {
        let parts: Vec<&str> = name.split('/').collect();
        let [.., rfc, file] = parts[..] else { return None };
        Some((rfc, file.trim_end_matches(".txt").split('-').next()?))
    };
    let (rfc, section) = wants().ok_or("a file stands in PROTOCOL/RFC/SECTION-name.txt")?;
    let form = format!("the comment at the head is to be: # RFC {rfc} section {section}, MUST: ...");
    let rest = claim.strip_prefix(&format!("RFC {rfc} section {section}")).ok_or(form.clone())?;
    let (below, rest) = rest.split_once(", ").ok_or(form.clone())?;
    let (level, claim) = rest.split_once(": ").ok_or(form.clone())?;
    let is_below = below.is_empty() || below.starts_with('.');
    if !is_below || !LEVELS.contains(&level) || claim.is_empty() {
        return Err(form);
    }
    Ok(())
}

fn head(number: usize, line: &str, header: &mut Header) -> Result<(), String> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    if word == "server-only" {
        if rest.is_empty() {
            return Err("server-only needs a reason".into());
        }
        header.server_only = Some(rest.to_owned());
    } else if header.role.is_empty() {
        word.clone_into(&mut header.role);
        for pair in rest.split_ascii_whitespace() {
            match pair.split_once('=') {
                Some((key, value)) => header.keys.push((key.to_owned(), value.to_owned())),
                None => header.words.push(pair.to_owned()),
            }
        }
    } else {
        header.more.push((number, word.to_owned(), rest.to_owned()));
    }
    Ok(())
}

fn step(line: &str) -> Result<Step, String> {
    let kind = line.get(..2).ok_or("not a line of a dialogue")?;
    let text = match &line[2..] {
        "" => "",
        text => text.strip_prefix(' ').ok_or("a blank stands behind the mark")?,
    };
    Ok(match kind {
        "C:" => Step::Client([text.as_bytes(), b"\r\n"].concat()),
        "C>" => Step::Client(unescape(text)?),
        "C=" => Step::ClientSays([text.as_bytes(), b"\r\n"].concat()),
        "C~" => Step::ClientSays(unescape(text)?),
        "S>" => Step::Server(Said::Octets(unescape(text)?)),
        "S:" if text == "..." => Step::Server(Said::Skip),
        "S:" if is_many(text) => Step::Server(Said::Lines(Pattern::line(text))),
        "S:" => Step::Server(Said::Line(Pattern::line(text))),
        "S~" => Step::Server(Said::AnyOrder(Pattern::line(text))),
        "S!" => Step::ServerNot(Pattern::line(text)),
        "E:" => match text.strip_prefix("never ") {
            Some(text) => Step::Never(Pattern::event(text)?),
            None => Step::Event(Pattern::event(text)?),
        },
        "T:" => Step::Time(time(text)?),
        "U:" => Step::Upgrade(match text {
            "tls" => Upgrade::Tls,
            "deflate" => Upgrade::Deflate,
            _ => return Err("U: is tls or deflate".into()),
        }),
        "A:" => Step::App(text.to_owned()),
        "L:" => Step::Lost,
        "W:" => Step::Wait,
        "X:" if REASONS.contains(&text) => Step::Close(text.to_owned()),
        "X:" => return Err(format!("X: is one of{}", REASONS.join(" "))),
        _ => return Err(format!("{kind} begins no line of a dialogue")),
    })
}

/// `250-*`: the lines of an SMTP reply but its last.
fn is_many(text: &str) -> bool {
    matches!(text.as_bytes(), [a, b, c, b'-', b'*'] if [a, b, c].iter().all(|digit| digit.is_ascii_digit()))
}

fn time(text: &str) -> Result<Duration, String> {
    let form = || format!("T: is +301s, +500ms or +30min, not {text}");
    let text = text.strip_prefix('+').ok_or_else(form)?;
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let count: u64 = text[..text.len() - unit.len()].parse().map_err(|_| form())?;
    match unit {
        "ms" => Ok(Duration::from_millis(count)),
        "s" => Ok(Duration::from_secs(count)),
        "min" => Ok(Duration::from_secs(60 * count)),
        _ => Err(form()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        file("smtp/5321/4.5.2-dots.txt", text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let head = "# RFC 5321 section 4.5.2, MUST: x\n@ smtp-server a=b\n";
        for (text, says) in [
            ("@ smtp-server\nC: QUIT\n", "4.5.2-dots.txt:1: the comment at the head"),
            ("# RFC 5321 section 4.5.3, MUST: x\n@ smtp-server\n", ":1: the comment at the head"),
            ("# RFC 5321 section 4.5.2, OUGHT: x\n@ smtp-server\n", ":1: the comment at the head"),
            ("# RFC 5321 section 4.5.2, MUST: x\nC: QUIT\n", ":1: a dialogue needs a header"),
            (&format!("{head}Q: x\n"), ":3: Q: begins no line"),
            (&format!("{head}C> \\q\n"), ":3: \\q is no escape"),
            (&format!("{head}T: 5\n"), ":3: T: is"),
            (&format!("{head}X: maybe\n"), ":3: X: is one of"),
            (&format!("{head}C: QUIT\n@ x\n"), ":4: a header line after"),
            (&format!("{head}C: QUIT\n---\nC: QUIT\n"), ":5: the comment at the head"),
        ] {
            assert!(error(text).contains(says), "{text:?} says {:?}", error(text));
        }
    }

    #[test]
    fn ids_count_the_dialogues_of_a_section() {
        let one = "# RFC 5321 section 4.5.2.1, MUST: x\n@ smtp-server a=b c\nC: QUIT\n";
        let all = file("smtp/5321/4.5.2-dots.txt", &format!("{one}---\n{one}")).unwrap();
        assert_eq!(
            all.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(),
            ["smtp/5321/4.5.2/1", "smtp/5321/4.5.2/2"]
        );
        assert_eq!(all[0].header.key("a"), Some("b"));
        assert_eq!(all[0].header.words, ["c"]);
        assert_eq!(all[0].client_octets(), b"QUIT\r\n");
    }
}
