/* What a worker says about the request that it has: its answer, pieces of it,
 * credit for the request's body, or that there is none. */
#include "supervisor/http/exchange.h"

#include <stdio.h>

#include "supervisor/http/api.h"
#include "supervisor/http/connection.h"
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
	if (x->uncredited > WIRE_CREDIT_BYTES) {
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
		answer_write_last_chunk(connection_output(x));
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

/* The worker's error as an answer of supd's. */
static void
answer_error(struct exchange *x, const msgpack_object *error)
{
	char text[512];
	enum wire_error code = codec_read_error(error, text, sizeof(text));

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
		snprintf(text, sizeof(text), "%s: %s",
			request_failures[REQUEST_BAD_ANSWER].text, err.text);
		refuse_for_plugin(x, REQUEST_BAD_ANSWER,
			request_failures[REQUEST_BAD_ANSWER].status, "", text);
		return a.more;
	}
	dispatch_note_answer(server_of(x)->gateway, r, a.status);
	if (!a.more)
		exchange_leave_body(x);
	frame = exchange_frame(x);
	x->answer_body = answer_write(connection_output(x), &a, &frame);
	x->keep_alive = frame.keep_alive;
	x->event_stream = a.is_event_stream;
	x->answer_left = a.length;
	x->status = a.status;
	if (x->answer_body == ANSWER_WHOLE)
		x->body_bytes = a.body.length;
	if (x->note)
		x->note->generation =
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
	return a.more; /* then the destroyer cancels what still comes */
}

static void
on_credit(struct request *r, uint64_t bytes)
{
	struct exchange *x = exchange_of(r);

	x->body_credit += bytes;
	connection_touch(x->connection);
}

void
exchange_passed(struct exchange *x, uint64_t bytes)
{
	if (bytes > x->uncredited)
		bytes = x->uncredited;
	x->uncredited -= bytes;
	if (bytes && x->request.id)
		dispatch_credit(server_of(x)->gateway, &x->request, bytes);
	else if (bytes && x->api)
		api_passed(x->api);
}

const struct request_ops exchange_ops = {
	.encode = exchange_encode,
	.answer = on_answer,
	.chunk = on_chunk,
	.credit = on_credit,
	.fail = on_fail,
};
