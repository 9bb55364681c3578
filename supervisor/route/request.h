/* request: the slot table of what is in flight or held: the truth that every
 * accepted request is answered exactly once. A request lives inside its owner
 * (an HTTP exchange, a control call, a probe) and is in the table from accept
 * to its end. Workers and plugins are numbers here. */
#pragma once

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/codec.h"
#include "proto/util/bytes.h"
#include "proto/util/list.h"
#include "proto/util/wheel.h"

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

/* What its owner does. Exactly one of these ends a request, and after it the
 * table knows it no longer: fail(), answer() returning false, or chunk() with
 * more false. All may free the request when they end it. */
struct request_ops {
	/* Packs the whole wire object with this id. Called again for a
	 * replay, so what it needs must be kept until the end. */
	void (*encode)(struct request *r, msgpack_packer *p, uint32_t wire_id);
	/* The worker's response, an error or a result. true: chunks follow. */
	bool (*answer)(struct request *r, const struct message *m);
	/* A piece of the answer. */
	void (*chunk)(struct request *r, struct bytes piece, bool more);
	/* The worker can take that many more bytes of the body. */
	void (*credit)(struct request *r, uint64_t bytes);
	/* text: one sentence with the cause, or NULL for the row's. After
	 * answer() returned true it means: the stream ends here, truncated. */
	void (*fail)(
		struct request *r, enum request_failure why, const char *text);
};

enum request_place { REQUEST_NOWHERE, REQUEST_HELD, REQUEST_SENT };

struct request {
	const struct request_ops *ops;
	void *owner; /* whose timer it is: set by who adds it to the table */
	uint32_t id; /* 0: not in the table */
	uint32_t plugin;
	uint32_t worker;       /* the one it was sent to, else 0 */
	uint32_t caller;       /* the worker that asks for it, 0: none */
	uint32_t registration; /* index for that worker */
	enum request_place place;
	uint8_t sends;	   /* times sent: at most 2 */
	bool replayable;   /* idempotent and its whole body is kept */
	bool answered;	   /* the head of an answer came: chunks follow */
	bool cancelled;	   /* the owner left; the worker's answer is awaited */
	size_t held_bytes; /* what it costs the hold queue */
	uint64_t accepted_us;
	uint64_t due_ms;	     /* absolute deadline of the first byte */
	uint64_t held_until_ms;	     /* if held */
	struct wheel_timer deadline; /* the earlier of both; cleared when the
					head of an answer came */
	struct list node; /* of a worker's in-flight list or a hold queue */
};

struct request_table;
struct request_table *request_table_create(void);
void request_table_destroy(struct request_table *t);

#define REQUEST_TABLE_MAX (1u << 20) /* slots; at most half are in use */

/* Gives the request an id: slot and fence, never 0, not reused before 2^32
 * others. false: the table is full, and the request has no id. */
bool request_table_add(struct request_table *t, struct request *r)
	__attribute__((warn_unused_result));
void request_table_remove(struct request_table *t, struct request *r);
/* From now on the id means `heir`, which is not in the table yet. The request
 * that had the id is not touched: it may be gone already. */
void request_table_replace(
	struct request_table *t, uint32_t id, struct request *heir);
/* NULL unless the id is in the table *and* was sent to that worker. */
struct request *request_table_find(
	const struct request_table *t, uint32_t id, uint32_t worker);
uint32_t request_table_count(const struct request_table *t);
