//! The file's keys, one after the other, and what must hold between them.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::reader::{Reader, Section, line, number, string};
use super::values::{self, Read};
use super::{
    CertificateFiles, Config, ConfigError, EXPANSION_MAX, Limits, Listener, Network, RelayTls, RouteLogin, StaticRoute,
    aliases, auth, policy,
};
use crate::account::normalize;
use crate::job::Secret;

/// Octets that a message may have at least (RFC 5321 section 4.5.3.1.7), and at most:
/// RFC822.SIZE of IMAP4rev1 is a number below 2^32 (RFC 3501 section 9).
const MESSAGE: core::ops::RangeInclusive<u64> = 64 * 1024..=u32::MAX as u64;
/// The longest silence that is waited out.
const IDLE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// A wrong password's answer is held back no longer than clients wait for one.
const LOGIN_DELAY_MAX: Duration = Duration::from_secs(60);

/// As [`Config::parse`].
pub(super) fn parse(text: &str, folder: &Path) -> Result<Config, Vec<ConfigError>> {
    let (mut reader, tree) = Reader::new(text);
    let file = Section { name: "", table: tree.get_ref() };
    let own = ["hostname", "data", "domains", "aliases", "listen", "tls", "auth", "dns", "relay", "limits"];
    reader.known(file, &[&own[..], &policy::SECTIONS].concat());
    let hostname = reader.value(file, "hostname", |value| values::domain(string(value)?));
    let data = reader.value(file, "data", |value| file_path(value, folder));
    for (key, example) in [
        ("hostname", "hostname = \"mail.example.org\""),
        ("data", "data = \"/var/lib/postkern\""),
        ("domains", "domains = [\"example.org\"]"),
    ] {
        if !file.table.contains_key(key) {
            reader.blame_file(format!("{key} is missing: write {example} above all sections"));
        }
    }
    let mut config = Config::new(&hostname.unwrap_or_default(), &[], data.unwrap_or_default());
    domains(&mut reader, file, &mut config);
    if let Some(section) = reader.section(file.table, "aliases") {
        read_aliases(&mut reader, section, &mut config);
    }
    if let Some(section) = reader.section(file.table, "tls") {
        reader.known(section, &["certificate", "key", "client_ca"]);
        config.tls = certificate(&mut reader, section, file.table, folder);
    }
    auth::read(&mut reader, file.table, folder, &mut config);
    if let Some(section) = reader.section(file.table, "dns") {
        reader.known(section, &["servers"]);
        let servers = reader.list(section, "servers", |value| values::server(string(value)?, 53));
        config.dns = servers.unwrap_or_default().into_iter().map(|(_, server)| server).collect();
    }
    if let Some(section) = reader.section(file.table, "listen") {
        listen(&mut reader, section, file.table, &mut config);
    }
    if let Some(section) = reader.section(file.table, "relay") {
        relay(&mut reader, section, folder, &mut config);
    }
    if let Some(section) = reader.section(file.table, "limits") {
        limits(&mut reader, section, &mut config.limits);
    }
    policy::sections(&mut reader, file.table, &mut config);
    let errors = reader.finish();
    if errors.is_empty() { Ok(config) } else { Err(errors) }
}

/// The line of a key in a file, from 1, for those who find out later that its value is wrong:
/// as in `data` or `tls.certificate`.
pub fn line_of(text: &str, key: &str) -> Option<usize> {
    let (tree, _) = DeTable::parse_recoverable(text);
    let mut table = tree.get_ref();
    let mut parts = key.split('.').peekable();
    while let Some(part) = parts.next() {
        let (name, node) = table.get_key_value(part)?;
        if parts.peek().is_none() {
            return Some(line(text, name.span().start));
        }
        table = node.get_ref().as_table()?;
    }
    None
}

fn domains<'t>(reader: &mut Reader<'t>, file: Section<'_, 't>, config: &mut Config) {
    let Some(domains) = reader.list(file, "domains", |value| values::domain(string(value)?)) else { return };
    if let Some(at) = file.empty_list("domains") {
        reader.blame(at, "domains is empty: name at least one, as in [\"example.org\"]");
    }
    for (at, domain) in domains {
        match config.is_local(&domain) {
            true => reader.blame(at, format!("domains: {domain:?} stands there twice")),
            false => config.domains.push(domain),
        }
    }
}

fn read_aliases<'t>(reader: &mut Reader<'t>, section: Section<'_, 't>, config: &mut Config) {
    // Where each alias stands, for what is found out of all of them together.
    let mut places = BTreeMap::new();
    for (key, node) in section.table {
        let (name, at) = (key.get_ref(), key.span().start);
        let targets = reader.items(node, &format!("aliases.{name:?}"), |value| {
            string(value).and_then(values::mailbox).map(|target| config.target(target))
        });
        if node.get_ref().as_array().is_some_and(|array| array.is_empty()) {
            reader.blame(at, format!("alias {name:?} stands for nobody: name an address, or remove it"));
        }
        if let Err(why) = values::mailbox(name) {
            reader.blame(at, format!("alias {name:?} {why}"));
            continue;
        }
        let name = normalize(name);
        let domain = name.rsplit_once('@').map_or("", |(_, domain)| domain);
        // Without a single domain that is right, all aliases would be wrong for that reason.
        if !config.is_local(domain) && !config.domains.is_empty() {
            reader.blame(at, format!("alias {name:?}: its domain must be one of ours; domains does not have it"));
        } else if places.insert(name.clone(), at).is_some() {
            reader.blame(at, format!("alias {name:?} stands there twice: case and quotes make no difference"));
        } else {
            config.aliases.insert(name, targets.into_iter().map(|(_, target)| target).collect());
        }
    }
    let place = |name: &str| places.get(name).copied().unwrap_or_default();
    let loops = aliases::loops(&config.aliases);
    for names in &loops {
        let (Some(first), shown) = (names.first(), names.iter().take(5).copied().collect::<Vec<_>>()) else { continue };
        let what = match names.len() {
            1 if config.aliases[*first].is_empty() => continue,
            1 => format!("alias {first:?} stands for itself alone: remove it"),
            2..=5 => format!("these aliases stand for each other in a loop: {}", shown.join(", ")),
            _ => format!("these aliases stand for each other in a loop: {}, ...", shown.join(", ")),
        };
        reader.blame(place(first), what);
    }
    for name in config.aliases.keys() {
        if aliases::expand(&config.aliases, name.clone(), EXPANSION_MAX).1 {
            reader.blame(place(name), format!("alias {name:?} stands for more than {EXPANSION_MAX} addresses"));
        }
    }
}

fn certificate<'t>(
    reader: &mut Reader<'t>,
    section: Section<'_, 't>,
    file: &DeTable<'t>,
    folder: &Path,
) -> Option<CertificateFiles> {
    let certificate = reader.value(section, "certificate", |value| file_path(value, folder));
    let key = reader.value(section, "key", |value| file_path(value, folder));
    for name in ["certificate", "key"] {
        if let (false, Some((place, _))) = (section.table.contains_key(name), file.get_key_value("tls")) {
            reader.blame(place.span().start, format!("tls.{name} is missing: write {name} = \"{name}.pem\""));
        }
    }
    Some(CertificateFiles { certificate: certificate?, key: key? })
}

fn listen<'t>(reader: &mut Reader<'t>, section: Section<'_, 't>, file: &DeTable<'t>, config: &mut Config) {
    reader.known(section, &Listener::ALL.map(Listener::name));
    // A [tls] that is wrong has been told of.
    let tls = file.contains_key("tls");
    let mut taken: BTreeSet<SocketAddr> = BTreeSet::new();
    for listener in Listener::ALL {
        let name = listener.name();
        let addresses = reader.list(section, name, |value| values::socket(string(value)?)).unwrap_or_default();
        if let (false, Some((key, _))) = (addresses.is_empty(), section.table.get_key_value(name)) {
            if listener.is_implicit_tls() && !tls {
                reader.blame(
                    key.span().start,
                    format!("listen.{name} needs a certificate: write [tls] with certificate and key"),
                );
            }
            let logs_in = matches!(listener, Listener::Submission | Listener::Pop3 | Listener::Imap);
            if logs_in && !tls && !config.plaintext_login {
                reader.blame(
                    key.span().start,
                    format!(
                        "listen.{name}: nobody could log in without TLS: write [tls] with certificate and key, \
                         or plaintext = true below [auth] if passwords may be read on the way"
                    ),
                );
            }
        }
        for (at, address) in addresses {
            // Port 0 is another port each time.
            if address.port() != 0 && !taken.insert(address) {
                reader.blame(at, format!("listen.{name}: {address} stands there twice"));
            }
            config.listen.push((listener, address));
        }
    }
}

fn relay<'t>(reader: &mut Reader<'t>, section: Section<'_, 't>, folder: &Path, config: &mut Config) {
    reader.known(
        section,
        &["port", "domains", "networks", "retry", "expire", "warn", "return_whole", "tls", "ca_file", "route"],
    );
    let relay = &mut config.relay;
    if let Some(port) = reader.value(section, "port", port) {
        relay.port = port;
    }
    for (at, domain) in reader.list(section, "domains", |value| values::domain(string(value)?)).unwrap_or_default() {
        match () {
            () if config.domains.contains(&domain) => {
                reader.blame(at, format!("relay.domains: {domain:?} is one of our domains, whose mail ends here"));
            }
            () if relay.domains.contains(&domain) => {
                reader.blame(at, format!("relay.domains: {domain:?} stands there twice"));
            }
            () => relay.domains.push(domain),
        }
    }
    let networks = reader.list(section, "networks", |value| network(string(value)?));
    relay.networks = networks.unwrap_or_default().into_iter().map(|(_, network)| network).collect();
    if let Some(retry) = reader.list(section, "retry", |value| positive(duration(value)?)) {
        if let Some(at) = section.empty_list("retry") {
            reader.blame(at, "relay.retry is empty: name at least one wait, as in [\"15m\", \"1h\"]");
        }
        relay.schedule.retry = retry.into_iter().map(|(_, wait)| wait).collect();
    }
    if let Some(expire) = reader.value(section, "expire", |value| positive(duration(value)?)) {
        relay.schedule.expire = expire;
    }
    if let Some(warn) = reader.value(section, "warn", duration) {
        relay.schedule.warn = Some(warn).filter(|warn| !warn.is_zero());
    }
    if let Some(octets) = reader.value(section, "return_whole", size) {
        relay.return_whole = octets;
    }
    if let Some(tls) = reader.value(section, "tls", relay_tls) {
        relay.tls = tls;
    }
    relay.ca_file = reader.value(section, "ca_file", |value| file_path(value, folder));
    match section.table.get("route").map(|node| (node.span().start, node.get_ref())) {
        None => {}
        Some((_, DeValue::Array(routes))) => {
            for node in routes {
                match node.get_ref() {
                    DeValue::Table(table) => {
                        route(reader, Section { name: "relay.route", table }, node.span().start, folder, config);
                    }
                    _ => reader.blame(node.span().start, "relay.route: write [[relay.route]] above its keys"),
                }
            }
        }
        Some((at, _)) => reader.blame(at, "relay.route: there may be several: write [[relay.route]] above its keys"),
    }
}

fn route<'t>(reader: &mut Reader<'t>, section: Section<'_, 't>, at: usize, folder: &Path, config: &mut Config) {
    reader.known(section, &["domain", "host", "port", "protocol", "tls", "login", "password_file"]);
    let domain = reader.value(section, "domain", |value| match string(value)? {
        "*" => Ok("*".into()),
        text => values::domain(text).map_err(|why| format!("{why}; or \"*\" for all others")),
    });
    let host = reader.value(section, "host", |value| values::host(string(value)?));
    let port = reader.value(section, "port", port);
    let lmtp = reader.value(section, "protocol", |value| match value.as_str() {
        Some("smtp") => Ok(false),
        Some("lmtp") => Ok(true),
        _ => Err("must be \"smtp\" or \"lmtp\"".into()),
    });
    let tls = reader.value(section, "tls", |value| match value.as_str() {
        Some("implicit") => Ok(None),
        _ => relay_tls(value).map(Some).map_err(|why| format!("{why}; or \"implicit\" for TLS from the start")),
    });
    let (implicit_tls, tls) = match tls {
        Some(None) => (true, Some(RelayTls::Verified)),
        other => (false, other.flatten()),
    };
    let login = route_login(reader, section, at, folder);
    if login.is_some() && tls != Some(RelayTls::Verified) {
        reader.blame(
            at,
            "relay.route: login needs tls = \"verified\" or \"implicit\": anyone else could read the password",
        );
    }
    for (key, example) in [("domain", "\"example.com\""), ("host", "\"relay.example.net\"")] {
        if !section.table.contains_key(key) {
            reader.blame(at, format!("relay.route: {key} is missing: write {key} = {example}"));
        }
    }
    let (Some(domain), Some(host)) = (domain, host) else { return };
    if config.is_local(&domain) {
        reader.blame(at, format!("relay.route: {domain:?} is one of our domains, whose mail ends here"));
    } else if config.relay.routes.iter().any(|route| route.domain == domain) {
        reader.blame(at, format!("relay.route: {domain:?} has a route already"));
    } else {
        let lmtp = lmtp.unwrap_or_default();
        // RFC 2033 section 5: never the port of SMTP.
        let port = port.unwrap_or(match (lmtp, implicit_tls) {
            (true, _) => 24,
            (false, true) => 465,
            (false, false) => config.relay.port,
        });
        config.relay.routes.push(StaticRoute { domain, host, port, lmtp, tls, implicit_tls, login });
    }
}

fn route_login<'t>(reader: &mut Reader<'t>, section: Section<'_, 't>, at: usize, folder: &Path) -> Option<RouteLogin> {
    let name = reader.value(section, "login", |value| match string(value)? {
        "" => Err("is empty, and must be the account's name".into()),
        name => Ok(name.to_owned()),
    });
    let password_file = reader.value(section, "password_file", |value| file_path(value, folder));
    for (key, other) in [("login", "password_file"), ("password_file", "login")] {
        if section.table.contains_key(key) && !section.table.contains_key(other) {
            reader.blame(at, format!("relay.route: {key} needs {other} beside it"));
        }
    }
    let (name, password_file) = (name?, password_file?);
    Some(RouteLogin { name, password_file, password: Secret(Vec::new()) })
}

fn limits<'t>(reader: &mut Reader<'t>, section: Section<'_, 't>, limits: &mut Limits) {
    reader.known(
        section,
        &[
            "message",
            "recipients",
            "connections",
            "connections_per_address",
            "connections_per_network",
            "connections_per_minute",
            "messages_per_minute",
            "recipients_per_minute",
            "login_failures_per_hour",
            "received",
            "received_here",
            "login_failures",
            "login_delay",
            "relays",
            "relays_per_domain",
            "login_time",
            "smtp_idle",
            "pop3_idle",
            "imap_idle",
            "data_rate",
            "mistakes_before_login",
            "mistakes",
            "refusals",
            "messages_per_connection",
            "excess",
            "smtp_line",
            "imap_line",
            "imap_literal",
            "imap_literals",
            "imap_command",
        ],
    );
    if let Some(octets) = reader.value(section, "message", message_size) {
        limits.message = octets;
    }
    // RFC 5321 sections 4.5.3.1.8 and 6.3: a hundred at least of each.
    for (key, least, limit) in [
        ("recipients", 100, &mut limits.recipients),
        ("received", 100, &mut limits.received),
        ("received_here", 1, &mut limits.received_here),
        ("login_failures", 1, &mut limits.login_failures),
        ("data_rate", 0, &mut limits.data_rate),
        ("connections_per_minute", 0, &mut limits.connections_per_minute),
        ("messages_per_connection", 0, &mut limits.messages_per_connection),
        ("messages_per_minute", 0, &mut limits.messages_per_minute),
        ("recipients_per_minute", 0, &mut limits.recipients_per_minute),
        ("login_failures_per_hour", 0, &mut limits.login_failures_per_hour),
        ("imap_literals", 1, &mut limits.imap_literals),
    ] {
        if let Some(count) = reader.value(section, key, |value| number(value, least..=u32::MAX.into())) {
            *limit = count as u32;
        }
    }
    for (key, limit) in [
        ("connections", &mut limits.connections),
        ("connections_per_address", &mut limits.connections_per_address),
        ("connections_per_network", &mut limits.connections_per_network),
        ("relays", &mut limits.relays),
        ("relays_per_domain", &mut limits.relays_per_domain),
    ] {
        if let Some(count) = reader.value(section, key, |value| number(value, 1..=1_000_000)) {
            *limit = count as usize;
        }
    }
    for (key, limit) in [
        ("mistakes_before_login", &mut limits.mistakes_before_login),
        ("mistakes", &mut limits.mistakes),
        ("refusals", &mut limits.refusals),
    ] {
        if let Some(count) = reader.value(section, key, |value| number(value, 1..=u16::MAX.into())) {
            *limit = count as u16;
        }
    }
    // The least that the RFCs let a client count on; the most that a connection should hold.
    for (key, least, limit) in [
        ("excess", 1024, &mut limits.excess),
        // MAIL with all its parameters (see `postkern::smtp::MailParams`).
        ("smtp_line", 1259, &mut limits.smtp_line),
        ("imap_line", 8000, &mut limits.imap_line),
        ("imap_literal", 1024, &mut limits.imap_literal),
        ("imap_command", 16 * 1024, &mut limits.imap_command),
    ] {
        if let Some(octets) = reader.value(section, key, |value| number(value, least..=16 * 1024 * 1024)) {
            *limit = octets as usize;
        }
    }
    for (key, least, limit) in [
        ("login_time", 10, &mut limits.login_time),
        ("smtp_idle", 300, &mut limits.smtp_idle),
        ("pop3_idle", 600, &mut limits.pop3_idle),
        ("imap_idle", 1800, &mut limits.imap_idle),
    ] {
        let time = reader.value(section, key, |value| match duration(value)? {
            time if time < Duration::from_secs(least) => Err(format!("is too short: {least} seconds at least")),
            time if time > IDLE_MAX => Err("is too long: a day at most".into()),
            time => Ok(time),
        });
        if let Some(time) = time {
            *limit = time;
        }
    }
    let delay = reader.value(section, "login_delay", |value| match duration(value)? {
        delay if delay <= LOGIN_DELAY_MAX => Ok(delay),
        _ => Err("is too long: a minute at most".into()),
    });
    if let Some(delay) = delay {
        limits.login_delay = delay;
    }
}

/// A path as in the file, or below the file's folder.
pub(super) fn file_path(value: &DeValue<'_>, folder: &Path) -> Read<PathBuf> {
    match string(value)? {
        "" => Err("is empty, and must be a path".into()),
        text if text.contains('\0') => Err("has a NUL, which no path can hold".into()),
        text => Ok(folder.join(text)),
    }
}

fn port(value: &DeValue<'_>) -> Read<u16> {
    number(value, 1..=u16::MAX.into()).map(|port| port as u16)
}

pub(super) fn boolean(value: &DeValue<'_>) -> Read<bool> {
    value.as_bool().ok_or_else(|| "must be true or false".into())
}

pub(super) fn duration(value: &DeValue<'_>) -> Read<Duration> {
    match value {
        DeValue::Integer(_) => number(value, 0..=u32::MAX.into()).map(Duration::from_secs),
        _ => values::duration(value.as_str().unwrap_or_default()),
    }
}

fn positive(duration: Duration) -> Read<Duration> {
    if duration.is_zero() { Err("must be a second at least".into()) } else { Ok(duration) }
}

pub(super) fn size(value: &DeValue<'_>) -> Read<u64> {
    match value {
        DeValue::Integer(_) => number(value, 0..=u64::MAX),
        _ => values::size(value.as_str().unwrap_or_default()),
    }
}

pub(super) fn message_size(value: &DeValue<'_>) -> Read<u64> {
    let octets = size(value)?;
    match MESSAGE.contains(&octets) {
        true => Ok(octets),
        false => Err("must be 64KiB at least, and below 4GiB, which IMAP could not tell of".into()),
    }
}

pub(super) fn network(text: &str) -> Read<Network> {
    match Network::parse(text) {
        None => Err("is no network, as in \"192.0.2.0/24\" or \"2001:db8::/32\", \
                     with nothing but zeros behind the prefix"
            .into()),
        Some(network) if network.parts().1 == 0 => {
            Err("is everybody: an open relay is used for spam within hours".into())
        }
        Some(network) => Ok(network),
    }
}

fn relay_tls(value: &DeValue<'_>) -> Read<RelayTls> {
    match value.as_str() {
        Some("none") => Ok(RelayTls::None),
        Some("opportunistic") => Ok(RelayTls::Opportunistic),
        Some("required") => Ok(RelayTls::Required),
        Some("verified") => Ok(RelayTls::Verified),
        _ => Err("must be \"none\", \"opportunistic\", \"required\" or \"verified\"".into()),
    }
}
