# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU whose guest is a Linux, Debian's own, with the driver of its NIC (tools/lab/guest/nested-init)."""

import contextlib
import re
import time
from dataclasses import replace

from qemus import TRACKED
from vmm import Trouble, Vmm

MEMORY = 160
BOOT_PATIENCE = 1500            # an emulated machine in an emulated machine
ANSWER_PATIENCE = 600           # whose emulator begins anew after each move
ACKNOWLEDGED = "source_return_path_thread_switchover_acked"
APPEND = ("console=ttyS1 loglevel=4 panic=-1 tsc=nowatchdog no_timer_check nokaslr mitigations=off audit=0 "
          "apparmor=0 cryptomgr.notests "
          "random.trust_cpu=on rcupdate.rcu_cpu_stall_timeout=300")


def kind(folder):
    """QEMU 10.0 with its default options and the guest in FOLDER, which `make -C tools/lab/demo guest` made."""
    usr = f"{folder}/qemu/usr"
    return replace(TRACKED, binary=f"{usr}/bin/qemu-system-x86_64", firmware=[f"{usr}/share/qemu", f"{usr}/share/seabios"],
                   guest=f"{folder}/guest.kernel", memory=MEMORY, events=[*TRACKED.events, ACKNOWLEDGED])


class Shell:
    """A Linux that does what it is told over its first serial port, `self.serial`; `self.name` is for messages."""

    def booted(self):
        said = self.serial.read(time.monotonic() + BOOT_PATIENCE)
        if said != "ready":
            raise Trouble(f"{self.name}'s guest said '{said}'")

    def run(self, command, patience=ANSWER_PATIENCE):
        """What COMMAND prints in the guest; a status that is not 0 is a Trouble."""
        self.tell(command)
        return self.answer(command, patience)

    def tell(self, command):
        self.serial.write(f"{command}\n")

    def answer(self, command, patience=ANSWER_PATIENCE):
        """To a command that was told, here or to the QEMU where the guest was then."""
        deadline = time.monotonic() + patience
        lines = []
        while (line := self.serial.read(deadline)).startswith("- ") or line == "-":
            lines.append(line[2:])
        if line != "= 0":
            raise Trouble(f"{self.name}'s guest: `{command}` ended with '{line}': " + " | ".join(lines[-6:]))
        return lines

    def log_length(self):
        return int(self.run("dmesg | wc -l")[0])

    def noticed(self, lines, netdevs):
        """Of what its kernel said behind so many LINES: of its NIC, which has these NETDEVS, and besides, an emulated machine's
        that stood still, for example. All of it would take a minute through this serial port."""
        said = self.run(f"dmesg | tail -n +{lines + 1}")
        nic = [line for line in said if any(word in line for word in ("mlx5", *netdevs))]
        return nic, [line for line in said if line not in nic]

    def rebind(self, function):
        """Its NIC's driver goes and comes."""
        self.run(f"cd /sys/bus/pci/drivers/mlx5_core && echo {function} >unbind && echo {function} >bind && [ -e {function} ]")


class Linux(Shell, Vmm):
    """Its first serial port takes commands; the second is its console, a file beside the other logs."""

    held = []                   # it goes on at once

    def __init__(self, kind_, name, vfs, folder, initramfs, incoming=False):
        self.initramfs = initramfs
        self.console_file = f"{folder}/{name}.console"
        super().__init__(kind_, name, vfs, folder, incoming)

    def _boot(self):
        return ["-initrd", self.initramfs, "-append", APPEND, "-serial", f"file:{self.console_file}",
                "-msg", "timestamp=on"]

    def log_files(self):
        return [*super().log_files(), self.console_file]

    def logs(self):
        yield from super().logs()
        if self.process.poll() is None:
            yield from self._where()

    def _where(self):
        """Where its CPU is, three times: a loop, or sleep?"""
        with contextlib.suppress(Trouble):
            for _ in range(3):
                said = self.ask("human-monitor-command", **{"command-line": "info registers"})
                yield from (f"registers: {line}" for line in said.splitlines() if re.search("[RE]IP|HLT|RSP", line))
                time.sleep(0.3)
