/* guards: one file for all plugins, as it is small and rarely changes. If it is
 * lost, guards are back when their plugins have started. */
#include "supervisor/event/guards.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/json_text.h"
#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "supervisor/event/guards_file.h"
#include "supervisor/event/hook.h"
#include "supervisor/ops/own_file.h"

#define RETRY_MS 5000

static char *
path_of(const struct events *e)
{
	return memory_format("%s/guards.json", e->gateway->state_dir);
}

/* ---- the file ---- */

/* What was noted since counts; the rest is as the file says. */
static void
merge(struct events *e, json_t *stored)
{
	const char *id;
	json_t *list;
	void *next;

	json_object_update_missing(e->guards, stored);
	json_object_foreach_safe(
		e->guards, next, id, list) if (!json_array_size(list))
		json_object_del(e->guards, id);
	json_decref(stored);
}

/* A file that cannot be read now is kept; one with other content is put aside.
 * -1: it has to be read again. */
static int
load(struct events *e)
{
	char *path = path_of(e);
	struct error err;
	json_t *stored = guards_file_read(path, &err);
	int number = errno, result = 0;

	if (stored) {
		merge(e, stored);
	} else if (number == EINVAL) {
		log_warn("%s is damaged: %s; filters are back when their "
			 "plugins have started",
			path, err.text);
		own_file_put_aside(path, NULL, NULL);
	} else {
		if (!e->guards_unread)
			log_error("%s: it is read again every 5 s; until then "
				  "filters are back when their plugins have "
				  "started",
				err.text);
		result = -1;
	}
	e->guards_unread = result < 0;
	free(path);
	return result;
}

/* The file was read late. */
static void
add_late(struct events *e, json_t *known)
{
	struct gateway *g = e->gateway;

	for (uint32_t i = 0; i < g->plugin_count; i++)
		if (g->plugins[i] && !g->plugins[i]->removed &&
			!json_object_get(known, g->plugins[i]->id))
			events_add_plugin(e, g->plugins[i]);
	json_decref(known);
}

static void
save_due(struct wheel_timer *t)
{
	struct events *e = container_of(t, struct events, guards_save);
	char *path = path_of(e);
	struct error err = {.text = ""};
	json_t *known = e->guards_unread ? json_copy(e->guards) : NULL;
	int result = known ? load(e) : 0;

	if (known && result == 0)
		add_late(e, known);
	else
		json_decref(known);
	if (result == 0)
		result = guards_file_write(path, e->guards, &err);
	if (result < 0)
		wheel_set(&e->gateway->wheel, &e->guards_save,
			clock_ms() + RETRY_MS);
	if (*err.text)
		log_warn("cannot save the guards: %s", err.text);
	free(path);
}

void
guards_load(struct events *e)
{
	wheel_timer_init(&e->guards_save, save_due);
	e->guards = json_object();
	if (load(e) < 0)
		wheel_set(&e->gateway->wheel, &e->guards_save,
			clock_ms() + RETRY_MS);
}

void
guards_finish(struct events *e)
{
	if (wheel_timer_is_set(&e->guards_save)) {
		wheel_clear(&e->gateway->wheel, &e->guards_save);
		save_due(&e->guards_save);
		wheel_clear(&e->gateway->wheel, &e->guards_save);
	}
	json_decref(e->guards);
}

/* ---- what is remembered ---- */

static bool
is_guard(const struct hook *h)
{
	return !h->is_gone && h->declared->hook.filter &&
	       hook_stops(h->declared);
}

static json_t *
guards_of(const struct hook_owner *o)
{
	json_t *list = json_array();

	if (!o)
		return list;
	list_for_each (node, &o->hooks) {
		const struct hook *h = container_of(node, struct hook, sibling);
		const struct registration *r = h->declared;

		if (is_guard(h))
			json_array_append_new(
				list, json_pack("{s:s,s:s,s:I,s:I,s:I,s:O?}",
					      "name", r->name, "event",
					      r->hook.event, "priority",
					      (json_int_t)r->hook.priority,
					      "timeoutMs",
					      (json_int_t)r->hook.timeout_ms,
					      "index", (json_int_t)h->index,
					      "match", r->hook.match));
	}
	return list;
}

/* At the end of supd, all hooks go, and their guards stay remembered. */
void
guards_note(struct events *e, uint32_t plugin)
{
	struct gateway *g = e->gateway;
	const struct plugin *p = gateway_plugin_by_number(g, plugin);
	json_t *now;

	if (g->stopping || !p)
		return;
	now = guards_of(plugin < e->owner_count ? e->owners[plugin] : NULL);
	if (json_equal(now, json_object_get(e->guards, p->id)) ||
		(!e->guards_unread && !json_array_size(now) &&
			!json_object_get(e->guards, p->id))) {
		json_decref(now);
		return;
	}
	/* an empty list replaces what the file may say */
	if (json_array_size(now) || e->guards_unread) {
		json_object_set_new(e->guards, p->id, now);
	} else {
		json_decref(now);
		json_object_del(e->guards, p->id);
	}
	wheel_set(&g->wheel, &e->guards_save, clock_ms());
}

/* What it registered, as far as a filter needs it; NULL: it is not that. */
static struct registration *
declaration(const json_t *row)
{
	const char *name = json_string_value(json_object_get(row, "name"));
	const json_t *match = json_object_get(row, "match");
	struct registration *r = memory_alloc(sizeof(*r));
	struct error err;

	registration_init(r, REGISTRATION_HOOK);
	r->name = memory_copy_text(name);
	r->hook.event = memory_copy_text(
		json_string_value(json_object_get(row, "event")));
	r->hook.filter = true;
	r->hook.on_error = memory_copy_text("stop");
	r->hook.priority = json_integer_value(json_object_get(row, "priority"));
	r->hook.timeout_ms =
		json_integer_value(json_object_get(row, "timeoutMs"));
	if (json_is_object(match))
		r->hook.match_json = json_text(match, JSON_TEXT_COMPACT);
	if (name && registration_kinds[REGISTRATION_HOOK]->check(r, &err) == 0)
		return r;
	registration_finish(r);
	free(r);
	return NULL;
}

void
guards_add(struct events *e, const struct plugin *p)
{
	const json_t *rows = json_object_get(e->guards, p->id);

	if (!p->enabled)
		return;
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		struct registration *r = declaration(row);

		if (r)
			hook_add_guard(e, p->number, r,
				(uint32_t)json_integer_value(
					json_object_get(row, "index")));
	}
}

void
guard_forget(struct hook *h)
{
	if (!h->guard)
		return;
	registration_finish(h->guard);
	free(h->guard);
	h->guard = NULL;
}
