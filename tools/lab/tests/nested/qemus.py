# SPDX-License-Identifier: GPL-2.0-or-later
"""The stock QEMUs, and how each speaks of a migration: options, trace, names of states."""

import re
from dataclasses import dataclass, field, replace

BUILT = "build/tests/nested"


@dataclass
class Kind:
    binary: str
    device: str                 # options of vfio-pci
    events: list                # to trace
    state: str                  # a new state of the device in the trace
    received: str               # bytes of device state that the target gives to its device
    cancelled: list             # states of the source's device when a migration is cancelled in pre-copy
    failed: list                # when the final image cannot be saved
    source: list                # when a migration succeeds
    target: list
    stopped: str                # the state in which the final image is saved
    dirty: str = r"(vfio_get_dirty_bitmap) "    # the container is asked for dirty pages
    mapped: str = ""            # the section for data is mapped...
    trapped: str = ""           # ...unless this is an option of the device: all goes through read and write
    firmware: list = field(default_factory=list)
    bandwidth: str = ""         # a parameter: what it takes for the link's, instead of what it measures
    objects: list = field(default_factory=list)     # that the device refers to
    machine: str = "q35"
    tracked: bool = False       # default limits will do
    guest: str = f"{BUILT}/guest"
    memory: int = 8             # MiB


# The first protocol: the migration region. States are its bits: 1 running, 2 saving, 4 resuming.
REGION = Kind(
    binary="/usr/bin/qemu-system-x86_64",
    device="x-enable-migration=on",
    events=["vfio_migration_probe", "vfio_migration_set_state", "vfio_save_buffer", "vfio_load_state_device_data",
            "vfio_region_mmap", "vfio_get_dirty_bitmap"],
    state=r"vfio_migration_set_state.*? state (\d+)",
    received=r"vfio_load_state_device_data.* size 0x([0-9a-f]+)",
    cancelled=["3", "1"],
    failed=["3", "2", "2", "1"],
    source=["3", "2", "2", "0"],
    target=["4", "1"],
    stopped="2",
    mapped=r"vfio_region_mmap Region (migration) ",
    trapped="x-no-mmap=on")

# The second one, in which a migration is a file.
V2 = Kind(
    binary=f"{BUILT}/qemu-10.0/usr/bin/qemu-system-x86_64",
    firmware=[f"{BUILT}/qemu-10.0/usr/share/qemu", f"{BUILT}/qemu-10.0/usr/share/seabios"],
    device="enable-migration=on,x-msix-relocation=bar5",
    events=["vfio_migration_set_state", "vfio_save_block", "vfio_load_state_device_data",
            "vfio_get_dirty_bitmap"],
    state=r"vfio_migration_set_state.*? state (\w+)",
    received=r"vfio_load_state_device_data.* size (\d+)",
    cancelled=["PRE_COPY", "RUNNING"],
    failed=["PRE_COPY", "PRE_COPY_P2P", "STOP_COPY", "RUNNING_P2P", "RUNNING"],
    source=["PRE_COPY", "PRE_COPY_P2P", "STOP_COPY", "STOP"],
    target=["RESUMING", "RUNNING_P2P", "RUNNING"],
    stopped="STOP_COPY",
    bandwidth="avail-switchover-bandwidth")


def typed():
    """The options of vfio-pci that README.md has a person type."""
    with open("README.md", encoding="utf-8") as file:
        return re.search(r"^ +qemu-system-x86_64 \.\.\. -device vfio-pci,host=\$VF,?(.*)$", file.read(), re.MULTILINE)[1]


# With default options: the VF's driver tells which pages it wrote, so QEMU migrates without being told to.
BY_CHANNELS = "vfio_load_state_device_buffer_incoming"  # the event of device state that does not come by the main one
TRACKED = replace(V2, device=typed(), tracked=True, events=[*V2.events, BY_CHANNELS])
IOMMUFD = replace(TRACKED, device="iommufd=iommufd0", objects=["iommufd,id=iommufd0"])

KINDS = {"region": REGION, "v2": V2, "tracked": TRACKED, "iommufd": IOMMUFD}
