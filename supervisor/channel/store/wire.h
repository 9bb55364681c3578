/* wire: what supd and supd-store send to each other, over a socket pair, in the
 * framing and the objects of proto/peer. Both are of one build, so nothing here
 * is a promise to others; still, each checks what comes.
 *
 * The store answers every request, in their order. The result is an array that
 * begins with an enum store_answer. */
#pragma once

#include "proto/codec.h"
#include "supervisor/channel/store/stored.h"

/* From supd. Params as in proto/message.h. A put has a token: of two puts with
 * the same id, one that has the same token is the same request again, and is
 * answered in the same way. A MESSAGE in an answer is
 * [seq, outbound, channel, id, lane, body, body_bytes, state, note, tries,
 * at_ms]; its body is nil if it came in parts.
 * X(ENUM, "name", kind, params, "what it means") */
#define STORE_REQUESTS(X)                                                      \
	X(SETTINGS, "settings", NOTIFICATION, "ouu",                           \
		"full_sync, keep_ms, max_bytes; the first message")            \
	X(AGAIN, "again", NOTIFICATION, "",                                    \
		"changes come again, from the first that was not made on")     \
	X(PART, "part", NOTIFICATION, "b",                                     \
		"bytes that the body of the next put begins with")             \
	X(PUT, "put", REQUEST, "uubbbb",                                       \
		"token, outbound, channel, id, lane, body; answer: [answer, "  \
		"seq, state, note, tries, at_ms]")                             \
	X(STATE, "state", REQUEST, "uubu",                                     \
		"seq, state, note, tries; answer: [answer]")                   \
	X(OPEN, "open", REQUEST, "bu",                                         \
		"channel, epoch_min; answer: [answer, epoch, cursor]")         \
	X(CURSOR, "cursor", REQUEST, "bub",                                    \
		"channel, epoch, cursor; answer: [answer]")                    \
	X(QUERY, "query", REQUEST, "buuuoou",                                  \
		"channel, direction, states, after_seq, newest_first, "        \
		"bodies, limit; answer: [answer, [MESSAGE], more, next_seq]")  \
	X(GET, "get", REQUEST, "u", "seq; answer: [answer, MESSAGE]")          \
	X(RETRY, "retry", REQUEST, "u", "seq; answer: [answer, MESSAGE]")      \
	X(DROP, "drop", REQUEST, "u", "seq; answer: [answer, MESSAGE]")        \
	X(COUNTS, "counts", REQUEST, "b",                                      \
		"channel; answer: [answer, [[channel, outbound, kept, "        \
		"pending, active, done, dead, unknown, dropped]]]")

/* From the store, as notifications with one param:
 *   trouble  str: why it cannot work; empty: it can again
 *   damaged  str: the path at which the damaged database is now
 *   part     bin: bytes of the body in the next answer */
#define STORE_NEWS_TROUBLE "trouble"
#define STORE_NEWS_DAMAGED "damaged"
#define STORE_NEWS_PART "part"

enum store_op {
#define X(name, ...) STORE_OP_##name,
	STORE_REQUESTS(X)
#undef X
		STORE_OP_COUNT,
};

struct store_op_row {
	struct bytes name;
	enum message_kind kind;
	const char *params;
};

extern const struct store_op_row store_ops[STORE_OP_COUNT];

/* STORE_OP_COUNT: unknown, of another kind, or with other params. */
enum store_op store_op_of(const struct message *m);

/* [0, id, name, [count ...]] or [2, name, [count ...]]: pack exactly `count`
 * values next. */
void store_pack_call(
	msgpack_packer *p, uint32_t id, enum store_op op, uint32_t count);
/* The complete notification. */
void store_pack_news(
	msgpack_packer *p, const char *name, struct bytes value, bool is_text);
uint64_t store_number(const msgpack_object *o); /* else 0 */
