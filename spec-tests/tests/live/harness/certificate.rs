//! A certificate for the tests' servers, and clients that trust it.

use std::path::Path;
use std::sync::{Arc, Once};

use postkern_server::config::CertificateFiles;
use rcgen::{CertifiedKey, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// Foreign clients and our servers share one process: its provider is chosen once.
static PROVIDER: Once = Once::new();

/// A certificate that vouches for itself, and its key.
pub(crate) struct Authority {
    certificate: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl Authority {
    /// For servers of these names.
    pub(crate) fn new(names: &[&str]) -> Self {
        PROVIDER.call_once(|| {
            rustls::crypto::aws_lc_rs::default_provider().install_default().expect("no provider was chosen before");
        });
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).expect("plain names");
        Self { certificate: cert.der().clone(), pem: cert.pem(), key: signing_key }
    }

    /// The certificate alone, for foreign clients.
    pub(crate) fn der(&self) -> &[u8] {
        &self.certificate
    }

    /// Writes both as files.
    pub(crate) fn write(&self, folder: &Path) -> CertificateFiles {
        let files = CertificateFiles { certificate: folder.join("certificate.pem"), key: folder.join("key.pem") };
        std::fs::write(&files.certificate, &self.pem).expect("a folder of our own");
        std::fs::write(&files.key, self.key.serialize_pem()).expect("a folder of our own");
        files
    }

    /// For a client that trusts this certificate and no other.
    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("a certificate");
        Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
    }
}
