// SPDX-License-Identifier: GPL-2.0-or-later
/* A stream of 5 GiB passes, and memory does not grow with it. */
#include <string.h>
#include <sys/resource.h>

#include "wire.h"

#include "../../lib/tap.h"
#include "bench.h"

enum { PIECE = 1 << 20, PIECES_EACH = 1024, IMAGES = 5, GROWTH_KIB = 4096 };

static long memory_kib(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static void feed(struct ferry_saved *saved, const void *data, size_t length)
{
    if (ferry_saved_feed(saved, data, length, NULL))
        tap_bail("no memory");
}

/* Images of 1 GiB, as the encoder of the driver frames them */
static void feed_image(struct ferry_saved *saved, struct ferry_encoder *encoder, uint8_t *piece,
                       unsigned number)
{
    uint8_t control[FERRY_WIRE_CONTROL_BYTES];

    feed(saved, control, ferry_encode_image(encoder, control, (uint64_t)PIECE * PIECES_EACH));
    for (unsigned i = 0; i < PIECES_EACH; i++) {
        memcpy(piece, &i, sizeof(i));
        ferry_encode_image_data(encoder, piece, PIECE);
        feed(saved, piece, PIECE);
    }
    feed(saved, control, ferry_encode_image_check(encoder, control,
                                                  number + 1 == IMAGES ? VFIO_FERRY_IMAGE_FINAL :
                                                  number ? VFIO_FERRY_IMAGE_MIDDLE :
                                                           VFIO_FERRY_IMAGE_INITIAL));
}

void test_large(struct bench *b)
{
    static const struct ferry_saved_events silent;
    struct vfio_ferry_identity identity = { .family = "mlx5" };
    static uint8_t piece[PIECE], control[FERRY_WIRE_CONTROL_BYTES];
    const struct ferry_saved_summary *summary;
    struct ferry_encoder encoder;
    struct ferry_saved *saved = ferry_saved_new(&silent, NULL, 0);
    long before;

    (void)b;
    if (!saved)
        tap_bail("no memory");
    memset(piece, 0xa5, sizeof(piece));
    ferry_encoder_init(&encoder);
    feed(saved, control, ferry_encode_identity(&encoder, control, &identity));
    before = memory_kib();
    for (unsigned i = 0; i < IMAGES; i++)
        feed_image(saved, &encoder, piece, i);
    feed(saved, control, ferry_encode_end(&encoder, control));
    ok(memory_kib() - before < GROWTH_KIB, "5 GiB pass, memory grows by %ld KiB",
       memory_kib() - before);
    summary = ferry_saved_end(saved);
    ok(summary->sound, "a stream of 5 GiB is sound");
    ok_eq(summary->bytes, 5ull * PIECE * PIECES_EACH + FERRY_WIRE_IDENTITY_BYTES + FERRY_WIRE_END_BYTES +
          IMAGES * FERRY_WIRE_IMAGE_OVERHEAD, "all of it was counted");
    ferry_saved_free(saved);
}
