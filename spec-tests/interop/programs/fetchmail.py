"""fetchmail."""

import tempfile
from pathlib import Path

from checks import check, expect, program
from deliver import deliver
from messages import text
from programs.poplib_ import all_of


def fetchmail(target, account, protocol, folder, *words, code=0, password=None):
    listener = {"POP3": "pop3", "IMAP": "imap"}[protocol]
    options = "ssl" if "wrapped" in words else "sslproto 'TLS1+'"
    port = target.port(listener + "s" if "wrapped" in words else listener)
    file = Path(folder) / "fetchmailrc"
    file.write_text(
        f"""
poll localhost with proto {protocol} port {port} {"uidl" if "uidl" in words else ""}
  user "{account}" password "{password or target.password}" is root here
  {options} sslcertck sslcertfile {target.certificate}
  {"keep" if "keep" in words else "nokeep"} fetchall
  mda "cat >> {folder}/mailbox; echo =end= >> {folder}/mailbox"
"""
    )
    file.chmod(0o600)
    environment = {"PATH": "/usr/bin:/bin", "HOME": folder, "FETCHMAILHOME": folder}
    program("fetchmail", "-f", file, "--pidfile", f"{folder}/pid", "--nodetach", code=code, env=environment)


def fetch(target, protocol, *words):
    bob = target.account()
    deliver(target, bob, [text(f"number {number}", "body\r\n.\r\nFrom x") for number in range(20)])
    with tempfile.TemporaryDirectory() as folder:
        fetchmail(target, bob, protocol, folder, *words)
        got = (Path(folder) / "mailbox").read_bytes()
        for number in range(20):
            expect(got.count(b"Subject: number %d\n\nbody\n.\nFrom x\n" % number) == 1, number, got)
        left = len(all_of(target, bob))
        expect(left == (20 if "keep" in words else 0), left)
        # 1: nothing new.
        if "keep" not in words:
            fetchmail(target, bob, protocol, folder, *words, code=1)


@check
def fetches_by_pop3_over_tls(target):
    fetch(target, "POP3", "wrapped")


@check
def fetches_by_pop3_over_stls_and_keeps(target):
    fetch(target, "POP3", "uidl", "keep")


@check
def fetches_by_imap_over_tls(target):
    fetch(target, "IMAP", "wrapped")


@check
def fetches_by_imap_over_starttls(target):
    fetch(target, "IMAP")


@check
def is_told_that_a_password_is_wrong(target):
    bob = target.account()
    with tempfile.TemporaryDirectory() as folder:
        for protocol in ["POP3", "IMAP"]:
            fetchmail(target, bob, protocol, folder, "wrapped", password="wrong", code=3)
