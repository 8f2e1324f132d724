# SPDX-License-Identifier: GPL-2.0-or-later
"""What the conformance suite says of itself: its items and faults, and which tests name them."""

import os
import re
import sys

SUITE = "tools/testing/selftests/vfio_migration"

ITEM = re.compile(r"^(\d+) (must|should|implied) (.*?)(?: \[([^\]]*)\])?$")
FAULT = re.compile(r"^(\w+) (.*)$")
TAGGED = re.compile(r"/\*(?P<comment>(?:(?!\*/).)*?)\*/\s*TEST_F\w*\(\s*(?P<fixture>\w+),\s*(?P<test>\w+)", re.DOTALL)


def read_items():
    """A list of (section, number, strength, text, source, reason why there is no test)."""
    found, section = [], ""
    for line in lines_of("items"):
        if line.startswith("== "):
            section = line[3:]
        elif line.startswith("#") and found:
            found[-1]["untested"] = line[1:].strip()
        elif match := ITEM.match(line):
            found.append({"section": section, "number": int(match[1]), "strength": match[2], "text": match[3],
                          "source": match[4] or "", "untested": ""})
        elif line and not line.startswith("#"):
            sys.exit(f"items: not understood: {line}")
    return found


def read_faults():
    """A list of [number, text, reason why there is no test]."""
    found = []
    for line in lines_of("faults"):
        if line.startswith("#") and found:
            found[-1][2] = line[1:].strip()
        elif match := FAULT.match(line):
            found.append([match[1], match[2], ""])
    return found


def lines_of(name):
    with open(f"{SUITE}/{name}", encoding="utf-8") as file:
        return file.read().splitlines()


def read_tests():
    """By `PROGRAM:FIXTURE.TEST`, without variants: the items and faults that its comment names."""
    found = {}
    for file in sorted(os.listdir(SUITE)):
        if not file.endswith("_test.c"):
            continue
        with open(f"{SUITE}/{file}", encoding="utf-8") as source:
            text = source.read()
        for match in TAGGED.finditer(text):
            comment = re.sub(r"\s*\n\s*\*\s*", " ", match["comment"]).strip()
            found[f"{file.removesuffix('.c')}:{match['fixture']}.{match['test']}"] = {
                "items": [int(n) for n in named(comment, "Items")], "faults": named(comment, "Faults")}
    return found


def named(comment, what):
    match = re.search(rf"\b{what}:((?:\s+\w+)+)\.", comment)
    return match[1].split() if match else []


def plain(name):
    """PROGRAM:FIXTURE.VARIANT.TEST without the variant."""
    program, test = name.split(":")
    parts = test.split(".")
    return f"{program}:{parts[0]}.{parts[-1]}"
