//! What every runtime must do, tried over real sockets: both runtimes' tests run this.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use postkern_server::accept::refusal;
use postkern_server::config::{Config, Listener};
use postkern_server::job::{Backend, Done, Guard, Job, MailboxId};
use postkern_store::runtime::{ClientTls, Runtime, Setup};

/// Past this a test fails: nothing in a passing test waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Keeps nothing.
struct Nothing;

impl Backend for Nothing {
    fn run(&self, job: Job) -> Done {
        match job {
            Job::Due { .. } => Done::Due { attempts: Vec::new(), wait: None },
            _ => Done::Nothing,
        }
    }

    fn watch(&self, _: MailboxId, _: Arc<dyn Fn() + Send + Sync>) -> Guard {
        Guard(Box::new(()))
    }

    fn watch_queue(&self, _: Arc<dyn Fn() + Send + Sync>) -> Guard {
        Guard(Box::new(()))
    }
}

/// A server that listens for SMTP on a port of its own.
struct Running {
    at: SocketAddr,
    stop: UnixStream,
    served: JoinHandle<std::io::Result<()>>,
}

impl Running {
    fn start(runtime: &'static dyn Runtime, connections: usize) -> Self {
        let mut config = Config::new("mx.example", &["example"], "/nonexistent".into());
        config.limits.connections = connections;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let at = listener.local_addr().unwrap();
        let (stop, stopped) = UnixStream::pair().unwrap();
        let roots = rustls::RootCertStore::empty();
        let client = Arc::new(rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth());
        let setup = Setup {
            config: Arc::new(config),
            backend: Arc::new(Nothing),
            listeners: vec![(Listener::Smtp, listener)],
            tls: None,
            tap: None,
            clients: ClientTls { verified: Arc::clone(&client), any: client },
            dns: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 53))],
            stop: stopped,
        };
        Self { at, stop, served: thread::spawn(move || runtime.serve(setup)) }
    }

    fn connect(&self) -> Client {
        let socket = TcpStream::connect(self.at).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Client(BufReader::new(socket))
    }

    fn stop(&self) {
        (&self.stop).write_all(b"!").unwrap();
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn say(&self, text: &str) {
        self.0.get_ref().write_all(text.as_bytes()).unwrap();
    }

    /// The next line with its CRLF; empty at the end of the stream.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }

    fn expect(&mut self, code: &str) {
        let line = self.line();
        assert!(line.starts_with(code), "{line:?} instead of {code}");
    }
}

pub(crate) fn a_client_is_greeted_and_may_quit(runtime: &'static dyn Runtime) {
    let server = Running::start(runtime, 10);
    let mut client = server.connect();
    client.expect("220 ");
    client.say("QUIT\r\n");
    client.expect("221 ");
    assert_eq!(client.line(), "");
    drop(client);
    server.stop();
    server.served.join().unwrap().unwrap();
}

pub(crate) fn a_stop_is_told_to_all_and_ends_the_server(runtime: &'static dyn Runtime) {
    let server = Running::start(runtime, 100);
    let mut clients: Vec<_> = (0..100).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.expect("220 ");
    }
    server.stop();
    for client in &mut clients {
        client.expect("421 ");
        assert_eq!(client.line(), "");
    }
    drop(clients);
    server.served.join().unwrap().unwrap();
    assert!(TcpStream::connect(server.at).is_err(), "it still listens");
}

pub(crate) fn who_is_over_the_limit_is_told_so(runtime: &'static dyn Runtime) {
    let server = Running::start(runtime, 2);
    let mut clients = [server.connect(), server.connect()];
    for client in &mut clients {
        client.expect("220 ");
    }
    let mut refused = server.connect();
    assert_eq!(refused.line().as_bytes(), refusal(Listener::Smtp));
    assert_eq!(refused.line(), "");
    drop((clients, refused));
    // The server sees the ends some time later.
    while server.connect().line().starts_with("421 ") {
        thread::yield_now();
    }
    server.stop();
    server.served.join().unwrap().unwrap();
}
