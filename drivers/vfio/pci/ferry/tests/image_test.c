// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the memory that an image gets: enough, in steps that allow
 * large pages, and never more than the firmware can be told of; and of its
 * life: what is charged, mapped, kept and given back. The real queue; the
 * backend is made up.
 */
#include <kunit/test.h>
#include <linux/sizes.h>

/* Nobody listens. */
#define FERRY_TRACE_H
#define trace_ferry_image(...)	do { } while (0)
#ifdef CONFIG_VFIO_FERRY_FAULTS
#define ferry_fault_hit		lived_fault
#define INJECTS	1
#else
#define INJECTS	0
#endif

/* The kernel's memory, unless there is none; and how hard the last one tried. */
static bool no_memory;
static gfp_t tried;

static struct folio *lived_alloc(gfp_t gfp, unsigned int order)
{
	tried = gfp;
	return no_memory ? NULL : folio_alloc(gfp, order);
}

#undef folio_alloc
#define folio_alloc lived_alloc

#include "../image.c"

/* The longest image of a backend that tells its firmware sizes in 32 bits */
#define MAX_IMAGE	(4ULL * SZ_1G - PAGE_SIZE)

struct room_case {
	u64 bytes;
	u64 room;
};

static const struct room_case room_cases[] = {
	{ 0, 0 },
	{ 1, PAGE_SIZE },
	{ SZ_4K, PAGE_SIZE },
	{ SZ_4K + 1, PAGE_ALIGN(SZ_4K + 1) },
	{ SZ_64K - 1, SZ_64K },
	{ SZ_64K, SZ_64K },
	{ SZ_64K + 1, SZ_128K },
	{ SZ_128K, SZ_128K },
	{ 0x7fff0001, SZ_2G },
	{ 0xfffe0001, 0xffff0000 },
	{ 0xffff0000, 0xffff0000 },
	/* Here the next step is 4 GiB, of which 32 bits are 0. */
	{ 0xffff0001, MAX_IMAGE },
	{ 0xffff8000, MAX_IMAGE },
	{ 0xffffefff, MAX_IMAGE },
	{ 0xfffff000, MAX_IMAGE },
};

static void describe(const struct room_case *c, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%#llx bytes", c->bytes);
}

KUNIT_ARRAY_PARAM(room, room_cases, describe);

static void room(struct kunit *test)
{
	const struct room_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, ferry_image_room(c->bytes, MAX_IMAGE), c->room);
}

/* Whatever the limit: an image that it allows fits, and the limit is kept. */
static void room_is_enough(struct kunit *test)
{
	static const u64 limits[] = {
		PAGE_SIZE, SZ_64K, SZ_1M + PAGE_SIZE, MAX_IMAGE
	};

	for (int i = 0; i < ARRAY_SIZE(limits); i++) {
		u64 max = limits[i], before = 0;

		for (u64 bytes = 1; bytes <= max; bytes += bytes / 7 + 1) {
			u64 got = ferry_image_room(bytes, max);

			KUNIT_EXPECT_GE(test, got, bytes);
			KUNIT_EXPECT_LE(test, got, max);
			KUNIT_EXPECT_GE(test, got, before);
			before = got;
		}
		KUNIT_EXPECT_EQ(test, ferry_image_room(max, max), max);
	}
}

/* Life */

struct fixture {
	struct ferry_vf vf;
	struct vfio_ferry_device device;
	struct pci_dev pdev;
	struct ferry_session session;
	int failing;		/* a fault site, and the error there */
	int error;
	int alloc_left;		/* allocations that still succeed */
	int map_err, unmap_err;	/* of the backend */
	unsigned int maps, unmaps, mapping;
	u64 mapped;		/* bytes, by the last mapping */
};

static struct fixture *of_device(struct vfio_ferry_device *device)
{
	return container_of(device, struct fixture, device);
}

#ifdef CONFIG_VFIO_FERRY_FAULTS
int lived_fault(struct ferry_fault *fault, enum ferry_fault_site site)
{
	struct fixture *f = container_of(fault, struct fixture, vf.fault);

	if (site == FERRY_FAULT_ALLOC && f->alloc_left-- > 0)
		return 0;
	return site == f->failing ? f->error : 0;
}
#endif

static int backend_map(struct vfio_ferry_device *device, struct vfio_ferry_image *image)
{
	struct fixture *f = of_device(device);

	f->maps++;
	if (f->map_err)
		return f->map_err;
	f->mapping++;
	f->mapped = image->capacity;
	image->mapping = f;
	return 0;
}

static int backend_unmap(struct vfio_ferry_device *device, struct vfio_ferry_image *image)
{
	struct fixture *f = of_device(device);

	f->unmaps++;
	if (f->unmap_err)
		return f->unmap_err;
	f->mapping--;
	image->mapping = NULL;
	return 0;
}

static const struct vfio_ferry_ops backend = { .map = backend_map, .unmap = backend_unmap };

static struct fixture *fixture_of(struct kunit *test, bool writes)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	f->pdev.dev.init_name = "image_test";
	f->device.ops = &backend;
	f->device.core.pdev = &f->pdev;
	f->vf.device = &f->device;
	f->vf.max_image = SZ_1G;
	f->vf.max_folio = SZ_64K;
	f->vf.stats.window.open = true;
	f->session.vf = &f->vf;
	f->session.stream.writes = writes;
	ferry_queue_init(&f->session.queue, FERRY_PHASE_PRECOPY, SZ_1M);
	f->failing = -1;
	f->error = -EIO;
	f->alloc_left = INT_MAX;
	return f;
}

static struct ferry_image *new_image(struct kunit *test, struct fixture *f, u64 bytes)
{
	struct ferry_image *image = ferry_image_new(&f->session, FERRY_IMAGE_HELD);

	KUNIT_ASSERT_NOT_NULL(test, image);
	KUNIT_ASSERT_EQ(test, ferry_image_grow(image, bytes, FERRY_EFFORT_NEEDED), 0);
	return image;
}

/* What it says of its folios is so. */
static void expect_memory(struct kunit *test, struct ferry_image *image, u64 bytes)
{
	struct vfio_ferry_image *memory = &image->memory;
	unsigned int nr = 0, min_order = UINT_MAX;
	struct folio *folio;
	u64 sum = 0;

	vfio_ferry_for_each_folio(folio, memory) {
		nr++;
		sum += folio_size(folio);
		min_order = min(min_order, folio_order(folio));
		KUNIT_EXPECT_LE(test, folio_size(folio), SZ_64K);
	}
	KUNIT_EXPECT_EQ(test, memory->capacity, bytes);
	KUNIT_EXPECT_EQ(test, sum, bytes);
	KUNIT_EXPECT_EQ(test, memory->nr_folios, nr);
	if (nr)
		KUNIT_EXPECT_EQ(test, memory->min_order, min_order);
}

static void an_image_is_its_sessions(struct kunit *test)
{
	for (int writes = 0; writes < 2; writes++) {
		struct fixture *f = fixture_of(test, writes);
		enum ferry_image_place place = writes ? FERRY_IMAGE_USER : FERRY_IMAGE_HELD;
		struct ferry_image *image = ferry_image_new(&f->session, place);

		KUNIT_ASSERT_NOT_NULL(test, image);
		KUNIT_EXPECT_EQ(test, kref_read(&image->ref), writes ? 2 : 1);
		KUNIT_EXPECT_EQ(test, image->place, place);
		KUNIT_EXPECT_PTR_EQ(test, image->session, &f->session);
		KUNIT_EXPECT_EQ(test, image->memory.direction, writes ? DMA_TO_DEVICE :
				DMA_FROM_DEVICE);
		expect_memory(test, image, 0);
		if (writes)
			ferry_image_put(image);
		ferry_image_discard(&f->vf, image);
		KUNIT_EXPECT_TRUE(test, list_empty(&f->session.queue.images));
		ferry_queue_set_phase(&f->session.queue, FERRY_PHASE_CLOSED);
		KUNIT_EXPECT_NULL(test, ferry_image_new(&f->session, place));
	}
}

static void an_image_grows_within_the_budget(struct kunit *test)
{
	struct fixture *f = fixture_of(test, false);
	struct ferry_queue *queue = &f->session.queue;
	struct ferry_image *image = new_image(test, f, SZ_8K + 1);

	expect_memory(test, image, SZ_8K + SZ_4K);
	KUNIT_EXPECT_EQ(test, image->memory.min_order, 0);
	KUNIT_EXPECT_EQ(test, queue->charged, SZ_8K + SZ_4K);
	KUNIT_EXPECT_EQ(test, ferry_image_missing(image, SZ_8K), 0);
	KUNIT_EXPECT_EQ(test, ferry_image_missing(image, SZ_64K), SZ_64K - SZ_8K - SZ_4K);
	KUNIT_EXPECT_EQ(test, ferry_image_grow(image, SZ_4K, FERRY_EFFORT_NEEDED), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&f->vf.stats.window.allocations), 1);
	KUNIT_EXPECT_EQ(test, ferry_image_grow(image, SZ_1M + 1, FERRY_EFFORT_NEEDED), -ENOBUFS);
	expect_memory(test, image, SZ_8K + SZ_4K);
	KUNIT_EXPECT_EQ(test, ferry_image_grow(image, SZ_1M, FERRY_EFFORT_NEEDED), 0);
	expect_memory(test, image, SZ_1M);
	KUNIT_EXPECT_EQ(test, queue->charged, SZ_1M);
	KUNIT_EXPECT_EQ(test, atomic_read(&f->vf.stats.window.allocations), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&f->vf.stats.window.frees), 0);
	ferry_image_discard(&f->vf, image);
	KUNIT_EXPECT_EQ(test, queue->charged, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&f->vf.stats.window.frees), 1);
}

/* Where memory ends what is needed keeps what it got, what is welcome gives it back. */
static void an_image_grows_as_far_as_there_is_memory(struct kunit *test)
{
	if (!INJECTS)
		kunit_skip(test, "built without faults");
	for (int welcome = 0; welcome < 2; welcome++) {
		struct fixture *f = fixture_of(test, false);
		struct ferry_image *image = new_image(test, f, SZ_64K);
		u64 kept = welcome ? SZ_64K : 3 * SZ_64K;

		f->failing = FERRY_FAULT_ALLOC;
		f->error = -ENOMEM;
		f->alloc_left = 2;
		KUNIT_EXPECT_EQ(test, ferry_image_grow(image, SZ_512K, welcome ?
						       FERRY_EFFORT_WELCOME : FERRY_EFFORT_NEEDED),
				-ENOMEM);
		expect_memory(test, image, kept);
		KUNIT_EXPECT_EQ(test, f->session.queue.charged, kept);
		ferry_image_discard(&f->vf, image);
		KUNIT_EXPECT_EQ(test, f->session.queue.charged, 0);
	}
}

/* What is welcome is not worth emptying caches for; what is needed is, but nobody is killed. */
static void without_memory_nothing_grows(struct kunit *test)
{
	static const struct { enum ferry_effort effort; gfp_t gfp; } cases[] = {
		{ FERRY_EFFORT_WELCOME, __GFP_NORETRY },
		{ FERRY_EFFORT_NEEDED, __GFP_RETRY_MAYFAIL },
	};

	for (int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture *f = fixture_of(test, false);
		struct ferry_image *image = new_image(test, f, SZ_4K);

		no_memory = true;
		KUNIT_EXPECT_EQ(test, ferry_image_grow(image, SZ_64K, cases[i].effort), -ENOMEM);
		no_memory = false;
		KUNIT_EXPECT_EQ(test, (__force u32)tried, (__force u32)(GFP_KERNEL_ACCOUNT |
				__GFP_NOWARN | cases[i].gfp));
		expect_memory(test, image, SZ_4K);
		ferry_image_discard(&f->vf, image);
	}
}

static void all_of_an_image_is_mapped(struct kunit *test)
{
	struct fixture *f = fixture_of(test, false);
	struct ferry_image *image = new_image(test, f, SZ_4K);

	for (int i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, ferry_image_map(&f->vf, image), 0);
		KUNIT_EXPECT_EQ(test, f->maps, 1);
		KUNIT_EXPECT_EQ(test, f->mapped, SZ_4K);
	}
	KUNIT_EXPECT_EQ(test, ferry_image_grow(image, SZ_64K, FERRY_EFFORT_NEEDED), 0);
	KUNIT_EXPECT_EQ(test, ferry_image_map(&f->vf, image), 0);
	KUNIT_EXPECT_EQ(test, f->maps, 2);
	KUNIT_EXPECT_EQ(test, f->unmaps, 1);
	KUNIT_EXPECT_EQ(test, f->mapping, 1);
	KUNIT_EXPECT_EQ(test, f->mapped, SZ_64K);
	KUNIT_EXPECT_EQ(test, atomic_read(&f->vf.stats.window.maps), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&f->vf.stats.window.unmaps), 1);
	ferry_image_discard(&f->vf, image);
	KUNIT_EXPECT_EQ(test, f->mapping, 0);
}

/* What was not answered made nothing that is used again, so it is no unknown. */
static void an_image_that_cannot_be_mapped(struct kunit *test)
{
	static const struct { int failing, error, map_err, err; } failures[] = {
		{ FERRY_FAULT_MAP, -ENOMEM, 0, -ENOMEM },
		{ FERRY_FAULT_MAP, -ETIMEDOUT, 0, -EIO },
		{ -1, 0, -EBUSY, -EBUSY },
		{ -1, 0, -ETIMEDOUT, -EIO },
	};

	for (int i = INJECTS ? 0 : 2; i < ARRAY_SIZE(failures); i++) {
		struct fixture *f = fixture_of(test, false);
		struct ferry_image *image = new_image(test, f, SZ_4K);

		f->failing = failures[i].failing;
		f->error = failures[i].error;
		f->map_err = failures[i].map_err;
		KUNIT_EXPECT_EQ(test, ferry_image_map(&f->vf, image), failures[i].err);
		f->failing = -1;
		f->map_err = 0;
		KUNIT_EXPECT_EQ(test, ferry_image_map(&f->vf, image), 0);
		KUNIT_EXPECT_EQ(test, f->unmaps, 0);
		ferry_image_discard(&f->vf, image);
		KUNIT_EXPECT_EQ(test, f->mapping, 0);
	}
}

/* Memory that the firmware may still reach is lost, counted, and of no use. */
static void what_stays_reachable_is_lost(struct kunit *test)
{
	for (int injected = 0; injected <= INJECTS; injected++) {
		struct fixture *f = fixture_of(test, false);
		struct ferry_image *image = new_image(test, f, SZ_4K);
		struct folio *folio = list_first_entry(&image->memory.folios, struct folio, lru);

		KUNIT_EXPECT_EQ(test, ferry_image_map(&f->vf, image), 0);
		f->failing = injected ? FERRY_FAULT_UNMAP : -1;
		f->unmap_err = injected ? 0 : -EIO;
		KUNIT_EXPECT_EQ(test, ferry_image_grow(image, SZ_8K, FERRY_EFFORT_NEEDED), 0);
		KUNIT_EXPECT_EQ(test, ferry_image_map(&f->vf, image), -EIO);
		KUNIT_EXPECT_TRUE(test, image->leaked);
		KUNIT_EXPECT_EQ(test, atomic64_read(&f->vf.stats.leaked), SZ_8K);
		KUNIT_EXPECT_EQ(test, f->maps, 1);
		folio_get(folio);
		ferry_image_discard(&f->vf, image);
		KUNIT_EXPECT_EQ(test, atomic64_read(&f->vf.stats.leaked), SZ_8K);
		KUNIT_EXPECT_EQ(test, f->unmaps, injected ? 0 : 1);
		KUNIT_EXPECT_EQ(test, f->session.queue.charged, 0);
		/* the image's reference is there for ever */
		KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 2);
		folio_put(folio);
		folio_put(folio);
	}
}

static void what_is_in_a_pipe_is_shared(struct kunit *test)
{
	struct fixture *f = fixture_of(test, false);
	struct ferry_image *image = new_image(test, f, SZ_128K + SZ_64K);
	struct folio *last = list_last_entry(&image->memory.folios, struct folio, lru);

	KUNIT_EXPECT_FALSE(test, ferry_image_is_shared(image));
	image->spliced = true;
	folio_get(last);
	KUNIT_EXPECT_TRUE(test, ferry_image_is_shared(image));
	KUNIT_EXPECT_TRUE(test, image->spliced);
	folio_put(last);
	KUNIT_EXPECT_FALSE(test, ferry_image_is_shared(image));
	KUNIT_EXPECT_FALSE(test, image->spliced);
	ferry_image_discard(&f->vf, image);
}

static struct kunit_case image_cases[] = {
	KUNIT_CASE_PARAM(room, room_gen_params),
	KUNIT_CASE(room_is_enough),
	KUNIT_CASE(an_image_is_its_sessions),
	KUNIT_CASE(an_image_grows_within_the_budget),
	KUNIT_CASE(an_image_grows_as_far_as_there_is_memory),
	KUNIT_CASE(without_memory_nothing_grows),
	KUNIT_CASE(all_of_an_image_is_mapped),
	KUNIT_CASE(an_image_that_cannot_be_mapped),
	KUNIT_CASE(what_stays_reachable_is_lost),
	KUNIT_CASE(what_is_in_a_pipe_is_shared),
	{}
};

static struct kunit_suite image_suite = {
	.name = "ferry-image",
	.test_cases = image_cases,
};

kunit_test_suite(image_suite);
