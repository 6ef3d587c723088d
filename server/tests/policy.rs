//! The sections of the configuration file that say who has mail here and what is asked of those
//! who bring some.

use std::path::Path;
use std::time::Duration;

use postkern_server::config::{Config, Greylist, Inbound, Listener, Newline, Submission, example};

fn with(rest: &str) -> Result<Config, Vec<String>> {
    let text = format!("hostname = \"mail.a.test\"\ndata = \"data\"\ndomains = [\"a.test\", \"B.test\"]\n{rest}");
    let errors = |errors: Vec<postkern_server::config::ConfigError>| errors.iter().map(ToString::to_string).collect();
    Config::parse(&text, Path::new("/etc/postkern")).map_err(errors)
}

#[test]
fn every_key_is_read() {
    let config = with(
        r#"
        [local]
        subaddress = "-"
        catch_all = { "A.test" = "All@A.test", "b.test" = ["x@b.test", "Y@Elsewhere.test"] }
        [inbound]
        greet_pause = "3s"
        forbid_pipelining = false
        bare_newline = "normalise"
        vrfy = true
        xclient_from = ["192.0.2.1", "::1"]
        [greylist]
        delay = "1m"
        window = "1h"
        lifetime = "7d"
        entries = 5000
        [submission]
        recipients = 200
        message = "20MB"
        messages_per_hour = 60
        hold = "1d"
        [relay]
        domains = ["Far.test", "near.test"]
        [proxy]
        networks = "10.0.0.0/8"
        listeners = ["smtp", "imaps"]
        "#,
    )
    .unwrap();
    assert_eq!(config.local.subaddress, Some('-'));
    assert_eq!(config.local.catch_all["a.test"], ["all@a.test"]);
    assert_eq!(config.local.catch_all["b.test"], ["x@b.test", "Y@elsewhere.test"]);
    let inbound = Inbound {
        greet_pause: Duration::from_secs(3),
        allow_pipelining: true,
        bare_newline: Newline::Normalise,
        vrfy: true,
        ..config.inbound.clone()
    };
    assert_eq!(config.inbound, inbound);
    for (peer, may) in [("192.0.2.1", true), ("::ffff:192.0.2.1", true), ("192.0.2.2", false)] {
        assert_eq!(config.may_xclient(peer.parse().unwrap()), may, "{peer}");
    }
    let seconds = Duration::from_secs;
    let greylist = Greylist { delay: seconds(60), window: seconds(3600), lifetime: seconds(604_800), entries: 5000 };
    assert_eq!(config.greylist, Some(greylist));
    for (domain, is) in [("far.TEST", true), ("near.test", true), ("x.far.test", false), ("a.test", false)] {
        assert_eq!(config.is_relayed(domain), is, "{domain}");
    }
    let submission = Submission {
        recipients: Some(200),
        message: Some(20_000_000),
        messages_per_hour: 60,
        hold: seconds(86_400),
        ..Submission::default()
    };
    assert_eq!(config.submission, submission);
    for (listener, peer, is) in [
        (Listener::Smtp, "10.1.2.3", true),
        (Listener::Imaps, "::ffff:10.1.2.3", true),
        (Listener::Imap, "10.1.2.3", false),
        (Listener::Smtp, "11.1.2.3", false),
    ] {
        assert_eq!(config.is_proxied(listener, peer.parse().unwrap()), is, "{listener} {peer}");
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = with("[local]\n[inbound]\n[greylist]\n[submission]\n[proxy]\n").unwrap();
    assert_eq!(config, Config::new("mail.a.test", &["a.test", "b.test"], "/etc/postkern/data".into()));
    assert_eq!((config.local.subaddress, config.greylist), (Some('+'), None));
    assert_eq!(with("[local]\nsubaddress = \"\"").unwrap().local.subaddress, None);
    let days = |days: u64| Duration::from_secs(days * 24 * 60 * 60);
    let greylist = with("[greylist]\ndelay = 300").unwrap().greylist.unwrap();
    assert_eq!((greylist.window, greylist.lifetime, greylist.entries), (days(2), days(36), 200_000));
    for (peer, is) in [("192.0.2.1", true), ("127.0.0.1", false), ("::1", false), ("::ffff:127.0.0.2", false)] {
        assert_eq!(config_is_rated(peer), is, "{peer}");
    }
}

fn config_is_rated(peer: &str) -> bool {
    with("[relay]\nnetworks = \"198.51.100.0/24\"").unwrap().is_rated(peer.parse().unwrap())
}

#[test]
fn each_fault_is_told_with_its_line() {
    for (rest, line, what) in [
        ("[local]\nsubaddress = \"++\"", 5, "must be one of + -"),
        ("[local]\nsubaddress = \"@\"", 5, "must be one of + -"),
        ("[local]\nsub = \"+\"", 5, "there are subaddress, catch_all"),
        ("[local]\ncatch_all = \"x@a.test\"", 5, "write [local.catch_all]"),
        ("[local.catch_all]\n\"c.test\" = \"x@a.test\"", 5, "none of our domains"),
        ("[local.catch_all]\n\"a.test\" = []", 5, "is for nobody"),
        ("[local.catch_all]\n\"a.test\" = \"x\"", 5, "is no address"),
        ("[local.catch_all]\n\"a_b\" = \"x@a.test\"", 5, "is no domain name"),
        ("[inbound]\ngreet_pause = \"2m\"", 5, "60 seconds at most"),
        ("[inbound]\nforbid_pipelining = 1", 5, "must be true or false"),
        ("[inbound]\nbare_newline = \"accept\"", 5, "\"normalise\""),
        ("[inbound]\nxclient_from = \"0.0.0.0/0\"", 5, "is everybody"),
        ("[greylist]\nwindow = \"1h\"", 5, "greylist.delay is missing"),
        ("[greylist]\ndelay = 0", 5, "a second at least"),
        ("[greylist]\ndelay = \"2d\"", 5, "86400 seconds at most"),
        ("[greylist]\ndelay = \"1h\"\nwindow = \"1h\"", 6, "must be longer than greylist.delay"),
        ("[greylist]\ndelay = \"1h\"\nentries = 1", 6, "from 1000"),
        ("[submission]\nrecipients = 1", 5, "from 100"),
        ("[submission]\nmessage = 1", 5, "64KiB at least"),
        ("[relay]\ndomains = \"a.test\"", 5, "one of our domains"),
        ("[relay]\ndomains = [\"c.test\", \"C.test\"]", 5, "stands there twice"),
        ("[proxy]\nnetworks = \"127.0.0.1\"", 5, "proxy.listeners is missing"),
        ("[proxy]\nlisteners = \"smtp\"", 5, "proxy.networks is missing"),
        ("[proxy]\nnetworks = \"127.0.0.1\"\nlisteners = \"smtps\"", 6, "is no listener; there are smtp,"),
    ] {
        let errors = with(rest).expect_err(rest);
        assert_eq!(errors.len(), 1, "{rest}: {errors:?}");
        assert!(errors[0].starts_with(&format!("line {line}: ")), "{rest}: {errors:?}");
        assert!(errors[0].contains(what), "{rest}: {errors:?}");
    }
}

#[test]
fn the_example_shows_the_defaults() {
    let folder = Path::new("/etc/postkern");
    let text = example("mail.a.test", "a.test");
    let is = Config::parse(&text, folder).unwrap();
    let defaults = Config::new("mail.a.test", &["a.test"], "/etc/postkern/data".into());
    assert_eq!((&is.local, &is.inbound, &is.greylist), (&defaults.local, &defaults.inbound, &defaults.greylist));
    assert_eq!((&is.submission, &is.proxy), (&defaults.submission, &defaults.proxy));
    let shown: String = text
        .lines()
        .map(|line| match line.strip_prefix("# ").filter(|rest| rest.contains(" = ") || rest.starts_with("[")) {
            Some(rest) => format!("{rest}\n"),
            None => format!("{line}\n"),
        })
        .collect();
    let all = Config::parse(&shown, folder).unwrap();
    assert_eq!((all.local.catch_all.len(), all.inbound.xclient_from.len(), all.proxy.listeners.len()), (1, 1, 3));
    let submission = Submission {
        recipients: Some(all.limits.recipients),
        message: Some(all.limits.message),
        ..defaults.submission
    };
    assert_eq!(all.submission, submission);
    let greylist = all.greylist.unwrap();
    assert_eq!(Some(greylist), with("[greylist]\ndelay = \"5m\"").unwrap().greylist);
}
