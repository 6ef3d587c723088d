"""What our own binary promises on its command line, seen from outside."""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from checks import check, expect, program, same
from deliver import deliver
from messages import of, text, without_trace
from programs.poplib_ import all_of
from server import on_free_ports


def postkern_only(function):
    function.postkern_only = True
    return check(function)


def pasted(said):
    """The commands with curl among the lines that were printed, as one would paste them."""
    commands, open_command = [], None
    for line in said.splitlines():
        line = line.strip().removeprefix("$ ")
        if open_command is not None:
            open_command += "\n" + line
        elif re.search(r"\bcurl\b.*://", line) or re.search(r"\bcurl\b.*\\$", line):
            open_command = line
        if open_command is not None and not line.endswith("\\"):
            commands.append(open_command)
            open_command = None
    return commands


@postkern_only
def alone_prints_lines_that_work_when_they_are_pasted(target):
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "said"
        with output.open("wb") as said:
            process = subprocess.Popen([target.binary], cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.DEVNULL)
        try:
            commands = []
            for _ in range(300):
                expect(process.poll() is None, "it exits", process.returncode, output.read_text())
                time.sleep(0.1)
                if len(again := pasted(output.read_text())) == len(commands) >= 3:
                    break
                commands = again
            expect(len(commands) >= 3, "fewer than three lines with curl:", output.read_text())
            shown = [program("bash", "-c", command, cwd=folder) for command in commands]
            subject = re.search(r"Subject: [^\\\"'\r\n]+", commands[0])
            expect(subject, "the first line sends a message", commands[0])
            for command, got in zip(commands[1:], shown[1:]):
                expect(subject[0].encode() in got, command, got)
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(timeout=30)
        expect(code == 0, "exit code after SIGINT", code)
        expect((Path(folder) / "postkern-data").is_dir(), os.listdir(folder))


@postkern_only
def tour_shows_a_message_on_its_way(target):
    with tempfile.TemporaryDirectory() as folder:
        said = program(target.binary, "tour", cwd=folder)
    for part in [b"EHLO", b"MAIL FROM", b"250", b"RETR", b"FETCH", b"a.test", b"b.test"]:
        expect(part in said, part, said)
    expect(b"\x1b" not in said, "colours in a pipe")


@postkern_only
def accounts_are_managed_while_it_runs(target):
    account = target.account()
    words = ["--config", target.config]
    expect(account in target.command("account", "list", *words).split())
    target.command("account", "add", *words, account, "--password-stdin", stdin=b"x\n", code=1)
    deliver(target, account, [text("x")])
    target.command("account", "passwd", *words, account, "--password-stdin", stdin=b"another one\n")
    program("curl", "-sS", "--cacert", target.certificate, "-u", f"{account}:another one", f"pop3s://localhost:{target.port('pop3s')}/1")
    program("curl", "-sS", "--cacert", target.certificate, "-u", f"{account}:{target.password}", f"pop3s://localhost:{target.port('pop3s')}/1", code=67)
    target.command("account", "remove", *words, "--yes", account)
    expect(account not in target.command("account", "list", *words).split())
    program("curl", "-sS", "--cacert", target.certificate, "-u", f"{account}:another one", f"pop3s://localhost:{target.port('pop3s')}/1", code=67)


@postkern_only
def the_queue_is_managed_while_it_runs(target):
    words = ["--config", target.config]
    alice = target.account()
    where = f"smtps://localhost:{target.port('submissions')}/client.test"
    # An address literal needs no DNS; nobody listens there.
    program("curl", "-sS", "--cacert", target.certificate, "-u", f"{alice}:{target.password}", where, "--mail-from", alice, "--mail-rcpt", "x@[127.0.0.9]", "-T", "-", stdin=of(alice, text("queued")))
    listed = target.command("queue", "list", *words)
    expect("x@[127.0.0.9]" in listed, listed)
    line = next(line for line in listed.splitlines() if "x@[127.0.0.9]" in line)
    number = line.split()[0]
    expect("x@[127.0.0.9]" in target.command("queue", "show", *words, number))
    target.command("queue", "retry", *words, number)
    target.command("queue", "remove", *words, "--yes", number)
    expect("x@[127.0.0.9]" not in target.command("queue", "list", *words))


@postkern_only
def a_bad_configuration_is_refused_with_its_line(target):
    good = target.config.read_text()
    with tempfile.TemporaryDirectory() as folder:
        bad = Path(folder) / "postkern.toml"
        for wrong in ["frobnicate = 1\n", "hostname = 5\n", "domains = 5\n"]:
            key = wrong.split(" ")[0]
            bad.write_text(wrong + re.sub(rf"(?m)^{key} = .*\n", "", good))
            done = subprocess.run([target.binary, "config", "check", "--config", bad], capture_output=True, timeout=60)
            said = (done.stdout + done.stderr).decode()
            expect(done.returncode != 0 and "postkern.toml:1:" in said, wrong, said)
            served = subprocess.run([target.binary, "serve", "--config", bad], capture_output=True, timeout=60)
            expect(served.returncode != 0, "it was served")


@postkern_only
def mail_is_there_after_a_restart(target):
    bob = target.account()
    deliver(target, bob, [text("kept")])
    code = target.stop()
    target.serve()
    expect(code == 0, "exit code after SIGTERM", code)
    same(without_trace(all_of(target, bob)[0]), text("kept"))


@postkern_only
def logs_are_json_if_asked(target):
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready"
        copy = Path(folder) / "server"
        target.command("init", copy, "--domain", "other.test", "--hostname", "localhost")
        config = copy / "postkern.toml"
        config.write_text(on_free_ports(config.read_text()))
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen([target.binary, "serve", "--config", config, "--ready-file", ready, "--log-format", "json"], stdout=log, stderr=log)
        for _ in range(300):
            if ready.exists():
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        expect(process.wait(timeout=30) == 0)
        lines = (Path(folder) / "log").read_text().splitlines()
        expect(lines and all(isinstance(json.loads(line), dict) for line in lines), lines)
