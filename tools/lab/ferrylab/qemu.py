# SPDX-License-Identifier: GPL-2.0-only
"""QEMU with the model of the NIC: Debian's source, configured to little more than one PC, and connectx/ inside.

One source and build tree per recipe, shared by all checkouts and locked while used; one finished binary per version
of the model, so that checkouts with different models do not disturb each other, and an edit of the model costs the
compilation of that file.
"""

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

from . import packages
from .base import (CACHE, JOBS, LAB_DIR, LabError, built_folder, digest, lock, ninja_progress, run_logged, say,
                   source_files, step)

MODEL = Path(os.environ.get("VFIO_FERRY_MODEL") or LAB_DIR / "connectx").absolute()
LOG = CACHE / "logs" / "qemu.log"
KEPT_BINARIES = 8

# The devices of the lab's machine. The model has no Kconfig symbol: one would rebuild most of QEMU.
DEVICES = """CONFIG_Q35=y
CONFIG_VTD=y
CONFIG_PCIE_PORT=y
CONFIG_SERIAL_ISA=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_NET=y
CONFIG_VIRTIO_SERIAL=y
CONFIG_VIRTIO_9P=y
CONFIG_VIRTIO_RNG=y
CONFIG_VFIO=y
CONFIG_VFIO_PCI=y
CONFIG_IOMMUFD=y
CONFIG_NVME_PCI=y
"""

CONFIGURE = """--python=/usr/bin/python3 --target-list=x86_64-softmmu
--without-default-features --without-default-devices --with-devices-x86_64=ferry
--enable-tcg --enable-kvm --enable-virtfs --enable-attr --enable-cap-ng --enable-pixman
--enable-trace-backends=log
--disable-download --disable-docs --disable-install-blobs --disable-tools --disable-guest-agent --disable-user
--disable-werror""".split()

SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]

FIRMWARE = {"/usr/share/seabios": ["bios-256k.bin"],
            "/usr/share/qemu": ["linuxboot_dma.bin", "kvmvapic.bin", "pvh.bin"]}


class Qemu:
    """The build tree of one QEMU recipe in the cache."""

    def __init__(self, archive):
        self._archive = archive
        self._meson = None
        self._folder = None

    def prepare(self):
        """Downloads and configures QEMU, if that has not been done; the model is not needed yet."""
        deb = self._archive.deb("meson", "meson", "bpo12")
        dsc = self._archive.source("qemu", "qemu", r"^1:10\.0\..*deb13")
        self._locate(deb, dsc)
        with lock("qemu"):
            if not self._meson.exists():
                with built_folder(self._meson) as partial:
                    packages.unpacked(deb, partial)
            if not (self._folder / "src").exists():
                with step(f"unpacking {dsc.name} with Debian's patches"):
                    unpack_source(dsc, self._folder)
            if not self._configured():
                with step("configuring QEMU"):
                    configure(self._folder, self._meson)
        return self

    def existing(self):
        """What an earlier `prepare` made; nothing is downloaded."""
        deb, dsc = self._archive.known("meson"), self._archive.known("qemu")
        if deb and dsc:
            self._locate(deb, dsc)
            if self._meson.exists() and self._configured():
                return self
        raise LabError("QEMU has not been set up; run `tools/lab/lab setup`")

    def _locate(self, deb, dsc):
        # QEMU wants meson 1.5; Debian 12 has 1.0. The backport is unpacked in the cache and not installed.
        self._meson = CACHE / "tools" / deb.stem
        self._folder = CACHE / "qemu" / digest(dsc.name, DEVICES, CONFIGURE, self._meson.name)

    def _configured(self):
        return (self._folder / "build" / "build.ninja").exists()

    def binary(self, sanitize=False):
        """The QEMU that holds the model as it is in this checkout; built first if there is none."""
        if not (MODEL / "meson.build").exists():
            raise LabError(f"the model of the NIC is not there: {MODEL} has no meson.build")
        name = digest(MODEL)
        target = self.binaries() / (f"{name}-sanitized" if sanitize else name) / "qemu-system-x86_64"
        if target.exists():
            os.utime(target.parent)
            return target
        with lock("qemu"):
            if not target.exists():
                self._build(name, target, sanitize)
        return target

    def build_folder(self):
        return self._folder / "build"

    def binaries(self):
        """A folder for each, named by the digest of the model in it."""
        return self._folder / "bin"

    def firmware(self):
        return self._folder / "firmware"

    def _build(self, name, target, sanitize):
        build = self._folder / "build"
        update_model(self._folder / "src" / "hw" / "net" / "connectx")
        with step("building QEMU with the model"):
            LOG.unlink(missing_ok=True)
            run_logged(["ninja", "-C", build, f"-j{JOBS}", "qemu-system-x86_64"], LOG, "building QEMU",
                       env=meson_environment(self._meson), progress=ninja_progress)
        if digest(MODEL) != name:
            raise LabError("the model was edited while it was being built; run the command again")
        with built_folder(target.parent) as partial:
            if sanitize:
                link_sanitized(build, partial)
            else:
                shutil.copy2(build / "qemu-system-x86_64", partial)
        forget_old_binaries(self.binaries())


def unpack_source(dsc, folder):
    shutil.rmtree(folder, ignore_errors=True)
    with built_folder(folder) as partial:
        # apt has checked the archive's signature and the hashes already.
        run_logged(["dpkg-source", "--no-check", "-x", dsc, partial / "src"], LOG, "unpacking QEMU")
        source = partial / "src"
        (source / "configs" / "devices" / "x86_64-softmmu" / "ferry.mak").write_text(DEVICES, encoding="ascii")
        model = source / "hw" / "net" / "connectx"
        model.mkdir()
        (model / "meson.build").write_text("", encoding="ascii")
        with open(source / "hw" / "net" / "meson.build", "a", encoding="utf-8") as out:
            out.write("\nsubdir('connectx')\n")
        (partial / "firmware").mkdir()
        for place, names in FIRMWARE.items():
            for name in names:
                shutil.copy(Path(place) / name, partial / "firmware")


def configure(folder, meson):
    build = folder / "build"
    shutil.rmtree(build, ignore_errors=True)
    build.mkdir()
    run_logged(["../src/configure", *CONFIGURE], LOG, "configuring QEMU", cwd=build, env=meson_environment(meson))


def meson_environment(meson):
    """QEMU's own Python environment finds meson along this path: when it is made, and when ninja runs meson again."""
    return {"PYTHONPATH": str(meson / "usr/lib/python3/dist-packages")}


def update_model(target):
    """Makes TARGET equal to the model. Unchanged files keep their time, so that ninja leaves them alone."""
    wanted = {path.relative_to(MODEL): path.read_bytes() for path in source_files(MODEL)}
    for path in source_files(target):
        if path.relative_to(target) not in wanted:
            path.unlink()
    for name, content in wanted.items():
        path = target / name
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def link_sanitized(build, out):
    """The same QEMU with sanitizers in the model, and nowhere else: the rest is linked as it has been built."""
    parts = Parts(build)
    with step("building the model with sanitizers"):
        objects = {name: parts.compile(name, out / f"{name}.o", SANITIZERS) for name in parts.model}
        parts.link(out / "qemu-system-x86_64", objects, SANITIZERS)
    for path in out.glob("*.o*"):
        path.unlink()


class Parts:
    """How QEMU is linked of its objects, for those of the model to be others, and how each of those is compiled."""

    def __init__(self, build):
        self._build = build
        database = subprocess.run(["ninja", "-t", "compdb", "-x"], cwd=build, capture_output=True, text=True, check=True).stdout
        commands = json.loads(database)
        self._link = next(entry["command"] for entry in commands if entry["output"] == "qemu-system-x86_64")
        self.model = {Path(entry["file"]).name: entry for entry in commands if "/hw/net/connectx/" in entry["file"]}

    def compile(self, name, out, more=(), source=None):
        """Into the file OUT, which is returned; with MORE options; SOURCE is another text, beside its own headers."""
        entry = self.model[name]
        command = entry["command"].replace(entry["output"], str(out)).replace(entry["file"], str(source or entry["file"]))
        run_logged(shlex.split(command) + list(more), LOG, f"compiling {name} of the model", cwd=self._build)
        return out

    def link(self, out, objects, more=()):
        """OBJECTS: the model's, by their sources' names."""
        command = self._link.replace("-o qemu-system-x86_64", f"-o {out}")
        for name, path in objects.items():
            command = command.replace(self.model[name]["output"], str(path))
        run_logged(shlex.split(command) + list(more), LOG, "linking QEMU with another model", cwd=self._build)


def forget_old_binaries(folder):
    """Binaries of models that nobody has started for long. A VM that still runs one keeps it open."""
    by_age = sorted((p for p in folder.iterdir() if not p.name.endswith(".partial")), key=lambda p: p.stat().st_mtime)
    for path in by_age[:-KEPT_BINARIES]:
        say(f"forgetting the QEMU of an older model ({path.name})")
        shutil.rmtree(path, ignore_errors=True)
