/* request: takes requests out of their messages, calls the handlers and keeps
 * those that are answered later where chunk, credit and cancel find them. */
#include "worker/request.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"

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
		req->plugin = p;
	}
	req->id = m->id;
	req->message = m->name;
	req->params = m->params;
	req->state = REQUEST_OPEN;
	req->reply_headers_end = &req->reply_headers;
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
	if (req->args)
		json_decref(req->args);
	if (req->caller)
		json_decref(req->caller);
	arena_clear(&rested.arena);
	buffer_finish(&req->body);
	buffer_finish(&req->queue);
	*req = rested;
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
	req->plugin->in_flight--;
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

static void
request_remember(struct sup_req *req)
{
	if (req->kept)
		return;
	req->kept = true;
	request_keep(req);
	list_append(
		&req->plugin->requests[req->id % REQUEST_BUCKETS], &req->node);
}

/* Runs a callback of the plugin; req may be gone afterwards. */
static void
request_call(struct sup_req *req, sup_handler *handler, void *user)
{
	bool nested = req->in_handler;

	req->in_handler = true;
	handler(req, user);
	req->in_handler = nested;
	if (nested)
		return;
	if (req->state == REQUEST_FREE)
		request_recycle(req);
	else
		request_remember(req);
}

static void
request_start(struct sup_req *req)
{
	struct sup *p = req->plugin;

	req->state = REQUEST_OPEN;
	if (req->offer)
		request_call(
			req, req->offer->said.handler, req->offer->said.user);
	else if (p->health)
		request_call(req, p->health, p->health_user);
	else
		sup_ok(req);
}

/* ---- http ---- */

static uint64_t
request_body_max(const struct sup_req *req)
{
	int64_t own = req->offer->said.body_limit;

	return own > 0 ? (uint64_t)own : req->plugin->body_max_bytes;
}

static bool
request_collect(struct sup_req *req, struct bytes bytes)
{
	if (buffer_length(&req->body) + bytes.length > request_body_max(req)) {
		request_answer_error(req, WIRE_TOO_LARGE,
			"the body is larger than the route accepts");
		return false;
	}
	buffer_append(&req->body, bytes.at, bytes.length);
	return true;
}

static void
request_collected(struct sup_req *req)
{
	size_t bytes = buffer_length(&req->body);

	buffer_append(&req->body, "", 1);
	req->body_at = buffer_bytes(&req->body);
	req->body_bytes = bytes;
	request_start(req);
}

static void
request_take_http(struct sup *p, const struct message *m)
{
	uint64_t number = m->params[0].via.u64;
	struct sup_req *req = request_create(p, m);

	req->left_ms = m->params[9].via.u64;
	if (number >= p->offer_count ||
		p->offers[number].kind != REGISTRATION_HTTP) {
		request_answer_error(req, WIRE_NOT_FOUND,
			"no http registration has this number");
		return;
	}
	req->offer = &p->offers[number];
	if (!m->params[7].via.boolean) {
		request_start(req);
		return;
	}
	req->state = REQUEST_COLLECTING;
	if (!request_collect(req, codec_bytes(&m->params[6])))
		return;
	req->body_at = ""; /* nothing left to copy */
	request_remember(req);
}

void
request_on_chunk(struct sup *p, uint32_t id, struct bytes bytes, bool more)
{
	struct sup_req *req = request_find(p, id);
	msgpack_packer *out;

	if (!req || req->state != REQUEST_COLLECTING ||
		!request_collect(req, bytes))
		return;
	if (!more) {
		request_collected(req);
		return;
	}
	out = link_begin(p->link);
	codec_notification(out, MESSAGE_CREDIT, 2);
	msgpack_pack_uint32(out, id);
	msgpack_pack_uint64(out, bytes.length);
	link_end(p->link);
}

/* ---- tool, method, command, health ---- */

static enum registration_kind
request_kind(const struct message *m)
{
	return m->name == MESSAGE_TOOL	   ? REGISTRATION_TOOL
	       : m->name == MESSAGE_METHOD ? REGISTRATION_METHOD
					   : REGISTRATION_COMMAND;
}

static void
request_take_named(struct sup *p, const struct message *m)
{
	struct sup_req *req = request_create(p, m);

	req->left_ms = m->params[m->name == MESSAGE_COMMAND ? 3 : 2].via.u64;
	req->offer = host_offer(p, request_kind(m), codec_bytes(&m->params[0]));
	if (req->offer)
		request_start(req);
	else
		request_answer_error(req, WIRE_NOT_FOUND,
			"the plugin has nothing of this name");
}

void
request_take(struct sup *p, const struct message *m)
{
	switch (m->name) {
	case MESSAGE_HTTP:
		request_take_http(p, m);
		return;
	case MESSAGE_HEALTH:
		request_start(request_create(p, m));
		return;
	default:
		request_take_named(p, m);
	}
}

/* ---- streams and cancels ---- */

void
request_on_credit(struct sup *p, uint32_t id, uint64_t bytes)
{
	struct sup_req *req = request_find(p, id);

	if (!req || bytes > INT32_MAX)
		return;
	if (req->state != REQUEST_STREAMING && req->state != REQUEST_FLUSHING)
		return;
	req->credit += (int64_t)bytes;
	request_pump(req);
	if (req->state == REQUEST_STREAMING && req->credit > 0 &&
		req->on_writable)
		request_call(req, req->on_writable, req->on_writable_user);
}

void
request_on_cancel(struct sup *p, uint32_t id)
{
	struct sup_req *req = request_find(p, id);

	if (!req || req->cancelled)
		return;
	req->cancelled = true;
	if (req->state == REQUEST_COLLECTING)
		request_answer_error(req, WIRE_CANCELLED, "cancelled");
	else if (req->state == REQUEST_FLUSHING)
		request_pump(req);
	else if (req->on_cancel)
		request_call(req, req->on_cancel, req->on_cancel_user);
}
