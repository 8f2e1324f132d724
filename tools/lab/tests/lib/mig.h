/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VFIO migration interface: states, data FDs, pre-copy, DMA logging.
 * Knows no device and no driver.  Values: 0 or -errno, unless said.
 */
#ifndef LAB_MIG_H
#define LAB_MIG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vfio.h"

/* A stream in memory; grows as bytes come. */
struct stream {
    uint8_t *data;
    size_t len, room;
};

const char *mig_name(int state);
/* Bits VFIO_MIGRATION_*; a negative value where the device cannot migrate. */
int64_t mig_flags(struct vfio_function *f);
/* Sets a state. *fd: the data FD that came with it or -1; may be NULL where none is due. */
int mig_set(struct vfio_function *f, int state, int *fd);
/* The state, or -errno. */
int mig_get(struct vfio_function *f);
/* Bytes that stopping now would bring, or -errno. */
int64_t mig_data_size(struct vfio_function *f);
int mig_precopy_v2(struct vfio_function *f);
int mig_precopy_info(int fd, struct vfio_precopy_info *info);

/*
 * Appends what the FD gives until its end; bytes, or -errno of the read that
 * failed.  The temporary end of pre-copy (ENOMSG) is an end; ended, if not
 * NULL, tells whether it was the final one.
 */
ssize_t mig_read(int fd, struct stream *s, bool *ended);
/*
 * Pre-copy until the device has nothing to give at this moment: asks for the
 * sizes and reads, at most so many rounds.  Bytes or -errno.
 */
ssize_t mig_read_precopy(int fd, struct stream *s, unsigned rounds);
/* The same, into any other FD. */
ssize_t mig_pipe_precopy(int from, int to, unsigned rounds);
int mig_write(int fd, const void *data, size_t len);
/* From a saving FD into any other, without holding it; bytes or -errno. */
ssize_t mig_pipe(int from, int to, bool *ended);
void stream_append(struct stream *s, const void *data, size_t len);
void stream_free(struct stream *s);

struct dma_range { uint64_t iova, length; };
/* *page_size: the one wished for, then the one chosen. */
int mig_log_start(struct vfio_function *f, const struct dma_range *ranges,
                  unsigned n, uint64_t *page_size);
int mig_log_stop(struct vfio_function *f);
/* Sets bits in the bitmap, clears none of it. */
int mig_log_report(struct vfio_function *f, uint64_t iova, uint64_t length,
                   uint64_t page_size, uint64_t *bitmap);

#endif
