# SPDX-License-Identifier: GPL-2.0-or-later
"""Races that are not in what the lab tests. A run that meets one says nothing about that, and is done again.

Called by what runs tests in VMs (tools/lab/tests/run, and others in tests/conformance).
"""

MOST = 3                        # times that one thing meets a race; who meets more is to be believed

RACES = {
    # QEMU's TCG dies of this assertion when one CPU moves a BAR, as resets do, while another accesses one.
    "iotlb_to_section": "QEMU died of a race of its own",
    # dma_unmap_phys() tells dma-debug after it has given the address back. Who maps in between may get the same address,
    # which is then in the books twice. A sync looks for a mapping of the type `single`, and mappings have the type `phy`:
    # none fits wholly, and of two that fit no better than each other dma-debug takes neither.
    "tries to sync DMA memory it has not allocated": "dma-debug may have met a race of its own",
}


def past(name, boot):
    """The status and output that BOOT() returns, as soon as it has met no such race."""
    for _ in range(MOST):
        status, output = boot()
        race = met(output)
        if not race:
            return status, output
        print(f"{name}: {race}; again", flush=True)
    return boot()


def met(output):
    """What `lab run` printed of such a race: its mark, and what it is; None if there was none."""
    return next((f"{what} ({mark})" for mark, what in RACES.items() if mark in output), None)
