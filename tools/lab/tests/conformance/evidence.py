# SPDX-License-Identifier: GPL-2.0-or-later
"""Which tests of the conformance suite were ever seen to fail, and by what: a test that cannot fail proves nothing.

Faults that `mutate` makes and lies that `lie` tells leave in build/conformance what they made fail. Other drivers do
too: what `measure` found out of them is in Documentation/conformance.rst. A test that none of these can make fail has
its reason in `unseen` in this folder.
"""

import json
import os
import re

from tags import plain

HERE = os.path.dirname(os.path.realpath(__file__))
RESULTS = "build/conformance"
NAMES = "build/tests/conformance/names"
PAGE = "Documentation/conformance.rst"
OURS = ("mutants", "lies")      # files of results


def read_names():
    with open(NAMES, encoding="utf-8") as file:
        return file.read().split()


def read_list(name, fields):
    """Number and fields of each line of a list in this folder; a bar that belongs to a field is written \\|."""
    with open(f"{HERE}/{name}", encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip() or line.startswith("#"):
                continue
            parts = [part.replace("\\|", "|").strip() for part in re.split(r"(?<!\\)\|", line)]
            if len(parts) != len(fields):
                raise SystemExit(f"{name}:{number}: wants {' | '.join(fields)}")
            yield number, parts


def keep(name, failed, whole):
    """Writes down what failed by what, {test: cause}, in the form of a measurement; not whole: adds to what is there."""
    path = f"{RESULTS}/{name}.json"
    results = {test: {"result": "fail", "reason": cause} for test, cause in failed.items()}
    if not whole and os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            results = {**json.load(file), **results}
    os.makedirs(RESULTS, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1, sort_keys=True)


def tell_never_failed():
    """Names tests that have neither evidence nor a reason, without variants: one that failed stands for the others."""
    names = sorted({plain(name) for name in read_names()})
    evidence = {source: failed & set(names) for source, failed in read_evidence().items()}
    failed = set().union(*evidence.values())
    with open(f"{HERE}/unseen", encoding="utf-8") as file:
        excused = {line.split(" ", 1)[0] for line in file if line.strip() and not line.startswith("#")}
    print(f"{len(failed)} of {len(names)} tests were seen to fail (" +
          ", ".join(f"{source}: {len(tests)}" for source, tests in evidence.items()) + ")")
    for name in sorted(excused & failed):
        print(f"  seen to fail, although tools/lab/tests/conformance/unseen says why not: {name}")
    for name in names:
        if name not in failed | excused:
            print(f"  never: {name}")


def read_evidence():
    """By source, the tests that failed. Another driver's failures count as the page has them, whoever measured them."""
    found = {}
    for source in OURS:
        try:
            with open(f"{RESULTS}/{source}.json", encoding="utf-8") as file:
                found[source] = {plain(name) for name in json.load(file)}
        except FileNotFoundError:
            print(f"({source} have not been tried here yet)")
    with open(PAGE, encoding="utf-8") as page:
        listed = re.findall(r"^- ``(\w+_test:\S+)``", page.read(), re.MULTILINE)
    found["other drivers"] = {plain(name) for name in listed}
    return found
