// SPDX-License-Identifier: GPL-2.0-only
/*
 * The report of a migration, for people and as JSON.
 */
#include <string.h>

#include "migrate.h"

/* ---- JSON ---- */

static void put(json_object *to, const char *key, json_object *value)
{
	json_object_object_add(to, key, value);
}

static json_object *ns(double ms)
{
	return json_object_new_int64(ms * 1e6);
}

static json_object *count(int64_t n)
{
	return n < 0 ? NULL : json_object_new_int64(n);
}

static json_object *hex_id(const struct ferry_identity *i)
{
	char text[16];

	if (!i->vendor)
		return NULL;
	snprintf(text, sizeof(text), "%04x:%04x", i->vendor, i->device);
	return json_object_new_string(text);
}

static json_object *identity(const struct ferry_identity *i)
{
	json_object *o;

	if (!*i->name)
		return NULL;
	o = json_object_new_object();
	put(o, "name", json_object_new_string(i->name));
	put(o, "id", hex_id(i));
	put(o, "driver", json_text(*i->driver ? i->driver : NULL));
	return o;
}

static json_object *figures(const struct ferry_figures *f)
{
	json_object *o = json_object_new_object(), *stop = json_object_new_object();

	put(o, "initial_bytes", count(f->initial_bytes));
	put(o, "dirty_bytes", count(f->dirty_bytes));
	put(o, "stop_copy_bytes", count(f->stop_bytes));
	put(o, "all_bytes", count(f->initial_bytes + f->dirty_bytes + f->stop_bytes));
	put(o, "config_bytes", count(f->config_bytes));
	put(o, "initial_images", count(f->initial_images));
	put(o, "dirty_images", count(f->dirty_images));
	put(o, "stop_copy_images", count(f->stop_images));
	put(o, "setup_ns", ns(f->setup_ms));
	put(o, "initial_ns", ns(f->initial_ms));
	put(o, "dirty_ns", ns(f->dirty_ms));
	put(stop, "suspend_ns", ns(f->suspend_ms));
	put(stop, "save_ns", ns(f->save_ms));
	put(stop, "transfer_ns", ns(f->transfer_ms));
	put(stop, "load_ns", ns(f->load_ms));
	put(stop, "start_ns", ns(f->start_ms));
	put(o, "stop_window", stop);
	return o;
}

static json_object *error_object(const struct ferry_error *error, const struct ferry_report *r)
{
	json_object *o;

	if (!error)
		return NULL;
	o = json_object_new_object();
	put(o, "errno", error->code ? json_object_new_int(error->code) : NULL);
	put(o, "text", json_object_new_string(error->text));
	put(o, "phase", json_object_new_string(ferry_phase_name(r->failed_in)));
	return o;
}

static void print_json(const struct ferry_report *r, const struct ferry_error *error, const char *peer, FILE *to)
{
	json_object *o = json_object_new_object(), *list = json_object_new_array();

	for (unsigned int i = 0; i < r->devices; i++) {
		const struct ferry_device_report *d = &r->device[i];
		json_object *one = json_object_new_object();

		put(one, "device", identity(&d->identity));
		put(one, "peer", identity(&d->peer));
		put(one, "outcome", json_object_new_string(ferry_outcome_name(d->outcome)));
		put(one, "figures", figures(&d->figures));
		json_object_array_add(list, one);
	}
	put(o, "outcome", json_object_new_string(ferry_outcome_name(r->outcome)));
	put(o, "unconfirmed", json_object_new_boolean(r->unconfirmed));
	put(o, "error", error_object(error, r));
	put(o, "peer", json_text(peer));
	put(o, "devices", list);
	put(o, "total", figures(&r->total));
	put(o, "rounds", count(r->rounds));
	put(o, "bandwidth_bytes_per_second", r->bandwidth ? count(r->bandwidth) : NULL);
	put(o, "stop_window_estimated_ns", r->bandwidth ? ns(r->estimated_ms) : NULL);
	put(o, "stop_window_ns", ns(r->window_ms));
	put(o, "all_ns", ns(r->total_ms));
	json_print_to(o, to);
}

/* ---- text ---- */

static void images(char *text, size_t size, int64_t n)
{
	if (n < 0)
		snprintf(text, size, "-");
	else
		snprintf(text, size, "%lld", (long long)n);
}

static void print_row(struct table *t, const char *what, uint64_t bytes, int64_t n, double ms)
{
	char human[HUMAN_SIZE], number[24];

	images(number, sizeof(number), n);
	table_cell(t, "  %s", what);
	table_cell(t, "%s", human_bytes(human, bytes));
	table_cell(t, "%s", number);
	if (ms > 0)
		table_cell(t, "%.1f ms", ms);
	else
		table_cell(t, "%s", "");
}

static void print_phases(const struct ferry_figures *f, double window_ms, FILE *to)
{
	static const char *const headings[] = { "  phase", "bytes", "images", "time", NULL };
	int64_t all = f->initial_images < 0 || f->dirty_images < 0 || f->stop_images < 0 ? -1 :
		      f->initial_images + f->dirty_images + f->stop_images;
	struct table *t = table_new(headings);

	print_row(t, "initial data", f->initial_bytes, f->initial_images, f->initial_ms);
	print_row(t, "changes", f->dirty_bytes, f->dirty_images, f->dirty_ms);
	print_row(t, "stop-copy", f->stop_bytes, f->stop_images, window_ms);
	print_row(t, "all", f->initial_bytes + f->dirty_bytes + f->stop_bytes, all,
		  f->initial_ms + f->dirty_ms + window_ms);
	table_print(t, to);
}

static void print_window(const struct ferry_report *r, FILE *to)
{
	const struct ferry_figures *f = &r->total;
	char rate[HUMAN_SIZE];

	fprintf(to, "  stop window %.1f ms", r->window_ms);
	if (r->bandwidth)
		fprintf(to, " (estimated %.1f ms at %s/s)", r->estimated_ms, human_bytes(rate, r->bandwidth));
	fprintf(to, ": suspend %.1f, save %.1f, transfer %.1f, load %.1f, start %.1f\n", f->suspend_ms, f->save_ms,
		f->transfer_ms, f->load_ms, f->start_ms);
}

static void print_text(const struct ferry_report *r, const char *peer, FILE *to)
{
	for (unsigned int i = 0; i < r->devices; i++) {
		const struct ferry_device_report *d = &r->device[i];
		const struct ferry_figures *f = &d->figures;
		char bytes[HUMAN_SIZE];

		fprintf(to, "%s: %s", d->identity.name, ferry_outcome_name(d->outcome));
		if (*d->peer.name)
			fprintf(to, ", the other side is %s%s%s", d->peer.name, peer ? " at " : "", peer ? peer : "");
		else if (peer)
			fprintf(to, ", %s", peer);
		fprintf(to, "; %s in %.1f s\n",
			human_bytes(bytes, f->initial_bytes + f->dirty_bytes + f->stop_bytes), r->total_ms / 1e3);
	}
	print_phases(&r->total, r->window_ms, to);
	print_window(r, to);
}

void report_print(const struct migrate *m, const struct ferry_report *r, const struct ferry_error *error,
		  const char *peer)
{
	if (json_wanted())
		print_json(r, error, peer, m->report_to);
	else if (!m->quiet && !error)
		print_text(r, peer, m->report_to);
	fflush(m->report_to);
}
