# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands between two QEMUs: passes on a migration, holds it back, or ends it."""

import contextlib
import os
import socket
import threading

BLOCK = 1 << 20


class Relay:
    """A socket at PATH; whoever connects is connected to GOAL. After LIMIT bytes there both ends are cut off."""

    def __init__(self, path, goal, limit=None):
        self.path = path
        self.goal = goal
        self.limit = limit
        self.passed = 0
        self.waiting = bytearray()
        self.held = False
        self.ended = False
        self.changed = threading.Condition()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def uri(self):
        return f"unix:{self.path}"

    def hold(self):
        """What comes from here on does not get there; who sends it does not notice."""
        with self.changed:
            self.held = True

    def cut_after(self, more):
        with self.changed:
            self.limit = self.passed + more

    def close(self):
        with self.changed:
            self.ended = True
            self.changed.notify_all()
        self.listener.close()
        os.unlink(self.path)

    def _serve(self):
        with contextlib.suppress(OSError), self.listener.accept()[0] as source, socket.socket(socket.AF_UNIX) as goal:
            goal.connect(self.goal)
            others = [threading.Thread(target=self._take, args=(source,)),
                      threading.Thread(target=self._return, args=(goal, source))]
            for other in others:
                other.start()
            # The end of the one is the other's, too.
            with contextlib.suppress(OSError):
                self._give(goal)
            for end in (source, goal):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            for other in others:
                other.join()

    def _take(self, source):
        """Whatever becomes of it."""
        data = b"-"
        while data:
            try:
                data = source.recv(BLOCK)
            except OSError:
                data = b""
            with self.changed:
                self.waiting += data
                self.ended |= not data
                self.changed.notify_all()

    def _give(self, goal):
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.ended or (self.waiting and not self.held))
                if self.held or not self.waiting:
                    return
                data, self.waiting = bytes(self.waiting), bytearray()
                if self.limit is not None:
                    data = data[:max(self.limit - self.passed, 0)]
            goal.sendall(data)
            with self.changed:
                self.passed += len(data)
                if self.limit is not None and self.passed >= self.limit:
                    return

    @staticmethod
    def _return(goal, source):
        with contextlib.suppress(OSError):
            while data := goal.recv(BLOCK):
                source.sendall(data)
