"""mpop: pipelines hundreds of RETR and DELE."""

import tempfile
from pathlib import Path

from checks import check, expect, program
from deliver import deliver
from messages import text
from programs.poplib_ import all_of

COUNT = 300


def mpop(target, account, listener, folder, *options, password=None, code=0):
    file = Path(folder) / "mpoprc"
    starttls = "on" if listener == "pop3" else "off"
    for part in ["cur", "new", "tmp"]:
        (Path(folder) / "mail" / part).mkdir(parents=True, exist_ok=True)
    lines = [
        "account x",
        "host localhost",
        f"port {target.port(listener)}",
        "tls on",
        f"tls_starttls {starttls}",
        f"tls_trust_file {target.certificate}",
        f"user {account}",
        f'password "{password or target.password}"',
        f"delivery maildir {folder}/mail",
        f"uidls_file {folder}/uidls",
        *options,
    ]
    file.write_text("\n".join(lines) + "\n")
    file.chmod(0o600)
    program("mpop", "-C", file, "-Q", "x", code=code)


def fetch(target, listener, keep, *options):
    bob = target.account()
    deliver(target, bob, [text(f"number {number}") for number in range(COUNT)])
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            mpop(target, bob, listener, folder, f"keep {'on' if keep else 'off'}", *options)
            got = [path.read_bytes() for path in (Path(folder) / "mail/new").iterdir()]
            for number in range(COUNT):
                found = sum(b"\nSubject: number %d\n" % number in message for message in got)
                expect(found == 1, number, found)
    expect(len(all_of(target, bob)) == (COUNT if keep else 0))


@check
def fetches_over_tls_pipelined(target):
    fetch(target, "pop3s", False, "pipelining on", "auth plain")


@check
def fetches_over_stls_and_keeps(target):
    fetch(target, "pop3", True, "pipelining auto", "auth user")


@check
def authenticates_by_login(target):
    fetch(target, "pop3s", False, "auth login")


@check
def is_told_that_a_password_is_wrong(target):
    bob = target.account()
    with tempfile.TemporaryDirectory() as folder:
        mpop(target, bob, "pop3s", folder, "auth plain", password="wrong", code=77)
