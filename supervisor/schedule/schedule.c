/* schedule: the schedules of a plugin follow what its worker registers. A
 * schedule that is not registered any more is remembered, with its anchor. */
#include "supervisor/schedule/schedule.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/schedule/parts.h"

/* What is only remembered goes once a plugin has this many. */
#define REMEMBERED_MAX REGISTRATIONS_MAX

/* ---- one ---- */

struct schedule *
schedule_add(struct schedule_set *set, struct bytes name)
{
	struct schedule *s = memory_alloc(sizeof(*s));

	s->set = set;
	s->name = memory_copy_bytes(name.at, name.length);
	s->due_ms = WHEN_NEVER;
	s->in_heap = NOT_IN_HEAP;
	list_init(&s->pending_node);
	map_set(&set->by_name, name.at, name.length, s);
	return s;
}

static void
destroy(struct schedule *s)
{
	if (s->request.id)
		dispatch_cancel(s->set->schedules->gateway, &s->request);
	if (s->run)
		s->run->schedule = NULL;
	tick_forget(s);
	alarm_clear(s);
	zone_unref(s->zone);
	free(s->when_text);
	free(s->zone_name);
	free(s->name);
	free(s);
}

/* Whether its due times stay what they were. */
static bool
is_unchanged(const struct schedule *s, const struct registration *r)
{
	return text_same(s->when_text, r->schedule.when_text) &&
	       text_same(s->zone_name, r->schedule.zone_name);
}

/* From now on: nothing before is owed. */
static void
begin_at(struct schedule *s, int64_t now_ms)
{
	tick_forget(s);
	s->settled_ms = s->seen_ms = now_ms;
	if (s->request.id)
		s->settles_ms = now_ms;
}

/* The record is of a time that is yet to come: the clock was set back while
 * supd was down. It is followed as it would have been then. Logged once for all
 * of a plugin. */
static void
follow_clock(struct schedule *s, int64_t now_ms)
{
	struct schedule_set *set = s->set;
	int64_t change_ms = now_ms - s->settled_ms;

	if (change_ms >= 0)
		return;
	if (!set->clock_reported)
		log_write(LOG_WARN,
			&(struct log_subject){.plugin = set->plugin->id},
			"schedule %s was last due at a time that is %lld s "
			"ahead of the clock, which was set back while supd was "
			"down",
			s->name, (long long)(-change_ms / 1000));
	set->clock_reported = true;
	tick_step(s, change_ms, now_ms);
}

/* What was due in the meantime is caught up, or counted. */
static void
resume(struct schedule *s, int64_t now_ms)
{
	int64_t last;
	uint64_t missed;

	s->seen_ms = s->settled_ms;
	s->is_delayed = true;
	follow_clock(s, now_ms);
	if (s->catches_up)
		return;
	missed = when_count(&s->when, s->zone, s->anchor_ms, s->seen_ms, now_ms,
		s->when.every_ms ? UINT32_MAX : MISSED_COUNT_MAX, &last);
	tick_skip(s, missed);
	begin_at(s, now_ms);
}

static void
take_registration(struct schedule *s, const struct registration *r)
{
	const char *catch_up = r->schedule.catch_up;
	struct zone *zone = zone_ref(r->schedule.zone);

	zone_unref(s->zone);
	s->zone = zone;
	s->when = r->schedule.when;
	s->catches_up = !catch_up || strcmp(catch_up, "none") != 0;
	s->timeout_ms = r->schedule.timeout_ms > 0
				? (uint64_t)r->schedule.timeout_ms
				: 0;
	if (is_unchanged(s, r))
		return;
	free(s->when_text);
	free(s->zone_name);
	s->when_text = memory_copy_text(r->schedule.when_text);
	s->zone_name = memory_copy_text(r->schedule.zone_name);
}

/* was_active: the plugin's schedules were followed up to now. is_first: they
 * were followed by the supd before this one. */
static void
follow_one(struct schedule_set *set, const struct registration *r,
	uint32_t index, bool was_active, bool is_first, int64_t now_ms)
{
	struct schedule *s = map_get(&set->by_name, r->name, strlen(r->name));
	bool is_new = !s, is_changed = is_new || !is_unchanged(s, r);
	bool went_on = was_active && s && s->in_heap != NOT_IN_HEAP;

	if (is_new)
		s = schedule_add(set, bytes_of(r->name));
	take_registration(s, r);
	s->is_registered = true;
	s->registration = index;
	if (is_changed)
		s->anchor_ms = now_ms;
	if (is_changed || (!went_on && !is_first))
		begin_at(s, now_ms);
	else if (!went_on)
		resume(s, now_ms);
	s->due_ms = when_next(&s->when, s->zone, s->anchor_ms, s->seen_ms);
	if (s->due_ms > now_ms && !s->pending_count)
		s->is_delayed = false;
	alarm_set(s);
}

static void
leave_one(struct schedule *s)
{
	s->is_registered = false;
	tick_forget(s);
	s->due_ms = WHEN_NEVER;
	alarm_clear(s);
}

/* ---- the set ---- */

static struct schedule_set *
set_of(struct plugin *p)
{
	struct schedule_set *set = memory_alloc(sizeof(*set));

	set->plugin = p;
	set->schedules = p->gateway->schedules;
	list_init(&set->pending);
	list_init(&set->dirty_node);
	p->schedules = set;
	ledger_load(set);
	return set;
}

static bool
has_schedules(const struct registration_set *set)
{
	for (uint32_t i = 0; i < set->count; i++)
		if (set->items[i].kind == REGISTRATION_SCHEDULE)
			return true;
	return false;
}

/* Forgets what is not registered if there is too much of it. */
static void
forget_some(struct schedule_set *set)
{
	struct map kept = {0};
	const struct map_entry *entry;

	if (set->by_name.count <= REMEMBERED_MAX)
		return;
	for (size_t i = 0; (entry = map_next(&set->by_name, &i));) {
		struct schedule *s = entry->value;

		if (s->is_registered || s->request.id)
			map_set(&kept, entry->key, entry->key_length, s);
		else
			destroy(s);
	}
	map_finish(&set->by_name);
	set->by_name = kept;
}

static void
follow_all(struct schedule_set *set, const struct registration_set *now)
{
	const struct map_entry *entry;
	int64_t now_ms = alarm_now_ms();
	bool was_active = set->is_active, is_first = set->is_stored;

	for (size_t i = 0; (entry = map_next(&set->by_name, &i));)
		((struct schedule *)entry->value)->is_registered = false;
	for (uint32_t i = 0; now && i < now->count; i++)
		if (now->items[i].kind == REGISTRATION_SCHEDULE)
			follow_one(set, &now->items[i], i, was_active, is_first,
				now_ms);
	for (size_t i = 0; (entry = map_next(&set->by_name, &i));) {
		struct schedule *s = entry->value;

		if (!s->is_registered)
			leave_one(s);
	}
	set->is_active = now != NULL;
	set->is_stored = set->clock_reported = false;
	forget_some(set);
	ledger_touch(set);
	alarm_arm(set->schedules);
}

void
schedule_begin(struct plugin *p)
{
	const struct gateway *g = p->gateway;

	if (!g->schedules || (p->enabled && !p->stopped) ||
		!ledger_exists(g, p->id))
		return;
	set_of(p)->is_stored = false;
	ledger_touch(p->schedules);
}

void
schedule_follow(struct plugin *p)
{
	const struct gateway *g = p->gateway;
	const struct worker *w = plugin_serving(p);
	bool runs = p->enabled && !p->stopped && !p->removed;

	if (!g->schedules || g->stopping)
		return;
	if (runs && !w)
		return; /* the worker comes back */
	if (!p->schedules && (!runs || !has_schedules(&w->registrations)))
		return;
	follow_all(p->schedules ? p->schedules : set_of(p),
		runs ? &w->registrations : NULL);
}

void
schedule_forget(struct plugin *p)
{
	struct schedule_set *set = p->schedules;
	const struct map_entry *entry;

	if (!set)
		return;
	if (!list_is_empty(&set->dirty_node))
		ledger_save(set);
	p->schedules = NULL;
	p->ticks_wait = false;
	for (size_t i = 0; (entry = map_next(&set->by_name, &i));)
		destroy(entry->value);
	map_finish(&set->by_name);
	free(set);
}

/* ---- all ---- */

void
schedules_create(struct gateway *g)
{
	struct schedules *all = memory_alloc(sizeof(*all));

	all->gateway = g;
	g->schedules = all;
	g->on_ticks = tick_release;
	ledger_init(all);
	alarm_init(all);
}

void
schedules_destroy(struct gateway *g)
{
	struct schedules *all = g->schedules;

	if (!all)
		return;
	alarm_finish(all);
	wheel_clear(&g->wheel, &all->save);
	free(all);
	g->schedules = NULL;
}
