//! The part for programs (RFC 3464 section 2).

use postkern::smtp::Xtext;

use super::address::{of_envelope, original, printable};
use super::{Dsn, News, flow, put};
use crate::queue::{Action, Diagnostic};
use crate::trace::date;

pub(super) fn write(dsn: &Dsn<'_>, host: &str, out: &mut Vec<u8>) {
    if let Some(envid) = &dsn.terms.envid {
        // RFC 3464 section 2.2.1: as the sender wrote it before it was xtext.
        let octets = Xtext::parse(envid).map(|envid| envid.decode().into_owned());
        let text = octets.map_or_else(|| envid.clone(), |octets| String::from_utf8_lossy(&octets).into_owned());
        put(out, &format!("Original-Envelope-Id: {}", printable(&text)));
    }
    put(out, &format!("Reporting-MTA: dns; {host}"));
    put(out, &format!("X-Postkern-Queue-ID: {}", dsn.id.0));
    put(out, &format!("Arrival-Date: {}", date(dsn.queued)));
    for news in dsn.news {
        put(out, "");
        one(dsn, news, out);
    }
}

fn one(dsn: &Dsn<'_>, news: &News, out: &mut Vec<u8>) {
    let utf8 = dsn.is_utf8();
    if let Some(orcpt) = &news.recipient.terms.orcpt {
        put(out, &format!("Original-Recipient: {}", original(orcpt, utf8)));
    }
    put(out, &format!("Final-Recipient: {}", of_envelope(&news.recipient.address, utf8)));
    let (action, remote, why) = match &news.action {
        Action::Failed(why) => ("failed", &why.remote, Some(why)),
        Action::Delayed { why, .. } => ("delayed", &why.remote, Some(why)),
        Action::Delivered { remote } => ("delivered", remote, None),
        Action::Relayed { remote } => ("relayed", remote, None),
        Action::Expanded => ("expanded", &None, None),
    };
    put(out, &format!("Action: {action}"));
    put(out, &format!("Status: {}", why.map_or("2.0.0", |why| status(&why.status))));
    if let Some(remote) = remote {
        put(out, &format!("Remote-MTA: dns; {}", printable(remote)));
    }
    if let Some(Diagnostic { text, smtp, .. }) = why {
        // Our own words have no registered type; "X-" is for such.
        let kind = if *smtp { "Diagnostic-Code: smtp; " } else { "Diagnostic-Code: X-Postkern; " };
        flow(kind, "\t", &printable(text), out);
    }
    put(out, &format!("Last-Attempt-Date: {}", date(dsn.now)));
    if let Action::Delayed { until, .. } = &news.action {
        put(out, &format!("Will-Retry-Until: {}", date(*until)));
    }
}

/// A status that is none is a failure of an unknown kind (RFC 3463 section 3.1).
fn status(status: &str) -> &str {
    let mut parts = status.split('.');
    let number = |part: &str| {
        (1..=3).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    let class = parts.next().is_some_and(|class| matches!(class, "4" | "5"));
    match class && parts.next().is_some_and(number) && parts.next().is_some_and(number) && parts.next().is_none() {
        true => status,
        false => "5.0.0",
    }
}
