// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Words of a stream are another host's, or an unprivileged user's. They may
 * come into the kernel's log and into debugfs, but not as lines of their own,
 * nor with what a terminal obeys. The log also tells of a source that is loaded
 * and that nobody tried.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <endian.h>
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

/* Load a stream whose identity has other bytes in one place. */
static int load_forged(struct vf *v, const struct stream *s, size_t at, const void *bytes, size_t len)
{
    struct stream forged = { 0 };
    struct records all = records_of(s);
    const struct record *r = record_find(&all, VFIO_FERRY_TAG_IDENTITY, 0);
    int fd = -1, err;

    stream_append(&forged, s->data, s->len);
    memcpy(forged.data + r->at + HEADER + at, bytes, len);
    stream_seal(&forged);
    err = load_run(v, &forged, &fd);
    close(fd);
    stream_free(&forged);
    vf_reset(v);
    return err;
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

/* A number of the source's firmware, the last the card's; and what the log says of the pair, if anything. */
struct pair {
    unsigned nth;
    uint16_t value;
    const char *said;
};

/* The model's firmware is 28.40.1000. */
static const struct pair pairs[] = {
    { 0, 28, NULL },
    { 2, 999, "the source's firmware 28.40.999 is another than this, 28.40.1000" },
    { 2, 1001, "the source's firmware 28.40.1001 is another than this, 28.40.1000" },
    { 1, 39, "the source's firmware 28.39.1000 is another than this, 28.40.1000" },
    /* not the model's, whose checksum has other bits */
    { 3, 1, "the source is another model of card (PSID)" },
    { 3, 0, NULL },             /* as earlier versions of ferry write it */
};

static void tells_of_untried(struct vf *v, const struct stream *s)
{
    for (unsigned i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        const struct pair *p = &pairs[i];
        uint16_t value = htole16(p->value);
        unsigned before, after, said = 0, strange;
        char *log = whole_log(), line[160];
        int err;

        before = lines_with(log, "untried", v->bdf, &strange);
        free(log);
        err = load_forged(v, s, offsetof(struct vfio_ferry_identity, firmware[p->nth]), &value, 2);
        log = whole_log();
        after = lines_with(log, "untried", v->bdf, &strange);
        if (p->said) {
            snprintf(line, sizeof(line), "%s: untried: %s", v->bdf, p->said);
            said = lines_with(log, line, v->bdf, &strange);
        }
        ok(!err && after - before == !!p->said && said == !!p->said, "number %u of the firmware %u is loaded (%d), the log says: %s",
           p->nth, p->value, err, p->said ? p->said : "nothing");
        free(log);
    }
}

void test_log(struct bench *b)
{
    static const char family[16] = "a\n" MARK "\nx\033[1m\r";
    struct vf *v = &b->vf[0];
    char text[1024], *log;
    unsigned lines, strange;
    struct stream s;
    uint64_t sum;
    int err;

    if (!b->vfs || !v->ferry)
        tap_bail("the test of the log needs a VF bound to ferry");
    vf_open(v);
    s = vf_record(v, false, &sum);
    err = load_forged(v, &s, offsetof(struct vfio_ferry_identity, family), family, sizeof(family));
    ok(err == -EXDEV, "a source of a family with a strange name is refused (%d)", err);
    log = whole_log();
    ok(lines_with(log, v->bdf, "refused", &strange), "the kernel's log says that it was");
    lines = lines_with(log, MARK, "refused", &strange);
    ok(!strange, "that name is in no line of its own: %u of %u", strange, lines);
    ferry_show(v, "failure", text, sizeof(text));
    lines = lines_with(text, MARK, "refused ", &strange);
    ok(*text && !strange && !unprintable(text),
       "so in debugfs, and there is nothing that a terminal obeys: %u of %u, %u bytes", strange, lines, unprintable(text));
    free(log);
    tells_of_untried(v, &s);
    stream_free(&s);
    vf_close(v);
    bench_check_clean(b, "a stream's words");
}
