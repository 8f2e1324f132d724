// SPDX-License-Identifier: GPL-2.0-only
/*
 * Firmware that fails: every command of every operation once, one after the
 * other, in each way that the workload knows, and then all from some command
 * on. A source goes on with the state that it had, or is in ERROR and a reset
 * brings it back; a target says that it failed; what was saved as whole is.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <libmigration.h>

#include "kselftest_harness.h"

/* More commands than any operation takes. */
#define MAX_COMMANDS 150
/* More cancelled migrations than a leak needs to be seen. */
#define MANY_CANCELS 60
/* State that changes in pre-copy, and bytes of a read(). */
#define CHANGES 20
#define PIECE (1UL << 20)

/* What differs between operations in how they take a fault; all of it in the short ones. */
#define ONCE(_fault) (1u << WORKLOAD_FAULT_##_fault)

FIXTURE(firmware) {
	struct mig_bench bench;
	struct mig_device *device;
};

FIXTURE_VARIANT(firmware) {
	enum mig_operation operation;
	unsigned int faults;
};

FIXTURE_VARIANT_ADD(firmware, precopy_save) {
	.operation = MIG_PRECOPY_SAVE,
	.faults = ONCE(FAIL) | ONCE(STATE) | ONCE(DMA),
};

FIXTURE_VARIANT_ADD(firmware, stopped_save) {
	.operation = MIG_STOPPED_SAVE,
	.faults = ONCE(FAIL) | ONCE(STATE) | ONCE(RESOURCES) | ONCE(DMA),
};

FIXTURE_VARIANT_ADD(firmware, cancelled_save) {
	.operation = MIG_CANCELLED_SAVE,
	.faults = ONCE(FAIL) | ONCE(STATE),
};

FIXTURE_VARIANT_ADD(firmware, aborted_save) {
	.operation = MIG_ABORTED_SAVE,
	.faults = ONCE(FAIL) | ONCE(STATE),
};

FIXTURE_VARIANT_ADD(firmware, load) {
	.operation = MIG_LOAD,
	.faults = ONCE(FAIL) | ONCE(STATE) | ONCE(RESOURCES) | ONCE(DMA),
};

FIXTURE_SETUP(firmware)
{
	self->device = mig_device_open(mig_devices_name(0));
	self->bench.device = self->device;
	MIG_NEED(self->device, mig_operation_needs_precopy(variant->operation) ?
				       MIG_PRE_COPY :
				       VFIO_MIGRATION_STOP_COPY);
	MIG_NEED_WORKLOAD(self->device, fault_arm);
}

FIXTURE_TEARDOWN(firmware)
{
	mig_bench_close(&self->bench);
}

struct strike {
	enum workload_fault fault;
	unsigned int nth;
	unsigned int times;
	u64 hits;
};

static void arm(struct mig_device *device, struct strike *strike)
{
	strike->hits = device->workload->fault_hits(device);
	device->workload->fault_arm(device, strike->fault, strike->nth, strike->times);
}

/* Whether it struck. */
static bool disarm(struct mig_device *device, struct strike *strike)
{
	device->workload->fault_disarm(device);
	return device->workload->fault_hits(device) > strike->hits;
}

static const char *say(char *text, size_t size, const struct strike *strike)
{
	snprintf(text, size, "%s %u %s", strike->times ? "command" : "every command from number",
		 strike->nth, workload_fault_names[strike->fault]);
	return text;
}

/* A stream that was read to its end is the state of its source, whatever failed. */
static const char *stream_fault(struct mig_bench *bench, const struct mig_stream *stream, u64 sum)
{
	struct mig_device *target = mig_bench_target(bench);
	const char *fault = NULL;

	if (__mig_load(target, stream))
		fault = "saved a whole stream that cannot be loaded";
	else if (mig_sum(target) != sum)
		fault = "saved a whole stream of another state";
	mig_device_reset(target);

	return fault;
}

/* The way back while commands still fail may fail, but says so. */
static const char *way_back_fault(struct mig_device *device)
{
	int ret = __mig_state_set(device, VFIO_DEVICE_STATE_RUNNING, NULL);

	return ret || mig_state_get(device) == VFIO_DEVICE_STATE_RUNNING ?
		       NULL :
		       "is not in RUNNING when SET says so";
}

static const char *save_once(struct mig_bench *bench, enum mig_operation operation,
			     struct strike *strike, bool *struck, int *error)
{
	struct mig_device *device = bench->device;
	struct mig_attempt attempt;
	const char *fault = NULL;
	bool complete;
	u64 sum;

	arm(device, strike);
	attempt = mig_try_save(device, operation);
	sum = mig_sum(device);
	if (!strike->times)
		fault = way_back_fault(device);
	*struck = disarm(device, strike);
	*error = attempt.error;
	complete = !attempt.error && (attempt.whole || operation == MIG_CANCELLED_SAVE ||
				      operation == MIG_ABORTED_SAVE);
	if (!fault)
		fault = mig_source_fault(device, &attempt, sum);
	if (!fault && !*struck && !complete)
		fault = "fails, but nothing failed";
	if (!fault && attempt.whole)
		fault = stream_fault(bench, &attempt.stream, sum);
	mig_attempt_free(&attempt);
	if (fault)
		mig_device_reset(device);

	return fault;
}

static const char *load_once(struct mig_device *device, const struct mig_stream *stream, u64 sum,
			     struct strike *strike, bool *struck, int *error)
{
	struct mig_attempt attempt;
	const char *fault;

	arm(device, strike);
	attempt = mig_try_load(device, stream);
	*struck = disarm(device, strike);
	*error = attempt.error;
	fault = mig_target_fault(device, &attempt, sum);
	if (!fault && !*struck && attempt.error)
		fault = "fails, but nothing failed";
	mig_attempt_free(&attempt);

	return fault;
}

/*
 * The first command fails, then the second, ... until there is none to fail. Returns how often
 * that went wrong.
 */
static unsigned int sweep(struct mig_bench *bench, enum mig_operation operation,
			  enum workload_fault kind, unsigned int times)
{
	struct mig_device *target = operation == MIG_LOAD ? mig_bench_target(bench) : NULL;
	unsigned int nth, wrong = 0, failed = 0;
	struct mig_stream stream = { };
	bool struck = true;
	char text[80];
	u64 sum = 0;
	int error;

	mig_fill(bench->device, 7);
	if (target) {
		stream = mig_save(bench->device, bench->device->flags & VFIO_MIGRATION_PRE_COPY);
		sum = mig_sum(bench->device);
		mig_device_reset(bench->device);
	}
	for (nth = 1; nth <= MAX_COMMANDS && struck; nth++) {
		struct strike strike = { .fault = kind, .nth = nth, .times = times };
		const char *fault =
			target ? load_once(target, &stream, sum, &strike, &struck, &error) :
				 save_once(bench, operation, &strike, &struck, &error);

		failed += error != 0;
		if (!fault)
			continue;
		wrong++;
		printf("# %s: the device %s (the error was %d)\n", say(text, sizeof(text), &strike),
		       fault, error);
	}
	printf("# %u commands, each %s%s: %u errors\n", nth - 2, workload_fault_names[kind],
	       times ? "" : " and so do all after it", failed);
	fflush(stdout);
	mig_stream_free(&stream);

	return wrong + struck;
}

/*
 * Items: 28 30 43 48. Faults: LOAD 2 9. vfio.h: "any transition request can be failed with an
 * errno return and may then move the device_state into ERROR"; short of that the source runs
 * on, and "VFIO_DEVICE_RESET must be used".
 */
TEST_F_TIMEOUT(firmware, fails_once, 120)
{
	for (unsigned int fault = 0; fault < WORKLOAD_FAULTS; fault++)
		if (variant->faults & (1u << fault))
			EXPECT_EQ(0, sweep(&self->bench, variant->operation, fault, 1));
}

/*
 * Items: 28 29 30 46. Faults: 2 9. The way back fails, too: "In this case the device was unable
 * to execute the requested arc and was also unable to restore the device to any valid
 * device_state", or its state is still true.
 */
TEST_F_TIMEOUT(firmware, fails_from_then_on, 120)
{
	EXPECT_EQ(0, sweep(&self->bench, variant->operation, WORKLOAD_FAULT_FAIL, 0));
}

/*
 * The way from pre-copy to a whole stream, of which a command fails; a stop that fails is tried
 * again. What a driver knew of changes before may have been lost with that.
 */
static const char *stop_again(struct mig_bench *bench, struct strike *strike, bool *struck)
{
	struct mig_device *device = bench->device;
	struct mig_stream stream = { };
	const char *fault = NULL;
	int data_fd, ret;
	u64 sum;

	data_fd = mig_state_enter(device, VFIO_DEVICE_STATE_PRE_COPY);
	mig_read_precopy(data_fd, &stream);
	mig_change(device, CHANGES);
	mig_state_set(device, VFIO_DEVICE_STATE_PRE_COPY_P2P);
	arm(device, strike);
	ret = __mig_state_set(device, VFIO_DEVICE_STATE_STOP_COPY, NULL);
	if (ret)
		ret = __mig_state_set(device, VFIO_DEVICE_STATE_STOP_COPY, NULL);
	sum = mig_sum(device);
	if (!ret)
		ret = __mig_read(data_fd, &stream, PIECE);
	*struck = disarm(device, strike);
	if (ret == MIG_STREAM_END)
		fault = stream_fault(bench, &stream, sum);
	close(data_fd);
	mig_stream_free(&stream);
	mig_device_reset(device);

	return fault;
}

/*
 * Items: 28 30. Faults: 9. A state that a transition was undone to is as good as it was before:
 * what the next try brings is the device's state, whatever failed before.
 */
TEST_F_TIMEOUT(firmware, stops_again, 120)
{
	bool struck = true;

	if (variant->operation != MIG_PRECOPY_SAVE)
		SKIP(return, "only pre-copy has changes to lose");
	MIG_NEED(self->device, VFIO_MIGRATION_P2P);
	for (unsigned int nth = 1; nth <= MAX_COMMANDS && struck; nth++) {
		struct strike strike = { .fault = WORKLOAD_FAULT_FAIL, .nth = nth, .times = 1 };
		const char *fault;

		mig_fill(self->device, 7);
		fault = stop_again(&self->bench, &strike, &struck);
		EXPECT_EQ(NULL, fault) {
			TH_LOG("command %u of a stop fails: %s", nth, fault);
		}
	}
	EXPECT_FALSE(struck);
}

/* In the middle of a session, which is left open. */
static int enter_session(struct mig_device *device, u32 state, const struct mig_stream *stream)
{
	int data_fd = mig_state_enter(device, state);

	if (state == VFIO_DEVICE_STATE_RESUMING)
		VFIO_ASSERT_EQ(__mig_write(data_fd, stream->data, stream->len / 2), 0);
	return data_fd;
}

static const u32 session_states[] = {
	VFIO_DEVICE_STATE_PRE_COPY, VFIO_DEVICE_STATE_STOP_COPY, VFIO_DEVICE_STATE_RESUMING,
};

MIG_FIXTURE(teardown, VFIO_MIGRATION_STOP_COPY)

static bool data_fd_is_dead(int data_fd)
{
	u8 byte = 0;

	return read(data_fd, &byte, 1) <= 0 && write(data_fd, &byte, 1) < 0;
}

static bool reset_once(struct mig_device *device, u32 state, const struct mig_stream *stream,
		       struct strike *strike, bool *struck)
{
	int data_fd = enter_session(device, state, stream);
	bool good;

	arm(device, strike);
	good = !__vfio_pci_device_reset(device->vfio) &&
	       mig_state_get(device) == VFIO_DEVICE_STATE_RUNNING && data_fd_is_dead(data_fd);
	*struck = disarm(device, strike);
	mig_device_enable(device);
	mig_change(device, 1);
	close(data_fd);

	return good;
}

/*
 * Items: 20 30. vfio.h: "VFIO_DEVICE_RESET must be used to return the device_state back to
 * RUNNING", from any state.
 */
TEST_F_TIMEOUT(teardown, reset, 120)
{
	struct mig_device *device = self->device;
	struct mig_stream stream;

	MIG_NEED_WORKLOAD(device, fault_arm);
	mig_fill(device, 7);
	stream = mig_save(device, false);
	mig_device_reset(device);
	for (unsigned int i = 0; i < ARRAY_SIZE(session_states); i++) {
		bool struck = mig_state_supported(device->flags, session_states[i]);

		for (unsigned int nth = 1; nth <= MAX_COMMANDS && struck; nth++) {
			struct strike strike = { .fault = nth % 2 ? WORKLOAD_FAULT_FAIL :
								    WORKLOAD_FAULT_STATE,
						 .nth = nth,
						 .times = 1 };

			EXPECT_TRUE(reset_once(device, session_states[i], &stream, &strike,
					       &struck)) {
				TH_LOG("in %s, command %u fails", mig_state_name(session_states[i]),
				       nth);
			}
		}
		EXPECT_FALSE(struck);
	}
	mig_assert_usable(device);
	mig_stream_free(&stream);
}

/* As mig_device_close(), but commands fail. */
static void close_struck(struct mig_device *device, struct strike *strike, bool *struck)
{
	arm(device, strike);
	vfio_pci_device_cleanup(device->vfio);
	*struck = disarm(device, strike);
	if (device->workload->remove)
		device->workload->remove(device);
	iommu_cleanup(device->iommu);
	free(device);
}

FIXTURE(closing) {
	struct mig_stream stream;
};

FIXTURE_SETUP(closing)
{
	struct mig_device *device = mig_device_open(mig_devices_name(0));

	MIG_NEED(device, VFIO_MIGRATION_STOP_COPY);
	MIG_NEED_WORKLOAD(device, fault_arm);
	mig_fill(device, 7);
	self->stream = mig_save(device, false);
	mig_device_close(device);
}

FIXTURE_TEARDOWN(closing)
{
	mig_stream_free(&self->stream);
}

/*
 * Items: 43. linux/vfio.h of the data FD: the driver ends it "before close_device() returns";
 * then it opens as ever.
 */
TEST_F_TIMEOUT(closing, in_a_session, 120)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(session_states); i++) {
		bool struck = true;

		for (unsigned int nth = 1; nth <= MAX_COMMANDS && struck; nth++) {
			struct strike strike = { .fault = WORKLOAD_FAULT_FAIL,
						 .nth = nth,
						 .times = 1 };
			struct mig_device *device = mig_device_open(mig_devices_name(0));
			int data_fd;

			if (!mig_state_supported(device->flags, session_states[i])) {
				mig_device_close(device);
				break;
			}
			ASSERT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_state_get(device));
			data_fd = enter_session(device, session_states[i], &self->stream);
			close_struck(device, &strike, &struck);
			EXPECT_TRUE(data_fd_is_dead(data_fd)) {
				TH_LOG("in %s, command %u fails", mig_state_name(session_states[i]),
				       nth);
			}
			close(data_fd);
		}
	}
}

/* References to the driver's module, -1 if it has none. */
static int driver_references(const char *name)
{
	char link[PATH_MAX], path[PATH_MAX], file[PATH_MAX];
	int references = -1;
	FILE *refcnt;

	snprintf_assert(link, sizeof(link), "/sys/bus/%s/devices/%s/driver/module",
			mig_device_is_pci(name) ? "pci" : "mdev", name);
	if (!realpath(link, path))
		return -1;
	snprintf_assert(file, sizeof(file), "%s/refcnt", path);
	refcnt = fopen(file, "r");
	if (!refcnt)
		return -1;
	if (fscanf(refcnt, "%d", &references) != 1)
		references = -1;
	fclose(refcnt);

	return references;
}

/*
 * Items: 48. Faults: 7 2. Whatever fails in cancelling, the data FD is released, and with it
 * the driver's module.
 */
TEST_F_TIMEOUT(closing, keeps_no_module, 120)
{
	int before = driver_references(mig_devices_name(0));
	struct mig_device *device;

	if (before < 0)
		SKIP(return, "the driver is no module");
	device = mig_device_open(mig_devices_name(0));
	MIG_NEED(device, MIG_PRE_COPY);
	for (unsigned int i = 0; i < MANY_CANCELS; i++) {
		struct strike strike = { .fault = WORKLOAD_FAULT_STATE,
					 .nth = 1 + i % 2,
					 .times = 1 };
		int data_fd = mig_state_set_fd(device, VFIO_DEVICE_STATE_PRE_COPY);

		arm(device, &strike);
		__mig_state_set(device, VFIO_DEVICE_STATE_RUNNING, NULL);
		disarm(device, &strike);
		close(data_fd);
		if (mig_state_get(device) != VFIO_DEVICE_STATE_RUNNING)
			mig_device_reset(device);
	}
	mig_device_close(device);
	EXPECT_TRUE(mig_wait_until(driver_references(mig_devices_name(0)) <= before,
				   MIG_PATIENCE_MS)) {
		TH_LOG("%d references to the module are left",
		       driver_references(mig_devices_name(0)) - before);
	}
}

MIG_TEST_MAIN
