//! One of the tour's servers: in a folder that goes with it, on free ports, on a thread.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use postkern_server::config::{CertificateFiles, Config, Listener, RelayTls, StaticRoute};
use postkern_server::job::Backend;

use super::account;
use super::error::CliError;
use super::files::{PUBLIC, SECRET, create, make_folder, random, random_password};
use crate::runtime::{Runtime, Setup, TapFactory};
use crate::sqlite::Sqlite;
use crate::tls::{self, ServerTls, self_signed};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Bound sockets, before there is a server for them.
pub(super) struct Sockets(Vec<(Listener, TcpListener, SocketAddr)>);

impl Sockets {
    /// Free ports of 127.0.0.1.
    pub(super) fn bind(listeners: &[Listener]) -> Result<Self, CliError> {
        let bind = |&listener: &Listener| {
            let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let address = socket.local_addr()?;
            Ok((listener, socket, address))
        };
        let bound: io::Result<Vec<_>> = listeners.iter().map(bind).collect();
        bound.map(Self).map_err(|source| CliError::Io { what: "cannot listen on 127.0.0.1".into(), source })
    }

    /// The address of one that was bound.
    pub(super) fn address(&self, listener: Listener) -> SocketAddr {
        address(self.0.iter().map(|(bound, _, address)| (*bound, *address)), listener)
    }
}

fn address(mut bound: impl Iterator<Item = (Listener, SocketAddr)>, wanted: Listener) -> SocketAddr {
    let found = bound.find(|(listener, _)| *listener == wanted);
    debug_assert!(found.is_some(), "{wanted} was not asked for");
    found.map_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), |(_, address)| address)
}

/// A server that runs until it is stopped or dropped.
pub(super) struct Site {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) certificate: PathBuf,
    /// Of its one account.
    pub(super) password: String,
    listen: Vec<(Listener, SocketAddr)>,
    stop: UnixStream,
    thread: Option<JoinHandle<io::Result<()>>>,
    /// Behind the thread: it is removed when that has ended.
    _folder: Folder,
}

impl Site {
    /// Starts a server for a domain, with one account and a route to another domain.
    pub(super) fn start(
        runtime: &'static dyn Runtime,
        domain: &str,
        account: &str,
        sockets: Sockets,
        (other, route): (&str, SocketAddr),
        tap: Option<TapFactory>,
    ) -> Result<Self, CliError> {
        let folder = Folder::new(domain)?;
        let at = |name: &str| folder.0.join(name);
        let hostname = format!("mail.{domain}");
        let files = CertificateFiles { certificate: at("certificate.pem"), key: at("key.pem") };
        let made = self_signed(&[&hostname, "127.0.0.1"], SystemTime::now(), HOUR)?;
        create(&files.key, SECRET, &made.key.0)?;
        create(&files.certificate, PUBLIC, &made.certificate)?;
        let tls = ServerTls::load(&files)?;
        let certificate = files.certificate.clone();

        let mut config = Config::new(&hostname, &[domain], at("data"));
        config.listen = sockets.0.iter().map(|(listener, _, address)| (*listener, *address)).collect();
        config.tls = Some(files);
        config.relay.tls = RelayTls::Required;
        config.relay.routes = vec![StaticRoute::new(other, &route.ip().to_string(), route.port())];

        make_folder(&config.data)?;
        let backend: Arc<dyn Backend> = Arc::new(Sqlite::open_serving(&config.data)?);
        let password = random_password()?;
        account::create(&*backend, account, &password, &config.auth.hashes())?;

        let (stop, stopped) =
            UnixStream::pair().map_err(|source| CliError::Io { what: "no pair of sockets".into(), source })?;
        let listen = config.listen.clone();
        let setup = Setup {
            config: Arc::new(config),
            backend: Arc::clone(&backend),
            listeners: sockets.0.into_iter().map(|(listener, socket, _)| (listener, socket)).collect(),
            tls: Some(tls),
            clients: tls::clients(None)?,
            // The route needs none.
            dns: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 53))],
            stop: stopped,
            tap,
        };
        let thread = std::thread::Builder::new()
            .name(domain.to_owned())
            .spawn(move || runtime.serve(setup))
            .map_err(|source| CliError::Io { what: "no thread for a server".into(), source })?;
        Ok(Self { backend, certificate, password, listen, stop, thread: Some(thread), _folder: folder })
    }

    /// Where one of its listeners is.
    pub(super) fn address(&self, listener: Listener) -> SocketAddr {
        address(self.listen.iter().copied(), listener)
    }

    /// Stops it, and tells how it ended.
    pub(super) fn stop(mut self) -> Result<(), CliError> {
        self.end().map_err(CliError::Serve)
    }

    fn end(&mut self) -> io::Result<()> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        self.stop.write_all(b"x")?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("it panicked")))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // Only after a failure, which has been told.
        let _ = self.end();
    }
}

/// A folder that is removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Result<Self, CliError> {
        let random = u64::from_ne_bytes(random()?);
        let folder = std::env::temp_dir().join(format!("postkern-tour-{name}-{random:016x}"));
        make_folder(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning.
        let _ = fs::remove_dir_all(Path::new(&self.0));
    }
}
