#include "supervisor/http/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/message.h"
#include "proto/util/memory.h"
#include "supervisor/http/api.h"
#include "supervisor/http/connection.h"
#include "supervisor/http/endpoint.h"
#include "supervisor/http/pack.h"
#include "supervisor/http/server.h"
#include "supervisor/http/text.h"

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

static struct bytes
part(const struct exchange *x, struct exchange_part p)
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
		.request_id = part(x, x->id),
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
	finish(x);
}

/* The head of the answer is out: say that the rest does not come. */
static void
truncate_answer(struct exchange *x, const char *reason)
{
	struct buffer *out = connection_output(x);
	char event[640];
	int length;

	if (x->answer_body == ANSWER_CHUNKED && x->event_stream) {
		length = snprintf(event, sizeof(event),
			"\n\nevent: truncated\ndata: %s\n\n", reason);
		if (length >= (int)sizeof(event))
			length = (int)sizeof(event) - 1;
		answer_write_chunk(out, (struct bytes){event, (size_t)length});
		answer_write_last_chunk(out);
	} else {
		x->keep_alive = false;
	}
	if (x->connection->reader == x)
		x->keep_alive = false;
	finish(x);
}

void
exchange_refuse(
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
	connection_touch(x->connection);
	return true;
}

static void
on_chunk(struct request *r, struct bytes piece, bool more)
{
	struct exchange *x = exchange_of(r);

	if (x->state == EXCHANGE_DONE)
		return;
	x->uncredited += piece.length;
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
	exchange_refuse(
		exchange_of(r), row->status, fields, text ? text : row->text);
}

/* The worker's error as an answer of supd's. */
static void
answer_error(struct exchange *x, const msgpack_object *error)
{
	char text[512];

	switch (codec_read_error(error, text, sizeof(text))) {
	case WIRE_TIMEOUT:
		exchange_refuse(x, 504, "", text);
		break;
	case WIRE_TOO_LARGE:
		exchange_refuse(x, 413, "", text);
		break;
	default:
		exchange_refuse(
			x, request_failures[REQUEST_FAILED].status, "", text);
	}
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
		exchange_refuse(x, request_failures[REQUEST_BAD_ANSWER].status,
			"", text);
		return a.more;
	}
	if (!a.more)
		leave_body(x);
	frame = frame_of(x);
	x->answer_body = answer_write(connection_output(x), &a, &frame);
	x->keep_alive = frame.keep_alive;
	x->event_stream = a.is_event_stream;
	x->answer_left = a.length;
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
}

/* ---- the request ---- */

static void
on_encode(struct request *r, msgpack_packer *p, uint32_t wire_id)
{
	struct exchange *x = exchange_of(r);

	codec_request(p, wire_id, MESSAGE_HTTP, 10);
	msgpack_pack_uint32(p, r->registration);
	p->callback(p->data,
		(const char *)buffer_bytes(&x->packed) + x->wire_at,
		buffer_length(&x->packed) - x->wire_at);
	msgpack_pack_uint64(p, dispatch_deadline_ms(r));
	if (x->sink == SINK_PASS && !x->encoded) {
		x->body_credit = WIRE_CREDIT_BYTES;
		connection_touch(x->connection);
	}
	x->encoded = true;
}

static const struct request_ops exchange_ops = {
	.encode = on_encode,
	.answer = on_answer,
	.chunk = on_chunk,
	.credit = on_credit,
	.fail = on_fail,
};

/* Keeps the client's request id if it is fit to be passed on, else makes one.
 */
static void
take_request_id(struct exchange *x, const struct head *h)
{
	const struct head_field *given = h->known[HEAD_X_REQUEST_ID];
	char made[32];
	struct bytes id;
	bool fit = given && given->value.length && given->value.length <= 128;

	for (size_t i = 0; fit && i < given->value.length; i++)
		fit = given->value.at[i] > ' ' && given->value.at[i] < 0x7f;
	if (fit)
		id = given->value;
	else
		id = (struct bytes){
			made, http_server_request_id(server_of(x), made)};
	buffer_append(&x->packed, id.at, id.length);
	x->id = (struct exchange_part){0, (uint32_t)id.length};
}

static uint8_t *
pack_params(uint8_t *at, const struct route_match *match)
{
	at = pack_map(at, match->param_count);
	for (unsigned i = 0; i < match->param_count; i++) {
		at = pack_str(at, bytes_of(match->params[i].name));
		at = pack_str(at, match->params[i].value);
	}
	return at;
}

/* What ends at this hop is left out; the request id is ours in any case. */
static bool
is_passed(const struct head *h, const struct head_field *f)
{
	return !f->hop && (!h->known[HEAD_X_REQUEST_ID] ||
				  !bytes_equal(f->name, BYTES("x-request-id")));
}

static uint8_t *
pack_fields(uint8_t *at, const struct exchange *x, const struct head *h)
{
	unsigned count = 1;

	for (unsigned i = 0; i < h->field_count; i++)
		count += is_passed(h, &h->fields[i]);
	at = pack_array(at, count);
	for (unsigned i = 0; i < h->field_count; i++) {
		const struct head_field *f = &h->fields[i];

		if (!is_passed(h, f))
			continue;
		at = pack_array(at, 2);
		at = pack_str(at, f->name);
		at = pack_bin(at, f->value);
	}
	at = pack_array(at, 2);
	at = pack_str(at, BYTES("x-request-id"));
	return pack_bin(at, part(x, x->id));
}

static size_t
packed_bound(const struct exchange *x, const struct head *h,
	const struct route_match *match)
{
	size_t bytes = h->method.length + h->path.length + h->query.length +
		       x->id.length + 64;

	for (unsigned i = 0; i < h->field_count; i++)
		bytes += h->fields[i].name.length + h->fields[i].value.length +
			 3 * PACK_HEAD_BYTES;
	for (unsigned i = 0; i < match->param_count; i++)
		bytes += strlen(match->params[i].name) +
			 match->params[i].value.length + 2 * PACK_HEAD_BYTES;
	return bytes + 8 * PACK_HEAD_BYTES;
}

static struct exchange_part
note_part(const uint8_t *start, const uint8_t *end, size_t length)
{
	return (struct exchange_part){
		(uint32_t)((size_t)(end - start) - length), (uint32_t)length};
}

/* method to fields, and room for the body's size, which is filled in when the
 * body is there. */
static void
pack_head(struct exchange *x, const struct head *h,
	const struct route_match *match)
{
	uint8_t *at, *start;

	x->wire_at = (uint32_t)buffer_length(&x->packed);
	at = buffer_reserve(&x->packed, packed_bound(x, h, match));
	start = buffer_bytes(&x->packed);
	at = pack_str(at, h->method);
	x->method = note_part(start, at, h->method.length);
	at = pack_str(at, h->path);
	x->path = note_part(start, at, h->path.length);
	at = pack_params(at, match);
	at = pack_str(at, h->query);
	at = pack_fields(at, x, h);
	at += PACK_HEAD_BYTES;
	x->body_at = (uint32_t)(at - start);
	buffer_commit(&x->packed, x->body_at - buffer_length(&x->packed));
}

/* Completes the message and hands it to the gateway. */
static void
submit(struct exchange *x, const struct route_match *match, bool more)
{
	struct bytes peer = bytes_of(x->connection->peer);
	size_t kept = buffer_length(&x->packed) - x->body_at;
	uint8_t *start, *at;

	at = buffer_reserve(&x->packed, peer.length + 1 + PACK_HEAD_BYTES);
	start = at;
	pack_u32(buffer_bytes(&x->packed) + x->body_at - PACK_HEAD_BYTES, 0xc6,
		(uint32_t)kept);
	at = pack_bool(at, more);
	at = pack_str(at, peer);
	buffer_commit(&x->packed, (size_t)(at - start));
	x->sink = more ? SINK_PASS : SINK_NONE;
	x->state = EXCHANGE_WAITING;
	x->request.replayable =
		!more && registration_is_idempotent(match->row->declared,
				 part(x, x->method).at, x->method.length);
	x->request.held_bytes =
		buffer_length(&x->packed) + sizeof(struct exchange);
	dispatch_submit(server_of(x)->gateway, &x->request, match, 0);
}

/* Answers for a path that nobody serves; true if somebody does. */
static bool
check_verdict(struct exchange *x, enum route_verdict verdict,
	const struct route_match *match)
{
	char fields[160];

	switch (verdict) {
	case ROUTE_FOUND:
		return true;
	case ROUTE_WRONG_METHOD:
		snprintf(fields, sizeof(fields), "Allow: %s\r\n", match->allow);
		exchange_refuse(x, 405, fields,
			"the method is not served on this path");
		return false;
	case ROUTE_NONE:
		break;
	}
	if (gateway_is_settled(server_of(x)->gateway))
		exchange_refuse(x, 404, "", "nothing is served on this path");
	else
		exchange_refuse(x, 503, "Retry-After: 1\r\n",
			"supd is still starting its plugins");
	return false;
}

/* The body is kept as far as it is sent at once. Routes may have changed
 * meanwhile, so they are asked again. */
static void
submit_kept(struct exchange *x, bool more)
{
	struct route_match match;
	enum route_verdict verdict = ROUTE_NONE;
	struct path path;

	if (!path_split(&path, part(x, x->path), NULL))
		verdict = dispatch_find_http(server_of(x)->gateway,
			part(x, x->method), &path, &match);
	if (check_verdict(x, verdict, &match))
		submit(x, &match, more);
}

static void
begin_routed(struct exchange *x, const struct head *h, const struct path *path)
{
	struct http_server *s = server_of(x);
	struct route_match match;
	int64_t own_limit;

	if (!check_verdict(x,
		    dispatch_find_http(s->gateway, h->method, path, &match),
		    &match))
		return;
	own_limit = match.row->declared->body_limit;
	x->body_limit = own_limit >= 0 ? (uint64_t)own_limit
				       : s->config->limits.body_bytes;
	if (h->content_length > x->body_limit) {
		exchange_refuse(x, 413, "", "the body is too large");
		return;
	}
	pack_head(x, h, &match);
	if (head_has_body(h))
		x->sink = SINK_KEEP;
	else
		submit(x, &match, false);
}

void
exchange_begin(struct exchange *x, const struct head *h)
{
	struct path path;
	struct error err;

	x->is_head = h->is_head;
	x->http_1_0 = h->http_1_0;
	x->keep_alive = h->keep_alive;
	take_request_id(x, h);
	server_of(x)->requests_total++;
	if (h->status)
		exchange_refuse_and_close(x, h->status, h->reason);
	else if (path_split(&path, h->path, &err))
		exchange_refuse_and_close(x, 400, err.text);
	else if (path_is_reserved(path.segments[0]))
		endpoint_begin(x, h, &path);
	else
		begin_routed(x, h, &path);
}

uint64_t
exchange_room(const struct exchange *x)
{
	switch (x->sink) {
	case SINK_KEEP:
		return x->for_api
			       ? UINT64_MAX
			       : WIRE_INLINE_BODY - (buffer_length(&x->packed) -
							    x->body_at);
	case SINK_PASS:
		return x->body_credit;
	case SINK_NONE:
		break;
	}
	return UINT64_MAX;
}

void
exchange_piece(struct exchange *x, struct bytes piece, bool last)
{
	if (x->sink == SINK_PASS) {
		x->body_credit -= piece.length;
		if (last)
			x->sink = SINK_NONE;
		dispatch_send_chunk(
			server_of(x)->gateway, &x->request, piece, !last);
		return;
	}
	if (x->sink != SINK_KEEP)
		return;
	buffer_append(&x->packed, piece.at, piece.length);
	if (last)
		exchange_body_end(x);
	else if (!exchange_room(x))
		submit_kept(x, true);
}

void
exchange_body_end(struct exchange *x)
{
	if (x->sink == SINK_PASS) {
		exchange_piece(x, (struct bytes){"", 0}, true);
	} else if (x->sink == SINK_KEEP) {
		x->sink = SINK_NONE;
		if (x->for_api)
			api_body_end(x);
		else
			submit_kept(x, false);
	}
}
