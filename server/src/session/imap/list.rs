//! LIST and LSUB (RFC 3501 sections 6.3.8 and 6.3.9).

use std::collections::BTreeSet;

use postkern::imap::{Code, Server, Status, Ticket, data, decode_mailbox};

use super::{Imap, Pending};
use crate::job::{AccountId, Done, Job, MailboxInfo};
use crate::mailbox::{MailboxName, SEPARATOR};
use crate::service::Step;

/// Octets of a reference with its pattern.
const PATTERN_MAX: usize = 1024;
/// Comparisons that one LIST may cost, all names together: some tens of milliseconds. Ten
/// thousand names and a pattern that a person would write take a fiftieth of it.
const STEPS_MAX: u64 = 20_000_000;
/// Names that are written in one move.
const MOVE: usize = 200;

/// What is asked for.
pub(super) struct Wanted {
    pattern: String,
    subscribed: bool,
}

/// The answer, being written.
pub(super) struct Listing {
    ticket: Ticket,
    subscribed: bool,
    lines: std::vec::IntoIter<Line>,
}

/// One name and what is said of it.
struct Line {
    attributes: Vec<&'static str>,
    name: MailboxName,
}

impl Imap {
    #[expect(clippy::too_many_arguments, reason = "the parts of one command")]
    pub(super) fn list(
        &mut self,
        account: AccountId,
        reference: &[u8],
        pattern: &[u8],
        subscribed: bool,
        ticket: Ticket,
        machine: &mut Server,
        out: &mut Vec<u8>,
    ) -> Step {
        if pattern.is_empty() && !subscribed {
            // RFC 3501 section 6.3.8: asks for the separator and the root of the reference.
            data::list(false, &["\\Noselect"], Some(SEPARATOR as u8), "", out);
            machine.finish(ticket, Status::Ok, Code::None, "done", out);
            return Step::Go;
        }
        let whole = [reference, pattern].concat();
        let Some(pattern) = decode_mailbox(&whole).filter(|_| whole.len() <= PATTERN_MAX) else {
            machine.finish(
                ticket,
                Status::No,
                Code::Atom("CANNOT"),
                "the pattern is too long or not in modified UTF-7",
                out,
            );
            return Step::Go;
        };
        self.pending = Pending::List(ticket, Wanted { pattern, subscribed });
        Step::Job(Job::Mailboxes { account })
    }

    pub(super) fn listed(
        &mut self,
        ticket: Ticket,
        wanted: &Wanted,
        done: Done,
        machine: &mut Server,
        out: &mut Vec<u8>,
    ) {
        match done {
            Done::Mailboxes(mut mailboxes) => {
                mailboxes.sort_by(|a, b| a.name.cmp(&b.name));
                let mut pattern = Pattern { text: &wanted.pattern, steps: STEPS_MAX };
                let lines = match wanted.subscribed {
                    true => subscribed(&mailboxes, &mut pattern),
                    false => existing(&mailboxes, &mut pattern),
                };
                if pattern.steps == 0 {
                    let text = "the pattern has too many wildcards for so many mailboxes";
                    return machine.finish(ticket, Status::No, Code::Atom("LIMIT"), text, out);
                }
                self.listing = Some(Listing { ticket, subscribed: wanted.subscribed, lines: lines.into_iter() });
                self.list_more(machine, out);
            }
            Done::Failed(failure) => self.fail(ticket, &failure, machine, out),
            _ => debug_assert!(false, "not an answer to Mailboxes"),
        }
    }

    /// Writes on. Tells whether there was anything to write.
    pub(super) fn list_more(&mut self, machine: &mut Server, out: &mut Vec<u8>) -> bool {
        let Some(mut listing) = self.listing.take() else { return false };
        for line in listing.lines.by_ref().take(MOVE) {
            data::list(listing.subscribed, &line.attributes, Some(SEPARATOR as u8), line.name.as_str(), out);
        }
        match listing.lines.len() {
            0 => machine.finish(listing.ticket, Status::Ok, Code::None, "done", out),
            _ => self.listing = Some(listing),
        }
        true
    }
}

/// LIST: mailboxes that exist, and names that only have some below them.
fn existing(mailboxes: &[MailboxInfo], pattern: &mut Pattern<'_>) -> Vec<Line> {
    let parents: BTreeSet<MailboxName> = mailboxes
        .iter()
        .filter(|mailbox| mailbox.exists)
        .flat_map(|mailbox| std::iter::successors(mailbox.name.parent(), MailboxName::parent))
        .collect();
    let mut lines = Vec::new();
    for mailbox in mailboxes {
        let has_children = parents.contains(&mailbox.name);
        // A name that is subscribed and no more is no mailbox.
        if !(mailbox.exists || has_children) || !pattern.matches(mailbox.name.as_str()) {
            continue;
        }
        let mut attributes = vec![if has_children { "\\HasChildren" } else { "\\HasNoChildren" }];
        if !mailbox.exists {
            attributes.insert(0, "\\Noselect");
        }
        attributes.extend(mailbox.special_use.map(|of| of.as_str()));
        lines.push(Line { attributes, name: mailbox.name.clone() });
    }
    lines
}

/// LSUB: names that are subscribed; and where the pattern's `%` stops above one, the name
/// there, marked \Noselect (RFC 3501 section 6.3.9).
fn subscribed(mailboxes: &[MailboxInfo], pattern: &mut Pattern<'_>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut above_said: Option<MailboxName> = None;
    let names: BTreeSet<&MailboxName> = mailboxes.iter().filter(|of| of.subscribed).map(|of| &of.name).collect();
    for mailbox in mailboxes.iter().filter(|mailbox| mailbox.subscribed) {
        if pattern.matches(mailbox.name.as_str()) {
            let attributes = if mailbox.exists { Vec::new() } else { vec!["\\Noselect"] };
            lines.push(Line { attributes, name: mailbox.name.clone() });
            continue;
        }
        if !pattern.text.ends_with('%') {
            continue;
        }
        let above = std::iter::successors(mailbox.name.parent(), MailboxName::parent)
            .find(|parent| pattern.matches(parent.as_str()));
        let Some(above) = above.filter(|above| !names.contains(above)) else { continue };
        if above_said.as_ref() != Some(&above) {
            lines.push(Line { attributes: vec!["\\Noselect"], name: above.clone() });
            above_said = Some(above);
        }
    }
    lines
}

/// A pattern, and what may still be spent on it.
struct Pattern<'p> {
    text: &'p str,
    /// At zero nothing matches any more.
    steps: u64,
}

impl Pattern<'_> {
    fn matches(&mut self, name: &str) -> bool {
        matches(self.text, name, &mut self.steps)
    }
}

/// Whether a name is of a pattern: `*` stands for anything, `%` for anything within a level.
///
/// A mismatch goes back to the last `%`, then to the last `*`, and to none before, so that the
/// work is polynomial whatever the pattern (`*%*%*...`); `steps` bound it.
fn matches(pattern: &str, name: &str, steps: &mut u64) -> bool {
    // INBOX has no case (RFC 3501 section 5.1), in patterns as elsewhere.
    let inbox = name == "INBOX" || name.starts_with("INBOX/");
    let equal = |p: u8, n: u8, at: usize| p == n || inbox && at < 5 && p.eq_ignore_ascii_case(&n);
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    // The last `*` and the last `%` after it: where each is, and where its run ends.
    let mut star: Option<(usize, usize)> = None;
    let mut percent: Option<(usize, usize)> = None;
    loop {
        *steps = steps.saturating_sub(1);
        if *steps == 0 {
            return false;
        }
        match pattern.get(p) {
            Some(b'*') => {
                (star, percent) = (Some((p, n)), None);
                p += 1;
                continue;
            }
            Some(b'%') => {
                percent = Some((p, n));
                p += 1;
                continue;
            }
            Some(&of) if n < name.len() && equal(of, name[n], n) => {
                (p, n) = (p + 1, n + 1);
                continue;
            }
            None if n == name.len() => return true,
            _ => {}
        }
        // A mismatch: let the last wildcard take one octet more.
        if let Some((at, end)) = percent.filter(|&(_, end)| name.get(end).is_some_and(|&byte| byte != SEPARATOR as u8))
        {
            percent = Some((at, end + 1));
            (p, n) = (at + 1, end + 1);
        } else if let Some((at, end)) = star.filter(|&(_, end)| end < name.len()) {
            (star, percent) = (Some((at, end + 1)), None);
            (p, n) = (at + 1, end + 1);
        } else {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, is) in [
            ("*", "a/b/c", true),
            ("%", "a", true),
            ("%", "a/b", false),
            ("a/%", "a/b", true),
            ("a/%", "a/b/c", false),
            ("a*c", "a/b/c", true),
            ("%/c", "a/b/c", false),
            ("*/c", "a/b/c", true),
            ("%/%", "a/b", true),
            ("a", "a", true),
            ("A", "a", false),
            ("inbox", "INBOX", true),
            ("inbox/%", "INBOX/x", true),
            ("INB%", "INBOX", true),
            ("", "a", false),
            ("*%*%", "a/b", true),
            ("a%b", "ab", true),
            ("a%b", "axxb", true),
            ("a%b", "a/b", false),
            ("*b%d", "a/b/bcd", true),
            ("%b*d", "ab/c/d", true),
        ] {
            assert_eq!(matches(pattern, name, &mut STEPS_MAX.clone()), is, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_takes_no_longer_than_it_may() {
        let pattern = "*%".repeat(PATTERN_MAX / 2 - 1) + "b";
        let mut steps = STEPS_MAX;
        assert!(!matches(&pattern, &"a".repeat(1000), &mut steps));
        assert!(steps > 0);
        let costly = format!("*{}b", "a".repeat(1000));
        let mut pattern = Pattern { text: &costly, steps: STEPS_MAX };
        assert!((0..10_000).all(|_| !pattern.matches(&"a".repeat(8000))));
        assert_eq!(pattern.steps, 0);
    }
}
