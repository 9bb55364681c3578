/* request: takes requests out of their messages, calls the handlers and keeps
 * those that are answered later where chunk, credit and cancel find them. */
#include "worker/request.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "worker/channel.h"
#include "worker/websocket.h"

#define REST_BEFORE_REUSE 16 /* so that a second answer is noticed */
#define RESTING_MAX 64	     /* more than these are freed */

/* The one that has rested longest, off the free list. */
static struct sup_req *
request_rested(struct sup *p)
{
	struct sup_req *req =
		container_of(p->free_requests.next, struct sup_req, node);

	list_remove(&req->node);
	p->free_count--;
	return req;
}

static struct sup_req *
request_create(struct sup *p, const struct message *m)
{
	struct sup_req *req;

	if (p->free_count > REST_BEFORE_REUSE) {
		req = request_rested(p);
	} else {
		req = memory_alloc(sizeof(*req));
		list_init(&req->node);
		list_init(&req->feed_node);
		list_init(&req->turn);
		req->plugin = p;
	}
	req->id = m->id;
	req->message = m->name;
	req->params = m->params;
	req->state = REQUEST_OPEN;
	req->reply_headers_end = &req->reply_headers;
	if (p->trace_id == m->id)
		req->traceparent =
			arena_text(&req->arena, p->trace, TRACEPARENT_BYTES);
	p->trace_id = 0;
	p->in_flight++;
	return req;
}

/* To the free list, with nothing but its first block of memory. */
static void
request_recycle(struct sup_req *req)
{
	struct sup *p = req->plugin;
	struct sup_req rested = {.plugin = p, .arena = req->arena};

	list_remove(&req->node);
	list_remove(&req->feed_node);
	if (req->args)
		json_decref(req->args);
	if (req->caller)
		json_decref(req->caller);
	offer_set_unref(req->offer_set);
	channel_unref(req->channel);
	arena_clear(&rested.arena);
	buffer_finish(&req->body);
	buffer_finish(&req->queue);
	*req = rested;
	list_init(&req->feed_node);
	list_init(&req->turn);
	list_append(&p->free_requests, &req->node);
	if (++p->free_count <= RESTING_MAX)
		return;
	req = request_rested(p);
	arena_finish(&req->arena);
	free(req);
}

void
request_finish(struct sup_req *req)
{
	req->state = REQUEST_FREE;
	if (req->ws)
		websocket_request_over(req);
	req->plugin->in_flight--;
	if (req->plugin->serving == req->id)
		req->plugin->serving = 0;
	if (req->offer && req->message != MESSAGE_HTTP)
		service_ended(req);
	if (req->channel)
		channel_request_over(req);
	host_check_drained(req->plugin);
	if (!req->in_handler)
		request_recycle(req);
}

static struct sup_req *
request_find(struct sup *p, uint32_t id)
{
	list_for_each (node, &p->requests[id % REQUEST_BUCKETS]) {
		struct sup_req *req = container_of(node, struct sup_req, node);

		if (req->id == id)
			return req;
	}
	return NULL;
}

bool
request_is_open(struct sup *p, uint32_t id)
{
	return request_find(p, id);
}

void
request_remember(struct sup_req *req)
{
	if (req->kept)
		return;
	req->kept = true;
	request_keep(req);
	list_append(
		&req->plugin->requests[req->id % REQUEST_BUCKETS], &req->node);
}

bool
request_enter(struct sup_req *req)
{
	bool nested = req->in_handler;

	req->in_handler = true;
	if (!nested) {
		req->served_before = req->plugin->serving;
		req->plugin->serving = req->state == REQUEST_FREE ? 0 : req->id;
	}
	return nested;
}

bool
request_leave(struct sup_req *req, bool nested)
{
	req->in_handler = nested;
	if (nested)
		return true;
	req->plugin->serving = req->served_before;
	if (req->state == REQUEST_FREE) {
		request_recycle(req);
		return false;
	}
	request_remember(req);
	return true;
}

/* Runs a callback of the plugin; false if req is gone afterwards. */
static bool
request_call(struct sup_req *req, sup_handler *handler, void *user)
{
	bool nested = request_enter(req);

	handler(req, user);
	return request_leave(req, nested);
}

void
request_start(struct sup_req *req)
{
	req->state = REQUEST_OPEN;
	request_call(req, req->handler, req->user);
}

/* ---- each kind ---- */

static void
request_take_http(struct sup *p, const struct message *m)
{
	uint64_t number = m->params[0].via.u64;
	struct sup_req *req = request_create(p, m);

	req->left_ms = m->params[9].via.u64;
	if (number >= p->offer_count ||
		p->offers[number].declared.kind != REGISTRATION_HTTP ||
		p->offers[number].declared.http.websocket) {
		request_answer_error(
			req, WIRE_NOT_FOUND, "there is no such registration");
		return;
	}
	req->offer = &p->offers[number];
	req->offer_set = p->set;
	p->set->references++;
	req->handler = req->offer->said.handler;
	req->user = req->offer->said.user;
	req->streams = req->offer->said.streams_body;
	if (req->streams || m->params[7].via.boolean)
		body_begin(req, codec_bytes(&m->params[6]),
			m->params[7].via.boolean);
	else
		request_start(req);
}

static int
deadline_param(enum message_name message)
{
	return message == MESSAGE_HOOK ? 4 : message == MESSAGE_COMMAND ? 3 : 2;
}

static void
request_take_named(struct sup *p, const struct message *m)
{
	struct sup_req *req = request_create(p, m);
	int kind = registration_kind_by_message(m->name);
	const struct offer *offer;

	req->left_ms = m->params[deadline_param(m->name)].via.u64;
	offer = host_offer(
		p, (enum registration_kind)kind, codec_bytes(&m->params[0]));
	if (!offer) {
		request_answer_error(req, WIRE_NOT_FOUND,
			"the plugin has no registration of this name");
		return;
	}
	req->handler = offer->said.handler;
	req->user = offer->said.user;
	request_start(req);
}

static void
request_take_health(struct sup_req *req)
{
	req->handler = req->plugin->health;
	req->user = req->plugin->health_user;
	if (req->handler)
		request_start(req);
	else
		sup_ok(req);
}

void
request_take(struct sup *p, const struct message *m)
{
	switch (m->name) {
	case MESSAGE_HTTP:
		request_take_http(p, m);
		return;
	case MESSAGE_HEALTH:
		request_take_health(request_create(p, m));
		return;
	case MESSAGE_WS_OPEN:
		websocket_take_open(request_create(p, m), m);
		return;
	case MESSAGE_WS_MOVE:
		websocket_take_move(request_create(p, m), m);
		return;
	case MESSAGE_EXPORT:
		state_take_export(request_create(p, m));
		return;
	case MESSAGE_IMPORT:
		state_take_import(request_create(p, m), m);
		return;
	case MESSAGE_CLI:
		cli_take(request_create(p, m), m);
		return;
	case MESSAGE_TICK:
		tick_take(request_create(p, m), m);
		return;
	case MESSAGE_CONFIGURE:
		state_take_configure(request_create(p, m));
		return;
	case MESSAGE_SERVICE_START:
	case MESSAGE_SERVICE_STOP:
		service_take(request_create(p, m), m);
		return;
	case MESSAGE_CHANNEL_START:
	case MESSAGE_CHANNEL_STOP:
	case MESSAGE_CHANNEL_SEND:
	case MESSAGE_CHANNEL_FIND:
	case MESSAGE_CHANNEL_ACT:
		channel_take(request_create(p, m), m);
		return;
	case MESSAGE_QUIESCE:
	case MESSAGE_TAKE:
		service_take_over(request_create(p, m), m);
		return;
	default:
		request_take_named(p, m);
	}
}

/* ---- chunks, credit, cancels ---- */

void
request_on_chunk(struct sup *p, uint32_t id, struct bytes bytes, bool more)
{
	struct sup_req *req = request_find(p, id);

	if (req)
		body_chunk(req, bytes, more);
}

/* A command line that still runs. */
static bool
request_is_cli(const struct sup_req *req)
{
	return req->message == MESSAGE_CLI && req->state == REQUEST_OPEN;
}

void
request_on_credit(struct sup *p, uint32_t id, uint64_t bytes)
{
	struct sup_req *req = request_find(p, id);

	if (!req)
		return;
	if (req->state != REQUEST_STREAMING && req->state != REQUEST_FLUSHING &&
		!request_is_cli(req))
		return;
	/* Whatever is said, the sum stays a number. */
	if (bytes > (uint64_t)(INT64_MAX / 2 - req->credit))
		req->credit = INT64_MAX / 2;
	else
		req->credit += (int64_t)bytes;
	if (req->message == MESSAGE_CLI)
		cli_pump(req);
	else
		request_pump(req);
	if ((req->state == REQUEST_STREAMING || request_is_cli(req)) &&
		req->credit > 0 && req->on_writable)
		request_call(req, req->on_writable, req->on_writable_user);
}

void
request_on_cancel(struct sup *p, uint32_t id)
{
	struct sup_req *req = request_find(p, id);

	if (!req || req->cancelled)
		return;
	req->cancelled = true;
	req->cancel_told = req->on_cancel != NULL;
	body_cancelled(req);
	if (req->message == MESSAGE_SERVICE_START)
		service_ended(req);
	if (req->channel)
		channel_request_cancelled(req);
	if (req->state == REQUEST_COLLECTING && req->ws)
		websocket_lost(req);
	if (req->state == REQUEST_COLLECTING)
		request_answer_error(req, WIRE_CANCELLED, "cancelled");
	else if (req->state == REQUEST_FLUSHING && req->message == MESSAGE_CLI)
		cli_pump(req);
	else if (req->state == REQUEST_FLUSHING)
		request_pump(req);
	else if (req->on_cancel)
		request_call(req, req->on_cancel, req->on_cancel_user);
	else if ((req->state == REQUEST_STREAMING || request_is_cli(req)) &&
		 req->on_writable &&
		 list_is_empty(&req->feed_node)) /* or a lost body tells it */
		request_call(req, req->on_writable, req->on_writable_user);
}
