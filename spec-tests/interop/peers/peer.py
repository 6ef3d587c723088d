"""Mail servers of other makes: each in a tree of its own, as `install` unpacked it."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path

from checks import Failed, until

TREES = Path(os.environ.get("CARGO_TARGET_DIR", Path(__file__).resolve().parents[3] / "target")).resolve() / "interop"
# Who owns mailboxes in every tree.
VMAIL = 5000


def free_port():
    """A port that was free a moment ago, for servers that cannot tell which one they took."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Peer:
    """One server. It runs by chroot, so that it has the users, the paths and the names that it
    was built with, and the machine has none of them."""

    # Names of users and groups besides root and vmail, by number.
    users = {}
    # Folders to be made: owner and mode.
    folders = {}
    # What our route to it has besides its domain and its place.
    route = ""
    # Who reads the private key.
    key_owner = "root"

    def __init__(self, pki, smtp):
        """`smtp` is the port of Postkern's listener of that name."""
        self.name = type(self).__name__.lower()
        self.domain = f"{self.name}.test"
        self.pki, self.smtp = pki, smtp
        self.port = free_port()
        self.process = None

    def start(self):
        """Starts it, and waits until it takes connections."""
        if not (TREES / self.name).is_dir():
            raise Failed(f"{self.name} is not installed: run spec-tests/interop/install")
        if os.geteuid() != 0:
            raise Failed(f"{self.name} runs as root only")
        self.folder = tempfile.TemporaryDirectory(prefix=f"{self.name}-", dir=TREES)
        self.root = Path(self.folder.name) / "root"
        # Linked, not copied: what is written below is always a new file.
        subprocess.run(["cp", "-al", TREES / self.name, self.root], check=True)
        shutil.rmtree(self.root / "etc", ignore_errors=True)
        self.furnish()
        self.configure()
        self.output = Path(self.folder.name) / "output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                ["chroot", self.root, *self.command()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **self.environment()},
            )
        until(self.greets, 30, lambda: f"{self.name} does not start:\n{self.told()[-2000:]}")

    def greets(self):
        if self.process.poll() is not None:
            raise Failed(f"{self.name} exits {self.process.returncode}:\n{self.told()[-2000:]}")
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=10) as conversation:
                return conversation.recv(3) == b"220"
        except OSError:
            return False

    def furnish(self):
        """What every tree has."""
        people = {"root": 0, "nobody": 65534, "vmail": VMAIL, **self.users}
        self.write("/etc/passwd", "".join(f"{name}:x:{number}:{number}::/var/empty:/bin/false\n" for name, number in people.items()))
        self.write("/etc/group", "".join(f"{name}:x:{number}:\n" for name, number in {**people, "nogroup": 65533, "mail": 8}.items()))
        self.write("/etc/hosts", "127.0.0.1 localhost\n")
        self.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\nservices: files\n")
        self.write("/etc/services", "smtp 25/tcp\nlmtp 24/tcp\n")
        self.write("/etc/mailname", f"mx.{self.domain}\n")
        # No name server: nothing leaves the machine.
        self.write("/etc/resolv.conf", "nameserver 127.0.0.1\noptions attempts:1 timeout:1\n")
        for file in ["host.pem", "host.key", "ca.pem"]:
            self.write(f"/etc/pki/{file}", (self.pki / file).read_text(), 0o600 if file == "host.key" else 0o644)
        os.chown(self.root / "etc/pki/host.key", people[self.key_owner], 0)
        for path, (owner, mode) in {"/tmp": ("root", 0o1777), "/dev": ("root", 0o755), "/var/empty": ("root", 0o755), "/var/mail": ("vmail", 0o755), "/var/log": ("root", 0o777), "/run": ("root", 0o755), "/var/run": ("root", 0o755), **self.folders}.items():
            folder = self.root / path[1:]
            folder.mkdir(parents=True, exist_ok=True)
            os.chown(folder, people[owner], people[owner])
            folder.chmod(mode)
        for device, number in {"null": 3, "zero": 5, "random": 8, "urandom": 9}.items():
            if not (self.root / "dev" / device).exists():
                os.mknod(self.root / "dev" / device, 0o666 | stat.S_IFCHR, os.makedev(1, number))
                (self.root / "dev" / device).chmod(0o666)

    def write(self, path, text, mode=0o644):
        """A file in its tree, by the path that it has there."""
        file = self.root / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def configure(self):
        """Writes its configuration."""
        raise NotImplementedError

    def command(self):
        """Its program, and what it is told, so that it stays in the foreground."""
        raise NotImplementedError

    def environment(self):
        return {}

    def log(self):
        """What it has logged so far."""
        raise NotImplementedError

    def told(self):
        """All that it told, for people."""
        return self.output.read_text("utf-8", "replace") + self.log()

    def logged(self, *marks):
        """The lines of the log that have all of these."""
        return [line for line in self.log().splitlines() if all(mark in line for mark in marks)]

    def line(self, *marks):
        """The first of them."""
        found = self.logged(*marks)
        if not found:
            raise Failed(f"no line with {' and '.join(marks)} in the log of {self.name}:\n{self.log()[-2000:]}")
        return found[0]

    def box(self, mark):
        """A new address of its."""
        return f"box-{mark}-{time.time_ns()}@{self.domain}"

    def messages(self, box):
        """What has come to an address, in the order in which it came, with the line ends of
        the wire: from the folder of its name, or by the Delivered-To of final delivery."""
        name, mark = box.partition("@")[0], f"\r\nDelivered-To: {box}\r\n".encode()
        files = sorted(self.root.glob("var/mail/*/new/*"), key=lambda file: file.stat().st_mtime_ns)
        messages = [(file, file.read_bytes().replace(b"\n", b"\r\n")) for file in files]
        return [message for file, message in messages if file.parts[-3] == name or mark in b"\r\n" + message[:4000]]

    def received(self, box, count=1, seconds=60):
        """As `messages`, once there are so many."""
        until(lambda: len(self.messages(box)) >= count, seconds, lambda: f"{box}: {len(self.messages(box))} of {count} messages came:\n{self.told()[-2000:]}")
        return self.messages(box)

    def stop(self):
        """Ends it and all that it started."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                pass
            until(self.is_gone, 30, lambda: f"processes of {self.name} do not end")
            self.process.wait()
            self.process = None
            self.folder.cleanup()

    def is_gone(self):
        """Kills whoever's root is in our tree, which are its processes and no others."""
        found = False
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and os.readlink(entry / "root").startswith(str(self.root)):
                    os.kill(int(entry.name), signal.SIGKILL)
                    found = True
            except OSError:  # it has ended meanwhile
                pass
        return not found
