/* ws_conn: opens connections at workers, and ends them on both sides. Messages
 * are in ws_message.c. */
#include "supervisor/gateway/ws_conn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/gateway/ws_move.h"

static struct ws_conn *
conn_of(struct request *ask)
{
	return container_of(ask, struct ws_conn, ask);
}

static struct plugin *
plugin_of(const struct ws_conn *c)
{
	return gateway_plugin_by_number(c->gateway, c->plugin);
}

struct worker *
ws_conn_worker(const struct ws_conn *c)
{
	return c->place.where == REQUEST_OPEN
		       ? plugin_worker(plugin_of(c), c->place.worker)
		       : NULL;
}

/* ---- the worker that has it ---- */

static void
attach(struct ws_conn *c, struct worker *w)
{
	c->state = WS_OPEN;
	c->place.worker = w->id;
	c->place.where = REQUEST_OPEN;
	c->generation = w->generation;
	c->credit = WIRE_CREDIT_BYTES;
	c->uncredited = c->unconfirmed = c->out_bytes = 0;
	c->in_half = c->out_half = c->has_blob = false;
	buffer_finish(&c->blob);
	free(c->protocols);
	c->protocols = NULL;
	worker_add_conn(w, &c->node, c->pinned);
}

void
ws_conn_detach(struct ws_conn *c)
{
	struct worker *w = ws_conn_worker(c);

	/* one that leaves is on no list of its worker */
	if (w && c->state == WS_OPEN)
		worker_remove_conn(w, &c->node);
	c->place.worker = 0;
	c->place.where = REQUEST_NOWHERE;
}

void
ws_conn_forget(struct ws_conn *c)
{
	struct plugin *p = plugin_of(c);
	enum ws_state was = c->state;

	ws_conn_detach(c);
	list_remove(&c->node);
	list_remove(&c->congested_node);
	request_table_remove(c->gateway->requests, &c->place);
	c->state = WS_GONE;
	p->conns.count -= was != WS_OPENING;
	if (was == WS_LEAVING)
		ws_move_left(p);
	else if (was == WS_REOPENING)
		ws_move_reopened(p);
}

/* Cancels what is asked, and closes the connection at the worker, which may
 * cross with an answer that it has sent. */
static void
leave(struct ws_conn *c, unsigned code, struct bytes reason)
{
	struct worker *w = ws_conn_worker(c);

	if (c->ask.id && c->state != WS_LEAVING) {
		if (c->ask.where == REQUEST_SENT)
			w = plugin_worker(plugin_of(c), c->ask.worker);
		dispatch_cancel(c->gateway, &c->ask);
	} else if (c->ask.id) {
		worker_cancel(w, &c->ask);
	}
	if (w)
		worker_send_ws_close(w, c->place.id, code, reason);
}

void
ws_conn_closed(struct ws_conn *c, unsigned code, struct bytes reason)
{
	if (c->state == WS_GONE)
		return;
	leave(c, code, reason);
	ws_conn_forget(c);
}

static void
end(struct ws_conn *c, unsigned code, struct bytes reason)
{
	leave(c, code, reason);
	ws_conn_forget(c);
	c->ops->close(c, code, reason);
}

void
ws_conn_end(struct ws_conn *c, unsigned code, const char *reason)
{
	end(c, code, bytes_of(reason));
}

/* ---- ws.open ---- */

static void
pack_moved(const struct ws_conn *c, msgpack_packer *p)
{
	if (c->how == WS_HOW_NEW) {
		msgpack_pack_nil(p);
		return;
	}
	msgpack_pack_map(p, 2);
	codec_text(p, "how");
	codec_text(p, c->how == WS_HOW_MOVE ? "move" : "crash");
	codec_text(p, "blob");
	if (c->has_blob)
		codec_bin(
			p, (struct bytes){(const char *)buffer_bytes(&c->blob),
				   buffer_length(&c->blob)});
	else
		msgpack_pack_nil(p);
}

static void
open_encode(struct request *r, msgpack_packer *p, uint32_t wire_id)
{
	const struct ws_conn *c = conn_of(r);

	codec_request(p, wire_id, MESSAGE_WS_OPEN, 9);
	msgpack_pack_uint32(p, c->place.id);
	msgpack_pack_uint32(p, r->registration);
	codec_text(p, c->path);
	codec_raw_buffer(p, &c->params);
	codec_raw_buffer(p, &c->rest);
	pack_moved(c, p);
	msgpack_pack_uint64(p, dispatch_deadline_ms(r));
}

void
ws_conn_take_route(struct ws_conn *c, const struct route_match *match)
{
	const struct registration *declared = match->row->declared;
	msgpack_packer p;

	buffer_clear(&c->params);
	codec_packer(&p, &c->params);
	msgpack_pack_map(&p, match->param_count);
	for (unsigned i = 0; i < match->param_count; i++) {
		codec_text(&p, match->params[i].name);
		codec_str(&p, match->params[i].value);
	}
	c->plugin = match->plugin;
	c->pinned = declared->http.pinned;
	c->message_limit = declared->http.message_limit >= 0
				   ? (uint64_t)declared->http.message_limit
				   : REGISTRATION_MESSAGE_LIMIT;
	c->ask.replayable = registration_is_idempotent(declared, "GET", 3);
	free(c->protocols);
	c->protocols = memory_copy_text(declared->http.protocols);
}

bool
ws_conn_find_route(struct ws_conn *c, struct route_match *match_out)
{
	struct path path;

	if (path_split(&path, bytes_of(c->path), NULL) < 0 ||
		dispatch_find_websocket(c->gateway, &path, match_out) !=
			ROUTE_FOUND ||
		match_out->plugin != c->plugin)
		return false;
	ws_conn_take_route(c, match_out);
	match_out->param_count = 0; /* they point into the path */
	return true;
}

static bool
open_route(struct request *r, struct route_match *match_out)
{
	return ws_conn_find_route(conn_of(r), match_out);
}

/* Whether a worker believes that it has the connection. */
static bool
accepts(const struct message *m)
{
	const msgpack_object_array *a = &m->result->via.array;

	return !m->error && m->result->type == MSGPACK_OBJECT_ARRAY &&
	       a->size >= 1 &&
	       a->ptr[0].type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
	       a->ptr[0].via.u64 == 101;
}

/* Whether the successor goes on with it: 101, and the protocol that the client
 * got. */
static bool
goes_on(const struct ws_conn *c, const struct message *m)
{
	const msgpack_object_array *a = &m->result->via.array;
	struct bytes protocol;

	if (!accepts(m) || a->size < 3)
		return false;
	protocol = codec_bytes(&a->ptr[2]);
	return !protocol.length ||
	       bytes_equal(protocol, bytes_of(c->protocol ? c->protocol : ""));
}

static void
opened(struct ws_conn *c, struct worker *w, bool is_first)
{
	struct plugin *p = plugin_of(c);

	attach(c, w);
	if (is_first) {
		p->conns.count++;
		p->conns.opened++;
	} else {
		p->conns.moved++;
		ws_move_reopened(p);
	}
	if (w != p->active) /* it was retired meanwhile */
		ws_move_soon(p);
	c->ops->room(c);
}

static bool
open_answer(struct request *r, const struct message *m)
{
	struct ws_conn *c = conn_of(r);
	bool is_first = c->state == WS_OPENING;
	struct worker *w = plugin_worker(plugin_of(c), r->last_worker);
	uint32_t id = c->place.id;

	if (is_first ? c->ops->answer(c, m) : goes_on(c, m)) {
		opened(c, w, is_first);
		return false;
	}
	if (accepts(m))
		worker_send_ws_close(w, id, WS_CODE_FAULT,
			BYTES("the answer cannot be passed on"));
	if (!is_first) {
		plugin_of(c)->conns.cut++;
		ws_conn_end(c, WS_CODE_RESTART,
			"the new version does not take it over");
	}
	return false;
}

static void
open_fail(struct request *r, enum request_failure why, const char *text)
{
	struct ws_conn *c = conn_of(r);
	struct plugin *p = plugin_of(c);
	struct worker *w = plugin_worker(p, r->last_worker);

	dispatch_note_failure(c->gateway, r, why);
	/* it may have answered in the meantime */
	if (w && why != REQUEST_DIED)
		worker_send_ws_close(
			w, c->place.id, WS_CODE_RESTART, BYTES("too late"));
	if (c->state == WS_OPENING) {
		ws_conn_forget(c);
		c->ops->fail(c, why, text);
		return;
	}
	p->conns.cut++;
	ws_conn_end(c,
		why == REQUEST_STOPPING ? WS_CODE_GOING_AWAY : WS_CODE_RESTART,
		text ? text : request_failures[why].text);
}

static void
open_describe(struct request *r, char *out, size_t size)
{
	text_format(out, size, "the websocket %s", conn_of(r)->path);
}

static const struct request_ops open_ops = {
	.carries_trace = true,
	.encode = open_encode,
	.route = open_route,
	.answer = open_answer,
	.fail = open_fail,
	.describe = open_describe,
};

static void
submit(struct ws_conn *c, const struct route_match *match)
{
	c->ask.ops = &open_ops;
	c->ask.caller = 0;
	c->ask.last_worker = 0;
	c->ask.held_bytes = sizeof(*c) + buffer_length(&c->rest) +
			    buffer_length(&c->params) + buffer_length(&c->blob);
	dispatch_submit(c->gateway, &c->ask, match, 0);
}

void
ws_conn_open(
	struct ws_conn *c, struct gateway *g, const struct route_match *match)
{
	struct plugin *p = gateway_plugin_by_number(g, match->plugin);

	c->gateway = g;
	c->state = WS_OPENING;
	list_init(&c->node);
	list_init(&c->congested_node);
	if (p->conns.count >= p->config->limits.max_websockets ||
		!request_table_add(g->requests, &c->place)) {
		c->state = WS_GONE;
		p->counters.requests++;
		p->counters.failed++;
		p->counters.failures[REQUEST_OVERFLOW]++;
		c->ops->fail(c, REQUEST_OVERFLOW,
			"the plugin has too many connections");
		return;
	}
	submit(c, match);
}

/* The next ws.open belongs to the trace of the one before, and its header says
 * so. A connection that was not traced stays untraced, as it has no header. */
static void
go_on_with_trace(struct ws_conn *c)
{
	struct trace_context before = {0};
	char *at = NULL, text[TRACEPARENT_BYTES + 1];

	if (c->trace_at) {
		at = (char *)buffer_bytes(&c->rest) + c->trace_at;
		traceparent_read(
			(struct bytes){at, TRACEPARENT_BYTES}, &before);
	}
	if (!before.sampling)
		before.sampling = TRACE_UNSAMPLED;
	tracer_begin(&c->gateway->workers.tracer, &before, &c->ask.span);
	if (!at)
		return;
	if (trace_is_sampled(&c->ask.span))
		before = c->ask.span.context;
	else /* tracing is off now */
		before.sampling = TRACE_UNSAMPLED;
	traceparent_write(&before, text);
	memcpy(at, text, TRACEPARENT_BYTES);
}

void
ws_conn_reopen(struct ws_conn *c, const struct route_match *match)
{
	c->state = WS_REOPENING;
	go_on_with_trace(c);
	submit(c, match);
}

void
ws_conn_finish(struct ws_conn *c)
{
	assert(c->state == WS_GONE);
	free(c->path);
	free(c->protocol);
	free(c->protocols);
	buffer_finish(&c->params);
	buffer_finish(&c->rest);
	buffer_finish(&c->blob);
}
