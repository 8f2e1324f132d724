# SPDX-License-Identifier: GPL-2.0-or-later
"""Failures of the model's firmware, by its control block."""

import subprocess

from vmm import check

CONTROL = "build/tests/control"
SAVE_VHCA_STATE = 0x118
LOAD_VHCA_STATE = 0x119
FIRST_VHCA = 33                 # of VF 0


def control(*words):
    done = subprocess.run([CONTROL, *map(str, words)], capture_output=True, text=True, check=False)
    check(done.returncode == 0, f"control {words}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


class Fault:
    """From here on the firmware refuses a command for a VF; at the end it must have done so."""

    def __init__(self, opcode, vhca):
        self.hits = int(control("hits"))
        control("fail", opcode, vhca)

    def end(self):
        control("disarm")
        check(int(control("hits")) > self.hits, "the firmware had no chance to fail")
