# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of the administrator's commands share: TAP, the tool, sysfs, a process that holds a VF, a devlink.

In the VM, in the checkout, as root.
"""

import json
import os
import shutil
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
RELEASE = os.uname().release
MODULES = [os.path.abspath(f"build/modules/{os.environ.get('LAB_KERNEL', '')}/{name}.ko") for name in ("vfio_ferry", DRIVER)]
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


def prepare_modprobe(folder):
    """A tree of modules with ferry's among them, as DKMS leaves it, and a modprobe that uses it."""
    tree = f"{folder}/lib/modules/{RELEASE}"
    shown = shell("modprobe --show-depends -a vfio_pci vfio_iommu_type1 mlx5_core libcrc32c").stdout
    for path in shown.split("insmod "):
        path = path.strip()
        if path:
            place = f"{tree}/kernel/{os.path.basename(path)}"
            os.makedirs(os.path.dirname(place), exist_ok=True)
            shutil.copy(path, place)
    os.makedirs(f"{tree}/updates")
    for module in MODULES:
        shutil.copy(module, f"{tree}/updates")
    shell(f"touch {tree}/modules.order {tree}/modules.builtin && depmod -b {folder}")
    with open(f"{folder}/modprobe", "w", encoding="ascii") as file:
        file.write(f'#!/bin/sh\nexec /sbin/modprobe -d {folder} "$@"\n')
    os.chmod(f"{folder}/modprobe", 0o755)
    write("/proc/sys/kernel/modprobe", f"{folder}/modprobe")


def install():
    """The tool and its unit where `make install` puts them, and an /etc that can be written to."""
    shell("cp -a /etc /tmp/etc && mount --bind /tmp/etc /etc && mount -t tmpfs none /usr/local")
    done = shell(f"make -s -o all -C tools/ferry O={os.path.dirname(FERRY)} install")
    if done.returncode:
        bail(f"make install: {said(done)}")


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


class Devlink:
    """In place of devlink(8): the model has no switch. It knows ports of VFs, and whether each is migratable.

    PORTS: the addresses of VFs, each with its `enable` or `disable`; a VF's number is its place. What it was told is in
    said(). `refuses`: it says no to every order. As the real one it has ports in switchdev mode alone, changes the mode
    only where there are no VFs, and a port's function only where no driver has it.
    """

    FOLDER = "/tmp/devlink"
    SCRIPT = """#!/usr/bin/python3
import json, os, sys
folder, words = "/tmp/devlink", [w for w in sys.argv[1:] if w not in ("-j", "-p")]
state = json.load(open(folder + "/state"))
if words[:2] == ["port", "show"]:
    print(json.dumps({"port": {name: {"flavour": "pcivf", "pfnum": 0, "vfnum": number, "function": {"migratable": value,
                                                                                                "hw_addr": f"0c:42:a1:00:00:{number:02x}"}}
                               for number, (name, value) in enumerate(state["ports"].items())
                               if state["mode"] == "switchdev" and os.path.exists(f"{state['pf']}/virtfn{number}")}}))
elif words[:3] == ["dev", "eswitch", "show"]:
    print(json.dumps({"dev": {words[3]: {"mode": state["mode"]}}}))
elif words[:3] == ["port", "function", "set"] or words[:3] == ["dev", "eswitch", "set"]:
    with open(folder + "/said", "a") as file:
        print(*words, file=file)
    number = int(words[3].rsplit("/", 1)[1]) - 1 if words[0] == "port" else 0
    if state["refuses"] or os.path.exists(f"{state['pf']}/virtfn{number}/driver" if words[0] == "port" else f"{state['pf']}/virtfn0"):
        sys.exit(1)
    if words[0] == "port":
        state["ports"][words[3]] = words[5]
    else:
        state["mode"] = words[5]
    json.dump(state, open(folder + "/state", "w"))
elif words[:2] == ["health", "show"]:
    print(json.dumps({"health": {}}))
elif words[:2] == ["dev", "info"]:
    print(json.dumps({"info": {words[2]: {"driver": "mlx5_core", "serial_number": "MT2143X01234",
                                          "board.serial_number": "MT2143X01235",
                                          "versions": {"fixed": {"fw.psid": "MT_0000000838"},
                                                       "running": {"fw.version": "28.43.1014"}}}}}))
else:
    sys.exit(1)
"""

    def __init__(self, ports, mode="legacy", refuses=False):
        self.ports = {f"pci/{PF}/{1 + number}": ports[vf] for number, vf in enumerate(ports)}
        self.mode, self.refuses = mode, refuses

    def __enter__(self):
        os.makedirs(self.FOLDER)
        write(f"{self.FOLDER}/said", "")
        with open(f"{self.FOLDER}/state", "w", encoding="ascii") as file:
            json.dump({"pf": f"{DEVICES}/{PF}", "ports": self.ports, "mode": self.mode, "refuses": self.refuses}, file)
        write(f"{self.FOLDER}/devlink", self.SCRIPT)
        os.chmod(f"{self.FOLDER}/devlink", 0o755)
        shell(f"mount --bind {self.FOLDER}/devlink /usr/sbin/devlink")
        return self

    def __exit__(self, *_):
        shell(f"umount /usr/sbin/devlink; rm -r {self.FOLDER}")

    def said(self):
        """Its orders since the last look."""
        lines = read(f"{self.FOLDER}/said").splitlines()
        write(f"{self.FOLDER}/said", "")
        return lines

    def migratable(self, number):
        with open(f"{self.FOLDER}/state", encoding="ascii") as file:
            return json.load(file)["ports"][f"pci/{PF}/{1 + number}"]
