# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU with a guest and a VF: its process, its monitor (QMP), the guest's serial port, its logs.

Every wait has a bound; what goes wrong is a Trouble with the end of the logs in it.
"""

import contextlib
import json
import os
import re
import select
import shutil
import socket
import subprocess
import time

PATIENCE = 90                  # for anything: emulation in an emulated machine, on a host that may be busy
PAGE = 4096
LOG_LINES = 12


class Trouble(Exception):
    """A check that failed, or something that did not come in time."""


def check(good, text):
    if not good:
        raise Trouble(text)


def until(what, probe, patience=PATIENCE, pause=0.1):
    """What PROBE returns, once that is true."""
    deadline = time.monotonic() + patience
    while not (found := probe()):
        if time.monotonic() > deadline:
            raise Trouble(f"{what}: not within {patience} s")
        time.sleep(pause)
    return found


class Lines:
    """One end of a stream socket, read line by line."""

    def __init__(self, owner, end):
        self.owner = owner
        self.end = end
        self.received = b""

    def write(self, text):
        try:
            self.end.sendall(text.encode())
        except OSError as error:
            raise Trouble(f"{self.owner}: {error}") from None

    def read(self, deadline):
        while b"\n" not in self.received:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.end], [], [], left)[0]:
                raise Trouble(f"{self.owner} does not answer; the last it said: {self.received!r}")
            data = self.end.recv(65536)
            if not data:
                raise Trouble(f"{self.owner} has ended")
            self.received += data
        line, self.received = self.received.split(b"\n", 1)
        return line.decode(errors="replace").strip()


class Vmm:
    """One QEMU. KIND says which and how (qemus.py), FOLDER is for its logs. Of several VFs the guest uses the first."""

    running = []
    held = ["-S"]               # as libvirt starts a target: the guest is there before it runs

    def __init__(self, kind, name, vfs, folder, incoming=False, options=""):
        self.kind = kind
        self.name = name
        self.vfs = vfs
        self.vf = vfs[0]
        self.trace_file = os.path.join(folder, f"{name}.trace")
        self.errors_file = os.path.join(folder, f"{name}.errors")
        monitor, serial = socket.socketpair(), socket.socketpair()
        with open(self.errors_file, "wb") as errors:
            self.process = subprocess.Popen(
                self._command(monitor[1], serial[1], incoming, options), stdin=subprocess.DEVNULL, stdout=errors,
                stderr=errors, pass_fds=[monitor[1].fileno(), serial[1].fileno()])
        Vmm.running.append(self)
        for theirs in (monitor[1], serial[1]):
            theirs.close()
        self.monitor = Lines(f"{name}'s monitor", monitor[0])
        self.serial = Lines(f"{name}'s guest", serial[0])
        self._receive()
        self.ask("qmp_capabilities")

    def _command(self, monitor, serial, incoming, options):
        command = [self.kind.binary, "-machine", self.kind.machine, "-accel", "tcg", "-m", str(self.kind.memory),
                   "-nodefaults", "-no-user-config", "-display", "none", "-vga", "none",
                   "-chardev", f"socket,id=monitor,fd={monitor.fileno()}", "-mon", "chardev=monitor,mode=control",
                   "-chardev", f"socket,id=serial,fd={serial.fileno()}", "-serial", "chardev:serial",
                   "-kernel", self.kind.guest, "-D", self.trace_file, *self._boot()]
        for vf in self.vfs:
            command += ["-device", ",".join(filter(None, ("vfio-pci", f"host={vf}", self.kind.device, options)))]
        for folder in self.kind.firmware:
            command += ["-L", folder]
        for described in self.kind.objects:
            command += ["-object", described]
        for event in self.kind.events:
            command += ["-trace", event]
        return command + (["-incoming", "defer", *self.held] if incoming else [])

    def _boot(self):
        """What else the guest boots with."""
        return []

    # The monitor

    def ask(self, verb, **arguments):
        self.monitor.write(json.dumps({"execute": verb, "arguments": arguments}) + "\n")
        answer = self._receive()
        if "error" in answer:
            raise Trouble(f"{self.name}: {verb}: {answer['error']['desc']}")
        return answer["return"]

    def _receive(self):
        deadline = time.monotonic() + PATIENCE
        while True:
            message = json.loads(self.monitor.read(deadline))
            if "event" not in message:
                return message

    def allow(self, *capabilities, allowed=True):
        """Of its migrations."""
        self.ask("migrate-set-capabilities", capabilities=[{"capability": name, "state": allowed} for name in capabilities])

    def migration(self):
        return self.ask("query-migrate").get("status", "none")

    def run_state(self):
        return self.ask("query-status")["status"]

    def memory(self):
        """All of the guest's, as the guest sees it."""
        path = f"{self.trace_file}.memory"
        self.ask("pmemsave", val=0, size=self.kind.memory << 20, filename=path)
        with open(path, "rb") as file:
            memory = file.read()
        os.remove(path)
        check(len(memory) == self.kind.memory << 20, f"{self.name}: {len(memory)} bytes of the guest's memory are there")
        return memory

    # The guest

    def expect(self, line):
        said = self.serial.read(time.monotonic() + PATIENCE)
        check(said == line, f"{self.name}'s guest said '{said}', not '{line}'")

    def guest(self, letter):
        """The numbers in the guest's answer to a letter (guest.c)."""
        self.serial.write(letter)
        said = self.serial.read(time.monotonic() + PATIENCE)
        check(said[:1] == letter, f"{self.name}'s guest said '{said}' to '{letter}'")
        return {key: int(value, 16) for key, value in re.findall(r"(\w+)=([0-9a-f]+)", said)}

    # What it left behind

    def traced(self, pattern):
        """What PATTERN's group matched in its trace, each time, in order."""
        try:
            with open(self.trace_file, encoding="utf-8", errors="replace") as file:
                return re.findall(pattern, file.read())
        except FileNotFoundError:
            return []

    def errors(self):
        with open(self.errors_file, encoding="utf-8", errors="replace") as file:
            return file.read()

    def log_files(self):
        return [self.errors_file, self.trace_file]

    def keep_logs(self, folder):
        for path in filter(os.path.exists, self.log_files()):
            shutil.copy(path, folder)

    def logs(self):
        """The last lines of its logs, for a person."""
        for path in self.log_files():
            with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8", errors="replace") as file:
                for line in file.read().splitlines()[-LOG_LINES:]:
                    yield f"{os.path.basename(path)}: {line}"

    # Its end

    def wait(self):
        """Its exit status, when it has ended by itself."""
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Trouble(f"{self.name} still runs") from None
        self._forget()
        return status

    def quit(self):
        self.ask("quit")
        status = self.wait()
        check(status == 0, f"{self.name} ended with status {status}")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self._forget()

    def _forget(self):
        Vmm.running.remove(self)
        self.monitor.end.close()
        self.serial.end.close()
