//! A certificate for the tests' servers, and clients that trust it.

use std::path::Path;
use std::sync::{Arc, Once};

use postkern_server::config::CertificateFiles;
use rcgen::{CertifiedKey, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

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
        self.client_of(rustls::ALL_VERSIONS)
    }

    /// The same, by these versions of TLS.
    pub(crate) fn client_of(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_protocol_versions(versions);
        Arc::new(builder.with_root_certificates(self.roots()).with_no_client_auth())
    }

    /// The same, for a client with a certificate of its own.
    pub(crate) fn client_showing(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder().with_root_certificates(self.roots());
        Arc::new(builder.with_client_auth_cert(chain, key).expect("they belong together"))
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("a certificate");
        roots
    }
}
