/* request: the table of requests in flight or held, which ensures that every
 * accepted request is answered exactly once. A request is a member of its owner
 * (an HTTP exchange, a control call, a probe) and is in the table from its
 * acceptance to its end. Workers and plugins are numbers here. */
#pragma once

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/codec.h"
#include "proto/trace.h"
#include "proto/util/bytes.h"
#include "proto/util/list.h"
#include "proto/util/wheel.h"
#include "supervisor/route/chain.h"

/* Why a request failed; X(ENUM, "text", HTTP status, Retry-After seconds) */
#define REQUEST_FAILURES(X)                                                    \
	X(OVERFLOW, "too many requests are waiting", 503, 1)                   \
	X(HELD_TOO_LONG, "no worker was ready in time", 503, 1)                \
	X(UNAVAILABLE, "the plugin is not running", 503, 0)                    \
	X(STOPPING, "supd is stopping", 503, 0)                                \
	X(DIED, "the worker died", 502, 0)                                     \
	X(BAD_ANSWER, "the worker gave a malformed answer", 502, 0)            \
	X(FAILED, "the worker reported an error", 502, 0)                      \
	X(LATE, "no answer in time", 504, 0)                                   \
	X(ENDED, "ended by a reload", 504, 0)

enum request_failure {
#define X(name, ...) REQUEST_##name,
	REQUEST_FAILURES(X)
#undef X
		REQUEST_FAILURE_COUNT,
};

struct request_failure_row {
	const char *text;
	int status, retry_after_s; /* 0: no Retry-After */
};
extern const struct request_failure_row request_failures[REQUEST_FAILURE_COUNT];

struct request;
struct route_match;

/* Callbacks to the owner. Exactly one of these ends a request, which is out of
 * the table by then: fail(), answer() returning false, or chunk() with more
 * false. The callback that ends a request may free it. */
struct request_ops {
	enum wire_answer_form answer_form;
	bool carries_trace; /* encode() packs its trace context */
	/* Its name in a chain, "health"; NULL: that of its registration. */
	const char *name;
	/* Packs the whole message with this id. Called again for a replay, so
	 * the owner must keep the content until the end. */
	void (*encode)(struct request *r, msgpack_packer *p, uint32_t wire_id);
	/* Looks the request up again, because routes have changed, and from
	 * then on encodes the new match. False: no plugin serves it; then the
	 * request is unchanged. Needed only by requests of dispatch. */
	bool (*route)(struct request *r, struct route_match *match_out);
	/* The worker's response, an error or a result. Return true if chunks
	 * follow. */
	bool (*answer)(struct request *r, const struct message *m);
	/* A piece of the answer; like credit, never called if answer_form is
	 * WIRE_ANSWER_SINGLE. */
	void (*chunk)(struct request *r, struct bytes piece, bool more);
	/* What a command line has written to 1 (output) or 2 (error). */
	void (*output)(struct request *r, int fd, struct bytes piece);
	/* The worker can take that many more bytes of the body. */
	void (*credit)(struct request *r, uint64_t bytes);
	/* The request failed. text: one sentence, or NULL for the default of
	 * `why`. After answer() returned true: the stream is truncated. */
	void (*fail)(
		struct request *r, enum request_failure why, const char *text);
	/* Describes the request for traces, "GET /x"; NULL: not mentioned. */
	void (*describe)(struct request *r, char *out, size_t size);
};

enum request_where {
	REQUEST_NOWHERE,
	REQUEST_HELD,
	REQUEST_SENT,
	REQUEST_OPEN, /* it is no request, but keeps the number of an open
			 connection at that worker */
};

struct request {
	const struct request_ops *ops;
	void *owner; /* the timer's owner: set by dispatch or worker */
	uint32_t id; /* 0: not in the table */
	uint32_t plugin;
	uint32_t worker;       /* the worker it was sent to, else 0 */
	uint32_t last_worker;  /* the same, but kept to the end */
	uint32_t caller;       /* the worker that made it; 0: none */
	uint32_t registration; /* index for that worker */
	uint64_t routes;       /* generation of the route table then */
	/* Begun by the owner, or by dispatch within the chain's; ended, and
	 * cleared, with the request. */
	struct trace_span span;
	/* The calls that led to it, or NULL. The owner's reference, which must
	 * last as long as the request. */
	struct chain *chain;
	enum request_where where;
	uint8_t sends;	   /* times sent: at most 2 */
	bool replayable;   /* idempotent, and the whole body is kept */
	bool answered;	   /* the head of a streamed answer came */
	bool cancelled;	   /* the owner left; the worker's answer is awaited */
	bool is_task;	   /* supd's own: nothing waits until it has ended */
	bool waits;	   /* sent, and waits for the owner's client */
	bool is_long;	   /* set by the owner: its answer takes as long as it
			      takes; a drain counts it as a stream */
	bool is_filter;	   /* set by the owner: see chain.in_filter */
	size_t held_bytes; /* size in the hold queue */
	uint64_t accepted_us;
	uint64_t due_ms;       /* deadline of the first byte, clock_ms() */
	uint64_t due_limit_ms; /* set by the owner: due_ms is not later, or 0 */
	uint64_t held_until_ms;	     /* if held */
	struct wheel_timer deadline; /* the earlier; ends at an answer's head */
	struct list node; /* of a worker's in-flight list or a hold queue */
};

struct request_table;
struct request_table *request_table_create(void);
void request_table_destroy(struct request_table *t);

#define REQUEST_TABLE_MAX (1u << 20) /* slots; at most half are in use */

/* Adds a request and sets its id, which is never 0 and not reused before 2^32
 * others. false: the table is full. */
bool request_table_add(struct request_table *t, struct request *r)
	__attribute__((warn_unused_result));
void request_table_remove(struct request_table *t, struct request *r);
/* Gives the id to `heir`, which must not be in the table. The old request is
 * not accessed, as it may be freed already. */
void request_table_replace(
	struct request_table *t, uint32_t id, struct request *heir);
/* NULL unless the id is in the table *and* was sent to that worker. */
struct request *request_table_find(
	const struct request_table *t, uint32_t id, uint32_t worker);
/* NULL unless it is an open connection at that worker. */
struct request *request_table_find_open(
	const struct request_table *t, uint32_t id, uint32_t worker);
uint32_t request_table_count(const struct request_table *t);
/* The chain up to and including the request with this id, which must be in the
 * table: borrowed, and valid until the id is removed. NULL: it was not set.
 * Setting it takes the reference. */
struct chain *request_table_chain(const struct request_table *t, uint32_t id);
void request_table_set_chain(
	struct request_table *t, uint32_t id, struct chain *chain);
