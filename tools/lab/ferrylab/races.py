# SPDX-License-Identifier: GPL-2.0-or-later
"""Races that are not in what the lab tests. A run that meets one says nothing about that, and is done again.

Pure functions over text; called by what runs tests in VMs (tools/lab/tests/run, tests/conformance/measure).
"""

FOREIGN = {
    # QEMU's TCG dies of this assertion when one CPU moves a BAR, as resets do, while another accesses one.
    "iotlb_to_section": "QEMU died of a race of its own",
    # dma_unmap_phys() tells dma-debug after it has given the address back. Who maps in between, and gets the same
    # address, is in the books twice, and then for one of the two not at all.
    "DMA memory it has not allocated": "dma-debug may have met a race of its own",
}


def met(output):
    """What `lab run` printed of such a race: its mark, and what it is; None if there was none."""
    return next((f"{what} ({mark})" for mark, what in FOREIGN.items() if mark in output), None)
