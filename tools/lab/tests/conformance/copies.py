# SPDX-License-Identifier: GPL-2.0-or-later
"""Copies of the checkout in which a line differs: `mutate` breaks the driver so, `lie` takes something away from it."""

import contextlib
import filecmp
import os
import shutil
import subprocess

from evidence import HERE

CHECKOUT = os.path.realpath(f"{HERE}/../../../..")
COPIES = f"{CHECKOUT}/build/mutants"


def prepare(name, tests=True):
    """A copy of what is built and run, kept from one run to the next so that only what changes is built.

    The lab in it builds the modules and, where its model differs, QEMU. For who is in the checkout's top folder. TESTS: the
    suite's programs are those of the checkout, and the copy has no others.
    """
    copy = f"{COPIES}/{name}"
    tracked = subprocess.run(["git", "ls-files", "drivers", "include", "tools", "Makefile"], check=True, text=True,
                             capture_output=True).stdout.splitlines()
    for file in tracked:
        target = f"{copy}/{file}"
        # By content, for an interrupted run has left an edit behind; only what differs, for kbuild looks at times.
        if not os.path.exists(target) or not filecmp.cmp(file, target, shallow=False):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(file, target)
            shutil.copymode(file, target)
    if tests:
        shutil.rmtree(f"{copy}/build/tests", ignore_errors=True)
        shutil.copytree("build/tests/conformance", f"{copy}/build/tests/conformance")
    return copy


def misfit(file, old):
    """Why a text cannot be replaced; None if it can."""
    with open(f"{CHECKOUT}/{file}", encoding="utf-8") as text:
        times = text.read().count(old)
    return f"its text is there {times} times, not once" if times != 1 else None


@contextlib.contextmanager
def edited(copy, file, old, new):
    """The copy has one text for another until the end of the block, and is whole again afterwards."""
    path = f"{copy}/{file}"
    with open(path, encoding="utf-8") as text:
        whole = text.read()
    try:
        write(path, whole.replace(old, new))
        yield
    finally:
        write(path, whole)


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
