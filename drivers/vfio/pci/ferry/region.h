/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The migration region: the first VFIO migration protocol, a second way to the
 * sessions. See region.c and Documentation/region.rst. Only there with
 * CONFIG_VFIO_FERRY_REGION.
 */
#ifndef FERRY_REGION_H
#define FERRY_REGION_H

#include <linux/types.h>

struct ferry_vf;

/*
 * Where the user is in its dealing with one chunk, which is what the data
 * section holds at a time.
 */
enum ferry_chunk_state {
	FERRY_CHUNK_NONE,	/* reading data_offset begins one */
	FERRY_CHUNK_OFFERED,	/* data_offset was read: data, or room, is there */
	FERRY_CHUNK_TOLD,	/* save: and data_size; pending_bytes ends it */
	FERRY_CHUNK_PARTLY,	/* resume: part of it was taken, see set_data_size() */
};

/**
 * struct ferry_chunk - a session's place in the migration region
 * @state: see above
 * @size: bytes of the chunk
 * @taken: resume: bytes of it that are in the stream already
 *
 * Belongs to the session, under its stream's mutex, so a new session begins
 * without one whatever became of the last.
 */
struct ferry_chunk {
	enum ferry_chunk_state state;
	size_t size;
	size_t taken;
};

#ifdef CONFIG_VFIO_FERRY_REGION
int ferry_region_add(struct ferry_vf *vf);
#else
static inline int ferry_region_add(struct ferry_vf *vf)
{
	return 0;
}
#endif

#endif /* FERRY_REGION_H */
