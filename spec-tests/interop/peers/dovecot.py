"""Dovecot's LMTP server."""

from peers.peer import Peer


class Dovecot(Peer):
    route = 'protocol = "lmtp"\n'
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
mail_plugins = quota
quota_full_tempfail = no
ssl = required
ssl_cert = </etc/pki/host.pem
ssl_key = </etc/pki/host.key
userdb {{
  driver = passwd-file
  args = username_format=%n /etc/dovecot/users/%n
}}
passdb {{
  driver = passwd-file
  args = username_format=%n /etc/dovecot/users/%n
}}
plugin {{
  quota = count:User quota
  quota_vsizes = yes
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.port}
  }}
}}
""")

    def box(self, mark, quota=None):
        """A new address, which takes so many octets if that is told."""
        box = super().box(mark)
        rule = "" if quota is None else f"userdb_quota_rule=*:storage={quota}B"
        name = box.partition("@")[0]
        # A file of its own: whether one that it knows has changed it asks once a second.
        self.write(f"/etc/dovecot/users/{name}", f"{name}:{{plain}}x:::::: {rule}\n")
        return box

    def told(self):
        return self.log()

    def command(self):
        return ["/usr/sbin/dovecot", "-F"]

    def log(self):
        file = self.root / "var/log/dovecot.log"
        return file.read_text("utf-8", "replace") if file.exists() else ""
