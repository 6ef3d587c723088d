//! How users prove who they are: the sections `[auth]` and `[auth.oauth]`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use postkern::sasl::{Hash, Mechanism, Mechanisms, TlsFacts, addresses};
use toml::de::{DeTable, DeValue};

use super::Config;
use super::file::{boolean, file_path};
use super::reader::{Reader, Section, string};
use super::values::Read;

/// What is used of the mechanisms that there are, where the configuration names none. SHA-1
/// has to be asked for.
const DEFAULT: Mechanisms = Mechanisms::of(&[
    Mechanism::ScramSha256Plus,
    Mechanism::ScramSha256,
    Mechanism::External,
    Mechanism::OauthBearer,
    Mechanism::Xoauth2,
    Mechanism::Plain,
    Mechanism::Login,
]);
const BOUND: [Mechanism; 2] = [Mechanism::ScramSha256Plus, Mechanism::ScramSha1Plus];
const TOKEN: [Mechanism; 2] = [Mechanism::OauthBearer, Mechanism::Xoauth2];

/// How users prove who they are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Auth {
    /// Mechanisms that may be used, where what they need is there.
    pub mechanisms: Mechanisms,
    /// Whose tokens are taken.
    pub oauth: Option<Arc<Oauth>>,
    /// Certificates (PEM) of those who certify our users; without it no client is asked for a
    /// certificate. The key `client_ca` of `[tls]`.
    pub client_ca: Option<PathBuf>,
}

/// Whose tokens are taken, and what is asked of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Oauth {
    /// Who issues them: the claim `iss`, an https address.
    pub issuer: String,
    /// For whom they must be: the claim `aud`.
    pub audience: String,
    /// The issuer's public keys: a file that holds a JSON Web Key Set (RFC 7517). It is read
    /// anew when it changes; whoever runs the server fetches it.
    pub keys: PathBuf,
    /// The claim that names the account.
    pub login: String,
    /// The scope that clients are told to ask for; empty for none.
    pub scope: String,
}

impl Default for Auth {
    fn default() -> Self {
        Self { mechanisms: DEFAULT, oauth: None, client_ca: None }
    }
}

impl Auth {
    /// What can be offered on a connection: with TLS of which these are the facts, or without
    /// TLS.
    pub fn offers(&self, facts: Option<&TlsFacts>) -> Mechanisms {
        let mut offers = self.mechanisms;
        let bound = facts.is_some_and(TlsFacts::may_bind);
        // RFC 7628 section 3: tokens are said under TLS alone.
        let token = facts.is_some() && self.oauth.is_some();
        let certified = facts.and_then(|facts| facts.peer_certificate.as_deref());
        let certified = certified.is_some_and(|certificate| !addresses(certificate).is_empty());
        for (unfit, mechanisms) in [(!bound, &BOUND[..]), (!token, &TOKEN), (!certified, &[Mechanism::External])] {
            for &mechanism in mechanisms.iter().filter(|_| unfit) {
                offers = offers.without(mechanism);
            }
        }
        offers
    }

    /// The hashes of SCRAM for which something is kept of each password.
    pub fn hashes(&self) -> Vec<Hash> {
        let used = |hash: &Hash| [false, true].iter().any(|&plus| self.mechanisms.contains(hash.mechanism(plus)));
        [Hash::Sha256, Hash::Sha1].into_iter().filter(used).collect()
    }
}

impl Oauth {
    /// Where the issuer describes itself (OpenID Connect Discovery 1.0 section 4).
    pub fn openid_configuration(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'))
    }
}

/// Reads `[auth]`, and `client_ca` of `[tls]`.
pub(super) fn read<'t>(reader: &mut Reader<'t>, file: &DeTable<'t>, folder: &Path, config: &mut Config) {
    // A [tls] that is none has been told of.
    if let Some(DeValue::Table(table)) = file.get("tls").map(|node| node.get_ref()) {
        let section = Section { name: "tls", table };
        config.auth.client_ca = reader.value(section, "client_ca", |value| file_path(value, folder));
    }
    let Some(section) = reader.section(file, "auth") else { return };
    reader.known(section, &["plaintext", "mechanisms", "oauth"]);
    config.plaintext_login = reader.value(section, "plaintext", boolean).unwrap_or_default();
    match section.table.get("oauth").map(|node| (node.span().start, node.get_ref())) {
        None => {}
        Some((at, DeValue::Table(table))) => oauth(reader, Section { name: "auth.oauth", table }, at, folder, config),
        Some((at, _)) => reader.blame(at, "auth.oauth is a section: write [auth.oauth] above its keys"),
    }
    let named = reader.list(section, "mechanisms", |value| mechanism(string(value)?));
    let Some(named) = named else { return };
    if let Some(at) = section.empty_list("mechanisms") {
        reader.blame(at, "auth.mechanisms is empty: nobody could log in; leave it out for the usual ones");
    }
    config.auth.mechanisms = Mechanisms::NONE;
    for (at, mechanism) in named {
        let name = mechanism.name();
        if TOKEN.contains(&mechanism) && !section.table.contains_key("oauth") {
            reader.blame(at, format!("auth.mechanisms: {name} needs to know whose tokens: write [auth.oauth]"));
        }
        if mechanism == Mechanism::External && config.auth.client_ca.is_none() {
            reader.blame(at, format!("auth.mechanisms: {name} needs client_ca = \"ca.pem\" below [tls]"));
        }
        config.auth.mechanisms = config.auth.mechanisms.with(mechanism);
    }
}

fn oauth<'t>(reader: &mut Reader<'t>, section: Section<'_, 't>, at: usize, folder: &Path, config: &mut Config) {
    reader.known(section, &["issuer", "audience", "keys", "login", "scope"]);
    let issuer = reader.value(section, "issuer", |value| issuer(string(value)?));
    let audience = reader.value(section, "audience", |value| word(string(value)?));
    let keys = reader.value(section, "keys", |value| file_path(value, folder));
    let login = reader.value(section, "login", |value| word(string(value)?));
    let scope = reader.value(section, "scope", |value| match string(value)? {
        "" => Ok(String::new()),
        scope => word(scope),
    });
    for (key, example) in
        [("issuer", "\"https://login.example.org\""), ("audience", "\"mail\""), ("keys", "\"jwks.json\"")]
    {
        if !section.table.contains_key(key) {
            reader.blame(at, format!("auth.oauth.{key} is missing: write {key} = {example}"));
        }
    }
    if let (Some(issuer), Some(audience), Some(keys)) = (issuer, audience, keys) {
        let login = login.unwrap_or_else(|| "email".into());
        let scope = scope.unwrap_or_default();
        config.auth.oauth = Some(Arc::new(Oauth { issuer, audience, keys, login, scope }));
    }
}

fn mechanism(name: &str) -> Read<Mechanism> {
    let names = Mechanism::ALL.map(Mechanism::name).join(", ");
    Mechanism::parse(name).ok_or_else(|| format!("is no mechanism that is known here; there are {names}"))
}

fn issuer(text: &str) -> Read<String> {
    match text.strip_prefix("https://") {
        Some(rest) if !rest.is_empty() => word(text),
        _ => Err("must be an address that begins with https://, as the tokens name it".into()),
    }
}

fn word(text: &str) -> Read<String> {
    match !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_graphic() && !matches!(octet, b'"' | b'\\')) {
        true => Ok(text.into()),
        false => Err("must be of visible ASCII without spaces, quotes and backslashes".into()),
    }
}
