//! A server in this process, on ports of its own choosing, gone when dropped.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use postkern_server::account;
use postkern_server::config::{Config, HeaderFrom, Listener};
use postkern_server::job::{Admin, Backend, Done, Job};
use postkern_store::runtime::{Runtime, Setup};
use postkern_store::sqlite::Sqlite;
use postkern_store::tls;
use tempfile::TempDir;

use super::certificate::Authority;

/// An account of every server's.
pub(crate) const ALICE: &str = "alice@example.test";
/// Another.
pub(crate) const BOB: &str = "bob@example.test";
/// And another.
pub(crate) const CAROL: &str = "carol@example.test";
/// Of all of them.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// Where names are looked up by servers that were given no DNS: nobody answers there.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

static LOG: Once = Once::new();

/// A running server.
pub(crate) struct Server {
    /// For looking behind the scenes, and for what the command line does.
    pub(crate) backend: Arc<dyn Backend>,
    /// What it decides by.
    pub(crate) config: Arc<Config>,
    /// Who vouches for it.
    pub(crate) authority: Arc<Authority>,
    addresses: Vec<(Listener, SocketAddr)>,
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<io::Result<()>>>,
    _folder: Option<TempDir>,
}

impl Server {
    /// Host `localhost` of domain `example.test`, with the accounts of [`ALICE`], [`BOB`] and
    /// [`CAROL`].
    pub(crate) fn start(runtime: &'static dyn Runtime) -> Self {
        Self::start_with(runtime, |_| {})
    }

    /// The same, with a configuration of the test's.
    pub(crate) fn start_with(runtime: &'static dyn Runtime, edit: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut server = Self::start_in(runtime, folder.path(), edit);
        server._folder = Some(folder);
        server
    }

    /// The same, over a folder that outlives it: accounts that are there already stay.
    pub(crate) fn start_in(runtime: &'static dyn Runtime, folder: &Path, edit: impl FnOnce(&mut Config)) -> Self {
        Self::start_as(runtime, folder, Arc::new(Authority::new(&["localhost", "127.0.0.1"])), edit)
    }

    /// The same, with a certificate that others may have as well.
    pub(crate) fn start_as(
        runtime: &'static dyn Runtime,
        folder: &Path,
        authority: Arc<Authority>,
        edit: impl FnOnce(&mut Config),
    ) -> Self {
        LOG.call_once(|| {
            let filter = tracing_subscriber::EnvFilter::from_default_env();
            let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        });
        let mut config = configuration(folder, &authority);
        edit(&mut config);
        let backend: Arc<dyn Backend> = Arc::new(Sqlite::open_serving(&config.data).expect("the store opens"));
        for account in [ALICE, BOB, CAROL] {
            let name = account.replace("example.test", &config.domains[0]);
            let _ = backend.run(Job::Admin(Admin::AddAccount { name, verifier: verifier() }));
        }
        let listeners: Vec<(Listener, TcpListener)> = Listener::ALL
            .map(|listener| (listener, TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port")))
            .into();
        let addresses: Vec<(Listener, SocketAddr)> =
            listeners.iter().map(|(listener, socket)| (*listener, socket.local_addr().expect("bound"))).collect();
        config.listen = addresses.clone();
        let dns = if config.dns.is_empty() { vec![NOWHERE] } else { config.dns.clone() };
        let config = Arc::new(config);
        let (stop, stopped) = UnixStream::pair().expect("a pair of sockets");
        let setup = Setup {
            config: config.clone(),
            backend: backend.clone(),
            listeners,
            tls: config.tls.as_ref().map(|files| {
                let tls = tls::ServerTls::load(files).expect("the files just written");
                match &config.auth.client_ca {
                    Some(authorities) => tls.asking_clients(authorities).expect("the test's authority"),
                    None => tls,
                }
            }),
            clients: tls::clients(Some(&folder.join("certificate.pem"))).expect("the file just written"),
            dns,
            stop: stopped,
            tap: None,
        };
        let thread = thread::Builder::new()
            .name(runtime.program().into())
            .spawn(move || runtime.serve(setup))
            .expect("a thread");
        Self { backend, config, authority, addresses, stop: Some(stop), thread: Some(thread), _folder: None }
    }

    /// Where it listens.
    pub(crate) fn address(&self, listener: Listener) -> SocketAddr {
        self.addresses.iter().find(|(one, _)| *one == listener).expect("all are open").1
    }

    /// Runs a job of the command line's.
    pub(crate) fn admin(&self, admin: Admin) -> Done {
        self.backend.run(Job::Admin(admin))
    }

    /// Adds an account with [`PASSWORD`].
    pub(crate) fn add_account(&self, name: &str) {
        let done = self.admin(Admin::AddAccount { name: name.into(), verifier: verifier() });
        assert!(matches!(done, Done::Account(_)), "{name}: {done:?}");
    }

    /// Asks it to stop, and does not wait.
    pub(crate) fn ask_to_stop(&mut self) {
        self.stop = None;
    }

    /// Waits until it has stopped, after it was asked to.
    pub(crate) fn join(&mut self) {
        self.stop = None;
        let Some(thread) = self.thread.take() else { return };
        thread.join().expect("the server does not panic").expect("the server ends well");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.join();
        }
    }
}

/// Fast where waiting proves nothing.
fn configuration(folder: &Path, authority: &Authority) -> Config {
    let data: PathBuf = folder.join("data");
    std::fs::create_dir_all(&data).expect("a folder of our own");
    let mut config = Config::new("localhost", &["example.test"], data);
    config.tls = Some(authority.write(folder));
    // The samples are the same octets for all accounts, whoever is their author.
    config.submission.header_from = HeaderFrom::Any;
    config.limits.login_delay = Duration::from_millis(50);
    // The samples come from whomever.
    config.submission.header_from = HeaderFrom::Any;
    config.relay.schedule.retry = vec![Duration::from_secs(1)];
    config
}

/// Of [`PASSWORD`]; made once, since it is slow on purpose.
fn verifier() -> String {
    static VERIFIER: OnceLock<String> = OnceLock::new();
    VERIFIER.get_or_init(|| account::hash(PASSWORD.as_bytes(), [7; 16])).clone()
}
