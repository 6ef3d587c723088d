"""Python's smtplib."""

import smtplib
from email.message import EmailMessage

from checks import check, expect, same
from deliver import deliver
from messages import in_lines, samples, text, without_trace
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
            smtp.sendmail(alice, [bob], message, ["BODY=8BITMIME"])
    for (name, message), got in zip(samples().items(), all_of(target, bob), strict=True):
        same(without_trace(got), in_lines(message), name)


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
        smtp.sendmail(alice, [alice], text("after a wrong password"))


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
