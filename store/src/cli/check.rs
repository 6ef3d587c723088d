//! `config check`, and what `serve` does before it starts anything: the configuration and all
//! that it names.

use std::fmt::{Display, Write};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::SystemTime;

use postkern_server::config::{self, Config, Listener, RelayTls};
use postkern_server::dns;
use postkern_server::job::Secret;

use super::args::ConfigFile;
use super::error::CliError;
use super::files::print;
use super::listen::{self, Unbound};
use crate::runtime::ClientTls;
use crate::tls::{self, ServerTls};
use crate::tokens::read_keys;

/// Where the system says which name servers to ask.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// A configuration, and what it names.
pub(super) struct Checked {
    pub(super) config: Config,
    pub(super) tls: Option<ServerTls>,
    pub(super) clients: ClientTls,
    pub(super) dns: Vec<SocketAddr>,
    pub(super) listeners: Vec<(Listener, TcpListener)>,
    /// Sockets that cannot be had.
    pub(super) unbound: Vec<Unbound>,
    /// What works, and yet is worth a thought.
    pub(super) notes: Vec<String>,
}

/// A configuration's text, to find the line that is to blame.
struct Source<'f> {
    file: &'f Path,
    text: String,
}

impl Source<'_> {
    /// `what` behind the file's name and the key's line.
    fn blame(&self, key: &str, what: impl Display) -> Blame {
        Blame { line: config::line_of(&self.text, key), what: what.to_string() }
    }

    /// All of it, in the order of lines.
    fn error(&self, mut blames: Vec<Blame>) -> CliError {
        blames.sort_by_key(|blame| blame.line);
        let place = self.file.display();
        let lines = blames.into_iter().map(|Blame { line, what }| match line {
            Some(line) => format!("{place}:{line}: {what}"),
            None => format!("{place}: {what}"),
        });
        CliError::Config(lines.collect())
    }
}

/// What is wrong, and in which line.
struct Blame {
    line: Option<usize>,
    what: String,
}

/// `config check`.
pub(super) fn run(args: &ConfigFile) -> Result<(), CliError> {
    let (source, config) = load(&args.config)?;
    let checked = examine_loaded(&source, config)?;
    let (in_use, refused): (Vec<_>, Vec<_>) = checked.unbound.iter().partition(|unbound| unbound.is_in_use());
    if !refused.is_empty() {
        let blame = |unbound: &&Unbound| source.blame(&format!("listen.{}", unbound.listener), unbound.explain());
        return Err(source.error(refused.iter().map(blame).collect()));
    }
    let mut said = summary(&args.config, &checked);
    for unbound in in_use {
        // The server that runs by this very file is the likeliest.
        let _ = writeln!(said, "note: {}: {} is in use, perhaps by this server", unbound.listener, unbound.address);
    }
    print(&said)
}

/// Reads a configuration, for a command that needs no more of what it names.
pub(super) fn read(file: &Path) -> Result<Config, CliError> {
    load(file).map(|(_, config)| config)
}

/// Reads a configuration and all that it names. Sockets are bound, and stay so.
pub(super) fn examine(file: &Path) -> Result<Checked, CliError> {
    let (source, config) = load(file)?;
    examine_loaded(&source, config)
}

fn load(file: &Path) -> Result<(Source<'_>, Config), CliError> {
    let text = fs::read_to_string(file).map_err(|error| {
        let place = file.display();
        CliError::Config(vec![format!("{place}: {error}: name another with --config, or make one with init")])
    })?;
    let source = Source { file, text };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match Config::parse(&source.text, folder) {
        Ok(config) => Ok((source, config)),
        Err(errors) => {
            let blames = errors.into_iter().map(|error| Blame { line: error.line, what: error.what });
            Err(source.error(blames.collect()))
        }
    }
}

fn examine_loaded(source: &Source<'_>, mut config: Config) -> Result<Checked, CliError> {
    let (mut wrong, mut notes) = (Vec::new(), Vec::new());
    let tls = config.tls.as_ref().and_then(|files| match ServerTls::load(files) {
        Ok(tls) => {
            let doubts = tls.doubts(&config.hostname, SystemTime::now());
            notes.extend(doubts.iter().map(|doubt| format!("{}: {doubt}", files.certificate.display())));
            match &config.auth.client_ca {
                None => Some(tls),
                Some(authorities) => match tls.asking_clients(authorities) {
                    Ok(tls) => Some(tls),
                    Err(error) => {
                        wrong.push(source.blame("tls.client_ca", error));
                        None
                    }
                },
            }
        }
        Err(error) => {
            let key = if error.file() == files.key { "tls.key" } else { "tls.certificate" };
            wrong.push(source.blame(key, error));
            None
        }
    });
    let clients = tls::clients(config.relay.ca_file.as_deref());
    if let Err(error) = &clients {
        wrong.push(source.blame("relay.ca_file", error));
    }
    if let Some(oauth) = &config.auth.oauth
        && let Err(why) = read_keys(&oauth.keys)
    {
        wrong.push(source.blame("auth.oauth.keys", format!("{}: {why}", oauth.keys.display())));
    }
    for route in &mut config.relay.routes {
        let Some(login) = &mut route.login else { continue };
        match fs::read_to_string(&login.password_file) {
            Ok(text) => login.password = Secret(text.lines().next().unwrap_or_default().into()),
            Err(error) => {
                wrong.push(source.blame("relay.route", format!("{}: {error}", login.password_file.display())));
            }
        }
    }
    if config.data.exists() && !config.data.is_dir() {
        wrong.push(source.blame("data", format!("{} is to hold the store, and is no folder", config.data.display())));
    }
    if config.listen.is_empty() {
        let what = "there is nothing to listen on: name an address at least, as in smtp = [\"0.0.0.0:25\"]";
        wrong.push(source.blame("listen", what));
    }
    notes.extend(deaf(&config));
    let clients = match clients {
        Ok(clients) if wrong.is_empty() => clients,
        _ => return Err(source.error(wrong)),
    };
    let dns = servers(&config);
    let (listeners, unbound) = listen::bind(&config.listen);
    Ok(Checked { config, tls, clients, dns, listeners, unbound, notes })
}

/// Listeners at which nobody can do what they are for.
fn deaf(config: &Config) -> Option<String> {
    let needs_login = |listener| !matches!(listener, Listener::Smtp | Listener::Lmtp);
    let asks = config.listen.iter().any(|&(listener, _)| needs_login(listener));
    (asks && config.tls.is_none() && !config.plaintext_login).then(|| {
        "nobody can log in: there is no [tls], and without it passwords are not taken (plaintext_login)".to_owned()
    })
}

/// The name servers to ask: the configuration's, or the system's.
pub(super) fn servers(config: &Config) -> Vec<SocketAddr> {
    if !config.dns.is_empty() {
        return config.dns.clone();
    }
    let servers = fs::read_to_string(RESOLV_CONF).map(|text| dns::servers_of(&text)).unwrap_or_default();
    // resolv.conf(5): without any it is the one on this machine.
    if servers.is_empty() { vec![(Ipv4Addr::LOCALHOST, 53).into()] } else { servers }
}

fn summary(file: &Path, checked: &Checked) -> String {
    let Checked { config, dns, notes, .. } = checked;
    let list = |items: Vec<String>| if items.is_empty() { "none".to_owned() } else { items.join(", ") };
    let tls = match config.relay.tls {
        RelayTls::None => "never",
        RelayTls::Opportunistic => "where offered",
        RelayTls::Required => "required",
        RelayTls::Verified => "required, certificates verified",
    };
    let certificate = config.tls.as_ref().map(|files| files.certificate.display().to_string());
    let mut text = format!("{}: good\n", file.display());
    for (name, value) in [
        ("hostname", config.hostname.clone()),
        ("domains", list(config.domains.clone())),
        ("data", config.data.display().to_string()),
        ("listen", list(config.listen.iter().map(|(listener, at)| format!("{listener} {at}")).collect())),
        ("certificate", list(certificate.into_iter().collect())),
        ("dns", list(dns.iter().map(SocketAddr::to_string).collect())),
        ("relay", format!("TLS {tls}, {} routes of its own", config.relay.routes.len())),
    ] {
        let _ = writeln!(text, "  {name:<12}{value}");
    }
    for note in notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_and_wrong_is_blamed_on_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p.toml");
        let text = "hostname = \"mail.a.test\"\ndata = \"p.toml\"\ndomains = [\"a.test\"]\n[tls]\n\
                    certificate = \"c.pem\"\nkey = \"k.pem\"\n[relay]\nca_file = \"ca.pem\"\n\
                    [listen]\nsmtp = [\"127.0.0.1:0\"]\n";
        fs::write(&file, text).unwrap();
        let Err(CliError::Config(lines)) = examine(&file) else { panic!("it was taken") };
        let place = file.display();
        for (line, start) in lines.iter().zip([format!("{place}:2: "), format!("{place}:5: "), format!("{place}:8: ")])
        {
            assert!(line.starts_with(&start), "{line}");
        }
        assert_eq!(lines.len(), 3, "{lines:?}");
    }

    #[test]
    fn servers_are_those_of_the_configuration_first() {
        let mut config = Config::new("mail.a.test", &["a.test"], "data".into());
        assert!(!servers(&config).is_empty());
        config.dns = vec![([192, 0, 2, 53], 53).into()];
        assert_eq!(servers(&config), config.dns);
    }
}
