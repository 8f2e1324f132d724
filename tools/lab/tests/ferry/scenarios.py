# SPDX-License-Identifier: GPL-2.0-or-later
"""The tests of the ferry tool, for tools/lab/tests/run to add to the lab's own (scenarios.py)."""

from scenarios import HERE, PROGRAMS, Scenario

TOOL = f"{HERE}/ferry"
CORPUS = "tools/testing/fuzz/corpus"



def doctor(name, *groups, **options):
    """Set-ups that are broken in the VM, or by what it is booted with."""
    return Scenario(f"ferry-doctor{name}", [f"{TOOL}/doctor", *groups], driver="ferry", **options)


FERRY = [
    # the administrator's commands
    doctor("", "usage", "binding", "use", "host", "nobody", nic={"state-noise": "16M"}),
    doctor("-pf", "pf"),
    doctor("-modules", "modules", "interruption"),
    doctor("-no-migration", "no-migration", nic={"migration": "off"}),
    doctor("-not-migratable", "not-migratable", nic={"migratable": 1}),
    doctor("-no-iommu", "no-iommu", vfs=0, options=["--append", "intel_iommu=off"]),
    doctor("-shared-group", "shared-group", vfs=0, options=["--append", "pci=disable_acs_redir=pci:1b36:000c"]),
    Scenario("ferry-bind", [f"{TOOL}/bind"], driver="ferry"),
    Scenario("ferry-completion", [f"{TOOL}/completion.sh"], driver="ferry"),

    # looking at streams takes no device
    Scenario("ferry-inspect", [f"{TOOL}/inspect.sh"], host=True),
    Scenario("ferry-analyser", [f"{PROGRAMS}/analyser", CORPUS, "corpus", "made", "cuts", "flips", "large"], host=True),
]
