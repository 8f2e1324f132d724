# SPDX-License-Identifier: GPL-2.0-or-later
"""The tests of the ferry tool, for tools/lab/tests/run to add to the lab's own (scenarios.py)."""

from scenarios import HERE, LOGGING, PROGRAMS, Scenario, in_turn

TOOL = f"{HERE}/ferry"
CORPUS = "tools/testing/fuzz/corpus"

# Enough for several images of a pre-copy.
STATE = {"state-size": "8M"}


def doctor(name, *groups, **options):
    """Set-ups that are broken in the VM, or by what it is booted with."""
    return Scenario(f"ferry-doctor{name}", [f"{TOOL}/doctor", *groups], driver="ferry", **options)


# A boot of its own has what mounts something over the VM's folders, or has modules found elsewhere, for the rest of the boot.
FERRY = [
    # save, load, send, receive: VFs that have a user who goes on, and one that never moves, for comparison
    Scenario("ferry-hosts", [f"{TOOL}/hosts"], driver="ferry", vfs=5, nic=STATE),
    Scenario("ferry-files", [f"{TOOL}/files"], driver="ferry", vfs=3, nic=STATE),
    Scenario("ferry-interop", [f"{TOOL}/files", "interop"], driver="in-tree,ferry", vfs=3, nic=STATE),

    # the administrator's commands
    doctor("", "usage", "binding", "use"),
    doctor("-host", "host", "nobody", nic={"state-noise": "16M"}),
    # where the driver tracks what a VF writes
    Scenario("ferry-logging", in_turn([f"{TOOL}/doctor", "logging"], [f"{TOOL}/qualify.sh", "logging"]), driver="ferry,vfio-pci",
             vfs=3, nic=STATE, options=LOGGING),
    doctor("-pf", "pf"),
    doctor("-modules", "modules", "interruption", own_boot=True),
    doctor("-no-migration", "no-migration", nic={"migration": "off"}),
    doctor("-not-migratable", "not-migratable", nic={"migratable": 1}),
    doctor("-no-iommu", "no-iommu", vfs=0, options=["--append", "intel_iommu=off"]),
    doctor("-shared-group", "shared-group", vfs=0, options=["--append", "pci=disable_acs_redir=pci:1b36:000c"]),
    Scenario("ferry-bind", [f"{TOOL}/bind"], driver="ferry"),
    Scenario("ferry-persist", [f"{TOOL}/persist"], host=True),
    Scenario("ferry-hardware", [f"{TOOL}/hardware"], driver="ferry", vfs=0, own_boot=True),
    Scenario("ferry-report", [f"{TOOL}/report"], driver="ferry", own_boot=True),
    Scenario("ferry-completion", [f"{TOOL}/completion.sh"], driver="ferry"),

    # what doctor says of machines that are made up, file by file
    Scenario("ferry-machines", [f"{TOOL}/machines"], host=True),

    # pipes, links, limits, what does not answer: on devices that are pretended
    Scenario("ferry-operating", [f"{TOOL}/operating"], host=True, waits=True),

    # looking at streams takes no device
    Scenario("ferry-inspect", [f"{TOOL}/inspect.sh"], host=True),
    Scenario("ferry-analyser", [f"{PROGRAMS}/analyser", CORPUS, "corpus", "made", "cuts", "flips", "packets", "images", "large"],
             host=True),
    # what drivers saved: VF 0 is the kernel's own driver's
    Scenario("ferry-saved", [f"{TOOL}/saved.sh"], driver="in-tree,ferry", nic=STATE),

    # looking at functions
    Scenario("ferry-watch", [f"{TOOL}/watch.sh"], driver="ferry", nic=STATE, own_boot=True),
    # a third VF is vfio-pci's
    Scenario("ferry-careful", [f"{TOOL}/careful"], driver="ferry,ferry,vfio-pci", vfs=3, nic=STATE, own_boot=True),
    # the second VF cannot be migrated
    Scenario("ferry-qualify", [f"{TOOL}/qualify.sh"], driver="ferry,vfio-pci", vfs=3, nic=STATE),
]
