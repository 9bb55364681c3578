/* exchange_pack: packs the worker's `http` message once from the head, with the
 * client's address and the proxies that it passed. */
#include "supervisor/http/exchange.h"

#include <string.h>

#include "supervisor/http/connection.h"
#include "proto/util/pack.h"
#include "supervisor/http/server.h"

static struct http_server *
server_of(const struct exchange *x)
{
	return x->connection->server;
}

/* Keeps the client's request id if it is valid, else makes one. */
void
exchange_take_request_id(struct exchange *x, const struct head *h)
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

/* Finds the client's address; claims of untrusted peers are ignored. */
void
exchange_take_client(struct exchange *x, const struct head *h)
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

/* The host of a peer, without the port. */
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

/* X-Forwarded-For for the worker: the value from a trusted peer, and the peer
 * itself. Empty if nothing is known. */
static struct bytes
forwarded_for(struct exchange *x, const struct head *h)
{
	struct buffer *all = &server_of(x)->scratch;
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

/* Whether a field is passed on. Hop-by-hop fields, claims of untrusted peers,
 * and fields that supd writes itself are not. */
static bool
is_passed(const struct exchange *x, const struct head_field *f)
{
	if (f->hop)
		return false;
	if (f->name.at[0] == 't')
		return !x->request.span.context.sampling ||
		       (!bytes_equal(f->name, BYTES("traceparent")) &&
			       (x->goes_on || !bytes_equal(f->name,
						      BYTES("tracestate"))));
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

/* parent_out: where the value of supd's own `traceparent` is; NULL: there is
 * none. */
static uint8_t *
pack_fields(uint8_t *at, const struct exchange *x, const struct head *h,
	struct bytes forwarded, uint8_t **parent_out)
{
	const struct trace_context *trace = &x->request.span.context;
	bool has_trace = trace->high | trace->low;
	unsigned count = 2 + (forwarded.length > 0) + has_trace;
	char parent[TRACEPARENT_BYTES + 1];

	for (unsigned i = 0; i < h->field_count; i++)
		count += is_passed(x, &h->fields[i]);
	at = pack_array(at, count);
	for (unsigned i = 0; i < h->field_count; i++)
		if (is_passed(x, &h->fields[i]))
			at = pack_field(
				at, h->fields[i].name, h->fields[i].value);
	*parent_out = NULL;
	if (has_trace) {
		traceparent_write(trace, parent);
		at = pack_field(at, BYTES("traceparent"),
			(struct bytes){parent, TRACEPARENT_BYTES});
		*parent_out = at - TRACEPARENT_BYTES;
	}
	if (forwarded.length)
		at = pack_field(at, BYTES("x-forwarded-for"), forwarded);
	at = pack_field(at, BYTES("x-forwarded-proto"),
		x->by_proxy ? proxy_scheme(h) : BYTES("http"));
	return pack_field(at, BYTES("x-request-id"), exchange_part(x, x->id));
}

static size_t
params_bound(const struct route_match *match)
{
	size_t bytes = PACK_HEAD_BYTES;

	for (unsigned i = 0; i < match->param_count; i++)
		bytes += strlen(match->params[i].name) +
			 match->params[i].value.length + 2 * PACK_HEAD_BYTES;
	return bytes;
}

static size_t
packed_bound(const struct exchange *x, const struct head *h,
	const struct route_match *match, struct bytes forwarded)
{
	size_t bytes = h->method.length + h->path.length + h->query.length +
		       x->id.length + forwarded.length + 256 +
		       params_bound(match);

	for (unsigned i = 0; i < h->field_count; i++)
		bytes += h->fields[i].name.length + h->fields[i].value.length +
			 3 * PACK_HEAD_BYTES;
	return bytes + 8 * PACK_HEAD_BYTES;
}

static struct exchange_part
note_part(const uint8_t *start, const uint8_t *end, size_t length)
{
	return (struct exchange_part){
		(uint32_t)((size_t)(end - start) - length), (uint32_t)length};
}

void
exchange_pack_head(struct exchange *x, const struct head *h,
	const struct route_match *match)
{
	struct bytes forwarded = forwarded_for(x, h);
	uint8_t *at, *start, *params, *parent;

	x->wire_at = (uint32_t)buffer_length(&x->packed);
	at = buffer_reserve(&x->packed, packed_bound(x, h, match, forwarded));
	start = buffer_bytes(&x->packed);
	at = pack_str(at, h->method);
	x->method = note_part(start, at, h->method.length);
	at = pack_str(at, h->path);
	x->path = note_part(start, at, h->path.length);
	params = at;
	at = pack_params(at, match);
	x->params = note_part(start, at, (size_t)(at - params));
	at = pack_str(at, h->query);
	at = pack_fields(at, x, h, forwarded, &parent);
	at += PACK_HEAD_BYTES;
	x->body_at = (uint32_t)(at - start);
	buffer_commit(&x->packed, x->body_at - buffer_length(&x->packed));
}

uint32_t
exchange_pack_ws(struct exchange *x, const struct head *h, struct buffer *out)
{
	static const struct route_match none;
	struct bytes forwarded = forwarded_for(x, h);
	uint8_t *start, *at, *parent;

	start = at = buffer_reserve(
		out, packed_bound(x, h, &none, forwarded) + x->client.length);
	at = pack_str(at, h->query);
	at = pack_fields(at, x, h, forwarded, &parent);
	at = pack_str(at, exchange_part(x, x->client));
	buffer_commit(out, (size_t)(at - start));
	return parent ? (uint32_t)(parent - start) : 0;
}

/* Packs the parameters aside first, because their values may lie in the message
 * itself. */
void
exchange_repack_params(struct exchange *x, const struct route_match *match)
{
	struct buffer *aside = &server_of(x)->scratch;
	uint32_t old_length = x->params.length, length;
	uint8_t *fresh, *old;

	buffer_clear(aside);
	fresh = buffer_reserve(aside, params_bound(match));
	length = (uint32_t)(pack_params(fresh, match) - fresh);
	buffer_reserve(&x->packed, length);
	old = buffer_bytes(&x->packed) + x->params.at;
	if (length != old_length)
		memmove(old + length, old + old_length,
			buffer_length(&x->packed) - x->params.at - old_length);
	memcpy(old, fresh, length);
	x->packed.end = x->packed.end + length - old_length;
	x->params.length = length;
	x->body_at = x->body_at + length - old_length;
}
