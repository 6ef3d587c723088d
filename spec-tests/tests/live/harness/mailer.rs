//! The foreign submission client: lettre.

use std::time::Duration;

use lettre::address::{Address, Envelope};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::{Error, response::Response};
use lettre::{SmtpTransport, Transport};
use postkern_server::config::Listener;

use super::server::Server;

/// A lettre that submits over STARTTLS or implicit TLS, whichever the listener has.
pub(crate) fn mailer(
    server: &Server,
    listener: Listener,
    account: &str,
    password: &str,
    mechanism: Mechanism,
) -> SmtpTransport {
    let parameters = TlsParameters::builder("localhost".into())
        .certificate_store(CertificateStore::None)
        .add_root_certificate(Certificate::from_der(server.authority.der().to_vec()).expect("a certificate"))
        .build()
        .expect("parameters");
    let tls = if listener.is_implicit_tls() { Tls::Wrapper(parameters) } else { Tls::Required(parameters) };
    SmtpTransport::builder_dangerous("127.0.0.1")
        .port(server.address(listener).port())
        .tls(tls)
        .authentication(vec![mechanism])
        .credentials(Credentials::new(account.into(), password.into()))
        .timeout(Some(Duration::from_secs(60)))
        .build()
}

/// Submits a message as it is. lettre ends each message by a CRLF of its own, so what it is
/// given goes without its last one.
pub(crate) fn submit(mailer: &SmtpTransport, from: &str, to: &[&str], message: &[u8]) -> Result<Response, Error> {
    let to = to.iter().map(|to| to.parse::<Address>().expect("an address")).collect();
    let envelope = Envelope::new(Some(from.parse().expect("an address")), to).expect("a recipient");
    mailer.send_raw(&envelope, message.strip_suffix(b"\r\n").unwrap_or(message))
}
