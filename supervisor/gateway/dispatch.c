/* dispatch: one way for every request: send, hold or refuse; replay or fail
 * when its worker dies. It never looks inside a request: its owner encodes it
 * and hears the answer. */
#include "supervisor/gateway/dispatch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/gateway/news.h"

/* The registration of a held request that the new set does not have. It fails
 * when it is released: its owner may send another at once, and that must not
 * be in the middle of a commit. */
#define GONE UINT32_MAX

static void request_due(struct wheel_timer *t);

enum route_verdict
dispatch_find_http(const struct gateway *g, struct bytes method,
	const struct path *path, struct route_match *out)
{
	return route_find_http(g->routes, method, path, out);
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

/* Ends a request that no worker has: after this its owner may free it. */
static void
refuse(struct gateway *g, struct request *r, enum request_failure why,
	const char *text)
{
	struct plugin *p = plugin_of(g, r);

	wheel_clear(&g->wheel, &r->deadline);
	request_table_remove(g->requests, r);
	if (p)
		p->counters.failed++;
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

/* Behind those that wait already. During a hand-over what is in flight ends,
 * and so must what it calls. */
static bool
must_wait(const struct plugin *p, const struct request *r)
{
	if (p->is_held)
		return !r->caller || r->caller != p->hold_passes;
	return p->hold.count > 0;
}

void
dispatch_submit(struct gateway *g, struct request *r,
	const struct route_match *match, uint64_t timeout_ms)
{
	struct plugin *p = gateway_plugin_by_number(g, match->plugin);
	struct worker *w = plugin_serving(p);

	r->plugin = match->plugin;
	r->registration = match->registration;
	r->worker = 0;
	r->place = REQUEST_NOWHERE;
	r->sends = 0;
	r->answered = r->cancelled = false;
	r->held_until_ms = 0;
	r->accepted_us = clock_us();
	r->due_ms = r->accepted_us / 1000 +
		    (timeout_ms ? timeout_ms
				: p->config->limits.request_timeout_ms);
	r->owner = g;
	list_init(&r->node);
	wheel_timer_init(&r->deadline, request_due);
	p->counters.requests++;
	if (!request_table_add(g->requests, r)) {
		p->counters.failed++;
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

	if (r->place == REQUEST_HELD) {
		hold_remove(&p->hold, r);
		refuse(g, r, late ? REQUEST_LATE : REQUEST_HELD_TOO_LONG, NULL);
		return;
	}
	w = plugin_worker(p, r->worker);
	assert(w);
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
	if (r->place == REQUEST_HELD) {
		hold_remove(&p->hold, r);
		request_table_remove(g->requests, r);
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

	if (!r->id || r->place != REQUEST_SENT)
		return;
	p = plugin_of(g, r);
	if (!r->answered) {
		r->due_ms = clock_ms() + p->config->limits.request_timeout_ms;
		wheel_set(&g->wheel, &r->deadline, r->due_ms);
	}
	worker_send_chunk(plugin_worker(p, r->worker), r, piece, more);
}

void
dispatch_credit(struct gateway *g, struct request *r, uint64_t bytes)
{
	if (r->id && r->place == REQUEST_SENT)
		worker_send_credit(
			plugin_worker(plugin_of(g, r), r->worker), r, bytes);
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
	if (!r->id || r->place != REQUEST_SENT)
		return 0;
	return worker_backlog(plugin_worker(plugin_of(g, r), r->worker));
}

uint64_t
dispatch_deadline_ms(const struct request *r)
{
	uint64_t now = clock_ms();

	return r->due_ms > now ? r->due_ms - now : 0;
}

void
dispatch_release(struct gateway *g, struct plugin *p)
{
	struct worker *w = plugin_serving(p);
	struct request *r;

	(void)g;
	while (w && !p->is_held && p->hold.count && worker_has_room(w)) {
		r = hold_pop(&p->hold);
		if (r->registration == GONE)
			refuse(g, r, REQUEST_UNAVAILABLE,
				"the new version no longer serves this");
		else
			send_to(p, w, r);
	}
}

/* ---- following a registration over a swap ---- */

struct search {
	const struct registration *wanted;
	uint32_t found;
};

static void
compare_row(const struct route_row *row, void *user)
{
	struct search *s = user;

	if (row->kind == s->wanted->kind &&
		!strcmp(row->declared->name, s->wanted->name))
		s->found = row->registration;
}

/* The index that the table's rows give a registration; UINT32_MAX: none. */
static uint32_t
find_in_rows(const struct gateway *g, const struct plugin *p,
	const struct registration *wanted)
{
	struct search s = {wanted, UINT32_MAX};

	route_table_each(g->routes, p->number, compare_row, &s);
	return s.found;
}

/* Where each old index goes: UINT32_MAX, nowhere. */
struct follow {
	const struct registration_set *set;
	uint32_t *index;
	uint32_t count;
};

static void
follow_row(const struct route_row *row, void *user)
{
	struct follow *f = user;
	const struct registration *to =
		registration_find(f->set, row->kind, row->declared->name);

	if (row->registration >= f->count) {
		uint32_t count = row->registration + 1;

		f->index = memory_resize(f->index, count * sizeof(uint32_t));
		while (f->count < count)
			f->index[f->count++] = UINT32_MAX;
	}
	if (to)
		f->index[row->registration] = (uint32_t)(to - f->set->items);
}

void
dispatch_follow(
	struct gateway *g, struct plugin *p, const struct registration_set *set)
{
	struct follow f = {.set = set};

	if (!p->hold.count)
		return;
	route_table_each(g->routes, p->number, follow_row, &f);
	list_for_each (node, &p->hold.queue) {
		struct request *r = container_of(node, struct request, node);

		r->registration = r->registration < f.count
					  ? f.index[r->registration]
					  : GONE;
	}
	free(f.index);
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
	r->place = REQUEST_NOWHERE;
	if (!may_replay(p, r) || g->stopping) {
		refuse(g, r, REQUEST_DIED, NULL);
		return;
	}
	if (w != p->active) {
		uint32_t index = find_in_rows(
			g, p, &w->registrations.items[r->registration]);

		if (index == UINT32_MAX) {
			refuse(g, r, REQUEST_DIED, NULL);
			return;
		}
		r->registration = index;
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
}
