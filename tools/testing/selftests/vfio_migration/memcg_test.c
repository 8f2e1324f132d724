// SPDX-License-Identifier: GPL-2.0-only
/*
 * A memory cgroup's limit, hit in the middle of a migration. The user gets
 * ENOMEM or is killed, as the cgroup decides; the kernel is not harmed, all
 * memory is given back, and the device works for the next user.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libmigration.h>

#include "kselftest_harness.h"

/*
 * What may stay charged to an empty cgroup: objects that a slab shares, pages
 * that a CPU holds in advance.
 */
#define MEMORY_SLACK (768UL << 10)
#define UNLIMITED (256UL << 20)

FIXTURE(memcg) {
	char root[PATH_MAX];
	bool mounted;
	char cgroup[PATH_MAX];
	struct mig_stream stream;
	u64 sum;
};

static int write_file(const char *folder, const char *file, const char *text)
{
	char path[PATH_MAX];
	ssize_t done;
	int fd;

	snprintf_assert(path, sizeof(path), "%s/%s", folder, file);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -errno;
	done = write(fd, text, strlen(text));
	done = done < 0 ? -errno : 0;
	close(fd);

	return done;
}

/* The number behind @name, or the first if that is NULL; 0 if there is none. */
static u64 read_number(const char *folder, const char *file, const char *name)
{
	char path[PATH_MAX], line[128], found[64];
	unsigned long long number = 0;
	FILE *stream;

	snprintf_assert(path, sizeof(path), "%s/%s", folder, file);
	stream = fopen(path, "r");
	while (stream && fgets(line, sizeof(line), stream)) {
		if (!name && sscanf(line, "%llu", &number) == 1)
			break;
		if (name && sscanf(line, "%63s %llu", found, &number) == 2 && !strcmp(found, name))
			break;
		number = 0;
	}
	if (stream)
		fclose(stream);

	return number;
}

/* Where cgroup2 is mounted, or the test mounts it. */
static bool find_root(char *root, size_t size, bool *mounted)
{
	char line[1024], type[64];
	FILE *mounts = fopen("/proc/mounts", "r");
	bool found = false;

	VFIO_ASSERT_NOT_NULL(mounts);
	while (!found && fgets(line, sizeof(line), mounts))
		found = sscanf(line, "%*s %1023s %63s", root, type) == 2 &&
			!strcmp(type, "cgroup2");
	fclose(mounts);
	if (found)
		return true;
	snprintf_assert(root, size, "/tmp/vfio_migration.XXXXXX");
	if (!mkdtemp(root))
		return false;
	*mounted = !mount("none", root, "cgroup2", 0, NULL);
	if (!*mounted)
		rmdir(root);
	return *mounted;
}

FIXTURE_SETUP(memcg)
{
	struct mig_device *device;

	if (!find_root(self->root, sizeof(self->root), &self->mounted))
		SKIP(return, "cgroup2 is not mounted and cannot be: %s", strerror(errno));
	if (write_file(self->root, "cgroup.subtree_control", "+memory"))
		SKIP(return, "the kernel has no memory cgroups of version 2 (CONFIG_MEMCG)");
	snprintf_assert(self->cgroup, sizeof(self->cgroup), "%.1000s/vfio_migration.%d",
			self->root, getpid());

	device = mig_device_open(mig_devices_name(0));
	MIG_NEED(device, VFIO_MIGRATION_STOP_COPY);
	mig_fill(device, 7);
	self->stream = mig_save(device, device->flags & VFIO_MIGRATION_PRE_COPY);
	self->sum = mig_sum(device);
	mig_device_close(device);
	mig_announce("out_of_memory|dump_header|try_charge");
}

FIXTURE_TEARDOWN(memcg)
{
	mig_stream_free(&self->stream);
	rmdir(self->cgroup);
	if (self->mounted) {
		umount(self->root);
		rmdir(self->root);
	}
}

enum result { NO_ERROR, AN_ERROR, A_FAULT, KILLED };

static const char *const result_names[] = {
	[NO_ERROR] = "no error",
		[AN_ERROR] = "an error",
		[A_FAULT] = "a fault",
		[KILLED] = "killed",
};

/* In a process of its own, which the cgroup may kill; then nobody but the kernel cleans up. */
static enum result migrate(const char *cgroup, enum mig_operation operation,
			   const struct mig_stream *stream, u64 sum,
			   u64 more)
{
	struct mig_device *device;
	struct mig_attempt attempt;
	const char *fault;
	char text[32];

	VFIO_ASSERT_EQ(write_file(cgroup, "cgroup.procs", "0"), 0);
	device = mig_device_open(mig_devices_name(0));
	mig_fill(device, 9);
	more += read_number(cgroup, "memory.current", NULL);
	snprintf_assert(text, sizeof(text), "%llu", (unsigned long long)more);
	VFIO_ASSERT_EQ(write_file(cgroup, "memory.max", text), 0);
	attempt = operation == MIG_LOAD ? mig_try_load(device, stream) :
					  mig_try_save(device, operation);
	VFIO_ASSERT_EQ(write_file(cgroup, "memory.max", "max"), 0);
	if (operation == MIG_LOAD)
		fault = mig_target_fault(device, &attempt, sum);
	else
		fault = mig_source_fault(device, &attempt, mig_sum(device));
	if (fault)
		printf("# the device %s (the error was %d)\n", fault, attempt.error);
	fflush(stdout);

	return fault ? A_FAULT : attempt.error ? AN_ERROR : NO_ERROR;
}

static enum result migrate_within(const char *cgroup, enum mig_operation operation,
				  const struct mig_stream *stream,
				  u64 sum, u64 more)
{
	pid_t child;
	int status;

	fflush(NULL);
	child = fork();
	VFIO_ASSERT_GE(child, 0);
	if (!child)
		_exit(migrate(cgroup, operation, stream, sum, more));
	VFIO_ASSERT_EQ(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return KILLED;
	return WIFEXITED(status) && WEXITSTATUS(status) < A_FAULT ? WEXITSTATUS(status) : A_FAULT;
}

static const u64 limits[] = { 64 << 10, 256 << 10, 512 << 10, 1 << 20, 2 << 20, UNLIMITED };

static unsigned long long in_kib(const char *cgroup, const char *file)
{
	return read_number(cgroup, file, NULL) >> 10;
}

#define SWEEP(_operation) do {									\
	unsigned int __hits = 0;								\
	enum result __result;									\
												\
	for (unsigned int __i = 0; __i < ARRAY_SIZE(limits); __i++) {				\
		ASSERT_EQ(0, mkdir(self->cgroup, 0700));					\
		__result = migrate_within(self->cgroup, _operation, &self->stream,		\
					  self->sum, limits[__i]);				\
		__hits += read_number(self->cgroup, "memory.events", "max") != 0;		\
		TH_LOG("%llu KiB: %s, %llu KiB at most, %llu left",				\
		       (unsigned long long)limits[__i] >> 10, result_names[__result],		\
		       in_kib(self->cgroup, "memory.peak"),					\
		       in_kib(self->cgroup, "memory.current"));					\
		EXPECT_NE(A_FAULT, __result);							\
		EXPECT_TRUE(mig_wait_until(read_number(self->cgroup, "memory.current",		\
						       NULL) <= MEMORY_SLACK,			\
					   MIG_PATIENCE_MS));					\
		EXPECT_EQ(0, rmdir(self->cgroup));						\
	}											\
	EXPECT_EQ(NO_ERROR, __result);								\
	mig_assert_usable(mig_device_open(mig_devices_name(0)));				\
	if (!__hits && __test_passed(_metadata))						\
		SKIP(break, "it takes too little memory to meet a limit");			\
} while (0)

/* Items: 28 48. A save that the cgroup has no room for ends as any other that fails. */
TEST_F_TIMEOUT(memcg, save, 120)
{
	SWEEP(MIG_STOPPED_SAVE);
}

/* Items: 28 45 46. The same for a load. */
TEST_F_TIMEOUT(memcg, load, 120)
{
	SWEEP(MIG_LOAD);
}

MIG_TEST_MAIN
