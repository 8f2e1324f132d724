# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's log, seen from inside of a VM: did a test bring about a report?

Called by what runs several tests in one VM (tests/conformance/suite, tests/mutation/exchange).
"""

import os

from . import splats


class KernelLog:
    """/dev/kmsg from now on. What lockdep finds taints nothing, so the words of the reports have to tell."""

    def __init__(self):
        self.fd = os.open("/dev/kmsg", os.O_RDWR | os.O_NONBLOCK)
        os.lseek(self.fd, 0, os.SEEK_END)

    def say(self, text):
        os.write(self.fd, f"{text}\n".encode())

    def faulty(self):
        """The reports since the last time that nobody announced."""
        reports, _ = splats.examine("\n".join(self.lines()))
        return splats.unannounced(reports)

    def lines(self):
        while True:
            try:
                record = os.read(self.fd, 8192).decode(errors="replace")
            except BlockingIOError:
                return
            except BrokenPipeError:     # the ring has gone on without us
                continue
            yield record.split(";", 1)[-1].split("\n", 1)[0]
