/* exchange: the life of an exchange, and its answer from any responder. The
 * request's half is in exchange_request.c, a worker's messages in
 * exchange_worker.c. */
#include "supervisor/http/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_text.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "proto/value.h"
#include "supervisor/http/connection.h"
#include "supervisor/http/http_span.h"
#include "supervisor/http/server.h"
#include "supervisor/http/websocket_handshake.h"

#define PACKED_KEPT_BYTES 4096 /* memory that a free exchange may keep */

/* The responder of answers that supd gives at once. */
static const struct responder at_once = {.refuse = exchange_refuse_as_accepted};

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
	x->responder = &at_once;
	x->request.ops = &exchange_ops;
	x->window = WIRE_CREDIT_BYTES;
	list_append(&c->exchanges, &x->node);
	c->exchange_count++;
	return x;
}

/* Writes the exchange's line in the access log. */
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

	if (x->responder->abandon)
		x->responder->abandon(x);
	if (x->body)
		c->protocol->drop_body(x);
	note_end(x);
	if (x->span)
		http_span_end(x);
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

void
exchange_hand_to(
	struct exchange *x, const struct responder *responder, void *answering)
{
	x->responder = responder;
	x->answering = answering;
}

void
exchange_let_go(struct exchange *x)
{
	exchange_hand_to(x, &at_once, NULL);
}

/* ---- the answer ---- */

struct bytes
exchange_part(const struct exchange *x, struct exchange_part p)
{
	return (struct bytes){
		(const char *)buffer_bytes(&x->packed) + p.at, p.length};
}

struct buffer *
exchange_output(struct exchange *x)
{
	return x->connection->protocol->output(x);
}

struct answer_frame
exchange_frame(struct exchange *x)
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

void
exchange_finish(struct exchange *x)
{
	x->state = EXCHANGE_DONE;
	x->sink = SINK_NONE;
	if (!x->keep_alive)
		x->close_after = true;
	/* bytes that follow are not read as requests */
	x->connection->closing |= x->close_after;
	connection_touch(x->connection);
}

void
exchange_leave_body(struct exchange *x)
{
	if (x->body && !x->connection->protocol->drop_body(x))
		x->close_after = true;
}

void
exchange_answer(struct exchange *x, int status, const char *type,
	const char *fields, struct bytes body)
{
	struct answer_frame frame;

	exchange_leave_body(x);
	frame = exchange_frame(x);
	answer_write_own(
		exchange_output(x), &frame, status, type, fields, body);
	x->status = status;
	x->body_bytes = x->is_head ? 0 : body.length;
	exchange_finish(x);
}

void
exchange_upgrade(struct exchange *x, const char *accept, struct bytes protocol,
	const char *fields)
{
	struct answer_frame frame = exchange_frame(x);

	exchange_let_go(x);
	websocket_write_answer(
		exchange_output(x), &frame, accept, protocol, fields);
	x->status = 101;
	x->keep_alive = true;
	exchange_finish(x);
}

void
exchange_truncate(struct exchange *x, const char *reason)
{
	bool tells = x->event_stream &&
		     (x->answer_body == ANSWER_CHUNKED ||
			     x->answer_body == ANSWER_UNTIL_CLOSE);
	char event[640];
	int length;

	if (tells) {
		length = snprintf(event, sizeof(event),
			"\n\nevent: truncated\ndata: %.*s\n\n",
			TEXT_FIT(reason, 600));
		exchange_write_piece(x, (struct bytes){event, (size_t)length});
	} else if (x->answer_body == ANSWER_UNTIL_CLOSE) {
		x->connection->reset = true;
	}
	if (tells && x->answer_body == ANSWER_CHUNKED)
		answer_write_last_chunk(exchange_output(x));
	else
		x->keep_alive = false;
	if (x->body)
		x->keep_alive = false;
	exchange_finish(x);
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

void
exchange_answer_json(struct exchange *x, int status, const char *fields,
	const json_t *document)
{
	struct buffer line = {0};

	json_text_append(&line, document, JSON_TEXT_COMPACT);
	buffer_append_byte(&line, '\n');
	exchange_answer(x, status, "application/json", fields,
		(struct bytes){(const char *)buffer_bytes(&line),
			buffer_length(&line)});
	buffer_finish(&line);
}

static void
refuse_as_json(
	struct exchange *x, int status, const char *fields, const char *reason)
{
	json_t *document = json_pack(
		"{s:o,s:i}", "error", value_text(reason), "status", status);

	exchange_answer_json(x, status, fields, document);
	json_decref(document);
}

void
exchange_refuse_as_accepted(
	struct exchange *x, int status, const char *fields, const char *reason)
{
	char text[700];
	int length;

	if (x->accepts_json) {
		refuse_as_json(x, status, fields, reason);
		return;
	}
	length = snprintf(text, sizeof(text), "%d %s: %.*s\n", status,
		answer_reason(status), TEXT_FIT(reason, 600));
	exchange_answer(x, status, "text/plain; charset=utf-8", fields,
		(struct bytes){text, (size_t)length});
}

void
exchange_write_refusal(
	struct exchange *x, int status, const char *fields, const char *reason)
{
	if (x->state == EXCHANGE_DONE)
		return;
	if (x->state == EXCHANGE_STREAMING)
		exchange_truncate(x, reason);
	else
		x->responder->refuse(x, status, fields, reason);
}

void
exchange_refuse(
	struct exchange *x, int status, const char *fields, const char *reason)
{
	if (x->state == EXCHANGE_OPEN)
		exchange_note_refusal(x, status);
	exchange_write_refusal(x, status, fields, reason);
}

void
exchange_refuse_and_close(struct exchange *x, int status, const char *reason)
{
	x->close_after = true;
	x->keep_alive = false;
	x->connection->must_linger = true;
	exchange_refuse(x, status, "", reason);
}

bool
exchange_write_piece(struct exchange *x, struct bytes piece)
{
	struct buffer *out = exchange_output(x);

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
exchange_stream_begin(
	struct exchange *x, int status, const char *type, const char *fields)
{
	struct answer_frame frame;

	exchange_leave_body(x);
	frame = exchange_frame(x);
	x->answer_body = answer_write_own_head(
		exchange_output(x), &frame, status, type, fields);
	x->keep_alive = frame.keep_alive;
	x->event_stream = !strcmp(type, "text/event-stream");
	x->status = (uint16_t)status;
	x->state = EXCHANGE_STREAMING;
	connection_touch(x->connection);
}

void
exchange_stream_write(struct exchange *x, struct bytes piece)
{
	if (x->state != EXCHANGE_STREAMING)
		return;
	x->uncredited += piece.length;
	exchange_write_piece(x, piece);
}

void
exchange_stream_end(struct exchange *x)
{
	if (x->state != EXCHANGE_STREAMING)
		return;
	if (x->answer_body == ANSWER_CHUNKED)
		answer_write_last_chunk(exchange_output(x));
	exchange_finish(x);
}

size_t
exchange_stream_backlog(struct exchange *x)
{
	return buffer_length(exchange_output(x));
}

void
exchange_passed(struct exchange *x, uint64_t bytes, size_t backlog)
{
	if (bytes > x->uncredited)
		bytes = x->uncredited;
	x->uncredited -= bytes;
	if (bytes && x->responder->passed)
		x->responder->passed(x, bytes, backlog);
}
