//! A certificate for the tests' servers, and clients that trust it.

use std::path::Path;
use std::sync::{Arc, Once};

use postkern_server::config::CertificateFiles;
use postkern_store::runtime::ClientTls;
use rcgen::{CertifiedKey, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme};

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

    /// For a server.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).expect("PKCS 8");
        let config =
            ServerConfig::builder().with_no_client_auth().with_single_cert(vec![self.certificate.clone()], key);
        Arc::new(config.expect("a pair"))
    }

    /// For a client that trusts this certificate and no other.
    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("a certificate");
        Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
    }

    /// For a server's own connections to others.
    pub(crate) fn clients(&self) -> ClientTls {
        let any = ClientConfig::builder()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Any(CryptoProvider::get_default().expect("chosen").clone())))
            .with_no_client_auth();
        ClientTls { verified: self.client(), any: Arc::new(any) }
    }
}

/// Takes any certificate (RFC 7435), but not a handshake that is not signed by its key.
#[derive(Debug)]
struct Any(Arc<CryptoProvider>);

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
