# SPDX-License-Identifier: GPL-2.0-only
"""Debian systems in folders of the cache: one to build packages of another release in, one to install packages in, and
one to run libvirt in.

Made once by mmdebstrap, from the mirror that the system's own apt uses, and then entered as root, with mounts and
processes of their own; nothing of it is seen outside. A folder is named after what it was made from, so a change there
makes a new one.
"""

import contextlib
import re
import shlex
import shutil
from pathlib import Path

from . import kernels
from .base import CACHE, CHECKOUT, LabError, digest, lock, run_logged, step
from .packages import Archive, KEYRING, RELEASE, as_root, mirrors

TREES = CACHE / "trees"
LOG = CACHE / "logs" / "trees.log"
RELEASES = ("bookworm", "trixie")
# Documentation is not looked at there, and is a third of the files.
LEAN = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "locale")]
# Modules that the driver stands on, and a few more.
NEAR_THE_DRIVER = ("drivers/iommu", "drivers/net/ethernet/mellanox", "drivers/pci", "drivers/vfio", "lib", "virt")
RECIPE = 1
# What a person types on a host for libvirt, in Documentation/libvirt.rst and in the lab.
TYPED = CHECKOUT / "tools" / "lab" / "demo" / "typed" / "install.sh"


def build_tree(release):
    """Has what debian/control asks for, and lintian."""
    wanted = ["build-essential", "lintian", *build_dependencies()]
    return _tree(f"build-{release}", release, wanted, [])


def build_dependencies():
    control = (CHECKOUT / "debian" / "control").read_text(encoding="utf-8")
    names = re.search(r"^Build-Depends:(.*?)^\S", control, re.DOTALL | re.MULTILINE)[1].split(",")
    return [name.split()[0] for name in names if name.strip()]


def host_tree(kernel):
    """A Debian 12 host with DKMS, whose only kernel is the lab's stock one, with its headers and its source."""
    wanted = ["dkms", "kmod", "openssl", "libgnutls30", "libisal2", "libjson-c5", "libpci3"]       # openssl: to sign modules
    return _tree(f"host-{kernel.release}", RELEASE, wanted, _kernel_debs(kernel))


def vmm_host_tree(kernel):
    """A Debian 12 host with the packages that Documentation/libvirt.rst has a person install, and that kernel's modules."""
    suite, wanted = typed_packages()
    return _tree(f"vmm-{kernel.release}", RELEASE, wanted, [Archive().known("stock-image")], suite)


def vmm_host_layers(kernel, folder, modules):
    """That host with MODULES installed, as two layers for an overlay; the upper one, what depends on this checkout, becomes
    FOLDER. The result is an overlay's `lowerdir`."""
    tree = vmm_host_tree(kernel)
    shutil.rmtree(folder, ignore_errors=True)
    target = folder / "usr" / "lib" / "modules" / kernel.release
    shutil.copytree(tree / "usr" / "lib" / "modules" / kernel.release, target, symlinks=True)
    (folder / "lib").symlink_to("usr/lib")
    (target / "updates").mkdir()
    for module in modules:
        shutil.copy(module, target / "updates")
    run_logged(["depmod", "-b", folder, kernel.release], LOG, "depmod")
    (folder / "lib").unlink()
    return f"{folder}:{tree}"


def typed_packages():
    """The suite and the packages of its `apt install -t SUITE ...`."""
    line = re.search(r"^apt install -t (\S+) ((?:.*\\\n)*.*)$", TYPED.read_text(encoding="utf-8"), re.MULTILINE)
    return line[1], line[2].replace("\\\n", " ").split()


def _kernel_debs(kernel):
    archive = Archive()
    version = re.sub(r"-amd64$", "", kernel.release)
    image = archive.known("stock-image")
    headers = [path for path in sorted(image.parent.glob("linux-*.deb"))
               if re.match(rf"linux-(headers|kbuild)-{re.escape(version)}(-amd64|-common)?_", path.name)]
    if len(headers) != 3:
        raise LabError(f"the headers of {kernel.release} are not in {image.parent}; run `tools/lab/lab setup`")
    return [image, *headers, kernels.source_package(kernel)]


def _tree(name, release, wanted, debs, newer=""):
    """With NEWER, a suite of the release's, the packages WANTED come from there."""
    folder = TREES / f"{name}-{digest(wanted, [deb.name for deb in debs], RECIPE, *filter(None, [newer]))}"
    with lock("trees"):
        if not folder.exists():
            with step(f"making a Debian system, {name}"):
                _make(folder, release, wanted, debs, newer)
    return folder


def _make(folder, release, wanted, debs, newer):
    """Under another name until complete. The folder is root's, hence no shutil."""
    partial = folder.with_name(f"{folder.name}.partial")
    folder.parent.mkdir(parents=True, exist_ok=True)
    _root("removing an incomplete tree", "rm", "-rf", partial)
    later = _later_hooks(newer, wanted) if newer else [f"--include={','.join(wanted)}"]
    _root("mmdebstrap", "mmdebstrap", "--mode=root", "--variant=minbase", *LEAN, *later, *_kernel_hooks(debs), release, partial,
          *_sources(release, *filter(None, [newer])))
    _root("naming the tree", "mv", "-T", partial, folder)


def _kernel_hooks(debs):
    """Packages of a kernel, from the lab's downloads. Nothing boots from here, so no initramfs is made, and most
    modules are left out: depmod reads all there are, again and again, in the lab's VM under emulation."""
    if not debs:
        return []
    names = [f"/{path.name}" for path in debs]
    kept = [word for part in NEAR_THE_DRIVER for word in ("-not", "-path", f"*/kernel/{part}/*")]
    return ["--customize-hook=" + " && ".join([
        shlex.join(["cp", *map(str, debs)]) + ' "$1/"',
        'chroot "$1" apt-get update -q',
        'INITRD=No chroot "$1" ' + shlex.join(["apt-get", "install", "-y", "--no-install-recommends", *names]),
        'chroot "$1" ' + shlex.join(["rm", *names]),
        'find "$1/lib/modules" ' + shlex.join(["-name", "*.ko.xz", *kept, "-delete"]),
        'chroot "$1" depmod "$(ls "$1/lib/modules")"'])]


def _later_hooks(suite, wanted):
    """As a person has them of a suite that apt takes nothing of by itself."""
    return ["--customize-hook=" + 'chroot "$1" apt-get update -q && DEBIAN_FRONTEND=noninteractive chroot "$1" ' +
            shlex.join(["apt-get", "install", "-y", "--no-install-recommends", "-t", suite, *wanted])]


def _sources(release, *newer):
    main, security = mirrors(host_release())
    # The archive of the other release is beside the system's own, in both archives.
    return [*(f"deb [signed-by={KEYRING}] {main} {suite} main" for suite in (release, *newer)),
            f"deb [signed-by={KEYRING}] {security} {release}-security main"]


def host_release():
    text = Path("/etc/os-release").read_text(encoding="utf-8")
    match = re.search(r"^VERSION_CODENAME=(\w+)$", text, re.MULTILINE)
    if not match:
        raise LabError("/etc/os-release names no VERSION_CODENAME; packages are built on Debian 12 or 13")
    return match[1]


@contextlib.contextmanager
def entered(tree, log=LOG):
    """Gives a function that runs a command inside of TREE; one user of a tree at a time."""
    with lock(f"tree-{tree.name}"):
        yield lambda what, *command: inside(tree, log, what, *command)


def inside(tree, log, what, *command):
    """Runs COMMAND in TREE, as root, with a /proc of its own."""
    script = 'mount -t proc proc /proc && exec "$@"'
    _root(what, "unshare", "--mount", "--pid", "--fork", "--kill-child", "chroot", tree, "env", "-i",
          "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
          "sh", "-c", script, "sh", *command, log=log)


def _root(what, *command, log=LOG):
    run_logged(as_root(*command), log, what)
