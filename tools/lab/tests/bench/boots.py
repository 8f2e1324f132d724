# SPDX-License-Identifier: GPL-2.0-or-later
"""The virtual machines in which the benchmark measures, and what it finds in each."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../.."))

from ferrylab import races      # noqa: E402 the lab's own modules

LAB = "tools/lab/lab"
PROGRAM = "build/tests/bench"
IN_TREE, FERRY = "mlx5_vfio_pci", "mlx5_ferry_vfio_pci"
ORDERS = ("in-tree,ferry", "ferry,in-tree")
# What the firmware takes for a SUSPEND is the same for both and would only hide what they take themselves.
PROMPT = {"query-us": 0, "suspend-us": 0, "resume-us": 0}
MBPS = 2000                         # of SAVE and LOAD, in 10^6 bytes a second: the model's own default
SLOW = {"save-mbps": 50, "load-mbps": 50}   # a third of a second for 16 MiB
LIMIT = 300                         # seconds of one VM
ATTEMPTS = 2                        # of a VM that failed, as emulated ones now and then do


@dataclass
class Boot:
    """One VM, both drivers in it, and the groups of figures that it is asked for."""
    clock: str                      # "counted" or "wall"
    groups: tuple
    size: int = 64                  # MiB of a VF's state
    chunks: bool = False
    order: str = ORDERS[0]
    rounds: int = 1
    vfs: int = 2
    logging: bool = False           # with a vfio.ko that can report pages
    nic: dict = field(default_factory=lambda: dict(PROMPT))
    memory: int = 2048

    def __str__(self):
        kind = "images in chunks" if self.chunks else "whole images"
        return f"{self.clock}, {self.size} MiB, {kind}, {self.order}: {' '.join(self.groups)}"

    def command(self, out):
        nic = {"state-size": f"{self.size}M", "in-chunks": "on" if self.chunks else "off", **self.nic}
        return [LAB, "run", "--kernel", "stock", "--driver", self.order, "--vfs", str(self.vfs), "--smp", "1",
                "--mem", str(self.memory), "--timeout", str(LIMIT), "--no-leak-scan", "--out", out,
                *(["--counted"] if self.clock == "counted" else []), *(["--logging"] if self.logging else []),
                *(word for key, value in nic.items() for word in ("--nic", f"{key}={value}")), "--",
                "env", f"BENCH_ROUNDS={self.rounds}", f"BENCH_CHUNKS={'on' if self.chunks else 'off'}", PROGRAM,
                *self.groups]


def alive():
    """What a test run has time for: a VM with whole images and one with chunks."""
    return [Boot("counted", ("window", "bytes", "receive", "memory"), size=4),
            Boot("counted", ("window", "receive", "memory"), size=4, chunks=True)]


def quick():
    return [*images(64, orders=ORDERS[:1]), asking("counted", ORDERS[0]), downtime("counted", ORDERS[0], vfs=8), tool(ORDERS[0]),
            Boot("wall", ("window",), rounds=3)]


def full():
    """The figures that judge come from two boots each, with the drivers' VFs in either order."""
    boots = []
    for size, rounds in ((64, 2), (1, 2), (256, 1)):
        boots += images(size, rounds)
    for order in ORDERS:
        boots += [asking("counted", order), downtime("counted", order, vfs=64, rounds=3), tool(order),
                  Boot("counted", ("tracking",), size=1, chunks=True, order=order, rounds=2, logging=True)]
    return boots + [Boot("wall", ("window",), chunks=chunks, rounds=7) for chunks in (False, True)] + \
        [asking("wall", ORDERS[0], rounds=3), downtime("wall", ORDERS[0], vfs=64, rounds=5)]


def images(size, rounds=1, orders=ORDERS):
    return [Boot("counted", ("window", "receive", "memory") if chunks else ("window", "bytes", "receive", "memory"),
                 size=size, chunks=chunks, order=order, rounds=rounds, memory=2560 if size > 64 else 2048)
            for chunks in (False, True) for order in orders]


def asking(clock, order, rounds=1):
    return Boot(clock, ("asking",), size=16, order=order, rounds=rounds, nic={**PROMPT, **SLOW})


def downtime(clock, order, vfs, rounds=1):
    return Boot(clock, ("downtime",), size=4, chunks=True, order=order, rounds=rounds, vfs=vfs, nic={})


def tool(order):
    return Boot("counted", ("tool",), size=8, order=order, vfs=4)


class Runner:
    """Boots one after the other, tells of it, and keeps all figures; go() gives how many were booted, after each."""

    def __init__(self, boots, folder, say):
        self.boots, self.folder, self.say = boots, folder, say
        self.figures, self.failed = [], []

    def go(self):
        for number, boot in enumerate(self.boots):
            self.say(f"[{number + 1:2}/{len(self.boots)}] {boot} ...")
            began = time.monotonic()
            found = self.measure(number, boot)
            self.figures += found
            self.say(f"        {len(found)} figures in {time.monotonic() - began:.0f} s" if found else "        FAILED")
            yield number + 1

    def measure(self, number, boot):
        for _ in range(ATTEMPTS):
            status, output = races.past(str(boot), lambda: self.call(number, boot))
            found = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
            if status == 0 and found:
                facts = {"boot": number, **{key: value for key, value in asdict(boot).items()
                                            if key in ("clock", "size", "chunks")}}
                return [{**figure, **facts} for figure in found]
            self.say("\n".join(f"        {line}" for line in output.splitlines()[-12:] if not line.startswith("{")))
        self.failed.append(boot)
        return []

    def call(self, number, boot):
        out = os.path.join(self.folder, f"boot-{number}")
        done = subprocess.run(boot.command(out), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
        return done.returncode, done.stdout
