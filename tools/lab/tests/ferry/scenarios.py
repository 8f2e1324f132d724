# SPDX-License-Identifier: GPL-2.0-or-later
"""The tests of the ferry tool, for tools/lab/tests/run to add to the lab's own (scenarios.py)."""

from scenarios import HERE, PROGRAMS, Scenario

TOOL = f"{HERE}/ferry"
CORPUS = "tools/testing/fuzz/corpus"

# Enough for several images of a pre-copy.
STATE = {"state-size": "8M"}

FERRY = [
    # save, load, send, receive: VFs that have a user who goes on, and one that never moves, for comparison
    Scenario("ferry-hosts", [f"{TOOL}/hosts"], driver="ferry", vfs=5, nic=STATE),
    Scenario("ferry-files", [f"{TOOL}/files"], driver="ferry", vfs=3, nic=STATE),
    Scenario("ferry-interop", [f"{TOOL}/files", "interop"], driver="in-tree,ferry", vfs=3, nic=STATE),
    # looking at streams takes no device
    Scenario("ferry-inspect", [f"{TOOL}/inspect.sh"], host=True),
    Scenario("ferry-analyser", [f"{PROGRAMS}/analyser", CORPUS, "corpus", "made", "cuts", "flips", "large"], host=True),
]
