/* dispatch: serves a request: to a worker, to the hold queue, or refused; and
 * what becomes of it when its worker dies. Answers exactly once. */
#pragma once

#include "supervisor/gateway/gateway.h"
#include "supervisor/route/request.h"
#include "supervisor/route/table.h"

/* Looks up; ROUTE_FOUND means dispatch_submit() may follow at once. */
enum route_verdict dispatch_find_http(const struct gateway *g,
	struct bytes method, const struct path *path, struct route_match *out);
enum route_verdict dispatch_find_name(const struct gateway *g,
	enum registration_kind kind, struct bytes name,
	struct route_match *out);

/* Takes the request (ops, replayable and held_bytes are set by the owner; the
 * rest is set here). timeout_ms 0: the plugin's request_timeout; a body still
 * to come does not count against replay: then replayable is false. May call
 * ops->fail before it returns. */
void dispatch_submit(struct gateway *g, struct request *r,
	const struct route_match *match, uint64_t timeout_ms);
/* The owner leaves: no callback comes any more, the owner may free it. */
void dispatch_cancel(struct gateway *g, struct request *r);
/* More of a body (r was encoded with more=true); goes out at once. The
 * deadline starts anew: a long upload is not a late answer. */
void dispatch_send_chunk(
	struct gateway *g, struct request *r, struct bytes piece, bool more);
/* The owner passed on that many bytes of the answer: the worker may send as
 * many more. */
void dispatch_credit(struct gateway *g, struct request *r, uint64_t bytes);

/* ---- what owners of requests tell, for the figures ---- */
/* The head of an HTTP answer of the worker, once a request. */
void dispatch_note_answer(
	struct gateway *g, const struct request *r, int status);
/* Its fail() came, or the worker's answer was none. */
void dispatch_note_failure(
	struct gateway *g, const struct request *r, enum request_failure why);
/* Whether submitting would send or hold it, but for what is full. */
bool dispatch_is_available(
	const struct gateway *g, const struct route_match *match);
const char *dispatch_plugin_id(
	const struct gateway *g, const struct route_match *match);
/* Of the worker that answers; 0: none. */
uint32_t dispatch_generation(const struct gateway *g, const struct request *r);
/* Bytes that the worker of a sent request has not read yet; 0 if it is held. */
size_t dispatch_backlog(const struct gateway *g, const struct request *r);

/* The deadline of the request as the worker should hear it: ms from now. */
uint64_t dispatch_deadline_ms(const struct request *r);

/* ---- for gateway/ itself ---- */
/* A worker serves or has room again: releases held work in order. */
void dispatch_release(struct gateway *g, struct plugin *p);
/* worker_ops.on_orphan: replays on the successor what may be replayed. */
void dispatch_orphan(struct gateway *g, struct plugin *p,
	const struct worker *w, struct request *r);
/* Part of a commit, before the rows change: held requests follow their
 * registration to its index in the new set; what it no longer has fails at the
 * release. */
void dispatch_follow(struct gateway *g, struct plugin *p,
	const struct registration_set *set);
/* Fails all that is held (the plugin will not be back). */
void dispatch_fail_held(
	struct gateway *g, struct plugin *p, enum request_failure why);
