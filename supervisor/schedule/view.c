/* view: schedules as people see them, and the tick that they ask for. */
#include <string.h>

#include "proto/util/text.h"
#include "proto/value.h"
#include "supervisor/ops/time_text.h"
#include "supervisor/schedule/parts.h"

static const char *const end_texts[TICK_END_COUNT] = {
#define X(name, text) [TICK_##name] = text,
	TICK_ENDS(X)
#undef X
};

static json_t *
time_or_null(int64_t ms)
{
	char text[TIME_TEXT_BYTES];

	if (ms <= 0 || ms == WHEN_NEVER)
		return json_null();
	return json_string(time_text(text, (uint64_t)ms));
}

static void
put_count(json_t *row, const char *key, uint64_t count)
{
	json_object_set_new(row, key, json_integer((json_int_t)count));
}

static json_t *
row_of(const struct schedule *s)
{
	json_t *row = json_object();

	json_object_set_new(row, "name", value_text(s->name));
	json_object_set_new(row, "when", value_text(s->when_text));
	json_object_set_new(row, "zone",
		s->zone ? value_text(zone_name(s->zone)) : json_null());
	json_object_set_new(
		row, "catchUp", json_string(s->catches_up ? "one" : "none"));
	json_object_set_new(row, "next",
		s->set->is_active ? time_or_null(s->due_ms) : json_null());
	json_object_set_new(row, "last", time_or_null(s->last_ms));
	json_object_set_new(row, "lastEnd",
		s->last_end ? json_string(end_texts[s->last_end])
			    : json_null());
	json_object_set_new(row, "lastError",
		s->last_error[0] ? value_text(s->last_error) : json_null());
	json_object_set_new(row, "inFlight", json_boolean(s->request.id));
	put_count(row, "pending", s->pending_count);
	put_count(row, "done", s->done);
	put_count(row, "failed", s->failed);
	put_count(row, "missed", s->missed);
	return row;
}

/* In the order in which the worker registered them. */
json_t *
schedule_view(const struct plugin *p)
{
	const struct worker *w = p->active;
	json_t *rows = json_array();

	if (!p->schedules || !w)
		return rows;
	for (uint32_t i = 0; i < w->registrations.count; i++) {
		const struct registration *r = &w->registrations.items[i];
		const struct schedule *s = NULL;

		if (r->kind == REGISTRATION_SCHEDULE)
			s = map_get(&p->schedules->by_name, r->name,
				strlen(r->name));
		if (s)
			json_array_append_new(rows, row_of(s));
	}
	return rows;
}

uint64_t
schedule_missed(const struct plugin *p)
{
	return p->schedules ? p->schedules->missed : 0;
}

uint64_t
schedule_ticks(const struct plugin *p, bool failed)
{
	if (!p->schedules)
		return 0;
	return failed ? p->schedules->failed : p->schedules->done;
}

const struct metrics_histogram *
schedule_lateness(const struct gateway *g)
{
	return g->schedules ? &g->schedules->lateness : NULL;
}

/* ---- by hand ---- */

static struct schedule *
find_in(const struct plugin *p, const char *name)
{
	struct schedule *s = p && p->schedules ? map_get(&p->schedules->by_name,
							 name, strlen(name))
					       : NULL;

	/* of a plugin that is stopped, all are known and none is registered */
	return s && (s->is_registered || !s->set->is_active) ? s : NULL;
}

/* "PLUGIN/NAME", where a NAME may contain slashes, too. */
static struct schedule *
find_qualified(struct gateway *g, const char *name)
{
	const char *slash = strchr(name, '/');
	char id[128];

	if (!slash || (size_t)(slash - name) >= sizeof(id))
		return NULL;
	text_format(id, sizeof(id), "%.*s", (int)(slash - name), name);
	return find_in(gateway_plugin(g, id), slash + 1);
}

static struct schedule *
find(struct gateway *g, const char *name, struct error *err)
{
	struct schedule *found = find_qualified(g, name);

	if (found)
		return found;
	for (uint32_t i = 0; i < g->plugin_count; i++) {
		struct schedule *s = find_in(g->plugins[i], name);

		if (!s)
			continue;
		if (found) {
			error_set(err,
				"several plugins have the schedule '%.128s', "
				"such as %s/%s and %s/%s",
				name, found->set->plugin->id, name,
				s->set->plugin->id, name);
			return NULL;
		}
		found = s;
	}
	if (!found)
		error_set(err, "no plugin has the schedule '%.*s'",
			TEXT_FIT(name, 256));
	return found;
}

enum schedule_refusal
schedule_run(struct gateway *g, const char *name, struct schedule_run *run,
	char *tick_id_out, struct error *err)
{
	struct schedule *s = find(g, name, err);
	int64_t now_ms = alarm_now_ms();

	run->schedule = NULL;
	if (!s)
		return SCHEDULE_UNKNOWN;
	if (s->request.id) {
		error_set(err, "a tick of %s/%s is in flight",
			s->set->plugin->id, s->name);
		return SCHEDULE_BUSY;
	}
	if (!plugin_will_be_back(s->set->plugin)) {
		error_set(
			err, "the plugin %s does not run", s->set->plugin->id);
		return SCHEDULE_BUSY;
	}
	tick_id(s, now_ms, tick_id_out);
	s->run = run;
	run->schedule = s;
	tick_send_by_hand(s, now_ms);
	return SCHEDULE_RUNS;
}

void
schedule_leave(struct schedule_run *run)
{
	if (run->schedule)
		run->schedule->run = NULL;
	run->schedule = NULL;
}
