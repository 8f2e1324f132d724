// SPDX-License-Identifier: GPL-2.0-only
/*
 * What shall be there after the next start of the machine, too. See persist.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "command.h"
#include "interrupt.h"
#include "persist.h"

#include "../lib/base/program.h"
#include "../lib/base/sysfs.h"
#include "../lib/host/devlink.h"

#define LINES_MAX	512
#define NEW_FILE	PERSIST_FILE ".new"
/* So long after the start of the machine a PF may come to its driver. */
#define PATIENCE_MS	60000
#define LOOK_MS		100

static const char head[] =
	"# Written by `ferry bind --persist`; " PERSIST_UNIT " does this anew at each start of the machine.\n"
	"# `ferry unbind` takes lines out. A line is one of:\n"
	"#   vfs PF NUMBER MODE        MODE of its switch, - if it has none\n"
	"#   bind BDF DRIVER PF        PF, if it is a VF, else -\n";

/* Either has a number of VFs and a mode, or a driver and a PF. */
struct line {
	bool makes_vfs;
	char address[FERRY_ADDRESS_MAX];
	unsigned int vfs;
	char word[32];			/* the mode, or the driver */
	char pf[FERRY_ADDRESS_MAX];
};

struct lines {
	struct line line[LINES_MAX];
	unsigned int count;
};

static bool parse_line(const char *text, struct line *line)
{
	memset(line, 0, sizeof(*line));
	if (sscanf(text, "vfs %23s %u %31s", line->address, &line->vfs, line->word) == 3) {
		line->makes_vfs = true;
		return true;
	}
	return sscanf(text, "bind %23s %31s %23s", line->address, line->word, line->pf) == 3;
}

/* No file is an empty one. */
static int read_lines(struct lines *lines, struct ferry_error *error)
{
	FILE *file = fopen(PERSIST_FILE, "re");
	char text[256];
	int err = 0;

	lines->count = 0;
	if (!file)
		return errno == ENOENT ? 0 : ferry_fail(error, errno, PERSIST_FILE ": %s", strerror(errno));
	while (!err && fgets(text, sizeof(text), file)) {
		if (*text == '#' || *text == '\n')
			continue;
		if (lines->count == LINES_MAX || !parse_line(text, &lines->line[lines->count]))
			err = ferry_fail(error, EBADMSG, PERSIST_FILE ": not understood: %.*s", (int)strcspn(text, "\n"), text);
		else
			lines->count++;
	}
	fclose(file);
	return err;
}

static int write_file(const struct lines *lines, struct ferry_error *error)
{
	FILE *file = fopen(NEW_FILE, "we");
	bool bad = !file;

	if (file) {
		fputs(head, file);
		for (unsigned int i = 0; i < lines->count; i++) {
			const struct line *l = &lines->line[i];

			if (l->makes_vfs)
				fprintf(file, "vfs %s %u %s\n", l->address, l->vfs, l->word);
			else
				fprintf(file, "bind %s %s %s\n", l->address, l->word, l->pf);
		}
		bad = fflush(file) || fsync(fileno(file));
		if (fclose(file))
			bad = true;
	}
	if (!bad && !rename(NEW_FILE, PERSIST_FILE))
		return 0;
	ferry_fail(error, errno, PERSIST_FILE ": %s", strerror(errno));
	unlink(NEW_FILE);
	return -error->code;
}

static int enable(bool on, struct ferry_error *error)
{
	const char *const argv[] = { "systemctl", on ? "enable" : "disable", PERSIST_UNIT, NULL };
	int status = ferry_run_long(NULL, 0, argv);

	if (!status || (!on && status == 127))
		return 0;
	return ferry_fail(error, EIO, "`systemctl %s " PERSIST_UNIT "` %s", argv[1],
			  status == 127 ? "cannot be run: there is no systemd here" : "failed; run it by hand to see why");
}

/* With no line left there is nothing to do at a start, and no trace that there was. */
static int write_lines(const struct lines *lines, struct ferry_error *error)
{
	if (lines->count)
		return write_file(lines, error) ?: enable(true, error);
	if (unlink(PERSIST_FILE) && errno != ENOENT)
		return ferry_fail(error, errno, PERSIST_FILE ": %s", strerror(errno));
	return enable(false, error);
}

static void drop(struct lines *lines, unsigned int i)
{
	memmove(&lines->line[i], &lines->line[i + 1], (lines->count - i - 1) * sizeof(lines->line[0]));
	lines->count--;
}

static struct line *line_for(struct lines *lines, const char *address, bool makes_vfs)
{
	unsigned int i = 0;

	while (i < lines->count && (lines->line[i].makes_vfs != makes_vfs || strcmp(lines->line[i].address, address)))
		i++;
	if (i == LINES_MAX)
		return NULL;
	if (i == lines->count)
		lines->count++;
	memset(&lines->line[i], 0, sizeof(lines->line[i]));
	lines->line[i].makes_vfs = makes_vfs;
	snprintf(lines->line[i].address, sizeof(lines->line[i].address), "%s", address);
	return &lines->line[i];
}

static int note(struct lines *lines, const char *address, struct ferry_error *error)
{
	struct ferry_function f, pf;
	struct line *line;
	int err = ferry_function_read(&f, address, error);

	if (!err && f.kind == FERRY_VF)
		err = ferry_function_read(&pf, f.pf, error);
	if (err)
		return err;
	if (f.kind == FERRY_VF) {
		line = line_for(lines, pf.address, true);
		if (!line)
			return ferry_fail(error, ENOSPC, PERSIST_FILE " has too many lines");
		line->vfs = pf.vfs_enabled;
		if (!ferry_devlink_mode(pf.address, line->word, sizeof(line->word)))
			strcpy(line->word, "-");
	}
	line = line_for(lines, f.address, false);
	if (!line)
		return ferry_fail(error, ENOSPC, PERSIST_FILE " has too many lines");
	snprintf(line->word, sizeof(line->word), "%s", f.driver);
	snprintf(line->pf, sizeof(line->pf), "%s", f.kind == FERRY_VF ? f.pf : "-");
	return 0;
}

/* Two that note at once would lose what one of them did. */
static int locked(const char *const *addresses, unsigned int count, struct ferry_error *error,
		  int (*change)(struct lines *lines, const char *address, struct ferry_error *error))
{
	static struct lines before, after;
	int lock = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;

	if (lock < 0 || flock(lock, LOCK_EX)) {
		err = ferry_fail(error, errno, "/etc: %s", strerror(errno));
		if (lock >= 0)
			close(lock);
		return err;
	}
	err = read_lines(&before, error);
	after = before;
	for (unsigned int i = 0; i < count && !err; i++)
		err = change(&after, addresses[i], error);
	if (!err && memcmp(&before, &after, sizeof(before))) {
		err = write_lines(&after, error);
		/* What the next start would do stays what it was. */
		if (err)
			write_lines(&before, NULL);
	}
	close(lock);
	return err;
}

int persist_note(const char *const *addresses, unsigned int count, struct ferry_error *error)
{
	return locked(addresses, count, error, note);
}

static bool has_vfs_to_bind(const struct lines *lines, const char *pf)
{
	for (unsigned int i = 0; i < lines->count; i++)
		if (!lines->line[i].makes_vfs && !strcmp(lines->line[i].pf, pf))
			return true;
	return false;
}

/* Also VFs of it; and a PF's VFs are made for those that are bound alone. */
static int forget(struct lines *lines, const char *address, struct ferry_error *error)
{
	char full[FERRY_ADDRESS_MAX];
	int err = ferry_address(full, address, error);

	if (err)
		return err;
	for (unsigned int i = lines->count; i--;)
		if (!strcmp(lines->line[i].address, full) || !strcmp(lines->line[i].pf, full))
			drop(lines, i);
	for (unsigned int i = lines->count; i--;)
		if (lines->line[i].makes_vfs && !has_vfs_to_bind(lines, lines->line[i].address))
			drop(lines, i);
	memset(&lines->line[lines->count], 0, (LINES_MAX - lines->count) * sizeof(lines->line[0]));
	return 0;
}

int persist_forget(const char *const *addresses, unsigned int count, struct ferry_error *error)
{
	if (access(PERSIST_FILE, F_OK))
		return 0;
	return locked(addresses, count, error, forget);
}

/* ---- at the start of the machine ---- */

static int wait_for_driver(struct ferry_function *pf, const char *address, struct ferry_error *error)
{
	for (int left = PATIENCE_MS; left > 0; left -= LOOK_MS) {
		if (!ferry_function_read(pf, address, error) && *pf->driver)
			return 0;
		if (interrupt_sleep(LOOK_MS))
			return ferry_fail(error, EINTR, "interrupted");
	}
	return ferry_fail(error, ENODEV, "%s has not come to a driver within %d s", address, PATIENCE_MS / 1000);
}

/* The mode comes before the VFs. */
static int make_vfs(const struct line *line, struct ferry_error *error)
{
	struct ferry_function pf;
	char mode[16];
	int err = wait_for_driver(&pf, line->address, error);

	if (err)
		return err;
	if (!pf.vfs_enabled && strcmp(line->word, "-") && ferry_devlink_mode(pf.address, mode, sizeof(mode)) &&
	    strcmp(mode, line->word) && !ferry_devlink_set_mode(pf.address, line->word))
		return ferry_fail(error, EIO, "`devlink dev eswitch set pci/%s mode %s` failed", pf.address, line->word);
	return ferry_vfs_create(pf.address, line->vfs, NULL, error);
}

int persist_restore(void)
{
	static struct lines lines;
	struct ferry_error error;
	int code = EXIT_DONE;

	if (read_lines(&lines, &error))
		return complain(EXIT_FAILED, "%s", error.text);
	interrupt_fd();
	for (unsigned int i = 0; i < lines.count; i++) {
		const struct line *line = &lines.line[i];

		if (line->makes_vfs && make_vfs(line, &error))
			code = complain(EXIT_FAILED, "%s", error.text);
	}
	for (unsigned int i = 0; i < lines.count && !interrupted(); i++) {
		const struct line *line = &lines.line[i];

		if (!line->makes_vfs && ferry_bind(line->address, line->word, NULL, &error))
			code = complain(EXIT_FAILED, "%s", error.text);
	}
	return interrupted() ? EXIT_CANCELLED : code;
}
