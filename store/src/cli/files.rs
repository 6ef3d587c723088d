//! Small things about files and streams that several commands need.

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, IsTerminal, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use postkern_server::job::Backend;

use super::error::CliError;
use crate::sqlite::Sqlite;

/// Only the owner reads and writes it.
pub(super) const SECRET: u32 = 0o600;
/// Everyone may read it.
pub(super) const PUBLIC: u32 = 0o644;

/// The store of a configuration, for a command that runs beside the server.
pub(super) fn open(folder: &Path) -> Result<Arc<dyn Backend>, CliError> {
    Ok(Arc::new(Sqlite::open(folder)?))
}

/// Prints to standard output. That nobody reads it any more (`| head`) is no error.
pub(super) fn print(text: &str) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CliError::Io { what: "standard output".into(), source: error })
        }
        _ => Ok(()),
    }
}

/// Makes a folder that only its owner enters, its parents as they come.
pub(super) fn make_folder(folder: &Path) -> Result<(), CliError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(CliError::io("cannot make", folder))
}

/// Writes a file that must not be there yet.
pub(super) fn create(file: &Path, mode: u32, text: &str) -> Result<(), CliError> {
    let write = || {
        let mut to = OpenOptions::new().write(true).create_new(true).mode(mode).open(file)?;
        to.write_all(text.as_bytes())?;
        to.sync_all()
    };
    write().map_err(CliError::io("cannot write", file))
}

/// Writes a file as a whole: who reads it sees the old text or the new, never a part.
pub(super) fn replace(file: &Path, mode: u32, text: &str) -> Result<(), CliError> {
    let mut draft = file.as_os_str().to_owned();
    draft.push(format!(".{}", std::process::id()));
    let draft = Path::new(&draft);
    // One that a killed process of the same number has left.
    let _ = fs::remove_file(draft);
    create(draft, mode, text)?;
    fs::rename(draft, file).map_err(CliError::io("cannot write", file))
}

/// Asks a question that is to be answered with y. Where there is no terminal to ask at, the
/// answer must have been given as `--yes`.
pub(super) fn confirm(question: &str, yes: bool) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(CliError::Refused(format!("{question} Say so with --yes: there is no terminal to ask at")));
    }
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).map_err(|source| CliError::Io { what: "standard input".into(), source })?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(CliError::Refused("nothing was done".into())),
    }
}

/// Random octets for a secret or a salt.
pub(super) fn random<const LEN: usize>() -> Result<[u8; LEN], CliError> {
    let mut octets = [0; LEN];
    getrandom::fill(&mut octets).map_err(|error| CliError::Io {
        what: "the system's random numbers".into(),
        source: io::Error::other(error),
    })?;
    Ok(octets)
}

/// A random password of 80 bits, easy to read out: groups of letters and digits, none of which
/// looks like another.
pub(super) fn random_password() -> Result<String, CliError> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut password = String::with_capacity(19);
    for (index, octet) in random::<16>()?.into_iter().enumerate() {
        if index > 0 && index % 4 == 0 {
            password.push('-');
        }
        password.push(char::from(LETTERS[usize::from(octet % 32)]));
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_differ_and_need_no_quotes() {
        let (one, two) = (random_password().unwrap(), random_password().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.len(), 19);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{one}");
    }

    #[test]
    fn replacing_leaves_one_file_with_its_mode() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        replace(&file, SECRET, "one").unwrap();
        replace(&file, SECRET, "two").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(create(&file, SECRET, "three").is_err());
    }
}
