# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of save, load, send and receive stand on: test points, a VF with a busy user, ferry's commands, and a
middleman between two of them who understands packets and can cut the link at any of them."""

import array
import ctypes
import json
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time

CHECKOUT = os.getcwd()
# FERRY_TOOL names another build of the tool, for example a broken one.
FERRY = os.path.abspath(os.environ.get("FERRY_TOOL", "build/ferry/ferry"))
PROGRAMS = f"{CHECKOUT}/build/tests"
PATIENCE = 240                  # seconds; a test that waits so long has failed
SEED = 7

DONE, FAILED, USAGE, REFUSED, CANCELLED, STOPPED = range(6)

# Packets, as ferry/packet.h has them.
DEVICE, CONFIG, DATA, PHASE_END = 1, 2, 3, 4
ACCEPT, INITIAL_LOADED, READY, GO, STARTED, FAILED_PACKET, ALIVE = 16, 17, 18, 19, 20, 21, 22
INITIAL, DIRTY, STOP_COPY = 1, 2, 3
HEADER = struct.Struct("<8sII")
PACKET = struct.Struct("<IIII")

points = failures = 0


def ok(good, text, *more):
    """A test point; what `more` holds is shown if it is bad."""
    global points, failures
    points += 1
    if good:
        print(f"ok {points} - {text}", flush=True)
        return True
    failures += 1
    print(f"not ok {points} - {text}", flush=True)
    for item in more:
        for line in str(item).splitlines()[:12]:
            print(f"# {line}")
    return False


def done():
    print(f"1..{points}", flush=True)
    sys.exit(1 if failures or not points else 0)


def bail(why):
    print(f"Bail out! {why}", flush=True)
    sys.exit(2)


def until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            bail(f"{what} does not come about")
        time.sleep(0.02)


class Holder:
    """A VF that its user has open, and what the user does with it: see holder.c."""

    def __init__(self, vf):
        self.vf = vf
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(PATIENCE)
        self.process = subprocess.Popen([f"{PROGRAMS}/holder", vf, str(theirs.fileno())], pass_fds=[theirs.fileno()])
        theirs.close()
        if self.socket.recv(4096) != b"ready":
            bail(f"the holder of {vf} is not ready")
        self.fd = self.ask_fd()
        self.size = int(self.ask("size"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, command, *numbers):
        self.socket.send(" ".join(map(str, (command, *numbers))).encode())
        return self.socket.recv(4096).decode()

    def ask_fd(self):
        self.socket.send(b"fd")
        fds = array.array("i")
        _, control, _, _ = self.socket.recvmsg(64, socket.CMSG_SPACE(fds.itemsize))
        fds.frombytes(control[0][2][:fds.itemsize])
        return fds[0]

    def work(self, rate=2000, limit=0, dma=0, dma_limit=0, pages=64):
        """Fills its memory, then goes on changing a part of it, as fast as asked for."""
        if self.ask("fill", self.size // 2, SEED) != "ok":
            bail(f"{self.vf}: its memory is not filled")
        self.ask("change", pages * 4096, rate, limit)
        if dma:
            self.ask("dma", dma, dma_limit)

    def counts(self):
        return [int(n) for n in self.ask("counts").split()]

    def state(self):
        return self.ask("state")

    def alive(self):
        """Its user's work goes on."""
        if self.state() != "RUNNING":
            return False
        before = self.counts()[0]
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if self.counts()[0] > before:
                return True
            time.sleep(0.02)
        return False

    def close(self):
        os.close(self.fd)
        self.socket.close()
        self.process.wait(PATIENCE)


def reference(vf, limit, pages=64):
    """The checksum of a VF whose user did the same and that never moved."""
    with Holder(vf) as h:
        h.work(rate=10**6, limit=limit, pages=pages)
        until(lambda: h.counts()[0] == limit, "the reference")
        return h.ask("sum")


class Ferry:
    """A command of ferry's, running. Holders among the arguments are lent to it by --device-fd."""

    def __init__(self, command, *arguments, stdin=None, stdout=subprocess.PIPE, json_report=False):
        words, fds = [], []
        for argument in arguments:
            if isinstance(argument, Holder):
                words += [argument.vf, f"--device-fd={argument.fd}"]
                fds.append(argument.fd)
            else:
                words.append(str(argument))
        if json_report:
            words.insert(0, "--json")
        self.words = [FERRY, command, *words]
        self.process = subprocess.Popen(self.words, pass_fds=fds, stdin=stdin or subprocess.DEVNULL, stdout=stdout,
                                        stderr=subprocess.PIPE, text=stdout == subprocess.PIPE)
        self.out = self.err = ""

    def signal(self, number):
        self.process.send_signal(number)

    def signal_thread(self, nth, number):
        """Give a signal to one thread; returns how many there are."""
        threads = sorted(int(name) for name in os.listdir(f"/proc/{self.process.pid}/task"))
        if nth < len(threads):
            ctypes.CDLL(None).tgkill(self.process.pid, threads[nth], number)
        return len(threads)

    def wait(self):
        try:
            out, err = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            err = (err if isinstance(err, str) else err.decode()) + "\nit did not end"
        self.out = out or ""
        self.err = err if isinstance(err, str) else err.decode()
        return self.process.returncode

    def report(self):
        try:
            return json.loads(self.out)
        except ValueError:
            bail(f"no report: {self}")

    def __str__(self):
        return f"{' '.join(self.words[1:])}\nstatus {self.process.returncode}\n{self.out}{self.err}"

    def complains(self, *words):
        """One line on stderr, which holds these words (and perhaps argp's pointer to --help)."""
        lines = [line for line in self.err.splitlines() if not line.startswith(("Try ", "ferry waits", "ferry holds"))]
        return len(lines) == 1 and all(word in lines[0] for word in words)


def ferry(command, *arguments, **keywords):
    run = Ferry(command, *arguments, **keywords)
    run.wait()
    return run


def listening(path):
    until(lambda: os.path.exists(path), f"a listener at {path}")
    return path


class Middleman:
    """Between `send` and `receive`: passes packets on, up to one at which it does something else.

    A path is a UNIX socket's, a number a TCP port of this machine.

    at: (type, phase or None): the packet, from whichever side it comes
    act: "cut" closes both connections instead of passing it on, "cut-after" behind it; "freeze" passes nothing on from
    there, "flip" changes a bit of its payload, "stop" waits for go_on() before it is passed on
    """

    def __init__(self, path, to, at=None, act=None):
        self.to, self.at, self.act = to, at, act
        self.met = threading.Event()
        self.released = threading.Event()
        if isinstance(path, int):
            self.listener = socket.create_server(("127.0.0.1", path))
        else:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
            self.listener.listen(1)
        self.threads = [threading.Thread(target=self.run, daemon=True)]
        self.threads[0].start()

    def run(self):
        source, _ = self.listener.accept()
        if isinstance(self.to, int):
            target = socket.create_connection(("127.0.0.1", self.to))
        else:
            target = socket.socket(socket.AF_UNIX)
            target.connect(self.to)
        self.ends = (source, target)
        for ends in (self.ends, self.ends[::-1]):
            thread = threading.Thread(target=self.pass_on, args=ends, daemon=True)
            self.threads.append(thread)
            thread.start()

    def pass_on(self, source, target):
        try:
            target.sendall(self.read(source, HEADER.size))
            while True:
                head = self.read(source, PACKET.size)
                kind, size, _, _ = PACKET.unpack(head)
                payload = self.read(source, size)
                phase = struct.unpack_from("<I", payload)[0] if kind == PHASE_END else None
                if self.met.is_set() and self.act == "freeze":
                    continue
                if (kind, phase) == self.at and not self.met.is_set():
                    if not self.meet(target, head, payload):
                        return
                    continue
                target.sendall(head + payload)
        except (OSError, EOFError):
            self.close(source, target)

    def meet(self, target, head, payload):
        if self.act == "flip":
            payload = bytes([payload[0] ^ 1]) + payload[1:]
        if self.act in ("flip", "cut-after"):
            target.sendall(head + payload)
        self.met.set()
        if self.act in ("cut", "cut-after"):
            self.close(*self.ends)
            return False
        if self.act == "stop":
            self.released.wait(PATIENCE)
            target.sendall(head + payload)
        return True

    def wait_met(self):
        if not self.met.wait(PATIENCE):
            bail(f"the packet {self.at} does not come")

    def go_on(self):
        self.released.set()

    @staticmethod
    def read(source, size):
        data = b""
        while len(data) < size:
            select.select([source], [], [])
            more = source.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    @staticmethod
    def close(*ends):
        for end in ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
