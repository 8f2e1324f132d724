# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs of the lab's tests as modules, for they have no .py in their names."""

import os
import sys
from importlib import machinery, util


def loaded(path):
    loader = machinery.SourceFileLoader(os.path.basename(path), path)
    module = util.module_from_spec(util.spec_from_loader(loader.name, loader))
    sys.modules[loader.name] = module
    loader.exec_module(module)
    return module
