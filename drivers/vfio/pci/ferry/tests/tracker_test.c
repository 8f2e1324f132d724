// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of when a VF's writes are tracked: what is asked of the firmware,
 * what is given back when that fails or ends, and what START, STOP and REPORT
 * say in each state. Channel, log and reports are made up.
 */
#include <kunit/test.h>
#include <linux/kthread.h>
#include <linux/mlx5/driver.h>
#include <linux/module.h>
#include <linux/sched/signal.h>

#define mlx5_ferry_channel_open			kept_track_open
#define mlx5_ferry_channel_close		kept_track_close
#define mlx5_ferry_log_create			kept_track_create
#define mlx5_ferry_log_destroy			kept_track_destroy
#define mlx5_ferry_renew			kept_track_renew
#define mlx5_ferry_tracker_report		kept_track_report
#define mlx5_sriov_blocking_notifier_register	kept_track_register
#define mlx5_sriov_blocking_notifier_unregister	kept_track_unregister
#define mlx5_vf_get_core_dev			kept_track_core_dev
#define mlx5_vf_put_core_dev			kept_track_put
#undef symbol_get
#undef symbol_put
#define symbol_get(name)	((typeof(name) *)kept_track_symbol())
#define symbol_put(name)	kept_track_symbol_put((typeof(name) *)set_page)

struct iova_bitmap;
struct mlx5_core_dev;
struct notifier_block;
struct pci_dev;

static void (*kept_track_symbol(void))(struct iova_bitmap *bitmap, unsigned long iova,
				       size_t length);
static void kept_track_symbol_put(void (*set)(struct iova_bitmap *bitmap, unsigned long iova,
					      size_t length));
static void set_page(struct iova_bitmap *bitmap, unsigned long iova, size_t length);
static int kept_track_register(struct mlx5_core_dev *mdev, int vf_id, struct notifier_block *nb);
static void kept_track_unregister(struct mlx5_core_dev *mdev, int vf_id,
				  struct notifier_block *nb);
static struct mlx5_core_dev *kept_track_core_dev(struct pci_dev *pdev);
static void kept_track_put(struct mlx5_core_dev *mdev);

#include "../mlx5/tracker.c"

struct fixture {
	struct mlx5_ferry nic;
	struct mlx5_core_dev mdev;
	char done[32];
	unsigned int nr;
	char failing;
	bool no_symbol, no_pf, registering;
	unsigned int symbols, puts, registered;
	struct mlx5_ferry_range first;
	unsigned int nr_ranges, log_space, log_message;
	struct mlx5_ferry_range asked;
};

static struct fixture *the_fixture;

static int did(char what)
{
	struct fixture *f = the_fixture;

	if (f->nr < sizeof(f->done) - 1)
		f->done[f->nr++] = what;
	return f->failing == what ? -ENOMEM : 0;
}

static void set_page(struct iova_bitmap *bitmap, unsigned long iova, size_t length)
{
}

static void (*kept_track_symbol(void))(struct iova_bitmap *bitmap, unsigned long iova,
				       size_t length)
{
	if (the_fixture->no_symbol)
		return NULL;
	the_fixture->symbols++;
	return set_page;
}

static void kept_track_symbol_put(void (*set)(struct iova_bitmap *bitmap, unsigned long iova,
					      size_t length))
{
	the_fixture->symbols -= set == set_page;
}

static int kept_track_register(struct mlx5_core_dev *mdev, int vf_id, struct notifier_block *nb)
{
	if (the_fixture->registering)
		return -ENODEV;
	the_fixture->registered += vf_id == 3 && nb->notifier_call == notify;
	return 0;
}

static void kept_track_unregister(struct mlx5_core_dev *mdev, int vf_id,
				  struct notifier_block *nb)
{
	the_fixture->registered -= vf_id == 3 && nb->notifier_call == notify;
}

static struct mlx5_core_dev *kept_track_core_dev(struct pci_dev *pdev)
{
	return the_fixture->no_pf ? NULL : &the_fixture->mdev;
}

static void kept_track_put(struct mlx5_core_dev *mdev)
{
	the_fixture->puts++;
}

int kept_track_renew(struct mlx5_ferry *nic)
{
	return did('n');
}

int kept_track_open(struct mlx5_ferry_channel *channel, struct mlx5_ferry *nic,
		    wait_queue_head_t *wait, unsigned int log_message)
{
	the_fixture->log_message = log_message;
	return did('o');
}

void kept_track_close(struct mlx5_ferry_channel *channel)
{
	did('O');
}

int kept_track_create(struct mlx5_ferry_tracker *tracker, const struct mlx5_ferry_range *ranges,
		      unsigned int nr, unsigned int log_space)
{
	struct fixture *f = the_fixture;
	int err = did('l');

	lockdep_assert_held(&tracker->lock);
	f->first = ranges[0];
	f->nr_ranges = nr;
	f->log_space = log_space;
	tracker->has_object = !err;
	return err;
}

void kept_track_destroy(struct mlx5_ferry_tracker *tracker)
{
	lockdep_assert_held(&tracker->lock);
	tracker->has_object = false;
	did('L');
}

int kept_track_report(struct mlx5_ferry_tracker *tracker, const struct mlx5_ferry_range *asked,
		      struct iova_bitmap *bitmap)
{
	lockdep_assert_held(&tracker->report_lock);
	the_fixture->asked = *asked;
	return did('r');
}

static struct fixture *fixture_of(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	void *general, *tracks;

	KUNIT_ASSERT_NOT_NULL(test, f);
	the_fixture = f;
	for (int i = 0; i < 2; i++) {
		int type = i ? MLX5_CAP_ADV_VIRTUALIZATION : MLX5_CAP_GENERAL;

		f->mdev.caps.hca[type] = kunit_kzalloc(test, sizeof(struct mlx5_hca_cap),
						       GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, f->mdev.caps.hca[type]);
	}
	general = f->mdev.caps.hca[MLX5_CAP_GENERAL]->cur;
	tracks = f->mdev.caps.hca[MLX5_CAP_ADV_VIRTUALIZATION]->cur;
	MLX5_SET(cmd_hca_cap, general, adv_virtualization, 1);
	MLX5_SET(adv_virtualization_cap, tracks, pg_track_max_num_range, 2);
	MLX5_SET(adv_virtualization_cap, tracks, pg_track_log_min_page_size, 12);
	MLX5_SET(adv_virtualization_cap, tracks, pg_track_log_max_page_size, 21);
	MLX5_SET(adv_virtualization_cap, tracks, pg_track_log_min_msg_size, 9);
	MLX5_SET(adv_virtualization_cap, tracks, pg_track_log_max_msg_size, 20);
	MLX5_SET(adv_virtualization_cap, tracks, pg_track_log_min_addr_space, 20);
	MLX5_SET(adv_virtualization_cap, tracks, pg_track_log_max_addr_space, 40);
	f->nic.mdev = &f->mdev;
	f->nic.vf_id = 3;
	return f;
}

static struct fixture *tracker_of(struct kunit *test)
{
	struct fixture *f = fixture_of(test);

	mlx5_ferry_tracker_init(&f->nic);
	KUNIT_ASSERT_NOT_NULL(test, f->nic.tracker);
	return f;
}

static void forget_all(struct kunit *test, struct fixture *f)
{
	mlx5_ferry_tracker_close(&f->nic);
	mlx5_ferry_tracker_forget(&f->nic);
	KUNIT_EXPECT_NULL(test, f->nic.tracker);
	KUNIT_EXPECT_EQ(test, f->symbols, 0);
	KUNIT_EXPECT_EQ(test, f->registered, 0);
}

static int start(struct fixture *f, u64 first, u64 last, u64 *page_size)
{
	struct interval_tree_node node = { .start = first, .last = last };
	struct rb_root_cached root = RB_ROOT_CACHED;

	f->nr = 0;
	memset(f->done, 0, sizeof(f->done));
	interval_tree_insert(&node, &root);
	return log_ops.log_start(&f->nic.ferry.core.vdev, &root, 1, page_size);
}

static void expect_state(struct kunit *test, struct fixture *f, enum mlx5_ferry_tracking state)
{
	struct mlx5_ferry_tracker *tracker = f->nic.tracker;

	KUNIT_EXPECT_EQ(test, tracker->state, state);
	KUNIT_EXPECT_FALSE(test, mutex_is_locked(&tracker->lock));
	KUNIT_EXPECT_FALSE(test, mutex_is_locked(&tracker->report_lock));
	if (state == MLX5_FERRY_TRACKING_OFF)
		KUNIT_EXPECT_NULL(test, tracker->pages);
}

static void tracking_is_offered_where_it_can_be(struct kunit *test)
{
	static const char *const reasons[] = {
		NULL, "the firmware of the physical function cannot",
		"the firmware of the physical function cannot", "cannot report pages",
		"does not say when it goes",
	};

	for (int i = 0; i < ARRAY_SIZE(reasons); i++) {
		struct fixture *f = fixture_of(test);

		if (i == 1)
			MLX5_SET(cmd_hca_cap, f->mdev.caps.hca[MLX5_CAP_GENERAL]->cur,
				 adv_virtualization, 0);
		if (i == 2)
			MLX5_SET(adv_virtualization_cap,
				 f->mdev.caps.hca[MLX5_CAP_ADV_VIRTUALIZATION]->cur,
				 pg_track_max_num_range, 0);
		f->no_symbol = i == 3;
		f->registering = i == 4;
		mlx5_ferry_tracker_init(&f->nic);
		KUNIT_EXPECT_TRUE(test, f->nic.ferry.core.vdev.log_ops == (i ? NULL : &log_ops));
		KUNIT_EXPECT_EQ(test, !f->nic.tracker, !!i);
		KUNIT_EXPECT_EQ(test, f->puts, !i);
		if (i)
			KUNIT_EXPECT_NOT_NULL(test, strstr(f->nic.untracked, reasons[i]));
		else
			KUNIT_EXPECT_NULL(test, f->nic.untracked);
		mlx5_ferry_tracker_reset(&f->nic);
		forget_all(test, f);
	}
}

static void a_start_asks_for_what_there_is(struct kunit *test)
{
	static const struct { u64 wanted, page; } pages[] = {
		{ SZ_4K, SZ_4K }, { SZ_2K, SZ_4K }, { SZ_64K, SZ_64K }, { SZ_4M, SZ_2M },
	};

	for (int i = 0; i < ARRAY_SIZE(pages); i++) {
		struct fixture *f = tracker_of(test);
		u64 page = pages[i].wanted;

		KUNIT_EXPECT_EQ(test, start(f, SZ_4M, SZ_8M - 1, &page), 0);
		KUNIT_EXPECT_STREQ(test, f->done, "Onol");
		KUNIT_EXPECT_EQ(test, page, pages[i].page);
		KUNIT_EXPECT_EQ(test, BIT(f->nic.tracker->log_page), page);
		KUNIT_EXPECT_EQ(test, f->first.first, SZ_4M);
		KUNIT_EXPECT_EQ(test, f->first.last, SZ_8M - 1);
		KUNIT_EXPECT_EQ(test, f->nr_ranges, 1);
		KUNIT_EXPECT_EQ(test, f->log_space, 22);
		KUNIT_EXPECT_EQ(test, f->log_message, 16);
		KUNIT_EXPECT_NOT_NULL(test, f->nic.tracker->pages);
		expect_state(test, f, MLX5_FERRY_TRACKING_ON);
		KUNIT_EXPECT_EQ(test, start(f, 0, SZ_8M - 1, &page), -EINVAL);
		KUNIT_EXPECT_STREQ(test, f->done, "");
		KUNIT_EXPECT_EQ(test, log_ops.log_stop(&f->nic.ferry.core.vdev), 0);
		KUNIT_EXPECT_STREQ(test, f->done, "LO");
		expect_state(test, f, MLX5_FERRY_TRACKING_OFF);
		forget_all(test, f);
	}
}

static void a_start_that_fails_leaves_nothing(struct kunit *test)
{
	static const struct {
		char failing;
		u64 page, last;
		int err;
		const char *done;
	} failures[] = {
		{ 'n', SZ_4K, SZ_8M - 1, -ENOMEM, "OnO" },
		{ 'o', SZ_4K, SZ_8M - 1, -ENOMEM, "OnoO" },
		{ 'l', SZ_4K, SZ_8M - 1, -ENOMEM, "OnolO" },
		{ 0, SZ_4K + 1, SZ_8M - 1, -EINVAL, "" },
		{ 0, SZ_4K, BIT_ULL(41) - 1, -EOPNOTSUPP, "OO" },
	};

	for (int i = 0; i < ARRAY_SIZE(failures); i++) {
		struct fixture *f = tracker_of(test);
		u64 page = failures[i].page;

		f->failing = failures[i].failing;
		KUNIT_EXPECT_EQ(test, start(f, 0, failures[i].last, &page), failures[i].err);
		KUNIT_EXPECT_STREQ(test, f->done, failures[i].done);
		KUNIT_EXPECT_EQ(test, page, failures[i].page);
		expect_state(test, f, MLX5_FERRY_TRACKING_OFF);
		f->failing = 0;
		page = SZ_4K;
		KUNIT_EXPECT_EQ(test, start(f, 0, SZ_8M - 1, &page), 0);
		forget_all(test, f);
	}
}

static void a_reset_ends_tracking(struct kunit *test)
{
	static const struct { enum mlx5_ferry_tracking from, to; int err; } states[] = {
		{ MLX5_FERRY_TRACKING_OFF, MLX5_FERRY_TRACKING_OFF, 0 },
		{ MLX5_FERRY_TRACKING_ON, MLX5_FERRY_TRACKING_ENDED, -EINVAL },
		{ MLX5_FERRY_TRACKING_FAILED, MLX5_FERRY_TRACKING_ENDED, -EINVAL },
		{ MLX5_FERRY_TRACKING_ENDED, MLX5_FERRY_TRACKING_ENDED, 0 },
	};

	for (int i = 0; i < ARRAY_SIZE(states); i++) {
		struct fixture *f = tracker_of(test);
		u64 page = SZ_4K;

		KUNIT_EXPECT_EQ(test, start(f, 0, SZ_8M - 1, &page), 0);
		f->nic.tracker->state = states[i].from;
		if (i % 2)
			KUNIT_EXPECT_EQ(test, start(f, 0, SZ_8M - 1, &page), states[i].err);
		f->nic.tracker->state = states[i].from;
		mlx5_ferry_tracker_reset(&f->nic);
		KUNIT_EXPECT_EQ(test, f->nic.tracker->state, states[i].to);
		KUNIT_EXPECT_EQ(test, start(f, 0, SZ_8M - 1, &page), 0);
		expect_state(test, f, MLX5_FERRY_TRACKING_ON);
		forget_all(test, f);
	}
}

static void a_report_is_of_what_was_asked(struct kunit *test)
{
	struct fixture *f = tracker_of(test);
	struct vfio_device *vdev = &f->nic.ferry.core.vdev;

	KUNIT_EXPECT_EQ(test, log_ops.log_read_and_clear(vdev, SZ_4K, SZ_8K, NULL), 0);
	KUNIT_EXPECT_EQ(test, f->asked.first, SZ_4K);
	KUNIT_EXPECT_EQ(test, f->asked.last, SZ_4K + SZ_8K - 1);
	KUNIT_EXPECT_EQ(test, f->nr, 1);
	KUNIT_EXPECT_EQ(test, log_ops.log_read_and_clear(vdev, SZ_4K, 0, NULL), 0);
	KUNIT_EXPECT_EQ(test, f->nr, 1);
	f->failing = 'r';
	KUNIT_EXPECT_EQ(test, log_ops.log_read_and_clear(vdev, SZ_4K, SZ_8K, NULL), -ENOMEM);
	expect_state(test, f, MLX5_FERRY_TRACKING_OFF);
	f->failing = 0;
	forget_all(test, f);
}

/* What it knew went with it, and so did what it had for us. */
static void the_physical_function_goes_and_comes(struct kunit *test)
{
	struct fixture *f = tracker_of(test);
	struct notifier_block *nb = &f->nic.tracker->nb;
	u64 page = SZ_4K;

	KUNIT_EXPECT_EQ(test, start(f, 0, SZ_8M - 1, &page), 0);
	f->nr = 0;
	memset(f->done, 0, sizeof(f->done));
	KUNIT_EXPECT_EQ(test, nb->notifier_call(nb, MLX5_PF_NOTIFY_DISABLE_VF, NULL), NOTIFY_OK);
	KUNIT_EXPECT_STREQ(test, f->done, "LO");
	expect_state(test, f, MLX5_FERRY_TRACKING_ENDED);
	KUNIT_EXPECT_EQ(test, start(f, 0, SZ_8M - 1, &page), -ENOTCONN);
	KUNIT_EXPECT_STREQ(test, f->done, "");
	nb->notifier_call(nb, MLX5_PF_NOTIFY_ENABLE_VF, NULL);
	expect_state(test, f, MLX5_FERRY_TRACKING_ENDED);
	KUNIT_EXPECT_EQ(test, start(f, 0, SZ_8M - 1, &page), 0);
	/* It may have come back with another firmware. */
	KUNIT_EXPECT_EQ(test, log_ops.log_stop(&f->nic.ferry.core.vdev), 0);
	MLX5_SET(cmd_hca_cap, f->mdev.caps.hca[MLX5_CAP_GENERAL]->cur, adv_virtualization, 0);
	KUNIT_EXPECT_EQ(test, start(f, 0, SZ_8M - 1, &page), -EOPNOTSUPP);
	expect_state(test, f, MLX5_FERRY_TRACKING_OFF);
	forget_all(test, f);
}

/* It went before anybody listened. */
static void there_may_be_no_physical_function(struct kunit *test)
{
	struct fixture *f = fixture_of(test);
	u64 page = SZ_4K;

	f->no_pf = true;
	mlx5_ferry_tracker_init(&f->nic);
	KUNIT_ASSERT_NOT_NULL(test, f->nic.tracker);
	KUNIT_EXPECT_EQ(test, start(f, 0, SZ_8M - 1, &page), -ENOTCONN);
	forget_all(test, f);
	f->nic.mdev = NULL;
	mlx5_ferry_tracker_init(&f->nic);
	KUNIT_EXPECT_NULL(test, f->nic.tracker);
	mlx5_ferry_tracker_close(&f->nic);
	mlx5_ferry_tracker_forget(&f->nic);
}

/* Somebody who is killed while he waits for a lock that another has */
struct victim {
	struct fixture *f;
	struct completion over;
	bool starts;
	int err;
};

static int wait_and_die(void *arg)
{
	struct victim *victim = arg;
	u64 page = SZ_4K;

	allow_signal(SIGKILL);
	victim->err = victim->starts ? start(victim->f, 0, SZ_8M - 1, &page) :
		      log_ops.log_stop(&victim->f->nic.ferry.core.vdev);
	complete(&victim->over);
	return 0;
}

static void who_is_killed_keeps_no_lock(struct kunit *test)
{
	for (int i = 0; i < 4; i++) {
		struct fixture *f = tracker_of(test);
		struct mlx5_ferry_tracker *tracker = f->nic.tracker;
		struct mutex *held = i & 1 ? &tracker->lock : &tracker->report_lock;
		struct victim victim = { .f = f, .starts = i & 2 };
		struct task_struct *task;

		init_completion(&victim.over);
		mutex_lock(held);
		task = kthread_run(wait_and_die, &victim, "ferry-tracker-test");
		KUNIT_ASSERT_FALSE(test, IS_ERR(task));
		KUNIT_EXPECT_EQ(test, wait_for_completion_timeout(&victim.over, HZ / 20), 0);
		send_sig(SIGKILL, task, 1);
		KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&victim.over, 10 * HZ), 0);
		KUNIT_EXPECT_EQ(test, victim.err, -EINTR);
		mutex_unlock(held);
		expect_state(test, f, MLX5_FERRY_TRACKING_OFF);
		KUNIT_EXPECT_STREQ(test, f->done, "");
		forget_all(test, f);
	}
}

static struct kunit_case tracker_cases[] = {
	KUNIT_CASE(tracking_is_offered_where_it_can_be),
	KUNIT_CASE(a_start_asks_for_what_there_is),
	KUNIT_CASE(a_start_that_fails_leaves_nothing),
	KUNIT_CASE(a_reset_ends_tracking),
	KUNIT_CASE(a_report_is_of_what_was_asked),
	KUNIT_CASE(the_physical_function_goes_and_comes),
	KUNIT_CASE(there_may_be_no_physical_function),
	KUNIT_CASE(who_is_killed_keeps_no_lock),
	{}
};

static struct kunit_suite tracker_suite = {
	.name = "ferry-tracker",
	.test_cases = tracker_cases,
};

kunit_test_suite(tracker_suite);
