/* inbound: the inside of what comes in, for inbound*.c. */
#pragma once

#include "supervisor/channel/parts.h"

#define INBOUND_BEHIND "an earlier message of the lane was refused"

/* ---- inbound.c ---- */
/* In memory, or NULL. */
struct inbound *inbound_find(const struct channel *c, struct bytes id);
/* All is copied. Nobody has the id. */
struct inbound *inbound_create(struct channel *c, struct bytes id,
	struct bytes lane, struct bytes body);
/* Leaves the store as it is, and whoever waits without an answer. */
void inbound_destroy(struct inbound *i);
/* Asks the store to keep it; then it is handled. */
void inbound_put(struct inbound *i);
/* It is kept: it is handled, and whoever gave it hears of it. */
void inbound_take_on(struct inbound *i);

/* ---- inbound_answer.c ---- */
void inbound_refuse(struct channel *c, struct worker *w, uint32_t wire_id,
	enum inbound_answer answer, const char *text);
/* Answers one that nobody waits for otherwise. */
void inbound_say(struct channel *c, struct worker *w, uint32_t wire_id,
	enum inbound_answer answer);
/* To all that wait: `first` to the first one, and to those who gave it again
 * what follows from that. */
void inbound_answer(struct inbound *i, enum inbound_answer first);
void inbound_answer_busy(struct inbound *i, const char *text);
void asker_answer_busy(struct asker *a, const char *text);
/* Without an answer. */
void asker_leave(struct asker *a);
void inbound_log_refusal(struct channel *c, const char *id, const char *why);
