# SPDX-License-Identifier: GPL-2.0-or-later
"""A Linux guest with its connections, which moves from one QEMU to the next and back, as `make demo-guest` shows and `life`
tries in more ways. Its peer is the host, by the PF's netdev.
"""

import contextlib
import glob
import json
import os
import signal
import subprocess
import time

from linux import Linux, kind
from vmm import check, until

WORK = "/tmp/guest"
PORT = 5001
MIGRATION_PATIENCE = 600
ENDS = ("completed", "failed", "cancelled")
BEFORE, AFTER = 5, 20           # seconds of traffic; an emulator has to translate all of its guest anew
SLACK = 0.2                     # seconds from a packet to the next, and between a state's change and the line that says so
PKI = f"{WORK}/pki"


def addresses(nic):
    """Of the guest's NIC with that number: IPv4 and IPv6 of the host, the same of the guest, without and with the prefix."""
    return [f"10.9.{nic}.1", f"fd09:{nic}::1", f"10.9.{nic}.2/24", f"fd09:{nic}::2/64"]


def state_of(vf):
    """When a VF of a QEMU's came into a state, and which."""
    return rf"@([\d.]+):vfio_migration_set_state +\({vf}\) new state (\w+)"


def netdev_of(pf):
    return os.path.basename(glob.glob(f"/sys/bus/pci/devices/{pf}/net/*")[0])


def stats_of(vf):
    """What the driver counts (Documentation/debugfs.rst)."""
    with open(f"/sys/kernel/debug/vfio_ferry/{vf}/stats", encoding="ascii") as file:
        return {name: int(value) for name, value in map(str.split, file) if value.isdigit()}


def in_words(seen):
    """What came to one side, as rows of a report."""
    return [f"  TCP                    {seen['tcp']['count']} bytes, {seen['wrong']} wrong, longest silence "
            f"{seen['tcp']['gap'] * 1000:.0f} ms",
            f"  UDP                    {seen['udp']['count']} packets, {seen['lost']} lost, {seen['again']} twice, "
            f"{seen['late']} out of order, longest silence {seen['udp']['gap'] * 1000:.0f} ms"]


def points(checks):
    """As test points; whether all are so."""
    for number, (text, good) in enumerate(checks.items(), 1):
        print(f"{'ok' if good else 'not ok'} {number} - {text}")
    print(f"1..{len(checks)}", flush=True)
    return all(checks.values())


def make_certificates(server, client):
    """For these addresses, named as QEMU finds them in PKI."""
    subprocess.run(["tools/lab/demo/certificates", PKI, f"server={server}", f"client={client}"], check=True)
    for name, theirs in [("ca.pem", "ca-cert.pem")] + [(f"{end}.{kind}", f"{end}-{long}.pem")
            for end in ("server", "client") for kind, long in (("pem", "cert"), ("key", "key"))]:
        os.symlink(name, f"{PKI}/{theirs}")


def show_certificate(vmm, end):
    """It asks for that of the other end, too."""
    vmm.ask("object-add", **{"qom-type": "tls-creds-x509", "id": end, "dir": PKI, "endpoint": end, "verify-peer": True})
    vmm.ask("migrate-set-parameters", **{"tls-creds": end})


class Flow:
    """A stream and numbered packets, both ways, between the host and one of the guest's NICs (demo/flow.c)."""

    def __init__(self, program, nic, address, port=None, period=""):
        self.program = program
        self.period = period    # ms from one packet of the guest's to the next
        self.port = str(port or PORT + nic)
        self.nic = nic
        self.address = address
        self.file = f"{WORK}/flow-{self.port}"
        self.silence = {}       # the longest, of the stream, at each side, since somebody emptied this

    def begin(self, vmm):
        """Both ends can be asked when this returns."""
        self._forget()
        self.peer = subprocess.Popen([self.program, "receive", self.port, self.file], stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
        self._wait()
        there = self._there()
        self.pid = vmm.run(f"rm -f {there}; /bin/flow send {self.address} {self.port} {there} {self.period} >{there}.said 2>&1 & "
                           "echo $!")[0]
        vmm.run(self._until_there())

    def end(self):
        """What came to the host in all."""
        self.peer.send_signal(signal.SIGTERM)
        check(self.peer.wait(30) == 0, "the peer failed")
        return self._read()

    def here(self):
        """What came to the host; its longest silence is that since it was asked the last time."""
        self._forget()
        self.peer.send_signal(signal.SIGUSR1)
        self._wait()
        return self._noted("host", self._read())

    def there(self, vmm):
        """The same of what came to the guest."""
        file = self._there()
        said = vmm.run(f"rm -f {file}; kill -USR1 {self.pid} && {self._until_there()}; cat {file} {file}.said")
        text = "".join(said)
        seen, end = json.JSONDecoder().raw_decode(text)
        check(not text[end:], f"the guest's side of the connection: {text[end:]}")
        return self._noted("guest", seen)

    def _there(self):
        return f"/tmp/flow-{self.port}"

    def _until_there(self):
        """While the one that is to write it lives."""
        return f"until [ -e {self._there()} ]; do kill -0 {self.pid} || break; sleep 0.05; done"

    def _forget(self):
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.file)

    def _wait(self):
        until("the peer says what it saw", lambda: os.path.exists(self.file))

    def _noted(self, side, seen):
        self.silence[side] = max(seen["tcp"]["gap"], self.silence.get(side, 0))
        return seen

    def _read(self):
        with open(self.file, encoding="utf-8") as file:
            return json.load(file)


class Journey:
    """The guest is at one of PLACES, which are VFs, TOGETHER of them for each guest; HOST is the QEMU that runs it."""

    def __init__(self, folder, pf, vfs, together=1):
        self.kind = kind(folder)
        self.initramfs = f"{folder}/guest.cpio"
        self.program = f"{folder}/flow"
        self.pf = pf
        self.places = [vfs[i:i + together] for i in range(0, len(vfs), together)]
        self.vmms = []
        self.states_elsewhere = []      # of QEMUs on another host: when, by the clock here, and which
        self.host = None
        self.netdevs = []
        self.moves = []

    # The host's side

    def peer(self):
        netdev = netdev_of(self.pf)
        commands = [f"link set {netdev} up"]
        for nic in range(len(self.places[0])):
            four, six, _, _ = addresses(nic)
            commands += [f"addr add {four}/24 dev {netdev}", f"addr add {six}/64 dev {netdev} nodad"]
        for words in commands:
            subprocess.run(["ip", *words.split()], check=True)

    def start(self, place, incoming=False):
        vfs = self.places[place]
        name = f"{len(self.vmms)}-vf{vfs[0][-1]}-{'target' if incoming else 'source'}"
        vmm = Linux(self.kind, name, vfs, WORK, self.initramfs, incoming)
        self.vmms.append(vmm)
        return vmm

    def elsewhere(self):
        return (self.places.index(self.host.vfs) + 1) % len(self.places)

    # The guest's side

    def use_nics(self):
        """Addresses and carriers for what its drivers made."""
        self.netdevs = sorted(name for name in self.host.run("ls /sys/class/net") if name != "lo")
        check(len(self.netdevs) == len(self.places[0]), f"the guest has the netdevs {self.netdevs}: "
                                                        f"{self.host.run('dmesg | tail -5')}")
        for nic, netdev in enumerate(self.netdevs):
            peer, _, four, six = addresses(nic)
            self.host.run(f"ip addr add {four} dev {netdev}; echo 0 >/proc/sys/net/ipv6/conf/{netdev}/accept_dad; "
                          f"ip link set {netdev} up; ip -6 addr add {six} dev {netdev}")
            until("the guest's link", lambda: self.host.run(f"cat /sys/class/net/{netdev}/carrier") == ["1"])
            self.host.run(f"ping -c 3 -W 10 {peer}")

    def functions(self):
        """Its NICs, as its PCI has them."""
        return [self.host.run(f"basename $(readlink -f /sys/class/net/{netdev}/device)")[0] for netdev in self.netdevs]

    # A migration

    def begin_move(self, capabilities=(), uri=None, via=None, prepare=None, **parameters):
        """To another place, with default options but for these; VIA another socket than the target's; PREPARE is told of the
        target before it listens. Gives the target."""
        target = self.start(self.elsewhere(), incoming=True)
        if capabilities:
            for vmm in (self.host, target):
                vmm.allow(*capabilities)
        if parameters:
            self.host.ask("migrate-set-parameters", **{name.replace("_", "-"): value for name, value in parameters.items()})
        if prepare:
            prepare(target)
        uri = uri or f"unix:{WORK}/{target.name}"
        target.ask("migrate-incoming", uri=uri)
        self.stats = {vmm: stats_of(vmm.vf) for vmm in (self.host, target)}
        self.began = time.monotonic()
        self.host.ask("migrate", uri=via or uri)
        return target

    def until_end(self, *wanted, progress=lambda status: None):
        """It ends, and in no other way than this."""
        while (status := self.host.ask("query-migrate"))["status"] not in ENDS:
            check(time.monotonic() - self.began < MIGRATION_PATIENCE, "the migration does not end")
            progress(status)
            time.sleep(0.2)
        check(status["status"] in wanted, f"the migration is {status['status']}, and not {wanted[0]}: {status.get('error-desc')}")
        return status

    def end_move(self, target, progress=lambda status: None, arrived="running"):
        """The guest is at the target, which is the host from now on."""
        status = self.until_end("completed", progress=progress)
        until(f"the target is {arrived}", lambda: target.run_state() == arrived)
        seconds = time.monotonic() - self.began
        self.moves.append(self.facts(status, target, seconds))
        source, self.host = self.host, target
        source.quit()

    def facts(self, status, target, seconds):
        source = self.host
        went = source.traced(state_of(source.vf))
        saving = max(number for number, (_, state) in enumerate(went) if state == "STOP_COPY")
        facts = {"from": source.vf, "to": target.vf, "seconds": round(seconds, 1), "rounds": status["ram"]["dirty-sync-count"],
                 "ram": status["ram"]["transferred"], "device": status.get("vfio", {}).get("transferred", 0),
                 "downtime": status["downtime"], "set_up": status["setup-time"]}
        for vmm in (source, target):
            now = stats_of(vmm.vf)
            facts["source" if vmm is source else "target"] = {
                name: value if name.startswith("window") else round((value - self.stats[vmm][name]) / 1e6, 3)
                for name, value in now.items() if name.startswith(("ns_", "window"))}
        stopped = [at for at, state in went[:saving] if state in ("PRE_COPY_P2P", "RUNNING_P2P")]
        runs = [at for at, state in target.traced(state_of(target.vf)) if state == "RUNNING"]
        if stopped and runs:
            facts.update(stopped=float(stopped[-1]), runs=float(runs[-1]))
        return facts

    # What a migration costs

    def stood_still(self, flow, side, loss):
        """The VF did when what was lost was on its way: between the packets that were not. Those to the guest have the time
        when they were sent from the host, whose clock goes on."""
        before, behind = loss["sent" if side == "guest" else "came"]
        return any(stopped - SLACK <= before and behind <= runs + SLACK for stopped, runs in self.standstills(flow.nic))

    def standstills(self, nic):
        """When the guest's VF stood still: from P2P on, until one runs, there or here."""
        events = sorted([(float(at), state) for vmm in self.vmms for at, state in vmm.traced(state_of(vmm.vfs[nic]))] +
                        self.states_elsewhere)
        found, since = [], None
        for at, state in events:
            if state.endswith("_P2P"):
                since = since or at
            elif state in ("RUNNING", "PRE_COPY") and since:
                found.append((since, at))
                since = None
        return found
