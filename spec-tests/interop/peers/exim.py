"""Exim."""

from peers.peer import Peer

# While this file is there, `box-later` is refused for now.
CLOSED = "/var/spool/exim4/closed"


class Exim(Peer):
    users = {"Debian-exim": 5001}
    folders = {"/var/spool/exim4": ("Debian-exim", 0o750), "/var/log/exim4": ("Debian-exim", 0o750)}
    key_owner = "Debian-exim"

    def configure(self):
        self.write("/etc/exim4/exim4.conf", f"""\
primary_hostname = mx.{self.domain}
local_interfaces = 127.0.0.1
daemon_smtp_ports = {self.port}
tls_advertise_hosts = *
tls_certificate = /etc/pki/host.pem
tls_privatekey = /etc/pki/host.key
acl_smtp_rcpt = check_rcpt
acl_smtp_data = accept
dsn_advertise_hosts = *
message_size_limit = 50M
log_selector = +all
keep_environment =
never_users =
untrusted_set_sender = *
disable_ipv6
delay_warning =

begin acl
check_rcpt:
  require verify = recipient
  defer local_parts = ^box-later
        condition = ${{if exists{{{CLOSED}}}}}
        message = come again
  accept

begin routers
boxes:
  driver = accept
  domains = {self.domain}
  local_parts = ^box
  transport = maildir
postkern:
  driver = manualroute
  domains = example.test
  transport = smtp
  route_data = localhost::{self.smtp} byname
  self = send

begin transports
maildir:
  driver = appendfile
  directory = /var/mail/all
  maildir_format
  create_directory
  user = vmail
  return_path_add
  headers_add = Delivered-To: $local_part@$domain
smtp:
  driver = smtp
  hosts_require_tls = *
  tls_verify_certificates = /etc/pki/ca.pem
  tls_verify_hosts = *
  tls_verify_cert_hostnames = *

begin retry
* * F,1h,5s
""")

    @property
    def closed(self):
        """Whether `box-later` is refused for now."""
        return (self.root / CLOSED[1:]).exists()

    @closed.setter
    def closed(self, closed):
        if closed:
            self.write(CLOSED, "")
        else:
            (self.root / CLOSED[1:]).unlink()

    def command(self):
        return ["/usr/sbin/exim4", "-bdf", "-q5s"]

    def log(self):
        file = self.root / "var/log/exim4/mainlog"
        return file.read_text("utf-8", "replace") if file.exists() else ""
