/* parts: the inside of the room, for its own files. */
#pragma once

#include <ev.h>

#include "proto/util/buffer.h"
#include "proto/util/list.h"
#include "proto/util/map.h"
#include "supervisor/channel/channel.h"
#include "supervisor/channel/gates.h"
#include "supervisor/channel/lanes.h"
#include "supervisor/channel/message_store.h"
#include "supervisor/channel/report.h"
#include "supervisor/channel/window.h"
#include "supervisor/event/event.h"
#include "supervisor/event/filter.h"
#include "supervisor/gateway/invoke.h"
#include "supervisor/ops/time_text.h"

/* Messages of a channel that are not handled yet, in memory. */
#define INBOUND_MAX 10000
#define INBOUND_BYTES_MAX ((size_t)16 << 20)
#define INBOUND_LANES_MAX 64 /* of a channel, that are handled at a time */
/* Bytes of the values of messages that are being handled; beyond this the next
 * one waits. */
#define INBOUND_VALUES_MAX ((size_t)16 << 20)
#define INBOUND_TRIES_MAX 2 /* deaths of a worker with a message */

/* The note of a message whose command need not be run again. */
#define COMMAND_HAS_RUN "its command has run"

#define OUTBOUND_LANES_MAX 64 /* the same of what is sent */

/* A worker that may have a channel, from its start to its stop. */
struct channel_owner {
	struct list node; /* in channel.owners, oldest first */
	struct channel *channel;
	uint32_t plugin, worker;
	uint64_t epoch;
	bool is_stopping; /* it was asked to stop */
	struct window window;
	struct list askers; /* struct asker.of_owner */
	uint32_t asker_count;
};

/* A request that waits for the answer to a channel.message. */
struct asker {
	struct list of_owner, of_message;
	struct channel_owner *owner;
	struct inbound *message;
	struct window_entry *entry;
	uint32_t wire_id;
};

/* A message from its arrival to its end. */
struct inbound {
	struct lane_item item;
	struct channel *channel;
	struct list node; /* in channel.messages */
	char *id, *lane;
	size_t id_length, lane_length;
	char *body; /* MessagePack, as it came */
	size_t body_length;
	uint64_t seq;	 /* in the store; 0: not kept yet */
	uint64_t number; /* of its gate, until it is kept; 0: none */
	/* It is kept, but waits: a message before it was refused, and has to
	 * come again first. */
	bool is_held;
	uint64_t kept_ms;   /* wall clock: when it was given to the store */
	unsigned tries;	    /* deaths of workers with it */
	struct list askers; /* struct asker.of_message, first come first */
	struct store_call call;

	/* ---- while it is handled ---- */
	json_t *data; /* as it is now: a reference */
	size_t data_bytes;
	char at[TIME_TEXT_BYTES];
	struct event_source source;
	struct filter_run filter;
	bool is_filtered; /* filter is in use */
	struct invoke invoke;
	bool is_invoked; /* invoke is in use */
	char *command;	 /* the word, or NULL */
	bool was_run;	 /* the command has ended, and its reply is kept */
	struct event_watch watch;
	enum inbound_end end;
	struct trace_span span; /* of its handling */
};

/* Messages that came lately. */
struct channel_rate {
	uint64_t minute;      /* clock_ms() / 60000 */
	uint32_t now, before; /* in that minute, and in the one before */
};

/* A chat with a recent message. */
struct channel_recent {
	char *chat; /* NULL: none */
	uint64_t at_ms;
};

struct channel {
	struct channels *all;
	char *name;	 /* full */
	uint32_t plugin; /* that registered it last */
	char *own_name;	 /* as its worker calls it */
	bool acks_handled;
	uint64_t epoch; /* of its last start */
	struct list owners;

	/* The next start: asked of the store. */
	struct store_call open;
	bool is_opening, is_open;
	uint32_t open_worker; /* for whom */
	uint64_t open_epoch;
	char *open_cursor; /* NULL: none */
	size_t open_cursor_length;

	struct gates gates;
	struct lanes lanes;
	struct map by_id;     /* struct inbound in memory */
	struct list messages; /* struct inbound.node */
	uint32_t count;
	size_t bytes;	    /* with the values */
	size_t value_bytes; /* of those that are handled */
	struct list ready;  /* in channels.ready */

	/* Messages to send. */
	struct lanes send_lanes;
	uint32_t hold_passes;	/* the worker whose messages are urgent; or 0 */
	struct map sends_by_id; /* struct outbound in memory */
	struct list sends;	/* struct outbound.node */
	struct list replies;	/* struct channel_reply.node */
	struct list acts;	/* struct acting.node */
	uint32_t act_count;
	uint32_t send_count;
	size_t send_bytes;
	uint64_t sends_ended[OUTBOUND_END_COUNT];
	uint64_t retries;

	uint64_t ends[INBOUND_END_COUNT];
	uint64_t answers[INBOUND_ANSWER_COUNT];
	struct channel_rate rate;
	uint64_t last_in_ms, refused_told_ms;

	/* With `announce`: chats with recent messages, the latest first. */
	bool announces;
	struct channel_recent recent[ANNOUNCE_CHATS_MAX];
};

/* A reply of supd, for whose end no caller waits. */
struct channel_reply {
	struct channel_send send;
	struct list node; /* in channel.replies */
	struct channel *channel;
};

struct channels {
	struct gateway *gateway;
	struct message_store *store; /* NULL: not needed yet */
	struct channel_door *door;   /* NULL: none */
	struct map by_name;
	uint32_t sweep_at; /* so many of them: see channels.c */
	struct list ready; /* struct channel.ready: lanes may go on */
	ev_timer pump;
	uint64_t started_ms; /* wall clock: part of what is sent's ids */
	uint64_t sends;
	uint64_t unsent_told_ms; /* of log lines about what is not sent */
	unsigned unsent_untold;
	struct report_gate failed_sends, dead_letters;
	/* Messages that an earlier supd had not finished. */
	enum { RECALL_NOT_BEGUN, RECALL_UNDER_WAY, RECALL_DONE } recall;
	struct store_call recalling;
	uint64_t recalled_seq;
	/* Every plugin has been ready, or has failed, once: until then nothing
	 * is handled, because who handles it may not be there yet. */
	bool is_settled;
	struct wheel_timer settled_again;
	struct wheel_timer recall_again;
};

/* ---- channels.c ---- */
/* NULL: not known. */
struct channel *channels_find(const struct channels *all, struct bytes name);
struct channel *channels_claim(struct channels *all, struct bytes name);
/* By the worker's own registration. */
struct channel *channel_of(
	const struct worker *w, const struct registration *r);
struct plugin *channel_plugin(const struct channel *c);
/* Its lanes, and what waits to be sent, are looked at in the next turn. */
void channel_look(struct channel *c);

/* ---- owner.c ---- */
extern const struct channel_life channel_life;
/* The owner of an epoch, by worker; NULL: it is none. */
struct channel_owner *channel_owner_of(
	const struct channel *c, const struct worker *w);
/* NULL: it is gone. */
struct worker *channel_owner_worker(const struct channel_owner *o);
void channel_remove_owner(struct channel_owner *o);
/* The cursor of an owner has moved, perhaps. */
void channel_keep_cursor(struct channel_owner *o);
/* The store has answered: channel.open.done */
void channel_opened(struct store_call *call, const struct store_result *result);
/* Drops what the store answered for the next start. */
void channel_forget_open(struct channel *c);
/* A channel was opened: the plugin's calls that wait for it are tried again. */
void channels_look_at(struct plugin *p);

/* ---- recall.c ---- */
/* From here on there is a store. */
void channels_need_store(struct channels *all);
void channels_recall(struct channels *all);
/* channels.recalling.done */
void channels_recalled(
	struct store_call *call, const struct store_result *result);
void channels_recall_again_due(struct wheel_timer *t);

/* ---- inbound.c ---- */
/* A message that an earlier supd kept, or that is to be tried once more. */
void inbound_recall(struct channels *all, const struct stored_message *m);
/* Ends the message; its end goes to the store. */
void inbound_finish(struct inbound *i, enum inbound_end end, const char *note);
/* The owner is about to be asked to stop: it waits for no handling. */
void inbound_let_go(struct channel_owner *o);
/* The owner has ended, and with it its requests that wait. */
void inbound_forget_owner(struct channel_owner *o);
void inbound_destroy_all(struct channel *c);
/* A user has dropped it. */
void inbound_drop(struct channel *c, struct bytes id);
struct bytes inbound_lane(const struct inbound *i);

/* ---- outbound.c ---- */
/* Sends to the chat of a message; the content's reference is taken. */
void outbound_reply(struct inbound *i, json_t *content);
/* The same of a plain text, in pieces that the channel takes. */
void outbound_reply_text(struct inbound *i, const char *text);
/* Where replies go: a new reference; and the key of the first one, which the
 * caller frees. */
json_t *outbound_reply_target(const struct inbound *i);
char *outbound_reply_key(const struct inbound *i);
/* Takes over a message that an earlier supd kept. */
void outbound_recall(struct channels *all, const struct stored_message *m);
void outbound_destroy_all(struct channel *c);
void outbound_drop(struct channel *c, struct bytes id);

/* ---- act.c ---- */
/* Ends all actions with an error. */
void act_destroy_all(struct channel *c);

/* ---- view.c ---- */
/* Counts one event. */
void channel_count(struct channel_rate *r);

/* ---- send.c ---- */
/* Begins what may begin now. */
void send_pump(struct channel *c);

/* ---- handle.c ---- */
void handle_begin(struct inbound *i);
/* Passes it to the observers; it ends when they have it. */
void handle_observe(struct inbound *i);
/* Passes it to the observers, and ends it at once. */
void handle_end(struct inbound *i);
/* Makes the message a dead letter. */
void handle_fail(struct inbound *i, const char *why);
/* supd stops: the next one does not run a command that has ended again. */
void handle_note_command(struct inbound *i);
/* Ends what is in progress; no callback follows. */
void handle_abandon(struct inbound *i);
/* It has been handled: ends its span. */
void handle_end_span(struct inbound *i, enum inbound_end end, const char *note);

/* ---- command.c ---- */
/* False: it names no command. */
bool command_begin(struct inbound *i);
/* Sends what a command or a filter answered, if it is a text. */
void command_reply(struct inbound *i, const json_t *value);

/* ---- announce.c ---- */
/* Notes the chat of a message as recent. */
void announce_note(struct channel *c, const json_t *message);
void announce_forget(struct channel *c);
