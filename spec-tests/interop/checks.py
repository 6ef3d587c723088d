"""What a check is, and how they are run."""

import os
import shutil
import subprocess
import sys
import time
import traceback

ALL = []


def check(function):
    """Registers a function of a target; its name, with its module's, is the claim."""
    ALL.append((function.__module__.removeprefix("programs.").rstrip("_") + ": " + function.__name__.replace("_", " "), function))
    return function


class Failed(Exception):
    """A check that does not hold, and what was seen instead."""


def expect(condition, *seen):
    """Fails unless the condition holds."""
    if not condition:
        raise Failed(" ".join(item if isinstance(item, str) else repr(item)[:2000] for item in seen) or "it does not hold")


def same(got, sent, what=""):
    """Fails unless the octets are the same; tells where they part."""
    if got == sent:
        return
    at = next((at for at, (one, other) in enumerate(zip(got, sent)) if one != other), min(len(got), len(sent)))
    around = slice(max(0, at - 40), at + 40)
    raise Failed(f"{what}: {len(sent)} octets sent, {len(got)} came, they part at {at}: {sent[around]!r} {got[around]!r}")


def program(*command, stdin=b"", code=0, timeout=300, **options):
    """Runs a foreign program to its end; fails unless it exits as expected. Gives its output."""
    if shutil.which(str(command[0])) is None:
        raise Failed(f"{command[0]} is not installed")
    command = [str(word) for word in command]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=timeout, **options)
    if done.returncode != code:
        said = (done.stdout[-2000:] + done.stderr[-4000:]).decode("utf-8", "replace")
        raise Failed(f"{' '.join(command)} exits {done.returncode} and not {code}:\n{said}")
    return done.stdout


def until(holds, seconds, otherwise):
    """Waits until something holds; fails with the words of `otherwise` after so many seconds."""
    end = time.monotonic() + seconds
    while not (result := holds()):
        if time.monotonic() > end:
            raise Failed(otherwise())
        time.sleep(0.02)
    return result


def places(error):
    """Where in the checks it failed: the lines, outermost first."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"{os.sep}programs{os.sep}" in frame.filename]
    return [f"{os.path.basename(frame.filename)}:{frame.lineno}: {frame.line}" for frame in ours]


def run(target, only=""):
    """Runs all checks against a server; gives the number of failures."""
    passed = failed = 0
    print(f"== {target.name}", flush=True)
    for name, function in ALL:
        if only not in name or not target.can(function):
            continue
        start = time.monotonic()
        try:
            function(target)
        except Exception as error:  # a foreign library's own errors are failures as well
            failed += 1
            print(f"FAIL {name} ({time.monotonic() - start:.1f} s)", flush=True)
            said = str(error) if isinstance(error, Failed) else traceback.format_exception_only(error)[-1]
            print("     " + "\n".join([*places(error), said.rstrip()]).replace("\n", "\n     "), flush=True)
        else:
            passed += 1
            print(f"ok   {name} ({time.monotonic() - start:.1f} s)", flush=True)
    print(f"{target.name}: {passed} passed, {failed} failed", flush=True)
    sys.stdout.flush()
    return failed if passed else failed + 1
