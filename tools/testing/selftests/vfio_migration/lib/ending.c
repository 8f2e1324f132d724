// SPDX-License-Identifier: GPL-2.0-only
/* What ends a session from outside. */
#include <pthread.h>
#include <sched.h>

#include <libvfio.h>
#include <libmigration.h>

struct mig_subject mig_subject_init(const char *name)
{
	struct mig_subject subject = { .name = name };

	if (mig_device_is_pci(name))
		mig_driver_name(name, subject.driver, sizeof(subject.driver));
	return subject;
}

void mig_subject_open(struct mig_subject *subject)
{
	subject->device = mig_device_open(subject->name);
}

void mig_subject_close(struct mig_subject *subject)
{
	mig_device_close(subject->device);
	subject->device = NULL;
}

static void reset(struct mig_subject *subject)
{
	mig_device_reset(subject->device);
}

static void sysfs_reset(struct mig_subject *subject)
{
	VFIO_ASSERT_EQ(__mig_sysfs_reset(subject->name), 0);
}

static void unbind(struct mig_subject *subject)
{
	mig_subject_close(subject);
	VFIO_ASSERT_EQ(__mig_driver_unbind(subject->name, subject->driver), 0);
}

static void *unbind_thread(void *arg)
{
	struct mig_subject *subject = arg;

	return (void *)(long)__mig_driver_unbind(subject->name, subject->driver);
}

/* The administrator comes first, and waits for the user. */
static void unbind_open(struct mig_subject *subject)
{
	pthread_t thread;
	void *ret;

	VFIO_ASSERT_EQ(pthread_create(&thread, NULL, unbind_thread, subject), 0);
	sched_yield();
	mig_subject_close(subject);
	pthread_join(thread, &ret);
	VFIO_ASSERT_NULL(ret);
}

static void bind(struct mig_subject *subject)
{
	VFIO_ASSERT_EQ(__mig_driver_bind(subject->name, subject->driver), 0);
	mig_subject_open(subject);
}

const struct mig_ending mig_endings[MIG_ENDINGS] = {
	[MIG_ENDING_RESET] = { "VFIO_DEVICE_RESET", reset, reset },
	/* It is not VFIO's, so it need not change the state: the user resets, too. */
	[MIG_ENDING_SYSFS_RESET] = { "a reset through sysfs", sysfs_reset, reset,
				     .needs_pci = true },
	[MIG_ENDING_CLOSE] = { "closing", mig_subject_close, mig_subject_open },
	[MIG_ENDING_UNBIND] = { "closing and unbinding", unbind, bind, .needs_pci = true },
	[MIG_ENDING_UNBIND_OPEN] = { "unbinding while open", unbind_open, bind, .needs_pci = true },
};
