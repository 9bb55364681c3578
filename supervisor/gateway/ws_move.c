/* ws_move: the pump. Its steps, in this order: open waiting connections at the
 * worker that serves, ask retired workers for theirs, and end those for which
 * there will be none. */
#include "supervisor/gateway/ws_move.h"

#include "proto/util/clock.h"
#include "proto/util/text.h"

#define WORKER_STOPPED "the worker that has it is stopped"

static struct ws_conn *
conn_of(struct list *node)
{
	return container_of(node, struct ws_conn, node);
}

/* ---- waiting for a worker ---- */

void
ws_move_wait(struct plugin *p, struct ws_conn *c, enum ws_how how)
{
	c->state = WS_WAITING;
	c->how = how;
	c->must_end = NULL;
	c->since_ms = clock_ms();
	list_append(&p->conns.moving, &c->node);
}

static void
cut(struct plugin *p, struct ws_conn *c, const char *reason)
{
	p->conns.cut++;
	ws_conn_end(c,
		p->gateway->stopping ? WS_CODE_GOING_AWAY : WS_CODE_RESTART,
		reason);
}

/* ---- ws.move ---- */

/* Nobody has it. What the worker had taken and not confirmed is lost. */
static void
lost(struct plugin *p, struct ws_conn *c)
{
	p->conns.messages_lost += c->unconfirmed + c->in_half;
}

static void
left(struct ws_conn *c, enum ws_how how)
{
	struct plugin *p = gateway_plugin_by_number(c->gateway, c->plugin);

	ws_conn_detach(c);
	ws_move_wait(p, c, how);
	if (c->out_half)
		cut(p, c, "a message was cut by a reload");
	ws_move_left(p);
}

static bool
move_answer(struct request *r, const struct message *m)
{
	struct ws_conn *c = container_of(r, struct ws_conn, ask);
	const msgpack_object *result = m->result;
	struct bytes blob = {0};

	if (!m->error && result->type == MSGPACK_OBJECT_ARRAY &&
		result->via.array.size >= 1 &&
		result->via.array.ptr[0].type == MSGPACK_OBJECT_BIN) {
		blob = codec_bytes(&result->via.array.ptr[0]);
		c->has_blob = blob.length <= WS_BLOB_MAX;
	}
	buffer_clear(&c->blob);
	if (c->has_blob)
		buffer_append(&c->blob, blob.at, blob.length);
	left(c, WS_HOW_MOVE);
	return false;
}

static void
move_fail(struct request *r, enum request_failure why, const char *text)
{
	struct ws_conn *c = container_of(r, struct ws_conn, ask);
	struct plugin *p = gateway_plugin_by_number(c->gateway, c->plugin);

	(void)text;
	if (why == REQUEST_DIED)
		lost(p, c);
	left(c, why == REQUEST_DIED ? WS_HOW_CRASH : WS_HOW_MOVE);
}

static void
move_encode(struct request *r, msgpack_packer *p, uint32_t wire_id)
{
	codec_request(p, wire_id, MESSAGE_WS_MOVE, 1);
	msgpack_pack_uint32(p, container_of(r, struct ws_conn, ask)->place.id);
}

static void
move_describe(struct request *r, char *out, size_t size)
{
	text_format(out, size, "the move of websocket %s",
		container_of(r, struct ws_conn, ask)->path);
}

static const struct request_ops move_ops = {
	.encode = move_encode,
	.answer = move_answer,
	.fail = move_fail,
	.describe = move_describe,
};

static void
move_due(struct wheel_timer *t)
{
	struct ws_conn *c = container_of(t, struct ws_conn, ask.deadline);

	worker_cancel(ws_conn_worker(c), &c->ask);
	move_fail(&c->ask, REQUEST_LATE, NULL);
}

static void
ask(struct plugin *p, struct worker *w, struct ws_conn *c)
{
	struct gateway *g = p->gateway;
	struct request *r = &c->ask;

	worker_remove_conn(w, &c->node);
	c->state = WS_LEAVING;
	p->conns.leaving++;
	*r = (struct request){.ops = &move_ops, .plugin = p->number};
	list_init(&r->node);
	wheel_timer_init(&r->deadline, move_due);
	r->owner = g;
	r->due_ms = clock_ms() + WS_MOVE_MS;
	if (!request_table_add(g->requests, r)) {
		left(c, WS_HOW_MOVE);
		return;
	}
	wheel_set(&g->wheel, &r->deadline, r->due_ms);
	worker_send(w, r);
}

/* ---- the pump ---- */

static bool
ends_all(const struct plugin *p)
{
	return p->stopped || !p->enabled || p->removed;
}

/* The worker of the next connection to be moved or ended. */
static struct worker *
next_retired(struct plugin *p, bool may_ask)
{
	list_for_each (node, &p->others) {
		struct worker *w = container_of(node, struct worker, node);

		if (w->state != WORKER_DRAINING)
			continue;
		if (may_ask && !list_is_empty(&w->conns))
			return w;
		if ((w->ends_pinned || ends_all(p)) &&
			!list_is_empty(&w->pinned))
			return w;
	}
	return NULL;
}

static void
reopen(struct plugin *p, struct ws_conn *c)
{
	struct route_match match;

	list_remove(&c->node);
	if (!ws_conn_find_route(c, &match)) {
		cut(p, c, "the new version no longer serves this");
		return;
	}
	p->conns.reopening++;
	ws_conn_reopen(c, &match);
}

static bool
is_overdue(const struct plugin *p, const struct ws_conn *c)
{
	return clock_ms() >= c->since_ms + p->config->limits.hold_timeout_ms;
}

/* One step with a connection that waits; false: it goes on waiting. */
static bool
step_waiting(struct plugin *p)
{
	struct ws_conn *c = conn_of(p->conns.moving.next);

	if (list_is_empty(&p->conns.moving))
		return false;
	if (c->must_end)
		cut(p, c, c->must_end);
	else if (!plugin_will_be_back(p))
		cut(p, c, "the plugin is not running");
	else if (plugin_serving(p) && p->conns.reopening < WS_MOVES_MAX)
		reopen(p, c);
	else if (is_overdue(p, c))
		cut(p, c, "no worker was ready in time");
	else
		return false;
	return true;
}

/* One step with a connection of a retired worker; false: there is none now. */
static bool
step_retired(struct plugin *p)
{
	bool all = ends_all(p);
	bool may_ask = all || p->conns.leaving < WS_MOVES_MAX;
	struct worker *w = next_retired(p, may_ask);
	struct ws_conn *c;

	if (!w)
		return false;
	if (all || !may_ask || list_is_empty(&w->conns)) {
		c = conn_of(may_ask && !list_is_empty(&w->conns)
				    ? w->conns.next
				    : w->pinned.next);
		cut(p, c, all ? "the plugin is stopped" : WORKER_STOPPED);
		return true;
	}
	c = conn_of(w->conns.next);
	if (c->in_half)
		cut(p, c, "a message was cut by a reload");
	else
		ask(p, w, c);
	return true;
}

static void
pump_due(struct wheel_timer *t)
{
	ws_move_pump(container_of(t, struct plugin, conns.due));
}

static void
set_due(struct plugin *p, uint64_t due_ms)
{
	p->conns.due.fire = pump_due;
	wheel_set(&p->gateway->wheel, &p->conns.due, due_ms);
}

void
ws_move_soon(struct plugin *p)
{
	set_due(p, clock_ms());
}

void
ws_move_pump(struct plugin *p)
{
	int steps = 0;

	if (p->conns.is_pumping || (!p->conns.count && !p->conns.leaving))
		return;
	p->conns.is_pumping = true;
	while (steps < WS_STEPS_MAX && (step_waiting(p) || step_retired(p)))
		steps++;
	p->conns.is_pumping = false;
	if (steps == WS_STEPS_MAX)
		ws_move_soon(p);
	else if (!list_is_empty(&p->conns.moving))
		set_due(p, conn_of(p->conns.moving.next)->since_ms +
				   p->config->limits.hold_timeout_ms);
}

void
ws_move_left(struct plugin *p)
{
	p->conns.leaving--;
	ws_move_pump(p);
}

void
ws_move_reopened(struct plugin *p)
{
	p->conns.reopening--;
	ws_move_pump(p);
}

/* ---- ends ---- */

void
ws_move_end_some(struct plugin *p, struct worker *w)
{
	for (int i = 0; i < WS_STEPS_MAX && w->state == WORKER_DRAINING; i++) {
		struct list *of =
			list_is_empty(&w->conns) ? &w->pinned : &w->conns;

		if (list_is_empty(of))
			return;
		cut(p, conn_of(of->next), "the drain of the worker is over");
	}
}

static void
take_all(struct plugin *p, struct list *of, bool may_move)
{
	while (!list_is_empty(of)) {
		struct ws_conn *c = conn_of(of->next);

		lost(p, c);
		ws_conn_detach(c);
		ws_move_wait(p, c, WS_HOW_CRASH);
		if (c->in_half || c->out_half)
			c->must_end = "a message was cut by the end of its "
				      "worker";
		else if (!may_move)
			c->must_end = WORKER_STOPPED;
	}
}

/* A worker that supd stopped ends the connections that were to stay with it. */
void
ws_move_lose(struct plugin *p, struct worker *w)
{
	take_all(p, &w->conns, true);
	take_all(p, &w->pinned, w->error.text[0] != '\0');
	ws_move_soon(p);
}

void
ws_move_finish(struct plugin *p)
{
	while (!list_is_empty(&p->conns.moving))
		cut(p, conn_of(p->conns.moving.next), "the plugin is removed");
	wheel_clear(&p->gateway->wheel, &p->conns.due);
}
