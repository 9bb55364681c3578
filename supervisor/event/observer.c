/* observer: takes events for one hook and sends them, one at a time and in
 * order, to the worker that serves. An event that could not be sent waits here
 * for as long as its plugin has the hook, not in the plugin's hold queue. */
#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/text.h"
#include "supervisor/event/hook.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/gateway/news.h"

#define REPORT_MS 1000
#define RETRY_MS 100
#define SENDS_MAX 2

/* ---- losses ---- */

static void
report(struct hook *h, enum hook_loss why)
{
	struct plugin *p = hook_plugin(h);
	const char *reason = hook_loss_texts[why];
	uint64_t lost = h->unreported[why];

	h->unreported[why] = 0;
	log_write(LOG_WARN, &(struct log_subject){.plugin = p->id},
		"hook %s lost %llu event%s: %s", h->name,
		(unsigned long long)lost, lost == 1 ? "" : "s", reason);
	news_plugin(p, "hook.lost",
		json_pack("{s:s,s:s,s:I,s:I,s:I}", "hook", h->name, "reason",
			reason, "lost", (json_int_t)lost, "lostTotal",
			(json_int_t)hook_counters_lost(&h->counters), "queued",
			(json_int_t)h->queue.count));
}

static void
report_due(struct wheel_timer *t)
{
	struct hook *h = container_of(t, struct hook, report_again);

	h->reported_ms = clock_ms();
	for (int why = 0; why < HOOK_LOSS_COUNT; why++)
		if (h->unreported[why])
			report(h, (enum hook_loss)why);
}

static bool
is_report(const struct event *event)
{
	static const char name[] = "\xa9hook.lost"; /* as packed */

	return bytes_equal(event->name, (struct bytes){name, sizeof(name) - 1});
}

/* Counts it, and reports it soon, but not more than once a second. An event
 * about a loss that is itself lost is only counted: a hook that is stuck would
 * never be silent. */
static void
lose(struct hook *h, struct event *event, enum hook_loss why)
{
	struct gateway *g = h->owner->events->gateway;
	uint64_t now = clock_ms(), due = h->reported_ms + REPORT_MS;

	hook_count_loss(h, why);
	if (!event->lost)
		event->lost = hook_loss_texts[why];
	if (h->is_gone || is_report(event))
		return;
	h->unreported[why]++;
	if (!wheel_timer_is_set(&h->report_again))
		wheel_set(&g->wheel, &h->report_again, due > now ? due : now);
}

/* ---- queue ---- */

void
observer_wake(struct hook_owner *o)
{
	struct events *e = o->events;

	if (!list_is_empty(&o->ready))
		return;
	list_append(&e->ready, &o->ready);
	if (!ev_is_active(&e->pump)) {
		ev_timer_set(&e->pump, 0, 0);
		ev_timer_start(e->gateway->loop, &e->pump);
	}
}

/* A hook with events, none of which is in flight, waits for its turn. */
static void
queue_up(struct hook *h)
{
	if (h->current || !h->queue.count || !list_is_empty(&h->wait))
		return;
	list_append(&h->owner->waiting, &h->wait);
	if (!h->owner->is_stuck)
		observer_wake(h->owner);
}

bool
observer_take(struct hook *h, struct event *event)
{
	if (!event_queue_push(&h->queue, event)) {
		lose(h, event, HOOK_LOST_FULL);
		return false;
	}
	queue_up(h);
	return true;
}

/* ---- the event in flight ---- */

static struct hook *
hook_of(struct request *r)
{
	return container_of(r, struct hook, request);
}

static void
encode(struct request *r, msgpack_packer *p, uint32_t wire_id)
{
	struct hook *h = hook_of(r);

	codec_request(p, wire_id, MESSAGE_HOOK, 5);
	codec_text(p, h->name);
	event_pack(h->current, p);
	msgpack_pack_uint64(p, dispatch_deadline_ms(r));
}

void
hook_log_failure(struct hook *h, const char *what, const char *text)
{
	struct plugin *p = hook_plugin(h);
	uint64_t now = clock_ms();

	if (h->logged_ms && now - h->logged_ms < REPORT_MS)
		return;
	h->logged_ms = now;
	log_write(LOG_WARN, &(struct log_subject){.plugin = p->id},
		"hook %s %s%s%s", h->name, what, text ? ": " : "",
		text ? text : "");
}

/* The event is handled, or given up. */
static void
end_current(struct hook *h)
{
	struct event *event = h->current;

	h->current = NULL;
	h->request.chain = NULL;
	h->sends = 0;
	events_note_end(h->owner->events, event);
	event_unref(event);
	queue_up(h);
	hook_free_if_gone(h);
}

static bool
answer(struct request *r, const struct message *m)
{
	struct hook *h = hook_of(r);
	char text[256];

	hook_count_answer(h);
	hook_count_call(h, m->error ? HOOK_CALL_FAILED : HOOK_CALL_DONE);
	if (m->error) {
		codec_read_error(m->error, text, sizeof(text));
		hook_log_failure(h, "failed", text);
	}
	end_current(h);
	return false;
}

/* The event was not handled; it is sent again when there is room. */
static void
put_back(struct hook *h)
{
	event_queue_return(&h->queue, h->current);
	h->current = NULL;
	h->request.chain = NULL;
	queue_up(h);
}

static void
died(struct hook *h)
{
	hook_count_call(h, HOOK_CALL_DIED);
	if (!h->is_gone && (h->declared->idempotent > 0 || h->current->watch) &&
		h->sends < SENDS_MAX) {
		h->repeats++;
		put_back(h);
		return;
	}
	lose(h, h->current, HOOK_LOST_DIED);
	end_current(h);
}

/* The event never reached a worker. */
static void
not_sent(struct hook *h, enum request_failure why)
{
	struct events *e = h->owner->events;

	if (h->is_gone) {
		lose(h, h->current, HOOK_LOST_GONE);
		end_current(h);
		return;
	}
	h->sends--;
	h->owner->is_stuck = true;
	put_back(h);
	if (why == REQUEST_OVERFLOW && !wheel_timer_is_set(&e->retry))
		wheel_set(&e->gateway->wheel, &e->retry, clock_ms() + RETRY_MS);
}

static void
fail(struct request *r, enum request_failure why, const char *text)
{
	struct hook *h = hook_of(r);

	switch (why) {
	case REQUEST_OVERFLOW:
	case REQUEST_HELD_TOO_LONG:
	case REQUEST_UNAVAILABLE:
	case REQUEST_STOPPING:
		not_sent(h, why);
		return;
	case REQUEST_DIED:
	case REQUEST_ENDED:
		died(h);
		return;
	case REQUEST_LATE:
		hook_count_call(h, HOOK_CALL_LATE);
		hook_log_failure(h, "did not answer in time", NULL);
		break;
	default:
		hook_count_call(h, HOOK_CALL_FAILED);
		hook_log_failure(h, "failed", text);
	}
	end_current(h);
}

static void
describe(struct request *r, char *out, size_t size)
{
	text_format(out, size, "the hook %s", hook_of(r)->name);
}

/* Its requests are sent at once, so they are never looked up again. */
static bool
route(struct request *r, struct route_match *match_out)
{
	(void)r, (void)match_out;
	return false;
}

static const struct request_ops ops = {
	.encode = encode,
	.route = route,
	.answer = answer,
	.fail = fail,
	.describe = describe,
};

void
observer_init(struct hook *h)
{
	h->request.ops = &ops;
	list_init(&h->request.node);
	wheel_timer_init(&h->report_again, report_due);
}

static void
send_next(struct hook *h)
{
	const struct route_match match = {
		.plugin = h->owner->plugin, .registration = h->index};

	list_remove(&h->wait);
	h->current = event_queue_pop(&h->queue);
	h->request.chain = h->current->chain;
	if (h->current->trace.sampling)
		tracer_begin(&h->owner->events->gateway->workers.tracer,
			&h->current->trace, &h->request.span);
	h->sends++;
	dispatch_submit(h->owner->events->gateway, &h->request, &match,
		(uint64_t)h->declared->hook.timeout_ms);
}

void
observer_pump(struct hook_owner *o)
{
	struct gateway *g = o->events->gateway;
	const struct plugin *p = gateway_plugin_by_number(g, o->plugin);

	o->is_stuck = false;
	while (p && !list_is_empty(&o->waiting) && !o->is_stuck &&
		dispatch_has_room(g, p))
		send_next(container_of(o->waiting.next, struct hook, wait));
}

void
observer_finish(struct hook *h)
{
	struct gateway *g = h->owner->events->gateway;
	uint32_t count = h->queue.count;
	struct event *event;

	list_remove(&h->wait);
	wheel_clear(&g->wheel, &h->report_again);
	while ((event = event_queue_pop(&h->queue))) {
		hook_count_loss(h, HOOK_LOST_GONE);
		event->lost = hook_loss_texts[HOOK_LOST_GONE];
		events_note_end(h->owner->events, event);
		event_unref(event);
	}
	event_queue_clear(&h->queue);
	if (count)
		hook_log_failure(
			h, "is gone with events that wait for it", NULL);
}
