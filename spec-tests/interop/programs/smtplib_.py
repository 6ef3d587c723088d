"""Python's smtplib."""

import smtplib
from email.message import EmailMessage

from checks import check, expect, same
from deliver import deliver
from messages import in_lines, of, samples, text, without_trace
from programs.poplib_ import all_of


def submission(target, account=None, password=None):
    smtp = smtplib.SMTP("localhost", target.port("submission"), timeout=120)
    smtp.starttls(context=target.tls())
    if account:
        smtp.login(account, password or target.password)
    return smtp


def submissions(target, account=None, password=None):
    smtp = smtplib.SMTP_SSL("localhost", target.port("submissions"), timeout=120, context=target.tls())
    if account:
        smtp.login(account, password or target.password)
    return smtp


@check
def submits_over_starttls_and_tls_and_all_arrives(target):
    alice, bob = target.account(), target.account()
    for number, (name, message) in enumerate(samples().items()):
        with (submission if number % 2 else submissions)(target, alice) as smtp:
            smtp.sendmail(alice, [bob], of(alice, message), ["BODY=8BITMIME"])
    for (name, message), got in zip(samples().items(), all_of(target, bob), strict=True):
        same(without_trace(got), in_lines(of(alice, message)), name)


@check
def authenticates_in_each_way_it_knows(target):
    alice = target.account()
    for mechanism in ["auth_plain", "auth_login"]:
        for initial in [True, False]:
            with submissions(target) as smtp:
                smtp.ehlo()
                smtp.user, smtp.password = alice, target.password
                name = mechanism.removeprefix("auth_").upper()
                code, said = smtp.auth(name, getattr(smtp, mechanism), initial_response_ok=initial)
                expect(code == 235, mechanism, initial, code, said)


@check
def is_told_that_a_password_is_wrong_and_goes_on(target):
    alice = target.account()
    with submissions(target) as smtp:
        try:
            smtp.login(alice, "wrong")
            expect(False, "it was taken")
        except smtplib.SMTPAuthenticationError as error:
            expect(error.smtp_code == 535, error)
        smtp.login(alice, target.password)
        smtp.sendmail(alice, [alice], of(alice, text("after a wrong password")))


@check
def learns_what_is_offered(target):
    with smtplib.SMTP("localhost", target.port("smtp"), timeout=60) as smtp:
        smtp.ehlo()
        for extension in ["pipelining", "size", "8bitmime", "enhancedstatuscodes", "starttls"]:
            expect(smtp.has_extn(extension), extension, smtp.esmtp_features)
        expect(not smtp.has_extn("auth"), smtp.esmtp_features)
        smtp.starttls(context=target.tls())
        smtp.ehlo()
        expect(not smtp.has_extn("starttls"), smtp.esmtp_features)
    with submission(target) as smtp:
        smtp.ehlo()
        expect({"PLAIN", "LOGIN"} <= set(smtp.esmtp_features["auth"].split()), smtp.esmtp_features)


@check
def is_told_which_recipients_are_refused(target):
    bob = target.account()
    with smtplib.SMTP("localhost", target.port("smtp"), timeout=60) as smtp:
        refused = smtp.sendmail("x@remote.test", [bob, f"nobody-at-all@{target.domain}"], text("half"))
        expect([code for code, _ in refused.values()] == [550], refused)
        try:
            smtp.sendmail("x@remote.test", ["x@elsewhere.test"], text("relay"))
            expect(False, "relayed for a stranger")
        except smtplib.SMTPRecipientsRefused as error:
            expect(all(500 <= code < 600 for code, _ in error.recipients.values()), error.recipients)
        smtp.sendmail("x@remote.test", [bob], text("after a refusal"))
    expect(len(all_of(target, bob)) == 2)


@check
def says_every_command(target):
    bob = target.account()
    with smtplib.SMTP("localhost", target.port("smtp"), timeout=60) as smtp:
        expect(smtp.helo("client.test")[0] == 250)
        expect(smtp.docmd("ehlo", "client.test")[0] == 250, "verbs in lower case")
        expect(smtp.noop()[0] == 250)
        expect(smtp.verify(bob)[0] in (250, 252, 502))
        expect(smtp.expn("list")[0] in (250, 252, 502, 550))
        expect(smtp.docmd("HELP")[0] in (214, 250, 502))
        expect(smtp.docmd("DATA")[0] in (503, 554))
        expect(smtp.docmd("MAIL", "FROM:<>")[0] == 250, "the null sender")
        expect(smtp.docmd("RCPT", f"TO:<{bob}>")[0] == 250)
        expect(smtp.docmd("RCPT", "TO:<postmaster>")[0] == 250, "postmaster without a domain")
        expect(smtp.rset()[0] == 250)
        expect(smtp.docmd("MAIL", f"FROM:<x@remote.test> SIZE={2**40}")[0] == 552, "SIZE")
        expect(smtp.docmd("FROB")[0] == 500)
        expect(smtp.quit()[0] == 221)


@check
def asks_for_a_report_of_success(target):
    alice, bob, carol = target.account(), target.account(), target.account()
    with submission(target, alice) as smtp:
        smtp.ehlo()
        expect(smtp.has_extn("dsn"), smtp.esmtp_features)
        smtp.mail(alice, ["RET=FULL", "ENVID=wish+2B4"])
        expect(smtp.rcpt(bob, ["NOTIFY=SUCCESS", "ORCPT=rfc822;robert+2B@elsewhere.test"])[0] == 250)
        expect(smtp.rcpt(carol, ["NOTIFY=NEVER"])[0] == 250)
        expect(smtp.data(of(alice, text("wish")))[0] == 250)
    [report] = all_of(target, alice)
    for part in ["Original-Envelope-Id: wish+4", "Original-Recipient: rfc822;robert+@elsewhere.test", "Action: delivered"]:
        expect(part.lower().encode() in report.lower().replace(b"rfc822; ", b"rfc822;"), part, report)
    expect(carol.encode() not in report and bob.encode() in report, report)


@check
def sends_a_header_of_more_than_ascii(target):
    alice, bob = target.account(), target.account()
    message = of(alice, text("Grüße", "αβγ")).replace(b"Alice", "Ålice".encode())
    with submission(target, alice) as smtp:
        smtp.ehlo()
        expect(smtp.has_extn("smtputf8") and smtp.has_extn("8bitmime"), smtp.esmtp_features)
        smtp.sendmail(alice, [bob], message, ["SMTPUTF8", "BODY=8BITMIME"])
    [got] = all_of(target, bob)
    same(without_trace(got), message)
    expect(b"with UTF8SMTPSA" in got, got)


@check
def is_offered_chunks_and_may_send_them(target):
    bob = target.account()
    with smtplib.SMTP("localhost", target.port("smtp"), timeout=60) as smtp:
        smtp.starttls(context=target.tls())
        smtp.ehlo()
        expect(smtp.has_extn("chunking"), smtp.esmtp_features)
        message = samples(large=False)["dots"]
        for last in ["", " LAST"]:
            smtp.mail("x@remote.test")
            smtp.rcpt(bob)
            for at in range(0, len(message), 50):
                chunk = message[at : at + 50]
                word = " LAST" if last and at + 50 >= len(message) else ""
                smtp.send(f"BDAT {len(chunk)}{word}\r\n".encode() + chunk)
                expect(smtp.getreply()[0] == 250, at)
            if not last:
                smtp.send(b"BDAT 0 LAST\r\n")
                expect(smtp.getreply()[0] == 250)
    for got in all_of(target, bob):
        same(without_trace(got), message)
    expect(len(all_of(target, bob)) == 2)


@check
def sends_a_message_object(target):
    alice, bob = target.account(), target.account()
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = alice, bob, "Grüße"
    message.set_content("Grüße aus Köln\n")
    message.add_attachment(bytes(range(256)), maintype="application", subtype="octet-stream", filename="a.bin")
    with submission(target, alice) as smtp:
        smtp.send_message(message)
    expect(b"Subject: =?utf-8?" in all_of(target, bob)[0])


@check
def delivers_by_lmtp(target):
    one = target.account()
    deliver(target, one, [text("by lmtp")])
    same(without_trace(all_of(target, one)[0]), text("by lmtp"))
