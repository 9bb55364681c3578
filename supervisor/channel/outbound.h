/* outbound: the inside of what goes out, for outbound*.c and send.c. */
#pragma once

#include "supervisor/channel/parts.h"

/* Messages of a channel that are not sent yet, in memory. */
#define OUTBOUND_MAX 10000
#define OUTBOUND_BYTES_MAX ((size_t)16 << 20)
/* Replies may use twice as much: without its reply a message was handled in
 * vain. */
#define OUTBOUND_REPLIES_FACTOR 2
#define OUTBOUND_FINDS_MAX 2 /* tries of channel.find, and of a new send */

enum outbound_step {
	OUTBOUND_FILTERING,
	OUTBOUND_KEEPING, /* the store is asked */
	OUTBOUND_WAITING, /* in its lane */
	OUTBOUND_MARKING, /* the store notes that it is about to be sent */
	OUTBOUND_ASKING,  /* the worker is asked */
	OUTBOUND_PAUSING, /* the platform wants it later: others go on */
	OUTBOUND_OVER,	  /* the store notes its end */
};

struct outbound {
	struct lane_item item;
	struct channel *channel;
	struct list node; /* in channel.sends */
	enum outbound_step step;
	char *id; /* the send_id */
	json_t *target, *content;
	struct buffer packed_target, packed_content;
	size_t bytes;
	uint64_t seq;	   /* in the store; 0: not kept yet */
	uint64_t at_ms;	   /* wall clock, when it was kept */
	uint64_t due_ms;   /* clock_ms() */
	uint64_t until_ms; /* the same, wall clock */
	uint64_t ready_ms; /* clock_ms(), while PAUSING */
	bool may_be_out;   /* it was given to a worker that did not answer */
	bool was_unknown;  /* a try before this one may have gone out */
	bool is_dropped;   /* by a user, while MARKING */
	bool finds;	   /* the worker is asked for channel.find */
	unsigned finds_left;
	uint32_t caller; /* the worker that sends it; 0: none */
	char *plugin_id; /* who sends it, or NULL */
	char *error;	 /* what the last worker said, or NULL */
	struct request request;
	struct store_call call;
	struct wheel_timer timer; /* due_ms, or ready_ms */
	struct list waiters;	  /* struct channel_send.node */

	json_t *data; /* of message.sending */
	char at[TIME_TEXT_BYTES];
	struct event_source source;
	struct chain *chain; /* a reference, or NULL */
	struct trace_context trace;
	struct filter_run filter;
	bool is_filtered; /* filter is in use */
	/* How it ended, while OVER: for sends with the same key, until the
	 * store has it. */
	enum stored_state end;
	json_t *receipt;
};

/* ---- outbound.c ---- */
/* References are taken; id is copied, and no message of the channel has it. */
struct outbound *outbound_create(
	struct channel *c, const char *id, json_t *target, json_t *content);
/* Leaves the store as it is; no caller may wait for it by now. */
void outbound_destroy(struct outbound *o);
void outbound_set_content(struct outbound *o, json_t *content);
/* s waits for its end; done() comes at once if it is over. NULL is fine. */
void outbound_attach(struct outbound *o, struct channel_send *s);
/* Calls done() of all that wait. */
void outbound_answer(struct outbound *o, const struct channel_sent *sent);
/* Asks the store to keep it; then it waits for its turn. */
void outbound_keep(struct outbound *o);
/* Neither keeps nor sends it: answers the error, and destroys it. */
void outbound_fail(struct outbound *o, enum wire_error code, const char *text);
/* A user has dropped it, which the store knows. */
void outbound_end_dropped(struct outbound *o);
/* Ends it. The receipt is copied, or NULL; reason: NULL if it was sent. */
void outbound_end(struct outbound *o, enum stored_state state,
	const json_t *receipt, const char *reason);
const char *outbound_state_word(enum stored_state state);

/* ---- outbound_check.c ---- */
/* The channel's registration; NULL if no plugin has it now. */
const struct registration *outbound_declared(const struct channel *c);
/* The id of a chat, thread or message must be a string within its bounds. */
int outbound_check_name(const json_t *target, const char *key, bool required,
	struct error *err);
int outbound_check_content(
	const struct channel *c, const json_t *content, struct error *err);
int outbound_check(const struct channel *c, const struct channel_order *order,
	struct error *err);

/* ---- outbound_filter.c ---- */
/* Passes it through the filters of message.sending, and on to the store. */
void outbound_filter(struct outbound *o, const struct channel_order *order);

/* ---- send.c ---- */
/* It is in the store and waits for its turn. */
void send_wait(struct outbound *o);
void send_due(struct wheel_timer *t);
/* Ends what is in progress; no callback follows. */
void send_abandon(struct outbound *o);
