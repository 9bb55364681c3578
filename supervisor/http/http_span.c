/* http_span: begins and ends the spans of clients' requests. The path is
 * recorded without the query, which may hold secrets. */
#include "supervisor/http/http_span.h"

#include <stdlib.h>

#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "supervisor/http/connection.h"
#include "supervisor/http/exchange.h"
#include "supervisor/http/server.h"

static struct http_server *
server_of(const struct exchange *x)
{
	return x->connection->server;
}

static struct tracer *
tracer_of(const struct exchange *x)
{
	return &server_of(x)->gateway->workers.tracer;
}

static struct http_span *
take(struct http_server *s)
{
	struct http_span *t;

	if (list_is_empty(&s->free_spans))
		return memory_alloc(sizeof(*t));
	t = container_of(s->free_spans.next, struct http_span, node);
	list_remove(&t->node);
	s->free_span_count--;
	return t;
}

static void
give_back(struct http_server *s, struct http_span *t)
{
	if (s->free_span_count == HTTP_SPANS_KEPT) {
		free(t);
		return;
	}
	list_init(&t->node);
	list_prepend(&s->free_spans, &t->node);
	s->free_span_count++;
}

void
http_spans_free(struct http_server *s)
{
	list_for_each_safe (node, &s->free_spans)
		free(container_of(node, struct http_span, node));
}

static uint8_t
copy(char *out, size_t size, struct bytes text)
{
	size_t length = text.length < size ? text.length : size;

	if (length)
		memcpy(out, text.at, length);
	return (uint8_t)length;
}

static struct http_span *
make(struct exchange *x, const struct head *h, const struct trace_span *span)
{
	struct http_span *t = take(server_of(x));

	t->span = *span;
	t->generation = 0;
	t->is_https =
		x->by_proxy && bytes_equal(proxy_scheme(h), BYTES("https"));
	t->method_length = copy(t->method, sizeof(t->method), h->method);
	t->path_length = copy(t->path, sizeof(t->path), h->path);
	t->route[0] = t->plugin[0] = '\0';
	return t;
}

void
http_span_begin(struct exchange *x, const struct head *h)
{
	const struct head_field *given = h->known[HEAD_TRACEPARENT];
	struct tracer *tracer = tracer_of(x);
	struct trace_context remote = {0};
	struct trace_span span;

	x->goes_on = given && !h->traceparent_is_repeated &&
		     traceparent_read(given->value, &remote);
	tracer_begin_remote(tracer, &remote, x->by_proxy, &span);
	if (!trace_is_sampled(&span)) {
		x->request.span = span;
		return;
	}
	x->span = make(x, h, &span);
	tracer_begin(tracer, &span.context, &x->request.span);
}

const struct trace_context *
http_span_context(const struct exchange *x)
{
	return x->span ? &x->span->span.context : &x->request.span.context;
}

void
http_span_note_route(
	struct exchange *x, const struct route_match *match, const char *plugin)
{
	const struct route_row *row = match->row;

	text_format(x->span->route, sizeof(x->span->route), "%s",
		row && row->path ? row->path : "");
	text_format(x->span->plugin, sizeof(x->span->plugin), "%s", plugin);
}

void
http_span_end(struct exchange *x)
{
	struct http_span *t = x->span;
	char number[8];
	const char *error = NULL;

	if (!x->status)
		error = "client_left";
	else if (x->status >= 500) {
		text_format(number, sizeof(number), "%d", x->status);
		error = number;
	}
	tracer_end_server(tracer_of(x),
		&(const struct tracer_server){
			.span = &t->span,
			.method = {t->method, t->method_length},
			.path = {t->path, t->path_length},
			.client = exchange_part(x, x->client),
			.route = t->route[0] ? t->route : NULL,
			.plugin_id = t->plugin[0] ? t->plugin : NULL,
			.status = x->status,
			.generation = t->generation,
			.is_https = t->is_https,
			.error = error,
		});
	x->span = NULL;
	give_back(server_of(x), t);
}
