/* reader: turns heads into exchanges and passes bodies to them. Enforces every
 * limit on what a client may send. */
#include "supervisor/http/reader.h"

#include "proto/util/log.h"
#include "supervisor/http/connection.h"
#include "supervisor/http/exchange.h"
#include "supervisor/http/head.h"
#include "supervisor/http/server.h"

/* Whether an earlier request still awaits its answer. A worker's answer is kept
 * until the client takes it, so a connection has one request with a worker at a
 * time, and the next pipelined one begins when that answer is complete. Answers
 * of supd's own may follow each other. */
static bool
is_owed_an_answer(const struct connection *c)
{
	return !list_is_empty(&c->exchanges) &&
	       container_of(c->exchanges.previous, struct exchange, node)
			       ->state != EXCHANGE_DONE;
}

static bool
is_backlogged(const struct connection *c)
{
	size_t bytes = buffer_length(&c->out);

	list_for_each (node, &c->exchanges)
		bytes += buffer_length(
			&container_of(node, struct exchange, node)->answer);
	return bytes >= CONNECTION_OUT_MAX;
}

bool
reader_must_wait(const struct connection *c)
{
	return c->websocket || is_owed_an_answer(c) || is_backlogged(c) ||
	       c->exchange_count >= HTTP_PIPELINE_MAX;
}

bool
reader_is_blocked(const struct connection *c)
{
	if (c->http1.in_body)
		return c->http1.reader && !exchange_room(c->http1.reader);
	return is_backlogged(c);
}

void
reader_refuse(struct connection *c, int status, const char *reason)
{
	struct head none = {.status = status, .reason = reason};

	c->closing = true;
	c->must_linger = true;
	exchange_begin(exchange_create(c), &none);
}

/* ---- bodies ---- */

static void
end_body(struct connection *c)
{
	struct exchange *x = c->http1.reader;

	c->http1.in_body = false;
	c->http1.reader = NULL;
	c->closing |= c->http1.last;
	if (!x)
		return;
	x->body = NULL;
	exchange_body_end(x);
}

static void
fail_body(struct connection *c, enum body_result result)
{
	struct exchange *x = c->http1.reader;

	c->closing = true;
	c->must_linger = true;
	if (!x)
		return;
	if (result == BODY_BAD)
		exchange_refuse_and_close(
			x, 400, "the chunked coding is malformed");
	else
		exchange_refuse_and_close(x, 413, "the body is too large");
}

static size_t
take_body(struct connection *c, const char *bytes, size_t size)
{
	struct bytes piece = {0};
	size_t used = 0, n;

	while (c->http1.in_body && !c->closing) {
		uint64_t room = c->http1.reader ? exchange_room(c->http1.reader)
						: UINT64_MAX;
		size_t share = size - used;
		enum body_result result;

		if (!room)
			break;
		if (share > room)
			share = (size_t)room;
		result = body_read(
			&c->http1.body, bytes + used, share, &n, &piece);
		used += n;
		if (result == BODY_PIECE) {
			c->http1.expecting = false;
			c->body_bytes += piece.length;
			if (c->http1.reader)
				exchange_piece(c->http1.reader, piece,
					!c->http1.body.chunked &&
						!c->http1.body.left);
		} else if (result == BODY_END) {
			end_body(c);
		} else if (result == BODY_MORE) {
			if (used == size)
				break;
		} else {
			fail_body(c, result);
		}
	}
	return used;
}

/* ---- heads ---- */

/* Checks a head that has no end yet against the limits. */
static void
check_partial(struct connection *c, size_t size)
{
	if (size > c->server->config->limits.head_bytes)
		reader_refuse(c, 431, "the head of the request is too large");
}

static void
begin(struct connection *c, const struct head *h, bool is_last)
{
	struct exchange *x = exchange_create(c);

	c->served++;
	if (!h->status && head_has_body(h)) {
		body_start(&c->http1.body, h, UINT64_MAX);
		c->http1.in_body = true;
		c->http1.last = !h->keep_alive;
		c->http1.expecting = h->expect_continue;
		c->http1.reader = x;
		x->body = &c->http1.body;
	}
	if (h->status)
		c->must_linger = true;
	if (h->status || !h->keep_alive)
		c->closing = !c->http1.in_body;
	exchange_begin(x, h);
	if (c->http1.reader != x)
		return;
	c->http1.body.limit = x->body_limit;
	if (c->http1.expecting && is_last && x->sink != SINK_NONE) {
		buffer_append_text(
			http1_output(x), "HTTP/1.1 100 Continue\r\n\r\n");
		c->http1.expecting = false;
		connection_touch(c);
	}
}

/* 0: the head is incomplete or refused. */
static size_t
take_head(struct connection *c, char *bytes, size_t size)
{
	const struct config_limits *limits = &c->server->config->limits;
	const char *reason = NULL;
	struct head *h;
	size_t length;

	switch (head_scan(bytes, size, &c->http1.scanned, &reason)) {
	case HEAD_SCAN_MORE:
		check_partial(c, size);
		return 0;
	case HEAD_SCAN_BAD:
		reader_refuse(c, 400, reason);
		return 0;
	case HEAD_SCAN_DONE:
		break;
	}
	length = c->http1.scanned.line;
	c->http1.scanned = (struct head_progress){0};
	if (length > limits->head_bytes) {
		reader_refuse(c, 431, "the head of the request is too large");
		return 0;
	}
	head_parse(&c->server->parser, bytes, length, limits->headers, &h);
	begin(c, h, length == size);
	return length;
}

/* Reads the PROXY header of a trusted peer and returns its length. A malformed
 * one closes the connection without an answer. */
static size_t
take_proxy_header(struct connection *c, const char *bytes, size_t size)
{
	size_t used;

	switch (proxy_scan(bytes, size, &used, &c->address)) {
	case PROXY_MORE:
		return 0;
	case PROXY_DONE:
		address_write(&c->address, true, c->peer);
		break;
	case PROXY_BAD:
		log_debug("http: malformed PROXY header from %s", c->peer);
		c->closing = true;
		break;
	case PROXY_NONE:
		break;
	}
	c->may_be_proxied = false;
	return used;
}

size_t
reader_take(struct connection *c, char *bytes, size_t size)
{
	unsigned starts = 0;
	size_t used = 0, n;

	c->again = false;
	if (c->may_be_proxied) {
		used = take_proxy_header(c, bytes, size);
		if (c->may_be_proxied)
			return 0;
	}
	while (!c->closing) {
		if (c->http1.in_body) {
			used += take_body(c, bytes + used, size - used);
			if (c->http1.in_body)
				break;
			continue;
		}
		/* Empty lines before a request line are ignored. */
		while (!c->websocket && !c->http1.scanned.seen &&
			size - used >= 2 && bytes[used] == '\r' &&
			bytes[used + 1] == '\n')
			used += 2;
		if (used == size || reader_must_wait(c))
			break;
		if (starts++ == HTTP_STARTS_MAX) {
			c->again = true;
			break;
		}
		n = take_head(c, bytes + used, size - used);
		if (!n)
			break;
		used += n;
	}
	return used;
}
