# SPDX-License-Identifier: GPL-2.0-or-later
"""A Linux guest that moves to another host of `lab pair`, and its connections with the one where it began, by IPv4 and IPv6:
what the scripts share which run on these hosts. The frames go by the model's ports while it is away.
"""

import os
import time

from journey import AFTER, BEFORE, PORT, Flow, Journey, addresses, in_words
from linux import ANSWER_PATIENCE
from vmm import until

PERIOD = 100                    # ms, of each of two; more often leaves the guest no time for its shell


def say(text):
    print(text, flush=True)


class Passenger(Journey):
    """On one of the hosts, whose place for it is VF. OTHER is the other host's script (peer.py)."""

    def __init__(self, folder, vf, other):
        super().__init__(folder, os.environ["FERRY_PF"], [vf])
        self.other = other
        self.flows = [Flow(self.program, 0, address, PORT + number, PERIOD) for number, address in enumerate(addresses(0)[:2])]

    def board(self, shell):
        """It boots, and its connections with this host begin."""
        self.host = shell
        shell.booted()
        self.use_nics()
        for flow in self.flows:
            flow.begin(shell)
        time.sleep(BEFORE)

    def luggage(self):
        """What the other host has to know of it."""
        return {"netdevs": self.netdevs, "lines": self.host.log_length(), "pids": [flow.pid for flow in self.flows]}

    def arrive(self, shell, luggage):
        """It runs here now, and its connections go on."""
        self.host = shell
        self.netdevs = luggage["netdevs"]
        for flow, pid in zip(self.flows, luggage["pids"]):
            flow.pid = pid
        self.goes_on()

    def goes_on(self):
        """It hears of the other end; that hears of it, too (`heard`)."""
        began, first = time.monotonic(), self.there()
        say(f"the guest answers after {time.monotonic() - began:.1f} s")
        until("the guest's connections go on", lambda: grew(first, [flow.there(self.host) for flow in self.flows]),
              ANSWER_PATIENCE, 1)
        time.sleep(AFTER)

    def there(self):
        """What came to the guest in all, and how long it was silent since this was asked."""
        return self.shown("the guest", [flow.there(self.host) for flow in self.flows])

    def heard(self):
        """At the host where the connections end: what comes of them goes on."""
        first = self.shown("the host", [flow.here() for flow in self.flows])
        until("the connections go on", lambda: grew(first, [flow.here() for flow in self.flows]), ANSWER_PATIENCE, 1)

    def end(self):
        return self.shown("the host", [flow.end() for flow in self.flows])

    def shown(self, side, records):
        for flow, record in zip(self.flows, records):
            say("\n".join([f"{flow.address} to {side}", *in_words(record)]))
        return records

    def rebind(self):
        self.host.run("killall flow; true")
        self.host.rebind(self.functions()[0])
        self.use_nics()


def grew(old, new):
    return all(now[row]["count"] > was[row]["count"] for was, now in zip(old, new) for row in ("tcp", "udp"))


def connections(records):
    """What must be so of all that came, whatever the machine's speed."""
    return {
        "every byte of the TCP streams, by IPv4 and IPv6, is what was sent":
            all(record["tcp"]["count"] and not record["wrong"] for record in records),
        "the connections stay up": not any(record["broken"] for record in records),
        "no packet comes twice": not any(record["again"] for record in records),
    }
