/* The answer's half of an exchange, and its life. The request's half is
 * exchange_request.c. */
#include "supervisor/http/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/http/api.h"
#include "supervisor/http/connection.h"
#include "supervisor/http/server.h"

#define PACKED_KEPT_BYTES 4096 /* memory that a free exchange may keep */

static const struct request_ops exchange_ops;

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

struct exchange *
exchange_create(struct connection *c)
{
	struct http_server *s = c->server;
	struct buffer packed = {0};
	struct exchange *x;

	if (list_is_empty(&s->free_exchanges)) {
		x = memory_alloc(sizeof(*x));
	} else {
		x = container_of(s->free_exchanges.next, struct exchange, node);
		list_remove(&x->node);
		s->free_exchange_count--;
		packed = x->packed;
		memset(x, 0, sizeof(*x));
	}
	x->packed = packed;
	x->connection = c;
	x->request.ops = &exchange_ops;
	list_append(&c->exchanges, &x->node);
	c->exchange_count++;
	return x;
}

/* Its line in the access log. */
static void
note_end(struct exchange *x)
{
	struct access_end end = {
		.client = exchange_part(x, x->client),
		.request_id = exchange_part(x, x->id),
		.status = x->status ? x->status : ACCESS_LEFT,
		.body_bytes = x->body_bytes,
	};

	if (!x->note)
		return;
	access_write(&server_of(x)->access, x->note, &end);
	free(x->note);
}

void
exchange_destroy(struct exchange *x)
{
	struct connection *c = x->connection;
	struct http_server *s = c->server;

	if (x->request.id)
		dispatch_cancel(s->gateway, &x->request);
	if (x->api)
		api_abandon(x->api);
	if (c->reader == x)
		c->reader = NULL;
	note_end(x);
	list_remove(&x->node);
	c->exchange_count--;
	buffer_finish(&x->answer);
	if (s->free_exchange_count == HTTP_SPARES_MAX) {
		buffer_finish(&x->packed);
		free(x);
		return;
	}
	if (x->packed.capacity > PACKED_KEPT_BYTES)
		buffer_finish(&x->packed);
	buffer_clear(&x->packed);
	list_prepend(&s->free_exchanges, &x->node);
	s->free_exchange_count++;
}

/* ---- the answer ---- */

struct bytes
exchange_part(const struct exchange *x, struct exchange_part p)
{
	return (struct bytes){
		(const char *)buffer_bytes(&x->packed) + p.at, p.length};
}

static struct answer_frame
frame_of(struct exchange *x)
{
	struct http_server *s = server_of(x);

	if (s->draining || x->close_after)
		x->keep_alive = false;
	return (struct answer_frame){
		.is_head = x->is_head,
		.http_1_0 = x->http_1_0,
		.keep_alive = x->keep_alive,
		.date = http_server_date(s),
		.request_id = exchange_part(x, x->id),
	};
}

/* The answer is complete: whatever of the request's body is still to come is
 * read and thrown away, or ends the connection. */
static void
finish(struct exchange *x)
{
	x->state = EXCHANGE_DONE;
	x->sink = SINK_NONE;
	if (!x->keep_alive)
		x->close_after = true;
	/* What follows on the wire is no request any more, from here on. */
	x->connection->closing |= x->close_after;
	connection_touch(x->connection);
}

/* Before a complete answer is written, so that its head can say the truth. */
static void
leave_body(struct exchange *x)
{
	if (x->connection->reader == x && !connection_drop_body(x->connection))
		x->close_after = true;
}

void
exchange_answer(struct exchange *x, int status, const char *type,
	const char *fields, struct bytes body)
{
	struct answer_frame frame;

	leave_body(x);
	frame = frame_of(x);
	answer_write_own(
		connection_output(x), &frame, status, type, fields, body);
	x->status = status;
	x->body_bytes = x->is_head ? 0 : body.length;
	finish(x);
}

static bool write_piece(struct exchange *x, struct bytes piece);

/* The head of the answer is out: say that the rest does not come. An old
 * client, whose answers end with the connection, sees it reset. */
static void
truncate_answer(struct exchange *x, const char *reason)
{
	bool tells = x->event_stream &&
		     (x->answer_body == ANSWER_CHUNKED ||
			     x->answer_body == ANSWER_UNTIL_CLOSE);
	char event[640];
	int length;

	if (tells) {
		length = snprintf(event, sizeof(event),
			"\n\nevent: truncated\ndata: %s\n\n", reason);
		if (length >= (int)sizeof(event))
			length = (int)sizeof(event) - 1;
		write_piece(x, (struct bytes){event, (size_t)length});
	} else if (x->answer_body == ANSWER_UNTIL_CLOSE) {
		x->connection->reset = true;
	}
	if (tells && x->answer_body == ANSWER_CHUNKED)
		answer_write_last_chunk(connection_output(x));
	else
		x->keep_alive = false;
	if (x->connection->reader == x)
		x->keep_alive = false;
	finish(x);
}

void
exchange_note_refusal(const struct exchange *x, int status)
{
	static const int statuses[] = {
#define X(name, text, status) [GATEWAY_REFUSED_##name] = status,
		GATEWAY_REFUSALS(X)
#undef X
	};
	int i = 0;

	while (i < GATEWAY_REFUSED_OTHER && statuses[i] != status)
		i++;
	server_of(x)->gateway->edge.refused[i]++;
}

/* An error as its answer, whoever made it. */
static void
write_refusal(
	struct exchange *x, int status, const char *fields, const char *reason)
{
	char text[700];

	if (x->state == EXCHANGE_DONE)
		return;
	if (x->state == EXCHANGE_STREAMING)
		truncate_answer(x, reason);
	else if (x->for_api)
		api_refuse(x, status, fields, reason);
	else
		exchange_answer(x, status, "text/plain; charset=utf-8", fields,
			(struct bytes){
				text, (size_t)snprintf(text, sizeof(text),
					      "%d %s: %.600s\n", status,
					      answer_reason(status), reason)});
}

void
exchange_refuse(
	struct exchange *x, int status, const char *fields, const char *reason)
{
	if (x->state == EXCHANGE_OPEN)
		exchange_note_refusal(x, status);
	write_refusal(x, status, fields, reason);
}

/* The same on behalf of the plugin that had the request. */
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
	write_refusal(x, status, fields, reason);
}

void
exchange_refuse_and_close(struct exchange *x, int status, const char *reason)
{
	x->close_after = true;
	x->keep_alive = false;
	x->connection->must_linger = true;
	exchange_refuse(x, status, "", reason);
}

/* A piece of a body whose head is out; false: it breaks its promise. */
static bool
write_piece(struct exchange *x, struct bytes piece)
{
	struct buffer *out = connection_output(x);

	switch (x->answer_body) {
	case ANSWER_CHUNKED:
		answer_write_chunk(out, piece);
		break;
	case ANSWER_LENGTH:
		if (piece.length > x->answer_left)
			return false;
		x->answer_left -= piece.length;
		buffer_append(out, piece.at, piece.length);
		break;
	case ANSWER_UNTIL_CLOSE:
		buffer_append(out, piece.at, piece.length);
		break;
	default:
		break;
	}
	if (x->answer_body != ANSWER_NONE)
		x->body_bytes += piece.length;
	connection_touch(x->connection);
	return true;
}

void
exchange_stream_begin(struct exchange *x, const char *type, const char *fields)
{
	struct answer_frame frame;

	leave_body(x);
	frame = frame_of(x);
	x->answer_body = answer_write_own_head(
		connection_output(x), &frame, 200, type, fields);
	x->keep_alive = frame.keep_alive;
	x->event_stream = true;
	x->state = EXCHANGE_STREAMING;
	connection_touch(x->connection);
}

void
exchange_stream_write(struct exchange *x, struct bytes piece)
{
	if (x->state != EXCHANGE_STREAMING)
		return;
	x->uncredited += piece.length;
	write_piece(x, piece);
}

void
exchange_stream_end(struct exchange *x)
{
	if (x->state != EXCHANGE_STREAMING)
		return;
	if (x->answer_body == ANSWER_CHUNKED)
		answer_write_last_chunk(connection_output(x));
	finish(x);
}

size_t
exchange_stream_backlog(struct exchange *x)
{
	return buffer_length(connection_output(x));
}

static void
on_chunk(struct request *r, struct bytes piece, bool more)
{
	struct exchange *x = exchange_of(r);

	if (x->state == EXCHANGE_DONE)
		return;
	x->uncredited += piece.length;
	if (x->uncredited > WIRE_CREDIT_BYTES) {
		truncate_answer(x, "the worker sent more than it had credit");
		return;
	}
	if (!write_piece(x, piece)) {
		truncate_answer(x, "the worker sent more than it promised");
		return;
	}
	if (more)
		return;
	if (x->answer_body == ANSWER_LENGTH && x->answer_left) {
		truncate_answer(x, "the worker sent less than it promised");
		return;
	}
	if (x->answer_body == ANSWER_CHUNKED)
		answer_write_last_chunk(connection_output(x));
	leave_body(x);
	finish(x);
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
		leave_body(x);
	frame = frame_of(x);
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
		if (a.body.length && !write_piece(x, a.body))
			truncate_answer(
				x, "the worker sent more than it promised");
		connection_touch(x->connection);
		return true;
	}
	finish(x);
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

static const struct request_ops exchange_ops = {
	.encode = exchange_encode,
	.answer = on_answer,
	.chunk = on_chunk,
	.credit = on_credit,
	.fail = on_fail,
};
