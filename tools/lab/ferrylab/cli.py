# SPDX-License-Identifier: GPL-2.0-only
"""The command line of `lab`."""

import argparse
import signal
import sys
import time
from pathlib import Path

from . import kernels, packages, run, trees, vmms
from .base import CACHE, LabError, duration, lock, say
from .initramfs import nested_initramfs
from .qemu import MODEL, Qemu
from .modules import build_ferry, logging_vfio, peer

RUN_HELP = f"""\
Boots a VM whose NIC is a ConnectX-7 (a model of one, in QEMU), enables VFs, binds them to a driver, and runs COMMAND in
it as root. The VM sees this machine's files, read-only; this checkout is its working directory, at the same path.
/tmp, /run and /dev/shm are the VM's own. Its output streams live; the exit status is COMMAND's, or
  {run.SPLAT}  when the kernel reported a fault of its own that was not announced, or did not report an announced one
  {run.FAILED}  when the VM failed (a panic, a driver that did not bind, the timeout)
  2   when the lab itself lacks something

In the VM: FERRY_PF and FERRY_VFS (PCI addresses), LAB_KERNEL, LAB_DRIVER, and LAB_OUT, a folder for files that the host
shall keep; it is build/lab-out/<run>/ here (or --out DIR), beside the VM's console.log.

Kernel reports. Any WARN, BUG, Oops, KASAN, UBSAN, lockdep, hung task, RCU stall, leak or DMAR fault fails the run and is
printed. A command that provokes one on purpose announces it first, by a line `lab: expect REGEX` in /dev/kmsg, or
    lab-expect REGEX
which is on its PATH; REGEX (Python's) must be found in one of the report's lines. On the debug kernel a leak scan follows
the command (6 s; leave it out with --no-leak-scan).

Examples
  lab run --driver none --vfs 8 -- dmesg
  lab run --kernel debug --driver in-tree -- sh -c 'ls -l /sys/bus/pci/devices/*/driver'
  lab run --nic state-size=100M --trace /tmp/commands.jsonl -- tools/lab/tests/some-test
"""

PAIR_HELP = """\
Two VMs at once, a and b, on one virtual network, each with a NIC of its own. LAB_SELF and LAB_PEER are their addresses
(10.7.0.1 is a, 10.7.0.2 is b). With `--nic ethernet=on` the ports of the two NICs are connected, too.
Give two commands, `-- COMMAND_A... -- COMMAND_B...`, or one for both. Output lines begin with `a: ` or `b: `. The status
is that of the first that failed. Each has its own $LAB_OUT (a/ and b/ in the run's folder) and its own file
of --trace (a-FILE, b-FILE). All else is as in `lab run --help`.
"""

TURNS_HELP = """\
Commands that take turns in one VM. FILE is a list in JSON with an object for each: out (its $LAB_OUT), log (its output, and
what `lab run` would say of it), command, driver, vfs, logging, autoprobe. Before each the VFs are made and their drivers
loaded; after each they are taken away again, and what is still there then counts as a report of the kernel: processes, mounts,
modules in use, memory that the firmware kept, and if `--state` says another thing than at first. The first that fails ends
the VM. All other options, and the leak scan at the end, are for all of them.
"""

SHELL_HELP = "A prompt in a VM made by the same options as `lab run` (see its --help)."


def main(arguments=None):
    options = parse(arguments if arguments is not None else sys.argv[1:])
    signal.signal(signal.SIGTERM, interrupted)
    try:
        return options.act(options)
    except LabError as error:
        if options.debug:
            raise
        say(f"error: {error}")
        if error.excerpt:
            print(run.indented(error.excerpt), file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    except OSError as error:
        if options.debug:
            raise
        say(f"error: {error} (--debug shows where)")
        return 2


def interrupted(*_):
    raise KeyboardInterrupt


def parse(arguments):
    parser = argparse.ArgumentParser(prog="lab", description="Virtual machines with a ConnectX-7 in them.")
    parser.add_argument("--debug", action="store_true", help="show a traceback when the lab itself fails")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    setup = actions.add_parser("setup", help="install and build what the lab needs (once)",
                               description=f"Installs packages, builds QEMU with the model, and makes the kernels. "
                                           f"Results are kept in {CACHE} (set VFIO_FERRY_CACHE for another place).")
    setup.add_argument("--kernel", choices=kernels.ALL, help="make only this kernel (default: stock and debug)")
    setup.add_argument("--vmm", action="store_true", help="with --kernel: Debian's QEMU 10.0, too, which runs in a VM")
    setup.add_argument("--upgrade", action="store_true", help="look for newer versions of what was downloaded before")
    setup.add_argument("--download-only", action="store_true",
                       help="only install packages, download sources and configure QEMU")
    setup.set_defaults(act=set_up)

    model = actions.add_parser("model", help="build QEMU with this checkout's model of the NIC; print its path",
                               description=f"Builds QEMU with {MODEL}. `lab run` does so itself when the model changed.")
    model.set_defaults(act=build_model)

    kernel = actions.add_parser("kernel", help="print where modules for a kernel are built (its KDIR)",
                                description="Prints the folder to give as KDIR when building modules for a kernel of the lab.")
    kernel.add_argument("name", choices=kernels.ALL)
    kernel.set_defaults(act=print_kernel)

    vmm = actions.add_parser("vmm", help="print where Debian's QEMU 10.0 is, which the tests start in a VM",
                             description="Prints the folder with the usr/ of Debian's QEMU 10.0, which the tests start in a VM.")
    vmm.set_defaults(act=print_vmm)

    guest = actions.add_parser("guest", help="print what the Linux that the tests nest in a VM boots from",
                               description="Prints two files: the stock kernel, and an initramfs with the driver of its NIC, "
                                           "for a Linux that runs in a lab VM. See guest/nested-init.")
    guest.set_defaults(act=print_guest)

    host = actions.add_parser("host", help="print what a Debian host with libvirt and ferry consists of",
                              description="Makes a Debian 12 host with libvirt, once, and with this checkout's driver as installed "
                                          "in FOLDER; prints both as the `lowerdir` of an overlay.")
    host.add_argument("folder", metavar="FOLDER", type=Path)
    host.set_defaults(act=print_host)

    for name, act, text, summary in (
            ("run", run.run, RUN_HELP, "run a command in a VM"),
            ("pair", run.pair, PAIR_HELP, "run a command in each of two connected VMs"),
            ("turns", run.turns, TURNS_HELP, "run several commands in turn in a VM"),
            ("shell", run.shell, SHELL_HELP, "a prompt in a VM")):
        add_run_options(actions.add_parser(name, help=summary, description=text,
                                           formatter_class=argparse.RawDescriptionHelpFormatter), act)
    actions.choices["turns"].add_argument("file", metavar="FILE", help="the commands")
    actions.choices["turns"].add_argument("--state", metavar="PROGRAM", default="echo",
                                          help="prints in a line what the PF, whose address it is given, has in the model")
    ours, command = split_at_dashes(arguments)
    options = parser.parse_args(ours)
    if command and options.action not in ("run", "pair"):
        parser.error(f"`lab {options.action}` takes no command")
    options.command = command
    return options


def split_at_dashes(arguments):
    if "--" not in arguments:
        return arguments, []
    cut = arguments.index("--")
    return arguments[:cut], arguments[cut + 1:]


def add_run_options(parser, act):
    parser.usage = f"lab {parser.prog.split()[-1]} [options]" + {run.shell: "", run.turns: " FILE"}.get(act, " -- COMMAND...")
    parser.add_argument("--kernel", choices=kernels.ALL, default="stock",
                        help="stock: Debian's 6.12, unchanged (default); debug: 7.x with IOMMUFD, KASAN, lockdep, ...; "
                             f"lts: the same of the source that ${kernels.LTS_TREE} named at `setup --kernel lts`")
    parser.add_argument("--driver", type=run.drivers, default="ferry", metavar="NAME[,NAME...]",
                        help="what the VFs are bound to: ferry (default), in-tree, vfio-pci or none; with several, "
                             "separated by commas, VF 0 to the first, VF 1 to the second and so on, again and again")
    parser.add_argument("--vfs", type=int, default=2, metavar="N", help="VFs to enable, 0 to 64 (default: 2)")
    parser.add_argument("--nic", type=run.nic_property, action="append", default=[], metavar="KEY=VALUE",
                        help="a property of the model (may be repeated), for example state-size=100M")
    parser.add_argument("--port", type=run.port, metavar="WHERE",
                        help="what the NIC's port leads to, with --nic ethernet=on: user, this machine's network as QEMU gives it to "
                             "who is not root (10.0.2.0/24 with a DHCP server, this machine is 10.0.2.2), "
                             "socket=PATH, a UNIX socket, which two VMs may share (give one of them another --nic mac=02:...), or tap=NAME, this machine's")
    parser.add_argument("--mem", type=int, metavar="MiB", help="memory (default: 1024 stock, 2048 others)")
    parser.add_argument("--smp", type=int, default=2, metavar="N", help="CPUs (default: 2)")
    parser.add_argument("--sanitize", action="store_true",
                        help="the model built with sanitizers: what it does wrong with memory ends the VM, and is in qemu.log")
    parser.add_argument("--trace", metavar="FILE", help="write each firmware command to FILE, as JSON lines")
    parser.add_argument("--counted", action="store_true",
                        help="a clock that counts instead of running (QEMU's icount): an instruction takes a nanosecond, and "
                             "waiting what the model says it takes, however busy this machine is; needs --smp 1")
    parser.add_argument("--append", metavar="WORDS", default="",
                        help="more words for the kernel's command line, for example intel_iommu=off")
    parser.add_argument("--timeout", type=float, metavar="S", help="stop the VM after this time (default: 300)")
    parser.add_argument("--logging", action="store_true",
                        help="stock: with another vfio.ko, which passes on what a device wrote, as the package "
                             "vfio-ferry-logging-dkms has it; the other kernels' own does")
    parser.add_argument("--autoprobe", action="store_true", help="let mlx5_core probe each VF as it appears")
    parser.add_argument("--no-leak-scan", action="store_true", help="debug kernel: do not look for leaked memory")
    parser.add_argument("--console", action="store_true", help="print the kernel's console in any case")
    parser.add_argument("--out", metavar="DIR", help="the folder for $LAB_OUT (default: build/lab-out/<run>)")
    parser.add_argument("--verbose", "-v", action="store_true", help="a line about the run at its end")
    parser.set_defaults(act=act)


def set_up(options):

    start = time.monotonic()
    packages.install_host_packages()
    with lock("setup"):
        archive = packages.Archive(options.upgrade)
        qemu = Qemu(archive).prepare()
        if options.download_only or options.vmm or not options.kernel:
            # Who wants one kernel alone does not want the tests.
            vmms.set_up(archive)
        if options.download_only:
            kernels.download(archive)
        else:
            make_everything(options, archive, qemu)
    say(f"ready after {duration(time.monotonic() - start)}; the cache is {CACHE}")
    return 0


def make_everything(options, archive, qemu):
    if (MODEL / "meson.build").exists():
        qemu.binary()
    else:
        say(f"no model in {MODEL}: QEMU will be built when there is one")
    for name in [options.kernel] if options.kernel else kernels.NAMES:
        kernel = kernels.set_up(name, archive)
        if name == "stock":
            peer(kernel)
    if not options.kernel:
        trees.host_tree(kernels.installed("stock"))


def print_kernel(options):
    print(kernels.installed(options.name).kdir)
    return 0


def print_vmm(_):
    print(vmms.installed())
    return 0


def print_guest(_):
    kernel = kernels.installed("stock")
    print(kernel.image, nested_initramfs(kernel))
    return 0


def print_host(options):
    kernel = kernels.installed("stock")
    modules = [*build_ferry(kernel), logging_vfio(kernel)]
    print(trees.vmm_host_layers(kernel, options.folder.absolute(), modules))
    return 0


def build_model(_):
    print(Qemu(packages.Archive()).existing().binary())
    return 0
