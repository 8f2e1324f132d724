// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kinds of records that ferry and mlx5_vfio_pci write, and noting what is
 * wrong with one. See ferry/stream.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "stream.h"

const struct record_kind record_kinds[] = {
	[FERRY_MEANS_UNKNOWN] = { "unknown" },
	[FERRY_MEANS_IMAGE] = { "image", VFIO_FERRY_TAG_FIRMWARE_DATA },
	[FERRY_MEANS_STOP_COPY_SIZE] = { "stop-copy size", VFIO_FERRY_TAG_STOP_COPY_SIZE, sizeof(__le64) },
	[FERRY_MEANS_IDENTITY] = { "identity", VFIO_FERRY_TAG_IDENTITY, sizeof(struct vfio_ferry_identity) },
	[FERRY_MEANS_SHAPE] = { "shape", VFIO_FERRY_TAG_SHAPE, sizeof(struct vfio_ferry_shape) },
	[FERRY_MEANS_IMAGE_CHECK] = { "image check", VFIO_FERRY_TAG_IMAGE, sizeof(struct vfio_ferry_image_check) },
	[FERRY_MEANS_END] = { "end", VFIO_FERRY_TAG_END, sizeof(struct vfio_ferry_end) },
};

enum ferry_meaning record_meaning(uint32_t tag)
{
	enum ferry_meaning meaning = FERRY_MEANS_END;

	while (meaning != FERRY_MEANS_UNKNOWN && record_kinds[meaning].tag != tag)
		meaning--;
	return meaning;
}

const char *ferry_meaning_name(enum ferry_meaning meaning)
{
	return record_kinds[meaning <= FERRY_MEANS_END ? meaning : FERRY_MEANS_UNKNOWN].name;
}

const char *ferry_image_kind_name(uint32_t kind)
{
	static const char *const names[] = { "unknown", "initial", "middle", "final" };

	return names[kind < FERRY_KINDS ? kind : FERRY_KIND_UNKNOWN];
}

void finding_add(struct findings *findings, uint64_t record, uint64_t offset, const char *format, ...)
{
	struct ferry_finding *finding = &findings->found[findings->count];
	va_list args;

	/* The rules cannot find so much in one. */
	if (findings->count == MAX_FINDINGS)
		abort();
	findings->count++;
	finding->record = record;
	finding->offset = offset;
	va_start(args, format);
	vsnprintf(finding->text, sizeof(finding->text), format, args);
	va_end(args);
}
