//! The configuration file: what it may say, and what is said of what it may not.

use std::path::Path;
use std::time::Duration;

use postkern_server::config::{Config, HeaderFrom, Limits, Listener, RelayTls, Submission, example, line_of};

/// What every file needs.
const BASE: &str = "hostname = \"mail.a.test\"\ndata = \"data\"\ndomains = [\"a.test\", \"B.test\"]\n";

fn parse(text: &str) -> Result<Config, Vec<String>> {
    let errors = |errors: Vec<postkern_server::config::ConfigError>| errors.iter().map(ToString::to_string).collect();
    Config::parse(text, Path::new("/etc/postkern")).map_err(errors)
}

fn with(rest: &str) -> Result<Config, Vec<String>> {
    parse(&format!("{BASE}{rest}"))
}

#[test]
fn what_is_left_out_has_its_default() {
    let is = Config::new("mail.a.test", &["a.test", "b.test"], "/etc/postkern/data".into());
    assert_eq!(parse(BASE), Ok(is));
}

#[test]
fn every_key_is_read() {
    let config = with(
        r#"
        [aliases]
        "Team@a.test" = ["Bob@A.test", "Eve@Elsewhere.test"]
        "x@b.test" = "x@a.test"
        [listen]
        smtp = ["127.0.0.1:25", "[::1]:25"]
        submission = "127.0.0.1:587"
        submissions = "127.0.0.1:465"
        lmtp = "127.0.0.1:24"
        pop3 = "127.0.0.1:0"
        pop3s = "127.0.0.1:0"
        imap = []
        imaps = "127.0.0.1:993"
        [tls]
        certificate = "certificate.pem"
        key = "/keys/key.pem"
        [auth]
        plaintext = true
        [submission]
        remove_bcc = false
        header_from = "sender"
        complete_addresses = false
        [dns]
        servers = ["192.0.2.53", "[::1]:5353"]
        [relay]
        port = 2525
        networks = ["192.0.2.0/24", "::1"]
        retry = [60, "1h"]
        expire = "2d"
        tls = "verified"
        ca_file = "ca.pem"
        [[relay.route]]
        domain = "Far.test"
        host = "[192.0.2.9]"
        port = 26
        [[relay.route]]
        domain = "*"
        host = "Smart.Far.test"
        [limits]
        message = "10MB"
        recipients = 100
        connections = 1_000
        connections_per_address = 2
        connections_per_network = 3
        connections_per_minute = 8
        messages_per_minute = 9
        recipients_per_minute = 0
        login_failures_per_hour = 10
        received = 101
        received_here = 2
        login_failures = 4
        login_delay = 1
        relays = 5
        relays_per_domain = 3
        login_time = "30s"
        smtp_idle = "6m"
        pop3_idle = "11m"
        imap_idle = "1h"
        data_rate = 100
        mistakes_before_login = 3
        mistakes = 7
        refusals = 30
        messages_per_connection = 20
        excess = 2048
        smtp_line = 1300
        imap_line = 9000
        imap_literal = 4096
        imap_literals = 10
        imap_command = 20000
        "#,
    )
    .unwrap();
    assert_eq!(config.aliases["team@a.test"], ["bob@a.test", "Eve@elsewhere.test"]);
    assert_eq!(config.expand("X@b.test"), ["x@a.test"]);
    let listen: Vec<String> = config.listen.iter().map(|(listener, address)| format!("{listener} {address}")).collect();
    assert_eq!(
        listen,
        [
            "smtp 127.0.0.1:25",
            "smtp [::1]:25",
            "submission 127.0.0.1:587",
            "submissions 127.0.0.1:465",
            "lmtp 127.0.0.1:24",
            "pop3 127.0.0.1:0",
            "pop3s 127.0.0.1:0",
            "imaps 127.0.0.1:993"
        ]
    );
    let tls = config.tls.as_ref().unwrap();
    assert_eq!(tls.certificate, Path::new("/etc/postkern/certificate.pem"));
    assert_eq!(tls.key, Path::new("/keys/key.pem"));
    assert!(config.plaintext_login);
    let submission = Submission {
        remove_bcc: false,
        header_from: HeaderFrom::Sender,
        complete_addresses: false,
        ..Submission::default()
    };
    assert_eq!(config.submission, submission);
    assert_eq!(config.dns, ["192.0.2.53:53".parse().unwrap(), "[::1]:5353".parse().unwrap()]);
    let relay = &config.relay;
    assert_eq!((relay.port, relay.tls), (2525, RelayTls::Verified));
    assert_eq!(relay.ca_file.as_deref(), Some(Path::new("/etc/postkern/ca.pem")));
    assert_eq!(relay.schedule.retry, [60, 3600].map(Duration::from_secs));
    assert_eq!(relay.schedule.expire, Duration::from_secs(2 * 24 * 60 * 60));
    let routes: Vec<String> =
        relay.routes.iter().map(|route| format!("{} {} {}", route.domain, route.host, route.port)).collect();
    assert_eq!(routes, ["far.test 192.0.2.9 26", "* smart.far.test 2525"]);
    let limits = Limits {
        message: 10_000_000,
        recipients: 100,
        connections: 1000,
        connections_per_address: 2,
        connections_per_network: 3,
        connections_per_minute: 8,
        messages_per_minute: 9,
        recipients_per_minute: 0,
        login_failures_per_hour: 10,
        received: 101,
        received_here: 2,
        login_failures: 4,
        login_delay: Duration::from_secs(1),
        relays: 5,
        relays_per_domain: 3,
        login_time: Duration::from_secs(30),
        smtp_idle: Duration::from_secs(360),
        pop3_idle: Duration::from_secs(660),
        imap_idle: Duration::from_secs(3600),
        data_rate: 100,
        mistakes_before_login: 3,
        mistakes: 7,
        refusals: 30,
        messages_per_connection: 20,
        excess: 2048,
        smtp_line: 1300,
        imap_line: 9000,
        imap_literal: 4096,
        imap_literals: 10,
        imap_command: 20_000,
    };
    assert_eq!(config.limits, limits);
    for (peer, may) in [("192.0.2.7", true), ("::ffff:192.0.2.7", true), ("::1", true), ("192.0.3.1", false)] {
        assert_eq!(config.may_relay(peer.parse().unwrap()), may, "{peer}");
    }
    for (domain, local) in [("A.TEST", true), ("b.test", true), ("c.a.test", false), ("", false)] {
        assert_eq!(config.is_local(domain), local, "{domain}");
    }
}

#[test]
fn each_fault_is_told_with_its_line() {
    for (rest, line, what) in [
        ("colour = 1", 4, "there is no key \"colour\" here"),
        ("[tsl]", 4, "there is no key \"tsl\" here"),
        ("[relay]\nports = 25", 5, "there is no key \"ports\" in [relay]; there are port,"),
        ("[relay\n", 4, "not TOML"),
        ("hostname = \"x.test\"", 4, "not TOML"),
        ("relay = 1", 4, "write [relay]"),
        ("[aliases]\n\"x@c.test\" = \"x@a.test\"", 5, "must be one of ours"),
        ("[aliases]\nx = \"x@a.test\"", 5, "is no address"),
        ("[aliases]\n\"x@a.test\" = [\"x@b.test\",\n\"y\"]", 6, "aliases.\"x@a.test\": \"y\" is no address"),
        ("[aliases]\n\"x@a.test\" = []", 5, "stands for nobody"),
        ("[aliases]\n\"x@a.test\" = 1", 5, "must be a string"),
        ("[aliases]\n\"x@a.test\" = \"X@a.test\"", 5, "itself alone"),
        ("[aliases]\n\"x@a.test\" = \"y@a.test\"\n\"y@a.test\" = \"x@a.test\"", 5, "x@a.test, y@a.test"),
        ("[aliases]\n\"x@a.test\" = \"y@a.test\"\n\"X@a.test\" = \"z@a.test\"", 0, "stands there twice"),
        ("[aliases]\n\"ä@a.test\" = \"y@a.test\"\n\"Ä\" = \"y@a.test\"", 6, "is no address"),
        ("[aliases]\n\"x@a.test\" = \"y@\u{200b}.test\"", 5, "is no address"),
        ("[listen]\nsmtp = \"25\"", 5, "listen.smtp: \"25\" is no address with a port"),
        ("[listen]\nsmtp = 25", 5, "must be a string"),
        ("[listen]\nsmtp = \"localhost:25\"", 5, "is no address with a port"),
        ("[listen]\nsmtp = [\"[::]:25\",\n\"[::]:25\"]", 6, "stands there twice"),
        ("[listen]\nsmtp = \"[::]:25\"\nlmtp = \"[::]:25\"", 6, "stands there twice"),
        ("[listen]\nimaps = \"[::]:993\"", 5, "needs a certificate"),
        ("[listen]\nimap = \"[::]:143\"", 5, "nobody could log in"),
        ("[listen]\npop3 = \"[::]:110\"\n[auth]\nplaintext = false", 5, "nobody could log in"),
        ("[listen]\nsubmission = \"[::]:587\"", 5, "nobody could log in"),
        ("[listen]\nsubmissions = \"[::]:465\"\n[auth]\nplaintext = true", 5, "needs a certificate"),
        ("[tls]\ncertificate = \"c.pem\"", 4, "tls.key is missing"),
        ("[tls]\nkey = \"k.pem\"", 4, "tls.certificate is missing"),
        ("[tls]\nkey = \"\"\ncertificate = \"c.pem\"", 5, "must be a path"),
        ("[auth]\nplaintext = \"yes\"", 5, "must be true or false"),
        ("[submission]\nremove_bcc = 1", 5, "must be true or false"),
        ("[submission]\nheader_from = \"none\"", 5, "\"sender\""),
        ("[submission]\nbcc = true", 5, "there are remove_bcc,"),
        ("[dns]\nservers = \"dns.test\"", 5, "is no address"),
        ("[relay]\nport = 0", 5, "from 1 to 65535"),
        ("[relay]\nport = 65536", 5, "relay.port: 65536 must be"),
        ("[relay]\nport = -1", 5, "from 1 to 65535"),
        ("[relay]\nport = \"25\"", 5, "from 1 to 65535"),
        ("[relay]\nnetworks = \"192.0.2.1/24\"", 5, "is no network"),
        ("[relay]\nnetworks = [\"::1\", \"0.0.0.0/0\"]", 5, "open relay"),
        ("[relay]\nretry = []", 5, "relay.retry is empty"),
        ("[relay]\nretry = [\"1h\", 0]", 5, "a second at least"),
        ("[relay]\nretry = \"soon\"", 5, "is no time"),
        ("[relay]\nexpire = true", 5, "is no time"),
        ("[relay]\ntls = \"always\"", 5, "\"opportunistic\""),
        ("[relay]\nwarn = \"soon\"", 5, "is no time"),
        ("[relay]\nreturn_whole = \"much\"", 5, "is no size"),
        ("[[relay.route]]\ndomain = \"x.test\"\nhost = \"y.test\"\nprotocol = \"uucp\"", 7, "\"lmtp\""),
        ("[[relay.route]]\ndomain = \"x.test\"\nhost = \"y.test\"\ntls = \"some\"", 7, "\"implicit\""),
        ("[[relay.route]]\ndomain = \"x.test\"\nhost = \"y.test\"\nlogin = \"us\"", 4, "needs password_file"),
        (
            "[[relay.route]]\ndomain = \"x.test\"\nhost = \"y.test\"\nlogin = \"us\"\npassword_file = \"p\"",
            4,
            "login needs tls",
        ),
        ("[relay]\nroute = 1", 5, "[[relay.route]]"),
        ("[[relay.route]]\nhost = \"x.test\"", 4, "domain is missing"),
        ("[[relay.route]]\ndomain = \"x.test\"", 4, "host is missing"),
        ("[[relay.route]]\ndomain = \"x_y\"\nhost = \"x.test\"", 5, "or \"*\""),
        ("[[relay.route]]\ndomain = \"a.test\"\nhost = \"x.test\"", 4, "one of our domains"),
        (
            "[[relay.route]]\ndomain = \"*\"\nhost = \"x.test\"\n[[relay.route]]\ndomain = \"*\"\nhost = \"y.test\"",
            7,
            "has a route already",
        ),
        ("[limits]\nmessage = \"1KB\"", 5, "64KiB at least"),
        ("[limits]\nmessage = \"5GB\"", 5, "below 4GiB"),
        ("[limits]\nmessage = \"big\"", 5, "is no size"),
        ("[limits]\nrecipients = 99", 5, "from 100"),
        ("[limits]\nreceived = 50", 5, "from 100"),
        ("[limits]\nconnections = 0", 5, "from 1"),
        ("[limits]\nlogin_failures = 0", 5, "from 1"),
        ("[limits]\nlogin_delay = \"5m\"", 5, "a minute at most"),
    ] {
        let errors = with(rest).expect_err(rest);
        assert_eq!(errors.len(), 1, "{rest}: {errors:?}");
        let place = format!("line {line}: ");
        assert!(line == 0 || errors[0].starts_with(&place), "{rest}: {errors:?}");
        assert!(errors[0].contains(what), "{rest}: {errors:?}");
    }
}

#[test]
fn names_are_checked() {
    for (text, line, what) in [
        ("data = \"d\"\ndomains = \"a.test\"", None, "hostname is missing"),
        ("hostname = \"h.test\"\ndomains = \"a.test\"", None, "data is missing"),
        ("hostname = \"h.test\"\ndata = \"d\"", None, "domains is missing"),
        ("data = \"d\"\ndomains = \"a.test\"\nhostname = \"höst.test\"", Some(3), "A-label"),
        ("data = \"d\"\ndomains = \"a.test\"\nhostname = \"192.0.2.1\"", Some(3), "is an address"),
        ("data = \"d\"\nhostname = \"h.test\"\ndomains = [\"a.test\",\n\"A.test\"]", Some(4), "stands there twice"),
        ("data = \"d\"\nhostname = \"h.test\"\ndomains = []", Some(3), "domains is empty"),
        ("data = \"d\"\nhostname = \"h.test\"\ndomains = \"a..test\"", Some(3), "is no domain name"),
        ("data = 1\nhostname = \"h.test\"\ndomains = \"a.test\"", Some(1), "data: 1 must be a string"),
        ("data = \"a\\u0000b\"\nhostname = \"h.test\"\ndomains = \"a.test\"", Some(1), "has a NUL"),
    ] {
        let errors = parse(text).expect_err(text);
        assert_eq!(errors.len(), 1, "{text}: {errors:?}");
        assert!(line.is_none_or(|line: usize| errors[0].starts_with(&format!("line {line}: "))), "{text}: {errors:?}");
        assert!(errors[0].contains(what), "{text}: {errors:?}");
    }
    assert_eq!(parse("").unwrap_err().len(), 3);
}

#[test]
fn all_faults_are_told_in_the_order_of_lines() {
    let errors = with(
        "[limits]\nrecipients = 1\nmessage = 1\n[listen]\nimap = \"x\"\nimaps = \"[::]:993\"\n[relay]\nport = 0\n",
    )
    .unwrap_err();
    let lines: Vec<&str> = errors.iter().map(|error| error.split(':').next().unwrap()).collect();
    assert_eq!(lines, ["line 5", "line 6", "line 8", "line 9", "line 11"], "{errors:?}");
    // What is not TOML is told beside what else is wrong, and hides what might be missing.
    let errors = parse("hostname = \"mail.a.test\"\ndata =\n[limits]\nrecipients = 1\n").unwrap_err();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].starts_with("line 2: this is not TOML"), "{errors:?}");
    assert!(errors[1].starts_with("line 4: limits.recipients: 1 must be"), "{errors:?}");
    let many = "x = 1\n".repeat(1000);
    assert!(parse(&many).unwrap_err().len() <= 100);
}

#[test]
fn a_long_or_broken_value_is_shown_in_one_short_line() {
    let errors = with(&format!("[dns]\nservers = \"{}\"", "x".repeat(1000))).unwrap_err();
    assert!(errors[0].len() < 200, "{errors:?}");
    let errors = with("[relay]\ntls = \"\"\"a\nb\"\"\"").unwrap_err();
    assert!(!errors[0].contains('\n'), "{errors:?}");
}

#[test]
fn the_example_parses() {
    let config = parse(&example("mail.a.test", "a.test")).unwrap();
    assert_eq!((config.hostname.as_str(), config.domains.as_slice()), ("mail.a.test", &["a.test".to_string()][..]));
    assert_eq!(config.listen.len(), 7);
    assert!(config.listen.iter().all(|(listener, _)| *listener != Listener::Lmtp));
    assert!(config.tls.is_some() && !config.plaintext_login);
    assert_eq!(config.limits, Limits::default());
    // What it shows as defaults are the defaults, and all that it shows parses.
    let shown: String = example("mail.a.test", "a.test")
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.contains(" = ") || rest.starts_with('[') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let all = parse(&shown).unwrap();
    assert_eq!(
        (all.limits, all.relay.schedule, all.relay.tls),
        (config.limits, config.relay.schedule, config.relay.tls)
    );
    assert_eq!((all.aliases.len(), all.dns.len(), all.relay.routes.len(), all.listen.len()), (2, 2, 2, 8));
}

#[test]
fn lines_of_keys() {
    let text = "data = \"d\"\n\n[tls]\nkey = \"k\"\ncertificate = \"c\"\n[relay]\nca_file = \"x\"\n";
    for (key, line) in [
        ("data", Some(1)),
        ("tls", Some(3)),
        ("tls.key", Some(4)),
        ("tls.certificate", Some(5)),
        ("relay.ca_file", Some(7)),
        ("relay.port", None),
        ("data.x", None),
        ("x", None),
        ("", None),
    ] {
        assert_eq!(line_of(text, key), line, "{key}");
    }
}

#[test]
fn routes_say_how_their_host_is_met() {
    let route = |keys: &str| {
        let text = format!(
            "hostname = \"a.test\"\ndata = \"d\"\ndomains = [\"a.test\"]\n[relay]\nport = 2525\nwarn = 0\n\
             return_whole = \"1KiB\"\n[[relay.route]]\ndomain = \"x.test\"\nhost = \"y.test\"\n{keys}"
        );
        let config = Config::parse(&text, Path::new("/etc")).unwrap();
        assert_eq!((config.relay.schedule.warn, config.relay.return_whole), (None, 1024));
        config.relay.routes[0].clone()
    };
    let plain = route("");
    assert_eq!((plain.port, plain.lmtp, plain.tls, plain.implicit_tls, plain.login), (2525, false, None, false, None));
    let lmtp = route("protocol = \"lmtp\"\ntls = \"none\"");
    assert_eq!((lmtp.port, lmtp.lmtp, lmtp.tls), (24, true, Some(RelayTls::None)));
    let known = route("tls = \"implicit\"\nlogin = \"us\"\npassword_file = \"p\"");
    assert_eq!((known.port, known.tls, known.implicit_tls), (465, Some(RelayTls::Verified), true));
    let login = known.login.unwrap();
    assert_eq!((login.name.as_str(), login.password_file.as_path()), ("us", Path::new("/etc/p")));
}
