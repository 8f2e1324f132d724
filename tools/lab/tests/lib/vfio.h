/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PCI function opened through VFIO: by group and container, or by its
 * character device and IOMMUFD where the kernel has them.  Knows no device.
 *
 * An io_space is what IOVAs belong to; several functions may share one.
 * Values: 0 or -errno, unless said.  No locks: one thread per object.
 */
#ifndef LAB_VFIO_H
#define LAB_VFIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pci.h"
#include "uapi.h"

enum io_backend { IO_CONTAINER, IO_IOMMUFD };

struct io_space {
    enum io_backend backend;
    int fd;
    bool ready;                 /* CONTAINER: a group has joined and the type is set */
    uint32_t ioas;              /* IOMMUFD */
};

enum { VFIO_MAX_VECTORS = 32 };

struct vfio_function {
    char bdf[PCI_NAME];
    struct io_space *space;
    int group;                  /* -1 with IOMMUFD */
    int fd;
    uint64_t config;            /* offset of configuration space */
    int irq[VFIO_MAX_VECTORS];  /* an eventfd for each MSI-X vector */
    unsigned vectors;
    int event;                  /* an eventfd for what is watched, or -1 */
    struct vfio_map {
        void *at;
        size_t size;
    } bar[6];                   /* mapped: they keep the device open */
};

bool io_backend_available(enum io_backend backend);
int io_space_open(struct io_space *s, enum io_backend backend);
void io_space_close(struct io_space *s);
/* CONTAINER: only after the first function was opened. */
int io_map(struct io_space *s, uint64_t iova, void *va, uint64_t size);
int io_unmap(struct io_space *s, uint64_t iova, uint64_t size);

/* token: NULL, or the UUID that the PF's user and its VFs' users share. */
int vfio_open(struct vfio_function *f, struct io_space *s, const char *bdf,
              const char *token);
void vfio_close(struct vfio_function *f);
int vfio_reset(struct vfio_function *f);
/* NULL if the BAR is not there or cannot be mapped; until vfio_close(). */
void *vfio_map_bar(struct vfio_function *f, unsigned bar, size_t *size);
int vfio_config_read(struct vfio_function *f, unsigned offset, void *data, unsigned len);
int vfio_config_write(struct vfio_function *f, unsigned offset, const void *data, unsigned len);
/* Memory decoding and bus mastering, on or off. */
int vfio_enable(struct vfio_function *f, bool on);
int vfio_msix_enable(struct vfio_function *f, unsigned vectors);
void vfio_msix_disable(struct vfio_function *f);
/* Interrupts of a vector since the last call; waits for the first up to ms. */
uint64_t vfio_irq_wait(struct vfio_function *f, unsigned vector, int ms);
/*
 * What the driver tells of the device, one thing at a time: an uncorrectable
 * PCI error (VFIO_PCI_ERR_IRQ_INDEX), that somebody wants it back (REQ). Seen:
 * since it is watched, or since the last call.
 */
int vfio_event_watch(struct vfio_function *f, unsigned index);
bool vfio_event_seen(struct vfio_function *f);
/* VFIO_DEVICE_FEATURE: flags are GET, SET, PROBE and the feature. */
int vfio_feature(struct vfio_function *f, uint32_t flags, void *data, size_t len);

#endif
