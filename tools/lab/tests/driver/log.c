// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Words of a stream are another host's, or an unprivileged user's. They may
 * come into the kernel's log and into debugfs, but not as lines of their own,
 * nor with what a terminal obeys.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/klog.h>

#include "records.h"
#include "sweep.h"

#define MARK "forged"

enum { READ_ALL = 3, LOG_SIZE = 1 << 20 };

/* Bytes of a text that are neither printable nor the end of a line. */
static unsigned unprintable(const char *text)
{
    unsigned n = 0;

    for (; *text; text++)
        n += *text != '\n' && !isprint((unsigned char)*text);
    return n;
}

/* Lines with the word; *strange: of these, such as have not the other word. */
static unsigned lines_with(const char *text, const char *word, const char *other, unsigned *strange)
{
    char line[1024];
    unsigned n = 0;

    *strange = 0;
    for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
        snprintf(line, sizeof(line), "%.*s", (int)strcspn(text, "\n"), text);
        if (!strstr(line, word))
            continue;
        n++;
        *strange += !strstr(line, other);
    }
    return n;
}

static void load_from(struct vf *v, const struct stream *s, const char family[16])
{
    struct stream forged = { 0 };
    struct records all = records_of(s);
    const struct record *r = record_find(&all, VFIO_FERRY_TAG_IDENTITY, 0);
    int fd = -1, err;

    stream_append(&forged, s->data, s->len);
    memcpy(forged.data + r->at + HEADER + offsetof(struct vfio_ferry_identity, family), family, 16);
    stream_seal(&forged);
    err = load_run(v, &forged, &fd);
    ok(err == -EXDEV, "a source of a family with a strange name is refused (%d)", err);
    close(fd);
    stream_free(&forged);
    vf_reset(v);
}

/* All that the kernel's log has; as dmesg shows it, a message of several lines is several. */
static char *whole_log(void)
{
    char *text = malloc(LOG_SIZE + 1);
    int n = text ? klogctl(READ_ALL, text, LOG_SIZE) : -1;

    if (n < 0)
        tap_bail("the kernel's log cannot be read");
    text[n] = 0;
    return text;
}

void test_log(struct bench *b)
{
    static const char family[16] = "a\n" MARK "\nx\033[1m\r";
    struct vf *v = &b->vf[0];
    char text[1024], *log;
    unsigned lines, strange;
    struct stream s;
    uint64_t sum;

    if (!b->vfs || !v->ferry)
        tap_bail("the test of the log needs a VF bound to ferry");
    vf_open(v);
    s = vf_record(v, false, &sum);
    load_from(v, &s, family);
    log = whole_log();
    ok(lines_with(log, v->bdf, "refused", &strange), "the kernel's log says that it was");
    lines = lines_with(log, MARK, "refused", &strange);
    ok(!strange, "that name is in no line of its own: %u of %u", strange, lines);
    ferry_show(v, "failure", text, sizeof(text));
    lines = lines_with(text, MARK, "refused ", &strange);
    ok(*text && !strange && !unprintable(text),
       "so in debugfs, and there is nothing that a terminal obeys: %u of %u, %u bytes", strange, lines, unprintable(text));
    free(log);
    stream_free(&s);
    vf_close(v);
    bench_check_clean(b, "a stream's words");
}
