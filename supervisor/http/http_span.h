/* http_span: the span of a client's request, and what its record needs until
 * its end. Only requests that are traced have one. */
#pragma once

#include "proto/trace.h"
#include "proto/util/list.h"
#include "supervisor/http/head.h"

#define HTTP_SPANS_KEPT 256 /* memory kept for later ones */

struct exchange;
struct http_server;
struct route_match;

struct http_span {
	struct list node; /* of those kept */
	struct trace_span span;
	uint32_t generation;
	bool is_https;
	uint8_t method_length, path_length;
	char method[24], path[255], route[160], plugin[65];
};

/* Decides whether the request is traced, by the client's `traceparent` or
 * without one, and begins its span and that of the request to a worker. */
void http_span_begin(struct exchange *x, const struct head *h);
void http_span_note_route(struct exchange *x, const struct route_match *match,
	const char *plugin);
/* The answer has been written, or the client left. */
void http_span_end(struct exchange *x);
/* The context of the work that is done for the client. */
const struct trace_context *http_span_context(const struct exchange *x);
void http_spans_free(struct http_server *s);
