"""nodemailer, of Node.js."""

import json
from email import message_from_bytes
from pathlib import Path

from checks import Failed, check, expect, program, same
from messages import in_lines, of, samples, without_trace
from peers.peer import TREES
from programs.poplib_ import all_of

SCRIPT = Path(__file__).with_suffix(".mjs")


def nodemailer(target, account, listener, message, method="PLAIN", password=None, **options):
    """What became of a message."""
    module = TREES / "nodemailer/usr/share/nodejs/nodemailer"
    if not module.is_dir():
        raise Failed("nodemailer is not installed: run spec-tests/interop/install")
    transport = {
        # By address: it takes the first that a name has, which may be of IPv6.
        "host": "127.0.0.1",
        "port": target.port(listener),
        "secure": listener == "submissions",
        "requireTLS": True,
        "name": "client.test",
        "auth": {"user": account, "pass": password or target.password},
        "authMethod": method,
        "tls": {"ca": target.certificate.read_text(), "servername": "localhost"},
        **options,
    }
    given = json.dumps({"transport": transport, "message": message}).encode()
    return json.loads(program("node", SCRIPT, module, stdin=given))


def taken(told, *accounts):
    expect("error" not in told, told)
    expect(sorted(told["accepted"]) == sorted(accounts) and told["rejected"] == [], told)


def said(told, words):
    """Whether a command is in the dialogue."""
    return any(words in line for line in told["dialogue"])


@check
def submits_over_starttls_and_tls_and_all_arrives(target):
    alice, bob, carol = target.account(), target.account(), target.account()
    for number, message in enumerate(samples(large=False).values()):
        listener, method = [("submission", "PLAIN"), ("submissions", "LOGIN")][number % 2]
        given = {"envelope": {"from": alice, "to": [bob, carol]}, "raw": of(alice, message).decode()}
        told = nodemailer(target, alice, listener, given, method)
        taken(told, bob, carol)
        expect(said(told, f"AUTH {method}") and (listener == "submissions" or said(told, "STARTTLS")), told)
    for account in [bob, carol]:
        for (name, message), got in zip(samples(large=False).items(), all_of(target, account), strict=True):
            same(without_trace(got), in_lines(of(alice, message)), name)


@check
def composes(target):
    alice, bob = target.account(), target.account()
    attached = "a\n.\n..b\n" * 1000
    given = {"from": alice, "to": bob, "subject": "Grüße", "text": "Grüße\n.\nvon hier\n", "attachments": [{"filename": "a.txt", "content": attached}]}
    taken(nodemailer(target, alice, "submission", given), bob)
    [got] = all_of(target, bob)
    text, file = message_from_bytes(got).get_payload()
    expect(text.get_payload(decode=True).decode().replace("\r\n", "\n") == "Grüße\n.\nvon hier\n", text)
    expect(file.get_payload(decode=True).decode().replace("\r\n", "\n") == attached, "the attachment is another")


@check
def is_told_that_a_password_is_wrong(target):
    alice = target.account()
    told = nodemailer(target, alice, "submission", {"from": alice, "to": alice, "text": "x"}, password="wrong")
    expect(told.get("error") == "EAUTH" and told["response"] == 535, told)


@check
def is_told_which_recipients_are_refused(target):
    alice, bob = target.account(), target.account()
    nobody = f"nobody-at-all@{target.domain}"
    told = nodemailer(target, alice, "submissions", {"from": alice, "to": [bob, nobody], "text": "x"})
    expect(told.get("accepted") == [bob] and told["rejected"] == [nobody], told)
    expect(len(all_of(target, bob)) == 1)


@check
def asks_for_a_report_of_success(target):
    alice, bob = target.account(), target.account()
    wish = {"id": "wish 3", "return": "headers", "notify": ["success"], "recipient": alice}
    told = nodemailer(target, alice, "submission", {"from": alice, "to": bob, "text": "x", "dsn": wish})
    taken(told, bob)
    expect(said(told, "NOTIFY=SUCCESS") and said(told, "RET=HDRS"), told)
    [report] = all_of(target, alice)
    expect(b"Original-Envelope-Id: wish 3\r\n" in report and b"Action: delivered\r\n" in report, report)


@check
def sends_to_an_address_of_more_than_ascii(target):
    peer = target.peers["postfix"]
    alice, box = target.account(), peer.box("grün")
    told = nodemailer(target, alice, "submission", {"from": alice, "to": box, "subject": "Grüße", "text": "x"})
    taken(told, box)
    expect(said(told, " SMTPUTF8"), told)
    expect(len(peer.received(box)) == 1)


sends_to_an_address_of_more_than_ascii.postkern_only = True
