/* http1: the queue of exchanges: the oldest one writes to the socket's buffer,
 * the others buffer their answers until they are the oldest. */
#include "supervisor/http/http1.h"

#include "supervisor/http/connection.h"
#include "supervisor/http/exchange.h"
#include "supervisor/http/reader.h"
#include "supervisor/http/server.h"
#include "supervisor/http/websocket.h"

/* ---- reading ---- */

static bool
is_congested(const struct connection *c)
{
	return c->http1.reader && exchange_is_congested(c->http1.reader);
}

static bool
owes_start(const struct connection *c)
{
	const struct http1 *h = &c->http1;

	return (h->in_body && h->reader && h->reader->sink == SINK_KEEP) ||
	       (buffer_length(&c->in) && reader_must_wait(c));
}

static enum connection_wait
awaited(const struct connection *c)
{
	if (c->http1.in_body)
		return WAIT_BODY;
	if (buffer_length(&c->in) && !reader_must_wait(c))
		return WAIT_HEAD;
	return WAIT_NOTHING;
}

static bool
refuse_late(struct connection *c, enum connection_wait wait)
{
	struct exchange *x = c->http1.reader;

	if (wait == WAIT_HEAD)
		reader_refuse(c, 408, "the head of the request took too long");
	else if (x)
		exchange_refuse_and_close(
			x, 408, "the body of the request took too long");
	else
		return false;
	return true;
}

static bool
is_cut(const struct connection *c, size_t unread)
{
	const struct http1 *h = &c->http1;
	size_t there = buffer_length(&c->in) + unread;

	return h->in_body && h->reader &&
	       (h->body.chunked ? !there : there < h->body.left);
}

static bool
drop_body(struct exchange *x)
{
	struct http1 *h = &x->connection->http1;

	x->body = NULL;
	h->reader = NULL;
	if (!h->in_body)
		return true;
	h->body.limit = h->body.read + CONNECTION_DROP_MAX;
	return !h->expecting &&
	       (h->body.chunked || h->body.left <= CONNECTION_DROP_MAX);
}

/* ---- writing ---- */

struct buffer *
http1_output(struct exchange *x)
{
	struct connection *c = x->connection;

	if (c->exchanges.next != &x->node)
		return &x->answer;
	if (!c->out.memory)
		http_server_take_buffer(c->server, &c->out);
	return &c->out;
}

static struct exchange *
first_of(const struct connection *c)
{
	return list_is_empty(&c->exchanges)
		       ? NULL
		       : container_of(c->exchanges.next, struct exchange, node);
}

/* Removes complete exchanges from the queue; the next one may write. */
static void
advance(struct connection *c)
{
	struct exchange *x;

	while ((x = first_of(c))) {
		if (buffer_length(&x->answer)) {
			struct buffer *out = http1_output(x);

			buffer_append(out, buffer_bytes(&x->answer),
				buffer_length(&x->answer));
			buffer_finish(&x->answer);
		}
		if (x->state != EXCHANGE_DONE)
			return;
		if (!x->close_after) {
			exchange_destroy(x);
			continue;
		}
		c->must_linger |= c->http1.in_body || buffer_length(&c->in) > 0;
		c->closing = true;
		while ((x = first_of(c)))
			exchange_destroy(x);
	}
	if (c->websocket)
		websocket_begin(c);
}

static uint64_t
credit_step(const struct exchange *x)
{
	return x->window > WIRE_CREDIT_BYTES
		       ? x->window / CONNECTION_CREDIT_PARTS
		       : CONNECTION_CREDIT_STEP;
}

/* Reports in steps, not for every piece: a worker's credit is larger than a
 * step. */
static void
passed(struct connection *c)
{
	struct exchange *x = first_of(c);
	size_t backlog = buffer_length(&c->out);

	if (x && x->uncredited >= backlog + credit_step(x))
		exchange_passed(x, x->uncredited - backlog, backlog);
	if ((x = first_of(c)))
		exchange_note_waiting(x);
}

const struct protocol http1_protocol = {
	.take = reader_take,
	.is_blocked = reader_is_blocked,
	.is_congested = is_congested,
	.owes_start = owes_start,
	.wait = awaited,
	.refuse_late = refuse_late,
	.is_cut = is_cut,
	.drop_body = drop_body,
	.output = http1_output,
	.advance = advance,
	.passed = passed,
};
