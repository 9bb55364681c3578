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

/* Who asks, as far as it can be believed. */
static void
take_client(struct exchange *x, const struct head *h)
{
	const struct connection *c = x->connection;
	char text[ADDRESS_TEXT_BYTES];
	struct bytes client = bytes_of(c->peer);
	struct address address;

	x->by_proxy = proxies_trust(&server_of(x)->proxies, &c->address);
	if (x->by_proxy) {
		address = proxy_client(&server_of(x)->proxies, &c->address, h);
		client = (struct bytes){
			text, address_write(&address, true, text)};
	}
	x->client = (struct exchange_part){
		(uint32_t)buffer_length(&x->packed), (uint32_t)client.length};
	buffer_append(&x->packed, client.at, client.length);
}

/* A peer without its port. */
static struct bytes
host_of(const struct connection *c)
{
	const char *text = c->peer, *colon = strrchr(text, ':');

	if (*text == '[')
		return (struct bytes){text + 1, (size_t)(colon - text) - 2};
	if (!c->address.port)
		return bytes_of(text);
	return (struct bytes){text, (size_t)(colon - text)};
}

/* X-Forwarded-For as the worker gets it: what a trusted peer said, and the
 * peer. Empty if nothing is known. */
static struct bytes
forwarded_for(struct exchange *x, const struct head *h)
{
	struct buffer *all = &server_of(x)->forwarded;
	const struct connection *c = x->connection;
	struct bytes host;

	buffer_clear(all);
	for (unsigned i = 0; x->by_proxy && i < h->field_count; i++) {
		if (!bytes_equal(h->fields[i].name, BYTES("x-forwarded-for")))
			continue;
		if (buffer_length(all))
			buffer_append_text(all, ", ");
		buffer_append(
			all, h->fields[i].value.at, h->fields[i].value.length);
	}
	if (c->address.is_known) {
		host = host_of(c);
		if (buffer_length(all))
			buffer_append_text(all, ", ");
		buffer_append(all, host.at, host.length);
	}
	return (struct bytes){
		(const char *)buffer_bytes(all), buffer_length(all)};
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

/* What ends at this hop is left out, and what only a trusted peer may claim;
 * the request id and how far it came are ours in any case. */
static bool
is_passed(const struct exchange *x, const struct head_field *f)
{
	if (f->hop)
		return false;
	if (f->name.at[0] != 'x' && f->name.at[0] != 'f')
		return true;
	return !bytes_equal(f->name, BYTES("x-request-id")) &&
	       !proxy_field_is_rewritten(f->name) &&
	       (x->by_proxy || !proxy_field_is_claim(f->name));
}

static uint8_t *
pack_field(uint8_t *at, struct bytes name, struct bytes value)
{
	at = pack_array(at, 2);
	at = pack_str(at, name);
	return pack_bin(at, value);
}

static uint8_t *
pack_fields(uint8_t *at, const struct exchange *x, const struct head *h,
	struct bytes forwarded)
{
	unsigned count = 2 + (forwarded.length > 0);

	for (unsigned i = 0; i < h->field_count; i++)
		count += is_passed(x, &h->fields[i]);
	at = pack_array(at, count);
	for (unsigned i = 0; i < h->field_count; i++)
		if (is_passed(x, &h->fields[i]))
			at = pack_field(
				at, h->fields[i].name, h->fields[i].value);
	if (forwarded.length)
		at = pack_field(at, BYTES("x-forwarded-for"), forwarded);
	at = pack_field(at, BYTES("x-forwarded-proto"),
		x->by_proxy ? proxy_scheme(h) : BYTES("http"));
	return pack_field(at, BYTES("x-request-id"), exchange_part(x, x->id));
}

static size_t
packed_bound(const struct exchange *x, const struct head *h,
	const struct route_match *match, struct bytes forwarded)
{
	size_t bytes = h->method.length + h->path.length + h->query.length +
		       x->id.length + forwarded.length + 160;

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
	struct bytes forwarded = forwarded_for(x, h);
	uint8_t *at, *start;

	x->wire_at = (uint32_t)buffer_length(&x->packed);
	at = buffer_reserve(&x->packed, packed_bound(x, h, match, forwarded));
	start = buffer_bytes(&x->packed);
	at = pack_str(at, h->method);
	x->method = note_part(start, at, h->method.length);
	at = pack_str(at, h->path);
	x->path = note_part(start, at, h->path.length);
	at = pack_params(at, match);
	at = pack_str(at, h->query);
	at = pack_fields(at, x, h, forwarded);
	at += PACK_HEAD_BYTES;
	x->body_at = (uint32_t)(at - start);
	buffer_commit(&x->packed, x->body_at - buffer_length(&x->packed));
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
	pack_head(x, h, &match);
	/* A body is not asked for in vain: who cannot take it refuses now. */
	if (!head_has_body(h) || match.row->declared->streams_body ||
		!dispatch_is_available(s->gateway, &match))
		submit(x, &match, head_has_body(h));
	else
		x->sink = SINK_KEEP;
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
	take_client(x, h);
	x->note = access_begin(&server_of(x)->access, h);
	server_of(x)->gateway->edge.requests++;
	if (h->status)
		exchange_refuse_and_close(x, h->status, h->reason);
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
