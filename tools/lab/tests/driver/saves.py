#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""saves.py TRACE: is each SAVE of a function that runs given what it needs? Prints TAP.

TRACE is what `lab run --trace FILE` wrote. A tracked SAVE loses the track if its buffer is too short for what changed
since the QUERY, so it has some to spare, and no memory is looked for between the two. One that ends the tracking has a
QUERY before it, and a buffer, like any other.
"""

import sys

from keys import read

QUERY, SAVE = "QUERY_VHCA_MIGRATION_STATE", "SAVE_VHCA_STATE"
PART = 8 << 20                  # with images in chunks

points = failures = 0


def ok(good, text, *found):
    global points, failures
    points += 1
    failures += not good
    print(f"{'' if good else 'not '}ok {points} - {text}")
    for line in () if good else found[:5]:
        print(f"# {line}")


def running(trace):
    """The SAVEs of a function that runs, each with the command about it before that."""
    stopped, before = set(), {}
    for event in sorted((e for e in trace if e.get("end") is not None), key=lambda e: e["start"]):
        vhca = event.get("in", {}).get("vhca_id", event["vhca"])
        if event.get("note") == "reset" or event.get("op") == "RESUME_VHCA" and not event["op_mod"]:
            stopped.discard(vhca)
        elif event.get("op") == "SUSPEND_VHCA" and event["op_mod"]:
            stopped.add(vhca)
        elif event.get("op") == SAVE and vhca not in stopped:
            yield event, before.get(vhca)
        if "vhca_id" in event.get("in", {}):
            before[vhca] = event


def is_short(save, query):
    needs = query["out"]["required_umem_size"]
    needs = max(PART, needs) if query["in"]["chunk"] else needs + needs // 10
    return save["in"]["size"] < min(needs, (1 << 32) - 4096)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    trace = read(sys.argv[1])
    made = {e["out"]["id"]: e["end"] for e in trace if e.get("op") == "CREATE_MKEY" and e.get("out")}
    saves = list(running(trace))
    unasked = [save for save, query in saves if not query or query["op"] != QUERY]
    ok(saves and not unasked, f"a QUERY comes right before each of {len(saves)} SAVEs", *unasked)
    tracked = [(save, query) for save, query in saves if save["in"]["set_track"] and query and query.get("out")
               and query["op"] == QUERY]
    short = [f"{save} after {query}" for save, query in tracked if is_short(save, query)]
    ok(tracked and not short, f"each of {len(tracked)} that are tracked has room to spare", *short)
    late = [save for save, query in tracked if made.get(save["in"]["mkey"] >> 8, 0) > query["start"]]
    ok(not late, "and its memory was there when it was measured", *late)
    ending = [save for save, _ in saves if not save["in"]["set_track"]]
    bare = [save for save in ending if not save["in"]["size"] or not save["in"]["mkey"]]
    ok(not bare, f"each of {len(ending)} that end the tracking has a buffer and an mkey", *bare)
    print(f"1..{points}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
