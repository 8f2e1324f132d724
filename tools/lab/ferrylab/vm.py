# SPDX-License-Identifier: GPL-2.0-only
"""One virtual machine: QEMU's command line, its process, and the three ports over which it talks to the lab.

A Machine is started by run.py from the main thread (QEMU dies with it) and followed by `follow`, which may run in a
thread of its own. It owns its process and its files; nothing here is shared between machines.
"""

import ctypes
import os
import re
import secrets
import selectors
import shlex
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from .base import CACHE, CHECKOUT, LAB_DIR, LabError, tail

NINE_P = "trans=virtio,version=9p2000.L,msize=512000,access=any"
# Cheaper to emulate than `max`, and enough for what Debian 12 runs; with what the kernel takes for a checksum on every host of
# such a NIC. ERMS, which those have as well, would have the kernel copy byte by byte, for emulation an instruction each.
EMULATED_CPU = "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt,+rdrand,+pclmulqdq"
HIDDEN_FOLDERS = ("/tmp", "/run", "/dev/shm")
BAR_WINDOW = "256M"
GRACE_AFTER_EXIT = 60
# From power-on to the first program of ours. Emulation now and then loses a timer of the VM's, and its kernel hangs.
BOOT_TIME = 120
MARKER_PATIENCE = 5
PR_SET_PDEATHSIG = 1
# Heeded by a QEMU that has them; what it leaks at its end is its own affair.
SANITIZERS = {"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1", "UBSAN_OPTIONS": "print_stacktrace=1:abort_on_error=1"}


@dataclass
class Plan:
    """All that defines a run, before it starts."""

    kernel: object
    driver: str
    qemu: Path
    firmware: Path
    initramfs: Path
    accelerator: str
    vfs: int
    memory: int
    cpus: int
    out: Path
    insmod: list = field(default_factory=list)
    vfio: str = ""          # a vfio.ko in place of the kernel's own
    command: list = field(default_factory=list)
    nic: list = field(default_factory=list)
    trace: Path = None
    counted: bool = False
    autoprobe: bool = False
    append: str = ""
    leaks: bool = False
    timeout: float = 300
    shell: bool = False
    self_address: str = ""
    peer_address: str = ""
    network: socket.socket = None
    port: str = ""          # what the NIC's port is connected to, as -netdev has it
    wire: socket.socket = None      # or the end of a wire to another VM's
    user_network: bool = False      # or to what this machine's network is for who is not root
    turns: list = field(default_factory=list)       # plans of the commands that take turns in this VM; see Machine.turn
    state: str = "echo"     # what tells of the PF between two of them


@dataclass
class Outcome:
    status: int = None
    failure: str = ""
    up: bool = False        # a program of ours runs
    hung: bool = False      # the kernel did not get that far, and is not dead
    boot_seconds: float = 0
    console: str = ""


class Machine:
    """A running VM."""

    def __init__(self, plan, stdout=None, stderr=None):
        """With turns: an outcome of its own for the boot, for each of them, and for the end."""
        self.plan = plan
        self._console = plan.out / "console.log"
        self._qemu_log = plan.out / "qemu.log"
        self._read = 0          # characters of the console that belong to earlier outcomes
        self._words = b""
        self._given_up = ""
        self._deadline = None
        self._network = None
        self._expect(plan, {} if plan.turns else {1: stdout, 2: stderr})
        self._start()

    def turn(self, number, stdout, stderr):
        """Starts one of the turns, when the one before is over. Its outcome is what `follow` returns then."""
        turn = self.plan.turns[number]
        self._expect(turn, {1: stdout, 2: stderr})
        self.outcome.up = True
        self._answer(f"next turn{number} {turn.out}")

    def dismiss(self):
        """No more turns: the end comes."""
        self._sinks = {}
        self.outcome = Outcome(up=True, status=0)
        self._ended = False
        self._answer("bye")

    def _expect(self, plan, sinks):
        self.outcome = Outcome()
        self._token = secrets.token_hex(8)
        self._sinks = {number: Stream(sink, self._token) for number, sink in sinks.items()}
        self._ended = False
        self._started = time.monotonic()
        self._write_settings(plan)

    def _answer(self, words):
        try:
            self._ports[3].sendall(f"{words}\n".encode())
        except OSError:
            pass                # the VM is dead, which `follow` will see

    def kill(self):
        if self._process.poll() is None:
            self._process.kill()

    def give_up(self, why):
        """Ends the run from outside, with a reason."""
        self._given_up = why
        self.kill()

    def release(self):
        """The run is over, for all machines of it: the VM has nothing more to do."""
        self.kill()
        self._process.wait()
        if self._network:
            self._network.kill()
            self._network.wait()
        for port in self._ports.values():
            port.close()

    def follow(self):
        """Copies output until the command has ended and the VM has said so, the VM has died, or time is up."""
        self._deadline = time.monotonic() + (self.plan.timeout if self.outcome.up else min(self.plan.timeout, BOOT_TIME))
        with selectors.DefaultSelector() as selector:
            for number, port in self._ports.items():
                selector.register(port, selectors.EVENT_READ, number)
            while not self._complete():
                left = self._deadline - time.monotonic()
                if left <= 0:
                    self._time_is_up()
                    break
                for key, _ in selector.select(min(left, 1.0)):
                    data = self._receive(key.fileobj)
                    if not data:
                        selector.unregister(key.fileobj)
                        continue
                    self._take(key.data, data)
                if self._process.poll() is not None and not selector.get_map():
                    self._died()
                    break
                if not selector.get_map():
                    self._process.wait()
        for sink in self._sinks.values():
            sink.close()
        text = self._read_console()
        self.outcome.console = text[self._read:]
        self._read = len(text)
        return self.outcome

    # Starting

    def _write_settings(self, plan):
        settings = {
            "LAB_KERNEL": plan.kernel.name, "LAB_DRIVER": plan.driver, "LAB_VFS": plan.vfs,
            "LAB_AUTOPROBE": int(plan.autoprobe), "LAB_MODULES": plan.kernel.modules.parents[2],
            "LAB_INSMOD": " ".join(map(str, plan.insmod)), "LAB_VFIO": plan.vfio,
            "LAB_CHECKOUT": CHECKOUT, "LAB_TOKEN": self._token,
            "LAB_LEAKS": "y" if plan.leaks else "", "LAB_SELF": plan.self_address, "LAB_PEER": plan.peer_address,
            "LAB_SHELL": terminal_size() if plan.shell else "", "LAB_TERM": os.environ.get("TERM", "dumb"),
            "LAB_TURNS": "y" if self.plan.turns else "", "LAB_STATE": self.plan.state,
        }
        text = "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in settings.items())
        (plan.out / "settings").write_text(text, encoding="utf-8")
        (plan.out / "command").write_text("exec " + shlex.join(plan.command) + "\n" if plan.command else "",
                                          encoding="utf-8")

    def _start(self):
        self._ports, theirs = {}, {}
        for number in (1, 2, 3):
            self._ports[number], theirs[number] = socket.socketpair()
        if self.plan.user_network:
            self.plan.wire, far_end = socket.socketpair()
            self._network = user_network(far_end)
            far_end.close()
        inherited = [*theirs.values(), *filter(None, (self.plan.network, self.plan.wire))]
        with open(self._qemu_log, "wb") as log:
            self._process = subprocess.Popen(
                [str(word) for word in self._command_line(theirs)],
                stdin=None if self.plan.shell else subprocess.DEVNULL,
                stdout=None if self.plan.shell else log, stderr=log, preexec_fn=die_with_parent,
                env={**os.environ, **SANITIZERS}, pass_fds=[end.fileno() for end in inherited], start_new_session=not self.plan.shell)
        for end in theirs.values():
            end.close()

    def _command_line(self, ports):
        plan = self.plan
        command = [plan.qemu, "-L", plan.firmware, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                   "-machine", "q35,kernel-irqchip=" + ("split" if plan.accelerator == "kvm" else "off"),
                   "-accel", plan.accelerator, "-cpu", "host" if plan.accelerator == "kvm" else EMULATED_CPU,
                   "-m", f"{plan.memory}M", "-smp", plan.cpus,
                   *(["-icount", "shift=0,sleep=off"] if plan.counted else []),
                   "-device", "intel-iommu,intremap=on,caching-mode=on",
                   "-kernel", plan.kernel.image, "-initrd", plan.initramfs, "-append", self._kernel_command_line(),
                   "-chardev", f"file,id=console,path={comma(self._console)}", "-serial", "chardev:console",
                   "-fsdev", "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap",
                   "-device", "virtio-9p-pci,fsdev=root,mount_tag=root",
                   "-fsdev", f"local,id=out,path={comma(plan.out)},security_model=none",
                   "-device", "virtio-9p-pci,fsdev=out,mount_tag=out",
                   "-device", "virtio-serial-pci,max_ports=4"]
        for number, turn in enumerate(plan.turns):
            command += ["-fsdev", f"local,id=turn{number},path={comma(turn.out)},security_model=none",
                        "-device", f"virtio-9p-pci,fsdev=turn{number},mount_tag=turn{number}"]
        if plan.shell:
            command += ["-chardev", "stdio,id=terminal,signal=off", "-device", "virtconsole,chardev=terminal,nr=0"]
        for number, port in ports.items():
            command += ["-chardev", f"socket,id=port{number},fd={port.fileno()}",
                        "-device", f"virtserialport,chardev=port{number},nr={number},name=lab.{number}"]
        if plan.network:
            command += ["-netdev", "id=net," + stream(plan.network),
                        "-device", f"virtio-net-pci,netdev=net,mac=52:54:00:07:00:{plan.self_address[-1]:0>2},romfile="]
        port = stream(plan.wire) if plan.wire else plan.port
        if port:
            command += ["-netdev", f"id=port,{port}"]
        command += ["-device", f"pcie-root-port,id=rp0,bus=pcie.0,chassis=1,slot=1,pref64-reserve={BAR_WINDOW}",
                    "-device", ",".join(["connectx7,bus=rp0,addr=0.0", *self._nic_properties()])]
        return command

    def _nic_properties(self):
        given = [f"{key}={comma(value)}" for key, value in self.plan.nic]
        if not any(key == "total-vfs" for key, _ in self.plan.nic):
            given.insert(0, f"total-vfs={max(8, self.plan.vfs)}")
        if self.plan.port or self.plan.wire:
            given.append("netdev=port")
        if self.plan.trace:
            given.append(f"trace={comma(self.plan.trace)}")
        return given

    def _kernel_command_line(self):
        # On a busy host the kernel's clocks and timers look broken (tsc, no_timer_check) and its CPUs stuck (rcupdate).
        # Leak tracking doubles the time of a boot. slab_debug keeps the debug kernel's allocator from caching pointers
        # to objects per CPU: such stale pointers hide leaks.
        leaks = "slab_debug=Z,kmalloc-*" if self.plan.leaks else "kmemleak=off"
        visible = [CHECKOUT, CACHE] + [Path(path) for plan in (self.plan, *self.plan.turns) for path in (plan.out, *plan.insmod)]
        keep = sorted({str(path) for path in visible if str(path).startswith(tuple(f"{f}/" for f in HIDDEN_FOLDERS))})
        return " ".join([
            "console=ttyS0 loglevel=7 panic=-1 intel_iommu=on iomem=relaxed mitigations=off",
            "random.trust_cpu=on rcupdate.rcu_cpu_stall_timeout=100 tsc=nowatchdog no_timer_check nokaslr", leaks,
            f"LAB_OUT={self.plan.out} LAB_GUEST={LAB_DIR / 'guest'} LAB_9P={NINE_P} LAB_KEEP={':'.join(keep)}",
            self.plan.append])

    # Following

    @staticmethod
    def _receive(port):
        try:
            return port.recv(65536)
        except ConnectionError:
            return b""

    def _take(self, number, data):
        if number != 3:
            self._sinks[number].feed(data)
            return
        self._words += data
        while b"\n" in self._words:
            line, self._words = self._words.split(b"\n", 1)
            self._hear(line.decode(errors="replace"))

    def _hear(self, line):
        word, _, rest = line.partition(" ")
        if word == "up":
            self.outcome.up = True
            self._deadline = self._started + self.plan.timeout
        elif word == "begin":
            self.outcome.boot_seconds = time.monotonic() - self._started
        elif word == "fail":
            self.outcome.failure = rest
            self._ended = True
        elif word == "exit":
            self.outcome.status = int(rest)
            self._deadline = max(self._deadline, time.monotonic() + GRACE_AFTER_EXIT)
        elif word in ("over", "done"):
            self._ended = True

    def _complete(self):
        """The VM has said its last word, or that of a turn, and both streams have ended (a shell has none)."""
        if not self._ended:
            return False
        return bool(self.outcome.failure) or self.plan.shell or all(sink.ended for sink in self._sinks.values())

    def _time_is_up(self):
        if not self.outcome.up:
            self.outcome.hung = True
            self.outcome.failure = f"the VM's kernel did not come up within {min(self.plan.timeout, BOOT_TIME):g} s"
            return
        doing = "its end checks" if self.outcome.status is not None else "the command" \
            if self.outcome.boot_seconds else "its boot"
        self.outcome.failure = f"the VM was stopped: {doing} did not end within --timeout {self.plan.timeout:g} s"

    def _died(self):
        if self.plan.shell and self._process.returncode == 0:
            self.outcome.status = 0
            return
        if self._given_up:
            self.outcome.failure = self._given_up
            return
        text = self._read_console()
        panic = re.search(r"Kernel panic - .*", text)
        if panic:
            self.outcome.failure = f"the VM's kernel died: {panic[0].strip()}"
        elif not text:
            self.outcome.failure = f"QEMU did not start: {self._last_words()}"
        elif self._process.returncode < 0:
            name = signal.Signals(-self._process.returncode).name
            self.outcome.failure = f"QEMU was killed by {name} while the VM ran: {self._last_words()}"
        elif self._process.returncode:
            self.outcome.failure = f"QEMU ended with status {self._process.returncode}: {self._last_words()}"
        else:
            self.outcome.failure = "the VM went down before the command ended"

    def _last_words(self):
        text = self._qemu_log.read_text(encoding="utf-8", errors="replace")
        found = re.search(r"SUMMARY: (\w+Sanitizer: .*)", text)
        if found:
            return f"{found[1]} (all of it: {self._qemu_log})"
        return tail(self._qemu_log, 1).replace("qemu-system-x86_64: ", "") or "it said nothing"

    def _read_console(self):
        """The console; after a normal end, once its last line has come through."""
        patience = time.monotonic() + MARKER_PATIENCE
        while True:
            try:
                text = self._console.read_text(encoding="utf-8", errors="replace")
            except FileNotFoundError:
                return ""
            if not self._ended or re.search(f"lab: (end|over) {self._token}", text[self._read:]) or time.monotonic() > patience:
                return text
            time.sleep(0.02)


class Stream:
    """Passes bytes on to a sink as they come, up to the token that ends them."""

    def __init__(self, sink, token):
        self._sink = sink
        self._end = b"\0" + token.encode()
        self._held = b""
        self.ended = False

    def feed(self, data):
        data = self._held + data
        self._held = b""
        cut = data.find(self._end)
        if cut >= 0:
            self.ended = True
            data = data[:cut]
        else:
            start = data.rfind(b"\0", max(0, len(data) - len(self._end)))
            if start >= 0 and self._end.startswith(data[start:]):
                data, self._held = data[:start], data[start:]
        self._sink.write(data)

    def close(self):
        self._sink.write(self._held)
        self._sink.close()


class PlainSink:
    def __init__(self, stream):
        self._stream = stream.buffer

    def write(self, data):
        self._stream.write(data)
        self._stream.flush()

    def close(self):
        pass


class PrefixedSink:
    """Whole lines, each with a prefix, so that the output of two VMs can be told apart."""

    def __init__(self, stream, prefix):
        self._stream = stream.buffer
        self._prefix = prefix.encode()
        self._held = b""

    def write(self, data):
        *lines, self._held = (self._held + data).split(b"\n")
        self._stream.write(b"".join(self._prefix + line + b"\n" for line in lines))
        self._stream.flush()

    def close(self):
        if self._held:
            self.write(b"\n")


def stream(end):
    """One end of a pair of sockets, as -netdev has it."""
    return f"type=stream,server=off,addr.type=fd,addr.str={end.fileno()}"


def user_network(wire):
    """At the end of a wire, what a QEMU gives a VM of this machine's network. The lab's own QEMU is built without that; Debian's,
    which the tests need anyway, has it, and wants no machine for it."""
    return subprocess.Popen(["qemu-system-x86_64", "-machine", "none", "-nodefaults", "-display", "none", "-netdev", "user,id=user",
                             "-netdev", f"id=wire,{stream(wire)}", "-netdev", "hubport,id=a,hubid=0,netdev=user",
                             "-netdev", "hubport,id=b,hubid=0,netdev=wire"],
                            stdin=subprocess.DEVNULL, preexec_fn=die_with_parent, pass_fds=[wire.fileno()])


def comma(value):
    """QEMU's options are separated by commas; one inside a value is doubled."""
    return str(value).replace(",", ",,")


def terminal_size():
    size = os.get_terminal_size(sys.stdin.fileno())
    return f"rows {size.lines or 24} cols {size.columns or 80}"


def die_with_parent():
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def check_paths(*paths):
    """Folders end up in a kernel command line, which knows no quoting that an init would understand."""
    for path in paths:
        if re.search(r"[\s:\"'\\]", str(path)):
            raise LabError(f"the path {path} holds a space, colon, quote or backslash, which the VM's kernel cannot "
                           "be told; move it, or choose another with --out or VFIO_FERRY_CACHE")
