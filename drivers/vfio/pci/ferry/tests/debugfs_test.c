// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of what debugfs shows: each line, with what is so; and of the
 * fault sites that it arms.
 */
#include <kunit/test.h>
#include <linux/seq_file.h>

#define ferry_session_current	seen_current
#define ferry_session_put	seen_put
#define ferry_session_show	seen_show

#include "../debugfs.c"

struct fixture {
	struct ferry_vf vf;
	struct vfio_ferry_device device;
	struct ferry_session session;
	struct seq_file to;
	char text[2048];
	unsigned int puts;
};

struct ferry_session *seen_current(struct ferry_vf *vf)
{
	return vf->session;
}

void seen_put(struct ferry_session *session)
{
	container_of(session, struct fixture, session)->puts++;
}

void seen_show(struct ferry_session *session, struct seq_file *to)
{
	seq_puts(to, "the session\n");
}

static void describe(struct vfio_ferry_device *device, struct seq_file *to)
{
	seq_puts(to, "the backend\n");
}

static const struct vfio_ferry_ops backend = { .describe = describe };
static const struct vfio_log_ops log_ops;

static struct fixture *fixture_of(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	f->device.ops = &backend;
	f->device.core.vdev.migration_flags = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P |
					      VFIO_MIGRATION_PRE_COPY;
	f->vf.device = &f->device;
	f->vf.state = VFIO_DEVICE_STATE_RUNNING;
	spin_lock_init(&f->vf.failure_lock);
	f->to.private = &f->vf;
	f->to.buf = f->text;
	f->to.size = sizeof(f->text);
	return f;
}

static void expect_shown(struct kunit *test, struct fixture *f,
			 int (*show)(struct seq_file *to, void *unused), const char *text)
{
	f->to.count = 0;
	memset(f->text, 0, sizeof(f->text));
	KUNIT_EXPECT_EQ(test, show(&f->to, NULL), 0);
	KUNIT_EXPECT_STREQ(test, f->text, text);
}

static void the_state_is_shown(struct kunit *test)
{
	struct fixture *f = fixture_of(test);

	expect_shown(test, f, state_show, "RUNNING\n");
	f->vf.state = VFIO_DEVICE_STATE_PRE_COPY_P2P;
	expect_shown(test, f, state_show, "PRE_COPY_P2P\n");
}

static void features_are_shown(struct kunit *test)
{
	struct fixture *f = fixture_of(test);
	struct vfio_device *vdev = &f->device.core.vdev;

	expect_shown(test, f, features_show, "stop-copy\np2p\npre-copy\nthe backend\n");
	vdev->log_ops = &log_ops;
	vdev->migration_flags = VFIO_MIGRATION_STOP_COPY;
	expect_shown(test, f, features_show, "stop-copy\ndirty-tracking\nthe backend\n");
	vdev->migration_flags = VFIO_MIGRATION_P2P;
	expect_shown(test, f, features_show, "p2p\ndirty-tracking\nthe backend\n");
	vdev->migration_flags = VFIO_MIGRATION_PRE_COPY;
	expect_shown(test, f, features_show, "pre-copy\ndirty-tracking\nthe backend\n");
	f->vf.withheld = "why";
	expect_shown(test, f, features_show, "no migration: why\n");
}

static void a_session_is_shown(struct kunit *test)
{
	struct fixture *f = fixture_of(test);

	expect_shown(test, f, session_show, "none\n");
	f->vf.session = &f->session;
	expect_shown(test, f, session_show, "the session\n");
	KUNIT_EXPECT_EQ(test, f->puts, 1);
}

static void what_was_counted_is_shown(struct kunit *test)
{
	struct fixture *f = fixture_of(test);
	struct ferry_stats *stats = &f->vf.stats;

	atomic64_set(&stats->bytes_read, 1);
	atomic64_set(&stats->bytes_written, 2);
	atomic64_set(&stats->images_saved, 3);
	atomic64_set(&stats->images_loaded, 4);
	atomic64_set(&stats->failures, 5);
	atomic64_set(&stats->tracks_lost, 6);
	atomic64_set(&stats->leaked, 7);
	f->vf.full_bytes = 8;
	atomic_set(&stats->window.allocations, 9);
	atomic_set(&stats->window.maps, 10);
	atomic_set(&stats->window.unmaps, 11);
	atomic_set(&stats->window.frees, 12);
	for (int i = 0; i < FERRY_NR_STATES; i++)
		stats->time[i] = 20 + i;
	expect_shown(test, f, stats_show,
		     "availability up\nbytes_read 1\nbytes_written 2\nimages_saved 3\n"
		     "images_loaded 4\nfailures 5\ntracks_lost 6\nleaked_bytes 7\n"
		     "full_state_bytes 8\nwindow_allocations 9\nwindow_maps 10\n"
		     "window_unmaps 11\nwindow_frees 12\nns_ERROR 20\nns_STOP 21\nns_RUNNING 22\n"
		     "ns_STOP_COPY 23\nns_RESUMING 24\nns_RUNNING_P2P 25\nns_PRE_COPY 26\n"
		     "ns_PRE_COPY_P2P 27\n");
}

static void whether_it_can_be_migrated_now(struct kunit *test)
{
	struct fixture *f = fixture_of(test);

	f->vf.slot.bars = BIT(FERRY_BAR_CLOSED);
	KUNIT_EXPECT_STREQ(test, availability(&f->vf), "up");
	f->vf.slot.bars = BIT(FERRY_BAR_RESET);
	KUNIT_EXPECT_STREQ(test, availability(&f->vf), "resetting");
	f->vf.slot.bars |= BIT(FERRY_BAR_DETACHED);
	KUNIT_EXPECT_STREQ(test, availability(&f->vf), "down");
	f->vf.withheld = "why";
	KUNIT_EXPECT_STREQ(test, availability(&f->vf), "withheld");
}

static void the_last_failure_is_shown(struct kunit *test)
{
	struct fixture *f = fixture_of(test);

	expect_shown(test, f, failure_show, "");
	f->vf.failure = (struct vfio_ferry_failure) {
		.command = "SAVE", .error = -EIO, .status = 2, .syndrome = 0x345,
	};
	expect_shown(test, f, failure_show, "command SAVE error -5 status 0x2 syndrome 0x345\n");
	strscpy(f->vf.refusal, "too long");
	expect_shown(test, f, failure_show,
		     "command SAVE error -5 status 0x2 syndrome 0x345\nrefused too long\n");
	f->vf.failure.command = NULL;
	expect_shown(test, f, failure_show, "refused too long\n");
}

#ifdef CONFIG_VFIO_FERRY_FAULTS

#include "../fault.c"

static int arm(struct fixture *f, const char *request)
{
	char copy[64];

	strscpy(copy, request);
	return ferry_fault_set(&f->vf.fault, copy);
}

/* The nth use from then on, once, and no other site */
static void a_site_fails_when_it_is_to(struct kunit *test)
{
	static const char *const names[FERRY_NR_FAULTS] = {
		"suspend", "resume", "query", "save", "saved", "load", "stop_tracking", "map",
		"unmap", "alloc", "session", "region",
	};
	char request[32];

	for (int site = 0; site < FERRY_NR_FAULTS; site++) {
		struct fixture *f = fixture_of(test);

		KUNIT_EXPECT_STREQ(test, ferry_fault_name(site), names[site]);
		snprintf(request, sizeof(request), "%s 3 %d", names[site], ENOMEM);
		KUNIT_EXPECT_EQ(test, arm(f, request), 0);
		for (int use = 1; use < 6; use++)
			for (int other = 0; other < FERRY_NR_FAULTS; other++)
				KUNIT_EXPECT_EQ(test, ferry_fault_hit(&f->vf.fault, other),
						use == 3 && other == site ? -ENOMEM : 0);
	}
}

static void requests_are_looked_at(struct kunit *test)
{
	static const struct { const char *request; int err; } requests[] = {
		{ "save 1", 0 }, { "save 0", 0 }, { "save 1 4095", 0 }, { "save 2147483647", 0 },
		{ "save", -EINVAL }, { "", -EINVAL }, { "other 1", -EINVAL },
		{ "save 1 0", -EINVAL }, { "save 1 4096", -EINVAL }, { "save 2147483648", -EINVAL },
	};
	struct fixture *f = fixture_of(test);

	for (int i = 0; i < ARRAY_SIZE(requests); i++)
		KUNIT_EXPECT_EQ_MSG(test, arm(f, requests[i].request), requests[i].err, "%s",
				    requests[i].request);
	arm(f, "save 1");
	KUNIT_EXPECT_EQ(test, ferry_fault_hit(&f->vf.fault, FERRY_FAULT_SAVE), -EIO);
	arm(f, "load 1");
	arm(f, "load 0");
	KUNIT_EXPECT_EQ(test, ferry_fault_hit(&f->vf.fault, FERRY_FAULT_LOAD), 0);
	arm(f, "map 7 12");
	expect_shown(test, f, fault_show,
		     "# site nth errno hits; write \"SITE NTH [ERRNO]\"\n"
		     "suspend 0 0 0\nresume 0 0 0\nquery 0 0 0\nsave 0 5 1\nsaved 0 0 0\n"
		     "load 0 5 0\nstop_tracking 0 0 0\nmap 7 12 0\nunmap 0 0 0\nalloc 0 0 0\n"
		     "session 0 0 0\nregion 0 0 0\n");
}

#endif

static struct kunit_case debugfs_cases[] = {
	KUNIT_CASE(the_state_is_shown),
	KUNIT_CASE(features_are_shown),
	KUNIT_CASE(a_session_is_shown),
	KUNIT_CASE(what_was_counted_is_shown),
	KUNIT_CASE(whether_it_can_be_migrated_now),
	KUNIT_CASE(the_last_failure_is_shown),
#ifdef CONFIG_VFIO_FERRY_FAULTS
	KUNIT_CASE(a_site_fails_when_it_is_to),
	KUNIT_CASE(requests_are_looked_at),
#endif
	{}
};

static struct kunit_suite debugfs_suite = {
	.name = "ferry-debugfs",
	.test_cases = debugfs_cases,
};

kunit_test_suite(debugfs_suite);
