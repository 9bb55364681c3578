/* filter: asks the filters of an event in turn. What a filter is not there for,
 * fails at, or has no time for, its on_error decides. */
#include "supervisor/event/filter.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "proto/value.h"
#include "supervisor/event/hook.h"
#include "supervisor/event/verdict.h"
#include "supervisor/gateway/dispatch.h"

/* A filter as it was when the event began. */
struct filter_step {
	uint32_t plugin;
	char *hook;
	uint64_t timeout_ms;
	bool stops; /* on_error: stop */
	json_t *match;
};

static void go_on(struct filter_run *f);

/* ---- the end ---- */

static void
end_passed(struct filter_run *f)
{
	struct filter_end how = {.verdict = f->is_changed ? HOOK_VERDICT_CHANGE
							  : HOOK_VERDICT_PASS,
		.data = f->data};

	f->done(f, &how);
}

static void
end_at(struct filter_run *f, enum hook_verdict verdict, json_t *data,
	const char *reason, bool by_error)
{
	const struct filter_step *step = &f->steps[f->at];
	struct plugin *p =
		gateway_plugin_by_number(f->events->gateway, step->plugin);
	struct filter_end how = {.verdict = verdict,
		.data = data,
		.plugin_id = p ? p->id : "?",
		.hook = step->hook,
		.reason = reason,
		.by_error = by_error,
		.is_too_large = f->is_too_large};

	f->done(f, &how);
}

static void
end_late(struct filter_run *f)
{
	struct filter_end how = {.verdict = HOOK_VERDICT_STOP,
		.reason = "no answer in time",
		.is_late = true};

	f->done(f, &how);
}

/* ---- one filter ---- */

static struct hook *
hook_now(const struct filter_run *f)
{
	const struct filter_step *step = &f->steps[f->at];
	struct hook *h = hooks_find(f->events, step->plugin, step->hook);

	return h && h->declared->hook.filter ? h : NULL;
}

static void
count(struct hook_counters *c, const struct filter_run *f,
	enum hook_call outcome, int verdict)
{
	c->calls[outcome]++;
	if (verdict >= 0) {
		c->verdicts[verdict]++;
		hook_counters_answered(c, clock_us() - f->request.accepted_us);
	} else if (f->steps[f->at].stops) {
		c->stopped++;
	} else {
		c->skipped++;
	}
}

/* verdict -1: none. The hook may be gone; its plugin counts nevertheless. */
static void
note(const struct filter_run *f, enum hook_call outcome, int verdict)
{
	struct plugin *p = gateway_plugin_by_number(
		f->events->gateway, f->steps[f->at].plugin);
	struct hook *h = hook_now(f);

	if (h)
		count(&h->counters, f, outcome, verdict);
	if (p && p->hooks)
		count(p->hooks, f, outcome, verdict);
}

/* The filter gave no verdict: its on_error decides. False: the run is over. */
static bool
on_error(struct filter_run *f, enum hook_call outcome, const char *text)
{
	const struct filter_step *step = &f->steps[f->at];
	struct hook *h = hook_now(f);
	char reason[512];

	note(f, outcome, -1);
	if (h)
		hook_log_failure(h,
			step->stops ? "failed, and stops"
				    : "failed, and is skipped",
			text);
	if (!step->stops) {
		f->at++;
		f->is_too_large = false;
		return true;
	}
	text_format(reason, sizeof(reason), "the filter failed: %s", text);
	end_at(f, HOOK_VERDICT_STOP, NULL, reason, true);
	return false;
}

static struct filter_run *
run_of(struct request *r)
{
	return container_of(r, struct filter_run, request);
}

static void
encode(struct request *r, msgpack_packer *p, uint32_t wire_id)
{
	struct filter_run *f = run_of(r);

	codec_request(p, wire_id, MESSAGE_HOOK, 5);
	codec_text(p, f->steps[f->at].hook);
	codec_text(p, f->name);
	codec_raw_buffer(p, &f->packed);
	codec_raw_buffer(p, &f->context);
	msgpack_pack_uint64(p, dispatch_deadline_ms(r));
}

static bool
route(struct request *r, struct route_match *match_out)
{
	struct hook *h = hook_now(run_of(r));

	if (!h)
		return false;
	*match_out = (struct route_match){
		.plugin = h->owner->plugin, .registration = h->index};
	return true;
}

/* ---- answers ---- */

static void
pack_data(struct filter_run *f)
{
	msgpack_packer p;

	buffer_clear(&f->packed);
	codec_packer(&p, &f->packed);
	value_pack(&p, f->data);
}

static void
change(struct filter_run *f, json_t *data)
{
	json_decref(f->data);
	f->data = data;
	f->is_changed = true;
	pack_data(f);
}

static void
take_verdict(struct filter_run *f, const msgpack_object *result)
{
	struct error err = {.text = ""};
	struct verdict v;

	if (verdict_read(&v, result, &err) < 0 ||
		(v.data && f->check(f, v.kind, v.data, &err) < 0)) {
		json_decref(v.data);
		if (on_error(f, HOOK_CALL_FAILED, err.text))
			go_on(f);
		return;
	}
	note(f, HOOK_CALL_DONE, v.kind);
	switch (v.kind) {
	case HOOK_VERDICT_CLAIM:
		f->answer = v.data;
		end_at(f, v.kind, v.data, NULL, false);
		return;
	case HOOK_VERDICT_STOP:
		end_at(f, v.kind, NULL, v.reason, false);
		return;
	case HOOK_VERDICT_CHANGE:
		change(f, v.data);
		break;
	default:
		break;
	}
	f->at++;
	go_on(f);
}

static bool
answer(struct request *r, const struct message *m)
{
	struct filter_run *f = run_of(r);
	char text[256];

	if (!m->error) {
		take_verdict(f, m->result);
		return false;
	}
	codec_read_error(m->error, text, sizeof(text));
	if (on_error(f, HOOK_CALL_FAILED, text))
		go_on(f);
	return false;
}

/* The request was not sent, or not answered. False: the run is over. */
static bool
failed(struct filter_run *f, enum request_failure why, const char *text)
{
	static const enum hook_call outcomes[REQUEST_FAILURE_COUNT] = {
		[REQUEST_OVERFLOW] = HOOK_CALL_ABSENT,
		[REQUEST_HELD_TOO_LONG] = HOOK_CALL_ABSENT,
		[REQUEST_UNAVAILABLE] = HOOK_CALL_ABSENT,
		[REQUEST_STOPPING] = HOOK_CALL_ABSENT,
		[REQUEST_DIED] = HOOK_CALL_DIED,
		[REQUEST_BAD_ANSWER] = HOOK_CALL_FAILED,
		[REQUEST_FAILED] = HOOK_CALL_FAILED,
		[REQUEST_LATE] = HOOK_CALL_LATE,
		[REQUEST_ENDED] = HOOK_CALL_DIED,
	};

	if (!f->limit_ms || clock_ms() < f->limit_ms)
		return on_error(f, outcomes[why], text);
	end_late(f);
	return false;
}

static void
fail(struct request *r, enum request_failure why, const char *text)
{
	struct filter_run *f = run_of(r);

	text = text ? text : request_failures[why].text;
	if (f->is_asking) { /* while it is submitted: go_on() looks at it */
		f->is_refused = true;
		f->refusal = why;
		f->refusal_text = text;
	} else if (failed(f, why, text)) {
		go_on(f);
	}
}

static void
describe(struct request *r, char *out, size_t size)
{
	const struct filter_run *f = run_of(r);

	text_format(out, size, "the hook %s", f->steps[f->at].hook);
}

static const struct request_ops ops = {
	.encode = encode,
	.route = route,
	.answer = answer,
	.fail = fail,
	.describe = describe,
};

/* ---- the chain ---- */

#define HEAD_MAX 64 /* bytes of a message beside strings and data */

/* Refuses data that does not fit into one message, such as arguments and a
 * result that only fit into one each. */
static bool
is_too_large(struct filter_run *f)
{
	size_t data = buffer_length(&f->packed);

	f->is_too_large = HEAD_MAX + strlen(f->steps[f->at].hook) +
				  strlen(f->name) + data +
				  buffer_length(&f->context) >
			  WIRE_MESSAGE_MAX;
	if (!f->is_too_large)
		return false;
	text_format(f->size_text, sizeof(f->size_text),
		"%s has %zu bytes of data, and a message at most %d", f->name,
		data, WIRE_MESSAGE_MAX);
	f->is_refused = true;
	f->refusal = REQUEST_FAILED;
	f->refusal_text = f->size_text;
	return true;
}

/* Asks the filter whose turn it is. False: there is no such filter by now. */
static bool
ask(struct filter_run *f, uint64_t now)
{
	const struct filter_step *step = &f->steps[f->at];
	struct gateway *g = f->events->gateway;
	struct hook *h = hook_now(f);
	uint64_t ms = step->timeout_ms;
	struct route_match match;

	if (!h || !event_match_holds(step->match, f->data))
		return false;
	if (is_too_large(f))
		return true;
	match = (struct route_match){
		.plugin = step->plugin, .registration = h->index};
	if (ms > f->due_ms - now)
		ms = f->due_ms - now;
	f->request.due_limit_ms = f->limit_ms;
	f->request.held_bytes = sizeof(*f) + buffer_length(&f->packed);
	f->is_refused = false;
	f->is_asking = true;
	if (f->trace.sampling)
		tracer_begin(&g->workers.tracer, &f->trace, &f->request.span);
	dispatch_submit(g, &f->request, &match, ms);
	f->is_asking = false;
	return true;
}

/* Goes on until a filter has been asked or the run is over; f may be freed
 * then.
 */
static void
go_on(struct filter_run *f)
{
	while (f->at < f->count) {
		uint64_t now = clock_ms();

		if (now >= f->due_ms) {
			if (!on_error(f, HOOK_CALL_LATE,
				    "the filters before it took too long"))
				return;
		} else if (!ask(f, now)) {
			f->at++;
		} else if (!f->is_refused ||
			   !failed(f, f->refusal, f->refusal_text)) {
			return;
		}
	}
	end_passed(f);
}

static void
take_steps(struct filter_run *f, struct hook **list)
{
	f->steps = memory_alloc((f->count + 1) * sizeof(*f->steps));
	for (uint32_t i = 0; i < f->count; i++) {
		const struct registration *r = list[i]->declared;

		f->steps[i] =
			(struct filter_step){.plugin = list[i]->owner->plugin,
				.hook = memory_copy_text(r->name),
				.timeout_ms = (uint64_t)r->hook.timeout_ms,
				.stops = hook_stops(r),
				.match = json_incref(r->hook.match)};
	}
}

void
filter_begin(struct filter_run *f, struct events *e,
	const struct filter_event *event)
{
	const struct event_source *source = event->source;
	msgpack_packer p;
	struct hook **list;

	*f = (struct filter_run){.events = e,
		.name = source->name,
		.data = json_incref(event->data),
		.trace = source->trace,
		.due_ms = clock_ms() + FILTER_CHAIN_MS,
		.limit_ms = event->limit_ms,
		.check = event->check,
		.done = event->done};
	f->request.ops = &ops;
	f->request.chain = source->chain;
	f->request.is_filter = true;
	list = filters_in_order(e, source->name, &f->count);
	take_steps(f, list);
	free(list);
	pack_data(f);
	codec_packer(&p, &f->context);
	event_pack_context(&p, source);
	go_on(f);
}

void
filter_finish(struct filter_run *f)
{
	if (!f->steps)
		return;
	if (f->request.id)
		dispatch_cancel(f->events->gateway, &f->request);
	for (uint32_t i = 0; i < f->count; i++) {
		free(f->steps[i].hook);
		json_decref(f->steps[i].match);
	}
	free(f->steps);
	f->steps = NULL;
	json_decref(f->data);
	json_decref(f->answer);
	buffer_finish(&f->packed);
	buffer_finish(&f->context);
}

json_t *
filter_end_view(const struct filter_end *end)
{
	return json_pack(
		"{s:s,s:s}", "plugin", end->plugin_id, "hook", end->hook);
}
