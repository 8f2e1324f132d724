# SPDX-License-Identifier: GPL-2.0-or-later
"""The tests of the driver, for tools/lab/tests/run to add to the lab's own (scenarios.py)."""

from scenarios import BOTH, HERE, LOGS, NO_SCAN, PROGRAMS, Scenario

SMALL = {"state-size": "1M"}
# Enough for several parts of an image.
PARTS = {"state-size": "20M"}
WHOLE = {"state-size": "20M", "in-chunks": "off"}


def driver(*groups):
    return [f"{PROGRAMS}/driver", *groups]


def compared(name, nic):
    """The same scenario with the kernel's own driver and with ferry, then their firmware commands side by side."""
    witness, own = f"{LOGS}/{name}-in-tree.jsonl", f"{LOGS}/{name}-ferry.jsonl"
    return [Scenario(f"{name}-in-tree", driver("scenario"), driver="in-tree", nic=nic, options=["--trace", witness]),
            Scenario(f"{name}-ferry", driver("scenario"), driver="ferry", nic=nic, options=["--trace", own],
                     needs=f"{name}-in-tree", after=[f"{HERE}/driver/compare-traces", witness, own])]


DRIVER = [
    # The longest first. One CPU each, and the debug kernel preempts: with two, QEMU's TCG dies now and then when a BAR's
    # mapping changes on one (a reset) while the other uses it.
    Scenario("driver-removals", driver("removals", "teardown"), kernels=("debug",), driver="ferry", nic=SMALL),
    Scenario("driver-allocations", driver("allocations"), kernels=("debug",), driver="ferry", nic=SMALL),
    Scenario("driver-never", driver("never"), driver="ferry", vfs=5, nic=SMALL),
    Scenario("driver-streams", driver("streams"), driver="ferry", vfs=4, nic=SMALL),
    Scenario("driver-readers", driver("readers"), kernels=("debug",), driver="ferry", nic=SMALL),
    Scenario("driver-memory", driver("memory", "backlog", "waits", "log"), kernels=BOTH, driver="ferry", nic=WHOLE,
             options=NO_SCAN),
    Scenario("driver-longest", driver("longest"), driver="ferry", vfs=1, memory=11, nic={"state-size": "4080M",
             "in-chunks": "off"}, options=["--mem", "5120"]),
    Scenario("driver-region", driver("region"), kernels=BOTH, driver="ferry", nic={"state-size": "2M"}),
    # A writer that spins in the kernel leaves nothing of a single CPU to tell of it.
    Scenario("driver-pressure", driver("pressure"), kernels=BOTH, driver="ferry", nic=SMALL, smp=2),
    Scenario("driver-cancel", driver("cancel"), kernels=BOTH, driver="ferry", nic=WHOLE,
             options=["--trace", f"{LOGS}/{{name}}.jsonl"], after=[f"{HERE}/driver/keys.py", f"{LOGS}/{{name}}.jsonl"]),
    # here it is for KASAN to see something
    Scenario("driver-closing", driver("closing"), kernels=("debug",), driver="ferry", nic=SMALL, options=NO_SCAN),
    Scenario("driver-turns", driver("turns"), kernels=BOTH, driver="ferry", nic=SMALL),
    Scenario("driver-undone", driver("undone"), driver="ferry", nic=WHOLE),
    # vfio of the stock kernel cannot report pages
    Scenario("driver-tracking", driver("tracking"), kernels=("debug",), driver="ferry", vfs=3,
             nic={**SMALL, "pg-track-log-max-num": 1}),
    Scenario("driver-kunit", [f"{HERE}/driver/kunit.sh", "build/modules/debug/vfio_ferry_test.ko"], kernels=("debug",),
             driver="ferry", vfs=0, options=["--no-leak-scan"]),

    # streams between drivers
    Scenario("driver-interop", driver("interop"), kernels=BOTH, driver="in-tree,ferry", vfs=4, nic=PARTS),
    Scenario("driver-interop-whole", driver("interop"), driver="in-tree,ferry", vfs=4, nic=WHOLE),

    # firmware commands
    *compared("driver-commands", PARTS),
    *compared("driver-commands-whole", WHOLE),
]
