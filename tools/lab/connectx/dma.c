/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ConnectX-7 model: access of a function to its bus.
 *
 * Every DMA of the model goes through here, so that a tracker sees every
 * write, by bus address, before the IOMMU translates it.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "connectx.h"

MemTxResult cx_dma_read(CxVhca *v, uint64_t addr, void *buf, uint64_t len)
{
    return pci_dma_read(PCI_DEVICE(v), addr, buf, len);
}

MemTxResult cx_dma_write(CxVhca *v, uint64_t addr, const void *buf,
                         uint64_t len)
{
    MemTxResult r = pci_dma_write(PCI_DEVICE(v), addr, buf, len);

    /* After the write: a report in between must not take the page as clean. */
    if (v->tracker && len) {
        cx_tracker_mark(v->tracker, addr, len);
    }
    return r;
}

MemTxResult cx_dma_write_entry(CxVhca *v, uint64_t addr, const void *entry,
                               uint64_t len)
{
    const uint8_t *b = entry;
    MemTxResult r = cx_dma_write(v, addr, b, len - 1);

    smp_wmb();
    return r | cx_dma_write(v, addr + len - 1, b + len - 1, 1);
}
