"""SCRAM as others speak it: GNU SASL in msmtp, mpop and its own client, Cyrus SASL in mbsync."""

import tempfile
from pathlib import Path

from checks import check, expect, program
from deliver import deliver
from messages import text
from programs.mbsync import configuration, content, files
from programs.mpop import mpop
from programs.msmtp import msmtp
from programs.poplib_ import all_of


@check
def msmtp_submits(target):
    alice, bob = target.account(), target.account()
    message = text("by SCRAM").replace(b"\r\n", b"\n").replace(b"alice@example.test", alice.encode())
    for listener in ["submission", "submissions"]:
        msmtp(target, alice, listener, bob, auth="scram-sha-256", stdin=message)
        msmtp(target, alice, listener, bob, auth="scram-sha-256", password="wrong", stdin=message, code=77)
    expect(len(all_of(target, bob)) == 2)


@check
def mpop_fetches(target):
    bob = target.account()
    deliver(target, bob, [text("one"), text("two")])
    with tempfile.TemporaryDirectory() as folder:
        mpop(target, bob, "pop3s", folder, "auth scram-sha-256", "keep on")
        expect(len(list((Path(folder) / "mail/new").iterdir())) == 2)
        mpop(target, bob, "pop3", folder, "auth scram-sha-256", password="wrong", code=77)


@check
def mbsync_synchronizes(target):
    bob = target.account()
    deliver(target, bob, [text("one")])
    with tempfile.TemporaryDirectory() as folder:
        file = configuration(target, bob, folder, "IMAPS")
        file.write_text(file.read_text().replace("SSLType", "AuthMechs SCRAM-SHA-256\nSSLType"))
        program("mbsync", "-c", file, "-a")
        expect(len(files(folder)) == 1 and b"one" in content(files(folder)[0]))


def gsasl(target, account, protocol, port, mechanism, password=None, code=0):
    """Logs in over STARTTLS and out again."""
    words = ["--verbose", f"--{protocol}", "-m", mechanism, "-a", account, "-p", password or target.password]
    words += [f"--x509-ca-file={target.certificate}", "--connect", f"localhost:{target.port(port)}"]
    return program("gsasl", *words, stdin=b"", code=code)


@check
def gsasl_binds_to_the_channel(target):
    bob = target.account()
    for protocol, port in [("smtp", "submission"), ("imap", "imap")]:
        gsasl(target, bob, protocol, port, "SCRAM-SHA-256-PLUS")
        gsasl(target, bob, protocol, port, "SCRAM-SHA-256-PLUS", password="wrong", code=1)


@check
def gsasl_that_was_not_told_of_the_binding_is_refused(target):
    """It can bind, and is made to say that the server cannot (RFC 5802 section 6)."""
    bob = target.account()
    for protocol, port in [("smtp", "submission"), ("imap", "imap")]:
        gsasl(target, bob, protocol, port, "SCRAM-SHA-256", code=1)
