/* events: the sources of events and their way to the hooks that match. */
#include "supervisor/event/events.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/event/calls.h"
#include "supervisor/event/guards.h"
#include "supervisor/event/hook.h"
#include "supervisor/gateway/news.h"
#include "supervisor/ops/journal.h"

struct plugin *
hook_plugin(const struct hook *h)
{
	const struct hook_owner *o = h->owner;

	return gateway_plugin_by_number(o->events->gateway, o->plugin);
}

void
hook_count_call(struct hook *h, enum hook_call outcome)
{
	h->counters.calls[outcome]++;
	hook_plugin(h)->hooks->calls[outcome]++;
}

void
hook_count_loss(struct hook *h, enum hook_loss why)
{
	h->counters.lost[why]++;
	hook_plugin(h)->hooks->lost[why]++;
}

void
hook_count_answer(struct hook *h)
{
	uint64_t us = clock_us() - h->request.accepted_us;

	hook_counters_answered(&h->counters, us);
	hook_counters_answered(hook_plugin(h)->hooks, us);
}

/* ---- from an event to its observers ---- */

/* A plugin that a user stopped takes no part; one that failed may come back,
 * and has missed nothing. */
static bool
takes_events(const struct hook *h, const json_t *data)
{
	return !hook_plugin(h)->stopped &&
	       event_match_holds(h->declared->hook.match, data);
}

/* Calls take() for each observer of the event, until it returns false. */
static bool
for_observers(struct events *e, const char *name, const json_t *data,
	bool (*take)(struct hook *h, void *user), void *user)
{
	struct topic_walk walk;
	struct topic *topic;

	topic_walk_begin(&walk, &e->topics, bytes_of(name));
	while ((topic = topic_walk_next(&walk)))
		list_for_each (node, &topic->observers) {
			struct hook *h =
				container_of(node, struct hook, in_topic);

			if (takes_events(h, data) && !take(h, user))
				return false;
		}
	return true;
}

/* An event on its way; it is packed for the first observer. */
struct passing {
	struct events *events;
	const struct event_source *source;
	struct event *event;
};

static bool
pass_to(struct hook *h, void *user)
{
	struct passing *passing = user;
	struct events *e = passing->events;

	if (!passing->event)
		passing->event = event_create(passing->source);
	if (observer_take(h, passing->event) &&
		passing->event->id == e->stopping_id &&
		plugin_will_be_back(hook_plugin(h)))
		e->stopping_count++;
	return true;
}

void
events_pass(struct events *e, const struct event_source *source)
{
	struct passing passing = {e, source, NULL};

	if (!strcmp(source->name, "gateway.stopping"))
		e->stopping_id = source->id;
	for_observers(e, source->name, source->data, pass_to, &passing);
	if (e->listener && event_name_is_transient(bytes_of(source->name)) &&
		e->listener->wants(e->listener, bytes_of(source->name)))
		e->listener->take(e->listener, source);
	if (passing.event)
		event_unref(passing.event);
	else if (source->watch)
		source->watch->ended(source->watch, NULL);
}

uint64_t
events_next_id(struct events *e)
{
	return ++e->transient_id;
}

void
events_listen(struct events *e, struct event_listener *l)
{
	e->listener = l;
	calls_follow_hooks(e);
}

static void
on_event(struct journal_reader *r, json_t *event)
{
	struct events *e = container_of(r, struct events, reader);
	const struct event_source source = {
		.id = (uint64_t)json_integer_value(
			json_object_get(event, "seq")),
		.at = json_string_value(json_object_get(event, "at")),
		.name = json_string_value(json_object_get(event, "event")),
		.plugin_id =
			json_string_value(json_object_get(event, "pluginId")),
		.chain = e->gateway->noting,
		.data = json_object_get(event, "data"),
	};

	if (e->hook_count)
		events_pass(e, &source);
}

/* ---- events that may not be lost ---- */

/* The size of a packed event is not known yet, but it is at most this much more
 * than its data as JSON, which is at most JOURNAL_DATA_MAX. */
#define PACKED_MAX ((size_t)(JOURNAL_DATA_MAX * 2))

static bool
has_room(struct hook *h, void *user)
{
	const struct hook **full_out = user;

	if (event_queue_has_room(&h->queue, PACKED_MAX))
		return true;
	*full_out = h;
	return false;
}

int
events_take(struct events *e, struct plugin *p, const char *name,
	const json_t *data, struct chain *chain, uint64_t *seq_out,
	enum wire_error *code_out, struct error *err)
{
	const struct hook *full = NULL;

	*code_out = WIRE_BAD_MESSAGE;
	if (journal_check(name, data, err) < 0)
		return -1;
	*code_out = WIRE_BUSY;
	if (!for_observers(e, name, data, has_room, &full))
		return error_set(err,
			"too many events wait for hook %s of plugin '%s'",
			full->name, hook_plugin(full)->id);
	p->counters.events++;
	news_called(p, name, json_incref((json_t *)(uintptr_t)data), chain);
	*seq_out = journal_seq(e->gateway->journal);
	return 0;
}

/* ---- the stop of supd ---- */

static void
stopping_handled(struct events *e)
{
	void (*done)(void *user) = e->on_stopping_handled;

	e->on_stopping_handled = NULL;
	wheel_clear(&e->gateway->wheel, &e->stopping_timer);
	if (done)
		done(e->stopping_user);
}

void
events_note_end(struct events *e, const struct event *event)
{
	if (event->id != e->stopping_id || !e->stopping_count)
		return;
	/* Reported in the next turn, because workers end in it. */
	if (!--e->stopping_count && e->on_stopping_handled)
		wheel_set(&e->gateway->wheel, &e->stopping_timer, clock_ms());
}

static void
stopping_due(struct wheel_timer *t)
{
	struct events *e = container_of(t, struct events, stopping_timer);

	if (e->stopping_count)
		log_warn("%u hooks have not handled gateway.stopping in time",
			e->stopping_count);
	stopping_handled(e);
}

void
events_await_stopping(struct events *e, uint64_t limit_ms,
	void (*done)(void *user), void *user)
{
	if (!e->stopping_count) {
		done(user);
		return;
	}
	e->on_stopping_handled = done;
	e->stopping_user = user;
	wheel_set(
		&e->gateway->wheel, &e->stopping_timer, clock_ms() + limit_ms);
}

/* ---- the engine ---- */

void
events_add_plugin(struct events *e, const struct plugin *p)
{
	if (!e)
		return;
	guards_add(e, p);
	calls_follow_hooks(e);
}

static void
on_rows_changed(void *user, uint32_t plugin)
{
	hooks_follow_table(user, plugin);
	guards_note(user, plugin);
	calls_follow_hooks(user);
}

static void
on_release(struct gateway *g, struct plugin *p)
{
	struct events *e = g->events;
	struct hook_owner *o =
		p->number < e->owner_count ? e->owners[p->number] : NULL;

	if (o && !list_is_empty(&o->waiting))
		observer_wake(o);
}

static void
pump(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct events *e = container_of(timer, struct events, pump);
	struct list now;

	(void)loop, (void)events;
	list_init(&now);
	while (!list_is_empty(&e->ready)) {
		struct list *node = e->ready.next;

		list_remove(node);
		list_append(&now, node);
	}
	while (!list_is_empty(&now)) {
		struct hook_owner *o =
			container_of(now.next, struct hook_owner, ready);

		list_remove(&o->ready);
		observer_pump(o);
	}
}

static void
retry_due(struct wheel_timer *t)
{
	struct events *e = container_of(t, struct events, retry);

	for (uint32_t i = 0; i < e->owner_count; i++)
		if (e->owners[i] && !list_is_empty(&e->owners[i]->waiting)) {
			e->owners[i]->is_stuck = false;
			observer_wake(e->owners[i]);
		}
}

#define TRANSIENT_IDS (1ull << 52) /* JSON holds numbers up to 2^53 */

struct events *
events_create(struct gateway *g)
{
	struct events *e = memory_alloc(sizeof(*e));

	e->gateway = g;
	/* beyond every seq of the journal, and growing over restarts of supd */
	e->transient_id = journal_seq(g->journal) + TRANSIENT_IDS;
	list_init(&e->ready);
	ev_timer_init(&e->pump, pump, 0, 0);
	wheel_timer_init(&e->retry, retry_due);
	wheel_timer_init(&e->stopping_timer, stopping_due);
	e->reader.on_event = on_event;
	guards_load(e);
	journal_watch(g->journal, &e->reader);
	route_table_watch(g->routes, on_rows_changed, e);
	g->events = e;
	g->on_release = on_release;
	return e;
}

void
events_destroy(struct events *e)
{
	struct gateway *g;

	if (!e)
		return;
	g = e->gateway;
	g->events = NULL;
	g->on_release = NULL;
	g->watcher = NULL;
	route_table_watch(g->routes, NULL, NULL);
	journal_leave(&e->reader);
	hooks_finish(e);
	guards_finish(e);
	ev_timer_stop(g->loop, &e->pump);
	wheel_clear(&g->wheel, &e->retry);
	wheel_clear(&g->wheel, &e->stopping_timer);
	free(e);
}
