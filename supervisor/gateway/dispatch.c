/* dispatch: the one path of every request: send, hold or refuse; replay or fail
 * if its worker dies. Dispatch never looks inside a request: the owner encodes
 * the request and receives the answer. */
#include "supervisor/gateway/dispatch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/gateway/news.h"
#include "supervisor/gateway/ws_move.h"
#include "supervisor/ops/probes.h"
#include "supervisor/plugin/span.h"

static void request_due(struct wheel_timer *t);

enum route_verdict
dispatch_find_http(const struct gateway *g, struct bytes method,
	const struct path *path, struct route_match *out)
{
	return route_find_http(g->routes, method, path, out);
}

enum route_verdict
dispatch_find_websocket(const struct gateway *g, const struct path *path,
	struct route_match *out)
{
	return route_find_websocket(g->routes, path, out);
}

enum route_verdict
dispatch_find_name(const struct gateway *g, enum registration_kind kind,
	struct bytes name, struct route_match *out)
{
	return route_find_name(g->routes, kind, name, out);
}

static struct plugin *
plugin_of(const struct gateway *g, const struct request *r)
{
	return gateway_plugin_by_number(g, r->plugin);
}

/* Ends a request that is with no worker. The owner may free it afterwards. */
static void
refuse(struct gateway *g, struct request *r, enum request_failure why,
	const char *text)
{
	struct plugin *p = plugin_of(g, r);

	wheel_clear(&g->wheel, &r->deadline);
	request_table_remove(g->requests, r);
	if (p)
		p->counters.failed++;
	span_failed(&g->workers, NULL, p ? p->id : NULL, r, why, text);
	r->ops->fail(r, why, text);
}

static void
overflow(struct gateway *g, struct plugin *p, struct request *r)
{
	news_overflow(p);
	refuse(g, r, REQUEST_OVERFLOW, NULL);
}

static void
send_to(struct plugin *p, struct worker *w, struct request *r)
{
	struct gateway *g = p->gateway;

	if (r->held_until_ms) {
		r->held_until_ms = 0;
		wheel_set(&g->wheel, &r->deadline, r->due_ms);
	}
	r->sends++;
	PROBE_DISPATCH(r->id, p->id, w->generation, r->sends);
	worker_send(w, r);
}

static void
wait_until(struct gateway *g, struct plugin *p, struct request *r)
{
	uint64_t until = clock_ms() + p->config->limits.hold_timeout_ms;

	r->held_until_ms = until;
	wheel_set(
		&g->wheel, &r->deadline, until < r->due_ms ? until : r->due_ms);
}

/* A request waits behind those that are already held. During a hand-over the
 * requests in flight finish, so calls that they make must pass the hold. */
static bool
must_wait(const struct plugin *p, const struct request *r)
{
	if (p->is_held)
		return !r->caller || r->caller != p->hold_passes;
	return p->hold.count > 0;
}

void
dispatch_begin_span(struct gateway *g, struct request *r)
{
	static const struct trace_context none;

	if (!r->span.context.sampling)
		tracer_begin(&g->workers.tracer,
			r->chain ? &r->chain->trace : &none, &r->span);
}

void
dispatch_submit(struct gateway *g, struct request *r,
	const struct route_match *match, uint64_t timeout_ms)
{
	struct plugin *p = gateway_plugin_by_number(g, match->plugin);
	struct worker *w = plugin_serving(p);

	r->plugin = match->plugin;
	r->registration = match->registration;
	r->routes = route_table_generation(g->routes);
	r->worker = 0;
	r->where = REQUEST_NOWHERE;
	r->sends = 0;
	r->answered = r->cancelled = r->waits = false;
	r->held_until_ms = 0;
	r->accepted_us = clock_us();
	if (g->workers.tracer.is_on)
		dispatch_begin_span(g, r);
	if (!timeout_ms)
		timeout_ms = p->config->limits.request_timeout_ms;
	if (timeout_ms > WIRE_DEADLINE_MAX_MS)
		timeout_ms = WIRE_DEADLINE_MAX_MS;
	r->due_ms = r->accepted_us / 1000 + timeout_ms;
	if (r->due_limit_ms && r->due_ms > r->due_limit_ms)
		r->due_ms = r->due_limit_ms;
	r->owner = g;
	list_init(&r->node);
	wheel_timer_init(&r->deadline, request_due);
	p->counters.requests++;
	if (!request_table_add(g->requests, r)) {
		p->counters.failed++;
		span_failed(
			&g->workers, NULL, p->id, r, REQUEST_OVERFLOW, NULL);
		r->ops->fail(r, REQUEST_OVERFLOW, NULL);
	} else if (g->stopping) {
		refuse(g, r, REQUEST_STOPPING, NULL);
	} else if (w && !must_wait(p, r) && worker_has_room(w)) {
		wheel_set(&g->wheel, &r->deadline, r->due_ms);
		send_to(p, w, r);
	} else if (!plugin_will_be_back(p)) {
		refuse(g, r, REQUEST_UNAVAILABLE, NULL);
	} else if (hold_push(&p->hold, r)) {
		wait_until(g, p, r);
	} else {
		overflow(g, p, r);
	}
}

static void
request_due(struct wheel_timer *t)
{
	struct request *r = container_of(t, struct request, deadline);
	struct gateway *g = r->owner;
	struct plugin *p = plugin_of(g, r);
	bool late = clock_ms() >= r->due_ms;
	struct worker *w;

	if (r->where == REQUEST_HELD && !late && p->keeps_held) {
		wait_until(g, p, r);
		return;
	}
	if (r->where == REQUEST_HELD) {
		hold_remove(&p->hold, r);
		refuse(g, r, late ? REQUEST_LATE : REQUEST_HELD_TOO_LONG, NULL);
		return;
	}
	w = plugin_worker(p, r->worker);
	assert(w);
	span_failed(&g->workers, w, p->id, r, REQUEST_LATE, NULL);
	worker_cancel(w, r);
	p->counters.failed++;
	r->ops->fail(r, REQUEST_LATE, NULL);
}

void
dispatch_cancel(struct gateway *g, struct request *r)
{
	struct plugin *p = plugin_of(g, r);

	if (!r->id)
		return;
	p->counters.cancelled++;
	wheel_clear(&g->wheel, &r->deadline);
	if (r->where == REQUEST_HELD) {
		hold_remove(&p->hold, r);
		request_table_remove(g->requests, r);
		span_cancelled(&g->workers, NULL, p->id, r);
	} else {
		struct worker *w = plugin_worker(p, r->worker);

		w->left_total++;
		worker_cancel(w, r);
	}
}

void
dispatch_send_chunk(
	struct gateway *g, struct request *r, struct bytes piece, bool more)
{
	struct plugin *p;

	if (!r->id || r->where != REQUEST_SENT)
		return;
	p = plugin_of(g, r);
	if (!r->answered && !r->is_long) {
		r->due_ms = clock_ms() + p->config->limits.request_timeout_ms;
		wheel_set(&g->wheel, &r->deadline, r->due_ms);
	}
	worker_send_chunk(plugin_worker(p, r->worker), r, piece, more);
}

uint32_t
dispatch_in_flight(struct gateway *g, const struct request *r)
{
	const struct worker *w;

	if (!r->id || r->where != REQUEST_SENT)
		return 0;
	w = plugin_worker(plugin_of(g, r), r->worker);
	return w ? w->in_flight_count : 0;
}

void
dispatch_credit(struct gateway *g, struct request *r, uint64_t bytes)
{
	if (r->id && r->where == REQUEST_SENT)
		worker_send_credit(
			plugin_worker(plugin_of(g, r), r->worker), r, bytes);
}

void
dispatch_note_waiting(struct gateway *g, struct request *r, bool waits)
{
	if (r->id && r->where == REQUEST_SENT)
		worker_note_waiting(
			plugin_worker(plugin_of(g, r), r->worker), r, waits);
}

void
dispatch_note_answer(struct gateway *g, const struct request *r, int status)
{
	struct plugin *p = plugin_of(g, r);
	uint64_t now_us = gateway_turn_us(g);

	if (!p)
		return;
	p->counters.answers[status >= 100 && status < 600 ? status / 100 : 5]++;
	metrics_observe(&p->counters.latency,
		now_us > r->accepted_us ? now_us - r->accepted_us : 0);
}

void
dispatch_note_failure(
	struct gateway *g, const struct request *r, enum request_failure why)
{
	struct plugin *p = plugin_of(g, r);

	if (p)
		p->counters.failures[why]++;
}

bool
dispatch_has_room(const struct gateway *g, const struct plugin *p)
{
	struct worker *w = plugin_serving(p);

	return w && !g->stopping && !p->is_held && !p->hold.count &&
	       worker_has_room(w);
}

bool
dispatch_is_available(const struct gateway *g, const struct route_match *match)
{
	struct plugin *p = gateway_plugin_by_number(g, match->plugin);

	return !g->stopping && (plugin_serving(p) || plugin_will_be_back(p));
}

const char *
dispatch_plugin_id(const struct gateway *g, const struct route_match *match)
{
	return gateway_plugin_by_number(g, match->plugin)->id;
}

uint32_t
dispatch_generation(const struct gateway *g, const struct request *r)
{
	struct plugin *p = plugin_of(g, r);
	struct worker *w = p ? plugin_worker(p, r->worker) : NULL;

	return w ? w->generation : 0;
}

size_t
dispatch_backlog(const struct gateway *g, const struct request *r)
{
	if (!r->id || r->where != REQUEST_SENT)
		return 0;
	return worker_backlog(plugin_worker(plugin_of(g, r), r->worker));
}

uint64_t
dispatch_deadline_ms(const struct request *r)
{
	uint64_t now = clock_ms();

	/* 0 would mean that there is none */
	return r->due_ms > now ? r->due_ms - now : 1;
}

/* Looks up a request that is with no worker again if the routes have changed.
 * False: the plugin no longer serves it. */
static bool
look_up_again(const struct gateway *g, struct request *r)
{
	uint64_t routes = route_table_generation(g->routes);
	struct route_match match;

	if (r->routes == routes)
		return true;
	if (!r->ops->route(r, &match) || match.plugin != r->plugin)
		return false;
	r->registration = match.registration;
	r->routes = routes;
	return true;
}

/* Held requests are looked up again here and not in a commit, because a request
 * that fails may make its owner submit another at once. */
void
dispatch_release(struct gateway *g, struct plugin *p)
{
	struct worker *w = plugin_serving(p);
	struct request *r;

	while (w && !p->is_held && p->hold.count && worker_has_room(w)) {
		r = hold_pop(&p->hold);
		if (look_up_again(g, r))
			send_to(p, w, r);
		else
			refuse(g, r, REQUEST_UNAVAILABLE,
				"the new version no longer serves this");
	}
	if (g->on_release)
		g->on_release(g, p);
	if (p->ticks_wait)
		g->on_ticks(g, p);
	if (p->sends_wait)
		g->on_sends(g, p);
}

/* ---- when a worker dies ---- */

static bool
may_replay(const struct plugin *p, const struct request *r)
{
	return r->replayable && !r->answered && r->sends < 2 &&
	       clock_ms() < r->due_ms && plugin_will_be_back(p);
}

void
dispatch_orphan(struct gateway *g, struct plugin *p, const struct worker *w,
	struct request *r)
{
	r->worker = 0;
	r->where = REQUEST_NOWHERE;
	if (!may_replay(p, r) || g->stopping) {
		refuse(g, r, REQUEST_DIED, NULL);
		return;
	}
	if (w != p->active && !look_up_again(g, r)) {
		refuse(g, r, REQUEST_DIED, NULL);
		return;
	}
	if (!hold_return(&p->hold, r)) {
		overflow(g, p, r);
		return;
	}
	p->counters.replayed++;
	wait_until(g, p, r);
	if (w != p->active)
		dispatch_release(g, p);
}

void
dispatch_fail_held(
	struct gateway *g, struct plugin *p, enum request_failure why)
{
	struct request *r;

	while ((r = hold_pop(&p->hold)))
		refuse(g, r, why, NULL);
	if (!list_is_empty(&p->conns.moving))
		ws_move_soon(p);
}
