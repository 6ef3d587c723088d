"""Servers that the checks run against."""

import itertools
import json
import re
import signal
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

PASSWORD = "correct horse battery staple"
LISTENERS = ["smtp", "submission", "submissions", "lmtp", "pop3", "pop3s", "imap", "imaps"]
HOST = "localhost"


class Target:
    """What a check needs to know of a server."""

    domain = "example.test"
    password = PASSWORD
    numbers = itertools.count(1)

    def port(self, listener):
        """The port of a listener, on the host `localhost`."""
        return self.ports[listener]

    def tls(self):
        """For Python's clients: trusts the server's certificate and no other."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def can(self, function):
        """Whether the check is for servers of this kind."""
        return True


class Foreign(Target):
    """A server of another make that runs already, to try the checks themselves: it takes the
    password for any account."""

    def __init__(self, file):
        told = json.loads(file.read_text())
        self.name = told.get("name", file.name)
        self.certificate = Path(told["certificate"])
        self.ports = {name: int(address.rpartition(":")[2]) for name, address in told["listeners"].items()}
        self.domain = told.get("domain", self.domain)
        self.password = told.get("password", self.password)

    def account(self):
        return f"user{next(self.numbers)}-{time.time_ns()}@{self.domain}"

    def can(self, function):
        return not getattr(function, "postkern_only", False)


class Postkern(Target):
    """One of our binaries, set up by its own command line on free ports."""

    def __init__(self, binary, pki, peers, settings=None):
        """`peers` are the servers of other makes, to which its routes lead; `settings` are
        lines for sections of the configuration."""
        self.binary, self.pki, self.peers = binary, pki, peers
        self.settings = settings
        self.name = binary.name

    def another(self, settings):
        """A server of the same binary with other settings, which no peer knows."""
        return Postkern(self.binary, self.pki, self.peers, settings)

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="postkern-interop-")
        folder = Path(self._folder.name) / "server"
        self.config = folder / "postkern.toml"
        self.command("init", folder, "--domain", self.domain, "--hostname", HOST)
        text = on_free_ports(self.config.read_text(), smtp=self.peers.smtp if self.settings is None else 0)
        for section, lines in (self.settings or {}).items():
            text = re.sub(rf"(?m)^\[{section}\]$", f"[{section}]\n{lines}", text)
        self.config.write_text(with_routes(with_certificate(text, self.pki), self.pki, self.peers))
        self.command("config", "check", "--config", self.config)
        self.certificate = self.pki / "ca.pem"
        self.log = Path(self._folder.name) / "log"
        self.serve()
        return self

    def __exit__(self, *exception):
        code = self.stop()
        if code != 0 or exception[0] is not None:
            print(self.log.read_text()[-5000:])
        self._folder.cleanup()
        if code != 0 and exception[0] is None:
            raise SystemExit(f"{self.name} exits {code} after SIGTERM")

    def serve(self):
        """Starts it, and waits until it is ready."""
        ready = Path(self._folder.name) / "ready.json"
        ready.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            command = [self.binary, "serve", "--config", self.config, "--ready-file", ready]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for _ in range(600):
            if ready.exists():
                break
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name} exits {self.process.returncode}:\n{self.log.read_text()[-5000:]}")
            time.sleep(0.05)
        else:
            self.process.kill()
            self.process.wait()
            raise SystemExit(f"{self.name} is not ready after 30 s:\n{self.log.read_text()[-5000:]}")
        self.ports = {name: int(address.rpartition(":")[2]) for name, address in json.loads(ready.read_text()).items()}

    def stop(self):
        """SIGTERM; gives the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "not at all"

    def command(self, *words, stdin=b"", code=0):
        """Runs one of its commands; gives what it says."""
        done = subprocess.run([self.binary, *map(str, words)], input=stdin, capture_output=True, timeout=60)
        if done.returncode != code:
            said = (done.stdout + done.stderr).decode("utf-8", "replace")
            raise RuntimeError(f"{self.name} {' '.join(map(str, words))} exits {done.returncode} and not {code}:\n{said}")
        return done.stdout.decode()

    def account(self):
        """A new account, added while the server runs."""
        name = f"user{next(self.numbers)}@{self.domain}"
        self.command("account", "add", "--config", self.config, name, "--password-stdin", stdin=self.password.encode() + b"\n")
        return name


def on_free_ports(text, smtp=0):
    """The configuration with all listeners on ports of the system's choosing, but for one that
    other servers must know before."""
    text = re.sub(r"(?ms)^\[listen\]$.*?(?=^\[|\Z)", "", text)
    return text + "\n[listen]\n" + "".join(f'{name} = ["127.0.0.1:{smtp if name == "smtp" else 0}"]\n' for name in LISTENERS)


def with_certificate(text, pki):
    """The configuration with the certificate that all servers here have."""
    for name in ["certificate", "key"]:
        text = re.sub(rf"(?m)^{name} = .*$", f'{name} = "{pki / ("host.pem" if name == "certificate" else "host.key")}"', text)
    return text


def with_routes(text, pki, peers):
    """The configuration with a route to each peer, over TLS with its certificate verified."""
    text = re.sub(r"(?m)^\[relay\]$", f'[relay]\ntls = "verified"\nca_file = "{pki / "ca.pem"}"', text)
    for peer in peers.all:
        text += f'\n[[relay.route]]\ndomain = "{peer.domain}"\nhost = "127.0.0.1"\nport = {peer.port}\n{peer.route}'
    return text
