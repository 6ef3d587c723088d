//! The file's keys for [`super`].

use core::time::Duration;

use toml::de::{DeTable, DeValue};

use super::super::file::{boolean, duration, message_size, network};
use super::super::reader::{Reader, Section, number, string};
use super::super::values::{self, Read};
use super::{Config, Greylist, HeaderFrom, Listener, Network, Newline};

/// The sections that are read here.
pub(in crate::config) const SECTIONS: [&str; 5] = ["local", "inbound", "greylist", "submission", "proxy"];

/// The greeting is held back no longer than clients wait for one with patience to spare
/// (RFC 5321 section 4.5.3.2.1: five minutes).
const GREET_PAUSE_MAX: Duration = Duration::from_secs(60);
/// Clients give up after days (RFC 5321 section 4.5.4.1), and must have come again before.
const GREYLIST_DELAY_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// What is waited for or known no longer than a year.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Reads them.
pub(in crate::config) fn sections<'t>(reader: &mut Reader<'t>, file: &DeTable<'t>, config: &mut Config) {
    if let Some(section) = reader.section(file, "local") {
        local(reader, section, config);
    }
    if let Some(section) = reader.section(file, "inbound") {
        inbound(reader, section, config);
    }
    if let Some(section) = reader.section(file, "greylist") {
        greylist(reader, section, config);
    }
    if let Some(section) = reader.section(file, "submission") {
        submission(reader, section, config);
    }
    if let Some(section) = reader.section(file, "proxy") {
        proxy(reader, section, config);
    }
}

fn local<'t>(reader: &mut Reader<'t>, section: Section<'_, 't>, config: &mut Config) {
    reader.known(section, &["subaddress", "catch_all"]);
    if let Some(subaddress) = reader.value(section, "subaddress", subaddress) {
        config.local.subaddress = subaddress;
    }
    let Some(node) = section.table.get("catch_all") else { return };
    let DeValue::Table(table) = node.get_ref() else {
        reader.blame(node.span().start, "local.catch_all is a section: write [local.catch_all] above its keys");
        return;
    };
    for (key, node) in table {
        let (name, at) = (key.get_ref(), key.span().start);
        let targets = reader.items(node, &format!("local.catch_all.{name:?}"), |value| {
            string(value).and_then(values::mailbox).map(|target| config.target(target))
        });
        match values::domain(name) {
            Err(why) => reader.blame(at, format!("local.catch_all: {name:?} {why}")),
            Ok(_) if targets.is_empty() => {
                // A target that is wrong has been told of.
                if node.get_ref().as_array().is_some_and(|array| array.is_empty()) {
                    reader.blame(at, format!("local.catch_all.{name:?} is for nobody: name an address, or remove it"));
                }
            }
            Ok(domain) if !config.is_local(&domain) && !config.domains.is_empty() => {
                reader
                    .blame(at, format!("local.catch_all: {domain:?} is none of our domains; domains does not have it"));
            }
            Ok(domain) => {
                config.local.catch_all.insert(domain, targets.into_iter().map(|(_, target)| target).collect());
            }
        }
    }
}

fn inbound<'t>(reader: &mut Reader<'t>, section: Section<'_, 't>, config: &mut Config) {
    reader.known(section, &["greet_pause", "forbid_pipelining", "bare_newline", "vrfy", "xclient_from"]);
    let inbound = &mut config.inbound;
    if let Some(pause) = reader.value(section, "greet_pause", |value| up_to(duration(value)?, GREET_PAUSE_MAX)) {
        inbound.greet_pause = pause;
    }
    if let Some(forbid) = reader.value(section, "forbid_pipelining", boolean) {
        inbound.allow_pipelining = !forbid;
    }
    let newline = reader.value(section, "bare_newline", |value| match value.as_str() {
        Some("refuse") => Ok(Newline::Refuse),
        Some("normalise") => Ok(Newline::Normalise),
        _ => Err("must be \"refuse\" or \"normalise\"".into()),
    });
    inbound.bare_newline = newline.unwrap_or_default();
    inbound.vrfy = reader.value(section, "vrfy", boolean).unwrap_or_default();
    inbound.xclient_from = networks(reader, section, "xclient_from");
}

fn greylist<'t>(reader: &mut Reader<'t>, section: Section<'_, 't>, config: &mut Config) {
    reader.known(section, &["delay", "window", "lifetime", "entries"]);
    let time = |value: &DeValue<'_>, most| match duration(value)? {
        time if time.is_zero() => Err("must be a second at least".into()),
        time => up_to(time, most),
    };
    let delay = reader.value(section, "delay", |value| time(value, GREYLIST_DELAY_MAX));
    let window = reader.value(section, "window", |value| time(value, YEAR));
    let lifetime = reader.value(section, "lifetime", |value| time(value, YEAR));
    let entries = reader.value(section, "entries", |value| number(value, 1000..=10_000_000));
    let Some(delay) = delay else {
        if let (false, Some((_, at))) = (section.table.contains_key("delay"), first_key(section)) {
            reader.blame(at, "greylist.delay is missing: write delay = \"5m\", or remove the section");
        }
        return;
    };
    let days = |days: u64| Duration::from_secs(days * 24 * 60 * 60);
    let (window, lifetime) = (window.unwrap_or(days(2)), lifetime.unwrap_or(days(36)));
    if window <= delay {
        let at = section.table.get("window").or_else(|| section.table.get("delay")).map_or(0, |node| node.span().start);
        reader.blame(at, "greylist.window must be longer than greylist.delay, or nobody could come in");
    }
    config.greylist =
        Some(Greylist { delay, window, lifetime, entries: entries.map_or(200_000, |entries| entries as u32) });
}

fn submission<'t>(reader: &mut Reader<'t>, section: Section<'_, 't>, config: &mut Config) {
    let own = ["recipients", "message", "messages_per_hour", "hold"];
    reader.known(section, &[&["remove_bcc", "header_from", "complete_addresses"][..], &own].concat());
    let count = |value: &DeValue<'_>, least| number(value, least..=u32::MAX.into()).map(|count| count as u32);
    let submission = &mut config.submission;
    for (key, switch) in
        [("remove_bcc", &mut submission.remove_bcc), ("complete_addresses", &mut submission.complete_addresses)]
    {
        if let Some(on) = reader.value(section, key, boolean) {
            *switch = on;
        }
    }
    let from = reader.value(section, "header_from", |value| match value.as_str() {
        Some("check") => Ok(HeaderFrom::Check),
        Some("sender") => Ok(HeaderFrom::Sender),
        Some("any") => Ok(HeaderFrom::Any),
        _ => Err("must be \"check\", \"sender\" or \"any\"".into()),
    });
    submission.header_from = from.unwrap_or(submission.header_from);
    // RFC 5321 section 4.5.3.1.8.
    submission.recipients = reader.value(section, "recipients", |value| count(value, 100));
    submission.message = reader.value(section, "message", message_size);
    if let Some(messages) = reader.value(section, "messages_per_hour", |value| count(value, 0)) {
        submission.messages_per_hour = messages;
    }
    if let Some(hold) = reader.value(section, "hold", |value| up_to(duration(value)?, YEAR)) {
        submission.hold = hold;
    }
}

fn proxy<'t>(reader: &mut Reader<'t>, section: Section<'_, 't>, config: &mut Config) {
    reader.known(section, &["networks", "listeners"]);
    let listeners = reader.list(section, "listeners", |value| {
        let name = string(value)?;
        Listener::ALL
            .into_iter()
            .find(|listener| listener.name() == name)
            .ok_or_else(|| format!("is no listener; there are {}", Listener::ALL.map(Listener::name).join(", ")))
    });
    config.proxy.networks = networks(reader, section, "networks");
    config.proxy.listeners = listeners.unwrap_or_default().into_iter().map(|(_, listener)| listener).collect();
    for (key, example) in [("networks", "[\"127.0.0.1\"]"), ("listeners", "[\"smtp\"]")] {
        if let (false, Some((_, at))) = (section.table.contains_key(key), first_key(section)) {
            reader.blame(at, format!("proxy.{key} is missing: write {key} = {example}"));
        }
    }
}

fn networks<'t>(reader: &mut Reader<'t>, section: Section<'_, 't>, key: &str) -> Vec<Network> {
    let networks = reader.list(section, key, |value| network(string(value)?));
    networks.unwrap_or_default().into_iter().map(|(_, network)| network).collect()
}

/// A key of the section, to point at for what is missing.
fn first_key<'v>(section: Section<'v, '_>) -> Option<(&'v str, usize)> {
    section.table.keys().next().map(|key| (key.get_ref().as_ref(), key.span().start))
}

/// One character that an address may have before its detail, or none.
fn subaddress(value: &DeValue<'_>) -> Read<Option<char>> {
    let text = string(value)?;
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (None, _) => Ok(None),
        (Some(character), None) if "+-=_#.".contains(character) => Ok(Some(character)),
        _ => Err("must be one of + - = _ # . or nothing".into()),
    }
}

fn up_to(time: Duration, most: Duration) -> Read<Duration> {
    if time > most { Err(format!("is too long: {} seconds at most", most.as_secs())) } else { Ok(time) }
}
