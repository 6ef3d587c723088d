//! The ready-made server: on 127.0.0.1, with accounts, a certificate and a configuration made
//! on the spot and kept for the next start. Nothing that is sent leaves the machine.

use std::fmt::Write;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use postkern_server::config::{Auth, CertificateFiles, Listener};
use postkern_server::job::{Backend, Done, Job, Secret};

use super::args::ReadyMade;
use super::error::CliError;
use super::files::{PUBLIC, SECRET, make_folder, print, random_password, replace};
use super::paste::{Paste, quoted};
use super::{account, check, listen, serve, signals};
use crate::runtime::{Runtime, Setup};
use crate::sqlite::Sqlite;
use crate::tls::{self, ServerTls, self_signed};

const HOSTNAME: &str = "mail.example.test";
const NAMES: [&str; 2] = ["alice@example.test", "bob@example.test"];
/// What the certificate is made for.
const CERTIFIED: [&str; 3] = ["localhost", "127.0.0.1", HOSTNAME];
const LASTS: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// A certificate with less than this left is made anew.
const LEFT: Duration = Duration::from_secs(24 * 60 * 60);
const PORTS: [(Listener, u16); 7] = [
    (Listener::Smtp, 2525),
    (Listener::Submission, 2587),
    (Listener::Submissions, 2465),
    (Listener::Pop3, 2110),
    (Listener::Pop3s, 2995),
    (Listener::Imap, 2143),
    (Listener::Imaps, 2993),
];

/// The files of the server's folder.
struct Folder {
    root: PathBuf,
    certificate: CertificateFiles,
    accounts: PathBuf,
    config: PathBuf,
}

/// An account, and the password that is kept for it.
struct Known {
    name: String,
    password: String,
    /// The account has another password by now.
    changed: bool,
}

pub(super) fn run(runtime: &dyn Runtime, args: &ReadyMade) -> Result<(), CliError> {
    let root = args.data.clone().unwrap_or_else(|| "postkern-data".into());
    make_folder(&root)?;
    // Pasted lines are to work in any folder.
    let root = root.canonicalize().map_err(CliError::io("cannot find", &root))?;
    let folder = Folder {
        certificate: CertificateFiles { certificate: root.join("certificate.pem"), key: root.join("key.pem") },
        accounts: root.join("accounts.txt"),
        config: root.join("postkern.toml"),
        root,
    };
    let tls = folder.certificate()?;
    let stop =
        signals::stop().map_err(|source| CliError::Io { what: "signals cannot be taken over".into(), source })?;
    let backend: Arc<dyn Backend> = Arc::new(Sqlite::open_serving(&folder.root)?);
    let known = folder.accounts(&*backend)?;
    let listeners = bind()?;
    replace(&folder.config, PUBLIC, &configuration(&addresses(&listeners)?))?;
    let config = check::read(&folder.config)?;
    print(&greeting(runtime.program(), &folder, &known, &addresses(&listeners)?))?;
    serve::announce(&listeners, args.ready_file.as_deref())?;
    let clients = tls::clients(None)?;
    let dns = check::servers(&config);
    let setup = Setup { config: Arc::new(config), backend, listeners, tls: Some(tls), clients, dns, stop, tap: None };
    serve::until_stopped(runtime, setup)
}

impl Folder {
    /// The certificate, made if there is none that is good for another day.
    fn certificate(&self) -> Result<ServerTls, CliError> {
        let tomorrow = SystemTime::now() + LEFT;
        if self.certificate.certificate.exists()
            && let Ok(tls) = ServerTls::load(&self.certificate)
            && CERTIFIED.iter().all(|name| tls.doubts(name, tomorrow).is_empty())
        {
            return Ok(tls);
        }
        let made = self_signed(&CERTIFIED, SystemTime::now(), LASTS)?;
        replace(&self.certificate.key, SECRET, &made.key.0)?;
        replace(&self.certificate.certificate, PUBLIC, &made.certificate)?;
        Ok(ServerTls::load(&self.certificate)?)
    }

    /// The accounts, made if they are not there, with the passwords of the first start.
    fn accounts(&self, backend: &dyn Backend) -> Result<Vec<Known>, CliError> {
        if !self.accounts.exists() {
            let mut text = String::new();
            for name in NAMES {
                let _ = writeln!(text, "{name} {}", random_password()?);
            }
            replace(&self.accounts, SECRET, &text)?;
        }
        let text = fs::read_to_string(&self.accounts).map_err(CliError::io("cannot read", &self.accounts))?;
        NAMES.into_iter().map(|name| known(name, password_of(&text, name), backend, &self.accounts)).collect()
    }
}

fn password_of<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
}

fn known(name: &str, password: Option<&str>, backend: &dyn Backend, file: &Path) -> Result<Known, CliError> {
    let Some(password) = password else {
        let file = file.display();
        return Err(CliError::Refused(format!(
            "{file}: no line for {name}: it should be {name}, a space and a password; remove the file to have it made \
             anew"
        )));
    };
    let hashes = Auth::default().hashes();
    let job = Job::Authenticate { login: name.to_owned(), password: Secret(password.into()), scram: hashes.clone() };
    let fits = match backend.run(job) {
        Done::Authenticated(found) => found.is_some(),
        other => return Err(CliError::unexpected(other)),
    };
    // One that is there and has another password was changed since.
    let changed = !fits && !account::create(backend, name, password, &hashes)?;
    Ok(Known { name: name.to_owned(), password: password.to_owned(), changed })
}

/// Each listener on its own port, or on the next that is free.
fn bind() -> Result<Vec<(Listener, TcpListener)>, CliError> {
    let bind = |(listener, port)| {
        let socket = listen::bind_near(listener, SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        socket.map(|socket| (listener, socket)).map_err(|unbound| CliError::Refused(unbound.explain()))
    };
    PORTS.into_iter().map(bind).collect()
}

fn addresses(listeners: &[(Listener, TcpListener)]) -> Result<Vec<(Listener, SocketAddr)>, CliError> {
    let address = |(listener, socket): &(Listener, TcpListener)| match socket.local_addr() {
        Ok(address) => Ok((*listener, address)),
        Err(source) => Err(CliError::Io { what: format!("{listener}: no address"), source }),
    };
    listeners.iter().map(address).collect()
}

/// What this server runs by, as a file: `queue` and `account` work by it, and it is there to
/// be read.
fn configuration(addresses: &[(Listener, SocketAddr)]) -> String {
    let mut text = String::from(
        "\
# What the ready-made server runs by. It is written anew at each start: to change something,
# copy it to another folder, and serve by the copy.
hostname = \"mail.example.test\"
domains = [\"example.test\"]
data = \".\"

[tls]
certificate = \"certificate.pem\"
key = \"key.pem\"

# Nothing leaves this machine: all mail to elsewhere goes to a port where nobody listens, and
# waits in the queue.
[[relay.route]]
domain = \"*\"
host = \"127.0.0.1\"
port = 9

[listen]
",
    );
    for (listener, address) in addresses {
        let _ = writeln!(text, "{listener} = \"{address}\"");
    }
    text
}

/// What is printed at the start.
fn greeting(program: &str, folder: &Folder, known: &[Known], addresses: &[(Listener, SocketAddr)]) -> String {
    let mut text = String::from("A mail server for example.test, to try things with. It listens on\n\n");
    for ((listener, address), (_, port)) in addresses.iter().zip(PORTS) {
        let moved = if address.port() == port { String::new() } else { format!("   (port {port} is taken)") };
        let _ = writeln!(text, "  {:<12} {address}{moved}", listener.name());
    }
    text.push_str("\nand has two accounts:\n\n");
    for Known { name, password, changed } in known {
        let changed = if *changed { "   (no more: it has been changed)" } else { "" };
        let _ = writeln!(text, "  {name:<20} {password}{changed}");
    }
    let config = quoted(&folder.config.display().to_string());
    let _ = write!(
        text,
        "
All is kept in {}. Nothing is sent elsewhere: mail to other domains waits in
the queue, where you see it with

  {program} queue list --config {config}

Lines to paste into another terminal:
",
        quoted(&folder.root.display().to_string())
    );
    let at = |listener| addresses.iter().find(|(other, _)| *other == listener).map(|(_, address)| *address);
    if let ([from, to], Some(submission), Some(pop3s), Some(imaps)) =
        (known, at(Listener::Submission), at(Listener::Pop3s), at(Listener::Imaps))
    {
        let paste = Paste {
            from: (&from.name, &from.password),
            to: (&to.name, &to.password),
            certificate: &folder.certificate.certificate,
            submission,
            pop3s,
            imaps,
        };
        text.push_str(&paste.lines());
    }
    text.push_str("\nCtrl-C stops it.\n\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    fn folder(root: &Path) -> Folder {
        Folder {
            certificate: CertificateFiles { certificate: root.join("c.pem"), key: root.join("k.pem") },
            accounts: root.join("accounts.txt"),
            config: root.join("postkern.toml"),
            root: root.into(),
        }
    }

    #[test]
    fn the_certificate_is_kept_until_it_is_no_good() {
        let root = tempfile::tempdir().unwrap();
        let folder = folder(root.path());
        let read = || fs::read_to_string(&folder.certificate.certificate).unwrap();
        folder.certificate().unwrap();
        let first = read();
        folder.certificate().unwrap();
        assert_eq!(read(), first);
        let old = self_signed(&CERTIFIED, SystemTime::now() - LASTS, LASTS).unwrap();
        fs::write(&folder.certificate.certificate, &old.certificate).unwrap();
        fs::write(&folder.certificate.key, &old.key.0).unwrap();
        folder.certificate().unwrap();
        assert_ne!(read(), old.certificate);
    }

    #[test]
    fn accounts_are_made_once_and_a_changed_password_is_told_of() {
        let root = tempfile::tempdir().unwrap();
        let (folder, backend) = (folder(root.path()), Memory::new());
        let first = folder.accounts(&backend).unwrap();
        let again = folder.accounts(&backend).unwrap();
        for (first, again) in first.iter().zip(&again) {
            assert_eq!((&first.password, first.changed, again.changed), (&again.password, false, false));
        }
        let text = fs::read_to_string(&folder.accounts).unwrap().replace(&first[1].password, "another");
        fs::write(&folder.accounts, text).unwrap();
        let changed = folder.accounts(&backend).unwrap();
        assert_eq!((changed[0].changed, changed[1].changed), (false, true));
        fs::write(&folder.accounts, "").unwrap();
        assert!(folder.accounts(&backend).is_err());
    }

    #[test]
    fn a_password_is_found_by_its_name() {
        let text = "alice@example.test one\nbob@example.test two\n";
        assert_eq!(password_of(text, "bob@example.test"), Some("two"));
        assert_eq!(password_of(text, "bob@example"), None);
    }

    #[test]
    fn a_moved_port_is_said() {
        let addresses: Vec<_> =
            PORTS.iter().map(|&(listener, port)| (listener, SocketAddr::from(([127, 0, 0, 1], port)))).collect();
        let mut moved = addresses.clone();
        moved[0].1.set_port(2526);
        let folder = folder(Path::new("/x"));
        let said = |addresses: &[_]| greeting("postkern", &folder, &[], addresses);
        assert!(!said(&addresses).contains("taken"));
        assert!(said(&moved).contains("127.0.0.1:2526   (port 2525 is taken)"));
    }

    #[test]
    fn its_configuration_is_one() {
        let addresses: Vec<_> =
            PORTS.iter().map(|&(listener, port)| (listener, SocketAddr::from(([127, 0, 0, 1], port)))).collect();
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("postkern.toml");
        fs::write(&file, configuration(&addresses)).unwrap();
        let config = check::read(&file).unwrap();
        assert_eq!(config.hostname, HOSTNAME);
        assert_eq!(config.listen.len(), PORTS.len());
        assert_eq!(config.relay.routes.len(), 1);
    }
}
