# SPDX-License-Identifier: GPL-2.0-or-later
"""The tests of the ferry tool, for tools/lab/tests/run to add to the lab's own (scenarios.py)."""

from scenarios import HERE, PROGRAMS, Scenario

TOOL = f"{HERE}/ferry"
CORPUS = "tools/testing/fuzz/corpus"

FERRY = [
    # looking at streams takes no device
    Scenario("ferry-inspect", [f"{TOOL}/inspect.sh"], host=True),
    Scenario("ferry-analyser", [f"{PROGRAMS}/analyser", CORPUS, "corpus", "made", "cuts", "flips", "large"], host=True),
]
