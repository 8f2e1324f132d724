# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lab's tests are: a boot each, with its options, and the command that says in TAP how it went."""

from dataclasses import dataclass, field


@dataclass
class Scenario:
    name: str
    command: list                   # in the VM
    kernels: tuple = ("stock",)
    driver: str = "none"            # MIGRATION: what `run --driver` says
    vfs: int = 2
    nic: dict = field(default_factory=dict)
    smp: int = 1                    # on few processors two VMs of one CPU are faster than one of two
    options: list = field(default_factory=list)     # {name} and {kernel} become the run's, also in commands
    peer: list = None               # `lab pair`: the command of the other VM
    after: list = None              # then, on the host
    needs: str = None               # a scenario whose output this one reads
    alone: bool = False             # wants the machine's processors for itself
    waits: bool = False             # for most of its time, with nothing to do: others run as if it did not; own_boot or host
    own_boot: bool = False          # shares no VM, see `run`: what it does is for a whole boot, or has to be its end
    memory: int = 3                 # GiB that its VM and its NICs take at most
    limit: int = 400                # seconds that it may take in its VM
    host: bool = False              # no boot of ours: a command on the host, one test point if it does not speak TAP


MIGRATION = "migration"             # a driver that can migrate
BOTH = ("stock", "debug")
# The scan for leaked memory takes longer than many a test; one scenario on the debug kernel has it.
NO_SCAN = ["--no-leak-scan"]
# The stock kernel's own vfio.ko cannot pass on what a VF wrote.
LOGGING = ["--logging"]
PROGRAMS = "build/tests"
HERE = "tools/lab/tests"
LOGS = "build/test-logs"


def bare(*groups):
    return [f"{PROGRAMS}/bare", *groups]


def migrate(*tests):
    return [f"{PROGRAMS}/migrate", *tests]


def in_turn(*commands):
    return ["sh", "-c", " && ".join(" ".join(command) for command in commands)]


def caps(**values):
    return [f"{PROGRAMS}/caps", *(f"{name.replace('_', '-')}={value}" for name, value in values.items())]


def less(name, command, vfs=2, **nic):
    """A NIC that lacks a capability: it says so, and the driver makes do."""
    nic = {key.replace("_", "-"): value for key, value in nic.items()}
    return Scenario(f"without-{name}", command, driver=MIGRATION, vfs=vfs, nic=nic)


def conformance(name, *programs, vfs=2):
    """Programs of the conformance suite against ferry; against other drivers: `make conformance`. In each of them firmware
    fails, also when it is to give memory back, which is lost for the rest of the boot."""
    return Scenario(f"conformance-{name}",
                    ["env", f"VFIO_MIGRATION_SECONDS={RACE_SECONDS}", f"{HERE}/conformance/suite", *programs],
                    kernels=BOTH, driver="ferry", vfs=vfs, nic={"state-size": "1M", "total-vfs": 16}, options=NO_SCAN, own_boot=True)


def nested(protocol, kernel, size, options=()):
    """Stock QEMUs in the VM move a VF, and the guest that uses it, from one to the next."""
    return Scenario(f"nested-{protocol}", [f"{HERE}/nested/nested", protocol], kernels=(kernel,), driver="ferry", vfs=4,
                    nic={"state-size": size}, options=[*NO_SCAN, *options])


def guest(name, kernel, limit, *words, vfs=2):
    """A Linux moves with its NIC's own driver and its connections, as `make demo-guest` shows it."""
    return guests(name, kernel, limit, ["tools/lab/demo/guest", "--tap", *words, f"{PROGRAMS}/guest"], vfs)


def life(name, kernel, limit, *words, vfs=2):
    """The same guest lives through more than that: many resets, which two processors do not outlive (races.py)."""
    return guests(name, kernel, limit, [f"{HERE}/nested/life", f"{PROGRAMS}/guest", *words], vfs, smp=1)


def guests(name, kernel, limit, command, vfs, smp=2):
    return Scenario(name, command, kernels=(kernel,), driver="ferry", vfs=vfs, nic={"state-size": "1M", "ethernet": "on"}, smp=smp,
                    alone=True, limit=limit, options=[*NO_SCAN, *LOGGING, "--mem", "1536" if kernel == "stock" else "3072"])


# Of each race; the kernel that finds most with them is also the slowest.
RACE_SECONDS = 1

OTHER_LIMITS = {"pg-track-log-max-num": 3, "pg-track-max-num-range": 5, "pg-track-log-min-addr-space": 13,
                "pg-track-log-max-addr-space": 40, "pg-track-log-min-msg-size": 7, "pg-track-log-max-msg-size": 14,
                "pg-track-log-min-page-size": 13, "pg-track-log-max-page-size": 20}
# As many VFs as the NIC can have; those who do not care how many there are share it with the one who does.
LARGE = {"total-vfs": 64}
# Slow enough for other commands to come while an image is on its way.
SLOW_IMAGES = {"save-mbps": 200, "load-mbps": 200}
IMAGES = f"{LOGS}/{{kernel}}.bare.out"

SCENARIOS = [
    # the longest first
    # more than 32 bits count, in bytes; noise on both sides
    Scenario("size-4g", migrate("size"), driver=MIGRATION, nic={"state-size": "4352M"}, memory=11),
    Scenario("path", migrate("path", "direct", "cancel", "reinit"), kernels=("debug",), driver=MIGRATION),
    # the suite has ferry on every kind of IOMMU
    Scenario("iommufd", migrate("--iommufd", "path"), kernels=("debug",), driver="in-tree", nic=LARGE, options=NO_SCAN),
    # on the stock kernel nobody can report what a VF writes
    Scenario("dirty", migrate("dirty", "--iommufd", "dirty"), kernels=("debug",), driver=MIGRATION),
    # any driver of a VF
    conformance("streams", "read_test", "write_test", "stream_test", "precopy_test"),
    # and with every bit of its images protected
    Scenario("conformance-checksums",
             in_turn(["echo", "Y", ">", "/sys/module/vfio_ferry/parameters/image_checksums"],
                     [f"{HERE}/conformance/suite", "stream_test"]),
             driver="ferry", vfs=2, nic={"state-size": "1M"}, options=NO_SCAN, own_boot=True),
    conformance("sessions", "ending_test", "lifetime_test", "race_test"),
    conformance("firmware", "firmware_test", "vmm_test", "stop_copy_vmm_test"),
    conformance("states", "behaviour_test", "dma_logging_test", "feature_test", "iommu_modes_test", "low_power_test",
                "p2p_test", "session_test", "state_test"),
    # it also sends and receives, where a device can
    Scenario("conformance-ethernet",
             ["env", f"VFIO_MIGRATION_SECONDS={RACE_SECONDS}", f"{HERE}/conformance/suite", "behaviour_test", "p2p_test", "vmm_test",
              "state_test", "endurance_test"],
             driver=MIGRATION, vfs=4, nic={"state-size": "1M", "ethernet": "on"}, own_boot=True),
    # the suite skips what a driver does not offer
    Scenario("conformance-logging", in_turn(["grep", "-qx", "dirty-tracking", "/sys/kernel/debug/vfio_ferry/*/features"],
                                            [f"{HERE}/conformance/suite", "dma_logging_test", "stop_copy_vmm_test"]), driver="ferry",
             nic={"state-size": "1M", "total-vfs": 16}, options=LOGGING),
    # where memory runs out, dma-debug gives up for the rest of a boot; so those two come last, and nothing after them
    conformance("endurance", "endurance_test", "fail_nth_test", "memcg_test", vfs=16),
    # an image of several chunks, or, where the kernel is slow, of less: one QEMU moves it in words of eight bytes
    nested("region", "debug", "256K"),
    nested("region", "stock", "1M"),
    nested("v2", "stock", "1M"),
    nested("tracked", "stock", "1M", LOGGING),
    nested("tracked", "debug", "1M"),
    nested("iommufd", "debug", "1M"),
    # one that an emulated machine emulates takes minutes to boot; more of it: `make test-long`
    guest("guest", "stock", 1800, "--moves=1"),
    # the witness does as many at once as ferry in the suite's endurance
    Scenario("many", migrate("many"), driver="in-tree", vfs=16, nic={"total-vfs": 16}),
    Scenario("packages", [f"{HERE}/packages/packages"], host=True),
    Scenario("packages-needs", [f"{HERE}/packages/needs"], host=True),
    Scenario("make-install", [f"{HERE}/packages/make-install"], host=True),
    # it judges no time, but that the benchmark measures, and what is counted
    Scenario("bench", [f"{HERE}/bench/bench", "--alive"], host=True),
    Scenario("control-leak", [f"{HERE}/controls/control", "leak"], kernels=("debug",), host=True),
    Scenario("control-use-after-free", [f"{HERE}/controls/control", "use_after_free"], kernels=("debug",), host=True),
    Scenario("control-lock-inversion", [f"{HERE}/controls/control", "lock_inversion"], kernels=("debug",), host=True),
    Scenario("control-announced", [f"{HERE}/controls/control", "announced"], kernels=("debug",), host=True),
    Scenario("control-unmet", [f"{HERE}/controls/control", "unmet"], host=True),

    # the model's packet functions, without a VM
    Scenario("frames", [f"{PROGRAMS}/frames"], host=True),
    # what it refuses to be, in a QEMU that boots nothing
    Scenario("properties", [f"{HERE}/properties"], host=True),
    # the model by itself: the test is the PF's driver
    Scenario("bare", bare("commands", "objects", "caps", "states", "images", "chunks", "tracker", "faults", "workload",
                          "no-ethernet", "export"), driver="vfio-pci", vfs=0, nic=SLOW_IMAGES),
    # the same with Ethernet, and that
    Scenario("bare-ethernet", bare("ethernet", "switching", "commands", "objects", "caps", "states", "images", "chunks", "tracker",
                                   "faults", "workload"),
             driver="vfio-pci", vfs=0, nic={**SLOW_IMAGES, "ethernet": "on"}),
    # what no driver does to it, for as long as FUZZ_SECONDS says
    Scenario("bare-fuzz", bare("switching", "fuzz"), driver="vfio-pci", vfs=0, nic={"ethernet": "on"}, options=["--sanitize"]),
    Scenario("bare-large", ["env", f"BARE_IMAGES={IMAGES}", *bare("large")], driver="vfio-pci", vfs=0, needs="bare",
             nic={"state-size": "5G", "migration-state": "off", "end-key": "on", "end-size": "on"}),
    Scenario("bare-limited", ["env", f"BARE_IMAGES={IMAGES}", *bare("limited")], driver="vfio-pci", vfs=0, needs="bare",
             nic={"multi-load": "off", "tracking-state": "off", "in-chunks": "off", "full-messages": "off",
                  "pg-track-log-max-num": 0, "pg-track-max-num-range": 1, "cmd-latency-us": 20000,
                  # newer than what saved the images; a SUSPEND takes its latency and no more
                  "fw-version": "28.41.1", "suspend-us": 0,
                  "save-mbps": 2, "load-mbps": 2,
                  # the first one is mlx5_core's
                  "faults": "QUERY_ADAPTER:nth=3:action=fail:status=8:syndrome=0x321"}),
    Scenario("bare-slow", bare("slow"), driver="vfio-pci", vfs=0,
             nic={"query-us": 30000, "suspend-us": 40000, "resume-us": 35000, "load-setup-ms": 300, "flr-ms": 1000,
                  "save-mbps": 2, "vhca-id-step": 16, "reload-flips-chunks": "on"}),
    Scenario("bare-older", ["env", f"BARE_IMAGES={IMAGES}", *bare("older")], driver="vfio-pci", vfs=0, needs="bare",
             nic={"fw-version": "28.39.9999"}),
    Scenario("bare-other-psid", ["env", f"BARE_IMAGES={IMAGES}", *bare("other-psid")], driver="vfio-pci", vfs=0, needs="bare",
             nic={"psid": "FERRY_MODEL_0002"}),
    # the kernel would reset what had a fatal error before the test has seen it
    Scenario("bare-off", bare("off", "link"), driver="vfio-pci", vfs=0, nic={"migration": "off", "adv-virtualization": "off"},
             options=["--append", "pci=noaer"]),

    # stock mlx5_core on it
    Scenario("probe", [f"{HERE}/probe.sh", "probe"], kernels=BOTH, vfs=8, nic=LARGE, options=NO_SCAN),
    Scenario("autoprobe", [f"{HERE}/probe.sh", "autoprobe"], kernels=BOTH, nic=LARGE, options=["--autoprobe", *NO_SCAN]),
    # which ends with an unloaded PF
    Scenario("health", [f"{HERE}/probe.sh", "health"], vfs=0, own_boot=True),

    # its netdevs pass frames
    Scenario("ether", [f"{PROGRAMS}/ether", "ping", "streams", "offloads", "jumbo", "vlan", "multicast", "promiscuous", "queues",
                       "changes", "flap", "port", "reload", "million"], smp=2, nic={"ethernet": "on"}, options=["--autoprobe"]),
    # the same on 7.x, which watches itself, without what only takes long there
    Scenario("ether-short", [f"{PROGRAMS}/ether", "ping", "vlan", "multicast", "promiscuous", "queues", "changes", "port", "reload"],
             kernels=("debug",), smp=2, nic={"ethernet": "on"}, options=["--autoprobe"]),
    # the PF's commands go to memory by its own addresses
    Scenario("ether-move", [f"{PROGRAMS}/ether", "move"], smp=2, nic={"ethernet": "on", "state-size": "1M"},
             options=["--autoprobe", "--append", "iommu=pt"]),
    Scenario("ether-user", [f"{PROGRAMS}/ether", "user"], nic={"ethernet": "on"}, options=["--autoprobe", "--port", "user"]),
    # judges no time; its figures are in connectx/README.md
    Scenario("ether-cost", [f"{PROGRAMS}/ether", "cost"], nic={"ethernet": "on"}, options=["--autoprobe", "--counted"]),
    Scenario("ether-wire", [f"{PROGRAMS}/ether", "serve"], nic={"ethernet": "on"}, options=["--autoprobe"],
             peer=[f"{PROGRAMS}/ether", "wire"], alone=True),

    # VFs move
    Scenario("path", migrate("path", "direct", "cancel", "reinit"), driver=MIGRATION, smp=2,
             options=["--trace", f"{LOGS}/{{name}}.jsonl"], after=[f"{HERE}/trace.py", f"{LOGS}/{{name}}.jsonl"]),
    # beside a netdev of the PF's
    Scenario("path-ethernet", migrate("path", "direct"), kernels=BOTH, driver=MIGRATION, nic={"ethernet": "on"}),
    Scenario("path-whole", migrate("path", "direct", "cancel"), driver=MIGRATION, nic={"in-chunks": "off"}),
    # nobody may believe the rest of an incremental QUERY
    Scenario("path-estimate", migrate("path", "cancel"), driver=MIGRATION, nic={"estimate": "full"}),
    # each command waits for the one before
    Scenario("path-one-slot", migrate("path", "cancel"), driver=MIGRATION, nic={"cmdq-log-size": 1}),
    Scenario("size-1m", migrate("size"), driver=MIGRATION, nic={"state-size": "1M"}),
    Scenario("size-1m-whole", migrate("size"), driver=MIGRATION, nic={"state-size": "1M", "in-chunks": "off"}),
    Scenario("size-100m", migrate("size"), driver=MIGRATION, nic={"state-size": "100M"}),
    Scenario("size-100m-whole", migrate("size"), driver=MIGRATION, nic={"state-size": "100M", "in-chunks": "off"}),
    Scenario("machines", migrate("send"), driver=MIGRATION, peer=migrate("receive"), alone=True),

    # capabilities
    Scenario("caps", caps()),
    Scenario("caps-other", caps(in_chunks=0, migration_state=0, **OTHER_LIMITS),
             nic={"in-chunks": "off", "migration-state": "off", **OTHER_LIMITS}),
    less("migration", in_turn(caps(migration=0), migrate("absent")), migration="off"),
    less("multi-load", in_turn(caps(multi_load=0), migrate("absent")), multi_load="off"),
    less("tracking-state", in_turn(caps(tracking_state=0), migrate("absent")), tracking_state="off"),
    less("migratable", in_turn(caps(migratable=1), migrate("first-only")), vfs=3, migratable=1),
    less("adv-virtualization", in_turn(caps(adv_virtualization=0), migrate("no-logging")), adv_virtualization="off"),
]
