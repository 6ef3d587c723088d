//! `account`: who has a mailbox here.

use std::io::{self, BufRead};

use postkern::sasl::Hash;
use postkern::smtp::is_mailbox_utf8;
use postkern_server::account::{PASSWORD_MAX, check_password, hash, normalize, scram_keys};
use postkern_server::config::Config;
use postkern_server::job::{Admin, Backend, Done, Failure, Job};

use super::args::{Listed, Named, Removed};
use super::check;
use super::error::CliError;
use super::files::{confirm, open, print, random};

/// Characters below which a password is called short.
const PASSWORD_SHORT: usize = 8;

pub(super) fn add(args: &Named) -> Result<(), CliError> {
    let config = check::read(&args.file.config)?;
    let name = served(&args.name, &config)?;
    if let Some(user) = config.without_detail(&name) {
        return Err(CliError::Refused(format!(
            "{name} is {user} with a detail: {user} could write in its name. Choose another, or turn details off \
             with subaddress = \"\" in [local]"
        )));
    }
    let backend = open(&config.data)?;
    let password = password(args.password_stdin)?;
    match create(&*backend, &name, &password, &config.auth.hashes())? {
        true => print(&format!("{name} can send and read mail now\n")),
        false => Err(CliError::Refused(format!("{name} is there already: account passwd changes its password"))),
    }
}

pub(super) fn list(args: &Listed) -> Result<(), CliError> {
    let config = check::read(&args.file.config)?;
    let names = match open(&config.data)?.run(Job::Admin(Admin::Accounts)) {
        Done::Accounts(names) => names,
        other => return Err(CliError::unexpected(other)),
    };
    if args.json {
        let names: Vec<_> = names.iter().map(|name| serde_json::json!({ "name": name })).collect();
        return print(&format!("{}\n", serde_json::Value::from(names)));
    }
    print(&names.iter().map(|name| format!("{name}\n")).collect::<String>())
}

pub(super) fn passwd(args: &Named) -> Result<(), CliError> {
    let config = check::read(&args.file.config)?;
    let name = normalize(&args.name);
    let backend = open(&config.data)?;
    let password = password(args.password_stdin)?;
    let verifier = hash(password.as_bytes(), random()?);
    match backend.run(Job::Admin(Admin::SetVerifier { name: name.clone(), verifier: verifier.clone() })) {
        Done::Nothing => {
            keep_scram(&*backend, &name, verifier, &password, &config.auth.hashes())?;
            print(&format!("{name} has a new password\n"))
        }
        other => Err(absent(other, &name)),
    }
}

pub(super) fn remove(args: &Removed) -> Result<(), CliError> {
    let config = check::read(&args.file.config)?;
    let name = normalize(&args.name);
    let backend = open(&config.data)?;
    confirm(&format!("Remove {name} with all its mail?"), args.yes)?;
    match backend.run(Job::Admin(Admin::RemoveAccount { name: name.clone() })) {
        Done::Nothing => print(&format!("{name} is gone, and all its mail\n")),
        other => Err(absent(other, &name)),
    }
}

/// Makes an account, whose password can be used with SCRAM by these hashes; tells whether it
/// was not there before.
pub(super) fn create(backend: &dyn Backend, name: &str, password: &str, hashes: &[Hash]) -> Result<bool, CliError> {
    let verifier = hash(password.as_bytes(), random()?);
    match backend.run(Job::Admin(Admin::AddAccount { name: name.to_owned(), verifier: verifier.clone() })) {
        Done::Account(_) => keep_scram(backend, name, verifier, password, hashes).map(|()| true),
        Done::Failed(Failure::Exists) => Ok(false),
        other => Err(CliError::unexpected(other)),
    }
}

fn keep_scram(
    backend: &dyn Backend,
    name: &str,
    verifier: String,
    password: &str,
    hashes: &[Hash],
) -> Result<(), CliError> {
    let mut keys = Vec::new();
    for &hash in hashes {
        keys.extend(scram_keys(hash, password.as_bytes(), random()?));
    }
    if keys.len() < hashes.len() {
        eprintln!("note: that password has characters that SCRAM does not allow: PLAIN and LOGIN alone will take it");
    }
    match backend.run(Job::Admin(Admin::SetScram { name: name.to_owned(), verifier, keys })) {
        Done::Nothing => Ok(()),
        other => Err(CliError::unexpected(other)),
    }
}

fn absent(done: Done, name: &str) -> CliError {
    match done {
        Done::Failed(Failure::NoSuchAccount) => {
            CliError::Refused(format!("there is no account {name}: account list shows all"))
        }
        other => CliError::unexpected(other),
    }
}

/// The address as it is kept, if mail to it would end here.
fn served(name: &str, config: &Config) -> Result<String, CliError> {
    let domain = name.rsplit_once('@').map(|(_, domain)| domain);
    match domain {
        Some(domain) if is_mailbox_utf8(name) && config.is_local(domain) => Ok(normalize(name)),
        Some(domain) if is_mailbox_utf8(name) => Err(CliError::Refused(format!(
            "{domain} is not among the domains of the configuration ({}): add it there first",
            config.domains.join(", ")
        ))),
        _ => Err(CliError::Refused(format!("{name} is no address: it should look like someone@{}", first(config)))),
    }
}

fn first(config: &Config) -> &str {
    config.domains.first().map_or("example.org", String::as_str)
}

/// Asks twice, or reads a line.
fn password(from_stdin: bool) -> Result<String, CliError> {
    let password = if from_stdin { read_line(io::stdin().lock())? } else { prompt()? };
    check_password(password.as_bytes()).map_err(|bad| CliError::Refused(bad.to_string()))?;
    if password.chars().count() < PASSWORD_SHORT {
        eprintln!("note: that is a short password; {PASSWORD_SHORT} characters or more are harder to guess");
    }
    Ok(password)
}

fn prompt() -> Result<String, CliError> {
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt).map_err(|source| CliError::Io {
            what: "no terminal to ask for the password at (--password-stdin reads it from standard input)".into(),
            source,
        })
    };
    let password = ask("Password: ")?;
    match password == ask("Again: ")? {
        true => Ok(password),
        false => Err(CliError::Refused("these are two different passwords; nothing was done".into())),
    }
}

/// The first line, without its end, read no further than a password may be long.
fn read_line(from: impl BufRead) -> Result<String, CliError> {
    let mut line = String::new();
    from.take(PASSWORD_MAX as u64 + 2)
        .read_line(&mut line)
        .map_err(|source| CliError::Io { what: "standard input".into(), source })?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_in_served_domains_can_be_accounts() {
        let config = Config::new("mail.a.test", &["a.test", "b.test"], "data".into());
        assert_eq!(served("Alice@A.test", &config).unwrap(), "alice@a.test");
        for (name, what) in [
            ("alice@c.test", "c.test is not among the domains of the configuration (a.test, b.test)"),
            ("alice", "alice is no address: it should look like someone@a.test"),
            ("al ice@a.test", "is no address"),
            ("@a.test", "is no address"),
        ] {
            let error = served(name, &config).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }

    #[test]
    fn a_password_is_the_first_line() {
        for (input, password) in
            [("secret\n", "secret"), ("secret\r\nmore\n", "secret"), ("se cret", "se cret"), ("", ""), ("\n", "")]
        {
            assert_eq!(read_line(input.as_bytes()).unwrap(), password);
        }
        assert!(read_line("x".repeat(5000).as_bytes()).unwrap().len() > PASSWORD_MAX);
    }
}
