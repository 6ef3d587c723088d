//! Lines to paste into a shell: a message sent and read back with curl.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

/// What the lines are about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paste<'a> {
    /// Address and password of who sends.
    pub(super) from: (&'a str, &'a str),
    /// Of who reads.
    pub(super) to: (&'a str, &'a str),
    /// The certificate to trust.
    pub(super) certificate: &'a Path,
    pub(super) submission: SocketAddr,
    pub(super) pop3s: SocketAddr,
    pub(super) imaps: SocketAddr,
}

impl Paste<'_> {
    /// The lines, with a word about each.
    pub(super) fn lines(&self) -> String {
        let ((from, from_password), (to, to_password)) = (self.from, self.to);
        let trust = format!("--cacert {}", quoted(&self.certificate.display().to_string()));
        let login = |name: &str, password: &str| quoted(&format!("{name}:{password}"));
        let message = format!("From: {from}\\r\\nTo: {to}\\r\\nSubject: Hello\\r\\n\\r\\nDoes it work?\\r\\n");
        let mut lines = String::new();
        let mut tell = |what: &str, line: String| {
            let _ = write!(lines, "\n# {what}\n{line}\n");
        };
        tell(
            "send a message",
            format!(
                "printf {} | curl -sS --ssl-reqd {trust} --user {} --mail-from {} --mail-rcpt {} -T - {}",
                quoted(&message),
                login(from, from_password),
                quoted(from),
                quoted(to),
                quoted(&format!("smtp://{}", self.submission)),
            ),
        );
        tell(
            "read it over POP3",
            format!(
                "curl -sS {trust} --user {} {}",
                login(to, to_password),
                quoted(&format!("pop3s://{}/1", self.pop3s))
            ),
        );
        tell(
            "and over IMAP",
            format!(
                "curl -sS {trust} --user {} {}",
                login(to, to_password),
                quoted(&format!("imaps://{}/INBOX;MAILINDEX=1", self.imaps))
            ),
        );
        lines
    }
}

/// A word for a shell: as it is if nothing in it means anything there, else in quotes.
pub(super) fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@%+=:,./-_".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_gets_back_what_was_quoted() {
        for word in ["plain", "two words", "it's", "", "$HOME;`x`\\", "a@b.test:p-w"] {
            let line = format!("printf %s {}", quoted(word));
            let output = std::process::Command::new("sh").arg("-c").arg(line).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
    }

    #[test]
    fn the_lines_are_as_curl_wants_them() {
        let port = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let paste = Paste {
            from: ("alice@example.test", "abc-def"),
            to: ("bob@example.test", "ghi-jkl"),
            certificate: Path::new("/home/me/post kern/certificate.pem"),
            submission: port(2587),
            pop3s: port(2995),
            imaps: port(2993),
        };
        let lines = paste.lines();
        let commands: Vec<_> = lines.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        assert_eq!(
            commands,
            [
                r"printf 'From: alice@example.test\r\nTo: bob@example.test\r\nSubject: Hello\r\n\r\nDoes it work?\r\n' | curl -sS --ssl-reqd --cacert '/home/me/post kern/certificate.pem' --user alice@example.test:abc-def --mail-from alice@example.test --mail-rcpt bob@example.test -T - smtp://127.0.0.1:2587",
                r"curl -sS --cacert '/home/me/post kern/certificate.pem' --user bob@example.test:ghi-jkl pop3s://127.0.0.1:2995/1",
                r"curl -sS --cacert '/home/me/post kern/certificate.pem' --user bob@example.test:ghi-jkl 'imaps://127.0.0.1:2993/INBOX;MAILINDEX=1'",
            ]
        );
    }
}
