#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""trace.py FILE: checks the trace that `lab run --trace FILE` wrote while VFs were migrated. Prints TAP."""

import json
import sys

COMMAND = {"fn": str, "vhca": int, "op": str, "opcode": int, "op_mod": int, "in": dict, "status": int,
           "syndrome": int, "start": int, "end": int}
MIGRATION = {"SUSPEND_VHCA": 0x115, "RESUME_VHCA": 0x116, "QUERY_VHCA_MIGRATION_STATE": 0x117,
             "SAVE_VHCA_STATE": 0x118, "LOAD_VHCA_STATE": 0x119}

points = failures = 0


def ok(good, text, *found):
    global points, failures
    points += 1
    failures += not good
    print(f"{'' if good else 'not '}ok {points} - {text}")
    for line in () if good else found:
        print(f"# {line}")


def read(path):
    """The objects of the file, and the lines that are none."""
    objects, bad = [], []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                objects.append(json.loads(line))
            except ValueError:
                bad.append(f"{path}:{number}: {line.rstrip()}")
    return objects, bad


def lacks(command):
    """What a finished command lacks of what every command has."""
    missing = [f"{key} is {command.get(key)!r}" for key, kind in COMMAND.items()
               if not isinstance(command.get(key), kind)]
    if not missing and command["end"] < command["start"]:
        missing.append("it ends before it starts")
    if not missing and command["status"] == 0 and not isinstance(command.get("out"), dict):
        missing.append("there is no output")
    return missing


def check_commands(commands):
    broken = [f"{lacks(c)}: {c}" for c in commands if lacks(c)]
    ok(not broken, f"each of {len(commands)} commands has all fields", *broken[:5])
    names = {c["op"]: c["opcode"] for c in commands}
    for name, opcode in MIGRATION.items():
        ok(names.get(name) == opcode, f"{name} is among them", f"opcode {names.get(name)}")
    failed = [c for c in commands if c["status"]]
    ok(not failed, "none of them failed", *failed[:5])


def check_images(commands):
    saves = [c for c in commands if c["op"] == "SAVE_VHCA_STATE" and c["in"]["size"]]
    loads = [c for c in commands if c["op"] == "LOAD_VHCA_STATE"]
    sizes = {c["out"]["actual_image_size"] for c in saves}
    # a SAVE that cancels pre-copy writes nothing
    ok(any(sizes) and all(c["out"]["actual_image_size"] <= c["in"]["size"] for c in saves),
       f"none of {len(saves)} SAVEs wrote more than its buffer holds")
    ok(all(c["in"]["size"] in sizes for c in loads), f"each of {len(loads)} LOADs was of an image that a SAVE wrote",
       *[c for c in loads if c["in"]["size"] not in sizes][:5])
    ok(all(c["fn"] == "PF" and c["in"]["vhca_id"] > c["vhca"] for c in saves + loads),
       "the PF issued them, about a VF")
    ok(all(c["end"] - c["start"] >= 20_000 for c in commands), "each took its latency")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    objects, bad = read(sys.argv[1])
    ok(objects and not bad, f"the trace is {len(objects)} lines of JSON", *bad[:5])
    notes = [o for o in objects if "note" in o]
    commands = [o for o in objects if "note" not in o and o.get("end") is not None]
    ok(any(n["note"] == "reset" and n["fn"].startswith("VF") and isinstance(n["at"], int) for n in notes),
       "the VFs' resets are noted")
    check_commands(commands)
    check_images([c for c in commands if not lacks(c)])
    print(f"1..{points}")
    sys.exit(1 if failures else 0)


main()
