"""OpenSMTPD."""

from peers.peer import Peer


class Opensmtpd(Peer):
    users = {"opensmtpd": 5001, "opensmtpq": 5002}
    folders = {"/var/spool/smtpd": ("root", 0o711), "/var/lib/opensmtpd/empty": ("root", 0o755)}

    def configure(self):
        self.write("/etc/smtpd.conf", f"""\
pki "host" cert "/etc/pki/host.pem"
pki "host" key "/etc/pki/host.key"
table boxes {{ "@{self.domain}" = "vmail" }}
smtp max-message-size "50M"
listen on 127.0.0.1 port {self.port} tls pki "host" hostname mx.{self.domain}
action "here" maildir "/var/mail/%{{rcpt.user}}" virtual <boxes>
action "postkern" relay host "smtp+tls://localhost:{self.smtp}" helo mx.{self.domain}
match from any for domain "{self.domain}" rcpt-to regex "^nobody" reject
match from any for domain "{self.domain}" action "here"
match from any for domain "example.test" action "postkern"
""")
        # It delivers by a shell.
        if not (self.root / "bin/sh").exists():
            (self.root / "bin/sh").symlink_to("dash")
        # What it trusts stands where the system has it.
        self.write("/etc/ssl/certs/ca-certificates.crt", (self.pki / "ca.pem").read_text())

    def command(self):
        return ["/usr/sbin/smtpd", "-d", "-f", "/etc/smtpd.conf", "-T", "smtp"]

    def log(self):
        return ""
