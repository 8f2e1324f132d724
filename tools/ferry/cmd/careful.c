// SPDX-License-Identifier: GPL-2.0-only
/*
 * ferry qualify --careful. See careful.h, and Documentation/first-contact.rst,
 * which says what to expect of each step and what to send if it differs.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ferry/doctor.h>
#include <ferry/saved.h>

#include "careful.h"
#include "command.h"
#include "debugfs.h"
#include "interrupt.h"
#include "local_move.h"
#include "output.h"
#include "record.h"
#include "workload.h"
#include "written.h"

#include "../lib/base/kernel_log.h"
#include "../lib/base/wait.h"

#define PIECE		(1 << 20)
/* Firmware that brings no byte for so long brings none. */
#define SILENCE_MS	60000
/* How long it takes is not what is asked here. */
#define NO_HURRY_MS	60000
/* Priorities of the kernel's log: this and what is more urgent is a surprise. */
#define LOG_WARNING	4

enum outcome {
	NOT_DONE,
	AS_EXPECTED,
	SURPRISE,
};

/* The two, or the one, while they are walked with */
struct walk {
	const struct careful *careful;
	unsigned int count;			/* of the functions */
	struct ferry_function function[2];
	struct ferry_device *device[2];
	unsigned int holder;			/* which of them has the state */
	int log;				/* /dev/kmsg, from the beginning of the walk */
	uint64_t failures[2];
	char seen[192];				/* what a step found, for people */
};

struct step {
	const char *name;
	const char *about;
	unsigned int functions;			/* that it takes */
	bool workload;				/* it wants one */
	int (*take)(struct walk *walk, struct ferry_error *error);
};

static void saw(struct walk *walk, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void saw(struct walk *walk, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(walk->seen, sizeof(walk->seen), format, args);
	va_end(args);
}

/* ---- the steps ---- */

static int examine(struct walk *walk, struct ferry_error *error)
{
	struct ferry_diagnosis diagnosis;
	const struct ferry_check *cause;
	int err;

	for (unsigned int i = 0; i < walk->count; i++) {
		err = ferry_diagnose(&diagnosis, walk->function[i].address, FERRY_LOOK_ONLY, error);
		if (err)
			return err;
		cause = ferry_diagnosis_cause(&diagnosis);
		if (cause)
			return ferry_fail(error, ENODEV, "%s: %.160s; `ferry doctor %s` tells more", walk->function[i].address,
					  cause->text, walk->function[i].address);
	}
	/* What was asked from outside, the PF's driver may have had words about. */
	if (walk->log >= 0)
		lseek(walk->log, 0, SEEK_END);
	saw(walk, "nothing is in the way");
	return 0;
}

static int expect_state(struct ferry_device *device, int state, struct ferry_error *error)
{
	int now = ferry_device_state(device, error);

	if (now < 0)
		return now;
	if (now != state)
		return ferry_fail(error, EBADE, "%s is in the state %s, not %s", ferry_device_name(device),
				  ferry_state_name(now), ferry_state_name(state));
	return 0;
}

static int go(struct ferry_device *device, int state, int *fd, struct ferry_error *error)
{
	return ferry_device_set_state(device, state, fd, error) ?: expect_state(device, state, error);
}

static int open_all(struct walk *walk, struct ferry_error *error)
{
	int err = 0;

	for (unsigned int i = 0; i < walk->count && !err; i++)
		err = ferry_device_open(&walk->device[i], walk->function[i].address, error) ?:
		      ferry_device_migratable(walk->device[i], error) ?:
		      expect_state(walk->device[i], FERRY_RUNNING, error);
	if (!err)
		saw(walk, "it runs, and offers stop-copy%s%s",
		    ferry_device_features(walk->device[0]) & FERRY_CAN_P2P ? ", p2p" : "",
		    ferry_device_features(walk->device[0]) & FERRY_CAN_PRE_COPY ? ", pre-copy" : "");
	return err;
}

static int stop(struct walk *walk, struct ferry_error *error)
{
	double before = clock_ms();
	int err = go(walk->device[0], FERRY_STOP, NULL, error) ?: go(walk->device[0], FERRY_RUNNING, NULL, error);

	saw(walk, "stopped and running again after %.1f ms", clock_ms() - before);
	return err;
}

/* Of a function that runs, the rest is only what changes. */
static bool has_read_enough(struct ferry_device *device, int state, int fd)
{
	struct ferry_precopy left;

	return state == FERRY_PRE_COPY && !ferry_device_precopy(device, fd, &left, NULL) && !left.initial;
}

/* All that a data FD has, into the analyser of streams. */
static int read_all(struct ferry_device *device, int state, int fd, struct ferry_saved *saved, uint64_t *bytes,
		    struct ferry_error *error)
{
	static unsigned char piece[PIECE];
	ssize_t n;
	int err;

	while (!has_read_enough(device, state, fd)) {
		err = fd_wait(fd, POLLIN, interrupt_fd(), SILENCE_MS);
		if (err == -ECANCELED)
			return ferry_fail(error, ECANCELED, "interrupted");
		if (err)
			return ferry_fail(error, -err, "no byte of its state came for %d s", SILENCE_MS / 1000);
		n = read(fd, piece, sizeof(piece));
		if (!n)
			return 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ferry_fail(error, errno, "reading its state: %s", strerror(errno));
		*bytes += n;
		err = ferry_saved_feed(saved, piece, n, error);
		if (err)
			return err;
	}
	return 0;
}

static int save_it(struct walk *walk, int state, uint64_t *bytes, bool *sound, struct ferry_error *error)
{
	const struct ferry_saved_events nobody = { 0 };
	struct ferry_saved *saved = ferry_saved_new(&nobody, NULL, 0);
	struct ferry_error second;
	int fd = -1, err;

	*bytes = 0;
	if (!saved)
		return ferry_fail(error, ENOMEM, "no memory");
	err = go(walk->device[0], state, &fd, error) ?:
	      read_all(walk->device[0], state, fd, saved, bytes, error);
	/* Streams of other families are not known here. */
	*sound = ferry_saved_end(saved)->sound || strncmp(walk->function[0].driver, "mlx5_", 5);
	if (ferry_device_set_state(walk->device[0], FERRY_RUNNING, NULL, &second) && !err) {
		*error = second;
		err = -second.code;
	}
	if (fd >= 0)
		close(fd);
	ferry_saved_free(saved);
	return err ?: expect_state(walk->device[0], FERRY_RUNNING, error);
}

static int stop_copy(struct walk *walk, struct ferry_error *error)
{
	char human[HUMAN_SIZE], told[HUMAN_SIZE];
	uint64_t bytes, announced;
	double before = clock_ms();
	bool sound;
	int err;

	err = ferry_device_data_size(walk->device[0], &announced, error) ?:
	      save_it(walk, FERRY_STOP_COPY, &bytes, &sound, error);
	if (err)
		return err;
	if (!bytes)
		return ferry_fail(error, EBADE, "its state is empty");
	if (!sound)
		return ferry_fail(error, EBADMSG, "its state is %s, and no target would take it; `ferry save` and `ferry inspect` show why",
				  human_bytes(human, bytes));
	saw(walk, "%s in %.1f ms, running again; announced were %s", human_bytes(human, bytes), clock_ms() - before,
	    human_bytes(told, announced));
	return 0;
}

static int pre_copy(struct walk *walk, struct ferry_error *error)
{
	char human[HUMAN_SIZE];
	uint64_t bytes;
	bool sound;
	int err;

	if (!(ferry_device_features(walk->device[0]) & FERRY_CAN_PRE_COPY)) {
		saw(walk, "its driver has no pre-copy");
		return 0;
	}
	err = save_it(walk, FERRY_PRE_COPY, &bytes, &sound, error);
	if (err)
		return err;
	if (!bytes)
		return ferry_fail(error, EBADE, "it has no initial data");
	saw(walk, "begun, %s read, and cancelled", human_bytes(human, bytes));
	return 0;
}

static int move_once(struct walk *walk, double *window_ms, struct ferry_error *error)
{
	const struct ferry_options options = { .max_downtime_ms = NO_HURRY_MS, .cancel_fd = interrupt_fd() };
	static struct ferry_report report;
	int err = local_move(walk->device[walk->holder], walk->device[!walk->holder], &options, &report, error);

	if (err)
		return err;
	walk->holder = !walk->holder;
	*window_ms = report.window_ms;
	return expect_state(walk->device[walk->holder], FERRY_RUNNING, error);
}

static int move(struct walk *walk, struct ferry_error *error)
{
	double forth = 0, back = 0;
	int err = move_once(walk, &forth, error) ?: move_once(walk, &back, error);

	saw(walk, "there and back, stop windows %.1f and %.1f ms", forth, back);
	return err;
}

static int under_workload(struct walk *walk, struct ferry_error *error)
{
	const char *command = walk->careful->workload;
	double window_ms;
	int err;

	/* It begins with functions that nobody has used, and without memory for DMA if there is none. */
	walk->holder = 0;
	written_offer(walk->device);
	err = ferry_device_reset(walk->device[0], error) ?: ferry_device_reset(walk->device[1], error) ?:
	      workload_run(command, "start", walk->device[0], error);
	for (int i = 0; i < 2 && !err; i++)
		err = move_once(walk, &window_ms, error) ?:
		      workload_run(command, "moved", walk->device[walk->holder], error);
	err = err ?: workload_run(command, "stop", walk->device[walk->holder], error);
	saw(walk, "its user found what it had left, there and back");
	return err;
}

/* What can go wrong grows from one to the next. */
static const struct step steps[] = {
	{ "examine", "looked at from outside, nothing is touched", 1, false, examine },
	{ "open", "opened, which resets it", 1, false, open_all },
	{ "stop", "stopped and started", 1, false, stop },
	{ "stop-copy", "stopped, its state read and thrown away, started", 1, false, stop_copy },
	{ "pre-copy", "a migration is begun and cancelled", 1, false, pre_copy },
	{ "move", "idle, to the second function and back", 2, false, move },
	{ "workload", "the same while somebody uses it", 2, true, under_workload },
};

#define STEPS (sizeof(steps) / sizeof(*steps))

/* ---- what nobody asked for ---- */

static bool is_about_us(const struct walk *walk, const char *record)
{
	static const char *const cries[] = { "WARNING:", "BUG:", "Oops", "DMAR:", "AMD-Vi:" };

	for (unsigned int i = 0; i < sizeof(cries) / sizeof(*cries); i++)
		if (strstr(record, cries[i]))
			return true;
	for (unsigned int i = 0; i < walk->count; i++)
		if (strstr(record, walk->function[i].address) ||
		    (*walk->function[i].pf && strstr(record, walk->function[i].pf)))
			return true;
	return false;
}

static int check_log(struct walk *walk, struct ferry_error *error)
{
	char record[FERRY_KERNEL_RECORD_MAX];

	while (ferry_kernel_log_next(walk->log, record))
		if ((atoi(record) & 7) <= LOG_WARNING && is_about_us(walk, record))
			return ferry_fail(error, EBADE, "the kernel says: %.200s", record + strcspn(record, ";") + !!strchr(record, ';'));
	return 0;
}

static int check_failures(struct walk *walk, bool first, struct ferry_error *error)
{
	for (unsigned int i = 0; i < walk->count; i++) {
		static struct debugfs_function now;

		/* Another driver, or not root */
		if (debugfs_read(walk->function[i].address, &now, NULL))
			continue;
		if (!first && now.failures > walk->failures[i])
			return ferry_fail(error, EBADE, "%s counts a failure: %.180s", walk->function[i].address, now.last_failure);
		walk->failures[i] = now.failures;
	}
	return 0;
}

/* ---- the walk ---- */

struct walked {
	enum outcome outcome;
	char text[320];
};

static void take(struct walk *walk, const struct step *step, struct walked *walked)
{
	struct ferry_error error;
	int err;

	*walk->seen = '\0';
	record_step("%s: begins", step->name);
	err = step->take(walk, &error) ?: check_log(walk, &error) ?: check_failures(walk, false, &error);
	if (err == -ECANCELED) {
		snprintf(walked->text, sizeof(walked->text), "interrupted");
	} else if (err) {
		walked->outcome = SURPRISE;
		snprintf(walked->text, sizeof(walked->text), "%s", error.text);
	} else {
		walked->outcome = AS_EXPECTED;
		snprintf(walked->text, sizeof(walked->text), "%s", walk->seen);
	}
	record_step("%s: %s: %s", step->name, err ? "not as expected" : "as expected", walked->text);
}

static const char *const outcomes[] = {
	[NOT_DONE] = "not done", [AS_EXPECTED] = "as expected", [SURPRISE] = "SURPRISE"
};

/* Whatever happened: running, as after power-on, and free. */
static int leave(struct walk *walk, struct ferry_error *error)
{
	struct ferry_error more;
	int err = 0;

	for (unsigned int i = 0; i < walk->count; i++) {
		if (!walk->device[i])
			continue;
		if (ferry_device_reset(walk->device[i], &more) || expect_state(walk->device[i], FERRY_RUNNING, &more)) {
			err = -more.code;
			*error = more;
		}
		ferry_device_close(walk->device[i]);
		walk->device[i] = NULL;
	}
	return err;
}

static json_object *result_of(const struct walk *walk, const struct walked *walked, bool interrupted_then, int left)
{
	json_object *all = json_object_new_object(), *devices = json_object_new_array(), *list = json_object_new_array();
	bool well = true;

	for (unsigned int i = 0; i < walk->count; i++)
		json_object_array_add(devices, json_text(walk->function[i].address));
	for (unsigned int i = 0; i < STEPS; i++) {
		json_object *step = json_object_new_object();

		json_object_object_add(step, "step", json_text(steps[i].name));
		json_object_object_add(step, "about", json_text(steps[i].about));
		json_object_object_add(step, "outcome", json_text(walked[i].outcome == SURPRISE ? "surprise" :
								  outcomes[walked[i].outcome]));
		json_object_object_add(step, "text", json_text(*walked[i].text ? walked[i].text : NULL));
		json_object_array_add(list, step);
		well = well && walked[i].outcome != SURPRISE;
	}
	json_object_object_add(all, "devices", devices);
	json_object_object_add(all, "steps", list);
	json_object_object_add(all, "as_expected", interrupted_then ? NULL : json_object_new_boolean(well));
	json_object_object_add(all, "interrupted", json_object_new_boolean(interrupted_then));
	json_object_object_add(all, "usable", json_object_new_boolean(!left));
	return all;
}

static bool can_be_taken(const struct walk *walk, const struct step *step, struct walked *walked)
{
	if (step->functions > walk->count)
		snprintf(walked->text, sizeof(walked->text), "it takes a second function");
	else if (step->workload && !walk->careful->workload)
		snprintf(walked->text, sizeof(walked->text), "it takes a --workload");
	else
		return true;
	return false;
}

/* True if all that could be taken were, and nobody was surprised. */
static bool take_all(struct walk *walk, struct walked *walked)
{
	for (unsigned int i = 0; i < STEPS; i++) {
		if (interrupted())
			return false;
		if (can_be_taken(walk, &steps[i], &walked[i]))
			take(walk, &steps[i], &walked[i]);
		if (!json_wanted()) {
			printf("%u. %-10s %-12s %s%s%s\n", i + 1, steps[i].name, outcomes[walked[i].outcome], steps[i].about,
			       *walked[i].text ? ": " : "", walked[i].text);
			fflush(stdout);
		}
		if (walked[i].outcome == SURPRISE)
			return false;
	}
	return true;
}

static int tell(const struct walk *walk, bool well, int left, const struct ferry_error *error)
{
	const char *one = walk->function[0].address;

	if (left)
		return complain(EXIT_STOPPED, "%s; it is not usable as it is: `ferry unbind` and `ferry bind` it, and if that does not help, its PF has to be reset",
				error->text);
	if (json_wanted())
		return interrupted() ? EXIT_CANCELLED : well ? EXIT_DONE : EXIT_REFUSED;
	if (interrupted()) {
		puts("Interrupted; it runs, as after power-on.");
		return EXIT_CANCELLED;
	}
	if (well) {
		puts("All as expected. Next: with a guest, then between hosts; Documentation/first-contact.rst has both.");
		return EXIT_DONE;
	}
	printf("This is the first surprise, and nothing more was tried. It runs, as after power-on. `ferry report %s` makes an archive of what is known; please send it.\n",
	       one);
	return EXIT_REFUSED;
}

static int begin(struct walk *walk, struct ferry_error *error)
{
	int err;

	for (unsigned int i = 0; i < 2 && walk->careful->device[i]; i++) {
		err = ferry_function_read(&walk->function[i], walk->careful->device[i], error);
		if (err)
			return err;
		walk->count++;
	}
	walk->log = ferry_kernel_log_open();
	return check_failures(walk, true, error);
}

int careful_walk(const struct careful *careful)
{
	struct walk walk = { .careful = careful, .log = -1 };
	struct walked walked[STEPS] = { 0 };
	struct ferry_error error;
	json_object *result;
	bool well;
	int left;

	interrupt_patient_fd();
	if (begin(&walk, &error))
		return complain(EXIT_USAGE, "%s", error.text);
	record_begin();
	well = take_all(&walk, walked);
	left = leave(&walk, &error);
	result = result_of(&walk, walked, interrupted(), left);
	record_end(result);
	if (json_wanted())
		json_print(result);
	else
		json_object_put(result);
	if (walk.log >= 0)
		close(walk.log);
	return output_end(tell(&walk, well, left, &error));
}
