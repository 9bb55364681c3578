/* dispatch: sends a request to a worker, holds it or refuses it, and replays or
 * fails it if its worker dies. Every request is answered exactly once. */
#pragma once

#include "supervisor/gateway/gateway.h"
#include "supervisor/route/request.h"
#include "supervisor/route/table.h"

/* Find the route of a request. After ROUTE_FOUND, pass `out` to
 * dispatch_submit() in the same turn of the loop. */
enum route_verdict dispatch_find_http(const struct gateway *g,
	struct bytes method, const struct path *path, struct route_match *out);
enum route_verdict dispatch_find_websocket(const struct gateway *g,
	const struct path *path, struct route_match *out);
enum route_verdict dispatch_find_name(const struct gateway *g,
	enum registration_kind kind, struct bytes name,
	struct route_match *out);

/* Submits a request. The owner sets ops, replayable and held_bytes; the rest is
 * set here. The owner sets replayable to false if the body is not complete.
 * timeout_ms 0 means the plugin's request_timeout; timeouts are capped at
 * WIRE_DEADLINE_MAX_MS. May call ops->fail before it returns. */
void dispatch_submit(struct gateway *g, struct request *r,
	const struct route_match *match, uint64_t timeout_ms);
/* Begins the span of a request, unless its owner has done so: within the span
 * of the request that led to it, or as the first of a trace. dispatch_submit()
 * calls it, too; call it earlier for work that comes before the submission. */
void dispatch_begin_span(struct gateway *g, struct request *r);
/* Cancels the request for its owner: no callback follows, and the owner may
 * free the request. */
void dispatch_cancel(struct gateway *g, struct request *r);
/* Sends more of a body at once (r was encoded with more=true). The deadline
 * restarts, because a long upload is not a late answer. */
void dispatch_send_chunk(
	struct gateway *g, struct request *r, struct bytes piece, bool more);
/* The number of requests in flight at r's worker, r included; 0 if r is with no
 * worker. */
uint32_t dispatch_in_flight(struct gateway *g, const struct request *r);
/* Grants the worker credit for that many more bytes of the answer. */
void dispatch_credit(struct gateway *g, struct request *r, uint64_t bytes);

/* Notes whether the request waits for its client to read. While it does, it
 * does not count against max_in_flight. */
void dispatch_note_waiting(struct gateway *g, struct request *r, bool waits);

/* ---- reported by the owners of requests, for metrics ---- */
/* The worker sent the head of an HTTP answer; once per request. */
void dispatch_note_answer(
	struct gateway *g, const struct request *r, int status);
/* The request failed, or the worker's answer was invalid. */
void dispatch_note_failure(
	struct gateway *g, const struct request *r, enum request_failure why);
/* Whether a request submitted now would be sent at once. */
bool dispatch_has_room(const struct gateway *g, const struct plugin *p);
/* Whether a request would be sent or held, apart from full queues. */
bool dispatch_is_available(
	const struct gateway *g, const struct route_match *match);
const char *dispatch_plugin_id(
	const struct gateway *g, const struct route_match *match);
/* The generation of the request's worker; 0: it is with no worker. */
uint32_t dispatch_generation(const struct gateway *g, const struct request *r);
/* Bytes queued to the worker of a sent request; 0 if the request is held. */
size_t dispatch_backlog(const struct gateway *g, const struct request *r);

/* The time left until the request's deadline, in ms, as sent to the worker. */
uint64_t dispatch_deadline_ms(const struct request *r);

/* ---- for reload/ and apply/ ---- */
/* Call when a worker starts to serve or has room again: sends held requests in
 * order. Requests accepted under other routes are looked up again. */
void dispatch_release(struct gateway *g, struct plugin *p);
/* worker_ops.on_orphan: worker w died with request r, which is replayed on the
 * successor if it may be and fails otherwise. */
void dispatch_orphan(struct gateway *g, struct plugin *p,
	const struct worker *w, struct request *r);
/* Fails all held requests, because the plugin will not be back. */
void dispatch_fail_held(
	struct gateway *g, struct plugin *p, enum request_failure why);
