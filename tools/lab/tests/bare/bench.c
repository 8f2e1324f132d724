// SPDX-License-Identifier: GPL-2.0-or-later
/* Opening and closing the bench, and the memory for images. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "bench.h"

#define TOKEN "c0ffee00-7e57-4bed-8f00-0000000f00d5"

static void must(int err, const char *what)
{
    if (err)
        tap_bail("%s: %s", what, strerror(-err));
}

static void *memory(struct bench *b, uint64_t iova, size_t size)
{
    void *va = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (va == MAP_FAILED)
        tap_bail("no memory");
    must(io_map(&b->space, iova, va, size), "mapping memory for DMA");
    return va;
}

static void open_pf(struct bench *b)
{
    void *bar0, *bar2, *ram;

    must(pci_sriov(b->pf_bdf, 0, false), "disabling VFs");
    must(sysfs_write("/sys/module/vfio_pci/parameters/enable_sriov", "Y"),
         "vfio-pci's enable_sriov");
    must(pci_bind(b->pf_bdf, "vfio-pci"), "binding the PF to vfio-pci");
    must(vfio_open(&b->pf_fn, &b->space, b->pf_bdf, TOKEN), "opening the PF");
    must(vfio_msix_enable(&b->pf_fn, BENCH_VECTORS), "MSI-X of the PF");
    bar0 = vfio_map_bar(&b->pf_fn, 0, NULL);
    bar2 = vfio_map_bar(&b->pf_fn, 2, NULL);
    ram = memory(b, PF_IOVA, PF_RAM);
    if (!bar0 || !bar2)
        tap_bail("the PF's BARs cannot be mapped");
    b->control = control_of(bar2);
    b->pf_wl = workload_of(bar2);
    fw_attach(&b->pf, bar0, ram, PF_IOVA, PF_RAM);
    if (!fw_start(&b->pf))
        tap_bail("the PF's firmware interface does not start");
    b->pd = fw_create_pd(&b->pf);
    b->uar = fw_create_uar(&b->pf);
}

static void open_vf(struct bench *b, unsigned n)
{
    struct vf *v = &b->vf[n];
    char name[PCI_NAME];
    void *bar2;

    must(pci_vf_name(b->pf_bdf, n, name), "finding a VF");
    must(pci_bind(name, "vfio-pci"), "binding a VF to vfio-pci");
    must(vfio_open(&v->fn, &b->space, name, TOKEN), "opening a VF");
    must(vfio_msix_enable(&v->fn, BENCH_VECTORS), "MSI-X of a VF");
    v->bar0 = vfio_map_bar(&v->fn, 0, NULL);
    bar2 = vfio_map_bar(&v->fn, 2, NULL);
    if (!v->bar0 || !bar2)
        tap_bail("a VF's BARs cannot be mapped");
    v->wl = workload_of(bar2);
    v->id = wl_read(v->wl, WL_VHCA_ID);
    v->function = n + 1;
    v->ram = memory(b, VF_IOVA(n), VF_RAM);
}

void bench_open(struct bench *b)
{
    const char *pf = getenv("FERRY_PF");

    if (!pf)
        tap_bail("FERRY_PF is not set: run this in the lab");
    *b = (struct bench){ 0 };
    snprintf(b->pf_bdf, sizeof(b->pf_bdf), "%s", pf);
    must(io_space_open(&b->space, IO_CONTAINER), "opening a VFIO container");
    open_pf(b);
    must(pci_sriov(b->pf_bdf, BENCH_VFS, false), "enabling VFs");
    for (unsigned n = 0; n < BENCH_VFS; n++)
        open_vf(b, n);
}

void bench_close(struct bench *b)
{
    for (unsigned n = 0; n < BENCH_VFS; n++)
        vfio_close(&b->vf[n].fn);
    must(pci_sriov(b->pf_bdf, 0, false), "disabling the VFs");
    vfio_close(&b->pf_fn);
    io_space_close(&b->space);
}

struct vf *bench_vf(struct bench *b, unsigned n)
{
    struct vf *v = &b->vf[n];
    struct fw_cmd enable = vhca_enable_cmd(v->function, true);

    ctl_disarm(b->control);
    must(vfio_reset(&v->fn), "resetting a VF");
    must(vfio_enable(&v->fn, true), "enabling a VF after its reset");
    fw_exec(&b->pf, &enable);
    memset(v->ram, 0, VF_RAM);
    fw_attach(&v->fw, v->bar0, v->ram, VF_IOVA(n), VF_RAM);
    fw_queue_start(&v->fw);
    for (unsigned i = 0; i < BENCH_VECTORS; i++)
        vfio_irq_wait(&v->fn, i, 0);
    return v;
}

struct vf *bench_running_vf(struct bench *b, unsigned n)
{
    struct vf *v = bench_vf(b, n);

    if (!fw_start(&v->fw))
        tap_bail("VF %u's firmware interface does not start", n);
    return v;
}

struct buffer bench_buffer(struct bench *b, uint64_t size)
{
    struct buffer buf = { .size = (size + 4095) & -4096ull };

    buf.offset = fw_alloc(&b->pf, buf.size, 4096);
    buf.mkey = fw_create_mkey(&b->pf, b->pd, buf.offset, buf.size, 12);
    return buf;
}

/* Only the latest buffer's memory is reused. */
void bench_free_buffer(struct bench *b, struct buffer *buf)
{
    int status = fw_do(&b->pf, OP_DESTROY_MKEY, 0, buf->mkey.index, NULL);

    if (status)
        tap_bail("DESTROY_MKEY of a buffer: status %#x", status);
    if (buf->offset + buf->size == b->pf.m.used)
        fw_free_to(&b->pf, buf->offset);
}
