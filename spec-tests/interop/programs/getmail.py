"""getmail6."""

import os
import shutil
import tempfile
from pathlib import Path

from checks import check, expect, program
from deliver import deliver
from messages import text
from programs.poplib_ import all_of


COUNT = 20
NOBODY = 65534


def getmail(folder):
    """It delivers nothing as root."""
    options = {}
    if os.geteuid() == 0:
        for path in [Path(folder), *Path(folder).rglob("*")]:
            os.chown(path, NOBODY, NOBODY)
        options = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    program("getmail", "--getmaildir", folder, "--rcfile", "getmailrc", **options)


def fetch(target, retriever, listener, delete):
    bob = target.account()
    deliver(target, bob, [text(f"number {number}", "one\r\n.\r\ntwo") for number in range(COUNT)])
    with tempfile.TemporaryDirectory() as folder:
        for part in ["cur", "new", "tmp"]:
            (Path(folder) / "mail" / part).mkdir(parents=True)
        mailboxes = 'mailboxes = ("INBOX",)' if "IMAP" in retriever else ""
        (Path(folder) / "getmailrc").write_text(
            f"""
[retriever]
type = {retriever}
server = localhost
port = {target.port(listener)}
username = {bob}
password = {target.password}
ca_certs = {folder}/certificate.pem
{mailboxes}

[destination]
type = Maildir
path = {folder}/mail/

[options]
delete = {delete}
read_all = false
delivered_to = false
received = false
verbose = 0
"""
        )
        shutil.copy(target.certificate, Path(folder) / "certificate.pem")
        getmail(folder)
        # It writes messages anew, with header fields of its own.
        got = [path.read_bytes() for path in (Path(folder) / "mail/new").iterdir()]
        for number in range(COUNT):
            found = [one for one in got if b"\nSubject: number %d\n" % number in one]
            expect(len(found) == 1 and found[0].endswith(b"\n\none\n.\ntwo\n"), number, found)
        expect(len(all_of(target, bob)) == (0 if delete else COUNT))
        getmail(folder)
        expect(len(list((Path(folder) / "mail/new").iterdir())) == COUNT, "a second run fetches nothing")


@check
def fetches_by_pop3_and_keeps(target):
    fetch(target, "SimplePOP3SSLRetriever", "pop3s", False)


@check
def fetches_by_imap_and_deletes(target):
    fetch(target, "SimpleIMAPSSLRetriever", "imaps", True)
