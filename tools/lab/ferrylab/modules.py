# SPDX-License-Identifier: GPL-2.0-only
"""The modules that a run needs beside the kernel's own: ferry's, the in-tree driver as a peer, and another vfio.ko.

The stock kernel has no in-tree variant driver; it is built from Debian's source of that very kernel, unmodified, in
the cache. It is never shipped: it is the model's independent witness. Its vfio.ko passes on no log of written pages;
one that does is built from the same source, as the package vfio-ferry-logging-dkms does it.
"""

import shutil

from . import kernels, packages
from .base import (BUILD, CACHE, CHECKOUT, JOBS, LabError, built_folder, digest, lock, run_logged, say, step,
                   tail, write_atomically)

FERRY_MODULES = ("vfio_ferry.ko", "mlx5_ferry_vfio_pci.ko")
FERRY_SOURCE = CHECKOUT / "drivers" / "vfio" / "pci" / "ferry"
FERRY_INPUTS = (CHECKOUT / "drivers", CHECKOUT / "include", CHECKOUT / "Makefile")
BUILD_FERRY = ["make", "-s", "-C", str(CHECKOUT), "modules", "KCC=gcc-12", "FAULTS=y"]
LOGGING = CHECKOUT / "tools" / "logging"


DRIVERS = ("ferry", "in-tree", "vfio-pci", "none")


def to_insert(drivers, kernel, logging=False):
    """The modules for these drivers that are not among the kernel's own, in the order of their loading.

    logging: beside the vfio.ko that passes on which pages a device wrote."""
    found = []
    if "ferry" in drivers:
        found += build_ferry(kernel)
    if "in-tree" in drivers and kernel.name == "stock":
        found.append(peer(kernel, logging))
    return found


def build_ferry(kernel):
    """With what only tests use; the packages are built without it. Kbuild takes two seconds to see that nothing is to be done,
    and every run asks."""
    if not FERRY_SOURCE.exists():
        raise LabError("this checkout has no driver yet (drivers/vfio/pci/ferry); use --driver in-tree, vfio-pci or none")
    target = BUILD / "modules" / kernel.name
    stamp = target / "built-of"
    modules = [target / name for name in FERRY_MODULES]
    with lock(f"modules-{kernel.name}"):
        key = digest(kernel.folder.name, BUILD_FERRY, *FERRY_INPUTS)
        if not (stamp.exists() and stamp.read_text(encoding="ascii") == key and all(module.exists() for module in modules)):
            stamp.unlink(missing_ok=True)
            _make_ferry(kernel, target)
            write_atomically(stamp, key)
    return modules


def _make_ferry(kernel, target):
    log = BUILD / "modules" / f"{kernel.name}.log"
    log.unlink(missing_ok=True)
    run_logged([*BUILD_FERRY, f"KDIR={kernel.kdir}", f"BUILD={target}", f"-j{JOBS}"], log,
               f"building ferry for the {kernel.name} kernel")
    for line in tail(log, 1000).splitlines():
        if "warning:" in line:
            say(line)
    for name in FERRY_MODULES:
        if not (target / name).exists():
            raise LabError(f"`make modules` ended well, but made no {target / name}")


def peer(kernel, logging=False):
    """The in-tree driver for a kernel whose package leaves it out. With logging it is told that vfio.ko passes on pages."""
    vfio = logging_vfio(kernel) if logging else ""
    return _made("peer", kernel.folder.name + (f"-{vfio.parent.name}" if vfio else ""),
                 f"building the in-tree driver for {kernel.release}, unmodified",
                 lambda partial, log: _build_peer(kernel, vfio, partial, log)) / "mlx5-vfio-pci.ko"


def _made(name, key, what, build):
    """A folder of the cache, which is built if it is not there."""
    folder = CACHE / name / key
    with lock(name):
        if not folder.exists():
            with step(what), built_folder(folder) as partial:
                build(partial, CACHE / "logs" / f"{name}.log")
    return folder


def _build_peer(kernel, vfio, partial, log):
    shutil.copytree(kernel.source / "drivers/vfio/pci/mlx5", partial, dirs_exist_ok=True)
    told = ["KCFLAGS=-DCONFIG_IOMMUFD_DRIVER=1", f"KBUILD_EXTRA_SYMBOLS={vfio.parent / 'Module.symvers'}"] if vfio else []
    run_logged(["make", "-C", kernel.kdir, f"M={partial}", "CONFIG_MLX5_VFIO_PCI=m", *told, f"-j{JOBS}", "modules"], log,
               "building the in-tree driver")


def logging_vfio(kernel):
    """A vfio.ko that passes on which pages a device wrote, where the kernel's own does not."""
    if kernel.name != "stock":
        return ""
    return _made("logging", f"{kernel.folder.name}-{digest(LOGGING)}", f"building another vfio.ko for {kernel.release}",
                 lambda partial, log: _build_logging(kernel, partial, log)) / "vfio.ko"


def _build_logging(kernel, partial, log):
    shutil.copytree(LOGGING, partial, dirs_exist_ok=True)
    packages.unpacked(kernels.source_package(kernel), partial / "source")
    tarball = next(partial.glob("source/usr/src/linux-source-*.tar.xz"))
    run_logged([partial / "build", "make", kernel.kdir, tarball], log, "building another vfio.ko", cwd=partial)
    shutil.rmtree(partial / "source")
