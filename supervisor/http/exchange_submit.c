/* exchange_submit: sends an exchange to a worker: finds its route, completes
 * its message and adds the body. The worker's answer is exchange_worker.c. */
#include "supervisor/http/exchange.h"

#include <stdio.h>
#include <string.h>

#include "proto/message.h"
#include "supervisor/http/connection.h"
#include "proto/util/pack.h"
#include "supervisor/http/http_span.h"
#include "supervisor/http/server.h"
#include "supervisor/http/websocket_handshake.h"
#include "supervisor/http/ws_client.h"

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

void
exchange_note_plugin(struct exchange *x, const struct route_match *match)
{
	if (x->note)
		snprintf(x->note->plugin, sizeof(x->note->plugin), "%s",
			dispatch_plugin_id(server_of(x)->gateway, match));
	if (x->span)
		http_span_note_route(x, match,
			dispatch_plugin_id(server_of(x)->gateway, match));
}

/* Sets what depends on the route, for a complete message. */
static void
take_row(struct exchange *x, const struct route_match *match)
{
	x->request.replayable =
		!x->body_follows &&
		registration_is_idempotent(match->row->declared,
			exchange_part(x, x->method).at, x->method.length);
	x->request.held_bytes =
		buffer_length(&x->packed) + sizeof(struct exchange);
	exchange_note_plugin(x, match);
}

/* Completes the message and hands it to the gateway. */
static void
submit(struct exchange *x, const struct route_match *match, bool more)
{
	size_t kept = exchange_kept_body(x).length;
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
	x->body_follows = more;
	take_row(x, match);
	dispatch_submit(server_of(x)->gateway, &x->request, match, 0);
}

/* True if the path is served; else answers with the error. */
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
	case ROUTE_UPGRADE:
		exchange_refuse(x, websocket_needed.status,
			websocket_needed.fields, websocket_needed.reason);
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

/* Sets the body limit by the route. */
static void
take_limit(struct exchange *x, const struct route_match *match)
{
	int64_t own_limit = match->row->declared->http.body_limit;

	x->body_limit = own_limit >= 0
				? (uint64_t)own_limit
				: server_of(x)->config->limits.body_bytes;
	if (x->body)
		x->body->limit = x->body_limit;
}

/* Looks up the route again, because routes may have changed since the head was
 * read, and adapts the message and its parameters. The parameters in match are
 * valid only until this returns. */
static enum route_verdict
find_again(struct exchange *x, struct route_match *match)
{
	enum route_verdict verdict = ROUTE_NONE;
	struct path path;

	if (!path_split(&path, exchange_part(x, x->path), NULL))
		verdict = dispatch_find_http(server_of(x)->gateway,
			exchange_part(x, x->method), &path, match);
	if (verdict != ROUTE_FOUND)
		return verdict;
	exchange_repack_params(x, match);
	match->param_count = 0;
	take_limit(x, match);
	return ROUTE_FOUND;
}

bool
exchange_route(struct request *r, struct route_match *match_out)
{
	struct exchange *x = container_of(r, struct exchange, request);

	if (find_again(x, match_out) != ROUTE_FOUND)
		return false;
	take_row(x, match_out);
	return true;
}

/* The size of the body: what has arrived, and what Content-Length still
 * promises. */
static uint64_t
body_size(const struct exchange *x)
{
	const struct body *b = x->body;

	if (!b)
		return exchange_kept_body(x).length;
	return b->chunked ? b->read : b->read + b->left;
}

/* The kept part of the body is complete: submits the request. */
void
exchange_worker_body_end(struct exchange *x, bool more)
{
	struct route_match match;

	if (!check_verdict(x, find_again(x, &match), &match))
		return;
	if (body_size(x) > x->body_limit)
		exchange_refuse(x, 413, "", "the body is too large");
	else
		submit(x, &match, more);
}

void
exchange_begin_routed(
	struct exchange *x, const struct head *h, const struct path *path)
{
	struct http_server *s = server_of(x);
	struct route_match match;

	if (websocket_is_asked(h) && ws_client_begin(x, h, path))
		return;
	if (!check_verdict(x,
		    dispatch_find_http(s->gateway, h->method, path, &match),
		    &match))
		return;
	take_limit(x, &match);
	if (h->content_length > x->body_limit) {
		exchange_refuse(x, 413, "", "the body is too large");
		return;
	}
	exchange_pack_head(x, h, &match);
	exchange_hand_to(x, &exchange_worker, NULL);
	x->keep_max = WIRE_INLINE_BODY;
	/* If the plugin is not available, refuse before a client is asked for
	 * its body (100 Continue). */
	if (!head_has_body(h) || match.row->declared->http.streams_body ||
		!dispatch_is_available(s->gateway, &match))
		submit(x, &match, head_has_body(h));
	else
		x->sink = SINK_KEEP;
}
