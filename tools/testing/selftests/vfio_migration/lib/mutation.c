// SPDX-License-Identifier: GPL-2.0-only
/* Streams that are not what the device saved, and what happens when they are loaded. */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libvfio.h>
#include <libmigration.h>

/* No more complaints than a person reads. */
#define MAX_COMPLAINTS 6

struct worker {
	struct mutations *all;
	struct mig_device *device;
	unsigned int *next;
	unsigned int *wrong;
	pthread_t thread;
};

struct mutation *mutation_add(struct mutations *all, const struct mig_stream *base,
			      enum mutation_verdict verdict, const char *name, ...)
{
	struct mutation *mutation;
	va_list args;

	all->mutation = realloc(all->mutation, (all->count + 1) * sizeof(*mutation));
	VFIO_ASSERT_NOT_NULL(all->mutation);
	mutation = &all->mutation[all->count++];
	*mutation = (struct mutation){ .base = base, .verdict = verdict };
	va_start(args, name);
	vsnprintf(mutation->name, sizeof(mutation->name), name, args);
	va_end(args);

	return mutation;
}

void mutation_edit(struct mutation *mutation, size_t at, size_t drop, const void *data, size_t len)
{
	struct mutation_edit *edit;

	VFIO_ASSERT_LT(mutation->edits, (unsigned int)MUTATION_MAX_EDITS);
	edit = &mutation->edit[mutation->edits++];
	*edit = (struct mutation_edit){ .at = at, .drop = drop, .len = len };
	if (!len)
		return;
	edit->data = malloc_assert(len);
	memcpy(edit->data, data, len);
}

struct mig_stream mutation_build(const struct mutation *mutation)
{
	const struct mig_stream *base = mutation->base;
	struct mig_stream stream = { };
	size_t at = 0;

	for (unsigned int i = 0; i < mutation->edits; i++) {
		const struct mutation_edit *edit = &mutation->edit[i];

		VFIO_ASSERT_LE(at, edit->at);
		VFIO_ASSERT_LE(edit->at + edit->drop, base->len);
		mig_stream_append(&stream, base->data + at, edit->at - at);
		mig_stream_append(&stream, edit->data, edit->len);
		at = edit->at + edit->drop;
	}
	mig_stream_append(&stream, base->data + at, base->len - at);

	return stream;
}

void mutations_free(struct mutations *all)
{
	for (unsigned int i = 0; i < all->count; i++)
		for (unsigned int j = 0; j < all->mutation[i].edits; j++)
			free(all->mutation[i].edit[j].data);
	free(all->mutation);
	all->mutation = NULL;
	all->count = 0;
}

static void complain(struct worker *worker, const struct mutation *mutation, const char *what,
		     int written, int stop)
{
	if (__atomic_fetch_add(worker->wrong, 1, __ATOMIC_RELAXED) < MAX_COMPLAINTS)
		printf("# %s: %s (write() gave %d, to STOP %d, in %s)\n", mutation->name, what,
		       written, stop, mig_state_name(mig_state_get(worker->device)));
}

static const char *fault_of(struct worker *worker, const struct mutation *mutation, int written,
			    int stop)
{
	u32 state = mig_state_get(worker->device);

	if (!stop && state != VFIO_DEVICE_STATE_STOP)
		return "RESUMING was left, but not for STOP";
	if (stop && state != VFIO_DEVICE_STATE_RESUMING && state != VFIO_DEVICE_STATE_ERROR)
		return "leaving RESUMING failed, but the state is neither RESUMING nor ERROR";
	if (written && !stop)
		return "write() refused it, and the state that lacks it was taken";
	if (mutation->verdict == MUTATION_REFUSED && !stop)
		return "was taken as the state of a device";
	if (mutation->verdict == MUTATION_LOADED && stop)
		return "was not loaded";
	if (!stop && __mig_state_set(worker->device, VFIO_DEVICE_STATE_RUNNING, NULL) &&
	    mutation->verdict == MUTATION_LOADED)
		return "was loaded, but the device does not run";
	if (mutation->verdict == MUTATION_LOADED && mig_sum(worker->device) != worker->all->sum)
		return "was loaded as another state";
	return NULL;
}

/* Whatever was written, a reset ends it. */
static bool recovers(struct mig_device *device, int data_fd)
{
	mig_device_reset(device);
	return mig_state_get(device) == VFIO_DEVICE_STATE_RUNNING && write(data_fd, "", 1) < 0;
}

static void run(struct worker *worker, const struct mutation *mutation)
{
	struct mig_stream stream = mutation_build(mutation);
	int data_fd = mig_state_set_fd(worker->device, VFIO_DEVICE_STATE_RESUMING);
	int written = __mig_write(data_fd, stream.data, stream.len);
	int stop = __mig_state_set(worker->device, VFIO_DEVICE_STATE_STOP, NULL);
	const char *fault = fault_of(worker, mutation, written, stop);

	if (fault)
		complain(worker, mutation, fault, written, stop);
	if (!recovers(worker->device, data_fd))
		complain(worker, mutation, "a reset does not end it", written, stop);
	VFIO_ASSERT_EQ(close(data_fd), 0);
	mig_stream_free(&stream);
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	unsigned int i;

	while ((i = __atomic_fetch_add(worker->next, 1, __ATOMIC_RELAXED)) < worker->all->count)
		run(worker, &worker->all->mutation[i]);
	return NULL;
}

unsigned int mutations_run(struct mutations *all, struct mig_device *const devices[],
			   unsigned int count)
{
	struct worker *workers = calloc_assert(count, sizeof(*workers));
	unsigned int next = 0, wrong = 0;

	for (unsigned int i = 0; i < count; i++) {
		workers[i] = (struct worker){
			.all = all, .device = devices[i], .next = &next, .wrong = &wrong
		};
		VFIO_ASSERT_EQ(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (unsigned int i = 0; i < count; i++)
		VFIO_ASSERT_EQ(pthread_join(workers[i].thread, NULL), 0);
	free(workers);
	printf("# %u streams, %u of them wrong\n", all->count, wrong);
	fflush(stdout);

	return wrong;
}
