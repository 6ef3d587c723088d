"""Messages that are easily damaged on the way."""

import base64

HEADER = (
    b"From: Alice <alice@example.test>\r\nTo: Bob <bob@example.test>\r\n"
    b"Date: Mon, 2 Nov 2026 10:00:00 +0000\r\nMessage-ID: <sample@example.test>\r\n"
)
NESTED = b"""Subject: nested
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="outer"

preamble
--outer
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain

plain
--inner
Content-Type: text/html

<p>html</p>
--inner--
--outer
Content-Type: message/rfc822

From: c@d.test
Subject: within
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=third

--third

one
.
--third
Content-Type: image/png
Content-Transfer-Encoding: base64

iVBORw0KGgo=
--third--
--outer--
epilogue
""".replace(b"\n", b"\r\n")


def text(subject, body="body"):
    """A plain message."""
    return HEADER + f"Subject: {subject}\r\n\r\n{body}\r\n".encode()


def samples(large=True):
    """Name and octets of each."""
    all_of_them = {
        "an empty body": HEADER + b"Subject: nothing\r\n\r\n",
        "dots": HEADER + b"Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.x\r\n. \r\n\r\n.\r\n\r\n..end.\r\n.\r\n",
        "no line end at the end": HEADER + b"Subject: open end\r\n\r\nthe last line is not ended",
        "8-bit UTF-8": HEADER
        + "Subject: grün\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße, αβγ \U0001f40c\r\n".encode(),
        "lines that look like protocol": HEADER + b"Subject: lines\r\n\r\nFrom the start\r\n* BYE\r\n+OK\r\nQUIT\r\n)\r\n",
        "a message within a message": HEADER + NESTED,
    }
    if large:
        lines = base64.encodebytes(bytes((at * 2654435761 >> 7) % 256 for at in range(57 * 1000)))
        body = lines.replace(b"\n", b"\r\n") * (10_000_000 // (78 * 1000) + 1)
        head = b"Subject: large\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        all_of_them["10 MB of base64"] = HEADER + head + body
    return all_of_them


def of(account, message):
    """A message of these as the account's own: its header names the account."""
    return message.replace(b"alice@example.test", account.encode())


def in_lines(message):
    """As it is after a protocol that knows only whole lines."""
    return message if message.endswith(b"\r\n") else message + b"\r\n"


def without_trace(message):
    """What arrived, without the trace lines in front (RFC 5321 section 4.4)."""
    lines = message.split(b"\r\n")
    at = 0
    while at < len(lines):
        line = lines[at]
        trace = line.startswith((b"Received:", b"Return-Path:", b"Delivered-To:"))
        if not (trace or (at and line.startswith((b" ", b"\t")))):
            break
        at += 1
    return b"\r\n".join(lines[at:])
