# SPDX-License-Identifier: GPL-2.0-only
"""The kernels of the lab, in the cache.

stock: Debian's newest 6.12 for Debian 12, unchanged: its image, its headers, and the source of its VFIO.
debug: Debian's newest linux-source-7.x, built with kernel/debug.config; its build tree serves as headers.
lts:   one more, for who asks for it: any source that $VFIO_FERRY_LTS_TREE names, built as debug is.

Each is a folder with a file `kernel.json` that says where vmlinuz, the modules and the headers (kdir) are. The file
is written last: a folder without it is incomplete and is made again.
"""

import json
import lzma
import os
import re
import shutil
import struct
import subprocess
from pathlib import Path

from . import packages
from .base import (CACHE, JOBS, LAB_DIR, LabError, digest, kbuild_progress, lock, output_of, run_logged, say,
                   step, write_atomically)

NAMES = ("stock", "debug")      # what the lab is made of
LTS = "lts"
ALL = (*NAMES, LTS)
LTS_TREE = "VFIO_FERRY_LTS_TREE"
DEBUG_CONFIG = LAB_DIR / "kernel" / "debug.config"
COMPILER = "gcc-12"
DEBUG_OBJECTS = 2360
STOCK_RECIPE = 2
# What every run loads; unpacking it in the VM, at each boot, takes seconds.
PLAIN_MODULES = ("drivers/iommu", "drivers/net/ethernet/mellanox", "drivers/net/virtio_net.ko.xz", "drivers/vfio",
                 "fs/9p", "fs/netfs", "net/9p")
DEBUG_RECIPE = 1


class Kernel:
    """A finished kernel of the cache."""

    def __init__(self, name, folder):
        facts = json.loads((folder / "kernel.json").read_text(encoding="utf-8"))
        self.name = name
        self.folder = folder
        self.release = facts["release"]
        self.image = folder / facts["image"]
        self.modules = folder / facts["modules"] / "lib" / "modules" / self.release
        self.kdir = folder / facts["kdir"]
        self.source = folder / facts["source"]
        # It reports faults, and takes more time and memory for that.
        self.debugging = name != "stock"


def log_of(name):
    return CACHE / "logs" / f"kernel-{name}.log"


def installed(name):
    """The kernel NAME that the last `lab setup` made."""
    link = CACHE / "kernel" / name
    try:
        return Kernel(name, link.resolve(strict=True))
    except FileNotFoundError:
        raise LabError(f"the {name} kernel is not there; run `tools/lab/lab setup --kernel {name}`") from None


def set_up(name, archive):
    make = {"stock": _set_up_stock, "debug": _set_up_debug, LTS: _set_up_lts}[name]
    folder = make(archive)
    link = CACHE / "kernel" / name
    fresh = link.with_name(f"{name}.{os.getpid()}")
    fresh.symlink_to(folder.name)
    fresh.rename(link)
    kernel = Kernel(name, folder)
    say(f"{name} kernel: {kernel.release}")
    return kernel


def download(archive):
    """Only fetches what the kernels are made from."""
    _stock_packages(archive)
    _debug_source(archive)


# The stock kernel

def _stock_packages(archive):
    image = archive.known("stock-image") or _newest_stock_image(archive)
    release, version = re.match(r"linux-image-(6\.12.*-amd64)_(.*)_amd64\.deb", image.name).groups()
    exactly = f"^{re.escape(version)}$"
    headers = [archive.deb(f"headers {release}", f"linux-headers-{release}", exactly),
               archive.deb(f"common headers {release}",
                           f"linux-headers-{release.replace('-amd64', '-common')}", exactly),
               archive.deb(f"kbuild {version}", _kbuild_name(release), exactly)]
    source = archive.deb(f"source {version}", "linux-source-6.12", exactly)
    return release, image, headers, source


def source_package(kernel):
    """Debian's whole source of the stock kernel: the .deb."""
    version = re.match(r"linux-image-.*_(.*)_amd64\.deb", packages.Archive().known("stock-image").name)[1]
    path = packages.Archive().known(f"source {version}")
    if not path:
        raise LabError(f"the source of {kernel.release} is not there; run `tools/lab/lab setup`")
    return path


def _set_up_stock(archive):
    release, image, headers, source = _stock_packages(archive)
    folder = CACHE / "kernel" / f"stock-{release}-{STOCK_RECIPE}"
    with lock("kernel-stock"):
        if not (folder / "kernel.json").exists():
            with step(f"unpacking the stock kernel {release}"):
                _unpack_stock(folder, release, image, headers, source)
    return folder


def _newest_stock_image(archive):
    for name in archive.newest_names(r"^linux-image-6\.12\.[0-9.]+\+deb12(\.[0-9]+)?-amd64$"):
        try:
            return archive.deb("stock-image", name)
        except LabError as error:
            say(str(error))
    raise LabError("the archive has no linux-image-6.12.*+deb12-amd64 that downloads")


def _kbuild_name(release):
    return f"linux-kbuild-{release.removesuffix('-amd64')}"


def _unpack_stock(folder, release, image, headers, source):
    shutil.rmtree(folder, ignore_errors=True)
    root = folder / "root"
    for deb in [image, *headers]:
        packages.unpacked(deb, root)
    _store_plainly(root / "lib/modules" / release / "kernel")
    extract_kernel(root / "boot" / f"vmlinuz-{release}", folder / "vmlinux")
    run_logged(["/sbin/depmod", "-b", root, release], log_of("stock"), "depmod")
    for makefile in (root / "usr/src").glob("linux-headers-*/Makefile"):
        _point_into(makefile, root)
    for link in (root / "usr/src").glob("linux-headers-*/*"):
        _keep_link_inside(link, root)
    # Type information for modules would need pahole, costs time in each build, and nothing here reads it.
    (root / "usr/src" / f"linux-headers-{release}" / "vmlinux").unlink(missing_ok=True)
    _unpack_vfio_source(source, folder / "source")
    _finish(folder, release=release, image="vmlinux", modules="root",
            kdir=f"root/usr/src/linux-headers-{release}", source="source")


def _store_plainly(folder):
    """Uncompressed, but otherwise the same modules, signature included."""
    for part in PLAIN_MODULES:
        place = folder / part
        for path in [place] if place.is_file() else place.rglob("*.ko.xz"):
            path.with_suffix("").write_bytes(lzma.decompress(path.read_bytes()))
            path.unlink()


def extract_kernel(image, target):
    """The ELF kernel that a bzImage carries: QEMU starts it at once, without a decompression under emulation.

    Offsets are those of Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length.
    """
    data = image.read_bytes()
    offset, length = struct.unpack_from("<II", data, 0x248)
    start = ((data[0x1F1] or 4) + 1) * 512 + offset
    # The payload ends with its uncompressed size, which is not part of the compressed stream.
    payload = data[start:start + length - 4]
    if payload[:4] != b"\x28\xb5\x2f\xfd":
        raise LabError(f"{image.name} is not compressed with zstd, as Debian's kernels were so far; extract_kernel() "
                       "has to learn the new way")
    done = subprocess.run(["zstd", "-dcq"], input=payload, capture_output=True, check=False)
    if done.returncode or done.stdout[:4] != b"\x7fELF":
        raise LabError(f"no kernel could be extracted from {image}", excerpt=done.stderr.decode(errors="replace"))
    target.write_bytes(done.stdout)


def _point_into(makefile, root):
    """Debian's header packages name one another by absolute paths; here they live under ROOT."""
    text = makefile.read_text(encoding="utf-8")
    makefile.write_text(re.sub(r"(?<![\w/])/usr/(src|lib)/linux-", rf"{root}/usr/\1/linux-", text), encoding="utf-8")


def _keep_link_inside(link, root):
    if link.is_symlink() and os.readlink(link).startswith("/"):
        target = root / os.readlink(link).lstrip("/")
        link.unlink()
        link.symlink_to(target)


def _unpack_vfio_source(deb, target):
    """Of the kernel's source only what is built as a peer: VFIO, and the part of IOMMUFD that VFIO's core wants."""
    unpacked = target.with_name("source.deb")
    packages.unpacked(deb, unpacked)
    tarball = next(unpacked.glob("usr/src/linux-source-*.tar.xz"))
    wanted = [f"{tarball.name.removesuffix('.tar.xz')}/{part}" for part in ("drivers/vfio", "drivers/iommu/iommufd")]
    target.mkdir()
    run_logged(["tar", "-xf", tarball, "-C", target, "--strip-components=1", *wanted], log_of("stock"),
               "unpacking the source of VFIO")
    shutil.rmtree(unpacked)


# The debug kernel

def _set_up_debug(archive):
    deb = _debug_source(archive)
    compiler = output_of([COMPILER, "-dumpfullversion"]).strip()
    folder = CACHE / "kernel" / f"debug-{digest(deb.name, DEBUG_CONFIG.read_text(encoding='utf-8'), compiler, DEBUG_RECIPE)}"
    with lock("kernel-debug"):
        if not (folder / "kernel.json").exists():
            with step(f"building the debug kernel from {deb.name} (about 10 minutes on two cores)"):
                if not (folder / "source").exists():
                    _unpack_debug_source(deb, folder / "source")
                _build_debug("debug", folder, folder / "source")
    return folder


def _debug_source(archive):
    return archive.known("debug-source") or _newest_debug_source(archive)


def _newest_debug_source(archive):
    for name in archive.newest_names(r"^linux-source-7\.[0-9]+$"):
        try:
            return archive.deb("debug-source", name)
        except LabError as error:
            say(str(error))
    raise LabError("the archive has no linux-source-7.* that downloads")


def _build_debug(name, folder, source):
    log = log_of(name)
    log.unlink(missing_ok=True)
    build = folder / "build"
    make = ["make", "-C", source, f"O={build}", "ARCH=x86_64", f"CC={COMPILER}", f"HOSTCC={COMPILER}"]
    build.mkdir(parents=True, exist_ok=True)
    _configure_debug(make, build, log)
    run_logged(["nice", *make, f"-j{JOBS}", "bzImage", "modules"], log, f"building the {name} kernel",
               progress=kbuild_progress(DEBUG_OBJECTS))
    # For the kernel's own selftests, which are built against its headers: build/usr/include
    run_logged([*make, "headers"], log, "installing the headers for user space")
    release = (build / "include/config/kernel.release").read_text(encoding="ascii").strip()
    shutil.rmtree(folder / "root", ignore_errors=True)
    run_logged([*make, "modules_install", f"INSTALL_MOD_PATH={folder / 'root'}"], log, "installing the modules")
    for link in ("build", "source"):
        (folder / "root/lib/modules" / release / link).unlink(missing_ok=True)
    _finish(folder, release=release, image="build/arch/x86/boot/bzImage", modules="root", kdir="build",
            source=str(source))


def _unpack_debug_source(deb, source):
    parts = source.with_name("source.partial")
    shutil.rmtree(parts, ignore_errors=True)
    packages.unpacked(deb, parts)
    tarball = next(parts.glob("usr/src/linux-source-*.tar.xz"))
    with step("unpacking the kernel's source"):
        run_logged(["tar", "-xf", tarball, "-C", parts], log_of("debug"), "unpacking the kernel's source")
    (parts / tarball.name.removesuffix(".tar.xz")).rename(source)
    shutil.rmtree(parts)


# Another kernel, built in the same way

def _set_up_lts(_):
    """The source stays where it is, and is not written to."""
    if not (tree := os.environ.get(LTS_TREE)):
        raise LabError(f"the lab has no source of its own for the {LTS} kernel: set {LTS_TREE} to a kernel's source")
    source = Path(tree).resolve()
    if not (source / "drivers/vfio/pci/vfio_pci_core.c").is_file():
        raise LabError(f"{LTS_TREE}: {source} is no source of a kernel with VFIO for PCI devices")
    compiler = output_of([COMPILER, "-dumpfullversion"]).strip()
    key = digest(str(source), source / "Makefile", DEBUG_CONFIG.read_text(encoding="utf-8"), compiler, DEBUG_RECIPE)
    folder = CACHE / "kernel" / f"{LTS}-{key}"
    with lock(f"kernel-{LTS}"):
        if not (folder / "kernel.json").exists():
            with step(f"building the {LTS} kernel from {source} (about 10 minutes on two cores)"):
                _build_debug(LTS, folder, source)
    return folder


def _configure_debug(make, build, log):
    run_logged([*make, "tinyconfig"], log, "configuring the kernel")
    with open(build / ".config", "a", encoding="utf-8") as config:
        config.write(DEBUG_CONFIG.read_text(encoding="utf-8"))
    run_logged([*make, "olddefconfig"], log, "configuring the kernel")
    check_config(build / ".config", DEBUG_CONFIG)


def check_config(config, wanted):
    """Fails with the names of the options that Kconfig dropped, usually because of a dependency that is not met."""
    got = options_of(config)
    missing = [f"{name}={value}" for name, value in options_of(wanted).items() if got.get(name, "n") != value]
    if missing:
        raise LabError(f"{wanted.name} asks for what the kernel's Kconfig refuses (an unmet dependency or an option "
                       f"of another name): {', '.join(missing)}; the resulting file: {config}")


def options_of(path):
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"(CONFIG_\w+)=(.*)", line):
            found[match[1]] = match[2]
        elif match := re.match(r"# (CONFIG_\w+) is not set", line):
            found[match[1]] = "n"
    return found


def _finish(folder, **facts):
    write_atomically(folder / "kernel.json", json.dumps(facts, indent=1) + "\n")
