# SPDX-License-Identifier: GPL-2.0-or-later
"""Two scripts, each on one of the hosts of `lab pair`, tell one another how far they are: a line of JSON each time."""

import json
import os
import socket
import sys
import time

CONTROL = 7442


class Peer:
    """The other host's script. PATIENCE: seconds for each thing that it says. What it does not say ends this one."""

    def __init__(self, connection, patience):
        connection.settimeout(patience)
        self.file = connection.makefile("rw", encoding="utf-8")

    def tell(self, **what):
        self.file.write(json.dumps(what) + "\n")
        self.file.flush()

    def hear(self, key):
        try:
            line = self.file.readline()
        except OSError:
            line = ""
        heard = json.loads(line) if line else {}
        if key not in heard:
            sys.exit(f"FAILED: the other host says nothing of '{key}': {line}")
        return heard[key]


def listen_for_peer(patience):
    with socket.create_server((os.environ["LAB_SELF"], CONTROL)) as listener:
        listener.settimeout(patience)
        return Peer(listener.accept()[0], patience)


def connect_to_peer(patience):
    end = time.monotonic() + patience
    while True:
        try:
            return Peer(socket.create_connection((os.environ["LAB_PEER"], CONTROL), timeout=1), patience)
        except OSError:
            if time.monotonic() > end:
                sys.exit("FAILED: the other host is not there")
            time.sleep(0.1)
