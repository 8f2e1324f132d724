// SPDX-License-Identifier: GPL-2.0-only
/*
 * ferry inspect: a stream or a saved file, record by record, with checks.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "files.h"
#include "inspect.h"
#include "inspect_fold.h"
#include "interrupt.h"
#include "output.h"

#include "../lib/base/wait.h"

#define PIECE (1 << 20)

enum { OPTION_HEX = 256, OPTION_MAX_IMAGE };

struct request {
	const char *file;
	bool hex;
	uint64_t max_image;
};

static const struct argp_option options[] = {
	{ "hex", OPTION_HEX, NULL, 0, "Show the first bytes of each record, too" },
	{ "max-image", OPTION_MAX_IMAGE, "BYTES", 0,
	  "The longest image that the target loads (mlx5: 4294963200); without it any length is right" },
	{ NULL }
};

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct request *request = state->input;

	switch (key) {
	case OPTION_HEX:
		request->hex = true;
		return 0;
	case OPTION_MAX_IMAGE:
		request->max_image = number_of(state, "--max-image", value, 1, UINT64_MAX);
		return 0;
	case ARGP_KEY_ARG:
		if (request->file)
			argp_error(state, "one file at a time: '%s' is too much", value);
		request->file = value;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which FILE? (- is standard input)");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	options, parse, "FILE|-",
	"Shows what a migration stream or a file of `ferry save` holds, record by record, checks it, and "
	"says whether a target would load it. Streams of the kernel's own mlx5 driver are understood, too.\v"
	"Ends with 0 if it is sound, 3 if something is wrong with it, 1 if it cannot be read, 4 after Ctrl-C."
};

/* Bytes, 0 at the end, or a negative errno. */
static ssize_t read_piece(int fd, void *piece)
{
	/* A pipe may stay silent for ever. */
	int err = fd_wait(fd, POLLIN, interrupt_fd(), -1);
	ssize_t got;

	if (err)
		return err;
	do
		got = read(fd, piece, PIECE);
	while (got < 0 && errno == EINTR && !interrupted());
	return got < 0 ? -errno : got;
}

/* 0 at the file's end, else a negative errno. */
static int read_all(int fd, struct ferry_saved *saved, struct ferry_error *error)
{
	static unsigned char piece[PIECE];
	ssize_t got;
	int err;

	while ((got = read_piece(fd, piece)) > 0) {
		err = ferry_saved_feed(saved, piece, got, error);
		if (err)
			return err;
	}
	if (got < 0)
		ferry_fail(error, -got, "%s", strerror(-got));
	return got;
}

static int look(const struct request *request, int fd)
{
	const struct inspect_view *view = json_wanted() ? &inspect_json : &inspect_text;
	struct inspected inspected = { .name = request->file, .hex = request->hex };
	const struct ferry_saved_summary *summary;
	struct ferry_error error;
	struct ferry_saved *saved;
	struct fold *fold;
	int err, code;

	fold = fold_new(view, &inspected);
	saved = ferry_saved_new(&fold_events, fold, request->max_image);
	if (!saved || !fold)
		return complain(EXIT_FAILED, "no memory");
	view->begin(&inspected);
	err = read_all(fd, saved, &error);
	if (err)
		inspected.stopped = err == -ECANCELED || err == -EINTR ? "interrupted" : error.text;
	summary = ferry_saved_end(saved);
	fold_end(fold);
	view->end(&inspected, summary);
	fflush(stdout);
	if (err == -ECANCELED || err == -EINTR)
		code = complain(EXIT_CANCELLED, "%s: interrupted after %" PRIu64 " bytes",
				request->file, summary->bytes);
	else if (err)
		code = complain(EXIT_FAILED, "%s: %s", request->file, error.text);
	else
		code = summary->sound ? EXIT_DONE : EXIT_REFUSED;
	ferry_saved_free(saved);
	fold_free(fold);
	return output_end(code);
}

static int run(int argc, char **argv)
{
	struct request request = { 0 };
	int fd, code;

	parse_arguments(&argp, argc, argv, &request);
	interrupt_fd();
	fd = file_open_input(request.file);
	if (fd < 0)
		return file_not_opened(request.file);
	code = look(&request, fd);
	if (fd != STDIN_FILENO)
		close(fd);
	return code;
}

const struct command inspect_command = {
	"inspect", "FILE|-", "show and check what a saved stream holds", run
};
