//! Who has the mail for an address of ours.
//!
//! In this order, the first that there is: an alias or an account of the very address; one of
//! the address without its detail (RFC 5233: `user+detail` is `user`); whom the domain's
//! catch-all names. What an alias stands for is looked up in the same way, but has no
//! catch-all. Which addresses are accounts only the store knows, so that it takes rounds of
//! [`Job::Lookup`](crate::job::Job::Lookup):
//!
//! ```text
//! let mut resolution = Resolution::new(config, address);
//! while let Some(addresses) = resolution.ask() {
//!     resolution.answered(config, lookup(addresses));
//! }
//! ```

use std::collections::BTreeSet;

use crate::account::normalize;
use crate::config::{Config, EXPANSION_MAX};
use crate::idn;
use crate::job::AccountId;

/// One address on its way to those who have its mail.
#[derive(Clone, Debug, Default)]
pub struct Resolution {
    /// The domain whose catch-all may be asked; none once it was.
    catch_all: Option<String>,
    /// Addresses of ours that are to be looked up.
    open: Vec<String>,
    /// All that were: bounded by [`EXPANSION_MAX`], and what ends loops through details.
    seen: BTreeSet<String>,
    accounts: Vec<AccountId>,
    remote: Vec<String>,
}

impl Resolution {
    /// Of an address of ours, or of `postmaster` (RFC 5321 section 4.5.1).
    pub fn new(config: &Config, address: &str) -> Self {
        let mut resolution = Self { catch_all: domain(address, config).map(Into::into), ..Self::default() };
        resolution.open(config, address);
        resolution.go_on(config);
        resolution
    }

    /// Of an address elsewhere: itself.
    pub fn elsewhere(address: &str) -> Self {
        Self { remote: vec![address.into()], ..Self::default() }
    }

    /// What to look up next, in this order; none if all is known.
    pub fn ask(&self) -> Option<Vec<String>> {
        (!self.open.is_empty()).then(|| self.open.clone())
    }

    /// Which of them are accounts.
    pub fn answered(&mut self, config: &Config, found: &[Option<AccountId>]) {
        let asked = std::mem::take(&mut self.open);
        for (at, address) in asked.iter().enumerate() {
            match found.get(at).copied().flatten() {
                Some(account) if !self.accounts.contains(&account) => self.accounts.push(account),
                Some(_) => {}
                None => {
                    if let Some(user) = config.without_detail(address) {
                        self.open(config, &user);
                    }
                }
            }
        }
        self.go_on(config);
    }

    /// Accounts that have the mail, each once, and addresses elsewhere.
    pub fn finish(self) -> (Vec<AccountId>, Vec<String>) {
        (self.accounts, self.remote)
    }

    /// Accounts so far.
    pub fn accounts(&self) -> &[AccountId] {
        &self.accounts
    }

    /// Whether nobody was found.
    pub fn is_nobody(&self) -> bool {
        self.open.is_empty() && self.accounts.is_empty() && self.remote.is_empty()
    }

    /// Where nobody was found, the catch-all's turn comes.
    fn go_on(&mut self, config: &Config) {
        if !self.is_nobody() {
            return;
        }
        let targets = self.catch_all.take().and_then(|domain| config.local.catch_all.get(&domain));
        for target in targets.into_iter().flatten() {
            self.open(config, target);
        }
    }

    /// Puts down what an address stands for.
    fn open(&mut self, config: &Config, address: &str) {
        for target in config.expand(address) {
            if self.seen.len() >= EXPANSION_MAX || !self.seen.insert(target.clone()) {
                continue;
            }
            match config.is_ours(&target) {
                true => self.open.push(target),
                false => self.remote.push(target),
            }
        }
    }
}

/// Our domain of an address, in the form of [`Config::domains`].
fn domain<'c>(address: &str, config: &'c Config) -> Option<&'c str> {
    let given = match address.rsplit_once('@') {
        Some((_, domain)) => Some(idn::to_ascii(domain)?),
        None => None,
    };
    let own = |own: &&String| given.as_ref().is_none_or(|given| own.eq_ignore_ascii_case(given));
    config.domains.iter().find(own).map(String::as_str)
}

impl Config {
    /// Whether an address of ours is the postmaster's, who is never refused (RFC 5321 section
    /// 4.5.1): also if an alias makes it so.
    pub fn is_postmaster(&self, address: &str) -> bool {
        let is = |address: &str| address.split_once('@').map_or(address, |(local, _)| local) == "postmaster";
        let address = normalize(address);
        is(&address) || self.expand(&address).iter().any(|target| is(target))
    }

    /// Whether mail for an address comes to the account of this name: by an alias, by a
    /// detail, or by its own name.
    ///
    /// # Known limits
    /// An account whose own name has a detail (`user+detail`) may be written as by the user:
    /// `account add` makes none while details mean something.
    pub fn owns(&self, login: &str, address: &str) -> bool {
        self.stands_for([address]).iter().any(|target| target.eq_ignore_ascii_case(login))
    }

    /// The addresses that addresses may stand for when it is not known which of them are
    /// accounts: those with a detail, and without it.
    pub fn stands_for<'a>(&self, addresses: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let mut open: Vec<String> = addresses.into_iter().flat_map(|address| self.expand(address)).collect();
        open.reverse();
        let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
        while let Some(address) = open.pop().filter(|_| found.len() < EXPANSION_MAX) {
            if !seen.insert(address.clone()) {
                continue;
            }
            if let Some(user) = self.without_detail(&address).filter(|_| self.is_ours(&address)) {
                open.extend(self.expand(&user).into_iter().rev());
            }
            found.push(address);
        }
        found
    }

    /// Whom the catch-all of an address's domain names, likewise.
    pub fn catch_all_of(&self, address: &str) -> Vec<String> {
        let targets = domain(address, self).and_then(|domain| self.local.catch_all.get(domain));
        self.stands_for(targets.into_iter().flatten().map(String::as_str))
    }

    fn is_ours(&self, address: &str) -> bool {
        address.rsplit_once('@').is_some_and(|(_, domain)| self.is_local(domain))
    }

    /// An address of ours without its detail: what stands before the first separator of its
    /// local part. None if there is no detail, or nothing before it.
    pub fn without_detail(&self, address: &str) -> Option<String> {
        let separator = self.local.subaddress?;
        let address = normalize(address);
        let (local, domain) = address.rsplit_once('@')?;
        let quote = if local.starts_with('"') { "\"" } else { "" };
        let user = &local[quote.len()..local.find(separator)?];
        (!user.is_empty()).then(|| normalize(&format!("{quote}{user}{quote}@{domain}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNTS: [&str; 4] = ["alice@test", "bob@test", "bob+own@test", "a-b@test"];

    fn config() -> Config {
        let mut config = Config::new("mx.test", &["test", "two.test"], "data".into());
        let mut alias = |name: &str, targets: &[&str]| {
            config.aliases.insert(name.into(), targets.iter().map(|&target| target.into()).collect());
        };
        alias("team@test", &["alice@test", "bob+team@test", "eve@far.test"]);
        alias("team+x@test", &["bob@test"]);
        alias("far@test", &["eve+x@far.test"]);
        alias("round@test", &["round+x@test"]);
        alias("dead@test", &["gone@test"]);
        config.local.catch_all.insert("two.test".into(), vec!["team@test".into()]);
        config
    }

    /// Accounts by name, then addresses elsewhere.
    fn resolve(config: &Config, address: &str) -> String {
        let mut resolution = Resolution::new(config, address);
        let mut rounds = 0;
        while let Some(addresses) = resolution.ask() {
            let number = |address: &String| ACCOUNTS.iter().position(|name| name == address);
            let found: Vec<_> =
                addresses.iter().map(|address| number(address).map(|at| AccountId(at as i64))).collect();
            resolution.answered(config, &found);
            rounds += 1;
            assert!(rounds < 10, "{address}");
        }
        let (accounts, remote) = resolution.finish();
        let accounts = accounts.iter().map(|account| ACCOUNTS[account.0 as usize].to_owned());
        accounts.chain(remote).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_exact_address_comes_first_then_the_user_then_the_catch_all() {
        let config = config();
        for (address, is) in [
            ("alice@test", "alice@test"),
            ("ALICE+Tag@Test", "alice@test"),
            ("alice+a+b@test", "alice@test"),
            ("\"alice+a b\"@test", "alice@test"),
            ("bob+own@test", "bob+own@test"),
            ("bob+own+more@test", "bob@test"),
            ("team@test", "alice@test bob@test eve@far.test"),
            ("team+x@test", "bob@test"),
            ("team+y@test", "alice@test bob@test eve@far.test"),
            ("far+z@test", "eve+x@far.test"),
            ("+alice@test", ""),
            ("\"+alice\"@test", ""),
            ("a-b@test", "a-b@test"),
            ("nobody@test", ""),
            ("round@test", ""),
            ("dead@test", ""),
            ("nobody@two.test", "alice@test bob@test eve@far.test"),
            ("nobody+x@Two.Test", "alice@test bob@test eve@far.test"),
            ("\u{e4}@two.test", "alice@test bob@test eve@far.test"),
            ("\"n b\"@two.test", "alice@test bob@test eve@far.test"),
            ("postmaster", ""),
        ] {
            assert_eq!(resolve(&config, address), is, "{address}");
        }
    }

    #[test]
    fn one_may_send_as_what_comes_to_one() {
        let config = config();
        for (login, address, may) in [
            ("alice@test", "alice@test", true),
            ("alice@test", "ALICE@Test", true),
            ("alice@test", "\"alice\"@test", true),
            ("alice@test", "alice+shop@test", true),
            ("alice@test", "team@test", true),
            ("alice@test", "team+y@test", true),
            ("bob@test", "team@test", true),
            ("bob@test", "team+x@test", true),
            ("alice@test", "bob@test", false),
            ("alice@test", "bob+alice@test", false),
            ("alice@test", "alice@two.test", false),
            ("alice@test", "alice+x@far.test", false),
            ("alice@test", "eve@far.test", false),
            ("alice@test", "", false),
        ] {
            assert_eq!(config.owns(login, address), may, "{login} {address}");
        }
        for (address, is) in
            [("postmaster", true), ("PostMaster@two.test", true), ("postmaster+x@test", false), ("alice@test", false)]
        {
            assert_eq!(config.is_postmaster(address), is, "{address}");
        }
    }

    #[test]
    fn details_can_be_turned_off_and_parted_otherwise() {
        let mut config = config();
        config.local.subaddress = None;
        assert_eq!(resolve(&config, "alice+x@test"), "");
        config.local.subaddress = Some('-');
        assert_eq!(resolve(&config, "alice-x@test"), "alice@test");
        assert_eq!(resolve(&config, "a-b@test"), "a-b@test");
    }

    #[test]
    fn an_address_stands_for_so_many_and_no_more() {
        let mut config = config();
        let many = (0..=EXPANSION_MAX).map(|n| format!("u{n}@far.test")).collect();
        config.local.catch_all.insert("test".into(), many);
        assert_eq!(resolve(&config, "nobody@test").split(' ').count(), EXPANSION_MAX - 1);
    }
}
