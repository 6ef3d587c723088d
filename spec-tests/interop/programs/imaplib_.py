"""Python's imaplib: every command, and what other clients ask in their own ways (the list is
of what curl, mutt, alpine, mbsync, JavaMail, imapflow and others send)."""

import base64
import imaplib
import re
import socket
import time

from checks import check, expect, same
from deliver import deliver
from messages import HEADER, NESTED, in_lines, samples, text, without_trace

imaplib._MAXLINE = 100_000_000


def connect(target):
    return imaplib.IMAP4_SSL("localhost", target.port("imaps"), ssl_context=target.tls(), timeout=120)


def login(target, account, mailbox="INBOX"):
    imap = connect(target)
    imap.login(account, target.password)
    if mailbox:
        ok(imap.select(mailbox))
    return imap


def ok(answer):
    """The data of an answer that is OK."""
    expect(answer[0] == "OK", answer)
    return answer[1]


def refused(answer):
    expect(answer[0] == "NO", answer)
    return b" ".join(item or b"" for item in answer[1])


def bad(call, *arguments):
    """The command is answered BAD, which imaplib raises."""
    try:
        answer = call(*arguments)
    except imaplib.IMAP4.error as error:
        expect("BAD" in str(error), error)
    else:
        expect(False, arguments, answer)


def flat(data):
    """All of an answer's data as one piece."""
    pieces = []
    for item in data:
        pieces.extend(item if isinstance(item, tuple) else [item or b""])
    return b"\n".join(pieces)


def literal(data, at=0):
    """The literal of the n-th message in a FETCH's data."""
    return [item for item in data if isinstance(item, tuple)][at][1]


def fill(target, account, messages, mailbox="INBOX"):
    imap = login(target, account, None)
    if mailbox != "INBOX":
        ok(imap.create(mailbox))
    for message in messages:
        ok(imap.append(mailbox, None, None, message))
    ok(imap.select(mailbox))
    return imap


@check
def greets_secures_and_logs_in(target):
    alice = target.account()
    imap = imaplib.IMAP4("localhost", target.port("imap"), timeout=60)
    expect("LOGINDISABLED" in imap.capabilities and "STARTTLS" in imap.capabilities, imap.capabilities)
    expect(not any(one.startswith("AUTH=") for one in imap.capabilities), imap.capabilities)
    imap.starttls(ssl_context=target.tls())
    expect("STARTTLS" not in imap.capabilities and "LOGINDISABLED" not in imap.capabilities, imap.capabilities)
    expect({"IMAP4REV1", "AUTH=PLAIN", "AUTH=LOGIN", "SASL-IR"} <= set(imap.capabilities), imap.capabilities)
    # A wrong password is a tagged NO, and the second try works.
    try:
        imap.login(alice, "wrong")
        expect(False, "a wrong password was taken")
    except imaplib.IMAP4.error as error:
        expect("BAD" not in str(error), error)
    imap.authenticate("PLAIN", lambda challenge: f"\0{alice}\0{target.password}".encode())
    offered = ok(imap.capability())[0].decode().upper().split()
    for capability in ["IMAP4REV1", "LITERAL+", "IDLE", "UIDPLUS", "MOVE", "NAMESPACE", "ID", "UNSELECT", "ENABLE", "SPECIAL-USE"]:
        expect(capability in offered, capability, offered)
    expect(not any(one.startswith("AUTH=") for one in offered), offered)
    ok(imap.noop())
    expect(imap.logout()[0] == "BYE")
    imap = connect(target)
    imap.login(alice.upper(), target.password)
    imap.logout()


@check
def authenticates_by_initial_response_and_cancels(target):
    alice = target.account()
    imap = connect(target)
    response = base64.b64encode(f"\0{alice}\0{target.password}".encode()).decode()
    raw(imap, b"x AUTHENTICATE PLAIN\r\n")
    expect(imap.readline().startswith(b"+ "), "a continuation with its blank")
    raw(imap, b"*\r\n")
    expect(imap.readline().startswith(b"x BAD"))
    raw(imap, f"y AUTHENTICATE PLAIN {response}\r\n".encode())
    lines = until(imap, b"y ")
    expect(lines[-1].startswith(b"y OK"), lines)


def raw(imap, octets):
    imap.send(octets)


def until(imap, tag):
    """Lines up to the one that begins with the tag."""
    lines = []
    while not lines or not lines[-1].startswith(tag):
        line = imap.readline()
        expect(line, "the connection ended after", lines)
        lines.append(line)
    return lines


@check
def selects_as_told(target):
    alice = target.account()
    deliver(target, alice, [text("one"), text("two")])
    imap = login(target, alice, None)
    raw(imap, b"s SELECT INBOX\r\n")
    said = b"".join(until(imap, b"s "))
    for part in [rb"\* FLAGS \(", rb"\* 2 EXISTS", rb"\* 2 RECENT", rb"\[UIDVALIDITY \d+\]", rb"\[UIDNEXT 3\]", rb"\[PERMANENTFLAGS \(.*\\\*\)\]", rb"s OK \[READ-WRITE\]"]:
        expect(re.search(part, said), part, said)
    raw(imap, b"e EXAMINE inbox\r\n")
    said = b"".join(until(imap, b"e "))
    expect(b"e OK [READ-ONLY]" in said and b"* 0 RECENT" in said, said)
    raw(imap, b"s STORE 1 +FLAGS (\\Seen)\r\n")
    expect(until(imap, b"s ")[-1].startswith(b"s NO"), "a mailbox that is only looked at")
    # A SELECT that fails leaves nothing selected.
    refused(imap.select("nowhere"))
    raw(imap, b"f FETCH 1 FLAGS\r\n")
    expect(until(imap, b"f ")[-1].startswith(b"f BAD"))


@check
def appends_and_fetches_octet_for_octet(target):
    alice = target.account()
    imap = login(target, alice, None)
    for message in samples().values():
        answer = ok(imap.append("INBOX", None, None, message))
        expect(b"APPENDUID" in answer[0], answer)
    ok(imap.select("INBOX"))
    for number, (name, message) in enumerate(samples().items(), 1):
        data = ok(imap.fetch(str(number), "(RFC822.SIZE BODY.PEEK[])"))
        same(literal(data), message, name)
        expect(b"RFC822.SIZE %d" % len(message) in flat(data), name, flat(data)[:100])
        head = literal(ok(imap.fetch(str(number), "(BODY.PEEK[HEADER])")))
        body = ok(imap.fetch(str(number), "(BODY.PEEK[TEXT])"))
        same(head + (literal(body) if any(isinstance(item, tuple) for item in body) else b""), message, f"{name}: HEADER and TEXT")
    # Octets of zero and of more than 127 elsewhere than in text, bare line ends: as they are.
    odd = HEADER + b"Subject: odd\r\n\r\nbare\nfeed\rreturn\xff\xfe\x80"
    ok(imap.append("INBOX", r"(\Seen $Odd)", imaplib.Time2Internaldate(1044047106), odd))
    last = ok(imap.fetch("*", "(FLAGS INTERNALDATE BODY.PEEK[])"))
    expect(b"\\Seen" in flat(last) and b"$Odd" in flat(last), last)
    expect(imaplib.Internaldate2tuple(flat(last)) == time.localtime(1044047106), flat(last))
    expect(imaplib.ParseFlags(flat(last)), flat(last))
    said = refused(imap.append("nowhere", None, None, text("x")))
    expect(b"TRYCREATE" in said, said)


@check
def fetches_every_item(target):
    alice = target.account()
    message = HEADER + NESTED
    imap = fill(target, alice, [message, text("plain", "0123456789")])
    envelope = flat(ok(imap.fetch("1", "ENVELOPE")))
    expect(b'("Alice" NIL "alice" "example.test")' in envelope and b'"<sample@example.test>"' in envelope, envelope)
    structure = flat(ok(imap.fetch("1", "BODYSTRUCTURE"))).upper()
    for part in [b'"ALTERNATIVE"', b'"MESSAGE" "RFC822"', b'"IMAGE" "PNG"', b'"BOUNDARY" "THIRD"', b'"MIXED"']:
        expect(part in structure, part, structure)
    expect(flat(ok(imap.fetch("1", "BODY"))).upper().count(b'"TEXT"') >= 2)
    for macro, items in {"ALL": [b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE", b"ENVELOPE"], "FAST": [b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE"], "FULL": [b"ENVELOPE", b"BODY ("]}.items():
        data = flat(ok(imap.fetch("1:2", macro)))
        expect(all(item in data for item in items), macro, data)
    expect(b"FLAGS (" in flat(ok(imap.fetch("1", "FLAGS"))))
    same(literal(ok(imap.fetch("1", "RFC822.HEADER"))) + literal(ok(imap.fetch("1", "RFC822.TEXT"))), message, "RFC822.HEADER and .TEXT")
    expect(b"\\Seen" in flat(ok(imap.fetch("1", "FLAGS"))), "RFC822.TEXT sets \\Seen")
    expect(b"\\Seen" not in flat(ok(imap.fetch("2", "(FLAGS BODY.PEEK[] RFC822.SIZE)"))))
    same(literal(ok(imap.fetch("2", "RFC822"))), text("plain", "0123456789"), "RFC822")
    parts = {
        "1.1": b"plain",
        "1.2": b"<p>html</p>",
        "2.1": b"one\r\n.",
        "2.2": b"iVBORw0KGgo=",
        "2.2.MIME": b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        "2.HEADER.FIELDS (SUBJECT)": b"Subject: within\r\n\r\n",
        "1.1.MIME": b"Content-Type: text/plain\r\n\r\n",
        "HEADER.FIELDS (subject DATE)": b"Date: Mon, 2 Nov 2026 10:00:00 +0000\r\nSubject: nested\r\n\r\n",
        "HEADER.FIELDS.NOT (From To Date Message-ID MIME-Version Content-Type)": b"Subject: nested\r\n\r\n",
    }
    for section, octets in parts.items():
        same(literal(ok(imap.fetch("1", f"(BODY.PEEK[{section}])"))), octets, section)
    header = literal(ok(imap.fetch("1", "(BODY.PEEK[2.HEADER])")))
    expect(header.startswith(b"From: c@d.test") and header.endswith(b"third\r\n\r\n"), header)
    expect(literal(ok(imap.fetch("1", "(BODY.PEEK[2.TEXT])"))).startswith(b"--third"), "2.TEXT")
    # Pieces, as JavaMail and imapflow read them.
    piece = ok(imap.fetch("1", "(BODY.PEEK[]<10.20>)"))
    same(literal(piece), message[10:30], "a piece")
    expect(b"BODY[]<10>" in flat(piece), piece)
    assembled = b"".join(literal(ok(imap.fetch("1", f"(BODY.PEEK[]<{at}.100>)"))) for at in range(0, len(message), 100))
    same(assembled, message, "all pieces")
    data = flat(ok(imap.fetch("1", f"(BODY.PEEK[]<{len(message)}.10>)")))
    expect(b'""' in data or b"{0}" in data, "a piece behind the end", data)
    # The long list of fields that mutt asks for comes back as it was asked.
    fields = "DATE FROM SENDER SUBJECT TO CC MESSAGE-ID REFERENCES CONTENT-TYPE CONTENT-DESCRIPTION IN-REPLY-TO REPLY-TO LINES LIST-POST X-LABEL"
    data = flat(ok(imap.fetch("1:2", f"(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS ({fields})])")))
    expect(data.upper().count(b"HEADER.FIELDS (") == 2, data)
    # By UID: the UID is always told; `*` is the last; nothing is no error.
    expect(b"UID 2" in flat(ok(imap.uid("FETCH", "999999:*", "(FLAGS)"))))
    expect(ok(imap.uid("FETCH", "500", "(FLAGS)")) == [None])
    expect(len(ok(imap.uid("FETCH", "1:*", "FLAGS"))) == 2)
    expect(len(ok(imap.fetch("*:1", "UID"))) == 2)
    expect(len(ok(imap.fetch("1,2,1:2,*", "UID"))) == 2)
    bad(imap.fetch, "1", "(FROB)")
    bad(imap.fetch, "0", "FLAGS")


@check
def stores_flags_in_each_way(target):
    alice = target.account()
    imap = fill(target, alice, [text(str(number)) for number in range(3)])
    expect(b"\\Flagged" in flat(ok(imap.store("1", "+FLAGS", r"(\Flagged)"))))
    expect(b"\\Deleted" in flat(ok(imap.store("1", "+Flags", r"(\Deleted)"))), "alpine's case")
    expect(ok(imap.store("1:2", "+FLAGS.SILENT", "($Label1 work)")) == [None])
    data = flat(ok(imap.fetch("1", "FLAGS")))
    expect(all(flag in data for flag in [b"\\Flagged", b"\\Deleted", b"$Label1", b"work"]), data)
    data = flat(ok(imap.store("1", "FLAGS", r"\Seen \answered")))
    expect(b"\\Seen" in data and b"\\Answered" in data and b"\\Flagged" not in data and b"work" not in data, data)
    expect(b"\\Seen" not in flat(ok(imap.store("1", "-FLAGS", r"(\SEEN)"))))
    expect(b"UID 2" in flat(ok(imap.uid("STORE", "2", "+FLAGS", r"(\Draft)"))))
    ok(imap.store("3", "FLAGS.SILENT", "()"))
    ok(imap.uid("STORE", "4000", "+FLAGS", r"(\Seen)"))
    bad(imap.store, "1", "+FLAGS", r"(\Frob \Recent)")
    other = login(target, alice)
    expect(b"work" in flat(ok(other.fetch("2", "FLAGS"))), "keywords last")


@check
def searches_by_every_key(target):
    alice = target.account()
    imap = login(target, alice, None)
    first = HEADER + b"Cc: carol@example.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= aus\r\n =?utf-8?b?S8O2bG4=?=\r\nX-Test: some value\r\n\r\nNeedle in the hay\r\n"
    second = text("second", "x" * 5000).replace(b"Mon, 2 Nov 2026", b"Tue, 3 Nov 2026")
    third = HEADER + b"Subject: third\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nTmFkZWwgaW0gSGV1aGF1ZmVuOiBHcsO8w59l\r\n"
    ok(imap.append("INBOX", r"(\Seen \Answered)", '"01-Feb-2003 04:05:06 +0000"', first))
    ok(imap.append("INBOX", r"(\Flagged $Key)", '"02-Feb-2003 04:05:06 +0000"', second))
    ok(imap.append("INBOX", r"(\Draft \Deleted)", '"03-Feb-2003 04:05:06 +0000"', third))
    ok(imap.select("INBOX"))
    wanted = {
        "ALL": "1 2 3", "seen": "1", "UNSEEN": "2 3", "ANSWERED": "1", "UNANSWERED": "2 3", "FLAGGED": "2", "UNFLAGGED": "1 3",
        "DRAFT": "3", "UNDRAFT": "1 2", "DELETED": "3", "UNDELETED": "1 2", "KEYWORD $Key": "2", "UNKEYWORD $Key": "1 3",
        "KEYWORD nokey": "", "RECENT": "1 2 3", "NEW": "2 3", "OLD": "",
        "FROM alice": "1 2 3", "TO bob@": "1 2 3", "CC carol": "1", "BCC x": "", 'SUBJECT "second"': "2", 'SUBJECT "AUS K"': "1",
        'HEADER X-Test "VALUE"': "1", 'HEADER X-Test ""': "1", 'HEADER Message-ID "sample@"': "1 2 3",
        'BODY "needle"': "1", 'TEXT "x-test"': "1", 'BODY "x-test"': "", "BODY Heuhaufen": "3",
        "LARGER 4000": "2", "SMALLER 4000": "1 3",
        "BEFORE 2-Feb-2003": "1", "ON 02-Feb-2003": "2", "SINCE 2-Feb-2003": "2 3",
        "SENTON 3-Nov-2026": "2", "SENTBEFORE 3-Nov-2026": "1 3", "SENTSINCE 3-Nov-2026": "2",
        "2:3": "2 3", "*": "3", "UID 1,3": "1 3", "UID 3:999": "3", "NOT SEEN": "2 3", "NOT (SEEN)": "2 3",
        "OR SEEN FLAGGED": "1 2", "OR (SEEN ANSWERED) NOT 1:2": "1 3", "SEEN FLAGGED": "", "(SEEN) (ANSWERED)": "1",
        "OR OR SEEN DRAFT FLAGGED": "1 2 3",
    }
    for key, numbers in wanted.items():
        found = ok(imap.search(None, key))[0].decode()
        expect(found == numbers, key, "found", found, "not", numbers)
    expect(ok(imap.uid("SEARCH", "FLAGGED")) == [b"2"])
    for text_ in ["Grüße", "köln", "GRÜ"]:
        imap.literal = text_.encode()
        found = ok(imap.uid("SEARCH", "CHARSET", "utf-8", "SUBJECT"))[0]
        expect(found == b"1", text_, found)
    imap.literal = "Grüße".encode()
    expect(ok(imap.search("UTF-8", "BODY")) == [b"3"], "decoded by its transfer encoding and charset")
    raw(imap, b'b SEARCH CHARSET X-NONSENSE SUBJECT "x"\r\n')
    said = until(imap, b"b ")[-1]
    expect(said.startswith(b"b NO") and b"BADCHARSET" in said, said)
    bad(imap.search, None, "FROB")
    bad(imap.search, None, "OR SEEN")
    raw(imap, b"c SEARCH SUBJECT nothing-of-that\r\n")
    expect(until(imap, b"c ")[0] in (b"* SEARCH\r\n", b"* SEARCH \r\n"), "an empty result is told")


@check
def copies_moves_and_expunges(target):
    alice = target.account()
    imap = fill(target, alice, [text(str(number)) for number in range(1, 7)])
    ok(imap.create("archive"))
    ok(imap.store("1", "+FLAGS", r"(\Flagged $Work)"))
    said = ok(imap.copy("1:2", "archive"))
    expect(re.search(rb"COPYUID \d+ 1:2 1:2", said[0]), said)
    expect(b"TRYCREATE" in refused(imap.copy("1", "nowhere")))
    expect(b"TRYCREATE" in refused(imap.uid("COPY", "1", "nowhere")))
    ok(imap.uid("COPY", "999", "archive"))
    raw(imap, b"m MOVE 3 archive\r\n")
    lines = until(imap, b"m ")
    codes = [at for at, line in enumerate(lines) if b"COPYUID" in line]
    gone = [at for at, line in enumerate(lines) if line == b"* 3 EXPUNGE\r\n"]
    expect(codes and gone and codes[0] < gone[0] and lines[-1].startswith(b"m OK"), lines)
    raw(imap, b"n UID MOVE 4 archive\r\n")
    expect(b"* 3 EXPUNGE\r\n" in until(imap, b"n "))
    ok(imap.uid("STORE", "1,5", "+FLAGS.SILENT", r"(\Deleted)"))
    raw(imap, b"o UID EXPUNGE 5\r\n")
    lines = until(imap, b"o ")
    expect([line for line in lines if line.endswith(b"EXPUNGE\r\n")] == [b"* 3 EXPUNGE\r\n"], "only the named", lines)
    expect(ok(imap.expunge()) == [b"1"])
    expect(ok(imap.uid("SEARCH", "ALL")) == [b"2 6"])
    # CLOSE expunges in silence, UNSELECT not at all.
    ok(imap.store("1", "+FLAGS.SILENT", r"(\Deleted)"))
    ok(imap.unselect())
    ok(imap.select("INBOX"))
    expect(ok(imap.uid("SEARCH", "ALL")) == [b"2 6"])
    raw(imap, b"p CLOSE\r\n")
    expect(len(until(imap, b"p ")) == 1, "in silence")
    ok(imap.select("INBOX", readonly=True))
    expect(ok(imap.uid("SEARCH", "ALL")) == [b"6"])
    ok(imap.close())
    expect(ok(imap.select("archive")) == [b"4"])
    expect(b"$Work" in flat(ok(imap.fetch("1", "(FLAGS)"))))
    # What is gone never comes back, and its UID never is another's.
    status = flat(ok(imap.status("INBOX", "(UIDNEXT UIDVALIDITY MESSAGES RECENT UNSEEN)")))
    expect(b"UIDNEXT 7" in status and b"MESSAGES 1" in status and b"RECENT" in status, status)


@check
def names_mailboxes(target):
    alice = target.account()
    imap = login(target, alice, None)
    expect(re.search(rb'\(.*\\Noselect.*\) "(.)" ""', ok(imap.list('""', '""'))[0], re.I), "the separator", ok(imap.list('""', '""')))
    separator = "/"
    expect(f'"{separator}"'.encode() in ok(imap.list('""', '""'))[0], "the separator is /")
    expect(b"((" in ok(imap.namespace())[0], imap.namespace())
    names = ["plain", '"with blank"', '"a \\"quoted\\" one"', '"back\\\\slash"', '"amper&-sand"', '"gr&APw-n"', '"parent/child/grandchild"', '"plus+sign"', '"&ZeVnLIqe-"']
    for name in names:
        ok(imap.create(name))
        ok(imap.subscribe(name))
        ok(imap.append(name, None, None, text("x")))
        expect(ok(imap.select(name)) == [b"1"], name)
    listed = b"\n".join(ok(imap.list('""', "*")))
    subscribed = b"\n".join(ok(imap.lsub('""', "*")))
    for name in names:
        for where in [listed, subscribed]:
            expect(name.encode() in where or name.strip('"').encode() in where, name, where)
    expect(b"INBOX" in listed, listed)
    top = b"\n".join(ok(imap.list('""', "%")))
    expect(b"parent" in top and b"child" not in top.replace(b"HasChildren", b"").replace(b"HasNoChildren", b""), top)
    expect(b"parent/child" in b"\n".join(ok(imap.list('"parent/"', "%"))))
    expect(b"parent/child/grandchild" in b"\n".join(ok(imap.list('""', '"parent/*"'))))
    expect(ok(imap.list('""', "nothing-of-that")) == [None])
    expect(b"INBOX" in ok(imap.list('""', "inbox"))[0], "INBOX in any case")
    for name in ["plain", "INBOX", "inbox"]:
        refused(imap.create(name))
    refused(imap.delete("INBOX"))
    refused(imap.delete("nowhere"))
    refused(imap.rename("nowhere", "elsewhere"))
    refused(imap.rename("plain", '"with blank"'))
    ok(imap.rename("parent", "mother"))
    expect(ok(imap.select("mother/child/grandchild")) == [b"1"], "children move along")
    ok(imap.rename("plain", "moved"))
    refused(imap.select("plain"))
    expect(ok(imap.select("moved")) == [b"1"])
    ok(imap.unselect())
    ok(imap.delete("moved"))
    ok(imap.unsubscribe("plain"))
    expect(b'"plain"' not in b"\n".join(ok(imap.lsub('""', "*"))))
    # What cannot be a name. Nothing of it comes back as a line of its own.
    for name in ['"&AA0ACg-* 99 EXISTS"', '"&AAA-"', '"a&b"', '"../up"', '"a//b"', '"' + "x" * 300 + '"', '"' + "/".join("x" * 40) + '"']:
        answer = imap.create(name)
        expect(answer[0] == "NO", name, answer)
        expect(imap.untagged_responses.get("EXISTS") in (None, [b"1"]), imap.untagged_responses)
    # The messages of INBOX move out of it, it stays (RFC 3501 section 6.3.5).
    ok(imap.append("INBOX", None, None, text("in the inbox")))
    ok(imap.rename("INBOX", "old"))
    expect(ok(imap.select("INBOX")) == [b"0"] and ok(imap.select("old")) == [b"1"])


@check
def sends_literals_in_both_ways(target):
    alice = target.account()
    imap = connect(target)
    name, word = alice.encode(), target.password.encode()
    raw(imap, b"a LOGIN {%d}\r\n" % len(name))
    expect(imap.readline().startswith(b"+ "), "a prompt and a blank")
    raw(imap, name + b" {%d}\r\n" % len(word))
    expect(imap.readline().startswith(b"+ "))
    raw(imap, word + b"\r\n")
    expect(until(imap, b"a ")[-1].startswith(b"a OK"))
    large = samples()["10 MB of base64"]
    raw(imap, b"b APPEND {5+}\r\nINBOX {%d+}\r\n" % len(large) + large + b"\r\n")
    expect(b"APPENDUID" in until(imap, b"b ")[-1])
    # In depth, as mbsync does it: all at once.
    small = text("pipelined")
    raw(imap, b"".join(b"p%d APPEND INBOX (\\Seen) {%d+}\r\n%s\r\n" % (number, len(small), small) for number in range(50)))
    for number in range(50):
        expect(b"OK" in until(imap, b"p%d " % number)[-1])
    # neomutt: two commands in one packet.
    raw(imap, b'c ENABLE UTF8=ACCEPT\r\nd LIST "" ""\r\ne SELECT INBOX\r\nf FETCH 1:* (UID FLAGS)\r\n')
    lines = until(imap, b"f ")
    expect(sum(b"FETCH (" in line for line in lines) == 51 and lines[-1].startswith(b"f OK"), lines[-1])
    # A literal that is refused after its octets have come.
    raw(imap, b"g APPEND nowhere {3+}\r\nabc\r\nh NOOP\r\n")
    lines = until(imap, b"h ")
    expect(any(line.startswith(b"g NO") and b"TRYCREATE" in line for line in lines), lines)
    raw(imap, b"i SEARCH SUBJECT {9+}\r\npipelined FROM {5}\r\n")
    expect(imap.readline().startswith(b"+ "))
    raw(imap, b"alice\r\n")
    expect(len(until(imap, b"i ")[0].split()) == 52)


@check
def is_told_of_changes(target):
    alice = target.account()
    deliver(target, alice, [text("one")])
    one, other = login(target, alice), login(target, alice)
    deliver(target, alice, [text("two")])
    ok(one.noop())
    expect(one.response("EXISTS")[1][-1] == b"2")
    ok(other.check())
    raw(other, b"i IDLE\r\n")
    lines = until(other, b"+ ")
    started = time.monotonic()
    deliver(target, alice, [text("three")])
    lines = until(other, b"* 3 EXISTS")
    expect(time.monotonic() - started < 5, "seconds", time.monotonic() - started)
    ok(one.store("1", "+FLAGS", r"(\Flagged)"))
    until(other, b"* 1 FETCH (")
    ok(one.noop())
    ok(one.store("2", "+FLAGS", r"(\Deleted)"))
    ok(one.expunge())
    until(other, b"* 2 EXPUNGE")
    raw(other, b"DONE\r\n")
    expect(until(other, b"i ")[-1].startswith(b"i OK"))
    ok(other.noop())


@check
def uses_what_is_offered(target):
    alice = target.account()
    imap = fill(target, alice, [text(str(number)) for number in (2, 1, 3)])
    capabilities = ok(imap.capability())[0].decode().upper().split()
    raw(imap, b'x ID ("name" "imaplib" "version" NIL)\r\n')
    expect(until(imap, b"x ")[0].startswith(b"* ID "))
    raw(imap, b"x ID NIL\r\n")
    expect(until(imap, b"x ")[-1].startswith(b"x OK"))
    if "SPECIAL-USE" in capabilities and "LIST-EXTENDED" in capabilities:
        raw(imap, b'x LIST (SPECIAL-USE) "" "*" RETURN (SUBSCRIBED CHILDREN)\r\n')
        expect(until(imap, b"x ")[-1].startswith(b"x OK"))
    if "LIST-STATUS" in capabilities:
        raw(imap, b'x LIST "" "*" RETURN (STATUS (MESSAGES UNSEEN))\r\n')
        expect(any(line.startswith(b"* STATUS ") for line in until(imap, b"x ")))
    if "SORT" in capabilities:
        expect(ok(imap.sort("(SUBJECT)", "UTF-8", "ALL")) == [b"2 1 3"])
    if "THREAD=REFERENCES" in capabilities:
        ok(imap.thread("REFERENCES", "UTF-8", "ALL"))
    if "CONDSTORE" in capabilities:
        raw(imap, b"x SELECT INBOX (CONDSTORE)\r\n")
        expect(any(b"HIGHESTMODSEQ" in line for line in until(imap, b"x ")))
        raw(imap, b"x FETCH 1:* (FLAGS) (CHANGEDSINCE 1)\r\n")
        expect(any(b"MODSEQ (" in line for line in until(imap, b"x ")))
    if "QRESYNC" in capabilities:
        raw(imap, b"x ENABLE CONDSTORE QRESYNC\r\n")
        expect(any(line.startswith(b"* ENABLED") for line in until(imap, b"x ")))
    if "QUOTA" in capabilities:
        ok(imap.getquotaroot("INBOX"))


@check
def survives_wrong_commands(target):
    alice = target.account()
    imap = login(target, alice)
    for line in [b"x", b"x ", b"x FROB", b"x FETCH", b"x FETCH 1", b"x SELECT", b'x SELECT "INBOX', b"x STORE 1 FLAGS (", b"+ NOOP", b"x SEARCH (", b"x LOGIN a b"]:
        raw(imap, line + b"\r\n")
        said = [imap.readline()]
        while b" BAD" not in said[-1]:
            expect(said[-1].startswith(b"* "), line, said)
            said.append(imap.readline())
    ok(imap.noop())
    # One that goes away in the middle leaves nothing.
    raw(imap, b"y APPEND INBOX {1000+}\r\nhalf")
    imap.sock.shutdown(socket.SHUT_RDWR)
    imap.shutdown()
    imap = login(target, alice)
    expect(ok(imap.search(None, "ALL")) == [b""])


@check
def reads_what_was_delivered(target):
    alice = target.account()
    deliver(target, alice, [in_lines(message) for message in samples().values()])
    imap = login(target, alice)
    for number, (name, message) in enumerate(samples().items(), 1):
        same(without_trace(literal(ok(imap.fetch(str(number), "(BODY[])")))), in_lines(message), name)
