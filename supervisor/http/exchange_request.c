/* exchange_request: the request's half of an exchange: its head, its responder
 * and its body. The answer's half is exchange.c. */
#include "supervisor/http/exchange.h"

#include "supervisor/http/accept.h"
#include "supervisor/http/connection.h"
#include "supervisor/http/http_span.h"
#include "supervisor/http/server.h"

static struct http_server *
server_of(const struct exchange *x)
{
	return x->connection->server;
}

/* Answers "OPTIONS *", which clients send as a ping. */
static void
begin_asterisk(struct exchange *x)
{
	exchange_answer(x, 200, "text/plain; charset=utf-8",
		"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n",
		BYTES(""));
}

/* Refuses a request whose connection found no place; false: it is served. */
static bool
refuse_without_place(
	struct exchange *x, const struct head *h, const struct path *path)
{
	struct http_server *s = server_of(x);

	if (admission_promote(s, x->connection) ||
		s->own_paths->is_vital(s, h, path))
		return false;
	x->close_after = true;
	x->connection->must_linger = true;
	exchange_refuse(
		x, 503, "Retry-After: 1\r\n", "too many connections are open");
	return true;
}

void
exchange_begin(struct exchange *x, const struct head *h)
{
	struct path path;
	struct error err;

	x->is_head = h->is_head;
	x->has_body = head_has_body(h);
	x->http_1_0 = h->http_1_0;
	x->keep_alive = h->keep_alive;
	if (h->known[HEAD_ACCEPT])
		x->accepts_json = accept_has_json(h->known[HEAD_ACCEPT]->value);
	exchange_take_request_id(x, h);
	exchange_take_client(x, h);
	if (server_of(x)->gateway->workers.tracer.is_on)
		http_span_begin(x, h);
	x->note = access_begin(&server_of(x)->access, h);
	server_of(x)->gateway->edge.requests++;
	if (h->status)
		exchange_refuse_and_close(x, h->status, h->reason);
	else if (bytes_equal(h->path, BYTES("*")))
		begin_asterisk(x);
	else if (path_split(&path, h->path, &err))
		exchange_refuse_and_close(x, 400, err.text);
	else if (refuse_without_place(x, h, &path))
		return;
	else if (path_is_reserved(path.segments[0]))
		server_of(x)->own_paths->begin(x, h, &path);
	else
		exchange_begin_routed(x, h, &path);
}

bool
exchange_is_congested(const struct exchange *x)
{
	return x->sink == SINK_PASS &&
	       dispatch_backlog(server_of(x)->gateway, &x->request) >
		       EXCHANGE_BACKLOG_MAX;
}

struct bytes
exchange_kept_body(const struct exchange *x)
{
	return (struct bytes){
		(const char *)buffer_bytes(&x->packed) + x->body_at,
		buffer_length(&x->packed) - x->body_at};
}

uint64_t
exchange_room(const struct exchange *x)
{
	switch (x->sink) {
	case SINK_KEEP:
		return x->keep_max - exchange_kept_body(x).length;
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
		x->responder->body_end(x, true);
}

void
exchange_body_end(struct exchange *x)
{
	if (x->sink == SINK_PASS) {
		exchange_piece(x, (struct bytes){"", 0}, true);
	} else if (x->sink == SINK_KEEP) {
		x->sink = SINK_NONE;
		x->responder->body_end(x, false);
	}
}
