//! What a connection may cost in memory, whatever is sent through it.
//!
//! A message of a gigabyte goes the whole way: into one server in plaintext, out of its queue,
//! over STARTTLS into another, and into a mailbox there, each with its store on disk. The
//! allocator counts.

use std::alloc::System;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use cap::Cap;
use postkern::tls::Tls;
use postkern::{Instant, Layer};
use postkern_server::accept;
use postkern_server::config::{CertificateFiles, Config, Listener, Network, RelayTls, StaticRoute};
use postkern_server::job::{Admin, Backend, Done, Job};
use postkern_server::relay::{Courier, Errand};
use postkern_server::service::{Endpoint, Pause};
use postkern_store::sqlite::Sqlite;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Octets that one connection holds at most, with its session, its TLS and what the store keeps
/// for it, but for SQLite's own cache: what README.md states.
const CONNECTION: usize = 512 * 1024;
/// Octets of the message.
const MESSAGE: u64 = 1 << 30;
const NOW: Instant = Instant::from_millis(1_000_000);

/// Octets that were allocated at most at once since `before`.
fn peak(before: usize) -> usize {
    ALLOCATOR.max_allocated().saturating_sub(before)
}

#[test]
fn a_gigabyte_passes_through_half_a_megabyte() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (site(folder.path(), "first"), site(folder.path(), "second"));
    let add = |name: &str| Job::Admin(Admin::AddAccount { name: name.into(), verifier: String::new() });
    assert!(matches!(second.store.run(add("bob@second.test")), Done::Account(_)));
    let (client_tls, server_tls) = tls();

    let before = ALLOCATOR.allocated();
    submit(&first);
    assert!(peak(before) <= CONNECTION, "coming in: {}", peak(before));
    println!("coming in: {} octets at most", peak(before));

    let before = ALLOCATOR.allocated();
    relay(&first, &second, &client_tls, &server_tls);
    // The courier's connection, and the other server's.
    assert!(peak(before) <= 2 * CONNECTION, "going on: {}", peak(before));
    println!("going on: {} octets at most", peak(before));

    let Done::Found(found) = second.store.run(Job::Lookup { addresses: vec!["bob@second.test".into()] }) else {
        panic!("no answer")
    };
    let mailbox = postkern_server::mailbox::MailboxName::inbox();
    let account = found[0].unwrap();
    match second.store.run(Job::Status { account, mailbox }) {
        Done::Status(status) => assert!(status.size > MESSAGE, "{status:?}"),
        other => panic!("{other:?}"),
    }
}

struct Site {
    config: Arc<Config>,
    store: Sqlite,
}

fn site(folder: &Path, name: &str) -> Site {
    let data = folder.join(name);
    let domain = format!("{name}.test");
    let mut config = Config::new(&format!("mx.{domain}"), &[&domain], data.clone());
    config.tls = Some(CertificateFiles { certificate: "c".into(), key: "k".into() });
    config.limits.message = MESSAGE * 2;
    config.relay.networks = vec![Network::parse("127.0.0.0/8").unwrap()];
    config.relay.routes = vec![StaticRoute::new("second.test", "127.0.0.1", 25)];
    config.relay.tls = RelayTls::Required;
    Site { config: Arc::new(config), store: Sqlite::open_serving(&data).unwrap() }
}

fn tls() -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let certificate = key.cert.der().clone();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()));
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let server = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], private).unwrap();
    (Arc::new(client), Arc::new(server))
}

/// Runs an endpoint until it waits for its peer; gives what it said to `peer`, and tells
/// whether it is still open.
fn run(
    endpoint: &mut dyn Endpoint,
    store: &Sqlite,
    layer: &dyn Fn() -> Box<dyn Layer>,
    peer: &mut dyn FnMut(&[u8]),
) -> bool {
    loop {
        let pause = endpoint.run(NOW);
        let mut send = |endpoint: &mut dyn Endpoint| {
            let (_, output) = endpoint.io();
            let len = output.len();
            peer(output);
            endpoint.sent(len);
        };
        match pause {
            Pause::Job(job) => endpoint.done(store.run(job)),
            Pause::Flush => {
                send(endpoint);
                return true;
            }
            Pause::Wait(_) => endpoint.done(Done::Waited),
            Pause::Read => {
                send(endpoint);
                return true;
            }
            Pause::Upgrade(upgrade) => {
                send(endpoint);
                endpoint.upgrade(upgrade, layer());
            }
            Pause::Closed(_) => {
                send(endpoint);
                return false;
            }
        }
    }
}

/// As many of these octets as it reads at once.
fn feed(endpoint: &mut dyn Endpoint, octets: &[u8]) -> usize {
    let (space, _) = endpoint.io();
    let len = space.len().min(octets.len());
    space[..len].copy_from_slice(&octets[..len]);
    endpoint.filled(len);
    len
}

/// The message comes in by SMTP, and is queued.
fn submit(site: &Site) {
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut endpoint = accept::endpoint(&site.config, Listener::Smtp, peer, None);
    let no_layer = || -> Box<dyn Layer> { panic!("no TLS was asked for") };
    let mut said = Vec::new();
    let line = b"A line of seventy-six octets, as mail has them, that is dull to read again.\r\n";
    let piece = line.repeat(1000);
    let mut talk = |octets: &[u8]| {
        let mut rest = octets;
        loop {
            assert!(run(&mut *endpoint, &site.store, &no_layer, &mut |octets| said.extend_from_slice(octets)));
            if rest.is_empty() {
                return std::mem::take(&mut said);
            }
            rest = &rest[feed(&mut *endpoint, rest)..];
        }
    };
    talk(b"EHLO client.test\r\n");
    talk(b"MAIL FROM:<alice@client.test>\r\nRCPT TO:<bob@second.test>\r\n");
    assert!(talk(b"DATA\r\n").starts_with(b"354"));
    talk(b"Subject: much\r\n\r\n");
    let mut sent = 0;
    while sent < MESSAGE {
        talk(&piece);
        sent += piece.len() as u64;
    }
    let answer = talk(b".\r\n");
    assert!(answer.starts_with(b"250 "), "{}", String::from_utf8_lossy(&answer));
}

/// The message goes from the one's queue to the other's mailbox.
fn relay(first: &Site, second: &Site, client_tls: &Arc<ClientConfig>, server_tls: &Arc<ServerConfig>) {
    let Done::Due { mut attempts, .. } = first.store.run(Job::Due { limit: 1, per_domain: 1 }) else {
        panic!("nothing is due")
    };
    let mut courier = Courier::new(Arc::clone(&first.config), attempts.remove(0), None, None);
    let Errand::Connect { .. } = courier.next_errand() else { panic!("there is a route") };
    courier.connected(None);
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut server = accept::endpoint(&second.config, Listener::Smtp, peer, None);
    let (client_layer, server_layer) = (
        || -> Box<dyn Layer> {
            Box::new(Tls::client(Arc::clone(client_tls), "127.0.0.1".try_into().unwrap()).unwrap())
        },
        || -> Box<dyn Layer> { Box::new(Tls::server(Arc::clone(server_tls)).unwrap()) },
    );
    let (mut to_client, mut to_server) = (Vec::new(), Vec::new());
    loop {
        // What is on the wire is not of a connection; as sockets do, it holds little.
        let open = run(&mut *server, &second.store, &server_layer, &mut |octets| to_client.extend_from_slice(octets));
        while !to_client.is_empty() {
            let len = feed(&mut courier, &to_client);
            to_client.drain(..len);
            run(&mut courier, &first.store, &client_layer, &mut |octets| to_server.extend_from_slice(octets));
        }
        if !open {
            break;
        }
        if to_server.is_empty() {
            run(&mut courier, &first.store, &client_layer, &mut |octets| to_server.extend_from_slice(octets));
        }
        assert!(!to_server.is_empty(), "both wait");
        while !to_server.is_empty() {
            let len = feed(&mut *server, &to_server);
            to_server.drain(..len);
            if !run(&mut *server, &second.store, &server_layer, &mut |octets| to_client.extend_from_slice(octets)) {
                break;
            }
        }
    }
    courier.disconnected(None, "");
    let Errand::Job(report) = courier.next_errand() else { panic!("an attempt is reported") };
    match &report {
        Job::Report(report) => {
            let delivered = matches!(report.outcomes[..], [postkern_server::queue::Outcome::Delivered(_)]);
            assert!(delivered, "{:?}", report.outcomes);
        }
        other => panic!("{other:?}"),
    }
    courier.reported(first.store.run(report));
}
