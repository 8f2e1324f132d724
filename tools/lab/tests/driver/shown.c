// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What administrators are shown, in debugfs and in a data FD's fdinfo: each
 * line of the tables of Documentation/debugfs.rst, in their order, and in
 * them what is so.
 */
#define _GNU_SOURCE
#include <stdio.h>

#include "stand.h"

static const char session_lines[] =
    "ferry-device ferry-direction ferry-protocol ferry-phase ferry-error ferry-images ferry-ready ferry-busy "
    "ferry-unread-initial ferry-unread-dirty ferry-memory ferry-budget ";
static const char stats_lines[] =
    "availability bytes_read bytes_written images_saved images_loaded failures tracks_lost leaked_bytes full_state_bytes "
    "window_allocations window_maps window_unmaps window_frees ns_ERROR ns_STOP ns_RUNNING ns_STOP_COPY ns_RESUMING "
    "ns_RUNNING_P2P ns_PRE_COPY ns_PRE_COPY_P2P ";
static const char fault_lines[] =
    "# suspend resume query save saved load stop_tracking map unmap alloc session region ";

/* The first word of each line, from that of the first one that the wanted ones begin with. */
static const char *first_words(const char *text, const char *wanted, char *to, size_t size)
{
    size_t len = 0;

    to[0] = 0;
    for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
        size_t word = strcspn(text, ": \n");

        if (len || !strncmp(text, wanted, word))
            len += snprintf(to + len, size - len, "%.*s ", (int)word, text);
    }
    return to;
}

static void has_lines(const char *text, const char *wanted, const char *where)
{
    char words[1024];

    first_words(text, wanted, words, sizeof(words));
    if (!ok(!strcmp(words, wanted), "%s has each line that there should be", where))
        tap_diag("%s", words);
}

static const char *fdinfo(int fd, char *to, size_t size)
{
    char path[64];
    FILE *file;

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    file = fopen(path, "r");
    to[file ? fread(to, 1, size - 1, file) : 0] = 0;
    if (file)
        fclose(file);
    return to;
}

void test_shown(struct bench *b)
{
    struct vf *v = &b->vf[0];
    char text[4096], device[64];
    int fd;

    if (!b->vfs || !v->ferry)
        tap_bail("the test of what is shown needs a VF bound to ferry");
    vf_open(v);
    snprintf(device, sizeof(device), "ferry-device:\t%s\n", v->bdf);
    ok(!strcmp(ferry_show(v, "session", text, sizeof(text)), "none\n"), "without a session none is shown");
    has_lines(ferry_show(v, "stats", text, sizeof(text)), stats_lines, "stats");
    has_lines(ferry_show(v, "fault", text, sizeof(text)), fault_lines, "fault");
    fd = vf_set(v, VFIO_DEVICE_STATE_STOP_COPY);
    fdinfo(fd, text, sizeof(text));
    has_lines(text, session_lines, "the data FD of a save");
    ok(strstr(text, device) && strstr(text, "direction:\tsave\nferry-protocol:\tfd\n"), "and says whose and what it is");
    has_lines(ferry_show(v, "session", text, sizeof(text)), session_lines, "session");
    close(fd);
    vf_set(v, VFIO_DEVICE_STATE_RUNNING);
    fd = vf_set(v, VFIO_DEVICE_STATE_RESUMING);
    ok(!!strstr(fdinfo(fd, text, sizeof(text)), "direction:\tresume\nferry-protocol:\tfd\nferry-phase:\treceiving\n"),
       "that of a resume says so");
    close(fd);
    vf_close(v);
    bench_check_clean(b, "what is shown");
}
