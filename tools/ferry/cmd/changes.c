// SPDX-License-Identifier: GPL-2.0-only
/*
 * What was changed so far, and taking it back. See changes.h.
 */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "changes.h"
#include "command.h"
#include "output.h"

/*
 * A function between two drivers is nobody's. So a signal waits until the step
 * is through, and is looked at between steps.
 */
void changes_begin(struct changes *changes)
{
	sigset_t wait;

	memset(changes, 0, sizeof(*changes));
	sigemptyset(&wait);
	sigaddset(&wait, SIGINT);
	sigaddset(&wait, SIGTERM);
	sigaddset(&wait, SIGHUP);
	sigaddset(&wait, SIGPIPE);
	sigprocmask(SIG_BLOCK, &wait, NULL);
}

bool changes_cancelled(void)
{
	sigset_t pending;

	sigpending(&pending);
	return sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM) || sigismember(&pending, SIGHUP);
}

void changes_add(struct changes *changes, const struct ferry_binding *was)
{
	struct ferry_binding *more = reallocarray(changes->was, changes->count + 1, sizeof(*more));

	if (!more)
		errx(EXIT_FAILED, "no memory");
	changes->was = more;
	more[changes->count++] = *was;
}

void changes_undo(struct changes *changes)
{
	struct ferry_error error;

	while (changes->count)
		if (ferry_binding_restore(&changes->was[--changes->count], &error))
			complain(EXIT_FAILED, "not put back: %s", error.text);
	if (*changes->created && ferry_vfs_remove(changes->created, &error))
		complain(EXIT_FAILED, "not put back: %s", error.text);
}

int changes_code(int err)
{
	switch (err) {
	case -EINVAL:
	case -ENODEV:
	case -ENOENT:
		return EXIT_USAGE;
	case -EBUSY:
		return EXIT_REFUSED;
	default:
		return EXIT_FAILED;
	}
}

static json_object *json_change(const struct ferry_binding *was, const struct ferry_function *now)
{
	json_object *object = json_object_new_object();

	json_object_object_add(object, "address", json_text(was->address));
	json_object_object_add(object, "driver", json_text(*now->driver ? now->driver : NULL));
	json_object_object_add(object, "former_driver", json_text(*was->driver ? was->driver : NULL));
	return object;
}

static void print_change(const struct ferry_binding *was, const struct ferry_function *now)
{
	if (!*now->address) {
		printf("%s: removed\n", was->address);
		return;
	}
	printf("%s: bound to %s", was->address, *now->driver ? now->driver : "nothing");
	if (!strcmp(now->driver, was->driver))
		puts(", as before");
	else
		printf(", before to %s\n", *was->driver ? was->driver : "nothing");
}

int changes_end(struct changes *changes, int code, const struct ferry_error *error)
{
	json_object *all = json_object_new_object(), *list = json_object_new_array();
	struct ferry_function now;

	if (error)
		complain(code, "%s", error->text);
	for (unsigned int i = 0; i < changes->count; i++) {
		if (ferry_function_read(&now, changes->was[i].address, NULL))
			*now.address = '\0';
		json_object_array_add(list, json_change(&changes->was[i], &now));
		if (!json_wanted())
			print_change(&changes->was[i], &now);
	}
	json_object_object_add(all, "functions", list);
	json_object_object_add(all, "error", json_text(error ? error->text : NULL));
	/* Wrong use prints none. */
	if (json_wanted() && code != EXIT_USAGE)
		json_print(all);
	else
		json_object_put(all);
	free(changes->was);
	return output_end(code);
}
