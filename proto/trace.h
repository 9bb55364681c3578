/* trace: where a piece of work belongs in a trace, in the terms of W3C Trace
 * Context, and the header `traceparent` that says so. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/util/bytes.h"

#define TRACEPARENT_BYTES 55 /* of version 00 */

/* Whether work is recorded as spans. What the work causes has the same value.
 */
enum trace_sampling {
	TRACE_UNDECIDED, /* a trace may begin here */
	TRACE_UNSAMPLED,
	TRACE_SAMPLED,
};

/* All zero: no trace. */
struct trace_context {
	uint64_t high, low; /* the trace id; both 0: no trace */
	uint64_t span;
	enum trace_sampling sampling;
};

/* A span that has begun. All zero: no span. */
struct trace_span {
	struct trace_context context; /* of the span itself */
	uint64_t parent;	      /* a span; 0: the first of its trace */
	uint64_t began_us;	      /* clock_us(), if it is sampled */
};

static inline bool
trace_is_sampled(const struct trace_span *s)
{
	return s->context.sampling == TRACE_SAMPLED;
}

/* Reads the header's value: version 00 strictly, later versions as far as they
 * agree with it. False: the value is malformed, and *out is all zero. A context
 * that was read is sampled or unsampled, never undecided. */
bool traceparent_read(struct bytes value, struct trace_context *out);
/* Writes version 00 and a NUL. */
void traceparent_write(
	const struct trace_context *c, char out[TRACEPARENT_BYTES + 1]);
