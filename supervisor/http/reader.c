/* Heads become exchanges, bodies go where their exchange wants them; every
 * limit on what a client may send is enforced here. */
#include "supervisor/http/reader.h"

#include "proto/util/log.h"
#include "supervisor/http/connection.h"
#include "supervisor/http/exchange.h"
#include "supervisor/http/head.h"
#include "supervisor/http/server.h"

static bool
line_is_full(const struct connection *c)
{
	return c->exchange_count >= HTTP_PIPELINE_MAX ||
	       buffer_length(&c->out) >= CONNECTION_OUT_MAX;
}

bool
reader_is_blocked(const struct connection *c)
{
	if (c->in_body)
		return c->reader && !exchange_room(c->reader);
	return line_is_full(c);
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
	struct exchange *x = c->reader;

	c->in_body = false;
	c->reader = NULL;
	c->closing |= c->last;
	if (x)
		exchange_body_end(x);
}

static void
fail_body(struct connection *c, enum body_result result)
{
	struct exchange *x = c->reader;

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

	while (c->in_body && !c->closing) {
		uint64_t room =
			c->reader ? exchange_room(c->reader) : UINT64_MAX;
		size_t share = size - used;
		enum body_result result;

		if (!room)
			break;
		if (share > room)
			share = (size_t)room;
		result = body_read(&c->body, bytes + used, share, &n, &piece);
		used += n;
		if (result == BODY_PIECE) {
			c->expecting = false;
			if (c->reader)
				exchange_piece(c->reader, piece,
					!c->body.chunked && !c->body.left);
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

/* The head at the front has no end yet. */
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
		body_start(&c->body, h, UINT64_MAX);
		c->body_mark = 0;
		c->in_body = true;
		c->last = !h->keep_alive;
		c->expecting = h->expect_continue;
		c->reader = x;
	}
	if (h->status)
		c->must_linger = true;
	if (h->status || !h->keep_alive)
		c->closing = !c->in_body;
	exchange_begin(x, h);
	if (c->reader != x)
		return;
	c->body.limit = x->body_limit;
	if (c->expecting && is_last && x->sink != SINK_NONE) {
		buffer_append_text(
			connection_output(x), "HTTP/1.1 100 Continue\r\n\r\n");
		c->expecting = false;
		connection_touch(c);
	}
}

/* 0: the head is not whole yet, or refused. */
static size_t
take_head(struct connection *c, char *bytes, size_t size)
{
	const struct config_limits *limits = &c->server->config->limits;
	const char *reason = NULL;
	struct head *h;
	size_t length;

	switch (head_scan(bytes, size, &c->line, &reason)) {
	case HEAD_SCAN_MORE:
		check_partial(c, size);
		return 0;
	case HEAD_SCAN_BAD:
		reader_refuse(c, 400, reason);
		return 0;
	case HEAD_SCAN_DONE:
		break;
	}
	length = c->line;
	c->line = 0;
	if (length > limits->head_bytes) {
		reader_refuse(c, 431, "the head of the request is too large");
		return 0;
	}
	head_parse(&c->server->parser, bytes, length, limits->headers, &h);
	begin(c, h, length == size);
	return length;
}

/* A trusted peer may say first for whom it connects; how many bytes it used
 * for that. What is malformed is not answered. */
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
		if (c->in_body) {
			used += take_body(c, bytes + used, size - used);
			if (c->in_body)
				break;
			continue;
		}
		/* Empty lines before a request line are ignored. */
		while (!c->line && size - used >= 2 && bytes[used] == '\r' &&
			bytes[used + 1] == '\n')
			used += 2;
		if (used == size || line_is_full(c))
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
