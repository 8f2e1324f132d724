# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of `ferry list`, `doctor`, `bind` and `unbind` share: TAP, the tool, sysfs, a process that holds a VF.

In the VM, in the checkout, as root.
"""

import json
import os
import socket
import subprocess
import sys
import time

# FERRY_TOOL names another build of the tool, for example a broken one.
FERRY = os.path.abspath(os.environ.get("FERRY_TOOL", "build/ferry/ferry"))
HOLDER = os.path.abspath("build/tests/holder")
CONTROL = os.path.abspath("build/tests/control")
DEVICES = "/sys/bus/pci/devices"
DRIVER = "mlx5_ferry_vfio_pci"
PF = os.environ.get("FERRY_PF", "")
VFS = os.environ.get("FERRY_VFS", "").split()
LIMIT = 120                     # seconds that anything may take

# `ferry` is on the PATH, as the commands that doctor prints want it.
os.environ["PATH"] = os.path.dirname(FERRY) + ":" + os.environ["PATH"]


class Tap:
    def __init__(self):
        self.points = self.failures = 0

    def ok(self, good, text, why=""):
        self.points += 1
        print(f"{'ok' if good else 'not ok'} {self.points} - {text}")
        if not good:
            self.failures += 1
            for line in str(why).splitlines()[:40]:
                print(f"# {line}")
        sys.stdout.flush()
        return good

    def equal(self, got, wanted, text):
        return self.ok(got == wanted, text, f"{got!r}, not {wanted!r}")

    def end(self):
        print(f"1..{self.points}")
        sys.exit(1 if self.failures or not self.points else 0)


tap = Tap()


def bail(text):
    print(f"Bail out! {text}")
    sys.exit(2)


def ferry(*arguments, **options):
    """How it ended, with .returncode, .stdout and .stderr."""
    return subprocess.run([FERRY, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                          timeout=LIMIT, **options)


def ferry_json(*arguments):
    done = ferry(*arguments, "--json")
    return json.loads(done.stdout)


def shell(command, **options):
    return subprocess.run(["sh", "-ec", command], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                          timeout=LIMIT, **options)


def said(done):
    return f"status {done.returncode}\n{done.stdout}{done.stderr}"


def refuses(status, words, *arguments, **options):
    """It ends with that status and one clear line with these words; argp adds where to get help."""
    done = ferry(*arguments, **options)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("Try `ferry ")]
    good = done.returncode == status and len(lines) == 1 and lines[0].startswith(f"ferry {arguments[0]}: ") and \
        all(word in lines[0] for word in words) and not done.stdout
    tap.ok(good, f"ferry {' '.join(arguments)}: {status}, '{' ... '.join(words)}'", said(done))


def read(path):
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read().strip()


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def exists(address):
    return os.path.exists(f"{DEVICES}/{address}")


def driver_of(address):
    try:
        return os.path.basename(os.readlink(f"{DEVICES}/{address}/driver"))
    except OSError:
        return None


def override_of(address):
    text = read(f"{DEVICES}/{address}/driver_override")
    return None if text == "(null)" else text


def binding(address):
    return driver_of(address), override_of(address)


def group_of(address):
    return os.path.basename(os.readlink(f"{DEVICES}/{address}/iommu_group"))


def release(address):
    """By hand: no driver, no override."""
    if driver_of(address):
        write(f"{DEVICES}/{address}/driver/unbind", address)
    write(f"{DEVICES}/{address}/driver_override", "\n")


def give(address, driver):
    """By hand, with or without the driver's consent."""
    release(address)
    write(f"{DEVICES}/{address}/driver_override", driver)
    write("/sys/bus/pci/drivers_probe", address)


def within(seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


class Holder:
    """A process that has a VF open, as a VMM would."""

    def __init__(self, address):
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(LIMIT)
        self.process = subprocess.Popen([HOLDER, address, str(theirs.fileno())], pass_fds=[theirs.fileno()])
        theirs.close()
        if self.socket.recv(64) != b"ready":
            bail(f"the holder does not open {address}")

    def ask(self, command):
        self.socket.send(command.encode())
        return self.socket.recv(4096).decode()

    def end(self):
        self.socket.close()
        self.process.wait(LIMIT)
