/* stored: a message as it is kept in the store, and what can be asked about it.
 * Both supd and supd-store use it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/message.h"
#include "proto/util/bytes.h"

/* Lengths in bytes of the parts of a message. */
#define STORE_NAME_MAX 256 /* of a channel */
#define STORE_ID_MAX 4096  /* of an id, and of a lane */
#define STORE_NOTE_MAX (64 * 1024)
#define STORE_CURSOR_MAX (64 * 1024)
#define STORE_BODY_MAX WIRE_MESSAGE_MAX
/* A page of messages ends after this many, or before the message that would
 * bring it to more than that many bytes. */
#define STORE_PAGE_ROWS 256
#define STORE_PAGE_BYTES ((size_t)512 * 1024)
#define STORE_COUNTS_MAX 1000 /* channels in one answer */
/* What is longer goes ahead of its request, or of its answer, in a `part`. */
#define STORE_BODY_INLINE ((size_t)512 * 1024)

/* The states of a message in the store. X(ENUM, "name") */
#define STORED_STATES(X)                                                       \
	X(PENDING, "pending") /* not handled; outbound: not sent */            \
	X(ACTIVE, "active")   /* outbound: a worker has it */                  \
	X(DONE, "done")	      /* handled; outbound: sent */                    \
	X(DEAD, "dead") /* a dead letter; outbound: certainly not sent */      \
	X(UNKNOWN, "unknown") /* outbound: nobody knows whether it was sent */ \
	X(DROPPED, "dropped") /* by a user */

enum stored_state {
#define X(name, ...) STORED_##name,
	STORED_STATES(X)
#undef X
		STORED_STATE_COUNT,
};

enum store_answer {
	STORE_OK,
	STORE_NEW,  /* put: it is on the disk now, and was not before */
	STORE_SEEN, /* put: it was there before; messages[0] says its state */
	/* Not done, and not kept: too many requests, the disk is full, or the
	 * store cannot be opened. The same request may succeed later. */
	STORE_BUSY,
	STORE_NOT_FOUND,
	STORE_CONFLICT,	 /* see the function */
	STORE_TOO_LARGE, /* put, set_state, set_cursor: see the limits above */
	STORE_ANSWER_COUNT,
};

enum store_direction { STORE_BOTH, STORE_INBOUND, STORE_OUTBOUND };

const char *stored_state_name(enum stored_state state);
/* STORED_STATE_COUNT for an unknown name. */
enum stored_state stored_state_by_name(struct bytes name);

struct stored_message {
	uint64_t seq; /* given by the store; grows, never used twice */
	bool outbound;
	/* The id is unique among the messages of a channel in one direction:
	 * the platform's own, or the caller's for what is sent. */
	struct bytes channel, id, lane;
	struct bytes body; /* as it came; empty where a query leaves it out */
	uint64_t body_bytes;
	enum stored_state state;
	struct bytes note; /* why it is dead, its receipt, or nothing */
	uint32_t tries;
	uint64_t at_ms; /* wall clock, when it was put */
};

/* Messages that ever were in the store, by the class that they are in or ended
 * in; those that have been removed since are included. So the sum is the number
 * of messages that were ever answered with NEW. */
struct stored_counts {
	struct bytes channel;
	bool outbound;
	uint64_t states[STORED_STATE_COUNT];
	uint64_t kept; /* in the store now */
};

struct stored_change {
	uint64_t seq;
	enum stored_state state;
	struct bytes note;
	uint32_t tries;
};

#define STORED_STATE_BIT(state) (1u << (state))
struct store_query {
	struct bytes channel; /* empty: all */
	enum store_direction direction;
	unsigned states;    /* STORED_STATE_BIT()s; 0: all */
	uint64_t after_seq; /* newest_first: before it, 0: from the newest on */
	bool newest_first, bodies;
	uint32_t limit; /* 0 or more than STORE_PAGE_ROWS: that many */
};
