// SPDX-License-Identifier: GPL-2.0-or-later
/* Files of packets: whole ones of two devices, each bit changed, each rule broken by itself. */
#include <endian.h>
#include <string.h>

#include "../../lib/tap.h"
#include "bench.h"
#include "judge.h"

enum { ROOM = 16 << 10, CONFIG = 256, CONFIG_MAX = 4096 };

/* A file while it is written */
struct file {
    uint8_t bytes[ROOM];
    size_t length;
    uint32_t flags;
    uint64_t phase_bytes[2], total[2];
};

/* What is to be wrong with it; nothing else is. */
enum wrong {
    NOTHING, UNKNOWN_VERSION, UNKNOWN_FLAGS, UNKNOWN_TYPE, LIVE_TYPE, WRONG_SIZE, TOO_LONG, NOT_DESCRIBED,
    DESCRIBED_AGAIN, DEVICE_FLAGS, OTHER_COUNT, NO_COUNT, DEVICE_BEYOND, CONFIG_AGAIN, CONFIG_TOO_LONG, CONFIG_EARLY, CONFIG_MISSING, PHASE_UNKNOWN, PHASE_LATE,
    PHASE_BYTES, PHASE_TOTAL, PHASE_RESERVED, BEHIND_THE_END, NO_END, ONE_MISSING, NO_DATA, CRC_UNASKED, STREAM_CUT, LONGEST_CUT, FAULTS,
    LONGEST_CONFIG,         /* is no fault */
};

/* What it is, and what is said of it first */
static const struct {
    const char *name, *said;
} faults[FAULTS] = {
    [NOTHING] = { "nothing", "" },
    [UNKNOWN_VERSION] = { "a version that is not known", "the packets are of version 2" },
    [UNKNOWN_FLAGS] = { "flags that are not known", "has unknown flags: 0x200" },
    [UNKNOWN_TYPE] = { "a type that is not known", "has a type that is not known" },
    [LIVE_TYPE] = { "a connection's type in a file", "that only a connection has" },
    [WRONG_SIZE] = { "a description of the wrong size", "has 116 bytes, must have 120" },
    [TOO_LONG] = { "a packet that is too long", "is longer than a packet may be" },
    [NOT_DESCRIBED] = { "a device that was not described", "which was not described" },
    [DESCRIBED_AGAIN] = { "a device described again", "describes device 0 again" },
    [DEVICE_FLAGS] = { "flags of a device", "has unknown flags: 0x2" },
    [OTHER_COUNT] = { "another number of devices", "says 3 devices" },
    [NO_COUNT] = { "no devices at all", "says 0 devices" },
    [DEVICE_BEYOND] = { "a device beyond the number of them", "says that there are 2" },
    [CONFIG_AGAIN] = { "a second configuration space", "is a second configuration space" },
    [CONFIG_TOO_LONG] = { "a configuration space that is too long", "has more than a configuration space" },
    [CONFIG_EARLY] = { "a configuration space in the middle of a phase", "in the middle of a phase" },
    [CONFIG_MISSING] = { "no configuration space", "without a configuration space" },
    [PHASE_UNKNOWN] = { "a phase that is not known", "ends phase 9" },
    [PHASE_LATE] = { "pre-copy behind the configuration space", "behind the configuration space" },
    [PHASE_BYTES] = { "other bytes in a phase", "bytes in this phase" },
    [PHASE_TOTAL] = { "other bytes in all", "bytes so far" },
    [PHASE_RESERVED] = { "a reserved field", "must be 0" },
    [BEHIND_THE_END] = { "data behind the end of a device", "behind the last phase" },
    [NO_END] = { "a device without its end", "before the last phase" },
    [ONE_MISSING] = { "a device that is missing", "inside a record's header" },
    [NO_DATA] = { "a device without data", "the stream is empty" },
    [CRC_UNASKED] = { "a checksum that the header denies", "the header says that there is none" },
    [STREAM_CUT] = { "a stream that is cut short", "is cut short" },
    [LONGEST_CUT] = { "a packet as long as one may be, of which the rest is missing,", "of its 1048576 bytes are missing" },
};

static void put(struct file *f, const void *data, size_t length)
{
    if (length > ROOM - f->length)
        tap_bail("the file is too small");
    memcpy(f->bytes + f->length, data, length);
    f->length += length;
}

static void packet(struct file *f, uint32_t type, uint32_t device, const void *payload, uint32_t size)
{
    struct ferry_packet head = { htole32(type), htole32(size), htole32(device), 0 };

    if (f->flags & FERRY_HEADER_CHECKED) {
        uint32_t crc = judge_crc32c(~0U, &head, sizeof(head));

        head.crc32c = htole32(~judge_crc32c(crc, payload, size));
    }
    put(f, &head, sizeof(head));
    put(f, payload, size);
}

static void describe(struct file *f, uint32_t device, uint32_t count, uint32_t size, uint32_t flags)
{
    struct ferry_packet_device about = {
        .flags = htole32(flags), .vendor = htole16(0x15b3), .device = htole16(0x101e), .count = htole32(count),
        .subsystem_vendor = htole16(0x15b4), .subsystem_device = htole16(0x22), .revision = htole32(3), .features = htole32(5),
        .name = "0000:01:00.1", .driver = "mlx5_ferry_vfio_pci",
    };

    packet(f, FERRY_PACKET_DEVICE, device, &about, size);
}

static void config(struct file *f, uint32_t device, uint32_t size)
{
    static const uint8_t zeros[CONFIG_MAX + 1];

    packet(f, FERRY_PACKET_CONFIG, device, zeros, size);
}

static void data(struct file *f, uint32_t device, const uint8_t *bytes, size_t length)
{
    packet(f, FERRY_PACKET_DATA, device, bytes, length);
    f->phase_bytes[device & 1] += length;
    f->total[device & 1] += length;
}

static void phase_end(struct file *f, uint32_t device, uint32_t phase, enum wrong fault)
{
    struct ferry_packet_phase end = {
        .phase = htole32(phase), .reserved = htole32(fault == PHASE_RESERVED),
        .bytes = htole64(f->phase_bytes[device] + (fault == PHASE_BYTES)),
        .total = htole64(f->total[device] + (fault == PHASE_TOTAL)),
    };

    packet(f, FERRY_PACKET_PHASE_END, device, &end, sizeof(end));
    f->phase_bytes[device] = 0;
}

static void write_devices(struct file *f, enum wrong fault)
{
    static const uint8_t zeros[64];

    if (fault != NOT_DESCRIBED)
        describe(f, 0, fault == NO_COUNT ? 0 : 2, sizeof(struct ferry_packet_device) - 4 * (fault == WRONG_SIZE),
                 fault == DEVICE_FLAGS ? 2 : FERRY_DEVICE_STOPPED);
    describe(f, fault == DEVICE_BEYOND ? 2 : 1, fault == OTHER_COUNT ? 3 : 2, sizeof(struct ferry_packet_device), 0);
    if (fault == DESCRIBED_AGAIN)
        describe(f, 0, 2, sizeof(struct ferry_packet_device), 0);
    if (fault == UNKNOWN_TYPE)
        packet(f, 99, 0, zeros, sizeof(zeros));
    if (fault == LIVE_TYPE)
        packet(f, FERRY_PACKET_ALIVE, 0, zeros, 0);
    if (fault == TOO_LONG || fault == LONGEST_CUT) {
        struct ferry_packet head = { htole32(FERRY_PACKET_DATA), htole32(FERRY_PACKET_MAX + (fault == TOO_LONG)), 0, 0 };

        put(f, &head, sizeof(head));
    }
}

/* Pre-copy of the one between that of the other, as two devices at once send it */
static void write_streams(struct file *f, const struct seed *one, const struct seed *other, enum wrong fault)
{
    size_t half = one->length / 2;

    data(f, 0, one->stream, half);
    if (fault != NO_DATA)
        data(f, 1, other->stream, 7);
    phase_end(f, 0, fault == PHASE_UNKNOWN ? 9 : FERRY_PACKET_PHASE_INITIAL, NOTHING);
    /* begun anew */
    phase_end(f, 0, FERRY_PACKET_PHASE_DIRTY, NOTHING);
    phase_end(f, 0, FERRY_PACKET_PHASE_INITIAL, NOTHING);
    if (fault == CONFIG_EARLY)
        data(f, 0, one->stream + half++, 1);
    if (fault != CONFIG_MISSING)
        config(f, 0, fault == CONFIG_TOO_LONG ? CONFIG_MAX + 1 : fault == LONGEST_CONFIG ? CONFIG_MAX : CONFIG);
    if (fault == PHASE_LATE)
        phase_end(f, 0, FERRY_PACKET_PHASE_DIRTY, NOTHING);
    if (fault == CONFIG_AGAIN)
        config(f, 0, CONFIG);
    data(f, 0, one->stream + half, one->length - half - (fault == STREAM_CUT));
    phase_end(f, 0, FERRY_PACKET_PHASE_STOP_COPY, fault);
    if (fault == BEHIND_THE_END)
        data(f, 0, one->stream, 1);
    if (fault == ONE_MISSING)
        return;
    phase_end(f, 1, FERRY_PACKET_PHASE_INITIAL, NOTHING);
    config(f, 1, CONFIG);
    if (fault != NO_DATA)
        data(f, 1, other->stream + 7, other->length - 7);
    if (fault != NO_END)
        phase_end(f, 1, FERRY_PACKET_PHASE_STOP_COPY, NOTHING);
}

static void write_file(struct file *f, const struct bench *b, uint32_t flags, enum wrong fault)
{
    struct ferry_header header = {
        .version = htole32(FERRY_PACKET_VERSION + (fault == UNKNOWN_VERSION)),
        .flags = htole32((flags & ~(fault == CRC_UNASKED ? FERRY_HEADER_CHECKED : 0)) |
                         (fault == UNKNOWN_FLAGS ? 1u << 9 : 0)),
    };
    const struct seed *sound[2] = { NULL, NULL };

    for (unsigned i = 0; i < b->count; i++)
        if (b->seeds[i].sound && !sound[1])
            sound[!!sound[0]] = &b->seeds[i];
    if (!sound[1])
        tap_bail("the corpus has no two sound streams");
    memset(f, 0, sizeof(*f));
    f->flags = flags;
    memcpy(header.magic, FERRY_MAGIC, sizeof(header.magic));
    put(f, &header, sizeof(header));
    write_devices(f, fault);
    write_streams(f, sound[0], sound[1], fault);
}

/* Bits are changed one after another, in one file that is changed back. */
static void every_bit(struct bench *b)
{
    static struct file f;
    unsigned unseen = 0;

    write_file(&f, b, FERRY_HEADER_CHECKED, NOTHING);
    for (size_t bit = 0; bit < f.length * 8; bit++) {
        f.bytes[bit / 8] ^= 1 << bit % 8;
        if (analyse(f.bytes, f.length, 0, 0).sound && !unseen++)
            tap_diag("bit %zu of byte %zu changed unseen", bit % 8, bit / 8);
        f.bytes[bit / 8] ^= 1 << bit % 8;
    }
    ok_eq(unseen, 0, "every changed bit of %zu bytes of packets is found", f.length);
}

static void every_cut(struct bench *b)
{
    static struct file f;
    unsigned unseen = 0;

    write_file(&f, b, FERRY_HEADER_CHECKED, NOTHING);
    for (size_t cut = 0; cut < f.length; cut++)
        if (analyse(f.bytes, cut, 0, 0).sound && !unseen++)
            tap_diag("cut after %zu bytes unseen", cut);
    ok_eq(unseen, 0, "every cut is found");
}

/* What is told of the packets of a file that is right */
struct told {
    const struct file *file;
    uint64_t count;
    unsigned devices, phases, configs, wrong;
};

static bool describes(const struct ferry_packet_device *about, uint32_t number)
{
    return about->flags == (number ? 0 : FERRY_DEVICE_STOPPED) && about->vendor == 0x15b3 && about->device == 0x101e &&
           about->subsystem_vendor == 0x15b4 && about->subsystem_device == 0x22 && about->revision == 3 &&
           about->features == 5 && about->count == 2 && !strcmp(about->name, "0000:01:00.1") &&
           !strcmp(about->driver, "mlx5_ferry_vfio_pci");
}

static void told_packet(void *context, const struct ferry_saved_packet *packet)
{
    struct told *told = context;
    struct ferry_packet wire;
    bool known = packet->type == FERRY_PACKET_DEVICE || packet->type == FERRY_PACKET_PHASE_END, same;

    memcpy(&wire, told->file->bytes + packet->offset, sizeof(wire));
    same = packet->number == told->count++ && packet->type == le32toh(wire.type) && packet->size == le32toh(wire.size) &&
           packet->device == le32toh(wire.device) && packet->known == known &&
           /* one that carries a stream is told when it begins */
           packet->present == (packet->type == FERRY_PACKET_DATA ? 0 : packet->size) &&
           packet->head_length == (packet->present < FERRY_SAVED_HEAD ? packet->present : FERRY_SAVED_HEAD) &&
           !memcmp(packet->head, told->file->bytes + packet->offset + sizeof(wire), packet->head_length);
    if (packet->type == FERRY_PACKET_DEVICE) {
        same = same && describes(&packet->about, packet->device);
        told->devices++;
    } else if (packet->type == FERRY_PACKET_PHASE_END) {
        struct ferry_packet_phase phase;

        memcpy(&phase, packet->head, sizeof(phase));
        same = same && packet->phase.phase == le32toh(phase.phase) && packet->phase.bytes == le64toh(phase.bytes) &&
               packet->phase.total == le64toh(phase.total) && !packet->phase.reserved;
        told->phases++;
    }
    told->configs += packet->type == FERRY_PACKET_CONFIG;
    if (!same && !told->wrong++)
        tap_diag("packet %llu, at %llu, type %u", (unsigned long long)packet->number, (unsigned long long)packet->offset,
                 packet->type);
}

static void every_field(struct bench *b, size_t piece)
{
    static const struct ferry_saved_events events = { .packet = told_packet };
    const struct ferry_saved_summary *summary;
    struct ferry_saved *saved;
    static struct file f;
    struct told told = { .file = &f };

    write_file(&f, b, FERRY_HEADER_CHECKED, NOTHING);
    saved = ferry_saved_new(&events, &told, 0);
    for (size_t at = 0; at < f.length; at += piece)
        ferry_saved_feed(saved, f.bytes + at, piece < f.length - at ? piece : f.length - at, NULL);
    summary = ferry_saved_end(saved);
    ok(told.devices == 2 && told.configs == 2 && told.phases == 6 && !told.wrong, "each packet is told as it is, in pieces of %zu",
       piece);
    ok(summary->packaged && summary->version == FERRY_PACKET_VERSION && summary->flags == FERRY_HEADER_CHECKED &&
       summary->bytes == f.length && summary->packets == told.count && summary->devices == 2, "and so is the file");
    for (unsigned i = 0; i < 2; i++)
        ok(describes(&summary->device[i].about, i) && summary->device[i].config_bytes == CONFIG && summary->device[i].ended &&
           summary->device[i].stream.bytes == f.total[i], "and device %u", i);
    ferry_saved_free(saved);
}

/* What is missing at the end is said of the end, also where a packet is cut short before it. */
struct end {
    size_t length;
    unsigned there, elsewhere;
};

static void told_missing(void *context, const struct ferry_finding *finding)
{
    struct end *end = context;

    if (strncmp(finding->text, "the file ends ", 14))
        return;
    if (finding->offset == end->length)
        end->there++;
    else
        end->elsewhere++;
}

static void end_behind_a_cut(struct bench *b)
{
    static const struct ferry_saved_events events = { .packet_finding = told_missing };
    static struct file f;
    struct ferry_saved *saved;
    struct end end;

    write_file(&f, b, 0, LONGEST_CUT);
    end = (struct end){ .length = f.length };
    saved = ferry_saved_new(&events, &end, 0);
    ferry_saved_feed(saved, f.bytes, f.length, NULL);
    ferry_saved_end(saved);
    ok(end.there == 2 && !end.elsewhere, "of two devices the last phase is missing, at the end of the file");
    ferry_saved_free(saved);
}

static void told_full_name(void *context, const struct ferry_saved_packet *packet)
{
    bool *good = context;

    if (packet->type == FERRY_PACKET_DEVICE)
        *good = strnlen(packet->about.name, sizeof(packet->about.name)) == sizeof(packet->about.name) - 1 &&
                strnlen(packet->about.driver, sizeof(packet->about.driver)) == sizeof(packet->about.driver) - 1;
}

/* Names that end nowhere */
static void endless_names(void)
{
    static const struct ferry_saved_events events = { .packet = told_full_name };
    struct ferry_header header = { .version = htole32(FERRY_PACKET_VERSION) };
    struct ferry_packet_device about = { .count = htole32(1) };
    struct ferry_saved *saved;
    static struct file f;
    bool good = false;

    memcpy(header.magic, FERRY_MAGIC, sizeof(header.magic));
    memset(about.name, 'n', sizeof(about.name));
    memset(about.driver, 'd', sizeof(about.driver));
    put(&f, &header, sizeof(header));
    packet(&f, FERRY_PACKET_DEVICE, 0, &about, sizeof(about));
    saved = ferry_saved_new(&events, &good, 0);
    ferry_saved_feed(saved, f.bytes, f.length, NULL);
    ferry_saved_end(saved);
    ok(good, "names without an end are cut");
    ferry_saved_free(saved);
}

static void names(void)
{
    static const char *const packets[] = { "unknown", "device", "configuration", "data", "phase end", "unknown" };
    static const char *const answers[] = { "unknown", "accept", "initial loaded", "ready", "go", "started", "failed", "alive",
                                           "unknown" };
    static const char *const phases[] = { "unknown", "initial", "dirty", "stop-copy", "unknown", "unknown" };
    bool same = true;

    for (unsigned i = 0; i < 6; i++)
        same = same && !strcmp(ferry_packet_name(i), packets[i]) && !strcmp(ferry_packet_phase_name(i), phases[i]);
    for (unsigned i = 0; i < 9; i++)
        same = same && !strcmp(ferry_packet_name(15 + i), answers[i]);
    ok(same && !strcmp(ferry_packet_name(UINT32_MAX), "unknown"), "packets and phases have their names");
}

void test_packets(struct bench *b)
{
    static const size_t pieces[] = { 1, 15, 16, 17, 300 };
    static struct file f;

    for (uint32_t flags = 0; flags <= FERRY_HEADER_CHECKED; flags += FERRY_HEADER_CHECKED) {
        struct said whole;

        write_file(&f, b, flags, NOTHING);
        whole = analyse(f.bytes, f.length, 0, 0);
        if (!ok(whole.sound && !whole.findings, "two devices in packets are sound"))
            tap_diag("%s", whole.first.text);
        ok_eq(whole.packets, whole.all_packets, "and each is told");
        for (unsigned i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
            ok_eq(analyse(f.bytes, f.length, pieces[i], 0).sum, whole.sum, "the same in pieces of %zu", pieces[i]);
    }
    write_file(&f, b, 0, LONGEST_CONFIG);
    ok(analyse(f.bytes, f.length, 0, 0).sound, "a configuration space as long as one may be is sound");
    for (enum wrong fault = NOTHING + 1; fault < FAULTS; fault++) {
        struct said said;

        write_file(&f, b, fault == CRC_UNASKED ? FERRY_HEADER_CHECKED : 0, fault);
        said = analyse(f.bytes, f.length, 0, 0);
        ok(!said.sound && said.findings && strstr(said.first.text, faults[fault].said), "%s is found: %s",
           faults[fault].name, said.first.text);
    }
    every_bit(b);
    every_cut(b);
    every_field(b, ROOM);
    every_field(b, 1);
    end_behind_a_cut(b);
    endless_names();
    names();
}
