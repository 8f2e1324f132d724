// SPDX-License-Identifier: GPL-2.0-only
/*
 * ferry doctor: why a VF can or cannot be migrated.
 */
#include <stdlib.h>
#include <string.h>

#include <ferry/doctor.h>

#include "command.h"
#include "host.h"
#include "output.h"

struct options {
	const char *address;
	unsigned int flags;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'n':
		options->flags |= FERRY_LOOK_ONLY;
		return 0;
	case 't':
		options->flags |= FERRY_TRY;
		return 0;
	case ARGP_KEY_ARG:
		if (options->address)
			argp_error(state, "one function at a time; without one it examines all");
		options->address = arg;
		return 0;
	case ARGP_KEY_END:
		if (options->flags & FERRY_TRY && options->flags & FERRY_LOOK_ONLY)
			argp_error(state, "--try opens the function, --no-open forbids it");
		if (options->flags & FERRY_TRY && !options->address)
			argp_error(state, "--try wants a function");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option option_list[] = {
	{ "no-open", 'n', NULL, 0, "Open no function; a function that is opened is reset by VFIO" },
	{ "try", 't', NULL, 0, "Begin a migration of the function and cancel it, if nobody uses it" },
	{ NULL }
};

static const struct argp parser = {
	.options = option_list,
	.parser = parse_option,
	.args_doc = "[BDF]",
	.doc = "Say why a function can or cannot be migrated, check by check, each with what mends it. Without BDF: all VFs."
	       "\vIt ends with 0 if the function, or every VF, can be migrated, and with 3 if not. A function in use is "
	       "only looked at from outside. Root sees most.",
};

static const char *const verdicts[] = { [FERRY_FINE] = "ok", [FERRY_WARNING] = "warning", [FERRY_NO] = "no" };

/* All lines of a text, each behind some blanks. */
static void print_lines(const char *lead, const char *text)
{
	while (*text) {
		size_t length = strcspn(text, "\n");

		printf("%s%.*s\n", lead, (int)length, text);
		text += length + (text[length] == '\n');
	}
}

static const char *const risks[] = {
	[FERRY_HARMLESS] = "harmless", [FERRY_WINDOW] = "needs a window", [FERRY_HURTS] = "hurts others"
};

static void print_finding(const struct ferry_check *finding)
{
	printf("  %-8s %-10s %s\n", verdicts[finding->verdict], finding->check, finding->text);
	if (*finding->advice)
		print_lines("                      ", finding->advice);
	if (*finding->cost)
		printf("                      This %s: %s.\n", risks[finding->risk], finding->cost);
	print_lines("                    # ", finding->mend);
}

static void print_findings(const struct ferry_diagnosis *d, unsigned int from, bool all)
{
	for (unsigned int i = from; i < d->count; i++)
		if (all || d->findings[i].verdict != FERRY_FINE)
			print_finding(&d->findings[i]);
}

static void print_verdict(const struct ferry_diagnosis *d)
{
	const struct ferry_check *cause = ferry_diagnosis_cause(d);

	if (cause)
		printf("%s cannot be migrated: %s\n", d->address, cause->text);
	else
		printf("%s can be migrated\n", d->address);
}

static json_object *json_commands(const char *mend)
{
	json_object *list = json_object_new_array();

	while (*mend) {
		size_t length = strcspn(mend, "\n");

		json_object_array_add(list, json_object_new_string_len(mend, length));
		mend += length + (mend[length] == '\n');
	}
	return list;
}

static json_object *json_checks(const struct ferry_diagnosis *d, unsigned int from)
{
	json_object *list = json_object_new_array();

	for (unsigned int i = from; i < d->count; i++) {
		const struct ferry_check *finding = &d->findings[i];
		json_object *object = json_object_new_object();

		json_object_object_add(object, "check", json_text(finding->check));
		json_object_object_add(object, "verdict", json_text(verdicts[finding->verdict]));
		json_object_object_add(object, "text", json_text(finding->text));
		json_object_object_add(object, "advice", json_text(*finding->advice ? finding->advice : NULL));
		json_object_object_add(object, "risk", json_text(risks[finding->risk]));
		json_object_object_add(object, "cost", json_text(*finding->cost ? finding->cost : NULL));
		json_object_object_add(object, "mend", json_commands(finding->mend));
		json_object_array_add(list, object);
	}
	return list;
}

static json_object *json_diagnosis(const struct ferry_diagnosis *d, unsigned int from)
{
	const struct ferry_check *cause = ferry_diagnosis_cause(d);
	json_object *object = json_object_new_object();

	json_object_object_add(object, "address", json_text(d->address));
	json_object_object_add(object, "migratable", json_object_new_boolean(!cause));
	json_object_object_add(object, "cause", json_text(cause ? cause->text : NULL));
	json_object_object_add(object, "checks", json_checks(d, from));
	return object;
}

/* The first findings of every function are the host's. */
static int report(const struct options *options, const struct ferry_diagnosis *host,
		  const struct ferry_diagnosis *functions, unsigned int count)
{
	bool well = count && !ferry_diagnosis_cause(host);
	json_object *all, *list;

	for (unsigned int i = 0; i < count; i++)
		well = well && !ferry_diagnosis_cause(&functions[i]);
	if (!json_wanted()) {
		print_findings(host, 0, true);
		for (unsigned int i = 0; i < count; i++) {
			if (!options->address)
				puts("");
			print_findings(&functions[i], host->count, options->address);
			print_verdict(&functions[i]);
		}
	} else {
		all = json_object_new_object();
		list = json_object_new_array();
		for (unsigned int i = 0; i < count; i++)
			json_object_array_add(list, json_diagnosis(&functions[i], host->count));
		json_object_object_add(all, "migratable", json_object_new_boolean(well));
		json_object_object_add(all, "host", json_checks(host, 0));
		json_object_object_add(all, "functions", list);
		json_print(all);
	}
	return output_end(well ? EXIT_DONE : EXIT_REFUSED);
}

static int examine_one(const struct options *options, const struct ferry_diagnosis *host)
{
	struct ferry_diagnosis diagnosis;
	struct ferry_error error;

	if (ferry_diagnose(&diagnosis, options->address, options->flags, &error))
		return complain(EXIT_USAGE, "%s", error.text);
	return report(options, host, &diagnosis, 1);
}

/* Where there is no VF at all, the physical functions say how to make some. */
static bool is_wanted(const struct ferry_function *f, bool vfs)
{
	return vfs ? f->kind == FERRY_VF : f->kind == FERRY_PF;
}

static int examine_all(const struct options *options, const struct ferry_diagnosis *host)
{
	struct ferry_diagnosis *diagnoses;
	struct ferry_function *functions;
	unsigned int count, n = 0;
	struct ferry_error error;
	bool vfs = false;
	int code;

	if (ferry_functions_read(&functions, &count, &error))
		return complain(EXIT_FAILED, "%s", error.text);
	diagnoses = calloc(count + 1, sizeof(*diagnoses));
	if (!diagnoses)
		return complain(EXIT_FAILED, "no memory");
	for (unsigned int i = 0; i < count; i++)
		vfs = vfs || functions[i].kind == FERRY_VF;
	for (unsigned int i = 0; i < count; i++)
		if (is_wanted(&functions[i], vfs) &&
		    !ferry_diagnose(&diagnoses[n], functions[i].address, options->flags, NULL))
			n++;
	code = report(options, host, diagnoses, n);
	if (!n && !json_wanted())
		puts("This machine has no device with SR-IOV.");
	free(diagnoses);
	free(functions);
	return code;
}

static int run(int argc, char **argv)
{
	struct options options = { 0 };
	struct ferry_diagnosis host;
	struct ferry_error error;

	parse_arguments(&parser, argc, argv, &options);
	if (ferry_diagnose(&host, NULL, options.flags, &error))
		return complain(EXIT_FAILED, "%s", error.text);
	return options.address ? examine_one(&options, &host) : examine_all(&options, &host);
}

const struct command doctor_command = { "doctor", "[BDF]", "why functions can or cannot be migrated", run };
