/* exchange_worker: handles a worker's messages about its request: the answer,
 * pieces of it, credit for the request's body, or a failure. */
#include "supervisor/http/exchange.h"

#include <stdio.h>

#include "proto/util/text.h"
#include "supervisor/http/connection.h"
#include "supervisor/http/http_span.h"
#include "supervisor/http/server.h"

static struct exchange *
exchange_of(struct request *r)
{
	return container_of(r, struct exchange, request);
}

static struct http_server *
server_of(const struct exchange *x)
{
	return x->connection->server;
}

/* Refuses on behalf of the plugin that had the request. */
static void
refuse_for_plugin(struct exchange *x, enum request_failure why, int status,
	const char *fields, const char *reason)
{
	struct gateway *g = server_of(x)->gateway;

	if (x->state == EXCHANGE_DONE)
		return;
	dispatch_note_failure(g, &x->request, why);
	if (x->state != EXCHANGE_STREAMING)
		dispatch_note_answer(g, &x->request, status);
	exchange_write_refusal(x, status, fields, reason);
}

static void
on_chunk(struct request *r, struct bytes piece, bool more)
{
	struct exchange *x = exchange_of(r);

	if (x->state == EXCHANGE_DONE)
		return;
	x->uncredited += piece.length;
	if (x->uncredited > x->window) {
		exchange_truncate(x, "the worker sent more than it had credit");
		return;
	}
	if (!exchange_write_piece(x, piece)) {
		exchange_truncate(x, "the worker sent more than it promised");
		return;
	}
	if (more)
		return;
	if (x->answer_body == ANSWER_LENGTH && x->answer_left) {
		exchange_truncate(x, "the worker sent less than it promised");
		return;
	}
	if (x->answer_body == ANSWER_CHUNKED)
		answer_write_last_chunk(exchange_output(x));
	exchange_leave_body(x);
	exchange_finish(x);
}

static void
on_fail(struct request *r, enum request_failure why, const char *text)
{
	const struct request_failure_row *row = &request_failures[why];
	char fields[40] = "";

	if (row->retry_after_s)
		snprintf(fields, sizeof(fields), "Retry-After: %d\r\n",
			row->retry_after_s);
	refuse_for_plugin(exchange_of(r), why, row->status, fields,
		text ? text : row->text);
}

/* Answers with the worker's error. */
static void
answer_error(struct exchange *x, const msgpack_object *error)
{
	char text[512];
	enum wire_error code = codec_read_error(error, text, sizeof(text));

	/* supd itself refuses a body beyond its limit or the route's. Once the
	 * whole body has been accepted, only the plugin's own answer is left
	 * that could be too large. */
	if (code == WIRE_TOO_LARGE && x->sink != SINK_PASS)
		code = WIRE_FAILED;
	refuse_for_plugin(x, REQUEST_FAILED, wire_error_status(code), "", text);
}

static bool
on_answer(struct request *r, const struct message *m)
{
	struct exchange *x = exchange_of(r);
	struct answer_frame frame;
	struct answer a;
	struct error err;
	char text[600];

	if (x->state == EXCHANGE_DONE)
		return false;
	if (m->error) {
		answer_error(x, m->error);
		return false;
	}
	if (answer_read(&a, m->result, &err)) {
		text_format(text, sizeof(text), "%s: %s",
			request_failures[REQUEST_BAD_ANSWER].text, err.text);
		refuse_for_plugin(x, REQUEST_BAD_ANSWER,
			request_failures[REQUEST_BAD_ANSWER].status, "", text);
		return a.more;
	}
	dispatch_note_answer(server_of(x)->gateway, r, a.status);
	if (!a.more)
		exchange_leave_body(x);
	frame = exchange_frame(x);
	x->answer_body = answer_write(exchange_output(x), &a, &frame);
	x->keep_alive = frame.keep_alive;
	x->event_stream = a.is_event_stream;
	x->answer_left = a.length;
	x->status = a.status;
	if (x->answer_body == ANSWER_WHOLE)
		x->body_bytes = a.body.length;
	if (x->note)
		x->note->generation =
			dispatch_generation(server_of(x)->gateway, r);
	if (x->span)
		x->span->generation =
			dispatch_generation(server_of(x)->gateway, r);
	x->state = EXCHANGE_STREAMING;
	if (a.more && x->answer_body != ANSWER_NONE) {
		if (a.body.length && !exchange_write_piece(x, a.body))
			exchange_truncate(
				x, "the worker sent more than it promised");
		connection_touch(x->connection);
		return true;
	}
	exchange_finish(x);
	return a.more; /* exchange_destroy() cancels the rest */
}

static void
on_credit(struct request *r, uint64_t bytes)
{
	struct exchange *x = exchange_of(r);

	x->body_credit += bytes;
	connection_touch(x->connection);
}

/* The change of the credit window after `bytes` have passed. The window shrinks
 * by giving no credit for some of them. */
static int64_t
window_change(const struct exchange *x, uint64_t bytes, size_t backlog)
{
	uint64_t excess = x->window - WIRE_CREDIT_BYTES;

	if (backlog > WIRE_CREDIT_BYTES)
		return -(int64_t)(excess < bytes ? excess : bytes);
	if (backlog || x->window >= WIRE_CREDIT_MAX ||
		dispatch_in_flight(server_of(x)->gateway, &x->request) >
			EXCHANGE_WIDE_MAX)
		return 0;
	return WIRE_CREDIT_BYTES;
}

/* Gives the worker credit for bytes that have passed: more if nothing is
 * queued, so that the window grows up to WIRE_CREDIT_MAX, and less if much is
 * queued, until the window has its first size. */
static void
on_passed(struct exchange *x, uint64_t bytes, size_t backlog)
{
	int64_t change;

	if (!x->request.id)
		return;
	change = window_change(x, bytes, backlog);
	x->window += (uint64_t)change;
	bytes += (uint64_t)change;
	if (bytes)
		dispatch_credit(server_of(x)->gateway, &x->request, bytes);
}

static void
on_abandon(struct exchange *x)
{
	if (x->request.id)
		dispatch_cancel(server_of(x)->gateway, &x->request);
}

/* If half of the credit is used up (answer) or unused (body), the worker waits
 * for the client. */
void
exchange_note_waiting(struct exchange *x)
{
	bool to_read = x->state == EXCHANGE_STREAMING &&
		       x->uncredited >= x->window / 2;
	bool to_send =
		x->sink == SINK_PASS && x->body_credit >= WIRE_CREDIT_BYTES / 2;
	bool waits = to_read || to_send;

	if (x->request.id && waits != x->request.waits)
		dispatch_note_waiting(
			server_of(x)->gateway, &x->request, waits);
}

static void
describe(struct request *r, char *out, size_t size)
{
	const struct exchange *x = exchange_of(r);
	struct bytes method = exchange_part(x, x->method);
	struct bytes path = exchange_part(x, x->path);

	text_format(out, size, "%.*s %.*s", (int)method.length, method.at,
		(int)path.length, path.at);
}

const struct request_ops exchange_ops = {
	.answer_form = WIRE_ANSWER_HTTP,
	.carries_trace = true,
	.encode = exchange_encode,
	.route = exchange_route,
	.answer = on_answer,
	.chunk = on_chunk,
	.credit = on_credit,
	.fail = on_fail,
	.describe = describe,
};

const struct responder exchange_worker = {
	.body_end = exchange_worker_body_end,
	.passed = on_passed,
	.refuse = exchange_refuse_as_accepted,
	.abandon = on_abandon,
};
