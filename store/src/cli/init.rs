//! `init`: a first configuration.

use std::path::Path;
use std::time::{Duration, SystemTime};

use postkern::smtp::is_domain;
use postkern_server::config;

use super::args::Init;
use super::error::CliError;
use super::files::{PUBLIC, SECRET, create, make_folder, print};
use super::paste::quoted;
use crate::runtime::Runtime;
use crate::tls::self_signed;

/// How long the certificate lasts: as long as the strictest of clients believe one.
const LASTS: Duration = Duration::from_secs(825 * 24 * 60 * 60);

pub(super) fn run(runtime: &dyn Runtime, args: &Init) -> Result<(), CliError> {
    let (domain, hostname) = (args.domain.to_ascii_lowercase(), args.hostname.to_ascii_lowercase());
    for (option, name) in [("--domain", &domain), ("--hostname", &hostname)] {
        if !is_domain(name) || name.starts_with('[') {
            return Err(CliError::Refused(format!("{option} {name}: that is no domain name")));
        }
    }
    let folder = &args.folder;
    make_folder(folder)?;
    let [file, certificate, key] = ["postkern.toml", "certificate.pem", "key.pem"].map(|name| folder.join(name));
    let data = folder.join("data");
    // All of them before the first is written.
    for file in [&file, &certificate, &key, &data] {
        if file.exists() {
            return Err(CliError::Refused(format!(
                "{} is there already, and nothing was changed: move it away, or choose another folder",
                file.display()
            )));
        }
    }
    let made = self_signed(&[&hostname], SystemTime::now(), LASTS)?;
    create(&key, SECRET, &made.key.0)?;
    create(&certificate, PUBLIC, &made.certificate)?;
    create(&file, PUBLIC, &config::example(&hostname, &domain))?;
    make_folder(&data)?;
    print(&next_steps(runtime.program(), &file, &domain, &hostname))
}

/// What is left to do, in its order.
fn next_steps(program: &str, file: &Path, domain: &str, hostname: &str) -> String {
    let file = quoted(&file.display().to_string());
    format!(
        "\
Made {file}, with a certificate that is signed by itself, and an empty store.

1. Read it through, then check it:
     {program} config check --config {file}
2. Add an account:
     {program} account add --config {file} you@{domain}
3. Publish these in the DNS, with this host's own addresses:
     {domain}.  MX   10 {hostname}.
     {hostname}.  A    192.0.2.1
     {hostname}.  AAAA 2001:db8::1
     {domain}.  TXT  \"v=spf1 mx -all\"
   and have whoever gave you the addresses let them point back to {hostname}.
4. Let clients find it, if you like (RFC 6186, RFC 8314):
     _submissions._tcp.{domain}.  SRV 0 1 465 {hostname}.
     _imaps._tcp.{domain}.        SRV 0 1 993 {hostname}.
     _pop3s._tcp.{domain}.        SRV 10 1 995 {hostname}.
5. Put a certificate in place that your clients trust: certificate.pem and key.pem.
6. Start it:
     {program} serve --config {file}
"
    )
}
