# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMUs whose model has a fault: one file of it is compiled, and all else linked as it is.

They are put where the lab looks for the QEMU of the copy's model, so that it does not build one in its own tree, which
others use and would have to build again.
"""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ferrylab import base, packages, qemu

FLAVOURS = {"": [], "-sanitized": qemu.SANITIZERS}
OBJECTS = Path("build/mutation/model-objects").absolute()


class Models:
    """Of the model in FOLDER, as it is when this is made."""

    def __init__(self, folder):
        tree = qemu.Qemu(packages.Archive()).existing()
        self.parts = qemu.Parts(tree.build_folder())
        self.folder, self.bin = Path(folder).absolute(), tree.binaries()
        self.whole = {flavour: self._compiled(OBJECTS / f"{base.digest(self.folder)}{flavour}", more)
                      for flavour, more in FLAVOURS.items()}

    def _compiled(self, out, more):
        if not out.exists():
            with base.built_folder(out) as partial, ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda name: self._compile(name, partial, more), self.parts.model))
        return {name: out / f"{name}.o" for name in self.parts.model}

    def _compile(self, name, out, more):
        return self.parts.compile(name, out / f"{name}.o", more, self.folder / name)

    def build(self, name):
        """Of the model as it is now, whose file NAME is another than it was; returns what to remove in the end."""
        made = []
        for flavour, more in FLAVOURS.items():
            target = self.bin / f"{base.digest(self.folder)}{flavour}"
            shutil.rmtree(target, ignore_errors=True)
            with base.built_folder(target) as partial:
                objects = {**self.whole[flavour], name: self._compile(name, partial, more)}
                self.parts.link(partial / "qemu-system-x86_64", objects, more)
                for path in partial.glob("*.o*"):
                    path.unlink()
            made.append(target)
        return made
