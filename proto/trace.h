/* trace: the place of a piece of work in a trace, as W3C Trace Context says it,
 * and its header `traceparent`. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/util/bytes.h"

#define TRACEPARENT_BYTES 55 /* of version 00 */

/* Whether spans are made of it. All that a piece of work causes follows it. */
enum trace_sampling {
	TRACE_UNDECIDED, /* a trace may begin here */
	TRACE_UNSAMPLED,
	TRACE_SAMPLED,
};

/* All zero: there is none. */
struct trace_context {
	uint64_t high, low; /* the trace id; both 0: there is none */
	uint64_t span;
	enum trace_sampling sampling;
};

/* A span that has begun. All zero: there is none. */
struct trace_span {
	struct trace_context context; /* of the span itself */
	uint64_t parent;	      /* a span; 0: it is the first one */
	uint64_t began_us;	      /* clock_us(); only if it is sampled */
};

static inline bool
trace_is_sampled(const struct trace_span *s)
{
	return s->context.sampling == TRACE_SAMPLED;
}

/* Reads a value of the header: version 00 to the letter, and of later versions
 * what they have in common with it. False: it is malformed, and nothing is
 * known. The result is sampled or not; it is never undecided. */
bool traceparent_read(struct bytes value, struct trace_context *out);
/* Writes version 00 and a NUL. */
void traceparent_write(
	const struct trace_context *c, char out[TRACEPARENT_BYTES + 1]);
