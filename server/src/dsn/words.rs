//! The part for people.

use super::address::{printable, shown};
use super::{Dsn, News, flow, put};
use crate::queue::{Action, Diagnostic};
use crate::trace::date;

/// What the report is about: of several, the worst.
pub(super) fn subject(news: &[News]) -> &'static str {
    let has = |is: fn(&Action) -> bool| news.iter().any(|news| is(&news.action));
    match () {
        () if has(|action| matches!(action, Action::Failed(_))) => "Undelivered mail",
        () if has(|action| matches!(action, Action::Delayed { .. })) => "Delayed mail",
        () if has(|action| matches!(action, Action::Relayed { .. })) => "Relayed mail",
        () => "Delivered mail",
    }
}

pub(super) fn write(dsn: &Dsn<'_>, host: &str, out: &mut Vec<u8>) {
    put(out, &format!("This is the mail server {host}."));
    let accepted = format!("Your message, accepted here on {}, ", date(dsn.queued));
    for group in 0..GROUPS {
        let news: Vec<&News> = dsn.news.iter().filter(|news| group_of(&news.action) == group).collect();
        let Some(first) = news.first() else { continue };
        put(out, "");
        let recipients = if news.len() == 1 { "recipient" } else { "recipients" };
        let what = match &first.action {
            Action::Failed(_) => {
                format!("could not be delivered to the {recipients} below. It will not be tried again.")
            }
            Action::Delayed { until, .. } => format!(
                "could not yet be delivered to the {recipients} below. It will be tried again until {}; \
                 you need not send it again.",
                date(*until)
            ),
            Action::Delivered { .. } => format!("was delivered to the {recipients} below."),
            Action::Relayed { .. } => format!(
                "was handed on for the {recipients} below, to a server that may send no report of its delivery."
            ),
            Action::Expanded => {
                format!("was delivered to the {recipients} below, and from there to several others.")
            }
        };
        flow("", "", &format!("{accepted}{what}"), out);
        for news in news {
            one(dsn, news, out);
        }
    }
    put(out, "");
    let rest = format!(
        "What follows is a report for programs, and the header of your message or all of it. If you \
         ask your postmaster for help, name the queue id {}.",
        dsn.id.0
    );
    flow("", "", &rest, out);
}

/// Kinds of news, each under one sentence; what went wrong comes first.
const GROUPS: usize = 5;

fn group_of(action: &Action) -> usize {
    match action {
        Action::Failed(_) => 0,
        Action::Delayed { .. } => 1,
        Action::Relayed { .. } => 2,
        Action::Expanded => 3,
        Action::Delivered { .. } => 4,
    }
}

fn one(dsn: &Dsn<'_>, news: &News, out: &mut Vec<u8>) {
    put(out, "");
    let address = shown(&news.recipient.address, dsn.is_utf8());
    let (said, why) = match &news.action {
        Action::Failed(why) => (failed(dsn, why), Some(why)),
        Action::Delayed { why, .. } => (delayed(why), Some(why)),
        Action::Delivered { remote: Some(remote) } | Action::Relayed { remote: Some(remote) } => {
            (format!("The server {} took it.", printable(remote)), None)
        }
        Action::Delivered { remote: None } | Action::Relayed { remote: None } | Action::Expanded => {
            return put(out, &format!("<{address}>"));
        }
    };
    put(out, &format!("<{address}>:"));
    flow("    ", "    ", &said, out);
    if let Some(why) = why {
        flow("    ", "    ", &printable(&why.text), out);
    }
}

fn failed(dsn: &Dsn<'_>, why: &Diagnostic) -> String {
    let remote = why.remote.as_deref().map(printable);
    match (&remote, why.is_expired()) {
        (Some(remote), true) => format!("{}, of {remote}:", given_up(dsn)),
        (None, true) => format!("{}:", given_up(dsn)),
        (Some(remote), false) => format!("The server {remote} refused it:"),
        (None, false) => "It cannot be sent there:".into(),
    }
}

fn delayed(why: &Diagnostic) -> String {
    match why.remote.as_deref().map(printable) {
        Some(remote) => format!("The last attempt met this answer, of {remote}:"),
        None => "The last attempt met this:".into(),
    }
}

fn given_up(dsn: &Dsn<'_>) -> String {
    let minutes = dsn.now.0.saturating_sub(dsn.queued.0).max(0) / 60;
    let (count, unit) = match minutes {
        0..120 => (minutes, "minute"),
        120..2880 => (minutes / 60, "hour"),
        _ => (minutes / 60 / 24, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("Given up after {count} {unit}{plural}; the last attempt met this answer")
}
