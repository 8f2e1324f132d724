// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes out of texts what tells whose machine they are of. See redact.h.
 *
 * Some of it is known, some is found by its form. A word too many is no harm.
 */
#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <netdb.h>
#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "redact.h"

#include "../lib/base/sysfs.h"

#define HEX		"[0-9a-fA-F]"
#define VALUE_MAX	128
/* Of a MAC address: whose it is. Others of the same card begin so. */
#define OUI_DIGITS	6

static const char *const labels[] = {
	[REDACT_HOST] = "HOST", [REDACT_MAC] = "MAC", [REDACT_SERIAL] = "SERIAL", [REDACT_UUID] = "UUID"
};

static struct known {
	enum redact_kind kind;
	char value[VALUE_MAX];
} *known;
static unsigned int known_count;

/* By its form; @group is what is taken out. */
static struct form {
	enum redact_kind kind;
	unsigned int group;
	const char *pattern;
	regex_t regex;
} forms[] = {
	{ REDACT_UUID, 0, "^" HEX "{8}-" HEX "{4}-" HEX "{4}-" HEX "{4}-" HEX "{12}" },
	/* 6 bytes, or the 8 of a GUID, or more */
	{ REDACT_MAC, 0, "^" HEX "{2}([:-]" HEX "{2}){5,19}" },
	{ REDACT_MAC, 0, "^" HEX "{4}(:" HEX "{4}){3,7}" },
	{ REDACT_SERIAL, 3, "serial([ _.-]?(number|num|no))?[]\"']*[ \t]*[:= \t][ \t]*[\"']?([^]\"',{} \t\n]+)" },
};

#define FORMS (sizeof(forms) / sizeof(*forms))

static bool in_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Its number among those of its kind, from 1; it becomes known if it was not. */
static unsigned int number_of_value(enum redact_kind kind, const char *value, size_t length)
{
	unsigned int number = 1;
	struct known *more;

	for (unsigned int i = 0; i < known_count; i++) {
		if (known[i].kind != kind)
			continue;
		if (strlen(known[i].value) == length && !strncasecmp(known[i].value, value, length))
			return number;
		number++;
	}
	more = reallocarray(known, known_count + 1, sizeof(*more));
	if (!more)
		errx(EXIT_FAILED, "no memory");
	known = more;
	more[known_count].kind = kind;
	snprintf(more[known_count++].value, VALUE_MAX, "%.*s", (int)length, value);
	return number;
}

void redact_know(enum redact_kind kind, const char *value)
{
	size_t length = strcspn(value, " \t\n");

	/* A name of one letter is no secret, and would take every such letter out. */
	if (length > 1 && length < VALUE_MAX && strncmp(value, "localhost", 9))
		number_of_value(kind, value, length);
}

static void know_hosts(void)
{
	char name[VALUE_MAX] = "";
	struct addrinfo hints = { .ai_flags = AI_CANONNAME }, *found;

	gethostname(name, sizeof(name) - 1);
	if (!getaddrinfo(name, NULL, &hints, &found)) {
		if (found->ai_canonname)
			redact_know(REDACT_HOST, found->ai_canonname);
		freeaddrinfo(found);
	}
	redact_know(REDACT_HOST, name);
	name[strcspn(name, ".")] = '\0';
	redact_know(REDACT_HOST, name);
	if (ferry_sysfs_line(name, sizeof(name), "/etc/hostname"))
		redact_know(REDACT_HOST, name);
}

static void know_interfaces(void)
{
	DIR *dir = opendir("/sys/class/net");
	struct dirent *entry;
	char address[VALUE_MAX];

	while (dir && (entry = readdir(dir)))
		if (*entry->d_name != '.' &&
		    ferry_sysfs_line(address, sizeof(address), "/sys/class/net/%s/address", entry->d_name) &&
		    strcmp(address, "00:00:00:00:00:00"))
			redact_know(REDACT_MAC, address);
	if (dir)
		closedir(dir);
}

void redact_begin(void)
{
	static const char *const serials[] = { "product_serial", "board_serial", "chassis_serial", "product_uuid",
					       "chassis_asset_tag", "board_asset_tag" };
	char value[VALUE_MAX];

	for (unsigned int i = 0; i < FORMS; i++)
		if (regcomp(&forms[i].regex, forms[i].pattern, REG_EXTENDED | REG_ICASE))
			errx(EXIT_FAILED, "no memory");
	know_hosts();
	know_interfaces();
	for (unsigned int i = 0; i < sizeof(serials) / sizeof(*serials); i++)
		if (ferry_sysfs_line(value, sizeof(value), "/sys/class/dmi/id/%s", serials[i]) && strlen(value) > 3)
			redact_know(REDACT_SERIAL, value);
}

void redact_learn(const char *text)
{
	const struct form *form = &forms[FORMS - 1];
	regmatch_t at[4];

	for (; !regexec(&form->regex, text, 4, at, 0); text += at[0].rm_eo) {
		const regmatch_t *value = &at[form->group];

		if (value->rm_eo - value->rm_so > 3 && value->rm_eo - value->rm_so < VALUE_MAX &&
		    strncmp(text + value->rm_so, "null", 4))
			number_of_value(form->kind, text + value->rm_so, value->rm_eo - value->rm_so);
	}
}

/* How long what stands at @text is, if it is to be taken out; *@kind is set. */
static size_t known_here(const char *text, enum redact_kind *kind, const char **value)
{
	size_t longest = 0;

	for (unsigned int i = 0; i < known_count; i++) {
		size_t length = strlen(known[i].value);

		if (length > longest && !strncasecmp(text, known[i].value, length) && !in_word(text[length])) {
			longest = length;
			*kind = known[i].kind;
			*value = known[i].value;
		}
	}
	return longest;
}

/* Without colons, as firmware tools write it; also of a neighbour, as the addresses of a card are. */
static size_t bare_mac_here(const char *text)
{
	size_t length = strspn(text, "0123456789abcdefABCDEF");

	if ((length != 12 && length != 16) || in_word(text[length]))
		return 0;
	for (unsigned int i = 0; i < known_count; i++) {
		char digits[VALUE_MAX];
		size_t n = 0;

		for (const char *c = known[i].value; *c; c++)
			if (*c != ':' && *c != '-')
				digits[n++] = *c;
		if (known[i].kind == REDACT_MAC && n >= OUI_DIGITS && !strncasecmp(text, digits, OUI_DIGITS))
			return length;
	}
	return 0;
}

static size_t form_here(const char *text, struct form *form, regmatch_t at[4])
{
	if (form->group)
		return 0;
	/* Not the whole rest of the text each time. */
	at[0].rm_so = 0;
	at[0].rm_eo = strnlen(text, VALUE_MAX);
	if (regexec(&form->regex, text, 4, at, REG_STARTEND) || isxdigit((unsigned char)text[at[0].rm_eo]))
		return 0;
	return at[0].rm_eo;
}

static size_t secret_here(const char *text, enum redact_kind *kind, const char **value)
{
	size_t length = known_here(text, kind, value);
	regmatch_t at[4];

	if (length)
		return length;
	*value = text;
	*kind = REDACT_MAC;
	length = bare_mac_here(text);
	for (unsigned int i = 0; i < FORMS && !length; i++) {
		/* Dear, so only where it can be. */
		if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]))
			break;
		length = form_here(text, &forms[i], at);
		*kind = forms[i].kind;
	}
	return length;
}

char *redact(const char *text, unsigned int *replaced)
{
	char *out = NULL;
	size_t size, length;
	FILE *to = open_memstream(&out, &size);
	bool fresh = true;		/* no word goes on here */
	enum redact_kind kind;
	const char *value;

	if (!to)
		errx(EXIT_FAILED, "no memory");
	while (*text) {
		length = fresh ? secret_here(text, &kind, &value) : 0;
		if (length) {
			fprintf(to, "%s-%u", labels[kind], number_of_value(kind, value, length));
			++*replaced;
			text += length;
		} else {
			fputc(*text++, to);
		}
		/* "0x" before digits is no word of its own. */
		fresh = !in_word(text[-1]) || (text[-1] == 'x' && isxdigit((unsigned char)*text));
	}
	if (fclose(to))
		errx(EXIT_FAILED, "no memory");
	return out;
}
