//! LIST and LSUB (RFC 3501 sections 6.3.8 and 6.3.9).

use std::collections::BTreeSet;

use postkern::imap::{Code, Server, Status, Ticket, data, decode_mailbox};

use super::{Imap, Pending};
use crate::job::{AccountId, Done, Job, MailboxInfo};
use crate::mailbox::{MailboxName, SEPARATOR};
use crate::service::Step;

/// Octets of a reference with its pattern.
const PATTERN_MAX: usize = 1024;

/// What is asked for.
pub(super) struct Wanted {
    pattern: String,
    subscribed: bool,
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
                match wanted.subscribed {
                    true => subscribed(&mailboxes, &wanted.pattern, out),
                    false => existing(&mailboxes, &wanted.pattern, out),
                }
                machine.finish(ticket, Status::Ok, Code::None, "done", out);
            }
            Done::Failed(failure) => self.fail(ticket, &failure, machine, out),
            _ => debug_assert!(false, "not an answer to Mailboxes"),
        }
    }
}

/// LIST: mailboxes that exist, and names that only have some below them.
fn existing(mailboxes: &[MailboxInfo], pattern: &str, out: &mut Vec<u8>) {
    let parents: BTreeSet<MailboxName> = mailboxes
        .iter()
        .filter(|mailbox| mailbox.exists)
        .flat_map(|mailbox| std::iter::successors(mailbox.name.parent(), MailboxName::parent))
        .collect();
    for mailbox in mailboxes {
        let has_children = parents.contains(&mailbox.name);
        // A name that is subscribed and no more is no mailbox.
        if !(mailbox.exists || has_children) || !matches(pattern, mailbox.name.as_str()) {
            continue;
        }
        let mut attributes = vec![if has_children { "\\HasChildren" } else { "\\HasNoChildren" }];
        if !mailbox.exists {
            attributes.insert(0, "\\Noselect");
        }
        attributes.extend(mailbox.special_use.map(|of| of.as_str()));
        data::list(false, &attributes, Some(SEPARATOR as u8), mailbox.name.as_str(), out);
    }
}

/// LSUB: names that are subscribed; and where the pattern's `%` stops above one, the name
/// there, marked \Noselect (RFC 3501 section 6.3.9).
fn subscribed(mailboxes: &[MailboxInfo], pattern: &str, out: &mut Vec<u8>) {
    let mut said: Option<MailboxName> = None;
    let names: Vec<&MailboxInfo> = mailboxes.iter().filter(|mailbox| mailbox.subscribed).collect();
    for mailbox in &names {
        if matches(pattern, mailbox.name.as_str()) {
            let attributes: &[&str] = if mailbox.exists { &[] } else { &["\\Noselect"] };
            data::list(true, attributes, Some(SEPARATOR as u8), mailbox.name.as_str(), out);
            continue;
        }
        if !pattern.ends_with('%') {
            continue;
        }
        let above = std::iter::successors(mailbox.name.parent(), MailboxName::parent)
            .find(|parent| matches(pattern, parent.as_str()));
        let Some(above) = above else { continue };
        let own = names.iter().any(|other| other.name == above);
        if !own && said.as_ref() != Some(&above) {
            data::list(true, &["\\Noselect"], Some(SEPARATOR as u8), above.as_str(), out);
            said = Some(above);
        }
    }
}

/// Whether a name is of a pattern: `*` stands for anything, `%` for anything within a level.
///
/// Each wildcard goes back to the last one only, so that the work is at most the product of
/// both lengths, whatever the pattern (`*%*%*...`).
fn matches(pattern: &str, name: &str) -> bool {
    // INBOX has no case (RFC 3501 section 5.1), in patterns as elsewhere.
    let inbox = name == "INBOX" || name.starts_with("INBOX/");
    let equal = |p: u8, n: u8, at: usize| p == n || inbox && at < 5 && p.eq_ignore_ascii_case(&n);
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    // The last `*` and the last `%` after it: where each is, and where its run ends.
    let mut star: Option<(usize, usize)> = None;
    let mut percent: Option<(usize, usize)> = None;
    loop {
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
            assert_eq!(matches(pattern, name), is, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_of_wildcards_takes_no_longer_than_it_should() {
        let pattern = "*%".repeat(PATTERN_MAX / 2 - 1) + "b";
        assert!(!matches(&pattern, &"a".repeat(8000)));
    }
}
