// SPDX-License-Identifier: GPL-2.0-only
/*
 * The migration region: struct vfio_device_migration_info and, behind it, a
 * section through which the stream's bytes go, chunk by chunk. The protocol of
 * VMMs that know no other; Documentation/region.rst has it and each decision
 * that its text leaves open.
 *
 * Another way in, nothing more: device_state goes along the arcs of fsm.c, chunks are
 * read from and written to a session's stream by reader.c and writer.c, in the
 * bytes that a data FD would give or take.
 *
 * Called by vfio-pci-core for read, write and mmap of the device's FD, in any
 * number of threads. The fields of a chunk are under the stream's mutex. The
 * data section is memory like any that is mapped: access to it takes no lock,
 * so a user's own page fault stalls nobody, and who changes it while a chunk
 * is on its way gets what that makes.
 */
#include <linux/bvec.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "compat.h"
#include "estimate.h"
#include "fsm.h"
#include "reader.h"
#include "region.h"
#include "session.h"
#include "writer.h"

/*
 * VMMs want data_offset to be where the mappable area begins, and that never
 * to change. A chunk costs them three accesses, or without a mapping one per
 * eight bytes.
 */
#define SECTION_OFFSET	PAGE_SIZE
#define SECTION_BYTES	((size_t)SZ_1M)
#define SECTION_PAGES	(SECTION_BYTES >> PAGE_SHIFT)

/**
 * struct ferry_region - the region of a function that is open
 * @vf: the function
 * @mutex: protects the making of @section; taken last, also under mmap_lock
 * @section: SECTION_PAGES pages, NULL until somebody needs them
 */
struct ferry_region {
	struct ferry_vf *vf;
	struct mutex mutex;	/* see above */
	struct bio_vec *section;
};

/* The data section */

static void free_section(struct bio_vec *section)
{
	for (size_t i = 0; section && i < SECTION_PAGES; i++)
		if (section[i].bv_page)
			__free_page(section[i].bv_page);
	kvfree(section);
}

static struct bio_vec *new_section(struct ferry_vf *vf)
{
	struct bio_vec *section;
	struct page *page;

	if (ferry_fault_hit(&vf->fault, FERRY_FAULT_REGION))
		return NULL;
	section = kvcalloc(SECTION_PAGES, sizeof(*section), GFP_KERNEL_ACCOUNT);
	if (!section)
		return NULL;
	for (size_t i = 0; i < SECTION_PAGES; i++) {
		page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		if (!page) {
			free_section(section);
			return NULL;
		}
		bvec_set_page(&section[i], page, PAGE_SIZE, 0);
	}
	return section;
}

/* Most users speak the other protocol and never need it. */
static struct bio_vec *get_section(struct ferry_region *region)
{
	guard(mutex)(&region->mutex);
	if (!region->section)
		region->section = new_section(region->vf);
	return region->section;
}

static ssize_t access_section(struct ferry_region *region, char __user *user,
			      size_t count, size_t at, bool iswrite)
{
	struct bio_vec *section = get_section(region);
	size_t done, bytes;
	unsigned long left;
	void *memory;

	if (!section)
		return -ENOMEM;
	for (done = 0; done < count; done += bytes) {
		memory = page_address(section[(at + done) >> PAGE_SHIFT].bv_page) +
			 offset_in_page(at + done);
		bytes = min(count - done, PAGE_SIZE - offset_in_page(at + done));
		left = iswrite ? copy_from_user(memory, user + done, bytes) :
				 copy_to_user(user + done, memory, bytes);
		if (left)
			return done + bytes - left ?: -EFAULT;
	}
	return done;
}

/* The region's session */

/* With a reference. NULL: there is none; -EBUSY: it is the other protocol's. */
static struct ferry_session *own_session(struct ferry_region *region)
{
	struct ferry_session *session = ferry_session_current(region->vf);

	if (session && session->protocol != FERRY_PROTOCOL_REGION) {
		ferry_session_put(session);
		return ERR_PTR(-EBUSY);
	}
	return session;
}

/* With a reference and the stream's mutex, both for unlock_session(). */
static struct ferry_session *lock_session(struct ferry_region *region)
{
	struct ferry_session *session = own_session(region);
	int err;

	if (!session)
		return ERR_PTR(-EINVAL);
	if (IS_ERR(session))
		return session;
	err = ferry_stream_lock(&session->stream, false);
	if (!err)
		return session;
	ferry_session_put(session);
	return ERR_PTR(err);
}

static void unlock_session(struct ferry_session *session)
{
	ferry_stream_unlock(&session->stream);
	ferry_session_put(session);
}

/* device_state */

/* The states of the other protocol, as a user of this one sees them. */
static const u32 bits_of[VFIO_DEVICE_STATE_NR] = {
	[VFIO_DEVICE_STATE_STOP] = VFIO_DEVICE_STATE_V1_STOP,
	[VFIO_DEVICE_STATE_RUNNING] = VFIO_DEVICE_STATE_V1_RUNNING,
	[VFIO_DEVICE_STATE_RUNNING_P2P] = VFIO_DEVICE_STATE_V1_RUNNING,
	[VFIO_DEVICE_STATE_STOP_COPY] = VFIO_DEVICE_STATE_V1_SAVING,
	[VFIO_DEVICE_STATE_PRE_COPY] = VFIO_DEVICE_STATE_V1_SAVING |
				       VFIO_DEVICE_STATE_V1_RUNNING,
	[VFIO_DEVICE_STATE_PRE_COPY_P2P] = VFIO_DEVICE_STATE_V1_SAVING |
					   VFIO_DEVICE_STATE_V1_RUNNING,
	[VFIO_DEVICE_STATE_RESUMING] = VFIO_DEVICE_STATE_V1_RESUMING,
	[VFIO_DEVICE_STATE_ERROR] = VFIO_DEVICE_STATE_SET_ERROR(0),
};

static const enum vfio_device_mig_state goals[] = {
	VFIO_DEVICE_STATE_STOP,
	VFIO_DEVICE_STATE_RUNNING,
	VFIO_DEVICE_STATE_STOP_COPY,
	VFIO_DEVICE_STATE_PRE_COPY,
	VFIO_DEVICE_STATE_RESUMING,
};

static int get_device_state(struct ferry_region *region, u64 *value)
{
	*value = bits_of[ferry_fsm_state(region->vf)];
	return 0;
}

/*
 * The reserved bits read as 0, so that is what preserving them means. One that
 * is set, as a combination that is no state, is refused.
 */
static int set_device_state(struct ferry_region *region, u64 value)
{
	for (size_t i = 0; i < ARRAY_SIZE(goals); i++)
		if (value == bits_of[goals[i]])
			return ferry_fsm_move(region->vf, goals[i]);
	return -EINVAL;
}

static int get_reserved(struct ferry_region *region, u64 *value)
{
	*value = 0;
	return 0;
}

/* A chunk of a save: pending_bytes, data_offset, data_size */

/*
 * What the stream still has. Asked without its mutex, for that may mean asking
 * the firmware. Exact in one thing only: 0 is the end, in pre-copy for now.
 */
static int estimate_stream(struct ferry_session *session, u64 *bytes,
			   bool *stopped)
{
	struct vfio_precopy_info info = {};
	int err;

	err = ferry_estimate_precopy(session, &info);
	*stopped = err == -EINVAL;
	if (*stopped) {
		*bytes = ferry_estimate_final(session);
		return 0;
	}
	*bytes = info.initial_bytes + info.dirty_bytes;
	return err;
}

/*
 * Who has read both data_offset and data_size has had the chunk, and says so
 * by asking what else there is. Any other look at pending_bytes is just that.
 */
static u64 count_pending(struct ferry_session *session, u64 bytes, bool stopped)
{
	struct ferry_chunk *chunk = &session->chunk;

	lockdep_assert_held(&session->stream.mutex);
	if (chunk->state == FERRY_CHUNK_TOLD)
		*chunk = (struct ferry_chunk){};
	if (stopped)
		bytes = ferry_stream_at_end(session) ? 0 : max(bytes, 1ULL);
	return bytes + chunk->size;
}

static int get_pending_bytes(struct ferry_region *region, u64 *value)
{
	struct ferry_session *session = own_session(region);
	bool stopped;
	u64 bytes;
	int err = 0;

	*value = 0;
	if (IS_ERR_OR_NULL(session))
		return PTR_ERR_OR_ZERO(session);
	if (session->stream.writes)
		goto out;
	err = estimate_stream(session, &bytes, &stopped);
	if (err)
		goto out;
	err = ferry_stream_lock(&session->stream, false);
	if (err)
		goto out;
	*value = count_pending(session, bytes, stopped);
	ferry_stream_unlock(&session->stream);
out:
	ferry_session_put(session);
	return err;
}

/* Fill the section with what the stream has next; wait until it has some. */
static int stage_chunk(struct ferry_region *region,
		       struct ferry_session *session)
{
	struct bio_vec *section = get_section(region);
	struct iov_iter to;
	ssize_t bytes;

	if (!section)
		return -ENOMEM;
	iov_iter_bvec(&to, ITER_DEST, section, SECTION_PAGES, SECTION_BYTES);
	bytes = ferry_stream_read(session, &to, false);
	if (bytes == -ENOMSG)
		bytes = 0;
	if (bytes < 0)
		return bytes;
	session->chunk.size = bytes;
	return 0;
}

static int offer_chunk(struct ferry_region *region,
		       struct ferry_session *session)
{
	struct ferry_chunk *chunk = &session->chunk;
	int err;

	/* An empty one is nothing to stay with: there may be data by now. */
	if (session->stream.writes ? chunk->state != FERRY_CHUNK_NONE :
				     chunk->size != 0)
		return 0;
	if (!session->stream.writes) {
		err = stage_chunk(region, session);
		if (err)
			return err;
	}
	chunk->state = FERRY_CHUNK_OFFERED;
	return 0;
}

static int get_data_offset(struct ferry_region *region, u64 *value)
{
	struct ferry_session *session = lock_session(region);
	int err;

	if (IS_ERR(session))
		return PTR_ERR(session);
	err = offer_chunk(region, session);
	unlock_session(session);
	*value = SECTION_OFFSET;
	return err;
}

static int get_data_size(struct ferry_region *region, u64 *value)
{
	struct ferry_session *session = lock_session(region);
	int err = 0;

	if (IS_ERR(session))
		return PTR_ERR(session);
	if (session->stream.writes || session->chunk.state == FERRY_CHUNK_NONE) {
		err = -EINVAL;
	} else {
		session->chunk.state = FERRY_CHUNK_TOLD;
		*value = session->chunk.size;
	}
	unlock_session(session);
	return err;
}

/* A chunk of a resume: data_size */

/*
 * A chunk that was taken is gone. QEMU 7.2 takes the torn end of a failed
 * source's stream for a size, some 2^62 bytes, and then writes data_size again
 * and again without any data. The old bytes might pass as an unknown record,
 * to be dropped for ever; zeros are an empty image, which is refused.
 */
static void clear_section(struct bio_vec *section, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += PAGE_SIZE)
		clear_highpage(section[at >> PAGE_SHIFT].bv_page);
}

static int take_chunk(struct ferry_region *region, struct ferry_session *session)
{
	struct bio_vec *section = get_section(region);
	struct ferry_chunk *chunk = &session->chunk;
	struct iov_iter from;
	ssize_t bytes;

	if (!section)
		return -ENOMEM;
	while (chunk->taken < chunk->size) {
		iov_iter_bvec(&from, ITER_SOURCE, section, SECTION_PAGES,
			      chunk->size);
		iov_iter_advance(&from, chunk->taken);
		bytes = ferry_stream_write(session, &from, false);
		if (bytes < 0)
			return bytes;
		chunk->taken += bytes;
	}
	clear_section(section, chunk->size);
	*chunk = (struct ferry_chunk){};
	return 0;
}

/*
 * If the write is interrupted or memory is short, part of the chunk may be in
 * the stream. The same write again takes the rest, and no other does.
 */
static int set_data_size(struct ferry_region *region, u64 value)
{
	struct ferry_session *session;
	struct ferry_chunk *chunk;
	int err = -EINVAL;

	if (value > SECTION_BYTES)
		return -EINVAL;
	session = lock_session(region);
	if (IS_ERR(session))
		return PTR_ERR(session);
	chunk = &session->chunk;
	if (!session->stream.writes)
		goto out;
	if (chunk->state == FERRY_CHUNK_PARTLY ? value != chunk->size :
						 chunk->state != FERRY_CHUNK_OFFERED)
		goto out;
	chunk->state = FERRY_CHUNK_PARTLY;
	chunk->size = value;
	err = take_chunk(region, session);
out:
	unlock_session(session);
	return err;
}

/* Access */

/**
 * struct field - a field of struct vfio_device_migration_info
 * @offset: where it is
 * @width: bytes it has, the only number in which it is accessed
 * @get: reads it
 * @set: writes it, NULL if it is read only
 */
struct field {
	size_t offset;
	size_t width;
	int (*get)(struct ferry_region *region, u64 *value);
	int (*set)(struct ferry_region *region, u64 value);
};

#define AT(name) offsetof(struct vfio_device_migration_info, name)

static const struct field fields[] = {
	{ AT(device_state), sizeof(u32), get_device_state, set_device_state },
	{ AT(reserved), sizeof(u32), get_reserved },
	{ AT(pending_bytes), sizeof(u64), get_pending_bytes },
	{ AT(data_offset), sizeof(u64), get_data_offset },
	{ AT(data_size), sizeof(u64), get_data_size, set_data_size },
};

static const struct field *find_field(size_t offset, size_t width)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].offset == offset && fields[i].width == width)
			return &fields[i];
	return NULL;
}

static int read_field(struct ferry_region *region, const struct field *field,
		      char __user *user)
{
	u64 value = 0;
	u32 word;
	int err;

	err = field->get(region, &value);
	if (err)
		return err;
	word = value;
	return copy_to_user(user, field->width == sizeof(word) ? (void *)&word :
								 (void *)&value,
			    field->width) ? -EFAULT : 0;
}

static int write_field(struct ferry_region *region, const struct field *field,
		       const char __user *user)
{
	u64 value;
	u32 word;

	if (!field->set)
		return -EINVAL;
	if (copy_from_user(field->width == sizeof(word) ? (void *)&word :
							  (void *)&value,
			   user, field->width))
		return -EFAULT;
	return field->set(region, field->width == sizeof(word) ? word : value);
}

static ssize_t access_field(struct ferry_region *region, char __user *user,
			    size_t count, size_t offset, bool iswrite)
{
	const struct field *field = find_field(offset, count);
	int err;

	if (!field)
		return -EINVAL;
	err = iswrite ? write_field(region, field, user) :
			read_field(region, field, user);
	return err ?: count;
}

static ssize_t region_rw(struct vfio_pci_core_device *core, char __user *user,
			 size_t count, loff_t *position, bool iswrite)
{
	unsigned int index = VFIO_PCI_OFFSET_TO_INDEX(*position);
	struct ferry_region *region =
		core->region[index - VFIO_PCI_NUM_REGIONS].data;
	u64 offset = *position & VFIO_PCI_OFFSET_MASK;
	ssize_t done;

	if (offset < SECTION_OFFSET) {
		done = access_field(region, user, count, offset, iswrite);
	} else if (offset - SECTION_OFFSET < SECTION_BYTES) {
		offset -= SECTION_OFFSET;
		done = access_section(region, user,
				      min(count, SECTION_BYTES - offset),
				      offset, iswrite);
	} else {
		done = -EINVAL;
	}
	if (done > 0)
		*position += done;
	return done;
}

static int region_mmap(struct vfio_pci_core_device *core,
		       struct vfio_pci_region *pci_region,
		       struct vm_area_struct *vma)
{
	u64 first = vma->vm_pgoff & (VFIO_PCI_OFFSET_MASK >> PAGE_SHIFT);
	struct ferry_region *region = pci_region->data;
	struct bio_vec *section;
	int err;

	first -= SECTION_OFFSET >> PAGE_SHIFT;
	if (first >= SECTION_PAGES || vma_pages(vma) > SECTION_PAGES - first)
		return -EINVAL;
	section = get_section(region);
	if (!section)
		return -ENOMEM;
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	for (unsigned long i = 0; i < vma_pages(vma); i++) {
		err = vm_insert_page(vma, vma->vm_start + i * PAGE_SIZE,
				     section[first + i].bv_page);
		if (err)
			return err;
	}
	return 0;
}

static int region_add_capability(struct vfio_pci_core_device *core,
				 struct vfio_pci_region *pci_region,
				 struct vfio_info_cap *caps)
{
	DEFINE_RAW_FLEX(struct vfio_region_info_cap_sparse_mmap, sparse, areas, 1);

	sparse->header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
	sparse->header.version = 1;
	sparse->nr_areas = 1;
	sparse->areas[0].offset = SECTION_OFFSET;
	sparse->areas[0].size = SECTION_BYTES;
	return vfio_info_add_capability(caps, &sparse->header,
					struct_size(sparse, areas, 1));
}

/* Mappings of the section keep its pages, and the device's FD open. */
static void region_release(struct vfio_pci_core_device *core,
			   struct vfio_pci_region *pci_region)
{
	struct ferry_region *region = pci_region->data;

	free_section(region->section);
	mutex_destroy(&region->mutex);
	kfree(region);
}

static const struct vfio_pci_regops region_ops = {
	.rw = region_rw,
	.release = region_release,
	.mmap = region_mmap,
	.add_capability = region_add_capability,
};

/**
 * ferry_region_add() - give a function that is being opened its region
 * @vf: the function, enabled by the core, which removes the region when it
 *	disables the function
 *
 * May sleep.
 *
 * Return: 0 or -ENOMEM.
 */
int ferry_region_add(struct ferry_vf *vf)
{
	struct ferry_region *region;
	int err;

	region = kzalloc_obj(*region, GFP_KERNEL_ACCOUNT);
	if (!region)
		return -ENOMEM;
	region->vf = vf;
	mutex_init(&region->mutex);
	err = vfio_pci_core_register_dev_region(&vf->device->core,
						VFIO_REGION_TYPE_MIGRATION_DEPRECATED,
						VFIO_REGION_SUBTYPE_MIGRATION_DEPRECATED,
						&region_ops,
						SECTION_OFFSET + SECTION_BYTES,
						VFIO_REGION_INFO_FLAG_READ |
						VFIO_REGION_INFO_FLAG_WRITE |
						VFIO_REGION_INFO_FLAG_MMAP,
						region);
	if (err)
		kfree(region);
	return err;
}
