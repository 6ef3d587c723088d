//! What every runtime must do, tried over real sockets: both runtimes' tests run this.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use postkern_server::accept::refusal;
use postkern_server::account;
use postkern_server::config::{Config, Listener, Network, StaticRoute};
use postkern_server::job::{Admin, Backend, Done, Job};
use postkern_server::peers::Refused;
use postkern_store::memory::Memory;
use postkern_store::runtime::{ClientTls, Runtime, Setup};

/// Past this a test fails: nothing in a passing test waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server with ports of its own and mail in memory.
struct Running {
    /// Of SMTP and of IMAP.
    ports: [SocketAddr; 2],
    backend: Arc<Memory>,
    stop: UnixStream,
    served: JoinHandle<std::io::Result<()>>,
}

impl Running {
    fn start(runtime: &'static dyn Runtime, config: Config) -> Self {
        let listeners = [Listener::Smtp, Listener::Imap]
            .map(|listener| (listener, TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()));
        let ports = [0, 1].map(|index| listeners[index].1.local_addr().unwrap());
        let (stop, stopped) = UnixStream::pair().unwrap();
        let roots = rustls::RootCertStore::empty();
        let client = Arc::new(rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth());
        let backend = Arc::new(Memory::new());
        let setup = Setup {
            config: Arc::new(config),
            backend: Arc::clone(&backend) as Arc<dyn Backend>,
            listeners: listeners.into(),
            tls: None,
            tap: None,
            clients: ClientTls { verified: Arc::clone(&client), any: client },
            dns: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 53))],
            stop: stopped,
        };
        Self { ports, backend, stop, served: thread::spawn(move || runtime.serve(setup)) }
    }

    /// Speaks SMTP.
    fn connect(&self) -> Client {
        Client::connect(self.ports[0])
    }

    fn stop(&self) {
        // Fails where it has stopped already.
        let _ = (&self.stop).write(b"!");
    }

    fn end(self) {
        self.stop();
        self.served.join().unwrap().unwrap();
    }
}

fn config(domain: &str, connections: usize) -> Config {
    let mut config = Config::new(&format!("mx.{domain}"), &[domain], "/nonexistent".into());
    config.limits.connections = connections;
    config.limits.connections_per_address = connections;
    config
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(to: SocketAddr) -> Self {
        let socket = TcpStream::connect(to).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(socket))
    }

    fn say(&self, text: &str) {
        self.0.get_ref().write_all(text.as_bytes()).unwrap();
    }

    /// The next line with its CRLF; empty at the end of the stream.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }

    /// Reads up to the line that begins so.
    fn until(&mut self, start: &str) {
        loop {
            let line = self.line();
            assert_ne!(line, "", "the end instead of {start}");
            if line.starts_with(start) {
                return;
            }
        }
    }

    fn expect(&mut self, code: &str) {
        let line = self.line();
        assert!(line.starts_with(code), "{line:?} instead of {code}");
    }
}

pub(crate) fn a_client_is_greeted_and_may_quit(runtime: &'static dyn Runtime) {
    let server = Running::start(runtime, config("example", 10));
    let mut client = server.connect();
    client.expect("220 ");
    client.say("QUIT\r\n");
    client.expect("221 ");
    assert_eq!(client.line(), "");
    drop(client);
    server.end();
}

pub(crate) fn a_stop_is_told_to_all_and_ends_the_server(runtime: &'static dyn Runtime) {
    let server = Running::start(runtime, config("example", 100));
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
    for port in server.ports {
        assert!(TcpStream::connect(port).is_err(), "it still listens");
    }
}

pub(crate) fn who_is_over_the_limit_is_told_so(runtime: &'static dyn Runtime) {
    let server = Running::start(runtime, config("example", 2));
    let mut clients = [server.connect(), server.connect()];
    for client in &mut clients {
        client.expect("220 ");
    }
    let mut refused = server.connect();
    assert_eq!(refused.line().as_bytes(), refusal(Listener::Smtp, Refused::Full));
    assert_eq!(refused.line(), "");
    drop((clients, refused));
    // The server sees the ends some time later.
    while server.connect().line().starts_with("421 ") {
        thread::yield_now();
    }
    server.end();
}

/// From one server's queue over its courier to the other's store, and to who waits there.
pub(crate) fn mail_is_relayed_and_wakes_who_idles(runtime: &'static dyn Runtime) {
    let mut next = config("next.example", 10);
    next.plaintext_login = true;
    let next = Running::start(runtime, next);
    let verifier = account::hash(b"a long secret", [7; 16]);
    let added = next.backend.run(Job::Admin(Admin::AddAccount { name: "bob@next.example".into(), verifier }));
    assert!(matches!(added, Done::Account(_)), "{added:?}");
    let mut bob = Client::connect(next.ports[1]);
    bob.expect("* OK ");
    for (command, answer) in [
        ("a LOGIN bob@next.example \"a long secret\"\r\n", "a OK "),
        ("b SELECT INBOX\r\n", "b OK "),
        ("c IDLE\r\n", "+ "),
    ] {
        bob.say(command);
        bob.until(answer);
    }

    let mut first = config("first.example", 10);
    first.relay.networks = vec![Network::parse("127.0.0.0/8").unwrap()];
    first.relay.routes = vec![StaticRoute::new("next.example", &Ipv4Addr::LOCALHOST.to_string(), next.ports[0].port())];
    let first = Running::start(runtime, first);
    let mut alice = first.connect();
    alice.expect("220 ");
    for (command, answer) in [
        ("EHLO client.example\r\n", "250 "),
        ("MAIL FROM:<alice@elsewhere.example>\r\n", "250 "),
        ("RCPT TO:<bob@next.example>\r\n", "250 "),
        ("DATA\r\n", "354 "),
        ("Subject: hello\r\n\r\nhello\r\n.\r\n", "250 "),
        ("QUIT\r\n", "221 "),
    ] {
        alice.say(command);
        alice.until(answer);
    }
    bob.until("* 1 EXISTS");

    next.stop();
    bob.until("* BYE ");
    drop((alice, bob));
    next.end();
    first.end();
}
