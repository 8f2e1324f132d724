# SPDX-License-Identifier: GPL-2.0-only
"""The initramfs of a lab VM: busybox, guest/init, and the modules that a kernel needs to mount its root over 9p. And that
of a Linux which the tests nest in such a VM: busybox, guest/nested-init, and the driver of its NIC.

One per kernel and version of the init, in the cache.
"""

import lzma
import shutil
import subprocess

from .base import CACHE, LAB_DIR, LabError, built_folder, digest, lock

INIT = LAB_DIR / "guest" / "init"
NESTED_INIT = LAB_DIR / "guest" / "nested-init"
BUSYBOX = "/bin/busybox"
ROOT_MODULES = ("9pnet_virtio", "9p")
NIC_MODULES = ("mlx5_core",)


def initramfs(kernel):
    return _made(kernel, INIT, ROOT_MODULES)


def nested_initramfs(kernel):
    return _made(kernel, NESTED_INIT, NIC_MODULES)


def _made(kernel, init, modules):
    folder = CACHE / "initramfs" / f"{kernel.folder.name}-{digest(init, modules)}"
    with lock("initramfs"):
        if not folder.exists():
            with built_folder(folder) as partial:
                _make(kernel, init, modules, partial)
    return folder / "initramfs.cpio"


def _make(kernel, init, modules, folder):
    tree = folder / "tree"
    for name in ("bin", "dev", "proc", "plain", "sysroot", "modules"):
        (tree / name).mkdir(parents=True)
    try:
        shutil.copy2(BUSYBOX, tree / "bin" / "busybox")
    except FileNotFoundError:
        raise LabError(f"{BUSYBOX} (package busybox-static) is missing; run `tools/lab/lab setup`") from None
    shutil.copy2(init, tree / "init")
    (tree / "init").chmod(0o755)
    order = []
    for path in modules_for(kernel, modules):
        name = path.name.removesuffix(".xz")
        data = path.read_bytes()
        (tree / "modules" / name).write_bytes(lzma.decompress(data) if path.suffix == ".xz" else data)
        order.append(name)
    (tree / "modules.order").write_text("".join(f"{name}\n" for name in order), encoding="ascii")
    names = "\n".join(sorted(str(path.relative_to(tree)) for path in tree.rglob("*")))
    with open(folder / "initramfs.cpio", "wb") as out:
        done = subprocess.run(["cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet"], cwd=tree, input=names.encode(),
                              stdout=out, check=False)
    if done.returncode:
        raise LabError(f"cpio could not pack the initramfs (status {done.returncode})")
    shutil.rmtree(tree)


def modules_for(kernel, wanted):
    """The files of the modules WANTED that are not built in, dependencies first."""
    needs = {}
    for line in (kernel.modules / "modules.dep").read_text(encoding="ascii").splitlines():
        path, _, dependencies = line.partition(":")
        name = path.rsplit("/", 1)[-1].split(".ko")[0].replace("-", "_")
        needs[name] = [path, *dependencies.split()]
    files = []
    for name in wanted:
        for path in reversed(needs.get(name, [])):
            if path not in files:
                files.append(path)
    return [kernel.modules / path for path in files]
