# SPDX-License-Identifier: GPL-2.0-or-later
"""A Linux guest whose NIC is a VF, and whose peer is the netdev of the PF that it begins on: what the scripts share in which
it moves to another host (`lab pair`). The frames go by the model's ports from then on.
"""

import glob
import json
import os
import signal
import subprocess
import time

from vmm import check, until

PEER, GUEST, BITS = "10.9.0.1", "10.9.0.2", 24
PORT = 5001
BEFORE, AFTER = 5, 20           # seconds of traffic; an emulator has to translate all of its guest anew,
ARRIVAL_PATIENCE = 600          # which on a busy machine takes minutes


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


def netdev_of(pf):
    return os.path.basename(glob.glob(f"/sys/bus/pci/devices/{pf}/net/*")[0])


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
        self.shell.run("true", ARRIVAL_PATIENCE)
        time.sleep(AFTER)

    def sends(self):
        """Its side of the connection is as it was."""
        broke = self.shell.run("cat /tmp/flow; pidof flow >/dev/null || echo it has ended")
        check(not broke, f"the guest's side of the connection: {broke}")

    def log_lines(self):
        return int(self.shell.run("dmesg | wc -l")[0])

    def noticed(self, since):
        """What its driver wrote into the log behind the first SINCE lines."""
        return [line for line in self.shell.run(f"dmesg | tail -n +{since + 1}") if "mlx5" in line or self.netdev in line]

    def rebind(self):
        self.shell.run("killall flow; true")
        nic = self.shell.run("basename $(readlink -f /sys/bus/pci/drivers/mlx5_core/0*)")[0]
        self.shell.run(f"cd /sys/bus/pci/drivers/mlx5_core && echo {nic} >unbind && echo {nic} >bind && [ -e {nic} ]")
        self.use_nic()


def tell_what_came(seen):
    say(f"  TCP                    {seen['tcp']['count']} bytes, {seen['wrong']} wrong, longest silence "
        f"{seen['tcp']['gap'] * 1000:.0f} ms")
    say(f"  UDP                    {seen['udp']['count']} packets, {seen['lost']} lost, {seen['again']} twice, "
        f"{seen['late']} out of order, longest silence {seen['udp']['gap'] * 1000:.0f} ms")


def points(checks):
    """As test points; whether all are so."""
    for number, (text, good) in enumerate(checks.items(), 1):
        print(f"{'ok' if good else 'not ok'} {number} - {text}")
    print(f"1..{len(checks)}", flush=True)
    return all(checks.values())


def connection(seen, moved):
    """What must be so of the connection, whatever the machine's speed. MOVED: when the guest ran at the other host."""
    return {
        "every byte of the TCP stream is what was sent": seen["tcp"]["count"] and not seen["wrong"],
        "the connection stays up": not seen["broken"],
        "the stream and the packets go on after the move": min(seen[row]["last"] for row in ("tcp", "udp")) > moved,
        "no packet comes twice": not seen["again"],
    }
