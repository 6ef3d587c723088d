"""swaks."""

from checks import check, expect, program
from messages import of, text, without_trace
from programs.poplib_ import all_of


def swaks(target, listener, *words, code=0, stdin=b""):
    common = ["swaks", "--server", f"localhost:{target.port(listener)}", "--helo", "client.test", "--timeout", "60s"]
    trust = ["--tls-verify", "--tls-ca-path", target.certificate] if "--tls" in words or "--tls-on-connect" in words else []
    return program(*common, *trust, *words, stdin=stdin, code=code)


def login(account, password, mechanism):
    return ["--auth", mechanism, "--auth-user", account, "--auth-password", password]


@check
def submits_over_starttls_and_tls(target):
    alice, bob = target.account(), target.account()
    count = 0
    for listener, tls in [("submission", "--tls"), ("submissions", "--tls-on-connect")]:
        for mechanism in ["PLAIN", "LOGIN"]:
            words = ["--from", alice, "--to", bob, "--data", "-", *login(alice, target.password, mechanism)]
            swaks(target, listener, tls, *words, stdin=of(alice, text("by swaks", ".a dot")).replace(b"\r\n", b"\n"))
            count += 1
    messages = all_of(target, bob)
    expect(len(messages) == count, len(messages))
    for message in messages:
        got = without_trace(message)
        expect(got.rstrip(b"\r\n") == of(alice, text("by swaks", ".a dot")).rstrip(b"\r\n"), got)


@check
def is_told_that_a_password_is_wrong(target):
    alice = target.account()
    said = swaks(target, "submission", "--tls", "--from", alice, "--to", alice, *login(alice, "wrong", "PLAIN"), code=28)
    expect(b"<~* 535 " in said, said)


@check
def is_not_let_relay(target):
    for to in ["x@remote.test", f"x%remote.test@{target.domain}", f'"x@remote.test"@{target.domain}', "x@[127.0.0.1]", f"@{target.domain}:x@remote.test"]:
        swaks(target, "smtp", "--from", "x@remote.test", "--to", to, "--quit-after", "RCPT", code=24)
    swaks(target, "submission", "--tls", "--from", "x@remote.test", "--to", "x@remote.test", code=23)


@check
def pipelines(target):
    bob = target.account()
    swaks(target, "smtp", "--pipeline", "--from", "x@remote.test", "--to", bob)
    swaks(target, "smtp", "--pipeline", "--tls", "--from", "", "--to", f"{bob},{bob}")
    expect(len(all_of(target, bob)) == 2)


@check
def pipelines_a_submission(target):
    alice, bob, carol = target.account(), target.account(), target.account()
    swaks(target, "submission", "--pipeline", "--tls", "--from", alice, "--to", f"{bob},{carol}", *login(alice, target.password, "PLAIN"))
    for account in [bob, carol]:
        expect(len(all_of(target, account)) == 1, account)


@check
def speaks_for_another_client(target):
    with target.another({"inbound": 'xclient_from = ["127.0.0.1"]'}) as other:
        bob = other.account()
        said = ["--xclient-addr", "192.0.2.7", "--xclient-helo", "far.test", "--xclient-name", "far.test"]
        swaks(other, "smtp", "--tls", "--from", "x@remote.test", "--to", bob, *said)
        [got] = all_of(other, bob)
        # The name that the filter tells goes before the one in its own EHLO.
        expect(b"from far.test ([192.0.2.7])" in got, got)
    # It is offered to none who was not named: swaks sends what it must not, and is refused.
    swaks(target, "smtp", "--from", "x@remote.test", "--to", target.account(), "--xclient-no-verify", *said, code=33)


@check
def comes_through_a_proxy(target):
    with target.another({"proxy": 'networks = ["127.0.0.1"]\nlisteners = ["smtp"]'}) as other:
        bob = other.account()
        ends = ["--proxy-source", "192.0.2.7", "--proxy-source-port", "1025", "--proxy-dest", "192.0.2.1", "--proxy-dest-port", "25"]
        swaks(other, "smtp", "--tls", "--from", "x@remote.test", "--to", bob, "--proxy-family", "TCP4", *ends)
        version2 = ["--proxy-version", "2", "--proxy-family", "AF_INET", "--proxy-command", "PROXY", "--proxy-protocol", "STREAM"]
        swaks(other, "smtp", "--tls", "--from", "x@remote.test", "--to", bob, *version2, *ends)
        messages = all_of(other, bob)
        expect(len(messages) == 2 and all(b"([192.0.2.7])" in got for got in messages), messages)


@check
def delivers_by_lmtp(target):
    bob = target.account()
    swaks(target, "lmtp", "--protocol", "LMTP", "--from", "x@remote.test", "--to", bob, "--body", "by lmtp")
    got = all_of(target, bob)
    expect(len(got) == 1 and b"by lmtp" in got[0], got)


@check
def attaches(target):
    bob = target.account()
    swaks(target, "smtp", "--from", "x@remote.test", "--to", bob, "--attach-type", "text/plain", "--attach", "@/etc/hostname", "--header", "Subject: attached")
    expect(b"multipart/mixed" in all_of(target, bob)[0])


@check
def drops_out_anywhere(target):
    bob = target.account()
    for step in ["FIRST-HELO", "MAIL", "RCPT", "DATA"]:
        swaks(target, "smtp", "--from", "x@remote.test", "--to", bob, "--drop-after", step)
        swaks(target, "smtp", "--from", "x@remote.test", "--to", bob, "--drop-after-send", step)
    expect(all_of(target, bob) == [])


@check
def says_helo(target):
    bob = target.account()
    swaks(target, "smtp", "--protocol", "SMTP", "--from", "x@remote.test", "--to", bob)
    got = all_of(target, bob)
    expect(len(got) == 1 and b"with SMTP" in got[0], got)
