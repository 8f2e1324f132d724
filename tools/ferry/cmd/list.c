// SPDX-License-Identifier: GPL-2.0-only
/*
 * ferry list: physical functions and their virtual functions.
 *
 * It only looks: no function is opened, so it disturbs nobody.
 */
#include <stdlib.h>
#include <string.h>

#include <ferry/device.h>
#include <ferry/host.h>

#include "command.h"
#include "host.h"
#include "output.h"

/* All that is read once for all functions */
struct listing {
	struct ferry_function *functions;
	unsigned int count;
	struct ferry_user *users;
	unsigned int user_count;
	struct ferry_names *names;
	char firmware[64];	/* of the last PF; its VFs follow it */
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	if (key == ARGP_KEY_ARG)
		argp_error(state, "it takes no argument, not even '%s'", arg);
	return ARGP_ERR_UNKNOWN;
}

static const struct argp parser = {
	.parser = parse_option,
	.doc = "Show the physical functions of SR-IOV devices, their virtual functions, and what else VFIO has."
	       "\vFEATURES says what a function's driver can do: stop-copy, p2p, pre-copy, dirty-tracking; or why it "
	       "cannot migrate it. That and STATE come from debugfs, which only root may read. No function is opened.",
};

static const char *firmware_of(struct listing *listing, const struct ferry_function *f)
{
	/* A PF stands before its VFs. */
	if (f->kind != FERRY_VF)
		ferry_firmware(f, listing->firmware, sizeof(listing->firmware));
	return listing->firmware;
}

#define WORDS_MAX 4

static unsigned int words_of(const struct ferry_status *status, const char *words[WORDS_MAX])
{
	unsigned int n = 0;

	if (status->features & FERRY_CAN_STOP_COPY)
		words[n++] = "stop-copy";
	if (status->features & FERRY_CAN_P2P)
		words[n++] = "p2p";
	if (status->features & FERRY_CAN_PRE_COPY)
		words[n++] = "pre-copy";
	if (status->dirty_tracking)
		words[n++] = "dirty-tracking";
	return n;
}

static void features_of(const struct ferry_function *f, const struct ferry_status *status, char *text, size_t size)
{
	const char *words[WORDS_MAX];
	unsigned int n = words_of(status, words);

	*text = '\0';
	if (f->kind == FERRY_PF && !f->vfio)
		snprintf(text, size, "%u of %u VFs", f->vfs_enabled, f->vfs_total);
	else if (!status->known)
		snprintf(text, size, "%s", f->vfio ? "not known" : "");
	else if (!status->migratable)
		snprintf(text, size, "no migration: %s", *status->reason ? status->reason : "its driver has none");
	if (*text || !status->known)
		return;
	for (unsigned int i = 0; i < n; i++)
		snprintf(text + strlen(text), size - strlen(text), "%s%s", i ? " " : "", words[i]);
}

static void add_row(struct table *table, struct listing *listing, const struct ferry_function *f)
{
	const struct ferry_user *user = ferry_users_find(listing->users, listing->user_count, f);
	struct ferry_status status;
	char name[128], text[192];

	ferry_status_read(f, &status);
	table_cell(table, "%s%s", f->kind == FERRY_VF ? "  " : "", f->address);
	table_cell(table, "%s", f->driver);
	if (f->group < 0)
		table_cell(table, "%s", "");
	else
		table_cell(table, "%d", f->group);
	table_cell(table, "%s", status.state < 0 ? "" : ferry_state_name(status.state));
	if (f->vfio && user)
		table_cell(table, "%s (%d)", user->name, user->pid);
	else
		table_cell(table, "%s", "");
	table_cell(table, "%s", firmware_of(listing, f));
	features_of(f, &status, text, sizeof(text));
	table_cell(table, "%s", text);
	table_cell(table, "%s", ferry_names_find(listing->names, f, name, sizeof(name)));
}

static void print_table(struct listing *listing)
{
	static const char *const headings[] = { "ADDRESS", "DRIVER", "GROUP", "STATE", "USED BY", "FIRMWARE",
						"FEATURES", "NAME", NULL };
	struct table *table;

	if (!listing->count) {
		puts("This machine has no device with SR-IOV, and VFIO has none of its functions.");
		return;
	}
	table = table_new(headings);
	for (unsigned int i = 0; i < listing->count; i++)
		add_row(table, listing, &listing->functions[i]);
	table_print(table, stdout);
}

static json_object *json_features(const struct ferry_status *status)
{
	const char *words[WORDS_MAX];
	unsigned int n = words_of(status, words);
	json_object *list;

	if (!status->known)
		return NULL;
	list = json_object_new_array();
	for (unsigned int i = 0; i < n; i++)
		json_object_array_add(list, json_text(words[i]));
	return list;
}

static json_object *json_user(const struct ferry_user *user)
{
	json_object *object;

	if (!user)
		return NULL;
	object = json_object_new_object();
	json_object_object_add(object, "pid", json_object_new_int(user->pid));
	json_object_object_add(object, "name", json_text(user->name));
	return object;
}

static json_object *json_id(uint16_t id)
{
	char text[8];

	snprintf(text, sizeof(text), "%04x", id);
	return json_text(text);
}

static json_object *known_text(const char *text)
{
	return json_text(*text ? text : NULL);
}

static json_object *known_number(int number)
{
	return number < 0 ? NULL : json_object_new_int(number);
}

static void add_sriov(json_object *to, const struct ferry_function *f)
{
	bool pf = f->kind == FERRY_PF, vf = f->kind == FERRY_VF;

	json_object_object_add(to, "vfs_enabled", pf ? json_object_new_int(f->vfs_enabled) : NULL);
	json_object_object_add(to, "vfs_total", pf ? json_object_new_int(f->vfs_total) : NULL);
	json_object_object_add(to, "vfs_autoprobe", pf ? json_object_new_boolean(f->autoprobe) : NULL);
	json_object_object_add(to, "pf", vf ? json_text(f->pf) : NULL);
	json_object_object_add(to, "vf_number", vf ? json_object_new_int(f->number) : NULL);
}

static void add_status(json_object *to, const struct ferry_status *status)
{
	json_object_object_add(to, "migratable", status->known ? json_object_new_boolean(status->migratable) : NULL);
	json_object_object_add(to, "no_migration", known_text(status->reason));
	json_object_object_add(to, "features", json_features(status));
	json_object_object_add(to, "state", status->state < 0 ? NULL : json_text(ferry_state_name(status->state)));
	json_object_object_add(to, "last_failure", known_text(status->failure));
	json_object_object_add(to, "last_refusal", known_text(status->refusal));
}

static json_object *json_function(struct listing *listing, const struct ferry_function *f)
{
	static const char *const kinds[] = { [FERRY_OTHER] = "other", [FERRY_PF] = "pf", [FERRY_VF] = "vf" };
	json_object *object = json_object_new_object();
	struct ferry_status status;
	char name[128];

	ferry_status_read(f, &status);
	json_object_object_add(object, "address", json_text(f->address));
	json_object_object_add(object, "kind", json_text(kinds[f->kind]));
	json_object_object_add(object, "name", json_text(ferry_names_find(listing->names, f, name, sizeof(name))));
	json_object_object_add(object, "vendor_id", json_id(f->vendor));
	json_object_object_add(object, "device_id", json_id(f->device));
	json_object_object_add(object, "driver", known_text(f->driver));
	json_object_object_add(object, "driver_override", known_text(f->override));
	json_object_object_add(object, "vfio", json_object_new_boolean(f->vfio));
	json_object_object_add(object, "iommu_group", known_number(f->group));
	json_object_object_add(object, "numa_node", known_number(f->numa));
	json_object_object_add(object, "firmware", known_text(firmware_of(listing, f)));
	add_sriov(object, f);
	add_status(object, &status);
	json_object_object_add(object, "used_by",
			       f->vfio ? json_user(ferry_users_find(listing->users, listing->user_count, f)) : NULL);
	return object;
}

static void print_json(struct listing *listing)
{
	json_object *all = json_object_new_object(), *list = json_object_new_array();

	for (unsigned int i = 0; i < listing->count; i++)
		json_object_array_add(list, json_function(listing, &listing->functions[i]));
	json_object_object_add(all, "functions", list);
	json_print(all);
}

static int run(int argc, char **argv)
{
	struct listing listing = { 0 };
	struct ferry_error error;

	parse_arguments(&parser, argc, argv, NULL);
	if (ferry_functions_read(&listing.functions, &listing.count, &error) ||
	    ferry_users_read(&listing.users, &listing.user_count, &error))
		return complain(EXIT_FAILED, "%s", error.text);
	listing.names = ferry_names_open();
	if (json_wanted())
		print_json(&listing);
	else
		print_table(&listing);
	ferry_names_close(listing.names);
	free(listing.users);
	free(listing.functions);
	return output_end(EXIT_DONE);
}

const struct command list_command = { "list", "[--json]", "the functions that could be migrated", run };
