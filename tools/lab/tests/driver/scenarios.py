# SPDX-License-Identifier: GPL-2.0-or-later
"""The tests of the driver, for tools/lab/tests/run to add to the lab's own (scenarios.py)."""

from scenarios import BOTH, HERE, LARGE, LOGGING, LOGS, NO_SCAN, PROGRAMS, Scenario, guest, life

SMALL = {"state-size": "1M"}
# Enough for several parts of an image.
PARTS = {"state-size": "20M"}
WHOLE = {"state-size": "20M", "in-chunks": "off"}
# Of what is written large pages, few ranges, at least 16 MiB and at most 1 TiB can be told.
COARSE = {"pg-track-log-min-page-size": 21, "pg-track-max-num-range": 2, "pg-track-log-min-addr-space": 24,
          "pg-track-log-max-addr-space": 40}


def driver(*groups):
    return [f"{PROGRAMS}/driver", *groups]


def compared(name, nic, group="scenario", *how):
    """The same scenario with the kernel's own driver and with ferry, then their firmware commands side by side."""
    witness, own = f"{LOGS}/{name}-in-tree.jsonl", f"{LOGS}/{name}-ferry.jsonl"
    return [Scenario(f"{name}-in-tree", driver(group), driver="in-tree", nic=nic, options=["--trace", witness]),
            Scenario(f"{name}-ferry", driver(group), driver="ferry", nic=nic, options=["--trace", own],
                     needs=f"{name}-in-tree", after=[f"{HERE}/driver/compare-traces", *how, witness, own])]


def longer(name, seconds, rounds, *groups, vfs=2, **nic):
    """What seldom happens is found by who goes on."""
    nic = {key.replace("_", "-"): value for key, value in nic.items()}
    return Scenario(f"long-{name}", ["env", rounds, *driver(*groups)], kernels=("debug",), driver="ferry", vfs=vfs,
                    nic={**SMALL, **nic}, own_boot=True, limit=seconds)


# NICs of which a guest sees something else, and what ferry says of it.
OTHER_SHAPES = (
    ("same", {}, []),
    ("vectors", {"vf-vectors": 16}, ["SHAPE_WHY=the source has 32 MSI-X vectors, this has 16"]),
    ("bar", {"vf-bar2-size": "2M"}, ["SHAPE_WHY=BAR 2 of the source has 0x100000 bytes, of this 0x200000"]),
    ("serial", {"vf-serial": "on"},
     ["SHAPE_WHY=capability 4 of the source is no more, of this extended 0x3 version 1 at 0x160"]),
)

DRIVER = [
    # The longest first. One CPU each, and the debug kernel preempts: with two, QEMU's TCG dies now and then when a BAR's
    # mapping changes on one (a reset) while the other uses it. Those that kill the PF, leave memory to a firmware that does not
    # answer, or make allocations fail share no boot.
    Scenario("driver-removals", driver("removals", "teardown"), kernels=("debug",), driver="ferry", nic=SMALL, own_boot=True),
    Scenario("driver-deaths", driver("deaths"), kernels=("debug",), driver="ferry", nic=SMALL, own_boot=True),
    Scenario("driver-buried", driver("buried"), kernels=("debug",), driver="ferry", vfs=3, nic=SMALL, own_boot=True),
    Scenario("driver-allocations", driver("allocations"), kernels=("debug",), driver="ferry", nic=SMALL, own_boot=True),
    Scenario("driver-never", driver("never"), driver="ferry", vfs=5, nic=SMALL, own_boot=True, waits=True),
    Scenario("driver-streams", driver("streams"), driver="ferry", vfs=4, nic=SMALL),
    Scenario("driver-shapes", driver("shapes"), driver="ferry", nic=SMALL),
    *(Scenario(f"driver-shapes-{name}", ["env", f"SHAPES={LOGS}/{{kernel}}.driver-shapes.out", *why, *driver("other-shape")],
               driver="ferry", vfs=1, nic={**SMALL, **nic}, needs="driver-shapes")
      for name, nic, why in OTHER_SHAPES),
    Scenario("driver-readers", driver("readers"), kernels=("debug",), driver="ferry", nic=SMALL),
    Scenario("driver-memory", driver("memory", "backlog", "initial", "waits", "log", "shown", "splice"), kernels=BOTH, driver="ferry",
             nic=WHOLE, options=NO_SCAN),
    Scenario("driver-longest", driver("longest"), driver="ferry", vfs=1, memory=11, nic={"state-size": "4080M",
             "in-chunks": "off"}, options=["--mem", "5120"]),
    Scenario("driver-region", driver("region"), kernels=BOTH, driver="ferry", nic={"state-size": "2M"}),
    # A writer that spins in the kernel leaves nothing of a single CPU to tell of it.
    Scenario("driver-pressure", driver("pressure"), kernels=BOTH, driver="ferry", nic=SMALL, smp=2),
    Scenario("driver-cancel", driver("cancel"), kernels=BOTH, driver="ferry", nic=WHOLE,
             options=["--trace", f"{LOGS}/{{name}}.jsonl"], after=[f"{HERE}/driver/keys.py", f"{LOGS}/{{name}}.jsonl"]),
    # here it is for KASAN to see something
    Scenario("driver-closing", driver("closing", "coarse"), kernels=("debug",), driver="ferry", nic={**SMALL, **COARSE},
             options=NO_SCAN),
    Scenario("driver-turns", driver("turns"), kernels=BOTH, driver="ferry", nic=SMALL),
    Scenario("driver-lost", driver("lost"), driver="ferry", nic={**WHOLE, "migration-state": "off"}),
    Scenario("driver-lost-parts", driver("lost"), driver="ferry", nic={**PARTS, "migration-state": "off"}),
    Scenario("driver-undone", driver("undone"), driver="ferry", nic=WHOLE, own_boot=True),
    Scenario("driver-tracks", driver("tracks"), driver="ferry", nic=WHOLE),
    *(Scenario(name, driver("pace"), driver="ferry", vfs=1, nic=nic, options=["--trace", f"{LOGS}/{{name}}.jsonl"],
               after=[f"{HERE}/driver/saves.py", f"{LOGS}/{{name}}.jsonl"])
      for name, nic in (("driver-pace", PARTS), ("driver-pace-whole", WHOLE))),
    # lockdep sees who has no lock after a reset
    Scenario("driver-comeback", driver("comeback"), kernels=BOTH, driver="ferry", vfs=1, nic=SMALL),
    Scenario("driver-parts", driver("parts", "splice"), driver="ferry", nic={"state-size": "48M", "chunk-growth": "3M"}),
    # a kernel that preempts makes nothing of cond_resched()
    Scenario("driver-yields", driver("yields"), driver="ferry", nic=WHOLE),
    # vfio of the stock kernel cannot report pages
    Scenario("driver-tracking", driver("tracking", "shadow"), kernels=("debug",), driver="ferry", vfs=3,
             nic={**SMALL, "pg-track-log-max-num": 1}),
    Scenario("driver-reports", driver("many-tracked", "reports"), kernels=("debug",), driver="ferry", vfs=16,
             nic={**SMALL, "total-vfs": 16, "pg-track-log-max-msg-size": 6}),
    Scenario("driver-kunit", [f"{HERE}/driver/kunit.sh"], kernels=("debug",), driver="ferry", vfs=0, nic=LARGE, options=NO_SCAN),

    # streams between drivers
    Scenario("driver-interop", driver("interop"), kernels=BOTH, driver="in-tree,ferry", vfs=4, nic=PARTS),
    Scenario("driver-interop-whole", driver("interop"), driver="in-tree,ferry", vfs=4, nic=WHOLE),

    # firmware commands
    *compared("driver-commands", PARTS),
    *compared("driver-commands-whole", WHOLE),
    *compared("driver-rates", PARTS, "busy", "--rates"),
]

# `make test-long`
LONG = [
    longer("deaths", 7200, "ROUNDS=200", "deaths"),
    longer("buried", 7200, "ROUNDS=60", "buried", vfs=3),
    longer("tracking", 3600, "ROUNDS=1000", "tracking", "shadow", vfs=3, pg_track_log_max_num=1),
    # with the tracker's commands that are never answered, which takes minutes
    longer("reports", 3600, "ROUNDS=200", "many-tracked", "tracked-unanswered", vfs=16, total_vfs=16,
           pg_track_log_max_msg_size=6),
    guest("guest-and-back", "stock", 2400),
    guest("guest-ten-times", "stock", 3600, "--moves=10"),
    guest("guest-debug", "debug", 3600),
    # what it lives through, one thing after the other: `nested/life`
    life("guest-whole", "stock", 5400, "whole"),
    life("guest-inside", "stock", 5400, "inside"),
    life("guest-ways", "stock", 3600, "--together=2", "ways", vfs=4),
    # the same with KASAN and lockdep on the host
    life("guest-whole-debug", "debug", 10800, "whole"),
    life("guest-inside-debug", "debug", 10800, "inside"),
    life("guest-ways-debug", "debug", 10800, "--together=2", "ways", vfs=4),
    # to another host
    Scenario("guest-hosts", ["tools/lab/demo/guest-hosts", "a", f"{PROGRAMS}/guest"], driver="ferry", smp=2, alone=True,
             peer=["tools/lab/demo/guest-hosts", "b", f"{PROGRAMS}/guest"], limit=2400,
             nic={"state-size": "1M", "ethernet": "on"}, options=[*NO_SCAN, *LOGGING, "--mem", "1536"]),
    # and by libvirt
    Scenario("guest-libvirt", ["make", "-s", "demo-libvirt"], host=True, alone=True, limit=3000),
    longer("pressure", 900, "DRIVER_SECONDS=600", "pressure"),
]
