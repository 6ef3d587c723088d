"""Postfix."""

import re

from peers.peer import VMAIL, Peer

# service type private unpriv chroot wakeup maxproc command
SERVICES = """\
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
tlsproxy unix - - n - 0 tlsproxy
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix(Peer):
    users = {"postfix": 5001, "postdrop": 5002}
    folders = {
        **{f"/var/spool/postfix/{name}": ("postfix", 0o700) for name in ["active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace"]},
        "/var/spool/postfix/pid": ("root", 0o755),
        "/var/spool/postfix/public": ("postfix", 0o710),
        "/var/spool/postfix/maildrop": ("postfix", 0o730),
        "/var/lib/postfix": ("postfix", 0o700),
    }

    def configure(self):
        settings = {
            "compatibility_level": "3.6",
            "queue_directory": "/var/spool/postfix",
            "data_directory": "/var/lib/postfix",
            "daemon_directory": "/usr/lib/postfix/sbin",
            "command_directory": "/usr/sbin",
            "mail_owner": "postfix",
            "setgid_group": "postdrop",
            "maillog_file": "/var/log/postfix.log",
            "myhostname": f"mx.{self.domain}",
            "mydestination": "",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "message_size_limit": "52428800",
            # Here
            "virtual_mailbox_domains": self.domain,
            "virtual_mailbox_base": "/var/mail",
            "virtual_mailbox_maps": "regexp:/etc/postfix/boxes",
            "virtual_mailbox_limit": "0",
            "virtual_uid_maps": f"static:{VMAIL}",
            "virtual_gid_maps": f"static:{VMAIL}",
            # Elsewhere: to us, or nowhere.
            "smtp_dns_support_level": "disabled",
            "smtp_host_lookup": "native",
            "transport_maps": f"inline:{{ example.test=smtp:[localhost]:{self.smtp} }}",
            "default_transport": "error:no such domain here",
            "smtp_connection_cache_destinations": "example.test",
            "smtp_connection_cache_time_limit": "30s",
            "smtp_tls_connection_reuse": "yes",
            "minimal_backoff_time": "5s",
            "queue_run_delay": "5s",
            # TLS, or no mail.
            "smtp_tls_security_level": "secure",
            "smtp_tls_secure_cert_match": "hostname",
            "smtp_tls_CAfile": "/etc/pki/ca.pem",
            "smtp_tls_loglevel": "1",
            "smtpd_tls_security_level": "may",
            "smtpd_tls_cert_file": "/etc/pki/host.pem",
            "smtpd_tls_key_file": "/etc/pki/host.key",
            "smtpd_tls_loglevel": "1",
            "smtpd_tls_received_header": "yes",
            # The dialogues go to the log.
            "debug_peer_list": "127.0.0.1",
            "debug_peer_level": "1",
        }
        self.write("/etc/postfix/main.cf", "".join(f"{key} = {value}\n" for key, value in settings.items()))
        self.write("/etc/postfix/master.cf", f"127.0.0.1:{self.port} inet n - n - - smtpd\n{SERVICES}")
        self.write("/etc/postfix/boxes", "/^box/ all/\n")

    def command(self):
        return ["/usr/lib/postfix/sbin/master", "-d", "-c", "/etc/postfix"]

    def environment(self):
        # As postfix(1) tells master(8).
        return {"POSTLOG_SERVICE": "postlog", "POSTLOG_HOSTNAME": f"mx.{self.domain}"}

    def log(self):
        file = self.root / "var/log/postfix.log"
        return file.read_text("utf-8", "replace") if file.exists() else ""

    def told(self):
        # What it does besides speaking is not for people.
        return "\n".join(line for line in self.log().splitlines() if re.search(r": [<>] |status=|TLS|warning|error|fatal|reject", line))

    def dialogue(self, address):
        """The dialogue in which an address stands in RCPT, as client or as server: `> ` what it
        said, `< ` what it heard."""
        speakers = {}
        for line in self.log().splitlines():
            if match := re.search(r"postfix/(smtpd?\[\d+\]): ([<>]) [^ ]+: (.*)", line):
                speaker, mark, words = match.groups()
                # A process has one conversation after another.
                if words.startswith("220 ") and "ESMTP" in words:
                    speakers[speaker] = []
                speakers.setdefault(speaker, []).append(f"{mark} {words}")
                if f"RCPT TO:<{address}>" in words:
                    found = speakers[speaker]
        return found
