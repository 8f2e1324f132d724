// SPDX-License-Identifier: GPL-2.0-only
/* The fixture that most tests share. */
#include <sys/wait.h>
#include <stdlib.h>
#include <unistd.h>

#include <libvfio.h>
#include <libmigration.h>

struct mig_device *mig_bench_target(struct mig_bench *bench)
{
	if (mig_devices_count() < 2) {
		mig_device_reset(bench->device);
		return bench->device;
	}
	if (!bench->second)
		bench->second = mig_device_open(mig_devices_name(1));
	return bench->second;
}

void mig_bench_close(struct mig_bench *bench)
{
	mig_device_close(bench->second);
	mig_device_close(bench->device);
	*bench = (struct mig_bench){ };
}

void mig_announce(const char *report)
{
	const char *program = getenv("VFIO_MIGRATION_ANNOUNCE");
	int status;
	pid_t child;

	if (!program)
		return;
	child = fork();
	VFIO_ASSERT_GE(child, 0);
	if (!child) {
		execlp(program, program, report, NULL);
		_exit(127);
	}
	VFIO_ASSERT_EQ(waitpid(child, &status, 0), child);
	VFIO_ASSERT_EQ(status, 0, "%s does not take the announcement", program);
}
