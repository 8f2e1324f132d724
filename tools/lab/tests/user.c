// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * user NOTES start|moved|stop: the user of a VF that `ferry qualify` moves, as its
 * --workload. The VF is the inherited $FERRY_DEVICE_FD; NOTES is a file in which
 * it remembers from one call to the next what it left there.
 *
 *   start   fills device memory, and keeps changing a part of it from then on
 *   moved   is what was filled still there, and do the changes go on where they were?
 *   stop    no more changes
 *
 * From the start to the end the VF writes to the first WRITTEN pages of the memory at $FERRY_DMA_IOVA, if there is some.
 *
 * Status 0: all is as it must be.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/bar2.h"
#include "lib/tap.h"
#include "lib/vfio.h"

enum { CHANGED = 64 << 10, RATE = 2000, SEED = 11, PATIENCE_MS = 10000, PAGE = 4096, WRITTEN = 8 };

/* What is remembered: changes so far, and a page that nobody changes */
struct notes {
    unsigned long long changes, page, word;
};

static void fail(const char *what)
{
    fprintf(stderr, "user: %s\n", what);
    exit(1);
}

static void inherit(struct vfio_function *vf)
{
    const char *number = getenv("FERRY_DEVICE_FD");
    struct vfio_region_info config = { .argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX };

    if (!number)
        fail("FERRY_DEVICE_FD is not set");
    *vf = (struct vfio_function){ .fd = atoi(number), .group = -1, .event = -1 };
    if (ioctl(vf->fd, VFIO_DEVICE_GET_REGION_INFO, &config))
        fail("FERRY_DEVICE_FD is no VFIO device");
    vf->config = config.offset;
}

static void remember(const char *path, const struct notes *notes)
{
    FILE *file = fopen(path, "w");

    if (!file || fprintf(file, "%llu %llu %llu\n", notes->changes, notes->page, notes->word) < 0 || fclose(file))
        fail("the notes cannot be written");
}

static struct notes recall(const char *path)
{
    FILE *file = fopen(path, "r");
    struct notes notes;

    if (!file || fscanf(file, "%llu %llu %llu", &notes.changes, &notes.page, &notes.word) != 3)
        fail("the notes cannot be read");
    fclose(file);
    return notes;
}

static void start(struct bar2 vf, const char *path)
{
    uint64_t size = wl_read(vf, WL_STATE_SIZE);
    struct notes notes = { .page = size / PAGE - 1 };
    const char *iova = getenv("FERRY_DMA_IOVA");

    if (!wl_fill(vf, 0, size, SEED))
        fail("device memory is not filled");
    if (iova)
        wl_dma(vf, strtoull(iova, NULL, 0), WRITTEN * PAGE, PAGE, RATE, 0);
    wl_write(vf, WL_MEM_COUNT, 0);
    wl_change(vf, 0, CHANGED, RATE, 0);
    notes.word = wl_page(vf, notes.page);
    if (!notes.word)
        fail("the page that was filled is empty");
    remember(path, &notes);
}

static void moved(struct bar2 vf, const char *path)
{
    struct notes notes = recall(path);
    uint64_t changes = wl_read(vf, WL_MEM_COUNT);

    if (wl_page(vf, notes.page) != notes.word)
        fail("a page of device memory is not what it was");
    if (wl_read(vf, WL_DMA_ERRORS))
        fail("the bus refused what the VF wrote");
    if (changes < notes.changes)
        fail("changes were lost");
    if (!wl_wait(vf, WL_MEM_COUNT, changes + 1, PATIENCE_MS))
        fail("the changes do not go on");
    notes.changes = changes;
    remember(path, &notes);
}

int main(int argc, char **argv)
{
    struct vfio_function function;
    struct bar2 vf;

    if (argc != 3) {
        fprintf(stderr, "usage: user NOTES start|moved|stop\n");
        return 2;
    }
    inherit(&function);
    /* After a move that is what configuration space must say already. */
    if (!strcmp(argv[2], "start") && vfio_enable(&function, true))
        fail("memory decoding cannot be enabled");
    vf = workload_of(vfio_map_bar(&function, 2, NULL));
    if (!strcmp(argv[2], "start"))
        start(vf, argv[1]);
    else if (!strcmp(argv[2], "moved"))
        moved(vf, argv[1]);
    else {
        wl_change(vf, 0, CHANGED, 0, 0);
        wl_write(vf, WL_DMA_RATE, 0);
    }
    return 0;
}
