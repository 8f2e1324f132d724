#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""keys.py TRACE: does each SAVE and LOAD name an mkey that exists from its begin to its end? Prints TAP.

TRACE is what `lab run --trace FILE` wrote.
"""

import json
import sys

IMAGES = ("SAVE_VHCA_STATE", "LOAD_VHCA_STATE")


def read(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def dead_keys(trace):
    """The SAVEs and LOADs whose mkey was not there any more when they ended, with what destroyed it."""
    alive, destroyed, dead = set(), {}, []
    for event in sorted((e for e in trace if e.get("end") is not None), key=lambda e: e["end"]):
        if event.get("status"):
            continue
        if event["op"] == "CREATE_MKEY":
            alive.add(event["out"]["id"])
        elif event["op"] == "DESTROY_MKEY":
            alive.discard(event["in"]["id"])
            destroyed[event["in"]["id"]] = event
        elif event["op"] in IMAGES and event["in"]["size"] and event["in"]["mkey"] >> 8 not in alive:
            dead.append(f"{event}, {destroyed.get(event['in']['mkey'] >> 8, 'never created')}")
    return dead


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    trace = read(sys.argv[1])
    images = [event for event in trace if event.get("op") in IMAGES and event["in"]["size"]]
    dead = dead_keys(trace)
    print(f"{'not ' if dead or not images else ''}ok 1 - {len(images)} SAVEs and LOADs name an mkey that exists as long as they run")
    for event in dead[:5]:
        print(f"# {event}")
    print("1..1")
    return 1 if dead or not images else 0


if __name__ == "__main__":
    sys.exit(main())
