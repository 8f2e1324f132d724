# SPDX-License-Identifier: GPL-2.0-only
"""How Sphinx makes these pages into HTML; `make docs` calls it."""

import re
from pathlib import Path

project = "vfio-ferry"
author = "vfio-ferry developers"
project_copyright = f"2026, {author}"
# The driver's, which DKMS reads; tools/check holds the other places to it.
release = re.search(r'^PACKAGE_VERSION="(.*)"', (Path(__file__).parents[1] / "dkms.conf").read_text(encoding="utf-8"),
                    re.MULTILINE)[1]

html_theme = "alabaster"
html_theme_options = {"description": "Live migration of NICs' virtual functions", "fixed_sidebar": True}
html_show_sourcelink = False
# The conformance table is wide.
html_theme_options["page_width"] = "auto"
