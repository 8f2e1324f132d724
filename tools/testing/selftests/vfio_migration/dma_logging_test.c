// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO_DEVICE_FEATURE_DMA_LOGGING_*: what may be asked, and that the log is
 * what the device wrote. The memory itself tells that: it is zeroed before the
 * device writes, and what is not zero after that was written.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/compiler.h>
#include <linux/sizes.h>

#include <libmigration.h>

#include "kselftest_harness.h"

#define PROBE VFIO_DEVICE_FEATURE_PROBE
#define GET VFIO_DEVICE_FEATURE_GET
#define SET VFIO_DEVICE_FEATURE_SET

#define PAGE SZ_4K
#define BUFFER SZ_4M
#define PAGES (BUFFER / PAGE)
#define WORDS (PAGES / 64)
#define RATE 100000

struct logged {
	struct mig_device *device;
	struct dma_region region;
	u64 page_size;			/* chosen by the device */
	bool written[PAGES];		/* and not reported yet */
};

FIXTURE(dma_logging) {
	struct mig_bench bench;
	struct mig_device *device;
	struct logged log;
};

FIXTURE_SETUP(dma_logging)
{
	self->device = mig_device_open(mig_devices_name(0));
	self->bench.device = self->device;
	if (__vfio_feature_probe(self->device->fd, SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START))
		SKIP(return, "the device does not offer DMA logging");
	self->log = (struct logged) { .device = self->device };
	mig_dma_map(self->device, &self->log.region, BUFFER);
}

FIXTURE_TEARDOWN(dma_logging)
{
	mig_bench_close(&self->bench);
}

static struct vfio_device_feature_dma_logging_range all_of(const struct logged *log)
{
	return (struct vfio_device_feature_dma_logging_range) {
		.iova = log->region.iova,
		.length = log->region.size,
	};
}

static void start(struct logged *log)
{
	struct vfio_device_feature_dma_logging_range range = all_of(log);

	log->page_size = PAGE;
	VFIO_ASSERT_EQ(__dma_logging_start(log->device, &range, 1, &log->page_size), 0);
}

static void stop(struct logged *log)
{
	VFIO_ASSERT_EQ(__dma_logging_stop(log->device), 0);
}

/* The device writes a word to @count or a few more of the pages from @first on, every @step-th. */
static void write_pages(struct logged *log, u32 first, u32 pages, u32 step, u32 count)
{
	const struct workload *workload = log->device->workload;
	iova_t iova = log->region.iova + first * PAGE;
	u64 until = workload->dma_count(log->device) + count;

	memset(log->region.vaddr, 0, BUFFER);
	workload->dma(log->device, iova, pages * PAGE, step * PAGE, RATE);
	VFIO_ASSERT_TRUE(mig_wait_until(workload->dma_count(log->device) >= until, MIG_PATIENCE_MS),
			 "the device does not write");
	workload->dma(log->device, iova, pages * PAGE, step * PAGE, 0);
	for (u32 i = 0; i < PAGES; i++)
		log->written[i] |= READ_ONCE(*(u64 *)(log->region.vaddr + i * PAGE)) != 0;
}

static bool bit_of(const u64 *bitmap, u64 bit)
{
	return bitmap[bit / 64] >> bit % 64 & 1;
}

/* Whether in the unit of @size bytes around a page one was written. */
static bool any_written(const struct logged *log, u32 page, u64 size)
{
	u64 iova = (log->region.iova + page * PAGE) & ~(size - 1);
	u32 first = (iova > log->region.iova ? iova - log->region.iova : 0) / PAGE;

	for (u32 i = first; i < PAGES && log->region.iova + i * PAGE - iova < size; i++)
		if (log->written[i])
			return true;
	return false;
}

/*
 * Reports [first, first + pages) in units of @unit bytes: each that was
 * written has its bit, and none besides; the device may have logged in larger
 * pages. They count as not written then.
 */
static void expect_report(struct __test_metadata *_metadata, struct logged *log, u32 first,
			  u32 pages, u64 unit)
{
	u64 bitmap[WORDS] = { }, logs = log->page_size > unit ? log->page_size : unit;
	u32 missing = 0, extra = 0, set = 0;

	ASSERT_EQ(0, __dma_logging_report(log->device, log->region.iova + first * PAGE,
					  pages * PAGE, unit, bitmap));
	for (u32 i = 0; i < pages; i++) {
		bool bit = bit_of(bitmap, i * PAGE / unit),
		     want = any_written(log, first + i, logs);

		set += bit;
		missing += want && !bit;
		extra += bit && !want;
	}
	EXPECT_EQ(0, missing);
	EXPECT_EQ(0, extra) {
		TH_LOG("%u pages from %u on, in units of %#lx: %u are set", pages, first, unit,
		       set);
	}
	memset(log->written + first, 0, pages * sizeof(bool));
}

static void expect_all(struct __test_metadata *_metadata, struct logged *log)
{
	expect_report(_metadata, log, 0, PAGES, PAGE);
}

/* It can be used as if nothing had been. */
static void expect_startable(struct __test_metadata *_metadata, struct logged *log)
{
	memset(log->written, 0, sizeof(log->written));
	start(log);
	if (MIG_HAS(log->device, dma))
		write_pages(log, 5, 64, 8, 4);
	expect_all(_metadata, log);
	stop(log);
}

static int report_any(struct logged *log)
{
	u64 bitmap[WORDS] = { };

	return __dma_logging_report(log->device, log->region.iova, BUFFER, PAGE, bitmap);
}

/*
 * Items: 73 5. vfio.h: "VFIO_DEVICE_FEATURE_PROBE can be used to detect if the device supports
 * DMA logging".
 */
TEST_F(dma_logging, probe)
{
	EXPECT_EQ(0, __vfio_feature_probe(self->device->fd,
					  SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START));
	EXPECT_EQ(0, __vfio_feature_probe(self->device->fd,
					  SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP));
	EXPECT_EQ(0, __vfio_feature_probe(self->device->fd,
					  GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT));
	EXPECT_EQ(-EINVAL, __vfio_feature_probe(self->device->fd,
						GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START));
	EXPECT_EQ(-EINVAL, __vfio_feature_probe(self->device->fd,
						GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP));
	EXPECT_EQ(-EINVAL, __vfio_feature_probe(self->device->fd,
						SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT));
	/* What offers it can also do it. */
	start(&self->log);
	EXPECT_EQ(0, report_any(&self->log));
	stop(&self->log);
}

/*
 * Items: 74 81. vfio_ioctl_device_feature_logging_start(): what it refuses. No
 * logging is on after that.
 */
TEST_F(dma_logging, bad_ranges)
{
	struct vfio_device_feature_dma_logging_range *too_many =
		calloc_assert(SZ_64K, sizeof(*too_many));
	u64 iova = self->log.region.iova;
	struct {
		const char *name;
		struct vfio_device_feature_dma_logging_range ranges[2];
		u32 count;
		int error;
	} cases[] = {
		{ "no range", {}, 0, -EINVAL },
		{ "an unaligned IOVA", { { iova + 1, PAGE } }, 1, -EINVAL },
		{ "an unaligned length", { { iova, PAGE + 1 } }, 1, -EINVAL },
		{ "a range beyond 64 bits", { { -PAGE, 2 * PAGE } }, 1, -EOVERFLOW },
		{ "the same twice", { { iova, PAGE }, { iova, PAGE } }, 2, -EINVAL },
		{ "an overlap", { { iova, 2 * PAGE }, { iova + PAGE, PAGE } }, 2, -EINVAL },
		{ "an overlap, the second first",
		  { { iova + PAGE, PAGE }, { iova, 2 * PAGE } },
		  2,
		  -EINVAL },
	};
	u64 page_size;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		page_size = PAGE;
		EXPECT_EQ(cases[i].error, __dma_logging_start(self->device, cases[i].ranges,
							      cases[i].count, &page_size)) {
			TH_LOG("%s", cases[i].name);
		}
		EXPECT_GT(0, report_any(&self->log)) {
			TH_LOG("after %s", cases[i].name);
		}
	}
	page_size = PAGE;
	EXPECT_EQ(-EFAULT, __dma_logging_start(self->device, NULL, 1, &page_size));
	for (u32 i = 0; i < SZ_64K; i++) {
		too_many[i].iova = iova + i * 2 * PAGE;
		too_many[i].length = PAGE;
	}
	EXPECT_EQ(-E2BIG, __dma_logging_start(self->device, too_many, SZ_64K, &page_size));
	EXPECT_EQ(-E2BIG, __dma_logging_start(self->device, too_many, -1U, &page_size));
	free(too_many);
	expect_startable(_metadata, &self->log);
}

/*
 * Items: 75. vfio.h: "The core kernel code guarantees to support by minimum
 * num_ranges that fit into a single kernel page".
 */
TEST_F(dma_logging, a_page_of_ranges)
{
	u32 count = getpagesize() / sizeof(struct vfio_device_feature_dma_logging_range);
	struct vfio_device_feature_dma_logging_range *ranges =
		calloc_assert(count, sizeof(*ranges));

	/* One page in four of the buffer, and the last ones behind it. */
	for (u32 i = 0; i < count; i++) {
		ranges[i].iova = self->log.region.iova + i * 4 * PAGE;
		ranges[i].length = PAGE;
	}
	self->log.page_size = PAGE;
	ASSERT_EQ(0, __dma_logging_start(self->device, ranges, count, &self->log.page_size));
	if (MIG_HAS(self->device, dma))
		write_pages(&self->log, 0, PAGES, 4, 40);
	expect_all(_metadata, &self->log);
	stop(&self->log);
	free(ranges);
}

/*
 * Items: 76 79. vfio.h: "On output the device will return the page size it
 * selected", and a report "does not have to match the value given".
 */
TEST_F(dma_logging, page_sizes)
{
	struct vfio_device_feature_dma_logging_range range = all_of(&self->log);

	for (u64 hint = PAGE; hint <= BUFFER; hint *= 16) {
		self->log.page_size = hint;
		ASSERT_EQ(0, __dma_logging_start(self->device, &range, 1, &self->log.page_size));
		EXPECT_NE(0, self->log.page_size);
		EXPECT_EQ(0, self->log.page_size & (self->log.page_size - 1));
		for (u64 unit = PAGE; unit <= BUFFER; unit *= 32) {
			if (MIG_HAS(self->device, dma))
				write_pages(&self->log, 100, 512, 64, 3);
			expect_report(_metadata, &self->log, 0, PAGES, unit);
		}
		stop(&self->log);
	}
}

/* Items: 77. vfio.h: "Another start is not allowed in the meantime"; the first goes on. */
TEST_F(dma_logging, second_start)
{
	struct vfio_device_feature_dma_logging_range range = all_of(&self->log);
	u64 page_size = PAGE;

	start(&self->log);
	if (MIG_HAS(self->device, dma))
		write_pages(&self->log, 0, 256, 16, 5);
	EXPECT_GT(0, __dma_logging_start(self->device, &range, 1, &page_size));
	if (MIG_HAS(self->device, dma))
		write_pages(&self->log, 256, 256, 16, 5);
	expect_all(_metadata, &self->log);
	stop(&self->log);
	expect_startable(_metadata, &self->log);
}

/*
 * Items: 78. vfio.h: "If DMA logging is not enabled, an error will be returned"; a stop is
 * harmless.
 */
TEST_F(dma_logging, not_started)
{
	EXPECT_GT(0, report_any(&self->log));
	for (int i = 0; i < 2; i++)
		__dma_logging_stop(self->device);
	EXPECT_GT(0, report_any(&self->log));
	start(&self->log);
	stop(&self->log);
	EXPECT_GT(0, report_any(&self->log));
	__dma_logging_stop(self->device);
	expect_startable(_metadata, &self->log);
}

/* Items: 79 81. vfio_ioctl_device_feature_logging_report(): what it refuses. */
TEST_F(dma_logging, bad_reports)
{
	const u64 sizes[] = { 0, 1, 8, 2048, 3 * PAGE, PAGE + 1, -1UL };
	u64 iova = self->log.region.iova, bitmap[WORDS] = { };

	start(&self->log);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		EXPECT_EQ(-EINVAL,
			  __dma_logging_report(self->device, iova, BUFFER, sizes[i], bitmap)) {
			TH_LOG("a page size of %#lx", sizes[i]);
		}
	}
	EXPECT_EQ(-EOVERFLOW, __dma_logging_report(self->device, -PAGE, 2 * PAGE, PAGE, bitmap));
	for (size_t i = 0; i < WORDS; i++)
		EXPECT_EQ(0, bitmap[i]);
	stop(&self->log);
	expect_startable(_metadata, &self->log);
}

/*
 * Items: 79. A VMM reports sections of memory as they are; their length need
 * not be a multiple of the page size. vfio.h asks for none.
 */
TEST_F(dma_logging, odd_lengths)
{
	const u64 lengths[] = { 1, 0x3fd0, PAGE - 1, PAGE + 1, 65 * PAGE + 8 };
	u64 bitmap[WORDS];

	start(&self->log);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		memset(bitmap, 0, sizeof(bitmap));
		if (MIG_HAS(self->device, dma))
			write_pages(&self->log, 0, 1, 1, 2);
		EXPECT_EQ(0, __dma_logging_report(self->device, self->log.region.iova, lengths[i],
						  PAGE, bitmap)) {
			TH_LOG("%#lx bytes", lengths[i]);
		}
		EXPECT_EQ(MIG_HAS(self->device, dma), bitmap[0] & 1) {
			TH_LOG("%#lx bytes", lengths[i]);
		}
	}
	stop(&self->log);
}

/*
 * Items: 79. vfio.h: "The LOGGING_REPORT will only set bits in the bitmap and
 * never clear or perform any initialization of the user provided bitmap".
 */
TEST_F(dma_logging, only_sets_bits)
{
	u64 bitmap[WORDS + 2], pattern = 0xa5a5a5a5a5a5a5a5;

	MIG_NEED_WORKLOAD(self->device, dma);
	start(&self->log);
	write_pages(&self->log, 0, PAGES, 16, 20);
	for (size_t i = 0; i < ARRAY_SIZE(bitmap); i++)
		bitmap[i] = pattern;
	ASSERT_EQ(0, __dma_logging_report(self->device, self->log.region.iova, BUFFER, PAGE,
					  bitmap + 1));
	EXPECT_EQ(pattern, bitmap[0]);
	EXPECT_EQ(pattern, bitmap[WORDS + 1]);
	for (u32 i = 0; i < PAGES; i++) {
		bool want = bit_of(&pattern, i % 64) ||
			    any_written(&self->log, i, self->log.page_size);

		EXPECT_EQ(want, bit_of(bitmap + 1, i)) {
			TH_LOG("page %u", i);
		}
	}
	stop(&self->log);
}

/*
 * Items: 79 80. vfio.h: "During querying the log is cleared for the IOVA range", and for no other.
 */
TEST_F(dma_logging, exact)
{
	MIG_NEED_WORKLOAD(self->device, dma);
	start(&self->log);
	expect_all(_metadata, &self->log);
	write_pages(&self->log, 100, 300, 3, 50);
	expect_all(_metadata, &self->log);
	expect_all(_metadata, &self->log);
	write_pages(&self->log, 0, PAGES, 1, PAGES);
	expect_all(_metadata, &self->log);
	write_pages(&self->log, 0, 128, 2, 64);
	write_pages(&self->log, 512, 128, 2, 64);
	/* In parts of an odd number of pages, whose bits share no words with the others'. */
	expect_report(_metadata, &self->log, 0, 67, PAGE);
	expect_report(_metadata, &self->log, 67, 500, PAGE);
	expect_all(_metadata, &self->log);
	write_pages(&self->log, 7, 8, 8, 1);
	expect_all(_metadata, &self->log);
	stop(&self->log);
}

/*
 * Items: 79. A report about memory that the device was not told to log: no error, and nothing
 * that is not true.
 */
TEST_F(dma_logging, outside_of_ranges)
{
	struct vfio_device_feature_dma_logging_range range = all_of(&self->log);
	u64 bitmap[WORDS] = { };

	range.length /= 4;
	self->log.page_size = PAGE;
	ASSERT_EQ(0, __dma_logging_start(self->device, &range, 1, &self->log.page_size));
	if (MIG_HAS(self->device, dma))
		write_pages(&self->log, 0, PAGES / 4, 4, 30);
	EXPECT_EQ(0, __dma_logging_report(self->device, range.iova + BUFFER / 2, BUFFER / 2, PAGE,
					  bitmap));
	for (size_t i = 0; i < WORDS; i++)
		EXPECT_EQ(0, bitmap[i]);
	expect_report(_metadata, &self->log, 0, PAGES / 4, PAGE);
	stop(&self->log);
}

/*
 * Items: 80. vfio.h: "this API is not connected to
 * VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE": logging goes on in every state.
 */
TEST_F(dma_logging, in_every_state)
{
	MIG_NEED(self->device, VFIO_MIGRATION_STOP_COPY);
	MIG_NEED_WORKLOAD(self->device, dma);
	start(&self->log);
	for (u32 state = 1; state < MIG_STATES; state++) {
		int data_fd;

		if (!mig_state_supported(self->device->flags, state) ||
		    state == VFIO_DEVICE_STATE_RESUMING)
			continue;
		write_pages(&self->log, 64 * state, 64, 4, 8);
		data_fd = mig_state_enter(self->device, state);
		if (state == VFIO_DEVICE_STATE_PRE_COPY)
			write_pages(&self->log, 64 * state, 64, 4, 8);
		expect_all(_metadata, &self->log);
		mig_state_set(self->device, VFIO_DEVICE_STATE_RUNNING);
		close(data_fd);
		write_pages(&self->log, 64 * state + 3, 64, 4, 8);
		expect_all(_metadata, &self->log);
	}
	stop(&self->log);
}

/* Items: 80. It may be started and stopped in any state, too. */
TEST_F(dma_logging, started_in_every_state)
{
	MIG_NEED(self->device, VFIO_MIGRATION_STOP_COPY);
	for (u32 state = 1; state < MIG_STATES; state++) {
		int data_fd;

		if (!mig_state_supported(self->device->flags, state) ||
		    state == VFIO_DEVICE_STATE_RESUMING)
			continue;
		data_fd = mig_state_enter(self->device, state);
		start(&self->log);
		mig_state_set(self->device, VFIO_DEVICE_STATE_RUNNING);
		if (MIG_HAS(self->device, dma))
			write_pages(&self->log, 0, 64, 4, 8);
		mig_state_set(self->device, VFIO_DEVICE_STATE_STOP);
		expect_all(_metadata, &self->log);
		stop(&self->log);
		mig_state_set(self->device, VFIO_DEVICE_STATE_RUNNING);
		close(data_fd);
	}
}

/* Items: 80. A whole migration of a device that is logged: no write is missing at its end. */
TEST_F(dma_logging, migration)
{
	struct mig_stream stream = { };
	struct mig_device *target;
	int data_fd;
	u64 sum;

	MIG_NEED(self->device, VFIO_MIGRATION_STOP_COPY);
	MIG_NEED_WORKLOAD(self->device, dma);
	mig_fill(self->device, 31);
	start(&self->log);
	if (self->device->flags & VFIO_MIGRATION_PRE_COPY) {
		data_fd = mig_state_enter(self->device, VFIO_DEVICE_STATE_PRE_COPY);
		write_pages(&self->log, 0, PAGES, 8, 100);
		mig_read_precopy(data_fd, &stream);
		expect_all(_metadata, &self->log);
		write_pages(&self->log, 4, 512, 8, 50);
		mig_state_set(self->device, VFIO_DEVICE_STATE_STOP_COPY);
	} else {
		write_pages(&self->log, 4, 512, 8, 50);
		data_fd = mig_state_enter(self->device, VFIO_DEVICE_STATE_STOP_COPY);
	}
	expect_all(_metadata, &self->log);
	mig_read_all(data_fd, &stream);
	expect_all(_metadata, &self->log);
	sum = mig_sum(self->device);
	mig_state_set(self->device, VFIO_DEVICE_STATE_STOP);
	stop(&self->log);
	close(data_fd);
	target = mig_bench_target(&self->bench);
	mig_load(target, &stream);
	EXPECT_EQ(sum, mig_sum(target));
	mig_stream_free(&stream);
}

/*
 * Items: 82. vfio_ioctl_device_feature_logging_start() lets these through to
 * the driver, which "must handle arbitrary user requests" (struct
 * vfio_log_ops). Whether it takes them is its own business.
 */
TEST_F(dma_logging, strange_ranges)
{
	u64 iova = self->log.region.iova;
	struct {
		const char *name;
		u64 page_size;
		struct vfio_device_feature_dma_logging_range ranges[2];
		u32 count;
	} cases[] = {
		{ "a page size of 0, and nothing to log", 0, { { 0, 0 } }, 1 },
		{ "no length", PAGE, { { iova, 0 } }, 1 },
		{ "no length, and one that has", PAGE, { { iova, 0 }, { iova + PAGE, PAGE } }, 2 },
		{ "a page size of 1", 1, { { iova, PAGE } }, 1 },
		{ "a page size of 3", 3, { { iova, PAGE } }, 1 },
		{ "a page size of 12 KiB", 3 * PAGE, { { iova & ~(SZ_64K - 1UL), SZ_64K } }, 1 },
		{ "a huge page size", 1UL << 63, { { 0, 1UL << 63 } }, 1 },
		{ "all that there is", PAGE, { { 0, -PAGE } }, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		u64 page_size = cases[i].page_size;
		int ret = __dma_logging_start(self->device, cases[i].ranges, cases[i].count,
					      &page_size);

		ksft_print_msg("%s: %s\n", cases[i].name, strerror(-ret));
		if (!ret) {
			report_any(&self->log);
			stop(&self->log);
		}
		expect_startable(_metadata, &self->log);
	}
}

/* Items: 77 78. A reset in between does no harm, whether the device goes on logging or not. */
TEST_F(dma_logging, reset_while_on)
{
	start(&self->log);
	mig_device_reset(self->device);
	report_any(&self->log);
	__dma_logging_stop(self->device);
	expect_startable(_metadata, &self->log);
}

FIXTURE(dma_logging_open) {
	struct mig_device *device;
};

FIXTURE_SETUP(dma_logging_open)
{
	self->device = mig_device_open(mig_devices_name(0));
}

FIXTURE_TEARDOWN(dma_logging_open)
{
	mig_device_close(self->device);
}

/* Items: 73. vfio_ioctl_device_feature_logging_*(): "if (!device->log_ops) return -ENOTTY". */
TEST_F(dma_logging_open, none)
{
	const u32 features[] = {
		SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START,
		SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP,
		GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT,
	};
	u64 payload[4] = { };

	if (!__vfio_feature_probe(self->device->fd, features[0]))
		SKIP(return, "the device offers DMA logging");
	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		EXPECT_EQ(-ENOTTY, __vfio_feature_probe(self->device->fd, features[i]));
		EXPECT_EQ(-ENOTTY,
			  __vfio_feature(self->device->fd, features[i], payload, sizeof(payload)));
	}
}

/*
 * Items: 77 78. A VMM that migrated away closes the device with logging on;
 * the next user of the device finds it off.
 */
TEST_F(dma_logging_open, closed_while_on)
{
	struct logged log;

	if (__vfio_feature_probe(self->device->fd, SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START))
		SKIP(return, "the device does not offer DMA logging");
	for (int i = 0; i < 3; i++) {
		log = (struct logged) { .device = self->device };
		mig_dma_map(self->device, &log.region, BUFFER);
		EXPECT_GT(0, report_any(&log));
		start(&log);
		mig_device_close(self->device);
		self->device = mig_device_open(mig_devices_name(0));
	}
	log = (struct logged) { .device = self->device };
	mig_dma_map(self->device, &log.region, BUFFER);
	expect_startable(_metadata, &log);
}

MIG_TEST_MAIN
