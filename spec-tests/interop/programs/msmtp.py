"""msmtp: it asks for DSN wherever that is offered, and pipelines as it pleases."""

import tempfile
from pathlib import Path

from checks import check, expect, program, same
from messages import in_lines, of, samples, text, without_trace
from programs.poplib_ import all_of


def msmtp(target, account, listener, *words, auth="plain", password=None, stdin=b"", code=0, lmtp=False):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "msmtprc"
        tls = listener in ("submission", "submissions")
        lines = [
            "account x",
            "host localhost",
            f"port {target.port(listener)}",
            f"from {account}",
            f"tls {'on' if tls else 'off'}",
            f"tls_starttls {'on' if listener == 'submission' else 'off'}",
            f"tls_trust_file {target.certificate}",
        ]
        if tls:
            lines += [f"auth {auth}", f"user {account}", f'password "{password or target.password}"']
        if lmtp:
            lines += ["protocol lmtp"]
        file.write_text("\n".join(lines) + "\n")
        file.chmod(0o600)
        return program("msmtp", "-C", file, "-a", "x", *words, stdin=stdin, code=code)


@check
def submits_over_starttls_and_tls(target):
    alice, bob, carol = target.account(), target.account(), target.account()
    ways = [("submission", "plain"), ("submissions", "login")]
    for number, message in enumerate(samples().values()):
        listener, auth = ways[number % 2]
        msmtp(target, alice, listener, bob, carol, auth=auth, stdin=of(alice, message).replace(b"\r\n", b"\n"))
    for account in [bob, carol]:
        for (name, message), got in zip(samples().items(), all_of(target, account), strict=True):
            same(without_trace(got), in_lines(of(alice, message)), name)


@check
def asks_what_is_offered(target):
    alice = target.account()
    said = msmtp(target, alice, "submissions", "--serverinfo").decode()
    for word in ["SIZE", "PIPELINING", "AUTH", "PLAIN", "LOGIN"]:
        expect(word in said, said)


@check
def is_told_that_a_password_is_wrong(target):
    alice = target.account()
    msmtp(target, alice, "submission", alice, password="wrong", stdin=of(alice, text("x")), code=77)


@check
def is_told_of_a_recipient_that_is_not_there(target):
    alice = target.account()
    msmtp(target, alice, "submission", f"nobody-at-all@{target.domain}", stdin=of(alice, text("x")), code=65)


@check
def asks_for_a_report_of_success(target):
    alice, bob = target.account(), target.account()
    msmtp(target, alice, "submission", "--dsn-notify=success", "--dsn-return=hdrs", bob, stdin=of(alice, text("wish")))
    [report] = all_of(target, alice)
    expect(b"Action: delivered\r\n" in report and bob.encode() in report, report)


@check
def delivers_by_lmtp(target):
    bob = target.account()
    msmtp(target, "x@remote.test", "lmtp", bob, stdin=text("by lmtp"), lmtp=True)
    expect(len(all_of(target, bob)) == 1)
