/* view: hooks for those who look. It changes nothing. */
#include "supervisor/event/view.h"

#include <string.h>

#include "proto/value.h"
#include "supervisor/event/filter.h"
#include "supervisor/event/hook.h"

static json_t *
counts(const uint64_t *values, const char *const *names, int count)
{
	json_t *o = json_object();

	for (int i = 0; i < count; i++)
		json_object_set_new(
			o, names[i], json_integer((json_int_t)values[i]));
	return o;
}

static json_t *
latency(const struct hook_counters *c)
{
	uint64_t answers = 0;

	for (int i = 0; i < METRICS_BUCKETS; i++)
		answers += c->latency.buckets[i];
	if (!answers)
		return json_null();
	return json_pack("{s:f,s:f}", "mean",
		(double)c->latency.sum_us / 1e3 / (double)answers, "max",
		(double)c->latency_max_us / 1e3);
}

static void
put_number(json_t *o, const char *key, uint64_t value)
{
	json_object_set_new(o, key, json_integer((json_int_t)value));
}

static void
put_filter(json_t *o, struct events *e, const struct hook *h)
{
	const struct registration *r = h->declared;
	const struct hook_counters *c = &h->counters;

	put_number(o, "order", filter_order(e, h));
	json_object_set_new(
		o, "priority", json_integer((json_int_t)r->hook.priority));
	json_object_set_new(o, "onError",
		json_string(r->hook.on_error ? r->hook.on_error : "skip"));
	json_object_set_new(o, "verdicts",
		counts(c->verdicts, hook_verdict_texts, HOOK_VERDICT_COUNT));
	put_number(o, "skipped", c->skipped);
	put_number(o, "stopped", c->stopped);
}

static void
put_observer(json_t *o, const struct hook *h)
{
	const struct hook_counters *c = &h->counters;

	json_object_set_new(o, "order", json_null());
	json_object_set_new(
		o, "idempotent", json_boolean(h->declared->idempotent > 0));
	put_number(o, "queued", h->queue.count);
	put_number(o, "queuedBytes", h->queue.bytes);
	put_number(o, "inFlight", h->current != NULL);
	put_number(o, "repeated", h->repeats);
	json_object_set_new(
		o, "lost", counts(c->lost, hook_loss_texts, HOOK_LOSS_COUNT));
}

json_t *
hook_view(const struct gateway *g, const struct route_row *row)
{
	const struct registration *r = row->declared;
	struct events *e = g->events;
	struct hook *h =
		e ? hooks_find(e, row->plugin, row->declared->name) : NULL;
	json_t *o = json_object();

	json_object_set_new(o, "event", value_text(r->hook.event));
	json_object_set_new(o, "filter", json_boolean(r->hook.filter));
	json_object_set(
		o, "match", r->hook.match ? r->hook.match : json_null());
	put_number(o, "timeoutMs", (uint64_t)r->hook.timeout_ms);
	if (!h)
		return o;
	if (r->hook.filter)
		put_filter(o, e, h);
	else
		put_observer(o, h);
	json_object_set_new(o, "calls",
		counts(h->counters.calls, hook_call_texts, HOOK_CALL_COUNT));
	json_object_set_new(o, "latencyMs", latency(&h->counters));
	return o;
}

bool
hook_view_concerns(const struct route_row *row, const char *event)
{
	return event_pattern_matches(
		bytes_of(row->declared->hook.event), bytes_of(event));
}
