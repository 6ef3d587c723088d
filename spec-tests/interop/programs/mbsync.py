"""isync's mbsync: two ways, twice, with flags and deletions both ways."""

import tempfile
from pathlib import Path

from checks import check, expect, program
from messages import samples, text
from programs.imaplib_ import fill, flat, literal, login, ok

COUNT = 200


def configuration(target, account, folder, tls, mailboxes="*"):
    file = Path(folder) / "mbsyncrc"
    file.write_text(
        f"""
IMAPAccount server
Host localhost
Port {target.port("imaps" if tls == "IMAPS" else "imap")}
User {account}
Pass "{target.password}"
SSLType {tls}
SystemCertificates no
CertificateFile {target.certificate}

IMAPStore far
Account server

MaildirStore near
Path {folder}/mail/
Inbox {folder}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns {mailboxes}
Create Both
Expunge Both
Sync All
CopyArrivalDate yes
SyncState {folder}/state/
"""
    )
    (Path(folder) / "mail").mkdir(exist_ok=True)
    (Path(folder) / "state").mkdir(exist_ok=True)
    return file


def files(folder, mailbox="INBOX"):
    return sorted(path for part in ("cur", "new") for path in (Path(folder) / "mail" / mailbox / part).iterdir())


def content(path):
    """A message without what mbsync puts in to know it again."""
    return b"".join(line for line in path.read_bytes().splitlines(True) if not line.startswith(b"X-TUID:"))


def sync_both_ways(target, tls):
    alice = target.account()
    imap = fill(target, alice, [text(f"number {number}", "a line\r\n.\r\nFrom another") for number in range(COUNT)])
    ok(imap.store("1:10", "+FLAGS.SILENT", r"(\Seen \Flagged)"))
    with tempfile.TemporaryDirectory() as folder:
        sync = ["mbsync", "-c", configuration(target, alice, folder, tls), "-a"]
        program(*sync)
        near = files(folder)
        expect(len(near) == COUNT, len(near))
        expect(sum("F" in path.name.rpartition(",")[2] for path in near) == 10, "flags from the server")
        wanted = {text(f"number {number}", "a line\r\n.\r\nFrom another").replace(b"\r\n", b"\n") for number in range(COUNT)}
        expect({content(path) for path in near} == wanted, "contents from the server")
        # And again: nothing is to be done.
        program(*sync)
        expect(files(folder) == near, "a second run changes nothing")
        # Both sides change: a flag here, a deletion here, a new message here; a flag there, a
        # deletion there, a new message there.
        near[0].rename(near[0].with_name(near[0].name.rpartition(":")[0] + ":2,FRS"))
        near[1].unlink()
        (Path(folder) / "mail/INBOX/new/1.new.here").write_bytes(text("from here").replace(b"\r\n", b"\n"))
        uids = ok(imap.uid("SEARCH", "ALL"))[0].split()
        ok(imap.uid("STORE", uids[100].decode(), "+FLAGS", r"(\Answered)"))
        ok(imap.uid("STORE", uids[101].decode(), "+FLAGS", r"(\Deleted)"))
        ok(imap.expunge())
        ok(imap.append("INBOX", r"(\Flagged)", None, text("from there")))
        program(*sync)
        near = files(folder)
        ok(imap.noop())
        far = ok(imap.uid("SEARCH", "ALL"))[0].split()
        # One went here, one there, one came here, one there.
        expect(len(near) == COUNT == len(far), len(near), len(far))
        expect(ok(imap.search(None, "SUBJECT", '"from here"')) != [b""])
        expect(any(b"Subject: from there" in path.read_bytes() for path in near))
        expect(sum("R" in path.name.rpartition(",")[2] for path in near) == 2)
        expect(len(ok(imap.search(None, "ANSWERED"))[0].split()) == 2, imap.search(None, "ANSWERED"))
        program(*sync)
        expect(files(folder) == near and ok(imap.uid("SEARCH", "ALL"))[0].split() == far, "a fourth run changes nothing")


@check
def synchronizes_both_ways_over_tls(target):
    sync_both_ways(target, "IMAPS")


@check
def synchronizes_both_ways_over_starttls(target):
    sync_both_ways(target, "STARTTLS")


@check
def uploads_everything(target):
    alice = target.account()
    with tempfile.TemporaryDirectory() as folder:
        file = configuration(target, alice, folder, "IMAPS")
        for mailbox in ["INBOX", "with blank", "archive"]:
            for part in ["cur", "new", "tmp"]:
                (Path(folder) / "mail" / mailbox / part).mkdir(parents=True)
            for number, message in enumerate(samples().values()):
                path = Path(folder) / "mail" / mailbox / "cur" / f"{number}.x.y:2,S"
                path.write_bytes(message.replace(b"\r\n", b"\n"))
        program("mbsync", "-c", file, "-a")
        imap = login(target, alice, None)
        for mailbox in ["INBOX", '"with blank"', "archive"]:
            ok(imap.select(mailbox))
            wanted = sorted(samples().values())
            got = []
            for number in range(len(wanted)):
                message = literal(ok(imap.fetch(str(number + 1), "(BODY.PEEK[])")))
                got.append(b"".join(line for line in message.splitlines(True) if not line.startswith(b"X-TUID:")))
            expect([len(message) for message in sorted(got)] == [len(message) for message in wanted] and sorted(got) == wanted, mailbox)
            expect(flat(ok(imap.fetch("1:*", "FLAGS"))).count(b"\\Seen") == len(wanted))
