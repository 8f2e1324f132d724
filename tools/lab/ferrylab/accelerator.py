# SPDX-License-Identifier: GPL-2.0-only
"""KVM where it really works, TCG elsewhere.

/dev/kvm may exist and yet be of no use (nested, without VMX), and a VM may start and never run. So a small VM is
booted with KVM once per QEMU and host kernel, and what came of it is kept.
"""

import os
import subprocess

from .base import CACHE, digest, say, write_atomically

PROBE_SECONDS = 20


def accelerator(qemu, firmware, kernel):
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    kept = CACHE / "kvm" / digest(str(qemu.parents[2]), os.uname().release, os.uname().version, _boot_id())
    if not kept.exists():
        works = _boots_with_kvm(qemu, firmware, kernel)
        say("KVM works here" if works else "KVM does not work here (/dev/kvm is there, but a VM does not boot); using TCG")
        write_atomically(kept, "kvm" if works else "tcg")
    return kept.read_text(encoding="ascii")


def _boot_id():
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as source:
        return source.read().strip()


def _boots_with_kvm(qemu, firmware, kernel):
    """A kernel without a root panics, which reboots, which ends QEMU: reaching that is reaching the end of a boot."""
    command = [qemu, "-L", firmware, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
               "-machine", "q35,kernel-irqchip=split", "-accel", "kvm", "-cpu", "host", "-m", "512M", "-serial", "stdio",
               "-device", "intel-iommu,intremap=on,caching-mode=on",
               "-kernel", kernel.image, "-append", "console=ttyS0 panic=-1"]
    try:
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and b"Unable to mount root fs" in done.stdout
