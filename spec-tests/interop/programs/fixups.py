"""Python's smtplib and email: what becomes of messages that are submitted incomplete."""

from email import message_from_bytes, policy
from email.utils import parsedate_to_datetime

from checks import expect
from messages import without_trace
from programs.binary import postkern_only
from programs.poplib_ import all_of
from programs.smtplib_ import submission


def arrives_as(target, sender, to, message):
    with submission(target, sender) as smtp:
        smtp.sendmail(sender, [to], message)
    (got,) = all_of(target, to)
    return message_from_bytes(without_trace(got), policy=policy.default)


@postkern_only
def gets_a_date_a_message_id_and_an_author(target):
    alice, bob = target.account(), target.account()
    got = arrives_as(target, alice, bob, b"Subject: bare\r\n\r\nbody\r\n")
    expect(parsedate_to_datetime(got["Date"]) is not None, got["Date"])
    expect(got["Message-ID"].startswith("<") and got["Message-ID"].endswith(">"), got["Message-ID"])
    expect(got["From"].addresses[0].addr_spec == alice, got["From"])
    expect((got["Subject"], got.get_content().strip()) == ("bare", "body"), got)
    again = arrives_as(target, alice, target.account(), b"Subject: bare\r\n\r\nbody\r\n")
    expect(again["Message-ID"] != got["Message-ID"], "two messages have one Message-ID")


@postkern_only
def tells_nobody_of_blind_copies(target):
    alice, bob = target.account(), target.account()
    message = f"From: {alice}\r\nBcc: {bob},\r\n eve@example.test\r\nTo: carol, Dave <dave>\r\n\r\nBcc: body\r\n"
    got = arrives_as(target, alice, bob, message.encode())
    expect(got["Bcc"] is None and "Bcc: body" in got.get_content(), got)
    domain = alice.partition("@")[2]
    expect([at.addr_spec for at in got["To"].addresses] == [f"carol@{domain}", f"dave@{domain}"], got["To"])
