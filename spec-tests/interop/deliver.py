"""Mail for checks of reading: by LMTP, without a foreign program."""

import smtplib


def deliver(target, account, messages):
    """Delivers messages to an account."""
    with smtplib.LMTP("localhost", target.port("lmtp")) as lmtp:
        for message in messages:
            lmtp.sendmail("sender@remote.test", [account], message, ["BODY=8BITMIME"])
