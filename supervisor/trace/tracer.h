/* tracer: decides which work is traced, gives spans their ids and writes their
 * records. A span needs no memory of its own and no system call. While tracing
 * is off, a request costs one comparison. */
#pragma once

#include "proto/trace.h"
#include "supervisor/trace/records.h"

enum tracer_follow {
	TRACER_FOLLOW_TRUSTED,
	TRACER_FOLLOW_ALL,
	TRACER_FOLLOW_NEVER
};

struct tracer {
	bool is_on;
	enum tracer_follow follow;
	double sampling;
	uint64_t random[4]; /* the state of the generator; all 0: not seeded */
	struct records records;
};

void tracer_finish(struct tracer *t);
void tracer_configure(struct tracer *t, bool is_on, double sampling,
	enum tracer_follow follow);

/* A span within `parent`, or the first one of a trace if that is undecided. */
void tracer_begin(struct tracer *t, const struct trace_context *parent,
	struct trace_span *out);
/* The same for a client's `traceparent`. Whether its flag counts depends on
 * whether the client is trusted: a stranger cannot make supd trace everything.
 */
void tracer_begin_remote(struct tracer *t, const struct trace_context *remote,
	bool is_trusted, struct trace_span *out);

/* The same, but always sampled: for work that is rare and worth knowing. */
void tracer_begin_always(struct tracer *t, const struct trace_context *parent,
	struct trace_span *out);

/* The end of a request of supd to a worker. Strings may be NULL. */
struct tracer_request {
	const struct trace_span *span;
	int kind; /* enum registration_kind; -1: none */
	const char *name, *plugin_id;
	uint32_t generation, sends;
	const char *error; /* a word; NULL: it went well */
	const char *text;  /* a sentence, with `error` */
};
void tracer_end_request(struct tracer *t, const struct tracer_request *r);

struct tracer_server {
	const struct trace_span *span;
	struct bytes method, path, client;
	const char *route, *plugin_id;
	int status; /* 0: the client left */
	uint32_t generation;
	bool is_https;
	const char *error;
};
void tracer_end_server(struct tracer *t, const struct tracer_server *s);

/* As OTLP numbers them. */
enum span_kind {
	SPAN_INTERNAL = 1,
	SPAN_SERVER,
	SPAN_CLIENT,
	SPAN_PRODUCER,
	SPAN_CONSUMER,
};

/* Any other piece of work. */
struct tracer_step {
	const struct trace_span *span;
	uint64_t began_us, ended_us; /* 0: as the span says, and now */
	enum span_kind kind;
	const char *name, *plugin_id, *id;
	uint32_t generation;
	const char *error, *text;
};
void tracer_end_step(struct tracer *t, const struct tracer_step *s);
