# SPDX-License-Identifier: GPL-2.0-only
"""Debian's own QEMU 10.0, which the tests start inside the lab's VM as a user of the driver.

Its packages for Debian 12 come from the backports; they are unpacked in the cache and not installed, since the host has
Debian 12's QEMU 7.2, the other VMM of the tests. Both use the same libraries, which that one's package brings.
"""

import re
from urllib.parse import unquote

from . import packages
from .base import CACHE, LabError, built_folder, digest, lock, step

VERSION = r"^1:10\.0\..*bpo12"
FIRMWARE = "bpo12"
KEYS = ("vmm", "vmm-data", "vmm-firmware")


def set_up(archive):
    """Downloads and unpacks it, if that has not been done."""
    binary = archive.deb("vmm", "qemu-system-x86", VERSION)
    version = unquote(re.match(r"[^_]+_(.*)_[^_]+\.deb", binary.name)[1])
    debs = [binary, archive.deb("vmm-data", "qemu-system-data", f"^{re.escape(version)}$"),
            archive.deb("vmm-firmware", "seabios", FIRMWARE)]
    folder = _folder(debs)
    with lock("vmm"):
        if not folder.exists():
            with step(f"unpacking QEMU {version}"), built_folder(folder) as partial:
                for deb in debs:
                    packages.unpacked(deb, partial)


def installed():
    """The folder with its usr/, as the last `lab setup` made it."""
    archive = packages.Archive()
    debs = [archive.known(key) for key in KEYS]
    folder = _folder(debs) if all(debs) else None
    if folder and folder.exists():
        return folder
    raise LabError("the QEMU that the tests nest has not been set up; run `tools/lab/lab setup`")


def _folder(debs):
    return CACHE / "vmm" / digest([deb.name for deb in debs])
