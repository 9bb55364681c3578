/* The request's half of an exchange: what it is, where it goes, and its body.
 * The answer's half is exchange.c. */
#include "supervisor/http/exchange.h"

#include <stdio.h>
#include <string.h>

#include "proto/message.h"
#include "supervisor/http/api.h"
#include "supervisor/http/connection.h"
#include "supervisor/http/endpoint.h"
#include "supervisor/http/pack.h"
#include "supervisor/http/server.h"

static struct http_server *
server_of(const struct exchange *x)
{
	return x->connection->server;
}

void
exchange_encode(struct request *r, msgpack_packer *p, uint32_t wire_id)
{
	struct exchange *x = container_of(r, struct exchange, request);

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

/* Completes the message and hands it to the gateway. */
static void
submit(struct exchange *x, const struct route_match *match, bool more)
{
	size_t kept = buffer_length(&x->packed) - x->body_at;
	uint8_t *start, *at;

	at = buffer_reserve(&x->packed, x->client.length + 1 + PACK_HEAD_BYTES);
	start = at;
	pack_u32(buffer_bytes(&x->packed) + x->body_at - PACK_HEAD_BYTES, 0xc6,
		(uint32_t)kept);
	at = pack_bool(at, more);
	at = pack_str(at, exchange_part(x, x->client));
	buffer_commit(&x->packed, (size_t)(at - start));
	x->sink = more ? SINK_PASS : SINK_NONE;
	x->state = EXCHANGE_WAITING;
	x->request.replayable =
		!more &&
		registration_is_idempotent(match->row->declared,
			exchange_part(x, x->method).at, x->method.length);
	x->request.held_bytes =
		buffer_length(&x->packed) + sizeof(struct exchange);
	if (x->note)
		snprintf(x->note->plugin, sizeof(x->note->plugin), "%s",
			dispatch_plugin_id(server_of(x)->gateway, match));
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

	if (!path_split(&path, exchange_part(x, x->path), NULL))
		verdict = dispatch_find_http(server_of(x)->gateway,
			exchange_part(x, x->method), &path, &match);
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
	exchange_pack_head(x, h, &match);
	/* A body is not asked for in vain: who cannot take it refuses now. */
	if (!head_has_body(h) || match.row->declared->streams_body ||
		!dispatch_is_available(s->gateway, &match))
		submit(x, &match, head_has_body(h));
	else
		x->sink = SINK_KEEP;
}

/* "OPTIONS *" asks for no path: a way to see that somebody is there. */
static void
begin_asterisk(struct exchange *x)
{
	exchange_answer(x, 200, "text/plain; charset=utf-8",
		"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n",
		BYTES(""));
}

void
exchange_begin(struct exchange *x, const struct head *h)
{
	struct path path;
	struct error err;

	x->is_head = h->is_head;
	x->http_1_0 = h->http_1_0;
	x->keep_alive = h->keep_alive;
	exchange_take_request_id(x, h);
	exchange_take_client(x, h);
	x->note = access_begin(&server_of(x)->access, h);
	server_of(x)->gateway->edge.requests++;
	if (h->status)
		exchange_refuse_and_close(x, h->status, h->reason);
	else if (bytes_equal(h->path, BYTES("*")))
		begin_asterisk(x);
	else if (path_split(&path, h->path, &err))
		exchange_refuse_and_close(x, 400, err.text);
	else if (path_is_reserved(path.segments[0]))
		endpoint_begin(x, h, &path);
	else
		begin_routed(x, h, &path);
}

bool
exchange_is_congested(const struct exchange *x)
{
	return x->sink == SINK_PASS &&
	       dispatch_backlog(server_of(x)->gateway, &x->request) >
		       EXCHANGE_BACKLOG_MAX;
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
		return exchange_is_congested(x) ? 0 : x->body_credit;
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
