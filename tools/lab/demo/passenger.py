# SPDX-License-Identifier: GPL-2.0-or-later
"""A Linux guest whose NIC is a VF, and whose peer is the netdev of the PF that it begins on: what the scripts share in which
it moves to another host (`lab pair`). The frames go by the model's ports from then on.
"""

import json
import signal
import subprocess
import time

from journey import AFTER, netdev_of
from vmm import check, until

PEER, GUEST, BITS = "10.9.0.1", "10.9.0.2", 24
PORT = 5001


def say(text):
    print(text, flush=True)


class Watcher:
    """The peer: it notes what comes. However a script ends, `end` comes first."""

    process = None

    def __init__(self, flow, pf, folder):
        self.file = f"{folder}/seen.json"
        netdev = netdev_of(pf)
        for words in (f"addr add {PEER}/{BITS} dev {netdev}", f"link set {netdev} up"):
            subprocess.run(["ip", *words.split()], check=True)
        Watcher.process = subprocess.Popen([flow, "receive", str(PORT), self.file])

    @classmethod
    def end(cls):
        if cls.process:
            cls.process.kill()
            cls.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        check(self.process.wait(30) == 0, "the peer failed")
        with open(self.file, encoding="utf-8") as file:
            return json.load(file)


class Passenger:
    """The guest, whose SHELL (linux.py) does what it is told. After a move it is another host's, which knows the NETDEV."""

    def __init__(self, shell, netdev=None):
        self.shell = shell
        self.netdev = netdev

    def use_nic(self):
        self.netdev = next((name for name in self.shell.run("ls /sys/class/net") if name != "lo"), None)
        check(self.netdev, f"the guest has no netdev: {self.shell.run('dmesg | tail -5')}")
        self.shell.run(f"ip addr add {GUEST}/{BITS} dev {self.netdev}; ip link set {self.netdev} up")
        until("the guest's link", lambda: self.shell.run(f"cat /sys/class/net/{self.netdev}/carrier") == ["1"])
        self.shell.run(f"ping -c 3 -W 10 {PEER}")

    def send(self):
        self.shell.run(f"/bin/flow send {PEER} {PORT} >/tmp/flow 2>&1 & echo $!")

    def arrived(self):
        """It answers, and sends for a while."""
        self.shell.run("true")
        time.sleep(AFTER)

    def sends(self):
        """Its side of the connection is as it was."""
        broke = self.shell.run("cat /tmp/flow; pidof flow >/dev/null || echo it has ended")
        check(not broke, f"the guest's side of the connection: {broke}")

    def rebind(self):
        self.shell.run("killall flow; true")
        self.shell.rebind(self.shell.run("basename $(readlink -f /sys/bus/pci/drivers/mlx5_core/0*)")[0])
        self.use_nic()


def connection(seen, moved):
    """What must be so of the connection, whatever the machine's speed. MOVED: when the guest ran at the other host."""
    return {
        "every byte of the TCP stream is what was sent": seen["tcp"]["count"] and not seen["wrong"],
        "the connection stays up": not seen["broken"],
        "the stream and the packets go on after the move": min(seen[row]["last"] for row in ("tcp", "udp")) > moved,
        "no packet comes twice": not seen["again"],
    }
