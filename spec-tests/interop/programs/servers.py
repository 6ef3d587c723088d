"""Servers of other makes, both ways: what we relay to them, what they relay to us.

Every dialogue is over STARTTLS with the certificate verified: our routes and theirs are set so
that no mail goes without.
"""

import functools
import re
import smtplib

from checks import ALL, expect, same, until
from messages import HEADER, in_lines, of, samples, text, without_trace
from programs.poplib_ import all_of
from programs.smtplib_ import submission

SERVERS = ["postfix", "exim", "opensmtpd"]
# How long a message may be on its way.
WAY = 60


def both(*names):
    """Registers a check of a target and a peer for each of the peers of these names."""

    def register(function):
        for name in names:

            def run(target, name=name):
                return function(target, target.peers[name])

            functools.update_wrapper(run, function)
            run.postkern_only = True
            ALL.append((f"{name}: {function.__name__.replace('_', ' ')}", run))
        return function

    return register


def mails():
    """Name and octets of each message that goes from server to server."""
    # As long as a line may be (RFC 5322 section 2.1.1), beginning with a dot, which makes it
    # longer on the way; 8-bit in one of them.
    longest = [b"." + b"x" * 997, "ü".encode() * 499, b"." * 998]
    head = HEADER + b"Subject: long lines\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    # Lines that begin with a dot wherever a block of some size ends.
    dots = b"".join(b"." * (at % 5) + b"y" * (at % 61) + b"\r\n" for at in range(5000))
    return {
        **samples(),
        "the longest lines": head + b"\r\n".join(longest) + b"\r\n",
        "dots everywhere": HEADER + b"Subject: more dots\r\n\r\n" + dots,
    }


def arrived(target, account, count=1):
    """The messages of an account of ours, once there are so many."""
    found = []

    def enough():
        found[:] = all_of(target, account)
        return len(found) >= count

    until(enough, WAY, lambda: f"{account}: {len(found)} of {count} messages came:\n{target.log.read_text()[-2000:]}")
    return found


def inject(peer, sender, recipients, message, mail=("BODY=8BITMIME",), rcpt=()):
    """Gives a peer a message for others."""
    with smtplib.SMTP("localhost", peer.port, timeout=60) as smtp:
        refused = smtp.sendmail(sender, recipients, message, list(mail), list(rcpt))
        expect(not refused, refused)


def body(message):
    """A message without its header."""
    return message.partition(b"\r\n\r\n")[2]


def failed(report):
    """The recipients of which a report says that they failed."""
    groups = re.split(rb"\r\n\r\n", report)
    return {
        match[1].decode()
        for group in groups
        if re.search(rb"(?im)^Action: failed\r?$", group) and (match := re.search(rb"(?im)^Final-Recipient: rfc822; ?<?([^\r>]+)>?\r?$", group))
    }


def trace(message):
    """The Received lines that stand in front, unfolded, in lower case."""
    header = re.sub(rb"\r\n[ \t]+", b" ", message.partition(b"\r\n\r\n")[0]).lower()
    return [line for line in header.split(b"\r\n") if line.startswith(b"received:")]


# What we relay.


@both(*SERVERS)
def takes_what_we_relay_octet_for_octet(target, peer):
    alice = target.account()
    boxes = {name: peer.box("sample") for name in mails()}
    with submission(target, alice) as smtp:
        for name, message in mails().items():
            smtp.sendmail(alice, [boxes[name]], of(alice, message), ["BODY=8BITMIME"])
    for name, message in mails().items():
        got = peer.received(boxes[name])
        expect(len(got) == 1, name, len(got))
        same(body(got[0]), body(in_lines(message)), name)
        theirs, ours = trace(got[0])[:2]
        expect(b"by mx." in theirs and b"with esmtps" in theirs, name, theirs)
        expect(b"by localhost" in ours and b"with esmtpsa" in ours, name, ours)


@both(*SERVERS)
def refuses_some_of_many_recipients_and_each_of_those_bounces(target, peer):
    alice = target.account()
    boxes = [peer.box(f"many{number}") for number in range(20)]
    refused = {f"nobody{number}@{peer.domain}" for number in range(3)}
    with submission(target, alice) as smtp:
        smtp.sendmail(alice, [boxes[0], *refused, *boxes[1:]], of(alice, text("many")))
    for box in boxes:
        expect(len(peer.received(box)) == 1, box)
    bounces = [bounce for bounce in arrived(target, alice) if b"multipart/report" in bounce]
    told = [recipient for bounce in bounces for recipient in failed(bounce)]
    expect(sorted(told) == sorted(refused), told, bounces)
    expect(all(re.search(rb"(?m)^Diagnostic-Code: smtp; 5", bounce) for bounce in bounces), bounces)


@both("exim")
def refuses_for_now_and_is_tried_again_for_whom_it_refused(target, peer):
    alice, at_once, later = target.account(), peer.box("at-once"), peer.box("later")
    peer.closed = True
    with submission(target, alice) as smtp:
        smtp.sendmail(alice, [at_once, later], of(alice, text("later")))
    peer.received(at_once)

    def waiting():
        return [line for line in target.command("queue", "list", "--config", target.config).splitlines() if later in line]

    until(lambda: peer.logged("temporarily rejected RCPT", later), WAY, lambda: peer.told()[-2000:])
    [line] = waiting()
    peer.closed = False
    target.command("queue", "retry", "--config", target.config, line.split()[0])
    peer.received(later)
    until(lambda: not waiting(), WAY, lambda: f"it stays queued: {waiting()}")
    expect(len(peer.messages(at_once)) == 1 == len(peer.messages(later)), "copies")
    expect(all_of(target, alice) == [], "a bounce")


@both("exim")
def is_told_our_commands_in_one_go(target, peer):
    alice, box = target.account(), peer.box("pipelined")
    with submission(target, alice) as smtp:
        smtp.sendmail(alice, [box], of(alice, text("pipelined")))
    peer.received(box)
    # L is PIPELINING, L- would be PIPELINING that was not used; the dot is another extension.
    line = peer.line(" <= ", box)
    expect(re.search(r" L\.?( |$)", line) and "P=esmtps" in line and " X=TLS1.3" in line, line)


@both("postfix", "exim")
def is_sent_chunks(target, peer):
    alice = target.account()
    boxes = {name: peer.box("chunked") for name in mails()}
    with submission(target, alice) as smtp:
        for name, message in mails().items():
            smtp.sendmail(alice, [boxes[name]], of(alice, message), ["BODY=8BITMIME"])
    for name, message in mails().items():
        same(body(peer.received(boxes[name])[0]), body(in_lines(message)), name)
        if peer.name == "exim":
            line = peer.line(" <= ", boxes[name])
            expect(re.search(r" K( |$)", line), name, line)
        else:
            dialogue = peer.dialogue(boxes[name])
            expect(any(re.match(r"< BDAT \d+ LAST", line) for line in dialogue), name, dialogue)
            expect("< DATA" not in dialogue, name, dialogue)


@both("postfix", "exim", "opensmtpd")
def tells_of_success_when_we_pass_the_wish_on(target, peer):
    alice, box = target.account(), peer.box("dsn")
    with submission(target, alice) as smtp:
        rcpt = ["NOTIFY=SUCCESS,FAILURE", f"ORCPT=rfc822;{box}"]
        smtp.sendmail(alice, [box], of(alice, text("wish")), ["RET=HDRS", "ENVID=wish+2B1"], rcpt)
    peer.received(box)
    [report] = arrived(target, alice)
    expect(b"from mx." in trace(report)[0], "it is the peer's report", report)
    expect(re.search(rb"(?im)^Action: delivered\r$", report), report)
    if peer.name == "opensmtpd":
        # Its reports have neither.
        return
    # Exim passes the xtext of ENVID on as it came.
    expect(re.search(rb"(?im)^Original-Envelope-Id: wish\+(2B)?1\r$", report), report)
    expect(re.search(rb"(?im)^Original-Recipient: rfc822; ?" + re.escape(box.encode()) + rb"\r$", report), report)
    expect(b"body" not in report.partition(b"\r\n\r\n")[2].rpartition(b"Subject: wish")[2], "RET=HDRS", report)


@both("postfix", "exim")
def takes_an_address_and_a_header_of_more_than_ascii(target, peer):
    alice, box = target.account(), peer.box("grün")
    message = of(alice, text("Grüße", "αβγ").replace(b"bob@example.test", box.encode()))
    with submission(target, alice) as smtp:
        smtp.ehlo()
        smtp.command_encoding = "utf-8"
        smtp.sendmail(alice, [box], message, ["SMTPUTF8", "BODY=8BITMIME"])
    [got] = peer.received(box)
    same(body(got), body(message))
    expect("Subject: Grüße\r\n".encode() in got, got)
    # Exim has a word of its own.
    expect(re.search(b"with utf8e?smtps", trace(got)[0]), trace(got))


@both("dovecot")
def takes_what_we_deliver_by_lmtp_octet_for_octet(target, peer):
    alice = target.account()
    boxes = {name: peer.box("sample") for name in mails()}
    with submission(target, alice) as smtp:
        for name, message in mails().items():
            smtp.sendmail(alice, [boxes[name]], of(alice, message), ["BODY=8BITMIME"])
    for name, message in mails().items():
        [got] = peer.received(boxes[name])
        same(body(got), body(in_lines(message)), name)
        expect(b"with lmtps" in trace(got)[0], name, trace(got))


@both("dovecot")
def answers_for_each_recipient_and_we_tell_them_apart(target, peer):
    alice = target.account()
    good = [peer.box(f"good{number}") for number in range(3)]
    full = [peer.box(f"full{number}", quota=100) for number in range(2)]
    unknown = f"nobody@{peer.domain}"
    with submission(target, alice) as smtp:
        # Refused at RCPT, after DATA, not at all, in an order that is none.
        smtp.sendmail(alice, [good[0], unknown, full[0], good[1], full[1], good[2]], of(alice, text("some", "x" * 200)))
    for box in good:
        expect(len(peer.received(box)) == 1, box)
    bounces = []

    def told():
        bounces[:] = [bounce for bounce in all_of(target, alice) if b"multipart/report" in bounce]
        return sorted(recipient for bounce in bounces for recipient in failed(bounce))

    until(lambda: len(told()) >= 3, WAY, lambda: f"{told()} are told of:\n{peer.told()[-2000:]}")
    expect(told() == sorted([unknown, *full]), told())
    for recipient, status in [(unknown, b"5.1.1"), (full[0], b"5.2.2"), (full[1], b"5.2.2")]:
        group = next(group for bounce in bounces for group in bounce.split(b"\r\n\r\n") if b"\nFinal-Recipient: " in b"\n" + group and recipient.encode() in group)
        expect(re.search(rb"(?m)^Status: " + status + rb"\r?$", group), recipient, group)
    expect(all(len(peer.messages(box)) == 0 for box in full), "a full box has it")


# What they relay.


@both(*SERVERS)
def gives_us_its_mail_octet_for_octet(target, peer):
    accounts = {name: target.account() for name in mails()}
    sender = peer.box("sender")
    for name, message in mails().items():
        inject(peer, sender, [accounts[name]], message)
    for name, message in mails().items():
        [got] = arrived(target, accounts[name])
        same(body(got), body(in_lines(message)), name)
        expect(b"from mx." in trace(got)[0] and b"with esmtps" in trace(got)[0], name, trace(got))
        expect(got.startswith(f"Return-Path: <{sender}>\r\n".encode()), name, got[:200])


@both(*SERVERS)
def tells_its_sender_whom_we_refuse(target, peer):
    sender = peer.box("sender")
    good = [target.account() for _ in range(10)]
    refused = {f"nobody{number}@{target.domain}" for number in range(3)}
    inject(peer, sender, [good[0], *refused, *good[1:]], text("some"))
    for account in good:
        expect(len(arrived(target, account)) == 1, account)
    until(lambda: reported(peer, sender) == refused, WAY, lambda: f"{reported(peer, sender)} are told of:\n{peer.told()[-2000:]}")


def reported(peer, box):
    """Of whom the reports that came to a box say that they failed."""
    return {recipient for message in peer.messages(box) for recipient in failed(message)}


@both("postfix", "exim")
def tells_us_its_commands_in_one_go(target, peer):
    accounts = [target.account() for _ in range(3)]
    inject(peer, peer.box("sender"), accounts, text("pipelined"))
    for account in accounts:
        arrived(target, account)
    if peer.name == "exim":
        line = peer.line(" => ", accounts[0])
        expect(re.search(r" L( |$)", line) and " X=TLS1.3" in line and " CV=yes" in line, line)
    else:
        dialogue = peer.dialogue(accounts[0])
        # There may have been other messages on this connection before.
        rcpt = next(at for at, line in enumerate(dialogue) if line.startswith(f"> RCPT TO:<{accounts[0]}>"))
        at = max(at for at, line in enumerate(dialogue[:rcpt]) if line.startswith("> MAIL FROM:"))
        said = [line.partition(":")[0] for line in dialogue[at : at + 5]]
        expect(said == ["> MAIL FROM", *["> RCPT TO"] * 3, "> DATA"], dialogue)
        expect(f"Verified TLS connection established to localhost[127.0.0.1]:{peer.smtp}: TLSv1.3" in peer.log(), "TLS")


@both("postfix")
def gives_us_one_message_after_another_on_one_connection(target, peer):
    accounts = [target.account() for _ in range(10)]
    for account in accounts:
        inject(peer, peer.box("sender"), [account], text("one of many"))
    for account in accounts:
        expect(len(arrived(target, account)) == 1, account)
    # Each is in the dialogue of its connection.
    together = max(sum(line.startswith("> MAIL FROM:") for line in peer.dialogue(account)) for account in accounts)
    expect(together > 1, "each has a connection of its own")


@both("exim")
def gives_us_its_mail_in_chunks(target, peer):
    accounts = {name: target.account() for name in mails()}
    for name, message in mails().items():
        inject(peer, peer.box("sender"), [accounts[name]], message)
    for name, message in mails().items():
        [got] = arrived(target, accounts[name])
        same(body(got), body(in_lines(message)), name)
        line = peer.line(" => ", accounts[name])
        expect(re.search(r" K( |$)", line), name, line)


@both("postfix", "exim")
def passes_a_wish_for_a_report_on_and_we_report(target, peer):
    bob, sender = target.account(), peer.box("sender")
    inject(peer, sender, [bob], text("wish"), ["RET=HDRS", "ENVID=wish+2B2"], ["NOTIFY=SUCCESS", f"ORCPT=rfc822;{bob}"])
    arrived(target, bob)
    [report] = peer.received(sender)
    expect(b"Reporting-MTA: dns; localhost\r\n" in report, "it is our report", report)
    expect(re.search(rb"(?im)^Action: delivered\r$", report), report)
    expect(re.search(rb"(?im)^Original-Envelope-Id: wish\+2\r$", report), report)
    expect(re.search(rb"(?im)^Original-Recipient: rfc822; ?" + re.escape(bob.encode()) + rb"\r$", report), report)


@both("postfix", "exim")
def gives_us_an_address_and_a_header_of_more_than_ascii(target, peer):
    bob, sender = target.account(), peer.box("grün")
    message = text("Grüße", "αβγ").replace(b"alice@example.test", sender.encode())
    with smtplib.SMTP("localhost", peer.port, timeout=60) as smtp:
        smtp.ehlo()
        smtp.command_encoding = "utf-8"
        smtp.sendmail(sender, [bob], message, ["SMTPUTF8", "BODY=8BITMIME"])
    [got] = arrived(target, bob)
    same(body(got), body(message))
    expect(got.startswith(f"Return-Path: <{sender}>\r\n".encode()) and "Subject: Grüße\r\n".encode() in got, got)
    expect(b"with utf8smtps" in trace(got)[0], trace(got))
