# SPDX-License-Identifier: GPL-2.0-only
"""`lab run`, `lab pair` and `lab shell`: from options to plans, from outcomes to a verdict.

The verdict, in this order: the VM failed (FAILED), the kernel reported what nobody announced or did not report what
was announced (SPLAT), else the command's own exit status.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from . import kernels, modules, packages, splats
from .accelerator import accelerator
from .base import BUILD, CACHE, CHECKOUT, LabError, duration, say
from .initramfs import initramfs
from .qemu import Qemu
from .vm import BOOT_TIME, Machine, Outcome, Plan, PlainSink, PrefixedSink, check_paths, comma

SPLAT = 70
FAILED = 71
MAX_VFS = 64
MEMORY, MEMORY_DEBUGGING = 1024, 2048
KEPT_RUNS = 40
CONSOLE_TAIL = 40
LAB_OUT = BUILD / "lab-out"
ADDRESSES = ("10.7.0.1", "10.7.0.2")
PARTNER_PATIENCE = 30
USER = ("user", "")             # --port
ACCEPTS = 0x10000               # __SO_ACCEPTCON, in /proc/net/unix


def run(options):
    plan = plan_of(options, out_folder(options.out), options.command)
    outcome = follow_one(plan)
    if outcome.hung and plan.timeout > BOOT_TIME:
        # Nothing of the run has begun: not a module of ours, not the command.
        say(f"{outcome.failure}; starting it once more")
        outcome = follow_one(plan)
    return verdict(plan, outcome, options)


def follow_one(plan):
    machine = Machine(plan, PlainSink(sys.stdout), PlainSink(sys.stderr))
    try:
        return machine.follow()
    finally:
        machine.release()


def turns(options):
    """Commands take turns in one VM, until one fails. What each said is in its own log and folder; here there is a line for
    each that ended, `turn N: status S, T s`, and one for the end of the VM, `end: status S`."""
    with open(options.file, encoding="utf-8") as file:
        entries = json.load(file)
    logs = [entry.pop("log") for entry in entries]
    boot = plan_of(argparse.Namespace(**{**vars(options), "driver": "none"}), out_folder(options.out), [])
    boot.state = options.state
    for entry in entries:
        own = argparse.Namespace(**{**vars(options), **entry})
        boot.turns.append(plan_of(own, out_folder(own.out), own.command))
    status, outcome = take_turns(boot, logs, options)
    if outcome.hung:
        say(f"{outcome.failure}; starting it once more")
        status, _ = take_turns(boot, logs, options)
    return status


def take_turns(boot, logs, options):
    machine = Machine(boot)
    status = 0
    try:
        outcome = machine.follow()
        for number, log in enumerate(logs):
            if status or outcome.failure:
                break
            began = time.monotonic()
            status, outcome = take_turn(machine, number, log, options)
            print(f"turn {number}: status {status}, {time.monotonic() - began:.1f} s", flush=True)
        if not outcome.failure:
            machine.dismiss()
            outcome = machine.follow()
            end = verdict(boot, outcome, options)
            print(f"end: status {end}", flush=True)
            status = status or end
        elif not status:
            status = verdict(boot, outcome, options)
    finally:
        machine.release()
    return status, outcome


def take_turn(machine, number, log, options):
    turn = machine.plan.turns[number]
    with open(log, "a", encoding="utf-8") as file, contextlib.redirect_stderr(file):
        machine.turn(number, PlainSink(file), PlainSink(file))
        outcome = machine.follow()
        (turn.out / "console.log").write_text(outcome.console, encoding="utf-8")
        return verdict(turn, outcome, options), outcome


def shell(options):
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise LabError("`lab shell` needs a terminal; use `lab run -- COMMAND...` in scripts")
    options.command = []
    options.timeout = options.timeout or float("inf")
    plan = plan_of(options, out_folder(options.out), [])
    plan.shell = True
    say(f"a prompt comes in a few seconds; leave it with `exit`. Files for the host: {plan.out} ($LAB_OUT)")
    terminal = subprocess.run(["stty", "-g"], capture_output=True, text=True, check=False).stdout.strip()
    try:
        outcome = follow_one(plan)
    finally:
        subprocess.run(["stty", terminal], check=False)
    return verdict(plan, outcome, options)


def pair(options):
    commands = split_commands(options.command)
    out = out_folder(options.out)
    ends, wire = socket.socketpair(), socket.socketpair() if ethernet(options) else None
    plans, machines, outcomes = [], [], [Outcome(), Outcome()]
    for number, name in enumerate("ab"):
        folder = out / name
        folder.mkdir(exist_ok=True)
        plan = plan_of(options, folder, commands[number])
        plan.network = ends[number]
        if wire:
            plan.wire = wire[number]
            plan.nic = [("mac", f"02:c7:00:00:{number + 1:02x}:00"), *plan.nic]
        plan.self_address, plan.peer_address = ADDRESSES[number], ADDRESSES[1 - number]
        if options.trace:
            plan.trace = plan.trace.with_name(f"{name}-{plan.trace.name}")
        plans.append(plan)
    try:
        for name, plan in zip("ab", plans):
            machines.append(Machine(plan, PrefixedSink(sys.stdout, f"{name}: "), PrefixedSink(sys.stderr, f"{name}: ")))
        follow_both(machines, outcomes)
    finally:
        for machine in machines:
            machine.release()
    statuses = [verdict(plan, outcome, options, f"{name}: ") for name, plan, outcome in zip("ab", plans, outcomes)]
    return next((status for status in statuses if status), 0)


def follow_both(machines, outcomes):
    """Each is followed in a thread. When one has failed, the other is not waited for without end."""
    def follow(number):
        outcomes[number] = machines[number].follow()

    threads = [threading.Thread(target=follow, args=(number,), daemon=True) for number in (0, 1)]
    for thread in threads:
        thread.start()
    deadline = None
    while any(thread.is_alive() for thread in threads):
        for thread in threads:
            thread.join(0.05)
        failed = [number for number in (0, 1) if not threads[number].is_alive()
                  and (outcomes[number].failure or outcomes[number].status)]
        if failed and deadline is None:
            deadline = time.monotonic() + PARTNER_PATIENCE
        if deadline and time.monotonic() > deadline:
            other = 1 - failed[0]
            if threads[other].is_alive():
                machines[other].give_up(f"{'ab'[failed[0]]} failed {PARTNER_PATIENCE} s before, and this VM still ran")
            deadline = None if not threads[other].is_alive() else time.monotonic() + PARTNER_PATIENCE


def split_commands(words):
    if "--" not in words:
        return words, words
    cut = words.index("--")
    if not words[:cut] or not words[cut + 1:]:
        raise LabError("`lab pair` wants `-- COMMAND_A... -- COMMAND_B...`, or one command for both")
    return words[:cut], words[cut + 1:]


# Planning

def plan_of(options, out, command):
    check_options(options, command)
    kernel = kernels.installed(options.kernel)
    qemu = Qemu(packages.Archive()).existing()
    binary = qemu.binary(options.sanitize)
    trace = Path(options.trace).absolute() if options.trace else None
    check_paths(CHECKOUT, CACHE, out)
    return Plan(kernel=kernel, driver=options.driver, qemu=binary, firmware=qemu.firmware(),
                initramfs=initramfs(kernel), counted=options.counted,
                accelerator="tcg" if options.counted else accelerator(binary, qemu.firmware(), kernel),
                vfs=options.vfs, memory=options.mem or (MEMORY_DEBUGGING if kernel.debugging else MEMORY),
                cpus=options.smp, out=out,
                insmod=modules.to_insert(options.driver.split(","), kernel, options.logging),
                vfio=modules.logging_vfio(kernel) if options.logging else "",
                command=command, nic=options.nic, port=netdev(options.port), user_network=options.port == USER, trace=trace, autoprobe=options.autoprobe,
                leaks=kernel.debugging and not options.no_leak_scan,
                append=options.append, timeout=options.timeout or 300)


def drivers(text):
    """The value of --driver: one name, or several for the VFs in turn."""
    names = text.split(",")
    for name in names:
        if name not in modules.DRIVERS:
            raise argparse.ArgumentTypeError(f"'{name}' is none of {', '.join(modules.DRIVERS)}")
    if "none" in names and len(names) > 1:
        raise argparse.ArgumentTypeError("'none' goes with no other driver")
    return text


def check_options(options, command):
    if not command and options.action in ("run", "pair"):
        raise LabError(f"no command given: lab {options.action} [options] -- COMMAND...")
    if not 0 <= options.vfs <= MAX_VFS:
        raise LabError(f"--vfs {options.vfs}: the model has 0 to {MAX_VFS} VFs")
    if options.port and not ethernet(options):
        raise LabError("--port goes with --nic ethernet=on: another NIC passes no frames")
    if options.port and options.action == "pair":
        raise LabError("--port: the ports of a pair lead to one another")
    if options.smp < 1:
        raise LabError(f"--smp {options.smp}: a VM needs a CPU")
    if options.counted and options.smp != 1:
        raise LabError("--counted goes with --smp 1: the clock counts the instructions of all CPUs together")
    if options.mem and options.mem < 256:
        raise LabError(f"--mem {options.mem}: less than 256 MiB does not boot")
    if options.trace and not Path(options.trace).absolute().parent.is_dir():
        raise LabError(f"--trace {options.trace}: its folder does not exist")


def ethernet(options):
    return dict(options.nic).get("ethernet") == "on"


def port(text):
    """The value of --port: user, socket=PATH or tap=NAME."""
    kind, _, name = text.partition("=")
    if text != "user" and (kind not in ("socket", "tap") or not name):
        raise argparse.ArgumentTypeError(f"{text} is neither user nor socket=PATH nor tap=NAME")
    return kind, name


def netdev(given):
    """What the port leads to, as -netdev has it. Of two VMs with the same socket the first one listens."""
    if not given or given == USER:
        return ""
    kind, name = given
    if kind == "tap":
        return f"type=tap,ifname={comma(name)},script=no,downscript=no"
    path = Path(name).absolute()
    return f"type=stream,server={'off' if listening(path) else 'on'},addr.type=unix,addr.path={comma(path)}"


def listening(path):
    """Without connecting: whoever listens there takes one connection."""
    sockets = [line.split() for line in Path("/proc/net/unix").read_text(encoding="utf-8").splitlines()[1:]]
    return any(words[-1] == str(path) and int(words[3], 16) & ACCEPTS for words in sockets)


def nic_property(text):
    key, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[\w-]+", key):
        raise argparse.ArgumentTypeError(f"{text} is not of the form KEY=VALUE")
    return key, value


def out_folder(given):
    """A folder of its own for each run; of those that the lab named, the newest are kept."""
    if given:
        path = Path(given).absolute()
        path.mkdir(parents=True, exist_ok=True)
        return path
    LAB_OUT.mkdir(parents=True, exist_ok=True)
    path = LAB_OUT / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    path.mkdir()
    for old in sorted(p for p in LAB_OUT.iterdir() if re.fullmatch(r"\d{8}-\d{6}-\d+", p.name))[:-KEPT_RUNS]:
        if not _alive(int(old.name.rsplit("-", 1)[1])):
            shutil.rmtree(old, ignore_errors=True)
    return path


def _alive(pid):
    return Path(f"/proc/{pid}").exists()


# Judging

def verdict(plan, outcome, options, prefix=""):
    reports, unmet = splats.examine(outcome.console)
    surprising = splats.unannounced(reports)
    if options.console:
        print(outcome.console, file=sys.stderr)
    for splat in surprising:
        complain(prefix, f"the {plan.kernel.name} kernel reported:")
        print(indented(splat.text()), file=sys.stderr, flush=True)
    for pattern in unmet:
        complain(prefix, f"announced with lab-expect, but never reported: {pattern}")
    if outcome.failure:
        if outcome.console and not surprising and not options.console:
            complain(prefix, f"the console's last lines (all of it: {plan.out / 'console.log'}):")
            print(indented("\n".join(outcome.console.splitlines()[-CONSOLE_TAIL:])), file=sys.stderr, flush=True)
        complain(prefix, f"FAILED: {outcome.failure}")
        return FAILED
    if surprising or unmet:
        complain(prefix, f"FAILED: {count(len(surprising), 'unannounced kernel report')}, {len(unmet)} announced but missing; "
                         f"the command's status was {outcome.status}; console: {plan.out / 'console.log'}")
        return SPLAT
    if options.verbose:
        say(f"{prefix}{plan.kernel.name} kernel, {plan.driver}, {plan.vfs} VFs, {plan.accelerator}: boot "
            f"{duration(outcome.boot_seconds)}, status {outcome.status}, files in {plan.out}")
    return outcome.status


def complain(prefix, text):
    say(f"{prefix}{text}")


def count(number, what):
    return f"{number} {what}{'' if number == 1 else 's'}"


def indented(text):
    return "\n".join(f"    {line}" for line in text.splitlines())
