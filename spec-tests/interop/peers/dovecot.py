"""Dovecot's LMTP server."""

from peers.peer import Peer


class Dovecot(Peer):
    users = {"dovecot": 5001, "dovenull": 5002}
    folders = {"/var/lib/dovecot": ("root", 0o755)}

    def configure(self):
        self.write("/etc/dovecot/dovecot.conf", f"""\
protocols = lmtp
hostname = mx.{self.domain}
log_path = /var/log/dovecot.log
mail_location = maildir:/var/mail/%n
mail_uid = vmail
mail_gid = vmail
ssl = required
ssl_cert = </etc/pki/host.pem
ssl_key = </etc/pki/host.key
userdb {{
  driver = passwd-file
  args = username_format=%n /etc/dovecot/users
}}
passdb {{
  driver = passwd-file
  args = username_format=%n /etc/dovecot/users
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.port}
  }}
}}
""")
        self.write("/etc/dovecot/users", "")

    def command(self):
        return ["/usr/sbin/dovecot", "-F"]

    def log(self):
        file = self.root / "var/log/dovecot.log"
        return file.read_text("utf-8", "replace") if file.exists() else ""
