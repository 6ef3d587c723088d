"""Servers that the checks run against."""

import itertools
import json
import re
import signal
import ssl
import subprocess
import tempfile
import time
import tomllib
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

    def __init__(self, binary):
        self.binary = binary
        self.name = binary.name

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="postkern-interop-")
        folder = Path(self._folder.name) / "server"
        self.config = folder / "postkern.toml"
        self.command("init", folder, "--domain", self.domain, "--hostname", HOST)
        # The samples are the same octets for all accounts, whoever is their author.
        anybody = self.config.read_text().replace('# header_from = "check"', 'header_from = "any"')
        self.config.write_text(on_free_ports(anybody))
        self.command("config", "check", "--config", self.config)
        self.certificate = folder / tomllib.loads(self.config.read_text())["tls"]["certificate"]
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
            raise SystemExit(f"{self.name} is not ready after 30 s")
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


def on_free_ports(text):
    """The configuration with all listeners on ports of the system's choosing."""
    text = re.sub(r"(?ms)^\[listen\]$.*?(?=^\[|\Z)", "", text)
    return text + "\n[listen]\n" + "".join(f'{name} = ["127.0.0.1:0"]\n' for name in LISTENERS)
