"""curl: what the README pastes, and the rest of what it can do with mail."""

import tempfile

from checks import check, expect, program, same
from deliver import deliver
from messages import in_lines, of, samples, text, without_trace


def curl(target, *words, account=None, password=None, code=0, stdin=b""):
    common = ["curl", "--silent", "--show-error", "--max-time", "120", "--cacert", target.certificate]
    if account:
        common += ["--user", f"{account}:{password or target.password}"]
    return program(*common, *words, stdin=stdin, code=code)


def url(target, scheme, path="", listener=None):
    return f"{scheme}://localhost:{target.port(listener or scheme)}/{path}"


def send(target, where, account, to, message, *words, **options):
    rcpt = [word for one in to for word in ("--mail-rcpt", one)]
    curl(target, where, "--ssl-reqd", "--mail-from", account, *rcpt, "--upload-file", "-", *words, account=account, stdin=message, **options)


@check
def submits_over_starttls_and_tls_and_all_arrives(target):
    alice, bob = target.account(), target.account()
    ways = [url(target, "smtp", "client.test", "submission"), url(target, "smtps", "client.test", "submissions")]
    logins = ["AUTH=PLAIN", "AUTH=LOGIN"]
    for number, (name, message) in enumerate(samples().items()):
        message = of(alice, message)
        send(target, ways[number % 2], alice, [bob], message, "--login-options", logins[number // 2 % 2])
        for scheme in ["pop3s", "imaps"]:
            path = f"{number + 1}" if scheme == "pop3s" else f"INBOX;MAILINDEX={number + 1}"
            got = curl(target, url(target, scheme, path), account=bob)
            same(without_trace(got), in_lines(message), f"{name} by {scheme}")


@check
def authenticates_with_an_initial_response_and_without(target):
    alice = target.account()
    for words in [["--sasl-ir"], []]:
        for login in ["AUTH=PLAIN", "AUTH=LOGIN"]:
            send(target, url(target, "smtps", "client.test", "submissions"), alice, [alice], of(alice, text("x")), "--login-options", login, *words)
            curl(target, url(target, "pop3s"), "--login-options", login, *words, account=alice)
            curl(target, url(target, "imaps"), "--login-options", login, *words, account=alice)


@check
def is_told_that_a_password_is_wrong(target):
    alice = target.account()
    where = url(target, "smtp", "client.test", "submission")
    curl(target, where, "--ssl-reqd", "--mail-from", alice, "--mail-rcpt", alice, "--upload-file", "-", account=alice, password="wrong", code=67, stdin=of(alice, text("x")))
    for scheme in ["pop3s", "imaps"]:
        curl(target, url(target, scheme), account=alice, password="wrong", code=67)


@check
def sends_to_an_address_of_more_than_ascii(target):
    peer = target.peers["postfix"]
    alice, box = target.account(), peer.box("grün")
    send(target, url(target, "smtp", "client.test", "submission"), alice, [box], of(alice, text("Grüße")))
    expect(len(peer.received(box)) == 1)


sends_to_an_address_of_more_than_ascii.postkern_only = True


@check
def sends_no_password_in_plaintext(target):
    alice = target.account()
    for scheme in ["pop3", "imap"]:
        curl(target, url(target, scheme), account=alice, code=67)


@check
def reads_over_stls_and_starttls(target):
    alice = target.account()
    deliver(target, alice, [text("one")])
    for scheme, path in [("pop3", "1"), ("imap", "INBOX;MAILINDEX=1")]:
        got = curl(target, url(target, scheme, path), "--ssl-reqd", account=alice)
        same(without_trace(got), text("one"), scheme)


@check
def works_a_maildrop(target):
    alice = target.account()
    deliver(target, alice, [text(f"number {number}") for number in range(3)])
    listed = curl(target, url(target, "pop3s"), account=alice).decode().split("\r\n")
    expect([line.split(" ")[0] for line in listed if line] == ["1", "2", "3"], listed)
    unique = curl(target, url(target, "pop3s"), "--request", "UIDL", account=alice).decode().split()
    expect(len(set(unique[1::2])) == 3, unique)
    top = curl(target, url(target, "pop3s"), "--request", "TOP 2 0", account=alice)
    expect(top.endswith(b"Subject: number 1\r\n\r\n"), top)
    curl(target, url(target, "pop3s", "2"), "--list-only", "--request", "DELE", account=alice)
    left = curl(target, url(target, "pop3s"), account=alice).decode().split("\r\n")
    expect(len([line for line in left if line]) == 2, left)


@check
def works_a_mailbox(target):
    alice = target.account()
    imaps = url(target, "imaps")
    message = text("appended")
    curl(target, imaps, "--request", "CREATE box", account=alice)
    with tempfile.NamedTemporaryFile() as file:  # APPEND tells the size first
        file.write(message)
        file.flush()
        curl(target, url(target, "imaps", "box"), "--upload-file", file.name, account=alice)
    listed = curl(target, imaps, account=alice).decode()
    expect("INBOX" in listed and "box" in listed, listed)
    status = curl(target, imaps, "--request", "STATUS box (UIDVALIDITY)", account=alice).decode()
    validity = int(status.split("UIDVALIDITY ")[1].split(")")[0])
    same(curl(target, url(target, "imaps", f"box;UIDVALIDITY={validity}/;UID=1"), account=alice), message, "by UID")
    curl(target, url(target, "imaps", f"box;UIDVALIDITY={validity + 1}/;UID=1"), account=alice, code=78)
    same(curl(target, url(target, "imaps", "box;UID=1;SECTION=TEXT"), account=alice), b"body\r\n", "a section")
    same(curl(target, url(target, "imaps", "box;UID=1;SECTION=HEADER.FIELDS%20(SUBJECT)"), account=alice), b"Subject: appended\r\n\r\n", "a field")
    found = curl(target, url(target, "imaps", "box?SUBJECT%20appended"), account=alice)
    expect(found.strip() == b"* SEARCH 1", found)
    curl(target, url(target, "imaps", "box"), "--request", "STORE 1 +FLAGS (\\Deleted)", account=alice)
    curl(target, url(target, "imaps", "box"), "--request", "EXPUNGE", account=alice)
    found = curl(target, url(target, "imaps", "box?ALL"), account=alice)
    expect(found.strip() == b"* SEARCH", found)
    curl(target, url(target, "imaps", "nowhere;UID=1"), account=alice, code=67)
