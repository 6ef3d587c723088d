//! What TLS tells to the sessions above it, from both sides.

mod common;

use std::sync::Arc;

use common::{Cut, Link};
use postkern::sasl::{TlsFacts, end_point};
use postkern::tls::Tls;
use postkern::{Conn, Instant, Want, pop3};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

struct Certified {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

fn certified(name: &str) -> Certified {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()]).unwrap().self_signed(&key).unwrap();
    Certified { certificate: certificate.der().clone(), key: key.serialize_der().try_into().unwrap() }
}

fn trusting(certificate: &CertificateDer<'static>) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    Arc::new(roots)
}

/// The facts on the server and on the client of one connection.
fn facts(version: &'static SupportedProtocolVersion, with_client: bool) -> (TlsFacts, TlsFacts, Vec<u8>, Vec<u8>) {
    let (own, client) = (certified("mx.example"), certified("client.example"));
    let (own_der, client_der) = (own.certificate.to_vec(), client.certificate.to_vec());
    let end = end_point(&own.certificate);
    let verifier =
        WebPkiClientVerifier::builder(trusting(&client.certificate)).allow_unauthenticated().build().unwrap();
    let server = ServerConfig::builder_with_protocol_versions(&[version])
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![own.certificate.clone()], own.key)
        .unwrap();
    let config = ClientConfig::builder_with_protocol_versions(&[version])
        .with_root_certificates((*trusting(&own.certificate)).clone());
    let config = match with_client {
        true => config.with_client_auth_cert(vec![client.certificate], client.key).unwrap(),
        false => config.with_no_client_auth(),
    };
    let layer = Tls::server(Arc::new(server)).unwrap().with_end_point(end);
    let mut served = Conn::with_tls(pop3::Server::new(pop3::ServerConfig::default(), true), Box::new(layer));
    let name = ServerName::try_from("mx.example").unwrap();
    let layer = Tls::client(Arc::new(config), name).unwrap();
    let mut client = Conn::with_tls(pop3::Client::new(), Box::new(layer));
    let (mut there, mut back) = (Link::new(Cut::Each(1)), Link::new(Cut::Each(1)));
    let now = Instant::from_millis(0);
    assert_eq!(served.tls_facts(), TlsFacts::default(), "before the handshake");
    loop {
        let (one, other) = (client.poll(now), served.poll(now));
        if matches!(other, Want::Event(_)) {
            break;
        }
        assert!(matches!((one, other), (Want::Read, Want::Read)));
        let moved = there.pass(&mut client, &mut served) | back.pass(&mut served, &mut client);
        assert!(moved, "the handshake stands still");
    }
    while back.pass(&mut served, &mut client) | there.pass(&mut client, &mut served) {}
    let _ = client.poll(now);
    let taken = served.take_secured().expect("the handshake is over");
    assert_eq!(served.take_secured(), None, "told once");
    assert_eq!(taken, served.tls_facts());
    (taken, client.take_secured().unwrap(), own_der, client_der)
}

#[test]
fn both_sides_know_the_same_bindings() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let (server, client, own, _) = facts(version, false);
        assert_eq!(server.exporter, client.exporter);
        assert_eq!(server.exporter.is_some(), version.version == rustls::ProtocolVersion::TLSv1_3);
        assert!(server.end_point.is_some());
        assert_eq!(server.end_point, client.end_point);
        assert_eq!(server.strongest_binding(), client.strongest_binding());
        assert_eq!((server.peer_certificate, client.peer_certificate), (None, Some(own)));
    }
    let (one, ..) = facts(&rustls::version::TLS13, false);
    let (other, ..) = facts(&rustls::version::TLS13, false);
    assert_ne!(one.exporter, other.exporter, "of the connection");
}

#[test]
fn a_client_that_shows_a_certificate_is_known() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let (server, _, _, certificate) = facts(version, true);
        assert_eq!(server.peer_certificate, Some(certificate));
    }
}

#[test]
fn facts_are_printed_without_the_binding() {
    let facts = TlsFacts { exporter: Some([7; 32]), ..TlsFacts::default() };
    assert_eq!(format!("{facts:?}"), "TlsFacts { exporter: true, end_point: false, peer_certificate: false }");
    assert_eq!(facts.binding("tls-exporter"), Some(&[7; 32][..]));
    assert_eq!(facts.binding("tls-unique"), None);
    assert_eq!(facts.binding("tls-server-end-point"), None);
}
