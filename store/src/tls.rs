//! Certificates and TLS configurations: PEM files in, what rustls needs out.
//!
//! TLS 1.2 and 1.3, with rustls' own choice of algorithms; client certificates where the configuration wants
//! them. The
//! provider is named wherever it is needed, never taken from the process: a library that is
//! linked in beside us cannot change it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use postkern::sasl::EndPoint;
use postkern_server::config::{CertificateFiles, Listener};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use thiserror::Error;

use crate::runtime::ClientTls;

/// Why there is no TLS. Each names the file that is to blame.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The file cannot be read.
    #[error("{}: {source}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no PEM.
    #[error("{}: not a PEM file: {source}", file.display())]
    Pem {
        /// Which.
        file: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// No certificate is in it.
    #[error("{}: no certificate in it: a line -----BEGIN CERTIFICATE----- begins one", file.display())]
    NoCertificate {
        /// Which.
        file: PathBuf,
    },
    /// No private key is in it.
    #[error("{}: no private key in it: a line -----BEGIN PRIVATE KEY----- begins one", file.display())]
    NoKey {
        /// Which.
        file: PathBuf,
    },
    /// A certificate in it is none that can be used.
    #[error("{}: a certificate that cannot be used: {source}", file.display())]
    Certificate {
        /// Which.
        file: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The key is none that can be used.
    #[error("{}: a private key that cannot be used: {source}", file.display())]
    Key {
        /// Which.
        file: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// Nobody can be verified with these certificates.
    #[error("{}: these authorities cannot be used: {why}", file.display())]
    Authorities {
        /// Which.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// They do not belong together.
    #[error("{}: this key is not that of the first certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The chain.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
}

impl TlsError {
    /// The file that is to blame.
    pub fn file(&self) -> &Path {
        match self {
            Self::Read { file, .. }
            | Self::Pem { file, .. }
            | Self::NoCertificate { file }
            | Self::NoKey { file }
            | Self::Certificate { file, .. }
            | Self::Key { file, .. }
            | Self::Authorities { file, .. }
            | Self::Mismatch { key: file, .. } => file,
        }
    }
}

/// Our certificate, with a configuration for each service.
///
/// Sessions that one service has given out cannot be resumed at another: a configuration has
/// its own memory of them.
#[derive(Clone, Debug)]
pub struct ServerTls {
    chain: Arc<CertifiedKey>,
    end_point: Option<EndPoint>,
    services: BTreeMap<Service, Arc<ServerConfig>>,
}

/// Services that have sessions of their own.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Service {
    Smtp,
    Submission,
    Lmtp,
    Pop3,
    Imap,
}

impl Service {
    const ALL: [Self; 5] = [Self::Smtp, Self::Submission, Self::Lmtp, Self::Pop3, Self::Imap];

    const fn of(listener: Listener) -> Self {
        match listener {
            Listener::Smtp => Self::Smtp,
            Listener::Submission | Listener::Submissions => Self::Submission,
            Listener::Lmtp => Self::Lmtp,
            Listener::Pop3 | Listener::Pop3s => Self::Pop3,
            Listener::Imap | Listener::Imaps => Self::Imap,
        }
    }
}

impl ServerTls {
    /// Reads the files, and checks that they belong together.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn load(files: &CertificateFiles) -> Result<Self, TlsError> {
        let chain = read_certificates(&files.certificate)?;
        let file = files.key.clone();
        let key = match PrivateKeyDer::from_pem_slice(&read(&file)?) {
            Ok(key) => key,
            Err(pem::Error::NoItemsFound) => return Err(TlsError::NoKey { file }),
            Err(source) => return Err(TlsError::Pem { file, source }),
        };
        let provider = provider();
        let key = match provider.key_provider.load_private_key(key) {
            Ok(key) => key,
            Err(source) => return Err(TlsError::Key { file, source }),
        };
        let chain = CertifiedKey::new(chain, key);
        match chain.keys_match() {
            // A kind of key that does not tell its public half is found out at the first
            // handshake.
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => {
                return Err(TlsError::Mismatch { certificate: files.certificate.clone(), key: file });
            }
            Err(source) => return Err(TlsError::Certificate { file: files.certificate.clone(), source }),
        }
        Ok(Self::new(Arc::new(chain), &provider))
    }

    fn new(chain: Arc<CertifiedKey>, provider: &Arc<CryptoProvider>) -> Self {
        let config = |service| (service, Arc::new(server(&chain, provider, None)));
        let end_point = chain.cert.first().and_then(|certificate| postkern::sasl::end_point(certificate));
        Self { services: Service::ALL.into_iter().map(config).collect(), end_point, chain }
    }

    /// Asks clients of those services where users log in for a certificate by one of these
    /// authorities (PEM). They need not have one; another is refused.
    ///
    /// # Errors
    /// The file cannot be read or holds no usable certificate.
    pub fn asking_clients(mut self, authorities: &Path) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        add_certificates(authorities, &mut roots)?;
        let provider = provider();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .map_err(|error| TlsError::Authorities { file: authorities.to_owned(), why: error.to_string() })?;
        for service in [Service::Submission, Service::Pop3, Service::Imap] {
            let mut config = server(&self.chain, &provider, Some(Arc::clone(&verifier)));
            // A session that is resumed would carry who the client was over the end of its
            // certificate.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
            self.services.insert(service, Arc::new(config));
        }
        Ok(self)
    }

    /// What clients bind to (RFC 5929 section 4); none if it is not defined for our
    /// certificate.
    pub fn end_point(&self) -> Option<EndPoint> {
        self.end_point
    }

    /// The configuration for what is spoken on this listener.
    pub fn of(&self, listener: Listener) -> Arc<ServerConfig> {
        Arc::clone(&self.services[&Service::of(listener)])
    }

    /// What clients that check will find wrong with the certificate, at this time, when they
    /// connect to `hostname`: in words, for a warning. Whether they trust its issuer cannot be
    /// known here.
    pub fn doubts(&self, hostname: &str, at: SystemTime) -> Vec<String> {
        doubts(&self.chain.cert, hostname, at)
    }
}

fn server(
    chain: &Arc<CertifiedKey>,
    provider: &Arc<CryptoProvider>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> ServerConfig {
    let resolver = rustls::sign::SingleCertAndKey::from(Arc::clone(chain));
    let config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .expect("the provider has algorithms for both versions");
    let config = match clients {
        Some(verifier) => config.with_client_cert_verifier(verifier),
        None => config.with_no_client_auth(),
    };
    config.with_cert_resolver(Arc::new(resolver))
}

/// How to meet other servers. The system's certificates are trusted, and those of `ca_file`.
///
/// # Errors
/// `ca_file` cannot be read or holds no usable certificate. What is wrong with the system's is
/// logged.
pub fn clients(ca_file: Option<&Path>) -> Result<ClientTls, TlsError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::debug!(%error, "a trusted certificate of the system cannot be read");
    }
    roots.add_parsable_certificates(native.certs);
    if let Some(file) = ca_file {
        add_certificates(file, &mut roots)?;
    }
    Ok(ClientTls { verified: Arc::new(verified(roots)), any: Arc::new(any()) })
}

/// A client that trusts the certificates of one file only.
///
/// # Errors
/// It cannot be read or holds no usable certificate.
pub fn trusting(file: &Path) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    add_certificates(file, &mut roots)?;
    Ok(Arc::new(verified(roots)))
}

fn verified(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .expect("the provider has algorithms for both versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn any() -> ClientConfig {
    let provider = provider();
    let verifier = AnyCertificate(provider.signature_verification_algorithms);
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .expect("the provider has algorithms for both versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth()
}

/// Takes any certificate, and makes sure that the peer has its key.
///
/// For opportunistic TLS (RFC 7435): it keeps out who only listens. A certificate cannot do
/// more where the name of the host came from an unsigned answer of the DNS.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// A certificate made on the spot, signed by itself, and its key: both PEM.
#[derive(Debug)]
pub struct SelfSigned {
    /// For everyone.
    pub certificate: String,
    /// For its owner alone.
    pub key: crate::tls::KeyPem,
}

/// A private key in PEM, kept out of logs.
pub struct KeyPem(pub String);

impl std::fmt::Debug for KeyPem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyPem(..)")
    }
}

/// Makes a certificate for these names and addresses, of which there must be one at least,
/// valid from an hour before `now`, for clocks that lag.
///
/// # Errors
/// A name is none.
pub fn self_signed(names: &[&str], now: SystemTime, lasts: Duration) -> Result<SelfSigned, rcgen::Error> {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let common = names.first().cloned().unwrap_or_default();
    let mut params = rcgen::CertificateParams::new(names)?;
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = rcgen::date_time_ymd(1970, 1, 1) + since_epoch;
    params.not_before = now - Duration::from_secs(60 * 60);
    params.not_after = now + lasts;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, common);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let key = rcgen::KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok(SelfSigned { certificate: certificate.pem(), key: KeyPem(key.serialize_pem()) })
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(file).map_err(|source| TlsError::Read { file: file.to_owned(), source })
}

/// All certificates of a PEM file: one at least.
fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let octets = read(file)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&octets).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(TlsError::NoCertificate { file: file.to_owned() }),
        Ok(chain) => Ok(chain),
        Err(source) => Err(TlsError::Pem { file: file.to_owned(), source }),
    }
}

fn add_certificates(file: &Path, roots: &mut RootCertStore) -> Result<(), TlsError> {
    for certificate in read_certificates(file)? {
        roots.add(certificate).map_err(|source| TlsError::Certificate { file: file.to_owned(), source })?;
    }
    Ok(())
}

/// Verifies the chain as a client does that trusts each certificate of it: then only names and
/// times can be wrong.
fn doubts(chain: &[CertificateDer<'static>], hostname: &str, at: SystemTime) -> Vec<String> {
    let Some((own, rest)) = chain.split_first() else { return Vec::new() };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(chain.iter().cloned());
    let Ok(verifier) = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build() else {
        return vec!["it cannot be parsed".into()];
    };
    let Ok(name) = ServerName::try_from(hostname.to_owned()) else {
        return vec![format!("{hostname} is no name that a certificate can have")];
    };
    let at = UnixTime::since_unix_epoch(at.duration_since(UNIX_EPOCH).unwrap_or_default());
    let Err(rustls::Error::InvalidCertificate(error)) = verifier.verify_server_cert(own, rest, &name, &[], at) else {
        return Vec::new();
    };
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => vec!["it has expired".into()],
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            vec!["it is not valid yet: see its dates and this machine's clock".into()]
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            vec![format!("it is not made for the name {hostname}")]
        }
        // The issuer is not at hand.
        CertificateError::UnknownIssuer => Vec::new(),
        other => vec![format!("clients may refuse it: {other}")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn files(folder: &Path, made: &SelfSigned) -> CertificateFiles {
        let files = CertificateFiles { certificate: folder.join("c.pem"), key: folder.join("k.pem") };
        std::fs::write(&files.certificate, &made.certificate).unwrap();
        std::fs::write(&files.key, &made.key.0).unwrap();
        files
    }

    #[test]
    fn a_made_certificate_is_good_for_its_names_and_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let made = self_signed(&["mail.a.test", "127.0.0.1"], now, 10 * DAY).unwrap();
        let tls = ServerTls::load(&files(folder.path(), &made)).unwrap();
        for (name, at, doubt) in [
            ("mail.a.test", now, None),
            ("127.0.0.1", now, None),
            ("mail.a.test", now + 9 * DAY, None),
            ("mail.a.test", now + 11 * DAY, Some("expired")),
            ("mail.a.test", now - DAY, Some("not valid yet")),
            ("mail.b.test", now, Some("not made for the name mail.b.test")),
        ] {
            let doubts = tls.doubts(name, at);
            let fits = doubt.map_or(doubts.is_empty(), |doubt| doubts.iter().any(|said| said.contains(doubt)));
            assert!(fits, "{name}: {doubts:?}");
        }
    }

    #[test]
    fn each_error_names_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let made = self_signed(&["a.test"], now, DAY).unwrap();
        let other = self_signed(&["a.test"], now, DAY).unwrap();
        for (certificate, key, file, what) in [
            (&*made.certificate, &*other.key.0, "k.pem", "not that of the first certificate"),
            (&made.key.0, &made.key.0, "c.pem", "no certificate"),
            (&made.certificate, &made.certificate, "k.pem", "no private key"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n", &made.key.0, "c.pem", "not a PEM file"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &made.key.0, "c.pem", "cannot be used"),
        ] {
            let made = SelfSigned { certificate: certificate.to_owned(), key: KeyPem(key.to_owned()) };
            let error = ServerTls::load(&files(folder.path(), &made)).unwrap_err().to_string();
            assert!(error.contains(file) && error.contains(what), "{error}");
        }
        let gone = CertificateFiles { certificate: folder.path().join("x.pem"), key: folder.path().join("k.pem") };
        assert!(ServerTls::load(&gone).unwrap_err().to_string().contains("x.pem"));
    }

    #[test]
    fn services_do_not_share_sessions() {
        let folder = tempfile::tempdir().unwrap();
        let made = self_signed(&["a.test"], SystemTime::now(), DAY).unwrap();
        let tls = ServerTls::load(&files(folder.path(), &made)).unwrap();
        assert!(Arc::ptr_eq(&tls.of(Listener::Imap), &tls.of(Listener::Imaps)));
        assert!(!Arc::ptr_eq(&tls.of(Listener::Imap), &tls.of(Listener::Pop3)));
        assert!(!Arc::ptr_eq(&tls.of(Listener::Smtp).session_storage, &tls.of(Listener::Submission).session_storage));
    }
}
