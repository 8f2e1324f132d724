// SPDX-License-Identifier: GPL-2.0-only
/*
 * What devlink(8) knows of a physical function. See devlink.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "../base/program.h"
#include "devlink.h"

/* The ports of many VFs are the longest of its answers. */
#define ANSWER_MAX (256 << 10)

/* Firmware that cannot be asked */
#define NO_VERSION "0.0.0000"

static json_object *member(json_object *object, const char *key)
{
	json_object *value = NULL;

	if (object && json_object_is_type(object, json_type_object))
		json_object_object_get_ex(object, key, &value);
	return value;
}

static const char *text_of(json_object *object, const char *key)
{
	json_object *value = member(object, key);

	return value ? json_object_get_string(value) : "";
}

/* Its answer, to be given back, or NULL. */
static json_object *ask(const char *const *argv)
{
	char *out = malloc(ANSWER_MAX);
	json_object *answer = NULL;

	if (out && !ferry_run(out, ANSWER_MAX, argv))
		answer = json_tokener_parse(out);
	free(out);
	return answer;
}

#define ASK(...) ask((const char *const[]){ "devlink", "-j", __VA_ARGS__, NULL })

static void handle_of(char handle[FERRY_ADDRESS_MAX + 4], const char *address)
{
	snprintf(handle, FERRY_ADDRESS_MAX + 4, "pci/%s", address);
}

bool ferry_devlink_firmware(const char *address, char *text, size_t size)
{
	char handle[FERRY_ADDRESS_MAX + 4];
	json_object *answer, *running;
	const char *version;

	handle_of(handle, address);
	answer = ASK("dev", "info", handle);
	running = member(member(member(member(answer, "info"), handle), "versions"), "running");
	version = text_of(running, "fw.version");
	if (!*version)
		version = text_of(running, "fw");
	snprintf(text, size, "%s", strcmp(version, NO_VERSION) ? version : "");
	json_object_put(answer);
	return *text;
}

bool ferry_devlink_ill(const char *address, char *reporter, size_t size)
{
	char handle[FERRY_ADDRESS_MAX + 4];
	json_object *answer, *list, *one;

	*reporter = '\0';
	handle_of(handle, address);
	/* Of one device it shows only a reporter that is named: all of all, then. */
	answer = ASK("health", "show");
	list = member(member(answer, "health"), handle);
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		one = json_object_array_get_idx(list, i);
		if (!strcmp(text_of(one, "state"), "error"))
			snprintf(reporter, size, "%s", text_of(one, "reporter"));
	}
	json_object_put(answer);
	return *reporter;
}

bool ferry_devlink_mode(const char *address, char *mode, size_t size)
{
	char handle[FERRY_ADDRESS_MAX + 4];
	json_object *answer;

	handle_of(handle, address);
	answer = ASK("dev", "eswitch", "show", handle);
	snprintf(mode, size, "%s", text_of(member(member(answer, "dev"), handle), "mode"));
	json_object_put(answer);
	return *mode;
}

bool ferry_devlink_set_mode(const char *address, const char *mode)
{
	char handle[FERRY_ADDRESS_MAX + 4];
	const char *const argv[] = { "devlink", "dev", "eswitch", "set", handle, "mode", mode, NULL };

	handle_of(handle, address);
	return !ferry_run_long(NULL, 0, argv);
}

static enum ferry_migratable migratable_of(json_object *port)
{
	const char *word = text_of(member(port, "function"), "migratable");

	if (!strcmp(word, "enable"))
		return FERRY_MIGRATABLE_ON;
	return *word ? FERRY_MIGRATABLE_OFF : FERRY_MIGRATABLE_UNKNOWN;
}

enum ferry_migratable ferry_devlink_port(const struct ferry_function *vf, char *port, size_t size)
{
	json_object *answer = ASK("port", "show"), *ports = member(answer, "port");
	enum ferry_migratable migratable = FERRY_MIGRATABLE_UNKNOWN;
	char handle[FERRY_ADDRESS_MAX + 4];

	*port = '\0';
	handle_of(handle, vf->pf);
	if (ports) {
		json_object_object_foreach(ports, name, one) {
			json_object *number = member(one, "vfnum");

			if (!strncmp(name, handle, strlen(handle)) && !strcmp(text_of(one, "flavour"), "pcivf") &&
			    number && json_object_get_int(number) == (int)vf->number) {
				snprintf(port, size, "%s", name);
				migratable = migratable_of(one);
			}
		}
	}
	json_object_put(answer);
	return migratable;
}

bool ferry_devlink_set_migratable(const char *port, bool on)
{
	const char *const argv[] = { "devlink", "port", "function", "set", port, "migratable",
				     on ? "enable" : "disable", NULL };

	return !ferry_run_long(NULL, 0, argv);
}
