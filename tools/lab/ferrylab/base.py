# SPDX-License-Identifier: GPL-2.0-only
"""What every part of the lab stands on: paths, errors, messages, locks, logged commands.

Owns the layout of the cache and of the checkout. Called by all other modules; calls none of them.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

LAB_DIR = Path(__file__).resolve().parents[1]
CHECKOUT = LAB_DIR.parents[1]
CACHE = Path(os.environ.get("VFIO_FERRY_CACHE") or Path.home() / ".cache" / "vfio-ferry").absolute()
BUILD = CHECKOUT / "build"
JOBS = os.cpu_count() or 1
PROGRESS_SECONDS = 20 if not sys.stderr.isatty() else 0.5


class LabError(Exception):
    """Something that the user can act on. Printed as one line (plus an optional excerpt), never as a traceback."""

    def __init__(self, message, excerpt="", status=2):
        super().__init__(message)
        self.excerpt = excerpt
        self.status = status


def say(message):
    """Tells the user something. The output of the command in the VM has stdout for itself."""
    print(f"lab: {message}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(what):
    """A named piece of work: announced before it starts, timed when it ends."""
    say(f"{what} ...")
    start = time.monotonic()
    yield
    say(f"{what}: done in {duration(time.monotonic() - start)}")


def duration(seconds):
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


def digest(*inputs):
    """A short key over everything that a result depends on. Paths stand for the content of their files."""
    total = hashlib.sha256()
    for item in inputs:
        for chunk in _chunks(item):
            total.update(len(chunk).to_bytes(8, "little"))
            total.update(chunk)
    return total.hexdigest()[:16]


def _chunks(item):
    if isinstance(item, Path):
        for path in source_files(item) if item.is_dir() else [item]:
            yield str(path.relative_to(item)).encode()
            yield path.read_bytes()
    else:
        yield json.dumps(item, sort_keys=True).encode()


def source_files(folder):
    """The files of a source folder, in a stable order, without what editors leave behind."""
    return sorted(p for p in folder.rglob("*")
                  if p.is_file() and not p.name.startswith(".") and not p.name.endswith(("~", ".orig", ".rej")))


@contextlib.contextmanager
def lock(name):
    """One lab at a time works on NAME; another one waits and says so."""
    path = CACHE / "locks" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="ascii") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another lab that works on {name}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def built_folder(target):
    """A folder that appears under its name only when complete: made beside it, renamed into place."""
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    yield partial
    partial.rename(target)


def write_atomically(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    partial.rename(path)


def run_logged(command, log, what, cwd=None, env=None, progress=None):
    """Runs COMMAND with its output in the file LOG, showing now and then how far it is.

    PROGRESS turns a line of output into a short text, or None. On failure the log's end is the error's excerpt.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [str(word) for word in command]
    with open(log, "a", encoding="utf-8", errors="replace") as out:
        out.write("$ " + " ".join(command) + "\n")
        out.flush()
        try:
            process = subprocess.Popen(command, cwd=cwd, env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})},
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                       text=True, errors="replace")
        except FileNotFoundError as error:
            raise LabError(f"{what}: {error.filename} is missing; run `tools/lab/lab setup`") from None
        with process:
            _copy_output(process.stdout, out, what, progress)
    if process.returncode:
        raise LabError(f"{what} failed (status {process.returncode}); the whole log: {log}", excerpt=tail(log))


def _copy_output(source, out, what, progress):
    shown = time.monotonic()
    live = False
    for line in source:
        out.write(line)
        out.flush()
        state = progress(line) if progress else None
        if state and time.monotonic() - shown >= PROGRESS_SECONDS:
            shown = time.monotonic()
            live = sys.stderr.isatty()
            print(f"\r\033[Klab:   {what}: {state}" if live else f"lab:   {what}: {state}",
                  end="" if live else "\n", file=sys.stderr, flush=True)
    if live:
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def ninja_progress(line):
    match = re.match(r"\[(\d+)/(\d+)\]", line)
    return f"step {match[1]} of {match[2]}" if match else None


def kbuild_progress(total):
    """Kbuild does not know how much there is to do; TOTAL is what such a build took before, roughly."""
    done = 0

    def progress(line):
        nonlocal done
        if re.match(r"\s+(CC|AS|LD|AR|HOSTCC)\s", line):
            done += 1
            return f"object {done} of about {total}"
        return None

    return progress


def tail(path, lines=25):
    with contextlib.suppress(OSError):
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    return ""


def output_of(command, **options):
    """The standard output of a short command; a failure is a LabError with the command's own words."""
    try:
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=False, **options)
    except FileNotFoundError as error:
        raise LabError(f"{error.filename} is missing; run `tools/lab/lab setup`") from None
    if done.returncode:
        raise LabError(f"`{' '.join(map(str, command))}` failed (status {done.returncode})",
                       excerpt=(done.stderr or done.stdout).strip())
    return done.stdout
