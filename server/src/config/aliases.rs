//! Addresses that stand for others.

use std::collections::{BTreeMap, BTreeSet};

use super::Config;
use crate::account::normalize;
use crate::idn;

/// Addresses that one address may come to stand for.
pub const EXPANSION_MAX: usize = 1000;

impl Config {
    /// The addresses that an address stands for, through as many aliases as there are: those
    /// of ours [normalized](normalize), others with their domain in lower case. What is no
    /// alias stands for itself, and `postmaster` without a domain for that of our first
    /// domain (RFC 5321 section 4.5.1).
    ///
    /// In the order of the configuration, each once, at most [`EXPANSION_MAX`], and none for
    /// an alias of a loop that has no way out; [`Config::parse`] refuses both kinds.
    pub fn expand(&self, address: &str) -> Vec<String> {
        let start = match (address.eq_ignore_ascii_case("postmaster"), self.domains.first()) {
            (true, Some(domain)) => format!("postmaster@{domain}"),
            (true, None) | (false, _) => self.target(address),
        };
        expand(&self.aliases, start, EXPANSION_MAX).0
    }

    /// An address in the form in which it is kept and compared. What stands before the `@`
    /// of somebody else's address is theirs to compare (RFC 5321 section 2.4).
    pub(super) fn target(&self, address: &str) -> String {
        match address.rsplit_once('@') {
            Some((local, domain)) if !self.is_local(domain) => {
                format!("{local}@{}", idn::to_ascii(domain).unwrap_or(domain.into()).to_ascii_lowercase())
            }
            Some(_) | None => normalize(address),
        }
    }
}

/// As [`Config::expand`], of addresses in the form in which they are kept; and whether
/// something was cut.
pub(super) fn expand(aliases: &BTreeMap<String, Vec<String>>, start: String, limit: usize) -> (Vec<String>, bool) {
    let mut found = Vec::new();
    // Bounded by the addresses that stand in the configuration, as each is opened once.
    let mut seen = BTreeSet::new();
    let mut open = vec![(start, false)];
    while let Some((address, last)) = open.pop() {
        let targets = aliases.get(&address).filter(|_| !last);
        if !seen.insert((address.clone(), targets.is_none())) {
            continue;
        }
        match targets {
            // An alias within its own list is the account of that name: a copy stays there.
            Some(targets) => open.extend(targets.iter().rev().map(|target| (target.clone(), *target == address))),
            None if found.len() == limit => return (found, true),
            None => found.push(address),
        }
    }
    (found, false)
}

/// Loops that are told at once.
const LOOPS_MAX: usize = 20;

/// Loops of two aliases or more, each as the aliases on its way: the last stands for the
/// first. Also aliases that stand for themselves alone. At most [`LOOPS_MAX`].
pub(super) fn loops(aliases: &BTreeMap<String, Vec<String>>) -> Vec<Vec<&str>> {
    let mut found: Vec<Vec<&str>> = Vec::new();
    // Those whose every way has been gone.
    let mut over = BTreeSet::new();
    for start in aliases.keys() {
        if found.len() >= LOOPS_MAX {
            break;
        }
        let mut path: Vec<(&str, core::slice::Iter<'_, String>)> = Vec::new();
        let mut on_path = BTreeSet::new();
        let mut next = Some(start.as_str());
        loop {
            if let Some((alias, targets)) = next.take().and_then(|alias| aliases.get_key_value(alias)) {
                if on_path.contains(alias.as_str()) && found.len() < LOOPS_MAX {
                    let from = path.iter().position(|&(name, _)| name == alias).unwrap_or(0);
                    found.push(path[from..].iter().map(|&(name, _)| name).collect());
                } else if !over.contains(alias.as_str()) && !on_path.contains(alias.as_str()) {
                    if targets.iter().all(|target| target == alias) {
                        found.push(vec![alias]);
                    }
                    on_path.insert(alias.as_str());
                    path.push((alias, targets.iter()));
                }
            }
            let Some((alias, targets)) = path.last_mut() else { break };
            let alias = *alias;
            match targets.next() {
                Some(target) => next = (target != alias).then_some(target),
                None => {
                    path.pop();
                    on_path.remove(alias);
                    over.insert(alias);
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(aliases: &[(&str, &[&str])]) -> Config {
        let mut config = Config::new("mx.test", &["test", "two.test"], "data".into());
        config.aliases = aliases
            .iter()
            .map(|&(name, targets)| (name.into(), targets.iter().map(|&target| target.into()).collect()))
            .collect();
        config
    }

    #[test]
    fn aliases_are_followed_to_the_end() {
        let config = config(&[
            ("all@test", &["bob@test", "team@test", "Al@Far.test"]),
            ("team@test", &["eve@test", "bob@test", "ann@two.test"]),
            ("copy@test", &["copy@test", "else@far.test"]),
            ("postmaster@test", &["bob@test"]),
            ("via@test", &["copy@test"]),
        ]);
        for (address, is) in [
            ("bob@test", &["bob@test"][..]),
            ("Bob@TEST", &["bob@test"]),
            ("\"Bob\"@test", &["bob@test"]),
            ("Bob@FAR.test", &["Bob@far.test"]),
            ("ALL@Test", &["bob@test", "eve@test", "ann@two.test", "Al@Far.test"]),
            ("copy@test", &["copy@test", "else@far.test"]),
            ("via@test", &["copy@test", "else@far.test"]),
            ("Postmaster", &["bob@test"]),
            ("postmaster@two.test", &["postmaster@two.test"]),
        ] {
            assert_eq!(config.expand(address), is, "{address}");
        }
    }

    #[test]
    fn loops_end_and_are_told() {
        let aliases = config(&[
            ("a@test", &["b@test", "x@test"]),
            ("b@test", &["c@test"]),
            ("c@test", &["a@test", "c@test"]),
            ("d@test", &["d@test"]),
            ("e@test", &["e@test", "a@test"]),
        ])
        .aliases;
        assert_eq!(loops(&aliases), [vec!["a@test", "b@test", "c@test"], vec!["d@test"]]);
        let (found, cut) = expand(&aliases, "a@test".into(), 10);
        assert_eq!((found, cut), (vec!["c@test".into(), "x@test".into()], false));
    }

    #[test]
    fn an_expansion_is_bounded_in_width_and_depth() {
        let wide: Vec<String> = (0..=EXPANSION_MAX).map(|number| format!("u{number}@far.test")).collect();
        let mut config = config(&[]);
        config.aliases.insert("wide@test".into(), wide);
        assert_eq!(config.expand("wide@test").len(), EXPANSION_MAX);
        for number in 0..100_000 {
            config.aliases.insert(format!("d{number}@test"), vec![format!("d{}@test", number + 1)]);
        }
        assert_eq!(config.expand("d0@test"), ["d100000@test"]);
        assert!(loops(&config.aliases).is_empty());
        config.aliases.insert("d100000@test".into(), vec!["d0@test".into()]);
        assert_eq!(loops(&config.aliases)[0].len(), 100_001);
        assert!(config.expand("d0@test").is_empty());
    }
}
