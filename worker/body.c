/* body: the body of a request, from its first bytes to its last: collected
 * until it is whole, or passed to the plugin in pieces. Credit is sent for
 * consumed bytes, so that at most one window waits here. It knows nothing of
 * answers. */
#include <string.h>

#include "worker/request.h"

/* Credit is sent in portions, not for every small piece. */
#define PORTIONS_PER_WINDOW 8

static void
body_credit(struct sup_req *req)
{
	struct link *link = req->plugin->link;
	msgpack_packer *out = link_begin(link);

	codec_notification(out, MESSAGE_CREDIT, 2);
	msgpack_pack_uint32(out, req->id);
	msgpack_pack_uint64(out, req->owed);
	link_end(link);
	req->owed = 0;
}

/* ---- whole ---- */

static uint64_t
body_max(const struct sup_req *req)
{
	int64_t own;

	if (req->message == MESSAGE_IMPORT)
		return SUP_STATE_MAX;
	own = req->offer->said.body_limit;
	return own > 0 ? (uint64_t)own : req->plugin->body_max_bytes;
}

static void
body_collected(struct sup_req *req)
{
	size_t bytes = buffer_length(&req->body);

	buffer_append(&req->body, "", 1);
	req->body_at = buffer_bytes(&req->body);
	req->body_bytes = bytes;
	if (req->message == MESSAGE_IMPORT)
		state_start_import(req);
	else
		request_start(req);
}

/* True if more is wanted. */
static bool
body_collect(struct sup_req *req, struct bytes bytes, bool more)
{
	if (buffer_length(&req->body) + bytes.length > body_max(req)) {
		request_answer_error(req, WIRE_TOO_LARGE,
			req->message == MESSAGE_IMPORT
				? "the state is larger than 16 MiB"
				: "the body is larger than the route accepts");
		return false;
	}
	buffer_append(&req->body, bytes.at, bytes.length);
	if (!more)
		body_collected(req);
	return more;
}

/* ---- in pieces ---- */

static bool
body_is_open(const struct sup_req *req)
{
	return req->state == REQUEST_OPEN || req->state == REQUEST_STREAMING;
}

static bool
body_is_wanted(const struct sup_req *req)
{
	return !req->cancelled && body_is_open(req);
}

/* The plugin waits for pieces that do not come, and does not know yet. */
static bool
body_is_lost(const struct sup_req *req)
{
	return req->cancelled && !req->cancel_told && req->take &&
	       !req->end_told && body_is_open(req);
}

static bool
body_may_go(const struct sup_req *req)
{
	return req->take && !req->paused && !req->end_told &&
	       body_is_wanted(req);
}

/* While it is paused, the last piece gets no credit either: it is probably
 * waiting in the answer's queue. */
static void
body_pay(struct sup_req *req)
{
	if (req->paused || req->body_ended || !body_is_wanted(req))
		return;
	if (req->owed >= req->plugin->credit_bytes / PORTIONS_PER_WINDOW)
		body_credit(req);
}

/* req may be gone afterwards. paid: how many of the bytes came under credit.
 */
static void
body_hand_over(struct sup_req *req, struct bytes piece, uint64_t paid)
{
	bool nested = request_enter(req);

	req->owed += paid;
	req->end_told = req->body_ended;
	req->take(
		req, piece.at, piece.length, !req->body_ended, req->take_user);
	if (request_leave(req, nested))
		body_pay(req);
}

static void
body_tell_lost(struct sup_req *req)
{
	bool nested = request_enter(req);

	req->end_told = true;
	req->take(req, NULL, 0, false, req->take_user);
	request_leave(req, nested);
}

/* All that waits, as one piece. */
static void
body_feed(struct sup_req *req)
{
	struct buffer waiting = req->body;
	size_t bytes = buffer_length(&waiting);
	uint64_t paid = bytes - req->uncredited;

	if (body_is_lost(req)) {
		body_tell_lost(req);
		return;
	}
	if (!body_may_go(req))
		return;
	req->body = (struct buffer){0};
	req->uncredited = 0;
	body_hand_over(req,
		(struct bytes){
			bytes ? (const char *)buffer_bytes(&waiting) : "",
			bytes},
		paid);
	buffer_finish(&waiting);
}

static void
body_on_feed(struct ev_loop *loop, ev_timer *w, int events)
{
	struct sup *p = container_of(w, struct sup, feed);
	struct list now;

	/* those that arrive meanwhile are for the next turn */
	list_init(&now);
	while (!list_is_empty(&p->feeding)) {
		struct list *node = p->feeding.next;

		list_remove(node);
		list_append(&now, node);
	}
	while (!list_is_empty(&now)) {
		struct sup_req *req =
			container_of(now.next, struct sup_req, feed_node);

		list_remove(&req->feed_node);
		body_feed(req);
	}
}

void
body_feed_init(struct sup *p)
{
	list_init(&p->feeding);
	ev_timer_init(&p->feed, body_on_feed, 0, 0);
}

/* A piece or the end waits, and no event for it is pending. */
static void
body_schedule(struct sup_req *req)
{
	struct sup *p = req->plugin;

	bool waits = buffer_length(&req->body) || req->body_ended;

	if (!body_is_lost(req) && !(body_may_go(req) && waits))
		return;
	if (!list_is_empty(&req->feed_node))
		return;
	list_append(&p->feeding, &req->feed_node);
	ev_feed_event(p->loop, &p->feed, EV_CUSTOM);
}

void
body_cancelled(struct sup_req *req)
{
	if (!req->streams)
		return;
	buffer_finish(&req->body);
	list_remove(&req->feed_node);
	body_schedule(req);
}

static void
body_stream(struct sup_req *req, struct bytes bytes, bool more)
{
	if (!body_is_wanted(req))
		return; /* answered before its end, or cancelled */
	req->body_ended = !more;
	if (body_may_go(req) && list_is_empty(&req->feed_node) &&
		!buffer_length(&req->body)) {
		body_hand_over(req, bytes, bytes.length);
		return;
	}
	buffer_append(&req->body, bytes.at, bytes.length);
	body_schedule(req);
}

void
sup_on_body(struct sup_req *req, sup_body *take, void *user)
{
	HOST_NEEDS(req, "req");
	if (!req->streams)
		host_abort("sup_on_body() needs an offer with streams_body, or "
			   "a command line");
	req->take = take;
	req->take_user = user;
	body_schedule(req);
}

void
sup_pause(struct sup_req *req)
{
	HOST_NEEDS(req, "req");
	req->paused = true;
}

void
sup_resume(struct sup_req *req)
{
	HOST_NEEDS(req, "req");
	if (!req->paused)
		return;
	req->paused = false;
	body_pay(req);
	body_schedule(req);
}

/* ---- both ---- */

void
body_begin(struct sup_req *req, struct bytes first, bool more)
{
	req->body_at = ""; /* nothing left to copy */
	if (req->streams) {
		buffer_append(&req->body, first.at, first.length);
		req->uncredited = first.length;
		req->body_ended = !more;
		request_start(req);
		return;
	}
	req->state = REQUEST_COLLECTING;
	if (more)
		request_remember(req);
	body_collect(req, first, more);
}

void
body_chunk(struct sup_req *req, struct bytes bytes, bool more)
{
	if (req->streams) {
		body_stream(req, bytes, more);
		return;
	}
	if (req->state != REQUEST_COLLECTING)
		return;
	req->owed = bytes.length;
	if (body_collect(req, bytes, more))
		body_credit(req);
}
