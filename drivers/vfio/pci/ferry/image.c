// SPDX-License-Identifier: GPL-2.0-only
/*
 * Images: allocation, budget, mapping. See image.h for their life.
 *
 * Called by the firmware's side, with the command slot, and to make a received
 * image longer by writer.c. May sleep, no spinlock held.
 */
#include <linux/gfp.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "compat.h"
#include "image.h"
#include "session.h"
#include "trace.h"
#include "vf.h"

/* Longest folio: beyond this neither copying nor mapping gets cheaper */
#define FOLIO_BYTES_MAX		SZ_2M

const char *ferry_image_kind_name(enum ferry_image_kind kind)
{
	switch (kind) {
	case FERRY_IMAGE_INITIAL:
		return "initial";
	case FERRY_IMAGE_MIDDLE:
		return "middle";
	case FERRY_IMAGE_FINAL:
		return "final";
	}
	return "no";
}

/**
 * ferry_image_new() - an image without memory
 * @session: whose it will be
 * @place: HELD, or USER for a writer, who is given a reference
 *
 * Return: the image, or NULL if there is no memory or the session is closed.
 */
struct ferry_image *ferry_image_new(struct ferry_session *session,
				    enum ferry_image_place place)
{
	struct ferry_image *image;

	image = kzalloc_obj(*image, GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL);
	if (!image)
		return NULL;
	INIT_LIST_HEAD(&image->memory.folios);
	kref_init(&image->ref);
	if (place == FERRY_IMAGE_USER)
		kref_get(&image->ref);
	image->session = session;
	image->memory.direction = session->stream.writes ? DMA_TO_DEVICE :
							   DMA_FROM_DEVICE;
	if (ferry_queue_add(&session->queue, image, place))
		return image;
	kfree(image);
	return NULL;
}

static unsigned int order_for(struct ferry_vf *vf, u64 bytes)
{
	u64 limit = min_t(u64, vf->max_folio, FOLIO_BYTES_MAX);

	return ilog2(clamp_t(u64, bytes, PAGE_SIZE, limit)) - PAGE_SHIFT;
}

/*
 * Larger folios are welcome, not worth a search: only pages may reclaim. At
 * the limit of the user's memory cgroup, or of the machine, the image fails;
 * nobody is killed for one.
 */
static struct folio *folio_of_order(unsigned int *order,
				    enum ferry_effort effort)
{
	gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_NOWARN;
	struct folio *folio;

	for (; *order; (*order)--) {
		folio = folio_alloc((gfp & ~__GFP_DIRECT_RECLAIM) |
				    __GFP_NORETRY, *order);
		if (folio)
			return folio;
	}
	gfp |= effort == FERRY_EFFORT_WELCOME ? __GFP_NORETRY :
						__GFP_RETRY_MAYFAIL;
	return folio_alloc(gfp, 0);
}

static int add_folio(struct ferry_image *image, unsigned int *order,
		     enum ferry_effort effort)
{
	struct vfio_ferry_image *memory = &image->memory;
	struct folio *folio;

	if (ferry_fault_hit(&image->session->vf->fault, FERRY_FAULT_ALLOC))
		return -ENOMEM;
	folio = folio_of_order(order, effort);
	if (!folio)
		return -ENOMEM;
	list_add_tail(&folio->lru, &memory->folios);
	if (!memory->nr_folios || *order < memory->min_order)
		memory->min_order = *order;
	memory->nr_folios++;
	memory->capacity += folio_size(folio);
	return 0;
}

/* Give back all folios but the first few. Without @free they are lost. */
static void drop_folios(struct ferry_image *image, unsigned int keep, bool free)
{
	struct vfio_ferry_image *memory = &image->memory;
	struct folio *folio;

	for (; memory->nr_folios > keep; memory->nr_folios--) {
		folio = list_last_entry(&memory->folios, struct folio, lru);
		list_del(&folio->lru);
		memory->capacity -= folio_size(folio);
		if (free)
			folio_put(folio);
		cond_resched();
	}
}

/**
 * ferry_image_missing() - memory that an image would need
 * @image: the image
 * @bytes: room it shall have
 *
 * Return: bytes that ferry_image_grow() would allocate.
 */
u64 ferry_image_missing(struct ferry_image *image, u64 bytes)
{
	u64 room = ferry_image_room(bytes, image->session->vf->max_image);

	return room > image->memory.capacity ? room - image->memory.capacity : 0;
}

/**
 * ferry_image_grow() - give an image room
 * @image: an image that is with the caller, HELD or USER
 * @bytes: room it needs
 * @effort: how hard to look for it
 *
 * A longer image keeps its old mapping; ferry_image_map() sees to that. On
 * failure the image keeps the room it has got if that is NEEDED. What is only
 * WELCOME must not take the last memory from those who need some.
 *
 * Return: 0, -ENOMEM, or -ENOBUFS if the session's budget does not hold it.
 */
int ferry_image_grow(struct ferry_image *image, u64 bytes,
		     enum ferry_effort effort)
{
	struct ferry_session *session = image->session;
	struct vfio_ferry_image *memory = &image->memory;
	unsigned int had = memory->nr_folios;
	struct mem_cgroup *memcg;
	unsigned int order;
	u64 missing = ferry_image_missing(image, bytes);
	u64 wanted = memory->capacity + missing;
	int err = 0;

	if (!missing)
		return 0;
	if (!ferry_queue_charge(&session->queue, missing))
		return -ENOBUFS;

	ferry_window_count(session->vf, &session->vf->stats.window.allocations);
	memcg = set_active_memcg(session->memcg);
	order = order_for(session->vf, missing);
	while (memory->capacity < wanted && !err) {
		order = min(order, order_for(session->vf,
					     wanted - memory->capacity));
		err = add_folio(image, &order, effort);
		cond_resched();
	}
	set_active_memcg(memcg);
	if (err && effort == FERRY_EFFORT_WELCOME)
		drop_folios(image, had, true);
	if (err)
		ferry_queue_uncharge(&session->queue,
				     wanted - memory->capacity);
	return err;
}

/**
 * ferry_image_is_shared() - does anybody look at an image's pages?
 * @image: an image that is with the caller
 *
 * Nobody can begin to: pages go into pipes only while a reader has the image.
 *
 * Return: true if some of it is in a pipe, or wherever that led to.
 */
bool ferry_image_is_shared(struct ferry_image *image)
{
	struct folio *folio;

	if (!image->spliced)
		return false;
	vfio_ferry_for_each_folio(folio, &image->memory) {
		if (folio_ref_count(folio) > 1)
			return true;
		cond_resched();
	}
	image->spliced = false;
	return false;
}

static void release_image(struct kref *ref)
{
	struct ferry_image *image = container_of(ref, struct ferry_image, ref);
	struct ferry_session *session = image->session;
	struct vfio_ferry_image *memory = &image->memory;

	WARN_ON_ONCE(memory->mapping && !image->leaked);
	ferry_window_count(session->vf, &session->vf->stats.window.frees);
	ferry_queue_uncharge(&session->queue, memory->capacity);
	drop_folios(image, 0, !image->leaked);
	kfree(image);
}

/**
 * ferry_image_put() - give back a reference
 * @image: the image; the last reference frees it
 *
 * Without a spinlock held.
 */
void ferry_image_put(struct ferry_image *image)
{
	kref_put(&image->ref, release_image);
}

/*
 * Take an image away from the firmware. If that fails the firmware may still
 * write the memory, which then is never used for anything else.
 */
static void unmap(struct ferry_vf *vf, struct ferry_image *image)
{
	int err;

	if (!image->memory.mapping || image->leaked)
		return;
	ferry_window_count(vf, &vf->stats.window.unmaps);
	err = ferry_fault_hit(&vf->fault, FERRY_FAULT_UNMAP);
	if (!err)
		err = vf->device->ops->unmap(vf->device, &image->memory);
	if (err) {
		image->leaked = true;
		atomic64_add(image->memory.capacity, &vf->stats.leaked);
		dev_err(&vf->device->core.pdev->dev,
			"%llu bytes stay reachable for the firmware and are lost\n",
			image->memory.capacity);
		return;
	}
	image->memory.mapping = NULL;
}

static int map(struct ferry_vf *vf, struct ferry_image *image)
{
	struct mem_cgroup *memcg;
	int err = ferry_fault_hit(&vf->fault, FERRY_FAULT_MAP);

	if (err)
		return err;
	memcg = set_active_memcg(image->session->memcg);
	err = vf->device->ops->map(vf->device, &image->memory);
	set_active_memcg(memcg);
	return err;
}

/**
 * ferry_image_map() - make an image reachable for the firmware
 * @vf: the function, attached
 * @image: an image with memory, HELD by the caller
 *
 * Does nothing if all of it is mapped already.
 *
 * Return: 0 or negative errno. Never -ETIMEDOUT: an unanswered command made
 * nothing that reaches memory which is used again.
 */
int ferry_image_map(struct ferry_vf *vf, struct ferry_image *image)
{
	int err;

	if (image->memory.mapping && image->mapped == image->memory.capacity)
		return 0;
	unmap(vf, image);
	if (image->leaked)
		return -EIO;
	ferry_window_count(vf, &vf->stats.window.maps);
	err = map(vf, image);
	if (err)
		return err == -ETIMEDOUT ? -EIO : err;
	image->mapped = image->memory.capacity;
	trace_ferry_image(vf->name, "mapped", "spare", 0,
			  image->memory.capacity);
	return 0;
}

/**
 * ferry_image_discard() - part with an image
 * @vf: the function, attached
 * @image: an image that no command names
 *
 * Gives back the session's reference.
 */
void ferry_image_discard(struct ferry_vf *vf, struct ferry_image *image)
{
	unmap(vf, image);
	ferry_queue_move(&image->session->queue, image, FERRY_IMAGE_GONE);
	ferry_image_put(image);
}
