/* channel: messages between platforms and plugins. A channel is a registration
 * of its own kind; event/services starts and stops it in its worker, and this
 * room does the rest: it takes what comes in (inbound), has it handled lane by
 * lane (handle), and sends what goes out (outbound).
 *
 * Data flows one way: worker -> channel.message -> store -> lane -> filters of
 * message.inbound -> command -> observers of message.received -> the message is
 * done, or a dead letter. A message is in the store before it is acknowledged,
 * and until its end is in the store it is handled again after a restart of
 * supd. What cannot be taken is answered `busy` and is not kept. Nothing here
 * waits for the disk.
 *
 * A channel is known by its full name, which is unique in supd; it outlives
 * its workers and registrations, because its messages do. */
#pragma once

#include <jansson.h>

#include "supervisor/gateway/gateway.h"

struct channels;

/* Sets g->channels and g->channel_life. Opens no store. */
void channels_create(struct gateway *g);
/* All plugins must be gone; hooks must still be there. NULL is fine. */
void channels_destroy(struct channels *all);
/* What is in progress is written; then stopped(), at the latest after limit_ms.
 */
void channels_stop(struct channels *all, uint64_t limit_ms,
	void (*stopped)(void *user), void *user);
/* `messages` of the configuration may have changed. */
void channels_configure(struct channels *all, const struct config *config);

/* Whether a message is on its way between the worker and supd, of a channel
 * that only one worker may have. NULL is fine. */
bool channels_are_busy(const struct worker *w);

/* A request `channel.message` came. */
void channels_take(struct worker *w, const struct message *m);

/* How a message that was new ended: X(ENUM, "class in metrics") */
#define INBOUND_ENDS(X)                                                        \
	X(OBSERVED, "observed") /* passed on to observers */                   \
	X(COMMAND, "command")	/* a command answered it */                    \
	X(CLAIMED, "claimed")	/* by a filter */                              \
	X(STOPPED, "stopped")	/* by a filter */                              \
	X(DEAD, "dead")		/* a dead letter */                            \
	X(DROPPED, "dropped")	/* by a user */

enum inbound_end {
#define X(name, text) INBOUND_##name,
	INBOUND_ENDS(X)
#undef X
		INBOUND_END_COUNT,
};

/* The answer to a channel.message: X(ENUM, "answer in metrics") */
#define INBOUND_ANSWERS(X)                                                     \
	X(NEW, "new")                                                          \
	X(SEEN, "seen")                                                        \
	X(REFUSED, "refused")                                                  \
	X(BUSY, "busy")                                                        \
	X(CONFLICT, "conflict")                                                \
	X(WRONG, "bad_message")                                                \
	X(LOST, "lost") /* the worker went down before the answer */

enum inbound_answer {
#define X(name, text) INBOUND_ANSWER_##name,
	INBOUND_ANSWERS(X)
#undef X
		INBOUND_ANSWER_COUNT,
};

/* How a message that was to be sent ended: X(ENUM, "class in metrics") */
#define OUTBOUND_ENDS(X)                                                       \
	X(SENT, "sent")                                                        \
	X(NOT_SENT, "not_sent")                                                \
	X(UNKNOWN, "unknown")                                                  \
	X(STOPPED, "stopped") /* by a filter; it was never kept */             \
	X(CLAIMED, "claimed") /* likewise */                                   \
	X(REFUSED, "refused") /* never kept: the store did not take it */      \
	X(DROPPED, "dropped") /* by a user */

enum outbound_end {
#define X(name, text) OUTBOUND_##name,
	OUTBOUND_ENDS(X)
#undef X
		OUTBOUND_END_COUNT,
};

extern const char *const inbound_end_names[INBOUND_END_COUNT];
extern const char *const inbound_answer_names[INBOUND_ANSWER_COUNT];
extern const char *const outbound_end_names[OUTBOUND_END_COUNT];

/* ---- built-in commands ---- */

/* A "/word rest" that came; all borrowed. */
struct channel_said {
	const char *channel; /* its full name */
	const char *word, *rest;
	const json_t *message; /* as observers get it */
	json_t *target;	       /* of the answers */
	const char *key;       /* of the first answer, and the beginning of
				  those of others */
};

/* The part of supd that has built-in commands, which is above channel/. */
struct channel_door {
	bool (*knows)(const struct channel_door *d, const char *word);
	/* The answer is sent by channels_send(), now or later. True: the
	 * message ends at once, and not with its observers. */
	bool (*run)(struct channel_door *d, const struct channel_said *said);
};

/* NULL: there are no built-in commands. */
void channels_set_door(struct channels *all, struct channel_door *door);
/* The bytes of a text that the channel takes at once; 0: any number, or it is
 * not there. */
size_t channels_text_limit(const struct channels *all, const char *channel);
/* Logs that an answer could not be given to the channel, at most once a second:
 * who writes to a bot decides how many there are. */
void channels_tell_unsent(struct channels *all, const char *channel,
	const char *what, const char *error);

/* ---- before a channel is passed on ---- */

/* The chats that get an announcement: those of admin.notify, then those with
 * recent messages. */
#define ANNOUNCE_CHATS_MAX 8
#define ANNOUNCE_RECENT_MS (10 * 60 * 1000)

struct announcement;

/* Whether a channel of the worker has `announce`, is connected, and has a chat
 * to announce to. NULL: no. */
bool announcement_applies(const struct worker *w);
/* Sends the text to these chats, within that time. over() is called once all
 * have ended, not before this returns. */
struct announcement *announcement_begin(const struct worker *w,
	const char *text, uint64_t limit_ms, void (*over)(void *user),
	void *user);
bool announcement_is_over(const struct announcement *a);
/* Messages that are not sent yet may still be sent. NULL is fine. */
void announcement_leave(struct announcement *a);

/* ---- views ---- */

/* Since supd started; all borrowed. */
struct channel_figures {
	const char *name;
	const uint64_t *answers, *ends, *sends_ended; /* by the enums above */
	uint64_t retries;
	uint32_t pending, sending; /* now */
	bool is_up;
};

/* Figures of a worker's channel; false: it has not been started yet. */
bool channels_figures(const struct worker *w, const struct registration *r,
	struct channel_figures *out);
/* The next channel for people; *at begins with 0; NULL: no more. */
json_t *channels_view_next(const struct channels *all, size_t *at);
/* What the message store says of itself; null if no channel needed it. */
json_t *channels_store_view(const struct channels *all);

/* ---- sending ---- */

struct outbound;

#define CHANNEL_REPLY_MS 300000 /* until a reply is given up */

/* How a message ended; all borrowed. */
struct channel_sent {
	enum wire_error code; /* if error */
	const char *error;    /* it was never kept; NULL: it was */
	const char *send_id;
	const char *state; /* "sent", "not_sent" or "unknown" */
	json_t *receipt;   /* an object of the platform's, or NULL */
};

/* Waits for the end of a message; memory of the caller. */
struct channel_send {
	/* Once, unless it is left; possibly before channels_send() returns. */
	void (*done)(struct channel_send *s, const struct channel_sent *sent);
	struct list node;
	struct outbound *outbound; /* NULL: it is over */
};

/* An order to send a message. All pointers are borrowed. */
struct channel_order {
	struct bytes channel;
	json_t *target;	 /* {chat, thread?, reply_to?} */
	json_t *content; /* {text?, format?, media?} */
	const char *key; /* a message with this key is sent once; or NULL */
	uint64_t deadline_ms;  /* time for it; 0: a default */
	uint64_t limit_ms;     /* clock_ms(), a deadline of others; or 0 */
	uint32_t caller;       /* the worker that sends it; 0: none */
	const char *plugin_id; /* its plugin, or NULL */
	struct chain *chain;   /* or NULL */
	/* Where it belongs in a trace; all zero: as its chain does. */
	struct trace_context trace;
	bool is_reply; /* of supd: there is room kept for these */
};

void channels_send(struct channels *all, const struct channel_order *order,
	struct channel_send *s);
/* The message is sent nevertheless. */
void channels_leave_send(struct channel_send *s);

/* ---- what is done to messages that are out ---- */

struct acting;

/* Waits for the end of an action; memory of the caller. */
struct channel_act {
	/* Once, unless it is left; possibly before channels_act() returns.
	 * receipt: what the platform said, borrowed; NULL: error says why it
	 * was not done, or may not have been done. */
	void (*done)(struct channel_act *a, enum wire_error code,
		const char *error, json_t *receipt);
	struct acting *acting; /* NULL: it is over */
};

/* All pointers are borrowed. */
struct channel_act_order {
	struct bytes channel;
	json_t *action;	      /* "edit", "delete", "react" or "typing" */
	json_t *target;	      /* {chat, thread?, id?}; id: of the message */
	json_t *args;	      /* edit: content; react: {emoji}; or NULL */
	uint64_t deadline_ms; /* time for it; 0: a default */
	uint64_t limit_ms;    /* clock_ms(), a deadline of others; or 0 */
	uint32_t caller;      /* the worker that wants it; 0: none */
	struct trace_context trace; /* where it belongs; all zero: nowhere */
};

void channels_act(struct channels *all, const struct channel_act_order *order,
	struct channel_act *a);
/* Cancels the action. */
void channels_leave_act(struct channel_act *a);
