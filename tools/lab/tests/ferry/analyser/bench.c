// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs the analyser and the reference. See bench.h. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge.h"
#include "plan.h"

#include "../../lib/tap.h"
#include "bench.h"

static void add(struct said *said, const void *data, size_t length)
{
    const uint8_t *byte = data;

    while (length--)
        said->sum = (said->sum ^ *byte++) * 0x100000001b3ull;
}

static void packet(void *context, const struct ferry_saved_packet *packet)
{
    struct said *said = context;

    said->packets++;
    add(said, &packet->offset, sizeof(packet->offset));
    add(said, &packet->type, sizeof(packet->type));
    add(said, &packet->size, sizeof(packet->size));
}

static void record(void *context, uint32_t device, const struct ferry_record *record)
{
    struct said *said = context;

    said->records++;
    add(said, &device, sizeof(device));
    add(said, &record->number, sizeof(record->number));
    add(said, &record->offset, sizeof(record->offset));
    add(said, &record->size, sizeof(record->size));
    add(said, &record->present, sizeof(record->present));
    add(said, &record->flags, sizeof(record->flags));
    add(said, &record->tag, sizeof(record->tag));
    add(said, &record->crc32c, sizeof(record->crc32c));
    add(said, record->head, record->head_length);
}

static void packet_finding(void *context, const struct ferry_finding *finding)
{
    struct said *said = context;

    if (!said->findings++)
        said->first = *finding;
    add(said, &finding->offset, sizeof(finding->offset));
    add(said, &finding->record, sizeof(finding->record));
    add(said, finding->text, strlen(finding->text));
}

static void finding(void *context, uint32_t device, const struct ferry_finding *finding)
{
    (void)device;
    packet_finding(context, finding);
}

struct said analyse(const void *data, size_t length, size_t piece, uint64_t max_image)
{
    static const struct ferry_saved_events events = { packet, packet_finding, record, finding };
    const struct ferry_saved_summary *summary;
    struct said said = { 0 };
    struct ferry_saved *saved = ferry_saved_new(&events, &said, max_image);

    if (!saved)
        tap_bail("no memory");
    for (size_t at = 0; at < length; at += piece) {
        if (!piece || piece > length - at)
            piece = length - at;
        if (ferry_saved_feed(saved, (const uint8_t *)data + at, piece, NULL))
            tap_bail("no memory");
    }
    summary = ferry_saved_end(saved);
    said.stream = summary->device[0].stream;
    said.all_findings = summary->findings;
    said.all_packets = summary->packets;
    said.sound = summary->sound;
    ferry_saved_free(saved);
    return said;
}

uint64_t plan_max_image(const uint8_t *input)
{
    const struct plan *plan = (const void *)input;

    if (!plan->limit)
        return UINT64_MAX;
    return plan->limit == 255 ? 1 << 20 : plan->limit;
}

bool reference(const void *data, size_t length, uint64_t max_image)
{
    struct judgement judgement;
    const struct trace *trace = &judgement.trace;
    bool refused, sound;

    judge(&judgement, data, length, max_image);
    refused = trace->count && trace->events[trace->count - 1].what == FERRY_EVENT_REFUSED;
    sound = !refused && judgement.whole_at[length];
    judgement_free(&judgement);
    return sound;
}

bool agrees(const struct said *said, bool sound, const char *name)
{
    bool same = said->sound == sound && said->stream.loads == sound &&
                !said->findings == sound && said->all_findings == said->findings &&
                said->records == said->stream.records;

    /* What a target refuses must have been found no later. */
    if (same && !sound && said->first.offset > said->stream.refused_at)
        same = false;
    if (!same)
        tap_diag("%s: the reference says %s; sound %d, loads %d (%s at %llu), %llu findings, "
                 "the first at %llu: %s", name, sound ? "sound" : "wrong", said->sound,
                 said->stream.loads, said->stream.reason ? said->stream.reason : "-",
                 (unsigned long long)said->stream.refused_at,
                 (unsigned long long)said->findings,
                 (unsigned long long)said->first.offset, said->first.text);
    return same;
}

static void load(struct seed *seed, const char *corpus, const char *name)
{
    char path[512];
    FILE *file;

    snprintf(seed->name, sizeof(seed->name), "%s", name);
    snprintf(path, sizeof(path), "%s/%s", corpus, name);
    file = fopen(path, "rb");
    if (!file)
        tap_bail("%s cannot be read", path);
    seed->input_length = fread(seed->input, 1, sizeof(seed->input), file);
    fclose(file);
    if (seed->input_length < sizeof(struct plan))
        tap_bail("%s has no plan", path);
    seed->stream = seed->input + sizeof(struct plan);
    seed->length = seed->input_length - sizeof(struct plan);
    seed->max_image = plan_max_image(seed->input);
    seed->sound = reference(seed->stream, seed->length, seed->max_image);
}

void bench_load(struct bench *b, const char *corpus)
{
    struct dirent **names;
    int count = scandir(corpus, &names, NULL, alphasort);

    if (count < 0)
        tap_bail("%s cannot be listed", corpus);
    for (int i = 0; i < count; i++) {
        if (names[i]->d_name[0] != '.') {
            if (b->count == MAX_SEEDS)
                tap_bail("the corpus has more than %d streams", MAX_SEEDS);
            load(&b->seeds[b->count++], corpus, names[i]->d_name);
        }
        free(names[i]);
    }
    free(names);
}
