//! Finds what a client must keep to itself in what it says, in SMTP, POP3 and IMAP.

/// What stands in the place of a secret.
const BLANK: &str = "****";

/// Follows one dialogue. Lines come without their ends.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    /// An exchange of AUTH or AUTHENTICATE is under way: all that the client says is secret.
    exchange: bool,
    /// The client sends a message (SMTP, after 354): nothing in it is a command.
    message: bool,
    /// The last command asked for TLS.
    tls: bool,
}

impl Secrets {
    /// A line of the client, as it may be shown.
    pub(super) fn client(&mut self, line: &str) -> String {
        if self.message {
            self.message = line != ".";
            return line.to_owned();
        }
        if self.exchange {
            return BLANK.to_owned();
        }
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let is = |at: usize, name: &str| words.get(at).is_some_and(|word| word.eq_ignore_ascii_case(name));
        self.tls = is(0, "STLS") || is(0, "STARTTLS") || is(1, "STARTTLS");
        // How many words may be shown.
        let shown = if is(0, "AUTH") {
            self.exchange = true;
            2
        } else if is(1, "AUTHENTICATE") {
            self.exchange = true;
            3
        } else if is(0, "PASS") {
            1
        } else if is(1, "LOGIN") {
            2
        } else {
            return line.to_owned();
        };
        if words.len() <= shown {
            return line.to_owned();
        }
        format!("{} {BLANK}", words[..shown].join(" "))
    }

    /// A line of the server; tells whether TLS begins behind it.
    pub(super) fn server(&mut self, line: &str) -> bool {
        let first = line.split([' ', '-']).next().unwrap_or_default();
        // 334 and + go on with an exchange; untagged data of IMAP says nothing about it.
        if !matches!(first, "334" | "+" | "*") {
            self.exchange = false;
        }
        if first == "354" {
            self.message = true;
        }
        let accepted = first == "220" || line.starts_with("+OK") || line.split(' ').nth(1) == Some("OK");
        std::mem::take(&mut self.tls) && accepted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `C:` lines are shown as what stands behind `=>`, or as they are.
    fn check(dialogue: &str) {
        let mut secrets = Secrets::default();
        for line in dialogue.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Some(line) = line.strip_prefix("S: ") {
                secrets.server(line);
            } else if let Some(line) = line.strip_prefix("C: ") {
                let (said, shown) = line.split_once(" => ").unwrap_or((line, line));
                assert_eq!(secrets.client(said), shown);
            }
        }
    }

    #[test]
    fn smtp() {
        check(
            "C: EHLO pass
             S: 250 AUTH PLAIN
             C: AUTH PLAIN AGJvYgBwdw== => AUTH PLAIN ****
             S: 535 5.7.8 no
             C: auth login => auth login
             S: 334 VXNlcm5hbWU6
             C: Ym9i => ****
             S: 334 UGFzc3dvcmQ6
             C: cHc= => ****
             S: 235 2.7.0 ok
             C: MAIL FROM:<bob@a.test>
             S: 250 ok
             C: DATA
             S: 354 go on
             C: PASS the salt, please
             C: .
             S: 250 ok
             C: QUIT",
        );
    }

    #[test]
    fn pop3() {
        check(
            "C: USER bob
             S: +OK
             C: PASS p w => PASS ****
             S: -ERR no
             C: AUTH PLAIN => AUTH PLAIN
             S: +
             C: AGJvYgBwdw== => ****
             S: +OK
             C: STAT",
        );
    }

    #[test]
    fn imap() {
        check(
            "C: a LOGIN bob \"p w\" => a LOGIN ****
             S: * BYE not yet
             S: a NO no
             C: b AUTHENTICATE PLAIN AGJvYgBwdw== => b AUTHENTICATE PLAIN ****
             S: b OK done
             C: c SELECT INBOX",
        );
    }

    #[test]
    fn tls_begins_behind_the_answer_that_accepts_it() {
        for (command, answer, begins) in [
            ("STARTTLS", "220 2.0.0 ready", true),
            ("STARTTLS", "454 4.7.0 not now", false),
            ("STLS", "+OK", true),
            ("a STARTTLS", "a OK go on", true),
            ("NOOP", "220 what", false),
        ] {
            let mut secrets = Secrets::default();
            secrets.client(command);
            assert_eq!(secrets.server(answer), begins, "{command} {answer}");
            assert!(!secrets.server(answer));
        }
    }
}
